// SPDX-License-Identifier: MIT
// link: mm/frame.c mm/heap.c mm/asid.c mm/tlb_batch.c mm/arm64/ptab.c mm/span.c mm/region.c mm/page.c mm/ec.c mm/fault.c mm/aspace.c tests/host/mm_fake.c
// Tens of thousands of random operations on one space, against a model that is an array of pages.
#include "kernel/abi/syscall.h"
#include "mm/aspace_private.h"
#include "tests/host/check.h"
#include "tests/host/mm_fake.h"

#define WINDOW       0x7fa0000ull        // 96 pages below 128 MiB: table and EC bitmap boundaries lie in the middle
#define WINDOW_PAGES 192u
#define IMAGE_FRAMES 16u

enum kind { ZERO, COPIED_ON_WRITE, SHARED };
static struct page {
    uint32_t reservation;                // 0: free
    uint32_t protect;                    // 0: reserved only
    enum kind kind;
    bool ec, watched, copied;
    uint8_t value, frame;
} pages[WINDOW_PAGES];
static uint8_t frame_values[IMAGE_FRAMES];
static bool hooked[WINDOW_PAGES];
static uint32_t next_reservation, seed;

static uint32_t random_below(uint32_t bound)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % bound;
}

static uva_t va_of(uint32_t page)
{
    return WINDOW + page * PAGE_BYTES;
}

static void hook(struct aspace *as, uva_t va)
{
    (void)as;
    EXPECT_EQ(0, fake_locks_held);
    hooked[(va - WINDOW) / PAGE_BYTES] = true;
}

static bool one_reservation(uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (first + i >= WINDOW_PAGES || !pages[first].reservation || pages[first + i].reservation != pages[first].reservation)
            return false;
    return true;
}

static bool all_zero_kind(uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (pages[first + i].kind != ZERO)
            return false;
    return true;
}

// Watches of the range have been called, and no others.
static void expect_hooks(uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < WINDOW_PAGES; i++) {
        bool expected = i >= first && i < first + count && pages[i].watched;
        if (expected != hooked[i])
            printf("page %u\n", i);
        EXPECT_EQ(expected, hooked[i]);
        if (expected)
            pages[i].watched = false;
        hooked[i] = false;
    }
}

static uint8_t *value_of(struct page *page)
{
    return page->kind == SHARED || (page->kind == COPIED_ON_WRITE && !page->copied) ? &frame_values[page->frame] : &page->value;
}

static const uint32_t protections[] = {
    PAGE_NOACCESS, PAGE_READONLY, PAGE_READWRITE, PAGE_WRITECOPY, PAGE_EXECUTE, PAGE_EXECUTE_READ, PAGE_EXECUTE_READWRITE,
    PAGE_EXECUTE_WRITECOPY, PAGE_READWRITE, PAGE_READWRITE, PAGE_READWRITE | PAGE_GUARD, PAGE_READONLY | PAGE_GUARD,
};

static bool is_copy(uint32_t protect)
{
    return protect & (PAGE_WRITECOPY | PAGE_EXECUTE_WRITECOPY);
}

static bool is_writable(uint32_t protect)
{
    return protect & (PAGE_READWRITE | PAGE_EXECUTE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE_WRITECOPY);
}

static bool is_executable(uint32_t protect)
{
    return protect & (PAGE_EXECUTE | PAGE_EXECUTE_READ | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY);
}

static uint32_t converted(const struct page *page, uint32_t protect)
{
    uint32_t low = protect & 0xff, guard = protect & PAGE_GUARD;
    if (page->kind == COPIED_ON_WRITE)
        low = low == PAGE_READWRITE ? PAGE_WRITECOPY : low == PAGE_EXECUTE_READWRITE ? PAGE_EXECUTE_WRITECOPY : low;
    if (page->kind == SHARED)
        low = low == PAGE_WRITECOPY ? PAGE_READWRITE : low == PAGE_EXECUTE_WRITECOPY ? PAGE_EXECUTE_READWRITE : low;
    return low | guard;
}

