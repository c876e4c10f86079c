// SPDX-License-Identifier: MIT
// The image made by pe_builder.h: what is read from it, its two views, and one broken copy for every rule there is.
#include "tests/host/check.h"
#include "tests/host/pe_builder.h"

#include "loader/pe/pe_export.h"
#include "loader/pe/pe_reloc.h"

static uint64_t view_u64(const struct pe_bytes *bytes, uint32_t rva)
{
    uint64_t value = 0xDEADBEEF;
    EXPECT(pe_read_u64(bytes, rva, &value));
    return value;
}

static uint32_t view_u32(const struct pe_bytes *bytes, uint32_t rva)
{
    uint32_t value = 0xDEADBEEF;
    EXPECT(pe_read_u32(bytes, rva, &value));
    return value;
}

TEST(the_file_as_it_is_reads_as_arm64)
{
    uint8_t p[BUILT_SIZE];
    struct image image;
    build_image(p);
    EXPECT_EQ(PE_OK, image_open(&image, p, sizeof p));
    EXPECT_EQ(IMAGE_ARM64X, image.class);
    const struct pe_facts *f = &image.native.facts;
    EXPECT_EQ(0xAA64, f->machine);
    EXPECT_EQ(0x1000, f->entry_rva);
    EXPECT_EQ(BUILT_BASE, f->image_base);
    EXPECT_EQ(0x100000, f->stack_reserve);
    EXPECT_EQ(3, f->subsystem);
    EXPECT(pe_is_dll(f) && pe_is_relocatable(f));
    EXPECT_EQ(0x3400, f->chpe_rva);
    EXPECT_EQ(5, f->dvrt_section);
    EXPECT_EQ(BUILT_RELOC_SIZE, f->dvrt_offset);
    EXPECT_EQ(4, image.native.reloc_count);
    EXPECT_EQ(8, image.fixup_count);
}

TEST(pages_are_planned_from_the_section_table)
{
    uint8_t p[BUILT_SIZE];
    struct image image;
    build_image(p);
    EXPECT_EQ(PE_OK, image_open(&image, p, sizeof p));
    const struct pe_layout *l = &image.file.layout;
    EXPECT_EQ(7, pe_layout_page_count(l));
    static const struct pe_page_plan expected[] = {
        {PE_PROT_READ, 0, 0, 0x400},
        {PE_PROT_READ | PE_PROT_EXECUTE, 1, 0x400, 0x1000},
        {PE_PROT_READ | PE_PROT_EXECUTE, 1, 0x1400, 0x800},
        {PE_PROT_READ, 2, 0x1C00, 0x800},
        {PE_PROT_READ | PE_PROT_WRITE, 3, 0x2400, 0x200},
        {PE_PROT_READ | PE_PROT_WRITE, 4, 0x2600, 0x400},
        {PE_PROT_READ, 5, 0x2A00, 0x400},
        {0},
    };
    for (uint32_t i = 0; i < 8; i++) {
        struct pe_page_plan plan = pe_layout_page(l, i);
        EXPECT_EQ(expected[i].protection, plan.protection);
        EXPECT_EQ(expected[i].region, plan.region);
        EXPECT_EQ(expected[i].file_offset, plan.file_offset);
        EXPECT_EQ(expected[i].file_size, plan.file_size);
    }
}

TEST(file_bytes_past_the_raw_data_read_as_zero_and_holes_do_not_read)
{
    uint8_t p[BUILT_SIZE];
    struct image image;
    build_image(p);
    put32(p, SECTION(0) + 12, 0x1000);
    EXPECT_EQ(PE_OK, image_open(&image, p, sizeof p));
    struct pe_bytes bytes = pe_file_bytes(&image.file);
    EXPECT_EQ(0, view_u64(&bytes, 0x4300));
    EXPECT_EQ(BUILT_BASE + 0x1234, view_u64(&bytes, 0x4008));
    EXPECT_EQ(0x200000000ull, view_u64(&bytes, 0x4FFC)); // across two sections
    uint8_t b[8];
    EXPECT(!pe_read(&bytes, 0x6FFC, b, 8));
    EXPECT(pe_read(&bytes, 0x6FF8, b, 8));
    EXPECT(!pe_read(&bytes, 0xFFFFFFFC, b, 8));
    EXPECT(!pe_layout_covers(&image.file.layout, 0x6FFC, 8));
    EXPECT(pe_layout_covers(&image.file.layout, 0x4FFC, 8));
}

TEST(a_hole_after_the_headers_belongs_to_nobody)
{
    uint8_t p[BUILT_SIZE];
    struct image image;
    build_image(p);
    for (int i = 0; i < 5; i++) put32(p, SECTION(i) + 12, 0x10000 + 0x1000 * (i ? i + 1 : 0));
    put32(p, OPT + 0x38, 0x16000);
    put32(p, OPT + 0x10, 0);
    for (int i = 0; i < 16; i++) put64(p, DIRECTORY(i), 0);
    EXPECT_EQ(PE_OK, image_open(&image, p, sizeof p));
    EXPECT_EQ(IMAGE_ARM64, image.class);
    struct pe_bytes bytes = pe_file_bytes(&image.file);
    uint8_t b[8];
    EXPECT(!pe_read(&bytes, 0x0FFC, b, 8));
    EXPECT(!pe_read(&bytes, 0x8000, b, 8));
    EXPECT(!pe_read(&bytes, 0xFFFC, b, 8));
    EXPECT(pe_read(&bytes, 0x10000, b, 8));
    EXPECT(pe_layout_region(&image.file.layout, 0x8000) == NULL);
    EXPECT_EQ(0, pe_layout_page(&image.file.layout, 8).protection);
}

