// SPDX-License-Identifier: MIT
//
// program.c - small programs: a loop that calls functions, directly, through registers and through memory. Functions call others or themselves,
// leave early, keep values on the stack, hand flags back, go on elsewhere by a jump, return somewhere else than where they were called, or leave all
// frames at once. Most instructions are plain integer ones, so that most programs come to their end; some fault.
//
// rbx and rbp point into the window throughout, r15 counts the rounds, r14 how deep a function may call itself, r9 is small.
#include "tests/oracle/generate.h"

enum {
    KEPT = 1 << X64_RSP | 1 << X64_RBX | 1 << X64_RBP | 1 << X64_R9 | 1 << X64_R14 | 1 << X64_R15,
    FUNCTIONS = 5, LANDING = FUNCTIONS, END, MAIN, PLACES,
    SAVED_RSP = 0x70, TABLE = 0x78,             // of rbp, 8-bit displacements for one, 32-bit ones for the other
    LIMIT = ORACLE_CODE_MAX - 40,
};

enum kind {
    LEAF, BRANCHES, PUSHES, FRAME, LOOP, TAIL, TAIL_VALUE, TAIL_PUSHED, JUMPS_BACK, SKIPS, REDIRECTS, LEAPS, RECURSES, REWRITES, KINDS,
};

struct program {
    struct generator *g;
    unsigned functions;
    enum kind kind[FUNCTIONS];
    unsigned popped[FUNCTIONS];                 // bytes of arguments that it takes off the stack
    unsigned place[PLACES];                     // offsets
    struct { unsigned at, place; } uses[160];   // 32-bit distances to fill in
    unsigned use_count;
    bool quiet;                                 // nobody reads flags that came by a call or return
    bool skips;                                 // some function returns two bytes behind where it was called
    unsigned keep;                              // registers that are not written
    unsigned frame;                             // bytes on the stack that the code may write to
    bool fits;
};

// ---- bytes
static void put(struct program *p, unsigned count, ...)
{
    __builtin_va_list bytes;
    __builtin_va_start(bytes, count);
    if (p->g->length + count > LIMIT)
        p->fits = false;
    for (unsigned i = 0; i < count && p->fits; i++)
        gen_byte(p->g, __builtin_va_arg(bytes, unsigned));
    __builtin_va_end(bytes);
}

static void put_value(struct program *p, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        put(p, 1, (unsigned)(value >> 8 * i) & 0xff);
}

static void put_distance(struct program *p, unsigned place)
{
    if (p->use_count == sizeof p->uses / sizeof *p->uses) {
        p->fits = false;
        return;
    }
    p->uses[p->use_count].at = p->g->length;
    p->uses[p->use_count++].place = place;
    put_value(p, 0, 4);
}

static unsigned below(struct program *p, unsigned n) { return gen_below(p->g, n); }
static bool chance(struct program *p, unsigned percent) { return gen_chance(p->g, percent); }

static unsigned written(struct program *p)      // a register that may be
{
    static const uint8_t registers[] = { X64_RAX, X64_RCX, X64_RDX, X64_RSI, X64_RDI, X64_R8, X64_R10, X64_R11, X64_R12, X64_R13 };
    for (;;) {
        unsigned r = registers[below(p, sizeof registers)];
        if (!(p->keep >> r & 1))
            return r;
    }
}

static unsigned any(struct program *p)
{
    unsigned r = below(p, 16);
    return r == X64_RSP && !chance(p, 10) ? X64_RAX : r;
}

// Prefixes for an operation of 1 << log2 bytes on `reg` and what `base` is of.
static void put_prefixes(struct program *p, unsigned log2, unsigned reg, unsigned base)
{
    if (log2 == 1)
        put(p, 1, 0x66);
    put(p, 1, 0x40u | (log2 == 3) << 3 | (reg >> 3) << 2 | base >> 3);
}

static unsigned some_log2(struct program *p)
{
    static const uint8_t log2s[10] = { 0, 0, 1, 2, 2, 2, 2, 3, 3, 3 };
    return log2s[below(p, 10)];
}

// ---- plain instructions
struct place { unsigned base; int32_t offset; };

static struct place some_memory(struct program *p, bool store)
{
    bool stack = store ? p->frame != 0 && chance(p, 40) : chance(p, 25);
    unsigned range = stack ? store ? p->frame - 7 : p->frame + 24 : 0x60;
    unsigned offset = below(p, range) & (chance(p, 85) ? ~7u : ~0u);
    return (struct place){ stack ? X64_RSP : chance(p, 50) ? X64_RBX : X64_RBP, (int32_t)offset };
}

