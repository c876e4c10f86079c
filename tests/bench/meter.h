// SPDX-License-Identifier: MIT
// meter.dll as the benchmark programs see it.
#pragma once
#include <stdint.h>
#ifndef METER_API
#define METER_API __declspec(dllimport)
#endif

// Executed instructions of this core so far, both modulo 2^32: low half at EL0 and EL1, high half at EL0 alone.
METER_API uint64_t meter_instructions(void);
METER_API int meter_works(void);                // whether the machine counts at all (under QEMU: --icount)
// The translator's work for this process so far; 0 on failure. In an Arm64 process all counts stay 0.
struct meter_translator { uint64_t x64_instructions, x64_bytes, regions, cache_bytes, readers; };  // readers: 1 if flags that a function returns are read
METER_API int meter_translator(struct meter_translator *out);
METER_API void meter_nothing(void);
