// SPDX-License-Identifier: MIT
    .intel_syntax noprefix
    .text
// See try.c. Everything a caller may rely on is put back, since the thread may come from anywhere.
    .globl try_call, try_landing
try_call:
    .irp r, rbx, rbp, rsi, rdi, r12, r13, r14, r15
    push \r
    .endr
    sub rsp, 0xc8
    .irp i, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movaps [rsp + 0x20 + 16 * (\i - 6)], xmm\i
    .endr
    mov gs:[0x28], rsp
    mov rax, rcx
    mov rcx, rdx
    call rax
    xor eax, eax
    jmp 1f
try_landing:
    mov eax, 1
1:  xor ecx, ecx
    mov gs:[0x28], rcx
    cld
    .irp i, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movaps xmm\i, [rsp + 0x20 + 16 * (\i - 6)]
    .endr
    add rsp, 0xc8
    .irp r, r15, r14, r13, r12, rdi, rsi, rbp, rbx
    pop \r
    .endr
    ret
