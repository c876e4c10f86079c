// SPDX-License-Identifier: MIT
//
// float80.h - the 80-bit floating-point numbers of x87, in integer arithmetic only.
//
// Every operation takes an environment: it reads rounding, precision and which exceptions are masked, and it adds what
// happened to `raised` and `up`. The result is the masked response, with two differences for unmasked exceptions (SDM vol. 1,
// 8.5): of OE and UE the result has its exponent moved by 24576; of IE, DE and ZE the caller throws the result away.
// Manual: Intel SDM vol. 1, 4.2, 4.8 and chapter 8.
#pragma once
#include <stdbool.h>
#include <stdint.h>

typedef unsigned __int128 float_u128;

struct float80 {
    uint64_t significand;           // bit 63 is the integer bit
    uint16_t sign_exponent;         // bit 15 sign, bits 14:0 exponent + 16383
    uint16_t reserved[3];           // always 0: what a register is in memory
};

enum float_flag {                   // status word bits; the first six are also the masks of the control word
    FLOAT_IE = 1 << 0, FLOAT_DE = 1 << 1, FLOAT_ZE = 1 << 2, FLOAT_OE = 1 << 3, FLOAT_UE = 1 << 4, FLOAT_PE = 1 << 5,
    FLOAT_SF = 1 << 6,
    FLOAT_ALL = 0x3f,
    FLOAT_BEFORE = FLOAT_IE | FLOAT_DE | FLOAT_ZE,      // found before there is a result: unmasked, nothing is changed
};

enum float_rounding { ROUND_NEAREST, ROUND_DOWN, ROUND_UP, ROUND_ZERO };   // as in the control word

struct float_env {
    uint8_t rounding;               // enum float_rounding
    uint8_t precision;              // bits: 24, 53 or 64; used by add, sub, mul, div, sqrt
    uint8_t masked;                 // FLOAT_*
    uint8_t raised;                 // FLOAT_*
    bool    up;                     // the result was rounded away from zero (C1)
    bool    source_denormal;        // an operand was a denormal in memory that is none any more: DE unless there is a NaN
};

enum float_class { FLOAT_ZERO, FLOAT_DENORMAL, FLOAT_NORMAL, FLOAT_INFINITY, FLOAT_QNAN, FLOAT_SNAN, FLOAT_UNSUPPORTED };

enum { FLOAT_BIAS = 16383, FLOAT_EXPONENT_MAX = 0x7fff };

// A finite number is significand * 2^(exponent - FLOAT_BIAS - 63), bit 63 of the significand set unless it is zero.
// The exponent of a denormal goes below 1.
struct float_parts {
    bool     sign;
    uint8_t  class;                 // enum float_class
    int32_t  exponent;
    uint64_t significand;
};

extern const struct float80 float80_indefinite, float80_one;
struct float_parts float80_unpack(struct float80 a);
struct float80 float80_pack(bool sign, unsigned exponent, uint64_t significand);
static inline struct float80 float80_zero(bool sign) { return float80_pack(sign, 0, 0); }
static inline struct float80 float80_infinity(bool sign) { return float80_pack(sign, FLOAT_EXPONENT_MAX, 1ull << 63); }
static inline bool float80_is_nan(uint8_t class) { return class == FLOAT_QNAN || class == FLOAT_SNAN; }
struct float80 float80_invalid(struct float_env *env);          // raises IE; the indefinite

// NaNs and unsupported encodings of one and of two operands: true if that decided *result. Otherwise raises DE for denormals
// in memory (source_denormal), but not yet for a and b themselves.
bool float80_special(struct float_env *env, struct float80 a, struct float80 *result);
bool float80_special_pair(struct float_env *env, struct float80 a, struct float80 b, struct float80 *result);
void float80_note_denormal(struct float_env *env, const struct float_parts *a);

// The exact result is value * 2^(exponent - FLOAT_BIAS - 127); bit 0 of value may stand for all lower bits that are not zero.
struct float80 float80_round(struct float_env *env, unsigned precision, bool sign, int32_t exponent, float_u128 value);

