// SPDX-License-Identifier: MIT
#include "loader/arm64x/chpe.h"

#define CHPE_SIZE_VERSION_1 0x50
#define CHPE_SIZE_VERSION_2 0x5C
#define CODE_RANGE_SIZE     8
#define REDIRECTION_SIZE    8

// Every field of version 1 that is kept. Kind: 'v' plain value, 't' table or target RVA, 'c' pointer cell.
static const struct {
    uint8_t offset;
    char kind;
    uint16_t member;
} fields[] = {
#define F(offset, kind, member) {offset, kind, offsetof(struct chpe, member)}
    F(0x04, 't', code_map_rva),
    F(0x08, 'v', code_map_count),
    F(0x10, 't', redirection_rva),
    F(0x14, 'c', dispatch_call_no_redirect_cell),
    F(0x18, 'c', dispatch_ret_cell),
    F(0x1C, 'c', dispatch_call_cell),
    F(0x20, 'c', dispatch_icall_cell),
    F(0x24, 'c', dispatch_icall_cfg_cell),
    F(0x28, 't', alternate_entry_rva),
    F(0x2C, 't', auxiliary_iat_rva),
    F(0x34, 'v', redirection_count),
    F(0x38, 'c', get_x64_information_cell),
    F(0x3C, 'c', set_x64_information_cell),
    F(0x40, 't', extra_exception_table.rva),
    F(0x44, 'v', extra_exception_table.size),
    F(0x48, 'c', dispatch_fptr_cell),
    F(0x4C, 't', auxiliary_iat_copy_rva),
#undef F
};

// Entry `index` of the code map, bits 1..0 of the start being the type.
static bool read_range(const struct pe_bytes *bytes, const struct chpe *chpe, uint32_t index, struct code_range *range)
{
    uint32_t start;
    if (!pe_read_u32(bytes, chpe->code_map_rva + index * CODE_RANGE_SIZE, &start) ||
        !pe_read_u32(bytes, chpe->code_map_rva + index * CODE_RANGE_SIZE + 4, &range->size))
        return false;
    range->rva = start & ~3u;
    range->type = start & 3;
    return true;
}

static enum pe_status check_code_map(const struct chpe *chpe, const struct pe_bytes *bytes)
{
    struct code_range before = {.type = CODE_UNKNOWN}, range;
    for (uint32_t i = 0; i < chpe->code_map_count; i++) {
        if (!read_range(bytes, chpe, i, &range)) return PE_E_CHPE_TABLE;
        if (!range.size) continue;
        if (range.type == CODE_UNKNOWN) return PE_E_CODE_MAP_TYPE;
        if (!pe_range_ok(bytes, range.rva, range.size)) return PE_E_CODE_MAP_RANGE;
        if (before.size) {
            uint32_t before_end = before.rva + before.size;
            if (range.rva < before_end) return PE_E_CODE_MAP_ORDER;
            // One bit a page says whether its code may run as arm64, so a page cannot hold both.
            if (range.type != before.type && range.rva / PE_PAGE_SIZE == (before_end - 1) / PE_PAGE_SIZE)
                return PE_E_CODE_MAP_MIXED_PAGE;
        }
        before = range;
    }
    return PE_OK;
}

static bool read_redirection(const struct pe_bytes *bytes, const struct chpe *chpe, uint32_t index, uint32_t *source,
                             uint32_t *destination)
{
    uint32_t at = chpe->redirection_rva + index * REDIRECTION_SIZE;
    return pe_read_u32(bytes, at, source) && pe_read_u32(bytes, at + 4, destination);
}

static enum pe_status check_redirections(const struct chpe *chpe, const struct pe_bytes *bytes)
{
    uint32_t before = 0, source, destination;
    for (uint32_t i = 0; i < chpe->redirection_count; i++, before = source) {
        if (!read_redirection(bytes, chpe, i, &source, &destination)) return PE_E_CHPE_TABLE;
        if (source < before) return PE_E_REDIRECTION_ORDER;
        if (source >= bytes->size || destination >= bytes->size) return PE_E_REDIRECTION_TARGET;
    }
    return PE_OK;
}

enum pe_status chpe_read(struct chpe *chpe, const struct pe_bytes *bytes, const struct pe_facts *facts)
{
    __builtin_memset(chpe, 0, sizeof *chpe);
    if (!facts->chpe_rva) return PE_OK;
    uint32_t at = facts->chpe_rva;
    if (!pe_read_u32(bytes, at, &chpe->version)) return PE_E_CHPE_POINTER;
    if (chpe->version != 1 && chpe->version != 2) return PE_E_CHPE_VERSION;
    // The structure has no size field: its version says where it ends.
    if (!pe_range_ok(bytes, at, chpe->version == 1 ? CHPE_SIZE_VERSION_1 : CHPE_SIZE_VERSION_2)) return PE_E_CHPE_POINTER;
    for (uint32_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        uint32_t value;
        if (!pe_read_u32(bytes, at + fields[i].offset, &value)) return PE_E_CHPE_POINTER;
        if (fields[i].kind == 'c' && value && !pe_range_ok(bytes, value, 8)) return PE_E_CHPE_CELL;
        if (fields[i].kind == 't' && value >= bytes->size) return PE_E_CHPE_TABLE;
        __builtin_memcpy((uint8_t *)chpe + fields[i].member, &value, sizeof value);
    }
    if (!pe_range_ok(bytes, chpe->code_map_rva, (uint64_t)chpe->code_map_count * CODE_RANGE_SIZE) ||
        !pe_range_ok(bytes, chpe->redirection_rva, (uint64_t)chpe->redirection_count * REDIRECTION_SIZE) ||
        !pe_range_ok(bytes, chpe->extra_exception_table.rva, chpe->extra_exception_table.size))
        return PE_E_CHPE_TABLE;
    chpe->rva = at;
    enum pe_status status = check_code_map(chpe, bytes);
    return status ? status : check_redirections(chpe, bytes);
}

bool chpe_next_range(const struct pe_bytes *bytes, const struct chpe *chpe, uint32_t *index, struct code_range *range)
{
    while (chpe->rva && *index < chpe->code_map_count) {
        if (!read_range(bytes, chpe, (*index)++, range)) return false;
        if (range->size) return true;
    }
    return false;
}

enum code_type chpe_page_type(const struct pe_bytes *bytes, const struct chpe *chpe, uint32_t page)
{
    struct code_range range;
    for (uint32_t i = 0; chpe_next_range(bytes, chpe, &i, &range);)
        if (page >= range.rva / PE_PAGE_SIZE && page <= (range.rva + range.size - 1) / PE_PAGE_SIZE) return range.type;
    return CODE_UNKNOWN;
}

uint32_t chpe_redirect(const struct pe_bytes *bytes, const struct chpe *chpe, uint32_t rva)
{
    uint32_t low = 0, high = chpe->rva ? chpe->redirection_count : 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2, source, destination;
        if (!read_redirection(bytes, chpe, middle, &source, &destination)) return rva;
        if (source == rva) return destination;
        if (source < rva) low = middle + 1;
        else high = middle;
    }
    return rva;
}
