// SPDX-License-Identifier: MIT
// Where the x64 flags are, and how to get them elsewhere. The representation is in context.h (struct lower_flags).
//
// A `mask` below always names the flags that must survive; all others may be lost. That is what makes the short sequences
// possible: with only CF to keep, its polarity is turned in two instructions, with all flags in three.
#include "emu/lower/width.h"

enum { CF_BIT = 29, OF_BIT = 28, X7 = 7, X23 = 23, X24 = 24 };

static bool from_register(const struct lower_flags *f)
{
    return f->nz == NZ_LOGIC || f->nz == NZ_INC || f->nz == NZ_DEC;
}

static bool is_narrow(const struct lower_flags *f)
{
    return f->nz == NZ_LOGIC && f->cf == CF_NARROW;
}

// OF comes from what CF comes from.
static bool overflow_with_carry(const struct lower_flags *f)
{
    return f->cf == CF_X7_ROTATE ||
           (f->nz == NZ_LOGIC && (f->cf == CF_X7_SHR1 || f->cf == CF_X7_MUL || f->cf == CF_NARROW));
}

const struct lower_flags lower_flags_at_entry = { .nz = NZ_HW, .cf = CF_INVERTED, .pa = PA_CANONICAL };

// ---- what instructions leave
void lower_flags_hw(struct lower_context *cx, enum lower_cf cf)
{
    cx->flags.nz = NZ_HW;
    cx->flags.cf = (uint8_t)cf;
    cx->flags.hw_too = false;
}

void lower_flags_logic(struct lower_context *cx, a64_reg r, unsigned size)
{
    cx->flags.nz = NZ_LOGIC;
    cx->flags.nz_reg = r;
    cx->flags.nz_size = (uint8_t)lower_log2(size);
    cx->flags.cf = CF_ZERO;
    cx->flags.hw_too = false;
}

void lower_flags_narrow(struct lower_context *cx, unsigned size, bool subs)
{
    lower_flags_logic(cx, X23, size);
    cx->flags.cf = CF_NARROW;
    cx->flags.hw_zc = subs;
}

void lower_flags_count(struct lower_context *cx, bool dec, a64_reg r, unsigned size)
{
    if (cx->flags.cf == CF_X7_ROTATE)
        cx->flags.cf = CF_ZERO;         // nobody looks
    cx->flags.nz = dec ? NZ_DEC : NZ_INC;
    cx->flags.nz_reg = r;
    cx->flags.nz_size = (uint8_t)lower_log2(size);
    cx->flags.hw_too = false;
}

void lower_flags_rotate(struct lower_context *cx)
{
    struct lower_flags *f = &cx->flags;
    if (f->nz == NZ_INC || f->nz == NZ_DEC)
        f->nz = NZ_LOGIC;               // as far as SF and ZF go
    f->cf = CF_X7_ROTATE;
    f->hw_too = f->hw_zc = false;
}

void lower_carry_detach(struct lower_context *cx)
{
    const struct lower_flags *f = &cx->flags;
    if (f->nz == NZ_FCMP || (overflow_with_carry(f) && cx->live & X64_OF))
        lower_flags_to_hw(cx, cx->live | X64_CF, CF_INVERTED);
}

void lower_flags_fcmp(struct lower_context *cx)
{
    cx->flags = (struct lower_flags){ .nz = NZ_FCMP, .pa = PA_FCMP };
}

void lower_flags_cf_x7(struct lower_context *cx)
{
    cx->flags.cf = CF_X7;
}

void lower_pa(struct lower_context *cx, enum lower_pa kind, a64_reg a, unsigned b)
{
    cx->flags.pa = (uint8_t)kind;
    cx->flags.pa_a = a;
    cx->flags.pa_b = (uint8_t)b;
}

void lower_pa_canonical(struct lower_context *cx)
{
    cx->flags.pa = PA_CANONICAL;
}

