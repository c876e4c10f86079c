// SPDX-License-Identifier: MIT
#include "mm/arm64/ptab.h"
#include <stdbool.h>
#include <stddef.h>
#include "kernel/panic.h"

#define LEAF_LEVEL 3u

static uint32_t level_shift(uint32_t level)          // bytes an entry of the level covers, as a power of two
{
    return 39 - 9 * level;
}

static uint32_t level_index(uint64_t va, uint32_t level)
{
    return va >> level_shift(level) & (TABLE_ENTRIES - 1);   // the root's index has 8 bits since va < 2^47
}

static pte_t entry_read(const pte_t *entry)
{
    return __atomic_load_n(entry, __ATOMIC_RELAXED);
}

// Hardware walks the tables at any time: an entry changes in one store.
static void entry_write(pte_t *entry, pte_t value)
{
    pte_t old = entry_read(entry);
    uint32_t *used = frame_tag(frame_of_pointer(entry));
    *used += (value != 0) - (old != 0);
    __atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

static pte_t *table_of(pte_t entry)
{
    return frame_pointer(entry & PTE_ADDRESS);
}

status_t ptab_create(struct ptab *ptab)
{
    status_t status = frame_take(FRAME_TABLE, &ptab->root);
    ptab->tables = NT_ERROR(status) ? 0 : 1;
    return status;
}

void ptab_destroy(struct ptab *ptab)
{
    CHECK(ptab->tables == 1 && *frame_tag(ptab->root) == 0);
    frame_give(ptab->root);
    ptab->tables = 0;
}

pte_t *ptab_find(const struct ptab *ptab, uint64_t va)
{
    pte_t *table = frame_pointer(ptab->root);
    for (uint32_t level = 0; level < LEAF_LEVEL; level++) {
        pte_t entry = entry_read(&table[level_index(va, level)]);
        if (!entry)
            return NULL;
        table = table_of(entry);
    }
    return &table[level_index(va, LEAF_LEVEL)];
}

static status_t tables_create(struct ptab *ptab, uint64_t va)
{
    pte_t *table = frame_pointer(ptab->root);
    for (uint32_t level = 0; level < LEAF_LEVEL; level++) {
        pte_t *entry = &table[level_index(va, level)];
        if (!*entry) {
            pa_t frame;
            status_t status = frame_take(FRAME_TABLE, &frame);     // zeroed before it is linked: store-release
            if (NT_ERROR(status))
                return status;
            ptab->tables++;
            entry_write(entry, frame | PTE_VALID | PTE_TABLE);
        }
        table = table_of(*entry);
    }
    return STATUS_SUCCESS;
}

status_t ptab_reserve(struct ptab *ptab, uint64_t start, uint64_t end)
{
    uint64_t leaf_bytes = 1ull << level_shift(LEAF_LEVEL - 1);
    for (uint64_t va = start & ~(leaf_bytes - 1); va < end; va += leaf_bytes) {
        status_t status = tables_create(ptab, va);
        if (NT_ERROR(status)) {
            static const struct asid nobody;             // the new tables were empty: no TLB can know them
            struct tlb_batch batch;
            tlb_batch_begin(&batch, &nobody);
            ptab_trim(ptab, start, end, &batch);
            tlb_batch_finish(&batch);
            return status;
        }
    }
    return STATUS_SUCCESS;
}

void ptab_set(pte_t *entry, pte_t value)
{
    entry_write(entry, value);
}

pte_t *ptab_next(const struct ptab *ptab, uint64_t *va, uint64_t end)
{
    uint64_t at = *va;
    while (at < end) {
        pte_t *table = frame_pointer(ptab->root);
        for (uint32_t level = 0; ; level++) {
            pte_t *entry = &table[level_index(at, level)];
            if (level == LEAF_LEVEL) {
                // Run along this table: an index that wraps to 0 has left it.
                do {
                    if (entry_read(entry)) {
                        *va = at;
                        return entry;
                    }
                    entry++;
                    at += PAGE_BYTES;
                } while (at < end && level_index(at, LEAF_LEVEL));
                break;
            }
            if (!entry_read(entry)) {
                at = (at | ((1ull << level_shift(level)) - 1)) + 1;
                break;
            }
            table = table_of(*entry);
        }
    }
    return NULL;
}

// Trims below a table of the given level that begins at base.
static void table_trim(struct ptab *ptab, pte_t *table, uint32_t level, uint64_t base, uint64_t start, uint64_t end,
                       struct tlb_batch *batch)
{
    uint64_t step = 1ull << level_shift(level);
    uint64_t first = start > base ? (start - base) >> level_shift(level) : 0;
    for (uint64_t i = first; i < TABLE_ENTRIES && base + i * step < end; i++) {
        pte_t entry = entry_read(&table[i]);
        if (!entry)
            continue;
        if (level + 1 < LEAF_LEVEL)
            table_trim(ptab, table_of(entry), level + 1, base + i * step, start, end, batch);
        pa_t child = entry & PTE_ADDRESS;
        if (*frame_tag(child) == 0) {
            entry_write(&table[i], 0);
            tlb_batch_table(batch, base + i * step);
            tlb_batch_give(batch, child);
            ptab->tables--;
        }
    }
}

void ptab_trim(struct ptab *ptab, uint64_t start, uint64_t end, struct tlb_batch *batch)
{
    table_trim(ptab, frame_pointer(ptab->root), 0, 0, start, end, batch);
}
