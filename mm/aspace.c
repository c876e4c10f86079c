// SPDX-License-Identifier: MIT
// The operations a program can ask for, by the rules of NtAllocateVirtualMemory and its relatives, and those of the kernel.
// Each checks everything first (mm/region.c knows the pages' states), takes what can run out, then changes spans and
// entries, which cannot fail.
#include "mm/aspace.h"
#include <stddef.h>
#include "kernel/abi/process.h"
#include "kernel/abi/syscall.h"
#include "kernel/panic.h"
#include "kernel/percpu.h"
#include "mm/arm64/tlb.h"
#include "mm/aspace_private.h"
#include "mm/heap.h"

#define SPARE_SPANS 4u               // no operation makes more new spans

// ---- life -------------------------------------------------------------------------------------------------------------

// A new reservation as one span. The caller has checked that nothing is there; one spare span.
static void reservation_insert(struct aspace *as, struct reservation *reservation, uint32_t protect, enum backing backing)
{
    struct span *span = span_take(as);
    *span = (struct span){ .start = reservation->start, .end = reservation->end, .reservation = reservation,
                           .protect = protect, .backing = backing };
    span_insert(&as->spans, span);
    as->committed += region_committed(as, span->start, span->end);
}

status_t aspace_create(enum aspace_kind kind, struct aspace **out)
{
    struct aspace *as = heap_take(sizeof *as);
    struct reservation *bitmap = heap_take(sizeof *bitmap);
    if (as) {
        as->kind = kind;
        as->lowest = USER_LOWEST;
        spin_init(&as->lock, LOCK_ASPACE, "aspace");
    }
    if (!as || !bitmap || NT_ERROR(spans_spare(as, 1)) || NT_ERROR(ptab_create(&as->ptab))) {
        heap_give(bitmap);
        if (as && as->spare)
            heap_give(as->spare);
        heap_give(as);
        return STATUS_NO_MEMORY;
    }
    if (kind == ASPACE_X64) {
        *bitmap = (struct reservation){ .start = EC_BYTES_BASE, .end = EC_BITMAP_BASE + PTAB_TOP / PAGE_BYTES / 8,
                                        .protect = PAGE_READONLY, .flags = REGION_KERNEL };
        reservation_insert(as, bitmap, PAGE_READONLY, BACKING_EC_BITMAP);
    } else {
        heap_give(bitmap);
    }
    *out = as;
    return STATUS_SUCCESS;
}

// Spans, reservations, entries and frames of [start, end), whose bounds are bounds of spans.
static void range_remove(struct aspace *as, uva_t start, uva_t end)
{
    struct span *span;
    as->committed -= region_committed(as, start, end);
    while ((span = span_from(&as->spans, start)) && span->start < end) {
        struct reservation *reservation = span->reservation;
        bool last = span->end == reservation->end;
        span_remove(&as->spans, span);
        span_give(as, span);
        if (last && reservation->start >= start)
            heap_give(reservation);
    }
    struct tlb_batch batch;
    tlb_batch_begin(&batch, &as->asid);
    pages_clear(as, start, end, &batch);
    ptab_trim(&as->ptab, start, end, &batch);
    tlb_batch_finish(&batch);
}

void aspace_destroy(struct aspace *as)
{
    for (uint32_t cpu = 0; cpu < CPU_MAX; cpu++)
        CHECK(percpu_blocks[cpu].active_aspace != as);
    spin_lock(&as->lock);
    range_remove(as, 0, PTAB_TOP);
    CHECK(!as->spans.root && as->committed == 0 && as->watched == 0);
    spin_unlock(&as->lock);
    ptab_destroy(&as->ptab);
    if (as->zero_frame)
        frame_give(as->zero_frame);
    while (as->spare) {
        struct span *span = span_take(as);
        heap_give(span);
    }
    heap_give(as);
}

void aspace_set_lowest(struct aspace *as, uva_t lowest)
{
    as->lowest = lowest;
}

enum aspace_kind aspace_kind_of(const struct aspace *as)
{
    return as->kind;
}

void aspace_set_owner(struct aspace *as, void *owner)
{
    as->owner = owner;
}

void *aspace_owner(const struct aspace *as)
{
    return as->owner;
}

// ---- reserve, commit --------------------------------------------------------------------------------------------------

