// SPDX-License-Identifier: MIT
// MMX instructions, with those that SSE, SSE2 and SSSE3 added. mm n is the significand of physical register n
// (SDM vol. 1, 9.2 and 9.6).
#include "emu/x87/x87.h"

typedef uint64_t lane_function(int64_t a, int64_t b);
typedef uint64_t whole_function(uint64_t a, uint64_t b, unsigned immediate);

enum lane_flag {
    SIGNED = 1,                     // lanes are signed, and so is saturation
    SATURATE = 2,
    PAIRS = 4,                      // the operands are neighbours: of the destination, then of the source
    SHIFT = 8,                      // b is one count for all lanes
};

struct mmx_row {
    uint16_t op;
    uint8_t  bits, flags;           // of lanes
    lane_function *lane;
    whole_function *whole;
    enum x87_outcome (*run)(struct x87_machine *m);
};

// ---- lanes

static uint64_t add(int64_t a, int64_t b) { return (uint64_t)a + (uint64_t)b; }
static uint64_t subtract(int64_t a, int64_t b) { return (uint64_t)a - (uint64_t)b; }
static uint64_t equal(int64_t a, int64_t b) { return a == b ? ~0ull : 0; }
static uint64_t greater(int64_t a, int64_t b) { return a > b ? ~0ull : 0; }
static uint64_t least(int64_t a, int64_t b) { return (uint64_t)(a < b ? a : b); }
static uint64_t most(int64_t a, int64_t b) { return (uint64_t)(a > b ? a : b); }
static uint64_t average(int64_t a, int64_t b) { return (uint64_t)(a + b + 1) >> 1; }
static uint64_t multiply(int64_t a, int64_t b) { return (uint64_t)(a * b); }
static uint64_t multiply_high(int64_t a, int64_t b) { return (uint64_t)((a * b) >> 16); }
static uint64_t multiply_round(int64_t a, int64_t b) { return (uint64_t)(((a * b >> 14) + 1) >> 1); }
static uint64_t absolute(int64_t a, int64_t b) { (void)a; return (uint64_t)(b < 0 ? -b : b); }
static uint64_t sign(int64_t a, int64_t b) { return (uint64_t)(b < 0 ? -a : b ? a : 0); }
static uint64_t left(int64_t a, int64_t b) { return (uint64_t)a << b; }
static uint64_t right(int64_t a, int64_t b) { return (uint64_t)a >> b; }
static uint64_t right_signed(int64_t a, int64_t b) { return (uint64_t)(a >> b); }

static int64_t lane_of(uint64_t value, unsigned bits, unsigned index, bool is_signed)
{
    uint64_t high = value << (64 - bits - index * bits);
    return is_signed ? (int64_t)high >> (64 - bits) : (int64_t)(high >> (64 - bits));
}

static uint64_t saturated(int64_t value, unsigned bits, bool is_signed)
{
    int64_t top = (int64_t)((1ull << (bits - is_signed)) - 1), bottom = is_signed ? -top - 1 : 0;
    return (uint64_t)(value > top ? top : value < bottom ? bottom : value);
}

// A count beyond the lane: everything is shifted out, or only the sign is left.
static uint64_t shift_lane(const struct mmx_row *row, int64_t a, uint64_t count)
{
    if (count < row->bits)
        return row->lane(a, (int64_t)count);
    return row->flags & SIGNED ? row->lane(a, row->bits - 1) : 0;
}

static uint64_t run_lanes(const struct mmx_row *row, uint64_t a, uint64_t b)
{
    unsigned bits = row->bits, count = 64 / bits;
    bool is_signed = row->flags & SIGNED;
    uint64_t result = 0, mask = ~0ull >> (64 - bits);
    for (unsigned i = 0; i < count; i++) {
        int64_t x = lane_of(a, bits, i, is_signed), y = lane_of(b, bits, i, is_signed);
        if (row->flags & PAIRS) {
            uint64_t from = i < count / 2 ? a : b;
            unsigned first = i < count / 2 ? 2 * i : 2 * i - count;
            x = lane_of(from, bits, first, is_signed);
            y = lane_of(from, bits, first + 1, is_signed);
        }
        uint64_t value = row->flags & SHIFT ? shift_lane(row, x, b) : row->lane(x, y);
        if (row->flags & SATURATE)
            value = saturated((int64_t)value, bits, is_signed);
        result |= (value & mask) << i * bits;
    }
    return result;
}

