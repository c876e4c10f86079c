// SPDX-License-Identifier: MIT
#include "kernel/percpu.h"

#define EMERGENCY_BYTES 4096

struct percpu percpu_blocks[CPU_MAX];
uint32_t cpu_count = 1;
static char emergency_stacks[CPU_MAX][EMERGENCY_BYTES] __attribute__((aligned(16)));

void percpu_prepare(uint32_t index, uint64_t mpidr, void *boot_stack)
{
    struct percpu *cpu = &percpu_blocks[index];
    cpu->emergency_stack = emergency_stacks[index] + EMERGENCY_BYTES;
    cpu->index = index;
    cpu->mpidr = mpidr;
    cpu->boot_stack = boot_stack;
}
