// SPDX-License-Identifier: MIT
// SSE, AVX, FMA and F16C floating point executed in C, compared with this machine's processor where that is an x64: registers, MXCSR
// and rflags, in every form that the decoder knows, with every rounding, DAZ, FTZ, and exceptions that are not masked (SIGFPE).
// Usage: sse_test [COUNT [NAME]]: cases a form (2000), only forms whose text contains NAME.
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "emu/sse/sse.h"
#include "emu/sse/soft.h"
#include "emu/x87/x87.h"

static unsigned passed, failed;

#if defined __x86_64__
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

// ---- random operands

static uint64_t seed = 88172645463325252ull;

static uint64_t next(void)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return seed * 0x9e3779b97f4a7c15ull ^ seed >> 32;
}

static unsigned below(unsigned n) { return (unsigned)((next() >> 32) * n >> 32); }

static uint64_t make(const struct soft_format *f, bool sign, int exponent, uint64_t fraction)
{
    int top = 2 * f->bias + 1;
    exponent = exponent < 0 ? 0 : exponent > top ? top : exponent;
    return soft_zero(f, sign) | (uint64_t)exponent << f->fraction | (fraction & ((1ull << f->fraction) - 1));
}

// Few bits, in one place or two: ties and carries. Or any.
static uint64_t fraction(const struct soft_format *f)
{
    uint64_t any = next();
    switch (any >> 60) {
    case 0: case 1: case 2: case 3: return ~0ull << below(f->fraction + 1u) ^ 1ull << below(f->fraction);
    case 4: case 5:                 return ~0ull << below(f->fraction + 1u);
    case 6:                         return 1ull << below(f->fraction);
    case 7: case 8:                 return any & (7ull << (f->fraction - 3));
    case 9:                         return below(3) - 1ull;
    default:                        return any;
    }
}

// Exponents where something happens in this format or in one that it is converted to.
static int exponent(const struct soft_format *f)
{
    static const int16_t edges[] = { 0, -1, 1, 22, 23, 24, 30, 31, 32, 51, 52, 53, 62, 63, 64, -14, -15, -24, -25, 15, 16,
                                     -126, -127, -149, -150, -151, 127, 128, -1022, -1074, 1023 };
    switch (below(8)) {
    case 0: case 1: return f->bias + edges[below(sizeof edges / sizeof *edges)];
    case 2: case 3: return f->bias - 3 + (int)below(7);
    case 4:         return f->bias - 70 + (int)below(140);
    case 5:         return 1 + (int)below(f->fraction + 4u);
    case 6:         return 2 * f->bias - (int)below(f->fraction + 4u);
    default:        return (int)below(2u * (unsigned)f->bias + 2);
    }
}

static uint64_t value(const struct soft_format *f)
{
    bool sign = next() & 1;
    unsigned kind = below(64);
    if (kind < 3)
        return make(f, sign, 0, 0);
    if (kind < 8)
        return make(f, sign, 0, fraction(f));
    if (kind == 8)
        return make(f, sign, 2 * f->bias + 1, 0);
    if (kind == 9)
        return make(f, sign, 2 * f->bias + 1, fraction(f));
    if (kind == 10)
        return make(f, sign, 2 * f->bias + 1, fraction(f) | 1ull << (f->fraction - 1));
    if (kind == 11)
        return make(f, sign, below(2) ? 1 : 2 * f->bias, below(2) ? 0 : ~0ull);
    return make(f, sign, exponent(f), fraction(f));
}