// ---- whole registers

static uint64_t and(uint64_t a, uint64_t b, unsigned i) { (void)i; return a & b; }
static uint64_t and_not(uint64_t a, uint64_t b, unsigned i) { (void)i; return ~a & b; }
static uint64_t or(uint64_t a, uint64_t b, unsigned i) { (void)i; return a | b; }
static uint64_t exclusive_or(uint64_t a, uint64_t b, unsigned i) { (void)i; return a ^ b; }
static uint64_t multiply_words(uint64_t a, uint64_t b, unsigned i) { (void)i; return (uint64_t)(uint32_t)a * (uint32_t)b; }

static uint64_t pack(uint64_t a, uint64_t b, unsigned bits, bool is_signed)
{
    uint64_t result = 0, mask = (1ull << bits) - 1;
    unsigned half = 32 / bits;
    for (unsigned i = 0; i < 2 * half; i++) {
        int64_t wide = lane_of(i < half ? a : b, 2 * bits, i % half, true);
        result |= (saturated(wide, bits, is_signed) & mask) << i * bits;
    }
    return result;
}
static uint64_t pack_bytes(uint64_t a, uint64_t b, unsigned i) { (void)i; return pack(a, b, 8, true); }
static uint64_t pack_unsigned(uint64_t a, uint64_t b, unsigned i) { (void)i; return pack(a, b, 8, false); }
static uint64_t pack_words(uint64_t a, uint64_t b, unsigned i) { (void)i; return pack(a, b, 16, true); }

static uint64_t interleave(uint64_t a, uint64_t b, unsigned bits, bool high)
{
    uint64_t result = 0;
    unsigned count = 32 / bits;
    for (unsigned i = 0; i < count; i++) {
        unsigned from = i + (high ? count : 0);
        result |= (uint64_t)lane_of(a, bits, from, false) << 2 * i * bits;
        result |= (uint64_t)lane_of(b, bits, from, false) << (2 * i + 1) * bits;
    }
    return result;
}
static uint64_t low_bytes(uint64_t a, uint64_t b, unsigned i) { (void)i; return interleave(a, b, 8, false); }
static uint64_t low_words(uint64_t a, uint64_t b, unsigned i) { (void)i; return interleave(a, b, 16, false); }
static uint64_t low_doublewords(uint64_t a, uint64_t b, unsigned i) { (void)i; return interleave(a, b, 32, false); }
static uint64_t high_bytes(uint64_t a, uint64_t b, unsigned i) { (void)i; return interleave(a, b, 8, true); }
static uint64_t high_words(uint64_t a, uint64_t b, unsigned i) { (void)i; return interleave(a, b, 16, true); }
static uint64_t high_doublewords(uint64_t a, uint64_t b, unsigned i) { (void)i; return interleave(a, b, 32, true); }

static uint64_t multiply_add(uint64_t a, uint64_t b, unsigned immediate)
{
    uint64_t result = 0;
    (void)immediate;
    for (unsigned i = 0; i < 4; i += 2) {
        int64_t sum = lane_of(a, 16, i, true) * lane_of(b, 16, i, true) + lane_of(a, 16, i + 1, true) * lane_of(b, 16, i + 1, true);
        result |= (uint64_t)(uint32_t)sum << i * 16;
    }
    return result;
}

static uint64_t multiply_add_bytes(uint64_t a, uint64_t b, unsigned immediate)
{
    uint64_t result = 0;
    (void)immediate;
    for (unsigned i = 0; i < 8; i += 2) {
        int64_t sum = lane_of(a, 8, i, false) * lane_of(b, 8, i, true) + lane_of(a, 8, i + 1, false) * lane_of(b, 8, i + 1, true);
        result |= (saturated(sum, 16, true) & 0xffff) << i * 8;
    }
    return result;
}

static uint64_t differences(uint64_t a, uint64_t b, unsigned immediate)
{
    uint64_t sum = 0;
    (void)immediate;
    for (unsigned i = 0; i < 8; i++) {
        int64_t x = lane_of(a, 8, i, false), y = lane_of(b, 8, i, false);
        sum += (uint64_t)(x > y ? x - y : y - x);
    }
    return sum;
}

