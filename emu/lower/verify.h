// SPDX-License-Identifier: MIT
// Code that compares itself with what it was made from: see verify.c. Private to emu/lower.
#pragma once
#include "emu/lower/context.h"

void lower_loose_find(struct lower_context *cx, struct lower_insn *insn);
// Before instruction j of the block: the check, if a segment begins there.
void lower_verify_segment(struct lower_context *cx, const struct lower_block *k, unsigned j);
// The same for the region's entry: the exit it takes leads to other versions of the region (lower_result.version_exit), while the one of
// a loop that comes back to the entry's address begins with the first of them.
void lower_verify_entry(struct lower_context *cx, const struct lower_block *k);
void lower_verify_operands(struct lower_context *cx, const struct lower_insn *insn, struct x64_insn *out);
a64_reg lower_loose_disp(void);                             // holds the displacement while cx->loose & LOOSE_DISP
void lower_loose_target(struct lower_context *cx, const struct x64_insn *insn);
