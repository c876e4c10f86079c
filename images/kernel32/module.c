// SPDX-License-Identifier: MIT
// Modules: thin forms over ntdll's loader.
#include "images/kernel32/internal.h"

NTSTATUS NTAPI LdrLoadDll(PWSTR search, PULONG flags, PUNICODE_STRING name, HMODULE *out);
NTSTATUS NTAPI LdrUnloadDll(HMODULE handle);
NTSTATUS NTAPI LdrAddRefDll(ULONG flags, HMODULE handle);
NTSTATUS NTAPI LdrGetDllHandle(PCWSTR search, PULONG flags, PUNICODE_STRING name, HMODULE *out);
NTSTATUS NTAPI LdrGetDllFullName(HMODULE handle, PUNICODE_STRING name);
NTSTATUS NTAPI LdrGetProcedureAddress(HMODULE handle, const ANSI_STRING *name, ULONG ordinal, PVOID *out);
NTSTATUS NTAPI LdrDisableThreadCalloutsForDll(HMODULE handle);

static UNICODE_STRING unicode(const wchar_t *text) {
    size_t n = wide_chars(text);
    return (UNICODE_STRING){ (USHORT)(n * 2), (USHORT)(n * 2 + 2), (PWSTR)text };
}

HMODULE WINAPI LoadLibraryExW(LPCWSTR name, HANDLE file, DWORD flags) {
    HMODULE module = 0;
    const DWORD known = LOAD_WITH_ALTERED_SEARCH_PATH | LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_APPLICATION_DIR |
        LOAD_LIBRARY_SEARCH_USER_DIRS | LOAD_LIBRARY_SEARCH_SYSTEM32 | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS;
    if (!name || !*name || file || (flags & ~known)) { error_set(name && *name ? ERROR_NOT_SUPPORTED : ERROR_INVALID_PARAMETER); return 0; }
    UNICODE_STRING text = unicode(name);
    return done(LdrLoadDll(0, 0, &text, &module)) ? module : 0;
}
HMODULE WINAPI LoadLibraryW(LPCWSTR name) { return LoadLibraryExW(name, 0, 0); }
HMODULE WINAPI LoadLibraryExA(LPCSTR name, HANDLE file, DWORD flags) {
    wchar_t *wide = name ? wide_from(name) : 0;
    HMODULE module = LoadLibraryExW(wide, file, flags);
    heap_put(wide);
    return module;
}
HMODULE WINAPI LoadLibraryA(LPCSTR name) { return LoadLibraryExA(name, 0, 0); }
BOOL WINAPI FreeLibrary(HMODULE module) { return done(LdrUnloadDll(module)); }
DECLSPEC_NORETURN VOID WINAPI FreeLibraryAndExitThread(HMODULE module, DWORD code) { LdrUnloadDll(module); ExitThread(code); }
BOOL WINAPI DisableThreadLibraryCalls(HMODULE module) { return done(LdrDisableThreadCalloutsForDll(module)); }

HMODULE WINAPI GetModuleHandleW(LPCWSTR name) {
    HMODULE module = 0;
    if (!name) return LdrGetDllHandle(0, 0, 0, &module) < 0 ? 0 : module;
    UNICODE_STRING text = unicode(name);
    return done(LdrGetDllHandle(0, 0, &text, &module)) ? module : 0;
}
HMODULE WINAPI GetModuleHandleA(LPCSTR name) {
    wchar_t *wide = name ? wide_from(name) : 0;
    HMODULE module = name && !wide ? 0 : GetModuleHandleW(wide);
    heap_put(wide);
    return module;
}
static BOOL handle_ex(DWORD flags, HMODULE module, HMODULE *out) {
    *out = module;
    if (!module) return FALSE;
    if (flags & GET_MODULE_HANDLE_EX_FLAG_PIN) LdrAddRefDll(1, module);
    else if (!(flags & GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT)) LdrAddRefDll(0, module);
    return TRUE;
}
static HMODULE module_at(const void *address) {
    PVOID base;
    if (!RtlPcToFileHeader((PVOID)address, &base)) error_set(ERROR_MOD_NOT_FOUND);
    return base;
}
BOOL WINAPI GetModuleHandleExW(DWORD flags, LPCWSTR name, HMODULE *out) {
    return handle_ex(flags, flags & GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS ? module_at(name) : GetModuleHandleW(name), out);
}
BOOL WINAPI GetModuleHandleExA(DWORD flags, LPCSTR name, HMODULE *out) {
    return handle_ex(flags, flags & GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS ? module_at(name) : GetModuleHandleA(name), out);
}

DWORD WINAPI GetModuleFileNameW(HMODULE module, LPWSTR buffer, DWORD size) {
    UNICODE_STRING name = { 0, (USHORT)(size > 0x7fff ? 0xfffe : size * 2), buffer };
    NTSTATUS status = LdrGetDllFullName(module, &name);
    if (status == STATUS_BUFFER_TOO_SMALL) {        // cut off, with a null: what Windows does since Vista
        error_set(ERROR_INSUFFICIENT_BUFFER);
        if (size) buffer[size - 1] = 0;
        return size;
    }
    if (!done(status)) return 0;
    error_set(0);
    return name.Length / 2;
}
DWORD WINAPI GetModuleFileNameA(HMODULE module, LPSTR buffer, DWORD size) {
    wchar_t wide[PATH_CHARS];
    DWORD n = GetModuleFileNameW(module, wide, PATH_CHARS);
    if (!n) return 0;
    DWORD bytes = ansi_result(wide, n, buffer, size);
    if (bytes < size) return bytes;
    error_set(ERROR_INSUFFICIENT_BUFFER);
    if (size) buffer[0] = 0;
    return size;
}

FARPROC WINAPI GetProcAddress(HMODULE module, LPCSTR name) {
    PVOID address = 0;
    if (!module) LdrGetDllHandle(0, 0, 0, &module);
    if ((uint64_t)name < 0x10000) return done(LdrGetProcedureAddress(module, 0, (ULONG)(uint64_t)name, &address)) ? (FARPROC)address : 0;
    size_t n = 0;
    while (name[n]) n++;
    ANSI_STRING text = { (USHORT)n, (USHORT)n, (PCHAR)name };
    return done(LdrGetProcedureAddress(module, &text, 0, &address)) ? (FARPROC)address : 0;
}
