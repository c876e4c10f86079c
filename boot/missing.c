// SPDX-License-Identifier: MIT
// Stand-ins for parts of other folders that are not linked in yet. Each says so; none pretends.
#include "kernel/arm64/exceptions.h"
#include "kernel/arm64/sysreg.h"
#include "kernel/interrupt.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/smp.h"
#include "kernel/time.h"
#include "boot/platform.h"
#include "tests/kernel/ktest.h"

#define WEAK __attribute__((weak))

WEAK void ktest_run(const char *prefix);

WEAK _Noreturn void kernel_start(void)
{
    char prefix[64];
    log_warning("missing: kernel_start");
    if (platform_option("janus.test", prefix, sizeof prefix) && ktest_run) {
        interrupts_enable();
        ktest_run(prefix);
    }
    machine_off();
}
WEAK _Noreturn void cpu_main(void)
{
    interrupts_enable();
    for (;;)
        wfi();
}
WEAK void reschedule_interrupt(void) { log_warning("missing: reschedule_interrupt"); }
WEAK void timer_interrupt(void)      { log_warning("missing: timer_interrupt"); }
WEAK void trap_irq(struct trap_frame *frame, int from_el0)
{
    (void)frame, (void)from_el0;
    interrupt_handle();
}
WEAK void trap_el0_sync(struct trap_frame *frame) { exception_fatal(frame); }
WEAK void trap_el1_sync(struct trap_frame *frame) { exception_fatal(frame); }