static void do_allocate(struct aspace *as, uint32_t protect)
{
    uint32_t first = random_below(WINDOW_PAGES / 16) * 16, count = 1 + random_below(40);
    bool commit = random_below(4), ec = random_below(3) == 0;
    status_t expected = STATUS_SUCCESS;
    if (commit && is_copy(protect))
        expected = STATUS_INVALID_PAGE_PROTECTION;
    if (first + count > WINDOW_PAGES)
        count = WINDOW_PAGES - first;
    for (uint32_t i = 0; i < count && expected == STATUS_SUCCESS; i++)
        if (pages[first + i].reservation)
            expected = STATUS_CONFLICTING_ADDRESSES;
    uva_t base = va_of(first) + random_below(PAGE_BYTES);
    uint64_t size = va_of(first + count) - base;
    EXPECT_EQ(expected, aspace_allocate(as, &base, &size, protect, (commit ? REGION_COMMIT : 0) | (ec ? REGION_EC : 0)));
    if (expected == STATUS_SUCCESS) {
        EXPECT_EQ(va_of(first), base);
        EXPECT_EQ(count * PAGE_BYTES, size);
        next_reservation++;
        for (uint32_t i = 0; i < count; i++)
            pages[first + i] = (struct page){ .reservation = next_reservation, .protect = commit ? protect : 0, .ec = ec };
    }
    expect_hooks(0, 0);
}

static void do_commit(struct aspace *as, uint32_t first, uint32_t count, uint32_t protect)
{
    bool ec = random_below(4) == 0;
    status_t expected = is_copy(protect) ? STATUS_INVALID_PAGE_PROTECTION
                      : !one_reservation(first, count) || !all_zero_kind(first, count) ? STATUS_CONFLICTING_ADDRESSES : STATUS_SUCCESS;
    EXPECT_EQ(expected, aspace_commit(as, va_of(first), count * PAGE_BYTES, protect, ec ? REGION_EC : 0));
    expect_hooks(first, expected == STATUS_INVALID_PAGE_PROTECTION ? 0 : count);
    for (uint32_t i = 0; i < count && expected == STATUS_SUCCESS; i++) {
        pages[first + i].protect = protect;
        pages[first + i].ec |= ec;
    }
}

static void do_free(struct aspace *as, uint32_t first, uint32_t count, bool release)
{
    bool found = one_reservation(first, count);
    status_t expected = found && all_zero_kind(first, count) ? STATUS_SUCCESS : STATUS_UNABLE_TO_FREE_VM;
    EXPECT_EQ(expected, (release ? aspace_release : aspace_decommit)(as, va_of(first), count * PAGE_BYTES));
    expect_hooks(first, found ? count : 0);
    if (expected != STATUS_SUCCESS)
        return;
    uint32_t reservation = pages[first].reservation;
    for (uint32_t i = 0; i < count; i++)
        pages[first + i] = release ? (struct page){ 0 }
                                   : (struct page){ .reservation = reservation, .ec = pages[first + i].ec };
    if (release && first && pages[first - 1].reservation == reservation) {
        next_reservation++;                                          // what is above becomes one of its own
        for (uint32_t i = first + count; i < WINDOW_PAGES && pages[i].reservation == reservation; i++)
            pages[i].reservation = next_reservation;
    }
}

static void do_unmap(struct aspace *as, uint32_t first)
{
    bool whole = pages[first].reservation && (first == 0 || pages[first - 1].reservation != pages[first].reservation);
    EXPECT_EQ(whole ? STATUS_SUCCESS : STATUS_UNABLE_TO_FREE_VM, aspace_unmap(as, va_of(first)));
    uint32_t reservation = pages[first].reservation, count = 0;
    while (whole && first + count < WINDOW_PAGES && pages[first + count].reservation == reservation)
        count++;
    expect_hooks(first, count);
    memset(pages + first, 0, count * sizeof pages[0]);
}

static void do_protect(struct aspace *as, uint32_t first, uint32_t count, uint32_t protect)
{
    status_t expected = STATUS_SUCCESS;
    if (!one_reservation(first, count))
        expected = STATUS_CONFLICTING_ADDRESSES;
    for (uint32_t i = 0; i < count && expected == STATUS_SUCCESS; i++) {
        if (!pages[first + i].protect)
            expected = STATUS_NOT_COMMITTED;
        else if (pages[first + i].kind == ZERO && is_copy(protect))
            expected = STATUS_INVALID_PAGE_PROTECTION;
    }
    uint32_t old = 0;
    EXPECT_EQ(expected, aspace_protect(as, va_of(first), count * PAGE_BYTES, protect, &old));
    expect_hooks(first, count);
    if (expected != STATUS_SUCCESS)
        return;
    EXPECT_EQ(pages[first].protect, old);
    for (uint32_t i = 0; i < count; i++)
        pages[first + i].protect = converted(&pages[first + i], protect);
}

