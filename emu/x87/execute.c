// SPDX-License-Identifier: MIT
// One row an instruction, one function a shape of instruction.
#include "emu/x87/x87.h"

typedef struct float80 float_unary(struct float_env *env, struct float80 a);
typedef struct float80 float_binary(struct float_env *env, struct float80 a, struct float80 b);

enum row_flag {
    POP = 1, POP_TWICE = 2,
    REVERSE = 1 << 2,               // the operands change places
    INTEGER = 1 << 3,               // the memory operand is an integer
    QUIET = 1 << 4,                 // a quiet NaN is no invalid operand
    TRUNCATE = 1 << 5,
    ZERO = 1 << 6,                  // compares with zero
    NEAREST = 1 << 7,
    NO_WAIT = 1 << 8,               // does not ask for a pending exception
    CONTROL = 1 << 9,               // does not change the instruction and operand pointers
    POPS = POP | POP_TWICE,
};

struct x87_row {
    enum x87_outcome (*run)(struct x87_machine *m, const struct x87_row *row);
    float_unary *unary;
    float_binary *binary;
    uint16_t flags;                 // enum row_flag
    uint16_t value;                 // what the shape says
};

// ---- operands

static bool is_memory(const struct x64_operand *opd)
{
    return opd->kind == X64_OPD_MEM;
}

static enum x87_outcome read_memory(struct x87_machine *m, unsigned operand, bool integer, struct float80 *value)
{
    uint64_t bits = 0;
    unsigned bytes = m->insn->opd[operand].size;
    if (bytes == 10) {
        uint8_t image[10];
        if (!m->io->read(m->io->context, operand, image, 10))
            return X87_FAULT;
        for (unsigned i = 0; i < 8; i++)
            bits |= (uint64_t)image[i] << 8 * i;
        *value = (struct float80){ .significand = bits, .sign_exponent = (uint16_t)(image[8] | image[9] << 8) };
        return X87_DONE;
    }
    if (!m->io->read(m->io->context, operand, &bits, bytes))
        return X87_FAULT;
    if (!integer)
        *value = bytes == 4 ? float80_from_float32(&m->env, (uint32_t)bits) : float80_from_float64(&m->env, bits);
    else
        *value = float80_from_int64(bytes == 2 ? (int16_t)bits : bytes == 4 ? (int32_t)bits : (int64_t)bits);
    return X87_DONE;
}

static void pop_as(struct x87_machine *m, const struct x87_row *row)
{
    for (unsigned i = row->flags & POPS; i; i--)
        x87_pop(m);
}

// ---- arithmetic

// opd[0] = opd[0] op opd[1]; the destination is a register.
static enum x87_outcome run_binary(struct x87_machine *m, const struct x87_row *row)
{
    const struct x64_operand *opd = m->insn->opd;
    struct float80 a, b = float80_indefinite, result = float80_indefinite;
    bool empty = x87_empty(m, opd[0].reg);
    a = x87_get(m, opd[0].reg);
    if (is_memory(&opd[1])) {
        enum x87_outcome outcome = read_memory(m, 1, row->flags & INTEGER, &b);
        if (outcome != X87_DONE)
            return outcome;
    } else {
        empty |= x87_empty(m, opd[1].reg);
        b = x87_get(m, opd[1].reg);
    }
    if (empty)
        x87_underflow(m);
    else
        result = row->flags & REVERSE ? row->binary(&m->env, b, a) : row->binary(&m->env, a, b);
    if (!x87_settle(m))
        return X87_DONE;
    x87_put(m, opd[0].reg, result);
    pop_as(m, row);
    return X87_DONE;
}

// st0 = op(st0)
static enum x87_outcome run_unary(struct x87_machine *m, const struct x87_row *row)
{
    struct float80 result = float80_indefinite;
    if (x87_empty(m, 0))
        x87_underflow(m);
    else
        result = row->unary(&m->env, x87_get(m, 0));
    if (x87_settle(m))
        x87_put(m, 0, result);
    return X87_DONE;
}

