// SPDX-License-Identifier: MIT
// FP_EXACT: see lower_exact.c. The lowering functions are those of FP_FAST; what comes on top of them is in one place.
#pragma once
#include "emu/lower/context.h"

// Lowers a floating-point instruction by the function, with the check and the way back.
bool lower_exact(struct lower_context *cx, const struct x64_insn *insn, lower_function *function);
// raised = not zero if what FPSR shows needs the kernel; selects: one of the operations was a minimum or maximum. Takes a temporary.
void lower_exact_raised(struct lower_context *cx, a64_reg raised, bool selects);
bool lower_exact_selects(enum x64_op op);
// LDMXCSR and STMXCSR.
bool lower_exact_load(struct lower_context *cx, const struct x64_insn *insn);
bool lower_exact_store(struct lower_context *cx, const struct x64_insn *insn);
// Before anything but the low half of the destination changes (the upper half of a ymm register). Once an instruction.
void lower_exact_check(struct lower_context *cx);
// Before the destination changes: all there is to do for the instructions that compute their result elsewhere first.
void lower_exact_check_result(struct lower_context *cx);
