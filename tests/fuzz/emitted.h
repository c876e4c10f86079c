// SPDX-License-Identifier: MIT
// What the lowering may emit: an independent disassembler must know every word, and the instruction must be one that
// translated code at EL0 is made of, on a core that has no more than the configuration says.
#pragma once
#include "emu/lower/lower.h"

// NULL, or what is wrong with the word. `text` (may be NULL) receives the instruction.
const char *emitted_word_defect(uint32_t word, const struct lower_config *config, char *text, size_t text_size);
// The row of emitted_mnemonics.inc that the instruction belongs to, or -1; the name of a row, NULL behind the last.
int emitted_mnemonic(const char *text);
const char *emitted_mnemonic_name(int row);
// Words before the literals and their padding.
uint32_t emitted_instruction_count(const struct lower_result *r);
// NULL, or which promise of lower.h the result breaks.
const char *emitted_region_defect(const struct lower_config *config, uint64_t rip, const struct lower_result *r);