static uint64_t shuffle_bytes(uint64_t a, uint64_t b, unsigned immediate)
{
    uint64_t result = 0;
    (void)immediate;
    for (unsigned i = 0; i < 8; i++) {
        unsigned from = b >> i * 8 & 0xff;
        result |= from & 0x80 ? 0 : (a >> (from & 7) * 8 & 0xff) << i * 8;
    }
    return result;
}

static uint64_t shuffle_words(uint64_t a, uint64_t b, unsigned immediate)
{
    uint64_t result = 0;
    (void)a;
    for (unsigned i = 0; i < 4; i++)
        result |= (b >> (immediate >> 2 * i & 3) * 16 & 0xffff) << i * 16;
    return result;
}

static uint64_t align(uint64_t a, uint64_t b, unsigned immediate)
{
    float_u128 both = (float_u128)a << 64 | b;
    return immediate < 16 ? (uint64_t)(both >> 8 * immediate) : 0;
}

static uint64_t insert_word(uint64_t a, uint64_t b, unsigned immediate)
{
    unsigned shift = (immediate & 3) * 16;
    return (a & ~(0xffffull << shift)) | (b & 0xffff) << shift;
}

static uint64_t extract_word(uint64_t a, uint64_t b, unsigned immediate)
{
    (void)a;
    return b >> (immediate & 3) * 16 & 0xffff;
}

static uint64_t byte_signs(uint64_t a, uint64_t b, unsigned immediate)
{
    uint64_t result = 0;
    (void)a, (void)immediate;
    for (unsigned i = 0; i < 8; i++)
        result |= (b >> (8 * i + 7) & 1) << i;
    return result;
}

static uint64_t move(uint64_t a, uint64_t b, unsigned immediate)
{
    (void)a, (void)immediate;
    return b;
}

// ---- running

// Every MMX instruction makes the registers MMX registers: all valid, top 0.
static void enter(struct x87_machine *m)
{
    m->s.valid = 0xff;
    x87_set_top(&m->s, 0);
}

static bool get(struct x87_machine *m, unsigned operand, uint64_t *value)
{
    const struct x64_operand *opd = &m->insn->opd[operand];
    *value = 0;
    if (opd->kind == X64_OPD_MMX)
        *value = m->s.reg[opd->reg].significand;
    else if (opd->kind == X64_OPD_IMM)
        *value = (uint64_t)opd->value & 0xff;
    else
        return m->io->read(m->io->context, operand, value, opd->size < 8 ? opd->size : 8);
    return true;
}

static bool put(struct x87_machine *m, unsigned operand, uint64_t value)
{
    const struct x64_operand *opd = &m->insn->opd[operand];
    uint64_t image[2] = { value, 0 };
    if (opd->kind == X64_OPD_MMX) {
        m->s.reg[opd->reg] = (struct float80){ .significand = value, .sign_exponent = 0xffff };
        return true;
    }
    return m->io->write(m->io->context, operand, image, opd->size);
}

static enum x87_outcome run_row(struct x87_machine *m, const struct mmx_row *row)
{
    uint64_t a, b, immediate = 0;
    bool reads = m->insn->opd[0].access & X64_READ;
    a = b = 0;
    if ((reads && !get(m, 0, &a)) || !get(m, 1, &b) || (m->insn->operand_count > 2 && !get(m, 2, &immediate)))
        return X87_FAULT;
    enter(m);
    uint64_t result = row->lane ? run_lanes(row, a, b) : row->whole(a, b, (unsigned)immediate);
    return put(m, 0, result) ? X87_DONE : X87_FAULT;
}

static enum x87_outcome run_empty(struct x87_machine *m)
{
    m->s.valid = 0;
    x87_set_top(&m->s, 0);
    return X87_DONE;
}

// MASKMOVQ: bytes of opd[0] whose mask byte in opd[1] has its top bit go to [rdi].
static enum x87_outcome run_masked_store(struct x87_machine *m)
{
    uint64_t value = m->s.reg[m->insn->opd[0].reg].significand, mask = m->s.reg[m->insn->opd[1].reg].significand;
    for (unsigned i = 0; i < 8; i++) {
        uint8_t byte = (uint8_t)(value >> 8 * i);
        if (mask >> (8 * i + 7) & 1 && !m->io->write(m->io->context, X87_OPERAND_RDI + i, &byte, 1))
            return X87_FAULT;
    }
    enter(m);
    return X87_DONE;
}

// ---- conversions with XMM registers: rounding, masks and flags are MXCSR's

