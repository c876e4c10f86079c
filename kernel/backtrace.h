// SPDX-License-Identifier: MIT
// Names for kernel addresses, and the chain of frame pointers.
#pragma once
#include <stdint.h>

// Name of the function that holds the address and the offset in it; NULL when it is not kernel text.
const char *symbol_find(uint64_t address, uint64_t *offset);
// Calls line(text) for the place `pc` and its callers, from the frame record at `fp` upwards, at most 32. `lr`: the link
// register at pc, which is the caller when the function at pc has no frame (yet).  0: there is no such pc or lr.
void backtrace(uint64_t pc, uint64_t lr, uint64_t fp, void (*line)(const char *text));
