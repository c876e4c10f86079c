// SPDX-License-Identifier: MIT
// Small functions that the region calls become part of it, once for each call (inlining). The call is then a push of the return address, which is
// in memory as the program expects it, and the RET goes on behind the call: no branch, no shadow entry, and flags, constants and what is
// known of registers come and go along. Blocks of a callee have the addresses that they have; a fault in them shows the state there, and a
// thread led out of them goes on in the callee's own region.
//
// Before it goes on behind the call, the RET compares the address that it pops with the one expected, unless nothing can have changed it (owed.c has the
// rule); if it is another one it goes there, by the branch target table.
#include "emu/lower/callee.h"

enum { DEEPEST = 3, LEAF_INSNS = 64, CALLER_INSNS = 32, REFUSED = 16 };

struct taking { uint64_t refused[REFUSED]; unsigned refused_count; };

static bool is_return(const struct x64_insn *x) { return x->op == X64_RET && x->opsize == 8; }

// Whether the blocks from `first` on are a function of which every way out is a RET or a call that comes back. Where it begins, or -1.
static int function_at(const struct lower_context *cx, uint32_t first, uint32_t insns, uint64_t rip)
{
    int begin = -1;
    bool calls = false;
    for (uint32_t i = first; i < cx->block_count; i++) {
        const struct lower_block *k = &cx->work->blocks[i];
        const struct x64_insn *last = &lower_last(cx, k)->x;
        bool call = k->end == END_CALL || (k->end == END_INDIRECT && x64_flow(last) == X64_FLOW_CALL_INDIRECT);
        bool good = call ? k->back >= 0
                    : k->end == END_NEXT ? k->next >= 0
                    : k->end == END_BRANCH ? k->next >= 0 && k->taken >= 0
                    : k->end == END_JUMP ? k->taken >= 0
                                         : k->end == END_INDIRECT && is_return(last);
        if (!good)
            return -1;
        calls |= call;
        if (k->rip == rip)
            begin = (int)i;
    }
    return insns <= (calls ? CALLER_INSNS : LEAF_INSNS) ? begin : -1;
}

static bool only_way_back(const struct lower_context *cx, uint32_t call)
{
    for (uint32_t i = 0; i < cx->block_count; i++)
        if (i != call && cx->work->blocks[i].back == cx->work->blocks[call].back)
            return false;
    return true;
}

static void take_in(struct lower_context *cx, struct taking *t, uint32_t call)
{
    struct lower_block *blocks = cx->work->blocks, *k = &blocks[call];
    const uint64_t rip = k->taken_rip, first_rip = cx->first, last_rip = cx->last;
    const uint32_t first = cx->block_count, insns = cx->insn_count, most = cx->max_insns, assumptions = cx->result->assumption_count;
    if (k->back < 0 || k->depth == DEEPEST || lower_last(cx, k)->loose || !only_way_back(cx, call) || cx->source->is_ec(cx->source->context, rip))
        return;
    for (unsigned i = 0; i < t->refused_count; i++)
        if (t->refused[i] == rip)
            return;
    if (insns + LEAF_INSNS + 1 < most)
        cx->max_insns = insns + LEAF_INSNS + 1;
    lower_discover_from(cx, rip);
    cx->max_insns = most;
    int begin = function_at(cx, first, cx->insn_count - insns, rip);
    if (begin < 0) {
        cx->block_count = first;
        cx->insn_count = insns;
        cx->first = first_rip;
        cx->last = last_rip;
        cx->result->assumption_count = assumptions;
        if (t->refused_count < REFUSED)
            t->refused[t->refused_count++] = rip;
        return;
    }
    for (uint32_t i = first; i < cx->block_count; i++) {
        blocks[i].depth = (uint8_t)(k->depth + 1);
        blocks[i].call = (uint16_t)call;
        if (is_return(&lower_last(cx, &blocks[i])->x) && blocks[i].end == END_INDIRECT) {
            blocks[i].taken_in = true;
            blocks[i].end = END_NEXT;
            blocks[i].next = k->back;
            blocks[i].next_rip = blocks[k->back].rip;
        }
    }
    blocks[begin].entry = false;
    if (k->depth || blocks[k->back].rip != cx->requested)
        blocks[k->back].entry = false;          // whoever else returns there finds a region of its own
    k->taken_in = true;
    k->end = END_NEXT;
    k->next = (int16_t)begin;
    k->next_rip = rip;
    k->back = -1;
    k->callee = (uint16_t)first;
}

