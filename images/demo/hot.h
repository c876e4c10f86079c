// SPDX-License-Identifier: MIT
// The hot loop of the demonstration: the same source in the DLL, which runs natively in every process, and in each program.
// A short search in integers: steps until n reaches 1 by halving or tripling, summed over the first numbers.
#pragma once
#include <stdint.h>

static uint64_t hot_loop(uint32_t count) {
    uint64_t steps = 0;
    for (uint32_t first = 1; first <= count; first++)
        for (uint64_t n = first; n != 1; steps++) n = n & 1 ? 3 * n + 1 : n / 2;
    return steps;
}
enum { HOT_COUNT = 20000 };
