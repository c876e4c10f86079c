// SPDX-License-Identifier: MIT
// System calls: `svc #number` from EL0. Arguments x0..x7, result x0 (status_t sign-extended to 64 bits);
// every other register is preserved. x64 code that executes `syscall` reaches the same table with the number
// in eax and the arguments in r10, rdx, r8, r9 and on the stack, as on Windows x64.
// Pointers are user pointers: a bad one returns STATUS_ACCESS_VIOLATION and changes nothing.
#pragma once
#include <stdint.h>

typedef uint64_t handle_t;                       // multiple of 4; 0 is none
#define HANDLE_CURRENT_PROCESS ((uint64_t)-1)
#define HANDLE_CURRENT_THREAD  ((uint64_t)-2)

// number, name, argument count.  Times are nanoseconds; a timeout of UINT64_MAX waits for ever.
#define SYSCALL_LIST(X) \
    X(0x00, process_terminate, 2)  /* process, exit status; HANDLE_CURRENT_PROCESS does not return */ \
    X(0x01, process_create,    3)  /* const struct process_create *, handle_t *process, handle_t *thread */ \
    X(0x02, process_query,     4)  /* process, class (enum process_class), buffer, length */ \
    X(0x04, thread_create,     6)  /* process, start, argument, stack bytes (0: image default), flags, handle_t * */ \
    X(0x05, thread_exit,       1)  /* exit status; the last thread's exit ends the process */ \
    X(0x06, thread_resume,     1)  /* thread created suspended */ \
    X(0x07, thread_yield,      0)  \
    X(0x08, thread_query,      4)  /* thread, class (enum thread_class), buffer, length */ \
    X(0x10, vm_allocate,       6)  /* process, uint64_t *base, uint64_t *size, type MEM_*, PAGE_*, VM_* flags */ \
    X(0x11, vm_free,           4)  /* process, uint64_t *base, uint64_t *size, MEM_DECOMMIT or MEM_RELEASE */ \
    X(0x12, vm_protect,        5)  /* process, uint64_t *base, uint64_t *size, PAGE_*, uint32_t *old */ \
    X(0x13, vm_query,          3)  /* process, address, struct vm_info * */ \
    X(0x14, cache_flush,       3)  /* process, base, size: code in the range has changed */ \
    X(0x15, vm_read,           5)  /* process, address, buffer, size, uint64_t *done */ \
    X(0x16, vm_write,          5)  /* process, address, buffer, size, uint64_t *done */ \
    X(0x18, image_open,        3)  /* UTF-8 path, bytes, handle_t *: an image section from a boot file */ \
    X(0x19, image_map,         4)  /* image, process, uint64_t *base, uint64_t *size: the view that fits the process */ \
    X(0x1A, view_unmap,        2)  /* process, base */ \
    X(0x1B, imports_bound,     4)  /* import table of an ARM64EC image, auxiliary one, its copy, slots: the kernel may fill the second */ \
    X(0x20, handle_close,      1)  \
    X(0x21, handle_duplicate,  5)  /* source process, handle, target process, rights (0: same), handle_t * */ \
    X(0x22, wait,              4)  /* count (1..64), const handle_t *, all (0/1), timeout -> STATUS_SUCCESS + index */ \
    X(0x23, event_create,      3)  /* manual reset (0/1), initial state (0/1), handle_t * */ \
    X(0x24, event_set,         1)  \
    X(0x25, event_reset,       1)  \
    X(0x26, semaphore_create,  3)  /* initial, maximum, handle_t * */ \
    X(0x27, semaphore_release, 3)  /* handle, count, uint32_t *previous (may be 0) */ \
    X(0x28, address_wait,      4)  /* address, pointer to the value compared, size 1 2 4 8, timeout */ \
    X(0x29, address_wake,      2)  /* address, number of waiters (UINT32_MAX: all) */ \
    X(0x30, clock_read,        2)  /* enum clock_id, uint64_t *nanoseconds */ \
    X(0x31, sleep,             1)  /* nanoseconds */ \
    X(0x38, file_open,         5)  /* UTF-8 path, bytes, FILE_* access, enum file_disposition, handle_t * */ \
    X(0x39, file_read,         5)  /* handle, offset (UINT64_MAX: the handle's position), buffer, size, uint64_t *done */ \
    X(0x3A, file_write,        5)  /* the same; console streams ignore the offset */ \
    X(0x3B, file_query,        2)  /* handle, struct file_info * */ \
    X(0x3C, file_resize,       2)  /* handle, bytes */ \
    X(0x3D, file_enumerate,    4)  /* UTF-8 directory path, bytes, index, struct file_entry * */ \
    X(0x3E, file_delete,       2)  /* UTF-8 path, bytes */ \
    X(0x3F, file_seek,         2)  /* handle, new position in bytes; the end of the file is no limit */ \
    X(0x40, exception_raise,   3)  /* const EXCEPTION_RECORD *, const ARM64_NT_CONTEXT *, first chance (0/1) */ \
    X(0x41, context_continue,  1)  /* const ARM64_NT_CONTEXT *: does not return */ \
    X(0x42, context_get,       2)  /* thread (suspended or current), ARM64_NT_CONTEXT * */ \
    X(0x43, context_set,       2)  /* suspended thread of this process, const ARM64_NT_CONTEXT * */ \
    X(0x48, debug_print,       2)  /* UTF-8 text, bytes: one kernel log line */

