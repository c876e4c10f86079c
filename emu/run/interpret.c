// SPDX-License-Identifier: MIT
// x64 instructions that translated code leaves to the kernel: rare ones, run one at a time on the saved registers.
// The frame is at a region's canonical form (emu/run/ctx.h). Nothing is changed when an exception comes out.
#include "emu/run/runtime.h"

#include "emu/run/alu.h"
#include "emu/x87/x87.h"
#include <string.h>

const uint8_t x64_register_home[16] = { 8, 0, 1, 27, 31, 29, 25, 26, 2, 3, 4, 5, 19, 20, 21, 22 };

struct machine {                            // one instruction being interpreted
    struct emu_process *p;
    struct trap_frame *frame;
    const struct x64_insn *insn;
    struct exception *exception;
    uint32_t eflags;                        // CF PF AF ZF SF OF
};

static uint64_t *gpr(struct machine *m, unsigned reg)
{
    unsigned home = x64_register_home[reg];
    return home == 31 ? &m->frame->sp : &m->frame->x[home];
}

static uint64_t gpr_get(struct machine *m, unsigned reg, unsigned size)
{
    uint64_t value = *gpr(m, reg);
    return size == 8 ? value : value & ((1ull << size * 8) - 1);
}

static void gpr_put(struct machine *m, unsigned reg, unsigned size, uint64_t value)
{
    uint64_t *home = gpr(m, reg);
    if (size >= 4)                          // a 32-bit result clears the upper half
        *home = size == 8 ? value : (uint32_t)value;
    else
        *home = (*home & ~((1ull << size * 8) - 1)) | (value & ((1ull << size * 8) - 1));
}

uint64_t interpret_address(const struct trap_frame *frame, const struct x64_insn *insn)
{
    struct machine m = { .frame = (struct trap_frame *)frame };
    const struct x64_mem *mem = &insn->mem;
    uint64_t sum = (uint64_t)mem->disp;
    if (mem->base == X64_REG_RIP)
        sum = mem->address;
    else if (mem->base != X64_REG_NONE)
        sum += *gpr(&m, mem->base);
    if (mem->index != X64_REG_NONE)
        sum += *gpr(&m, mem->index) * mem->scale;
    if (mem->address_size == 4)
        sum = (uint32_t)sum;
    return mem->segment == X64_GS ? sum + frame->x[18] : sum;
}

static uint64_t address_of(struct machine *m)
{
    return interpret_address(m->frame, m->insn);
}

static enum emu_outcome memory_get(struct machine *m, void *to, unsigned bytes)
{
    uint64_t address = address_of(m), done = aspace_read(m->p->as, address, to, bytes, ACCESS_READ);
    if (done == bytes)
        return EMU_RESUME;
    exception_access(m->exception, m->insn->rip, 0, address >> 47 ? ~0ull : address + done);
    return EMU_EXCEPTION;
}

// aspace_write checks the whole range first, so a fault leaves nothing half written within one page.
static enum emu_outcome memory_put(struct machine *m, const void *from, unsigned bytes)
{
    uint64_t address = address_of(m), done = aspace_write(m->p->as, address, from, bytes);
    if (done == bytes)
        return EMU_RESUME;
    exception_access(m->exception, m->insn->rip, 1, address >> 47 ? ~0ull : address + done);
    return EMU_EXCEPTION;
}

static enum emu_outcome operand_get(struct machine *m, const struct x64_operand *opd, uint64_t *value)
{
    *value = 0;
    switch (opd->kind) {
    case X64_OPD_GPR:       *value = gpr_get(m, opd->reg, opd->size); return EMU_RESUME;
    case X64_OPD_GPR8_HIGH: *value = *gpr(m, opd->reg) >> 8 & 0xff;   return EMU_RESUME;
    case X64_OPD_IMM:       *value = (uint64_t)opd->value;            return EMU_RESUME;
    case X64_OPD_MEM:       return memory_get(m, value, opd->size);
    }
    return EMU_NOT_MINE;
}

