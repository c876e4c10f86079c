// SPDX-License-Identifier: MIT
#include "kernel/handle.h"
#include "kernel/event.h"
#include "kernel/semaphore.h"
#include "tests/kernel/ktest.h"

KTEST(handle_values_and_reuse)
{
    struct handle_table table;
    struct object *event = event_create(true, false);
    handle_t first, second, third, again;
    handle_table_init(&table);
    KEXPECT(handle_insert(&table, event, RIGHT_ALL, &first) == STATUS_SUCCESS && first == 4);
    KEXPECT(handle_insert(&table, event, RIGHT_WAIT, &second) == STATUS_SUCCESS && second == 8);
    KEXPECT(handle_insert(&table, event, RIGHT_WAIT, &third) == STATUS_SUCCESS && third == 12);
    KEXPECT(event->references == 4);
    KEXPECT(handle_remove(&table, second) == STATUS_SUCCESS);
    KEXPECT(handle_remove(&table, second) == STATUS_INVALID_HANDLE);
    KEXPECT(handle_insert(&table, event, RIGHT_WAIT, &again) == STATUS_SUCCESS && again == second);
    handle_table_close_all(&table);
    KEXPECT(event->references == 1);
    object_release(event);
}

KTEST(handle_bad_ones_are_refused)
{
    static const handle_t bad[] = { 0, 1, 2, 3, 5, 8, 64, 4ull * HANDLE_MOST, 4ull * HANDLE_MOST + 4, 1ull << 32 | 4, ~0ull, ~3ull };
    struct handle_table table;
    struct object *event = event_create(true, false), *found;
    handle_t handle;
    handle_table_init(&table);
    KEXPECT(handle_find(&table, 4, OBJECT_ANY, 0, &found, NULL) == STATUS_INVALID_HANDLE);
    KEXPECT(handle_insert(&table, event, RIGHT_WAIT, &handle) == STATUS_SUCCESS);
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        KEXPECT(handle_find(&table, bad[i], OBJECT_ANY, 0, &found, NULL) == STATUS_INVALID_HANDLE);
        KEXPECT(handle_remove(&table, bad[i]) == STATUS_INVALID_HANDLE);
    }
    handle_table_close_all(&table);
    object_release(event);
}

KTEST(handle_types_and_rights)
{
    struct handle_table table;
    struct object *event = event_create(true, false), *found = NULL;
    handle_t handle;
    uint32_t rights = 0;
    handle_table_init(&table);
    handle_insert(&table, event, RIGHT_WAIT | RIGHT_QUERY, &handle);
    KEXPECT(handle_find(&table, handle, OBJECT_SEMAPHORE, 0, &found, NULL) == STATUS_OBJECT_TYPE_MISMATCH);
    KEXPECT(handle_find(&table, handle, OBJECT_EVENT, RIGHT_MODIFY, &found, NULL) == STATUS_ACCESS_DENIED);
    KEXPECT(!found);
    KEXPECT(handle_find(&table, handle, OBJECT_EVENT, RIGHT_WAIT, &found, &rights) == STATUS_SUCCESS && found == event);
    KEXPECT(rights == (RIGHT_WAIT | RIGHT_QUERY));
    object_release(found);
    handle_table_close_all(&table);
    object_release(event);
}

KTEST(handle_table_grows_to_its_limit)
{
    struct handle_table table;
    struct object *event = event_create(true, false);
    handle_t handle = 0;
    handle_table_init(&table);
    status_t status = STATUS_SUCCESS;
    for (uint32_t i = 0; i < HANDLE_MOST && status == STATUS_SUCCESS; i++)
        status = handle_insert(&table, event, RIGHT_WAIT, &handle);
    KEXPECT(status == STATUS_SUCCESS && handle == 4ull * HANDLE_MOST);
    KEXPECT(handle_insert(&table, event, RIGHT_WAIT, &handle) == STATUS_INSUFFICIENT_RESOURCES);
    KEXPECT(handle_remove(&table, 4 * 1000) == STATUS_SUCCESS);
    KEXPECT(handle_insert(&table, event, RIGHT_WAIT, &handle) == STATUS_SUCCESS && handle == 4 * 1000);
    handle_table_close_all(&table);
    KEXPECT(event->references == 1);
    object_release(event);
}

KTEST(semaphore_limits)
{
    struct object *semaphore;
    uint32_t before;
    KEXPECT(semaphore_create(2, 1, &semaphore) == STATUS_INVALID_PARAMETER);
    KEXPECT(semaphore_create(0, 0, &semaphore) == STATUS_INVALID_PARAMETER);
    KEXPECT(semaphore_create(0, 0x80000000u, &semaphore) == STATUS_INVALID_PARAMETER);
    KEXPECT(semaphore_create(1, 3, &semaphore) == STATUS_SUCCESS);
    KEXPECT(semaphore_release(semaphore, 0, &before) == STATUS_INVALID_PARAMETER);
    KEXPECT(semaphore_release(semaphore, 2, &before) == STATUS_SUCCESS && before == 1);
    KEXPECT(semaphore_release(semaphore, 1, &before) == STATUS_SEMAPHORE_LIMIT_EXCEEDED);
    KEXPECT(semaphore_release(semaphore, 0xffffffffu, &before) == STATUS_SEMAPHORE_LIMIT_EXCEEDED);
    object_release(semaphore);
}
