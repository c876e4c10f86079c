// SPDX-License-Identifier: MIT
// SSE and SSE2 on integers and bits: SDM vol. 2, P... instructions; NEON: Arm ARM C7.
#include "emu/lower/lower_sse.h"

bool lower_sse_form(const struct x64_insn *insn)
{
    for (unsigned i = 0; i < insn->operand_count; i++)
        if (insn->opd[i].kind == X64_OPD_MMX)
            return false;
    return true;
}

static void misaligned(struct lower_context *cx, const struct lower_deferred *d)
{
    (void)d;
    lower_svc(cx, SVC_EMU_TRAP);            // the kernel sees the address again and raises #GP
}

void lower_sse_align(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_mem *m = &insn->mem;
    if (!(insn->form & X64_F_ALIGNED))
        return;
    bool simple = m->base < 16 && m->index == X64_REG_NONE && m->segment == X64_SEGMENT_NONE && m->address_size == 8;
    unsigned mask = insn->opd[insn->mem_operand].size == 32 ? 31 : 15;
    unsigned low = (unsigned)(0 - (uint64_t)m->disp) & mask;    // what the base must end in
    if (simple && mask == 15 && cx->aligned_known >> m->base & 1 && cx->aligned_low[m->base] == low)
        return;
    a64_reg t = lower_temp(cx);
    if (simple && low == 0 && m->base != X64_RSP)
        a64_and_imm(cx->b, A64_W, t, lower_gpr(m->base), mask);
    else
        a64_and_imm(cx->b, A64_W, t, lower_effective_address(cx, m, t, A64_X), mask);
    if (m->segment == X64_GS) {             // the base need not be aligned
        a64_add_reg(cx->b, A64_W, t, t, 18, A64_LSL, 0);
        a64_and_imm(cx->b, A64_W, t, t, mask);
    }
    lower_cbnz(cx, A64_W, t, lower_defer(cx, misaligned)->label);
    if (simple && mask == 15) {
        cx->aligned_known |= (uint16_t)(1u << m->base);
        cx->aligned_low[m->base] = (uint8_t)low;
    }
}

a64_vreg lower_sse_read(struct lower_context *cx, const struct x64_operand *opd, a64_vreg into)
{
    if (opd->kind == X64_OPD_XMM)
        return opd->reg;
    unsigned log2 = lower_log2(opd->size);
    lower_sse_align(cx, &cx->insn->x);
    lower_load_v(cx, log2, into, lower_address(cx, &cx->insn->x, log2));
    return into;
}

static bool packed(struct lower_context *cx, const struct x64_insn *insn, enum a64_arr arr,
                   void (*emit)(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg, a64_vreg))
{
    if (!lower_sse_form(insn))
        return false;
    a64_vreg source = lower_sse_read(cx, &insn->opd[1], 16), vd = insn->opd[0].reg;
    emit(cx->b, arr, vd, vd, source);
    return true;
}

#define X(name, emitter, arr) \
    bool lower_##name(struct lower_context *cx, const struct x64_insn *insn) { return packed(cx, insn, A64_##arr, a64_##emitter); }
SSE_PACKED(X)
#undef X

bool lower_PANDN(struct lower_context *cx, const struct x64_insn *insn)
{
    if (!lower_sse_form(insn))
        return false;
    a64_vreg source = lower_sse_read(cx, &insn->opd[1], 16), vd = insn->opd[0].reg;
    a64_bic_v(cx->b, A64_16B, vd, source, vd);
    return true;
}
bool lower_ANDNPS(struct lower_context *cx, const struct x64_insn *insn) { return lower_PANDN(cx, insn); }
bool lower_ANDNPD(struct lower_context *cx, const struct x64_insn *insn) { return lower_PANDN(cx, insn); }

// ---- shifts. A count of the element's width or more gives 0, or all sign bits.

