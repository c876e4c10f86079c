// SPDX-License-Identifier: MIT
// Registers and operands: where x64 registers live, and the partial-register rules (SDM vol. 1, 3.4.1.1).
#include "emu/lower/width.h"

const a64_reg lower_gprs[17] = { 8, 0, 1, 27, A64_SP, 29, 25, 26, 2, 3, 4, 5, 19, 20, 21, 22, [LOWER_REG_LOOSE] = 30 };

// What is kept in registers goes last (constants.c), but x6 and x30 where operands read from the code are in them.
static const a64_reg temps[2][9] = { { 10, 11, 12, 6, 15, 16, 17, 9, 30 }, { 10, 11, 12, 15, 16, 17, 9, 6, 30 } };

a64_reg lower_temp(struct lower_context *cx)
{
    const a64_reg *order = temps[cx->config->verify];
    unsigned count = cx->loose ? 7 : 9;
    while (cx->temps < count && (lower_is_locked(cx, order[cx->temps]) || (cx->owed.is && (order[cx->temps] == 10 || order[cx->temps] == 30))))
        cx->temps++;
    if (cx->temps >= count) {
        if (!cx->owed.is)
            cx->b->bad = true;      // a lowering function wants more than there are
        cx->starved = true;
        return order[1];
    }
    lower_take(cx, order[cx->temps]);
    lower_width_set(cx, order[cx->temps], 64);
    return order[cx->temps++];
}

bool lower_temp_in_use(const struct lower_context *cx, a64_reg r)
{
    for (unsigned i = 0; i < cx->temps && i < 9; i++)
        if (temps[cx->config->verify][i] == r)
            return true;
    return false;
}

enum a64_size lower_size(unsigned bytes)
{
    return bytes == 8 ? A64_X : A64_W;
}

unsigned lower_log2(unsigned bytes)
{
    return (unsigned)__builtin_ctz(bytes);
}

bool lower_is_low(const struct x64_operand *opd)
{
    return opd->kind == X64_OPD_GPR && opd->reg != X64_RSP && opd->reg != LOWER_REG_LOOSE;
}

a64_reg lower_imm(struct lower_context *cx, enum a64_size s, uint64_t value)
{
    if (s == A64_W)
        value &= 0xffffffff;
    if (!value)
        return A64_ZR;
    return lower_constant(cx, s, value);
}

a64_reg lower_read(struct lower_context *cx, const struct x64_operand *opd)
{
    bool in_place = opd->kind == X64_OPD_IMM || (opd->kind == X64_OPD_GPR && opd->reg != X64_RSP);
    return lower_read_into(cx, opd, in_place ? A64_ZR : lower_temp(cx));
}

a64_reg lower_read_into(struct lower_context *cx, const struct x64_operand *opd, a64_reg t)
{
    switch (opd->kind) {
    case X64_OPD_GPR:
        if (opd->reg != X64_RSP)
            return lower_source(cx, opd->reg);
        a64_mov_reg(cx->b, A64_X, t, A64_SP);
        lower_width_set(cx, t, 64);
        return t;
    case X64_OPD_GPR8_HIGH:
        lower_width_set(cx, t, 8);
        a64_ubfx(cx->b, A64_W, t, lower_gpr(opd->reg), 8, 8);
        return t;
    case X64_OPD_MEM:
        lower_width_set(cx, t, opd->size * 8);
        lower_load(cx, lower_log2(opd->size), A64_ZERO, t, lower_address(cx, &cx->insn->x, lower_log2(opd->size)));
        return t;
    case X64_OPD_IMM:
        return lower_imm(cx, lower_size(opd->size), (uint64_t)opd->value);
    default:
        cx->b->bad = true;
        return A64_ZR;
    }
}

a64_reg lower_read_zero(struct lower_context *cx, const struct x64_operand *opd)
{
    a64_reg r = lower_read(cx, opd);
    if (opd->kind != X64_OPD_GPR || opd->size == 8 || lower_width(cx, r) <= opd->size * 8u)
        return r;
    a64_reg t = lower_temp(cx);
    a64_ubfx(cx->b, A64_X, t, r, 0, opd->size * 8);
    return t;
}

a64_reg lower_read_sign(struct lower_context *cx, const struct x64_operand *opd)
{
    a64_reg t;
    unsigned log2 = lower_log2(opd->size);
    if (opd->kind == X64_OPD_MEM && opd->size < 8) {
        t = lower_temp(cx);
        lower_load(cx, log2, A64_SIGN64, t, lower_address(cx, &cx->insn->x, log2));
        return t;
    }
    a64_reg r = lower_read(cx, opd);
    if (opd->size == 8)
        return r;
    t = lower_temp(cx);
    a64_sbfx(cx->b, A64_X, t, r, 0, opd->size * 8);
    return t;
}

