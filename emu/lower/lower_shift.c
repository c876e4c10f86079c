// SPDX-License-Identifier: MIT
// SHL SHR SAR ROL ROR RCL RCR SHLD SHRD.
//
// A count of zero changes no flag. With a constant count CF goes to x7 and the result gives SF, ZF and PF lazily. With the count in
// cl the flags are made canonical first, and changed only on the path where the count is not zero.
// OF is defined for a count of one; processors compute it by the same formula for the others: CF ^ top bit of the result to the left,
// the two top bits of the result to the right.
#include "emu/lower/width.h"

enum { X7 = 7, X23 = 23, X24 = 24 };

struct target {             // the destination and its old value
    const struct x64_operand *opd;
    unsigned bytes, bits;
    enum a64_size s;
    bool memory;
    struct lower_rmw rmw;
    a64_reg old;
};

static struct target begin(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *opd = &insn->opd[0];
    struct target t = { .opd = opd, .bytes = opd->size, .bits = opd->size * 8, .s = lower_size(opd->size), .memory = opd->kind == X64_OPD_MEM };
    if (t.memory) {
        t.rmw = lower_rmw_begin(cx, insn, t.bytes);
        t.old = t.rmw.old;
    } else {
        t.old = lower_read(cx, opd);
    }
    return t;
}

// Where the result may be computed: in place only if nobody needs the old value afterwards.
static a64_reg result_register(struct lower_context *cx, const struct target *t)
{
    return t->memory ? lower_temp(cx) : lower_destination(cx, t->opd);
}

// Writes a register result and makes SF, ZF, PF follow it; CF = OF = AF = 0 for the caller to change.
static void settle(struct lower_context *cx, const struct target *t, a64_reg r)
{
    a64_reg from = X23;
    if (!t->memory) {
        lower_write(cx, t->opd, r);
        if (lower_is_low(t->opd))
            from = lower_gpr(t->opd->reg);
    }
    if (from == X23 && cx->live & X64_ARITH_FLAGS)
        a64_mov_reg(cx->b, A64_X, X23, r);
    lower_flags_logic(cx, from, t->bytes);
    lower_pa(cx, PA_LOGIC, from, 0);
}

static void nothing_changes(struct lower_context *cx, const struct target *t)
{
    if (t->memory)
        lower_rmw_end(cx, &t->rmw, t->old);
    else if (t->bytes == 4)
        lower_write(cx, t->opd, t->old);
    if (lower_is_low(t->opd) && t->bytes == 4)
        a64_mov_reg(cx->b, A64_W, t->old, t->old);
}

// Bit `bit` of r into bit 0 of d.
static void take_bit(struct lower_context *cx, a64_reg d, a64_reg r, unsigned bit)
{
    a64_ubfx(cx->b, A64_X, d, r, bit, 1);
}

// NZCV: C = !(bit 0 of c), V = bit 0 of v; N and Z stay. c is lost.
static void merge_carry_overflow(struct lower_context *cx, a64_reg c, a64_reg v)
{
    struct a64_buf *b = cx->b;
    a64_reg t = lower_temp(cx);
    a64_eor_imm(b, A64_W, c, c, 1);
    a64_mrs_nzcv(b, t);
    a64_bfi(b, A64_X, t, c, 29, 1);
    a64_bfi(b, A64_X, t, v, 28, 1);
    a64_msr_nzcv(b, t);
}

// N and Z of the low `bits` of r; C = V = 0.
static void set_nz(struct lower_context *cx, const struct target *t, a64_reg r)
{
    if (t->bytes >= 4)
        a64_ands_reg(cx->b, t->s, A64_ZR, r, r, A64_LSL, 0);
    else
        a64_adds_reg(cx->b, A64_W, A64_ZR, A64_ZR, r, A64_LSL, 32 - t->bits);
}

