// SPDX-License-Identifier: MIT
// Moves: MOV MOVZX MOVSX MOVSXD LEA XCHG CMOVcc SETcc BSWAP MOVBE CBW CWD XLAT.
#include "emu/lower/lazy.h"
#include "emu/lower/width.h"

void lower_selector(struct lower_context *cx, unsigned segment, a64_reg t)
{
    static const uint8_t selectors[] = CTX_SELECTORS_INITIAL;
    if (segment == X64_CS)
        a64_mov_const(cx->b, A64_W, t, selectors[segment]);
    else
        a64_ldr_uimm(cx->b, 1, A64_ZERO, t, 28, CTX_SELECTORS + 2 * (int)segment);
}

bool lower_mov(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *dst = &insn->opd[0], *src = &insn->opd[1];
    struct a64_buf *b = cx->b;
    if (src->kind == X64_OPD_SEG) {
        a64_reg d = dst->kind == X64_OPD_GPR ? lower_destination(cx, dst) : lower_temp(cx);
        lower_selector(cx, src->reg, d);
        lower_write(cx, dst, d);
        return true;
    }
    if (dst->kind == X64_OPD_SEG)
        return lower_in_kernel(cx, insn);
    if (dst->kind != X64_OPD_GPR && dst->kind != X64_OPD_GPR8_HIGH && dst->kind != X64_OPD_MEM)
        return false;                               // to a control or debug register
    if (src->kind != X64_OPD_GPR && src->kind != X64_OPD_GPR8_HIGH && src->kind != X64_OPD_MEM && src->kind != X64_OPD_IMM)
        return false;
    if (dst->kind == X64_OPD_GPR && dst->size >= 4) {
        a64_reg d = lower_gpr(dst->reg);
        enum a64_size s = lower_size(dst->size);
        if (src->kind == X64_OPD_IMM && d != A64_SP) {
            lower_const(cx, d, s == A64_W ? (uint32_t)src->value : (uint64_t)src->value);
            return true;
        }
        if (src->kind == X64_OPD_MEM && d != A64_SP) {
            lower_load(cx, lower_log2(src->size), A64_ZERO, d, lower_address(cx, insn, lower_log2(src->size)));
            return true;
        }
        if (src->kind == X64_OPD_GPR) {
            a64_reg r = lower_source(cx, src->reg);
            if (d != r || (s == A64_W && lower_width(cx, r) > 32))
                a64_mov_reg(b, s, d, r);
            return true;
        }
        a64_reg value = lower_read(cx, src);
        if (value == A64_ZR) {
            value = lower_temp(cx);
            a64_mov_const(b, A64_X, value, 0);
        }
        a64_mov_reg(b, s, d, value);
        return true;
    }
    if (lower_is_whole(cx, dst)) {                  // zero-extended
        a64_reg d = lower_gpr(dst->reg);
        if (src->kind == X64_OPD_MEM) {
            lower_load(cx, lower_log2(src->size), A64_ZERO, d, lower_address(cx, insn, lower_log2(src->size)));
        } else if (src->kind == X64_OPD_IMM) {
            a64_mov_const(b, A64_W, d, (uint64_t)src->value & (dst->size == 1 ? 0xff : 0xffff));
        } else {
            bool high = src->kind == X64_OPD_GPR8_HIGH;
            a64_reg r = high ? lower_gpr(src->reg) : lower_read(cx, src);
            if (high || lower_width(cx, r) > dst->size * 8u)
                a64_ubfx(b, A64_W, d, r, high ? 8 : 0, dst->size * 8);
            else if (r != d)
                a64_mov_reg(b, A64_W, d, r);
        }
        return true;
    }
    uint64_t ones = dst->size == 1 ? 0xff : 0xffff;
    if (src->kind == X64_OPD_IMM && ((uint64_t)src->value & ones) == ones && dst->kind != X64_OPD_MEM && dst->reg != X64_RSP && dst->size < 4) {
        a64_reg d = lower_gpr(dst->reg);
        a64_orr_imm(b, A64_X, d, d, dst->kind == X64_OPD_GPR8_HIGH ? 0xff00 : ones);
        return true;
    }
    a64_reg value = lower_read(cx, src);
    lower_write(cx, dst, value);
    return true;
}

