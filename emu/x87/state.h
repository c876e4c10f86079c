// SPDX-License-Identifier: MIT
// The registers of x87.
#pragma once
#include "emu/x87/float80.h"

enum x87_status_bit {               // SDM vol. 1, 8.1.3
    X87_ES = 1 << 7, X87_C0 = 1 << 8, X87_C1 = 1 << 9, X87_C2 = 1 << 10, X87_C3 = 1 << 14, X87_BUSY = 1 << 15,
    X87_TOP_SHIFT = 11,
    X87_CONDITIONS = X87_C0 | X87_C1 | X87_C2 | X87_C3,
};

struct x87_state {
    struct float80 reg[8];          // physical: st(i) is reg[(top + i) & 7], mm n is the significand of reg[n]
    uint64_t ip, dp;                // of the last instruction that was no control instruction; dp: of the last that had memory
    uint16_t control, status;
    uint16_t valid;                 // bit n: physical register n is not empty (the tag word as FXSAVE has it)
    uint16_t opcode;                // of the instruction at ip
};
