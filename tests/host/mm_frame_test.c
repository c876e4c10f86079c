// SPDX-License-Identifier: MIT
// link: mm/frame.c mm/heap.c mm/asid.c mm/tlb_batch.c mm/arm64/ptab.c mm/span.c mm/region.c mm/page.c mm/ec.c mm/fault.c mm/aspace.c tests/host/mm_fake.c
// Physical frames and the kernel heap.
#include "mm/heap.h"
#include "tests/host/check.h"
#include "tests/host/mm_fake.h"

static uint32_t seed;
static uint32_t random_below(uint32_t bound)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % bound;
}

// Takes every frame there is, one by one, checks that none comes twice, and gives them back.
static void expect_all_there(bool backwards)
{
    uint64_t total = frame_total(), count = 0;
    pa_t frame, *taken = malloc(total * sizeof *taken);
    while (count < total && frame_take(FRAME_KERNEL, &frame) == STATUS_SUCCESS) {
        EXPECT(*frame_tag(frame) == 0);
        *frame_tag(frame) = 1;
        taken[count++] = frame;
    }
    EXPECT_EQ(total, count);
    EXPECT_EQ(STATUS_NO_MEMORY, frame_take(FRAME_KERNEL, &frame));
    for (uint64_t i = 0; i < count; i++)
        frame_give(taken[backwards ? count - 1 - i : i]);
    EXPECT_EQ(total, frame_free_total());
    free(taken);
}

static bool page_is_zero(pa_t frame)
{
    const uint64_t *words = frame_pointer(frame);
    for (uint32_t i = 0; i < PAGE_BYTES / 8; i++)
        if (words[i])
            return false;
    return true;
}

TEST(frames_all_taken_once_and_all_come_back)
{
    fake_reset();
    uint64_t total = frame_free_total();
    EXPECT_EQ(frame_total(), total);
    EXPECT(total > (FAKE_RAM_BYTES + FAKE_HIGH_BYTES) / PAGE_BYTES * 99 / 100 - 2);
    pa_t *taken = malloc(total * sizeof *taken);
    for (uint64_t i = 0; i < total; i++) {
        EXPECT_EQ(STATUS_SUCCESS, frame_take(FRAME_USER, &taken[i]));
        EXPECT(page_is_zero(taken[i]));
        memset(frame_pointer(taken[i]), 0x5a, PAGE_BYTES);          // the allocator's array must not be among them
        EXPECT_EQ(1, frame_count(taken[i]));
    }
    pa_t more;
    EXPECT_EQ(STATUS_NO_MEMORY, frame_take(FRAME_USER, &more));
    EXPECT_EQ(0, frame_free_total());
    EXPECT_EQ(total, frame_owned_total(FRAME_USER));
    for (uint64_t i = 0; i < total; i++)
        frame_give(taken[(i * 7919) % total]);
    EXPECT_EQ(total, frame_free_total());
    EXPECT_EQ(0, frame_owned_total(FRAME_USER));
    pa_t run;                                                        // merged again: large blocks exist
    EXPECT_EQ(STATUS_SUCCESS, frame_take_run(FRAME_CODE, 4096, &run));
    EXPECT_EQ(0, run % (4096 * PAGE_BYTES));
    for (uint32_t i = 0; i < 4096; i++)
        frame_give(run + i * PAGE_BYTES);
    free(taken);
}

