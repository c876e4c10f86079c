// SPDX-License-Identifier: MIT
// Exceptions of programs: delivered to ntdll's KiUserExceptionDispatcher with a record and a context, or, when that cannot
// be, a crash report and the end of the process. The contract is in kernel/abi/process.h; layouts as in the Windows SDK.
//
// A frame is "in x64 state" when its process runs x64 code and its pc lies in a page that is not EC: elr is the rip,
// registers are in the ARM64EC mapping, C of NZCV is CF, and PF, AF and DF are in the thread's CPU area.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "emu/run/emu.h"
#include "kernel/abi/process.h"

struct thread;

enum { EXCEPTION_PARAMETERS_MOST = 15, EXCEPTION_NONCONTINUABLE = 1 };
struct exception_record {
    uint32_t code, flags;
    uint64_t nested;
    uint64_t address;
    uint32_t parameter_count, padding;
    uint64_t parameters[EXCEPTION_PARAMETERS_MOST];
};
_Static_assert(sizeof(struct exception_record) == EXCEPTION_RECORD_BYTES, "EXCEPTION_RECORD");

enum {
    CONTEXT_ARM64 = 0x400000, CONTEXT_CONTROL = 1, CONTEXT_INTEGER = 2, CONTEXT_FLOATING_POINT = 4,
    CONTEXT_FULL = CONTEXT_ARM64 | CONTEXT_CONTROL | CONTEXT_INTEGER | CONTEXT_FLOATING_POINT,
};
struct arm64_context {
    uint32_t flags, cpsr;
    uint64_t x[31], sp, pc;
    unsigned __int128 v[32];
    uint32_t fpcr, fpsr;
    uint32_t bcr[8];
    uint64_t bvr[8];
    uint32_t wcr[2];
    uint64_t wvr[2];
};
_Static_assert(sizeof(struct arm64_context) == ARM64_CONTEXT_BYTES, "ARM64_NT_CONTEXT");
_Static_assert(offsetof(struct arm64_context, v) == 0x110 && offsetof(struct arm64_context, wvr) == 0x380, "ARM64_NT_CONTEXT");

// All for the calling thread, whose frame it is; interrupts enabled, no lock held.
void exception_deliver(struct trap_frame *frame, const struct exception *exception);
void exception_deliver_record(struct trap_frame *frame, const struct exception_record *record, const char *detail);
// No handler will see it: report and end of the process.
void exception_crash(struct trap_frame *frame, const struct exception_record *record, const char *detail);

bool exception_x64_state(const struct thread *thread);
// From x64 state into the translator: the thread goes on at elr.
void exception_enter_x64(struct thread *thread);

// A context out of a thread's registers (the caller's own, or those of one that does not run) and back into them.
// Only what context->flags names is taken in; NZCV is all that is taken of cpsr; x18 stays.
void context_build(const struct thread *thread, struct arm64_context *out);
void context_apply_state(struct thread *thread, const struct arm64_context *context);
void context_apply(struct thread *thread, const struct arm64_context *context);     // and x64 code goes on in the translator

// kernel/crash.c: writes the report to the launcher's stderr and the log; one line of it goes to line.
void crash_report(const struct trap_frame *frame, const struct exception_record *record, const char *detail,
                  char *line, size_t line_bytes);
