// SPDX-License-Identifier: MIT
// The x64 opcode space as byte strings, for comparing decoders.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { OPCODE_STRING_BYTES = 20 };      // what is decoded: the chosen bytes, then bytes at random

// Every string goes to `check`. Each part is a deterministic sequence.
// legacy: every opcode of the one-byte, 0F, 0F38 and 0F3A maps with every ModRM byte under prefix combinations. `all`: every combination of
//   66, F2 or F3, 67, 64, F0 and seven REX prefixes, and unusual orders; else those that tell the tables apart
// vex: every opcode of the three maps with every ModRM byte, all of pp, L, W, two- and three-byte form; vvvv, R, X, B in classes; other maps; prefixes
//   before VEX that it forbids
// sib: every ModRM and SIB byte under each REX, 67 and VEX
void opcode_space_legacy(bool all, void (*check)(const uint8_t *bytes));
void opcode_space_vex(bool all, void (*check)(const uint8_t *bytes));
void opcode_space_sib(bool all, void (*check)(const uint8_t *bytes));
// plain: at most one of 66, F2, F3, 67 and one REX before an opcode that is no prefix; VEX without prefixes
void opcode_space_plain(bool all, void (*check)(const uint8_t *bytes));
void opcode_space_random(uint32_t count, void (*check)(const uint8_t *bytes));
uint8_t opcode_space_random_byte(void);
