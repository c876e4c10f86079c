// SPDX-License-Identifier: MIT
// SSE and SSE2 floating point: arithmetic, comparison, conversion. Rounding is FPCR's, which MXCSR.RC is kept in.
#include "emu/lower/lower_chain.h"
#include "emu/lower/lower_exact.h"
#include "emu/lower/lower_sse.h"

// ---- NaN results. Arm prefers a signalling operand, and its default NaN is positive.

enum { RESULT = LOWER_SSE_RESULT };         // what the arm instruction made; the operands are still whole

// Ones where v is a number. Of a scalar the other elements must not be looked at: they may be signalling.
static void is_number(struct lower_context *cx, const struct lower_deferred *d, a64_vreg vd, a64_vreg v)
{
    enum a64_arr arr = d->reg[2];
    if (d->reg[3])
        a64_fcmeq_s(cx->b, arr == A64_2D ? A64_X : A64_W, vd, v, v);
    else
        a64_fcmeq(cx->b, arr, vd, v, v);
}

// reg: first operand, second operand, arrangement, scalar. Lanes that are no NaN stay.
static void mend_nan(struct lower_context *cx, const struct lower_deferred *d)
{
    struct a64_buf *b = cx->b;
    a64_vreg first = d->reg[0], second = d->reg[1];
    enum a64_arr arr = d->reg[2];
    uint64_t quiet = arr == A64_2D ? 0x0008000000000000ull : 0x0040000000400000ull;
    uint64_t fresh = arr == A64_2D ? 0xfff8000000000000ull : 0xffc00000ffc00000ull;
    lower_literal_v(cx, 20, quiet, quiet);
    lower_literal_v(cx, 21, fresh, fresh);
    is_number(cx, d, 18, second);
    a64_orr_v(b, A64_16B, 22, second, 20);
    a64_bsl(b, A64_16B, 18, 21, 22);        // a number: the default NaN, else the operand made quiet
    is_number(cx, d, 19, first);
    a64_orr_v(b, A64_16B, 22, first, 20);
    a64_bsl(b, A64_16B, 19, 18, 22);
    is_number(cx, d, 22, RESULT);
    a64_bif(b, A64_16B, RESULT, 19, 22);
    lower_b(cx, d->back);
}

void lower_sse_check_nan(struct lower_context *cx, enum a64_size s, bool is_scalar, a64_vreg first, a64_vreg second)
{
    if (cx->chain || lower_afp(cx))         // at its end, for all of it; or it is right
        return;
    if (cx->config->fp_model == FP_EXACT)
        lower_exact_check_result(cx);
    else
        lower_sse_mend_nan(cx, s, is_scalar, first, second);
}

void lower_sse_mend_nan(struct lower_context *cx, enum a64_size s, bool is_scalar, a64_vreg first, a64_vreg second)
{
    struct a64_buf *b = cx->b;
    enum a64_arr arr = s == A64_X ? A64_2D : A64_4S;
    struct lower_deferred *d = lower_defer(cx, mend_nan);
    d->back = lower_label(cx);
    d->reg[0] = first;
    d->reg[1] = second;
    d->reg[2] = (a64_reg)arr;
    d->reg[3] = is_scalar;
    if (is_scalar && lower_nzcv_free(cx)) {
        a64_fcmp(b, s, RESULT, RESULT);
        lower_b_cond(cx, A64_VS, d->label);
    } else {
        a64_reg t = lower_temp(cx);
        if (is_scalar) {
            a64_fcmeq_s(b, s, 18, RESULT, RESULT);
            a64_umov(b, 2, t, 18, 0);
        } else {
            a64_fcmeq(b, arr, 18, RESULT, RESULT);
            a64_uminv(b, A64_4S, 18, 18);
            a64_umov(b, 2, t, 18, 0);
        }
        lower_cbz(cx, A64_W, t, d->label);
    }
    lower_bind(cx, d->back);
}

// ---- arithmetic

