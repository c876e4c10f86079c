// SPDX-License-Identifier: MIT
// Data processing on general registers: Arm ARM C4.1.93 (immediate) and C4.1.95 (register).
#include "emu/a64/encode.h"

void a64_word(struct a64_buf *b, uint32_t word)
{
    if (b->count >= b->capacity) {
        b->full = true;
        return;
    }
    b->code[b->count++] = word;
}

bool a64_addsub_imm_ok(uint64_t value)
{
    return !(value & ~0xfffull) || !(value & ~0xfff000ull);
}

// Logical immediate: an element of 2, 4 .. 64 bits, a run of ones in it, rotated, repeated. Gives N:immr:imms, or -1.
static int logical_imm(enum a64_size s, uint64_t value)
{
    unsigned width = s == A64_X ? 64 : 32;
    if (s == A64_W)
        value = (value & 0xffffffff) | value << 32;
    if (value == 0 || value == ~0ull)
        return -1;
    unsigned element = width;
    while (element > 2) {
        uint64_t half = (1ull << element / 2) - 1;
        if ((value & half) != (value >> element / 2 & half))
            break;
        element /= 2;
    }
    uint64_t mask = element == 64 ? ~0ull : (1ull << element) - 1;
    uint64_t e = value & mask;
    unsigned ones = (unsigned)__builtin_popcountll(e);
    // Rotated right by where the run of ones begins it must sit at bit 0: immr is the opposite rotation. A run that includes the lowest
    // bit may have begun above the highest zero.
    unsigned r = e & 1 ? (64 - (unsigned)__builtin_clzll(~e & mask)) % element : (unsigned)__builtin_ctzll(e);
    uint64_t turned = r ? ((e >> r | e << (element - r)) & mask) : e;
    if (turned != (1ull << ones) - 1)
        return -1;
    unsigned immr = (element - r) % element;
    unsigned imms = ((~(element * 2 - 1)) & 0x3f) | (ones - 1);
    return (int)((element == 64) << 12 | immr << 6 | imms);
}

bool a64_logical_imm_ok(enum a64_size s, uint64_t value)
{
    if (s == A64_W && value >> 32)
        return false;
    return logical_imm(s, value) >= 0;
}

// ADD/SUB (immediate): sf | op | S | 100010 | sh | imm12 | Rn | Rd
static void addsub_imm(struct a64_buf *b, uint32_t base, enum a64_size s, uint32_t rd, a64_reg rn, uint64_t value)
{
    uint32_t imm;
    if (!(value & ~0xfffull))
        imm = (uint32_t)value << 10;
    else
        imm = 1u << 22 | a64_field(b, value & 0xfff ? ~0ull : value >> 12, 12, 10);
    a64_word(b, base | a64_sf(s) | imm | a64_sp_field(b, rn, 5) | rd);
}

// ADD/SUB (shifted register): sf | op | S | 01011 | shift | 0 | Rm | imm6 | Rn | Rd
static void addsub_reg(struct a64_buf *b, uint32_t base, enum a64_size s, a64_reg rd, a64_reg rn, a64_reg rm,
                       enum a64_shift shift, unsigned amount)
{
    if (shift == A64_ROR)
        b->bad = true;
    a64_word(b, base | a64_sf(s) | (uint32_t)shift << 22 | a64_zr_field(b, rm, 16) |
                a64_field(b, amount, s == A64_X ? 6 : 5, 10) | a64_zr_field(b, rn, 5) | a64_zr_field(b, rd, 0));
}

// ADD/SUB (extended register): sf | op | S | 01011 | 00 | 1 | Rm | option | imm3 | Rn | Rd
static void addsub_ext(struct a64_buf *b, uint32_t base, enum a64_size s, uint32_t rd, a64_reg rn, a64_reg rm,
                       enum a64_extend extend, unsigned amount)
{
    if (amount > 4)
        b->bad = true;
    a64_word(b, base | 1u << 21 | a64_sf(s) | a64_zr_field(b, rm, 16) | (uint32_t)extend << 13 |
                a64_field(b, amount, 3, 10) | a64_sp_field(b, rn, 5) | rd);
}

