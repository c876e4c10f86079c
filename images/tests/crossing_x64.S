// SPDX-License-Identifier: MIT
// x64 code that C cannot say: registers across a call, odd stacks, jumps instead of calls and returns.
    .intel_syntax noprefix
    .section .rdata, "dr"
    .balign 16
pattern:                                    // xmm6 + i holds it plus i in every byte; the general registers parts of it
    .quad 0x1122334455667788, 0x99aabbccddeeff01
step:
    .quad 0x0101010101010101, 0x0101010101010101
    .data
    .globl asm_target
    .balign 8
asm_target:
    .quad 0

    .text
// uint32_t asm_preserves(void (*f)(void *), void *argument): calls f and returns which of rbx rbp rsi rdi r12-r15 (bits 0-7),
// xmm6-xmm15 (bits 8-17) and the stack (bit 18) it changed.
    .globl asm_preserves
asm_preserves:
    .irp r, rbx, rbp, rsi, rdi, r12, r13, r14, r15
    push \r
    .endr
    sub rsp, 0xd8
    .irp i, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movaps [rsp + 0x30 + 16 * (\i - 6)], xmm\i
    .endr
    mov dword ptr [rsp + 0x28], 0x5ca1ab1e
    movaps xmm5, [rip + pattern]
    .irp i, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    paddb xmm5, [rip + step]
    movaps xmm\i, xmm5
    .endr
    mov rax, [rip + pattern]
    .irp r, rbx, rbp, rsi, rdi, r12, r13, r14, r15
    lea \r, [rax + 0x1001]
    mov rax, \r
    .endr
    mov rax, rcx
    mov rcx, rdx
    call rax
    xor ecx, ecx
    cmp dword ptr [rsp + 0x28], 0x5ca1ab1e
    je 1f
    or ecx, 1 << 18
1:  mov rax, [rip + pattern]
    .set bit, 1
    .irp r, rbx, rbp, rsi, rdi, r12, r13, r14, r15
    lea rdx, [rax + 0x1001]
    mov rax, rdx
    cmp \r, rdx
    je 1f
    or ecx, bit
1:
    .set bit, bit << 1
    .endr
    movaps xmm5, [rip + pattern]
    .irp i, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    paddb xmm5, [rip + step]
    pcmpeqb xmm\i, xmm5
    pmovmskb edx, xmm\i
    cmp edx, 0xffff
    je 1f
    or ecx, 1 << (\i + 2)
1:
    .endr
    mov eax, ecx
    .irp i, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movaps xmm\i, [rsp + 0x30 + 16 * (\i - 6)]
    .endr
    add rsp, 0xd8
    .irp r, r15, r14, r13, r12, rdi, rsi, rbp, rbx
    pop \r
    .endr
    ret

// void asm_trash(void *): changes everything that a function may change, and uses the rest but puts it back.
    .globl asm_trash
asm_trash:
    .irp r, rbx, rbp, rsi, rdi, r12, r13, r14, r15
    push \r
    .endr
    sub rsp, 0xa8
    .irp i, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movaps [rsp + 16 * (\i - 6)], xmm\i
    .endr
    pcmpeqd xmm0, xmm0
    .irp i, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movaps xmm\i, xmm0
    .endr
    mov rax, -1
    .irp r, rbx, rcx, rdx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
    mov \r, rax
    .endr
    .irp i, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movaps xmm\i, [rsp + 16 * (\i - 6)]
    .endr
    add rsp, 0xa8
    .irp r, r15, r14, r13, r12, rdi, rsi, rbp, rbx
    pop \r
    .endr
    cmp eax, 1
    ret

// uint64_t asm_misaligned(longs6 *f): f(1, 2, 3, 4, 5, 6) with rsp a multiple of 16 at f's entry; 0 when rsp came back wrong.
    .globl asm_misaligned
asm_misaligned:
    push rbp
    mov rbp, rsp
    sub rsp, 0x38
    mov rax, rcx
    mov ecx, 1
    mov edx, 2
    mov r8d, 3
    mov r9d, 4
    mov qword ptr [rsp + 0x20], 5
    mov qword ptr [rsp + 0x28], 6
    call rax
    lea rcx, [rbp - 0x38]
    xor edx, edx
    cmp rsp, rcx
    cmovne rax, rdx
    mov rsp, rbp
    pop rbp
    ret

// Entered in place of the function at asm_target, arguments as they are: by a jump, by a return, by a jump through the
// import table.
    .globl asm_tail_jump
asm_tail_jump:
    jmp [rip + asm_target]
    .globl asm_tail_return
asm_tail_return:
    push [rip + asm_target]
    ret
    .globl asm_tail_import
asm_tail_import:
    jmp [rip + __imp_lib_longs6]

// int asm_return_by_jump(int x): x + 1, and goes back by an indirect jump.
    .globl asm_return_by_jump
asm_return_by_jump:
    lea eax, [rcx + 1]
    pop rcx
    jmp rcx

// int asm_stack_on_entry(void): rsp modulo 16, which is 8 for every proper caller.
    .globl asm_stack_on_entry
asm_stack_on_entry:
    mov eax, esp
    and eax, 15
    ret

// int asm_odd(int x): x + 1, at an address that no arm64 code may have.
    .balign 16
    int3
    .globl asm_odd
asm_odd:
    lea eax, [rcx + 1]
    ret

// int asm_hook(int x): x + 1000.
    .globl asm_hook
asm_hook:
    lea eax, [rcx + 1000]
    ret
