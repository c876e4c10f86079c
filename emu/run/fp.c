// SPDX-License-Identifier: MIT
// MXCSR of the calling thread, and the two forms in which FPCR and FPSR stand for it (CTX_FP_FORM in emu/run/ctx.h): as the ARM64EC ABI
// maps it, for native code and FP_FAST, and as FP_EXACT wants it (emu/lower/lower_exact.c).
#include "emu/run/machine.h"

#include "emu/sse/sse.h"
#include "emu/x87/x87.h"
#include "mm/user.h"

enum { FPCR_FZ = 1 << 24, FPSR_IOC = 1, FPSR_ALL = 0x9f, FPSR_IDC = 0x80, MXCSR_MASKS = 0x1f80, MXCSR_IE = 1, MXCSR_DE = 2, MXCSR_DAZ = 0x40, MXCSR_FTZ = 0x8000 };

#define GET(name) ({ uint64_t v_; __asm__ volatile("mrs %0, " name : "=r"(v_)); (uint32_t)v_; })
#define FPCR_GET() GET("s3_3_c4_c4_0")
#define FPSR_GET() GET("s3_3_c4_c4_1")

static void registers_put(uint32_t fpcr, uint32_t fpsr)
{
    __asm__ volatile("msr s3_3_c4_c4_0, %0" : : "r"((uint64_t)fpcr));
    __asm__ volatile("msr s3_3_c4_c4_1, %0" : : "r"((uint64_t)fpsr));
}

// Words of a CPU area of the current process: as the program itself, where no lock forbids it, because that is much quicker.
static uint32_t word_get(struct emu_process *p, const struct trap_frame *frame, unsigned offset)
{
    uint32_t value = 0;
    if (spin_held(&emu_lock))
        aspace_read(p->as, frame->x[28] + offset, &value, 4, ACCESS_READ);
    else if (user_copy_in(&value, frame->x[28] + offset, 4) != STATUS_SUCCESS)
        value = 0;
    return value;
}

static void word_put(struct emu_process *p, const struct trap_frame *frame, unsigned offset, uint32_t value)
{
    if (spin_held(&emu_lock))
        aspace_write(p->as, frame->x[28] + offset, &value, 4);
    else
        user_copy_out(frame->x[28] + offset, &value, 4);
}

// Arm64EC ABI, MXCSR and FPCR: the rounding bits are swapped.
static uint32_t rounding_to_arm(uint32_t mxcsr)
{
    return (mxcsr >> 14 & 1) << 22 | (mxcsr >> 13 & 1) << 23;
}

static void native_of(uint32_t mxcsr, uint32_t *fpcr, uint32_t *fpsr)
{
    *fpcr = rounding_to_arm(mxcsr) | (mxcsr & MXCSR_FTZ ? FPCR_FZ : 0);
    *fpsr = (mxcsr & 1) | (mxcsr >> 2 & 15) << 1 | (mxcsr & MXCSR_DE ? FPSR_IDC : 0);
}

static void native_put(uint32_t mxcsr)
{
    uint32_t fpcr, fpsr;
    native_of(mxcsr, &fpcr, &fpsr);
    registers_put(fpcr, fpsr);
}

static uint32_t native_get(uint32_t kept)
{
    uint32_t fpcr = FPCR_GET(), fpsr = FPSR_GET();
    return (fpsr & 1) | (fpsr >> 1 & 15) << 2 | (fpsr & FPSR_IDC ? MXCSR_DE : 0) | (fpcr >> 22 & 1) << 14 | (fpcr >> 23 & 1) << 13
           | (fpcr & FPCR_FZ ? MXCSR_FTZ : 0) | (kept & CTX_MXCSR_BITS);
}

static void exact_put(struct emu_process *p, const struct trap_frame *frame, uint32_t mxcsr)
{
    uint32_t settled = mxcsr & mxcsr >> SSE_MXCSR_MASKS_SHIFT;      // set already, and nobody is told
    uint32_t watch = FPSR_ALL & ~(settled >> 1 & 0x16);             // of these ZE, OE and PE: one bit lower in FPSR
    word_put(p, frame, CTX_MXCSR, mxcsr);
    word_put(p, frame, CTX_FP_WATCH, mxcsr & MXCSR_DAZ ? watch & ~(uint32_t)FPSR_IDC : watch);
    registers_put(rounding_to_arm(mxcsr) | FPCR_FZ, 0);
}

static bool is_exact(struct emu_process *p, const struct trap_frame *frame)
{
    return word_get(p, frame, CTX_FP_FORM) == CTX_FORM_EXACT;
}

static bool is_afp(struct emu_process *p, const struct trap_frame *frame)
{
    return word_get(p, frame, CTX_FP_FORM) == CTX_FORM_AFP;
}

static bool is_invalid_aside(struct emu_process *p, const struct trap_frame *frame)
{
    return word_get(p, frame, CTX_FP_FORM) == CTX_FORM_IE;
}

uint32_t fp_mxcsr(struct emu_process *p, const struct trap_frame *frame)
{
    uint32_t kept = word_get(p, frame, CTX_MXCSR);
    return is_exact(p, frame) ? kept & 0xffff : native_get(kept) | (is_invalid_aside(p, frame) ? MXCSR_IE : 0);
}

void fp_set_mxcsr(struct emu_process *p, const struct trap_frame *frame, uint32_t mxcsr)
{
    if (is_exact(p, frame)) {
        exact_put(p, frame, mxcsr);
        return;
    }
    word_put(p, frame, CTX_MXCSR, mxcsr & CTX_MXCSR_BITS);
    native_put(mxcsr);
    if (is_afp(p, frame))
        registers_put(FPCR_GET() | CTX_FPCR_AFP, FPSR_GET());
    else
        word_put(p, frame, CTX_FP_FORM, 0);
}

