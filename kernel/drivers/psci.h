// SPDX-License-Identifier: MIT
// PSCI, the firmware's power interface (Arm DEN 0022), by the instruction that the device tree names.
#pragma once
#include <stdint.h>

enum { PSCI_VERSION = 0x84000000, PSCI_SYSTEM_OFF = 0x84000008, PSCI_SYSTEM_RESET = 0x84000009 };
#define PSCI_CPU_ON 0xc4000003u

// Result as signed 32 bits; -1 (NOT_SUPPORTED) when there is no PSCI.
int32_t psci_call(uint32_t function, uint64_t a, uint64_t b, uint64_t c);
const char *psci_error(int32_t result);
