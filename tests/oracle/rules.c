// SPDX-License-Identifier: MIT
// rules.c - see rules.h.
#include "tests/oracle/rules.h"

enum { X64_RAX_BIT = 1 << X64_RAX, X64_RCX_BIT = 1 << X64_RCX, X64_RDX_BIT = 1 << X64_RDX, X64_RBX_BIT = 1 << X64_RBX,
       X64_OPERAND = 1 << 16 };             // the register that operand 0 names

struct rule { uint8_t rule; uint32_t registers; const char *reason; };

static const struct rule op_rules[X64_OP_COUNT] = {
#define EXCLUDED(op, why) [X64_##op] = { RULE_EXCLUDED, 0, why },
#define ABSENT_ISA(isa, why)
#define ABSENT(op, why) [X64_##op] = { RULE_ABSENT, 0, why },
#define OWN(op, which, why) [X64_##op] = { RULE_OWN, which, why },
#define ESTIMATE(op, why) [X64_##op] = { RULE_ESTIMATE, 0, why },
#define ULP(op, why) [X64_##op] = { RULE_ULP, 0, why },
#define NOT_TRIED(what, why)
#include "tests/oracle/rules.inc"
#undef EXCLUDED
#undef ABSENT_ISA
#undef ABSENT
#undef OWN
#undef ESTIMATE
#undef ULP
};

static const struct rule isa_rules[X64_ISA_COUNT] = {
#define EXCLUDED(op, why)
#define ABSENT_ISA(isa, why) [X64_ISA_##isa] = { RULE_ABSENT, 0, why },
#define ABSENT(op, why)
#define OWN(op, which, why)
#define ESTIMATE(op, why)
#define ULP(op, why)
#include "tests/oracle/rules.inc"
};

const char *const oracle_not_tried[][2] = {
#undef ABSENT_ISA
#define ABSENT_ISA(isa, why)
#undef NOT_TRIED
#define NOT_TRIED(what, why) { what, why },
#include "tests/oracle/rules.inc"
    { 0, 0 },
};

// What depends on operands and not on the operation alone.
static const struct rule *special_rule(const struct x64_insn *i)
{
    static const struct rule selector = { RULE_EXCLUDED, 0, "the selectors in fs and gs are the operating system's" };
    static const struct rule gs_load = { RULE_EXCLUDED, 0, "gs is how both sides reach their own thread data" };
    static const struct rule far = { RULE_EXCLUDED, 0, "a far pointer with REX.W: 64 bits of offset on Intel, 32 on AMD" };
    static const struct rule bswap = { RULE_EXCLUDED, 0, "BSWAP of 16 bits: the manual leaves the result open" };
    if ((i->op == X64_LSS || i->op == X64_LFS || i->op == X64_CALL_FAR || i->op == X64_JMP_FAR) && i->form & X64_F_W)
        return &far;
    if (i->op == X64_BSWAP && i->opd[0].size == 2)
        return &bswap;
    bool move = i->op == X64_MOV || i->op == X64_PUSH || i->op == X64_POP;
    for (unsigned j = 0; move && j < i->operand_count; j++)
        if (i->opd[j].kind == X64_OPD_SEG && i->opd[j].reg >= X64_FS) {
            bool load = i->opd[j].access & X64_WRITE;
            if (!load)
                return &selector;
            if (i->opd[j].reg == X64_GS)
                return &gs_load;
        }
    return 0;
}

enum oracle_rule oracle_rule_of(const struct x64_insn *i, const char **reason, uint16_t *registers)
{
    const struct rule *r = special_rule(i);
    if (!r)
        r = op_rules[i->op].rule ? &op_rules[i->op] : &isa_rules[x64_op_info((enum x64_op)i->op)->isa];
    if (reason)
        *reason = r->reason;
    if (registers) {
        *registers = (uint16_t)r->registers;
        if (r->registers & X64_OPERAND && i->opd[0].kind == X64_OPD_GPR)
            *registers |= (uint16_t)(1 << i->opd[0].reg);
    }
    return (enum oracle_rule)r->rule;
}

enum oracle_rule oracle_rule_of_form(const struct oracle_form *f, const char **reason)
{
    if (f->map == X64_MAP_0F && f->row->opcode == 0x0d && !f->memory) {
        if (reason)
            *reason = "0F 0D with a register: a NOP on Intel, #UD on AMD";
        return RULE_EXCLUDED;
    }
    return oracle_rule_of(&f->sample, reason, 0);
}

