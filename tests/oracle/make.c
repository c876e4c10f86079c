// SPDX-License-Identifier: MIT
// make.c - see make.h.
#include <stdlib.h>
#include "tests/oracle/make.h"
#include "tests/oracle/cut.h"
#include "tests/oracle/flow.h"
#include "tests/oracle/generate.h"
#include "tests/oracle/native.h"
#include "tests/oracle/rules.h"

enum { ATTEMPTS = 60, SEQUENCE_MAX = 30, EDGE_EVERY = 64, SEED_EVERY = 256 };

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

// ---- forms: rounds over all of them, in which the ones with fewer variants drop out
static const struct oracle_form *scheduled[1 << 13];
static unsigned schedule_count, round_total[257];       // vectors before round r

static unsigned rounds_of(const struct oracle_form *f)
{
    const struct x64_op_info *info = x64_op_info((enum x64_op)f->sample.op);
    const struct x64_operand_form *o;
    if (info->attributes & (X64_A_PRIVILEGED | X64_A_IO) || f->sample.op == X64_NOP || oracle_rule_of_form(f, 0) == RULE_ABSENT)
        return 12;
    for (unsigned i = 0; (o = oracle_form_operand(f, i)); i++)
        if ((o->source == SRC_IMM_ZERO || o->source == SRC_IMM_SIGN) && o->argument == 1)
            return 256;
    return 48;
}

static bool walks(const struct oracle_form *f) { return rounds_of(f) == 256; }

static void schedule(const struct oracle_making *m)
{
    unsigned count;
    const struct oracle_form *f = oracle_forms(&count);
    if (schedule_count)
        return;
    for (unsigned i = 0; i < count; i++)
        if (oracle_rule_of_form(&f[i], 0) != RULE_EXCLUDED && (!m->user || gen_is_user_form(&f[i])) && (!m->only || strstr(f[i].name, m->only)))
            scheduled[schedule_count++] = &f[i];
    for (unsigned r = 0; r < 256; r++) {
        round_total[r + 1] = round_total[r];
        for (unsigned i = 0; i < schedule_count; i++)
            round_total[r + 1] += rounds_of(scheduled[i]) > r;
    }
}

unsigned oracle_pass(const struct oracle_making *m)
{
    schedule(m);
    return round_total[256];
}

static const struct oracle_form *form_of_number(const struct oracle_making *m, uint32_t number, int *walk)
{
    unsigned pass = oracle_pass(m), at, r = 0;
    if (!pass)
        return 0;
    at = number % pass;
    while (round_total[r + 1] <= at)
        r++;
    at -= round_total[r];
    *walk = (int)((r * 167 + number / pass) & 255);
    for (unsigned i = 0;; i++)
        if (rounds_of(scheduled[i]) > r && !at--)
            return scheduled[i];
}

// ---- what is and what is not fit
// It touched what is here and not elsewhere: the code of other vectors (unless it wrote: that fails everywhere), or addresses near to those
// of this program.
static bool touched_host(const struct oracle_vector *v)
{
    uint64_t slot = oracle_slot(v->number);
    if (v->out.rip - ORACLE_CODE_BASE < ORACLE_CODE_BYTES && v->out.rip - slot > ORACLE_SLOT_BYTES)
        return true;
    if (v->outcome != ORACLE_PAGE_FAULT)
        return false;
    bool edge = v->fault_address - ORACLE_EDGE_BASE < ORACLE_EDGES * (uint64_t)ORACLE_EDGE_STRIDE;
    bool code = v->fault_address - ORACLE_CODE_BASE < ORACLE_CODE_BYTES;
    bool own_hole = oracle_is_edge(v) && v->fault_address - oracle_edge_page(v->number) < ORACLE_EDGE_STRIDE;
    bool shared_data = v->fault_address >> 16 == 0x7ffe;                    // Windows has a page there that every program can read
    return (code && v->fault_access != ORACLE_WRITE) || (edge && !own_hole) || shared_data || (v->fault_address >> 44) - 5 < 3;
}

static bool decode_at(const struct oracle_vector *v, uint64_t rip, struct x64_insn *i)
{
    uint64_t offset = rip - v->code_va;
    return offset < v->code_bytes && x64_decode(v->code + offset, v->code_bytes - (unsigned)offset, rip, i) == X64_OK;
}

