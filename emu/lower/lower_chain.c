// SPDX-License-Identifier: MIT
// Chains: floating-point instructions of a block, with the moves, shuffles and loads between them, under one look at FPSR.
//
// Native arithmetic differs from x64's only where it raises the invalid exception: a fresh NaN has the other sign, and of a quiet NaN and
// a signalling one arm takes the signalling one. FP_EXACT has more to look for (lower_exact.c), all of it in FPSR, too. So a chain is computed
// natively, one arm64 instruction for most of x64's, and at its end FPSR says whether that was right. If not, all of it is done again,
// instruction by instruction and each with its own check, by code out of line (slow).
//
// That works because a chain changes nothing else: no memory, no general register, no flags. A vector register whose value at the start is
// needed (it is read before it is written; or an exception may be raised before, in FP_EXACT) keeps it until the look at FPSR: its new value
// lives in v25..v31 until then. The others may be written at once, since doing it again writes them again. A fault in the middle is not delivered: the kernel sends the thread
// to the slow code (lower_point.retry), where the same access faults with exact state. So does what asks for code out of line (lower_defer).
//
// In FP_FAST the look is at FPSR.IOC alone, which therefore must be clear before: slow takes it out, and MXCSR.IE is CTX_FP_FORM from
// then on (emu/run/fp.c).
#include "emu/lower/lower_chain.h"
#include "emu/lower/facts.h"
#include "emu/lower/lower_exact.h"
#include "emu/lower/lower_vector.h"

enum { CTX = 28, SCRATCH = 16, LOADED = 17, TEMP_FIRST = 25, TEMPS = 7, WHOLE = 4, MOST = 64 };

typedef void scalar3(struct a64_buf *, enum a64_size, a64_vreg, a64_vreg, a64_vreg);
typedef void vector3(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg, a64_vreg);
typedef void scalar2(struct a64_buf *, enum a64_size, a64_vreg, a64_vreg);
typedef void vector2(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg);

// What is computed here; everything else goes by its own function, on other registers.
struct operation {
    scalar3 *scalar3; vector3 *vector3; scalar2 *scalar2; vector2 *vector2;
    enum a64_size size;             // of an element
};

static bool find_operation(const struct x64_insn *insn, struct operation *o)
{
    switch (insn->op) {
#define X(name, emitter, s) case X64_##name: *o = (struct operation){ .scalar3 = a64_##emitter, .size = A64_##s }; return true;
    SSE_SCALAR(X)
#undef X
#define X(name, emitter, arr) case X64_##name: *o = (struct operation){ .vector3 = a64_##emitter, .size = A64_##arr == A64_2D ? A64_X : A64_W }; return true;
    SSE_PACKED_FLOAT(X)
#undef X
    case X64_SQRTSS: *o = (struct operation){ .scalar2 = a64_fsqrt, .size = A64_W }; return true;
    case X64_SQRTSD: *o = (struct operation){ .scalar2 = a64_fsqrt, .size = A64_X }; return true;
    case X64_SQRTPS: *o = (struct operation){ .vector2 = a64_fsqrt_v, .size = A64_W }; return true;
    case X64_SQRTPD: *o = (struct operation){ .vector2 = a64_fsqrt_v, .size = A64_X }; return true;
    }
    return false;
}

// To a general register, which is written at once: so nothing before it in the chain may have looked at that.
static bool is_conversion(const struct lower_context *cx, const struct x64_insn *insn)
{
    return (insn->op == X64_CVTTSD2SI || insn->op == X64_CVTTSS2SI) && cx->config->fp_model == FP_FAST && lower_is_low(&insn->opd[0]);
}

// What else asks lower_sse_check_nan, which has nothing to do in a chain.
static bool is_sum(const struct x64_insn *insn)
{
    switch (insn->op) {
    case X64_HADDPS: case X64_HADDPD: case X64_HSUBPS: case X64_HSUBPD: return true;
    case X64_DPPS: case X64_DPPD: return !lower_is_no_sum(insn);
    }
    return false;
}

