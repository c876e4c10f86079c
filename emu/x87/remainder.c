// SPDX-License-Identifier: MIT
// FPREM and FPREM1.
#include "emu/x87/float80.h"

struct float80 float80_remainder(struct float_env *env, struct float80 a, struct float80 b, bool nearest, uint64_t *quotient,
                                 enum float_reduction *reduction)
{
    struct float80 result;
    *quotient = 0;
    *reduction = REDUCTION_NONE;
    if (float80_special_pair(env, a, b, &result))
        return result;
    struct float_parts p = float80_unpack(a), q = float80_unpack(b);
    if (p.class == FLOAT_INFINITY || q.class == FLOAT_ZERO)
        return float80_invalid(env);
    *reduction = REDUCTION_DONE;
    float80_note_denormal(env, &p);
    float80_note_denormal(env, &q);
    if (p.class == FLOAT_ZERO)
        return a;
    int32_t difference = p.exponent - q.exponent;
    if (q.class == FLOAT_INFINITY || difference < -1 || (difference < 0 && !nearest))
        return float80_round(env, 64, p.sign, p.exponent, (float_u128)p.significand << 64);
    // The dividend loses `steps` bits, one subtraction a bit. The manual allows 32 to 63 at a time (SDM vol. 2 FPREM).
    int32_t steps = difference;
    if (difference >= 64) {
        steps = 32 | (difference & 31);
        *reduction = REDUCTION_PARTIAL;
    }
    float_u128 rest = p.significand, divisor = q.significand;
    int32_t exponent = p.exponent - steps;
    uint64_t count = 0;
    if (difference < 0) {                   // half of the divisor is near
        divisor <<= 1;
        exponent = p.exponent;
    }
    for (int32_t i = 0; i <= steps; i++) {
        count <<= 1;
        if (rest >= divisor) {
            rest -= divisor;
            count |= 1;
        }
        if (i < steps)
            rest <<= 1;
    }
    bool sign = p.sign;
    if (nearest && *reduction == REDUCTION_DONE && (rest > divisor - rest || (rest == divisor - rest && count & 1))) {
        rest = divisor - rest;
        sign = !sign;
        count++;
    }
    *quotient = count;
    if (!rest)
        return float80_zero(p.sign);
    return float80_round(env, 64, sign, exponent + 64, rest);
}
