// SPDX-License-Identifier: MIT
// The upper halves of ymm registers. They are memory in the context, and that is right after every instruction; what a register held when
// it was stored or loaded is still there until something writes that register. What does is seen in the words emitted since.
#include "emu/lower/lower_avx.h"
#include "emu/lower/lower_exact.h"

enum { CTX = 28, NONE = 0xff };

static const uint8_t pool[] = { 29, 31, 26, 25, 24 };
enum { POOL = sizeof pool };

static void forget_all(struct lower_context *cx)
{
    for (unsigned i = 0; i < 16; i++)
        cx->upper_in[i] = NONE;
}

static void forget(struct lower_context *cx, a64_vreg v)
{
    for (unsigned i = 0; i < 16; i++)
        if (cx->upper_in[i] == v)
            cx->upper_in[i] = NONE;
}

// What the word may do to vector registers (Arm ARM C4.1: bits 28:25 are the group). A few that write a general register count as well.
static void forget_written(struct lower_context *cx, uint32_t word)
{
    bool access = (word >> 25 & 5) == 4, vector = word >> 26 & 1, literal = (word >> 27 & 7) == 3 && !(word >> 24 & 1), load = word >> 22 & 1;
    if ((word >> 25 & 7) == 7) {                        // data processing
        forget(cx, word & 31);
    } else if (access && vector && (literal || load)) {
        forget(cx, word & 31);
        if ((word >> 27 & 7) == 5)                      // of two
            forget(cx, word >> 10 & 31);
    } else if (word >> 24 == 0xd4 || word >> 26 == 0x25 || word >> 25 == 0x6b) {
        forget_all(cx);                                 // the kernel, or a call
    }
}

static void look(struct lower_context *cx)
{
    if (!cx->upper_seen)
        forget_all(cx);
    else
        for (uint32_t i = cx->upper_seen; i < cx->b->count; i++)
            forget_written(cx, cx->b->code[i]);
    cx->upper_seen = cx->b->count;
}

static bool is_zero(const struct lower_context *cx, unsigned ymm) { return cx->facts.high_zero >> ymm & 1; }

a64_vreg avx_take(struct lower_context *cx)
{
    look(cx);
    for (unsigned i = 0; i < 2 * POOL; i++) {           // one that nobody needs, then any
        unsigned at = (cx->upper_next + i) % POOL;
        bool held = false;
        for (unsigned ymm = 0; ymm < 16 && i < POOL; ymm++)
            held |= cx->upper_in[ymm] == pool[at];
        if (held || cx->upper_taken >> at & 1)
            continue;
        cx->upper_taken |= (uint8_t)(1u << at);
        cx->upper_next = (uint8_t)((at + 1) % POOL);
        forget(cx, pool[at]);
        return pool[at];
    }
    cx->b->bad = true;
    return pool[0];
}

static void lock(struct lower_context *cx, a64_vreg v)
{
    for (unsigned i = 0; i < POOL; i++)
        if (pool[i] == v)
            cx->upper_taken |= (uint8_t)(1u << i);
}

void avx_reserve(struct lower_context *cx, a64_vreg v)
{
    look(cx);
    forget(cx, v);
    lock(cx, v);
}

static void load(struct lower_context *cx, a64_vreg v, unsigned ymm)
{
    if (is_zero(cx, ymm))
        a64_movi_zero(cx->b, v);
    else
        a64_ldr_v_uimm(cx->b, 4, v, CTX, CTX_YMM_HIGH + 16 * (int)ymm);
    look(cx);
}

a64_vreg avx_high(struct lower_context *cx, unsigned ymm)
{
    look(cx);
    a64_vreg v = cx->upper_in[ymm];
    if (v != NONE) {
        lock(cx, v);
        return v;
    }
    v = avx_take(cx);
    load(cx, v, ymm);
    cx->upper_in[ymm] = (uint8_t)v;
    return v;
}

