// SPDX-License-Identifier: MIT
// Table header: u32 version, u32 size of what follows. Version 1 entry: u64 symbol, u32 size, packed to 12 bytes.
// Version 2 entry: u32 header size, u32 payload size, u64 symbol, u32 group, u32 flags. The payload of symbol 6 is a list of
// blocks like those of base relocations, whose records have variable length:
//
//     bits 11..0 offset in the page, 13..12 type, 15..14 argument
//     ZEROFILL  argument = log2 of the size                nothing follows
//     VALUE     argument = log2 of the size                that many bytes follow
//     DELTA     bit 14 sign, bit 15 scale (x4 or x8)       a 16-bit magnitude follows
//
// A zero word is padding and ends the block.
#include "loader/arm64x/dvrt.h"

#define DVRT_HEADER_SIZE     8
#define DVRT_ENTRY_V1_SIZE   12
#define DVRT_ENTRY_V2_SIZE   24
#define DVRT_BLOCK_SIZE      8
#define DVRT_SYMBOL_ARM64X   6

enum pe_status dvrt_open(struct dvrt *dvrt, const struct pe_bytes *bytes, const struct pe_layout *layout,
                         const struct pe_facts *facts)
{
    *dvrt = (struct dvrt){0};
    if (!facts->dvrt_section) return PE_OK;
    if (facts->dvrt_section > layout->section_count) return PE_E_DVRT_SECTION;
    const struct pe_region *section = &layout->regions[facts->dvrt_section];
    if (facts->dvrt_offset >= section->virtual_size) return PE_E_DVRT_OFFSET;
    uint32_t left = section->virtual_size - facts->dvrt_offset, at = section->rva + facts->dvrt_offset, size;
    if (left < DVRT_HEADER_SIZE) return PE_E_DVRT_SIZE;
    if (!pe_read_u32(bytes, at, &dvrt->version) || !pe_read_u32(bytes, at + 4, &size)) return PE_E_DVRT_OFFSET;
    if (dvrt->version != 1 && dvrt->version != 2) return PE_E_DVRT_VERSION;
    if (size > left - DVRT_HEADER_SIZE) return PE_E_DVRT_SIZE;
    dvrt->rva = at + DVRT_HEADER_SIZE;
    dvrt->size = size;
    return PE_OK;
}

void dvrt_begin(struct dvrt_iter *it, const struct dvrt *dvrt, const struct pe_bytes *bytes,
                const struct pe_layout *layout)
{
    *it = (struct dvrt_iter){
        .bytes = bytes,
        .layout = layout,
        .version = dvrt->version,
        .next_entry = dvrt->rva,
        .table_end = dvrt->rva + dvrt->size,
    };
}

static bool fail(struct dvrt_iter *it, enum pe_status status)
{
    it->status = status;
    return false;
}

// Step to the next ARM64X entry. False at the end of the table or when an entry is malformed.
static bool next_entry(struct dvrt_iter *it)
{
    while (it->next_entry < it->table_end) {
        uint32_t at = it->next_entry, left = it->table_end - at, header, payload;
        uint32_t symbol_at = it->version == 1 ? at : at + 8;
        uint64_t symbol;
        if (left < (it->version == 1 ? DVRT_ENTRY_V1_SIZE : DVRT_ENTRY_V2_SIZE)) return fail(it, PE_E_DVRT_ENTRY_SIZE);
        if (it->version == 1) {
            header = DVRT_ENTRY_V1_SIZE;
            if (!pe_read_u32(it->bytes, at + 8, &payload)) return fail(it, PE_E_DVRT_ENTRY_SIZE);
        } else {
            if (!pe_read_u32(it->bytes, at, &header) || !pe_read_u32(it->bytes, at + 4, &payload) ||
                header < DVRT_ENTRY_V2_SIZE || header > left)
                return fail(it, PE_E_DVRT_ENTRY_SIZE);
        }
        if (payload > left - header || !pe_read_u64(it->bytes, symbol_at, &symbol))
            return fail(it, PE_E_DVRT_ENTRY_SIZE);
        it->next_entry = at + header + payload;
        if (symbol != DVRT_SYMBOL_ARM64X) continue;
        it->seen_arm64x = true;
        it->next_block = at + header;
        it->entry_end = it->next_entry;
        return true;
    }
    return false;
}