TEST(frame_runs_random_against_a_map)
{
    fake_reset();
    seed = 11;
    uint64_t total = frame_free_total(), used = 0;
    static uint8_t map[FAKE_RAM_BYTES / PAGE_BYTES + FAKE_HIGH_BYTES / PAGE_BYTES];
    memset(map, 0, sizeof map);
    static struct { pa_t start; uint32_t count; } runs[600];
    memset(runs, 0, sizeof runs);
    for (uint32_t step = 0; step < 60000; step++) {
        uint32_t slot = random_below(600);
        if (runs[slot].count) {
            // Give some or all of it, from its end.
            uint32_t give = 1 + random_below(runs[slot].count);
            while (give--) {
                pa_t frame = runs[slot].start + --runs[slot].count * PAGE_BYTES;
                frame_give(frame);
                EXPECT_EQ(0, frame_count(frame));
                map[frame < FAKE_HIGH_START ? (frame - FAKE_RAM_START) / PAGE_BYTES
                                            : FAKE_RAM_BYTES / PAGE_BYTES + (frame - FAKE_HIGH_START) / PAGE_BYTES] = 0;
                used--;
            }
            continue;
        }
        uint32_t count = random_below(4) ? 1 + random_below(3) : 1 + random_below(130);
        pa_t start;
        if (frame_take_run(step % FRAME_OWNER_COUNT, count, &start) != STATUS_SUCCESS)
            continue;
        runs[slot].start = start;
        runs[slot].count = count;
        used += count;
        for (uint32_t i = 0; i < count; i++) {
            pa_t frame = start + i * PAGE_BYTES;
            uint8_t *mark = &map[frame < FAKE_HIGH_START ? (frame - FAKE_RAM_START) / PAGE_BYTES
                                     : FAKE_RAM_BYTES / PAGE_BYTES + (frame - FAKE_HIGH_START) / PAGE_BYTES];
            EXPECT(*mark == 0);
            *mark = 1;
        }
        EXPECT(page_is_zero(start + (count - 1) * PAGE_BYTES));
        memset(frame_pointer(start), 1, count * PAGE_BYTES);
        EXPECT_EQ(total - used, frame_free_total());
    }
    for (uint32_t slot = 0; slot < 600; slot++)
        while (runs[slot].count)
            frame_give(runs[slot].start + --runs[slot].count * PAGE_BYTES);
    EXPECT_EQ(total, frame_free_total());
    for (uint32_t owner = 0; owner < FRAME_OWNER_COUNT; owner++)
        EXPECT_EQ(0, frame_owned_total(owner));
    expect_all_there(false);
}

TEST(frame_blocks_do_not_merge_over_the_end_of_a_bank)
{
    fake_reset();
    // The last block of the first bank is as large as the first of the second, whose frames come next in the array.
    const struct memory_range banks[] = {
        { FAKE_RAM_START, FAKE_RAM_START + (3ull << 20) }, { FAKE_HIGH_START, FAKE_HIGH_START + (1ull << 20) },
    };
    frame_init(banks, 2);
    for (uint32_t round = 0; round < 3; round++) {
        expect_all_there(round % 2);
        pa_t run;
        EXPECT_EQ(STATUS_NO_MEMORY, frame_take_run(FRAME_KERNEL, 257, &run));    // needs 512 together
    }
}

TEST(frame_shared_is_freed_by_its_last_owner)
{
    fake_reset();
    uint64_t total = frame_free_total();
    pa_t frame;
    EXPECT_EQ(STATUS_SUCCESS, frame_take(FRAME_IMAGE, &frame));
    frame_share(frame);
    frame_share(frame);
    EXPECT_EQ(3, frame_count(frame));
    frame_give(frame);
    frame_give(frame);
    EXPECT_EQ(total - 1, frame_free_total());
    EXPECT(frame_mark_synced(frame));
    EXPECT(!frame_mark_synced(frame));
    frame_give(frame);
    EXPECT_EQ(total, frame_free_total());
}

TEST(frame_misuse_stops_the_machine)
{
    fake_reset();
    pa_t frame;
    EXPECT_EQ(STATUS_SUCCESS, frame_take(FRAME_KERNEL, &frame));
    frame_give(frame);
    EXPECT_PANIC(frame_give(frame));
    EXPECT_PANIC(frame_share(frame));
    EXPECT_EQ(STATUS_SUCCESS, frame_take(FRAME_KERNEL, &frame));
    EXPECT_PANIC(frame_give(frame + 8));
    EXPECT_PANIC(frame_give(FAKE_HIGH_START + FAKE_HIGH_BYTES));
    EXPECT_PANIC(frame_give(0));
    EXPECT_PANIC(frame_give(~0xfffull));
    EXPECT_EQ(0, frame_count(0x1000));
}

