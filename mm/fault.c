// SPDX-License-Identifier: MIT
// What happens when a page is touched: demand-zero, copy-on-write, guards and stacks, the write watch, W^X turns.
// aspace_read, aspace_write and aspace_frame take the same way, so the kernel sees exactly what EL0 would see.
#include <stddef.h>
#include "kernel/abi/syscall.h"
#include "kernel/panic.h"
#include "mm/arm64/page.h"
#include "mm/arm64/tlb.h"
#include "mm/aspace_private.h"

void (*aspace_watch_hook)(struct aspace *as, uva_t page);

static uint32_t *watch_counter(struct aspace *as, uva_t page)
{
    return &as->watch_counters[page / PAGE_BYTES % WATCH_COUNTERS];
}

static bool watched_find(struct aspace *as, uva_t *va, uva_t end)
{
    for (pte_t *entry; as->watched && (entry = ptab_next(&as->ptab, va, end)); *va += PAGE_BYTES)
        if (*entry & PTE_WATCHED)
            return true;
    return false;
}

void watch_release(struct aspace *as, uva_t start, uva_t end)
{
    // A page passed already may be watched anew while the lock is free: go round until all of the range is free of them.
    for (uva_t va = start; watched_find(as, &va, end); va = start)
        do {
            uint32_t counter = *watch_counter(as, va);
            spin_unlock(&as->lock);
            if (aspace_watch_hook)
                aspace_watch_hook(as, va);
            spin_lock(&as->lock);
            pte_t *entry = ptab_find(&as->ptab, va);
            // If the counter moved, there may be a translation newer than the hook's work: the page stays watched.
            if (counter == *watch_counter(as, va) && entry && (*entry & PTE_WATCHED)) {
                ptab_set(entry, *entry & ~(PTE_WATCHED | PTE_OPEN));
                as->watched--;
            }
            va += PAGE_BYTES;
        } while (watched_find(as, &va, end));
}

// A frame for a committed page that has none. Given frames were all put in when they were mapped.
static status_t page_supply(struct aspace *as, const struct span *span, uva_t va)
{
    pa_t frame;
    pte_t software = PTE_OWNED;
    status_t status;
    if (span->backing == BACKING_EC_BITMAP) {
        if (!as->zero_frame && NT_ERROR(status = frame_take(FRAME_USER, &as->zero_frame)))
            return status;
        frame = as->zero_frame;
        frame_share(frame);
        software = 0;
    } else {
        CHECK(span->backing == BACKING_ZERO);
        if (NT_ERROR(status = frame_take(FRAME_USER, &frame)))
            return status;
    }
    status = page_fill(as, va, frame, software);
    if (NT_ERROR(status))
        frame_give(frame);
    return status;
}

static status_t page_make_private(struct aspace *as, uva_t va, pte_t *entry)
{
    pa_t frame;
    status_t status = frame_take(FRAME_USER, &frame);
    if (NT_ERROR(status))
        return status;
    page_copy(frame_pointer(frame), frame_pointer(*entry & PTE_ADDRESS));
    page_replace(as, va, entry, frame);
    return STATUS_SUCCESS;
}

static void limit_store(struct aspace *as, uva_t cell, uva_t limit)
{
    if (cell && page_fault(as, cell, ACCESS_WRITE, FAULT_KERNEL) == FAULT_RETRY) {
        pte_t entry = *ptab_find(&as->ptab, cell);
        *(uint64_t *)((uint8_t *)frame_pointer(entry & PTE_ADDRESS) + (cell & PAGE_MASK)) = limit;
    }
}

// EL0 has touched a guard page. It is none from now on, whatever else happens.
static enum fault_kind guard_hit(struct aspace *as, struct span *span, uva_t page)
{
    if (NT_ERROR(spans_spare(as, 4)))
        return FAULT_NO_MEMORY;
    struct reservation *reservation = span->reservation;
    uint32_t guarded = span->protect, open = guarded & ~(uint32_t)PAGE_GUARD;
    enum backing backing = span->backing;
    region_set(as, page, page + PAGE_BYTES, open, backing);
    if (!reservation->stack)
        return FAULT_GUARD_PAGE;

