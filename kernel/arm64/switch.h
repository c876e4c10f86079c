// SPDX-License-Identifier: MIT
// What a thread leaves behind when another runs on its core inside the kernel: the registers that the C calling convention
// preserves. Everything else of a thread is in the trap frame on its kernel stack and in its fp_state.
#pragma once

#define SW_SP     96
#define SW_BYTES  112

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>
#include "kernel/arm64/trap.h"

struct cpu_context { uint64_t x19_x30[12], sp, padding; };
_Static_assert(offsetof(struct cpu_context, sp) == SW_SP && sizeof(struct cpu_context) == SW_BYTES, "switch.S");

// Saves the caller in *from and continues *to where it left off. Interrupts must be masked; they stay as they are.
void context_switch(struct cpu_context *from, const struct cpu_context *to);
// Makes `context` call entry(argument) on the stack with that top at the first switch to it, interrupts still masked.
// entry must not return.
void context_prepare(struct cpu_context *context, void *stack_top, void (*entry)(void *), void *argument);

// Enters EL0 from a frame. It must end at the top of the thread's kernel stack, where the next exception from EL0 starts.
_Noreturn void trap_return(struct trap_frame *frame);
#endif
