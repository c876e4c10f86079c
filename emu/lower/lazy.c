// SPDX-License-Identifier: MIT
// Lazy registers (lazy.h). What a lazy register comes from is the contents of an arm64 register; that is emitted for a lazy register as soon as
// the register it comes from changes, somebody wants the value who cannot take it as it is, or the block ends.
#include "emu/lower/facts.h"
#include "emu/lower/lazy.h"
#include "emu/lower/width.h"

static bool is_copy(const struct lower_lazy *l) { return l->kind == A64_LSL && !l->amount && !l->insert; }

// Operations whose lowering asks lower_source and lower_shifted, and goes neither out of line nor into the kernel.
bool lower_is_plain(const struct x64_insn *x)
{
    for (unsigned i = 0; i < x->operand_count; i++)
        if (x->opd[i].kind != X64_OPD_GPR && x->opd[i].kind != X64_OPD_GPR8_HIGH && x->opd[i].kind != X64_OPD_MEM && x->opd[i].kind != X64_OPD_IMM)
            return false;
    if (x->prefixes || (x->form & X64_F_MEM && x->mem.address_size != 8))
        return false;
    switch (x->op) {
    case X64_MOV: case X64_MOVZX: case X64_MOVSX: case X64_MOVSXD: case X64_LEA: case X64_ADD: case X64_SUB: case X64_CMP: case X64_AND:
    case X64_OR: case X64_XOR: case X64_TEST: case X64_INC: case X64_DEC: case X64_NEG: case X64_NOT: case X64_IMUL2: case X64_IMUL:
    case X64_CMOVCC: case X64_SETCC:
        return true;
    case X64_SHL: case X64_SHR: case X64_SAR: case X64_ROL: case X64_ROR:
        return x->opd[1].kind == X64_OPD_IMM && x->opd[1].value & (x->opd[0].size == 8 ? 63 : 31);
    default:
        return false;
    }
}

static struct lower_lazy *lazy_of(struct lower_context *cx, unsigned reg)
{
    for (unsigned i = 0; i < cx->lazy_count; i++)
        if (cx->lazies[i].reg == reg)
            return &cx->lazies[i];
    return 0;
}

a64_reg lower_source(const struct lower_context *cx, unsigned reg)
{
    for (unsigned i = 0; i < cx->lazy_count; i++)
        if (cx->lazies[i].reg == reg && is_copy(&cx->lazies[i]))
            return cx->lazies[i].from;
    return lower_gpr(reg);
}

bool lower_shifted(const struct lower_context *cx, unsigned reg, struct lower_lazy *out)
{
    for (unsigned i = 0; i < cx->lazy_count; i++)
        if (cx->lazies[i].reg == reg && !is_copy(&cx->lazies[i]) && !cx->lazies[i].insert) {
            *out = cx->lazies[i];
            return true;
        }
    return false;
}

static unsigned width_of(const struct lower_context *cx, const struct lower_lazy *l)
{
    unsigned bits = l->wide ? 64 : 32, width = lower_width(cx, l->from);
    width = width < bits ? width : bits;
    if (l->insert)
        return lower_width(cx, lower_gpr(l->reg)) > 8 ? lower_width(cx, lower_gpr(l->reg)) : 8;
    if (l->kind == A64_LSR)
        return width > l->amount ? width - l->amount : 0;
    return l->kind == A64_LSL && width + l->amount < bits ? width + l->amount : bits;
}

unsigned lower_value_width(const struct lower_context *cx, unsigned reg)
{
    for (unsigned i = 0; i < cx->lazy_count; i++)
        if (cx->lazies[i].reg == reg)
            return width_of(cx, &cx->lazies[i]);
    return lower_width(cx, lower_gpr(reg));
}

// 19:0 of each: reg | from << 4 | kind << 9 | amount << 11 | wide << 17 | 1 << 18 | insert << 19
uint64_t lower_lazy_recipe(const struct lower_context *cx)
{
    uint64_t recipe = 0;
    for (unsigned i = 0; i < cx->lazy_count; i++) {
        const struct lower_lazy *l = &cx->lazies[i];
        uint32_t one = l->reg | (uint32_t)l->from << 4 | (uint32_t)l->kind << 9 | (uint32_t)l->amount << 11 | (uint32_t)l->wide << 17 | 1u << 18 | (uint32_t)l->insert << 19;
        recipe |= (uint64_t)one << 20 * i;
    }
    return recipe;
}

