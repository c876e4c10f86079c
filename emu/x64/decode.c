// SPDX-License-Identifier: MIT
//
// decode.c - from bytes to struct x64_insn.
//
// An instruction is read strictly left to right: prefixes, opcode, ModRM with SIB and displacement, immediates.
// After ModRM.reg, .mod and .rm are known they are packed, with W and L, into a "key"; the one row of the opcode
// whose prefixes and key fit says what the operation and its operands are.
//
// Reading past the end sets `short_of_bytes` and yields zeros; whatever was concluded from those zeros is thrown away
// at the end, so the steps between need no checks.
#include "emu/x64/rows.h"

struct decoder {
    const uint8_t *bytes;
    size_t limit, pos;              // bytes that may be read, at most 15
    bool short_of_bytes;
    bool lock, opsize_prefix, addrsize_prefix;
    uint8_t rep;                    // 0xf3 or 0xf2, the last one seen
    uint8_t rex;                    // 0, or the REX prefix directly before the opcode
    bool vex, w, l;
    uint8_t vvvv;
    uint8_t r, x, b;                // 0 or 8: the fourth bits of ModRM.reg, SIB.index, ModRM.rm / SIB.base / opcode
    uint8_t opcode, modrm;
    uint8_t opsize;                 // 2 4 8
    bool has_sib;
    const struct x64_row *row;
};

static uint8_t next_byte(struct decoder *d)
{
    if (d->pos >= d->limit) {
        d->short_of_bytes = true;
        return 0;
    }
    return d->bytes[d->pos++];
}

// Little-endian, zero-extended.
static uint64_t next_value(struct decoder *d, unsigned bytes)
{
    uint64_t value = 0;
    if (d->limit - d->pos < bytes) {
        d->short_of_bytes = true;
        d->pos = d->limit;
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)d->bytes[d->pos++] << (8 * i);
    return value;
}

// An immediate or a relative target.
static uint64_t next_immediate(struct decoder *d, struct x64_insn *out, unsigned bytes)
{
    out->imm_at = (uint8_t)d->pos;
    out->imm_bytes = (uint8_t)bytes;
    return next_value(d, bytes);
}

static uint64_t next_displacement(struct decoder *d, struct x64_insn *out, unsigned bytes)
{
    out->disp_at = (uint8_t)d->pos;
    out->disp_bytes = (uint8_t)bytes;
    return next_value(d, bytes);
}

static int64_t sign_extend(uint64_t value, unsigned bytes)
{
    unsigned shift = 64 - 8 * bytes;
    return (int64_t)(value << shift) >> shift;
}

// Legacy prefixes and REX (SDM vol. 2, 2.1.1, 2.2.1). Returns the byte after them. In 64-bit mode the ES, CS, SS and
// DS overrides do nothing at all: they do not even cancel FS or GS. A REX prefix counts only directly before the opcode.
static uint8_t read_prefixes(struct decoder *d, struct x64_insn *out)
{
    static const uint32_t prefixes[8] = { 0, 0x40404040, 0xffff, 0xf0, 0, 0, 0, 0xd0000 };    // bit n of word m: byte 32 * m + n is one
    for (;;) {
        uint8_t byte = next_byte(d);
        if (!(prefixes[byte / 32] >> byte % 32 & 1))
            return byte;
        if ((byte & 0xf0) == 0x40) {
            d->rex = byte;
            continue;
        }
        switch (byte) {
        case 0x26: case 0x2e: case 0x36: case 0x3e: break;
        case 0x64: out->segment = X64_FS; break;
        case 0x65: out->segment = X64_GS; break;
        case 0x66: d->opsize_prefix = true; break;
        case 0x67: d->addrsize_prefix = true; break;
        case 0xf0: d->lock = true; break;
        default: d->rep = byte; break;              // f2, f3
        }
        d->rex = 0;
    }
}

// C4 or C5 (SDM vol. 2, 2.3.5). Returns the map, or X64_MAP_COUNT for what is invalid.
static enum x64_map read_vex(struct decoder *d, uint8_t first)
{
    bool bad = d->rex || d->lock || d->opsize_prefix || d->rep;
    uint8_t map = 1, byte = next_byte(d);
    d->vex = true;
    d->r = byte & 0x80 ? 0 : 8;
    if (first == 0xc4) {
        d->x = byte & 0x40 ? 0 : 8;
        d->b = byte & 0x20 ? 0 : 8;
        map = byte & 0x1f;
        byte = next_byte(d);
        d->w = byte & 0x80;
    }
    d->vvvv = (uint8_t)(~byte >> 3 & 15);
    d->l = byte & 4;
    d->opsize_prefix = (byte & 3) == 1;             // pp stands for the mandatory prefix
    d->rep = (byte & 3) == 2 ? 0xf3 : (byte & 3) == 3 ? 0xf2 : 0;
    d->opcode = next_byte(d);
    if (bad || map < 1 || map > 3)
        return X64_MAP_COUNT;
    return (enum x64_map)(X64_MAP_VEX1 + map - 1);
}

