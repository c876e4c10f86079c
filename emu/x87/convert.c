// SPDX-License-Identifier: MIT
// Between registers and the formats of memory: float32, float64, integers, packed decimal.
#include "emu/x87/float80.h"

// ---- into a register

static struct float80 widen(struct float_env *env, bool sign, unsigned exponent, unsigned maximum, uint64_t fraction)
{
    // fraction: without the integer bit, its top bit at bit 62.
    int bias = (int)maximum >> 1;
    if (exponent == maximum)
        return float80_pack(sign, FLOAT_EXPONENT_MAX, 1ull << 63 | fraction);
    if (exponent)
        return float80_pack(sign, (unsigned)(FLOAT_BIAS - bias) + exponent, 1ull << 63 | fraction);
    if (!fraction)
        return float80_zero(sign);
    env->source_denormal = true;
    unsigned shift = float_clz(fraction);
    return float80_pack(sign, (unsigned)(FLOAT_BIAS - bias) + 1 - shift, fraction << shift);
}

struct float80 float80_from_float32(struct float_env *env, uint32_t a)
{
    return widen(env, a >> 31, a >> 23 & 0xff, 0xff, (uint64_t)(a & 0x7fffff) << 40);
}

struct float80 float80_from_float64(struct float_env *env, uint64_t a)
{
    return widen(env, a >> 63, a >> 52 & 0x7ff, 0x7ff, (a & 0xfffffffffffff) << 11);
}

struct float80 float80_from_int64(int64_t a)
{
    if (!a)
        return float80_zero(false);
    uint64_t magnitude = a < 0 ? -(uint64_t)a : (uint64_t)a;
    unsigned shift = float_clz(magnitude);
    return float80_pack(a < 0, FLOAT_BIAS + 63 - shift, magnitude << shift);
}

// SDM vol. 1, 4.7: 18 digits, two a byte, the sign in bit 7 of the last byte.
struct float80 float80_from_bcd(const uint8_t bytes[10])
{
    int64_t value = 0;
    for (int i = 8; i >= 0; i--)
        value = value * 100 + (bytes[i] >> 4) * 10 + (bytes[i] & 15);
    struct float80 result = float80_from_int64(value);
    result.sign_exponent |= (uint16_t)((bytes[9] & 0x80) << 8);
    return result;
}

// ---- out of a register

struct narrow { unsigned precision; int32_t maximum, adjust; };     // maximum: exponent of infinities and NaNs
static const struct narrow float32 = { 24, 0xff, 192 }, float64 = { 53, 0x7ff, 1536 };

static uint64_t narrow_bits(const struct narrow *format, bool sign, int32_t exponent, uint64_t significand)
{
    unsigned fraction = format->precision - 1;
    uint64_t bits = significand >> (64 - format->precision) & ((1ull << fraction) - 1);
    return bits | (uint64_t)exponent << fraction | (uint64_t)sign << (fraction + (format == &float32 ? 8 : 11));
}

static uint64_t narrow(struct float_env *env, const struct narrow *format, struct float80 a)
{
    struct float80 nan;
    struct float_parts p;
    if (float80_special(env, a, &nan)) {
        p = float80_unpack(nan);
        return narrow_bits(format, p.sign, format->maximum, p.significand);
    }
    p = float80_unpack(a);
    if (p.class == FLOAT_ZERO)
        return narrow_bits(format, p.sign, 0, 0);
    if (p.class == FLOAT_INFINITY)
        return narrow_bits(format, p.sign, format->maximum, 0);
    int32_t exponent = p.exponent - FLOAT_BIAS + (format->maximum >> 1);
    struct float_rounded r = float_round(env, format->precision, format->maximum - 1, format->adjust, p.sign, exponent,
                                         (float_u128)p.significand << 64);
    return narrow_bits(format, p.sign, r.exponent, r.significand);
}

uint32_t float80_to_float32(struct float_env *env, struct float80 a)
{
    return (uint32_t)narrow(env, &float32, a);
}

uint64_t float80_to_float64(struct float_env *env, struct float80 a)
{
    return narrow(env, &float64, a);
}

// The magnitude of a finite or infinite number as a whole one; false: NaN, or above `limit`. Raises PE.
static bool magnitude(struct float_env *env, struct float80 a, unsigned rounding, uint64_t limit, uint64_t *whole)
{
    struct float_parts p = float80_unpack(a);
    int32_t power = p.exponent - FLOAT_BIAS;
    *whole = 0;
    if (p.class == FLOAT_ZERO)
        return true;
    if (p.class > FLOAT_NORMAL || power > 63)
        return false;
    float_u128 value = float_shift_jam((float_u128)p.significand << 64, (unsigned)(power < -2 ? 65 : 63 - power));
    uint64_t rest = (uint64_t)value;
    *whole = (uint64_t)(value >> 64);
    bool up = float_rounds_up(rounding, p.sign, *whole & 1, rest, 1ull << 63);
    if (*whole > limit || (up && *whole == limit))
        return false;
    *whole += up;
    if (rest) {
        env->raised |= FLOAT_PE;
        env->up = up;
    }
    return true;
}

uint64_t float80_to_integer(struct float_env *env, struct float80 a, unsigned bytes, bool truncate)
{
    bool sign = a.sign_exponent >> 15;
    uint64_t least = 1ull << (bytes * 8 - 1), whole;
    if (!magnitude(env, a, truncate ? ROUND_ZERO : env->rounding, sign ? least : least - 1, &whole)) {
        env->raised |= FLOAT_IE;
        return least;                       // the integer indefinite
    }
    return sign ? -whole : whole;
}

void float80_to_bcd(struct float_env *env, struct float80 a, uint8_t bytes[10])
{
    static const uint8_t indefinite[10] = { [7] = 0xc0, [8] = 0xff, [9] = 0xff };
    uint64_t whole;
    if (!magnitude(env, a, env->rounding, 999999999999999999, &whole)) {
        env->raised |= FLOAT_IE;
        for (int i = 0; i < 10; i++)
            bytes[i] = indefinite[i];
        return;
    }
    for (int i = 0; i < 9; i++) {
        unsigned pair = (unsigned)(whole % 100);
        bytes[i] = (uint8_t)(pair / 10 << 4 | pair % 10);
        whole /= 100;
    }
    bytes[9] = (uint8_t)(a.sign_exponent >> 15 << 7);
}
