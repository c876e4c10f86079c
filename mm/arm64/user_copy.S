// SPDX-License-Identifier: MIT
// The instructions that touch user memory: ldtr and sttr have EL0's rights, so PAN need not be opened and the kernel's half
// refuses them. Every one of them has a line in the fixup table. A fault ends the copy: x0 = bytes left, x1 = address
// that refused (user_fixup puts FAR there). What is left may begin up to 31 bytes before that address.
    .macro  user, instruction:vararg
8:  \instruction
    .pushsection .rodata.fixups, "a"
    .quad   8b, user_stopped
    .popsection
    .endm

    .section .rodata.fixups, "a"
    .balign 8
    .global fixups_start
fixups_start:

    .text
// struct user_stop user_copy_in_raw(void *to, uint64_t from, uint64_t bytes)
    .global user_copy_in_raw
    .type user_copy_in_raw, %function
user_copy_in_raw:
1:  subs    x3, x2, #32
    b.lo    2f
    user    ldtr x4, [x1]
    user    ldtr x5, [x1, #8]
    user    ldtr x6, [x1, #16]
    user    ldtr x7, [x1, #24]
    stp     x4, x5, [x0], #16
    stp     x6, x7, [x0], #16
    add     x1, x1, #32
    mov     x2, x3
    b       1b
2:  subs    x3, x2, #8
    b.lo    3f
    user    ldtr x4, [x1]
    str     x4, [x0], #8
    add     x1, x1, #8
    mov     x2, x3
    b       2b
3:  cbz     x2, user_stopped
    user    ldtrb w4, [x1]
    strb    w4, [x0], #1
    add     x1, x1, #1
    sub     x2, x2, #1
    b       3b
    .size user_copy_in_raw, . - user_copy_in_raw

// struct user_stop user_copy_out_raw(uint64_t to, const void *from, uint64_t bytes)
    .global user_copy_out_raw
    .type user_copy_out_raw, %function
user_copy_out_raw:
1:  subs    x3, x2, #32
    b.lo    2f
    ldp     x4, x5, [x1]
    ldp     x6, x7, [x1, #16]
    user    sttr x4, [x0]
    user    sttr x5, [x0, #8]
    user    sttr x6, [x0, #16]
    user    sttr x7, [x0, #24]
    add     x0, x0, #32
    add     x1, x1, #32
    mov     x2, x3
    b       1b
2:  subs    x3, x2, #8
    b.lo    3f
    ldr     x4, [x1], #8
    user    sttr x4, [x0]
    add     x0, x0, #8
    mov     x2, x3
    b       2b
3:  cbz     x2, user_stopped
    ldrb    w4, [x1], #1
    user    sttrb w4, [x0]
    add     x0, x0, #1
    sub     x2, x2, #1
    b       3b
    .size user_copy_out_raw, . - user_copy_out_raw

    .type user_stopped, %function
user_stopped:
    mov     x0, x2
    ret
    .size user_stopped, . - user_stopped

    .section .rodata.fixups, "a"
    .global fixups_end
fixups_end:
