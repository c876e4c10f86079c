// SPDX-License-Identifier: MIT
// What an instruction raises that is not executed: interrupt instructions, privileged ones, what does not exist.
#include "emu/run/runtime.h"

#include "kernel/abi/ntstatus.h"
#include "kernel/log.h"

// The x64 instruction at rip, again; EMU_RESUME: decoded.
enum emu_outcome raise_decode(struct emu_process *p, uint64_t rip, struct x64_insn *insn, uint8_t *bytes, struct exception *out)
{
    uint64_t count = aspace_read(p->as, rip, bytes, X64_LENGTH_MAX, ACCESS_EXECUTE);
    switch (x64_decode(bytes, count, rip, insn)) {
    case X64_OK:
        return EMU_RESUME;
    case X64_TRUNCATED:
        exception_access(out, rip, 8, rip + count);
        return EMU_EXCEPTION;
    case X64_TOO_LONG:
        exception_access(out, rip, 0, ~0ull);
        return EMU_EXCEPTION;
    case X64_INVALID:
        break;
    }
    *out = (struct exception){ .code = STATUS_ILLEGAL_INSTRUCTION, .address = rip };
    return EMU_EXCEPTION;
}

enum emu_outcome raise_unsupported(const struct x64_insn *insn, const uint8_t *bytes, struct exception *out)
{
    *out = (struct exception){ .code = STATUS_ILLEGAL_INSTRUCTION, .address = insn->rip };
    size_t n = format_text(out->detail, sizeof out->detail, "unsupported instruction");
    for (unsigned i = 0; i < insn->length && n + 4 < sizeof out->detail; i++)
        n += format_text(out->detail + n, sizeof out->detail - n, " %02x", bytes[i]);
    if (n + 3 < sizeof out->detail) {
        n += format_text(out->detail + n, sizeof out->detail - n, ": ");
        x64_format(insn, out->detail + n, sizeof out->detail - n);
    }
    return EMU_EXCEPTION;
}

// Interrupt instructions and what Windows makes of them: traps with the rip it reports, #GP for gates that user mode may not use.
static enum emu_outcome interrupt(struct emu_process *p, struct trap_frame *frame, const struct x64_insn *insn, struct exception *out)
{
    uint64_t after = insn->rip + insn->length;
    unsigned vector = insn->op == X64_INT3 ? 3 : (unsigned)insn->opd[0].value & 0xff;
    if (insn->op == X64_INT1) {             // #DB: rip is behind it
        uint32_t flags = state_lost_flags(p, frame->x[28]) & ~(uint32_t)CTX_FLAG_TF;     // as of any #DB (step.c)
        aspace_write(p->as, frame->x[28] + CTX_EFLAGS, &flags, 4);
        frame->elr = after;
        *out = (struct exception){ .code = STATUS_SINGLE_STEP, .address = after };
        return EMU_EXCEPTION;
    }
    switch (vector) {
    case 3:                                 // one less than what the processor leaves, also for CD 03
        frame->elr = after - 1;
        *out = (struct exception){ .code = STATUS_BREAKPOINT, .address = after - 1, .parameter_count = 1 };
        break;
    case 0x29:                              // ends the process (kernel/exception.c); rcx says why
        *out = (struct exception){ .code = STATUS_STACK_BUFFER_OVERRUN, .address = insn->rip, .parameter_count = 1,
                                   .parameters = { frame->x[0] } };
        format_text(out->detail, sizeof out->detail, "fast fail");
        break;
    case 0x2c:
        *out = (struct exception){ .code = STATUS_ASSERTION_FAILURE, .address = insn->rip };
        break;
    case 0x2d:                              // the debugger's service: an INT3 is expected behind it
        frame->elr = after;
        *out = (struct exception){ .code = STATUS_BREAKPOINT, .address = after, .parameter_count = 1, .parameters = { frame->x[8] } };
        break;
    default:
        exception_access(out, insn->rip, 0, ~0ull);
    }
    return EMU_EXCEPTION;
}

// #UD: extensions that CPUID does not advertise, and what user mode is refused in that way.
static bool absent(const struct x64_insn *insn)
{
    switch (x64_op_info(insn->op)->isa) {
    case X64_ISA_TSX: case X64_ISA_WAIT: case X64_ISA_GFNI: case X64_ISA_FSGSBASE: case X64_ISA_VMX: case X64_ISA_SVM: case X64_ISA_SGX:
    case X64_ISA_CET:
        return true;
    }
    switch (insn->op) {
    case X64_MONITOR: case X64_MWAIT: case X64_CLAC: case X64_STAC: case X64_XSAVES: case X64_XRSTORS: case X64_INVPCID: case X64_PCONFIG:
    case X64_ENQCMD: case X64_ENQCMDS: case X64_RDPKRU: case X64_WRPKRU: case X64_CLZERO: case X64_MOVDIRI: case X64_MOVDIR64B:
    case X64_PTWRITE: case X64_RDPRU: case X64_RSM: case X64_GETSEC: case X64_RDRAND: case X64_RDSEED:
        return true;
    }
    return false;
}

// The instruction at the point was left to the kernel to raise. The frame is in x64 state.
enum emu_outcome raise_instruction(struct emu_process *p, struct trap_frame *frame, struct exception *out)
{
    struct x64_insn insn;
    uint8_t bytes[X64_LENGTH_MAX];
    enum emu_outcome outcome = raise_decode(p, frame->elr, &insn, bytes, out);
    if (outcome != EMU_RESUME)
        return outcome;
    const struct x64_op_info *info = x64_op_info(insn.op);
    if (x64_flow(&insn) == X64_FLOW_SYSCALL && insn.op == X64_SYSCALL) {
        // SDM vol. 2 SYSCALL: rcx = next rip, r11 = rflags.
        frame->elr += insn.length;
        frame->x[0] = frame->elr;
        frame->x[5] = 0x202 | state_eflags(p, frame);
        p->counters.entries_syscall++;
        return EMU_SYSCALL;
    }
    if (insn.op == X64_INT || insn.op == X64_INT3 || insn.op == X64_INT1)
        return interrupt(p, frame, &insn, out);
    if (insn.form & X64_F_ALIGNED && !absent(&insn) && interpret_address(frame, &insn) % insn.opd[insn.mem_operand].size) {
        exception_access(out, insn.rip, 0, ~0ull);      // #GP
        return EMU_EXCEPTION;
    }
    *out = (struct exception){ .code = STATUS_ILLEGAL_INSTRUCTION, .address = insn.rip };
    if (insn.op == X64_UD0 || insn.op == X64_UD1 || insn.op == X64_UD2 || absent(&insn))
        return EMU_EXCEPTION;
    switch (insn.op) {                      // user mode may not; SGDT and its like by UMIP
    case X64_SGDT: case X64_SIDT: case X64_SLDT: case X64_STR: case X64_SMSW: case X64_SYSENTER: case X64_RDPMC:
        exception_access(out, insn.rip, 0, ~0ull);
        return EMU_EXCEPTION;
    }
    if (info->attributes & (X64_A_PRIVILEGED | X64_A_IO)) {
        out->code = STATUS_PRIVILEGED_INSTRUCTION;
        return EMU_EXCEPTION;
    }
    return raise_unsupported(&insn, bytes, out);
}
