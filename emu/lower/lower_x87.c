// SPDX-License-Identifier: MIT
// Ordinary x87 instructions at EL0, on the quick form of the state (emu/x87/quick.h): stack registers are doubles.
//
// A segment is a run of x87 instructions in a block of which at most the last changes anything but x87 state. How many registers are in
// use is known at translation time (guessed 0 where control comes from outside); the segment begins by comparing that with CTX_X87_DEPTH,
// which is a number only in the quick form. It computes in v16 to v31 and writes memory, registers and the context at its end alone, so
// until then everything can be given up: whatever is unusual (a value that is no double, NaN, denormal operand, overflow,
// underflow, a result that is inexact with 64 bits of precision, another rounding, a fault) goes on in code out of line that leaves
// the instructions to the kernel, one by one, from the first on. A fault goes there by lower_point.retry.
//
// Arithmetic: with 53 bits of precision the double result is the right one if FPSR shows no more than IXC, which is PE; with 64 bits if it does
// not show that either. FPSR belongs to MXCSR: it is put aside meanwhile. C1 is left to whoever looks at it: operation and operands are kept.
#include "emu/lower/lower_x87.h"
#include "emu/a64/simd.h"
#include "emu/x87/quick.h"

_Static_assert(sizeof(struct x87_quick) == 24 && offsetof(struct x87_quick, operand) == CTX_X87_OPERANDS - CTX_X87_DEPTH
               && offsetof(struct x87_quick, c1) == CTX_X87_C1 - CTX_X87_DEPTH && offsetof(struct x87_quick, inexact) == CTX_X87_INEXACT - CTX_X87_DEPTH
               && offsetof(struct x87_quick, conditions) == CTX_X87_CONDITIONS - CTX_X87_DEPTH, "emu/run/ctx.h has it in this order");

enum {
    CTX = 28, T0 = 9, T1 = 6, T2 = 30,      // scratch, besides what addresses take from lower_temp
    CONDITIONS = 15, RAISED = 16, FPSR_ASIDE = 17,
    NONE = 0xff, FIRST_V = 16, LAST_V = 31,
    FPSR_IXC = 0x10, LONGEST = 64,
};

struct segment {
    struct lower_context *cx;
    struct a64_buf *b;
    unsigned depth;
    a64_vreg reg[8];                        // physical registers, NONE: in the context
    uint8_t dirty;
    uint32_t hold;                          // vector registers that operands of this instruction are in
    bool computes;                          // between begin_zone and end_zone
    bool arithmetic;                        // something was rounded to the precision
    bool may_be_inexact;
    bool raised_kept;                       // RAISED is still to become PE
    bool conditions;                        // CONDITIONS holds C0, C2, C3
    bool c1_known;                          // by c1
    uint8_t c1;                             // enum x87_c1
    bool c1_in_register;                    // T2 holds it instead
    a64_vreg c1_operand[2];
    uint32_t slow, slow_computing;          // where to give up
    const struct x64_insn *last_memory;
    uint64_t last;                          // rip and FOP of the last instruction that is no control instruction
};

enum flag {
    ROUNDS = 1,                             // to nearest, in FPCR
    COMPUTES = 2,                           // needs FPSR
    LAST = 4,
    CONTROL = 8,                            // FIP, FDP and FOP stay
    POP = 16, POP_TWICE = 32, PUSH = 64,
    REVERSE = 128, INTEGER = 256, TRUNCATE = 512, KEEPS_C1 = 1024,
};
struct row { bool (*emit)(struct segment *s, const struct x64_insn *x, const struct row *row); void (*after)(struct segment *s, const struct x64_insn *x, const struct row *row); uint16_t flags; uint8_t c1; };

// ---- registers

static unsigned physical(const struct segment *s, unsigned i) { return (8 - s->depth + i) & 7; }

static a64_vreg fresh(struct segment *s)
{
    uint32_t used = s->hold;
    for (unsigned i = 0; i < 8; i++)
        used |= s->reg[i] == NONE ? 0 : 1u << s->reg[i];
    for (unsigned i = 0; i < 2; i++)
        used |= s->c1_operand[i] == NONE ? 0 : 1u << s->c1_operand[i];
    for (unsigned v = FIRST_V; v <= LAST_V; v++)
        if (!(used >> v & 1)) {
            s->hold |= 1u << v;
            return (a64_vreg)v;
        }
    s->b->bad = true;
    return FIRST_V;
}

// The same for an instruction with one operand, or none in a vector register: FPCR.NEP keeps the upper half of its destination, which
// must be zero (quick.h). Of two operands it keeps the first one's.
static a64_vreg fresh_zero(struct segment *s)
{
    a64_vreg v = fresh(s);
    if (s->cx->config->features.afp)
        a64_movi_zero(s->b, v);
    return v;
}

static a64_vreg get(struct segment *s, unsigned i)
{
    unsigned p = physical(s, i);
    if (s->reg[p] == NONE) {
        s->reg[p] = fresh(s);
        a64_ldr_v_uimm(s->b, 4, s->reg[p], CTX, CTX_X87_REGISTERS + 16 * (int)p);
    }
    return s->reg[p];
}

static void put(struct segment *s, unsigned i, a64_vreg v)
{
    unsigned p = physical(s, i);
    s->reg[p] = v;
    s->dirty |= (uint8_t)(1u << p);
}

static void push(struct segment *s, a64_vreg v)
{
    s->depth++;
    put(s, 0, v);
}

