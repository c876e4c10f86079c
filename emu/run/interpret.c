// SPDX-License-Identifier: MIT
// x64 instructions that translated code leaves to the kernel: rare ones, run one at a time on the saved registers.
// The frame is at a region's canonical form (emu/run/ctx.h). Nothing is changed when an exception comes out.
#include "emu/run/machine.h"

#include "emu/run/alu.h"
#include "emu/sse/sse.h"
#include "emu/x87/x87.h"
#include <string.h>

const uint8_t x64_register_home[16] = { 8, 0, 1, 27, 31, 29, 25, 26, 2, 3, 4, 5, 19, 20, 21, 22 };

static uint64_t *gpr(struct machine *m, unsigned reg)
{
    unsigned home = x64_register_home[reg];
    return home == 31 ? &m->frame->sp : &m->frame->x[home];
}

uint64_t machine_gpr_get(struct machine *m, unsigned reg, unsigned size)
{
    uint64_t value = *gpr(m, reg);
    return size == 8 ? value : value & ((1ull << size * 8) - 1);
}

void machine_gpr_put(struct machine *m, unsigned reg, unsigned size, uint64_t value)
{
    uint64_t *home = gpr(m, reg);
    if (size >= 4)                          // a 32-bit result clears the upper half
        *home = size == 8 ? value : (uint32_t)value;
    else
        *home = (*home & ~((1ull << size * 8) - 1)) | (value & ((1ull << size * 8) - 1));
}

// BT and its relatives: a register gives a signed bit number from the operand's address on. How far that is from there.
static uint64_t bit_distance(struct machine *m, const struct x64_insn *insn)
{
    bool bit_string = insn->op == X64_BT || insn->op == X64_BTS || insn->op == X64_BTR || insn->op == X64_BTC;
    if (!bit_string || insn->opd[1].kind != X64_OPD_GPR)
        return 0;
    unsigned bytes = insn->opd[0].size;
    uint64_t index = *gpr(m, insn->opd[1].reg);
    int64_t number = bytes == 8 ? (int64_t)index : bytes == 4 ? (int32_t)index : (int16_t)index;
    return (uint64_t)((number >> (bytes == 8 ? 6 : bytes == 4 ? 5 : 4)) * (int64_t)bytes);
}

uint64_t interpret_address(const struct trap_frame *frame, const struct x64_insn *insn)
{
    struct machine m = { .frame = (struct trap_frame *)frame };
    const struct x64_mem *mem = &insn->mem;
    uint64_t sum = (uint64_t)mem->disp + bit_distance(&m, insn);
    if (mem->base == X64_REG_RIP)
        sum += mem->address - (uint64_t)mem->disp;
    else if (mem->base != X64_REG_NONE)
        sum += *gpr(&m, mem->base);
    if (mem->index != X64_REG_NONE)
        sum += *gpr(&m, mem->index) * mem->scale;
    if (mem->address_size == 4)
        sum = (uint32_t)sum;
    return mem->segment == X64_GS ? sum + frame->x[18] : sum;
}

uint64_t machine_address(struct machine *m)
{
    return interpret_address(m->frame, m->insn);
}

// The operand cannot be reached from `address` on. What is in neither half of the address space is #GP.
static enum emu_outcome unreachable(struct machine *m, bool write, uint64_t address)
{
    bool canonical = address >> 47 == 0 || address >> 47 == 0x1ffff;
    exception_access(m->exception, m->insn->rip, canonical && write, canonical ? address : ~0ull);
    return EMU_EXCEPTION;
}

// Of an instruction that writes the operand, too, the processor asks for the write at once.
enum emu_outcome machine_memory_get(struct machine *m, void *to, unsigned bytes)
{
    bool write = m->insn->opd[m->insn->mem_operand].access & X64_WRITE;
    uint64_t address = machine_address(m), done = aspace_read(m->p->as, address, to, bytes, write ? ACCESS_WRITE : ACCESS_READ);
    return done == bytes ? EMU_RESUME : unreachable(m, write, address + done);
}

// At most 16 bytes. Every page must take the write before the first byte changes: a fault leaves nothing half written.
enum emu_outcome machine_memory_put(struct machine *m, const void *from, unsigned bytes)
{
    uint8_t old[16];
    uint64_t address = machine_address(m), done = aspace_read(m->p->as, address, old, bytes, ACCESS_WRITE);
    if (done == bytes)
        done = aspace_write(m->p->as, address, from, bytes);
    return done == bytes ? EMU_RESUME : unreachable(m, true, address + done);
}

