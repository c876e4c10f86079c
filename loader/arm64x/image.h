// SPDX-License-Identifier: MIT
// A whole image file, checked from end to end, and the two views an Arm64X image has. This is the front door of the
// parsers: after image_open succeeded, no later step can meet a malformed header, relocation or metadata table.
#pragma once
#include "loader/arm64x/chpe.h"
#include "loader/arm64x/dvrt.h"
#include "loader/pe/pe_facts.h"

enum image_class {
    IMAGE_X64,     // machine 0x8664, no ARM64EC metadata
    IMAGE_ARM64EC, // machine 0x8664 with ARM64EC metadata
    IMAGE_ARM64,   // machine 0xAA64, no x64 view
    IMAGE_ARM64X,  // machine 0xAA64 with dynamic relocations that make an x64 view
};
const char *image_class_name(enum image_class class);

struct image_view {
    struct pe_facts facts;
    struct chpe chpe;
    uint32_t reloc_count;
};

struct image {
    struct pe_file file;
    enum image_class class;
    struct image_view native; // the file as it is; the only view unless the class is IMAGE_ARM64X
    struct dvrt dvrt;
    uint32_t fixup_count; // of the ARM64X fixups
};

// Check everything there is in the file. The bytes are referenced, not copied. After a failure file.layout.machine is
// still what the header said, for the message.
enum pe_status image_open(struct image *image, const void *data, uint64_t size);

// Facts of the x64 view of an IMAGE_ARM64X. `bytes` reads the pages after dvrt_apply, at the preferred base. Checks that
// the result is an x64 image of the same layout whose base relocations are those of the file.
enum pe_status image_read_ec_view(const struct image *image, const struct pe_bytes *bytes, struct image_view *view);

// The view a process of this machine gets, or false when the class may not be loaded there:
//   AMD64 process: x64, ARM64EC and the EC view of Arm64X;  ARM64 process: ARM64 and the native view of Arm64X.
bool image_loads_in(enum image_class class, uint16_t process_machine, bool *ec_view);

// Whether a page of an executable section may run natively in a view: the EC bit of its mapping. In an x64 view that is
// ARM64EC code. In a native view it is both kinds of arm64 code (same-address thunks of the EC kind are entered by
// native code too), and everything when the image has no code map, being plain ARM64.
bool image_page_is_arm64_code(const struct image_view *view, const struct pe_bytes *bytes, uint32_t page);