static void set_c1(struct segment *s, unsigned kind, a64_vreg a, a64_vreg b)
{
    s->c1_known = true;
    s->c1 = (uint8_t)kind;
    s->c1_in_register = false;
    s->c1_operand[0] = a;
    s->c1_operand[1] = b;
}

// ---- giving up

// reg: instructions, whether the segment computes; value: the label slow_computing and, above it, the first of the segment's points.
static void leave_to_kernel(struct lower_context *cx, const struct lower_deferred *d)
{
    unsigned count = d->reg[0];
    bool computes = d->reg[1];
    const struct lower_insn *first = d->insn;
    struct lower_point *points = cx->result->points + (d->value >> 32);
    lower_order_flush(cx);
    if (!cx->full)
        points[0].retry = points[computes ? 2 : 0].retry = cx->b->count * 4;
    for (unsigned i = 0; i < count; i++) {
        cx->insn = first + i;
        lower_point_here(cx);
        (cx->config->trap_by_brk ? a64_brk : a64_svc)(cx->b, SVC_EMU_FP);
    }
    lower_b(cx, d->back);
    if (!computes)
        return;
    if (!cx->full)
        points[1].retry = cx->b->count * 4;
    lower_bind(cx, (uint32_t)d->value);
    a64_msr_fpsr(cx->b, FPSR_ASIDE);
    lower_b(cx, d->label);
}

static uint32_t slow(const struct segment *s) { return s->computes ? s->slow_computing : s->slow; }

static void begin_zone(struct segment *s)
{
    a64_mrs_fpsr(s->b, FPSR_ASIDE);
    lower_point_here(s->cx);
    a64_msr_fpsr(s->b, A64_ZR);
    s->computes = true;
}

static void end_zone(struct segment *s, bool changes_follow)
{
    if (!s->computes)
        return;
    a64_mrs_fpsr(s->b, RAISED);
    a64_msr_fpsr(s->b, FPSR_ASIDE);
    s->computes = false;
    lower_point_here(s->cx);
    if (!s->may_be_inexact) {
        lower_cbnz(s->cx, A64_W, RAISED, s->slow);
        return;
    }
    uint32_t exact = lower_label(s->cx);
    lower_cbz(s->cx, A64_W, RAISED, exact);
    a64_sub_imm(s->b, A64_W, T0, RAISED, FPSR_IXC);
    lower_cbnz(s->cx, A64_W, T0, s->slow);
    if (s->arithmetic) {
        a64_ldr_uimm(s->b, 1, A64_ZERO, T0, CTX, CTX_X87_CONTROL);
        a64_ubfx(s->b, A64_W, T0, T0, 8, 1);            // precision control: 3, not 2
        lower_cbnz(s->cx, A64_W, T0, s->slow);
    }
    if (!changes_follow)
        a64_str_uimm(s->b, 0, RAISED, CTX, CTX_X87_INEXACT);
    s->raised_kept = changes_follow;
    lower_bind(s->cx, exact);
}

// Everything goes into the context. Cannot fault.
static void commit(struct segment *s, unsigned depth_before)
{
    struct lower_context *cx = s->cx;
    struct a64_buf *b = s->b;
    end_zone(s, false);
    if (s->raised_kept) {
        uint32_t exact = lower_label(cx);
        lower_cbz(cx, A64_W, RAISED, exact);
        a64_str_uimm(b, 0, RAISED, CTX, CTX_X87_INEXACT);
        lower_bind(cx, exact);
    }
    for (unsigned p = 0; p < 8; p++)
        if (s->dirty >> p & 1)
            a64_str_v_uimm(b, 4, s->reg[p], CTX, CTX_X87_REGISTERS + 16 * (int)p);
    if (s->c1_known && s->c1 != C1_CLEAR) {
        if (!s->c1_in_register)
            a64_mov_const(b, A64_W, T2, s->c1);
        for (unsigned i = 0; i < 2; i++)
            if (s->c1_operand[i] != NONE)
                a64_str_v_uimm(b, 3, s->c1_operand[i], CTX, CTX_X87_OPERANDS + 8 * (int)i);
        a64_str_uimm(b, 0, T2, CTX, CTX_X87_C1);
    } else if (s->c1_known) {
        a64_str_uimm(b, 0, A64_ZR, CTX, CTX_X87_C1);
    }
    if (s->conditions)
        a64_str_uimm(b, 1, CONDITIONS, CTX, CTX_X87_CONDITIONS);
    if (s->depth != depth_before) {
        if (s->depth)
            a64_mov_const(b, A64_W, T0, s->depth);
        a64_str_uimm(b, 2, s->depth ? T0 : A64_ZR, CTX, CTX_X87_DEPTH);
    }
    if (s->last) {
        lower_const(cx, T0, s->last);
        a64_str_uimm(b, 3, T0, CTX, CTX_X87_IP);
    }
    if (s->last_memory) {
        cx->temps = 0;
        a64_reg address = lower_effective_address(cx, &s->last_memory->mem, lower_temp(cx), A64_X);
        a64_str_uimm(b, 3, address, CTX, CTX_X87_DP);
    }
}

// ---- operands in memory

