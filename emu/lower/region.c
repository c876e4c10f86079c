// SPDX-License-Identifier: MIT
// A region from entry to exits: walks the blocks, joins their flags, writes exits, stubs and literals.
#include "emu/lower/facts.h"
#include "emu/lower/lazy.h"
#include "emu/lower/lower_chain.h"
#include "emu/lower/lower_count.h"
#include "emu/lower/lower_exact.h"
#include "emu/lower/lower_mask.h"
#include "emu/lower/lower_x87.h"
#include "emu/lower/verify.h"
#include "emu/lower/width.h"
#include "kernel/abi/process.h"

// ---- labels and branches
uint32_t lower_label(struct lower_context *cx)
{
    uint32_t label = a64_label_new(&cx->labels);
    cx->work->label_owed[label] = false;
    return label;
}

void lower_bind(struct lower_context *cx, uint32_t label)
{
    lower_constants_bound(cx, label);
    lower_order_bind(cx, label);
    a64_label_bind(&cx->labels, cx->b, label);
    cx->bound = cx->b->count;
    cx->upper_seen = 0;
}

void lower_b(struct lower_context *cx, uint32_t label)
{
    lower_constants_owed(cx, label, true);
    lower_order_branch(cx, label);
    a64_label_use(&cx->labels, cx->b, label, A64_REACH_26);
    a64_b(cx->b, 0);
}
void lower_cbz(struct lower_context *cx, enum a64_size s, a64_reg r, uint32_t label)
{
    lower_constants_owed(cx, label, false);
    lower_order_branch(cx, label);
    a64_label_use(&cx->labels, cx->b, label, A64_REACH_19);
    a64_cbz(cx->b, s, r, 0);
}
void lower_cbnz(struct lower_context *cx, enum a64_size s, a64_reg r, uint32_t label)
{
    lower_constants_owed(cx, label, false);
    lower_order_branch(cx, label);
    a64_label_use(&cx->labels, cx->b, label, A64_REACH_19);
    a64_cbnz(cx->b, s, r, 0);
}
void lower_tbz(struct lower_context *cx, a64_reg r, unsigned bit, uint32_t label)
{
    lower_constants_owed(cx, label, false);
    lower_order_branch(cx, label);
    a64_label_use(&cx->labels, cx->b, label, A64_REACH_14);
    a64_tbz(cx->b, r, bit, 0);
}
void lower_tbnz(struct lower_context *cx, a64_reg r, unsigned bit, uint32_t label)
{
    lower_constants_owed(cx, label, false);
    lower_order_branch(cx, label);
    a64_label_use(&cx->labels, cx->b, label, A64_REACH_14);
    a64_tbnz(cx->b, r, bit, 0);
}
void lower_b_cond(struct lower_context *cx, enum a64_cond cond, uint32_t label)
{
    lower_constants_owed(cx, label, false);
    lower_order_branch(cx, label);
    a64_label_use(&cx->labels, cx->b, label, A64_REACH_19);
    a64_b_cond(cx->b, cond, 0);
}

// ---- points
void lower_point_at(struct lower_context *cx, uint64_t rip)
{
    struct lower_result *r = cx->result;
    uint32_t offset = cx->b->count * 4;
    if (!r->point_count || r->points[r->point_count - 1].offset != offset) {    // else the instruction before it emitted nothing
        if (r->point_count >= r->point_capacity) {
            cx->full = true;
            return;
        }
        r->point_count++;
    }
    r->points[r->point_count - 1] = (struct lower_point){ .rip = rip, .offset = offset, .recipe = lower_recipe(&cx->flags), .rsp = (int16_t)cx->rsp,
                                                          .lazy = cx->lazy_count ? lower_lazy_recipe(cx) : 0, .owed = cx->owed.is };
}

void lower_point_here(struct lower_context *cx)
{
    lower_point_at(cx, cx->insn->x.rip);
}

// ---- traps
void lower_svc(struct lower_context *cx, unsigned immediate)
{
    lower_order_flush(cx);
    lower_owed_pay(cx);
    lower_flags_canonical(cx, X64_ARITH_FLAGS);
    lower_point_here(cx);
    (cx->config->trap_by_brk ? a64_brk : a64_svc)(cx->b, immediate);
    lower_constants_forget(cx);
}

