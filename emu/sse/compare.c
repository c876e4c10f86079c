// SPDX-License-Identifier: MIT
// Minimum, maximum, comparison.
#include "emu/sse/soft.h"

enum soft_relation soft_compare(struct soft_env *env, const struct soft_format *f, uint64_t x, uint64_t y, bool signalling)
{
    uint64_t unused;
    struct soft a = soft_unpack(env, f, x), b = soft_unpack(env, f, y);
    if (soft_nan_pair(env, f, x, y, &unused)) {
        if (signalling)
            env->raised |= FLOAT_IE;
        return SOFT_UNORDERED;
    }
    if (a.denormal || b.denormal)
        env->raised |= FLOAT_DE;
    if (a.class == FLOAT_ZERO && b.class == FLOAT_ZERO)
        return SOFT_EQUAL;
    // Numbers of one sign are in the order of their encodings, but for denormals that count as zero.
    x = a.class == FLOAT_ZERO ? soft_zero(f, a.sign) : x;
    y = b.class == FLOAT_ZERO ? soft_zero(f, b.sign) : y;
    if (x == y)
        return SOFT_EQUAL;
    bool less = a.sign != b.sign ? a.sign : (x < y) != a.sign;
    return less ? SOFT_LESS : SOFT_GREATER;
}

// The second operand unless the first is certainly less (greater): also for two zeros, and for NaNs, which are not made quiet.
static uint64_t choose(struct soft_env *env, const struct soft_format *f, uint64_t x, uint64_t y, enum soft_relation relation)
{
    uint64_t chosen = soft_compare(env, f, x, y, true) == relation ? x : y;
    struct soft s = soft_unpack(env, f, chosen);
    return s.class == FLOAT_ZERO ? soft_zero(f, s.sign) : chosen;       // a denormal that counts as zero
}

uint64_t soft_minimum(struct soft_env *env, const struct soft_format *f, uint64_t a, uint64_t b) { return choose(env, f, a, b, SOFT_LESS); }
uint64_t soft_maximum(struct soft_env *env, const struct soft_format *f, uint64_t a, uint64_t b) { return choose(env, f, a, b, SOFT_GREATER); }

// SDM vol. 2, CMPPD: the relations for which a predicate is true, and whether quiet NaNs are invalid operands. Predicates 16 to 31
// are 0 to 15 with that turned round.
bool soft_predicate(struct soft_env *env, const struct soft_format *f, uint64_t a, uint64_t b, unsigned predicate)
{
    enum { L = SOFT_LESS, E = SOFT_EQUAL, G = SOFT_GREATER, U = SOFT_UNORDERED };
    static const uint8_t relations[16] = { E, L, L | E, U, L | G | U, G | E | U, G | U, L | E | G,
                                           E | U, L | U, L | E | U, 0, L | G, G | E, G, L | E | G | U };
    static const uint16_t signalling = 1 << 1 | 1 << 2 | 1 << 5 | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 13 | 1 << 14;
    bool signals = (signalling >> (predicate & 15) & 1) != (predicate >> 4 & 1);
    return relations[predicate & 15] & soft_compare(env, f, a, b, signals);
}