a64_vreg avx_high_own(struct lower_context *cx, unsigned ymm)
{
    look(cx);
    a64_vreg v = cx->upper_in[ymm];
    cx->upper_in[ymm] = NONE;
    bool shared = v == NONE;
    for (unsigned i = 0; i < 16; i++)
        shared |= cx->upper_in[i] == v;
    if (!shared) {
        lock(cx, v);
        return v;
    }
    a64_vreg own = avx_take(cx);
    if (v == NONE)
        load(cx, own, ymm);
    else
        a64_mov_v(cx->b, own, v);
    return own;
}

void avx_high_read(struct lower_context *cx, a64_vreg v, unsigned ymm)
{
    look(cx);
    a64_vreg from = cx->upper_in[ymm];
    if (from == NONE)
        load(cx, v, ymm);
    else if (from != v)
        a64_mov_v(cx->b, v, from);
}

void avx_high_write(struct lower_context *cx, unsigned ymm, a64_vreg v)
{
    a64_str_v_uimm(cx->b, 4, v, CTX, CTX_YMM_HIGH + 16 * (int)ymm);
    avx_high_written(cx, ymm);
    for (unsigned i = 0; i < POOL; i++)
        if (pool[i] == v)
            cx->upper_in[ymm] = (uint8_t)v;
}

void avx_high_written(struct lower_context *cx, unsigned ymm)
{
    look(cx);
    cx->upper_in[ymm] = NONE;
    cx->facts.high_zero &= (uint16_t)~(1u << ymm);
}

void avx_high_clear(struct lower_context *cx, unsigned ymm)
{
    lower_exact_check(cx);
    if (is_zero(cx, ymm))
        return;
    a64_stp(cx->b, A64_X, A64_OFFSET, A64_ZR, A64_ZR, CTX, CTX_YMM_HIGH + 16 * (int)ymm);
    avx_high_written(cx, ymm);
    cx->facts.high_zero |= (uint16_t)(1u << ymm);
}

void avx_high_clear_all(struct lower_context *cx)
{
    bool zero = false;
    for (unsigned i = 0; i < 16; i += 2) {
        if (cx->facts.high_zero >> i & 3) {     // one at least is zero already
            avx_high_clear(cx, i);
            avx_high_clear(cx, i + 1);
            continue;
        }
        if (!zero)
            a64_movi_zero(cx->b, 16);
        zero = true;
        a64_stp_v(cx->b, 16, 16, CTX, CTX_YMM_HIGH + 16 * (int)i);
    }
    cx->upper_seen = 0;
    cx->facts.high_zero = 0xffff;
}

void avx_high_finish(struct lower_context *cx, const struct x64_insn *insn, a64_vreg v)
{
    lower_exact_check(cx);
    if (insn->opd[0].kind == X64_OPD_YMM)
        avx_high_write(cx, insn->opd[0].reg, v);
    else
        avx_high_clear(cx, insn->opd[0].reg);
}

void avx_upper_keep(struct lower_context *cx, struct lower_deferred *d)
{
    look(cx);
    for (unsigned i = 0; i < sizeof d->reg; i++) {
        d->reg[i] = NONE;
        for (unsigned ymm = 0; ymm < 16; ymm++)
            if (cx->upper_in[ymm] == pool[i])
                d->reg[i] = (a64_reg)ymm;
    }
}

void avx_upper_kept(struct lower_context *cx, const struct lower_deferred *d)
{
    look(cx);
    for (unsigned i = 0; i < sizeof d->reg; i++)
        if (d->reg[i] != NONE)
            cx->upper_in[d->reg[i]] = pool[i];
}

void avx_upper_restore(struct lower_context *cx, const struct lower_deferred *d)
{
    for (unsigned i = 0; i < sizeof d->reg; i++)
        if (d->reg[i] != NONE)
            load(cx, pool[i], d->reg[i]);
}
