// SPDX-License-Identifier: MIT
// Backwards over the region: which flags may still be looked at after each instruction.
//
// Two masks. Read: an x64 instruction may read the flag, or a trap or the kernel on behalf of an instruction shows it; that must always be
// exact. Observed (`live`): or an exception handler sees it after a memory fault. Both end where the flag is written.
// Where control leaves the region by a direct branch, the code there is looked at a few instructions far; where it leaves to an
// address that is not known, all flags are taken to be read, although the Windows ABI calls them volatile at calls and returns:
// hand-written code returns results in CF, and exactness comes first.
//
// Most of what is read in this sense is only passed on to such an address. As long as no return point of the process reads flags
// (lower_config.no_readers), what RET passes on is read by nobody; what indirect jumps and calls pass on may be read only if it does not come
// from a return. So two more masks, which are the first one again if there may be readers: what an entry wants, and what a return point wants.
#include "emu/lower/callee.h"
#include "emu/lower/facts.h"
#include "emu/lower/lazy.h"
#include "emu/lower/lower_chain.h"

enum { AHEAD_INSNS = 16 };              // how far code outside of the region is looked at

struct effect { uint16_t read, back, observed, killed; };

static inline struct effect effect_of(const struct lower_context *cx, const struct x64_insn *insn, lower_function *function)
{
    const struct x64_op_info *info = x64_op_info(insn->op);
    bool segment = insn->kinds >> X64_OPD_SEG & 1 && insn->opd[0].kind == X64_OPD_SEG && insn->opd[0].access & X64_WRITE;
    bool traps = info->attributes & (X64_A_FAULTS | X64_A_PRIVILEGED | X64_A_IO) || info->isa == X64_ISA_X87
                 || info->attributes >> X64_FLOW_SHIFT == X64_FLOW_TRAP || segment || !function
                 || function == lower_in_kernel       // x87 raises what an earlier instruction left pending
                 || lower_is_exact(cx, insn);
    struct effect e = { .killed = x64_flags_killed(insn) };
    e.read = traps ? X64_ARITH_FLAGS : x64_flags_read(insn) & X64_ARITH_FLAGS;
    // While no_readers holds, x87 exceptions are masked.
    e.back = info->isa == X64_ISA_X87 ? x64_flags_read(insn) & X64_ARITH_FLAGS : e.read;
    e.observed = x64_may_fault(insn) ? X64_ARITH_FLAGS : e.read;
    return e;
}

struct flags_after { uint16_t read, observed, enter, back; };

static const struct flags_after unknown = { X64_ARITH_FLAGS, X64_ARITH_FLAGS, X64_ARITH_FLAGS, X64_ARITH_FLAGS };

// Flags that the instruction passes on to an address that is not known.
static struct flags_after passed_on(const struct lower_context *cx, const struct x64_insn *insn, bool returns_here)
{
    struct flags_after a = unknown;
    enum x64_flow flow = x64_flow(insn);
    if (!cx->config->no_readers || cx->config->verify || returns_here)
        return a;
    if (flow == X64_FLOW_RETURN)
        a.enter = a.back = 0;
    else if (flow == X64_FLOW_JUMP_INDIRECT || flow == X64_FLOW_CALL_INDIRECT)
        a.back = 0;
    return a;
}

static bool is_indirect_call(const struct lower_context *cx, const struct lower_block *k)
{
    return k->count && k->end == END_INDIRECT && x64_flow(&lower_last(cx, k)->x) == X64_FLOW_CALL_INDIRECT;
}