bool lower_in_kernel(struct lower_context *cx, const struct x64_insn *insn)
{
    (void)insn;
    lower_svc(cx, SVC_EMU_INSN);
    cx->flags = lower_flags_at_entry;
    cx->facts.high_zero = 0;
    cx->facts.upper = (struct lower_upper){ 0 };
    lower_width_reset(cx);
    return true;
}

// ---- code out of line
struct lower_deferred *lower_defer(struct lower_context *cx, void (*emit)(struct lower_context *, const struct lower_deferred *))
{
    if (cx->chain) {                                            // done again from its beginning, never emitted itself
        cx->chain_again = (struct lower_deferred){ .label = cx->chain->label };
        return &cx->chain_again;
    }
    if (cx->deferred_count >= LOWER_DEFERRED - 1) {
        struct lower_deferred *none = &cx->work->deferred[LOWER_DEFERRED - 1];      // never emitted: the region is thrown away. Its label is looked at
        *none = (struct lower_deferred){ 0 };
        cx->full = true;
        return none;
    }
    struct lower_deferred *d = &cx->work->deferred[cx->deferred_count++];
    *d = (struct lower_deferred){ .emit = emit, .label = lower_label(cx), .state = lower_state_now(cx), .live = cx->live, .read = cx->read,
                                   .insn = cx->insn, .block = cx->block, .locked = cx->locked };
    return d;
}

void lower_raise_divide(struct lower_context *cx, const struct lower_deferred *d)
{
    (void)d;
    lower_svc(cx, SVC_EMU_DIVIDE);
}

void lower_deferred_insn(struct lower_context *cx, const struct lower_deferred *d)
{
    lower_svc(cx, SVC_EMU_INSN);
    lower_b(cx, d->back);
}

// ---- leaving
void lower_shadow_push(struct lower_context *cx)
{
    a64_stp(cx->b, A64_X, A64_PRE, 10, 30, 14, -16);        // CTX_SHADOW_PUSH
}

// The code out of line of a direct exit: canonical flags, then the link stub.
static void rectify(struct lower_context *cx, const struct lower_deferred *d)
{
    struct lower_exit *e = &cx->result->exits[d->value];
    e->rectifier = cx->b->count * 4;
    if (e->paired)
        cx->temps = 1;                          // x10 is the return address
    lower_point_at(cx, e->target);
    lower_flags_canonical(cx, X64_ARITH_FLAGS);
    e->stub = cx->b->count * 4;
    lower_point_at(cx, e->target);
    (cx->config->trap_by_brk ? a64_brk : a64_svc)(cx->b, SVC_EMU_LINK);
}

// To rip outside of the region. If nobody looks at the flags there, as far as can be seen, they become canonical out of line, else
// before the branch.
static void leave(struct lower_context *cx, uint64_t rip, bool paired)
{
    const struct lower_block *k = cx->block;
    lower_owed_pay(cx);
    if (cx->source->is_ec(cx->source->context, rip)) {
        lower_const(cx, 9, rip);
        lower_go_indirect(cx, 9, 0, NULL);
        return;
    }
    lower_order_flush(cx);
    bool call = k->end == END_CALL && rip == k->taken_rip;
    bool next = rip == k->next_rip && k->next < 0, taken = rip == k->taken_rip;
    uint16_t observed = call ? k->taken_enter : next ? k->next_observed : taken ? k->taken_observed : X64_ARITH_FLAGS;
    if (observed) {
        cx->temps = 1;
        lower_flags_canonical(cx, X64_ARITH_FLAGS);
    }
    struct lower_result *r = cx->result;
    if (r->exit_count >= r->exit_capacity) {
        cx->full = true;
        return;
    }
    struct lower_deferred *d = lower_defer(cx, rectify);
    d->value = r->exit_count;
    r->exits[r->exit_count++] = (struct lower_exit){ .target = rip, .site = cx->b->count * 4, .call = call, .paired = paired };
    a64_label_use(&cx->labels, cx->b, d->label, A64_REACH_26);
    (paired ? a64_bl : a64_b)(cx->b, 0);
}

static void go_back(struct lower_context *cx, int back)
{
    cx->flags = lower_flags_at_entry;
    lower_constants_forget(cx);
    int version = lower_join_fall(cx, back);
    if (cx->work->versions[version].emitted)
        lower_b(cx, lower_join_label(cx, version));
    else
        cx->follow = version;
}

void lower_go_call(struct lower_context *cx, int back, uint64_t rip)
{
    cx->result->returns = true;
    leave(cx, rip, true);
    go_back(cx, back);
}

