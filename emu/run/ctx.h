// SPDX-License-Identifier: MIT
// The state that translated code, the EL0 stubs and the kernel's translator runtime share.
// Included by C and by assembly.
//
// Registers while x64 code runs (ARM64EC mapping, ARM64EC ABI conventions):
//   rax x8  rcx x0  rdx x1  rbx x27  rsp sp  rbp x29  rsi x25  rdi x26  r8..r11 x2..x5  r12..r15 x19..x22
//   xmm0..15 v0..v15   gs base (TEB) x18
// Translator's own:
//   x28  struct emu_ctx of the thread, always
//   x23  PF source: PF = even parity of its low byte      x24  AF source: AF = bit 4 of x23 ^ x24
//   NZCV: N = SF, Z = ZF, V = OF; at every block entry and exit C = NOT CF (as SUBS leaves it)
//   x9   target address on the way to a dispatcher stub
//   x7   carry kept aside inside a region (scratch at its entries and exits)
//   x13  base of the branch target table of the floating-point model (below)     x14  shadow stack (not used yet)
//   x6 x7 x10-x12 x15-x17 x30, v16-v31  scratch; the stubs may change x10-x13, x15-x17, x30 and nothing else
// FPCR, FPSR: MXCSR as the ARM64EC ABI maps it, or as FP_EXACT keeps it (CTX_FP_FORM)
// DF, MXCSR's other bits, x87 and what else has no register live in struct emu_ctx.
#pragma once

// svc immediates raised by translated code and stubs (EL0 may not raise them from anywhere else).
#define SVC_EMU_MISS     0x8000   // stub: x9 = rip that is not in the table
#define SVC_EMU_LINK     0x8001   // link stub of a direct exit: the exit is found by the svc's address
#define SVC_EMU_TRAP     0x8002   // the x64 instruction at this point raises: kernel decodes it (int3, ud2, hlt, syscall ...)
#define SVC_EMU_INSN     0x8003   // the kernel executes this one x64 instruction on the saved registers, then resumes after the svc
#define SVC_EMU_DIVIDE   0x8004   // #DE at this point
#define SVC_EMU_BAD_EC   0x8005   // stub: x9 = rip in an EC page that may not be entered from x64 code
#define SVC_EMU_LEAVE    0x8006   // at the head of a block of a dead region: rip and flags are as its point says, go on there elsewhere
#define SVC_EMU_FP       0x8007   // as SVC_EMU_INSN for a floating-point instruction of FP_EXACT; flags stay where the point says they are
#define SVC_EMU_EXACT    0x8008   // stub: native code looks at MXCSR: from now on FP_EXACT
#define SVC_EMU_STEP     0x8009   // stub: x9 = rip after a single step
#define SVC_EMU_READER   0x800a   // a call behind whose return flags are read: translate anew without lower_config.no_readers, go on here

