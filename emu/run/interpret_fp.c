// SPDX-License-Identifier: MIT
// x64 instructions that the kernel executes itself and that concern floating point: MXCSR, x87, MMX, FXSAVE.
#include "emu/run/machine.h"

#include "emu/x87/quick.h"
#include "emu/x87/x87.h"
#include "mm/user.h"
#include <string.h>

// ---- MXCSR (emu/run/fp.c)

// Shows MXCSR: it is exact from now on.
uint32_t machine_mxcsr_get(struct machine *m)
{
    fp_make_exact(m->p, m->frame);
    return fp_mxcsr(m->p, m->frame);
}

enum emu_outcome machine_mxcsr_put(struct machine *m, uint32_t mxcsr)
{
    if (mxcsr >> 16) {                      // SDM vol. 2 LDMXCSR: #GP for a reserved bit
        exception_access(m->exception, m->insn->rip, 0, ~0ull);
        return EMU_EXCEPTION;
    }
    if (!fp_fits_fast(mxcsr))
        fp_make_exact(m->p, m->frame);
    fp_set_mxcsr(m->p, m->frame, mxcsr);
    return EMU_RESUME;
}

enum emu_outcome machine_run_stmxcsr(struct machine *m)
{
    uint32_t mxcsr = machine_mxcsr_get(m);
    return machine_memory_put(m, &mxcsr, 4);
}

enum emu_outcome machine_run_ldmxcsr(struct machine *m)
{
    uint32_t mxcsr;
    enum emu_outcome outcome = machine_memory_get(m, &mxcsr, 4);
    return outcome == EMU_RESUME ? machine_mxcsr_put(m, mxcsr) : outcome;
}

// ---- x87 and MMX (emu/x87/x87.h); the state is in the CPU area

_Static_assert(offsetof(struct x87_state, ip) + CTX_X87_REGISTERS == CTX_X87_IP && sizeof(struct float80) == 16
               && offsetof(struct x87_state, control) + CTX_X87_REGISTERS == CTX_X87_CONTROL
               && offsetof(struct x87_state, opcode) + CTX_X87_REGISTERS == CTX_X87_OPCODE, "emu/run/ctx.h has the state in this order");

bool machine_x87_get(struct machine *m, struct x87_state *x87)
{
    struct x87_quick quick;
    uint64_t area = m->frame->x[28];
    if (user_copy_in(x87, area + CTX_X87_REGISTERS, sizeof *x87) != STATUS_SUCCESS
        || user_copy_in(&quick, area + CTX_X87_DEPTH, sizeof quick) != STATUS_SUCCESS)
        return false;
    x87_to_plain(x87, &quick);
    return true;
}

bool machine_x87_put(struct machine *m, const struct x87_state *x87)
{
    struct x87_state state = *x87;
    struct x87_quick quick;
    uint64_t area = m->frame->x[28];
    x87_to_quick(&state, &quick);
    if (~x87->control & FLOAT_ALL && !m->p->readers) {      // its exceptions show flags from now on
        spin_lock(&emu_lock);
        process_has_reader(m->p);
        spin_unlock(&emu_lock);
    }
    return user_copy_out(area + CTX_X87_REGISTERS, &state, sizeof state) == STATUS_SUCCESS
           && user_copy_out(area + CTX_X87_DEPTH, &quick, sizeof quick) == STATUS_SUCCESS;
}

uint8_t state_x87_depth(struct emu_process *p, const struct trap_frame *frame)
{
    uint32_t depth = 0;
    aspace_read(p->as, frame->x[28] + CTX_X87_DEPTH, &depth, 4, ACCESS_READ);
    return depth > 8 ? 0 : (uint8_t)depth;
}

// Vector registers of the running thread: they are live while the kernel works for it.
#define EACH_VECTOR(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

void machine_vector_get(unsigned reg, uint64_t value[2])
{
    switch (reg) {
#define GET(n) case n: __asm__ volatile(".arch_extension fp\n\tstr q" #n ", [%0]" : : "r"(value) : "memory"); break;
    EACH_VECTOR(GET)
    }
}

