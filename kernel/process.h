// SPDX-License-Identifier: MIT
// Processes: an address space, a handle table, threads, and for x64 programs the translator's state.
//
// Rules
//  - The process lock (LOCK_PROCESS) guards the list of processes, every thread list, users, ending and the exit verdict.
//  - `users` counts threads and whoever else works in the address space (process_enter). With the last one gone the process
//    is taken apart: translator, mappings, address space, handles; then its object is signalled. The struct stays
//    until the last reference goes.
//  - A process that is ending gets no new thread and no new user.
#pragma once
#include "kernel/abi/ntstatus.h"
#include "kernel/abi/process.h"
#include "kernel/abi/syscall.h"
#include "kernel/handle.h"
#include "kernel/list.h"
#include "kernel/object.h"
#include "mm/aspace.h"

struct thread;
struct emu_process;
struct image_section;

enum { MACHINE_X64 = 0x8664, MACHINE_ARM64 = 0xAA64 };      // IMAGE_FILE_MACHINE_*
enum exit_reason { EXIT_NORMAL, EXIT_EXCEPTION, EXIT_LOAD };

struct process_totals { uint64_t executed_ns, instructions, entries_syscall, entries_fault, entries_interrupt, threads; };

struct process {
    struct object object;
    struct list link;
    uint64_t id;
    uint16_t machine;                    // MACHINE_X64 or MACHINE_ARM64
    char name[64];                       // last component of the image path
    const char *architecture;            // as the process list shows it

    struct aspace *aspace;               // NULL when taken apart
    struct emu_process *emu;             // NULL in a native process
    struct handle_table handles;

    struct image_section *program, *ntdll;
    uva_t program_base, ntdll_base, peb;
    uva_t initialize_thunk, exception_dispatcher;    // in ntdll, EC bodies in an x64 process; 0: none
    uint64_t entry_point;                // of the program, 0: none
    uint64_t stack_reserve;              // default for threads

    struct list threads;
    uint32_t thread_count, users;
    bool ending;
    bool crashed;                        // its crash has been reported
    status_t exit_status;
    enum exit_reason reason;
    char verdict[512];                   // for the launcher: crash line, refusal
    struct process_totals ended;         // of threads that are gone
    struct process_counters translator;  // when taken apart: what the translator had counted
};

// An address space without anything in it, one user (the caller) and one reference.
status_t process_create_bare(const char *name, uint16_t machine, struct process **out);

// From an image: maps it, ntdll and the shared data page, builds the PEB, copies the startup block, makes the first thread
// (suspended; one reference goes to *thread). machine 0: by the image, `preferred` for an Arm64X one. standard[i]: objects for
// the standard handles, NULL for none. On failure why (of why_bytes) says why in one line.
struct process_plan {
    const char *path;                    // UTF-8, terminated
    const void *startup;                 // struct startup_block, any bytes: checked
    uint64_t startup_bytes;
    struct object *standard[3];
    uint32_t standard_rights[3];
    uint16_t machine, preferred;
};
status_t process_create(const struct process_plan *plan, struct process **out, struct thread **thread, char *why, size_t why_bytes);

// A further thread, suspended: TEB, stack, CPU area, frame at LdrInitializeThunk. stack_bytes 0: the image's default.
// STATUS_NOT_SUPPORTED: the second thread of another x64 process, whose first one cannot be given x86 memory order while it runs.
status_t process_create_thread(struct process *process, uint64_t start, uint64_t argument, uint64_t stack_bytes, bool first,
                               struct thread **out);
// Puts a thread made with thread_create_user on the process's list. STATUS_PROCESS_IS_TERMINATING.
status_t process_attach_thread(struct process *process, struct thread *thread);

status_t process_enter(struct process *process);            // STATUS_PROCESS_IS_TERMINATING
void     process_leave(struct process *process);

// Ends a process: every thread ends at its next return to EL0 or wait. The first call decides status, reason and verdict
// (may be NULL). The caller's own process ends when the caller returns to EL0.
void process_terminate(struct process *process, status_t status, enum exit_reason reason, const char *verdict);
void process_terminate_all(void);
void process_thread_ended(struct thread *thread);           // from thread_exit

void process_note(struct process *process, const char *text);   // remembered for the verdict of a failed load
void process_count(struct process *process, struct process_counters *out);
void process_count_machine(struct process_counters *out, uint64_t *interrupts, uint64_t *threads);   // all that ever ran
void process_print_list(void);                              // kernel/process_list.c: to the log and to standard output
// The process after `after` (NULL: the first) with a reference, and a user when it still has an address space.
struct process *process_next(struct process *after, bool *entered);
// Every thread that may run, of every process; the lock of the processes is held meanwhile.
void process_visit_threads(void (*visit)(struct thread *thread, void *context), void *context);
uint32_t process_alive(void);                               // processes not taken apart yet
