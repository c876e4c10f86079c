// SPDX-License-Identifier: MIT
// Section rules follow what the Windows memory manager enforces, because images that break them do not exist as
// working programs: sections ascend and leave no gap, raw data lies in the file, SizeOfImage is where they end.
#include "loader/pe/pe_layout.h"

static uint64_t round_up(uint64_t value, uint32_t alignment)
{
    return (value + alignment - 1) & ~(uint64_t)(alignment - 1);
}

static bool is_power_of_two(uint32_t value)
{
    return value && !(value & (value - 1));
}

static enum pe_status read_headers(struct pe_layout *l, const struct pe_bytes *h, uint64_t file_size, uint32_t *table)
{
    uint16_t magic, optional_size, characteristics;
    uint32_t signature, directories;
    if (!pe_read_u16(h, 0, &magic)) return PE_E_TRUNCATED_HEADERS;
    if (magic != IMAGE_DOS_SIGNATURE) return PE_E_DOS_MAGIC;
    if (!pe_read_u32(h, DOS_E_LFANEW, &l->nt_offset)) return PE_E_TRUNCATED_HEADERS;
    if (l->nt_offset % 4 || !pe_range_ok(h, l->nt_offset, NT_OPTIONAL)) return PE_E_NT_OFFSET;
    if (!pe_read_u32(h, l->nt_offset, &signature)) return PE_E_TRUNCATED_HEADERS;
    if (signature != IMAGE_NT_SIGNATURE) return PE_E_NT_MAGIC;
    if (!pe_read_u16(h, l->nt_offset + NT_MACHINE, &l->machine) ||
        !pe_read_u16(h, l->nt_offset + NT_NUMBER_OF_SECTIONS, &l->section_count) ||
        !pe_read_u16(h, l->nt_offset + NT_SIZE_OF_OPTIONAL, &optional_size) ||
        !pe_read_u16(h, l->nt_offset + NT_CHARACTERISTICS, &characteristics))
        return PE_E_TRUNCATED_HEADERS;
    if (l->machine != IMAGE_FILE_MACHINE_AMD64 && l->machine != IMAGE_FILE_MACHINE_ARM64) return PE_E_MACHINE;
    if (!(characteristics & IMAGE_FILE_EXECUTABLE_IMAGE)) return PE_E_NOT_EXECUTABLE;
    if (optional_size < OPT_DIRECTORIES) return PE_E_OPTIONAL_SIZE;

    uint32_t opt = l->nt_offset + NT_OPTIONAL;
    if (!pe_range_ok(h, opt, optional_size)) return PE_E_TRUNCATED_HEADERS;
    if (!pe_read_u16(h, opt + OPT_MAGIC, &magic)) return PE_E_TRUNCATED_HEADERS;
    if (magic != OPT_MAGIC_PE32PLUS) return PE_E_NOT_PE32PLUS;
    if (!pe_read_u64(h, opt + OPT_IMAGE_BASE, &l->image_base) ||
        !pe_read_u32(h, opt + OPT_SECTION_ALIGNMENT, &l->section_alignment) ||
        !pe_read_u32(h, opt + OPT_FILE_ALIGNMENT, &l->file_alignment) ||
        !pe_read_u32(h, opt + OPT_SIZE_OF_IMAGE, &l->size_of_image) ||
        !pe_read_u32(h, opt + OPT_SIZE_OF_HEADERS, &l->size_of_headers) ||
        !pe_read_u32(h, opt + OPT_NUMBER_OF_DIRECTORIES, &directories))
        return PE_E_TRUNCATED_HEADERS;
    if (directories > PE_DIR_COUNT) directories = PE_DIR_COUNT; // more are allowed and ignored, as on Windows
    if (optional_size < OPT_DIRECTORIES + directories * 8) return PE_E_OPTIONAL_SIZE;
    if (!is_power_of_two(l->section_alignment) || l->section_alignment < PE_PAGE_SIZE ||
        l->section_alignment > 0x80000000u / 2)
        return PE_E_SECTION_ALIGNMENT;
    if (!is_power_of_two(l->file_alignment) || l->file_alignment < 512 || l->file_alignment > l->section_alignment)
        return PE_E_FILE_ALIGNMENT;
    if (l->image_base % 0x10000) return PE_E_IMAGE_BASE;
    if (!l->size_of_image || l->size_of_image > 0x80000000u) return PE_E_IMAGE_SIZE;
    if (!l->section_count || l->section_count > PE_SECTION_MAX) return PE_E_SECTION_COUNT;

    *table = opt + optional_size; // fits: the range was checked against a size of at most 32 bits
    uint64_t headers_end = (uint64_t)*table + l->section_count * SEC_HEADER_SIZE;
    if (l->size_of_headers < headers_end || l->size_of_headers > file_size ||
        l->size_of_headers > l->size_of_image)
        return PE_E_HEADERS_SIZE;
    if (!pe_range_ok(h, 0, l->size_of_headers)) return PE_E_TRUNCATED_HEADERS;
    return PE_OK;
}

