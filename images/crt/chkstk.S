// SPDX-License-Identifier: MIT
// Stack probes for frames larger than a page. Arm64 and ARM64EC: x15 = bytes / 16, kept; every register but x16 and x17
// survives; the caller lowers sp itself. Touches each page from the stack limit down, so that guard pages are met in order.
#if defined(__arm64ec__)
#define NAME "#__chkstk_arm64ec"
#else
#define NAME __chkstk
#endif
    .text
    .globl NAME
    .balign 4
NAME:
    subs x17, sp, x15, lsl #4
    csel x17, xzr, x17, lo          // wrapped: probe down to address 0, which faults
    ldr  x16, [x18, #0x10]          // TEB.StackLimit
    cmp  x17, x16
    b.hs 2f
    and  x17, x17, #0xfffffffffffff000
1:  sub  x16, x16, #0x1000
    ldrb wzr, [x16]
    cmp  x16, x17
    b.ne 1b
2:  ret
#if defined(__arm64ec__)
    .weak_anti_dep __chkstk_arm64ec
    .set __chkstk_arm64ec, "#__chkstk_arm64ec"
#endif
