// SPDX-License-Identifier: MIT
// Entries: from what the spans and the EC bit say to what hardware sees.
//
// An entry with PTE_FRAME holds a reference to its frame whether it is valid or not; PAGE_NOACCESS and PAGE_GUARD pages
// keep theirs in an entry that is not valid. W^X: page_entry never gives EL0 both; a page that may do both is
// executable or writable as its last fault wanted.
#include <stddef.h>
#include "kernel/abi/syscall.h"
#include "kernel/panic.h"
#include "mm/arm64/cache.h"
#include "mm/aspace_private.h"

#define PTE_KEPT (PTE_ADDRESS | PTE_EC | PTE_FRAME | PTE_OWNED | PTE_WATCHED | PTE_OPEN)

static bool pte_executes(pte_t entry)
{
    return (entry & PTE_VALID) && !(entry & PTE_UXN);
}

static bool pte_writes(pte_t entry)
{
    return (entry & PTE_VALID) && !(entry & PTE_AP_READONLY);
}

pte_t page_entry(const struct aspace *as, const struct span *span, pte_t old, enum turn turn)
{
    uint32_t rights = protect_rights(span->protect);
    pte_t entry = old & PTE_KEPT;
    if ((span->protect & PAGE_GUARD) || !(rights & RIGHT_READ))
        return entry;
    bool writes = (rights & RIGHT_WRITE) && (!(old & PTE_WATCHED) || old & PTE_OPEN) && ((old & PTE_OWNED) || span->backing == BACKING_SHARED);
    bool executes = (rights & RIGHT_EXECUTE) && (as->kind == ASPACE_NATIVE || (old & PTE_EC));
    if (writes && executes) {
        executes = turn == TURN_EXECUTE || (turn == TURN_KEEP && pte_executes(old));
        writes = !executes;
    }
    entry |= PTE_VALID | PTE_TABLE | PTE_ATTR(MAIR_NORMAL) | PTE_AP_EL0 | PTE_SH_INNER | PTE_AF | PTE_NG | PTE_PXN;
    return entry | (writes ? 0 : PTE_AP_READONLY) | (executes ? 0 : PTE_UXN);
}

void page_write(uva_t va, pte_t *entry, pte_t value, struct tlb_batch *batch)
{
    pte_t old = *entry;
    if (old == value)
        return;
    if (pte_executes(value) && !pte_executes(old)) {
        pa_t frame = value & PTE_ADDRESS;
        bool first = frame_mark_synced(frame);
        if (first || (value & PTE_OWNED) || pte_writes(old))
            code_sync(frame_pointer(frame), va, PAGE_BYTES);
    }
    ptab_set(entry, value);
    if (old & PTE_VALID)
        tlb_batch_page(batch, va);
}

void pages_refresh(struct aspace *as, uva_t start, uva_t end, struct tlb_batch *batch)
{
    const struct span *span = NULL;
    uva_t va = start;
    for (pte_t *entry; (entry = ptab_next(&as->ptab, &va, end)); va += PAGE_BYTES) {
        if (!span || va >= span->end)
            span = span_at(&as->spans, va);
        CHECK(span);
        pte_t old = *entry & ~PTE_EC;
        if (ec_read(as, va))
            old |= PTE_EC;
        page_write(va, entry, page_entry(as, span, old, TURN_KEEP), batch);
    }
}

void pages_clear(struct aspace *as, uva_t start, uva_t end, struct tlb_batch *batch)
{
    uva_t va = start;
    for (pte_t *entry; (entry = ptab_next(&as->ptab, &va, end)); va += PAGE_BYTES) {
        pte_t old = *entry;
        ptab_set(entry, 0);
        if (old & PTE_VALID)
            tlb_batch_page(batch, va);
        if (old & PTE_WATCHED)
            as->watched--;
        if (old & PTE_FRAME)
            tlb_batch_give(batch, old & PTE_ADDRESS);
    }
}

status_t page_fill(struct aspace *as, uva_t va, pa_t frame, pte_t software)
{
    status_t status = ptab_reserve(&as->ptab, va, va + PAGE_BYTES);
    if (NT_ERROR(status))
        return status;
    pte_t *entry = ptab_find(&as->ptab, va);
    CHECK(!(*entry & PTE_FRAME));
    ptab_set(entry, frame | PTE_FRAME | software | (ec_read(as, va) ? PTE_EC : 0));
    return STATUS_SUCCESS;
}

void page_replace(struct aspace *as, uva_t va, pte_t *entry, pa_t frame)
{
    struct tlb_batch batch;
    tlb_batch_begin(&batch, &as->asid);
    pte_t old = *entry;
    CHECK((old & PTE_FRAME) && !(old & (PTE_OWNED | PTE_WATCHED)));
    ptab_set(entry, (old & PTE_EC) | frame | PTE_FRAME | PTE_OWNED);     // not valid: the break
    if (old & PTE_VALID)
        tlb_batch_page(&batch, va);
    tlb_batch_give(&batch, old & PTE_ADDRESS);
    tlb_batch_finish(&batch);
}