// A zero or infinity passes; denormals and NaNs do not. `bits` in T0, of reg[0] bytes.
static void check_edge(struct lower_context *cx, const struct lower_deferred *d)
{
    bool wide = d->reg[0] == 8;
    enum a64_size size = wide ? A64_X : A64_W;
    a64_lsl_imm(cx->b, size, T0, T0, 1);
    lower_cbz(cx, size, T0, d->back);
    a64_eor_imm(cx->b, size, T0, T0, wide ? 0xffe0000000000000 : 0xff000000);
    lower_cbz(cx, size, T0, d->back);
    lower_b(cx, (uint32_t)d->value);
}

// A number of 4 or 8 bytes, as a double.
static a64_vreg load_float(struct segment *s, const struct x64_insn *x, unsigned bytes)
{
    struct a64_buf *b = s->b;
    enum a64_size size = bytes == 8 ? A64_X : A64_W;
    unsigned log2 = lower_log2(bytes), fraction = bytes == 8 ? 52 : 23, width = bytes == 8 ? 11 : 8;
    a64_vreg v = fresh(s);
    lower_load_v(s->cx, log2, v, lower_address(s->cx, x, log2));
    a64_fmov_to_general(b, size, T0, v);
    a64_sbfx(b, size, T1, T0, fraction, width);         // 0 or -1: zero, denormal, infinity, NaN
    a64_add_imm(b, A64_W, T1, T1, 1);
    a64_lsr_imm(b, A64_W, T1, T1, 1);
    struct lower_deferred *d = lower_defer(s->cx, check_edge);
    d->back = lower_label(s->cx);
    d->reg[0] = (a64_reg)bytes;
    d->value = slow(s);
    lower_cbz(s->cx, A64_W, T1, d->label);
    lower_bind(s->cx, d->back);
    if (bytes == 4)
        a64_fcvt(b, A64_W, v, v);
    return v;
}

static a64_vreg load_integer(struct segment *s, const struct x64_insn *x, unsigned bytes)
{
    struct a64_buf *b = s->b;
    unsigned log2 = lower_log2(bytes);
    a64_vreg v = fresh_zero(s);
    lower_load(s->cx, log2, bytes == 8 ? A64_ZERO : A64_SIGN64, T0, lower_address(s->cx, x, log2));
    if (bytes == 8) {                                   // of 54 bits with the sign
        a64_asr_imm(b, A64_X, T1, T0, 53);
        a64_add_imm(b, A64_X, T1, T1, 1);
        a64_lsr_imm(b, A64_X, T1, T1, 1);
        lower_cbnz(s->cx, A64_X, T1, slow(s));
    }
    a64_scvtf(b, A64_X, A64_X, v, T0);
    return v;
}

// A significand without integer bit: zero, or it is left to the kernel. reg[0]: the vector register.
static void check_zero(struct lower_context *cx, const struct lower_deferred *d)
{
    lower_cbnz(cx, A64_X, T0, (uint32_t)d->value);
    a64_ubfx(cx->b, A64_W, T0, T1, 0, 15);
    lower_cbnz(cx, A64_W, T0, (uint32_t)d->value);
    a64_lsl_imm(cx->b, A64_X, T1, T1, 48);
    a64_fmov_from_general(cx->b, A64_X, d->reg[0], T1);
    lower_b(cx, d->back);
}

// A number of 10 bytes that is a double with an exponent from -511 to 512, or zero.
static a64_vreg load_extended(struct segment *s, const struct x64_insn *x)
{
    struct lower_context *cx = s->cx;
    struct a64_buf *b = s->b;
    a64_vreg v = fresh(s);
    struct lower_mem mem = lower_address(cx, x, 3);
    lower_load(cx, 3, A64_ZERO, T0, mem);
    lower_load(cx, 1, A64_ZERO, T1, lower_mem_at(cx, mem, 1, 8));
    struct lower_deferred *d = lower_defer(cx, check_zero);
    d->back = lower_label(cx);
    d->reg[0] = v;
    d->value = slow(s);
    lower_tbz(cx, T0, 63, d->label);
    cx->temps = 0;
    a64_reg t = lower_temp(cx);
    a64_extr(b, A64_X, T0, T0, T0, 11);
    a64_add_imm(b, A64_W, T2, T1, 0x200);
    a64_ubfx(b, A64_W, T2, T2, 10, 5);                  // 16 if the exponent is in range
    a64_lsr_imm(b, A64_X, t, T0, 52);                   // 1 if the low 11 bits were 0
    a64_eor_reg(b, A64_W, T2, t, T2, A64_ROR, 4);
    lower_cbnz(cx, A64_W, T2, slow(s));
    a64_eor_imm(b, A64_W, T2, T1, 0x3c00);              // the low 11 bits: the exponent of a double
    a64_bfi(b, A64_X, T0, T2, 52, 11);
    a64_lsr_imm(b, A64_W, T1, T1, 15);
    a64_bfi(b, A64_X, T0, T1, 63, 1);
    a64_fmov_from_general(b, A64_X, v, T0);
    lower_bind(cx, d->back);
    return v;
}

static a64_vreg load(struct segment *s, const struct x64_insn *x, const struct row *row, unsigned bytes)
{
    if (row->flags & INTEGER)
        return load_integer(s, x, bytes);
    return bytes == 10 ? load_extended(s, x) : load_float(s, x, bytes);
}

// ---- loads

static bool emit_load(struct segment *s, const struct x64_insn *x, const struct row *row)
{
    const struct x64_operand *opd = &x->opd[0];
    push(s, opd->kind == X64_OPD_MEM ? load(s, x, row, opd->size) : get(s, opd->reg));
    return true;
}

