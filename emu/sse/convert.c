// SPDX-License-Identifier: MIT
// Conversion between formats and to and from integers, rounding to whole numbers.
#include "emu/sse/soft.h"

uint64_t soft_convert(struct soft_env *env, const struct soft_format *from, const struct soft_format *to, uint64_t x)
{
    struct soft a = soft_unpack(env, from, x);
    if (soft_is_nan(&a)) {                              // the payload keeps its upper bits
        uint64_t payload = x & ((1ull << from->fraction) - 1);
        payload = to->fraction < from->fraction ? payload >> (from->fraction - to->fraction) : payload << (to->fraction - from->fraction);
        if (a.class == FLOAT_SNAN)
            env->raised |= FLOAT_IE;
        return soft_quiet(to, soft_infinity(to, a.sign) | payload);
    }
    if (a.denormal)
        env->raised |= FLOAT_DE;
    if (a.class == FLOAT_INFINITY)
        return soft_infinity(to, a.sign);
    if (a.class == FLOAT_ZERO)
        return soft_zero(to, a.sign);
    return soft_round(env, to, a.sign, a.exponent, (float_u128)a.significand << 64);
}

uint64_t soft_from_integer(struct soft_env *env, const struct soft_format *to, int64_t a)
{
    uint64_t magnitude = a < 0 ? 0 - (uint64_t)a : (uint64_t)a;
    return a ? soft_round(env, to, a < 0, 127, magnitude) : 0;
}

// The absolute value as a whole number; of exponents up to 64.
static float_u128 whole(const struct soft_env *env, const struct soft *a, bool *inexact)
{
    return soft_shift_round(env->rounding, a->sign, (float_u128)a->significand << 64, (unsigned)(127 - a->exponent), inexact);
}

// Denormals raise nothing but PE. What has no place in the integer is IE and the indefinite, also if only rounding makes it so.
uint64_t soft_to_integer(struct soft_env *env, const struct soft_format *from, unsigned bits, uint64_t x)
{
    struct soft a = soft_unpack(env, from, x);
    uint64_t limit = 1ull << (bits - 1);
    bool inexact;
    if (a.class == FLOAT_ZERO)
        return 0;
    if (a.class == FLOAT_NORMAL && a.exponent < 64) {
        float_u128 magnitude = whole(env, &a, &inexact);
        if (magnitude < limit || (a.sign && magnitude == limit)) {
            if (inexact)
                env->raised |= FLOAT_PE;
            return a.sign ? 0 - (uint64_t)magnitude : (uint64_t)magnitude;
        }
    }
    env->raised |= FLOAT_IE;
    return limit;
}

uint64_t soft_round_integer(struct soft_env *env, const struct soft_format *f, uint64_t x)
{
    uint64_t result;
    bool inexact;
    if (soft_nan(env, f, x, &result))
        return result;
    struct soft a = soft_unpack(env, f, x);
    if (a.class == FLOAT_ZERO)
        return soft_zero(f, a.sign);
    if (a.class == FLOAT_INFINITY || a.exponent >= f->fraction)
        return x;
    float_u128 magnitude = whole(env, &a, &inexact);
    if (inexact)
        env->raised |= FLOAT_PE;
    return magnitude ? soft_round(env, f, a.sign, 127, magnitude) : soft_zero(f, a.sign);
}
