// SPDX-License-Identifier: MIT
// Callees taken into the region (lower_config.large).
#pragma once
#include "emu/lower/context.h"

// Behind discovery of the region's own code, whose blocks are in order. Blocks of what is taken in come right behind those that call it.
void lower_callees_take_in(struct lower_context *cx);

// Whether the block ends with the RET of a callee that has been taken in.
static inline bool lower_returns_in(const struct lower_context *cx, const struct lower_block *k)
{
    return k->taken_in && lower_last(cx, k)->x.op == X64_RET;
}
