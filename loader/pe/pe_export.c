// SPDX-License-Identifier: MIT
#include "loader/pe/pe_export.h"

enum pe_status pe_export_open(struct pe_export_table *t, const struct pe_bytes *bytes, const struct pe_facts *facts)
{
    __builtin_memset(t, 0, sizeof *t);
    t->directory = facts->directories[PE_DIR_EXPORT];
    if (!t->directory.rva) return PE_E_EXPORT_NOT_FOUND;
    uint32_t dir = t->directory.rva;
    if (!pe_read_u32(bytes, dir + EXP_ORDINAL_BASE, &t->ordinal_base) ||
        !pe_read_u32(bytes, dir + EXP_NUMBER_OF_FUNCS, &t->function_count) ||
        !pe_read_u32(bytes, dir + EXP_NUMBER_OF_NAMES, &t->name_count) ||
        !pe_read_u32(bytes, dir + EXP_ADDRESS_OF_FUNCS, &t->functions_rva) ||
        !pe_read_u32(bytes, dir + EXP_ADDRESS_OF_NAMES, &t->names_rva) ||
        !pe_read_u32(bytes, dir + EXP_ADDRESS_OF_ORDS, &t->name_ordinals_rva))
        return PE_E_EXPORT_DIRECTORY;
    if (!pe_range_ok(bytes, t->functions_rva, (uint64_t)t->function_count * 4) ||
        !pe_range_ok(bytes, t->names_rva, (uint64_t)t->name_count * 4) ||
        !pe_range_ok(bytes, t->name_ordinals_rva, (uint64_t)t->name_count * 2))
        return PE_E_EXPORT_DIRECTORY;
    return PE_OK;
}

static enum pe_status export_by_index(const struct pe_bytes *bytes, const struct pe_export_table *t, uint32_t index,
                                      struct pe_export *out)
{
    if (!pe_read_u32(bytes, t->functions_rva + index * 4, &out->rva)) return PE_E_EXPORT_DIRECTORY;
    if (!out->rva) return PE_E_EXPORT_NOT_FOUND; // a hole in the ordinals
    if (out->rva >= bytes->size) return PE_E_EXPORT_TARGET;
    out->ordinal = t->ordinal_base + index;
    out->forwarder = out->rva - t->directory.rva < t->directory.size;
    return PE_OK;
}

enum pe_status pe_find_export_ordinal(const struct pe_bytes *bytes, const struct pe_export_table *t, uint32_t ordinal,
                                      struct pe_export *out)
{
    uint32_t index = ordinal - t->ordinal_base;
    return index < t->function_count ? export_by_index(bytes, t, index, out) : PE_E_EXPORT_NOT_FOUND;
}

enum pe_status pe_export_at(const struct pe_bytes *bytes, const struct pe_export_table *t, uint32_t index,
                            uint32_t *name_rva, struct pe_export *out)
{
    uint16_t function;
    if (index >= t->name_count) return PE_E_EXPORT_NOT_FOUND;
    if (!pe_read_u32(bytes, t->names_rva + index * 4, name_rva) ||
        !pe_read_u16(bytes, t->name_ordinals_rva + index * 2, &function))
        return PE_E_EXPORT_DIRECTORY;
    if (function >= t->function_count) return PE_E_EXPORT_ORDINAL;
    return export_by_index(bytes, t, function, out);
}

enum pe_status pe_find_export(const struct pe_bytes *bytes, const struct pe_export_table *t, const char *name,
                              struct pe_export *out)
{
    uint32_t low = 0, high = t->name_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2, name_rva;
        int order;
        if (!pe_read_u32(bytes, t->names_rva + middle * 4, &name_rva) ||
            !pe_compare_string(bytes, name_rva, name, &order))
            return PE_E_EXPORT_DIRECTORY;
        if (order == 0) return pe_export_at(bytes, t, middle, &name_rva, out);
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return PE_E_EXPORT_NOT_FOUND;
}
