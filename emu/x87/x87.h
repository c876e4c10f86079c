// SPDX-License-Identifier: MIT
//
// x87.h - x87 and MMX instructions executed in C, one at a time.
//
// The caller decodes, keeps the state and reaches operands; everything else is here. Nothing of the state is changed unless
// the outcome is X87_DONE (X87_SIMD: see there).
#pragma once
#include "emu/x64/x64.h"
#include "emu/x87/state.h"

void x87_init(struct x87_state *state);                         // as FNINIT; also clears the registers

enum { X87_OPERAND_RDI = 16, X87_MXCSR_DAZ = 1 << 6 };

struct x87_io {
    void *context;
    // Operand `operand` of the instruction, low bytes first; false: it faults, and the caller knows how. X87_OPERAND_RDI + n is
    // memory at rdi + n (MASKMOVQ). Of an XMM register the bytes not written stay.
    bool (*read)(void *context, unsigned operand, void *to, unsigned bytes);
    bool (*write)(void *context, unsigned operand, const void *from, unsigned bytes);
    uint64_t address;               // of the memory operand, if there is one
    uint16_t opcode;                // low three bits of the first opcode byte, then ModRM: as FOP has it
    uint32_t eflags;                // in and out
    uint32_t mxcsr;                 // in and out: conversions between MMX and XMM
};

enum x87_outcome {
    X87_DONE,
    X87_FAULT,                      // a memory operand faults
    X87_PENDING,                    // an earlier instruction left an unmasked exception: #MF
    X87_SIMD,                       // #XM of a conversion with an XMM operand: the registers are MMX registers already, io->mxcsr has
                                    // the flags that the processor leaves, nothing else is changed
    X87_UNKNOWN,                    // neither an x87 nor an MMX instruction, or one that is not done here
};
bool x87_knows(const struct x64_insn *insn);                    // not X87_UNKNOWN
enum x87_outcome x87_execute(struct x87_state *state, const struct x64_insn *insn, struct x87_io *io);

// The x87 part of FXSAVE's area, without MXCSR (bytes 24 to 31). wide: pointers of 64 bits (REX.W).
enum { X87_FX_BYTES = 160 };
void x87_put_fx_image(const struct x87_state *state, uint8_t image[X87_FX_BYTES], bool wide);
void x87_get_fx_image(struct x87_state *state, const uint8_t image[X87_FX_BYTES], bool wide);

// ---- inside: what instructions are made of
struct x87_machine {
    struct x87_state s;             // becomes the caller's when all is done
    const struct x64_insn *insn;
    struct x87_io *io;
    struct float_env env;
};

// stack.c
static inline uint16_t x87_control_word(uint32_t loaded) { return (loaded & 0x1f3f) | 0x40; }  // what is kept of it
static inline unsigned x87_top(const struct x87_state *s) { return s->status >> X87_TOP_SHIFT & 7; }
void x87_set_top(struct x87_state *s, unsigned top);
bool x87_empty(const struct x87_machine *m, unsigned i);
struct float80 x87_get(const struct x87_machine *m, unsigned i);
void x87_put(struct x87_machine *m, unsigned i, struct float80 value);     // and marks it valid
void x87_free(struct x87_machine *m, unsigned i);
void x87_pop(struct x87_machine *m);
void x87_push(struct x87_machine *m, struct float80 value);
void x87_underflow(struct x87_machine *m);                      // raises the stack fault
void x87_overflow(struct x87_machine *m);
// Takes over what m->env gathered: flags, C1, ES. False: an unmasked exception forbids to change anything else.
bool x87_settle(struct x87_machine *m);
void x87_summarize(struct x87_state *s);                        // ES and B from flags and masks

// image.c: FNSTENV, FLDENV, FNSAVE, FRSTOR
enum x87_outcome x87_store_environment(struct x87_machine *m);
enum x87_outcome x87_load_environment(struct x87_machine *m);
enum x87_outcome x87_save(struct x87_machine *m);
enum x87_outcome x87_restore(struct x87_machine *m);

// mmx.c
bool mmx_knows(const struct x64_insn *insn);
enum x87_outcome mmx_run(struct x87_machine *m);
