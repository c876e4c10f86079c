// SPDX-License-Identifier: MIT
// PUSH POP PUSHF POPF ENTER LEAVE, pairs of the first two. rsp is SP; memory changes before SP does, and a faulting access changes neither.
#include "emu/lower/context.h"

bool lower_push_insn(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *src = &insn->opd[0];
    if (src->kind == X64_OPD_SEG) {
        a64_reg t = lower_temp(cx);
        lower_selector(cx, src->reg, t);
        lower_push(cx, insn->opsize, t);
        return true;
    }
    a64_reg value = src->kind == X64_OPD_IMM ? lower_imm(cx, A64_X, (uint64_t)src->value) : lower_read(cx, src);
    lower_push(cx, insn->opsize, value);
    return true;
}

bool lower_pop_insn(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_operand *dst = &insn->opd[0];
    struct a64_buf *b = cx->b;
    unsigned bytes = insn->opsize, log2 = lower_log2(bytes);
    if (dst->kind == X64_OPD_SEG)
        return lower_in_kernel(cx, insn);
    if (lower_is_low(dst) && bytes == 8) {
        lower_pop(cx, bytes, lower_gpr(dst->reg));
        return true;
    }
    a64_reg t = lower_temp(cx);
    if (dst->kind == X64_OPD_GPR) {                         // pop rsp: the value wins over the increment
        if (dst->reg == X64_RSP && bytes == 8) {
            lower_load(cx, log2, A64_ZERO, t, lower_mem_register(A64_SP));
            a64_mov_reg(b, A64_X, A64_SP, t);
        } else {
            lower_pop(cx, bytes, t);
            lower_write(cx, dst, t);
        }
        return true;
    }
    // To memory: an address based on rsp uses the value after the increment (SDM vol. 2, POP), which a fault of the store takes back.
    lower_pop(cx, bytes, t);
    lower_sum_forget(cx);                                   // of rsp and an index
    cx->rsp = -(int32_t)bytes;
    lower_point_here(cx);
    lower_store(cx, log2, t, lower_address(cx, insn, log2));
    cx->rsp = 0;
    return true;
}

static bool whole_register(const struct lower_context *cx, const struct lower_insn *insn, enum x64_op op)
{
    const struct x64_insn *x = &insn->x;
    return x->op == op && x->opsize == 8 && lower_is_low(&x->opd[0]) && !lower_tso(cx) && !cx->config->verify;
}

// Two PUSH or two POP of whole registers as one access, or a POP and the load of the RET behind it. It has one point, of the first: when it
// faults, the kernel finds out which of the two it is (emu/run/svc.c, split_pair). Not under TSO, which orders the two.
bool lower_is_pair(const struct lower_context *cx, const struct lower_insn *first, const struct lower_insn *second)
{
    if (whole_register(cx, first, X64_PUSH))
        return whole_register(cx, second, X64_PUSH);
    if (!whole_register(cx, first, X64_POP))
        return false;
    if (second->x.op == X64_RET)
        return cx->config->stub_return && second->x.opsize == 8 && !cx->block->taken_in;
    return whole_register(cx, second, X64_POP) && first->x.opd[0].reg != second->x.opd[0].reg;
}

void lower_pair(struct lower_context *cx, const struct lower_insn *first, const struct lower_insn *second)
{
    a64_reg a = lower_gpr(first->x.opd[0].reg), b = second->x.op == X64_RET ? 9 : lower_gpr(second->x.opd[0].reg);
    if (first->x.op == X64_PUSH)
        a64_stp(cx->b, A64_X, A64_PRE, b, a, A64_SP, -16);          // CTX_PAIR_PUSH
    else
        a64_ldp(cx->b, A64_X, A64_POST, a, b, A64_SP, 16);          // CTX_PAIR_POP
    if (cx->flags.nz == NZ_SP)
        cx->flags.sp_popped += 2;
}