static void use_mxcsr(struct x87_machine *m)
{
    m->env = (struct float_env){ .rounding = m->io->mxcsr >> 13 & 3, .masked = FLOAT_ALL };
}

// False: an exception is not masked. IE hides another element's PE then (SDM vol. 1, 11.5.3).
static bool settle_mxcsr(struct x87_machine *m)
{
    unsigned raised = m->env.raised, open = raised & ~(m->io->mxcsr >> 7);
    m->io->mxcsr |= open & FLOAT_BEFORE ? raised & FLOAT_BEFORE : raised;
    return !open;
}

static enum x87_outcome run_from_integers(struct x87_machine *m)
{
    uint64_t source, image[2];
    bool doubles = m->insn->op == X64_CVTPI2PD;
    if (!get(m, 1, &source))
        return X87_FAULT;
    use_mxcsr(m);
    struct float80 low = float80_from_int64((int32_t)source), high = float80_from_int64((int32_t)(source >> 32));
    if (doubles) {
        image[0] = float80_to_float64(&m->env, low);
        image[1] = float80_to_float64(&m->env, high);
    } else {
        image[0] = float80_to_float32(&m->env, low);
        image[0] |= (uint64_t)float80_to_float32(&m->env, high) << 32;
    }
    if (!(m->insn->form & X64_F_MEM))
        enter(m);
    if (!settle_mxcsr(m))
        return X87_SIMD;
    return m->io->write(m->io->context, 0, image, doubles ? 16 : 8) ? X87_DONE : X87_FAULT;
}

static enum x87_outcome run_to_integers(struct x87_machine *m)
{
    uint64_t image[2], result = 0;
    bool doubles = m->insn->op == X64_CVTPD2PI || m->insn->op == X64_CVTTPD2PI, to_zero = m->io->mxcsr & X87_MXCSR_DAZ;
    bool truncate = m->insn->op == X64_CVTTPS2PI || m->insn->op == X64_CVTTPD2PI;
    if (!m->io->read(m->io->context, 1, image, doubles ? 16 : 8))
        return X87_FAULT;
    use_mxcsr(m);
    for (unsigned i = 0; i < 2; i++) {
        m->env.source_denormal = false;
        struct float80 value = doubles ? float80_from_float64(&m->env, image[i])
                                       : float80_from_float32(&m->env, (uint32_t)(image[0] >> 32 * i));
        if (to_zero && m->env.source_denormal)
            value = float80_zero(false);
        result |= (uint64_t)(uint32_t)float80_to_integer(&m->env, value, 4, truncate) << 32 * i;
    }
    enter(m);
    if (!settle_mxcsr(m))
        return X87_SIMD;
    put(m, 0, result);
    return X87_DONE;
}

// ---- the rows

#define LANES(op, bits, flags, function)  { X64_##op, bits, flags, function, 0, 0 },
#define WHOLE(op, function)               { X64_##op, 0, 0, 0, function, 0 },
#define RUN(op, function)                 { X64_##op, 0, 0, 0, 0, function },

