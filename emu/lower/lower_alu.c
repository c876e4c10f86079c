// SPDX-License-Identifier: MIT
// ADD SUB CMP ADC SBB INC DEC NEG, AND OR XOR TEST NOT.
//
// NZCV after ADDS is CF_DIRECT, after SUBS CF_INVERTED. 8- and 16-bit operations get exact NZCV by doing the operation on
// values shifted to the top of a W register. PF and AF are left as a recipe wherever the operands stay in registers that live on.
#include "emu/lower/lazy.h"
#include "emu/lower/width.h"

enum { X23 = 23, X24 = 24 };

// The second operand, as a register or as an immediate of the ADD/SUB form.
struct operand {
    a64_reg reg;
    bool imm, stays;            // stays: a register that still holds the value after the instruction (for a recipe)
    uint64_t value;             // of an immediate, cut to the operation's size
    enum a64_shift shift;       // of a register, which then does not count for a recipe
    unsigned amount;
};

static uint64_t size_mask(unsigned bytes)
{
    return bytes == 8 ? ~0ull : (1ull << bytes * 8) - 1;
}

static struct operand shifted(const struct lower_lazy *l)
{
    return (struct operand){ .reg = l->from, .stays = true, .shift = (enum a64_shift)l->kind, .amount = l->amount };
}

static unsigned bits_of(uint64_t value)
{
    return value ? 64 - (unsigned)__builtin_clzll(value) : 0;
}

// to_x24: what is in no register of its own is put into x24, where it stays for the recipe.
static struct operand second(struct lower_context *cx, const struct x64_operand *opd, unsigned bytes, bool to_x24)
{
    if (opd->kind == X64_OPD_IMM)
        return (struct operand){ .imm = true, .stays = true, .value = (uint64_t)opd->value & size_mask(bytes) };
    struct lower_lazy l;
    if (opd->kind == X64_OPD_GPR && lower_shifted(cx, opd->reg, &l))
        return shifted(&l);
    if (to_x24) {
        a64_reg r = lower_read_into(cx, opd, X24);
        return (struct operand){ .reg = r, .stays = r == X24 || lower_is_low(opd) };
    }
    return (struct operand){ .reg = lower_read(cx, opd), .stays = lower_is_low(opd) };
}

static bool addsub_ok(enum a64_size s, uint64_t value)
{
    uint64_t mask = s == A64_X ? ~0ull : 0xffffffff, minus = (0 - value) & mask;
    return a64_addsub_imm_ok(value & mask) || (a64_addsub_imm_ok(minus) && minus);
}

// d = a + b or a - b, with or without flags. The NZCV of ADDS #k and SUBS #-k agree for all k but 0 and the most negative.
static void add_sub(struct lower_context *cx, bool sub, bool flags, enum a64_size s, a64_reg d, a64_reg a, struct operand o)
{
    struct a64_buf *b = cx->b;
    if (o.imm) {
        uint64_t mask = s == A64_X ? ~0ull : 0xffffffff, value = o.value & mask, minus = (0 - value) & mask;
        if (addsub_ok(s, value)) {
            bool turned = !a64_addsub_imm_ok(value);
            uint64_t k = turned ? minus : value;
            if (flags)
                (sub != turned ? a64_subs_imm : a64_adds_imm)(b, s, d, a == A64_ZR ? A64_SP : a, k);
            else
                (sub != turned ? a64_sub_imm : a64_add_imm)(b, s, d, a, k);
            return;
        }
        o.reg = lower_imm(cx, s, value);
    }
    if (a == A64_SP || d == A64_SP) {
        enum a64_extend e = s == A64_X ? A64_UXTX : A64_UXTW;
        if (flags)
            (sub ? a64_subs_ext : a64_adds_ext)(b, s, d, a, o.reg, e, 0);
        else
            (sub ? a64_sub_ext : a64_add_ext)(b, s, d, a, o.reg, e, 0);
    } else if (flags) {
        (sub ? a64_subs_reg : a64_adds_reg)(b, s, d, a, o.reg, o.shift, o.amount);
    } else {
        (sub ? a64_sub_reg : a64_add_reg)(b, s, d, a, o.reg, o.shift, o.amount);
    }
}

// An immediate that the operation cannot take becomes a register, before memory is touched: no literal between exclusives.
static void immediate_early(struct lower_context *cx, enum a64_size s, struct operand *o, bool fits)
{
    if (!o->imm || fits)
        return;
    a64_reg r = lower_imm(cx, s, o->value);
    if (r != A64_ZR)
        *o = (struct operand){ .reg = r };
}

