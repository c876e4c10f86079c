// SPDX-License-Identifier: MIT
// memcpy, memmove, memset on general registers. Normal memory only (unaligned accesses, DC ZVA).

    .text
    .globl  memcpy, memmove, memset
    .type   memcpy, %function
    .type   memmove, %function
    .type   memset, %function

// x0 = to, x1 = from, x2 = count. Downwards only when the ranges overlap that way.
memmove:
    sub     x3, x0, x1
    cmp     x3, x2
    b.lo    backward
memcpy:
    mov     x3, x0
    subs    x2, x2, #64
    b.lo    2f
1:  ldp     x4, x5, [x1]
    ldp     x6, x7, [x1, #16]
    ldp     x8, x9, [x1, #32]
    ldp     x10, x11, [x1, #48]
    add     x1, x1, #64
    stp     x4, x5, [x3]
    stp     x6, x7, [x3, #16]
    stp     x8, x9, [x3, #32]
    stp     x10, x11, [x3, #48]
    add     x3, x3, #64
    subs    x2, x2, #64
    b.hs    1b
2:  tbz     x2, #5, 3f             // x2 = rest - 64: its low six bits are the rest
    ldp     x4, x5, [x1], #16
    ldp     x6, x7, [x1], #16
    stp     x4, x5, [x3], #16
    stp     x6, x7, [x3], #16
3:  tbz     x2, #4, 4f
    ldp     x4, x5, [x1], #16
    stp     x4, x5, [x3], #16
4:  tbz     x2, #3, 5f
    ldr     x4, [x1], #8
    str     x4, [x3], #8
5:  tbz     x2, #2, 6f
    ldr     w4, [x1], #4
    str     w4, [x3], #4
6:  tbz     x2, #1, 7f
    ldrh    w4, [x1], #2
    strh    w4, [x3], #2
7:  tbz     x2, #0, 8f
    ldrb    w4, [x1]
    strb    w4, [x3]
8:  ret

backward:
    add     x1, x1, x2
    add     x3, x0, x2
    subs    x2, x2, #16
    b.lo    2f
1:  ldp     x4, x5, [x1, #-16]!
    stp     x4, x5, [x3, #-16]!
    subs    x2, x2, #16
    b.hs    1b
2:  adds    x2, x2, #16
    b.eq    4f
3:  ldrb    w4, [x1, #-1]!
    strb    w4, [x3, #-1]!
    subs    x2, x2, #1
    b.ne    3b
4:  ret
    .size   memcpy, . - memcpy
    .size   memmove, . - memmove

// x0 = to, w1 = byte, x2 = count. Long runs of zeroes by DC ZVA where the core allows it.
memset:
    mov     x3, x0
    and     x1, x1, #0xff
    mov     x4, #0x0101010101010101
    mul     x1, x1, x4
    cbnz    x1, 2f
    mrs     x5, dczid_el0
    tbnz    x5, #4, 2f
    and     x5, x5, #0xf
    mov     x6, #4
    lsl     x5, x6, x5              // bytes of a block
    cmp     x2, x5, lsl #2
    b.lo    2f
    sub     x7, x5, #1
1:  tst     x3, x7
    b.eq    zero_blocks
    strb    wzr, [x3], #1
    sub     x2, x2, #1
    b       1b
zero_blocks:
    cmp     x2, x5
    b.lo    2f
    dc      zva, x3
    add     x3, x3, x5
    sub     x2, x2, x5
    b       zero_blocks
2:  subs    x2, x2, #32
    b.lo    4f
3:  stp     x1, x1, [x3]
    stp     x1, x1, [x3, #16]
    add     x3, x3, #32
    subs    x2, x2, #32
    b.hs    3b
4:  tbz     x2, #4, 5f
    stp     x1, x1, [x3], #16
5:  tbz     x2, #3, 6f
    str     x1, [x3], #8
6:  tbz     x2, #2, 7f
    str     w1, [x3], #4
7:  tbz     x2, #1, 8f
    strh    w1, [x3], #2
8:  tbz     x2, #0, 10f
    strb    w1, [x3]
10: ret
    .size   memset, . - memset
