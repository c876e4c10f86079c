// SPDX-License-Identifier: MIT
// A complete Arm64X image made byte by byte, so that tests can break one rule at a time, and the two views of an image on
// the host. The NT headers are at 0x78 and the dynamic relocation table is byte for byte the worked example of the
// format description: a block for page 0 that turns the headers into x64 ones, a block for page 0x5000 that edits an
// import table.
//
//   RVA     file    section
//   0       0       headers, 0x400 bytes
//   0x1000  0x400   .text   RX  native code 0x1000..0x1FFF (the EC load configuration hides at 0x1140), EC 0x2000..0x27FF
//   0x3000  0x1C00  .rdata  R   export directory 0x3000, native load configuration 0x3200, metadata 0x3400
//   0x4000  0x2400  .data   RW  0x1000 bytes, 0x200 of them in the file
//   0x5000  0x2600  .idata  RW
//   0x6000  0x2A00  .reloc  R   base relocations 0x6000, dynamic relocation table directly after them
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "loader/arm64x/image.h"

#define BUILT_SIZE       0x2E00u
#define BUILT_BASE       0x180000000ull
#define BUILT_IMAGE_SIZE 0x7000u
#define NT               0x78u
#define OPT              (NT + 0x18)
#define DIRECTORY(n)     (OPT + 0x70 + (n)*8)
#define SECTION(n)       (OPT + 0xF0 + (n)*0x28) // n from 0
#define DVRT_FILE        (0x2A00u + BUILT_RELOC_SIZE)
#define BUILT_RELOC_SIZE 0x38u

static inline void put16(uint8_t *p, uint32_t at, uint16_t v) { p[at] = (uint8_t)v, p[at + 1] = (uint8_t)(v >> 8); }
static inline void put32(uint8_t *p, uint32_t at, uint32_t v) { put16(p, at, (uint16_t)v), put16(p, at + 2, (uint16_t)(v >> 16)); }
static inline void put64(uint8_t *p, uint32_t at, uint64_t v) { put32(p, at, (uint32_t)v), put32(p, at + 4, (uint32_t)(v >> 32)); }

static inline uint32_t built_offset(uint32_t rva) // file offset of an RVA of the built image
{
    return rva >= 0x6000 ? rva - 0x6000 + 0x2A00 : rva >= 0x5000 ? rva - 0x5000 + 0x2600 : rva >= 0x4000 ? rva - 0x4000 + 0x2400
         : rva >= 0x3000 ? rva - 0x3000 + 0x1C00 : rva >= 0x1000 ? rva - 0x1000 + 0x400 : rva;
}

static const uint8_t worked_example_dvrt[] = {
    0x01, 0, 0, 0, 0x48, 0, 0, 0,                        // version 1, 0x48 bytes
    0x06, 0, 0, 0, 0, 0, 0, 0, 0x3C, 0, 0, 0,            // symbol 6, 0x3C bytes
    0x00, 0, 0, 0, 0x20, 0, 0, 0,                        // page 0
    0x7C, 0x50, 0x64, 0x86,                              // machine
    0xA0, 0x90, 0x00, 0x21, 0, 0,                        // entry point 0x2100
    0x50, 0x91, 0x40, 0x11, 0, 0,                        // load configuration 0x1140
    0x54, 0x91, 0x40, 0x01, 0, 0,                        // its size
    0, 0,
    0x00, 0x50, 0, 0, 0x1C, 0, 0, 0,                     // page 0x5000
    0x58, 0xD0, 0x10, 0x52, 0, 0, 0, 0, 0, 0,            // 0x5058 = 0x5210
    0x70, 0xC0,                                          // clear 8 bytes at 0x5070
    0x34, 0xA2, 0x01, 0,                                 // 32-bit word at 0x5234 += 8
    0x44, 0xA2, 0x01, 0,                                 // 32-bit word at 0x5244 += 8
};

static inline void build_section(uint8_t *p, int n, const char *name, uint32_t rva, uint32_t vsize, uint32_t raw,
                                 uint32_t size, uint32_t characteristics)
{
    strncpy((char *)p + SECTION(n), name, 8);
    put32(p, SECTION(n) + 8, vsize), put32(p, SECTION(n) + 12, rva);
    put32(p, SECTION(n) + 16, size), put32(p, SECTION(n) + 20, raw), put32(p, SECTION(n) + 36, characteristics);
}