// ---- PF and AF into x23 and x24
static void pa_to_canonical(struct lower_context *cx)
{
    struct a64_buf *b = cx->b;
    struct lower_flags *f = &cx->flags;
    a64_reg p = f->pa_a, q = f->pa_b;
    bool bit4 = f->pa_b >> 4 & 1;
    if (f->pa == PA_CANONICAL)
        return;
    if (is_narrow(f))
        lower_flags_to_hw(cx, FLAGS_NZC, CF_INVERTED);
    // SF and ZF may come from x23 or x24 (a result kept there): they move out before the register is written.
    bool writes_x23 = f->pa != PA_CMP && f->pa != PA_CMP_IMM && p != X23;
    if (from_register(f) && (f->nz_reg == X24 || (f->nz_reg == X23 && writes_x23)))
        lower_flags_to_hw(cx, FLAGS_NZC, CF_INVERTED);
    uint8_t mark = cx->temps;
    lower_width_set(cx, X23, 64);
    lower_width_set(cx, X24, 64);
    switch (f->pa) {
    case PA_LOGIC:
        if (p != X23)
            a64_mov_reg(b, A64_X, X23, p);
        a64_mov_reg(b, A64_X, X24, X23);
        break;
    case PA_CMP:
        a64_eor_reg(b, A64_X, X24, p, q, A64_LSL, 0);
        break;
    case PA_CMP_IMM:
        if (bit4)
            a64_orn_reg(b, A64_X, X24, A64_ZR, p, A64_LSL, 0);
        else if (p != X24)
            a64_mov_reg(b, A64_X, X24, p);
        break;
    case PA_ADD:
    case PA_SUB: {
        a64_reg t = q == X24 ? lower_temp(cx) : X24;
        (f->pa == PA_ADD ? a64_sub_reg : a64_add_reg)(b, A64_X, t, p, q, A64_LSL, 0);
        a64_eor_reg(b, A64_X, X24, t, q, A64_LSL, 0);
        if (p != X23)
            a64_mov_reg(b, A64_X, X23, p);
        break;
    }
    case PA_ADD_IMM:
    case PA_SUB_IMM:
        (f->pa == PA_ADD_IMM ? a64_sub_imm : a64_add_imm)(b, A64_X, X24, p, q);
        if (bit4)
            a64_orn_reg(b, A64_X, X24, A64_ZR, X24, A64_LSL, 0);
        if (p != X23)
            a64_mov_reg(b, A64_X, X23, p);
        break;
    case PA_DOUBLE:
        if (p != X23)
            a64_mov_reg(b, A64_X, X23, p);
        a64_mov_reg(b, A64_X, X24, A64_ZR);
        break;
    case PA_NEG:
        a64_sub_reg(b, A64_X, X24, A64_ZR, p, A64_LSL, 0);
        if (p != X23)
            a64_mov_reg(b, A64_X, X23, p);
        break;
    case PA_RESULT:
        if (p != X23)
            a64_mov_reg(b, A64_X, X23, p);
        break;
    case PA_FCMP:
        a64_cset(b, A64_X, X23, A64_VC);        // 1, odd parity, unless unordered
        a64_mov_reg(b, A64_X, X24, X23);
        break;
    }
    f->pa = PA_CANONICAL;
    cx->temps = mark;
}

// ---- NZCV
// ADC or SBB of one or two bytes: x24 = a ^ b, and what went into and out of the top bit differs if it overflowed.
static void narrow_carry_to_hw(struct lower_context *cx)
{
    struct a64_buf *b = cx->b;
    unsigned bits = 8u << cx->flags.nz_size;
    uint8_t mark = cx->temps;
    a64_reg v = lower_temp(cx), t = lower_temp(cx);
    a64_eor_reg(b, A64_W, v, X23, X24, A64_LSL, 0);
    a64_eor_reg(b, A64_W, v, v, X23, A64_LSR, 1);
    a64_lsr_imm(b, A64_W, v, v, bits - 1);
    a64_adds_reg(b, A64_W, A64_ZR, A64_ZR, X23, A64_LSL, 32 - bits);
    a64_mrs_nzcv(b, t);
    a64_bfi(b, A64_X, t, v, OF_BIT, 1);
    a64_lsr_imm(b, A64_W, v, X23, bits);
    a64_bfi(b, A64_X, t, v, CF_BIT, 1);
    a64_msr_nzcv(b, t);
    cx->temps = mark;
    lower_flags_hw(cx, CF_DIRECT);
}

// The operation of one or two bytes again, on operands in the upper part of a W register. They are what pa says.
static void narrow_to_hw(struct lower_context *cx)
{
    if (cx->flags.pa == PA_CANONICAL) {
        narrow_carry_to_hw(cx);
        return;
    }
    struct a64_buf *b = cx->b;
    struct lower_flags *f = &cx->flags;
    unsigned shift = 32 - (8u << f->nz_size);
    bool imm = f->pa == PA_ADD_IMM || f->pa == PA_SUB_IMM, add = f->pa == PA_ADD || f->pa == PA_ADD_IMM || f->pa == PA_DOUBLE;
    uint8_t mark = cx->temps;
    a64_reg first = lower_temp(cx), second = f->pa_b;
    if (f->pa == PA_CMP) {
        a64_lsl_imm(b, A64_W, first, f->pa_a, shift);
    } else if (f->pa == PA_CMP_IMM || f->pa == PA_NEG) {
        a64_reg a = f->pa == PA_NEG ? A64_ZR : f->pa_a;
        second = lower_temp(cx);
        a64_sub_reg(b, A64_W, second, a, X23, A64_LSL, 0);
        if (a == A64_ZR)
            first = a;
        else
            a64_lsl_imm(b, A64_W, first, a, shift);
    } else if (f->pa == PA_DOUBLE) {
        a64_lsl_imm(b, A64_W, first, X23, shift - 1);
        second = first;
        shift = 0;
    } else {
        if (imm) {
            second = lower_temp(cx);
            a64_mov_const(b, A64_W, second, f->pa_b);
        }
        (add ? a64_sub_reg : a64_add_reg)(b, A64_W, first, X23, second, A64_LSL, 0);
        a64_lsl_imm(b, A64_W, first, first, shift);
    }
    (add ? a64_adds_reg : a64_subs_reg)(b, A64_W, A64_ZR, first, second, A64_LSL, shift);
    cx->temps = mark;
    lower_flags_hw(cx, add ? CF_DIRECT : CF_INVERTED);
}

