// SPDX-License-Identifier: MIT
// The TLB instructions, nothing else (Arm ARM D8.14). All are broadcast to the inner shareable domain. The only callers are
// mm/tlb_batch.c and mm/asid.c.
#pragma once
#include <stdbool.h>
#include <stdint.h>

void tlb_begin(void);            // table changes are visible to all walkers, and to nobody before
void tlb_invalidate_page(uint16_t asid, uint64_t va, bool tables_too);   // tables_too: cached table entries as well
void tlb_invalidate_asid(uint16_t asid);
void tlb_invalidate_all(void);
void tlb_end(void);              // all cores have forgotten; this one fetches nothing stale
void tlb_publish(void);          // entries that were invalid are valid now, and this core may rely on it
uint32_t asid_bits(void);        // 8 or 16
