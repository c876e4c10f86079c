// SPDX-License-Identifier: MIT
// Waiting: a thread sleeps until objects are signalled, a deadline passes, or it is to end.
//
// Rules
//  - One lock, the wait lock (LOCK_OBJECT), guards every signal count and every waiter list of the machine.
//  - Who signals decides for the waiter: the counts are taken and the wait is marked done before the waiter runs again,
//    so two waiters never both believe they own a unit. Waiters are served in the order they came.
//  - Called from threads, with no lock held.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "kernel/abi/ntstatus.h"
#include "kernel/list.h"
#include "kernel/lock.h"
#include "kernel/object.h"

enum { WAIT_MOST = 64 };
#define WAIT_FOREVER UINT64_MAX

struct thread;
struct wait;
struct wait_entry {
    struct list link;                   // in object->waiters, or in a bucket of kernel/address_wait.c
    struct wait *wait;
    struct object *object;
};
struct wait {                           // lives on the waiter's kernel stack
    struct thread *thread;
    struct wait_entry *entries;
    uint32_t count;
    bool all, done;
    status_t result;
};

extern struct spinlock wait_lock;

// Waits for any (all = false) or all of 1..WAIT_MOST objects; timeout in nanoseconds from now, 0 only looks.
// STATUS_SUCCESS + index of the object that satisfied it, STATUS_TIMEOUT, STATUS_PROCESS_IS_TERMINATING when the thread is to
// end, STATUS_OBJECT_TYPE_MISMATCH for an object that cannot be waited for, STATUS_INVALID_PARAMETER for a bad count or for the
// same object twice with all = true.
status_t wait_objects(struct object *const *objects, uint32_t count, bool all, uint64_t timeout_ns);
status_t wait_one(struct object *object, uint64_t timeout_ns);
status_t wait_sleep(uint64_t nanoseconds);

// Adds to the signal count, but not beyond `most`; false (and nothing done) if it would go beyond. *previous may be NULL.
bool wait_signal(struct object *object, uint32_t add, uint32_t most, uint32_t *previous);
void wait_signal_set(struct object *object);        // count 1, however often
void wait_signal_clear(struct object *object);

// For kernel/address_wait.c and the end of threads.
status_t wait_sleep_until_done(struct wait *wait, uint64_t deadline);       // takes the wait lock held, gives it back
void wait_finish_locked(struct wait *wait, status_t result);                // no-op when it is done already
void wait_cancel(struct thread *thread);                                    // the thread's wait ends with ..._TERMINATING
uint64_t wait_deadline(uint64_t timeout_ns);                                // saturating