static bool extend(struct lower_context *cx, const struct x64_insn *insn, bool sign)
{
    const struct x64_operand *dst = &insn->opd[0], *src = &insn->opd[1];
    struct a64_buf *b = cx->b;
    if (src->size >= dst->size)                     // MOVSXD r32, r/m32 and MOVZX/MOVSX of equal sizes
        return lower_mov(cx, insn);
    unsigned log2 = lower_log2(src->size), bits = src->size * 8;
    struct lower_lazy l;
    if (dst->size >= 4 && lower_is_low(src) && lower_value_width(cx, src->reg) <= bits - sign && !lower_shifted(cx, src->reg, &l)) {    // it is extended
        struct x64_insn move = *insn;
        move.opd[0].size = move.opd[1].size = 4;
        return lower_mov(cx, &move);
    }
    a64_reg d = lower_destination(cx, dst);
    if (d == A64_SP)
        d = lower_temp(cx);
    if (src->kind == X64_OPD_MEM) {
        lower_load(cx, log2, !sign ? A64_ZERO : dst->size == 8 ? A64_SIGN64 : A64_SIGN32, d, lower_address(cx, insn, log2));
    } else {
        bool high = src->kind == X64_OPD_GPR8_HIGH;
        if (!high && lower_shifted(cx, src->reg, &l)) {
            a64_ubfx(b, lower_size(l.wide ? 8 : 4), d, l.from, l.amount, bits);
            lower_write(cx, dst, d);
            return true;
        }
        a64_reg r = high ? lower_gpr(src->reg) : lower_read(cx, src);
        if (sign)
            a64_sbfx(b, lower_size(dst->size), d, r, high ? 8 : 0, bits);
        else
            a64_ubfx(b, A64_W, d, r, high ? 8 : 0, bits);
    }
    lower_write(cx, dst, d);
    return true;
}

bool lower_movzx(struct lower_context *cx, const struct x64_insn *insn) { return extend(cx, insn, false); }
bool lower_movsx(struct lower_context *cx, const struct x64_insn *insn) { return extend(cx, insn, true); }

bool lower_lea(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *dst = &insn->opd[0];
    const struct x64_mem *m = &insn->mem;
    enum a64_size s = lower_size(dst->size);
    a64_reg d = lower_gpr(dst->reg);
    // With a far displacement the address is built in two steps, so it must not be built over its own base or in SP.
    bool in_place = d != A64_SP && dst->size >= 4 && (s == A64_X) == (m->address_size == 8);
    if (!in_place && d != A64_SP && dst->size == 4)
        in_place = true;                            // the low 32 bits of any of them; W form
    if (dst->size == 8 && m->address_size == 4 && d != A64_SP)
        in_place = true;                            // zero-extended by the W form
    if (in_place) {
        struct lower_lazy l;
        bool sum = s == A64_X && m->address_size == 8 && m->base < 16 && m->index < 16 && !m->disp && !lower_shifted(cx, m->index, &l);
        lower_effective_address(cx, m, d, s);
        if (sum)
            lower_sum_note(cx, d, lower_source(cx, m->base), lower_source(cx, m->index), lower_log2(m->scale));
        return true;
    }
    a64_reg t = lower_effective_address(cx, m, lower_temp(cx), A64_X);
    lower_write(cx, dst, t);
    return true;
}

