// SPDX-License-Identifier: MIT
// What the vectors save at every entry from EL0 or EL1, at the top of the thread's kernel stack.
// Offsets are shared with vectors.S (TF_*).
#pragma once

#define TF_X(n)   (8 * (n))
#define TF_SP     248      // SP_EL0 (or SP_EL1 before the trap, for EL1 entries)
#define TF_ELR    256
#define TF_SPSR   264
#define TF_ESR    272
#define TF_FAR    280
#define TF_BYTES  288

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>
struct trap_frame { uint64_t x[31], sp, elr, spsr, esr, far; };
_Static_assert(offsetof(struct trap_frame, sp) == TF_SP && offsetof(struct trap_frame, far) == TF_FAR, "vectors.S");
_Static_assert(sizeof(struct trap_frame) == TF_BYTES && TF_BYTES % 16 == 0, "stack alignment");

// FP/SIMD registers of a thread; saved when it leaves a core and when its context is handed out.
struct fp_state { unsigned __int128 v[32]; uint32_t fpcr, fpsr; uint64_t reserved; };
void fp_save(struct fp_state *state);
void fp_load(const struct fp_state *state);

// Called by the vectors, interrupts masked, on the kernel stack. Returning resumes the frame.
void trap_el0_sync(struct trap_frame *frame);     // kernel/trap.c (kernel part)
void trap_el1_sync(struct trap_frame *frame);     // fixups of user_copy_*, else panic
void trap_irq(struct trap_frame *frame, int from_el0);
#endif
