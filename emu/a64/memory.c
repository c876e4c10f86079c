// SPDX-License-Identifier: MIT
// Loads and stores: Arm ARM C4.1.94.
#include "emu/a64/encode.h"

bool a64_ldst_uimm_ok(unsigned log2_bytes, int64_t offset)
{
    return offset >= 0 && !(offset & ((1ll << log2_bytes) - 1)) && offset >> log2_bytes < 4096;
}
bool a64_ldst_simm_ok(int64_t offset)
{
    return offset >= -256 && offset < 256;
}
bool a64_ldp_ok(unsigned log2_bytes, int64_t offset)
{
    return !(offset & ((1ll << log2_bytes) - 1)) && offset >> log2_bytes >= -64 && offset >> log2_bytes < 64;
}

// size and opc of a load: zero-extending, or sign-extending to 32 or 64 bits. The 64-bit load has only the first.
static uint32_t load_kind(struct a64_buf *b, unsigned log2_bytes, enum a64_load kind)
{
    if (log2_bytes > 3 || (kind == A64_SIGN64 && log2_bytes > 2) || (kind == A64_SIGN32 && log2_bytes > 1))
        b->bad = true;
    uint32_t opc = kind == A64_ZERO ? 1 : kind == A64_SIGN64 ? 2 : 3;
    return (log2_bytes & 3) << 30 | opc << 22;
}
static uint32_t store_kind(struct a64_buf *b, unsigned log2_bytes)
{
    if (log2_bytes > 3)
        b->bad = true;
    return (log2_bytes & 3) << 30;
}
// size and opc of a vector access: B H S D have size 0..3, Q is size 0 with opc bit 1.
static uint32_t vector_kind(struct a64_buf *b, unsigned log2_bytes, bool load)
{
    if (log2_bytes > 4)
        b->bad = true;
    return 1u << 26 | (log2_bytes & 3) << 30 | (uint32_t)(log2_bytes == 4) << 23 | (uint32_t)load << 22;
}

// Unsigned offset: size | 111 | V | 01 | opc | imm12 | Rn | Rt
static void uimm(struct a64_buf *b, uint32_t kind, unsigned log2_bytes, uint32_t rt, a64_reg rn, int64_t offset)
{
    if (!a64_ldst_uimm_ok(log2_bytes, offset)) {
        b->bad = true;
        offset = 0;
    }
    a64_word(b, 0x39000000 | kind | (uint32_t)(offset >> log2_bytes) << 10 | a64_sp_field(b, rn, 5) | rt);
}
// Unscaled, pre, post: size | 111 | V | 00 | opc | 0 | imm9 | mode | Rn | Rt; mode 00 unscaled, 01 post, 11 pre
static void simm(struct a64_buf *b, uint32_t kind, unsigned mode, uint32_t rt, a64_reg rn, int64_t offset)
{
    a64_word(b, 0x38000000 | kind | a64_signed_field(b, offset, 0, 9, 12) | mode << 10 | a64_sp_field(b, rn, 5) | rt);
}
// Register offset: size | 111 | V | 00 | opc | 1 | Rm | option | S | 10 | Rn | Rt
static void indexed(struct a64_buf *b, uint32_t kind, uint32_t rt, a64_reg rn, a64_reg rm, enum a64_extend extend, bool scaled)
{
    if (!(extend & 2))
        b->bad = true;          // only UXTW, LSL (UXTX), SXTW, SXTX
    a64_word(b, 0x38200800 | kind | a64_zr_field(b, rm, 16) | (uint32_t)extend << 13 | (uint32_t)scaled << 12 |
                a64_sp_field(b, rn, 5) | rt);
}

