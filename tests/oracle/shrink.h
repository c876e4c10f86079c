// SPDX-License-Identifier: MIT
// shrink.h - smaller versions of a vector.
#pragma once
#include "tests/oracle/vector.h"

// Takes the instructions `first` to end - 1 out (none if they are equal) and moves the rest to where vector `number` lies; branches,
// RIP-relative operands and addresses of code in immediates and registers go where they went. False: impossible.
bool oracle_drop(struct oracle_vector *v, unsigned first, unsigned end, uint32_t number);

// Makes a part of the initial state simple: a register (rax, xmm3, ymm5 for its upper half, st0), flags, mxcsr, fcw, memory. False: it is
// already, or there is no such part.
bool oracle_simplify(struct oracle_vector *v, const char *part);

extern const char *const oracle_gpr_names[16];
