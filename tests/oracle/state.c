// SPDX-License-Identifier: MIT
// state.c - the states that sequences start from.
#include <string.h>
#include "tests/oracle/generate.h"

unsigned gen_below(struct generator *g, unsigned n) { return (unsigned)(oracle_random(&g->seed) >> 33) % n; }
bool gen_chance(struct generator *g, unsigned percent) { return gen_below(g, 100) < percent; }
uint64_t gen_integer(struct generator *g) { return oracle_random_integer(&g->seed); }

void gen_set(struct generator *g, unsigned gpr, uint64_t value)
{
    g->in->gpr[gpr] = value;
    g->solved |= (uint16_t)(1 << gpr);
}

static void put16(uint8_t *to, unsigned value) { to[0] = (uint8_t)value, to[1] = (uint8_t)(value >> 8); }

// An 80-bit number: often a whole number, zero, denormal, infinite, NaN; sometimes an encoding that is none (SDM vol. 1, table 8-3).
static void random_float80(struct generator *g, uint8_t *to)
{
    static const struct { uint64_t significand; uint16_t exponent; } edges[] = {
        { 0, 0 }, { 1ull << 63, 0x3fff }, { 1ull << 63, 0x4000 }, { 1ull << 63, 0x7fff }, { 3ull << 62, 0x7fff }, { 5ull << 61, 0x7fff }, { 1, 0 },
        { 1ull << 63, 0 }, { 1ull << 63, 1 }, { ~0ull, 0x7ffe }, { 0xc90fdaa22168c235, 0x4000 }, { 3ull << 62, 0x3ffe }, { ~0ull, 0x3ffe },
        { 1ull << 63, 0x401e }, { 1ull << 63, 0x403e }, { ~0ull << 11, 0x43fe }, { 1ull << 63, 0x3c01 }, { 1ull << 63, 0x3f81 }, { ~0ull << 40, 0x407e },
    };
    uint64_t significand = oracle_random(&g->seed) | 1ull << 63;
    unsigned exponent = 0x3fff - 70 + gen_below(g, 140), kind = gen_below(g, 20);
    if (kind < 8) {
        unsigned i = gen_below(g, sizeof edges / sizeof *edges);
        significand = edges[i].significand, exponent = edges[i].exponent;
    } else if (kind < 12) {                         // a whole number, up to 63 bits
        unsigned bits = gen_below(g, 63);
        exponent = 0x3fff + bits;
        significand &= ~0ull << (63 - bits);
    } else if (kind == 12) {
        exponent = gen_below(g, 0x8000);
    } else if (kind == 13) {                        // without its integer bit
        significand &= ~(1ull << 63);
        exponent = gen_chance(g, 50) ? 0x7fff : exponent;
    }
    memcpy(to, &significand, 8);
    put16(to + 8, exponent | (gen_chance(g, 50) ? 0x8000 : 0));
}

// A double as an 80-bit number; not a denormal one.
static void put_double(uint8_t *to, uint64_t bits)
{
    unsigned exponent = bits >> 52 & 0x7ff;
    uint64_t significand = exponent ? bits << 11 | 1ull << 63 : 0;
    memcpy(to, &significand, 8);
    put16(to + 8, (unsigned)(bits >> 63 << 15) | (exponent == 0x7ff ? 0x7fff : exponent ? exponent + 0x3c00 : 0));
}

// As programs leave it: all exceptions masked, the stack's bottom at register 7, numbers that are doubles.
static void tidy_x87(struct generator *g, uint8_t *fx)
{
    unsigned depth = gen_chance(g, 30) ? 0 : gen_below(g, gen_chance(g, 80) ? 5 : 9);
    put16(fx + ORACLE_FX_FCW, 0x7f | (gen_chance(g, 60) ? 0x200 : 0x300) | (gen_chance(g, 85) ? 0 : gen_below(g, 4) << 10));
    put16(fx + ORACLE_FX_FSW, ((8 - depth) & 7) << 11 | (gen_below(g, 16) << 8 & 0x700) | gen_below(g, 2) << 14 | (gen_chance(g, 30) ? gen_below(g, 0x40) : 0));
    fx[ORACLE_FX_FTW] = (uint8_t)(0xff00 >> depth);
    for (unsigned i = 0; i < 8; i++) {
        uint64_t bits = oracle_random_float(&g->seed);
        if (gen_chance(g, 40))                      // neither large nor small
            bits = (bits & ~(0x7ffull << 52)) | (uint64_t)(1023 - 30 + gen_below(g, 60)) << 52;
        if (gen_chance(g, 30))                      // with few digits: most operations are exact
            bits &= ~0ull << 40;
        if (!gen_chance(g, 5))
            put_double(fx + ORACLE_FX_ST + i * 16, bits);
    }
}