static bool emit_one(struct segment *s, const struct x64_insn *x, const struct row *row)
{
    a64_vreg v = fresh(s);
    (void)x, (void)row;
    a64_mov_const(s->b, A64_X, T0, 0x3ff0000000000000);
    a64_fmov_from_general(s->b, A64_X, v, T0);
    push(s, v);
    return true;
}

static bool emit_zero(struct segment *s, const struct x64_insn *x, const struct row *row)
{
    a64_vreg v = fresh(s);
    (void)x, (void)row;
    a64_movi_zero(s->b, v);
    push(s, v);
    return true;
}

// ---- arithmetic

typedef void two_to_one(struct a64_buf *, enum a64_size, a64_vreg, a64_vreg, a64_vreg);

static bool emit_binary(struct segment *s, const struct x64_insn *x, const struct row *row)
{
    static two_to_one *const operations[] = { [C1_ADD] = a64_fadd, [C1_SUB] = a64_fsub, [C1_MUL] = a64_fmul, [C1_DIV] = a64_fdiv };
    a64_vreg a = get(s, x->opd[0].reg), c;
    s->hold |= 1u << a;
    c = x->opd[1].kind == X64_OPD_MEM ? load(s, x, row, x->opd[1].size) : get(s, x->opd[1].reg);
    s->hold |= 1u << c;
    a64_vreg first = row->flags & REVERSE ? c : a, second = row->flags & REVERSE ? a : c, result = fresh(s);
    operations[row->c1](s->b, A64_X, result, first, second);
    put(s, x->opd[0].reg, result);
    set_c1(s, row->c1, first, second);
    s->arithmetic = s->may_be_inexact = true;
    return true;
}

static bool emit_sqrt(struct segment *s, const struct x64_insn *x, const struct row *row)
{
    a64_vreg a = get(s, 0), result;
    (void)x;
    s->hold |= 1u << a;
    result = fresh_zero(s);
    a64_fsqrt(s->b, A64_X, result, a);
    put(s, 0, result);
    set_c1(s, row->c1, a, NONE);
    s->arithmetic = s->may_be_inexact = true;
    return true;
}

static bool emit_round(struct segment *s, const struct x64_insn *x, const struct row *row)
{
    a64_vreg a = get(s, 0), result;
    (void)x;
    s->hold |= 1u << a;
    result = fresh_zero(s);
    a64_frintx(s->b, A64_X, result, a);
    put(s, 0, result);
    set_c1(s, row->c1, a, NONE);
    s->may_be_inexact = true;
    return true;
}

static bool emit_sign(struct segment *s, const struct x64_insn *x, const struct row *row)
{
    a64_vreg a = get(s, 0), result;
    (void)row;
    s->hold |= 1u << a;
    result = fresh_zero(s);
    (x->op == X64_FCHS ? a64_fneg : a64_fabs)(s->b, A64_X, result, a);
    put(s, 0, result);
    return true;
}

static bool emit_exchange(struct segment *s, const struct x64_insn *x, const struct row *row)
{
    unsigned i = x->opd[1].reg;
    a64_vreg a = get(s, 0), c;
    (void)row;
    s->hold |= 1u << a;
    c = get(s, i);
    put(s, 0, c);
    put(s, i, a);
    return true;
}

// The flags are canonical: then a condition changes nothing of where they are.
static bool emit_conditional_move(struct segment *s, const struct x64_insn *x, const struct row *row)
{
    a64_vreg a = get(s, 0), c, result;
    (void)row;
    s->hold |= 1u << a;
    c = get(s, x->opd[1].reg);
    s->hold |= 1u << c;
    result = fresh(s);
    uint32_t stays = lower_label(s->cx);
    a64_mov_v(s->b, result, a);
    lower_branch(s->cx, lower_opposite(lower_condition(s->cx, (enum x64_cond)x->cond)), stays);
    a64_mov_v(s->b, result, c);
    lower_bind(s->cx, stays);
    put(s, 0, result);
    return true;
}

// ---- comparison

static a64_vreg other_operand(struct segment *s, const struct x64_insn *x, const struct row *row)
{
    a64_vreg v;
    if (x->form & X64_F_MEM)
        return load(s, x, row, x->opd[1].size);
    if (x->op != X64_FTST)
        return get(s, x->operand_count > 1 ? x->opd[1].reg : 1);
    v = fresh(s);
    a64_movi_zero(s->b, v);
    return v;
}

static bool emit_compare(struct segment *s, const struct x64_insn *x, const struct row *row)
{
    struct a64_buf *b = s->b;
    a64_vreg a = get(s, 0), c, t;
    s->hold |= 1u << a;
    c = other_operand(s, x, row);
    s->hold |= 1u << c;
    t = fresh(s);
    a64_fcmgt_s(b, A64_X, t, c, a);
    a64_fmov_to_general(b, A64_X, T0, t);
    a64_and_imm(b, A64_W, T0, T0, X87_C0);
    a64_fcmeq_s(b, A64_X, t, a, c);
    a64_fmov_to_general(b, A64_X, T1, t);
    a64_and_imm(b, A64_W, T1, T1, X87_C3);
    a64_orr_reg(b, A64_W, CONDITIONS, T0, T1, A64_LSL, 0);
    s->conditions = true;
    return true;
}

