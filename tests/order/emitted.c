// SPDX-License-Identifier: MIT
#include "tests/order/emitted.h"
#include <string.h>
#include "emu/lower/context.h"

// ---- words

enum { L = ORDER_LOAD, S = ORDER_STORE, LX = ORDER_LOAD_EXCLUSIVE, SX = ORDER_STORE_EXCLUSIVE, RMW = ORDER_READ_MODIFY_WRITE, CAS = ORDER_COMPARE_AND_SWAP,
       ACQ = ORDER_ACQUIRE, REL = ORDER_RELEASE };

// Arm ARM C4.1.94, loads and stores. The first row that matches counts.
static const struct row { uint32_t mask, value; uint8_t kind, load, store; bool pair; } rows[] = {
    { 0x3f000000, 0x18000000, ORDER_NOTHING, 0, 0, false }, { 0x3f000000, 0x1c000000, ORDER_NOTHING, 0, 0, false },        // literal
    { 0x3fc00000, 0x39000000, S, 0, 0, false }, { 0x3f000000, 0x39000000, L, 0, 0, false },                                // unsigned offset
    { 0x3fe00000, 0x38000000, S, 0, 0, false }, { 0x3f200000, 0x38000000, L, 0, 0, false },                                // unscaled, pre, post
    { 0x3fe00c00, 0x38200800, S, 0, 0, false }, { 0x3f200c00, 0x38200800, L, 0, 0, false },                                // register offset
    { 0x3f400000, 0x3d000000, S, 0, 0, false }, { 0x3f400000, 0x3d400000, L, 0, 0, false },                                // and with vectors
    { 0x3f600000, 0x3c000000, S, 0, 0, false }, { 0x3f600000, 0x3c400000, L, 0, 0, false },
    { 0x3f600c00, 0x3c200800, S, 0, 0, false }, { 0x3f600c00, 0x3c600800, L, 0, 0, false },
    { 0x3a400000, 0x28000000, S, 0, 0, true }, { 0x3a400000, 0x28400000, L, 0, 0, true },                                  // LDP, STP
    { 0xbfff0000, 0x0d000000, S, 0, 0, false }, { 0xbfff0000, 0x0d400000, L, 0, 0, false },                                // LD1, ST1 of an element
    { 0x3ffffc00, 0x08dffc00, L, ACQ, 0, false }, { 0x3ffffc00, 0x089ffc00, S, 0, REL, false },                            // LDAR, STLR
    { 0x3ffffc00, 0x38bfc000, L, ORDER_ACQUIRE_PC, 0, false },                                                             // LDAPR
    { 0x3fe00c00, 0x19400000, L, ORDER_ACQUIRE_PC, 0, false }, { 0x3fe00c00, 0x19000000, S, 0, REL, false },               // LDAPUR, STLUR
    { 0x3fe0fc00, 0x08407c00, LX, 0, 0, false }, { 0x3fe0fc00, 0x0840fc00, LX, ACQ, 0, false },                            // LDXR, LDAXR
    { 0x3fe0fc00, 0x08007c00, SX, 0, 0, false }, { 0x3fe0fc00, 0x0800fc00, SX, 0, REL, false },                            // STXR, STLXR
    { 0xbfe08000, 0x88600000, LX, 0, 0, false }, { 0xbfe08000, 0x88608000, LX, ACQ, 0, false },                            // LDXP, LDAXP
    { 0xbfe08000, 0x88200000, SX, 0, 0, false }, { 0xbfe08000, 0x88208000, SX, 0, REL, false },                            // STXP, STLXP
    { 0x3fe0fc00, 0x08a07c00, CAS, 0, 0, false }, { 0x3fe0fc00, 0x08e07c00, CAS, ACQ, 0, false },                          // CAS, CASA
    { 0x3fe0fc00, 0x08a0fc00, CAS, 0, REL, false }, { 0x3fe0fc00, 0x08e0fc00, CAS, ACQ, REL, false },                      // CASL, CASAL
    { 0xbfe0fc00, 0x08207c00, CAS, 0, 0, false }, { 0xbfe0fc00, 0x08607c00, CAS, ACQ, 0, false },                          // CASP, CASPA
    { 0xbfe0fc00, 0x0820fc00, CAS, 0, REL, false }, { 0xbfe0fc00, 0x0860fc00, CAS, ACQ, REL, false },                      // CASPL, CASPAL
    { 0x3fe08c00, 0x38200000, RMW, 0, 0, false }, { 0x3fe0fc00, 0x38208000, RMW, 0, 0, false },                            // LDADD and so on, SWP
    { 0x3fe08c00, 0x38a00000, RMW, ACQ, 0, false }, { 0x3fe0fc00, 0x38a08000, RMW, ACQ, 0, false },
    { 0x3fe08c00, 0x38600000, RMW, 0, REL, false }, { 0x3fe0fc00, 0x38608000, RMW, 0, REL, false },
    { 0x3fe08c00, 0x38e00000, RMW, ACQ, REL, false }, { 0x3fe0fc00, 0x38e08000, RMW, ACQ, REL, false },
};

