// SPDX-License-Identifier: MIT
// Read-modify-write of memory, and the instructions made for it: XADD, CMPXCHG, CMPXCHG8B, CMPXCHG16B.
//
// With one observer (MODEL_PLAIN) LOCK costs nothing: load, compute, store. Under TSO a locked operation is an exclusive loop
// LDAXR .. STLXR followed by DMB ISH, and CMPXCHG has DMB ISH before it as well, because it may turn out to be only a load
// (schemes I1 and H4 of the technique sheet). An address that is not naturally aligned faults and is the kernel's business.
#include "emu/lower/context.h"

static bool is_locked(const struct lower_context *cx, const struct x64_insn *insn)
{
    return lower_tso(cx) && insn->prefixes & X64_P_LOCK;
}

struct lower_rmw lower_rmw_begin(struct lower_context *cx, const struct x64_insn *insn, unsigned bytes)
{
    if (is_locked(cx, insn))
        return lower_rmw_begin_at(cx, insn, bytes, lower_mem_register(lower_address_register(cx, insn)));
    return lower_rmw_begin_at(cx, insn, bytes, lower_address(cx, insn, lower_log2(bytes)));
}

struct lower_rmw lower_rmw_begin_at(struct lower_context *cx, const struct x64_insn *insn, unsigned bytes, struct lower_mem at)
{
    struct lower_rmw w = { .log2 = lower_log2(bytes), .locked = is_locked(cx, insn), .mem = at };
    if (w.locked) {
        w.old = lower_temp(cx);
        w.again = lower_label(cx);
        lower_bind(cx, w.again);
        a64_ldaxr(cx->b, w.log2, w.old, w.mem.base);
    } else {
        w.old = lower_temp(cx);
        lower_load(cx, w.log2, A64_ZERO, w.old, w.mem);
    }
    return w;
}

void lower_rmw_end(struct lower_context *cx, const struct lower_rmw *w, a64_reg value)
{
    if (!w->locked) {
        lower_store(cx, w->log2, value, w->mem);
        return;
    }
    uint8_t mark = cx->temps;
    a64_reg failed = lower_temp(cx);
    a64_stlxr(cx->b, w->log2, failed, value, w->mem.base);
    lower_cbnz(cx, A64_W, failed, w->again);
    a64_dmb(cx->b, A64_ISH);
    cx->temps = mark;
}

// XADD: destination += source, source = old destination.
bool lower_xadd(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *dst = &insn->opd[0], *src = &insn->opd[1];
    struct a64_buf *b = cx->b;
    unsigned bytes = dst->size;
    enum a64_size s = lower_size(bytes);
    a64_reg o = lower_read(cx, src), t, old;
    if (dst->kind == X64_OPD_MEM) {
        struct lower_rmw w = lower_rmw_begin(cx, insn, bytes);
        t = lower_temp(cx);
        a64_add_reg(b, s, t, w.old, o, A64_LSL, 0);
        lower_rmw_end(cx, &w, t);
        old = w.old;
    } else {
        old = lower_temp(cx);
        a64_mov_reg(b, A64_X, old, lower_read(cx, dst));
        t = lower_temp(cx);
        a64_add_reg(b, s, t, old, o, A64_LSL, 0);
    }
    lower_flags_of_sum(cx, false, bytes, old, o, t);
    lower_write(cx, src, old);
    if (dst->kind != X64_OPD_MEM)
        lower_write(cx, dst, t);                    // last: XADD r,r with equal registers keeps the sum
    return true;
}

// CMPXCHG: the accumulator is compared with the destination; equal: source stored, else destination into the accumulator. Memory is
// written either way (SDM vol. 2, CMPXCHG).
bool lower_cmpxchg(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *dst = &insn->opd[0], *src = &insn->opd[1];
    struct a64_buf *b = cx->b;
    unsigned bytes = dst->size, bits = bytes * 8;
    enum a64_size s = lower_size(bytes);
    bool memory = dst->kind == X64_OPD_MEM;
    a64_reg rax = lower_gpr(X64_RAX), o = lower_read(cx, src);
    a64_reg accumulator = lower_temp(cx);           // rax may be written before the flags are computed
    a64_mov_reg(b, A64_X, accumulator, rax);
    struct lower_rmw w = { 0 };
    if (memory) {
        if (lower_tso(cx) && insn->prefixes & X64_P_LOCK)
            a64_dmb(b, A64_ISH);
        w = lower_rmw_begin(cx, insn, bytes);
    } else {
        w.old = lower_temp(cx);
        a64_mov_reg(b, A64_X, w.old, lower_read(cx, dst));
    }
    a64_reg differ = lower_temp(cx), t = lower_temp(cx);
    uint32_t store = lower_label(cx), equal = lower_label(cx);
    a64_eor_reg(b, s, differ, w.old, accumulator, A64_LSL, 0);
    if (bytes < 4)
        a64_ubfx(b, A64_W, differ, differ, 0, bits);
    a64_mov_reg(b, A64_X, t, w.old);
    lower_cbnz(cx, s, differ, store);
    a64_mov_reg(b, A64_X, t, o);
    lower_bind(cx, store);
    if (memory)
        lower_rmw_end(cx, &w, t);
    lower_flags_of_compare(cx, bytes, accumulator, w.old);
    // Only the one of the two that changes is written, which shows in its upper half: a 32-bit write would clear it.
    struct x64_operand eax = { .kind = X64_OPD_GPR, .reg = X64_RAX, .size = (uint16_t)bytes };
    uint32_t done = lower_label(cx);
    lower_cbz(cx, s, differ, equal);
    lower_write(cx, &eax, w.old);
    if (!memory)
        lower_b(cx, done);
    lower_bind(cx, equal);
    if (!memory)
        lower_write(cx, dst, t);
    lower_bind(cx, done);
    return true;
}

