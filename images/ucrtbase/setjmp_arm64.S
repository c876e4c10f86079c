// SPDX-License-Identifier: MIT
// setjmp and longjmp for Arm64 callers (native view only; the EC view has the x64 form). Buffer of the Windows library for
// ARM64: frame, reserved, x19..x28, fp, lr, sp, fpcr and fpsr, d8..d15. longjmp restores; it runs no termination handlers.
    .text
    .globl __intrinsic_setjmp, __intrinsic_setjmpex, longjmp
    .balign 4
__intrinsic_setjmp:
    mov  x1, #0
__intrinsic_setjmpex:
    stp  x1, xzr, [x0]
    stp  x19, x20, [x0, #0x10]
    stp  x21, x22, [x0, #0x20]
    stp  x23, x24, [x0, #0x30]
    stp  x25, x26, [x0, #0x40]
    stp  x27, x28, [x0, #0x50]
    stp  x29, x30, [x0, #0x60]
    mov  x2, sp
    mrs  x3, fpcr
    mrs  x4, fpsr
    str  x2, [x0, #0x70]
    stp  w3, w4, [x0, #0x78]
    stp  d8, d9, [x0, #0x80]
    stp  d10, d11, [x0, #0x90]
    stp  d12, d13, [x0, #0xa0]
    stp  d14, d15, [x0, #0xb0]
    mov  w0, #0
    ret
longjmp:
    ldp  x19, x20, [x0, #0x10]
    ldp  x21, x22, [x0, #0x20]
    ldp  x23, x24, [x0, #0x30]
    ldp  x25, x26, [x0, #0x40]
    ldp  x27, x28, [x0, #0x50]
    ldp  x29, x30, [x0, #0x60]
    ldr  x2, [x0, #0x70]
    ldp  w3, w4, [x0, #0x78]
    ldp  d8, d9, [x0, #0x80]
    ldp  d10, d11, [x0, #0x90]
    ldp  d12, d13, [x0, #0xa0]
    ldp  d14, d15, [x0, #0xb0]
    msr  fpcr, x3
    msr  fpsr, x4
    mov  sp, x2
    cmp  w1, #0
    cinc w0, w1, eq
    br   x30
