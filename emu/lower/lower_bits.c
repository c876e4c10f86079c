// SPDX-License-Identifier: MIT
// BT BTS BTR BTC, BSF BSR, POPCNT LZCNT TZCNT, CRC32.
#include "emu/a64/simd.h"
#include "emu/lower/context.h"

enum { X7 = 7, X23 = 23, X24 = 24 };

static void change_bit(struct lower_context *cx, enum x64_op op, enum a64_size s, a64_reg d, a64_reg a, a64_reg mask, uint64_t constant)
{
    struct a64_buf *b = cx->b;
    if (mask == A64_ZR) {
        if (op == X64_BTR)
            a64_and_imm(b, s, d, a, s == A64_X ? ~constant : ~constant & 0xffffffff);
        else
            (op == X64_BTS ? a64_orr_imm : a64_eor_imm)(b, s, d, a, constant);
        return;
    }
    (op == X64_BTS ? a64_orr_reg : op == X64_BTR ? a64_bic_reg : a64_eor_reg)(b, s, d, a, mask, A64_LSL, 0);
}

bool lower_bit_test(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    const struct x64_operand *opd = &insn->opd[0], *index = &insn->opd[1];
    unsigned bytes = opd->size, bits = bytes * 8, log2 = lower_log2(bytes);
    enum a64_size s = lower_size(bytes);
    bool memory = opd->kind == X64_OPD_MEM, constant = index->kind == X64_OPD_IMM, write = insn->op != X64_BT;
    unsigned n = constant ? (unsigned)index->value & (bits - 1) : 0;
    bool cf = cx->live & X64_CF;
    a64_reg position = A64_ZR, mask = A64_ZR, a;
    struct lower_rmw w = { 0 };
    struct lower_mem m = { 0 };
    if (!constant) {
        position = lower_read(cx, index);
        if (memory) {                               // the register may point far outside: whole elements are added to the address
            a64_reg at = lower_temp(cx), base = lower_address_register(cx, insn);       // temporaries are scarce with LOCK
            a64_sbfx(b, A64_X, at, position, log2 + 3, bits - (log2 + 3));
            if (base == A64_SP)
                a64_add_ext(b, A64_X, at, base, at, A64_UXTX, log2);
            else
                a64_add_reg(b, A64_X, at, base, at, A64_LSL, log2);
            if (insn->mem.address_size == 4)
                a64_mov_reg(b, A64_W, at, at);
            m = lower_mem_register(at);
        }
        if (bits == 16) {
            a64_reg p = lower_temp(cx);
            a64_and_imm(b, A64_W, p, position, 15);
            position = p;
        }
        if (write) {
            mask = lower_temp(cx);
            a64_mov_const(b, A64_W, mask, 1);
            a64_lslv(b, s, mask, mask, position);
        }
    } else if (memory) {
        m = (lower_tso(cx) && insn->prefixes & X64_P_LOCK) || lower_is_atomic(cx, insn) ? lower_mem_register(lower_address_register(cx, insn)) : lower_address(cx, insn, log2);
    }
    if (write && lower_is_atomic(cx, insn)) {
        static const enum lower_atomic atomics[] = { ATOMIC_SET, ATOMIC_CLEAR, ATOMIC_XOR };
        a = lower_atomic(cx, atomics[insn->op == X64_BTS ? 0 : insn->op == X64_BTR ? 1 : 2], bytes, m.base, constant ? lower_imm(cx, s, 1ull << n) : mask);
    } else if (memory && write) {
        w = lower_rmw_begin_at(cx, insn, bytes, m);
        a64_reg t = lower_temp(cx);
        change_bit(cx, insn->op, s, t, w.old, mask, 1ull << n);
        lower_rmw_end(cx, &w, t);
        a = w.old;
    } else if (memory) {
        a = lower_temp(cx);
        lower_load(cx, log2, A64_ZERO, a, m);
    } else {
        a = lower_read(cx, opd);
    }
    if (cf) {
        lower_carry_detach(cx);
        if (constant) {
            a64_ubfx(b, A64_X, X7, a, n, 1);
        } else {
            a64_lsrv(b, s, X7, a, position);
            a64_and_imm(b, A64_W, X7, X7, 1);
        }
        lower_flags_cf_x7(cx);
    }
    if (!memory && write) {
        a64_reg d = lower_destination(cx, opd);
        change_bit(cx, insn->op, s, d, a, mask, 1ull << n);
        lower_write(cx, opd, d);
    }
    return true;
}

