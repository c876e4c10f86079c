// SPDX-License-Identifier: MIT
// x64 integer operations with all six flags in plain C, for instructions that the kernel executes itself. Pure.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "emu/x64/x64.h"

// Result of `op` on operands of `size` bytes (1 2 4 8); eflags in and out (CF PF AF ZF SF OF). False: not one of
// ADD ADC SUB SBB CMP AND OR XOR INC DEC NEG NOT.
bool alu_compute(enum x64_op op, unsigned size, uint64_t a, uint64_t b, uint64_t *result, uint32_t *eflags);