// The incremented or decremented value once more. A CF in C goes to x7 first.
static void count_to_hw(struct lower_context *cx, uint16_t mask)
{
    struct a64_buf *b = cx->b;
    struct lower_flags *f = &cx->flags;
    bool inc = f->nz == NZ_INC;
    if (mask & X64_CF && (f->cf == CF_INVERTED || f->cf == CF_DIRECT)) {
        a64_cset(b, A64_W, X7, f->cf == CF_DIRECT ? A64_CS : A64_CC);
        f->cf = CF_X7;
    }
    uint8_t mark = cx->temps;
    a64_reg t = lower_temp(cx);
    if (f->nz_size >= 2) {
        enum a64_size s = f->nz_size == 3 ? A64_X : A64_W;
        (inc ? a64_sub_imm : a64_add_imm)(b, s, t, f->nz_reg, 1);
        (inc ? a64_adds_imm : a64_subs_imm)(b, s, A64_ZR, t, 1);
    } else {
        a64_reg one = lower_temp(cx);
        unsigned shift = 32 - (8u << f->nz_size);
        a64_lsl_imm(b, A64_W, t, f->nz_reg, shift);
        a64_mov_const(b, A64_W, one, 1u << shift);
        (inc ? a64_sub_reg : a64_add_reg)(b, A64_W, t, t, one, A64_LSL, 0);
        (inc ? a64_adds_reg : a64_subs_reg)(b, A64_W, A64_ZR, t, one, A64_LSL, 0);
    }
    cx->temps = mark;
    f->nz = NZ_HW;
    f->hw_too = false;
}

static void fcmp_to_hw(struct lower_context *cx)
{
    // Less: CF. Equal: ZF. Unordered: ZF, PF, CF. SF = OF = AF = 0.  AXFLAG gives just that with C = !CF.
    struct a64_buf *b = cx->b;
    if (cx->flags.pa == PA_FCMP)
        pa_to_canonical(cx);
    if (cx->config->features.flagm2) {
        a64_axflag(b);
    } else {
        uint8_t mark = cx->temps;
        a64_reg c = lower_temp(cx), z = lower_temp(cx);
        a64_cset(b, A64_W, c, A64_GE);
        a64_cset(b, A64_W, z, A64_EQ);
        a64_csinc(b, A64_W, z, z, A64_ZR, A64_VC);
        a64_orr_reg(b, A64_W, c, c, z, A64_LSL, 1);
        a64_lsl_imm(b, A64_W, c, c, CF_BIT);
        a64_msr_nzcv(b, c);
        cx->temps = mark;
    }
    lower_flags_hw(cx, CF_INVERTED);
}

// N and Z from the register, V = 0; C = 0, or C = 1 if inverted.
static void set_logic(struct lower_context *cx, bool inverted)
{
    struct a64_buf *b = cx->b;
    a64_reg r = cx->flags.nz_reg;
    unsigned log2 = cx->flags.nz_size;
    enum a64_size s = log2 == 3 ? A64_X : A64_W;
    if (log2 >= 2) {
        if (inverted)
            a64_subs_reg(b, s, A64_ZR, r, A64_ZR, A64_LSL, 0);
        else
            a64_ands_reg(b, s, A64_ZR, r, r, A64_LSL, 0);
        return;
    }
    unsigned shift = 32 - (8u << log2);
    if (!inverted) {
        a64_adds_reg(b, s, A64_ZR, A64_ZR, r, A64_LSL, shift);
        return;
    }
    uint8_t mark = cx->temps;
    a64_reg t = lower_temp(cx);
    a64_lsl_imm(b, s, t, r, shift);
    a64_subs_reg(b, s, A64_ZR, t, A64_ZR, A64_LSL, 0);
    cx->temps = mark;
}

// C (and V) of NZCV from x7, N and Z kept.
static void insert_x7(struct lower_context *cx, unsigned lsb, unsigned width, bool inverted)
{
    struct a64_buf *b = cx->b;
    uint8_t mark = cx->temps;
    a64_reg t = lower_temp(cx);
    if (cx->config->features.flagm && width == 1) {
        a64_reg from = X7;
        if (inverted) {
            a64_eor_imm(b, A64_X, t, X7, 1);
            from = t;
        }
        a64_rmif(b, from, 63, 2);
    } else {
        a64_mrs_nzcv(b, t);
        a64_bfi(b, A64_X, t, X7, lsb, width);
        if (inverted)
            a64_eor_imm(b, A64_X, t, t, 1ull << CF_BIT);
        a64_msr_nzcv(b, t);
    }
    cx->temps = mark;
}

