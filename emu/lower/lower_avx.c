// SPDX-License-Identifier: MIT
// The halves of ymm registers, and the VEX forms of what SSE has.
#include "emu/lower/facts.h"
#include "emu/lower/lower_avx.h"
#include "emu/lower/lower_exact.h"

struct lower_mem avx_address(struct lower_context *cx, const struct x64_insn *insn)
{
    struct lower_mem mem = lower_sse_address(cx, insn, 4);
    return mem.index == A64_ZR ? mem : lower_mem_register(lower_sum(cx, mem.base, mem.index, mem.scaled ? 4 : 0));
}

struct avx_value avx_source(struct lower_context *cx, const struct x64_insn *insn, const struct x64_operand *opd)
{
    if (opd->kind == X64_OPD_YMM)
        return (struct avx_value){ opd->reg, avx_high(cx, opd->reg) };
    if (opd->kind != X64_OPD_MEM)
        return (struct avx_value){ opd->reg, opd->reg };
    if (opd->size < 32)
        return (struct avx_value){ lower_sse_read(cx, opd, AVX_M_LOW), AVX_M_LOW };
    struct avx_value v = { AVX_M_LOW, avx_take(cx) };
    struct lower_mem low = avx_address(cx, insn);
    if (!lower_tso(cx) && low.index == A64_ZR && a64_ldp_ok(4, low.offset)) {
        a64_ldp_v(cx->b, v.low, v.high, low.base, low.offset);
        return v;
    }
    struct lower_mem high = lower_mem_at(cx, low, 4, 16);
    lower_load_v(cx, 4, v.low, low);
    lower_load_v(cx, 4, v.high, high);
    return v;
}

// vd = legacy(vd, second[, third]) on 128 bits.
static void legacy(struct lower_context *cx, const struct x64_insn *insn, lower_function *function, a64_vreg vd,
                   const struct x64_operand *second, const struct x64_operand *third, unsigned shift)
{
    struct x64_insn i = *insn;
    i.operand_count = third ? 3 : 2;
    i.opd[0] = (struct x64_operand){ .kind = X64_OPD_XMM, .reg = vd, .access = X64_READ | X64_WRITE, .size = 16 };
    i.opd[1] = *second;
    if (third) {
        i.opd[2] = *third;
        i.opd[2].value = (int64_t)(((uint64_t)third->value & 0xff) >> shift);
    }
    if (!function(cx, &i))
        cx->b->bad = true;                      // it knows every form that comes here
}

static struct x64_operand vector_operand(a64_vreg v)
{
    return (struct x64_operand){ .kind = X64_OPD_XMM, .reg = v, .access = X64_READ, .size = 16 };
}

// An integer of memory to be inserted, or converted to be: it is loaded before anything changes.
static bool from_memory(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *m = &insn->opd[2];
    a64_vreg vd = insn->opd[0].reg;
    a64_reg r = lower_read(cx, m);
    a64_mov_v(cx->b, vd, insn->opd[1].reg);
    if (insn->op == X64_VCVTSI2SS || insn->op == X64_VCVTSI2SD) {
        enum a64_size s = insn->op == X64_VCVTSI2SD ? A64_X : A64_W;
        a64_vreg at = lower_afp(cx) ? vd : 16;      // keeps the rest
        a64_scvtf(cx->b, s, m->size == 8 ? A64_X : A64_W, at, r);
        if (at != vd)
            a64_ins_element(cx->b, s == A64_X ? 3 : 2, vd, 0, at, 0);
    } else {
        unsigned log2 = lower_log2(m->size);
        a64_ins_general(cx->b, log2, vd, (unsigned)insn->opd[3].value & ((16u >> log2) - 1), r);
    }
    avx_high_finish(cx, insn, 0);
    return true;
}