// st0 = op(st0, st1); with POP: st1 = op(st1, st0) and pop
static enum x87_outcome run_stack(struct x87_machine *m, const struct x87_row *row)
{
    struct float80 result = float80_indefinite, a = x87_get(m, 0), b = x87_get(m, 1);
    if (x87_empty(m, 0) || x87_empty(m, 1))
        x87_underflow(m);
    else
        result = row->flags & POPS ? row->binary(&m->env, b, a) : row->binary(&m->env, a, b);
    if (!x87_settle(m))
        return X87_DONE;
    x87_put(m, row->flags & POPS ? 1 : 0, result);
    pop_as(m, row);
    return X87_DONE;
}

static struct float80 change_sign(struct float_env *env, struct float80 a)
{
    (void)env;
    a.sign_exponent ^= 0x8000;
    return a;
}

static struct float80 absolute(struct float_env *env, struct float80 a)
{
    (void)env;
    a.sign_exponent &= 0x7fff;
    return a;
}

static enum x87_outcome run_remainder(struct x87_machine *m, const struct x87_row *row)
{
    struct float80 result = float80_indefinite;
    uint64_t quotient = 0;
    enum float_reduction reduction = REDUCTION_NONE;
    if (x87_empty(m, 0) || x87_empty(m, 1))
        x87_underflow(m);
    else
        result = float80_remainder(&m->env, x87_get(m, 0), x87_get(m, 1), row->flags & NEAREST, &quotient, &reduction);
    bool settled = x87_settle(m);
    m->s.status &= (uint16_t)~(X87_C1 | X87_C2);
    if (!settled)
        return X87_DONE;
    x87_put(m, 0, result);
    if (reduction != REDUCTION_NONE)
        m->s.status &= (uint16_t)~(X87_C0 | X87_C3);
    if (reduction == REDUCTION_PARTIAL)
        m->s.status |= X87_C2;
    if (reduction == REDUCTION_DONE)
        m->s.status |= (uint16_t)((quotient & 4 ? X87_C0 : 0) | (quotient & 2 ? X87_C3 : 0) | (quotient & 1 ? X87_C1 : 0));
    return X87_DONE;
}

static enum x87_outcome run_extract(struct x87_machine *m, const struct x87_row *row)
{
    struct float80 exponent = float80_indefinite, significand = float80_indefinite;
    (void)row;
    if (x87_empty(m, 0))
        x87_underflow(m);
    else if (!x87_empty(m, 7))
        x87_overflow(m);
    else
        significand = float80_extract(&m->env, x87_get(m, 0), &exponent);
    if (x87_settle(m)) {
        x87_put(m, 0, exponent);
        x87_push(m, significand);
    }
    return X87_DONE;
}

enum trigonometric { SINE = 1, COSINE = 2, TANGENT = 4 };

static enum x87_outcome run_trigonometric(struct x87_machine *m, const struct x87_row *row)
{
    struct float80 sine = float80_indefinite, cosine = float80_indefinite, tangent = float80_indefinite;
    bool pushes = row->value == TANGENT || row->value == (SINE | COSINE), done = true;
    if (x87_empty(m, 0))
        x87_underflow(m);
    else if (pushes && !x87_empty(m, 7))
        x87_overflow(m);
    else
        done = float80_sin_cos(&m->env, x87_get(m, 0), row->value & SINE ? &sine : 0, row->value & COSINE ? &cosine : 0,
                               row->value & TANGENT ? &tangent : 0);
    bool settled = x87_settle(m);
    m->s.status = (uint16_t)((m->s.status & ~X87_C2) | (done ? 0 : X87_C2));
    if (!settled || !done)
        return X87_DONE;
    x87_put(m, 0, row->value & TANGENT ? tangent : row->value & SINE ? sine : cosine);
    if (row->value == TANGENT)
        x87_push(m, m->env.raised & FLOAT_SF || float80_is_nan(float80_unpack(tangent).class) ? tangent : float80_one);
    else if (pushes)
        x87_push(m, cosine);
    return X87_DONE;
}

// ---- comparison

