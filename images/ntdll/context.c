// SPDX-License-Identifier: MIT
// Conversion between the kernel's context and the one programs of this process see.
#include "images/ntdll/unwind.h"
#include "images/ntdll/xstate.h"
#include "emu/run/ctx.h"

#if PROCESS_IS_X64
// MXCSR and FPCR/FPSR: status flags by position, exception masks inverted, the rounding bits swapped.
static const struct { uint32_t mxcsr, arm; } status_bits[] = {
    { 0x01, 0x01 }, { 0x02, 0x80 }, { 0x04, 0x02 }, { 0x08, 0x04 }, { 0x10, 0x08 }, { 0x20, 0x10 },
};
static const struct { uint32_t mxcsr, arm; bool inverted; } control_bits[] = {
    { 0x0040, 0x80000, false }, { 0x0080, 0x100, true }, { 0x0100, 0x8000, true }, { 0x0200, 0x200, true },
    { 0x0400, 0x400, true }, { 0x0800, 0x800, true }, { 0x1000, 0x1000, true }, { 0x2000, 0x800000, false },
    { 0x4000, 0x400000, false }, { 0x8000, 0x1000000, false },
};
static uint32_t mxcsr_from_arm(uint32_t fpcr, uint32_t fpsr) {
    uint32_t m = 0;
    for (unsigned i = 0; i < sizeof status_bits / sizeof *status_bits; i++) if (fpsr & status_bits[i].arm) m |= status_bits[i].mxcsr;
    for (unsigned i = 0; i < sizeof control_bits / sizeof *control_bits; i++)
        if (!(fpcr & control_bits[i].arm) == control_bits[i].inverted) m |= control_bits[i].mxcsr;
    return m;
}
static void mxcsr_to_arm(uint32_t m, uint32_t *fpcr, uint32_t *fpsr) {
    *fpcr = *fpsr = 0;
    for (unsigned i = 0; i < sizeof status_bits / sizeof *status_bits; i++) if (m & status_bits[i].mxcsr) *fpsr |= status_bits[i].arm;
    for (unsigned i = 0; i < sizeof control_bits / sizeof *control_bits; i++)
        if (!(m & control_bits[i].mxcsr) == control_bits[i].inverted) *fpcr |= control_bits[i].arm;
}

// x64 registers in the order of CONTEXT (rax at 0x78 ... r15 at 0xf0) and their arm64 homes; 31 stands for sp.
static const uint8_t home[16] = { 8, 0, 1, 27, 31, 29, 25, 26, 2, 3, 4, 5, 19, 20, 21, 22 };
// x87 registers hold the arm64 registers x64 has no place for.
static const uint8_t in_st[8] = { 30, 6, 7, 9, 10, 11, 12, 15 };
static const struct { uint32_t eflags, nzcv; } flag_bits[] = { { 1, 1u << 29 }, { 0x40, 1u << 30 }, { 0x80, 1u << 31 }, { 0x800, 1u << 28 } };

// Bits of EFLAGS that have no place in NZCV: the CPU area holds them.
enum { FLAGS_FIXED = 0x202, FLAG_RF = 0x10000 };

void context_from_arm(CONTEXT *out, const struct arm_context *in) {
    memset(out, 0, sizeof *out);
    out->ContextFlags = CONTEXT_FULL | CONTEXT_SEGMENTS | (in->flags & CONTEXT_UNWOUND);
    uint64_t *registers = &out->Rax;
    for (unsigned i = 0; i < 16; i++) registers[i] = home[i] == 31 ? in->sp : in->x[home[i]];
    out->Rip = in->pc;
    out->SegCs = 0x33;
    out->SegDs = out->SegEs = out->SegGs = out->SegSs = 0x2b;
    out->SegFs = 0x53;
    out->EFlags = FLAGS_FIXED;
    for (unsigned i = 0; i < 4; i++) if (in->cpsr & flag_bits[i].nzcv) out->EFlags |= flag_bits[i].eflags;
    out->MxCsr = out->FltSave.MxCsr = mxcsr_from_arm(in->fpcr, in->fpsr);
    out->FltSave.MxCsr_Mask = 0xffff;
    for (unsigned i = 0; i < 16; i++) {
        out->FltSave.XmmRegisters[i].Low = in->v[i].low;
        out->FltSave.XmmRegisters[i].High = (LONGLONG)in->v[i].high;
    }
    if (!RtlIsEcCode(in->pc)) {
        x87_take(out);
        return;
    }
    out->FltSave.ControlWord = 0x27f;
    for (unsigned i = 0; i < 8; i++) {
        out->FltSave.FloatRegisters[i].Low = in->x[in_st[i]];
        out->FltSave.FloatRegisters[i].High = (uint16_t)(in->x[i < 4 ? 16 : 17] >> (16 * (i & 3)));
    }
}

