// SPDX-License-Identifier: MIT
// One row an instruction, one function a shape of instruction.
#include "emu/sse/soft.h"
#include "emu/sse/sse.h"

enum kind { NONE, HALF, SINGLE, DOUBLE, INTEGER };      // of elements; INTEGER: as wide as the operand, 32 bits in a vector

enum row_flag {
    SCALAR = 1,                     // only element 0; the rest comes from the first source
    PAIRS = 2,                      // neighbours of one source, not the same element of two (HADDPS)
    ALTERNATE = 4,                  // odd elements add (ADDSUBPS)
    TRUNCATE = 8,
    SIGNALLING = 16,                // quiet NaNs are invalid operands (COMISS)
    IMMEDIATE_ROUNDING = 32,        // bits 2:0 of the immediate
};

enum fma_order { ORDER_132, ORDER_213, ORDER_231 };     // the operands that are multiplicand, multiplier, addend: 1 is the destination

struct sse_machine {
    const struct x64_insn *insn;
    struct sse_io *io;
    const struct sse_row *row;
    struct soft_env env;
    uint32_t mxcsr;                 // what the processor leaves
    bool vex;
};

struct sse_row {
    enum sse_outcome (*run)(struct sse_machine *m);
    soft_binary *binary;
    soft_unary *unary;
    uint8_t kind, to;               // enum kind; `to` of conversions
    uint8_t flags;                  // enum row_flag
    uint8_t order;                  // enum fma_order
    uint8_t even, odd;              // enum soft_negation, of even and odd elements
};

// ---- operands

struct vector { uint64_t word[4]; };

static uint64_t element(const struct vector *v, unsigned bits, unsigned i)
{
    return v->word[i * bits / 64] >> i * bits % 64 & ~0ull >> (64 - bits);
}

static void set_element(struct vector *v, unsigned bits, unsigned i, uint64_t value)
{
    uint64_t mask = ~0ull >> (64 - bits) << i * bits % 64, *word = &v->word[i * bits / 64];
    *word = (*word & ~mask) | (value << i * bits % 64 & mask);
}

static const struct soft_format *format(uint8_t kind)
{
    return kind == HALF ? &soft_half : kind == SINGLE ? &soft_single : &soft_double;
}

static bool get(struct sse_machine *m, unsigned operand, struct vector *v)
{
    *v = (struct vector){ 0 };
    return m->io->read(m->io->context, operand, v->word, m->insn->opd[operand].size);
}

static bool is_scalar(const struct sse_machine *m) { return m->row->flags & SCALAR; }
static unsigned immediate(const struct sse_machine *m) { return (unsigned)m->insn->opd[m->insn->operand_count - 1].value & 0xff; }

static unsigned element_count(const struct sse_machine *m, unsigned bits)
{
    return is_scalar(m) ? 1 : (m->insn->form & X64_F_256 ? 256 : 128) / bits;
}

// The first source; in scalar forms the rest of the result is from there. Legacy forms write no rest.
static unsigned first_source(const struct sse_machine *m) { return m->vex; }

// Takes over what was raised; false: something is not masked. Exceptions that are found before there is a result come first: if
// one of them is not masked, no element's others are looked for (SDM vol. 1, 11.5.3).
static bool settle(struct sse_machine *m)
{
    unsigned raised = m->env.raised, open = raised & ~m->env.masked;
    m->mxcsr |= open & FLOAT_BEFORE ? raised & FLOAT_BEFORE : raised;
    return !open;
}

static enum sse_outcome except(struct sse_machine *m)
{
    m->io->mxcsr = m->mxcsr;
    return SSE_EXCEPTION;
}

// Writes opd[0]: `bits` of it in a legacy scalar form, else the whole register.
static enum sse_outcome finish(struct sse_machine *m, const struct vector *result, unsigned bits)
{
    const struct x64_operand *to = &m->insn->opd[0];
    bool vector = to->kind == X64_OPD_XMM || to->kind == X64_OPD_YMM;
    unsigned bytes = !vector ? to->size : m->vex ? 32 : is_scalar(m) ? bits / 8 : 16;
    if (!settle(m)) {
        bool faults = to->kind == X64_OPD_MEM && m->io->may_write && !m->io->may_write(m->io->context, 0, bytes);
        return faults ? SSE_FAULT : except(m);
    }
    if (!m->io->write(m->io->context, 0, result->word, bytes))
        return SSE_FAULT;
    m->io->mxcsr = m->mxcsr;
    return SSE_DONE;
}

// ---- arithmetic

