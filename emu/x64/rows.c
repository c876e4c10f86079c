// SPDX-License-Identifier: MIT
//
// rows.c - the .inc files as constant tables.
//
// Each map is expanded three times: into an enum that numbers its rows by their line, into the rows, and into the
// index from opcode to row. The index initialises an element once for each row of the opcode, and C keeps the last
// (C17 6.7.9): hence "last", and the two warnings that are off for it.
#include "emu/x64/rows.h"

enum { NP = X64_PFX_NP, P66 = X64_PFX_66, F3 = X64_PFX_F3, F2 = X64_PFX_F2, ANY = NP | P66 | F3 | F2 };

#define FIELD(value, mask) ((value) | (mask) << X64_KEY_BITS)
#define EXT(n) FIELD((n) << X64_KEY_EXT_SHIFT, 7 << X64_KEY_EXT_SHIFT)
#define RM(n) FIELD((n) << X64_KEY_RM_SHIFT, 7 << X64_KEY_RM_SHIFT)
enum {
    REG = FIELD(X64_KEY_REG, X64_KEY_REG), MEM = FIELD(0, X64_KEY_REG),
    W0 = FIELD(0, X64_KEY_W), W1 = FIELD(X64_KEY_W, X64_KEY_W),
    L0 = FIELD(0, X64_KEY_L), L1 = FIELD(X64_KEY_L, X64_KEY_L),
    D64 = X64_ROW_D64, F64 = X64_ROW_F64, MAX32 = X64_ROW_MAX32, BYTE = X64_ROW_BYTE, ANYMOD = X64_ROW_ANYMOD,
};

// What an operand source asks of the row it stands in.
enum {
    NEEDS_NONE = 0, NEEDS_GPR_REG = X64_ROW_MODRM, NEEDS_GPR_RM = X64_ROW_MODRM, NEEDS_GPR_VVVV = X64_ROW_VVVV,
    NEEDS_GPR_CODE = 0, NEEDS_GPR_FIXED = 0, NEEDS_MEM = X64_ROW_MODRM | MEM, NEEDS_MOFFS = 0,
    NEEDS_VSIB = X64_ROW_MODRM | MEM | X64_ROW_VSIB, NEEDS_SEG_FIXED = 0, NEEDS_SEG_REG = X64_ROW_MODRM,
    NEEDS_CR = X64_ROW_MODRM, NEEDS_DR = X64_ROW_MODRM, NEEDS_MMX_REG = X64_ROW_MODRM | X64_ROW_MMX,
    NEEDS_MMX_RM = X64_ROW_MODRM | X64_ROW_MMX, NEEDS_MMX_ONLY = X64_ROW_MODRM | X64_ROW_MMX | REG,
    NEEDS_ST_ZERO = X64_ROW_MODRM, NEEDS_ST_RM = X64_ROW_MODRM | REG, NEEDS_VEC_REG = X64_ROW_MODRM | X64_ROW_VECTOR,
    NEEDS_VEC_RM = X64_ROW_MODRM | X64_ROW_VECTOR, NEEDS_VEC_ONLY = X64_ROW_MODRM | X64_ROW_VECTOR | REG,
    NEEDS_VEC_VVVV = X64_ROW_VVVV | X64_ROW_VECTOR, NEEDS_VEC_IMM = X64_ROW_VECTOR, NEEDS_IMM_ONE = 0,
    NEEDS_IMM_ZERO = 0, NEEDS_IMM_SIGN = 0, NEEDS_REL = 0,
};
enum {
#define O(code, source, argument, reg_size, mem_size) CODE_NEEDS_##code = NEEDS_##source,
#include "emu/x64/x64_operands.inc"
#undef O
};