// A comparison that nobody looks at, for FPSR; the one that counts comes when all is done and cannot raise anything.
static bool emit_compare_flags(struct segment *s, const struct x64_insn *x, const struct row *row)
{
    (void)row;
    a64_vreg a = get(s, 0), c, t;
    s->hold |= 1u << a;
    c = get(s, x->opd[1].reg);
    s->hold |= 1u << c;
    t = fresh(s);
    a64_fcmeq_s(s->b, A64_X, t, a, c);
    return true;
}

static void after_compare_flags(struct segment *s, const struct x64_insn *x, const struct row *row)
{
    unsigned pops = row->flags & POP ? 1 : 0;
    s->depth += pops;                       // the operands' names are from before
    a64_fcmp(s->b, A64_X, get(s, 0), get(s, x->opd[1].reg));
    s->depth -= pops;
    lower_flags_fcmp(s->cx);
}

// ---- stores

static bool emit_store(struct segment *s, const struct x64_insn *x, const struct row *row)
{
    const struct x64_operand *opd = &x->opd[0];
    struct lower_context *cx = s->cx;
    a64_vreg a = get(s, 0), narrow;
    (void)row;
    if (opd->kind != X64_OPD_MEM) {
        put(s, opd->reg, a);
        return true;
    }
    if (opd->size == 8) {
        end_zone(s, true);
        lower_store_v(cx, 3, a, lower_address(cx, x, 3));
        return true;
    }
    s->hold |= 1u << a;
    narrow = fresh(s);
    a64_fcvt(s->b, A64_X, narrow, a);
    s->may_be_inexact = true;
    set_c1(s, C1_SINGLE, a, NONE);
    end_zone(s, true);
    lower_store_v(cx, 2, narrow, lower_address(cx, x, 2));
    return true;
}

// Zero and infinity: bits in T0; reg[0] is scratch. The significand in T1, sign and exponent in T2.
static void extend_edge(struct lower_context *cx, const struct lower_deferred *d)
{
    uint32_t infinite = lower_label(cx);
    a64_lsl_imm(cx->b, A64_X, d->reg[0], T0, 1);
    a64_lsr_imm(cx->b, A64_X, T2, T0, 48);
    lower_cbnz(cx, A64_X, d->reg[0], infinite);
    a64_mov_reg(cx->b, A64_X, T1, A64_ZR);
    lower_b(cx, d->back);
    lower_bind(cx, infinite);
    a64_eor_imm(cx->b, A64_X, d->reg[0], d->reg[0], 0xffe0000000000000);
    lower_cbnz(cx, A64_X, d->reg[0], (uint32_t)d->value);
    a64_orr_imm(cx->b, A64_W, T2, T2, 0x7fff);
    lower_b(cx, d->back);
}

static bool emit_store_extended(struct segment *s, const struct x64_insn *x)
{
    struct lower_context *cx = s->cx;
    struct a64_buf *b = s->b;
    a64_vreg a = get(s, 0);
    end_zone(s, true);
    a64_reg address = lower_address_register(cx, x), t;
    if (address == A64_SP) {
        address = lower_temp(cx);
        a64_mov_reg(b, A64_X, address, A64_SP);
    }
    t = lower_temp(cx);
    a64_add_imm(b, A64_X, t, address, 9);               // in two pages: all or nothing is the kernel's business
    a64_eor_reg(b, A64_X, t, t, address, A64_LSL, 0);
    a64_ubfx(b, A64_X, t, t, 12, 1);
    lower_cbnz(cx, A64_X, t, slow(s));
    a64_fmov_to_general(b, A64_X, T0, a);
    a64_lsl_imm(b, A64_X, T1, T0, 11);
    a64_orr_imm(b, A64_X, T1, T1, 1ull << 63);
    a64_sbfx(b, A64_X, T2, T0, 52, 11);                 // 0 or -1: zero, denormal, infinity
    a64_add_imm(b, A64_W, t, T2, 1);
    a64_lsr_imm(b, A64_W, t, t, 1);
    struct lower_deferred *d = lower_defer(cx, extend_edge);
    d->back = lower_label(cx);
    d->reg[0] = t;
    d->value = slow(s);
    lower_cbz(cx, A64_W, t, d->label);
    a64_eor_imm(b, A64_W, T2, T2, 0x3c00);
    a64_lsr_imm(b, A64_X, T0, T0, 63);
    a64_bfi(b, A64_W, T2, T0, 15, 1);
    lower_bind(cx, d->back);
    lower_store(cx, 3, T1, lower_mem_register(address));
    struct lower_mem high = { .base = address, .index = A64_ZR, .offset = 8 };
    lower_store(cx, 1, T2, high);
    return true;
}

// Toward zero, or left to the kernel. reg: size, C1 there or not.
static void truncate_instead(struct lower_context *cx, const struct lower_deferred *d)
{
    a64_sub_imm(cx->b, A64_W, T0, T0, ROUND_ZERO);
    lower_cbnz(cx, A64_W, T0, (uint32_t)d->value);
    a64_fcvtzs(cx->b, d->reg[0] == 8 ? A64_X : A64_W, A64_X, T1, d->reg[1]);
    a64_mov_const(cx->b, A64_W, T2, C1_CLEAR);
    lower_b(cx, d->back);
}

