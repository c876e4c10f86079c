// SPDX-License-Identifier: MIT
// Masks of signs in a general register: see lower_mask.c. Private to emu/lower.
#pragma once
#include "emu/lower/context.h"

// Gives the destination of PMOVMSKB or its like a value that only one way out of the block needs mended: then cx->mask is set. False: the
// instruction has to be done in full.
bool lower_mask_stand_in(struct lower_context *cx, const struct x64_insn *insn);
// On that way out: the instruction, and the comparison that ends the block, in full. The flags are where the comparison leaves them.
void lower_mask_finish(struct lower_context *cx, const struct lower_insn *mask);