#define MODRM_IF_TESTED(where) (((where) >> X64_KEY_BITS) & X64_KEY_MODRM ? X64_ROW_MODRM : 0)
#define ROW(opc, pfx, where_, name, a, b, c, d) \
    { .where = (where_) | CODE_NEEDS_##a | CODE_NEEDS_##b | CODE_NEEDS_##c | CODE_NEEDS_##d | MODRM_IF_TESTED(where_), \
      .op = X64_##name, .opcode = opc, .prefixes = pfx, \
      .operands = { X64_OC_##a, X64_OC_##b, X64_OC_##c, X64_OC_##d } },

#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)

#if defined(__clang__)
#pragma clang diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif

#define NO_ROW { 0, X64_BAD, 0, 0, { 0 } },

#define X(opcode, prefixes, where, name, a, b, c, d) JOIN(MAP_1_LINE_, __LINE__),
enum { MAP_1_NO_ROW,
#include "emu/x64/x64_map_1.inc"
};
#undef X
static const struct x64_row map_1[] = { NO_ROW
#define X ROW
#include "emu/x64/x64_map_1.inc"
#undef X
};
static const uint16_t map_1_last[256] = {
#define X(opcode, prefixes, where, name, a, b, c, d) [opcode] = JOIN(MAP_1_LINE_, __LINE__),
#include "emu/x64/x64_map_1.inc"
#undef X
};

#define X(opcode, prefixes, where, name, a, b, c, d) JOIN(MAP_0F_LINE_, __LINE__),
enum { MAP_0F_NO_ROW,
#include "emu/x64/x64_map_0f.inc"
};
#undef X
static const struct x64_row map_0f[] = { NO_ROW
#define X ROW
#include "emu/x64/x64_map_0f.inc"
#undef X
};
static const uint16_t map_0f_last[256] = {
#define X(opcode, prefixes, where, name, a, b, c, d) [opcode] = JOIN(MAP_0F_LINE_, __LINE__),
#include "emu/x64/x64_map_0f.inc"
#undef X
};

#define X(opcode, prefixes, where, name, a, b, c, d) JOIN(MAP_0F38_LINE_, __LINE__),
enum { MAP_0F38_NO_ROW,
#include "emu/x64/x64_map_0f38.inc"
};
#undef X
static const struct x64_row map_0f38[] = { NO_ROW
#define X ROW
#include "emu/x64/x64_map_0f38.inc"
#undef X
};
static const uint16_t map_0f38_last[256] = {
#define X(opcode, prefixes, where, name, a, b, c, d) [opcode] = JOIN(MAP_0F38_LINE_, __LINE__),
#include "emu/x64/x64_map_0f38.inc"
#undef X
};

#define X(opcode, prefixes, where, name, a, b, c, d) JOIN(MAP_0F3A_LINE_, __LINE__),
enum { MAP_0F3A_NO_ROW,
#include "emu/x64/x64_map_0f3a.inc"
};
#undef X
static const struct x64_row map_0f3a[] = { NO_ROW
#define X ROW
#include "emu/x64/x64_map_0f3a.inc"
#undef X
};
static const uint16_t map_0f3a_last[256] = {
#define X(opcode, prefixes, where, name, a, b, c, d) [opcode] = JOIN(MAP_0F3A_LINE_, __LINE__),
#include "emu/x64/x64_map_0f3a.inc"
#undef X
};

#define X(opcode, prefixes, where, name, a, b, c, d) JOIN(MAP_X87_LINE_, __LINE__),
enum { MAP_X87_NO_ROW,
#include "emu/x64/x64_map_x87.inc"
};
#undef X
static const struct x64_row map_x87[] = { NO_ROW
#define X ROW
#include "emu/x64/x64_map_x87.inc"
#undef X
};
static const uint16_t map_x87_last[256] = {
#define X(opcode, prefixes, where, name, a, b, c, d) [opcode] = JOIN(MAP_X87_LINE_, __LINE__),
#include "emu/x64/x64_map_x87.inc"
#undef X
};

#define X(opcode, prefixes, where, name, a, b, c, d) JOIN(MAP_VEX1_LINE_, __LINE__),
enum { MAP_VEX1_NO_ROW,
#include "emu/x64/x64_map_vex1.inc"
};
#undef X
static const struct x64_row map_vex1[] = { NO_ROW
#define X ROW
#include "emu/x64/x64_map_vex1.inc"
#undef X
};
static const uint16_t map_vex1_last[256] = {
#define X(opcode, prefixes, where, name, a, b, c, d) [opcode] = JOIN(MAP_VEX1_LINE_, __LINE__),
#include "emu/x64/x64_map_vex1.inc"
#undef X
};

#define X(opcode, prefixes, where, name, a, b, c, d) JOIN(MAP_VEX2_LINE_, __LINE__),
enum { MAP_VEX2_NO_ROW,
#include "emu/x64/x64_map_vex2.inc"
};
#undef X
static const struct x64_row map_vex2[] = { NO_ROW
#define X ROW
#include "emu/x64/x64_map_vex2.inc"
#undef X
};
static const uint16_t map_vex2_last[256] = {
#define X(opcode, prefixes, where, name, a, b, c, d) [opcode] = JOIN(MAP_VEX2_LINE_, __LINE__),
#include "emu/x64/x64_map_vex2.inc"
#undef X
};

#define X(opcode, prefixes, where, name, a, b, c, d) JOIN(MAP_VEX3_LINE_, __LINE__),
enum { MAP_VEX3_NO_ROW,
#include "emu/x64/x64_map_vex3.inc"
};
#undef X
static const struct x64_row map_vex3[] = { NO_ROW
#define X ROW
#include "emu/x64/x64_map_vex3.inc"
#undef X
};
static const uint16_t map_vex3_last[256] = {
#define X(opcode, prefixes, where, name, a, b, c, d) [opcode] = JOIN(MAP_VEX3_LINE_, __LINE__),
#include "emu/x64/x64_map_vex3.inc"
#undef X
};

#define MAP(name) { name, name##_last, sizeof name / sizeof *name }
const struct x64_rows x64_maps[X64_MAP_COUNT] = {
    [X64_MAP_1] = MAP(map_1), [X64_MAP_0F] = MAP(map_0f), [X64_MAP_0F38] = MAP(map_0f38), [X64_MAP_0F3A] = MAP(map_0f3a),
    [X64_MAP_X87] = MAP(map_x87), [X64_MAP_VEX1] = MAP(map_vex1), [X64_MAP_VEX2] = MAP(map_vex2), [X64_MAP_VEX3] = MAP(map_vex3),
};

enum { V = SIZE_V, Z = SIZE_Z, Y = SIZE_Y, X = SIZE_X, XH = SIZE_XH, XQ = SIZE_XQ, XO = SIZE_XO, A = SIZE_A, P = SIZE_P,
       ENV = SIZE_ENV, FPU = SIZE_FPU, OP = SIZE_OP };

const struct x64_operand_form x64_operand_forms[X64_OC_COUNT] = {
#define O(code, source, argument, reg_size, mem_size) { SRC_##source, argument, reg_size, mem_size },
#include "emu/x64/x64_operands.inc"
#undef O
};
