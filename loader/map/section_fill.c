// SPDX-License-Identifier: MIT
// From the bytes of a file to frames. The native view is the file. The EC view of an Arm64X image begins as the same frames;
// the pages that dynamic relocations touch are copied and edited, before base relocations, because the edits are
// written for the preferred base. A relocated word that crosses from a page of one kind to the other makes both pages
// the EC view's own: its halves cannot be adjusted apart (the carry of the lower one belongs to the upper).
#include "loader/map/section.h"

#include "loader/pe/pe_reloc.h"
#include "mm/heap.h"

static const uint8_t *frame_at(const void *context, uint32_t rva, uint32_t *run)
{
    const struct section_reader *reader = context;
    const struct image_section *s = reader->section;
    *run = PE_PAGE_SIZE - rva % PE_PAGE_SIZE;
    pa_t frame = s->frames[reader->view][rva / PE_PAGE_SIZE];
    if (frame) return (const uint8_t *)frame_pointer(frame) + rva % PE_PAGE_SIZE;
    if (!pe_layout_region(&s->image.file.layout, rva)) *run = 0; // a hole, not zeros
    return 0;
}

struct pe_bytes section_bytes(const struct section_reader *reader)
{
    return (struct pe_bytes){frame_at, reader, reader->section->image.file.layout.size_of_image};
}

// The pages that may be written while the section is made: all of the native view, the EC view's own.
static uint8_t *writable_page(void *context, uint32_t page)
{
    const struct section_reader *reader = context;
    const struct image_section *s = reader->section;
    if (page >= s->page_count || (reader->view == VIEW_EC && !(s->flags[page] & PAGE_EC_OWN))) return 0;
    pa_t frame = s->frames[reader->view][page];
    return frame ? frame_pointer(frame) : 0;
}

// Mark the pages of a changed range; both when it crosses a page end. The range lies inside the image.
static void mark(struct image_section *s, uint32_t rva, uint32_t size, uint8_t flag)
{
    s->flags[rva / PE_PAGE_SIZE] |= flag;
    s->flags[(rva + size - 1) / PE_PAGE_SIZE] |= flag;
}

static uint32_t image_base_rva(const struct image_section *s)
{
    return s->image.file.layout.nt_offset + NT_OPTIONAL + OPT_IMAGE_BASE;
}

static void mark_relocated_pages(struct image_section *s, const struct pe_bytes *file)
{
    struct pe_reloc_iter it;
    uint32_t rva;
    pe_reloc_begin(&it, file, &s->image.file.layout, &s->image.native.facts);
    while (pe_reloc_next(&it, &rva)) mark(s, rva, 8, PAGE_HAS_RELOCS);
    mark(s, image_base_rva(s), 8, PAGE_HAS_RELOCS);
}

// A word that has one page of the EC view's own gets the other too. True when that changed something.
static bool join_pages(struct image_section *s, uint32_t rva)
{
    uint8_t *first = &s->flags[rva / PE_PAGE_SIZE], *last = &s->flags[(rva + 7) / PE_PAGE_SIZE];
    if ((*first & PAGE_EC_OWN) == (*last & PAGE_EC_OWN)) return false;
    *first |= PAGE_EC_OWN, *last |= PAGE_EC_OWN;
    return true;
}

static void mark_ec_pages(struct image_section *s, const struct pe_bytes *file)
{
    const struct pe_layout *layout = &s->image.file.layout;
    struct dvrt_iter fixups;
    struct fixup f;
    dvrt_begin(&fixups, &s->image.dvrt, file, layout);
    while (dvrt_next(&fixups, &f)) mark(s, f.rva, f.size, PAGE_EC_OWN);
    for (bool changed = true; changed;) {
        struct pe_reloc_iter it;
        uint32_t rva;
        changed = join_pages(s, image_base_rva(s));
        pe_reloc_begin(&it, file, layout, &s->image.native.facts);
        while (pe_reloc_next(&it, &rva)) changed |= join_pages(s, rva);
    }
}

// A page without bytes needs no frame here: every process gets zeros at the first touch. That also keeps a small file
// that declares gigabytes from taking the machine's memory.
static bool is_demand_zero(const struct image_section *s, uint32_t page, struct pe_page_plan plan)
{
    return !plan.file_size && !(plan.protection & PE_PROT_SHARED) && !(s->flags[page] & (PAGE_HAS_RELOCS | PAGE_EC_OWN));
}

