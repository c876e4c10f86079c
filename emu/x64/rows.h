// SPDX-License-Identifier: MIT
//
// rows.h - the opcode maps as the decoder reads them (private to emu/x64).
//
// A row is X(opcode, prefixes, where, mnemonic, operand, operand, operand, operand):
//
//  prefixes  mandatory prefixes it stands under: NP none, P66, F3, F2 (F3 and F2 hide P66), ANY all of them.
//            For VEX rows: the pp field.
//  where     what else must hold, or'ed: REG or MEM (ModRM.mod), EXT(n) ModRM.reg, RM(n) ModRM.rm, W0 W1 (REX.W or
//            VEX.W), L0 L1 (VEX.L); and facts: D64 (operand size 64 unless 66), F64 (64 always), MAX32 (REX.W
//            means 32 bits), BYTE (operand size 1), ANYMOD (ModRM.mod ignored, always a register).
//
// At most one row of an opcode fits any instruction; the host test checks that.
#pragma once
#include "emu/x64/x64.h"

enum x64_map { X64_MAP_1, X64_MAP_0F, X64_MAP_0F38, X64_MAP_0F3A, X64_MAP_X87,
               X64_MAP_VEX1, X64_MAP_VEX2, X64_MAP_VEX3, X64_MAP_COUNT };

enum x64_pfx { X64_PFX_NP = 1, X64_PFX_66 = 2, X64_PFX_F3 = 4, X64_PFX_F2 = 8 };

// The facts of an instruction that select its row, packed; a row holds a value and, X64_KEY_BITS higher, a mask.
enum {
    X64_KEY_RM_SHIFT = 0, X64_KEY_EXT_SHIFT = 3,
    X64_KEY_REG = 1 << 6, X64_KEY_W = 1 << 7, X64_KEY_L = 1 << 8,
    X64_KEY_BITS = 9,
    X64_KEY_MASK = (1 << X64_KEY_BITS) - 1,
    X64_KEY_MODRM = 0x7f,
    // above value and mask: facts about the row
    X64_ROW_D64 = 1 << 18, X64_ROW_F64 = 1 << 19, X64_ROW_MAX32 = 1 << 20, X64_ROW_BYTE = 1 << 21,
    X64_ROW_ANYMOD = 1 << 22, X64_ROW_MODRM = 1 << 23, X64_ROW_VVVV = 1 << 24, X64_ROW_VECTOR = 1 << 25,
    X64_ROW_MMX = 1 << 26, X64_ROW_VSIB = 1 << 27,
};

struct x64_row {
    uint32_t where;
    uint16_t op;                // enum x64_op; X64_BAD: the opcode is invalid
    uint8_t opcode;
    uint8_t prefixes;           // enum x64_pfx
    uint8_t operands[4];        // enum x64_operand_code
};

// Rows of one map, and for each opcode the index of its last row; index 0 is never a row of an opcode.
struct x64_rows {
    const struct x64_row *rows;
    const uint16_t *last;
    unsigned count;
};

enum x64_operand_code {
#define O(code, source, argument, reg_size, mem_size) X64_OC_##code,
#include "emu/x64/x64_operands.inc"
#undef O
    X64_OC_COUNT,
};

enum x64_operand_source {
    SRC_NONE, SRC_GPR_REG, SRC_GPR_RM, SRC_GPR_VVVV, SRC_GPR_CODE, SRC_GPR_FIXED, SRC_MEM, SRC_MOFFS, SRC_VSIB,
    SRC_SEG_FIXED, SRC_SEG_REG, SRC_CR, SRC_DR, SRC_MMX_REG, SRC_MMX_RM, SRC_MMX_ONLY, SRC_ST_ZERO, SRC_ST_RM,
    SRC_VEC_REG, SRC_VEC_RM, SRC_VEC_ONLY, SRC_VEC_VVVV, SRC_VEC_IMM, SRC_IMM_ONE, SRC_IMM_ZERO, SRC_IMM_SIGN, SRC_REL,
};

// Sizes above any plain number of bytes are rules.
enum x64_size_rule {
    SIZE_V = 0x8000, SIZE_Z, SIZE_Y, SIZE_X, SIZE_XH, SIZE_XQ, SIZE_XO, SIZE_A, SIZE_P, SIZE_ENV, SIZE_FPU, SIZE_OP,
};

struct x64_operand_form {
    uint8_t source;             // enum x64_operand_source
    uint16_t argument, reg_size, mem_size;
};

extern const struct x64_rows x64_maps[X64_MAP_COUNT];
extern const struct x64_operand_form x64_operand_forms[X64_OC_COUNT];

// What the queries of x64.h answer of an instruction that is decoded otherwise.
void x64_find_effects(struct x64_insn *insn);
