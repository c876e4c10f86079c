// SPDX-License-Identifier: MIT
// x87 in translated code: see lower_x87.c.
#pragma once
#include "emu/lower/context.h"

// Lowers the instructions of the block from `first` (an index in work->insns) on that make one segment; how many, or 0: it is none.
unsigned lower_x87_segment(struct lower_context *cx, unsigned first, unsigned count);
// Registers in use after an instruction that is in no segment.
unsigned lower_x87_depth_after(const struct x64_insn *insn, unsigned depth);
