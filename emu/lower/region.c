// SPDX-License-Identifier: MIT
// A region from entry to exits: walks the blocks, joins their flags, writes exits, stubs and literals.
#include "emu/lower/facts.h"
#include "emu/lower/lower_chain.h"
#include "emu/lower/lower_exact.h"
#include "emu/lower/lower_mask.h"
#include "emu/lower/verify.h"
#include "kernel/abi/process.h"

// ---- labels and branches
uint32_t lower_label(struct lower_context *cx) { return a64_label_new(&cx->labels); }
void lower_bind(struct lower_context *cx, uint32_t label)
{
    a64_label_bind(&cx->labels, cx->b, label);
    cx->bound = cx->b->count;
}

void lower_b(struct lower_context *cx, uint32_t label)
{
    a64_label_use(&cx->labels, cx->b, label, A64_REACH_26);
    a64_b(cx->b, 0);
}
void lower_cbz(struct lower_context *cx, enum a64_size s, a64_reg r, uint32_t label)
{
    a64_label_use(&cx->labels, cx->b, label, A64_REACH_19);
    a64_cbz(cx->b, s, r, 0);
}
void lower_cbnz(struct lower_context *cx, enum a64_size s, a64_reg r, uint32_t label)
{
    a64_label_use(&cx->labels, cx->b, label, A64_REACH_19);
    a64_cbnz(cx->b, s, r, 0);
}
void lower_tbz(struct lower_context *cx, a64_reg r, unsigned bit, uint32_t label)
{
    a64_label_use(&cx->labels, cx->b, label, A64_REACH_14);
    a64_tbz(cx->b, r, bit, 0);
}
void lower_tbnz(struct lower_context *cx, a64_reg r, unsigned bit, uint32_t label)
{
    a64_label_use(&cx->labels, cx->b, label, A64_REACH_14);
    a64_tbnz(cx->b, r, bit, 0);
}
void lower_b_cond(struct lower_context *cx, enum a64_cond cond, uint32_t label)
{
    a64_label_use(&cx->labels, cx->b, label, A64_REACH_19);
    a64_b_cond(cx->b, cond, 0);
}

// ---- points
static void point(struct lower_context *cx, uint64_t rip)
{
    struct lower_result *r = cx->result;
    struct lower_point p = { .rip = rip, .offset = cx->b->count * 4, .recipe = lower_recipe(&cx->flags) };
    if (r->point_count && r->points[r->point_count - 1].offset == p.offset) {
        r->points[r->point_count - 1] = p;      // the instruction before it emitted nothing
        return;
    }
    if (r->point_count >= r->point_capacity) {
        cx->full = true;
        return;
    }
    r->points[r->point_count++] = p;
}

void lower_point_here(struct lower_context *cx)
{
    point(cx, cx->insn->x.rip);
}

// ---- traps
void lower_svc(struct lower_context *cx, unsigned immediate)
{
    lower_flags_canonical(cx, X64_ARITH_FLAGS);
    lower_point_here(cx);
    (cx->config->trap_by_brk ? a64_brk : a64_svc)(cx->b, immediate);
}

bool lower_in_kernel(struct lower_context *cx, const struct x64_insn *insn)
{
    (void)insn;
    lower_svc(cx, SVC_EMU_INSN);
    cx->flags = lower_flags_at_entry;
    cx->facts.high_zero = 0;
    cx->facts.upper = (struct lower_upper){ 0 };
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
        cx->full = true;
        return &cx->work->deferred[LOWER_DEFERRED - 1];     // written, never read: the region is thrown away
    }
    struct lower_deferred *d = &cx->work->deferred[cx->deferred_count++];
    *d = (struct lower_deferred){ .emit = emit, .label = lower_label(cx), .flags = cx->flags, .live = cx->live, .read = cx->read,
                                   .insn = cx->insn };
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
// The code out of line of a direct exit: canonical flags, then the link stub.
static void rectify(struct lower_context *cx, const struct lower_deferred *d)
{
    struct lower_exit *e = &cx->result->exits[d->value];
    e->rectifier = cx->b->count * 4;
    if (e->paired)
        cx->temps = 1;                          // x10 is the return address
    point(cx, e->target);
    lower_flags_canonical(cx, X64_ARITH_FLAGS);
    e->stub = cx->b->count * 4;
    point(cx, e->target);
    (cx->config->trap_by_brk ? a64_brk : a64_svc)(cx->b, SVC_EMU_LINK);
}

