// SPDX-License-Identifier: MIT
// Ticket locks: first come, first served. The low half of `ticket` is the next ticket, the high half the one being served.
// Exclusives only, so that they work on every core; waiters sleep in WFE, which the exclusive monitor ends when the holder
// writes the word (Arm ARM B2.9).
#include "kernel/lock.h"
#include "kernel/arm64/sysreg.h"
#include "kernel/panic.h"
#include "kernel/percpu.h"

#define HELD_MAX (sizeof ((struct percpu *)0)->held / 8)
#define NOBODY   0            // owner is the core's index + 1

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

    uint32_t old, next, failed;
    __asm__ volatile("1: ldaxr %w0, [%3]\n"
                     "   and   %w1, %w0, #0xffff0000\n"
                     "   add   %w2, %w0, #1\n"
                     "   bfxil %w1, %w2, #0, #16\n"
                     "   stxr  %w2, %w1, [%3]\n"
                     "   cbnz  %w2, 1b"
                     : "=&r"(old), "=&r"(next), "=&r"(failed) : "r"(&lock->ticket) : "memory");
    uint32_t mine = old & 0xffff, serving = old >> 16;
    while (serving != mine)
        __asm__ volatile("   sevl\n"
                         "1: wfe\n"
                         "   ldaxrh %w0, [%1]\n"
                         "   cmp    %w0, %w2\n"
                         "   b.ne   1b"
                         : "=&r"(serving) : "r"((uint16_t *)&lock->ticket + 1), "r"(mine) : "memory", "cc");

    if (cpu->lock_depth == 0)
        cpu->saved_daif = daif;
    cpu->held[cpu->lock_depth++] = (uint64_t)lock;
    __atomic_store_n(&lock->owner, cpu->index + 1, __ATOMIC_RELAXED);
}

void spin_unlock(struct spinlock *lock)
{
    struct percpu *cpu = this_cpu();
    if (lock->owner != cpu->index + 1)
        panic("lock \"%s\" released by core %u, held by %d", lock->name, cpu->index, lock->owner - 1);
    uint32_t i = cpu->lock_depth;
    while (i && cpu->held[i - 1] != (uint64_t)lock)
        i--;
    if (!i)
        panic("lock \"%s\" is not in the list of core %u", lock->name, cpu->index);
    for (; i < cpu->lock_depth; i++)
        cpu->held[i - 1] = cpu->held[i];
    cpu->lock_depth--;

    __atomic_store_n(&lock->owner, NOBODY, __ATOMIC_RELAXED);
    uint16_t *serving = (uint16_t *)&lock->ticket + 1;
    __atomic_store_n(serving, (uint16_t)(*serving + 1), __ATOMIC_RELEASE);
    if (cpu->lock_depth == 0)
        interrupts_restore(cpu->saved_daif);
}