static enum pe_status read_section(const struct pe_layout *l, const struct pe_bytes *h, uint64_t file_size, uint32_t at,
                                   const struct pe_region *before, struct pe_region *r)
{
    uint32_t raw_size, characteristics;
    if (!pe_read(h, at + SEC_NAME, r->name, 8) || !pe_read_u32(h, at + SEC_VIRTUAL_SIZE, &r->virtual_size) ||
        !pe_read_u32(h, at + SEC_VIRTUAL_ADDRESS, &r->rva) || !pe_read_u32(h, at + SEC_RAW_SIZE, &raw_size) ||
        !pe_read_u32(h, at + SEC_RAW_POINTER, &r->file_offset) ||
        !pe_read_u32(h, at + SEC_CHARACTERISTICS, &characteristics))
        return PE_E_TRUNCATED_HEADERS;

    if (r->rva % l->section_alignment) return PE_E_SECTION_UNALIGNED;
    if (!r->virtual_size) r->virtual_size = raw_size; // old linkers leave the virtual size out
    if (!r->virtual_size || r->virtual_size > 0x80000000u) return PE_E_SECTION_SIZE;
    r->span = (uint32_t)round_up(r->virtual_size, PE_PAGE_SIZE);
    uint64_t before_end = round_up((uint64_t)before->rva + before->span, l->section_alignment);
    if (r->rva < before_end) return PE_E_SECTION_OVERLAP;
    if (r->rva > before_end && before->rva) return PE_E_SECTION_GAP; // the headers may be followed by a hole
    if ((uint64_t)r->rva + r->span > round_up(l->size_of_image, PE_PAGE_SIZE)) return PE_E_SECTION_PAST_IMAGE;

    if (!raw_size || !r->file_offset) { // no bytes in the file
        r->file_offset = 0;
    } else {
        if (r->file_offset % l->file_alignment) return PE_E_SECTION_RAW_UNALIGNED;
        if ((uint64_t)r->file_offset + raw_size > file_size) return PE_E_SECTION_PAST_EOF;
        r->file_size = raw_size < r->span ? raw_size : r->span;
    }
    if (characteristics & IMAGE_SCN_MEM_READ) r->protection |= PE_PROT_READ;
    if (characteristics & IMAGE_SCN_MEM_WRITE) r->protection |= PE_PROT_READ | PE_PROT_WRITE;
    if (characteristics & IMAGE_SCN_MEM_EXECUTE) r->protection |= PE_PROT_READ | PE_PROT_EXECUTE;
    if (characteristics & IMAGE_SCN_MEM_SHARED) r->protection |= PE_PROT_SHARED;
    return PE_OK;
}

enum pe_status pe_layout_read(struct pe_layout *layout, const struct pe_bytes *headers, uint64_t file_size)
{
    __builtin_memset(layout, 0, sizeof *layout);
    uint32_t table = 0;
    enum pe_status status = read_headers(layout, headers, file_size, &table);
    if (status) return status;

    layout->regions[0] = (struct pe_region){
        .name = "headers",
        .protection = PE_PROT_READ,
        .virtual_size = layout->size_of_headers,
        .span = (uint32_t)round_up(layout->size_of_headers, PE_PAGE_SIZE),
        .file_size = layout->size_of_headers,
    };
    for (uint32_t i = 1; i <= layout->section_count; i++) {
        status = read_section(layout, headers, file_size, table + (i - 1) * SEC_HEADER_SIZE, &layout->regions[i - 1],
                              &layout->regions[i]);
        if (status) return status;
    }
    const struct pe_region *last = &layout->regions[layout->section_count];
    if (round_up(layout->size_of_image, layout->section_alignment) !=
        round_up((uint64_t)last->rva + last->span, layout->section_alignment))
        return PE_E_IMAGE_SIZE;
    return PE_OK;
}

const struct pe_region *pe_layout_region(const struct pe_layout *layout, uint32_t rva)
{
    uint32_t low = 0, high = layout->section_count; // the last region that does not start after rva
    while (low < high) {
        uint32_t middle = (low + high + 1) / 2;
        if (layout->regions[middle].rva <= rva) low = middle;
        else high = middle - 1;
    }
    const struct pe_region *r = &layout->regions[low];
    return rva - r->rva < r->span ? r : 0;
}

bool pe_layout_covers(const struct pe_layout *layout, uint32_t rva, uint32_t len)
{
    if ((uint64_t)rva + len > (uint64_t)pe_layout_page_count(layout) * PE_PAGE_SIZE) return false;
    return pe_layout_region(layout, rva) && pe_layout_region(layout, rva + len - 1);
}

struct pe_page_plan pe_layout_page(const struct pe_layout *layout, uint32_t page)
{
    struct pe_page_plan plan = {0};
    if (page >= pe_layout_page_count(layout)) return plan;
    uint32_t rva = page * PE_PAGE_SIZE;
    const struct pe_region *r = pe_layout_region(layout, rva);
    if (!r) return plan;
    plan.region = (uint8_t)(r - layout->regions);
    plan.protection = r->protection;
    uint32_t offset = rva - r->rva;
    if (offset < r->file_size) {
        plan.file_offset = r->file_offset + offset;
        plan.file_size = r->file_size - offset < PE_PAGE_SIZE ? r->file_size - offset : PE_PAGE_SIZE;
    }
    return plan;
}

static const uint8_t *file_at(const void *context, uint32_t rva, uint32_t *run)
{
    const struct pe_file *file = context;
    const struct pe_region *r = pe_layout_region(&file->layout, rva);
    *run = 0;
    if (!r) return 0;
    uint32_t offset = rva - r->rva;
    if (offset >= r->file_size) {
        *run = r->span - offset;
        return 0;
    }
    *run = r->file_size - offset;
    return file->data + r->file_offset + offset;
}

struct pe_bytes pe_file_bytes(const struct pe_file *file)
{
    return (struct pe_bytes){.at = file_at, .context = file, .size = file->layout.size_of_image};
}

enum pe_status pe_file_open(struct pe_file *file, const void *data, uint64_t size)
{
    file->data = data;
    file->size = size;
    struct pe_flat flat = {data};
    struct pe_bytes headers = pe_bytes_flat(&flat, size > 0x80000000u ? 0x80000000u : (uint32_t)size);
    return pe_layout_read(&file->layout, &headers, size);
}
