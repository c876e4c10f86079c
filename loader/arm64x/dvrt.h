// SPDX-License-Identifier: MIT
// The dynamic value relocation table and its ARM64X entry: the list of edits that turn the native view of an Arm64X
// image into its x64/ARM64EC view. Structure and record names follow the SDK's IMAGE_DVRT_ARM64X_*.
#pragma once
#include "loader/pe/pe_facts.h"

struct dvrt {
    uint32_t rva;  // of the first entry; 0 when the image has no table
    uint32_t size; // bytes of all entries
    uint32_t version;
};

enum fixup_kind { FIXUP_ZEROFILL = 0, FIXUP_VALUE = 1, FIXUP_DELTA = 2 };

struct fixup {
    enum fixup_kind kind;
    uint32_t rva;   // of the first byte changed; the last one may be on the next page
    uint32_t size;  // 2, 4 or 8 bytes
    uint64_t value; // VALUE: the bytes, little-endian; DELTA: what to add to the 32-bit word, modulo 2^32
};

// Find the table. An image without one is PE_OK with dvrt->rva == 0. Only its outer bounds are checked here.
enum pe_status dvrt_open(struct dvrt *dvrt, const struct pe_bytes *bytes, const struct pe_layout *layout,
                         const struct pe_facts *facts);

// Walk the ARM64X fixups of all entries. As with base relocations: while (dvrt_next(&it, &f)) ..., then look at it.status.
struct dvrt_iter {
    const struct pe_bytes *bytes;
    const struct pe_layout *layout;
    uint32_t version;
    uint32_t next_entry, table_end; // RVAs, each level inside the one before
    uint32_t next_block, entry_end;
    uint32_t record, block_end;
    uint32_t page_rva;
    bool seen_arm64x; // an ARM64X entry was met, empty or not
    enum pe_status status;
};
void dvrt_begin(struct dvrt_iter *it, const struct dvrt *dvrt, const struct pe_bytes *bytes,
                const struct pe_layout *layout);
bool dvrt_next(struct dvrt_iter *it, struct fixup *fixup);

// Walk everything once and change nothing: *count gets the number of fixups, *arm64x whether there is an ARM64X entry.
enum pe_status dvrt_check(const struct dvrt *dvrt, const struct pe_bytes *bytes, const struct pe_layout *layout,
                          uint32_t *count, bool *arm64x);

// Carry out every fixup in `pages`, in table order. `bytes` is the image as it is in the file and is not what gets
// changed, so a fixup that aims at the table itself does not redirect the walk. Every touched page must be present.
enum pe_status dvrt_apply(const struct dvrt *dvrt, const struct pe_bytes *bytes, const struct pe_layout *layout,
                          const struct pe_pages *pages);