static enum x87_outcome compare(struct x87_machine *m, const struct x87_row *row, enum float_relation *relation)
{
    const struct x64_operand *opd = m->insn->opd;
    unsigned other = m->insn->operand_count > 1 ? opd[1].reg : 1;
    struct float80 b = float80_zero(false);
    bool empty = x87_empty(m, 0);
    *relation = FLOAT_UNORDERED;
    if (m->insn->form & X64_F_MEM) {
        enum x87_outcome outcome = read_memory(m, 1, row->flags & INTEGER, &b);
        if (outcome != X87_DONE)
            return outcome;
    } else if (!(row->flags & ZERO)) {
        empty |= x87_empty(m, other);
        b = x87_get(m, other);
    }
    if (empty)
        x87_underflow(m);
    else
        *relation = float80_compare(&m->env, x87_get(m, 0), b, row->flags & QUIET);
    return X87_DONE;
}

static enum x87_outcome run_compare(struct x87_machine *m, const struct x87_row *row)
{
    static const uint16_t codes[] = { 0, X87_C0, X87_C3, X87_C0 | X87_C2 | X87_C3 };
    enum float_relation relation;
    enum x87_outcome outcome = compare(m, row, &relation);
    if (outcome != X87_DONE)
        return outcome;
    bool settled = x87_settle(m);
    m->s.status = (uint16_t)((m->s.status & ~(X87_C0 | X87_C2 | X87_C3)) | codes[relation]);
    if (settled)
        pop_as(m, row);
    return X87_DONE;
}

static enum x87_outcome run_compare_flags(struct x87_machine *m, const struct x87_row *row)
{
    static const uint32_t codes[] = { 0, X64_CF, X64_ZF, X64_ZF | X64_PF | X64_CF };
    enum float_relation relation;
    enum x87_outcome outcome = compare(m, row, &relation);
    if (outcome != X87_DONE)
        return outcome;
    bool settled = x87_settle(m);
    m->io->eflags = (m->io->eflags & ~(uint32_t)X64_ARITH_FLAGS) | codes[relation];
    if (settled)
        pop_as(m, row);
    return X87_DONE;
}

static enum x87_outcome run_examine(struct x87_machine *m, const struct x87_row *row)
{
    static const uint16_t codes[] = {
        [FLOAT_ZERO] = X87_C3, [FLOAT_DENORMAL] = X87_C3 | X87_C2, [FLOAT_NORMAL] = X87_C2, [FLOAT_INFINITY] = X87_C2 | X87_C0,
        [FLOAT_QNAN] = X87_C0, [FLOAT_SNAN] = X87_C0, [FLOAT_UNSUPPORTED] = 0,
    };
    (void)row;
    struct float80 a = x87_get(m, 0);
    unsigned code = x87_empty(m, 0) ? X87_C3 | X87_C0 : codes[float80_unpack(a).class];
    m->s.status = (uint16_t)((m->s.status & ~X87_CONDITIONS) | code | (a.sign_exponent >> 15 ? X87_C1 : 0));
    return X87_DONE;
}

// ---- loads and stores

// Of the exceptions before a result, a load stops only for IE.
static enum x87_outcome push_value(struct x87_machine *m, struct float80 value)
{
    if (!x87_empty(m, 7) && !(m->env.raised & FLOAT_SF)) {
        m->env.raised = 0;
        x87_overflow(m);
        value = float80_indefinite;
    }
    bool stop = m->env.raised & ~m->s.control & FLOAT_IE;
    x87_settle(m);
    if (!stop)
        x87_push(m, value);
    return X87_DONE;
}

static enum x87_outcome run_load(struct x87_machine *m, const struct x87_row *row)
{
    const struct x64_operand *opd = &m->insn->opd[0];
    struct float80 value = float80_indefinite, special;
    if (!is_memory(opd)) {
        if (x87_empty(m, opd->reg))
            x87_underflow(m);
        else
            value = x87_get(m, opd->reg);
        return push_value(m, value);
    }
    enum x87_outcome outcome = read_memory(m, 0, row->flags & INTEGER, &value);
    if (outcome != X87_DONE)
        return outcome;
    if (opd->size < 10 && float80_special(&m->env, value, &special))
        value = special;
    return push_value(m, value);
}