bool lower_xchg(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *x = &insn->opd[0], *y = &insn->opd[1];
    struct a64_buf *b = cx->b;
    if (y->kind == X64_OPD_MEM) {
        const struct x64_operand *swap = x;
        x = y;
        y = swap;
    }
    if (x->kind == X64_OPD_MEM) {
        a64_reg value = lower_read(cx, y);
        if (lower_is_atomic(cx, insn)) {
            a64_reg address = lower_address_register(cx, insn), old = lower_is_low(y) && x->size >= 4 ? lower_gpr(y->reg) : lower_temp(cx);
            lower_atomic_into(cx, ATOMIC_SWAP, x->size, address, value, old);
            lower_write(cx, y, old);
            return true;
        }
        struct lower_rmw w = lower_rmw_begin(cx, insn, x->size);
        lower_rmw_end(cx, &w, value);
        lower_write(cx, y, w.old);
        return true;
    }
    a64_reg t = lower_temp(cx);
    a64_reg from = lower_read(cx, x);
    a64_mov_reg(b, A64_X, t, from);
    lower_write(cx, x, lower_read(cx, y));
    lower_write(cx, y, t);
    if (x->size == 4 && x->reg == y->reg)
        a64_mov_reg(b, A64_W, lower_gpr(x->reg), lower_gpr(x->reg));
    return true;
}

bool lower_cmov(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *dst = &insn->opd[0], *src = &insn->opd[1];
    struct a64_buf *b = cx->b;
    enum a64_size s = lower_size(dst->size);
    a64_reg value = lower_read(cx, src);            // loads whether or not the condition holds
    struct lower_condition c;
    bool on_nzcv = lower_condition_nzcv(cx, insn->cond, &c);
    if (!on_nzcv)
        c = lower_condition(cx, insn->cond);
    if (c.test == TEST_NEVER)
        value = lower_read(cx, dst);
    if (c.test == TEST_ALWAYS || c.test == TEST_NEVER) {
        if (value == lower_gpr(dst->reg)) {
            if (dst->size == 4)
                a64_mov_reg(b, A64_W, value, value);
        } else {
            lower_write(cx, dst, value);
        }
        return true;
    }
    a64_reg old = lower_read(cx, dst), d = lower_destination(cx, dst);
    if (c.test == TEST_COND) {
        a64_csel(b, s, d, value, old, c.cond);
    } else {
        uint32_t skip = lower_label(cx);
        a64_reg t = lower_temp(cx);
        a64_mov_reg(b, s, t, old);
        lower_branch(cx, lower_opposite(c), skip);
        a64_mov_reg(b, s, t, value);
        lower_bind(cx, skip);
        a64_mov_reg(b, s, d, t);
    }
    lower_write(cx, dst, d);
    return true;
}

void lower_set_condition(struct lower_context *cx, enum x64_cond cc, a64_reg t)
{
    struct a64_buf *b = cx->b;
    struct lower_condition c;
    bool zero = (cc & ~1u) == X64_CC_E && cx->flags.nz == NZ_LOGIC && (cx->flags.cf == CF_ZERO || cx->flags.cf == CF_X7);
    if (!zero || !lower_condition_nzcv(cx, cc, &c))
        c = lower_condition(cx, cc);
    if ((c.test == TEST_NOT_ZERO || c.test == TEST_ZERO) && lower_nzcv_free(cx)) {
        a64_subs_reg(b, c.size, A64_ZR, c.reg, A64_ZR, A64_LSL, 0);
        c = (struct lower_condition){ .test = TEST_COND, .cond = c.test == TEST_ZERO ? A64_EQ : A64_NE };
    }
    switch (c.test) {
    case TEST_COND:
        a64_cset(b, A64_W, t, c.cond);
        break;
    case TEST_ALWAYS:
    case TEST_NEVER:
        a64_mov_const(b, A64_W, t, c.test == TEST_ALWAYS);
        break;
    case TEST_BIT_SET:
        a64_ubfx(b, A64_X, t, c.reg, c.bit, 1);
        break;
    case TEST_BIT_CLEAR:
        a64_ubfx(b, A64_X, t, c.reg, c.bit, 1);
        a64_eor_imm(b, A64_W, t, t, 1);
        break;
    default: {                                      // zero: bit 5 or 6 of the count of leading zeroes
        a64_clz(b, c.size, t, c.reg);
        a64_lsr_imm(b, A64_W, t, t, c.size == A64_X ? 6 : 5);
        if (c.test == TEST_NOT_ZERO)
            a64_eor_imm(b, A64_W, t, t, 1);
        break;
    }
    }
}