// Whether an operation of one source may write its scalar result to the register itself, at once.
static bool is_alone(const struct lower_context *cx, enum a64_size s, a64_vreg vd)
{
    return lower_afp(cx) || lower_upper_is_zero(&cx->facts.upper, vd, s == A64_X ? 3 : 2);
}

static void put_low(struct lower_context *cx, enum a64_size s, a64_vreg vd, a64_vreg value)
{
    if (value == vd)
        return;
    a64_ins_element(cx->b, s == A64_X ? 3 : 2, vd, 0, value, 0);
}

static bool scalar(struct lower_context *cx, const struct x64_insn *insn, enum a64_size s,
                   void (*emit)(struct a64_buf *, enum a64_size, a64_vreg, a64_vreg, a64_vreg))
{
    a64_vreg source = lower_sse_read(cx, &insn->opd[1], 17), vd = insn->opd[0].reg;
    if (lower_afp(cx)) {
        emit(cx->b, s, vd, vd, source);
        return true;
    }
    emit(cx->b, s, RESULT, vd, source);
    lower_sse_check_nan(cx, s, true, vd, source);
    put_low(cx, s, vd, RESULT);
    return true;
}

#define X(name, emitter, size) \
    bool lower_##name(struct lower_context *cx, const struct x64_insn *insn) { return scalar(cx, insn, A64_##size, a64_##emitter); }
SSE_SCALAR(X)
#undef X

static bool packed(struct lower_context *cx, const struct x64_insn *insn, enum a64_arr arr,
                   void (*emit)(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg, a64_vreg))
{
    a64_vreg source = lower_sse_read(cx, &insn->opd[1], 17), vd = insn->opd[0].reg;
    if (lower_afp(cx)) {
        emit(cx->b, arr, vd, vd, source);
        return true;
    }
    emit(cx->b, arr, RESULT, vd, source);
    lower_sse_check_nan(cx, arr == A64_2D ? A64_X : A64_W, false, vd, source);
    a64_mov_v(cx->b, vd, RESULT);
    return true;
}

#define X(name, emitter, arr) \
    bool lower_##name(struct lower_context *cx, const struct x64_insn *insn) { return packed(cx, insn, A64_##arr, a64_##emitter); }
SSE_PACKED_FLOAT(X)
#undef X

// ---- minimum and maximum: the second operand unless the first is strictly less (greater); so it wins for NaN and for zeros

static bool min_max(struct lower_context *cx, const struct x64_insn *insn, enum a64_arr arr, bool maximum)
{
    a64_vreg s = lower_sse_read(cx, &insn->opd[1], 16), vd = insn->opd[0].reg;
    if (lower_afp(cx)) {
        (maximum ? a64_fmax_v : a64_fmin_v)(cx->b, arr, vd, vd, s);
        return true;
    }
    a64_fcmgt(cx->b, arr, 17, maximum ? vd : s, maximum ? s : vd);
    a64_bif(cx->b, A64_16B, vd, s, 17);
    return true;
}
bool lower_MINPS(struct lower_context *cx, const struct x64_insn *insn) { return min_max(cx, insn, A64_4S, false); }
bool lower_MINPD(struct lower_context *cx, const struct x64_insn *insn) { return min_max(cx, insn, A64_2D, false); }
bool lower_MAXPS(struct lower_context *cx, const struct x64_insn *insn) { return min_max(cx, insn, A64_4S, true); }
bool lower_MAXPD(struct lower_context *cx, const struct x64_insn *insn) { return min_max(cx, insn, A64_2D, true); }

