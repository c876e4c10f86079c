// SPDX-License-Identifier: MIT
// Extensions that CPUID says are there, each asked for a result that is known: published test vectors where there are any.
// The expected output is a real processor's; random numbers only have to come and to differ.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#if !defined __x86_64__
int main(void)
{
    puts("no x64");
    return 0;
}
#else
#include <cpuid.h>
#include <immintrin.h>

#define ALL __attribute__((target("sse4.2,aes,pclmul,sha,bmi,bmi2,adx,rdrnd,rdseed,lzcnt,popcnt,movbe,crc32")))

static void show(const char *title, __m128i v)
{
    uint8_t bytes[16];
    memcpy(bytes, &v, 16);
    printf("%-9s ", title);
    for (unsigned i = 0; i < 16; i++)
        printf("%02x", bytes[i]);
    puts("");
}

static unsigned leaf1c, leaf1d, leaf7b, ext_c, ext_d;

static void advertised(void)
{
    static const struct { const char *name; unsigned *word; unsigned bit; } rows[] = {
        { "sse3", &leaf1c, 0 }, { "pclmul", &leaf1c, 1 }, { "ssse3", &leaf1c, 9 }, { "sse4.1", &leaf1c, 19 }, { "sse4.2", &leaf1c, 20 },
        { "movbe", &leaf1c, 22 }, { "popcnt", &leaf1c, 23 }, { "aes", &leaf1c, 25 }, { "bmi1", &leaf7b, 3 }, { "bmi2", &leaf7b, 8 },
        { "adx", &leaf7b, 19 }, { "sha", &leaf7b, 29 }, { "lzcnt", &ext_c, 5 }, { "rdtscp", &ext_d, 27 }, { "clfsh", &leaf1d, 19 },
    };
    unsigned a, b, c, d;
    __cpuid(1, a, b, leaf1c, leaf1d);
    __cpuid_count(7, 0, a, leaf7b, c, d);
    __cpuid(0x80000001, a, b, ext_c, ext_d);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        if (*rows[i].word >> rows[i].bit & 1)
            printf("%s ", rows[i].name);
    puts("");
}

// ---- FIPS 197, appendix C.1
#define EXPAND(i, constant) { \
        __m128i t = _mm_shuffle_epi32(_mm_aeskeygenassist_si128(key[i], constant), 0xff), k = key[i]; \
        k = _mm_xor_si128(k, _mm_slli_si128(k, 4)); \
        k = _mm_xor_si128(k, _mm_slli_si128(k, 8)); \
        key[i + 1] = _mm_xor_si128(k, t); }

static ALL void aes(void)
{
    uint8_t k[16], text[16];
    for (unsigned i = 0; i < 16; i++)
        k[i] = (uint8_t)i, text[i] = (uint8_t)(i * 0x11);
    __m128i key[11], state;
    memcpy(&key[0], k, 16);
    memcpy(&state, text, 16);
    EXPAND(0, 0x01) EXPAND(1, 0x02) EXPAND(2, 0x04) EXPAND(3, 0x08) EXPAND(4, 0x10)
    EXPAND(5, 0x20) EXPAND(6, 0x40) EXPAND(7, 0x80) EXPAND(8, 0x1b) EXPAND(9, 0x36)
    state = _mm_xor_si128(state, key[0]);
    for (unsigned i = 1; i < 10; i++)
        state = _mm_aesenc_si128(state, key[i]);
    state = _mm_aesenclast_si128(state, key[10]);
    show("aes", state);
    state = _mm_xor_si128(state, key[10]);
    for (unsigned i = 9; i; i--)
        state = _mm_aesdec_si128(state, _mm_aesimc_si128(key[i]));
    show("and back", _mm_aesdeclast_si128(state, key[0]));
}

// ---- FIPS 180-4 examples: "abc"
static ALL void sha1(void)
{
    __m128i abcd = _mm_set_epi32(0x67452301, (int)0xefcdab89, (int)0x98badcfe, 0x10325476), first = abcd;
    __m128i e = _mm_set_epi32((int)0xc3d2e1f0, 0, 0, 0), before = abcd, m[20], t;
    memset(m, 0, sizeof m);
    m[0] = _mm_set_epi32(0x61626380, 0, 0, 0);
    m[3] = _mm_set_epi32(0, 0, 0, 24);
    for (unsigned i = 0; i < 20; i++) {
        if (i >= 4)
            m[i] = _mm_sha1msg2_epu32(_mm_xor_si128(_mm_sha1msg1_epu32(m[i - 4], m[i - 3]), m[i - 2]), m[i - 1]);
        t = i ? _mm_sha1nexte_epu32(before, m[i]) : _mm_add_epi32(e, m[0]);
        before = abcd;
        switch (i / 5) {
        case 0: abcd = _mm_sha1rnds4_epu32(abcd, t, 0); break;
        case 1: abcd = _mm_sha1rnds4_epu32(abcd, t, 1); break;
        case 2: abcd = _mm_sha1rnds4_epu32(abcd, t, 2); break;
        default: abcd = _mm_sha1rnds4_epu32(abcd, t, 3); break;
        }
    }
    e = _mm_sha1nexte_epu32(before, e);
    abcd = _mm_shuffle_epi32(_mm_add_epi32(abcd, first), 0x1b);
    uint32_t h[4];
    memcpy(h, &abcd, 16);
    printf("sha1      %08x%08x%08x%08x%08x\n", h[0], h[1], h[2], h[3], (unsigned)_mm_extract_epi32(e, 3));
}