// Packed ones, where FPSR says whether everything fitted.
static bool is_packed_conversion(const struct lower_context *cx, const struct x64_insn *insn)
{
    return (insn->op == X64_CVTPS2DQ || insn->op == X64_CVTTPS2DQ) && cx->config->fp_model == FP_FAST && !cx->config->features.frintts;
}

static bool is_chained(const struct lower_context *cx, const struct x64_insn *insn)
{
    struct operation o;
    return is_sum(insn) || is_packed_conversion(cx, insn) || find_operation(insn, &o) || is_conversion(cx, insn) || (lower_is_exact(cx, insn) && insn->opd[0].kind == X64_OPD_XMM);
}

static bool is_zeroing(const struct x64_insn *insn)
{
    return (insn->op == X64_XORPS || insn->op == X64_XORPD || insn->op == X64_PXOR) && insn->opd[1].kind == X64_OPD_XMM
           && insn->opd[1].reg == insn->opd[0].reg;
}

// Writes its register without looking at what was in it.
static bool defines(const struct x64_insn *insn)
{
    const struct x64_operand *to = &insn->opd[0], *from = &insn->opd[1];
    if (to->kind != X64_OPD_XMM)
        return false;
    if (is_zeroing(insn))
        return true;
    if (to->access & (X64_READ | X64_MAYBE) || (from->kind == X64_OPD_XMM && from->reg == to->reg))
        return false;
    switch (insn->op) {
    case X64_MOVSS: case X64_MOVSD: return from->kind == X64_OPD_MEM;
    case X64_MOVD: case X64_MOVQ: return true;
    }
    return to->size == 16;
}

// Changes one vector register and nothing else; or is a conversion.
static bool is_member(const struct lower_context *cx, const struct lower_insn *i)
{
    const struct x64_insn *x = &i->x;
    uint32_t attributes = x64_op_info(x->op)->attributes;
    lower_function *function = lower_choose(x);
    if (!function || function == lower_in_kernel || i->loose || x->form & X64_F_VEX || !x->operand_count)
        return false;
    if (is_conversion(cx, x))
        return true;
    if (x->opd[0].kind != X64_OPD_XMM)
        return false;
    for (unsigned n = 0; n < x->operand_count; n++) {
        uint8_t kind = x->opd[n].kind;
        if (kind != X64_OPD_XMM && kind != X64_OPD_MEM && kind != X64_OPD_IMM && kind != X64_OPD_GPR)
            return false;
        if (n && x->opd[n].access & (X64_WRITE | X64_MAYBE))
            return false;
    }
    if (attributes & (X64_A_VECTOR_ALL | X64_A_IMPLICIT_XMM0 | X64_A_STRING | X64_A_STACK | X64_A_FAULTS) || attributes >> X64_FLOW_SHIFT != X64_FLOW_NEXT)
        return false;
    if (cx->config->fp_model == FP_EXACT && (x->op == X64_RCPPS || x->op == X64_RCPSS || x->op == X64_RSQRTPS || x->op == X64_RSQRTSS))
        return false;                       // nothing of MXCSR concerns them
    return !x64_writes_memory(x) && !x64_gprs_written(x) && !x64_flags_killed(x) && !x64_flags_written(x) && !x64_flags_read(x);
}

