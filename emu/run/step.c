// SPDX-License-Identifier: MIT
// Single steps (EFLAGS.TF): #DB after each instruction, after each round of a REP string instruction (SDM vol. 3, 18.3.1.4).
//
// TF lives in the CPU area (CTX_EFLAGS_KEPT). While it is set no x64 code runs but translations of one instruction, made for one use,
// whose every way out enters the kernel: exits through their link stubs, indirect ones through EMU_STUB_STEP. The trap shows TF
// clear, as Windows does; a handler that wants the next one sets it again. TF does not follow into arm64 code: it is lost there.
#include "emu/run/machine.h"

#include "emu/run/alu.h"

static uint32_t kept_flags(struct emu_process *p, struct trap_frame *frame)
{
    uint32_t kept = 0;
    aspace_read(p->as, frame->x[28] + CTX_EFLAGS_KEPT, &kept, 4, ACCESS_READ);
    return kept;
}

bool step_wanted(struct emu_process *p, struct trap_frame *frame)
{
    return kept_flags(p, frame) & CTX_FLAG_TF;
}

static void step_end(struct emu_process *p, struct trap_frame *frame)
{
    uint32_t kept = kept_flags(p, frame) & ~(uint32_t)CTX_FLAG_TF;
    aspace_write(p->as, frame->x[28] + CTX_EFLAGS_KEPT, &kept, 4);
}

enum emu_outcome step_begin(struct emu_process *p, struct trap_frame *frame, uint64_t rip, struct exception *out)
{
    uint64_t code_va;
    enum emu_outcome outcome;
    if (rip >> 47 == 0 && aspace_is_ec(p->as, rip)) {
        struct region *none;
        step_end(p, frame);
        outcome = translate_find(p, rip, &code_va, &none, out);
        frame->x[9] = rip;
    } else {
        outcome = translate_step(p, rip, &code_va, out);
    }
    if (outcome == EMU_RESUME) {
        fp_enter(p, frame);
        frame->elr = code_va;
    } else if (outcome == EMU_NO_ROOM) {
        frame->x[9] = rip;
        frame->elr = EMU_STUB_ADDRESS(EMU_STUB_MISS);
    } else {
        state_at_entry(p, frame, rip);
    }
    return outcome;
}

enum emu_outcome step_done(struct emu_process *p, struct trap_frame *frame, uint64_t rip, struct exception *out)
{
    step_end(p, frame);
    state_at_entry(p, frame, rip);
    *out = (struct exception){ .code = STATUS_SINGLE_STEP, .address = rip };
    return EMU_EXCEPTION;
}

// ---- one round of a string instruction

static bool element(struct machine *m, unsigned pointer, bool write, uint64_t *value)
{
    const struct x64_insn *insn = m->insn;
    uint64_t address = machine_gpr_get(m, pointer, insn->address_size);
    if (pointer == X64_RSI && insn->segment == X64_GS)
        address += m->frame->x[18];
    return write ? machine_write(m, address, value, insn->opsize) : machine_read(m, address, value, insn->opsize);
}

static void advance(struct machine *m, unsigned pointer, bool down)
{
    unsigned size = m->insn->address_size;
    uint64_t by = down ? -(uint64_t)m->insn->opsize : m->insn->opsize;
    machine_gpr_put(m, pointer, size, machine_gpr_get(m, pointer, size) + by);
}

enum emu_outcome machine_run_string(struct machine *m)
{
    const struct x64_insn *insn = m->insn;
    bool repeats = insn->prefixes & (X64_P_REP | X64_P_REPNE), compares = insn->op == X64_CMPS || insn->op == X64_SCAS;
    bool source = insn->op == X64_MOVS || insn->op == X64_LODS || insn->op == X64_CMPS;
    bool target = insn->op != X64_LODS, stores = insn->op == X64_MOVS || insn->op == X64_STOS;
    uint64_t count = machine_gpr_get(m, X64_RCX, insn->address_size), a = machine_gpr_get(m, X64_RAX, insn->opsize), b = 0, difference;
    int32_t step = 1;
    uint32_t eflags = m->eflags;
    if (repeats && !count)
        return EMU_RESUME;
    aspace_read(m->p->as, m->frame->x[28] + CTX_DF, &step, 4, ACCESS_READ);
    if (compares && !element(m, X64_RDI, false, &b))        // CMPS reads [rdi] first
        return EMU_EXCEPTION;
    if (source && (a = 0, !element(m, X64_RSI, false, &a)))
        return EMU_EXCEPTION;
    if (stores && !element(m, X64_RDI, true, &a))
        return EMU_EXCEPTION;
    if (compares) {
        alu_compute(X64_CMP, insn->opsize, a, b, &difference, &eflags);
        m->eflags = eflags;
    }
    if (insn->op == X64_LODS)
        machine_gpr_put(m, X64_RAX, insn->opsize, a);
    if (source)
        advance(m, X64_RSI, step < 0);
    if (target)
        advance(m, X64_RDI, step < 0);
    if (!repeats)
        return EMU_RESUME;
    machine_gpr_put(m, X64_RCX, insn->address_size, count - 1);
    bool equal = m->eflags & X64_ZF, over = compares && (insn->prefixes & X64_P_REP ? !equal : equal);
    if (count > 1 && !over) {
        m->next = insn->rip;
        m->leaves = true;
    }
    return EMU_RESUME;
}
