// SPDX-License-Identifier: MIT
//
// instruction.c - one instruction of a form: registers, operands, immediates, odd prefixes, and what must be prepared for it: registers of
// the initial state, or instructions before it (`prepare` and `before` below).
#include <string.h>
#include "tests/oracle/generate.h"

void gen_byte(struct generator *g, unsigned byte)
{
    if (g->length < sizeof g->code)
        g->code[g->length++] = (uint8_t)byte;
}

void gen_value(struct generator *g, uint64_t value, unsigned bytes)
{
    while (bytes--) {
        gen_byte(g, value & 255);
        value >>= 8;
    }
}

static bool is(const struct oracle_form *f, enum x64_op op) { return f->sample.op == op; }

// Registers that sequences write freely; rsp and the pointers now and then.
static unsigned data_register(struct generator *g)
{
    static const uint8_t usual[] = { X64_RAX, X64_RCX, X64_RDX, X64_R8, X64_R10, X64_R11, X64_R15 };
    if (g->alone)
        return gen_below(g, 16);
    if (gen_chance(g, 2))
        return X64_RSP;
    unsigned r = gen_below(g, 16);
    return gen_chance(g, 12) && r != X64_RSP ? r : usual[gen_below(g, sizeof usual)];
}

// A register for a field; `high`: ah .. bh, or spl .. dil with a REX.
static unsigned gpr(struct generator *g, const struct encoding *e, unsigned size, bool high)
{
    if (high)
        return 4 + gen_below(g, 4);
    for (;;) {
        unsigned r = data_register(g);
        if ((size != 1 || r < 4 || r > 7) && !(e->no_rex && r > 7))
            return r;
    }
}

static void put_reg(struct encoding *e, unsigned r) { e->modrm = (uint8_t)((e->modrm & 0xc7) | (r & 7) << 3); e->rex |= (uint8_t)((r & 8) >> 1); }
static void put_rm(struct encoding *e, unsigned r) { e->modrm = (uint8_t)((e->modrm & 0xf8) | (r & 7)); e->rex |= (uint8_t)(r >> 3); }

static unsigned segment(struct generator *g, bool load)
{
    static const uint8_t loads[] = { X64_ES, X64_SS, X64_DS, X64_FS }, stores[] = { X64_ES, X64_CS, X64_SS, X64_DS };
    return load ? loads[gen_below(g, 4)] : stores[gen_below(g, 4)];
}

// Registers that ModRM, VEX.vvvv and the opcode name.
static void choose_registers(struct generator *g, const struct oracle_form *f, struct encoding *e)
{
    static const uint8_t control[] = { 0, 2, 3, 4, 8 };
    const struct x64_operand_form *o;
    for (unsigned i = 0; (o = oracle_form_operand(f, i)); i++) {
        unsigned size = o->reg_size;
        switch (o->source) {
        case SRC_GPR_REG: put_reg(e, gpr(g, e, size, f->high_reg)); break;
        case SRC_GPR_RM: if (!f->memory) put_rm(e, gpr(g, e, size, f->high_rm)); break;
        case SRC_GPR_VVVV: e->vvvv = (uint8_t)data_register(g); break;
        case SRC_GPR_CODE:
            if (!f->rex40 && !(size == 1 && f->row->opcode & 4) && !(f->row->opcode == 0x90) && gen_chance(g, 50))
                e->rex |= 1;
            break;
        case SRC_SEG_REG: put_reg(e, segment(g, i == 0)); break;
        case SRC_CR: put_reg(e, control[gen_below(g, sizeof control)]); break;
        case SRC_DR: case SRC_MMX_REG: put_reg(e, gen_below(g, 8)); break;
        case SRC_MMX_RM: case SRC_MMX_ONLY: case SRC_ST_RM: if (!f->memory) put_rm(e, gen_below(g, 8)); break;
        case SRC_VEC_REG: put_reg(e, gen_below(g, 16)); break;
        case SRC_VEC_RM: case SRC_VEC_ONLY: if (!f->memory) put_rm(e, gen_below(g, 16)); break;
        case SRC_VEC_VVVV: e->vvvv = (uint8_t)gen_below(g, 16); break;
        default: break;
        }
    }
    // A bit offset in a register reaches far.
    bool bits = is(f, X64_BT) || is(f, X64_BTS) || is(f, X64_BTR) || is(f, X64_BTC);
    if (!g->alone && bits && f->memory && oracle_form_has(f, SRC_GPR_REG) && g->small && gen_chance(g, 95)) {
        unsigned r = gen_below(g, 16);
        while (!(g->small >> r & 1))
            r = gen_below(g, 16);
        e->rex &= (uint8_t)~4;
        put_reg(e, r);
    }
    if (oracle_form_has(f, SRC_VSIB))               // three different registers, the index is chosen behind
        while (e->vvvv == ((e->modrm >> 3 & 7) | (e->rex & 4) << 1))
            e->vvvv = (uint8_t)gen_below(g, 16);
}

