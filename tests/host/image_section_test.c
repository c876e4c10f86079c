// SPDX-License-Identifier: MIT
// link: loader/map/section_fill.c loader/map/image_section.c loader/map/image_mapping.c
// Image sections over a stand-in for mm/: frames are host pages with reference counts, an address space is a table of
// pages. What is looked at: which frames are shared, which are private, that everything is given back, also when any
// single allocation fails.
#include "tests/host/check.h"
#include "tests/host/pe_builder.h"

#include <stdarg.h>

#include "kernel/abi/process.h"
#include "kernel/abi/syscall.h"
#include "kernel/lock.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "loader/map/image_section.h"
#include "mm/heap.h"

// ---- the stand-in ---------------------------------------------------------------------------------------------------

#define FRAMES 4096
static struct {
    uint8_t *bytes;
    uint32_t count;
} frames[FRAMES]; // frame n has address n * 4096
static int64_t frames_taken, heap_taken, allocations_left = INT64_MAX;

static bool may_allocate(void)
{
    return allocations_left > 0 && allocations_left--;
}

status_t frame_take(enum frame_owner owner, pa_t *out)
{
    EXPECT_EQ(FRAME_IMAGE, owner);
    if (!may_allocate()) return STATUS_NO_MEMORY;
    for (uint32_t i = 1; i < FRAMES; i++) {
        if (frames[i].count) continue;
        frames[i].bytes = calloc(1, 4096);
        frames[i].count = 1;
        frames_taken++;
        *out = i * 4096ull;
        return STATUS_SUCCESS;
    }
    return STATUS_NO_MEMORY;
}

void frame_share(pa_t frame) { frames[frame / 4096].count++; }
uint32_t frame_count(pa_t frame) { return frames[frame / 4096].count; }
void *frame_pointer(pa_t frame) { return frames[frame / 4096].bytes; }

void frame_give(pa_t frame)
{
    EXPECT(frames[frame / 4096].count > 0);
    if (--frames[frame / 4096].count) return;
    free(frames[frame / 4096].bytes);
    frames_taken--;
}

void *heap_take(size_t bytes)
{
    if (!may_allocate()) return NULL;
    heap_taken++;
    return calloc(1, bytes);
}

void heap_give(void *p)
{
    if (p) heap_taken--;
    free(p);
}

void spin_lock(struct spinlock *lock)
{
    EXPECT_EQ(0, lock->owner);
    lock->owner = 1;
}

void spin_unlock(struct spinlock *lock) { lock->owner = 0; }

void log_line(enum log_level level, const char *format, ...) { (void)level, (void)format; }

size_t format_text(char *out, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(out, size, format, args);
    va_end(args);
    return (size_t)n;
}

void panic(const char *format, ...)
{
    printf("panic: %s\n", format);
    exit(1);
}

struct user_page {
    uva_t va;
    pa_t frame; // 0: demand-zero
    uint32_t protection;
    bool ec;
};
struct aspace {
    struct {
        uva_t base;
        uint64_t size;
    } areas[32];
    struct user_page pages[512];
    uint32_t area_count, page_count;
};

status_t aspace_allocate(struct aspace *as, uva_t *base, uint64_t *size, uint32_t protect, uint32_t flags)
{
    EXPECT(protect == PAGE_EXECUTE_WRITECOPY && flags == REGION_IMAGE);
    if (!may_allocate()) return STATUS_NO_MEMORY;
    uva_t at = *base ? *base & ~0xFFFFull : 0x10000000;
    for (bool again = true; again;) {
        again = false;
        for (uint32_t i = 0; i < as->area_count; i++) {
            if (at + *size <= as->areas[i].base || as->areas[i].base + as->areas[i].size <= at) continue;
            if (*base) return STATUS_CONFLICTING_ADDRESSES;
            at = (as->areas[i].base + as->areas[i].size + 0xFFFF) & ~0xFFFFull;
            again = true;
        }
    }
    as->areas[as->area_count].base = at, as->areas[as->area_count++].size = *size;
    *base = at;
    return STATUS_SUCCESS;
}

static struct user_page *page_at(struct aspace *as, uva_t va)
{
    for (uint32_t i = 0; i < as->page_count; i++)
        if (as->pages[i].va == va) return &as->pages[i];
    return NULL;
}