// How many instructions from the first one on make a chain; 0: none, and *without says that none begins with that many from here on either.
static unsigned plan(const struct lower_context *cx, const struct lower_insn *first, unsigned available, unsigned *without)
{
    unsigned length = 0, begins = MOST, n;
    uint16_t defined = 0, looked_at = 0, temps = 0, general = 0, general_late = 0;
    // What was converted to integers may be wrong until the look at FPSR: floating point must not raise anything because of that.
    uint16_t suspect_general = 0, suspect = 0;
    bool raises = false;
    struct operation o;
    for (n = 0; n < available && n < MOST && is_member(cx, &first[n]); n++) {
        const struct x64_insn *x = &first[n].x;
        uint16_t to = (uint16_t)(1u << x->opd[0].reg), from = 0;
        for (unsigned i = 0; i < x->operand_count; i++)
            if (x->opd[i].kind == X64_OPD_XMM && (i || !defines(x)))
                from |= (uint16_t)(1u << x->opd[i].reg);
        if (x64_gprs_read(x) & suspect_general || (from & suspect && x64_op_info(x->op)->attributes & X64_A_FP))
            break;
        suspect_general |= x64_gprs_written(x);
        if (x->opd[0].kind == X64_OPD_XMM)
            suspect = is_packed_conversion(cx, x) || from & suspect ? suspect | to : suspect & (uint16_t)~to;
        if (x->opd[1].kind == X64_OPD_XMM && !is_zeroing(x))
            looked_at |= (uint16_t)(1u << x->opd[1].reg);
        if (begins == MOST && is_chained(cx, x))
            begins = n;
        general |= x64_gprs_read(x);
        if (begins != MOST)
            general_late |= x64_gprs_read(x);
        if (x64_gprs_written(x) & general) {
            if (!length || x64_gprs_written(x) & general_late)
                break;
            *without = begins;              // it is longer without what comes before
            return 0;
        }
        if (is_conversion(cx, x)) {
            length = n + 1;
            continue;
        }
        raises |= lower_is_exact(cx, x);
        if (defines(x) && !raises && !(looked_at & ~defined & to))
            defined |= to;
        if (!(defined & to) || (find_operation(x, &o) && (o.scalar3 || o.scalar2)))
            temps |= to;
        if (!defines(x))
            looked_at |= to;
        if (__builtin_popcount(temps) >= TEMPS)
            break;                          // one more is for a moment only
        if (is_chained(cx, x))
            length = n + 1;
    }
    *without = length ? 1 : n;
    return length && (is_chained(cx, &first->x) || defines(&first->x)) ? length : 0;
}

// ---- registers

struct chain {
    struct lower_context *cx;
    uint8_t place[16];              // where the value is: the register itself, or one of v25..v31
    uint8_t part[16];               // WHOLE, or log2 of the bytes that are there; the others are in the register itself
    uint16_t defined;               // its value at the start is not needed
    uint16_t looked_at;             // it is
    uint8_t used;                   // of v25..v31
    bool raises;                    // something has been computed that may raise an exception, which shows all registers as they were
};

static a64_vreg take(struct chain *c)
{
    for (unsigned i = 0; i < TEMPS; i++)
        if (!(c->used >> i & 1)) {
            c->used |= (uint8_t)(1u << i);
            return (a64_vreg)(TEMP_FIRST + i);
        }
    c->cx->b->bad = true;           // plan counts
    return TEMP_FIRST;
}

static void give_back(struct chain *c, a64_vreg v)
{
    if (v >= TEMP_FIRST)
        c->used &= (uint8_t)~(1u << (v - TEMP_FIRST));
}

static bool may_write(const struct chain *c, unsigned r) { return c->defined >> r & 1; }

static void put_at(struct chain *c, unsigned r, a64_vreg v, unsigned part)
{
    if (c->place[r] != v)
        give_back(c, c->place[r]);
    c->place[r] = v;
    c->part[r] = (uint8_t)part;
}

// The whole value in one register.
static a64_vreg whole(struct chain *c, unsigned r)
{
    if (!may_write(c, r))
        c->looked_at |= (uint16_t)(1u << r);
    if (c->part[r] == WHOLE)
        return c->place[r];
    a64_vreg to = (a64_vreg)r;
    if (!may_write(c, r)) {
        to = take(c);
        a64_mov_v(c->cx->b, to, (a64_vreg)r);
    }
    a64_ins_element(c->cx->b, c->part[r], to, 0, c->place[r], 0);
    put_at(c, r, to, WHOLE);
    return to;
}

// A register whose low element is r's.
static a64_vreg low(struct chain *c, unsigned r, unsigned log2)
{
    if (c->part[r] < log2)
        return whole(c, r);
    if (!may_write(c, r))
        c->looked_at |= (uint16_t)(1u << r);
    return c->place[r];
}

// Where r may be changed.
static a64_vreg target(struct chain *c, unsigned r)
{
    if (c->place[r] >= TEMP_FIRST && c->part[r] == WHOLE)
        return c->place[r];
    return may_write(c, r) ? (a64_vreg)r : take(c);
}

