// SPDX-License-Identifier: MIT
//
// info.c - questions about an instruction, answered from x64_ops.inc and the operands.
#include "emu/x64/rows.h"

const struct x64_op_info x64_op_infos[X64_OP_COUNT] = {
    [X64_BAD] = { .name = "BAD" },
#define X(name_, isa_, access_, reads, writes, undefined, cleared, gpr_reads, gpr_writes, attributes_) \
    [X64_##name_] = { .name = #name_, .access = access_, .isa = X64_ISA_##isa_, .flags_read = reads, \
        .flags_written = writes, .flags_undefined = undefined, .flags_cleared = cleared, \
        .gpr_read = gpr_reads, .gpr_written = gpr_writes, .attributes = attributes_ },
#include "emu/x64/x64_ops.inc"
#undef X
};

uint16_t x64_cond_flags(enum x64_cond cond)
{
    static const uint16_t flags[8] = { X64_OF, X64_CF, X64_ZF, X64_CF | X64_ZF, X64_SF, X64_PF,
                                       X64_SF | X64_OF, X64_ZF | X64_SF | X64_OF };
    return cond == X64_CC_NONE ? 0 : flags[cond >> 1 & 7];
}

// Shifts and rotates: the count is the last operand, masked. Zero changes no flag; OF is defined only for one.
enum { COUNT_UNKNOWN = -1 };

static int shift_count(const struct x64_insn *insn)
{
    const struct x64_operand *count = &insn->opd[insn->operand_count - 1];
    if (count->kind != X64_OPD_IMM)
        return COUNT_UNKNOWN;
    return (int)(count->value & (insn->opsize == 8 ? 63 : 31));
}

static bool repeats(const struct x64_insn *insn)
{
    return insn->prefixes & (X64_P_REP | X64_P_REPNE);
}

uint16_t x64_flags_written(const struct x64_insn *insn)
{
    const struct x64_op_info *info = x64_op_info(insn->op);
    if (info->attributes & X64_A_IF_COUNT) {
        int count = shift_count(insn);
        if (count == 0)
            return 0;
        if (count > 1)
            return info->flags_written & ~X64_OF;
    }
    return info->flags_written;
}

// Flags that the manual calls undefined and every processor leaves as they were.
static bool leaves_undefined_flags(const struct x64_insn *insn)
{
    return insn->op == X64_BT || insn->op == X64_BTS || insn->op == X64_BTR || insn->op == X64_BTC;
}

static uint16_t flags_killed(const struct x64_insn *insn, const struct x64_op_info *info)
{
    if (!info->flags_undefined && !insn->prefixes && !(info->attributes & X64_A_IF_COUNT))      // most of them
        return info->flags_written;
    if (info->flags_undefined && leaves_undefined_flags(insn))
        return info->flags_written;
    if ((info->attributes & X64_A_IF_COUNT) && shift_count(insn) <= 0)
        return 0;
    if (repeats(insn))                              // rcx may be zero
        return 0;
    return info->flags_written | info->flags_undefined;
}

// The byte forms of MUL and DIV work in ax alone.
static uint16_t implicit_gprs(const struct x64_insn *insn, uint16_t mask)
{
    bool only_ax = insn->op == X64_MUL || insn->op == X64_IMUL1 || insn->op == X64_DIV || insn->op == X64_IDIV;
    if (only_ax && insn->opsize == 1)
        mask &= (uint16_t)~(1 << X64_RDX);
    if (repeats(insn))
        mask |= 1 << X64_RCX;
    return mask;
}

static void find_gprs(struct x64_insn *insn, const struct x64_op_info *info)
{
    uint16_t read = info->gpr_read, written = info->gpr_written;
    if (read | written) {
        read = implicit_gprs(insn, read);
        written = implicit_gprs(insn, written);
    }
    bool some = insn->kinds & (1 << X64_OPD_GPR | 1 << X64_OPD_GPR8_HIGH);
    for (unsigned i = 0; some && i < insn->operand_count; i++) {
        const struct x64_operand *opd = &insn->opd[i];
        if (opd->kind != X64_OPD_GPR && opd->kind != X64_OPD_GPR8_HIGH)
            continue;
        uint16_t bit = (uint16_t)(1 << opd->reg);
        if (opd->access & X64_WRITE)
            written |= bit;
        if (opd->access & X64_READ || (opd->access & X64_WRITE && opd->size < 4))
            read |= bit;
    }
    if (insn->form & X64_F_MEM) {
        if (insn->mem.base < 16)
            read |= (uint16_t)(1 << insn->mem.base);
        if (insn->mem.index < 16 && !insn->mem.vsib)
            read |= (uint16_t)(1 << insn->mem.index);
    }
    insn->gprs_read = read;
    insn->gprs_written = written;
}

static enum x64_flow flow_of(const struct x64_insn *insn, const struct x64_op_info *info)
{
    enum x64_flow flow = (enum x64_flow)(info->attributes >> X64_FLOW_SHIFT);
    if (flow == X64_FLOW_NEXT)
        return flow;
    bool direct = insn->opd[0].kind == X64_OPD_REL;
    if (flow == X64_FLOW_JUMP && !direct)
        return X64_FLOW_JUMP_INDIRECT;
    if (flow == X64_FLOW_CALL && !direct)
        return X64_FLOW_CALL_INDIRECT;
    return flow;
}

static unsigned accesses_of(const struct x64_insn *insn, const struct x64_op_info *info)
{
    unsigned access = insn->form & X64_F_MEM ? insn->opd[insn->mem_operand].access : 0;
    unsigned accesses = (access & X64_READ || info->attributes & X64_A_READS ? X64_READS_MEMORY : 0) |
                        (access & X64_WRITE || info->attributes & X64_A_WRITES ? X64_WRITES_MEMORY : 0);
    if (accesses || info->attributes & (X64_A_FAULTS | X64_A_PRIVILEGED | X64_A_IO) || info->isa == X64_ISA_X87)
        accesses |= X64_MAY_FAULT;
    return accesses;
}

void x64_find_effects(struct x64_insn *insn)
{
    const struct x64_op_info *info = x64_op_info(insn->op);
    insn->flow = (uint8_t)flow_of(insn, info);
    insn->accesses = (uint8_t)accesses_of(insn, info);
    insn->flags_read = info->flags_read | x64_cond_flags(insn->cond);
    insn->flags_killed = flags_killed(insn, info);
    find_gprs(insn, info);
}

const char *x64_status_name(enum x64_status status)
{
    switch (status) {
    case X64_OK: return "ok";
    case X64_TRUNCATED: return "truncated";
    case X64_INVALID: return "invalid opcode";
    case X64_TOO_LONG: return "longer than 15 bytes";
    }
    return "unknown status";
}

const char *x64_isa_name(enum x64_isa isa)
{
    static const char *const names[X64_ISA_COUNT] = {
#define I(name) [X64_ISA_##name] = #name,
#include "emu/x64/x64_isa.inc"
#undef I
    };
    return (unsigned)isa < X64_ISA_COUNT ? names[isa] : "unknown";
}
