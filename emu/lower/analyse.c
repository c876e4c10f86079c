// SPDX-License-Identifier: MIT
// Backwards over the region: which flags may still be looked at after each instruction.
//
// All flags are taken to be live where control leaves the region: the code there is unknown. Calls and returns count as such,
// although the Windows ABI calls the flags volatile there: hand-written code returns results in CF, and exactness comes first.
// An instruction that can fault looks at all flags too, because an exception handler sees them.
#include "emu/lower/context.h"

// Flags live at a call or return.
enum { FLAGS_AT_CALL = X64_ARITH_FLAGS, FLAGS_AT_EXIT = X64_ARITH_FLAGS };

static uint16_t live_before(const struct lower_context *cx, const struct x64_insn *insn, uint16_t after)
{
    lower_function *function = lower_choose(insn);
    bool watched = x64_may_fault(insn) || x64_op_info(insn->op)->attributes >> X64_FLOW_SHIFT == X64_FLOW_TRAP || !function
                   || function == lower_in_kernel       // x87 raises what an earlier instruction left pending
                   || lower_is_exact(cx, insn);
    uint16_t read = watched ? X64_ARITH_FLAGS : x64_flags_read(insn) & X64_ARITH_FLAGS;
    return read | (after & ~x64_flags_killed(insn));
}

static uint16_t live_at_end(const struct lower_context *cx, const struct lower_block *k)
{
    const struct lower_block *blocks = cx->work->blocks;
    uint16_t next = k->next >= 0 ? blocks[k->next].live_in : FLAGS_AT_EXIT;
    uint16_t taken = k->taken >= 0 ? blocks[k->taken].live_in : FLAGS_AT_EXIT;
    switch (k->end) {
    case END_NEXT: return next;
    case END_BRANCH: return next | taken;
    case END_JUMP: return taken;
    case END_CALL: case END_INDIRECT: return FLAGS_AT_CALL;
    default: return FLAGS_AT_EXIT;
    }
}

void lower_analyse(struct lower_context *cx)
{
    struct lower_block *blocks = cx->work->blocks;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = cx->block_count; i-- > 0;) {
            struct lower_block *k = &blocks[i];
            uint16_t live = live_at_end(cx, k);
            if (cx->config->verify) {           // each instruction may turn out to be another one
                for (unsigned j = 0; j < k->count; j++)
                    cx->work->insns[k->first + j].live = X64_ARITH_FLAGS;
                k->live_in = X64_ARITH_FLAGS;
                continue;
            }
            for (unsigned j = k->count; j-- > 0;) {
                struct lower_insn *insn = &cx->work->insns[k->first + j];
                insn->live = live;
                live = live_before(cx, &insn->x, live);
            }
            changed |= live != k->live_in;
            k->live_in = live;
        }
    }
    // A block with one predecessor, lowered before it, takes over the flags as they are; all others get them canonical.
    for (uint32_t i = 0; i < cx->block_count; i++) {
        struct lower_block *k = &blocks[i];
        k->inherits = false;
        if (k->entry || k->predecessors != 1)
            continue;
        for (uint32_t j = 0; j < i; j++)
            if (blocks[j].next == (int)i || blocks[j].taken == (int)i)
                k->inherits = true;
    }
}
