// SPDX-License-Identifier: MIT
// Which function lowers which operation: one row each in lower_ops*.inc.
#include "emu/lower/lower_sse.h"

#define X(op, function) lower_function function;
#include "emu/lower/lower_ops.inc"
#include "emu/lower/lower_ops_sse.inc"
#include "emu/lower/lower_ops_x87.inc"
#undef X

lower_function *lower_find(enum x64_op op)
{
    static lower_function *const table[X64_OP_COUNT] = {
#define X(op, function) [X64_##op] = function,
#include "emu/lower/lower_ops.inc"
#include "emu/lower/lower_ops_sse.inc"
#include "emu/lower/lower_ops_x87.inc"
#undef X
    };
    return (unsigned)op < X64_OP_COUNT ? table[op] : 0;
}
