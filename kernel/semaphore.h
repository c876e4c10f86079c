// SPDX-License-Identifier: MIT
// Semaphores: a count that waits take one from, up to a maximum.
#pragma once
#include "kernel/abi/ntstatus.h"
#include "kernel/object.h"

// 1 <= maximum <= INT32_MAX, initial <= maximum, else STATUS_INVALID_PARAMETER. One reference.
status_t semaphore_create(uint32_t initial, uint32_t maximum, struct object **out);
// STATUS_INVALID_PARAMETER for a count of 0, STATUS_SEMAPHORE_LIMIT_EXCEEDED (nothing added) when it would pass the maximum.
status_t semaphore_release(struct object *semaphore, uint32_t count, uint32_t *previous);
