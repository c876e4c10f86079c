// SPDX-License-Identifier: MIT
// System calls on handles, events, semaphores, waits and time.
#include "kernel/address_wait.h"
#include "kernel/event.h"
#include "kernel/log.h"
#include "kernel/process.h"
#include "kernel/semaphore.h"
#include "kernel/scheduler.h"
#include "kernel/syscall.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/wait.h"
#include "kernel/wall_clock.h"
#include "mm/user.h"

static const uint32_t RIGHTS_SYNC = RIGHT_WAIT | RIGHT_QUERY | RIGHT_MODIFY | RIGHT_DUPLICATE;

status_t sys_handle_close(uint64_t handle)
{
    if (handle == HANDLE_CURRENT_PROCESS || handle == HANDLE_CURRENT_THREAD)
        return STATUS_SUCCESS;
    return handle_remove(&thread_current()->process->handles, handle);
}

status_t sys_handle_duplicate(uint64_t source, uint64_t handle, uint64_t target, uint64_t rights, uint64_t out)
{
    struct process *from, *to;
    struct object *object = NULL;
    uint32_t has = 0;
    status_t status = syscall_enter(source, RIGHT_CREATE, &from);
    if (status != STATUS_SUCCESS)
        return status;
    bool own = from == thread_current()->process;
    status = own ? syscall_object(handle, OBJECT_ANY, RIGHT_DUPLICATE, &object, &has)
                 : handle_find(&from->handles, handle, OBJECT_ANY, RIGHT_DUPLICATE, &object, &has);
    syscall_leave(from);
    if (status != STATUS_SUCCESS)
        return status;
    if (rights == 0)
        rights = has;
    status = (rights & ~(uint64_t)has) ? STATUS_ACCESS_DENIED : syscall_enter(target, RIGHT_CREATE, &to);
    if (status == STATUS_SUCCESS) {
        handle_t copy;
        status = handle_insert(&to->handles, object, (uint32_t)rights, &copy);
        if (status == STATUS_SUCCESS) {
            status = user_copy_out(out, &copy, sizeof copy);
            if (status != STATUS_SUCCESS)
                handle_remove(&to->handles, copy);
        }
        syscall_leave(to);
    }
    object_release(object);
    return status;
}

status_t sys_wait(uint64_t count, uint64_t handles, uint64_t all, uint64_t timeout)
{
    handle_t list[WAIT_MOST];
    struct object *objects[WAIT_MOST];
    if (count == 0 || count > WAIT_MOST || all > 1)
        return STATUS_INVALID_PARAMETER;
    status_t status = user_copy_in(list, handles, count * sizeof *list);
    uint32_t held = 0;
    while (status == STATUS_SUCCESS && held < count) {
        status = syscall_object(list[held], OBJECT_ANY, RIGHT_WAIT, &objects[held], NULL);
        if (status == STATUS_SUCCESS)
            held++;
    }
    if (status == STATUS_SUCCESS)
        status = wait_objects(objects, (uint32_t)count, all, timeout);
    while (held)
        object_release(objects[--held]);
    return status;
}

status_t sys_event_create(uint64_t manual, uint64_t signalled, uint64_t out)
{
    if (manual > 1 || signalled > 1)
        return STATUS_INVALID_PARAMETER;
    struct object *event = event_create(manual, signalled);
    return event ? syscall_give(event, RIGHTS_SYNC, out) : STATUS_NO_MEMORY;
}

static status_t event_change(uint64_t handle, void (*change)(struct object *))
{
    struct object *event;
    status_t status = syscall_object(handle, OBJECT_EVENT, RIGHT_MODIFY, &event, NULL);
    if (status != STATUS_SUCCESS)
        return status;
    change(event);
    object_release(event);
    return STATUS_SUCCESS;
}

status_t sys_event_set(uint64_t handle) { return event_change(handle, wait_signal_set); }
status_t sys_event_reset(uint64_t handle) { return event_change(handle, wait_signal_clear); }

status_t sys_semaphore_create(uint64_t initial, uint64_t maximum, uint64_t out)
{
    struct object *semaphore;
    if (initial > UINT32_MAX || maximum > UINT32_MAX)
        return STATUS_INVALID_PARAMETER;
    status_t status = semaphore_create((uint32_t)initial, (uint32_t)maximum, &semaphore);
    return status == STATUS_SUCCESS ? syscall_give(semaphore, RIGHTS_SYNC, out) : status;
}

status_t sys_semaphore_release(uint64_t handle, uint64_t count, uint64_t previous)
{
    struct object *semaphore;
    uint32_t before = 0;
    if (count > UINT32_MAX)
        return STATUS_INVALID_PARAMETER;
    // Before anything is released: the place for the answer must be writable.
    status_t status = previous ? user_copy_out(previous, &before, sizeof before) : STATUS_SUCCESS;
    if (status == STATUS_SUCCESS)
        status = syscall_object(handle, OBJECT_SEMAPHORE, RIGHT_MODIFY, &semaphore, NULL);
    if (status != STATUS_SUCCESS)
        return status;
    status = semaphore_release(semaphore, (uint32_t)count, &before);
    object_release(semaphore);
    if (status == STATUS_SUCCESS && previous)
        status = user_copy_out(previous, &before, sizeof before);
    return status;
}

status_t sys_address_wait(uint64_t address, uint64_t compare, uint64_t size, uint64_t timeout)
{
    return size > 8 ? STATUS_INVALID_PARAMETER : address_wait(address, compare, (uint32_t)size, timeout);
}

status_t sys_address_wake(uint64_t address, uint64_t count)
{
    return address_wake(address, count > UINT32_MAX ? UINT32_MAX : (uint32_t)count);
}

status_t sys_clock_read(uint64_t clock, uint64_t out)
{
    uint64_t now = clock == CLOCK_MONOTONIC_NS ? time_ns() : wall_clock_ns();
    return clock > CLOCK_REALTIME_NS ? STATUS_INVALID_PARAMETER : user_copy_out(out, &now, sizeof now);
}

status_t sys_sleep(uint64_t nanoseconds)
{
    if (nanoseconds)
        return wait_sleep(nanoseconds);
    scheduler_yield();
    return STATUS_SUCCESS;
}

status_t sys_debug_print(uint64_t text, uint64_t bytes)
{
    char line[512];
    status_t status = syscall_text(text, bytes, line, sizeof line);
    if (status != STATUS_SUCCESS)
        return status;
    struct process *process = thread_current()->process;
    log_info("[%s] %s", process->name, line);
    process_note(process, line);
    return STATUS_SUCCESS;
}
