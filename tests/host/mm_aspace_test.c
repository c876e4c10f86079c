// SPDX-License-Identifier: MIT
// link: mm/frame.c mm/heap.c mm/asid.c mm/tlb_batch.c mm/arm64/ptab.c mm/span.c mm/region.c mm/page.c mm/ec.c mm/fault.c mm/aspace.c tests/host/mm_fake.c
// Address spaces case by case: what programs may do, what happens when they touch, and what they must never get.
#include "kernel/abi/process.h"
#include "kernel/abi/syscall.h"
#include "kernel/percpu.h"
#include "mm/aspace_private.h"
#include "tests/host/check.h"
#include "tests/host/mm_fake.h"

#define PAGES(n) ((n) * PAGE_BYTES)

static uint64_t free_before;

static struct aspace *space(enum aspace_kind kind)
{
    fake_reset();
    aspace_watch_hook = NULL;
    free_before = frame_free_total();
    struct aspace *as = NULL;
    EXPECT_EQ(STATUS_SUCCESS, aspace_create(kind, &as));
    EXPECT_EQ(kind, aspace_kind_of(as));
    return as;
}

static void space_end(struct aspace *as)
{
    fake_check_entries(as);
    aspace_destroy(as);
    EXPECT_EQ(free_before, frame_free_total());
    EXPECT_EQ(0, fake.wrong);
    EXPECT_EQ(0, fake_locks_held);
}

static uva_t get(struct aspace *as, uva_t base, uint64_t size, uint32_t protect, uint32_t flags)
{
    status_t status = aspace_allocate(as, &base, &size, protect, flags);
    EXPECT_EQ(STATUS_SUCCESS, status);
    return base;
}

static enum fault_kind touch(struct aspace *as, uva_t va, enum page_access access)
{
    enum fault_kind kind;
    fake_access(as, va, access, &kind);
    return kind;
}

static struct vm_info query(struct aspace *as, uva_t va)
{
    struct vm_info info;
    EXPECT_EQ(STATUS_SUCCESS, aspace_query(as, va, &info));
    return info;
}

TEST(demand_zero_pages_appear_at_the_first_touch)
{
    struct aspace *as = space(ASPACE_X64);
    uva_t base = get(as, 0, PAGES(100), PAGE_READWRITE, REGION_COMMIT);
    uint64_t free = frame_free_total();
    uint8_t *byte = fake_access(as, base + PAGES(50) + 5, ACCESS_READ, NULL);
    EXPECT(byte && *byte == 0);
    EXPECT_EQ(free - 4, frame_free_total());                   // the page and three tables
    *fake_access(as, base + PAGES(50) + 5, ACCESS_WRITE, NULL) = 7;
    EXPECT_EQ(7, *fake_access(as, base + PAGES(50) + 5, ACCESS_READ, NULL));
    EXPECT_EQ(free - 4, frame_free_total());
    struct aspace_counts counts;
    aspace_count(as, 0, 0, &counts);
    EXPECT_EQ(1, counts.private_frames);
    EXPECT_EQ(0, counts.shared_frames);
    EXPECT_EQ(4, counts.table_frames);
    EXPECT_EQ(FAULT_ACCESS_VIOLATION, touch(as, base + PAGES(100), ACCESS_READ));
    EXPECT_EQ(FAULT_ACCESS_VIOLATION, touch(as, base, ACCESS_EXECUTE));
    space_end(as);
}

TEST(addresses_outside_the_user_half_are_told_apart)
{
    struct aspace *as = space(ASPACE_X64);
    const struct { uva_t va; enum fault_kind kind; } cases[] = {
        { 0, FAULT_ACCESS_VIOLATION }, { 0xffff, FAULT_ACCESS_VIOLATION }, { 0x7fffffffffff, FAULT_ACCESS_VIOLATION },
        { 0x800000000000, FAULT_NON_CANONICAL }, { 0xffff7fffffffffff, FAULT_NON_CANONICAL },
        { 0x00ff000000010000, FAULT_NON_CANONICAL }, { 0x8000000000000000, FAULT_NON_CANONICAL },
        { 0xffff800000000000, FAULT_ACCESS_VIOLATION }, { ~0ull, FAULT_ACCESS_VIOLATION },
    };
    char buffer[4];
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        EXPECT_EQ(cases[i].kind, aspace_fault(as, cases[i].va, ACCESS_READ));
        EXPECT_EQ(0, aspace_read(as, cases[i].va, buffer, 4, ACCESS_READ));
        EXPECT_EQ(0, aspace_write(as, cases[i].va, buffer, 4));
        EXPECT_EQ(0, aspace_frame(as, cases[i].va));
        EXPECT_EQ(STATUS_ACCESS_VIOLATION, aspace_watch(as, cases[i].va, WATCH_STORES));
        EXPECT(!aspace_is_ec(as, cases[i].va));
    }
    space_end(as);
}