static void do_map(struct aspace *as, uint32_t first, uint32_t count, uint32_t protect, const pa_t *frames)
{
    if (count > IMAGE_FRAMES)
        count = IMAGE_FRAMES;
    uint32_t from = random_below(IMAGE_FRAMES - count + 1);
    status_t expected = STATUS_SUCCESS;
    if (!one_reservation(first, count))
        expected = STATUS_CONFLICTING_ADDRESSES;
    for (uint32_t i = 0; i < count && expected == STATUS_SUCCESS; i++)
        if (pages[first + i].protect)
            expected = STATUS_CONFLICTING_ADDRESSES;
    EXPECT_EQ(expected, aspace_map_frames(as, va_of(first), frames + from, count, protect, 0));
    expect_hooks(first, count);
    for (uint32_t i = 0; i < count && expected == STATUS_SUCCESS; i++) {
        struct page *page = &pages[first + i];
        page->kind = is_writable(protect) && !is_copy(protect) ? SHARED : COPIED_ON_WRITE;
        page->protect = protect;
        page->frame = (uint8_t)(from + i);
        page->copied = false;
    }
}

static void do_touch(struct aspace *as, uint32_t first, enum page_access access)
{
    struct page *page = &pages[first];
    enum fault_kind expected = FAULT_RETRY, kind;
    if (!page->protect)
        expected = FAULT_ACCESS_VIOLATION;
    else if (page->protect & PAGE_GUARD)
        expected = FAULT_GUARD_PAGE;
    else if (page->protect == PAGE_NOACCESS || (access == ACCESS_WRITE && !is_writable(page->protect)) ||
             (access == ACCESS_EXECUTE && !(is_executable(page->protect) && page->ec)))
        expected = FAULT_ACCESS_VIOLATION;
    uint8_t *byte = fake_access(as, va_of(first) + 17, access, &kind);
    EXPECT_EQ(expected, kind);
    expect_hooks(first, expected == FAULT_RETRY && access == ACCESS_WRITE);
    if (expected == FAULT_GUARD_PAGE)
        page->protect &= ~(uint32_t)PAGE_GUARD;
    if (!byte)
        return;
    if (access == ACCESS_WRITE) {
        if (page->kind == COPIED_ON_WRITE && !page->copied) {
            page->value = frame_values[page->frame];
            page->copied = true;
        }
        EXPECT_EQ(*value_of(page), *byte);
        *byte = *value_of(page) = (uint8_t)random_below(256);
    } else {
        EXPECT_EQ(*value_of(page), *byte);
    }
}

static void do_kernel_copy(struct aspace *as, uint32_t first, uint32_t count)
{
    static uint8_t buffer[WINDOW_PAGES * PAGE_BYTES];
    uint32_t good = 0;
    while (good < count && first + good < WINDOW_PAGES && pages[first + good].protect &&
           !(pages[first + good].protect & (PAGE_GUARD | PAGE_NOACCESS)))
        good++;
    EXPECT_EQ(good * PAGE_BYTES, aspace_read(as, va_of(first), buffer, count * PAGE_BYTES, ACCESS_READ));
    for (uint32_t i = 0; i < good; i++)
        EXPECT_EQ(*value_of(&pages[first + i]), buffer[i * PAGE_BYTES + 17]);
}

static void do_watch(struct aspace *as, uint32_t first)
{
    struct page *page = &pages[first];
    bool good = page->protect && !(page->protect & (PAGE_GUARD | PAGE_NOACCESS));
    EXPECT_EQ(good ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION, aspace_watch(as, va_of(first), WATCH_STORES));
    page->watched |= good;
}

static void do_set_ec(struct aspace *as, uint32_t first, uint32_t count, bool ec)
{
    status_t expected = one_reservation(first, count) ? STATUS_SUCCESS : STATUS_CONFLICTING_ADDRESSES;
    EXPECT_EQ(expected, aspace_set_ec(as, va_of(first), count * PAGE_BYTES, ec));
    expect_hooks(first, count);
    for (uint32_t i = 0; i < count && expected == STATUS_SUCCESS; i++)
        pages[first + i].ec = ec;
}

static void expect_query(struct aspace *as, uint32_t first)
{
    struct vm_info info;
    EXPECT_EQ(STATUS_SUCCESS, aspace_query(as, va_of(first) + random_below(PAGE_BYTES), &info));
    EXPECT_EQ(va_of(first), info.base);
    const struct page *page = &pages[first];
    uint32_t end = first + 1, start = first;
    while (end < WINDOW_PAGES && pages[end].reservation == page->reservation && pages[end].protect == page->protect &&
           (pages[end].kind == ZERO) == (page->kind == ZERO))
        end++;
    while (start && page->reservation && pages[start - 1].reservation == page->reservation)
        start--;
    if (end < WINDOW_PAGES || page->reservation)
        EXPECT_EQ((end - first) * PAGE_BYTES, info.size);
    EXPECT_EQ(!page->reservation ? MEM_FREE : page->protect ? MEM_COMMIT : MEM_RESERVE, (int)info.state);
    EXPECT_EQ(!page->reservation ? PAGE_NOACCESS : page->protect, info.protect);
    EXPECT_EQ(!page->reservation ? 0 : va_of(start), info.allocation_base);
    EXPECT_EQ(page->ec, aspace_is_ec(as, va_of(first)));
}