void a64_ldr_uimm(struct a64_buf *b, unsigned l, enum a64_load kind, a64_reg rt, a64_reg rn, int64_t offset)
{ uimm(b, load_kind(b, l, kind), l, a64_zr_field(b, rt, 0), rn, offset); }
void a64_ldur(struct a64_buf *b, unsigned l, enum a64_load kind, a64_reg rt, a64_reg rn, int64_t offset)
{ simm(b, load_kind(b, l, kind), 0, a64_zr_field(b, rt, 0), rn, offset); }
void a64_ldr_pre(struct a64_buf *b, unsigned l, enum a64_load kind, a64_reg rt, a64_reg rn, int64_t offset)
{ simm(b, load_kind(b, l, kind), 3, a64_zr_field(b, rt, 0), rn, offset); }
void a64_ldr_post(struct a64_buf *b, unsigned l, enum a64_load kind, a64_reg rt, a64_reg rn, int64_t offset)
{ simm(b, load_kind(b, l, kind), 1, a64_zr_field(b, rt, 0), rn, offset); }
void a64_ldr_index(struct a64_buf *b, unsigned l, enum a64_load kind, a64_reg rt, a64_reg rn, a64_reg rm, enum a64_extend e, bool scaled)
{ indexed(b, load_kind(b, l, kind), a64_zr_field(b, rt, 0), rn, rm, e, scaled); }
void a64_str_uimm(struct a64_buf *b, unsigned l, a64_reg rt, a64_reg rn, int64_t offset)
{ uimm(b, store_kind(b, l), l, a64_zr_field(b, rt, 0), rn, offset); }
void a64_stur(struct a64_buf *b, unsigned l, a64_reg rt, a64_reg rn, int64_t offset)
{ simm(b, store_kind(b, l), 0, a64_zr_field(b, rt, 0), rn, offset); }
void a64_str_pre(struct a64_buf *b, unsigned l, a64_reg rt, a64_reg rn, int64_t offset)
{ simm(b, store_kind(b, l), 3, a64_zr_field(b, rt, 0), rn, offset); }
void a64_str_post(struct a64_buf *b, unsigned l, a64_reg rt, a64_reg rn, int64_t offset)
{ simm(b, store_kind(b, l), 1, a64_zr_field(b, rt, 0), rn, offset); }
void a64_str_index(struct a64_buf *b, unsigned l, a64_reg rt, a64_reg rn, a64_reg rm, enum a64_extend e, bool scaled)
{ indexed(b, store_kind(b, l), a64_zr_field(b, rt, 0), rn, rm, e, scaled); }

void a64_ldr_v_uimm(struct a64_buf *b, unsigned l, a64_vreg vt, a64_reg rn, int64_t offset)
{ uimm(b, vector_kind(b, l, true), l, a64_v_field(b, vt, 0), rn, offset); }
void a64_ldur_v(struct a64_buf *b, unsigned l, a64_vreg vt, a64_reg rn, int64_t offset)
{ simm(b, vector_kind(b, l, true), 0, a64_v_field(b, vt, 0), rn, offset); }
void a64_ldr_v_index(struct a64_buf *b, unsigned l, a64_vreg vt, a64_reg rn, a64_reg rm, enum a64_extend e, bool scaled)
{ indexed(b, vector_kind(b, l, true), a64_v_field(b, vt, 0), rn, rm, e, scaled); }
void a64_str_v_uimm(struct a64_buf *b, unsigned l, a64_vreg vt, a64_reg rn, int64_t offset)
{ uimm(b, vector_kind(b, l, false), l, a64_v_field(b, vt, 0), rn, offset); }
void a64_stur_v(struct a64_buf *b, unsigned l, a64_vreg vt, a64_reg rn, int64_t offset)
{ simm(b, vector_kind(b, l, false), 0, a64_v_field(b, vt, 0), rn, offset); }
void a64_str_v_index(struct a64_buf *b, unsigned l, a64_vreg vt, a64_reg rn, a64_reg rm, enum a64_extend e, bool scaled)
{ indexed(b, vector_kind(b, l, false), a64_v_field(b, vt, 0), rn, rm, e, scaled); }

