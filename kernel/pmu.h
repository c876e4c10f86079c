// SPDX-License-Identifier: MIT
// The core's count of executed instructions (Arm ARM D13, event 0x08 INST_RETIRED), where the core has one.
#pragma once
#include <stdbool.h>
#include <stdint.h>

void pmu_start_core(void);              // this core: event counter 0 counts instructions at EL0 and EL1, 1 those at EL0; EL0 may read them
bool pmu_available(void);               // on every core started so far
uint64_t pmu_instructions(void);        // of this core since pmu_start_core; 0 without a counter
