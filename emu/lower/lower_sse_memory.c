// SPDX-License-Identifier: MIT
// Memory operands of SSE instructions: alignment, whole operands, single elements.
#include "emu/lower/facts.h"
#include "emu/lower/lower_sse.h"

static void misaligned(struct lower_context *cx, const struct lower_deferred *d)
{
    (void)d;
    lower_svc(cx, SVC_EMU_TRAP);            // the kernel sees the address again and raises #GP
}

// base + index * scale in a register; A64_ZR: better another way. checked: the sum itself is wanted.
static a64_reg index_sum(struct lower_context *cx, const struct x64_insn *insn, unsigned log2, bool checked)
{
    const struct x64_mem *m = &insn->mem;
    if (m->base >= 16 || m->index == X64_REG_NONE || m->vsib || m->segment == X64_GS || m->address_size != 8 || cx->config->verify)
        return A64_ZR;
    a64_reg base = lower_source(cx, m->base), index = lower_source(cx, m->index);
    bool folds = m->disp == 0 && (m->scale == 1 || m->scale == 1u << log2);
    bool near = a64_ldst_uimm_ok(log2, m->disp) || a64_ldst_simm_ok(m->disp);
    if (!checked && !near)
        return A64_ZR;
    if (folds && !checked && !lower_sum_held(cx, base, index, lower_log2(m->scale)))
        return A64_ZR;
    return lower_sum(cx, base, index, lower_log2(m->scale));
}

static bool is_known_aligned(const struct lower_context *cx, const struct x64_insn *insn)
{
    unsigned bytes = insn->opd[insn->mem_operand].size;
    struct lower_low low = lower_address_low(&cx->facts, &insn->mem);
    return !cx->config->verify && low.bits >= (unsigned)__builtin_ctz(bytes) && !(low.value & (bytes - 1));
}

bool lower_sse_is_aligned(const struct lower_context *cx, const struct x64_insn *insn)
{
    return insn->form & X64_F_ALIGNED || is_known_aligned(cx, insn);
}

struct lower_mem lower_sse_address(struct lower_context *cx, const struct x64_insn *insn, unsigned log2)
{
    const struct x64_mem *m = &insn->mem;
    unsigned bytes = insn->opd[insn->mem_operand].size;
    struct lower_low low = lower_address_low(&cx->facts, m);
    if (cx->config->verify)
        low = (struct lower_low){ 0, 0 };
    if (!(insn->form & X64_F_ALIGNED) || is_known_aligned(cx, insn)) {
        a64_reg sum = index_sum(cx, insn, log2, false);
        return sum == A64_ZR ? lower_address(cx, insn, log2) : lower_mem_at(cx, lower_mem_register(sum), log2, m->disp);
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
        a64_reg sum = index_sum(cx, insn, log2, true);
        if (sum == A64_ZR)
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