// x23 = a + o or a - o of bytes or words, both zero-extended; all flags come from it, with the recipe pa.
static void narrow_sum(struct lower_context *cx, bool sub, unsigned bytes, a64_reg a, struct operand o)
{
    struct a64_buf *b = cx->b;
    unsigned bits = bytes * 8;
    uint8_t mark = cx->temps;
    if (!sub && !o.imm && lower_width(cx, o.reg) <= bits && lower_width(cx, a) > bits && o.reg != A64_ZR) {
        a64_reg swap = a;                                   // the form that extends takes the other one
        a = o.reg;
        o.reg = swap;
    }
    if (lower_width(cx, a) > bits) {
        a64_reg t = lower_temp(cx);
        a64_ubfx(b, A64_W, t, a, 0, bits);
        a = t;
    }
    if (a == A64_ZR && lower_width(cx, o.reg) > bits) {     // would be SP in the form that extends
        a64_reg t = lower_temp(cx);
        a64_ubfx(b, A64_W, t, o.reg, 0, bits);
        o.reg = t;
        a64_subs_reg(b, A64_W, X23, a, t, A64_LSL, 0);
    } else if (o.imm || lower_width(cx, o.reg) <= bits) {
        add_sub(cx, sub, sub, A64_W, X23, a, o);
    } else {
        enum a64_extend e = bytes == 1 ? A64_UXTB : A64_UXTH;
        (sub ? a64_subs_ext : a64_add_ext)(b, A64_W, X23, a, o.reg, e, 0);
    }
    cx->temps = mark;
    lower_width_set(cx, X23, sub ? 64 : bits + 1);
    lower_flags_narrow(cx, bytes, sub);
}

// The recipe for a result in d, the second operand o and nothing else.
static void set_pa_recipe(struct lower_context *cx, bool sub, a64_reg d, struct operand o)
{
    if (o.imm)
        lower_pa(cx, sub ? PA_SUB_IMM : PA_ADD_IMM, d, (unsigned)(o.value & 255));
    else
        lower_pa(cx, sub ? PA_SUB : PA_ADD, d, o.reg);
}

// An operand of which a recipe can know all: those of words have eight bits of an immediate only.
static void operand_to_keep(struct lower_context *cx, unsigned bytes, struct operand *o)
{
    if (o->stays && !(o->imm && bytes == 2 && o->value > 255))
        return;
    if (o->imm)
        lower_const(cx, X24, o->value);
    else if (o->reg != X24)
        a64_mov_reg(cx->b, A64_X, X24, o->reg);
    lower_width_set(cx, X24, o->imm ? bytes * 8 : lower_width(cx, o->reg));
    *o = (struct operand){ .reg = X24, .stays = true };
}

static bool compare(struct lower_context *cx, const struct x64_operand *dst, const struct x64_operand *src)
{
    unsigned bytes = dst->size;
    bool live = cx->live & X64_ARITH_FLAGS, low = lower_is_low(dst);
    bool first = live && !low && src->kind != X64_OPD_MEM;      // x24 is the first operand's; it may not change before a load
    a64_reg a = first ? lower_read_into(cx, dst, X24) : lower_read(cx, dst);
    struct operand o = second(cx, src, bytes, live && !first);
    if (!live)
        return true;                            // the access itself was all
    if (o.imm && o.value == 0) {
        lower_flags_logic(cx, a, bytes);        // same as TEST r,r: AF of x - 0 is 0
        lower_pa(cx, PA_LOGIC, a, 0);
        return true;
    }
    if (!o.stays && a == X24) {                 // two registers like AH: the second gets x24
        a = lower_temp(cx);
        a64_mov_reg(cx->b, A64_X, a, X24);
    }
    if (!o.stays)
        operand_to_keep(cx, bytes, &o);
    if (bytes < 4)
        narrow_sum(cx, true, bytes, a, o);
    else {
        bool nzc = cx->live & FLAGS_NZC;
        add_sub(cx, true, nzc, lower_size(bytes), cx->live & FLAGS_PA ? X23 : A64_ZR, a, o);
        if (nzc)
            lower_flags_hw(cx, CF_INVERTED);
    }
    if (a != X24 && !low)
        set_pa_recipe(cx, true, X23, o);
    else
        lower_pa(cx, o.imm ? PA_CMP_IMM : PA_CMP, a, o.imm ? (unsigned)(o.value & 255) : o.reg);
    return true;
}

// Flags of a + o or a - o computed after everything else, in registers that still hold them. x23 becomes the result.
static void flags_afterwards(struct lower_context *cx, bool sub, unsigned bytes, a64_reg a, struct operand o)
{
    if (!(cx->live & X64_ARITH_FLAGS))
        return;
    operand_to_keep(cx, bytes, &o);
    if (bytes < 4) {
        narrow_sum(cx, sub, bytes, a, o);
    } else {
        add_sub(cx, sub, true, lower_size(bytes), X23, a, o);
        lower_flags_hw(cx, sub ? CF_INVERTED : CF_DIRECT);
    }
    set_pa_recipe(cx, sub, X23, o);
}

