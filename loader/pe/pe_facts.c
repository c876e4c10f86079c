// SPDX-License-Identifier: MIT
#include "loader/pe/pe_facts.h"

// The directories somebody acts on. The others are either file offsets (security), not part of the mapped image
// (debug data may be) or left-overs that working programs carry garbage in.
static const uint8_t checked_directories[] = {PE_DIR_EXPORT, PE_DIR_IMPORT,      PE_DIR_RESOURCE, PE_DIR_EXCEPTION, PE_DIR_BASERELOC,
                                              PE_DIR_TLS,    PE_DIR_LOAD_CONFIG, PE_DIR_IAT,      PE_DIR_DELAY_IMPORT};

// Turn a pointer of the load configuration into an RVA. A field the size does not cover, or a null pointer, is 0; a
// pointer out of the image is 0 too except that *outside is set.
static uint32_t pointer_field(const struct pe_bytes *bytes, const struct pe_facts *f, uint32_t offset, bool *outside)
{
    uint64_t pointer;
    if (offset + 8 > f->load_config_size ||
        !pe_read_u64(bytes, f->directories[PE_DIR_LOAD_CONFIG].rva + offset, &pointer) || !pointer)
        return 0;
    uint64_t rva = pointer - f->image_base;
    if (!rva || rva >= bytes->size) {
        *outside = true;
        return 0;
    }
    return (uint32_t)rva;
}

static enum pe_status read_load_config(struct pe_facts *f, const struct pe_bytes *bytes)
{
    const struct pe_range *dir = &f->directories[PE_DIR_LOAD_CONFIG];
    if (!dir->rva) return PE_OK;
    uint32_t size;
    if (!pe_read_u32(bytes, dir->rva + LC_SIZE, &size)) return PE_E_LOAD_CONFIG;
    f->load_config_size = size < dir->size ? size : dir->size;
    if (f->load_config_size < 4) return PE_E_LOAD_CONFIG;
    if (!pe_range_ok(bytes, dir->rva, f->load_config_size)) return PE_E_LOAD_CONFIG;

    bool outside = false;
    f->chpe_rva = pointer_field(bytes, f, LC_CHPE_METADATA, &outside);
    if (outside) return PE_E_CHPE_POINTER;
    f->security_cookie_rva = pointer_field(bytes, f, LC_SECURITY_COOKIE, &outside);
    f->guard_check_cell_rva = pointer_field(bytes, f, LC_GUARD_CHECK_CELL, &outside);
    f->guard_dispatch_cell_rva = pointer_field(bytes, f, LC_GUARD_DISPATCH_CELL, &outside);
    f->volatile_metadata_rva = pointer_field(bytes, f, LC_VOLATILE_METADATA, &outside);
    if (outside) return PE_E_LOAD_CONFIG;
    if (f->load_config_size >= LC_DVRT_SECTION + 2 &&
        (!pe_read_u32(bytes, dir->rva + LC_DVRT_OFFSET, &f->dvrt_offset) ||
         !pe_read_u16(bytes, dir->rva + LC_DVRT_SECTION, &f->dvrt_section)))
        return PE_E_LOAD_CONFIG;
    return PE_OK;
}

static enum pe_status read_directories(struct pe_facts *f, const struct pe_bytes *bytes, uint32_t opt)
{
    uint32_t count;
    if (!pe_read_u32(bytes, opt + OPT_NUMBER_OF_DIRECTORIES, &count)) return PE_E_TRUNCATED_HEADERS;
    if (count > PE_DIR_COUNT) count = PE_DIR_COUNT;
    for (uint32_t i = 0; i < count; i++) {
        struct pe_range *dir = &f->directories[i];
        if (!pe_read_u32(bytes, opt + OPT_DIRECTORIES + i * 8, &dir->rva) ||
            !pe_read_u32(bytes, opt + OPT_DIRECTORIES + i * 8 + 4, &dir->size))
            return PE_E_TRUNCATED_HEADERS;
    }
    for (uint32_t i = 0; i < sizeof checked_directories; i++) {
        struct pe_range *dir = &f->directories[checked_directories[i]];
        if (!dir->rva || !dir->size) *dir = (struct pe_range){0};
        else if (!pe_range_ok(bytes, dir->rva, dir->size)) return PE_E_DIRECTORY;
    }
    return PE_OK;
}

enum pe_status pe_facts_read(struct pe_facts *f, const struct pe_bytes *bytes, const struct pe_layout *layout)
{
    __builtin_memset(f, 0, sizeof *f);
    uint32_t nt = layout->nt_offset, opt = nt + NT_OPTIONAL;
    if (!pe_read_u16(bytes, nt + NT_MACHINE, &f->machine) ||
        !pe_read_u32(bytes, nt + NT_TIME_DATE_STAMP, &f->time_stamp) ||
        !pe_read_u16(bytes, nt + NT_CHARACTERISTICS, &f->characteristics) ||
        !pe_read_u32(bytes, opt + OPT_ADDRESS_OF_ENTRY, &f->entry_rva) ||
        !pe_read_u64(bytes, opt + OPT_IMAGE_BASE, &f->image_base) ||
        !pe_read_u32(bytes, opt + OPT_CHECKSUM, &f->checksum) ||
        !pe_read_u16(bytes, opt + OPT_SUBSYSTEM, &f->subsystem) ||
        !pe_read_u16(bytes, opt + OPT_DLL_CHARACTERISTICS, &f->dll_characteristics) ||
        !pe_read_u64(bytes, opt + OPT_STACK_RESERVE, &f->stack_reserve) ||
        !pe_read_u64(bytes, opt + OPT_STACK_COMMIT, &f->stack_commit) ||
        !pe_read_u64(bytes, opt + OPT_HEAP_RESERVE, &f->heap_reserve) ||
        !pe_read_u64(bytes, opt + OPT_HEAP_COMMIT, &f->heap_commit))
        return PE_E_TRUNCATED_HEADERS;
    if (f->machine != IMAGE_FILE_MACHINE_AMD64 && f->machine != IMAGE_FILE_MACHINE_ARM64) return PE_E_MACHINE;
    if (f->entry_rva) {
        const struct pe_region *r = pe_layout_region(layout, f->entry_rva);
        if (!r || r == &layout->regions[0]) return PE_E_ENTRY_POINT;
    }
    enum pe_status status = read_directories(f, bytes, opt);
    return status ? status : read_load_config(f, bytes);
}
