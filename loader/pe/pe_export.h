// SPDX-License-Identifier: MIT
// The export table of one view of an image.
#pragma once
#include "loader/pe/pe_facts.h"

struct pe_export {
    uint32_t rva;     // of the function, or of the forwarder string "DLL.name" / "DLL.#ordinal"
    uint32_t ordinal; // with the ordinal base added
    bool forwarder;
};

// The header of the export directory, checked: every table lies inside the image.
struct pe_export_table {
    struct pe_range directory; // RVAs in here are forwarder strings
    uint32_t ordinal_base;
    uint32_t function_count, functions_rva; // u32 RVAs; 0 for an unused ordinal
    uint32_t name_count, names_rva;         // u32 RVAs of strings, sorted as strcmp does
    uint32_t name_ordinals_rva;             // u16 indices into the functions
};

// PE_E_EXPORT_NOT_FOUND when the image has no export directory.
enum pe_status pe_export_open(struct pe_export_table *table, const struct pe_bytes *bytes,
                              const struct pe_facts *facts);

enum pe_status pe_find_export(const struct pe_bytes *bytes, const struct pe_export_table *table, const char *name,
                              struct pe_export *out);
enum pe_status pe_find_export_ordinal(const struct pe_bytes *bytes, const struct pe_export_table *table,
                                      uint32_t ordinal, struct pe_export *out);

// The RVA of the name string number `index` (0..name_count-1) and what it names; to list the table.
enum pe_status pe_export_at(const struct pe_bytes *bytes, const struct pe_export_table *table, uint32_t index,
                            uint32_t *name_rva, struct pe_export *out);