// The same for any format: rounds to `precision` bits, exponents 1 to maximum (0: denormal). A result with exponent > maximum
// is infinity. `adjust` is what an unmasked OE or UE moves the exponent by.
struct float_rounded { int32_t exponent; uint64_t significand; };
struct float_rounded float_round(struct float_env *env, unsigned precision, int32_t maximum, int32_t adjust, bool sign,
                                 int32_t exponent, float_u128 value);
bool float_rounds_up(unsigned rounding, bool sign, bool odd, float_u128 rest, float_u128 half);
unsigned float_clz(uint64_t value);                             // value is not 0
float_u128 float_shift_jam(float_u128 value, unsigned count);   // right; lost bits are kept in bit 0
uint64_t float_divide(uint64_t high, uint64_t low, uint64_t divisor, uint64_t *remainder);   // high < divisor, bit 63 of divisor set

// ---- arithmetic (add.c mul.c sqrt.c)
struct float80 float80_add(struct float_env *env, struct float80 a, struct float80 b);
struct float80 float80_sub(struct float_env *env, struct float80 a, struct float80 b);
struct float80 float80_mul(struct float_env *env, struct float80 a, struct float80 b);
struct float80 float80_div(struct float_env *env, struct float80 a, struct float80 b);
struct float80 float80_sqrt(struct float_env *env, struct float80 a);

// ---- whole numbers and exponents (integer.c remainder.c)
struct float80 float80_round_integer(struct float_env *env, struct float80 a);                     // FRNDINT
struct float80 float80_scale(struct float_env *env, struct float80 a, struct float80 b);           // FSCALE
struct float80 float80_extract(struct float_env *env, struct float80 a, struct float80 *exponent); // FXTRACT: the significand
// FPREM (nearest: FPREM1). Partial: only the dividend was made smaller; done: *quotient holds the low bits of the quotient.
enum float_reduction { REDUCTION_DONE, REDUCTION_PARTIAL, REDUCTION_NONE };
struct float80 float80_remainder(struct float_env *env, struct float80 a, struct float80 b, bool nearest, uint64_t *quotient,
                                 enum float_reduction *reduction);

// ---- comparison (compare.c)
enum float_relation { FLOAT_GREATER, FLOAT_LESS, FLOAT_EQUAL, FLOAT_UNORDERED };
enum float_relation float80_compare(struct float_env *env, struct float80 a, struct float80 b, bool quiet);  // quiet: QNaNs raise nothing

// ---- conversions (convert.c)
// From memory formats: a signalling NaN stays one and nothing is raised; a denormal sets env->source_denormal.
struct float80 float80_from_float32(struct float_env *env, uint32_t a);
struct float80 float80_from_float64(struct float_env *env, uint64_t a);
struct float80 float80_from_int64(int64_t a);
struct float80 float80_from_bcd(const uint8_t bytes[10]);
// To memory formats. When OE or UE is raised and not masked there is nothing to store.
uint32_t float80_to_float32(struct float_env *env, struct float80 a);
uint64_t float80_to_float64(struct float_env *env, struct float80 a);
uint64_t float80_to_integer(struct float_env *env, struct float80 a, unsigned bytes, bool truncate);   // 2, 4, 8; low bytes count
void     float80_to_bcd(struct float_env *env, struct float80 a, uint8_t bytes[10]);

// ---- transcendental functions (trigonometry.c logarithm.c): rounded from about 120 correct bits
// FSIN, FCOS, FPTAN, FSINCOS: false if |a| >= 2^63 and nothing was done. Any of the results may be a null pointer.
bool float80_sin_cos(struct float_env *env, struct float80 a, struct float80 *sine, struct float80 *cosine, struct float80 *tangent);
struct float80 float80_atan(struct float_env *env, struct float80 y, struct float80 x);            // FPATAN: of y / x, all quadrants
struct float80 float80_exp2m1(struct float_env *env, struct float80 a);                            // F2XM1
struct float80 float80_ylog2x(struct float_env *env, struct float80 y, struct float80 x);          // FYL2X
struct float80 float80_ylog2xp1(struct float_env *env, struct float80 y, struct float80 x);        // FYL2XP1