// [base, base + size) in pages; false when empty or outside what a program may have.
static bool range_pages(uva_t base, uint64_t size, uva_t *start, uva_t *end)
{
    if (size == 0 || base >= USER_HIGHEST || size > USER_HIGHEST - base)
        return false;
    *start = page_down(base);
    *end = page_up(base + size);
    return *start >= USER_LOWEST;
}

// Demand-zero pages are promised, not taken; but more than the machine has is refused at once.
static bool commit_possible(const struct aspace *as, uint64_t pages)
{
    return as->committed + pages <= frame_total();
}

status_t aspace_allocate(struct aspace *as, uva_t *base, uint64_t *size, uint32_t protect, uint32_t flags)
{
    if (!protect_valid(protect))
        return STATUS_INVALID_PAGE_PROTECTION;
    if ((flags & REGION_COMMIT) && (protect_rights(protect) & RIGHT_COPY))
        return STATUS_INVALID_PAGE_PROTECTION;               // private pages have nothing to copy
    uva_t start = *base & ~(SPAN_ALIGNMENT - 1), end;
    if (*base) {
        if (start < USER_LOWEST || !range_pages(*base, *size, &(uva_t){ 0 }, &end))
            return STATUS_INVALID_PARAMETER;
    } else {
        if (*size == 0)
            return STATUS_INVALID_PARAMETER;
        if (*size > USER_HIGHEST)
            return STATUS_NO_MEMORY;
        end = page_up(*size);                                // for now from 0
    }
    struct reservation *reservation = heap_take(sizeof *reservation);
    if (!reservation)
        return STATUS_NO_MEMORY;

    spin_lock(&as->lock);
    status_t status = spans_spare(as, SPARE_SPANS);
    if (NT_ERROR(status))
        goto out;
    if (*base) {
        struct span *there = span_from(&as->spans, start);
        if (there && there->start < end)
            status = STATUS_CONFLICTING_ADDRESSES;
    } else if (span_find_gap(&as->spans, as->lowest, USER_HIGHEST, end, flags & REGION_TOP_DOWN, &start)) {
        end += start;
    } else {
        status = STATUS_NO_MEMORY;
    }
    if (!NT_ERROR(status) && (flags & REGION_COMMIT) && !commit_possible(as, (end - start) / PAGE_BYTES))
        status = STATUS_NO_MEMORY;
    if (!NT_ERROR(status) && (flags & REGION_EC))
        status = ec_reserve(as, start, end);
    if (NT_ERROR(status))
        goto out;
    *reservation = (struct reservation){ .start = start, .end = end, .protect = protect,
                                         .flags = flags & (REGION_IMAGE | REGION_KERNEL) };
    reservation_insert(as, reservation, flags & REGION_COMMIT ? protect : 0, BACKING_ZERO);
    if (flags & REGION_EC)
        ec_write(as, start, end, true);
    *base = start;
    *size = end - start;
    reservation = NULL;
out:
    spin_unlock(&as->lock);
    heap_give(reservation);
    return status;
}

// The reservation that holds the range, if its pages are demand-zero (committed or not) and flags may change it.
static status_t range_private(struct aspace *as, uva_t start, uva_t end, uint32_t flags, status_t otherwise)
{
    struct reservation *reservation = reservation_of(as, start, end);
    if (!reservation)
        return otherwise;
    if ((reservation->flags & REGION_KERNEL) && !(flags & REGION_KERNEL))
        return STATUS_ACCESS_DENIED;
    for (struct span *span = span_at(&as->spans, start); span && span->start < end; span = span_at(&as->spans, span->end))
        if (span->backing != BACKING_ZERO)
            return otherwise;
    return STATUS_SUCCESS;
}

status_t aspace_commit(struct aspace *as, uva_t base, uint64_t size, uint32_t protect, uint32_t flags)
{
    uva_t start, end;
    if (!range_pages(base, size, &start, &end))
        return STATUS_INVALID_PARAMETER;
    if (!protect_valid(protect) || (protect_rights(protect) & RIGHT_COPY))
        return STATUS_INVALID_PAGE_PROTECTION;
    spin_lock(&as->lock);
    watch_release(as, start, end);
    status_t status = range_private(as, start, end, flags, STATUS_CONFLICTING_ADDRESSES);
    if (!NT_ERROR(status) && !commit_possible(as, (end - start) / PAGE_BYTES - region_committed(as, start, end)))
        status = STATUS_NO_MEMORY;
    if (!NT_ERROR(status))
        status = spans_spare(as, SPARE_SPANS);
    if (!NT_ERROR(status) && (flags & REGION_EC))
        status = ec_reserve(as, start, end);
    if (!NT_ERROR(status)) {
        region_set(as, start, end, protect, BACKING_ZERO);
        if (flags & REGION_EC)
            ec_write(as, start, end, true);
        struct tlb_batch batch;
        tlb_batch_begin(&batch, &as->asid);
        pages_refresh(as, start, end, &batch);
        tlb_batch_finish(&batch);
    }
    spin_unlock(&as->lock);
    return status;
}

