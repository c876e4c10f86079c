// SPDX-License-Identifier: MIT
// Transfers of control that the kernel executes: far ones, IRET, near ones whose target is no user address; POPF and ENTER in their rare
// forms. A target that is not canonical is #GP of the instruction itself, with nothing of it done (as Intel's and AMD's processors
// do it); one that is not mapped is a fault at the target. Code other than 64-bit code of user mode cannot be entered: #GP.
#include "emu/run/machine.h"

enum { USER_CODE = 0x33 };

static enum emu_outcome general_protection(struct machine *m)
{
    exception_access(m->exception, m->insn->rip, 0, ~0ull);
    return EMU_EXCEPTION;
}

static bool canonical(uint64_t address)
{
    return address >> 47 == 0 || address >> 47 == 0x1ffff;
}

static enum emu_outcome go(struct machine *m, uint64_t target)
{
    m->next = target;
    m->leaves = true;
    return EMU_RESUME;
}

// A value at `at` from the top of the stack; SP stays.
static bool stack_read(struct machine *m, uint64_t at, uint64_t *value, unsigned bytes)
{
    uint64_t address = m->frame->sp + at;
    *value = 0;
    if (address >> 47 == 0 && (address + bytes - 1) >> 47) {
        general_protection(m);
        return false;
    }
    return machine_read(m, address, value, bytes);
}

static enum emu_outcome near_to(struct machine *m, uint64_t target, bool call)
{
    uint64_t back = m->insn->rip + m->insn->length;
    if (call && !machine_may_write(m, m->frame->sp - 8, 8))     // the push comes first (processors do it so)
        return EMU_EXCEPTION;
    if (!canonical(target))
        return general_protection(m);
    if (call) {
        if (!machine_write(m, m->frame->sp - 8, &back, 8))
            return EMU_EXCEPTION;
        m->frame->sp -= 8;
    }
    return go(m, target);
}

enum emu_outcome machine_run_near(struct machine *m)
{
    uint64_t target;
    enum emu_outcome outcome = machine_operand_get(m, &m->insn->opd[0], &target);
    return outcome == EMU_RESUME ? near_to(m, target, m->insn->op == X64_CALL) : outcome;
}

enum emu_outcome machine_run_ret(struct machine *m)
{
    uint64_t target, extra = m->insn->operand_count ? (uint16_t)m->insn->opd[0].value : 0;
    if (!stack_read(m, 0, &target, 8))
        return EMU_EXCEPTION;
    enum emu_outcome outcome = near_to(m, target, false);
    if (outcome == EMU_RESUME)
        m->frame->sp += 8 + extra;
    return outcome;
}

// JMP and CALL m16:16, m16:32, m16:64.
enum emu_outcome machine_run_far(struct machine *m)
{
    unsigned bytes = m->insn->opsize;
    uint64_t target = 0, address = machine_address(m), frame[2];
    uint16_t selector;
    if (!machine_read(m, address, &target, bytes) || !machine_read(m, address + bytes, &selector, 2))
        return EMU_EXCEPTION;
    if ((selector | 3) != USER_CODE || !canonical(target))
        return general_protection(m);
    if (m->insn->op == X64_CALL_FAR) {
        frame[0] = m->insn->rip + m->insn->length;
        frame[1] = USER_CODE;
        for (unsigned i = 2; i-- > 0;)          // the selector is pushed first
            if (!machine_may_write(m, m->frame->sp - (2 - i) * bytes, bytes))
                return EMU_EXCEPTION;
        for (unsigned i = 0; i < 2; i++)
            if (!machine_write(m, m->frame->sp - (2 - i) * bytes, &frame[i], bytes))
                return EMU_EXCEPTION;
        m->frame->sp -= 2 * bytes;
    }
    return go(m, target);
}

