// SPDX-License-Identifier: MIT
// Spinlocks with a name and an order. Taking a lock masks interrupts on this core; locks are taken in strictly rising order only
// (checked: a violation panics with both names).
#pragma once
#include <stdbool.h>
#include <stdint.h>

// Lowest is taken first. A leaf is the highest.
enum lock_order {
    LOCK_PROCESS = 10,      // process table, a process's threads and handles
    LOCK_EMU = 20,          // translator runtime: cache, maps, links
    LOCK_ASPACE = 30,       // one address space
    LOCK_SECTION = 35,      // image sections
    LOCK_OBJECT = 40,       // events, semaphores, address waiters
    LOCK_SCHEDULER = 50,    // run queues
    LOCK_ASID = 60,         // address-space identifiers
    LOCK_HEAP = 70,
    LOCK_KMAP = 75,         // kernel half of the address space
    LOCK_FRAME = 80,
    LOCK_CONSOLE = 90,
};

struct spinlock { uint32_t owner, order; const char *name; };     // owner: index of the core + 1, 0: free
#define SPINLOCK(order_, name_) { .order = (order_), .name = (name_) }

void spin_init(struct spinlock *lock, enum lock_order order, const char *name);
void spin_lock(struct spinlock *lock);      // saves and masks interrupts (nesting is counted per core)
void spin_unlock(struct spinlock *lock);    // restores them when the last lock of this core is released
// Whether this core may take the lock now (the check that spin_lock panics on).
bool spin_order_allows(const struct spinlock *lock);
bool spin_held(const struct spinlock *lock);   // by this core