static uint64_t near_integer_limit(const struct soft_format *f)
{
    static const double limits[] = { 0, 1, 2147483648.0, 4294967296.0, 9223372036854775808.0, 18446744073709551616.0, 4503599627370496.0,
                                     8388608.0, 65504.0, 65520.0, 3.4028234663852886e38, 3.4028235677973366e38 };
    static const double steps[] = { 0, 0.5, 1, 1.5, 0.25, 0.75, 0.499999999999, 1e-300 };
    double d = limits[below(12)] + steps[below(8)] * (below(2) ? 1 : -1);
    float s;
    uint64_t bits;
    d = below(2) ? d : -d;
    s = (float)d;
    if (f->bits == 32) {
        uint32_t word;
        memcpy(&word, &s, 4);
        return (word + below(3) - 1) & 0xffffffff;
    }
    memcpy(&bits, &d, 8);
    return bits + below(3) - 1;
}

static int exponent_of(const struct soft_format *f, uint64_t a) { return (int)(a >> f->fraction) & (2 * f->bias + 1); }

// The processor's own x * y or x / y, rounded as it likes: near what the instruction computes.
static uint64_t native(const struct soft_format *f, char operation, uint64_t x, uint64_t y)
{
    if (f->bits == 32) {
        float a, b;
        uint32_t u = (uint32_t)x, v = (uint32_t)y;
        memcpy(&a, &u, 4), memcpy(&b, &v, 4);
        a = operation == '*' ? a * b : operation == '/' ? a / b : a + b;
        memcpy(&u, &a, 4);
        return u;
    }
    double a, b;
    memcpy(&a, &x, 8), memcpy(&b, &y, 8);
    a = operation == '*' ? a * b : operation == '/' ? a / b : a + b;
    memcpy(&x, &a, 8);
    return x;
}

// Three values that have to do with one another.
static void values(const struct soft_format *f, uint64_t v[3])
{
    int bias = f->bias, e, target = below(3) ? 1 - (int)below(f->fraction + 3u) : below(2) ? 2 * bias + (int)below(3) : bias;
    for (unsigned i = 0; i < 3; i++)
        v[i] = value(f);
    if (f->bits == 16)
        return;
    e = exponent_of(f, v[0]);
    switch (below(12)) {
    case 0:                                             // nearly the same
        v[1] = v[0] + below(5) - 2;
        v[1] ^= soft_zero(f, below(2));
        break;
    case 1:                                             // halves of a unit in the last place
        v[1] = make(f, next() & 1, e - (int)f->fraction - 2 + (int)below(4), fraction(f));
        break;
    case 2:                                             // a product at the border
        v[1] = make(f, next() & 1, target - e + bias, fraction(f));
        break;
    case 3:                                             // a quotient at the border
        v[1] = make(f, next() & 1, e - target + bias, fraction(f));
        break;
    case 4:                                             // an exact quotient, a square
        v[2] = below(2) ? v[1] : v[0];
        v[0] = native(f, '*', v[0], v[1]);
        break;
    case 5:
        v[0] = native(f, '/', v[0], v[1]);
        break;
    case 6:
        v[0] = near_integer_limit(f);
        v[1] = near_integer_limit(f);
        v[2] = near_integer_limit(f);
        break;
    case 7: case 8:                                     // cancels the product, almost
        if (below(2))
            v[1] = make(f, next() & 1, target - e + bias, fraction(f));
        v[2] = native(f, '*', v[0], v[1]) + (below(2) ? 0 : below(5) - 2);
        v[2] ^= soft_zero(f, below(4) != 0);
        return;
    case 9:                                             // of the size of the product, or far from it
        v[2] = make(f, next() & 1, e + exponent_of(f, v[1]) - bias + (int)below(5u * f->fraction) - (int)(5 * f->fraction / 2), fraction(f));
        return;
    case 10:                                            // sums at the border
        v[0] = make(f, next() & 1, (int)below(4), fraction(f));
        v[1] = make(f, next() & 1, (int)below(4), fraction(f));
        v[2] = make(f, next() & 1, 2 * bias - (int)below(2), fraction(f));
        break;
    }
    for (unsigned i = 0; i < 3; i++)
        v[i] &= ~0ull >> (64 - f->bits);
    if (below(2))
        v[2] = v[0];
}