void lower_recover_registers(const struct lower_point *point, uint64_t x[31])
{
    uint64_t value[LOWER_LAZIES];
    for (unsigned i = 0; i < LOWER_LAZIES; i++) {
        uint32_t one = (uint32_t)(point->lazy >> 20 * i);
        unsigned kind = one >> 9 & 3, n = one >> 11 & 63;
        uint64_t from = x[one >> 4 & 31];
        if (one >> 19 & 1)
            value[i] = (x[lower_gpr(one & 15)] & ~0xffull) | (from & 0xff);
        else if (one >> 17 & 1)
            value[i] = kind == A64_LSL ? from << n : kind == A64_LSR ? from >> n : kind == A64_ASR ? (uint64_t)((int64_t)from >> n)
                     : from >> n | from << ((64 - n) & 63);
        else
            value[i] = kind == A64_LSL ? (uint32_t)from << n : kind == A64_LSR ? (uint32_t)from >> n
                     : kind == A64_ASR ? (uint32_t)((int32_t)from >> n) : (uint32_t)from >> n | (uint32_t)from << ((32 - n) & 31);
    }
    for (unsigned i = 0; i < LOWER_LAZIES; i++) {
        uint32_t one = (uint32_t)(point->lazy >> 20 * i);
        if (one >> 18 & 1)
            x[lower_gpr(one & 15)] = value[i];
    }
}

// ---- values
static void drop(struct lower_context *cx, struct lower_lazy *l)
{
    *l = cx->lazies[--cx->lazy_count];
}

static void emit(struct lower_context *cx, a64_reg d, const struct lower_lazy *l)
{
    enum a64_size s = l->wide ? A64_X : A64_W;
    if (l->insert)
        a64_bfi(cx->b, A64_X, d, l->from, 0, 8);
    else if (is_copy(l))
        a64_mov_reg(cx->b, s, d, l->from);
    else if (l->kind == A64_ROR)
        a64_extr(cx->b, s, d, l->from, l->from, l->amount);
    else
        (l->kind == A64_LSL ? a64_lsl_imm : l->kind == A64_LSR ? a64_lsr_imm : a64_asr_imm)(cx->b, s, d, l->from, l->amount);
}

// Of the very shift that gives the register its value: a 32-bit copy of a 64-bit one is another value.
static bool flags_are_of(const struct lower_flags *f, const struct lower_lazy *l)
{
    return (l->bytes != 8 || l->wide) && f->nz == NZ_SHIFT && f->nz_reg == l->from && f->shift_kind == l->kind && f->shift_amount == l->amount && 1u << f->nz_size == l->bytes;
}

// The x64 register gets its value, before cx->insn. live: flags that are needed here; written: arm64 registers that are about to change.
static void settle(struct lower_context *cx, unsigned reg, uint16_t live, uint32_t written)
{
    a64_reg d = lower_gpr(reg);
    for (unsigned i = 0; i < cx->lazy_count; i++)
        if (cx->lazies[i].from == d && cx->lazies[i].reg != reg) {
            settle(cx, cx->lazies[i].reg, live, written | 1u << d);
            i = ~0u;
        }
    struct lower_lazy *l = lazy_of(cx, reg);
    cx->temps = 0;
    lower_point_at(cx, cx->settle_rip);
    if (live && flags_are_of(&cx->flags, l) && (written | 1u << d) >> l->from & 1) {
        lower_shift_now(cx, (enum a64_shift)l->kind, l->bytes, d, l->from, l->amount);
    } else {
        lower_flags_protect(cx, 1u << d, live);
        emit(cx, d, l);
    }
    lower_width_set(cx, d, width_of(cx, l));
    lower_sum_after(cx, (uint16_t)(1u << reg));
    drop(cx, l);
    cx->temps = 0;
}

static void begin(struct lower_context *cx, const struct lower_insn *insn, uint16_t live)
{
    cx->insn = insn;
    cx->live = live;
    cx->read = insn->read | insn->reads;
    cx->temps = 0;
    cx->settle_rip = insn->x.rip;
}

