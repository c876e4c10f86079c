// SPDX-License-Identifier: MIT
// The inside of an image section; for the files of this folder only.
#pragma once
#include "kernel/lock.h"
#include "loader/map/image_section.h"

enum { VIEW_NATIVE = 0, VIEW_EC = 1, VIEW_COUNT = 2 };

enum page_flags {
    PAGE_HAS_RELOCS = 1,   // private to a process that has the image elsewhere
    PAGE_EC_OWN = 2,       // the EC view has a frame of its own
    PAGE_CODE_NATIVE = 4,  // arm64 code in the native view
    PAGE_CODE_EC = 8,      // arm64 code in the EC view
};

struct image_section {
    struct image_section *next;
    uint64_t identity;
    uint32_t references; // the list's own, holders', and one a mapping
    bool listed;
    char name[64];
    struct image image;         // facts of the native view, at the section's base; file.data is null after opening
    struct image_view ec_view;  // only for IMAGE_ARM64X
    uint64_t base;
    uint32_t page_count;
    // One entry a page. Frame 0: a hole, or a page of zeros that every process gets for itself at the first touch.
    // The EC array holds the native frame where the page is not PAGE_EC_OWN.
    pa_t *frames[VIEW_COUNT];
    uint8_t *flags;
};

struct image_mapping {
    struct image_mapping *next;
    struct aspace *as;
    struct image_section *section;
    uva_t base;
    uint64_t size;
    uint64_t sequence; // rising in order of mapping
    bool ec_view;
};

extern struct spinlock section_lock; // list of sections, references, list of mappings

// Fill a new section (frames, flags, views, relocation to section->base) from the file that section->image references.
// The caller frees the section with section_free whether this succeeded or not.
enum section_outcome { SECTION_OK, SECTION_MALFORMED, SECTION_NO_MEMORY };
enum section_outcome section_fill(struct image_section *section, enum pe_status *rule);
void section_free(struct image_section *section);

// Reader over the frames of a view.
struct section_reader {
    const struct image_section *section;
    int view;
};
struct pe_bytes section_bytes(const struct section_reader *reader);

const struct image_view *section_view(const struct image_section *section, int view);
bool section_is_relocatable(const struct image_section *section);
void section_refuse(struct image_refusal *why, const char *name, enum pe_status rule, const char *text);
void section_release(struct image_section *section); // drops one reference
