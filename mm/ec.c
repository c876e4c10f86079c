// SPDX-License-Identifier: MIT
// The EC bits of an x64 space, as two maps that EL0 may read: the bitmap that Windows documents, bit (va / 4096) of the bytes at
// EC_BITMAP_BASE, and a byte for each page at EC_BYTES_BASE, 1 or 0, for stubs that want it quick. They are one ordinary region; the kernel
// writes its frames through the linear map. A page of the bitmap covers 128 MiB, one of bytes 16 MiB. Where nothing was ever set
// there is no frame, or the space's common zero frame once EL0 has looked.
#include <stddef.h>
#include <string.h>
#include "kernel/abi/process.h"
#include "kernel/panic.h"
#include "mm/aspace_private.h"

static const struct { uva_t base; uint32_t covered_shift; } maps[] = { { EC_BITMAP_BASE, 27 }, { EC_BYTES_BASE, 24 } };
enum { BITS, BYTES, MAPS };

static uva_t map_page(unsigned map, uva_t va)
{
    return maps[map].base + (va >> maps[map].covered_shift) * PAGE_BYTES;
}

static uint64_t *bitmap_word(pte_t entry, uva_t va)
{
    return (uint64_t *)frame_pointer(entry & PTE_ADDRESS) + (va >> 18 & 511);
}

bool ec_read(const struct aspace *as, uva_t va)
{
    if (as->kind != ASPACE_X64)
        return false;
    const pte_t *entry = ptab_find(&as->ptab, map_page(BITS, va));
    return entry && (*entry & PTE_OWNED) && (*bitmap_word(*entry, va) >> (va >> 12 & 63) & 1);
}

static status_t map_reserve(struct aspace *as, unsigned map, uva_t start, uva_t end)
{
    for (uva_t page = map_page(map, start); page <= map_page(map, end - 1); page += PAGE_BYTES) {
        pte_t *entry = ptab_find(&as->ptab, page);
        if (entry && (*entry & PTE_OWNED))
            continue;
        pa_t frame;
        status_t status = frame_take(FRAME_USER, &frame);
        if (NT_ERROR(status))
            return status;
        if (entry && (*entry & PTE_FRAME))
            page_replace(as, page, entry, frame);
        else
            status = page_fill(as, page, frame, PTE_OWNED);
        if (NT_ERROR(status)) {
            frame_give(frame);
            return status;
        }
    }
    return STATUS_SUCCESS;
}

status_t ec_reserve(struct aspace *as, uva_t start, uva_t end)
{
    status_t status = STATUS_SUCCESS;
    for (unsigned map = 0; map < MAPS && as->kind == ASPACE_X64 && !NT_ERROR(status); map++)
        status = map_reserve(as, map, start, end);
    return status;
}

static void write_bits(pte_t entry, uva_t from, uva_t to, bool ec)
{
    while (from < to) {
        uint32_t bit = from >> 12 & 63;
        uint64_t count = (to - from) >> 12;
        if (count > 64 - bit)
            count = 64 - bit;
        uint64_t mask = (~0ull >> (64 - count)) << bit, *word = bitmap_word(entry, from);
        __atomic_store_n(word, ec ? *word | mask : *word & ~mask, __ATOMIC_RELAXED);    // EL0 reads it meanwhile
        from += count << 12;
    }
}

static void write_bytes(pte_t entry, uva_t from, uva_t to, bool ec)
{
    memset((uint8_t *)frame_pointer(entry & PTE_ADDRESS) + (from >> 12 & (PAGE_BYTES - 1)), ec, (to - from) >> 12);
}

void ec_write(struct aspace *as, uva_t start, uva_t end, bool ec)
{
    for (unsigned map = 0; map < MAPS && as->kind == ASPACE_X64; map++) {
        uint32_t shift = maps[map].covered_shift;
        uva_t page = map_page(map, start), last = map_page(map, end - 1) + PAGE_BYTES;
        for (pte_t *entry; (entry = ptab_next(&as->ptab, &page, last)); page += PAGE_BYTES) {
            if (!(*entry & PTE_OWNED))
                continue;
            uva_t covered = (page - maps[map].base) / PAGE_BYTES << shift;
            uva_t from = start > covered ? start : covered;
            uva_t to = end < covered + (1ull << shift) ? end : covered + (1ull << shift);
            (map == BITS ? write_bits : write_bytes)(*entry, from, to, ec);
        }
    }
}
