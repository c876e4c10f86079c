// SPDX-License-Identifier: MIT
//
// quick.h - the form of the x87 state that translated code works on: whole numbers of stack registers, each a double.
//
// Quick: TOP is -depth, exactly the `depth` registers above it are in use, each holds the value of a double that is no NaN, all exceptions
// are masked, none waits, precision is 53 or 64 bits. Then in struct x87_state
//   reg[n]    is a double in its low half where the high half is 0; else an 80-bit number with reserved[2] = X87_QUICK_WIDE (not in use)
//   ip        has the opcode (FOP) in bits 48 to 63
//   status    has the exception flags (of PE: or `inexact`), nothing else; valid and opcode mean nothing
// and struct x87_quick has the rest. Everything else is plain: depth is X87_PLAIN and struct x87_state means what x87.h says.
// Private to emu/run, emu/lower's contract (run/ctx.h has the offsets) and ntdll, which fills contexts.
#pragma once
#include "emu/x87/state.h"

enum { X87_PLAIN = 0x80, X87_QUICK_WIDE = 1, X87_QUICK_OPCODE_SHIFT = 48 };

// Where C1 comes from: known, or whether this operation on the operands rounded up, to 53 bits and to nearest.
enum x87_c1 { C1_CLEAR, C1_SET, C1_ADD, C1_SUB, C1_MUL, C1_DIV, C1_SQRT, C1_SINGLE, C1_INTEGER, C1_WHOLE };

struct x87_quick {
    uint32_t depth;                 // 0 to 8, or X87_PLAIN
    uint8_t  c1;                    // enum x87_c1
    uint8_t  inexact;               // not 0: PE
    uint16_t conditions;            // C0, C2, C3 as in the status word
    uint64_t operand[2];            // doubles, of c1
};

void x87_to_plain(struct x87_state *state, struct x87_quick *quick);    // nothing to do if it is
void x87_to_quick(struct x87_state *state, struct x87_quick *quick);    // from plain; stays so if it cannot be quick