// C and V of NZCV from x7 as a rotation left it, N and Z kept.
static void insert_rotate(struct lower_context *cx, bool inverted)
{
    struct a64_buf *b = cx->b;
    uint8_t mark = cx->temps;
    a64_reg t = lower_temp(cx), bits = lower_temp(cx);
    a64_ubfx(b, A64_W, bits, X7, 1, 1);
    a64_eor_reg(b, A64_W, bits, bits, X7, A64_LSL, 0);          // bit 0: OF, bit 1: CF
    a64_mrs_nzcv(b, t);
    a64_bfi(b, A64_X, t, bits, OF_BIT, 2);
    if (inverted)
        a64_eor_imm(b, A64_X, t, t, 1ull << CF_BIT);
    a64_msr_nzcv(b, t);
    cx->temps = mark;
}

static void flip_carry(struct lower_context *cx, bool keep_nz)
{
    struct a64_buf *b = cx->b;
    uint8_t mark = cx->temps;
    a64_reg t = lower_temp(cx);
    if (cx->config->features.flagm) {
        a64_cfinv(b);
    } else if (keep_nz) {
        a64_mrs_nzcv(b, t);
        a64_eor_imm(b, A64_X, t, t, 1ull << CF_BIT);
        a64_msr_nzcv(b, t);
    } else {
        a64_cset(b, A64_W, t, A64_CC);
        a64_subs_imm(b, A64_W, A64_ZR, t, 1);
    }
    cx->temps = mark;
}

static void constant_carry(struct lower_context *cx, bool c, bool keep_nz)
{
    struct a64_buf *b = cx->b;
    uint8_t mark = cx->temps;
    a64_reg t = lower_temp(cx);
    if (!keep_nz) {
        if (c)
            a64_subs_reg(b, A64_W, A64_ZR, A64_ZR, A64_ZR, A64_LSL, 0);
        else
            a64_ands_reg(b, A64_W, A64_ZR, A64_ZR, A64_ZR, A64_LSL, 0);
    } else {
        a64_mrs_nzcv(b, t);
        if (c)
            a64_orr_imm(b, A64_X, t, t, 1ull << CF_BIT);
        else
            a64_and_imm(b, A64_X, t, t, ~(1ull << CF_BIT));
        a64_msr_nzcv(b, t);
    }
    cx->temps = mark;
}

static void logic_to_hw(struct lower_context *cx, uint16_t mask, enum lower_cf want)
{
    struct lower_flags *f = &cx->flags;
    bool inverted = want == CF_INVERTED;
    switch (f->cf) {
    case CF_X7_SHR1:
        set_logic(cx, false);
        insert_x7(cx, OF_BIT, 2, inverted);
        lower_flags_hw(cx, want);
        return;
    case CF_X7_ROTATE:
        set_logic(cx, false);
        insert_rotate(cx, inverted);
        lower_flags_hw(cx, want);
        return;
    case CF_NARROW:
        if (mask & FLAGS_NZ) {
            narrow_to_hw(cx);
            return;
        }
        if (!f->hw_zc) {
            uint8_t mark = cx->temps;
            a64_reg t = lower_temp(cx);
            a64_ubfx(cx->b, A64_W, t, X23, 8u << f->nz_size, 1);
            a64_subs_reg(cx->b, A64_W, A64_ZR, A64_ZR, t, A64_LSL, 0);
            cx->temps = mark;
        }
        lower_flags_hw(cx, CF_INVERTED);
        return;
    case CF_X7_MUL:
        // SF and ZF are undefined after a multiplication; CF = OF. C = !CF here.
        a64_subs_reg(cx->b, A64_X, A64_ZR, X7, A64_ZR, A64_LSL, 0);
        a64_ccmp_reg(cx->b, A64_X, A64_ZR, A64_ZR, 1, A64_EQ);
        lower_flags_hw(cx, CF_INVERTED);
        if (!inverted)
            flip_carry(cx, mask & FLAGS_NZ);
        f->cf = (uint8_t)want;
        return;
    case CF_X7:
        if (!f->hw_too)
            set_logic(cx, false);
        f->nz = NZ_HW;
        f->hw_too = false;
        if (mask & X64_CF) {
            insert_x7(cx, CF_BIT, 1, inverted);
            f->cf = (uint8_t)want;
        }
        return;
    default:        // CF = 0
        if (!(f->hw_too && !inverted))
            set_logic(cx, inverted);
        lower_flags_hw(cx, want);
        return;
    }
}

void lower_flags_to_hw(struct lower_context *cx, uint16_t mask, enum lower_cf want)
{
    struct lower_flags *f = &cx->flags;
    if (!(mask & FLAGS_NZC))
        return;
    if (f->nz == NZ_FCMP)
        fcmp_to_hw(cx);
    bool keep_nz = mask & FLAGS_NZ;
    if (keep_nz && (f->nz == NZ_INC || f->nz == NZ_DEC))
        count_to_hw(cx, mask);
    if (f->nz == NZ_LOGIC && (keep_nz || overflow_with_carry(f))) {
        logic_to_hw(cx, mask, want);
    } else if (!keep_nz) {
        f->nz = NZ_HW;              // dead
    }
    if (f->cf == CF_X7_ROTATE) {
        insert_rotate(cx, want == CF_INVERTED);
        lower_flags_hw(cx, want);
    }
    if (!(mask & X64_CF) || f->cf == want)
        return;
    switch (f->cf) {
    case CF_INVERTED:
    case CF_DIRECT:
        flip_carry(cx, keep_nz);
        break;
    case CF_ZERO:
        constant_carry(cx, want == CF_INVERTED, keep_nz);
        break;
    default:
        if (keep_nz)
            insert_x7(cx, CF_BIT, 1, want == CF_INVERTED);
        else if (want == CF_INVERTED)
            a64_subs_reg(cx->b, A64_W, A64_ZR, A64_ZR, X7, A64_LSL, 0);
        else
            a64_subs_imm(cx->b, A64_W, A64_ZR, X7, 1);
        break;
    }
    f->hw_too = false;
    f->cf = (uint8_t)want;
}

