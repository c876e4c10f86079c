// SPDX-License-Identifier: MIT
// The kernel's own symbol table, for backtraces. tools/symbols.py writes it between the two links of the kernel
// (see the Makefile); it lies in .rodata, which the linker script must place after .text.
#pragma once
#include <stdint.h>

struct kernel_symbol {
    uint64_t address;     // link address of the function
    uint32_t size;        // bytes; 0 when unknown (assembly without .size)
    uint32_t name;        // offset in kernel_symbol_names of the null-terminated name
};

// Sorted by address; empty only in a kernel that was linked once.
extern const struct kernel_symbol kernel_symbols[], kernel_symbols_end[];
extern const char kernel_symbol_names[];
