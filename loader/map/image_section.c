// SPDX-License-Identifier: MIT
// The list of image sections of the machine, and the facts others ask of one.
#include "loader/map/section.h"

#include "kernel/abi/process.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "loader/pe/pe_export.h"
#include "mm/heap.h"

struct spinlock section_lock = SPINLOCK(LOCK_SECTION, "section");
static struct image_section *sections;
static uint64_t next_system_base = SYSTEM_DLL_BASE; // never goes back: one base for one boot

#define ALLOCATION_GRANULE 0x10000ull

const struct image_view *section_view(const struct image_section *s, int view)
{
    return view == VIEW_EC && s->image.class == IMAGE_ARM64X ? &s->ec_view : &s->image.native;
}

bool section_is_relocatable(const struct image_section *s)
{
    return pe_is_relocatable(&s->image.native.facts);
}

void section_refuse(struct image_refusal *why, const char *name, enum pe_status rule, const char *text)
{
    struct image_refusal local;
    if (!why) why = &local;
    why->rule = rule;
    if (rule) format_text(why->text, sizeof why->text, "%s: %s (%s)", name, text, pe_status_name(rule));
    else format_text(why->text, sizeof why->text, "%s: %s", name, text);
    log_warning("image %s", why->text);
}

static void set_name(struct image_section *s, const char *name)
{
    const char *last = name;
    for (const char *p = name; *p; p++)
        if (*p == '/' || *p == '\\') last = p + 1;
    format_text(s->name, sizeof s->name, "%s", last);
}

// One reference more for a section that is listed already, or null.
static struct image_section *find_locked(uint64_t identity)
{
    for (struct image_section *s = sections; s; s = s->next) {
        if (s->identity != identity) continue;
        s->references++;
        return s;
    }
    return 0;
}

// A program is the only one of its kind in its process and gets the base it was linked for; DLLs that can move share a
// range that no program is linked for.
static uint64_t choose_base(const struct image_section *s)
{
    const struct pe_facts *f = &s->image.native.facts;
    uint64_t size = (uint64_t)s->page_count * PE_PAGE_SIZE, base = f->image_base;
    bool usable = base >= USER_LOWEST && base < USER_HIGHEST && size <= USER_HIGHEST - base;
    if (!pe_is_relocatable(f) || (!pe_is_dll(f) && usable)) return base;
    spin_lock(&section_lock);
    uint64_t end = (next_system_base + size + 2 * ALLOCATION_GRANULE - 1) & ~(ALLOCATION_GRANULE - 1);
    if (end <= SYSTEM_DLL_END) base = next_system_base, next_system_base = end;
    spin_unlock(&section_lock);
    return base;
}

static status_t make_section(uint64_t identity, const char *name, const void *data, uint64_t size,
                             struct image_section **out, struct image_refusal *why)
{
    struct image_section *s = heap_take(sizeof *s);
    if (!s) {
        section_refuse(why, name, PE_OK, "no memory");
        return STATUS_NO_MEMORY;
    }
    s->identity = identity;
    s->references = 2; // the list's and the caller's
    s->listed = true;
    set_name(s, name);
    enum pe_status rule = image_open(&s->image, data, size);
    enum section_outcome outcome = rule ? SECTION_MALFORMED : SECTION_OK;
    if (!rule) {
        s->page_count = pe_layout_page_count(&s->image.file.layout);
        s->base = choose_base(s);
        outcome = section_fill(s, &rule);
    }
    s->image.file.data = 0;
    if (outcome == SECTION_OK) {
        *out = s;
        return STATUS_SUCCESS;
    }
    if (rule == PE_E_MACHINE) {
        char text[96];
        format_text(text, sizeof text, "machine type 0x%04x: %s", s->image.file.layout.machine, pe_status_text(rule));
        section_refuse(why, s->name, rule, text);
    } else {
        section_refuse(why, s->name, rule, outcome == SECTION_NO_MEMORY ? "no memory" : pe_status_text(rule));
    }
    section_free(s);
    return outcome == SECTION_NO_MEMORY ? STATUS_NO_MEMORY : STATUS_INVALID_IMAGE_FORMAT;
}