void machine_vector_put(unsigned reg, const uint64_t value[2])
{
    switch (reg) {
#define PUT(n) case n: __asm__ volatile(".arch_extension fp\n\tldr q" #n ", [%0]" : : "r"(value) : "memory"); break;
    EACH_VECTOR(PUT)
    }
}

// ---- memory operands: accesses of the program itself, so that guard pages count and its stack grows. Whole or not at all.

static bool refused(struct machine *m, enum fault_kind kind, bool write, uint64_t address)
{
    static const status_t codes[] = {
        [FAULT_ACCESS_VIOLATION] = STATUS_ACCESS_VIOLATION, [FAULT_GUARD_PAGE] = STATUS_GUARD_PAGE_VIOLATION,
        [FAULT_NON_CANONICAL] = STATUS_ACCESS_VIOLATION, [FAULT_NO_MEMORY] = STATUS_NO_MEMORY,
        [FAULT_STACK_OVERFLOW] = STATUS_STACK_OVERFLOW,
    };
    bool general = kind == FAULT_NON_CANONICAL;         // #GP
    exception_access(m->exception, m->insn->rip, write && !general, general ? ~0ull : address);
    m->exception->code = codes[kind];
    return false;
}

// Asks for every page that the operand lies in.
static bool may_access(struct machine *m, uint64_t address, unsigned bytes, bool write)
{
    uint64_t second = (address + bytes - 1) & ~(PAGE_BYTES - 1ull);
    enum page_access access = write ? ACCESS_WRITE : ACCESS_READ;
    enum fault_kind kind = aspace_fault(m->p->as, address, access);
    if (kind != FAULT_RETRY)
        return refused(m, kind, write, address);
    if (second > address)
        kind = aspace_fault(m->p->as, second, access);
    return kind == FAULT_RETRY || refused(m, kind, write, second);
}

bool machine_may_write(struct machine *m, uint64_t address, unsigned bytes)
{
    return may_access(m, address, bytes, true);
}

bool machine_read(struct machine *m, uint64_t address, void *to, unsigned bytes)
{
    switch (user_copy_in(to, address, bytes)) {
    case STATUS_SUCCESS:               return true;
    case STATUS_GUARD_PAGE_VIOLATION:  return refused(m, FAULT_GUARD_PAGE, false, address);
    case STATUS_STACK_OVERFLOW:        return refused(m, FAULT_STACK_OVERFLOW, false, address);
    }
    if (!may_access(m, address, bytes, false))
        return false;
    return user_copy_in(to, address, bytes) == STATUS_SUCCESS || refused(m, FAULT_ACCESS_VIOLATION, false, address);
}

bool machine_write(struct machine *m, uint64_t address, const void *from, unsigned bytes)
{
    if ((address ^ (address + bytes - 1)) & ~(PAGE_BYTES - 1ull) && !may_access(m, address, bytes, true))
        return false;
    switch (user_copy_out(address, from, bytes)) {
    case STATUS_SUCCESS:               return true;
    case STATUS_GUARD_PAGE_VIOLATION:  return refused(m, FAULT_GUARD_PAGE, true, address);
    case STATUS_STACK_OVERFLOW:        return refused(m, FAULT_STACK_OVERFLOW, true, address);
    }
    if (!may_access(m, address, bytes, true))
        return false;
    return user_copy_out(address, from, bytes) == STATUS_SUCCESS || refused(m, FAULT_ACCESS_VIOLATION, true, address);
}

static bool is_vector(const struct x64_operand *opd) { return opd->kind == X64_OPD_XMM || opd->kind == X64_OPD_YMM; }
static uint64_t vector_high(struct machine *m, unsigned reg) { return m->frame->x[28] + CTX_YMM_HIGH + 16 * reg; }

