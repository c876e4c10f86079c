// SPDX-License-Identifier: MIT
// Other cores: start them, interrupt them.
#pragma once
#include <stdbool.h>
#include <stdint.h>

void smp_start_all(void);                                  // boot core, after mm: PSCI or spin-table; each runs cpu_main
// Runs call(argument) on every other core that is up and waits until all have returned. Never with a spinlock held.
void smp_call_others(void (*call)(void *), void *argument);
void smp_poke(uint32_t cpu);                               // reschedule interrupt: runs reschedule_interrupt() there
void machine_off(void) __attribute__((noreturn));          // PSCI SYSTEM_OFF, BCM2835 watchdog, else halt

// Implemented by the scheduler. cpu_main: a secondary core is ready, on its own stack, interrupts masked, this_cpu() set.
// reschedule_interrupt: called on a poked core with interrupts masked; may switch threads.
_Noreturn void cpu_main(void);
void reschedule_interrupt(void);

void smp_start_core(void);                                 // every core: its inter-processor interrupts
void smp_stop_others(void);                                // panic only