// What is live in the state f is where a version made for g expects it.
bool lower_flags_fit(const struct lower_flags *f, const struct lower_flags *g, uint16_t live)
{
    bool fcmp = f->nz == NZ_FCMP || g->nz == NZ_FCMP;
    if (fcmp && live && (f->nz != g->nz || f->pa != g->pa))
        return false;
    bool narrow = is_narrow(f) || is_narrow(g);
    if (narrow && live & FLAGS_NZC && (f->nz != g->nz || f->cf != g->cf || f->nz_size != g->nz_size || (g->hw_zc && !f->hw_zc)))
        return false;
    if (live & FLAGS_PA || (narrow && live & FLAGS_NZ)) {
        static const bool one[] = { [PA_CMP] = true, [PA_ADD] = true, [PA_SUB] = true, [PA_LOGIC] = true, [PA_CMP_IMM] = true,
                                    [PA_ADD_IMM] = true, [PA_SUB_IMM] = true, [PA_DOUBLE] = true, [PA_NEG] = true, [PA_RESULT] = true };
        static const bool two[] = { [PA_CMP] = true, [PA_ADD] = true, [PA_SUB] = true, [PA_CMP_IMM] = true, [PA_ADD_IMM] = true,
                                    [PA_SUB_IMM] = true, [PA_RESULT] = false };
        if (f->pa != g->pa || (one[f->pa] && f->pa_a != g->pa_a) || (two[f->pa] && f->pa_b != g->pa_b))
            return false;
    }
    if (live & FLAGS_NZ) {
        if (f->nz != g->nz)
            return false;
        if (f->cf != g->cf && (f->cf == CF_X7_ROTATE || g->cf == CF_X7_ROTATE))
            return false;
        if (f->nz == NZ_LOGIC && (f->nz_reg != g->nz_reg || f->nz_size != g->nz_size || f->cf != g->cf || (g->hw_too && !f->hw_too)))
            return false;
        if ((f->nz == NZ_INC || f->nz == NZ_DEC) && (f->nz_reg != g->nz_reg || f->nz_size != g->nz_size))
            return false;
    }
    return !(live & X64_CF) || f->cf == g->cf;
}

// NZ_SP: does the addition again.
static void sp_to_hw(struct lower_context *cx)
{
    struct lower_flags *f = &cx->flags;
    uint16_t added = f->sp_added;
    a64_reg old = lower_temp(cx);
    lower_add_imm(cx, A64_X, old, A64_SP, -(int64_t)(f->sp_popped * 8 + added));
    a64_adds_imm(cx->b, A64_X, X23, old, added);
    lower_flags_hw(cx, CF_DIRECT);
    lower_pa(cx, PA_ADD_IMM, X23, added & 255);
}

void lower_flags_unshift(struct lower_context *cx)
{
    const struct lower_flags *f = &cx->flags;
    lower_shift_now(cx, (enum a64_shift)f->shift_kind, 1u << f->nz_size, X23, f->nz_reg, f->shift_amount);
}

void lower_flags_canonical(struct lower_context *cx, uint16_t mask)
{
    if (cx->flags.nz == NZ_SHIFT) {
        uint16_t live = cx->live;
        cx->live |= mask;
        lower_flags_unshift(cx);
        cx->live = live;
    }
    if (cx->flags.nz == NZ_SP)
        sp_to_hw(cx);
    lower_flags_to_hw(cx, mask, CF_INVERTED);       // first: it may need the operands of pa
    if (is_narrow(&cx->flags))
        cx->flags.cf = CF_ZERO;                     // nobody looks
    if (mask & FLAGS_PA)
        pa_to_canonical(cx);
}

// The operand of CF_NARROW's operation that changes moves to x24, if that is not the other one's.
static void protect_narrow(struct lower_context *cx, uint32_t written, uint16_t keep)
{
    struct lower_flags *f = &cx->flags;
    if (!(keep & FLAGS_NZ) || f->pa == PA_CANONICAL)        // all is in x23 and x24
        return;
    bool two = f->pa == PA_CMP || f->pa == PA_ADD || f->pa == PA_SUB;
    bool a_goes = written >> (f->pa_a & 31) & 1, b_goes = two && written >> (f->pa_b & 31) & 1;
    if (!a_goes && !b_goes)
        return;
    if ((a_goes && b_goes) || f->pa_a == X24 || (two && f->pa_b == X24)) {
        lower_flags_to_hw(cx, keep, f->pa == PA_ADD || f->pa == PA_ADD_IMM || f->pa == PA_DOUBLE ? CF_DIRECT : CF_INVERTED);
        return;
    }
    uint8_t *which = a_goes ? &f->pa_a : &f->pa_b;
    lower_width_set(cx, X24, lower_width(cx, *which));
    a64_mov_reg(cx->b, A64_X, X24, *which);
    *which = X24;
}