static void random_x87(struct generator *g, uint8_t *fx, unsigned wild)
{
    unsigned control = 0x40 | 0x3f, status, kind = gen_below(g, 10);
    static const unsigned precisions[3] = { 0, 0x200, 0x300 };
    control |= kind < 6 ? 0x300 : precisions[gen_below(g, 3)];
    control |= gen_chance(g, 60) ? 0 : gen_below(g, 4) << 10;
    if (gen_chance(g, wild))
        control &= ~(gen_below(g, 64) | (gen_chance(g, 20) ? 0x3f : 0));
    status = gen_below(g, 8) << 11 | (gen_below(g, 16) << 8 & 0x700) | gen_below(g, 2) << 14;
    if (gen_chance(g, 30))
        status |= gen_below(g, 0x40) | (gen_chance(g, 10) ? 0x41 : 0);
    if (status & ~control & 0x3f) {                 // an exception that waits
        if (gen_chance(g, 80))
            status &= control | ~0x3fu;
        else
            status |= 0x8080;
    }
    put16(fx + ORACLE_FX_FCW, control);
    put16(fx + ORACLE_FX_FSW, status);
    fx[ORACLE_FX_FTW] = (uint8_t)(gen_chance(g, 40) ? 0xff : gen_chance(g, 20) ? 0 : gen_below(g, 256));
    uint64_t ip = 0x20000000 + gen_below(g, 0x10000), dp = ORACLE_WINDOW_BASE + gen_below(g, 0x4000);
    memcpy(fx + ORACLE_FX_FIP, &ip, 8);
    memcpy(fx + ORACLE_FX_FDP, &dp, 8);
    for (unsigned i = 0; i < 8; i++) {
        random_float80(g, fx + ORACLE_FX_ST + i * 16);
        if (gen_chance(g, 15)) {                    // what MMX leaves there
            uint64_t value = gen_integer(g);
            memcpy(fx + ORACLE_FX_ST + i * 16, &value, 8);
            put16(fx + ORACLE_FX_ST + i * 16 + 8, 0xffff);
        }
    }
}

static unsigned random_mxcsr(struct generator *g, unsigned wild)
{
    unsigned value = 0x1f80;
    if (gen_chance(g, 35))
        value |= gen_below(g, 4) << 13;
    if (gen_chance(g, 12))
        value |= gen_chance(g, 50) ? 0x8040 : gen_chance(g, 50) ? 0x8000 : 0x40;
    if (gen_chance(g, 30))
        value |= gen_below(g, 64);
    if (gen_chance(g, wild))
        value &= ~(gen_chance(g, 30) ? 0x1f80 : gen_below(g, 64) << 7);
    return value;
}

// Few letters and zeroes among them, for the string comparisons of SSE4.2.
static void put_strings(struct generator *g, uint8_t *fx)
{
    uint64_t letters = gen_chance(g, 50) ? 0x0303030303030303 : 0x0003000300030003;
    for (unsigned i = 0; i < 32; i++) {
        uint64_t value = oracle_random(&g->seed) & letters & (gen_chance(g, 30) ? ~0ull : oracle_random(&g->seed) | 0x0101010101010101);
        memcpy(fx + ORACLE_FX_XMM + i * 8, &value, 8);
    }
    g->in->gpr[X64_RAX] = oracle_random(&g->seed) & 31;
    g->in->gpr[X64_RDX] = 0 - (oracle_random(&g->seed) & 31);
}

void gen_state(struct generator *g, unsigned wild)
{
    struct oracle_state *s = g->in;
    *s = (struct oracle_state){ .rip = g->va };
    for (unsigned i = 0; i < 16; i++) {
        s->gpr[i] = gen_integer(g);
        if (g->pointers >> i & 1)
            s->gpr[i] = ORACLE_WINDOW_BASE + 0x1000 + gen_below(g, gen_chance(g, 85) ? 0x60 : 0x8c) * 64 + (gen_chance(g, 8) ? gen_below(g, 64) : 0);
        else if (g->small >> i & 1)
            s->gpr[i] = i == X64_RCX ? gen_below(g, 40) : (uint64_t)((int64_t)gen_below(g, 128) - 64);
    }
    s->gpr[X64_RSP] = ORACLE_WINDOW_BASE + (gen_chance(g, 3) ? ORACLE_READ_ONLY : 0x2000) + gen_below(g, 64) * 8;
    s->rflags = 0x202 | (oracle_random(&g->seed) & X64_ARITH_FLAGS) | (gen_chance(g, 15) ? X64_DF : 0);
    bool floats = gen_chance(g, 60);
    for (unsigned i = 0; i < 64; i++) {
        uint64_t value = gen_chance(g, floats ? 90 : 20) ? oracle_random_float(&g->seed) : gen_integer(g);
        memcpy(i < 32 ? s->fx + ORACLE_FX_XMM + i * 8 : (uint8_t *)&s->high[i / 2 - 16][i % 2], &value, 8);
    }
    if (gen_chance(g, 12))
        put_strings(g, s->fx);
    put16(s->fx + ORACLE_FX_FCW, 0x37f);
    put16(s->fx + ORACLE_FX_MXCSR, 0x1f80);
    if (g->user)
        return;
    random_x87(g, s->fx, wild);
    if (g->x87 && gen_chance(g, 92))
        tidy_x87(g, s->fx);
    put16(s->fx + ORACLE_FX_MXCSR, g->x87 && gen_chance(g, 60) ? 0x1f80 | gen_below(g, 64) : random_mxcsr(g, wild));
}