static enum sse_outcome run_binary(struct sse_machine *m)
{
    const struct sse_row *row = m->row;
    const struct soft_format *f = format(row->kind);
    unsigned bits = f->bits, half = 64 / bits, count = element_count(m, bits);
    struct vector a, b, result;
    if (!get(m, first_source(m), &a) || !get(m, first_source(m) + 1u, &b))
        return SSE_FAULT;
    result = a;
    for (unsigned i = 0; i < count; i++) {
        uint64_t x = element(&a, bits, i), y = element(&b, bits, i);
        if (row->flags & PAIRS) {
            const struct vector *from = i & half ? &b : &a;
            unsigned first = (i & ~(2 * half - 1)) + 2 * (i & (half - 1));
            x = element(from, bits, first);
            y = element(from, bits, first + 1);
        }
        soft_binary *function = row->flags & ALTERNATE && i & 1 ? soft_add : row->binary;
        set_element(&result, bits, i, function(&m->env, f, x, y));
    }
    return finish(m, &result, bits);
}

// Sources of instructions with one: element 0 of the last in scalar forms.
static bool get_single(struct sse_machine *m, struct vector *source, struct vector *result)
{
    *result = (struct vector){ 0 };
    if (!is_scalar(m) || !m->vex)
        return get(m, 1, source);
    return get(m, 1, result) && get(m, 2, source);
}

static enum sse_outcome run_unary(struct sse_machine *m)
{
    const struct soft_format *f = format(m->row->kind);
    struct vector source, result;
    if (!get_single(m, &source, &result))
        return SSE_FAULT;
    for (unsigned i = 0; i < element_count(m, f->bits); i++)
        set_element(&result, f->bits, i, m->row->unary(&m->env, f, element(&source, f->bits, i)));
    return finish(m, &result, f->bits);
}

static void use_immediate_rounding(struct sse_machine *m)
{
    if (!(immediate(m) & 4))
        m->env.rounding = immediate(m) & 3;
}

static enum sse_outcome run_round(struct sse_machine *m)
{
    use_immediate_rounding(m);
    if (immediate(m) & 8)
        m->env.masked |= FLOAT_PE;
    uint32_t before = m->io->mxcsr;
    enum sse_outcome outcome = run_unary(m);
    if (immediate(m) & 8)
        m->io->mxcsr &= ~(uint32_t)FLOAT_PE | before;
    return outcome;
}

static enum sse_outcome run_fused(struct sse_machine *m)
{
    static const uint8_t orders[][3] = { [ORDER_132] = { 0, 2, 1 }, [ORDER_213] = { 1, 0, 2 }, [ORDER_231] = { 1, 2, 0 } };
    const struct sse_row *row = m->row;
    const uint8_t *order = orders[row->order];
    const struct soft_format *f = format(row->kind);
    unsigned bits = f->bits;
    struct vector v[3], result;
    if (!get(m, 0, &v[0]) || !get(m, 1, &v[1]) || !get(m, 2, &v[2]))
        return SSE_FAULT;
    result = v[0];
    for (unsigned i = 0; i < element_count(m, bits); i++) {
        uint64_t x = element(&v[order[0]], bits, i), y = element(&v[order[1]], bits, i), z = element(&v[order[2]], bits, i);
        set_element(&result, bits, i, soft_fused(&m->env, f, x, y, z, i & 1 ? row->odd : row->even));
    }
    return finish(m, &result, bits);
}

// In each half of 128 bits: the products that the immediate names (the others are zero), their sum, and where it goes. Each of
// the steps is an instruction of its own as far as exceptions are concerned.
static enum sse_outcome run_dot(struct sse_machine *m)
{
    const struct soft_format *f = format(m->row->kind);
    unsigned bits = f->bits, per = 128 / bits, count = element_count(m, bits);
    struct vector a, b, sum = { 0 }, result = { 0 };
    if (!get(m, first_source(m), &a) || !get(m, first_source(m) + 1u, &b))
        return SSE_FAULT;
    for (unsigned i = 0; i < count; i++)
        if (immediate(m) >> (4 + i % per) & 1)
            set_element(&sum, bits, i, soft_multiply(&m->env, f, element(&a, bits, i), element(&b, bits, i)));
    for (unsigned n = 1; n < per; n *= 2) {
        if (!settle(m))
            return except(m);
        m->env.raised = 0;
        for (unsigned i = 0; i < count; i += 2 * n)
            set_element(&sum, bits, i, soft_add(&m->env, f, element(&sum, bits, i), element(&sum, bits, i + n)));
    }
    for (unsigned i = 0; i < count; i++)
        set_element(&result, bits, i, immediate(m) >> i % per & 1 ? element(&sum, bits, i - i % per) : 0);
    return finish(m, &result, bits);
}

// ---- comparison