static uint64_t integer(void)
{
    switch (below(4)) {
    case 0:  return (1ull << below(64)) + below(5) - 2;
    case 1:  return next() >> below(64) << below(8);
    case 2:  return (uint64_t)(int64_t)(int32_t)next() << below(32);
    default: return next();
    }
}

static uint32_t random_mxcsr(void)
{
    uint32_t mxcsr = (uint32_t)next() & 0xe07f;         // flags, DAZ, rounding, FTZ
    if (below(2))
        mxcsr &= 0x603fu;
    if (below(2))
        mxcsr &= ~0x3fu;
    if (below(3))
        return mxcsr | 0x1f80;
    return below(2) ? mxcsr | ((uint32_t)next() & 0x1f80) : mxcsr | (0x1f80 & ~(0x80u << below(6)));
}

// ---- both ways to run

struct state {
    uint64_t ymm[4][4];             // ymm1 to ymm3 are used
    uint64_t memory[4];             // at rsi
    uint64_t rbx, rcx, rflags;
    uint32_t mxcsr;
    uint32_t excepted;
    struct x87_state x87;           // of conversions with MMX registers
};

struct form {
    struct x64_insn insn;
    uint8_t code[16];
    char text[96];
    const struct soft_format *source;       // null: integers
    bool estimate, pairs, has_immediate, mmx;
};

static uint8_t *page;               // 256 copies of the instruction, one for each immediate, and a RET behind each
static const uint8_t *expected_rip;
static unsigned code_length;
static volatile sig_atomic_t excepted;

static void on_sigfpe(int number, siginfo_t *info, void *frame)
{
    ucontext_t *context = frame;
    greg_t *rip = &context->uc_mcontext.gregs[REG_RIP];
    (void)number, (void)info;
    if ((uintptr_t)*rip != (uintptr_t)expected_rip)
        abort();
    excepted = 1;
    *rip += code_length;
}

__attribute__((noinline)) static void run_native(struct state *s, const uint8_t *code)
{
    static const uint32_t usual = 0x1f80;
    excepted = 0;
    expected_rip = code;
    __asm__ volatile(
        "lea -128(%%rsp), %%rsp\n\t"
        "vmovups 32(%[s]), %%ymm1\n\tvmovups 64(%[s]), %%ymm2\n\tvmovups 96(%[s]), %%ymm3\n\t"
        "lea 128(%[s]), %%rsi\n\tmov 160(%[s]), %%rbx\n\tmov 168(%[s]), %%rcx\n\t"
        "push 176(%[s])\n\tpopf\n\tldmxcsr 184(%[s])\n\t"
        "call *%[code]\n\t"
        "stmxcsr 184(%[s])\n\tpushf\n\tpop 176(%[s])\n\tldmxcsr %[usual]\n\t"
        "mov %%rbx, 160(%[s])\n\tmov %%rcx, 168(%[s])\n\t"
        "vmovups %%ymm1, 32(%[s])\n\tvmovups %%ymm2, 64(%[s])\n\tvmovups %%ymm3, 96(%[s])\n\tvzeroupper\n\t"
        "lea 128(%%rsp), %%rsp"
        : : [s] "r"(s), [code] "r"(code), [usual] "m"(usual)
        : "rbx", "rcx", "rsi", "memory", "cc", "xmm1", "xmm2", "xmm3");
    s->excepted = (uint32_t)excepted;
}

static void run_native_mmx(struct state *s, const uint8_t *code)
{
    _Alignas(16) uint8_t image[512] = { 0 };
    x87_put_fx_image(&s->x87, image, true);
    memcpy(image + 24, &(uint32_t){ 0x1f80 }, 4);
    __asm__ volatile("fxrstor64 %0" : : "m"(image));
    run_native(s, code);
    __asm__ volatile("fxsave64 %0\n\tfninit" : "=m"(image));
    x87_get_fx_image(&s->x87, image, true);
    s->x87.ip = s->x87.dp = 0;
}

