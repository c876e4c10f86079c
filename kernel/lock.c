// SPDX-License-Identifier: MIT
// One word, free or the core's number. Not a ticket lock on purpose: a virtual machine may have more cores than its host,
// and a lock that must go to the next in line waits whole time slices for one that is not running (measured: 60000
// contended turns of four cores on two took over 30 s, against 0.1 s). Exclusives only, so that they work on every
// core; waiters sleep in WFE, which the exclusive monitor ends when the holder writes the word (Arm ARM B2.9).
#include "kernel/lock.h"
#include "kernel/arm64/sysreg.h"
#include "kernel/panic.h"
#include "kernel/percpu.h"

#define HELD_MAX (sizeof ((struct percpu *)0)->held / 8)

void spin_init(struct spinlock *lock, enum lock_order order, const char *name)
{
    *lock = (struct spinlock)SPINLOCK(order, name);
}

bool spin_held(const struct spinlock *lock)
{
    return __atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == this_cpu()->index + 1;
}

// Locks are released in any order, so the highest one held is looked for.
static const struct spinlock *highest_held(const struct percpu *cpu)
{
    const struct spinlock *highest = NULL;
    for (uint32_t i = 0; i < cpu->lock_depth; i++) {
        const struct spinlock *held = (const struct spinlock *)cpu->held[i];
        if (!highest || held->order > highest->order)
            highest = held;
    }
    return highest;
}

bool spin_order_allows(const struct spinlock *lock)
{
    uint64_t daif = interrupts_mask();
    const struct spinlock *highest = highest_held(this_cpu());
    interrupts_restore(daif);
    return !highest || highest->order < lock->order;
}

void spin_lock(struct spinlock *lock)
{
    uint64_t daif = interrupts_mask();
    struct percpu *cpu = this_cpu();
    const struct spinlock *highest = highest_held(cpu);
    if (highest && highest->order >= lock->order)
        panic("lock order: \"%s\" (%u) taken while \"%s\" (%u) is held", lock->name, lock->order, highest->name, highest->order);
    if (cpu->lock_depth == HELD_MAX)
        panic("too many locks held when \"%s\" is taken", lock->name);

    uint32_t seen, failed;
    __asm__ volatile("   sevl\n"
                     "1: wfe\n"
                     "2: ldaxr %w0, [%2]\n"
                     "   cbnz  %w0, 1b\n"
                     "   stxr  %w1, %w3, [%2]\n"
                     "   cbnz  %w1, 2b"
                     : "=&r"(seen), "=&r"(failed) : "r"(&lock->owner), "r"(cpu->index + 1) : "memory");

    if (cpu->lock_depth == 0)
        cpu->saved_daif = daif;
    cpu->held[cpu->lock_depth++] = (uint64_t)lock;
}

void spin_unlock(struct spinlock *lock)
{
    struct percpu *cpu = this_cpu();
    if (lock->owner != cpu->index + 1)
        panic("lock \"%s\" released by core %u, held by %d", lock->name, cpu->index, (int)lock->owner - 1);
    uint32_t i = cpu->lock_depth;
    while (i && cpu->held[i - 1] != (uint64_t)lock)
        i--;
    if (!i)
        panic("lock \"%s\" is not in the list of core %u", lock->name, cpu->index);
    for (; i < cpu->lock_depth; i++)
        cpu->held[i - 1] = cpu->held[i];
    cpu->lock_depth--;

    __atomic_store_n(&lock->owner, 0, __ATOMIC_RELEASE);
    if (cpu->lock_depth == 0)
        interrupts_restore(cpu->saved_daif);
}
