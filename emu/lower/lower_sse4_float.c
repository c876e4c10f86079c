// SPDX-License-Identifier: MIT
// SSE3 and SSE4.1 in floating point: horizontal and alternating sums, dot products, rounding, single elements.
#include "emu/lower/lower_sse4.h"

#define VECTOR(name) void vector_##name(struct lower_context *cx, a64_vreg vd, a64_vreg n, a64_vreg m, unsigned extra)

enum { RESULT = LOWER_SSE_RESULT, EVEN = 17, ODD = 23 };    // not touched by lower_sse_check_nan

VECTOR(MOVSLDUP) { (void)n, (void)extra; a64_trn1(cx->b, A64_4S, vd, m, m); }
VECTOR(MOVSHDUP) { (void)n, (void)extra; a64_trn2(cx->b, A64_4S, vd, m, m); }
VECTOR(MOVDDUP) { (void)n, (void)extra; a64_dup_element(cx->b, A64_2D, vd, m, 0); }

// Even elements are subtracted, odd ones added: a - b is a + -b.
static void alternate(struct lower_context *cx, enum a64_size s, a64_vreg vd, a64_vreg n, a64_vreg m)
{
    enum a64_arr arr = s == A64_X ? A64_2D : A64_4S;
    if (s == A64_X)
        lower_literal_v(cx, EVEN, 0x8000000000000000ull, 0);
    else
        lower_literal_v(cx, EVEN, 0x80000000ull, 0x80000000ull);
    a64_eor_v(cx->b, A64_16B, EVEN, EVEN, m);
    a64_fadd_v(cx->b, arr, RESULT, n, EVEN);
    lower_sse_mend_nan(cx, s, false, n, m);
    a64_mov_v(cx->b, vd, RESULT);
}
VECTOR(ADDSUBPS) { (void)extra; alternate(cx, A64_W, vd, n, m); }
VECTOR(ADDSUBPD) { (void)extra; alternate(cx, A64_X, vd, n, m); }

// Native arithmetic without a look at each result: right by itself, or the chain looks at its end.
static bool is_native(const struct lower_context *cx)
{
    return cx->chain || lower_afp(cx);
}

// Neighbours of n, then of m.
static void horizontal(struct lower_context *cx, enum a64_size s, a64_vreg vd, a64_vreg n, a64_vreg m,
                       void (*emit)(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg, a64_vreg))
{
    enum a64_arr arr = s == A64_X ? A64_2D : A64_4S;
    bool native = is_native(cx);
    if (native && emit == a64_fadd_v) {
        a64_faddp(cx->b, arr, vd, n, m);
        return;
    }
    a64_uzp1(cx->b, arr, EVEN, n, m);
    a64_uzp2(cx->b, arr, ODD, n, m);
    emit(cx->b, arr, native ? vd : RESULT, EVEN, ODD);
    if (native)
        return;
    lower_sse_check_nan(cx, s, false, EVEN, ODD);
    a64_mov_v(cx->b, vd, RESULT);
}
VECTOR(HADDPS) { (void)extra; horizontal(cx, A64_W, vd, n, m, a64_fadd_v); }
VECTOR(HADDPD) { (void)extra; horizontal(cx, A64_X, vd, n, m, a64_fadd_v); }
VECTOR(HSUBPS) { (void)extra; horizontal(cx, A64_W, vd, n, m, a64_fsub_v); }
VECTOR(HSUBPD) { (void)extra; horizontal(cx, A64_X, vd, n, m, a64_fsub_v); }

// A mask of the elements whose bits are set.
static void element_mask(struct lower_context *cx, a64_vreg v, enum a64_size s, unsigned elements)
{
    uint64_t low, high;
    if (s == A64_X) {
        low = elements & 1 ? ~0ull : 0;
        high = elements & 2 ? ~0ull : 0;
    } else {
        low = (elements & 1 ? 0xffffffffull : 0) | (elements & 2 ? 0xffffffffull << 32 : 0);
        high = (elements & 4 ? 0xffffffffull : 0) | (elements & 8 ? 0xffffffffull << 32 : 0);
    }
    lower_literal_v(cx, v, low, high);
}

