// SPDX-License-Identifier: MIT
// Bit boards: shifts and rotates by variable amounts, counting, lowest bits, bit tests.
#include "tests/bench/bench.h"

static uint64_t knight(uint64_t b)
{
    uint64_t l1 = b >> 1 & 0x7f7f7f7f7f7f7f7full, l2 = b >> 2 & 0x3f3f3f3f3f3f3f3full;
    uint64_t r1 = b << 1 & 0xfefefefefefefefeull, r2 = b << 2 & 0xfcfcfcfcfcfcfcfcull;
    return (l1 | r1) << 16 | (l1 | r1) >> 16 | (l2 | r2) << 8 | (l2 | r2) >> 8;
}

static unsigned population(uint64_t b)
{
    unsigned n = 0;
    for (; b; b &= b - 1)
        n++;
    return n;
}

uint64_t bench_bits(uint64_t one)
{
    uint32_t state = (uint32_t)one;
    uint64_t sum = 0, board = one, tests[4] = { 0 };
    for (int i = 0; i < 6000; i++) {
        uint32_t r = next_random(&state);
        unsigned n = r >> 26, m = r >> 20 & 31;
        board = board << n | board >> (-n & 63);
        board ^= knight(1ull << n);
        uint32_t half = (uint32_t)board >> m | (uint32_t)r << (31 - m);
        sum += (half >> (r & 7)) + ((int32_t)half >> m);
        sum += population(board & 0x0f0f00ff00f0ff00ull) + (unsigned)__builtin_ctzll(board | 1ull << 63) +
               (unsigned)__builtin_clz(half | 1);
        tests[n >> 4] |= 1ull << (r >> 12 & 63);
        if (tests[r >> 8 & 3] >> n & 1)
            sum = mix(sum, board);
    }
    return sum;
}
