// SPDX-License-Identifier: MIT
// BMI1, BMI2, ADX, RDRAND and RDSEED. The shifts, MULX, PDEP and PEXT change no flag, so they compute without NZCV.
#include "emu/lower/lower_bmi.h"

enum { X7 = 7, X23 = 23 };

// SF and ZF of the result just computed in r, OF = 0, CF = bit 0 of x7 (or 0). Then writes it.
static void finish(struct lower_context *cx, const struct x64_operand *dst, a64_reg r, bool cf_in_x7)
{
    lower_write(cx, dst, r);
    a64_reg from = lower_is_low(dst) ? lower_gpr(dst->reg) : X23;
    if (from == X23)
        a64_mov_reg(cx->b, A64_X, X23, r);
    lower_flags_logic(cx, from, dst->size);
    if (cf_in_x7)
        lower_flags_cf_x7(cx);
    lower_pa(cx, PA_LOGIC, from, 0);
}

bool lower_ANDN(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *dst = &insn->opd[0];
    a64_reg p = lower_read(cx, &insn->opd[1]), q = lower_read(cx, &insn->opd[2]), d = lower_destination(cx, dst);
    a64_bic_reg(cx->b, lower_size(dst->size), d, q, p, A64_LSL, 0);
    finish(cx, dst, d, false);
    return true;
}

// Bits start..start+length-1, which the two low bytes of the third operand give.
bool lower_BEXTR(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    const struct x64_operand *dst = &insn->opd[0];
    enum a64_size s = lower_size(dst->size);
    a64_reg p = lower_read(cx, &insn->opd[1]), control = lower_read(cx, &insn->opd[2]);
    a64_reg v = lower_temp(cx), t = lower_temp(cx), mask = lower_temp(cx);
    a64_ubfx(b, A64_W, t, control, 0, 8);
    a64_lsrv(b, s, v, p, t);
    a64_subs_imm(b, A64_W, A64_ZR, t, dst->size * 8);
    a64_csel(b, s, v, v, A64_ZR, A64_LO);
    a64_ubfx(b, A64_W, t, control, 8, 8);
    a64_movn(b, A64_X, mask, 0, 0);
    a64_lslv(b, s, mask, mask, t);
    a64_bic_reg(b, s, mask, v, mask, A64_LSL, 0);
    a64_subs_imm(b, A64_W, A64_ZR, t, dst->size * 8);
    a64_csel(b, s, v, mask, v, A64_LO);
    finish(cx, dst, v, false);
    return true;
}

bool lower_BZHI(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    const struct x64_operand *dst = &insn->opd[0];
    enum a64_size s = lower_size(dst->size);
    a64_reg p = lower_read(cx, &insn->opd[1]), control = lower_read(cx, &insn->opd[2]), t = lower_temp(cx), v = lower_temp(cx);
    a64_ubfx(b, A64_W, t, control, 0, 8);
    a64_movn(b, A64_X, v, 0, 0);
    a64_lslv(b, s, v, v, t);
    a64_bic_reg(b, s, v, p, v, A64_LSL, 0);
    a64_subs_imm(b, A64_W, A64_ZR, t, dst->size * 8);
    a64_csel(b, s, v, v, p, A64_LO);
    if (cx->live & X64_CF)
        a64_cset(b, A64_W, X7, A64_HS);
    finish(cx, dst, v, true);
    return true;
}

// Lowest set bit: isolated, cleared, or all up to it. CF says whether the source is 0, for BLSI whether it is not.
static bool lowest_bit(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    const struct x64_operand *dst = &insn->opd[0];
    enum a64_size s = lower_size(dst->size);
    a64_reg p = lower_read(cx, &insn->opd[1]), t = lower_temp(cx);
    if (insn->op == X64_BLSI) {
        a64_sub_reg(b, s, t, A64_ZR, p, A64_LSL, 0);
        a64_and_reg(b, s, t, t, p, A64_LSL, 0);
    } else {
        a64_sub_imm(b, s, t, p, 1);
        (insn->op == X64_BLSR ? a64_and_reg : a64_eor_reg)(b, s, t, t, p, A64_LSL, 0);
    }
    if (cx->live & X64_CF) {
        a64_subs_reg(b, s, A64_ZR, p, A64_ZR, A64_LSL, 0);
        a64_cset(b, A64_W, X7, insn->op == X64_BLSI ? A64_NE : A64_EQ);
    }
    finish(cx, dst, t, true);
    return true;
}
bool lower_BLSI(struct lower_context *cx, const struct x64_insn *insn) { return lowest_bit(cx, insn); }
bool lower_BLSR(struct lower_context *cx, const struct x64_insn *insn) { return lowest_bit(cx, insn); }
bool lower_BLSMSK(struct lower_context *cx, const struct x64_insn *insn) { return lowest_bit(cx, insn); }

