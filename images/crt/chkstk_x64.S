// SPDX-License-Identifier: MIT
// Stack probe of x64 frames larger than a page: rax = bytes, kept with every other register but r10, r11 and the flags.
    .text
    .globl ___chkstk_ms, __chkstk
    .intel_syntax noprefix
___chkstk_ms:
__chkstk:
    lea  r10, [rsp+8]
    sub  r10, rax
    jae  1f
    xor  r10d, r10d                 // wrapped: probe down to address 0, which faults
1:  mov  r11, gs:[0x10]             // TEB.StackLimit
    cmp  r10, r11
    jae  3f
    and  r10, -0x1000
2:  sub  r11, 0x1000
    test byte ptr [r11], 0
    cmp  r11, r10
    jne  2b
3:  ret
