// SPDX-License-Identifier: MIT
// FP_EXACT: every bit of MXCSR as hardware has it.
//
// MXCSR lives in the context (CTX_MXCSR). FPCR has its rounding, and FZ always: then an operand or a result that is denormal shows in
// FPSR as IDC or UFC, like everything else that needs a closer look. CTX_FP_WATCH says which bits of FPSR do: IDC (but with DAZ),
// UFC and IOC always; DZC, OFC and IXC if the exception is not masked, or not set in MXCSR yet. So FPSR holds nothing that MXCSR
// does not have, and what it shows may be too much but never too little: an instruction is computed natively, and if one of those bits is
// set, undone and left to the kernel (SVC_EMU_FP, emu/sse), which does it exactly and empties FPSR.
#include "emu/lower/lower_exact.h"
#include "emu/lower/lower_avx.h"

enum { CTX = 28, SAVED_V = 27, SAVED_X = 30, SCRATCH = 17, IDC = 0x80, WATCH_ALL = 0x9f };    // no lowering of a floating-point instruction uses the saved ones
enum undo { UNDO_NOTHING, UNDO_VECTOR, UNDO_GENERAL };

// Flags stay as they are, wherever that is; but after a comparison NZCV is as FCMP leaves it.
static void emit_kernel(struct lower_context *cx)
{
    lower_order_flush(cx);
    lower_point_here(cx);
    (cx->config->trap_by_brk ? a64_brk : a64_svc)(cx->b, SVC_EMU_FP);
    lower_constants_forget(cx);
}

// reg: what to undo, which register.
static void leave_to_kernel(struct lower_context *cx, const struct lower_deferred *d)
{
    if (d->reg[0] == UNDO_VECTOR)
        a64_mov_v(cx->b, d->reg[1], SAVED_V);
    else if (d->reg[0] == UNDO_GENERAL && d->reg[1] == A64_SP)
        a64_add_imm(cx->b, A64_X, A64_SP, SAVED_X, 0);
    else if (d->reg[0] == UNDO_GENERAL)
        a64_mov_reg(cx->b, A64_X, d->reg[1], SAVED_X);
    emit_kernel(cx);
    lower_b(cx, d->back);
}

// MINxx and MAXxx hand an operand through: with DAZ a denormal one needs the kernel too.
bool lower_exact_selects(enum x64_op op)
{
    switch ((int)op) {
    case X64_MINPS: case X64_MINPD: case X64_MINSS: case X64_MINSD: case X64_MAXPS: case X64_MAXPD: case X64_MAXSS: case X64_MAXSD:
    case X64_VMINPS: case X64_VMINPD: case X64_VMINSS: case X64_VMINSD: case X64_VMAXPS: case X64_VMAXPD: case X64_VMAXSS: case X64_VMAXSD:
        return true;
    }
    return false;
}

void lower_exact_raised(struct lower_context *cx, a64_reg raised, bool selects)
{
    a64_reg watch = lower_temp(cx);
    a64_mrs_fpsr(cx->b, raised);
    a64_ldr_uimm(cx->b, 2, A64_ZERO, watch, CTX, CTX_FP_WATCH);
    if (selects)
        a64_orr_imm(cx->b, A64_W, watch, watch, IDC);
    a64_and_reg(cx->b, A64_W, raised, raised, watch, A64_LSL, 0);
}

static struct lower_deferred *check(struct lower_context *cx, enum undo undo, a64_reg reg)
{
    a64_reg raised = lower_temp(cx);
    lower_exact_raised(cx, raised, lower_exact_selects((enum x64_op)cx->insn->x.op));
    struct lower_deferred *d = lower_defer(cx, leave_to_kernel);
    d->back = lower_label(cx);
    d->reg[0] = undo;
    d->reg[1] = reg;
    lower_cbnz(cx, A64_W, raised, d->label);
    return d;
}

void lower_exact_check(struct lower_context *cx)
{
    if (!cx->exact_pending)
        return;
    cx->exact_pending = false;
    struct lower_deferred *d = check(cx, (enum undo)cx->exact_undo, cx->exact_reg);
    cx->exact_back = d->back;
    cx->exact_checked = true;
}

void lower_exact_check_result(struct lower_context *cx)
{
    if (cx->exact_pending && cx->exact_undo == UNDO_NOTHING)
        lower_exact_check(cx);
}

// Legacy forms that compute in v16 and write their register last: nothing to undo.
static bool computes_first(const struct x64_insn *insn)
{
    switch (insn->op) {
#define X(name, ...) case X64_##name:
    SSE_SCALAR(X)
    SSE_PACKED_FLOAT(X)
#undef X
    case X64_SQRTPS: case X64_SQRTPD: case X64_SQRTSS: case X64_SQRTSD:
    case X64_HADDPS: case X64_HADDPD: case X64_HSUBPS: case X64_HSUBPD:
        return true;
    }
    return false;
}

