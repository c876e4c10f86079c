// SPDX-License-Identifier: MIT
// LLVM's disassembler as a second opinion. Its C interface (llvm-c/Disassembler.h) has been stable for ten years, so the
// library that Debian's llvm-19 depends on is opened at run time and no header of it is needed.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct llvm_disasm;

// `triple` "aarch64" or "x86_64", `cpu` "" or a name, `features` "+all" and the like. NULL: no libLLVM here, or no such target.
struct llvm_disasm *llvm_disasm_open(const char *triple, const char *cpu, const char *features);
// Bytes of the instruction at `bytes`, 0 if there is none; its text without leading and trailing blanks, tabs as blanks.
size_t llvm_disasm_one(struct llvm_disasm *d, const uint8_t *bytes, size_t size, uint64_t address, char *text, size_t text_size);
