// SPDX-License-Identifier: MIT
// F2XM1, FYL2X, FYL2XP1.
#include "emu/x87/wide.h"

#include "emu/x87/logarithm_tables.inc"

#define COUNT(table) (sizeof table / sizeof *table)

static struct wide constant(struct wide_constant c)
{
    return wide_make(false, 0, wide_value(c));
}

static const struct wide one = { .significand = (float_u128)1 << 127 };

struct float80 float80_exp2m1(struct float_env *env, struct float80 a)
{
    struct float80 result;
    if (float80_special(env, a, &result))
        return result;
    struct float_parts p = float80_unpack(a);
    float80_note_denormal(env, &p);
    if (p.class == FLOAT_ZERO)
        return a;
    if (p.class == FLOAT_INFINITY)
        return p.sign ? float80_pack(true, FLOAT_BIAS, 1ull << 63) : a;
    if (p.exponent >= FLOAT_BIAS) {
        // 1 and -1 give 1 and -1/2; beyond them the instruction has no defined result (SDM vol. 2 F2XM1): its operand
        env->raised |= FLOAT_PE;
        bool is_one = p.exponent == FLOAT_BIAS && !(p.significand << 1);
        return is_one && p.sign ? float80_pack(true, FLOAT_BIAS - 1, 1ull << 63) : a;
    }
    // e^t - 1 = t (1 + t / 2! + t^2 / 3! + ...)
    struct wide t = wide_mul(wide_from(a), constant(ln_2));
    float_u128 factor = wide_series(exponential_series, COUNT(exponential_series), wide_fraction(t), t.sign);
    return wide_round(env, wide_mul(t, wide_make(false, 0, factor)), false);
}

// log2(1 + 2 s / (1 - s)) = 2 / ln 2 (s + s^3 / 3 + s^5 / 5 + ...), |s| <= 3 - 2 sqrt(2)
static struct wide logarithm_of_ratio(struct wide s)
{
    float_u128 sum = wide_series(logarithm_series, COUNT(logarithm_series), wide_fraction(wide_mul(s, s)), false);
    struct wide result = wide_mul(wide_mul(s, wide_make(false, 0, sum)), constant(one_over_ln_2));
    result.exponent += s.significand != 0;
    return result;
}

// x > 0
static struct wide logarithm(struct wide x)
{
    int32_t whole = x.exponent;
    x.exponent = 0;
    if (x.significand > wide_value(sqrt_2)) {
        x.exponent = -1;
        whole++;
    }
    struct wide s = wide_div(wide_add(x, wide_negate(one)), wide_add(x, one));
    struct wide power = wide_make(whole < 0, 127, (float_u128)(whole < 0 ? -whole : whole));
    return wide_add(power, logarithm_of_ratio(s));
}

// y * log, log a finite number that is not 0 or an infinity of its sign
static struct float80 times(struct float_env *env, struct float80 y, struct wide log, bool infinite, bool exact)
{
    struct float_parts p = float80_unpack(y);
    bool sign = p.sign != log.sign;
    if (p.class == FLOAT_ZERO && infinite)
        return float80_invalid(env);
    if (p.class == FLOAT_ZERO)
        return float80_zero(sign);
    if (p.class == FLOAT_INFINITY || infinite)
        return float80_infinity(sign);
    struct float80 result = wide_round(env, wide_mul(wide_from(y), log), exact);
    bool tiny = !(result.sign_exponent & 0x7fff);
    env->raised |= FLOAT_PE | (tiny ? FLOAT_UE : 0);       // exact results too
    return result;
}

struct float80 float80_ylog2x(struct float_env *env, struct float80 y, struct float80 x)
{
    struct float80 result;
    if (float80_special_pair(env, y, x, &result))
        return result;
    struct float_parts p = float80_unpack(y), q = float80_unpack(x);
    if (q.class == FLOAT_ZERO) {
        if (p.class == FLOAT_ZERO)
            return float80_invalid(env);
        env->raised |= p.class == FLOAT_INFINITY ? 0 : FLOAT_ZE;
        return float80_infinity(!p.sign);
    }
    if (q.sign)
        return float80_invalid(env);
    bool is_one = q.class == FLOAT_NORMAL && q.exponent == FLOAT_BIAS && !(q.significand << 1);
    if ((p.class == FLOAT_INFINITY && is_one) || (p.class == FLOAT_ZERO && q.class == FLOAT_INFINITY))
        return float80_invalid(env);
    float80_note_denormal(env, &p);
    float80_note_denormal(env, &q);
    if (is_one)
        return float80_zero(p.sign);
    if (q.class == FLOAT_INFINITY)
        return times(env, y, one, true, true);
    return times(env, y, logarithm(wide_from(x)), false, !(q.significand << 1));
}

struct float80 float80_ylog2xp1(struct float_env *env, struct float80 y, struct float80 x)
{
    struct float80 result;
    if (float80_special_pair(env, y, x, &result))
        return result;
    struct float_parts p = float80_unpack(y), q = float80_unpack(x);
    if (q.class == FLOAT_INFINITY && q.sign)
        return float80_invalid(env);
    if (q.class == FLOAT_ZERO) {
        if (p.class == FLOAT_INFINITY)
            return float80_invalid(env);
        float80_note_denormal(env, &p);
        return float80_zero(p.sign != q.sign);
    }
    float80_note_denormal(env, &p);
    float80_note_denormal(env, &q);
    if (q.class == FLOAT_INFINITY)
        return times(env, y, one, true, true);
    struct wide a = wide_from(x);
    if (a.exponent < -2) {
        struct wide two = one;
        two.exponent = 1;
        return times(env, y, logarithm_of_ratio(wide_div(a, wide_add(two, a))), false, false);
    }
    a = wide_add(one, a);
    bool defined = !a.sign && a.significand;
    if (!defined && (p.class == FLOAT_ZERO || p.class == FLOAT_INFINITY))
        return p.class == FLOAT_ZERO ? float80_zero(p.sign != q.sign) : float80_infinity(p.sign != q.sign);
    if (!defined) {                         // x <= -1: no defined result (SDM vol. 2 FYL2XP1); x, as processors do
        env->raised |= FLOAT_PE;
        return x;
    }
    return times(env, y, logarithm(a), false, !(a.significand << 1));
}
