// SPDX-License-Identifier: MIT
// Number 0 is nobody's: cores without a user half run under it.
//
// A core announces what it runs in active[cpu]. The usual switch touches no lock: if the space's generation is current and
// active[cpu] has not been taken away, a compare-and-swap announces it. A new generation takes every active[cpu] away
// (exchange with 0) and remembers it in kept[cpu]: such a number stays with its space, because that core goes on using
// it. Either the swap came first and the number is kept, or it fails and the core comes through the lock.
#include "mm/asid.h"
#include <stdbool.h>
#include "kernel/lock.h"
#include "kernel/percpu.h"
#include "mm/arm64/tlb.h"

#define NUMBER_BITS 16
#define NUMBER_MASK ((1u << NUMBER_BITS) - 1)
#define FIRST_GENERATION (1ull << NUMBER_BITS)

static struct spinlock asid_lock = SPINLOCK(LOCK_ASID, "asid");
static uint64_t generation = FIRST_GENERATION;
static uint64_t active[CPU_MAX], kept[CPU_MAX];
static uint64_t used[(NUMBER_MASK + 1) / 64];
static uint32_t next_number = 1;

static bool number_claim(uint32_t number)
{
    uint64_t bit = 1ull << (number % 64);
    bool free = !(used[number / 64] & bit);
    used[number / 64] |= bit;
    return free;
}

static void generation_begin(void)
{
    __atomic_store_n(&generation, generation + FIRST_GENERATION, __ATOMIC_RELAXED);
    __builtin_memset(used, 0, sizeof used);
    for (uint32_t cpu = 0; cpu < CPU_MAX; cpu++) {
        uint64_t running = __atomic_exchange_n(&active[cpu], 0, __ATOMIC_SEQ_CST);
        if (running)
            kept[cpu] = running;
        if (kept[cpu])
            number_claim(kept[cpu] & NUMBER_MASK);
    }
    tlb_begin();
    tlb_invalidate_all();
    tlb_end();
}

// The context is that of cores that kept it over a new generation: they must all know its new name.
static bool kept_rename(uint64_t context, uint64_t renamed)
{
    bool found = false;
    for (uint32_t cpu = 0; cpu < CPU_MAX; cpu++)
        if (kept[cpu] == context) {
            kept[cpu] = renamed;
            found = true;
        }
    return found;
}

static uint64_t context_create(uint64_t old)
{
    if (old) {
        uint64_t renamed = generation | (old & NUMBER_MASK);
        if (kept_rename(old, renamed) || number_claim(old & NUMBER_MASK))
            return renamed;
    }
    uint32_t numbers = 1u << asid_bits();
    for (uint32_t tries = 0; ; tries++, next_number++) {
        if (next_number >= numbers)
            next_number = 1;
        if (tries == numbers) {
            generation_begin();
            tries = 0;
        }
        if (number_claim(next_number))
            return generation | next_number++;
    }
}

uint16_t asid_activate(struct asid *asid, uint32_t cpu)
{
    uint64_t context = __atomic_load_n(&asid->context, __ATOMIC_RELAXED);
    uint64_t running = __atomic_load_n(&active[cpu], __ATOMIC_RELAXED);
    uint64_t now = __atomic_load_n(&generation, __ATOMIC_RELAXED);
    if (running && (context ^ now) >> NUMBER_BITS == 0 &&
        __atomic_compare_exchange_n(&active[cpu], &running, context, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
        return context & NUMBER_MASK;
    spin_lock(&asid_lock);
    context = asid->context;
    if ((context ^ generation) >> NUMBER_BITS) {
        context = context_create(context);
        __atomic_store_n(&asid->context, context, __ATOMIC_RELAXED);
    }
    __atomic_store_n(&active[cpu], context, __ATOMIC_SEQ_CST);
    spin_unlock(&asid_lock);
    // A core that changes a table and then reads asid->context either sees this one, or this core's walks see its change.
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return context & NUMBER_MASK;
}

uint16_t asid_number(const struct asid *asid)
{
    return __atomic_load_n(&asid->context, __ATOMIC_RELAXED) & NUMBER_MASK;
}

uint64_t asid_generation(void)
{
    return __atomic_load_n(&generation, __ATOMIC_RELAXED) >> NUMBER_BITS;
}