// To rip outside of the region. If nobody looks at the flags there, as far as can be seen, they become canonical out of line, else
// before the branch.
static void leave(struct lower_context *cx, uint64_t rip, bool paired)
{
    const struct lower_block *k = cx->block;
    if (cx->source->is_ec(cx->source->context, rip)) {
        lower_const(cx, 9, rip);
        lower_go_x9(cx);
        return;
    }
    bool call = k->end == END_CALL && rip == k->taken_rip;
    bool next = rip == k->next_rip && k->next < 0, taken = rip == k->taken_rip;
    uint16_t observed = call ? k->taken_read : next ? k->next_observed : taken ? k->taken_observed : X64_ARITH_FLAGS;
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

void lower_go_call(struct lower_context *cx, int back, uint64_t rip)
{
    cx->result->returns = true;
    leave(cx, rip, true);
    if (back != (int)(cx->block - cx->work->blocks) + 1)
        lower_b(cx, cx->work->blocks[back].label);
}

void lower_go_x9(struct lower_context *cx)
{
    lower_flags_canonical(cx, X64_ARITH_FLAGS);
    a64_b(cx->b, (int64_t)(cx->config->stub_dispatch - (cx->config->code_va + cx->b->count * 4ull)));
}

void lower_go(struct lower_context *cx, int block, uint64_t rip)
{
    if (block < 0) {
        leave(cx, rip, false);
        return;
    }
    struct lower_block *to = &cx->work->blocks[block];
    if (to->inherits)
        to->flags = cx->flags;
    else
        lower_flags_canonical(cx, to->live_in);
    lower_b(cx, to->label);
}

static void deferred_edge(struct lower_context *cx, const struct lower_deferred *d)
{
    if (d->insn->loose & LOOSE_REL) {
        lower_loose_target(cx, &d->insn->x);
        lower_go_x9(cx);
        return;
    }
    lower_go(cx, (int)(int64_t)d->value, cx->work->blocks[d->reg[0] | d->reg[1] << 8].taken_rip);
}

// The way on which a mask is mended first (lower_mask.c).
static void deferred_mask_edge(struct lower_context *cx, const struct lower_deferred *d)
{
    lower_mask_finish(cx, &cx->work->insns[d->reg[2] | d->reg[3] << 8]);
    lower_flags_canonical(cx, X64_ARITH_FLAGS & cx->live);
    deferred_edge(cx, d);
}

// The label to branch to for the taken side of the block's last instruction, with the flags as they are now.
uint32_t lower_taken_label(struct lower_context *cx)
{
    const struct lower_block *k = cx->block;
    bool mask = cx->mask && cx->mask_taken;
    if (k->taken >= 0 && mask) {
        cx->work->blocks[k->taken].flags = lower_flags_at_entry;        // if it inherits
    } else if (k->taken >= 0) {
        struct lower_block *to = &cx->work->blocks[k->taken];
        if (to->inherits)
            to->flags = cx->flags;
        if (to->inherits || lower_flags_are_canonical(&cx->flags, to->live_in))
            return to->label;
    }
    struct lower_deferred *d = lower_defer(cx, mask ? deferred_mask_edge : deferred_edge);
    uint32_t at = mask ? (uint32_t)(cx->mask - cx->work->insns) : 0;
    d->reg[2] = at & 255;
    d->reg[3] = (uint8_t)(at >> 8);
    uint32_t self = (uint32_t)(k - cx->work->blocks);
    d->value = (uint64_t)(int64_t)k->taken;
    d->reg[0] = self & 255;
    d->reg[1] = (uint8_t)(self >> 8);
    return d->label;
}

// Before a conditional branch: if both ways want canonical flags, make them so once, before the branch; likewise if the branch goes
// back, to the head of a loop, where code out of line would cost a jump each time round.
void lower_join_early(struct lower_context *cx)
{
    const struct lower_block *k = cx->block, *blocks = cx->work->blocks;
    bool next = k->next < 0 || !blocks[k->next].inherits, taken = k->taken < 0 || !blocks[k->taken].inherits;
    uint16_t need_next = k->next < 0 ? X64_ARITH_FLAGS : blocks[k->next].live_in;
    uint16_t need_taken = k->taken < 0 ? X64_ARITH_FLAGS : blocks[k->taken].live_in;
    bool back = k->taken >= 0 && &blocks[k->taken] <= k;
    if (taken && (back || (next && need_next == need_taken)) && !lower_flags_are_canonical(&cx->flags, need_taken))
        lower_flags_canonical(cx, need_taken | cx->live | (x64_flags_read(&cx->insn->x) & X64_ARITH_FLAGS));
}

// Falls out of the block into `next`.
static void fall(struct lower_context *cx, const struct lower_block *k)
{
    int index = (int)(k - cx->work->blocks);
    struct lower_block *to = &cx->work->blocks[k->next >= 0 ? k->next : 0];
    bool verified = cx->config->verify && to->entry;       // its entry's check lies between
    if (k->next >= 0 && k->next == index + 1 && !verified) {
        if (to->inherits)
            to->flags = cx->flags;
        else
            lower_flags_canonical(cx, to->live_in);
        return;
    }
    lower_go(cx, k->next, k->next_rip);
}

// ---- instructions
static uint32_t arm_registers(uint16_t gprs)
{
    uint32_t set = 0;
    for (unsigned i = 0; i < 16; i++)
        if (gprs >> i & 1 && i != X64_RSP)
            set |= 1u << lower_gpr(i);
    return set;
}

static bool resumes(const struct x64_insn *x)
{
    return x64_op_info(x->op)->attributes & X64_A_STRING && x->prefixes & (X64_P_REP | X64_P_REPNE);
}

void lower_begin(struct lower_context *cx, const struct lower_insn *insn)
{
    const struct x64_insn *x = &insn->x;
    cx->insn = insn;
    cx->live = insn->live;
    cx->read = insn->read;
    cx->temps = 0;
    cx->loose = 0;
    cx->unaligned = lower_tso(cx) && cx->config->is_unaligned && cx->config->is_unaligned(cx->source->context, x->rip);
    // A REP string instruction changes registers before it is over, so its own faults need the flags too.
    lower_flags_protect(cx, arm_registers(x64_gprs_written(x)), resumes(x) ? X64_ARITH_FLAGS : insn->live & ~x64_flags_killed(x));
    cx->temps = 0;
    lower_point_here(cx);
}

bool lower_instruction(struct lower_context *cx, const struct lower_insn *insn)
{
    const struct x64_insn *x = &insn->x;
    lower_begin(cx, insn);
    lower_function *function = resumes(x) && cx->config->step ? lower_in_kernel : lower_choose(x);
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
                lower_facts_after(&cx->facts, &insn->x);
            return true;
        }
        if (cx->b->count != before)
            cx->b->bad = true;
    }
    lower_svc(cx, SVC_EMU_TRAP);
    return false;
}