static void put_memory(struct program *p, unsigned reg, struct place m)
{
    bool far = m.offset > 127 || m.offset < -128;
    put(p, 1, (far ? 0x80u : 0x40u) | (reg & 7) << 3 | (m.base & 7));
    if ((m.base & 7) == X64_RSP)
        put(p, 1, 0x24);
    put_value(p, (uint64_t)(int64_t)m.offset, far ? 4 : 1);
}

static void put_registers(struct program *p, unsigned reg, unsigned rm) { put(p, 1, 0xc0u | (reg & 7) << 3 | (rm & 7)); }

static uint64_t some_immediate(struct program *p)
{
    static const uint32_t shared[] = { 0x19660d, 0x3c6ef35f, 0x7fffffff, 0xffff0001, 0x12345678, 0x55555544 };
    return chance(p, 60) ? shared[below(p, 6)] : gen_integer(p->g);
}

// ADD OR ADC SBB AND SUB XOR CMP by number, with any operands. Only some read flags.
static void put_alu(struct program *p, unsigned number)
{
    unsigned log2 = some_log2(p), reg = written(p), other = any(p), how = below(p, 10), wide = log2 != 0;
    if (how < 4) {
        put_prefixes(p, log2, other, reg);
        put(p, 1, number << 3 | wide), put_registers(p, other, reg);
    } else if (how < 6) {
        struct place m = some_memory(p, false);
        put_prefixes(p, log2, reg, m.base);
        put(p, 1, number << 3 | 2 | wide), put_memory(p, reg, m);
    } else if (how < 7) {
        struct place m = some_memory(p, true);
        put_prefixes(p, log2, other, m.base);
        put(p, 1, number << 3 | wide), put_memory(p, other, m);
    } else if (how < 8 && log2 >= 2) {
        put_prefixes(p, log2, 0, reg);
        put(p, 1, 0x81u), put_registers(p, number, reg), put_value(p, some_immediate(p), 4);
    } else {
        put_prefixes(p, log2, 0, reg);
        put(p, 1, wide ? 0x83u : 0x80u), put_registers(p, number, reg), put_value(p, gen_integer(p->g), 1);
    }
}

static void put_move(struct program *p)
{
    unsigned log2 = some_log2(p), reg = written(p), how = below(p, 12);
    struct place load = some_memory(p, false), store = some_memory(p, true);
    unsigned wide = log2 != 0, other = any(p);
    if (how < 3)
        put_prefixes(p, log2, reg, other), put(p, 1, 0x8au | wide), put_registers(p, reg, other);
    else if (how < 6)
        put_prefixes(p, log2, reg, load.base), put(p, 1, 0x8au | wide), put_memory(p, reg, load);
    else if (how < 9)
        put_prefixes(p, log2, other, store.base), put(p, 1, 0x88u | wide), put_memory(p, other, store);
    else if (how < 10)
        put_prefixes(p, 2, 0, reg), put(p, 1, 0xb8u | (reg & 7)), put_value(p, some_immediate(p), 4);
    else if (how < 11)      // MOVZX, MOVSX
        put_prefixes(p, 2 + below(p, 2), reg, load.base), put(p, 2, 0x0fu, 0xb6u | below(p, 2) | below(p, 2) << 3), put_memory(p, reg, load);
    else                    // LEA
        put_prefixes(p, 2 + below(p, 2), reg, load.base), put(p, 1, 0x8du), put_memory(p, reg, load);
}

static void put_other(struct program *p)
{
    static const uint8_t shifts[] = { 4, 5, 7, 0, 1 };      // SHL SHR SAR ROL ROR
    unsigned log2 = 2 + below(p, 2), reg = written(p);
    switch (below(p, 6)) {
    case 0:                 // shift by a constant
        put_prefixes(p, log2, 0, reg), put(p, 1, 0xc1u), put_registers(p, shifts[below(p, 5)], reg), put_value(p, 1 + below(p, 31), 1);
        break;
    case 1:                 // IMUL by a constant
        put_prefixes(p, log2, reg, reg), put(p, 1, 0x69u), put_registers(p, reg, any(p) & 7), put_value(p, some_immediate(p), 4);
        break;
    case 2:                 // INC, DEC
        put_prefixes(p, log2, 0, reg), put(p, 1, 0xffu), put_registers(p, below(p, 2), reg);
        break;
    case 3:                 // NEG, NOT
        put_prefixes(p, log2, 0, reg), put(p, 1, 0xf7u), put_registers(p, 2 + below(p, 2), reg);
        break;
    case 4: {               // TEST
        unsigned other = any(p);
        put_prefixes(p, log2, other, reg), put(p, 1, 0x85u), put_registers(p, other, reg);
        break;
    }
    default:                // LEA of a sum
        put(p, 1, 0x48u | (reg >> 3) << 2), put(p, 4, 0x8du, 0x44u | (reg & 7) << 3, 0x0bu | below(p, 4) << 6, below(p, 128));
    }
}