TEST(dynamic_relocations_decode_as_the_worked_example_says)
{
    uint8_t p[BUILT_SIZE];
    struct image image;
    build_image(p);
    EXPECT_EQ(PE_OK, image_open(&image, p, sizeof p));
    static const struct fixup expected[] = {
        {FIXUP_VALUE, 0x07C, 2, 0x8664},   {FIXUP_VALUE, 0x0A0, 4, 0x2100},   {FIXUP_VALUE, 0x150, 4, 0x1140},
        {FIXUP_VALUE, 0x154, 4, 0x140},    {FIXUP_VALUE, 0x5058, 8, 0x5210},  {FIXUP_ZEROFILL, 0x5070, 8, 0},
        {FIXUP_DELTA, 0x5234, 4, 8},       {FIXUP_DELTA, 0x5244, 4, 8},
    };
    struct pe_bytes bytes = pe_file_bytes(&image.file);
    struct dvrt_iter it;
    struct fixup f;
    uint32_t n = 0;
    dvrt_begin(&it, &image.dvrt, &bytes, &image.file.layout);
    for (; dvrt_next(&it, &f); n++) {
        if (n >= 8) break;
        EXPECT_EQ(expected[n].kind, f.kind);
        EXPECT_EQ(expected[n].rva, f.rva);
        EXPECT_EQ(expected[n].size, f.size);
        EXPECT_EQ(expected[n].value, f.value);
    }
    EXPECT_EQ(8, n);
    EXPECT_EQ(PE_OK, it.status);
}

TEST(negative_delta_of_twelve_decodes)
{
    uint8_t p[BUILT_SIZE];
    struct image image;
    build_image(p);
    static const uint8_t record[] = {0x10, 0x60, 0x03, 0x00}; // 0x6010: negative, scale 4, magnitude 3
    memcpy(p + DVRT_FILE + 0x4C, record, 4);
    put32(p, built_offset(0x5010), 5);
    EXPECT_EQ(PE_OK, image_open(&image, p, sizeof p));
    struct host_view native = host_native_view(&image), ec;
    EXPECT_EQ(PE_OK, host_ec_view(&image, &native, &ec));
    struct pe_bytes bytes = host_bytes(&ec);
    EXPECT_EQ((uint32_t)(5 - 12), view_u32(&bytes, 0x5010));
    host_free_view(&ec), host_free_view(&native);
}

TEST(the_ec_view_owns_only_what_the_fixups_touch)
{
    uint8_t p[BUILT_SIZE];
    struct image image;
    struct image_view view;
    build_image(p);
    EXPECT_EQ(PE_OK, image_open(&image, p, sizeof p));
    struct host_view native = host_native_view(&image), ec;
    EXPECT_EQ(PE_OK, host_ec_view(&image, &native, &ec));
    for (uint32_t i = 0; i < 7; i++) EXPECT_EQ(i == 0 || i == 5, ec.own[i] != NULL);
    struct pe_bytes n = host_bytes(&native), e = host_bytes(&ec);
    EXPECT_EQ(PE_OK, image_read_ec_view(&image, &e, &view));
    EXPECT_EQ(0x8664, view.facts.machine);
    EXPECT_EQ(0x2100, view.facts.entry_rva);
    EXPECT_EQ(0x1140, view.facts.directories[PE_DIR_LOAD_CONFIG].rva);
    EXPECT_EQ(0x140, view.facts.load_config_size);
    EXPECT_EQ(0x5210, view_u64(&e, 0x5058));
    EXPECT_EQ(0, view_u64(&e, 0x5070));
    EXPECT_EQ(0x5048, view_u32(&e, 0x5234));
    EXPECT_EQ(4, view_u32(&e, 0x5244)); // modulo 2^32 ...
    EXPECT_EQ(0, view_u32(&e, 0x5248)); // ... without a carry into the next word
    // and the native view has not changed
    EXPECT_EQ(0xAA64, view_u32(&n, NT + 4) & 0xFFFF);
    EXPECT_EQ(0, view_u64(&n, 0x5058));
    EXPECT_EQ(0x1122334455667788, view_u64(&n, 0x5070));
    EXPECT_EQ(0x5040, view_u32(&n, 0x5234));
    host_free_view(&ec), host_free_view(&native);
}

TEST(fixups_may_cross_a_page_end)
{
    uint8_t p[BUILT_SIZE];
    struct image image;
    build_image(p);
    put32(p, DVRT_FILE + 0x34, 0x4000);                      // second block: page 0x4000
    static const uint8_t records[] = {0xFC, 0xDF, 1, 2, 3, 4, 5, 6, 7, 8,  // VALUE of 8 bytes at 0x4FFC
                                      0x70, 0xC0, 0xFE, 0xAF, 1, 0, 0xFE, 0xAF, 1, 0}; // two DELTAs of +8 at 0x4FFE
    memcpy(p + DVRT_FILE + 0x3C, records, sizeof records);
    EXPECT_EQ(PE_OK, image_open(&image, p, sizeof p));
    struct host_view native = host_native_view(&image), ec;
    EXPECT_EQ(PE_OK, host_ec_view(&image, &native, &ec));
    EXPECT(ec.own[4] && ec.own[5]);
    struct pe_bytes e = host_bytes(&ec);
    EXPECT_EQ(0x0807060504130201ull, view_u64(&e, 0x4FFC));
    host_free_view(&ec), host_free_view(&native);
}