// The flag-setting forms write the zero register, the others the stack pointer.
#define RD(base) ((base) & 1u << 29 ? a64_zr_field(b, rd, 0) : a64_sp_field(b, rd, 0))
#define X(name, base) \
    void a64_##name##_imm(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_reg rn, uint64_t value) \
    { addsub_imm(b, (base) ^ 0x1a000000, s, RD(base), rn, value); } \
    void a64_##name##_reg(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_reg rn, a64_reg rm, enum a64_shift shift, unsigned amount) \
    { addsub_reg(b, base, s, rd, rn, rm, shift, amount); } \
    void a64_##name##_ext(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_reg rn, a64_reg rm, enum a64_extend extend, unsigned amount) \
    { addsub_ext(b, base, s, RD(base), rn, rm, extend, amount); }
A64_ADDSUB(X)
#undef X

// Logical (shifted register): sf | opc | 01010 | shift | N | Rm | imm6 | Rn | Rd
#define X(name, base) \
    void a64_##name##_reg(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_reg rn, a64_reg rm, enum a64_shift shift, unsigned amount) \
    { \
        a64_word(b, (base) | a64_sf(s) | (uint32_t)shift << 22 | a64_zr_field(b, rm, 16) | \
                    a64_field(b, amount, s == A64_X ? 6 : 5, 10) | a64_zr_field(b, rn, 5) | a64_zr_field(b, rd, 0)); \
    }
A64_LOGIC(X)
A64_LOGIC_NOT(X)
#undef X

// Logical (immediate): sf | opc | 100100 | N | immr | imms | Rn | Rd. AND, ORR and EOR may write SP.
static void logic_imm(struct a64_buf *b, uint32_t base, enum a64_size s, a64_reg rd, a64_reg rn, uint64_t value)
{
    bool sets_flags = (base & 0x60000000) == 0x60000000;
    if (!a64_logical_imm_ok(s, value)) {
        b->bad = true;
        value = 1;
    }
    uint32_t rd_field = sets_flags || rd != A64_SP ? a64_zr_field(b, rd, 0) : 31;
    if (!sets_flags && rd == A64_ZR)
        b->bad = true;
    a64_word(b, base | a64_sf(s) | (uint32_t)logical_imm(s, value) << 10 | a64_zr_field(b, rn, 5) | rd_field);
}

#define X(name, base) \
    void a64_##name##_imm(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_reg rn, uint64_t value) \
    { logic_imm(b, (base) ^ 0x18000000, s, rd, rn, value); }
A64_LOGIC(X)
#undef X

#define X(name, base) \
    void a64_##name(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_reg rn, a64_reg rm) \
    { a64_word(b, (base) | a64_sf(s) | a64_zr_field(b, rm, 16) | a64_zr_field(b, rn, 5) | a64_zr_field(b, rd, 0)); }
A64_TWO(X)
#undef X

static void three(struct a64_buf *b, uint32_t base, a64_reg rd, a64_reg rn, a64_reg rm, a64_reg ra)
{
    a64_word(b, base | a64_zr_field(b, rm, 16) | a64_zr_field(b, ra, 10) | a64_zr_field(b, rn, 5) | a64_zr_field(b, rd, 0));
}

#define X(name, base) \
    void a64_##name(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_reg rn, a64_reg rm, a64_reg ra) \
    { three(b, (base) | a64_sf(s), rd, rn, rm, ra); }
A64_THREE(X)
#undef X
#define X(name, base) \
    void a64_##name(struct a64_buf *b, a64_reg rd, a64_reg rn, a64_reg rm, a64_reg ra) { three(b, base, rd, rn, rm, ra); }
A64_LONG(X)
#undef X
void a64_smulh(struct a64_buf *b, a64_reg rd, a64_reg rn, a64_reg rm) { three(b, 0x9b400000, rd, rn, rm, A64_ZR); }
void a64_umulh(struct a64_buf *b, a64_reg rd, a64_reg rn, a64_reg rm) { three(b, 0x9bc00000, rd, rn, rm, A64_ZR); }