// INT: vectors whose gates no system opens to programs, and 3.
static unsigned interrupt(struct generator *g)
{
    if (gen_chance(g, 10))
        return 3;
    unsigned n = gen_below(g, 256);
    return (n < 32 && n != 13) || (n >= 0x29 && n <= 0x2e) || n == 0x80 ? 0x40 : n;
}

static void put_immediate(struct encoding *e, unsigned *at, uint64_t value, unsigned bytes)
{
    if (bytes < 8)
        value &= (1ull << bytes * 8) - 1;
    e->imm |= value << *at * 8;
    *at += bytes;
}

static void choose_immediates(struct generator *g, const struct oracle_form *f, struct encoding *e)
{
    const struct x64_operand_form *o;
    unsigned at = 0, total = e->imm_bytes, last = total;
    bool walked = g->walk < 0, shift = x64_op_info((enum x64_op)f->sample.op)->attributes & X64_A_IF_COUNT;
    for (unsigned i = 0; (o = oracle_form_operand(f, i)); i++) {
        unsigned bytes;
        switch (o->source) {
        case SRC_MOFFS:
            last = f->address32 ? 4 : 8;
            put_immediate(e, &at, gen_target(g, gen_memory_bytes(f), 1), last);
            break;
        case SRC_IMM_ZERO: case SRC_IMM_SIGN: case SRC_VEC_IMM: case SRC_REL:
            bytes = o->source == SRC_VEC_IMM ? 1 : o->argument < 8 ? o->argument : 0;
            if (!bytes)                             // by operand size: what the other immediates leave (ENTER has none of these)
                bytes = total - at;
            if (is(f, X64_INT))
                put_immediate(e, &at, interrupt(g), 1);
            else if ((is(f, X64_ENTER) || is(f, X64_RET) || is(f, X64_RET_FAR)) && bytes == 2)
                put_immediate(e, &at, (gen_chance(g, g->alone ? 70 : 97) ? gen_below(g, 64) : gen_below(g, 4096)) * 8, 2);
            else if (is(f, X64_ENTER))
                put_immediate(e, &at, gen_chance(g, 70) ? gen_below(g, 6) : gen_below(g, 256), 1);
            else if (!walked && bytes == 1)
                put_immediate(e, &at, (unsigned)g->walk, 1), walked = true;
            else if (bytes == 1 && shift)
                put_immediate(e, &at, gen_chance(g, 70) ? gen_below(g, 34) : gen_below(g, 256), 1);
            else
                put_immediate(e, &at, gen_integer(g), bytes);
            break;
        default: break;
        }
    }
}

// ---- what must stand before: instructions that leave the flags alone where the instruction reads them
static void write_encoding(struct generator *g, const struct encoding *e)
{
    uint8_t bytes[64];
    unsigned n = encoding_write(e, g->va + g->length, bytes);
    for (unsigned i = 0; i < n; i++)
        gen_byte(g, bytes[i]);
}

