// SPDX-License-Identifier: MIT
// The monotonic clock (CNTVCT) and the per-core timer interrupt.
#pragma once
#include <stdint.h>

uint64_t time_ns(void);                                    // since boot
void     timer_arm(uint64_t deadline_ns);                  // this core's next timer interrupt; calls timer_interrupt()
void     timer_interrupt(void);                            // kernel/scheduler.c: implemented by the scheduler
