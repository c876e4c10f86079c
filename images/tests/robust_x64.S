// SPDX-License-Identifier: MIT
    .intel_syntax noprefix
    .text
// uint64_t system_call(number, a, b, c, d, e, f)
    .globl system_call
system_call:
    push rbx
    sub rsp, 0x40
    mov rbx, [rsp + 0x70]                   // d e f: home area is at +0x50
    mov r11, [rsp + 0x78]
    mov [rsp + 0x28], r11
    mov r11, [rsp + 0x80]
    mov [rsp + 0x30], r11
    mov eax, ecx
    mov r10, rdx
    mov rdx, r8
    mov r8, r9
    mov r9, rbx
    syscall
    add rsp, 0x40
    pop rbx
    ret

// Instructions that raise, one a function: void f(void *).
    .macro raises name, insn:vararg
    .globl \name
\name:
    \insn
    ret
    .endm
    raises do_ud2, ud2
    raises do_int3, int3
    raises do_hlt, hlt
    raises do_cli, cli
    raises do_in, in al, dx
    raises do_rdmsr, rdmsr
    raises do_mov_cr, mov rax, cr0
    raises do_lgdt, lgdt [rcx]
    raises do_lock_nonsense, .byte 0xf0, 0x90
    raises do_int_2e_low, int 0x42
    raises do_movaps, movaps xmm0, [rcx + 1]
    .globl do_divide, do_divide_overflow
do_divide:
    xor ecx, ecx
    mov eax, 7
    cdq
    idiv ecx
    ret
do_divide_overflow:
    mov eax, 0x80000000
    cdq
    mov ecx, -1
    idiv ecx
    ret

// void state_fault(void *address): every register holds something known, then a store to the address, at state_fault_at;
// the handler looks at them (faults.c). Afterwards registers are those of try_call's caller.
    .data
    .balign 16
state_vector: .quad 0x0706050403020100, 0x0f0e0d0c0b0a0908
state_step: .quad 0x1010101010101010, 0x1010101010101010
    .text
    .globl state_fault, state_fault_at
state_fault:
    movaps xmm0, [rip + state_vector]
    .set previous, 0
    .irp i, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movaps xmm\i, xmm0
    paddb xmm0, [rip + state_step]
    .endr
    mov rdx, 0x1111000000000002
    mov rbx, 0x1111000000000003
    mov rbp, 0x1111000000000005
    mov rsi, 0x1111000000000006
    mov rdi, 0x1111000000000007
    mov r8, 0x1111000000000008
    mov r9, 0x1111000000000009
    mov r10, 0x111100000000000a
    mov r11, 0x111100000000000b
    mov r12, 0x111100000000000c
    mov r13, 0x111100000000000d
    mov r14, 0x111100000000000e
    mov r15, 0x111100000000000f
    mov eax, 0x7fffffff
    add eax, 1                              // OF SF AF PF, not ZF CF
state_fault_at:
    mov [rcx], rax
    lea rax, [rax + 1]                      // dead, were the store to be done late
    ret

// uint64_t add_locked_unaligned(void *p, uint64_t n): n times lock inc of the 8 bytes at p.
    .globl add_locked
add_locked:
1:  lock inc qword ptr [rcx]
    dec rdx
    jne 1b
    ret
// The same with xadd, cmpxchg and a 4-byte operand.
    .globl add_locked_others
add_locked_others:
1:  mov eax, 1
    lock xadd qword ptr [rcx], rax
    mov rax, [rcx]
2:  lea r8, [rax + 1]
    lock cmpxchg [rcx], r8
    jne 2b
    dec rdx
    jne 1b
    ret
