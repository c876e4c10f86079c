// SPDX-License-Identifier: MIT
// Code that looks after itself (lower_config.verify): its x64 bytes may change at any time and nobody is told.
//
// A segment begins at every block's start and behind every instruction that may have stored, and ends with the next one that
// may store. Its bytes are compared with what they were when it was translated before anything of it is done; if they differ,
// control leaves to the segment's own address, where the kernel finds or makes a translation that fits. So a store takes effect
// at the next instruction, a loop looks again each time round, and the comparison uses no flags.
//
// Operands that are known to change (lower_config.is_loose) are not compared but read from the code each time they are used: an
// immediate becomes a register operand, a displacement is added to the address, a relative target becomes an indirect
// branch. Such an instruction is compared once more together with its operand, in one load if it lies in an aligned
// eight-byte word: whoever replaces it by one store of that word is never seen half way.
#include "emu/lower/verify.h"

enum { REG_IMM = 30, REG_DISP = 6 };            // where the operands are kept during their instruction

static const uint16_t loose_imm_ops[] = {
    X64_MOV, X64_ADD, X64_SUB, X64_ADC, X64_SBB, X64_AND, X64_OR, X64_XOR, X64_CMP, X64_TEST, X64_IMUL, X64_PUSH,
};
static const uint16_t loose_disp_ops[] = {
    X64_MOV, X64_ADD, X64_SUB, X64_ADC, X64_SBB, X64_AND, X64_OR, X64_XOR, X64_CMP, X64_TEST, X64_IMUL, X64_IMUL2, X64_PUSH, X64_LEA,
    X64_MOVZX, X64_MOVSX, X64_MOVSXD, X64_INC, X64_DEC, X64_NEG, X64_NOT, X64_CALL, X64_JMP,
    X64_MOVSD, X64_MOVSS, X64_MOVUPS, X64_MOVUPD, X64_MOVDQU, X64_MOVQ, X64_MOVD,
};

static bool among(const uint16_t *ops, size_t count, uint16_t op)
{
    for (size_t i = 0; i < count; i++)
        if (ops[i] == op)
            return true;
    return false;
}

uint8_t lower_loose_fields(const struct x64_insn *insn)
{
    uint8_t fields = 0;
    for (unsigned i = 0; i < insn->operand_count; i++) {
        const struct x64_operand *opd = &insn->opd[i];
        bool part_of_rsp = opd->kind == X64_OPD_GPR && opd->reg == X64_RSP && opd->size < 4;     // needs all temporaries
        if (opd->kind == X64_OPD_MMX || opd->kind == X64_OPD_SEG || part_of_rsp)
            return 0;
    }
    const struct x64_operand *last = insn->operand_count ? &insn->opd[insn->operand_count - 1] : NULL;
    if (insn->imm_bytes && last && last->kind == X64_OPD_REL
        && (insn->op == X64_JMP || insn->op == X64_CALL || insn->op == X64_JCC))
        fields |= LOOSE_REL;
    if (insn->imm_bytes && last && last->kind == X64_OPD_IMM
        && among(loose_imm_ops, sizeof loose_imm_ops / sizeof *loose_imm_ops, insn->op))
        fields |= LOOSE_IMM;
    if (insn->disp_bytes && insn->form & X64_F_MEM && !(insn->form & X64_F_ALIGNED) && !insn->mem.vsib
        && among(loose_disp_ops, sizeof loose_disp_ops / sizeof *loose_disp_ops, insn->op))
        fields |= LOOSE_DISP;
    return fields;
}

void lower_loose_find(struct lower_context *cx, struct lower_insn *insn)
{
    const struct x64_insn *x = &insn->x;
    const struct code_source *source = cx->source;
    uint8_t fields = lower_loose_fields(x);
    insn->loose = 0;
    if (fields & (LOOSE_IMM | LOOSE_REL) && cx->config->is_loose(source->context, x->rip + x->imm_at, x->imm_bytes))
        insn->loose |= fields & (LOOSE_IMM | LOOSE_REL);
    if (fields & LOOSE_DISP && cx->config->is_loose(source->context, x->rip + x->disp_at, x->disp_bytes))
        insn->loose |= LOOSE_DISP;
}