// ---- SHL SHR SAR by a constant
static void shift_value(struct lower_context *cx, enum x64_op op, const struct target *t, a64_reg d, unsigned n)
{
    struct a64_buf *b = cx->b;
    if (t->bytes >= 4) {
        (op == X64_SHL ? a64_lsl_imm : op == X64_SHR ? a64_lsr_imm : a64_asr_imm)(b, t->s, d, t->old, n);
        return;
    }
    unsigned most = t->bits - 1;
    if (op == X64_SHL)
        a64_lsl_imm(b, A64_W, d, t->old, n);
    else if (op == X64_SAR)
        a64_sbfx(b, A64_W, d, t->old, n < most ? n : most, t->bits - (n < most ? n : most));
    else if (n > most)
        a64_mov_const(b, A64_W, d, 0);
    else
        a64_ubfx(b, A64_W, d, t->old, n, t->bits - n);
}

// CF and OF from the old value into x7.
static enum lower_cf shift_carry(struct lower_context *cx, enum x64_op op, const struct target *t, unsigned n)
{
    struct a64_buf *b = cx->b;
    unsigned top = t->bits - 1;
    if (op == X64_SHL) {
        if (n > t->bits)
            return CF_ZERO;
        if (cx->live & X64_OF) {                    // narrow only: the wide ones use ADDS
            a64_eor_reg(b, A64_W, X7, t->old, t->old, A64_LSL, 1);
            a64_reg c = lower_temp(cx);
            take_bit(cx, X7, X7, t->bits - n);
            take_bit(cx, c, t->old, t->bits - n);
            a64_orr_reg(b, A64_W, X7, X7, c, A64_LSL, 1);
            return CF_X7_SHR1;
        }
        take_bit(cx, X7, t->old, t->bits - n);
        return CF_X7;
    }
    if (op == X64_SHR && n == 1 && cx->live & X64_OF) {
        if (t->bytes >= 4) {
            a64_extr(b, t->s, X7, t->old, t->old, top);     // rotated: old top bit, then old bit 0
        } else {
            take_bit(cx, X7, t->old, top);
            a64_bfi(b, A64_W, X7, t->old, 1, 1);
        }
        return CF_X7_SHR1;
    }
    if (n > t->bits && op == X64_SHR)
        return CF_ZERO;
    take_bit(cx, X7, t->old, n - 1 < top ? n - 1 : top);
    return CF_X7;
}

void lower_shift_now(struct lower_context *cx, enum a64_shift kind, unsigned bytes, a64_reg d, a64_reg from, unsigned n)
{
    struct target t = { .bytes = bytes, .bits = bytes * 8, .s = lower_size(bytes), .old = from };
    enum x64_op op = kind == A64_LSL ? X64_SHL : kind == A64_LSR ? X64_SHR : X64_SAR;
    enum lower_cf cf = CF_ZERO;
    if (op == X64_SHL) {                            // twice the value shifted one less: ADDS gives CF and OF
        if (n > 1)
            a64_lsl_imm(cx->b, t.s, d, from, n - 1);
        a64_adds_reg(cx->b, t.s, d, n > 1 ? d : from, n > 1 ? d : from, A64_LSL, 0);
    } else {
        if (cx->live & (X64_CF | X64_OF))
            cf = shift_carry(cx, op, &t, n);
        shift_value(cx, op, &t, d, n);
    }
    lower_flags_logic(cx, d, bytes);
    lower_pa(cx, PA_LOGIC, d, 0);
    cx->flags.cf = (uint8_t)cf;
    if (op == X64_SHL)
        lower_flags_hw(cx, CF_DIRECT);
}

