// SPDX-License-Identifier: MIT
// Parts of the robust program.
#pragma once
#include "images/tests/test.h"
#include "images/tests/try.h"

void threads_test(void);
void ordering_test(void);
void memory_test(void);
void fault_test(void);
void syscall_test(void);
void code_test(void);
