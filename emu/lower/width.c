// SPDX-License-Identifier: MIT
// How wide the values in registers are: forwards over the region what is known to be zero, backwards within a block what nobody looks at.
//
// As with facts.c, what is known at a block's head holds on every way into it, an entry knows nothing, and with lower_config.verify nothing
// is known. It is known of x64's registers; within a block the arm64 ones may have anything above a narrow result (lower_upper_dead), but not
// at its end.
#include <string.h>
#include "emu/lower/width.h"

enum { ALL = 64, LOOK_AHEAD = 6, ROUNDS = 6 };      // ROUNDS: over the blocks, until what grows still is not known any more

unsigned lower_width(const struct lower_context *cx, a64_reg r)
{
    return r == A64_ZR ? 0 : cx->width[r];
}

void lower_width_set(struct lower_context *cx, a64_reg r, unsigned bits)
{
    cx->width[r] = (uint8_t)bits;
}

static void reset(uint8_t width[A64_SP + 1])
{
    memset(width, ALL, A64_SP + 1);
}

void lower_width_reset(struct lower_context *cx)
{
    reset(cx->width);
}

static unsigned most(unsigned a, unsigned b) { return a > b ? a : b; }
static unsigned least(unsigned a, unsigned b) { return a < b ? a : b; }

// Of an operand's value, zero-extended.
static unsigned operand_width(const uint8_t *width, const struct x64_operand *opd)
{
    unsigned bits = opd->size * 8;
    if (opd->kind == X64_OPD_GPR && opd->reg < 16 && opd->reg != X64_RSP)
        return least(bits, width[lower_gpr(opd->reg)]);
    if (opd->kind == X64_OPD_GPR8_HIGH)
        return least(8, most(8, width[lower_gpr(opd->reg)]) - 8);
    if (opd->kind == X64_OPD_IMM) {
        uint64_t value = (uint64_t)opd->value & (bits >= 64 ? ~0ull : (1ull << bits) - 1);
        return value ? 64 - (unsigned)__builtin_clzll(value) : 0;
    }
    return bits;
}

// Of the result of an instruction that writes all of opd[0], a register of 4 or 8 bytes; what is not here is not known.
static unsigned result_width(const uint8_t *width, const struct x64_insn *insn)
{
    const struct x64_operand *dst = &insn->opd[0], *src = &insn->opd[1];
    unsigned bits = dst->size * 8, d = operand_width(width, dst), s = insn->operand_count > 1 ? operand_width(width, src) : ALL;
    bool same = src->kind == X64_OPD_GPR && src->reg == dst->reg && src->size == dst->size;
    switch (insn->op) {
    case X64_MOV: case X64_MOVZX:
        return least(bits, s);
    case X64_XOR:
        return same ? 0 : most(d, s);
    case X64_OR:
        return most(d, s);
    case X64_AND:
        return least(d, s);
    case X64_SUB:
        return same ? 0 : bits;
    case X64_SHR: {
        unsigned n = src->kind == X64_OPD_IMM ? (unsigned)src->value & (bits - 1) : 0;
        return d > n ? d - n : 0;
    }
    case X64_CMOVCC:
        return most(d, s);
    case X64_POPCNT: case X64_LZCNT: case X64_TZCNT:
        return 7;
    case X64_ADD: case X64_ADC: case X64_SBB: case X64_INC: case X64_DEC: case X64_NEG: case X64_NOT: case X64_LEA: case X64_SHL:
    case X64_SAR: case X64_ROL: case X64_ROR: case X64_IMUL: case X64_IMUL2: case X64_MOVSX: case X64_MOVSXD:
        return bits;
    default:
        return ALL;
    }
}

// After the instruction. merged: what is above a result of one or two bytes has stayed.
static void after(uint8_t *width, const struct x64_insn *insn, uint16_t written, bool merged)
{
    const struct x64_operand *dst = &insn->opd[0];
    bool one = insn->operand_count && (dst->kind == X64_OPD_GPR || dst->kind == X64_OPD_GPR8_HIGH) && dst->reg < 16
               && written == 1u << dst->reg;
    if (!one) {
        for (unsigned rest = written; rest; rest &= rest - 1)
            width[lower_gpr((unsigned)__builtin_ctz(rest))] = ALL;
        if ((insn->op == X64_MUL || insn->op == X64_IMUL1 || insn->op == X64_DIV || insn->op == X64_IDIV) && dst->size == 4)
            width[lower_gpr(X64_RAX)] = width[lower_gpr(X64_RDX)] = 32;
        return;
    }
    a64_reg r = lower_gpr(dst->reg);
    if (dst->kind == X64_OPD_GPR && dst->size >= 4)
        width[r] = (uint8_t)result_width(width, insn);
    else
        width[r] = (uint8_t)(merged ? most(width[r], dst->kind == X64_OPD_GPR8_HIGH ? 16 : dst->size * 8) : ALL);
}

void lower_width_after(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *dst = &insn->opd[0];
    uint16_t written = x64_gprs_written(insn) & (uint16_t)~(1u << X64_RSP);
    if (!written)
        return;
    // A narrow result is not merged where nobody sees the rest: there is anything above it then, but for what comes zero-extended.
    bool extended = insn->op == X64_SETCC || insn->op == X64_MOV;
    bool whole = dst->kind == X64_OPD_GPR && dst->size >= 4;
    bool merged = whole || extended || (insn->rip == cx->insn->x.rip && (dst->kind == X64_OPD_GPR8_HIGH || !lower_upper_dead(cx, dst->reg, dst->size)));
    if (!cx->lazy_count) {
        after(cx->width, insn, written, merged);
        return;
    }
    uint8_t width[A64_SP + 1];
    memcpy(width, cx->width, sizeof width);
    for (unsigned i = 0; i < cx->lazy_count; i++)
        width[lower_gpr(cx->lazies[i].reg)] = (uint8_t)lower_value_width(cx, cx->lazies[i].reg);
    after(width, insn, written, merged);
    for (unsigned rest = written; rest; rest &= rest - 1) {
        a64_reg r = lower_gpr((unsigned)__builtin_ctz(rest));
        cx->width[r] = width[r];
    }
}

