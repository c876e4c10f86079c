// SPDX-License-Identifier: MIT
// Views of image sections in address spaces.
#include "loader/map/section.h"

#include "kernel/abi/syscall.h"
#include "kernel/log.h"
#include "loader/pe/pe_reloc.h"
#include "mm/heap.h"

static struct image_mapping *mappings; // section_lock; newest first, so sequence falls along the list
static uint64_t last_sequence;

// ---- private copies for a process that has the image elsewhere ------------------------------------------------------

struct moved {
    const struct image_section *section;
    pa_t *frames; // one a page, 0 where the section's own frame serves
};

static uint8_t *moved_page(void *context, uint32_t page)
{
    const struct moved *m = context;
    return page < m->section->page_count && m->frames[page] ? frame_pointer(m->frames[page]) : 0;
}

static void moved_free(struct moved *m)
{
    for (uint32_t page = 0; m->frames && page < m->section->page_count; page++)
        if (m->frames[page]) frame_give(m->frames[page]);
    heap_give(m->frames);
}

// Copies of the pages that hold base relocations, adjusted for `base`.
static status_t moved_make(struct moved *m, const struct image_section *s, int view, uva_t base, enum pe_status *rule)
{
    *m = (struct moved){s, heap_take(s->page_count * sizeof(pa_t))};
    if (!m->frames) return STATUS_NO_MEMORY;
    for (uint32_t page = 0; page < s->page_count; page++) {
        if (!(s->flags[page] & PAGE_HAS_RELOCS)) continue;
        if (frame_take(FRAME_IMAGE, &m->frames[page])) return STATUS_NO_MEMORY;
        __builtin_memcpy(frame_pointer(m->frames[page]), frame_pointer(s->frames[view][page]), PE_PAGE_SIZE);
    }
    struct section_reader reader = {s, view};
    struct pe_bytes bytes = section_bytes(&reader);
    struct pe_pages pages = {moved_page, m};
    *rule = pe_reloc_apply(&bytes, &s->image.file.layout, &section_view(s, view)->facts, &pages, base);
    return *rule ? STATUS_INVALID_IMAGE_FORMAT : STATUS_SUCCESS;
}

// ---- mapping --------------------------------------------------------------------------------------------------------

// Writable pages are copied at the first write unless the section is declared shared. Code that this view must not run
// natively: in an x64 process the missing EC bit keeps EL0 from it; an Arm64 process has no use for x64 code at all.
static uint32_t page_protection(uint8_t wanted, bool arm64_code, bool x64_process)
{
    bool shared = wanted & PE_PROT_SHARED;
    if (!x64_process && !arm64_code) wanted &= ~PE_PROT_EXECUTE;
    switch (wanted & (PE_PROT_READ | PE_PROT_WRITE | PE_PROT_EXECUTE)) {
    case PE_PROT_READ: return PAGE_READONLY;
    case PE_PROT_READ | PE_PROT_EXECUTE: return PAGE_EXECUTE_READ;
    case PE_PROT_READ | PE_PROT_WRITE: return shared ? PAGE_READWRITE : PAGE_WRITECOPY;
    case PE_PROT_READ | PE_PROT_WRITE | PE_PROT_EXECUTE:
        return shared ? PAGE_EXECUTE_READWRITE : PAGE_EXECUTE_WRITECOPY;
    default: return PAGE_NOACCESS;
    }
}

struct page_run {
    uint32_t protection;
    bool hole, zero, ec;
};

static struct page_run describe(const struct image_section *s, int view, bool x64_process, uint32_t page)
{
    if (!pe_layout_region(&s->image.file.layout, page * PE_PAGE_SIZE)) return (struct page_run){.hole = true};
    bool ec = s->flags[page] & (view == VIEW_EC ? PAGE_CODE_EC : PAGE_CODE_NATIVE);
    uint8_t wanted = pe_layout_page(&s->image.file.layout, page).protection;
    return (struct page_run){page_protection(wanted, ec, x64_process), false, !s->frames[view][page], ec};
}

static bool same_run(struct page_run a, struct page_run b)
{
    return a.protection == b.protection && a.hole == b.hole && a.zero == b.zero && a.ec == b.ec;
}

