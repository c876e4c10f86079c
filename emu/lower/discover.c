// SPDX-License-Identifier: MIT
// Which instructions belong to the region, and its blocks.
//
// From the requested address the code is decoded forward; targets of direct jumps and branches, and the instruction after a call or system call,
// are queued and decoded in turn while there is room. A block is cut where another one begins. What is outside (too
// far, no room, not executable, EC) stays outside: control leaves the region there. The blocks end up in address order, which is the
// order compilers meant to be fast.
#include "emu/lower/callee.h"
#include "emu/lower/verify.h"

enum { REACH = 16 * 1024, REACH_LARGE = 64 * 1024 };    // bytes around the entry

// Instructions by their address: a hash table of indices into work->insns, one more than the index; 0: nothing.
static unsigned place_of(const struct lower_context *cx, uint64_t rip)
{
    unsigned at = (unsigned)(rip ^ rip >> 10) % LOWER_PLACES;
    while (cx->work->places[at] && cx->work->insns[cx->work->places[at] - 1].x.rip != rip)
        at = (at + 1) % LOWER_PLACES;
    return at;
}

// The instruction at rip, if it has been decoded; or -1.
static int find_insn(const struct lower_context *cx, uint64_t rip)
{
    return cx->work->places[place_of(cx, rip)] - 1;
}

static struct lower_block *find_block(struct lower_context *cx, uint64_t rip, int *index)
{
    int insn = find_insn(cx, rip);
    *index = insn >= 0 && cx->work->blocks[cx->work->insns[insn].block].first == insn ? cx->work->insns[insn].block : -1;
    return *index >= 0 ? &cx->work->blocks[*index] : 0;
}

static void own(struct lower_context *cx, uint32_t block)
{
    const struct lower_block *k = &cx->work->blocks[block];
    for (unsigned i = 0; i < k->count; i++)
        cx->work->insns[k->first + i].block = (uint16_t)block;
}

static bool in_reach(struct lower_context *cx, uint64_t entry, uint64_t rip)
{
    uint64_t reach = cx->config->large ? REACH_LARGE : REACH;
    bool in = rip + reach - entry < 2 * reach;
    cx->result->more |= !in;
    return in;
}

static bool has_room(struct lower_context *cx)
{
    bool room = cx->insn_count < cx->max_insns && cx->block_count + 1 < LOWER_BLOCKS;
    cx->result->more |= !room;
    return room;
}

// Cuts block k before instruction `at`; the second half becomes a block of its own.
static bool split(struct lower_context *cx, struct lower_block *k, int at)
{
    if (cx->block_count >= LOWER_BLOCKS)
        return false;
    struct lower_block *tail = &cx->work->blocks[cx->block_count++];
    *tail = *k;
    tail->rip = cx->work->insns[at].x.rip;
    tail->first = (uint16_t)at;
    tail->count = (uint16_t)(k->first + k->count - at);
    tail->entry = false;
    k->count = (uint16_t)(at - k->first);
    k->end = END_NEXT;
    k->next_rip = tail->rip;
    own(cx, cx->block_count - 1);
    return true;
}

// Code bytes from `first` on: of one page, as long as that holds an instruction of any length.
struct window { uint64_t first; size_t count; uint8_t bytes[64]; };

static const uint8_t *window_at(struct lower_context *cx, struct window *w, uint64_t rip, size_t *count)
{
    uint64_t away = rip - w->first;
    if (away + X64_LENGTH_MAX > w->count) {
        size_t left = 4096 - rip % 4096, most = left < X64_LENGTH_MAX ? X64_LENGTH_MAX : left < sizeof w->bytes ? left : sizeof w->bytes;
        w->first = rip;
        w->count = cx->source->read(cx->source->context, rip, w->bytes, most);
        away = 0;
    }
    *count = w->count - away;
    return w->bytes + away;
}

static enum x64_status fetch(struct lower_context *cx, struct window *w, uint64_t rip, struct lower_insn *out)
{
    size_t n;
    const uint8_t *bytes = window_at(cx, w, rip, &n);
    if (n == 0)
        return X64_TRUNCATED;
    enum x64_status status = x64_decode(bytes, n, rip, &out->x);
    out->loose = 0;
    if (status == X64_OK && cx->config->verify) {
        for (unsigned i = 0; i < out->x.length; i++)
            out->bytes[i] = bytes[i];
        lower_loose_find(cx, out);
    }
    return status;
}