static enum x87_outcome run_load_bcd(struct x87_machine *m, const struct x87_row *row)
{
    uint8_t bytes[10];
    (void)row;
    if (!m->io->read(m->io->context, 0, bytes, sizeof bytes))
        return X87_FAULT;
    return push_value(m, float80_from_bcd(bytes));
}

// value: index. The first significand is rounded to nearest; the second is the one below it in magnitude, or above for log2(10).
enum constant { CONST_1, CONST_L2T, CONST_L2E, CONST_PI, CONST_LG2, CONST_LN2, CONST_Z };

static enum x87_outcome run_load_constant(struct x87_machine *m, const struct x87_row *row)
{
    static const struct { uint16_t exponent; uint64_t down, nearest, up; } constants[] = {
        [CONST_1] = { 0x3fff, 0x8000000000000000, 0x8000000000000000, 0x8000000000000000 },
        [CONST_L2T] = { 0x4000, 0xd49a784bcd1b8afe, 0xd49a784bcd1b8afe, 0xd49a784bcd1b8aff },
        [CONST_L2E] = { 0x3fff, 0xb8aa3b295c17f0bb, 0xb8aa3b295c17f0bc, 0xb8aa3b295c17f0bc },
        [CONST_PI] = { 0x4000, 0xc90fdaa22168c234, 0xc90fdaa22168c235, 0xc90fdaa22168c235 },
        [CONST_LG2] = { 0x3ffd, 0x9a209a84fbcff798, 0x9a209a84fbcff799, 0x9a209a84fbcff799 },
        [CONST_LN2] = { 0x3ffe, 0xb17217f7d1cf79ab, 0xb17217f7d1cf79ac, 0xb17217f7d1cf79ac },
        [CONST_Z] = { 0, 0, 0, 0 },
    };
    unsigned mode = m->env.rounding;
    uint64_t significand = mode == ROUND_NEAREST ? constants[row->value].nearest
                           : mode == ROUND_UP ? constants[row->value].up : constants[row->value].down;
    return push_value(m, float80_pack(false, constants[row->value].exponent, significand));
}

// Ends a store to memory: `image` of the operand's size, unless an unmasked exception forbids it.
static enum x87_outcome store_image(struct x87_machine *m, const struct x87_row *row, const void *image)
{
    unsigned lost = m->env.raised & ~m->s.control & (FLOAT_OE | FLOAT_UE);
    if (lost) {                             // found before the store: nothing is rounded (SDM vol. 1, 8.5.4)
        m->env.raised &= (uint8_t)~FLOAT_PE;
        m->env.up = false;
    }
    if (!x87_settle(m) || lost)
        return X87_DONE;
    if (!m->io->write(m->io->context, 0, image, m->insn->opd[0].size))
        return X87_FAULT;
    pop_as(m, row);
    return X87_DONE;
}

enum { FSTP1 = 0x1d8, FSTP1_MASK = 0x7f8 };     // D9 D8+i

static enum x87_outcome run_store(struct x87_machine *m, const struct x87_row *row)
{
    const struct x64_operand *opd = &m->insn->opd[0];
    struct float80 value = x87_get(m, 0);
    if (x87_empty(m, 0) && (m->io->opcode & FSTP1_MASK) == FSTP1) {
        m->s.status &= (uint16_t)~X87_C1;   // this alias knows no stack fault: it pops, and that is all
        x87_pop(m);
        return X87_DONE;
    }
    if (x87_empty(m, 0)) {
        x87_underflow(m);
        value = float80_indefinite;
    }
    if (!is_memory(opd)) {
        if (x87_settle(m)) {
            x87_put(m, opd->reg, value);
            pop_as(m, row);
        }
        return X87_DONE;
    }
    uint8_t image[10];
    uint64_t bits = value.significand;
    if (opd->size == 4)
        bits = float80_to_float32(&m->env, value);
    else if (opd->size == 8)
        bits = float80_to_float64(&m->env, value);
    for (unsigned i = 0; i < 8; i++)
        image[i] = (uint8_t)(bits >> 8 * i);
    image[8] = (uint8_t)value.sign_exponent;
    image[9] = (uint8_t)(value.sign_exponent >> 8);
    return store_image(m, row, image);
}