static bool emit_store_integer(struct segment *s, const struct x64_insn *x, const struct row *row)
{
    struct lower_context *cx = s->cx;
    struct a64_buf *b = s->b;
    unsigned bytes = x->opd[0].size;
    enum a64_size size = lower_size(bytes);
    a64_vreg a = get(s, 0);
    s->may_be_inexact = true;
    if (row->flags & TRUNCATE) {
        a64_fcvtzs(b, size, A64_X, T1, a);
        set_c1(s, C1_CLEAR, NONE, NONE);
    } else {
        a64_ldr_uimm(b, 1, A64_ZERO, T0, CTX, CTX_X87_CONTROL);
        a64_ubfx(b, A64_W, T0, T0, 10, 2);
        struct lower_deferred *d = lower_defer(cx, truncate_instead);
        d->back = lower_label(cx);
        d->reg[0] = (a64_reg)bytes;
        d->reg[1] = a;
        d->value = slow(s);
        lower_cbnz(cx, A64_W, T0, d->label);
        a64_fcvtns(b, size, A64_X, T1, a);
        a64_mov_const(b, A64_W, T2, C1_INTEGER);
        lower_bind(cx, d->back);
        set_c1(s, C1_INTEGER, a, NONE);
        s->c1_in_register = true;
    }
    if (bytes == 2) {
        a64_sbfx(b, A64_W, T0, T1, 0, 16);
        a64_eor_reg(b, A64_W, T0, T0, T1, A64_LSL, 0);
        lower_cbnz(cx, A64_W, T0, slow(s));
    }
    end_zone(s, true);
    lower_store(cx, lower_log2(bytes), T1, lower_address(cx, x, lower_log2(bytes)));
    return true;
}

static bool emit_store_any(struct segment *s, const struct x64_insn *x, const struct row *row)
{
    return x->opd[0].size == 10 && x->opd[0].kind == X64_OPD_MEM ? emit_store_extended(s, x) : emit_store(s, x, row);
}

// ---- control

static bool emit_nothing(struct segment *s, const struct x64_insn *x, const struct row *row)
{
    (void)s, (void)x, (void)row;
    return true;
}

static bool emit_store_status(struct segment *s, const struct x64_insn *x, const struct row *row)
{
    (void)x, (void)row;
    if (s->c1_known)
        return s->c1 == C1_CLEAR;
    a64_ldr_uimm(s->b, 0, A64_ZERO, T0, CTX, CTX_X87_C1);
    lower_cbnz(s->cx, A64_W, T0, slow(s));
    return true;
}

static void after_store_status(struct segment *s, const struct x64_insn *x, const struct row *row)
{
    struct a64_buf *b = s->b;
    (void)row;
    a64_ldr_uimm(b, 1, A64_ZERO, T0, CTX, CTX_X87_STATUS);
    a64_ldr_uimm(b, 0, A64_ZERO, T1, CTX, CTX_X87_INEXACT);
    a64_orr_reg(b, A64_W, T0, T0, T1, A64_LSL, 1);
    if (!s->conditions)
        a64_ldr_uimm(b, 1, A64_ZERO, CONDITIONS, CTX, CTX_X87_CONDITIONS);
    a64_orr_reg(b, A64_W, T0, T0, CONDITIONS, A64_LSL, 0);
    a64_mov_const(b, A64_W, T1, (8 - s->depth) & 7);
    a64_bfi(b, A64_W, T0, T1, X87_TOP_SHIFT, 3);
    s->cx->temps = 0;
    lower_write(s->cx, &x->opd[0], T0);
}

static bool emit_load_control(struct segment *s, const struct x64_insn *x, const struct row *row)
{
    struct a64_buf *b = s->b;
    (void)row;
    end_zone(s, true);
    lower_load(s->cx, 1, A64_ZERO, T0, lower_address(s->cx, x, 1));
    a64_mov_const(b, A64_W, T1, FLOAT_ALL | 0x200);     // all masked, precision of 53 or 64 bits
    a64_bic_reg(b, A64_W, T1, T1, T0, A64_LSL, 0);
    lower_cbnz(s->cx, A64_W, T1, slow(s));
    a64_ubfx(b, A64_W, T1, T0, 0, 13);                  // x87_control_word
    a64_and_imm(b, A64_W, T1, T1, 0xffffff3f);
    a64_orr_imm(b, A64_W, T1, T1, 0x40);
    a64_str_uimm(b, 1, T1, CTX, CTX_X87_CONTROL);
    return true;
}

static void after_clear(struct segment *s, const struct x64_insn *x, const struct row *row)
{
    (void)x, (void)row;
    a64_str_uimm(s->b, 1, A64_ZR, CTX, CTX_X87_STATUS);
    a64_str_uimm(s->b, 0, A64_ZR, CTX, CTX_X87_INEXACT);
}

// ---- the rows

#define ROW(op, function, ...)     [X64_##op - X64_FADD] = { .emit = emit_##function, .flags = __VA_ARGS__ },
#define BINARY(op, kind, ...)      [X64_##op - X64_FADD] = { .emit = emit_binary, .c1 = kind, .flags = ROUNDS | COMPUTES | KEEPS_C1 | __VA_ARGS__ },
#define FAMILY(name, kind, how)    BINARY(F##name, kind, how) BINARY(F##name##P, kind, how | POP) BINARY(FI##name, kind, how | INTEGER)
#define COMPARE(op, ...)           [X64_##op - X64_FADD] = { .emit = emit_compare, .flags = COMPUTES | __VA_ARGS__ },
#define AFTER(op, function, ...)   [X64_##op - X64_FADD] = { .emit = emit_##function, .after = after_##function, .flags = LAST | __VA_ARGS__ },