// Whether rip and code come by one access: nobody else is looking, or it is atomic.
static bool looks_once(const struct lower_context *cx)
{
    return !lower_tso(cx) || cx->config->features.lse2;
}

// The code of what was found, where that is another access.
static void look_code(struct lower_context *cx, bool calls)
{
    if (looks_once(cx))
        return;
    if (calls)
        a64_word(cx->b, CTX_LOOK_CALL);
    a64_word(cx->b, calls ? CTX_LOOK_CALL_CODE : CTX_LOOK_CODE);
}

// In code out of line: where a call returns to, as shadow entries have it.
static void return_there(struct lower_context *cx, const struct lower_deferred *d)
{
    if (!d->calls)
        return;
    a64_label_use(&cx->labels, cx->b, d->back, A64_REACH_19);
    a64_adr(cx->b, 30, 0);
}

static void target_to_x9(struct lower_context *cx, const struct lower_deferred *d)
{
    if (d->reg[0] != 9)
        a64_mov_reg(cx->b, A64_X, 9, d->reg[0]);
}

// The target is not in the first way of the table, or there as something that reads flags: x12 says which.
static void not_found(struct lower_context *cx, const struct lower_deferred *d)
{
    const struct lower_config *config = cx->config;
    uint32_t good = lower_label(cx), other = lower_label(cx);
    if (!config->step) {
        a64_sub_imm(cx->b, A64_X, 12, 12, CTX_TABLE_FLAGS);
        lower_cbnz(cx, A64_X, 12, other);
        look_code(cx, d->calls);
        target_to_x9(cx, d);
        cx->temps = 2;                                  // x10, x11
        lower_flags_canonical(cx, X64_ARITH_FLAGS);
        lower_point_here(cx);
        cx->temps = 2;
        if (d->push)
            d->push(cx, &d->insn->x);
        return_there(cx, d);
        lower_order_flush(cx);
        a64_br(cx->b, 11);
        lower_bind(cx, other);
        lower_state_set(cx, &d->state);
        lower_point_here(cx);
    }
    target_to_x9(cx, d);
    cx->temps = 0;
    lower_flags_canonical(cx, X64_ARITH_FLAGS);
    a64_lsr_imm(cx->b, A64_X, 10, 9, 47);               // bits 63:47: no user address. #GP is the branch's own
    lower_cbz(cx, A64_X, 10, good);
    if (d->value)
        lower_add_imm(cx, A64_X, A64_SP, A64_SP, -(int64_t)d->value);
    lower_svc(cx, SVC_EMU_INSN);
    lower_bind(cx, good);
    cx->temps = 0;
    if (d->push)
        d->push(cx, &d->insn->x);
    return_there(cx, d);
    if (d->calls)
        lower_shadow_push(cx);
    uint64_t stub = d->calls && config->stub_call ? config->stub_call : config->stub_indirect;
    lower_order_flush(cx);
    a64_b(cx->b, (int64_t)(stub - (config->code_va + cx->b->count * 4ull)));
}

// Looks into the first way: x11 is where the target is.
static void look(struct lower_context *cx, a64_reg target, uint64_t popped, lower_push_return *push, bool calls, uint32_t back)
{
    lower_constants_forget(cx);                         // it uses x12, and what comes then knows of none
    lower_claim(cx, 9);
    struct lower_deferred *miss = lower_defer(cx, not_found);
    miss->reg[0] = target;
    miss->value = popped;
    miss->push = push;
    miss->calls = calls;
    miss->back = back;
    a64_add_ext(cx->b, A64_X, 10, 13, target, A64_UXTH, 4);
    if (looks_once(cx))
        a64_ldp(cx->b, A64_X, A64_OFFSET, 11, 12, 10, calls ? CTX_TABLE_CALL : 0);
    else                                                // other threads: the rip, and then the code
        a64_ldr_uimm(cx->b, 3, A64_ZERO, 12, 10, calls ? CTX_TABLE_CALL + 8 : 8);
    a64_eor_reg(cx->b, A64_X, 12, 12, target, A64_LSL, 0);
    lower_cbnz(cx, A64_X, 12, miss->label);
    look_code(cx, calls);
    cx->temps = 2;                                      // x10, x11
    if (push)
        push(cx, &cx->insn->x);
}

