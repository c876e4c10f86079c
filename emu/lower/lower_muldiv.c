// SPDX-License-Identifier: MIT
// MUL IMUL DIV IDIV.
//
// CF = OF = "the upper half says something". x7 gets a value that is zero when it does not (CF_X7_MUL); SF ZF AF PF are undefined.
// Division: arm64 never traps, so a zero divisor and a quotient that does not fit are tested; behind CDQ, CQO and XOR edx,edx that is little. A 64-bit division whose rdx
// is not just the extension of rax goes to the kernel.
#include "emu/lower/lazy.h"
#include "emu/lower/width.h"

enum { X7 = 7 };

static void overflow_flags(struct lower_context *cx, const struct x64_operand *low)
{
    a64_reg from = low && lower_is_low(low) ? lower_gpr(low->reg) : A64_ZR;
    lower_flags_logic(cx, from, low ? low->size : 8);
    cx->flags.cf = CF_X7_MUL;
    lower_pa(cx, PA_LOGIC, from, 0);
}

// One operand: rdx:rax = rax * operand (ax for bytes).
bool lower_mul(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    const struct x64_operand *src = &insn->opd[0];
    bool sign = insn->op == X64_IMUL1, flags = cx->live & (X64_CF | X64_OF);
    unsigned bytes = src->size, bits = bytes * 8;
    a64_reg rax = lower_gpr(X64_RAX), rdx = lower_gpr(X64_RDX), t = lower_temp(cx);
    if (bytes == 8) {
        a64_reg o = lower_read(cx, src);
        a64_reg high = o == rdx ? t : rdx;
        (sign ? a64_smulh : a64_umulh)(b, high, rax, o);
        a64_madd(b, A64_X, rax, rax, o, A64_ZR);
        if (high != rdx)
            a64_mov_reg(b, A64_X, rdx, high);
        if (flags && sign)
            a64_eor_reg(b, A64_X, X7, rdx, rax, A64_ASR, 63);
        else if (flags)
            a64_mov_reg(b, A64_X, X7, rdx);
    } else {
        struct x64_operand accumulator = { .kind = X64_OPD_GPR, .reg = X64_RAX, .size = (uint16_t)bytes };
        a64_reg o = sign ? lower_read_sign(cx, src) : lower_read_zero(cx, src);
        a64_reg a = sign ? lower_read_sign(cx, &accumulator) : lower_read_zero(cx, &accumulator);
        a64_madd(b, A64_X, t, a, o, A64_ZR);
        if (flags && sign) {
            a64_sbfx(b, A64_X, X7, t, 0, bits);
            a64_eor_reg(b, A64_X, X7, X7, t, A64_LSL, 0);
        } else if (flags) {
            a64_lsr_imm(b, A64_X, X7, t, bits);
        }
        if (bytes == 1) {
            a64_bfi(b, A64_X, rax, t, 0, 16);
        } else if (bytes == 2) {
            a64_bfi(b, A64_X, rax, t, 0, 16);
            a64_lsr_imm(b, A64_X, t, t, 16);
            a64_bfi(b, A64_X, rdx, t, 0, 16);
        } else {
            a64_mov_reg(b, A64_W, rax, t);
            a64_lsr_imm(b, A64_X, t, t, 32);
            a64_mov_reg(b, A64_W, rdx, t);
        }
    }
    overflow_flags(cx, 0);
    return true;
}

// ADD of something to the product, or SUB of a constant, in the next instruction, whose flags nobody looks at: MADD is both. Nothing lies between
// the two, as it cannot fault.
static const struct lower_insn *sum_behind(const struct lower_context *cx)
{
    const struct lower_block *k = cx->block;
    const struct lower_insn *next = cx->insn + 1;
    if (cx->config->verify || next >= &cx->work->insns[k->first + k->count] || next->live & X64_ARITH_FLAGS)
        return 0;
    const struct x64_operand *product = &cx->insn->x.opd[0], *dst = &next->x.opd[0], *src = &next->x.opd[1];
    if ((next->x.op != X64_ADD && next->x.op != X64_SUB) || !lower_is_low(dst) || dst->reg != product->reg || dst->size != product->size)
        return 0;
    struct lower_lazy shifted;
    bool register_too = next->x.op == X64_ADD && lower_is_low(src) && src->reg != dst->reg && lower_source(cx, src->reg) == lower_gpr(src->reg)
                        && !lower_shifted(cx, src->reg, &shifted);
    return src->kind == X64_OPD_IMM || register_too ? next : 0;
}

