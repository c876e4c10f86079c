// SPDX-License-Identifier: MIT
// PCMPESTRI PCMPESTRM PCMPISTRI PCMPISTRM: SDM vol. 2, 4.1. a is the first operand (the needle, the set, the ranges), b the second.
//
// All vectors have a byte or word of ones where the manual has a bit. An element is valid before the end of its string.
#include "emu/lower/lower_sse4.h"

enum { X23 = 23, X24 = 24 };
enum { A = 24, B = 25, RESULT = 16, VALID_B = 17, VALID_A = 18, T0 = 19, T1 = 20, T2 = 21, BEYOND = 22, ZERO = 23 };

struct comparison {
    enum a64_arr arr;
    unsigned log2, count;               // of elements
    bool is_signed;
};

// The place of each element that is ones, four (bytes) or eight bits each.
static void to_nibbles(struct lower_context *cx, a64_reg r, a64_vreg v)
{
    a64_shrn(cx->b, A64_8B, T0, v, 4);
    a64_fmov_to_general(cx->b, A64_X, r, T0);
}

// Length in elements of a string that ends at its first 0.
static a64_reg implicit_length(struct lower_context *cx, const struct comparison *c, a64_vreg v)
{
    a64_reg r = lower_temp(cx);
    a64_cmeq_zero(cx->b, c->arr, T0, v);
    to_nibbles(cx, r, T0);
    a64_rbit(cx->b, A64_X, r, r);
    a64_clz(cx->b, A64_X, r, r);
    a64_lsr_imm(cx->b, A64_X, r, r, 2 + c->log2);
    return r;
}

// The register's absolute value, no more than there are elements.
static a64_reg explicit_length(struct lower_context *cx, const struct comparison *c, unsigned x64_register, enum a64_size s)
{
    a64_reg r = lower_temp(cx), most = lower_temp(cx), from = lower_gpr(x64_register);
    a64_mov_const(cx->b, A64_W, most, c->count);
    a64_subs_imm(cx->b, s, A64_ZR, from, 0);
    a64_csneg(cx->b, s, r, from, from, A64_GE);
    a64_subs_reg(cx->b, s, A64_ZR, r, most, A64_LSL, 0);    // unsigned: the most negative number is a long string
    a64_csel(cx->b, A64_X, r, r, most, A64_LO);
    return r;
}

static void valid(struct lower_context *cx, const struct comparison *c, a64_vreg v, a64_reg length)
{
    if (c->log2)
        lower_literal_v(cx, T0, 0x0003000200010000ull, 0x0007000600050004ull);
    else
        lower_literal_v(cx, T0, 0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull);
    a64_dup_general(cx->b, c->arr, v, length);
    a64_cmhi(cx->b, c->arr, v, v, T0);
}

// ---- the four comparisons, into RESULT. The loops run once for each element, or pair, of a.

static void equal_any(struct lower_context *cx, const struct comparison *c, a64_reg counter)
{
    struct a64_buf *b = cx->b;
    uint32_t top = lower_label(cx), done = lower_label(cx);
    a64_movi_zero(b, RESULT);
    lower_cbz(cx, A64_W, counter, done);
    lower_bind(cx, top);
    a64_dup_element(b, c->arr, T0, A, 0);
    a64_cmeq(b, c->arr, T0, T0, B);
    a64_orr_v(b, A64_16B, RESULT, RESULT, T0);
    a64_ext(b, A64_16B, A, A, A, 1u << c->log2);
    a64_sub_imm(b, A64_W, counter, counter, 1);
    lower_cbnz(cx, A64_W, counter, top);
    lower_bind(cx, done);
    a64_and_v(b, A64_16B, RESULT, RESULT, VALID_B);
}

static void ranges(struct lower_context *cx, const struct comparison *c, a64_reg counter)
{
    struct a64_buf *b = cx->b;
    uint32_t top = lower_label(cx), done = lower_label(cx);
    void (*at_least)(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg, a64_vreg) = c->is_signed ? a64_cmge : a64_cmhs;
    a64_movi_zero(b, RESULT);
    a64_lsr_imm(b, A64_W, counter, counter, 1);
    lower_cbz(cx, A64_W, counter, done);
    lower_bind(cx, top);
    a64_dup_element(b, c->arr, T0, A, 0);
    a64_dup_element(b, c->arr, T1, A, 1);
    at_least(b, c->arr, T0, B, T0);
    at_least(b, c->arr, T1, T1, B);
    a64_and_v(b, A64_16B, T0, T0, T1);
    a64_orr_v(b, A64_16B, RESULT, RESULT, T0);
    a64_ext(b, A64_16B, A, A, A, 2u << c->log2);
    a64_sub_imm(b, A64_W, counter, counter, 1);
    lower_cbnz(cx, A64_W, counter, top);
    lower_bind(cx, done);
    a64_and_v(b, A64_16B, RESULT, RESULT, VALID_B);
}

