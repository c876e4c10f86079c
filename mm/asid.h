// SPDX-License-Identifier: MIT
// Address-space identifiers: the number that tags a space's entries in the TLB. There are fewer numbers than spaces, so a
// number belongs to a space for one generation. When the numbers run out a new generation begins, everything is
// invalidated once, and only the spaces that cores are running keep theirs.
#pragma once
#include <stdint.h>

struct asid { uint64_t context; };          // generation << 16 | number; 0: none yet

// The number under which this core (its index) is about to run the space. Interrupts masked.
uint16_t asid_activate(struct asid *asid, uint32_t cpu);
// The number whose TLB entries may be this space's. Call after a barrier that follows the table change.
uint16_t asid_number(const struct asid *asid);
uint64_t asid_generation(void);             // generations begun, for tests
