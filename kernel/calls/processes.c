// SPDX-License-Identifier: MIT
// System calls on processes, threads, exceptions and contexts.
#include "kernel/bootfile.h"
#include "kernel/exception.h"
#include "kernel/log.h"
#include "kernel/process.h"
#include "kernel/scheduler.h"
#include "kernel/startup.h"
#include "kernel/status.h"
#include "kernel/syscall.h"
#include "kernel/thread.h"
#include "kernel/wait.h"
#include "mm/heap.h"
#include "mm/user.h"

static status_t copy_out_whole(uint64_t to, uint64_t length, const void *from, uint64_t bytes)
{
    return length < bytes ? STATUS_INFO_LENGTH_MISMATCH : user_copy_out(to, from, bytes);
}

// ---- processes ----

// What ntdll ends a process with when the program could not be loaded.
static enum exit_reason reason_of(status_t status)
{
    static const uint32_t load[] = { 0xC0000135, 0xC0000138, 0xC0000139, 0xC0000142, 0xC000007B, 0xC000035E };
    for (unsigned i = 0; i < sizeof load / sizeof *load; i++)
        if ((uint32_t)status == load[i])
            return EXIT_LOAD;
    return EXIT_NORMAL;
}

status_t sys_process_terminate(uint64_t handle, uint64_t status)
{
    struct object *object;
    status_t found = syscall_object(handle, OBJECT_PROCESS, RIGHT_TERMINATE, &object, NULL);
    if (found != STATUS_SUCCESS)
        return found;
    bool own = object == &thread_current()->process->object;
    process_terminate((struct process *)object, (status_t)status, own ? reason_of((status_t)status) : EXIT_NORMAL, NULL);
    object_release(object);
    return STATUS_SUCCESS;
}

// The plan's standard handles, each with a reference.
static status_t find_standard(const struct process_create *create, struct process_plan *plan)
{
    for (unsigned i = 0; i < 3; i++) {
        if (!create->standard[i])
            continue;
        status_t status = syscall_object(create->standard[i], OBJECT_ANY, RIGHT_DUPLICATE, &plan->standard[i],
                                         &plan->standard_rights[i]);
        if (status != STATUS_SUCCESS)
            return status;
    }
    return STATUS_SUCCESS;
}

static status_t create_planned(const struct process_plan *plan, uint32_t flags, uint64_t process_out, uint64_t thread_out)
{
    char why[256];
    struct process *process;
    struct thread *thread;
    status_t status = process_create(plan, &process, &thread, why, sizeof why);
    if (status != STATUS_SUCCESS) {
        log_warning("%s cannot start %s: %s", thread_current()->process->name, plan->path, why);
        return status;
    }
    object_share(&process->object);
    object_share(&thread->object);
    status = syscall_give(&process->object, RIGHT_ALL, process_out);
    if (status == STATUS_SUCCESS)
        status = syscall_give(&thread->object, RIGHT_ALL, thread_out);
    else
        object_release(&thread->object);
    if (status != STATUS_SUCCESS)
        process_terminate(process, status, EXIT_NORMAL, NULL);
    else if (!(flags & THREAD_CREATE_SUSPENDED))
        scheduler_start(thread);
    object_release(&thread->object);
    object_release(&process->object);
    return status;
}