TEST(allocate_rounds_refuses_and_finds_places)
{
    struct aspace *as = space(ASPACE_X64);
    uva_t base = 0x12345678;
    uint64_t size = 0x1001;
    EXPECT_EQ(STATUS_SUCCESS, aspace_allocate(as, &base, &size, PAGE_READWRITE, 0));
    EXPECT_EQ(0x12340000, base);
    EXPECT_EQ(0x7000, size);
    const struct { uva_t base; uint64_t size; uint32_t protect, flags; status_t status; } refused[] = {
        { 0x12340000, 1, PAGE_READWRITE, 0, STATUS_CONFLICTING_ADDRESSES },
        { 0x12330000, 0x10001, PAGE_READWRITE, 0, STATUS_CONFLICTING_ADDRESSES },
        { 0x20000000, 0, PAGE_READWRITE, 0, STATUS_INVALID_PARAMETER },
        { 0, 0, PAGE_READWRITE, 0, STATUS_INVALID_PARAMETER },
        { 0x1000, 0x1000, PAGE_READWRITE, 0, STATUS_INVALID_PARAMETER },
        { 0x800000000000, 0x1000, PAGE_READWRITE, 0, STATUS_INVALID_PARAMETER },
        { 0x20000000, ~0ull, PAGE_READWRITE, 0, STATUS_INVALID_PARAMETER },
        { ~0ull, 0x1000, PAGE_READWRITE, 0, STATUS_INVALID_PARAMETER },
        { USER_HIGHEST - 0x1000, 0x1001, PAGE_READWRITE, 0, STATUS_INVALID_PARAMETER },
        { 0, ~0ull, PAGE_READWRITE, 0, STATUS_NO_MEMORY },
        { 0, USER_HIGHEST, PAGE_READWRITE, 0, STATUS_NO_MEMORY },
        { 0, FAKE_RAM_BYTES * 2, PAGE_READWRITE, REGION_COMMIT, STATUS_NO_MEMORY },
        { 0, 0x1000, 0, 0, STATUS_INVALID_PAGE_PROTECTION },
        { 0, 0x1000, PAGE_READWRITE | PAGE_READONLY, 0, STATUS_INVALID_PAGE_PROTECTION },
        { 0, 0x1000, PAGE_GUARD, 0, STATUS_INVALID_PAGE_PROTECTION },
        { 0, 0x1000, PAGE_GUARD | PAGE_NOACCESS, 0, STATUS_INVALID_PAGE_PROTECTION },
        { 0, 0x1000, 0x80000004, 0, STATUS_INVALID_PAGE_PROTECTION },
        { 0, 0x1000, PAGE_WRITECOPY, REGION_COMMIT, STATUS_INVALID_PAGE_PROTECTION },
        { EC_BITMAP_BASE + 0x10000, 0x1000, PAGE_READWRITE, 0, STATUS_CONFLICTING_ADDRESSES },
    };
    for (unsigned i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        base = refused[i].base;
        size = refused[i].size;
        status_t status = aspace_allocate(as, &base, &size, refused[i].protect, refused[i].flags);
        if (status != refused[i].status)
            printf("case %u\n", i);
        EXPECT_EQ(refused[i].status, status);
        EXPECT_EQ(refused[i].base, base);
    }
    EXPECT_EQ(USER_LOWEST, get(as, 0, 0x1000, PAGE_READWRITE, 0));
    EXPECT_EQ(USER_LOWEST + 0x10000, get(as, 0, 0x11000, PAGE_READWRITE, 0));
    EXPECT_EQ(USER_LOWEST + 0x30000, get(as, 0, 0x1000, PAGE_READWRITE, 0));
    uva_t top = get(as, 0, 0x11000, PAGE_READWRITE, REGION_TOP_DOWN);
    EXPECT_EQ(USER_HIGHEST - 0x20000, top);
    EXPECT_EQ(top - 0x10000, get(as, 0, 0x1000, PAGE_READWRITE, REGION_TOP_DOWN));
    // Large reservations cost nothing.
    uint64_t free = frame_free_total();
    uva_t huge = get(as, 0, 1ull << 44, PAGE_NOACCESS, 0);
    EXPECT(frame_free_total() >= free - 1);
    EXPECT_EQ(STATUS_SUCCESS, aspace_release(as, huge, 0));
    space_end(as);
}

TEST(commit_and_decommit_parts_of_a_reservation)
{
    struct aspace *as = space(ASPACE_NATIVE);
    uva_t base = get(as, 0, PAGES(16), PAGE_READWRITE, 0);
    EXPECT_EQ(FAULT_ACCESS_VIOLATION, touch(as, base, ACCESS_READ));
    EXPECT_EQ(MEM_RESERVE, query(as, base).state);
    EXPECT_EQ(STATUS_SUCCESS, aspace_commit(as, base + PAGES(4) + 1, PAGES(2), PAGE_READWRITE, 0));     // touches three pages
    EXPECT_EQ(MEM_RESERVE, query(as, base + PAGES(3)).state);
    struct vm_info info = query(as, base + PAGES(5) + 7);
    EXPECT_EQ(base + PAGES(5), info.base);
    EXPECT_EQ(PAGES(2), info.size);
    EXPECT_EQ(base, info.allocation_base);
    EXPECT_EQ(MEM_COMMIT, info.state);
    EXPECT_EQ(PAGE_READWRITE, info.protect);
    EXPECT_EQ(MEM_PRIVATE, info.type);
    *fake_access(as, base + PAGES(5), ACCESS_WRITE, NULL) = 1;
    EXPECT_EQ(STATUS_SUCCESS, aspace_commit(as, base + PAGES(5), PAGES(1), PAGE_READONLY, 0));          // again: protection only
    EXPECT_EQ(1, *fake_access(as, base + PAGES(5), ACCESS_READ, NULL));
    EXPECT_EQ(FAULT_ACCESS_VIOLATION, touch(as, base + PAGES(5), ACCESS_WRITE));
    EXPECT_EQ(STATUS_SUCCESS, aspace_decommit(as, base + PAGES(5), PAGES(1)));
    EXPECT_EQ(FAULT_ACCESS_VIOLATION, touch(as, base + PAGES(5), ACCESS_READ));
    EXPECT_EQ(STATUS_SUCCESS, aspace_commit(as, base + PAGES(5), PAGES(1), PAGE_READWRITE, 0));
    EXPECT_EQ(0, *fake_access(as, base + PAGES(5), ACCESS_READ, NULL));
    EXPECT_EQ(STATUS_CONFLICTING_ADDRESSES, aspace_commit(as, base + PAGES(15), PAGES(2), PAGE_READWRITE, 0));
    EXPECT_EQ(STATUS_CONFLICTING_ADDRESSES, aspace_commit(as, 0x70000000, PAGES(1), PAGE_READWRITE, 0));
    EXPECT_EQ(STATUS_INVALID_PAGE_PROTECTION, aspace_commit(as, base, PAGES(1), PAGE_WRITECOPY, 0));
    EXPECT_EQ(STATUS_INVALID_PARAMETER, aspace_commit(as, base, 0, PAGE_READWRITE, 0));
    EXPECT_EQ(STATUS_NO_MEMORY, aspace_commit(as, get(as, 0, 1ull << 40, PAGE_READWRITE, 0), 1ull << 40, PAGE_READWRITE, 0));
    EXPECT_EQ(STATUS_UNABLE_TO_FREE_VM, aspace_decommit(as, base + PAGES(1), 0));
    EXPECT_EQ(STATUS_UNABLE_TO_FREE_VM, aspace_decommit(as, base + PAGES(15), PAGES(2)));
    EXPECT_EQ(STATUS_SUCCESS, aspace_decommit(as, base, 0));
    EXPECT_EQ(PAGES(16), query(as, base).size);
    space_end(as);
}