static bool min_max_scalar(struct lower_context *cx, const struct x64_insn *insn, enum a64_size size, bool maximum)
{
    a64_vreg s = lower_sse_read(cx, &insn->opd[1], 16), vd = insn->opd[0].reg;
    if (lower_afp(cx)) {
        (maximum ? a64_fmax : a64_fmin)(cx->b, size, vd, vd, s);
        return true;
    }
    a64_fcmgt_s(cx->b, size, 17, maximum ? vd : s, maximum ? s : vd);
    if (size == A64_X && lower_upper_is_zero(&cx->facts.upper, vd, 3)) {
        a64_bif(cx->b, A64_8B, vd, s, 17);
        return true;
    }
    a64_bsl(cx->b, A64_8B, 17, vd, s);
    put_low(cx, size, vd, 17);
    return true;
}
bool lower_MINSS(struct lower_context *cx, const struct x64_insn *insn) { return min_max_scalar(cx, insn, A64_W, false); }
bool lower_MINSD(struct lower_context *cx, const struct x64_insn *insn) { return min_max_scalar(cx, insn, A64_X, false); }
bool lower_MAXSS(struct lower_context *cx, const struct x64_insn *insn) { return min_max_scalar(cx, insn, A64_W, true); }
bool lower_MAXSD(struct lower_context *cx, const struct x64_insn *insn) { return min_max_scalar(cx, insn, A64_X, true); }

// ---- compare to a mask. Predicates 4..7 are the opposites of 0..3 (SDM vol. 2 CMPPS).

struct comparison {                         // how to build the mask of predicate & 3
    void (*emit)(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg, a64_vreg);
    void (*emit_scalar)(struct a64_buf *, enum a64_size, a64_vreg, a64_vreg, a64_vreg);
};
static const struct comparison comparisons[3] = {
    { a64_fcmeq, a64_fcmeq_s }, { a64_fcmgt, a64_fcmgt_s }, { a64_fcmge, a64_fcmge_s },
};

static bool compare(struct lower_context *cx, const struct x64_insn *insn, enum a64_size size, bool is_scalar)
{
    struct a64_buf *b = cx->b;
    unsigned predicate = (unsigned)insn->opd[2].value & 7;
    enum a64_arr arr = size == A64_X ? A64_2D : A64_4S;
    a64_vreg s = lower_sse_read(cx, &insn->opd[1], 16), vd = insn->opd[0].reg;
    bool invert = predicate & 4;
    if ((predicate & 3) == 3) {             // unordered: not (a = a and b = b)
        if (is_scalar) {
            a64_fcmeq_s(b, size, 17, vd, vd);
            a64_fcmeq_s(b, size, 18, s, s);
        } else {
            a64_fcmeq(b, arr, 17, vd, vd);
            a64_fcmeq(b, arr, 18, s, s);
        }
        invert = !invert;
        a64_and_v(b, A64_16B, is_scalar || invert ? 17 : vd, 17, 18);
    } else {
        const struct comparison *c = &comparisons[predicate & 3];
        bool equal = !(predicate & 3);      // a < b is b > a
        if (is_scalar && !invert && !lower_afp(cx) && is_alone(cx, size, vd)) {
            c->emit_scalar(b, size, vd, equal ? vd : s, equal ? s : vd);
            return true;
        }
        if (is_scalar)
            c->emit_scalar(b, size, 17, equal ? vd : s, equal ? s : vd);
        else if (!invert) {
            c->emit(b, arr, vd, equal ? vd : s, equal ? s : vd);
            return true;
        }
        else
            c->emit(b, arr, 17, equal ? vd : s, equal ? s : vd);
    }
    if (invert)
        a64_not_v(b, A64_16B, is_scalar ? 17 : vd, 17);
    if (is_scalar)
        put_low(cx, size, vd, 17);
    return true;
}
bool lower_CMPPS(struct lower_context *cx, const struct x64_insn *insn) { return compare(cx, insn, A64_W, false); }
bool lower_CMPPD(struct lower_context *cx, const struct x64_insn *insn) { return compare(cx, insn, A64_X, false); }
bool lower_CMPSS(struct lower_context *cx, const struct x64_insn *insn) { return compare(cx, insn, A64_W, true); }
bool lower_CMPSD(struct lower_context *cx, const struct x64_insn *insn) { return compare(cx, insn, A64_X, true); }

