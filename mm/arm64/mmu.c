// SPDX-License-Identifier: MIT
// Which user half this core has.
#include <stddef.h>
#include "kernel/arm64/kmap.h"
#include "kernel/percpu.h"
#include "mm/aspace_private.h"

// The root of a core without a user half: every access faults.
static const pte_t empty_root[ROOT_ENTRIES] __attribute__((aligned(4096)));

void aspace_activate(struct aspace *as)
{
    struct percpu *cpu = this_cpu();
    // TTBR0_EL1: ASID in 63:48 since TCR_EL1.A1 = 0; table and number change together.
    uint64_t ttbr = as ? (uint64_t)asid_activate(&as->asid, cpu->index) << 48 | as->ptab.root : kmap_image_pa(empty_root);
    cpu->active_aspace = as;
    __asm__ volatile("msr ttbr0_el1, %0\n\tisb" :: "r"(ttbr) : "memory");
}