static void run(uint32_t first_seed, uint32_t steps)
{
    fake_reset();
    seed = first_seed;
    memset(pages, 0, sizeof pages);
    memset(hooked, 0, sizeof hooked);
    aspace_watch_hook = hook;
    uint64_t free = frame_free_total();
    pa_t frames[IMAGE_FRAMES];
    for (uint32_t i = 0; i < IMAGE_FRAMES; i++) {
        EXPECT_EQ(STATUS_SUCCESS, frame_take(FRAME_IMAGE, &frames[i]));
        frame_values[i] = (uint8_t)(i * 3 + 1);
        memset(frame_pointer(frames[i]), frame_values[i], PAGE_BYTES);
    }
    struct aspace *as;
    EXPECT_EQ(STATUS_SUCCESS, aspace_create(ASPACE_X64, &as));
    for (uint32_t step = 0; step < steps && check_failures < 20; step++) {
        uint32_t first = random_below(WINDOW_PAGES), count = 1 + random_below(random_below(3) ? 6 : 30);
        uint32_t protect = protections[random_below(sizeof protections / sizeof protections[0])];
        unsigned failures = check_failures;
        uint32_t op = random_below(40);
        switch (op) {
        case 0: case 1: case 2: do_allocate(as, protect); break;
        case 3: case 4:         do_commit(as, first, count, protect); break;
        case 5:                 if (random_below(2)) do_free(as, first, count, false); break;
        case 6:                 if (random_below(4) == 0) do_free(as, first, count, true); break;
        case 7:                 if (random_below(16) == 0) do_unmap(as, first); break;
        case 8: case 9:         do_protect(as, first, count, protect); break;
        case 10:                do_map(as, first, count, protect, frames); break;
        case 11:                do_kernel_copy(as, first, count); break;
        case 12: case 13:       do_watch(as, first); break;
        case 14:                do_set_ec(as, first, count, random_below(2)); break;
        default:
            for (uint32_t tries = 0; tries < 8 && !pages[first].protect; tries++)
                first = random_below(WINDOW_PAGES);                  // mostly where something is
            do_touch(as, first, (enum page_access)(1u << random_below(3)));
            break;
        }
        for (uint32_t i = 0; i < 3; i++)
            expect_query(as, random_below(WINDOW_PAGES));
        if (step % 256 == 0)
            fake_check_entries(as);
        if (check_failures != failures)
            printf("at step %u, operation %u, pages %u + %u, protection %#x\n", step, op, first, count, protect);
    }
    for (uint32_t i = 0; i < WINDOW_PAGES; i++)
        expect_query(as, i);
    aspace_destroy(as);
    for (uint32_t i = 0; i < IMAGE_FRAMES; i++) {
        EXPECT_EQ(1, frame_count(frames[i]));
        frame_give(frames[i]);
    }
    EXPECT_EQ(free, frame_free_total());
    EXPECT_EQ(0, fake.wrong);
    EXPECT(fake.page_invalidations > steps / 30);      // there was something to forget
}

TEST(random_operations_agree_with_a_model_seed_1) { run(1, 100000); }
TEST(random_operations_agree_with_a_model_seed_2) { run(77777, 100000); }

TEST(thousands_of_allocations_in_any_order)
{
    fake_reset();
    aspace_watch_hook = NULL;
    uint64_t free = frame_free_total();
    struct aspace *as;
    EXPECT_EQ(STATUS_SUCCESS, aspace_create(ASPACE_NATIVE, &as));
    enum { N = 20000 };
    static uva_t bases[N];
    seed = 4;
    for (uint32_t i = 0; i < N; i++) {
        uint64_t size = PAGE_BYTES * (1 + random_below(20));
        bases[i] = 0;
        EXPECT_EQ(STATUS_SUCCESS, aspace_allocate(as, &bases[i], &size, PAGE_READWRITE, random_below(2) ? REGION_TOP_DOWN : 0));
    }
    for (uint32_t i = 0; i < N; i++) {
        uint32_t j = (i * 7919u) % N;
        EXPECT_EQ(STATUS_SUCCESS, aspace_release(as, bases[j], 0));
    }
    aspace_destroy(as);
    EXPECT_EQ(free, frame_free_total());
}

TEST_MAIN