static void equal_each(struct lower_context *cx, const struct comparison *c)
{
    struct a64_buf *b = cx->b;
    a64_cmeq(b, c->arr, RESULT, A, B);
    a64_and_v(b, A64_16B, T0, VALID_A, VALID_B);
    a64_and_v(b, A64_16B, RESULT, RESULT, T0);
    a64_orr_v(b, A64_16B, T0, VALID_A, VALID_B);        // both over: equal
    a64_orn_v(b, A64_16B, RESULT, RESULT, T0);
}

// a stands in b from here on, as far as b's register goes.
static void equal_ordered(struct lower_context *cx, const struct comparison *c, a64_reg counter)
{
    struct a64_buf *b = cx->b;
    uint32_t top = lower_label(cx), done = lower_label(cx);
    unsigned step = 1u << c->log2;
    a64_movi_bytes(b, RESULT, 0xff);
    lower_cbz(cx, A64_W, counter, done);
    a64_movi_zero(b, ZERO);
    a64_movi_zero(b, BEYOND);
    a64_movi_bytes(b, T2, 0xff);
    a64_mov_v(b, T1, VALID_B);
    lower_bind(cx, top);
    a64_dup_element(b, c->arr, T0, A, 0);
    a64_cmeq(b, c->arr, T0, T0, B);
    a64_and_v(b, A64_16B, T0, T0, T1);
    a64_orr_v(b, A64_16B, T0, T0, BEYOND);
    a64_and_v(b, A64_16B, RESULT, RESULT, T0);
    a64_ext(b, A64_16B, A, A, A, step);
    a64_ext(b, A64_16B, B, B, ZERO, step);
    a64_ext(b, A64_16B, T1, T1, ZERO, step);
    a64_ext(b, A64_16B, BEYOND, BEYOND, T2, step);
    a64_sub_imm(b, A64_W, counter, counter, 1);
    lower_cbnz(cx, A64_W, counter, top);
    lower_bind(cx, done);
}

// ---- results

// CF: any; ZF: b ended; SF: a ended; OF: the first.
static void set_flags(struct lower_context *cx, const struct comparison *c, a64_reg nibbles, a64_reg la, a64_reg lb)
{
    struct a64_buf *b = cx->b;
    a64_reg t = lower_temp(cx), w = lower_temp(cx);
    unsigned full = c->log2 ? 3 : 4;                    // the bit that only the greatest length has
    if (cx->live & FLAGS_NZC) {
        a64_subs_imm(b, A64_X, A64_ZR, nibbles, 0);
        a64_cset(b, A64_W, t, A64_EQ);                  // C = !CF
        a64_and_imm(b, A64_W, w, nibbles, 1);
        a64_bfi(b, A64_W, w, t, 1, 1);
        a64_lsr_imm(b, A64_W, t, lb, full);
        a64_bfi(b, A64_W, w, t, 2, 1);
        a64_lsr_imm(b, A64_W, t, la, full);
        a64_bfi(b, A64_W, w, t, 3, 1);
        a64_eor_imm(b, A64_W, w, w, 12);
        a64_lsl_imm(b, A64_W, w, w, 28);
        a64_msr_nzcv(b, w);
        lower_flags_hw(cx, CF_INVERTED);
    }
    if (cx->live & FLAGS_PA) {
        a64_mov_const(b, A64_X, X23, 1);                // odd parity
        a64_mov_reg(b, A64_X, X24, X23);
        lower_pa_canonical(cx);
    }
}

