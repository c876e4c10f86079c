// SPDX-License-Identifier: MIT
// What the kernel and ntdll agree on: where things are in a process, how a thread begins, the startup block.
// Offsets of TEB and PEB are those of 64-bit Windows; only fields named here are filled by the kernel.
#pragma once
#include <stdint.h>

// TEB offsets (x18 in every thread, gs base of x64 code). The TEB is 2 pages, user read-write.
enum {
    TEB_STACK_BASE = 0x08, TEB_STACK_LIMIT = 0x10, TEB_SELF = 0x30, TEB_PROCESS_ID = 0x40, TEB_THREAD_ID = 0x48,
    TEB_TLS_POINTER = 0x58, TEB_PEB = 0x60, TEB_LAST_ERROR = 0x68, TEB_DEALLOCATION_STACK = 0x1478,
    TEB_TLS_SLOTS = 0x1480, TEB_TLS_EXPANSION = 0x1780, TEB_CPU_AREA = 0x1788, TEB_BYTES = 0x2000,
};
// PEB offsets. The PEB is one page, user read-write.
enum {
    PEB_BEING_DEBUGGED = 0x02, PEB_IMAGE_BASE = 0x10, PEB_LDR = 0x18, PEB_PARAMETERS = 0x20, PEB_PROCESS_HEAP = 0x30,
    PEB_CHPE_PROCESS_INFO = 0x338, PEB_EC_BITMAP = 0x368,
    // Janus' own, in the page's last KiB, past everything Windows defines:
    PEB_JANUS_STARTUP = 0xC00,       // u64: address of the struct startup_block copied into this process
    PEB_JANUS_NTDLL = 0xC08,         // u64: base of ntdll in this process
    PEB_JANUS_CPU_COUNT = 0xC10,     // u32
    PEB_JANUS_PMU = 0xC14,           // u32: 1 when PMEVCNTR0_EL0 counts executed instructions and EL0 may read it
    PEB_BYTES = 0x1000,
};

// Startup block: what the creator tells the program. Offsets are from the block's start, strings UTF-16LE without
// terminator (the block owner may rely on nothing else), environment "A=B\0...\0" UTF-16LE including its final null.
#define STARTUP_MAGIC 0x5354524aU                // "JRTS"
struct startup_block {
    uint32_t magic, bytes;                       // bytes: of the whole block, at most 1 MiB
    uint32_t image_offset, image_bytes;          // C:\app\prog.exe
    uint32_t command_offset, command_bytes;      // the command line as Windows would quote it
    uint32_t directory_offset, directory_bytes;  // current directory, e.g. C:\app\ .
    uint32_t environment_offset, environment_bytes;
    uint64_t standard[3];                        // filled in by the kernel: handles of stdin, stdout, stderr
};

// Thread start. The kernel starts every thread at an export of ntdll, in the view of the process:
//   first thread:  LdrInitializeThunk(start, argument, 1)   start = entry point of the EXE (RVA 0: none), argument = PEB
//   other threads: LdrInitializeThunk(start, argument, 0)
// In an x64 process that export is an x64 fast-forward sequence; the kernel begins at the EC body named by the
// redirection metadata. sp is 16-byte aligned, lr = 0 (returning is a fault), x18 = TEB, DF = 0, MXCSR 0x1f80.
// LdrInitializeThunk never returns: it ends with the system call thread_exit or process_terminate.
// Exceptions at EL0: the kernel pushes EXCEPTION_RECORD and ARM64_NT_CONTEXT and continues at the export
//   KiUserExceptionDispatcher(EXCEPTION_RECORD *x0, ARM64_NT_CONTEXT *x1)
// (again its EC body in an x64 process). pc in the context is an x64 rip when the fault was in x64 code: registers
// in the ARM64EC mapping, v16..v31 zero, NZCV = OF/SF/ZF/CF with C = CF. If the CPU area of the thread names an emulator
// stack (emu/run/ctx.h, CTX_STACK_BASE), exceptions of x64 code are pushed onto that one, and rsp may be anything. When the
// stack cannot take it, or ntdll has no such export, or the exception is raised with first chance 0, the kernel prints the
// crash report and ends the process with the exception code as exit status.
#define EXCEPTION_RECORD_BYTES 0x98
#define ARM64_CONTEXT_BYTES    0x390

