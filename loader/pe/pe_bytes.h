// SPDX-License-Identifier: MIT
// Reading and writing an image by RVA, wherever its bytes are: a file that is not mapped, a flat copy, or pages that lie
// in separate frames, some shared between the two views of an Arm64X image and some not. Parsers see nothing else, and
// every access they make is checked here.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Where the byte at `rva` is. Called only with rva < size. Sets *run to the number of bytes that follow it in one piece.
// A null result with *run > 0 means those bytes are zeros that nobody stores; *run == 0 means there is no byte at all
// (a hole between sections).
typedef const uint8_t *pe_at_fn(const void *context, uint32_t rva, uint32_t *run);

struct pe_bytes {
    pe_at_fn *at;
    const void *context;
    uint32_t size; // reads at or above this RVA fail
};

// The writable pages of a view. Returns the 4096 bytes of page `page` (RVA / 4096), or null where the caller owns no
// private copy of it.
struct pe_pages {
    uint8_t *(*page)(void *context, uint32_t page);
    void *context;
};

// A contiguous image: a mapped one, or the headers of a file (where RVA and file offset agree).
struct pe_flat {
    const uint8_t *data;
};
struct pe_bytes pe_bytes_flat(const struct pe_flat *flat, uint32_t size);

// Copy len bytes out. False, with nothing promised about dst, when any of them lies outside the image or in a hole.
bool pe_read(const struct pe_bytes *bytes, uint32_t rva, void *dst, uint32_t len);
bool pe_read_u16(const struct pe_bytes *bytes, uint32_t rva, uint16_t *out);
bool pe_read_u32(const struct pe_bytes *bytes, uint32_t rva, uint32_t *out);
bool pe_read_u64(const struct pe_bytes *bytes, uint32_t rva, uint64_t *out);

// True when [rva, rva + len) is inside the image; holes are not looked for. len may be 0.
bool pe_range_ok(const struct pe_bytes *bytes, uint32_t rva, uint64_t len);

// Order of the NUL-terminated string at rva against `name` as strcmp has it. False when the string runs out of the
// image.
bool pe_compare_string(const struct pe_bytes *bytes, uint32_t rva, const char *name, int *order);

// Copy len bytes to or from writable pages; may cross a page end. False when a page is missing.
bool pe_pages_read(const struct pe_pages *pages, uint32_t rva, void *dst, uint32_t len);
bool pe_pages_write(const struct pe_pages *pages, uint32_t rva, const void *src, uint32_t len);