struct order_access order_decode(uint32_t word)
{
    struct order_access a = { 0 };
    if ((word & 0xfffff0ff) == 0xd50330bf) {
        unsigned crm = word >> 8 & 15;
        a.kind = ORDER_BARRIER;
        a.barrier = crm == 11 || crm == 15 ? ORDER_FULL : (crm & 3) == 1 ? ORDER_LOADS : (crm & 3) == 2 ? ORDER_STORES : 0;
        if (!a.barrier)
            a.kind = ORDER_UNKNOWN;
        return a;
    }
    if ((word >> 25 & 5) != 4)                          // no load or store
        return a;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if ((word & rows[i].mask) != rows[i].value)
            continue;
        a = (struct order_access){ .kind = rows[i].kind, .load = rows[i].load, .store = rows[i].store, .pair = rows[i].pair };
        if (a.kind == ORDER_READ_MODIFY_WRITE && (word & 31) == 31)
            a.load = 0;                                 // no acquire without a destination (Arm ARM C6.2 LDADD)
        if ((a.kind == ORDER_READ_MODIFY_WRITE || a.kind == ORDER_COMPARE_AND_SWAP) && a.load && a.store)
            a.load |= ORDER_ATOMIC, a.store |= ORDER_ATOMIC;
        return a;
    }
    a.kind = ORDER_UNKNOWN;
    return a;
}

const char *order_weaken(uint32_t word, unsigned number, uint32_t *weaker)
{
    enum { NOP = 0xd503201f };
    struct order_access a = order_decode(word);
    switch (a.kind) {
    case ORDER_BARRIER:
        *weaker = number == 0 ? NOP : number == 1 ? (word & 0xfffff0ff) | 9 << 8 : (word & 0xfffff0ff) | 10 << 8;
        return number == 0 ? "without DMB" : a.barrier != ORDER_FULL || number > 2 ? NULL : number == 1 ? "DMB as DMB LD" : "DMB as DMB ST";
    case ORDER_LOAD:
        if (number || !a.load)
            return NULL;
        *weaker = (word & 0xc0000000) | 0x38400000 | (word & 0x3ff);                            // LDUR
        if ((word & 0x3fe00c00) == 0x19400000)
            *weaker |= word & 0x001ff000;
        return "acquire load as plain load";
    case ORDER_STORE:
        if (number || !a.store)
            return NULL;
        *weaker = (word & 0xc0000000) | 0x38000000 | (word & 0x3ff);                            // STUR
        if ((word & 0x3fe00c00) == 0x19000000)
            *weaker |= word & 0x001ff000;
        return "release store as plain store";
    case ORDER_LOAD_EXCLUSIVE: case ORDER_STORE_EXCLUSIVE:
        *weaker = word & ~0x8000u;
        return number || *weaker == word ? NULL : a.kind == ORDER_LOAD_EXCLUSIVE ? "LDAXR as LDXR" : "STLXR as STXR";
    case ORDER_READ_MODIFY_WRITE:
        *weaker = word & ~(number ? 0x400000u : 0x800000u);
        return number > 1 || !(a.load && a.store) ? NULL : number ? "AL as A" : "AL as L";
    case ORDER_COMPARE_AND_SWAP:
        *weaker = word & ~(number ? 0x8000u : 0x400000u);
        return number > 1 || !(a.load && a.store) ? NULL : number ? "AL as A" : "AL as L";
    default:
        return NULL;
    }
}

// ---- ways through a region

