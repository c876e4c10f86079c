// SPDX-License-Identifier: MIT
// Ways to break the kernel, one a boot; tests/harness/panics.py reads the reports.
#include "boot/platform.h"
#include "kernel/arm64/mmu.h"
#include "kernel/lock.h"
#include "kernel/panic.h"
#include "kernel/smp.h"
#include "tests/kernel/ktest.h"

KTEST(crash_check)
{
    volatile int two = 2;
    CHECK(two + two == 5);
}

KTEST(crash_null)
{
    *(volatile uint64_t *)0x18 = 1;
}

KTEST(crash_text_write)
{
    extern char image_start[];
    *(volatile char *)image_start = 0;
}

KTEST(crash_data_execute)
{
    static uint32_t code[] = { 0xd65f03c0 };     // ret
    ((void (*)(void))code)();
}

__attribute__((noinline)) static uint64_t recurse(uint64_t depth)
{
    volatile uint64_t room[32];
    room[depth & 31] = depth;
    return room[depth & 31] > 1ull << 40 ? 0 : recurse(depth + 1) + room[depth & 31];
}

KTEST(crash_stack_overflow) { KEXPECT(recurse(0) == 0); }

KTEST(crash_lock_order)
{
    struct spinlock first, second;
    spin_init(&first, LOCK_HEAP, "crash first");
    spin_init(&second, LOCK_EMU, "crash second");
    spin_lock(&first);
    spin_lock(&second);
}

KTEST(crash_past_memory)
{
    // Past the last RAM there is nothing in the linear map.
    pa_t end = platform.memory[platform.memory_count - 1].end;
    (void)*(volatile uint64_t *)(LINEAR_BASE + end);
}

static void fail_elsewhere(void *unused)
{
    (void)unused;
    panic("on purpose, on another core");
}

KTEST(crash_other_core) { smp_call_others(fail_elsewhere, NULL); }