TEST(release_of_the_whole_and_of_parts)
{
    struct aspace *as = space(ASPACE_NATIVE);
    uva_t base = get(as, 0x100000, PAGES(64), PAGE_READWRITE, REGION_COMMIT);
    for (uint32_t i = 0; i < 64; i++)
        *fake_access(as, base + PAGES(i), ACCESS_WRITE, NULL) = (uint8_t)i;
    EXPECT_EQ(STATUS_UNABLE_TO_FREE_VM, aspace_release(as, base + PAGES(1), 0));
    EXPECT_EQ(STATUS_UNABLE_TO_FREE_VM, aspace_release(as, base, PAGES(65)));
    EXPECT_EQ(STATUS_SUCCESS, aspace_release(as, base + PAGES(20), PAGES(4)));           // middle
    EXPECT_EQ(base, query(as, base).allocation_base);
    EXPECT_EQ(PAGES(20), query(as, base).size);
    EXPECT_EQ(MEM_FREE, query(as, base + PAGES(20)).state);
    EXPECT_EQ(PAGES(4), query(as, base + PAGES(20)).size);
    EXPECT_EQ(base + PAGES(24), query(as, base + PAGES(30)).allocation_base);
    EXPECT_EQ(40, *fake_access(as, base + PAGES(40), ACCESS_READ, NULL));
    EXPECT_EQ(FAULT_ACCESS_VIOLATION, touch(as, base + PAGES(21), ACCESS_READ));
    EXPECT_EQ(STATUS_SUCCESS, aspace_release(as, base, PAGES(2)));                       // head
    EXPECT_EQ(base + PAGES(2), query(as, base + PAGES(3)).allocation_base);
    EXPECT_EQ(STATUS_SUCCESS, aspace_release(as, base + PAGES(60), PAGES(4)));           // tail
    EXPECT_EQ(STATUS_SUCCESS, aspace_release(as, base + PAGES(24), 0));
    EXPECT_EQ(MEM_FREE, query(as, base + PAGES(40)).state);
    EXPECT_EQ(3, *fake_access(as, base + PAGES(3), ACCESS_READ, NULL));
    EXPECT_EQ(STATUS_SUCCESS, aspace_release(as, base + PAGES(2), PAGES(18)));           // all that is left
    EXPECT_EQ(STATUS_UNABLE_TO_FREE_VM, aspace_release(as, base + PAGES(2), 0));
    space_end(as);
}

TEST(protect_changes_what_pages_allow_at_once)
{
    struct aspace *as = space(ASPACE_X64);
    uva_t base = get(as, 0, PAGES(8), PAGE_READWRITE, REGION_COMMIT);
    uint32_t old = 0;
    for (uint32_t i = 0; i < 8; i++)
        *fake_access(as, base + PAGES(i), ACCESS_WRITE, NULL) = 1;
    EXPECT_EQ(STATUS_SUCCESS, aspace_protect(as, base + PAGES(2), PAGES(3), PAGE_READONLY, &old));
    EXPECT_EQ(PAGE_READWRITE, old);
    EXPECT_EQ(FAULT_ACCESS_VIOLATION, touch(as, base + PAGES(3), ACCESS_WRITE));
    EXPECT_EQ(FAULT_RETRY, touch(as, base + PAGES(5), ACCESS_WRITE));
    EXPECT_EQ(PAGES(3), query(as, base + PAGES(2)).size);
    EXPECT_EQ(STATUS_SUCCESS, aspace_protect(as, base + PAGES(2), PAGES(1), PAGE_NOACCESS, &old));
    EXPECT_EQ(PAGE_READONLY, old);
    EXPECT_EQ(FAULT_ACCESS_VIOLATION, touch(as, base + PAGES(2), ACCESS_READ));
    EXPECT_EQ(STATUS_SUCCESS, aspace_protect(as, base, PAGES(8), PAGE_READWRITE, &old));
    EXPECT_EQ(1, *fake_access(as, base + PAGES(2), ACCESS_WRITE, NULL));                 // content kept
    EXPECT_EQ(PAGES(8), query(as, base).size);
    EXPECT_EQ(STATUS_INVALID_PAGE_PROTECTION, aspace_protect(as, base, PAGES(1), PAGE_WRITECOPY, &old));
    EXPECT_EQ(STATUS_INVALID_PAGE_PROTECTION, aspace_protect(as, base, PAGES(1), 0x1234, &old));
    EXPECT_EQ(STATUS_CONFLICTING_ADDRESSES, aspace_protect(as, base, PAGES(9), PAGE_READONLY, &old));
    EXPECT_EQ(STATUS_SUCCESS, aspace_decommit(as, base + PAGES(7), PAGES(1)));
    EXPECT_EQ(STATUS_NOT_COMMITTED, aspace_protect(as, base, PAGES(8), PAGE_READONLY, NULL));
    EXPECT_EQ(FAULT_RETRY, touch(as, base, ACCESS_WRITE));                               // nothing was changed
    space_end(as);
}

static uint32_t span_count(struct aspace *as)
{
    uint32_t count = 0;
    for (struct span *span = span_from(&as->spans, 0); span; span = span_from(&as->spans, span->end))
        count++;
    return count;
}

TEST(spans_join_when_their_pages_are_alike_again)
{
    struct aspace *as = space(ASPACE_NATIVE);
    uva_t base = get(as, 0, PAGES(64), PAGE_READWRITE, 0);
    for (uint32_t i = 0; i < 64; i += 2)
        EXPECT_EQ(STATUS_SUCCESS, aspace_commit(as, base + PAGES(i), PAGES(1), PAGE_READWRITE, 0));
    EXPECT_EQ(64, span_count(as));
    for (uint32_t i = 63; i < 64; i -= 2)
        EXPECT_EQ(STATUS_SUCCESS, aspace_commit(as, base + PAGES(i), PAGES(1), PAGE_READWRITE, 0));
    EXPECT_EQ(1, span_count(as));
    EXPECT_EQ(STATUS_SUCCESS, aspace_protect(as, base + PAGES(10), PAGES(10), PAGE_READONLY, NULL));
    EXPECT_EQ(3, span_count(as));
    EXPECT_EQ(STATUS_SUCCESS, aspace_protect(as, base + PAGES(10), PAGES(5), PAGE_READWRITE, NULL));
    EXPECT_EQ(3, span_count(as));
    EXPECT_EQ(STATUS_SUCCESS, aspace_protect(as, base, PAGES(64), PAGE_READONLY, NULL));
    EXPECT_EQ(1, span_count(as));
    uva_t next = get(as, 0, PAGES(16), PAGE_READWRITE, 0);       // another reservation, however alike
    EXPECT_EQ(base + PAGES(64), next);
    EXPECT_EQ(STATUS_SUCCESS, aspace_decommit(as, base, 0));
    EXPECT_EQ(2, span_count(as));
    space_end(as);
}

