// SPDX-License-Identifier: MIT
// Frames with a meaning of their own to the unwinder.
#include "images/crt/asm.h"

#if defined(__arm64ec__)
#define CONTEXT_BYTES 0x4d0
#else
#define CONTEXT_BYTES 0x390
#endif

    .text
// The kernel enters here with an ARM64_NT_CONTEXT at sp: x0 = record, x1 = context (kernel/abi/process.h). To the unwinder
// the caller is what that context says.
    function KiUserExceptionDispatcher
    .seh_context
    .seh_endprologue
    call exception_dispatch
    brk  #0xf003
    .seh_endproc

// name(record, frame, context, dispatcher, handler): calls the handler; `own` is this frame's handler and finds the
// dispatcher context 16 bytes below the frame.
.macro HANDLER_CALL name, own
    function \name
    stp  x29, x30, [sp, #-32]!
    .seh_save_fplr_x 32
    mov  x29, sp
    .seh_set_fp
    .seh_endprologue
#if defined(__arm64ec__)
    .seh_handler "#\own", @except, @unwind
#else
    .seh_handler \own, @except, @unwind
#endif
    str  x3, [sp, #16]
    call handler_invoke
    .seh_startepilogue
    ldp  x29, x30, [sp], #32
    .seh_save_fplr_x 32
    .seh_endepilogue
    ret
    .seh_endproc
.endm
    HANDLER_CALL handler_call_search, handler_of_search
    HANDLER_CALL handler_call_unwind, handler_of_unwind

// funclet_call(argument, function, registers): x0 stays, x1 = fp. ARM64EC code has no x23, x24, x28.
    function funclet_call
    stp  x29, x30, [sp, #-96]!
    .seh_save_fplr_x 96
    stp  x19, x20, [sp, #16]
    .seh_save_regp x19, 16
    stp  x21, x22, [sp, #32]
    .seh_save_regp x21, 32
#if !defined(__arm64ec__)
    stp  x23, x24, [sp, #48]
    .seh_save_regp x23, 48
#endif
    stp  x25, x26, [sp, #64]
    .seh_save_regp x25, 64
#if defined(__arm64ec__)
    str  x27, [sp, #80]
    .seh_save_reg x27, 80
#else
    stp  x27, x28, [sp, #80]
    .seh_save_regp x27, 80
#endif
    .seh_endprologue
    mov  x16, x1
    ldp  x19, x20, [x2]
    ldp  x21, x22, [x2, #16]
#if !defined(__arm64ec__)
    ldp  x23, x24, [x2, #32]
    ldr  x28, [x2, #72]
#endif
    ldp  x25, x26, [x2, #48]
    ldr  x27, [x2, #64]
    ldr  x29, [x2, #80]
    mov  x1, x29
    blr  x16
    .seh_startepilogue
#if defined(__arm64ec__)
    ldr  x27, [sp, #80]
    .seh_save_reg x27, 80
#else
    ldp  x27, x28, [sp, #80]
    .seh_save_regp x27, 80
#endif
    ldp  x25, x26, [sp, #64]
    .seh_save_regp x25, 64
#if !defined(__arm64ec__)
    ldp  x23, x24, [sp, #48]
    .seh_save_regp x23, 48
#endif
    ldp  x21, x22, [sp, #32]
    .seh_save_regp x21, 32
    ldp  x19, x20, [sp, #16]
    .seh_save_regp x19, 16
    ldp  x29, x30, [sp], #96
    .seh_save_fplr_x 96
    .seh_endepilogue
    ret
    .seh_endproc

// consolidate(context, callback, record): does not return. The copy of the context at sp is what the unwinder sees.
    function consolidate
#if defined(__arm64ec__)
    .seh_ec_context
#else
    .seh_context
#endif
    .seh_endprologue
    sub  sp, sp, #CONTEXT_BYTES
    mov  x19, x1
    mov  x20, x2
    mov  x1, x0
    mov  x0, sp
    mov  x2, #CONTEXT_BYTES
    call memcpy
    mov  x0, sp
    mov  x1, x19
    mov  x2, x20
    call consolidate_run
    brk  #0xf003
    .seh_endproc