TEST(frame_init_leaves_out_partial_pages_and_page_zero)
{
    fake_reset();
    const struct memory_range odd[] = {
        { FAKE_RAM_START + 0x2800, FAKE_RAM_START + 0x40800 },          // 0x3000 .. 0x40000
        { FAKE_RAM_START + 0x50001, FAKE_RAM_START + 0x50fff },         // nothing whole
        { FAKE_RAM_START + 0x60000, FAKE_RAM_START + 0x60000 },         // empty
        { FAKE_RAM_START + 0x80000, FAKE_RAM_START + 0x82000 },
    };
    frame_init(odd, 4);
    uint64_t array = 61 + 2 - frame_total();
    EXPECT(array >= 1 && array <= 2);
    pa_t frame;
    for (uint64_t i = frame_free_total(); i; i--) {
        EXPECT_EQ(STATUS_SUCCESS, frame_take(FRAME_KERNEL, &frame));
        uint64_t offset = frame - FAKE_RAM_START;
        EXPECT((offset >= 0x3000 + array * PAGE_BYTES && offset < 0x40000) || (offset >= 0x80000 && offset < 0x82000));
    }
    EXPECT_EQ(STATUS_NO_MEMORY, frame_take(FRAME_KERNEL, &frame));
    EXPECT_PANIC(frame_give(FAKE_RAM_START + 0x50000));                 // in the hole
}

TEST(heap_random_blocks_do_not_overlap_and_all_frames_come_back)
{
    fake_reset();
    seed = 5;
    uint64_t free = frame_free_total();
    static struct { uint8_t *p; uint32_t bytes; uint8_t fill; } blocks[800];
    memset(blocks, 0, sizeof blocks);
    for (uint32_t step = 0; step < 100000; step++) {
        uint32_t slot = random_below(800);
        if (blocks[slot].p) {
            bool intact = true;
            for (uint32_t i = 0; i < blocks[slot].bytes; i++)
                intact &= blocks[slot].p[i] == blocks[slot].fill;
            EXPECT(intact);
            heap_give(blocks[slot].p);
            blocks[slot].p = NULL;
            continue;
        }
        uint32_t bytes = random_below(50) ? random_below(2100) : random_below(40000);
        uint8_t *p = heap_take(bytes);
        EXPECT(p && (uint64_t)p % 16 == 0);
        bool zero = true;
        for (uint32_t i = 0; i < bytes; i++)
            zero &= p[i] == 0;
        EXPECT(zero);
        blocks[slot].p = p;
        blocks[slot].bytes = bytes;
        blocks[slot].fill = (uint8_t)(1 + random_below(255));
        memset(p, blocks[slot].fill, bytes);
    }
    for (uint32_t slot = 0; slot < 800; slot++)
        heap_give(blocks[slot].p);
    EXPECT_EQ(free, frame_free_total());
}

TEST(heap_refuses_what_it_cannot_give_and_stops_at_double_give)
{
    fake_reset();
    EXPECT(!heap_take((size_t)1 << 40));
    EXPECT(!heap_take(~(size_t)0));
    EXPECT(!heap_take(FAKE_RAM_BYTES));
    void *kept = heap_take(100), *p = heap_take(100);
    heap_give(p);
    EXPECT_PANIC(heap_give(p));
    EXPECT_PANIC(heap_give((uint8_t *)kept + 16));
    heap_give(kept);
    EXPECT_PANIC(heap_give(kept));                      // its slab is gone
    heap_give(NULL);
}

TEST_MAIN
