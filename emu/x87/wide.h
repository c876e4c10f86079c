// SPDX-License-Identifier: MIT
//
// wide.h - numbers with a 128-bit significand, for what transcendental functions compute on the way. Results are cut off, not
// rounded: each operation is wrong by less than 2^-126 of its result.
#pragma once
#include "emu/x87/float80.h"

struct wide {
    bool       sign;
    int32_t    exponent;            // value = significand * 2^(exponent - 127)
    float_u128 significand;         // bit 127 set, or 0
};

struct wide wide_make(bool sign, int32_t exponent, float_u128 significand);     // any significand: normalizes
struct wide wide_from(struct float80 a);                                        // finite
struct wide wide_add(struct wide a, struct wide b);
struct wide wide_mul(struct wide a, struct wide b);
struct wide wide_div(struct wide a, struct wide b);                             // b is not 0
static inline struct wide wide_negate(struct wide a) { a.sign = !a.sign; return a; }
float_u128 wide_high(float_u128 a, float_u128 b);                               // the upper half of the product
float_u128 wide_fraction(struct wide a);                                        // |a| < 1 in units of 2^-128
// Rounds to a register. The true value is not a number of 64 bits, unless `exact`.
struct float80 wide_round(struct float_env *env, struct wide a, bool exact);

// Constants in units of 2^-127 (emu/x87/*_tables.inc).
struct wide_constant { uint64_t high, low; };
static inline float_u128 wide_value(struct wide_constant c) { return (float_u128)c.high << 64 | c.low; }
// Sum of c[k] z^k for z in units of 2^-128, signs alternating or all +; the result in units of 2^-127.
float_u128 wide_series(const struct wide_constant *c, unsigned count, float_u128 z, bool alternating);