// OPCODE /ext m, imm with e's memory operand, `offset` bytes further on.
static void on_memory(struct generator *g, const struct encoding *e, unsigned offset, bool word, unsigned opcode, unsigned ext, uint64_t imm, unsigned imm_bytes)
{
    struct encoding m = *e;
    m.prefix_count = 0;
    for (unsigned i = 0; i < e->prefix_count; i++)
        if (e->prefixes[i] == 0x64 || e->prefixes[i] == 0x65 || e->prefixes[i] == 0x67)
            encoding_add_prefix(&m, e->prefixes[i]);
    if (word)
        encoding_add_prefix(&m, 0x66);
    m.early_rex = 0;
    m.rex &= 3;
    m.map = X64_MAP_1;
    m.opcode = (uint8_t)opcode;
    m.modrm = (uint8_t)((e->modrm & 0xc7) | ext << 3);
    m.imm = imm;
    m.imm_bytes = (uint8_t)imm_bytes;
    m.disp += offset;
    if (offset && !m.rip_relative && m.disp_bytes != 4) {
        bool sib_base = m.has_sib && (m.sib & 7) == 5 && m.modrm >> 6 == 0;
        if (!sib_base)
            m.modrm = (uint8_t)((m.modrm & 0x3f) | 0x80);
        m.disp_bytes = 4;
    }
    write_encoding(g, &m);
}

static void store32(struct generator *g, const struct encoding *e, unsigned offset, uint64_t value) { on_memory(g, e, offset, false, 0xc7, 0, value, 4); }
static void store16(struct generator *g, const struct encoding *e, unsigned offset, unsigned value) { on_memory(g, e, offset, true, 0xc7, 0, value, 2); }
static void and32(struct generator *g, const struct encoding *e, unsigned offset, uint64_t value) { on_memory(g, e, offset, false, 0x81, 4, value, 4); }

static void push(struct generator *g, uint64_t value) { gen_byte(g, 0x68), gen_value(g, value, 4); }
static void stack_word(struct generator *g, unsigned offset, uint64_t value)    // mov dword [rsp + offset], value
{
    gen_byte(g, 0xc7), gen_byte(g, 0x44), gen_byte(g, 0x24), gen_byte(g, offset), gen_value(g, value, 4);
}

static void clear_xsave_header(struct generator *g, const struct encoding *e)
{
    and32(g, e, 512, gen_below(g, 8));
    for (unsigned at = 516; at < 576; at += 4)
        store32(g, e, at, 0);
    and32(g, e, 24, 0xffff);
}

// FIP and FDP of an image that FXRSTOR or XRSTOR loads.
static void canonical_pointers(struct generator *g, const struct encoding *e)
{
    and32(g, e, 12, 0x7fff);
    and32(g, e, 20, 0x7fff);
}

