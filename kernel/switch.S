// SPDX-License-Identifier: MIT
// From one kernel stack to another, and the first way out of a new one. Callee-saved registers only: the AAPCS64 callers
// of context_switch have saved the rest.
#include "kernel/arm64/trap.h"

    .text

// void context_switch(uint64_t *save_sp, uint64_t load_sp)
    .global context_switch
    .type context_switch, %function
context_switch:
    stp x29, x30, [sp, #-96]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp x29, x30, [sp], #96
    ret
    .size context_switch, . - context_switch

// A new thread arrives here from context_switch with x19 = function, x20 = argument (kernel/thread.c lays the frame).
    .global thread_begin
    .type thread_begin, %function
thread_begin:
    mov x29, xzr
    bl scheduler_switched
    msr daifclr, #2             // the lock gave back the masks of whoever was left
    mov x0, x20
    blr x19
    brk #0xdead                 // the function ends with thread_exit
    .size thread_begin, . - thread_begin

// void trap_leave(struct trap_frame *): to EL0 with these registers. The frame is at the top of the kernel stack.
    .global trap_leave
    .type trap_leave, %function
trap_leave:
    msr daifset, #15
    mov sp, x0
    ldp x1, x2, [sp, #TF_SP]
    ldr x3, [sp, #TF_SPSR]
    msr sp_el0, x1
    msr elr_el1, x2
    msr spsr_el1, x3
    ldp x0, x1, [sp, #TF_X(0)]
    ldp x2, x3, [sp, #TF_X(2)]
    ldp x4, x5, [sp, #TF_X(4)]
    ldp x6, x7, [sp, #TF_X(6)]
    ldp x8, x9, [sp, #TF_X(8)]
    ldp x10, x11, [sp, #TF_X(10)]
    ldp x12, x13, [sp, #TF_X(12)]
    ldp x14, x15, [sp, #TF_X(14)]
    ldp x16, x17, [sp, #TF_X(16)]
    ldp x18, x19, [sp, #TF_X(18)]
    ldp x20, x21, [sp, #TF_X(20)]
    ldp x22, x23, [sp, #TF_X(22)]
    ldp x24, x25, [sp, #TF_X(24)]
    ldp x26, x27, [sp, #TF_X(26)]
    ldp x28, x29, [sp, #TF_X(28)]
    ldr x30, [sp, #TF_X(30)]
    add sp, sp, #TF_BYTES
    eret
    .size trap_leave, . - trap_leave