// The operand as a register: itself, its negative or its complement.
enum as { AS_IS, NEGATIVE, COMPLEMENT };
static a64_reg in_register(struct lower_context *cx, enum a64_size s, struct operand o, enum as as)
{
    if (o.imm)
        return lower_imm(cx, s, as == NEGATIVE ? 0 - o.value : as == COMPLEMENT ? ~o.value : o.value);
    if (as == AS_IS)
        return o.reg;
    a64_reg t = lower_temp(cx);
    (as == NEGATIVE ? a64_sub_reg : a64_orn_reg)(cx->b, s, t, A64_ZR, o.reg, A64_LSL, 0);
    return t;
}

static bool atomic_add(struct lower_context *cx, const struct x64_insn *insn, bool sub, unsigned bytes, struct operand o)
{
    a64_reg at = lower_address_register(cx, insn);
    a64_reg old = lower_atomic(cx, ATOMIC_ADD, bytes, at, in_register(cx, lower_size(bytes), o, sub ? NEGATIVE : AS_IS));
    flags_afterwards(cx, sub, bytes, old, o);
    return true;
}

static bool add_rsp(struct lower_context *cx, bool sub, struct operand o)
{
    bool dead = !(cx->live & X64_ARITH_FLAGS);
    if (dead || (!sub && o.imm && o.value < 0x10000 && o.value % 8 == 0 && a64_addsub_imm_ok(o.value) && lower_is_epilogue(cx, cx->insn))) {
        if (cx->stack_run)
            cx->rsp += (int32_t)(sub ? 0 - o.value : o.value);
        else
            add_sub(cx, sub, false, A64_X, A64_SP, A64_SP, o);
        if (!dead)
            cx->flags = (struct lower_flags){ .nz = NZ_SP, .sp_added = (uint16_t)o.value };
        return true;
    }
    add_sub(cx, sub, true, A64_X, X23, A64_SP, o);
    a64_mov_reg(cx->b, A64_X, A64_SP, X23);
    operand_to_keep(cx, 8, &o);
    lower_flags_hw(cx, sub ? CF_INVERTED : CF_DIRECT);
    set_pa_recipe(cx, sub, X23, o);
    return true;
}

// A byte or word of a register: the result is merged into it.
static void narrow_add_sub(struct lower_context *cx, const struct x64_operand *dst, bool sub, struct operand o)
{
    unsigned bytes = dst->size, bits = bytes * 8;
    bool low = lower_is_low(dst), live = cx->live & X64_ARITH_FLAGS;
    a64_reg d = lower_gpr(dst->reg), a = lower_read(cx, dst);
    if (low && !o.imm && o.reg == d && sub) {
        a64_bfi(cx->b, A64_X, d, A64_ZR, 0, bits);
        lower_flags_logic(cx, A64_ZR, bytes);
        lower_pa(cx, PA_LOGIC, A64_ZR, 0);
        return;
    }
    if (!live) {
        a64_reg t = low && lower_upper_dead(cx, dst->reg, bytes) ? d : lower_temp(cx);
        add_sub(cx, sub, false, A64_W, t, a, o);
        if (t != d)
            lower_write(cx, dst, t);
        return;
    }
    operand_to_keep(cx, bytes, &o);
    narrow_sum(cx, sub, bytes, a, o);
    if (low && !o.imm && o.reg == d)
        lower_pa(cx, PA_DOUBLE, X23, 0);
    else
        set_pa_recipe(cx, sub, X23, o);
    lower_write(cx, dst, X23);
}

