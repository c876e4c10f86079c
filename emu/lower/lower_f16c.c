// SPDX-License-Identifier: MIT
// F16C: conversion to and from half precision (SDM vol. 2, VCVTPH2PS and VCVTPS2PH).
#include "emu/lower/lower_avx.h"

bool lower_VCVTPH2PS(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_vreg m = avx_source(cx, insn, &insn->opd[1]).low, upper = 0;
    if (avx_wide(insn))
        a64_fcvtl_half(cx->b, true, upper = avx_take(cx), m);
    a64_fcvtl_half(cx->b, false, insn->opd[0].reg, m);
    avx_high_finish(cx, insn, upper);
    return true;
}

// FPCR with the rounding of the immediate (bit 2: MXCSR's, nothing to do), and the old one in the register that is returned.
static a64_reg rounding_set(struct lower_context *cx, unsigned immediate)
{
    enum { UP = 1 << 22, DOWN = 1 << 23, MODE = UP | DOWN };    // FPCR.RMode: both of them are toward zero
    static const uint32_t set[4] = { 0, DOWN, UP, MODE };
    if (immediate & 4)
        return A64_ZR;
    uint32_t wanted = set[immediate & 3];
    a64_reg old = lower_temp(cx), now = lower_temp(cx), from = old;
    a64_mrs_fpcr(cx->b, old);
    if (wanted != MODE)
        a64_and_imm(cx->b, A64_X, now, old, ~(uint64_t)(MODE & ~wanted)), from = now;
    if (wanted)
        a64_orr_imm(cx->b, A64_X, now, from, wanted);
    a64_msr_fpcr(cx->b, now);
    return old;
}

bool lower_VCVTPS2PH(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    const struct x64_operand *to = &insn->opd[0], *from = &insn->opd[1];
    bool store = to->kind == X64_OPD_MEM, wide = avx_wide(insn);
    unsigned log2 = wide ? 4 : 3;
    a64_reg at = A64_ZR;
    if (store) {                                        // a store that faults must not leave exceptions in FPSR
        at = lower_address_register(cx, insn);
        lower_probe_span(cx, at, 1u << log2);
    }
    a64_vreg high = wide ? avx_high(cx, from->reg) : 0, half = store ? AVX_LOW : to->reg;
    a64_reg old = rounding_set(cx, (unsigned)insn->opd[2].value);
    a64_fcvtn_half(b, false, half, from->reg);
    if (wide)
        a64_fcvtn_half(b, true, half, high);
    if (old != A64_ZR)
        a64_msr_fpcr(b, old);
    if (store) {
        lower_store_v(cx, log2, half, lower_mem_register(at));
        return true;
    }
    avx_high_clear(cx, to->reg);
    return true;
}
