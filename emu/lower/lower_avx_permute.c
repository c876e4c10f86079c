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
    a64_vreg vd = insn->opd[0].reg, m = AVX_M_LOW;
    if (insn->opd[1].kind == X64_OPD_MEM && insn->opd[1].size < 4) {
        a64_reg r = lower_read(cx, &insn->opd[1]);
        a64_fmov_from_general(cx->b, A64_W, AVX_M_LOW, r);
    } else {
        m = avx_source(cx, insn, &insn->opd[1]);
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
    a64_vreg m = avx_source(cx, insn, &insn->opd[1]);
    a64_mov_v(cx->b, insn->opd[0].reg, m);
    avx_high_finish(cx, insn, m);
    return true;
}
bool lower_VBROADCASTI128(struct lower_context *cx, const struct x64_insn *insn) { return lower_VBROADCASTF128(cx, insn); }

bool lower_VINSERTF128(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_vreg m = avx_source(cx, insn, &insn->opd[2]), vd = insn->opd[0].reg, n = insn->opd[1].reg;
    if (insn->opd[3].value & 1) {
        avx_high_write(cx, vd, m);
        if (vd != n)
            a64_mov_v(cx->b, vd, n);
    } else {
        avx_high_read(cx, AVX_HIGH, n);
        if (vd != m)
            a64_mov_v(cx->b, vd, m);
        avx_high_write(cx, vd, AVX_HIGH);
    }
    return true;
}
bool lower_VINSERTI128(struct lower_context *cx, const struct x64_insn *insn) { return lower_VINSERTF128(cx, insn); }

bool lower_VEXTRACTF128(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_vreg from = insn->opd[1].reg;
    if (insn->opd[2].value & 1) {
        avx_high_read(cx, AVX_HIGH, from);
        from = AVX_HIGH;
    }
    if (insn->opd[0].kind == X64_OPD_MEM) {
        lower_store_v(cx, 4, from, lower_address(cx, insn, 4));
        return true;
    }
    if (insn->opd[0].reg != from)
        a64_mov_v(cx->b, insn->opd[0].reg, from);
    avx_high_clear(cx, insn->opd[0].reg);
    return true;
}
bool lower_VEXTRACTI128(struct lower_context *cx, const struct x64_insn *insn) { return lower_VEXTRACTF128(cx, insn); }

// ---- permutations

// The second source; its upper half into AVX_M_HIGH only if that is wanted, or comes from memory, where all of it is accessed.
static a64_vreg source_for(struct lower_context *cx, const struct x64_insn *insn, const struct x64_operand *opd, bool upper)
{
    return opd->kind == X64_OPD_MEM || upper ? avx_source(cx, insn, opd) : opd->reg;
}

// Both halves of the result, each in some register.
static void put_halves(struct lower_context *cx, unsigned ymm, a64_vreg low, a64_vreg high)
{
    avx_high_write(cx, ymm, high);
    if (low != ymm)
        a64_mov_v(cx->b, (a64_vreg)ymm, low);
}

bool lower_VPERM2F128(struct lower_context *cx, const struct x64_insn *insn)
{
    unsigned order = (unsigned)insn->opd[3].value & 0xff;
    bool upper = (order & 0xb) == 3 || (order >> 4 & 0xb) == 3;
    a64_vreg m = source_for(cx, insn, &insn->opd[2], upper), n = insn->opd[1].reg, halves[2] = { AVX_LOW, AVX_HIGH };
    for (unsigned i = 0; i < 2; i++, order >>= 4) {
        if (order & 8)
            a64_movi_zero(cx->b, halves[i]);
        else if ((order & 3) == 1)
            avx_high_read(cx, halves[i], n);
        else
            halves[i] = (order & 3) == 0 ? n : (order & 3) == 2 ? m : AVX_M_HIGH;
    }
    put_halves(cx, insn->opd[0].reg, halves[0], halves[1]);
    return true;
}
bool lower_VPERM2I128(struct lower_context *cx, const struct x64_insn *insn) { return lower_VPERM2F128(cx, insn); }

// A register with element i of x and element j of y: `to`, which may be one of them, or one that is so already.
static a64_vreg two_elements(struct lower_context *cx, a64_vreg to, a64_vreg x, unsigned i, a64_vreg y, unsigned j)
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