enum emu_outcome machine_operand_get(struct machine *m, const struct x64_operand *opd, uint64_t *value)
{
    *value = 0;
    switch (opd->kind) {
    case X64_OPD_GPR:       *value = machine_gpr_get(m, opd->reg, opd->size); return EMU_RESUME;
    case X64_OPD_GPR8_HIGH: *value = *gpr(m, opd->reg) >> 8 & 0xff;   return EMU_RESUME;
    case X64_OPD_IMM:       *value = (uint64_t)opd->value;            return EMU_RESUME;
    case X64_OPD_MEM:       return machine_memory_get(m, value, opd->size);
    }
    return EMU_NOT_MINE;
}

enum emu_outcome machine_operand_put(struct machine *m, const struct x64_operand *opd, uint64_t value)
{
    switch (opd->kind) {
    case X64_OPD_GPR:
        machine_gpr_put(m, opd->reg, opd->size, value);
        return EMU_RESUME;
    case X64_OPD_GPR8_HIGH:
        *gpr(m, opd->reg) = (*gpr(m, opd->reg) & ~0xff00ull) | (value & 0xff) << 8;
        return EMU_RESUME;
    case X64_OPD_MEM:
        return machine_memory_put(m, &value, opd->size);
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
    enum emu_outcome outcome = machine_operand_get(m, &m->insn->opd[0], &divisor);
    if (outcome != EMU_RESUME)
        return outcome;
    if (!divisor)
        return divide_error(m, STATUS_INTEGER_DIVIDE_BY_ZERO);
    bool is_signed = m->insn->op == X64_IDIV;
    uint64_t sign = 1ull << (size * 8 - 1), mask = sign | (sign - 1);
    // The dividend as high:low of `size` bytes each (ax for the byte form).
    uint64_t low = size == 1 ? machine_gpr_get(m, X64_RAX, 2) & 0xff : machine_gpr_get(m, X64_RAX, size);
    uint64_t high = size == 1 ? machine_gpr_get(m, X64_RAX, 2) >> 8 : machine_gpr_get(m, X64_RDX, size);
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
        machine_gpr_put(m, X64_RAX, 2, quotient | remainder << 8);
    } else {
        machine_gpr_put(m, X64_RAX, size, quotient);
        machine_gpr_put(m, X64_RDX, size, remainder);
    }
    return EMU_RESUME;
}

// ---- read-modify-write operations, for locked ones that no arm64 instruction can do. The caller has stopped everybody else.

static enum emu_outcome run_alu(struct machine *m)
{
    const struct x64_insn *insn = m->insn;
    uint64_t a, b = 0, result;
    enum emu_outcome outcome = machine_operand_get(m, &insn->opd[0], &a);
    if (outcome == EMU_RESUME && insn->operand_count > 1)
        outcome = machine_operand_get(m, &insn->opd[1], &b);
    uint32_t eflags = m->eflags;
    if (outcome == EMU_RESUME && !alu_compute(insn->op, insn->opd[0].size, a, b, &result, &eflags))
        outcome = EMU_NOT_MINE;
    if (outcome == EMU_RESUME)
        outcome = machine_operand_put(m, &insn->opd[0], result);
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
    enum emu_outcome outcome = machine_operand_get(m, memory, &old);
    if (outcome == EMU_RESUME)
        outcome = machine_operand_get(m, other, &value);
    if (outcome != EMU_RESUME)
        return outcome;
    result = value;
    if (insn->op == X64_XADD)
        alu_compute(X64_ADD, memory->size, old, value, &result, &eflags);
    outcome = machine_operand_put(m, memory, result);
    if (outcome == EMU_RESUME) {
        m->eflags = eflags;
        outcome = machine_operand_put(m, other, old);
    }
    return outcome;
}

static enum emu_outcome run_cmpxchg(struct machine *m)
{
    const struct x64_insn *insn = m->insn;
    unsigned size = insn->opd[0].size;
    uint64_t old, replacement, accumulator = machine_gpr_get(m, X64_RAX, size), difference;
    uint32_t eflags = m->eflags;
    enum emu_outcome outcome = machine_operand_get(m, &insn->opd[0], &old);
    if (outcome == EMU_RESUME)
        outcome = machine_operand_get(m, &insn->opd[1], &replacement);
    if (outcome != EMU_RESUME)
        return outcome;
    alu_compute(X64_CMP, size, accumulator, old, &difference, &eflags);
    outcome = machine_operand_put(m, &insn->opd[0], difference ? old : replacement);    // the processor writes either way
    if (outcome != EMU_RESUME)
        return outcome;
    m->eflags = eflags;
    if (difference)
        machine_gpr_put(m, X64_RAX, size, old);
    return EMU_RESUME;
}