// The flags of a shift get an ordinary form.
static void settle_flags(struct lower_context *cx, uint16_t live)
{
    const struct lower_flags *f = &cx->flags;
    if (f->nz != NZ_SHIFT)
        return;
    bool no_carry = f->shift_kind == A64_LSL && lower_width(cx, f->nz_reg) + f->shift_amount <= 8u << f->nz_size;
    if (no_carry && !(live & ~X64_CF)) {
        cx->flags = lower_flags_at_entry;
        cx->flags.cf = CF_ZERO;
        return;
    }
    for (unsigned i = 0; live && i < cx->lazy_count; i++)
        if (flags_are_of(&cx->flags, &cx->lazies[i])) {                     // both at once
            settle(cx, cx->lazies[i].reg, live, 1u << cx->lazies[i].from);
            return;
        }
    lower_point_at(cx, cx->settle_rip);
    if (live)
        lower_flags_unshift(cx);
    else
        cx->flags = lower_flags_at_entry;
    cx->temps = 0;
}

static void settle_registers(struct lower_context *cx, uint16_t live)
{
    while (cx->lazy_count)
        settle(cx, cx->lazies[0].reg, live, 0);
}

static void settle_all(struct lower_context *cx, uint16_t live)
{
    settle_registers(cx, live);
    settle_flags(cx, live);
}

// Jumps and calls through a value make flags canonical out of line, for the targets that want them.
static bool is_indirect(const struct lower_context *cx, const struct x64_insn *x)
{
    return cx->block->end == END_INDIRECT && (x64_flow(x) == X64_FLOW_CALL_INDIRECT || x64_flow(x) == X64_FLOW_JUMP_INDIRECT);
}

void lower_lazy_end(struct lower_context *cx, const struct lower_insn *last)
{
    if (is_indirect(cx, &last->x))
        return;                                     // who comes behind it has other flags
    if (!cx->lazy_count && cx->flags.nz != NZ_SHIFT)
        return;
    begin(cx, last, last->live);
    cx->settle_rip += last->x.length;
    settle_all(cx, last->live);
}

// ---- who can take what
static bool takes_copy(const struct x64_insn *x, const struct lower_lazy *l)
{
    for (unsigned i = 0; i < x->operand_count; i++) {
        const struct x64_operand *o = &x->opd[i];
        if (o->reg != l->reg || (o->kind != X64_OPD_GPR && o->kind != X64_OPD_GPR8_HIGH))
            continue;
        if (o->kind == X64_OPD_GPR8_HIGH || (o->access & X64_WRITE && o->size < 4) || (o->access & X64_READ && o->size == 8 && !l->wide))
            return false;
    }
    bool addressed = x->form & X64_F_MEM && (x->mem.base == l->reg || x->mem.index == l->reg);
    return l->wide || !addressed;
}

static bool is_low_mask(uint64_t value) { return value && !(value & (value + 1)); }

// As the second operand of an addition or logical operation, or the first one of those that commute.
static bool takes_shifted_operand(const struct lower_context *cx, const struct lower_insn *insn, const struct lower_lazy *l)
{
    const struct x64_insn *x = &insn->x;
    const struct x64_operand *dst = &x->opd[0], *src = &x->opd[1];
    bool logical = x->op == X64_AND || x->op == X64_OR || x->op == X64_XOR, pa = insn->live & FLAGS_PA;
    unsigned bits = l->wide ? 64 : 32;
    if (x->op == X64_MOVZX)
        return dst->size >= 4 && dst->reg != X64_RSP && src->kind == X64_OPD_GPR && src->size < 4 && l->kind == A64_LSR && l->amount + src->size * 8u <= bits;
    if (!lower_is_low(dst) || !(dst->size == 8 ? l->wide : dst->size == 4 && l->narrow))
        return false;
    bits = dst->size * 8;
    if (x->op == X64_AND && dst->reg == l->reg && src->kind == X64_OPD_IMM && l->kind == A64_LSR)
        return is_low_mask((uint64_t)src->value) && l->amount + (unsigned)__builtin_popcountll((uint64_t)src->value) <= bits;
    bool sums = (x->op == X64_ADD || x->op == X64_SUB || x->op == X64_CMP) && l->kind != A64_ROR;
    if (lower_is_low(src) && src->reg == l->reg && dst->reg != l->reg)
        return logical || x->op == X64_TEST || (sums && !pa);
    struct lower_lazy other;
    bool plain = src->kind == X64_OPD_MEM || (lower_is_low(src) && src->reg != dst->reg && !lower_shifted(cx, src->reg, &other));
    return dst->reg == l->reg && plain && (logical || (sums && x->op == X64_ADD));
}