void lower_go_indirect(struct lower_context *cx, a64_reg target, uint64_t popped, lower_push_return *push)
{
    if (cx->config->step) {
        not_found(cx, &(struct lower_deferred){ .insn = cx->insn, .value = popped, .push = push, .reg = { target } });
        return;
    }
    look(cx, target, popped, push, false, 0);
    lower_order_flush(cx);
    a64_br(cx->b, 11);
}

void lower_call_indirect(struct lower_context *cx, a64_reg target, int back, lower_push_return *push)
{
    uint32_t here = lower_label(cx);
    cx->result->returns = true;
    look(cx, target, 0, push, true, here);
    lower_order_flush(cx);
    a64_blr(cx->b, 11);
    lower_bind(cx, here);
    go_back(cx, back);
}

void lower_go(struct lower_context *cx, int block, uint64_t rip)
{
    if (block < 0) {
        leave(cx, rip, false);
        return;
    }
    lower_b(cx, lower_join_label(cx, lower_join(cx, block)));
}

static void deferred_edge(struct lower_context *cx, const struct lower_deferred *d)
{
    if (d->insn->loose & LOOSE_REL) {
        lower_loose_target(cx, &d->insn->x);
        lower_go_indirect(cx, 9, 0, NULL);
        return;
    }
    lower_go(cx, d->block->taken, d->block->taken_rip);
}

// The way on which a mask is mended first (lower_mask.c).
static void deferred_mask_edge(struct lower_context *cx, const struct lower_deferred *d)
{
    lower_mask_finish(cx, &cx->work->insns[d->value]);
    deferred_edge(cx, d);
}

// The label to branch to for the taken side of the block's last instruction, with the flags as they are now.
uint32_t lower_taken_label(struct lower_context *cx)
{
    const struct lower_block *k = cx->block;
    bool mask = cx->mask && cx->mask_taken;
    int version = k->taken >= 0 && !mask ? lower_join_find(cx, k->taken) : -1;
    if (version >= 0)
        return lower_join_label(cx, version);
    struct lower_deferred *d = lower_defer(cx, mask ? deferred_mask_edge : deferred_edge);
    d->value = mask ? (uint64_t)(cx->mask - cx->work->insns) : 0;
    return d->label;
}

// Before a conditional branch back to the head of a loop that must have the flags canonical: makes them so, because code out of line would
// cost a jump each time round. The same for constants of the loop that the block has lost.
void lower_join_early(struct lower_context *cx)
{
    const struct lower_block *k = cx->block, *blocks = cx->work->blocks;
    struct lower_constants lost;
    if (k->taken >= 0 && lower_join_lost(cx, k->taken, &lost))
        lower_constants_bring(cx, &lost);
    if (k->taken >= 0 && &blocks[k->taken] <= k && !lower_join_fits(cx, k->taken))
        lower_flags_canonical(cx, blocks[k->taken].live_in | cx->live | (x64_flags_read(&cx->insn->x) & X64_ARITH_FLAGS));
}

// The loop's head in the form in which its way back comes to it is emitted next, if it is not there yet, and the branch leads out of the loop:
// so the loop falls into what follows it.
static bool enters_loop(struct lower_context *cx, struct lower_condition c)
{
    const struct lower_block *k = cx->block, *blocks = cx->work->blocks;
    if (cx->config->verify || cx->mask || c.test == TEST_ALWAYS || k->taken < 0 || k->next < 0 || &blocks[k->taken] > k)
        return false;
    int head = lower_join_find(cx, k->taken), out = head >= 0 && !cx->work->versions[head].emitted ? lower_join_find(cx, k->next) : -1;
    if (out < 0)
        return false;
    lower_branch(cx, lower_opposite(c), lower_join_label(cx, out));
    cx->follow = head;
    return true;
}

void lower_branch_taken(struct lower_context *cx, struct lower_condition c)
{
    if (!enters_loop(cx, c))
        lower_branch(cx, c, lower_taken_label(cx));
}

void lower_go_last(struct lower_context *cx, int block, uint64_t rip)
{
    int v = block < 0 || cx->config->verify ? -1 : lower_join(cx, block);
    if (v < 0)
        lower_go(cx, block, rip);
    else if (cx->work->versions[v].emitted)
        lower_b(cx, lower_join_label(cx, v));
    else
        cx->follow = v;
}

