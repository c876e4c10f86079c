// SPDX-License-Identifier: MIT
// Addition, multiplication, division, roots, fused multiply-add.
#include "emu/sse/soft.h"

static void note_denormals(struct soft_env *env, const struct soft *a, const struct soft *b)
{
    if (a->denormal || b->denormal)
        env->raised |= FLOAT_DE;
}

// significand * 2^(exponent - 126), bit 126 set, or zero. Room for a carry above, and for what an alignment loses below.
struct term {
    bool       sign;
    int32_t    exponent;
    float_u128 significand;
};

static struct term term_of(const struct soft *a)
{
    return (struct term){ a->sign, a->exponent, a->class == FLOAT_ZERO ? 0 : (float_u128)a->significand << 63 };
}

// Terms hold at most 106 bits. Alignment loses some only if the exponents differ by more than 20, and then the difference
// of the two keeps all but one of its leading bits: the bit that stands for what is lost is far below the one rounded at.
static uint64_t sum(struct soft_env *env, const struct soft_format *f, struct term a, struct term b)
{
    if (!a.significand && !b.significand)
        return soft_zero(f, a.sign == b.sign ? a.sign : env->rounding == ROUND_DOWN);
    if (!a.significand || (b.significand && (a.exponent < b.exponent || (a.exponent == b.exponent && a.significand < b.significand)))) {
        struct term other = a;
        a = b;
        b = other;
    }
    float_u128 small = b.significand ? float_shift_jam(b.significand, (unsigned)(a.exponent - b.exponent)) : 0;
    float_u128 value = a.sign == b.sign ? a.significand + small : a.significand - small;
    if (!value)
        return soft_zero(f, env->rounding == ROUND_DOWN);
    return soft_round(env, f, a.sign, a.exponent + 1, value);
}

static uint64_t add(struct soft_env *env, const struct soft_format *f, uint64_t x, uint64_t y, bool negate)
{
    uint64_t result;
    if (soft_nan_pair(env, f, x, y, &result))
        return result;
    struct soft a = soft_unpack(env, f, x), b = soft_unpack(env, f, y);
    b.sign ^= negate;
    if (a.class == FLOAT_INFINITY && b.class == FLOAT_INFINITY && a.sign != b.sign)
        return soft_invalid(env, f);
    note_denormals(env, &a, &b);
    if (a.class == FLOAT_INFINITY || b.class == FLOAT_INFINITY)
        return soft_infinity(f, a.class == FLOAT_INFINITY ? a.sign : b.sign);
    return sum(env, f, term_of(&a), term_of(&b));
}

uint64_t soft_add(struct soft_env *env, const struct soft_format *f, uint64_t a, uint64_t b) { return add(env, f, a, b, false); }
uint64_t soft_subtract(struct soft_env *env, const struct soft_format *f, uint64_t a, uint64_t b) { return add(env, f, a, b, true); }

uint64_t soft_multiply(struct soft_env *env, const struct soft_format *f, uint64_t x, uint64_t y)
{
    uint64_t result;
    if (soft_nan_pair(env, f, x, y, &result))
        return result;
    struct soft a = soft_unpack(env, f, x), b = soft_unpack(env, f, y);
    bool sign = a.sign != b.sign, infinite = a.class == FLOAT_INFINITY || b.class == FLOAT_INFINITY;
    bool zero = a.class == FLOAT_ZERO || b.class == FLOAT_ZERO;
    if (infinite && zero)
        return soft_invalid(env, f);
    note_denormals(env, &a, &b);
    if (infinite)
        return soft_infinity(f, sign);
    if (zero)
        return soft_zero(f, sign);
    return soft_round(env, f, sign, a.exponent + b.exponent + 1, (float_u128)a.significand * b.significand);
}

