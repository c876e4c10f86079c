// SPDX-License-Identifier: MIT
// FSIN, FCOS, FPTAN, FPATAN.
#include "emu/x87/wide.h"

#include "emu/x87/trigonometry_tables.inc"

#define COUNT(table) (sizeof table / sizeof *table)

// |a| = quadrant * pi / 2 + rest, |rest| <= pi / 4, for |a| < 2^63. Pi is the processor's: 66 bits (SDM vol. 1, 8.3.8), so
// the rest is exact.
static struct wide reduce(struct float80 a, unsigned *quadrant)
{
    const float_u128 half_pi = (float_u128)3 << 64 | 0x243f6a8885a308d3;    // in units of 2^-65
    struct wide x = wide_from(a);
    x.sign = false;
    *quadrant = 0;
    if (x.exponent < -1)
        return x;
    float_u128 rest = x.significand >> (62 - x.exponent);
    for (int bit = 62; bit >= 0; bit--)
        if (rest >= half_pi << bit) {
            rest -= half_pi << bit;
            *quadrant |= bit < 2 ? 1u << bit : 0;
        }
    bool over = rest > half_pi - rest;
    *quadrant += over;
    return wide_make(over, 62, over ? half_pi - rest : rest);
}

// A series that begins with 1, for an argument that is not 0: never quite 1 itself.
static struct wide below_one(const struct wide_constant *series, unsigned count, float_u128 z)
{
    float_u128 sum = wide_series(series, count, z, true);
    return wide_make(false, 0, sum - (sum >> 127));
}

static struct wide sine_or_cosine(struct wide rest, unsigned quadrant)
{
    struct wide square = wide_mul(rest, rest), value;
    float_u128 z = wide_fraction(square);
    if (quadrant & 1) {
        value = below_one(cosine_series, COUNT(cosine_series), z);
    } else {
        value = wide_mul(rest, below_one(sine_series, COUNT(sine_series), z));
    }
    value.sign ^= quadrant >> 1 & 1;
    return value;
}

bool float80_sin_cos(struct float_env *env, struct float80 a, struct float80 *sine, struct float80 *cosine, struct float80 *tangent)
{
    struct float80 *results[] = { sine, cosine, tangent }, special;
    struct float_parts p = float80_unpack(a);
    bool decided = float80_special(env, a, &special);
    if (!decided && p.class == FLOAT_INFINITY) {
        special = float80_invalid(env);
        decided = true;
    }
    for (unsigned i = 0; i < 3; i++)
        if (results[i])
            *results[i] = decided ? special : p.class != FLOAT_ZERO ? a : i == 1 ? float80_one : a;
    if (decided || p.class == FLOAT_ZERO)
        return true;
    if (p.exponent >= FLOAT_BIAS + 63)
        return false;
    float80_note_denormal(env, &p);
    unsigned quadrant;
    struct wide rest = reduce(a, &quadrant);
    struct wide s = sine_or_cosine(rest, quadrant), c = sine_or_cosine(rest, quadrant + 1);
    s.sign ^= p.sign;
    if (cosine)
        *cosine = wide_round(env, c, false);
    if (sine)
        *sine = wide_round(env, s, false);
    if (tangent)
        *tangent = wide_round(env, wide_div(s, c), false);
    return true;
}

// eighths * pi / 8 in wide; eighths 2, 4, 6, 8.
static struct wide pi_eighths(unsigned eighths)
{
    struct wide quarter = wide_make(false, 0, wide_value(quarter_pi)), result = quarter;
    if (eighths == 6)
        result = wide_add(quarter, wide_add(quarter, quarter));
    else
        result.exponent += eighths == 4 ? 1 : eighths == 8 ? 2 : 0;
    return result;
}

// 0 < z <= 1: atan(c) + atan((z - c) / (1 + z c)), c = k / 32
static struct wide arctangent(struct wide z)
{
    unsigned k = z.exponent < -6 ? 0 : (unsigned)((z.significand >> (121 - z.exponent)) + 1) >> 1;
    struct wide t = z;
    if (k) {
        struct wide c = wide_make(false, 122, k), one = wide_make(false, 127, 1);
        t = wide_div(wide_add(z, wide_negate(c)), wide_add(one, wide_mul(z, c)));
    }
    if (t.significand)
        t = wide_mul(t, below_one(arctangent_series, COUNT(arctangent_series), wide_fraction(wide_mul(t, t))));
    return k ? wide_add(wide_make(false, 0, wide_value(arctangents[k])), t) : t;
}

struct float80 float80_atan(struct float_env *env, struct float80 y, struct float80 x)
{
    struct float80 result;
    if (float80_special_pair(env, y, x, &result))
        return result;
    struct float_parts p = float80_unpack(y), q = float80_unpack(x);
    float80_note_denormal(env, &p);
    float80_note_denormal(env, &q);
    struct wide angle;
    if (p.class == FLOAT_INFINITY || q.class == FLOAT_INFINITY || p.class == FLOAT_ZERO || q.class == FLOAT_ZERO) {
        // SDM vol. 2 FPATAN, table 3-30
        bool y_wins = p.class == FLOAT_INFINITY || (q.class == FLOAT_ZERO && p.class != FLOAT_ZERO);
        unsigned eighths = p.class == FLOAT_INFINITY && q.class == FLOAT_INFINITY ? (q.sign ? 6 : 2) : y_wins ? 4 : q.sign ? 8 : 0;
        if (!eighths)
            return float80_zero(p.sign);
        angle = pi_eighths(eighths);
    } else {
        struct wide a = wide_from(y), b = wide_from(x);
        a.sign = b.sign = false;
        bool steep = a.exponent > b.exponent || (a.exponent == b.exponent && a.significand > b.significand);
        angle = arctangent(steep ? wide_div(b, a) : wide_div(a, b));
        if (steep)
            angle = wide_add(pi_eighths(4), wide_negate(angle));
        if (q.sign)
            angle = wide_add(pi_eighths(8), wide_negate(angle));
    }
    angle.sign = p.sign;
    return wide_round(env, angle, false);
}
