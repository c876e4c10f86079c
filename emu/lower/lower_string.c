// SPDX-License-Identifier: MIT
// MOVS STOS LODS CMPS SCAS, with REP.
//
// rsi, rdi and rcx change after each element, when its accesses are over: a fault in the middle leaves them as the processor does, and
// the instruction can be resumed. REP MOVS and STOS go by blocks while they can (fast). The flags before a REP CMPS or SCAS stay until it is over (SDM vol. 2, REP).
//
// x86-TSO does not order the stores of one such instruction among each other, only with all other accesses (SDM vol. 3, 9.2.4 "Fast-String
// Operation and Out-of-Order Stores"), and a fast string is moved in groups of up to a cache line. So a block's loads are in no order, but
// come before its stores and before the next block's loads.
#include "emu/a64/simd.h"
#include "emu/lower/width.h"

enum { X24 = 24 };

struct string {
    unsigned log2;
    enum a64_size s;            // of the address registers
    a64_reg df;                 // 1, or -1 when the direction flag is set (CTX_DF)
    int known;                  // the same if CLD or STD says it here, and df is nothing then; else 0
    bool rep;
};

// The direction, if that is known from an instruction of the block: 1 or -1, else 0.
static int direction(const struct lower_context *cx)
{
    const struct lower_insn *first = &cx->work->insns[cx->block->first];
    for (const struct lower_insn *i = cx->insn; i-- > first && i->x.op != X64_POPF;)
        if (i->x.op == X64_CLD || i->x.op == X64_STD)
            return i->x.op == X64_CLD ? 1 : -1;
    return 0;
}

static struct string begin(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    if (insn->prefixes & (X64_P_REP | X64_P_REPNE))
        lower_constants_forget(cx);
    struct string g = { .log2 = lower_log2(insn->opsize), .s = insn->address_size == 4 ? A64_W : A64_X };
    g.rep = insn->prefixes & (X64_P_REP | X64_P_REPNE);
    g.known = direction(cx);
    g.df = g.known ? A64_ZR : lower_temp(cx);
    if (!g.known)
        a64_ldr_uimm(b, 2, A64_SIGN64, g.df, 28, CTX_DF);
    return g;
}

// Where [rsi] or [rdi] is: only rsi can have a segment.
static struct lower_mem at(struct lower_context *cx, const struct x64_insn *insn, const struct string *g, unsigned x64_register, a64_reg into)
{
    a64_reg r = lower_gpr(x64_register);
    if (g->s == A64_W) {
        a64_mov_reg(cx->b, A64_W, into, r);
        r = into;
    }
    if (x64_register == X64_RSI && insn->segment == X64_GS) {
        a64_add_reg(cx->b, A64_X, into, r, 18, A64_LSL, 0);
        r = into;
    }
    return lower_mem_register(r);
}

static void advance(struct lower_context *cx, const struct string *g, unsigned x64_register)
{
    a64_reg r = lower_gpr(x64_register);
    if (g->known)
        (g->known > 0 ? a64_add_imm : a64_sub_imm)(cx->b, g->s, r, r, 1u << g->log2);
    else
        a64_add_reg(cx->b, g->s, r, r, g->df, A64_LSL, g->log2);
}

enum { BLOCK_LOG2 = 6, WORD_LOG2 = 3 };