bool lower_VPERMQ(struct lower_context *cx, const struct x64_insn *insn)
{
    unsigned order = (unsigned)insn->opd[2].value & 0xff, vd = insn->opd[0].reg;
    a64_vreg m = source_for(cx, insn, &insn->opd[1], order & 0xaa), part[4], high;
    for (unsigned i = 0; i < 4; i++)
        part[i] = order >> 2 * i & 2 ? AVX_M_HIGH : m;
    high = two_elements(cx, AVX_HIGH, part[2], order >> 4 & 1, part[3], order >> 6 & 1);
    avx_high_write(cx, vd, high);
    a64_vreg low = two_elements(cx, (a64_vreg)vd, part[0], order & 1, part[1], order >> 2 & 1);
    if (low != vd)
        a64_mov_v(cx->b, (a64_vreg)vd, low);
    return true;
}
bool lower_VPERMPD(struct lower_context *cx, const struct x64_insn *insn) { return lower_VPERMQ(cx, insn); }

// v19 = the indices of bytes for words whose numbers, below `count`, are in v; v16..v18 are scratch.
static void word_indices(struct lower_context *cx, a64_vreg v, unsigned count)
{
    uint64_t mask = (count - 1) * 0x0000000100000001ull;
    lower_literal_v(cx, 16, mask, mask);
    lower_literal_v(cx, 17, 0x0404040404040404ull, 0x0404040404040404ull);
    lower_literal_v(cx, 18, 0x0302010003020100ull, 0x0302010003020100ull);
    a64_and_v(cx->b, A64_16B, 16, 16, v);
    a64_mul_v(cx->b, A64_4S, 16, 16, 17);
    a64_add_v(cx->b, A64_16B, 19, 16, 18);
}

bool lower_VPERMD(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_vreg m = avx_source(cx, insn, &insn->opd[2]), n = insn->opd[1].reg, vd = insn->opd[0].reg;
    if (m != AVX_M_LOW)
        a64_mov_v(cx->b, AVX_M_LOW, m);
    avx_high_read(cx, AVX_HIGH, n);
    word_indices(cx, AVX_HIGH, 8);
    a64_tbl(cx->b, 2, AVX_HIGH, AVX_M_LOW, 19);
    word_indices(cx, n, 8);
    a64_tbl(cx->b, 2, vd, AVX_M_LOW, 19);
    avx_high_write(cx, vd, AVX_HIGH);
    return true;
}
bool lower_VPERMPS(struct lower_context *cx, const struct x64_insn *insn) { return lower_VPERMD(cx, insn); }

static void permute_words(struct lower_context *cx, a64_vreg vd, a64_vreg n, a64_vreg order)
{
    word_indices(cx, order, 4);
    a64_tbl(cx->b, 1, vd, n, 19);
}

static void permute_doubles(struct lower_context *cx, a64_vreg vd, a64_vreg n, a64_vreg order)
{
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
    a64_vreg m = avx_source(cx, insn, &insn->opd[immediate ? 1 : 2]), vd = insn->opd[0].reg;
    for (unsigned half = avx_wide(insn) ? 2 : 1; half-- > 0;) {
        a64_vreg s = half ? AVX_M_HIGH : m, to = half ? AVX_HIGH : vd, n = insn->opd[1].reg;
        if (immediate) {
            unsigned pair = order >> half * 2;
            lower_shuffle_words(cx, to, s, doubles ? (pair & 1 ? 0xe : 4) | (pair & 2 ? 0xe0 : 0x40) : order);
            continue;
        }
        if (half) {
            avx_high_read(cx, AVX_HIGH, n);
            n = AVX_HIGH;
        }
        (doubles ? permute_doubles : permute_words)(cx, to, n, s);
    }
    avx_high_finish(cx, insn, AVX_HIGH);
    return true;
}
bool lower_VPERMILPS(struct lower_context *cx, const struct x64_insn *insn) { return permute_inside(cx, insn, false); }
bool lower_VPERMILPD(struct lower_context *cx, const struct x64_insn *insn) { return permute_inside(cx, insn, true); }

// ---- shifts, each element by its own count. USHL and SSHL take the low byte of a count, signed.

static void shift_each(struct lower_context *cx, enum a64_arr arr, a64_vreg vd, a64_vreg n, a64_vreg m, bool left, bool arithmetic)
{
    struct a64_buf *b = cx->b;
    uint64_t bits = arr == A64_2D ? 64 : 32 * 0x0000000100000001ull;
    lower_literal_v(cx, 16, bits, bits);
    a64_cmhi(b, arr, 17, 16, m);                    // the count is less than the element's width
    if (arithmetic) {
        a64_umin(b, arr, 16, 16, m);
        a64_neg_v(b, arr, 16, 16);
        a64_sshl(b, arr, vd, n, 16);
        return;
    }
    if (left)
        a64_mov_v(b, 16, m);
    else
        a64_neg_v(b, arr, 16, m);
    a64_ushl(b, arr, 16, n, 16);
    a64_and_v(b, A64_16B, vd, 16, 17);
}