static enum emu_outcome operand_put(struct machine *m, const struct x64_operand *opd, uint64_t value)
{
    switch (opd->kind) {
    case X64_OPD_GPR:
        gpr_put(m, opd->reg, opd->size, value);
        return EMU_RESUME;
    case X64_OPD_GPR8_HIGH:
        *gpr(m, opd->reg) = (*gpr(m, opd->reg) & ~0xff00ull) | (value & 0xff) << 8;
        return EMU_RESUME;
    case X64_OPD_MEM:
        return memory_put(m, &value, opd->size);
    }
    return EMU_NOT_MINE;
}

// ---- division (SDM vol. 2 DIV, IDIV): the lowering sends what UDIV/SDIV cannot do in one step

// (high:low) / divisor, high < divisor: bit by bit.
static uint64_t divide_wide(uint64_t high, uint64_t low, uint64_t divisor, uint64_t *remainder)
{
    uint64_t quotient = 0;
    for (int bit = 63; bit >= 0; bit--) {
        bool carry = high >> 63;
        high = high << 1 | (low >> bit & 1);
        if (carry || high >= divisor) {
            high -= divisor;
            quotient |= 1ull << bit;
        }
    }
    *remainder = high;
    return quotient;
}

static enum emu_outcome divide_error(struct machine *m, status_t code)
{
    *m->exception = (struct exception){ .code = code, .address = m->insn->rip };
    return EMU_EXCEPTION;
}

static enum emu_outcome run_divide(struct machine *m)
{
    unsigned size = m->insn->opsize;
    uint64_t divisor;
    enum emu_outcome outcome = operand_get(m, &m->insn->opd[0], &divisor);
    if (outcome != EMU_RESUME)
        return outcome;
    if (!divisor)
        return divide_error(m, STATUS_INTEGER_DIVIDE_BY_ZERO);
    bool is_signed = m->insn->op == X64_IDIV;
    uint64_t sign = 1ull << (size * 8 - 1), mask = sign | (sign - 1);
    // The dividend as high:low of `size` bytes each (ax for the byte form).
    uint64_t low = size == 1 ? gpr_get(m, X64_RAX, 2) & 0xff : gpr_get(m, X64_RAX, size);
    uint64_t high = size == 1 ? gpr_get(m, X64_RAX, 2) >> 8 : gpr_get(m, X64_RDX, size);
    bool negative = is_signed && high & sign, negative_divisor = is_signed && divisor & sign;
    if (negative) {
        low = -low & mask;
        high = (~high + !low) & mask;
    }
    if (negative_divisor)
        divisor = -divisor & mask;
    if (high >= divisor)
        return divide_error(m, STATUS_INTEGER_OVERFLOW);
    uint64_t remainder, quotient;
    if (size == 8) {
        quotient = divide_wide(high, low, divisor, &remainder);
    } else {
        uint64_t dividend = high << size * 8 | low;
        quotient = dividend / divisor;
        remainder = dividend % divisor;
    }
    if (is_signed && quotient > (negative != negative_divisor ? sign : sign - 1))
        return divide_error(m, STATUS_INTEGER_OVERFLOW);
    if (negative != negative_divisor)
        quotient = -quotient & mask;
    if (negative)
        remainder = -remainder & mask;
    if (size == 1) {
        gpr_put(m, X64_RAX, 2, quotient | remainder << 8);
    } else {
        gpr_put(m, X64_RAX, size, quotient);
        gpr_put(m, X64_RDX, size, remainder);
    }
    return EMU_RESUME;
}

// ---- read-modify-write operations, for locked ones that no arm64 instruction can do. The caller has stopped everybody else.

static enum emu_outcome run_alu(struct machine *m)
{
    const struct x64_insn *insn = m->insn;
    uint64_t a, b = 0, result;
    enum emu_outcome outcome = operand_get(m, &insn->opd[0], &a);
    if (outcome == EMU_RESUME && insn->operand_count > 1)
        outcome = operand_get(m, &insn->opd[1], &b);
    uint32_t eflags = m->eflags;
    if (outcome == EMU_RESUME && !alu_compute(insn->op, insn->opd[0].size, a, b, &result, &eflags))
        outcome = EMU_NOT_MINE;
    if (outcome == EMU_RESUME)
        outcome = operand_put(m, &insn->opd[0], result);
    if (outcome == EMU_RESUME)
        m->eflags = eflags;
    return outcome;
}

