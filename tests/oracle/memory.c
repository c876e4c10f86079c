// SPDX-License-Identifier: MIT
//
// memory.c - memory operands. Of an instruction alone the address is chosen first and the registers are solved for it, whatever index and
// displacement are; in a sequence a register known to point into the window is the base.
#include <string.h>
#include "tests/oracle/generate.h"

enum { NO_REGISTER = 16 };

unsigned gen_memory_bytes(const struct oracle_form *f)
{
    const struct x64_insn *i = &f->sample;
    switch (i->op) {
    case X64_FXSAVE: case X64_FXRSTOR: return 512;
    case X64_XSAVE: case X64_XSAVEOPT: case X64_XSAVEC: case X64_XSAVES: case X64_XRSTOR: case X64_XRSTORS: return 832;
    default: return i->form & X64_F_MEM && i->opd[i->mem_operand].size ? i->opd[i->mem_operand].size : 1;
    }
}

static unsigned alignment(const struct oracle_form *f)
{
    switch (f->sample.op) {
    case X64_FXSAVE: case X64_FXRSTOR: return 16;
    case X64_XSAVE: case X64_XSAVEOPT: case X64_XSAVEC: case X64_XSAVES: case X64_XRSTOR: case X64_XRSTORS: return 64;
    default: return f->sample.form & X64_F_ALIGNED ? gen_memory_bytes(f) : 1;
    }
}

uint64_t gen_target(struct generator *g, unsigned bytes, unsigned align)
{
    const uint64_t mask = ~(align - 1ull);
    uint64_t inside = ORACLE_WINDOW_BASE + 0x100 + gen_below(g, 0x2e00 - bytes);
    inside &= gen_chance(g, 40) ? ~7ull & mask : mask;
    switch (gen_below(g, 40)) {
    case 0: case 1: return (ORACLE_WINDOW_BASE + ORACLE_READ_ONLY - 1 - gen_below(g, bytes > 1 ? bytes - 1 : 1)) & mask;
    case 2: return (ORACLE_WINDOW_BASE + ORACLE_READ_ONLY + gen_below(g, ORACLE_WINDOW_BYTES - ORACLE_READ_ONLY - bytes)) & mask;
    case 3: return (ORACLE_WINDOW_BASE + ORACLE_WINDOW_BYTES - 1 - gen_below(g, bytes)) & mask;
    case 4: case 5: return (ORACLE_WINDOW_BASE + 0x2000 - gen_below(g, bytes + 1)) & mask;     // a page boundary that does no harm
    case 6: return (ORACLE_WINDOW_BASE - 1 - gen_below(g, bytes)) & mask;
    case 7: return align > 1 ? inside + 1 + gen_below(g, align - 1) : inside;
    case 8: return g->user ? inside : (1ull << (47 + gen_below(g, 16))) + gen_below(g, 0x10000);                // not canonical
    case 9:
        if (g->user || gen_chance(g, 50))
            return inside;
        return gen_chance(g, 50) ? 0xffff800000000000ull + gen_below(g, 0x10000) : gen_chance(g, 50) ? gen_below(g, 0x1000) : 0x7fffffffffffull - gen_below(g, bytes);
    default: return inside;
    }
}

static void put_sib(struct encoding *e, unsigned scale, unsigned index, unsigned base)
{
    e->modrm |= 4;
    e->has_sib = true;
    e->sib = (uint8_t)(scale << 6 | (index & 7) << 3 | (base & 7));
    e->rex |= (uint8_t)((base & 8) >> 3 | (index & 8) >> 2);
}

static void put_base(struct encoding *e, unsigned base, unsigned index, unsigned scale)
{
    bool zero = e->disp == 0 && (base & 7) != 5, byte = e->disp >= -128 && e->disp < 128;
    if (!e->disp_bytes)
        e->disp_bytes = zero ? 0 : byte ? 1 : 4;
    e->modrm |= e->disp_bytes == 0 ? 0 : e->disp_bytes == 1 ? 0x40 : 0x80;
    if (index != NO_REGISTER || (base & 7) == 4)
        put_sib(e, scale, index == NO_REGISTER ? 4 : index, base);
    else
        e->modrm |= base & 7, e->rex |= (uint8_t)(base >> 3);
}

