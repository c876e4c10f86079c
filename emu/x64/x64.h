// SPDX-License-Identifier: MIT
//
// x64.h - one x64 instruction: bytes to facts.
//
// Rules
//  - x64_decode() is a pure function of the bytes and the address; it reads at most `avail` (and at most 15) bytes.
//  - It accepts what a 64-bit user-mode processor with AVX2, FMA, BMI, AES, SHA and no AVX-512 accepts, and rejects
//    what that processor rejects. Privileged instructions decode as themselves and carry X64_A_PRIVILEGED.
//  - Operands are in Intel order: opd[0] is the destination where there is one. Operands that the encoding does not
//    name (rax in MUL, rcx in REP, xmm0 in BLENDVPS) are not in opd[]; x64_op_info tells of the registers.
//  - What an operation does to flags is in x64_ops.inc, one row per mnemonic; ask through x64_flags_*().
//
// Manual: Intel SDM vol. 2 (chapters 2 to 6, appendices A and B); AMD APM vol. 3 where the two differ.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { X64_LENGTH_MAX = 15, X64_OPERANDS_MAX = 4 };

enum x64_status {
    X64_OK,
    X64_TRUNCATED,      // the instruction goes on after `avail` bytes: fetch more, or the next page faults
    X64_INVALID,        // #UD
    X64_TOO_LONG,       // more than 15 bytes: #GP(0)
};

// rflags, at their architectural positions (SDM vol. 1, 3.4.3).
enum x64_flag {
    X64_CF = 1 << 0, X64_PF = 1 << 2, X64_AF = 1 << 4, X64_ZF = 1 << 6, X64_SF = 1 << 7,
    X64_DF = 1 << 10, X64_OF = 1 << 11,
    X64_ARITH_FLAGS = X64_CF | X64_PF | X64_AF | X64_ZF | X64_SF | X64_OF,
    X64_ALL_FLAGS = X64_ARITH_FLAGS | X64_DF,
};

// General registers by their encoding number.
enum x64_gpr {
    X64_RAX, X64_RCX, X64_RDX, X64_RBX, X64_RSP, X64_RBP, X64_RSI, X64_RDI,
    X64_R8, X64_R9, X64_R10, X64_R11, X64_R12, X64_R13, X64_R14, X64_R15,
    X64_REG_RIP = 0xfe,         // only as a memory base
    X64_REG_NONE = 0xff,
};

enum x64_segment { X64_ES, X64_CS, X64_SS, X64_DS, X64_FS, X64_GS, X64_SEGMENT_NONE };

// Condition codes by their encoding number; cc ^ 1 is the opposite (SDM vol. 2, B.1.4.7).
enum x64_cond {
    X64_CC_O, X64_CC_NO, X64_CC_B, X64_CC_AE, X64_CC_E, X64_CC_NE, X64_CC_BE, X64_CC_A,
    X64_CC_S, X64_CC_NS, X64_CC_P, X64_CC_NP, X64_CC_L, X64_CC_GE, X64_CC_LE, X64_CC_G,
    X64_CC_NONE = 0xff,
};

// One value per mnemonic: X64_ADD, X64_MOVAPS, X64_VMOVAPS, ... Names that are not the manual's:
//   JCC SETCC CMOVCC FCMOVCC    the condition is in .cond
//   MOVS CMPS SCAS LODS STOS INS OUTS    the string instructions, element size in .opsize
//                               (X64_MOVSD and X64_CMPSD are always the SSE2 ones)
//   CBW CWD                     CBW/CWDE/CDQE and CWD/CDQ/CQO, by .opsize
//   PUSHF POPF IRET             by .opsize
//   MOV_CR MOV_DR               MOV with a control or debug register: privileged
//   CALL_FAR JMP_FAR RET_FAR    the far forms
//   IMUL1 IMUL2 IMUL            one operand (rdx:rax = rax * opd[0]), two (opd[0] *= opd[1]), three (opd[0] = opd[1] * opd[2])
enum x64_op {
    X64_BAD,
#define X(name, isa, access, reads, writes, undefined, cleared, gpr_reads, gpr_writes, attributes) X64_##name,
#include "emu/x64/x64_ops.inc"
#undef X
    X64_OP_COUNT,
};

enum x64_isa {
#define I(name) X64_ISA_##name,
#include "emu/x64/x64_isa.inc"
#undef I
    X64_ISA_COUNT,
};

// How control leaves the instruction.
enum x64_flow {
    X64_FLOW_NEXT,              // falls through (it may fault)
    X64_FLOW_JUMP,              // direct JMP: opd[0] is REL
    X64_FLOW_BRANCH,            // JCC, LOOPcc, JRCXZ, XBEGIN: opd[0] is REL, or falls through
    X64_FLOW_CALL,              // direct CALL
    X64_FLOW_JUMP_INDIRECT,
    X64_FLOW_CALL_INDIRECT,
    X64_FLOW_RETURN,
    X64_FLOW_TRAP,              // INT, INT3, INT1, UD0..2, HLT, far transfers, IRET: always leaves the program's straight line
    X64_FLOW_SYSCALL,           // SYSCALL: the kernel, then the next instruction
};