// ZF = bit 0 of t, the other flags as they were.
static void set_zf(struct lower_context *cx, a64_reg t)
{
    struct a64_buf *b = cx->b;
    if (!(cx->live & FLAGS_NZC))
        return;
    lower_flags_to_hw(cx, cx->live, CF_INVERTED);
    a64_reg u = lower_temp(cx);
    a64_mrs_nzcv(b, u);
    a64_bfi(b, A64_X, u, t, 30, 1);
    a64_msr_nzcv(b, u);
}

static void raise_here(struct lower_context *cx, const struct lower_deferred *d)
{
    (void)d;
    lower_svc(cx, SVC_EMU_TRAP);
}

bool lower_cmpxchg8b(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    bool wide = insn->op == X64_CMPXCHG16B, locked = lower_tso(cx);
    enum a64_size s = wide ? A64_X : A64_W;
    a64_reg rax = lower_gpr(X64_RAX), rdx = lower_gpr(X64_RDX), rbx = lower_gpr(X64_RBX), rcx = lower_gpr(X64_RCX);
    a64_reg at = lower_address_register(cx, insn);
    a64_reg low = lower_temp(cx), high = lower_temp(cx), t = lower_temp(cx), u = lower_temp(cx);
    if (at == A64_SP) {
        at = lower_temp(cx);
        a64_mov_reg(b, A64_X, at, A64_SP);
    }
    if (wide) {                                     // #GP unless aligned
        a64_and_imm(b, A64_X, t, at, 15);
        lower_cbnz(cx, A64_X, t, lower_defer(cx, raise_here)->label);
    }
    uint32_t again = lower_label(cx), store = lower_label(cx), equal = lower_label(cx);
    if (locked)
        a64_dmb(b, A64_ISH);
    lower_bind(cx, again);
    if (!wide) {                                    // one doubleword holds both halves
        if (locked)
            a64_ldaxr(b, 3, low, at);
        else
            a64_ldr_uimm(b, 3, A64_ZERO, low, at, 0);
        a64_lsr_imm(b, A64_X, high, low, 32);
    } else if (locked) {
        a64_ldaxp(b, s, low, high, at);
    } else {
        a64_ldp(b, s, A64_OFFSET, low, high, at, 0);
    }
    a64_eor_reg(b, s, t, low, rax, A64_LSL, 0);
    a64_eor_reg(b, s, u, high, rdx, A64_LSL, 0);
    a64_orr_reg(b, s, t, t, u, A64_LSL, 0);         // 0: equal
    a64_reg new_low = lower_temp(cx), new_high = lower_temp(cx);
    a64_mov_reg(b, A64_X, new_low, low);
    a64_mov_reg(b, A64_X, new_high, high);
    lower_cbnz(cx, s, t, store);
    a64_mov_reg(b, s, new_low, rbx);
    a64_mov_reg(b, s, new_high, rcx);
    if (!wide)
        a64_orr_reg(b, A64_X, new_low, new_low, new_high, A64_LSL, 32);
    lower_bind(cx, store);
    if (locked) {
        if (wide)
            a64_stlxp(b, s, u, new_low, new_high, at);
        else
            a64_stlxr(b, 3, u, new_low, at);
        lower_cbnz(cx, A64_W, u, again);
        a64_dmb(b, A64_ISH);
    } else if (wide) {
        a64_stp(b, s, A64_OFFSET, new_low, new_high, at, 0);
    } else {
        a64_str_uimm(b, 3, new_low, at, 0);
    }
    a64_clz(b, s, u, t);
    a64_lsr_imm(b, A64_W, u, u, wide ? 6 : 5);      // 1: equal
    set_zf(cx, u);
    lower_cbz(cx, s, t, equal);
    a64_mov_reg(b, s, rax, low);
    a64_mov_reg(b, s, rdx, high);
    lower_bind(cx, equal);
    return true;
}
