// SPDX-License-Identifier: MIT
// Memory operands of SSE instructions: alignment, whole operands, single elements.
#include "emu/lower/facts.h"
#include "emu/lower/lower_sse.h"

static void misaligned(struct lower_context *cx, const struct lower_deferred *d)
{
    (void)d;
    lower_svc(cx, SVC_EMU_TRAP);            // the kernel sees the address again and raises #GP
}

// The sum of base and index stays in SUM for the next instruction, if this one is a move, which needs no more than two temporaries: copies
// have several operands around one sum.
enum { SUM = LOWER_SUM };

static bool is_move(const struct x64_insn *insn)
{
    switch (insn->op) {
    case X64_MOVAPS: case X64_MOVAPD: case X64_MOVDQA: case X64_MOVUPS: case X64_MOVUPD: case X64_MOVDQU: case X64_MOVSS: case X64_MOVSD:
    case X64_MOVD: case X64_MOVQ: case X64_MOVNTPS: case X64_MOVNTPD: case X64_MOVNTDQ:
        return true;
    default:
        return false;
    }
}

// base + index * scale in SUM; false: better another way.
static bool index_sum(struct lower_context *cx, const struct x64_insn *insn, unsigned log2, bool checked)
{
    const struct x64_mem *m = &insn->mem;
    if (m->base >= 16 || m->index == X64_REG_NONE || m->vsib || m->segment == X64_GS || m->address_size != 8 || cx->config->verify)
        return false;
    bool have = cx->sum_by && cx->sum_by + 1 == cx->insn && cx->sum.base == m->base && cx->sum.index == m->index && cx->sum.scale == m->scale;
    if (!have) {
        struct x64_mem bare = *m;
        bool folds = m->disp == 0 && (m->scale == 1 || m->scale == 1u << log2);
        if (!is_move(insn) || (folds && !checked))
            return false;
        bare.disp = 0;
        lower_claim(cx, SUM);
        lower_effective_address(cx, &bare, SUM, A64_X);
    }
    if (is_move(insn)) {
        cx->sum_by = cx->insn;
        cx->sum = (struct lower_sum){ .base = m->base, .index = m->index, .scale = m->scale };
    }
    return true;
}

struct lower_mem lower_sse_address(struct lower_context *cx, const struct x64_insn *insn, unsigned log2)
{
    const struct x64_mem *m = &insn->mem;
    unsigned bytes = insn->opd[insn->mem_operand].size, bits = (unsigned)__builtin_ctz(bytes);
    struct lower_low low = lower_address_low(&cx->facts, m);
    if (cx->config->verify)
        low = (struct lower_low){ 0, 0 };
    if (!(insn->form & X64_F_ALIGNED) || (low.bits >= bits && !(low.value & (bytes - 1)))) {
        if (index_sum(cx, insn, log2, false))
            return lower_mem_at(cx, lower_mem_register(SUM), log2, m->disp);
        return lower_address(cx, insn, log2);
    }
    if (low.value & (bytes - 1)) {
        lower_b(cx, lower_defer(cx, misaligned)->label);
        return lower_address(cx, insn, log2);
    }
    struct lower_mem mem;
    a64_reg t = lower_temp(cx);
    int64_t away = m->disp & (int64_t)(bytes - 1);
    if (m->base < 16 && m->index == X64_REG_NONE && m->segment == X64_SEGMENT_NONE && m->address_size == 8) {
        a64_reg base = lower_gpr(m->base);
        if (away || base == A64_SP) {
            a64_add_imm(cx->b, A64_X, t, base, (uint64_t)away);
            base = t;
        }
        a64_and_imm(cx->b, A64_W, t, base, bytes - 1);
        mem = lower_address(cx, insn, log2);
    } else if (m->index != X64_REG_NONE && m->segment == X64_SEGMENT_NONE && m->address_size == 8 && !away) {
        struct x64_mem bare = *m;
        bare.disp = 0;
        a64_reg sum = SUM;
        if (!index_sum(cx, insn, log2, true))
            sum = lower_effective_address(cx, &bare, lower_temp(cx), A64_X);
        a64_and_imm(cx->b, A64_W, t, sum, bytes - 1);
        mem = lower_mem_at(cx, lower_mem_register(sum), log2, m->disp);
    } else {
        a64_reg whole = lower_address_register(cx, insn);
        if (whole == A64_SP)                    // [rsp] with a segment whose base is 0
            a64_mov_reg(cx->b, A64_X, t, A64_SP);
        a64_and_imm(cx->b, A64_W, t, whole == A64_SP ? t : whole, bytes - 1);
        mem = lower_mem_register(whole);
    }
    lower_cbnz(cx, A64_W, t, lower_defer(cx, misaligned)->label);
    return mem;
}

a64_vreg lower_sse_read(struct lower_context *cx, const struct x64_operand *opd, a64_vreg into)
{
    if (opd->kind == X64_OPD_XMM)
        return opd->reg;
    unsigned log2 = lower_log2(opd->size);
    lower_load_v(cx, log2, into, lower_sse_address(cx, &cx->insn->x, log2));
    return into;
}

void lower_load_element(struct lower_context *cx, unsigned log2, a64_vreg vt, unsigned index, struct lower_mem mem)
{
    if (mem.index != A64_ZR || mem.offset) {
        lower_load_v(cx, log2, 16, mem);
        a64_ins_element(cx->b, log2, vt, index, 16, 0);
        return;
    }
    lower_order_load(cx, mem.base, A64_ZR);
    a64_ld1_element(cx->b, log2, vt, index, mem.base);
    lower_order_loaded(cx, A64_ZR, false);
}

void lower_store_element(struct lower_context *cx, unsigned log2, a64_vreg vt, unsigned index, struct lower_mem mem)
{
    if (index == 0) {
        lower_store_v(cx, log2, vt, mem);
    } else if (mem.index != A64_ZR || mem.offset) {
        a64_dup_element(cx->b, (enum a64_arr)(log2 * 2 + 1), 16, vt, index);
        lower_store_v(cx, log2, 16, mem);
    } else {
        lower_order_stores(cx, mem.base, A64_ZR, A64_ZR);
        a64_st1_element(cx->b, log2, vt, index, mem.base);
    }
}
