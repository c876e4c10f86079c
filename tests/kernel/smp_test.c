// SPDX-License-Identifier: MIT
// Locks, calls across cores, context switches, FP state.
#include <string.h>
#include "kernel/arm64/kmap.h"
#include "kernel/arm64/switch.h"
#include "kernel/arm64/sysreg.h"
#include "kernel/arm64/trap.h"
#include "kernel/lock.h"
#include "kernel/percpu.h"
#include "kernel/smp.h"
#include "tests/kernel/ktest.h"

static uint32_t reached[CPU_MAX];

static void note_core(void *argument)
{
    KEXPECT(argument == reached);
    __atomic_fetch_add(&reached[this_cpu()->index], 1, __ATOMIC_RELAXED);
}

KTEST(smp_call_reaches_every_other_core_once)
{
    for (int round = 1; round <= 50; round++) {
        memset(reached, 0, sizeof reached);
        uint64_t daif = interrupts_mask();       // stay here
        uint32_t self = this_cpu()->index;
        smp_call_others(note_core, reached);
        interrupts_restore(daif);
        for (uint32_t i = 0; i < CPU_MAX; i++)
            KEXPECT(reached[i] == (i < cpu_count && i != self));
    }
}

KTEST(smp_cores_are_distinct)
{
    KEXPECT(cpu_count >= 1 && cpu_count <= CPU_MAX);
    for (uint32_t i = 0; i < cpu_count; i++) {
        KEXPECT(percpu_blocks[i].index == i);
        for (uint32_t j = 0; j < i; j++)
            KEXPECT(percpu_blocks[i].mpidr != percpu_blocks[j].mpidr);
    }
}

#define ROUNDS 20000
static struct spinlock counted_lock = SPINLOCK(LOCK_OBJECT, "test counter");
static volatile uint64_t counted;                // no atomic access: the lock is what is tested

static void count_up(void *unused)
{
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        spin_lock(&counted_lock);
        counted = counted + 1;
        spin_unlock(&counted_lock);
    }
}

KTEST(lock_excludes_other_cores)
{
    counted = 0;
    smp_call_others(count_up, NULL);
    count_up(NULL);
    KEXPECT(counted == (uint64_t)ROUNDS * cpu_count);
    KEXPECT(!spin_held(&counted_lock) && counted_lock.owner == 0);
}

KTEST(lock_order_is_checked)
{
    struct spinlock low, middle, same, high;
    spin_init(&low, LOCK_EMU, "low");
    spin_init(&middle, LOCK_SECTION, "middle");
    spin_init(&same, LOCK_SECTION, "same");
    spin_init(&high, LOCK_HEAP, "high");
    KEXPECT(spin_order_allows(&low) && spin_order_allows(&high));
    spin_lock(&middle);
    KEXPECT(!spin_order_allows(&low));
    KEXPECT(!spin_order_allows(&same));
    KEXPECT(!spin_order_allows(&middle));
    KEXPECT(spin_order_allows(&high));
    spin_lock(&high);
    spin_unlock(&middle);                        // not the last taken
    KEXPECT(!spin_order_allows(&middle));
    spin_unlock(&high);
    KEXPECT(spin_order_allows(&low));
}

KTEST(lock_masks_interrupts_until_the_last_is_released)
{
    struct spinlock a, b;
    spin_init(&a, LOCK_EMU, "a");
    spin_init(&b, LOCK_HEAP, "b");
    uint32_t depth = this_cpu()->lock_depth;
    KEXPECT(depth == 0 && interrupts_enabled());
    spin_lock(&a);
    KEXPECT(spin_held(&a) && !spin_held(&b) && !interrupts_enabled());
    spin_lock(&b);
    spin_unlock(&a);
    KEXPECT(!spin_held(&a) && spin_held(&b) && !interrupts_enabled());
    spin_unlock(&b);
    KEXPECT(interrupts_enabled());
    uint64_t daif = interrupts_mask();
    spin_lock(&a);
    spin_unlock(&a);
    KEXPECT(!interrupts_enabled());              // as it was before
    interrupts_restore(daif);
}

KTEST(fp_state_survives_load_and_save)
{
    static struct fp_state kept, in, out;
    for (unsigned i = 0; i < 32; i++)
        in.v[i] = ((unsigned __int128)0x0123456789abcdef * (i + 1)) << 64 | (0xfedcba9876543210 - i);
    in.fpcr = 0x00c00000;                        // round to zero
    in.fpsr = 0x0800009f;
    uint64_t daif = interrupts_mask();
    fp_save(&kept);
    fp_load(&in);
    fp_save(&out);
    fp_load(&kept);
    interrupts_restore(daif);
    KEXPECT(!memcmp(in.v, out.v, sizeof in.v));
    KEXPECT(out.fpcr == in.fpcr && out.fpsr == in.fpsr);
}

static struct cpu_context here, there;
static uint64_t visits;

static void visitor(void *argument)
{
    for (;;) {
        visits += (uint64_t)argument;
        context_switch(&there, &here);
    }
}

KTEST(context_switch_goes_there_and_back)
{
    void *stack = kmap_stack_take();
    KEXPECT(stack != NULL);
    if (!stack)
        return;
    visits = 0;
    uint64_t daif = interrupts_mask();
    context_prepare(&there, stack, visitor, (void *)7);
    for (int i = 0; i < 3; i++)
        context_switch(&here, &there);
    interrupts_restore(daif);
    KEXPECT(visits == 21);
    kmap_stack_give(stack);
}