TEST(version_2_entries_and_foreign_symbols_are_walked)
{
    uint8_t p[BUILT_SIZE];
    struct image image;
    build_image(p);
    uint8_t *t = p + DVRT_FILE;
    static const uint8_t blocks_at = 0x14;
    uint8_t blocks[0x3C];
    memcpy(blocks, t + blocks_at, sizeof blocks);
    memset(t, 0, sizeof worked_example_dvrt);
    put32(t, 0, 2), put32(t, 4, 32 + 28 + 0x3C);
    put32(t, 8, 24), put32(t, 12, 8), put64(t, 16, 3);                 // symbol 3, 8 bytes of payload to skip
    memset(t + 32, 0xFF, 8);
    put32(t, 40, 28), put32(t, 44, 0x3C), put64(t, 48, 6);             // symbol 6 with a header of 28 bytes
    memcpy(t + 68, blocks, sizeof blocks);
    put32(p, SECTION(4) + 8, BUILT_RELOC_SIZE + 8 + 32 + 28 + 0x3C);
    EXPECT_EQ(PE_OK, image_open(&image, p, sizeof p));
    EXPECT_EQ(8, image.fixup_count);
    EXPECT_EQ(IMAGE_ARM64X, image.class);
}

TEST(base_relocations_move_both_views)
{
    uint8_t p[BUILT_SIZE];
    struct image image;
    build_image(p);
    EXPECT_EQ(PE_OK, image_open(&image, p, sizeof p));
    struct host_view native = host_native_view(&image), ec;
    EXPECT_EQ(PE_OK, host_ec_view(&image, &native, &ec));
    const uint64_t base = 0x7FFA12340000;
    struct pe_bytes file = pe_file_bytes(&image.file);
    struct pe_pages np = host_pages(&native), ep = host_pages(&ec);
    const struct pe_layout *l = &image.file.layout;
    // page 5 is the EC view's own, page 4 is not, and a word lies across them
    EXPECT_EQ(PE_E_PAGE_MISSING, pe_reloc_apply(&file, l, &image.native.facts, &ep, base));
    host_free_view(&ec);
    EXPECT_EQ(PE_OK, host_ec_view(&image, &native, &ec));
    ep = host_pages(&ec);
    host_own(&ec, 4);
    EXPECT_EQ(PE_OK, pe_reloc_apply(&file, l, &image.native.facts, &ep, base));
    EXPECT_EQ(PE_OK, pe_reloc_apply(&file, l, &image.native.facts, &np, base));
    for (int i = 0; i < 2; i++) {
        struct pe_bytes b = host_bytes(i ? &ec : &native);
        EXPECT_EQ(base + 0x1234, view_u64(&b, 0x4008));
        EXPECT_EQ(0x200000000ull + base - BUILT_BASE, view_u64(&b, 0x4FFC));
        EXPECT_EQ(base + 0x3400, view_u64(&b, 0x3200 + 0xC8));
        EXPECT_EQ(base + 0x3400, view_u64(&b, 0x1140 + 0xC8));
        EXPECT_EQ(base, view_u64(&b, OPT + 0x18));
        EXPECT_EQ(i ? 0x8664 : 0xAA64, view_u32(&b, NT + 4) & 0xFFFF);
    }
    // a moved view reads the same: pointers are relative to the base its headers name
    struct pe_bytes b = host_bytes(&ec);
    struct pe_facts facts;
    EXPECT_EQ(PE_OK, pe_facts_read(&facts, &b, l));
    EXPECT_EQ(0x3400, facts.chpe_rva);
    host_free_view(&ec), host_free_view(&native);
}

TEST(exports_are_found_by_name_and_ordinal)
{
    uint8_t p[BUILT_SIZE];
    struct image image;
    build_image(p);
    EXPECT_EQ(PE_OK, image_open(&image, p, sizeof p));
    struct pe_bytes bytes = pe_file_bytes(&image.file);
    struct pe_export_table t;
    struct pe_export e;
    EXPECT_EQ(PE_OK, pe_export_open(&t, &bytes, &image.native.facts));
    EXPECT_EQ(PE_OK, pe_find_export(&bytes, &t, "alpha", &e));
    EXPECT(e.rva == 0x1010 && e.ordinal == 5 && !e.forwarder);
    EXPECT_EQ(PE_OK, pe_find_export(&bytes, &t, "beta", &e));
    EXPECT(e.rva == 0x30B0 && e.ordinal == 6 && e.forwarder);
    EXPECT_EQ(PE_OK, pe_find_export(&bytes, &t, "delta", &e));
    EXPECT(e.rva == 0x2110 && e.ordinal == 8 && !e.forwarder);
    static const char *const absent[] = {"", "a", "alph", "alphaa", "Alpha", "gamma", "zeta"};
    for (unsigned i = 0; i < sizeof absent / sizeof *absent; i++)
        EXPECT_EQ(PE_E_EXPORT_NOT_FOUND, pe_find_export(&bytes, &t, absent[i], &e));
    EXPECT_EQ(PE_OK, pe_find_export_ordinal(&bytes, &t, 8, &e));
    EXPECT_EQ(0x2110, e.rva);
    EXPECT_EQ(PE_E_EXPORT_NOT_FOUND, pe_find_export_ordinal(&bytes, &t, 7, &e)); // a hole
    EXPECT_EQ(PE_E_EXPORT_NOT_FOUND, pe_find_export_ordinal(&bytes, &t, 9, &e));
    EXPECT_EQ(PE_E_EXPORT_NOT_FOUND, pe_find_export_ordinal(&bytes, &t, 4, &e));
    uint32_t name;
    int order;
    EXPECT_EQ(PE_OK, pe_export_at(&bytes, &t, 2, &name, &e));
    EXPECT(pe_compare_string(&bytes, name, "delta", &order) && order == 0);
    EXPECT_EQ(PE_E_EXPORT_NOT_FOUND, pe_export_at(&bytes, &t, 3, &name, &e));
}

