// SPDX-License-Identifier: MIT
// One x64 instruction being executed by the kernel, and how it reaches its operands. Inside of interpret*.c.
#pragma once
#include "emu/run/runtime.h"

struct machine {                            // one instruction being interpreted
    struct emu_process *p;
    struct trap_frame *frame;
    const struct x64_insn *insn;
    struct exception *exception;
    uint32_t eflags;                        // CF PF AF ZF SF OF
    uint64_t next;                          // rip after it
    bool leaves;                            // the thread does not go on behind the svc but at next
};

uint64_t machine_gpr_get(struct machine *m, unsigned reg, unsigned size);              // zero-extended
void     machine_gpr_put(struct machine *m, unsigned reg, unsigned size, uint64_t value);   // by the partial-register rules
uint64_t machine_address(struct machine *m);        // of the memory operand
// EMU_RESUME: done. EMU_EXCEPTION: m->exception says which access faults.
enum emu_outcome machine_memory_get(struct machine *m, void *to, unsigned bytes);
enum emu_outcome machine_memory_put(struct machine *m, const void *from, unsigned bytes);
enum emu_outcome machine_operand_get(struct machine *m, const struct x64_operand *opd, uint64_t *value);   // register, constant, memory
enum emu_outcome machine_operand_put(struct machine *m, const struct x64_operand *opd, uint64_t value);

// interpret_fp.c
uint32_t machine_mxcsr_get(struct machine *m);                              // shows it: FP_EXACT from now on
enum emu_outcome machine_mxcsr_put(struct machine *m, uint32_t mxcsr);     // EMU_EXCEPTION: reserved bits
void machine_vector_get(unsigned reg, uint64_t value[2]);                   // the running thread's
void machine_vector_put(unsigned reg, const uint64_t value[2]);
struct x87_state;
bool machine_x87_get(struct machine *m, struct x87_state *x87);             // plain (emu/x87/quick.h); false: there is no CPU area
bool machine_x87_put(struct machine *m, const struct x87_state *x87);      // from plain
// Accesses of the program itself: guard pages count, its stack grows. Whole or not at all; false: m->exception says why.
bool machine_read(struct machine *m, uint64_t address, void *to, unsigned bytes);      // at most one page
bool machine_may_write(struct machine *m, uint64_t address, unsigned bytes);
bool machine_write(struct machine *m, uint64_t address, const void *from, unsigned bytes);
enum emu_outcome machine_run_x87(struct machine *m);        // x87 and MMX (emu/x87/x87.h)
enum emu_outcome machine_run_ldmxcsr(struct machine *m);
enum emu_outcome machine_run_stmxcsr(struct machine *m);
enum emu_outcome machine_run_fxsave(struct machine *m);
enum emu_outcome machine_run_fxrstor(struct machine *m);
status_t machine_float_exception(unsigned pending);         // exceptions that are not masked, as MXCSR has them, as Windows names them
// The callbacks of emu/x87 and emu/sse; `context` is the machine. False: m->exception says which access faults.
bool machine_operand_read(void *context, unsigned operand, void *to, unsigned bytes);
bool machine_operand_write(void *context, unsigned operand, const void *from, unsigned bytes);

// interpret_sse.c
enum emu_outcome machine_run_sse(struct machine *m);        // vector floating point (emu/sse/sse.h)
enum emu_outcome machine_simd_exception(struct machine *m, uint32_t mxcsr);     // #XM; mxcsr is what the processor leaves

// xsave.c
enum emu_outcome machine_run_xsave(struct machine *m);      // XSAVE, XSAVEOPT, XSAVEC
enum emu_outcome machine_run_xrstor(struct machine *m);
enum emu_outcome machine_run_xgetbv(struct machine *m);

// segments.c
bool machine_load_segment(struct machine *m, unsigned segment, uint16_t selector);     // false: #GP
uint16_t machine_segment(struct machine *m, unsigned segment);
enum emu_outcome machine_run_mov_segment(struct machine *m);
enum emu_outcome machine_run_pop_segment(struct machine *m);
enum emu_outcome machine_run_load_far(struct machine *m);       // LFS, LGS, LSS
enum emu_outcome machine_run_descriptor(struct machine *m);     // LAR, LSL, VERR, VERW

// control.c
enum emu_outcome machine_run_near(struct machine *m);           // JMP and CALL through a value
enum emu_outcome machine_run_ret(struct machine *m);
enum emu_outcome machine_run_far(struct machine *m);            // JMP, CALL
enum emu_outcome machine_run_ret_far(struct machine *m);
enum emu_outcome machine_run_iret(struct machine *m);
enum emu_outcome machine_run_popf(struct machine *m);
enum emu_outcome machine_run_enter(struct machine *m);

// interpret_crypto.c
enum emu_outcome machine_run_crypto(struct machine *m);
enum emu_outcome machine_run_crc32(struct machine *m);

// step.c
enum emu_outcome machine_run_string(struct machine *m);         // one round of a REP string instruction

// cpuid.c
enum emu_outcome machine_run_cpuid(struct machine *m);
