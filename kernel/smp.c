// SPDX-License-Identifier: MIT
// Starting cores, calls across them, the end of the machine.
#include "kernel/smp.h"
#include "boot/platform.h"
#include "kernel/arm64/sysreg.h"
#include "kernel/console.h"
#include "kernel/drivers/bcm2835_pm.h"
#include "kernel/drivers/psci.h"

void smp_stop_others(void) { }

void machine_off(void)
{
    __asm__ volatile("msr daifset, #0xf" ::: "memory");
    psci_call(PSCI_SYSTEM_OFF, 0, 0, 0);
    bcm2835_pm_off();
    static const char text[] = "The machine has no power switch that the kernel knows. It may be turned off.\n";
    console_write_raw(text, sizeof text - 1);
    for (;;)
        wfi();
}