static void set_masks(struct oracle_vector *v, const struct oracle_flow *flow)
{
    struct x64_insn i;
    uint16_t registers;
    v->flags_mask = X64_ALL_FLAGS & ~(uint64_t)oracle_flow_open(flow, v);
    if (v->outcome == ORACLE_PAGE_FAULT && decode_at(v, v->out.rip, &i))
        v->flags_mask &= ~(uint64_t)oracle_undefined_at_fault(&i);
    v->mxcsr_mask = 0xffff;
    v->gpr_mask = v->fsw_mask = v->xmm_mask = 0xffff;
    // AMD tells where the last x87 instruction was only while an exception waits.
    v->fx_mask = v->out.fx[ORACLE_FX_FSW] & 0x80 ? ORACLE_FXM_ALL : ORACLE_FXM_ALL & ~(ORACLE_FXM_FOP | ORACLE_FXM_FIP | ORACLE_FXM_FDP);
    uint64_t fip;                                   // FDP is open if the instruction there has no memory operand (SDM vol. 1, 8.1.8)
    memcpy(&fip, v->out.fx + ORACLE_FX_FIP, 8);
    if (decode_at(v, fip, &i) && !(i.form & X64_F_MEM))
        v->fx_mask &= (uint16_t)~ORACLE_FXM_FDP;
    v->estimates = v->st_ulps = 0;
    for (unsigned at = 0; at < v->code_bytes && flow->start[at] && decode_at(v, v->code_va + at, &i); at += i.length)
        switch (oracle_rule_of(&i, 0, &registers)) {
        case RULE_OWN: v->gpr_mask &= (uint16_t)~registers; break;
        case RULE_ESTIMATE: v->estimates |= (uint16_t)(1 << i.opd[0].reg); break;
        case RULE_ULP:
            v->st_ulps |= 3;
            v->fsw_mask &= (uint16_t)~0x220;        // C1 and PE
            break;
        default:
            if (oracle_leaves_c1(&i))
                v->fsw_mask &= (uint16_t)~0x200;
            break;
        }
    for (unsigned r = 0; r < 16; r++)               // so that a recording is the same every time
        if (!(v->gpr_mask >> r & 1))
            v->out.gpr[r] = 0;
    // How many elements of a gather are done before the one that faults is open (SDM vol. 2, VGATHERDPS).
    if (v->outcome == ORACLE_PAGE_FAULT && decode_at(v, v->out.rip, &i) && i.form & X64_F_MEM && i.mem.vsib)
        v->xmm_mask &= (uint16_t)~(1 << i.opd[0].reg | 1 << i.opd[2].reg);
}

// This processor does not have the instruction that it stopped at.
static bool lacks(const struct oracle_vector *v)
{
    struct x64_insn i;
    return v->outcome == ORACLE_INVALID_OPCODE && decode_at(v, v->out.rip, &i) && !oracle_undefined_everywhere(&i);
}

// CMPS could not read either operand: which it reads first is the processor's business.
static bool both_fault(const struct oracle_vector *v, const struct x64_insn *i)
{
    uint64_t mask = i->address_size == 4 ? 0xffffffff : ~0ull;
    for (unsigned r = X64_RSI; r <= X64_RDI; r++) {
        uint64_t offset = (v->out.gpr[r] & mask) - ORACLE_WINDOW_BASE;
        if (offset <= ORACLE_WINDOW_BYTES - i->opsize)
            return false;
    }
    return true;
}

static bool base_is_canonical(const struct oracle_vector *v, const struct x64_insn *i)
{
    uint64_t base = i->mem.base < 16 ? v->out.gpr[i->mem.base] : 0;
    return base + 0x10000 < 1ull << 47;
}

// Its selectors or state bits are overwritten by what follows, which a page's end or a single step would cut off.
static bool stores_image(const struct oracle_vector *v)
{
    struct x64_insn i;
    for (unsigned at = 0; decode_at(v, v->code_va + at, &i); at += i.length)
        if (i.op == X64_FNSTENV || i.op == X64_FNSAVE || i.op == X64_FXSAVE || i.op == X64_XSAVE || i.op == X64_XSAVEC || i.op == X64_XSAVEOPT)
            return true;
    return false;
}