TEST(broken_exports_are_named)
{
    uint8_t p[BUILT_SIZE];
    struct image image;
    struct pe_export_table t;
    struct pe_export e;
    build_image(p);
    put16(p, built_offset(0x3080), 4);          // alpha -> function 4 of 4
    put32(p, built_offset(0x3044), 0x10000000); // beta -> far outside
    put32(p, built_offset(0x3068), 0x6FFFFFFF); // the third name string is nowhere
    EXPECT_EQ(PE_OK, image_open(&image, p, sizeof p));
    struct pe_bytes bytes = pe_file_bytes(&image.file);
    EXPECT_EQ(PE_OK, pe_export_open(&t, &bytes, &image.native.facts));
    EXPECT_EQ(PE_E_EXPORT_ORDINAL, pe_find_export(&bytes, &t, "alpha", &e));
    EXPECT_EQ(PE_E_EXPORT_TARGET, pe_find_export(&bytes, &t, "beta", &e));
    EXPECT_EQ(PE_E_EXPORT_DIRECTORY, pe_find_export(&bytes, &t, "delta", &e));
    for (int i = 0; i < 16; i++) put64(p, DIRECTORY(i), 0);
    EXPECT_EQ(PE_OK, image_open(&image, p, sizeof p));
    EXPECT_EQ(PE_E_EXPORT_NOT_FOUND, pe_export_open(&t, &bytes, &image.native.facts));
}

TEST(the_code_map_says_what_may_run)
{
    uint8_t p[BUILT_SIZE];
    struct image image;
    struct image_view view;
    build_image(p);
    EXPECT_EQ(PE_OK, image_open(&image, p, sizeof p));
    struct host_view native = host_native_view(&image), ec;
    EXPECT_EQ(PE_OK, host_ec_view(&image, &native, &ec));
    struct pe_bytes n = host_bytes(&native), e = host_bytes(&ec);
    EXPECT_EQ(PE_OK, image_read_ec_view(&image, &e, &view));
    EXPECT_EQ(CODE_UNKNOWN, chpe_page_type(&e, &view.chpe, 0));
    EXPECT_EQ(CODE_ARM64, chpe_page_type(&e, &view.chpe, 1));
    EXPECT_EQ(CODE_ARM64EC, chpe_page_type(&e, &view.chpe, 2));
    EXPECT_EQ(CODE_UNKNOWN, chpe_page_type(&e, &view.chpe, 3));
    EXPECT(!image_page_is_arm64_code(&view, &e, 1));
    EXPECT(image_page_is_arm64_code(&view, &e, 2));
    EXPECT(!image_page_is_arm64_code(&view, &e, 3));
    EXPECT(image_page_is_arm64_code(&image.native, &n, 1));
    EXPECT(image_page_is_arm64_code(&image.native, &n, 2));
    EXPECT(!image_page_is_arm64_code(&image.native, &n, 3));
    uint32_t index = 0, ranges = 0;
    struct code_range range;
    while (chpe_next_range(&e, &view.chpe, &index, &range)) ranges++;
    EXPECT_EQ(2, ranges); // the empty one is left out
    EXPECT_EQ(0x2200, chpe_redirect(&e, &view.chpe, 0x2100));
    EXPECT_EQ(0x2300, chpe_redirect(&e, &view.chpe, 0x2110));
    EXPECT_EQ(0x2104, chpe_redirect(&e, &view.chpe, 0x2104));
    EXPECT_EQ(0x3508, view.chpe.dispatch_ret_cell);
    EXPECT_EQ(0x3538, view.chpe.dispatch_fptr_cell);
    host_free_view(&ec), host_free_view(&native);
}

TEST(ranges_of_one_kind_may_share_a_page)
{
    uint8_t p[BUILT_SIZE];
    struct image image;
    build_image(p);
    put32(p, 0x2000 + 0x88, 0x1F00 | 0), put32(p, 0x2000 + 0x8C, 0x10);
    EXPECT_EQ(PE_OK, image_open(&image, p, sizeof p));
}

