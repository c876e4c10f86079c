// SPDX-License-Identifier: MIT
// Advanced SIMD and scalar floating point: Arm ARM C4.1.96.
#include "emu/a64/simd.h"

#include "emu/a64/encode.h"

static uint32_t registers(struct a64_buf *b, a64_vreg vd, a64_vreg vn)
{
    return a64_v_field(b, vd, 0) | a64_v_field(b, vn, 5);
}

static uint32_t q_of(enum a64_arr arr) { return (uint32_t)(arr & 1) << 30; }
static uint32_t size_of(enum a64_arr arr) { return (uint32_t)(arr >> 1) << 22; }
static uint32_t sz_of(enum a64_arr arr) { return (uint32_t)(arr == A64_2D) << 22; }      // floating point: single or double

// 0 | Q | U | 01110 | size | 1 | Rm | opcode | Rn | Rd; size or only Q, by family.
#define THREE(name, base, bits) \
    void a64_##name(struct a64_buf *b, enum a64_arr arr, a64_vreg vd, a64_vreg vn, a64_vreg vm) \
    { \
        a64_word(b, (base) | q_of(arr) | (bits) | a64_v_field(b, vm, 16) | registers(b, vd, vn)); \
    }
#define X(name, base) THREE(name, base, size_of(arr))
A64_V3(X)
A64_LONG3(X)
A64_PERMUTE(X)
#undef X
#define X(name, base) THREE(name, base, 0)
A64_V3_LOGIC(X)
#undef X
#define X(name, base) THREE(name, base, sz_of(arr))
A64_V3_FLOAT(X)
#undef X

#define TWO(name, base, bits) \
    void a64_##name(struct a64_buf *b, enum a64_arr arr, a64_vreg vd, a64_vreg vn) \
    { \
        a64_word(b, (base) | q_of(arr) | (bits) | registers(b, vd, vn)); \
    }
#define X(name, base) TWO(name, base, size_of(arr))
A64_V2(X)
A64_ACROSS(X)
#undef X
#define X(name, base) TWO(name, base, sz_of(arr))
A64_V2_FLOAT(X)
#undef X

#define X(name, base) void a64_##name(struct a64_buf *b, a64_vreg vd, a64_vreg vn) { a64_word(b, (base) | registers(b, vd, vn)); }
A64_CRYPTO2(X)
#undef X
#define X(name, base) \
    void a64_##name(struct a64_buf *b, a64_vreg vd, a64_vreg vn, a64_vreg vm) { a64_word(b, (base) | a64_v_field(b, vm, 16) | registers(b, vd, vn)); }
A64_CRYPTO3(X)
#undef X

// 0 | Q | U | 011110 | immh:immb | opcode | 1 | Rn | Rd: immh's top one gives the element size.
#define SHIFT(name, base, value, least, most) \
    void a64_##name(struct a64_buf *b, enum a64_arr arr, a64_vreg vd, a64_vreg vn, unsigned amount) \
    { \
        unsigned element = 8u << (arr >> 1); \
        if (amount - (least) > (most) - (least))     /* below least wraps */ \
            b->bad = true; \
        a64_word(b, (base) | q_of(arr) | a64_field(b, (value) & 127, 7, 16) | registers(b, vd, vn)); \
    }
#define X(name, base) SHIFT(name, base, 2 * element - amount, 1u, element)
A64_SHIFT_RIGHT(X)
#undef X
#define X(name, base) SHIFT(name, base, element + amount, 0u, element - 1)
A64_SHIFT_LEFT(X)
#undef X

void a64_fcvtl(struct a64_buf *b, bool upper, a64_vreg vd, a64_vreg vn)
{
    a64_word(b, 0x0e617800 | (uint32_t)upper << 30 | registers(b, vd, vn));
}

void a64_fcvtn(struct a64_buf *b, bool upper, a64_vreg vd, a64_vreg vn)
{
    a64_word(b, 0x0e616800 | (uint32_t)upper << 30 | registers(b, vd, vn));
}