static enum x64_map read_opcode(struct decoder *d, struct x64_insn *out)
{
    uint8_t byte = read_prefixes(d, out);
    if (byte == 0xc4 || byte == 0xc5)
        return read_vex(d, byte);
    d->w = d->rex & 8;
    d->r = (uint8_t)(d->rex << 1 & 8);
    d->x = (uint8_t)(d->rex << 2 & 8);
    d->b = (uint8_t)(d->rex << 3 & 8);
    d->opcode = byte;
    if (byte != 0x0f)
        return (byte & 0xf8) == 0xd8 ? X64_MAP_X87 : X64_MAP_1;
    d->opcode = next_byte(d);
    if (d->opcode != 0x38 && d->opcode != 0x3a)
        return X64_MAP_0F;
    enum x64_map map = d->opcode == 0x38 ? X64_MAP_0F38 : X64_MAP_0F3A;
    d->opcode = next_byte(d);
    return map;
}

// SIB and displacement of a memory operand (SDM vol. 2, tables 2-2 and 2-3). The index is still unaware of VSIB.
static void read_memory(struct decoder *d, struct x64_insn *out)
{
    struct x64_mem *mem = &out->mem;
    unsigned mod = d->modrm >> 6, rm = d->modrm & 7;
    unsigned disp_bytes = mod == 1 ? 1 : mod == 2 ? 4 : 0;
    if (rm == 4) {
        uint8_t sib = next_byte(d);
        d->has_sib = true;
        mem->scale = (uint8_t)(1 << (sib >> 6));
        mem->index = (sib >> 3 & 7) | d->x;
        if (mem->index == 4)
            mem->index = X64_REG_NONE;
        mem->base = (sib & 7) | d->b;
        if ((sib & 7) == 5 && mod == 0) {
            mem->base = X64_REG_NONE;
            disp_bytes = 4;
        }
    } else if (rm == 5 && mod == 0) {
        mem->base = X64_REG_RIP;
        disp_bytes = 4;
    } else {
        mem->base = (uint8_t)(rm | d->b);
    }
    if (disp_bytes)
        mem->disp = sign_extend(next_displacement(d, out, disp_bytes), disp_bytes);
}

static const struct x64_row *find_row(const struct decoder *d, enum x64_map map, const struct x64_row *row)
{
    unsigned pfx = d->rep == 0xf3 ? X64_PFX_F3 : d->rep == 0xf2 ? X64_PFX_F2 : d->opsize_prefix ? X64_PFX_66 : X64_PFX_NP;
    uint32_t key = (d->modrm & 0x3fu) | (d->modrm >= 0xc0 ? X64_KEY_REG : 0) | (d->w ? X64_KEY_W : 0) | (d->l ? X64_KEY_L : 0);
    const struct x64_row *none = x64_maps[map].rows;
    for (; row->opcode == d->opcode && row != none; row--) {
        if ((row->prefixes & pfx) && !((key ^ row->where) & row->where >> X64_KEY_BITS & X64_KEY_MASK))
            return row->op == X64_BAD ? NULL : row;
    }
    return NULL;
}

// The operand-size attribute (SDM vol. 2, 2.2.1.2). Near branches ignore 66 as Intel processors do.
static uint8_t operand_size(const struct decoder *d)
{
    uint32_t where = d->row->where;
    if (where & X64_ROW_F64)
        return 8;
    if (d->w)
        return where & X64_ROW_MAX32 ? 4 : 8;
    if (d->opsize_prefix && d->row->prefixes != X64_PFX_66)     // a mandatory 66 is not an operand size
        return 2;
    return where & X64_ROW_D64 ? 8 : 4;
}

