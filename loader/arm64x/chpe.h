// SPDX-License-Identifier: MIT
// The ARM64EC metadata of an image ("CHPE version 2"): which ranges are code of which kind, which x64 stub stands for
// which ARM64EC function, and the pointer cells the loader fills so that the image can reach the mode switch.
// Field offsets: IMAGE_ARM64EC_METADATA as in LLVM's Object/COFF.h.
#pragma once
#include "loader/pe/pe_facts.h"

enum code_type {
    CODE_ARM64 = 0,   // native code of the other view of an Arm64X image
    CODE_ARM64EC = 1,
    CODE_X64 = 2,
    CODE_UNKNOWN = 3, // not covered by the code map; never in a range
};

struct code_range {
    uint32_t rva, size; // size is never 0
    enum code_type type;
};

struct chpe {
    uint32_t rva; // of the metadata itself, 0 when the image has none
    uint32_t version;
    uint32_t code_map_rva, code_map_count;
    uint32_t redirection_rva, redirection_count;
    uint32_t alternate_entry_rva;
    struct pe_range extra_exception_table; // unwind table in the format of the other architecture
    uint32_t auxiliary_iat_rva, auxiliary_iat_copy_rva;
    // RVAs of 8-byte cells, 0 where the image has none
    uint32_t dispatch_call_no_redirect_cell, dispatch_ret_cell, dispatch_call_cell, dispatch_icall_cell,
        dispatch_icall_cfg_cell, get_x64_information_cell, set_x64_information_cell, dispatch_fptr_cell;
};

// Read and check all of the metadata: tables in the image, code map sorted, of known types and one kind a page,
// redirections sorted. An image without metadata is PE_OK with chpe->rva == 0.
enum pe_status chpe_read(struct chpe *chpe, const struct pe_bytes *bytes, const struct pe_facts *facts);

// Walk the code map: *index starts at 0. False at the end. Zero-length ranges (discarded sections) are left out.
bool chpe_next_range(const struct pe_bytes *bytes, const struct chpe *chpe, uint32_t *index, struct code_range *range);

// What kind of code the 4 KiB page is said to hold; ranges count for every page they touch.
enum code_type chpe_page_type(const struct pe_bytes *bytes, const struct chpe *chpe, uint32_t page);

// The ARM64EC function behind the x64 stub at `rva`, or rva itself where there is none.
uint32_t chpe_redirect(const struct pe_bytes *bytes, const struct chpe *chpe, uint32_t rva);