status_t sys_process_create(uint64_t create_at, uint64_t process_out, uint64_t thread_out)
{
    struct process_create create;
    char path[BOOTFILE_PATH_MOST + 1];
    status_t status = user_copy_in(&create, create_at, sizeof create);
    if (status == STATUS_SUCCESS)
        status = syscall_text(create.path, create.path_bytes, path, sizeof path);
    if (status != STATUS_SUCCESS)
        return status;
    if (create.startup_bytes > STARTUP_BYTES_MOST || create.startup_bytes == 0 || create.machine > UINT16_MAX
        || (create.flags & ~(uint32_t)THREAD_CREATE_SUSPENDED))
        return STATUS_INVALID_PARAMETER;
    void *startup = heap_take(create.startup_bytes);
    if (!startup)
        return STATUS_NO_MEMORY;
    struct process_plan plan = { .path = path, .startup = startup, .startup_bytes = create.startup_bytes,
                                 .machine = (uint16_t)create.machine, .preferred = thread_current()->process->machine };
    status = user_copy_in(startup, create.startup, create.startup_bytes);
    if (status == STATUS_SUCCESS)
        status = find_standard(&create, &plan);
    if (status == STATUS_SUCCESS)
        status = create_planned(&plan, create.flags, process_out, thread_out);
    for (unsigned i = 0; i < 3; i++)
        object_release(plan.standard[i]);
    heap_give(startup);
    return status;
}

static struct process_basic basic_of(const struct process *process)
{
    return (struct process_basic){ process->peb, process->id, process->ending ? process->exit_status : 0x103,
                                   process->object.signal == 0, process->machine, MACHINE_ARM64, process->thread_count };
}

status_t sys_process_query(uint64_t handle, uint64_t class, uint64_t buffer, uint64_t length)
{
    struct object *object;
    status_t status = syscall_object(handle, OBJECT_PROCESS, RIGHT_QUERY, &object, NULL);
    if (status != STATUS_SUCCESS)
        return status;
    struct process *process = (struct process *)object;
    if (class == PROCESS_BASIC) {
        struct process_basic basic = basic_of(process);
        status = copy_out_whole(buffer, length, &basic, sizeof basic);
    } else if (class == PROCESS_COUNTERS) {
        struct process_counters counters;
        scheduler_charge_current();
        process_count(process, &counters);
        status = copy_out_whole(buffer, length, &counters, sizeof counters);
    } else if (class == PROCESS_LIST_TO_LOG) {
        process_print_list();
    } else {
        status = STATUS_INVALID_INFO_CLASS;
    }
    object_release(object);
    return status;
}

// ---- threads ----

status_t sys_thread_create(uint64_t handle, uint64_t start, uint64_t argument, uint64_t stack, uint64_t flags, uint64_t out)
{
    struct process *process;
    struct thread *thread;
    if (flags & ~(uint64_t)THREAD_CREATE_SUSPENDED)
        return STATUS_INVALID_PARAMETER;
    status_t status = syscall_enter(handle, RIGHT_CREATE, &process);
    if (status != STATUS_SUCCESS)
        return status;
    status = process->initialize_thunk ? process_create_thread(process, start, argument, stack, false, &thread)
                                       : STATUS_NOT_SUPPORTED;
    if (status == STATUS_SUCCESS) {
        object_share(&thread->object);
        status = syscall_give(&thread->object, RIGHT_ALL, out);
        if (status != STATUS_SUCCESS) {
            wait_cancel(thread);            // it ends on its way to EL0
            scheduler_start(thread);
        } else if (!(flags & THREAD_CREATE_SUSPENDED)) {
            scheduler_start(thread);
        }
        object_release(&thread->object);
    }
    syscall_leave(process);
    return status;
}

status_t sys_thread_exit(uint64_t status)
{
    struct process *process = thread_current()->process;
    if (process->thread_count == 1 && reason_of((status_t)status) == EXIT_LOAD)
        process_terminate(process, (status_t)status, EXIT_LOAD, NULL);
    thread_exit((status_t)status);
}

status_t sys_thread_resume(uint64_t handle)
{
    struct object *object;
    status_t status = syscall_object(handle, OBJECT_THREAD, RIGHT_MODIFY, &object, NULL);
    if (status != STATUS_SUCCESS)
        return status;
    scheduler_start((struct thread *)object);
    object_release(object);
    return STATUS_SUCCESS;
}

status_t sys_thread_yield(void)
{
    scheduler_yield();
    return STATUS_SUCCESS;
}

