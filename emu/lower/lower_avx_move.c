// SPDX-License-Identifier: MIT
// VEX moves: whole registers, single elements, halves, masked ones.
#include "emu/lower/facts.h"
#include "emu/lower/lower_avx.h"

static void probe_both_pages(struct lower_context *cx, const struct lower_deferred *d)
{
    cx->temps = 2;                              // the address is in one of the first two
    lower_probe_span(cx, d->reg[0], 32);
    lower_b(cx, d->back);
}

// 32 bytes that cross a page: both pages are tried first, so that a fault leaves nothing written.
static void store_wide(struct lower_context *cx, const struct x64_insn *insn, a64_vreg low, a64_vreg high)
{
    struct lower_mem mem;
    if (lower_sse_is_aligned(cx, insn)) {
        mem = avx_address(cx, insn);
    } else {
        a64_reg at = lower_address_register(cx, insn), t = lower_temp(cx);
        a64_add_imm(cx->b, A64_X, t, at, 31);
        if (at == A64_SP) {
            at = lower_temp(cx);
            a64_mov_reg(cx->b, A64_X, at, A64_SP);
        }
        a64_eor_reg(cx->b, A64_X, t, t, at, A64_LSL, 0);
        struct lower_deferred *d = lower_defer(cx, probe_both_pages);
        d->reg[0] = at;
        d->back = lower_label(cx);
        lower_tbnz(cx, t, 12, d->label);
        lower_bind(cx, d->back);
        mem = lower_mem_register(at);
    }
    if (!lower_tso(cx) && mem.index == A64_ZR && a64_ldp_ok(4, mem.offset)) {
        a64_stp_v(cx->b, low, high, mem.base, mem.offset);
        return;
    }
    struct lower_mem next = lower_mem_at(cx, mem, 4, 16);
    lower_store_v(cx, 4, low, mem);
    lower_store_v(cx, 4, high, next);
}

static bool move(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *to = &insn->opd[0], *from = &insn->opd[1];
    if (to->kind == X64_OPD_MEM && to->size == 32) {
        store_wide(cx, insn, from->reg, avx_high(cx, from->reg));
        return true;
    }
    if (to->kind == X64_OPD_MEM)
        return lower_MOVUPS(cx, insn);
    if (from->size < 32) {
        if (from->kind == X64_OPD_MEM)
            lower_sse_read(cx, from, to->reg);
        else if (from->reg != to->reg)
            a64_mov_v(cx->b, to->reg, from->reg);
        avx_high_clear(cx, to->reg);
        return true;
    }
    // Aligned, both halves lie in one page: a fault leaves the first alone. Else it must not be in its place before the second is there.
    if (from->kind == X64_OPD_MEM && lower_sse_is_aligned(cx, insn)) {
        struct lower_mem mem = avx_address(cx, insn);
        if (!lower_tso(cx) && mem.index == A64_ZR && a64_ldp_ok(4, mem.offset)) {
            a64_vreg high = avx_take(cx);
            a64_ldp_v(cx->b, to->reg, high, mem.base, mem.offset);
            avx_high_write(cx, to->reg, high);
            return true;
        }
    }
    struct avx_value m = avx_source(cx, insn, from);
    if (m.low != to->reg)
        a64_mov_v(cx->b, to->reg, m.low);
    avx_high_finish(cx, insn, m.high);
    return true;
}
#define X(name) bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) { return move(cx, insn); }
AVX_MOVE(X)
#undef X

// One element; a load or a general register zeroes the rest.
static bool move_one(struct lower_context *cx, const struct x64_insn *insn, lower_function *function)
{
    if (insn->operand_count > 2)
        return avx_three(cx, insn, function, 0);
    if (!function(cx, insn))
        return false;
    if (insn->opd[0].kind == X64_OPD_XMM)
        avx_high_clear(cx, insn->opd[0].reg);
    return true;
}
bool lower_VMOVSS(struct lower_context *cx, const struct x64_insn *insn) { return move_one(cx, insn, lower_MOVSS); }
bool lower_VMOVSD(struct lower_context *cx, const struct x64_insn *insn) { return move_one(cx, insn, lower_MOVSD); }
bool lower_VMOVD(struct lower_context *cx, const struct x64_insn *insn) { return move_one(cx, insn, lower_MOVD); }
bool lower_VMOVQ(struct lower_context *cx, const struct x64_insn *insn) { return move_one(cx, insn, lower_MOVQ); }