// XCHG and XADD: opd[0] in memory, opd[1] a register.
static enum emu_outcome run_exchange(struct machine *m)
{
    const struct x64_insn *insn = m->insn;
    const struct x64_operand *memory = &insn->opd[insn->mem_operand], *other = &insn->opd[!insn->mem_operand];
    uint64_t old, value, result;
    uint32_t eflags = m->eflags;
    enum emu_outcome outcome = operand_get(m, memory, &old);
    if (outcome == EMU_RESUME)
        outcome = operand_get(m, other, &value);
    if (outcome != EMU_RESUME)
        return outcome;
    result = value;
    if (insn->op == X64_XADD)
        alu_compute(X64_ADD, memory->size, old, value, &result, &eflags);
    outcome = operand_put(m, memory, result);
    if (outcome == EMU_RESUME) {
        m->eflags = eflags;
        outcome = operand_put(m, other, old);
    }
    return outcome;
}

static enum emu_outcome run_cmpxchg(struct machine *m)
{
    const struct x64_insn *insn = m->insn;
    unsigned size = insn->opd[0].size;
    uint64_t old, replacement, accumulator = gpr_get(m, X64_RAX, size), difference;
    uint32_t eflags = m->eflags;
    enum emu_outcome outcome = operand_get(m, &insn->opd[0], &old);
    if (outcome == EMU_RESUME)
        outcome = operand_get(m, &insn->opd[1], &replacement);
    if (outcome != EMU_RESUME)
        return outcome;
    alu_compute(X64_CMP, size, accumulator, old, &difference, &eflags);
    outcome = operand_put(m, &insn->opd[0], difference ? old : replacement);    // the processor writes either way
    if (outcome != EMU_RESUME)
        return outcome;
    m->eflags = eflags;
    if (difference)
        gpr_put(m, X64_RAX, size, old);
    return EMU_RESUME;
}

// BTS, BTR, BTC in memory: a register gives a signed bit number from the operand's address on, a constant one within it.
static enum emu_outcome run_bit(struct machine *m)
{
    const struct x64_insn *insn = m->insn;
    unsigned bits = insn->opd[0].size * 8;
    uint64_t index, value = 0;
    enum emu_outcome outcome = operand_get(m, &insn->opd[1], &index);
    if (outcome != EMU_RESUME)
        return outcome;
    struct x64_insn moved = *insn;
    if (insn->opd[1].kind == X64_OPD_GPR) {
        int64_t number = bits == 64 ? (int64_t)index : bits == 32 ? (int32_t)index : (int16_t)index;
        moved.mem.disp += (number >> (bits == 64 ? 6 : bits == 32 ? 5 : 4)) * (bits / 8);
        moved.mem.address += (uint64_t)(moved.mem.disp - insn->mem.disp);
    }
    m->insn = &moved;
    uint64_t bit = 1ull << (index & (bits - 1));
    outcome = memory_get(m, &value, bits / 8);
    if (outcome == EMU_RESUME) {
        uint64_t result = insn->op == X64_BTS ? value | bit : insn->op == X64_BTR ? value & ~bit : value ^ bit;
        outcome = memory_put(m, &result, bits / 8);
    }
    if (outcome == EMU_RESUME)
        m->eflags = (m->eflags & ~(uint32_t)X64_CF) | (value & bit ? X64_CF : 0);
    m->insn = insn;
    return outcome;
}

