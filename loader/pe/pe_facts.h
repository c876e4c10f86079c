// SPDX-License-Identifier: MIT
// What the headers of one view of an image say: machine, entry point, directories, load configuration. An Arm64X image
// has two sets of these facts, one read from the file as it is and one read after its dynamic relocations.
#pragma once
#include "loader/pe/pe_layout.h"

struct pe_range {
    uint32_t rva, size;
};

struct pe_facts {
    uint16_t machine; // IMAGE_FILE_MACHINE_AMD64 or _ARM64
    uint16_t characteristics;
    uint16_t dll_characteristics;
    uint16_t subsystem;
    uint32_t entry_rva; // 0: none
    uint32_t time_stamp;
    uint32_t checksum;
    uint64_t image_base; // what the pointers in these bytes are relative to
    uint64_t stack_reserve, stack_commit;
    uint64_t heap_reserve, heap_commit;
    struct pe_range directories[PE_DIR_COUNT]; // {0, 0} where absent; inside the image where present

    // Load configuration; a field its size does not cover is 0. Pointers were turned into RVAs, 0 for none.
    uint32_t load_config_size;
    uint32_t chpe_rva;
    uint32_t security_cookie_rva;
    uint32_t guard_check_cell_rva, guard_dispatch_cell_rva;
    uint32_t volatile_metadata_rva;
    uint32_t dvrt_offset;
    uint16_t dvrt_section; // 1-based, 0: the image has no dynamic relocations
};

// Read and check the facts from the bytes of a view. The layout is that of the same image.
enum pe_status pe_facts_read(struct pe_facts *facts, const struct pe_bytes *bytes, const struct pe_layout *layout);

static inline bool pe_is_dll(const struct pe_facts *facts)
{
    return facts->characteristics & IMAGE_FILE_DLL;
}

// Whether the program takes addresses of more than 32 bits everywhere.
static inline bool pe_is_high_entropy(const struct pe_facts *facts)
{
    return facts->dll_characteristics & IMAGE_DLLCHARACTERISTICS_HIGH_ENTROPY_VA;
}

// False when the image can only be at its preferred base.
static inline bool pe_is_relocatable(const struct pe_facts *facts)
{
    return !(facts->characteristics & IMAGE_FILE_RELOCS_STRIPPED);
}