// What becomes of the flags at rip, outside of the region, before they are written.
static struct flags_after look_ahead(struct lower_context *cx, uint64_t rip)
{
    struct flags_after found = { 0 }, last = unknown;
    uint16_t open = X64_ARITH_FLAGS;
    bool called = false;                // what a RET passes on goes to somebody who has not been looked at
    for (unsigned i = 0; i < AHEAD_INSNS && open; i++) {
        struct x64_insn insn;
        uint8_t bytes[X64_LENGTH_MAX];
        if (rip >> 47)
            return unknown;
        if (cx->source->is_ec(cx->source->context, rip)) {
            last.enter = last.back = cx->config->no_readers ? 0 : X64_ARITH_FLAGS;     // to native code
            break;
        }
        size_t n = cx->source->read(cx->source->context, rip, bytes, sizeof bytes);
        if (!n || x64_decode(bytes, n, rip, &insn) != X64_OK)
            return unknown;
        struct effect e = effect_of(cx, &insn, lower_choose(&insn));
        found.read |= e.read & open;
        found.enter |= e.read & open;
        found.back |= (cx->config->no_readers ? e.back : e.read) & open;
        found.observed |= e.observed & open;
        open &= (uint16_t)~e.killed;
        rip += insn.length;
        switch (x64_flow(&insn)) {
        case X64_FLOW_NEXT: break;
        case X64_FLOW_CALL: called = true; // fall through
        case X64_FLOW_JUMP: rip = (uint64_t)insn.opd[0].value; break;
        default:
            last = passed_on(cx, &insn, called || x64_flow(&insn) == X64_FLOW_CALL_INDIRECT);
            i = AHEAD_INSNS;
            break;
        }
    }
    found.read |= open;
    found.observed |= open;
    found.enter |= open & last.enter;
    found.back |= open & last.back;
    return found;
}

static bool calls_native(const struct lower_context *cx, const struct lower_block *k)
{
    return k->end == END_CALL && cx->source->is_ec(cx->source->context, k->taken_rip);
}

bool lower_returns_to_reader(const struct lower_context *cx, const struct lower_block *k)
{
    if (calls_native(cx, k))                // which returns no flags
        return false;
    return cx->config->verify || (k->back >= 0 ? cx->work->blocks[k->back].back_in : k->next_back);
}

static struct flags_after at_start(const struct lower_block *k)
{
    return (struct flags_after){ k->read_in, k->live_in, k->enter_in, k->back_in };
}

static struct flags_after after_block(struct lower_context *cx, const struct lower_block *k)
{
    const struct lower_block *blocks = cx->work->blocks;
    struct flags_after next = { k->next_read, X64_ARITH_FLAGS, k->next_enter, k->next_back };
    struct flags_after taken = { k->taken_read, X64_ARITH_FLAGS, k->taken_enter, k->taken_back };
    bool calls = k->end == END_CALL || is_indirect_call(cx, k);
    if (calls && cx->config->no_readers && lower_returns_to_reader(cx, k)) {     // SVC_EMU_READER
        uint16_t wanted = k->end == END_CALL ? taken.read : X64_ARITH_FLAGS;
        return (struct flags_after){ wanted, X64_ARITH_FLAGS, wanted, wanted };
    }
    if (k->next >= 0)
        next = at_start(&blocks[k->next]);
    if (k->taken >= 0 && k->end != END_CALL)
        taken = at_start(&blocks[k->taken]);
    switch (k->end) {
    case END_NEXT:
        if (!lower_returns_in(cx, k) || k->unchanged)
            return next;
        taken = passed_on(cx, &lower_last(cx, k)->x, false);      // to another address
        // fall through
    case END_BRANCH:
        return (struct flags_after){ next.read | taken.read, next.observed | taken.observed, next.enter | taken.enter, next.back | taken.back };
    case END_JUMP: return taken;
    case END_CALL:                          // what the callee passes on comes back
        if (calls_native(cx, k))
            return taken;
        taken.enter |= taken.read & (k->back >= 0 ? blocks[k->back].enter_in : k->next_enter);
        return taken;
    default: return k->count ? passed_on(cx, &lower_last(cx, k)->x, false) : unknown;
    }
}

static void look_outside(struct lower_context *cx, struct lower_block *k)
{
    bool next = (k->end == END_NEXT || k->end == END_BRANCH) && k->next < 0;
    bool taken = ((k->end == END_BRANCH || k->end == END_JUMP) && k->taken < 0) || k->end == END_CALL;
    bool loose = k->count && lower_last(cx, k)->loose & LOOSE_REL;
    bool back = cx->config->no_readers && k->back < 0 && (k->end == END_CALL || is_indirect_call(cx, k));
    struct flags_after after_next = next || back ? look_ahead(cx, k->next_rip) : unknown;
    struct flags_after after_taken = taken && !loose ? look_ahead(cx, k->taken_rip) : unknown;
    k->next_read = after_next.read;
    k->next_observed = after_next.observed;
    k->next_enter = after_next.enter;
    k->next_back = after_next.back;
    k->taken_enter = after_taken.enter;
    k->taken_back = after_taken.back;
    k->taken_read = after_taken.read;
    k->taken_observed = after_taken.observed;
}