// Where in what is written before the instruction the address it will go to must be put, when that is known.
static unsigned before(struct generator *g, const struct oracle_form *f, const struct encoding *e)
{
    unsigned size = f->sample.opsize;
    bool well = gen_chance(g, 85);
    switch (f->sample.op) {
    case X64_POPF:                                  // and qword [rsp], ...
        gen_byte(g, 0x48), gen_byte(g, 0x81), gen_byte(g, 0x24), gen_byte(g, 0x24);
        gen_value(g, X64_ALL_FLAGS | (!g->user && gen_chance(g, 12) ? 0x100 : 0), 4);
        break;
    case X64_SHLD: case X64_SHRD:                   // 16 bits by no more than 16: mov cl, ...
        if (size == 2 && oracle_form_has(f, SRC_GPR_FIXED))
            gen_byte(g, 0xb1), gen_byte(g, gen_below(g, 17) | gen_below(g, 8) << 5);
        break;
    case X64_LDMXCSR: case X64_VLDMXCSR:
        if (well)
            and32(g, e, 0, 0xffff);
        break;
    case X64_FXRSTOR:
        canonical_pointers(g, e);
        if (well)
            and32(g, e, 24, 0xffff);
        break;
    case X64_XRSTOR:
        canonical_pointers(g, e);
        if (well)
            clear_xsave_header(g, e);
        break;
    case X64_LSS: case X64_LFS:
        if (well)
            store16(g, e, size, 0x2b);
        break;
    case X64_MOV:
        if (f->memory && oracle_form_has(f, SRC_SEG_REG) && f->sample.opd[0].kind == X64_OPD_SEG && well)
            store16(g, e, 0, 0x2b);
        break;
    case X64_POP:
        if (oracle_form_has(f, SRC_SEG_FIXED) && well)
            gen_byte(g, 0x6a), gen_byte(g, 0x2b);
        break;
    case X64_CALL: case X64_JMP:
        if (f->memory && gen_chance(g, 75)) {
            store32(g, e, 4, 0);
            store32(g, e, 0, 0);
            return g->length - 4;
        }
        break;
    case X64_RET:
        if (gen_chance(g, 75)) {
            push(g, 0);
            return g->length - 4;
        }
        break;
    case X64_CALL_FAR: case X64_JMP_FAR:
        if (well) {
            store16(g, e, size, 0x33);
            store32(g, e, 0, 0);
            return size == 2 ? 0 : g->length - 4;
        }
        break;
    case X64_RET_FAR:
        if (well && size == 8)
            push(g, 0x33), push(g, 0);
        else if (well && size == 4)
            push(g, 0), stack_word(g, 4, 0x33);
        else if (well) {                            // to an address below 64 KiB
            push(g, 0x330000 | gen_below(g, 0x10000));
            break;
        } else
            break;
        return size == 8 ? g->length - 4 : g->length - 12;
    case X64_IRET:
        if (!well || !g->alone || size == 2)
            break;
        if (size == 8) {
            push(g, 0x2b), push(g, ORACLE_WINDOW_BASE + 0x1800), push(g, X64_PF | 0x202), push(g, 0x33), push(g, 0);
            return g->length - 4;
        }
        push(g, 0), stack_word(g, 4, 0x33), stack_word(g, 8, 0x203), stack_word(g, 12, ORACLE_WINDOW_BASE + 0x1810), stack_word(g, 16, 0x2b);
        return g->length - 36;
    default: break;
    }
    return 0;
}

// Behind an instruction that stores the x87 environment: what makers store differently is overwritten. AMD stores FIP, FDP and FOP only while
// an exception waits (FXSAVE, XSAVE), Intel FOP only of unmasked exceptions; with one waiting AMD stores selectors, newer Intel zeroes; MXCSR_MASK has AMD's bit 17.
static void after(struct generator *g, const struct oracle_form *f, const struct encoding *e)
{
    switch (f->sample.op) {
    case X64_FXSAVE: case X64_XSAVE: case X64_XSAVEOPT: case X64_XSAVEC:
        store16(g, e, 6, 0);
        for (unsigned at = 8; at < 24; at += 4)
            store32(g, e, at, 0);
        store32(g, e, 28, 0xffff);
        if (!is(f, X64_FXSAVE))
            store32(g, e, 512, 0);
        break;
    case X64_FNSTENV: case X64_FNSAVE:
        if (f->sample.opd[0].size == 28 || f->sample.opd[0].size == 108) {
            for (unsigned at = 12; at < 28; at += 4)        // FIP, FCS and FOP, FDP, FDS
                store32(g, e, at, 0);
        } else {
            for (unsigned at = 6; at < 14; at += 2)
                store16(g, e, at, 0);
        }
        break;
    default: break;
    }
}

// ---- registers of the initial state that an instruction alone needs
static void need_string(struct generator *g, const struct oracle_form *f)
{
    unsigned bytes = f->sample.opsize ? f->sample.opsize : 1;
    bool narrow = f->address32;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t at = gen_target(g, bytes, 1);
        gen_set(g, i ? X64_RDI : X64_RSI, narrow ? (at & 0xffffffff) | oracle_random(&g->seed) << 32 : at);
    }
    if (gen_chance(g, 20))                          // overlapping
        gen_set(g, X64_RDI, g->in->gpr[X64_RSI] + gen_below(g, 32) - 16);
    if (f->sample.prefixes & (X64_P_REP | X64_P_REPNE)) {
        uint64_t count = gen_chance(g, 95) ? gen_below(g, 40) : gen_below(g, 4000);
        gen_set(g, X64_RCX, narrow ? count | oracle_random(&g->seed) << 32 : count);
    }
}

