// SPDX-License-Identifier: MIT
// Image sections over the real mm/: views of linked images in address spaces that no thread runs in.
#include "kernel/abi/process.h"
#include "kernel/abi/syscall.h"
#include "loader/map/image_section.h"
#include "mm/heap.h"
#include "tests/kernel/ktest.h"

#define IMAGE(name) extern const uint8_t test_image_##name[], test_image_##name##_end[]
IMAGE(library_x64);
IMAGE(library_arm64);
IMAGE(library_arm64ec);
IMAGE(library_arm64x);
IMAGE(library_mixed);
IMAGE(importer_arm64x);

// Identities no file has: the address of the bytes.
static status_t open_image(const uint8_t *start, const uint8_t *end, struct image_section **out, struct image_refusal *why)
{
    return image_section_open((uint64_t)start, "test.dll", start, (uint64_t)(end - start), out, why);
}
#define OPEN(name, out, why) open_image(test_image_##name, test_image_##name##_end, out, why)
#define FORGET(name) image_section_forget((uint64_t)test_image_##name)

static uint64_t read_u64(struct aspace *as, uva_t at)
{
    uint64_t value = 0;
    KEXPECT(aspace_read(as, at, &value, sizeof value, ACCESS_READ) == sizeof value);
    return value;
}

static void destroy(struct aspace *as)
{
    image_section_unmap_all(as);
    aspace_destroy(as);
}

KTEST(image_views_share_code_and_differ_in_headers)
{
    struct image_section *s;
    struct aspace *native, *x64;
    uva_t nb = 0, xb = 0;
    uint64_t size;
    KEXPECT(OPEN(library_arm64x, &s, 0) == STATUS_SUCCESS);
    KEXPECT(aspace_create(ASPACE_NATIVE, &native) == STATUS_SUCCESS);
    KEXPECT(aspace_create(ASPACE_X64, &x64) == STATUS_SUCCESS);
    KEXPECT(image_section_map(s, native, 0xAA64, &nb, &size, 0) == STATUS_SUCCESS);
    KEXPECT(image_section_map(s, x64, 0x8664, &xb, &size, 0) == STATUS_SUCCESS);
    KEXPECT(nb == xb && nb == image_section_base(s) && nb >= SYSTEM_DLL_BASE);

    const struct pe_layout *layout = image_section_layout(s);
    uva_t machine = nb + layout->nt_offset + NT_MACHINE;
    KEXPECT((read_u64(native, machine) & 0xFFFF) == 0xAA64);
    KEXPECT((read_u64(x64, machine) & 0xFFFF) == 0x8664);
    KEXPECT(read_u64(native, nb + layout->nt_offset + NT_OPTIONAL + OPT_IMAGE_BASE) == nb);

    uint32_t code = 0, same = 0, ec = 0;
    for (uint32_t page = 0; page < size / PAGE_BYTES; page++) {
        uva_t at = nb + page * PAGE_BYTES;
        if (!(pe_layout_page(layout, page).protection & PE_PROT_EXECUTE)) continue;
        code++;
        same += aspace_frame(native, at) == aspace_frame(x64, at);
        ec += aspace_is_ec(x64, at);
        KEXPECT(aspace_is_ec(x64, at) == image_section_is_ec(s, true, page));
    }
    KEXPECT(code == same && code >= 3);      // native, EC and x64 stubs
    KEXPECT(ec >= 1 && ec < code);

    // an export leads to native code in one view, to an x64 stub and its EC body in the other
    uint32_t direct = 0, stub = 0, body = 0;
    KEXPECT(image_section_export(s, false, "architecture", false, &direct) == STATUS_SUCCESS);
    KEXPECT(image_section_export(s, true, "architecture", false, &stub) == STATUS_SUCCESS);
    KEXPECT(image_section_export(s, true, "architecture", true, &body) == STATUS_SUCCESS);
    KEXPECT(direct != body && stub != body);
    KEXPECT(!aspace_is_ec(x64, xb + stub) && aspace_is_ec(x64, xb + body) && !aspace_is_ec(x64, xb + direct));

    struct image_sharing sharing;
    image_section_sharing(s, &sharing);
    KEXPECT(sharing.mappings == 2 && sharing.ec_frames >= 1 && sharing.mapped_by_all == sharing.frames - 2 * sharing.ec_frames);
    destroy(native);
    destroy(x64);
    image_section_give(s);
    FORGET(library_arm64x);
}

