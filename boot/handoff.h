// SPDX-License-Identifier: MIT
// What a core that is being started reads before its MMU is on. Written by smp.c for one core at a time, cleaned to memory.
#pragma once

#define HANDOFF_MPIDR  0
#define HANDOFF_STACK  8
#define HANDOFF_PERCPU 16

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>
struct handoff {
    uint64_t mpidr;        // whose turn it is; ~0: nobody's
    uint64_t stack;        // virtual, top
    uint64_t percpu;       // virtual, its struct percpu
    uint64_t padding[5];   // a cache line of its own
};
_Static_assert(offsetof(struct handoff, stack) == HANDOFF_STACK && offsetof(struct handoff, percpu) == HANDOFF_PERCPU, "head.S");
extern struct handoff handoff;
extern char secondary_entry[];         // link address of the other cores' first instruction
#endif