static status_t add_page(struct aspace *as, uva_t va, pa_t frame, uint32_t protect, uint32_t flags)
{
    EXPECT(!page_at(as, va));
    if (!may_allocate()) return STATUS_NO_MEMORY;
    if (frame) frame_share(frame);
    as->pages[as->page_count++] = (struct user_page){va, frame, protect, flags & REGION_EC};
    return STATUS_SUCCESS;
}

status_t aspace_map_frames(struct aspace *as, uva_t base, const pa_t *list, uint64_t count, uint32_t protect, uint32_t flags)
{
    for (uint64_t i = 0; i < count; i++) {
        EXPECT(list[i] != 0);
        if (add_page(as, base + i * 4096, list[i], protect, flags)) return STATUS_NO_MEMORY;
    }
    return STATUS_SUCCESS;
}

status_t aspace_commit(struct aspace *as, uva_t base, uint64_t size, uint32_t protect, uint32_t flags)
{
    for (uint64_t at = 0; at < size; at += 4096)
        if (add_page(as, base + at, 0, protect, flags)) return STATUS_NO_MEMORY;
    return STATUS_SUCCESS;
}

status_t aspace_unmap(struct aspace *as, uva_t base)
{
    for (uint32_t a = 0; a < as->area_count; a++) {
        if (as->areas[a].base != base) continue;
        for (uint32_t i = 0; i < as->page_count;) {
            if (as->pages[i].va - base >= as->areas[a].size) i++;
            else {
                if (as->pages[i].frame) frame_give(as->pages[i].frame);
                as->pages[i] = as->pages[--as->page_count];
            }
        }
        as->areas[a] = as->areas[--as->area_count];
        return STATUS_SUCCESS;
    }
    return STATUS_UNABLE_TO_FREE_VM;
}

static void space_destroy(struct aspace *as)
{
    image_section_unmap_all(as);
    while (as->area_count) aspace_unmap(as, as->areas[0].base);
}

static uint64_t space_u64(struct aspace *as, uva_t va)
{
    uint8_t b[8];
    for (int i = 0; i < 8; i++) {
        struct user_page *p = page_at(as, (va + i) & ~0xFFFull);
        b[i] = p && p->frame ? frames[p->frame / 4096].bytes[(va + i) & 0xFFF] : 0;
    }
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--) v = v << 8 | b[i];
    return v;
}

// ---- cases ----------------------------------------------------------------------------------------------------------

static uint64_t next_identity = 1;

static struct image_section *open_bytes(const uint8_t *p, size_t size)
{
    struct image_section *s = NULL;
    struct image_refusal why = {0};
    EXPECT_EQ(STATUS_SUCCESS, image_section_open(next_identity++, "system\\dir/hybrid.dll", p, size, &s, &why));
    return s;
}

static struct image_section *open_built(void)
{
    uint8_t p[BUILT_SIZE];
    build_image(p);
    return open_bytes(p, sizeof p);
}

static void drop(struct image_section *s)
{
    image_section_give(s);
    image_section_forget(0);
    EXPECT_EQ(0, frames_taken);
    EXPECT_EQ(0, heap_taken);
}

TEST(one_file_is_one_section_at_one_base)
{
    uint8_t p[BUILT_SIZE];
    build_image(p);
    struct image_section *a, *b, *c;
    EXPECT_EQ(0, image_section_open(100, "app/a.dll", p, sizeof p, &a, NULL));
    EXPECT_EQ(0, image_section_open(100, "app/a.dll", NULL, 0, &b, NULL)); // the bytes are not looked at again
    EXPECT_EQ(0, image_section_open(101, "app/b.dll", p, sizeof p, &c, NULL));
    EXPECT(a == b && a != c);
    EXPECT(!strcmp(image_section_name(a), "a.dll"));
    EXPECT(image_section_base(a) >= SYSTEM_DLL_BASE && image_section_base(a) < SYSTEM_DLL_END);
    EXPECT(image_section_base(c) >= image_section_base(a) + image_section_size(a));
    EXPECT_EQ(0, image_section_base(c) % 0x10000);
    image_section_give(a), image_section_give(b), image_section_give(c);
    EXPECT(frames_taken > 0); // the list still holds them
    image_section_forget(100);
    EXPECT(frames_taken > 0);
    image_section_forget(0);
    EXPECT_EQ(0, frames_taken);
    EXPECT_EQ(0, heap_taken);
}