static void put_index(struct lower_context *cx, const struct comparison *c, a64_reg nibbles, bool last)
{
    struct a64_buf *b = cx->b;
    a64_reg rcx = lower_gpr(X64_RCX), t = lower_temp(cx);
    if (!last) {
        a64_rbit(b, A64_X, rcx, nibbles);
        a64_clz(b, A64_X, rcx, rcx);
        a64_lsr_imm(b, A64_X, rcx, rcx, 2 + c->log2);   // 64 if there is none: the count
        return;
    }
    uint32_t found = lower_label(cx);
    a64_mov_const(b, A64_W, t, c->count - 1);
    a64_clz(b, A64_X, rcx, nibbles);
    a64_lsr_imm(b, A64_X, rcx, rcx, 2 + c->log2);
    a64_sub_reg(b, A64_W, rcx, t, rcx, A64_LSL, 0);
    lower_cbnz(cx, A64_X, nibbles, found);
    a64_mov_const(b, A64_W, rcx, c->count);
    lower_bind(cx, found);
}

static void put_mask(struct lower_context *cx, const struct comparison *c, bool expand)
{
    struct a64_buf *b = cx->b;
    if (expand) {
        a64_mov_v(b, 0, RESULT);
    } else if (c->log2) {
        lower_literal_v(cx, T0, 0x0008000400020001ull, 0x0080004000200010ull);
        a64_and_v(b, A64_16B, T0, T0, RESULT);
        a64_addv(b, A64_8H, 0, T0);
    } else {
        lower_literal_v(cx, T0, 0x8040201008040201ull, 0x8040201008040201ull);
        a64_and_v(b, A64_16B, T0, T0, RESULT);
        for (unsigned i = 0; i < 3; i++)
            a64_addp(b, A64_16B, T0, T0, T0);
        a64_movi_zero(b, T1);
        a64_ins_element(b, 1, T1, 0, T0, 0);
        a64_mov_v(b, 0, T1);
    }
}

static bool compare_strings(struct lower_context *cx, const struct x64_insn *insn, bool has_lengths, bool index)
{
    struct a64_buf *b = cx->b;
    unsigned control = (unsigned)insn->opd[2].value & 0xff;
    bool words = control & 1;
    struct comparison c = { .arr = words ? A64_8H : A64_16B, .log2 = words, .count = words ? 8 : 16, .is_signed = control & 2 };
    a64_vreg second = lower_sse_read(cx, &insn->opd[1], B);
    if (second != B)
        a64_mov_v(b, B, second);
    a64_mov_v(b, A, insn->opd[0].reg);
    // All flags are written: NZCV is free from here on.
    enum a64_size s = insn->form & X64_F_W ? A64_X : A64_W;
    a64_reg la = has_lengths ? explicit_length(cx, &c, X64_RAX, s) : implicit_length(cx, &c, A);
    a64_reg lb = has_lengths ? explicit_length(cx, &c, X64_RDX, s) : implicit_length(cx, &c, B);
    a64_reg counter = lower_temp(cx), nibbles = counter;
    valid(cx, &c, VALID_B, lb);
    a64_mov_reg(b, A64_W, counter, la);
    switch (control >> 2 & 3) {
    case 0: equal_any(cx, &c, counter); break;
    case 1: ranges(cx, &c, counter); break;
    case 2: valid(cx, &c, VALID_A, la); equal_each(cx, &c); break;
    case 3: equal_ordered(cx, &c, counter); break;
    }
    if ((control >> 4 & 3) == 1)
        a64_not_v(b, A64_16B, RESULT, RESULT);
    else if ((control >> 4 & 3) == 3)                   // of the valid elements only
        a64_eor_v(b, A64_16B, RESULT, RESULT, VALID_B);
    to_nibbles(cx, nibbles, RESULT);
    set_flags(cx, &c, nibbles, la, lb);
    if (index)
        put_index(cx, &c, nibbles, control & 0x40);
    else
        put_mask(cx, &c, control & 0x40);
    return true;
}
bool lower_PCMPESTRM(struct lower_context *cx, const struct x64_insn *insn) { return compare_strings(cx, insn, true, false); }
bool lower_PCMPESTRI(struct lower_context *cx, const struct x64_insn *insn) { return compare_strings(cx, insn, true, true); }
bool lower_PCMPISTRM(struct lower_context *cx, const struct x64_insn *insn) { return compare_strings(cx, insn, false, false); }
bool lower_PCMPISTRI(struct lower_context *cx, const struct x64_insn *insn) { return compare_strings(cx, insn, false, true); }