static inline void build_load_config(uint8_t *p, uint32_t rva)
{
    uint32_t at = built_offset(rva);
    put32(p, at, 0x140);
    put64(p, at + 0xC8, BUILT_BASE + 0x3400);
    put32(p, at + 0xE0, BUILT_RELOC_SIZE), put16(p, at + 0xE4, 5);
}

static inline void build_image(uint8_t p[BUILT_SIZE])
{
    memset(p, 0, BUILT_SIZE);
    memcpy(p, "MZ", 2);
    put32(p, 0x3C, NT);
    memcpy(p + NT, "PE\0\0", 4);
    put16(p, NT + 4, 0xAA64), put16(p, NT + 6, 5), put16(p, NT + 0x14, 0xF0), put16(p, NT + 0x16, 0x2022);
    put16(p, OPT, 0x20B);
    put32(p, OPT + 0x10, 0x1000), put64(p, OPT + 0x18, BUILT_BASE), put32(p, OPT + 0x20, 0x1000), put32(p, OPT + 0x24, 0x200);
    put32(p, OPT + 0x38, BUILT_IMAGE_SIZE), put32(p, OPT + 0x3C, 0x400), put16(p, OPT + 0x44, 3);
    put64(p, OPT + 0x48, 0x100000), put64(p, OPT + 0x50, 0x1000), put32(p, OPT + 0x6C, 16);
    put32(p, DIRECTORY(0), 0x3000), put32(p, DIRECTORY(0) + 4, 0x100);
    put32(p, DIRECTORY(5), 0x6000), put32(p, DIRECTORY(5) + 4, BUILT_RELOC_SIZE);
    put32(p, DIRECTORY(10), 0x3200), put32(p, DIRECTORY(10) + 4, 0x140);
    build_section(p, 0, ".text", 0x1000, 0x1800, 0x400, 0x1800, 0x60000020);
    build_section(p, 1, ".rdata", 0x3000, 0x600, 0x1C00, 0x800, 0x40000040);
    build_section(p, 2, ".data", 0x4000, 0x1000, 0x2400, 0x200, 0xC0000040);
    build_section(p, 3, ".idata", 0x5000, 0x400, 0x2600, 0x400, 0xC0000040);
    build_section(p, 4, ".reloc", 0x6000, BUILT_RELOC_SIZE + sizeof worked_example_dvrt, 0x2A00, 0x400, 0x42000040);

    for (uint32_t i = 0; i < 0x1800; i++) p[0x400 + i] = (uint8_t)(i * 7 + (i >> 8)); // recognisable code bytes
    memset(p + built_offset(0x1140), 0, 0x140);
    build_load_config(p, 0x3200);
    build_load_config(p, 0x1140);

    // exports: alpha = ordinal 5, beta = 6 (forwarder), nothing = 7, delta = 8
    uint32_t e = built_offset(0x3000);
    put32(p, e + 0x10, 5), put32(p, e + 0x14, 4), put32(p, e + 0x18, 3);
    put32(p, e + 0x1C, 0x3040), put32(p, e + 0x20, 0x3060), put32(p, e + 0x24, 0x3080);
    put32(p, e + 0x40, 0x1010), put32(p, e + 0x44, 0x30B0), put32(p, e + 0x48, 0), put32(p, e + 0x4C, 0x2110);
    put32(p, e + 0x60, 0x3090), put32(p, e + 0x64, 0x3098), put32(p, e + 0x68, 0x30A0);
    put16(p, e + 0x80, 0), put16(p, e + 0x82, 1), put16(p, e + 0x84, 3);
    strcpy((char *)p + e + 0x90, "alpha"), strcpy((char *)p + e + 0x98, "beta"), strcpy((char *)p + e + 0xA0, "delta");
    strcpy((char *)p + e + 0xB0, "other.gamma");

    // metadata, version 2; code map at 0x3480, redirections at 0x34A0, cells at 0x3500
    uint32_t m = built_offset(0x3400);
    put32(p, m, 2), put32(p, m + 4, 0x3480), put32(p, m + 8, 3), put32(p, m + 0x10, 0x34A0), put32(p, m + 0x34, 2);
    for (uint32_t i = 0; i < 5; i++) put32(p, m + 0x14 + 4 * i, 0x3500 + 8 * i);
    put32(p, m + 0x28, 0x1000), put32(p, m + 0x38, 0x3528), put32(p, m + 0x3C, 0x3530), put32(p, m + 0x48, 0x3538);
    put32(p, m + 0x80, 0x1000 | 0), put32(p, m + 0x84, 0xF00);
    put32(p, m + 0x88, 0x1F00 | 2), put32(p, m + 0x8C, 0); // zero length: ignored although its page is another kind
    put32(p, m + 0x90, 0x2000 | 1), put32(p, m + 0x94, 0x800);
    put32(p, m + 0xA0, 0x2100), put32(p, m + 0xA4, 0x2200), put32(p, m + 0xA8, 0x2110), put32(p, m + 0xAC, 0x2300);

    // data with absolute addresses; the word at 0x4FFC crosses into the next section
    uint32_t d = built_offset(0x4000), i = built_offset(0x5000);
    put64(p, d + 8, BUILT_BASE + 0x1234);
    put32(p, i, 0x2); // upper half of BUILT_BASE's 0x1'80000000 + x, with the lower half zero in the file's gap
    put64(p, i + 0x58, 0), put64(p, i + 0x70, 0x1122334455667788);
    put32(p, i + 0x234, 0x5040), put32(p, i + 0x244, 0xFFFFFFFC);

    // base relocations: three blocks
    uint32_t r = built_offset(0x6000);
    put32(p, r, 0x3000), put32(p, r + 4, 0xC), put16(p, r + 8, 0xA000 | 0x2C8), put16(p, r + 10, 0);
    put32(p, r + 12, 0x1000), put32(p, r + 16, 0xC), put16(p, r + 20, 0xA000 | 0x208), put16(p, r + 22, 0);
    put32(p, r + 24, 0x4000), put32(p, r + 28, 0x20), put16(p, r + 32, 0xA008), put16(p, r + 34, 0xA000 | 0xFFC);
    memcpy(p + DVRT_FILE, worked_example_dvrt, sizeof worked_example_dvrt);
}

