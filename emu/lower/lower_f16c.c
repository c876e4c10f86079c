// SPDX-License-Identifier: MIT
// F16C: conversion to and from half precision (SDM vol. 2, VCVTPH2PS and VCVTPS2PH).
#include "emu/lower/lower_avx.h"

bool lower_VCVTPH2PS(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_vreg m = avx_source(cx, insn, &insn->opd[1]);
    if (avx_wide(insn))
        a64_fcvtl_half(cx->b, true, AVX_HIGH, m);
    a64_fcvtl_half(cx->b, false, insn->opd[0].reg, m);
    avx_high_finish(cx, insn, AVX_HIGH);
    return true;
}

// FPCR with the rounding of the immediate (bit 2: MXCSR's, nothing to do), and the old one in the register that is returned.
static a64_reg rounding_set(struct lower_context *cx, unsigned immediate)
{
    static const uint8_t mode[4] = { 0, 2, 1, 3 };      // nearest, down, up, toward zero as FPCR.RMode has them
    if (immediate & 4)
        return A64_ZR;
    a64_reg old = lower_temp(cx), now = lower_temp(cx), m = lower_temp(cx);
    a64_mrs_fpcr(cx->b, old);
    a64_mov_const(cx->b, A64_W, m, mode[immediate & 3]);
    a64_mov_reg(cx->b, A64_X, now, old);
    a64_bfi(cx->b, A64_X, now, m, 22, 2);
    a64_msr_fpcr(cx->b, now);
    return old;
}

bool lower_VCVTPS2PH(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    const struct x64_operand *to = &insn->opd[0], *from = &insn->opd[1];
    bool store = to->kind == X64_OPD_MEM;
    unsigned log2 = avx_wide(insn) ? 4 : 3;
    a64_reg at = A64_ZR;
    if (store) {                                        // a store that faults must not leave exceptions in FPSR
        at = lower_address_register(cx, insn);
        lower_probe_span(cx, at, 1u << log2);
    }
    a64_reg old = rounding_set(cx, (unsigned)insn->opd[2].value);
    if (avx_wide(insn))
        avx_high_read(cx, AVX_HIGH, from->reg);
    a64_fcvtn_half(b, false, AVX_LOW, from->reg);
    if (avx_wide(insn))
        a64_fcvtn_half(b, true, AVX_LOW, AVX_HIGH);
    if (old != A64_ZR)
        a64_msr_fpcr(b, old);
    if (store) {
        lower_store_v(cx, log2, AVX_LOW, lower_mem_register(at));
        return true;
    }
    a64_mov_v(b, to->reg, AVX_LOW);
    avx_high_clear(cx, to->reg);
    return true;
}