status_t sys_thread_query(uint64_t handle, uint64_t class, uint64_t buffer, uint64_t length)
{
    struct object *object;
    status_t status = syscall_object(handle, OBJECT_THREAD, RIGHT_QUERY, &object, NULL);
    if (status != STATUS_SUCCESS)
        return status;
    struct thread *thread = (struct thread *)object;
    bool running = thread->object.signal == 0;
    struct thread_basic basic = { thread->teb, thread->id, thread->process ? thread->process->id : 0,
                                  running ? 0x103 : thread->exit_status, running };
    status = class == THREAD_BASIC ? copy_out_whole(buffer, length, &basic, sizeof basic) : STATUS_INVALID_INFO_CLASS;
    object_release(object);
    return status;
}

// ---- exceptions and contexts ----

static status_t context_in(uint64_t from, struct arm64_context **out)
{
    *out = heap_take(sizeof **out);
    if (!*out)
        return STATUS_NO_MEMORY;
    status_t status = user_copy_in(*out, from, sizeof **out);
    if (status == STATUS_SUCCESS && !((*out)->flags & CONTEXT_ARM64))
        status = STATUS_INVALID_PARAMETER;
    if (status != STATUS_SUCCESS)
        heap_give(*out);
    return status;
}

status_t sys_exception_raise(uint64_t record_at, uint64_t context_at, uint64_t first_chance)
{
    struct exception_record record;
    struct arm64_context *context;
    struct trap_frame *frame = thread_frame(thread_current());
    status_t status = user_copy_in(&record, record_at, sizeof record);
    if (status == STATUS_SUCCESS && record.parameter_count > EXCEPTION_PARAMETERS_MOST)
        status = STATUS_INVALID_PARAMETER;
    if (status == STATUS_SUCCESS)
        status = context_in(context_at, &context);
    if (status != STATUS_SUCCESS)
        return status;
    context_apply_state(thread_current(), context);
    heap_give(context);
    if (first_chance)
        exception_deliver_record(frame, &record, NULL);
    else
        exception_crash(frame, &record, NULL);
    return STATUS_SUCCESS;
}

status_t sys_context_continue(uint64_t context_at)
{
    struct arm64_context *context;
    status_t status = context_in(context_at, &context);
    if (status != STATUS_SUCCESS)
        return status;
    context_apply(thread_current(), context);
    heap_give(context);
    return STATUS_SUCCESS;
}

status_t sys_context_get(uint64_t handle, uint64_t out)
{
    struct object *object;
    status_t status = syscall_object(handle, OBJECT_THREAD, RIGHT_READ, &object, NULL);
    if (status != STATUS_SUCCESS)
        return status;
    struct thread *thread = (struct thread *)object;
    struct arm64_context *context = heap_take(sizeof *context);
    if (!context)
        status = STATUS_NO_MEMORY;
    else if (thread != thread_current() && thread->state != THREAD_SUSPENDED)
        status = STATUS_ACCESS_DENIED;
    else
        context_build(thread, context);
    if (status == STATUS_SUCCESS)
        status = user_copy_out(out, context, sizeof *context);
    heap_give(context);
    object_release(object);
    return status;
}

// A pc in x64 code goes through the translator, whose part of the state is the thread's CPU area (exception.h).
status_t sys_context_set(uint64_t handle, uint64_t from)
{
    struct object *object;
    struct arm64_context *context;
    status_t status = syscall_object(handle, OBJECT_THREAD, RIGHT_MODIFY, &object, NULL);
    if (status != STATUS_SUCCESS)
        return status;
    struct thread *thread = (struct thread *)object;
    if (thread->state != THREAD_SUSPENDED || thread->process != thread_current()->process)
        status = STATUS_ACCESS_DENIED;
    else
        status = context_in(from, &context);
    if (status == STATUS_SUCCESS) {
        context_apply(thread, context);
        heap_give(context);
    }
    object_release(object);
    return status;
}