static bool compare_flags(struct lower_context *cx, const struct x64_insn *insn, enum a64_size size,
                          void (*emit)(struct a64_buf *, enum a64_size, a64_vreg, a64_vreg))
{
    a64_vreg s = lower_sse_read(cx, &insn->opd[1], 16);
    emit(cx->b, size, insn->opd[0].reg, s);
    lower_flags_fcmp(cx);
    return true;
}
bool lower_UCOMISS(struct lower_context *cx, const struct x64_insn *insn) { return compare_flags(cx, insn, A64_W, a64_fcmp); }
bool lower_UCOMISD(struct lower_context *cx, const struct x64_insn *insn) { return compare_flags(cx, insn, A64_X, a64_fcmp); }
bool lower_COMISS(struct lower_context *cx, const struct x64_insn *insn) { return compare_flags(cx, insn, A64_W, a64_fcmpe); }
bool lower_COMISD(struct lower_context *cx, const struct x64_insn *insn) { return compare_flags(cx, insn, A64_X, a64_fcmpe); }

// ---- square root and reciprocals. x86's estimates have 12 bits and vary by maker; ours are exact quotients.

static bool root(struct lower_context *cx, const struct x64_insn *insn, enum a64_arr arr)
{
    a64_vreg s = lower_sse_read(cx, &insn->opd[1], 17);
    if (lower_afp(cx)) {
        a64_fsqrt_v(cx->b, arr, insn->opd[0].reg, s);
        return true;
    }
    a64_fsqrt_v(cx->b, arr, RESULT, s);
    lower_sse_check_nan(cx, arr == A64_2D ? A64_X : A64_W, false, s, s);
    a64_mov_v(cx->b, insn->opd[0].reg, RESULT);
    return true;
}
bool lower_SQRTPS(struct lower_context *cx, const struct x64_insn *insn) { return root(cx, insn, A64_4S); }
bool lower_SQRTPD(struct lower_context *cx, const struct x64_insn *insn) { return root(cx, insn, A64_2D); }

static bool root_scalar(struct lower_context *cx, const struct x64_insn *insn, enum a64_size size)
{
    a64_vreg s = lower_sse_read(cx, &insn->opd[1], 17);
    if (lower_afp(cx)) {
        a64_fsqrt(cx->b, size, insn->opd[0].reg, s);
        return true;
    }
    a64_fsqrt(cx->b, size, RESULT, s);
    lower_sse_check_nan(cx, size, true, s, s);
    put_low(cx, size, insn->opd[0].reg, 16);
    return true;
}
bool lower_SQRTSS(struct lower_context *cx, const struct x64_insn *insn) { return root_scalar(cx, insn, A64_W); }
bool lower_SQRTSD(struct lower_context *cx, const struct x64_insn *insn) { return root_scalar(cx, insn, A64_X); }

#define FLOAT_ONES 0x3f8000003f800000ull
#define FPCR_FZ    (1u << 24)

