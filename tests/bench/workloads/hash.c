// SPDX-License-Identifier: MIT
// A hash table whose hash is a 64-bit multiplication and whose size is a prime, so that every look-up divides.
#include "tests/bench/bench.h"

static uint64_t keys[8192];
static uint32_t values[8192];
static volatile uint64_t prime = 8191;

__attribute__((noinline)) static uint64_t slot_of(uint64_t key, uint64_t size)
{
    unsigned __int128 product = (unsigned __int128)key * 0x9e3779b97f4a7c15ull;
    uint64_t hash = (uint64_t)(product >> 64) ^ (uint64_t)product;
    uint64_t slot = hash % size;
    while (keys[slot] && keys[slot] != key)
        if (++slot == size)
            slot = 0;
    return slot;
}

uint64_t bench_hash(uint64_t one)
{
    uint32_t state = (uint32_t)one;
    uint64_t size = prime, sum = 0;
    for (int i = 0; i < 8192; i++)
        keys[i] = values[i] = 0;
    for (int i = 0; i < 30000; i++) {
        uint64_t key = (uint64_t)(next_random(&state) >> 20) * 0x10001 + 1;
        uint64_t slot = slot_of(key, size);
        keys[slot] = key;
        values[slot] += (uint32_t)i;
    }
    for (uint64_t i = 0; i < size; i++)
        sum = mix(sum, keys[i] + values[i]);
    return sum;
}