// CMPXCHG8B and CMPXCHG16B.
static enum emu_outcome run_cmpxchg_pair(struct machine *m)
{
    unsigned half = m->insn->op == X64_CMPXCHG16B ? 8 : 4;
    uint8_t old[16] = { 0 }, replacement[16];
    uint64_t low = 0, high = 0;
    if (half == 8 && address_of(m) & 15) {      // #GP(0)
        exception_access(m->exception, m->insn->rip, 0, ~0ull);
        return EMU_EXCEPTION;
    }
    enum emu_outcome outcome = memory_get(m, old, 2 * half);
    if (outcome != EMU_RESUME)
        return outcome;
    memcpy(&low, old, half);
    memcpy(&high, old + half, half);
    bool equal = low == gpr_get(m, X64_RAX, half) && high == gpr_get(m, X64_RDX, half);
    uint64_t rbx = gpr_get(m, X64_RBX, half), rcx = gpr_get(m, X64_RCX, half);
    memcpy(replacement, equal ? &rbx : &low, half);
    memcpy(replacement + half, equal ? &rcx : &high, half);
    outcome = memory_put(m, replacement, 2 * half);
    if (outcome != EMU_RESUME)
        return outcome;
    m->eflags = (m->eflags & ~(uint32_t)X64_ZF) | (equal ? X64_ZF : 0);
    if (!equal) {
        gpr_put(m, X64_RAX, half, low);
        gpr_put(m, X64_RDX, half, high);
    }
    return EMU_RESUME;
}

// ---- rotates through carry (SDM vol. 2 RCL/RCR): bit by bit

static enum emu_outcome run_rotate(struct machine *m)
{
    unsigned size = m->insn->opd[0].size, bits = size * 8;
    uint64_t value, count;
    enum emu_outcome outcome = operand_get(m, &m->insn->opd[0], &value);
    if (outcome == EMU_RESUME)
        outcome = operand_get(m, &m->insn->opd[1], &count);
    if (outcome != EMU_RESUME)
        return outcome;
    count &= size == 8 ? 63 : 31;
    if (size < 4)
        count %= bits + 1;
    bool left = m->insn->op == X64_RCL, carry = m->eflags & X64_CF;
    uint64_t top = 1ull << (bits - 1), result = value;
    for (uint64_t i = 0; i < count; i++) {
        bool out = left ? result & top : result & 1;
        result = left ? (result << 1 | carry) & (top | (top - 1)) : result >> 1 | (carry ? top : 0);
        carry = out;
    }
    outcome = operand_put(m, &m->insn->opd[0], result);
    if (outcome != EMU_RESUME || !count)
        return outcome;
    // OF is defined for a count of one; processors give the same expression for others.
    bool overflow = left ? ((result & top) != 0) != carry : ((result & top) != 0) != ((result & top >> 1) != 0);
    m->eflags = (m->eflags & ~(uint32_t)(X64_CF | X64_OF)) | (carry ? X64_CF : 0) | (overflow ? X64_OF : 0);
    return EMU_RESUME;
}

// ---- processor identification and time

struct cpuid_row { uint32_t leaf, eax, ebx, ecx, edx; };

// Exactly what is implemented (emu/README.md has the table). Leaf 1 eax: family 6. Bits of edx: TSC 4, CX8 8, CMOV 15, CLFSH 19,
// SSE 25, SSE2 26. ecx: CX16 13, POPCNT 23.
static const struct cpuid_row cpuid_rows[] = {
    { 0, 7, 0x756e614a, 0x6e614a20, 0x4a207375 },                 // "Janus Janus " in ebx, edx, ecx
    { 1, 0x000006f0, 0x00000800, 1u << 13 | 1u << 23, 1u << 4 | 1u << 8 | 1u << 15 | 1u << 19 | 1u << 25 | 1u << 26 },
    { 7, 0, 0, 0, 0 },
    { 0x80000000, 0x80000004, 0, 0, 0 },
    { 0x80000001, 0, 0, 1u << 0, 1u << 11 | 1u << 20 | 1u << 29 },   // LAHF; SYSCALL, NX, long mode
    { 0x80000002, 0x756e614a, 0x34362073, 0x20746962, 0x73726576 },
    { 0x80000003, 0x206e6f69, 0x7820666f, 0x7c203436, 0x61203420 },
    { 0x80000004, 0x36346d72, 0, 0, 0 },
};

