// SPDX-License-Identifier: MIT
// From the first C instruction at the link address to kernel_start: each part in the order in which it may rely on the ones
// before it. The log of a boot is written here.
#include "boot/platform.h"
#include "kernel/arm64/cpu.h"
#include "kernel/arm64/kmap.h"
#include "kernel/arm64/sysreg.h"
#include "kernel/console.h"
#include "kernel/drivers/bcm2835_pm.h"
#include "kernel/interrupt.h"
#include "kernel/log.h"
#include "kernel/smp.h"
#include "kernel/time.h"

extern char boot_stack_top[];

_Noreturn void kernel_start(void);       // kernel/: reads the initrd, starts the scheduler

static void log_machine(void)
{
    static const char *const psci[] = { "no PSCI", "PSCI by hvc", "PSCI by smc" };
    char core[48];
    cpu_name(core, sizeof core);
    log_info("Janus on %s, entered at EL%u, loaded at %#lx", platform.machine, platform.entry_el, platform.load_address);
    log_info("cores: %u, %s, clock %lu Hz, %s", platform.cpu_count, core, (unsigned long)time_frequency(), psci[platform.psci]);
    log_info("console: %s at %#lx", platform.uart_compatible[0] ? platform.uart_compatible : "none", platform.uart_base);
}

static void log_memory(void)
{
    uint64_t total = 0, usable = 0;
    for (uint32_t i = 0; i < platform.memory_count; i++) {
        log_info("memory: %#lx-%#lx", platform.memory[i].start, platform.memory[i].end);
        total += platform.memory[i].end - platform.memory[i].start;
    }
    for (uint32_t i = 0; i < platform.free_count; i++)
        usable += platform.free_memory[i].end - platform.free_memory[i].start;
    log_info("memory: %lu KiB, %lu KiB free", (unsigned long)(total >> 10), (unsigned long)(usable >> 10));
    if (platform.initrd_end)
        log_info("initrd: %#lx-%#lx", platform.initrd_start, platform.initrd_end);
    if (platform.bootargs[0])
        log_info("bootargs: %s", platform.bootargs);
}

_Noreturn void kernel_main(uint64_t dtb, uint64_t entry_el, uint64_t load_address);
_Noreturn void kernel_main(uint64_t dtb, uint64_t entry_el, uint64_t load_address)
{
    percpu_prepare(0, sysreg_read(mpidr_el1) & 0xff00ffffff, boot_stack_top);
    time_init();
    cpu_start_core();
    platform_read(dtb, load_address, (uint32_t)entry_el);
    serror_enable();                     // one that firmware left pending is reported now that there is a console
    if (platform_option("janus.quiet", NULL, 0))
        log_set_level(LOG_WARNING);
    log_machine();
    log_memory();

    kmap_memory();
    frame_init(platform.free_memory, platform.free_count);
    kmap_frames_ready();
    if (platform.watchdog_base)
        bcm2835_pm_open(platform.watchdog_base);
    interrupt_start();
    timer_start_core();
    smp_start_core();
    console_enable_interrupt(platform.uart_irq);
    smp_start_all();

    char features[320];
    cpu_feature_text(features, sizeof features);
    log_info("%u of %u cores up, %s, features: %s", cpu_count, platform.cpu_count, platform.gic == GIC_V3 ? "GICv3" : "GICv2",
             features);
    kernel_start();
}
