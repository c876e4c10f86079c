// SPDX-License-Identifier: MIT
// Images made by a real linker (tests/images/): each class is recognised, and each view of the Arm64X ones has its own
// machine, entry point, exports, imports and unwind table.
#include "tests/host/check.h"
#include "tests/host/pe_builder.h"

#include "loader/pe/pe_export.h"
#include "loader/pe/pe_reloc.h"

struct loaded {
    void *data;
    struct image image;
    struct host_view native, ec;
    struct image_view view; // EC, for Arm64X
};

static bool load(struct loaded *l, const char *name)
{
    char path[512];
    const char *build = getenv("JANUS_BUILD");
    memset(l, 0, sizeof *l);
    snprintf(path, sizeof path, "%s/test-images/%s", build ? build : "build", name);
    FILE *f = fopen(path, "rb");
    if (!f) {
        printf("%s is not there\n", path);
        check_failures++;
        return false;
    }
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    l->data = malloc((size_t)size);
    if (fread(l->data, 1, (size_t)size, f) != (size_t)size) size = 0;
    fclose(f);
    enum pe_status status = image_open(&l->image, l->data, (uint64_t)size);
    if (status) printf("%s: %s\n", name, pe_status_text(status)), check_failures++;
    if (!status) l->native = host_native_view(&l->image);
    if (!status && l->image.class == IMAGE_ARM64X) {
        EXPECT_EQ(PE_OK, host_ec_view(&l->image, &l->native, &l->ec));
        struct pe_bytes bytes = host_bytes(&l->ec);
        EXPECT_EQ(PE_OK, image_read_ec_view(&l->image, &bytes, &l->view));
    }
    return !status;
}

static void unload(struct loaded *l)
{
    host_free_view(&l->ec), host_free_view(&l->native);
    free(l->data);
}

static uint32_t export_rva(const struct pe_bytes *bytes, const struct pe_facts *facts, const char *name)
{
    struct pe_export_table t;
    struct pe_export e;
    if (pe_export_open(&t, bytes, facts) || pe_find_export(bytes, &t, name, &e) || e.forwarder) return 0;
    return e.rva;
}

// The names a view imports from its first DLL, in order and separated by blanks, read as ntdll will read them.
static void import_names(const struct pe_bytes *b, const struct pe_facts *facts, char *out, size_t size)
{
    uint32_t dir = facts->directories[PE_DIR_IMPORT].rva, lookup, dll;
    out[0] = 0;
    if (!dir || !pe_read_u32(b, dir, &lookup) || !pe_read_u32(b, dir + 12, &dll) || !lookup) return;
    uint64_t entry;
    for (; pe_read_u64(b, lookup, &entry) && entry; lookup += 8) {
        char name[64] = "#";
        if (!(entry >> 63)) pe_read(b, (uint32_t)entry + 2, name, sizeof name - 1);
        if (out[0]) strncat(out, " ", size - strlen(out) - 1);
        strncat(out, name, size - strlen(out) - 1);
    }
}

TEST(x64_library)
{
    struct loaded l;
    if (!load(&l, "library.x64.dll")) return;
    EXPECT_EQ(IMAGE_X64, l.image.class);
    struct pe_bytes b = host_bytes(&l.native);
    EXPECT(export_rva(&b, &l.image.native.facts, "architecture") != 0);
    EXPECT(export_rva(&b, &l.image.native.facts, "unexported") == 0);
    EXPECT(!image_page_is_arm64_code(&l.image.native, &b, l.image.native.facts.entry_rva / 4096));
    EXPECT_EQ(3, l.image.native.reloc_count); // operations[2], architecture_pointer
    unload(&l);
}

TEST(arm64_library)
{
    struct loaded l;
    if (!load(&l, "library.arm64.dll")) return;
    EXPECT_EQ(IMAGE_ARM64, l.image.class);
    struct pe_bytes b = host_bytes(&l.native);
    EXPECT(image_page_is_arm64_code(&l.image.native, &b, l.image.native.facts.entry_rva / 4096));
    unload(&l);
}