// Attributes of an operation, x64_op_info.attributes.
enum x64_attribute {
    X64_A_PRIVILEGED  = 1 << 0,     // #GP at CPL 3
    X64_A_IO          = 1 << 1,     // IN, OUT, INS, OUTS, CLI, STI: #GP at CPL 3 unless IOPL allows it
    X64_A_FAULTS      = 1 << 2,     // can raise an exception for a reason other than its memory operand (DIV, INT, ...)
    X64_A_LOCKABLE    = 1 << 3,     // LOCK is legal with a memory destination
    X64_A_STRING      = 1 << 4,     // implicit [rsi] and/or [rdi], and REP
    X64_A_STACK       = 1 << 5,     // reads or writes memory at rsp
    X64_A_IF_COUNT    = 1 << 6,     // flags change only if the (masked) count is not zero
    X64_A_UNALIGNED   = 1 << 7,     // a 16-byte memory operand needs no alignment (the legacy SSE default is: it does)
    X64_A_ALIGNED     = 1 << 8,     // the memory operand must be naturally aligned although the encoding is VEX
    X64_A_FP          = 1 << 9,     // SIMD floating point: MXCSR decides rounding and exceptions
    X64_A_NO_ACCESS   = 1 << 10,    // the memory operand is an address only: LEA, NOP, PREFETCH, ...
    X64_A_IMPLICIT_XMM0 = 1 << 11,  // reads xmm0 without naming it
    X64_A_SERIALIZE   = 1 << 12,    // fence or serialising instruction
    X64_FLOW_SHIFT    = 16,
    X64_A_READS       = 1 << 14,    // memory that no operand names: stack, string and others
    X64_A_WRITES      = 1 << 15,
    X64_A_VECTOR_ALL  = 1 << 13,    // touches vector or x87 registers that no operand names (FXSAVE, VZEROALL, EMMS, ...)
};

struct x64_op_info {
    char name[20];                  // as in the enum, upper case
    char access[5];                 // one letter an operand: r, w, x (read and write), c (reads, may write), n (address only)
    uint8_t isa;                    // enum x64_isa
    uint16_t flags_read;            // always read; conditions add to it, see x64_flags_read()
    uint16_t flags_written;         // defined result, includes the cleared ones
    uint16_t flags_undefined;
    uint16_t flags_cleared;         // always zero afterwards; a part of flags_written
    uint16_t gpr_read;              // registers read or written without being named: bit n is register n
    uint16_t gpr_written;
    uint32_t attributes;            // enum x64_attribute; enum x64_flow from bit X64_FLOW_SHIFT on
};

enum x64_operand_kind {
    X64_OPD_NONE,
    X64_OPD_GPR,                    // reg 0..15, size 1 2 4 8 (size 1: the low byte)
    X64_OPD_GPR8_HIGH,              // ah ch dh bh: reg 0..3 (the register whose bits 15:8 are meant), size 1
    X64_OPD_XMM,                    // reg 0..15; size is the bytes that count as data: 4 for a float scalar, up to 16. A legacy
                                    // destination of less than 16 keeps the rest; which half moves, the mnemonic says (MOVHPS)
    X64_OPD_YMM,                    // reg 0..15, size 32
    X64_OPD_MMX,                    // reg 0..7
    X64_OPD_ST,                     // st(reg)
    X64_OPD_SEG,                    // enum x64_segment
    X64_OPD_CR, X64_OPD_DR,
    X64_OPD_IMM,                    // value is extended to 64 bits as the operation extends it; size is the operation's
    X64_OPD_MEM,                    // insn.mem; size in bytes (0 if the instruction accesses nothing)
    X64_OPD_REL,                    // branch target: value is the absolute address
};

enum { X64_READ = 1, X64_WRITE = 2, X64_MAYBE = 4 };    // operand access; MAYBE: the write depends on data

struct x64_operand {
    uint8_t kind;                   // enum x64_operand_kind
    uint8_t reg;
    uint8_t access;                 // X64_READ | X64_WRITE | X64_MAYBE
    uint16_t size;                  // bytes
    int64_t value;                  // IMM, REL
};

struct x64_mem {
    uint8_t base;                   // 0..15, X64_REG_RIP or X64_REG_NONE
    uint8_t index;                  // 0..15 or X64_REG_NONE; a vector register when vsib is not zero
    uint8_t scale;                  // 1 2 4 8
    uint8_t segment;                // X64_FS, X64_GS, or X64_SEGMENT_NONE: the others have base 0
    uint8_t address_size;           // 8, or 4: the sum is cut to 32 bits before the segment base is added
    uint8_t vsib;                   // 0, or bytes of the index vector register: 16, 32
    int64_t disp;                   // sign-extended; 64 bits wide only in the moffs forms of MOV
    uint64_t address;               // resolved when base is RIP, or when there is neither base nor index; else 0
};

