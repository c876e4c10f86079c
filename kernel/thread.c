// SPDX-License-Identifier: MIT
#include "kernel/thread.h"
#include "emu/run/emu.h"
#include "kernel/arm64/kmap.h"
#include "kernel/arm64/sysreg.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/process.h"
#include "kernel/scheduler.h"
#include "kernel/wait.h"
#include "mm/heap.h"

static uint64_t last_id;

// Every thread's first instructions, with the scheduler lock taken over from whom the core was taken.
static void thread_begin(void *argument)
{
    struct thread *self = argument;
    scheduler_switched();
    interrupts_enable();
    self->run(self->run_argument);
    panic("thread %s returned", self->name);
}

static struct thread *thread_take(void)
{
    struct thread *thread = heap_take(sizeof *thread);
    void *stack = thread ? kmap_stack_take() : NULL;
    if (!stack) {
        heap_give(thread);
        return NULL;
    }
    object_init(&thread->object, OBJECT_THREAD);
    thread->stack_top = stack;
    // Ids are multiples of 4, as Windows programs are used to.
    thread->id = 4 * __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
    thread->state = THREAD_SUSPENDED;
    list_init(&thread->process_link);
    list_init(&thread->run_link);
    return thread;
}

struct thread *thread_create_kernel(const char *name, void (*run)(void *), void *argument)
{
    struct thread *thread = thread_take();
    if (!thread)
        return NULL;
    format_text(thread->name, sizeof thread->name, "%s", name);
    thread->run = run;
    thread->run_argument = argument;
    context_prepare(&thread->context, thread->stack_top, thread_begin, thread);
    scheduler_start(thread);
    return thread;
}

static void user_thread_run(void *argument)
{
    struct thread *self = argument;
    interrupts_mask();
    thread_before_user();
    trap_return(thread_frame(self));
}

status_t thread_create_user(struct process *process, struct thread **out)
{
    struct thread *thread = thread_take();
    if (!thread)
        return STATUS_NO_MEMORY;
    object_share(&process->object);
    thread->process = process;
    thread->run = user_thread_run;
    thread->run_argument = thread;
    // Below the frame, which must survive until the thread is at EL0.
    context_prepare(&thread->context, thread_frame(thread), thread_begin, thread);
    *thread_frame(thread) = (struct trap_frame){ 0 };
    *out = thread;
    return STATUS_SUCCESS;
}

void thread_destroy(struct object *object)
{
    struct thread *thread = (struct thread *)object;
    CHECK(thread->state == THREAD_DEAD || thread->state == THREAD_SUSPENDED);
    kmap_stack_give(thread->stack_top);
    if (thread->process)
        object_release(&thread->process->object);
    heap_give(thread);
}

void thread_exit(status_t status)
{
    struct thread *self = thread_current();
    interrupts_enable();
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
    if (self->process && self->process->emu)
        emu_before_user(self->process->emu, thread_frame(self), self->cpu_area, &self->emu_seen, &self->emu_swept);
}