// Falls out of the block into `next`.
static void fall(struct lower_context *cx, const struct lower_block *k)
{
    if (k->next < 0) {
        leave(cx, k->next_rip, false);
        return;
    }
    bool verified = cx->config->verify && cx->work->blocks[k->next].entry;      // its entry's check lies between
    int v = lower_join_fall(cx, k->next);
    if (cx->work->versions[v].emitted || verified)
        lower_b(cx, lower_join_label(cx, v));
    else
        cx->follow = v;
}

// ---- instructions
static uint32_t arm_registers(uint16_t gprs)
{
    uint32_t set = 0;
    for (unsigned rest = gprs & ~(1u << X64_RSP); rest; rest &= rest - 1)
        set |= 1u << lower_gpr((unsigned)__builtin_ctz(rest));
    return set;
}

static void facts_after(struct lower_context *cx, const struct lower_insn *insn)
{
    if (cx->facts_wanted)
        lower_facts_after(&cx->facts, insn);
}

// x87 instructions that need no kernel; how many.
static unsigned lower_x87(struct lower_context *cx, const struct lower_block *k, unsigned j)
{
    const struct lower_insn *insns = &cx->work->insns[k->first + j];
    unsigned n = x64_op_info(insns->x.op)->isa == X64_ISA_X87 ? lower_x87_segment(cx, k->first + j, k->count - j) : 0;
    for (unsigned i = 0; i < n; i++)
        facts_after(cx, &insns[i]);
    return n;
}

static bool resumes(const struct x64_insn *x)
{
    return x->prefixes & (X64_P_REP | X64_P_REPNE) && x64_op_info(x->op)->attributes & X64_A_STRING;
}

void lower_protect(struct lower_context *cx, const struct lower_insn *insn)
{
    cx->temps = 0;
    lower_unlock(cx);
    // A REP string instruction changes registers before it is over, so its own faults need the flags too.
    lower_flags_protect(cx, arm_registers(insn->writes), resumes(&insn->x) ? X64_ARITH_FLAGS : insn->live & ~insn->kills);
    cx->temps = 0;
    lower_unlock(cx);
}

void lower_begin(struct lower_context *cx, const struct lower_insn *insn)
{
    const struct x64_insn *x = &insn->x;
    cx->insn = insn;
    cx->live = insn->live;
    cx->read = insn->read;
    cx->temps = 0;
    cx->upper_taken = 0;
    cx->loose = 0;
    cx->unaligned = lower_tso(cx) && cx->config->is_unaligned && cx->config->is_unaligned(cx->source->context, x->rip);
    lower_protect(cx, insn);
    lower_point_here(cx);
}

bool lower_instruction(struct lower_context *cx, const struct lower_insn *insn)
{
    const struct x64_insn *x = &insn->x;
    lower_begin(cx, insn);
    if (x64_op_info(x->op)->flags_written | x64_op_info(x->op)->flags_undefined) {      // what x23 and x24 hold then is another matter
        lower_width_set(cx, 23, 64);
        lower_width_set(cx, 24, 64);
    }
    lower_function *function = resumes(x) && cx->config->step ? lower_in_kernel : insn->function;
    struct x64_insn loose;
    if (insn->loose) {
        lower_verify_operands(cx, insn, &loose);
        x = &loose;
    }
    if (function) {
        uint32_t before = cx->b->count;
        bool exact = lower_is_exact(cx, x) && function != lower_in_kernel;
        if (exact ? lower_exact(cx, x, function) : function(cx, x)) {
            if (!cx->config->verify)
                facts_after(cx, insn);
            lower_width_after(cx, x);
            lower_lazy_flags_after(cx, &insn->x);
            return true;
        }
        if (cx->b->count != before)
            cx->b->bad = true;
    }
    lower_svc(cx, SVC_EMU_TRAP);
    return false;
}

// The instruction and the one behind it, which is lower_is_pair; of a RET only the load.
static void lower_two(struct lower_context *cx, const struct lower_insn *first)
{
    const struct lower_insn *second = first + 1;
    cx->returning = second->x.op == X64_RET;
    lower_unlock(cx);
    cx->insn = first;
    cx->live = cx->returning ? first->live : second->live;
    cx->read = cx->returning ? first->read : second->read;
    cx->temps = 0;
    cx->loose = 0;
    uint16_t written = first->writes | second->writes;
    lower_flags_protect(cx, arm_registers(written), cx->live);
    lower_point_here(cx);
    lower_pair(cx, first, second);
    facts_after(cx, first);
    if (!cx->returning)
        facts_after(cx, second);
}