// Whether nothing but POPs of whole registers comes before the RET that ends the block: NZ_SP holds from here on.
bool lower_is_epilogue(const struct lower_context *cx, const struct lower_insn *insn)
{
    const struct lower_insn *end = &cx->work->insns[cx->block->first] + cx->block->count;
    if (!cx->config->stub_return || cx->config->verify || cx->block->taken_in || ++insn >= end || end - insn > 16)
        return false;
    for (; insn < end - 1; insn++)
        if (insn->x.op != X64_POP || insn->x.opsize != 8 || !lower_is_low(&insn->x.opd[0]))
            return false;
    return insn->x.op == X64_RET && insn->x.opsize == 8 && !insn->x.operand_count;
}

// ADD or SUB of a constant to rsp whose flags cost nothing: nobody looks, or NZ_SP tells them. How much, or 0.
static int64_t moves_rsp(const struct lower_context *cx, const struct lower_insn *insn)
{
    const struct x64_insn *x = &insn->x;
    if ((x->op != X64_ADD && x->op != X64_SUB) || x->opsize != 8 || x->opd[0].kind != X64_OPD_GPR || x->opd[0].reg != X64_RSP || x->opd[1].kind != X64_OPD_IMM)
        return 0;
    int64_t value = x->opd[1].value;
    if (insn->live & X64_ARITH_FLAGS && !(x->op == X64_ADD && value > 0 && value % 8 == 0 && lower_is_epilogue(cx, insn)))
        return 0;
    return x->op == X64_ADD ? value : -value;
}

// With LRCPC2 under TSO a PUSH or POP is one word if SP does not change: LDAPUR or STLUR, at an offset. So of a run of PUSHes and POPs of whole
// registers, ADD and SUB of rsp and a RET at its end the accesses are made one by one, and SP changes once, at the end. At a fault in it rsp is
// SP + lower_point.rsp. The length of the run that begins here, 0 if it would save nothing.
unsigned lower_stack_run(const struct lower_context *cx, const struct lower_insn *insn, unsigned count)
{
    unsigned n, accesses = 0;
    int64_t rsp = 0;
    if (!lower_tso(cx) || !cx->config->features.lrcpc2 || cx->config->verify)
        return 0;
    for (n = 0; n < count; n++, insn++) {
        const struct x64_insn *x = &insn->x;
        bool whole = x->opsize == 8 && (lower_is_low(&x->opd[0]) || (x->op == X64_PUSH && x->opd[0].kind == X64_OPD_IMM));
        int64_t moved = moves_rsp(cx, insn), at = x->op == X64_PUSH ? rsp - 8 : rsp;
        bool access = (x->op == X64_RET && x->opsize == 8) || ((x->op == X64_PUSH || x->op == X64_POP) && whole);
        if (access ? !a64_ldst_simm_ok(at) : !moved || rsp + moved > 4095 || rsp + moved < -4095)
            break;
        accesses += access;
        rsp = !access ? rsp + moved : x->op == X64_PUSH ? at : at + 8;
        if (x->op == X64_RET)
            return n ? n + 1 : 0;
    }
    return accesses && n > 1 ? n : 0;
}

void lower_stack_settle(struct lower_context *cx)
{
    if (cx->rsp)
        lower_add_imm(cx, A64_X, A64_SP, A64_SP, cx->rsp);
    cx->rsp = 0;
    cx->stack_run = false;
}