static const struct row rows[X64_FWAIT - X64_FADD + 1] = {
    FAMILY(ADD, C1_ADD, 0) FAMILY(MUL, C1_MUL, 0) FAMILY(SUB, C1_SUB, 0) FAMILY(SUBR, C1_SUB, REVERSE)
    FAMILY(DIV, C1_DIV, 0) FAMILY(DIVR, C1_DIV, REVERSE)
    [X64_FSQRT - X64_FADD] = { .emit = emit_sqrt, .c1 = C1_SQRT, .flags = ROUNDS | COMPUTES | KEEPS_C1 },
    [X64_FRNDINT - X64_FADD] = { .emit = emit_round, .c1 = C1_WHOLE, .flags = ROUNDS | COMPUTES | KEEPS_C1 },
    ROW(FCHS, sign, 0) ROW(FABS, sign, 0) ROW(FXCH, exchange, 0)
    ROW(FLD, load, PUSH) ROW(FILD, load, PUSH | INTEGER) ROW(FLD1, one, PUSH) ROW(FLDZ, zero, PUSH)
    ROW(FST, store_any, 0) ROW(FSTP, store_any, POP)
    ROW(FIST, store_integer, COMPUTES | LAST | KEEPS_C1) ROW(FISTP, store_integer, COMPUTES | LAST | KEEPS_C1 | POP)
    ROW(FISTTP, store_integer, COMPUTES | LAST | KEEPS_C1 | POP | TRUNCATE)
    COMPARE(FCOM, 0) COMPARE(FCOMP, POP) COMPARE(FCOMPP, POP_TWICE) COMPARE(FUCOM, 0) COMPARE(FUCOMP, POP) COMPARE(FUCOMPP, POP_TWICE)
    COMPARE(FICOM, INTEGER) COMPARE(FICOMP, INTEGER | POP) COMPARE(FTST, 0)
    AFTER(FCOMI, compare_flags, COMPUTES) AFTER(FCOMIP, compare_flags, COMPUTES | POP)
    AFTER(FUCOMI, compare_flags, COMPUTES) AFTER(FUCOMIP, compare_flags, COMPUTES | POP)
    ROW(FCMOVCC, conditional_move, KEEPS_C1) ROW(FNOP, nothing, KEEPS_C1) ROW(FWAIT, nothing, CONTROL | KEEPS_C1)
    AFTER(FNSTSW, store_status, CONTROL | KEEPS_C1)
    ROW(FLDCW, load_control, CONTROL | LAST | KEEPS_C1)
    [X64_FNCLEX - X64_FADD] = { .emit = emit_nothing, .after = after_clear, .flags = LAST | CONTROL | KEEPS_C1 },
};

static const struct row *find_row(const struct x64_insn *x)
{
    const struct row *row = x->op >= X64_FADD && x->op <= X64_FWAIT ? &rows[x->op - X64_FADD] : 0;
    return row && row->emit ? row : 0;
}

static bool is_last(const struct x64_insn *x, const struct row *row)
{
    return row->flags & LAST || (x->form & X64_F_MEM && (x->op == X64_FST || x->op == X64_FSTP));
}

static bool uses_stack(const struct x64_insn *x)
{
    switch (x->op) {
    case X64_FLD: case X64_FILD: case X64_FLD1: case X64_FLDZ: case X64_FNOP: case X64_FWAIT: case X64_FNSTSW: case X64_FLDCW: case X64_FNCLEX:
        return false;
    }
    return true;
}

// Whether the instruction, with so many registers in use, has all it wants and needs no kernel for its form.
static bool fits(const struct x64_insn *x, const struct row *row, unsigned depth)
{
    if (x->op == X64_FNSTSW && x->form & X64_F_MEM)
        return false;
    if (row->flags & PUSH && depth == 8)
        return false;
    if (depth < (uses_stack(x) ? row->flags & POP_TWICE || x->op == X64_FUCOMPP || x->op == X64_FCOMPP ? 2u : 1u : 0u))
        return false;
    for (unsigned i = 0; i < x->operand_count; i++)
        if (x->opd[i].kind == X64_OPD_ST && x->opd[i].reg >= depth)
            return false;
    return !(x->operand_count < 2 && row->emit == emit_compare && x->op != X64_FTST && depth < 2);
}

static unsigned pops(const struct row *row) { return row->flags & POP_TWICE ? 2 : row->flags & POP ? 1 : 0; }

unsigned lower_x87_depth_after(const struct x64_insn *x, unsigned depth)
{
    const struct row *row = find_row(x);
    int change = 0;
    if (row)
        change = row->flags & PUSH ? 1 : -(int)pops(row);
    switch (x->op) {
    case X64_FNINIT: case X64_EMMS: case X64_FNSAVE: return 0;
    case X64_FBLD: case X64_FLDL2T: case X64_FLDL2E: case X64_FLDPI: case X64_FLDLG2: case X64_FLDLN2: case X64_FPTAN: case X64_FSINCOS: case X64_FXTRACT:
        change = 1;
        break;
    case X64_FBSTP: case X64_FPATAN: case X64_FYL2X: case X64_FYL2XP1: case X64_FFREEP:
        change = -1;
        break;
    }
    int after = (int)depth + change;
    return after < 0 || after > 8 ? depth : (unsigned)after;
}