TEST(guard_pages_fire_once)
{
    struct aspace *as = space(ASPACE_X64);
    uva_t base = get(as, 0, PAGES(4), PAGE_READWRITE, REGION_COMMIT);
    *fake_access(as, base + PAGES(1), ACCESS_WRITE, NULL) = 9;
    EXPECT_EQ(STATUS_SUCCESS, aspace_protect(as, base + PAGES(1), PAGES(2), PAGE_READWRITE | PAGE_GUARD, NULL));
    char byte;
    EXPECT_EQ(0, aspace_read(as, base + PAGES(1), &byte, 1, ACCESS_READ));               // the kernel does not set it off
    EXPECT_EQ(PAGE_READWRITE | PAGE_GUARD, query(as, base + PAGES(1)).protect);
    EXPECT_EQ(FAULT_GUARD_PAGE, touch(as, base + PAGES(1) + 8, ACCESS_READ));
    EXPECT_EQ(9, *fake_access(as, base + PAGES(1), ACCESS_READ, NULL));
    EXPECT_EQ(PAGE_READWRITE, query(as, base + PAGES(1)).protect);
    EXPECT_EQ(FAULT_GUARD_PAGE, touch(as, base + PAGES(2), ACCESS_WRITE));
    EXPECT_EQ(FAULT_RETRY, touch(as, base + PAGES(2), ACCESS_WRITE));
    EXPECT_EQ(PAGES(4), query(as, base).size);
    space_end(as);
}

TEST(stack_grows_by_its_guard_until_it_overflows)
{
    struct aspace *as = space(ASPACE_X64);
    uva_t teb = get(as, 0, PAGES(1), PAGE_READWRITE, REGION_COMMIT);
    uva_t base = get(as, 0, PAGES(16), PAGE_READWRITE, 0), top = base + PAGES(16);
    EXPECT_EQ(STATUS_SUCCESS, aspace_commit(as, top - PAGES(3), PAGES(3), PAGE_READWRITE, 0));
    EXPECT_EQ(STATUS_SUCCESS, aspace_commit(as, top - PAGES(3), PAGES(1), PAGE_READWRITE | PAGE_GUARD, 0));
    EXPECT_EQ(STATUS_INVALID_PARAMETER, aspace_mark_stack(as, base + PAGES(1), teb + 0x10));
    EXPECT_EQ(STATUS_INVALID_PARAMETER, aspace_mark_stack(as, base, teb + 0x11));
    EXPECT_EQ(STATUS_SUCCESS, aspace_mark_stack(as, base, teb + 0x10));
    uint64_t limit = 0;
    EXPECT_EQ(FAULT_ACCESS_VIOLATION, touch(as, top - PAGES(4), ACCESS_WRITE));          // past the guard: not growth
    for (uint32_t page = 3; page < 12; page++) {
        EXPECT_EQ(FAULT_RETRY, touch(as, top - PAGES(page) + 100, ACCESS_WRITE));
        EXPECT_EQ(8, aspace_read(as, teb + 0x10, &limit, 8, ACCESS_READ));
        EXPECT_EQ(top - PAGES(page), limit);
        EXPECT_EQ(PAGE_READWRITE | PAGE_GUARD, query(as, top - PAGES(page + 1)).protect);
        EXPECT_EQ(PAGES(1), query(as, top - PAGES(page + 1)).size);
    }
    EXPECT_EQ(FAULT_STACK_OVERFLOW, touch(as, top - PAGES(12), ACCESS_WRITE));
    EXPECT_EQ(8, aspace_read(as, teb + 0x10, &limit, 8, ACCESS_READ));
    EXPECT_EQ(base + PAGES(1), limit);
    for (uint32_t page = 12; page < 16; page++)
        EXPECT_EQ(FAULT_RETRY, touch(as, top - PAGES(page), ACCESS_WRITE));               // room for the handler
    EXPECT_EQ(FAULT_ACCESS_VIOLATION, touch(as, base, ACCESS_WRITE));
    space_end(as);
}

static pa_t frames[8];
static void image_frames(void)
{
    for (uint32_t i = 0; i < 8; i++) {
        EXPECT_EQ(STATUS_SUCCESS, frame_take(FRAME_IMAGE, &frames[i]));
        memset(frame_pointer(frames[i]), 0x10 + i, PAGE_BYTES);
    }
    free_before -= 8;
}