// ---- no flags

// opd[0] is the upper half, opd[1] the lower; the upper one wins if they are one register.
bool lower_MULX(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    a64_reg q = lower_read(cx, &insn->opd[2]), p = lower_gpr(X64_RDX), low = lower_temp(cx), high = lower_temp(cx);
    if (insn->opd[0].size == 8) {
        a64_umulh(b, high, p, q);
        a64_madd(b, A64_X, low, p, q, A64_ZR);
    } else {
        a64_umaddl(b, low, p, q, A64_ZR);
        a64_lsr_imm(b, A64_X, high, low, 32);
    }
    lower_write(cx, &insn->opd[1], low);
    lower_write(cx, &insn->opd[0], high);
    return true;
}

static bool shift(struct lower_context *cx, const struct x64_insn *insn, void (*emit)(struct a64_buf *, enum a64_size, a64_reg, a64_reg, a64_reg))
{
    const struct x64_operand *dst = &insn->opd[0];
    a64_reg p = lower_read(cx, &insn->opd[1]), count = lower_read(cx, &insn->opd[2]), d = lower_destination(cx, dst);
    emit(cx->b, lower_size(dst->size), d, p, count);
    lower_write(cx, dst, d);
    return true;
}
bool lower_SARX(struct lower_context *cx, const struct x64_insn *insn) { return shift(cx, insn, a64_asrv); }
bool lower_SHLX(struct lower_context *cx, const struct x64_insn *insn) { return shift(cx, insn, a64_lslv); }
bool lower_SHRX(struct lower_context *cx, const struct x64_insn *insn) { return shift(cx, insn, a64_lsrv); }

bool lower_RORX(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *dst = &insn->opd[0];
    a64_reg p = lower_read(cx, &insn->opd[1]), d = lower_destination(cx, dst);
    a64_extr(cx->b, lower_size(dst->size), d, p, p, (unsigned)insn->opd[2].value & (dst->size * 8 - 1u));
    lower_write(cx, dst, d);
    return true;
}

// One turn of the loop for each one in the mask, from the lowest.
bool lower_PDEP(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    const struct x64_operand *dst = &insn->opd[0];
    a64_reg p = lower_read(cx, &insn->opd[1]), q = lower_read(cx, &insn->opd[2]);
    a64_reg mask = lower_temp(cx), bits = lower_temp(cx), r = lower_temp(cx), low = lower_temp(cx), t = lower_temp(cx);
    uint32_t top = lower_label(cx), done = lower_label(cx);
    enum a64_size s = lower_size(dst->size);
    a64_mov_reg(b, s, mask, q);
    a64_mov_reg(b, A64_X, bits, p);
    a64_mov_reg(b, A64_X, r, A64_ZR);
    lower_cbz(cx, A64_X, mask, done);
    lower_bind(cx, top);
    a64_sub_reg(b, A64_X, low, A64_ZR, mask, A64_LSL, 0);
    a64_and_reg(b, A64_X, low, low, mask, A64_LSL, 0);
    a64_sbfx(b, A64_X, t, bits, 0, 1);
    a64_and_reg(b, A64_X, t, t, low, A64_LSL, 0);
    a64_orr_reg(b, A64_X, r, r, t, A64_LSL, 0);
    a64_lsr_imm(b, A64_X, bits, bits, 1);
    a64_eor_reg(b, A64_X, mask, mask, low, A64_LSL, 0);
    lower_cbnz(cx, A64_X, mask, top);
    lower_bind(cx, done);
    lower_write(cx, dst, r);
    return true;
}

