// SPDX-License-Identifier: MIT
// Imports of ARM64EC images. EC code calls through its image's auxiliary import table, whose slots lead to thunks that look at the regular slot and
// ask the checker. Where the regular slot names a fast-forward sequence as the linker makes it, or EC code, the auxiliary one gets the
// EC function itself. The pages of regular slots and sequences are watched: before anything there changes (a hook, in either place, or the
// image is unmapped), the auxiliary slots become again what they were, which the image has a copy of.
#include "emu/run/runtime.h"

#include <string.h>
#include "mm/heap.h"

struct import_table {
    uint64_t slots, auxiliary, copy;    // parallel, 8 bytes each
    uint32_t count;
    struct import_table *next;
};
// Of a process: the lock is held over all of them.
enum { SLOTS_MOST = 32768, TABLES_MOST = 256 };
enum { PIECE = 64 };
struct piece { uint64_t slots[PIECE], auxiliary[PIECE], copy[PIECE]; uint32_t count; };

// Any value will do for pages that are in the map.
static char watched;

static bool piece_read(struct emu_process *p, const struct import_table *table, uint32_t first, struct piece *piece)
{
    piece->count = table->count - first < PIECE ? table->count - first : PIECE;
    uint64_t bytes = piece->count * 8;
    return aspace_read(p->as, table->slots + first * 8ull, piece->slots, bytes, ACCESS_READ) == bytes
           && aspace_read(p->as, table->auxiliary + first * 8ull, piece->auxiliary, bytes, ACCESS_READ) == bytes
           && aspace_read(p->as, table->copy + first * 8ull, piece->copy, bytes, ACCESS_READ) == bytes;
}

static void piece_write(struct emu_process *p, const struct import_table *table, uint32_t first, const struct piece *piece)
{
    aspace_patch(p->as, table->auxiliary + first * 8ull, piece->auxiliary, piece->count);
}

// While stores to the page are seen, nothing there is read that may be stale.
static bool page_watch(struct emu_process *p, uint64_t page)
{
    if (map_get(&p->import_pages, page))
        return true;
    return !versions_hot(p, page) && translate_watch(p, page) && map_put(&p->import_pages, page, &watched);
}

// Most imports are in the pages of the one before: those that it was found in, 0: none.
struct seen { uint64_t thunks, sequences, functions; const uint8_t *bytes; };

static bool is_ec(struct emu_process *p, uint64_t address, uint64_t *page)
{
    if (*page && address - *page < PAGE_BYTES)
        return true;
    if (!aspace_is_ec(p->as, address))
        return false;
    *page = address & ~(PAGE_BYTES - 1);
    return true;
}

// The bytes of a page that is watched from now on: it changes or goes when the hook has had the lock. NULL: there is no such page.
static const uint8_t *sequence_page(struct emu_process *p, uint64_t page, struct seen *seen)
{
    if (seen->sequences != page) {
        pa_t frame = page_watch(p, page) ? aspace_frame(p->as, page) : 0;
        seen->sequences = page;
        seen->bytes = frame ? frame_pointer(frame) : NULL;
    }
    return seen->bytes;
}

// The EC function behind an import, or 0.
static uint64_t ec_function(struct emu_process *p, uint64_t address, struct seen *seen)
{
    static const uint8_t sequence[10] = { 0x48, 0x8b, 0xc4, 0x48, 0x89, 0x58, 0x20, 0x55, 0x5d, 0xe9 };     // as in stubs.S
    int32_t displacement;
    uint64_t page = address & ~(PAGE_BYTES - 1);
    if (seen->sequences != page && aspace_is_ec(p->as, address))
        return address;
    const uint8_t *bytes = address % 16 ? NULL : sequence_page(p, page, seen);
    if (!bytes || memcmp(bytes + (address - page), sequence, sizeof sequence))
        return 0;
    memcpy(&displacement, bytes + (address - page) + sizeof sequence, sizeof displacement);
    uint64_t function = address + sizeof sequence + sizeof displacement + (uint64_t)(int64_t)displacement;
    return is_ec(p, function, &seen->functions) ? function : 0;
}

// Whether what it has filled in will be taken back.
static bool table_fill(struct emu_process *p, const struct import_table *table)
{
    struct piece piece;
    struct seen seen = { 0 };
    for (uint64_t page = table->slots & ~(PAGE_BYTES - 1); page < table->slots + table->count * 8ull; page += PAGE_BYTES)
        if (!page_watch(p, page))
            return false;
    for (uint32_t first = 0; first < table->count && piece_read(p, table, first, &piece); first += piece.count) {
        bool changed = false;
        for (uint32_t i = 0; i < piece.count; i++) {
            if (!piece.slots[i] || piece.auxiliary[i] != piece.copy[i] || !is_ec(p, piece.copy[i], &seen.thunks))
                continue;
            uint64_t function = ec_function(p, piece.slots[i], &seen);
            if (function)
                piece.auxiliary[i] = function, changed = true;
        }
        if (changed)
            piece_write(p, table, first, &piece);
    }
    return true;
}

status_t emu_bind_imports(struct emu_process *p, uva_t slots, uva_t auxiliary, uva_t copy, uint64_t count)
{
    if ((slots | auxiliary | copy) % 8 || !count || count > SLOTS_MOST || slots >= USER_HIGHEST)
        return STATUS_INVALID_PARAMETER;
    struct import_table *table = heap_take(sizeof *table);
    if (!table)
        return STATUS_NO_MEMORY;
    *table = (struct import_table){ slots, auxiliary, copy, (uint32_t)count, NULL };
    spin_lock(&emu_lock);
    bool kept = p->import_tables < TABLES_MOST && p->import_slots + count <= SLOTS_MOST && table_fill(p, table);
    if (kept) {
        p->import_tables++;
        p->import_slots += table->count;
        table->next = p->imports;
        p->imports = table;
    }
    spin_unlock(&emu_lock);
    if (!kept)
        heap_give(table);
    return kept ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}

// The slots that lead to a page, 0: all of them.
static void table_revert(struct emu_process *p, const struct import_table *table, uint64_t page)
{
    struct piece piece;
    for (uint32_t first = 0; first < table->count && piece_read(p, table, first, &piece); first += piece.count) {
        bool changed = false;
        for (uint32_t i = 0; i < piece.count; i++)
            if (piece.auxiliary[i] != piece.copy[i] && piece.slots[i] && (!page || (piece.slots[i] & ~(PAGE_BYTES - 1)) == page))
                piece.auxiliary[i] = piece.copy[i], changed = true;
        if (changed)
            piece_write(p, table, first, &piece);
    }
}

void imports_changing(struct emu_process *p, uint64_t page)
{
    if (!map_get(&p->import_pages, page))
        return;
    map_remove(&p->import_pages, page);
    for (struct import_table **link = &p->imports; *link; ) {
        struct import_table *table = *link;
        bool own = page + PAGE_BYTES > table->slots && page < table->slots + table->count * 8ull;
        table_revert(p, table, own ? 0 : page);
        if (own) {
            *link = table->next;
            p->import_tables--;
            p->import_slots -= table->count;
            heap_give(table);
        } else {
            link = &table->next;
        }
    }
}

void imports_clear(struct emu_process *p)
{
    for (struct import_table *table; (table = p->imports); heap_give(table))
        p->imports = table->next;
    map_clear(&p->import_pages);
}
