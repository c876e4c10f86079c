// SPDX-License-Identifier: MIT
// The recipe of a point: struct lower_flags in 32 bits, and its evaluation on saved registers.
#include "emu/lower/context.h"

// 2:0 nz | 7:3 nz_reg | 9:8 nz_size | 13:10 cf | 17:14 pa | 22:18 pa_a | 30:23 pa_b, but NZ_SP: 2:0 nz | 15:3 sp_added / 8 | 23:16 sp_popped
// and NZ_SHIFT: 11:10 shift_kind | 17:12 shift_amount
uint32_t lower_recipe(const struct lower_flags *f)
{
    if (f->nz == NZ_SP)
        return NZ_SP | (uint32_t)f->sp_added / 8 << 3 | (uint32_t)f->sp_popped << 16;
    if (f->nz == NZ_SHIFT)
        return NZ_SHIFT | (uint32_t)f->nz_reg << 3 | (uint32_t)f->nz_size << 8 | (uint32_t)f->shift_kind << 10 | (uint32_t)f->shift_amount << 12;
    return f->nz | (uint32_t)(f->nz_reg & 31) << 3 | (uint32_t)f->nz_size << 8 | (uint32_t)f->cf << 10 | (uint32_t)f->pa << 14 |
           (uint32_t)(f->pa_a & 31) << 18 | (uint32_t)f->pa_b << 23;
}

void lower_point_popped(struct lower_point *point)
{
    if ((point->recipe & 7) == NZ_SP)
        point->recipe += 1u << 16;
}

static uint64_t register_value(const uint64_t x[31], unsigned r)
{
    return r < 31 ? x[r] : 0;
}

static uint32_t even_parity(uint64_t value)
{
    return !(__builtin_popcountll(value & 0xff) & 1);
}

// Bit n is the overflow of CF_NARROW's operation in bit n.
static uint64_t narrow_overflow(const uint64_t x[31], unsigned pa, unsigned a, unsigned b)
{
    uint64_t r = x[23], second = pa == PA_ADD || pa == PA_SUB ? register_value(x, b & 31) : b, first;
    switch (pa) {
    case PA_CMP: case PA_CMP_IMM: first = register_value(x, a); break;
    case PA_SUB: case PA_SUB_IMM: first = r + second; break;
    case PA_ADD: case PA_ADD_IMM: first = r - second; return (first ^ r) & (second ^ r);
    case PA_DOUBLE: first = r >> 1; return first ^ r;
    case PA_CANONICAL: return r ^ x[24] ^ r >> 1;
    default: first = 0; break;          // PA_NEG
    }
    return (first ^ (first - r)) & (first ^ r);
}

// Of a shift of the low `bits` by n, 1 to bits - 1. OF as processors leave it for all counts (lower_shift.c).
static uint32_t shift_flags(uint64_t value, unsigned bits, unsigned kind, unsigned n)
{
    uint64_t mask = ~0ull >> (64 - bits), sign = 1ull << (bits - 1);
    value &= mask;
    uint64_t filled = kind == A64_ASR && value & sign ? value | ~mask : value;
    uint64_t result = (kind == A64_LSL ? value << n : kind == A64_LSR ? value >> n : (uint64_t)((int64_t)filled >> n)) & mask;
    bool carry = value >> (kind == A64_LSL ? bits - n : n - 1) & 1, top = result & sign;
    bool overflow = kind == A64_LSL ? carry != top : kind == A64_LSR && n == 1 && value & sign;
    return (carry ? X64_CF : 0) | (even_parity(result) ? X64_PF : 0) | (!result ? X64_ZF : 0) | (top ? X64_SF : 0) | (overflow ? X64_OF : 0);
}

