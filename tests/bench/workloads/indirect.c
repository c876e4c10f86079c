// SPDX-License-Identifier: MIT
// Calls through a table of functions.
#include "tests/bench/bench.h"

typedef uint64_t step(uint64_t x);
#define STEP(n, expression) __attribute__((noinline)) static uint64_t step##n(uint64_t x) { return expression; }
STEP(0, x + 1) STEP(1, x * 3) STEP(2, x ^ x >> 7) STEP(3, x - 5) STEP(4, x << 1 | x >> 63) STEP(5, ~x) STEP(6, x + (x >> 3))
STEP(7, x ^ 0x5555)

static step *volatile table[8] = { step0, step1, step2, step3, step4, step5, step6, step7 };

uint64_t bench_indirect(uint64_t one)
{
    uint64_t x = one;
    uint32_t state = 7;
    for (int i = 0; i < 120000; i++)
        x = table[next_random(&state) >> 29](x);
    return x;
}