struct machine { struct state s; const struct form *form; };

static void *place(struct machine *m, unsigned operand, unsigned bytes)
{
    const struct x64_operand *opd = &m->form->insn.opd[operand];
    if (opd->kind == X64_OPD_MEM && bytes == opd->size)
        return m->s.memory;
    if ((opd->kind == X64_OPD_XMM || opd->kind == X64_OPD_YMM) && opd->reg >= 1 && opd->reg <= 3 && bytes <= 32)
        return m->s.ymm[opd->reg];
    if (opd->kind == X64_OPD_GPR && bytes == opd->size)
        return opd->reg == X64_RBX ? &m->s.rbx : opd->reg == X64_RCX ? &m->s.rcx : 0;
    abort();
}

static bool io_read(void *context, unsigned operand, void *to, unsigned bytes)
{
    memcpy(to, place(context, operand, bytes), bytes);
    return true;
}

static bool io_write(void *context, unsigned operand, const void *from, unsigned bytes)
{
    struct machine *m = context;
    void *to = place(m, operand, bytes);
    memcpy(to, from, bytes);
    if (to == &m->s.rcx && bytes == 4)
        m->s.rcx = (uint32_t)m->s.rcx;
    return true;
}

static enum sse_outcome run_x87(struct machine *m)
{
    struct x87_io io = { m, io_read, io_write, 0x1000, 0, (uint32_t)m->s.rflags, m->s.mxcsr };
    enum x87_outcome outcome = x87_execute(&m->s.x87, &m->form->insn, &io);
    m->s.x87.ip = m->s.x87.dp = 0;
    m->s.mxcsr = io.mxcsr;
    m->s.excepted = outcome == X87_SIMD;
    return outcome == X87_DONE ? SSE_DONE : outcome == X87_SIMD ? SSE_EXCEPTION : SSE_UNKNOWN;
}

static enum sse_outcome run_here(struct machine *m)
{
    if (m->form->mmx)
        return run_x87(m);
    struct sse_io io = { m, io_read, io_write, m->s.mxcsr, (uint32_t)m->s.rflags, 0 };
    enum sse_outcome outcome = sse_execute(&m->form->insn, &io);
    m->s.mxcsr = io.mxcsr;
    m->s.rflags = io.eflags;
    m->s.excepted = outcome == SSE_EXCEPTION;
    return outcome;
}

// ---- comparison

// Processors' estimates have an error of 1.5 * 2^-12 at most; zeros, infinities and NaNs are exact.
static bool near(uint32_t x, uint32_t y)
{
    float a, b;
    if (x == y)
        return true;
    memcpy(&a, &x, 4), memcpy(&b, &y, 4);
    if (exponent_of(&soft_single, y) <= 1 && !(x << 1))                 // either side may find a result at the border too small
        return true;
    if (exponent_of(&soft_single, x) == 0xff || exponent_of(&soft_single, y) == 0xff)
        return false;
    float difference = a > b ? a - b : b - a, size = b < 0 ? -b : b;
    return difference <= size * 0x1.8p-12f;
}

static bool same(const struct form *form, const struct state *a, const struct state *b)
{
    if (a->excepted != b->excepted || a->mxcsr != b->mxcsr || a->rbx != b->rbx || a->rcx != b->rcx || memcmp(a->memory, b->memory, 32))
        return false;
    if ((a->rflags ^ b->rflags) & X64_ALL_FLAGS || (form->mmx && memcmp(&a->x87, &b->x87, sizeof a->x87)))
        return false;
    if (!form->estimate)
        return !memcmp(&a->ymm[1], &b->ymm[1], 96);
    for (unsigned i = 0; i < 8; i++)
        if (!near((uint32_t)(a->ymm[1][i / 2] >> i % 2 * 32), (uint32_t)(b->ymm[1][i / 2] >> i % 2 * 32)))
            return false;
    return true;
}

