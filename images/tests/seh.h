// SPDX-License-Identifier: MIT
// What seh.c needs of the Windows API, declared here: the headers of mingw-w64 are not for the compiler mode that has __try.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// images/tests/test.h
void print(const char *format, ...);
bool check_that(bool ok, const char *what, const char *file, int line);
#define CHECK(condition) check_that((condition), #condition, __FILE__, __LINE__)
bool check_case(bool ok, const char *name, const char *how);
int test_main(void);

#if defined(__x86_64__)                 // ARM64EC too: registers of x64
typedef struct __attribute__((aligned(16))) {
    uint64_t home[6];
    uint32_t flags, mxcsr;
    uint16_t segments[6];
    uint32_t eflags;
    uint64_t debug[6];
    uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15, rip;
    uint8_t x87[32];
    struct { uint64_t low, high; } st[8], xmm[16];
    uint8_t rest[0x4d0 - 0x2a0];
} CONTEXT;
_Static_assert(sizeof(CONTEXT) == 0x4d0 && offsetof(CONTEXT, rip) == 0xf8 && offsetof(CONTEXT, xmm) == 0x1a0, "CONTEXT");
typedef struct { uint32_t begin, end, unwind; } RUNTIME_FUNCTION;
enum { CONTEXT_FULL = 0x10000b };
#else
typedef struct __attribute__((aligned(16))) {
    uint32_t flags, cpsr;
    uint64_t x[29], fp, lr, sp, pc;
    uint8_t rest[0x390 - 0x110];
} CONTEXT;
_Static_assert(sizeof(CONTEXT) == 0x390 && offsetof(CONTEXT, pc) == 0x108, "CONTEXT");
typedef struct { uint32_t begin, unwind; } RUNTIME_FUNCTION;
enum { CONTEXT_FULL = 0x400007 };
#endif

typedef struct EXCEPTION_RECORD {
    uint32_t ExceptionCode, ExceptionFlags;
    struct EXCEPTION_RECORD *ExceptionRecord;
    void *ExceptionAddress;
    uint32_t NumberParameters;
    uint64_t ExceptionInformation[15];
} EXCEPTION_RECORD;
typedef struct { EXCEPTION_RECORD *ExceptionRecord; CONTEXT *ContextRecord; } EXCEPTION_POINTERS;
#define EXCEPTION_EXECUTE_HANDLER 1
#define EXCEPTION_CONTINUE_SEARCH 0
#define EXCEPTION_CONTINUE_EXECUTION (-1)
#define EXCEPTION_NONCONTINUABLE 1
#define EXCEPTION_ACCESS_VIOLATION 0xC0000005u
#define EXCEPTION_NONCONTINUABLE_EXCEPTION 0xC0000025u
unsigned long __cdecl _exception_code(void);
void *__cdecl _exception_info(void);
int __cdecl _abnormal_termination(void);
#define GetExceptionCode() ((uint32_t)_exception_code())
#define GetExceptionInformation() ((EXCEPTION_POINTERS *)_exception_info())
#define AbnormalTermination() _abnormal_termination()

#define API __declspec(dllimport)
API void RaiseException(uint32_t code, uint32_t flags, uint32_t count, const uint64_t *arguments);
API void *AddVectoredExceptionHandler(uint32_t first, int32_t (*handler)(EXCEPTION_POINTERS *));
API uint32_t RemoveVectoredExceptionHandler(void *handle);
API void RtlCaptureContext(CONTEXT *context);
API RUNTIME_FUNCTION *RtlLookupFunctionEntry(uint64_t pc, uint64_t *base, void *history);
API void *RtlVirtualUnwind(uint32_t type, uint64_t base, uint64_t pc, RUNTIME_FUNCTION *function, CONTEXT *context, void **data,
                           uint64_t *frame, void *pointers);
API void *RtlPcToFileHeader(void *pc, void **base);
API bool RtlAddFunctionTable(RUNTIME_FUNCTION *records, uint32_t count, uint64_t base);
API bool RtlDeleteFunctionTable(RUNTIME_FUNCTION *records);
API uint32_t RtlAddGrowableFunctionTable(void **table, RUNTIME_FUNCTION *records, uint32_t count, uint32_t most, uint64_t start, uint64_t end);
API void RtlGrowFunctionTable(void *table, uint32_t count);
API void RtlDeleteGrowableFunctionTable(void *table);
API void *VirtualAlloc(void *address, uint64_t bytes, uint32_t type, uint32_t protect);
API int VirtualProtect(void *address, uint64_t bytes, uint32_t protect, uint32_t *old);
API int VirtualFree(void *address, uint64_t bytes, uint32_t type);
API int FlushInstructionCache(void *process, const void *address, uint64_t bytes);
API void *GetCurrentProcess(void);
API void *GetModuleHandleW(const wchar_t *name);
API void *CreateThread(void *security, uint64_t stack, uint32_t (*start)(void *), void *argument, uint32_t flags, uint32_t *id);
API uint32_t WaitForSingleObject(void *handle, uint32_t ms);
API int GetExitCodeThread(void *thread, uint32_t *code);
API int CloseHandle(void *handle);
enum { MEM_COMMIT = 0x1000, MEM_RESERVE = 0x2000, MEM_RELEASE = 0x8000, PAGE_NOACCESS = 1, PAGE_READWRITE = 4, PAGE_EXECUTE_READ = 0x20 };

// crossing.dll: calls callback->f(callback->argument) from its own kind of code.
struct callback { void (*f)(void *); void *argument; };
API void lib_call(void *callback);
