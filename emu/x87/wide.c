// SPDX-License-Identifier: MIT
#include "emu/x87/wide.h"

struct wide wide_make(bool sign, int32_t exponent, float_u128 significand)
{
    if (!significand)
        return (struct wide){ .sign = sign };
    unsigned shift = significand >> 64 ? float_clz((uint64_t)(significand >> 64)) : 64 + float_clz((uint64_t)significand);
    return (struct wide){ sign, exponent - (int32_t)shift, significand << shift };
}

struct wide wide_from(struct float80 a)
{
    struct float_parts p = float80_unpack(a);
    return wide_make(p.sign, p.exponent - FLOAT_BIAS, (float_u128)p.significand << 64);
}

struct wide wide_add(struct wide a, struct wide b)
{
    if (!b.significand)
        return a;
    if (!a.significand)
        return b;
    if (a.exponent < b.exponent || (a.exponent == b.exponent && a.significand < b.significand)) {
        struct wide other = a;
        a = b;
        b = other;
    }
    int32_t distance = a.exponent - b.exponent;
    float_u128 small = distance > 127 ? 0 : b.significand >> distance;
    if (a.sign != b.sign)
        return wide_make(a.sign, a.exponent, a.significand - small);
    float_u128 sum = a.significand + small;
    if (sum < small)
        return (struct wide){ a.sign, a.exponent + 1, sum >> 1 | (float_u128)1 << 127 };
    return (struct wide){ a.sign, a.exponent, sum };
}

float_u128 wide_high(float_u128 a, float_u128 b)
{
    uint64_t a1 = (uint64_t)(a >> 64), a0 = (uint64_t)a, b1 = (uint64_t)(b >> 64), b0 = (uint64_t)b;
    float_u128 low = (float_u128)a0 * b0, middle = (float_u128)a1 * b0, other = (float_u128)a0 * b1;
    float_u128 carry = (low >> 64) + (uint64_t)middle + (uint64_t)other;
    return (float_u128)a1 * b1 + (middle >> 64) + (other >> 64) + (carry >> 64);
}

struct wide wide_mul(struct wide a, struct wide b)
{
    return wide_make(a.sign != b.sign, a.exponent + b.exponent + 1, wide_high(a.significand, b.significand));
}

struct wide wide_div(struct wide a, struct wide b)
{
    if (!a.significand)
        return (struct wide){ .sign = a.sign != b.sign };
    int32_t exponent = a.exponent - b.exponent;
    float_u128 rest = a.significand, quotient = 0;
    bool carry = false;
    if (rest < b.significand) {
        exponent--;
        carry = rest >> 127;
        rest <<= 1;
    }
    for (int bit = 127; bit >= 0; bit--) {
        if (carry || rest >= b.significand) {
            rest -= b.significand;
            quotient |= (float_u128)1 << bit;
        }
        carry = rest >> 127;
        rest <<= 1;
    }
    return (struct wide){ a.sign != b.sign, exponent, quotient };
}

float_u128 wide_fraction(struct wide a)
{
    return !a.significand || a.exponent < -128 ? 0 : a.significand >> (-1 - a.exponent);
}

struct float80 wide_round(struct float_env *env, struct wide a, bool exact)
{
    return float80_round(env, 64, a.sign, a.exponent + FLOAT_BIAS, a.significand | (a.significand && !exact));
}

float_u128 wide_series(const struct wide_constant *c, unsigned count, float_u128 z, bool alternating)
{
    float_u128 sum = wide_value(c[count - 1]);
    for (unsigned k = count - 1; k-- > 0;) {
        float_u128 term = wide_high(sum, z);
        sum = alternating ? wide_value(c[k]) - term : wide_value(c[k]) + term;
    }
    return sum;
}