// rflags as PUSHF shows them: bit 1 and IF set. LAHF uses the low byte.
a64_reg lower_flags_word(struct lower_context *cx, bool all)
{
    struct a64_buf *b = cx->b;
    lower_flags_canonical(cx, X64_ARITH_FLAGS);
    lower_point_here(cx);
    a64_reg r = lower_temp(cx), t = lower_temp(cx);
    a64_mrs_nzcv(b, t);
    a64_reg u = lower_temp(cx);
    a64_cset(b, A64_W, r, A64_CC);                          // CF
    a64_lsr_imm(b, A64_X, u, t, 30);
    a64_bfi(b, A64_X, r, u, 6, 2);                          // SF ZF
    a64_eor_reg(b, A64_W, u, 23, 24, A64_LSL, 0);
    a64_and_imm(b, A64_W, u, u, 16);
    a64_orr_reg(b, A64_W, r, r, u, A64_LSL, 0);             // AF
    a64_orr_imm(b, A64_W, r, r, 2);
    a64_eor_reg(b, A64_W, u, 23, 23, A64_LSR, 4);
    a64_eor_reg(b, A64_W, u, u, u, A64_LSR, 2);
    a64_eon_reg(b, A64_W, u, u, u, A64_LSR, 1);
    a64_bfi(b, A64_X, r, u, 2, 1);                          // PF
    if (all) {
        a64_ubfx(b, A64_X, u, t, 28, 1);
        a64_bfi(b, A64_X, r, u, 11, 1);                     // OF
        a64_ldr_uimm(b, 0, A64_ZERO, u, 28, CTX_DF + 1);    // all ones if it is negative
        a64_bfi(b, A64_X, r, u, 10, 1);                     // DF
        a64_orr_imm(b, A64_X, r, r, 0x200);                 // IF
        a64_ldr_uimm(b, 2, A64_ZERO, u, 28, CTX_EFLAGS_KEPT);
        a64_orr_reg(b, A64_X, r, r, u, A64_LSL, 0);
    }
    return r;
}

// The inverse, from bits of a register, bit 0 of the word being bit `at`: SF ZF AF PF CF; when `overflow` OF too, and all are canonical then.
static void flags_from_word(struct lower_context *cx, a64_reg r, unsigned at, bool overflow)
{
    struct a64_buf *b = cx->b;
    if (!overflow)
        lower_flags_canonical(cx, cx->live & X64_OF ? FLAGS_NZ : 0);
    if (cx->config->features.flagm) {
        a64_rmif(b, r, at + 4, 12);                         // SF ZF
        a64_rmif(b, r, (at + 63) % 64, 2);                  // CF
        if (overflow) {
            a64_rmif(b, r, at + 11, 1);
            a64_cfinv(b);
        }
    } else {
        a64_reg t = lower_temp(cx), u = lower_temp(cx);
        if (overflow) {
            a64_ubfx(b, A64_X, t, r, at + 11, 1);
            a64_lsl_imm(b, A64_X, t, t, 28);
        } else {
            a64_mrs_nzcv(b, t);
        }
        a64_ubfx(b, A64_X, u, r, at + 6, 2);
        a64_bfi(b, A64_X, t, u, 30, 2);
        if (at)
            a64_lsr_imm(b, A64_X, u, r, at);
        a64_bfi(b, A64_X, t, at ? u : r, 29, 1);
        if (overflow)
            a64_eor_imm(b, A64_X, t, t, 1ull << 29);
        a64_msr_nzcv(b, t);
    }
    if (at)
        a64_lsr_imm(b, A64_X, 24, r, at);                   // bit 4: AF
    else
        a64_mov_reg(b, A64_X, 24, r);
    a64_ubfx(b, A64_X, 23, r, at + 2, 1);
    a64_eor_imm(b, A64_X, 23, 23, 1);                       // odd parity unless PF
    lower_flags_hw(cx, overflow ? CF_INVERTED : CF_DIRECT);
    lower_pa_canonical(cx);
}

bool lower_pushf(struct lower_context *cx, const struct x64_insn *insn)
{
    lower_push(cx, insn->opsize, lower_flags_word(cx, true));
    return true;
}

// NT, AC and ID of a register: only kept. Of 16 bits NT alone.
static void lower_keep_flags(struct lower_context *cx, a64_reg r, unsigned bytes)
{
    struct a64_buf *b = cx->b;
    a64_reg t = lower_temp(cx);
    if (bytes == 2) {
        a64_reg u = lower_temp(cx);
        a64_ldr_uimm(b, 2, A64_ZERO, t, 28, CTX_EFLAGS_KEPT);
        a64_ubfx(b, A64_W, u, r, 14, 1);
        a64_bfi(b, A64_W, t, u, 14, 1);
        a64_bfi(b, A64_W, t, A64_ZR, 8, 1);                 // TF: set, it is the kernel's
    } else {
        a64_mov_const(b, A64_W, t, CTX_KEPT_BITS);
        a64_and_reg(b, A64_W, t, t, r, A64_LSL, 0);
    }
    a64_str_uimm(b, 2, t, 28, CTX_EFLAGS_KEPT);
}

