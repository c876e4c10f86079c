// SPDX-License-Identifier: MIT
// Copies of many sizes, aligned and not, by memcpy and memset of images/crt/mem.c.
#include "tests/bench/bench.h"

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);
int memcmp(const void *left, const void *right, size_t n);

static uint8_t a[1 << 15], b[1 << 15];

uint64_t bench_memcpy(uint64_t one)
{
    uint32_t state = (uint32_t)one;
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof a; i++)
        a[i] = (uint8_t)(i * 7 + i / 251);
    memset(b, 0, sizeof b);
    for (int i = 0; i < 12000; i++) {
        uint32_t r = next_random(&state) >> 8;
        size_t size = r & 15 ? r >> 4 & 63 : r >> 4 & 1023;     // mostly small, as in real programs
        size_t from = r >> 3 & 4095, to = r >> 5 & 8191;
        memcpy(b + to, a + from, size);
        sum += b[to + size / 2];
    }
    for (int i = 0; i < 20; i++) {
        memcpy(b + i, a, sizeof a - 64);
        sum += (uint64_t)memcmp(b + i, a, sizeof a - 64);
        memset(b + 100 * i, i, 5000);
        sum = mix(sum, b[4000 + i]);
    }
    return sum;
}