// BTS, BTR, BTC in memory.
static enum emu_outcome run_bit(struct machine *m)
{
    const struct x64_insn *insn = m->insn;
    unsigned bits = insn->opd[0].size * 8;
    uint64_t index, value = 0;
    enum emu_outcome outcome = machine_operand_get(m, &insn->opd[1], &index);
    if (outcome != EMU_RESUME)
        return outcome;
    uint64_t bit = 1ull << (index & (bits - 1));
    outcome = machine_memory_get(m, &value, bits / 8);
    if (outcome == EMU_RESUME) {
        uint64_t result = insn->op == X64_BTS ? value | bit : insn->op == X64_BTR ? value & ~bit : value ^ bit;
        outcome = machine_memory_put(m, &result, bits / 8);
    }
    if (outcome == EMU_RESUME)
        m->eflags = (m->eflags & ~(uint32_t)X64_CF) | (value & bit ? X64_CF : 0);
    return outcome;
}

// CMPXCHG8B and CMPXCHG16B.
static enum emu_outcome run_cmpxchg_pair(struct machine *m)
{
    unsigned half = m->insn->op == X64_CMPXCHG16B ? 8 : 4;
    uint8_t old[16] = { 0 }, replacement[16];
    uint64_t low = 0, high = 0;
    if (half == 8 && machine_address(m) & 15) {      // #GP(0)
        exception_access(m->exception, m->insn->rip, 0, ~0ull);
        return EMU_EXCEPTION;
    }
    enum emu_outcome outcome = machine_memory_get(m, old, 2 * half);
    if (outcome != EMU_RESUME)
        return outcome;
    memcpy(&low, old, half);
    memcpy(&high, old + half, half);
    bool equal = low == machine_gpr_get(m, X64_RAX, half) && high == machine_gpr_get(m, X64_RDX, half);
    uint64_t rbx = machine_gpr_get(m, X64_RBX, half), rcx = machine_gpr_get(m, X64_RCX, half);
    memcpy(replacement, equal ? &rbx : &low, half);
    memcpy(replacement + half, equal ? &rcx : &high, half);
    outcome = machine_memory_put(m, replacement, 2 * half);
    if (outcome != EMU_RESUME)
        return outcome;
    m->eflags = (m->eflags & ~(uint32_t)X64_ZF) | (equal ? X64_ZF : 0);
    if (!equal) {
        machine_gpr_put(m, X64_RAX, half, low);
        machine_gpr_put(m, X64_RDX, half, high);
    }
    return EMU_RESUME;
}

// ---- rotates through carry (SDM vol. 2 RCL/RCR): bit by bit

static enum emu_outcome run_rotate(struct machine *m)
{
    unsigned size = m->insn->opd[0].size, bits = size * 8;
    uint64_t value, count;
    enum emu_outcome outcome = machine_operand_get(m, &m->insn->opd[0], &value);
    if (outcome == EMU_RESUME)
        outcome = machine_operand_get(m, &m->insn->opd[1], &count);
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
    outcome = machine_operand_put(m, &m->insn->opd[0], result);
    if (outcome != EMU_RESUME || !count)
        return outcome;
    // OF is defined for a count of one; processors give the same expression for others.
    bool overflow = left ? ((result & top) != 0) != carry : ((result & top) != 0) != ((result & top >> 1) != 0);
    m->eflags = (m->eflags & ~(uint32_t)(X64_CF | X64_OF)) | (carry ? X64_CF : 0) | (overflow ? X64_OF : 0);
    return EMU_RESUME;
}

// ---- time

static enum emu_outcome run_rdtsc(struct machine *m)
{
    uint64_t count;
    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(count));
    machine_gpr_put(m, X64_RAX, 4, (uint32_t)count);
    machine_gpr_put(m, X64_RDX, 4, count >> 32);
    if (m->insn->op == X64_RDTSCP)
        machine_gpr_put(m, X64_RCX, 4, 0);
    return EMU_RESUME;
}

static enum emu_outcome run_rdpid(struct machine *m)
{
    return machine_operand_put(m, &m->insn->opd[0], 0);     // as RDTSCP's rcx
}

