// SPDX-License-Identifier: MIT
// Reading a mapped image: headers, directories, hybrid metadata cells, the stack cookie. The kernel has validated the
// headers and section table before it mapped the file; what hangs below directories is checked here against the size.
#include "images/ntdll/internal.h"

IMAGE_NT_HEADERS64 *image_headers(const uint8_t *base) {
    const IMAGE_DOS_HEADER *dos = (const void *)base;
    if (dos->e_magic != IMAGE_DOS_SIGNATURE) return 0;
    IMAGE_NT_HEADERS64 *nt = (void *)(base + dos->e_lfanew);
    return nt->Signature == IMAGE_NT_SIGNATURE ? nt : 0;
}

void *image_directory(const uint8_t *base, unsigned index, uint32_t *bytes) {
    const IMAGE_NT_HEADERS64 *nt = image_headers(base);
    if (bytes) *bytes = 0;
    if (!nt || index >= nt->OptionalHeader.NumberOfRvaAndSizes || index >= 16) return 0;
    const IMAGE_DATA_DIRECTORY *d = &nt->OptionalHeader.DataDirectory[index];
    uint64_t end = (uint64_t)d->VirtualAddress + d->Size;
    if (!d->VirtualAddress || !d->Size || end > nt->OptionalHeader.SizeOfImage) return 0;
    if (bytes) *bytes = d->Size;
    return (void *)(base + d->VirtualAddress);
}

// Makes [address, address+bytes) writable; old receives what image_protect puts back.
status_t image_unprotect(void *address, size_t bytes, uint32_t *old) {
    uint64_t base = (uint64_t)address, size = bytes;
    return SYS(vm_protect, HANDLE_CURRENT_PROCESS, &base, &size, PAGE_READWRITE, old);
}

void image_protect(void *address, size_t bytes, uint32_t old) {
    uint64_t base = (uint64_t)address, size = bytes;
    uint32_t ignored;
    SYS(vm_protect, HANDLE_CURRENT_PROCESS, &base, &size, old, &ignored);
}

static uint8_t *load_config(uint8_t *base, uint32_t *bytes) {
    uint32_t size;
    uint8_t *config = image_directory(base, IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG, &size);
    if (!config || size < 4) return 0;
    *bytes = *(uint32_t *)config < size ? *(uint32_t *)config : size;
    return config;
}

// Hybrid metadata of an EC image, or null.
static const uint8_t *chpe_metadata(uint8_t *base) {
    uint32_t bytes;
    uint8_t *config = load_config(base, &bytes);
    if (!config || bytes < 0xd0) return 0;
    uint64_t address = *(uint64_t *)(config + 0xc8), rva = address - (uint64_t)base;
    return address && rva <= image_headers(base)->OptionalHeader.SizeOfImage - 0x50u ? base + rva : 0;
}

void *chpe_arm64_records(uint8_t *base, uint32_t *bytes) {
    const uint8_t *metadata = chpe_metadata(base);
    *bytes = 0;
    if (!metadata) return 0;
    uint32_t rva = *(uint32_t *)(metadata + 0x40), size = *(uint32_t *)(metadata + 0x44);
    if (!rva || (uint64_t)rva + size > image_headers(base)->OptionalHeader.SizeOfImage) return 0;
    *bytes = size;
    return base + rva;
}

// Writes the addresses of the kernel's dispatchers into an EC image's cells. Runs for ntdll itself before anything
// is called through a pointer, so it makes no indirect call.
void chpe_fill_cells(uint8_t *base) {
    uint32_t image_bytes = image_headers(base)->OptionalHeader.SizeOfImage;
    const uint8_t *metadata = chpe_metadata(base);
    if (!metadata) return;
    static const struct { uint8_t field, stub; } cells[] = {
        { 0x14, EMU_STUB_CALL_NO_REDIRECT }, { 0x18, EMU_STUB_RET }, { 0x1c, EMU_STUB_CHECK_CALL },
        { 0x20, EMU_STUB_CHECK_ICALL }, { 0x24, EMU_STUB_CHECK_ICALL }, { 0x38, EMU_STUB_GET_X64_INFORMATION },
        { 0x3c, EMU_STUB_SET_X64_INFORMATION }, { 0x48, EMU_STUB_X64_JUMP },
    };
    for (unsigned i = 0; i < sizeof cells / sizeof *cells; i++) {
        uint32_t cell = *(uint32_t *)(metadata + cells[i].field), old;
        if (!cell || cell > image_bytes - 8) continue;
        if (NT_ERROR(image_unprotect(base + cell, 8, &old))) continue;
        *(uint64_t *)(base + cell) = EMU_STUB_ADDRESS(cells[i].stub);
        image_protect(base + cell, 8, old);
    }
}

