// SPDX-License-Identifier: MIT
// Exception vectors (Arm ARM D1.3.1). Each entry makes a trap_frame on the kernel stack and calls C with interrupts masked;
// returning resumes the frame. Exceptions that must not happen are reported by trap_unexpected with their vector's number.
#include "kernel/arm64/trap.h"
#include "kernel/percpu.h"

.macro save_registers
    stp     x0, x1, [sp, #TF_X(0)]
    stp     x2, x3, [sp, #TF_X(2)]
    stp     x4, x5, [sp, #TF_X(4)]
    stp     x6, x7, [sp, #TF_X(6)]
    stp     x8, x9, [sp, #TF_X(8)]
    stp     x10, x11, [sp, #TF_X(10)]
    stp     x12, x13, [sp, #TF_X(12)]
    stp     x14, x15, [sp, #TF_X(14)]
    stp     x16, x17, [sp, #TF_X(16)]
    stp     x18, x19, [sp, #TF_X(18)]
    stp     x20, x21, [sp, #TF_X(20)]
    stp     x22, x23, [sp, #TF_X(22)]
    stp     x24, x25, [sp, #TF_X(24)]
    stp     x26, x27, [sp, #TF_X(26)]
    stp     x28, x29, [sp, #TF_X(28)]
.endm

// x30 and what the exception itself left. From EL1 x29 stays as it is and becomes the caller's frame in a backtrace.
.macro save_state el
    .if \el == 0
    mrs     x21, sp_el0
    .else
    add     x21, sp, #TF_BYTES
    .endif
    mrs     x22, elr_el1
    mrs     x23, spsr_el1
    mrs     x24, esr_el1
    mrs     x25, far_el1
    stp     x30, x21, [sp, #TF_X(30)]
    stp     x22, x23, [sp, #TF_ELR]
    stp     x24, x25, [sp, #TF_ESR]
.endm

.macro entry el, number, handler
    .balign 128
    sub     sp, sp, #TF_BYTES
    save_registers
    .if \el == 0
    mov     x29, #0
    .endif
    b       \handler
.endm

    .text
    .balign 2048
    .globl  vectors
vectors:
    // EL1 with SP_EL0: never used.
    entry   1, 0, unexpected_0
    entry   1, 1, unexpected_1
    entry   1, 2, unexpected_2
    entry   1, 3, unexpected_3
    // EL1. A fault may come from running out of kernel stack: the translation of the frame's place is asked for before
    // anything is stored there. TPIDRRO_EL0, which nobody else uses, holds x0 meanwhile.
    .balign 128
    msr     tpidrro_el0, x0
    sub     x0, sp, #TF_BYTES
    at      s1e1w, x0
    isb
    mrs     x0, par_el1
    tbnz    x0, #0, stack_overflow
    mrs     x0, tpidrro_el0
    b       el1_sync
    entry   1, 5, el1_irq
    entry   1, 6, unexpected_6
    entry   1, 7, unexpected_7
    // EL0, AArch64.
    entry   0, 8, el0_sync
    entry   0, 9, el0_irq
    entry   0, 10, unexpected_10
    entry   0, 11, unexpected_11
    // EL0, AArch32: no program is started so.
    entry   0, 12, unexpected_12
    entry   0, 13, unexpected_13
    entry   0, 14, unexpected_14
    entry   0, 15, unexpected_15

el1_sync:
    sub     sp, sp, #TF_BYTES
    save_registers
    msr     tpidrro_el0, xzr
    save_state 1
    mov     x0, sp
    bl      trap_el1_sync
    b       restore_el1
el1_irq:
    save_state 1
    mov     x0, sp
    mov     w1, #0
    bl      trap_irq
    b       restore_el1
// Translated x64 code may owe the order of a load (emu/lower/order.c): nothing in the kernel, and nothing that it goes on with, comes before it.
el0_sync:
    dmb     ishld
    save_state 0
    mov     x0, sp
    bl      trap_el0_sync
    b       restore_el0
el0_irq:
    dmb     ishld
    save_state 0
    mov     x0, sp
    mov     w1, #1
    bl      trap_irq

restore_el0:
    mov     x0, sp
// Enters EL0 (or EL1) as a prepared frame says. The frame must end at the top of the thread's kernel stack: that is where
// the next exception from EL0 starts.
    .globl  trap_return
    .type   trap_return, %function
trap_return:
    msr     daifset, #0xf
    mov     sp, x0
    ldr     x21, [sp, #TF_SP]
    msr     sp_el0, x21
restore_el1:
    msr     daifset, #0xf
    ldp     x22, x23, [sp, #TF_ELR]
    msr     elr_el1, x22
    msr     spsr_el1, x23
    ldp     x0, x1, [sp, #TF_X(0)]
    ldp     x2, x3, [sp, #TF_X(2)]
    ldp     x4, x5, [sp, #TF_X(4)]
    ldp     x6, x7, [sp, #TF_X(6)]
    ldp     x8, x9, [sp, #TF_X(8)]
    ldp     x10, x11, [sp, #TF_X(10)]
    ldp     x12, x13, [sp, #TF_X(12)]
    ldp     x14, x15, [sp, #TF_X(14)]
    ldp     x16, x17, [sp, #TF_X(16)]
    ldp     x18, x19, [sp, #TF_X(18)]
    ldp     x20, x21, [sp, #TF_X(20)]
    ldp     x22, x23, [sp, #TF_X(22)]
    ldp     x24, x25, [sp, #TF_X(24)]
    ldp     x26, x27, [sp, #TF_X(26)]
    ldp     x28, x29, [sp, #TF_X(28)]
    ldr     x30, [sp, #TF_X(30)]
    add     sp, sp, #TF_BYTES
    eret
    dsb     nsh                     // nothing is speculated past the return
    isb
    .size   trap_return, . - trap_return

.macro unexpected el, number
unexpected_\number:
    save_state \el
    mov     x0, sp
    mov     w1, #\number
    bl      trap_unexpected
    b       .
.endm
    unexpected 1, 0
    unexpected 1, 1
    unexpected 1, 2
    unexpected 1, 3
    unexpected 1, 6
    unexpected 1, 7
    unexpected 0, 10
    unexpected 0, 11
    unexpected 0, 12
    unexpected 0, 13
    unexpected 0, 14
    unexpected 0, 15

// The frame is made on this core's emergency stack. The stack pointer that overflowed is kept in TPIDR_EL0 on the way: no
// thread will run again on this core.
stack_overflow:
    mov     x0, sp
    msr     tpidr_el0, x0
    mrs     x0, tpidr_el1
    ldr     x0, [x0, #PERCPU_EMERGENCY_STACK]
    mov     sp, x0
    mrs     x0, tpidrro_el0
    sub     sp, sp, #TF_BYTES
    save_registers
    save_state 1
    mrs     x0, tpidr_el0
    str     x0, [sp, #TF_SP]
    mov     x0, sp
    bl      trap_stack_overflow
    b       .