static bool touches_vector(const struct lower_insn *insn)
{
    const struct x64_insn *x = &insn->x;
    return x64_op_info(x->op)->attributes & (X64_A_VECTOR_ALL | X64_A_IMPLICIT_XMM0) || insn->function == lower_in_kernel || x->form & X64_F_VEX
           || x->kinds & (1 << X64_OPD_XMM | 1 << X64_OPD_YMM | 1 << X64_OPD_MMX);
}

void lower_analyse(struct lower_context *cx)
{
    struct lower_block *blocks = cx->work->blocks;
    for (uint32_t i = 0; i < cx->block_count; i++) {
        struct lower_block *k = &blocks[i];
        k->live_in = k->read_in = k->enter_in = k->back_in = 0;
        k->next_enter = k->next_back = k->taken_enter = k->taken_back = X64_ARITH_FLAGS;
        k->next_read = k->next_observed = k->taken_read = k->taken_observed = X64_ARITH_FLAGS;
        uint16_t reads = 0, back = 0, observes = 0, open = X64_ALL_FLAGS;
        for (unsigned j = 0; j < k->count; j++) {
            struct lower_insn *insn = &cx->work->insns[k->first + j];
            insn->function = lower_choose(&insn->x);
            insn->writes = x64_gprs_written(&insn->x);
            insn->vector = touches_vector(insn);
            cx->facts_wanted |= lower_facts_wanted(&insn->x);
            insn->lazy = lower_lazy_may(&insn->x);
            insn->chains = lower_chain_may(&insn->x);
            insn->x87 = x64_op_info(insn->x.op)->isa == X64_ISA_X87 || insn->x.op == X64_EMMS;
            struct effect e = effect_of(cx, &insn->x, insn->function);
            insn->reads = e.read;
            insn->reads_back = cx->config->no_readers ? e.back : e.read;
            insn->observes = e.observed;
            insn->kills = e.killed;
            reads |= insn->reads & open;
            back |= insn->reads_back & open;
            observes |= insn->observes & open;
            open &= (uint16_t)~insn->kills;
        }
        k->reads = reads, k->reads_back = back, k->observes = observes, k->kills = X64_ALL_FLAGS & ~open;
        if (cx->config->verify) {           // each instruction may turn out to be another one
            for (unsigned j = 0; j < k->count; j++)
                cx->work->insns[k->first + j].live = cx->work->insns[k->first + j].read = X64_ARITH_FLAGS;
            k->live_in = k->read_in = k->enter_in = k->back_in = X64_ARITH_FLAGS;
        } else {
            look_outside(cx, k);
        }
    }
    for (bool changed = !cx->config->verify; changed;) {
        changed = false;
        for (uint32_t i = cx->block_count; i-- > 0;) {
            struct lower_block *k = &blocks[i];
            struct flags_after a = after_block(cx, k);
            a = (struct flags_after){ k->reads | (a.read & ~k->kills), k->observes | (a.observed & ~k->kills),
                                      k->reads | (a.enter & ~k->kills), k->reads_back | (a.back & ~k->kills) };
            changed |= a.observed != k->live_in || a.read != k->read_in || a.enter != k->enter_in || a.back != k->back_in;
            k->live_in = a.observed;
            k->read_in = a.read;
            k->enter_in = a.enter;
            k->back_in = a.back;
        }
    }
    for (uint32_t i = 0; i < cx->block_count && !cx->config->verify; i++) {
        const struct lower_block *k = &blocks[i];
        struct flags_after a = after_block(cx, k);
        for (unsigned j = k->count; j-- > 0;) {
            struct lower_insn *insn = &cx->work->insns[k->first + j];
            insn->live = a.observed;
            insn->read = a.read;
            a.read = insn->reads | (a.read & ~insn->kills);
            a.observed = insn->observes | (a.observed & ~insn->kills);
        }
    }
}
