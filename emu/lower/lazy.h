// SPDX-License-Identifier: MIT
// Lazy registers: MOV between registers and shifts by a constant are not emitted but noted; who uses the value takes the register it comes
// from (three operands instead of two) or shifts it on the way. Within a block. A point says which registers are lazy (lower_point.lazy).
//
// region.c calls, for each instruction, lower_lazy_take and lower_lazy_set; if these do not do it lower_lazy_before, the lowering, lower_lazy_after. A
// lowering whose operation is in lazy.c's table sees a lazy copy through lower_source and lower_read, a shifted register through lower_shifted;
// everybody else finds all registers in their places.
#pragma once
#include "emu/lower/context.h"

// Moves, sums, logic, shifts by constants, ... of registers and memory: lowered in line, and by lower_source and lower_shifted.
bool lower_is_plain(const struct x64_insn *x);

bool lower_lazy_may(const struct x64_insn *x);         // lower_lazy_take is to be asked
bool lower_lazy_take(struct lower_context *cx, const struct lower_insn *insn);     // the instruction is done: its result is lazy
// SETcc of a byte and behind it MOVZX of that into another register: the condition is computed there, and the byte is lazy. False: it is not that.
bool lower_lazy_set(struct lower_context *cx, const struct lower_insn *set);
void lower_lazy_before(struct lower_context *cx, const struct lower_insn *insn);   // what the instruction cannot take as it is gets its value
void lower_lazy_flags_after(struct lower_context *cx, const struct x64_insn *x);   // those of a lazy shift are gone
void lower_lazy_after(struct lower_context *cx, const struct lower_insn *insn);    // what it has written is lazy no more
void lower_lazy_end(struct lower_context *cx, const struct lower_insn *last);      // the block ends behind it: all get their values
uint64_t lower_lazy_recipe(const struct lower_context *cx);                        // for lower_point.lazy

// Whether the x64 register is lazy as a shifted one, and how.
bool lower_shifted(const struct lower_context *cx, unsigned reg, struct lower_lazy *out);