TEST(image_pages_are_shared_until_written)
{
    struct aspace *as = space(ASPACE_NATIVE), *other;
    image_frames();
    EXPECT_EQ(STATUS_SUCCESS, aspace_create(ASPACE_NATIVE, &other));
    uva_t base = 0x140000000;
    for (uint32_t i = 0; i < 2; i++) {
        struct aspace *each = i ? other : as;
        get(each, base, PAGES(8), PAGE_EXECUTE_WRITECOPY, REGION_IMAGE);
        EXPECT_EQ(STATUS_SUCCESS, aspace_map_frames(each, base, frames, 4, PAGE_EXECUTE_READ, 0));
        EXPECT_EQ(STATUS_SUCCESS, aspace_map_frames(each, base + PAGES(4), frames + 4, 3, PAGE_WRITECOPY, 0));
        EXPECT_EQ(STATUS_SUCCESS, aspace_map_frames(each, base + PAGES(7), frames + 7, 1, PAGE_READWRITE, 0));
    }
    EXPECT_EQ(4, fake.code_syncs);                          // four code pages, once for both spaces
    EXPECT_EQ(3, frame_count(frames[0]));
    EXPECT_EQ(MEM_IMAGE, query(as, base).type);
    EXPECT_EQ(0x10, *fake_access(as, base, ACCESS_EXECUTE, NULL));
    EXPECT_EQ(FAULT_ACCESS_VIOLATION, touch(as, base, ACCESS_WRITE));
    EXPECT_EQ(FAULT_ACCESS_VIOLATION, touch(as, base + PAGES(4), ACCESS_EXECUTE));

    EXPECT_EQ(0x15, *fake_access(as, base + PAGES(5) + 3, ACCESS_READ, NULL));
    *fake_access(as, base + PAGES(5) + 3, ACCESS_WRITE, NULL) = 0xee;
    EXPECT_EQ(0xee, *fake_access(as, base + PAGES(5) + 3, ACCESS_READ, NULL));
    EXPECT_EQ(0x15, *fake_access(as, base + PAGES(5) + 4, ACCESS_READ, NULL));
    EXPECT_EQ(0x15, *fake_access(other, base + PAGES(5) + 3, ACCESS_READ, NULL));
    EXPECT_EQ(2, frame_count(frames[5]));
    *fake_access(as, base + PAGES(7), ACCESS_WRITE, NULL) = 0xdd;
    EXPECT_EQ(0xdd, *fake_access(other, base + PAGES(7), ACCESS_READ, NULL));            // shared section

    struct aspace_counts counts;
    aspace_count(as, base, PAGES(8), &counts);
    EXPECT_EQ(7, counts.shared_frames);
    EXPECT_EQ(1, counts.private_frames);

    // VirtualProtect on code: a private copy at the write.
    uint32_t old;
    EXPECT_EQ(STATUS_SUCCESS, aspace_protect(as, base, PAGES(1), PAGE_READWRITE, &old));
    EXPECT_EQ(PAGE_EXECUTE_READ, old);
    EXPECT_EQ(PAGE_WRITECOPY, query(as, base).protect);
    *fake_access(as, base, ACCESS_WRITE, NULL) = 0x99;
    EXPECT_EQ(STATUS_SUCCESS, aspace_protect(as, base, PAGES(1), PAGE_EXECUTE_READ, &old));
    EXPECT_EQ(0x99, *fake_access(as, base, ACCESS_EXECUTE, NULL));
    EXPECT_EQ(0x10, *fake_access(other, base, ACCESS_EXECUTE, NULL));
    EXPECT_EQ(STATUS_SUCCESS, aspace_protect(as, base + PAGES(7), PAGES(1), PAGE_READONLY, &old));
    EXPECT_EQ(STATUS_SUCCESS, aspace_protect(as, base + PAGES(7), PAGES(1), PAGE_WRITECOPY, &old));
    *fake_access(as, base + PAGES(7), ACCESS_WRITE, NULL) = 0xcc;
    EXPECT_EQ(0xcc, *fake_access(other, base + PAGES(7), ACCESS_READ, NULL));            // still shared

    EXPECT_EQ(STATUS_CONFLICTING_ADDRESSES, aspace_map_frames(as, base, frames, 1, PAGE_READONLY, 0));
    EXPECT_EQ(STATUS_CONFLICTING_ADDRESSES, aspace_commit(as, base, PAGES(1), PAGE_READWRITE, 0));
    EXPECT_EQ(STATUS_UNABLE_TO_FREE_VM, aspace_release(as, base, 0));
    EXPECT_EQ(STATUS_UNABLE_TO_FREE_VM, aspace_decommit(as, base, PAGES(1)));
    EXPECT_EQ(STATUS_SUCCESS, aspace_unmap(as, base));
    EXPECT_EQ(2, frame_count(frames[0]));
    EXPECT_EQ(FAULT_ACCESS_VIOLATION, touch(as, base, ACCESS_READ));
    aspace_destroy(other);
    for (uint32_t i = 0; i < 8; i++)
        EXPECT_EQ(1, frame_count(frames[i]));
    space_end(as);
}

TEST(kernel_patches_images_alone)
{
    static const uint64_t words[3] = { 1, 2, 3 };
    struct aspace *as = space(ASPACE_X64);
    image_frames();
    uva_t image = get(as, 0x140000000, PAGES(3), PAGE_EXECUTE_WRITECOPY, REGION_IMAGE);
    EXPECT_EQ(STATUS_SUCCESS, aspace_map_frames(as, image, frames, 1, PAGE_READONLY, 0));
    EXPECT_EQ(STATUS_SUCCESS, aspace_map_frames(as, image + PAGES(1), frames + 1, 1, PAGE_READWRITE, 0));
    EXPECT_EQ(0x10, *fake_access(as, image, ACCESS_READ, NULL));
    EXPECT_EQ(2, aspace_patch(as, image + PAGES(1) - 16, words, 3));                     // the second page is shared with others
    EXPECT_EQ(0x10, *fake_access(as, image + PAGES(1) - 17, ACCESS_READ, NULL));
    EXPECT_EQ(1, *(uint64_t *)fake_access(as, image + PAGES(1) - 16, ACCESS_READ, NULL));
    EXPECT_EQ(0x11, *fake_access(as, image + PAGES(1), ACCESS_READ, NULL));
    EXPECT_EQ(0x10, ((uint8_t *)frame_pointer(frames[0]))[PAGES(1) - 16]);              // a copy has been patched
    EXPECT_EQ(FAULT_ACCESS_VIOLATION, touch(as, image, ACCESS_WRITE));
    EXPECT_EQ(1, aspace_patch(as, image + PAGES(1) - 8, words + 2, 1));
    EXPECT_EQ(3, *(uint64_t *)fake_access(as, image + PAGES(1) - 8, ACCESS_READ, NULL));
    EXPECT_EQ(0, aspace_patch(as, image + PAGES(2), words, 1));
    uva_t own = get(as, 0, PAGES(1), PAGE_READWRITE, REGION_COMMIT);
    EXPECT_EQ(0, aspace_patch(as, own, words, 1));
    EXPECT_EQ(0, aspace_patch(as, 0x10000, words, 1));
    EXPECT_EQ(0, aspace_patch(as, 0xffff800000000000, words, 1));
    space_end(as);
    for (uint32_t i = 0; i < 8; i++)
        EXPECT_EQ(1, frame_count(frames[i]));
}