bool lower_assume(struct lower_context *cx, uint64_t va, uint64_t *value)
{
    struct lower_result *r = cx->result;
    uint32_t i = 0;
    while (i < r->assumption_count && r->assumptions[i].va != va)
        i++;
    if (i == r->assumption_count) {
        uint64_t is;
        if (!cx->source->constant || cx->config->verify || cx->config->step || i >= r->assumption_capacity
            || !cx->source->constant(cx->source->context, va, &is))
            return false;
        r->assumptions[r->assumption_count++] = (struct lower_assumption){ .va = va, .value = is };
    }
    *value = r->assumptions[i].value;
    return true;
}

bool lower_assume_thunk(struct lower_context *cx, uint64_t function, uint64_t *thunk)
{
    uint64_t va = (function - 4) & ~7ull, value;
    if (function % 4 || va >> 12 != function >> 12 || !lower_assume(cx, va, &value) || !cx->source->is_ec(cx->source->context, function))
        return false;
    for (uint32_t i = 0; i < cx->result->assumption_count; i++)
        if (cx->result->assumptions[i].va == va)
            cx->result->assumptions[i].ec = true;
    uint32_t word = (uint32_t)(value >> (function % 8 ? 0 : 32));
    *thunk = function + (uint64_t)(int32_t)(word & ~3u);
    return (word & 3) == 1;
}

// A jump or call through an import slot or another place that does not change: where it goes.
static bool slot_target(struct lower_context *cx, const struct x64_insn *insn, uint64_t *target)
{
    uint64_t value;
    bool slot = insn->opd[0].kind == X64_OPD_MEM && insn->opd[0].size == 8 && insn->mem.base == X64_REG_RIP
                && insn->mem.segment == X64_SEGMENT_NONE && insn->mem.address_size == 8;
    if (!slot || !lower_assume(cx, insn->mem.address, &value) || value >> 47)
        return false;
    *target = value;
    return true;
}

// Where a jump or call to rip really goes: over `jmp [import slot]` and the fast-forward sequence by which an ARM64X image exports a
// function (ARM64EC ABI conventions, "Fast-forward sequences"), which does nothing that the function may look at.
static uint64_t forward(struct lower_context *cx, uint64_t rip)
{
    enum { HOPS = 3, SEQUENCE = 14 };
    static const uint8_t sequence[] = { 0x48, 0x8b, 0xc4, 0x48, 0x89, 0x58, 0x20, 0x55, 0x5d, 0xe9 };
    for (unsigned i = 0; cx->source->constant && !cx->config->verify && !cx->config->step && i < HOPS; i++) {
        uint8_t bytes[X64_LENGTH_MAX];
        struct x64_insn insn;
        uint64_t target = rip;
        if (rip >> 47 || cx->source->is_ec(cx->source->context, rip))
            break;
        size_t n = cx->source->read(cx->source->context, rip, bytes, sizeof bytes), same = 0;
        while (same < sizeof sequence && same < n && bytes[same] == sequence[same])
            same++;
        if (same == sizeof sequence && n >= SEQUENCE) {
            uint32_t distance = bytes[10] | bytes[11] << 8 | bytes[12] << 16 | (uint32_t)bytes[13] << 24;
            target = rip + SEQUENCE + (uint64_t)(int32_t)distance;
            if (target >> 47 || !cx->source->is_ec(cx->source->context, target))
                break;
        } else if (!n || x64_decode(bytes, n, rip, &insn) != X64_OK || x64_flow(&insn) != X64_FLOW_JUMP_INDIRECT || !slot_target(cx, &insn, &target)) {
            break;
        }
        rip = target;
    }
    return rip;
}