TEST(images_are_classified_by_machine_metadata_and_fixups)
{
    uint8_t p[BUILT_SIZE];
    struct image image;
    static const struct {
        uint16_t machine;
        bool chpe, fixups;
        enum image_class class;
    } rows[] = {
        {0x8664, false, false, IMAGE_X64},   {0x8664, true, false, IMAGE_ARM64EC}, {0x8664, true, true, IMAGE_ARM64EC},
        {0xAA64, false, false, IMAGE_ARM64}, {0xAA64, true, true, IMAGE_ARM64X},   {0xAA64, false, true, IMAGE_ARM64X},
        {0xAA64, true, false, IMAGE_ARM64},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        build_image(p);
        put16(p, NT + 4, rows[i].machine);
        if (!rows[i].chpe) put64(p, built_offset(0x32C8), 0);
        if (!rows[i].fixups) put16(p, built_offset(0x32E4), 0);
        EXPECT_EQ(PE_OK, image_open(&image, p, sizeof p));
        EXPECT_EQ(rows[i].class, image.class);
    }
    build_image(p);
    put32(p, built_offset(0x3200), 0xC8); // the load configuration ends before the metadata pointer
    EXPECT_EQ(PE_OK, image_open(&image, p, sizeof p));
    EXPECT_EQ(IMAGE_ARM64, image.class);
    EXPECT_EQ(0, image.native.chpe.rva);
}

TEST(the_load_matrix)
{
    bool ec;
    EXPECT(image_loads_in(IMAGE_X64, 0x8664, &ec) && !ec);
    EXPECT(image_loads_in(IMAGE_ARM64EC, 0x8664, &ec) && !ec);
    EXPECT(image_loads_in(IMAGE_ARM64X, 0x8664, &ec) && ec);
    EXPECT(!image_loads_in(IMAGE_ARM64, 0x8664, &ec));
    EXPECT(!image_loads_in(IMAGE_X64, 0xAA64, &ec));
    EXPECT(!image_loads_in(IMAGE_ARM64EC, 0xAA64, &ec));
    EXPECT(image_loads_in(IMAGE_ARM64X, 0xAA64, &ec) && !ec);
    EXPECT(image_loads_in(IMAGE_ARM64, 0xAA64, &ec) && !ec);
}

// ---- refusals -------------------------------------------------------------------------------------------------------

// One broken field and the rule that has to catch it. `at` is a file offset.
struct refusal {
    const char *what;
    uint32_t at;
    uint8_t width;
    uint64_t value;
    enum pe_status rule;
};