// ---- decommit, release ------------------------------------------------------------------------------------------------

// Size 0 means all of the reservation that begins at base.
static bool range_to_free(struct aspace *as, uva_t base, uint64_t size, uva_t *start, uva_t *end)
{
    if (size)
        return range_pages(base, size, start, end) && reservation_of(as, *start, *end);
    *start = base;
    struct span *span = span_at(&as->spans, base);
    if (!span || span->reservation->start != base)
        return false;
    *end = span->reservation->end;
    return true;
}

// Takes the lock and prepares a range to lose its pages; on error the lock is free again.
static status_t free_begin(struct aspace *as, uva_t base, uint64_t size, uva_t *start, uva_t *end)
{
    spin_lock(&as->lock);
    status_t status = STATUS_UNABLE_TO_FREE_VM;
    if (range_to_free(as, base, size, start, end)) {
        watch_release(as, *start, *end);
        if (range_to_free(as, base, size, start, end))       // the lock was free meanwhile
            status = range_private(as, *start, *end, 0, STATUS_UNABLE_TO_FREE_VM);
    }
    if (!NT_ERROR(status) && (reservation_of(as, *start, *end)->flags & REGION_IMAGE))
        status = STATUS_UNABLE_TO_FREE_VM;
    if (!NT_ERROR(status))
        status = spans_spare(as, SPARE_SPANS);
    if (NT_ERROR(status))
        spin_unlock(&as->lock);
    return status;
}

status_t aspace_decommit(struct aspace *as, uva_t base, uint64_t size)
{
    uva_t start, end;
    status_t status = free_begin(as, base, size, &start, &end);
    if (NT_ERROR(status))
        return status;
    region_set(as, start, end, 0, BACKING_ZERO);
    struct tlb_batch batch;
    tlb_batch_begin(&batch, &as->asid);
    pages_clear(as, start, end, &batch);
    ptab_trim(&as->ptab, start, end, &batch);
    tlb_batch_finish(&batch);
    spin_unlock(&as->lock);
    return STATUS_SUCCESS;
}

status_t aspace_release(struct aspace *as, uva_t base, uint64_t size)
{
    struct reservation *rest = heap_take(sizeof *rest);      // the upper part, when the middle goes
    if (!rest)
        return STATUS_NO_MEMORY;
    uva_t start, end;
    status_t status = free_begin(as, base, size, &start, &end);
    if (NT_ERROR(status)) {
        heap_give(rest);
        return status;
    }
    region_split(as, start);
    region_split(as, end);
    struct reservation *reservation = reservation_of(as, start, end);
    uva_t low = reservation->start, high = reservation->end;
    if (low < start && end < high) {
        *rest = *reservation;
        rest->start = end;
        rest->stack = false;
        for (struct span *span = span_at(&as->spans, end); span && span->start < high; span = span_from(&as->spans, span->end))
            span->reservation = rest;
        reservation->end = end;
        rest = NULL;
    } else if (end < high) {
        reservation->start = end;
    }
    range_remove(as, start, end);                            // of the reservation too, when that was all of it
    if (low < start)
        reservation->end = start;
    ec_write(as, start, end, false);
    spin_unlock(&as->lock);
    heap_give(rest);
    return STATUS_SUCCESS;
}

status_t aspace_unmap(struct aspace *as, uva_t base)
{
    uva_t start, end;
    spin_lock(&as->lock);
    bool found = range_to_free(as, base, 0, &start, &end);
    if (found) {
        watch_release(as, start, end);
        found = range_to_free(as, base, 0, &start, &end);
    }
    if (found) {
        range_remove(as, start, end);
        ec_write(as, start, end, false);
    }
    spin_unlock(&as->lock);
    return found ? STATUS_SUCCESS : STATUS_UNABLE_TO_FREE_VM;
}

