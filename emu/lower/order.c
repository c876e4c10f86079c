// SPDX-License-Identifier: MIT
// Barriers of x86-TSO, as few as will do.
//
// A store that is no release needs a barrier between it and every store before it. If a barrier was emitted since the last store, with no way
// into the code between, that one does: DMB ISHLD becomes DMB ISH.
//
// A load that is no acquire needs DMB ISHLD between it and what comes behind it, but not at once: it is owed (cx->order). An access whose
// address was computed from what was loaded comes behind the load anyway (Arm ARM B2.3, address dependency; so does a store of a value computed
// from it), and what that access is in order with, the load is, too. So the barrier is emitted before the first access for which this does not hold, or
// becomes one with the barrier of a store; and before everything that knows nothing of it, such as exits. Code out of line and blocks take it over: who
// goes there without owing anything does no harm. A loop is entered without it, but with what the first access in it depends on, so nothing is
// paid for pointers that are followed round a loop. Exceptions are no way past it: the kernel has a barrier on its way in. What goes through flags or
// conditional selections is no dependency.
// tests/host/memory_order_test.c holds what comes out of this against the model.
#include "emu/lower/context.h"

enum { DMB_MASK = 0xfffff0ff, DMB = 0xd50330bf };

// Loads (Arm ARM C4.1.94): they may stand between a barrier and the store that it is for.
static const struct { uint32_t mask, value; } loads[] = {
    { 0x3f000000, 0x18000000 }, { 0x3f000000, 0x1c000000 },                             // literal
    { 0x3fc00000, 0x39400000 }, { 0x3f800000, 0x39800000 },                             // unsigned offset
    { 0x3fe00000, 0x38400000 }, { 0x3fa00000, 0x38800000 },                             // unscaled, post- and pre-indexed
    { 0x3fe00c00, 0x38600800 }, { 0x3fa00c00, 0x38a00800 },                             // register offset
    { 0x3f400000, 0x3d400000 }, { 0x3f600000, 0x3c400000 }, { 0x3f600c00, 0x3c600800 }, // the same with vectors
    { 0x3a400000, 0x28400000 },                                                         // LDP
    { 0xbfff0000, 0x0d400000 },                                                         // LD1 of an element
    { 0x3ffffc00, 0x08dffc00 }, { 0x3ffffc00, 0x38bfc000 }, { 0x3fe00c00, 0x19400000 }, // LDAR, LDAPR, LDAPUR
};

// Whether a store's barrier may be sought further back: the word neither stores to guest memory nor branches.
static bool is_transparent(uint32_t word)
{
    if ((word & 0xffdfffe0) == 0xd51b4200)                  // MRS, MSR NZCV
        return true;
    if ((word >> 26 & 7) == 5)                              // branches, exceptions, system
        return false;
    if ((word >> 25 & 5) != 4 || (word >> 5 & 31) == 28)    // no load or store, or of the context, which nobody else looks at
        return true;
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++)
        if ((word & loads[i].mask) == loads[i].value)
            return true;
    return false;
}

// The barrier that is in force here: its place, or -1.
static int64_t last_barrier(const struct lower_context *cx)
{
    const struct a64_buf *b = cx->b;
    if (b->full)
        return -1;
    for (int64_t i = (int64_t)b->count - 1; i >= (int64_t)cx->bound; i--) {
        if ((b->code[i] & DMB_MASK) == DMB)
            return i;
        if (!is_transparent(b->code[i]))
            break;
    }
    return -1;
}

// ---- dependencies

static uint32_t bit(uint32_t number) { return (number & 31) == 31 ? 0 : 1u << (number & 31); }

