// SPDX-License-Identifier: MIT
// SSE and SSE2 moves.
#include "emu/lower/lower_sse.h"

// Whole registers: load, store or copy of opd[].size bytes.
static bool move(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *to = &insn->opd[0], *from = &insn->opd[1];
    if (!lower_sse_form(insn))
        return false;
    if (to->kind == X64_OPD_MEM)
        lower_store_v(cx, 4, from->reg, lower_sse_address(cx, insn, 4));
    else if (from->kind == X64_OPD_MEM)
        lower_load_v(cx, 4, to->reg, lower_sse_address(cx, insn, 4));
    else if (to->reg != from->reg)
        a64_mov_v(cx->b, to->reg, from->reg);
    return true;
}
#define X(name) bool lower_##name(struct lower_context *cx, const struct x64_insn *insn) { return move(cx, insn); }
X(MOVAPS) X(MOVAPD) X(MOVDQA) X(MOVUPS) X(MOVUPD) X(MOVDQU) X(MOVNTPS) X(MOVNTPD) X(MOVNTDQ)
#undef X

// MOVSS, MOVSD: a load zeroes the rest, a register move keeps it.
static bool move_scalar(struct lower_context *cx, const struct x64_insn *insn, unsigned log2)
{
    const struct x64_operand *to = &insn->opd[0], *from = &insn->opd[1];
    if (to->kind == X64_OPD_MEM)
        lower_store_v(cx, log2, from->reg, lower_sse_address(cx, insn, log2));
    else if (from->kind == X64_OPD_MEM)
        lower_load_v(cx, log2, to->reg, lower_sse_address(cx, insn, log2));
    else if (to->reg != from->reg)
        a64_ins_element(cx->b, log2, to->reg, 0, from->reg, 0);
    return true;
}
bool lower_MOVSS(struct lower_context *cx, const struct x64_insn *insn) { return move_scalar(cx, insn, 2); }
bool lower_MOVSD(struct lower_context *cx, const struct x64_insn *insn) { return move_scalar(cx, insn, 3); }

// One quadword of a register to or from memory; the other stays.
static bool move_half(struct lower_context *cx, const struct x64_insn *insn, unsigned half)
{
    const struct x64_operand *to = &insn->opd[0], *from = &insn->opd[1];
    if (to->kind == X64_OPD_MEM) {
        lower_store_element(cx, 3, from->reg, half, lower_address(cx, insn, 3));
        return true;
    }
    if (from->kind == X64_OPD_MEM) {
        lower_load_element(cx, 3, to->reg, half, lower_address(cx, insn, 3));
        return true;
    }
    a64_vreg source = lower_sse_read(cx, from, 16);
    a64_ins_element(cx->b, 3, to->reg, half, source, 0);
    return true;
}
bool lower_MOVLPS(struct lower_context *cx, const struct x64_insn *insn) { return move_half(cx, insn, 0); }
bool lower_MOVLPD(struct lower_context *cx, const struct x64_insn *insn) { return move_half(cx, insn, 0); }
bool lower_MOVHPS(struct lower_context *cx, const struct x64_insn *insn) { return move_half(cx, insn, 1); }
bool lower_MOVHPD(struct lower_context *cx, const struct x64_insn *insn) { return move_half(cx, insn, 1); }
bool lower_MOVLHPS(struct lower_context *cx, const struct x64_insn *insn) { return move_half(cx, insn, 1); }

bool lower_MOVHLPS(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_ins_element(cx->b, 3, insn->opd[0].reg, 0, insn->opd[1].reg, 1);
    return true;
}

// MOVD, MOVQ between a general register or memory and the low element; into a vector register the rest becomes zero.
static bool move_element(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *to = &insn->opd[0], *from = &insn->opd[1];
    if (!lower_sse_form(insn))
        return false;
    if (to->kind == X64_OPD_XMM && from->kind == X64_OPD_GPR) {
        a64_fmov_from_general(cx->b, from->size == 8 ? A64_X : A64_W, to->reg, lower_read(cx, from));
    } else if (to->kind == X64_OPD_XMM && from->kind == X64_OPD_MEM) {
        lower_load_v(cx, lower_log2(from->size), to->reg, lower_sse_address(cx, insn, lower_log2(from->size)));
    } else if (to->kind == X64_OPD_XMM) {
        a64_fmov(cx->b, A64_X, to->reg, from->reg);
    } else if (to->kind == X64_OPD_MEM) {
        lower_store_v(cx, lower_log2(to->size), from->reg, lower_sse_address(cx, insn, lower_log2(to->size)));
    } else {
        a64_reg r = lower_destination(cx, to);
        a64_fmov_to_general(cx->b, to->size == 8 ? A64_X : A64_W, r, from->reg);
        lower_write(cx, to, r);
    }
    return true;
}
bool lower_MOVD(struct lower_context *cx, const struct x64_insn *insn) { return move_element(cx, insn); }
bool lower_MOVQ(struct lower_context *cx, const struct x64_insn *insn) { return move_element(cx, insn); }
