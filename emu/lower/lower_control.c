// SPDX-License-Identifier: MIT
// Control: JMP Jcc CALL RET LOOP JRCXZ, and what leaves to the kernel.
#include "emu/lower/callee.h"
#include "emu/lower/verify.h"

bool lower_jcc(struct lower_context *cx, const struct x64_insn *insn)
{
    lower_join_early(cx);
    struct lower_condition c = lower_condition(cx, insn->cond);
    if (c.test != TEST_NEVER)
        lower_branch_taken(cx, c);
    return true;
}

bool lower_jrcxz(struct lower_context *cx, const struct x64_insn *insn)
{
    lower_join_early(cx);
    lower_cbz(cx, insn->address_size == 4 ? A64_W : A64_X, lower_gpr(X64_RCX), lower_taken_label(cx));
    return true;
}

// LOOP, LOOPE, LOOPNE: the count first, no flags changed.
bool lower_loop(struct lower_context *cx, const struct x64_insn *insn)
{
    enum a64_size s = insn->address_size == 4 ? A64_W : A64_X;
    a64_reg rcx = lower_gpr(X64_RCX);
    lower_join_early(cx);
    if (insn->op == X64_LOOP) {
        a64_sub_imm(cx->b, s, rcx, rcx, 1);
        lower_cbnz(cx, s, rcx, lower_taken_label(cx));
        return true;
    }
    struct lower_condition c;
    lower_condition_nzcv(cx, insn->op == X64_LOOPE ? X64_CC_E : X64_CC_NE, &c);    // rcx may be what the flags come from
    uint32_t over = lower_label(cx);
    uint32_t taken = lower_taken_label(cx);
    a64_sub_imm(cx->b, s, rcx, rcx, 1);
    lower_cbz(cx, s, rcx, over);
    lower_branch(cx, c, taken);
    lower_bind(cx, over);
    return true;
}

// Where the value of an indirect target is: in its register, or in x9.
static a64_reg target_of(struct lower_context *cx, const struct x64_insn *insn)
{
    lower_constants_forget(cx);
    const struct x64_operand *opd = &insn->opd[0];
    if (opd->kind != X64_OPD_MEM && opd->reg != X64_RSP)
        return lower_gpr(opd->reg);
    if (opd->kind == X64_OPD_MEM)
        lower_load(cx, 3, A64_ZERO, 9, lower_address(cx, insn, 3));
    else
        a64_mov_reg(cx->b, A64_X, 9, A64_SP);
    return 9;
}

// The call's return address onto the stack, and left in x10 as shadow entries have it (ctx.h).
static void push_return(struct lower_context *cx, const struct x64_insn *insn)
{
    int back = cx->block->back;
    lower_const(cx, 10, insn->rip + insn->length);
    lower_push(cx, 8, 10);
    if (back >= 0 && cx->work->blocks[back].back_in)
        a64_eor_imm(cx->b, A64_X, 10, 10, CTX_SHADOW_FLAGS);
}

// The shadow entry of a call whose target does not make it. Uses x10, x30.
static void push_shadow(struct lower_context *cx)
{
    int back = cx->block->back;
    if (back < 0)
        return;
    cx->result->returns = true;
    a64_label_use(&cx->labels, cx->b, lower_join_label(cx, lower_join_canonical(cx, back)), A64_REACH_19);
    a64_adr(cx->b, 30, 0);
    lower_shadow_push(cx);
}

// A call of an EC function whose entry thunk is known, and whose return looks at no flags. They are lost.
static bool call_ec(struct lower_context *cx, const struct x64_insn *insn)
{
    uint64_t function = cx->block->taken_rip, thunk;
    int back = cx->block->back;
    if (!cx->config->stub_call_ec || back < 0 || cx->work->blocks[back].read_in || !lower_assume_thunk(cx, function, &thunk))
        return false;
    cx->temps = 2;                      // x10, x11
    lower_const(cx, 10, insn->rip + insn->length);
    struct lower_mem top = lower_mem_register(A64_SP);
    top.offset = -8;
    lower_store(cx, 3, 10, top);
    push_shadow(cx);
    lower_const(cx, 9, function);
    lower_const(cx, 11, thunk);
    lower_order_flush(cx);
    a64_b(cx->b, (int64_t)(cx->config->stub_call_ec - (cx->config->code_va + cx->b->count * 4ull)));
    return true;
}