enum syscall_number {
#define SYSCALL_ENUM(number, name, args) SYS_##name = number,
    SYSCALL_LIST(SYSCALL_ENUM)
#undef SYSCALL_ENUM
};

// svc immediates of the translator (translated code and the stub page only), see emu/run/ctx.h.
#define SVC_EMU_FIRST 0x8000

// vm_allocate (values as in the Windows SDK).
enum { MEM_COMMIT = 0x1000, MEM_RESERVE = 0x2000, MEM_DECOMMIT = 0x4000, MEM_RELEASE = 0x8000,
       MEM_FREE = 0x10000, MEM_PRIVATE = 0x20000, MEM_MAPPED = 0x40000, MEM_IMAGE = 0x1000000 };
enum { PAGE_NOACCESS = 1, PAGE_READONLY = 2, PAGE_READWRITE = 4, PAGE_WRITECOPY = 8, PAGE_EXECUTE = 0x10,
       PAGE_EXECUTE_READ = 0x20, PAGE_EXECUTE_READWRITE = 0x40, PAGE_EXECUTE_WRITECOPY = 0x80, PAGE_GUARD = 0x100 };
enum { VM_EC_CODE = 0x40 };                      // MEM_EXTENDED_PARAMETER_EC_CODE: the pages hold arm64 code

struct vm_info {                                 // layout of MEMORY_BASIC_INFORMATION
    uint64_t base, allocation_base;
    uint32_t allocation_protect, partition;
    uint64_t size;
    uint32_t state, protect, type, reserved;
};

enum clock_id { CLOCK_MONOTONIC_NS = 0, CLOCK_REALTIME_NS = 1 /* since 1970; 0 when the machine has no clock */ };

enum { FILE_READ = 1, FILE_WRITE = 2 };
enum file_disposition { FILE_OPEN_EXISTING = 0, FILE_CREATE_NEW = 1, FILE_OPEN_OR_CREATE = 2, FILE_TRUNCATE = 3 };
enum file_kind { FILE_KIND_DISK = 1, FILE_KIND_CONSOLE = 2, FILE_KIND_PIPE = 3 };
struct file_info { uint64_t size, position; uint32_t kind, is_directory; };
struct file_entry { uint64_t size; uint32_t is_directory, name_bytes; char name[256]; };   // UTF-8

enum { THREAD_CREATE_SUSPENDED = 1 };
enum thread_class { THREAD_BASIC = 0 };
struct thread_basic { uint64_t teb, thread_id, process_id; int32_t exit_status; uint32_t running; };

enum process_class { PROCESS_BASIC = 0, PROCESS_COUNTERS = 1, PROCESS_LIST_TO_LOG = 2 /* prints the process list */ };
struct process_basic { uint64_t peb, process_id; int32_t exit_status; uint32_t running; uint16_t machine, native_machine; uint32_t thread_count; };
struct process_counters {                        // counts since the process began
    uint64_t instructions;                       // executed at EL0 and EL1 on its behalf; 0 where no counter exists
    uint64_t x64_instructions_translated, blocks, cache_bytes;  // of what had not been translated before
    uint64_t entries_miss, entries_link, entries_emulated, entries_syscall, entries_fault;
    uint64_t mode_switches;
    uint64_t x64_bytes_translated;
    uint64_t retranslated;                       // hot regions made anew, larger; cache_bytes has these too
    uint64_t exact_fp;                           // processes that had to keep MXCSR exactly (emu/README.md)
    uint64_t readers;                            // processes in which flags that a function returns are read (emu/README.md)
};

// process_create: the kernel maps the image and ntdll, builds TEB and PEB, copies the startup block.
struct process_create {
    uint64_t path, path_bytes;                   // UTF-8, e.g. "C:\app\x.exe"
    uint64_t startup, startup_bytes;             // struct startup_block (kernel/abi/process.h), copied into the process
    handle_t standard[3];                        // handles of the caller, duplicated into the process (0: none)
    uint32_t machine;                            // 0: the image decides; for an Arm64X EXE 0 means the caller's kind
    uint32_t flags;                              // THREAD_CREATE_SUSPENDED
};
