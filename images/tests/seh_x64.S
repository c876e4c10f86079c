// SPDX-License-Identifier: MIT
// x64 functions that exceptions go through, with unwind data of every kind.
    .intel_syntax noprefix
    .section .rdata, "dr"
    .balign 16
pattern:
    .quad 0x1122334455667788, 0x99aabbccddeeff01
    .text

.macro begin name
    .globl \name
    .def \name; .scl 2; .type 32; .endef
    .balign 16
    .seh_proc \name
\name:
.endm

// uint32_t seh_keeps(void (*f)(void *), void *argument): calls f and returns which nonvolatile registers it changed:
// rbx rbp rsi rdi r12-r15 (bits 0-7), xmm6-xmm15 (bits 8-17).
    begin seh_keeps
    .irp r, rbx, rbp, rsi, rdi, r12, r13, r14, r15
    push \r
    .seh_pushreg \r
    .endr
    sub rsp, 0xc8
    .seh_stackalloc 0xc8
    .irp i, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movaps [rsp + 0x20 + 16 * (\i - 6)], xmm\i
    .seh_savexmm xmm\i, 0x20 + 16 * (\i - 6)
    .endr
    .seh_endprologue
    mov rax, rcx
    mov rcx, rdx
    mov rdx, [rip + pattern]
    .irp r, rbx, rbp, rsi, rdi, r12, r13, r14, r15
    lea rdx, [rdx + 0x1001]
    mov \r, rdx
    .endr
    movaps xmm0, [rip + pattern]
    .irp i, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    paddd xmm0, [rip + pattern]
    movaps xmm\i, xmm0
    .endr
    call rax
    xor ecx, ecx
    mov rdx, [rip + pattern]
    .set bit, 1
    .irp r, rbx, rbp, rsi, rdi, r12, r13, r14, r15
    lea rdx, [rdx + 0x1001]
    cmp \r, rdx
    je 1f
    or ecx, bit
1:
    .set bit, bit << 1
    .endr
    movaps xmm0, [rip + pattern]
    .irp i, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    paddd xmm0, [rip + pattern]
    pcmpeqd xmm\i, xmm0
    pmovmskb edx, xmm\i
    cmp edx, 0xffff
    je 1f
    or ecx, 1 << (\i + 2)
1:
    .endr
    mov eax, ecx
    .irp i, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movaps xmm\i, [rsp + 0x20 + 16 * (\i - 6)]
    .endr
    add rsp, 0xc8
    .irp r, r15, r14, r13, r12, rdi, rsi, rbp, rbx
    pop \r
    .endr
    ret
    .seh_endproc

.macro clobber
    .irp r, rbx, rsi, rdi, r12, r13, r14, r15
    mov \r, 0x5a5a
    .endr
    .irp i, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    pcmpeqd xmm\i, xmm\i
    .endr
.endm

// void seh_call_changed(void (*f)(void *), void *argument): saves every nonvolatile register, changes it and calls f. Its
// frame: a frame register, pushes, then saves relative to the frame, far ones too.
    begin seh_call_changed
    push rbp
    .seh_pushreg rbp
    .irp r, rbx, rsi, rdi, r12, r13
    push \r
    .seh_pushreg \r
    .endr
    sub rsp, 0x1008
    .seh_stackalloc 0x1008
    lea rbp, [rsp + 0x80]
    .seh_setframe rbp, 0x80
    mov [rsp + 0x40], r14
    .seh_savereg r14, 0x40
    mov [rsp + 0xff8], r15
    .seh_savereg r15, 0xff8
    .irp i, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movaps [rsp + 0x100 + 16 * (\i - 6)], xmm\i
    .seh_savexmm xmm\i, 0x100 + 16 * (\i - 6)
    .endr
    .seh_endprologue
    sub rsp, 0x30                       // the frame register alone leads back
    mov rax, rcx
    mov rcx, rdx
    clobber
    call rax
    add rsp, 0x30
    .irp i, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movaps xmm\i, [rbp - 0x80 + 0x100 + 16 * (\i - 6)]
    .endr
    mov r14, [rbp - 0x80 + 0x40]
    mov r15, [rbp - 0x80 + 0xff8]
    lea rsp, [rbp + 0xf88]
    .irp r, r13, r12, rdi, rsi, rbx
    pop \r
    .endr
    pop rbp
    ret
    .seh_endproc

// uint64_t seh_load(const uint64_t *address): a leaf without a frame.
    .globl seh_load
    .def seh_load; .scl 2; .type 32; .endef
    .balign 16
seh_load:
    mov rax, [rcx]
    ret

// A function whose every instruction is unwound from; seh_shape_points are the addresses of its instructions, with what rsp
// and rbx are there relative to the caller's.
    begin seh_shape
    push rbx
    .seh_pushreg rbx
s1: push r12
    .seh_pushreg r12
s2: sub rsp, 0x28
    .seh_stackalloc 0x28
    .seh_endprologue
s3: mov ebx, 1
s4: nop
s5: add rsp, 0x28
s6: pop r12
s7: pop rbx
s8: ret
    .seh_endproc

    .section .rdata, "dr"
    .balign 8
    .globl seh_shape_points
seh_shape_points:                       // address, rsp below the return address, where rbx is saved (0: in rbx)
    .quad seh_shape, 0, 0
    .quad s1, 8, 8
    .quad s2, 16, 8
    .quad s3, 56, 8
    .quad s4, 56, 8
    .quad s5, 56, 8
    .quad s6, 16, 8
    .quad s7, 8, 8
    .quad s8, 0, 0
    .quad 0, 0, 0
