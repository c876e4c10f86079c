// SPDX-License-Identifier: MIT
// Base relocations: the places that hold absolute addresses. A 64-bit image uses one real type, DIR64.
#pragma once
#include "loader/pe/pe_facts.h"

// Walks the 8-byte words to adjust. Usage: pe_reloc_begin, then while (pe_reloc_next(&it, &rva)) ..., then look at
// it.status: the walk also ends at the first malformed block. A word may cross a page end.
struct pe_reloc_iter {
    const struct pe_bytes *bytes;
    const struct pe_layout *layout;
    uint32_t directory_end; // RVA
    uint32_t next_block;    // RVA
    uint32_t entry, entries_end;
    uint32_t page_rva;
    enum pe_status status;
};
void pe_reloc_begin(struct pe_reloc_iter *it, const struct pe_bytes *bytes, const struct pe_layout *layout,
                    const struct pe_facts *facts);
bool pe_reloc_next(struct pe_reloc_iter *it, uint32_t *rva);

// Walk everything once; *count gets the number of words. Nothing is changed.
enum pe_status pe_reloc_check(const struct pe_bytes *bytes, const struct pe_layout *layout,
                              const struct pe_facts *facts, uint32_t *count);

// Move the image from facts->image_base to new_base: add the difference to every word of the list, and write new_base
// into OptionalHeader.ImageBase as the system does for a mapped image. The list is read from `bytes`, words are changed in
// `pages`. A word none of whose pages is present is left out (a view may own only a few pages); a word with one page
// present and one not is PE_E_PAGE_MISSING, because its two halves cannot be changed apart.
// After an error some words were changed and others not: the pages are to be thrown away.
enum pe_status pe_reloc_apply(const struct pe_bytes *bytes, const struct pe_layout *layout,
                              const struct pe_facts *facts, const struct pe_pages *pages, uint64_t new_base);
