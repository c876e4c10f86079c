// SPDX-License-Identifier: MIT
// The shape of an image: which bytes of the file become which pages, with which protection. It is the same in both
// views of an Arm64X image; what differs between views is in pe_facts.h.
#pragma once
#include "loader/pe/pe_bytes.h"
#include "loader/pe/pe_error.h"
#include "loader/pe/pe_format.h"

enum pe_protection {
    PE_PROT_READ = 1,
    PE_PROT_WRITE = 2,
    PE_PROT_EXECUTE = 4, // together with WRITE: the section asked for both; never to be mapped so at one time
    PE_PROT_SHARED = 8,  // one copy for all processes even where writable
};

// Regions are numbered as the format numbers sections: 0 is the headers, 1..count are the sections.
struct pe_region {
    char name[9];          // NUL-terminated, as in the section header
    uint8_t protection;    // enum pe_protection bits
    uint32_t rva;          // multiple of 4096
    uint32_t virtual_size; // bytes the section declares
    uint32_t span;         // bytes of address space: virtual_size rounded up to whole pages
    uint32_t file_offset;  // where the initialised bytes are in the file
    uint32_t file_size;    // how many of them are mapped, at most span; the rest of span is zero
};

struct pe_layout {
    uint16_t machine; // as found, also when the layout is refused for it
    uint16_t section_count;
    uint32_t nt_offset; // file offset and RVA of the PE signature
    uint32_t size_of_image;
    uint32_t size_of_headers;
    uint32_t section_alignment;
    uint32_t file_alignment;
    uint64_t image_base; // preferred
    struct pe_region regions[1 + PE_SECTION_MAX];
};

// Read and check everything about the shape. `headers` gives the first bytes of the image (RVA = file offset there);
// file_size bounds the raw data of sections, UINT64_MAX when the bytes are already mapped.
enum pe_status pe_layout_read(struct pe_layout *layout, const struct pe_bytes *headers, uint64_t file_size);

// The region that holds `rva`, or null for a hole or an RVA past the image. Section slack up to the page end counts.
const struct pe_region *pe_layout_region(const struct pe_layout *layout, uint32_t rva);

// True when every byte of [rva, rva + len) belongs to a region. len is small (a relocated word), not zero.
bool pe_layout_covers(const struct pe_layout *layout, uint32_t rva, uint32_t len);

// What one 4 KiB page of the image is made of.
struct pe_page_plan {
    uint8_t protection;   // 0 for a page in a hole
    uint8_t region;       // index into regions; meaningless for a hole
    uint32_t file_offset; // first file_size bytes of the page come from here, the rest is zero
    uint32_t file_size;   // 0..4096
};
struct pe_page_plan pe_layout_page(const struct pe_layout *layout, uint32_t page);

static inline uint32_t pe_layout_page_count(const struct pe_layout *layout)
{
    return (uint32_t)(((uint64_t)layout->size_of_image + PE_PAGE_SIZE - 1) / PE_PAGE_SIZE);
}

// A file's bytes seen by RVA, before anything is mapped. `file` must stay valid and unchanged as long as it is used.
struct pe_file {
    const uint8_t *data;
    uint64_t size;
    struct pe_layout layout;
};
struct pe_bytes pe_file_bytes(const struct pe_file *file);

// Read the layout of the file in data[0..size). The file's bytes are referenced, not copied.
enum pe_status pe_file_open(struct pe_file *file, const void *data, uint64_t size);
