// SPDX-License-Identifier: MIT
// AVX2 gathers. Elements whose mask is negative are loaded, the lowest first; each is done, and its mask cleared, before the next is
// tried, so that a fault leaves what the manual wants (SDM vol. 2, VPGATHERDD).
#include "emu/lower/lower_avx.h"

enum { CTX = 28, GS = 18, INDEX_HIGH = 22, MASK_HIGH = 23 };

static void address(struct lower_context *cx, const struct x64_mem *mem, a64_reg base, a64_reg index, a64_reg to)
{
    bool narrow = mem->address_size == 4;
    a64_add_reg(cx->b, narrow ? A64_W : A64_X, to, base, index, A64_LSL, lower_log2(mem->scale));
    if (mem->segment == X64_GS)
        a64_add_reg(cx->b, A64_X, to, to, GS, A64_LSL, 0);
}

// What a gather has in its hands.
struct gather { unsigned log2_index, log2, count, in_half, indices; unsigned vd, vm, vi; a64_reg base, t, at; };

static struct gather begin(struct lower_context *cx, const struct x64_insn *insn, unsigned log2_index, unsigned log2)
{
    unsigned widest = log2 > log2_index ? log2 : log2_index;
    struct gather g = {
        .log2_index = log2_index, .log2 = log2, .count = (avx_wide(insn) ? 32u : 16u) >> widest, .in_half = 16u >> log2, .indices = 16u >> log2_index,
        .vd = insn->opd[0].reg, .vm = insn->opd[2].reg, .vi = insn->mem.index,
    };
    struct x64_mem rest = insn->mem;
    rest.index = X64_REG_NONE;
    rest.vsib = 0;
    rest.segment = X64_SEGMENT_NONE;
    a64_reg into = lower_temp(cx);
    g.t = lower_temp(cx);
    g.at = lower_temp(cx);
    g.base = rest.disp == 0 && rest.base < 16 && rest.base != X64_RSP && rest.address_size == 8 && !cx->loose
                 ? lower_gpr(rest.base) : lower_effective_address(cx, &rest, into, A64_X);
    return g;
}

static void index_to(struct lower_context *cx, const struct gather *g, a64_reg to, unsigned i, a64_vreg high)
{
    unsigned place = i % g->indices;
    a64_vreg index = i >= g->indices ? high : (a64_vreg)g->vi;
    if (g->log2_index == 2)
        a64_smov(cx->b, A64_X, 2, to, index, place);
    else
        a64_umov(cx->b, 3, to, index, place);
}

static void finish(struct lower_context *cx, const struct gather *g)
{
    a64_movi_zero(cx->b, (a64_vreg)g->vm);
    avx_high_clear(cx, g->vm);
}

static void one_by_one(struct lower_context *cx, const struct x64_insn *insn, unsigned log2_index, unsigned log2)
{
    struct a64_buf *b = cx->b;
    struct gather g = begin(cx, insn, log2_index, log2);
    bool high = g.count > g.in_half;
    if (insn->mem.vsib == 32)
        avx_high_read(cx, INDEX_HIGH, g.vi);
    if (high)
        avx_high_read(cx, MASK_HIGH, g.vm);
    for (unsigned i = 0; i < g.count; i++) {
        uint32_t skip = lower_label(cx);
        unsigned place = i % g.in_half;
        bool upper = i >= g.in_half;
        int slot = CTX_YMM_HIGH + (int)(place << log2);
        a64_umov(b, log2, g.t, upper ? MASK_HIGH : (a64_vreg)g.vm, place);
        lower_tbz(cx, g.t, (8u << log2) - 1, skip);
        index_to(cx, &g, g.t, i, INDEX_HIGH);
        address(cx, &insn->mem, g.base, g.t, g.at);
        lower_load(cx, log2, A64_ZERO, g.t, lower_mem_register(g.at));
        if (upper)
            a64_str_uimm(b, log2, g.t, CTX, slot + 16 * (int)g.vd);
        else
            a64_ins_general(b, log2, (a64_vreg)g.vd, place, g.t);
        lower_bind(cx, skip);               // of elements that are not loaded, too
        if (upper)
            a64_str_uimm(b, log2, A64_ZR, CTX, slot + 16 * (int)g.vm);
        else
            a64_ins_general(b, log2, (a64_vreg)g.vm, place, A64_ZR);
    }
    if (high)
        avx_high_written(cx, g.vd);
    else
        avx_high_clear(cx, g.vd);
    if (g.count << log2 == 8)
        a64_fmov(b, A64_X, (a64_vreg)g.vd, (a64_vreg)g.vd);     // two words: the rest is zero
    finish(cx, &g);
}

