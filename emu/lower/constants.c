// SPDX-License-Identifier: MIT
// Constants that stay in temporaries: what an instruction has loaded is there for the next ones, over the branches of a block, and round loops.
//
// Six of the temporaries, the keepers, are handed out last by lower_temp. lower_constant puts a constant into one of them; it is known to be
// there until lower_temp hands the register out, somebody claims it by its number (lower_claim), a trap or another region may run, or two
// ways meet that do not agree.
//
// At the start of a block with one way in everything that came along is known. At any other exactly lower_block.keep is: that is
// empty but in loops from which nothing is called, where it is what the loop's blocks want most, and whoever comes without loads it first (lower_constants_bring): once
// at the loop's entry, and again where it was lost.
//
// Within a block code may branch and meet again. At a label only what was known before the label was made is known: all branches to it
// came later. For a loop within an instruction nothing need be done: what it looks at is locked until the instruction is over. Code out of
// line that comes back loads what it has destroyed (lower_constants_owed).
#include "emu/lower/width.h"

static const a64_reg keepers[LOWER_KEEPERS] = { 9, 17, 16, 15, 6, 12 };

static int keeper_of(a64_reg r)
{
    for (int i = 0; i < LOWER_KEEPERS; i++)
        if (keepers[i] == r)
            return i;
    return -1;
}

static uint64_t value_of(const struct lower_context *cx, unsigned id)
{
    return cx->work->constants[id - 1];
}

static unsigned id_of(struct lower_context *cx, uint64_t value)
{
    for (uint32_t i = 0; i < cx->constant_count; i++)
        if (cx->work->constants[i] == value)
            return i + 1;
    if (cx->constant_count >= LOWER_CONSTANTS)
        return 0;
    cx->work->constants[cx->constant_count++] = value;
    return cx->constant_count;
}

static bool serves(enum a64_size s, uint64_t held, uint64_t wanted)
{
    return s == A64_X ? held == wanted : (uint32_t)held == (uint32_t)wanted;
}

static int held_in(const struct lower_context *cx, enum a64_size s, uint64_t value)
{
    for (int i = 0; i < LOWER_KEEPERS; i++)
        if (cx->constants.id[i] && serves(s, value_of(cx, cx->constants.id[i]), value))
            return i;
    return -1;
}

static void forget(struct lower_context *cx, int keeper)
{
    if (cx->kept.holder == keepers[keeper])
        lower_sum_forget(cx);
    cx->constants.id[keeper] = 0;
    for (uint32_t i = cx->deferred_open; i < cx->deferred_count; i++)       // but what has come back already was needed there
        if (cx->labels.offset[cx->work->deferred[i].back] == A64_UNBOUND)
            cx->work->deferred[i].state.constants.id[keeper] = 0;
}

void lower_constants_forget(struct lower_context *cx)
{
    cx->constants = (struct lower_constants){ 0 };
    lower_sum_forget(cx);
}

void lower_constants_off(struct lower_context *cx)
{
    lower_constants_forget(cx);
    cx->locked = (1u << LOWER_KEEPERS) - 1;
}

bool lower_is_locked(const struct lower_context *cx, a64_reg r)
{
    int k = keeper_of(r);
    return k >= 0 && cx->locked >> k & 1;
}

void lower_take(struct lower_context *cx, a64_reg r)
{
    int k = keeper_of(r);
    if (k >= 0)
        forget(cx, k);
}

void lower_claim(struct lower_context *cx, a64_reg r)
{
    lower_take(cx, r);
    if (keeper_of(r) >= 0)
        cx->locked |= (uint8_t)(1u << keeper_of(r));
}

// What the next instruction needs of the one before it: the target of a RET.
void lower_unlock(struct lower_context *cx)
{
    cx->locked = 0;
    if (cx->returning)
        lower_claim(cx, 9);
}

static void load(struct lower_context *cx, int keeper, unsigned id)
{
    forget(cx, keeper);
    lower_const(cx, keepers[keeper], value_of(cx, id));
    lower_width_set(cx, keepers[keeper], 64);
    cx->constants.id[keeper] = (uint16_t)id;
    cx->constant_since[keeper] = cx->labels.count;
}

// The keeper for one more constant: one with none, else the one that has not been used for longest, but none that the loop keeps.
static int choose(const struct lower_context *cx)
{
    int best = -1;
    for (int i = 0; i < LOWER_KEEPERS && !cx->sparing; i++) {
        if (cx->locked >> i & 1 || lower_temp_in_use(cx, keepers[i]))
            continue;
        if (!cx->constants.id[i] && cx->kept.holder != keepers[i])
            return i;
        if (cx->constants.id[i] != cx->block->keep.id[i] && (best < 0 || cx->constant_used[i] < cx->constant_used[best]))
            best = i;
    }
    return best;
}

