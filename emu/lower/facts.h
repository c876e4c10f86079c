// SPDX-License-Identifier: MIT
// What is certain about registers: see facts.c. Private to emu/lower.
#pragma once
#include "emu/lower/context.h"

bool lower_facts_wanted(const struct x64_insn *x);     // it would like to know
void lower_facts_find(struct lower_context *cx);                // lower_block.facts of all blocks
void lower_facts_after(struct lower_facts *f, const struct lower_insn *insn);     // from before the instruction to after it
struct lower_low lower_address_low(const struct lower_facts *f, const struct x64_mem *m);
void lower_facts_aligned(struct lower_facts *f, const struct x64_mem *m, unsigned bytes);
void lower_upper_after(struct lower_upper *u, const struct lower_insn *insn);     // lower_upper.c: what is known after the instruction
void lower_upper_copied(struct lower_upper *u, unsigned to, unsigned from);       // xmm `from` is in register `to` now