static bool take_native_frames(struct image_section *s)
{
    const struct pe_file *file = &s->image.file;
    for (uint32_t page = 0; page < s->page_count; page++) {
        struct pe_page_plan plan = pe_layout_page(&file->layout, page);
        if (!pe_layout_region(&file->layout, page * PE_PAGE_SIZE) || is_demand_zero(s, page, plan)) continue;
        if (frame_take(FRAME_IMAGE, &s->frames[VIEW_NATIVE][page])) return false;
        __builtin_memcpy(frame_pointer(s->frames[VIEW_NATIVE][page]), file->data + plan.file_offset, plan.file_size);
    }
    return true;
}

static bool take_ec_frames(struct image_section *s)
{
    for (uint32_t page = 0; page < s->page_count; page++) {
        pa_t frame = s->frames[VIEW_NATIVE][page];
        if (!(s->flags[page] & PAGE_EC_OWN)) {
            s->frames[VIEW_EC][page] = frame;
            continue;
        }
        if (frame_take(FRAME_IMAGE, &s->frames[VIEW_EC][page])) return false;
        __builtin_memcpy(frame_pointer(s->frames[VIEW_EC][page]), frame_pointer(frame), PE_PAGE_SIZE);
    }
    return true;
}

static void mark_code_pages(struct image_section *s, int view, uint8_t flag)
{
    struct section_reader reader = {s, view};
    struct pe_bytes bytes = section_bytes(&reader);
    for (uint32_t page = 0; page < s->page_count; page++)
        if ((pe_layout_page(&s->image.file.layout, page).protection & PE_PROT_EXECUTE) &&
            image_page_is_arm64_code(section_view(s, view), &bytes, page))
            s->flags[page] |= flag;
}

static enum pe_status make_ec_view(struct image_section *s, const struct pe_bytes *file)
{
    struct section_reader reader = {s, VIEW_EC};
    struct pe_pages pages = {writable_page, &reader};
    struct pe_bytes bytes = section_bytes(&reader);
    enum pe_status status = dvrt_apply(&s->image.dvrt, file, &s->image.file.layout, &pages);
    if (!status) status = image_read_ec_view(&s->image, &bytes, &s->ec_view);
    if (!status) mark_code_pages(s, VIEW_EC, PAGE_CODE_EC);
    return status;
}

static enum pe_status relocate(struct image_section *s, int view, const struct pe_bytes *file)
{
    struct section_reader reader = {s, view};
    struct pe_pages pages = {writable_page, &reader};
    return pe_reloc_apply(file, &s->image.file.layout, &s->image.native.facts, &pages, s->base);
}

enum section_outcome section_fill(struct image_section *s, enum pe_status *rule)
{
    bool arm64x = s->image.class == IMAGE_ARM64X;
    struct pe_bytes file = pe_file_bytes(&s->image.file);
    s->page_count = pe_layout_page_count(&s->image.file.layout);
    s->flags = heap_take(s->page_count);
    s->frames[VIEW_NATIVE] = heap_take(s->page_count * sizeof(pa_t));
    s->frames[VIEW_EC] = arm64x ? heap_take(s->page_count * sizeof(pa_t)) : 0;
    if (!s->flags || !s->frames[VIEW_NATIVE] || (arm64x && !s->frames[VIEW_EC])) return SECTION_NO_MEMORY;

    mark_relocated_pages(s, &file);
    if (arm64x) mark_ec_pages(s, &file);
    if (!take_native_frames(s) || (arm64x && !take_ec_frames(s))) return SECTION_NO_MEMORY;
    mark_code_pages(s, VIEW_NATIVE, PAGE_CODE_NATIVE);
    *rule = arm64x ? make_ec_view(s, &file) : PE_OK;
    if (*rule) return SECTION_MALFORMED;

    if (s->base != s->image.native.facts.image_base) {
        *rule = relocate(s, VIEW_NATIVE, &file);
        if (!*rule && arm64x) *rule = relocate(s, VIEW_EC, &file);
        if (*rule) return SECTION_MALFORMED;
    }
    s->image.native.facts.image_base = s->ec_view.facts.image_base = s->base;
    return SECTION_OK;
}

void section_free(struct image_section *s)
{
    for (uint32_t page = 0; s->flags && page < s->page_count; page++) { // without flags no frame was taken
        if (s->frames[VIEW_EC] && (s->flags[page] & PAGE_EC_OWN) && s->frames[VIEW_EC][page])
            frame_give(s->frames[VIEW_EC][page]);
        if (s->frames[VIEW_NATIVE] && s->frames[VIEW_NATIVE][page]) frame_give(s->frames[VIEW_NATIVE][page]);
    }
    heap_give(s->frames[VIEW_NATIVE]);
    heap_give(s->frames[VIEW_EC]);
    heap_give(s->flags);
    heap_give(s);
}
