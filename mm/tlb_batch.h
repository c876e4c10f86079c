// SPDX-License-Identifier: MIT
// A batch of table changes of one space: what the TLBs must forget, and the frames that may be reused only after that.
//     tlb_batch_begin(&batch, &as->asid);
//     ... clear entries, tlb_batch_page, tlb_batch_give ...
//     tlb_batch_finish(&batch);          // barrier, invalidations, barrier - and only then the frames are given
// This is also break-before-make: clear the entry, finish the batch, write the new entry.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "mm/asid.h"
#include "mm/frame.h"

#define TLB_BATCH_PAGES 32       // above this the whole ASID is invalidated
#define TLB_BATCH_GIVES 64

struct tlb_batch {
    const struct asid *asid;
    uint32_t pages, gives;
    bool whole, tables;
    uint64_t page[TLB_BATCH_PAGES];
    pa_t give[TLB_BATCH_GIVES];
};

void tlb_batch_begin(struct tlb_batch *batch, const struct asid *asid);
void tlb_batch_page(struct tlb_batch *batch, uint64_t va);     // the valid entry of va has been changed or cleared
void tlb_batch_table(struct tlb_batch *batch, uint64_t va);    // a table entry on the way to va has been cleared
void tlb_batch_give(struct tlb_batch *batch, pa_t frame);      // no entry leads to it any more
void tlb_batch_finish(struct tlb_batch *batch);                // may be begun again
