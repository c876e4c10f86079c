// SPDX-License-Identifier: MIT
// LZ77 compression with a hash of four bytes, and decompression.
#include "tests/bench/bench.h"

enum { SIZE = 24000 };
static uint8_t plain[SIZE], packed[SIZE + SIZE / 8 + 64], again[SIZE];
static int32_t heads[4096];

static uint32_t four(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }

__attribute__((noinline)) static size_t compress(const uint8_t *in, size_t n, uint8_t *out)
{
    size_t o = 0, i = 0, literals = 0;
    for (int k = 0; k < 4096; k++)
        heads[k] = -1;
    while (i + 8 < n) {
        uint32_t word = four(in + i), hash = word * 2654435761u >> 20;
        int32_t candidate = heads[hash];
        heads[hash] = (int32_t)i;
        if (candidate >= 0 && i - (size_t)candidate < 65535 && four(in + candidate) == word) {
            size_t length = 4;
            while (length < 130 && i + length < n && in[(size_t)candidate + length] == in[i + length])
                length++;
            size_t distance = i - (size_t)candidate;
            out[o++] = (uint8_t)(0x80 | (length - 4));
            out[o++] = (uint8_t)distance;
            out[o++] = (uint8_t)(distance >> 8);
            i += length;
            literals = 0;
        } else {
            if (!literals || out[literals - 1] == 0x7f) {
                out[o++] = 0;
                literals = o;
            } else {
                out[literals - 1]++;
            }
            out[o++] = in[i++];
        }
    }
    for (; i < n; i++) {
        out[o++] = 0;
        out[o++] = in[i];
    }
    return o;
}

__attribute__((noinline)) static size_t expand(const uint8_t *in, size_t n, uint8_t *out)
{
    size_t o = 0;
    for (size_t i = 0; i < n;) {
        uint8_t c = in[i++];
        if (c & 0x80) {
            size_t distance = (size_t)in[i] | (size_t)in[i + 1] << 8;
            i += 2;
            for (size_t k = 0; k < (size_t)(c & 0x7f) + 4; k++, o++)
                out[o] = out[o - distance];
        } else {
            for (size_t k = 0; k <= c; k++)
                out[o++] = in[i++];
        }
    }
    return o;
}

uint64_t bench_lz(uint64_t one)
{
    static const char *const words[] = { "load ", "store ", "the block", " and its ", "successor", "\n", "table of ", "pages" };
    uint32_t state = (uint32_t)one;
    size_t n = 0;
    while (n < SIZE) {
        uint32_t r = next_random(&state) >> 20;
        if ((r & 7) == 7)
            plain[n++] = (uint8_t)(r >> 3);
        else
            for (const char *p = words[r & 7]; *p && n < SIZE; p++)
                plain[n++] = (uint8_t)*p;
    }
    size_t packed_size = compress(plain, SIZE, packed), size = expand(packed, packed_size, again);
    uint64_t wrong = size != SIZE;
    for (size_t i = 0; i < SIZE; i++)
        wrong += plain[i] != again[i];
    return wrong << 32 | packed_size;
}
