// SPDX-License-Identifier: MIT
// AES, PCLMULQDQ and SHA with the arm64 instructions for them (Arm ARM C7, FIPS 197, FIPS 180-4). A core without these has no such
// x64 instructions either, and CPUID says so.
#include "emu/lower/lower_sse4.h"

#define VECTOR(name) void vector_##name(struct lower_context *cx, a64_vreg vd, a64_vreg n, a64_vreg m, unsigned extra)

// ---- AES: AESE and AESD add the round key first, x64 adds it last.

static void aes_round(struct lower_context *cx, a64_vreg vd, a64_vreg n, a64_vreg m,
                      void (*substitute)(struct a64_buf *, a64_vreg, a64_vreg), void (*mix)(struct a64_buf *, a64_vreg, a64_vreg))
{
    a64_vreg to = vd == n && vd != m ? vd : 16;
    a64_movi_zero(cx->b, 17);
    if (to != n)
        a64_mov_v(cx->b, to, n);
    substitute(cx->b, to, 17);
    if (mix)
        mix(cx->b, to, to);
    a64_eor_v(cx->b, A64_16B, vd, to, m);
}
VECTOR(AESENC) { (void)extra; aes_round(cx, vd, n, m, a64_aese, a64_aesmc); }
VECTOR(AESENCLAST) { (void)extra; aes_round(cx, vd, n, m, a64_aese, 0); }
VECTOR(AESDEC) { (void)extra; aes_round(cx, vd, n, m, a64_aesd, a64_aesimc); }
VECTOR(AESDECLAST) { (void)extra; aes_round(cx, vd, n, m, a64_aesd, 0); }
VECTOR(AESIMC) { (void)n, (void)extra; a64_aesimc(cx->b, vd, m); }

// Words 1 and 3 of m through the S-box, each as it is and rotated with the round constant. AESE shifts the rows too: byte r of
// word c comes out at byte r of word c - r.
VECTOR(AESKEYGENASSIST)
{
    (void)n;
    a64_movi_zero(cx->b, 17);
    a64_mov_v(cx->b, 16, m);
    a64_aese(cx->b, 16, 17);
    lower_literal_v(cx, 17, 0x040b0e010b0e0104ull, 0x0c0306090306090cull);
    a64_tbl(cx->b, 1, vd, 16, 17);
    if (extra) {
        lower_literal_v(cx, 17, (uint64_t)extra << 32, (uint64_t)extra << 32);
        a64_eor_v(cx->b, A64_16B, vd, vd, 17);
    }
}

VECTOR(PCLMULQDQ)                               // bit 0 chooses n's half, bit 4 m's
{
    unsigned high_n = extra & 1, high_m = extra >> 4 & 1;
    if (high_n != high_m) {
        a64_dup_element(cx->b, A64_2D, 16, high_n ? n : m, 1);
        if (high_n)
            n = 16;
        else
            m = 16;
    }
    (high_n && high_m ? a64_pmull_high : a64_pmull_low)(cx->b, vd, n, m);
}

// ---- SHA-1. x64 keeps a in the top word, arm64 in the lowest.

static void reverse_words(struct a64_buf *b, a64_vreg vd, a64_vreg v)
{
    a64_rev64(b, A64_4S, vd, v);
    a64_ext(b, A64_16B, vd, vd, vd, 8);
}

static void rotate_left(struct a64_buf *b, a64_vreg vd, a64_vreg v, unsigned count)     // vd is not v
{
    a64_shl_v(b, A64_4S, vd, v, count);
    a64_sri(b, A64_4S, vd, v, 32 - count);
}

VECTOR(SHA1NEXTE)                               // the top word of m plus that of n turned by 30
{
    (void)extra;
    rotate_left(cx->b, 16, n, 30);
    a64_movi_zero(cx->b, 17);
    a64_ins_element(cx->b, 2, 17, 3, 16, 3);
    a64_add_v(cx->b, A64_4S, vd, m, 17);
}

VECTOR(SHA1MSG1)
{
    (void)extra;
    a64_ext(cx->b, A64_16B, 16, m, n, 8);
    a64_eor_v(cx->b, A64_16B, vd, n, 16);
}

VECTOR(SHA1MSG2)                                // the lowest word needs the top one of the result
{
    struct a64_buf *b = cx->b;
    (void)extra;
    a64_movi_zero(b, 16);
    a64_ext(b, A64_16B, 16, 16, m, 12);
    a64_eor_v(b, A64_16B, 16, 16, n);
    rotate_left(b, 17, 16, 1);
    rotate_left(b, 16, 17, 1);
    a64_movi_zero(b, 18);
    a64_ins_element(b, 2, 18, 0, 16, 3);
    a64_eor_v(b, A64_16B, vd, 17, 18);
}

VECTOR(SHA1RNDS4)
{
    static const uint32_t constants[4] = { 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6 };
    static void (*const rounds[4])(struct a64_buf *, a64_vreg, a64_vreg, a64_vreg) = { a64_sha1c, a64_sha1p, a64_sha1m, a64_sha1p };
    struct a64_buf *b = cx->b;
    uint64_t k = constants[extra & 3] * 0x100000001ull;
    lower_literal_v(cx, 18, k, k);
    reverse_words(b, 16, n);
    reverse_words(b, 17, m);
    a64_add_v(b, A64_4S, 17, 17, 18);
    a64_movi_zero(b, 18);                       // e is in the first word of m already
    rounds[extra & 3](b, 16, 18, 17);
    reverse_words(b, vd, 16);
}

// ---- SHA-256. n = (c d g h), m = (a b e f), top word first.

VECTOR(SHA256RNDS2)
{
    struct a64_buf *b = cx->b;
    a64_vreg keys = (a64_vreg)extra;
    a64_rev64(b, A64_4S, 16, m);                // b a f e from the top
    a64_rev64(b, A64_4S, 17, n);
    a64_zip2(b, A64_2D, 18, 16, 17);            // d c b a
    a64_zip1(b, A64_2D, 19, 16, 17);            // h g f e
    a64_mov_v(b, 20, 18);
    a64_sha256h(b, 18, 19, keys);               // four rounds: two rounds' a, b, e and f have become c, d, g and h,
    a64_sha256h2(b, 19, 20, keys);              // and do not depend on the later keys
    a64_zip2(b, A64_2D, 16, 19, 18);
    a64_rev64(b, A64_4S, vd, 16);
}

VECTOR(SHA256MSG1)
{
    (void)extra;
    if (vd == n) {
        a64_sha256su0(cx->b, vd, m);
        return;
    }
    a64_mov_v(cx->b, 16, n);
    a64_sha256su0(cx->b, 16, m);
    a64_mov_v(cx->b, vd, 16);
}

VECTOR(SHA256MSG2)                              // SHA256SU1 also adds the words 9..12, which x64 programs add themselves
{
    (void)extra;
    a64_movi_zero(cx->b, 17);
    a64_mov_v(cx->b, 18, m);
    a64_ins_element(cx->b, 2, 18, 0, 17, 0);
    a64_mov_v(cx->b, 16, n);
    a64_sha256su1(cx->b, 16, 17, 18);
    a64_mov_v(cx->b, vd, 16);
}