// The accumulator equals what is compared, half of the time.
static void need_equal(struct generator *g, const struct oracle_form *f, const struct encoding *e)
{
    unsigned size = f->sample.opd[0].size, bytes = size == 16 ? 8 : size == 8 && is(f, X64_CMPXCHG8B) ? 4 : size;
    uint64_t low = 0, high = 0;
    if (gen_chance(g, 50))
        return;
    if (!f->memory) {
        unsigned rm = (e->modrm & 7) | (e->rex & 1) << 3;
        if (!f->high_rm && !(g->solved >> rm & 1) && rm != X64_RAX)
            gen_set(g, rm, g->in->gpr[X64_RAX]);
        return;
    }
    if (g->target < ORACLE_WINDOW_BASE || g->target + size > ORACLE_WINDOW_BASE + ORACLE_WINDOW_BYTES)
        return;
    memcpy(&low, g->memory + (g->target - ORACLE_WINDOW_BASE), bytes);
    if (!(g->solved >> X64_RAX & 1))
        gen_set(g, X64_RAX, low);
    if (is(f, X64_CMPXCHG8B) || is(f, X64_CMPXCHG16B)) {
        memcpy(&high, g->memory + (g->target + bytes - ORACLE_WINDOW_BASE), bytes);
        if (!(g->solved >> X64_RDX & 1))
            gen_set(g, X64_RDX, high);
    }
}

// Before the memory operand is chosen: implicit addresses and the stack are not free for it.
static void prepare(struct generator *g, const struct oracle_form *f)
{
    uint32_t attributes = x64_op_info((enum x64_op)f->sample.op)->attributes;
    if (attributes & X64_A_STRING)
        need_string(g, f);
    if (attributes & X64_A_STACK)
        gen_set(g, X64_RSP, gen_chance(g, 90) ? ORACLE_WINDOW_BASE + 0x1000 + (gen_below(g, 0x1800) & (gen_chance(g, 80) ? ~7u : ~0u))
                                                 : gen_target(g, 8, 1));
    switch (f->sample.op) {
    case X64_LEAVE: case X64_ENTER: gen_set(g, X64_RBP, ORACLE_WINDOW_BASE + 0x1000 + gen_below(g, 0x100) * 8); break;
    case X64_XLAT: gen_set(g, X64_RBX, gen_target(g, 1, 1) - (g->in->gpr[X64_RAX] & 255)), gen_set(g, X64_RAX, g->in->gpr[X64_RAX]); break;
    case X64_MASKMOVQ: case X64_MASKMOVDQU: case X64_VMASKMOVDQU: gen_set(g, X64_RDI, gen_target(g, 16, 1)); break;
    case X64_DIV: case X64_IDIV:
        if (gen_chance(g, 75)) {
            bool sign = is(f, X64_IDIV) && gen_chance(g, 40);
            uint64_t rax = g->in->gpr[X64_RAX] >> (gen_chance(g, 50) ? 0 : 32);
            gen_set(g, X64_RDX, sign ? ~0ull : gen_chance(g, 70) ? 0 : gen_below(g, 64));
            gen_set(g, X64_RAX, f->sample.opsize == 1 ? (rax & ~0xff00ull) | (sign ? 0xff00 : gen_below(g, 8) << 8) : rax);
        }
        break;
    case X64_LOOP: case X64_LOOPE: case X64_LOOPNE: case X64_JRCXZ:
        if (gen_chance(g, 80))
            gen_set(g, X64_RCX, gen_below(g, 4) | (f->address32 ? oracle_random(&g->seed) << 32 : 0));
        break;
    case X64_XSAVE: case X64_XSAVEC: case X64_XSAVEOPT: case X64_XRSTOR:
        gen_set(g, X64_RAX, gen_chance(g, 50) ? 7 : gen_below(g, 8));
        gen_set(g, X64_RDX, 0);
        break;
    case X64_XGETBV: gen_set(g, X64_RCX, gen_chance(g, 80) ? 0 : 2 + gen_below(g, 100)); break;
    default:
        if (attributes & X64_A_IF_COUNT && gen_chance(g, 70))
            g->in->gpr[X64_RCX] = (g->in->gpr[X64_RCX] & ~0xffull) | gen_below(g, 70);
    }
}

