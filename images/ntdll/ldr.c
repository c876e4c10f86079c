// SPDX-License-Identifier: MIT
// The loader's public face: LdrLoadDll and what GetModuleHandle, GetProcAddress and FreeLibrary need.
#include "images/ntdll/internal.h"

NTSTATUS NTAPI LdrLoadDll(PWSTR search, PULONG flags, PUNICODE_STRING name, HMODULE *out) {
    (void)search, (void)flags;
    wchar_t text[MAX_PATH_CHARS];
    size_t chars = name->Length / 2;
    if (!chars || chars >= MAX_PATH_CHARS) return STATUS_DLL_NOT_FOUND;
    memcpy(text, name->Buffer, chars * 2);
    text[chars] = 0;
    RtlEnterCriticalSection(&loader_lock);
    struct module *m;
    status_t status = module_load(text, 0, &m);
    if (!NT_ERROR(status)) {
        status = module_attach(m, false);
        if (NT_ERROR(status)) module_release(m);
        else *out = (HMODULE)m->base;
    }
    RtlLeaveCriticalSection(&loader_lock);
    return status;
}

static struct module *module_of(HMODULE handle) {
    struct module *m = module_at((void *)((uint64_t)handle & ~3ull));
    return m && m->base == (uint8_t *)((uint64_t)handle & ~3ull) ? m : 0;
}

NTSTATUS NTAPI LdrUnloadDll(HMODULE handle) {
    RtlEnterCriticalSection(&loader_lock);
    struct module *m = module_of(handle);
    if (m) module_release(m);
    RtlLeaveCriticalSection(&loader_lock);
    return m ? STATUS_SUCCESS : STATUS_DLL_NOT_FOUND;
}

// LDR_ADDREF_DLL_PIN (1) keeps the module for ever, otherwise one more reference.
NTSTATUS NTAPI LdrAddRefDll(ULONG flags, HMODULE handle) {
    RtlEnterCriticalSection(&loader_lock);
    struct module *m = module_of(handle);
    if (m && (flags & 1)) m->references = -1;
    else if (m && m->references > 0) m->references++;
    RtlLeaveCriticalSection(&loader_lock);
    return m ? STATUS_SUCCESS : STATUS_DLL_NOT_FOUND;
}

// name null: the program itself. A name without a dot gets ".dll".
NTSTATUS NTAPI LdrGetDllHandle(PCWSTR search, PULONG flags, PUNICODE_STRING name, HMODULE *out) {
    (void)search, (void)flags;
    if (!name) { *out = (HMODULE)module_exe->base; return STATUS_SUCCESS; }
    wchar_t text[MAX_PATH_CHARS];
    size_t chars = name->Length / 2;
    if (chars + 5 > MAX_PATH_CHARS) return STATUS_DLL_NOT_FOUND;
    memcpy(text, name->Buffer, chars * 2);
    bool dot = false;
    for (size_t i = 0; i < chars; i++) {
        if (text[i] == '/') text[i] = '\\';
        dot = text[i] == '.' || (dot && text[i] != '\\');
    }
    if (!dot) { memcpy(text + chars, L".dll", 8); chars += 4; }
    else if (text[chars - 1] == '.') chars--;
    text[chars] = 0;
    const wchar_t *target = apiset_resolve(text, chars);
    RtlEnterCriticalSection(&loader_lock);
    struct module *m = target ? module_find(target, wide_length(target)) : module_find(text, chars);
    RtlLeaveCriticalSection(&loader_lock);
    if (m) *out = (HMODULE)m->base;
    return m ? STATUS_SUCCESS : STATUS_DLL_NOT_FOUND;
}

NTSTATUS NTAPI LdrGetProcedureAddress(HMODULE handle, const ANSI_STRING *name, ULONG ordinal, PVOID *out) {
    char text[512];
    if (name && name->Length >= sizeof text) return STATUS_ENTRYPOINT_NOT_FOUND;
    if (name) { memcpy(text, name->Buffer, name->Length); text[name->Length] = 0; }
    RtlEnterCriticalSection(&loader_lock);
    struct module *m = module_of(handle);
    status_t status = m ? module_procedure(m, name ? text : 0, ordinal, -1, out) : STATUS_DLL_NOT_FOUND;
    // a forwarder may have loaded a DLL that nothing has attached yet
    struct module *owner = NT_ERROR(status) ? 0 : module_at(*out);
    if (owner && !owner->attached && !owner->visiting && module_exe->attached) status = module_attach(owner, false);
    RtlLeaveCriticalSection(&loader_lock);
    return status;
}

// The path of the module that begins at handle, or holds the address when inside is set; null: the program.
NTSTATUS NTAPI LdrGetDllFullName(HMODULE handle, PUNICODE_STRING name) {
    RtlEnterCriticalSection(&loader_lock);
    struct module *m = handle ? module_of(handle) : module_exe;
    status_t status = STATUS_DLL_NOT_FOUND;
    if (m) {
        size_t bytes = m->full_name.Length;
        status = bytes < name->MaximumLength ? STATUS_SUCCESS : STATUS_BUFFER_TOO_SMALL;
        if (bytes > name->MaximumLength) bytes = name->MaximumLength;
        memcpy(name->Buffer, m->full_name.Buffer, bytes);
        if (bytes < name->MaximumLength) name->Buffer[bytes / 2] = 0;
        name->Length = (USHORT)bytes;
    }
    RtlLeaveCriticalSection(&loader_lock);
    return status;
}

NTSTATUS NTAPI LdrDisableThreadCalloutsForDll(HMODULE handle) {
    RtlEnterCriticalSection(&loader_lock);
    struct module *m = module_of(handle);
    if (m && m->tls < 0) m->flags |= 0x40000;
    RtlLeaveCriticalSection(&loader_lock);
    return m ? STATUS_SUCCESS : STATUS_DLL_NOT_FOUND;
}

NTSTATUS NTAPI LdrLockLoaderLock(ULONG flags, ULONG *result, ULONG_PTR *cookie) {
    (void)flags;
    RtlEnterCriticalSection(&loader_lock);
    if (result) *result = 1;
    *cookie = (ULONG_PTR)&loader_lock;
    return STATUS_SUCCESS;
}
NTSTATUS NTAPI LdrUnlockLoaderLock(ULONG flags, ULONG_PTR cookie) {
    (void)flags;
    if (cookie != (ULONG_PTR)&loader_lock) return STATUS_INVALID_PARAMETER;
    RtlLeaveCriticalSection(&loader_lock);
    return STATUS_SUCCESS;
}