KTEST(image_data_is_copied_on_write)
{
    struct image_section *s;
    struct aspace *one, *other;
    uva_t a = 0, b = 0;
    uint64_t size, value = 0x123456789;
    KEXPECT(OPEN(library_arm64x, &s, 0) == STATUS_SUCCESS);
    KEXPECT(aspace_create(ASPACE_X64, &one) == STATUS_SUCCESS);
    KEXPECT(aspace_create(ASPACE_X64, &other) == STATUS_SUCCESS);
    KEXPECT(image_section_map(s, one, 0x8664, &a, &size, 0) == STATUS_SUCCESS);
    KEXPECT(image_section_map(s, other, 0x8664, &b, &size, 0) == STATUS_SUCCESS);
    const struct pe_layout *layout = image_section_layout(s);
    uint32_t data = 0, text = 0;
    for (uint32_t i = 1; i <= layout->section_count; i++) {
        if (layout->regions[i].protection & PE_PROT_WRITE) data = layout->regions[i].rva;
        if (layout->regions[i].protection & PE_PROT_EXECUTE) text = layout->regions[i].rva;
    }
    KEXPECT(data && text);
    uint64_t before = read_u64(other, b + data);
    struct image_sharing sharing, after;
    image_section_sharing(s, &sharing);
    KEXPECT(aspace_write(one, a + data, &value, 8) == 8);
    KEXPECT(read_u64(one, a + data) == value && read_u64(other, b + data) == before);
    KEXPECT(aspace_write(one, a + text, &value, 8) == 0);    // code is not writable
    image_section_sharing(s, &after);
    KEXPECT(after.mapped_twice == sharing.mapped_twice - 1);
    destroy(one);
    destroy(other);
    image_section_give(s);
    FORGET(library_arm64x);
}

KTEST(image_moves_where_its_place_is_taken)
{
    struct image_section *s;
    struct aspace *as;
    uva_t base = 0, again = 0;
    uint64_t size;
    KEXPECT(OPEN(library_arm64x, &s, 0) == STATUS_SUCCESS);
    KEXPECT(aspace_create(ASPACE_X64, &as) == STATUS_SUCCESS);
    KEXPECT(image_section_map(s, as, 0x8664, &base, &size, 0) == STATUS_SUCCESS);
    KEXPECT(image_section_map(s, as, 0x8664, &again, &size, 0) == STATUS_SUCCESS);
    KEXPECT(again && again != base);
    const struct pe_layout *layout = image_section_layout(s);
    KEXPECT(read_u64(as, again + layout->nt_offset + NT_OPTIONAL + OPT_IMAGE_BASE) == again);
    // the load configuration's pointer to the metadata is a relocated word
    uint32_t config = image_section_view(s, true)->facts.directories[PE_DIR_LOAD_CONFIG].rva;
    uint32_t chpe = image_section_view(s, true)->facts.chpe_rva;
    KEXPECT(read_u64(as, base + config + LC_CHPE_METADATA) == base + chpe);
    KEXPECT(read_u64(as, again + config + LC_CHPE_METADATA) == again + chpe);
    uint32_t shared = 0, own = 0;
    for (uint32_t page = 0; page < size / PAGE_BYTES; page++) {
        pa_t a = aspace_frame(as, base + page * PAGE_BYTES), b = aspace_frame(as, again + page * PAGE_BYTES);
        *(a == b ? &shared : &own) += 1;
    }
    KEXPECT(shared >= 3 && own >= 2 && own <= 4);
    struct image_at at;
    KEXPECT(image_section_at(as, again + 0x1234, &at) && at.section == s && at.rva == 0x1234 && !at.at_own_base && at.ec_view);
    KEXPECT(image_section_unmap(as, base) == STATUS_SUCCESS);
    KEXPECT(!image_section_at(as, base, &at));
    KEXPECT(!aspace_is_ec(as, base + 0x2000));
    destroy(as);
    image_section_give(s);
    FORGET(library_arm64x);
}