// Offsets in struct emu_ctx. The first 0x60 bytes are CHPE_V2_CPU_AREA_INFO (TEB + 0x1788 points here).
#define CTX_IN_SIMULATION   0x00
#define CTX_IN_CALLBACK     0x01
#define CTX_STACK_BASE      0x08   // top of a stack for exceptions of x64 code (kernel/exception.c); 0: they go to the program's own stack
#define CTX_STACK_LIMIT     0x10
#define CTX_CONTEXT_AMD64   0x18
#define CTX_DOORBELL        0x20
#define CTX_EMULATOR_DATA   0x30
#define CTX_DF              0x68   // i32: the step of strings: 1, or -1 when the direction flag is set; nothing else looks but for its sign
#define CTX_MXCSR           0x6c   // u32: all of MXCSR while CTX_FP_FORM is 1; else CTX_MXCSR_BITS, and the rest is in FPCR and FPSR
#define CTX_EFLAGS          0x70   // u32: CTX_EFLAGS_BITS of the last context handed out or taken in (conversion loses them)
#define CTX_EFLAGS_KEPT     0x74   // u32: CTX_KEPT_BITS, as POPF or a context set them; nothing here looks at them but PUSHF
#define CTX_FP_WATCH        0x78   // u32: bits of FPSR that send an instruction to the kernel (FP_EXACT, emu/lower/lower_exact.c)
#define CTX_FP_EXACT        0x7c   // u32: CTX_FORM_EXACT if x64 code of this thread runs in FP_EXACT, for good; else CTX_FORM_AFP if the core has that, or 0
#define CTX_SWITCHES        0x80   // u64: transitions between x64 and EC code; a call counts with its return, when it is made
#define CTX_FP_FORM         0x88   // u32, and 0 behind it: 0 while FPCR and FPSR are as native code wants them, or one of:
#define CTX_FORM_EXACT      1      // as FP_EXACT wants them
#define CTX_FORM_AFP        4      // as native code does, and FPCR has CTX_FPCR_AFP
#define CTX_FPCR_AFP        6      // AH and NEP: x64's choice of NaNs, and scalar results keep the rest of the register (FEAT_AFP)
#define CTX_FORM_IE         2      // as native code does, but for FPSR.IOC: MXCSR.IE is set, whatever it says (emu/lower/lower_chain.c)
#define CTX_YMM_HIGH        0x90   // 16 * 16 bytes: all within reach of STP of two doublewords
#define CTX_SPILL           0x190  // 16 * u64: the lowering's own spill slots
#define CTX_X87_REGISTERS   0x210  // 8 * 16 bytes; from here on struct x87_state (emu/x87/x87.h)
#define CTX_X87_IP          0x290  // u64
#define CTX_X87_DP          0x298  // u64
#define CTX_X87_CONTROL     0x2a0  // u16
#define CTX_X87_STATUS      0x2a2  // u16
#define CTX_X87_TAG         0x2a4  // u16: bit n set: physical register n is in use
#define CTX_X87_OPCODE      0x2a6  // u16
#define CTX_SELECTORS       0x2a8  // 6 * u16 in the order of enum x64_segment; CS is always CTX_SELECTORS_INITIAL's, whatever is here
#define CTX_SELECTORS_INITIAL { 0x2b, 0x33, 0x2b, 0x2b, 0x53, 0x2b }    // ES CS SS DS FS GS
#define CTX_X87_DEPTH       0x3c0  // u32; from here on struct x87_quick (emu/x87/quick.h), which says what the above holds
#define CTX_X87_C1          0x3c4  // u8
#define CTX_X87_INEXACT     0x3c5  // u8
#define CTX_X87_CONDITIONS  0x3c6  // u16
#define CTX_X87_OPERANDS    0x3c8  // 2 * u64
#define CTX_BYTES           0x400

// Shadow stack: x14 is the newest entry, while x64 code and while ARM64EC code of the thread runs (which has no x13 and x14). An entry
// is 16 bytes, {x64 return address, address of the translation there}. A CALL whose return is in its own region makes one, a RET takes the
// newest and goes to its code if the address is that of the stack; what does not fit (longjmp, unwinding, a return address that
// was changed) is found out by EMU_STUB_RETURN. Entries are hints: whatever is in them or in x14, only this thread's own x64 code suffers.
// A call comes to the callee's call entry with the two in x10 and x30. It makes the entry there, or, on its way to a RET that is near, later or never
// (emu/lower/owed.c). Such a RET leaves the address of the stack in x9 and goes to x30, if it has found that to be right or knows it. If the code at
// x30 dies meanwhile, the kernel puts EMU_STUB_DISPATCH there. When an exception is delivered they are lost: one RET looks for its entry, then.
// Memory of a thread, from the CPU area down: an unusable page, the stack, an unusable page. Its top entries never match.
#define CTX_SHADOW_BYTES    0x10000
#define CTX_SHADOW_GAP      0x1000     // each of the unusable pages
#define CTX_SHADOW_SEARCH   16         // so many older entries does EMU_STUB_RETURN look at
#define CTX_SHADOW_PUSH     0xa9bf79ca // stp x10, x30, [x14, #-16]!
#define CTX_SHADOW_POP      0xa8c12dca // ldp x10, x11, [x14], #16
// Two pushes or pops as one access: these words with two registers in bits 14:10 and 4:0.
#define CTX_PAIR_PUSH       0xa9bf03e0 // stp xb, xa, [sp, #-16]!
#define CTX_PAIR_POP        0xa8c103e0 // ldp xa, xb, [sp], #16
#define CTX_PAIR_REGISTERS  0x00007c1f
// Set (the bits are inverted) in the return address of an entry whose code reads flags: the RET makes them canonical first.
#define CTX_SHADOW_FLAGS    0x7fff000000000000