enum { MOST_STEPS = 600, MOST_WAYS = 32768 };
struct walk {
    const struct lower_result *r;
    const struct order_operation *operation;
    unsigned operations, ways;
    order_each *each;
    void *context;
    const char *wrong;
    uint64_t wrong_rip;
};
struct way {
    struct order_thread thread;
    uint32_t at;                        // word
    uint8_t barriers;
    bool fence;
    int exclusive;                      // event of the exclusive load that waits for its store; -1: none
    uint8_t turns[256];                 // how often a backward branch was taken, by its word modulo 256
    unsigned steps;                     // words
    int last;                           // the operation of the last access
    uint32_t own;                       // registers that point to the translator's own memory
    uint8_t strings;                    // REP MOVS and STOS so far
    bool in_string;
    uint64_t depends[31];               // of each general register: the loads that its value was computed from
};
enum { OWN = 1u << 28 | 1u << 13 | 1u << 14 };      // context, branch target table, shadow stack (emu/run/ctx.h)

static const struct order_operation *operation_at(const struct walk *w, uint32_t at)
{
    uint64_t rip = 0;
    for (uint32_t i = 0; i < w->r->point_count && w->r->points[i].offset <= 4 * at; i++)
        rip = w->r->points[i].rip;
    for (unsigned i = 0; i < w->operations; i++)
        if (w->operation[i].rip == rip)
            return &w->operation[i];
    return NULL;
}

static void wrong(struct walk *w, const struct order_operation *o, const char *what)
{
    if (!w->wrong) {
        w->wrong = what;
        w->wrong_rip = o ? o->rip : 0;
    }
}

// An MFENCE of which nothing is left, because a barrier before it does, is not seen on the way; what lies on a straight line was passed, though.
static void unnoticed_fences(const struct walk *w, struct way *y, int now)
{
    for (int i = y->last + 1; i < now; i++) {
        bool words = false;
        for (uint32_t k = 0; k < w->r->point_count; k++)
            words |= w->r->points[k].rip == w->operation[i].rip;
        y->fence |= w->operation[i].kind == 'M' && !words;
    }
    y->last = now;
}

static uint64_t depends_of(const struct way *y, uint32_t number)
{
    return (number & 31) == 31 ? 0 : y->depends[number & 31];
}

static void depends_set(struct way *y, uint32_t number, uint64_t on)
{
    if ((number & 31) != 31)
        y->depends[number & 31] = on;
}

// What the result of a word that is no load or store was computed from (Arm ARM B2.3). What comes through flags or vector registers does not count.
static void compute(struct way *y, uint32_t word)
{
    uint32_t rd = word, rn = word >> 5, rm = word >> 16, ra = word >> 10;
    uint64_t on = 0;
    unsigned kind = word >> 24 & 31, sub = word >> 21 & 7;
    switch (word >> 25 & 15) {
    case 8: case 9:                                                 // immediates
        if (kind == 0x11 || (kind == 0x12 && !(word >> 23 & 1)) || kind == 0x13)    // ADD SUB, logical, bit fields, EXTR
            on = depends_of(y, rn);
        if (kind == 0x13 && word >> 23 & 1)                         // EXTR
            on |= depends_of(y, rm);
        if ((word & 0x7f800000) == 0x33000000 || (word & 0x7f800000) == 0x72800000)     // BFM, MOVK
            on |= depends_of(y, rd);
        break;
    case 5: case 13:                                                // registers
        if (kind == 0x0a || kind == 0x0b || kind == 0x1b || (kind == 0x1a && (sub == 6 || (sub == 0 && !(word & 0xfc00)))))
            on = depends_of(y, rn) | ((word & 0x5fe00000) == 0x5ac00000 ? 0 : depends_of(y, rm));
        if (kind == 0x1b)
            on |= depends_of(y, ra);
        break;
    case 10: case 11:                                               // branches, system
        if ((word & 0xfc000000) == 0x94000000 || (word & 0xfffffc1f) == 0xd63f0000)
            y->depends[30] = 0;
        if ((word & 0xfff00000) == 0xd5300000)
            depends_set(y, rd, 0);
        return;
    case 7: case 15: case 4: case 6: case 12: case 14:              // vectors; own loads and stores
        if ((word & 0x3a000000) == 0x28000000)
            depends_set(y, ra, 0);
        break;
    }
    depends_set(y, rd, on);
}

const char order_too_many_ways[] = "too many ways through it", order_too_many_accesses[] = "too many accesses";

