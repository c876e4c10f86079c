// SPDX-License-Identifier: MIT
// flow.c - see flow.h.
#include "tests/oracle/flow.h"
#include "tests/oracle/rules.h"

static bool join(uint16_t *at, uint16_t open)
{
    bool changed = (*at | open) != *at;
    *at |= open;
    return changed;
}

static bool stores_status(const struct x64_insn *i)
{
    return i->op == X64_FNSTSW || i->op == X64_FNSTENV || i->op == X64_FNSAVE || i->op == X64_FXSAVE || i->op == X64_XSAVE || i->op == X64_XSAVEC ||
           i->op == X64_XSAVEOPT;
}

// An address in the sequence that the instruction puts where an indirect jump or a RET may take it from; its offset, or -1.
static int names_target(const struct x64_insn *i, uint64_t va, unsigned length)
{
    uint64_t address = i->op == X64_LEA && i->mem.base == X64_REG_RIP ? i->mem.address : 0;
    for (unsigned o = 0; o < i->operand_count && !address; o++)
        if (i->opd[o].kind == X64_OPD_IMM)
            address = (uint64_t)i->opd[o].value;
    return address - va <= length ? (int)(address - va) : -1;
}

static bool goes_away(const struct x64_insn *i)
{
    enum x64_flow flow = x64_flow(i);
    return flow == X64_FLOW_RETURN || flow == X64_FLOW_JUMP_INDIRECT || flow == X64_FLOW_CALL_INDIRECT;
}

bool oracle_flow(const uint8_t *code, unsigned length, uint64_t va, struct oracle_flow *flow)
{
    struct x64_insn i;
    uint16_t away = 0;                              // open where control goes nobody knows where: to a return point or an address that is named
    *flow = (struct oracle_flow){ 0 };
    for (bool changed = true; changed;) {
        changed = false;
        for (unsigned at = 0; at < length; at += i.length) {
            if (x64_decode(code + at, length - at, va + at, &i) != X64_OK)
                break;
            uint16_t after = oracle_undefined_after(&i, flow->open[at]);
            uint16_t stale = x64_flow(&i) == X64_FLOW_CALL || x64_flow(&i) == X64_FLOW_CALL_INDIRECT ? X64_ARITH_FLAGS :
                             flow->stale[at] & ~x64_flags_killed(&i);
            int named = names_target(&i, va, length);
            if (named >= 0) {
                changed |= join(&flow->stale[named], X64_ARITH_FLAGS);
                changed |= join(&flow->open[named], away);
            }
            if (goes_away(&i))
                changed |= join(&away, after);
            if (x64_flow(&i) == X64_FLOW_CALL || x64_flow(&i) == X64_FLOW_CALL_INDIRECT)
                after |= away;
            uint64_t target = i.opd[0].kind == X64_OPD_REL ? (uint64_t)i.opd[0].value - va : ~0ull;
            if (target <= length) {
                changed |= join(&flow->open[target], after);
                changed |= join(&flow->stale[target], stale);
            }
            changed |= join(&flow->open[at + i.length], after);
            changed |= join(&flow->stale[at + i.length], stale);
        }
    }
    bool c1 = false;                                // C1 is open
    int cl = -1;                                    // known directly behind MOV CL
    for (unsigned at = 0; at < length; at += i.length) {
        flow->start[at] = true;
        if (x64_decode(code + at, length - at, va + at, &i) != X64_OK) {
            flow->invalid = true;
            return true;
        }
        if (x64_flags_read(&i) & flow->open[at] & X64_ARITH_FLAGS || oracle_result_undefined(&i, cl))
            return false;
        c1 |= oracle_leaves_c1(&i);
        if (c1 && stores_status(&i))
            return false;
        cl = i.op == X64_MOV && i.length == 2 && code[at] == 0xb1 ? code[at + 1] : -1;
        flow->returns |= i.op == X64_RET || i.op == X64_RET_FAR || i.op == X64_IRET;
    }
    return true;
}

// A fault of a memory access, not of an instruction that always traps.
static bool is_memory_fault(const struct oracle_vector *v)
{
    struct x64_insn i;
    uint64_t offset = v->out.rip - v->code_va;
    if ((v->outcome != ORACLE_PAGE_FAULT && v->outcome != ORACLE_GENERAL) || offset >= v->code_bytes)
        return false;
    return x64_decode(v->code + offset, v->code_bytes - offset, v->out.rip, &i) == X64_OK && x64_flow(&i) != X64_FLOW_TRAP &&
           !(x64_op_info((enum x64_op)i.op)->attributes & (X64_A_PRIVILEGED | X64_A_IO));
}

uint16_t oracle_flow_open(const struct oracle_flow *flow, const struct oracle_vector *v)
{
    uint64_t offset = v->out.rip - v->code_va;
    uint16_t open = offset <= v->code_bytes ? flow->open[offset] : 0;
    // What a handler of a memory fault sees of flags that nothing has written since a call or return may be old (emu/lower/lower.h, ENTRY_F).
    if (is_memory_fault(v))
        open |= flow->stale[offset];
    if (offset > v->code_bytes || (flow->returns && v->outcome != ORACLE_END))
        for (unsigned at = 0; at <= v->code_bytes; at++)    // it may come from anywhere
            open |= flow->open[at];
    return open;
}
