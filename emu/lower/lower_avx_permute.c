// SPDX-License-Identifier: MIT
// What AVX and AVX2 have and SSE has not: broadcasts, permutations across the halves, shifts by a vector, masked moves, VZEROxxx.
#include "emu/lower/lower_avx.h"

bool lower_VZEROUPPER(struct lower_context *cx, const struct x64_insn *insn)
{
    (void)insn;
    avx_high_clear_all(cx);
    return true;
}

bool lower_VZEROALL(struct lower_context *cx, const struct x64_insn *insn)
{
    for (unsigned i = 0; i < 16; i++)
        a64_movi_zero(cx->b, i);
    return lower_VZEROUPPER(cx, insn);
}

// ---- broadcasts, insertion, extraction

static bool broadcast(struct lower_context *cx, const struct x64_insn *insn, enum a64_arr arr)
{
    unsigned log2 = arr >> 1;
    a64_vreg vd = insn->opd[0].reg, m = AVX_M_LOW;
    if (insn->opd[1].kind == X64_OPD_MEM) {
        struct lower_mem mem = lower_sse_address(cx, insn, log2);
        if (mem.index == A64_ZR && !mem.offset) {
            lower_order_load(cx, mem.base, A64_ZR);
            a64_ld1r(cx->b, log2, vd, mem.base);
            lower_order_loaded(cx, A64_ZR, false);
            avx_high_finish(cx, insn, vd);
            return true;
        }
        lower_load_v(cx, log2, m, mem);
    } else {
        m = insn->opd[1].reg;
    }
    a64_dup_element(cx->b, arr, vd, m, 0);
    avx_high_finish(cx, insn, vd);
    return true;
}
bool lower_VBROADCASTSS(struct lower_context *cx, const struct x64_insn *insn) { return broadcast(cx, insn, A64_4S); }
bool lower_VBROADCASTSD(struct lower_context *cx, const struct x64_insn *insn) { return broadcast(cx, insn, A64_2D); }
bool lower_VPBROADCASTB(struct lower_context *cx, const struct x64_insn *insn) { return broadcast(cx, insn, A64_16B); }
bool lower_VPBROADCASTW(struct lower_context *cx, const struct x64_insn *insn) { return broadcast(cx, insn, A64_8H); }
bool lower_VPBROADCASTD(struct lower_context *cx, const struct x64_insn *insn) { return broadcast(cx, insn, A64_4S); }
bool lower_VPBROADCASTQ(struct lower_context *cx, const struct x64_insn *insn) { return broadcast(cx, insn, A64_2D); }

bool lower_VBROADCASTF128(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_vreg vd = insn->opd[0].reg;
    lower_sse_read(cx, &insn->opd[1], vd);              // from memory always
    avx_high_finish(cx, insn, vd);
    return true;
}
bool lower_VBROADCASTI128(struct lower_context *cx, const struct x64_insn *insn) { return lower_VBROADCASTF128(cx, insn); }

bool lower_VINSERTF128(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_vreg m = insn->opd[2].reg, vd = insn->opd[0].reg, n = insn->opd[1].reg;
    if (insn->opd[2].kind == X64_OPD_MEM)
        m = lower_sse_read(cx, &insn->opd[2], insn->opd[3].value & 1 ? avx_take(cx) : vd);
    if (insn->opd[3].value & 1) {
        avx_high_write(cx, vd, m);
        if (vd != n)
            a64_mov_v(cx->b, vd, n);
    } else {
        if (vd != n)
            avx_high_write(cx, vd, avx_high(cx, n));
        if (vd != m)
            a64_mov_v(cx->b, vd, m);
    }
    return true;
}
bool lower_VINSERTI128(struct lower_context *cx, const struct x64_insn *insn) { return lower_VINSERTF128(cx, insn); }