// C1 after FCOMI is open (rules.inc), so nothing may store the status word behind one.
static bool shows_open_c1(const struct oracle_vector *v)
{
    struct x64_insn i;
    bool open = false, shown = false;
    for (unsigned at = 0; decode_at(v, v->code_va + at, &i); at += i.length) {
        open |= i.op == X64_FCOMI || i.op == X64_FCOMIP || i.op == X64_FUCOMI || i.op == X64_FUCOMIP;
        shown |= i.op == X64_FNSTSW || i.op == X64_FNSTENV || i.op == X64_FNSAVE || i.op == X64_FXSAVE || i.op == X64_XSAVE || i.op == X64_XSAVEC
                 || i.op == X64_XSAVEOPT;
    }
    return open && shown;
}

// How long the instruction that it stopped at is, or whether that matters, makers see differently: UD0 and UD1 have a ModRM byte or
// none, VMREAD is EXTRQ with two immediate bytes to AMD's processors.
static bool length_is_open(const struct oracle_vector *v)
{
    uint64_t at = v->out.rip - v->code_va;
    struct x64_insn i;
    uint8_t bytes[X64_LENGTH_MAX + 1] = { 0 };
    if (at >= v->code_bytes)
        return false;
    for (unsigned n = 0; n < X64_LENGTH_MAX && at + n < v->code_bytes; n++)
        bytes[n] = v->code[at + n];
    x64_decode(bytes, X64_LENGTH_MAX, 0, &i);       // zeroes behind what there is; perhaps with LOCK, which makes it invalid
    return i.op == X64_UD0 || i.op == X64_UD1 || i.op == X64_VMREAD;
}

static bool fit(const struct oracle_vector *v, const struct oracle_flow *flow, bool user)
{
    uint64_t offset = v->out.rip - v->code_va;
    struct x64_insn i;
    if (v->outcome == ORACLE_LOST || touched_host(v))
        return false;
    if (offset < v->code_bytes && !flow->start[offset])
        return false;                               // a wild jump into the middle of an instruction
    if (offset > v->code_bytes && flow->returns && v->outcome != ORACLE_PAGE_FAULT && v->outcome != ORACLE_GENERAL)
        return false;                               // a changed return address leads to bytes that nobody chose as instructions
    // Whether bytes that the mask leaves out can fault is up to the processor (SDM vol. 2, MASKMOVDQU).
    if (v->outcome == ORACLE_PAGE_FAULT && decode_at(v, v->out.rip, &i) && (i.op == X64_MASKMOVDQU || i.op == X64_VMASKMOVDQU || i.op == X64_MASKMOVQ))
        return false;
    // With #GP it has switched to MMX before, on AMD.
    if (v->outcome == ORACLE_GENERAL && decode_at(v, v->out.rip, &i) && i.op == X64_MASKMOVQ)
        return false;
    if (((oracle_is_edge(v) || v->outcome == ORACLE_DEBUG) && stores_image(v)) || shows_open_c1(v))
        return false;
    if (lacks(v))
        return false;
    bool access = v->outcome == ORACLE_PAGE_FAULT || v->outcome == ORACLE_GENERAL;
    if (access && decode_at(v, v->out.rip, &i) && ((i.op == X64_ENTER && (i.opd[1].value & 31) > 1) || (i.op == X64_MOVSXD && i.opsize == 2)))
        return false;
    if (oracle_is_edge(v) && length_is_open(v))
        return false;
    if (access && decode_at(v, v->out.rip, &i) && i.op == X64_CMPS && both_fault(v, &i))
        return false;
    // Which byte of a long operand faults first is the processor's business.
    if (v->outcome == ORACLE_PAGE_FAULT && decode_at(v, v->out.rip, &i) && v->fault_address & 0xfff &&
        (x64_op_info((enum x64_op)i.op)->attributes & X64_A_VECTOR_ALL || i.op == X64_FLDENV || i.op == X64_FNSTENV))
        return false;
    if (!user)
        return true;
    // QEMU's user mode ignores the top byte of an address.
    if (v->outcome == ORACLE_GENERAL && (!decode_at(v, v->out.rip, &i) || !(i.form & X64_F_ALIGNED) || !base_is_canonical(v, &i)))
        return false;
    if (v->outcome == ORACLE_PAGE_FAULT && ((offset > v->code_bytes && flow->returns) || (decode_at(v, v->out.rip, &i) && i.form & X64_F_MEM && i.mem.vsib)))
        return false;
    if (v->outcome == ORACLE_BREAKPOINT && offset <= v->code_bytes)
        return true;
    return v->outcome != ORACLE_INVALID_OPCODE;
}

