// SPDX-License-Identifier: MIT
// SDM vol. 1 3.4.3.1 (status flags), vol. 2 "Flags Affected".
#include "emu/run/alu.h"

static uint32_t result_flags(uint64_t r, unsigned size)
{
    uint64_t sign = 1ull << (size * 8 - 1);
    return (r & sign ? X64_SF : 0) | (r ? 0 : X64_ZF) | (__builtin_parityll(r & 0xff) ? 0 : X64_PF);
}

bool alu_compute(enum x64_op op, unsigned size, uint64_t a, uint64_t b, uint64_t *result, uint32_t *eflags)
{
    uint64_t sign = 1ull << (size * 8 - 1), mask = sign | (sign - 1), r;
    uint32_t carry_in = *eflags & X64_CF ? 1 : 0, kept = *eflags & ~(uint32_t)X64_ARITH_FLAGS, flags = 0;
    bool subtract = false;
    a &= mask;
    b &= mask;
    switch (op) {
    case X64_NOT:
        *result = ~a & mask;
        return true;
    case X64_AND: r = a & b; break;
    case X64_OR:  r = a | b; break;
    case X64_XOR: r = a ^ b; break;
    case X64_INC: b = 1, carry_in = 0; goto arithmetic;
    case X64_DEC: b = 1, carry_in = 0, subtract = true; goto arithmetic;
    case X64_NEG: b = a, a = 0, carry_in = 0, subtract = true; goto arithmetic;
    case X64_ADD: carry_in = 0; goto arithmetic;
    case X64_ADC: goto arithmetic;
    case X64_CMP:
    case X64_SUB: carry_in = 0, subtract = true; goto arithmetic;
    case X64_SBB: subtract = true; goto arithmetic;
    default:
        return false;
    }
    *result = r;
    *eflags = kept | result_flags(r, size);     // CF = OF = 0; AF is undefined, processors leave 0
    return true;

arithmetic:
    // Carry and borrow out of the top bit, from the bits alone: the sum may need 65.
    r = (subtract ? a - b - carry_in : a + b + carry_in) & mask;
    uint64_t carries = subtract ? (~a & b) | ((~a | b) & r) : (a & b) | ((a | b) & ~r);
    uint64_t overflow = subtract ? (a ^ b) & (a ^ r) : ~(a ^ b) & (a ^ r);
    flags = result_flags(r, size) | ((a ^ b ^ r) & 0x10 ? X64_AF : 0) | (overflow & sign ? X64_OF : 0);
    if (op == X64_INC || op == X64_DEC)
        flags |= *eflags & X64_CF;
    else
        flags |= carries & sign ? X64_CF : 0;
    *result = r;
    *eflags = kept | flags;
    return true;
}