bool lower_setcc(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *dst = &insn->opd[0];
    if (dst->kind == X64_OPD_MEM) {                 // the address first: a condition may move flags, which a fault must not see half done
        struct lower_mem m = lower_address(cx, insn, 0);
        uint16_t live = cx->live;
        cx->live = X64_ARITH_FLAGS;
        a64_reg value = lower_temp(cx);
        lower_set_condition(cx, insn->cond, value);
        cx->live = live;
        lower_point_here(cx);
        lower_store(cx, 0, value, m);
        return true;
    }
    a64_reg d = lower_is_whole(cx, dst) ? lower_gpr(dst->reg) : lower_temp(cx);
    lower_set_condition(cx, insn->cond, d);
    lower_write(cx, dst, d);
    return true;
}

bool lower_bswap(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *dst = &insn->opd[0];
    a64_reg value = lower_read(cx, dst), d = lower_destination(cx, dst);
    if (dst->size == 2)
        a64_mov_const(cx->b, A64_W, d, 0);          // undefined by the manual; processors give zero
    else
        a64_rev(cx->b, lower_size(dst->size), d, value);
    lower_write(cx, dst, d);
    return true;
}

bool lower_movbe(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *dst = &insn->opd[0], *src = &insn->opd[1];
    a64_reg value = lower_read(cx, src);
    a64_reg d = dst->kind == X64_OPD_MEM ? lower_temp(cx) : lower_destination(cx, dst);
    if (dst->size == 2)
        a64_rev16(cx->b, A64_W, d, value);
    else
        a64_rev(cx->b, lower_size(dst->size), d, value);
    lower_write(cx, dst, d);
    return true;
}

// CBW, CWDE, CDQE: the accumulator's lower half into the whole.
bool lower_cbw(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_reg rax = lower_gpr(X64_RAX);
    unsigned bits = insn->opsize * 4;
    if (insn->opsize >= 4) {
        a64_sbfx(cx->b, lower_size(insn->opsize), rax, rax, 0, bits);
    } else {
        a64_reg t = lower_temp(cx);
        a64_sbfx(cx->b, A64_W, t, rax, 0, bits);
        a64_bfi(cx->b, A64_X, rax, t, 0, 16);
    }
    return true;
}

// CWD, CDQ, CQO: the accumulator's sign into rdx.
bool lower_cwd(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_reg rax = lower_gpr(X64_RAX), rdx = lower_gpr(X64_RDX);
    if (insn->opsize >= 4) {
        a64_asr_imm(cx->b, lower_size(insn->opsize), rdx, rax, insn->opsize * 8 - 1);
    } else {
        a64_reg t = lower_temp(cx);
        a64_sbfx(cx->b, A64_W, t, rax, 15, 1);
        a64_bfi(cx->b, A64_X, rdx, t, 0, 16);
    }
    return true;
}

// XLAT: al = [rbx + al]
bool lower_xlat(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_reg t = lower_temp(cx), rbx = lower_gpr(X64_RBX), rax = lower_gpr(X64_RAX);
    enum a64_size s = insn->address_size == 4 ? A64_W : A64_X;
    a64_ubfx(cx->b, A64_W, t, rax, 0, 8);
    struct lower_mem m = { .base = rbx, .index = t };
    if (s == A64_W || insn->segment == X64_GS || lower_tso(cx)) {
        a64_add_reg(cx->b, s, t, t, rbx, A64_LSL, 0);
        if (insn->segment == X64_GS)
            a64_add_reg(cx->b, A64_X, t, t, 18, A64_LSL, 0);
        m = lower_mem_register(t);
    }
    lower_load(cx, 0, A64_ZERO, t, m);
    a64_bfi(cx->b, A64_X, rax, t, 0, 8);
    return true;
}
