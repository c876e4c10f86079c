// SPDX-License-Identifier: MIT
// Conversions between integers of all sizes, float and double.
#include "tests/bench/bench.h"

uint64_t bench_convert(uint64_t one)
{
    uint32_t state = (uint32_t)one;
    uint64_t sum = 0;
    for (int i = 0; i < 20000; i++) {
        uint32_t u = next_random(&state);
        int32_t s = (int32_t)u;
        uint64_t w = (uint64_t)u << 20 ^ u;
        double d = (double)s, e = (double)u, f = (double)w, g = (double)(int64_t)(w - (1ull << 51));
        float h = (float)s, j = (float)d;
        sum += (uint64_t)(int64_t)(d * 0.5) + (uint64_t)(e * 0.25) + (uint64_t)f + (uint64_t)(int64_t)g;
        sum ^= (uint32_t)(int32_t)(h * 0.125f) + (uint64_t)(uint16_t)(e / 65536.0) + (uint8_t)(u / 16777216.0f);
        sum = mix(sum, (uint64_t)(int64_t)((double)j * 4));
    }
    return sum;
}