a64_reg lower_constant(struct lower_context *cx, enum a64_size s, uint64_t value)
{
    if (s == A64_W)
        value &= 0xffffffff;
    int k = held_in(cx, s, value);
    if (k < 0 && !cx->config->verify) {
        k = choose(cx);
        unsigned id = k >= 0 ? id_of(cx, value) : 0;
        if (id)
            load(cx, k, id);
        else
            k = -1;
    }
    if (k < 0) {
        a64_reg t = lower_temp(cx);
        lower_const(cx, t, value);
        return t;
    }
    lower_lock(cx, keepers[k]);
    return keepers[k];
}

void lower_lock(struct lower_context *cx, a64_reg r)
{
    int k = keeper_of(r);
    if (k < 0)
        return;
    cx->locked |= (uint8_t)(1u << k);
    cx->constant_used[k] = ++cx->constant_clock;
}

a64_reg lower_keeper(struct lower_context *cx)
{
    int k = cx->config->verify ? -1 : choose(cx);
    if (k < 0)
        return A64_ZR;
    forget(cx, k);
    lower_lock(cx, keepers[k]);
    lower_width_set(cx, keepers[k], 64);
    return keepers[k];
}

// ---- labels within a block
void lower_constants_bound(struct lower_context *cx, uint32_t label)
{
    lower_sum_forget(cx);
    uint32_t before = label;            // made before this label was
    bool known = false;
    for (uint32_t i = cx->deferred_open; i < cx->deferred_count; i++)
        if (cx->work->deferred[i].back == label) {
            known = true;
            before = cx->work->deferred[i].label < before ? cx->work->deferred[i].label : before;
        }
    for (int k = 0; k < LOWER_KEEPERS; k++)
        if (cx->constant_since[k] > before)
            cx->constants.id[k] = 0;
    for (uint32_t i = cx->deferred_open; known && i < cx->deferred_count; i++)
        if (cx->work->deferred[i].back == label)
            cx->work->deferred[i].state.constants = cx->constants;
}

// What code out of line has to bring along to a label of the code that it was taken out of.
static const struct lower_constants *owed(const struct lower_context *cx, uint32_t label)
{
    static const struct lower_constants none;
    if (cx->tail && cx->labels.offset[label] != A64_UNBOUND)
        for (uint32_t i = 0; i < cx->deferred_count; i++)
            if (cx->work->deferred[i].back == label)
                return &cx->work->deferred[i].state.constants;
    return &none;
}

void lower_constants_owed(struct lower_context *cx, uint32_t label, bool may_load)
{
    const struct lower_constants need = *owed(cx, label);
    if (may_load)
        lower_constants_bring(cx, &need);
    else if (!lower_constants_fit(&cx->constants, &need))
        cx->b->bad = true;              // a conditional branch would have to load them in between
}

// ---- from block to block
bool lower_constants_fit(const struct lower_constants *have, const struct lower_constants *need)
{
    for (int k = 0; k < LOWER_KEEPERS; k++)
        if (need->id[k] && need->id[k] != have->id[k])
            return false;
    return true;
}

void lower_constants_bring(struct lower_context *cx, const struct lower_constants *need)
{
    for (int k = 0; k < LOWER_KEEPERS; k++)
        if (need->id[k] && need->id[k] != cx->constants.id[k])
            load(cx, k, need->id[k]);
}

void lower_constants_start(struct lower_context *cx, const struct lower_constants *known)
{
    cx->constants = *known;
    lower_sum_forget(cx);
    for (int k = 0; k < LOWER_KEEPERS; k++)
        cx->constant_since[k] = 0;
}

// ---- loops
struct wish { uint64_t value; enum a64_size size; uint32_t weight; };
enum { WISHES = 32, DEEPEST = 3 };

static void wish(struct wish *wishes, unsigned *count, enum a64_size s, uint64_t value, uint32_t weight)
{
    if (s == A64_W)
        value &= 0xffffffff;
    for (unsigned i = 0; i < *count; i++)
        if (serves(s == A64_X && wishes[i].size == A64_X ? A64_X : A64_W, wishes[i].value, value)) {
            if (s == A64_X)
                wishes[i].value = value, wishes[i].size = A64_X;
            wishes[i].weight += weight;
            return;
        }
    if (*count < WISHES)
        wishes[(*count)++] = (struct wish){ value, s, weight };
}