bool machine_operand_read(void *context, unsigned operand, void *to, unsigned bytes)
{
    struct machine *m = context;
    const struct x64_operand *opd = &m->insn->opd[operand];
    uint64_t value[4] = { 0 };
    if (opd->kind == X64_OPD_MEM && m->insn->form & X64_F_ALIGNED && machine_address(m) & (opd->size - 1u)) {
        exception_access(m->exception, m->insn->rip, 0, ~0ull);
        return false;
    }
    if (opd->kind == X64_OPD_MEM)
        return machine_read(m, machine_address(m), to, bytes);
    if (is_vector(opd))
        machine_vector_get(opd->reg, value);
    else
        machine_operand_get(m, opd, value);
    if (bytes > 16 && user_copy_in(value + 2, vector_high(m, opd->reg), 16) != STATUS_SUCCESS)
        return refused(m, FAULT_ACCESS_VIOLATION, false, vector_high(m, opd->reg));
    memcpy(to, value, bytes);
    return true;
}

bool machine_operand_write(void *context, unsigned operand, const void *from, unsigned bytes)
{
    struct machine *m = context;
    if (operand >= X87_OPERAND_RDI) {
        struct x64_insn at_rdi = { .rip = m->insn->rip, .mem = { .base = X64_RDI, .index = X64_REG_NONE, .scale = 1,
            .segment = m->insn->segment, .address_size = m->insn->address_size, .disp = operand - X87_OPERAND_RDI } };
        struct machine there = *m;
        there.insn = &at_rdi;
        return machine_write(m, machine_address(&there), from, bytes);
    }
    const struct x64_operand *opd = &m->insn->opd[operand];
    uint64_t value[4] = { 0 };
    if (opd->kind == X64_OPD_MEM)
        return machine_write(m, machine_address(m), from, bytes);
    if (is_vector(opd))
        machine_vector_get(opd->reg, value);
    memcpy(value, from, bytes);
    if (bytes > 16 && user_copy_out(vector_high(m, opd->reg), value + 2, 16) != STATUS_SUCCESS)
        return refused(m, FAULT_ACCESS_VIOLATION, true, vector_high(m, opd->reg));
    if (is_vector(opd))
        machine_vector_put(opd->reg, value);
    else
        machine_operand_put(m, opd, value[0]);
    return true;
}

// #MF and #XM as Windows names them, by the first unmasked exception in this order.
status_t machine_float_exception(unsigned pending)
{
    static const struct { uint8_t flag; status_t code; } codes[] = {
        { FLOAT_IE, STATUS_FLOAT_INVALID_OPERATION }, { FLOAT_ZE, STATUS_FLOAT_DIVIDE_BY_ZERO },
        { FLOAT_DE, STATUS_FLOAT_INVALID_OPERATION }, { FLOAT_OE, STATUS_FLOAT_OVERFLOW },
        { FLOAT_UE, STATUS_FLOAT_UNDERFLOW },         { FLOAT_PE, STATUS_FLOAT_INEXACT_RESULT },
    };
    for (unsigned i = 0; i < sizeof codes / sizeof *codes; i++)
        if (pending & codes[i].flag)
            return codes[i].code;
    return STATUS_FLOAT_INVALID_OPERATION;
}

static status_t x87_exception(const struct x87_state *x87)
{
    unsigned pending = x87->status & ~x87->control & FLOAT_ALL;
    return pending & FLOAT_IE && x87->status & FLOAT_SF ? STATUS_FLOAT_STACK_CHECK : machine_float_exception(pending);
}

// FOP of the instruction: what follows its prefixes.
static uint16_t x87_opcode(const struct machine *m)
{
    uint8_t bytes[X64_LENGTH_MAX];
    unsigned count = m->insn->length;
    if (user_copy_in(bytes, m->insn->rip, count) != STATUS_SUCCESS)         // the quick way; code may be executable alone
        count = (unsigned)aspace_read(m->p->as, m->insn->rip, bytes, count, ACCESS_EXECUTE);
    for (unsigned i = 0; i + 1 < count; i++)
        if ((bytes[i] & 0xf8) == 0xd8)
            return (uint16_t)((bytes[i] & 7) << 8 | bytes[i + 1]);
    return 0;
}