// BSF, BSR: a zero source leaves the destination alone.
bool lower_bit_scan(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    const struct x64_operand *dst = &insn->opd[0];
    enum a64_size s = lower_size(dst->size);
    bool bsf = insn->op == X64_BSF, narrow = dst->size == 2;
    a64_reg source = narrow && !bsf ? lower_read_zero(cx, &insn->opd[1]) : lower_read(cx, &insn->opd[1]);
    a64_reg t = lower_temp(cx), old = lower_read(cx, dst);
    if (bsf) {
        a64_rbit(b, s, t, source);
        a64_clz(b, s, t, t);
    } else {
        a64_clz(b, s, t, source);
        a64_eor_imm(b, s, t, t, s == A64_X ? 63 : 31);
    }
    if (bsf && narrow)
        a64_ands_imm(b, s, A64_ZR, source, 0xffff);
    else
        a64_subs_reg(b, s, A64_ZR, source, A64_ZR, A64_LSL, 0);
    lower_flags_hw(cx, bsf && narrow ? CF_DIRECT : CF_INVERTED);        // CF = 0
    lower_pa(cx, PA_LOGIC, A64_ZR, 0);
    struct x64_operand whole = *dst;
    if (dst->size == 4)
        whole.size = 8;
    a64_reg d = dst->size == 2 ? t : lower_destination(cx, &whole);
    a64_csel(b, A64_X, d, old, t, A64_EQ);          // all 64 bits: a 32-bit destination keeps its upper half too
    lower_write(cx, &whole, d);
    return true;
}

void lower_count_ones(struct lower_context *cx, enum a64_size s, a64_reg d, a64_reg r)
{
    struct a64_buf *b = cx->b;
    if (cx->config->features.cssc) {
        a64_cnt(b, s, d, r);
        return;
    }
    a64_fmov_from_general(b, s, 16, r);
    a64_cnt_v(b, A64_8B, 16, 16);
    a64_addv(b, A64_8B, 16, 16);
    a64_fmov_to_general(b, A64_W, d, 16);
}

bool lower_popcnt(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    const struct x64_operand *dst = &insn->opd[0];
    enum a64_size s = lower_size(dst->size);
    a64_reg source = dst->size == 2 ? lower_read_zero(cx, &insn->opd[1]) : lower_read(cx, &insn->opd[1]);
    a64_reg d = lower_destination(cx, dst);
    lower_count_ones(cx, s, d, source);
    lower_write(cx, dst, d);
    if (cx->live & X64_ARITH_FLAGS) {               // only ZF may be set; SF cannot come out
        a64_reg from = lower_is_low(dst) ? lower_gpr(dst->reg) : X24;
        if (from == X24)
            a64_mov_reg(b, A64_X, X24, d);
        lower_flags_logic(cx, from, dst->size);
        if (cx->live & FLAGS_NZ && from == X24)
            lower_flags_to_hw(cx, FLAGS_NZC, CF_INVERTED);
        if (cx->live & FLAGS_PA) {
            a64_mov_const(b, A64_X, X23, 1);        // odd parity
            a64_mov_reg(b, A64_X, X24, X23);
            lower_pa_canonical(cx);
        }
    }
    return true;
}

bool lower_count_zeroes(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    const struct x64_operand *dst = &insn->opd[0];
    enum a64_size s = lower_size(dst->size);
    bool narrow = dst->size == 2;
    a64_reg source = narrow ? lower_read_zero(cx, &insn->opd[1]) : lower_read(cx, &insn->opd[1]);
    a64_reg d = narrow ? lower_temp(cx) : lower_destination(cx, dst);
    if (insn->op == X64_LZCNT) {
        a64_clz(b, s, d, source);
        if (narrow)
            a64_sub_imm(b, A64_W, d, d, 16);
    } else {
        if (narrow) {
            a64_orr_imm(b, A64_W, d, source, 0x10000);
            source = d;
        }
        a64_rbit(b, s, d, source);
        a64_clz(b, s, d, d);
    }
    lower_write(cx, dst, d);
    if (!(cx->live & X64_ARITH_FLAGS))
        return true;
    if (cx->live & X64_CF)                          // the count is the width only for a zero source
        a64_lsr_imm(b, A64_W, X7, d, dst->size == 8 ? 6 : dst->size == 4 ? 5 : 4);
    a64_reg from = lower_is_low(dst) ? lower_gpr(dst->reg) : X23;
    if (from == X23)
        a64_mov_reg(b, A64_X, X23, d);
    lower_flags_logic(cx, from, dst->size);
    lower_flags_cf_x7(cx);
    lower_pa(cx, PA_LOGIC, from, 0);
    return true;
}

bool lower_crc32(struct lower_context *cx, const struct x64_insn *insn)
{
    if (!cx->config->features.crc32)
        return lower_in_kernel(cx, insn);
    const struct x64_operand *dst = &insn->opd[0], *src = &insn->opd[1];
    a64_reg value = lower_read(cx, src), d = lower_destination(cx, dst);
    a64_crc32c(cx->b, lower_log2(src->size), d, lower_read(cx, dst), value);
    lower_write(cx, dst, d);
    return true;
}
