// SPDX-License-Identifier: MIT
// One block a core, found through TPIDR_EL1.
#pragma once

#define PERCPU_EMERGENCY_STACK 0       // vectors.S
#define CPU_MAX 16

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

struct thread;
struct aspace;

struct percpu {
    void *emergency_stack;             // top; for the report of a kernel stack overflow
    uint32_t index;                    // 0 is the boot core
    uint64_t mpidr;                    // affinity fields only
    uint32_t lock_depth;               // spinlocks held; interrupts are masked while > 0
    uint64_t saved_daif;
    uint64_t held[8];                  // addresses of the held locks, for the order check and the panic
    struct thread *current;            // NULL until the scheduler runs
    struct thread *idle;
    struct aspace *active_aspace;
    uint64_t executed_ns;              // time spent in threads at this core
    void *boot_stack;                  // top of the stack this core started on
};
_Static_assert(offsetof(struct percpu, emergency_stack) == PERCPU_EMERGENCY_STACK, "vectors.S");

static inline struct percpu *this_cpu(void)
{
    struct percpu *p;
    __asm__ volatile("mrs %0, tpidr_el1" : "=r"(p));
    return p;
}
extern struct percpu percpu_blocks[CPU_MAX];
extern uint32_t cpu_count;             // cores that are up

// Fills block `index` (before its core runs).
void percpu_prepare(uint32_t index, uint64_t mpidr, void *boot_stack);
#endif
