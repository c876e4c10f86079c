// SPDX-License-Identifier: MIT
// Exports and imports. Only the regular import address table is filled here; of the auxiliary one of EC images the kernel takes care (emu/run/imports.c),
// so that a program that patches its import table is obeyed.
#include "images/ntdll/internal.h"

static status_t forwarder_follow(struct module *m, const char *text, void **out) {
    wchar_t dll[128];
    size_t n = 0, dot = 0;
    for (size_t i = 0; text[i]; i++) if (text[i] == '.') dot = i;
    if (!dot || dot + 5 > sizeof dll / 2) return STATUS_ENTRYPOINT_NOT_FOUND;
    for (; n < dot; n++) dll[n] = (uint8_t)text[n];
    for (const char *s = ".dll"; *s; s++) dll[n++] = (uint8_t)*s;
    dll[n] = 0;
    struct module *target;
    status_t status = module_load(dll, m, &target);
    if (NT_ERROR(status)) return status;
    const char *name = text + dot + 1;
    if (*name != '#') return module_procedure(target, name, 0, -1, out);
    unsigned ordinal = 0;
    for (name++; *name >= '0' && *name <= '9'; name++) ordinal = ordinal * 10 + (unsigned)(*name - '0');
    return module_procedure(target, 0, ordinal, -1, out);
}

static int compare(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return (uint8_t)*a - (uint8_t)*b;
}

// Finds an export by name (hint: its likely index in the name table, -1 unknown) or, when name is null, by ordinal.
status_t module_procedure(struct module *m, const char *name, unsigned ordinal, int hint, void **out) {
    uint32_t bytes;
    const IMAGE_EXPORT_DIRECTORY *e = image_directory(m->base, IMAGE_DIRECTORY_ENTRY_EXPORT, &bytes);
    status_t missing = name ? STATUS_ENTRYPOINT_NOT_FOUND : STATUS_ORDINAL_NOT_FOUND;
    if (!e || bytes < sizeof *e) return missing;
    uint64_t size = m->image_bytes;
    if (e->AddressOfFunctions + e->NumberOfFunctions * 4ull > size || e->AddressOfNames + e->NumberOfNames * 4ull > size ||
        e->AddressOfNameOrdinals + e->NumberOfNames * 2ull > size) return STATUS_INVALID_IMAGE_FORMAT;
    const uint32_t *functions = (void *)(m->base + e->AddressOfFunctions), *names = (void *)(m->base + e->AddressOfNames);
    const uint16_t *ordinals = (void *)(m->base + e->AddressOfNameOrdinals);
    uint32_t index;
    if (name) {
        uint32_t low = 0, high = e->NumberOfNames, found = UINT32_MAX;
        if (hint >= 0 && (uint32_t)hint < high && names[hint] < size &&
            !compare(name, (char *)m->base + names[hint])) found = (uint32_t)hint;
        while (found == UINT32_MAX && low < high) {
            uint32_t middle = low + (high - low) / 2;
            if (names[middle] >= size) return STATUS_INVALID_IMAGE_FORMAT;
            int order = compare(name, (char *)m->base + names[middle]);
            if (!order) found = middle;
            else if (order < 0) high = middle;
            else low = middle + 1;
        }
        if (found == UINT32_MAX) return missing;
        index = ordinals[found];
    } else {
        index = ordinal - e->Base;
    }
    if (index >= e->NumberOfFunctions || !functions[index] || functions[index] >= size) return missing;
    uint32_t rva = functions[index], directory = (uint32_t)((uint8_t *)e - m->base);
    if (rva >= directory && rva < directory + bytes) return forwarder_follow(m, (char *)m->base + rva, out);
    *out = m->base + rva;
    return STATUS_SUCCESS;
}

// Binds one import descriptor: slots from `lookup` (names) into `slots` (the import address table).
static status_t bind(struct module *m, struct module *from, const uint64_t *lookup, uint64_t *slots, bool die) {
    size_t count = 0;
    while (lookup[count]) count++;
    if (!count) return STATUS_SUCCESS;
    uint32_t old;
    status_t status = image_unprotect(slots, count * 8, &old);
    for (size_t i = 0; i < count && !NT_ERROR(status); i++) {
        uint64_t entry = lookup[i];
        void *address = 0;
        if (entry >> 63) {
            status = module_procedure(from, 0, (uint16_t)entry, -1, &address);
            if (NT_ERROR(status) && die)
                fatal(status, "%S: %S has no export with ordinal %u", m->base_name.Buffer, from->base_name.Buffer, (unsigned)(uint16_t)entry);
        } else if (entry >= m->image_bytes) {
            status = STATUS_INVALID_IMAGE_FORMAT;
        } else {
            const char *name = (char *)m->base + entry + 2;
            status = module_procedure(from, name, 0, *(uint16_t *)(m->base + entry), &address);
            if (NT_ERROR(status) && die)
                fatal(status, "%S: %S has no function %s", m->base_name.Buffer, from->base_name.Buffer, name);
        }
        slots[i] = (uint64_t)address;
    }
    image_protect(slots, count * 8, old);
    return status;
}

// Loads and binds everything the image imports. While a program starts, a missing DLL or function is fatal and named.
status_t module_resolve_imports(struct module *m) {
    uint32_t bytes;
    const IMAGE_IMPORT_DESCRIPTOR *d = image_directory(m->base, IMAGE_DIRECTORY_ENTRY_IMPORT, &bytes);
    if (!d) return STATUS_SUCCESS;
    bool die = module_exe && !module_exe->attached;
    unsigned count = 0, most = bytes / sizeof *d;
    while (count < most && d[count].Name && d[count].FirstThunk) count++;
    m->imports = heap_get((count + 1) * sizeof *m->imports);
    if (!m->imports) return STATUS_NO_MEMORY;
    for (unsigned i = 0; i < count; i++) {
        uint32_t lookup = d[i].OriginalFirstThunk ? d[i].OriginalFirstThunk : d[i].FirstThunk;
        if (d[i].Name >= m->image_bytes || lookup >= m->image_bytes || d[i].FirstThunk >= m->image_bytes)
            return STATUS_INVALID_IMAGE_FORMAT;
        const char *name = (char *)m->base + d[i].Name;
        wchar_t wide[MAX_PATH_CHARS];
        size_t n = 0;
        for (; name[n] && n < MAX_PATH_CHARS - 1; n++) wide[n] = (uint8_t)name[n];
        wide[n] = 0;
        struct module *from;
        status_t status = module_load(wide, die ? m : 0, &from);
        if (NT_ERROR(status)) {
            if (die) fatal(status, status == STATUS_DLL_NOT_FOUND ? "%S: %s not found" : "%S: cannot load %s", m->base_name.Buffer, name);
            return status;
        }
        m->imports[m->import_count++] = from;
        status = bind(m, from, (uint64_t *)(m->base + lookup), (uint64_t *)(m->base + d[i].FirstThunk), die);
        if (NT_ERROR(status)) return status;
    }
    if (PROCESS_IS_X64) chpe_imports_bound(m->base);
    return STATUS_SUCCESS;
}
