// SPDX-License-Identifier: MIT
// ARM PrimeCell real-time clock (DDI 0224): seconds since 1970.
#pragma once
#include <stdint.h>
#include "mm/frame.h"

uint32_t pl031_seconds(pa_t base);      // 0: its registers could not be mapped
