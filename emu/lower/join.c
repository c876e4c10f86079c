// SPDX-License-Identifier: MIT
// Versions of blocks (lazy basic block versioning, Chevalier-Boisvert and Feeley): a block is emitted once for each form in which the flags
// come to it, so that no code has to bring them into a common form. So a loop whose back edge brings the flags of a comparison is entered once by
// the version for its entry, and from then on runs in its own.
//
// A version fits a state of the flags if both agree on where those are that are live at the block's start. There are at most
// VERSIONS of a block, and so many more instructions than the region has; beyond that control goes to the canonical version, through code
// that makes the flags canonical. Constants make no versions: what a block wants to be held is loaded on the way to it (constants.c).
#include "emu/lower/context.h"

enum { VERSIONS = 3, SMALL_LOOP = 32 };

void lower_join_begin(struct lower_context *cx)
{
    struct lower_block *blocks = cx->work->blocks;
    cx->version_count = 0;
    cx->follow = -1;
    cx->pending = 0;
    lower_constants_plan(cx);
    cx->loop_budget = cx->insn_count;
    cx->join_budget = cx->insn_count / 4 + 8;
    for (uint32_t i = 0; i < cx->block_count; i++) {
        blocks[i].versions = -1;
        blocks[i].loop_head = -1;
        blocks[i].loop_insns = 0;
    }
    // Innermost loops: the shortest stretch of blocks between the target and the source of a branch back. Long stretches are no loops that matter.
    for (uint32_t i = 0; i < cx->block_count; i++) {
        int heads[2] = { blocks[i].taken, blocks[i].next };
        for (unsigned e = 0; e < 2; e++) {
            int head = heads[e];
            if (head < 0 || head > (int)i)
                continue;
            uint32_t insns = 0;
            for (int j = head; j <= (int)i; j++)
                insns += blocks[j].count;
            for (int j = head; j <= (int)i; j++)
                if (blocks[j].loop_head < 0 || insns < blocks[j].loop_insns) {
                    blocks[j].loop_head = (int16_t)head;
                    blocks[j].loop_insns = (uint16_t)insns;
                }
        }
    }
}

// ---- states
struct lower_state lower_state_now(const struct lower_context *cx)
{
    return (struct lower_state){ .flags = cx->flags, .constants = cx->constants, .owed = cx->owed };
}

void lower_state_set(struct lower_context *cx, const struct lower_state *state)
{
    cx->flags = state->flags;
    lower_constants_start(cx, &state->constants);
    cx->owed = state->owed;
}

static struct lower_state canonical_state(const struct lower_context *cx)
{
    return (struct lower_state){ .flags = lower_flags_at_entry, .constants = cx->constants };
}

static bool has_one_way_in(const struct lower_block *k)
{
    return k->predecessors == 1 && !k->entry;
}

// Whether who comes with this state may enter the version.
static bool state_fits(const struct lower_state *s, const struct lower_version *v, const struct lower_block *k)
{
    const struct lower_owed *has = &s->owed, *wants = &v->state.owed;
    bool owed = has->is == wants->is && (!wants->sure || (has->sure && has->at == wants->at));
    return owed && lower_flags_fit(&s->flags, &v->state.flags, k->live_in) && lower_constants_fit(&s->constants, &v->state.constants);
}

// Whether it can be entered with the constants that are held now.
static bool constants_suffice(const struct lower_context *cx, const struct lower_block *k)
{
    return has_one_way_in(k) || lower_constants_fit(&cx->constants, &k->keep);
}

static void bring_constants(struct lower_context *cx, const struct lower_block *k)
{
    if (!has_one_way_in(k))
        lower_constants_bring(cx, &k->keep);
}

// ---- versions
static int new_version(struct lower_context *cx, int block, struct lower_state state)
{
    struct lower_block *k = &cx->work->blocks[block];
    if (cx->version_count >= LOWER_VERSIONS) {
        cx->full = true;
        return 0;
    }
    int v = (int)cx->version_count++;
    if (!has_one_way_in(k))
        state.constants = k->keep;
    cx->work->versions[v] = (struct lower_version){ .state = state, .label = lower_label(cx), .block = (int16_t)block, .same = k->versions };
    k->versions = (int16_t)v;
    if ((uint32_t)block < cx->pending)
        cx->pending = (uint32_t)block;
    return v;
}

