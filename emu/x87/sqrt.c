// SPDX-License-Identifier: MIT
// Square root.
#include "emu/x87/float80.h"

struct float80 float80_sqrt(struct float_env *env, struct float80 a)
{
    struct float80 result;
    if (float80_special(env, a, &result))
        return result;
    struct float_parts p = float80_unpack(a);
    if (p.class == FLOAT_ZERO)
        return a;
    if (p.sign)
        return float80_invalid(env);
    float80_note_denormal(env, &p);
    if (p.class == FLOAT_INFINITY)
        return a;
    // The root of significand * 2^63 or 2^64, whichever leaves an even exponent: 64 bits, found from the top.
    int32_t power = p.exponent - FLOAT_BIAS;
    float_u128 value = (float_u128)p.significand << (power & 1 ? 64 : 63), rest = value;
    uint64_t root = 0;
    for (int bit = 63; bit >= 0; bit--) {
        // (root + 2^bit)^2 - root^2
        float_u128 step = ((float_u128)root << (bit + 1)) + ((float_u128)1 << 2 * bit);
        if (rest >= step) {
            rest -= step;
            root |= 1ull << bit;
        }
    }
    // No root is exactly half-way between two of these: its square would not be whole.
    uint64_t below = rest > root ? 1ull << 63 | 1 : rest != 0;
    return float80_round(env, env->precision, false, ((power - (power & 1)) >> 1) + FLOAT_BIAS, (float_u128)root << 64 | below);
}