static int event(struct walk *w, struct way *y, const struct order_operation *o, bool store, uint8_t annotation)
{
    if (y->thread.count == ORDER_EVENTS) {
        wrong(w, o, order_too_many_accesses);
        return -1;
    }
    const struct order_event *last = y->thread.count ? &y->thread.event[y->thread.count - 1] : NULL;
    uint8_t string = 0;
    if (o->kind == 'S' && y->in_string)
        string = (uint8_t)(last->string + (last->store && !store));
    else if (o->kind == 'S')
        string = (uint8_t)((y->strings++ % 15 + 1) << 4);
    y->in_string = string != 0;
    bool locked = o->kind == 'X' || o->kind == 'C';
    unnoticed_fences(w, y, (int)(o - w->operation));
    y->thread.event[y->thread.count] = (struct order_event){ .before = y->barriers, .annotation = annotation, .location = o->location, .store = store,
                                                             .locked = locked, .fence = y->fence, .string = string };
    y->barriers = 0;
    y->fence = false;
    return (int)y->thread.count++;
}

static void second(struct walk *w, struct way *y, const struct order_operation *o, uint8_t annotation)
{
    int e = event(w, y, o, true, annotation);
    if (e > 0)
        y->thread.event[e].second = true;
}

static void go(struct walk *w, struct way *y);

static void fork_to(struct walk *w, const struct way *y, uint32_t at)
{
    struct way other = *y;
    other.at = at;
    go(w, &other);
}

// LDXRB and STXRB of the same: it only finds out whether the byte may be written. Nobody can tell that it was.
static bool is_touch(const struct lower_result *r, uint32_t at)
{
    uint32_t load = r->code[at], store = at + 1 < r->code_count ? r->code[at + 1] : 0;
    return (load & 0xfffffc00) == 0x085f7c00 && (store & 0xffe0fc00) == 0x08007c00 && (load & 0x3ff) == (store & 0x3ff);
}

static void access(struct walk *w, struct way *y, const struct order_operation *o, struct order_access a)
{
    bool may_load = strchr("RPXCAS", o->kind), may_store = strchr("WPXCAS", o->kind);
    bool plain = strchr("RWPAS", o->kind);
    uint32_t word = w->r->code[y->at];
    bool vector = word >> 26 & 1, index = (word & 0x3b200c00) == 0x38200800;
    uint64_t address = depends_of(y, word >> 5) | (index ? depends_of(y, word >> 16) : 0);
    switch (a.kind) {
    case ORDER_LOAD: case ORDER_STORE:
        if (!plain || !(a.kind == ORDER_LOAD ? may_load : may_store))
            wrong(w, o, "an access that it should not have");
        for (int i = 0; i <= a.pair; i++) {
            int e = event(w, y, o, a.kind == ORDER_STORE, a.kind == ORDER_STORE ? a.store : a.load);
            uint32_t rt = i ? word >> 10 : word;
            if (e < 0)
                return;
            y->thread.event[e].address = address;
            if (a.kind == ORDER_STORE)
                y->thread.event[e].data = vector ? 0 : depends_of(y, rt);
            else if (!vector)
                depends_set(y, rt, 1ull << e);
        }
        return;
    case ORDER_LOAD_EXCLUSIVE:
        if (plain && is_touch(w->r, y->at)) {
            y->at++;
            return;
        }
        if (plain)
            wrong(w, o, "an exclusive without LOCK");
        depends_set(y, word, 0);
        depends_set(y, word >> 10, 0);
        y->exclusive = event(w, y, o, false, a.load);
        return;
    case ORDER_STORE_EXCLUSIVE:
        if (y->exclusive != (int)y->thread.count - 1 || y->exclusive < 0)
            wrong(w, o, "a store exclusive without its load");
        second(w, y, o, a.store);
        depends_set(y, word >> 16, 0);
        y->exclusive = -1;
        return;
    case ORDER_COMPARE_AND_SWAP: {
        depends_set(y, word >> 16, 0);
        depends_set(y, (word >> 16) + 1, 0);
        struct way fails = *y;
        event(w, &fails, o, false, a.load & ~ORDER_ATOMIC);
        fails.at++;
        go(w, &fails);
    }   // fall through
    case ORDER_READ_MODIFY_WRITE:
        if (plain)
            wrong(w, o, "an atomic without LOCK");
        event(w, y, o, false, a.load);
        second(w, y, o, a.store);
        depends_set(y, word, 0);
        return;
    default:
        wrong(w, o, "a load or store that this test does not know");
    }
}