// The selector is read first. If it is not of user mode, rsp and ss are popped too, before that is refused.
enum emu_outcome machine_run_ret_far(struct machine *m)
{
    unsigned bytes = m->insn->opsize;
    uint64_t target, selector, outer, extra = m->insn->operand_count ? (uint16_t)m->insn->opd[0].value : 0;
    if (!stack_read(m, bytes, &selector, bytes) || !stack_read(m, 0, &target, bytes))
        return EMU_EXCEPTION;
    if ((selector & 3) != 3 && (!stack_read(m, 3 * bytes + extra, &outer, bytes) || !stack_read(m, 2 * bytes + extra, &outer, bytes)))
        return EMU_EXCEPTION;
    if ((uint16_t)selector != USER_CODE || !canonical(target))
        return general_protection(m);
    m->frame->sp += 2 * bytes + extra;
    return go(m, target);
}

// What user mode may change of the flags.
static void flags_put(struct machine *m, uint32_t flags, unsigned bytes)
{
    uint32_t kept = 0, df = flags & X64_DF ? ~0u : 1, mask = bytes == 2 ? CTX_KEPT_BITS & 0xffff : CTX_KEPT_BITS;
    uva_t area = m->frame->x[28];
    m->eflags = flags & X64_ARITH_FLAGS;
    aspace_read(m->p->as, area + CTX_EFLAGS_KEPT, &kept, 4, ACCESS_READ);
    kept = (kept & ~mask) | (flags & mask);
    aspace_write(m->p->as, area + CTX_DF, &df, 4);
    aspace_write(m->p->as, area + CTX_EFLAGS_KEPT, &kept, 4);
}

// rip, cs, rflags, rsp, ss, always all five (SDM vol. 2 IRET, 64-bit mode), read in an order of their own. A task link cannot be
// followed in 64-bit mode: NT is #GP.
enum emu_outcome machine_run_iret(struct machine *m)
{
    static const uint8_t order[] = { 2, 1, 0, 4, 3 };
    unsigned bytes = m->insn->opsize;
    uint64_t popped[sizeof order];
    uint32_t kept = 0;
    aspace_read(m->p->as, m->frame->x[28] + CTX_EFLAGS_KEPT, &kept, 4, ACCESS_READ);
    if (kept & CTX_FLAG_NT)
        return general_protection(m);
    for (unsigned i = 0; i < sizeof order; i++)
        if (!stack_read(m, order[i] * bytes, &popped[order[i]], bytes))
            return EMU_EXCEPTION;
    if ((uint16_t)popped[1] != USER_CODE || !canonical(popped[0]))
        return general_protection(m);
    if (!machine_load_segment(m, X64_SS, (uint16_t)popped[4]))
        return EMU_EXCEPTION;
    flags_put(m, (uint32_t)popped[2], bytes);
    m->frame->sp = popped[3];
    return go(m, popped[0]);
}

// The form that sets TF: the next instruction is stepped.
enum emu_outcome machine_run_popf(struct machine *m)
{
    uint64_t flags;
    if (!stack_read(m, 0, &flags, m->insn->opsize))
        return EMU_EXCEPTION;
    m->frame->sp += m->insn->opsize;
    flags_put(m, (uint32_t)flags, m->insn->opsize);
    return go(m, m->next);
}

// ENTER with a 66 prefix: frame pointers of 16 bits. As the processor does it: what is pushed stays if a later access faults.
enum emu_outcome machine_run_enter(struct machine *m)
{
    unsigned bytes = m->insn->opsize, level = (unsigned)m->insn->opd[1].value & 31;
    uint64_t sp = m->frame->sp, rbp = machine_gpr_get(m, X64_RBP, 8), frame = sp - bytes;
    uint64_t top = frame - bytes * level - (uint16_t)m->insn->opd[0].value;
    uint64_t value = rbp;
    for (unsigned i = 0; i <= level; i++) {
        if (i && i < level && !machine_read(m, rbp - bytes * i, &value, bytes))
            return EMU_EXCEPTION;
        if (!machine_write(m, frame - bytes * i, i && i == level ? &frame : &value, bytes))
            return EMU_EXCEPTION;
    }
    if (!machine_may_write(m, top, bytes))          // the new top must be writable too (SDM vol. 2 ENTER)
        return EMU_EXCEPTION;
    machine_gpr_put(m, X64_RBP, bytes, frame);
    m->frame->sp = top;
    return EMU_RESUME;
}
