// SPDX-License-Identifier: MIT
// Which function lowers which operation: one row each in lower_ops*.inc. MMX registers are the kernel's, as x87 is.
#include "emu/lower/lower_avx.h"
#include "emu/lower/lower_bmi.h"
#include "emu/lower/lower_sse4.h"

#define X(op, function) lower_function function;
#include "emu/lower/lower_ops.inc"
#include "emu/lower/lower_ops_sse.inc"
#include "emu/lower/lower_ops_sse4.inc"
#include "emu/lower/lower_ops_avx.inc"
#include "emu/lower/lower_ops_bmi.inc"
#include "emu/lower/lower_ops_x87.inc"
#undef X

lower_function *lower_find(enum x64_op op)
{
    static lower_function *const table[X64_OP_COUNT] = {
#define X(op, function) [X64_##op] = function,
#include "emu/lower/lower_ops.inc"
#include "emu/lower/lower_ops_sse.inc"
#include "emu/lower/lower_ops_sse4.inc"
#include "emu/lower/lower_ops_avx.inc"
#include "emu/lower/lower_ops_bmi.inc"
#include "emu/lower/lower_ops_x87.inc"
#undef X
    };
    return (unsigned)op < X64_OP_COUNT ? table[op] : 0;
}

bool lower_is_exact(const struct lower_context *cx, const struct x64_insn *insn)
{
    return cx->config->fp_model == FP_EXACT && x64_op_info(insn->op)->attributes & X64_A_FP;
}

lower_function *lower_choose(const struct x64_insn *insn)
{
    if (insn->kinds >> X64_OPD_MMX & 1)
        return lower_in_kernel;
    return lower_find((enum x64_op)insn->op);
}