TEST(kernel_regions_are_out_of_the_programs_reach)
{
    struct aspace *as = space(ASPACE_X64);
    image_frames();
    uva_t base = get(as, EMU_STUBS_BASE, 0x10000, PAGE_EXECUTE_READ, REGION_KERNEL);
    EXPECT_EQ(STATUS_SUCCESS, aspace_map_frames(as, base, frames, 1, PAGE_EXECUTE_READ, REGION_EC));
    EXPECT_EQ(STATUS_ACCESS_DENIED, aspace_protect(as, base, PAGES(1), PAGE_READWRITE, NULL));
    EXPECT_EQ(STATUS_ACCESS_DENIED, aspace_release(as, base, 0));
    EXPECT_EQ(STATUS_ACCESS_DENIED, aspace_release(as, base, PAGES(1)));
    EXPECT_EQ(STATUS_ACCESS_DENIED, aspace_decommit(as, base + PAGES(3), PAGES(1)));
    EXPECT_EQ(STATUS_ACCESS_DENIED, aspace_commit(as, base + PAGES(3), PAGES(1), PAGE_READWRITE, 0));
    EXPECT_EQ(STATUS_SUCCESS, aspace_commit(as, base + PAGES(3), PAGES(1), PAGE_READWRITE, REGION_KERNEL));
    EXPECT_EQ(0x10, *fake_access(as, base, ACCESS_EXECUTE, NULL));
    EXPECT_EQ(STATUS_SUCCESS, aspace_map_frames(as, base, frames + 1, 2, PAGE_EXECUTE_READ, REGION_EC));   // over it
    EXPECT_EQ(0x11, *fake_access(as, base, ACCESS_EXECUTE, NULL));
    EXPECT_EQ(1, frame_count(frames[0]));
    EXPECT_EQ(STATUS_ACCESS_DENIED, aspace_release(as, EC_BYTES_BASE, 0));
    EXPECT_EQ(STATUS_ACCESS_DENIED, aspace_protect(as, EC_BITMAP_BASE, PAGES(1), PAGE_READWRITE, NULL));
    EXPECT_EQ(STATUS_SUCCESS, aspace_unmap(as, base));
    EXPECT(!aspace_is_ec(as, base));
    space_end(as);
}

// The bit as user mode sees it.
static bool user_bit(struct aspace *as, uva_t va)
{
    uint8_t *byte = fake_access(as, EC_BITMAP_BASE + (va >> 15), ACCESS_READ, NULL);
    bool bit = byte && (*byte >> (va >> 12 & 7) & 1);
    uint8_t *quick = fake_access(as, EC_BYTES_BASE + (va >> 12), ACCESS_READ, NULL);        // the other map says the same
    EXPECT(quick && *quick == bit);
    return bit;
}

TEST(ec_bits_follow_the_rules_of_windows)
{
    struct aspace *as = space(ASPACE_X64);
    uva_t plain = get(as, 0, PAGES(32), PAGE_READWRITE, 0);
    EXPECT(!user_bit(as, plain));                                                        // maps the zero frame
    uva_t ec = get(as, 0, PAGES(100), PAGE_EXECUTE_READWRITE, REGION_EC);
    for (uint32_t i = 0; i < 100; i++)
        EXPECT(user_bit(as, ec + PAGES(i)) && aspace_is_ec(as, ec + PAGES(i)));          // reserve with EC_CODE
    EXPECT(!user_bit(as, ec + PAGES(100)) && !user_bit(as, ec - 1));
    EXPECT(!user_bit(as, plain));
    EXPECT_EQ(STATUS_SUCCESS, aspace_commit(as, plain + PAGES(3), PAGES(2), PAGE_EXECUTE_READWRITE, REGION_EC));
    EXPECT(!user_bit(as, plain + PAGES(2)) && user_bit(as, plain + PAGES(3)) && user_bit(as, plain + PAGES(4)) &&
           !user_bit(as, plain + PAGES(5)));
    EXPECT_EQ(STATUS_SUCCESS, aspace_commit(as, plain + PAGES(3), PAGES(2), PAGE_READWRITE, 0));
    EXPECT(user_bit(as, plain + PAGES(3)));                                              // sticky
    EXPECT_EQ(STATUS_SUCCESS, aspace_decommit(as, plain + PAGES(3), PAGES(2)));
    EXPECT(user_bit(as, plain + PAGES(3)));
    EXPECT_EQ(STATUS_SUCCESS, aspace_release(as, plain, 0));
    EXPECT(!user_bit(as, plain + PAGES(3)));
    EXPECT_EQ(plain, get(as, plain, PAGES(32), PAGE_READWRITE, REGION_COMMIT));
    EXPECT(!user_bit(as, plain + PAGES(3)));
    EXPECT_EQ(FAULT_ACCESS_VIOLATION, touch(as, EC_BITMAP_BASE + (ec >> 15), ACCESS_WRITE));
    EXPECT_EQ(FAULT_ACCESS_VIOLATION, touch(as, EC_BITMAP_BASE + (3ull << 31), ACCESS_WRITE));
    EXPECT_EQ(STATUS_CONFLICTING_ADDRESSES, aspace_set_ec(as, 0x5550000000, PAGES(1), true));
    // Reading all of the bitmap must not cost all of the memory.
    uint64_t free = frame_free_total();
    for (uint64_t i = 0; i < 2000; i++)
        EXPECT(fake_access(as, EC_BITMAP_BASE + (4ull << 28) + PAGES(i), ACCESS_READ, NULL));
    EXPECT(free - frame_free_total() < 10);
    // Bits over a boundary of bitmap pages (128 MiB).
    uva_t wide = get(as, 0x10000000 - 0x20000, 0x60000, PAGE_READWRITE, REGION_EC);
    for (uint32_t i = 0; i < 0x60; i++)
        EXPECT(user_bit(as, wide + PAGES(i)));
    EXPECT(!user_bit(as, wide + PAGES(0x60)) && !user_bit(as, wide - 1));
    space_end(as);
}

TEST(only_ec_pages_execute_in_an_x64_space)
{
    struct aspace *as = space(ASPACE_X64);
    uva_t x64 = get(as, 0, PAGES(1), PAGE_EXECUTE_READWRITE, REGION_COMMIT);
    EXPECT_EQ(FAULT_RETRY, touch(as, x64, ACCESS_WRITE));
    EXPECT_EQ(FAULT_ACCESS_VIOLATION, touch(as, x64, ACCESS_EXECUTE));
    char byte;
    EXPECT_EQ(1, aspace_read(as, x64, &byte, 1, ACCESS_EXECUTE));                        // the translator may
    EXPECT_EQ(FAULT_RETRY, touch(as, x64, ACCESS_WRITE));
    EXPECT_EQ(STATUS_SUCCESS, aspace_set_ec(as, x64, PAGES(1), true));
    EXPECT_EQ(FAULT_RETRY, touch(as, x64, ACCESS_EXECUTE));
    EXPECT_EQ(STATUS_SUCCESS, aspace_set_ec(as, x64, PAGES(1), false));
    EXPECT(!fake_touch(as, x64, ACCESS_EXECUTE));
    EXPECT_EQ(FAULT_ACCESS_VIOLATION, touch(as, x64, ACCESS_EXECUTE));
    uva_t data = get(as, 0, PAGES(1), PAGE_READWRITE, REGION_COMMIT | REGION_EC);
    EXPECT_EQ(FAULT_ACCESS_VIOLATION, touch(as, data, ACCESS_EXECUTE));
    EXPECT_EQ(0, aspace_read(as, data, &byte, 1, ACCESS_EXECUTE));
    space_end(as);
}