// `set`, registers that were computed from something, after one more word that is no access to guest memory. None too many.
static uint32_t flow(uint32_t set, uint32_t word)
{
    enum { NONE, N = 1, M = 2, A = 4, D = 8 };                  // operands that the result is computed from
    static const struct { uint32_t mask, value; uint8_t from; } rows[] = {
        { 0x1f000000, 0x11000000, N }, { 0x1f800000, 0x12000000, N },                               // ADD SUB, AND ORR EOR of an immediate
        { 0x7f800000, 0x72800000, D },                                                              // MOVK
        { 0x7f800000, 0x33000000, N | D }, { 0x1f800000, 0x13000000, N }, { 0x1f800000, 0x13800000, N | M },        // BFM, SBFM UBFM, EXTR
        { 0x1e000000, 0x0a000000, N | M },                                                          // of two registers
        { 0x1fe0fc00, 0x1a000000, N | M }, { 0x5fe00000, 0x1ac00000, N | M }, { 0x5fe00000, 0x5ac00000, N },        // ADC SBC; shifts, division; REV CLZ
        { 0x1f000000, 0x1b000000, N | M | A },                                                      // MADD and its like
    };
    if ((word >> 26 & 7) == 5) {                                // branches (BL writes x30), system (MRS)
        bool link = (word & 0xfc000000) == 0x94000000 || (word & 0xfffffc1f) == 0xd63f0000;
        return set & ~(link ? 1u << 30 : (word & 0xfff00000) == 0xd5300000 ? bit(word) : 0);
    }
    uint32_t from = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if ((word & rows[i].mask) == rows[i].value) {
            uint8_t of = rows[i].from;
            from = (of & N ? bit(word >> 5) : 0) | (of & M ? bit(word >> 16) : 0) | (of & A ? bit(word >> 10) : 0) | (of & D ? bit(word) : 0);
            break;
        }
    if ((word & 0x0a000000) == 0x08000000)                      // loads: of the context, the tables or a literal
        set &= ~(bit(word >> 10) | bit(word >> 16));
    return from & set ? set | bit(word) : set & ~bit(word);
}

static bool depends(struct lower_context *cx, uint32_t used)
{
    for (; cx->order.at < cx->b->count && !cx->b->full; cx->order.at++)
        cx->order.depends = flow(cx->order.depends, cx->b->code[cx->order.at]);
    return cx->order.depends & used;
}

static uint32_t registers(a64_reg a, a64_reg b) { return (a < 31 ? 1u << a : 0) | (b < 31 ? 1u << b : 0); }

void lower_order_flush(struct lower_context *cx)
{
    if (cx->order.owed)
        a64_dmb(cx->b, A64_ISHLD);
    cx->order.owed = false;
}

void lower_order_load(struct lower_context *cx, a64_reg base, a64_reg index)
{
    if (cx->order.owed && !depends(cx, registers(base, index)))
        lower_order_flush(cx);
}

void lower_order_loaded(struct lower_context *cx, a64_reg result, bool acquire)
{
    cx->order.owed = lower_tso(cx) && !acquire;
    cx->order.depends = registers(result, A64_ZR);
    cx->order.at = cx->b->count;
}

// ---- ways to other places

static bool is_loop_head(const struct lower_context *cx, int block)
{
    for (uint32_t i = (uint32_t)block; i < cx->block_count; i++)
        if (cx->work->blocks[i].taken == block || cx->work->blocks[i].next == block)
            return true;
    return false;
}

// The registers of which the address of the block's first access is made, as sets of what they are computed from at its start.
static uint16_t first_address(const struct lower_context *cx, const struct lower_block *k)
{
    uint16_t from[16];
    for (unsigned r = 0; r < 16; r++)
        from[r] = (uint16_t)(1u << r);
    for (unsigned j = 0; j < k->count; j++) {
        const struct lower_insn *insn = &cx->work->insns[k->first + j];
        const struct x64_insn *x = &insn->x;
        if (x->form & X64_F_MEM && x->op != X64_LEA && x->op != X64_NOP)
            return (uint16_t)((x->mem.base < 16 ? from[x->mem.base] : 0) | (x->mem.index < 16 ? from[x->mem.index] : 0));
        bool copy = x->op == X64_MOV && x->opd[0].kind == X64_OPD_GPR && x->opd[1].kind == X64_OPD_GPR && x->opsize == 8;
        uint16_t copied = copy ? from[x->opd[1].reg & 15] : 0;
        for (unsigned rest = insn->writes; rest; rest &= rest - 1)
            from[__builtin_ctz(rest)] = copied;
    }
    return 0;
}

