// SPDX-License-Identifier: MIT
// emu/crypto against the instructions of the processor this runs on, with random operands.
#include "emu/crypto/crypto.h"
#include "tests/host/check.h"
#include <stdio.h>
#include <string.h>

#if defined __x86_64__
#include <immintrin.h>

#define ALL __attribute__((target("sse4.2,aes,pclmul,sha,crc32")))
enum { ROUNDS = 2000 };

static uint64_t seed = 88172645463325252u;
static uint64_t random64(void)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return seed;
}

static bool same(const char *what, __m128i native, enum x64_op op, __m128i a, __m128i b, __m128i xmm0, unsigned extra)
{
    uint8_t in[3][16], out[16], expected[16];
    memcpy(in[0], &a, 16);
    memcpy(in[1], &b, 16);
    memcpy(in[2], &xmm0, 16);
    memcpy(expected, &native, 16);
    bool ok = crypto_vector(op, in[0], in[1], in[2], extra, out) && !memcmp(out, expected, 16);
    if (!ok)
        printf("%s, immediate %#x: not what the processor computes\n", what, extra);
    return ok;
}

#define PLAIN(op, intrinsic) EXPECT(same(#op, intrinsic(a, b), X64_##op, a, b, k, 0))
#define CONSTANT(op, call, n) EXPECT(same(#op, call, X64_##op, a, b, k, n))

static ALL void round_of_all(void)
{
    __m128i a = _mm_set_epi64x((long long)random64(), (long long)random64()), b = _mm_set_epi64x((long long)random64(), (long long)random64());
    __m128i k = _mm_set_epi64x((long long)random64(), (long long)random64());
    PLAIN(AESENC, _mm_aesenc_si128);
    PLAIN(AESENCLAST, _mm_aesenclast_si128);
    PLAIN(AESDEC, _mm_aesdec_si128);
    PLAIN(AESDECLAST, _mm_aesdeclast_si128);
    EXPECT(same("AESIMC", _mm_aesimc_si128(b), X64_AESIMC, a, b, k, 0));
    CONSTANT(AESKEYGENASSIST, _mm_aeskeygenassist_si128(b, 0), 0);
    CONSTANT(AESKEYGENASSIST, _mm_aeskeygenassist_si128(b, 0x1b), 0x1b);
    CONSTANT(AESKEYGENASSIST, _mm_aeskeygenassist_si128(b, 0xff), 0xff);
    CONSTANT(PCLMULQDQ, _mm_clmulepi64_si128(a, b, 0), 0);
    CONSTANT(PCLMULQDQ, _mm_clmulepi64_si128(a, b, 1), 1);
    CONSTANT(PCLMULQDQ, _mm_clmulepi64_si128(a, b, 16), 16);
    CONSTANT(PCLMULQDQ, _mm_clmulepi64_si128(a, b, 0xff), 0xff);
    PLAIN(SHA1NEXTE, _mm_sha1nexte_epu32);
    PLAIN(SHA1MSG1, _mm_sha1msg1_epu32);
    PLAIN(SHA1MSG2, _mm_sha1msg2_epu32);
    CONSTANT(SHA1RNDS4, _mm_sha1rnds4_epu32(a, b, 0), 0);
    CONSTANT(SHA1RNDS4, _mm_sha1rnds4_epu32(a, b, 1), 1);
    CONSTANT(SHA1RNDS4, _mm_sha1rnds4_epu32(a, b, 2), 2);
    CONSTANT(SHA1RNDS4, _mm_sha1rnds4_epu32(a, b, 3), 3);
    EXPECT(same("SHA256RNDS2", _mm_sha256rnds2_epu32(a, b, k), X64_SHA256RNDS2, a, b, k, 0));
    PLAIN(SHA256MSG1, _mm_sha256msg1_epu32);
    PLAIN(SHA256MSG2, _mm_sha256msg2_epu32);
    uint32_t crc = (uint32_t)random64();
    uint64_t value = random64();
    EXPECT(crypto_crc32c(crc, value, 1) == _mm_crc32_u8(crc, (uint8_t)value));
    EXPECT(crypto_crc32c(crc, value, 2) == _mm_crc32_u16(crc, (uint16_t)value));
    EXPECT(crypto_crc32c(crc, value, 4) == _mm_crc32_u32(crc, (uint32_t)value));
    EXPECT(crypto_crc32c(crc, value, 8) == _mm_crc32_u64(crc, value));
}

TEST(as_the_processor_computes)
{
    if (!__builtin_cpu_supports("aes") || !__builtin_cpu_supports("pclmul") || !__builtin_cpu_supports("sse4.2"))
        return;
    for (unsigned i = 0; i < ROUNDS; i++)
        round_of_all();
}
#endif

TEST(as_published)
{
    // FIPS 197, appendix B: the second round's start after the first round; CRC-32C of "123456789" (RFC 3720).
    static const uint8_t start[16] = { 0x19, 0x3d, 0xe3, 0xbe, 0xa0, 0xf4, 0xe2, 0x2b, 0x9a, 0xc6, 0x8d, 0x2a, 0xe9, 0xf8, 0x48, 0x08 };
    static const uint8_t key[16] = { 0xa0, 0xfa, 0xfe, 0x17, 0x88, 0x54, 0x2c, 0xb1, 0x23, 0xa3, 0x39, 0x39, 0x2a, 0x6c, 0x76, 0x05 };
    static const uint8_t after[16] = { 0xa4, 0x9c, 0x7f, 0xf2, 0x68, 0x9f, 0x35, 0x2b, 0x6b, 0x5b, 0xea, 0x43, 0x02, 0x6a, 0x50, 0x49 };
    uint8_t out[16];
    EXPECT(crypto_vector(X64_AESENC, start, key, key, 0, out) && !memcmp(out, after, 16));
    EXPECT(!crypto_vector(X64_ADD, start, key, key, 0, out));
    uint32_t crc = 0xffffffff;
    for (const char *p = "123456789"; *p; p++)
        crc = crypto_crc32c(crc, (uint8_t)*p, 1);
    EXPECT(~crc == 0xe3069283);
}

TEST_MAIN