static enum emu_outcome run_cpuid(struct machine *m)
{
    const struct cpuid_row *row = NULL;
    uint32_t leaf = (uint32_t)gpr_get(m, X64_RAX, 4);
    for (unsigned i = 0; i < sizeof cpuid_rows / sizeof *cpuid_rows; i++)
        if (cpuid_rows[i].leaf == leaf)
            row = &cpuid_rows[i];
    static const struct cpuid_row none;
    row = row ? row : &none;
    gpr_put(m, X64_RAX, 4, row->eax);
    gpr_put(m, X64_RBX, 4, row->ebx);
    gpr_put(m, X64_RCX, 4, row->ecx);
    gpr_put(m, X64_RDX, 4, row->edx);
    return EMU_RESUME;
}

static enum emu_outcome run_rdtsc(struct machine *m)
{
    uint64_t count;
    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(count));
    gpr_put(m, X64_RAX, 4, (uint32_t)count);
    gpr_put(m, X64_RDX, 4, count >> 32);
    if (m->insn->op == X64_RDTSCP)
        gpr_put(m, X64_RCX, 4, 0);
    return EMU_RESUME;
}

// ---- MXCSR: its control and status bits live in FPCR and FPSR (table in the ARM64EC ABI), DAZ and DE in the CPU area

#define MXCSR_IN_CTX 0x0042u

static uint32_t mxcsr_get(struct machine *m)
{
    uint64_t fpcr, fpsr;
    uint32_t kept = 0;
    __asm__ volatile("mrs %0, s3_3_c4_c4_0" : "=r"(fpcr));
    __asm__ volatile("mrs %0, s3_3_c4_c4_1" : "=r"(fpsr));
    aspace_read(m->p->as, m->frame->x[28] + CTX_MXCSR, &kept, 4, ACCESS_READ);
    return (uint32_t)(0x1f80 | (fpsr & 1) | (fpsr >> 1 & 15) << 2 | (fpsr >> 7 & 1) << 1
                      | (fpcr >> 22 & 1) << 14 | (fpcr >> 23 & 1) << 13 | (fpcr >> 24 & 1) << 15 | (kept & MXCSR_IN_CTX));
}

static enum emu_outcome mxcsr_put(struct machine *m, uint32_t mxcsr)
{
    if (mxcsr >> 16) {                      // SDM vol. 2 LDMXCSR: #GP for a reserved bit
        exception_access(m->exception, m->insn->rip, 0, ~0ull);
        return EMU_EXCEPTION;
    }
    if ((mxcsr & 0x1f80) != 0x1f80)
        return EMU_NOT_MINE;                // unmasked exceptions are not delivered: say so instead of losing them
    uint64_t fpcr = (uint64_t)(mxcsr >> 14 & 1) << 22 | (uint64_t)(mxcsr >> 13 & 1) << 23 | (uint64_t)(mxcsr >> 15 & 1) << 24;
    uint64_t fpsr = (mxcsr & 1) | (mxcsr >> 2 & 15) << 1 | (mxcsr >> 1 & 1) << 7;
    uint32_t kept = mxcsr & MXCSR_IN_CTX;
    __asm__ volatile("msr s3_3_c4_c4_0, %0" : : "r"(fpcr));
    __asm__ volatile("msr s3_3_c4_c4_1, %0" : : "r"(fpsr));
    aspace_write(m->p->as, m->frame->x[28] + CTX_MXCSR, &kept, 4);
    return EMU_RESUME;
}

static enum emu_outcome run_stmxcsr(struct machine *m)
{
    uint32_t mxcsr = mxcsr_get(m);
    return memory_put(m, &mxcsr, 4);
}

static enum emu_outcome run_ldmxcsr(struct machine *m)
{
    uint32_t mxcsr;
    enum emu_outcome outcome = memory_get(m, &mxcsr, 4);
    return outcome == EMU_RESUME ? mxcsr_put(m, mxcsr) : outcome;
}

// ---- x87 and MMX (emu/x87/x87.h); the state is in the CPU area