bool lower_VEXTRACTF128(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_vreg from = insn->opd[1].reg;
    bool upper = insn->opd[2].value & 1;
    if (insn->opd[0].kind == X64_OPD_MEM) {
        if (upper)
            from = avx_high(cx, from);
        lower_store_v(cx, 4, from, lower_address(cx, insn, 4));
        return true;
    }
    if (upper)
        avx_high_read(cx, insn->opd[0].reg, from);
    else if (insn->opd[0].reg != from)
        a64_mov_v(cx->b, insn->opd[0].reg, from);
    avx_high_clear(cx, insn->opd[0].reg);
    return true;
}
bool lower_VEXTRACTI128(struct lower_context *cx, const struct x64_insn *insn) { return lower_VEXTRACTF128(cx, insn); }

// ---- permutations

// A half of a result: zero, the lower or the upper half of a register, or in a vector register that no ymm register is.
struct half { enum { ZERO, LOWER, UPPER, LOADED, COMPUTED } kind; a64_vreg v; };

static void put_low(struct lower_context *cx, a64_vreg vd, struct half h)
{
    if (h.kind == ZERO)
        a64_movi_zero(cx->b, vd);
    else if (h.kind == UPPER)
        avx_high_read(cx, vd, h.v);
    else if (h.v != vd)
        a64_mov_v(cx->b, vd, h.v);
}

static void put_high(struct lower_context *cx, unsigned vd, struct half h)
{
    if (h.kind == ZERO)
        avx_high_clear(cx, vd);
    else if (h.kind != UPPER)
        avx_high_write(cx, vd, h.v);
    else if (h.v != vd)
        avx_high_write(cx, vd, avx_high(cx, h.v));
}

static void put_halves(struct lower_context *cx, unsigned vd, struct half low, struct half high)
{
    if (low.kind == UPPER && high.kind == UPPER && low.v == high.v) {
        avx_high_read(cx, (a64_vreg)vd, low.v);
        if (low.v != vd)
            avx_high_write(cx, vd, (a64_vreg)vd);
    } else if (low.kind == UPPER && low.v == vd) {          // that is written over
        if (high.kind == LOWER && high.v == vd)
            high = (struct half){ LOADED, AVX_LOW }, a64_mov_v(cx->b, AVX_LOW, vd);
        put_low(cx, (a64_vreg)vd, low);
        put_high(cx, vd, high);
    } else {
        put_high(cx, vd, high);
        put_low(cx, (a64_vreg)vd, low);
    }
}

bool lower_VPERM2F128(struct lower_context *cx, const struct x64_insn *insn)
{
    unsigned order = (unsigned)insn->opd[3].value & 0xff;
    struct half halves[2];
    struct avx_value m = { 0, 0 };
    if (insn->opd[2].kind == X64_OPD_MEM)
        m = avx_source(cx, insn, &insn->opd[2]);
    for (unsigned i = 0; i < 2; i++, order >>= 4) {
        bool upper = order & 1, second = order & 2;
        if (order & 8)
            halves[i] = (struct half){ ZERO, 0 };
        else if (second && insn->opd[2].kind == X64_OPD_MEM)
            halves[i] = (struct half){ LOADED, upper ? m.high : m.low };
        else
            halves[i] = (struct half){ upper ? UPPER : LOWER, insn->opd[second ? 2 : 1].reg };
    }
    put_halves(cx, insn->opd[0].reg, halves[0], halves[1]);
    return true;
}
bool lower_VPERM2I128(struct lower_context *cx, const struct x64_insn *insn) { return lower_VPERM2F128(cx, insn); }

a64_vreg avx_two_elements(struct lower_context *cx, a64_vreg to, a64_vreg x, unsigned i, a64_vreg y, unsigned j)
{
    struct a64_buf *b = cx->b;
    if (i == j) {
        (i ? a64_zip2 : a64_zip1)(b, A64_2D, to, x, y);
    } else if (i) {
        a64_ext(b, A64_16B, to, x, y, 8);
    } else if (x == y) {
        return x;
    } else if (to == y) {
        a64_ins_element(b, 3, to, 0, x, 0);
    } else {
        if (to != x)
            a64_mov_v(b, to, x);
        a64_ins_element(b, 3, to, 1, y, 1);
    }
    return to;
}

