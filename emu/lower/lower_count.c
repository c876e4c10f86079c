// SPDX-License-Identifier: MIT
// A loop that counts ones by taking away the lowest (the first two instructions in any order):
//     L:  inc n;  lea t, [b - 1];  and b, t;  jne L
// Its end is known at once: n has grown by the ones of b, or by one if b was zero, b is zero, and t is one less than b's highest one was.
// Compilers make the same of its source where the processor has an instruction for it.
#include "emu/a64/simd.h"
#include "emu/lower/lower_count.h"

struct loop { unsigned n, b, t, count_bytes, bytes; };

static bool is_register(const struct x64_operand *opd) { return lower_is_low(opd) && opd->size >= 4; }

static bool is_increment(const struct x64_insn *x)
{
    return is_register(&x->opd[0]) && !x->prefixes &&
           (x->op == X64_INC || (x->op == X64_ADD && x->opd[1].kind == X64_OPD_IMM && x->opd[1].value == 1));
}

static bool is_one_less(const struct x64_insn *x)
{
    return x->op == X64_LEA && is_register(&x->opd[0]) && x->mem.base < 16 && x->mem.index == X64_REG_NONE && x->mem.disp == -1;
}

static bool find(const struct lower_context *cx, const struct lower_block *k, struct loop *l)
{
    const struct lower_insn *i = &cx->work->insns[k->first];
    if (cx->config->verify || cx->config->step || k->end != END_BRANCH || k->count != 4 || k->taken < 0 || &cx->work->blocks[k->taken] != k)
        return false;
    bool first = is_increment(&i[0].x);
    const struct x64_insn *inc = &i[!first].x, *lea = &i[first].x, *and = &i[2].x, *jump = &i[3].x;
    if (jump->op != X64_JCC || jump->cond != X64_CC_NE || and->op != X64_AND || and->prefixes || !is_register(&and->opd[0]) ||
        !is_register(&and->opd[1]) || !is_increment(inc) || !is_one_less(lea))
        return false;
    *l = (struct loop){ inc->opd[0].reg, and->opd[0].reg, and->opd[1].reg, inc->opd[0].size, and->opd[0].size };
    return lea->opd[0].reg == l->t && lea->mem.base == l->b && lea->opd[0].size == l->bytes && (lea->mem.address_size == 8 || l->bytes == 4) &&
           l->n != l->b && l->n != l->t && l->b != l->t;
}

// b is zero: once round. reg: n, t; value: their sizes.
static void once(struct lower_context *cx, const struct lower_deferred *d)
{
    a64_add_imm(cx->b, d->value & 8 ? A64_X : A64_W, d->reg[0], d->reg[0], 1);
    a64_orn_reg(cx->b, d->value >> 4 & 8 ? A64_X : A64_W, d->reg[1], A64_ZR, A64_ZR, A64_LSL, 0);
    lower_b(cx, d->back);
}

bool lower_count_loop(struct lower_context *cx, const struct lower_block *k)
{
    struct loop l;
    if (!find(cx, k, &l))
        return false;
    struct a64_buf *buf = cx->b;
    enum a64_size s = lower_size(l.bytes);
    a64_reg n = lower_gpr(l.n), b = lower_gpr(l.b), t = lower_gpr(l.t);
    cx->temps = 0;
    struct lower_deferred *d = lower_defer(cx, once);
    d->back = lower_label(cx);
    d->reg[0] = n;
    d->reg[1] = t;
    d->value = l.count_bytes | l.bytes << 4;
    a64_reg ones = lower_temp(cx), most = lower_temp(cx);
    lower_cbz(cx, s, b, d->label);
    lower_count_ones(cx, s, ones, b);
    a64_add_reg(buf, lower_size(l.count_bytes), n, n, ones, A64_LSL, 0);
    a64_mov_const(buf, s, most, s == A64_X ? ~0ull >> 1 : 0x7fffffff);
    a64_clz(buf, s, t, b);
    a64_lsrv(buf, s, t, most, t);
    lower_bind(cx, d->back);
    a64_mov_reg(buf, s, b, A64_ZR);         // of 32 bits, the upper half too
    cx->insn = lower_last(cx, k);
    cx->live = cx->insn->live;
    cx->read = cx->insn->read;
    lower_flags_logic(cx, A64_ZR, l.bytes);
    lower_pa(cx, PA_LOGIC, A64_ZR, 0);
    return true;
}