TEST(programs_keep_the_base_they_were_linked_for)
{
    uint8_t p[BUILT_SIZE];
    build_image(p);
    put16(p, NT + 0x16, 0x22); // not a DLL
    struct image_section *s = open_bytes(p, sizeof p);
    EXPECT_EQ(BUILT_BASE, image_section_base(s));
    drop(s);
    put64(p, OPT + 0x18, 0xFFFF800000000000); // the kernel's half
    for (int i = 0; i < 2; i++) put64(p, i ? 0x1E00 + 0xC8 : built_offset(0x1140) + 0xC8, 0xFFFF800000003400);
    s = open_bytes(p, sizeof p);
    EXPECT(image_section_base(s) >= SYSTEM_DLL_BASE && image_section_base(s) < SYSTEM_DLL_END);
    drop(s);
}

TEST(two_views_share_all_but_the_pages_their_fixups_touch)
{
    struct image_section *s = open_built();
    struct aspace native = {0}, x64 = {0}, x64_too = {0};
    uva_t nb = 0, xb = 0, yb = 0;
    uint64_t size;
    EXPECT_EQ(0, image_section_map(s, &native, 0xAA64, &nb, &size, NULL));
    EXPECT_EQ(0, image_section_map(s, &x64, 0x8664, &xb, &size, NULL));
    EXPECT_EQ(0, image_section_map(s, &x64_too, 0x8664, &yb, &size, NULL));
    EXPECT(nb == image_section_base(s) && xb == nb && yb == nb);
    EXPECT_EQ(0x7000, size);
    for (uint32_t page = 0; page < 7; page++) {
        pa_t a = page_at(&native, nb + page * 4096)->frame, b = page_at(&x64, xb + page * 4096)->frame;
        bool differs = page == 0 || page == 4 || page == 5; // 4 because a relocated word crosses into 5
        EXPECT_EQ(differs, a != b);
        EXPECT_EQ(page_at(&x64_too, yb + page * 4096)->frame, b);
    }
    // contents of both, at the base of this boot
    uint64_t delta = nb - BUILT_BASE;
    for (int i = 0; i < 2; i++) {
        struct aspace *as = i ? &x64 : &native;
        EXPECT_EQ(i ? 0x8664 : 0xAA64, space_u64(as, nb + NT + 4) & 0xFFFF);
        EXPECT_EQ(i ? 0x2100 : 0x1000, space_u64(as, nb + OPT + 0x10) & 0xFFFFFFFF);
        EXPECT_EQ(nb, space_u64(as, nb + OPT + 0x18));
        EXPECT_EQ(nb + 0x1234, space_u64(as, nb + 0x4008));
        EXPECT_EQ(0x200000000 + delta, space_u64(as, nb + 0x4FFC));
        EXPECT_EQ(i ? 0x5210 : 0, space_u64(as, nb + 0x5058));
        EXPECT_EQ(i ? 0x5048 : 0x5040, space_u64(as, nb + 0x5234) & 0xFFFFFFFF);
    }
    struct image_sharing sharing;
    image_section_sharing(s, &sharing);
    EXPECT_EQ(3, sharing.mappings);
    EXPECT_EQ(10, sharing.frames);
    EXPECT_EQ(3, sharing.ec_frames);
    EXPECT_EQ(7, sharing.mapped_twice);  // 4 common ones and the EC view's 3
    EXPECT_EQ(4, sharing.mapped_by_all); // both kinds of code, read-only data, relocations
    space_destroy(&native), space_destroy(&x64), space_destroy(&x64_too);
    drop(s);
}

TEST(protections_and_ec_bits_follow_sections_and_code_map)
{
    struct image_section *s = open_built();
    struct aspace native = {0}, x64 = {0};
    uva_t nb = 0, xb = 0;
    uint64_t size;
    EXPECT_EQ(0, image_section_map(s, &native, 0xAA64, &nb, &size, NULL));
    EXPECT_EQ(0, image_section_map(s, &x64, 0x8664, &xb, &size, NULL));
    static const uint32_t expected[] = {PAGE_READONLY,  PAGE_EXECUTE_READ, PAGE_EXECUTE_READ, PAGE_READONLY,
                                        PAGE_WRITECOPY, PAGE_WRITECOPY,    PAGE_READONLY};
    for (uint32_t i = 0; i < 7; i++) {
        EXPECT_EQ(expected[i], page_at(&native, nb + i * 4096)->protection);
        EXPECT_EQ(expected[i], page_at(&x64, xb + i * 4096)->protection);
        EXPECT_EQ(i == 1 || i == 2, page_at(&native, nb + i * 4096)->ec);
        EXPECT_EQ(i == 2, page_at(&x64, xb + i * 4096)->ec);
        EXPECT_EQ(i == 2, image_section_is_ec(s, true, i));
    }
    space_destroy(&native), space_destroy(&x64);
    drop(s);
}