static void entry(struct lower_context *cx, const struct lower_block *k, uint32_t call)
{
    struct lower_result *r = cx->result;
    if (r->entry_count >= r->entry_capacity)
        cx->full = true;
    else
        r->entries[r->entry_count++] = (struct lower_entry){ k->rip, cx->b->count * 4, call,
                                                             k->read_in ? ENTRY_R : k->live_in ? ENTRY_F : ENTRY_N };
}

static void shadow_push(struct lower_context *cx)
{
    a64_stp(cx->b, A64_X, A64_PRE, 10, 30, 14, -16);        // CTX_SHADOW_PUSH
}

static void call_entry_away(struct lower_context *cx, const struct lower_deferred *d)
{
    cx->result->entries[d->value].call = cx->b->count * 4;
    shadow_push(cx);
    lower_b(cx, d->back);
}

// Where paired calls of the region's address enter: one word before it, or out of line if control comes to it from the block before.
static uint32_t call_entry(struct lower_context *cx, const struct lower_block *k)
{
    int index = (int)(k - cx->work->blocks);
    if (k->rip != cx->requested || !cx->config->stub_return)
        return LOWER_NO_CALL;
    const struct lower_block *before = k - 1;
    bool falls = index && (before->back == index || ((before->end == END_NEXT || before->end == END_BRANCH) && before->next == index));
    if (falls) {
        cx->insn = &cx->work->insns[k->first];
        struct lower_deferred *d = lower_defer(cx, call_entry_away);
        d->value = cx->result->entry_count;
        d->back = k->label;
        return LOWER_NO_CALL;                   // until then
    }
    uint32_t call = cx->b->count * 4;
    point(cx, k->rip);
    shadow_push(cx);
    return call;
}

