// SPDX-License-Identifier: MIT
// The EC bitmap of an x64 space: bit (va / 4096) of the bytes at EC_BITMAP_BASE. It is an ordinary region that EL0 may read;
// the kernel writes its frames through the linear map. A bitmap page covers 128 MiB. Where nothing was ever set there is
// no frame, or the space's common zero frame once EL0 has looked.
#include <stddef.h>
#include "kernel/abi/process.h"
#include "kernel/panic.h"
#include "mm/aspace_private.h"

#define COVERED_SHIFT 27                       // bytes of address space a bitmap page covers

static uva_t bitmap_page(uva_t va)
{
    return EC_BITMAP_BASE + (va >> COVERED_SHIFT) * PAGE_BYTES;
}

static uint64_t *bitmap_word(pte_t entry, uva_t va)
{
    return (uint64_t *)frame_pointer(entry & PTE_ADDRESS) + (va >> 18 & 511);
}

bool ec_read(const struct aspace *as, uva_t va)
{
    if (as->kind != ASPACE_X64)
        return false;
    const pte_t *entry = ptab_find(&as->ptab, bitmap_page(va));
    return entry && (*entry & PTE_OWNED) && (*bitmap_word(*entry, va) >> (va >> 12 & 63) & 1);
}

status_t ec_reserve(struct aspace *as, uva_t start, uva_t end)
{
    if (as->kind != ASPACE_X64)
        return STATUS_SUCCESS;
    for (uva_t page = bitmap_page(start); page <= bitmap_page(end - 1); page += PAGE_BYTES) {
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

void ec_write(struct aspace *as, uva_t start, uva_t end, bool ec)
{
    if (as->kind != ASPACE_X64)
        return;
    uva_t page = bitmap_page(start), last = bitmap_page(end - 1) + PAGE_BYTES;
    for (pte_t *entry; (entry = ptab_next(&as->ptab, &page, last)); page += PAGE_BYTES) {
        if (!(*entry & PTE_OWNED))
            continue;
        uva_t covered = (page - EC_BITMAP_BASE) / PAGE_BYTES << COVERED_SHIFT;
        uva_t from = start > covered ? start : covered;
        uva_t to = end < covered + (1ull << COVERED_SHIFT) ? end : covered + (1ull << COVERED_SHIFT);
        while (from < to) {
            uint32_t bit = from >> 12 & 63;
            uint64_t count = (to - from) >> 12;
            if (count > 64 - bit)
                count = 64 - bit;
            uint64_t mask = (~0ull >> (64 - count)) << bit, *word = bitmap_word(*entry, from);
            __atomic_store_n(word, ec ? *word | mask : *word & ~mask, __ATOMIC_RELAXED);    // EL0 reads it meanwhile
            from += count << 12;
        }
    }
}