TEST(x64_code_is_not_executable_in_an_arm64_process)
{
    uint8_t p[BUILT_SIZE];
    build_image(p);
    put32(p, 0x2000 + 0x90, 0x2000 | 2); // the second code page is x64
    struct image_section *s = open_bytes(p, sizeof p);
    struct aspace native = {0}, x64 = {0};
    uva_t nb = 0, xb = 0;
    uint64_t size;
    EXPECT_EQ(0, image_section_map(s, &native, 0xAA64, &nb, &size, NULL));
    EXPECT_EQ(0, image_section_map(s, &x64, 0x8664, &xb, &size, NULL));
    EXPECT_EQ(PAGE_EXECUTE_READ, page_at(&native, nb + 0x1000)->protection);
    EXPECT_EQ(PAGE_READONLY, page_at(&native, nb + 0x2000)->protection);
    EXPECT_EQ(PAGE_EXECUTE_READ, page_at(&x64, xb + 0x2000)->protection); // executable, but EL0 may not: no EC bit
    EXPECT(!page_at(&x64, xb + 0x2000)->ec && !page_at(&x64, xb + 0x1000)->ec);
    space_destroy(&native), space_destroy(&x64);
    drop(s);
}

TEST(a_taken_base_costs_private_copies_of_relocated_pages_only)
{
    struct image_section *s = open_built();
    struct aspace as = {0};
    uva_t first = 0, second = 0;
    uint64_t size;
    EXPECT_EQ(0, image_section_map(s, &as, 0x8664, &first, &size, NULL));
    EXPECT_EQ(0, image_section_map(s, &as, 0x8664, &second, &size, NULL)); // once more in the same process
    EXPECT(second != first && second);
    for (uint32_t page = 0; page < 7; page++) {
        pa_t a = page_at(&as, first + page * 4096)->frame, b = page_at(&as, second + page * 4096)->frame;
        bool relocated = page != 2 && page != 6; // headers, load configurations, data, and what the crossing word reaches
        EXPECT_EQ(relocated, a != b);
        if (relocated) EXPECT_EQ(1, frame_count(b));
    }
    EXPECT_EQ(second, space_u64(&as, second + OPT + 0x18));
    EXPECT_EQ(second + 0x1234, space_u64(&as, second + 0x4008));
    EXPECT_EQ(second + 0x3400, space_u64(&as, second + 0x1140 + 0xC8));
    EXPECT_EQ(0x200000000 + second - BUILT_BASE, space_u64(&as, second + 0x4FFC));
    EXPECT_EQ(0x8664, space_u64(&as, second + NT + 4) & 0xFFFF);
    EXPECT_EQ(first + 0x1234, space_u64(&as, first + 0x4008));

    struct image_at at;
    EXPECT(image_section_at(&as, second + 0x2345, &at));
    EXPECT(at.section == s && at.base == second && at.rva == 0x2345 && at.ec_view && !at.at_own_base);
    EXPECT(image_section_at(&as, first + 0x6FFF, &at) && at.at_own_base);
    EXPECT(!image_section_at(&as, first + 0x7000, &at) && !image_section_at(&as, first - 1, &at));
    uint64_t cookie = 0;
    EXPECT(image_section_next(&as, &cookie, &at) && at.base == first);
    EXPECT(image_section_next(&as, &cookie, &at) && at.base == second);
    EXPECT(!image_section_next(&as, &cookie, &at));
    EXPECT_EQ(0, image_section_unmap(&as, first));
    EXPECT_EQ(STATUS_INVALID_PARAMETER, image_section_unmap(&as, first));
    EXPECT(!image_section_at(&as, first, &at));
    EXPECT(image_section_at(&as, second, &at));
    space_destroy(&as);
    drop(s);
}