bool fp_fits_fast(uint32_t mxcsr)
{
    return (mxcsr & (MXCSR_MASKS | MXCSR_FTZ | MXCSR_DAZ)) == MXCSR_MASKS;
}

void fp_enter(struct emu_process *p, struct trap_frame *frame)
{
    frame->x[13] = p->fp_model == FP_EXACT ? EMU_TABLE_EXACT : EMU_TABLE_BASE;
    if (p->fp_model != FP_EXACT) {
        if (emu_features.afp && !word_get(p, frame, CTX_FP_FORM)) {
            registers_put(FPCR_GET() | CTX_FPCR_AFP, FPSR_GET());
            word_put(p, frame, CTX_FP_FORM, CTX_FORM_AFP);
        }
        return;
    }
    if (is_exact(p, frame))
        return;
    uint32_t mxcsr = fp_mxcsr(p, frame);
    if (word_get(p, frame, CTX_FP_EXACT) != CTX_FORM_EXACT)      // the shadow stack may still lead into code of FP_FAST
        shadow_empty(p, frame);
    word_put(p, frame, CTX_FP_EXACT, CTX_FORM_EXACT);
    word_put(p, frame, CTX_FP_FORM, CTX_FORM_EXACT);
    exact_put(p, frame, mxcsr);
}

void fp_leave(struct emu_process *p, const struct trap_frame *frame)
{
    if (is_exact(p, frame))
        native_put(word_get(p, frame, CTX_MXCSR));
    else if (is_invalid_aside(p, frame))
        registers_put(FPCR_GET(), FPSR_GET() | FPSR_IOC);
    else if (is_afp(p, frame))
        registers_put(FPCR_GET() & ~(uint32_t)CTX_FPCR_AFP, FPSR_GET());
    else
        return;
    word_put(p, frame, CTX_FP_FORM, 0);
}

static void make_exact(struct emu_process *p)
{
    if (p->fp_model == FP_EXACT)
        return;
    spin_lock(&emu_lock);
    process_make_exact(p);
    spin_unlock(&emu_lock);
}

void fp_make_exact(struct emu_process *p, struct trap_frame *frame)
{
    make_exact(p);
    fp_enter(p, frame);
}

void fp_allow_exact(struct emu_process *p, uva_t cpu_area)
{
    const struct trap_frame at = { .x[28] = cpu_area };
    process_make_exact(p);
    word_put(p, &at, CTX_FP_EXACT, CTX_FORM_EXACT);
}

uint64_t fp_dispatcher(struct emu_process *p, const struct trap_frame *frame)
{
    return p->fp_model == FP_EXACT && is_exact(p, frame) ? EMU_STUB_ADDRESS(EMU_STUB_DISPATCH_EXACT) : EMU_STUB_ADDRESS(EMU_STUB_DISPATCH);
}

// ---- contexts

// The exceptions' masks in MXCSR and their enable bits in FPCR, and DAZ.
static const struct { uint16_t mxcsr; uint32_t fpcr; bool inverted; } kept_bits[] = {
    { 0x0080, 1 << 8, true },   { 0x0100, 1 << 15, true },  { 0x0200, 1 << 9, true },  { 0x0400, 1 << 10, true },
    { 0x0800, 1 << 11, true },  { 0x1000, 1 << 12, true },  { 0x0040, 1 << 19, false },
};
enum { KEPT_BITS = sizeof kept_bits / sizeof *kept_bits };

void emu_show_mxcsr(struct emu_process *p, uva_t cpu_area, uint32_t *fpcr, uint32_t *fpsr)
{
    const struct trap_frame at = { .x[28] = cpu_area };
    uint32_t mxcsr = word_get(p, &at, CTX_MXCSR);
    if (is_exact(p, &at))
        native_of(mxcsr, fpcr, fpsr);
    else if (is_invalid_aside(p, &at))
        *fpsr |= FPSR_IOC;
    *fpcr &= ~(uint32_t)CTX_FPCR_AFP;
    for (unsigned i = 0; i < KEPT_BITS; i++)
        *fpcr |= !(mxcsr & kept_bits[i].mxcsr) == kept_bits[i].inverted ? kept_bits[i].fpcr : 0;
}

void emu_take_mxcsr(struct emu_process *p, uva_t cpu_area, uint32_t fpcr)
{
    const struct trap_frame at = { .x[28] = cpu_area };
    uint32_t mxcsr = fpcr & FPCR_FZ ? MXCSR_FTZ : 0;
    for (unsigned i = 0; i < KEPT_BITS; i++)
        mxcsr |= !(fpcr & kept_bits[i].fpcr) == kept_bits[i].inverted ? kept_bits[i].mxcsr : 0;
    word_put(p, &at, CTX_MXCSR, mxcsr & CTX_MXCSR_BITS);
    word_put(p, &at, CTX_FP_FORM, 0);
    if (!fp_fits_fast(mxcsr))
        make_exact(p);
}

enum emu_outcome interpret_fp(struct emu_process *p, struct trap_frame *frame, const struct x64_insn *insn, uint32_t *eflags,
                              struct exception *out)
{
    struct machine m = { .p = p, .frame = frame, .insn = insn, .exception = out, .eflags = *eflags };
    bool loads = insn->op == X64_LDMXCSR || insn->op == X64_VLDMXCSR;       // only to refuse it
    enum emu_outcome outcome = loads ? machine_run_ldmxcsr(&m) : x87_knows(insn) ? machine_run_x87(&m) : machine_run_sse(&m);
    *eflags = m.eflags;
    return outcome;
}
