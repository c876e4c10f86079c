// SPDX-License-Identifier: MIT
// The scheduler: all cores take threads from one queue, each preferring those that ran on it last.
//
// Rules
//  - User threads are preempted by the timer on their way back to EL0, kernel code never.
//  - A switch saves and loads everything: general and FP/SIMD registers, TPIDR_EL0, the address space.
//  - Lock: the scheduler lock (LOCK_SCHEDULER); it is held over the switch and given up by the thread that comes in.
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct thread;

enum { SCHEDULER_QUANTUM_NS = 10000000 };

_Noreturn void scheduler_run_core(void);        // this core's boot context becomes its idle thread
void scheduler_start(struct thread *thread);    // SUSPENDED becomes ready; no-op in any other state
void scheduler_yield(void);
void scheduler_yield_if_due(void);              // only if the quantum is over or a reschedule interrupt came
_Noreturn void scheduler_end_thread(void);      // the calling thread never runs again

// Sleeps until scheduler_unpark or the deadline (nanoseconds since boot). May return early for no reason: callers loop on
// their own condition. An unpark that comes first makes the next park return at once.
void scheduler_park(uint64_t deadline_ns);
void scheduler_unpark(struct thread *thread);   // any lock below LOCK_SCHEDULER may be held

void scheduler_switched(void);                  // the first thing a new thread calls: the lock is its own now
bool scheduler_thread_stopped(struct thread *thread);  // it is on no core at this moment: its frame says where it goes on
void scheduler_poke_thread(struct thread *thread);   // if it runs on another core, makes it pass thread_before_user soon
uint64_t scheduler_core_ns(uint32_t core);      // time this core has spent in threads
void scheduler_charge_current(void);            // brings the caller's executed time and instructions up to date