static void entry(struct lower_context *cx, const struct lower_block *k, uint32_t call)
{
    struct lower_result *r = cx->result;
    if (r->entry_count >= r->entry_capacity)
        cx->full = true;
    else
        r->entries[r->entry_count++] = (struct lower_entry){ k->rip, cx->b->count * 4, call,
                                                             k->enter_in ? ENTRY_R : k->live_in ? ENTRY_F : ENTRY_N };
}

static void call_entry_away(struct lower_context *cx, const struct lower_deferred *d)
{
    cx->result->entries[d->value].call = cx->b->count * 4;
    lower_shadow_push(cx);
    lower_b(cx, d->back);
}

// Where paired calls of the region's address enter, if they have no version of their own: one word before it, or out of line if the code before
// falls into it.
static uint32_t call_entry(struct lower_context *cx, const struct lower_version *version, bool fallen_into)
{
    const struct lower_block *k = cx->block;
    if (k->rip != cx->requested || k->depth || k->leaf || !version->enters || !cx->config->stub_return)
        return LOWER_NO_CALL;
    if (fallen_into) {
        struct lower_deferred *d = lower_defer(cx, call_entry_away);
        d->value = cx->result->entry_count;
        d->back = version->label;
        return LOWER_NO_CALL;                   // until then
    }
    uint32_t call = cx->b->count * 4;
    lower_point_at(cx, k->rip);
    lower_shadow_push(cx);
    return call;
}

static void lower_block(struct lower_context *cx, struct lower_version *version, bool fallen_into)
{
    const struct lower_block *k = &cx->work->blocks[version->block];
    cx->block = k;
    cx->insn = &cx->work->insns[k->first];
    lower_state_set(cx, &version->state);
    cx->facts = k->facts;
    lower_width_begin(cx, k);
    cx->mask = 0;
    cx->no_chain_before = 0;
    cx->x87_depth = k->x87_depth ? (uint8_t)(k->x87_depth - 1) : 0;
    cx->lazy_count = 0;
    cx->done_too = 0;
    cx->sum_made.holder = A64_ZR;
    cx->deferred_open = cx->deferred_count;
    cx->locked = 0;
    version->emitted = true;
    bool enters = k->entry && version->enters;
    uint32_t call = call_entry(cx, version, fallen_into);
    if (cx->config->verify && enters) {     // before the label: who comes from inside is checked there
        entry(cx, k, call);
        lower_verify_entry(cx, k);
    }
    lower_order_enter(cx, version, fallen_into);
    lower_bind(cx, version->label);
    lower_constants_start(cx, &version->state.constants);
    version->offset = cx->b->count * 4;
    lower_point_at(cx, k->rip);
    if (enters && !cx->config->verify)
        entry(cx, k, call);
    if (!k->leaf)
        lower_owed_pay(cx);
    unsigned stack_run = 0, done = lower_count_loop(cx, k) ? k->count : 0;
    for (unsigned j = 0; j < done; j++)
        facts_after(cx, &cx->work->insns[k->first + j]);
    for (unsigned j = done; j < k->count; j++) {
        if (cx->config->verify && (j || !enters || k->predecessors))
            lower_verify_segment(cx, k, j);
        const struct lower_insn *insn = &cx->work->insns[k->first + j];
        if (insn->lazy && !stack_run && lower_lazy_take(cx, insn)) {
            facts_after(cx, insn);
            lower_owed_after(cx, &insn->x);
            continue;
        }
        if (cx->owed.is && !lower_owed_takes(cx, insn)) {
            cx->insn = insn;
            lower_owed_pay(cx);
        }
        if (insn->x.op == X64_SETCC && !stack_run && j + 1 < k->count && lower_lazy_set(cx, insn)) {
            lower_owed_after(cx, &insn[0].x);
            lower_owed_after(cx, &insn[1].x);
            j++;
            lower_sum_after(cx, insn->writes | insn[1].writes);
            continue;
        }
        lower_lazy_before(cx, insn);
        bool stack = insn->writes >> X64_RSP & 1;
        if (!stack_run && stack) {
            stack_run = lower_stack_run(cx, insn, k->count - j);
            cx->stack_run = stack_run;
        }
        if (stack_run) {
            if (!lower_instruction(cx, insn))
                return;
            lower_owed_after(cx, &insn->x);
            lower_sum_after(cx, insn->writes);
            if (!--stack_run)
                lower_stack_settle(cx);
            continue;
        }
        if (stack && j + 1 < k->count && lower_is_pair(cx, insn, insn + 1)) {
            lower_two(cx, insn);
            lower_width_after(cx, &insn[0].x);
            lower_width_after(cx, &insn[1].x);
            lower_sum_forget(cx);
            lower_owed_after(cx, &insn[0].x);
            if (!cx->returning) {
                lower_owed_after(cx, &insn[1].x);
                j++;
            }
            continue;
        }
        unsigned run = insn->x87 && !cx->owed.is ? lower_x87(cx, k, j) : 0;
        if (!run && insn->chains && !cx->owed.is)
            run = lower_chain(cx, insn, k->count - j);
        if (run) {
            for (unsigned i = 0; i < run; i++)
                lower_width_after(cx, &insn[i].x);
            j += run - 1;
            lower_sum_forget(cx);   // who comes from doing it again may not have it
            continue;
        }
        if (!lower_instruction(cx, insn))
            return;
        lower_lazy_after(cx, insn);
        lower_owed_after(cx, &insn->x);
        lower_sum_after(cx, insn->writes);
        if (cx->done_too == insn + 1) {
            lower_facts_after(&cx->facts, insn + 1);
            lower_width_after(cx, &insn[1].x);
            lower_owed_after(cx, &insn[1].x);
            lower_sum_after(cx, insn[1].writes);
            j++;
        }
        if (insn->x87)
            cx->x87_depth = (uint8_t)lower_x87_depth_after(&insn->x, cx->x87_depth);
    }
    for (unsigned way = 0; way < 3; way++) {
        int to = way == 0 ? k->next : way == 1 ? k->taken : k->back;
        if (to >= 0 && !cx->work->blocks[to].x87_depth)
            cx->work->blocks[to].x87_depth = (uint8_t)(cx->x87_depth + 1);
    }
    lower_lazy_end(cx, lower_last(cx, k));
    cx->loose = 0;
    cx->temps = cx->locked = 0;
    if (cx->mask && !cx->mask_taken)
        lower_mask_finish(cx, cx->mask);
    if ((k->end == END_NEXT || k->end == END_BRANCH || k->end == END_UNDECODED) && cx->follow < 0)
        fall(cx, k);
}