// While at least 2^log2_bytes are to be done: so many at once.
static void blocks(struct lower_context *cx, const struct lower_deferred *d, unsigned log2_bytes, a64_reg t)
{
    struct a64_buf *b = cx->b;
    const struct x64_insn *insn = &d->insn->x;
    unsigned log2 = lower_log2(insn->opsize), bytes = 1u << log2_bytes;
    bool move = insn->op == X64_MOVS, wide = log2_bytes == BLOCK_LOG2;
    a64_reg rsi = lower_gpr(X64_RSI), rdi = lower_gpr(X64_RDI), rcx = lower_gpr(X64_RCX);
    uint32_t again = lower_label(cx), done = lower_label(cx);
    a64_lsr_imm(b, A64_X, t, rcx, log2_bytes - log2);
    lower_cbz(cx, A64_X, t, done);
    lower_bind(cx, again);
    if (move && wide) {
        a64_ldp_v(b, 16, 17, rsi, 0);
        a64_ldp_v(b, 18, 19, rsi, 32);
    } else if (move) {
        a64_ldr_v_uimm(b, log2_bytes, 16, rsi, 0);
    }
    if (move && lower_tso(cx))
        a64_dmb(b, A64_ISHLD);
    if (wide) {
        a64_stp_v(b, 16, move ? 17 : 16, rdi, 0);
        a64_stp_v(b, move ? 18 : 16, move ? 19 : 16, rdi, 32);
    } else {
        a64_str_v_uimm(b, log2_bytes, 16, rdi, 0);
    }
    if (move)
        a64_add_imm(b, A64_X, rsi, rsi, bytes);
    a64_add_imm(b, A64_X, rdi, rdi, bytes);
    a64_sub_imm(b, A64_X, rcx, rcx, bytes >> log2);
    a64_lsr_imm(b, A64_X, t, rcx, log2_bytes - log2);
    lower_cbnz(cx, A64_X, t, again);
    lower_bind(cx, done);
}

// Many elements at once, if they go upwards and source and destination are not nearer to each other than a block is long: then what a block
// stores is no part of what it loads, and after a fault it can be done again. value, back: labels of the element by element way and of the end.
static void fast(struct lower_context *cx, const struct lower_deferred *d)
{
    struct a64_buf *b = cx->b;
    const struct x64_insn *insn = &d->insn->x;
    a64_reg df = d->reg[0], t = d->reg[1];
    unsigned log2 = lower_log2(insn->opsize);
    uint32_t slow = (uint32_t)d->value;
    if (!cx->full) {
        struct lower_point *p = &cx->result->points[cx->result->point_count - 1];
        p->retry = cx->labels.offset[slow] * 4;
        p->exact = true;
    }
    if (df != A64_ZR)
        lower_tbnz(cx, df, 31, slow);
    if (insn->op == X64_MOVS) {
        a64_sub_reg(b, A64_X, t, lower_gpr(X64_RDI), lower_gpr(X64_RSI), A64_LSL, 0);
        a64_add_imm(b, A64_X, t, t, 1u << BLOCK_LOG2);
        a64_lsr_imm(b, A64_X, t, t, BLOCK_LOG2 + 1);
        lower_cbz(cx, A64_X, t, slow);
    } else {
        static const enum a64_arr arrangements[] = { A64_16B, A64_8H, A64_4S, A64_2D };
        a64_dup_general(b, arrangements[log2], 16, lower_gpr(X64_RAX));
    }
    lower_order_stores(cx, A64_ZR, A64_ZR, A64_ZR);
    blocks(cx, d, BLOCK_LOG2, t);
    if (log2 < WORD_LOG2) {
        blocks(cx, d, WORD_LOG2, t);
        lower_cbz(cx, A64_X, lower_gpr(X64_RCX), d->back);
        lower_b(cx, slow);
    } else {
        lower_cbnz(cx, A64_X, lower_gpr(X64_RCX), slow);
        lower_b(cx, d->back);
    }
}