// After it: registers whose value must fit to it.
static void prepare_operands(struct generator *g, const struct oracle_form *f, const struct encoding *e)
{
    unsigned reg = (e->modrm >> 3 & 7) | (e->rex & 4) << 1, rm = (e->modrm & 7) | (e->rex & 1) << 3;
    switch (f->sample.op) {
    case X64_CMPXCHG: case X64_CMPXCHG8B: case X64_CMPXCHG16B: need_equal(g, f, e); break;
    case X64_BT: case X64_BTS: case X64_BTR: case X64_BTC:
        if (f->memory && oracle_form_has(f, SRC_GPR_REG) && !(g->solved >> reg & 1) && gen_chance(g, 92))
            gen_set(g, reg, (uint64_t)((int64_t)gen_below(g, 4096) - 2048));
        break;
    case X64_MOV:
        if (!f->memory && f->sample.opd[0].kind == X64_OPD_SEG && gen_chance(g, 80))
            gen_set(g, rm, (g->in->gpr[rm] & ~0xffffull) | (gen_chance(g, 70) ? 0x2b : 0));
        break;
    default: break;
    }
}

// ---- prefixes that change nothing, in any order
static bool same_form(struct generator *g, const struct encoding *e, const struct oracle_form *f)
{
    uint8_t bytes[64];
    unsigned n = encoding_write(e, g->va + g->length, bytes);
    return n <= X64_LENGTH_MAX && oracle_form_of(bytes, n) == f;
}

static void odd_prefixes(struct generator *g, const struct oracle_form *f, struct encoding *e)
{
    static const uint8_t choice[] = { 0x26, 0x2e, 0x36, 0x3e, 0x66, 0x67, 0xf2, 0xf3, 0x66, 0x64, 0x65, 0x48, 0x40 };
    unsigned count = 1 + gen_below(g, 3);
    bool memory = f->memory || oracle_form_has(f, SRC_MOFFS) || x64_op_info((enum x64_op)f->sample.op)->attributes & X64_A_STRING || is(f, X64_XLAT);
    bool masked = is(f, X64_MASKMOVQ) || is(f, X64_MASKMOVDQU) || is(f, X64_VMASKMOVDQU);      // [rdi] is no place of gs
    bool transfer = x64_flow(&f->sample) != X64_FLOW_NEXT;
    for (unsigned i = 0; i < count; i++) {
        struct encoding with = *e;
        uint8_t prefix = choice[gen_below(g, sizeof choice)];
        bool repeat = prefix == 0xf2 || prefix == 0xf3;
        if ((prefix == 0x66 && transfer) || (repeat && (is(f, X64_LOOPE) || is(f, X64_LOOPNE))) ||     // see NOT_TRIED in rules.inc
            ((prefix == 0x64 || prefix == 0x65) && (memory || g->user)) || (prefix == 0x67 && memory) || (prefix == 0x65 && masked) || e->prefix_count == ENCODING_PREFIXES_MAX)
            continue;
        if (repeat && f->mandatory & 6 && prefix != (f->mandatory & 2 ? 0xf3 : 0xf2))
            continue;
        if (prefix == 0x48 || prefix == 0x40) {
            if (e->no_rex || e->map >= X64_MAP_VEX1)
                continue;
            if (with.prefix_count && gen_chance(g, 50))
                with.early_rex = (uint8_t)(0x40 | gen_below(g, 16));
            else
                with.rex |= prefix == 0x48 ? 8 : 0x40;
        } else {
            unsigned at = gen_below(g, with.prefix_count + 1u);
            memmove(with.prefixes + at + 1, with.prefixes + at, with.prefix_count - at);
            with.prefixes[at] = prefix;
            with.prefix_count++;
        }
        if (same_form(g, &with, f))
            *e = with;
    }
    if (e->map == X64_MAP_VEX1 && gen_chance(g, 20))
        e->long_vex = true;
}