_Static_assert(offsetof(struct x87_state, ip) + CTX_X87_REGISTERS == CTX_X87_IP && sizeof(struct float80) == 16
               && offsetof(struct x87_state, control) + CTX_X87_REGISTERS == CTX_X87_CONTROL
               && offsetof(struct x87_state, opcode) + CTX_X87_REGISTERS == CTX_X87_OPCODE, "emu/run/ctx.h has the state in this order");

// Vector registers of the running thread: they are live while the kernel works for it.
#define EACH_VECTOR(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

static void vector_get(unsigned reg, uint64_t value[2])
{
    switch (reg) {
#define GET(n) case n: __asm__ volatile(".arch_extension fp\n\tstr q" #n ", [%0]" : : "r"(value) : "memory"); break;
    EACH_VECTOR(GET)
    }
}

static void vector_put(unsigned reg, const uint64_t value[2])
{
    switch (reg) {
#define PUT(n) case n: __asm__ volatile(".arch_extension fp\n\tldr q" #n ", [%0]" : : "r"(value) : "memory"); break;
    EACH_VECTOR(PUT)
    }
}

static bool x87_read(void *context, unsigned operand, void *to, unsigned bytes)
{
    struct machine *m = context;
    const struct x64_operand *opd = &m->insn->opd[operand];
    uint64_t value[2] = { 0 };
    if (opd->kind == X64_OPD_MEM && m->insn->form & X64_F_ALIGNED && address_of(m) & (opd->size - 1u)) {
        exception_access(m->exception, m->insn->rip, 0, ~0ull);
        return false;
    }
    if (opd->kind == X64_OPD_MEM)
        return memory_get(m, to, bytes) == EMU_RESUME;
    if (opd->kind == X64_OPD_XMM)
        vector_get(opd->reg, value);
    else
        operand_get(m, opd, value);
    memcpy(to, value, bytes);
    return true;
}

static bool x87_write(void *context, unsigned operand, const void *from, unsigned bytes)
{
    struct machine *m = context;
    if (operand >= X87_OPERAND_RDI) {
        struct x64_insn at_rdi = { .rip = m->insn->rip, .mem = { .base = X64_RDI, .index = X64_REG_NONE, .scale = 1,
            .segment = m->insn->segment, .address_size = m->insn->address_size, .disp = operand - X87_OPERAND_RDI } };
        struct machine there = *m;
        there.insn = &at_rdi;
        return memory_put(&there, from, bytes) == EMU_RESUME;
    }
    const struct x64_operand *opd = &m->insn->opd[operand];
    uint64_t value[2] = { 0 };
    if (opd->kind == X64_OPD_MEM)
        return memory_put(m, from, bytes) == EMU_RESUME;
    if (opd->kind == X64_OPD_XMM)
        vector_get(opd->reg, value);
    memcpy(value, from, bytes);
    if (opd->kind == X64_OPD_XMM)
        vector_put(opd->reg, value);
    else
        operand_put(m, opd, value[0]);
    return true;
}

// #MF as Windows names it, by the first unmasked exception in this order.
static status_t x87_exception(const struct x87_state *x87)
{
    static const struct { uint8_t flag; status_t code; } codes[] = {
        { FLOAT_IE, STATUS_FLOAT_INVALID_OPERATION }, { FLOAT_ZE, STATUS_FLOAT_DIVIDE_BY_ZERO },
        { FLOAT_DE, STATUS_FLOAT_INVALID_OPERATION }, { FLOAT_OE, STATUS_FLOAT_OVERFLOW },
        { FLOAT_UE, STATUS_FLOAT_UNDERFLOW },         { FLOAT_PE, STATUS_FLOAT_INEXACT_RESULT },
    };
    unsigned pending = x87->status & ~x87->control & FLOAT_ALL;
    for (unsigned i = 0; i < sizeof codes / sizeof *codes; i++)
        if (pending & codes[i].flag)
            return codes[i].flag == FLOAT_IE && x87->status & FLOAT_SF ? STATUS_FLOAT_STACK_CHECK : codes[i].code;
    return STATUS_FLOAT_INVALID_OPERATION;
}