static bool execute(struct oracle_vector *v, bool user, int absent_at)
{
    struct oracle_flow flow;
    if (!oracle_flow(v->code, v->code_bytes, v->code_va, &flow))
        return false;
    native_fill(v->window_seed);
    if (absent_at < 0) {
        native_run(v);
    } else {                                        // as on a processor without it
        uint8_t was[2] = { v->code[absent_at], v->code[absent_at + 1] };
        v->code[absent_at] = 0x0f, v->code[absent_at + 1] = 0x0b;
        native_run(v);
        v->code[absent_at] = was[0], v->code[absent_at + 1] = was[1];
    }
    set_masks(v, &flow);
    return fit(v, &flow, user);
}

static int absent_instruction(const struct oracle_vector *v)
{
    struct x64_insn i;
    for (unsigned at = 0; decode_at(v, v->code_va + at, &i); at += i.length)
        if (oracle_rule_of(&i, 0, 0) == RULE_ABSENT && i.length >= 2)
            return (int)at;
    return -1;
}

bool oracle_execute(struct oracle_vector *v)
{
    return execute(v, false, absent_instruction(v));
}

// ---- making
// An instruction that is none: LOCK where there must not be one (#UD), more than 15 bytes (#GP).
static void spoil(struct generator *g)
{
    unsigned bytes = g->length - g->start, count = gen_chance(g, 60) ? 1 : X64_LENGTH_MAX + 1 > bytes ? X64_LENGTH_MAX + 1 - bytes : 1;
    uint8_t prefix = count == 1 ? 0xf0 : 0x2e;
    struct x64_insn i;
    memmove(g->code + g->start + count, g->code + g->start, bytes);
    memset(g->code + g->start, prefix, count);
    if (x64_decode(g->code + g->start, bytes + count, 0, &i) == X64_OK)
        memmove(g->code + g->start, g->code + g->start + count, bytes);
    else
        g->length += count;
}

static bool generate(const struct oracle_making *m, struct generator *g, uint32_t number)
{
    int walk = -1;
    const struct oracle_form *f = m->mode == MODE_FORMS ? form_of_number(m, number, &walk) : 0;
    g->alone = m->mode == MODE_FORMS;
    bool x87_form = f && x64_op_info((enum x64_op)f->sample.op)->isa == X64_ISA_X87;
    g->x87 = !m->user && (m->mode == MODE_RANDOM ? number % 8 == 1 : x87_form && number % 3);
    g->pointers = 1 << X64_RBX | 1 << X64_RSP | 1 << X64_RBP | 1 << X64_RSI | 1 << X64_RDI | 1 << X64_R12 | 1 << X64_R13;
    g->small = (uint16_t)(1 << X64_R9 | 1 << X64_R14 | (gen_chance(g, 50) ? 1 << X64_RCX : 0));
    if (g->alone)
        g->pointers = g->small = 0;
    g->walk = walk;
    gen_state(g, g->alone ? 15 : 5);
    switch (m->mode) {
    case MODE_FORMS:
        if (!f || !gen_instruction(g, f))
            return false;
        if (!g->user && gen_chance(g, 1) && !walks(f) && oracle_rule_of_form(f, 0) == RULE_NONE && x64_flow(&f->sample) == X64_FLOW_NEXT && f->map < X64_MAP_VEX1)
            spoil(g);
        break;
    case MODE_RANDOM: gen_sequence(g, 1 + gen_below(g, SEQUENCE_MAX)); break;
    case MODE_PROGRAMS:
        if (!gen_program(g, number / ORACLE_SLOTS % 2 == 0))
            return false;
        break;
    case MODE_CUT:
        if (!gen_cut(g))
            return false;
    }
    return g->length && g->length <= ORACLE_CODE_MAX - 16;
}

