// SPDX-License-Identifier: MIT
// FMA3: x * y + z with one rounding. A lane with a NaN among its operands is computed as 0 * 0 + 0, so that only x64's rules say what it
// becomes and what it raises: the first NaN of x, y, z made quiet. In FP_FAST a result that is no NaN is right without all that.
#include "emu/lower/lower_avx.h"
#include "emu/lower/lower_chain.h"

enum { RESULT = 16, NUMBERS = 23, VX = 24, VY = 25, VZ = 26 };
enum type { PS, PD, SS, SD };

static void mend(struct lower_context *cx, const struct lower_deferred *d)
{
    static const a64_vreg operands[3] = { VZ, VY, VX };        // the first comes last
    struct a64_buf *b = cx->b;
    enum a64_arr arr = d->reg[0];
    uint64_t quiet = arr == A64_2D ? 0x0008000000000000ull : 0x0040000000400000ull;
    uint64_t fresh = arr == A64_2D ? 0xfff8000000000000ull : 0xffc00000ffc00000ull;
    lower_literal_v(cx, 20, quiet, quiet);
    lower_literal_v(cx, 21, fresh, fresh);
    for (unsigned i = 0; i < 3; i++) {
        a64_fcmeq(b, arr, 18, operands[i], operands[i]);
        a64_orr_v(b, A64_16B, 19, operands[i], 20);
        a64_bif(b, A64_16B, 21, 19, 18);
    }
    a64_fcmeq(b, arr, 18, RESULT, RESULT);
    a64_and_v(b, A64_16B, 18, 18, NUMBERS);
    a64_bif(b, A64_16B, RESULT, 21, 18);
    lower_b(cx, d->back);
}

// The signs of the elements that are negated.
static void sign_mask(struct lower_context *cx, a64_vreg v, enum a64_arr arr, unsigned negated)
{
    uint64_t even = negated & 1 ? 1 : 0, odd = negated >> 1;
    if (arr == A64_2D)
        lower_literal_v(cx, v, even << 63, odd << 63);
    else
        lower_literal_v(cx, v, even << 31 | odd << 63, even << 31 | odd << 63);
}

// RESULT of X, Y, Z.
static void fused(struct lower_context *cx, enum a64_arr arr, unsigned negated, bool product_negated)
{
    struct a64_buf *b = cx->b;
    a64_fcmeq(b, arr, NUMBERS, VX, VX);
    a64_fcmeq(b, arr, 18, VY, VY);
    a64_fcmeq(b, arr, 19, VZ, VZ);
    a64_and_v(b, A64_16B, NUMBERS, NUMBERS, 18);
    a64_and_v(b, A64_16B, NUMBERS, NUMBERS, 19);
    if (negated == 3) {
        a64_fneg_v(b, arr, 17, VZ);
        a64_and_v(b, A64_16B, RESULT, 17, NUMBERS);
    } else if (negated) {
        sign_mask(cx, 17, arr, negated);
        a64_eor_v(b, A64_16B, 17, 17, VZ);
        a64_and_v(b, A64_16B, RESULT, 17, NUMBERS);
    } else {
        a64_and_v(b, A64_16B, RESULT, VZ, NUMBERS);
    }
    a64_and_v(b, A64_16B, 18, VX, NUMBERS);
    a64_and_v(b, A64_16B, 19, VY, NUMBERS);
    (product_negated ? a64_fmls_v : a64_fmla_v)(b, arr, RESULT, 18, 19);
    a64_fcmeq(b, arr, 18, RESULT, RESULT);
    a64_and_v(b, A64_16B, 18, 18, NUMBERS);
    a64_uminv(b, A64_4S, 18, 18);
    a64_reg t = lower_temp(cx);
    a64_umov(b, 2, t, 18, 0);
    struct lower_deferred *d = lower_defer(cx, mend);
    d->back = lower_label(cx);
    d->reg[0] = (a64_reg)arr;
    lower_cbz(cx, A64_W, t, d->label);
    lower_bind(cx, d->back);
}

// Product negated, third term negated.
static void (*const scalars[2][2])(struct a64_buf *, enum a64_size, a64_vreg, a64_vreg, a64_vreg, a64_vreg) =
    { { a64_fmadd, a64_fnmsub }, { a64_fmsub, a64_fnmadd } };