static void arrive(struct walk *w, struct way *y)
{
    if (y->exclusive >= 0)
        wrong(w, NULL, "an exclusive load without store");
    if (++w->ways > MOST_WAYS) {
        wrong(w, NULL, order_too_many_ways);
        return;
    }
    if (y->at < w->r->code_count && !operation_at(w, y->at))        // the end, not an exit before it
        unnoticed_fences(w, y, (int)w->operations);
    y->thread.after = y->barriers;
    y->thread.fence_after = y->fence;
    w->each(w->context, &y->thread);
}

static int64_t field(uint32_t word, unsigned low, unsigned bits)
{
    return (int64_t)((uint64_t)word << (64 - low - bits)) >> (64 - bits);
}

static void go(struct walk *w, struct way *y)
{
    while (!w->wrong) {
        if (y->at >= w->r->code_count || ++y->steps > MOST_STEPS) {
            wrong(w, NULL, "does not end");
            return;
        }
        uint32_t word = w->r->code[y->at];
        const struct order_operation *o = operation_at(w, y->at);
        y->in_string &= o && o->kind == 'S';
        int64_t distance = 0;
        bool conditional = true;
        if ((word & 0x7c000000) == 0x14000000) {                            // B, BL
            distance = field(word, 0, 26);
            conditional = false;
        } else if ((word & 0xff000010) == 0x54000000 || (word & 0x7e000000) == 0x34000000) {    // B.cond, CBZ, CBNZ
            distance = field(word, 5, 19);
        } else if ((word & 0x7e000000) == 0x36000000) {                     // TBZ, TBNZ
            distance = field(word, 5, 14);
        } else if ((word >> 26 & 7) == 5 && (word & 0xffffffe0) >> 24 != 0xd5) {    // SVC, BRK, BR, RET
            arrive(w, y);
            return;
        }
        if (distance) {
            int64_t to = (int64_t)y->at + distance;
            bool out = to < 0 || to >= w->r->code_count;
            bool retry = to >= 0 && to <= y->at && y->at > 0 && order_decode(w->r->code[y->at - 1]).kind == ORDER_STORE_EXCLUSIVE;
            if (conditional && retry) {                                     // a store exclusive that fails has done nothing
                y->at++;
                continue;
            }
            bool again = to <= (int64_t)y->at && y->turns[y->at % 256]++ >= 1;
            if (!conditional) {
                if (again)
                    y->barriers |= ORDER_FULL;                      // not followed any further: what would come behind is not asked
                if (out || again) {
                    arrive(w, y);
                    return;
                }
                y->at = (uint32_t)to;
                continue;
            }
            if (!out && !again)
                fork_to(w, y, (uint32_t)to);
            y->at++;
            continue;
        }
        struct order_access a = order_decode(word);
        uint32_t base = 1u << (word >> 5 & 31), result = 1u << (word & 31);
        bool sum = (word & 0x1f000000) == 0x0b000000 || (word & 0x1f000000) == 0x11000000;      // ADD, SUB
        if (a.kind == ORDER_BARRIER)
            y->barriers |= a.barrier;
        else if (a.kind != ORDER_NOTHING && o && !(y->own & base))
            access(w, y, o, a);
        else
            compute(y, word);
        y->own = sum && y->own & base ? y->own | result : (y->own & ~result) | OWN;
        y->fence |= o && o->kind == 'M';
        y->at++;
    }
}

const char *order_ways(const struct lower_result *r, const struct order_operation *operation, unsigned operations, order_each *each, void *context,
                       uint64_t *rip)
{
    struct walk w = { .r = r, .operation = operation, .operations = operations, .each = each, .context = context };
    struct way y = { .at = r->entries[0].offset / 4, .exclusive = -1, .last = -1, .own = OWN };
    y.thread.operations = operations;
    struct way called = y;
    go(&w, &y);
    called.at = r->entries[0].call / 4;
    if (r->entries[0].call != LOWER_NO_CALL && r->code[called.at] != CTX_SHADOW_PUSH)       // code of its own (emu/lower/owed.c)
        go(&w, &called);
    *rip = w.wrong_rip;
    return w.wrong;
}