static bool shift(struct lower_context *cx, const struct x64_insn *insn, enum a64_arr arr, bool left, bool arithmetic,
                  void (*by_constant)(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg, unsigned),
                  void (*by_register)(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg, a64_vreg))
{
    struct a64_buf *b = cx->b;
    unsigned bits = 8u << (arr >> 1);
    a64_vreg vd = insn->opd[0].reg;
    if (!lower_sse_form(insn))
        return false;
    if (insn->opd[1].kind == X64_OPD_IMM) {
        unsigned count = (unsigned)insn->opd[1].value & 0xff;
        if (count >= bits && !arithmetic)
            a64_movi_zero(b, vd);
        else if (count)
            by_constant(b, arr, vd, vd, count < bits ? count : left ? bits - 1 : bits);
        return true;
    }
    // USHL and SSHL take the low byte of each element as a signed count: saturate the quadword to 0..127 and spread it.
    a64_vreg count = lower_sse_read(cx, &insn->opd[1], 16);
    a64_uqxtn(b, A64_2S, 16, count);
    a64_uqxtn(b, A64_4H, 16, 16);
    a64_uqxtn(b, A64_8B, 16, 16);
    a64_movi_bytes(b, 17, 127);
    a64_umin(b, A64_8B, 16, 16, 17);
    a64_dup_element(b, A64_16B, 16, 16, 0);
    if (!left)
        a64_neg_v(b, A64_16B, 16, 16);
    by_register(b, arr, vd, vd, 16);
    return true;
}