static bool shift_constant(struct lower_context *cx, const struct x64_insn *insn, unsigned n)
{
    struct a64_buf *b = cx->b;
    struct target t = begin(cx, insn);
    bool nzc = cx->live & FLAGS_NZC;
    if (n == 0) {
        nothing_changes(cx, &t);
        return true;
    }
    bool all_stay = insn->op == X64_SHL && !t.memory && t.bytes >= 4 && lower_width(cx, t.old) + n < t.bits;    // CF = OF = 0
    if (insn->op == X64_SHL && t.bytes >= 4 && nzc && !all_stay) {      // (old << n-1) doubled: ADDS gives CF, and OF as for a count of one
        a64_reg half = t.old, d;
        if (n > 1 || (!t.memory && !lower_is_low(t.opd))) {
            half = lower_temp(cx);
            a64_lsl_imm(b, t.s, half, t.old, n - 1);
        }
        if (t.memory) {
            d = lower_temp(cx);
            a64_add_reg(b, t.s, d, half, half, A64_LSL, 0);
            lower_rmw_end(cx, &t.rmw, d);
            a64_adds_reg(b, t.s, A64_ZR, half, half, A64_LSL, 0);
        } else {
            d = lower_destination(cx, t.opd);
            a64_adds_reg(b, t.s, d, half, half, A64_LSL, 0);
        }
        settle(cx, &t, d);
        lower_flags_hw(cx, CF_DIRECT);
        return true;
    }
    enum lower_cf cf = CF_ZERO;
    if (!t.memory && !all_stay && cx->live & (X64_CF | X64_OF))
        cf = shift_carry(cx, insn->op, &t, n);
    a64_reg d = result_register(cx, &t);
    shift_value(cx, insn->op, &t, d, n);
    if (t.memory) {
        lower_rmw_end(cx, &t.rmw, d);
        if (cx->live & (X64_CF | X64_OF))
            cf = shift_carry(cx, insn->op, &t, n);
    }
    settle(cx, &t, d);
    cx->flags.cf = (uint8_t)cf;
    return true;
}

// ---- by cl
static a64_reg masked_count(struct lower_context *cx, unsigned bits)
{
    a64_reg n = lower_temp(cx);
    a64_and_imm(cx->b, A64_W, n, lower_gpr(X64_RCX), bits == 64 ? 63 : 31);
    return n;
}

// Flags canonical and a point, before something that may fault or that only perhaps changes them.
static void canonical_now(struct lower_context *cx, bool memory)
{
    lower_flags_canonical(cx, memory ? X64_ARITH_FLAGS : cx->live);
    lower_point_here(cx);
}

static void finish_by_cl(struct lower_context *cx, const struct target *t, a64_reg r, uint32_t skip)
{
    lower_bind(cx, skip);
    if (!t->memory)
        lower_write(cx, t->opd, r);
}

static bool shift_by_cl(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    const struct x64_operand *opd = &insn->opd[0];
    bool flags = cx->live & X64_ARITH_FLAGS, narrow = opd->size < 4;
    enum x64_op op = insn->op;
    if (flags)
        canonical_now(cx, opd->kind == X64_OPD_MEM);
    struct target t = begin(cx, insn);
    a64_reg count = lower_gpr(X64_RCX), a = t.old;
    if (narrow && op != X64_SHL) {                  // shifts of a W register by up to 31, as x64 does them
        a = lower_temp(cx);
        (op == X64_SAR ? a64_sbfx : a64_ubfx)(b, A64_W, a, t.old, 0, t.bits);
    }
    a64_reg r = flags || t.memory ? lower_temp(cx) : lower_destination(cx, opd);
    (op == X64_SHL ? a64_lslv : op == X64_SHR ? a64_lsrv : a64_asrv)(b, t.s, r, a, count);
    if (t.memory)
        lower_rmw_end(cx, &t.rmw, r);
    uint32_t skip = lower_label(cx);
    if (flags) {
        a64_reg n = masked_count(cx, t.bits), c = lower_temp(cx), v = lower_temp(cx);
        lower_cbz(cx, A64_W, n, skip);
        if (cx->live & FLAGS_NZC) {
            if (op == X64_SHL) {                    // the last bit out: bit `bits` of a shifted one bit less far, twice
                a64_sub_imm(b, A64_W, n, n, 1);
                a64_lslv(b, t.s, c, a, n);
                take_bit(cx, c, c, t.bits - 1);
                take_bit(cx, v, r, t.bits - 1);
                a64_eor_reg(b, A64_W, v, v, c, A64_LSL, 0);
            } else {
                a64_sub_imm(b, A64_W, n, n, 1);
                (op == X64_SHR ? a64_lsrv : a64_asrv)(b, t.s, c, a, n);
                take_bit(cx, c, c, 0);
                if (op == X64_SHR)
                    take_bit(cx, v, r, t.bits - 2);
                else
                    a64_mov_const(b, A64_W, v, 0);
            }
            set_nz(cx, &t, r);
            merge_carry_overflow(cx, c, v);
        }
        if (cx->live & FLAGS_PA) {
            a64_mov_reg(b, A64_X, X23, r);
            a64_mov_reg(b, A64_X, X24, r);
        }
    }
    finish_by_cl(cx, &t, r, skip);
    return true;
}

