// SPDX-License-Identifier: MIT
// Ordered and unordered comparison.
#include "emu/x87/float80.h"

enum float_relation float80_compare(struct float_env *env, struct float80 a, struct float80 b, bool quiet)
{
    struct float80 nan;
    if (float80_special_pair(env, a, b, &nan)) {
        if (!quiet)
            env->raised |= FLOAT_IE;
        return FLOAT_UNORDERED;
    }
    struct float_parts p = float80_unpack(a), q = float80_unpack(b);
    float80_note_denormal(env, &p);
    float80_note_denormal(env, &q);
    if (p.class == FLOAT_ZERO && q.class == FLOAT_ZERO)
        return FLOAT_EQUAL;
    if (p.class == FLOAT_ZERO)
        return q.sign ? FLOAT_GREATER : FLOAT_LESS;
    if (q.class == FLOAT_ZERO || p.sign != q.sign)
        return p.sign ? FLOAT_LESS : FLOAT_GREATER;
    if (p.exponent == q.exponent && p.significand == q.significand)
        return FLOAT_EQUAL;
    bool larger = p.exponent != q.exponent ? p.exponent > q.exponent : p.significand > q.significand;
    return larger != p.sign ? FLOAT_GREATER : FLOAT_LESS;
}