// One quadword is m's element `from`, or memory; the other stays the first source's.
static bool move_half(struct lower_context *cx, const struct x64_insn *insn, unsigned half, unsigned from, lower_function *legacy)
{
    if (insn->operand_count < 3)                        // to memory
        return legacy(cx, insn);
    a64_vreg vd = insn->opd[0].reg, n = insn->opd[1].reg, m = insn->opd[2].reg;
    if (insn->opd[2].kind == X64_OPD_MEM) {
        struct lower_mem mem = lower_address(cx, insn, 3);
        m = AVX_M_LOW;
        if (vd == n) {
            lower_load_element(cx, 3, vd, half, mem);
        } else if (half == 0 && mem.index == A64_ZR && !mem.offset) {
            lower_order_load(cx, mem.base, A64_ZR);
            a64_ld1r(cx->b, 3, m, mem.base);
            lower_order_loaded(cx, A64_ZR, false);
            from = 1;
        } else {
            lower_load_v(cx, 3, m, mem);
        }
    }
    if (insn->opd[2].kind != X64_OPD_MEM || vd != n) {
        a64_vreg v = half ? avx_two_elements(cx, vd, n, 0, m, from) : avx_two_elements(cx, vd, m, from, n, 1);
        if (v != vd)
            a64_mov_v(cx->b, vd, v);
    }
    avx_high_clear(cx, vd);
    return true;
}
bool lower_VMOVLPS(struct lower_context *cx, const struct x64_insn *insn) { return move_half(cx, insn, 0, 0, lower_MOVLPS); }
bool lower_VMOVLPD(struct lower_context *cx, const struct x64_insn *insn) { return move_half(cx, insn, 0, 0, lower_MOVLPD); }
bool lower_VMOVHPS(struct lower_context *cx, const struct x64_insn *insn) { return move_half(cx, insn, 1, 0, lower_MOVHPS); }
bool lower_VMOVHPD(struct lower_context *cx, const struct x64_insn *insn) { return move_half(cx, insn, 1, 0, lower_MOVHPD); }
bool lower_VMOVLHPS(struct lower_context *cx, const struct x64_insn *insn) { return move_half(cx, insn, 1, 0, 0); }
bool lower_VMOVHLPS(struct lower_context *cx, const struct x64_insn *insn) { return move_half(cx, insn, 0, 1, 0); }

// ---- masked moves. Only elements whose mask is negative are accessed, and can fault.

static void probe_elements(struct lower_context *cx, unsigned log2, a64_reg at, const a64_vreg mask[2], unsigned count, unsigned halves)
{
    struct a64_buf *b = cx->b;
    unsigned bytes = 1u << log2;
    a64_reg t = lower_temp(cx), failed = lower_temp(cx), p = lower_temp(cx);
    for (unsigned i = 0; i < count * halves; i++) {
        uint32_t skip = lower_label(cx);
        a64_umov(b, log2, t, mask[i / count], i % count);
        lower_tbz(cx, t, bytes * 8 - 1, skip);
        a64_add_imm(b, A64_X, p, at, i * bytes);
        lower_probe_write(cx, p, t, failed);
        a64_add_imm(b, A64_X, p, at, i * bytes + bytes - 1);
        a64_and_imm(b, A64_X, p, p, ~0xfffull);         // of two pages: where the second begins
        lower_probe_write(cx, p, t, failed);
        lower_bind(cx, skip);
    }
}

static void each_element(struct lower_context *cx, unsigned log2, a64_reg at, const a64_vreg mask[2], const a64_vreg data[2], bool store,
                         unsigned count, unsigned halves)
{
    struct a64_buf *b = cx->b;
    unsigned bytes = 1u << log2;
    a64_reg t = lower_temp(cx);
    for (unsigned i = 0; i < count * halves; i++) {
        uint32_t skip = lower_label(cx);
        struct lower_mem mem = { .base = at, .index = A64_ZR, .offset = i * bytes };
        a64_umov(b, log2, t, mask[i / count], i % count);
        lower_tbz(cx, t, bytes * 8 - 1, skip);
        if (store) {
            a64_umov(b, log2, t, data[i / count], i % count);
            lower_store(cx, log2, t, mem);
        } else {
            lower_load(cx, log2, A64_ZERO, t, mem);
            a64_ins_general(b, log2, data[i / count], i % count, t);
        }
        lower_bind(cx, skip);
    }
}

enum { MASK = 22, DATA = 20 };              // and the next one: copies, for code that calls nothing