static bool loads_register(const struct lower_context *cx, const struct lower_block *k, unsigned reg)
{
    for (unsigned j = 0; j < k->count; j++) {
        const struct lower_insn *insn = &cx->work->insns[k->first + j];
        if (insn->writes >> reg & 1 && insn->x.form & X64_F_MEM && insn->x.mem_operand && insn->x.op != X64_LEA)
            return true;
    }
    return false;
}

// The register whose pointer a loop follows: the first access depends on it, and it is loaded before a way back. -1: none.
static int followed(const struct lower_context *cx, int head)
{
    const struct lower_block *blocks = cx->work->blocks;
    uint16_t candidates = first_address(cx, &blocks[head]);
    for (unsigned r = 0; r < 16; r++)
        for (uint32_t i = (uint32_t)head; candidates >> r & 1 && r != X64_RSP && i < cx->block_count; i++)
            if ((blocks[i].taken == head || blocks[i].next == head) && loads_register(cx, &blocks[i], r))
                return (int)r;
    return -1;
}

// What a loop's head begins with is known at once, because the ways back come later.
static void prepare(const struct lower_context *cx, struct lower_version *v)
{
    int r = v->owed || !is_loop_head(cx, v->block) ? -1 : followed(cx, v->block);
    if (r < 0)
        return;
    v->owed = true;
    v->depends = 1u << lower_gpr((unsigned)r);
}

// Whether control may go to the version with what is owed now. If it is not emitted yet, that may change what it begins with.
static bool takes(struct lower_context *cx, struct lower_version *v, bool emitted)
{
    depends(cx, 0);
    if (!emitted)
        prepare(cx, v);
    if (emitted || is_loop_head(cx, v->block))
        return v->owed && !(v->depends & ~cx->order.depends);
    v->depends = v->owed ? v->depends & cx->order.depends : cx->order.depends;
    v->owed = true;
    return true;
}

static struct lower_version *version_at(const struct lower_context *cx, uint32_t label)
{
    for (uint32_t i = cx->version_count; i-- > 0;)
        if (cx->work->versions[i].label == label)
            return &cx->work->versions[i];
    return NULL;
}

void lower_order_branch(struct lower_context *cx, uint32_t label)
{
    if (!cx->order.owed)
        return;
    struct lower_version *v = version_at(cx, label);
    bool *owed = &cx->work->label_owed[label], bound = cx->labels.offset[label] != A64_UNBOUND;
    if (v ? !takes(cx, v, v->emitted) : bound && !*owed)
        lower_order_flush(cx);
    else
        *owed = true;
}

void lower_order_bind(struct lower_context *cx, uint32_t label)
{
    bool *owed = &cx->work->label_owed[label];
    *owed |= cx->order.owed;
    if (!*owed || version_at(cx, label))
        return;
    cx->order.owed = true;
    cx->order.depends = 0;
    cx->order.at = cx->b->count;
}

void lower_order_enter(struct lower_context *cx, struct lower_version *v, bool fallen_into)
{
    if (!lower_tso(cx))
        return;
    prepare(cx, v);
    if (fallen_into && cx->order.owed && !takes(cx, v, false))
        lower_order_flush(cx);
    cx->order.owed = v->owed;
    cx->order.depends = v->depends;
    cx->order.at = cx->b->count;
}

// ---- stores

// Makes the barrier that is in force here do for `wanted`, too; false: there is none.
static bool widen(struct lower_context *cx, enum a64_barrier wanted)
{
    int64_t at = last_barrier(cx);
    if (at >= 0 && (cx->b->code[at] >> 8 & 15) != (uint32_t)wanted)
        cx->b->code[at] = DMB | A64_ISH << 8;
    return at >= 0;
}

void lower_order_stores(struct lower_context *cx, a64_reg base, a64_reg index, a64_reg value)
{
    if (!lower_tso(cx))
        return;
    bool owed = cx->order.owed && !depends(cx, registers(base, index) | registers(value, A64_ZR));
    if (!widen(cx, A64_ISHST)) {
        a64_dmb(cx->b, cx->order.owed ? A64_ISH : A64_ISHST);
        cx->order.owed = false;
    } else if (owed) {
        lower_order_flush(cx);
    }
}

void lower_order_all(struct lower_context *cx)
{
    if (cx->order.owed || !widen(cx, A64_ISH))
        a64_dmb(cx->b, A64_ISH);
    cx->order.owed = false;
}