bool lower_jmp(struct lower_context *cx, const struct x64_insn *insn)
{
    if (cx->loose & LOOSE_REL) {
        lower_loose_target(cx, insn);
        lower_go_indirect(cx, 9, 0, NULL);
        return true;
    }
    if (cx->block->end == END_JUMP) {
        lower_go_last(cx, cx->block->taken, cx->block->taken_rip);
        return true;
    }
    lower_go_indirect(cx, target_of(cx, insn), 0, NULL);
    return true;
}

bool lower_call(struct lower_context *cx, const struct x64_insn *insn)
{
    if (cx->block->taken_in) {          // its code comes next
        lower_push(cx, 8, lower_imm(cx, A64_X, insn->rip + insn->length));
        return true;
    }
    lower_constants_forget(cx);
    if (cx->config->no_readers && lower_returns_to_reader(cx, cx->block)) {
        lower_svc(cx, SVC_EMU_READER);
        return true;
    }
    if (cx->loose & LOOSE_REL) {
        lower_loose_target(cx, insn);
        lower_go_indirect(cx, 9, 0, push_return);
        return true;
    }
    if (cx->block->end == END_CALL) {
        bool ec = cx->source->is_ec(cx->source->context, cx->block->taken_rip);
        if (ec && call_ec(cx, insn))
            return true;
        push_return(cx, insn);
        if (cx->block->back >= 0 && !ec) {
            lower_go_call(cx, cx->block->back, cx->block->taken_rip);
            return true;
        }
        push_shadow(cx);
        lower_go(cx, -1, cx->block->taken_rip);
        return true;
    }
    a64_reg target = target_of(cx, insn);
    if (cx->block->back >= 0)
        lower_call_indirect(cx, target, cx->block->back, push_return);
    else
        lower_go_indirect(cx, target, 0, push_return);
    return true;
}

// RET to a target in x9 that is no user address: the shadow entry and what has been added to SP is taken back.
static void bad_return(struct lower_context *cx, const struct lower_deferred *d)
{
    a64_sub_imm(cx->b, A64_X, 14, 14, 16);
    lower_add_imm(cx, A64_X, A64_SP, A64_SP, -(int64_t)d->value);
    lower_svc(cx, SVC_EMU_INSN);
}

// The shadow entry is another one, or says that flags are read behind the call.
static void return_slowly(struct lower_context *cx, const struct lower_deferred *d)
{
    lower_flags_canonical(cx, X64_ARITH_FLAGS);
    if (cx->owed.is) {                  // now it is as any other is: taken
        lower_owed_pay(cx);
        a64_add_imm(cx->b, A64_X, 14, 14, 16);
    }
    a64_reg t = lower_temp(cx);
    struct lower_deferred *bad = lower_defer(cx, bad_return);
    bad->value = d->value;
    a64_lsr_imm(cx->b, A64_X, t, 9, 47);
    lower_cbnz(cx, A64_X, t, bad->label);
    lower_order_flush(cx);
    a64_b(cx->b, (int64_t)(cx->config->stub_return - (cx->config->code_va + cx->b->count * 4ull)));
}

// The callee has changed its return address.
static void return_elsewhere(struct lower_context *cx, const struct lower_deferred *d)
{
    a64_mov_reg(cx->b, A64_X, 9, d->reg[0]);
    lower_go_indirect(cx, 9, d->value, NULL);
}

// What RET pops, and the bytes that it adds to rsp.
static void pop_target(struct lower_context *cx, a64_reg target, uint64_t extra)
{
    if (cx->stack_run) {
        lower_pop(cx, 8, target);
        cx->rsp += (int32_t)extra;
        lower_stack_settle(cx);
    } else if (extra) {
        lower_load(cx, 3, A64_ZERO, target, lower_mem_register(A64_SP));
        lower_add_imm(cx, A64_X, A64_SP, A64_SP, (int64_t)extra + 8);
    } else {
        lower_pop(cx, 8, target);
    }
}

// Of a callee in the region: the code behind its call comes next.
static bool return_in(struct lower_context *cx, uint64_t extra)
{
    if (cx->block->unchanged && cx->stack_run) {
        cx->rsp += (int32_t)extra + 8;
        lower_stack_settle(cx);
        return true;
    }
    if (cx->block->unchanged) {
        lower_add_imm(cx, A64_X, A64_SP, A64_SP, (int64_t)extra + 8);
        return true;
    }
    a64_reg target = lower_temp(cx);
    pop_target(cx, target, extra);
    a64_reg expected = lower_imm(cx, A64_X, cx->block->next_rip), other = lower_temp(cx);
    struct lower_deferred *elsewhere = lower_defer(cx, return_elsewhere);
    elsewhere->reg[0] = target;
    elsewhere->value = extra + 8;
    a64_sub_reg(cx->b, A64_X, other, target, expected, A64_LSL, 0);
    lower_cbnz(cx, A64_X, other, elsewhere->label);
    return true;
}