static status_t map_run(const struct image_section *s, int view, struct aspace *as, uva_t base, struct page_run run,
                        uint32_t page, uint32_t count, const struct moved *moved)
{
    uva_t at = base + (uint64_t)page * PE_PAGE_SIZE;
    uint32_t flags = run.ec ? REGION_EC : 0;
    if (run.hole) return STATUS_SUCCESS;
    if (run.zero) {
        uint32_t protection = run.protection == PAGE_WRITECOPY           ? PAGE_READWRITE
                            : run.protection == PAGE_EXECUTE_WRITECOPY ? PAGE_EXECUTE_READWRITE
                                                                       : run.protection;
        return aspace_commit(as, at, (uint64_t)count * PE_PAGE_SIZE, protection, flags);
    }
    for (uint32_t done = 0; done < count;) { // a moved image alternates between its own and the section's frames
        const pa_t *own = moved->frames ? &moved->frames[page + done] : 0;
        bool from_own = own && *own;
        uint32_t n = 1;
        while (done + n < count && (own && own[n] ? true : false) == from_own) n++;
        const pa_t *frames = from_own ? own : &s->frames[view][page + done];
        status_t status = aspace_map_frames(as, at + (uint64_t)done * PE_PAGE_SIZE, frames, n, run.protection, flags);
        if (status) return status;
        done += n;
    }
    return STATUS_SUCCESS;
}

static status_t map_pages(const struct image_section *s, int view, struct aspace *as, bool x64_process, uva_t base,
                          const struct moved *moved)
{
    for (uint32_t page = 0; page < s->page_count;) {
        struct page_run run = describe(s, view, x64_process, page);
        uint32_t count = 1;
        while (page + count < s->page_count && same_run(run, describe(s, view, x64_process, page + count))) count++;
        status_t status = map_run(s, view, as, base, run, page, count, moved);
        if (status) return status;
        page += count;
    }
    return STATUS_SUCCESS;
}

static status_t reserve(const struct image_section *s, struct aspace *as, uva_t *base, struct image_refusal *why)
{
    bool anywhere_else = !*base && section_is_relocatable(s);
    uint64_t size = image_section_size(s);
    if (!*base) *base = s->base;
    status_t status = *base == s->base || section_is_relocatable(s)
                        ? aspace_allocate(as, base, &size, PAGE_EXECUTE_WRITECOPY, REGION_IMAGE)
                        : STATUS_CONFLICTING_ADDRESSES;
    if (status && status != STATUS_NO_MEMORY && anywhere_else) {
        *base = 0, size = image_section_size(s);
        status = aspace_allocate(as, base, &size, PAGE_EXECUTE_WRITECOPY, REGION_IMAGE);
    }
    if (!status) return status;
    if (section_is_relocatable(s)) section_refuse(why, s->name, PE_OK, "there is no room for the image");
    else section_refuse(why, s->name, PE_E_RELOC_STRIPPED, pe_status_text(PE_E_RELOC_STRIPPED));
    return status;
}

static void add_mapping(struct image_mapping *m)
{
    spin_lock(&section_lock);
    m->section->references++;
    m->sequence = ++last_sequence;
    m->next = mappings;
    mappings = m;
    spin_unlock(&section_lock);
}