void lower_recover_flags(const struct lower_point *point, const uint64_t x[31], uint64_t sp, uint32_t nzcv, uint32_t *eflags)
{
    uint32_t recipe = point->recipe;
    if ((recipe & 7) == NZ_SP) {
        uint64_t added = (recipe >> 3 & 0x1fff) * 8, result = sp - (recipe >> 16 & 255) * 8, old = result - added;
        *eflags = (result < added ? X64_CF : 0) | (even_parity(result) ? X64_PF : 0) | ((old ^ added ^ result) & 16 ? X64_AF : 0) |
                  (!result ? X64_ZF : 0) | (result >> 63 ? X64_SF : 0) | (~(old ^ added) & (old ^ result) & 1ull << 63 ? X64_OF : 0);
        return;
    }
    if ((recipe & 7) == NZ_SHIFT) {
        *eflags = shift_flags(register_value(x, recipe >> 3 & 31), 8u << (recipe >> 8 & 3), recipe >> 10 & 3, recipe >> 12 & 63);
        return;
    }
    unsigned nz = recipe & 7, cf = recipe >> 10 & 15, pa = recipe >> 14 & 15, a = recipe >> 18 & 31, b = recipe >> 23 & 255;
    unsigned bits = 8u << (recipe >> 8 & 3);
    uint64_t value = register_value(x, recipe >> 3 & 31);
    uint32_t n = nzcv >> 31 & 1, z = nzcv >> 30 & 1, c = nzcv >> 29 & 1, v = nzcv >> 28 & 1;
    uint64_t x7 = x[7];
    uint32_t sf = n, zf = z, of = v, carry;
    switch (cf) {
    case CF_INVERTED: carry = !c; break;
    case CF_DIRECT: carry = c; break;
    case CF_ZERO: carry = 0; break;
    case CF_X7: carry = x7 & 1; break;
    case CF_X7_SHR1: case CF_X7_ROTATE: carry = x7 >> 1 & 1; break;
    case CF_NARROW: carry = value >> (bits & 31) & 1; break;
    default: carry = x7 != 0; break;
    }
    if (nz == NZ_LOGIC || nz == NZ_INC || nz == NZ_DEC) {
        uint64_t sign = 1ull << (bits - 1);
        value &= sign | (sign - 1);
        sf = value >> (bits - 1) & 1;
        zf = !value;
        of = nz == NZ_INC ? value == sign : nz == NZ_DEC ? value == sign - 1 : cf == CF_X7_SHR1 ? x7 & 1
           : cf == CF_X7_MUL ? carry : cf == CF_NARROW ? narrow_overflow(x, pa, a, b) >> (bits - 1) & 1 : 0;
    } else if (nz == NZ_FCMP) {         // less: N; equal: Z C; greater: C; unordered: C V
        carry = n != v;
        zf = z | v;
        sf = of = 0;
    }
    if (cf == CF_X7_ROTATE)
        of = (x7 ^ x7 >> 1) & 1;
    uint64_t p = register_value(x, a), second = pa == PA_CMP || pa == PA_ADD || pa == PA_SUB ? register_value(x, b & 31) : b, q;
    switch (pa) {
    case PA_LOGIC: q = p; break;
    case PA_CMP: case PA_CMP_IMM: q = p ^ second; p = x[23]; break;
    case PA_ADD: case PA_ADD_IMM: q = (p - second) ^ second; break;
    case PA_SUB: case PA_SUB_IMM: q = (p + second) ^ second; break;
    case PA_DOUBLE: q = 0; break;
    case PA_NEG: q = 0 - p; break;
    case PA_FCMP: p = q = !v; break;
    case PA_RESULT: q = x[24]; break;
    default: p = x[23]; q = x[24]; break;
    }
    *eflags = (carry ? X64_CF : 0) | (even_parity(p) ? X64_PF : 0) | ((p ^ q) & 16 ? X64_AF : 0) | (zf ? X64_ZF : 0) |
              (sf ? X64_SF : 0) | (of ? X64_OF : 0);
}

void lower_flags_in(uint32_t eflags, uint64_t *x23, uint64_t *x24, uint32_t *nzcv)
{
    *x23 = !(eflags & X64_PF);
    *x24 = *x23 ^ (eflags & X64_AF ? 16 : 0);
    *nzcv = (eflags & X64_SF ? 1u << 31 : 0) | (eflags & X64_ZF ? 1u << 30 : 0) | (eflags & X64_CF ? 0 : 1u << 29) |
            (eflags & X64_OF ? 1u << 28 : 0);
}