// How the block ends after this instruction; false: it goes on.
static bool ends(struct lower_context *cx, const struct x64_insn *insn, struct lower_block *k)
{
    k->next_rip = insn->rip + insn->length;
    k->taken_rip = 0;
    if (!x64_ends_block(insn))
        return false;
    switch (x64_flow(insn)) {
    case X64_FLOW_BRANCH:
        k->end = END_BRANCH;
        k->taken_rip = (uint64_t)insn->opd[0].value;
        return true;
    case X64_FLOW_JUMP:
        k->end = END_JUMP;
        k->taken_rip = forward(cx, (uint64_t)insn->opd[0].value);
        return true;
    case X64_FLOW_CALL:
        k->end = END_CALL;
        k->taken_rip = forward(cx, (uint64_t)insn->opd[0].value);
        return true;
    case X64_FLOW_CALL_INDIRECT:
    case X64_FLOW_JUMP_INDIRECT:
        k->end = END_INDIRECT;
        if (slot_target(cx, insn, &k->taken_rip)) {
            k->end = x64_flow(insn) == X64_FLOW_CALL_INDIRECT ? END_CALL : END_JUMP;
            k->taken_rip = forward(cx, k->taken_rip);
        }
        return true;
    case X64_FLOW_RETURN:
        k->end = END_INDIRECT;
        return true;
    case X64_FLOW_TRAP:
    case X64_FLOW_SYSCALL:
        k->end = END_TRAP;
        return true;
    default:
        return false;
    }
}

static void queue(struct lower_context *cx, uint32_t *count, uint64_t rip, bool entry)
{
    // Bit 63 of a user address is free: it marks entries.
    uint64_t item = rip | (entry ? 1ull << 63 : 0);
    if (rip >> 63 == 0 && *count < LOWER_BLOCKS * 2)
        cx->work->starts[(*count)++] = item;
}

static void decode_block(struct lower_context *cx, uint64_t rip, uint64_t entry_rip, bool entry, uint32_t *queued)
{
    struct lower_block *k = &cx->work->blocks[cx->block_count];
    *k = (struct lower_block){ .rip = rip, .next_rip = rip, .first = (uint16_t)cx->insn_count, .entry = entry, .end = END_UNDECODED };
    uint64_t at = rip;
    struct window window;
    window.first = window.count = 0;
    bool joins = false;                     // the code goes on in a block that is there already
    for (;;) {
        unsigned place = place_of(cx, at);
        if (at != rip && cx->work->places[place]) {
            k->end = END_NEXT;
            joins = true;
            break;
        }
        k->next_rip = at;
        if (!has_room(cx) || !in_reach(cx, entry_rip, at)) {
            k->end = k->count ? END_NEXT : END_UNDECODED;
            break;
        }
        struct lower_insn *i = &cx->work->insns[cx->insn_count];
        if (fetch(cx, &window, at, i) != X64_OK) {
            // When reached, the kernel fetches here itself and raises what the processor would.
            k->end = END_UNDECODED;
            break;
        }
        i->block = (uint16_t)cx->block_count;
        cx->work->places[place] = (uint16_t)++cx->insn_count;
        k->count++;
        at += i->x.length;
        if (at > cx->last)
            cx->last = at;
        if (i->x.rip < cx->first)
            cx->first = i->x.rip;
        if (ends(cx, &i->x, k)) {
            if (i->loose & LOOSE_REL && k->end != END_BRANCH)
                k->end = END_INDIRECT;
            break;
        }
        k->next_rip = at;
    }
    if (!k->count)
        return;                         // nothing here: leave it outside
    cx->block_count++;
    const struct lower_insn *last = lower_last(cx, k);
    bool comes_back = k->end == END_CALL || x64_flow(&last->x) == X64_FLOW_CALL_INDIRECT || x64_flow(&last->x) == X64_FLOW_SYSCALL;
    bool loose = last->loose & LOOSE_REL;
    if (comes_back && !cx->config->verify)          // one that verifies has one entry only
        queue(cx, queued, k->next_rip, true);
    if (k->end == END_BRANCH || joins)
        queue(cx, queued, k->next_rip, false);
    if ((k->end == END_BRANCH || k->end == END_JUMP) && !loose)
        queue(cx, queued, k->taken_rip, false);
}