bool lower_x87_store_control(struct lower_context *cx, const struct x64_insn *x)
{
    struct lower_mem mem = lower_address(cx, x, 1);
    a64_reg control = lower_temp(cx);
    a64_ldr_uimm(cx->b, 1, A64_ZERO, control, CTX, CTX_X87_CONTROL);
    lower_store(cx, 1, control, mem);
    return true;
}

// FOP: the low bits of the opcode, ModRM (SDM vol. 1, 8.1.9).
static uint64_t opcode_of(struct lower_context *cx, const struct x64_insn *x)
{
    uint8_t bytes[X64_LENGTH_MAX];
    size_t count = cx->source->read(cx->source->context, x->rip, bytes, x->length);
    for (size_t i = 0; i + 1 < count; i++)
        if ((bytes[i] & 0xf8) == 0xd8)
            return (uint64_t)(bytes[i] & 7) << 8 | bytes[i + 1];
    return 0;
}

static void guard(struct segment *s, unsigned depth, unsigned flags)
{
    struct a64_buf *b = s->b;
    a64_ldr_uimm(b, 2, A64_ZERO, T0, CTX, CTX_X87_DEPTH);
    if (depth)
        a64_sub_imm(b, A64_W, T0, T0, depth);
    lower_cbnz(s->cx, A64_W, T0, s->slow);
    if (flags & ROUNDS) {
        a64_ldr_uimm(b, 1, A64_ZERO, T0, CTX, CTX_X87_CONTROL);
        a64_mrs_fpcr(b, T1);
        a64_orr_reg(b, A64_W, T0, T0, T1, A64_LSR, 12);         // RMode over RC
        a64_and_imm(b, A64_W, T0, T0, 0xc00);
        lower_cbnz(s->cx, A64_W, T0, s->slow);
    }
    if (flags & COMPUTES)
        begin_zone(s);
}

static unsigned flags_of(const struct x64_insn *x, const struct row *row)
{
    bool narrows = x->form & X64_F_MEM && (x->op == X64_FST || x->op == X64_FSTP) && x->opd[0].size == 4;
    return row->flags | (narrows ? ROUNDS | COMPUTES | KEEPS_C1 : 0);
}

unsigned lower_x87_segment(struct lower_context *cx, unsigned first, unsigned count)
{
    const struct lower_insn *insns = &cx->work->insns[first];
    unsigned n = 0, depth = cx->x87_depth, flags = 0;
    bool c1_open = false, conditional = false;
    if (cx->config->verify || cx->config->step)
        return 0;
    while (n < count && n < LONGEST) {
        const struct x64_insn *x = &insns[n].x;
        const struct row *row = find_row(x);
        if (!row || !fits(x, row, depth) || x->rip >> X87_QUICK_OPCODE_SHIFT || (x->op == X64_FNSTSW && c1_open))
            break;
        unsigned f = flags_of(x, row);
        flags |= f;
        conditional |= x->op == X64_FCMOVCC;
        if (!(f & CONTROL) && x->op != X64_FNOP && x->op != X64_FCMOVCC)
            c1_open = f & KEEPS_C1;
        depth += row->flags & PUSH ? 1 : 0;
        depth -= pops(row);
        n++;
        if (is_last(x, row))
            break;
    }
    if (!n)
        return 0;

    struct segment s = { .cx = cx, .b = cx->b, .depth = cx->x87_depth, .c1_operand = { NONE, NONE } };
    for (unsigned i = 0; i < 8; i++)
        s.reg[i] = NONE;
    const struct lower_insn *final = &insns[n - 1];
    cx->insn = insns;
    cx->live = final->live;
    cx->read = final->read;
    cx->temps = 0;
    cx->loose = 0;
    cx->unaligned = true;
    if (final->x.op == X64_FNSTSW)
        lower_flags_protect(cx, 1u << lower_gpr(X64_RAX), final->live);
    if (conditional)
        lower_flags_canonical(cx, X64_ARITH_FLAGS);
    cx->temps = 0;
    lower_constants_off(cx);                    // their registers have other names here
    struct lower_deferred *d = lower_defer(cx, leave_to_kernel);
    d->back = lower_label(cx);
    d->reg[0] = (a64_reg)n;
    d->reg[1] = (flags & COMPUTES) != 0;
    s.slow_computing = lower_label(cx);
    s.slow = d->label;
    uint32_t back = d->back;
    lower_point_here(cx);
    d->value = s.slow_computing | (uint64_t)(cx->result->point_count - 1) << 32;
    guard(&s, cx->x87_depth, flags);
    const struct row *row = 0;
    const struct x64_insn *x = 0;
    for (unsigned i = 0; i < n; i++) {
        x = &insns[i].x;
        row = find_row(x);
        cx->temps = 0;
        s.hold = 0;
        if (!(flags_of(x, row) & KEEPS_C1))
            set_c1(&s, C1_CLEAR, NONE, NONE);
        if (!row->emit(&s, x, row))
            cx->b->bad = true;
        s.depth -= pops(row);
        if (!(row->flags & CONTROL)) {
            s.last = x->rip | opcode_of(cx, x) << X87_QUICK_OPCODE_SHIFT;
            if (x->form & X64_F_MEM)
                s.last_memory = x;
        }
    }
    cx->temps = 0;
    s.hold = 0;
    commit(&s, cx->x87_depth);
    if (row->after)
        row->after(&s, x, row);
    cx->x87_depth = s.depth;
    lower_bind(cx, back);
    return n;
}