// value: log2 of the bytes of an index and of an element, and the points of the quick way.
static void slow(struct lower_context *cx, const struct lower_deferred *d)
{
    for (uint32_t i = (uint32_t)(d->value >> 8 & 0xffffff); i < (uint32_t)(d->value >> 32) && i < cx->result->point_count; i++)
        cx->result->points[i].retry = cx->b->count * 4;
    cx->facts = (struct lower_facts){ 0 };
    one_by_one(cx, &d->insn->x, d->value >> 4 & 15, d->value & 15);
    lower_b(cx, d->back);
}

// All elements are wanted, as nearly always: if one is not, or faults, the instruction is done again one by one.
static bool gather(struct lower_context *cx, const struct x64_insn *insn, unsigned log2_index, unsigned log2)
{
    struct a64_buf *b = cx->b;
    if (cx->config->verify || cx->config->step || lower_tso(cx)) {
        one_by_one(cx, insn, log2_index, log2);
        return true;
    }
    uint32_t first_point = cx->result->point_count ? cx->result->point_count - 1 : 0;
    struct gather g = begin(cx, insn, log2_index, log2);
    struct lower_deferred *d = lower_defer(cx, slow);
    d->back = lower_label(cx);
    bool high = g.count > g.in_half, direct = insn->mem.segment != X64_GS && insn->mem.address_size == 8 && (insn->mem.scale == 1 || insn->mem.scale == 1u << log2);
    a64_vreg index_high = insn->mem.vsib == 32 ? avx_high(cx, g.vi) : 0, mask_high = high ? avx_high(cx, g.vm) : 0, upper = high ? avx_take(cx) : 0;
    // The signs of all elements that there are.
    enum a64_arr arr = log2 == 3 ? A64_2D : A64_4S;
    a64_vreg mask = (a64_vreg)g.vm;
    if (high) {
        a64_and_v(b, A64_16B, 16, mask, mask_high);
        mask = 16;
    }
    a64_cmlt_zero(b, arr, 16, mask);
    if (g.count << log2 == 8) {
        a64_fmov_to_general(b, A64_X, g.t, 16);
        a64_add_imm(b, A64_X, g.t, g.t, 1);
        lower_cbnz(cx, A64_X, g.t, d->label);
    } else {
        a64_uminv(b, A64_4S, 16, 16);
        a64_fmov_to_general(b, A64_W, g.t, 16);
        lower_cbz(cx, A64_W, g.t, d->label);
    }
    for (unsigned i = 0; i < g.count; i++) {
        unsigned place = i % g.in_half;
        bool own = i >= g.in_half;                  // else what is loaded is done: its mask is, too, if it is done again
        a64_vreg into = own ? upper : (a64_vreg)g.vd, one = place || !own ? 16 : into;
        index_to(cx, &g, g.t, i, index_high);
        struct lower_mem mem = { .base = g.base, .index = g.t, .scaled = insn->mem.scale != 1 };
        if (!direct) {
            address(cx, &insn->mem, g.base, g.t, g.at);
            if (one == 16) {
                a64_ld1_element(b, log2, into, place, g.at);
                continue;
            }
            mem = lower_mem_register(g.at);
        }
        lower_load_v(cx, log2, one, mem);
        if (one == 16)
            a64_ins_element(b, log2, into, place, 16, 0);
    }
    d->value = log2 | log2_index << 4 | (uint64_t)first_point << 8 | (uint64_t)cx->result->point_count << 32;
    if (g.count << log2 == 8)
        a64_fmov(b, A64_X, (a64_vreg)g.vd, (a64_vreg)g.vd);     // two words: the rest is zero
    if (high)
        avx_high_write(cx, g.vd, upper);
    else
        avx_high_clear(cx, g.vd);
    finish(cx, &g);
    lower_bind(cx, d->back);
    return true;
}
#define X(name, index, element) \
    bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) { return gather(cx, insn, index, element); }
AVX_GATHER(X)
#undef X