bool lower_ret(struct lower_context *cx, const struct x64_insn *insn)
{
    uint64_t extra = insn->operand_count ? (uint16_t)insn->opd[0].value : 0;
    if (cx->block->taken_in)
        return return_in(cx, extra);
    bool sure = lower_owed_is_sure(cx);
    lower_constants_forget(cx);
    lower_claim(cx, 9);
    if (cx->returning) {
        cx->returning = false;
        if (extra)
            lower_add_imm(cx, A64_X, A64_SP, A64_SP, (int64_t)extra);
    } else if (sure && !cx->stack_run) {                  // x9 is only for who is found to go elsewhere (run/svc.c): no memory order
        a64_ldr_post(cx->b, 3, A64_ZERO, 9, A64_SP, 8);
        if (extra)
            lower_add_imm(cx, A64_X, A64_SP, A64_SP, (int64_t)extra);
    } else {
        pop_target(cx, 9, extra);
    }
    if (sure) {
        lower_order_flush(cx);
        a64_ret(cx->b, 30);
        return true;
    }
    if (!cx->config->stub_return) {
        lower_go_indirect(cx, 9, extra + 8, NULL);
        return true;
    }
    // What is in the shadow entry is a user address.
    struct lower_deferred *slow = lower_defer(cx, return_slowly);
    slow->value = extra + 8;
    bool owed = cx->owed.is;
    if (!owed)
        a64_ldp(cx->b, A64_X, A64_POST, 10, 11, 14, 16);    // CTX_SHADOW_POP
    a64_sub_reg(cx->b, A64_X, owed ? 11 : 10, 10, 9, A64_LSL, 0);
    lower_cbnz(cx, A64_X, owed ? 11 : 10, slow->label);
    lower_order_flush(cx);
    a64_ret(cx->b, owed ? 30 : 11);
    return true;
}

// INT3, UD2, HLT, SYSCALL, ...: the kernel looks at the instruction and raises, or serves and continues at an address.
bool lower_trap(struct lower_context *cx, const struct x64_insn *insn)
{
    (void)insn;
    lower_svc(cx, SVC_EMU_TRAP);
    return true;
}

bool lower_nop(struct lower_context *cx, const struct x64_insn *insn)
{
    (void)cx;
    (void)insn;
    return true;
}

bool lower_pause(struct lower_context *cx, const struct x64_insn *insn)
{
    (void)insn;
    a64_yield(cx->b);
    return true;
}

// MFENCE orders everything. LFENCE and SFENCE add nothing: non-temporal accesses are ordered like all others.
bool lower_fence(struct lower_context *cx, const struct x64_insn *insn)
{
    if (lower_tso(cx) && insn->op == X64_MFENCE)
        lower_order_all(cx);
    return true;
}

// CLFLUSH and CLWB: memory is coherent here; only the access remains, which may fault.
bool lower_cache_line(struct lower_context *cx, const struct x64_insn *insn)
{
    lower_load(cx, 0, A64_ZERO, lower_temp(cx), lower_address(cx, insn, 0));
    return true;
}

// ---- flag instructions
bool lower_clc(struct lower_context *cx, const struct x64_insn *insn)
{
    struct lower_flags *f = &cx->flags;
    if (!(cx->live & X64_CF))
        return true;
    lower_carry_detach(cx);
    if (insn->op == X64_CLC) {
        f->cf = CF_ZERO;
        return true;
    }
    if (insn->op == X64_CMC && (f->nz == NZ_HW || f->nz == NZ_INC || f->nz == NZ_DEC) && (f->cf == CF_INVERTED || f->cf == CF_DIRECT)) {
        f->cf = f->cf == CF_INVERTED ? CF_DIRECT : CF_INVERTED;         // the other way to read the same C
        return true;
    }
    a64_reg old = insn->op == X64_CMC ? lower_cf_bit(cx) : A64_ZR;
    if (old == A64_ZR)
        a64_mov_const(cx->b, A64_W, 7, 1);
    else
        a64_eor_imm(cx->b, A64_W, 7, old, 1);
    lower_flags_cf_x7(cx);
    return true;
}

bool lower_cld(struct lower_context *cx, const struct x64_insn *insn)
{
    a64_reg t = lower_imm(cx, A64_W, insn->op == X64_STD ? 0xffffffff : 1);
    a64_str_uimm(cx->b, 2, t, 28, CTX_DF);
    return true;
}
