// SPDX-License-Identifier: MIT
// FIPS 197 (AES), FIPS 180-4 (SHA), SDM vol. 2 for the pieces of them that are instructions.
#include "emu/crypto/crypto.h"
#include "emu/crypto/aes_tables.inc"

// ---- AES. Byte r of column c of the state is byte 4c + r.

static uint8_t twice(uint8_t x)
{
    return (uint8_t)(x << 1 ^ (x & 0x80 ? 0x1b : 0));
}

static uint8_t times(uint8_t x, unsigned by)
{
    uint8_t sum = 0;
    for (; by; by >>= 1, x = twice(x))
        if (by & 1)
            sum ^= x;
    return sum;
}

static void shift_rows(const uint8_t *in, uint8_t *out, const uint8_t *box, bool inverse)
{
    for (unsigned c = 0; c < 4; c++)
        for (unsigned r = 0; r < 4; r++)
            out[4 * c + r] = box[in[4 * ((inverse ? c - r : c + r) & 3) + r]];
}

static void mix_columns(uint8_t *s, const uint8_t row[4])      // row: the first one of the circulant matrix
{
    for (unsigned c = 0; c < 4; c++) {
        uint8_t in[4] = { s[4 * c], s[4 * c + 1], s[4 * c + 2], s[4 * c + 3] };
        for (unsigned r = 0; r < 4; r++) {
            uint8_t sum = 0;
            for (unsigned i = 0; i < 4; i++)
                sum ^= times(in[i], row[(i - r) & 3]);
            s[4 * c + r] = sum;
        }
    }
}

static const uint8_t mix[4] = { 2, 3, 1, 1 }, mix_inverse[4] = { 14, 11, 13, 9 };

static void aes_round(const uint8_t *a, const uint8_t *key, uint8_t *out, bool inverse, bool last)
{
    shift_rows(a, out, inverse ? s_box_inverse : s_box, inverse);
    if (!last)
        mix_columns(out, inverse ? mix_inverse : mix);
    for (unsigned i = 0; i < 16; i++)
        out[i] ^= key[i];
}

static void aes_key(const uint8_t *b, unsigned constant, uint8_t *out)
{
    for (unsigned i = 0; i < 4; i++) {
        out[i] = s_box[b[4 + i]];
        out[4 + i] = s_box[b[4 + (i + 1) % 4]] ^ (i ? 0 : (uint8_t)constant);
        out[8 + i] = s_box[b[12 + i]];
        out[12 + i] = s_box[b[12 + (i + 1) % 4]] ^ (i ? 0 : (uint8_t)constant);
    }
}

// ---- numbers in memory order

static uint64_t get(const uint8_t *p, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = bytes; i-- > 0;)
        value = value << 8 | p[i];
    return value;
}

static void put(uint8_t *p, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        p[i] = (uint8_t)(value >> 8 * i);
}

static void carryless(const uint8_t *a, const uint8_t *b, unsigned halves, uint8_t *out)
{
    uint64_t x = get(a + (halves & 1 ? 8 : 0), 8), y = get(b + (halves & 16 ? 8 : 0), 8), low = 0, high = 0;
    for (unsigned i = 0; i < 64; i++)
        if (y >> i & 1) {
            low ^= x << i;
            high ^= i ? x >> (64 - i) : 0;
        }
    put(out, low, 8);
    put(out + 8, high, 8);
}

// ---- SHA. Word 3 is the top one of a register.

static uint32_t left(uint32_t x, unsigned by) { return x << by | x >> (32 - by); }
static uint32_t right(uint32_t x, unsigned by) { return x >> by | x << (32 - by); }
static void words_get(uint32_t w[4], const uint8_t *p) { for (unsigned i = 0; i < 4; i++) w[i] = (uint32_t)get(p + 4 * i, 4); }
static void words_put(uint8_t *p, const uint32_t w[4]) { for (unsigned i = 0; i < 4; i++) put(p + 4 * i, w[i], 4); }

static uint32_t choose(uint32_t x, uint32_t y, uint32_t z) { return (x & y) ^ (~x & z); }
static uint32_t majority(uint32_t x, uint32_t y, uint32_t z) { return (x & y) ^ (x & z) ^ (y & z); }

static void sha1_rounds(const uint32_t state[4], const uint32_t schedule[4], unsigned kind, uint32_t out[4])
{
    static const uint32_t constants[4] = { 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6 };
    uint32_t a = state[3], b = state[2], c = state[1], d = state[0], e = 0;
    for (unsigned i = 0; i < 4; i++) {
        uint32_t f = kind == 0 ? choose(b, c, d) : kind == 2 ? majority(b, c, d) : b ^ c ^ d;
        uint32_t next = f + left(a, 5) + schedule[3 - i] + e + constants[kind];     // e is in the first word already
        e = d, d = c, c = left(b, 30), b = a, a = next;
    }
    out[3] = a, out[2] = b, out[1] = c, out[0] = d;
}

