// SPDX-License-Identifier: MIT
// 8- and 16-bit arithmetic: saturation, alpha blending, checksums.
#include "tests/bench/bench.h"

static uint8_t pixels[8192];
static uint16_t samples[4096];

static uint8_t saturate_add(uint8_t a, uint8_t b)
{
    uint8_t sum = (uint8_t)(a + b);
    return sum < a ? 255 : sum;
}

uint64_t bench_narrow(uint64_t one)
{
    uint32_t state = (uint32_t)one;
    uint8_t previous = 1, alpha = 3;
    uint16_t a = 1, b = 0;
    int16_t filter = 0;
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(next_random(&state) >> 24);
    for (int i = 0; i < 4096; i++)
        samples[i] = (uint16_t)(next_random(&state) >> 16);
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < sizeof pixels; i++) {        // each byte depends on the one before
            previous = saturate_add((uint8_t)(previous >> 1), pixels[i]);
            alpha = (uint8_t)(alpha * 5 + 1);
            previous ^= (uint8_t)(alpha << 3 | alpha >> 5);
            pixels[i] = previous;
            if (previous > 200)
                a = (uint16_t)(a + previous);
        }
        for (int i = 0; i < 4096; i++) {
            filter = (int16_t)(filter - (filter >> 3) + (int16_t)samples[i] / 8);
            if (filter < -20000)
                filter = (int16_t)-filter;
            a = (uint16_t)(a + (uint16_t)filter);
            b = (uint16_t)(b + a);
            samples[i] = (uint16_t)(b << 5 | b >> 11);
        }
        sum = mix(sum, (uint64_t)a << 16 | b);
    }
    return mix(sum, previous);
}
