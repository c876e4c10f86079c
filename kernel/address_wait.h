// SPDX-License-Identifier: MIT
// Waiting for a memory word to change (WaitOnAddress, futex). A waiter is found by its process and address, or, for memory
// that processes share, by the physical frame and offset; wake-ups without a change can happen and are allowed.
#pragma once
#include "kernel/abi/ntstatus.h"
#include "mm/aspace.h"

// Sleeps while the size (1 2 4 8) bytes at address, naturally aligned, equal those at compare (both in the caller's process).
// STATUS_SUCCESS: they differ, or somebody woke; STATUS_TIMEOUT.
status_t address_wait(uva_t address, uva_t compare, uint32_t size, uint64_t timeout_ns);
// Wakes at most `most` waiters on the address, those of the caller's own process first.
status_t address_wake(uva_t address, uint32_t most);
