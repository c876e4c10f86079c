// SPDX-License-Identifier: MIT
// VEX arithmetic of FP_FAST without a detour through the legacy forms. With FEAT_AFP the native result is right; without, FPSR.IOC says
// whether it was (see lower_chain.c), and before that nothing of the destination changes.
#include "emu/lower/lower_avx.h"
#include "emu/lower/lower_chain.h"

typedef void packed2(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg);
typedef void scalar2(struct a64_buf *, enum a64_size, a64_vreg, a64_vreg);
typedef void whole3(struct lower_context *, a64_vreg, a64_vreg, a64_vreg, unsigned);
typedef void scalar3(struct a64_buf *, enum a64_size, a64_vreg, a64_vreg, a64_vreg);
typedef void vector3(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg, a64_vreg);
struct operation {
    scalar3 *scalar; vector3 *vector; scalar2 *scalar_root; packed2 *vector_root;
    whole3 *whole;              // several instructions (lower_vector.h), without a look of their own while a chain is being lowered
    enum { NO_WORDS, ROUNDED, TRUNCATED } words;
    enum a64_size size;
};

static bool find_operation(const struct lower_context *cx, const struct x64_insn *insn, struct operation *o)
{
    switch (insn->op) {
#define X(name, emitter, s) case X64_V##name: *o = (struct operation){ .scalar = a64_##emitter, .size = A64_##s }; return true;
    SSE_SCALAR(X)
#undef X
#define X(name, emitter, arr) case X64_V##name: *o = (struct operation){ .vector = a64_##emitter, .size = A64_##arr == A64_2D ? A64_X : A64_W }; return true;
    SSE_PACKED_FLOAT(X)
#undef X
#define X(name) case X64_V##name: *o = (struct operation){ .whole = vector_##name }; return true;
    X(HADDPS) X(HADDPD) X(HSUBPS) X(HSUBPD) X(DPPS) X(DPPD)
#undef X
    case X64_VSQRTPS: *o = (struct operation){ .vector_root = a64_fsqrt_v, .size = A64_W }; return true;
    case X64_VSQRTPD: *o = (struct operation){ .vector_root = a64_fsqrt_v, .size = A64_X }; return true;
    }
    if (!lower_afp(cx)) {
        switch (insn->op) {
        case X64_VSQRTSS: *o = (struct operation){ .scalar_root = a64_fsqrt, .size = A64_W }; return true;
        case X64_VSQRTSD: *o = (struct operation){ .scalar_root = a64_fsqrt, .size = A64_X }; return true;
        case X64_VCVTPS2DQ: *o = (struct operation){ .words = ROUNDED }; return !cx->config->features.frintts;
        case X64_VCVTTPS2DQ: *o = (struct operation){ .words = TRUNCATED }; return !cx->config->features.frintts;
        }
        return false;
    }
    switch (insn->op) {
    case X64_VMINSS: *o = (struct operation){ .scalar = a64_fmin, .size = A64_W }; return true;
    case X64_VMINSD: *o = (struct operation){ .scalar = a64_fmin, .size = A64_X }; return true;
    case X64_VMAXSS: *o = (struct operation){ .scalar = a64_fmax, .size = A64_W }; return true;
    case X64_VMAXSD: *o = (struct operation){ .scalar = a64_fmax, .size = A64_X }; return true;
    case X64_VMINPS: *o = (struct operation){ .vector = a64_fmin_v, .size = A64_W }; return true;
    case X64_VMINPD: *o = (struct operation){ .vector = a64_fmin_v, .size = A64_X }; return true;
    case X64_VMAXPS: *o = (struct operation){ .vector = a64_fmax_v, .size = A64_W }; return true;
    case X64_VMAXPD: *o = (struct operation){ .vector = a64_fmax_v, .size = A64_X }; return true;
    }
    return false;
}

