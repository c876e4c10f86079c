// SPDX-License-Identifier: MIT
// Inside an address space; for mm/ only. Everything here is called with the space's lock held unless it says otherwise.
#pragma once
#include "kernel/lock.h"
#include "mm/arm64/ptab.h"
#include "mm/aspace.h"
#include "mm/asid.h"
#include "mm/span.h"
#include "mm/tlb_batch.h"

#define WATCH_COUNTERS 64

struct aspace {
    struct spinlock lock;
    enum aspace_kind kind;
    struct ptab ptab;
    struct asid asid;
    struct span_tree spans;
    struct span *spare;                  // linked by left: taken before an operation begins, so that it cannot fail midway
    uint32_t spare_count;
    uint64_t committed;                  // pages of BACKING_ZERO committed
    pa_t zero_frame;                     // behind the untouched part of the EC bitmap; 0: not needed yet
    uint64_t watched;                    // entries with PTE_WATCHED
    uint32_t watch_counters[WATCH_COUNTERS];   // by page number: how often aspace_watch was called
    uva_t lowest;                        // where a range that may be at any place begins at the earliest
    void *owner;
};

#define PAGE_MASK (PAGE_BYTES - 1)
static inline uva_t page_down(uva_t va) { return va & ~PAGE_MASK; }
static inline uva_t page_up(uva_t va)   { return (va + PAGE_MASK) & ~PAGE_MASK; }

// mm/region.c: spans and reservations.
enum rights { RIGHT_READ = ACCESS_READ, RIGHT_WRITE = ACCESS_WRITE, RIGHT_EXECUTE = ACCESS_EXECUTE, RIGHT_COPY = 8 };
bool     protect_valid(uint32_t protect);                       // one PAGE_* value, perhaps with PAGE_GUARD
uint32_t protect_rights(uint32_t protect);                      // enum rights; without regard to PAGE_GUARD
status_t spans_spare(struct aspace *as, uint32_t count);        // so many spans can be made without fail
struct span *span_take(struct aspace *as);                      // one of the spare ones
void     span_give(struct aspace *as, struct span *span);
struct reservation *reservation_of(struct aspace *as, uva_t start, uva_t end);   // the one that holds all of the range, or NULL
// The whole range, within one reservation, gets this state. Needs two spare spans.
void     region_set(struct aspace *as, uva_t start, uva_t end, uint32_t protect, enum backing backing);
void     region_split(struct aspace *as, uva_t va);             // a span begins at va, if va is inside one; one spare span
uint64_t region_committed(struct aspace *as, uva_t start, uva_t end);    // pages of the range that count in as->committed

// mm/page.c: entries.
enum turn { TURN_KEEP, TURN_WRITE, TURN_EXECUTE };              // for a page that may do both, but not at once
pte_t    page_entry(const struct aspace *as, const struct span *span, pte_t old, enum turn turn);
void     page_write(uva_t va, pte_t *entry, pte_t value, struct tlb_batch *batch);
void     pages_refresh(struct aspace *as, uva_t start, uva_t end, struct tlb_batch *batch);   // after a change of spans or EC
void     pages_clear(struct aspace *as, uva_t start, uva_t end, struct tlb_batch *batch);     // and give the frames; tables stay
// These two leave an entry that is not valid yet; page_entry and page_write make it so.
status_t page_fill(struct aspace *as, uva_t va, pa_t frame, pte_t software);   // no frame was there; STATUS_NO_MEMORY: no table
void     page_replace(struct aspace *as, uva_t va, pte_t *entry, pa_t frame);  // private frame for a given one, which is given

// mm/ec.c: the EC bitmap. Ranges are pages.
bool     ec_read(const struct aspace *as, uva_t va);
status_t ec_reserve(struct aspace *as, uva_t start, uva_t end);      // so that ec_write(true) cannot fail
void     ec_write(struct aspace *as, uva_t start, uva_t end, bool ec);   // bits only; pages_refresh does the entries

// mm/fault.c
// Calls the hook for the watched pages of the range until none is left; lets go of the lock meanwhile, so whatever the
// caller looked up before is stale.
void     watch_release(struct aspace *as, uva_t start, uva_t end);
enum fault_mode { FAULT_EL0, FAULT_KERNEL };    // KERNEL: guard pages refuse, execute means the region's protection
// On FAULT_RETRY the page's entry holds a frame and allows the access. May let go of the lock meanwhile.
enum fault_kind page_fault(struct aspace *as, uva_t address, enum page_access access, enum fault_mode mode);
