// SPDX-License-Identifier: MIT
// SHL SHR SAR ROL ROR RCL RCR SHLD SHRD.
//
// A count of zero changes no flag. With a constant count CF goes to x7 and the result gives SF, ZF and PF lazily. With the count in
// cl the flags are brought where the path on which the count is not zero leaves them: shifts have SF, ZF and OF in NZCV, CF in x7 and PF
// in x23 (AF is undefined: x24 stays), rotates CF and OF in x7 (CF_X7_ROTATE) and leave the others alone.
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
            if (n < t->bits)
                a64_ubfx(b, A64_W, X7, t->old, t->bits - n - 1, 2);     // CF and what becomes the top bit
            else
                a64_lsl_imm(b, A64_W, X7, t->old, 1);
            return CF_X7_ROTATE;
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
    if (op == X64_SHL && lower_width(cx, from) + n < t.bits) {     // CF = OF = 0
        a64_lsl_imm(cx->b, t.s, d, from, n);
        op = X64_SHR;
    } else if (op == X64_SHL) {                     // twice the value shifted one less: ADDS gives CF and OF
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

// A register operand whose count may turn out to be zero: what happens to it then, before it is known.
static void extend(struct lower_context *cx, const struct target *t)
{
    if (t->memory || t->bytes != 4)
        return;
    if (!lower_is_low(t->opd))
        lower_write(cx, t->opd, t->old);
    else if (lower_width(cx, t->old) > 32)
        a64_mov_reg(cx->b, A64_W, t->old, t->old);
}

// Where a result is computed whose register has had its old value until now.
static a64_reg in_place(struct lower_context *cx, const struct target *t)
{
    return !t->memory && t->bytes >= 4 && lower_is_low(t->opd) ? t->old : lower_temp(cx);
}

// The flags of a shift by n, which is not zero, and the result, into d: from the value shifted by n - 1. Of a memory operand
// the result is there already.
static void shift_flags_by_cl(struct lower_context *cx, enum x64_op op, const struct target *t, a64_reg a, a64_reg n, a64_reg d)
{
    struct a64_buf *b = cx->b;
    a64_reg c = lower_temp(cx), to = t->memory ? A64_ZR : d;
    a64_sub_imm(b, A64_W, n, n, 1);
    (op == X64_SHL ? a64_lslv : op == X64_SHR ? a64_lsrv : a64_asrv)(b, t->s, c, a, n);
    if (op == X64_SHL && t->bytes >= 4) {
        a64_adds_reg(b, t->s, to, c, c, A64_LSL, 0);
    } else if (op == X64_SHL) {
        a64_lsl_imm(b, A64_W, n, c, 32 - t->bits);
        a64_adds_reg(b, A64_W, n, n, n, A64_LSL, 0);
        if (!t->memory)
            a64_lsl_imm(b, A64_W, d, c, 1);
    } else if (op == X64_SAR) {
        a64_adds_reg(b, t->s, to, A64_ZR, c, A64_ASR, 1);
    } else if (t->bytes >= 4) {                 // 2 r - r: OF is what r + r would overflow to, N = 0
        a64_and_imm(b, t->s, n, c, t->s == A64_X ? ~1ull : 0xfffffffe);
        a64_subs_reg(b, t->s, to, n, n, A64_LSR, 1);
    } else {
        if (!t->memory)
            a64_lsr_imm(b, A64_W, d, c, 1);
        a64_lsl_imm(b, A64_W, n, d, 33 - t->bits);
        a64_subs_reg(b, A64_W, A64_ZR, n, n, A64_LSR, 1);
    }
    if (cx->live & X64_CF && op == X64_SHL)
        a64_cset(b, A64_W, X7, A64_CS);
    else if (cx->live & X64_CF)
        a64_and_imm(b, A64_W, X7, c, 1);
    if (cx->live & FLAGS_PA && d != X23)
        a64_mov_reg(b, A64_X, X23, d);
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
    bool to_x23 = flags && narrow && !t.memory && cx->live & FLAGS_PA;      // where PF comes from
    a64_reg r = to_x23 ? X23 : flags ? in_place(cx, &t) : result_register(cx, &t);
    if (t.memory || !flags)
        (op == X64_SHL ? a64_lslv : op == X64_SHR ? a64_lsrv : a64_asrv)(b, t.s, r, a, count);
    if (t.memory)
        lower_rmw_end(cx, &t.rmw, r);
    if (!flags) {
        if (!t.memory)
            lower_write(cx, opd, r);
        return true;
    }
    uint32_t skip = lower_label(cx);
    if (cx->live & X64_CF) {
        a64_cset(b, A64_W, X7, A64_CC);
        lower_flags_cf_x7(cx);
    }
    extend(cx, &t);
    a64_reg n = masked_count(cx, t.bits);
    lower_cbz(cx, A64_W, n, skip);
    shift_flags_by_cl(cx, op, &t, a, n, r);
    if (!t.memory)
        lower_write(cx, opd, r);
    lower_bind(cx, skip);
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
// Eight or sixteen bits, rotated to the left and zero-extended.
static a64_reg rotated(struct lower_context *cx, const struct target *t, unsigned n)
{
    a64_reg r = lower_temp(cx);
    n %= t->bits;
    a64_ubfx(cx->b, A64_W, r, t->old, t->bits - (n ? n : t->bits), n ? n : t->bits);
    if (n)
        a64_bfi(cx->b, A64_W, r, t->old, n, t->bits - n);
    return r;
}

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

// CF and, if it is live, OF as they are to x7, for a rotation whose count may be zero.
static void carry_to_x7(struct lower_context *cx)
{
    struct lower_flags *f = &cx->flags;
    if (!(cx->live & X64_OF)) {
        lower_cf_to_x7(cx);
        if (f->cf == CF_ZERO) {
            a64_mov_reg(cx->b, A64_W, X7, A64_ZR);
            lower_flags_cf_x7(cx);
        }
        return;
    }
    if (f->cf == CF_X7_ROTATE)
        return;
    lower_flags_to_hw(cx, cx->live | X64_CF, CF_INVERTED);
    a64_cset(cx->b, A64_W, X7, A64_VS);
    a64_csinv(cx->b, A64_W, X7, X7, X7, A64_CS);
    lower_flags_rotate(cx);
}

// x7 is about to get CF, and OF if that is live, of a rotation that certainly changes them.
static void carry_changes(struct lower_context *cx)
{
    if (cx->live & X64_OF && cx->flags.nz == NZ_FCMP)
        lower_flags_to_hw(cx, cx->live | X64_OF, CF_INVERTED);
    else if (!(cx->live & X64_OF))
        lower_carry_detach(cx);
}

static void carry_changed(struct lower_context *cx)
{
    if (cx->live & X64_OF)
        lower_flags_rotate(cx);
    else
        lower_flags_cf_x7(cx);
}

// CF and OF of a rotation from its result: what was rotated out last, and its neighbour. once: r is 8 or 16 bits and zeroes, not `doubled`.
static void rotate_flags(struct lower_context *cx, bool left, const struct target *t, a64_reg r, bool once)
{
    if (!(cx->live & X64_OF)) {
        take_bit(cx, X7, r, left ? 0 : t->bits - 1);
    } else if (!once) {
        a64_extr(cx->b, t->s, X7, r, r, (t->bytes == 8 ? 64 : 32) - (left ? 1 : 2));
    } else {
        a64_lsr_imm(cx->b, A64_W, X7, r, t->bits - (left ? 1 : 2));
        if (left)
            a64_orr_reg(cx->b, A64_W, X7, X7, r, A64_LSL, 1);
    }
}

bool lower_rotate(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    const struct x64_operand *opd = &insn->opd[0], *count = &insn->opd[1];
    bool left = insn->op == X64_ROL, constant = count->kind == X64_OPD_IMM, flags = cx->live & (X64_CF | X64_OF);
    unsigned n = constant ? (unsigned)count->value & (opd->size == 8 ? 63 : 31) : 0;
    struct target t = begin(cx, insn);
    if (constant && n == 0) {
        nothing_changes(cx, &t);
        return true;
    }
    bool narrow = t.bytes < 4;
    a64_reg a = narrow && !constant ? doubled(cx, &t) : t.old, masked = A64_ZR;
    a64_reg r = narrow && constant ? rotated(cx, &t, left ? n : t.bits - n % t.bits) : result_register(cx, &t);
    if (constant && !narrow) {
        unsigned right = left ? (t.bits - n % t.bits) % t.bits : n % t.bits;
        a64_extr(b, t.s, r, a, a, right);
    } else if (!constant) {
        a64_reg by = lower_gpr(X64_RCX);
        if (flags)
            masked = masked_count(cx, t.bits);
        if (left) {
            by = lower_temp(cx);
            a64_sub_reg(b, A64_W, by, A64_ZR, lower_gpr(X64_RCX), A64_LSL, 0);
        }
        a64_rorv(b, t.s, r, a, by);
    }
    if (t.memory)
        lower_rmw_end(cx, &t.rmw, r);
    if (flags && constant) {
        carry_changes(cx);
        rotate_flags(cx, left, &t, r, narrow);
        carry_changed(cx);
    } else if (flags) {
        uint32_t skip = lower_label(cx);
        carry_to_x7(cx);
        lower_cbz(cx, A64_W, masked, skip);
        rotate_flags(cx, left, &t, r, false);
        lower_bind(cx, skip);
    }
    if (!t.memory)
        lower_write(cx, opd, r);
    return true;
}

// ---- RCL RCR: the operand and CF are one number of 9, 17, 33 or 65 bits
struct turn {
    bool left, constant;
    bool nzcv;                      // a constant to the right: CF and OF go to NZCV, where the other flags are
    unsigned n;                     // constant; more than 9 or 17 is possible
    a64_reg count;                  // else, not zero; is lost
    a64_reg carry, old;             // before
    a64_reg last;                   // 32 and 64 bits: what is shifted out last, so CF, in bit 0
    a64_reg u;                      // scratch
};

// 8 and 16 bits: the number several times in a row, so that a shift turns it. Its CF is bit `bits` of the result.
static void turn_narrow(struct lower_context *cx, const struct target *t, const struct turn *c, a64_reg r)
{
    struct a64_buf *b = cx->b;
    unsigned width = t->bits + 1, n = c->constant ? c->n % width : 0;
    a64_ubfx(b, A64_X, r, c->old, 0, t->bits);
    a64_orr_reg(b, A64_X, r, r, c->carry, A64_LSL, t->bits);
    if (c->constant) {
        a64_orr_reg(b, A64_X, r, r, r, A64_LSL, width);
        a64_lsr_imm(b, A64_X, r, r, c->left && n ? width - n : n);
        return;
    }
    if (t->bits == 8) {                                         // five times, or three, are enough for a count of 31
        a64_orr_reg(b, A64_X, c->u, r, r, A64_LSL, width);
        a64_orr_reg(b, A64_X, r, r, c->u, A64_LSL, width);
        a64_orr_reg(b, A64_X, r, c->u, r, A64_LSL, 2 * width);
    } else {
        a64_orr_reg(b, A64_X, c->u, r, r, A64_LSL, width);
        a64_orr_reg(b, A64_X, r, c->u, r, A64_LSL, 2 * width);
    }
    if (c->left) {
        a64_mov_const(b, A64_W, c->u, (t->bits == 8 ? 4 : 2) * width);
        a64_sub_reg(b, A64_W, c->count, c->u, c->count, A64_LSL, 0);
    }
    a64_lsrv(b, A64_X, r, r, c->count);
}

static void turn_wide(struct lower_context *cx, const struct target *t, const struct turn *c, a64_reg r)
{
    struct a64_buf *b = cx->b;
    a64_reg a = c->old, u = c->u, last = c->last;
    if (c->constant && c->left)
        a64_lsr_imm(b, t->s, last, a, t->bits - c->n);
    else if (c->constant && !c->nzcv)
        a64_lsr_imm(b, t->s, last, a, c->n - 1);
    else if (!c->constant) {
        if (c->left)
            a64_sub_reg(b, A64_W, u, A64_ZR, c->count, A64_LSL, 0);
        else
            a64_sub_imm(b, A64_W, u, c->count, 1);
        a64_lsrv(b, t->s, last, a, u);
    }
    a64_orr_reg(b, t->s, u, c->carry, a, A64_LSL, 1);           // CF comes in behind the operand
    if (c->constant && c->left) {
        a64_lsr_imm(b, t->s, r, last, 1);
        a64_orr_reg(b, t->s, r, r, u, A64_LSL, c->n - 1);
    } else if (c->constant) {
        a64_extr(b, t->s, r, u, a, c->n);
    } else {
        if (c->left)
            a64_sub_imm(b, A64_W, c->count, c->count, 1);
        else
            a64_sub_reg(b, A64_W, c->count, A64_ZR, c->count, A64_LSL, 0);
        a64_lslv(b, t->s, u, u, c->count);
        a64_orr_reg(b, t->s, r, u, last, A64_LSR, 1);
    }
}

// To x7 CF and, if it is live, bit 0 is CF ^ OF (CF_X7_ROTATE). To the left OF is CF ^ top bit of the result, to the right the two top bits.
static void turn_flags(struct lower_context *cx, const struct target *t, const struct turn *c, a64_reg r)
{
    struct a64_buf *b = cx->b;
    unsigned top = t->bits - 1;
    bool narrow = t->bytes < 4;
    if (c->nzcv) {                              // CF and the top bits of the result are neighbours; u: carry and the old operand
        a64_reg from = narrow ? r : c->u;
        unsigned second = narrow ? top : c->n - 1;
        a64_eor_reg(b, A64_X, c->last, from, from, A64_LSL, 1);
        a64_rmif(b, c->last, second, 1);
        a64_rmif(b, from, second, 2);
    } else if (!(cx->live & X64_OF)) {
        take_bit(cx, X7, narrow ? r : c->last, narrow ? t->bits : 0);
    } else if (c->left && narrow) {
        a64_lsr_imm(b, A64_X, X7, r, top);
    } else if (c->left) {
        a64_extr(b, t->s, X7, c->last, r, top);
    } else if (narrow) {
        a64_eor_reg(b, A64_X, c->u, r, r, A64_LSL, 1);
        a64_eor_reg(b, A64_X, c->u, c->u, r, A64_LSR, 1);
        a64_lsr_imm(b, A64_X, X7, r, top);
        a64_bfxil(b, A64_X, X7, c->u, top, 1);
    } else {
        a64_eor_reg(b, t->s, c->u, r, r, A64_LSL, 1);
        a64_eor_reg(b, t->s, c->u, c->u, c->last, A64_LSL, top);
        a64_extr(b, t->s, X7, c->last, c->u, top);
    }
}

// By one: all comes from the operand and CF.
static void turn_one(struct lower_context *cx, const struct target *t, const struct turn *c, a64_reg r)
{
    struct a64_buf *b = cx->b;
    if (c->left) {
        a64_orr_reg(b, t->s, r, c->carry, c->old, A64_LSL, 1);
    } else if (t->bytes >= 4) {
        a64_extr(b, t->s, r, c->carry, c->old, 1);
    } else {
        a64_ubfx(b, A64_W, c->u, c->old, 1, t->bits - 1);
        a64_orr_reg(b, A64_W, r, c->u, c->carry, A64_LSL, t->bits - 1);
    }
}

static void turn_one_flags(struct lower_context *cx, const struct target *t, const struct turn *c)
{
    struct a64_buf *b = cx->b;
    unsigned top = t->bits - 1;
    if (!(cx->live & X64_OF)) {
        take_bit(cx, X7, c->old, c->left ? top : 0);
    } else if (c->left) {
        a64_lsr_imm(b, t->s, X7, c->old, top - 1);
    } else {
        a64_eor_reg(b, t->s, X7, c->carry, c->old, A64_LSR, top);
        a64_eor_reg(b, t->s, X7, X7, c->old, A64_LSL, 0);
        a64_bfi(b, t->s, X7, c->old, 1, 1);
    }
}

static bool turn_constant(struct lower_context *cx, const struct target *t, struct turn *c)
{
    bool flags = cx->live & (X64_CF | X64_OF), one = c->n == 1;
    if (one && flags && !t->memory) {           // before the operand changes
        if (c->carry == X7) {
            c->carry = c->last;
            a64_mov_reg(cx->b, A64_W, c->carry, X7);
        }
        carry_changes(cx);
        turn_one_flags(cx, t, c);
        carry_changed(cx);
    }
    c->nzcv = flags && !one && !c->left && cx->config->features.flagm && cx->flags.nz == NZ_HW && (cx->flags.cf == CF_INVERTED || cx->flags.cf == CF_DIRECT);
    a64_reg r = in_place(cx, t);
    (one ? turn_one : t->bytes < 4 ? turn_narrow : turn_wide)(cx, t, c, r);
    if (t->memory)
        lower_rmw_end(cx, &t->rmw, r);
    if (flags && (t->memory || !one)) {
        carry_changes(cx);
        if (one)
            turn_one_flags(cx, t, c);
        else
            turn_flags(cx, t, c, r);
        if (c->nzcv)
            lower_flags_hw(cx, CF_DIRECT);
        else
            carry_changed(cx);
    }
    if (!t->memory)
        lower_write(cx, t->opd, r);
    return true;
}

bool lower_rotate_carry(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *opd = &insn->opd[0], *count = &insn->opd[1];
    bool flags = cx->live & (X64_CF | X64_OF), memory = opd->kind == X64_OPD_MEM, constant = count->kind == X64_OPD_IMM;
    struct turn c = { .left = insn->op == X64_RCL, .constant = constant, .n = constant ? (unsigned)count->value & (opd->size == 8 ? 63 : 31) : 0,
                      .last = lower_temp(cx), .u = lower_temp(cx) };
    if (flags && !constant && !memory)          // then one branch is enough
        carry_to_x7(cx);
    c.carry = lower_cf_bit(cx);
    c.count = constant ? A64_ZR : masked_count(cx, opd->size * 8);
    a64_reg r = memory && !constant ? lower_temp(cx) : A64_ZR;
    uint8_t own = cx->temps;
    struct target t = begin(cx, insn);
    c.old = t.old;
    if (constant && !c.n) {
        nothing_changes(cx, &t);
        return true;
    }
    if (constant)
        return turn_constant(cx, &t, &c);
    uint32_t skip = lower_label(cx);
    if (memory)
        a64_mov_reg(cx->b, A64_X, r, t.old);
    else
        r = in_place(cx, &t);
    extend(cx, &t);
    lower_cbz(cx, A64_W, c.count, skip);
    (t.bytes < 4 ? turn_narrow : turn_wide)(cx, &t, &c, r);
    if (memory) {
        lower_bind(cx, skip);
        lower_rmw_end(cx, &t.rmw, r);
        if (!flags)
            return true;
        skip = lower_label(cx);
        cx->temps = own;                        // neither the address nor what was there
        carry_to_x7(cx);
        a64_and_imm(cx->b, A64_W, c.count, lower_gpr(X64_RCX), t.bits == 64 ? 63 : 31);
        lower_cbz(cx, A64_W, c.count, skip);
    }
    if (flags)
        turn_flags(cx, &t, &c, r);
    if (!memory)
        lower_write(cx, opd, r);
    lower_bind(cx, skip);
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

// CF and OF of a shift by a constant into x7. OF: to the left CF ^ top bit of the result, to the right the result's two top bits.
static enum lower_cf double_shift_carry(struct lower_context *cx, bool left, const struct target *t, a64_reg r, unsigned n)
{
    struct a64_buf *b = cx->b;
    unsigned top = t->bits - 1;
    if (!(cx->live & (X64_CF | X64_OF)))
        return CF_ZERO;
    if (left && cx->live & X64_OF) {                // CF and what becomes the top bit are neighbours
        if (n <= top)
            a64_lsr_imm(b, t->s, X7, t->old, top - n);
        else                                        // 16 bits by 16 or more: undefined
            a64_lsl_imm(b, t->s, X7, t->old, 1);
        return CF_X7_ROTATE;
    }
    take_bit(cx, X7, t->old, left ? (t->bits - n) & top : (n - 1) & top);
    if (!(cx->live & X64_OF))
        return CF_X7;
    a64_reg v = lower_temp(cx);
    a64_eor_reg(b, A64_X, v, r, r, A64_LSL, 1);
    take_bit(cx, v, v, top);
    a64_orr_reg(b, A64_X, X7, v, X7, A64_LSL, 1);
    return CF_X7_SHR1;
}

// By a count that may be zero: CF and OF to x7, both of them always, for one form of the flags behind it.
static void flags_before_double_shift(struct lower_context *cx)
{
    if (!(cx->live & (X64_CF | X64_OF)))
        return;
    a64_cset(cx->b, A64_W, X7, A64_VS);
    a64_csinv(cx->b, A64_W, X7, X7, X7, A64_CS);
    lower_flags_rotate(cx);
}

// CF in bit 0.
static void last_out(struct lower_context *cx, bool left, const struct target *t, a64_reg last, a64_reg by)
{
    if (left && t->bytes < 4) {
        a64_mov_const(cx->b, A64_W, last, t->bits);
        a64_sub_reg(cx->b, A64_W, last, last, by, A64_LSL, 0);
    } else if (left) {
        a64_sub_reg(cx->b, A64_W, last, A64_ZR, by, A64_LSL, 0);
    } else {
        a64_sub_imm(cx->b, A64_W, last, by, 1);
    }
    a64_lsrv(cx->b, t->s, last, t->old, last);
}

// CF_X7_ROTATE: CF and CF ^ OF.
static void double_shift_flags(struct lower_context *cx, bool left, const struct target *t, a64_reg r, a64_reg last, a64_reg u)
{
    struct a64_buf *b = cx->b;
    unsigned top = t->bits - 1;
    if (!left) {
        a64_eor_reg(b, t->s, u, r, r, A64_LSL, 1);
        a64_eor_reg(b, t->s, u, u, last, A64_LSL, top);
        r = u;
    }
    if (t->bytes >= 4) {
        a64_extr(b, t->s, X7, last, r, top);
    } else {
        a64_lsr_imm(b, A64_W, X7, r, top);
        a64_bfi(b, A64_W, X7, last, 1, 1);
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
    if (constant) {
        bool early = !t.memory && (left || !(cx->live & X64_OF));       // CF and OF from the old value, which the result may replace
        enum lower_cf cf = early ? double_shift_carry(cx, left, &t, A64_ZR, n) : CF_ZERO;
        a64_reg r = early ? result_register(cx, &t) : lower_temp(cx);
        double_shift_value(cx, left, &t, r, fill, n);
        if (t.memory)
            lower_rmw_end(cx, &t.rmw, r);
        if (!early)
            cf = double_shift_carry(cx, left, &t, r, n);
        settle(cx, &t, r);
        cx->flags.cf = (uint8_t)cf;
        return true;
    }
    a64_reg r = lower_temp(cx);
    uint32_t skip = lower_label(cx);
    a64_reg by = masked_count(cx, t.bits), u = lower_temp(cx), other = lower_temp(cx), last = lower_temp(cx);
    if (flags && !t.memory) {                       // else behind the store
        flags_before_double_shift(cx);
        extend(cx, &t);
        lower_cbz(cx, A64_W, by, skip);
        last_out(cx, left, &t, last, by);
        r = in_place(cx, &t);
    }
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
    if (flags) {
        if (t.memory) {
            flags_before_double_shift(cx);
            lower_cbz(cx, A64_W, by, skip);
            last_out(cx, left, &t, last, by);
        }
        if (cx->live & FLAGS_NZ)
            set_nz(cx, &t, r);
        if (cx->live & (X64_CF | X64_OF))
            double_shift_flags(cx, left, &t, r, last, u);
        if (cx->live & FLAGS_PA)
            a64_mov_reg(b, A64_X, X23, r);
    }
    if (!t.memory)
        lower_write(cx, opd, r);
    lower_bind(cx, skip);
    return true;
}
