// SPDX-License-Identifier: MIT
// The only way the kernel touches user memory of the current process: ldtr/sttr with a fixup, so a bad, non-canonical or
// kernel-half pointer gives STATUS_ACCESS_VIOLATION and never a kernel fault. Page faults that can be repaired are.
// May sleep on locks of mm: call with no spinlock held.
//
// Errors: STATUS_ACCESS_VIOLATION; STATUS_GUARD_PAGE_VIOLATION when a guard page was in the way (it is one no longer);
// STATUS_STACK_OVERFLOW when that was the last one of a stack; STATUS_NO_MEMORY when no frame was left for a page.
// After an error a part of the bytes may have been copied.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "kernel/abi/ntstatus.h"

status_t user_copy_in(void *to, uint64_t from, uint64_t bytes);
status_t user_copy_out(uint64_t to, const void *from, uint64_t bytes);

struct trap_frame;
// For trap_el1_sync: true when the frame's pc is one of the ldtr/sttr above. The frame then continues at its fixup.
bool     user_fixup(struct trap_frame *frame);