enum x64_prefix {                   // prefixes that mean something to this instruction
    X64_P_LOCK = 1 << 0,            // also set for XCHG with memory: it locks by itself
    X64_P_REP = 1 << 1,             // REP or REPE on a string instruction
    X64_P_REPNE = 1 << 2,
};

enum x64_form {
    X64_F_VEX = 1 << 0,             // VEX encoding: an XMM destination zeroes the rest of the YMM register
    X64_F_256 = 1 << 1,             // VEX.L
    X64_F_MEM = 1 << 2,             // opd[mem_operand] is the memory operand and mem is valid
    X64_F_ALIGNED = 1 << 3,         // #GP unless the memory operand is aligned to its size (FXSAVE and XSAVE: see there)
    X64_F_REX = 1 << 4,             // a REX prefix took effect
    X64_F_W = 1 << 5,               // REX.W or VEX.W
};

struct x64_insn {
    uint64_t rip;                   // of the first byte
    uint16_t op;                    // enum x64_op
    uint8_t length;                 // 1..15
    uint8_t cond;                   // enum x64_cond
    uint8_t opsize;                 // effective operand size in bytes: 1 2 4 8 for integer, 16 or 32 for vector, 0 if none
    uint8_t address_size;           // 8 or 4 (also the width of rcx/rsi/rdi in string and LOOP instructions)
    uint8_t prefixes;               // enum x64_prefix
    uint8_t form;                   // enum x64_form
    uint8_t operand_count;
    uint8_t mem_operand;            // index of the memory operand if X64_F_MEM
    uint8_t segment;                // override of the implicit rsi, rbx or rax operand of a string instruction, XLAT, ...: FS, GS, NONE
    uint8_t disp_at, disp_bytes;    // where in the instruction the displacement (or moffs address) is; 0 bytes: there is none
    uint8_t imm_at, imm_bytes;      // the same of the immediate or relative target, the last one if there are two
    uint16_t kinds;                 // of the operands: bit n, there is one of enum x64_operand_kind n
    uint8_t flow, accesses;         // ask through x64_flow() and the like below
    uint16_t flags_read, flags_killed, gprs_read, gprs_written;
    struct x64_operand opd[X64_OPERANDS_MAX];
    struct x64_mem mem;
};

// Decodes the instruction at `bytes`, of which `avail` can be read; `rip` is its address.
// On X64_OK *out is complete. Otherwise only out->rip and out->length (bytes looked at) mean something.
enum x64_status x64_decode(const uint8_t *bytes, size_t avail, uint64_t rip, struct x64_insn *out);

// The row of x64_ops.inc. X64_BAD and numbers out of range give a row called "BAD".
extern const struct x64_op_info x64_op_infos[X64_OP_COUNT];
static inline const struct x64_op_info *x64_op_info(enum x64_op op)
{
    return &x64_op_infos[(unsigned)op < X64_OP_COUNT ? op : X64_BAD];
}

// Flags that a condition reads.
uint16_t x64_cond_flags(enum x64_cond cond);

// Flags of this instruction, its condition, count and REP prefix taken into account.
static inline uint16_t x64_flags_read(const struct x64_insn *insn) { return insn->flags_read; }         // may read
uint16_t x64_flags_written(const struct x64_insn *insn);    // may write a defined value (OF of a shift: only if by one)
static inline uint16_t x64_flags_killed(const struct x64_insn *insn) { return insn->flags_killed; }     // the old value is certainly gone: written or left undefined

// Explicit and implicit general registers as bit masks. A partial write (8 or 16 bits) also reads.
static inline uint16_t x64_gprs_read(const struct x64_insn *insn) { return insn->gprs_read; }
static inline uint16_t x64_gprs_written(const struct x64_insn *insn) { return insn->gprs_written; }

enum { X64_READS_MEMORY = 1, X64_WRITES_MEMORY = 2, X64_MAY_FAULT = 4 };
static inline enum x64_flow x64_flow(const struct x64_insn *insn) { return (enum x64_flow)insn->flow; }
static inline bool x64_ends_block(const struct x64_insn *insn) { return insn->flow != X64_FLOW_NEXT; }
static inline bool x64_reads_memory(const struct x64_insn *insn) { return insn->accesses & X64_READS_MEMORY; }      // explicit operand, string or stack access
static inline bool x64_writes_memory(const struct x64_insn *insn) { return insn->accesses & X64_WRITES_MEMORY; }
static inline bool x64_may_fault(const struct x64_insn *insn) { return insn->accesses & X64_MAY_FAULT; }            // memory, or X64_A_FAULTS, PRIVILEGED, IO

// Writes the instruction in Intel syntax, e.g. "lock add dword ptr gs:[rax+rcx*4-0x10], edx". Always terminated;
// returns the length the whole text has, as snprintf does. No allocation, no locale.
size_t x64_format(const struct x64_insn *insn, char *text, size_t size);

const char *x64_status_name(enum x64_status status);
const char *x64_isa_name(enum x64_isa isa);