// What PF, AF, SF and ZF come from moves to x23 and x24 when its register changes; only if these are in use already flags are computed.
void lower_flags_protect(struct lower_context *cx, uint32_t written, uint16_t live)
{
    struct lower_flags *f = &cx->flags;
    if (!written || (!live && !is_narrow(f)))
        return;
    if (f->nz == NZ_SHIFT) {
        if (live && written >> f->nz_reg & 1)
            lower_flags_unshift(cx);
        return;
    }
    uint16_t keep = (live | x64_flags_read(&cx->insn->x)) & FLAGS_NZC;
    if (is_narrow(f))
        protect_narrow(cx, written, keep);
    bool nz_goes = live & FLAGS_NZ && from_register(f) && f->nz_reg != A64_ZR && written >> f->nz_reg & 1;
    if (nz_goes && f->hw_too) {
        lower_flags_to_hw(cx, keep, CF_DIRECT);
        nz_goes = false;
    }
    bool nz_kept = live & FLAGS_NZ && from_register(f) && (f->nz_reg == X23 || f->nz_reg == X24);
    bool needed = live & FLAGS_PA && f->pa != PA_CANONICAL && f->pa != PA_FCMP;
    if (needed) {
        bool two = f->pa == PA_CMP || f->pa == PA_ADD || f->pa == PA_SUB;
        bool a_goes = f->pa_a != A64_ZR && written >> f->pa_a & 1, b_goes = two && f->pa_b != A64_ZR && written >> f->pa_b & 1;
        if ((a_goes || b_goes) && (nz_kept || f->pa == PA_CMP || f->pa == PA_CMP_IMM)) {
            pa_to_canonical(cx);
        } else {
            if (a_goes) {
                lower_width_set(cx, X23, lower_width(cx, f->pa_a));
                a64_mov_reg(cx->b, A64_X, X23, f->pa_a);
                if (nz_goes && f->nz_reg == f->pa_a) {
                    f->nz_reg = X23;
                    nz_goes = false;
                }
                f->pa_a = X23;
            }
            if (b_goes) {
                lower_width_set(cx, X24, lower_width(cx, f->pa_b));
                a64_mov_reg(cx->b, A64_X, X24, f->pa_b);
                f->pa_b = X24;
            }
        }
    }
    if (!nz_goes || !from_register(f))
        return;
    if (!((live | x64_flags_read(&cx->insn->x)) & FLAGS_PA)) {
        lower_width_set(cx, X23, lower_width(cx, f->nz_reg));
        a64_mov_reg(cx->b, A64_X, X23, f->nz_reg);
        f->nz_reg = X23;
        lower_pa(cx, PA_LOGIC, X23, 0);         // nobody looks at PF and AF
    } else {
        lower_flags_to_hw(cx, keep, CF_INVERTED);
    }
}

a64_reg lower_cf_bit(struct lower_context *cx)
{
    struct a64_buf *b = cx->b;
    const struct lower_flags *f = &cx->flags;
    if (f->nz != NZ_FCMP && f->cf == CF_ZERO)
        return A64_ZR;
    if (f->nz != NZ_FCMP && f->cf == CF_X7)
        return X7;
    a64_reg t = lower_temp(cx);
    if (f->nz == NZ_FCMP) {
        a64_cset(b, A64_W, t, A64_LT);
    } else if (f->cf == CF_INVERTED || f->cf == CF_DIRECT) {
        a64_cset(b, A64_W, t, f->cf == CF_DIRECT ? A64_CS : A64_CC);
    } else if (f->cf == CF_X7_SHR1 || f->cf == CF_X7_ROTATE) {
        a64_ubfx(b, A64_W, t, X7, 1, 1);
    } else if (f->cf == CF_NARROW) {
        a64_ubfx(b, A64_W, t, X23, 8u << f->nz_size, 1);
    } else {
        a64_sub_reg(b, A64_X, t, A64_ZR, X7, A64_LSL, 0);
        a64_orr_reg(b, A64_X, t, t, X7, A64_LSL, 0);
        a64_lsr_imm(b, A64_X, t, t, 63);
    }
    return t;
}

void lower_cf_to_x7(struct lower_context *cx)
{
    struct lower_flags *f = &cx->flags;
    if (f->nz == NZ_FCMP)
        fcmp_to_hw(cx);
    if (f->cf == CF_ZERO || f->cf == CF_X7)
        return;
    if (f->cf == CF_INVERTED || f->cf == CF_DIRECT) {
        a64_cset(cx->b, A64_W, X7, f->cf == CF_DIRECT ? A64_CS : A64_CC);
    } else {
        uint8_t mark = cx->temps;
        a64_mov_reg(cx->b, A64_W, X7, lower_cf_bit(cx));
        cx->temps = mark;
    }
    f->cf = CF_X7;
}