static bool takes_shifted(const struct lower_context *cx, const struct lower_insn *insn, const struct lower_lazy *l)
{
    const struct x64_insn *x = &insn->x;
    bool named = false, addressed = x->form & X64_F_MEM && (x->mem.base == l->reg || x->mem.index == l->reg);
    if (l->insert)
        return false;
    for (unsigned i = 0; i < x->operand_count; i++)
        named |= (x->opd[i].kind == X64_OPD_GPR || x->opd[i].kind == X64_OPD_GPR8_HIGH) && x->opd[i].reg == l->reg && (x->opd[i].access & X64_READ || x->opd[i].size < 4);
    if (addressed)
        return !named && x->mem.base != l->reg && l->wide && l->kind == A64_LSL && l->amount + lower_log2(x->mem.scale) <= 4;
    return takes_shifted_operand(cx, insn, l);
}

static bool is_zero_idiom(const struct x64_insn *x)
{
    return (x->op == X64_XOR || x->op == X64_SUB) && x->opd[0].kind == X64_OPD_GPR && x->opd[1].kind == X64_OPD_GPR && x->opd[0].reg == x->opd[1].reg &&
           x->opd[0].size >= 4;
}

void lower_lazy_before(struct lower_context *cx, const struct lower_insn *insn)
{
    if (!cx->lazy_count && cx->flags.nz != NZ_SHIFT)
        return;
    const struct x64_insn *x = &insn->x;
    uint16_t after = insn->live & ~insn->kills, live = after | insn->observes | insn->reads;
    begin(cx, insn, live);
    if (is_indirect(cx, x)) {
        settle_registers(cx, live);
        return;
    }
    if (!lower_is_plain(x)) {
        settle_all(cx, live);
        return;
    }
    uint16_t reads = x64_gprs_read(x);
    if (is_zero_idiom(x)) {
        struct lower_lazy *l = lazy_of(cx, x->opd[0].reg);
        if (l)
            drop(cx, l);
        reads = 0;
    }
    for (unsigned i = 0; i < cx->lazy_count; i++) {
        const struct lower_lazy *l = &cx->lazies[i];
        bool wanted = reads >> l->reg & 1 && !(is_copy(l) ? takes_copy(x, l) : takes_shifted(cx, insn, l));
        bool goes = lower_gpr(l->reg) != l->from;
        for (unsigned r = 0; goes && r < 16; r++)
            if (insn->writes >> r & 1 && lower_gpr(r) == l->from)
                break;
            else if (r == 15)
                goes = false;
        if (!wanted && !goes)
            continue;
        settle(cx, l->reg, live, goes && after ? 1u << l->from : 0);
        i = ~0u;
    }
    bool touches = x64_flags_killed(x) | x64_flags_written(x);
    if (insn->reads || (touches && after))
        settle_flags(cx, live);
}

// Of the flags of a shift none is left, and if the instruction had to compute only some of its own it has not said so.
void lower_lazy_flags_after(struct lower_context *cx, const struct x64_insn *x)
{
    if (cx->flags.nz == NZ_SHIFT && x64_flags_killed(x) | x64_flags_written(x))
        cx->flags.nz = NZ_HW;
}

void lower_lazy_after(struct lower_context *cx, const struct lower_insn *insn)
{
    for (unsigned i = cx->lazy_count; i-- > 0;)
        if (insn->writes >> cx->lazies[i].reg & 1)
            drop(cx, &cx->lazies[i]);
}

// ---- making registers lazy
static void put(struct lower_context *cx, struct lower_lazy new, uint16_t live)
{
    a64_reg own = lower_gpr(new.reg);
    for (unsigned i = 0; i < cx->lazy_count && new.from != own; i++)        // so nobody waits for himself round a corner
        if (cx->lazies[i].from == own && cx->lazies[i].reg != new.reg) {
            settle(cx, cx->lazies[i].reg, live, 0);
            i = ~0u;
        }
    struct lower_lazy *old = lazy_of(cx, new.reg);
    if (old)
        *old = new;
    else
        cx->lazies[cx->lazy_count++] = new;
}

