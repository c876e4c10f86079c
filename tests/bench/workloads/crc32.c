// SPDX-License-Identifier: MIT
// CRC-32, a table look-up for each byte.
#include "tests/bench/bench.h"

static uint32_t table[256];
static uint8_t data[1 << 16];

uint64_t bench_crc32(uint64_t one)
{
    uint32_t state = (uint32_t)one, crc = ~0u;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
        table[i] = c;
    }
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(next_random(&state) >> 24);
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < sizeof data; i++)
            crc = table[(crc ^ data[i]) & 0xff] ^ crc >> 8;
    return ~crc;
}