static void show(const char *title, const struct state *s)
{
    printf("  %-9s mxcsr %04x%s flags %03x rbx %016" PRIx64 " rcx %016" PRIx64 "\n", title, s->mxcsr, s->excepted ? " EXCEPTION" : "",
           (unsigned)s->rflags & X64_ALL_FLAGS, s->rbx, s->rcx);
    for (unsigned i = 1; i < 4; i++)
        printf("            ymm%u %016" PRIx64 " %016" PRIx64 " %016" PRIx64 " %016" PRIx64 "\n", i, s->ymm[i][3], s->ymm[i][2], s->ymm[i][1], s->ymm[i][0]);
    printf("            mem  %016" PRIx64 " %016" PRIx64 " %016" PRIx64 " %016" PRIx64 "\n", s->memory[3], s->memory[2], s->memory[1], s->memory[0]);
    printf("            mm1  %016" PRIx64 " mm3 %016" PRIx64 " x87 %04x %04x %02x\n", s->x87.reg[1].significand, s->x87.reg[3].significand,
           s->x87.control, s->x87.status, s->x87.valid);
}

static void fill(const struct form *form, struct state *s)
{
    const struct soft_format *f = form->source;
    unsigned bits = f ? f->bits : 64, most = 256 / bits;
    // Exceptions of one element hide those of others: often there is only one that matters.
    unsigned quiet = below(4) ? 0 : next() & ((1u << most) - 1);
    memset(s->ymm, 0, sizeof s->ymm);
    for (unsigned i = 0; i < most; i++) {
        uint64_t v[3] = { integer(), integer(), integer() };
        if (f && quiet >> i & 1)
            v[0] = v[1] = v[2] = make(f, 0, f->bias, 0);
        else if (f)
            values(f, v);
        unsigned turn = below(3);
        for (unsigned k = 0; k < 3; k++) {
            uint64_t x = v[form->pairs && below(8) ? (i & 1) ^ (k == 2) : (k + turn) % 3];
            s->ymm[k + 1][i * bits / 64] |= x << i * bits % 64;
        }
        if (form->pairs && i & 1 && below(2)) {         // neighbours that have to do with one another
            unsigned first = (i - 1) * bits;
            for (unsigned k = 1; k < 4; k++) {
                uint64_t mask = ~0ull >> (64 - bits);
                s->ymm[k][first / 64] = (s->ymm[k][first / 64] & ~(mask << first % 64)) | (v[k == 2] & mask) << first % 64;
                s->ymm[k][i * bits / 64] = (s->ymm[k][i * bits / 64] & ~(mask << i * bits % 64)) | (v[k != 2] & mask) << i * bits % 64;
            }
        }
    }
    memcpy(s->memory, s->ymm[3], 32);
    if (!f)
        s->memory[0] = integer();
    s->rbx = integer();
    s->rcx = next();
    s->rflags = 0x202 | (next() & X64_ARITH_FLAGS);
    s->mxcsr = random_mxcsr();
    s->excepted = 0;
    x87_init(&s->x87);
    s->x87.valid = (uint16_t)below(256);
    x87_set_top(&s->x87, below(8));
    for (unsigned i = 0; i < 8; i++)
        s->x87.reg[i] = (struct float80){ .significand = integer(), .sign_exponent = (uint16_t)next() };
}

static bool refuse_read(void *context, unsigned operand, void *to, unsigned bytes)
{
    const struct form *form = context;
    memset(to, 5, bytes);           // an underflow as half precision
    return form->insn.opd[operand].kind != X64_OPD_MEM;
}

static bool refuse_write(void *context, unsigned operand, const void *from, unsigned bytes)
{
    (void)from, (void)bytes;
    if (((const struct form *)context)->insn.opd[operand].kind != X64_OPD_MEM)
        abort();
    return false;
}

static bool refuse_may_write(void *context, unsigned operand, unsigned bytes)
{
    return refuse_write(context, operand, 0, bytes);
}