// MXCSR has no part in these: they round to nearest, denormals are zeros on both sides, and nothing is raised (emu/sse does the same).
static bool reciprocal(struct lower_context *cx, const struct x64_insn *insn, bool of_root, bool is_scalar)
{
    struct a64_buf *b = cx->b;
    a64_vreg s = lower_sse_read(cx, &insn->opd[1], 16), vd = insn->opd[0].reg;
    a64_reg fpcr = lower_temp(cx), fpsr = lower_temp(cx), own = lower_temp(cx);
    a64_mrs_fpcr(b, fpcr);
    a64_mrs_fpsr(b, fpsr);
    a64_mov_const(b, A64_W, own, FPCR_FZ);
    a64_msr_fpcr(b, own);
    lower_literal_v(cx, 17, FLOAT_ONES, FLOAT_ONES);
    if (of_root) {
        a64_fcmeq(b, A64_4S, 19, s, s);
        a64_fsqrt_v(b, A64_4S, 18, s);
        a64_fdiv_v(b, A64_4S, RESULT, 17, 18);
        a64_fcmeq(b, A64_4S, 18, RESULT, RESULT);
        a64_bic_v(b, A64_16B, 19, 19, 18);              // a NaN made of a number: x64's is negative
        a64_shl_v(b, A64_4S, 19, 19, 31);
        a64_orr_v(b, A64_16B, RESULT, RESULT, 19);
    } else {
        a64_fdiv_v(b, A64_4S, RESULT, 17, s);
    }
    a64_msr_fpcr(b, fpcr);
    a64_msr_fpsr(b, fpsr);
    if (is_scalar)
        put_low(cx, A64_W, vd, RESULT);
    else
        a64_mov_v(b, vd, RESULT);
    return true;
}
bool lower_RCPPS(struct lower_context *cx, const struct x64_insn *insn) { return reciprocal(cx, insn, false, false); }
bool lower_RCPSS(struct lower_context *cx, const struct x64_insn *insn) { return reciprocal(cx, insn, false, true); }
bool lower_RSQRTPS(struct lower_context *cx, const struct x64_insn *insn) { return reciprocal(cx, insn, true, false); }
bool lower_RSQRTSS(struct lower_context *cx, const struct x64_insn *insn) { return reciprocal(cx, insn, true, true); }

// ---- integer to floating point

static bool from_integer(struct lower_context *cx, const struct x64_insn *insn, enum a64_size to)
{
    const struct x64_operand *from = &insn->opd[1];
    a64_reg r = lower_read(cx, from);
    a64_vreg vd = insn->opd[0].reg;
    a64_vreg at = is_alone(cx, to, vd) ? vd : 16;
    a64_scvtf(cx->b, to, from->size == 8 ? A64_X : A64_W, at, r);
    put_low(cx, to, vd, at);
    return true;
}
bool lower_CVTSI2SS(struct lower_context *cx, const struct x64_insn *insn) { return from_integer(cx, insn, A64_W); }
bool lower_CVTSI2SD(struct lower_context *cx, const struct x64_insn *insn) { return from_integer(cx, insn, A64_X); }

bool lower_CVTDQ2PS(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_vreg s = lower_sse_read(cx, &insn->opd[1], 16);
    a64_scvtf_v(cx->b, A64_4S, insn->opd[0].reg, s);
    return true;
}

bool lower_CVTDQ2PD(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_vreg s = lower_sse_read(cx, &insn->opd[1], 16);
    a64_sshll(cx->b, A64_2S, 16, s, 0);
    a64_scvtf_v(cx->b, A64_2D, insn->opd[0].reg, 16);
    return true;
}

// ---- floating point to integer. x86 gives 0x80..0 for NaN and for everything out of range; arm gives 0 or the nearest bound.

// A result that does not fit raises the invalid exception alone, not the inexact one: so what rounds first does it silently.
static void to_integer_checked(struct lower_context *cx, enum a64_size size, enum a64_size from, bool truncate, a64_reg r, a64_vreg s)
{
    struct a64_buf *b = cx->b;
    a64_vreg whole = s;
    a64_reg wrong = lower_temp(cx), t = lower_temp(cx);
    uint32_t fits = lower_label(cx), done = lower_label(cx);
    if (!truncate) {
        a64_frinti(b, from, 17, s);
        whole = 17;
    }
    a64_fcvtzs(b, size, from, r, whole);
    a64_fcmeq_s(b, from, 18, s, s);
    a64_smov(b, A64_X, 2, t, 18, 0);        // -1, or 0 for a NaN
    a64_eor_imm(b, size, wrong, r, size == A64_X ? 0x7fffffffffffffffull : 0x7fffffffu);
    a64_and_reg(b, size, wrong, wrong, t, A64_LSL, 0);      // 0 when it saturated upwards, or NaN
    lower_cbnz(cx, size, wrong, fits);
    if (size == A64_W && from == A64_X) {   // the upper bound is a number only here
        lower_literal_v(cx, 18, 0x41e0000000000000ull, 0);
        a64_fcmgt_s(b, from, 18, 18, whole);
        a64_umov(b, 2, t, 18, 0);
        lower_cbnz(cx, A64_W, t, fits);
    }
    a64_mov_const(b, size, r, size == A64_X ? 0x8000000000000000ull : 0x80000000u);
    if (!truncate) {
        lower_b(cx, done);
        lower_bind(cx, fits);
        if (size == A64_W && from == A64_X) {   // the lower bound, too: it may have saturated
            uint32_t inexact = lower_label(cx);
            a64_eor_imm(b, A64_W, wrong, r, 0x80000000u);
            lower_cbnz(cx, A64_W, wrong, inexact);
            lower_literal_v(cx, 18, 0xc1e0000000000000ull, 0);
            a64_fcmge_s(b, from, 18, whole, 18);
            a64_umov(b, 2, t, 18, 0);
            lower_cbz(cx, A64_W, t, done);
            lower_bind(cx, inexact);
        }
        a64_frintx(b, from, 17, s);         // the inexact exception
    } else {
        lower_bind(cx, fits);
    }
    lower_bind(cx, done);
}

