// SPDX-License-Identifier: MIT
// Branches, labels, system instructions: Arm ARM C4.1.92.
#include "emu/a64/encode.h"

void a64_b(struct a64_buf *b, int64_t distance) { a64_word(b, 0x14000000 | a64_signed_field(b, distance, 2, 26, 0)); }
void a64_bl(struct a64_buf *b, int64_t distance) { a64_word(b, 0x94000000 | a64_signed_field(b, distance, 2, 26, 0)); }
void a64_b_cond(struct a64_buf *b, enum a64_cond cond, int64_t distance)
{
    a64_word(b, 0x54000000 | a64_signed_field(b, distance, 2, 19, 5) | (uint32_t)cond);
}
void a64_cbz(struct a64_buf *b, enum a64_size s, a64_reg rt, int64_t distance)
{
    a64_word(b, 0x34000000 | a64_sf(s) | a64_signed_field(b, distance, 2, 19, 5) | a64_zr_field(b, rt, 0));
}
void a64_cbnz(struct a64_buf *b, enum a64_size s, a64_reg rt, int64_t distance)
{
    a64_word(b, 0x35000000 | a64_sf(s) | a64_signed_field(b, distance, 2, 19, 5) | a64_zr_field(b, rt, 0));
}
// TBZ: b5 | 011011 | op | b40 | imm14 | Rt
static void test_bit(struct a64_buf *b, uint32_t base, a64_reg rt, unsigned bit, int64_t distance)
{
    if (bit > 63)
        b->bad = true;
    a64_word(b, base | (bit & 32) << 26 | (bit & 31) << 19 | a64_signed_field(b, distance, 2, 14, 5) | a64_zr_field(b, rt, 0));
}
void a64_tbz(struct a64_buf *b, a64_reg rt, unsigned bit, int64_t distance) { test_bit(b, 0x36000000, rt, bit, distance); }
void a64_tbnz(struct a64_buf *b, a64_reg rt, unsigned bit, int64_t distance) { test_bit(b, 0x37000000, rt, bit, distance); }
void a64_br(struct a64_buf *b, a64_reg rn) { a64_word(b, 0xd61f0000 | a64_zr_field(b, rn, 5)); }
void a64_blr(struct a64_buf *b, a64_reg rn) { a64_word(b, 0xd63f0000 | a64_zr_field(b, rn, 5)); }
void a64_ret(struct a64_buf *b, a64_reg rn) { a64_word(b, 0xd65f0000 | a64_zr_field(b, rn, 5)); }
void a64_adr(struct a64_buf *b, a64_reg rd, int64_t distance)
{
    uint32_t imm = a64_signed_field(b, distance, 0, 21, 0);
    a64_word(b, 0x10000000 | (imm & 3) << 29 | (imm >> 2) << 5 | a64_zr_field(b, rd, 0));
}
void a64_ldr_literal(struct a64_buf *b, enum a64_size s, a64_reg rt, int64_t distance)
{
    a64_word(b, 0x18000000 | (uint32_t)s << 30 | a64_signed_field(b, distance, 2, 19, 5) | a64_zr_field(b, rt, 0));
}
void a64_ldr_literal_v(struct a64_buf *b, unsigned log2_bytes, a64_vreg vt, int64_t distance)
{
    if (log2_bytes < 2)
        b->bad = true;
    a64_word(b, 0x1c000000 | a64_field(b, log2_bytes - 2, 2, 30) | a64_signed_field(b, distance, 2, 19, 5) | a64_v_field(b, vt, 0));
}

void a64_mrs_rndr(struct a64_buf *b, a64_reg rt, bool reseeded) { a64_word(b, (reseeded ? 0xd53b2420 : 0xd53b2400) | a64_zr_field(b, rt, 0)); }
void a64_mrs_nzcv(struct a64_buf *b, a64_reg rt) { a64_word(b, 0xd53b4200 | a64_zr_field(b, rt, 0)); }
void a64_msr_nzcv(struct a64_buf *b, a64_reg rt) { a64_word(b, 0xd51b4200 | a64_zr_field(b, rt, 0)); }
void a64_mrs_fpcr(struct a64_buf *b, a64_reg rt) { a64_word(b, 0xd53b4400 | a64_zr_field(b, rt, 0)); }
void a64_msr_fpcr(struct a64_buf *b, a64_reg rt) { a64_word(b, 0xd51b4400 | a64_zr_field(b, rt, 0)); }
void a64_mrs_fpsr(struct a64_buf *b, a64_reg rt) { a64_word(b, 0xd53b4420 | a64_zr_field(b, rt, 0)); }
void a64_msr_fpsr(struct a64_buf *b, a64_reg rt) { a64_word(b, 0xd51b4420 | a64_zr_field(b, rt, 0)); }
void a64_cfinv(struct a64_buf *b) { a64_word(b, 0xd500401f); }
void a64_axflag(struct a64_buf *b) { a64_word(b, 0xd500405f); }
void a64_rmif(struct a64_buf *b, a64_reg rn, unsigned ror, unsigned mask)
{
    a64_word(b, 0xba000400 | a64_field(b, ror, 6, 15) | a64_zr_field(b, rn, 5) | a64_field(b, mask, 4, 0));
}
void a64_svc(struct a64_buf *b, unsigned value) { a64_word(b, 0xd4000001 | a64_field(b, value, 16, 5)); }
void a64_brk(struct a64_buf *b, unsigned value) { a64_word(b, 0xd4200000 | a64_field(b, value, 16, 5)); }
void a64_udf(struct a64_buf *b, unsigned value) { a64_word(b, a64_field(b, value, 16, 0)); }
void a64_nop(struct a64_buf *b) { a64_word(b, 0xd503201f); }
void a64_yield(struct a64_buf *b) { a64_word(b, 0xd503203f); }
void a64_dmb(struct a64_buf *b, enum a64_barrier kind) { a64_word(b, 0xd50330bf | (uint32_t)kind << 8); }
void a64_isb(struct a64_buf *b) { a64_word(b, 0xd5033fdf); }

uint32_t a64_label_new(struct a64_labels *l)
{
    if (l->count >= l->capacity) {
        l->full = true;
        return 0;
    }
    l->offset[l->count] = A64_UNBOUND;
    return l->count++;
}

void a64_label_bind(struct a64_labels *l, const struct a64_buf *b, uint32_t label)
{
    if (label < l->count)
        l->offset[label] = b->count;
}

void a64_label_use(struct a64_labels *l, const struct a64_buf *b, uint32_t label, enum a64_reach reach)
{
    if (l->fixup_count >= l->fixup_capacity) {
        l->full = true;
        return;
    }
    l->fixups[l->fixup_count++] = (struct a64_fixup){ b->count, label, (uint8_t)reach };
}

bool a64_labels_resolve(const struct a64_labels *l, struct a64_buf *b)
{
    static const struct { uint8_t width, position; } field[] = {
        [A64_REACH_26] = { 26, 0 }, [A64_REACH_19] = { 19, 5 }, [A64_REACH_14] = { 14, 5 },
    };
    if (l->full || b->full)
        return false;
    for (uint32_t i = 0; i < l->fixup_count; i++) {
        const struct a64_fixup *f = &l->fixups[i];
        if (f->label >= l->count || l->offset[f->label] == A64_UNBOUND)
            return false;
        int64_t words = (int64_t)l->offset[f->label] - f->site;
        int64_t limit = 1ll << (field[f->reach].width - 1);
        if (words < -limit || words >= limit)
            return false;
        b->code[f->site] |= (uint32_t)(words & ((1ll << field[f->reach].width) - 1)) << field[f->reach].position;
    }
    return true;
}
