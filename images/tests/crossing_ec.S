// SPDX-License-Identifier: MIT
// uint32_t ec_preserves(void (*f)(void *), void *argument): calls ARM64EC code f and returns which of x19-x22 (bits 0-3),
// x25-x27 (4-6), d8-d15 (8-15), x29 (16), sp (17) it changed.
    .text
    .globl "#ec_preserves"
    .def "#ec_preserves"
    .scl 2
    .type 32
    .endef
    .balign 4
"#ec_preserves":
    stp x29, x30, [sp, #-144]!
    mov x29, sp
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x25, x26, [sp, #48]
    str x27, [sp, #64]
    stp d8, d9, [sp, #72]
    stp d10, d11, [sp, #88]
    stp d12, d13, [sp, #104]
    stp d14, d15, [sp, #120]
    str x29, [sp, #136]
    mov x11, x0
    mov x0, x1
    .irp i, 19, 20, 21, 22, 25, 26, 27
    mov x\i, #0x1230 + \i
    movk x\i, #0xc0de, lsl #48
    .endr
    .irp i, 8, 9, 10, 11, 12, 13, 14, 15
    mov x9, #0x4560 + \i
    movk x9, #0xfeed, lsl #48
    fmov d\i, x9
    .endr
    blr x11
    mov w0, #0
    .set bit, 1
    .irp i, 19, 20, 21, 22, 25, 26, 27
    mov x9, #0x1230 + \i
    movk x9, #0xc0de, lsl #48
    cmp x9, x\i
    b.eq 1f
    orr w0, w0, #bit
1:
    .set bit, bit << 1
    .endr
    .irp i, 8, 9, 10, 11, 12, 13, 14, 15
    mov x9, #0x4560 + \i
    movk x9, #0xfeed, lsl #48
    fmov x10, d\i
    cmp x9, x10
    b.eq 1f
    orr w0, w0, #1 << \i
1:
    .endr
    mov x9, sp
    cmp x9, x29
    b.eq 1f
    orr w0, w0, #1 << 16
1:  ldr x10, [sp, #136]
    cmp x9, x10
    b.eq 1f
    orr w0, w0, #1 << 17
1:  ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldr x27, [sp, #64]
    ldp d8, d9, [sp, #72]
    ldp d10, d11, [sp, #88]
    ldp d12, d13, [sp, #104]
    ldp d14, d15, [sp, #120]
    ldp x29, x30, [sp], #144
    ret
    .weak_anti_dep ec_preserves
    .set ec_preserves, "#ec_preserves"

// uint64_t ec_call_hoisted(int (*f)(int), int n): the sum of f(n), f(n - 1) ... f(1). The checker is read once, and x10 is used between it and the call, as
// compilers do.
    .globl "#ec_call_hoisted"
    .def "#ec_call_hoisted"
    .scl 2
    .type 32
    .endef
    .balign 4
"#ec_call_hoisted":
    .seh_proc "#ec_call_hoisted"
    stp x29, x30, [sp, #-48]!
    .seh_save_fplr_x 48
    stp x19, x20, [sp, #16]
    .seh_save_regp x19, 16
    stp x21, x22, [sp, #32]
    .seh_save_regp x21, 32
    .seh_endprologue
    adrp x21, __os_arm64x_check_icall
    ldr x21, [x21, :lo12:__os_arm64x_check_icall]
    mov x19, x0
    mov w20, w1
    mov x22, #0
1:  mov x11, x19
    adrp x10, $iexit_thunk$cdecl$i8$i8
    add x10, x10, :lo12:$iexit_thunk$cdecl$i8$i8
    blr x21
    mov x10, #-1
    mov w0, w20
    blr x11
    add x22, x22, x0
    subs w20, w20, #1
    b.ne 1b
    mov x0, x22
    .seh_startepilogue
    ldp x21, x22, [sp, #32]
    .seh_save_regp x21, 32
    ldp x19, x20, [sp, #16]
    .seh_save_regp x19, 16
    ldp x29, x30, [sp], #48
    .seh_save_fplr_x 48
    .seh_endepilogue
    ret
    .seh_endproc
    .weak_anti_dep ec_call_hoisted
    .set ec_call_hoisted, "#ec_call_hoisted"
