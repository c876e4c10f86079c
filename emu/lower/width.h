// SPDX-License-Identifier: MIT
// Two facts about the upper parts of general registers that save words for 8- and 16-bit values.
#pragma once
#include "emu/lower/context.h"

// Bits from this one on are known to be zero in an arm64 register (0 to 64): x64's own, x23 and x24 by what set the flags; 64 for others.
unsigned lower_width(const struct lower_context *cx, a64_reg r);
unsigned lower_value_width(const struct lower_context *cx, unsigned reg);      // of an x64 register, which may be lazy (lazy.c)
void lower_width_set(struct lower_context *cx, a64_reg r, unsigned bits);       // of x23 and x24
void lower_width_reset(struct lower_context *cx);                               // nothing is known
void lower_width_find(struct lower_context *cx);                                // lower_block.width of all blocks
void lower_width_begin(struct lower_context *cx, const struct lower_block *k);  // at its head
void lower_width_after(struct lower_context *cx, const struct x64_insn *insn);  // it has been executed

// Whether nobody sees what is above the low `size` bytes of an x64 register after the instruction being lowered: it is written as a
// whole before anything reads more of it, faults or leaves the block.
bool lower_upper_dead(const struct lower_context *cx, unsigned reg, unsigned size);