// A half of VPERMQ: two bits for each element.
static struct half quadwords(const struct x64_operand *from, struct avx_value m, unsigned order)
{
    bool loaded = from->kind == X64_OPD_MEM;
    if (order == 0x4)
        return loaded ? (struct half){ LOADED, m.low } : (struct half){ LOWER, from->reg };
    if (order == 0xe)
        return loaded ? (struct half){ LOADED, m.high } : (struct half){ UPPER, from->reg };
    return (struct half){ COMPUTED, 0 };
}

static a64_vreg compute(struct lower_context *cx, a64_vreg to, struct avx_value m, unsigned order)
{
    return avx_two_elements(cx, to, order & 2 ? m.high : m.low, order & 1, order & 8 ? m.high : m.low, order >> 2 & 1);
}

bool lower_VPERMQ(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *from = &insn->opd[1];
    unsigned low = (unsigned)insn->opd[2].value & 15, high = (unsigned)insn->opd[2].value >> 4 & 15;
    a64_vreg vd = insn->opd[0].reg;
    struct avx_value m = { from->reg, from->reg };
    if (from->kind == X64_OPD_MEM)
        m = avx_source(cx, insn, from);
    struct half halves[2] = { quadwords(from, m, low), quadwords(from, m, high) };
    bool wanted = (halves[0].kind == COMPUTED && low & 0xa) || (halves[1].kind == COMPUTED && high & 0xa);
    if (from->kind != X64_OPD_MEM && wanted)
        m.high = avx_high(cx, from->reg);
    if (halves[1].kind == COMPUTED && low != high)
        halves[1] = (struct half){ LOADED, compute(cx, avx_take(cx), m, high) };
    if (halves[0].kind != COMPUTED) {
        put_halves(cx, vd, halves[0], halves[1]);
        return true;
    }
    if (low != high)
        put_high(cx, vd, halves[1]);
    compute(cx, vd, m, low);
    if (low == high)
        avx_high_write(cx, vd, vd);
    return true;
}
bool lower_VPERMPD(struct lower_context *cx, const struct x64_insn *insn) { return lower_VPERMQ(cx, insn); }

enum { TABLE = 22 };                // and the next one

// v19 = the indices of bytes for words whose numbers, below `count`, are in v; v16 is scratch, v17, v18 and v20 are constants that `first` loads.
static void word_indices(struct lower_context *cx, a64_vreg v, unsigned count, bool first)
{
    uint64_t mask = (count - 1) * 0x0000000100000001ull;
    if (first) {
        lower_literal_v(cx, 20, mask, mask);
        a64_movi_bytes(cx->b, 17, 4);
        lower_literal_v(cx, 18, 0x0302010003020100ull, 0x0302010003020100ull);
    }
    a64_and_v(cx->b, A64_16B, 16, 20, v);
    a64_mul_v(cx->b, A64_4S, 16, 16, 17);
    a64_add_v(cx->b, A64_16B, 19, 16, 18);
}

bool lower_VPERMD(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *from = &insn->opd[2];
    struct avx_value m = { from->reg, 0 };
    if (from->kind == X64_OPD_MEM)
        m = avx_source(cx, insn, from);
    a64_mov_v(cx->b, TABLE, m.low);
    if (m.high)
        a64_mov_v(cx->b, TABLE + 1, m.high);
    else
        avx_high_read(cx, TABLE + 1, from->reg);
    a64_vreg n = insn->opd[1].reg, vd = insn->opd[0].reg, high = avx_high(cx, n), upper = avx_take(cx);
    word_indices(cx, high, 8, true);
    a64_tbl(cx->b, 2, upper, TABLE, 19);
    word_indices(cx, n, 8, false);
    a64_tbl(cx->b, 2, vd, TABLE, 19);
    avx_high_write(cx, vd, upper);
    return true;
}
bool lower_VPERMPS(struct lower_context *cx, const struct x64_insn *insn) { return lower_VPERMD(cx, insn); }

static void permute_words(struct lower_context *cx, a64_vreg vd, a64_vreg n, a64_vreg order, bool first)
{
    word_indices(cx, order, 4, first);
    a64_tbl(cx->b, 1, vd, n, 19);
}