static enum x87_outcome run_store_integer(struct x87_machine *m, const struct x87_row *row)
{
    unsigned bytes = m->insn->opd[0].size;
    uint64_t value = 1ull << (bytes * 8 - 1);
    if (x87_empty(m, 0))
        x87_underflow(m);
    else
        value = float80_to_integer(&m->env, x87_get(m, 0), bytes, row->flags & TRUNCATE);
    return store_image(m, row, &value);
}

static enum x87_outcome run_store_bcd(struct x87_machine *m, const struct x87_row *row)
{
    uint8_t bytes[10];
    float80_to_bcd(&m->env, x87_empty(m, 0) ? float80_indefinite : x87_get(m, 0), bytes);
    if (x87_empty(m, 0))
        x87_underflow(m);
    return store_image(m, row, bytes);
}

// ---- moves inside the stack

static enum x87_outcome run_exchange(struct x87_machine *m, const struct x87_row *row)
{
    unsigned other = m->insn->opd[1].reg;
    struct float80 a = x87_get(m, 0), b = x87_get(m, other);
    (void)row;
    if (x87_empty(m, 0) || x87_empty(m, other)) {
        x87_underflow(m);
        a = x87_empty(m, 0) ? float80_indefinite : a;
        b = x87_empty(m, other) ? float80_indefinite : b;
    }
    if (x87_settle(m)) {
        x87_put(m, 0, b);
        x87_put(m, other, a);
    }
    return X87_DONE;
}

static bool condition(uint32_t eflags, unsigned cond)
{
    static const uint16_t masks[] = { X64_OF, X64_CF, X64_ZF, X64_CF | X64_ZF, X64_SF, X64_PF };
    return ((eflags & masks[cond >> 1]) != 0) != (cond & 1);
}

static enum x87_outcome run_conditional_move(struct x87_machine *m, const struct x87_row *row)
{
    unsigned from = m->insn->opd[1].reg;
    bool moves = condition(m->io->eflags, m->insn->cond);
    struct float80 value = x87_get(m, from);
    (void)row;
    if (x87_empty(m, 0) || x87_empty(m, from)) {
        x87_underflow(m);
        value = float80_indefinite;
        moves = true;
    }
    unsigned c1 = m->env.raised ? 0 : m->s.status & X87_C1;
    bool settled = x87_settle(m);
    m->s.status |= (uint16_t)c1;            // stays as it was
    if (settled && moves)
        x87_put(m, 0, value);
    return X87_DONE;
}

static enum x87_outcome run_free(struct x87_machine *m, const struct x87_row *row)
{
    x87_free(m, m->insn->opd[0].reg);
    m->s.status &= (uint16_t)~X87_C1;
    pop_as(m, row);
    return X87_DONE;
}

static enum x87_outcome run_move_top(struct x87_machine *m, const struct x87_row *row)
{
    x87_set_top(&m->s, x87_top(&m->s) + row->value);
    m->s.status &= (uint16_t)~X87_C1;
    return X87_DONE;
}

// ---- control

static enum x87_outcome run_nothing(struct x87_machine *m, const struct x87_row *row)
{
    (void)m, (void)row;
    return X87_DONE;
}

static enum x87_outcome run_initialize(struct x87_machine *m, const struct x87_row *row)
{
    (void)row;
    m->s.control = 0x37f;
    m->s.status = m->s.valid = m->s.opcode = 0;
    m->s.ip = m->s.dp = 0;
    return X87_DONE;
}

static enum x87_outcome run_clear(struct x87_machine *m, const struct x87_row *row)
{
    (void)row;
    m->s.status &= (uint16_t)~(FLOAT_ALL | FLOAT_SF | X87_ES | X87_BUSY);
    return X87_DONE;
}