// The bits come in at the top of r, each pushing the ones before it down; at the end they all go down together.
bool lower_PEXT(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    const struct x64_operand *dst = &insn->opd[0];
    a64_reg p = lower_read(cx, &insn->opd[1]), q = lower_read(cx, &insn->opd[2]);
    a64_reg mask = lower_temp(cx), r = lower_temp(cx), room = lower_temp(cx), t = lower_temp(cx);
    uint32_t top = lower_label(cx), done = lower_label(cx);
    a64_mov_reg(b, lower_size(dst->size), mask, q);
    a64_mov_reg(b, A64_X, r, A64_ZR);
    a64_mov_const(b, A64_X, room, 64);
    lower_cbz(cx, A64_X, mask, done);
    lower_bind(cx, top);
    a64_rbit(b, A64_X, t, mask);
    a64_clz(b, A64_X, t, t);
    a64_lsrv(b, A64_X, t, p, t);
    a64_extr(b, A64_X, r, t, r, 1);
    a64_sub_imm(b, A64_X, room, room, 1);
    a64_sub_imm(b, A64_X, t, mask, 1);
    a64_and_reg(b, A64_X, mask, mask, t, A64_LSL, 0);
    lower_cbnz(cx, A64_X, mask, top);
    lower_bind(cx, done);
    a64_lsrv(b, A64_X, r, r, room);
    lower_write(cx, dst, r);
    return true;
}

// ---- ADX: one carry chain through CF, one through OF; each leaves all other flags alone.

bool lower_ADCX(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    const struct x64_operand *dst = &insn->opd[0];
    enum a64_size s = lower_size(dst->size);
    a64_reg q = lower_read(cx, &insn->opd[1]), p = lower_read(cx, dst), d = lower_destination(cx, dst);
    lower_flags_to_hw(cx, (cx->live & FLAGS_NZ) | X64_CF, CF_DIRECT);
    a64_reg saved = cx->live & FLAGS_NZ ? lower_temp(cx) : A64_ZR;
    if (saved != A64_ZR)
        a64_mrs_nzcv(b, saved);
    a64_adcs(b, s, d, p, q);
    lower_write(cx, dst, d);
    if (saved == A64_ZR) {
        lower_flags_hw(cx, CF_DIRECT);
    } else if (cx->live & X64_CF) {
        a64_cset(b, A64_W, X7, A64_CS);
        a64_msr_nzcv(b, saved);
        lower_flags_cf_x7(cx);
    } else {
        a64_msr_nzcv(b, saved);
    }
    return true;
}

bool lower_ADOX(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    const struct x64_operand *dst = &insn->opd[0];
    enum a64_size s = lower_size(dst->size);
    a64_reg q = lower_read(cx, &insn->opd[1]), p = lower_read(cx, dst), d = lower_destination(cx, dst), saved = lower_temp(cx), t = lower_temp(cx);
    lower_flags_to_hw(cx, (cx->live & FLAGS_NZC) | X64_OF, CF_INVERTED);
    a64_mrs_nzcv(b, saved);
    a64_ccmp_imm(b, A64_W, A64_ZR, 1, 2, A64_VC);   // C = OF: 0 - 1 has none
    a64_adcs(b, s, d, p, q);
    a64_cset(b, A64_W, t, A64_CS);
    a64_bfi(b, A64_X, saved, t, 28, 1);
    a64_msr_nzcv(b, saved);
    lower_write(cx, dst, d);
    return true;
}

// ---- random numbers: CF says whether there was one; without, the destination becomes 0. The other flags are 0.

static bool random_number(struct lower_context *cx, const struct x64_insn *insn, bool reseeded)
{
    if (!cx->config->features.rng)
        return false;
    a64_reg t = lower_temp(cx);
    a64_mrs_rndr(cx->b, t, reseeded);
    a64_cset(cx->b, A64_W, X7, A64_NE);
    lower_write(cx, &insn->opd[0], t);
    a64_mov_const(cx->b, A64_X, X23, 1);            // not 0, not negative, odd parity
    lower_flags_logic(cx, X23, 8);
    lower_flags_cf_x7(cx);
    lower_pa(cx, PA_LOGIC, X23, 0);
    return true;
}
bool lower_RDRAND(struct lower_context *cx, const struct x64_insn *insn) { return random_number(cx, insn, false); }
bool lower_RDSEED(struct lower_context *cx, const struct x64_insn *insn) { return random_number(cx, insn, true); }
