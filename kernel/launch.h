// SPDX-License-Identifier: MIT
// What the machine does once the kernel stands: run the program of the initrd, or the kernel tests, and switch off.
#pragma once

_Noreturn void kernel_start(void);          // boot core, everything below is up; it becomes an ordinary core of the scheduler
