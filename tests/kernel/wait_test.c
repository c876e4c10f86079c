// SPDX-License-Identifier: MIT
#include "kernel/wait.h"
#include "kernel/event.h"
#include "kernel/scheduler.h"
#include "kernel/semaphore.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "tests/kernel/el0.h"
#include "tests/kernel/ktest.h"

KTEST(wait_looks_without_sleeping)
{
    struct object *manual = event_create(true, true), *automatic = event_create(false, true);
    KEXPECT(wait_one(manual, 0) == STATUS_SUCCESS);
    KEXPECT(wait_one(manual, 0) == STATUS_SUCCESS);
    wait_signal_clear(manual);
    KEXPECT(wait_one(manual, 0) == STATUS_TIMEOUT);
    KEXPECT(wait_one(automatic, 0) == STATUS_SUCCESS);
    KEXPECT(wait_one(automatic, 0) == STATUS_TIMEOUT);
    wait_signal_set(automatic);
    wait_signal_set(automatic);
    KEXPECT(wait_one(automatic, 0) == STATUS_SUCCESS);
    KEXPECT(wait_one(automatic, 0) == STATUS_TIMEOUT);
    object_release(manual);
    object_release(automatic);
}

KTEST(wait_timeout_takes_its_time)
{
    struct object *event = event_create(false, false);
    uint64_t start = time_ns();
    KEXPECT(wait_one(event, 20000000) == STATUS_TIMEOUT);
    uint64_t took = time_ns() - start;
    KEXPECT(took >= 20000000 && took < 2000000000);
    start = time_ns();
    KEXPECT(wait_sleep(5000000) == STATUS_SUCCESS);
    KEXPECT(time_ns() - start >= 5000000);
    object_release(event);
}

KTEST(wait_any_gives_the_index_and_takes_one)
{
    struct object *events[3] = { event_create(false, false), event_create(false, true), event_create(false, true) };
    KEXPECT(wait_objects(events, 3, false, 0) == STATUS_SUCCESS + 1);
    KEXPECT(wait_objects(events, 3, false, 0) == STATUS_SUCCESS + 2);
    KEXPECT(wait_objects(events, 3, false, 0) == STATUS_TIMEOUT);
    for (int i = 0; i < 3; i++)
        object_release(events[i]);
}

KTEST(wait_all_takes_all_or_nothing)
{
    struct object *events[2] = { event_create(false, true), event_create(false, false) };
    struct object *twice[2] = { events[0], events[0] };
    KEXPECT(wait_objects(events, 2, true, 1000000) == STATUS_TIMEOUT);
    KEXPECT(events[0]->signal == 1);
    wait_signal_set(events[1]);
    KEXPECT(wait_objects(events, 2, true, 0) == STATUS_SUCCESS);
    KEXPECT(events[0]->signal == 0 && events[1]->signal == 0);
    KEXPECT(wait_objects(twice, 2, true, 0) == STATUS_INVALID_PARAMETER);
    KEXPECT(wait_objects(events, 0, false, 0) == STATUS_INVALID_PARAMETER);
    KEXPECT(wait_objects(events, WAIT_MOST + 1, false, 0) == STATUS_INVALID_PARAMETER);
    object_release(events[0]);
    object_release(events[1]);
}

// ---- with other threads ----

enum { WORKERS = 6, ROUNDS = 300 };
struct group { struct object *semaphore, *done, *start; uint32_t taken; };

static void take_units(void *argument)
{
    struct group *group = argument;
    KEXPECT(wait_one(group->start, 5000000000) == STATUS_SUCCESS);
    for (int i = 0; i < ROUNDS; i++) {
        KEXPECT(wait_one(group->semaphore, 5000000000) == STATUS_SUCCESS);
        __atomic_add_fetch(&group->taken, 1, __ATOMIC_RELAXED);
    }
    semaphore_release(group->done, 1, NULL);
    thread_exit(STATUS_SUCCESS);
}

KTEST(wait_units_are_neither_lost_nor_doubled)
{
    struct group group = { .start = event_create(true, false) };
    struct thread *workers[WORKERS];
    semaphore_create(0, WORKERS * ROUNDS, &group.semaphore);
    semaphore_create(0, WORKERS, &group.done);
    for (int i = 0; i < WORKERS; i++)
        workers[i] = thread_create_kernel("worker", take_units, &group);
    wait_signal_set(group.start);
    for (int given = 0; given < WORKERS * ROUNDS;) {
        int units = given % 5 + 1 < WORKERS * ROUNDS - given ? given % 5 + 1 : WORKERS * ROUNDS - given;
        KEXPECT(semaphore_release(group.semaphore, (uint32_t)units, NULL) == STATUS_SUCCESS);
        given += units;
        if (given % 7 == 0)
            scheduler_yield();
    }
    for (int i = 0; i < WORKERS; i++)
        KEXPECT(wait_one(group.done, 10000000000) == STATUS_SUCCESS);
    KEXPECT(group.taken == WORKERS * ROUNDS);
    KEXPECT(group.semaphore->signal == 0);
    for (int i = 0; i < WORKERS; i++)
        el0_join(workers[i]);
    object_release(group.semaphore);
    object_release(group.done);
    object_release(group.start);
}

struct pair { struct object *ping, *pong; };

static void answer(void *argument)
{
    struct pair *pair = argument;
    for (int i = 0; i < ROUNDS; i++) {
        KEXPECT(wait_one(pair->ping, 5000000000) == STATUS_SUCCESS);
        wait_signal_set(pair->pong);
    }
    thread_exit(STATUS_SUCCESS);
}

KTEST(wait_ping_pong_between_threads)
{
    struct pair pair = { event_create(false, false), event_create(false, false) };
    struct thread *thread = thread_create_kernel("answer", answer, &pair);
    for (int i = 0; i < ROUNDS; i++) {
        wait_signal_set(pair.ping);
        KEXPECT(wait_one(pair.pong, 5000000000) == STATUS_SUCCESS);
    }
    el0_join(thread);
    object_release(pair.ping);
    object_release(pair.pong);
}

EL0_PROGRAM(address_wait);

KTEST(wait_on_an_address_wakes_all_waiters)
{
    enum { WAITERS = 5 };
    struct el0_process el0;
    struct thread *threads[WAITERS + 1];
    if (!el0_create(&el0, "address", el0_address_wait, el0_address_wait_end)) {
        KEXPECT(!"no process");
        return;
    }
    for (int i = 0; i < WAITERS; i++)
        KEXPECT((threads[i] = el0_start(&el0, 0, 0)));
    wait_sleep(20000000);
    KEXPECT((threads[WAITERS] = el0_start(&el0, 1, 0)));
    for (int i = 0; i <= WAITERS; i++) {
        KEXPECT(wait_one(&threads[i]->object, 5000000000) == STATUS_SUCCESS);
        KEXPECT(threads[i]->exit_status == (i < WAITERS ? 7 : 8));
        object_release(&threads[i]->object);
    }
    uint32_t woken = 0;
    KEXPECT(aspace_read(el0.process->aspace, el0.data + 64, &woken, 4, ACCESS_READ) == 4 && woken == WAITERS);
    el0_finish(&el0, 5000000000, NULL);
}