status_t image_section_open(uint64_t identity, const char *name, const void *data, uint64_t size,
                            struct image_section **out, struct image_refusal *why)
{
    spin_lock(&section_lock);
    *out = find_locked(identity);
    spin_unlock(&section_lock);
    if (*out) return STATUS_SUCCESS;

    struct image_section *made;
    status_t status = make_section(identity, name, data, size, &made, why);
    if (status) return status;
    spin_lock(&section_lock);
    *out = find_locked(identity); // another core may have been faster
    if (!*out) {
        *out = made;
        made->next = sections;
        sections = made;
    }
    spin_unlock(&section_lock);
    if (*out != made) {
        section_free(made);
        return STATUS_SUCCESS;
    }
    struct image_sharing sharing;
    image_section_sharing(made, &sharing);
    log_line(LOG_DEBUG, "image %s: %s at %llx, %u pages, %u frames, %u for the EC view alone", made->name,
             image_class_name(made->image.class), (unsigned long long)made->base, made->page_count, sharing.frames,
             sharing.ec_frames);
    return STATUS_SUCCESS;
}

void section_release(struct image_section *s)
{
    spin_lock(&section_lock);
    CHECK(s->references);
    bool last = --s->references == 0; // then it is not listed, so nobody can find it
    spin_unlock(&section_lock);
    if (last) section_free(s);
}

void image_section_give(struct image_section *section)
{
    section_release(section);
}

void image_section_forget(uint64_t identity)
{
    for (;;) {
        spin_lock(&section_lock);
        struct image_section **link = &sections;
        while (*link && identity && (*link)->identity != identity) link = &(*link)->next;
        struct image_section *s = *link;
        if (s) *link = s->next, s->next = 0, s->listed = false;
        spin_unlock(&section_lock);
        if (!s) return;
        section_release(s);
    }
}

const char *image_section_name(const struct image_section *s) { return s->name; }
enum image_class image_section_class(const struct image_section *s) { return s->image.class; }
uint64_t image_section_base(const struct image_section *s) { return s->base; }
uint32_t image_section_size(const struct image_section *s) { return s->page_count * PE_PAGE_SIZE; }
const struct pe_layout *image_section_layout(const struct image_section *s) { return &s->image.file.layout; }

const struct image_view *image_section_view(const struct image_section *s, bool ec_view)
{
    return section_view(s, ec_view);
}

static int view_index(const struct image_section *s, bool ec_view)
{
    return ec_view && s->image.class == IMAGE_ARM64X ? VIEW_EC : VIEW_NATIVE;
}

pa_t image_section_frame(const struct image_section *s, bool ec_view, uint32_t page)
{
    return page < s->page_count ? s->frames[view_index(s, ec_view)][page] : 0;
}

bool image_section_is_ec(const struct image_section *s, bool ec_view, uint32_t page)
{
    uint8_t flag = view_index(s, ec_view) == VIEW_EC ? PAGE_CODE_EC : PAGE_CODE_NATIVE;
    return page < s->page_count && (s->flags[page] & flag);
}

uint32_t image_section_redirect(const struct image_section *s, bool ec_view, uint32_t rva)
{
    struct section_reader reader = {s, view_index(s, ec_view)};
    struct pe_bytes bytes = section_bytes(&reader);
    return chpe_redirect(&bytes, &section_view(s, reader.view)->chpe, rva);
}

status_t image_section_export(const struct image_section *s, bool ec_view, const char *name, bool body, uint32_t *rva)
{
    struct section_reader reader = {s, view_index(s, ec_view)};
    struct pe_bytes bytes = section_bytes(&reader);
    struct pe_export_table table;
    struct pe_export found;
    if (pe_export_open(&table, &bytes, &section_view(s, reader.view)->facts) ||
        pe_find_export(&bytes, &table, name, &found) || found.forwarder)
        return STATUS_ENTRYPOINT_NOT_FOUND;
    *rva = body ? image_section_redirect(s, ec_view, found.rva) : found.rva;
    return STATUS_SUCCESS;
}
