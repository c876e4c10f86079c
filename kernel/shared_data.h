// SPDX-License-Identifier: MIT
// KUSER_SHARED_DATA: one frame at USER_SHARED_DATA, read-only in every process. Filled are the version, the processor kind and
// count, the system root; its clocks stand still: programs ask clock_read.
#pragma once
#include "mm/aspace.h"

status_t shared_data_start(void);            // once, after all cores are up
status_t shared_data_map(struct aspace *as);
