// SPDX-License-Identifier: MIT
// SIMD and floating point: Arm ARM C4.1.96.
#include "emu/a64/encode.h"

static uint32_t dn(struct a64_buf *b, a64_vreg vd, a64_vreg vn) { return a64_v_field(b, vn, 5) | a64_v_field(b, vd, 0); }

// FMOV (general): sf | 0011110 | type | 1 | rmode | opcode | 000000 | Rn | Rd
void a64_fmov_to_v(struct a64_buf *b, enum a64_size s, a64_vreg vd, a64_reg rn)
{
    a64_word(b, (s == A64_X ? 0x9e670000 : 0x1e270000) | a64_zr_field(b, rn, 5) | a64_v_field(b, vd, 0));
}
void a64_fmov_from_v(struct a64_buf *b, enum a64_size s, a64_reg rd, a64_vreg vn)
{
    a64_word(b, (s == A64_X ? 0x9e660000 : 0x1e260000) | a64_v_field(b, vn, 5) | a64_zr_field(b, rd, 0));
}
void a64_cnt_8b(struct a64_buf *b, a64_vreg vd, a64_vreg vn) { a64_word(b, 0x0e205800 | dn(b, vd, vn)); }
void a64_addv_8b(struct a64_buf *b, a64_vreg vd, a64_vreg vn) { a64_word(b, 0x0e31b800 | dn(b, vd, vn)); }