void context_to_arm(struct arm_context *out, const CONTEXT *in) {
    memset(out, 0, sizeof *out);
    out->flags = ARM_CONTEXT_ALL | (in->ContextFlags & CONTEXT_UNWOUND);
    const uint64_t *registers = &in->Rax;
    for (unsigned i = 0; i < 16; i++) *(home[i] == 31 ? &out->sp : &out->x[home[i]]) = registers[i];
    out->pc = in->Rip;
    out->x[18] = (uint64_t)teb_self();
    for (unsigned i = 0; i < 4; i++) if (in->EFlags & flag_bits[i].eflags) out->cpsr |= flag_bits[i].nzcv;
    mxcsr_to_arm(in->MxCsr, &out->fpcr, &out->fpsr);
    for (unsigned i = 0; i < 16; i++) {
        out->v[i].low = in->FltSave.XmmRegisters[i].Low;
        out->v[i].high = (uint64_t)in->FltSave.XmmRegisters[i].High;
    }
    if (!RtlIsEcCode(in->Rip)) return;
    for (unsigned i = 0; i < 8; i++) {
        out->x[in_st[i]] = in->FltSave.FloatRegisters[i].Low;
        out->x[i < 4 ? 16 : 17] |= (uint64_t)(uint16_t)in->FltSave.FloatRegisters[i].High << (16 * (i & 3));
    }
}

static uint32_t *cpu_word(unsigned offset) { return (uint32_t *)(TEB_FIELD(uint64_t, TEB_CPU_AREA) + offset); }

void context_from_registers(CONTEXT *out, const struct arm_context *in) {
    context_from_arm(out, in);
    out->MxCsr = out->FltSave.MxCsr = (out->MxCsr & ~(uint32_t)CTX_MXCSR_BITS) | (*cpu_word(CTX_MXCSR) & CTX_MXCSR_BITS);
}

void context_from_kernel(CONTEXT *out, const struct arm_context *in, uint32_t code) {
    context_from_arm(out, in);
    if (RtlIsEcCode(in->pc)) return;
    out->EFlags |= *cpu_word(CTX_EFLAGS) & CTX_EFLAGS_BITS;
    if (code != (uint32_t)STATUS_BREAKPOINT && code != (uint32_t)STATUS_SINGLE_STEP && code != (uint32_t)STATUS_ASSERTION_FAILURE)
        out->EFlags |= FLAG_RF;                     // a fault's, SDM vol. 3, 18.3.1.1: not a trap's
    out->ContextFlags = CONTEXT_ALL;
    xstate_take(out);
}

NTSTATUS context_continue(const CONTEXT *context) {
    struct arm_context arm;
    uint32_t flags = context->ContextFlags;
    context_to_arm(&arm, context);
    arm.flags = (ARM_CONTEXT_ALL & ~7u) | (flags & 3) | (flags & (CONTEXT_FLOATING_POINT & ~CONTEXT_AMD64) ? 4 : 0);
    bool x64 = !RtlIsEcCode(context->Rip);
    *cpu_word(CTX_EFLAGS) = x64 ? context->EFlags & CTX_EFLAGS_BITS : 0;
    if (x64 && arm.flags & 4) x87_give(context);
    if (x64) xstate_give(context);
    return SYS(context_continue, &arm);
}
// Of a thread that does not run. Its x87 and ymm registers are as it was created with: it has not run yet.
static NTSTATUS thread_context(HANDLE thread, CONTEXT *out) {
    struct arm_context arm;
    status_t status = SYS(context_get, thread, &arm);
    if (!NT_ERROR(status)) context_from_arm(out, &arm);
    return status;
}
NTSTATUS NTAPI NtSetContextThread(HANDLE thread, const CONTEXT *context) {
    if (thread == (HANDLE)HANDLE_CURRENT_THREAD) return context_continue(context);
    CONTEXT whole;
    struct arm_context arm;
    status_t status = thread_context(thread, &whole);
    if (NT_ERROR(status)) return status;
    RtlCopyContext(&whole, context->ContextFlags & CONTEXT_ALL, (CONTEXT *)context);
    context_to_arm(&arm, &whole);
    return SYS(context_set, thread, &arm);
}

