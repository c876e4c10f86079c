// SPDX-License-Identifier: MIT
// Forwards over the region: what is certain about registers before each instruction. How many low bits of a general register are known,
// and their value: so most alignment checks of SSE operands fall away. Which ymm registers have an upper half of zero.
//
// Facts hold at the head of a block only if they hold on every way into it; an entry has none. With lower_config.verify nothing is known,
// since each instruction may turn out to be another one.
#include "emu/lower/facts.h"

enum { MOST = 5 };                              // bits: 32 bytes is the widest alignment

static struct lower_low low_bits(unsigned bits, uint64_t value)
{
    if (bits > MOST)
        bits = MOST;
    return (struct lower_low){ (uint8_t)bits, (uint8_t)(value & ((1u << bits) - 1)) };
}

static struct lower_low low_add(struct lower_low a, struct lower_low b)
{
    return low_bits(a.bits < b.bits ? a.bits : b.bits, (uint64_t)a.value + b.value);
}

static struct lower_low low_shift(struct lower_low a, unsigned count)
{
    return count < MOST ? low_bits(a.bits + count, (uint64_t)a.value << count) : low_bits(MOST, 0);
}

// What both say.
static struct lower_low low_meet(struct lower_low a, struct lower_low b)
{
    unsigned bits = a.bits < b.bits ? a.bits : b.bits;
    while (bits && (a.value ^ b.value) & ((1u << bits) - 1))
        bits--;
    return low_bits(bits, a.value);
}

static struct lower_low known(uint64_t value) { return low_bits(MOST, value); }

static bool sum_matches(const struct lower_sum *sum, const struct x64_mem *m)
{
    return sum->low.bits && sum->base == m->base && sum->index == m->index && sum->scale == m->scale;
}

struct lower_low lower_address_low(const struct lower_facts *f, const struct x64_mem *m)
{
    if (m->segment == X64_GS || m->vsib)
        return low_bits(0, 0);
    if (m->base == X64_REG_RIP || (m->base == X64_REG_NONE && m->index == X64_REG_NONE))
        return known(m->base == X64_REG_RIP ? m->address : (uint64_t)m->disp);
    struct lower_low sum = m->base == X64_REG_NONE ? known(0) : f->gpr[m->base];
    if (m->index != X64_REG_NONE) {
        sum = low_add(sum, low_shift(f->gpr[m->index], (unsigned)__builtin_ctz(m->scale)));
        if (sum_matches(&f->sum, m) && f->sum.low.bits > sum.bits)
            sum = f->sum.low;
    }
    return low_add(sum, known((uint64_t)m->disp));
}

// The instruction has not faulted, so its operand is aligned; or a check has just said so.
void lower_facts_aligned(struct lower_facts *f, const struct x64_mem *m, unsigned bytes)
{
    if (m->segment == X64_GS || m->vsib || m->base >= 16)
        return;
    struct lower_low sum = low_bits((unsigned)__builtin_ctz(bytes), 0 - (uint64_t)m->disp);
    if (m->index == X64_REG_NONE) {
        if (f->gpr[m->base].bits < sum.bits)
            f->gpr[m->base] = sum;
        return;
    }
    struct lower_low index = low_shift(f->gpr[m->index], (unsigned)__builtin_ctz(m->scale));
    struct lower_low rest = low_bits(index.bits, 0 - (uint64_t)index.value);
    if (low_add(sum, rest).bits > f->gpr[m->base].bits)
        f->gpr[m->base] = low_add(sum, rest);
    f->sum = (struct lower_sum){ m->base, m->index, m->scale, sum };
}

// The register's value afterwards, for the operations that keep what is known.
static struct lower_low result(const struct lower_facts *f, const struct x64_insn *x)
{
    const struct x64_operand *to = &x->opd[0], *from = &x->opd[1];
    struct lower_low old = f->gpr[to->reg], other = low_bits(0, 0);
    bool imm = from->kind == X64_OPD_IMM;
    if (imm)
        other = known((uint64_t)from->value);
    else if (from->kind == X64_OPD_GPR)
        other = f->gpr[from->reg];
    switch (x->op) {
    case X64_MOV: return other;
    case X64_LEA: return x->mem.segment == X64_SEGMENT_NONE ? lower_address_low(f, &x->mem) : low_bits(0, 0);
    case X64_ADD: return low_add(old, other);
    case X64_SUB:
        if (from->kind == X64_OPD_GPR && from->reg == to->reg)
            return known(0);
        return low_add(old, low_bits(other.bits, 0 - (uint64_t)other.value));
    case X64_INC: return low_add(old, known(1));
    case X64_DEC: return low_add(old, known(~0ull));
    case X64_XOR: return from->kind == X64_OPD_GPR && from->reg == to->reg ? known(0) : low_bits(0, 0);
    case X64_SHL: return imm ? low_shift(old, (unsigned)from->value & (to->size == 8 ? 63 : 31)) : low_bits(0, 0);
    case X64_AND:
        if (!imm)
            return low_bits(0, 0);
        for (unsigned bits = MOST; bits > old.bits; bits--)             // zeroes of the constant reach further up than what was known
            if (!(from->value & ((1 << bits) - 1) & ~((1 << old.bits) - 1)))
                return low_bits(bits, old.value & (uint64_t)from->value);
        return low_bits(old.bits, old.value & (uint64_t)from->value);
    default: return low_bits(0, 0);
    }
}

