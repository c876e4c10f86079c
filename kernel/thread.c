// SPDX-License-Identifier: MIT
#include "kernel/thread.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/process.h"
#include "kernel/scheduler.h"
#include "kernel/wait.h"
#include "mm/frame.h"
#include "mm/heap.h"

void thread_begin(void);                        // kernel/switch.S
void trap_leave(struct trap_frame *frame);

// Lies at the lowest address of every kernel stack: changed, the stack was too small.
static const uint64_t STACK_MARK = 0x6b6e617453756e6aull;
static uint64_t last_id;

static struct thread *thread_take(void)
{
    struct thread *thread = heap_take(sizeof *thread);
    pa_t stack;
    if (!thread)
        return NULL;
    if (frame_take_run(FRAME_KERNEL, KERNEL_STACK_BYTES / PAGE_BYTES, &stack) != STATUS_SUCCESS) {
        heap_give(thread);
        return NULL;
    }
    object_init(&thread->object, OBJECT_THREAD);
    thread->kernel_stack = frame_pointer(stack);
    *(uint64_t *)thread->kernel_stack = STACK_MARK;
    // Ids are multiples of 4, as Windows programs are used to.
    thread->id = 4 * __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
    thread->state = THREAD_SUSPENDED;
    list_init(&thread->process_link);
    list_init(&thread->run_link);
    return thread;
}

// What context_switch finds on the stack of a thread that never ran: x29 x30 x19 x20 ... x28.
static void lay_first_switch(struct thread *thread, void (*run)(void *), void *argument)
{
    uint64_t *sp = (uint64_t *)thread_frame(thread) - 12;
    sp[0] = 0;
    sp[1] = (uint64_t)thread_begin;
    sp[2] = (uint64_t)run;
    sp[3] = (uint64_t)argument;
    thread->kernel_sp = (uint64_t)sp;
}

struct thread *thread_create_kernel(const char *name, void (*run)(void *), void *argument)
{
    struct thread *thread = thread_take();
    if (!thread)
        return NULL;
    format_text(thread->name, sizeof thread->name, "%s", name);
    lay_first_switch(thread, run, argument);
    scheduler_start(thread);
    return thread;
}

static void user_thread_run(void *argument)
{
    struct thread *self = argument;
    __asm__ volatile("msr daifset, #2" ::: "memory");
    thread_before_user();
    trap_leave(thread_frame(self));
}

status_t thread_create_user(struct process *process, struct thread **out)
{
    struct thread *thread = thread_take();
    if (!thread)
        return STATUS_NO_MEMORY;
    object_share(&process->object);
    thread->process = process;
    lay_first_switch(thread, user_thread_run, thread);
    *out = thread;
    return STATUS_SUCCESS;
}

void thread_destroy(struct object *object)
{
    struct thread *thread = (struct thread *)object;
    CHECK(thread->state == THREAD_DEAD || thread->state == THREAD_SUSPENDED);
    if (*(uint64_t *)thread->kernel_stack != STACK_MARK)
        panic("kernel stack of thread %llu (%s) was too small", (unsigned long long)thread->id, thread->name);
    pa_t stack = frame_of_pointer(thread->kernel_stack);
    for (uint32_t i = 0; i < KERNEL_STACK_BYTES / PAGE_BYTES; i++)
        frame_give(stack + i * PAGE_BYTES);
    if (thread->process)
        object_release(&thread->process->object);
    heap_give(thread);
}

void thread_exit(status_t status)
{
    struct thread *self = thread_current();
    __asm__ volatile("msr daifclr, #2" ::: "memory");
    self->exit_status = status;
    scheduler_charge_current();
    if (self->process)
        process_thread_ended(self);
    wait_signal_set(&self->object);
    scheduler_end_thread();
}

void thread_before_user(void)
{
    struct thread *self = thread_current();
    scheduler_yield_if_due();
    if (__atomic_load_n(&self->terminating, __ATOMIC_RELAXED))
        thread_exit(self->process->exit_status);
}
