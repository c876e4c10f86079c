// SPDX-License-Identifier: MIT
// void flow_NAME(uint64_t rounds): every round is the base loop's round and the one thing in question. rbx counts.
    .intel_syntax noprefix
    .text

    .macro function name
    .balign 64
    .globl flow_\name
flow_\name:
    push rbx
    sub rsp, 32
    mov rbx, rcx
    .endm
    .macro end
    sub rbx, 1
    jnz 1b
    add rsp, 32
    pop rbx
    ret
    .endm
    // Further away than a translated region reaches (emu/lower/discover.c: 16 KiB).
    .macro far_away
    .balign 64
    .space 32768, 0xcc
    .endm

    // Reads a flag that a function returns, and gives it.
    .balign 64
    .globl read_returned_flag
read_returned_flag:
    call returns_carry
    sbb eax, eax
    neg eax
    ret
returns_carry:
    stc
    ret

    function base
1:  end

    // A jump inside a region.
    function near_jump
1:  jmp 2f
    int3
2:  end

    // Two direct jumps out of one region into another, which writes the flags first.
    function far_jump
1:  jmp far_there
far_back:
    end

    // A direct call, and one direct jump out of the callee instead of a return. As in compiled code the callee writes the flags first.
    function call
1:  call skip_return
call_back:
    end

    function call_return
1:  call short_function
    end

    // What the callee does, without the call.
    function short_base
1:  xor eax, eax
    end

    function indirect_jump
    lea rax, [rip + 2f]
1:  jmp rax
2:  end

    function indirect_call
    lea r10, [rip + only_return]
1:  call r10
    end

    // An indirect jump whose target is another one each time.
    function two_targets
    lea rax, [rip + 2f]
    lea rdx, [rip + 3f]
1:  xchg rax, rdx
    jmp rax
2:  sub rbx, 1
    jnz 1b
    jmp 4f
3:  end
4:  add rsp, 32
    pop rbx
    ret

    function two_targets_base
1:  xchg rax, rdx
    end

    function import_ec
1:  call [rip + __imp_meter_nothing]
    end

    function import_x64
1:  call [rip + __imp_far_nothing]
    end

    far_away
far_there:
    xor eax, eax
    jmp far_back
    .balign 64
skip_return:
    xor eax, eax
    pop rdx
    jmp call_back
    .balign 64
short_function:
    xor eax, eax
    ret
    .balign 64
only_return:
    ret
    far_away
