// SPDX-License-Identifier: MIT
// The EL0 side of the mode switch and of indirect branches: one page of code that the kernel maps, read and execute, at
// EMU_STUBS_BASE in every x64 process. Position-dependent only through the constants of kernel/abi/process.h.
//
// Register contracts: ARM64EC ABI conventions ("Arm64EC entry and exit thunks"); registers of x64 code: emu/run/ctx.h.
// The stubs keep every x64 register and NZCV (flags survive an indirect jump); they use x9-x13, x15-x17 and x30. x14 is the shadow stack (ctx.h).
#include "emu/run/ctx.h"

#define HIGH_STUBS  0x7ffd          // EMU_STUBS_BASE >> 32, its low half is 0
#define HIGH_TABLE  0x7ffe          // EMU_TABLE_BASE >> 32
#define HIGH_EXACT  0x7ffc          // EMU_TABLE_EXACT >> 32
#define HIGH_BYTES  0x7fec          // EC_BYTES_BASE >> 32
#define TEB_CPU_AREA 0x1788

    .section .emu_stubs, "ax"
    .balign 4096
    .global emu_stubs_start, emu_stubs_end
emu_stubs_start:

    // x28 = CPU area. Counts a call and its return, and takes CTX_FP_FORM, which becomes 0, into x\form; uses x12.
    .macro count_call form
    ldp x12, x\form, [x28, #CTX_SWITCHES]
    add x12, x12, #2
    stp x12, xzr, [x28, #CTX_SWITCHES]
    .endm

    .macro slot target
    .balign 32
    b \target
    .endm

    // x11 = target: EC code is known by its page's byte. What faults here has read 0 (emu_state).
    .macro if_not_ec else
    lsr x16, x11, #12
    movz x17, #HIGH_BYTES, lsl #32
    ldrb w16, [x17, x16]            // is_look_ec in svc.c knows its word
    cbz w16, \else
    .endm

    // enum emu_stub, in order
    slot stub_miss
    slot stub_dispatch
    slot stub_call_no_redirect
    .balign 32
    // Entry thunk's epilogue: lr = x64 return address (or EMU_RET_BYTE), already popped from the stack.
stub_ret:
    mov x9, x30                     // stub_enter_ec may come next
    ldr x28, [x18, #TEB_CPU_AREA]
    ldp x10, x11, [x14], #16
    ldr w12, [x28, #CTX_FP_EXACT]
    sub x10, x10, x9
    cbnz w12, return_form
    cbnz x10, return_miss
    ret x11
    slot stub_x64_jump
    .balign 32
stub_check_icall:                   // a process begins with another one here (icall.c)
    if_not_ec not_ec
    ret
    slot stub_check_call
    slot stub_get_information
    slot stub_set_information
    slot stub_enter_ec
    slot stub_dispatch_exact
    slot stub_step
    slot stub_return
    slot stub_return_exact
    slot stub_return_none
    slot stub_second
    slot stub_enter
    slot look_first
    .balign 32
    stp x10, x30, [x14, #-16]!      // EMU_STUB_ENTER_EC_CALL
    b stub_enter_ec
    .balign 32

    // A CALL of translated code (lower_control.c): x9 = EC function, x11 = its entry thunk, x10 = x64 return address, which is below
    // the stack pointer; the shadow entry is made.
stub_call_ec:
    mov x4, sp                      // home area: arguments from [x4 + 0x20]
    tst x4, #15
    b.ne call_unaligned
    mov x30, x10
    count_call 16
    cbnz w16, call_form
    br x11

    slot stub_call_resolved

    .global emu_stub_short_check, emu_stub_short_check_end
emu_stub_short_check:               // stub_check_icall of a process that has hardly called x64 code (icall.c)
    mov x9, x10
    ret
emu_stub_short_check_end:

stub_miss:
    svc #SVC_EMU_MISS               // the kernel resumes at the target's code

stub_step:
    svc #SVC_EMU_STEP

// x9 = target, x13 = table (ctx.h), x10 = entry.
    .macro look miss
    ldr x12, [x10, #8]
    eor x12, x12, x9
    and x12, x12, #~CTX_TABLE_FLAGS
    cbnz x12, \miss
    ldr x11, [x10, x12]
    br x11
    .endm

stub_dispatch:
    movz x13, #HIGH_TABLE, lsl #32
look_first:
    add x10, x13, w9, uxth #4
    look look_second

stub_dispatch_exact:
    movz x13, #HIGH_EXACT, lsl #32
    b look_first

stub_second:
look_second:
    eor x11, x9, x9, lsr #14
    ubfx x10, x11, #4, #CTX_SECOND_BITS
    add x10, x13, x10, lsl #4
    add x10, x10, #CTX_SECOND_OFFSET
    look 1f
1:  eor x10, x10, #16
    look stub_miss

// A RET whose shadow entry was not the one. x9 = target, a user address, off the stack already; x14 is behind that entry; flags are canonical.
    .macro return_slow dispatch
    ldp x10, x11, [x14, #-16]!
    eor x12, x10, #CTX_SHADOW_FLAGS
    sub x12, x12, x9
    cbnz x12, 1f
    add x14, x14, #16
    br x11
1:  add x12, x14, #16               // frames that were left without RET lie above
    .rept CTX_SHADOW_SEARCH
    ldp x10, x11, [x12], #16
    eor x10, x10, x9
    and x10, x10, #~CTX_SHADOW_FLAGS
    cbz x10, 2f
    .endr
    b \dispatch
2:  mov x14, x12
    br x11
    .endm

stub_return:
    return_slow stub_dispatch

stub_return_exact:
    return_slow stub_dispatch_exact

// A return to an address of the kernel's half may match an entry that holds none.
stub_return_none:
    sub x14, x14, #16
    b stub_dispatch

    // To x64 code from native code; x28 = CPU area, x9 = target.
    .macro enter_x64
    ldr w10, [x28, #CTX_FP_EXACT]
    cbz w10, stub_dispatch
    b fp_from_native
    .endm

    // w10 = CTX_FORM_AFP
    .macro afp_from_native
    str w10, [x28, #CTX_FP_FORM]
    mrs x10, s3_3_c4_c4_0           // FPCR
    orr x10, x10, #CTX_FPCR_AFP
    msr s3_3_c4_c4_0, x10
    .endm

stub_enter:                         // from the kernel, with FPCR and FPSR as native code has them
    enter_x64

fp_from_native:
    tbnz w10, #0, exact_from_native
    afp_from_native
    b stub_dispatch

    // FPCR in w\c and FPSR in w\s into MXCSR in w\m, which holds CTX_MXCSR_BITS; w\t changes.
    .macro arm_to_mxcsr m, c, s, t
    bfxil w\m, w\s, #0, #1          // IOC -> IE
    ubfx w\t, w\s, #1, #4           // DZC OFC UFC IXC -> ZE OE UE PE
    bfi w\m, w\t, #2, #4
    ubfx w\t, w\s, #7, #1           // IDC -> DE
    bfi w\m, w\t, #1, #1
    ubfx w\t, w\c, #22, #1          // RMode low -> RC high
    bfi w\m, w\t, #14, #1
    ubfx w\t, w\c, #23, #1          // RMode high -> RC low
    bfi w\m, w\t, #13, #1
    ubfx w\t, w\c, #24, #1          // FZ -> FTZ
    bfi w\m, w\t, #15, #1
    .endm

// FPCR and FPSR as native code left them to MXCSR in the CPU area and what FP_EXACT wants (emu/lower/lower_exact.c). NZCV stays.
exact_from_native:
    mrs x10, s3_3_c4_c4_0           // FPCR
    mrs x11, s3_3_c4_c4_1           // FPSR
    ldr w12, [x28, #CTX_MXCSR]
    and w12, w12, #CTX_MXCSR_BITS
    arm_to_mxcsr 12, 10, 11, 15
    str w12, [x28, #CTX_MXCSR]
    and w15, w12, w12, lsr #7       // set already, and masked: no need to watch for ZE, OE, PE
    lsr w15, w15, #1
    mov w16, #0x16
    and w15, w15, w16
    mov w16, #0x9f
    bic w15, w16, w15
    tbz w12, #6, 1f
    and w15, w15, #~0x80            // DAZ: denormal operands are right
1:  str w15, [x28, #CTX_FP_WATCH]
    and w10, w10, #0xc00000         // RMode
    orr w10, w10, #0x1000000        // FZ
    msr s3_3_c4_c4_0, x10
    msr s3_3_c4_c4_1, xzr
    mov w15, #1
    str w15, [x28, #CTX_FP_FORM]
    b stub_dispatch_exact

    // MXCSR in w\m to FPCR and FPSR; w\t and w\u change.
    .macro mxcsr_to_arm m, t, u
    ubfx w\t, w\m, #14, #1
    ubfx w\u, w\m, #13, #1
    orr w\t, w\t, w\u, lsl #1       // RMode
    ubfx w\u, w\m, #15, #1
    orr w\t, w\t, w\u, lsl #2       // FZ
    lsl w\t, w\t, #22
    msr s3_3_c4_c4_0, x\t           // FPCR
    and w\t, w\m, #1                // IE -> IOC
    ubfx w\u, w\m, #2, #4
    bfi w\t, w\u, #1, #4
    ubfx w\u, w\m, #1, #1
    bfi w\t, w\u, #7, #1
    msr s3_3_c4_c4_1, x\t           // FPSR
    .endm

    // The other way, before native code runs: CTX_FP_FORM was w\w, not 0, and is 0 now. x12, x15 and x16 change.
    .macro native_form w
    tbz w\w, #2, 8f                 // not CTX_FORM_AFP
    mrs x12, s3_3_c4_c4_0
    and x12, x12, #~CTX_FPCR_AFP
    msr s3_3_c4_c4_0, x12
    b 9f
8:  tbz w\w, #1, 7f                 // not CTX_FORM_IE
    mrs x12, s3_3_c4_c4_1
    orr x12, x12, #1
    msr s3_3_c4_c4_1, x12
    b 9f
7:
    ldr w12, [x28, #CTX_MXCSR]
    mxcsr_to_arm 12, 15, 16
9:
    .endm

// Exit thunk to x64: x9 = target, lr = return address inside the exit thunk, sp 16-aligned with the home area at [sp].
stub_call_no_redirect:
    str x30, [sp, #-8]!
    mov x10, x30
    adr x30, stub_enter_ec
    stp x10, x30, [x14, #-16]!
    ldr x28, [x18, #TEB_CPU_AREA]
    count_call 11                   // the form is 0: native code ran
    enter_x64

return_form:
    tbnz w12, #0, 1f
    str w12, [x28, #CTX_FP_FORM]
    mrs x12, s3_3_c4_c4_0           // FPCR
    orr x12, x12, #CTX_FPCR_AFP
    msr s3_3_c4_c4_0, x12
    cbnz x10, return_miss
    ret x11
1:  sub x14, x14, #16
    b exact_from_native

return_miss:
    lsr x10, x9, #47
    cbz x10, stub_return
    sub x14, x14, #16
    b stub_dispatch

// Signature-less entry thunk: x9 = target, lr = x64 return address: put it back and jump.
stub_x64_jump:
    str x30, [sp, #-8]!
    ldr x28, [x18, #TEB_CPU_AREA]
    enter_x64

// x64 control flow reached the EC address x9. Either it returns into an exit thunk, just behind `blr x16`, or it calls a
// function whose entry thunk is named by the word before it: (thunk - function) | 1.
    .global emu_stub_enter_ec, emu_stub_enter_ec_end
emu_stub_enter_ec:
stub_enter_ec:
    ldr w10, [x9, #-4]
    and w11, w10, #3
    cmp w11, #1
    b.ne 2f
    ldr x30, [sp]                   // the return address
    add x4, sp, #8                  // home area: arguments from [x4 + 0x20]
    and w10, w10, #~3
    add x11, x9, w10, sxtw
    tst x4, #15
    b.ne 1f
    mov sp, x4
    count_call 16
    cbnz w16, call_form
    br x11
1:  // rsp was not 16-byte aligned + 8: leave the return address on the stack and come back through an x64 RET.
    movz x30, #0xf000               // EMU_RET_BYTE
    movk x30, #HIGH_STUBS, lsl #32
    count_call 16
    cbnz w16, call_form
    br x11
2:  movz w11, #0x0200
    movk w11, #0xd63f, lsl #16      // blr x16
    cmp w10, w11
    b.ne 3f
    ldr w11, [x28, #CTX_FP_FORM]
    cbz w11, 4f
    str wzr, [x28, #CTX_FP_FORM]
    native_form 11
4:  br x9
3:  svc #SVC_EMU_BAD_EC
call_form:
    native_form 16
    br x11
call_unaligned:
    sub sp, sp, #8
    b stub_enter_ec
emu_stub_enter_ec_end:

// x11 = target that is no EC code, x10 = exit thunk. Before \go: x11 = EC code to call; x9 = x64 target when x11 is the exit thunk.
// Where a stub of the import table leads is looked at \again. May change x9, x11, x16, x17 and flags only.
    .macro resolve again, go:vararg
    lsr x16, x11, #47
    cbnz x16, 8f                    // non-canonical: let the emulator raise it
    tst x11, #15
    b.ne 6f
    ldr x16, [x11]
    ldr x17, ffs_low
    cmp x16, x17
    b.ne 6f
    ldrh w16, [x11, #8]
    movz w17, #0xe95d               // pop rbp; jmp rel32
    cmp w16, w17
    b.ne 6f
    ldrsw x16, [x11, #10]
    add x11, x11, #14
    add x11, x11, x16
    \go
6:  ldrh w16, [x11]
    movz w17, #0x25ff               // jmp [rip + disp32]
    cmp w16, w17
    b.ne 8f
    ldrsw x16, [x11, #2]
    add x16, x16, #6
    ldr x11, [x11, x16]
    b \again
8:  mov x9, x11
    mov x11, x10
    \go
    .endm

not_ec:
    resolve stub_check_icall, ret

// The call itself, of what the short checker has let pass. lr stays the caller's, for whoever unwinds from a fault here.
stub_call_resolved:
    resolve 1f, br x11
1:  if_not_ec stub_call_resolved
    br x11

// x9 = EC body, x10 = exit thunk, x11 = its fast-forward sequence. Intact: x11 = body. Patched: x9 = sequence, x11 = thunk.
stub_check_call:
    ldr x16, [x11]
    ldr x17, ffs_low
    cmp x16, x17
    b.ne 1f
    ldrh w16, [x11, #8]
    movz w17, #0xe95d
    cmp w16, w17
    b.ne 1f
    mov x11, x9
    ret
1:  mov x9, x11
    mov x11, x10
    ret

    .balign 8
ffs_low:                            // mov rax, rsp; mov [rax+20h], rbx; push rbp
    .byte 0x48, 0x8b, 0xc4, 0x48, 0x89, 0x58, 0x20, 0x55

// NTSTATUS get(ULONG type, void *out, void *extra): 0 = MXCSR, 2 = x87 control word.
stub_get_information:
    cbz w0, 1f
    cmp w0, #0x100                  // EMU_INFORMATION_CONTROL
    b.eq 3f
    cmp w0, #2
    b.ne 9f
    ldr x9, [x18, #TEB_CPU_AREA]
    ldrh w9, [x9, #CTX_X87_CONTROL]
    str w9, [x1]
    mov w0, #0
    ret
1:  ldr x9, [x18, #TEB_CPU_AREA]
    ldr w10, [x9, #CTX_FP_EXACT]
    tbnz w10, #0, 2f
    svc #SVC_EMU_EXACT
    b 2f
3:  ldr x9, [x18, #TEB_CPU_AREA]
2:  ldr w11, [x9, #CTX_MXCSR]
    and w11, w11, #CTX_MXCSR_BITS
    mrs x9, s3_3_c4_c4_0            // FPCR
    mrs x10, s3_3_c4_c4_1           // FPSR
    arm_to_mxcsr 11, 9, 10, 12
    str w11, [x1]
    mov w0, #0
    ret

// NTSTATUS set(ULONG type, ULONG_PTR in, void *extra): 0 = MXCSR. What FP_FAST cannot keep (an exception that is not masked, FTZ, DAZ)
// is for FP_EXACT.
stub_set_information:
    cbnz w0, 9f
    ldr x9, [x18, #TEB_CPU_AREA]
    and w10, w1, #CTX_MXCSR_BITS
    str w10, [x9, #CTX_MXCSR]
    ldr w11, [x9, #CTX_FP_EXACT]
    tbnz w11, #0, 2f
    mov w12, #0x9fc0
    and w12, w12, w1
    mov w11, #0x1f80
    eor w12, w12, w11
    cbz w12, 2f
    svc #SVC_EMU_EXACT
2:  mxcsr_to_arm 1, 12, 11
    mov w0, #0
    ret
9:  movz w0, #0x000d
    movk w0, #0xc000, lsl #16       // STATUS_INVALID_PARAMETER
    ret

    .balign 4096
emu_stubs_end:
