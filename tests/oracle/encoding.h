// SPDX-License-Identifier: MIT
//
// encoding.h - one x64 instruction, field by field, and its bytes. Chooses nothing and checks nothing.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { ENCODING_PREFIXES_MAX = 12 };

struct encoding {
    uint8_t prefixes[ENCODING_PREFIXES_MAX], prefix_count;     // legacy prefixes, in this order
    uint8_t early_rex;              // a REX that is not the last prefix and therefore does nothing; 0: none
    uint8_t rex;                    // W 8, R 4, X 2, B 1, and 40 if it is there although no bit is set
    uint8_t map;                    // enum x64_map
    uint8_t opcode;
    bool    has_modrm, has_sib, rip_relative;
    uint8_t modrm, sib;
    uint8_t disp_bytes, imm_bytes;
    uint8_t vvvv, pp;               // VEX; pp as encoded
    bool    no_rex;                 // none may be added: it would turn ah into spl
    bool    l, long_vex;            // long_vex: C4 although C5 would do
    int64_t disp;                   // of a RIP-relative operand: the absolute address
    uint64_t imm;                   // little-endian, all immediates behind each other
};

void encoding_add_prefix(struct encoding *e, uint8_t prefix);

// Writes the instruction that will stand at `rip`; at most 64 bytes (more than 15 make no instruction). Returns how many.
unsigned encoding_write(const struct encoding *e, uint64_t rip, uint8_t *bytes);
