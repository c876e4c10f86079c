// SPDX-License-Identifier: MIT
// The time of day: read from the machine's clock once, carried on by the monotonic one.
#pragma once
#include <stdint.h>

void     wall_clock_start(void);        // boot core, once
uint64_t wall_clock_ns(void);           // since 1970; 0 when the machine has no clock