// ---- conditions
struct lower_condition lower_opposite(struct lower_condition c)
{
    static const uint8_t opposite[] = {
        [TEST_COND] = TEST_COND, [TEST_ZERO] = TEST_NOT_ZERO, [TEST_NOT_ZERO] = TEST_ZERO, [TEST_BIT_CLEAR] = TEST_BIT_SET,
        [TEST_BIT_SET] = TEST_BIT_CLEAR, [TEST_ALWAYS] = TEST_NEVER, [TEST_NEVER] = TEST_ALWAYS,
    };
    c.test = opposite[c.test];
    if (c.test == TEST_COND)
        c.cond ^= 1;
    return c;
}

static struct lower_condition on_cond(enum a64_cond cond) { return (struct lower_condition){ .test = TEST_COND, .cond = (uint8_t)cond }; }
static struct lower_condition on_bit(a64_reg r, unsigned bit) { return (struct lower_condition){ .test = TEST_BIT_SET, .reg = r, .bit = (uint8_t)bit }; }
static struct lower_condition always(bool yes) { return (struct lower_condition){ .test = yes ? TEST_ALWAYS : TEST_NEVER }; }

// PF, or its opposite: fold the low byte to one bit, which is clear when the parity is even (SDM vol. 1, 3.4.3.1); or, for PF, to the opposite.
static struct lower_condition parity(struct lower_context *cx, bool odd)
{
    struct lower_flags *f = &cx->flags;
    if (f->pa == PA_FCMP)
        return on_cond(odd ? A64_VC : A64_VS);
    a64_reg p = f->pa == PA_CANONICAL || f->pa == PA_CMP || f->pa == PA_CMP_IMM ? X23 : f->pa_a;
    if (p == A64_ZR)
        return always(!odd);
    a64_reg t = lower_temp(cx);
    a64_eor_reg(cx->b, A64_W, t, p, p, A64_LSR, 4);
    a64_eor_reg(cx->b, A64_W, t, t, t, A64_LSR, 2);
    (odd ? a64_eor_reg : a64_eon_reg)(cx->b, A64_W, t, t, t, A64_LSR, 1);
    return on_bit(t, 0);
}

static struct lower_condition fcmp_condition(struct lower_context *cx, enum x64_cond cc, uint16_t keep)
{
    switch (cc) {
    case X64_CC_B: return on_cond(A64_LT);
    case X64_CC_BE: return on_cond(A64_LE);
    case X64_CC_O: case X64_CC_S: case X64_CC_L: return always(false);
    default:
        lower_flags_to_hw(cx, keep, CF_INVERTED);
        return on_cond(A64_EQ);                 // E, and LE because SF = OF
    }
}

static struct lower_condition carry(struct lower_context *cx)
{
    switch (cx->flags.cf) {
    case CF_INVERTED: return on_cond(A64_CC);
    case CF_DIRECT: return on_cond(A64_CS);
    case CF_ZERO: return always(false);
    case CF_X7: return on_bit(X7, 0);
    case CF_X7_SHR1:
    case CF_X7_ROTATE: return on_bit(X7, 1);
    case CF_NARROW: return cx->flags.hw_zc ? on_cond(A64_CC) : on_bit(X23, 8u << cx->flags.nz_size);
    default: return (struct lower_condition){ .test = TEST_NOT_ZERO, .reg = X7, .size = A64_X };
    }
}

static struct lower_condition logic_condition(struct lower_context *cx, enum x64_cond cc, uint16_t keep)
{
    const struct lower_flags *f = &cx->flags;
    a64_reg r = f->nz_reg;
    bool overflow = overflow_with_carry(f) || f->nz != NZ_LOGIC, zc = is_narrow(f) && f->hw_zc;
    switch (cc) {
    case X64_CC_B:
        return carry(cx);
    case X64_CC_O:
        if (is_narrow(f) || f->nz != NZ_LOGIC || f->cf == CF_X7_ROTATE) {
            lower_flags_to_hw(cx, keep, CF_INVERTED);
            return on_cond(A64_VS);
        }
        return f->cf == CF_X7_SHR1 ? on_bit(X7, 0) : f->cf == CF_X7_MUL ? carry(cx) : always(false);
    case X64_CC_E:
        break;
    case X64_CC_BE:
        if (f->cf == CF_ZERO)
            break;
        if (zc)
            return on_cond(A64_LS);
        lower_flags_to_hw(cx, keep, CF_INVERTED);
        return on_cond(A64_LS);
    case X64_CC_S:
    case X64_CC_L:
        if (cc == X64_CC_L && overflow) {
            lower_flags_to_hw(cx, keep, CF_INVERTED);
            return on_cond(A64_LT);
        }
        if (r == A64_ZR)
            return always(false);
        return f->hw_too ? on_cond(A64_MI) : on_bit(r, (8u << f->nz_size) - 1);
    default:    // LE
        if (r == A64_ZR)
            return always(true);
        if (!f->hw_too || overflow)
            lower_flags_to_hw(cx, keep, CF_INVERTED);
        return on_cond(A64_LE);
    }
    if (r == A64_ZR)
        return always(true);
    if (f->hw_too || zc)
        return on_cond(A64_EQ);
    if (f->nz_size < 2 && lower_width(cx, r) > 8u << f->nz_size) {
        r = lower_temp(cx);
        a64_ubfx(cx->b, A64_W, r, f->nz_reg, 0, 8u << f->nz_size);
    }
    return (struct lower_condition){ .test = TEST_ZERO, .reg = r, .size = f->nz_size == 3 ? A64_X : A64_W };
}