#define EXPORTS 0x1C00u  // file offset of the export directory
#define LC 0x1E00u        // file offset of the native load configuration
#define CHPE 0x2000u      // of the metadata
#define RELOC 0x2A00u
static const struct refusal refusals[] = {
    {"no MZ", 0, 2, 0x4D5B, PE_E_DOS_MAGIC},
    {"NT headers unaligned", 0x3C, 4, NT + 2, PE_E_NT_OFFSET},
    {"NT headers past the end", 0x3C, 4, BUILT_SIZE - 4, PE_E_NT_OFFSET},
    {"NT headers far away", 0x3C, 4, 0xFFFFFFFC, PE_E_NT_OFFSET},
    {"no PE signature", NT, 4, 0x454E, PE_E_NT_MAGIC},
    {"x86", NT + 4, 2, 0x14C, PE_E_MACHINE},
    {"an ARM64EC object's machine", NT + 4, 2, 0xA641, PE_E_MACHINE},
    {"no machine", NT + 4, 2, 0, PE_E_MACHINE},
    {"not linked", NT + 0x16, 2, 0x2020, PE_E_NOT_EXECUTABLE},
    {"PE32", OPT, 2, 0x10B, PE_E_NOT_PE32PLUS},
    {"optional header too small", NT + 0x14, 2, 0x6F, PE_E_OPTIONAL_SIZE},
    {"optional header without its directories", NT + 0x14, 2, 0xEF, PE_E_OPTIONAL_SIZE},
    {"section alignment 16", OPT + 0x20, 4, 16, PE_E_SECTION_ALIGNMENT},
    {"section alignment 0x3000", OPT + 0x20, 4, 0x3000, PE_E_SECTION_ALIGNMENT},
    {"section alignment 2 GiB", OPT + 0x20, 4, 0x80000000, PE_E_SECTION_ALIGNMENT},
    {"file alignment 0", OPT + 0x24, 4, 0, PE_E_FILE_ALIGNMENT},
    {"file alignment above the sections'", OPT + 0x24, 4, 0x2000, PE_E_FILE_ALIGNMENT},
    {"image base 4 KiB aligned", OPT + 0x18, 8, BUILT_BASE + 0x1000, PE_E_IMAGE_BASE},
    {"image size 0", OPT + 0x38, 4, 0, PE_E_IMAGE_SIZE},
    {"image size above 2 GiB", OPT + 0x38, 4, 0x80001000, PE_E_IMAGE_SIZE},
    {"image size beyond the sections", OPT + 0x38, 4, BUILT_IMAGE_SIZE + 0x1000, PE_E_IMAGE_SIZE},
    {"header size without the section table", OPT + 0x3C, 4, SECTION(4), PE_E_HEADERS_SIZE},
    {"header size beyond the file", OPT + 0x3C, 4, BUILT_SIZE + 1, PE_E_HEADERS_SIZE},
    {"headers over the first section", OPT + 0x3C, 4, 0x1001, PE_E_SECTION_OVERLAP},
    {"no sections", NT + 6, 2, 0, PE_E_SECTION_COUNT},
    {"97 sections", NT + 6, 2, 97, PE_E_SECTION_COUNT},
    {"entry point in the headers", OPT + 0x10, 4, 0x100, PE_E_ENTRY_POINT},
    {"entry point past the image", OPT + 0x10, 4, BUILT_IMAGE_SIZE, PE_E_ENTRY_POINT},
    {"section not aligned", SECTION(1) + 12, 4, 0x3200, PE_E_SECTION_UNALIGNED},
    {"section over the one before", SECTION(1) + 12, 4, 0x2000, PE_E_SECTION_OVERLAP},
    {"sections in the wrong order", SECTION(2) + 12, 4, 0x1000, PE_E_SECTION_OVERLAP},
    {"section in the headers", SECTION(0) + 12, 4, 0, PE_E_SECTION_OVERLAP},
    {"hole between sections", SECTION(2) + 12, 4, 0x8000, PE_E_SECTION_GAP},
    {"section beyond the image", SECTION(4) + 8, 4, 0x1001, PE_E_SECTION_PAST_IMAGE},
    {"section size wraps", SECTION(4) + 8, 4, 0xFFFFFFFF, PE_E_SECTION_SIZE},
    {"raw data unaligned", SECTION(1) + 20, 4, 0x1C10, PE_E_SECTION_RAW_UNALIGNED},
    {"raw data past the file", SECTION(4) + 16, 4, 0x600, PE_E_SECTION_PAST_EOF},
    {"raw data far past the file", SECTION(4) + 20, 4, 0xFFFFFE00, PE_E_SECTION_PAST_EOF},
    {"export directory outside", DIRECTORY(0), 4, 0x6FF0, PE_E_DIRECTORY},
    {"relocation directory too large", DIRECTORY(5) + 4, 4, 0x1001, PE_E_DIRECTORY},
    {"load configuration wraps", DIRECTORY(10) + 4, 4, 0xFFFFFFFF, PE_E_DIRECTORY},

    {"relocation block of 7 bytes", RELOC + 4, 4, 7, PE_E_RELOC_BLOCK_SIZE},
    {"relocation block past the directory", RELOC + 28, 4, 0x22, PE_E_RELOC_BLOCK_SIZE},
    {"relocation block of odd size", RELOC + 4, 4, 0xB, PE_E_RELOC_BLOCK_SIZE},
    {"relocation block size wraps", RELOC + 28, 4, 0xFFFFFFF8, PE_E_RELOC_BLOCK_SIZE},
    {"relocation block size 0", RELOC + 4, 4, 0, PE_E_RELOC_BLOCK_SIZE},
    {"HIGHLOW", RELOC + 8, 2, 0x3000, PE_E_RELOC_TYPE},
    {"relocation past the image", RELOC + 24, 4, 0x7000, PE_E_RELOC_TARGET},
    {"relocation across the image's end", RELOC + 24, 4, 0x6000, PE_E_RELOC_TARGET},
    {"relocation RVA wraps", RELOC + 24, 4, 0xFFFFF004, PE_E_RELOC_TARGET},

    {"export functions outside", EXPORTS + 0x1C, 4, 0x6FF8, PE_E_EXPORT_DIRECTORY},
    {"export function count wraps", EXPORTS + 0x14, 4, 0xFFFFFFFF, PE_E_EXPORT_DIRECTORY},
    {"export names outside", EXPORTS + 0x20, 4, 0xFFFFFFFC, PE_E_EXPORT_DIRECTORY},
    {"export ordinals outside", EXPORTS + 0x24, 4, 0x6FFE, PE_E_EXPORT_DIRECTORY},

    {"load configuration of 3 bytes", LC, 4, 3, PE_E_LOAD_CONFIG},
    {"security cookie outside", LC + 0x58, 8, BUILT_BASE + BUILT_IMAGE_SIZE, PE_E_LOAD_CONFIG},
    {"metadata below the image", LC + 0xC8, 8, BUILT_BASE - 4, PE_E_CHPE_POINTER},
    {"metadata at the very end", LC + 0xC8, 8, BUILT_BASE + BUILT_IMAGE_SIZE - 2, PE_E_CHPE_POINTER},
    {"metadata an absurd pointer", LC + 0xC8, 8, 0xFFFFFFFFFFFFFFFF, PE_E_CHPE_POINTER},

    {"metadata version 0", CHPE, 4, 0, PE_E_CHPE_VERSION},
    {"metadata version 3", CHPE, 4, 3, PE_E_CHPE_VERSION},
    {"code map outside", CHPE + 4, 4, BUILT_IMAGE_SIZE, PE_E_CHPE_TABLE},
    {"code map count wraps", CHPE + 8, 4, 0x20000000, PE_E_CHPE_TABLE},
    {"redirection count", CHPE + 0x34, 4, 0x1000, PE_E_CHPE_TABLE},
    {"extra unwind table size", CHPE + 0x44, 4, BUILT_IMAGE_SIZE + 1, PE_E_CHPE_TABLE},
    {"cell across the image's end", CHPE + 0x18, 4, BUILT_IMAGE_SIZE - 4, PE_E_CHPE_CELL},
    {"code type 3", CHPE + 0x90, 4, 0x2003, PE_E_CODE_MAP_TYPE},
    {"code range outside", CHPE + 0x94, 4, 0x5001, PE_E_CODE_MAP_RANGE},
    {"code ranges overlap", CHPE + 0x84, 4, 0x1001, PE_E_CODE_MAP_ORDER},
    {"code ranges share a page", CHPE + 0x90, 4, 0x1F05, PE_E_CODE_MAP_MIXED_PAGE},
    {"redirections unsorted", CHPE + 0xA0, 4, 0x2111, PE_E_REDIRECTION_ORDER},
    {"redirection outside", CHPE + 0xA4, 4, BUILT_IMAGE_SIZE, PE_E_REDIRECTION_TARGET},

    {"table in section 6 of 5", LC + 0xE4, 2, 6, PE_E_DVRT_SECTION},
    {"table past its section", LC + 0xE0, 4, 0x1000, PE_E_DVRT_OFFSET},
    {"table offset wraps", LC + 0xE0, 4, 0xFFFFFFF8, PE_E_DVRT_OFFSET},
    {"table header cut", SECTION(4) + 8, 4, BUILT_RELOC_SIZE + 7, PE_E_DVRT_SIZE},
    {"table version 3", DVRT_FILE, 4, 3, PE_E_DVRT_VERSION},
    {"table claims one byte too many", DVRT_FILE + 4, 4, 0x49, PE_E_DVRT_SIZE},
    {"table claims 4 GiB", DVRT_FILE + 4, 4, 0xFFFFFFFF, PE_E_DVRT_SIZE},
    {"table with half an entry", DVRT_FILE + 4, 4, 11, PE_E_DVRT_ENTRY_SIZE},
    {"entry larger than the table", DVRT_FILE + 0x10, 4, 0x3D, PE_E_DVRT_ENTRY_SIZE},
    {"entry size wraps", DVRT_FILE + 0x10, 4, 0xFFFFFFF4, PE_E_DVRT_ENTRY_SIZE},
    {"version 2 header of 23 bytes", DVRT_FILE, 4, 2, PE_E_DVRT_ENTRY_SIZE},
    {"block larger than the entry", DVRT_FILE + 0x18, 4, 0x40, PE_E_DVRT_BLOCK_SIZE},
    {"block of 4 bytes", DVRT_FILE + 0x18, 4, 4, PE_E_DVRT_BLOCK_SIZE},
    {"block of 0x1E bytes", DVRT_FILE + 0x18, 4, 0x1E, PE_E_DVRT_BLOCK_SIZE},
    {"block for half a page", DVRT_FILE + 0x34, 4, 0x5800, PE_E_DVRT_BLOCK_PAGE},
    {"block past the image", DVRT_FILE + 0x34, 4, 0x7000, PE_E_DVRT_BLOCK_PAGE},
    {"record of type 3", DVRT_FILE + 0x46, 2, 0xF070, PE_E_DVRT_RECORD_TYPE},
    {"value of one byte", DVRT_FILE + 0x1C, 2, 0x107C, PE_E_DVRT_RECORD_WIDTH},
    {"clear one byte", DVRT_FILE + 0x46, 2, 0x0070, PE_E_DVRT_RECORD_WIDTH},
    {"value past its block", DVRT_FILE + 0x4C, 2, 0xD244, PE_E_DVRT_RECORD_SIZE},
};

