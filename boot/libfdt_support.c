// SPDX-License-Identifier: MIT
// Debian builds libfdt.a with stack protection; the rest of the kernel is built without.
#include <stdint.h>
#include "kernel/panic.h"

extern uintptr_t __stack_chk_guard;
uintptr_t __stack_chk_guard = 0x0aff0d0000526a1e;
_Noreturn void __stack_chk_fail(void);
_Noreturn void __stack_chk_fail(void) { panic("stack overrun while reading the device tree"); }