TEST(arm64ec_library)
{
    struct loaded l;
    if (!load(&l, "library.arm64ec.dll")) return;
    EXPECT_EQ(IMAGE_ARM64EC, l.image.class);
    const struct image_view *v = &l.image.native;
    struct pe_bytes b = host_bytes(&l.native);
    uint32_t stub = export_rva(&b, &v->facts, "apply"), body = chpe_redirect(&b, &v->chpe, stub);
    EXPECT(stub && body != stub);
    EXPECT_EQ(CODE_ARM64EC, chpe_page_type(&b, &v->chpe, body / 4096));
    EXPECT(chpe_page_type(&b, &v->chpe, stub / 4096) != CODE_ARM64EC);
    // the stub is the x64 fast-forward sequence and jumps to the body
    uint8_t code[14];
    static const uint8_t sequence[] = {0x48, 0x8B, 0xC4, 0x48, 0x89, 0x58, 0x20, 0x55, 0x5D, 0xE9};
    EXPECT(pe_read(&b, stub, code, sizeof code) && !memcmp(code, sequence, sizeof sequence));
    uint32_t displacement;
    EXPECT(pe_read_u32(&b, stub + 10, &displacement));
    EXPECT_EQ(body, stub + 14 + displacement);
    EXPECT(v->chpe.dispatch_ret_cell && v->chpe.dispatch_icall_cell && v->chpe.dispatch_fptr_cell);
    unload(&l);
}

TEST(arm64x_library_has_two_faces)
{
    struct loaded l;
    if (!load(&l, "library.arm64x.dll")) return;
    EXPECT_EQ(IMAGE_ARM64X, l.image.class);
    const struct image_view *n = &l.image.native, *e = &l.view;
    struct pe_bytes nb = host_bytes(&l.native), eb = host_bytes(&l.ec);
    EXPECT_EQ(0xAA64, n->facts.machine);
    EXPECT_EQ(0x8664, e->facts.machine);
    EXPECT(n->facts.entry_rva != e->facts.entry_rva);
    EXPECT(n->facts.directories[PE_DIR_EXPORT].rva != e->facts.directories[PE_DIR_EXPORT].rva);
    EXPECT(n->facts.directories[PE_DIR_LOAD_CONFIG].rva != e->facts.directories[PE_DIR_LOAD_CONFIG].rva);
    EXPECT_EQ(n->reloc_count, e->reloc_count);
    EXPECT_EQ(n->facts.chpe_rva, e->facts.chpe_rva);
    static const char *const names[] = {"architecture", "apply", "call_back"};
    for (int i = 0; i < 3; i++) {
        uint32_t native = export_rva(&nb, &n->facts, names[i]), stub = export_rva(&eb, &e->facts, names[i]);
        uint32_t body = chpe_redirect(&eb, &e->chpe, stub);
        EXPECT_EQ(CODE_ARM64, chpe_page_type(&nb, &n->chpe, native / 4096));
        EXPECT(image_page_is_arm64_code(n, &nb, native / 4096));
        EXPECT(!image_page_is_arm64_code(e, &eb, native / 4096));
        EXPECT(body != stub && image_page_is_arm64_code(e, &eb, body / 4096));
        EXPECT(!image_page_is_arm64_code(e, &eb, stub / 4096));
        EXPECT(!image_page_is_arm64_code(n, &nb, stub / 4096));
    }
    // each view's entry point is of its own kind, and each names the other's
    EXPECT(image_page_is_arm64_code(n, &nb, n->facts.entry_rva / 4096));
    EXPECT(chpe_redirect(&eb, &e->chpe, e->facts.entry_rva) != e->facts.entry_rva);
    EXPECT_EQ(n->facts.entry_rva, e->chpe.alternate_entry_rva);
    // few pages differ, and code never does
    uint32_t own = 0;
    for (uint32_t i = 0; i < l.ec.page_count; i++)
        if (l.ec.own[i]) {
            own++;
            EXPECT(!(pe_layout_page(&l.image.file.layout, i).protection & PE_PROT_EXECUTE));
        }
    EXPECT(own >= 1 && own <= 3);
    unload(&l);
}