static void set_flags(struct program *p)        // none of them open; in a quiet program all of them
{
    static const uint8_t numbers[] = { 0, 1, 4, 5, 5, 6, 7, 7, 7, 7 };
    if (!p->quiet && chance(p, 12))
        put(p, 1, 0xf8u | below(p, 2));         // CLC, STC
    else
        put_alu(p, numbers[below(p, sizeof numbers)]);
}

static void use_flags(struct program *p)
{
    unsigned reg = written(p), other = any(p);
    switch (below(p, 4)) {
    case 0: put(p, 1, 0x40u | reg >> 3), put(p, 2, 0x0fu, 0x90u | below(p, 16)), put_registers(p, 0, reg); break;
    case 1: put_prefixes(p, 2 + below(p, 2), reg, other), put(p, 2, 0x0fu, 0x40u | below(p, 16)), put_registers(p, reg, other); break;
    case 2: put_alu(p, 2 + below(p, 2)); break;
    default: put(p, 1, 0x70u | below(p, 16)), put(p, 1, 3u), put_prefixes(p, 3, 0, reg), put(p, 1, 0xffu), put_registers(p, 0, reg);   // Jcc over INC
    }
}

static void plain(struct program *p)
{
    unsigned how = below(p, 100);
    if (how < 40)
        put_move(p);
    else if (how < 65)
        set_flags(p);
    else if (how < 77)
        put_other(p);
    else if (how < 90)
        set_flags(p), use_flags(p);
    else if (p->fits && p->g->length < LIMIT - 60) {
        if (p->quiet)
            set_flags(p);
        p->g->pointers = 1 << X64_RBX | 1 << X64_RBP | 1 << X64_RSP;
        p->g->small = 1 << X64_R9;
        gen_plain(p->g, p->keep);
    }
}

static void some(struct program *p, unsigned most)
{
    for (unsigned i = 0, count = below(p, most + 1); i < count && p->fits; i++)
        plain(p);
}

// ---- calls
static void lea(struct program *p, unsigned reg, unsigned place)
{
    put(p, 1, 0x48u | (reg >> 3) << 2), put(p, 2, 0x8du, 0x05u | (reg & 7) << 3);
    put_distance(p, place);
}

static unsigned table_offset(unsigned function) { return TABLE + 8 * function; }

// `to`: 2 a call, 4 a jump (bits 5:3 of ModRM).
static void go(struct program *p, unsigned function, unsigned to)
{
    unsigned reg = written(p);
    struct place slot = { X64_RBP, (int32_t)table_offset(function) };
    switch (below(p, 8)) {
    case 0:
        lea(p, reg, function);
        put(p, 1, 0x40u | reg >> 3), put(p, 1, 0xffu), put_registers(p, to, reg);
        break;
    case 1:
        put(p, 1, 0xffu), put_memory(p, to, slot);
        break;
    case 2:
        put_prefixes(p, 3, reg, X64_RBP), put(p, 1, 0x8bu), put_memory(p, reg, slot);
        put(p, 1, 0x40u | reg >> 3), put(p, 1, 0xffu), put_registers(p, to, reg);
        break;
    default:
        put(p, 1, to == 2 ? 0xe8u : 0xe9u), put_distance(p, function);
    }
}

static void call(struct program *p, unsigned function)
{
    for (unsigned i = 0; i < p->popped[function]; i += 8)
        put(p, 1, 0x50u | below(p, 4));
    p->frame += p->popped[function];
    if (chance(p, 30))
        set_flags(p);
    p->frame -= p->popped[function];
    go(p, function, 2);
    if (p->skips)
        put(p, 2, 0xb0u, below(p, 256));        // MOV AL
    if (p->quiet)
        set_flags(p);
    else if (chance(p, 35))
        use_flags(p);
}

static bool only_from_main(const struct program *p, unsigned function) { return p->kind[function] == REDIRECTS; }

// Another function that `from` may call, which are those behind it; FUNCTIONS: none.
static unsigned callee(struct program *p, unsigned from, bool takes_arguments)
{
    unsigned first = from + 1, found = FUNCTIONS;
    for (unsigned i = first, seen = 0; i < p->functions; i++)
        if (!only_from_main(p, i) && (takes_arguments || !p->popped[i]) && !below(p, ++seen))
            found = i;
    return found;
}

