// SPDX-License-Identifier: MIT
// Segment registers and what asks about descriptors (SDM vol. 2 MOV, POP, LFS, LAR, LSL, VERR, VERW). Of the descriptor table only what
// 64-bit Windows shows to user mode exists. A selector that is loaded is remembered and read back; bases do not change: FS has 0,
// GS stays the TEB, which arm64 code needs too.
#include "emu/run/machine.h"

#include "mm/user.h"

struct descriptor { uint16_t selector; uint32_t rights, limit; };   // rights: as LAR shows them
static const struct descriptor descriptors[] = {
    { 0x20, 0x00cffb00, 0xffffffff },       // 32-bit code
    { 0x28, 0x00cff300, 0xffffffff },       // data
    { 0x30, 0x0020fb00, 0 },                // 64-bit code
    { 0x50, 0x0040f300, 0x3c00 },           // the 32-bit TEB
};
enum { RIGHTS_CODE = 0x800, SELECTOR_RPL = 3, CTX_SEGMENT_BYTES = 2 };

static const struct descriptor *find(uint16_t selector)
{
    for (unsigned i = 0; i < sizeof descriptors / sizeof *descriptors; i++)
        if (descriptors[i].selector == (selector & ~SELECTOR_RPL))
            return &descriptors[i];
    return NULL;
}

// Whether user mode may load the selector: otherwise #GP.
static bool loadable(unsigned segment, uint16_t selector)
{
    const struct descriptor *d = find(selector);
    if (segment == X64_SS)
        return d && !(d->rights & RIGHTS_CODE) && (selector & SELECTOR_RPL) == 3;
    return selector <= SELECTOR_RPL || d;
}

bool machine_load_segment(struct machine *m, unsigned segment, uint16_t selector)
{
    if (segment == X64_CS || !loadable(segment, selector)) {
        exception_access(m->exception, m->insn->rip, 0, ~0ull);
        return false;
    }
    return user_copy_out(m->frame->x[28] + CTX_SELECTORS + CTX_SEGMENT_BYTES * segment, &selector, 2) == STATUS_SUCCESS;
}

uint16_t machine_segment(struct machine *m, unsigned segment)
{
    static const uint16_t initial[] = CTX_SELECTORS_INITIAL;
    uint16_t selector = 0;
    user_copy_in(&selector, m->frame->x[28] + CTX_SELECTORS + CTX_SEGMENT_BYTES * segment, 2);
    return segment == X64_CS ? initial[segment] : selector;
}

enum emu_outcome machine_run_mov_segment(struct machine *m)
{
    uint64_t value;
    if (m->insn->opd[0].kind != X64_OPD_SEG)
        return EMU_NOT_MINE;
    enum emu_outcome outcome = machine_operand_get(m, &m->insn->opd[1], &value);
    if (outcome == EMU_RESUME && !machine_load_segment(m, m->insn->opd[0].reg, (uint16_t)value))
        outcome = EMU_EXCEPTION;
    return outcome;
}

enum emu_outcome machine_run_pop_segment(struct machine *m)
{
    uint64_t value = 0;
    if (m->insn->opd[0].kind != X64_OPD_SEG)
        return EMU_NOT_MINE;
    if (!machine_read(m, m->frame->sp, &value, m->insn->opsize) || !machine_load_segment(m, m->insn->opd[0].reg, (uint16_t)value))
        return EMU_EXCEPTION;
    m->frame->sp += m->insn->opsize;
    return EMU_RESUME;
}

// LFS, LGS, LSS: an offset of the operand's size, then a selector.
enum emu_outcome machine_run_load_far(struct machine *m)
{
    const struct x64_insn *insn = m->insn;
    unsigned segment = insn->op == X64_LFS ? X64_FS : insn->op == X64_LGS ? X64_GS : X64_SS, bytes = insn->opd[0].size;
    uint64_t offset = 0;
    uint16_t selector;
    if (!machine_read(m, machine_address(m), &offset, bytes) || !machine_read(m, machine_address(m) + bytes, &selector, 2)
        || !machine_load_segment(m, segment, selector))
        return EMU_EXCEPTION;
    return machine_operand_put(m, &insn->opd[0], offset);
}

enum emu_outcome machine_run_descriptor(struct machine *m)
{
    const struct x64_insn *insn = m->insn;
    uint64_t value;
    bool whole = insn->op == X64_LAR || insn->op == X64_LSL;
    enum emu_outcome outcome = machine_operand_get(m, &insn->opd[whole], &value);
    if (outcome != EMU_RESUME)
        return outcome;
    const struct descriptor *d = find((uint16_t)value);
    bool seen = d && (insn->op != X64_VERW || !(d->rights & RIGHTS_CODE));       // all that exist are readable
    m->eflags = (m->eflags & ~(uint32_t)X64_ZF) | (seen ? X64_ZF : 0);
    return whole && seen ? machine_operand_put(m, &insn->opd[0], insn->op == X64_LAR ? d->rights : d->limit) : EMU_RESUME;
}
