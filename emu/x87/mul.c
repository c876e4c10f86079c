// SPDX-License-Identifier: MIT
// Multiplication and division.
#include "emu/x87/float80.h"

struct float80 float80_mul(struct float_env *env, struct float80 a, struct float80 b)
{
    struct float80 result;
    if (float80_special_pair(env, a, b, &result))
        return result;
    struct float_parts p = float80_unpack(a), q = float80_unpack(b);
    bool sign = p.sign != q.sign, infinite = p.class == FLOAT_INFINITY || q.class == FLOAT_INFINITY;
    bool zero = p.class == FLOAT_ZERO || q.class == FLOAT_ZERO;
    if (infinite && zero)
        return float80_invalid(env);
    float80_note_denormal(env, &p);
    float80_note_denormal(env, &q);
    if (infinite)
        return float80_infinity(sign);
    if (zero)
        return float80_zero(sign);
    return float80_round(env, env->precision, sign, p.exponent + q.exponent - FLOAT_BIAS + 1,
                         (float_u128)p.significand * q.significand);
}

struct float80 float80_div(struct float_env *env, struct float80 a, struct float80 b)
{
    struct float80 result;
    if (float80_special_pair(env, a, b, &result))
        return result;
    struct float_parts p = float80_unpack(a), q = float80_unpack(b);
    bool sign = p.sign != q.sign;
    if (p.class == q.class && (p.class == FLOAT_INFINITY || p.class == FLOAT_ZERO))
        return float80_invalid(env);
    if (q.class == FLOAT_ZERO && p.class != FLOAT_INFINITY) {
        env->raised = (uint8_t)((env->raised & ~FLOAT_DE) | FLOAT_ZE);     // one of the two, from memory too
        return float80_infinity(sign);
    }
    float80_note_denormal(env, &p);
    float80_note_denormal(env, &q);
    if (p.class == FLOAT_INFINITY)
        return float80_infinity(sign);
    if (p.class == FLOAT_ZERO || q.class == FLOAT_INFINITY)
        return float80_zero(sign);
    int32_t exponent = p.exponent - q.exponent + FLOAT_BIAS;
    uint64_t high = p.significand, low = 0, rest;
    if (high >= q.significand) {
        low = high << 63;
        high >>= 1;
    } else {
        exponent--;
    }
    uint64_t first = float_divide(high, low, q.significand, &rest);
    uint64_t second = float_divide(rest, 0, q.significand, &rest);
    return float80_round(env, env->precision, sign, exponent, (float_u128)first << 64 | second | (rest != 0));
}
