// SPDX-License-Identifier: MIT
// Other cores: start them, interrupt them.
#pragma once
#include <stdint.h>

void smp_start_all(void);                                  // boot core, after mm: PSCI or spin-table; each runs cpu_main
// Runs call(argument) on every other core that is up and waits until all have returned. Never with a spinlock held.
void smp_call_others(void (*call)(void *), void *argument);
void smp_poke(uint32_t cpu);                               // reschedule interrupt
void machine_off(void) __attribute__((noreturn));          // PSCI SYSTEM_OFF, BCM2835 watchdog, else halt