static void inner_call(struct program *p, unsigned from)
{
    unsigned to = callee(p, from, true);
    if (to < FUNCTIONS && chance(p, 60))
        call(p, to);
    else if (chance(p, 20)) {                   // call the next instruction and take the address
        unsigned reg = written(p);
        put(p, 5, 0xe8u, 0u, 0u, 0u, 0u), put(p, 2, 0x40u | reg >> 3, 0x58u | (reg & 7));
    }
}

// ---- functions
static void leave(struct program *p, unsigned function)
{
    if (p->popped[function])
        put(p, 1, 0xc2u), put_value(p, p->popped[function], 2);
    else
        put(p, 1, 0xc3u);
}

static void to_elsewhere(struct program *p, unsigned function, enum kind how)
{
    unsigned to = callee(p, function, false), reg = written(p);
    if (to == FUNCTIONS || p->popped[function]) {
        leave(p, function);
    } else if (how == TAIL_PUSHED) {
        unsigned keep = p->keep;
        lea(p, reg, to);
        p->keep |= 1u << reg;
        put(p, 2, 0x40u | reg >> 3, 0x50u | (reg & 7));
        p->frame = 0, some(p, 2);
        p->keep = keep;
        put(p, 1, 0xc3u);
    } else {
        go(p, to, 4);
    }
}

static void body(struct program *p, unsigned f)
{
    unsigned pushed[4], count = 1 + below(p, 3), at, bytes = 8 * (1 + below(p, 4)), keep = p->keep;
    p->frame = 0;
    switch (p->kind[f]) {
    case BRANCHES:
        set_flags(p), put(p, 1, 0x70u | below(p, 16)), put(p, 1, 0u);
        at = p->g->length;
        some(p, 3);
        if (chance(p, 60))
            leave(p, f);
        p->g->code[at - 1] = (uint8_t)(p->g->length - at);
        p->fits = p->fits && p->g->length - at < 128;
        some(p, 3);
        break;
    case PUSHES:
        for (unsigned i = 0; i < count; i++)
            pushed[i] = any(p), put(p, 2, 0x40u | pushed[i] >> 3, 0x50u | (pushed[i] & 7));
        p->frame = 8 * count;
        some(p, 4), inner_call(p, f), some(p, 2);
        while (count--) {
            unsigned reg = pushed[count] == X64_RSP || chance(p, 10) ? written(p) : pushed[count];
            put(p, 2, 0x40u | reg >> 3, 0x58u | (reg & 7));
        }
        break;
    case FRAME:
        put(p, 4, 0x48u, 0x83u, 0xecu, bytes);
        p->frame = bytes;
        some(p, 4), inner_call(p, f), some(p, 3);
        put(p, 4, 0x48u, 0x83u, 0xc4u, bytes);
        break;
    case LOOP:
        put(p, 1, 0xb9u), put_value(p, 1 + below(p, 4), 4);
        p->keep |= 1 << X64_RCX;
        at = p->g->length;
        some(p, 3);
        put(p, 2, 0xffu, 0xc9u), put(p, 2, 0x75u, 0u);
        p->g->code[p->g->length - 1] = (uint8_t)(at - p->g->length);
        p->fits = p->fits && p->g->length - at < 120;
        p->keep = keep;
        break;
    case TAIL: case TAIL_VALUE: case TAIL_PUSHED:
        some(p, 3), to_elsewhere(p, f, p->kind[f]);
        return;
    case JUMPS_BACK: {
        unsigned reg = written(p);
        some(p, 2), put(p, 2, 0x40u | reg >> 3, 0x58u | (reg & 7));
        p->keep |= 1u << reg;
        some(p, 2), put(p, 1, 0x40u | reg >> 3), put(p, 1, 0xffu), put_registers(p, 4, reg);
        p->keep = keep;
        return;
    }
    case SKIPS:
        some(p, 2);
        if (chance(p, 60))
            put(p, 5, 0x48u, 0x83u, 0x04u, 0x24u, 2u);                          // add qword [rsp], 2
        else
            put(p, 4, 0x48u, 0x8du, 0x14u, 0x24u), put(p, 4, 0x48u, 0x83u, 0x02u, 2u);  // by way of rdx
        some(p, 2);
        break;
    case REDIRECTS:
        some(p, 2), lea(p, X64_RAX, LANDING);
        if (chance(p, 60))
            put(p, 4, 0x48u, 0x89u, 0x04u, 0x24u);
        else
            put(p, 3, 0x48u, 0x89u, 0xe2u), put(p, 3, 0x48u, 0x89u, 0x02u);
        some(p, 2);
        break;
    case LEAPS:
        some(p, 2), set_flags(p), put(p, 1, 0x70u | below(p, 16)), put(p, 1, 9u);
        put(p, 4, 0x48u, 0x8bu, 0x65u, SAVED_RSP), put(p, 1, 0xe9u), put_distance(p, LANDING);
        some(p, 2);
        break;
    case RECURSES:
        put(p, 3, 0x41u, 0xffu, 0xceu), put(p, 1, 0x78u), put(p, 1, 0u);        // dec r14d; js
        at = p->g->length;
        some(p, 2), call(p, f), some(p, 2);
        p->g->code[at - 1] = (uint8_t)(p->g->length - at);
        p->fits = p->fits && p->g->length - at < 128;
        break;
    case REWRITES:                              // the same again, by a store that might be anything
        put(p, 4, 0x48u, 0x8bu, 0x04u, 0x24u);
        if (chance(p, 50))
            put(p, 4, 0x48u, 0x87u, 0x04u, 0x24u);
        else
            put(p, 4, 0x48u, 0x89u, 0x04u, 0x24u);
        break;
    default:
        some(p, 5);
    }
    if (chance(p, 25))
        set_flags(p);
    leave(p, f);
}