static void permute_doubles(struct lower_context *cx, a64_vreg vd, a64_vreg n, a64_vreg order, bool first)
{
    (void)first;
    a64_shl_v(cx->b, A64_2D, 16, order, 62);        // bit 1
    a64_cmlt_zero(cx->b, A64_2D, 16, 16);
    a64_dup_element(cx->b, A64_2D, 17, n, 0);
    a64_dup_element(cx->b, A64_2D, 18, n, 1);
    a64_bsl(cx->b, A64_16B, 16, 18, 17);
    a64_mov_v(cx->b, vd, 16);
}

// Inside each half, by an immediate or by a vector.
static bool permute_inside(struct lower_context *cx, const struct x64_insn *insn, bool doubles)
{
    bool immediate = insn->opd[2].kind == X64_OPD_IMM;
    unsigned order = (unsigned)insn->opd[2].value & 0xff;
    struct avx_value m = avx_source(cx, insn, &insn->opd[immediate ? 1 : 2]);
    a64_vreg vd = insn->opd[0].reg, upper = 0;
    for (unsigned half = avx_wide(insn) ? 2 : 1; half-- > 0;) {
        a64_vreg s = half ? m.high : m.low, n = insn->opd[1].reg, to = vd;
        if (immediate) {
            unsigned pair = order >> half * 2, words = doubles ? (pair & 1 ? 0xe : 4) | (pair & 2 ? 0xe0 : 0x40) : order;
            if (half && words == 0xe4) {                // all in its place
                upper = s;
                continue;
            }
            lower_shuffle_words(cx, half ? upper = avx_take(cx) : vd, s, words);
            continue;
        }
        if (half) {
            n = avx_high(cx, n);
            to = upper = avx_take(cx);
        }
        (doubles ? permute_doubles : permute_words)(cx, to, n, s, half || !avx_wide(insn));
    }
    avx_high_finish(cx, insn, upper);
    return true;
}
bool lower_VPERMILPS(struct lower_context *cx, const struct x64_insn *insn) { return permute_inside(cx, insn, false); }
bool lower_VPERMILPD(struct lower_context *cx, const struct x64_insn *insn) { return permute_inside(cx, insn, true); }

bool lower_VSHUFPS(struct lower_context *cx, const struct x64_insn *insn)
{
    struct avx_value m = avx_source(cx, insn, &insn->opd[2]);
    unsigned order = (unsigned)insn->opd[3].value & 0xff;
    a64_vreg n = insn->opd[1].reg, upper = 0;
    if (avx_wide(insn)) {
        a64_vreg high = avx_high(cx, n);
        lower_shuffle_two(cx, upper = avx_take(cx), high, m.high, order);
    }
    lower_shuffle_two(cx, insn->opd[0].reg, n, m.low, order);
    avx_high_finish(cx, insn, upper);
    return true;
}

bool lower_VSHUFPD(struct lower_context *cx, const struct x64_insn *insn)
{
    struct avx_value m = avx_source(cx, insn, &insn->opd[2]);
    unsigned order = (unsigned)insn->opd[3].value;
    a64_vreg n = insn->opd[1].reg, vd = insn->opd[0].reg, upper = 0;
    if (avx_wide(insn)) {
        a64_vreg high = avx_high(cx, n);
        upper = avx_two_elements(cx, avx_take(cx), high, order >> 2 & 1, m.high, order >> 3 & 1);
    }
    a64_vreg low = avx_two_elements(cx, vd, n, order & 1, m.low, order >> 1 & 1);
    if (low != vd)
        a64_mov_v(cx->b, vd, low);
    avx_high_finish(cx, insn, upper);
    return true;
}

