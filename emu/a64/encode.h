// SPDX-License-Identifier: MIT
// Fields shared by the emitters. Private to emu/a64.
#pragma once
#include "emu/a64/a64.h"

// A register number where 31 means the zero register, and where it means the stack pointer.
static inline uint32_t a64_zr_field(struct a64_buf *b, a64_reg r, unsigned position)
{
    if (r > A64_ZR)
        b->bad = true;
    return (uint32_t)(r & 31) << position;
}

static inline uint32_t a64_sp_field(struct a64_buf *b, a64_reg r, unsigned position)
{
    if (r == A64_ZR || r > A64_SP)
        b->bad = true;
    return (uint32_t)(r == A64_SP ? 31 : r & 31) << position;
}

static inline uint32_t a64_v_field(struct a64_buf *b, a64_vreg v, unsigned position)
{
    if (v > 31)
        b->bad = true;
    return (uint32_t)(v & 31) << position;
}

static inline uint32_t a64_sf(enum a64_size s) { return (uint32_t)s << 31; }

// An unsigned value of `width` bits at `position`.
static inline uint32_t a64_field(struct a64_buf *b, uint64_t value, unsigned width, unsigned position)
{
    if (value >> width)
        b->bad = true;
    return (uint32_t)(value & ((1ull << width) - 1)) << position;
}

// A signed value of `width` bits, scaled by 2^shift.
static inline uint32_t a64_signed_field(struct a64_buf *b, int64_t value, unsigned shift, unsigned width, unsigned position)
{
    int64_t scaled = value >> shift;
    if (value & ((1ll << shift) - 1) || scaled < -(1ll << (width - 1)) || scaled >= 1ll << (width - 1))
        b->bad = true;
    return (uint32_t)((uint64_t)scaled & ((1ull << width) - 1)) << position;
}
