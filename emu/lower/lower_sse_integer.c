// SPDX-License-Identifier: MIT
// SSE and SSE2 on integers and bits: SDM vol. 2, P... instructions; NEON: Arm ARM C7.
#include "emu/lower/lower_vector.h"

bool lower_sse_form(const struct x64_insn *insn)
{
    for (unsigned i = 0; i < insn->operand_count; i++)
        if (insn->opd[i].kind == X64_OPD_MMX)
            return false;
    return true;
}

// XORPS x,x in front of CVTSI2SD x,r or of another conversion of a register: compilers' way to be rid of the old value. SCVTF and FCVT leave
// zeros above their results, too.
static bool zero_is_made_next(const struct lower_context *cx, const struct x64_insn *insn)
{
    const struct lower_config *config = cx->config;
    const struct lower_block *k = cx->block;
    const struct lower_insn *next = cx->insn + 1;
    unsigned r = insn->opd[0].reg;
    if (config->verify || config->step || config->fp_model != FP_FAST || lower_afp(cx) || r > 15 || insn->opd[1].kind != X64_OPD_XMM || insn->opd[1].reg != r)
        return false;
    if (next >= &cx->work->insns[k->first + k->count] || next->x.opd[0].reg != r)
        return false;
    const struct x64_operand *from = &next->x.opd[1];
    if (next->x.op == X64_CVTSI2SD || next->x.op == X64_CVTSI2SS)
        return from->kind == X64_OPD_GPR;
    return (next->x.op == X64_CVTSS2SD || next->x.op == X64_CVTSD2SS) && from->kind == X64_OPD_XMM && from->reg != r;
}

static bool packed(struct lower_context *cx, const struct x64_insn *insn, enum a64_arr arr,
                   void (*emit)(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg, a64_vreg))
{
    if (!lower_sse_form(insn))
        return false;
    if (emit == a64_eor_v && zero_is_made_next(cx, insn))
        return true;
    a64_vreg source = lower_sse_read(cx, &insn->opd[1], 16), vd = insn->opd[0].reg;
    emit(cx->b, arr, vd, vd, source);
    return true;
}

#define X(name, emitter, arr) \
    bool lower_##name(struct lower_context *cx, const struct x64_insn *insn) { return packed(cx, insn, A64_##arr, a64_##emitter); }
SSE_PACKED(X)
#undef X

#define VECTOR(name) void vector_##name(struct lower_context *cx, a64_vreg vd, a64_vreg n, a64_vreg m, unsigned extra)

VECTOR(PANDN) { (void)extra; a64_bic_v(cx->b, A64_16B, vd, m, n); }
VECTOR(ANDNPS) { vector_PANDN(cx, vd, n, m, extra); }
VECTOR(ANDNPD) { vector_PANDN(cx, vd, n, m, extra); }

// ---- shifts. A count of the element's width or more gives 0, or all sign bits.

static void shift(struct lower_context *cx, a64_vreg vd, a64_vreg n, const struct x64_operand *by, enum a64_arr arr, bool left, bool arithmetic,
                  void (*by_constant)(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg, unsigned),
                  void (*by_register)(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg, a64_vreg))
{
    struct a64_buf *b = cx->b;
    unsigned bits = 8u << (arr >> 1);
    if (by->kind == X64_OPD_IMM) {
        unsigned count = (unsigned)by->value & 0xff;
        if (count >= bits && !arithmetic)
            a64_movi_zero(b, vd);
        else if (count)
            by_constant(b, arr, vd, n, count < bits ? count : left ? bits - 1 : bits);
        else if (vd != n)
            a64_mov_v(b, vd, n);
        return;
    }
    // USHL and SSHL take the low byte of each element as a signed count: saturate the quadword to 0..127 and spread it.
    a64_vreg count = lower_sse_read(cx, by, 16);
    a64_uqshl(b, A64_2D, 16, count, 57);
    a64_ushr(b, A64_2D, 16, 16, 57);
    a64_dup_element(b, arr, 16, 16, 0);
    if (!left)
        a64_neg_v(b, arr, 16, 16);
    by_register(b, arr, vd, n, 16);
}