static bool shift_bytes(struct lower_context *cx, const struct x64_insn *insn, unsigned count, bool left)
{
    a64_vreg n = insn->opd[1].reg, vd = insn->opd[0].reg, upper = 0;
    if (count > 15) {
        a64_movi_zero(cx->b, vd);
        avx_high_clear(cx, vd);
        return true;
    }
    if (count)
        a64_movi_zero(cx->b, 16);
    for (unsigned half = avx_wide(insn) ? 2 : 1; half-- > 0;) {
        a64_vreg v = half ? upper = avx_high(cx, n) : n, to = vd;
        if (half && count)
            to = upper = avx_take(cx);
        if (count)
            a64_ext(cx->b, A64_16B, to, left ? 16 : v, left ? v : 16, left ? 16 - count : count);
        else if (!half && vd != n)
            a64_mov_v(cx->b, vd, n);
    }
    avx_high_finish(cx, insn, upper);
    return true;
}
bool lower_VPSLLDQ(struct lower_context *cx, const struct x64_insn *insn) { return shift_bytes(cx, insn, (unsigned)insn->opd[2].value & 0xff, true); }
bool lower_VPSRLDQ(struct lower_context *cx, const struct x64_insn *insn) { return shift_bytes(cx, insn, (unsigned)insn->opd[2].value & 0xff, false); }

bool lower_VPALIGNR(struct lower_context *cx, const struct x64_insn *insn)
{
    unsigned count = (unsigned)insn->opd[3].value & 0xff;
    struct avx_value m = { insn->opd[2].reg, 0 };
    if (insn->opd[2].kind == X64_OPD_MEM || count < 16)
        m = avx_source(cx, insn, &insn->opd[2]);
    if (count >= 16)                                // nothing of the second source
        return shift_bytes(cx, insn, count - 16, false);
    a64_vreg n = insn->opd[1].reg, vd = insn->opd[0].reg, upper = m.high;
    if (avx_wide(insn) && count) {
        a64_vreg high = avx_high(cx, n);
        a64_ext(cx->b, A64_16B, upper = avx_take(cx), m.high, high, count);
    }
    if (count)
        a64_ext(cx->b, A64_16B, vd, m.low, n, count);
    else if (vd != m.low)
        a64_mov_v(cx->b, vd, m.low);
    avx_high_finish(cx, insn, upper);
    return true;
}

// ---- shifts, each element by its own count. USHL and SSHL take the low byte of a count, signed.

// The counts of doublewords are at most `least`, those of quadwords are made 127 at most.
static void shift_each(struct lower_context *cx, enum a64_arr arr, a64_vreg vd, a64_vreg n, a64_vreg m, bool left, bool arithmetic, a64_vreg least)
{
    struct a64_buf *b = cx->b;
    if (arr == A64_2D) {
        a64_uqshl(b, arr, 16, m, 57);
        a64_ushr(b, arr, 16, 16, 57);
    } else {
        a64_umin(b, arr, 16, least, m);
    }
    if (!left)
        a64_neg_v(b, arr, 16, 16);
    (arithmetic ? a64_sshl : a64_ushl)(b, arr, vd, n, 16);
}

static bool shift_variable(struct lower_context *cx, const struct x64_insn *insn, enum a64_arr arr, bool left, bool arithmetic)
{
    enum { LEAST = 17 };
    struct avx_value m = avx_source(cx, insn, &insn->opd[2]);
    a64_vreg upper = 0;
    if (arr == A64_4S)
        lower_literal_v(cx, LEAST, 32 * 0x0000000100000001ull, 32 * 0x0000000100000001ull);
    if (avx_wide(insn)) {
        a64_vreg high = avx_high(cx, insn->opd[1].reg);
        shift_each(cx, arr, upper = avx_take(cx), high, m.high, left, arithmetic, LEAST);
    }
    shift_each(cx, arr, insn->opd[0].reg, insn->opd[1].reg, m.low, left, arithmetic, LEAST);
    avx_high_finish(cx, insn, upper);
    return true;
}
bool lower_VPSLLVD(struct lower_context *cx, const struct x64_insn *insn) { return shift_variable(cx, insn, A64_4S, true, false); }
bool lower_VPSLLVQ(struct lower_context *cx, const struct x64_insn *insn) { return shift_variable(cx, insn, A64_2D, true, false); }
bool lower_VPSRLVD(struct lower_context *cx, const struct x64_insn *insn) { return shift_variable(cx, insn, A64_4S, false, false); }
bool lower_VPSRLVQ(struct lower_context *cx, const struct x64_insn *insn) { return shift_variable(cx, insn, A64_2D, false, false); }
bool lower_VPSRAVD(struct lower_context *cx, const struct x64_insn *insn) { return shift_variable(cx, insn, A64_4S, false, true); }