void a64_fcvtl_half(struct a64_buf *b, bool upper, a64_vreg vd, a64_vreg vn)
{
    a64_word(b, 0x0e217800 | (uint32_t)upper << 30 | registers(b, vd, vn));
}

void a64_fcvtn_half(struct a64_buf *b, bool upper, a64_vreg vd, a64_vreg vn)
{
    a64_word(b, 0x0e216800 | (uint32_t)upper << 30 | registers(b, vd, vn));
}

void a64_ext(struct a64_buf *b, enum a64_arr arr, a64_vreg vd, a64_vreg vn, a64_vreg vm, unsigned first)
{
    a64_word(b, 0x2e000000 | q_of(arr) | a64_v_field(b, vm, 16) | a64_field(b, first, arr & 1 ? 4 : 3, 11) | registers(b, vd, vn));
}

void a64_tbl(struct a64_buf *b, unsigned tables, a64_vreg vd, a64_vreg vn, a64_vreg vm)
{
    a64_word(b, 0x4e000000 | a64_v_field(b, vm, 16) | a64_field(b, tables - 1, 2, 13) | registers(b, vd, vn));
}

// imm5 of the copy instructions: the element's size as the lowest one, its index above.
static uint32_t element_field(struct a64_buf *b, unsigned log2_bytes, unsigned index)
{
    return a64_field(b, (uint64_t)index << (log2_bytes + 1) | 1u << log2_bytes, 5, 16);
}

void a64_dup_element(struct a64_buf *b, enum a64_arr arr, a64_vreg vd, a64_vreg vn, unsigned index)
{
    a64_word(b, 0x0e000400 | q_of(arr) | element_field(b, arr >> 1, index) | registers(b, vd, vn));
}

void a64_dup_general(struct a64_buf *b, enum a64_arr arr, a64_vreg vd, a64_reg rn)
{
    a64_word(b, 0x0e000c00 | q_of(arr) | element_field(b, arr >> 1, 0) | a64_v_field(b, vd, 0) | a64_zr_field(b, rn, 5));
}

void a64_ins_element(struct a64_buf *b, unsigned log2_bytes, a64_vreg vd, unsigned to, a64_vreg vn, unsigned from)
{
    a64_word(b, 0x6e000400 | element_field(b, log2_bytes, to) | a64_field(b, (uint64_t)from << log2_bytes, 4, 11) | registers(b, vd, vn));
}

void a64_ins_general(struct a64_buf *b, unsigned log2_bytes, a64_vreg vd, unsigned to, a64_reg rn)
{
    a64_word(b, 0x4e001c00 | element_field(b, log2_bytes, to) | a64_v_field(b, vd, 0) | a64_zr_field(b, rn, 5));
}

void a64_umov(struct a64_buf *b, unsigned log2_bytes, a64_reg rd, a64_vreg vn, unsigned index)
{
    a64_word(b, 0x0e003c00 | (uint32_t)(log2_bytes == 3) << 30 | element_field(b, log2_bytes, index)
                    | a64_zr_field(b, rd, 0) | a64_v_field(b, vn, 5));
}

void a64_smov(struct a64_buf *b, enum a64_size s, unsigned log2_bytes, a64_reg rd, a64_vreg vn, unsigned index)
{
    a64_word(b, 0x0e002c00 | (uint32_t)s << 30 | element_field(b, log2_bytes, index) | a64_zr_field(b, rd, 0) | a64_v_field(b, vn, 5));
}

void a64_mov_v(struct a64_buf *b, a64_vreg vd, a64_vreg vn)
{
    a64_orr_v(b, A64_16B, vd, vn, vn);
}

// 0 | Q | op | 0111100000 | abc | cmode | 01 | defgh | Rd
static void modified_immediate(struct a64_buf *b, uint32_t base, a64_vreg vd, uint8_t value)
{
    a64_word(b, base | (uint32_t)(value >> 5) << 16 | (uint32_t)(value & 31) << 5 | a64_v_field(b, vd, 0));
}