// Fixed user addresses (x64 processes only, except the first).
#define USER_LOWEST        0x0000000000010000ull
#define USER_LOWEST_WIDE   0x0000016500000000ull   // what "any place" begins with if the EXE has HIGH_ENTROPY_VA, as on Windows
#define USER_SHARED_DATA   0x000000007ffe0000ull   // KUSER_SHARED_DATA, read-only, all processes
#define USER_HIGHEST       0x00007fff00000000ull   // end of what vm_allocate hands out
#define EC_BYTES_BASE      0x00007fec00000000ull   // 32 GiB, right before the bitmap and like it: one byte a page, 1 or 0
#define EC_BITMAP_BASE     0x00007ff400000000ull   // 4 GiB, read-only, demand-zero; one bit a page of [0, 2^47)
// Caches: everything within the +-128 MiB of a branch from the process's own one, and from a page of stubs. Translations of image code
// are the same pages in every x64 process; each combination of memory model and floating-point model has its own.
#define EMU_STUBS_BASE     0x00007ffd00000000ull   // 64 KiB: EL0 dispatchers, read and execute, EC
#define EMU_SHARED_FAST    0x00007ffd00100000ull   // FP_FAST: plain, TSO
#define EMU_PRIVATE_CACHE  0x00007ffd05000000ull   // translations of this process's own memory
#define EMU_PRIVATE_BYTES  0x0000000003000000ull   // 48 MiB
#define EMU_STUBS_EXACT    0x00007ffd08000000ull   // the page at EMU_STUBS_BASE again, for code of FP_EXACT
#define EMU_SHARED_EXACT   0x00007ffd08100000ull   // FP_EXACT: plain, TSO
#define EMU_SHARED_BYTES   0x0000000002700000ull   // 39 MiB each
#define EMU_TABLE_BASE     0x00007ffe00000000ull   // branch target table of FP_FAST, read-only
#define EMU_TABLE_EXACT    0x00007ffc00000000ull   // the same of FP_EXACT
#define EMU_CODE_BYTES     0x0000000010000000ull   // from EMU_STUBS_BASE on: stubs and caches are within
#define SYSTEM_DLL_BASE    0x00007ffa00000000ull   // system-wide bases of relocatable images, growing up
#define SYSTEM_DLL_END     0x00007ffc00000000ull

// The stub page begins with a table of 32-byte slots, each starting with a branch: addresses are constants.
// Register contracts: the ARM64EC ABI; comments in emu/run/stubs.S.
enum emu_stub {
    EMU_STUB_MISS = 0,                // x9 = target that is not in the branch target table: enters the kernel
    EMU_STUB_DISPATCH = 1,            // x9 = x64 or EC target in x64 state: continue there (jump semantics)
    EMU_STUB_CALL_NO_REDIRECT = 2,    // value for __os_arm64x_dispatch_call_no_redirect cells
    EMU_STUB_RET = 3,                 // value for __os_arm64x_dispatch_ret cells
    EMU_STUB_X64_JUMP = 4,            // value for __os_arm64x_x64_jump (dispatch_fptr) cells
    EMU_STUB_CHECK_ICALL = 5,         // value for __os_arm64x_dispatch_icall and ..._cfg cells; changes (emu/run/icall.c)
    EMU_STUB_CHECK_CALL = 6,          // value for __os_arm64x_dispatch_call cells
    EMU_STUB_GET_X64_INFORMATION = 7,
    EMU_STUB_SET_X64_INFORMATION = 8,
    EMU_STUB_ENTER_EC = 9,            // x9 = EC target in x64 state (the table points here)
    EMU_STUB_DISPATCH_EXACT = 10,     // EMU_STUB_DISPATCH of FP_EXACT
    EMU_STUB_STEP = 11,               // x9 = target of a single step: enters the kernel
    EMU_STUB_RETURN = 12,             // a RET whose shadow entry was another one; x9 = target, x14 behind that entry (emu/run/ctx.h)
    EMU_STUB_RETURN_EXACT = 13,       // EMU_STUB_RETURN of FP_EXACT: in the page at EMU_STUBS_EXACT
    EMU_STUB_RETURN_NONE = 14,        // where shadow entries lead that hold no return
    EMU_STUB_SECOND = 15,             // x9 = target that the first way of the table has not, a user address, x13 = table; canonical flags
    EMU_STUB_ENTER = 16,              // EMU_STUB_DISPATCH for a thread whose FPCR and FPSR are as native code has them; x28 = CPU area
    EMU_STUB_FIRST = 17,              // x9 = target, a user address, x13 = table; canonical flags
    EMU_STUB_ENTER_EC_CALL = 18,      // EMU_STUB_ENTER_EC for a call, which makes the shadow entry from x10 and x30
    EMU_STUB_CALL_EC = 19,            // a call of EC code whose entry thunk is known (emu/run/stubs.S); it takes two slots
    EMU_STUB_CALL_RESOLVED = 21,      // ARM64EC code calls x11, which is no EC code; x10 = exit thunk (emu/run/icall.c)
    EMU_STUB_COUNT = 22,
};
#define EMU_INFORMATION_CONTROL 0x100  // type of EMU_STUB_GET_X64_INFORMATION: MXCSR, but its flags may be rough; so it costs nothing
#define EMU_STUB_ADDRESS(n) (EMU_STUBS_BASE + 32u * (n))
#define EMU_RET_BYTE       (EMU_STUBS_BASE + 0xf000u)   // one x64 RET (C3) in a page of x64 code: misaligned callers return through it
