// SPDX-License-Identifier: MIT
// memcpy, memmove, memset, memcmp: compilers call them without being asked, so every image carries its own.
// Blocks of 16 bytes with overlapping ends; unaligned accesses are cheap on every core Janus runs on.
#include <stddef.h>
#include <stdint.h>

typedef uint8_t block __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint64_t word __attribute__((aligned(1), may_alias));
typedef uint32_t half __attribute__((aligned(1), may_alias));

#define AT(type, p, offset) (*(type *)((uint8_t *)(p) + (offset)))

void *memmove(void *to, const void *from, size_t n) {
    uint8_t *d = to;
    const uint8_t *s = from;
    if (n < 16) {                                   // load both ends before storing either: overlap does no harm
        if (n >= 8) { word a = AT(word, s, 0), b = AT(word, s, n - 8); AT(word, d, 0) = a; AT(word, d, n - 8) = b; }
        else if (n >= 4) { half a = AT(half, s, 0), b = AT(half, s, n - 4); AT(half, d, 0) = a; AT(half, d, n - 4) = b; }
        else if (n) { uint8_t a = s[0], b = s[n / 2], c = s[n - 1]; d[0] = a; d[n / 2] = b; d[n - 1] = c; }
        return to;
    }
    if (n <= 64) {
        block a = AT(block, s, 0), z = AT(block, s, n - 16);
        if (n > 32) {
            block b = AT(block, s, 16), y = AT(block, s, n - 32);
            AT(block, d, 16) = b; AT(block, d, n - 32) = y;
        }
        AT(block, d, 0) = a; AT(block, d, n - 16) = z;
        return to;
    }
    if ((uintptr_t)d - (uintptr_t)s >= n) {         // forward: no store reaches a byte not yet read
        block y[4];
        for (int i = 0; i < 4; i++) y[i] = AT(block, s, n - 64 + 16 * i);
        size_t i = 0;
        for (; i + 64 < n; i += 64) {
            block a = AT(block, s, i), b = AT(block, s, i + 16), c = AT(block, s, i + 32), e = AT(block, s, i + 48);
            AT(block, d, i) = a; AT(block, d, i + 16) = b; AT(block, d, i + 32) = c; AT(block, d, i + 48) = e;
        }
        for (int k = 0; k < 4; k++) AT(block, d, n - 64 + 16 * k) = y[k];
    } else {
        block y[4];
        for (int i = 0; i < 4; i++) y[i] = AT(block, s, 16 * i);
        size_t i = n;
        for (; i > 64; i -= 64) {
            block a = AT(block, s, i - 16), b = AT(block, s, i - 32), c = AT(block, s, i - 48), e = AT(block, s, i - 64);
            AT(block, d, i - 16) = a; AT(block, d, i - 32) = b; AT(block, d, i - 48) = c; AT(block, d, i - 64) = e;
        }
        for (int k = 0; k < 4; k++) AT(block, d, 16 * k) = y[k];
    }
    return to;
}

void *memcpy(void *to, const void *from, size_t n) { return memmove(to, from, n); }

void *memset(void *to, int value, size_t n) {
    uint8_t *d = to;
    uint64_t w = (uint8_t)value * 0x0101010101010101ull;
    if (n < 16) {
        if (n >= 8) { AT(word, d, 0) = w; AT(word, d, n - 8) = w; }
        else if (n >= 4) { AT(half, d, 0) = (uint32_t)w; AT(half, d, n - 4) = (uint32_t)w; }
        else if (n) { d[0] = (uint8_t)w; d[n / 2] = (uint8_t)w; d[n - 1] = (uint8_t)w; }
        return to;
    }
    typedef uint64_t pair __attribute__((vector_size(16), aligned(1), may_alias));
    pair v = { w, w };
    for (size_t i = 0; i + 16 < n; i += 16) AT(pair, d, i) = v;
    AT(pair, d, n - 16) = v;
    return to;
}

int memcmp(const void *left, const void *right, size_t n) {
    const uint8_t *a = left, *b = right;
    while (n >= 8 && AT(word, a, 0) == AT(word, b, 0)) { a += 8; b += 8; n -= 8; }
    for (; n; a++, b++, n--) if (*a != *b) return *a - *b;
    return 0;
}
