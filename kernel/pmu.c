// SPDX-License-Identifier: MIT
// PMUv3 (Arm ARM D13). The event exists on hardware, and in QEMU only under a fixed -icount. The counter has 32 bits on most
// cores: it is widened by looking at it often enough, which the scheduler does at every switch.
#include "kernel/pmu.h"
#include "kernel/arm64/sysreg.h"
#include "kernel/percpu.h"

#define INST_RETIRED      0x08
#define NOT_AT_EL1        (1u << 31)
#define PMCR_ENABLE       (1 << 0)
#define PMCR_RESET_EVENTS (1 << 1)
#define PMUSERENR_CYCLES  (1 << 2)      // EL0 reads PMCCNTR_EL0 ...
#define PMUSERENR_EVENTS  (1 << 3)      // ... and the event counters

static struct { uint64_t total; uint32_t last; bool works; } counts[CPU_MAX];

static bool present(void)
{
    uint64_t version = field(sysreg_read(id_aa64dfr0_el1), 11, 8);
    if (version == 0 || version == 0xf)
        return false;
    sysreg_write(pmuserenr_el0, 0);
    sysreg_write(pmintenclr_el1, 0xffffffff);
    return field(sysreg_read(pmcr_el0), 15, 11) > 0 && sysreg_read(pmceid0_el0) >> INST_RETIRED & 1;
}

void pmu_start_core(void)
{
    uint32_t cpu = this_cpu()->index;
    counts[cpu].works = present();
    if (!counts[cpu].works)
        return;
    sysreg_write(pmcntenclr_el0, 0xffffffff);
    sysreg_write(pmevtyper0_el0, INST_RETIRED);
    bool second = field(sysreg_read(pmcr_el0), 15, 11) > 1;
    if (second)
        sysreg_write(pmevtyper1_el0, INST_RETIRED | NOT_AT_EL1);
    sysreg_write(pmccfiltr_el0, 0);
    sysreg_write(pmcr_el0, PMCR_ENABLE | PMCR_RESET_EVENTS);
    counts[cpu].total = counts[cpu].last = 0;
    sysreg_write(pmcntenset_el0, 1 | (second ? 2 : 0) | 1u << 31);
    sysreg_write(pmuserenr_el0, PMUSERENR_CYCLES | PMUSERENR_EVENTS);
    isb();
}

bool pmu_available(void)
{
    for (uint32_t i = 0; i < __atomic_load_n(&cpu_count, __ATOMIC_ACQUIRE); i++)
        if (!counts[i].works)
            return false;
    return true;
}

uint64_t pmu_instructions(void)
{
    uint64_t daif = interrupts_mask(), total = 0;
    uint32_t cpu = this_cpu()->index;
    if (counts[cpu].works) {
        isb();
        uint32_t now = (uint32_t)sysreg_read(pmevcntr0_el0);
        total = counts[cpu].total += now - counts[cpu].last;
        counts[cpu].last = now;
    }
    interrupts_restore(daif);
    return total;
}