static bool seen[PE_STATUS_COUNT];

TEST(every_broken_field_is_refused_by_its_own_rule)
{
    for (unsigned i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const struct refusal *r = &refusals[i];
        uint8_t *p = malloc(BUILT_SIZE); // on the heap, so that the sanitizer sees a read past the end
        struct image image;
        build_image(p);
        for (uint32_t b = 0; b < r->width; b++) p[r->at + b] = (uint8_t)(r->value >> 8 * b);
        enum pe_status status = image_open(&image, p, BUILT_SIZE);
        if (status != r->rule) {
            printf("%s: expected %s, is %s\n", r->what, pe_status_name(r->rule), pe_status_name(status));
            check_failures++;
        }
        seen[status] = true;
        free(p);
    }
}

TEST(refusals_that_take_more_than_one_field)
{
    uint8_t p[BUILT_SIZE];
    struct image image;
    build_image(p);
    put32(p, SECTION(3) + 8, 0), put32(p, SECTION(3) + 16, 0); // neither virtual nor raw size
    EXPECT_EQ(PE_E_SECTION_SIZE, image_open(&image, p, sizeof p));
    build_image(p);
    put32(p, DVRT_FILE + 0x34, 0x6000), put16(p, DVRT_FILE + 0x46, 0xCFFC);
    EXPECT_EQ(PE_E_DVRT_TARGET, image_open(&image, p, sizeof p));
    seen[PE_E_DVRT_TARGET] = true;
    build_image(p);
    for (int i = 0; i < 5; i++) put32(p, SECTION(i) + 12, 0x10000 + 0x1000 * (i ? i + 1 : 0)); // a hole after the headers
    put32(p, OPT + 0x38, 0x16000), put32(p, OPT + 0x10, 0);
    put64(p, DIRECTORY(0), 0), put64(p, DIRECTORY(5), 0), put32(p, DIRECTORY(10), 0x12200), put64(p, LC + 0xC8, 0);
    EXPECT_EQ(PE_E_DVRT_TARGET, image_open(&image, p, sizeof p)); // page 0x5000 is in it now
    put32(p, DVRT_FILE + 0x34, 0x14000);
    EXPECT_EQ(PE_OK, image_open(&image, p, sizeof p));
}