// ---- protect, query ---------------------------------------------------------------------------------------------------

// What a protection means for pages of given frames: those of an image are copied before they are written.
static uint32_t protect_for(enum backing backing, uint32_t protect)
{
    static const struct { uint32_t plain, copy; } pairs[] = {
        { PAGE_READWRITE, PAGE_WRITECOPY }, { PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY },
    };
    uint32_t guard = protect & PAGE_GUARD;
    protect &= ~(uint32_t)PAGE_GUARD;
    for (uint32_t i = 0; i < 2; i++) {
        if (backing == BACKING_FRAMES && protect == pairs[i].plain)
            protect = pairs[i].copy;
        else if (backing == BACKING_SHARED && protect == pairs[i].copy)
            protect = pairs[i].plain;
    }
    return protect | guard;
}

static status_t protect_check(struct aspace *as, uva_t start, uva_t end, uint32_t protect)
{
    struct reservation *reservation = reservation_of(as, start, end);
    if (!reservation)
        return STATUS_CONFLICTING_ADDRESSES;
    if (reservation->flags & REGION_KERNEL)
        return STATUS_ACCESS_DENIED;
    for (struct span *span = span_at(&as->spans, start); span && span->start < end; span = span_at(&as->spans, span->end)) {
        if (!span->protect)
            return STATUS_NOT_COMMITTED;
        if (span->backing == BACKING_ZERO && (protect_rights(protect) & RIGHT_COPY))
            return STATUS_INVALID_PAGE_PROTECTION;
    }
    return spans_spare(as, SPARE_SPANS);
}

status_t aspace_protect(struct aspace *as, uva_t base, uint64_t size, uint32_t protect, uint32_t *old)
{
    uva_t start, end;
    if (!range_pages(base, size, &start, &end))
        return STATUS_INVALID_PARAMETER;
    if (!protect_valid(protect))
        return STATUS_INVALID_PAGE_PROTECTION;
    spin_lock(&as->lock);
    watch_release(as, start, end);
    status_t status = protect_check(as, start, end, protect);
    if (!NT_ERROR(status)) {
        if (old)
            *old = span_at(&as->spans, start)->protect;
        for (uva_t at = start; at < end; ) {
            struct span *span = span_at(&as->spans, at);
            enum backing backing = span->backing;
            uva_t stop = span->end < end ? span->end : end;
            region_set(as, at, stop, protect_for(backing, protect), backing);
            at = stop;
        }
        struct tlb_batch batch;
        tlb_batch_begin(&batch, &as->asid);
        pages_refresh(as, start, end, &batch);
        tlb_batch_finish(&batch);
    }
    spin_unlock(&as->lock);
    return status;
}

static uint32_t span_type(const struct span *span)
{
    if (span->reservation->flags & REGION_IMAGE)
        return MEM_IMAGE;
    return span->backing == BACKING_ZERO ? MEM_PRIVATE : MEM_MAPPED;
}

status_t aspace_query(struct aspace *as, uva_t address, struct vm_info *out)
{
    uva_t page = page_down(address);
    if (address >= USER_HIGHEST)
        return STATUS_INVALID_PARAMETER;
    spin_lock(&as->lock);
    struct span *span = span_from(&as->spans, page);
    *out = (struct vm_info){ .base = page, .state = MEM_FREE, .protect = PAGE_NOACCESS };
    if (!span || span->start > page) {
        uva_t end = span ? span->start : USER_HIGHEST;
        out->size = end - page;
    } else {
        out->allocation_base = span->reservation->start;
        out->allocation_protect = span->reservation->protect;
        out->state = span->protect ? MEM_COMMIT : MEM_RESERVE;
        out->protect = span->protect;
        out->type = span_type(span);
        struct span *next = span;
        do {
            out->size = next->end - page;
            next = span_at(&as->spans, next->end);
        } while (next && next->reservation == span->reservation && next->protect == span->protect &&
                 span_type(next) == span_type(span));
    }
    spin_unlock(&as->lock);
    return STATUS_SUCCESS;
}