bool lower_popf(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    a64_reg r = lower_temp(cx), t = lower_temp(cx);
    lower_load(cx, lower_log2(insn->opsize), A64_ZERO, r, lower_mem_register(A64_SP));
    // TF would have to trap after the next instruction: the kernel does that.
    struct lower_deferred *d = lower_defer(cx, lower_deferred_insn);
    d->back = lower_label(cx);
    lower_tbnz(cx, r, 8, d->label);
    a64_add_imm(b, A64_X, A64_SP, A64_SP, insn->opsize);
    a64_sbfx(b, A64_W, t, r, 10, 1);
    a64_orr_imm(b, A64_W, t, t, 1);
    a64_str_uimm(b, 2, t, 28, CTX_DF);
    lower_keep_flags(cx, r, insn->opsize);
    flags_from_word(cx, r, 0, true);
    lower_bind(cx, d->back);
    return true;
}

bool lower_lahf(struct lower_context *cx, const struct x64_insn *insn)
{
    (void)insn;
    a64_bfi(cx->b, A64_X, lower_gpr(X64_RAX), lower_flags_word(cx, false), 8, 8);
    return true;
}

bool lower_sahf(struct lower_context *cx, const struct x64_insn *insn)
{
    (void)insn;
    flags_from_word(cx, lower_gpr(X64_RAX), 8, false);
    return true;
}

bool lower_leave(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_reg rbp = lower_gpr(X64_RBP), t = lower_temp(cx);
    lower_load(cx, lower_log2(insn->opsize), A64_ZERO, t, lower_mem_register(rbp));
    a64_add_imm(cx->b, A64_X, A64_SP, rbp, insn->opsize);
    if (insn->opsize == 8)
        a64_mov_reg(cx->b, A64_X, rbp, t);
    else                                                    // with a 66 prefix: bp
        a64_bfi(cx->b, A64_X, rbp, t, 0, 16);
    return true;
}

// ENTER size, level: push rbp; then, for a level, the outer frames' pointers and this one's. SP moves at the very end.
bool lower_enter(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    int64_t bytes = (uint16_t)insn->opd[0].value, level = insn->opd[1].value & 31;
    if (insn->opsize != 8)
        return lower_in_kernel(cx, insn);
    a64_reg rbp = lower_gpr(X64_RBP), frame = lower_temp(cx), value = lower_temp(cx);
    lower_order_stores(cx, A64_SP, A64_ZR, rbp);
    a64_stur(b, 3, rbp, A64_SP, -8);
    a64_sub_imm(b, A64_X, frame, A64_SP, 8);
    struct lower_mem from = lower_mem_register(rbp), to = lower_mem_register(frame);
    for (int64_t i = 1; i <= level; i++) {
        from.offset = to.offset = -8 * i;
        if (i < level)
            lower_load(cx, 3, A64_ZERO, value, from);
        lower_store(cx, 3, i < level ? value : frame, to);
    }
    int64_t below = 8 + 8 * level + bytes;
    if (bytes) {                                            // the new stack top must be writable too (SDM vol. 2, ENTER): touch it
        a64_reg top = lower_temp(cx), status = lower_temp(cx);
        lower_add_imm(cx, A64_X, top, A64_SP, -below);
        a64_ldxr(b, 0, value, top);
        a64_stxr(b, 0, status, value, top);
    }
    lower_add_imm(cx, A64_X, A64_SP, A64_SP, -below);
    a64_mov_reg(b, A64_X, rbp, frame);
    return true;
}