static bool add_sub_insn(struct lower_context *cx, const struct x64_insn *insn, bool sub)
{
    const struct x64_operand *dst = &insn->opd[0], *src = &insn->opd[1];
    unsigned bytes = dst->size;
    enum a64_size s = lower_size(bytes);
    bool nzc = cx->live & FLAGS_NZC, pa = cx->live & FLAGS_PA;
    if (dst->kind == X64_OPD_MEM) {
        struct operand o = second(cx, src, bytes, false);
        if (lower_is_atomic(cx, insn))
            return atomic_add(cx, insn, sub, bytes, o);
        immediate_early(cx, s, &o, addsub_ok(s, o.value));
        struct lower_rmw w = lower_rmw_begin(cx, insn, bytes);
        a64_reg t = lower_temp(cx);
        add_sub(cx, sub, false, s, t, w.old, o);
        lower_rmw_end(cx, &w, t);
        flags_afterwards(cx, sub, bytes, w.old, o);
        return true;
    }
    struct operand o = second(cx, src, bytes, pa || (nzc && bytes < 4));
    if (dst->kind == X64_OPD_GPR && dst->reg == X64_RSP && bytes == 8)
        return add_rsp(cx, sub, o);
    if (pa)
        operand_to_keep(cx, bytes, &o);
    if (bytes < 4 && (lower_is_low(dst) || dst->kind == X64_OPD_GPR8_HIGH)) {
        narrow_add_sub(cx, dst, sub, o);
        return true;
    }
    if (!lower_is_low(dst)) {                       // ESP, SP
        a64_reg a = lower_read(cx, dst), t = lower_temp(cx);
        add_sub(cx, sub, false, s, t, a, o);
        flags_afterwards(cx, sub, bytes, a, o);
        lower_write(cx, dst, t);
        return true;
    }
    a64_reg d = lower_gpr(dst->reg);
    bool same = src->kind == X64_OPD_GPR && src->reg == dst->reg;
    if (same && sub) {                              // the other zero idiom
        a64_mov_reg(cx->b, A64_W, d, A64_ZR);
        lower_flags_logic(cx, A64_ZR, bytes);
        lower_pa(cx, PA_LOGIC, A64_ZR, 0);
        return true;
    }
    struct lower_lazy l;
    if (lower_shifted(cx, dst->reg, &l))
        add_sub(cx, sub, nzc, s, d, o.reg, shifted(&l));
    else
        add_sub(cx, sub, nzc, s, d, lower_source(cx, dst->reg), o);
    if (nzc)
        lower_flags_hw(cx, sub ? CF_INVERTED : CF_DIRECT);
    if (same)
        lower_pa(cx, PA_DOUBLE, d, 0);
    else if (pa)
        set_pa_recipe(cx, sub, d, o);
    return true;
}

void lower_flags_of_sum(struct lower_context *cx, bool sub, unsigned bytes, a64_reg a, a64_reg b, a64_reg result)
{
    (void)result;
    flags_afterwards(cx, sub, bytes, a, (struct operand){ .reg = b });
}

void lower_flags_of_compare(struct lower_context *cx, unsigned bytes, a64_reg a, a64_reg b)
{
    flags_afterwards(cx, true, bytes, a, (struct operand){ .reg = b });
}

bool lower_add(struct lower_context *cx, const struct x64_insn *insn) { return add_sub_insn(cx, insn, false); }
bool lower_sub(struct lower_context *cx, const struct x64_insn *insn) { return add_sub_insn(cx, insn, true); }
bool lower_cmp(struct lower_context *cx, const struct x64_insn *insn)
{
    return compare(cx, &insn->opd[0], &insn->opd[1]);
}

// ---- INC and DEC keep CF
// Whether it is where it cannot stay without SF, ZF and OF.
static bool carry_goes(const struct lower_context *cx)
{
    return cx->flags.nz == NZ_FCMP || cx->flags.nz == NZ_LOGIC || cx->flags.cf == CF_X7_ROTATE;
}

bool lower_incdec(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *dst = &insn->opd[0];
    struct a64_buf *b = cx->b;
    bool dec = insn->op == X64_DEC, low = lower_is_low(dst), memory = dst->kind == X64_OPD_MEM;
    unsigned bytes = dst->size;
    enum a64_size s = lower_size(bytes);
    bool nz = cx->live & FLAGS_NZ, cf = cx->live & X64_CF, flags = cx->live & X64_ARITH_FLAGS;
    a64_reg d, a;
    struct lower_rmw w = { 0 };
    if (lower_is_atomic(cx, insn)) {
        a64_reg at = lower_address_register(cx, insn);
        struct operand one = { .imm = true, .stays = true, .value = 1 };
        a = lower_atomic(cx, ATOMIC_ADD, bytes, at, in_register(cx, lower_size(bytes), one, dec ? NEGATIVE : AS_IS));
        d = lower_temp(cx);
    } else if (memory) {
        w = lower_rmw_begin(cx, insn, bytes);
        a = w.old;
        d = lower_temp(cx);
    } else {
        a = lower_read(cx, dst);
        d = low && (bytes >= 4 || lower_upper_dead(cx, dst->reg, bytes)) ? lower_gpr(dst->reg) : flags ? X23 : lower_temp(cx);
    }
    // Where NZCV need not give way to a carry, it is the best place.
    bool hw = nz && bytes >= 4 && low && (!cf || cx->read & X64_OF);
    if (!memory && cf && (hw || carry_goes(cx)))
        lower_cf_to_x7(cx);
    if (hw)
        (dec ? a64_subs_imm : a64_adds_imm)(b, s, d, a, 1);
    else
        (dec ? a64_sub_imm : a64_add_imm)(b, s, d, a, 1);
    if (memory) {
        if (!lower_is_atomic(cx, insn))
            lower_rmw_end(cx, &w, d);
        if (!flags)
            return true;
        if (cf && carry_goes(cx))
            lower_cf_to_x7(cx);
        a64_mov_reg(b, A64_X, X23, d);
        d = X23;
    } else if (!low || d != lower_gpr(dst->reg)) {
        lower_write(cx, dst, d);
        if (low)
            d = lower_gpr(dst->reg);
    }
    if (hw)
        lower_flags_hw(cx, cf ? cx->flags.cf : CF_ZERO);
    else if (nz)
        lower_flags_count(cx, dec, d, bytes);
    else if (!cf)
        lower_flags_hw(cx, CF_ZERO);                // none of them is looked at
    lower_pa(cx, dec ? PA_SUB_IMM : PA_ADD_IMM, d, 1);
    return true;
}