// [disp32] without a register.
static void put_absolute(struct encoding *e, uint64_t address)
{
    put_sib(e, 0, 4, 5);
    e->disp = (int64_t)address;
    e->disp_bytes = 4;
}

static void put_relative(struct encoding *e, uint64_t address)
{
    e->modrm |= 5;
    e->rip_relative = true;
    e->disp = (int64_t)address;
    e->disp_bytes = 4;
}

static unsigned free_register(struct generator *g, const struct encoding *e, unsigned except)
{
    for (unsigned attempt = 0; attempt < 100; attempt++) {
        unsigned r = gen_below(g, e->no_rex ? 8 : 16);
        if (!(g->solved >> r & 1) && r != except)
            return r;
    }
    return NO_REGISTER;
}

static void address_by_registers(struct generator *g, struct encoding *e, uint64_t address, bool narrow)
{
    unsigned base = free_register(g, e, NO_REGISTER), index = NO_REGISTER, scale = gen_below(g, 4);
    if (base == NO_REGISTER) {
        put_relative(e, address);
        return;
    }
    switch (gen_below(g, 5)) {
    case 0: e->disp = 0; break;
    case 1: case 2: e->disp = (int64_t)gen_below(g, 256) - 128; break;
    case 3: e->disp = (int64_t)gen_below(g, 0x2000) - 0x1000; break;
    default: e->disp = (int32_t)oracle_random(&g->seed); e->disp_bytes = 4;
    }
    if (gen_chance(g, 45)) {
        index = free_register(g, e, base);
        if (index == X64_RSP)
            index = NO_REGISTER;
    }
    if (index != NO_REGISTER)
        gen_set(g, index, g->in->gpr[index]);
    put_base(e, base, index, scale);
    uint64_t value = address - (uint64_t)e->disp - (index == NO_REGISTER ? 0 : g->in->gpr[index] << scale);
    gen_set(g, base, narrow ? (value & 0xffffffff) | oracle_random(&g->seed) << 32 : value);
}

// gs bases differ, their alignment to 64 bytes does not; only the bytes from GS_FIRST on may be touched.
static void alone_gs(struct generator *g, struct encoding *e, unsigned bytes, unsigned align)
{
    uint64_t offset = (ORACLE_GS_FIRST + gen_below(g, ORACLE_GS_BYTES - bytes)) & ~(align - 1ull);
    bool narrow = gen_chance(g, 15);
    encoding_add_prefix(e, 0x65);
    if (narrow)
        encoding_add_prefix(e, 0x67);
    g->target = 0;
    if (gen_chance(g, 40))
        put_absolute(e, offset);
    else
        address_by_registers(g, e, offset, narrow);
}

static void alone(struct generator *g, const struct oracle_form *f, struct encoding *e)
{
    unsigned bytes = gen_memory_bytes(f), align = alignment(f);
    bool bits = f->sample.op == X64_BT || f->sample.op == X64_BTS || f->sample.op == X64_BTR || f->sample.op == X64_BTC;
    uint64_t address = g->target = gen_target(g, bytes, align);
    bool narrow = !f->address32 && address < 0x80000000 && gen_chance(g, 8);
    if (gen_chance(g, 7) && bytes <= 64 && !bits) {
        alone_gs(g, e, bytes, align);
        return;
    }
    if (narrow)
        encoding_add_prefix(e, 0x67);
    if (!g->user && gen_chance(g, 3))
        encoding_add_prefix(e, 0x64);
    if (address < 0x80000000 && gen_chance(g, 8))
        put_absolute(e, address);
    else if (address < 0x80000000 && gen_chance(g, 15))
        put_relative(e, address);
    else
        address_by_registers(g, e, address, narrow || f->address32);
}

