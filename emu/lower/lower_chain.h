// SPDX-License-Identifier: MIT
// Floating-point instructions that are checked together: see lower_chain.c.
#pragma once
#include "emu/lower/context.h"

// FP_FAST: FPSR.IOC is taken out and kept as MXCSR.IE elsewhere. It is clear afterwards. Takes a temporary.
void lower_chain_settle(struct lower_context *cx);
bool lower_chain_may(const struct x64_insn *x);         // one may begin with it
// Lowers a chain that begins with `first`, of which `available` instructions lie in the block. Returns how many it took; 0: there is none.
unsigned lower_chain(struct lower_context *cx, const struct lower_insn *first, unsigned available);
