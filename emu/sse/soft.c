// SPDX-License-Identifier: MIT
// Encodings, NaNs, rounding.
#include "emu/sse/soft.h"

const struct soft_format soft_half = { 16, 10, 15, true }, soft_single = { 32, 23, 127, false }, soft_double = { 64, 52, 1023, false };

static uint64_t fraction_mask(const struct soft_format *f) { return (1ull << f->fraction) - 1; }
static unsigned exponent_max(const struct soft_format *f) { return 2u * (unsigned)f->bias + 1; }

struct soft soft_unpack(const struct soft_env *env, const struct soft_format *f, uint64_t a)
{
    uint64_t fraction = a & fraction_mask(f);
    unsigned exponent = (unsigned)(a >> f->fraction) & exponent_max(f);
    struct soft s = { .sign = a >> (f->bits - 1) & 1, .class = FLOAT_NORMAL };
    if (exponent == exponent_max(f)) {
        s.class = !fraction ? FLOAT_INFINITY : fraction >> (f->fraction - 1) ? FLOAT_QNAN : FLOAT_SNAN;
    } else if (exponent) {
        s.exponent = (int32_t)exponent - f->bias;
        s.significand = (fraction | 1ull << f->fraction) << (63 - f->fraction);
    } else if (fraction && (f->plain || !env->denormals_are_zero)) {
        unsigned zeros = float_clz(fraction);
        s.denormal = !f->plain;
        s.exponent = 1 - f->bias + 63 - (int32_t)f->fraction - (int32_t)zeros;
        s.significand = fraction << zeros;
    } else {
        s.class = FLOAT_ZERO;
    }
    return s;
}

uint64_t soft_zero(const struct soft_format *f, bool sign) { return (uint64_t)sign << (f->bits - 1); }

uint64_t soft_infinity(const struct soft_format *f, bool sign)
{
    return soft_zero(f, sign) | (uint64_t)exponent_max(f) << f->fraction;
}

uint64_t soft_quiet(const struct soft_format *f, uint64_t nan) { return nan | 1ull << (f->fraction - 1); }
uint64_t soft_indefinite(const struct soft_format *f) { return soft_quiet(f, soft_infinity(f, true)); }

uint64_t soft_invalid(struct soft_env *env, const struct soft_format *f)
{
    env->raised |= FLOAT_IE;
    return soft_indefinite(f);
}

bool soft_nan(struct soft_env *env, const struct soft_format *f, uint64_t a, uint64_t *result)
{
    struct soft s = soft_unpack(env, f, a);
    if (s.class == FLOAT_SNAN)
        env->raised |= FLOAT_IE;
    if (soft_is_nan(&s))
        *result = soft_quiet(f, a);
    return soft_is_nan(&s);
}

bool soft_nan_pair(struct soft_env *env, const struct soft_format *f, uint64_t a, uint64_t b, uint64_t *result)
{
    bool second = soft_nan(env, f, b, result);
    return soft_nan(env, f, a, result) || second;
}

float_u128 soft_shift_round(unsigned rounding, bool sign, float_u128 value, unsigned count, bool *inexact)
{
    if (count > 128) {                                  // less than half
        value = value != 0;
        count = 2;
    }
    float_u128 kept = count < 128 ? value >> count : 0, rest = value << (128 - count);
    *inexact = rest != 0;
    return kept + float_rounds_up(rounding, sign, kept & 1, rest, (float_u128)1 << 127);
}

// Tininess is found after rounding, as if the exponent had no lower bound. Not masked it is an underflow although the result
// may be exact; masked only if it is not (SDM vol. 1, 4.9.1.5). Not masked, PE is about the result with an exponent that has no
// bound: `inexact`.
static uint64_t round_tiny(struct soft_env *env, const struct soft_format *f, bool sign, unsigned shift, float_u128 value, bool inexact)
{
    if (!(env->masked & FLOAT_UE)) {
        env->raised |= FLOAT_UE | (inexact ? FLOAT_PE : 0);
        return 0;
    }
    if (env->flush_to_zero && !f->plain) {
        env->raised |= FLOAT_UE | FLOAT_PE;
        return soft_zero(f, sign);
    }
    uint64_t kept = (uint64_t)soft_shift_round(env->rounding, sign, value, 127 - f->fraction + shift, &inexact);
    if (inexact)
        env->raised |= FLOAT_UE | FLOAT_PE;
    return soft_zero(f, sign) | kept;                   // a carry makes it the least normal number
}

uint64_t soft_round(struct soft_env *env, const struct soft_format *f, bool sign, int32_t exponent, float_u128 value)
{
    unsigned zeros = value >> 64 ? float_clz((uint64_t)(value >> 64)) : 64 + float_clz((uint64_t)value);
    int32_t least = 1 - f->bias, was = exponent - (int32_t)zeros;
    bool inexact;
    value <<= zeros;
    exponent = was;
    uint64_t kept = (uint64_t)soft_shift_round(env->rounding, sign, value, 127 - f->fraction, &inexact);
    if (kept >> (f->fraction + 1))                      // a carry; the fraction is 0 either way
        exponent++;
    if (exponent < least)
        return round_tiny(env, f, sign, (unsigned)(least - was), value, inexact);
    if (exponent > f->bias) {
        bool away = env->rounding == ROUND_NEAREST || env->rounding == (sign ? ROUND_DOWN : ROUND_UP);
        env->raised |= FLOAT_OE;
        if (inexact || env->masked & FLOAT_OE)
            env->raised |= FLOAT_PE;
        return soft_infinity(f, sign) - !away;
    }
    if (inexact)
        env->raised |= FLOAT_PE;
    return soft_zero(f, sign) | ((uint64_t)(exponent + f->bias) << f->fraction) | (kept & fraction_mask(f));
}
