// SPDX-License-Identifier: MIT
// The halves of ymm registers, and the VEX forms of what SSE has.
#include "emu/lower/facts.h"
#include "emu/lower/lower_avx.h"
#include "emu/lower/lower_exact.h"

enum { CTX = 28 };

void avx_high_read(struct lower_context *cx, a64_vreg v, unsigned ymm)
{
    if (cx->facts.high_zero >> ymm & 1)
        a64_movi_zero(cx->b, v);
    else
        a64_ldr_v_uimm(cx->b, 4, v, CTX, CTX_YMM_HIGH + 16 * (int)ymm);
}

void avx_high_write(struct lower_context *cx, unsigned ymm, a64_vreg v)
{
    a64_str_v_uimm(cx->b, 4, v, CTX, CTX_YMM_HIGH + 16 * (int)ymm);
    cx->facts.high_zero &= (uint16_t)~(1u << ymm);
}

void avx_high_clear(struct lower_context *cx, unsigned ymm)
{
    lower_exact_check(cx);
    if (cx->facts.high_zero >> ymm & 1)
        return;
    a64_stp(cx->b, A64_X, A64_OFFSET, A64_ZR, A64_ZR, CTX, CTX_YMM_HIGH + 16 * (int)ymm);
    cx->facts.high_zero |= (uint16_t)(1u << ymm);
}

void avx_high_clear_all(struct lower_context *cx)
{
    bool zero = false;
    for (unsigned i = 0; i < 16; i += 2) {
        if (cx->facts.high_zero >> i & 3) {     // one at least is zero already
            avx_high_clear(cx, i);
            avx_high_clear(cx, i + 1);
            continue;
        }
        if (!zero)
            a64_movi_zero(cx->b, 16);
        zero = true;
        a64_stp_v(cx->b, 16, 16, CTX, CTX_YMM_HIGH + 16 * (int)i);
    }
    cx->facts.high_zero = 0xffff;
}

void avx_high_finish(struct lower_context *cx, const struct x64_insn *insn, a64_vreg v)
{
    lower_exact_check(cx);
    if (insn->opd[0].kind == X64_OPD_YMM)
        avx_high_write(cx, insn->opd[0].reg, v);
    else
        avx_high_clear(cx, insn->opd[0].reg);
}

