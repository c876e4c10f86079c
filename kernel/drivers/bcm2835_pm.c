// SPDX-License-Identifier: MIT
// Power manager of the BCM2835 family: there is no "off", only a reset after which the firmware halts when RSTS holds the
// partition number 63 (written as 0x555).
#include "kernel/drivers/bcm2835_pm.h"
#include "kernel/arm64/kmap.h"
#include "kernel/arm64/mmio.h"
#include "kernel/time.h"

enum { RSTC = 0x1c, RSTS = 0x20, WDOG = 0x24 };
#define PASSWORD   0x5a000000u
#define HALT       0x555u
#define FULL_RESET 0x20u

static volatile void *registers;

void bcm2835_pm_open(pa_t base) { registers = kmap_device(base, 0x28); }

void bcm2835_pm_off(void)
{
    if (!registers)
        return;
    mmio_write32(registers, RSTS, PASSWORD | HALT | mmio_read32(registers, RSTS));
    mmio_write32(registers, WDOG, PASSWORD | 10);                // 10 ticks of 16 us
    mmio_write32(registers, RSTC, PASSWORD | (mmio_read32(registers, RSTC) & 0xffffffcf) | FULL_RESET);
    for (uint64_t end = time_ns() + 1000000000; time_ns() < end;) { }
}