// The same with FEAT_AFP: native results are right. Not for a vector's third term with another sign: there is no instruction for that, a NaN
// must keep its sign, and of FNEG with FPCR.AH QEMU 10.0 and the manual say different things.
static void fused_native(struct lower_context *cx, const struct x64_insn *insn, unsigned order, enum type type, unsigned negated, bool product_negated)
{
    struct a64_buf *b = cx->b;
    bool scalar = type == SS || type == SD, wide = type == PD || type == SD;
    enum a64_arr arr = wide ? A64_2D : A64_4S;
    struct avx_value source = avx_source(cx, insn, &insn->opd[2]);
    a64_vreg m = source.low, vd = insn->opd[0].reg, n = insn->opd[1].reg, upper = 0;
    bool accumulates = order == 231 && vd != n && vd != m, loaded = order == 213 && insn->opd[2].kind == X64_OPD_MEM;
    if (scalar) {
        a64_vreg x = order == 132 ? vd : n, y = order == 213 ? vd : m, z = order == 132 ? n : order == 213 ? m : vd;
        a64_vreg to = z == vd ? vd : RESULT;            // which keeps the rest of z
        scalars[product_negated][negated == 3](b, wide ? A64_X : A64_W, to, x, y, z);
        if (to != vd)
            a64_ins_element(b, wide ? 3 : 2, vd, 0, to, 0);
        avx_high_finish(cx, insn, 0);
        return;
    }
    for (unsigned half = avx_wide(insn) ? 2 : 1; half-- > 0;) {
        a64_vreg d = vd, s = n, t = m;
        if (half) {
            s = avx_high(cx, n);
            t = source.high;
            d = accumulates ? upper = avx_high_own(cx, vd) : avx_high(cx, vd);
        }
        a64_vreg x = order == 132 ? d : s, y = order == 213 ? d : t, z = order == 132 ? s : order == 213 ? t : d;
        a64_vreg to = !half ? z == vd || loaded ? z : RESULT : accumulates ? upper : (upper = loaded ? z : avx_take(cx));
        if (to != z)
            a64_mov_v(b, to, z);
        (product_negated ? a64_fmls_v : a64_fmla_v)(b, arr, to, x, y);
        if (!half && to != vd)
            a64_mov_v(b, vd, to);
    }
    avx_high_finish(cx, insn, upper);
}

static void fused_whole(struct lower_context *cx, const struct x64_insn *insn, unsigned order, enum type type, unsigned negated, bool product_negated)
{
    struct a64_buf *b = cx->b;
    bool scalar = type == SS || type == SD, wide = type == PD || type == SD;
    enum a64_arr arr = wide ? A64_2D : A64_4S;
    for (unsigned v = VX; v <= VZ; v++)
        avx_reserve(cx, (a64_vreg)v);
    struct avx_value source = avx_source(cx, insn, &insn->opd[2]);
    a64_vreg m = source.low, vd = insn->opd[0].reg, n = insn->opd[1].reg, upper = 0;
    // The digits say which operands are x, y and z.
    a64_vreg first = order == 132 ? VX : order == 213 ? VY : VZ, second = order == 132 ? VZ : VX, third = order == 213 ? VZ : VY;
    cx->temps = 0;
    if (avx_wide(insn) && !scalar) {
        avx_high_read(cx, first, vd);
        avx_high_read(cx, second, n);
        a64_mov_v(b, third, source.high);
        fused(cx, arr, negated, product_negated);
        a64_mov_v(b, upper = avx_take(cx), RESULT);
    }
    if (scalar) {                                           // the other lanes compute 0 * 0 + 0
        a64_fmov(b, wide ? A64_X : A64_W, first, vd);
        a64_fmov(b, wide ? A64_X : A64_W, second, n);
        a64_fmov(b, wide ? A64_X : A64_W, third, m);
    } else {
        a64_mov_v(b, first, vd);
        a64_mov_v(b, second, n);
        a64_mov_v(b, third, m);
    }
    fused(cx, arr, negated, product_negated);
    if (scalar)
        a64_ins_element(b, wide ? 3 : 2, vd, 0, RESULT, 0);
    else
        a64_mov_v(b, vd, RESULT);
    avx_high_finish(cx, insn, upper);
}

// value: the arguments of fused_whole; where FPSR before is; whether AVX_LOW has what the destination was.
static void again(struct lower_context *cx, const struct lower_deferred *d)
{
    const struct x64_insn *insn = &d->insn->x;
    cx->facts = (struct lower_facts){ 0 };
    if (d->value >> 13 & 1)
        a64_mov_v(cx->b, insn->opd[0].reg, AVX_LOW);
    a64_msr_fpsr(cx->b, (a64_reg)(d->value >> 16));     // as if nothing had happened: x64 is silent about infinity * 0 + NaN
    cx->temps = 0;
    lower_chain_settle(cx);
    cx->temps = 0;
    fused_whole(cx, insn, d->value & 0xff, (enum type)(d->value >> 8 & 3), d->value >> 10 & 3, d->value >> 12 & 1);
    avx_upper_restore(cx, d);
    lower_b(cx, d->back);
}