static a64_reg summand(struct lower_context *cx, const struct x64_insn *sum)
{
    const struct x64_operand *src = &sum->opd[1];
    if (src->kind != X64_OPD_IMM)
        return lower_gpr(src->reg);
    return lower_imm(cx, lower_size(sum->opd[0].size), sum->op == X64_SUB ? 0 - (uint64_t)src->value : (uint64_t)src->value);
}

// Two and three operands: the low half only.
bool lower_imul(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    const struct x64_operand *dst = &insn->opd[0];
    const struct x64_operand *x = insn->op == X64_IMUL2 ? &insn->opd[0] : &insn->opd[1];
    const struct x64_operand *y = insn->op == X64_IMUL2 ? &insn->opd[1] : &insn->opd[2];
    bool flags = cx->live & (X64_CF | X64_OF);
    unsigned bytes = dst->size;
    if (bytes == 2) {
        a64_reg p = lower_read_sign(cx, x), q = y->kind == X64_OPD_IMM ? lower_imm(cx, A64_X, (uint64_t)y->value) : lower_read_sign(cx, y), t = lower_temp(cx);
        a64_madd(b, A64_W, t, p, q, A64_ZR);
        if (flags) {
            a64_sbfx(b, A64_W, X7, t, 0, 16);
            a64_eor_reg(b, A64_W, X7, X7, t, A64_LSL, 0);
        }
        lower_write(cx, dst, t);
        overflow_flags(cx, dst);
        return true;
    }
    enum a64_size s = lower_size(bytes);
    a64_reg p = lower_read(cx, x), q = y->kind == X64_OPD_IMM ? lower_imm(cx, s, (uint64_t)y->value) : lower_read(cx, y), d = lower_destination(cx, dst);
    const struct lower_insn *sum = flags || !lower_is_low(dst) ? 0 : sum_behind(cx);
    if (!flags) {
        a64_madd(b, s, d, p, q, sum ? summand(cx, &sum->x) : A64_ZR);
        cx->done_too = sum;
    } else if (bytes == 8) {
        a64_smulh(b, X7, p, q);
        a64_madd(b, s, d, p, q, A64_ZR);
        a64_eor_reg(b, A64_X, X7, X7, d, A64_ASR, 63);
    } else {
        a64_smaddl(b, X7, p, q, A64_ZR);
        a64_mov_reg(b, A64_W, d, X7);
        a64_sub_ext(b, A64_X, X7, X7, X7, A64_SXTW, 0);
    }
    lower_write(cx, dst, d);
    overflow_flags(cx, dst);
    return true;
}

static void divide_error_if_zero(struct lower_context *cx, enum a64_size s, a64_reg r)
{
    lower_cbz(cx, s, r, lower_defer(cx, lower_raise_divide)->label);
}
static void divide_error_if_not_zero(struct lower_context *cx, enum a64_size s, a64_reg r)
{
    lower_cbnz(cx, s, r, lower_defer(cx, lower_raise_divide)->label);
}

// rdx is zero, as behind XOR edx,edx.
static bool upper_is_zero(const struct lower_context *cx)
{
    return !cx->config->verify && lower_width(cx, lower_gpr(X64_RDX)) == 0;
}

// rdx is the sign of rax, as behind CDQ or CQO.
static bool upper_is_sign(const struct lower_context *cx, unsigned bytes)
{
    const struct lower_insn *first = &cx->work->insns[cx->block->first];
    if (cx->config->verify)
        return false;
    for (const struct lower_insn *i = cx->insn; i-- > first;) {
        if (i->x.op == X64_CWD)
            return i->x.opsize == bytes;
        if (i->writes & (1u << X64_RAX | 1u << X64_RDX))
            return false;
    }
    return false;
}

// The quotient is the least number: right, but not if the divisor is -1. reg: divisor, one that may be changed; value: sizes and temporaries.
static void least_quotient(struct lower_context *cx, const struct lower_deferred *d)
{
    cx->temps = (uint8_t)d->value;
    enum a64_size s = (enum a64_size)d->reg[2];
    a64_add_imm(cx->b, s, d->reg[1], d->reg[0], 1);
    lower_cbnz(cx, s, d->reg[1], d->back);
    lower_svc(cx, SVC_EMU_DIVIDE);
}