void lower_width_begin(struct lower_context *cx, const struct lower_block *k)
{
    lower_width_reset(cx);
    for (unsigned i = 0; i < 16; i++)
        if (i != X64_RSP)
            lower_width_set(cx, lower_gpr(i), k->width[i]);
}

static void meet(struct lower_block *to, const uint8_t *width, bool still, bool *changed)
{
    if (to->entry)
        return;
    for (unsigned i = 0; i < 16; i++) {
        uint8_t bits = width[lower_gpr(i)];
        if (to->reached && bits <= to->width[i])
            continue;
        to->width[i] = to->reached && still ? ALL : bits;
        to->again = *changed = true;
    }
    to->reached = true;
}

// Whether anything in the region would like to know.
static bool wanted(const struct lower_context *cx)
{
    for (uint32_t i = 0; i < cx->insn_count; i++) {
        const struct x64_insn *x = &cx->work->insns[i].x;
        for (unsigned j = 0; j < x->operand_count; j++)
            if (x->opd[j].kind == X64_OPD_GPR && x->opd[j].size < 4)
                return true;
    }
    return false;
}

void lower_width_find(struct lower_context *cx)
{
    struct lower_block *blocks = cx->work->blocks;
    for (uint32_t i = 0; i < cx->block_count; i++) {
        memset(blocks[i].width, ALL, sizeof blocks[i].width);
        blocks[i].reached = blocks[i].again = blocks[i].entry;
    }
    if (cx->config->verify || cx->block_count < 2 || !wanted(cx))
        return;
    bool changed = true;
    for (unsigned round = 0; changed; round++) {
        changed = false;
        for (uint32_t i = 0; i < cx->block_count; i++) {
            struct lower_block *k = &blocks[i];
            if (!k->again)
                continue;
            k->again = false;
            uint8_t width[A64_SP + 1];
            for (unsigned j = 0; j < 16; j++)
                width[lower_gpr(j)] = k->width[j];
            for (unsigned j = 0; j < k->count; j++) {
                const struct lower_insn *insn = &cx->work->insns[k->first + j];
                if (insn->function == lower_in_kernel)
                    reset(width);
                else if (insn->writes)
                    after(width, &insn->x, insn->writes, true);
            }
            width[A64_SP] = ALL;
            if (k->next >= 0 && (k->end == END_NEXT || k->end == END_BRANCH || k->end == END_UNDECODED))
                meet(&blocks[k->next], width, round >= ROUNDS, &changed);
            if (k->taken >= 0 && (k->end == END_BRANCH || k->end == END_JUMP))
                meet(&blocks[k->taken], width, round >= ROUNDS, &changed);
        }
    }
}

// What an instruction does with register r of which the low `size` bytes are right.
enum use { USE_NONE, USE_ENDS, USE_SEES };

static enum use use_of(const struct lower_insn *which, unsigned reg, unsigned size)
{
    const struct x64_insn *insn = &which->x;
    if (which->observes == X64_ARITH_FLAGS || x64_ends_block(insn))
        return USE_SEES;
    const struct x64_operand *to = &insn->opd[0], *from = &insn->opd[1];
    if (insn->op == X64_XOR && to->kind == X64_OPD_GPR && from->kind == X64_OPD_GPR && to->reg == reg && from->reg == reg && to->size >= 4)
        return USE_ENDS;
    bool touched = (x64_gprs_read(insn) | x64_gprs_written(insn)) >> reg & 1, whole = false;
    if (insn->form & X64_F_MEM && (insn->mem.base == reg || insn->mem.index == reg))
        return USE_SEES;
    unsigned named = 0;
    for (unsigned i = 0; i < insn->operand_count; i++) {
        const struct x64_operand *opd = &insn->opd[i];
        if ((opd->kind != X64_OPD_GPR && opd->kind != X64_OPD_GPR8_HIGH) || opd->reg != reg)
            continue;
        named++;
        if (!(opd->access & (X64_READ | X64_WRITE)))
            continue;
        if (opd->kind == X64_OPD_GPR8_HIGH)
            return USE_SEES;
        if (opd->size <= size)
            continue;
        if (opd->size < 4 || opd->access & (X64_READ | X64_MAYBE))
            return USE_SEES;
        whole = true;
    }
    if ((touched && !named) || x64_op_info(insn->op)->gpr_read >> reg & 1)
        return USE_SEES;
    return whole ? USE_ENDS : USE_NONE;
}

bool lower_upper_dead(const struct lower_context *cx, unsigned reg, unsigned size)
{
    const struct lower_block *k = cx->block;
    if (cx->config->verify || reg == X64_RSP)
        return false;
    const struct lower_insn *insn = cx->insn, *end = &cx->work->insns[k->first + k->count];
    for (unsigned i = 0; i < LOOK_AHEAD && ++insn < end; i++) {
        enum use use = use_of(insn, reg, size);
        if (use != USE_NONE)
            return use == USE_ENDS;
    }
    return false;
}
