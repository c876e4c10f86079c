// SPDX-License-Identifier: MIT
// Read-modify-write of memory, and the instructions made for it: XADD, CMPXCHG, CMPXCHG8B, CMPXCHG16B.
//
// With one observer (MODEL_PLAIN) LOCK costs nothing: load, compute, store. Under TSO a locked operation is one LSE instruction with
// acquire and release where there is one, else an exclusive loop LDXR .. STLXR followed by DMB ISH. (LDAXR would add nothing: the loop always
// stores, nobody stores between its halves, and the barrier orders what comes behind with the store.) A compare-exchange that fails stores what was
// there, as x64 processors do (SDM vol. 2, CMPXCHG); the loop does so, too. CASAL may not: it is only a load then and needs DMB ISH
// before it, unless every store before it was a release, which cannot be known. Checked by tests/host/memory_order_test.c.
// An address that is not naturally aligned faults and is the kernel's business.
#include "emu/lower/width.h"

enum { X23 = 23, X24 = 24 };

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
        lower_order_flush(cx);
        lower_bind(cx, w.again);
        a64_ldxr(cx->b, w.log2, w.old, w.mem.base);
    } else {
        w.old = lower_temp(cx);
        lower_load(cx, w.log2, A64_ZERO, w.old, w.mem);
    }
    lower_width_set(cx, w.old, 8u << w.log2);
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

bool lower_is_atomic(const struct lower_context *cx, const struct x64_insn *insn)
{
    return insn->prefixes & X64_P_LOCK && cx->config->features.lse;     // with one observer, too: it is shorter
}

// CAS is shorter than what it does, even where nobody asks for it to be done at once; nobody looks either.
static bool is_short(const struct lower_context *cx)
{
    return cx->config->features.lse && !lower_tso(cx);
}

void lower_atomic_into(struct lower_context *cx, enum lower_atomic op, unsigned bytes, a64_reg at, a64_reg value, a64_reg old)
{
    static void (*const forms[])(struct a64_buf *, unsigned, a64_reg, a64_reg, a64_reg) = {
        [ATOMIC_ADD] = a64_ldaddal, [ATOMIC_CLEAR] = a64_ldclral, [ATOMIC_XOR] = a64_ldeoral, [ATOMIC_SET] = a64_ldsetal, [ATOMIC_SWAP] = a64_swpal,
    };
    forms[op](cx->b, lower_log2(bytes), value, old, at);        // with XZR for `old` it would not be an acquire (Arm ARM C6.2 LDADD)
    cx->order.owed = false;                     // what comes before is before its store, what comes behind is behind that
}

a64_reg lower_atomic(struct lower_context *cx, enum lower_atomic op, unsigned bytes, a64_reg at, a64_reg value)
{
    a64_reg old = lower_temp(cx);
    lower_atomic_into(cx, op, bytes, at, value, old);
    lower_width_set(cx, old, bytes * 8);
    return old;
}

// XADD: destination += source, source = old destination. The recipe takes that from where it is then.
static bool xadd_registers(struct lower_context *cx, const struct x64_operand *dst, const struct x64_operand *src)
{
    struct a64_buf *b = cx->b;
    enum a64_size s = lower_size(dst->size);
    a64_reg d = lower_gpr(dst->reg), o = lower_gpr(src->reg), old = lower_temp(cx);
    bool nzc = cx->live & FLAGS_NZC;
    a64_mov_reg(b, s, old, d);
    (nzc ? a64_adds_reg : a64_add_reg)(b, s, d, d, o, A64_LSL, 0);
    a64_mov_reg(b, A64_X, o, old);
    if (nzc)
        lower_flags_hw(cx, CF_DIRECT);
    lower_pa(cx, PA_ADD, d, o);
    return true;
}