bool lower_neg(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *dst = &insn->opd[0];
    struct a64_buf *b = cx->b;
    unsigned bytes = dst->size;
    enum a64_size s = lower_size(bytes);
    bool nzc = cx->live & FLAGS_NZC, flags = cx->live & X64_ARITH_FLAGS;
    if (lower_is_low(dst) && bytes >= 4) {
        a64_reg d = lower_gpr(dst->reg);
        (nzc ? a64_subs_reg : a64_sub_reg)(b, s, d, A64_ZR, lower_source(cx, dst->reg), A64_LSL, 0);
        if (nzc)
            lower_flags_hw(cx, CF_INVERTED);
        lower_pa(cx, PA_NEG, d, 0);
        return true;
    }
    a64_reg a, t = lower_temp(cx);
    struct lower_rmw w = { 0 };
    if (dst->kind == X64_OPD_MEM) {
        w = lower_rmw_begin(cx, insn, bytes);
        a = w.old;
    } else {
        a = lower_read(cx, dst);
    }
    a64_sub_reg(b, s, t, A64_ZR, a, A64_LSL, 0);
    if (dst->kind == X64_OPD_MEM)
        lower_rmw_end(cx, &w, t);
    if (flags && bytes < 4) {
        narrow_sum(cx, true, bytes, A64_ZR, (struct operand){ .reg = a });
        lower_pa(cx, PA_NEG, X23, 0);
    } else if (flags) {
        a64_subs_reg(b, s, X23, A64_ZR, a, A64_LSL, 0);
        lower_flags_hw(cx, CF_INVERTED);
        lower_pa(cx, PA_NEG, X23, 0);
    }
    if (dst->kind != X64_OPD_MEM)
        lower_write(cx, dst, t);
    return true;
}

// ---- logic
enum logic { LOGIC_AND, LOGIC_OR, LOGIC_XOR };

static void logic_op(struct lower_context *cx, enum logic op, enum a64_size s, a64_reg d, a64_reg a, struct operand o)
{
    struct a64_buf *b = cx->b;
    if (o.imm) {
        uint64_t value = s == A64_W ? o.value & 0xffffffff : o.value;
        if (a64_logical_imm_ok(s, value)) {
            (op == LOGIC_AND ? a64_and_imm : op == LOGIC_OR ? a64_orr_imm : a64_eor_imm)(b, s, d, a, value);
            return;
        }
        o.reg = lower_imm(cx, s, value);
    }
    (op == LOGIC_AND ? a64_and_reg : op == LOGIC_OR ? a64_orr_reg : a64_eor_reg)(b, s, d, a, o.reg, o.shift, o.amount);
}