// The image's imports are bound: the kernel puts EC functions into the table that EC code calls through, and looks after hooks.
void chpe_imports_bound(uint8_t *base) {
    uint32_t image_bytes = image_headers(base)->OptionalHeader.SizeOfImage, bytes;
    const uint8_t *metadata = chpe_metadata(base), *slots = image_directory(base, IMAGE_DIRECTORY_ENTRY_IAT, &bytes);
    if (!metadata || !slots) return;
    uint32_t auxiliary = *(uint32_t *)(metadata + 0x2c), copy = *(uint32_t *)(metadata + 0x4c);
    if (!auxiliary || !copy || (uint64_t)auxiliary + bytes > image_bytes || (uint64_t)copy + bytes > image_bytes) return;
    SYS(imports_bound, slots, base + auxiliary, base + copy, bytes / 8);     // as good without
}

// A cookie that still has the linker's default value gets one of its own.
void image_set_cookie(uint8_t *base) {
    uint32_t bytes, old;
    uint8_t *config = load_config(base, &bytes);
    if (!config || bytes < 0x60) return;
    uint64_t rva = *(uint64_t *)(config + 0x58) - (uint64_t)base, now = 0;
    if (rva > image_headers(base)->OptionalHeader.SizeOfImage - 8) return;
    uint64_t *cookie = (uint64_t *)(base + rva);
    if (*cookie != 0x00002B992DDFA232ull) return;
    SYS(clock_read, CLOCK_MONOTONIC_NS, &now);
    uint64_t value = (now ^ (uint64_t)base ^ (uint64_t)&now) * 0x9e3779b97f4a7c15ull >> 16;   // upper 16 bits zero
    if (value == 0x00002B992DDFA232ull) value++;
    if (NT_ERROR(image_unprotect(cookie, 8, &old))) return;
    *cookie = value;
    image_protect(cookie, 8, old);
}

PIMAGE_NT_HEADERS NTAPI RtlImageNtHeader(PVOID base) { return base ? image_headers(base) : 0; }

PVOID NTAPI RtlImageDirectoryEntryToData(PVOID base, BOOLEAN mapped, USHORT index, ULONG *size) {
    uint32_t bytes;
    void *data = mapped ? image_directory(base, index, &bytes) : 0;
    *size = data ? bytes : 0;
    return data;
}

PIMAGE_SECTION_HEADER NTAPI RtlImageRvaToSection(const IMAGE_NT_HEADERS *nt, HMODULE module, DWORD rva) {
    (void)module;
    IMAGE_SECTION_HEADER *s = IMAGE_FIRST_SECTION(nt);
    for (unsigned i = 0; i < nt->FileHeader.NumberOfSections; i++)
        if (rva >= s[i].VirtualAddress && rva - s[i].VirtualAddress < s[i].Misc.VirtualSize) return &s[i];
    return 0;
}

PVOID NTAPI RtlPcToFileHeader(PVOID pc, PVOID *base) {
    RtlEnterCriticalSection(&loader_lock);
    struct module *m = module_at(pc);
    RtlLeaveCriticalSection(&loader_lock);
    return *base = m ? m->base : 0;
}

BOOLEAN NTAPI RtlIsEcCode(ULONG_PTR address) {
    const uint64_t *map = (const uint64_t *)PEB_FIELD(uint64_t, PEB_EC_BITMAP);
    return map && address < 1ull << 47 && (map[address >> 18] >> (address >> 12 & 63) & 1);
}
