// SPDX-License-Identifier: MIT
// FRNDINT, FSCALE, FXTRACT.
#include "emu/x87/float80.h"

struct float80 float80_round_integer(struct float_env *env, struct float80 a)
{
    struct float80 result;
    if (float80_special(env, a, &result))
        return result;
    struct float_parts p = float80_unpack(a);
    float80_note_denormal(env, &p);
    int32_t power = p.exponent - FLOAT_BIAS;
    if (p.class == FLOAT_ZERO || p.class == FLOAT_INFINITY || power >= 63)
        return a;
    // Everything below 1/2 rounds alike.
    float_u128 value = float_shift_jam((float_u128)p.significand << 64, (unsigned)(power < -2 ? 65 : 63 - power));
    uint64_t whole = (uint64_t)(value >> 64), rest = (uint64_t)value;
    bool up = float_rounds_up(env->rounding, p.sign, whole & 1, rest, 1ull << 63);
    if (rest) {
        env->raised |= FLOAT_PE;
        env->up = up;
    }
    whole += up;
    if (!whole)
        return float80_zero(p.sign);
    unsigned shift = float_clz(whole);
    return float80_pack(p.sign, FLOAT_BIAS + 63 - shift, whole << shift);
}

struct float80 float80_scale(struct float_env *env, struct float80 a, struct float80 b)
{
    struct float80 result;
    if (float80_special_pair(env, a, b, &result))
        return result;
    struct float_parts p = float80_unpack(a), q = float80_unpack(b);
    if (q.class == FLOAT_INFINITY && p.class == (q.sign ? FLOAT_INFINITY : FLOAT_ZERO))
        return float80_invalid(env);
    float80_note_denormal(env, &p);
    float80_note_denormal(env, &q);
    if (q.class == FLOAT_INFINITY)
        return q.sign ? float80_zero(p.sign) : float80_infinity(p.sign);
    if (p.class == FLOAT_ZERO || p.class == FLOAT_INFINITY)
        return a;
    int32_t power = q.exponent - FLOAT_BIAS, scale = 0;
    if (power > 16)
        scale = 0x20000;                    // beyond every exponent, an unmasked exception's adjustment included
    else if (q.class != FLOAT_ZERO && power >= 0)
        scale = (int32_t)(q.significand >> (63 - power));
    return float80_round(env, 64, p.sign, p.exponent + (q.sign ? -scale : scale), (float_u128)p.significand << 64);
}

struct float80 float80_extract(struct float_env *env, struct float80 a, struct float80 *exponent)
{
    struct float80 result;
    if (float80_special(env, a, &result))
        return *exponent = result;
    struct float_parts p = float80_unpack(a);
    if (p.class == FLOAT_ZERO) {
        env->raised |= FLOAT_ZE;
        *exponent = float80_infinity(true);
        return a;
    }
    if (p.class == FLOAT_INFINITY) {
        *exponent = float80_infinity(false);
        return a;
    }
    float80_note_denormal(env, &p);
    *exponent = float80_from_int64(p.exponent - FLOAT_BIAS);
    return float80_pack(p.sign, FLOAT_BIAS, p.significand);
}
