// SPDX-License-Identifier: MIT
// Image sections: an image file as physical frames, made once for the whole machine.
//
// Rules
//  - A section has one base for the whole boot. Its frames hold the image relocated to that base; every process that
//    maps it there shares them. A process where the place is taken gets private copies of only the pages that hold
//    base relocations (and of the headers, which name the base).
//  - An Arm64X image has two views, native (the file) and EC (the file after its dynamic relocations). The EC view owns
//    frames only for the pages its fixups touch; all others are the same frames in both.
//  - What is in a section never changes after image_section_open: writable pages are mapped copy-on-write.
//  - Sections stay until image_section_forget: unloading and loading again gives the same frames at the same base.
//  - Lock: the section lock (LOCK_SECTION) covers the list of sections, reference counts and the list of mappings. It is never
//    held while an image is read or an address space is called.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/abi/ntstatus.h"
#include "loader/arm64x/image.h"
#include "mm/aspace.h"

struct image_section;

// Why an image was refused, for the log, the launcher and the crash report: one line naming the image.
struct image_refusal {
    enum pe_status rule; // PE_OK when it was not the file's fault (no memory, wrong process, address taken)
    char text[192];
};

// The section of a file. `identity` (not 0) stands for the file's bytes: the same number means the same bytes, a file that
// was changed needs a new one. `name` is copied (for messages; its last path component names the module). The bytes
// are only read during the call. Gives a reference. STATUS_INVALID_IMAGE_FORMAT (refusal says which rule), STATUS_NO_MEMORY.
status_t image_section_open(uint64_t identity, const char *name, const void *data, uint64_t size,
                            struct image_section **out, struct image_refusal *why);
void image_section_give(struct image_section *section);

// Drop the kernel's own reference to a section, or (identity 0) to every one: it goes when nobody maps it or holds it.
void image_section_forget(uint64_t identity);

// Map the view that fits a process of this machine (IMAGE_FILE_MACHINE_AMD64 or _ARM64). *base 0: the section's own base,
// or, when that is taken in this process and the image can be relocated, wherever there is room; else the address to use.
// STATUS_IMAGE_MACHINE_TYPE_MISMATCH by the load matrix, STATUS_CONFLICTING_ADDRESSES when it cannot move, STATUS_NO_MEMORY.
// `why` may be null.
status_t image_section_map(struct image_section *section, struct aspace *as, uint16_t machine, uva_t *base,
                           uint64_t *size, struct image_refusal *why);

// Take away the mapping that starts at base. STATUS_INVALID_PARAMETER when there is none.
status_t image_section_unmap(struct aspace *as, uva_t base);

// The address space is about to be destroyed: forget its mappings.
void image_section_unmap_all(struct aspace *as);

// What an address in a process belongs to. The translator's key for code that processes share is (section, ec_view, rva)
// as long as the image is at the section's own base and the page was not changed.
struct image_at {
    struct image_section *section; // valid while the mapping lives; take no reference
    uva_t base;
    uint32_t rva;
    bool ec_view;
    bool at_own_base;
};
bool image_section_at(struct aspace *as, uva_t address, struct image_at *out);

// Go through the mappings of a space in the order of their mapping: *cookie starts at 0. For module lists in logs.
bool image_section_next(struct aspace *as, uint64_t *cookie, struct image_at *out);

// Facts. Pointers stay valid as long as a reference or a mapping is held.
const char *image_section_name(const struct image_section *section);  // last component, e.g. "user.dll"
enum image_class image_section_class(const struct image_section *section);
uint64_t image_section_base(const struct image_section *section);     // the one chosen for this boot
uint32_t image_section_size(const struct image_section *section);     // bytes of address space, whole pages
const struct image_view *image_section_view(const struct image_section *section, bool ec_view);
const struct pe_layout *image_section_layout(const struct image_section *section);
pa_t image_section_frame(const struct image_section *section, bool ec_view, uint32_t page); // 0: no such page

// Does the page hold code that may run natively in this view (the EC bit of its mapping)?
bool image_section_is_ec(const struct image_section *section, bool ec_view, uint32_t page);

// RVA of an export that is not forwarded; with `body`, of the ARM64EC function behind it where the export is an x64 stub
// that stands for one. STATUS_ENTRYPOINT_NOT_FOUND otherwise.
status_t image_section_export(const struct image_section *section, bool ec_view, const char *name, bool body,
                              uint32_t *rva);
uint32_t image_section_redirect(const struct image_section *section, bool ec_view, uint32_t rva);

// How the frames of a section are used right now.
struct image_sharing {
    uint32_t mappings;      // by all processes, both views
    uint32_t frames;        // of the section, those of the EC view included
    uint32_t ec_frames;     // owned by the EC view alone
    uint32_t mapped_twice;  // frames that at least two mappings use
    uint32_t mapped_by_all; // frames that every mapping uses
};
void image_section_sharing(const struct image_section *section, struct image_sharing *out);
