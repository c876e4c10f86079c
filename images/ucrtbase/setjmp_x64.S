// SPDX-License-Identifier: MIT
// setjmp and longjmp for x64 callers, as x64 code, so that they see the caller's own registers. The buffer has the layout of
// the Windows library (reference sheet of the ARM64EC ABI, section 5.5). longjmp restores; it runs no termination handlers.
    .text
    .globl __intrinsic_setjmp, __intrinsic_setjmpex, longjmp
    .def __intrinsic_setjmp; .scl 2; .type 32; .endef
    .def __intrinsic_setjmpex; .scl 2; .type 32; .endef
    .def longjmp; .scl 2; .type 32; .endef
    .intel_syntax noprefix
__intrinsic_setjmp:
    xor   edx, edx
__intrinsic_setjmpex:
    mov   [rcx], rdx
    mov   [rcx+0x08], rbx
    lea   rax, [rsp+8]
    mov   [rcx+0x10], rax
    mov   [rcx+0x18], rbp
    mov   [rcx+0x20], rsi
    mov   [rcx+0x28], rdi
    mov   [rcx+0x30], r12
    mov   [rcx+0x38], r13
    mov   [rcx+0x40], r14
    mov   [rcx+0x48], r15
    mov   rax, [rsp]
    mov   [rcx+0x50], rax
    stmxcsr [rcx+0x58]
    mov   word ptr [rcx+0x5c], 0x27f
    movdqu [rcx+0x60], xmm6
    movdqu [rcx+0x70], xmm7
    movdqu [rcx+0x80], xmm8
    movdqu [rcx+0x90], xmm9
    movdqu [rcx+0xa0], xmm10
    movdqu [rcx+0xb0], xmm11
    movdqu [rcx+0xc0], xmm12
    movdqu [rcx+0xd0], xmm13
    movdqu [rcx+0xe0], xmm14
    movdqu [rcx+0xf0], xmm15
    xor   eax, eax
    ret
longjmp:
    mov   eax, edx
    test  eax, eax
    jne   1f
    inc   eax
1:  mov   rbx, [rcx+0x08]
    mov   rbp, [rcx+0x18]
    mov   rsi, [rcx+0x20]
    mov   rdi, [rcx+0x28]
    mov   r12, [rcx+0x30]
    mov   r13, [rcx+0x38]
    mov   r14, [rcx+0x40]
    mov   r15, [rcx+0x48]
    ldmxcsr [rcx+0x58]
    movdqu xmm6, [rcx+0x60]
    movdqu xmm7, [rcx+0x70]
    movdqu xmm8, [rcx+0x80]
    movdqu xmm9, [rcx+0x90]
    movdqu xmm10, [rcx+0xa0]
    movdqu xmm11, [rcx+0xb0]
    movdqu xmm12, [rcx+0xc0]
    movdqu xmm13, [rcx+0xd0]
    movdqu xmm14, [rcx+0xe0]
    movdqu xmm15, [rcx+0xf0]
    mov   rsp, [rcx+0x10]
    jmp   [rcx+0x50]
