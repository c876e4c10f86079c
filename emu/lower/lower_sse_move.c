// SPDX-License-Identifier: MIT
// SSE and SSE2 moves and shuffles.
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
        lower_store_v(cx, log2, from->reg, lower_address(cx, insn, log2));
    else if (from->kind == X64_OPD_MEM)
        lower_load_v(cx, log2, to->reg, lower_address(cx, insn, log2));
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
        lower_load_v(cx, lower_log2(from->size), to->reg, lower_address(cx, insn, lower_log2(from->size)));
    } else if (to->kind == X64_OPD_XMM) {
        a64_fmov(cx->b, A64_X, to->reg, from->reg);
    } else if (to->kind == X64_OPD_MEM) {
        lower_store_v(cx, lower_log2(to->size), from->reg, lower_address(cx, insn, lower_log2(to->size)));
    } else {
        a64_reg r = lower_destination(cx, to);
        a64_fmov_to_general(cx->b, to->size == 8 ? A64_X : A64_W, r, from->reg);
        lower_write(cx, to, r);
    }
    return true;
}
bool lower_MOVD(struct lower_context *cx, const struct x64_insn *insn) { return move_element(cx, insn); }
bool lower_MOVQ(struct lower_context *cx, const struct x64_insn *insn) { return move_element(cx, insn); }

// ---- shuffles

struct lane { a64_vreg source; unsigned index; };

static bool lane_equal(struct lane a, struct lane b)
{
    return a.source == b.source && a.index == b.index;
}

// vd = four words, each from anywhere.
static void gather_words(struct lower_context *cx, a64_vreg vd, const struct lane lanes[4])
{
    a64_dup_element(cx->b, A64_4S, 20, lanes[0].source, lanes[0].index);
    for (unsigned i = 1; i < 4; i++)
        if (!lane_equal(lanes[i], lanes[0]))
            a64_ins_element(cx->b, 2, 20, i, lanes[i].source, lanes[i].index);
    a64_mov_v(cx->b, vd, 20);
}

bool lower_PSHUFD(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    unsigned order = (unsigned)insn->opd[2].value & 0xff;
    a64_vreg v = lower_sse_read(cx, &insn->opd[1], 16), vd = insn->opd[0].reg;
    switch (order) {                        // what one instruction can do
    case 0x00: case 0x55: case 0xaa: case 0xff: a64_dup_element(b, A64_4S, vd, v, order & 3); return true;
    case 0x44: a64_dup_element(b, A64_2D, vd, v, 0); return true;
    case 0xee: a64_dup_element(b, A64_2D, vd, v, 1); return true;
    case 0x4e: a64_ext(b, A64_16B, vd, v, v, 8); return true;
    case 0x39: a64_ext(b, A64_16B, vd, v, v, 4); return true;
    case 0x93: a64_ext(b, A64_16B, vd, v, v, 12); return true;
    case 0xb1: a64_rev64(b, A64_4S, vd, v); return true;
    case 0x50: a64_zip1(b, A64_4S, vd, v, v); return true;
    case 0xfa: a64_zip2(b, A64_4S, vd, v, v); return true;
    case 0x88: a64_uzp1(b, A64_4S, vd, v, v); return true;
    case 0xdd: a64_uzp2(b, A64_4S, vd, v, v); return true;
    case 0xa0: a64_trn1(b, A64_4S, vd, v, v); return true;
    case 0xf5: a64_trn2(b, A64_4S, vd, v, v); return true;
    case 0xe4: if (v != vd) a64_mov_v(b, vd, v); return true;
    }
    gather_words(cx, vd, (struct lane[]){ { v, order & 3 }, { v, order >> 2 & 3 }, { v, order >> 4 & 3 }, { v, order >> 6 } });
    return true;
}

bool lower_SHUFPS(struct lower_context *cx, const struct x64_insn *insn)
{
    unsigned order = (unsigned)insn->opd[2].value & 0xff;
    a64_vreg s = lower_sse_read(cx, &insn->opd[1], 16), vd = insn->opd[0].reg;
    if (order == 0x44) {
        a64_zip1(cx->b, A64_2D, vd, vd, s);
    } else if (order == 0xee) {
        a64_zip2(cx->b, A64_2D, vd, vd, s);
    } else if (order == 0x88) {
        a64_uzp1(cx->b, A64_4S, vd, vd, s);
    } else if (order == 0xdd) {
        a64_uzp2(cx->b, A64_4S, vd, vd, s);
    } else {
        gather_words(cx, vd, (struct lane[]){ { vd, order & 3 }, { vd, order >> 2 & 3 }, { s, order >> 4 & 3 }, { s, order >> 6 } });
    }
    return true;
}

bool lower_SHUFPD(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_vreg s = lower_sse_read(cx, &insn->opd[1], 16), vd = insn->opd[0].reg;
    switch ((unsigned)insn->opd[2].value & 3) {
    case 0: a64_zip1(cx->b, A64_2D, vd, vd, s); break;
    case 1: a64_ext(cx->b, A64_16B, vd, vd, s, 8); break;
    case 2: if (s != vd) a64_ins_element(cx->b, 3, vd, 1, s, 1); break;
    case 3: a64_zip2(cx->b, A64_2D, vd, vd, s); break;
    }
    return true;
}

// Words of one half, the other half copied.
static bool shuffle_half(struct lower_context *cx, const struct x64_insn *insn, unsigned first)
{
    unsigned order = (unsigned)insn->opd[2].value & 0xff;
    a64_vreg v = lower_sse_read(cx, &insn->opd[1], 16), vd = insn->opd[0].reg;
    a64_mov_v(cx->b, 17, v);
    for (unsigned i = 0; i < 4; i++)
        if ((order >> 2 * i & 3) != i)
            a64_ins_element(cx->b, 1, 17, first + i, v, first + (order >> 2 * i & 3));
    a64_mov_v(cx->b, vd, 17);
    return true;
}
bool lower_PSHUFLW(struct lower_context *cx, const struct x64_insn *insn) { return shuffle_half(cx, insn, 0); }
bool lower_PSHUFHW(struct lower_context *cx, const struct x64_insn *insn) { return shuffle_half(cx, insn, 4); }