static bool logic_insn(struct lower_context *cx, const struct x64_insn *insn, enum logic op)
{
    const struct x64_operand *dst = &insn->opd[0], *src = &insn->opd[1];
    unsigned bytes = dst->size;
    enum a64_size s = lower_size(bytes);
    bool flags = cx->live & X64_ARITH_FLAGS;
    bool high_zero = op == LOGIC_XOR && dst->kind == X64_OPD_GPR8_HIGH && src->kind == dst->kind && src->reg == dst->reg;
    struct operand o = high_zero ? (struct operand){ .reg = A64_ZR } : second(cx, src, bytes, false);
    if (dst->kind == X64_OPD_MEM) {
        a64_reg t;
        if (lower_is_atomic(cx, insn)) {
            static const enum lower_atomic atomics[] = { [LOGIC_AND] = ATOMIC_CLEAR, [LOGIC_OR] = ATOMIC_SET, [LOGIC_XOR] = ATOMIC_XOR };
            a64_reg at = lower_address_register(cx, insn);
            a64_reg old = lower_atomic(cx, atomics[op], bytes, at, in_register(cx, s, o, op == LOGIC_AND ? COMPLEMENT : AS_IS));
            t = X23;
            if (flags)
                logic_op(cx, op, s, t, old, o);
        } else {
            immediate_early(cx, s, &o, a64_logical_imm_ok(s, o.value));
            struct lower_rmw w = lower_rmw_begin(cx, insn, bytes);
            t = lower_temp(cx);
            logic_op(cx, op, s, t, w.old, o);
            lower_rmw_end(cx, &w, t);
        }
        if (flags) {
            if (t != X23)
                a64_mov_reg(cx->b, A64_X, X23, t);
            lower_flags_logic(cx, X23, bytes);
            lower_pa(cx, PA_LOGIC, X23, 0);
        }
        return true;
    }
    a64_reg d = lower_gpr(dst->reg);
    bool same = lower_is_low(dst) && src->kind == X64_OPD_GPR && src->reg == dst->reg;
    if (op == LOGIC_XOR && same && bytes >= 4) {
        a64_mov_reg(cx->b, A64_W, d, A64_ZR);
        lower_flags_logic(cx, A64_ZR, bytes);
        lower_pa(cx, PA_LOGIC, A64_ZR, 0);
        return true;
    }
    if (high_zero) {
        a64_bfi(cx->b, A64_X, d, A64_ZR, 8, 8);
        lower_flags_logic(cx, A64_ZR, bytes);
        lower_pa(cx, PA_LOGIC, A64_ZR, 0);
        return true;
    }
    if (lower_is_low(dst) && bytes >= 4) {
        a64_reg a = lower_source(cx, dst->reg);
        struct lower_lazy l;
        if (lower_shifted(cx, dst->reg, &l)) {
            if (o.imm)
                a64_ubfx(cx->b, s, d, l.from, l.amount, (unsigned)__builtin_popcountll(o.value));
            else
                logic_op(cx, op, s, d, o.reg, shifted(&l));
        } else if (op != LOGIC_XOR && same && a == d) {
            if (bytes == 4)
                a64_mov_reg(cx->b, A64_W, d, d);
        } else {
            logic_op(cx, op, s, d, a, o);
        }
        lower_flags_logic(cx, d, bytes);
        lower_pa(cx, PA_LOGIC, d, 0);
        return true;
    }
    a64_reg a = lower_read(cx, dst);
    if (lower_is_low(dst)) {
        // AND with ones above, OR and XOR with zeroes above leave the upper bits alone: no merge needed.
        uint64_t whole = op == LOGIC_AND ? o.value | ~size_mask(bytes) : o.value;
        if (o.imm && a64_logical_imm_ok(A64_X, whole)) {
            logic_op(cx, op, A64_X, d, d, (struct operand){ .imm = true, .value = whole });
        } else if (!(o.imm && whole == (op == LOGIC_AND ? ~0ull : 0))) {
            // So do OR and XOR with a register that has zeroes there, and AND with anything if the destination has zeroes.
            unsigned bits = bytes * 8, from = o.imm ? bits : src->kind == X64_OPD_GPR ? lower_width(cx, o.reg) : bits;
            bool keeps = op == LOGIC_AND ? lower_width(cx, d) <= bits : from <= bits;
            if (keeps || lower_upper_dead(cx, dst->reg, bytes)) {
                logic_op(cx, op, op == LOGIC_AND || !keeps ? A64_W : A64_X, d, d, o);
            } else {
                a64_reg t = lower_temp(cx);
                logic_op(cx, op, A64_W, t, a, o);
                a64_bfi(cx->b, A64_X, d, t, 0, bits);
            }
        }
        lower_flags_logic(cx, d, bytes);
        lower_pa(cx, PA_LOGIC, d, 0);
        return true;
    }
    a64_reg t = flags ? X23 : lower_temp(cx);
    logic_op(cx, op, s, t, a, o);
    lower_write(cx, dst, t);
    if (flags) {
        lower_flags_logic(cx, X23, bytes);
        lower_pa(cx, PA_LOGIC, X23, 0);
    }
    return true;
}

bool lower_and(struct lower_context *cx, const struct x64_insn *insn) { return logic_insn(cx, insn, LOGIC_AND); }
bool lower_or(struct lower_context *cx, const struct x64_insn *insn) { return logic_insn(cx, insn, LOGIC_OR); }
bool lower_xor(struct lower_context *cx, const struct x64_insn *insn) { return logic_insn(cx, insn, LOGIC_XOR); }

bool lower_test(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *dst = &insn->opd[0], *src = &insn->opd[1];
    unsigned bytes = dst->size;
    enum a64_size s = lower_size(bytes);
    a64_reg a = lower_read(cx, dst);
    struct operand o = second(cx, src, bytes, false);
    if (!(cx->live & X64_ARITH_FLAGS))
        return true;
    if (lower_is_low(dst) && (o.imm ? o.value == size_mask(bytes) : src->kind == X64_OPD_GPR && src->reg == dst->reg)) {
        lower_flags_logic(cx, a, bytes);
        lower_pa(cx, PA_LOGIC, a, 0);
        return true;
    }
    if (bytes >= 4 && cx->live & FLAGS_NZC) {
        if (o.imm && a64_logical_imm_ok(s, o.value)) {
            a64_ands_imm(cx->b, s, X23, a, o.value);
        } else {
            if (o.imm)
                o.reg = lower_imm(cx, s, o.value);
            a64_ands_reg(cx->b, s, X23, a, o.reg, o.shift, o.amount);
        }
        lower_flags_logic(cx, X23, bytes);
        cx->flags.hw_too = true;
    } else {
        unsigned from = o.imm ? bits_of(o.value) : o.amount ? bytes * 8 : lower_width(cx, o.reg), of = dst->kind == X64_OPD_MEM ? bytes * 8 : lower_width(cx, a);
        logic_op(cx, LOGIC_AND, s, X23, a, o);
        lower_flags_logic(cx, X23, bytes);
        lower_width_set(cx, X23, from < of ? from : of);
    }
    lower_pa(cx, PA_LOGIC, X23, 0);
    return true;
}