uint64_t context_pc(const CONTEXT *c) { return c->Rip; }
uint64_t context_sp(const CONTEXT *c) { return c->Rsp; }
void context_set_pc(CONTEXT *c, uint64_t pc) { c->Rip = pc; }
void context_set_result(CONTEXT *c, uint64_t value) { *(RtlIsEcCode(c->Rip) ? &c->Rcx : &c->Rax) = value; }   // x0, rax

struct jump_buffer {
    uint64_t frame, rbx, rsp, rbp, rsi, rdi, r12_to_r15[4], rip;
    uint32_t mxcsr;
    uint16_t x87_control, pad;
    M128A xmm6_to_xmm15[10];
};
_Static_assert(sizeof(struct jump_buffer) == 0x100, "jmp_buf");
void context_from_jump(CONTEXT *c, const void *buffer) {
    const struct jump_buffer *b = buffer;
    c->Rbx = b->rbx; c->Rsp = b->rsp; c->Rbp = b->rbp; c->Rsi = b->rsi; c->Rdi = b->rdi;
    memcpy(&c->R12, b->r12_to_r15, sizeof b->r12_to_r15);
    c->Rip = b->rip;
    c->MxCsr = c->FltSave.MxCsr = b->mxcsr;
    memcpy(&c->FltSave.XmmRegisters[6], b->xmm6_to_xmm15, sizeof b->xmm6_to_xmm15);
}
#else
_Static_assert(sizeof(CONTEXT) == ARM64_CONTEXT_BYTES, "CONTEXT");
void context_from_arm(CONTEXT *out, const struct arm_context *in) { memcpy(out, in, sizeof *out); }
void context_to_arm(struct arm_context *out, const CONTEXT *in) { memcpy(out, in, sizeof *out); }
void context_from_registers(CONTEXT *out, const struct arm_context *in) { context_from_arm(out, in); }
void context_from_kernel(CONTEXT *out, const struct arm_context *in, uint32_t code) { (void)code; context_from_arm(out, in); }
NTSTATUS context_continue(const CONTEXT *context) { return SYS(context_continue, context); }
static NTSTATUS thread_context(HANDLE thread, CONTEXT *out) { return SYS(context_get, thread, out); }
NTSTATUS NTAPI NtSetContextThread(HANDLE thread, const CONTEXT *context) {
    if (thread == (HANDLE)HANDLE_CURRENT_THREAD) return context_continue(context);
    return SYS(context_set, thread, context);
}
uint64_t context_pc(const CONTEXT *c) { return c->Pc; }
uint64_t context_sp(const CONTEXT *c) { return c->Sp; }
void context_set_pc(CONTEXT *c, uint64_t pc) { c->Pc = pc; }
void context_set_result(CONTEXT *c, uint64_t value) { c->X0 = value; }

struct jump_buffer { uint64_t frame, reserved, x19_to_x28[10], fp, lr, sp; uint32_t fpcr, fpsr; uint64_t d8_to_d15[8]; };
void context_from_jump(CONTEXT *c, const void *buffer) {
    const struct jump_buffer *b = buffer;
    memcpy(&c->X19, b->x19_to_x28, sizeof b->x19_to_x28);
    c->Fp = b->fp;
    c->Lr = c->Pc = b->lr;
    c->Sp = b->sp;
    c->Fpcr = b->fpcr;
    for (unsigned i = 0; i < 8; i++) c->V[8 + i].D[0] = *(const double *)&b->d8_to_d15[i];
}
#endif

// Of the calling thread: its registers in the frame that called into the system DLLs.
NTSTATUS NTAPI NtGetContextThread(HANDLE thread, CONTEXT *context) {
    CONTEXT whole;
    DWORD wanted = context->ContextFlags;
    if (thread == (HANDLE)HANDLE_CURRENT_THREAD) {
        capture_here(&whole);
    } else {
        status_t status = thread_context(thread, &whole);
        if (NT_ERROR(status)) return status;
    }
    RtlCopyContext(context, wanted & CONTEXT_ALL, &whole);
    context->ContextFlags = wanted;
#if PROCESS_IS_X64
    if (wanted & CONTEXT_EXTENDED) xstate_fill(context);
#endif
    return STATUS_SUCCESS;
}