#define X(name, by_constant, by_register, arr) \
    void vector_shift_##name(struct lower_context *cx, a64_vreg vd, a64_vreg n, const struct x64_operand *by) \
    { \
        shift(cx, vd, n, by, A64_##arr, X64_##name == X64_PSLLW || X64_##name == X64_PSLLD || X64_##name == X64_PSLLQ, \
              X64_##name == X64_PSRAW || X64_##name == X64_PSRAD, a64_##by_constant, a64_##by_register); \
    } \
    bool lower_##name(struct lower_context *cx, const struct x64_insn *insn) \
    { \
        if (!lower_sse_form(insn)) \
            return false; \
        vector_shift_##name(cx, insn->opd[0].reg, insn->opd[0].reg, &insn->opd[1]); \
        return true; \
    }
SSE_SHIFT(X)
#undef X

bool lower_PSLLDQ(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_vreg vd = insn->opd[0].reg;
    unsigned count = (unsigned)insn->opd[1].value & 0xff;
    if (count)
        a64_movi_zero(cx->b, count > 15 ? vd : 16);
    if (count && count <= 15)
        a64_ext(cx->b, A64_16B, vd, 16, vd, 16 - count);
    return true;
}

bool lower_PSRLDQ(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_vreg vd = insn->opd[0].reg;
    unsigned count = (unsigned)insn->opd[1].value & 0xff;
    if (count)
        a64_movi_zero(cx->b, count > 15 ? vd : 16);
    if (count && count <= 15)
        a64_ext(cx->b, A64_16B, vd, vd, 16, count);
    return true;
}

// ---- narrowing and products

void lower_pack(struct lower_context *cx, enum a64_arr low, void (*emit)(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg), a64_vreg vd,
                a64_vreg n, a64_vreg m)
{
    if (n == m) {                           // both halves are the same
        emit(cx->b, low, vd, n);
        a64_dup_element(cx->b, A64_2D, vd, vd, 0);
        return;
    }
    a64_vreg to = vd == m ? 16 : vd;
    emit(cx->b, low, to, n);
    emit(cx->b, low | 1, to, m);
    if (to != vd)
        a64_mov_v(cx->b, vd, to);
}

VECTOR(PACKSSWB) { (void)extra; lower_pack(cx, A64_8B, a64_sqxtn, vd, n, m); }
VECTOR(PACKSSDW) { (void)extra; lower_pack(cx, A64_4H, a64_sqxtn, vd, n, m); }
VECTOR(PACKUSWB) { (void)extra; lower_pack(cx, A64_8B, a64_sqxtun, vd, n, m); }

// The 32-bit products of the words: low four in v16, high four in v17.
static void products(struct a64_buf *b, a64_vreg n, a64_vreg m, void (*emit)(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg, a64_vreg))
{
    emit(b, A64_4H, 16, n, m);
    emit(b, A64_8H, 17, n, m);
}

#define X(name, emitter) \
    VECTOR(name) \
    { \
        (void)extra; \
        products(cx->b, n, m, a64_##emitter); \
        a64_uzp2(cx->b, A64_8H, vd, 16, 17); \
    }
X(PMULHW, smull_v) X(PMULHUW, umull_v)
#undef X

VECTOR(PMADDWD)
{
    (void)extra;
    products(cx->b, n, m, a64_smull_v);
    a64_addp(cx->b, A64_4S, vd, 16, 17);
}

VECTOR(PMULUDQ)
{
    (void)extra;
    a64_xtn(cx->b, A64_2S, 16, n);
    if (n == m) {
        a64_umull_v(cx->b, A64_2S, vd, 16, 16);
        return;
    }
    a64_xtn(cx->b, A64_2S, 17, m);
    a64_umull_v(cx->b, A64_2S, vd, 16, 17);
}

VECTOR(PSADBW)
{
    (void)extra;
    a64_uabd(cx->b, A64_16B, 16, n, m);
    a64_uaddlp(cx->b, A64_16B, 16, 16);
    a64_uaddlp(cx->b, A64_8H, 16, 16);
    a64_uaddlp(cx->b, A64_4S, vd, 16);
}

void lower_probe_write(struct lower_context *cx, a64_reg r, a64_reg value, a64_reg failed)
{
    uint32_t again = lower_label(cx);
    lower_bind(cx, again);
    a64_ldxr(cx->b, 0, value, r);
    a64_stxr(cx->b, 0, failed, value, r);
    lower_cbnz(cx, A64_W, failed, again);
}

void lower_probe_span(struct lower_context *cx, a64_reg at, unsigned bytes)
{
    uint8_t temps = cx->temps;
    a64_reg r = lower_temp(cx), value = lower_temp(cx), failed = lower_temp(cx);
    uint32_t one_page = lower_label(cx);
    a64_add_imm(cx->b, A64_X, r, at, 0);
    lower_probe_write(cx, r, value, failed);
    a64_add_imm(cx->b, A64_X, value, r, bytes - 1);
    a64_eor_reg(cx->b, A64_X, r, r, value, A64_LSL, 0);
    lower_tbz(cx, r, 12, one_page);
    a64_and_imm(cx->b, A64_X, r, value, ~0xfffull);
    lower_probe_write(cx, r, value, failed);
    lower_bind(cx, one_page);
    cx->temps = temps;
}

// Bytes of opd[0] whose mask byte in opd[1] is negative go to [rdi]. Under TSO byte by byte. As on AMD's processors all 16 bytes must be
// writable, whatever the mask (the manual leaves that open); so a fault comes before the first of them.
bool lower_MASKMOVDQU(struct lower_context *cx, const struct x64_insn *insn)
{
    if (!lower_sse_form(insn))
        return false;
    a64_reg base = lower_gpr(X64_RDI), t = lower_temp(cx);
    if (insn->address_size == 4 || insn->segment == X64_GS) {
        a64_reg sum = lower_temp(cx);
        a64_mov_reg(cx->b, insn->address_size == 4 ? A64_W : A64_X, sum, base);
        if (insn->segment == X64_GS)
            a64_add_reg(cx->b, A64_X, sum, sum, 18, A64_LSL, 0);
        base = sum;
    }
    if (!lower_tso(cx)) {                       // nobody sees that the other bytes are written, too
        a64_ldr_v_uimm(cx->b, 4, 16, base, 0);
        a64_cmlt_zero(cx->b, A64_16B, 17, insn->opd[1].reg);
        a64_bit(cx->b, A64_16B, 16, insn->opd[0].reg, 17);
        a64_str_v_uimm(cx->b, 4, 16, base, 0);
        return true;
    }
    lower_probe_span(cx, base, 16);
    for (unsigned i = 0; i < 16; i++) {
        uint32_t skip = lower_label(cx);
        a64_umov(cx->b, 0, t, insn->opd[1].reg, i);
        lower_tbz(cx, t, 7, skip);
        a64_umov(cx->b, 0, t, insn->opd[0].reg, i);
        lower_store(cx, 0, t, (struct lower_mem){ .base = base, .index = A64_ZR, .offset = i });
        lower_bind(cx, skip);
    }
    return true;
}