static uint16_t size_by_rule(const struct decoder *d, const struct x64_insn *out, unsigned rule)
{
    unsigned vector = d->l ? 32 : 16;
    switch (rule) {
    case SIZE_V: return d->opsize;
    case SIZE_Z: return d->opsize == 2 ? 2 : 4;
    case SIZE_Y: return d->w ? 8 : 4;
    case SIZE_X: return (uint16_t)vector;
    case SIZE_XH: return (uint16_t)(vector / 2);
    case SIZE_XQ: return (uint16_t)(vector / 4);
    case SIZE_XO: return (uint16_t)(vector / 8);
    case SIZE_A: return out->address_size;
    case SIZE_P: return d->opsize + 2;              // m16:16, m16:32, m16:64
    case SIZE_ENV: return d->opsize == 2 ? 14 : 28;
    case SIZE_FPU: return d->opsize == 2 ? 94 : 108;
    default: return out->opsize;                    // SIZE_OP
    }
}

static inline uint16_t size_of(const struct decoder *d, const struct x64_insn *out, unsigned rule)
{
    return rule < SIZE_V ? (uint16_t)rule : rule == SIZE_V ? d->opsize : size_by_rule(d, out, rule);
}

static void set_register(struct x64_operand *opd, enum x64_operand_kind kind, unsigned reg)
{
    opd->kind = kind;
    opd->reg = (uint8_t)reg;
}

// Byte registers 4 to 7 are ah, ch, dh, bh unless there is a REX prefix (SDM vol. 2, table 3-1).
static void set_gpr(const struct decoder *d, struct x64_operand *opd, unsigned reg)
{
    if (opd->size == 1 && !d->rex && reg >= 4 && reg < 8)
        set_register(opd, X64_OPD_GPR8_HIGH, reg - 4);
    else
        set_register(opd, X64_OPD_GPR, reg);
}

static void set_vector(struct x64_operand *opd, unsigned reg)
{
    set_register(opd, opd->size == 32 ? X64_OPD_YMM : X64_OPD_XMM, reg);
}

static void set_memory(struct x64_insn *out, unsigned index, uint16_t size)
{
    out->opd[index].kind = X64_OPD_MEM;
    out->opd[index].size = size;
    out->form |= X64_F_MEM;
    out->mem_operand = (uint8_t)index;
}

// Gathers need a SIB byte, and three different vector registers (SDM vol. 2, 2.3.12 and VGATHERDPS).
static bool set_vsib(struct decoder *d, struct x64_insn *out, unsigned index_size)
{
    struct x64_mem *mem = &out->mem;
    if (!d->has_sib)
        return false;
    if (mem->index == X64_REG_NONE)
        mem->index = 4;
    mem->vsib = (uint8_t)index_size;
    unsigned reg = (d->modrm >> 3 & 7) | d->r;
    return reg != mem->index && reg != d->vvvv && mem->index != d->vvvv;
}