// An extension of what is extended already.
static bool is_move(const struct lower_context *cx, const struct x64_insn *x)
{
    const struct x64_operand *src = &x->opd[1];
    if (x->op != X64_MOVZX && x->op != X64_MOVSX && x->op != X64_MOVSXD)
        return x->op == X64_MOV;
    return lower_is_low(src) && src->reg < 16 && lower_value_width(cx, src->reg) <= src->size * 8u - (x->op != X64_MOVZX);
}

static bool take_mov(struct lower_context *cx, const struct lower_insn *insn, uint16_t live)
{
    const struct x64_operand *dst = &insn->x.opd[0], *src = &insn->x.opd[1];
    bool wide = dst->size == 8 && insn->x.op == X64_MOV;
    if (!lower_is_low(src) || src->reg > 15)
        return false;
    const struct lower_lazy *l = lazy_of(cx, src->reg);
    struct lower_lazy new = { .from = lower_gpr(src->reg), .bytes = (uint8_t)dst->size, .narrow = true };
    if (l && !wide && !l->narrow)
        return false;
    if (l)
        new = *l;
    new.reg = dst->reg;
    new.wide = wide ? !l || l->wide : (!l || l->wide) && (l ? width_of(cx, l) : lower_width(cx, new.from)) <= 32;
    if (is_copy(&new) && new.wide && new.from == lower_gpr(dst->reg)) {     // it has its value already
        struct lower_lazy *old = lazy_of(cx, dst->reg);
        if (old)
            drop(cx, old);
        return true;
    }
    put(cx, new, live);
    return true;
}

// CF and OF of a rotation: what was rotated out last and its neighbour, to x7.
static void rotate_flags(struct lower_context *cx, const struct lower_lazy *l, bool left)
{
    unsigned bits = l->bytes * 8;
    if (cx->flags.nz == NZ_FCMP)
        lower_flags_to_hw(cx, cx->live | X64_OF, CF_INVERTED);
    a64_extr(cx->b, lower_size(l->bytes), 7, l->from, l->from, (l->amount + bits - (left ? 1 : 2)) % bits);
    lower_flags_rotate(cx);
}

// Whether flags that the instruction leaves are read at the most by whom the indirect jump or call at the end of the block leads to.
static bool read_elsewhere(const struct lower_context *cx, const struct lower_insn *insn)
{
    const struct lower_insn *end = &cx->work->insns[cx->block->first + cx->block->count];
    uint16_t open = X64_ARITH_FLAGS;
    while (++insn < end && open) {
        if (insn->reads & open)
            return false;
        open &= (uint16_t)~insn->kills;
    }
    return !open || is_indirect(cx, &insn[-1].x);
}

static bool take_shift(struct lower_context *cx, const struct lower_insn *insn, uint16_t live)
{
    const struct x64_insn *x = &insn->x;
    const struct x64_operand *dst = &x->opd[0];
    bool wide = dst->size == 8, rotate = x->op == X64_ROL || x->op == X64_ROR;
    unsigned bits = dst->size * 8, n = (unsigned)x->opd[1].value & (bits - 1);
    if (rotate && insn->live & (X64_CF | X64_OF))
        settle_flags(cx, live);             // first: what a value is made of may change by this
    const struct lower_lazy *l = lazy_of(cx, dst->reg);
    if (x->opd[1].kind != X64_OPD_IMM || !n || (l && (!is_copy(l) || (wide && !l->wide))))
        return false;
    uint16_t flags = insn->live & (rotate ? X64_CF | X64_OF : X64_ARITH_FLAGS);
    if (flags && (rotate ? !(flags & X64_OF) : (insn->read & X64_ARITH_FLAGS && !read_elsewhere(cx, insn)) || insn->live & ~insn->kills))
        return false;
    static const uint8_t kinds[][2] = { { X64_SHL, A64_LSL }, { X64_SHR, A64_LSR }, { X64_SAR, A64_ASR }, { X64_ROL, A64_ROR }, { X64_ROR, A64_ROR } };
    struct lower_lazy new = { .reg = dst->reg, .from = l ? l->from : lower_gpr(dst->reg), .amount = (uint8_t)n, .bytes = (uint8_t)dst->size,
                              .wide = wide, .narrow = !wide };
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i][0] == x->op)
            new.kind = kinds[i][1];
    if (x->op == X64_ROL)
        new.amount = (uint8_t)(bits - n);
    // Both forms are right while nothing goes over bit 31.
    unsigned width = lower_width(cx, new.from);
    bool left = new.kind == A64_LSL, right = new.kind == A64_LSR && width <= 32;
    new.wide |= right || (left && width + n <= 32);
    new.narrow |= n < 32 && (left || right);
    if (flags && rotate)
        lower_point_at(cx, cx->settle_rip);     // who leaves here does it again: it is not lazy yet
    put(cx, new, live);
    if (flags && rotate)
        rotate_flags(cx, &new, x->op == X64_ROL);
    else if (flags)
        cx->flags = (struct lower_flags){ .nz = NZ_SHIFT, .nz_reg = new.from, .nz_size = wide ? 3 : 2, .shift_kind = new.kind, .shift_amount = new.amount };
    return true;
}

