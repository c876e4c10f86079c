// SPDX-License-Identifier: MIT
// page_zero uses DC ZVA where DCZID_EL0 allows it (Arm ARM D19.2.31: bit 4 prohibits, bits 3:0 log2 of words).
    .text
    .global page_zero
    .type page_zero, %function
page_zero:
    add     x1, x0, #4096
    mrs     x2, dczid_el0
    tbnz    w2, #4, 2f
    and     w2, w2, #15
    mov     x3, #4
    lsl     x3, x3, x2              // bytes a DC ZVA clears; at most 2 KiB
1:  dc      zva, x0
    add     x0, x0, x3
    cmp     x0, x1
    b.lo    1b
    ret
2:  stp     xzr, xzr, [x0], #16
    cmp     x0, x1
    b.lo    2b
    ret
    .size page_zero, . - page_zero

    .global page_copy
    .type page_copy, %function
page_copy:
    add     x2, x0, #4096
1:  ldp     x3, x4, [x1], #16
    ldp     x5, x6, [x1], #16
    stp     x3, x4, [x0], #16
    stp     x5, x6, [x0], #16
    cmp     x0, x2
    b.lo    1b
    ret
    .size page_copy, . - page_copy