// Pair: opc | 101 | V | mode | L | imm7 | Rt2 | Rn | Rt; mode 001 post, 010 offset, 011 pre
static void pair(struct a64_buf *b, uint32_t load, enum a64_size s, enum a64_pair mode, a64_reg rt, a64_reg rt2, a64_reg rn, int64_t offset)
{
    static const uint32_t modes[] = { [A64_OFFSET] = 2, [A64_PRE] = 3, [A64_POST] = 1 };
    if (load && rt == rt2)
        b->bad = true;
    a64_word(b, 0x28000000 | (uint32_t)s << 31 | modes[mode] << 23 | load << 22 | a64_signed_field(b, offset, s == A64_X ? 3 : 2, 7, 15) |
                a64_zr_field(b, rt2, 10) | a64_sp_field(b, rn, 5) | a64_zr_field(b, rt, 0));
}
void a64_ldp(struct a64_buf *b, enum a64_size s, enum a64_pair mode, a64_reg rt, a64_reg rt2, a64_reg rn, int64_t offset)
{ pair(b, 1, s, mode, rt, rt2, rn, offset); }
void a64_stp(struct a64_buf *b, enum a64_size s, enum a64_pair mode, a64_reg rt, a64_reg rt2, a64_reg rn, int64_t offset)
{ pair(b, 0, s, mode, rt, rt2, rn, offset); }

static void pair_v(struct a64_buf *b, uint32_t base, a64_vreg vt, a64_vreg vt2, a64_reg rn, int64_t offset)
{
    a64_word(b, base | a64_signed_field(b, offset, 4, 7, 15) | a64_v_field(b, vt2, 10) | a64_sp_field(b, rn, 5) | a64_v_field(b, vt, 0));
}
void a64_ldp_v(struct a64_buf *b, a64_vreg vt, a64_vreg vt2, a64_reg rn, int64_t offset)
{
    if (vt == vt2)
        b->bad = true;
    pair_v(b, 0xad400000, vt, vt2, rn, offset);
}
void a64_stp_v(struct a64_buf *b, a64_vreg vt, a64_vreg vt2, a64_reg rn, int64_t offset) { pair_v(b, 0xad000000, vt, vt2, rn, offset); }

// One element: 0 | Q | 0011010 | L | 000000 | opcode | S | size | Rn | Rt; the bits Q, S and size hold the index, and mark a doubleword.
static void element(struct a64_buf *b, uint32_t base, unsigned log2_bytes, a64_vreg vt, unsigned index, a64_reg rn)
{
    static const uint32_t opcodes[] = { 0, 2, 4, 4 };
    uint32_t place = (index << (log2_bytes & 3)) | (log2_bytes == 3);
    if (log2_bytes > 3 || index >= 16u >> log2_bytes)
        b->bad = true;
    a64_word(b, base | (place >> 3 & 1) << 30 | opcodes[log2_bytes & 3] << 13 | (place >> 2 & 1) << 12 | (place & 3) << 10 |
                a64_sp_field(b, rn, 5) | a64_v_field(b, vt, 0));
}
void a64_ld1_element(struct a64_buf *b, unsigned l, a64_vreg vt, unsigned index, a64_reg rn) { element(b, 0x0d400000, l, vt, index, rn); }
void a64_ld1r(struct a64_buf *b, unsigned l, a64_vreg vt, a64_reg rn)
{
    a64_word(b, 0x4d40c000 | a64_field(b, l, 2, 10) | a64_sp_field(b, rn, 5) | a64_v_field(b, vt, 0));
}
void a64_st1_element(struct a64_buf *b, unsigned l, a64_vreg vt, unsigned index, a64_reg rn) { element(b, 0x0d000000, l, vt, index, rn); }

// Exclusive and ordered: size | 001000 | o2 L o1 | Rs | o0 | Rt2 | Rn | Rt
#define X(name, base) \
    void a64_##name(struct a64_buf *b, unsigned l, a64_reg rt, a64_reg rn) \
    { a64_word(b, (base) | a64_field(b, l, 2, 30) | 31u << 16 | a64_sp_field(b, rn, 5) | a64_zr_field(b, rt, 0)); }
