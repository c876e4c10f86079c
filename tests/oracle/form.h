// SPDX-License-Identifier: MIT
//
// form.h - the instruction forms, enumerated from the decoder's own tables.
//
// A form is a row of emu/x64/x64_map_*.inc with one way to encode it that the decoder tells from the row's other ways: operand size (66,
// REX.W), register or memory, VEX.W and VEX.L, LOCK, REP and REPNE, high-byte registers, and 67 where addresses are implicit. So a new row
// is a new form, which coverage.c then misses.
#pragma once
#include "emu/x64/rows.h"
#include "tests/oracle/encoding.h"

struct oracle_form {
    const struct x64_row *row;
    uint8_t map;                // enum x64_map
    uint8_t mandatory;          // bit 0: 66, bit 1: F3, bit 2: F2 stand before the opcode (for VEX: pp)
    bool memory;                // ModRM names memory
    bool w, l, lock, address32;
    uint8_t rex40;              // a byte register needs REX: spl, bpl, sil, dil
    bool high_reg, high_rm;     // ModRM.reg, ModRM.rm names ah, ch, dh or bh
    struct x64_insn sample;     // one instruction of it, decoded
    char name[64];              // unique: map, opcode, prefixes, variant, and the mnemonic
};

// All of them, in a fixed order. The tables are constant, so a number means the same form until a row is added.
const struct oracle_form *oracle_forms(unsigned *count);

// What all instructions of the form have in common; ModRM.reg, .rm, displacement and immediates are zero.
struct encoding oracle_form_encoding(const struct oracle_form *f);

// Operand sources of the row (enum x64_operand_source): has it such an operand?
bool oracle_form_has(const struct oracle_form *f, enum x64_operand_source source);
const struct x64_operand_form *oracle_form_operand(const struct oracle_form *f, unsigned index);  // null behind the last

// Bytes of all immediates (and the offset of a moffs or branch).
unsigned oracle_form_immediate_bytes(const struct oracle_form *f);

// The form of an instruction, or null if the bytes are none.
const struct oracle_form *oracle_form_of(const uint8_t *bytes, unsigned length);

// Offset of a displacement of four bytes: it stands before the immediates.
unsigned oracle_displacement_offset(const struct x64_insn *insn, const uint8_t *bytes);