// Fills operand `index`. False: the registers make the instruction invalid. Not inlined: in a loop over the operands the compiler
// computes beforehand what every kind of operand may want.
static __attribute__((noinline)) bool read_operand(struct decoder *d, struct x64_insn *out, unsigned index)
{
    const struct x64_operand_form *form = &x64_operand_forms[d->row->operands[index]];
    struct x64_operand *opd = &out->opd[index];
    bool is_memory = d->modrm < 0xc0;
    unsigned reg = (d->modrm >> 3 & 7) | d->r;
    unsigned rm = (d->modrm & 7) | d->b;
    unsigned bytes;

    opd->size = size_of(d, out, form->reg_size);
    switch (form->source) {
    case SRC_NONE:
        break;
    case SRC_GPR_REG:
        set_gpr(d, opd, reg);
        break;
    case SRC_GPR_RM:
        if (is_memory)
            set_memory(out, index, size_of(d, out, form->mem_size));
        else
            set_gpr(d, opd, rm);
        break;
    case SRC_GPR_VVVV:
        set_gpr(d, opd, d->vvvv);
        break;
    case SRC_GPR_CODE:
        set_gpr(d, opd, (d->opcode & 7) | d->b);
        break;
    case SRC_GPR_FIXED:
        set_gpr(d, opd, form->argument);
        break;
    case SRC_MEM:
        set_memory(out, index, size_of(d, out, form->mem_size));
        break;
    case SRC_MOFFS:
        set_memory(out, index, size_of(d, out, form->mem_size));
        out->mem.disp = (int64_t)next_displacement(d, out, out->address_size);
        break;
    case SRC_VSIB:
        set_memory(out, index, size_of(d, out, form->mem_size));
        return set_vsib(d, out, size_of(d, out, form->argument));
    case SRC_SEG_FIXED:
        set_register(opd, X64_OPD_SEG, form->argument);
        break;
    case SRC_SEG_REG:                               // CS cannot be loaded
        set_register(opd, X64_OPD_SEG, reg & 7);
        return opd->reg <= X64_GS && !(index == 0 && opd->reg == X64_CS);
    case SRC_CR:
        set_register(opd, X64_OPD_CR, reg);
        return reg == 0 || (reg >= 2 && reg <= 4) || reg == 8;
    case SRC_DR:
        set_register(opd, X64_OPD_DR, reg);
        return reg < 8;
    case SRC_MMX_REG:
        set_register(opd, X64_OPD_MMX, reg & 7);
        break;
    case SRC_MMX_RM:
    case SRC_MMX_ONLY:
        if (is_memory)
            set_memory(out, index, size_of(d, out, form->mem_size));
        else
            set_register(opd, X64_OPD_MMX, rm & 7);
        break;
    case SRC_ST_ZERO:
        set_register(opd, X64_OPD_ST, 0);
        break;
    case SRC_ST_RM:
        set_register(opd, X64_OPD_ST, rm & 7);
        break;
    case SRC_VEC_REG:
        set_vector(opd, reg);
        break;
    case SRC_VEC_RM:
    case SRC_VEC_ONLY:
        if (is_memory)
            set_memory(out, index, size_of(d, out, form->mem_size));
        else
            set_vector(opd, rm);
        break;
    case SRC_VEC_VVVV:
        set_vector(opd, d->vvvv);
        break;
    case SRC_VEC_IMM:
        set_vector(opd, next_byte(d) >> 4);
        break;
    case SRC_IMM_ONE:
        opd->kind = X64_OPD_IMM;
        opd->value = 1;
        break;
    case SRC_IMM_ZERO:
        opd->kind = X64_OPD_IMM;
        opd->value = (int64_t)next_immediate(d, out, form->argument);
        break;
    case SRC_IMM_SIGN:
        opd->kind = X64_OPD_IMM;
        bytes = size_of(d, out, form->argument);
        opd->value = sign_extend(next_immediate(d, out, bytes), bytes);
        break;
    case SRC_REL:                                   // relative until the length is known
        opd->kind = X64_OPD_REL;
        bytes = size_of(d, out, form->argument);
        opd->value = sign_extend(next_immediate(d, out, bytes), bytes);
        break;
    }
    return true;
}

// What the whole instruction works on: a byte, the operand size, or a vector.
static uint8_t effective_size(const struct decoder *d, enum x64_map map)
{
    const struct x64_row *row = d->row;
    const struct x64_operand_form *first = &x64_operand_forms[row->operands[0]];
    if (map == X64_MAP_X87)
        return 0;
    if (row->where & X64_ROW_VECTOR)
        return d->l ? 32 : 16;
    if (row->where & X64_ROW_MMX)
        return 8;
    if (row->where & X64_ROW_BYTE || first->reg_size == 1)
        return 1;
    if (first->reg_size == SIZE_Y || first->mem_size == SIZE_Y)
        return d->w ? 8 : 4;
    return d->opsize;
}

// Prefixes and the condition: the facts that depend on the operation.
static bool finish_operation(const struct decoder *d, struct x64_insn *out)
{
    const struct x64_op_info *info = x64_op_info(out->op);
    bool memory_destination = (out->form & X64_F_MEM) && out->mem_operand == 0;
    if (d->lock) {
        if (!(info->attributes & X64_A_LOCKABLE) || !memory_destination)
            return false;
        out->prefixes |= X64_P_LOCK;
    }
    if (out->op == X64_XCHG && memory_destination)
        out->prefixes |= X64_P_LOCK;
    if ((info->attributes & X64_A_STRING) && d->rep) {
        bool compares = out->op == X64_CMPS || out->op == X64_SCAS;
        out->prefixes |= d->rep == 0xf2 && compares ? X64_P_REPNE : X64_P_REP;
    }

    if (out->op == X64_JCC || out->op == X64_SETCC || out->op == X64_CMOVCC) {
        out->cond = d->opcode & 15;
    } else if (out->op == X64_FCMOVCC) {            // DA: B E BE U; DB: their opposites
        static const uint8_t conditions[4] = { X64_CC_B, X64_CC_E, X64_CC_BE, X64_CC_P };
        out->cond = conditions[d->modrm >> 3 & 3] ^ (d->opcode & 1);
    }

    bool legacy_vector = !d->vex && (d->row->where & X64_ROW_VECTOR) && !(info->attributes & X64_A_UNALIGNED);
    if ((out->form & X64_F_MEM) && ((legacy_vector && out->opd[out->mem_operand].size == 16) || info->attributes & X64_A_ALIGNED))
        out->form |= X64_F_ALIGNED;
    return true;
}