bool lower_shift(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *count = &insn->opd[1];
    if (count->kind != X64_OPD_IMM)
        return shift_by_cl(cx, insn);
    return shift_constant(cx, insn, (unsigned)count->value & (insn->opd[0].size == 8 ? 63 : 31));
}

// ---- ROL ROR
// The old value twice in a row, so that a plain shift of a W register rotates 8 or 16 bits.
static a64_reg doubled(struct lower_context *cx, const struct target *t)
{
    a64_reg d = lower_temp(cx);
    a64_ubfx(cx->b, A64_W, d, t->old, 0, t->bits);
    a64_orr_reg(cx->b, A64_W, d, d, d, A64_LSL, t->bits);
    if (t->bits == 8)
        a64_orr_reg(cx->b, A64_W, d, d, d, A64_LSL, 16);
    return d;
}

// CF and OF of a rotation from its result.
static void rotate_flags(struct lower_context *cx, bool left, const struct target *t, a64_reg r, a64_reg c, a64_reg v)
{
    take_bit(cx, c, r, left ? 0 : t->bits - 1);
    if (v == A64_SP)
        return;
    a64_eor_reg(cx->b, A64_X, v, r, r, left ? A64_LSR : A64_LSL, left ? t->bits - 1 : 1);   // left: bit 0 ^ top; right: top ^ next
    take_bit(cx, v, v, left ? 0 : t->bits - 1);
}

bool lower_rotate(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    const struct x64_operand *opd = &insn->opd[0], *count = &insn->opd[1];
    bool left = insn->op == X64_ROL, constant = count->kind == X64_OPD_IMM, flags = cx->live & (X64_CF | X64_OF);
    unsigned n = constant ? (unsigned)count->value & (opd->size == 8 ? 63 : 31) : 0;
    if (!constant && flags)
        canonical_now(cx, opd->kind == X64_OPD_MEM);
    struct target t = begin(cx, insn);
    if (constant && n == 0) {
        nothing_changes(cx, &t);
        return true;
    }
    a64_reg a = t.bytes < 4 ? doubled(cx, &t) : t.old;
    a64_reg r = t.memory || (flags && !constant) ? lower_temp(cx) : lower_destination(cx, opd);
    if (constant) {
        unsigned right = left ? (t.bits - n % t.bits) % t.bits : n % t.bits;
        a64_extr(b, t.s, r, a, a, right);
    } else {
        a64_reg by = lower_gpr(X64_RCX);
        if (left) {
            by = lower_temp(cx);
            a64_sub_reg(b, A64_W, by, A64_ZR, lower_gpr(X64_RCX), A64_LSL, 0);
        }
        a64_rorv(b, t.s, r, a, by);
    }
    if (t.memory)
        lower_rmw_end(cx, &t.rmw, r);
    if (!flags) {
        if (!t.memory)
            lower_write(cx, opd, r);
        return true;
    }
    uint32_t skip = lower_label(cx);
    if (!constant) {
        lower_cbz(cx, A64_W, masked_count(cx, t.bits), skip);
        a64_reg c = lower_temp(cx), v = lower_temp(cx);
        rotate_flags(cx, left, &t, r, c, v);
        merge_carry_overflow(cx, c, v);
    } else if (cx->live & X64_OF) {
        if (cx->flags.nz == NZ_FCMP)
            lower_flags_to_hw(cx, cx->live | X64_OF, CF_INVERTED);
        a64_extr(b, t.s, X7, r, r, (t.bytes == 8 ? 64 : 32) - (left ? 1 : 2));      // what was rotated out last, and its neighbour
        lower_flags_rotate(cx);
    } else {
        lower_carry_detach(cx);
        rotate_flags(cx, left, &t, r, X7, A64_SP);
        lower_flags_cf_x7(cx);
    }
    finish_by_cl(cx, &t, r, skip);
    return true;
}