static const struct mmx_row rows[] = {
    WHOLE(MOVQ, move) WHOLE(MOVD, move)
    LANES(PADDB, 8, 0, add) LANES(PADDW, 16, 0, add) LANES(PADDD, 32, 0, add) LANES(PADDQ, 64, 0, add)
    LANES(PSUBB, 8, 0, subtract) LANES(PSUBW, 16, 0, subtract) LANES(PSUBD, 32, 0, subtract) LANES(PSUBQ, 64, 0, subtract)
    LANES(PADDSB, 8, SIGNED | SATURATE, add) LANES(PADDSW, 16, SIGNED | SATURATE, add)
    LANES(PADDUSB, 8, SATURATE, add) LANES(PADDUSW, 16, SATURATE, add)
    LANES(PSUBSB, 8, SIGNED | SATURATE, subtract) LANES(PSUBSW, 16, SIGNED | SATURATE, subtract)
    LANES(PSUBUSB, 8, SATURATE, subtract) LANES(PSUBUSW, 16, SATURATE, subtract)
    LANES(PCMPEQB, 8, 0, equal) LANES(PCMPEQW, 16, 0, equal) LANES(PCMPEQD, 32, 0, equal)
    LANES(PCMPGTB, 8, SIGNED, greater) LANES(PCMPGTW, 16, SIGNED, greater) LANES(PCMPGTD, 32, SIGNED, greater)
    LANES(PMULLW, 16, SIGNED, multiply) LANES(PMULHW, 16, SIGNED, multiply_high) LANES(PMULHUW, 16, 0, multiply_high)
    LANES(PMULHRSW, 16, SIGNED, multiply_round) WHOLE(PMULUDQ, multiply_words) WHOLE(PMADDWD, multiply_add)
    WHOLE(PMADDUBSW, multiply_add_bytes) WHOLE(PSADBW, differences)
    LANES(PMINUB, 8, 0, least) LANES(PMAXUB, 8, 0, most) LANES(PMINSW, 16, SIGNED, least) LANES(PMAXSW, 16, SIGNED, most)
    LANES(PAVGB, 8, 0, average) LANES(PAVGW, 16, 0, average)
    LANES(PABSB, 8, SIGNED, absolute) LANES(PABSW, 16, SIGNED, absolute) LANES(PABSD, 32, SIGNED, absolute)
    LANES(PSIGNB, 8, SIGNED, sign) LANES(PSIGNW, 16, SIGNED, sign) LANES(PSIGND, 32, SIGNED, sign)
    LANES(PHADDW, 16, SIGNED | PAIRS, add) LANES(PHADDD, 32, SIGNED | PAIRS, add) LANES(PHADDSW, 16, SIGNED | PAIRS | SATURATE, add)
    LANES(PHSUBW, 16, SIGNED | PAIRS, subtract) LANES(PHSUBD, 32, SIGNED | PAIRS, subtract)
    LANES(PHSUBSW, 16, SIGNED | PAIRS | SATURATE, subtract)
    LANES(PSLLW, 16, SHIFT, left) LANES(PSLLD, 32, SHIFT, left) LANES(PSLLQ, 64, SHIFT, left)
    LANES(PSRLW, 16, SHIFT, right) LANES(PSRLD, 32, SHIFT, right) LANES(PSRLQ, 64, SHIFT, right)
    LANES(PSRAW, 16, SHIFT | SIGNED, right_signed) LANES(PSRAD, 32, SHIFT | SIGNED, right_signed)
    WHOLE(PAND, and) WHOLE(PANDN, and_not) WHOLE(POR, or) WHOLE(PXOR, exclusive_or)
    WHOLE(PACKSSWB, pack_bytes) WHOLE(PACKSSDW, pack_words) WHOLE(PACKUSWB, pack_unsigned)
    WHOLE(PUNPCKLBW, low_bytes) WHOLE(PUNPCKLWD, low_words) WHOLE(PUNPCKLDQ, low_doublewords)
    WHOLE(PUNPCKHBW, high_bytes) WHOLE(PUNPCKHWD, high_words) WHOLE(PUNPCKHDQ, high_doublewords)
    WHOLE(PSHUFB, shuffle_bytes) WHOLE(PSHUFW, shuffle_words) WHOLE(PALIGNR, align)
    WHOLE(PINSRW, insert_word) WHOLE(PEXTRW, extract_word) WHOLE(PMOVMSKB, byte_signs)
    WHOLE(MOVNTQ, move) WHOLE(MOVQ2DQ, move) WHOLE(MOVDQ2Q, move) RUN(MASKMOVQ, run_masked_store) RUN(EMMS, run_empty)
    RUN(CVTPI2PS, run_from_integers) RUN(CVTPI2PD, run_from_integers) RUN(CVTPS2PI, run_to_integers)
    RUN(CVTTPS2PI, run_to_integers) RUN(CVTPD2PI, run_to_integers) RUN(CVTTPD2PI, run_to_integers)
};

static const struct mmx_row *find_row(const struct x64_insn *insn)
{
    bool mmx = insn->op == X64_EMMS || insn->op == X64_CVTPI2PS || insn->op == X64_CVTPI2PD;
    for (unsigned i = 0; i < insn->operand_count; i++)
        mmx |= insn->opd[i].kind == X64_OPD_MMX;
    for (unsigned i = 0; mmx && i < sizeof rows / sizeof *rows; i++)
        if (rows[i].op == insn->op)
            return &rows[i];
    return 0;
}

bool mmx_knows(const struct x64_insn *insn)
{
    return find_row(insn) != 0;
}

enum x87_outcome mmx_run(struct x87_machine *m)
{
    const struct mmx_row *row = find_row(m->insn);
    return row->run ? row->run(m) : run_row(m, row);
}
