// SPDX-License-Identifier: MIT
// The monotonic clock (CNTVCT) and the per-core timer interrupt.
#pragma once
#include <stdint.h>

uint64_t time_ns(void);                                    // since boot
uint64_t time_frequency(void);                             // CNTFRQ, Hz
void     timer_arm(uint64_t deadline_ns);                  // this core's next timer interrupt; calls timer_interrupt()
void     timer_disarm(void);
void     timer_interrupt(void);                            // kernel/scheduler.c: implemented by the scheduler

void     time_init(void);                                  // boot core, first thing
void     timer_start_core(void);                           // every core, after its interrupt controller