// ---- RCL RCR: one bit at a time through a carry register; counts over one are rare
bool lower_rotate_carry(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    const struct x64_operand *opd = &insn->opd[0], *count = &insn->opd[1];
    bool left = insn->op == X64_RCL, constant = count->kind == X64_OPD_IMM, flags = cx->live & (X64_CF | X64_OF);
    unsigned n = constant ? (unsigned)count->value & (opd->size == 8 ? 63 : 31) : 0;
    if (flags) {
        uint16_t live = cx->live;
        cx->live |= X64_CF;
        canonical_now(cx, opd->kind == X64_OPD_MEM);
        cx->live = live;
    }
    a64_reg c = lower_temp(cx);
    a64_reg carry = lower_cf_bit(cx);
    struct target t = { .opd = opd, .bytes = opd->size, .bits = opd->size * 8, .s = lower_size(opd->size), .memory = opd->kind == X64_OPD_MEM };
    a64_reg r = lower_temp(cx), bit = lower_temp(cx), by = lower_temp(cx);
    if (t.memory) {
        t.rmw = lower_rmw_begin(cx, insn, t.bytes);
        a64_mov_reg(b, A64_X, r, t.rmw.old);
    } else {
        a64_reg old = opd->kind == X64_OPD_GPR8_HIGH ? lower_gpr(opd->reg) : lower_read(cx, opd);
        a64_ubfx(b, A64_X, r, old, opd->kind == X64_OPD_GPR8_HIGH ? 8 : 0, t.bits);
    }
    a64_mov_reg(b, A64_X, c, carry);
    if (constant)
        a64_mov_const(b, A64_W, by, n);
    else
        a64_and_imm(b, A64_W, by, lower_gpr(X64_RCX), t.bits == 64 ? 63 : 31);
    uint32_t again = lower_label(cx), done = lower_label(cx), skip = lower_label(cx);
    lower_cbz(cx, A64_W, by, done);
    lower_bind(cx, again);
    if (left) {
        take_bit(cx, bit, r, t.bits - 1);
        a64_orr_reg(b, A64_X, r, c, r, A64_LSL, 1);
    } else {
        take_bit(cx, bit, r, 0);
        a64_lsr_imm(b, A64_X, r, r, 1);
        a64_bfi(b, A64_X, r, c, t.bits - 1, 1);
    }
    a64_mov_reg(b, A64_X, c, bit);
    a64_sub_imm(b, A64_W, by, by, 1);
    lower_cbnz(cx, A64_W, by, again);
    lower_bind(cx, done);
    if (t.memory)
        lower_rmw_end(cx, &t.rmw, r);
    if (flags) {
        if (constant && n == 0)
            lower_b(cx, skip);
        else if (!constant) {
            a64_and_imm(b, A64_W, by, lower_gpr(X64_RCX), t.bits == 64 ? 63 : 31);
            lower_cbz(cx, A64_W, by, skip);
        }
        take_bit(cx, bit, r, t.bits - 1);
        if (left)
            a64_eor_reg(b, A64_W, bit, bit, c, A64_LSL, 0);
        else {
            a64_eor_reg(b, A64_X, bit, r, r, A64_LSL, 1);
            take_bit(cx, bit, bit, t.bits - 1);
        }
        cx->temps = 5;                              // c, carry, r, bit, by stay; the address does not
        merge_carry_overflow(cx, c, bit);
    }
    finish_by_cl(cx, &t, r, skip);
    return true;
}

// ---- SHLD SHRD
static void double_shift_value(struct lower_context *cx, bool left, const struct target *t, a64_reg d, a64_reg fill, unsigned n)
{
    struct a64_buf *b = cx->b;
    if (t->bytes >= 4) {
        if (left)
            a64_extr(b, t->s, d, t->old, fill, t->bits - n);
        else
            a64_extr(b, t->s, d, fill, t->old, n);
        return;
    }
    a64_reg pair = lower_temp(cx);                  // 32 bits of both; the result is 16 of them
    a64_mov_reg(b, A64_W, pair, left ? fill : t->old);
    a64_bfi(b, A64_W, pair, left ? t->old : fill, 16, 16);
    a64_extr(b, A64_W, d, pair, pair, left ? (48 - n) & 31 : n);
}