// CRC32C: sf | 0011010110 | Rm | 0101 | sz | Rn | Rd; sf only with the 64-bit source
void a64_crc32c(struct a64_buf *b, unsigned log2_bytes, a64_reg rd, a64_reg rn, a64_reg rm)
{
    a64_word(b, 0x1ac05000 | (log2_bytes == 3 ? 1u << 31 : 0) | a64_zr_field(b, rm, 16) | a64_field(b, log2_bytes, 2, 10) |
                a64_zr_field(b, rn, 5) | a64_zr_field(b, rd, 0));
}

static void one(struct a64_buf *b, uint32_t base, enum a64_size s, a64_reg rd, a64_reg rn)
{
    a64_word(b, base | a64_sf(s) | a64_zr_field(b, rn, 5) | a64_zr_field(b, rd, 0));
}

#define X(name, base) void a64_##name(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_reg rn) { one(b, base, s, rd, rn); }
A64_ONE(X)
#undef X
void a64_rev(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_reg rn) { one(b, s == A64_X ? 0x5ac00c00 : 0x5ac00800, s, rd, rn); }
void a64_cnt(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_reg rn) { one(b, 0x5ac01c00, s, rd, rn); }
void a64_ctz(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_reg rn) { one(b, 0x5ac01800, s, rd, rn); }

// Bitfield: sf | opc | 100110 | N = sf | immr | imms | Rn | Rd
static void bitfield(struct a64_buf *b, uint32_t base, enum a64_size s, a64_reg rd, a64_reg rn, unsigned immr, unsigned imms)
{
    unsigned width = s == A64_X ? 6 : 5;
    a64_word(b, base | a64_sf(s) | (uint32_t)s << 22 | a64_field(b, immr, width, 16) | a64_field(b, imms, width, 10) |
                a64_zr_field(b, rn, 5) | a64_zr_field(b, rd, 0));
}

#define X(name, base) \
    void a64_##name(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_reg rn, unsigned immr, unsigned imms) \
    { bitfield(b, base, s, rd, rn, immr, imms); }
A64_BITFIELD(X)
#undef X

static unsigned bits(enum a64_size s) { return s == A64_X ? 64 : 32; }

void a64_lsl_imm(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_reg rn, unsigned amount)
{
    a64_ubfm(b, s, rd, rn, (bits(s) - amount) % bits(s), bits(s) - 1 - amount);
}
void a64_lsr_imm(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_reg rn, unsigned amount)
{
    a64_ubfm(b, s, rd, rn, amount, bits(s) - 1);
}
void a64_asr_imm(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_reg rn, unsigned amount)
{
    a64_sbfm(b, s, rd, rn, amount, bits(s) - 1);
}
void a64_ubfx(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_reg rn, unsigned lsb, unsigned width)
{
    a64_ubfm(b, s, rd, rn, lsb, lsb + width - 1);
}
void a64_sbfx(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_reg rn, unsigned lsb, unsigned width)
{
    a64_sbfm(b, s, rd, rn, lsb, lsb + width - 1);
}
void a64_ubfiz(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_reg rn, unsigned lsb, unsigned width)
{
    a64_ubfm(b, s, rd, rn, (bits(s) - lsb) % bits(s), width - 1);
}
void a64_bfi(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_reg rn, unsigned lsb, unsigned width)
{
    a64_bfm(b, s, rd, rn, (bits(s) - lsb) % bits(s), width - 1);
}
void a64_bfxil(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_reg rn, unsigned lsb, unsigned width)
{
    a64_bfm(b, s, rd, rn, lsb, lsb + width - 1);
}

// EXTR: sf | 00100111 | N = sf | 0 | Rm | imms | Rn | Rd
void a64_extr(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_reg rn, a64_reg rm, unsigned lsb)
{
    a64_word(b, 0x13800000 | a64_sf(s) | (uint32_t)s << 22 | a64_zr_field(b, rm, 16) | a64_field(b, lsb, s == A64_X ? 6 : 5, 10) |
                a64_zr_field(b, rn, 5) | a64_zr_field(b, rd, 0));
}

// Move wide: sf | opc | 100101 | hw | imm16 | Rd
#define X(name, base) \
    void a64_##name(struct a64_buf *b, enum a64_size s, a64_reg rd, unsigned value, unsigned shift) \
    { \
        if (shift % 16 || shift >= bits(s)) \
            b->bad = true; \
        a64_word(b, (base) | a64_sf(s) | (shift / 16 & 3) << 21 | a64_field(b, value, 16, 5) | a64_zr_field(b, rd, 0)); \
    }
