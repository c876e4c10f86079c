// SPDX-License-Identifier: MIT
// Shuffles by an immediate: the shortest sequence for each of its values is in shuffle_words.inc, which tools/shuffle_table makes.
#include "emu/lower/lower_sse.h"

enum { r_d, r_s, r_t, r_u, r_n };                   // destination, source, scratch, another source
enum {
    OP_END, OP_ZIP1, OP_ZIP2, OP_UZP1, OP_UZP2, OP_TRN1, OP_TRN2, OP_ZIP1D, OP_ZIP2D, OP_EXT4, OP_EXT8, OP_EXT12, OP_REV64,
    OP_DUP0, OP_DUP1, OP_DUP2, OP_DUP3, OP_MOV,
    OP_INS00, OP_INS01, OP_INS02, OP_INS03, OP_INS10, OP_INS11, OP_INS12, OP_INS13,
    OP_INS20, OP_INS21, OP_INS22, OP_INS23, OP_INS30, OP_INS31, OP_INS32, OP_INS33,
    OP_INSD00, OP_INSD01, OP_INSD10, OP_INSD11,
};
#define S(op, to, a, b) (OP_##op | r_##to << 8 | r_##a << 16 | r_##b << 24)
#include "emu/lower/shuffle_words.inc"
#undef S

static void step(struct a64_buf *b, unsigned op, a64_vreg to, a64_vreg n, a64_vreg m)
{
    typedef void permute(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg, a64_vreg);
    static permute *const permutes[] = {
        [OP_ZIP1] = a64_zip1, [OP_ZIP2] = a64_zip2, [OP_UZP1] = a64_uzp1, [OP_UZP2] = a64_uzp2, [OP_TRN1] = a64_trn1, [OP_TRN2] = a64_trn2,
    };
    if (op <= OP_TRN2)
        permutes[op](b, A64_4S, to, n, m);
    else if (op <= OP_ZIP2D)
        (op == OP_ZIP1D ? a64_zip1 : a64_zip2)(b, A64_2D, to, n, m);
    else if (op <= OP_EXT12)
        a64_ext(b, A64_16B, to, n, m, (op - OP_EXT4 + 1) * 4);
    else if (op == OP_REV64)
        a64_rev64(b, A64_4S, to, n);
    else if (op <= OP_DUP3)
        a64_dup_element(b, A64_4S, to, n, op - OP_DUP0);
    else if (op == OP_MOV)
        a64_mov_v(b, to, n);
    else if (op <= OP_INS33)
        a64_ins_element(b, 2, to, (op - OP_INS00) / 4, m, (op - OP_INS00) % 4);
    else
        a64_ins_element(b, 3, to, (op - OP_INSD00) / 2, m, (op - OP_INSD00) % 2);
}

static unsigned length(const uint32_t steps[4])
{
    unsigned count = 0;
    while (count < 4 && steps[count])
        count++;
    return count;
}

static void run(struct a64_buf *b, const uint32_t steps[4], a64_vreg vd, a64_vreg source, a64_vreg other)
{
    const a64_vreg registers[] = { vd, source, 20, 21, other };
    for (unsigned i = 0; i < length(steps); i++)
        step(b, steps[i] & 255, registers[steps[i] >> 8 & 255], registers[steps[i] >> 16 & 255], registers[steps[i] >> 24]);
}

// vd = the elements of v, 2^log2 bytes each, whose numbers are in `from`.
static void look_up(struct lower_context *cx, unsigned log2, a64_vreg vd, a64_vreg v, const uint8_t *from)
{
    uint64_t index[2] = { 0, 0 };
    for (unsigned i = 0; i < 16; i++)
        index[i / 8] |= ((uint64_t)from[i >> log2] << log2 | (i & ((1u << log2) - 1))) << i % 8 * 8;
    lower_literal_v(cx, 20, index[0], index[1]);
    a64_tbl(cx->b, 1, vd, v, 20);
}

void lower_shuffle_words(struct lower_context *cx, a64_vreg vd, a64_vreg v, unsigned order)
{
    const uint32_t *steps = vd == v ? pshufd_in_place_steps[order] : pshufd_steps[order];
    if (length(steps) <= 2)
        run(cx->b, steps, vd, v, vd);
    else
        look_up(cx, 2, vd, v, (const uint8_t[]){ order & 3, order >> 2 & 3, order >> 4 & 3, (uint8_t)(order >> 6) });
}

bool lower_PSHUFD(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_vreg v = lower_sse_read(cx, &insn->opd[1], 16);
    lower_shuffle_words(cx, insn->opd[0].reg, v, (unsigned)insn->opd[2].value & 0xff);
    return true;
}

void lower_shuffle_two(struct lower_context *cx, a64_vreg vd, a64_vreg n, a64_vreg m, unsigned order)
{
    const uint32_t *steps = vshufps_steps[order];
    if (n == m) {
        lower_shuffle_words(cx, vd, n, order);
    } else if (vd == n) {
        run(cx->b, shufps_steps[order], vd, m, n);
    } else if (vd != m && length(steps) > 1 + length(shufps_steps[order])) {
        a64_mov_v(cx->b, vd, n);
        run(cx->b, shufps_steps[order], vd, m, n);
    } else if (vd == m && length(steps) > 1 && (steps[0] >> 8 & 255) == r_d) {     // too early
        run(cx->b, steps, 22, m, n);
        a64_mov_v(cx->b, vd, 22);
    } else {
        run(cx->b, steps, vd, m, n);
    }
}

bool lower_SHUFPS(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_vreg s = lower_sse_read(cx, &insn->opd[1], 16), vd = insn->opd[0].reg;
    lower_shuffle_two(cx, vd, vd, s, (unsigned)insn->opd[2].value & 0xff);
    return true;
}

bool lower_SHUFPD(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_vreg s = lower_sse_read(cx, &insn->opd[1], 16), vd = insn->opd[0].reg;
    switch ((unsigned)insn->opd[2].value & 3) {
    case 0: a64_zip1(cx->b, A64_2D, vd, vd, s); break;
    case 1: a64_ext(cx->b, A64_16B, vd, vd, s, 8); break;
    case 2: if (s != vd) a64_ins_element(cx->b, 3, vd, 1, s, 1); break;
    case 3: a64_zip2(cx->b, A64_2D, vd, vd, s); break;
    }
    return true;
}

// Words of 16 bits of one half, the other half copied.
static bool shuffle_half(struct lower_context *cx, const struct x64_insn *insn, unsigned first)
{
    unsigned order = (unsigned)insn->opd[2].value & 0xff, moved = 0, last = 0;
    a64_vreg v = lower_sse_read(cx, &insn->opd[1], 16), vd = insn->opd[0].reg;
    uint8_t from[8];
    for (unsigned i = 0; i < 8; i++) {
        from[i] = (uint8_t)(i / 4 == first / 4 ? first + (order >> 2 * (i & 3) & 3) : i);
        if (from[i] != i)
            moved++, last = i;
    }
    if (moved > 1) {
        look_up(cx, 1, vd, v, from);
        return true;
    }
    if (vd != v)
        a64_mov_v(cx->b, vd, v);
    if (moved)
        a64_ins_element(cx->b, 1, vd, last, vd, from[last]);
    return true;
}
bool lower_PSHUFLW(struct lower_context *cx, const struct x64_insn *insn) { return shuffle_half(cx, insn, 0); }
bool lower_PSHUFHW(struct lower_context *cx, const struct x64_insn *insn) { return shuffle_half(cx, insn, 4); }