status_t aspace_mark_stack(struct aspace *as, uva_t base, uva_t limit_cell)
{
    if (limit_cell % 8)
        return STATUS_INVALID_PARAMETER;
    spin_lock(&as->lock);
    struct span *span = span_at(&as->spans, base);
    bool found = span && span->reservation->start == base;
    if (found) {
        span->reservation->stack = true;
        span->reservation->limit_cell = limit_cell;
    }
    spin_unlock(&as->lock);
    return found ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

// ---- given frames, EC -------------------------------------------------------------------------------------------------

status_t aspace_map_frames(struct aspace *as, uva_t base, const pa_t *frames, uint64_t count, uint32_t protect, uint32_t flags)
{
    uva_t start, end;
    if (base % PAGE_BYTES || count > USER_HIGHEST / PAGE_BYTES || !range_pages(base, count * PAGE_BYTES, &start, &end))
        return STATUS_INVALID_PARAMETER;
    if (!protect_valid(protect))
        return STATUS_INVALID_PAGE_PROTECTION;
    bool in_place = (protect_rights(protect) & (RIGHT_WRITE | RIGHT_COPY)) == RIGHT_WRITE;
    enum backing backing = in_place ? BACKING_SHARED : BACKING_FRAMES;

    spin_lock(&as->lock);
    watch_release(as, start, end);
    struct reservation *reservation = reservation_of(as, start, end);
    status_t status = reservation ? spans_spare(as, SPARE_SPANS) : STATUS_CONFLICTING_ADDRESSES;
    if (!NT_ERROR(status) && !(reservation->flags & REGION_KERNEL))
        for (struct span *span = span_at(&as->spans, start); span && span->start < end; span = span_at(&as->spans, span->end))
            if (span->protect)
                status = STATUS_CONFLICTING_ADDRESSES;
    if (!NT_ERROR(status) && (flags & REGION_EC))
        status = ec_reserve(as, start, end);
    if (!NT_ERROR(status))
        status = ptab_reserve(&as->ptab, start, end);
    if (!NT_ERROR(status)) {
        struct tlb_batch batch;
        tlb_batch_begin(&batch, &as->asid);
        pages_clear(as, start, end, &batch);
        tlb_batch_finish(&batch);
        region_set(as, start, end, protect, backing);
        if (flags & REGION_EC)
            ec_write(as, start, end, true);
        for (uint64_t i = 0; i < count; i++) {
            uva_t va = start + i * PAGE_BYTES;
            frame_share(frames[i]);
            ptab_set(ptab_find(&as->ptab, va), frames[i] | PTE_FRAME);
        }
        pages_refresh(as, start, end, &batch);
        tlb_batch_finish(&batch);
        tlb_publish();
    }
    spin_unlock(&as->lock);
    return status;
}

status_t aspace_set_ec(struct aspace *as, uva_t base, uint64_t size, bool ec)
{
    uva_t start, end;
    if (!range_pages(base, size, &start, &end))
        return STATUS_INVALID_PARAMETER;
    if (as->kind != ASPACE_X64)
        return STATUS_SUCCESS;
    spin_lock(&as->lock);
    watch_release(as, start, end);
    status_t status = reservation_of(as, start, end) ? STATUS_SUCCESS : STATUS_CONFLICTING_ADDRESSES;
    if (!NT_ERROR(status) && ec)
        status = ec_reserve(as, start, end);
    if (!NT_ERROR(status)) {
        ec_write(as, start, end, ec);
        struct tlb_batch batch;
        tlb_batch_begin(&batch, &as->asid);
        pages_refresh(as, start, end, &batch);
        tlb_batch_finish(&batch);
    }
    spin_unlock(&as->lock);
    return status;
}

bool aspace_is_ec(struct aspace *as, uva_t address)
{
    if (address >= PTAB_TOP)
        return false;
    if (as->kind == ASPACE_NATIVE)
        return true;
    spin_lock(&as->lock);
    bool ec = ec_read(as, address);
    spin_unlock(&as->lock);
    return ec;
}

void aspace_count(struct aspace *as, uva_t base, uint64_t size, struct aspace_counts *out)
{
    uva_t va = page_down(base), end = size && size < PTAB_TOP ? page_up(base + size) : PTAB_TOP;
    if (end > PTAB_TOP)
        end = PTAB_TOP;
    spin_lock(&as->lock);
    *out = (struct aspace_counts){ .table_frames = as->ptab.tables };
    for (pte_t *entry; (entry = ptab_next(&as->ptab, &va, end)); va += PAGE_BYTES) {
        if (*entry & PTE_OWNED)
            out->private_frames++;
        else if (*entry & PTE_FRAME)
            out->shared_frames++;
    }
    spin_unlock(&as->lock);
}