// What a comparison raises, without NZCV; then the same again for NZCV.
static bool compare(struct lower_context *cx, const struct x64_insn *insn, enum a64_size size, bool signals)
{
    a64_vreg s = lower_sse_read(cx, &insn->opd[1], 16), n = insn->opd[0].reg;
    (signals ? a64_fcmge_s : a64_fcmeq_s)(cx->b, size, SCRATCH, n, s);
    struct lower_deferred *d = check(cx, UNDO_NOTHING, 0);
    a64_fcmp(cx->b, size, n, s);
    lower_bind(cx, d->back);
    lower_flags_fcmp(cx);
    return true;
}

bool lower_exact(struct lower_context *cx, const struct x64_insn *insn, lower_function *function)
{
    const struct x64_operand *to = &insn->opd[0];
    switch (insn->op) {
    case X64_UCOMISS: case X64_VUCOMISS: return compare(cx, insn, A64_W, false);
    case X64_UCOMISD: case X64_VUCOMISD: return compare(cx, insn, A64_X, false);
    case X64_COMISS: case X64_VCOMISS: return compare(cx, insn, A64_W, true);
    case X64_COMISD: case X64_VCOMISD: return compare(cx, insn, A64_X, true);
    case X64_VCVTPS2PH:                     // UE of a half that is denormal and exact does not show in FPSR
        emit_kernel(cx);
        return true;
    }
    cx->exact_pending = true;
    cx->exact_checked = false;
    cx->exact_undo = UNDO_NOTHING;
    if (to->kind == X64_OPD_GPR) {
        cx->exact_undo = UNDO_GENERAL;
        cx->exact_reg = lower_gpr(to->reg);
        if (cx->exact_reg == A64_SP)
            a64_add_imm(cx->b, A64_X, SAVED_X, A64_SP, 0);
        else
            a64_mov_reg(cx->b, A64_X, SAVED_X, cx->exact_reg);
    } else if (!computes_first(insn)) {
        cx->exact_undo = UNDO_VECTOR;
        cx->exact_reg = to->reg;
        a64_mov_v(cx->b, SAVED_V, to->reg);
    }
    bool done = function(cx, insn);
    if (!done)
        cx->b->bad = true;                  // it knows every form of what it knows
    cx->temps = 0;
    lower_exact_check(cx);
    if (cx->exact_checked)
        lower_bind(cx, cx->exact_back);
    return true;
}

// ---- MXCSR itself

bool lower_exact_store(struct lower_context *cx, const struct x64_insn *insn)
{
    struct lower_mem mem = lower_address(cx, insn, 2);
    a64_reg mxcsr = lower_temp(cx);
    a64_ldr_uimm(cx->b, 2, A64_ZERO, mxcsr, CTX, CTX_MXCSR);
    lower_store(cx, 2, mxcsr, mem);
    return true;
}

static void refuse(struct lower_context *cx, const struct lower_deferred *d)
{
    emit_kernel(cx);                        // #GP: a reserved bit
    lower_b(cx, d->back);
}

// The same as exact_put in emu/run/fp.c.
bool lower_exact_load(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    struct lower_mem mem = lower_address(cx, insn, 2);
    a64_reg mxcsr = lower_temp(cx), t = lower_temp(cx), u = lower_temp(cx);
    lower_load(cx, 2, A64_ZERO, mxcsr, mem);
    a64_lsr_imm(b, A64_W, t, mxcsr, 16);
    struct lower_deferred *d = lower_defer(cx, refuse);
    d->back = lower_label(cx);
    lower_cbnz(cx, A64_W, t, d->label);
    a64_lsr_imm(b, A64_W, t, mxcsr, 7);
    a64_and_reg(b, A64_W, t, t, mxcsr, A64_LSL, 0);         // set already, and masked
    a64_lsr_imm(b, A64_W, t, t, 1);
    a64_mov_const(b, A64_W, u, 0x16);
    a64_and_reg(b, A64_W, t, t, u, A64_LSL, 0);             // of these ZE, OE and PE
    a64_ubfx(b, A64_W, u, mxcsr, 6, 1);
    a64_bfi(b, A64_W, t, u, 7, 1);                          // DAZ: IDC
    a64_mov_const(b, A64_W, u, WATCH_ALL);
    a64_bic_reg(b, A64_W, t, u, t, A64_LSL, 0);
    a64_str_uimm(b, 2, mxcsr, CTX, CTX_MXCSR);
    a64_str_uimm(b, 2, t, CTX, CTX_FP_WATCH);
    a64_ubfx(b, A64_W, t, mxcsr, 14, 1);                    // RMode: the bits of RC the other way round
    a64_ubfx(b, A64_W, u, mxcsr, 13, 1);
    a64_bfi(b, A64_W, t, u, 1, 1);
    a64_orr_imm(b, A64_W, t, t, 4);                         // FZ
    a64_lsl_imm(b, A64_W, t, t, 22);
    a64_msr_fpcr(b, t);
    a64_msr_fpsr(b, A64_ZR);
    lower_bind(cx, d->back);
    return true;
}