void a64_movi_zero(struct a64_buf *b, a64_vreg vd) { modified_immediate(b, 0x6f00e400, vd, 0); }
void a64_movi_bytes(struct a64_buf *b, a64_vreg vd, uint8_t value) { modified_immediate(b, 0x4f00e400, vd, value); }
void a64_movi_top(struct a64_buf *b, a64_vreg vd, uint8_t value) { modified_immediate(b, 0x4f006400, vd, value); }
void a64_movi_mask(struct a64_buf *b, a64_vreg vd, uint8_t bytes) { modified_immediate(b, 0x6f00e400, vd, bytes); }

static uint32_t type_of(enum a64_size s) { return (uint32_t)s << 22; }

#define X(name, base) \
    void a64_##name(struct a64_buf *b, enum a64_size s, a64_vreg vd, a64_vreg vn, a64_vreg vm) \
    { \
        a64_word(b, (base) | type_of(s) | a64_v_field(b, vm, 16) | registers(b, vd, vn)); \
    }
A64_F2(X)
A64_FCM_SCALAR(X)
#undef X
#define X(name, base) \
    void a64_##name(struct a64_buf *b, enum a64_size s, a64_vreg vd, a64_vreg vn) \
    { \
        a64_word(b, (base) | type_of(s) | registers(b, vd, vn)); \
    }
A64_F1(X)
#undef X
#define X(name, base) \
    void a64_##name(struct a64_buf *b, enum a64_size s, a64_vreg vd, a64_vreg vn, a64_vreg vm, a64_vreg va) \
    { \
        a64_word(b, (base) | type_of(s) | a64_v_field(b, vm, 16) | a64_v_field(b, va, 10) | registers(b, vd, vn)); \
    }
A64_F3(X)
#undef X

void a64_fcvt(struct a64_buf *b, enum a64_size from, a64_vreg vd, a64_vreg vn)
{
    a64_word(b, (from == A64_W ? 0x1e22c000 : 0x1e624000) | registers(b, vd, vn));
}

void a64_fcmp(struct a64_buf *b, enum a64_size s, a64_vreg vn, a64_vreg vm)
{
    a64_word(b, 0x1e202000 | type_of(s) | a64_v_field(b, vm, 16) | a64_v_field(b, vn, 5));
}

void a64_fcmpe(struct a64_buf *b, enum a64_size s, a64_vreg vn, a64_vreg vm)
{
    a64_word(b, 0x1e202010 | type_of(s) | a64_v_field(b, vm, 16) | a64_v_field(b, vn, 5));
}

void a64_fcvtns(struct a64_buf *b, enum a64_size to, enum a64_size from, a64_reg rd, a64_vreg vn)
{
    a64_word(b, 0x1e200000 | a64_sf(to) | type_of(from) | a64_zr_field(b, rd, 0) | a64_v_field(b, vn, 5));
}

void a64_fcvtzs(struct a64_buf *b, enum a64_size to, enum a64_size from, a64_reg rd, a64_vreg vn)
{
    a64_word(b, 0x1e380000 | a64_sf(to) | type_of(from) | a64_zr_field(b, rd, 0) | a64_v_field(b, vn, 5));
}

void a64_scvtf(struct a64_buf *b, enum a64_size to, enum a64_size from, a64_vreg vd, a64_reg rn)
{
    a64_word(b, 0x1e220000 | a64_sf(from) | type_of(to) | a64_v_field(b, vd, 0) | a64_zr_field(b, rn, 5));
}

void a64_fmov_to_general(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_vreg vn)
{
    a64_word(b, 0x1e260000 | a64_sf(s) | type_of(s) | a64_zr_field(b, rd, 0) | a64_v_field(b, vn, 5));
}

void a64_fmov_from_general(struct a64_buf *b, enum a64_size s, a64_vreg vd, a64_reg rn)
{
    a64_word(b, 0x1e270000 | a64_sf(s) | type_of(s) | a64_v_field(b, vd, 0) | a64_zr_field(b, rn, 5));
}
