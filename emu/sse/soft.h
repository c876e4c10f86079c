// SPDX-License-Identifier: MIT
//
// soft.h - half, single and double precision numbers as SSE computes with them, in integer arithmetic only.
//
// A number is its encoding in the low bits of a uint64_t. Every operation takes an environment: it reads the modes and adds
// what happened to `raised`. The result is the masked response. Once an exception is raised that is not masked the result
// means nothing: the instruction will not be done.
// Manual: Intel SDM vol. 1, 4.2, 4.8, 11.5.2.
#pragma once
#include "emu/x87/float80.h"        // FLOAT_IE ..., ROUND_NEAREST ..., and helpers for 128 bits

struct soft_format {
    uint8_t bits, fraction;
    int16_t bias;
    bool    plain;                  // half precision: neither DAZ nor FTZ nor DE concern it (SDM vol. 1, 14.4.1)
};
extern const struct soft_format soft_half, soft_single, soft_double;

struct soft_env {
    uint8_t rounding;               // enum float_rounding
    uint8_t masked;                 // FLOAT_*
    uint8_t raised;                 // FLOAT_*
    bool    denormals_are_zero;
    bool    flush_to_zero;          // only while UE is masked
};

// A finite number is significand * 2^(exponent - 63), bit 63 of the significand set.
struct soft {
    bool     sign, denormal;
    uint8_t  class;                 // enum float_class, but FLOAT_DENORMAL: see .denormal
    int32_t  exponent;
    uint64_t significand;
};

struct soft soft_unpack(const struct soft_env *env, const struct soft_format *f, uint64_t a);
uint64_t soft_zero(const struct soft_format *f, bool sign);
uint64_t soft_infinity(const struct soft_format *f, bool sign);
uint64_t soft_indefinite(const struct soft_format *f);
uint64_t soft_invalid(struct soft_env *env, const struct soft_format *f);      // raises IE; the indefinite
static inline bool soft_is_nan(const struct soft *a) { return a->class == FLOAT_QNAN || a->class == FLOAT_SNAN; }
uint64_t soft_quiet(const struct soft_format *f, uint64_t nan);

// NaNs among operands in their order: true if that decided *result, the first of them made quiet. Raises IE for signalling ones.
bool soft_nan(struct soft_env *env, const struct soft_format *f, uint64_t a, uint64_t *result);
bool soft_nan_pair(struct soft_env *env, const struct soft_format *f, uint64_t a, uint64_t b, uint64_t *result);

// The exact result is value * 2^(exponent - 127), value not 0; bit 0 of it may stand for all lower bits that are not zero.
uint64_t soft_round(struct soft_env *env, const struct soft_format *f, bool sign, int32_t exponent, float_u128 value);
// value / 2^count as a whole number, rounded; count is 1 or more.
float_u128 soft_shift_round(unsigned rounding, bool sign, float_u128 value, unsigned count, bool *inexact);

// ---- arithmetic (arithmetic.c)
typedef uint64_t soft_binary(struct soft_env *env, const struct soft_format *f, uint64_t a, uint64_t b);
typedef uint64_t soft_unary(struct soft_env *env, const struct soft_format *f, uint64_t a);
soft_binary soft_add, soft_subtract, soft_multiply, soft_divide;
soft_unary soft_root, soft_reciprocal, soft_reciprocal_root;
enum soft_negation { SOFT_NEGATE_PRODUCT = 1, SOFT_NEGATE_ADDEND = 2 };
uint64_t soft_fused(struct soft_env *env, const struct soft_format *f, uint64_t x, uint64_t y, uint64_t z, unsigned negation);

// ---- comparison (compare.c)
enum soft_relation { SOFT_LESS = 1, SOFT_EQUAL = 2, SOFT_GREATER = 4, SOFT_UNORDERED = 8 };
soft_binary soft_minimum, soft_maximum;
enum soft_relation soft_compare(struct soft_env *env, const struct soft_format *f, uint64_t a, uint64_t b, bool signalling);
bool soft_predicate(struct soft_env *env, const struct soft_format *f, uint64_t a, uint64_t b, unsigned predicate);  // of CMPPS, 0 to 31

// ---- conversion (convert.c). Integers have 32 or 64 bits.
uint64_t soft_convert(struct soft_env *env, const struct soft_format *from, const struct soft_format *to, uint64_t a);
uint64_t soft_from_integer(struct soft_env *env, const struct soft_format *to, int64_t a);
uint64_t soft_to_integer(struct soft_env *env, const struct soft_format *from, unsigned bits, uint64_t a);
uint64_t soft_round_integer(struct soft_env *env, const struct soft_format *f, uint64_t a);