// 90 is XCHG eAX, eAX by its place in the map, but leaves the upper half of rax alone; F3 90 is PAUSE
// whatever REX.B says.
static void resolve_nop(const struct decoder *d, struct x64_insn *out)
{
    if (d->rep == 0xf3)
        out->op = X64_PAUSE;
    else if (!d->b)
        out->op = X64_NOP;
    else
        return;
    out->operand_count = 0;
    out->kinds = 0;
    out->opd[0] = out->opd[1] = (struct x64_operand){ 0 };
}

static void resolve_addresses(const struct decoder *d, struct x64_insn *out)
{
    uint64_t next = out->rip + out->length;
    struct x64_mem *mem = &out->mem;
    if (out->kinds >> X64_OPD_REL & 1)              // it is the only operand, of XBEGIN and jumps
        out->opd[0].value = (int64_t)(next + (uint64_t)out->opd[0].value);
    if (!(out->form & X64_F_MEM))
        return;
    mem->segment = out->op == X64_LEA ? X64_SEGMENT_NONE : out->segment;
    mem->address_size = out->address_size;
    if (mem->base == X64_REG_RIP)
        mem->address = next + (uint64_t)mem->disp;
    else if (mem->base == X64_REG_NONE && mem->index == X64_REG_NONE)
        mem->address = (uint64_t)mem->disp;
    if (d->addrsize_prefix)
        mem->address &= 0xffffffff;
}

// Everything but the check for missing bytes.
static bool decode(struct decoder *d, struct x64_insn *out)
{
    enum x64_map map = read_opcode(d, out);
    out->address_size = d->addrsize_prefix ? 4 : 8;
    if (map == X64_MAP_COUNT)
        return false;
    const struct x64_row *row = &x64_maps[map].rows[x64_maps[map].last[d->opcode]];
    if (row->op == X64_BAD)
        return false;
    if (row->where & X64_ROW_MODRM) {
        d->modrm = next_byte(d);
        if (row->where & X64_ROW_ANYMOD)
            d->modrm |= 0xc0;
    }
    d->row = row = find_row(d, map, row);
    if (!row || (d->vex && !(row->where & X64_ROW_VVVV) && d->vvvv))
        return false;
    if ((row->where & X64_ROW_MODRM) && d->modrm < 0xc0)
        read_memory(d, out);

    out->op = row->op;
    d->opsize = operand_size(d);
    out->opsize = effective_size(d, map);
    out->form = (d->vex ? X64_F_VEX : 0) | (d->l ? X64_F_256 : 0) | (d->rex ? X64_F_REX : 0) | (d->w ? X64_F_W : 0);
    const char *access = x64_op_info(out->op)->access;
    for (unsigned i = 0; i < X64_OPERANDS_MAX && row->operands[i] != X64_OC___; i++) {
        static const uint8_t accesses[32] = { ['r' & 31] = X64_READ, ['w' & 31] = X64_WRITE, ['x' & 31] = X64_READ | X64_WRITE,
                                              ['c' & 31] = X64_READ | X64_WRITE | X64_MAYBE };
        if (!read_operand(d, out, i))
            return false;
        out->opd[i].access = accesses[access[i] & 31];
        out->kinds |= (uint16_t)(1 << out->opd[i].kind);
        out->operand_count++;
    }
    if (map == X64_MAP_1 && d->opcode == 0x90)
        resolve_nop(d, out);
    if (!finish_operation(d, out))
        return false;
    out->length = (uint8_t)d->pos;
    resolve_addresses(d, out);
    x64_find_effects(out);
    return true;
}

enum x64_status x64_decode(const uint8_t *bytes, size_t avail, uint64_t rip, struct x64_insn *out)
{
    struct decoder d = { .bytes = bytes, .limit = avail < X64_LENGTH_MAX ? avail : X64_LENGTH_MAX };
    *out = (struct x64_insn){ .rip = rip, .cond = X64_CC_NONE, .segment = X64_SEGMENT_NONE,
                              .mem = { .base = X64_REG_NONE, .index = X64_REG_NONE, .scale = 1, .segment = X64_SEGMENT_NONE } };
    bool valid = decode(&d, out);
    out->length = (uint8_t)d.pos;
    if (d.short_of_bytes)
        return avail < X64_LENGTH_MAX ? X64_TRUNCATED : X64_TOO_LONG;
    return valid ? X64_OK : X64_INVALID;
}
