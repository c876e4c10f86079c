// SPDX-License-Identifier: MIT
// The only way the kernel touches user memory of the current process: ldtr/sttr with a fixup, so a bad, non-canonical or
// kernel-half pointer gives STATUS_ACCESS_VIOLATION and never a kernel fault. Page faults that can be repaired are.
// May sleep on locks of mm: call with no spinlock held.
#pragma once
#include <stdint.h>
#include "kernel/abi/ntstatus.h"

status_t user_copy_in(void *to, uint64_t from, uint64_t bytes);
status_t user_copy_out(uint64_t to, const void *from, uint64_t bytes);