    uva_t limit = page;
    bool overflow = page <= reservation->start + STACK_RESERVE_PAGES * PAGE_BYTES;
    if (overflow) {
        if (limit > reservation->start + PAGE_BYTES)
            limit = reservation->start + PAGE_BYTES;
        if (limit < page)
            region_set(as, limit, page, open, backing);
    } else {
        region_set(as, page - PAGE_BYTES, page, guarded, backing);
    }
    struct tlb_batch batch;                       // pages below may have been in use before
    tlb_batch_begin(&batch, &as->asid);
    pages_refresh(as, page - PAGE_BYTES, page, &batch);
    tlb_batch_finish(&batch);
    limit_store(as, reservation->limit_cell, limit);
    return overflow ? FAULT_STACK_OVERFLOW : FAULT_RETRY;
}

enum fault_kind page_fault(struct aspace *as, uva_t address, enum page_access access, enum fault_mode mode)
{
    uva_t va = page_down(address);
    for (;;) {
        struct span *span = span_at(&as->spans, va);
        if (!span || !span->protect)
            return FAULT_ACCESS_VIOLATION;
        if (span->protect & PAGE_GUARD)
            return mode == FAULT_KERNEL ? FAULT_ACCESS_VIOLATION : guard_hit(as, span, va);
        if (!(protect_rights(span->protect) & access))
            return FAULT_ACCESS_VIOLATION;
        if (mode == FAULT_EL0 && access == ACCESS_EXECUTE && as->kind == ASPACE_X64 && !ec_read(as, va))
            return FAULT_ACCESS_VIOLATION;

        pte_t *entry = ptab_find(&as->ptab, va);
        if (!entry || !(*entry & PTE_FRAME)) {
            if (NT_ERROR(page_supply(as, span, va)))
                return FAULT_NO_MEMORY;
            entry = ptab_find(&as->ptab, va);
        }
        bool passes = (*entry & PTE_OPEN) && ((*entry & PTE_OWNED) || span->backing == BACKING_SHARED);
        if (access == ACCESS_WRITE && (*entry & PTE_WATCHED) && !passes) {
            watch_release(as, va, va + PAGE_BYTES);
            continue;                             // the lock was free: look again
        }
        if (access == ACCESS_WRITE && !(*entry & PTE_OWNED) && span->backing == BACKING_FRAMES &&
            NT_ERROR(page_make_private(as, va, entry)))
            return FAULT_NO_MEMORY;

        enum turn turn = access == ACCESS_WRITE ? TURN_WRITE
                       : access == ACCESS_EXECUTE && mode == FAULT_EL0 ? TURN_EXECUTE : TURN_KEEP;
        pte_t value = page_entry(as, span, *entry, turn);
        struct tlb_batch batch;
        tlb_batch_begin(&batch, &as->asid);
        page_write(va, entry, value, &batch);     // nothing to do when another core was faster
        tlb_batch_finish(&batch);
        if (mode == FAULT_EL0)
            tlb_publish();
        return FAULT_RETRY;
    }
}

static enum fault_kind address_check(uva_t address)
{
    if (address < PTAB_TOP)
        return FAULT_RETRY;
    return address >= -PTAB_TOP ? FAULT_ACCESS_VIOLATION : FAULT_NON_CANONICAL;
}

enum fault_kind aspace_fault(struct aspace *as, uva_t address, enum page_access access)
{
    enum fault_kind kind = address_check(address);
    if (kind != FAULT_RETRY)
        return kind;
    spin_lock(&as->lock);
    kind = page_fault(as, address, access, FAULT_EL0);
    spin_unlock(&as->lock);
    return kind;
}

// Calls part for each page's piece of the range with the space locked and the piece's address in the linear map.
static uint64_t pieces(struct aspace *as, uva_t at, uint64_t size, enum page_access access,
                       void (*part)(void *piece, uint64_t done, uint64_t bytes, void *context), void *context)
{
    uint64_t done = 0;
    while (done < size && address_check(at + done) == FAULT_RETRY) {
        uva_t va = at + done;
        uint64_t bytes = PAGE_BYTES - (va & PAGE_MASK);
        if (bytes > size - done)
            bytes = size - done;
        spin_lock(&as->lock);
        bool good = page_fault(as, va, access, FAULT_KERNEL) == FAULT_RETRY;
        if (good) {
            pa_t frame = *ptab_find(&as->ptab, va) & PTE_ADDRESS;
            part((uint8_t *)frame_pointer(frame) + (va & PAGE_MASK), done, bytes, context);
        }
        spin_unlock(&as->lock);
        if (!good)
            break;
        done += bytes;
    }
    return done;
}