A64_ORDERED(X)
#undef X
static void store_exclusive(struct a64_buf *b, uint32_t base, unsigned l, a64_reg rs, a64_reg rt, a64_reg rn)
{
    if (rs == rt || (rs == rn && rn != A64_ZR))
        b->bad = true;                      // constrained unpredictable
    a64_word(b, base | a64_field(b, l, 2, 30) | a64_zr_field(b, rs, 16) | a64_sp_field(b, rn, 5) | a64_zr_field(b, rt, 0));
}
void a64_stxr(struct a64_buf *b, unsigned l, a64_reg rs, a64_reg rt, a64_reg rn) { store_exclusive(b, 0x08007c00, l, rs, rt, rn); }
void a64_stlxr(struct a64_buf *b, unsigned l, a64_reg rs, a64_reg rt, a64_reg rn) { store_exclusive(b, 0x0800fc00, l, rs, rt, rn); }
void a64_ldxp(struct a64_buf *b, enum a64_size s, a64_reg rt, a64_reg rt2, a64_reg rn)
{
    a64_word(b, 0x887f0000 | (uint32_t)s << 30 | a64_zr_field(b, rt2, 10) | a64_sp_field(b, rn, 5) | a64_zr_field(b, rt, 0));
}
void a64_ldaxp(struct a64_buf *b, enum a64_size s, a64_reg rt, a64_reg rt2, a64_reg rn)
{
    a64_word(b, 0x887f8000 | (uint32_t)s << 30 | a64_zr_field(b, rt2, 10) | a64_sp_field(b, rn, 5) | a64_zr_field(b, rt, 0));
}
void a64_stlxp(struct a64_buf *b, enum a64_size s, a64_reg rs, a64_reg rt, a64_reg rt2, a64_reg rn)
{
    if (rs == rt || rs == rt2 || rs == rn)
        b->bad = true;
    a64_word(b, 0x88208000 | (uint32_t)s << 30 | a64_zr_field(b, rs, 16) | a64_zr_field(b, rt2, 10) | a64_sp_field(b, rn, 5) | a64_zr_field(b, rt, 0));
}
void a64_ldapr(struct a64_buf *b, unsigned l, a64_reg rt, a64_reg rn)
{
    a64_word(b, 0x38bfc000 | a64_field(b, l, 2, 30) | a64_sp_field(b, rn, 5) | a64_zr_field(b, rt, 0));
}
// LDAPUR, STLUR: size | 011001 | opc | 0 | imm9 | 00 | Rn | Rt
void a64_ldapur(struct a64_buf *b, unsigned l, a64_reg rt, a64_reg rn, int64_t offset)
{
    a64_word(b, 0x19400000 | a64_field(b, l, 2, 30) | a64_signed_field(b, offset, 0, 9, 12) | a64_sp_field(b, rn, 5) | a64_zr_field(b, rt, 0));
}
void a64_stlur(struct a64_buf *b, unsigned l, a64_reg rt, a64_reg rn, int64_t offset)
{
    a64_word(b, 0x19000000 | a64_field(b, l, 2, 30) | a64_signed_field(b, offset, 0, 9, 12) | a64_sp_field(b, rn, 5) | a64_zr_field(b, rt, 0));
}
void a64_casal(struct a64_buf *b, unsigned l, a64_reg rs, a64_reg rt, a64_reg rn)
{
    a64_word(b, 0x08e0fc00 | a64_field(b, l, 2, 30) | a64_zr_field(b, rs, 16) | a64_sp_field(b, rn, 5) | a64_zr_field(b, rt, 0));
}
void a64_caspal(struct a64_buf *b, enum a64_size s, a64_reg rs, a64_reg rt, a64_reg rn)
{
    if ((rs | rt) & 1)
        b->bad = true;
    a64_word(b, 0x0860fc00 | (uint32_t)s << 30 | a64_zr_field(b, rs, 16) | a64_sp_field(b, rn, 5) | a64_zr_field(b, rt, 0));
}
#define X(name, base) \
    void a64_##name(struct a64_buf *b, unsigned l, a64_reg rs, a64_reg rt, a64_reg rn) \
    { a64_word(b, (base) | a64_field(b, l, 2, 30) | a64_zr_field(b, rs, 16) | a64_sp_field(b, rn, 5) | a64_zr_field(b, rt, 0)); }
A64_ATOMIC(X)
#undef X
