// SPDX-License-Identifier: MIT
// link: mm/frame.c mm/heap.c mm/asid.c mm/tlb_batch.c mm/arm64/ptab.c mm/span.c mm/region.c mm/page.c mm/ec.c mm/fault.c mm/aspace.c tests/host/mm_fake.c
// Page tables, TLB batches, ASIDs.
#include "mm/arm64/ptab.h"
#include "mm/asid.h"
#include "tests/host/check.h"
#include "tests/host/mm_fake.h"

TEST(ptab_makes_tables_and_gives_them_back)
{
    fake_reset();
    uint64_t free = frame_free_total();
    struct asid asid = { 0 };
    struct tlb_batch batch;
    tlb_batch_begin(&batch, &asid);
    struct ptab ptab;
    EXPECT_EQ(STATUS_SUCCESS, ptab_create(&ptab));
    EXPECT(!ptab_find(&ptab, 0x10000));
    EXPECT_EQ(STATUS_SUCCESS, ptab_reserve(&ptab, 0x10000, 0x11000));
    EXPECT_EQ(4, ptab.tables);
    EXPECT_EQ(STATUS_SUCCESS, ptab_reserve(&ptab, 0x1ff000, 0x201000));          // over a table's end
    EXPECT_EQ(5, ptab.tables);
    EXPECT_EQ(STATUS_SUCCESS, ptab_reserve(&ptab, PTAB_TOP - PAGE_BYTES, PTAB_TOP));
    EXPECT_EQ(8, ptab.tables);

    pte_t *low = ptab_find(&ptab, 0x1ff000), *high = ptab_find(&ptab, PTAB_TOP - 1);
    ptab_set(low, 0x1000 | PTE_FRAME);
    ptab_set(high, 0x2000 | PTE_FRAME);
    uint64_t va = 0;
    EXPECT(ptab_next(&ptab, &va, PTAB_TOP) == low);
    EXPECT_EQ(0x1ff000, va);
    va += PAGE_BYTES;
    EXPECT(ptab_next(&ptab, &va, PTAB_TOP) == high);
    EXPECT_EQ(PTAB_TOP - PAGE_BYTES, va);
    va = 0x1ff000;
    EXPECT(!ptab_next(&ptab, &va, 0x1ff000));
    va = 0x200000;
    EXPECT(!ptab_next(&ptab, &va, PTAB_TOP - PAGE_BYTES));

    ptab_trim(&ptab, 0, PTAB_TOP, &batch);                // only the empty one goes
    tlb_batch_finish(&batch);
    EXPECT_EQ(7, ptab.tables);
    EXPECT(ptab_find(&ptab, 0x1ff000) == low);
    EXPECT_PANIC(ptab_destroy(&ptab));
    ptab_set(low, 0);
    ptab_trim(&ptab, 0x1ff000, 0x200000, &batch);
    tlb_batch_finish(&batch);
    EXPECT_EQ(4, ptab.tables);
    ptab_set(high, 0);
    ptab_trim(&ptab, 0, PTAB_TOP, &batch);
    tlb_batch_finish(&batch);
    EXPECT_EQ(1, ptab.tables);
    ptab_destroy(&ptab);
    EXPECT_EQ(free, frame_free_total());
    EXPECT_EQ(0, fake.wrong);
}

TEST(ptab_reserve_without_memory_leaves_nothing)
{
    fake_reset();
    struct ptab ptab;
    EXPECT_EQ(STATUS_SUCCESS, ptab_create(&ptab));
    pa_t frame, last = 0;
    uint64_t kept = 5, all = frame_free_total();
    pa_t *taken = malloc(all * sizeof *taken);
    for (uint64_t i = 0; i < all; i++) {
        EXPECT_EQ(STATUS_SUCCESS, frame_take(FRAME_USER, &frame));
        taken[i] = last = frame;
    }
    (void)last;
    for (uint64_t i = 0; i < kept; i++)
        frame_give(taken[i]);
    EXPECT_EQ(STATUS_NO_MEMORY, ptab_reserve(&ptab, 0, 64ull << 20));            // wants 34
    EXPECT_EQ(1, ptab.tables);
    EXPECT_EQ(kept, frame_free_total());
    EXPECT_EQ(STATUS_SUCCESS, ptab_reserve(&ptab, 0, 4ull << 20));               // wants 4
    EXPECT_EQ(5, ptab.tables);
    free(taken);
}

