// SPDX-License-Identifier: MIT
#include "kernel/handle.h"
#include "mm/heap.h"

void handle_table_init(struct handle_table *table)
{
    *table = (struct handle_table){ 0 };
    // Within the process lock's rank: a handle may be looked up while the process table is locked, not the other way.
    spin_init(&table->lock, (enum lock_order)(LOCK_PROCESS + 1), "handles");
}

void handle_table_close_all(struct handle_table *table)
{
    spin_lock(&table->lock);
    struct handle_entry *entries = table->entries;
    uint32_t capacity = table->capacity;
    table->entries = NULL;
    table->capacity = table->count = table->lowest_free = 0;
    spin_unlock(&table->lock);
    for (uint32_t i = 0; i < capacity; i++)
        object_release(entries[i].object);
    heap_give(entries);
}

// Index of a handle, or UINT32_MAX when no table could hold it.
static uint32_t handle_index(handle_t handle)
{
    if (handle == 0 || handle % 4 || handle / 4 > HANDLE_MOST)
        return UINT32_MAX;
    return (uint32_t)(handle / 4 - 1);
}

static status_t grow_locked(struct handle_table *table)
{
    uint32_t capacity = table->capacity ? table->capacity * 2 : HANDLE_FIRST_CAPACITY;
    if (capacity > HANDLE_MOST)
        return STATUS_INSUFFICIENT_RESOURCES;
    struct handle_entry *entries = heap_take(capacity * sizeof *entries);
    if (!entries)
        return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < table->capacity; i++)
        entries[i] = table->entries[i];
    heap_give(table->entries);
    table->entries = entries;
    table->capacity = capacity;
    return STATUS_SUCCESS;
}

status_t handle_insert(struct handle_table *table, struct object *object, uint32_t rights, handle_t *out)
{
    spin_lock(&table->lock);
    status_t status = table->count == table->capacity ? grow_locked(table) : STATUS_SUCCESS;
    if (status == STATUS_SUCCESS) {
        uint32_t i = table->lowest_free;
        while (table->entries[i].object)
            i++;
        object_share(object);
        table->entries[i] = (struct handle_entry){ object, rights };
        table->lowest_free = i + 1;
        table->count++;
        *out = 4 * ((handle_t)i + 1);
    }
    spin_unlock(&table->lock);
    return status;
}

status_t handle_find(struct handle_table *table, handle_t handle, enum object_type type, uint32_t needed,
                     struct object **out, uint32_t *rights)
{
    status_t status = STATUS_SUCCESS;
    uint32_t i = handle_index(handle);
    spin_lock(&table->lock);
    struct handle_entry entry = i < table->capacity ? table->entries[i] : (struct handle_entry){ 0 };
    if (!entry.object)
        status = STATUS_INVALID_HANDLE;
    else if (type != OBJECT_ANY && entry.object->type != type)
        status = STATUS_OBJECT_TYPE_MISMATCH;
    else if (needed & ~entry.rights)
        status = STATUS_ACCESS_DENIED;
    else
        object_share(entry.object);
    spin_unlock(&table->lock);
    if (status == STATUS_SUCCESS) {
        *out = entry.object;
        if (rights)
            *rights = entry.rights;
    }
    return status;
}

status_t handle_remove(struct handle_table *table, handle_t handle)
{
    uint32_t i = handle_index(handle);
    spin_lock(&table->lock);
    struct object *object = i < table->capacity ? table->entries[i].object : NULL;
    if (object) {
        table->entries[i] = (struct handle_entry){ 0 };
        table->count--;
        if (i < table->lowest_free)
            table->lowest_free = i;
    }
    spin_unlock(&table->lock);
    if (!object)
        return STATUS_INVALID_HANDLE;
    object_release(object);
    return STATUS_SUCCESS;
}
