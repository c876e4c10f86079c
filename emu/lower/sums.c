// SPDX-License-Identifier: MIT
// The sum of a base and a shifted index that was computed last: operands of several instructions around one sum differ in the displacement only.
// It is in a keeper (constants.c), or in the destination of a LEA, until a register of it changes, that register is wanted, a label is bound,
// or constants are forgotten.
#include "emu/lower/width.h"

void lower_sum_forget(struct lower_context *cx)
{
    cx->kept.holder = A64_ZR;
}

bool lower_sum_held(const struct lower_context *cx, a64_reg base, a64_reg index, unsigned shift)
{
    const struct lower_kept *k = &cx->kept;
    return k->holder != A64_ZR && k->base == base && k->index == index && k->shift == shift;
}

a64_reg lower_sum(struct lower_context *cx, a64_reg base, a64_reg index, unsigned shift)
{
    if (lower_sum_held(cx, base, index, shift)) {
        lower_lock(cx, cx->kept.holder);
        return cx->kept.holder;
    }
    a64_reg t = lower_keeper(cx);
    if (t == A64_ZR)
        t = lower_temp(cx);
    else
        cx->kept = (struct lower_kept){ t, base, index, (uint8_t)shift };
    return lower_add_index(cx, base, index, shift, t);
}

void lower_sum_note(struct lower_context *cx, a64_reg holder, a64_reg base, a64_reg index, unsigned shift)
{
    if (!cx->config->verify && holder != base && holder != index)
        cx->sum_made = (struct lower_kept){ holder, base, index, (uint8_t)shift };
}

void lower_sum_after(struct lower_context *cx, uint16_t written)
{
    struct lower_kept *k = &cx->kept;
    for (unsigned rest = written; rest && k->holder != A64_ZR; rest &= rest - 1) {
        a64_reg r = lower_gpr((unsigned)__builtin_ctz(rest));
        if (k->holder == r || k->base == r || k->index == r)
            k->holder = A64_ZR;
    }
    if (cx->sum_made.holder != A64_ZR)
        cx->kept = cx->sum_made;
    cx->sum_made.holder = A64_ZR;
}