// A window address as base and a vector register as index, whose elements are mostly small.
static void gather(struct generator *g, const struct oracle_form *f, struct encoding *e)
{
    unsigned reg = (e->modrm >> 3 & 7) | (e->rex & 4) << 1, index, base;
    do index = gen_below(g, 16); while (index == reg || index == e->vvvv);
    e->disp = (int64_t)gen_below(g, 256) - 128;
    e->disp_bytes = 1;
    if (g->alone) {
        base = free_register(g, e, NO_REGISTER);
        gen_set(g, base, ORACLE_WINDOW_BASE + 0x1000 + gen_below(g, 0x1000));
    } else {
        do base = gen_below(g, 16); while (!(g->pointers >> base & 1));
    }
    e->modrm |= 0x40;
    put_sib(e, gen_below(g, 4), index, base);
    bool wide = f->sample.op == X64_VPGATHERQD || f->sample.op == X64_VPGATHERQQ || f->sample.op == X64_VGATHERQPS || f->sample.op == X64_VGATHERQPD;
    for (unsigned i = 0; i < 4 && gen_chance(g, g->alone ? 96 : 90); i++) {
        uint64_t a = gen_below(g, 64) - 16ull, b = gen_below(g, 64) - 16ull, value = wide ? a : (a & 0xffffffff) | b << 32;
        memcpy(i < 2 ? g->in->fx + ORACLE_FX_XMM + index * 16 + i * 8 : (uint8_t *)&g->in->high[index][i - 2], &value, 8);
    }
}

static unsigned pick(struct generator *g, unsigned set)
{
    unsigned r;
    do r = gen_below(g, 16); while (!(set >> r & 1));
    return r;
}

static void in_sequence(struct generator *g, const struct oracle_form *f, struct encoding *e)
{
    unsigned align = alignment(f), offset = gen_below(g, 3) ? gen_below(g, 64) * 8 : gen_below(g, 448), how = gen_below(g, 20);
    unsigned pointers = g->pointers & (e->no_rex ? 0xffu : 0xffffu), small = g->small & (e->no_rex ? 0xefu : 0xffefu);
    bool bits = f->sample.op == X64_BT || f->sample.op == X64_BTS || f->sample.op == X64_BTR || f->sample.op == X64_BTC;
    if (align > 1 && gen_chance(g, 96))
        offset &= ~(align - 1);
    if (how == 0) {
        put_absolute(e, ORACLE_WINDOW_BASE + 0x1000 + offset);
        if (gen_chance(g, 20))
            encoding_add_prefix(e, 0x67);
        return;
    }
    if (how == 1 && !bits && gen_memory_bytes(f) <= 64) {
        put_absolute(e, ORACLE_GS_FIRST + offset);
        encoding_add_prefix(e, 0x65);
        return;
    }
    if (how == 2 || !pointers) {
        put_relative(e, ORACLE_WINDOW_BASE + 0x1800 + offset);
        return;
    }
    // String and stack instructions move the other pointers by steps that are no alignment.
    unsigned steady = pointers & (1 << X64_RBX | 1 << X64_R12 | 1 << X64_R13);
    unsigned base = pick(g, align > 1 && steady && gen_chance(g, 90) ? steady : pointers), index = small && align == 1 && gen_chance(g, 35) ? pick(g, small) : NO_REGISTER;
    e->disp = gen_chance(g, 40) ? 0 : gen_chance(g, 60) ? (int64_t)gen_below(g, 256) - 128 : (int64_t)gen_below(g, 0x1000) - 0x800;
    if (gen_chance(g, 1))
        e->disp = (int32_t)oracle_random(&g->seed);         // usually a fault
    if (align > 1 && gen_chance(g, 97))
        e->disp &= ~(align - 1ll);
    put_base(e, base, index, gen_below(g, 4));
    if (gen_chance(g, 2))
        encoding_add_prefix(e, 0x67);
    if (!g->user && gen_chance(g, 2))
        encoding_add_prefix(e, 0x64);
}

void gen_memory(struct generator *g, const struct oracle_form *f, struct encoding *e)
{
    e->modrm &= 0x3f;
    if (oracle_form_has(f, SRC_VSIB))
        gather(g, f, e);
    else if (g->alone)
        alone(g, f, e);
    else
        in_sequence(g, f, e);
}