static enum x87_outcome run_load_control(struct x87_machine *m, const struct x87_row *row)
{
    uint16_t word;
    (void)row;
    if (!m->io->read(m->io->context, 0, &word, 2))
        return X87_FAULT;
    m->s.control = x87_control_word(word);
    x87_summarize(&m->s);
    return X87_DONE;
}

static enum x87_outcome run_store_control(struct x87_machine *m, const struct x87_row *row)
{
    (void)row;
    return m->io->write(m->io->context, 0, &m->s.control, 2) ? X87_DONE : X87_FAULT;
}

static enum x87_outcome run_store_status(struct x87_machine *m, const struct x87_row *row)
{
    (void)row;
    return m->io->write(m->io->context, 0, &m->s.status, 2) ? X87_DONE : X87_FAULT;
}

static enum x87_outcome run_image(struct x87_machine *m, const struct x87_row *row)
{
    static enum x87_outcome (*const functions[])(struct x87_machine *) =
        { x87_store_environment, x87_load_environment, x87_save, x87_restore };
    return functions[row->value](m);
}

// ---- the rows

#define BINARY(op, function, ...)  [X64_##op - X64_FADD] = { run_binary, .binary = function, .flags = 0 __VA_ARGS__ },
#define FAMILY(name, function, reverse) \
    BINARY(F##name, function, | reverse) BINARY(F##name##P, function, | reverse | POP) BINARY(FI##name, function, | reverse | INTEGER)
#define UNARY(op, function)        [X64_##op - X64_FADD] = { run_unary, .unary = function },
#define STACK(op, function, ...)   [X64_##op - X64_FADD] = { run_stack, .binary = function, .flags = 0 __VA_ARGS__ },
#define ROW(op, function, flags_, value_) [X64_##op - X64_FADD] = { run_##function, .flags = flags_, .value = value_ },

static const struct x87_row rows[X64_FWAIT - X64_FADD + 1] = {
    FAMILY(ADD, float80_add, 0) FAMILY(MUL, float80_mul, 0)
    FAMILY(SUB, float80_sub, 0) FAMILY(SUBR, float80_sub, REVERSE) FAMILY(DIV, float80_div, 0) FAMILY(DIVR, float80_div, REVERSE)
    UNARY(FSQRT, float80_sqrt) UNARY(FRNDINT, float80_round_integer) UNARY(F2XM1, float80_exp2m1)
    UNARY(FCHS, change_sign) UNARY(FABS, absolute)
    STACK(FSCALE, float80_scale) STACK(FPATAN, float80_atan, | POP) STACK(FYL2X, float80_ylog2x, | POP)
    STACK(FYL2XP1, float80_ylog2xp1, | POP)
    ROW(FPREM, remainder, 0, 0) ROW(FPREM1, remainder, NEAREST, 0) ROW(FXTRACT, extract, 0, 0)
    ROW(FSIN, trigonometric, 0, SINE) ROW(FCOS, trigonometric, 0, COSINE) ROW(FSINCOS, trigonometric, 0, SINE | COSINE)
    ROW(FPTAN, trigonometric, 0, TANGENT)
    ROW(FCOM, compare, 0, 0) ROW(FCOMP, compare, POP, 0) ROW(FCOMPP, compare, POP_TWICE, 0) ROW(FICOM, compare, INTEGER, 0)
    ROW(FICOMP, compare, INTEGER | POP, 0) ROW(FUCOM, compare, QUIET, 0) ROW(FUCOMP, compare, QUIET | POP, 0)
    ROW(FUCOMPP, compare, QUIET | POP_TWICE, 0) ROW(FTST, compare, ZERO, 0) ROW(FXAM, examine, 0, 0)
    ROW(FCOMI, compare_flags, 0, 0) ROW(FCOMIP, compare_flags, POP, 0) ROW(FUCOMI, compare_flags, QUIET, 0)
    ROW(FUCOMIP, compare_flags, QUIET | POP, 0)
    ROW(FLD, load, 0, 0) ROW(FILD, load, INTEGER, 0) ROW(FBLD, load_bcd, 0, 0)
    ROW(FST, store, 0, 0) ROW(FSTP, store, POP, 0) ROW(FIST, store_integer, 0, 0) ROW(FISTP, store_integer, POP, 0)
    ROW(FISTTP, store_integer, POP | TRUNCATE, 0) ROW(FBSTP, store_bcd, POP, 0)
    ROW(FLD1, load_constant, 0, CONST_1) ROW(FLDL2T, load_constant, 0, CONST_L2T) ROW(FLDL2E, load_constant, 0, CONST_L2E)
    ROW(FLDPI, load_constant, 0, CONST_PI) ROW(FLDLG2, load_constant, 0, CONST_LG2) ROW(FLDLN2, load_constant, 0, CONST_LN2)
    ROW(FLDZ, load_constant, 0, CONST_Z)
    ROW(FXCH, exchange, 0, 0) ROW(FCMOVCC, conditional_move, 0, 0) ROW(FFREE, free, 0, 0) ROW(FFREEP, free, POP, 0)
    ROW(FINCSTP, move_top, 0, 1) ROW(FDECSTP, move_top, 0, 7) ROW(FNOP, nothing, 0, 0) ROW(FWAIT, nothing, CONTROL, 0)
    ROW(FNENI, nothing, NO_WAIT | CONTROL, 0) ROW(FNDISI, nothing, NO_WAIT | CONTROL, 0) ROW(FNSETPM, nothing, NO_WAIT | CONTROL, 0)
    ROW(FNINIT, initialize, NO_WAIT | CONTROL, 0) ROW(FNCLEX, clear, NO_WAIT | CONTROL, 0) ROW(FLDCW, load_control, CONTROL, 0)
    ROW(FNSTCW, store_control, NO_WAIT | CONTROL, 0) ROW(FNSTSW, store_status, NO_WAIT | CONTROL, 0)
    ROW(FNSTENV, image, NO_WAIT | CONTROL, 0) ROW(FLDENV, image, CONTROL, 1) ROW(FNSAVE, image, NO_WAIT | CONTROL, 2)
    ROW(FRSTOR, image, CONTROL, 3)
};

static const struct x87_row *find_row(const struct x64_insn *insn)
{
    const struct x87_row *row = insn->op >= X64_FADD && insn->op <= X64_FWAIT ? &rows[insn->op - X64_FADD] : 0;
    return row && row->run ? row : 0;
}

bool x87_knows(const struct x64_insn *insn)
{
    return find_row(insn) || mmx_knows(insn);
}

enum x87_outcome x87_execute(struct x87_state *state, const struct x64_insn *insn, struct x87_io *io)
{
    unsigned control = state->control, pc = control >> 8 & 3;
    struct x87_machine m = { .s = *state, .insn = insn, .io = io };
    m.env = (struct float_env){ .rounding = control >> 10 & 3, .precision = pc == 0 ? 24 : pc == 2 ? 53 : 64,
                                .masked = control & FLOAT_ALL };
    uint32_t eflags = io->eflags;
    const struct x87_row *row = find_row(insn);
    if (!row && !mmx_knows(insn))
        return X87_UNKNOWN;
    // CVTPI2PS and CVTPI2PD of memory have nothing to do with the MMX registers: the processor does not ask either.
    bool waits = row ? !(row->flags & NO_WAIT) : !(insn->form & X64_F_MEM && insn->opd[0].kind == X64_OPD_XMM);
    if (state->status & X87_ES && waits)
        return X87_PENDING;
    if (row && !(row->flags & CONTROL)) {
        m.s.ip = insn->rip;
        m.s.opcode = io->opcode;
        if (insn->form & X64_F_MEM)
            m.s.dp = io->address;
    }
    enum x87_outcome outcome = row ? row->run(&m, row) : mmx_run(&m);
    if (outcome == X87_DONE || outcome == X87_SIMD)
        *state = m.s;
    else
        io->eflags = eflags;
    return outcome;
}
