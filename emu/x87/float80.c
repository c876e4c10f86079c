// SPDX-License-Identifier: MIT
// What all operations share: unpacking, NaN rules, rounding.
#include "emu/x87/float80.h"

const struct float80 float80_indefinite = { .significand = 0xc000000000000000, .sign_exponent = 0xffff };
const struct float80 float80_one = { .significand = 0x8000000000000000, .sign_exponent = FLOAT_BIAS };

enum { QUIET_SHIFT = 62 };

struct float80 float80_pack(bool sign, unsigned exponent, uint64_t significand)
{
    return (struct float80){ .significand = significand, .sign_exponent = (uint16_t)((unsigned)sign << 15 | exponent) };
}

unsigned float_clz(uint64_t value)
{
    return (unsigned)__builtin_clzll(value);
}

float_u128 float_shift_jam(float_u128 value, unsigned count)
{
    if (!count)
        return value;
    if (count > 127)
        return value != 0;
    return value >> count | ((value & (((float_u128)1 << count) - 1)) != 0);
}

// Two digits of 32 bits, each estimated and corrected (Knuth, The Art of Computer Programming, vol. 2, 4.3.1, algorithm D).
uint64_t float_divide(uint64_t high, uint64_t low, uint64_t divisor, uint64_t *remainder)
{
    uint64_t d1 = divisor >> 32, d0 = (uint32_t)divisor, quotient = 0;
    for (int digit = 1; digit >= 0; digit--) {
        uint64_t next = digit ? low >> 32 : (uint32_t)low;
        uint64_t q = high / d1, r = high % d1;
        while (q >> 32 || q * d0 > (r << 32 | next)) {
            q--;
            r += d1;
            if (r >> 32)
                break;
        }
        high = (high << 32 | next) - q * divisor;
        quotient = quotient << 32 | q;
    }
    *remainder = high;
    return quotient;
}

struct float_parts float80_unpack(struct float80 a)
{
    struct float_parts p = { .sign = a.sign_exponent >> 15, .exponent = a.sign_exponent & 0x7fff, .significand = a.significand };
    bool integer = a.significand >> 63;
    if (p.exponent == 0) {
        p.class = a.significand ? FLOAT_DENORMAL : FLOAT_ZERO;      // pseudo-denormals too
        p.exponent = 1;
        if (a.significand) {
            unsigned shift = float_clz(a.significand);
            p.significand <<= shift;
            p.exponent -= (int32_t)shift;
        }
    } else if (!integer) {
        p.class = FLOAT_UNSUPPORTED;
    } else if (p.exponent < FLOAT_EXPONENT_MAX) {
        p.class = FLOAT_NORMAL;
    } else if (!(a.significand << 1)) {
        p.class = FLOAT_INFINITY;
    } else {
        p.class = a.significand >> QUIET_SHIFT & 1 ? FLOAT_QNAN : FLOAT_SNAN;
    }
    return p;
}

struct float80 float80_invalid(struct float_env *env)
{
    env->raised |= FLOAT_IE;
    return float80_indefinite;
}

void float80_note_denormal(struct float_env *env, const struct float_parts *a)
{
    if (a->class == FLOAT_DENORMAL)
        env->raised |= FLOAT_DE;
}

static struct float80 quieted(struct float80 a)
{
    a.significand |= 1ull << QUIET_SHIFT;
    return a;
}

bool float80_special(struct float_env *env, struct float80 a, struct float80 *result)
{
    switch (float80_unpack(a).class) {
    case FLOAT_UNSUPPORTED:
        *result = float80_invalid(env);
        return true;
    case FLOAT_SNAN:
        env->raised |= FLOAT_IE;
        *result = quieted(a);
        return true;
    case FLOAT_QNAN:
        *result = a;
        return true;
    }
    env->raised |= env->source_denormal ? FLOAT_DE : 0;
    return false;
}

