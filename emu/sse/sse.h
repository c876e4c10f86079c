// SPDX-License-Identifier: MIT
//
// sse.h - SSE, AVX, FMA and F16C floating-point instructions executed in C, one at a time, with every bit of MXCSR.
//
// The caller decodes, reaches operands and checks their alignment; everything else is here. Integers only, no state of its own.
// Manual: Intel SDM vol. 1, 10.2.3, 11.5 and 14.5; vol. 2 for the single instructions.
#pragma once
#include "emu/x64/x64.h"

enum sse_mxcsr_bit {                // the exceptions of bits 5:0 have their masks in bits 12:7
    SSE_MXCSR_DAZ = 1 << 6, SSE_MXCSR_MASKS_SHIFT = 7, SSE_MXCSR_ROUNDING_SHIFT = 13, SSE_MXCSR_FTZ = 1 << 15,
};

struct sse_io {
    void *context;
    // Operand `operand` of the instruction, low bytes first; false: it faults, and the caller knows how. A write of less than
    // 32 bytes leaves the rest of a vector register; one of 4 bytes to a general register zeroes its upper half.
    bool (*read)(void *context, unsigned operand, void *to, unsigned bytes);
    bool (*write)(void *context, unsigned operand, const void *from, unsigned bytes);
    uint32_t mxcsr, eflags;         // in and out
    // Would a write to this memory operand succeed? Asked before #XM, which comes second (VCVTPS2PH). May be null: it would.
    bool (*may_write)(void *context, unsigned operand, unsigned bytes);
};

enum sse_outcome {
    SSE_DONE,
    SSE_FAULT,                      // a memory operand faults; nothing is changed, mxcsr and eflags neither
    SSE_EXCEPTION,                  // #XM: mxcsr has the flags that the processor leaves, nothing else is changed
    SSE_UNKNOWN,                    // not an instruction that is done here
};
bool sse_knows(const struct x64_insn *insn);                    // not SSE_UNKNOWN
enum sse_outcome sse_execute(const struct x64_insn *insn, struct sse_io *io);
