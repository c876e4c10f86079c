// SPDX-License-Identifier: MIT
// Threads: a kernel stack, and for a program's thread the registers it left EL0 with.
//
// Rules
//  - A user thread's trap frame is always at the top of its kernel stack (thread_frame), from its first run on.
//  - FP/SIMD registers are the thread's own in the core while it runs, in `fp` otherwise.
//  - state, run_link, core and the park token belong to the scheduler lock; terminating and wait to the wait lock.
//  - References: one for running, given up by the scheduler after the last switch away, one of the process's thread list; handles
//    hold more.
#pragma once
#include "kernel/abi/ntstatus.h"
#include "kernel/arm64/switch.h"
#include "kernel/list.h"
#include "kernel/object.h"
#include "kernel/percpu.h"
#include "mm/aspace.h"

struct process;
struct wait;

enum thread_state { THREAD_SUSPENDED, THREAD_READY, THREAD_RUNNING, THREAD_PARKED, THREAD_DEAD };

struct thread {
    struct object object;
    uint64_t id;
    struct process *process;             // a reference; NULL for kernel threads
    struct list process_link;
    status_t exit_status;

    enum thread_state state;
    bool park_token;                     // an unpark came while not parked
    uint32_t core;                       // that it runs on or ran on last
    struct list run_link;                // in the run queue while READY, in the time-out queue while PARKED with a deadline
    uint64_t deadline;
    uint64_t queued_at;

    struct wait *wait;
    bool terminating;                    // ends at its next return to EL0

    void (*run)(void *);                 // what the thread does in the kernel first
    void *run_argument;
    struct cpu_context context;          // where it left the kernel's side
    void *stack_top;                     // of its kernel stack
    struct fp_state fp;
    uint64_t tpidr_el0;

    uva_t teb, cpu_area;
    uint64_t emu_seen, emu_swept;        // emu_before_user, emu_interrupt
    uva_t stack_base, stack_limit;       // top of the user stack, lowest address of its reservation
    // What the kernel knew about the exception delivered last: shown if the program leaves it unhandled.
    struct { uint64_t address; uint32_t code; char text[96]; } exception_detail;
    bool frame_replaced;                 // a system call has set the whole frame: no result is stored
    bool raising;                        // an exception is being delivered

    uint64_t executed_ns, executed_instructions;
    uint64_t entries_syscall, entries_fault, entries_interrupt;
    char name[24];
};

static inline struct thread *thread_current(void) { return this_cpu()->current; }
static inline struct trap_frame *thread_frame(const struct thread *thread)
{
    return (struct trap_frame *)thread->stack_top - 1;
}

// A kernel thread, running at once. NULL: no memory. The returned reference is the caller's.
struct thread *thread_create_kernel(const char *name, void (*run)(void *), void *argument);

// A thread of a process, SUSPENDED, its frame zeroed but for SPSR (EL0t, interrupts on). The caller's reference; the running
// reference is taken by scheduler_start.
status_t thread_create_user(struct process *process, struct thread **out);

// Ends the calling thread: signals its object and never returns. A user thread's process part is done by process_thread_ended.
_Noreturn void thread_exit(status_t status);

// The way back to EL0: gives up the core if its time is over and ends the thread if it is to end. Interrupts masked.
void thread_before_user(void);