// What only shows after the fixups were carried out.
TEST(fixups_may_not_change_what_both_views_share)
{
    static const struct {
        uint16_t record;
        uint32_t value;
        enum pe_status rule;
    } rows[] = {
        {0x5000 | 0x07C, 0xAA64, PE_E_DVRT_MACHINE},
        {0x5000 | 0x07E, 4, PE_E_DVRT_LAYOUT},                       // NumberOfSections
        {0x5000 | (OPT + 0x3A), 1, PE_E_DVRT_LAYOUT},                // SizeOfImage, upper half
        {0x5000 | (SECTION(2) + 12), 0x1000, PE_E_DVRT_LAYOUT},      // a section's address
        {0x5000 | (SECTION(0) + 38), 0xE000, PE_E_DVRT_LAYOUT},      // a section made writable
        {0x5000 | (OPT + 0x1A), 0x4000, PE_E_DVRT_LAYOUT},           // ImageBase
        {0x5000 | 0x03C, 0x80, PE_E_DVRT_LAYOUT},                    // e_lfanew
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t p[BUILT_SIZE];
        struct image image;
        struct image_view view;
        build_image(p);
        put16(p, DVRT_FILE + 0x1C, rows[i].record), put16(p, DVRT_FILE + 0x1E, (uint16_t)rows[i].value);
        EXPECT_EQ(PE_OK, image_open(&image, p, sizeof p));
        struct host_view native = host_native_view(&image), ec;
        EXPECT_EQ(PE_OK, host_ec_view(&image, &native, &ec));
        struct pe_bytes e = host_bytes(&ec);
        enum pe_status status = image_read_ec_view(&image, &e, &view);
        EXPECT_EQ(rows[i].rule, status);
        seen[status] = true;
        host_free_view(&ec), host_free_view(&native);
    }
}

TEST(fixups_may_not_change_the_base_relocations)
{
    for (int i = 0; i < 2; i++) {
        uint8_t p[BUILT_SIZE];
        struct image image;
        struct image_view view;
        build_image(p);
        if (i == 0) { // the directory's size instead of the entry point
            put16(p, DVRT_FILE + 0x20, 0x9000 | (DIRECTORY(5) + 4)), put32(p, DVRT_FILE + 0x22, 0x18);
        } else { // an entry of the list: a valid one, but another place
            put32(p, DVRT_FILE + 0x34, 0x6000), put16(p, DVRT_FILE + 0x3C, 0xD008), put64(p, DVRT_FILE + 0x3E, 0xA2D0);
            put16(p, DVRT_FILE + 0x46, 0xC100);
        }
        EXPECT_EQ(PE_OK, image_open(&image, p, sizeof p));
        struct host_view native = host_native_view(&image), ec;
        EXPECT_EQ(PE_OK, host_ec_view(&image, &native, &ec));
        struct pe_bytes e = host_bytes(&ec);
        enum pe_status status = image_read_ec_view(&image, &e, &view);
        EXPECT_EQ(PE_E_DVRT_BASE_RELOCS, status);
        seen[status] = true;
        host_free_view(&ec), host_free_view(&native);
    }
}

TEST(a_missing_page_is_reported_and_not_written)
{
    uint8_t p[BUILT_SIZE];
    struct image image;
    build_image(p);
    EXPECT_EQ(PE_OK, image_open(&image, p, sizeof p));
    struct host_view native = host_native_view(&image);
    free(native.own[5]);
    native.own[5] = NULL;
    struct pe_bytes file = pe_file_bytes(&image.file);
    struct pe_pages pages = host_pages(&native);
    EXPECT_EQ(PE_E_PAGE_MISSING, dvrt_apply(&image.dvrt, &file, &image.file.layout, &pages));
    seen[PE_E_PAGE_MISSING] = true;
    host_free_view(&native);
}

TEST(a_truncated_file_is_refused_at_every_length)
{
    uint8_t whole[BUILT_SIZE];
    build_image(whole);
    for (uint32_t size = 0; size < BUILT_SIZE; size++) {
        uint8_t *p = malloc(size ? size : 1);
        struct image image;
        memcpy(p, whole, size);
        enum pe_status status = image_open(&image, p, size);
        if (status == PE_OK) printf("accepted at %u bytes\n", size), check_failures++;
        seen[status] = true;
        free(p);
    }
}

// Named last, so that it runs last: it looks at what the others saw.
TEST(z_every_rule_was_broken_by_some_test)
{
    static const enum pe_status elsewhere[] = {
        PE_OK, PE_E_EXPORT_ORDINAL, PE_E_EXPORT_NOT_FOUND, PE_E_EXPORT_TARGET, // broken_exports_are_named
        PE_E_RELOC_STRIPPED,                                                  // a matter of the mapping
    };
    for (unsigned i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) seen[elsewhere[i]] = true;
    for (int i = 0; i < PE_STATUS_COUNT; i++) {
        if (!seen[i]) printf("%s was never seen\n", pe_status_name(i)), check_failures++;
        EXPECT(strlen(pe_status_text(i)) > 5 && !strchr(pe_status_text(i), '\n'));
    }
    EXPECT(!strcmp(pe_status_name(PE_E_DVRT_SIZE), "PE_E_DVRT_SIZE"));
    EXPECT(!strcmp(pe_status_name((enum pe_status)9999), "PE_E_?"));
}

TEST_MAIN
