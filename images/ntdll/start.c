// SPDX-License-Identifier: MIT
// How threads and the process begin and end. The kernel starts every thread at LdrInitializeThunk (kernel/abi/process.h).
#include "images/ntdll/internal.h"

typedef DWORD(NTAPI *start_fn)(void *argument);
static bool process_ending;

static void process_init(void) {
    uint8_t *own = (uint8_t *)PEB_FIELD(uint64_t, PEB_JANUS_NTDLL);
    if (PROCESS_IS_X64) chpe_fill_cells(own);       // first: until then no call through a pointer works
    heap_process_init();
    modules_init_lists();
    parameters_init();
    struct startup_block *block = (void *)PEB_FIELD(uint64_t, PEB_JANUS_STARTUP);
    const wchar_t *path = (const wchar_t *)((uint8_t *)block + block->image_offset);
    static const wchar_t ntdll_path[] = L"C:\\Windows\\System32\\ntdll.dll";
    uint8_t *exe = (uint8_t *)PEB_FIELD(uint64_t, PEB_IMAGE_BASE);
    if (NT_ERROR(module_add(exe, path, block->image_bytes / 2, &module_exe)) ||
        NT_ERROR(module_add(own, ntdll_path, sizeof ntdll_path / 2 - 1, &module_ntdll)))
        fatal(STATUS_NO_MEMORY, "no memory for the module list");
    module_exe->references = module_ntdll->references = -1;
    RtlEnterCriticalSection(&loader_lock);
    status_t status = module_resolve_imports(module_exe);
    if (NT_ERROR(status)) fatal(status, "%S: its imports cannot be resolved: status %8x", module_exe->base_name.Buffer, (unsigned)status);
    status = tls_module_add(module_exe);
    if (!NT_ERROR(status)) status = tls_thread_init();
    if (NT_ERROR(status)) fatal(status, "%S: no thread-local storage: status %8x", module_exe->base_name.Buffer, (unsigned)status);
    module_attach(module_ntdll, true);
    module_attach(module_exe, true);
    RtlLeaveCriticalSection(&loader_lock);
    tls_callbacks(module_exe, DLL_PROCESS_ATTACH);
}

DECLSPEC_NORETURN void NTAPI LdrInitializeThunk(start_fn start, void *argument, uint64_t first) {
    if (first) {
        process_init();
    } else {
        RtlEnterCriticalSection(&loader_lock);
        status_t status = tls_thread_init();
        if (NT_ERROR(status)) fatal(status, "no memory for a thread's local storage");
        modules_thread_notify(DLL_THREAD_ATTACH);
        RtlLeaveCriticalSection(&loader_lock);
    }
    RtlExitUserThread(start ? start(argument) : 0);
}

DECLSPEC_NORETURN VOID NTAPI RtlExitUserThread(ULONG status) {
    struct process_basic basic = { 0 };
    if (!NT_ERROR(SYS(process_query, HANDLE_CURRENT_PROCESS, PROCESS_BASIC, &basic, sizeof basic)) && basic.thread_count == 1)
        RtlExitUserProcess(status);
    RtlEnterCriticalSection(&loader_lock);
    fls_thread_free();
    modules_thread_notify(DLL_THREAD_DETACH);
    tls_thread_free();
    RtlLeaveCriticalSection(&loader_lock);
    SYS(thread_exit, status);
    __builtin_trap();
}

// The detach routines run once, in the thread that asked; a second thread that ends the process meanwhile waits for it.
DECLSPEC_NORETURN VOID NTAPI RtlExitUserProcess(ULONG status) {
    RtlEnterCriticalSection(&loader_lock);
    if (!process_ending) {
        process_ending = true;
        fls_thread_free();
        modules_process_detach();
    }
    SYS(process_terminate, HANDLE_CURRENT_PROCESS, status);
    __builtin_trap();
}

BOOLEAN NTAPI RtlDllShutdownInProgress(void) { return process_ending; }