// OF into bit 0 of v: carry ^ top bit of the result to the left, its two top bits to the right.
static void double_shift_overflow(struct lower_context *cx, bool left, const struct target *t, a64_reg v, a64_reg r, a64_reg carry)
{
    struct a64_buf *b = cx->b;
    if (left) {
        take_bit(cx, v, r, t->bits - 1);
        a64_eor_reg(b, A64_X, v, v, carry, A64_LSL, 0);
    } else {
        a64_eor_reg(b, A64_X, v, r, r, A64_LSL, 1);
        take_bit(cx, v, v, t->bits - 1);
    }
}

bool lower_double_shift(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    const struct x64_operand *opd = &insn->opd[0], *count = &insn->opd[2];
    bool left = insn->op == X64_SHLD, constant = count->kind == X64_OPD_IMM, flags = cx->live & X64_ARITH_FLAGS;
    unsigned n = constant ? (unsigned)count->value & (opd->size == 8 ? 63 : 31) : 0;
    a64_reg fill = lower_read(cx, &insn->opd[1]);
    if (!constant && flags)
        canonical_now(cx, opd->kind == X64_OPD_MEM);
    struct target t = begin(cx, insn);
    if (constant && n == 0) {
        nothing_changes(cx, &t);
        return true;
    }
    a64_reg r = lower_temp(cx);
    if (constant) {
        double_shift_value(cx, left, &t, r, fill, n);
        if (t.memory)
            lower_rmw_end(cx, &t.rmw, r);
        enum lower_cf cf = CF_ZERO;
        if (cx->live & (X64_CF | X64_OF)) {
            unsigned bit = left ? (t.bits - n) & (t.bits - 1) : (n - 1) & (t.bits - 1);
            take_bit(cx, X7, t.old, bit);
            cf = CF_X7;
            if (cx->live & X64_OF) {
                a64_reg v = lower_temp(cx);
                double_shift_overflow(cx, left, &t, v, r, X7);
                a64_orr_reg(b, A64_X, X7, v, X7, A64_LSL, 1);
                cf = CF_X7_SHR1;
            }
        }
        settle(cx, &t, r);
        cx->flags.cf = (uint8_t)cf;
        return true;
    }
    a64_reg by = masked_count(cx, t.bits), u = lower_temp(cx), other = lower_temp(cx);
    if (t.bytes >= 4) {
        a64_orn_reg(b, A64_W, other, A64_ZR, by, A64_LSL, 0);       // bits - 1 - count, modulo bits
        (left ? a64_lsr_imm : a64_lsl_imm)(b, t.s, u, fill, 1);
        (left ? a64_lsrv : a64_lslv)(b, t.s, u, u, other);
        (left ? a64_lslv : a64_lsrv)(b, t.s, r, t.old, by);
        a64_orr_reg(b, t.s, r, r, u, A64_LSL, 0);
    } else {
        a64_mov_reg(b, A64_W, u, left ? fill : t.old);
        a64_bfi(b, A64_W, u, left ? t.old : fill, 16, 16);
        if (left) {
            a64_mov_const(b, A64_W, other, 16);
            a64_sub_reg(b, A64_W, other, other, by, A64_LSL, 0);
            a64_rorv(b, A64_W, r, u, other);
        } else {
            a64_rorv(b, A64_W, r, u, by);
        }
    }
    if (t.memory)
        lower_rmw_end(cx, &t.rmw, r);
    uint32_t skip = lower_label(cx);
    if (flags) {
        lower_cbz(cx, A64_W, by, skip);
        if (cx->live & FLAGS_NZC) {
            if (left) {
                a64_mov_const(b, A64_W, other, t.bits);
                a64_sub_reg(b, A64_W, by, other, by, A64_LSL, 0);
            } else {
                a64_sub_imm(b, A64_W, by, by, 1);
            }
            a64_lsrv(b, t.s, by, t.old, by);
            take_bit(cx, by, by, 0);
            double_shift_overflow(cx, left, &t, u, r, by);
            set_nz(cx, &t, r);
            merge_carry_overflow(cx, by, u);
        }
        if (cx->live & FLAGS_PA) {
            a64_mov_reg(b, A64_X, X23, r);
            a64_mov_reg(b, A64_X, X24, r);
        }
    }
    finish_by_cl(cx, &t, r, skip);
    return true;
}