// reg: result, source, sizes (bit 0 of the result, bit 1 of the source), whether it truncates.
static void convert_again(struct lower_context *cx, const struct lower_deferred *d)
{
    enum a64_size size = (enum a64_size)(d->reg[2] & 1);
    lower_chain_settle(cx);
    a64_reg r = lower_temp(cx);             // the destination may be a temporary that the conversion takes, too
    to_integer_checked(cx, size, (enum a64_size)(d->reg[2] >> 1), d->reg[3], r, d->reg[1]);
    a64_mov_reg(cx->b, size, d->reg[0], r);
    lower_b(cx, d->back);
}

static bool to_integer(struct lower_context *cx, const struct x64_insn *insn, enum a64_size from, bool truncate)
{
    struct a64_buf *b = cx->b;
    const struct x64_operand *to = &insn->opd[0];
    enum a64_size size = lower_size(to->size);
    a64_vreg s = lower_sse_read(cx, &insn->opd[1], 16);
    a64_reg r = lower_destination(cx, to);
    if (cx->config->features.frintts) {     // what does not fit becomes the lower bound
        (truncate ? size == A64_X ? a64_frint64z : a64_frint32z : size == A64_X ? a64_frint64x : a64_frint32x)(b, from, 17, s);
        a64_fcvtzs(b, size, from, r, 17);
    } else if (cx->config->fp_model == FP_FAST) {
        a64_reg raised = lower_temp(cx);
        if (!truncate)
            a64_frinti(b, from, 17, s);
        a64_fcvtzs(b, size, from, r, truncate ? s : 17);
        if (!cx->chain) {                   // else at its end
            lower_nzcv_free(cx);            // what convert_again may do to NZCV has happened
            struct lower_deferred *d = lower_defer(cx, convert_again);
            d->back = lower_label(cx);
            d->reg[0] = r;
            d->reg[1] = s;
            d->reg[2] = (a64_reg)(size == A64_X) | (a64_reg)((from == A64_X) << 1);
            d->reg[3] = truncate;
            a64_mrs_fpsr(b, raised);
            lower_tbnz(cx, raised, 0, d->label);
            if (!truncate)
                a64_frintx(b, from, 17, s); // the inexact exception
            lower_bind(cx, d->back);
        }
    } else {
        r = lower_temp(cx);                 // an x64 register must keep its value, should the kernel have to do it
        to_integer_checked(cx, size, from, truncate, r, s);
    }
    lower_write(cx, to, r);
    return true;
}
bool lower_CVTTSS2SI(struct lower_context *cx, const struct x64_insn *insn) { return to_integer(cx, insn, A64_W, true); }
bool lower_CVTTSD2SI(struct lower_context *cx, const struct x64_insn *insn) { return to_integer(cx, insn, A64_X, true); }
bool lower_CVTSS2SI(struct lower_context *cx, const struct x64_insn *insn) { return to_integer(cx, insn, A64_W, false); }
bool lower_CVTSD2SI(struct lower_context *cx, const struct x64_insn *insn) { return to_integer(cx, insn, A64_X, false); }