bool avx_three(struct lower_context *cx, const struct x64_insn *insn, lower_function *function, unsigned shift)
{
    const struct x64_operand *to = &insn->opd[0], *m = &insn->opd[2], *third = insn->operand_count > 3 ? &insn->opd[3] : 0;
    if (insn->operand_count < 3)                // VMOVLPS and its like, to memory
        return function(cx, insn);
    bool vector = m->kind == X64_OPD_XMM || m->kind == X64_OPD_YMM;
    bool integer = m->kind == X64_OPD_GPR || m->kind == X64_OPD_IMM || insn->op == X64_VPINSRB || insn->op == X64_VPINSRW ||
                   insn->op == X64_VPINSRD || insn->op == X64_VPINSRQ || insn->op == X64_VCVTSI2SS || insn->op == X64_VCVTSI2SD;
    struct x64_operand low = *m, high = *m;
    if (!integer) {
        struct avx_value source = avx_source(cx, insn, m);
        low = vector_operand(source.low);
        high = m->size == 32 ? vector_operand(source.high) : low;   // else the count of a shift
    }
    a64_vreg upper = 0;
    if (to->kind == X64_OPD_YMM) {
        upper = avx_take(cx);
        avx_high_read(cx, upper, insn->opd[1].reg);
        cx->temps = 0;
        legacy(cx, insn, function, upper, &high, third, shift);
        cx->temps = 0;
    }
    a64_vreg vd = to->reg, n = insn->opd[1].reg;
    if (integer && vd != n && m->kind == X64_OPD_MEM)
        return from_memory(cx, insn);
    if (vd != n && vector && m->reg == vd)
        vd = AVX_LOW;
    struct lower_upper known = cx->facts.upper;             // of the registers as the program has them
    if (vd != n) {
        a64_mov_v(cx->b, vd, n);
        lower_upper_copied(&cx->facts.upper, vd, n);
    }
    legacy(cx, insn, function, vd, &low, third, 0);
    cx->facts.upper = known;
    if (vd != to->reg)
        a64_mov_v(cx->b, to->reg, vd);
    avx_high_finish(cx, insn, upper);
    return true;
}
#define X(name, shift) \
    bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) \
    { \
        return lower_avx_float(cx, insn, lower_##name) || avx_three(cx, insn, lower_##name, shift); \
    }
AVX_THREE(X)
#undef X

// x64's way to make zeroes, which waits for no register.
static bool zeroes(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_movi_zero(cx->b, insn->opd[0].reg);
    avx_high_clear(cx, insn->opd[0].reg);
    return true;
}

static bool packed(struct lower_context *cx, const struct x64_insn *insn, enum a64_arr arr,
                   void (*emit)(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg, a64_vreg))
{
    if (emit == a64_eor_v && insn->opd[2].kind != X64_OPD_MEM && insn->opd[1].reg == insn->opd[2].reg)
        return zeroes(cx, insn);
    struct avx_value m = avx_source(cx, insn, &insn->opd[2]);
    a64_vreg n = insn->opd[1].reg, upper = 0;
    if (avx_wide(insn)) {
        a64_vreg high = avx_high(cx, n);
        emit(cx->b, arr, upper = avx_take(cx), high, m.high);
    }
    emit(cx->b, arr, insn->opd[0].reg, n, m.low);
    avx_high_finish(cx, insn, upper);
    return true;
}
#define X(name, emitter, arr) \
    bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) { return packed(cx, insn, A64_##arr, a64_##emitter); }
SSE_PACKED(X)
#undef X

// in_place: shorter if the result is where the first source was.
static bool vector(struct lower_context *cx, const struct x64_insn *insn,
                   void (*operation)(struct lower_context *, a64_vreg, a64_vreg, a64_vreg, unsigned), unsigned shift, bool in_place)
{
    struct avx_value m = avx_source(cx, insn, &insn->opd[2]);
    a64_vreg n = insn->opd[1].reg, upper = 0;
    unsigned extra = insn->operand_count > 3 ? (unsigned)insn->opd[3].value & 0xff : 0;
    if (avx_wide(insn)) {
        a64_vreg high = in_place ? avx_high_own(cx, n) : avx_high(cx, n);
        operation(cx, upper = in_place ? high : avx_take(cx), high, m.high, extra >> shift);
    }
    operation(cx, insn->opd[0].reg, n, m.low, extra);
    avx_high_finish(cx, insn, upper);
    return true;
}
#define X(name, shift) \
    bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) { return vector(cx, insn, vector_##name, shift, false); }
AVX_VECTOR(X)
#undef X

// Of each half, what is chosen: none of the second source, all of it, or elements.
static bool blend(struct lower_context *cx, const struct x64_insn *insn,
                  void (*operation)(struct lower_context *, a64_vreg, a64_vreg, a64_vreg, unsigned), unsigned elements, unsigned shift)
{
    const struct x64_operand *m = &insn->opd[2];
    unsigned all = (1u << elements) - 1, low = (unsigned)insn->opd[3].value & all, high = (unsigned)insn->opd[3].value >> shift & all;
    a64_vreg vd = insn->opd[0].reg, n = insn->opd[1].reg, upper = 0, s = m->reg;
    struct avx_value loaded = { 0, 0 };
    if (m->kind == X64_OPD_MEM)
        loaded = avx_source(cx, insn, m), s = loaded.low;
    if (avx_wide(insn) && !high) {
        upper = vd == n ? 0 : avx_high(cx, n);
    } else if (avx_wide(insn)) {
        upper = m->kind == X64_OPD_MEM ? loaded.high : high == all && vd == m->reg ? 0 : avx_high(cx, m->reg);
        if (high != all) {
            a64_vreg first, second = upper;
            if (2 * (unsigned)__builtin_popcount(high) > elements) {
                first = avx_high(cx, n);
                upper = m->kind == X64_OPD_MEM ? second : avx_high_own(cx, m->reg);
                second = upper;
            } else {
                upper = first = avx_high_own(cx, n);
            }
            operation(cx, upper, first, second, high);
        }
    }
    operation(cx, vd, n, s, low);
    if (!avx_wide(insn) || upper)                   // else it is there already
        avx_high_finish(cx, insn, upper);
    return true;
}
bool lower_VBLENDPS(struct lower_context *cx, const struct x64_insn *insn) { return blend(cx, insn, vector_BLENDPS, 4, 4); }
bool lower_VPBLENDD(struct lower_context *cx, const struct x64_insn *insn) { return blend(cx, insn, vector_BLENDPS, 4, 4); }
bool lower_VBLENDPD(struct lower_context *cx, const struct x64_insn *insn) { return blend(cx, insn, vector_BLENDPD, 2, 2); }
bool lower_VPBLENDW(struct lower_context *cx, const struct x64_insn *insn) { return blend(cx, insn, vector_PBLENDW, 8, 0); }

#define X(name, feature) \
    bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) \
    { \
        return cx->config->features.feature ? vector(cx, insn, vector_##name, 0, true) : lower_in_kernel(cx, insn); \
    }
AVX_CRYPTO(X)
#undef X

bool lower_VPSHUFB(struct lower_context *cx, const struct x64_insn *insn)
{
    struct avx_value m = avx_source(cx, insn, &insn->opd[2]);
    a64_vreg n = insn->opd[1].reg, upper = 0;
    a64_movi_bytes(cx->b, 17, 0x8f);                // an index with bit 7 gives 0; so does TBL from 16 on
    if (avx_wide(insn)) {
        a64_vreg high = avx_high(cx, n);
        a64_and_v(cx->b, A64_16B, 16, 17, m.high);
        a64_tbl(cx->b, 1, upper = avx_take(cx), high, 16);
    }
    a64_and_v(cx->b, A64_16B, 16, 17, m.low);
    a64_tbl(cx->b, 1, insn->opd[0].reg, n, 16);
    avx_high_finish(cx, insn, upper);
    return true;
}

static bool shift_elements(struct lower_context *cx, const struct x64_insn *insn,
                           void (*shift)(struct lower_context *, a64_vreg, a64_vreg, const struct x64_operand *))
{
    struct x64_operand by = insn->opd[2];
    a64_vreg upper = 0;
    if (by.kind != X64_OPD_IMM)
        by = vector_operand(avx_source(cx, insn, &by).low);
    if (avx_wide(insn)) {
        a64_vreg high = avx_high(cx, insn->opd[1].reg);
        bool nothing = by.kind == X64_OPD_IMM && !(by.value & 0xff);
        shift(cx, upper = nothing ? high : avx_take(cx), high, &by);
    }
    shift(cx, insn->opd[0].reg, insn->opd[1].reg, &by);
    avx_high_finish(cx, insn, upper);
    return true;
}
#define X(name, ...) \
    bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) { return shift_elements(cx, insn, vector_shift_##name); }
SSE_SHIFT(X)
#undef X

bool avx_two(struct lower_context *cx, const struct x64_insn *insn, lower_function *function, unsigned shift)
{
    const struct x64_operand *third = insn->operand_count > 2 ? &insn->opd[2] : 0;
    struct avx_value source = avx_source(cx, insn, &insn->opd[1]);
    struct x64_operand low = vector_operand(source.low), high = vector_operand(source.high);
    a64_vreg upper = 0;
    cx->temps = 0;
    if (insn->opd[0].kind == X64_OPD_YMM)
        legacy(cx, insn, function, upper = avx_take(cx), &high, third, shift);
    cx->temps = 0;
    legacy(cx, insn, function, insn->opd[0].reg, &low, third, 0);
    avx_high_finish(cx, insn, upper);
    return true;
}
#define X(name, shift) \
    bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) \
    { \
        return lower_avx_float(cx, insn, lower_##name) || avx_two(cx, insn, lower_##name, shift); \
    }
AVX_TWO(X)
#undef X
#define X(name, feature) \
    bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) \
    { \
        return cx->config->features.feature ? avx_two(cx, insn, lower_##name, 0) : lower_in_kernel(cx, insn); \
    }
AVX_CRYPTO_TWO(X)
#undef X

// What of the source becomes the upper half of the result, by one instruction that takes the upper half of its operand, and more; false: there
// is none.
static bool widen_upper(struct lower_context *cx, enum x64_op op, a64_vreg to, a64_vreg m)
{
    struct a64_buf *b = cx->b;
    switch (op) {
#define X(name, emitter, from, times) \
    case X64_V##name: \
        if ((times) > 1) \
            return false; \
        a64_##emitter(b, (enum a64_arr)((from) * 2 + 1), to, m, 0); \
        return true;
    VECTOR_WIDEN(X)
#undef X
    case X64_VCVTPS2PD:
        a64_fcvtl(b, true, to, m);
        return true;
    case X64_VCVTDQ2PD:
        a64_sshll(b, A64_4S, to, m, 0);
        a64_scvtf_v(b, A64_2D, to, to);
        return true;
    default:
        return false;
    }
}

static bool widen(struct lower_context *cx, const struct x64_insn *insn, lower_function *function, unsigned bytes)
{
    a64_vreg m = avx_source(cx, insn, &insn->opd[1]).low, upper = 0;
    struct x64_operand low = vector_operand(m);
    if (insn->opd[0].kind == X64_OPD_YMM) {
        upper = avx_take(cx);
        struct x64_operand high = vector_operand(upper);
        if (!widen_upper(cx, insn->op, upper, m)) {
            a64_ext(cx->b, A64_16B, upper, m, m, bytes);
            legacy(cx, insn, function, upper, &high, 0, 0);
        }
    }
    legacy(cx, insn, function, insn->opd[0].reg, &low, 0, 0);
    avx_high_finish(cx, insn, upper);
    return true;
}
#define X(name, bytes) \
    bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) { return widen(cx, insn, lower_##name, bytes); }
AVX_WIDEN(X)
#undef X

static bool narrow(struct lower_context *cx, const struct x64_insn *insn, lower_function *function)
{
    struct avx_value source = avx_source(cx, insn, &insn->opd[1]);
    struct x64_operand low = vector_operand(source.low), high = vector_operand(source.high);
    bool wide = insn->opd[1].size == 32;
    a64_vreg upper = 0;
    if (wide)
        legacy(cx, insn, function, upper = avx_take(cx), &high, 0, 0);
    legacy(cx, insn, function, insn->opd[0].reg, &low, 0, 0);
    if (wide)
        a64_ins_element(cx->b, 3, insn->opd[0].reg, 1, upper, 0);
    avx_high_clear(cx, insn->opd[0].reg);
    return true;
}
#define X(name, unused) bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) { return narrow(cx, insn, lower_##name); }
AVX_NARROW(X)
#undef X

#define X(name) bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) { return lower_##name(cx, insn); }
AVX_READ(X)
#undef X

static bool select_by_mask(struct lower_context *cx, const struct x64_insn *insn,
                           void (*operation)(struct lower_context *, a64_vreg, a64_vreg, a64_vreg, unsigned))
{
    struct avx_value m = avx_source(cx, insn, &insn->opd[2]);
    a64_vreg vd = insn->opd[0].reg, n = insn->opd[1].reg, mask = insn->opd[3].reg, upper = 0;
    if (avx_wide(insn)) {
        a64_vreg mask_high = avx_high(cx, mask);
        upper = mask == n ? avx_take(cx) : avx_high_own(cx, n);
        operation(cx, upper, mask == n ? mask_high : upper, m.high, mask_high);
    }
    operation(cx, vd, n, m.low, mask);
    avx_high_finish(cx, insn, upper);
    return true;
}
#define X(name) bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) { return select_by_mask(cx, insn, vector_##name); }
AVX_SELECT(X)
#undef X

static bool string_mask(struct lower_context *cx, const struct x64_insn *insn, lower_function *function)
{
    if (!function(cx, insn))
        return false;
    avx_high_clear(cx, 0);
    return true;
}
bool lower_VPCMPESTRM(struct lower_context *cx, const struct x64_insn *insn) { return string_mask(cx, insn, lower_PCMPESTRM); }
bool lower_VPCMPISTRM(struct lower_context *cx, const struct x64_insn *insn) { return string_mask(cx, insn, lower_PCMPISTRM); }

// ---- masks and tests

// `arr`: only the signs of such elements count; 16B: all bits.
static bool test(struct lower_context *cx, const struct x64_insn *insn, enum a64_arr arr)
{
    struct a64_buf *b = cx->b;
    struct avx_value m = avx_source(cx, insn, &insn->opd[1]);
    a64_vreg n = insn->opd[0].reg;
    a64_and_v(b, A64_16B, 17, n, m.low);
    a64_bic_v(b, A64_16B, 18, m.low, n);
    if (avx_wide(insn)) {
        a64_vreg high = avx_high(cx, n);
        a64_and_v(b, A64_16B, 19, high, m.high);
        a64_bic_v(b, A64_16B, 20, m.high, high);
        a64_orr_v(b, A64_16B, 17, 17, 19);
        a64_orr_v(b, A64_16B, 18, 18, 20);
    }
    if (arr != A64_16B) {
        a64_cmlt_zero(b, arr, 17, 17);
        a64_cmlt_zero(b, arr, 18, 18);
    }
    lower_flags_test(cx, 17, 18);
    return true;
}
bool lower_VPTEST(struct lower_context *cx, const struct x64_insn *insn) { return test(cx, insn, A64_16B); }
bool lower_VTESTPS(struct lower_context *cx, const struct x64_insn *insn) { return test(cx, insn, A64_4S); }
bool lower_VTESTPD(struct lower_context *cx, const struct x64_insn *insn) { return test(cx, insn, A64_2D); }

// ---- VCMPxx: 32 predicates (SDM vol. 2, table 3-1). Bits 1:0 choose the comparison, bits 3:2 how it is turned, bit 4 whether a quiet
// NaN raises the invalid exception.

// How NEON compares: for equality quietly, for order with the exception. True: predicate is made of those.
static bool compare_natively(struct lower_context *cx, const struct x64_insn *insn, enum a64_size size, bool is_scalar, unsigned predicate)
{
    typedef void vector3(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg, a64_vreg);
    typedef void scalar3(struct a64_buf *, enum a64_size, a64_vreg, a64_vreg, a64_vreg);
    static const struct { vector3 *vector; scalar3 *scalar; bool swapped, opposite; } how[16] = {
        [0] = { a64_fcmeq, a64_fcmeq_s, false, false }, [1] = { a64_fcmgt, a64_fcmgt_s, true, false }, [2] = { a64_fcmge, a64_fcmge_s, true, false },
        [4] = { a64_fcmeq, a64_fcmeq_s, false, true }, [5] = { a64_fcmgt, a64_fcmgt_s, true, true }, [6] = { a64_fcmge, a64_fcmge_s, true, true },
        [9] = { a64_fcmge, a64_fcmge_s, false, true }, [10] = { a64_fcmgt, a64_fcmgt_s, false, true },
        [13] = { a64_fcmge, a64_fcmge_s, false, false }, [14] = { a64_fcmgt, a64_fcmgt_s, false, false },
    };
    bool unordered = predicate == 3 || predicate == 7;      // or not so: whether both are equal to themselves
    if (!unordered && (predicate > 15 || !how[predicate].vector))
        return false;
    struct a64_buf *b = cx->b;
    struct avx_value m = avx_source(cx, insn, &insn->opd[2]);
    a64_vreg vd = insn->opd[0].reg, n = insn->opd[1].reg, upper = 0;
    bool swapped = how[predicate].swapped;
    enum a64_arr arr = size == A64_X ? A64_2D : A64_4S;
    for (unsigned half = avx_wide(insn) && !is_scalar ? 2 : 1; half-- > 0;) {
        a64_vreg x = half ? avx_high(cx, n) : n, y = half ? m.high : m.low, to = half ? upper = avx_take(cx) : is_scalar ? AVX_LOW : vd;
        if (unordered) {
            for (unsigned i = 0; i < 2; i++)
                if (is_scalar)
                    a64_fcmeq_s(b, size, 17 + i, i ? y : x, i ? y : x);
                else
                    a64_fcmeq(b, arr, 17 + i, i ? y : x, i ? y : x);
            a64_and_v(b, A64_16B, to, 17, 18);
        } else if (is_scalar) {
            how[predicate].scalar(b, size, to, swapped ? y : x, swapped ? x : y);
        } else {
            how[predicate].vector(b, arr, to, swapped ? y : x, swapped ? x : y);
        }
        if (unordered ? predicate == 3 : how[predicate].opposite)
            a64_not_v(b, A64_16B, to, to);
    }
    if (is_scalar) {
        if (vd != n)
            a64_mov_v(b, vd, n);
        a64_ins_element(b, size == A64_X ? 3 : 2, vd, 0, AVX_LOW, 0);
    }
    avx_high_finish(cx, insn, upper);
    return true;
}

static bool compare(struct lower_context *cx, const struct x64_insn *insn, enum a64_size size, bool is_scalar)
{
    struct a64_buf *b = cx->b;
    if (compare_natively(cx, insn, size, is_scalar, (unsigned)insn->opd[3].value & 31))
        return true;
    unsigned predicate = (unsigned)insn->opd[3].value & 31;
    bool signals = ((predicate & 3) == 1 || (predicate & 3) == 2) != (predicate >> 4 & 1);
    enum a64_arr arr = size == A64_X ? A64_2D : A64_4S;
    struct avx_value m = avx_source(cx, insn, &insn->opd[2]);
    a64_vreg vd = insn->opd[0].reg, upper = 0;
    for (unsigned half = avx_wide(insn) && !is_scalar ? 2 : 1; half-- > 0;) {
        a64_vreg n = half ? avx_high(cx, insn->opd[1].reg) : insn->opd[1].reg, s = half ? m.high : m.low, to = half ? upper = avx_take(cx) : AVX_LOW;
#define COMPARE(how, d, x, y) do { if (is_scalar) a64_##how##_s(b, size, d, x, y); else a64_##how(b, arr, d, x, y); } while (0)
        COMPARE(fcmeq, 17, n, n);
        COMPARE(fcmeq, 18, s, s);
        a64_and_v(b, A64_16B, 17, 17, 18);          // both are numbers
        if (signals)
            COMPARE(fcmge, 18, n, s);
        a64_and_v(b, A64_16B, 19, n, 17);           // no NaN: no exception of the comparison proper
        a64_and_v(b, A64_16B, 20, s, 17);
        switch (predicate & 15) {
        case 0: case 4: case 8: case 12: COMPARE(fcmeq, 21, 19, 20); break;
        case 1: case 5: COMPARE(fcmgt, 21, 20, 19); break;
        case 2: case 6: COMPARE(fcmge, 21, 20, 19); break;
        case 9: case 13: COMPARE(fcmge, 21, 19, 20); break;
        case 10: case 14: COMPARE(fcmgt, 21, 19, 20); break;
        case 3: case 7: a64_mov_v(b, 21, 17); break;      // 19 and 23: with the exception
        default: a64_movi_zero(b, 21); break;
        }
#undef COMPARE
        a64_and_v(b, A64_16B, 21, 21, 17);
        switch (predicate & 15) {
        case 3: case 4: case 5: case 6: case 9: case 10: a64_not_v(b, A64_16B, 21, 21); break;
        // Not the complement of zero: QEMU 10.0 would know it for a constant, and gets BSL wrong where that is all ones.
        case 15: a64_cmeq(b, arr, 21, 17, 17); break;
        case 8: a64_orn_v(b, A64_16B, 21, 21, 17); break;
        case 12: a64_bic_v(b, A64_16B, 21, 17, 21); break;
        }
        a64_mov_v(b, to, 21);
    }
    if (is_scalar) {
        if (vd != insn->opd[1].reg)
            a64_mov_v(b, vd, insn->opd[1].reg);
        a64_ins_element(b, size == A64_X ? 3 : 2, vd, 0, AVX_LOW, 0);
    } else {
        a64_mov_v(b, vd, AVX_LOW);
    }
    avx_high_finish(cx, insn, upper);
    return true;
}
bool lower_VCMPPS(struct lower_context *cx, const struct x64_insn *insn) { return compare(cx, insn, A64_W, false); }
bool lower_VCMPPD(struct lower_context *cx, const struct x64_insn *insn) { return compare(cx, insn, A64_X, false); }
bool lower_VCMPSS(struct lower_context *cx, const struct x64_insn *insn) { return compare(cx, insn, A64_W, true); }
bool lower_VCMPSD(struct lower_context *cx, const struct x64_insn *insn) { return compare(cx, insn, A64_X, true); }
