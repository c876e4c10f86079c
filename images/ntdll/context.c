// SPDX-License-Identifier: MIT
// Conversion between the kernel's context and the one programs of this process see.
#include "images/ntdll/unwind.h"
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

void context_from_arm(CONTEXT *out, const struct arm_context *in) {
    memset(out, 0, sizeof *out);
    out->ContextFlags = 0x10000f | (in->flags & CONTEXT_UNWOUND);
    uint64_t *registers = &out->Rax;
    for (unsigned i = 0; i < 16; i++) registers[i] = home[i] == 31 ? in->sp : in->x[home[i]];
    out->Rip = in->pc;
    out->SegCs = 0x33;
    out->SegDs = out->SegEs = out->SegGs = out->SegSs = 0x2b;
    out->SegFs = 0x53;
    out->EFlags = 0x202;
    for (unsigned i = 0; i < 4; i++) if (in->cpsr & flag_bits[i].nzcv) out->EFlags |= flag_bits[i].eflags;
    out->MxCsr = out->FltSave.MxCsr = mxcsr_from_arm(in->fpcr, in->fpsr);
    out->FltSave.ControlWord = 0x27f;
    out->FltSave.MxCsr_Mask = 0x2ffff;
    for (unsigned i = 0; i < 8; i++) {
        out->FltSave.FloatRegisters[i].Low = in->x[in_st[i]];
        out->FltSave.FloatRegisters[i].High = (uint16_t)(in->x[i < 4 ? 16 : 17] >> (16 * (i & 3)));
    }
    for (unsigned i = 0; i < 16; i++) {
        out->FltSave.XmmRegisters[i].Low = in->v[i].low;
        out->FltSave.XmmRegisters[i].High = (LONGLONG)in->v[i].high;
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
    for (unsigned i = 0; i < 8; i++) {
        out->x[in_st[i]] = in->FltSave.FloatRegisters[i].Low;
        out->x[i < 4 ? 16 : 17] |= (uint64_t)(uint16_t)in->FltSave.FloatRegisters[i].High << (16 * (i & 3));
    }
    for (unsigned i = 0; i < 16; i++) {
        out->v[i].low = in->FltSave.XmmRegisters[i].Low;
        out->v[i].high = (uint64_t)in->FltSave.XmmRegisters[i].High;
    }
}

enum { LOST_FLAGS = 0x4 | 0x10 | 0x400 };
static uint32_t *lost_flags(void) { return (uint32_t *)(TEB_FIELD(uint64_t, TEB_CPU_AREA) + CTX_EFLAGS); }
void context_take_lost_flags(CONTEXT *context) { context->EFlags |= *lost_flags() & LOST_FLAGS; }
void context_leave_lost_flags(const CONTEXT *context) { *lost_flags() = context ? context->EFlags & LOST_FLAGS : 0; }
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
void context_take_lost_flags(CONTEXT *context) { (void)context; }
void context_leave_lost_flags(const CONTEXT *context) { (void)context; }
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