// Where the code lies: in its slot, every fourth of which has a page boundary in it, or so that it runs into the end of an edge page.
static uint64_t place(struct generator *g, const struct oracle_making *m, uint32_t number, unsigned length, unsigned *kept)
{
    int walk;
    const struct oracle_form *f;
    *kept = length;
    bool edge = number % EDGE_EVERY == 5 && !m->user && m->mode != MODE_CUT;
    if (edge && m->mode == MODE_FORMS)              // which shall show all their immediates
        edge = (f = form_of_number(m, number, &walk)) && !walks(f);
    if (edge && gen_chance(g, 70)) {
        if (gen_chance(g, 60) && length > 1)
            *kept -= 1 + gen_below(g, length < 8 ? length - 1 : 7);
        return oracle_edge_page(number) + 0x1000 - *kept;
    }
    if (number % 4 == 3 && gen_chance(g, 70))
        return oracle_slot(number) + ORACLE_SLOT_BYTES / 2 - gen_below(g, length);
    return oracle_slot(number) + (gen_chance(g, 70) ? 0 : gen_below(g, 17));
}

static bool attempt_vector(const struct oracle_making *m, uint32_t number, unsigned attempt, struct oracle_vector *v)
{
    static struct generator g, placing;
    uint64_t seed = mix(m->seed * 0x9e3779b97f4a7c15ull + ((uint64_t)m->mode << 56 | (uint64_t)attempt << 40 | (uint64_t)m->user << 39) + number) | 1;
    unsigned kept;
    *v = (struct oracle_vector){ .magic = ORACLE_MAGIC, .number = number, .window_seed = mix(m->seed ^ (uint64_t)(number / SEED_EVERY) << 20) | 1 };
    native_fill(v->window_seed);
    g = (struct generator){ .seed = seed, .va = oracle_slot(number), .user = m->user, .in = &v->in, .memory = (const uint8_t *)native_memory };
    placing = (struct generator){ .seed = mix(seed) | 1 };
    if (!generate(m, &g, number))
        return false;
    // Once more where it is to lie: the same bytes but for what depends on the address.
    uint64_t va = place(&placing, m, number, g.length, &kept);
    unsigned length = g.length;
    g = (struct generator){ .seed = seed, .va = va, .user = m->user, .in = &v->in, .memory = (const uint8_t *)native_memory };
    if (!generate(m, &g, number) || g.length != length)
        return false;
    v->code_va = va;
    v->code_bytes = kept;
    memcpy(v->code, g.code, kept);
    struct x64_insn i;
    bool absent = g.alone && decode_at(v, va + g.start, &i) && oracle_rule_of(&i, 0, 0) == RULE_ABSENT;
    return execute(v, m->user, absent && i.length >= 2 ? (int)g.start : -1);
}

bool oracle_make(const struct oracle_making *m, uint32_t number, struct oracle_vector *v)
{
    for (unsigned attempt = 0; attempt < ATTEMPTS; attempt++)
        if (attempt_vector(m, number, attempt, v))
            return true;
        else if (m->mode == MODE_FORMS && lacks(v))
            break;
    return false;
}

bool oracle_lacks(const struct oracle_form *f)
{
    static struct generator g;
    static struct oracle_vector v;
    for (unsigned attempt = 1; attempt < 50; attempt++) {
        v = (struct oracle_vector){ .code_va = oracle_slot(0), .window_seed = 1 };
        native_fill(v.window_seed);
        g = (struct generator){ .seed = mix(attempt) | 1, .va = v.code_va, .in = &v.in, .memory = (const uint8_t *)native_memory, .alone = true, .walk = -1 };
        gen_state(&g, 0);
        if (!gen_instruction(&g, f))
            continue;
        v.code_bytes = g.length;
        memcpy(v.code, g.code, g.length);
        native_run(&v);
        if (v.out.rip == v.code_va + g.start)
            return v.outcome == ORACLE_INVALID_OPCODE;
        if (v.outcome == ORACLE_END)
            return false;
    }
    return false;
}
