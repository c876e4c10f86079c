// SPDX-License-Identifier: MIT
// SSSE3 and SSE4 on integers and bits, and the way from an instruction's operands to lower_vector.h.
#include "emu/lower/lower_sse4.h"

enum { X7 = 7, X23 = 23, X24 = 24, MEMORY = 24 };       // v24 takes the memory operand

static bool operands(struct lower_context *cx, const struct x64_insn *insn,
                     void (*operation)(struct lower_context *, a64_vreg, a64_vreg, a64_vreg, unsigned))
{
    if (!lower_sse_form(insn))
        return false;
    a64_vreg m = lower_sse_read(cx, &insn->opd[1], MEMORY), vd = insn->opd[0].reg;
    operation(cx, vd, vd, m, insn->operand_count > 2 ? (unsigned)insn->opd[2].value & 0xff : 0);    // 0 is also xmm0, the implicit mask
    return true;
}

#define X(name, ...) bool lower_##name(struct lower_context *cx, const struct x64_insn *insn) { return operands(cx, insn, vector_##name); }
VECTOR_PACKED(X) VECTOR_SSE2(X) VECTOR_PAIRS(X) VECTOR_WIDEN(X) VECTOR_ABS(X) VECTOR_SIGN(X) VECTOR_SELECT(X) VECTOR_BLEND(X) VECTOR_OTHER(X)
#undef X
#define X(name, feature) \
    bool lower_##name(struct lower_context *cx, const struct x64_insn *insn) \
    { \
        return cx->config->features.feature ? operands(cx, insn, vector_##name) : lower_in_kernel(cx, insn); \
    }
VECTOR_CRYPTO(X)
#undef X

#define VECTOR(name) void vector_##name(struct lower_context *cx, a64_vreg vd, a64_vreg n, a64_vreg m, unsigned extra)

#define X(name, emitter, arr) VECTOR(name) { (void)extra; a64_##emitter(cx->b, A64_##arr, vd, n, m); }
VECTOR_PACKED(X)
#undef X

#define X(name, emitter, arr) \
    VECTOR(name) \
    { \
        (void)extra; \
        a64_uzp1(cx->b, A64_##arr, 16, n, m); \
        a64_uzp2(cx->b, A64_##arr, 17, n, m); \
        a64_##emitter(cx->b, A64_##arr, vd, 16, 17); \
    }
VECTOR_PAIRS(X)
#undef X

#define X(name, emitter, from, times) \
    VECTOR(name) \
    { \
        (void)n, (void)extra; \
        for (unsigned i = 0; i < (times); i++) \
            a64_##emitter(cx->b, (enum a64_arr)(((from) + i) * 2), vd, i ? vd : m, 0); \
    }
VECTOR_WIDEN(X)
#undef X

#define X(name, arr) VECTOR(name) { (void)n, (void)extra; a64_abs_v(cx->b, A64_##arr, vd, m); }
VECTOR_ABS(X)
#undef X

static void sign(struct a64_buf *b, enum a64_arr arr, a64_vreg vd, a64_vreg n, a64_vreg m)
{
    unsigned bits = 8u << (arr >> 1);
    a64_sqshl(b, arr, 16, m, bits - 1);             // the greatest, the least or 0,
    a64_srshr(b, arr, 16, 16, bits - 1);            // rounded: 1, -1, 0
    a64_mul_v(b, arr, vd, n, 16);
}
#define X(name, arr) VECTOR(name) { (void)extra; sign(cx->b, A64_##arr, vd, n, m); }
VECTOR_SIGN(X)
#undef X

// vd = m where `mask`, a scratch register, has ones, else n.
static void choose(struct a64_buf *b, a64_vreg vd, a64_vreg n, a64_vreg m, a64_vreg mask)
{
    if (vd == n) {
        a64_bit(b, A64_16B, vd, m, mask);
    } else if (vd == m) {
        a64_bif(b, A64_16B, vd, n, mask);
    } else {
        a64_bsl(b, A64_16B, mask, m, n);
        a64_mov_v(b, vd, mask);
    }
}

static void select_by_sign(struct a64_buf *b, enum a64_arr arr, a64_vreg vd, a64_vreg n, a64_vreg m, a64_vreg mask)
{
    a64_cmlt_zero(b, arr, 16, mask);
    choose(b, vd, n, m, 16);
}
#define X(name, arr) VECTOR(name) { select_by_sign(cx->b, A64_##arr, vd, n, m, (a64_vreg)extra); }
VECTOR_SELECT(X)
#undef X

// Puts into vd the elements of v that `chosen`, a mask of 16-bit words, names: as few insertions of 8, 4 or 2 bytes as possible.
// Returns how many; with b null it only counts.
static unsigned insert_chosen(struct a64_buf *b, a64_vreg vd, a64_vreg v, unsigned chosen)
{
    unsigned count = 0;
    for (unsigned log2 = 3; log2 >= 1; log2--) {
        unsigned words = 1u << (log2 - 1), part = (1u << words) - 1;
        for (unsigned i = 0; i < 8; i += words) {
            if ((chosen >> i & part) != part)
                continue;
            chosen &= ~(part << i);
            count++;
            if (b)
                a64_ins_element(b, log2, vd, i / words, v, i / words);
        }
    }
    return count;
}

static void blend(struct lower_context *cx, unsigned log2, a64_vreg vd, a64_vreg n, a64_vreg m, unsigned chosen)
{
    unsigned count = 16u >> log2, words = 0;
    uint64_t mask[2] = { 0, 0 };
    for (unsigned i = 0; i < 8; i++)
        words |= (chosen >> (i * count / 8) & 1) << i;
    if (n == m || words == 0 || words == 0xff) {
        a64_vreg from = words ? m : n;
        if (vd != from)
            a64_mov_v(cx->b, vd, from);
        return;
    }
    if (vd != m && insert_chosen(0, vd, m, words) <= 2) {
        if (vd != n)
            a64_mov_v(cx->b, vd, n);
        insert_chosen(cx->b, vd, m, words);
        return;
    }
    if (vd != n && insert_chosen(0, vd, n, ~words & 0xff) <= 2) {
        if (vd != m)
            a64_mov_v(cx->b, vd, m);
        insert_chosen(cx->b, vd, n, ~words & 0xff);
        return;
    }
    for (unsigned i = 0; i < 16; i++)
        if (words >> i / 2 & 1)
            mask[i / 8] |= 0xffull << i % 8 * 8;
    lower_literal_v(cx, 16, mask[0], mask[1]);
    choose(cx->b, vd, n, m, 16);
}
#define X(name, log2) VECTOR(name) { blend(cx, log2, vd, n, m, extra); }
VECTOR_BLEND(X)
#undef X

// ---- SSSE3

VECTOR(PSHUFB)
{
    (void)extra;
    a64_movi_bytes(cx->b, 16, 0x8f);            // an index with bit 7 gives 0; so does TBL from 16 on
    a64_and_v(cx->b, A64_16B, 16, 16, m);
    a64_tbl(cx->b, 1, vd, n, 16);
}

// Unsigned bytes of n by signed bytes of m; each product fits 16 bits, the sums of pairs saturate.
VECTOR(PMADDUBSW)
{
    struct a64_buf *b = cx->b;
    (void)extra;
    a64_ushll(b, A64_8B, 16, n, 0);
    a64_sshll(b, A64_8B, 17, m, 0);
    a64_ushll(b, A64_16B, 18, n, 0);
    a64_sshll(b, A64_16B, 19, m, 0);
    a64_mul_v(b, A64_8H, 16, 16, 17);
    a64_mul_v(b, A64_8H, 18, 18, 19);
    a64_uzp1(b, A64_8H, 17, 16, 18);
    a64_uzp2(b, A64_8H, 19, 16, 18);
    a64_sqadd(b, A64_8H, vd, 17, 19);
}

// ((a * b >> 14) + 1) >> 1, which SQRDMULH saturates and x64 does not.
VECTOR(PMULHRSW)
{
    (void)extra;
    a64_smull_v(cx->b, A64_4H, 16, n, m);
    a64_smull_v(cx->b, A64_8H, 17, n, m);
    a64_rshrn(cx->b, A64_4H, 16, 16, 15);
    a64_rshrn(cx->b, A64_8H, 16, 17, 15);
    a64_mov_v(cx->b, vd, 16);
}

VECTOR(PALIGNR)                                 // bytes extra..extra+15 of n:m
{
    if (extra < 16) {
        a64_ext(cx->b, A64_16B, vd, m, n, extra);
    } else if (extra < 32) {
        a64_movi_zero(cx->b, 16);
        a64_ext(cx->b, A64_16B, vd, n, 16, extra - 16);
    } else {
        a64_movi_zero(cx->b, vd);
    }
}

// ---- SSE4.1

VECTOR(PMULDQ)
{
    (void)extra;
    a64_xtn(cx->b, A64_2S, 16, n);
    a64_xtn(cx->b, A64_2S, 17, m);
    a64_smull_v(cx->b, A64_2S, vd, 16, 17);
}

VECTOR(PACKUSDW)
{
    (void)extra;
    lower_pack(cx, A64_4H, a64_sqxtun, vd, n, m);
}

// The least word and the first place it stands at: the least of (word << 16 | place).
VECTOR(PHMINPOSUW)
{
    struct a64_buf *b = cx->b;
    (void)n, (void)extra;
    lower_literal_v(cx, 16, 0x0003000200010000ull, 0x0007000600050004ull);
    a64_zip1(b, A64_8H, 17, 16, m);
    a64_zip2(b, A64_8H, 18, 16, m);
    a64_umin(b, A64_4S, 17, 17, 18);
    a64_uminv(b, A64_4S, 17, 17);
    a64_rev32(b, A64_8H, vd, 17);
}

// Eight sums of four absolute differences: a block of four bytes of m against n from eight places.
VECTOR(MPSADBW)
{
    struct a64_buf *b = cx->b;
    unsigned from = (extra >> 2 & 1) * 4, block = (extra & 3) * 4;
    for (unsigned i = 0; i < 4; i++) {
        a64_ext(b, A64_16B, 17, n, n, from + i);
        a64_dup_element(b, A64_16B, 18, m, block + i);
        (i ? a64_uabal : a64_uabdl)(b, A64_8B, 16, 17, 18);
    }
    a64_mov_v(b, vd, 16);
}

// ---- to and from general registers and memory

static bool insert(struct lower_context *cx, const struct x64_insn *insn, unsigned log2)
{
    unsigned index = (unsigned)insn->opd[2].value & ((16u >> log2) - 1);
    if (!lower_sse_form(insn))
        return false;
    if (insn->opd[1].kind == X64_OPD_MEM)
        lower_load_element(cx, log2, insn->opd[0].reg, index, lower_address(cx, &cx->insn->x, log2));
    else
        a64_ins_general(cx->b, log2, insn->opd[0].reg, index, lower_read(cx, &insn->opd[1]));
    return true;
}
bool lower_PINSRB(struct lower_context *cx, const struct x64_insn *insn) { return insert(cx, insn, 0); }
bool lower_PINSRW(struct lower_context *cx, const struct x64_insn *insn) { return insert(cx, insn, 1); }
bool lower_PINSRD(struct lower_context *cx, const struct x64_insn *insn) { return insert(cx, insn, 2); }
bool lower_PINSRQ(struct lower_context *cx, const struct x64_insn *insn) { return insert(cx, insn, 3); }

static bool extract(struct lower_context *cx, const struct x64_insn *insn, unsigned log2)
{
    unsigned index = (unsigned)insn->opd[2].value & ((16u >> log2) - 1);
    const struct x64_operand *to = &insn->opd[0];
    if (!lower_sse_form(insn) || insn->opd[1].kind != X64_OPD_XMM)
        return false;
    if (to->kind == X64_OPD_MEM) {
        lower_store_element(cx, log2, insn->opd[1].reg, index, lower_address(cx, insn, log2));
        return true;
    }
    a64_reg r = lower_destination(cx, to);
    if (index == 0 && log2 >= 2)
        a64_fmov_to_general(cx->b, log2 == 3 ? A64_X : A64_W, r, insn->opd[1].reg);
    else
        a64_umov(cx->b, log2, r, insn->opd[1].reg, index);
    lower_write(cx, to, r);
    return true;
}
bool lower_PEXTRB(struct lower_context *cx, const struct x64_insn *insn) { return extract(cx, insn, 0); }
bool lower_PEXTRW(struct lower_context *cx, const struct x64_insn *insn) { return extract(cx, insn, 1); }
bool lower_PEXTRD(struct lower_context *cx, const struct x64_insn *insn) { return extract(cx, insn, 2); }
bool lower_PEXTRQ(struct lower_context *cx, const struct x64_insn *insn) { return extract(cx, insn, 3); }
bool lower_EXTRACTPS(struct lower_context *cx, const struct x64_insn *insn) { return extract(cx, insn, 2); }

// ---- PTEST

// r, without its sign bit, is 0 exactly if v is.
static void any_bit(struct lower_context *cx, a64_reg r, a64_vreg v)
{
    a64_umaxv(cx->b, A64_4S, 16, v);
    a64_umov(cx->b, 2, r, 16, 0);
}

void lower_flags_test(struct lower_context *cx, a64_vreg zero, a64_vreg carry)
{
    if (!(cx->live & X64_ARITH_FLAGS))
        return;
    any_bit(cx, X24, zero);
    if (cx->live & X64_CF) {                        // x7 is all ones if CF is to be set, else 0: x24 - x7 + x7 is x24, and carries then
        a64_umaxv(cx->b, A64_4S, 16, carry);
        a64_cmeq_zero(cx->b, A64_2D, 16, 16);
        a64_fmov_to_general(cx->b, A64_X, X7, 16);
        a64_sub_reg(cx->b, A64_X, X24, X24, X7, A64_LSL, 0);
        a64_adds_reg(cx->b, A64_X, A64_ZR, X24, X7, A64_LSL, 0);
        lower_flags_hw(cx, CF_DIRECT);
    } else {
        lower_flags_logic(cx, X24, 8);              // zero-extended: SF is 0
    }
    if (cx->live & FLAGS_PA) {
        if (!(cx->live & X64_CF))
            lower_flags_to_hw(cx, cx->live & FLAGS_NZ, CF_INVERTED);
        a64_mov_const(cx->b, A64_X, X23, 1);        // odd parity
        lower_pa(cx, PA_LOGIC, X23, 0);
    }
}

bool lower_PTEST(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_vreg m = lower_sse_read(cx, &insn->opd[1], MEMORY), n = insn->opd[0].reg;
    if (n != m && cx->live & X64_ARITH_FLAGS)
        a64_and_v(cx->b, A64_16B, 17, n, m);
    if (cx->live & X64_CF)
        a64_bic_v(cx->b, A64_16B, 18, m, n);
    lower_flags_test(cx, n == m ? m : 17, 18);
    return true;
}