static void sha256_rounds(const uint32_t cdgh[4], const uint32_t abef[4], const uint32_t keys[4], uint32_t out[4])
{
    uint32_t a = abef[3], b = abef[2], c = cdgh[3], d = cdgh[2], e = abef[1], f = abef[0], g = cdgh[1], h = cdgh[0];
    for (unsigned i = 0; i < 2; i++) {
        uint32_t t = h + (right(e, 6) ^ right(e, 11) ^ right(e, 25)) + choose(e, f, g) + keys[i];
        uint32_t next = t + (right(a, 2) ^ right(a, 13) ^ right(a, 22)) + majority(a, b, c);
        h = g, g = f, f = e, e = d + t, d = c, c = b, b = a, a = next;
    }
    out[3] = a, out[2] = b, out[1] = e, out[0] = f;
}

static uint32_t sigma0(uint32_t x) { return right(x, 7) ^ right(x, 18) ^ x >> 3; }
static uint32_t sigma1(uint32_t x) { return right(x, 17) ^ right(x, 19) ^ x >> 10; }

static bool sha(enum x64_op op, const uint8_t *a, const uint8_t *b, const uint8_t *xmm0, unsigned extra, uint8_t *out)
{
    uint32_t x[4], y[4], k[4], r[4];
    words_get(x, a);
    words_get(y, b);
    words_get(k, xmm0);
    switch (op) {
    case X64_SHA1NEXTE:
        r[3] = y[3] + left(x[3], 30), r[2] = y[2], r[1] = y[1], r[0] = y[0];
        break;
    case X64_SHA1MSG1:
        r[3] = x[3] ^ x[1], r[2] = x[2] ^ x[0], r[1] = x[1] ^ y[3], r[0] = x[0] ^ y[2];
        break;
    case X64_SHA1MSG2:
        r[3] = left(x[3] ^ y[2], 1), r[2] = left(x[2] ^ y[1], 1), r[1] = left(x[1] ^ y[0], 1), r[0] = left(x[0] ^ r[3], 1);
        break;
    case X64_SHA1RNDS4:
        sha1_rounds(x, y, extra & 3, r);
        break;
    case X64_SHA256RNDS2:
        sha256_rounds(x, y, k, r);
        break;
    case X64_SHA256MSG1:
        r[3] = x[3] + sigma0(y[0]), r[2] = x[2] + sigma0(x[3]), r[1] = x[1] + sigma0(x[2]), r[0] = x[0] + sigma0(x[1]);
        break;
    case X64_SHA256MSG2:
        r[0] = x[0] + sigma1(y[2]), r[1] = x[1] + sigma1(y[3]), r[2] = x[2] + sigma1(r[0]), r[3] = x[3] + sigma1(r[1]);
        break;
    default:
        return false;
    }
    words_put(out, r);
    return true;
}

bool crypto_vector(enum x64_op op, const uint8_t a[16], const uint8_t b[16], const uint8_t xmm0[16], unsigned extra, uint8_t out[16])
{
    switch (op) {
    case X64_AESENC:          case X64_VAESENC:          aes_round(a, b, out, false, false); return true;
    case X64_AESENCLAST:      case X64_VAESENCLAST:      aes_round(a, b, out, false, true);  return true;
    case X64_AESDEC:          case X64_VAESDEC:          aes_round(a, b, out, true, false);  return true;
    case X64_AESDECLAST:      case X64_VAESDECLAST:      aes_round(a, b, out, true, true);   return true;
    case X64_AESKEYGENASSIST: case X64_VAESKEYGENASSIST: aes_key(b, extra, out);             return true;
    case X64_PCLMULQDQ:       case X64_VPCLMULQDQ:       carryless(a, b, extra, out);        return true;
    case X64_AESIMC:          case X64_VAESIMC:
        for (unsigned i = 0; i < 16; i++)
            out[i] = b[i];
        mix_columns(out, mix_inverse);
        return true;
    default:
        return sha(op, a, b, xmm0, extra, out);
    }
}

uint32_t crypto_crc32c(uint32_t crc, uint64_t value, unsigned bytes)
{
    enum { REVERSED_POLYNOMIAL = 0x82f63b78 };      // of 11EDC6F41h
    for (unsigned i = 0; i < bytes; i++) {
        crc ^= (uint8_t)(value >> 8 * i);
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? REVERSED_POLYNOMIAL : 0);
    }
    return crc;
}