// Blocks of one function do not overlap in what they begin with, so their order is that of their addresses. Shell's sort of their indices.
static void sort_by_address(struct lower_context *cx, uint32_t first)
{
    struct lower_block *blocks = cx->work->blocks;
    uint16_t order[LOWER_BLOCKS];
    for (uint32_t i = first; i < cx->block_count; i++)
        order[i] = (uint16_t)i;
    for (uint32_t gap = 121; gap; gap /= 3)
        for (uint32_t i = first + gap; i < cx->block_count; i++) {
            uint16_t item = order[i];
            uint32_t j = i;
            for (; j >= first + gap && blocks[order[j - gap]].rip > blocks[item].rip; j -= gap)
                order[j] = order[j - gap];
            order[j] = item;
        }
    lower_blocks_move(cx, first, order);
}

void lower_blocks_move(struct lower_context *cx, uint32_t first, uint16_t *order)
{
    struct lower_block *blocks = cx->work->blocks;
    for (uint32_t i = first; i < cx->block_count; i++) {        // each cycle of the permutation
        if (order[i] == i)
            continue;
        struct lower_block saved = blocks[i];
        uint32_t to = i;
        for (uint32_t from; (from = order[to]) != i; to = from) {
            blocks[to] = blocks[from];
            order[to] = (uint16_t)to;
        }
        blocks[to] = saved;
        order[to] = (uint16_t)to;
    }
    for (uint32_t i = first; i < cx->block_count; i++)
        own(cx, i);
}

// Where blocks from `first` on lead.
static void find_ways(struct lower_context *cx, uint32_t first)
{
    for (uint32_t i = first; i < cx->block_count; i++) {
        struct lower_block *k = &cx->work->blocks[i];
        int next = -1, taken = -1, back = -1;
        if (k->end == END_NEXT || k->end == END_BRANCH || k->end == END_UNDECODED)
            find_block(cx, k->next_rip, &next);
        const struct lower_insn *last = lower_last(cx, k);
        if ((k->end == END_BRANCH || k->end == END_JUMP) && !(last->loose & LOOSE_REL))
            find_block(cx, k->taken_rip, &taken);
        if ((x64_flow(&last->x) == X64_FLOW_CALL || x64_flow(&last->x) == X64_FLOW_CALL_INDIRECT) && cx->config->stub_return && !cx->config->verify)
            find_block(cx, last->x.rip + last->x.length, &back);
        k->next = (int16_t)next;
        k->taken = (int16_t)taken;
        k->back = back >= 0 && cx->work->blocks[back].entry ? (int16_t)back : -1;
    }
}

void lower_discover_from(struct lower_context *cx, uint64_t rip)
{
    uint32_t first = cx->block_count, queued = 0;
    for (unsigned i = 0; i < LOWER_PLACES; i++)
        cx->work->places[i] = 0;
    decode_block(cx, rip, rip, true, &queued);
    for (uint32_t i = 0; i < queued; i++) {
        uint64_t start = cx->work->starts[i] & ~(1ull << 63);
        bool entry = cx->work->starts[i] >> 63;
        if (!in_reach(cx, rip, start) || cx->source->is_ec(cx->source->context, start))
            continue;
        int index;
        struct lower_block *k = find_block(cx, start, &index);
        int at = k ? -1 : find_insn(cx, start);
        if (at >= 0) {                      // in the middle of a block
            if (split(cx, &cx->work->blocks[cx->work->insns[at].block], at))
                cx->work->blocks[cx->block_count - 1].entry = entry;
            continue;
        }
        if (k) {
            k->entry |= entry;
            continue;
        }
        if (has_room(cx))
            decode_block(cx, start, rip, entry, &queued);
    }
    sort_by_address(cx, first);
    find_ways(cx, first);
}

bool lower_discover(struct lower_context *cx, uint64_t rip)
{
    uint8_t byte;
    if (!cx->source->read(cx->source->context, rip, &byte, 1))
        return false;
    cx->requested = rip;
    cx->first = rip;
    cx->last = rip + 1;
    lower_discover_from(cx, rip);
    lower_callees_take_in(cx);
    for (uint32_t i = 0; i < cx->block_count; i++) {
        const struct lower_block *k = &cx->work->blocks[i];
        if (k->next >= 0)
            cx->work->blocks[k->next].predecessors++;
        if (k->taken >= 0)
            cx->work->blocks[k->taken].predecessors++;
    }
    return true;
}