// The words that singles become, into vd, which is not s; v17..v19 are scratch.
static void words_of_singles(struct lower_context *cx, a64_vreg vd, a64_vreg s, bool truncate)
{
    struct a64_buf *b = cx->b;
    if (!truncate) {
        a64_frintx_v(b, A64_4S, 17, s);
        s = 17;
    }
    a64_movi_top(b, 18, 0x4f);              // 2^31 as a float
    a64_movi_top(b, 19, 0x80);              // 0x80000000
    a64_fcmgt(b, A64_4S, 18, 18, s);        // below 2^31, not a NaN
    a64_fcvtzs_v(b, A64_4S, vd, s);
    a64_bif(b, A64_16B, vd, 19, 18);
}

// Those of doubles, and zeros above them.
static void words_of_doubles(struct lower_context *cx, a64_vreg vd, a64_vreg s, bool truncate)
{
    struct a64_buf *b = cx->b;
    (truncate ? a64_frintz_v : a64_frinti_v)(b, A64_2D, 17, s);
    lower_literal_v(cx, 18, 0x41e0000000000000ull, 0x41e0000000000000ull);
    lower_literal_v(cx, 19, 0xc1e0000000000000ull, 0xc1e0000000000000ull);
    a64_fcmgt(b, A64_2D, 18, 18, 17);       // what fits a word
    a64_fcmge(b, A64_2D, 19, 17, 19);
    a64_and_v(b, A64_16B, 18, 18, 19);
    a64_not_v(b, A64_16B, 19, 18);          // all ones is a NaN:
    a64_fcmge(b, A64_2D, 19, 19, 19);       // the invalid exception if anything does not fit,
    a64_and_v(b, A64_16B, 19, s, 18);
    a64_frintx_v(b, A64_2D, 19, 19);        // the inexact one if anything that fits was rounded
    a64_and_v(b, A64_16B, 17, 17, 18);
    a64_fcvtzs_v(b, A64_2D, 17, 17);
    a64_xtn(b, A64_2S, 20, 17);
    a64_xtn(b, A64_2S, 18, 18);
    a64_movi_top(b, 19, 0x80);
    a64_bif(b, A64_8B, 20, 19, 18);         // the upper half becomes zero
    a64_fmov(b, A64_X, vd, 20);
}

// reg: result, source, whether it truncates, whether the source is doubles.
static void words_again(struct lower_context *cx, const struct lower_deferred *d)
{
    lower_chain_settle(cx);
    (d->reg[3] ? words_of_doubles : words_of_singles)(cx, d->reg[0], d->reg[1], d->reg[2]);
    lower_b(cx, d->back);
}

// FP_FAST: what is too big or a NaN raises the invalid exception, and is done again.
static void words_if_valid(struct lower_context *cx, a64_vreg to, a64_vreg vd, a64_vreg s, bool truncate, bool doubles)
{
    struct a64_buf *b = cx->b;
    if (doubles) {                          // 2^32 times a whole number: the words are the upper halves, and each bound is one
        (truncate ? a64_frintz_v : a64_frinti_v)(b, A64_2D, 17, s);
        a64_fcvtzs_fixed(b, A64_2D, 18, 17, 32);
    } else {
        if (!truncate)
            a64_frintx_v(b, A64_4S, 17, s); // floats that do not fit are whole: no inexact exception
        a64_fcvtzs_v(b, A64_4S, to, truncate ? s : 17);
    }
    if (cx->chain)
        return;
    struct lower_deferred *d = lower_defer(cx, words_again);
    d->back = lower_label(cx);
    d->reg[0] = doubles ? vd : to;
    d->reg[1] = s;
    d->reg[2] = truncate;
    d->reg[3] = doubles;
    a64_reg raised = lower_temp(cx);
    a64_mrs_fpsr(b, raised);
    lower_tbnz(cx, raised, 0, d->label);
    if (doubles) {
        a64_frintx_v(b, A64_2D, 17, s);     // the inexact exception
        a64_shrn(b, A64_2S, vd, 18, 32);
    }
    lower_bind(cx, d->back);
}