static void piece_read(void *piece, uint64_t done, uint64_t bytes, void *to)
{
    __builtin_memcpy((uint8_t *)to + done, piece, bytes);
}

static void piece_write(void *piece, uint64_t done, uint64_t bytes, void *from)
{
    __builtin_memcpy(piece, (const uint8_t *)from + done, bytes);
}

uint64_t aspace_read(struct aspace *as, uva_t from, void *to, uint64_t size, enum page_access access)
{
    return pieces(as, from, size, access, piece_read, to);
}

uint64_t aspace_write(struct aspace *as, uva_t to, const void *from, uint64_t size)
{
    return pieces(as, to, size, ACCESS_WRITE, piece_write, (void *)from);
}

static bool word_patch(struct aspace *as, uva_t to, uint64_t word)
{
    const struct span *span = span_at(&as->spans, page_down(to));
    if (!span || !(span->reservation->flags & REGION_IMAGE) || span->backing != BACKING_FRAMES)
        return false;
    pte_t *entry = ptab_find(&as->ptab, page_down(to));
    if (!entry || !(*entry & PTE_FRAME))
        return false;
    if (!(*entry & PTE_OWNED) && ((*entry & PTE_WATCHED) || NT_ERROR(page_make_private(as, page_down(to), entry))))
        return false;
    uint64_t *at = (uint64_t *)((uint8_t *)frame_pointer(*entry & PTE_ADDRESS) + (to & PAGE_MASK));
    __atomic_store_n(at, word, __ATOMIC_RELAXED);            // EL0 reads it meanwhile
    return true;
}

uint64_t aspace_patch(struct aspace *as, uva_t to, const uint64_t *words, uint64_t count)
{
    uint64_t done = 0;
    spin_lock(&as->lock);
    while (done < count && address_check(to + 8 * done) == FAULT_RETRY && word_patch(as, to + 8 * done, words[done]))
        done++;
    spin_unlock(&as->lock);
    return done;
}

pa_t aspace_frame(struct aspace *as, uva_t address)
{
    pa_t frame = 0;
    if (address_check(address) != FAULT_RETRY)
        return 0;
    spin_lock(&as->lock);
    if (page_fault(as, address, ACCESS_READ, FAULT_KERNEL) == FAULT_RETRY)
        frame = *ptab_find(&as->ptab, page_down(address)) & PTE_ADDRESS;
    spin_unlock(&as->lock);
    return frame;
}

enum code_page aspace_code_page(struct aspace *as, uva_t page)
{
    if (address_check(page) != FAULT_RETRY)
        return CODE_READ_ONLY;
    spin_lock(&as->lock);
    const struct span *span = span_at(&as->spans, page_down(page));
    enum code_page kind = CODE_READ_ONLY;
    if (span && span->backing == BACKING_SHARED)
        kind = CODE_SHARED;
    else if (span && protect_rights(span->protect) & (RIGHT_WRITE | RIGHT_COPY))
        kind = CODE_WRITABLE;
    spin_unlock(&as->lock);
    return kind;
}

status_t aspace_watch(struct aspace *as, uva_t address, enum watch_kind watch)
{
    uva_t page = page_down(address);
    if (address_check(address) != FAULT_RETRY)
        return STATUS_ACCESS_VIOLATION;
    spin_lock(&as->lock);
    enum fault_kind kind = page_fault(as, page, ACCESS_READ, FAULT_KERNEL);
    if (kind == FAULT_RETRY) {
        pte_t *entry = ptab_find(&as->ptab, page), old = *entry;
        struct tlb_batch batch;
        tlb_batch_begin(&batch, &as->asid);
        (*watch_counter(as, page))++;
        as->watched += !(old & PTE_WATCHED);
        old = (old & ~PTE_OPEN) | PTE_WATCHED | (watch == WATCH_MAPPING ? PTE_OPEN : 0);
        page_write(page, entry, page_entry(as, span_at(&as->spans, page), old, TURN_KEEP), &batch);
        tlb_batch_finish(&batch);
    }
    spin_unlock(&as->lock);
    return kind == FAULT_RETRY ? STATUS_SUCCESS : kind == FAULT_NO_MEMORY ? STATUS_NO_MEMORY : STATUS_ACCESS_VIOLATION;
}
