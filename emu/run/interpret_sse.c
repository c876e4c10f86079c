// SPDX-License-Identifier: MIT
// Vector floating-point instructions that translated code leaves to the kernel, because native arithmetic would not be exact.
#include "emu/run/machine.h"

#include "emu/sse/sse.h"

enum emu_outcome machine_simd_exception(struct machine *m, uint32_t mxcsr)
{
    fp_set_mxcsr(m->p, m->frame, mxcsr);
    unsigned pending = mxcsr & ~(mxcsr >> SSE_MXCSR_MASKS_SHIFT) & 0x3f;
    *m->exception = (struct exception){ .code = machine_float_exception(pending), .address = m->insn->rip, .parameter_count = 2,
                                        .parameters = { 0, mxcsr } };     // as Windows shows them
    return EMU_EXCEPTION;
}

static bool may_write(void *context, unsigned operand, unsigned bytes)
{
    struct machine *m = context;
    (void)operand;                          // there is one memory operand, VCVTPS2PH's
    return machine_may_write(m, machine_address(m), bytes);
}

enum emu_outcome machine_run_sse(struct machine *m)
{
    struct sse_io io = { .context = m, .read = machine_operand_read, .write = machine_operand_write, .may_write = may_write,
                         .mxcsr = fp_mxcsr(m->p, m->frame), .eflags = m->eflags };
    switch (sse_execute(m->insn, &io)) {
    case SSE_DONE:
        m->eflags = io.eflags;
        fp_set_mxcsr(m->p, m->frame, io.mxcsr);
        return EMU_RESUME;
    case SSE_FAULT:
        return EMU_EXCEPTION;               // the callback has said which
    case SSE_EXCEPTION:
        return machine_simd_exception(m, io.mxcsr);
    case SSE_UNKNOWN:
        break;
    }
    return EMU_NOT_MINE;
}
