// SPDX-License-Identifier: MIT
#include "kernel/wait.h"
#include "kernel/panic.h"
#include "kernel/scheduler.h"
#include "kernel/thread.h"
#include "kernel/time.h"

struct spinlock wait_lock = SPINLOCK(LOCK_OBJECT, "wait");

uint64_t wait_deadline(uint64_t timeout_ns)
{
    uint64_t now = time_ns();
    return timeout_ns > UINT64_MAX - now ? WAIT_FOREVER : now + timeout_ns;
}

void wait_finish_locked(struct wait *wait, status_t result)
{
    if (wait->done)
        return;
    for (uint32_t i = 0; i < wait->count; i++)
        list_remove(&wait->entries[i].link);
    wait->done = true;
    wait->result = result;
    scheduler_unpark(wait->thread);
}

// Takes what the wait needs from its objects if that is there now.
static bool satisfy_locked(const struct wait *wait, status_t *result)
{
    for (uint32_t i = 0; i < wait->count; i++) {
        struct object *object = wait->entries[i].object;
        if (wait->all && !object->signal)
            return false;
        if (!wait->all && object->signal) {
            object->signal -= object->consume;
            *result = STATUS_SUCCESS + (status_t)i;
            return true;
        }
    }
    if (!wait->all)
        return false;
    for (uint32_t i = 0; i < wait->count; i++)
        wait->entries[i].object->signal -= wait->entries[i].object->consume;
    *result = STATUS_SUCCESS;
    return true;
}

// The object's count has risen: serve its waiters while it lasts. Finishing a wait removes all its entries from their lists,
// several of which may be on this one, so the walk begins again after each.
static void serve_waiters_locked(struct object *object)
{
    bool served = true;
    while (served && object->signal) {
        served = false;
        list_for_each(link, &object->waiters) {
            struct wait *wait = list_entry(link, struct wait_entry, link)->wait;
            status_t result;
            if (satisfy_locked(wait, &result)) {
                wait_finish_locked(wait, result);
                served = true;
                break;
            }
        }
    }
}

bool wait_signal(struct object *object, uint32_t add, uint32_t most, uint32_t *previous)
{
    spin_lock(&wait_lock);
    uint32_t before = object->signal;
    bool fits = add <= most && before <= most - add;
    if (fits) {
        object->signal = before + add;
        serve_waiters_locked(object);
    }
    spin_unlock(&wait_lock);
    if (previous)
        *previous = before;
    return fits;
}

void wait_signal_set(struct object *object)
{
    spin_lock(&wait_lock);
    object->signal = 1;
    serve_waiters_locked(object);
    spin_unlock(&wait_lock);
}

void wait_signal_clear(struct object *object)
{
    spin_lock(&wait_lock);
    object->signal = 0;
    spin_unlock(&wait_lock);
}

status_t wait_sleep_until_done(struct wait *wait, uint64_t deadline)
{
    struct thread *self = wait->thread;
    self->wait = wait;
    if (self->terminating)
        wait_finish_locked(wait, STATUS_PROCESS_IS_TERMINATING);
    while (!wait->done) {
        if (time_ns() >= deadline) {
            wait_finish_locked(wait, STATUS_TIMEOUT);
            break;
        }
        spin_unlock(&wait_lock);
        scheduler_park(deadline);
        spin_lock(&wait_lock);
    }
    self->wait = NULL;
    spin_unlock(&wait_lock);
    return wait->result;
}

void wait_cancel(struct thread *thread)
{
    spin_lock(&wait_lock);
    thread->terminating = true;
    if (thread->wait)
        wait_finish_locked(thread->wait, STATUS_PROCESS_IS_TERMINATING);
    spin_unlock(&wait_lock);
}

status_t wait_objects(struct object *const *objects, uint32_t count, bool all, uint64_t timeout_ns)
{
    if (count == 0 || count > WAIT_MOST)
        return STATUS_INVALID_PARAMETER;
    for (uint32_t i = 0; i < count; i++) {
        if (!object_classes[objects[i]->type].waitable)
            return STATUS_OBJECT_TYPE_MISMATCH;
        for (uint32_t j = 0; all && j < i; j++)
            if (objects[j] == objects[i])
                return STATUS_INVALID_PARAMETER;
    }
    struct wait_entry entries[WAIT_MOST];
    struct wait wait = { .thread = thread_current(), .entries = entries, .count = count, .all = all };
    for (uint32_t i = 0; i < count; i++) {
        entries[i].wait = &wait;
        entries[i].object = objects[i];
        list_init(&entries[i].link);
    }
    uint64_t deadline = wait_deadline(timeout_ns);
    status_t result;
    spin_lock(&wait_lock);
    if (satisfy_locked(&wait, &result)) {
        spin_unlock(&wait_lock);
        return result;
    }
    if (timeout_ns == 0) {
        spin_unlock(&wait_lock);
        return STATUS_TIMEOUT;
    }
    for (uint32_t i = 0; i < count; i++)
        list_append(&objects[i]->waiters, &entries[i].link);
    return wait_sleep_until_done(&wait, deadline);
}

status_t wait_one(struct object *object, uint64_t timeout_ns)
{
    return wait_objects(&object, 1, false, timeout_ns);
}

status_t wait_sleep(uint64_t nanoseconds)
{
    struct wait wait = { .thread = thread_current() };
    uint64_t deadline = wait_deadline(nanoseconds);
    spin_lock(&wait_lock);
    status_t result = wait_sleep_until_done(&wait, deadline);
    return result == STATUS_TIMEOUT ? STATUS_SUCCESS : result;
}