static void uppers(struct lower_facts *f, const struct lower_insn *insn)
{
    const struct x64_insn *x = &insn->x;
    if (x->op == X64_VZEROUPPER || x->op == X64_VZEROALL) {
        f->high_zero = 0xffff;
        return;
    }
    if (x64_op_info((enum x64_op)x->op)->attributes & X64_A_VECTOR_ALL || insn->function == lower_in_kernel) {
        f->high_zero = 0;
        return;
    }
    bool zeroes = (x->op == X64_VPXOR || x->op == X64_VXORPS || x->op == X64_VXORPD) && x->opd[2].kind == X64_OPD_YMM && x->opd[1].reg == x->opd[2].reg;
    for (unsigned i = 0; i < x->operand_count; i++) {
        const struct x64_operand *opd = &x->opd[i];
        if (!(opd->access & X64_WRITE))
            continue;
        if (opd->kind == X64_OPD_YMM && !zeroes)
            f->high_zero &= (uint16_t)~(1u << opd->reg);
        else if ((opd->kind == X64_OPD_XMM || opd->kind == X64_OPD_YMM) && x->form & X64_F_VEX)
            f->high_zero |= (uint16_t)(1u << opd->reg);
    }
}

void lower_facts_after(struct lower_facts *f, const struct lower_insn *insn)
{
    const struct x64_insn *x = &insn->x;
    if (insn->vector) {
        uppers(f, insn);
        lower_upper_after(&f->upper, insn);
    }
    if (x->form & X64_F_ALIGNED && x->opd[x->mem_operand].size >= 16 && x->opd[x->mem_operand].size <= 32)
        lower_facts_aligned(f, &x->mem, x->opd[x->mem_operand].size);
    uint16_t written = insn->writes;
    if (!written)
        return;
    struct lower_low value = low_bits(0, 0), rsp = low_bits(0, 0);
    bool whole = x->opd[0].kind == X64_OPD_GPR && x->opd[0].size >= 4 && x->opd[0].access & X64_WRITE;
    if (whole)
        value = result(f, x);
    if ((x->op == X64_PUSH || x->op == X64_CALL) && x->opsize == 8)
        rsp = low_add(f->gpr[X64_RSP], known(0 - 8ull));
    else if (x->op == X64_RET && x->opsize == 8)
        rsp = low_add(f->gpr[X64_RSP], known(8 + (x->operand_count ? (uint16_t)x->opd[0].value : 0)));
    else if (x->op == X64_POP && x->opsize == 8 && !(whole && x->opd[0].reg == X64_RSP))
        rsp = low_add(f->gpr[X64_RSP], known(8));
    for (unsigned rest = written; rest; rest &= rest - 1) {
        unsigned i = (unsigned)__builtin_ctz(rest);
        f->gpr[i] = i == X64_RSP ? rsp : low_bits(0, 0);
    }
    if (whole && x->op != X64_POP && x->op != X64_PUSH)
        f->gpr[x->opd[0].reg] = value;
    if (f->sum.low.bits && (written >> f->sum.base | written >> f->sum.index) & 1)
        f->sum.low.bits = 0;
}

static void meet(struct lower_block *to, const struct lower_facts *from, bool *changed)
{
    if (to->entry)
        return;
    struct lower_facts old = to->facts, *f = &to->facts;
    if (!to->reached) {
        to->reached = true;
        *f = *from;
        f->sum.low.bits = 0;
        to->again = *changed = true;
        return;
    }
    f->high_zero &= from->high_zero;
    f->upper.singles &= from->upper.singles;
    f->upper.doubles &= from->upper.doubles;
    bool other = f->high_zero != old.high_zero || f->upper.singles != old.upper.singles || f->upper.doubles != old.upper.doubles;
    for (unsigned i = 0; i < 16; i++) {
        f->gpr[i] = low_meet(old.gpr[i], from->gpr[i]);
        other |= f->gpr[i].bits != old.gpr[i].bits;
    }
    to->again |= other;
    *changed |= other;
}

bool lower_facts_wanted(const struct x64_insn *x)
{
    return x->form & (X64_F_ALIGNED | X64_F_VEX) || x64_op_info(x->op)->attributes & X64_A_FP;
}

void lower_facts_find(struct lower_context *cx)
{
    static const struct lower_facts none;
    struct lower_block *blocks = cx->work->blocks;
    for (uint32_t i = 0; i < cx->block_count; i++) {
        blocks[i].facts = none;
        blocks[i].reached = blocks[i].again = blocks[i].entry;
    }
    if (cx->config->verify || !cx->facts_wanted)
        return;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < cx->block_count; i++) {
            struct lower_block *k = &blocks[i];
            if (!k->again)
                continue;
            k->again = false;
            struct lower_facts f = k->facts;
            for (unsigned j = 0; j < k->count; j++)
                lower_facts_after(&f, &cx->work->insns[k->first + j]);
            if (k->next >= 0 && (k->end == END_NEXT || k->end == END_BRANCH || k->end == END_UNDECODED))
                meet(&blocks[k->next], &f, &changed);
            if (k->taken >= 0 && (k->end == END_BRANCH || k->end == END_JUMP))
                meet(&blocks[k->taken], &f, &changed);
        }
    }
    for (uint32_t i = 0; i < cx->block_count; i++)
        if (!blocks[i].reached)
            blocks[i].facts = none;
}
