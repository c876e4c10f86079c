// SPDX-License-Identifier: MIT
// link: mm/span.c
// The ordered structure of an address space, against a plain array.
#include "mm/span.h"
#include "tests/host/check.h"

#define SLOTS 400u                   // of 64 KiB
#define SLOT  SPAN_ALIGNMENT

static uint32_t seed;
static uint32_t random_below(uint32_t bound)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % bound;
}

static uint8_t used[SLOTS];
static struct span spans[SLOTS];

// First or last run of n free slots within [low, high), or SLOTS.
static uint32_t plain_gap(uint32_t low, uint32_t high, uint32_t n, bool top_down)
{
    uint32_t best = SLOTS;
    for (uint32_t at = low; at + n <= high; at++) {
        uint32_t i = 0;
        while (i < n && !used[at + i])
            i++;
        if (i < n)
            continue;
        best = at;
        if (!top_down)
            break;
    }
    return best;
}

static uint32_t depth(const struct span *node)
{
    uint32_t left = node ? depth(node->left) : 0, right = node ? depth(node->right) : 0;
    return node ? 1 + (left > right ? left : right) : 0;
}

TEST(span_gaps_and_lookups_random_against_an_array)
{
    seed = 3;
    struct span_tree tree = { 0 };
    memset(used, 0, sizeof used);
    for (uint32_t step = 0; step < 40000; step++) {
        uint32_t slot = random_below(SLOTS);
        if (used[slot]) {
            // Find its span; shrink it or take it out.
            struct span *span = span_at(&tree, slot * SLOT);
            EXPECT(span && span->start <= slot * SLOT && span->end > slot * SLOT);
            uint32_t first = (uint32_t)(span->start / SLOT), end = (uint32_t)((span->end + SLOT - 1) / SLOT);
            if (end - first > 1 && random_below(2)) {
                span_resize(&tree, span, span->start, span->start + SLOT);
                memset(used + first + 1, 0, end - first - 1);
            } else {
                span_remove(&tree, span);
                memset(used + first, 0, end - first);
            }
        } else {
            // A length that is not a multiple of the slot still takes all of its last slot.
            uint32_t n = 1 + random_below(6), low = random_below(SLOTS), high = low + random_below(SLOTS - low + 1);
            bool top_down = random_below(2);
            uint64_t bytes = n * SLOT - (random_below(2) ? 0x3000 : 0);
            uint32_t expected = plain_gap(low, high, n, top_down);
            uva_t found = 0;
            bool fits = span_find_gap(&tree, low * SLOT, high * SLOT, bytes, top_down, &found);
            EXPECT_EQ(expected != SLOTS, fits);
            if (fits) {
                EXPECT_EQ(expected * SLOT, found);
                struct span *span = &spans[found / SLOT];
                *span = (struct span){ .start = found, .end = found + bytes };
                span_insert(&tree, span);
                memset(used + found / SLOT, 1, n);
            }
        }
        uint32_t probe = random_below(SLOTS);
        EXPECT_EQ(used[probe], span_at(&tree, probe * SLOT) != NULL);
        const struct span *next = span_from(&tree, probe * SLOT);
        uint32_t expected = probe;
        while (expected < SLOTS && !used[expected])
            expected++;
        EXPECT_EQ(expected == SLOTS, next == NULL);
        if (next)
            EXPECT(used[probe] ? next->start <= probe * SLOT : next->start == expected * SLOT);
    }
}

TEST(span_tree_stays_shallow_for_ascending_addresses)
{
    enum { N = 50000 };
    struct span *many = calloc(N, sizeof *many);
    struct span_tree tree = { 0 };
    for (uint32_t i = 0; i < N; i++) {
        many[i] = (struct span){ .start = i * 2 * SLOT, .end = i * 2 * SLOT + SLOT };
        span_insert(&tree, &many[i]);
    }
    EXPECT(depth(tree.root) < 60);
    for (uint32_t i = 0; i < N; i += 2)
        span_remove(&tree, &many[i]);
    uva_t found;
    EXPECT(span_find_gap(&tree, 0, ~0ull, 3 * SLOT, false, &found));
    EXPECT_EQ(3 * SLOT, found);
    EXPECT(depth(tree.root) < 60);
    free(many);
}

TEST_MAIN