// Element by element; of a store, every element is tried before the first is written.
static void by_elements(struct lower_context *cx, const struct x64_insn *insn, unsigned log2)
{
    bool store = insn->opd[0].kind == X64_OPD_MEM;
    unsigned count = 16u >> log2, halves = avx_wide(insn) ? 2 : 1;
    const a64_vreg mask[2] = { insn->opd[1].reg, MASK };
    a64_vreg data[2] = { store ? insn->opd[2].reg : AVX_LOW, DATA };
    a64_reg at = lower_address_register(cx, insn);
    if (halves > 1)
        avx_high_read(cx, mask[1], mask[0]);
    if (store && halves > 1)
        avx_high_read(cx, data[1], data[0]);
    if (store) {
        probe_elements(cx, log2, at, mask, count, halves);
    } else {
        a64_movi_zero(cx->b, data[0]);
        a64_movi_zero(cx->b, data[1]);
    }
    each_element(cx, log2, at, mask, data, store, count, halves);
    if (store)
        return;
    a64_mov_v(cx->b, insn->opd[0].reg, data[0]);
    avx_high_finish(cx, insn, data[1]);
}

// value: log2 of an element's bytes, and the points of the quick way.
static void one_by_one(struct lower_context *cx, const struct lower_deferred *d)
{
    for (uint32_t i = (uint32_t)(d->value >> 8 & 0xffffff); i < (uint32_t)(d->value >> 32) && i < cx->result->point_count; i++)
        cx->result->points[i].retry = cx->b->count * 4;
    cx->facts = (struct lower_facts){ 0 };
    by_elements(cx, &d->insn->x, d->value & 255);
    lower_b(cx, d->back);
}

// All of the memory at once; what is in no element is written as it was, which nobody sees (MODEL_PLAIN has one observer). If that faults, or if
// a store crosses a page, it is done element by element.
static bool masked(struct lower_context *cx, const struct x64_insn *insn, unsigned log2)
{
    struct a64_buf *b = cx->b;
    bool store = insn->opd[0].kind == X64_OPD_MEM, wide = avx_wide(insn);
    if (lower_tso(cx) || cx->config->verify || cx->config->step) {
        by_elements(cx, insn, log2);
        return true;
    }
    enum a64_arr arr = log2 == 3 ? A64_2D : A64_4S;
    unsigned mask = insn->opd[1].reg, bytes = wide ? 32 : 16;
    uint32_t first_point = cx->result->point_count ? cx->result->point_count - 1 : 0;
    a64_vreg mask_high = wide ? avx_high(cx, mask) : 0, data_high = wide && store ? avx_high(cx, insn->opd[2].reg) : 0;
    a64_reg at = lower_address_register(cx, insn);
    struct lower_deferred *d = lower_defer(cx, one_by_one);
    d->back = lower_label(cx);
    if (store) {
        a64_reg from = at, t = lower_temp(cx);
        if (at == A64_SP)
            a64_mov_reg(b, A64_X, from = lower_temp(cx), A64_SP);
        a64_add_imm(b, A64_X, t, from, bytes - 1);
        a64_eor_reg(b, A64_X, t, t, from, A64_LSL, 0);
        lower_tbnz(cx, t, 12, d->label);
    }
    if (wide)
        a64_ldp_v(b, DATA, DATA + 1, at, 0);
    else
        a64_ldr_v_uimm(b, 4, DATA, at, 0);
    a64_cmlt_zero(b, arr, MASK, (a64_vreg)mask);
    if (wide)
        a64_cmlt_zero(b, arr, MASK + 1, mask_high);
    if (store) {
        a64_bit(b, A64_16B, DATA, insn->opd[2].reg, MASK);
        if (wide)
            a64_bit(b, A64_16B, DATA + 1, data_high, MASK + 1);
        if (wide)
            a64_stp_v(b, DATA, DATA + 1, at, 0);
        else
            a64_str_v_uimm(b, 4, DATA, at, 0);
    } else {
        a64_vreg high = wide ? avx_take(cx) : 0;
        a64_and_v(b, A64_16B, insn->opd[0].reg, DATA, MASK);
        if (wide)
            a64_and_v(b, A64_16B, high, DATA + 1, MASK + 1);
        avx_high_finish(cx, insn, high);
    }
    d->value = log2 | (uint64_t)first_point << 8 | (uint64_t)cx->result->point_count << 32;
    lower_bind(cx, d->back);
    return true;
}
bool lower_VMASKMOVPS(struct lower_context *cx, const struct x64_insn *insn) { return masked(cx, insn, 2); }
bool lower_VMASKMOVPD(struct lower_context *cx, const struct x64_insn *insn) { return masked(cx, insn, 3); }
bool lower_VPMASKMOVD(struct lower_context *cx, const struct x64_insn *insn) { return masked(cx, insn, 2); }
bool lower_VPMASKMOVQ(struct lower_context *cx, const struct x64_insn *insn) { return masked(cx, insn, 3); }