// Step to the next block of the entry. False at the entry's end or when the block is malformed.
static bool next_block(struct dvrt_iter *it)
{
    uint32_t left = it->entry_end - it->next_block, size;
    if (!left) return false;
    if (left < DVRT_BLOCK_SIZE || !pe_read_u32(it->bytes, it->next_block, &it->page_rva) ||
        !pe_read_u32(it->bytes, it->next_block + 4, &size))
        return fail(it, PE_E_DVRT_BLOCK_SIZE);
    if (!size) { // ends the list
        it->next_block = it->entry_end;
        return false;
    }
    if (size < DVRT_BLOCK_SIZE || size > left || size % 4) return fail(it, PE_E_DVRT_BLOCK_SIZE);
    if (it->page_rva % PE_PAGE_SIZE || it->page_rva >= it->layout->size_of_image)
        return fail(it, PE_E_DVRT_BLOCK_PAGE);
    it->record = it->next_block + DVRT_BLOCK_SIZE;
    it->block_end = it->next_block + size;
    it->next_block += size;
    return true;
}

// Decode the record whose first word is `word` and whose further bytes start at it->record.
static bool read_record(struct dvrt_iter *it, uint16_t word, struct fixup *f)
{
    uint32_t argument = word >> 14, left = it->block_end - it->record;
    f->rva = it->page_rva + (word & 0xFFF);
    f->kind = word >> 12 & 3;
    f->value = 0;
    switch (f->kind) {
    case FIXUP_ZEROFILL:
        if (!argument) return fail(it, PE_E_DVRT_RECORD_WIDTH);
        f->size = 1u << argument;
        break;
    case FIXUP_VALUE:
        if (!argument) return fail(it, PE_E_DVRT_RECORD_WIDTH);
        f->size = 1u << argument;
        uint8_t b[8];
        if (f->size > left || !pe_read(it->bytes, it->record, b, f->size)) return fail(it, PE_E_DVRT_RECORD_SIZE);
        for (uint32_t i = f->size; i-- > 0;) f->value = f->value << 8 | b[i];
        it->record += f->size;
        break;
    case FIXUP_DELTA: {
        uint16_t magnitude;
        f->size = 4;
        if (left < 2 || !pe_read_u16(it->bytes, it->record, &magnitude)) return fail(it, PE_E_DVRT_RECORD_SIZE);
        uint32_t delta = (uint32_t)magnitude * (argument & 2 ? 8 : 4);
        f->value = argument & 1 ? 0u - delta : delta;
        it->record += 2;
        break;
    }
    default:
        return fail(it, PE_E_DVRT_RECORD_TYPE);
    }
    return pe_layout_covers(it->layout, f->rva, f->size) || fail(it, PE_E_DVRT_TARGET);
}

bool dvrt_next(struct dvrt_iter *it, struct fixup *fixup)
{
    if (it->status) return false;
    for (;;) {
        while (it->record >= it->block_end) {
            if (next_block(it)) continue;
            if (it->status || !next_entry(it)) return false;
        }
        uint16_t word; // blocks are multiples of 4 and every record of 2, so two bytes are left here
        if (!pe_read_u16(it->bytes, it->record, &word)) return fail(it, PE_E_DVRT_RECORD_SIZE);
        it->record += 2;
        if (!word) {
            it->record = it->block_end;
            continue;
        }
        return read_record(it, word, fixup);
    }
}

enum pe_status dvrt_check(const struct dvrt *dvrt, const struct pe_bytes *bytes, const struct pe_layout *layout,
                          uint32_t *count, bool *arm64x)
{
    struct dvrt_iter it;
    struct fixup f;
    *count = 0;
    dvrt_begin(&it, dvrt, bytes, layout);
    while (dvrt_next(&it, &f)) ++*count;
    *arm64x = it.seen_arm64x;
    return it.status;
}

enum pe_status dvrt_apply(const struct dvrt *dvrt, const struct pe_bytes *bytes, const struct pe_layout *layout,
                          const struct pe_pages *pages)
{
    struct dvrt_iter it;
    struct fixup f;
    dvrt_begin(&it, dvrt, bytes, layout);
    while (dvrt_next(&it, &f)) {
        uint8_t b[8];
        uint64_t value = f.value;
        if (f.kind == FIXUP_DELTA) {
            if (!pe_pages_read(pages, f.rva, b, 4)) return PE_E_PAGE_MISSING;
            value += b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
        }
        for (uint32_t i = 0; i < f.size; i++, value >>= 8) b[i] = (uint8_t)value;
        if (!pe_pages_write(pages, f.rva, b, f.size)) return PE_E_PAGE_MISSING;
    }
    return it.status;
}