// A fault changes nothing, and comes before an exception that is not masked (processors agree: try it with a page that may not be written).
static bool harmless(struct form *form)
{
    for (unsigned masked = 0; masked < 2; masked++) {
        uint32_t mxcsr = masked ? 0x1f80 : 0;
        struct sse_io io = { form, refuse_read, refuse_write, mxcsr, 0x8d5, refuse_may_write };
        if (sse_execute(&form->insn, &io) != SSE_FAULT || io.mxcsr != mxcsr || io.eflags != 0x8d5)
            return false;
    }
    return true;
}

// An x87 exception that waits is no concern of a conversion from memory to XMM; it comes before anything with an MMX register.
static bool waits_right(struct form *form)
{
    struct machine m = { .form = form };
    bool mmx = false;
    for (unsigned i = 0; i < form->insn.operand_count; i++)
        mmx |= form->insn.opd[i].kind == X64_OPD_MMX;
    x87_init(&m.s.x87);
    m.s.x87.control &= (uint16_t)~FLOAT_ZE;
    m.s.x87.status = FLOAT_ZE | X87_ES | X87_BUSY;
    m.s.mxcsr = 0x1f80;
    return run_x87(&m) == (mmx ? SSE_UNKNOWN : SSE_DONE);
}

static void compare(struct form *form, unsigned count)
{
    unsigned shown = 0, wrong = 0, length = form->insn.length;
    struct x64_operand *last = &form->insn.opd[form->insn.operand_count - 1];
    for (unsigned i = 0; i < 256; i++) {
        memcpy(page + 16 * i, form->code, length);
        if (form->has_immediate)
            page[16 * i + length - 1] = (uint8_t)i;
        page[16 * i + length] = 0xc3;
    }
    code_length = length;
    if (form->insn.form & X64_F_MEM && !form->mmx && !harmless(form))
        printf("%s: a fault is not reported, or changes something\n", form->text), wrong++;
    if (form->mmx && !waits_right(form))
        printf("%s: a waiting x87 exception\n", form->text), wrong++;
    for (unsigned i = 0; i < count; i++) {
        struct machine start = { .form = form }, got;
        unsigned immediate = form->has_immediate ? below(256) : 0;
        fill(form, &start.s);
        struct state expected = start.s;
        got = start;
        if (form->has_immediate)
            last->value = immediate;
        (form->mmx ? run_native_mmx : run_native)(&expected, page + 16 * immediate);
        enum sse_outcome outcome = run_here(&got);
        if (outcome == SSE_FAULT || outcome == SSE_UNKNOWN || !same(form, &expected, &got.s)) {
            wrong++;
            if (shown++ < 3) {
                printf("%s: case %u, immediate %02x, outcome %d\n", form->text, i, immediate, outcome);
                show("before", &start.s);
                show("processor", &expected);
                show("here", &got.s);
            }
        }
    }
    if (wrong)
        printf("FAIL %s: %u of %u\n", form->text, wrong, count);
    wrong ? failed++ : passed++;
}

// ---- the forms: whatever the decoder knows

static struct form *forms;
static unsigned form_count;

static bool is_mmx(const struct x64_insn *insn)
{
    for (unsigned i = 0; i < insn->operand_count; i++)
        if (insn->opd[i].kind == X64_OPD_MMX)
            return true;
    return insn->op == X64_CVTPI2PS || insn->op == X64_CVTPI2PD;      // from memory
}

static const struct soft_format *source_of(const char *name)
{
    const char *to = strchr(name, '2');
    if (strstr(name, "CVT"))
        name = name + (strstr(name, "CVTT") != 0) + (*name == 'V') + 3;
    else
        name += strlen(name) - 2, to = name + 2;
    if (!strncmp(name, "PI", 2) || !strncmp(name, "SI", 2) || !strncmp(name, "DQ", 2))
        return 0;
    return !strncmp(to - 2, "PH", 2) ? &soft_half : to[-1] == 'S' ? &soft_single : &soft_double;
}