static a64_vreg source(struct chain *c, const struct x64_insn *x, unsigned log2)
{
    const struct x64_operand *from = &x->opd[1];
    if (from->kind == X64_OPD_XMM)
        return log2 == WHOLE ? whole(c, from->reg) : low(c, from->reg, log2);
    return lower_sse_read(c->cx, from, LOADED);
}

static void compute_scalar(struct chain *c, const struct x64_insn *x, const struct operation *o)
{
    struct a64_buf *b = c->cx->b;
    unsigned r = x->opd[0].reg, log2 = o->size == A64_X ? 3 : 2;
    a64_vreg m = source(c, x, log2), n = low(c, r, log2), to;
    bool keeps = !lower_upper_is_zero(&c->cx->facts.upper, r, log2);     // the elements above are something
    bool beside = keeps && c->part[r] != log2 && (c->place[r] != r || c->part[r] != WHOLE);    // a part of them is in the place, too
    if (beside)
        to = SCRATCH;
    else if (c->place[r] >= TEMP_FIRST)
        to = c->place[r];
    else
        to = keeps || !may_write(c, r) ? take(c) : (a64_vreg)r;
    if (o->scalar3)
        o->scalar3(b, o->size, to, n, m);
    else
        o->scalar2(b, o->size, to, m);
    if (beside)
        a64_ins_element(b, log2, c->place[r], 0, SCRATCH, 0);
    else
        put_at(c, r, to, keeps ? log2 : WHOLE);
}

static void compute_vector(struct chain *c, const struct x64_insn *x, const struct operation *o)
{
    unsigned r = x->opd[0].reg;
    enum a64_arr arr = o->size == A64_X ? A64_2D : A64_4S;
    a64_vreg m = source(c, x, WHOLE), n = A64_ZR;
    if (o->vector3)
        n = whole(c, r);
    a64_vreg to = target(c, r);
    if (o->vector3)
        o->vector3(c->cx->b, arr, to, n, m);
    else
        o->vector2(c->cx->b, arr, to, m);
    put_at(c, r, to, WHOLE);
}

// By the instruction's own function, on the registers where its operands are.
static void other(struct chain *c, const struct x64_insn *x)
{
    struct x64_insn moved = *x;
    unsigned r = x->opd[0].reg;
    bool scalar = x->op == X64_MOVSD || x->op == X64_MOVSS || x64_op_info((enum x64_op)x->op)->attributes & X64_A_FP;
    for (unsigned i = 1; i < x->operand_count && !is_zeroing(x); i++)
        if (x->opd[i].kind == X64_OPD_XMM) {
            uint16_t size = x->opd[i].size;
            moved.opd[i].reg = scalar && (size == 4 || size == 8) ? low(c, x->opd[i].reg, lower_log2(size)) : whole(c, x->opd[i].reg);
        }
    if (x->opd[0].kind != X64_OPD_XMM) {
        if (!lower_choose(x)(c->cx, &moved))
            c->cx->b->bad = true;
        return;
    }
    a64_vreg n = defines(x) ? A64_ZR : whole(c, r), to = target(c, r);
    if (n != A64_ZR && to != n)
        a64_mov_v(c->cx->b, to, n);
    moved.opd[0].reg = to;
    for (unsigned i = 1; i < x->operand_count; i++)
        if (x->opd[i].kind == X64_OPD_XMM && x->opd[i].reg == r)
            moved.opd[i].reg = to;
    if (!lower_choose(x)(c->cx, &moved))
        c->cx->b->bad = true;               // it knows every form of what it knows
    put_at(c, r, to, WHOLE);
}

static void compute(struct chain *c, const struct x64_insn *x)
{
    struct operation o;
    unsigned r = x->opd[0].reg;
    c->raises |= lower_is_exact(c->cx, x);
    if (defines(x) && !c->raises && !(c->looked_at >> r & 1))
        c->defined |= (uint16_t)(1u << r);
    if (!find_operation(x, &o))
        other(c, x);
    else if (o.scalar3 || o.scalar2)
        compute_scalar(c, x, &o);
    else
        compute_vector(c, x, &o);
}

// ---- the two ways