static enum emu_outcome run_x87(struct machine *m)
{
    struct x87_state x87;
    uint64_t area = m->frame->x[28] + CTX_X87_REGISTERS;
    if (aspace_read(m->p->as, area, &x87, sizeof x87, ACCESS_READ) != sizeof x87)
        return EMU_NOT_MINE;
    struct x87_io io = { .context = m, .read = x87_read, .write = x87_write, .eflags = m->eflags };
    bool converts = x64_op_info(m->insn->op)->attributes & X64_A_FP;    // between MMX and XMM: with MXCSR
    if (m->insn->form & X64_F_MEM)
        io.address = address_of(m);
    if (converts)
        io.mxcsr = mxcsr_get(m);
    switch (x87_execute(&x87, m->insn, &io)) {
    case X87_DONE:
        m->eflags = io.eflags;
        if (converts)
            mxcsr_put(m, io.mxcsr);
        return aspace_write(m->p->as, area, &x87, sizeof x87) == sizeof x87 ? EMU_RESUME : EMU_NOT_MINE;
    case X87_FAULT:
        return EMU_EXCEPTION;               // memory_get or memory_put has said which
    case X87_PENDING:
        *m->exception = (struct exception){ .code = x87_exception(&x87), .address = m->insn->rip };
        return EMU_EXCEPTION;
    case X87_UNKNOWN:
        break;
    }
    return EMU_NOT_MINE;
}

static const struct { uint16_t op; enum emu_outcome (*run)(struct machine *); } handlers[] = {
    { X64_DIV, run_divide },         { X64_IDIV, run_divide },
    { X64_RCL, run_rotate },         { X64_RCR, run_rotate },
    { X64_ADD, run_alu },            { X64_ADC, run_alu },          { X64_SUB, run_alu },     { X64_SBB, run_alu },
    { X64_AND, run_alu },            { X64_OR, run_alu },           { X64_XOR, run_alu },     { X64_INC, run_alu },
    { X64_DEC, run_alu },            { X64_NEG, run_alu },          { X64_NOT, run_alu },     { X64_XCHG, run_exchange },
    { X64_XADD, run_exchange },      { X64_CMPXCHG, run_cmpxchg },  { X64_BTS, run_bit },     { X64_BTR, run_bit },
    { X64_BTC, run_bit },            { X64_CMPXCHG8B, run_cmpxchg_pair },                     { X64_CMPXCHG16B, run_cmpxchg_pair },
    { X64_CPUID, run_cpuid },        { X64_RDTSC, run_rdtsc },      { X64_RDTSCP, run_rdtsc },
    { X64_LDMXCSR, run_ldmxcsr },    { X64_STMXCSR, run_stmxcsr },
};

static enum emu_outcome (*find_handler(const struct x64_insn *insn))(struct machine *)
{
    if (x87_knows(insn))
        return run_x87;
    for (unsigned i = 0; i < sizeof handlers / sizeof *handlers; i++)
        if (handlers[i].op == insn->op)
            return handlers[i].run;
    return NULL;
}

enum emu_outcome interpret(struct emu_process *p, struct trap_frame *frame, const struct x64_insn *insn, struct exception *out)
{
    enum emu_outcome (*run)(struct machine *) = find_handler(insn);
    if (!run)
        return EMU_NOT_MINE;
    struct machine m = { .p = p, .frame = frame, .insn = insn, .exception = out };
    struct lower_point canonical = { .rip = insn->rip };
    lower_recover_flags(&canonical, frame->x, frame->sp, (uint32_t)frame->spsr & 0xf0000000u, &m.eflags);
    enum emu_outcome outcome = run(&m);
    if (outcome == EMU_RESUME) {
        uint32_t nzcv;
        lower_flags_in(m.eflags, &frame->x[23], &frame->x[24], &nzcv);
        frame->spsr = (frame->spsr & ~0xf0000000ull) | nzcv;
    }
    return outcome;
}