TEST(arm64x_importer_imports_what_each_view_needs)
{
    struct loaded l;
    if (!load(&l, "importer.arm64x.dll")) return;
    EXPECT_EQ(IMAGE_ARM64X, l.image.class);
    struct pe_bytes nb = host_bytes(&l.native), eb = host_bytes(&l.ec);
    char names[256];
    import_names(&nb, &l.image.native.facts, names, sizeof names);
    EXPECT(!strcmp(names, "apply architecture"));
    import_names(&eb, &l.view.facts, names, sizeof names);
    EXPECT(!strcmp(names, "architecture call_back") || !strcmp(names, "call_back architecture"));
    printf("  EC view imports: %s\n", names);
    EXPECT(export_rva(&nb, &l.image.native.facts, "native_only") && !export_rva(&nb, &l.image.native.facts, "ec_only"));
    EXPECT(export_rva(&eb, &l.view.facts, "ec_only") && !export_rva(&eb, &l.view.facts, "native_only"));
    EXPECT(l.view.chpe.auxiliary_iat_rva && l.view.chpe.auxiliary_iat_copy_rva);
    // deltas and cleared slots did occur
    unsigned kinds[3] = {0};
    struct pe_bytes file = pe_file_bytes(&l.image.file);
    struct dvrt_iter it;
    struct fixup f;
    dvrt_begin(&it, &l.image.dvrt, &file, &l.image.file.layout);
    while (dvrt_next(&it, &f)) kinds[f.kind]++;
    EXPECT(kinds[FIXUP_VALUE] >= 5 && kinds[FIXUP_DELTA] == 2 && kinds[FIXUP_ZEROFILL] == 2);
    unload(&l);
}

TEST(x64_code_can_be_the_other_view)
{
    struct loaded l;
    if (!load(&l, "library.mixed.dll")) return;
    EXPECT_EQ(IMAGE_ARM64X, l.image.class);
    struct pe_bytes nb = host_bytes(&l.native), eb = host_bytes(&l.ec);
    uint32_t native = export_rva(&nb, &l.image.native.facts, "architecture"), x64 = export_rva(&eb, &l.view.facts, "architecture");
    EXPECT(native && x64 && native != x64);
    EXPECT_EQ(CODE_ARM64, chpe_page_type(&nb, &l.image.native.chpe, native / 4096));
    EXPECT_EQ(CODE_X64, chpe_page_type(&eb, &l.view.chpe, x64 / 4096));
    EXPECT_EQ(x64, chpe_redirect(&eb, &l.view.chpe, x64)); // nothing stands behind it
    EXPECT(!image_page_is_arm64_code(&l.view, &eb, x64 / 4096));
    EXPECT(!image_page_is_arm64_code(&l.image.native, &nb, x64 / 4096));
    unload(&l);
}

TEST(every_linked_image_can_be_moved)
{
    static const char *const names[] = {"library.x64.dll", "library.arm64.dll", "library.arm64ec.dll", "library.arm64x.dll",
                                        "library.mixed.dll", "importer.arm64x.dll"};
    for (int i = 0; i < 6; i++) {
        struct loaded l;
        if (!load(&l, names[i])) continue;
        const struct pe_layout *layout = &l.image.file.layout;
        struct pe_bytes file = pe_file_bytes(&l.image.file), moved = host_bytes(&l.native);
        struct pe_pages pages = host_pages(&l.native);
        uint64_t base = 0x7FFA00010000, delta = base - layout->image_base;
        EXPECT_EQ(PE_OK, pe_reloc_apply(&file, layout, &l.image.native.facts, &pages, base));
        struct pe_reloc_iter it;
        uint32_t rva, count = 0;
        pe_reloc_begin(&it, &file, layout, &l.image.native.facts);
        for (; pe_reloc_next(&it, &rva); count++) {
            uint64_t before = 0, after = 0;
            EXPECT(pe_read_u64(&file, rva, &before) && pe_read_u64(&moved, rva, &after));
            EXPECT_EQ(before + delta, after);
        }
        EXPECT(count > 0);
        struct pe_facts facts;
        EXPECT_EQ(PE_OK, pe_facts_read(&facts, &moved, layout));
        EXPECT_EQ(base, facts.image_base);
        EXPECT_EQ(l.image.native.facts.chpe_rva, facts.chpe_rva);
        unload(&l);
    }
}

TEST_MAIN
