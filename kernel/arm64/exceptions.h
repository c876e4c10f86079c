// SPDX-License-Identifier: MIT
#pragma once
#include "kernel/arm64/trap.h"

// A fault of the kernel's own that nothing repairs: says what and where, and panics.
_Noreturn void exception_fatal(const struct trap_frame *frame);