static bool in_callee(const struct lower_context *cx, uint32_t block, uint32_t call)
{
    const struct lower_block *k = &cx->work->blocks[block];
    return block < cx->block_count && k->depth == cx->work->blocks[call].depth + 1 && k->call == call;
}

// ---- return addresses
static void reach(struct lower_context *cx, int block, struct lower_owed way, uint16_t *open, unsigned *count)
{
    struct lower_block *k = &cx->work->blocks[block];
    if (k->way.is && (!k->way.sure || (way.sure && way.at == k->way.at)))
        return;
    k->way = k->way.is ? (struct lower_owed){ .is = true } : way;
    if (!k->open)
        open[(*count)++] = (uint16_t)block;
    k->open = true;
}

// Of each RET of the callee: whether the return address is as the call has put it there.
static void find_unchanged(struct lower_context *cx, uint32_t call)
{
    struct lower_block *blocks = cx->work->blocks;
    uint16_t open[LOWER_BLOCKS];
    unsigned count = 0;
    for (uint32_t i = 0; i < cx->block_count; i++)
        blocks[i].way = (struct lower_owed){ 0 }, blocks[i].open = false;
    reach(cx, blocks[call].next, (struct lower_owed){ .is = true, .sure = true }, open, &count);
    while (count) {
        struct lower_block *k = &blocks[open[--count]];
        struct lower_owed way = k->way;
        bool returns = in_callee(cx, (uint32_t)(k - blocks), call) && lower_returns_in(cx, k);
        k->open = false;
        for (unsigned j = 0; j + returns < k->count; j++)
            lower_owed_step(cx, &way, &cx->work->insns[k->first + j].x);
        if (returns) {
            k->unchanged = way.sure && way.at == 0;
            continue;
        }
        if (k->next >= 0 && k->end != END_JUMP)
            reach(cx, k->next, way, open, &count);
        if (k->taken >= 0)
            reach(cx, k->taken, way, open, &count);
        if (k->back >= 0)
            reach(cx, k->back, (struct lower_owed){ .is = true }, open, &count);
    }
}

// ---- order
static void place(const struct lower_context *cx, uint32_t block, uint16_t *order, uint32_t *count)
{
    const struct lower_block *k = &cx->work->blocks[block];
    order[(*count)++] = (uint16_t)block;
    if (k->taken_in && !lower_returns_in(cx, k))
        for (uint32_t i = k->callee; in_callee(cx, i, block); i++)
            place(cx, i, order, count);
}

static void put_in_order(struct lower_context *cx)
{
    struct lower_block *blocks = cx->work->blocks;
    uint16_t order[LOWER_BLOCKS], now[LOWER_BLOCKS];
    uint32_t count = 0;
    for (uint32_t i = 0; i < cx->block_count && !blocks[i].depth; i++)
        place(cx, i, order, &count);
    for (uint32_t i = 0; i < count; i++)
        now[order[i]] = (uint16_t)i;
    lower_blocks_move(cx, 0, order);
    for (uint32_t i = 0; i < cx->block_count; i++) {
        int16_t *ways[] = { &blocks[i].next, &blocks[i].taken, &blocks[i].back };
        for (unsigned w = 0; w < 3; w++)
            if (*ways[w] >= 0)
                *ways[w] = (int16_t)now[*ways[w]];
    }
}

void lower_callees_take_in(struct lower_context *cx)
{
    struct taking t = { .refused_count = 0 };
    const struct lower_config *config = cx->config;
    const uint32_t own = cx->block_count;
    if (config->verify || config->step)
        return;
    for (uint32_t i = 0; i < cx->block_count; i++)      // grows while it runs: callees of callees
        if (cx->work->blocks[i].end == END_CALL) {
            if (config->large)
                take_in(cx, &t, i);
            cx->result->more |= cx->work->blocks[i].back >= 0;
        }
    if (cx->block_count == own)
        return;
    for (uint32_t i = 0; i < cx->block_count; i++)
        if (cx->work->blocks[i].taken_in && !lower_returns_in(cx, &cx->work->blocks[i]))
            find_unchanged(cx, i);
    put_in_order(cx);
}
