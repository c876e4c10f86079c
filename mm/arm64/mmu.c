// SPDX-License-Identifier: MIT
// Which user half this core has.
#include <stddef.h>
#include "kernel/panic.h"
#include "kernel/percpu.h"
#include "mm/aspace_private.h"

// The root of a core without a user half: every access faults. In the kernel image, which the linear map need not cover.
static const pte_t empty_root[ROOT_ENTRIES] __attribute__((aligned(4096)));

static pa_t empty_root_pa(void)
{
    static pa_t pa;
    if (!pa) {
        uint64_t par;
        __asm__ volatile("at s1e1r, %1\n\tisb\n\tmrs %0, par_el1" : "=r"(par) : "r"(empty_root) : "memory");
        CHECK(!(par & 1));                       // Arm ARM D19.2.114 PAR_EL1.F
        pa = par & PTE_ADDRESS;
    }
    return pa;
}

void aspace_activate(struct aspace *as)
{
    struct percpu *cpu = this_cpu();
    // TTBR0_EL1: ASID in 63:48 since TCR_EL1.A1 = 0; table and number change together.
    uint64_t ttbr = as ? (uint64_t)asid_activate(&as->asid, cpu->index) << 48 | as->ptab.root : empty_root_pa();
    cpu->active_aspace = as;
    __asm__ volatile("msr ttbr0_el1, %0\n\tisb" :: "r"(ttbr) : "memory");
}