static bool to_words(struct lower_context *cx, const struct x64_insn *insn, bool doubles, bool truncate)
{
    if (!lower_sse_form(insn))
        return false;
    struct a64_buf *b = cx->b;
    a64_vreg s = lower_sse_read(cx, &insn->opd[1], 16), vd = insn->opd[0].reg, to = vd == s ? 20 : vd;
    enum a64_arr arr = doubles ? A64_2D : A64_4S;
    if (cx->config->features.frintts) {     // what does not fit becomes the lower bound
        (truncate ? a64_frint32z_v : a64_frint32x_v)(b, arr, 17, s);
        a64_fcvtzs_v(b, arr, doubles ? 17 : vd, 17);
        if (doubles)
            a64_xtn(b, A64_2S, vd, 17);
        return true;
    }
    if (doubles && (cx->chain || cx->config->fp_model != FP_FAST)) {
        words_of_doubles(cx, vd, s, truncate);
        return true;
    }
    if (cx->chain || cx->config->fp_model == FP_FAST)
        words_if_valid(cx, to, vd, s, truncate, doubles);
    else
        words_of_singles(cx, to, s, truncate);
    if (to != vd && !doubles)
        a64_mov_v(b, vd, to);
    return true;
}
bool lower_CVTPS2DQ(struct lower_context *cx, const struct x64_insn *insn) { return to_words(cx, insn, false, false); }
bool lower_CVTTPS2DQ(struct lower_context *cx, const struct x64_insn *insn) { return to_words(cx, insn, false, true); }
bool lower_CVTPD2DQ(struct lower_context *cx, const struct x64_insn *insn) { return to_words(cx, insn, true, false); }
bool lower_CVTTPD2DQ(struct lower_context *cx, const struct x64_insn *insn) { return to_words(cx, insn, true, true); }

// ---- between the two precisions

bool lower_CVTSS2SD(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_vreg s = lower_sse_read(cx, &insn->opd[1], 16);
    a64_vreg vd = insn->opd[0].reg, at = is_alone(cx, A64_X, vd) ? vd : 16;
    a64_fcvt(cx->b, A64_W, at, s);
    put_low(cx, A64_X, vd, at);
    return true;
}

bool lower_CVTSD2SS(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_vreg s = lower_sse_read(cx, &insn->opd[1], 16);
    a64_vreg vd = insn->opd[0].reg, at = is_alone(cx, A64_W, vd) ? vd : 16;
    a64_fcvt(cx->b, A64_X, at, s);
    put_low(cx, A64_W, vd, at);
    return true;
}

bool lower_CVTPS2PD(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_vreg s = lower_sse_read(cx, &insn->opd[1], 16);
    a64_fcvtl(cx->b, false, insn->opd[0].reg, s);
    return true;
}

bool lower_CVTPD2PS(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_vreg s = lower_sse_read(cx, &insn->opd[1], 16);
    a64_fcvtn(cx->b, false, insn->opd[0].reg, s);
    return true;
}

// In FP_FAST MXCSR is spread over FPCR and FPSR, and what is loaded or shown may end that: the kernel does it.
bool lower_LDMXCSR(struct lower_context *cx, const struct x64_insn *insn)
{
    return cx->config->fp_model == FP_EXACT ? lower_exact_load(cx, insn) : lower_in_kernel(cx, insn);
}

bool lower_STMXCSR(struct lower_context *cx, const struct x64_insn *insn)
{
    return cx->config->fp_model == FP_EXACT ? lower_exact_store(cx, insn) : lower_in_kernel(cx, insn);
}
