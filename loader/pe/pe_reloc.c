// SPDX-License-Identifier: MIT
// The list is a sequence of blocks: page RVA, block size, then 16-bit entries with the type in bits 15..12 and the
// offset in the page in bits 11..0 ("PE Format", the .reloc section).
#include "loader/pe/pe_reloc.h"

void pe_reloc_begin(struct pe_reloc_iter *it, const struct pe_bytes *bytes, const struct pe_layout *layout,
                    const struct pe_facts *facts)
{
    const struct pe_range *dir = &facts->directories[PE_DIR_BASERELOC];
    *it = (struct pe_reloc_iter){
        .bytes = bytes,
        .layout = layout,
        .next_block = dir->rva,
        .directory_end = dir->rva + dir->size, // inside the image, so this cannot wrap
    };
}

// Step to the next block. False at the end of the list or when the block is malformed.
static bool next_block(struct pe_reloc_iter *it)
{
    uint32_t left = it->directory_end - it->next_block, size;
    if (left < RELOC_BLOCK_HEADER_SIZE) return false; // tail padding
    if (!pe_read_u32(it->bytes, it->next_block, &it->page_rva) ||
        !pe_read_u32(it->bytes, it->next_block + 4, &size)) {
        it->status = PE_E_RELOC_BLOCK_SIZE;
        return false;
    }
    if (!size && !it->page_rva) return false; // an all-zero header ends the list, as some linkers pad with zeros
    if (size < RELOC_BLOCK_HEADER_SIZE || size > left || size % 2) {
        it->status = PE_E_RELOC_BLOCK_SIZE;
        return false;
    }
    it->entry = it->next_block + RELOC_BLOCK_HEADER_SIZE;
    it->entries_end = it->next_block + size;
    it->next_block += size;
    return true;
}

bool pe_reloc_next(struct pe_reloc_iter *it, uint32_t *rva)
{
    if (it->status) return false;
    for (;;) {
        while (it->entry >= it->entries_end)
            if (!next_block(it)) return false;
        uint16_t entry;
        if (!pe_read_u16(it->bytes, it->entry, &entry)) {
            it->status = PE_E_RELOC_BLOCK_SIZE;
            return false;
        }
        it->entry += 2;
        uint32_t type = entry >> 12;
        if (type == IMAGE_REL_BASED_ABSOLUTE) continue; // padding
        uint32_t target = it->page_rva + (entry & 0xFFF);
        if (type != IMAGE_REL_BASED_DIR64) it->status = PE_E_RELOC_TYPE;
        else if (target < it->page_rva || !pe_layout_covers(it->layout, target, 8)) it->status = PE_E_RELOC_TARGET;
        if (it->status) return false;
        *rva = target;
        return true;
    }
}

enum pe_status pe_reloc_check(const struct pe_bytes *bytes, const struct pe_layout *layout,
                              const struct pe_facts *facts, uint32_t *count)
{
    struct pe_reloc_iter it;
    uint32_t rva;
    *count = 0;
    pe_reloc_begin(&it, bytes, layout, facts);
    while (pe_reloc_next(&it, &rva)) ++*count;
    return it.status;
}

static bool page_present(const struct pe_pages *pages, uint32_t rva)
{
    return pages->page(pages->context, rva >> PE_PAGE_SHIFT) != 0;
}

static uint64_t load_le64(const uint8_t *b)
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--) value = value << 8 | b[i];
    return value;
}

static void store_le64(uint8_t *b, uint64_t value)
{
    for (int i = 0; i < 8; i++, value >>= 8) b[i] = (uint8_t)value;
}

enum pe_status pe_reloc_apply(const struct pe_bytes *bytes, const struct pe_layout *layout,
                              const struct pe_facts *facts, const struct pe_pages *pages, uint64_t new_base)
{
    uint64_t delta = new_base - facts->image_base;
    struct pe_reloc_iter it;
    uint8_t word[8];
    uint32_t rva;
    pe_reloc_begin(&it, bytes, layout, facts);
    while (pe_reloc_next(&it, &rva)) {
        bool first = page_present(pages, rva), last = page_present(pages, rva + 7);
        if (!first && !last) continue;
        if (!first || !last || !pe_pages_read(pages, rva, word, 8)) return PE_E_PAGE_MISSING;
        store_le64(word, load_le64(word) + delta);
        if (!pe_pages_write(pages, rva, word, 8)) return PE_E_PAGE_MISSING;
    }
    if (it.status) return it.status;

    // nt_offset is a multiple of 4, so the field may cross a page end too
    uint32_t base_rva = layout->nt_offset + NT_OPTIONAL + OPT_IMAGE_BASE;
    bool first = page_present(pages, base_rva), last = page_present(pages, base_rva + 7);
    if (!first && !last) return PE_OK;
    store_le64(word, new_base);
    return first && last && pe_pages_write(pages, base_rva, word, 8) ? PE_OK : PE_E_PAGE_MISSING;
}
