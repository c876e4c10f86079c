// SPDX-License-Identifier: MIT
// The checker of ARM64EC code's calls through pointers that a process begins with (emu/run/icall.c): a module that holds it for good comes to the
// kernel with each call of x64 code.
#pragma once
#ifdef __arm64ec__
#include "images/crt/sys.h"              // before the Windows headers
typedef void checker(void);
extern checker *volatile __os_arm64x_check_icall;        // the module's own (images/crt/chpe.S)
__attribute__((naked)) static void short_checker(void) { __asm__("mov x9, x10\n ret"); }
static void hold_short_checker(void)
{
    uint64_t base = (uint64_t)&__os_arm64x_check_icall, size = sizeof(checker *);
    uint32_t old;
    if (SYS(vm_protect, HANDLE_CURRENT_PROCESS, &base, &size, PAGE_READWRITE, &old) == STATUS_SUCCESS)
        __os_arm64x_check_icall = short_checker;
}
#else
static inline void hold_short_checker(void) {}
#endif
