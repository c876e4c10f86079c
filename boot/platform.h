// SPDX-License-Identifier: MIT
// What the device tree says about the machine; filled once by platform_read on the boot core, read-only afterwards.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "kernel/percpu.h"
#include "mm/frame.h"

enum psci_method { PSCI_NONE, PSCI_HVC, PSCI_SMC };
enum gic_version { GIC_NONE, GIC_V2, GIC_V3 };

struct platform {
    char machine[64];                          // root "model" or first "compatible"
    struct memory_range memory[16];            uint32_t memory_count;      // all RAM
    struct memory_range free_memory[32];       uint32_t free_count;        // RAM less everything reserved (kernel, DTB, initrd, memreserve)
    struct memory_range no_map[16];            uint32_t no_map_count;      // reserved so that it may not even be mapped
    pa_t load_address, image_end;              // of the kernel, page aligned
    pa_t initrd_start, initrd_end;             // 0,0: none
    char bootargs[2048];
    struct { uint64_t mpidr; pa_t release_address; bool spin_table; } cpus[CPU_MAX];  uint32_t cpu_count;
    enum psci_method psci;
    enum gic_version gic;  pa_t gic_distributor, gic_cpu_interface, gic_redistributor;  uint64_t gic_redistributor_bytes;
    uint32_t timer_irq;                        // INTID of the virtual timer
    char uart_compatible[64];  pa_t uart_base;  uint32_t uart_irq;
    pa_t rtc_base;                             // PL031 real-time clock, 0: none
    pa_t watchdog_base;                        // BCM2835 power manager, 0: none
    uint32_t entry_el;                         // 1 or 2
};
extern struct platform platform;

// Reads the tree at physical address dtb, whose first 2 MiB block is mapped at DTB_BASE, and opens the console. Panics with a
// clear message when something without which nothing works is missing or wrong.
void platform_read(pa_t dtb, pa_t load_address, uint32_t entry_el);

// Value of the word "name=value" in bootargs copied to out (empty string for a bare "name"); false when absent.
bool platform_option(const char *name, char *out, uint32_t size);