static void shuffle_prefixes(struct generator *g, struct encoding *e)
{
    for (unsigned i = 1; i < e->prefix_count; i++) {
        unsigned j = gen_below(g, i + 1);
        uint8_t p = e->prefixes[i];
        e->prefixes[i] = e->prefixes[j];
        e->prefixes[j] = p;
    }
}

// ---- where a transfer alone goes to: mostly over an instruction behind it (not ebx)
static void land(struct generator *g, const struct oracle_form *f, unsigned patch, unsigned start)
{
    const uint8_t *filler = (const uint8_t *)"\xf7\xd3";
    struct x64_insn i;
    bool relative = oracle_form_has(f, SRC_REL), over = gen_chance(g, 70);
    if (x64_decode(g->code + start, g->length - start, g->va + start, &i) != X64_OK)
        return;
    unsigned end = g->length;
    gen_byte(g, filler[0]), gen_byte(g, filler[1]);
    uint64_t target = g->va + (over ? g->length : end);
    if (relative && gen_chance(g, 92)) {
        unsigned bytes = oracle_form_immediate_bytes(f);
        int64_t distance = (int64_t)(target - (g->va + end));
        if (f->sample.op >= X64_LOOP && (is(f, X64_LOOP) || is(f, X64_LOOPE) || is(f, X64_LOOPNE)) && g->in->gpr[X64_RCX] < 100 && gen_chance(g, 30))
            distance = -(int64_t)(end - start);
        for (unsigned j = 0; j < bytes; j++)
            g->code[end - bytes + j] = (uint8_t)((uint64_t)distance >> 8 * j);
    }
    if (patch)
        for (unsigned j = 0; j < 4; j++)
            g->code[patch + j] = (uint8_t)(target >> 8 * j);
    if (!relative && !f->memory && (is(f, X64_JMP) || is(f, X64_CALL)) && gen_chance(g, 80))
        gen_set(g, i.opd[0].reg, target);
}

bool gen_instruction(struct generator *g, const struct oracle_form *f)
{
    unsigned from = g->length, patch, start;
    struct encoding e = oracle_form_encoding(f);
    e.no_rex = !f->rex40 && ((f->high_reg || f->high_rm) || (oracle_form_has(f, SRC_GPR_CODE) && f->sample.opd[0].kind == X64_OPD_GPR8_HIGH));
    if (f->high_reg)
        e.modrm &= 0xc7;
    if (f->high_rm)
        e.modrm &= 0xf8;
    if (g->alone)
        prepare(g, f);
    choose_registers(g, f, &e);
    if (f->memory)
        gen_memory(g, f, &e);
    choose_immediates(g, f, &e);
    if (g->alone)
        prepare_operands(g, f, &e);
    if (gen_chance(g, g->alone ? 30 : 10)) {
        odd_prefixes(g, f, &e);
        shuffle_prefixes(g, &e);
    }
    patch = before(g, f, &e);
    start = g->start = g->length;
    if (!same_form(g, &e, f)) {
        g->length = from;
        return false;
    }
    write_encoding(g, &e);
    after(g, f, &e);
    if (g->alone && x64_flow(&f->sample) != X64_FLOW_NEXT)
        land(g, f, patch, start);
    else if (patch)
        memcpy(g->code + patch, (uint32_t[]){ (uint32_t)(g->va + g->length) }, 4);
    return g->length < ORACLE_CODE_MAX;
}
