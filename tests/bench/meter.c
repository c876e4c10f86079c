// SPDX-License-Identifier: MIT
// meter.dll: what reads the counters. Arm64X, so that it is native code in every kind of process.
#include "images/crt/sys.h"
#define METER_API
#include "tests/bench/meter.h"

// Event counter 0 counts what EL0 and EL1 execute, counter 1 what EL0 executes (kernel/pmu.c).
uint64_t meter_instructions(void)
{
    uint64_t all, user;
    __asm__ volatile("isb\n mrs %0, pmevcntr0_el0\n mrs %1, pmevcntr1_el0" : "=r"(all), "=r"(user));
    return user << 32 | (uint32_t)all;
}

int meter_works(void) { return PEB_FIELD(uint32_t, PEB_JANUS_PMU) != 0; }

int meter_translator(struct meter_translator *out)
{
    struct process_counters counters;
    if (NT_ERROR(SYS(process_query, HANDLE_CURRENT_PROCESS, PROCESS_COUNTERS, &counters, sizeof counters)))
        return 0;
    *out = (struct meter_translator){ counters.x64_instructions_translated, counters.x64_bytes_translated, counters.blocks,
                                      counters.cache_bytes, counters.readers };
    return 1;
}

// What an import call costs.
void meter_nothing(void) { __asm__ volatile(""); }