TEST(writable_code_is_either_writable_or_executable)
{
    struct aspace *as = space(ASPACE_NATIVE);
    uva_t jit = get(as, 0, PAGES(1), PAGE_EXECUTE_READWRITE, REGION_COMMIT);
    for (uint32_t round = 1; round <= 3; round++) {
        *fake_access(as, jit, ACCESS_WRITE, NULL) = (uint8_t)round;
        EXPECT(!fake_touch(as, jit, ACCESS_EXECUTE));
        EXPECT_EQ(round, *fake_access(as, jit, ACCESS_EXECUTE, NULL));
        EXPECT_EQ(round, fake.code_syncs);                    // the caches were told before the code could run
        EXPECT(!fake_touch(as, jit, ACCESS_WRITE));
        EXPECT_EQ(FAULT_RETRY, touch(as, jit, ACCESS_READ));
        EXPECT(fake_touch(as, jit, ACCESS_EXECUTE));          // reading does not turn it
    }
    char byte = 4;
    EXPECT_EQ(1, aspace_write(as, jit, &byte, 1));            // the kernel's write turns it too
    EXPECT_EQ(4, *fake_access(as, jit, ACCESS_EXECUTE, NULL));
    EXPECT_EQ(4, fake.code_syncs);
    EXPECT(aspace_is_ec(as, jit));
    space_end(as);
}

static struct { uint32_t calls; uva_t page; struct aspace *rewatch; uint32_t rewatches; } hook;
static void watch_hook(struct aspace *as, uva_t page)
{
    EXPECT_EQ(0, fake_locks_held);
    hook.calls++;
    hook.page = page;
    if (hook.rewatches) {
        hook.rewatches--;
        EXPECT_EQ(STATUS_SUCCESS, aspace_watch(as, page, WATCH_STORES));
    }
}

static struct aspace *watched_space(void)
{
    struct aspace *as = space(ASPACE_X64);
    aspace_watch_hook = watch_hook;
    hook.calls = hook.rewatches = 0;
    return as;
}

TEST(watched_page_calls_the_hook_before_a_store)
{
    struct aspace *as = watched_space();
    uva_t base = get(as, 0, PAGES(4), PAGE_EXECUTE_READWRITE, REGION_COMMIT);
    *fake_access(as, base + PAGES(1), ACCESS_WRITE, NULL) = 0xc3;
    EXPECT_EQ(STATUS_SUCCESS, aspace_watch(as, base + PAGES(1), WATCH_STORES));
    EXPECT_EQ(STATUS_SUCCESS, aspace_watch(as, base + PAGES(1), WATCH_STORES));
    EXPECT(!fake_touch(as, base + PAGES(1), ACCESS_WRITE));                              // invalidated at once
    EXPECT(fake_touch(as, base + PAGES(1), ACCESS_READ));
    EXPECT_EQ(0, hook.calls);
    *fake_access(as, base + PAGES(1) + 0x123, ACCESS_WRITE, NULL) = 0x90;
    EXPECT_EQ(1, hook.calls);
    EXPECT_EQ(base + PAGES(1), hook.page);
    *fake_access(as, base + PAGES(1), ACCESS_WRITE, NULL) = 0x90;
    EXPECT_EQ(1, hook.calls);                                                            // off
    // Watched anew while the hook runs: once more.
    EXPECT_EQ(STATUS_SUCCESS, aspace_watch(as, base + PAGES(1), WATCH_STORES));
    hook.rewatches = 2;
    EXPECT_EQ(FAULT_RETRY, touch(as, base + PAGES(1), ACCESS_WRITE));
    EXPECT_EQ(4, hook.calls);
    // The kernel's writes count as well.
    EXPECT_EQ(STATUS_SUCCESS, aspace_watch(as, base + PAGES(2), WATCH_STORES));
    char bytes[2] = { 1, 2 };
    EXPECT_EQ(2, aspace_write(as, base + PAGES(2) - 1, bytes, 2));
    EXPECT_EQ(5, hook.calls);
    EXPECT_EQ(STATUS_ACCESS_VIOLATION, aspace_watch(as, base + PAGES(4), WATCH_STORES));
    space_end(as);
}

static void releasing_hook(struct aspace *as, uva_t page)
{
    hook.calls++;
    aspace_watch_hook = NULL;
    EXPECT_EQ(STATUS_SUCCESS, aspace_release(as, page, 0));      // as another thread might just then
}

TEST(watched_page_may_go_while_the_hook_runs)
{
    struct aspace *as = watched_space();
    for (uint32_t i = 0; i < 4; i++) {
        uva_t base = get(as, 0, PAGES(2), PAGE_READWRITE, REGION_COMMIT);
        EXPECT_EQ(STATUS_SUCCESS, aspace_watch(as, base, WATCH_STORES));
        aspace_watch_hook = releasing_hook;
        if (i == 0)
            EXPECT_EQ(FAULT_ACCESS_VIOLATION, touch(as, base, ACCESS_WRITE));
        else if (i == 1)
            EXPECT_EQ(STATUS_CONFLICTING_ADDRESSES, aspace_protect(as, base, PAGES(2), PAGE_READONLY, NULL));
        else if (i == 2)
            EXPECT_EQ(STATUS_UNABLE_TO_FREE_VM, aspace_release(as, base, 0));
        else
            EXPECT_EQ(STATUS_UNABLE_TO_FREE_VM, aspace_unmap(as, base));
        EXPECT_EQ(i + 1, hook.calls);
    }
    space_end(as);
}