enum emu_outcome machine_run_x87(struct machine *m)
{
    struct x87_state x87;
    if (!machine_x87_get(m, &x87))
        return EMU_NOT_MINE;
    struct x87_io io = { .context = m, .read = machine_operand_read, .write = machine_operand_write, .opcode = x87_opcode(m),
                         .eflags = m->eflags };
    bool converts = x64_op_info(m->insn->op)->attributes & X64_A_FP;    // between MMX and XMM: with MXCSR
    if (m->insn->form & X64_F_MEM)          // an offset: without the segment's base
        io.address = machine_address(m) - (m->insn->mem.segment == X64_GS ? m->frame->x[18] : 0);
    if (converts)
        io.mxcsr = fp_mxcsr(m->p, m->frame);
    const struct x64_operand *opd = m->insn->form & X64_F_MEM ? &m->insn->opd[m->insn->mem_operand] : NULL;
    switch (x87_execute(&x87, m->insn, &io)) {
    case X87_DONE:
        // An unmasked exception may have kept it from storing: a page fault comes first all the same.
        if (x87.status & X87_ES && opd && opd->access & X64_WRITE && !machine_may_write(m, machine_address(m), opd->size))
            return EMU_EXCEPTION;
        m->eflags = io.eflags;
        if (converts)
            fp_set_mxcsr(m->p, m->frame, io.mxcsr);
        return machine_x87_put(m, &x87) ? EMU_RESUME : EMU_NOT_MINE;
    case X87_FAULT:
        return EMU_EXCEPTION;               // refused() has said which
    case X87_PENDING:
        *m->exception = (struct exception){ .code = x87_exception(&x87), .address = m->insn->rip };
        return EMU_EXCEPTION;
    case X87_SIMD:
        if (!machine_x87_put(m, &x87))
            return EMU_NOT_MINE;
        return machine_simd_exception(m, io.mxcsr);
    case X87_UNKNOWN:
        break;
    }
    return EMU_NOT_MINE;
}

// ---- FXSAVE and FXRSTOR (SDM vol. 1, 10.5.1): x87 in the first 160 bytes but for MXCSR, then the XMM registers

enum { FX_BYTES = 512, FX_MXCSR = 24, FX_MXCSR_MASK = 28, FX_XMM = 160, FX_WRITTEN = 416 };

static bool misaligned(struct machine *m)
{
    if (!(machine_address(m) & 15))
        return false;
    exception_access(m->exception, m->insn->rip, 0, ~0ull);
    return true;
}

enum emu_outcome machine_run_fxsave(struct machine *m)
{
    uint8_t image[FX_WRITTEN] = { 0 };
    struct x87_state x87;
    uint32_t mxcsr, mask = 0xffff;
    if (misaligned(m))
        return EMU_EXCEPTION;
    mxcsr = machine_mxcsr_get(m);
    if (!machine_x87_get(m, &x87))
        return EMU_NOT_MINE;
    x87_put_fx_image(&x87, image, m->insn->form & X64_F_W);
    memcpy(image + FX_MXCSR, &mxcsr, 4);
    memcpy(image + FX_MXCSR_MASK, &mask, 4);
    for (unsigned i = 0; i < 16; i++) {
        uint64_t value[2];
        machine_vector_get(i, value);
        memcpy(image + FX_XMM + 16 * i, value, 16);
    }
    return machine_write(m, machine_address(m), image, sizeof image) ? EMU_RESUME : EMU_EXCEPTION;
}

enum emu_outcome machine_run_fxrstor(struct machine *m)
{
    uint8_t image[FX_BYTES];
    struct x87_state x87;
    uint32_t mxcsr;
    if (misaligned(m))
        return EMU_EXCEPTION;
    if (!machine_read(m, machine_address(m), image, sizeof image))
        return EMU_EXCEPTION;
    memcpy(&mxcsr, image + FX_MXCSR, 4);
    enum emu_outcome outcome = machine_mxcsr_put(m, mxcsr);
    if (outcome != EMU_RESUME)
        return outcome;
    x87_get_fx_image(&x87, image, m->insn->form & X64_F_W);
    for (unsigned i = 0; i < 16; i++) {
        uint64_t value[2];
        memcpy(value, image + FX_XMM + 16 * i, 16);
        machine_vector_put(i, value);
    }
    return machine_x87_put(m, &x87) ? EMU_RESUME : EMU_NOT_MINE;
}
