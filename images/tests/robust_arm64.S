// SPDX-License-Identifier: MIT
    .text
// See try.c.
    .globl try_call, try_landing
    .balign 4
try_call:
    stp x29, x30, [sp, #-176]!
    mov x29, sp
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    str x29, [x18, #0x28]
    mov x8, x0
    mov x0, x1
    blr x8
    mov w0, #0
    b 1f
try_landing:
    mov w0, #1
1:  str xzr, [x18, #0x28]
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    ldp x29, x30, [sp], #176
    ret

// uint64_t system_call(number, a, b, c, d, e, f): the number is in the instruction, so there is one of each.
    .globl system_call
system_call:
    mov x9, x0
    mov x0, x1
    mov x1, x2
    mov x2, x3
    mov x3, x4
    mov x4, x5
    mov x5, x6
    adr x10, 1f
    add x10, x10, x9, lsl #3
    br x10
1:
    .set n, 0
    .rept 0x80
    svc #n
    ret
    .set n, n + 1
    .endr

    .macro raises name, insn:vararg
    .globl \name
\name:
    \insn
    ret
    .endm
    raises do_udf, udf #0
    raises do_brk, brk #0xf000
    raises do_msr, msr vbar_el1, x0
    raises do_mrs, mrs x0, ttbr0_el1
    raises do_dc, dc isw, x0
    raises do_wfi_hvc, hvc #0
    raises do_smc, smc #0
    raises do_svc, svc #0x8000