TEST(watched_page_calls_the_hook_before_it_changes_or_goes)
{
    struct aspace *as = watched_space();
    uva_t base = get(as, 0, PAGES(4), PAGE_EXECUTE_READ, REGION_COMMIT);
    EXPECT_EQ(STATUS_SUCCESS, aspace_watch(as, base, WATCH_STORES));
    EXPECT_EQ(FAULT_ACCESS_VIOLATION, touch(as, base, ACCESS_WRITE));
    EXPECT_EQ(0, hook.calls);
    EXPECT_EQ(STATUS_SUCCESS, aspace_protect(as, base, PAGES(4), PAGE_READWRITE, NULL));
    EXPECT_EQ(1, hook.calls);
    EXPECT_EQ(STATUS_SUCCESS, aspace_watch(as, base + PAGES(3), WATCH_STORES));
    EXPECT_EQ(STATUS_SUCCESS, aspace_decommit(as, base + PAGES(3), PAGES(1)));
    EXPECT_EQ(2, hook.calls);
    EXPECT_EQ(STATUS_SUCCESS, aspace_watch(as, base, WATCH_STORES));
    EXPECT_EQ(STATUS_SUCCESS, aspace_watch(as, base + PAGES(2), WATCH_STORES));
    EXPECT_EQ(STATUS_SUCCESS, aspace_set_ec(as, base, PAGES(1), true));
    EXPECT_EQ(3, hook.calls);
    hook.rewatches = 1;                                                                  // during the release
    EXPECT_EQ(STATUS_SUCCESS, aspace_release(as, base, 0));
    EXPECT_EQ(5, hook.calls);
    image_frames();
    base = get(as, 0, PAGES(8), PAGE_EXECUTE_WRITECOPY, REGION_IMAGE);
    EXPECT_EQ(STATUS_SUCCESS, aspace_map_frames(as, base, frames, 8, PAGE_EXECUTE_WRITECOPY, 0));
    EXPECT_EQ(STATUS_SUCCESS, aspace_watch(as, base, WATCH_STORES));
    EXPECT_EQ(STATUS_SUCCESS, aspace_watch(as, base + PAGES(1), WATCH_STORES));
    EXPECT_EQ(FAULT_RETRY, touch(as, base, ACCESS_WRITE));                               // copied
    EXPECT_EQ(6, hook.calls);
    EXPECT_EQ(STATUS_SUCCESS, aspace_unmap(as, base));
    EXPECT_EQ(7, hook.calls);
    space_end(as);
}

TEST(read_and_write_stop_at_the_first_page_that_refuses)
{
    struct aspace *as = space(ASPACE_X64);
    static uint8_t in[PAGE_BYTES * 6], out[PAGE_BYTES * 6];
    for (uint32_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)(i * 7 + i / 256);
    uva_t base = get(as, 0, PAGES(6), PAGE_READWRITE, 0);
    EXPECT_EQ(STATUS_SUCCESS, aspace_commit(as, base, PAGES(4), PAGE_READWRITE, 0));
    EXPECT_EQ(PAGES(4) - 100, aspace_write(as, base + 100, in, sizeof in));
    EXPECT_EQ(PAGES(4) - 100, aspace_read(as, base + 100, out, sizeof out, ACCESS_READ));
    EXPECT(memcmp(in, out, PAGES(4) - 100) == 0);
    EXPECT_EQ(STATUS_SUCCESS, aspace_protect(as, base + PAGES(2), PAGES(1), PAGE_READONLY, NULL));
    EXPECT_EQ(PAGES(2), aspace_write(as, base, in, sizeof in));
    EXPECT_EQ(PAGES(4), aspace_read(as, base, out, sizeof out, ACCESS_READ));
    EXPECT_EQ(0, aspace_read(as, base, out, 1, ACCESS_EXECUTE));
    EXPECT_EQ(0, aspace_write(as, base, in, 0));
    pa_t frame = aspace_frame(as, base + PAGES(1) + 77);
    EXPECT(frame && memcmp(frame_pointer(frame), in + PAGES(1), PAGE_BYTES) == 0);
    EXPECT_EQ(0, aspace_frame(as, base + PAGES(5)));
    EXPECT_EQ(3, aspace_read(as, PTAB_TOP - 3, out, 0, ACCESS_READ) + 3);
    space_end(as);
}

TEST(no_memory_is_an_answer_and_leaves_the_space_whole)
{
    struct aspace *as = space(ASPACE_X64);
    uva_t base = get(as, 0, PAGES(64), PAGE_READWRITE, REGION_COMMIT);
    EXPECT_EQ(FAULT_RETRY, touch(as, base, ACCESS_WRITE));
    uint64_t count = frame_free_total();
    pa_t *all = malloc(count * sizeof *all);
    for (uint64_t i = 0; i < count; i++)
        EXPECT_EQ(STATUS_SUCCESS, frame_take(FRAME_KERNEL, &all[i]));
    EXPECT_EQ(FAULT_NO_MEMORY, touch(as, base + PAGES(1), ACCESS_WRITE));
    EXPECT_EQ(FAULT_NO_MEMORY, touch(as, EC_BITMAP_BASE, ACCESS_READ));
    EXPECT_EQ(0, aspace_write(as, base + PAGES(1), "x", 1));
    EXPECT_EQ(STATUS_NO_MEMORY, aspace_set_ec(as, base, PAGES(64), true));
    EXPECT(!aspace_is_ec(as, base));
    uva_t more = 0;
    uint64_t size = PAGES(1);
    struct aspace *other;
    EXPECT_EQ(STATUS_NO_MEMORY, aspace_allocate(as, &more, &size, PAGE_READWRITE, REGION_EC));
    EXPECT_EQ(STATUS_NO_MEMORY, aspace_map_frames(as, get(as, 0x70000000, PAGES(1), PAGE_READONLY, 0), all, 1, PAGE_READONLY, 0));
    for (uint64_t left = 0; left < 8; left++) {               // whatever is left: whole or nothing
        uint64_t before = frame_free_total();
        if (aspace_create(ASPACE_X64, &other) == STATUS_SUCCESS)
            aspace_destroy(other);
        EXPECT_EQ(before, frame_free_total());
        frame_give(all[left]);
    }
    for (uint64_t i = 8; i < count; i++)
        frame_give(all[i]);
    EXPECT_EQ(FAULT_RETRY, touch(as, base + PAGES(1), ACCESS_WRITE));
    free(all);
    space_end(as);
}

TEST(destroy_of_an_active_space_stops_the_machine)
{
    struct aspace *as = space(ASPACE_X64);
    percpu_blocks[2].active_aspace = as;
    EXPECT_PANIC(aspace_destroy(as));
    percpu_blocks[2].active_aspace = NULL;
    aspace_set_owner(as, &hook);
    EXPECT(aspace_owner(as) == &hook);
    space_end(as);
}

TEST_MAIN
