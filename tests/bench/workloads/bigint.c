// SPDX-License-Identifier: MIT
// Numbers of 1024 bits: addition with carry, products of 64 by 64 bits, and their decimal digits by division.
#include "tests/bench/bench.h"

enum { WORDS = 16 };

static uint64_t add(uint64_t *r, const uint64_t *a, const uint64_t *b, int n)
{
    unsigned long long carry = 0;
    for (int i = 0; i < n; i++)
        r[i] = __builtin_addcll(a[i], b[i], carry, &carry);
    return carry;
}

static void multiply(uint64_t *r, const uint64_t *a, const uint64_t *b)
{
    for (int i = 0; i < 2 * WORDS; i++)
        r[i] = 0;
    for (int i = 0; i < WORDS; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < WORDS; j++) {
            unsigned __int128 t = (unsigned __int128)a[i] * b[j] + r[i + j] + carry;
            r[i + j] = (uint64_t)t;
            carry = (uint64_t)(t >> 64);
        }
        r[i + WORDS] = carry;
    }
}

static uint32_t divide_small(uint64_t *a, int n, uint32_t divisor)
{
    uint64_t rest = 0;
    for (int i = n; i--;) {
        uint64_t high = rest << 32 | a[i] >> 32, quotient = high / divisor;
        rest = high % divisor;
        uint64_t low = rest << 32 | (uint32_t)a[i];
        a[i] = quotient << 32 | low / divisor;
        rest = low % divisor;
    }
    return (uint32_t)rest;
}

uint64_t bench_bigint(uint64_t one)
{
    static volatile uint32_t ten_to_the_ninth = 1000000000;
    uint64_t a[WORDS], b[WORDS], r[2 * WORDS], sum = 0;
    uint32_t state = (uint32_t)one;
    for (int i = 0; i < WORDS; i++) {
        a[i] = (uint64_t)next_random(&state) << 32 | next_random(&state);
        b[i] = (uint64_t)next_random(&state) << 32 | next_random(&state);
    }
    for (int round = 0; round < 150; round++) {
        multiply(r, a, b);
        sum += add(a, r, r + WORDS, WORDS);
        sum += add(b, b, r, WORDS);
        if (round % 8 == 0)
            for (int digit = 0; digit < 8; digit++)
                sum = mix(sum, divide_small(r, 2 * WORDS, ten_to_the_ninth));
        sum = mix(sum, a[round % WORDS]);
    }
    return sum;
}
