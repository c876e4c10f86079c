// SPDX-License-Identifier: MIT
// Names and sentences of status values, from NTSTATUS_LIST.
#pragma once
#include "kernel/abi/ntstatus.h"

const char *status_name(status_t status);       // "STATUS_NO_MEMORY"; "unknown status" for others
const char *status_text(status_t status);       // "no memory"