// Everything that is asked for: versions of blocks that follow each other as the code falls, else in the order of addresses.
static void lower_versions(struct lower_context *cx)
{
    for (int v; (v = lower_join_next(cx)) >= 0;)
        for (bool fallen_into = false; v >= 0; v = cx->follow, fallen_into = true) {
            cx->follow = -1;
            lower_block(cx, &cx->work->versions[v], fallen_into);
        }
}

static void heads(struct lower_context *cx)
{
    struct lower_result *r = cx->result;
    for (uint32_t i = 0; i < cx->version_count && r->head_capacity; i++) {
        const struct lower_version *v = &cx->work->versions[i];
        if (v->head && r->head_count >= r->head_capacity)
            cx->full = true;
        else if (v->head)
            r->heads[r->head_count++] = (struct lower_entry){ cx->work->blocks[v->block].rip, v->offset, LOWER_NO_CALL, ENTRY_R };
    }
}

static void tail(struct lower_context *cx)
{
    cx->tail = true;
    for (uint32_t i = 0; i < cx->deferred_count; i++) {         // may grow while it runs
        const struct lower_deferred *d = &cx->work->deferred[i];
        cx->insn = d->insn;
        lower_state_set(cx, &d->state);
        cx->live = d->live;
        cx->read = d->read;
        cx->temps = 0;
        cx->upper_taken = 0;
        cx->loose = 0;
        cx->locked = d->locked;
        cx->deferred_open = cx->deferred_count;
        cx->block = d->block;
        cx->facts = (struct lower_facts){ 0 };
        lower_width_reset(cx);
        cx->order.owed = false;
        lower_bind(cx, d->label);
        lower_constants_start(cx, &d->state.constants);
        lower_point_here(cx);
        d->emit(cx, d);
        lower_versions(cx);                 // what only this asked for
    }
    heads(cx);
    for (unsigned wide = 2; wide-- > 0;)
        for (uint32_t i = 0; i < cx->literal_count; i++) {
            const struct lower_literal *l = &cx->work->literals[i];
            if (l->wide != (bool)wide)
                continue;
            while ((cx->config->code_va / 4 + cx->b->count) % (wide ? 4 : 2) && !cx->b->full)
                a64_udf(cx->b, 0);
            lower_bind(cx, l->label);
            a64_word(cx->b, (uint32_t)l->low);
            a64_word(cx->b, (uint32_t)(l->low >> 32));
            if (wide) {
                a64_word(cx->b, (uint32_t)l->high);
                a64_word(cx->b, (uint32_t)(l->high >> 32));
            }
        }
}

static enum lower_status region(const struct lower_config *config, const struct code_source *source, uint64_t rip,
                                struct lower_result *result, bool sparing, bool *starved)
{
    struct lower_work *work = result->work;
    struct a64_buf buf = { .code = result->code, .capacity = result->code_capacity };
    struct lower_context cx = {
        .config = config, .source = source, .result = result, .work = work, .b = &buf,
        .labels = { .offset = work->label_offsets, .capacity = LOWER_LABELS, .fixups = work->fixups, .fixup_capacity = LOWER_FIXUPS },
        .max_insns = config->max_instructions ? config->max_instructions : config->large ? LOWER_INSNS : LOWER_DEFAULT_INSNS, .sparing = sparing,
    };
    if (cx.max_insns > LOWER_INSNS)
        cx.max_insns = LOWER_INSNS;
    result->code_count = result->entry_count = result->exit_count = result->point_count = result->head_count = 0;
    result->checked_count = result->assumption_count = 0;
    result->returns = result->more = false;
    result->version_exit = LOWER_NO_EXIT;
    lower_label(&cx);                           // 0: what code out of line has that does not come back
    if (!lower_discover(&cx, rip))
        return LOWER_NOT_EXECUTABLE;
    lower_analyse(&cx);
    lower_facts_find(&cx);
    lower_width_find(&cx);
    for (uint32_t i = 0; i < cx.block_count; i++)
        work->blocks[i].x87_depth = work->blocks[i].rip == rip && !work->blocks[i].depth ? config->x87_depth + 1 : 0;
    lower_join_begin(&cx);
    for (uint32_t i = 0; i < cx.block_count; i++)
        if (work->blocks[i].entry && !work->blocks[i].depth)
            work->versions[lower_join_canonical(&cx, (int)i)].enters = true;
    int leaf = lower_owed_begin(&cx), called = leaf >= 0 ? lower_join_called(&cx, leaf) : -1;
    lower_versions(&cx);
    if (!cx.block_count) {
        // Bytes are there but make no instruction: the kernel decodes them again and raises.
        static const struct lower_insn none;
        struct lower_insn *here = &work->insns[0];
        *here = none;
        here->x.rip = rip;
        cx.insn = here;
        cx.flags = lower_flags_at_entry;
        if (result->entry_capacity)
            result->entries[result->entry_count++] = (struct lower_entry){ rip, 0, LOWER_NO_CALL, ENTRY_R };
        else
            cx.full = true;
        lower_svc(&cx, SVC_EMU_TRAP);
        if (config->verify && result->checked_capacity) {       // nothing that could be compared: it is looked at each time
            result->checked[0] = result->checked_mask[0] = 0;
            result->checked_count = 1;
        }
    }
    tail(&cx);
    *starved = cx.starved;
    if (buf.bad)
        return LOWER_DEFECT;
    if (buf.full || cx.full || cx.labels.full || !a64_labels_resolve(&cx.labels, &buf))
        return LOWER_FULL;
    // The requested address first.
    for (uint32_t i = 1; i < result->entry_count; i++)
        if (result->entries[i].rip == rip) {
            struct lower_entry e = result->entries[i];
            result->entries[i] = result->entries[0];
            result->entries[0] = e;
        }
    if (called >= 0)
        result->entries[0].call = work->versions[called].offset;
    result->code_count = buf.count;
    result->first = cx.first;
    result->last = cx.last;
    result->x64_instructions = cx.insn_count;
    result->x64_bytes = 0;
    for (uint32_t i = 0; i < cx.insn_count; i++)
        result->x64_bytes += work->insns[i].x.length;
    return LOWER_OK;
}

enum lower_status lower_region(const struct lower_config *config, const struct code_source *source, uint64_t rip,
                               struct lower_result *result)
{
    bool starved = false;
    enum lower_status status = region(config, source, rip, result, false, &starved);
    return starved ? region(config, source, rip, result, true, &starved) : status;
}
