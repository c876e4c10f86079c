// SPDX-License-Identifier: MIT
// NTSTATUS values that Janus returns: one list gives the enum, the names for logs and the documentation.
#pragma once
#include <stdint.h>

typedef int32_t status_t;   // 0 or positive: success or information; negative: error

#define NTSTATUS_LIST(X) \
    X(STATUS_SUCCESS,                    0x00000000, "done") \
    X(STATUS_TIMEOUT,                    0x00000102, "the time ran out") \
    X(STATUS_GUARD_PAGE_VIOLATION,       0x80000001, "a guard page was touched") \
    X(STATUS_DATATYPE_MISALIGNMENT,      0x80000002, "misaligned access") \
    X(STATUS_BREAKPOINT,                 0x80000003, "breakpoint") \
    X(STATUS_SINGLE_STEP,                0x80000004, "single step") \
    X(STATUS_BUFFER_OVERFLOW,            0x80000005, "the buffer is too small for all of it") \
    X(STATUS_UNSUCCESSFUL,               0xC0000001, "failed") \
    X(STATUS_NOT_IMPLEMENTED,            0xC0000002, "not implemented") \
    X(STATUS_INVALID_INFO_CLASS,         0xC0000003, "unknown information class") \
    X(STATUS_INFO_LENGTH_MISMATCH,       0xC0000004, "wrong structure size") \
    X(STATUS_ACCESS_VIOLATION,           0xC0000005, "access violation") \
    X(STATUS_IN_PAGE_ERROR,              0xC0000006, "page could not be read") \
    X(STATUS_INVALID_HANDLE,             0xC0000008, "no such handle") \
    X(STATUS_INVALID_PARAMETER,          0xC000000D, "invalid parameter") \
    X(STATUS_NO_SUCH_FILE,               0xC000000F, "no such file") \
    X(STATUS_END_OF_FILE,                0xC0000011, "end of file") \
    X(STATUS_NO_MEMORY,                  0xC0000017, "no memory") \
    X(STATUS_CONFLICTING_ADDRESSES,      0xC0000018, "address range is taken") \
    X(STATUS_UNABLE_TO_FREE_VM,          0xC000001A, "memory cannot be freed so") \
    X(STATUS_INVALID_SYSTEM_SERVICE,     0xC000001C, "no such system call") \
    X(STATUS_ILLEGAL_INSTRUCTION,        0xC000001D, "illegal instruction") \
    X(STATUS_ACCESS_DENIED,              0xC0000022, "access denied") \
    X(STATUS_BUFFER_TOO_SMALL,           0xC0000023, "buffer too small") \
    X(STATUS_OBJECT_TYPE_MISMATCH,       0xC0000024, "handle of another object type") \
    X(STATUS_NONCONTINUABLE_EXCEPTION,   0xC0000025, "exception cannot be continued") \
    X(STATUS_NOT_COMMITTED,              0xC000002D, "memory is reserved, not committed") \
    X(STATUS_OBJECT_NAME_NOT_FOUND,      0xC0000034, "name not found") \
    X(STATUS_OBJECT_NAME_COLLISION,      0xC0000035, "name exists already") \
    X(STATUS_SEMAPHORE_LIMIT_EXCEEDED,   0xC0000047, "semaphore at its maximum") \
    X(STATUS_SECTION_PROTECTION,         0xC000004E, "protection not allowed for the section") \
    X(STATUS_INVALID_PAGE_PROTECTION,    0xC0000045, "invalid page protection") \
    X(STATUS_INVALID_IMAGE_FORMAT,       0xC000007B, "image is malformed") \
    X(STATUS_FLOAT_DIVIDE_BY_ZERO,       0xC000008E, "floating-point divide by zero") \
    X(STATUS_FLOAT_INEXACT_RESULT,       0xC000008F, "inexact floating-point result") \
    X(STATUS_FLOAT_INVALID_OPERATION,    0xC0000090, "invalid floating-point operation") \
    X(STATUS_FLOAT_OVERFLOW,             0xC0000091, "floating-point overflow") \
    X(STATUS_FLOAT_STACK_CHECK,          0xC0000092, "floating-point stack overflow or underflow") \
    X(STATUS_FLOAT_UNDERFLOW,            0xC0000093, "floating-point underflow") \
    X(STATUS_INTEGER_DIVIDE_BY_ZERO,     0xC0000094, "integer divide by zero") \
    X(STATUS_INTEGER_OVERFLOW,           0xC0000095, "integer overflow") \
    X(STATUS_PRIVILEGED_INSTRUCTION,     0xC0000096, "privileged instruction") \
    X(STATUS_INSUFFICIENT_RESOURCES,     0xC000009A, "a kernel limit is reached") \
    X(STATUS_NOT_SUPPORTED,              0xC00000BB, "not supported") \
    X(STATUS_STACK_OVERFLOW,             0xC00000FD, "stack overflow") \
    X(STATUS_PROCESS_IS_TERMINATING,     0xC000010A, "process is ending") \
    X(STATUS_DLL_NOT_FOUND,              0xC0000135, "DLL not found") \
    X(STATUS_ORDINAL_NOT_FOUND,          0xC0000138, "ordinal not exported") \
    X(STATUS_ENTRYPOINT_NOT_FOUND,       0xC0000139, "function not exported") \
    X(STATUS_DLL_INIT_FAILED,            0xC0000142, "DLL initialisation failed") \
    X(STATUS_STACK_BUFFER_OVERRUN,       0xC0000409, "fast fail") \
    X(STATUS_ASSERTION_FAILURE,          0xC0000420, "assertion failed") \
    X(STATUS_IMAGE_MACHINE_TYPE_MISMATCH,0xC000035E, "image is for another machine than the process")

#define NTSTATUS_ENUM(name, value, text) __attribute__((unused)) static const status_t name = (status_t)(value);
NTSTATUS_LIST(NTSTATUS_ENUM)
#undef NTSTATUS_ENUM

#define NT_ERROR(status) ((status_t)(status) < 0)
