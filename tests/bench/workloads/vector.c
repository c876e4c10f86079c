// SPDX-License-Identifier: MIT
// What the compiler vectorises: integer and float loops over arrays, with shuffles, widening and reductions.
#include "tests/bench/bench.h"

enum { N = 4096 };
static float x[N], y[N];
static int32_t p[N], q[N];
static uint8_t bytes[N], other[N];
static int16_t words[N];

uint64_t bench_vector(uint64_t one)
{
    uint32_t state = (uint32_t)one;
    uint64_t sum = 0;
    for (int i = 0; i < N; i++) {
        uint32_t r = next_random(&state);
        x[i] = (float)(r >> 24);
        y[i] = (float)(r >> 20 & 15);
        p[i] = (int32_t)r;
        q[i] = i;
        bytes[i] = (uint8_t)(r >> 8);
        other[i] = (uint8_t)(r >> 16);
        words[i] = (int16_t)r;
    }
    for (int round = 0; round < 16; round++) {
        for (int i = 0; i < N; i++)
            y[i] = x[i] * 0.5f + y[i];
        for (int i = 0; i < N; i++)
            q[i] = p[i] > q[i] ? p[i] - q[i] : q[i] ^ p[i] << 3;
        uint32_t distance = 0;
        for (int i = 0; i < N; i++)
            distance += (uint32_t)(bytes[i] > other[i] ? bytes[i] - other[i] : other[i] - bytes[i]);
        int32_t dot = 0;
        for (int i = 0; i < N; i++)
            dot += (int32_t)words[i] * words[N - 1 - i];
        for (int i = 0; i < N; i++)
            bytes[i] = (uint8_t)((bytes[i] + other[i] + 1) >> 1);
        sum = mix(mix(sum, distance), (uint32_t)dot);
    }
    for (int i = 0; i < N; i += 61)
        sum = mix(sum, (uint64_t)(int64_t)y[i] + (uint32_t)q[i]);
    return sum;
}