struct lower_condition lower_condition(struct lower_context *cx, enum x64_cond cc)
{
    uint16_t keep = cx->live | x64_cond_flags(cc);
    enum x64_cond even = cc & ~1u;
    struct lower_condition c;
    if (even == X64_CC_P)
        return parity(cx, cc & 1);
    if (cx->flags.nz == NZ_FCMP)
        c = fcmp_condition(cx, even, keep);
    else if (from_register(&cx->flags))
        c = logic_condition(cx, even, keep);
    else if (even == X64_CC_B)
        c = carry(cx);
    else if (even == X64_CC_BE && cx->flags.cf == CF_ZERO)
        c = on_cond(A64_EQ);
    else {
        static const uint8_t direct[] = {
            [X64_CC_O] = A64_VS, [X64_CC_E] = A64_EQ, [X64_CC_BE] = A64_LS, [X64_CC_S] = A64_MI, [X64_CC_L] = A64_LT, [X64_CC_LE] = A64_LE,
        };
        bool rotated = cx->flags.cf == CF_X7_ROTATE && (even == X64_CC_O || even == X64_CC_L || even == X64_CC_LE);
        if (even == X64_CC_BE || rotated)
            lower_flags_to_hw(cx, keep, CF_INVERTED);
        c = on_cond(direct[even]);
    }
    return cc & 1 ? lower_opposite(c) : c;
}

bool lower_condition_nzcv(struct lower_context *cx, enum x64_cond cc, struct lower_condition *out)
{
    struct lower_flags *f = &cx->flags;
    uint16_t keep = cx->live | x64_cond_flags(cc);
    bool on_parity = (cc & ~1u) == X64_CC_P && f->pa != PA_FCMP;
    if (on_parity && !lower_nzcv_free(cx))
        return false;
    bool known = f->hw_too || (cc & ~1u) == X64_CC_B || (is_narrow(f) && f->hw_zc);
    if (!on_parity && from_register(f) && !known && f->nz_reg != A64_ZR) {
        if (f->nz == NZ_LOGIC && (f->cf == CF_ZERO || f->cf == CF_X7)) {
            set_logic(cx, false);
            f->hw_too = true;
        } else {
            lower_flags_to_hw(cx, keep, CF_INVERTED);
        }
    }
    *out = lower_condition(cx, cc);
    if (out->test == TEST_COND || out->test == TEST_ALWAYS || out->test == TEST_NEVER)
        return true;
    if (lower_nzcv_free(cx)) {                      // what is tested alone
        bool set = out->test == TEST_BIT_SET || out->test == TEST_NOT_ZERO;
        if (out->test == TEST_BIT_SET || out->test == TEST_BIT_CLEAR)
            a64_ands_imm(cx->b, A64_X, A64_ZR, out->reg, 1ull << out->bit);
        else
            a64_subs_reg(cx->b, out->size, A64_ZR, out->reg, A64_ZR, A64_LSL, 0);
        *out = on_cond(set ? A64_NE : A64_EQ);
        return true;
    }
    lower_flags_to_hw(cx, keep, CF_INVERTED);
    *out = lower_condition(cx, cc);
    return out->test == TEST_COND || out->test == TEST_ALWAYS || out->test == TEST_NEVER;
}

void lower_branch(struct lower_context *cx, struct lower_condition c, uint32_t label)
{
    switch (c.test) {
    case TEST_COND: lower_b_cond(cx, c.cond, label); break;
    case TEST_ZERO: lower_cbz(cx, c.size, c.reg, label); break;
    case TEST_NOT_ZERO: lower_cbnz(cx, c.size, c.reg, label); break;
    case TEST_BIT_CLEAR: lower_tbz(cx, c.reg, c.bit, label); break;
    case TEST_BIT_SET: lower_tbnz(cx, c.reg, c.bit, label); break;
    case TEST_ALWAYS: lower_b(cx, label); break;
    default: break;
    }
}

bool lower_nzcv_free(struct lower_context *cx)
{
    struct lower_flags *f = &cx->flags;
    uint16_t there = (from_register(f) ? 0 : FLAGS_NZ) | (f->cf == CF_INVERTED || f->cf == CF_DIRECT ? X64_CF : 0) | (f->pa == PA_FCMP ? FLAGS_PA : 0);
    if (cx->live & there)
        return false;
    f->hw_too = f->hw_zc = false;
    return true;
}
