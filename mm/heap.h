// SPDX-License-Identifier: MIT
// Kernel heap over frames. Memory is zeroed. NULL when there is none. Any core, interrupts masked or not.
#pragma once
#include <stddef.h>

void *heap_take(size_t bytes);
void  heap_give(void *p);                   // NULL is allowed