static enum sse_outcome run_compare(struct sse_machine *m)
{
    const struct soft_format *f = format(m->row->kind);
    unsigned bits = f->bits, predicate = immediate(m) & (m->vex ? 31 : 7);
    struct vector a, b, result;
    if (!get(m, first_source(m), &a) || !get(m, first_source(m) + 1u, &b))
        return SSE_FAULT;
    result = a;
    for (unsigned i = 0; i < element_count(m, bits); i++) {
        bool holds = soft_predicate(&m->env, f, element(&a, bits, i), element(&b, bits, i), predicate);
        set_element(&result, bits, i, holds ? ~0ull : 0);
    }
    return finish(m, &result, bits);
}

static enum sse_outcome run_compare_flags(struct sse_machine *m)
{
    const struct soft_format *f = format(m->row->kind);
    struct vector a, b;
    if (!get(m, 0, &a) || !get(m, 1, &b))
        return SSE_FAULT;
    enum soft_relation relation = soft_compare(&m->env, f, element(&a, f->bits, 0), element(&b, f->bits, 0), m->row->flags & SIGNALLING);
    if (!settle(m))
        return except(m);
    m->io->mxcsr = m->mxcsr;
    m->io->eflags &= ~(uint32_t)X64_ARITH_FLAGS;
    if (relation & (SOFT_EQUAL | SOFT_UNORDERED))
        m->io->eflags |= X64_ZF;
    if (relation & (SOFT_LESS | SOFT_UNORDERED))
        m->io->eflags |= X64_CF;
    if (relation & SOFT_UNORDERED)
        m->io->eflags |= X64_PF;
    return SSE_DONE;
}

// ---- conversion

static unsigned kind_bits(const struct sse_machine *m, uint8_t kind, unsigned operand)
{
    return kind != INTEGER ? format(kind)->bits : is_scalar(m) ? m->insn->opd[operand].size * 8u : 32;
}

static enum sse_outcome run_convert(struct sse_machine *m)
{
    const struct sse_row *row = m->row;
    bool to_register = row->to == INTEGER && is_scalar(m);
    struct vector source, result = { 0 };
    if (to_register ? !get(m, 1, &source) : !get_single(m, &source, &result))
        return SSE_FAULT;
    unsigned from_bits = kind_bits(m, row->kind, is_scalar(m) && m->vex && !to_register ? 2 : 1), to_bits = kind_bits(m, row->to, 0);
    unsigned wider = from_bits > to_bits ? from_bits : to_bits;
    if (row->flags & TRUNCATE)
        m->env.rounding = ROUND_ZERO;
    if (row->flags & IMMEDIATE_ROUNDING)
        use_immediate_rounding(m);
    for (unsigned i = 0; i < element_count(m, wider); i++) {
        uint64_t x = element(&source, from_bits, i), y;
        if (row->kind == INTEGER)
            y = soft_from_integer(&m->env, format(row->to), from_bits == 32 ? (int32_t)x : (int64_t)x);
        else if (row->to == INTEGER)
            y = soft_to_integer(&m->env, format(row->kind), to_bits, x);
        else
            y = soft_convert(&m->env, format(row->kind), format(row->to), x);
        set_element(&result, to_bits, i, y);
    }
    return finish(m, &result, to_bits);
}

// ---- the rows