void lower_chain_settle(struct lower_context *cx)
{
    struct a64_buf *b = cx->b;
    a64_reg t = lower_temp(cx);
    uint32_t fault = lower_label(cx);       // that is why we are here, and nothing was invalid
    a64_mrs_fpsr(b, t);
    lower_tbz(cx, t, 0, fault);
    a64_and_imm(b, A64_X, t, t, ~1ull);
    a64_msr_fpsr(b, t);
    a64_mov_const(b, A64_W, t, CTX_FORM_IE);
    a64_str_uimm(b, 2, t, CTX, CTX_FP_FORM);
    lower_bind(cx, fault);
}

// value: index of the first point of the chain, of the one behind its last; reg: how many instructions.
static void slow(struct lower_context *cx, const struct lower_deferred *d)
{
    struct a64_buf *b = cx->b;
    const struct lower_insn *first = d->insn;
    for (uint32_t i = (uint32_t)d->value; i < (uint32_t)(d->value >> 32) && i < cx->result->point_count; i++)
        cx->result->points[i].retry = b->count * 4;
    unsigned count = d->reg[0];
    uint32_t back = d->back;
    cx->facts = (struct lower_facts){ 0 };
    if (cx->config->fp_model == FP_FAST) {
        lower_chain_settle(cx);
    } else {
        a64_msr_fpsr(b, A64_ZR);            // MXCSR has what was there before
    }
    for (unsigned i = 0; i < count; i++)
        lower_instruction(cx, &first[i]);
    lower_b(cx, back);
}

bool lower_chain_may(const struct x64_insn *x)
{
    return x->kinds >> X64_OPD_XMM & 1 || x->op == X64_CVTTSD2SI || x->op == X64_CVTTSS2SI;
}

unsigned lower_chain(struct lower_context *cx, const struct lower_insn *first, unsigned available)
{
    const struct lower_config *config = cx->config;
    if (config->verify || config->step || (config->fp_model == FP_FAST && config->features.afp))
        return 0;
    unsigned without, count = first < cx->no_chain_before ? 0 : plan(cx, first, available, &without);
    if (!count) {
        if (first >= cx->no_chain_before)
            cx->no_chain_before = first + without;
        return 0;
    }
    for (unsigned i = 0; i < count; i++)    // both ways want flags in no register that changes
        lower_protect(cx, &first[i]);
    struct chain c = { .cx = cx };
    for (unsigned r = 0; r < 16; r++)
        c.place[r] = (uint8_t)r, c.part[r] = WHOLE;
    for (unsigned i = 0; i < count; i++) {  // what slow may do to NZCV has happened
        cx->live = first[i].live;
        lower_nzcv_free(cx);
    }
    cx->insn = first;
    struct lower_deferred *d = lower_defer(cx, slow);
    d->back = lower_label(cx);
    d->reg[0] = (a64_reg)count;
    cx->chain = d;
    uint32_t first_point = 0;
    bool selects = false;
    for (unsigned i = 0; i < count; i++) {
        lower_begin(cx, &first[i]);
        if (!i)
            first_point = cx->result->point_count ? cx->result->point_count - 1 : 0;
        compute(&c, &first[i].x);
        selects |= lower_exact_selects((enum x64_op)first[i].x.op);
        lower_facts_after(&cx->facts, &first[i]);
    }
    cx->temps = 0;
    d->value = first_point | (uint64_t)cx->result->point_count << 32;
    a64_reg raised = lower_temp(cx);
    if (config->fp_model == FP_FAST) {
        a64_mrs_fpsr(cx->b, raised);
        lower_tbnz(cx, raised, 0, d->label);
    } else {
        lower_exact_raised(cx, raised, selects);
        lower_cbnz(cx, A64_W, raised, d->label);
    }
    for (unsigned r = 0; r < 16; r++)
        if (c.part[r] != WHOLE)
            a64_ins_element(cx->b, c.part[r], (a64_vreg)r, 0, c.place[r], 0);
        else if (c.place[r] != r)
            a64_mov_v(cx->b, (a64_vreg)r, c.place[r]);
    cx->chain = 0;
    lower_bind(cx, d->back);
    return count;
}
