// SPDX-License-Identifier: MIT
// Position-independent programs for EL0; numbers of system calls as in kernel/abi/syscall.h.
    .arch_extension fp
    .arch_extension simd
    .section .rodata

.macro program name
    .balign 8
    .globl el0_\name
el0_\name:
.endm
.macro program_end name
    .globl el0_\name\()_end
el0_\name\()_end:
.endm

// Ends with x0 as status.
program exit
    svc #0x05
program_end exit

// x0 = seed, x1 = rounds: every register that can hold it holds a value of the seed's, again and again checked.
// Status 0, or 1 when one was lost.
program registers
    mov x28, x0
    mov x27, x1
    msr tpidr_el0, x28
    mov x3, #0x00400000             // round up
    tst x28, #1
    csel x3, x3, xzr, ne
    msr fpcr, x3
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    add x4, x28, #\n
    dup v\n\().2d, x4
    .endr
    .irp n, 5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,29,30
    add x\n, x28, #\n
    .endr
1:  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    add x4, x28, #\n
    mov x0, v\n\().d[1]
    cmp x0, x4
    b.ne 2f
    .endr
    .irp n, 5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,29,30
    add x4, x28, #\n
    cmp x\n, x4
    b.ne 2f
    .endr
    mrs x0, tpidr_el0
    cmp x0, x28
    b.ne 2f
    mrs x0, fpcr
    cmp x0, x3
    b.ne 2f
    subs x27, x27, #1
    b.ne 1b
    mov x0, #0
    svc #0x05
2:  mov x0, #1
    svc #0x05
program_end registers

// Spins for x0 rounds, then status 0.
program spin
1:  subs x0, x0, #1
    b.ne 1b
    mov x0, #0
    svc #0x05
program_end spin

// Spins for ever.
program forever
    b .
program_end forever

// x0 = 0: waits for the word at [x2] to change from 0, adds 1 to [x2 + 64], status 7.
// x0 = 1: sets the word and wakes all, status 8.
program address_wait
    mov x20, x2
    cbnz x0, 2f
1:  ldr w3, [x20]
    cbnz w3, 3f
    mov x0, x20
    add x1, x20, #8                 // holds 0
    mov x2, #4
    mov x3, #-1
    svc #0x28
    cbnz w0, 4f
    b 1b
3:  add x4, x20, #64
5:  ldxr w5, [x4]
    add w5, w5, #1
    stxr w6, w5, [x4]
    cbnz w6, 5b
    mov x0, #7
    svc #0x05
2:  mov w3, #1
    str w3, [x20]
    mov x0, x20
    mov x1, #-1
    svc #0x29
    mov x0, #8
4:  svc #0x05
program_end address_wait

// Random system calls for ever: x0 = seed, x2 = data: 64 interesting values of 8 bytes, written by the test.
// Not called: what would end the process (0x00, 0x05), print (0x02, 0x48), or replace the registers (0x40, 0x41).
.macro random to
    eor x28, x28, x28, lsl #13
    eor x28, x28, x28, lsr #7
    eor x28, x28, x28, lsl #17
    mov \to, x28
.endm
program fuzz
    mov x28, x0
    mov x27, x2
1:  .irp n, 0,1,2,3,4,5,6,7
    random x9
    and x10, x9, #63
    ldr x\n, [x27, x10, lsl #3]
    tst x9, #0x700                  // one in eight: a little beside it
    b.ne 2f
    lsr x9, x9, #40
    and x9, x9, #0xfff
    add x\n, x\n, x9
2:  tst x9, #0xf800                 // one in 32: anything
    b.ne 3f
    random x\n
3:
    .endr
    random x9
    lsr x9, x9, #20
    and x9, x9, #0x7f
    cmp x9, #0x50
    b.hs 1b
    cbz x9, 1b
    cmp x9, #0x02
    b.eq 1b
    cmp x9, #0x05
    b.eq 1b
    cmp x9, #0x40
    b.eq 1b
    cmp x9, #0x41
    b.eq 1b
    cmp x9, #0x48
    b.eq 1b
    // The values may have been overwritten by a call: what was made of them is still only an argument.
    adr x10, 4f
    add x10, x10, x9, lsl #3
    br x10
4:  .set number, 0
    .rept 0x50
    svc #number
    b 1b
    .set number, number + 1
    .endr
program_end fuzz

// ---- one fault each ----
program fault_null_read
    mov x0, #0
    ldr x0, [x0, #16]
program_end fault_null_read
program fault_kernel_write
    mov x0, #0xffff800000000000
    str x0, [x0]
program_end fault_kernel_write
program fault_non_canonical
    mov x0, #0x0001000000000000
    ldr x0, [x0]
program_end fault_non_canonical
program fault_jump_null
    mov x0, #0
    br x0
program_end fault_jump_null
program fault_jump_kernel
    mov x0, #0xffffffff80000000
    br x0
program_end fault_jump_kernel
program fault_jump_data
    br x2
program_end fault_jump_data
program fault_write_code
    adr x0, .
    str x0, [x0]
program_end fault_write_code
program fault_undefined
    udf #0
program_end fault_undefined
program fault_hvc
    .inst 0xd4000002
program_end fault_hvc
program fault_smc
    .inst 0xd4000003
program_end fault_smc
program fault_sysreg
    mrs x0, sctlr_el1
program_end fault_sysreg
program fault_daif
    msr daifset, #15
program_end fault_daif
program fault_tlbi
    tlbi vmalle1
program_end fault_tlbi
program fault_emulator_svc
    svc #0x8000
program_end fault_emulator_svc
program fault_emulator_svc_last
    svc #0xffff
program_end fault_emulator_svc_last
program fault_pc
    adr x0, . + 2
    br x0
program_end fault_pc
program fault_brk
    brk #0xf000
program_end fault_brk
program fault_brk_other
    brk #1
program_end fault_brk_other
program fault_fastfail
    brk #0xf003
program_end fault_fastfail
program fault_divide
    brk #0xf004
program_end fault_divide
program fault_exclusive
    add x2, x2, #13             // over the end of 16 bytes: not even FEAT_LSE2 does that
    ldxr x0, [x2]
program_end fault_exclusive
program fault_zva_kernel
    mov x0, #0xffff800000000000
    dc zva, x0
program_end fault_zva_kernel
program fault_ret
    mov x30, #0x7770
    ret
program_end fault_ret

// An unknown system call and one with every pointer bad: the caller goes on. Status 3 when both said so.
program bad_calls
    svc #0x7f
    mov w1, #0x001c
    movk w1, #0xc000, lsl #16
    cmp w0, w1
    b.ne 1f
    svc #0x7fff
    cmp w0, w1
    b.ne 1f
    mov x0, #0
    mov x1, #0xffff800000000000     // clock_read into the kernel
    svc #0x30
    mov w2, #0x0005
    movk w2, #0xc000, lsl #16
    cmp w0, w2
    b.ne 1f
    mov x0, #0
    mov x1, #0x0001000000000000
    svc #0x30
    cmp w0, w2
    b.ne 1f
    mov x0, #4                      // no such handle
    svc #0x20
    mov w2, #0x0008
    movk w2, #0xc000, lsl #16
    cmp w0, w2
    b.ne 1f
    mov x0, #3
    svc #0x05
1:  mov x0, #9
    svc #0x05
program_end bad_calls
