// SPDX-License-Identifier: MIT
// AVX2 gathers. Elements whose mask is negative are loaded, the lowest first; each is done, and its mask cleared, before the next is
// tried, so that a fault leaves what the manual wants (SDM vol. 2, VPGATHERDD).
#include "emu/lower/lower_avx.h"

enum { CTX = 28, GS = 18 };

static void address(struct lower_context *cx, const struct x64_mem *mem, a64_reg base, a64_reg index, a64_reg to)
{
    bool narrow = mem->address_size == 4;
    a64_add_reg(cx->b, narrow ? A64_W : A64_X, to, base, index, A64_LSL, lower_log2(mem->scale));
    if (mem->segment == X64_GS)
        a64_add_reg(cx->b, A64_X, to, to, GS, A64_LSL, 0);
}

static bool gather(struct lower_context *cx, const struct x64_insn *insn, unsigned log2_index, unsigned log2)
{
    struct a64_buf *b = cx->b;
    bool wide = avx_wide(insn);
    unsigned widest = log2 > log2_index ? log2 : log2_index, count = (wide ? 32u : 16u) >> widest, in_half = 16u >> log2;
    unsigned vd = insn->opd[0].reg, vm = insn->opd[2].reg, vi = insn->mem.index;
    struct x64_mem rest = insn->mem;
    rest.index = X64_REG_NONE;
    rest.vsib = 0;
    rest.segment = X64_SEGMENT_NONE;
    a64_reg into = lower_temp(cx), t = lower_temp(cx), at = lower_temp(cx);
    a64_reg base = lower_effective_address(cx, &rest, into, A64_X);
    if (insn->mem.vsib == 32)
        avx_high_read(cx, AVX_M_HIGH, vi);
    bool high = count > in_half;
    if (high)
        avx_high_read(cx, AVX_HIGH, vm);
    for (unsigned i = 0; i < count; i++) {
        uint32_t skip = lower_label(cx);
        unsigned place = i % in_half, index_place = i % (16u >> log2_index);
        bool upper = i >= in_half;
        int slot = CTX_YMM_HIGH + (int)(place << log2);
        a64_umov(b, log2, t, upper ? AVX_HIGH : vm, place);
        lower_tbz(cx, t, (8u << log2) - 1, skip);
        a64_vreg index = i >= 16u >> log2_index ? AVX_M_HIGH : vi;
        if (log2_index == 2)
            a64_smov(b, A64_X, 2, t, index, index_place);
        else
            a64_umov(b, 3, t, index, index_place);
        address(cx, &insn->mem, base, t, at);
        lower_load(cx, log2, A64_ZERO, t, lower_mem_register(at));
        if (upper)
            a64_str_uimm(b, log2, t, CTX, slot + 16 * (int)vd);
        else
            a64_ins_general(b, log2, vd, place, t);
        lower_bind(cx, skip);               // of elements that are not loaded, too
        if (upper)
            a64_str_uimm(b, log2, A64_ZR, CTX, slot + 16 * (int)vm);
        else
            a64_ins_general(b, log2, vm, place, A64_ZR);
    }
    if (high)
        cx->facts.high_zero &= (uint16_t)~(1u << vd);
    else
        avx_high_clear(cx, vd);
    if (count << log2 == 8)
        a64_fmov(b, A64_X, vd, vd);             // two words: the rest is zero
    a64_movi_zero(b, vm);
    avx_high_clear(cx, vm);
    return true;
}
#define X(name, index, element) \
    bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) { return gather(cx, insn, index, element); }
AVX_GATHER(X)
#undef X