#define X(name, by_constant, by_register, arr) \
    bool lower_##name(struct lower_context *cx, const struct x64_insn *insn) \
    { \
        return shift(cx, insn, A64_##arr, X64_##name == X64_PSLLW || X64_##name == X64_PSLLD || X64_##name == X64_PSLLQ, \
                     X64_##name == X64_PSRAW || X64_##name == X64_PSRAD, a64_##by_constant, a64_##by_register); \
    }
SSE_SHIFT(X)
#undef X

bool lower_PSLLDQ(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_vreg vd = insn->opd[0].reg;
    unsigned count = (unsigned)insn->opd[1].value & 0xff;
    a64_movi_zero(cx->b, count > 15 ? vd : 16);
    if (count && count <= 15)
        a64_ext(cx->b, A64_16B, vd, 16, vd, 16 - count);
    return true;
}

bool lower_PSRLDQ(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_vreg vd = insn->opd[0].reg;
    unsigned count = (unsigned)insn->opd[1].value & 0xff;
    a64_movi_zero(cx->b, count > 15 ? vd : 16);
    if (count && count <= 15)
        a64_ext(cx->b, A64_16B, vd, vd, 16, count);
    return true;
}

// ---- narrowing and products

static bool pack(struct lower_context *cx, const struct x64_insn *insn, enum a64_arr low,
                 void (*emit)(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg))
{
    if (!lower_sse_form(insn))
        return false;
    a64_vreg source = lower_sse_read(cx, &insn->opd[1], 17), vd = insn->opd[0].reg;
    emit(cx->b, low, 16, vd);
    emit(cx->b, low | 1, 16, source);
    a64_mov_v(cx->b, vd, 16);
    return true;
}
bool lower_PACKSSWB(struct lower_context *cx, const struct x64_insn *insn) { return pack(cx, insn, A64_8B, a64_sqxtn); }
bool lower_PACKSSDW(struct lower_context *cx, const struct x64_insn *insn) { return pack(cx, insn, A64_4H, a64_sqxtn); }
bool lower_PACKUSWB(struct lower_context *cx, const struct x64_insn *insn) { return pack(cx, insn, A64_8B, a64_sqxtun); }

// The 32-bit products of the words: low four in v16, high four in v17.
static bool products(struct lower_context *cx, const struct x64_insn *insn,
                     void (*emit)(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg, a64_vreg))
{
    if (!lower_sse_form(insn))
        return false;
    a64_vreg source = lower_sse_read(cx, &insn->opd[1], 18), vd = insn->opd[0].reg;
    emit(cx->b, A64_4H, 16, vd, source);
    emit(cx->b, A64_8H, 17, vd, source);
    return true;
}

bool lower_PMULHW(struct lower_context *cx, const struct x64_insn *insn)
{
    if (!products(cx, insn, a64_smull_v))
        return false;
    a64_uzp2(cx->b, A64_8H, insn->opd[0].reg, 16, 17);
    return true;
}

bool lower_PMULHUW(struct lower_context *cx, const struct x64_insn *insn)
{
    if (!products(cx, insn, a64_umull_v))
        return false;
    a64_uzp2(cx->b, A64_8H, insn->opd[0].reg, 16, 17);
    return true;
}

bool lower_PMADDWD(struct lower_context *cx, const struct x64_insn *insn)
{
    if (!products(cx, insn, a64_smull_v))
        return false;
    a64_addp(cx->b, A64_4S, insn->opd[0].reg, 16, 17);
    return true;
}

bool lower_PMULUDQ(struct lower_context *cx, const struct x64_insn *insn)
{
    if (!lower_sse_form(insn))
        return false;
    a64_vreg source = lower_sse_read(cx, &insn->opd[1], 17), vd = insn->opd[0].reg;
    a64_xtn(cx->b, A64_2S, 16, vd);
    a64_xtn(cx->b, A64_2S, 17, source);
    a64_umull_v(cx->b, A64_2S, vd, 16, 17);
    return true;
}

bool lower_PSADBW(struct lower_context *cx, const struct x64_insn *insn)
{
    if (!lower_sse_form(insn))
        return false;
    a64_vreg source = lower_sse_read(cx, &insn->opd[1], 16), vd = insn->opd[0].reg;
    a64_uabd(cx->b, A64_16B, 16, vd, source);
    a64_uaddlp(cx->b, A64_16B, 16, 16);
    a64_uaddlp(cx->b, A64_8H, 16, 16);
    a64_uaddlp(cx->b, A64_4S, vd, 16);
    return true;
}

// ---- single elements and masks

bool lower_PINSRW(struct lower_context *cx, const struct x64_insn *insn)
{
    if (!lower_sse_form(insn))
        return false;
    a64_reg r = lower_read(cx, &insn->opd[1]);
    a64_ins_general(cx->b, 1, insn->opd[0].reg, (unsigned)insn->opd[2].value & 7, r);
    return true;
}

bool lower_PEXTRW(struct lower_context *cx, const struct x64_insn *insn)
{
    if (!lower_sse_form(insn) || insn->opd[1].kind != X64_OPD_XMM)
        return false;
    a64_reg t = lower_temp(cx);
    a64_umov(cx->b, 1, t, insn->opd[1].reg, (unsigned)insn->opd[2].value & 7);
    lower_write(cx, &insn->opd[0], t);
    return true;
}

bool lower_PMOVMSKB(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    if (!lower_sse_form(insn))
        return false;
    // Each byte's sign selects its bit of the result; three pairwise sums bring the bits together.
    a64_reg t = lower_temp(cx);
    lower_literal_v(cx, 17, 0x8040201008040201ull, 0x8040201008040201ull);
    a64_cmlt_zero(b, A64_16B, 16, insn->opd[1].reg);
    a64_and_v(b, A64_16B, 16, 16, 17);
    a64_addp(b, A64_16B, 16, 16, 16);
    a64_addp(b, A64_16B, 16, 16, 16);
    a64_addp(b, A64_16B, 16, 16, 16);
    a64_umov(b, 1, t, 16, 0);
    lower_write(cx, &insn->opd[0], t);
    return true;
}

bool lower_MOVMSKPS(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_reg t = lower_temp(cx);
    lower_literal_v(cx, 17, 0x0000000100000000ull, 0x0000000300000002ull);
    a64_ushr(cx->b, A64_4S, 16, insn->opd[1].reg, 31);
    a64_ushl(cx->b, A64_4S, 16, 16, 17);
    a64_addv(cx->b, A64_4S, 16, 16);
    a64_umov(cx->b, 2, t, 16, 0);
    lower_write(cx, &insn->opd[0], t);
    return true;
}

bool lower_MOVMSKPD(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_reg low = lower_temp(cx), high = lower_temp(cx);
    a64_ushr(cx->b, A64_2D, 16, insn->opd[1].reg, 63);
    a64_umov(cx->b, 3, low, 16, 0);
    a64_umov(cx->b, 3, high, 16, 1);
    a64_add_reg(cx->b, A64_X, low, low, high, A64_LSL, 1);
    lower_write(cx, &insn->opd[0], low);
    return true;
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

// Bytes of opd[0] whose mask byte in opd[1] is negative go to [rdi]. Rare: byte by byte. As on AMD's processors all 16 bytes must be
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
