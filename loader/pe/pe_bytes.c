// SPDX-License-Identifier: MIT
#include "loader/pe/pe_bytes.h"

#include "loader/pe/pe_format.h"

static const uint8_t *flat_at(const void *context, uint32_t rva, uint32_t *run)
{
    const struct pe_flat *flat = context;
    *run = PE_PAGE_SIZE - rva % PE_PAGE_SIZE; // the reader never asks for bytes at or above the size
    return flat->data + rva;
}

struct pe_bytes pe_bytes_flat(const struct pe_flat *flat, uint32_t size)
{
    return (struct pe_bytes){.at = flat_at, .context = flat, .size = size};
}

bool pe_range_ok(const struct pe_bytes *bytes, uint32_t rva, uint64_t len)
{
    return rva <= bytes->size && len <= bytes->size - rva;
}

bool pe_read(const struct pe_bytes *bytes, uint32_t rva, void *dst, uint32_t len)
{
    if (!pe_range_ok(bytes, rva, len)) return false;
    uint8_t *out = dst;
    while (len) {
        uint32_t run = 0;
        const uint8_t *from = bytes->at(bytes->context, rva, &run);
        if (!run) return false;
        if (run > len) run = len;
        if (from) __builtin_memcpy(out, from, run);
        else __builtin_memset(out, 0, run);
        out += run, rva += run, len -= run;
    }
    return true;
}

bool pe_read_u16(const struct pe_bytes *bytes, uint32_t rva, uint16_t *out)
{
    uint8_t b[2];
    if (!pe_read(bytes, rva, b, sizeof b)) return false;
    *out = (uint16_t)(b[0] | b[1] << 8);
    return true;
}

bool pe_read_u32(const struct pe_bytes *bytes, uint32_t rva, uint32_t *out)
{
    uint8_t b[4];
    if (!pe_read(bytes, rva, b, sizeof b)) return false;
    *out = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    return true;
}

bool pe_read_u64(const struct pe_bytes *bytes, uint32_t rva, uint64_t *out)
{
    uint8_t b[8];
    if (!pe_read(bytes, rva, b, sizeof b)) return false;
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--) value = value << 8 | b[i];
    *out = value;
    return true;
}

bool pe_compare_string(const struct pe_bytes *bytes, uint32_t rva, const char *name, int *order)
{
    while (rva < bytes->size) {
        uint32_t run = 0;
        const uint8_t *from = bytes->at(bytes->context, rva, &run);
        if (!run) return false;
        if (run > bytes->size - rva) run = bytes->size - rva;
        for (uint32_t i = 0; i < run; i++, name++) {
            uint8_t have = from ? from[i] : 0, want = (uint8_t)*name;
            if (have != want || !have) {
                *order = (have > want) - (have < want);
                return true;
            }
        }
        rva += run;
    }
    return false;
}

bool pe_pages_read(const struct pe_pages *pages, uint32_t rva, void *dst, uint32_t len)
{
    uint8_t *out = dst;
    while (len) {
        const uint8_t *page = pages->page(pages->context, rva >> PE_PAGE_SHIFT);
        if (!page) return false;
        uint32_t offset = rva % PE_PAGE_SIZE, run = PE_PAGE_SIZE - offset < len ? PE_PAGE_SIZE - offset : len;
        __builtin_memcpy(out, page + offset, run);
        out += run, rva += run, len -= run;
    }
    return true;
}

bool pe_pages_write(const struct pe_pages *pages, uint32_t rva, const void *src, uint32_t len)
{
    const uint8_t *from = src;
    while (len) {
        uint8_t *page = pages->page(pages->context, rva >> PE_PAGE_SHIFT);
        if (!page) return false;
        uint32_t offset = rva % PE_PAGE_SIZE, run = PE_PAGE_SIZE - offset < len ? PE_PAGE_SIZE - offset : len;
        __builtin_memcpy(page + offset, from, run);
        from += run, rva += run, len -= run;
    }
    return true;
}
