// SPDX-License-Identifier: MIT
// Fuzz target of the image parsers: whatever the bytes are, opening, both views, relocation, metadata and exports end
// with a status and touch nothing outside their buffers.
// tests/host/pe_fuzz_test.c drives the same function with a fixed seed.
#include "tests/host/pe_builder.h"

#include "loader/pe/pe_export.h"
#include "loader/pe/pe_reloc.h"

#define LARGEST_IMAGE (4u << 20) // pages are really allocated

static void walk_exports(const struct pe_bytes *bytes, const struct pe_facts *facts)
{
    struct pe_export_table t;
    struct pe_export e;
    uint32_t name;
    if (pe_export_open(&t, bytes, facts)) return;
    for (uint32_t i = 0; i < t.name_count && i < 1000; i++) {
        int order;
        if (!pe_export_at(bytes, &t, i, &name, &e)) pe_compare_string(bytes, name, "apply", &order);
        pe_find_export_ordinal(bytes, &t, t.ordinal_base + i, &e);
    }
    pe_find_export(bytes, &t, "delta", &e);
}

static void walk_view(const struct image_view *view, const struct pe_bytes *bytes, const struct pe_layout *layout)
{
    walk_exports(bytes, &view->facts);
    for (uint32_t page = 0; page < pe_layout_page_count(layout); page++) image_page_is_arm64_code(view, bytes, page);
    chpe_redirect(bytes, &view->chpe, view->facts.entry_rva);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image image;
    struct image_view ec_view;
    if (image_open(&image, data, size)) return 0;
    const struct pe_layout *layout = &image.file.layout;
    struct pe_bytes file = pe_file_bytes(&image.file);
    if (layout->size_of_image > LARGEST_IMAGE) return 0;
    walk_view(&image.native, &file, layout);

    struct host_view native = host_native_view(&image), ec = {0};
    struct pe_bytes bytes = host_bytes(&native);
    walk_view(&image.native, &bytes, layout);
    if (image.class == IMAGE_ARM64X) {
        // Everything was checked by image_open, so from here on only the result of the fixups can be wrong.
        if (host_ec_view(&image, &native, &ec) != PE_OK) abort();
        bytes = host_bytes(&ec);
        if (!image_read_ec_view(&image, &bytes, &ec_view)) {
            walk_view(&ec_view, &bytes, layout);
            struct pe_pages pages = host_pages(&ec);
            pe_reloc_apply(&file, layout, &ec_view.facts, &pages, 0x7FFA00000000);
            walk_view(&ec_view, &bytes, layout);
        }
    }
    struct pe_pages pages = host_pages(&native);
    if (pe_reloc_apply(&file, layout, &image.native.facts, &pages, 0x7FFA00000000) != PE_OK) abort();
    host_free_view(&ec), host_free_view(&native);
    return 0;
}