TEST(tlb_batch_invalidates_pages_or_everything_and_gives_frames_after)
{
    fake_reset();
    struct asid asid = { 0 };
    asid_activate(&asid, 0);
    fake = (struct fake_counters){ 0 };
    uint64_t free = frame_free_total();
    struct tlb_batch batch;
    tlb_batch_begin(&batch, &asid);
    tlb_batch_finish(&batch);
    EXPECT_EQ(0, fake.page_invalidations);
    for (uint32_t i = 0; i < TLB_BATCH_PAGES; i++)
        tlb_batch_page(&batch, i * PAGE_BYTES);
    tlb_batch_finish(&batch);
    EXPECT_EQ(TLB_BATCH_PAGES, fake.page_invalidations);
    EXPECT_EQ(0, fake.asid_invalidations);
    for (uint32_t i = 0; i < TLB_BATCH_PAGES + 1; i++)
        tlb_batch_page(&batch, i * PAGE_BYTES);
    tlb_batch_finish(&batch);
    EXPECT_EQ(TLB_BATCH_PAGES, fake.page_invalidations);
    EXPECT_EQ(1, fake.asid_invalidations);

    pa_t frames[TLB_BATCH_GIVES + 1];
    for (uint32_t i = 0; i < TLB_BATCH_GIVES + 1; i++)
        EXPECT_EQ(STATUS_SUCCESS, frame_take(FRAME_USER, &frames[i]));
    for (uint32_t i = 0; i < TLB_BATCH_GIVES + 1; i++) {
        tlb_batch_page(&batch, i * PAGE_BYTES);
        tlb_batch_give(&batch, frames[i]);
        EXPECT(i < TLB_BATCH_GIVES ? frame_count(frames[i]) == 1 : frame_count(frames[0]) == 0);
    }
    EXPECT_EQ(2, fake.asid_invalidations);                                      // before the first was given
    tlb_batch_finish(&batch);
    EXPECT_EQ(free, frame_free_total());
    EXPECT_EQ(0, fake.wrong);
}

TEST(asid_generations_keep_running_spaces_and_separate_all_others)
{
    fake_reset();
    fake_asid_bits = 8;
    enum { SPACES = 1000, CORES = 4 };
    static struct asid spaces[SPACES];
    memset(spaces, 0, sizeof spaces);
    uint32_t running[CORES];
    for (uint32_t cpu = 0; cpu < CORES; cpu++)
        running[cpu] = SPACES;
    uint64_t generation = asid_generation();
    uint32_t seed = 9;
    static uint16_t number_of[SPACES];
    for (uint32_t step = 0; step < 100000; step++) {
        seed = seed * 1664525u + 1013904223u;
        uint32_t cpu = seed >> 28 & (CORES - 1), space = (seed >> 8) % SPACES;
        if (cpu == 3)
            space = step / 5000;                           // one core hardly switches: kept over many generations
        number_of[space] = asid_activate(&spaces[space], cpu);
        running[cpu] = space;
        EXPECT(number_of[space] != 0 && number_of[space] < 256);
        for (uint32_t other = 0; other < CORES; other++) {
            if (running[other] == SPACES)
                continue;
            // What a core runs under stays the number that invalidations are sent to, and no other's.
            EXPECT_EQ(number_of[running[other]], asid_number(&spaces[running[other]]));
            if (running[other] != space)
                EXPECT(number_of[running[other]] != number_of[space]);
        }
    }
    EXPECT(asid_generation() > generation + 100);
    EXPECT(fake.full_invalidations == asid_generation() - generation);
    EXPECT_EQ(0, fake.wrong);
}

TEST_MAIN