uint64_t soft_divide(struct soft_env *env, const struct soft_format *f, uint64_t x, uint64_t y)
{
    uint64_t result, rest;
    if (soft_nan_pair(env, f, x, y, &result))
        return result;
    struct soft a = soft_unpack(env, f, x), b = soft_unpack(env, f, y);
    bool sign = a.sign != b.sign;
    if (a.class == b.class && (a.class == FLOAT_INFINITY || a.class == FLOAT_ZERO))
        return soft_invalid(env, f);
    if (b.class == FLOAT_ZERO && a.class != FLOAT_INFINITY) {
        env->raised |= FLOAT_ZE;                        // and not DE
        return soft_infinity(f, sign);
    }
    note_denormals(env, &a, &b);
    if (a.class == FLOAT_INFINITY)
        return soft_infinity(f, sign);
    if (a.class == FLOAT_ZERO || b.class == FLOAT_INFINITY)
        return soft_zero(f, sign);
    bool shifted = a.significand >= b.significand;      // the dividend must be less than the divisor
    uint64_t quotient = float_divide(a.significand >> shifted, shifted ? a.significand << 63 : 0, b.significand, &rest);
    return soft_round(env, f, sign, a.exponent - b.exponent - !shifted, (float_u128)quotient << 64 | (rest != 0));
}

uint64_t soft_root(struct soft_env *env, const struct soft_format *f, uint64_t x)
{
    uint64_t result, root = 0;
    if (soft_nan(env, f, x, &result))
        return result;
    struct soft a = soft_unpack(env, f, x);
    if (a.class == FLOAT_ZERO)
        return soft_zero(f, a.sign);
    if (a.sign)
        return soft_invalid(env, f);
    note_denormals(env, &a, &a);
    if (a.class == FLOAT_INFINITY)
        return x;
    // The root of significand * 2^63 or 2^64, whichever leaves an even exponent: 64 bits, found from the top.
    float_u128 rest = (float_u128)a.significand << (a.exponent & 1 ? 64 : 63);
    for (int bit = 63; bit >= 0; bit--) {
        float_u128 step = ((float_u128)root << (bit + 1)) + ((float_u128)1 << 2 * bit);     // (root + 2^bit)^2 - root^2
        if (rest >= step) {
            rest -= step;
            root |= 1ull << bit;
        }
    }
    return soft_round(env, f, false, (a.exponent - (a.exponent & 1)) / 2, (float_u128)root << 64 | (rest != 0));
}

uint64_t soft_fused(struct soft_env *env, const struct soft_format *f, uint64_t x, uint64_t y, uint64_t z, unsigned negation)
{
    uint64_t result, last;
    bool nan = soft_nan(env, f, z, &last);
    if (soft_nan_pair(env, f, x, y, &result))
        return result;
    if (nan)
        return last;
    struct soft a = soft_unpack(env, f, x), b = soft_unpack(env, f, y), c = soft_unpack(env, f, z);
    bool sign = (a.sign != b.sign) != ((negation & SOFT_NEGATE_PRODUCT) != 0);
    bool infinite = a.class == FLOAT_INFINITY || b.class == FLOAT_INFINITY, zero = a.class == FLOAT_ZERO || b.class == FLOAT_ZERO;
    c.sign ^= (negation & SOFT_NEGATE_ADDEND) != 0;
    if (infinite && (zero || (c.class == FLOAT_INFINITY && c.sign != sign)))
        return soft_invalid(env, f);
    note_denormals(env, &a, &b);
    note_denormals(env, &c, &c);
    if (infinite || c.class == FLOAT_INFINITY)
        return soft_infinity(f, infinite ? sign : c.sign);
    struct term product = { .sign = sign };
    if (!zero) {
        float_u128 value = (float_u128)a.significand * b.significand;
        bool carry = value >> 127;
        product = (struct term){ sign, a.exponent + b.exponent + carry, value >> carry };
    }
    return sum(env, f, product, term_of(&c));
}

// ---- estimates (SDM vol. 2 RCPPS, RSQRTPS): MXCSR has no part in them. Processors give 12 bits of their own choice, this gives
// the nearest number; denormals are zeros on both sides.

static struct soft_env estimate_env(void)
{
    return (struct soft_env){ .masked = FLOAT_ALL, .denormals_are_zero = true, .flush_to_zero = true };
}

uint64_t soft_reciprocal(struct soft_env *env, const struct soft_format *f, uint64_t a)
{
    struct soft_env own = estimate_env();
    (void)env;
    return soft_divide(&own, f, (uint64_t)f->bias << f->fraction, a);
}

uint64_t soft_reciprocal_root(struct soft_env *env, const struct soft_format *f, uint64_t a)
{
    struct soft_env own = estimate_env();
    (void)env;
    return soft_divide(&own, f, (uint64_t)f->bias << f->fraction, soft_root(&own, f, a));
}
