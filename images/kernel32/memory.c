// SPDX-License-Identifier: MIT
// Virtual memory and the old global and local heaps. The Heap functions forward to ntdll (kernel32.def).
#include "images/kernel32/internal.h"

LPVOID WINAPI VirtualAllocEx(HANDLE process, LPVOID address, SIZE_T size, DWORD type, DWORD protect) {
    uint64_t base = (uint64_t)address, bytes = size;
    return done(SYS(vm_allocate, process, &base, &bytes, type & ~(DWORD)MEM_TOP_DOWN, protect, 0)) ? (LPVOID)base : 0;
}
LPVOID WINAPI VirtualAlloc(LPVOID address, SIZE_T size, DWORD type, DWORD protect) {
    return VirtualAllocEx(GetCurrentProcess(), address, size, type, protect);
}
BOOL WINAPI VirtualFreeEx(HANDLE process, LPVOID address, SIZE_T size, DWORD type) {
    uint64_t base = (uint64_t)address, bytes = size;
    if ((type & MEM_RELEASE) && size) { error_set(ERROR_INVALID_PARAMETER); return FALSE; }
    return done(SYS(vm_free, process, &base, &bytes, type));
}
BOOL WINAPI VirtualFree(LPVOID address, SIZE_T size, DWORD type) { return VirtualFreeEx(GetCurrentProcess(), address, size, type); }
BOOL WINAPI VirtualProtectEx(HANDLE process, LPVOID address, SIZE_T size, DWORD protect, PDWORD old) {
    uint64_t base = (uint64_t)address, bytes = size;
    if (!old) { error_set(ERROR_NOACCESS); return FALSE; }
    return done(SYS(vm_protect, process, &base, &bytes, protect, old));
}
BOOL WINAPI VirtualProtect(LPVOID address, SIZE_T size, DWORD protect, PDWORD old) {
    return VirtualProtectEx(GetCurrentProcess(), address, size, protect, old);
}
SIZE_T WINAPI VirtualQueryEx(HANDLE process, LPCVOID address, PMEMORY_BASIC_INFORMATION info, SIZE_T size) {
    if (size < sizeof *info) { error_set(ERROR_BAD_LENGTH); return 0; }
    _Static_assert(sizeof *info == sizeof(struct vm_info), "MEMORY_BASIC_INFORMATION");
    return done(SYS(vm_query, process, address, info)) ? sizeof *info : 0;
}
SIZE_T WINAPI VirtualQuery(LPCVOID address, PMEMORY_BASIC_INFORMATION info, SIZE_T size) {
    return VirtualQueryEx(GetCurrentProcess(), address, info, size);
}
// In this process there is nothing to do: the kernel sees stores into code, and makes the caches agree when a page becomes executable.
BOOL WINAPI FlushInstructionCache(HANDLE process, LPCVOID base, SIZE_T size) {
    return process == GetCurrentProcess() || done(SYS(cache_flush, process, base, size));
}
BOOL WINAPI ReadProcessMemory(HANDLE process, LPCVOID address, LPVOID buffer, SIZE_T size, SIZE_T *count) {
    uint64_t n = 0;
    bool good = done(SYS(vm_read, process, address, buffer, size, &n));
    if (count) *count = n;
    return good;
}
BOOL WINAPI WriteProcessMemory(HANDLE process, LPVOID address, LPCVOID buffer, SIZE_T size, SIZE_T *count) {
    uint64_t n = 0;
    bool good = done(SYS(vm_write, process, address, buffer, size, &n));
    if (count) *count = n;
    return good;
}

HANDLE WINAPI GetProcessHeap(void) { return (HANDLE)PEB_FIELD(uint64_t, PEB_PROCESS_HEAP); }
HANDLE WINAPI HeapCreate(DWORD flags, SIZE_T initial, SIZE_T maximum);
PVOID NTAPI RtlCreateHeap(ULONG flags, PVOID base, SIZE_T reserve, SIZE_T commit, PVOID lock, PRTL_HEAP_PARAMETERS parameters);
PVOID NTAPI RtlDestroyHeap(PVOID heap);
HANDLE WINAPI HeapCreate(DWORD flags, SIZE_T initial, SIZE_T maximum) { return RtlCreateHeap(flags, 0, maximum, initial, 0, 0); }
BOOL WINAPI HeapDestroy(HANDLE heap) {
    if (!RtlDestroyHeap(heap)) return TRUE;
    error_set(ERROR_INVALID_HANDLE);
    return FALSE;
}
BOOL WINAPI HeapSetInformation(HANDLE heap, HEAP_INFORMATION_CLASS class, PVOID information, SIZE_T size) {
    (void)heap, (void)information, (void)size;
    if (class == HeapCompatibilityInformation || class == HeapEnableTerminationOnCorruption) return TRUE;   // nothing to change
    error_set(ERROR_INVALID_PARAMETER);
    return FALSE;
}

// Fixed memory only: a handle is the address. LMEM_MOVEABLE memory simply never moves.
HLOCAL WINAPI LocalAlloc(UINT flags, SIZE_T size) { return HeapAlloc(GetProcessHeap(), flags & LMEM_ZEROINIT ? HEAP_ZERO_MEMORY : 0, size); }
HLOCAL WINAPI LocalFree(HLOCAL p) { return HeapFree(GetProcessHeap(), 0, p) ? 0 : p; }
HLOCAL WINAPI LocalReAlloc(HLOCAL p, SIZE_T size, UINT flags) {
    return HeapReAlloc(GetProcessHeap(), flags & LMEM_ZEROINIT ? HEAP_ZERO_MEMORY : 0, p, size);
}
SIZE_T WINAPI LocalSize(HLOCAL p) { return HeapSize(GetProcessHeap(), 0, p); }
LPVOID WINAPI LocalLock(HLOCAL p) { return p; }
BOOL WINAPI LocalUnlock(HLOCAL p) { (void)p; error_set(0); return FALSE; }
HGLOBAL WINAPI GlobalAlloc(UINT flags, SIZE_T size) { return LocalAlloc(flags, size); }
HGLOBAL WINAPI GlobalFree(HGLOBAL p) { return LocalFree(p); }
HGLOBAL WINAPI GlobalReAlloc(HGLOBAL p, SIZE_T size, UINT flags) { return LocalReAlloc(p, size, flags); }
SIZE_T WINAPI GlobalSize(HGLOBAL p) { return LocalSize(p); }
LPVOID WINAPI GlobalLock(HGLOBAL p) { return p; }
BOOL WINAPI GlobalUnlock(HGLOBAL p) { return LocalUnlock(p); }