static int find_version(const struct lower_context *cx, int block, struct lower_state state)
{
    const struct lower_block *k = &cx->work->blocks[block];
    int found = -1;
    for (int v = k->versions; v >= 0; v = cx->work->versions[v].same)
        if (state_fits(&state, &cx->work->versions[v], k))
            found = v;                          // the oldest
    return found;
}

static unsigned versions_of(const struct lower_context *cx, const struct lower_block *k)
{
    unsigned count = 0;
    for (int v = k->versions; v >= 0; v = cx->work->versions[v].same)
        count++;
    return count;
}

// Whether one more version of the block may be made.
static bool may_grow(const struct lower_context *cx, const struct lower_block *k)
{
    if (has_one_way_in(k))
        return true;
    if (cx->owed.is && !k->leaf)
        return false;
    if (cx->config->verify || versions_of(cx, k) >= VERSIONS)
        return false;
    uint32_t budget = k->loop_head >= 0 ? cx->loop_budget : cx->join_budget;
    return k->versions < 0 ? budget > 0 : k->count <= budget;
}

static void pay(struct lower_context *cx, const struct lower_block *k)
{
    if (k->versions < 0)
        return;                                 // the first is what every block costs
    uint32_t *budget = k->loop_head >= 0 ? &cx->loop_budget : &cx->join_budget;
    *budget -= k->count < *budget ? k->count : *budget;
}

int lower_join_canonical(struct lower_context *cx, int block)
{
    int v = find_version(cx, block, canonical_state(cx));
    return v >= 0 ? v : new_version(cx, block, canonical_state(cx));
}

int lower_join_called(struct lower_context *cx, int block)
{
    struct lower_state state = canonical_state(cx);
    state.owed = (struct lower_owed){ .is = true, .sure = true };
    int v = new_version(cx, block, state);
    cx->work->versions[v].called = true;
    return v;
}

bool lower_join_fits(const struct lower_context *cx, int block)
{
    const struct lower_block *k = &cx->work->blocks[block];
    return constants_suffice(cx, k) && (find_version(cx, block, lower_state_now(cx)) >= 0 || may_grow(cx, k));
}

int lower_join_find(struct lower_context *cx, int block)
{
    struct lower_block *k = &cx->work->blocks[block];
    if (!constants_suffice(cx, k))
        return -1;
    int v = find_version(cx, block, lower_state_now(cx));
    if (v >= 0)
        return v;
    if (may_grow(cx, k)) {
        pay(cx, k);
        return new_version(cx, block, lower_state_now(cx));
    }
    return -1;
}

int lower_join(struct lower_context *cx, int block)
{
    bring_constants(cx, &cx->work->blocks[block]);
    int v = lower_join_find(cx, block);
    if (v >= 0)
        return v;
    if (cx->owed.is) {
        lower_owed_pay(cx);
        return lower_join(cx, block);
    }
    lower_flags_canonical(cx, cx->work->blocks[block].live_in);
    return lower_join_canonical(cx, block);
}

int lower_join_fall(struct lower_context *cx, int block)
{
    struct lower_block *k = &cx->work->blocks[block];
    int v = lower_join(cx, block);
    bool same_loop = k->loop_head >= 0 && k->loop_head == cx->block->loop_head && k->loop_insns <= SMALL_LOOP;
    if (!cx->work->versions[v].emitted || !same_loop || cx->config->verify || k->count > cx->loop_budget || versions_of(cx, k) > VERSIONS)
        return v;
    pay(cx, k);
    return new_version(cx, block, cx->work->versions[v].state);
}

bool lower_join_lost(const struct lower_context *cx, int block, struct lower_constants *lost)
{
    const struct lower_block *k = &cx->work->blocks[block];
    *lost = k->keep;
    for (unsigned i = 0; i < LOWER_KEEPERS; i++)
        if (cx->block->keep.id[i] != lost->id[i])
            lost->id[i] = 0;
    return !constants_suffice(cx, k);
}

uint32_t lower_join_label(struct lower_context *cx, int v)
{
    struct lower_version *version = &cx->work->versions[v];
    version->head |= version->emitted;          // a branch back: every loop has one
    return version->label;
}

int lower_join_next(struct lower_context *cx)
{
    for (; cx->pending < cx->block_count; cx->pending++) {
        int found = -1;
        for (int v = cx->work->blocks[cx->pending].versions; v >= 0; v = cx->work->versions[v].same)
            if (!cx->work->versions[v].emitted)
                found = v;
        if (found >= 0)
            return found;
    }
    return -1;
}
