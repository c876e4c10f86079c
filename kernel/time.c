// SPDX-License-Identifier: MIT
// The clock is the virtual counter, the interrupt the virtual timer (Arm ARM D12): both work under every hypervisor.
#include "kernel/time.h"
#include "boot/platform.h"
#include "kernel/arm64/sysreg.h"
#include "kernel/interrupt.h"
#include "kernel/log.h"
#include "kernel/panic.h"

static uint64_t boot_count;        // CNTVCT when the kernel started
static uint64_t frequency;         // Hz
static uint64_t ns_per_tick_32;    // 32.32 fixed point
static uint64_t ticks_per_ns_32;

static uint64_t counter(void)
{
    isb();
    return sysreg_read(cntvct_el0);
}

void time_init(void)
{
    frequency = sysreg_read(cntfrq_el0) & 0xffffffff;
    if (!frequency)
        frequency = 1000000;       // firmware forgot: time is wrong but moves
    ns_per_tick_32 = (1000000000ull << 32) / frequency;
    ticks_per_ns_32 = (frequency << 32) / 1000000000ull;
    boot_count = counter();
}

uint64_t time_ns(void)
{
    if (!frequency)
        return 0;
    return (unsigned __int128)(counter() - boot_count) * ns_per_tick_32 >> 32;
}

uint64_t time_frequency(void) { return frequency; }

void timer_arm(uint64_t deadline_ns)
{
    uint64_t ticks = (unsigned __int128)deadline_ns * ticks_per_ns_32 >> 32;
    sysreg_write(cntv_cval_el0, boot_count + ticks + 1);     // never early
    sysreg_write(cntv_ctl_el0, 1);
    isb();
}

void timer_disarm(void)
{
    sysreg_write(cntv_ctl_el0, 0);
    isb();
}

// The line is level-triggered: quiet before the handler runs, which arms it again.
static void timer_handler(void *unused)
{
    (void)unused;
    timer_disarm();
    timer_interrupt();
}

void timer_start_core(void)
{
    timer_disarm();
    CHECK(interrupt_register(platform.timer_irq, timer_handler, NULL));
}