#define CTX_KEPT_BITS       0x244100    // TF, NT, AC, ID
#define CTX_FLAG_TF         0x100
#define CTX_FLAG_NT         0x4000
#define CTX_EFLAGS_BITS     0x244514    // these, PF, AF, DF and TF
#define CTX_MXCSR_BITS      0x1fc0      // the masks and DAZ: FPCR and FPSR have no place for them

// Branch target table: struct { u64 code, rip; }, in two ways. Translated code looks into the first by itself, flags being anywhere;
// EMU_STUB_SECOND, with canonical flags, into two neighbours in the second. Index of the first: bits 15:0 of rip; of the second: bits 17:4 of
// rip ^ rip >> 14, and that ^ 1. CTX_TABLE_FLAGS is inverted in the rip of an entry whose code reads flags: they become canonical first.
// So it is in the entries of ARM64EC code, which wants the target in x9: the look-up takes it from any register.
// Calls look at the next entry of the first way (CTX_TABLE_CALL): it leads to where the callee makes the shadow entry by itself; a call
// that finds nothing there makes it and looks where jumps do (EMU_STUB_FIRST).
// What an empty entry has for a rip is not of that index, nor is it then: so whatever matches was put there, and is canonical. In x86-TSO,
// where other threads may be looking, rip and code are loaded together (LDP is atomic with FEAT_LSE2; Arm ARM B2.2.1) or the rip before the code, in
// order, and emu_interrupt knows the instructions between.
#define CTX_TABLE_BITS    16
#define CTX_SECOND_BITS   14
#define CTX_SECOND_OFFSET 0x101000
#define CTX_TABLE_BYTES   0x141000
#define CTX_TABLE_FLAGS   64
#define CTX_TABLE_CALL    16
#define CTX_LOOK_LOAD     0xf940014c    // ldr x12, [x10, #n] (mask CTX_LOOK_LOAD_MASK)
#define CTX_LOOK_LOAD_MASK 0xffc003ff
#define CTX_LOOK_PAIR     0xa940314b    // or ldp x11, x12, [x10, #n] (mask CTX_LOOK_PAIR_MASK)
#define CTX_LOOK_PAIR_MASK 0xffc07fff
#define CTX_LOOK_EOR      0xca00018c    // eor x12, x12, xn: behind one of these (mask CTX_LOOK_EOR_MASK)
#define CTX_LOOK_EOR_MASK 0xffe0ffff
#define CTX_LOOK_FLAGS    0xd101018c    // sub x12, x12, #64
#define CTX_LOOK_AND      0x9279f98c    // and x12, x12, #~64
#define CTX_LOOK_CBNZ     0xb500000c    // cbnz x12, (mask CTX_LOOK_CBNZ_MASK)
#define CTX_LOOK_CBNZ_MASK 0xff00001f
#define CTX_LOOK_CODE     0xf86c694b    // ldr x11, [x10, x12]: always behind a CBNZ
#define CTX_LOOK_CALL     0x8b0c014b    // add x11, x10, x12: the same of a call, and behind it
#define CTX_LOOK_CALL_CODE 0xf940096b   // ldr x11, [x11, #16]
