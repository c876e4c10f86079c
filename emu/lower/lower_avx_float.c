// SPDX-License-Identifier: MIT
// VEX arithmetic of FP_FAST without a detour through the legacy forms. With FEAT_AFP the native result is right; without, FPSR.IOC says
// whether it was (see lower_chain.c), and before that nothing of the destination changes.
#include "emu/lower/lower_avx.h"
#include "emu/lower/lower_chain.h"

enum { LOW = AVX_LOW, HIGH = AVX_HIGH };

typedef void scalar3(struct a64_buf *, enum a64_size, a64_vreg, a64_vreg, a64_vreg);
typedef void vector3(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg, a64_vreg);
struct operation { scalar3 *scalar; vector3 *vector; enum a64_size size; };

static bool find_operation(const struct lower_context *cx, const struct x64_insn *insn, struct operation *o)
{
    switch (insn->op) {
#define X(name, emitter, s) case X64_V##name: *o = (struct operation){ .scalar = a64_##emitter, .size = A64_##s }; return true;
    SSE_SCALAR(X)
#undef X
#define X(name, emitter, arr) case X64_V##name: *o = (struct operation){ .vector = a64_##emitter, .size = A64_##arr == A64_2D ? A64_X : A64_W }; return true;
    SSE_PACKED_FLOAT(X)
#undef X
    }
    if (!lower_afp(cx))
        return false;
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
    cx->facts = (struct lower_facts){ 0 };
    lower_chain_settle(cx);
    cx->temps = 0;
    avx_three(cx, &d->insn->x, (lower_function *)(uintptr_t)d->value, 0);
    lower_b(cx, d->back);
}

bool lower_avx_float(struct lower_context *cx, const struct x64_insn *insn, lower_function *legacy)
{
    struct a64_buf *b = cx->b;
    struct operation o;
    if (cx->config->fp_model != FP_FAST || cx->config->verify || insn->operand_count != 3 || !find_operation(cx, insn, &o))
        return false;
    enum a64_arr arr = o.size == A64_X ? A64_2D : A64_4S;
    bool wide = insn->opd[0].kind == X64_OPD_YMM, afp = lower_afp(cx);
    a64_vreg m = avx_source(cx, insn, &insn->opd[2]), n = insn->opd[1].reg, vd = insn->opd[0].reg, low = afp ? vd : LOW;
    if (wide) {
        avx_high_read(cx, HIGH, n);
        o.vector(b, arr, HIGH, HIGH, AVX_M_HIGH);
    }
    if (o.vector)
        o.vector(b, arr, low, n, m);
    else
        o.scalar(b, o.size, low, n, m);
    if (afp) {
        avx_high_finish(cx, insn, HIGH);
        return true;
    }
    lower_nzcv_free(cx);                    // what `again` may do to NZCV has happened
    struct lower_deferred *d = lower_defer(cx, again);
    d->back = lower_label(cx);
    d->value = (uint64_t)(uintptr_t)legacy;
    cx->temps = 0;
    a64_reg raised = lower_temp(cx);
    a64_mrs_fpsr(b, raised);
    lower_tbnz(cx, raised, 0, d->label);
    if (o.vector) {
        a64_mov_v(b, vd, LOW);
    } else {
        if (vd != n)
            a64_mov_v(b, vd, n);
        a64_ins_element(b, o.size == A64_X ? 3 : 2, vd, 0, LOW, 0);
    }
    avx_high_finish(cx, insn, HIGH);
    lower_bind(cx, d->back);
    return true;
}
