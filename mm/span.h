// SPDX-License-Identifier: MIT
// The ordered structure behind an address space: spans, each a run of pages of one reservation that are all in the same state.
// Spans do not overlap; those of one reservation follow each other without a gap. They form a treap by address in which
// every subtree knows its extent and its largest gap, so finding the span of an address and finding free addresses are
// both logarithmic. Pure: no locks, no allocation.
#pragma once
#include <stdbool.h>
#include <stdint.h>

typedef uint64_t uva_t;

struct reservation {                 // what one call reserved; partial release may have made two of it
    uva_t start, end;
    uint32_t protect, flags;         // as asked for; enum region_flags
    bool stack;                      // aspace_mark_stack
    uva_t limit_cell;
};

enum backing {
    BACKING_ZERO,                    // private frames, zeroed at the first touch; also: reserved only
    BACKING_FRAMES,                  // given frames, copied at the first write
    BACKING_SHARED,                  // given frames, written in place
    BACKING_EC_BITMAP,               // like ZERO, but read through one common zero frame until the kernel sets a bit
};

struct span {
    uva_t start, end;
    struct reservation *reservation;
    uint32_t protect;                // PAGE_*; 0: reserved, not committed
    enum backing backing;
    // the tree's own
    struct span *left, *right;
    uint32_t priority;
    uva_t low, high;                 // extent of the subtree
    uint64_t gap;                    // largest gap within the subtree
};

struct span_tree { struct span *root; uint32_t random; };

#define SPAN_ALIGNMENT 0x10000ull    // reservations begin at multiples of it; a gap's unaligned beginning does not count

void span_insert(struct span_tree *tree, struct span *span);
void span_remove(struct span_tree *tree, struct span *span);
void span_resize(struct span_tree *tree, struct span *span, uva_t start, uva_t end);    // keeps its place in the order
struct span *span_at(const struct span_tree *tree, uva_t va);        // that contains va, or NULL
struct span *span_from(const struct span_tree *tree, uva_t va);      // the first that ends above va, or NULL
// Aligned address of a free range of size bytes within [low, high), the lowest or the highest; false when there is none.
bool span_find_gap(const struct span_tree *tree, uva_t low, uva_t high, uint64_t size, bool top_down, uva_t *out);