static bool shift_variable(struct lower_context *cx, const struct x64_insn *insn, enum a64_arr arr, bool left, bool arithmetic)
{
    a64_vreg m = avx_source(cx, insn, &insn->opd[2]);
    if (avx_wide(insn)) {
        avx_high_read(cx, AVX_HIGH, insn->opd[1].reg);
        shift_each(cx, arr, AVX_HIGH, AVX_HIGH, AVX_M_HIGH, left, arithmetic);
    }
    shift_each(cx, arr, insn->opd[0].reg, insn->opd[1].reg, m, left, arithmetic);
    avx_high_finish(cx, insn, AVX_HIGH);
    return true;
}
bool lower_VPSLLVD(struct lower_context *cx, const struct x64_insn *insn) { return shift_variable(cx, insn, A64_4S, true, false); }
bool lower_VPSLLVQ(struct lower_context *cx, const struct x64_insn *insn) { return shift_variable(cx, insn, A64_2D, true, false); }
bool lower_VPSRLVD(struct lower_context *cx, const struct x64_insn *insn) { return shift_variable(cx, insn, A64_4S, false, false); }
bool lower_VPSRLVQ(struct lower_context *cx, const struct x64_insn *insn) { return shift_variable(cx, insn, A64_2D, false, false); }
bool lower_VPSRAVD(struct lower_context *cx, const struct x64_insn *insn) { return shift_variable(cx, insn, A64_4S, false, true); }

// ---- masked moves. Only elements whose mask is negative are accessed, and can fault.

static bool masked(struct lower_context *cx, const struct x64_insn *insn, unsigned log2)
{
    struct a64_buf *b = cx->b;
    bool store = insn->opd[0].kind == X64_OPD_MEM;
    unsigned count = 16u >> log2, halves = avx_wide(insn) ? 2 : 1, bytes = 1u << log2;
    a64_reg at = lower_address_register(cx, insn), t = lower_temp(cx), failed = lower_temp(cx), p = lower_temp(cx);
    a64_vreg mask[2] = { insn->opd[1].reg, AVX_M_HIGH }, data[2] = { store ? insn->opd[2].reg : AVX_LOW, AVX_HIGH };
    if (halves > 1)
        avx_high_read(cx, AVX_M_HIGH, mask[0]);
    if (store && halves > 1)
        avx_high_read(cx, AVX_HIGH, data[0]);
    if (!store) {
        a64_movi_zero(b, AVX_LOW);
        a64_movi_zero(b, AVX_HIGH);
    }
    for (unsigned pass = store ? 0 : 1; pass < 2; pass++)       // of a store, every element is tried before the first is written
        for (unsigned i = 0; i < count * halves; i++) {
            uint32_t skip = lower_label(cx);
            struct lower_mem mem = { .base = at, .index = A64_ZR, .offset = i * bytes };
            a64_umov(b, log2, t, mask[i / count], i % count);
            lower_tbz(cx, t, bytes * 8 - 1, skip);
            if (!pass) {
                a64_add_imm(b, A64_X, p, at, i * bytes);
                lower_probe_write(cx, p, t, failed);
                a64_add_imm(b, A64_X, p, at, i * bytes + bytes - 1);
                a64_and_imm(b, A64_X, p, p, ~0xfffull);     // of two pages: where the second begins
                lower_probe_write(cx, p, t, failed);
            } else if (store) {
                a64_umov(b, log2, t, data[i / count], i % count);
                lower_store(cx, log2, t, mem);
            } else {
                lower_load(cx, log2, A64_ZERO, t, mem);
                a64_ins_general(b, log2, data[i / count], i % count, t);
            }
            lower_bind(cx, skip);
        }
    if (!store) {
        a64_mov_v(b, insn->opd[0].reg, AVX_LOW);
        avx_high_finish(cx, insn, AVX_HIGH);
    }
    return true;
}
bool lower_VMASKMOVPS(struct lower_context *cx, const struct x64_insn *insn) { return masked(cx, insn, 2); }
bool lower_VMASKMOVPD(struct lower_context *cx, const struct x64_insn *insn) { return masked(cx, insn, 3); }
bool lower_VPMASKMOVD(struct lower_context *cx, const struct x64_insn *insn) { return masked(cx, insn, 2); }
bool lower_VPMASKMOVQ(struct lower_context *cx, const struct x64_insn *insn) { return masked(cx, insn, 3); }