static void try_form(const uint8_t *code, unsigned length)
{
    struct form form = { 0 };
    if (x64_decode(code, length, 0x1000, &form.insn) != X64_OK)
        return;
    for (unsigned i = 0; i < form.insn.operand_count; i++)     // vvvv names a register although it must not be one here, or the reverse
        if (form.insn.opd[i].kind != X64_OPD_IMM && form.insn.opd[i].kind != X64_OPD_MEM && !form.insn.opd[i].reg)
            return;
    const struct x64_op_info *info = x64_op_info(form.insn.op);
    form.mmx = info->attributes & X64_A_FP && is_mmx(&form.insn);
    if (!form.mmx && !sse_knows(&form.insn)) {
        if (info->attributes & X64_A_FP)
            printf("FAIL %s: not executed\n", info->name), failed++;
        return;
    }
    x64_format(&form.insn, form.text, sizeof form.text);
    for (unsigned i = 0; i < form_count; i++)
        if (!strcmp(forms[i].text, form.text) && !((forms[i].insn.form ^ form.insn.form) & X64_F_VEX))
            return;
    memcpy(form.code, code, form.insn.length);
    form.source = source_of(info->name);
    form.estimate = !(info->attributes & X64_A_FP);
    form.pairs = strstr(info->name, "HADD") || strstr(info->name, "HSUB") || strstr(info->name, "DPP");
    form.has_immediate = form.insn.opd[form.insn.operand_count - 1].kind == X64_OPD_IMM;
    forms = realloc(forms, (form_count + 1) * sizeof form);
    forms[form_count++] = form;
}

static void try_opcode(unsigned map, unsigned prefix, uint8_t opcode, bool memory, bool vex)
{
    static const uint8_t legacy[4] = { 0, 0x66, 0xf3, 0xf2 };
    uint8_t modrm = memory ? 0x0e : 0xcb;               // reg 1, and [rsi] or register 3
    for (unsigned variant = 0; variant < (vex ? 8 : 2); variant++) {        // W, L, vvvv
        uint8_t code[24] = { 0 };
        unsigned n = 0, w = variant & 1, l = variant >> 1 & 1, vvvv = variant >> 2 ? 15 : 13;
        if (vex) {
            code[n++] = 0xc4;
            code[n++] = (uint8_t)(0xe0 | map);
            code[n++] = (uint8_t)(w << 7 | vvvv << 3 | l << 2 | prefix);
        } else {
            if (prefix)
                code[n++] = legacy[prefix];
            if (w)
                code[n++] = 0x48;
            code[n++] = 0x0f;
            if (map > 1)
                code[n++] = map == 2 ? 0x38 : 0x3a;
        }
        code[n++] = opcode;
        code[n++] = modrm;
        try_form(code, n + 1);
    }
}

static bool has_avx(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}
#endif

int main(int argc, char **argv)
{
#if defined __x86_64__
    unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], 0, 0) : 2000;
    page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || !has_avx()) {
        printf("skip: no executable memory here, or a processor without AVX2, FMA or F16C\n");
        return 0;
    }
    struct sigaction action = { .sa_sigaction = on_sigfpe, .sa_flags = SA_SIGINFO };
    sigaction(SIGFPE, &action, 0);
    for (unsigned i = 0; i < 3 * 4 * 256 * 4; i++)
        try_opcode(1 + i / 4 / 256 / 4, i / 4 / 256 % 4, i / 4 & 255, i & 1, i >> 1 & 1);
    for (unsigned i = 0; i < form_count; i++)
        if (argc < 3 || strstr(forms[i].text, argv[2]))
            compare(&forms[i], count);
    free(forms);
#else
    (void)argc, (void)argv;
    printf("skip: this machine's processor is no x64\n");
#endif
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}