static void main_part(struct program *p)
{
    unsigned top;
    p->frame = 0;
    for (unsigned i = 0; i < p->functions; i++) {
        unsigned reg = written(p);
        lea(p, reg, i), put_prefixes(p, 3, reg, X64_RBP), put(p, 1, 0x89u);
        put_memory(p, reg, (struct place){ X64_RBP, (int32_t)table_offset(i) });
    }
    put(p, 4, 0x48u, 0x89u, 0x65u, SAVED_RSP);
    put(p, 2, 0x41u, 0xbfu), put_value(p, 1 + below(p, 5), 4);
    top = p->g->length;
    if (chance(p, 60))
        put(p, 2, 0x41u, 0xbeu), put_value(p, below(p, 6), 4);
    for (unsigned calls = 1 + below(p, 4); calls--;) {
        some(p, 3);
        call(p, below(p, p->functions));
    }
    some(p, 2);
    p->place[LANDING] = p->g->length;
    if (p->quiet)
        set_flags(p);
    some(p, 2);
    put(p, 3, 0x41u, 0xffu, 0xcfu), put(p, 2, 0x0fu, 0x85u);
    put_value(p, (uint64_t)top - (p->g->length + 4), 4);
    some(p, 2);
}

bool gen_program(struct generator *g, bool quiet)
{
    static const uint8_t weights[KINDS] = { [LEAF] = 20, [BRANCHES] = 14, [PUSHES] = 14, [FRAME] = 14, [LOOP] = 6, [TAIL] = 6, [TAIL_VALUE] = 4, [TAIL_PUSHED] = 4,
                                            [JUMPS_BACK] = 3, [SKIPS] = 4, [REDIRECTS] = 4, [LEAPS] = 4, [RECURSES] = 6, [REWRITES] = 4 };
    struct program program = { .g = g, .functions = 1 + below(&(struct program){ .g = g }, FUNCTIONS), .keep = KEPT, .fits = true, .quiet = quiet }, *p = &program;
    unsigned total = 0;
    for (unsigned k = 0; k < KINDS; k++)
        total += weights[k];
    for (unsigned i = 0; i < p->functions; i++) {
        unsigned n = below(p, total), k = 0;
        while (n >= weights[k])
            n -= weights[k++];
        p->kind[i] = (enum kind)k;
        p->skips |= k == SKIPS;
        bool takes = k == LEAF || k == BRANCHES || k == PUSHES || k == FRAME || k == LOOP;
        p->popped[i] = takes && chance(p, 12) ? 8 * (1 + below(p, 2)) : 0;
    }
    bool first = chance(p, 50);                 // the main part
    if (!first)
        put(p, 1, 0xe9u), put_distance(p, MAIN);
    for (unsigned part = 0; part <= p->functions; part++) {
        unsigned f = first ? part - 1 : part;
        if (part == (first ? 0 : p->functions)) {
            p->place[MAIN] = g->length;
            main_part(p);
            if (first)
                put(p, 1, 0xe9u), put_distance(p, END);
        } else {
            p->place[f] = g->length;
            body(p, f);
        }
    }
    p->place[END] = g->length;
    for (unsigned i = 0; i < p->use_count && p->fits; i++) {
        uint32_t distance = p->place[p->uses[i].place] - (p->uses[i].at + 4);
        memcpy(g->code + p->uses[i].at, &distance, 4);
    }
    return p->fits;
}
