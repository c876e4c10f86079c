// SPDX-License-Identifier: MIT
#include "mm/tlb_batch.h"
#include "mm/arm64/tlb.h"

void tlb_batch_begin(struct tlb_batch *batch, const struct asid *asid)
{
    batch->asid = asid;
    batch->pages = batch->gives = 0;
    batch->whole = batch->tables = false;
}

void tlb_batch_page(struct tlb_batch *batch, uint64_t va)
{
    if (batch->pages < TLB_BATCH_PAGES)
        batch->page[batch->pages++] = va;
    else
        batch->whole = true;
}

void tlb_batch_table(struct tlb_batch *batch, uint64_t va)
{
    batch->tables = true;
    tlb_batch_page(batch, va);
}

void tlb_batch_give(struct tlb_batch *batch, pa_t frame)
{
    if (batch->gives == TLB_BATCH_GIVES)
        tlb_batch_finish(batch);
    batch->give[batch->gives++] = frame;
}

void tlb_batch_finish(struct tlb_batch *batch)
{
    if (batch->pages) {
        tlb_begin();
        uint16_t number = asid_number(batch->asid);
        if (batch->whole)
            tlb_invalidate_asid(number);
        else
            for (uint32_t i = 0; i < batch->pages; i++)
                tlb_invalidate_page(number, batch->page[i], batch->tables);
        tlb_end();
    }
    for (uint32_t i = 0; i < batch->gives; i++)
        frame_give(batch->give[i]);
    tlb_batch_begin(batch, batch->asid);
}
