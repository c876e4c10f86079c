// SPDX-License-Identifier: MIT
// What the files of kernel32 share.
#pragma once
#include "images/crt/sys.h"
#define _KERNEL32_                  // the functions are ours, not imported
#define WIN32_NO_STATUS
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <winternl.h>

#undef STILL_ACTIVE
#define STILL_ACTIVE 0x103u

// Forwarded exports (kernel32.def) have no code here: inside this DLL they are ntdll's functions.
PVOID NTAPI RtlAllocateHeap(PVOID heap, ULONG flags, SIZE_T bytes);
PVOID NTAPI RtlReAllocateHeap(PVOID heap, ULONG flags, PVOID block, SIZE_T bytes);
BOOLEAN NTAPI RtlFreeHeap(PVOID heap, ULONG flags, PVOID block);
SIZE_T NTAPI RtlSizeHeap(PVOID heap, ULONG flags, PVOID block);
#define HeapAlloc RtlAllocateHeap
#define HeapReAlloc RtlReAllocateHeap
#define HeapFree RtlFreeHeap
#define HeapSize RtlSizeHeap
#define GetLastError() TEB_FIELD(uint32_t, TEB_LAST_ERROR)

enum { PATH_CHARS = 1024 };
// Offsets in RTL_USER_PROCESS_PARAMETERS.
enum { P_STANDARD = 0x20, P_DIRECTORY = 0x38, P_IMAGE = 0x60, P_COMMAND = 0x70, P_ENVIRONMENT = 0x80 };
static inline uint8_t *parameters(void) { return (uint8_t *)PEB_FIELD(uint64_t, PEB_PARAMETERS); }
static inline UNICODE_STRING *parameter_string(unsigned offset) { return (UNICODE_STRING *)(parameters() + offset); }

static inline void error_set(DWORD error) { TEB_FIELD(uint32_t, TEB_LAST_ERROR) = error; }
bool done(status_t status);                     // sets the last error unless the status is success
static inline void *heap_get(size_t bytes) { return HeapAlloc((HANDLE)PEB_FIELD(uint64_t, PEB_PROCESS_HEAP), HEAP_ZERO_MEMORY, bytes); }
static inline void heap_put(void *p) { HeapFree((HANDLE)PEB_FIELD(uint64_t, PEB_PROCESS_HEAP), 0, p); }

// ANSI is UTF-8 here (GetACP says 65001). Results end with a null; they are freed with heap_put.
wchar_t *wide_from(const char *text);
size_t wide_chars(const wchar_t *text);
// Copies text to a caller's ANSI buffer the way Windows does: characters without the null, or the size needed with it.
DWORD ansi_result(const wchar_t *text, size_t chars, char *buffer, DWORD size);
DWORD wide_result(const wchar_t *text, size_t chars, wchar_t *buffer, DWORD size);

// Absolute form of a path: drive, back-slashes, no "." or "..". Returns its characters, 0 when it does not fit.
size_t path_full(const wchar_t *path, wchar_t out[PATH_CHARS]);
size_t path_utf8(const wchar_t *path, char out[PATH_CHARS * 3]);   // the same as the kernel wants it

#define NUL_HANDLE ((HANDLE)0x3ffffff0)         // the NUL device: this DLL's own
uint64_t milliseconds(DWORD ms);                // as a timeout in nanoseconds