// FP_FAST without FEAT_AFP: natively. Is the result a NaN, then all is as before and it is done again.
static void fused_quick(struct lower_context *cx, const struct x64_insn *insn, unsigned order, enum type type, unsigned negated, bool product_negated)
{
    struct a64_buf *b = cx->b;
    bool scalar = type == SS || type == SD, wide = type == PD || type == SD, both = avx_wide(insn) && !scalar;
    enum a64_size size = wide ? A64_X : A64_W;
    enum a64_arr arr = wide ? A64_2D : A64_4S;
    struct avx_value m = avx_source(cx, insn, &insn->opd[2]);
    a64_vreg vd = insn->opd[0].reg, n = insn->opd[1].reg, low = AVX_LOW, upper = 0;
    bool in_nzcv = scalar && lower_nzcv_free(cx), in_place = !scalar && order == 231 && !negated && vd != n && vd != m.low;
    bool loaded = !scalar && order == 213 && insn->opd[2].kind == X64_OPD_MEM;      // the third term, which nobody needs any more
    struct lower_deferred *d = lower_defer(cx, again);
    d->back = lower_label(cx);
    cx->temps = 0;
    a64_reg before = lower_temp(cx), t = lower_temp(cx);
    d->value = order | (uint64_t)type << 8 | (uint64_t)negated << 10 | (uint64_t)product_negated << 12 | (uint64_t)in_place << 13 | (uint64_t)before << 16;
    a64_mrs_fpsr(b, before);
    if (negated && negated != 3)
        sign_mask(cx, 17, arr, negated);
    for (unsigned half = both ? 2 : 1; half-- > 0;) {
        a64_vreg first = vd, second = n, third = m.low, to = low;
        if (half) {
            second = avx_high(cx, n);
            third = m.high;
            to = upper = in_place ? avx_high_own(cx, vd) : loaded ? m.high : avx_take(cx);
            first = in_place ? to : avx_high(cx, vd);
        } else if (loaded) {
            to = low = m.low;
        }
        a64_vreg x = order == 132 ? first : second, y = order == 213 ? first : third, z = order == 132 ? second : order == 213 ? third : first;
        if (scalar) {
            scalars[product_negated][negated == 3](b, size, to, x, y, z);
            continue;
        }
        if (!negated && to != z)
            a64_mov_v(b, to, z);
        else if (negated == 3)
            a64_fneg_v(b, arr, to, z);
        else if (negated)
            a64_eor_v(b, A64_16B, to, z, 17);
        if (in_place && !half)
            low = to = vd;                              // which is kept there
        (product_negated ? a64_fmls_v : a64_fmla_v)(b, arr, to, x, y);
    }
    if (in_nzcv) {
        a64_fcmp(b, size, low, low);
        lower_b_cond(cx, A64_VS, d->label);
    } else if (scalar) {
        a64_fcmeq_s(b, size, 18, low, low);
        a64_umov(b, 2, t, 18, 0);
        lower_cbz(cx, A64_W, t, d->label);
    } else {
        a64_fcmge(b, arr, 18, low, low);                // the invalid exception if there is a NaN
        if (both)
            a64_fcmge(b, arr, 18, upper, upper);
        a64_mrs_fpsr(b, t);
        lower_tbnz(cx, t, 0, d->label);
    }
    if (scalar)
        a64_ins_element(b, wide ? 3 : 2, vd, 0, low, 0);
    else if (!in_place)
        a64_mov_v(b, vd, low);
    avx_high_finish(cx, insn, upper);
    avx_upper_keep(cx, d);
    lower_bind(cx, d->back);
    avx_upper_kept(cx, d);
}

static bool fused_form(struct lower_context *cx, const struct x64_insn *insn, unsigned order, enum type type, unsigned negated, bool product_negated)
{
    if (lower_afp(cx) && (negated == 0 || (negated == 3 && (type == SS || type == SD))))
        fused_native(cx, insn, order, type, negated, product_negated);
    else if (cx->config->fp_model == FP_FAST && !lower_afp(cx) && !cx->config->verify)
        fused_quick(cx, insn, order, type, negated, product_negated);
    else
        fused_whole(cx, insn, order, type, negated, product_negated);
    return true;
}

#define X(name, order, type, negated, product) \
    bool lower_V##name##order##type(struct lower_context *cx, const struct x64_insn *insn) { return fused_form(cx, insn, order, type, negated, product); }
FMA_ALL(X)
#undef X