// SDM vol. 1, table 4-7: the quiet one of a quiet and a signalling NaN, else the one with the larger significand, and of
// equal ones the positive.
bool float80_special_pair(struct float_env *env, struct float80 a, struct float80 b, struct float80 *result)
{
    uint8_t ca = float80_unpack(a).class, cb = float80_unpack(b).class;
    if (ca == FLOAT_UNSUPPORTED || cb == FLOAT_UNSUPPORTED) {
        *result = float80_invalid(env);
        return true;
    }
    if (!float80_is_nan(ca) && !float80_is_nan(cb)) {
        env->raised |= env->source_denormal ? FLOAT_DE : 0;
        return false;
    }
    if (ca == FLOAT_SNAN || cb == FLOAT_SNAN)
        env->raised |= FLOAT_IE;
    bool first;
    if (!float80_is_nan(cb))
        first = true;
    else if (!float80_is_nan(ca))
        first = false;
    else if (ca != cb)
        first = ca == FLOAT_QNAN;
    else if (a.significand != b.significand)
        first = a.significand > b.significand;
    else
        first = a.sign_exponent < b.sign_exponent;
    *result = quieted(first ? a : b);
    return true;
}

bool float_rounds_up(unsigned rounding, bool sign, bool odd, float_u128 rest, float_u128 half)
{
    switch (rounding) {
    case ROUND_NEAREST: return rest > half || (rest == half && odd);
    case ROUND_DOWN:    return sign && rest;
    case ROUND_UP:      return !sign && rest;
    }
    return false;
}

static struct float_rounded overflow(struct float_env *env, unsigned precision, int32_t maximum, bool sign)
{
    bool to_infinity = env->rounding == ROUND_NEAREST || env->rounding == (sign ? ROUND_DOWN : ROUND_UP);
    env->raised |= FLOAT_PE;
    env->up = to_infinity;
    if (to_infinity)
        return (struct float_rounded){ maximum + 1, 1ull << 63 };
    return (struct float_rounded){ maximum, ~0ull << (64 - precision) };
}

struct float_rounded float_round(struct float_env *env, unsigned precision, int32_t maximum, int32_t adjust, bool sign,
                                 int32_t exponent, float_u128 value)
{
    float_u128 unit = (float_u128)1 << (128 - precision), half = unit >> 1;
    bool tiny = false;
    if (exponent < 1) {
        // Tiny means: after rounding to the precision, with no bound on the exponent (SDM vol. 1, 4.9.1.5).
        bool carries = !(~value & ~(unit - 1)) && float_rounds_up(env->rounding, sign, value & unit, value & (unit - 1), half);
        tiny = exponent < 0 || !carries;
        if (tiny && !(env->masked & FLOAT_UE)) {
            env->raised |= FLOAT_UE;
            exponent += adjust;
            tiny = false;
            if (exponent < 1) {             // out of reach even so, which only FSCALE can do
                env->raised |= FLOAT_PE;
                return (struct float_rounded){ 0, 0 };
            }
        }
        if (exponent < 1) {
            value = float_shift_jam(value, (unsigned)(1 - exponent));
            exponent = 1;
        }
    }
    float_u128 rest = value & (unit - 1), result = value - rest;
    bool up = float_rounds_up(env->rounding, sign, value & unit, rest, half);
    if (up) {
        result += unit;
        if (!result) {
            result = (float_u128)1 << 127;
            exponent++;
        }
    }
    bool over = exponent > maximum;
    if (over) {
        env->raised |= FLOAT_OE;
        if (env->masked & FLOAT_OE)
            return overflow(env, precision, maximum, sign);
        exponent -= adjust;
    }
    if (rest) {
        env->raised |= FLOAT_PE | (tiny ? FLOAT_UE : 0);
        env->up = up;
    }
    if (exponent > maximum) {               // only FSCALE
        env->raised |= FLOAT_PE;
        env->up = true;
        return (struct float_rounded){ maximum + 1, 1ull << 63 };
    }
    uint64_t significand = (uint64_t)(result >> 64);
    return (struct float_rounded){ significand >> 63 ? exponent : 0, significand };
}

struct float80 float80_round(struct float_env *env, unsigned precision, bool sign, int32_t exponent, float_u128 value)
{
    if (!value)
        return float80_zero(sign);
    unsigned shift = value >> 64 ? float_clz((uint64_t)(value >> 64)) : 64 + float_clz((uint64_t)value);
    struct float_rounded r = float_round(env, precision, FLOAT_EXPONENT_MAX - 1, 24576, sign, exponent - (int32_t)shift,
                                         value << shift);
    return float80_pack(sign, (unsigned)r.exponent, r.significand);
}