KTEST(image_load_matrix)
{
    static const struct { const uint8_t *start, *end; bool in_x64, in_arm64; } rows[] = {
        { test_image_library_x64, test_image_library_x64_end, true, false },
        { test_image_library_arm64, test_image_library_arm64_end, false, true },
        { test_image_library_arm64ec, test_image_library_arm64ec_end, true, false },
        { test_image_library_arm64x, test_image_library_arm64x_end, true, true },
        { test_image_library_mixed, test_image_library_mixed_end, true, true },
        { test_image_importer_arm64x, test_image_importer_arm64x_end, true, true },
    };
    for (uint32_t i = 0; i < 6; i++)
        for (uint32_t x64 = 0; x64 < 2; x64++) {
            struct image_section *s;
            struct aspace *as;
            uva_t base = 0;
            uint64_t size;
            KEXPECT(open_image(rows[i].start, rows[i].end, &s, 0) == STATUS_SUCCESS);
            KEXPECT(aspace_create(x64 ? ASPACE_X64 : ASPACE_NATIVE, &as) == STATUS_SUCCESS);
            status_t status = image_section_map(s, as, x64 ? 0x8664 : 0xAA64, &base, &size, 0);
            bool loads = x64 ? rows[i].in_x64 : rows[i].in_arm64;
            KEXPECT(status == (loads ? STATUS_SUCCESS : STATUS_IMAGE_MACHINE_TYPE_MISMATCH));
            destroy(as);
            image_section_give(s);
            image_section_forget((uint64_t)rows[i].start);
        }
}

// A copy with one 32-bit word changed is refused by this rule; as it was, it is not.
static void expect_refused(uint8_t *copy, uint64_t size, uint32_t at, uint32_t value, enum pe_status rule)
{
    struct image_section *s;
    struct image_refusal why;
    uint32_t before;
    __builtin_memcpy(&before, copy + at, 4);
    __builtin_memcpy(copy + at, &value, 4);
    KEXPECT(open_image(copy, copy + size, &s, &why) == STATUS_INVALID_IMAGE_FORMAT && why.rule == rule);
    __builtin_memcpy(copy + at, &before, 4);
}

KTEST(image_malformed_is_refused)
{
    struct image_section *s;
    struct image_refusal why;
    uint64_t size = (uint64_t)(test_image_library_arm64x_end - test_image_library_arm64x);
    uint8_t *copy = heap_take(size);
    __builtin_memcpy(copy, test_image_library_arm64x, size);
    KEXPECT(open_image(copy, copy + size, &s, &why) == STATUS_SUCCESS);
    const struct pe_layout *layout = image_section_layout(s);
    const struct pe_facts *facts = &image_section_view(s, false)->facts;
    uint32_t nt = layout->nt_offset, opt = nt + NT_OPTIONAL;
    uint32_t table = layout->regions[facts->dvrt_section].file_offset + facts->dvrt_offset;
    image_section_give(s);
    image_section_forget((uint64_t)copy);

    for (uint64_t cut = 0; cut < size; cut += 509)
        KEXPECT(open_image(copy, copy + cut, &s, &why) == STATUS_INVALID_IMAGE_FORMAT && why.rule != PE_OK);
    expect_refused(copy, size, table + 4, 0x7FFFFFF0, PE_E_DVRT_SIZE);
    expect_refused(copy, size, table + 4, 14, PE_E_DVRT_ENTRY_SIZE);
    expect_refused(copy, size, nt + NT_MACHINE, 0x75A5A, PE_E_MACHINE);
    expect_refused(copy, size, opt + OPT_SIZE_OF_IMAGE, 0x80000001, PE_E_IMAGE_SIZE);
    KEXPECT(open_image(copy, copy + size, &s, &why) == STATUS_SUCCESS);
    image_section_give(s);
    image_section_forget((uint64_t)copy);
    heap_give(copy);
}