a64_vreg avx_source(struct lower_context *cx, const struct x64_insn *insn, const struct x64_operand *opd)
{
    if (opd->kind == X64_OPD_YMM)
        avx_high_read(cx, AVX_M_HIGH, opd->reg);
    if (opd->kind != X64_OPD_MEM)
        return opd->reg;
    if (opd->size < 32)
        return lower_sse_read(cx, opd, AVX_M_LOW);
    struct lower_mem low = lower_sse_address(cx, insn, 4);
    if (!lower_tso(cx) && low.index == A64_ZR && a64_ldp_ok(4, low.offset)) {
        a64_ldp_v(cx->b, AVX_M_LOW, AVX_M_HIGH, low.base, low.offset);
        return AVX_M_LOW;
    }
    struct lower_mem high = lower_mem_at(cx, low, 4, 16);
    lower_load_v(cx, 4, AVX_M_LOW, low);
    lower_load_v(cx, 4, AVX_M_HIGH, high);
    return AVX_M_LOW;
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
        low = vector_operand(avx_source(cx, insn, m));
        high = m->size == 32 ? vector_operand(AVX_M_HIGH) : low;    // else the count of a shift
    }
    if (to->kind == X64_OPD_YMM) {
        avx_high_read(cx, AVX_HIGH, insn->opd[1].reg);
        cx->temps = 0;
        legacy(cx, insn, function, AVX_HIGH, &high, third, shift);
        cx->temps = 0;
    }
    a64_vreg vd = to->reg, n = insn->opd[1].reg;
    if (vd != n && ((vector && m->reg == vd) || (integer && m->kind == X64_OPD_MEM)))
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
    avx_high_finish(cx, insn, AVX_HIGH);
    return true;
}
#define X(name, shift) \
    bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) \
    { \
        return lower_avx_float(cx, insn, lower_##name) || avx_three(cx, insn, lower_##name, shift); \
    }
AVX_THREE(X)
#undef X

static bool packed(struct lower_context *cx, const struct x64_insn *insn, enum a64_arr arr,
                   void (*emit)(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg, a64_vreg))
{
    a64_vreg m = avx_source(cx, insn, &insn->opd[2]), n = insn->opd[1].reg;
    if (avx_wide(insn)) {
        avx_high_read(cx, AVX_HIGH, n);
        emit(cx->b, arr, AVX_HIGH, AVX_HIGH, AVX_M_HIGH);
    }
    emit(cx->b, arr, insn->opd[0].reg, n, m);
    avx_high_finish(cx, insn, AVX_HIGH);
    return true;
}
#define X(name, emitter, arr) \
    bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) { return packed(cx, insn, A64_##arr, a64_##emitter); }
SSE_PACKED(X)
#undef X

static bool vector(struct lower_context *cx, const struct x64_insn *insn,
                   void (*operation)(struct lower_context *, a64_vreg, a64_vreg, a64_vreg, unsigned), unsigned shift)
{
    a64_vreg m = avx_source(cx, insn, &insn->opd[2]), n = insn->opd[1].reg;
    unsigned extra = insn->operand_count > 3 ? (unsigned)insn->opd[3].value & 0xff : 0;
    if (avx_wide(insn)) {
        avx_high_read(cx, AVX_HIGH, n);
        operation(cx, AVX_HIGH, AVX_HIGH, AVX_M_HIGH, extra >> shift);
    }
    operation(cx, insn->opd[0].reg, n, m, extra);
    avx_high_finish(cx, insn, AVX_HIGH);
    return true;
}
#define X(name, shift) \
    bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) { return vector(cx, insn, vector_##name, shift); }
AVX_VECTOR(X)
#undef X
bool lower_VPBLENDD(struct lower_context *cx, const struct x64_insn *insn) { return vector(cx, insn, vector_BLENDPS, 4); }

#define X(name, feature) \
    bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) \
    { \
        return cx->config->features.feature ? vector(cx, insn, vector_##name, 0) : lower_in_kernel(cx, insn); \
    }
AVX_CRYPTO(X)
#undef X

static bool shift_elements(struct lower_context *cx, const struct x64_insn *insn,
                           void (*shift)(struct lower_context *, a64_vreg, a64_vreg, const struct x64_operand *))
{
    struct x64_operand by = insn->opd[2];
    if (by.kind != X64_OPD_IMM)
        by = vector_operand(avx_source(cx, insn, &by));
    if (avx_wide(insn)) {
        avx_high_read(cx, AVX_HIGH, insn->opd[1].reg);
        shift(cx, AVX_HIGH, AVX_HIGH, &by);
    }
    shift(cx, insn->opd[0].reg, insn->opd[1].reg, &by);
    avx_high_finish(cx, insn, AVX_HIGH);
    return true;
}
#define X(name, ...) \
    bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) { return shift_elements(cx, insn, vector_shift_##name); }
SSE_SHIFT(X)
#undef X

static bool two(struct lower_context *cx, const struct x64_insn *insn, lower_function *function, unsigned shift)
{
    const struct x64_operand *third = insn->operand_count > 2 ? &insn->opd[2] : 0;
    struct x64_operand low = vector_operand(avx_source(cx, insn, &insn->opd[1])), high = vector_operand(AVX_M_HIGH);
    cx->temps = 0;
    if (insn->opd[0].kind == X64_OPD_YMM)
        legacy(cx, insn, function, AVX_HIGH, &high, third, shift);
    cx->temps = 0;
    legacy(cx, insn, function, insn->opd[0].reg, &low, third, 0);
    avx_high_finish(cx, insn, AVX_HIGH);
    return true;
}
#define X(name, shift) \
    bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) { return two(cx, insn, lower_##name, shift); }
AVX_TWO(X)
#undef X
#define X(name, feature) \
    bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) \
    { \
        return cx->config->features.feature ? two(cx, insn, lower_##name, 0) : lower_in_kernel(cx, insn); \
    }
AVX_CRYPTO_TWO(X)
#undef X

static bool widen(struct lower_context *cx, const struct x64_insn *insn, lower_function *function, unsigned bytes)
{
    a64_vreg m = avx_source(cx, insn, &insn->opd[1]);
    struct x64_operand low = vector_operand(m), high = vector_operand(AVX_M_HIGH);
    if (insn->opd[0].kind == X64_OPD_YMM) {
        a64_ext(cx->b, A64_16B, AVX_M_HIGH, m, m, bytes);
        legacy(cx, insn, function, AVX_HIGH, &high, 0, 0);
    }
    legacy(cx, insn, function, insn->opd[0].reg, &low, 0, 0);
    avx_high_finish(cx, insn, AVX_HIGH);
    return true;
}
#define X(name, bytes) \
    bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) { return widen(cx, insn, lower_##name, bytes); }
AVX_WIDEN(X)
#undef X

static bool narrow(struct lower_context *cx, const struct x64_insn *insn, lower_function *function)
{
    struct x64_operand low = vector_operand(avx_source(cx, insn, &insn->opd[1])), high = vector_operand(AVX_M_HIGH);
    bool wide = insn->opd[1].size == 32;
    if (wide)
        legacy(cx, insn, function, AVX_HIGH, &high, 0, 0);
    legacy(cx, insn, function, insn->opd[0].reg, &low, 0, 0);
    if (wide)
        a64_ins_element(cx->b, 3, insn->opd[0].reg, 1, AVX_HIGH, 0);
    avx_high_clear(cx, insn->opd[0].reg);
    return true;
}
#define X(name, unused) bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) { return narrow(cx, insn, lower_##name); }
AVX_NARROW(X)
#undef X

#define X(name) bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) { return lower_##name(cx, insn); }
AVX_READ(X)
#undef X

#define X(name) \
    bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) \
    { \
        a64_vreg m = avx_source(cx, insn, &insn->opd[2]), vd = insn->opd[0].reg, n = insn->opd[1].reg, mask = insn->opd[3].reg; \
        if (avx_wide(insn)) { \
            avx_high_read(cx, AVX_HIGH, n); \
            avx_high_read(cx, AVX_LOW, mask); \
            vector_##name(cx, AVX_HIGH, AVX_HIGH, AVX_M_HIGH, AVX_LOW); \
        } \
        vector_##name(cx, vd, n, m, mask); \
        avx_high_finish(cx, insn, AVX_HIGH); \
        return true; \
    }
AVX_SELECT(X)
#undef X

// ---- moves

static void probe_both_pages(struct lower_context *cx, const struct lower_deferred *d)
{
    cx->temps = 2;                              // the address is in one of the first two
    lower_probe_span(cx, d->reg[0], 32);
    lower_b(cx, d->back);
}

// 32 bytes that cross a page: both pages are tried first, so that a fault leaves nothing written.
static void store_wide(struct lower_context *cx, const struct x64_insn *insn, a64_vreg low, a64_vreg high)
{
    struct lower_mem mem;
    struct lower_low known = lower_address_low(&cx->facts, &insn->mem);
    if (insn->form & X64_F_ALIGNED || (!cx->config->verify && known.bits == 5 && !known.value)) {
        mem = lower_sse_address(cx, insn, 4);
    } else {
        a64_reg at = lower_address_register(cx, insn), t = lower_temp(cx);
        a64_add_imm(cx->b, A64_X, t, at, 31);
        if (at == A64_SP) {
            at = lower_temp(cx);
            a64_mov_reg(cx->b, A64_X, at, A64_SP);
        }
        a64_eor_reg(cx->b, A64_X, t, t, at, A64_LSL, 0);
        struct lower_deferred *d = lower_defer(cx, probe_both_pages);
        d->reg[0] = at;
        d->back = lower_label(cx);
        lower_tbnz(cx, t, 12, d->label);
        lower_bind(cx, d->back);
        mem = lower_mem_register(at);
    }
    if (!lower_tso(cx) && mem.index == A64_ZR && a64_ldp_ok(4, mem.offset)) {
        a64_stp_v(cx->b, low, high, mem.base, mem.offset);
        return;
    }
    struct lower_mem next = lower_mem_at(cx, mem, 4, 16);
    lower_store_v(cx, 4, low, mem);
    lower_store_v(cx, 4, high, next);
}

static bool move(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *to = &insn->opd[0], *from = &insn->opd[1];
    if (to->kind == X64_OPD_MEM && to->size == 32) {
        avx_high_read(cx, AVX_M_HIGH, from->reg);
        store_wide(cx, insn, from->reg, AVX_M_HIGH);
        return true;
    }
    if (to->kind == X64_OPD_MEM)
        return lower_MOVUPS(cx, insn);
    a64_vreg m = avx_source(cx, insn, from);
    if (m != to->reg)
        a64_mov_v(cx->b, to->reg, m);
    avx_high_finish(cx, insn, AVX_M_HIGH);
    return true;
}
#define X(name) bool lower_V##name(struct lower_context *cx, const struct x64_insn *insn) { return move(cx, insn); }
AVX_MOVE(X)
#undef X

// One element; a load or a general register zeroes the rest.
static bool move_one(struct lower_context *cx, const struct x64_insn *insn, lower_function *function)
{
    if (insn->operand_count > 2)
        return avx_three(cx, insn, function, 0);
    if (!function(cx, insn))
        return false;
    if (insn->opd[0].kind == X64_OPD_XMM)
        avx_high_clear(cx, insn->opd[0].reg);
    return true;
}
bool lower_VMOVSS(struct lower_context *cx, const struct x64_insn *insn) { return move_one(cx, insn, lower_MOVSS); }
bool lower_VMOVSD(struct lower_context *cx, const struct x64_insn *insn) { return move_one(cx, insn, lower_MOVSD); }
bool lower_VMOVD(struct lower_context *cx, const struct x64_insn *insn) { return move_one(cx, insn, lower_MOVD); }
bool lower_VMOVQ(struct lower_context *cx, const struct x64_insn *insn) { return move_one(cx, insn, lower_MOVQ); }

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
    a64_vreg m = avx_source(cx, insn, &insn->opd[1]), n = insn->opd[0].reg;
    a64_and_v(b, A64_16B, 17, n, m);
    a64_bic_v(b, A64_16B, 18, m, n);
    if (avx_wide(insn)) {
        avx_high_read(cx, AVX_HIGH, n);
        a64_and_v(b, A64_16B, 19, AVX_HIGH, AVX_M_HIGH);
        a64_bic_v(b, A64_16B, 20, AVX_M_HIGH, AVX_HIGH);
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

// How NEON compares: for equality quietly, for order with the exception. True: predicate is one of those, or the opposite of one.
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
    if (predicate > 15 || !how[predicate].vector)
        return false;
    struct a64_buf *b = cx->b;
    a64_vreg m = avx_source(cx, insn, &insn->opd[2]), vd = insn->opd[0].reg, n = insn->opd[1].reg;
    bool swapped = how[predicate].swapped;
    for (unsigned half = avx_wide(insn) && !is_scalar ? 2 : 1; half-- > 0;) {
        a64_vreg x = n, y = m, to = half ? AVX_HIGH : is_scalar ? AVX_LOW : vd;
        if (half) {
            avx_high_read(cx, x = AVX_HIGH, n);
            y = AVX_M_HIGH;
        }
        if (is_scalar)
            how[predicate].scalar(b, size, to, swapped ? y : x, swapped ? x : y);
        else
            how[predicate].vector(b, size == A64_X ? A64_2D : A64_4S, to, swapped ? y : x, swapped ? x : y);
        if (how[predicate].opposite)
            a64_not_v(b, A64_16B, to, to);
    }
    if (is_scalar) {
        if (vd != n)
            a64_mov_v(b, vd, n);
        a64_ins_element(b, size == A64_X ? 3 : 2, vd, 0, AVX_LOW, 0);
    }
    avx_high_finish(cx, insn, AVX_HIGH);
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
    a64_vreg m = avx_source(cx, insn, &insn->opd[2]), vd = insn->opd[0].reg;
    for (unsigned half = avx_wide(insn) && !is_scalar ? 2 : 1; half-- > 0;) {
        a64_vreg n = half ? AVX_HIGH : insn->opd[1].reg, s = half ? AVX_M_HIGH : m, to = half ? AVX_HIGH : AVX_LOW;
        if (half)
            avx_high_read(cx, AVX_HIGH, insn->opd[1].reg);
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
        case 3: case 7: a64_mov_v(b, 21, 17); break;
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
    avx_high_finish(cx, insn, AVX_HIGH);
    return true;
}
bool lower_VCMPPS(struct lower_context *cx, const struct x64_insn *insn) { return compare(cx, insn, A64_W, false); }
bool lower_VCMPPD(struct lower_context *cx, const struct x64_insn *insn) { return compare(cx, insn, A64_X, false); }
bool lower_VCMPSS(struct lower_context *cx, const struct x64_insn *insn) { return compare(cx, insn, A64_W, true); }
bool lower_VCMPSD(struct lower_context *cx, const struct x64_insn *insn) { return compare(cx, insn, A64_X, true); }
