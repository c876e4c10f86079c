// SPDX-License-Identifier: MIT
// Handle tables: a process's names for the objects it was given. A handle is a multiple of 4, never 0, and the lowest
// free one is given out. HANDLE_CURRENT_PROCESS and HANDLE_CURRENT_THREAD name the caller with every right.
#pragma once
#include "kernel/abi/ntstatus.h"
#include "kernel/abi/syscall.h"
#include "kernel/lock.h"
#include "kernel/object.h"

enum { HANDLE_FIRST_CAPACITY = 16, HANDLE_MOST = 1 << 16 };

struct handle_entry { struct object *object; uint32_t rights; };
struct handle_table {
    struct spinlock lock;
    struct handle_entry *entries;       // handle h is entries[h / 4 - 1]
    uint32_t capacity, count;
    uint32_t lowest_free;               // no free entry below it
};

void     handle_table_init(struct handle_table *table);
void     handle_table_close_all(struct handle_table *table);       // releases every object and the table's memory

// Puts the object in with a reference of its own. STATUS_NO_MEMORY, STATUS_INSUFFICIENT_RESOURCES.
status_t handle_insert(struct handle_table *table, struct object *object, uint32_t rights, handle_t *out);
// The object with one more reference. No such handle: STATUS_INVALID_HANDLE; type (not OBJECT_ANY) differs:
// STATUS_OBJECT_TYPE_MISMATCH; a right is missing: STATUS_ACCESS_DENIED. *rights (may be NULL): what the handle allows.
status_t handle_find(struct handle_table *table, handle_t handle, enum object_type type, uint32_t needed,
                     struct object **out, uint32_t *rights);
status_t handle_remove(struct handle_table *table, handle_t handle);