static const uint32_t sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static ALL void sha256(void)
{
    __m128i abef = _mm_set_epi32(0x6a09e667, (int)0xbb67ae85, 0x510e527f, (int)0x9b05688c), first = abef;
    __m128i cdgh = _mm_set_epi32(0x3c6ef372, (int)0xa54ff53a, 0x1f83d9ab, 0x5be0cd19), second = cdgh, m[16];
    memset(m, 0, sizeof m);
    m[0] = _mm_set_epi32(0, 0, 0, 0x61626380);
    m[3] = _mm_set_epi32(24, 0, 0, 0);
    for (unsigned i = 0; i < 16; i++) {
        if (i >= 4)
            m[i] = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(m[i - 4], m[i - 3]), _mm_alignr_epi8(m[i - 1], m[i - 2], 4)), m[i - 1]);
        __m128i k = _mm_add_epi32(m[i], _mm_loadu_si128((const __m128i *)&sha256_constants[i * 4]));
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, k);
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(k, 0x0e));
    }
    abef = _mm_add_epi32(abef, first);
    cdgh = _mm_add_epi32(cdgh, second);
    uint32_t h[8];
    memcpy(h, &abef, 16);
    memcpy(h + 4, &cdgh, 16);
    printf("sha256    %08x%08x%08x%08x%08x%08x%08x%08x\n", h[3], h[2], h[7], h[6], h[1], h[0], h[5], h[4]);
}

// ---- small ones
static ALL void strings(void)
{
    __m128i text = _mm_loadu_si128((const __m128i *)"the quick brown\0"), needle = _mm_loadu_si128((const __m128i *)"ck b\0\0\0\0\0\0\0\0\0\0\0");
    __m128i set = _mm_loadu_si128((const __m128i *)"xyzq\0\0\0\0\0\0\0\0\0\0\0"), range = _mm_loadu_si128((const __m128i *)"am\0\0\0\0\0\0\0\0\0\0\0\0\0");
    printf("strings   %d %d %d %d %d\n", _mm_cmpistri(needle, text, 0x0c), _mm_cmpistri(set, text, 0x00), _mm_cmpistri(range, text, 0x44),
           _mm_cmpistrz(needle, text, 0x18), _mm_cmpestri(text, 9, text, 5, 0x18));
    show("mask", _mm_cmpistrm(range, text, 0x44));
}

static ALL void bits(void)
{
    uint32_t crc = ~0u;
    for (const char *p = "123456789"; *p; p++)
        crc = _mm_crc32_u8(crc, (uint8_t)*p);
    unsigned long long high, low, sum;
    low = _mulx_u64(0xfedcba9876543210ull, 0x0123456789abcdefull, &high);
    unsigned char c = _addcarry_u64(1, ~0ull, 0, &sum);
    printf("crc32c    %08x\n", ~crc);
    printf("bits      %llx %llx %llx %llx %d %d %llx %d\n", _pdep_u64(0xabcd, 0xf0f0f0f0f0f0f0f0ull), _pext_u64(0x0123456789abcdefull, 0xff00ff00ff00ff0full),
           high, low, (int)_lzcnt_u64(0x1234), (int)_tzcnt_u64(0x1000), _blsr_u64(0xff00), c);
    show("pclmul", _mm_clmulepi64_si128(_mm_set_epi64x(0x7b5b546573745665ll, 0x63746f725d53475dll), _mm_set_epi64x(0x4869285368617929ll, 0x5b477565726f6e5dll), 0x00));
}

static ALL void random_numbers(void)
{
    unsigned long long a = 0, b = 0;
    int good = 1;
    if (leaf1c >> 30 & 1)
        good &= _rdrand64_step(&a) && _rdrand64_step(&b) && a != b;
    if (leaf7b >> 18 & 1)
        good &= _rdseed64_step(&a) && _rdseed64_step(&b) && a != b;
    printf("random    %s\n", good ? "as advertised" : "WRONG");
}

int main(void)
{
    advertised();
    aes();
    sha1();
    sha256();
    strings();
    bits();
    random_numbers();
    return 0;
}
#endif
