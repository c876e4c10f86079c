// SPDX-License-Identifier: MIT
// Taking the caller's registers. CAPTURE name, function: name(x0) calls function(x0, context) where context is the whole
// state of name's caller as an ARM64_NT_CONTEXT at the return address; when function returns, so does name. To the
// unwinder the frame is that context, so it gets back to the caller from whatever function does.
#include "images/crt/asm.h"

// ARM64EC code has no x13, x14, x23, x24, x28 and no v16..v31: zero stands for them.
#if defined(__arm64ec__)
.macro save a, b, offset
  .ifc \a, x12
    stp x12, xzr, [sp, #\offset]
  .else
  .ifc \a, x14
    stp xzr, x15, [sp, #\offset]
  .else
  .ifc \a, x22
    stp x22, xzr, [sp, #\offset]
  .else
    stp xzr, \b, [sp, #\offset]
  .endif
  .endif
  .endif
.endm
#else
.macro save a, b, offset
    stp \a, \b, [sp, #\offset]
.endm
#endif

    .text
.macro CAPTURE name, target
    function \name
    .seh_context
    .seh_endprologue
    sub  sp, sp, #0x390
    stp  x0, x1, [sp, #0x08]
    mov  x16, x1
    mov  x17, #0x20400000           // at a call
    movk x17, #7                    // control, integer, floating point
    mrs  x1, nzcv
    stp  w17, w1, [sp]
    stp  x2, x3, [sp, #0x18]
    stp  x4, x5, [sp, #0x28]
    stp  x6, x7, [sp, #0x38]
    stp  x8, x9, [sp, #0x48]
    stp  x10, x11, [sp, #0x58]
    save x12, x13, 0x68
    save x14, x15, 0x78
    stp  xzr, xzr, [sp, #0x88]      // x16, x17
    stp  x18, x19, [sp, #0x98]
    stp  x20, x21, [sp, #0xa8]
    save x22, x23, 0xb8
    save x24, x25, 0xc8
    stp  x26, x27, [sp, #0xd8]
    save x28, x29, 0xe8
    add  x1, sp, #0x390
    stp  x30, x1, [sp, #0xf8]       // lr, sp
    str  x30, [sp, #0x108]          // pc
    add  x1, sp, #0x110
    stp  q0, q1, [x1]
    stp  q2, q3, [x1, #0x20]
    stp  q4, q5, [x1, #0x40]
    stp  q6, q7, [x1, #0x60]
    stp  q8, q9, [x1, #0x80]
    stp  q10, q11, [x1, #0xa0]
    stp  q12, q13, [x1, #0xc0]
    stp  q14, q15, [x1, #0xe0]
#if defined(__arm64ec__)
    movi v0.16b, #0
    stp  q0, q0, [x1, #0x100]
    stp  q0, q0, [x1, #0x120]
    stp  q0, q0, [x1, #0x140]
    stp  q0, q0, [x1, #0x160]
    stp  q0, q0, [x1, #0x180]
    stp  q0, q0, [x1, #0x1a0]
    stp  q0, q0, [x1, #0x1c0]
    stp  q0, q0, [x1, #0x1e0]
#else
    stp  q16, q17, [x1, #0x100]
    stp  q18, q19, [x1, #0x120]
    stp  q20, q21, [x1, #0x140]
    stp  q22, q23, [x1, #0x160]
    stp  q24, q25, [x1, #0x180]
    stp  q26, q27, [x1, #0x1a0]
    stp  q28, q29, [x1, #0x1c0]
    stp  q30, q31, [x1, #0x1e0]
#endif
    mrs  x2, fpcr
    mrs  x3, fpsr
    str  w2, [sp, #0x310]
    str  w3, [sp, #0x314]
    add  x1, sp, #0x318             // debug registers: none
    movi v0.16b, #0
    stp  q0, q0, [x1]
    stp  q0, q0, [x1, #0x20]
    stp  q0, q0, [x1, #0x40]
    str  q0, [x1, #0x60]
    str  xzr, [x1, #0x70]
    mov  x1, sp
    call \target
    ldr  x30, [sp, #0xf8]
    add  sp, sp, #0x390
    ret
    .seh_endproc
.endm

    CAPTURE raise_here, raise_dispatch
    CAPTURE capture_here, capture_store