static void lower_block(struct lower_context *cx, struct lower_block *k)
{
    cx->block = k;
    cx->flags = k->inherits ? k->flags : lower_flags_at_entry;
    cx->facts = k->facts;
    cx->mask = 0;
    cx->no_chain_before = 0;
    bool verified = cx->config->verify && k->entry;
    uint32_t call = call_entry(cx, k);
    if (verified) {                         // before the label: who comes from inside is checked there
        entry(cx, k, call);
        lower_verify_entry(cx, k);
    }
    lower_bind(cx, k->label);
    if (k->entry && !verified)
        entry(cx, k, call);
    if (!k->inherits && cx->result->head_capacity) {
        struct lower_result *r = cx->result;
        if (r->head_count >= r->head_capacity)
            cx->full = true;
        else
            r->heads[r->head_count++] = (struct lower_entry){ k->rip, cx->b->count * 4, LOWER_NO_CALL, ENTRY_R };
    }
    for (unsigned j = 0; j < k->count; j++) {
        if (cx->config->verify && (j || !verified || k->predecessors))
            lower_verify_segment(cx, k, j);
        unsigned chained = lower_chain(cx, &cx->work->insns[k->first + j], k->count - j);
        if (chained)
            j += chained - 1;
        else if (!lower_instruction(cx, &cx->work->insns[k->first + j]))
            return;
    }
    cx->loose = 0;
    cx->temps = 0;
    if (cx->mask && !cx->mask_taken)
        lower_mask_finish(cx, cx->mask);
    if (k->end == END_NEXT || k->end == END_BRANCH || k->end == END_UNDECODED)
        fall(cx, k);
}

static void tail(struct lower_context *cx)
{
    for (uint32_t i = 0; i < cx->deferred_count; i++) {         // may grow while it runs
        const struct lower_deferred *d = &cx->work->deferred[i];
        cx->insn = d->insn;
        cx->flags = d->flags;
        cx->live = d->live;
        cx->read = d->read;
        cx->temps = 0;
        cx->loose = 0;
        for (unsigned j = 0; j < cx->block_count; j++) {
            const struct lower_block *k = &cx->work->blocks[j];
            if (d->insn >= &cx->work->insns[k->first] && d->insn < &cx->work->insns[k->first + k->count])
                cx->block = k;
        }
        lower_bind(cx, d->label);
        lower_point_here(cx);
        d->emit(cx, d);
    }
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

enum lower_status lower_region(const struct lower_config *config, const struct code_source *source, uint64_t rip,
                               struct lower_result *result)
{
    struct lower_work *work = result->work;
    struct a64_buf buf = { .code = result->code, .capacity = result->code_capacity };
    struct lower_context cx = {
        .config = config, .source = source, .result = result, .work = work, .b = &buf,
        .labels = { .offset = work->label_offsets, .capacity = LOWER_LABELS, .fixups = work->fixups, .fixup_capacity = LOWER_FIXUPS },
        .max_insns = config->max_instructions ? config->max_instructions : LOWER_DEFAULT_INSNS,
    };
    if (cx.max_insns > LOWER_INSNS)
        cx.max_insns = LOWER_INSNS;
    result->code_count = result->entry_count = result->exit_count = result->point_count = result->head_count = 0;
    result->checked_count = 0;
    result->returns = false;
    result->version_exit = LOWER_NO_EXIT;
    if (!lower_discover(&cx, rip))
        return LOWER_NOT_EXECUTABLE;
    lower_analyse(&cx);
    lower_facts_find(&cx);
    for (uint32_t i = 0; i < cx.block_count; i++)
        work->blocks[i].label = lower_label(&cx);
    for (uint32_t i = 0; i < cx.block_count; i++)
        lower_block(&cx, &work->blocks[i]);
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
    result->code_count = buf.count;
    result->first = cx.first;
    result->last = cx.last;
    result->x64_instructions = cx.insn_count;
    result->x64_bytes = 0;
    for (uint32_t i = 0; i < cx.insn_count; i++)
        result->x64_bytes += work->insns[i].x.length;
    return LOWER_OK;
}