static const struct { uint16_t op; enum emu_outcome (*run)(struct machine *); } handlers[] = {
    { X64_DIV, run_divide },         { X64_IDIV, run_divide },
    { X64_RCL, run_rotate },         { X64_RCR, run_rotate },
    { X64_ADD, run_alu },            { X64_ADC, run_alu },          { X64_SUB, run_alu },     { X64_SBB, run_alu },
    { X64_AND, run_alu },            { X64_OR, run_alu },           { X64_XOR, run_alu },     { X64_INC, run_alu },
    { X64_DEC, run_alu },            { X64_NEG, run_alu },          { X64_NOT, run_alu },     { X64_XCHG, run_exchange },
    { X64_XADD, run_exchange },      { X64_CMPXCHG, run_cmpxchg },  { X64_BTS, run_bit },     { X64_BTR, run_bit },
    { X64_BTC, run_bit },            { X64_CMPXCHG8B, run_cmpxchg_pair },                     { X64_CMPXCHG16B, run_cmpxchg_pair },
    { X64_CPUID, machine_run_cpuid }, { X64_RDTSC, run_rdtsc },      { X64_RDTSCP, run_rdtsc },
    { X64_RDPID, run_rdpid },
    { X64_MOV, machine_run_mov_segment }, { X64_POP, machine_run_pop_segment }, { X64_LFS, machine_run_load_far },
    { X64_LGS, machine_run_load_far },    { X64_LSS, machine_run_load_far },     { X64_LAR, machine_run_descriptor },
    { X64_LSL, machine_run_descriptor },  { X64_VERR, machine_run_descriptor },  { X64_VERW, machine_run_descriptor },
    { X64_JMP, machine_run_near },        { X64_CALL, machine_run_near },        { X64_RET, machine_run_ret },
    { X64_JMP_FAR, machine_run_far },     { X64_CALL_FAR, machine_run_far },     { X64_RET_FAR, machine_run_ret_far },
    { X64_IRET, machine_run_iret },       { X64_POPF, machine_run_popf },        { X64_ENTER, machine_run_enter },
    { X64_CRC32, machine_run_crc32 },
    { X64_AESENC, machine_run_crypto }, { X64_AESENCLAST, machine_run_crypto }, { X64_AESDEC, machine_run_crypto },
    { X64_AESDECLAST, machine_run_crypto }, { X64_AESIMC, machine_run_crypto }, { X64_AESKEYGENASSIST, machine_run_crypto },
    { X64_PCLMULQDQ, machine_run_crypto }, { X64_VAESENC, machine_run_crypto }, { X64_VAESENCLAST, machine_run_crypto },
    { X64_VAESDEC, machine_run_crypto }, { X64_VAESDECLAST, machine_run_crypto }, { X64_VAESIMC, machine_run_crypto },
    { X64_VAESKEYGENASSIST, machine_run_crypto }, { X64_VPCLMULQDQ, machine_run_crypto }, { X64_SHA1NEXTE, machine_run_crypto },
    { X64_SHA1MSG1, machine_run_crypto }, { X64_SHA1MSG2, machine_run_crypto }, { X64_SHA1RNDS4, machine_run_crypto },
    { X64_SHA256RNDS2, machine_run_crypto }, { X64_SHA256MSG1, machine_run_crypto }, { X64_SHA256MSG2, machine_run_crypto },
    { X64_MOVS, machine_run_string },     { X64_STOS, machine_run_string },      { X64_LODS, machine_run_string },
    { X64_CMPS, machine_run_string },     { X64_SCAS, machine_run_string },
    { X64_LDMXCSR, machine_run_ldmxcsr }, { X64_STMXCSR, machine_run_stmxcsr }, { X64_VLDMXCSR, machine_run_ldmxcsr },
    { X64_VSTMXCSR, machine_run_stmxcsr }, { X64_FXSAVE, machine_run_fxsave },
    { X64_FXRSTOR, machine_run_fxrstor }, { X64_XSAVE, machine_run_xsave }, { X64_XSAVEOPT, machine_run_xsave },
    { X64_XSAVEC, machine_run_xsave }, { X64_XRSTOR, machine_run_xrstor }, { X64_XGETBV, machine_run_xgetbv },
};

static enum emu_outcome (*find_handler(const struct x64_insn *insn))(struct machine *)
{
    if (x87_knows(insn))
        return machine_run_x87;
    if (sse_knows(insn))
        return machine_run_sse;
    for (unsigned i = 0; i < sizeof handlers / sizeof *handlers; i++)
        if (handlers[i].op == insn->op)
            return handlers[i].run;
    return NULL;
}

enum emu_outcome interpret(struct emu_process *p, struct trap_frame *frame, const struct x64_insn *insn, uint64_t *leave_to,
                           struct exception *out)
{
    enum emu_outcome (*run)(struct machine *) = find_handler(insn);
    if (!run)
        return EMU_NOT_MINE;
    struct machine m = { .p = p, .frame = frame, .insn = insn, .exception = out, .next = insn->rip + insn->length };
    struct lower_point canonical = { .rip = insn->rip };
    lower_recover_flags(&canonical, frame->x, frame->sp, (uint32_t)frame->spsr & 0xf0000000u, &m.eflags);
    // What the kernel reads and writes for the program is in the order of x64, too; entering and leaving the kernel orders nothing.
    __asm__ volatile("dmb ish" ::: "memory");
    enum emu_outcome outcome = run(&m);
    __asm__ volatile("dmb ish" ::: "memory");
    *leave_to = 0;
    if (outcome == EMU_RESUME) {
        uint32_t nzcv;
        if (m.leaves)
            *leave_to = m.next;
        lower_flags_in(m.eflags, &frame->x[23], &frame->x[24], &nzcv);
        frame->spsr = (frame->spsr & ~0xf0000000ull) | nzcv;
    }
    return outcome;
}
