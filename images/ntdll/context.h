// SPDX-License-Identifier: MIT
// Thread contexts. The kernel speaks ARM64_NT_CONTEXT; in an x64 process programs see the AMD64 CONTEXT, whose registers
// are the arm64 ones under other names (reference sheet of the ARM64EC ABI, section 5).
#pragma once
#include "images/ntdll/internal.h"

struct arm_context {                            // ARM64_NT_CONTEXT
    uint32_t flags, cpsr;
    uint64_t x[31], sp, pc;                     // 08 ... 108
    struct { uint64_t low, high; } v[32];       // 110
    uint32_t fpcr, fpsr;                        // 310
    uint32_t bcr[8];
    uint64_t bvr[8];
    uint32_t wcr[2];
    uint64_t wvr[2];
};
_Static_assert(sizeof(struct arm_context) == ARM64_CONTEXT_BYTES, "ARM64_NT_CONTEXT");
enum { ARM_CONTEXT_ALL = 0x400007, CONTEXT_UNWOUND = 0x20000000 };

// To and from what programs see in this kind of process (a plain copy in an Arm64 process).
void context_from_arm(CONTEXT *out, const struct arm_context *in);
void context_to_arm(struct arm_context *out, const CONTEXT *in);
// From registers that were just read here: what of MXCSR has no place in FPCR and FPSR is added.
void context_from_registers(CONTEXT *out, const struct arm_context *in);
// The context of an exception that the kernel has just delivered. Of x64 code it is complete: what the translator keeps in
// the CPU area (x87, upper halves of ymm registers, flags without a home in NZCV) included. *out is followed by room for the
// extended state, struct context_room.
void context_from_kernel(CONTEXT *out, const struct arm_context *in, uint32_t code);
// The calling thread goes on with what the context's flags name; returns only when that fails.
NTSTATUS context_continue(const CONTEXT *context);

uint64_t context_pc(const CONTEXT *c);
uint64_t context_sp(const CONTEXT *c);

// Looks for a frame that handles the exception; EXCEPTION_CONTINUE_EXECUTION semantics: true = continue with *context.
bool frames_dispatch(EXCEPTION_RECORD *record, CONTEXT *context);

void context_set_pc(CONTEXT *c, uint64_t pc);
void context_set_result(CONTEXT *c, uint64_t value);       // where the code at pc expects a function's result
void context_from_jump(CONTEXT *c, const void *jump_buffer);   // what setjmp saved (the C library's layout)