// By a divisor of the same size, the upper half being no more than the extension of the lower one. Nothing can go wrong but these two.
static bool divide_extended(struct lower_context *cx, const struct x64_operand *src, bool sign)
{
    struct a64_buf *b = cx->b;
    enum a64_size s = lower_size(src->size);
    a64_reg rax = lower_gpr(X64_RAX), rdx = lower_gpr(X64_RDX), o = lower_read(cx, src), q = lower_temp(cx);
    divide_error_if_zero(cx, s, o);
    (sign ? a64_sdiv : a64_udiv)(b, s, q, rax, o);
    if (sign) {
        a64_reg t = lower_temp(cx);
        struct lower_deferred *d = lower_defer(cx, least_quotient);
        d->back = lower_label(cx);
        d->reg[0] = o;
        d->reg[1] = t;
        d->reg[2] = (a64_reg)s;
        d->value = cx->temps;
        a64_eor_imm(b, s, t, q, s == A64_X ? 1ull << 63 : 1u << 31);
        lower_cbz(cx, s, t, d->label);
        lower_bind(cx, d->back);
    }
    a64_msub(b, s, rdx, q, o, rax);
    a64_mov_reg(b, s, rax, q);
    return true;
}

static bool divide64(struct lower_context *cx, const struct x64_operand *src, bool sign)
{
    struct a64_buf *b = cx->b;
    a64_reg rax = lower_gpr(X64_RAX), rdx = lower_gpr(X64_RDX);
    // The slow path executes the whole instruction on canonical flags and comes back here: both paths must agree on where flags are,
    // and they are undefined anyway.
    a64_reg o = lower_read(cx, src), q = lower_temp(cx), t = lower_temp(cx);
    struct lower_deferred *slow = lower_defer(cx, lower_deferred_insn);
    slow->back = lower_label(cx);
    divide_error_if_zero(cx, A64_X, o);
    if (sign) {
        a64_eor_reg(b, A64_X, t, rdx, rax, A64_ASR, 63);
        lower_cbnz(cx, A64_X, t, slow->label);
        a64_add_imm(b, A64_X, t, o, 1);                     // by -1: the quotient may not fit
        lower_cbz(cx, A64_X, t, slow->label);
        a64_sdiv(b, A64_X, q, rax, o);
    } else {
        lower_cbnz(cx, A64_X, rdx, slow->label);
        a64_udiv(b, A64_X, q, rax, o);
    }
    a64_msub(b, A64_X, rdx, q, o, rax);
    a64_mov_reg(b, A64_X, rax, q);
    lower_bind(cx, slow->back);
    return true;
}

bool lower_divide(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    const struct x64_operand *src = &insn->opd[0];
    bool sign = insn->op == X64_IDIV;
    unsigned bytes = src->size, bits = bytes * 8;
    a64_reg rax = lower_gpr(X64_RAX), rdx = lower_gpr(X64_RDX);
    if (bytes >= 4 && (sign ? upper_is_sign(cx, bytes) : upper_is_zero(cx)))
        return divide_extended(cx, src, sign);
    if (bytes == 8)
        return divide64(cx, src, sign);
    a64_reg o = sign ? lower_read_sign(cx, src) : lower_read_zero(cx, src);
    a64_reg n = lower_temp(cx), q = lower_temp(cx), t = lower_temp(cx);
    bool early = !sign && bytes < 4;                        // the upper half is less than the divisor, or the quotient does not fit or there is none
    if (!early)
        divide_error_if_zero(cx, A64_X, o);
    if (bytes == 1) {                                       // ax
        (sign ? a64_sbfx : a64_ubfx)(b, A64_X, n, rax, 0, 16);
    } else {                                                // upper and lower half side by side, extended to 64 bits
        if (bytes == 4)
            a64_lsl_imm(b, A64_X, n, rdx, 32);
        else
            (sign ? a64_sbfm : a64_ubfm)(b, A64_X, n, rdx, 48, 15);     // SBFIZ, UBFIZ of 16 bits to bit 16
        a64_bfxil(b, A64_X, n, rax, 0, bits);
    }
    if (early) {
        a64_sub_reg(b, A64_X, t, n, o, A64_LSL, bits);
        lower_tbz(cx, t, 63, lower_defer(cx, lower_raise_divide)->label);
    }
    (sign ? a64_sdiv : a64_udiv)(b, A64_X, q, n, o);
    if (sign) {
        a64_sbfx(b, A64_X, t, q, 0, bits);
        a64_eor_reg(b, A64_X, t, t, q, A64_LSL, 0);
    } else if (!early) {
        a64_lsr_imm(b, A64_X, t, q, bits);
    }
    if (!early)
        divide_error_if_not_zero(cx, A64_X, t);
    if (bytes == 4) {
        a64_msub(b, A64_W, rdx, q, o, rax);
        a64_mov_reg(b, A64_W, rax, q);
        return true;
    }
    a64_msub(b, A64_X, t, q, o, n);
    a64_bfi(b, A64_X, rax, q, 0, bits);
    if (bytes == 1)
        a64_bfi(b, A64_X, rax, t, 8, 8);
    else
        a64_bfi(b, A64_X, rdx, t, 0, 16);
    return true;
}