TEST(an_image_without_relocations_stays_or_is_refused)
{
    uint8_t p[BUILT_SIZE];
    build_image(p);
    put16(p, NT + 0x16, 0x2023); // relocations stripped
    struct image_section *s = open_bytes(p, sizeof p);
    EXPECT_EQ(BUILT_BASE, image_section_base(s));
    struct aspace as = {0};
    struct image_refusal why;
    uva_t first = 0, second = 0, wanted = 0x20000000;
    uint64_t size;
    EXPECT_EQ(0, image_section_map(s, &as, 0x8664, &first, &size, &why));
    EXPECT_EQ(BUILT_BASE, first);
    EXPECT_EQ(STATUS_CONFLICTING_ADDRESSES, image_section_map(s, &as, 0x8664, &second, &size, &why));
    EXPECT_EQ(PE_E_RELOC_STRIPPED, why.rule);
    EXPECT_EQ(STATUS_CONFLICTING_ADDRESSES, image_section_map(s, &as, 0x8664, &wanted, &size, &why));
    space_destroy(&as);
    drop(s);
}

TEST(an_address_can_be_asked_for)
{
    struct image_section *s = open_built();
    struct aspace as = {0};
    uva_t base = 0x20000000;
    uint64_t size;
    EXPECT_EQ(0, image_section_map(s, &as, 0xAA64, &base, &size, NULL));
    EXPECT_EQ(0x20000000, base);
    EXPECT_EQ(base + 0x1234, space_u64(&as, base + 0x4008));
    EXPECT_EQ(STATUS_CONFLICTING_ADDRESSES, image_section_map(s, &as, 0xAA64, &base, &size, NULL));
    space_destroy(&as);
    drop(s);
}

TEST(the_load_matrix_is_enforced_with_a_sentence)
{
    static const struct {
        uint16_t image_machine, process;
        bool chpe, fixups;
        const char *text; // null: loads
    } rows[] = {
        {0x8664, 0x8664, false, false, NULL}, {0x8664, 0x8664, true, false, NULL}, {0xAA64, 0x8664, true, true, NULL},
        {0xAA64, 0xAA64, true, true, NULL},   {0xAA64, 0xAA64, false, false, NULL},
        {0xAA64, 0x8664, false, false, "hybrid.dll: an image of class ARM64 cannot be loaded into an x64 process"},
        {0x8664, 0xAA64, false, false, "hybrid.dll: an image of class x64 cannot be loaded into an Arm64 process"},
        {0x8664, 0xAA64, true, false, "hybrid.dll: an image of class ARM64EC cannot be loaded into an Arm64 process"},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t p[BUILT_SIZE];
        build_image(p);
        put16(p, NT + 4, rows[i].image_machine);
        if (!rows[i].chpe) put64(p, built_offset(0x32C8), 0);
        if (!rows[i].fixups) put16(p, built_offset(0x32E4), 0);
        struct image_section *s = open_bytes(p, sizeof p);
        struct aspace as = {0};
        struct image_refusal why = {0};
        uva_t base = 0;
        uint64_t size;
        EXPECT_EQ(rows[i].text ? STATUS_IMAGE_MACHINE_TYPE_MISMATCH : 0,
                  image_section_map(s, &as, rows[i].process, &base, &size, &why));
        if (rows[i].text) EXPECT(!strcmp(rows[i].text, why.text));
        EXPECT_EQ(rows[i].text == NULL, as.page_count > 0);
        space_destroy(&as);
        drop(s);
    }
}

TEST(malformed_images_are_refused_with_a_sentence)
{
    uint8_t p[BUILT_SIZE];
    struct image_section *s;
    struct image_refusal why;
    build_image(p);
    put32(p, DVRT_FILE + 4, 0x1000);
    EXPECT_EQ(STATUS_INVALID_IMAGE_FORMAT, image_section_open(next_identity++, "app/x.dll", p, sizeof p, &s, &why));
    EXPECT_EQ(PE_E_DVRT_SIZE, why.rule);
    EXPECT(!strcmp(why.text, "x.dll: the dynamic relocation table claims more bytes than its section has (PE_E_DVRT_SIZE)"));
    build_image(p);
    put16(p, NT + 4, 0x1C4);
    EXPECT_EQ(STATUS_INVALID_IMAGE_FORMAT, image_section_open(next_identity++, "app/x.dll", p, sizeof p, &s, &why));
    EXPECT(strstr(why.text, "machine type 0x01c4") != NULL);
    build_image(p);
    put16(p, DVRT_FILE + 0x1E, 0xAA64); // the edits do not make an x64 image: shows only after they were carried out
    EXPECT_EQ(STATUS_INVALID_IMAGE_FORMAT, image_section_open(next_identity++, "app/x.dll", p, sizeof p, &s, &why));
    EXPECT_EQ(PE_E_DVRT_MACHINE, why.rule);
    EXPECT_EQ(0, frames_taken);
    EXPECT_EQ(0, heap_taken);
}