static bool is_shift(unsigned op)
{
    return op == X64_SHL || op == X64_SHR || op == X64_SAR || op == X64_ROL || op == X64_ROR;
}

bool lower_lazy_may(const struct x64_insn *x)
{
    bool move = x->op == X64_MOV || x->op == X64_MOVZX || x->op == X64_MOVSX || x->op == X64_MOVSXD;
    return (move || is_shift(x->op)) && lower_is_low(&x->opd[0]) && x->opd[0].size >= 4 && lower_is_plain(x);
}

bool lower_lazy_take(struct lower_context *cx, const struct lower_insn *insn)
{
    const struct x64_operand *dst = &insn->x.opd[0];
    bool move = is_move(cx, &insn->x);
    if (cx->config->verify || !(move || is_shift(insn->x.op)))
        return false;
    uint16_t live = (insn->live & ~insn->kills) | insn->observes | insn->reads;
    begin(cx, insn, live);
    const struct lower_lazy *byte = lazy_of(cx, move ? insn->x.opd[1].reg : dst->reg);
    if (byte && byte->insert)
        settle(cx, byte->reg, live, 0);
    if (cx->lazy_count == LOWER_LAZIES && !lazy_of(cx, dst->reg))       // first: what a value is made of may change by this
        settle(cx, cx->lazies[0].reg, live, 0);
    return (move ? take_mov : take_shift)(cx, insn, live);
}

bool lower_lazy_set(struct lower_context *cx, const struct lower_insn *set)
{
    const struct lower_insn *extend = set + 1;
    const struct x64_operand *byte = &set->x.opd[0], *whole = &extend->x.opd[0], *from = &extend->x.opd[1];
    if (cx->config->verify || set->x.op != X64_SETCC || extend->x.op != X64_MOVZX || !lower_is_plain(&set->x) || !lower_is_plain(&extend->x) || !lower_is_low(byte) ||
        !lower_is_low(whole) || whole->size < 4 || !lower_is_low(from) || from->size != 1 || from->reg != byte->reg || whole->reg == byte->reg ||
        lower_value_width(cx, byte->reg) <= 8)
        return false;
    lower_lazy_before(cx, set);
    uint16_t live = set->live | set->reads;
    a64_reg d = lower_gpr(whole->reg);
    begin(cx, set, live);
    if (cx->lazy_count == LOWER_LAZIES)
        settle(cx, cx->lazies[0].reg, live, 0);
    for (unsigned i = 0; i < cx->lazy_count; i++)
        if (cx->lazies[i].from == d && cx->lazies[i].reg != whole->reg) {
            settle(cx, cx->lazies[i].reg, live, 0);
            i = ~0u;
        }
    lower_unlock(cx);
    lower_flags_protect(cx, 1u << d, set->live);
    cx->temps = cx->loose = 0;
    cx->live = set->live;
    cx->read = set->read;
    lower_point_here(cx);
    lower_set_condition(cx, set->x.cond, d);
    lower_width_set(cx, d, 1);
    lower_lazy_after(cx, set);
    lower_lazy_after(cx, extend);
    put(cx, (struct lower_lazy){ .reg = byte->reg, .from = d, .insert = true }, set->live);
    lower_facts_after(&cx->facts, set);
    lower_facts_after(&cx->facts, extend);
    return true;
}