// value: the legacy form's function.
static void again(struct lower_context *cx, const struct lower_deferred *d)
{
    const struct x64_insn *insn = &d->insn->x;
    lower_function *legacy = (lower_function *)(uintptr_t)d->value;
    bool is_two = insn->operand_count == 2;
    cx->facts = (struct lower_facts){ 0 };
    lower_chain_settle(cx);
    cx->temps = 0;
    (is_two ? avx_two : avx_three)(cx, insn, legacy, 0);
    avx_upper_restore(cx, d);
    lower_b(cx, d->back);
}

static void compute(struct lower_context *cx, const struct operation *o, a64_vreg to, a64_vreg n, a64_vreg m, unsigned immediate)
{
    struct a64_buf *b = cx->b;
    enum a64_arr arr = o->size == A64_X ? A64_2D : A64_4S;
    if (o->whole) {
        o->whole(cx, to, n, m, immediate);
    } else if (o->scalar) {
        o->scalar(b, o->size, to, n, m);
    } else if (o->vector) {
        o->vector(b, arr, to, n, m);
    } else if (o->scalar_root) {
        o->scalar_root(b, o->size, to, m);
    } else if (o->vector_root) {
        o->vector_root(b, arr, to, m);
    } else {
        if (o->words == ROUNDED)
            a64_frintx_v(b, A64_4S, 17, m);     // floats that do not fit are whole: no inexact exception
        a64_fcvtzs_v(b, A64_4S, to, o->words == ROUNDED ? 17 : m);
    }
}

bool lower_avx_float(struct lower_context *cx, const struct x64_insn *insn, lower_function *legacy)
{
    struct a64_buf *b = cx->b;
    struct operation o;
    if (cx->config->fp_model != FP_FAST || cx->config->verify || !find_operation(cx, insn, &o))
        return false;
    if (lower_is_no_sum(insn)) {
        if (insn->opd[2].kind == X64_OPD_MEM)
            avx_source(cx, insn, &insn->opd[2]);
        a64_movi_zero(b, insn->opd[0].reg);
        avx_high_clear(cx, insn->opd[0].reg);
        return true;
    }
    bool wide = insn->opd[0].kind == X64_OPD_YMM, afp = lower_afp(cx), is_two = insn->operand_count == 2, scalar = o.scalar || o.scalar_root;
    unsigned immediate = insn->operand_count > 3 ? (unsigned)insn->opd[3].value & 0xff : 0;
    struct avx_value m = avx_source(cx, insn, &insn->opd[is_two ? 1 : 2]);
    a64_vreg n = insn->opd[1].reg, vd = insn->opd[0].reg, upper = 0, high = wide && !is_two ? avx_high(cx, n) : 0;
    // Until it is known to be right nothing that it is made again from may change.
    a64_vreg low = !afp && (scalar || vd == m.low || (!is_two && vd == n)) ? AVX_LOW : vd;
    struct lower_deferred *d = 0;
    if (!afp) {
        lower_nzcv_free(cx);                    // what `again` may do to NZCV has happened
        d = lower_defer(cx, again);
        d->back = lower_label(cx);
        d->value = (uint64_t)(uintptr_t)legacy;
    }
    cx->chain = d;
    if (wide)
        compute(cx, &o, upper = avx_take(cx), high, m.high, immediate);
    compute(cx, &o, low, n, m.low, immediate);
    cx->chain = 0;
    if (d) {
        cx->temps = 0;
        a64_reg raised = lower_temp(cx);
        a64_mrs_fpsr(b, raised);
        lower_tbnz(cx, raised, 0, d->label);
    }
    if (scalar && !afp) {
        if (vd != n)
            a64_mov_v(b, vd, n);
        a64_ins_element(b, o.size == A64_X ? 3 : 2, vd, 0, low, 0);
    } else if (low != vd) {
        a64_mov_v(b, vd, low);
    }
    avx_high_finish(cx, insn, upper);
    if (d) {
        avx_upper_keep(cx, d);
        lower_bind(cx, d->back);
        avx_upper_kept(cx, d);
    }
    return true;
}
