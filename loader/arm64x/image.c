// SPDX-License-Identifier: MIT
#include "loader/arm64x/image.h"

#include "loader/pe/pe_export.h"
#include "loader/pe/pe_reloc.h"

const char *image_class_name(enum image_class class)
{
    static const char *const names[] = {"x64", "ARM64EC", "ARM64", "Arm64X"};
    return (unsigned)class < 4 ? names[class] : "?";
}

static enum pe_status read_view(struct image_view *view, const struct pe_bytes *bytes, const struct pe_layout *layout)
{
    enum pe_status status = pe_facts_read(&view->facts, bytes, layout);
    if (!status) status = chpe_read(&view->chpe, bytes, &view->facts);
    if (!status) status = pe_reloc_check(bytes, layout, &view->facts, &view->reloc_count);
    if (!status && view->facts.directories[PE_DIR_EXPORT].rva) {
        struct pe_export_table exports;
        status = pe_export_open(&exports, bytes, &view->facts);
    }
    return status;
}

enum pe_status image_open(struct image *image, const void *data, uint64_t size)
{
    __builtin_memset(image, 0, sizeof *image);
    enum pe_status status = pe_file_open(&image->file, data, size);
    if (status) return status;
    struct pe_bytes bytes = pe_file_bytes(&image->file);
    const struct pe_layout *layout = &image->file.layout;
    status = read_view(&image->native, &bytes, layout);
    if (status) return status;

    bool arm64x = false;
    status = dvrt_open(&image->dvrt, &bytes, layout, &image->native.facts);
    if (!status) status = dvrt_check(&image->dvrt, &bytes, layout, &image->fixup_count, &arm64x);
    if (status) return status;
    if (image->native.facts.machine == IMAGE_FILE_MACHINE_AMD64)
        image->class = image->native.chpe.rva ? IMAGE_ARM64EC : IMAGE_X64;
    else
        image->class = arm64x ? IMAGE_ARM64X : IMAGE_ARM64;
    return PE_OK;
}

static bool same_bytes(const struct pe_bytes *a, const struct pe_bytes *b, struct pe_range range)
{
    uint8_t x[64], y[64];
    while (range.size) {
        uint32_t run = range.size < sizeof x ? range.size : sizeof x;
        if (!pe_read(a, range.rva, x, run) || !pe_read(b, range.rva, y, run) || __builtin_memcmp(x, y, run)) return false;
        range.rva += run, range.size -= run;
    }
    return true;
}

// Does the layout that the headers of the changed view describe agree with the file's? Compared field by field in the
// header bytes, so that no second copy of the whole layout is needed.
static bool same_layout(const struct pe_bytes *file, const struct pe_bytes *ec, const struct pe_layout *layout)
{
    uint32_t nt = layout->nt_offset, opt = nt + NT_OPTIONAL;
    uint16_t optional_size;
    if (!pe_read_u16(file, nt + NT_SIZE_OF_OPTIONAL, &optional_size)) return false;
    const struct pe_range fixed[] = {
        {0, 2},                                  // MZ
        {DOS_E_LFANEW, 4},
        {nt, 4},                                 // PE
        {nt + NT_NUMBER_OF_SECTIONS, 2},
        {nt + NT_SIZE_OF_OPTIONAL, 4},           // and characteristics
        {opt + OPT_MAGIC, 2},
        {opt + OPT_IMAGE_BASE, 16},              // base and both alignments
        {opt + OPT_SIZE_OF_IMAGE, 8},            // and SizeOfHeaders
        {opt + OPT_NUMBER_OF_DIRECTORIES, 4},
        {opt + optional_size, layout->section_count * SEC_HEADER_SIZE},
    };
    for (uint32_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (!same_bytes(file, ec, fixed[i])) return false;
    return true;
}

enum pe_status image_read_ec_view(const struct image *image, const struct pe_bytes *bytes, struct image_view *view)
{
    __builtin_memset(view, 0, sizeof *view);
    struct pe_bytes file = pe_file_bytes(&image->file);
    if (!same_layout(&file, bytes, &image->file.layout)) return PE_E_DVRT_LAYOUT;
    enum pe_status status = read_view(view, bytes, &image->file.layout);
    if (status) return status;
    if (view->facts.machine != IMAGE_FILE_MACHINE_AMD64) return PE_E_DVRT_MACHINE;
    struct pe_range ours = image->native.facts.directories[PE_DIR_BASERELOC];
    struct pe_range theirs = view->facts.directories[PE_DIR_BASERELOC];
    if (ours.rva != theirs.rva || ours.size != theirs.size || !same_bytes(&file, bytes, ours))
        return PE_E_DVRT_BASE_RELOCS;
    return PE_OK;
}

bool image_loads_in(enum image_class class, uint16_t process_machine, bool *ec_view)
{
    bool x64_process = process_machine == IMAGE_FILE_MACHINE_AMD64;
    *ec_view = class == IMAGE_ARM64X && x64_process;
    if (class == IMAGE_ARM64X) return x64_process || process_machine == IMAGE_FILE_MACHINE_ARM64;
    if (class == IMAGE_ARM64) return process_machine == IMAGE_FILE_MACHINE_ARM64;
    return x64_process;
}

bool image_page_is_arm64_code(const struct image_view *view, const struct pe_bytes *bytes, uint32_t page)
{
    bool native_view = view->facts.machine == IMAGE_FILE_MACHINE_ARM64;
    if (!view->chpe.rva) return native_view;
    enum code_type type = chpe_page_type(bytes, &view->chpe, page);
    return type == CODE_ARM64EC || (native_view && type == CODE_ARM64);
}