bool lower_is_whole(const struct lower_context *cx, const struct x64_operand *opd)
{
    return lower_is_low(opd) && (opd->size >= 4 || lower_width(cx, lower_gpr(opd->reg)) <= opd->size * 8u || lower_upper_dead(cx, opd->reg, opd->size));
}

a64_reg lower_destination(struct lower_context *cx, const struct x64_operand *opd)
{
    bool whole = opd->size >= 4 || (lower_is_low(opd) && lower_upper_dead(cx, opd->reg, opd->size));
    return lower_is_low(opd) && whole ? lower_gpr(opd->reg) : lower_temp(cx);
}

void lower_write(struct lower_context *cx, const struct x64_operand *opd, a64_reg value)
{
    a64_reg r = lower_gpr(opd->reg);
    if (opd->kind == X64_OPD_MEM) {
        unsigned log2 = lower_log2(opd->size);
        lower_store(cx, log2, value, lower_address(cx, &cx->insn->x, log2));
        return;
    }
    if (opd->kind == X64_OPD_GPR8_HIGH) {
        a64_bfi(cx->b, A64_X, r, value, 8, 8);
        return;
    }
    if (opd->kind != X64_OPD_GPR) {
        cx->b->bad = true;
        return;
    }
    if (opd->size >= 4) {
        if (value != r)
            a64_mov_reg(cx->b, lower_size(opd->size), r, value);    // through SP too; ZR never comes here with SP
        return;
    }
    if (r == A64_SP) {
        a64_reg t = lower_temp(cx);
        a64_mov_reg(cx->b, A64_X, t, A64_SP);
        a64_bfi(cx->b, A64_X, t, value, 0, opd->size * 8);
        a64_mov_reg(cx->b, A64_X, A64_SP, t);
        return;
    }
    if (value == r)
        return;
    if (lower_upper_dead(cx, opd->reg, opd->size))
        a64_mov_reg(cx->b, A64_W, r, value);
    else
        a64_bfi(cx->b, A64_X, r, value, 0, opd->size * 8);
}

static uint32_t literal(struct lower_context *cx, uint64_t low, uint64_t high, bool wide)
{
    for (uint32_t i = 0; i < cx->literal_count; i++) {
        struct lower_literal *l = &cx->work->literals[i];
        if (l->low == low && l->wide == wide && (!wide || l->high == high))
            return l->label;
    }
    if (cx->literal_count >= LOWER_LITERALS) {
        cx->full = true;
        return 0;
    }
    struct lower_literal *l = &cx->work->literals[cx->literal_count++];
    *l = (struct lower_literal){ low, high, lower_label(cx), wide };
    return l->label;
}

// Counted are executed instructions: what takes more than one is loaded.
void lower_const(struct lower_context *cx, a64_reg rd, uint64_t value)
{
    enum a64_size s = value >> 32 ? A64_X : A64_W;
    if (a64_mov_const_count(s, value) <= 1) {
        a64_mov_const(cx->b, s, rd, value);
        return;
    }
    uint32_t label = literal(cx, value, 0, false);
    a64_label_use(&cx->labels, cx->b, label, A64_REACH_19);
    a64_ldr_literal(cx->b, A64_X, rd, 0);
}

void lower_literal_v(struct lower_context *cx, a64_vreg vd, uint64_t low, uint64_t high)
{
    uint32_t label = literal(cx, low, high, true);
    a64_label_use(&cx->labels, cx->b, label, A64_REACH_19);
    a64_ldr_literal_v(cx->b, 4, vd, 0);
}

void lower_add_imm(struct lower_context *cx, enum a64_size s, a64_reg rd, a64_reg rn, int64_t value)
{
    uint64_t up = (uint64_t)value, down = 0 - up;
    if (s == A64_W)
        up &= 0xffffffff, down &= 0xffffffff;
    if (a64_addsub_imm_ok(up)) {
        if (up || rd != rn)
            a64_add_imm(cx->b, s, rd, rn, up);
    } else if (a64_addsub_imm_ok(down)) {
        a64_sub_imm(cx->b, s, rd, rn, down);
    } else if (up < 1 << 24) {
        a64_add_imm(cx->b, s, rd, rn, up & 0xfff000);
        a64_add_imm(cx->b, s, rd, rd, up & 0xfff);
    } else if (down < 1 << 24) {
        a64_sub_imm(cx->b, s, rd, rn, down & 0xfff000);
        a64_sub_imm(cx->b, s, rd, rd, down & 0xfff);
    } else {
        uint8_t mark = cx->temps, locked = cx->locked;
        a64_reg t = lower_imm(cx, s, up);
        if (rd == A64_SP || rn == A64_SP)
            a64_add_ext(cx->b, s, rd, rn, t, s == A64_X ? A64_UXTX : A64_UXTW, 0);
        else
            a64_add_reg(cx->b, s, rd, rn, t, A64_LSL, 0);
        cx->temps = mark;
        cx->locked = locked;
    }
}