// Guesses what lower_constant will be asked for. A wrong guess costs an instruction at the loop's entry, no more.
static void wishes_of(const struct x64_insn *x, struct wish *wishes, unsigned *count, uint32_t weight)
{
    const struct x64_mem *m = &x->mem;
    if (x->op == X64_CALL) {                // taken in: the return address, which the RET may compare
        wish(wishes, count, A64_X, x->rip + x->length, 2 * weight);
        return;
    }
    if (x->form & X64_F_MEM && x->op != X64_LEA && m->segment != X64_GS && m->index == X64_REG_NONE && (m->base == X64_REG_RIP || m->base == X64_REG_NONE)) {
        unsigned bytes = x->opd[x->mem_operand].size;
        uint64_t at = m->base == X64_REG_RIP ? m->address : (uint64_t)m->disp, low = at & 0xfff;
        if (x->prefixes & X64_P_LOCK || !bytes || bytes & (bytes - 1) || bytes > 16 || !a64_ldst_uimm_ok(lower_log2(bytes), (int64_t)low))
            low = 0;
        wish(wishes, count, A64_X, at - low, weight);
    }
    const struct x64_operand *imm = x->operand_count ? &x->opd[x->operand_count - 1] : 0;
    if (!imm || imm->kind != X64_OPD_IMM)
        return;
    unsigned bytes = x->opd[0].size;
    enum a64_size s = lower_size(bytes);
    uint64_t value = (uint64_t)imm->value & (s == A64_X ? ~0ull : 0xffffffff), minus = (0 - value) & (s == A64_X ? ~0ull : 0xffffffff);
    bool wanted = false;
    switch (x->op) {
    case X64_ADD: case X64_SUB: case X64_CMP:
        wanted = bytes >= 4 && !a64_addsub_imm_ok(value) && !a64_addsub_imm_ok(minus);
        break;
    case X64_AND: case X64_OR: case X64_XOR: case X64_TEST:
        wanted = bytes >= 4 && !a64_logical_imm_ok(s, value);
        break;
    case X64_IMUL: case X64_IMUL2: case X64_ADC: case X64_SBB:
        wanted = bytes >= 4;
        break;
    case X64_MOV:
        wanted = bytes < 4 || x->form & X64_F_MEM;
        break;
    }
    if (wanted && value)
        wish(wishes, count, s, value, weight);
}

// Whether constants stay over the instruction.
static bool keeps(const struct lower_insn *insn)
{
    const struct x64_insn *x = &insn->x;
    bool string = x64_op_info((enum x64_op)x->op)->attributes & X64_A_STRING && x->prefixes & (X64_P_REP | X64_P_REPNE);
    return insn->function && insn->function != lower_in_kernel && x64_op_info((enum x64_op)x->op)->isa != X64_ISA_X87 && !string;
}

// A loop is the stretch of blocks from the target of a branch back to its source. Constants stay in it if it is not entered from outside and
// nothing in it makes them go.
static bool is_kept(const struct lower_context *cx, const struct lower_block *k)
{
    if (k->entry || k->end == END_CALL)
        return false;
    for (unsigned j = 0; j < k->count; j++)
        if (!keeps(&cx->work->insns[k->first + j]))
            return false;
    return true;
}

// Of each block: the last one that branches back to it (-1: none), and how many before it keep no constants.
struct loops { int16_t last[LOWER_BLOCKS], bad[LOWER_BLOCKS + 1]; };

static void find_loops(const struct lower_context *cx, struct loops *l)
{
    const struct lower_block *blocks = cx->work->blocks;
    l->bad[0] = 0;
    for (int i = 0; i < (int)cx->block_count; i++) {
        int ways[2] = { blocks[i].taken, blocks[i].next };
        l->last[i] = -1;
        l->bad[i + 1] = (int16_t)(l->bad[i] + !is_kept(cx, &blocks[i]));
        for (unsigned w = 0; w < 2; w++)
            if (ways[w] >= 0 && ways[w] <= i)
                l->last[ways[w]] = (int16_t)i;
    }
}

static void plan_loop(struct lower_context *cx, const struct loops *l, int head, int last)
{
    struct lower_block *blocks = cx->work->blocks;
    struct wish wishes[WISHES];
    unsigned count = 0;
    uint8_t closes[LOWER_BLOCKS] = { 0 };       // inner loops that end with the block
    unsigned depth = 0;
    for (int i = head; i <= last; i++) {
        if (i > head && l->last[i] >= i) {
            depth++;
            closes[l->last[i]]++;
        }
        uint32_t weight = 1u << 3 * (depth < DEEPEST ? depth : DEEPEST);
        depth -= closes[i];
        for (unsigned j = 0; j < blocks[i].count; j++)
            wishes_of(&cx->work->insns[blocks[i].first + j].x, wishes, &count, weight);
    }
    struct lower_constants keep = { 0 };
    for (int k = 0; k < LOWER_KEEPERS && count; k++) {
        unsigned best = 0;
        for (unsigned i = 1; i < count; i++)
            if (wishes[i].weight > wishes[best].weight)
                best = i;
        keep.id[k] = (uint16_t)id_of(cx, wishes[best].value);
        wishes[best] = wishes[--count];
    }
    for (int i = head; i <= last; i++)
        blocks[i].keep = keep;
}

void lower_constants_plan(struct lower_context *cx)
{
    for (uint32_t i = 0; i < cx->block_count; i++)
        cx->work->blocks[i].keep = (struct lower_constants){ 0 };
    struct loops l;
    if (cx->config->verify || cx->sparing)
        return;
    find_loops(cx, &l);
    for (int head = 0; head < (int)cx->block_count; head++) {
        int last = l.last[head], all = last;
        for (int i = head; i <= all; i++)       // with those that reach out of it
            all = l.last[i] > all ? l.last[i] : all;
        if (last >= 0 && l.bad[all + 1] == l.bad[head])
            last = all;
        else if (last < 0 || l.bad[last + 1] != l.bad[head])
            continue;
        plan_loop(cx, &l, head, last);
        head = last;                            // loops inside of it keep the same
    }
}