bool lower_string_move(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    a64_reg rcx = lower_gpr(X64_RCX), rax = lower_gpr(X64_RAX);
    struct string g = begin(cx, insn);
    uint32_t again = lower_label(cx), done = lower_label(cx);
    bool in_place = insn->op == X64_STOS || (insn->op == X64_LODS && insn->opsize >= 4);
    a64_reg value = in_place ? rax : lower_temp(cx), p = lower_temp(cx), q = lower_temp(cx);
    if (g.rep) {
        lower_cbz(cx, g.s, rcx, done);
        if (insn->op != X64_LODS && g.s == A64_X && insn->segment != X64_GS && g.known >= 0) {
            struct lower_deferred *d = lower_defer(cx, fast);
            d->value = again;
            d->back = done;
            d->reg[0] = g.df;
            d->reg[1] = p;
            a64_lsr_imm(b, A64_X, p, rcx, (g.log2 < WORD_LOG2 ? WORD_LOG2 : BLOCK_LOG2) - g.log2);
            lower_cbnz(cx, A64_X, p, d->label);
        }
        lower_order_flush(cx);
        lower_bind(cx, again);
    }
    if (insn->op != X64_STOS)
        lower_load(cx, g.log2, A64_ZERO, value, at(cx, insn, &g, X64_RSI, p));
    if (insn->op != X64_LODS)
        lower_store(cx, g.log2, value, at(cx, insn, &g, X64_RDI, q));
    if (insn->op == X64_LODS) {
        struct x64_operand accumulator = { .kind = X64_OPD_GPR, .reg = X64_RAX, .size = insn->opsize };
        lower_write(cx, &accumulator, value);
    }
    if (insn->op != X64_STOS)
        advance(cx, &g, X64_RSI);
    if (insn->op != X64_LODS)
        advance(cx, &g, X64_RDI);
    if (g.rep) {
        a64_sub_imm(b, g.s, rcx, rcx, 1);
        lower_cbnz(cx, g.s, rcx, again);
    }
    lower_bind(cx, done);
    return true;
}

bool lower_string_compare(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    a64_reg rcx = lower_gpr(X64_RCX);
    bool scas = insn->op == X64_SCAS, equal = insn->prefixes & X64_P_REP;
    uint32_t again = lower_label(cx), over = lower_label(cx), done = lower_label(cx);
    if (insn->prefixes & (X64_P_REP | X64_P_REPNE)) {
        lower_flags_canonical(cx, X64_ARITH_FLAGS);     // what both ways out can agree on
        lower_point_here(cx);
    }
    struct string g = begin(cx, insn);
    // [rdi] goes where the recipe wants it unless that is still needed as it is, should another access fault.
    a64_reg x = scas ? lower_gpr(X64_RAX) : lower_temp(cx), y = scas && !g.rep ? X24 : lower_temp(cx), p = lower_temp(cx), q = lower_temp(cx), t = lower_temp(cx);
    if (g.rep) {
        lower_cbz(cx, g.s, rcx, done);
        lower_order_flush(cx);
        lower_bind(cx, again);
    }
    lower_load(cx, g.log2, A64_ZERO, y, at(cx, insn, &g, X64_RDI, q));       // first, as processors do: it decides which fault comes
    lower_width_set(cx, y, 8u << g.log2);
    if (!scas) {
        lower_load(cx, g.log2, A64_ZERO, x, at(cx, insn, &g, X64_RSI, p));
        lower_width_set(cx, x, 8u << g.log2);
        advance(cx, &g, X64_RSI);
    }
    advance(cx, &g, X64_RDI);
    if (g.rep) {
        enum a64_size s = lower_size(insn->opsize);
        a64_sub_imm(b, g.s, rcx, rcx, 1);
        a64_eor_reg(b, s, t, x, y, A64_LSL, 0);
        if (insn->opsize < 4)
            a64_ubfx(b, A64_W, t, t, 0, insn->opsize * 8);
        (equal ? lower_cbnz : lower_cbz)(cx, s, t, over);
        lower_cbnz(cx, g.s, rcx, again);
        lower_bind(cx, over);
    }
    lower_flags_of_compare(cx, insn->opsize, x, y);
    if (g.rep) {
        cx->temps = 0;
        lower_flags_canonical(cx, cx->live);
        cx->flags = lower_flags_at_entry;
    }
    lower_bind(cx, done);
    return true;
}