// ---- undefined flags
#define UNDEFINED(op, flags, why)
#define UNDEFINED_WHOLE(op, flags, why)
#define UNDEFINED_BEYOND(op, flags, why)
#define UNDEFINED_FAULT(op, flags, why)
#define UNDEFINED_RESULT(op, what, why)
static const uint16_t undefined_always[X64_OP_COUNT] = {
#undef UNDEFINED
#define UNDEFINED(op, flags, why) [X64_##op] = flags,
#include "tests/oracle/undefined.inc"
};
#undef UNDEFINED
#define UNDEFINED(op, flags, why)
static const uint16_t undefined_whole[X64_OP_COUNT] = {
#undef UNDEFINED_WHOLE
#define UNDEFINED_WHOLE(op, flags, why) [X64_##op] = flags,
#include "tests/oracle/undefined.inc"
};
#undef UNDEFINED_WHOLE
#define UNDEFINED_WHOLE(op, flags, why)
static const uint16_t undefined_beyond[X64_OP_COUNT] = {
#undef UNDEFINED_BEYOND
#define UNDEFINED_BEYOND(op, flags, why) [X64_##op] = flags,
#include "tests/oracle/undefined.inc"
};
#undef UNDEFINED_BEYOND
#define UNDEFINED_BEYOND(op, flags, why)
static const uint16_t undefined_fault[X64_OP_COUNT] = {
#undef UNDEFINED_FAULT
#define UNDEFINED_FAULT(op, flags, why) [X64_##op] = flags,
#include "tests/oracle/undefined.inc"
};
#undef UNDEFINED_FAULT
#define UNDEFINED_FAULT(op, flags, why)
static const bool undefined_result[X64_OP_COUNT] = {
#undef UNDEFINED_RESULT
#define UNDEFINED_RESULT(op, what, why) [X64_##op] = true,
#include "tests/oracle/undefined.inc"
};

uint16_t oracle_undefined_after(const struct x64_insn *i, uint16_t before)
{
    const struct x64_op_info *info = x64_op_info((enum x64_op)i->op);
    uint16_t open = undefined_always[i->op];
    if (info->attributes & X64_A_IF_COUNT) {
        const struct x64_operand *count = &i->opd[i->operand_count - 1];
        unsigned bits = i->opd[0].size * 8, n = (unsigned)count->value & (bits == 64 ? 63 : 31);
        if (count->kind != X64_OPD_IMM)             // may be zero
            return before | open | (bits < 32 ? undefined_beyond[i->op] : 0);
        if (n == 0)
            return before;
        open |= (n == bits ? undefined_whole[i->op] : 0) | (n > bits ? undefined_beyond[i->op] : 0);
    } else if (i->prefixes & (X64_P_REP | X64_P_REPNE)) {
        return before;                              // rcx may be zero
    }
    // A flag that the manual leaves undefined and that is compared may be one that processors leave as it was.
    return (uint16_t)((before & ~info->flags_written) | open);
}

uint16_t oracle_undefined_at_fault(const struct x64_insn *i)
{
    return i->prefixes & (X64_P_REP | X64_P_REPNE) ? undefined_fault[i->op] : 0;
}

bool oracle_result_undefined(const struct x64_insn *i, int cl)
{
    if (!undefined_result[i->op] || i->opd[0].size != 2)
        return false;
    const struct x64_operand *count = &i->opd[i->operand_count - 1];
    int64_t n = count->kind == X64_OPD_IMM ? count->value : cl;
    return i->op == X64_BSWAP || n < 0 || (n & 31) > 16;
}

bool oracle_leaves_c1(const struct x64_insn *i)
{
    return i->op == X64_FCOMI || i->op == X64_FCOMIP || i->op == X64_FUCOMI || i->op == X64_FUCOMIP;
}

bool oracle_undefined_everywhere(const struct x64_insn *i)
{
    switch (x64_op_info((enum x64_op)i->op)->isa) {
    case X64_ISA_VMX: case X64_ISA_SVM: case X64_ISA_SGX: case X64_ISA_CET: case X64_ISA_SYSTEM: return true;
    default: return oracle_rule_of(i, 0, 0) == RULE_ABSENT || i->op == X64_UD0 || i->op == X64_UD1 || i->op == X64_UD2 || i->op == X64_ENQCMDS;
    }
}