bool lower_xadd(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *dst = &insn->opd[0], *src = &insn->opd[1];
    struct a64_buf *b = cx->b;
    unsigned bytes = dst->size;
    enum a64_size s = lower_size(bytes);
    bool memory = dst->kind == X64_OPD_MEM, flags = cx->live & X64_ARITH_FLAGS, whole = bytes >= 4 && lower_is_low(src);
    if (!memory && whole && lower_is_low(dst) && dst->reg != src->reg)
        return xadd_registers(cx, dst, src);
    a64_reg o = lower_read(cx, src), t, old;
    if (lower_is_atomic(cx, insn)) {
        a64_reg at = lower_address_register(cx, insn);
        old = whole && !flags ? lower_gpr(src->reg) : lower_temp(cx);
        lower_atomic_into(cx, ATOMIC_ADD, bytes, at, o, old);
        t = A64_ZR;
    } else if (memory) {
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
    if (memory && whole && flags) {
        a64_adds_reg(b, s, X23, old, o, A64_LSL, 0);
        lower_flags_hw(cx, CF_DIRECT);
        lower_pa(cx, PA_ADD, X23, lower_gpr(src->reg));
    } else {
        lower_flags_of_sum(cx, false, bytes, old, o, t);
    }
    lower_write(cx, src, old);
    if (!memory)
        lower_write(cx, dst, t);                    // last: XADD r,r with equal registers keeps the sum
    return true;
}

// CMPXCHG: the accumulator is compared with the destination; equal: source stored, else destination into the accumulator. Memory is
// written either way (SDM vol. 2, CMPXCHG). Only the one of the two that changes is written, which shows in its upper half: a 32-bit write
// would clear it.
//
// With the accumulator itself: it is equal.
static bool cmpxchg_accumulator(struct lower_context *cx, const struct x64_operand *src)
{
    struct x64_operand rax = { .kind = X64_OPD_GPR, .reg = X64_RAX, .size = src->size };
    a64_reg o = lower_read(cx, src);
    if (src->size == 4 || o != lower_gpr(X64_RAX)) {        // to itself, too, a 32-bit register is written
        if (src->size >= 4)
            a64_mov_reg(cx->b, lower_size(src->size), lower_gpr(X64_RAX), o);
        else
            lower_write(cx, &rax, o);
    }
    lower_flags_logic(cx, A64_ZR, src->size);
    lower_pa(cx, PA_LOGIC, A64_ZR, 0);
    return true;
}

static bool cmpxchg_register(struct lower_context *cx, const struct x64_operand *dst, const struct x64_operand *src)
{
    struct a64_buf *b = cx->b;
    unsigned bytes = dst->size;
    enum a64_size s = lower_size(bytes);
    a64_reg rax = lower_gpr(X64_RAX), o = lower_read(cx, src);
    if (dst->kind == X64_OPD_GPR && dst->reg == X64_RAX)
        return cmpxchg_accumulator(cx, src);
    struct x64_operand accumulator = { .kind = X64_OPD_GPR, .reg = X64_RAX, .size = (uint16_t)bytes };
    if (bytes >= 4) {
        a64_reg old = lower_read(cx, dst), d = lower_is_low(dst) ? lower_gpr(dst->reg) : lower_temp(cx);
        a64_reg zero_old = lower_read_zero(cx, dst), zero_o = lower_read_zero(cx, src);
        if (cx->live & FLAGS_PA)
            a64_eor_reg(b, A64_X, X24, rax, old, A64_LSL, 0);
        a64_subs_reg(b, s, X23, rax, old, A64_LSL, 0);
        a64_csel(b, A64_X, rax, rax, zero_old, A64_EQ);
        a64_csel(b, A64_X, d, zero_o, old, A64_EQ);
        if (d != lower_gpr(dst->reg))                   // rsp
            a64_mov_reg(b, A64_X, A64_SP, d);
        lower_flags_hw(cx, CF_INVERTED);
        lower_pa_canonical(cx);
        return true;
    }
    a64_reg old = X24;                                  // zero-extended, as the flags want it
    if (dst->kind == X64_OPD_GPR8_HIGH)
        lower_read_into(cx, dst, old);
    else
        a64_ubfx(b, A64_W, old, lower_read(cx, dst), 0, bytes * 8);
    lower_width_set(cx, old, bytes * 8);
    a64_reg to_rax = lower_temp(cx), to_dst = lower_temp(cx);
    lower_flags_of_compare(cx, bytes, rax, old);
    if (!(cx->live & X64_ARITH_FLAGS)) {
        a64_eor_reg(b, A64_W, to_rax, rax, old, A64_LSL, 0);
        a64_ands_imm(b, A64_W, A64_ZR, to_rax, bytes == 1 ? 0xff : 0xffff);
    }
    a64_csel(b, A64_X, to_rax, rax, old, A64_EQ);
    a64_csel(b, A64_X, to_dst, o, old, A64_EQ);
    lower_write(cx, &accumulator, to_rax);
    lower_write(cx, dst, to_dst);
    return true;
}

// One instruction with FEAT_LSE.
static bool cmpxchg_atomic(struct lower_context *cx, const struct x64_insn *insn, a64_reg o)
{
    struct a64_buf *b = cx->b;
    unsigned bytes = insn->opd[0].size;
    a64_reg rax = lower_gpr(X64_RAX), at = lower_address_register(cx, insn), old = lower_temp(cx);
    a64_mov_reg(b, A64_X, old, rax);
    if (lower_tso(cx))
        lower_order_all(cx);
    a64_casal(b, lower_log2(bytes), old, o, at);
    lower_width_set(cx, old, bytes * 8);
    if (bytes >= 4 && (cx->live & X64_ARITH_FLAGS || bytes == 4)) {
        a64_subs_reg(b, lower_size(bytes), X23, rax, old, A64_LSL, 0);
        lower_flags_hw(cx, CF_INVERTED);
        lower_pa(cx, PA_SUB, X23, rax);             // which is `old` then, as far as it counts
    } else {
        lower_flags_of_compare(cx, bytes, rax, old);
    }
    if (bytes == 8)
        a64_mov_reg(b, A64_X, rax, old);
    else if (bytes == 4)
        a64_csel(b, A64_X, rax, rax, old, A64_EQ);
    else
        a64_bfi(b, A64_X, rax, old, 0, bytes * 8);
    return true;
}

// The rare way: writes back what is there, and does the rest of the instruction.
static void cmpxchg_fails(struct lower_context *cx, const struct lower_deferred *d)
{
    const struct x64_operand *dst = &d->insn->x.opd[0];
    unsigned bytes = dst->size;
    struct lower_rmw w = { .log2 = lower_log2(bytes), .locked = d->reg[3] & 1, .old = d->reg[0] };
    w.mem = (struct lower_mem){ .base = d->reg[1], .index = d->reg[2], .scaled = d->reg[3] >> 1 & 1 };
    if (w.locked)
        w.again = (uint32_t)d->value;
    else
        w.mem.offset = (int64_t)d->value;
    cx->temps = d->reg[3] >> 2;
    lower_rmw_end(cx, &w, w.old);
    lower_flags_of_compare(cx, bytes, lower_gpr(X64_RAX), w.old);
    struct x64_operand accumulator = { .kind = X64_OPD_GPR, .reg = X64_RAX, .size = (uint16_t)bytes };
    lower_write(cx, &accumulator, w.old);
    lower_b(cx, d->back);
}

bool lower_cmpxchg(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *dst = &insn->opd[0], *src = &insn->opd[1];
    struct a64_buf *b = cx->b;
    unsigned bytes = dst->size;
    enum a64_size s = lower_size(bytes);
    if (dst->kind != X64_OPD_MEM)
        return cmpxchg_register(cx, dst, src);
    a64_reg o = lower_read(cx, src), rax = lower_gpr(X64_RAX);
    if (lower_is_atomic(cx, insn) || is_short(cx))
        return cmpxchg_atomic(cx, insn, o);
    if (is_locked(cx, insn))
        lower_constants_forget(cx);                 // cmpxchg_fails goes to the beginning again, with other things in temporaries
    struct lower_rmw w = lower_rmw_begin(cx, insn, bytes);
    a64_reg differ = lower_temp(cx);
    a64_eor_reg(b, s, differ, w.old, rax, A64_LSL, 0);
    if (bytes < 4)
        a64_ubfx(b, A64_W, differ, differ, 0, bytes * 8);
    struct lower_deferred *d = lower_defer(cx, cmpxchg_fails);
    d->back = lower_label(cx);
    d->value = w.locked ? w.again : (uint64_t)w.mem.offset;
    d->reg[0] = w.old;
    d->reg[1] = w.mem.base;
    d->reg[2] = w.mem.index;
    d->reg[3] = (a64_reg)(w.locked | w.mem.scaled << 1 | cx->temps << 2);
    lower_cbnz(cx, s, differ, d->label);
    lower_rmw_end(cx, &w, o);
    lower_flags_of_compare(cx, bytes, rax, w.old);
    lower_bind(cx, d->back);
    return true;
}

// ZF = (low == rax and high == rdx), the other flags as they were; NZCV says so, too.
static void set_zf_if_equal(struct lower_context *cx, enum a64_size s, a64_reg low, a64_reg high, a64_reg t, a64_reg u)
{
    struct a64_buf *b = cx->b;
    a64_reg rax = lower_gpr(X64_RAX), rdx = lower_gpr(X64_RDX);
    bool others = cx->live & X64_ARITH_FLAGS & ~X64_ZF;
    if (others)
        lower_flags_to_hw(cx, cx->live, CF_INVERTED);
    if (others && cx->config->features.flagm) {
        a64_eor_reg(b, s, t, low, rax, A64_LSL, 0);
        a64_eor_reg(b, s, u, high, rdx, A64_LSL, 0);
        a64_orr_reg(b, s, t, t, u, A64_LSL, 0);
        a64_clz(b, s, t, t);
        a64_rmif(b, t, s == A64_X ? 4 : 3, 4);      // the bit that only a count of all bits has
        return;
    }
    if (others)
        a64_mrs_nzcv(b, u);
    a64_subs_reg(b, s, A64_ZR, low, rax, A64_LSL, 0);
    a64_ccmp_reg(b, s, high, rdx, 0, A64_EQ);
    if (others) {
        a64_cset(b, A64_W, t, A64_EQ);
        a64_bfi(b, A64_X, u, t, 30, 1);
        a64_msr_nzcv(b, u);
    } else {
        lower_flags_hw(cx, CF_INVERTED);
    }
}

static void raise_here(struct lower_context *cx, const struct lower_deferred *d)
{
    (void)d;
    lower_svc(cx, SVC_EMU_TRAP);
}

// t = 0 if rdx:rax is high:low.
static void pair_differs(struct lower_context *cx, enum a64_size s, a64_reg t, a64_reg u, a64_reg low, a64_reg high)
{
    a64_eor_reg(cx->b, s, t, low, lower_gpr(X64_RAX), A64_LSL, 0);
    a64_eor_reg(cx->b, s, u, high, lower_gpr(X64_RDX), A64_LSL, 0);
    a64_orr_reg(cx->b, s, t, t, u, A64_LSL, 0);
}

// The exclusive loop or, with one observer, the load and the store. Out: what was there, t = 0 if it was equal.
static void exchange_pair(struct lower_context *cx, bool wide, bool locked, a64_reg at, a64_reg low, a64_reg high, a64_reg t, a64_reg u)
{
    struct a64_buf *b = cx->b;
    enum a64_size s = wide ? A64_X : A64_W;
    uint32_t again = lower_label(cx), store = lower_label(cx);
    lower_order_flush(cx);
    lower_bind(cx, again);
    if (!wide) {                                    // one doubleword holds both halves
        if (locked)
            a64_ldxr(b, 3, low, at);
        else
            a64_ldr_uimm(b, 3, A64_ZERO, low, at, 0);
        a64_lsr_imm(b, A64_X, high, low, 32);
    } else if (locked) {
        a64_ldxp(b, s, low, high, at);
    } else {
        a64_ldp(b, s, A64_OFFSET, low, high, at, 0);
    }
    pair_differs(cx, s, t, u, low, high);
    uint8_t mark = cx->temps;
    a64_reg new_low = lower_temp(cx), new_high = lower_temp(cx);
    a64_mov_reg(b, A64_X, new_low, low);
    a64_mov_reg(b, A64_X, new_high, high);
    lower_cbnz(cx, s, t, store);
    a64_mov_reg(b, s, new_low, lower_gpr(X64_RBX));
    a64_mov_reg(b, s, new_high, lower_gpr(X64_RCX));
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
    if (!wide)
        a64_mov_reg(b, A64_W, low, low);
    cx->temps = mark;
}

// The same as one instruction. low and high are a pair of registers as CASPAL wants it; x16 and x17 are another one.
static void exchange_pair_atomic(struct lower_context *cx, enum a64_size s, a64_reg at, a64_reg low, a64_reg high)
{
    struct a64_buf *b = cx->b;
    a64_reg new_low = 16, new_high = 17;
    lower_claim(cx, new_low);
    lower_claim(cx, new_high);
    a64_mov_reg(b, s, low, lower_gpr(X64_RAX));
    a64_mov_reg(b, s, high, lower_gpr(X64_RDX));
    a64_mov_reg(b, s, new_low, lower_gpr(X64_RBX));
    a64_mov_reg(b, s, new_high, lower_gpr(X64_RCX));
    if (lower_tso(cx))
        lower_order_all(cx);
    a64_caspal(b, s, low, new_low, at);
}

bool lower_cmpxchg8b(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    bool wide = insn->op == X64_CMPXCHG16B;
    enum a64_size s = wide ? A64_X : A64_W;
    a64_reg low = lower_temp(cx), high = lower_temp(cx), at = lower_address_register(cx, insn);
    if (at == A64_SP || at == 16 || at == 17) {
        a64_reg from = at;
        at = lower_temp(cx);
        a64_mov_reg(b, A64_X, at, from);
    }
    uint8_t mark = cx->temps;
    if (wide) {                                     // #GP unless aligned
        a64_reg t = lower_temp(cx);
        a64_and_imm(b, A64_X, t, at, 15);
        lower_cbnz(cx, A64_X, t, lower_defer(cx, raise_here)->label);
        cx->temps = mark;
    }
    bool atomic = lower_is_atomic(cx, insn) || is_short(cx);
    a64_reg t = atomic ? A64_ZR : lower_temp(cx), u = atomic ? A64_ZR : lower_temp(cx);
    if (atomic) {
        exchange_pair_atomic(cx, s, at, low, high);
        t = lower_temp(cx), u = lower_temp(cx);
    } else {
        exchange_pair(cx, wide, lower_tso(cx), at, low, high, t, u);
    }
    set_zf_if_equal(cx, s, low, high, t, u);
    a64_reg rax = lower_gpr(X64_RAX), rdx = lower_gpr(X64_RDX);
    if (wide) {                                     // if they are equal, they stay
        a64_mov_reg(b, s, rax, low);
        a64_mov_reg(b, s, rdx, high);
    } else {                                        // and so do their upper halves
        a64_csel(b, A64_X, rax, rax, low, A64_EQ);
        a64_csel(b, A64_X, rdx, rdx, high, A64_EQ);
    }
    return true;
}
