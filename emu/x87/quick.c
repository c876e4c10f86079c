// SPDX-License-Identifier: MIT
// The x87 state in plain and in quick form.
#include "emu/x87/quick.h"
#include "emu/x87/x87.h"

enum { DOUBLE_BIAS = FLOAT_BIAS - 1023, DOUBLE_MAX = 0x7ff, PRECISION_DOUBLE = 0x200 };

static bool is_wide(const struct float80 *a)
{
    return a->sign_exponent || a->reserved[0] || a->reserved[1] || a->reserved[2];
}

static struct float80 from_double(uint64_t bits)
{
    struct float_env none = { 0 };
    return float80_from_float64(&none, bits);
}

// Zero, infinity, or a number that is a normal double.
static bool to_double(struct float80 a, uint64_t *bits)
{
    uint64_t sign = (uint64_t)(a.sign_exponent >> 15) << 63;
    unsigned exponent = a.sign_exponent & FLOAT_EXPONENT_MAX;
    if (!exponent && !a.significand)
        *bits = sign;
    else if (exponent == FLOAT_EXPONENT_MAX && a.significand == 1ull << 63)
        *bits = sign | (uint64_t)DOUBLE_MAX << 52;
    else if (exponent > DOUBLE_BIAS && exponent < DOUBLE_BIAS + DOUBLE_MAX && a.significand >> 63 && !(a.significand & 0x7ff))
        *bits = sign | (uint64_t)(exponent - DOUBLE_BIAS) << 52 | a.significand << 1 >> 12;
    else
        return false;
    return true;
}

static bool rounded_up(const struct x87_quick *q)
{
    typedef struct float80 binary(struct float_env *, struct float80, struct float80);
    static binary *const operations[] = { [C1_ADD] = float80_add, [C1_SUB] = float80_sub, [C1_MUL] = float80_mul, [C1_DIV] = float80_div };
    struct float_env env = { .rounding = ROUND_NEAREST, .precision = 53, .masked = FLOAT_ALL };
    struct float80 a = from_double(q->operand[0]);
    switch (q->c1) {
    case C1_CLEAR:   break;
    case C1_SET:     return true;
    case C1_SQRT:    float80_sqrt(&env, a); break;
    case C1_SINGLE:  float80_to_float32(&env, a); break;
    case C1_WHOLE:   float80_round_integer(&env, a); break;
    case C1_INTEGER: float80_to_integer(&env, a, 8, false); break;
    case C1_ADD: case C1_SUB: case C1_MUL: case C1_DIV: operations[q->c1](&env, a, from_double(q->operand[1])); break;
    }
    return env.up;
}

void x87_to_plain(struct x87_state *s, struct x87_quick *q)
{
    if (q->depth > 8)
        return;
    for (unsigned i = 0; i < 8; i++) {
        if (is_wide(&s->reg[i]))
            s->reg[i].reserved[2] = 0;
        else
            s->reg[i] = from_double(s->reg[i].significand);
    }
    s->status = (uint16_t)((s->status & (FLOAT_ALL | FLOAT_SF)) | (q->inexact ? FLOAT_PE : 0) | q->conditions | (rounded_up(q) ? X87_C1 : 0));
    s->valid = (uint16_t)(0xff00 >> q->depth & 0xff);
    s->opcode = (uint16_t)(s->ip >> X87_QUICK_OPCODE_SHIFT);
    s->ip &= (1ull << X87_QUICK_OPCODE_SHIFT) - 1;
    x87_set_top(s, 0 - q->depth);
    *q = (struct x87_quick){ .depth = X87_PLAIN };
}

void x87_to_quick(struct x87_state *s, struct x87_quick *q)
{
    unsigned depth = (8 - x87_top(s)) & 7;
    if (s->valid == 0xff && !depth)
        depth = 8;
    bool fits = s->valid == (0xff00 >> depth & 0xff) && (s->control & FLOAT_ALL) == FLOAT_ALL && s->control & PRECISION_DOUBLE
                && !(s->status & (X87_ES | X87_BUSY)) && !(s->ip >> X87_QUICK_OPCODE_SHIFT);
    uint64_t doubles[8];
    for (unsigned i = 0; i < depth && fits; i++)
        fits = to_double(s->reg[7 - i], &doubles[7 - i]);
    *q = (struct x87_quick){ .depth = X87_PLAIN };
    if (!fits)
        return;
    for (unsigned i = 0; i < 8; i++) {
        if (s->valid >> i & 1)
            s->reg[i] = (struct float80){ .significand = doubles[i] };
        else
            s->reg[i].reserved[2] = X87_QUICK_WIDE;
    }
    q->depth = depth;
    q->c1 = s->status & X87_C1 ? C1_SET : C1_CLEAR;
    q->conditions = s->status & (X87_C0 | X87_C2 | X87_C3);
    s->status &= FLOAT_ALL | FLOAT_SF;
    s->ip |= (uint64_t)s->opcode << X87_QUICK_OPCODE_SHIFT;
}
