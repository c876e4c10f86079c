// SPDX-License-Identifier: MIT
// Addition and subtraction.
#include "emu/x87/float80.h"

static struct float80 add_magnitudes(struct float_env *env, struct float_parts a, struct float_parts b)
{
    if (a.exponent < b.exponent || (a.exponent == b.exponent && a.significand < b.significand)) {
        struct float_parts other = a;
        a = b;
        b = other;
    }
    // One bit for the carry, 63 below the unit for what is shifted out.
    float_u128 x = (float_u128)a.significand << 63, y = (float_u128)b.significand << 63;
    y = float_shift_jam(y, (unsigned)(a.exponent - b.exponent));
    if (a.sign == b.sign)
        return float80_round(env, env->precision, a.sign, a.exponent + 1, x + y);
    if (x == y)
        return float80_zero(env->rounding == ROUND_DOWN);
    return float80_round(env, env->precision, a.sign, a.exponent + 1, x - y);
}

static struct float80 add(struct float_env *env, struct float80 a, struct float80 b, bool negate)
{
    struct float80 result;
    if (float80_special_pair(env, a, b, &result))
        return result;
    struct float_parts p = float80_unpack(a), q = float80_unpack(b);
    q.sign ^= negate;
    if (p.class == FLOAT_INFINITY && q.class == FLOAT_INFINITY && p.sign != q.sign)
        return float80_invalid(env);
    float80_note_denormal(env, &p);
    float80_note_denormal(env, &q);
    if (p.class == FLOAT_INFINITY || q.class == FLOAT_INFINITY)
        return float80_infinity(p.class == FLOAT_INFINITY ? p.sign : q.sign);
    if (p.class == FLOAT_ZERO && q.class == FLOAT_ZERO)
        return float80_zero(p.sign == q.sign ? p.sign : env->rounding == ROUND_DOWN);
    if (p.class == FLOAT_ZERO)
        return float80_round(env, env->precision, q.sign, q.exponent, (float_u128)q.significand << 64);
    if (q.class == FLOAT_ZERO)
        return float80_round(env, env->precision, p.sign, p.exponent, (float_u128)p.significand << 64);
    return add_magnitudes(env, p, q);
}

struct float80 float80_add(struct float_env *env, struct float80 a, struct float80 b)
{
    return add(env, a, b, false);
}

struct float80 float80_sub(struct float_env *env, struct float80 a, struct float80 b)
{
    return add(env, a, b, true);
}