#define ROW(op, run_, kind_, flags_, ...) [X64_##op] = { .run = run_, .kind = kind_, .flags = flags_, __VA_ARGS__ },
#define BOTH(op, ...)       ROW(op, __VA_ARGS__) ROW(V##op, __VA_ARGS__)
#define TYPES(op, run, ...) BOTH(op##PS, run, SINGLE, 0, __VA_ARGS__) BOTH(op##SS, run, SINGLE, SCALAR, __VA_ARGS__) \
                            BOTH(op##PD, run, DOUBLE, 0, __VA_ARGS__) BOTH(op##SD, run, DOUBLE, SCALAR, __VA_ARGS__)
#define PAIR(op, run, flags, ...) BOTH(op##PS, run, SINGLE, flags, __VA_ARGS__) BOTH(op##PD, run, DOUBLE, flags, __VA_ARGS__)
#define SINGLES(op, ...)    BOTH(op##PS, run_unary, SINGLE, 0, __VA_ARGS__) BOTH(op##SS, run_unary, SINGLE, SCALAR, __VA_ARGS__)
#define FLAGS(op, flags)    BOTH(op##SS, run_compare_flags, SINGLE, SCALAR | flags, .to = NONE) \
                            BOTH(op##SD, run_compare_flags, DOUBLE, SCALAR | flags, .to = NONE)
#define CONVERT(op, from, to_, flags) BOTH(CVT##op, run_convert, from, flags, .to = to_)
#define FMA(name, order_, type, kind, flags, even_, odd_) \
    ROW(V##name##order_##type, run_fused, kind, flags, .order = ORDER_##order_, .even = even_, .odd = odd_)
#define FMA_ORDERS(name, type, kind, flags, even, odd) \
    FMA(name, 132, type, kind, flags, even, odd) FMA(name, 213, type, kind, flags, even, odd) FMA(name, 231, type, kind, flags, even, odd)
#define FMA_PACKED(name, even, odd) FMA_ORDERS(name, PS, SINGLE, 0, even, odd) FMA_ORDERS(name, PD, DOUBLE, 0, even, odd)
#define FMA_TYPES(name, negated) FMA_PACKED(name, negated, negated) \
    FMA_ORDERS(name, SS, SINGLE, SCALAR, negated, negated) FMA_ORDERS(name, SD, DOUBLE, SCALAR, negated, negated)

static const struct sse_row rows[X64_OP_COUNT] = {
    TYPES(ADD, run_binary, .binary = soft_add) TYPES(SUB, run_binary, .binary = soft_subtract)
    TYPES(MUL, run_binary, .binary = soft_multiply) TYPES(DIV, run_binary, .binary = soft_divide)
    TYPES(MIN, run_binary, .binary = soft_minimum) TYPES(MAX, run_binary, .binary = soft_maximum)
    PAIR(ADDSUB, run_binary, ALTERNATE, .binary = soft_subtract)
    PAIR(HADD, run_binary, PAIRS, .binary = soft_add) PAIR(HSUB, run_binary, PAIRS, .binary = soft_subtract)
    PAIR(DP, run_dot, 0, .to = NONE)
    TYPES(SQRT, run_unary, .unary = soft_root) TYPES(ROUND, run_round, .unary = soft_round_integer)
    SINGLES(RCP, .unary = soft_reciprocal) SINGLES(RSQRT, .unary = soft_reciprocal_root)
    TYPES(CMP, run_compare, .to = NONE) FLAGS(COMI, SIGNALLING) FLAGS(UCOMI, 0)
    CONVERT(PS2PD, SINGLE, DOUBLE, 0) CONVERT(PD2PS, DOUBLE, SINGLE, 0)
    CONVERT(SS2SD, SINGLE, DOUBLE, SCALAR) CONVERT(SD2SS, DOUBLE, SINGLE, SCALAR)
    CONVERT(DQ2PS, INTEGER, SINGLE, 0) CONVERT(PS2DQ, SINGLE, INTEGER, 0) CONVERT(TPS2DQ, SINGLE, INTEGER, TRUNCATE)
    CONVERT(DQ2PD, INTEGER, DOUBLE, 0) CONVERT(PD2DQ, DOUBLE, INTEGER, 0) CONVERT(TPD2DQ, DOUBLE, INTEGER, TRUNCATE)
    CONVERT(SI2SS, INTEGER, SINGLE, SCALAR) CONVERT(SI2SD, INTEGER, DOUBLE, SCALAR)
    CONVERT(SS2SI, SINGLE, INTEGER, SCALAR) CONVERT(TSS2SI, SINGLE, INTEGER, SCALAR | TRUNCATE)
    CONVERT(SD2SI, DOUBLE, INTEGER, SCALAR) CONVERT(TSD2SI, DOUBLE, INTEGER, SCALAR | TRUNCATE)
    ROW(VCVTPH2PS, run_convert, HALF, 0, .to = SINGLE) ROW(VCVTPS2PH, run_convert, SINGLE, IMMEDIATE_ROUNDING, .to = HALF)
    FMA_TYPES(FMADD, 0) FMA_TYPES(FMSUB, SOFT_NEGATE_ADDEND) FMA_TYPES(FNMADD, SOFT_NEGATE_PRODUCT)
    FMA_TYPES(FNMSUB, SOFT_NEGATE_PRODUCT | SOFT_NEGATE_ADDEND)
    FMA_PACKED(FMADDSUB, SOFT_NEGATE_ADDEND, 0) FMA_PACKED(FMSUBADD, 0, SOFT_NEGATE_ADDEND)
};

bool sse_knows(const struct x64_insn *insn)
{
    return insn->op < X64_OP_COUNT && rows[insn->op].run;
}

enum sse_outcome sse_execute(const struct x64_insn *insn, struct sse_io *io)
{
    if (!sse_knows(insn))
        return SSE_UNKNOWN;
    struct sse_machine m = { .insn = insn, .io = io, .row = &rows[insn->op], .mxcsr = io->mxcsr, .vex = insn->form & X64_F_VEX };
    m.env = (struct soft_env){ .rounding = io->mxcsr >> SSE_MXCSR_ROUNDING_SHIFT & 3, .masked = io->mxcsr >> SSE_MXCSR_MASKS_SHIFT & FLOAT_ALL,
                               .denormals_are_zero = io->mxcsr & SSE_MXCSR_DAZ };
    m.env.flush_to_zero = io->mxcsr & SSE_MXCSR_FTZ && m.env.masked & FLOAT_UE;
    return m.row->run(&m);
}