bool lower_not(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *dst = &insn->opd[0];
    unsigned bytes = dst->size;
    enum a64_size s = lower_size(bytes);
    if (lower_is_atomic(cx, insn)) {
        a64_reg at = lower_address_register(cx, insn);
        lower_atomic(cx, ATOMIC_XOR, bytes, at, lower_imm(cx, s, ~0ull));
        return true;
    }
    if (dst->kind == X64_OPD_MEM) {
        struct lower_rmw w = lower_rmw_begin(cx, insn, bytes);
        a64_reg t = lower_temp(cx);
        a64_orn_reg(cx->b, s, t, A64_ZR, w.old, A64_LSL, 0);
        lower_rmw_end(cx, &w, t);
        return true;
    }
    if (bytes < 4 && dst->reg != X64_RSP) {
        a64_reg whole = lower_gpr(dst->reg);
        a64_eor_imm(cx->b, A64_X, whole, whole, dst->kind == X64_OPD_GPR8_HIGH ? 0xff00 : size_mask(bytes));
        return true;
    }
    a64_reg a = lower_read(cx, dst), d = lower_destination(cx, dst);
    a64_orn_reg(cx->b, s, d, A64_ZR, a, A64_LSL, 0);
    lower_write(cx, dst, d);
    return true;
}

// ---- ADC and SBB
// d += b2 + CF or d -= b2 + CF where nobody looks at flags; false: as if somebody did.
static bool carry_added(struct lower_context *cx, bool sub, enum a64_size s, a64_reg d, a64_reg b2)
{
    struct a64_buf *b = cx->b;
    struct lower_condition c = lower_condition(cx, X64_CC_B);
    if (c.test == TEST_COND && c.cond == (sub ? A64_CC : A64_CS))
        return false;                                               // ADC, SBC
    if (c.test != TEST_COND && c.test != TEST_NEVER && b2 != A64_ZR)
        return false;
    a64_reg t = lower_temp(cx);
    if (c.test == TEST_NEVER) {
        t = b2;
    } else if (c.test != TEST_COND) {
        t = lower_cf_bit(cx);
    } else if (!sub && b2 == A64_ZR) {
        a64_csinc(b, s, d, d, d, c.cond ^ 1);
        return true;
    } else {
        a64_csinc(b, s, t, b2, b2, c.cond ^ 1);
    }
    (sub ? a64_sub_reg : a64_add_reg)(b, s, d, d, t, A64_LSL, 0);
    return true;
}

// As one LSE instruction, which adds b2 + CF or -b2 - CF: that is ~b2 and what SBB has in C.
static bool atomic_carry(struct lower_context *cx, const struct x64_insn *insn, bool sub, unsigned bytes, struct operand o)
{
    struct a64_buf *b = cx->b;
    enum a64_size s = lower_size(bytes);
    enum lower_cf want = sub ? CF_INVERTED : CF_DIRECT;
    a64_reg term = in_register(cx, s, o, sub ? COMPLEMENT : AS_IS), at = lower_address_register(cx, insn), t = lower_temp(cx), carry = A64_ZR;
    bool hw = cx->flags.nz != NZ_FCMP && (cx->flags.cf == CF_INVERTED || cx->flags.cf == CF_DIRECT), in_c = hw && cx->flags.cf == want;
    if (in_c) {
        a64_adc(b, s, t, term, A64_ZR);
    } else if (hw) {
        a64_csinc(b, s, t, term, term, A64_CS);
    } else {
        carry = lower_cf_bit(cx);
        (sub ? a64_sub_reg : a64_add_reg)(b, s, t, term, carry, A64_LSL, 0);
        if (sub)
            a64_add_imm(b, s, t, t, 1);
    }
    a64_reg old = lower_atomic(cx, ATOMIC_ADD, bytes, at, t);
    if (!(cx->live & X64_ARITH_FLAGS))
        return true;
    (sub ? a64_eon_reg : a64_eor_reg)(b, A64_X, X24, old, term, A64_LSL, 0);
    if (hw && !in_c && cx->config->features.flagm) {
        a64_cfinv(b);
    } else if (!in_c) {
        if (hw)
            a64_cset(b, A64_W, carry = t, cx->flags.cf == CF_DIRECT ? A64_CS : A64_CC);
        if (sub)
            a64_subs_reg(b, A64_W, A64_ZR, A64_ZR, carry, A64_LSL, 0);      // C = !carry
        else if (carry == A64_ZR)
            a64_adds_reg(b, A64_W, A64_ZR, A64_ZR, A64_ZR, A64_LSL, 0);
        else
            a64_subs_imm(b, A64_W, A64_ZR, carry, 1);                       // C = carry
    }
    a64_adcs(b, s, X23, old, term);
    lower_flags_hw(cx, want);
    lower_pa_canonical(cx);
    return true;
}