A64_MOVE_WIDE(X)
#undef X

void a64_mov_reg(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_reg rm)
{
    if (rd == A64_SP || rm == A64_SP)
        a64_add_imm(b, s, rd, rm, 0);
    else
        a64_orr_reg(b, s, rd, A64_ZR, rm, A64_LSL, 0);
}

// Conditional select: sf | op | S | 11010100 | Rm | cond | op2 | Rn | Rd
#define X(name, base) \
    void a64_##name(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_reg rn, a64_reg rm, enum a64_cond cond) \
    { \
        a64_word(b, (base) | a64_sf(s) | a64_zr_field(b, rm, 16) | (uint32_t)cond << 12 | a64_zr_field(b, rn, 5) | \
                    a64_zr_field(b, rd, 0)); \
    }
A64_CSEL(X)
#undef X
void a64_cset(struct a64_buf *b, enum a64_size s, a64_reg rd, enum a64_cond cond) { a64_csinc(b, s, rd, A64_ZR, A64_ZR, cond ^ 1); }
void a64_csetm(struct a64_buf *b, enum a64_size s, a64_reg rd, enum a64_cond cond) { a64_csinv(b, s, rd, A64_ZR, A64_ZR, cond ^ 1); }

// Conditional compare: sf | op | 1 | 11010010 | Rm or imm5 | cond | imm? | 0 | Rn | 0 | nzcv
#define X(name, base) \
    void a64_##name##_reg(struct a64_buf *b, enum a64_size s, a64_reg rn, a64_reg rm, unsigned nzcv, enum a64_cond cond) \
    { a64_word(b, (base) | a64_sf(s) | a64_zr_field(b, rm, 16) | (uint32_t)cond << 12 | a64_zr_field(b, rn, 5) | a64_field(b, nzcv, 4, 0)); } \
    void a64_##name##_imm(struct a64_buf *b, enum a64_size s, a64_reg rn, unsigned value, unsigned nzcv, enum a64_cond cond) \
    { a64_word(b, (base) | 0x800 | a64_sf(s) | a64_field(b, value, 5, 16) | (uint32_t)cond << 12 | a64_zr_field(b, rn, 5) | a64_field(b, nzcv, 4, 0)); }
A64_CCMP(X)
#undef X

// ---- constants: the shortest of MOVZ/MOVK, MOVN/MOVK and ORR
static unsigned wide_count(enum a64_size s, uint64_t value, uint64_t filler)
{
    unsigned n = 0;
    for (unsigned i = 0; i < bits(s); i += 16)
        n += (value >> i & 0xffff) != filler;
    return n ? n : 1;
}

unsigned a64_mov_const_count(enum a64_size s, uint64_t value)
{
    if (s == A64_W)
        value &= 0xffffffff;
    if (a64_logical_imm_ok(s, value))
        return 1;
    unsigned zero = wide_count(s, value, 0), ones = wide_count(s, value, 0xffff);
    return zero <= ones ? zero : ones;
}

void a64_mov_const(struct a64_buf *b, enum a64_size s, a64_reg rd, uint64_t value)
{
    if (s == A64_W)
        value &= 0xffffffff;
    unsigned zero = wide_count(s, value, 0), ones = wide_count(s, value, 0xffff);
    if (zero > 1 && ones > 1 && a64_logical_imm_ok(s, value)) {
        a64_orr_imm(b, s, rd, A64_ZR, value);
        return;
    }
    uint64_t filler = zero <= ones ? 0 : 0xffff;
    bool first = true;
    for (unsigned i = 0; i < bits(s); i += 16) {
        unsigned part = value >> i & 0xffff;
        if (part == filler)
            continue;
        if (!first)
            a64_movk(b, s, rd, part, i);
        else if (filler)
            a64_movn(b, s, rd, ~part & 0xffff, i);
        else
            a64_movz(b, s, rd, part, i);
        first = false;
    }
    if (first && filler)
        a64_movn(b, s, rd, 0, 0);
    else if (first)
        a64_movz(b, s, rd, 0, 0);
}
