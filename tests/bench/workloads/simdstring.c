// SPDX-License-Identifier: MIT
// String functions 16 bytes at a time: SSE2 intrinsics, or what a programmer writes with NEON instead.
#include "tests/bench/bench.h"

#if defined(__x86_64__) && !defined(__arm64ec__)
#include <emmintrin.h>
typedef __m128i block;
enum { MASK_SHIFT = 0 };
static block load(const void *p) { return _mm_loadu_si128(p); }
static block fill(uint8_t c) { return _mm_set1_epi8((char)c); }
static uint64_t equal(block a, block b) { return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(a, b)); }
static block lower(block a)
{
    block upper = _mm_and_si128(_mm_cmpgt_epi8(a, fill('A' - 1)), _mm_cmplt_epi8(a, fill('Z' + 1)));
    return _mm_or_si128(a, _mm_and_si128(upper, fill(0x20)));
}
static void store(void *p, block a) { _mm_storeu_si128(p, a); }
#define ALL 0xffffu
#else
#include <arm_neon.h>
typedef uint8x16_t block;
enum { MASK_SHIFT = 2 };        // four bits a byte
static block load(const void *p) { return vld1q_u8(p); }
static block fill(uint8_t c) { return vdupq_n_u8(c); }
static uint64_t equal(block a, block b)
{
    return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(vceqq_u8(a, b)), 4)), 0);
}
static block lower(block a)
{
    block upper = vandq_u8(vcgeq_u8(a, fill('A')), vcleq_u8(a, fill('Z')));
    return vorrq_u8(a, vandq_u8(upper, fill(0x20)));
}
static void store(void *p, block a) { vst1q_u8(p, a); }
#define ALL 0xffffffffffffffffull
#endif

enum { SIZE = 1 << 15 };
static _Alignas(16) char text[SIZE + 16], copy[SIZE + 16];

__attribute__((noinline)) static size_t simd_length(const char *s)
{
    for (size_t i = 0;; i += 16) {
        uint64_t mask = equal(load(s + i), fill(0));
        if (mask)
            return i + (size_t)(__builtin_ctzll(mask) >> MASK_SHIFT);
    }
}

__attribute__((noinline)) static const char *simd_find(const char *s, char c, const char *end)
{
    for (; s < end; s += 16) {
        uint64_t mask = equal(load(s), fill((uint8_t)c));
        if (mask)
            return s + (__builtin_ctzll(mask) >> MASK_SHIFT);
    }
    return end;
}

__attribute__((noinline)) static size_t simd_common(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i += 16) {
        uint64_t mask = equal(load(a + i), load(b + i));
        if (mask != ALL)
            return i + (size_t)(__builtin_ctzll(~mask) >> MASK_SHIFT);
    }
    return n;
}

uint64_t bench_simdstring(uint64_t one)
{
    uint32_t state = (uint32_t)one;
    uint64_t sum = 0;
    for (int i = 0; i < SIZE; i++)
        text[i] = (char)('A' + (next_random(&state) >> 24) % 58);
    for (int i = 0; i < 16; i++)
        text[SIZE + i] = 0;
    for (int i = 0; i <= SIZE; i += 16)
        store(copy + i, lower(load(text + i)));
    for (int start = 0; start < 24; start++) {
        sum = mix(sum, simd_length(text + start));
        for (const char *p = text + start; (p = simd_find(p, 'q', text + SIZE)) < text + SIZE; p++)
            sum++;
    }
    for (int i = 0; i < 2000; i++) {
        const char *p = text + i * 16, *q = copy + i * 16;
        sum = mix(sum, simd_common(p, q, 256));
        sum = mix(sum, simd_common(p, p, (size_t)(i & 127)));
    }
    return sum;
}
