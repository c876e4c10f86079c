// SPDX-License-Identifier: MIT
// Code just written: the data cache is cleaned and the instruction cache invalidated to the point of unification, for all
// cores (Arm ARM B2.4.4). The cores that run it still need a context synchronization event; an exception return is one.
#pragma once
#include <stdint.h>

// code: kernel address of the bytes; user: where EL0 executes them (any other alias needs no care of its own: with a
// virtually indexed instruction cache all of it is invalidated).
void code_sync(const void *code, uint64_t user, uint64_t bytes);