// The products that bits 4.. of the immediate choose (the others are 0), summed in pairs, to the elements that bits 0.. choose.
static void dot_product(struct lower_context *cx, enum a64_size s, a64_vreg vd, a64_vreg n, a64_vreg m, unsigned choice)
{
    struct a64_buf *b = cx->b;
    enum a64_arr arr = s == A64_X ? A64_2D : A64_4S;
    unsigned all = s == A64_X ? 3 : 15, sums = s == A64_X ? 1 : 2, to = choice & all;
    bool native = is_native(cx);
    if (!(choice >> 4 & all)) {                             // sums of nothing
        a64_movi_zero(b, vd);
        return;
    }
    if (choice >> 4 != all) {                               // an unchosen product is 0 * 0
        element_mask(cx, RESULT, s, choice >> 4);
        a64_and_v(b, A64_16B, EVEN, RESULT, n);
        a64_and_v(b, A64_16B, ODD, RESULT, m);
        n = EVEN;
        m = ODD;
    }
    a64_fmul_v(b, arr, RESULT, n, m);
    if (!native)
        lower_sse_check_nan(cx, s, false, n, m);
    for (unsigned i = 0; i < sums; i++) {
        if (native) {
            a64_faddp(b, arr, to == all && i + 1 == sums ? vd : RESULT, RESULT, RESULT);
            continue;
        }
        a64_uzp1(b, arr, EVEN, RESULT, RESULT);
        a64_uzp2(b, arr, ODD, RESULT, RESULT);
        a64_fadd_v(b, arr, RESULT, EVEN, ODD);
        lower_sse_check_nan(cx, s, false, EVEN, ODD);
    }
    if (to == all && native)
        return;
    if (to == all) {
        a64_mov_v(b, vd, RESULT);
    } else if (to == 1) {
        a64_fmov(b, s, vd, RESULT);
    } else if (!to) {
        a64_movi_zero(b, vd);
    } else {
        element_mask(cx, 18, s, to);
        a64_and_v(b, A64_16B, vd, RESULT, 18);
    }
}
VECTOR(DPPS) { dot_product(cx, A64_W, vd, n, m, extra); }
VECTOR(DPPD) { dot_product(cx, A64_X, vd, n, m, extra & 0x33); }

// ---- ROUNDxx: bits 1:0 the rounding, bit 2 MXCSR's instead, bit 3 no inexact exception. Arm's roundings are silent but FRINTX,
// whose result is inexact whenever any rounding's is.

typedef void round_vector(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg);
typedef void round_scalar(struct a64_buf *, enum a64_size, a64_vreg, a64_vreg);

static unsigned rounding(unsigned immediate)
{
    return immediate & 4 ? immediate & 8 ? 5 : 4 : immediate & 3;
}

static void round_packed(struct lower_context *cx, enum a64_arr arr, a64_vreg vd, a64_vreg m, unsigned immediate)
{
    static round_vector *const how[6] = { a64_frintn_v, a64_frintm_v, a64_frintp_v, a64_frintz_v, a64_frintx_v, a64_frinti_v };
    if (!(immediate & 12))
        a64_frintx_v(cx->b, arr, 16, m);
    how[rounding(immediate)](cx->b, arr, vd, m);
}
VECTOR(ROUNDPS) { (void)n; round_packed(cx, A64_4S, vd, m, extra); }
VECTOR(ROUNDPD) { (void)n; round_packed(cx, A64_2D, vd, m, extra); }

static void round_low(struct lower_context *cx, enum a64_size s, a64_vreg vd, a64_vreg n, a64_vreg m, unsigned immediate)
{
    static round_scalar *const how[6] = { a64_frintn, a64_frintm, a64_frintp, a64_frintz, a64_frintx, a64_frinti };
    if (!(immediate & 12))
        a64_frintx(cx->b, s, 16, m);
    how[rounding(immediate)](cx->b, s, 16, m);
    if (vd != n)
        a64_mov_v(cx->b, vd, n);
    a64_ins_element(cx->b, s == A64_X ? 3 : 2, vd, 0, 16, 0);
}
VECTOR(ROUNDSS) { round_low(cx, A64_W, vd, n, m, extra); }
VECTOR(ROUNDSD) { round_low(cx, A64_X, vd, n, m, extra); }

// Element extra[7:6] of m (of a memory operand: the only one) becomes element extra[5:4]; those of extra[3:0] become 0.
VECTOR(INSERTPS)
{
    unsigned from = cx->insn->x.form & X64_F_MEM ? 0 : extra >> 6, to = extra >> 4 & 3, zero = extra & 15;
    a64_vreg work = vd == n || vd != m ? vd : 16;
    if (zero == 15) {
        a64_movi_zero(cx->b, vd);
        return;
    }
    if (work != n)
        a64_mov_v(cx->b, work, n);
    if (!(zero >> to & 1))
        a64_ins_element(cx->b, 2, work, to, m, from);
    for (unsigned half = 0; half < 2; half++) {
        unsigned both = zero >> half * 2 & 3;
        if (both == 3)
            a64_ins_general(cx->b, 3, work, half, A64_ZR);
        else if (both)
            a64_ins_general(cx->b, 2, work, half * 2 + both - 1, A64_ZR);
    }
    if (work != vd)
        a64_mov_v(cx->b, vd, work);
}