// ---- views ----------------------------------------------------------------------------------------------------------

struct host_view {
    uint32_t page_count;
    uint8_t **own;             // pages this view owns, or null
    struct host_view *shared;  // where the other pages are; null for the file's view
};

static inline uint8_t *host_page(void *context, uint32_t page)
{
    struct host_view *v = context;
    return page < v->page_count ? v->own[page] : NULL;
}

static inline const uint8_t *host_at(const void *context, uint32_t rva, uint32_t *run)
{
    const struct host_view *v = context;
    uint32_t page = rva / 4096;
    const uint8_t *bytes = v->own[page] ? v->own[page] : v->shared ? v->shared->own[page] : NULL;
    *run = bytes ? 4096 - rva % 4096 : 0;
    return bytes ? bytes + rva % 4096 : NULL;
}

static inline struct pe_bytes host_bytes(const struct host_view *v)
{
    return (struct pe_bytes){host_at, v, v->page_count * 4096};
}

static inline struct pe_pages host_pages(struct host_view *v)
{
    return (struct pe_pages){host_page, v};
}

// The file as pages; holes stay without one.
static inline struct host_view host_native_view(const struct image *image)
{
    struct host_view v = {.page_count = pe_layout_page_count(&image->file.layout)};
    v.own = calloc(v.page_count, sizeof *v.own);
    for (uint32_t i = 0; i < v.page_count; i++) {
        struct pe_page_plan plan = pe_layout_page(&image->file.layout, i);
        if (!pe_layout_region(&image->file.layout, i * 4096)) continue;
        v.own[i] = calloc(1, 4096);
        memcpy(v.own[i], image->file.data + plan.file_offset, plan.file_size);
    }
    return v;
}

static inline void host_own(struct host_view *v, uint32_t page)
{
    if (v->own[page]) return;
    v->own[page] = malloc(4096);
    memcpy(v->own[page], v->shared->own[page], 4096);
}

// Private copies of what the dynamic relocations touch, and the relocations applied.
static inline enum pe_status host_ec_view(const struct image *image, struct host_view *native, struct host_view *ec)
{
    *ec = (struct host_view){native->page_count, calloc(native->page_count, sizeof *ec->own), native};
    struct pe_bytes file = pe_file_bytes(&image->file);
    struct dvrt_iter it;
    struct fixup f;
    dvrt_begin(&it, &image->dvrt, &file, &image->file.layout);
    while (dvrt_next(&it, &f)) host_own(ec, f.rva / 4096), host_own(ec, (f.rva + f.size - 1) / 4096);
    if (it.status) return it.status;
    struct pe_pages pages = host_pages(ec);
    return dvrt_apply(&image->dvrt, &file, &image->file.layout, &pages);
}

static inline void host_free_view(struct host_view *v)
{
    for (uint32_t i = 0; v->own && i < v->page_count; i++) free(v->own[i]);
    free(v->own);
    v->own = NULL;
}
