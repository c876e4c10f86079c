// SPDX-License-Identifier: MIT
// What the files of ntdll share. Public names keep their Windows spelling; internal ones are lower case.
#pragma once
#include "images/crt/sys.h"
#define _NTSYSTEM_                  // these three: the functions are ours, not imported
#define _KERNEL32_
#define _CRTIMP
#define WIN32_NO_STATUS
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <winternl.h>

#ifdef __arm64ec__
#define PROCESS_IS_X64 1
#else
#define PROCESS_IS_X64 0
#endif
#define MAX_PATH_CHARS 1024

// ---- modules --------------------------------------------------------------------------------------------------------
// One loaded image. The head is LDR_DATA_TABLE_ENTRY as programs that walk PEB.Ldr know it.
struct module {
    LIST_ENTRY load_links, memory_links, init_links;             // 00 10 20
    uint8_t *base;                                               // 30
    void *entry;                                                 // 38 DllMain, or null
    uint32_t image_bytes, pad0;                                  // 40
    UNICODE_STRING full_name, base_name;                         // 48 58
    uint32_t flags;                                              // 68
    uint16_t load_count, tls_index_field;                        // 6c 6e
    LIST_ENTRY hash_links;                                       // 70
    uint32_t time_stamp, pad1;                                   // 80
    uint8_t windows_private[0x120 - 0x88];
    // Janus' own
    int references;              // -1: never unloaded
    bool attached;               // DLL_PROCESS_ATTACH done
    bool visiting;               // its imports are being resolved
    int tls;                     // index into the threads' arrays, -1: none
    struct module **imports;     // modules it holds a reference on
    unsigned import_count;
};
extern struct module *module_exe, *module_ntdll;
extern LIST_ENTRY modules_load, modules_init;
extern RTL_CRITICAL_SECTION loader_lock;

void modules_init_lists(void);
struct module *module_find(const wchar_t *name, size_t chars);
struct module *module_at(const void *address);
status_t module_load(const wchar_t *name, struct module *wanted_by, struct module **out);
status_t module_add(uint8_t *base, const wchar_t *path, size_t chars, struct module **out);
status_t module_resolve_imports(struct module *m);
status_t module_attach(struct module *m, bool at_start);
void module_release(struct module *m);
void modules_thread_notify(uint32_t reason);
void modules_process_detach(void);
status_t module_procedure(struct module *m, const char *name, unsigned ordinal, int hint, void **out);

const wchar_t *apiset_resolve(const wchar_t *name, size_t chars);

IMAGE_NT_HEADERS64 *image_headers(const uint8_t *base);
void *image_directory(const uint8_t *base, unsigned index, uint32_t *bytes);
status_t image_unprotect(void *address, size_t bytes, uint32_t *old);
void image_protect(void *address, size_t bytes, uint32_t old);
void chpe_fill_cells(uint8_t *base);
void chpe_imports_bound(uint8_t *base);
void *chpe_arm64_records(uint8_t *base, uint32_t *bytes);        // unwind records of an EC image's arm64 code
void image_set_cookie(uint8_t *base);

// A loaded image's unwind records can be looked up from now on, until it is removed.
status_t function_table_add_image(uint8_t *base, uint64_t bytes);
void function_table_remove_image(uint8_t *base);

// ---- threads --------------------------------------------------------------------------------------------------------
status_t tls_module_add(struct module *m);       // gives the image an index and every thread a block
void tls_module_remove(struct module *m);
void tls_callbacks(struct module *m, uint32_t reason);
status_t tls_thread_init(void);
void tls_thread_free(void);
void fls_thread_free(void);
void heap_process_init(void);
void parameters_init(void);

// Tells the user on stderr and ends the process.
__attribute__((noreturn, format(printf, 2, 3))) void fatal(status_t status, const char *format, ...);
int text_format(char *out, size_t size, const char *format, __builtin_va_list args);   // %s %S(wide) %u %x %p %%
void error_write(const char *text, size_t bytes);

size_t wide_to_utf8(const wchar_t *from, size_t chars, char *to, size_t size);   // bytes written, or needed when to is null
size_t utf8_to_wide(const char *from, size_t bytes, wchar_t *to, size_t size);
bool wide_equal(const wchar_t *a, size_t a_chars, const wchar_t *b, size_t b_chars);   // ASCII letters without case
size_t wide_length(const wchar_t *text);
void unicode_set(UNICODE_STRING *string, const wchar_t *text, size_t chars);   // copies into the process heap

// ---- exported by one file, used by others ------------------------------------------------------------------------------
PVOID NTAPI RtlAllocateHeap(PVOID heap, ULONG flags, SIZE_T bytes);
BOOLEAN NTAPI RtlFreeHeap(PVOID heap, ULONG flags, PVOID block);
PVOID NTAPI RtlReAllocateHeap(PVOID heap, ULONG flags, PVOID block, SIZE_T bytes);
NTSTATUS NTAPI RtlInitializeCriticalSection(RTL_CRITICAL_SECTION *section);
NTSTATUS NTAPI RtlEnterCriticalSection(RTL_CRITICAL_SECTION *section);
NTSTATUS NTAPI RtlLeaveCriticalSection(RTL_CRITICAL_SECTION *section);
VOID NTAPI RtlAcquireSRWLockExclusive(RTL_SRWLOCK *lock);
VOID NTAPI RtlReleaseSRWLockExclusive(RTL_SRWLOCK *lock);
DECLSPEC_NORETURN VOID NTAPI RtlExitUserProcess(ULONG status);
DECLSPEC_NORETURN VOID NTAPI RtlExitUserThread(ULONG status);
BOOLEAN NTAPI RtlIsEcCode(ULONG_PTR address);
VOID NTAPI RtlRaiseException(EXCEPTION_RECORD *record);
static inline void *heap_get(size_t bytes) { return RtlAllocateHeap((void *)PEB_FIELD(uint64_t, PEB_PROCESS_HEAP), 8, bytes); }
static inline void heap_put(void *block) { RtlFreeHeap((void *)PEB_FIELD(uint64_t, PEB_PROCESS_HEAP), 0, block); }
