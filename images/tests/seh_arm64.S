// SPDX-License-Identifier: MIT
// The functions of seh_x64.S for Arm64 and ARM64EC. The EC form has no x23, x24 and x28.
.macro begin name
#if defined(__arm64ec__)
    .globl "#\name"
    .def "#\name"; .scl 2; .type 32; .endef
    .weak_anti_dep \name
    .set \name, "#\name"
    .balign 4
    .seh_proc "#\name"
"#\name":
#else
    .globl \name
    .def \name; .scl 2; .type 32; .endef
    .balign 4
    .seh_proc \name
\name:
#endif
.endm

.macro save_all
    stp x29, x30, [sp, #-176]!
    .seh_save_fplr_x 176
    stp x19, x20, [sp, #16]
    .seh_save_regp x19, 16
    stp x21, x22, [sp, #32]
    .seh_save_regp x21, 32
    stp x25, x26, [sp, #64]
    .seh_save_regp x25, 64
#if defined(__arm64ec__)
    str x27, [sp, #80]
    .seh_save_reg x27, 80
#else
    stp x23, x24, [sp, #48]
    .seh_save_regp x23, 48
    stp x27, x28, [sp, #80]
    .seh_save_regp x27, 80
#endif
    stp d8, d9, [sp, #96]
    .seh_save_fregp d8, 96
    stp d10, d11, [sp, #112]
    .seh_save_fregp d10, 112
    stp d12, d13, [sp, #128]
    .seh_save_fregp d12, 128
    stp d14, d15, [sp, #144]
    .seh_save_fregp d14, 144
    mov x29, sp
    .seh_set_fp
    .seh_endprologue
.endm
.macro restore_all
    .seh_startepilogue
    mov sp, x29
    .seh_set_fp
    ldp d14, d15, [sp, #144]
    .seh_save_fregp d14, 144
    ldp d12, d13, [sp, #128]
    .seh_save_fregp d12, 128
    ldp d10, d11, [sp, #112]
    .seh_save_fregp d10, 112
    ldp d8, d9, [sp, #96]
    .seh_save_fregp d8, 96
#if defined(__arm64ec__)
    ldr x27, [sp, #80]
    .seh_save_reg x27, 80
#else
    ldp x27, x28, [sp, #80]
    .seh_save_regp x27, 80
    ldp x23, x24, [sp, #48]
    .seh_save_regp x23, 48
#endif
    ldp x25, x26, [sp, #64]
    .seh_save_regp x25, 64
    ldp x21, x22, [sp, #32]
    .seh_save_regp x21, 32
    ldp x19, x20, [sp, #16]
    .seh_save_regp x19, 16
    ldp x29, x30, [sp], #176
    .seh_save_fplr_x 176
    .seh_endepilogue
.endm
#if defined(__arm64ec__)
.macro each_register what
    .irp r, x19, x20, x21, x22, x25, x26, x27
    \what \r
    .endr
.endm
#else
.macro each_register what
    .irp r, x19, x20, x21, x22, x23, x24, x25, x26, x27, x28
    \what \r
    .endr
.endm
#endif
.macro each_vector what
    .irp r, 8, 9, 10, 11, 12, 13, 14, 15
    \what \r
    .endr
.endm
.macro set_x r
    add x9, x9, #1
    mov \r, x9
.endm
.macro set_d r
    add x9, x9, #1
    fmov d\r, x9
.endm
.macro test_x r
    add x9, x9, #1
    cmp \r, x9
    csetm w11, ne
    and w11, w11, w12
    orr w0, w0, w11
    lsl w12, w12, #1
.endm
.macro test_d r
    add x9, x9, #1
    fmov x10, d\r
    cmp x10, x9
    csetm w11, ne
    and w11, w11, w12
    orr w0, w0, w11
    lsl w12, w12, #1
.endm
.macro spoil_x r
    movz \r, #0x5a5a
.endm
.macro spoil_d r
    movi v\r\().16b, #0x77
.endm

    .text
// Bits of the result: the general registers in order, then d8-d15.
    begin seh_keeps
    save_all
    mov x16, x0
    mov x0, x1
    mov x9, #0x1111
    movk x9, #0x2222, lsl #32
    str x9, [sp, #160]
    each_register set_x
    each_vector set_d
    blr x16
    ldr x9, [sp, #160]
    mov w0, #0
    mov w12, #1
    each_register test_x
    each_vector test_d
    restore_all
    ret
    .seh_endproc

    begin seh_call_changed
    save_all
    sub sp, sp, #0x30                   // the frame register alone leads back
    mov x16, x0
    mov x0, x1
    each_register spoil_x
    each_vector spoil_d
    blr x16
    restore_all
    ret
    .seh_endproc

    begin seh_load
    .seh_endprologue
    ldr x0, [x0]
    ret
    .seh_endproc

    begin seh_shape
s0: sub sp, sp, #32
    .seh_stackalloc 32
s1: stp x19, x30, [sp]
    .seh_save_lrpair x19, 0
s2: str x20, [sp, #16]
    .seh_save_reg x20, 16
s3: sub sp, sp, #0x40
    .seh_stackalloc 0x40
    .seh_endprologue
s4: mov x19, #1
s5: nop
    .seh_startepilogue
s6: add sp, sp, #0x40
    .seh_stackalloc 0x40
s7: ldr x20, [sp, #16]
    .seh_save_reg x20, 16
s8: ldp x19, x30, [sp]
    .seh_save_lrpair x19, 0
s9: add sp, sp, #32
    .seh_stackalloc 32
    .seh_endepilogue
s10: ret
    .seh_endproc

    .section .rdata, "dr"
    .balign 8
    .globl seh_shape_points
seh_shape_points:                       // address, sp below the caller's, where x19 and lr are saved below it (0: in registers)
    .xword s0, 0, 0
    .xword s1, 32, 0
    .xword s2, 32, 32
    .xword s3, 32, 32
    .xword s4, 96, 32
    .xword s5, 96, 32
    .xword s6, 96, 32
    .xword s7, 32, 32
    .xword s8, 32, 32
    .xword s9, 32, 0
    .xword s10, 0, 0
    .xword 0, 0, 0