// Whether the byte of the instruction is compared.
static bool compared(const struct lower_insn *insn, unsigned at)
{
    const struct x64_insn *x = &insn->x;
    if (insn->loose & (LOOSE_IMM | LOOSE_REL) && at >= x->imm_at && at < x->imm_at + x->imm_bytes)
        return false;
    return !(insn->loose & LOOSE_DISP && at >= x->disp_at && at < x->disp_at + x->disp_bytes);
}

struct check { uint64_t word, value, mask; };   // an aligned word of code

// The bytes of instructions [from, to] that lie in the aligned word.
static struct check check_of(const struct lower_context *cx, unsigned from, unsigned to, uint64_t word)
{
    struct check c = { .word = word };
    for (unsigned i = from; i <= to; i++) {
        const struct lower_insn *insn = &cx->work->insns[i];
        if ((int64_t)(insn->x.rip + insn->x.length - word) <= 0)
            continue;
        if ((int64_t)(insn->x.rip - word) >= 8)
            break;
        for (unsigned at = 0; at < insn->x.length; at++) {
            uint64_t va = insn->x.rip + at;
            if (va - word < 8 && compared(insn, at)) {
                c.value |= (uint64_t)insn->bytes[at] << (va - word) * 8;
                c.mask |= 0xffull << (va - word) * 8;
            }
        }
    }
    return c;
}

// r = 0 if the loaded word is as it was. Uses t.
static void compare(struct lower_context *cx, a64_reg r, a64_reg loaded, a64_reg t, const struct check *c)
{
    lower_const(cx, t, c->value);
    a64_eor_reg(cx->b, A64_X, r, loaded, t, A64_LSL, 0);
    if (c->mask == ~0ull)
        return;
    if (a64_logical_imm_ok(A64_X, c->mask)) {
        a64_and_imm(cx->b, A64_X, r, r, c->mask);
    } else {
        lower_const(cx, t, c->mask);
        a64_and_reg(cx->b, A64_X, r, r, t, A64_LSL, 0);
    }
}

static void changed(struct lower_context *cx, const struct lower_deferred *d)
{
    struct lower_result *r = cx->result;
    if (d->value)
        r->version_exit = r->exit_count;
    lower_go(cx, -1, d->insn->x.rip);
}

// Leaves to the current instruction if the bytes of [from, to] differ. head: the check of the region's own address.
static void emit_check(struct lower_context *cx, unsigned from, unsigned to, bool head)
{
    enum { BASE = 17, LOADED = 10, T = 11, SUM = 12, NEXT = 16 };
    const struct lower_insn *last = &cx->work->insns[to];
    uint64_t start = cx->work->insns[from].x.rip & ~7ull, bytes = last->x.rip + last->x.length - start;     // the end may be 2^64
    bool first = true;
    lower_order_flush(cx);
    for (uint64_t at = 0; at < bytes; at += 8) {
        struct check c = check_of(cx, from, to, start + at);
        if (!c.mask)
            continue;
        if (first)
            lower_const(cx, BASE, start);
        a64_ldr_uimm(cx->b, 3, A64_ZERO, LOADED, BASE, (int64_t)at);
        compare(cx, first ? SUM : NEXT, LOADED, T, &c);
        if (!first)
            a64_orr_reg(cx->b, A64_X, SUM, SUM, NEXT, A64_LSL, 0);
        first = false;
    }
    if (first)
        return;
    struct lower_deferred *d = lower_defer(cx, changed);
    d->value = head;
    lower_cbnz(cx, A64_X, SUM, d->label);
    if (lower_tso(cx))
        a64_dmb(cx->b, A64_ISHLD);              // what the code reads is read after the code
}

static bool may_store(const struct x64_insn *insn)
{
    return x64_writes_memory(insn) || lower_choose(insn) == lower_in_kernel;
}

static void remember(struct lower_context *cx, unsigned from, unsigned to)
{
    struct lower_result *r = cx->result;
    r->checked_count = 0;
    for (unsigned i = from; i <= to; i++) {
        const struct lower_insn *insn = &cx->work->insns[i];
        for (unsigned at = 0; at < insn->x.length; at++) {
            if (r->checked_count >= r->checked_capacity) {
                cx->full = true;
                return;
            }
            r->checked_mask[r->checked_count] = compared(insn, at) ? 0xff : 0;
            r->checked[r->checked_count++] = insn->bytes[at];
        }
    }
}

static void segment(struct lower_context *cx, const struct lower_block *k, unsigned j, bool head)
{
    unsigned from = k->first + j, to = from, end = k->first + k->count - 1;
    while (to < end && !may_store(&cx->work->insns[to].x))
        to++;
    if (head)
        remember(cx, from, to);
    cx->insn = &cx->work->insns[from];
    cx->live = cx->read = X64_ARITH_FLAGS;
    lower_point_here(cx);
    emit_check(cx, from, to, head);
}

void lower_verify_segment(struct lower_context *cx, const struct lower_block *k, unsigned j)
{
    if (!j || may_store(&cx->work->insns[k->first + j - 1].x))
        segment(cx, k, j, false);
}

void lower_verify_entry(struct lower_context *cx, const struct lower_block *k)
{
    segment(cx, k, 0, true);
}

static void load_field(struct lower_context *cx, a64_reg to, uint64_t va, unsigned bytes)
{
    a64_reg t = 10;
    lower_const(cx, t, va);
    a64_ldr_uimm(cx->b, lower_log2(bytes), bytes == 8 ? A64_ZERO : A64_SIGN64, to, t, 0);
}

// The loose operands of the instruction into REG_IMM and REG_DISP, and *out the instruction with registers in their place.
void lower_verify_operands(struct lower_context *cx, const struct lower_insn *insn, struct x64_insn *out)
{
    const struct x64_insn *x = &insn->x;
    unsigned index = (unsigned)(insn - cx->work->insns);
    bool imm = insn->loose & (LOOSE_IMM | LOOSE_REL), disp = insn->loose & LOOSE_DISP;
    uint64_t word = x->rip & ~7ull;
    lower_order_flush(cx);
    *out = *x;
    if (x->rip + x->length - word <= 8) {
        enum { LOADED = 10, T = 11, DIFFERENCE = 12 };
        struct check c = check_of(cx, index, index, word);
        lower_const(cx, T, word);
        a64_ldr_uimm(cx->b, 3, A64_ZERO, LOADED, T, 0);
        if (imm)
            a64_sbfx(cx->b, A64_X, REG_IMM, LOADED, (unsigned)(x->rip + x->imm_at - word) * 8, x->imm_bytes * 8u);
        if (disp)
            a64_sbfx(cx->b, A64_X, REG_DISP, LOADED, (unsigned)(x->rip + x->disp_at - word) * 8, x->disp_bytes * 8u);
        compare(cx, DIFFERENCE, LOADED, T, &c);
        lower_cbnz(cx, A64_X, DIFFERENCE, lower_defer(cx, changed)->label);
        if (lower_tso(cx))
            a64_dmb(cx->b, A64_ISHLD);
    } else {
        if (imm)
            load_field(cx, REG_IMM, x->rip + x->imm_at, x->imm_bytes);
        if (disp)
            load_field(cx, REG_DISP, x->rip + x->disp_at, x->disp_bytes);
        if (lower_tso(cx))
            a64_dmb(cx->b, A64_ISHLD);
        emit_check(cx, index, index, false);
    }
    if (insn->loose & LOOSE_IMM) {
        struct x64_operand *opd = &out->opd[out->operand_count - 1];
        opd->kind = X64_OPD_GPR;
        opd->reg = LOWER_REG_LOOSE;
    }
    cx->loose = insn->loose;
    cx->temps = 0;
}

a64_reg lower_loose_disp(void)
{
    return REG_DISP;
}

// x9 = the target of a direct branch whose distance is in REG_IMM.
void lower_loose_target(struct lower_context *cx, const struct x64_insn *insn)
{
    lower_const(cx, 9, insn->rip + insn->length);
    a64_add_reg(cx->b, A64_X, 9, 9, REG_IMM, A64_LSL, 0);
}
