// SPDX-License-Identifier: MIT
// The table tree of a user half: 256-entry root, three more levels of 512 entries, 4 KiB pages only.
// A table's frame is tagged with the number of its entries in use (not zero), so an empty table is known without looking.
// The caller holds the space's lock. Nothing here touches the TLB but ptab_trim, through its batch.
#pragma once
#include "mm/arm64/pte.h"
#include "mm/frame.h"
#include "mm/tlb_batch.h"

#define PTAB_TOP (1ull << 47)             // end of the user half

struct ptab { pa_t root; uint64_t tables; };   // tables: frames of the tree, the root included

status_t ptab_create(struct ptab *ptab);
void     ptab_destroy(struct ptab *ptab);                      // every entry must be clear and trimmed
// Level 3 entry of va, NULL while there is no table for it.
pte_t   *ptab_find(const struct ptab *ptab, uint64_t va);
// Makes the tables for [start, end), so that ptab_find cannot be NULL there. STATUS_NO_MEMORY leaves no new table.
status_t ptab_reserve(struct ptab *ptab, uint64_t start, uint64_t end);
void     ptab_set(pte_t *entry, pte_t value);                  // level 3 entries
// First entry in use in [*va, end): its address and *va set to its page; NULL when there is none.
pte_t   *ptab_next(const struct ptab *ptab, uint64_t *va, uint64_t end);
// Takes empty tables of [start, end) out of the tree.
void     ptab_trim(struct ptab *ptab, uint64_t start, uint64_t end, struct tlb_batch *batch);