status_t image_section_map(struct image_section *s, struct aspace *as, uint16_t machine, uva_t *base, uint64_t *size,
                           struct image_refusal *why)
{
    bool x64_process = machine == IMAGE_FILE_MACHINE_AMD64, ec_view;
    if (!image_loads_in(s->image.class, machine, &ec_view)) {
        char text[96];
        format_text(text, sizeof text, "an image of class %s cannot be loaded into an %s process",
                    image_class_name(s->image.class), x64_process ? "x64" : "Arm64");
        section_refuse(why, s->name, PE_OK, text);
        return STATUS_IMAGE_MACHINE_TYPE_MISMATCH;
    }
    int view = ec_view ? VIEW_EC : VIEW_NATIVE;
    struct moved moved = {s, 0};
    enum pe_status rule = PE_OK;
    struct image_mapping *mapping = heap_take(sizeof *mapping);
    status_t status = mapping ? reserve(s, as, base, why) : STATUS_NO_MEMORY;
    if (!status) {
        if (*base != s->base) status = moved_make(&moved, s, view, *base, &rule);
        if (!status) status = map_pages(s, view, as, x64_process, *base, &moved);
        if (status) {
            section_refuse(why, s->name, rule, rule ? pe_status_text(rule) : "the image could not be mapped");
            aspace_unmap(as, *base);
        }
    }
    moved_free(&moved); // the address space holds its own references
    if (status) {
        heap_give(mapping);
        return status;
    }
    *size = image_section_size(s);
    *mapping = (struct image_mapping){.as = as, .section = s, .base = *base, .size = *size, .ec_view = ec_view};
    add_mapping(mapping);
    return STATUS_SUCCESS;
}

// Takes the first mapping of the space, at base or (whole) anywhere, off the list.
static struct image_mapping *take_off(struct aspace *as, uva_t base, bool whole)
{
    spin_lock(&section_lock);
    struct image_mapping **link = &mappings;
    while (*link && !((*link)->as == as && (whole || (*link)->base == base))) link = &(*link)->next;
    struct image_mapping *m = *link;
    if (m) *link = m->next;
    spin_unlock(&section_lock);
    return m;
}

status_t image_section_unmap(struct aspace *as, uva_t base)
{
    struct image_mapping *m = take_off(as, base, false);
    if (!m) return STATUS_INVALID_PARAMETER;
    status_t status = aspace_unmap(as, base);
    section_release(m->section);
    heap_give(m);
    return status;
}

void image_section_unmap_all(struct aspace *as)
{
    for (struct image_mapping *m; (m = take_off(as, 0, true));) {
        section_release(m->section);
        heap_give(m);
    }
}

// ---- questions ------------------------------------------------------------------------------------------------------

static void fill_at(struct image_at *out, const struct image_mapping *m, uva_t address)
{
    *out = (struct image_at){
        .section = m->section,
        .base = m->base,
        .rva = (uint32_t)(address - m->base),
        .ec_view = m->ec_view,
        .at_own_base = m->base == m->section->base,
    };
}

bool image_section_at(struct aspace *as, uva_t address, struct image_at *out)
{
    bool found = false;
    spin_lock(&section_lock);
    for (const struct image_mapping *m = mappings; m && !found; m = m->next) {
        if (m->as != as || address - m->base >= m->size) continue;
        fill_at(out, m, address);
        found = true;
    }
    spin_unlock(&section_lock);
    return found;
}

bool image_section_next(struct aspace *as, uint64_t *cookie, struct image_at *out)
{
    const struct image_mapping *best = 0;
    spin_lock(&section_lock);
    for (const struct image_mapping *m = mappings; m; m = m->next)
        if (m->as == as && m->sequence > *cookie) best = m; // the list falls, so the last one met is the lowest
    if (best) {
        fill_at(out, best, best->base);
        *cookie = best->sequence;
    }
    spin_unlock(&section_lock);
    return best != 0;
}

void image_section_sharing(const struct image_section *s, struct image_sharing *out)
{
    *out = (struct image_sharing){0};
    spin_lock(&section_lock);
    for (const struct image_mapping *m = mappings; m; m = m->next) out->mappings += m->section == s;
    spin_unlock(&section_lock);
    for (int view = VIEW_NATIVE; view <= (s->image.class == IMAGE_ARM64X ? VIEW_EC : VIEW_NATIVE); view++) {
        for (uint32_t page = 0; page < s->page_count; page++) {
            pa_t frame = s->frames[view][page];
            bool own = s->flags[page] & PAGE_EC_OWN;
            if (!frame || (view == VIEW_EC && !own)) continue; // counted with the native view
            uint32_t users = frame_count(frame) - 1; // the section's own reference is not a mapping
            out->frames++;
            out->ec_frames += view == VIEW_EC;
            out->mapped_twice += users >= 2;
            out->mapped_by_all += users >= out->mappings && out->mappings;
        }
    }
}