bool lower_adcsbb(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *dst = &insn->opd[0], *src = &insn->opd[1];
    struct a64_buf *b = cx->b;
    bool sub = insn->op == X64_SBB;
    unsigned bytes = dst->size;
    enum a64_size s = lower_size(bytes);
    bool nzc = cx->live & FLAGS_NZC, pa = cx->live & FLAGS_PA;
    bool memory = dst->kind == X64_OPD_MEM;
    bool narrow = bytes < 4;
    if (memory && !narrow && lower_is_atomic(cx, insn))
        return atomic_carry(cx, insn, sub, bytes, second(cx, src, bytes, false));
    a64_reg b2 = src->kind == X64_OPD_IMM ? lower_imm(cx, s, (uint64_t)src->value & size_mask(bytes))
               : narrow ? lower_read_zero(cx, src) : lower_read(cx, src);
    enum lower_cf want = sub ? CF_INVERTED : CF_DIRECT;
    bool in_c = cx->flags.nz != NZ_FCMP && cx->flags.cf == want;
    a64_reg carry = narrow || (memory && !in_c) ? lower_cf_bit(cx) : A64_ZR;
    struct lower_rmw w = { 0 };
    a64_reg a;
    if (memory) {
        w = lower_rmw_begin(cx, insn, bytes);
        a = w.old;
    } else {
        a = narrow ? lower_read_zero(cx, dst) : lower_read(cx, dst);
    }
    if (!memory && !narrow && !(cx->live & X64_ARITH_FLAGS) && lower_is_low(dst) && carry_added(cx, sub, s, lower_gpr(dst->reg), b2))
        return true;
    if (!memory && !narrow) {
        // The chain: ADCS wants CF_DIRECT and leaves it, SBCS likewise CF_INVERTED.
        lower_flags_to_hw(cx, X64_CF, want);
        a64_reg d = lower_destination(cx, dst);
        if (pa)
            a64_eor_reg(b, A64_X, X24, a, b2, A64_LSL, 0);
        if (nzc)
            (sub ? a64_sbcs : a64_adcs)(b, s, d, a, b2);
        else
            (sub ? a64_sbc : a64_adc)(b, s, d, a, b2);
        if (pa && !lower_is_low(dst))
            a64_mov_reg(b, A64_X, X23, d);
        lower_write(cx, dst, d);
        if (nzc)
            lower_flags_hw(cx, want);
        if (lower_is_low(dst))
            lower_pa(cx, PA_RESULT, d, 0);
        else
            lower_pa_canonical(cx);
        return true;
    }
    bool flags = cx->live & X64_ARITH_FLAGS;
    a64_reg t = flags && !memory ? X23 : lower_temp(cx);
    if (!narrow && in_c) {
        (sub ? a64_sbc : a64_adc)(b, s, t, a, b2);
    } else {
        (sub ? a64_sub_reg : a64_add_reg)(b, s, t, a, b2, A64_LSL, 0);
        (sub ? a64_sub_reg : a64_add_reg)(b, s, t, t, carry, A64_LSL, 0);
    }
    if (memory)
        lower_rmw_end(cx, &w, t);
    if (flags)
        a64_eor_reg(b, A64_X, X24, a, b2, A64_LSL, 0);
    if (flags && narrow) {
        if (memory)
            a64_mov_reg(b, A64_X, X23, t);
        lower_width_set(cx, X23, sub ? 64 : bytes * 8 + 1);
        lower_flags_narrow(cx, bytes, false);
        lower_pa_canonical(cx);
    } else if (flags) {
        if (in_c)
            ;
        else if (sub)
            a64_subs_reg(b, A64_W, A64_ZR, A64_ZR, carry, A64_LSL, 0);      // C = !carry
        else if (carry == A64_ZR)
            a64_adds_reg(b, A64_W, A64_ZR, A64_ZR, A64_ZR, A64_LSL, 0);
        else
            a64_subs_imm(b, A64_W, A64_ZR, carry, 1);                       // C = carry
        (sub ? a64_sbcs : a64_adcs)(b, s, X23, a, b2);
        lower_flags_hw(cx, want);
        lower_pa_canonical(cx);
    }
    if (!memory)
        lower_write(cx, dst, t);
    return true;
}