TEST(pages_without_bytes_are_demand_zero)
{
    uint8_t p[BUILT_SIZE];
    build_image(p);
    put32(p, SECTION(4) + 8, 0x1000);
    memcpy(p + SECTION(5), p + SECTION(4), 0x28); // a sixth section: 1 GiB of nothing
    put16(p, NT + 6, 6);
    memcpy(p + SECTION(5), ".bss\0\0\0", 8);
    put32(p, SECTION(5) + 8, 0x20000), put32(p, SECTION(5) + 12, 0x7000), put64(p, SECTION(5) + 16, 0);
    put32(p, SECTION(5) + 36, 0xC0000080), put32(p, OPT + 0x38, 0x27000);
    struct image_section *s = open_bytes(p, sizeof p);
    struct image_sharing sharing;
    image_section_sharing(s, &sharing);
    EXPECT_EQ(10, sharing.frames);
    struct aspace as = {0};
    uva_t base = 0;
    uint64_t size;
    EXPECT_EQ(0, image_section_map(s, &as, 0xAA64, &base, &size, NULL));
    for (uint32_t page = 7; page < 0x27; page++) {
        struct user_page *u = page_at(&as, base + page * 4096);
        EXPECT(u && !u->frame && u->protection == PAGE_READWRITE);
    }
    space_destroy(&as);
    drop(s);
}

TEST(shared_sections_are_not_copied)
{
    uint8_t p[BUILT_SIZE];
    build_image(p);
    put32(p, SECTION(2) + 36, 0xD0000040);
    struct image_section *s = open_bytes(p, sizeof p);
    struct aspace as = {0};
    uva_t base = 0;
    uint64_t size;
    EXPECT_EQ(0, image_section_map(s, &as, 0xAA64, &base, &size, NULL));
    EXPECT_EQ(PAGE_READWRITE, page_at(&as, base + 0x4000)->protection);
    space_destroy(&as);
    drop(s);
}

TEST(exports_differ_by_view_and_lead_to_bodies)
{
    struct image_section *s = open_built();
    uint32_t rva = 0;
    EXPECT_EQ(0, image_section_export(s, true, "delta", false, &rva));
    EXPECT_EQ(0x2110, rva);
    EXPECT_EQ(0, image_section_export(s, true, "delta", true, &rva));
    EXPECT_EQ(0x2300, rva);
    EXPECT_EQ(STATUS_ENTRYPOINT_NOT_FOUND, image_section_export(s, true, "beta", true, &rva)); // a forwarder
    EXPECT_EQ(STATUS_ENTRYPOINT_NOT_FOUND, image_section_export(s, false, "nobody", false, &rva));
    EXPECT_EQ(0x2200, image_section_redirect(s, true, image_section_view(s, true)->facts.entry_rva));
    EXPECT_EQ(image_section_base(s), image_section_view(s, true)->facts.image_base);
    EXPECT(image_section_view(s, false)->facts.machine == 0xAA64 && image_section_view(s, true)->facts.machine == 0x8664);
    drop(s);
}

TEST(every_failing_allocation_gives_back_what_was_taken)
{
    uint8_t p[BUILT_SIZE];
    build_image(p);
    bool opened = false, mapped = false, moved = false;
    for (int64_t limit = 0; !moved && limit < 500; limit++) {
        struct image_section *s;
        struct aspace as = {0};
        uva_t base = 0, again = 0;
        uint64_t size;
        allocations_left = limit;
        opened = !image_section_open(next_identity++, "a.dll", p, sizeof p, &s, NULL);
        if (opened) {
            mapped = !image_section_map(s, &as, 0x8664, &base, &size, NULL);
            moved = mapped && !image_section_map(s, &as, 0x8664, &again, &size, NULL);
            if (!mapped) EXPECT(!as.page_count && !as.area_count);
            else if (!moved) EXPECT_EQ(1, as.area_count);
            image_section_give(s);
        }
        allocations_left = INT64_MAX;
        space_destroy(&as);
        image_section_forget(0);
        EXPECT_EQ(0, frames_taken);
        EXPECT_EQ(0, heap_taken);
    }
    EXPECT(moved);
}

TEST_MAIN
