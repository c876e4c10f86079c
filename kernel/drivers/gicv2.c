// SPDX-License-Identifier: MIT
// GICv2 (Arm IHI 0048): the distributor and this core's interface at one address for all. At most 8 cores. Written so that
// it works in either security state: group registers are left alone.
#include "boot/platform.h"
#include "kernel/arm64/kmap.h"
#include "kernel/arm64/mmio.h"
#include "kernel/arm64/sysreg.h"
#include "kernel/interrupt.h"

enum { GICD_CTLR = 0, GICD_TYPER = 4, GICD_ISENABLER = 0x100, GICD_ICENABLER = 0x180, GICD_IPRIORITYR = 0x400,
       GICD_ITARGETSR = 0x800, GICD_SGIR = 0xf00 };
enum { GICC_CTLR = 0, GICC_PMR = 4, GICC_IAR = 0xc, GICC_EOIR = 0x10 };

static volatile void *distributor, *interface;
static uint8_t core_mask[8];              // which bit of a target list is the core (percpu index)

static bool start(void)
{
    distributor = kmap_device(platform.gic_distributor, 0x1000);
    interface = kmap_device(platform.gic_cpu_interface, 0x1000);
    if (!distributor || !interface)
        return false;
    uint32_t lines = 32 * ((mmio_read32(distributor, GICD_TYPER) & 31) + 1);
    mmio_write32(distributor, GICD_CTLR, 0);
    for (uint32_t i = 32; i < lines; i += 32)
        mmio_write32(distributor, GICD_ICENABLER + i / 8, ~0u);
    for (uint32_t i = 32; i < lines; i += 4)
        mmio_write32(distributor, GICD_IPRIORITYR + i, 0xa0a0a0a0);
    mmio_write32(distributor, GICD_CTLR, 1);
    return true;
}

static bool start_core(void)
{
    uint32_t index = this_cpu()->index;
    if (index >= 8)
        return false;
    // The first eight target registers show this core's own bit.
    uint32_t mask = 0;
    for (uint32_t i = 0; !mask && i < 32; i += 4)
        mask = mmio_read32(distributor, GICD_ITARGETSR + i);
    mask |= mask >> 16;
    mask |= mask >> 8;
    core_mask[index] = mask & 0xff ? mask & 0xff : 1;      // a GIC for one core shows zero
    mmio_write32(distributor, GICD_ICENABLER, 0xffff0000);
    for (uint32_t i = 0; i < 32; i += 4)
        mmio_write32(distributor, GICD_IPRIORITYR + i, 0xa0a0a0a0);
    mmio_write32(interface, GICC_PMR, 0xf0);
    mmio_write32(interface, GICC_CTLR, 1);
    return true;
}

static void enable(uint32_t interrupt)
{
    if (interrupt >= 32)
        mmio_write8(distributor, GICD_ITARGETSR + interrupt, core_mask[0]);
    mmio_write32(distributor, GICD_ISENABLER + interrupt / 32 * 4, 1u << (interrupt & 31));
}

static uint32_t acknowledge(void)        { return mmio_read32(interface, GICC_IAR); }
static void     end(uint32_t token)      { mmio_write32(interface, GICC_EOIR, token); }

static void send(uint32_t cpu, uint32_t sgi)
{
    dsb_ish();                           // what the other core is to see comes first
    mmio_write32(distributor, GICD_SGIR, (uint32_t)core_mask[cpu] << 16 | sgi);
}

const struct interrupt_controller gicv2 = { "GICv2", start, start_core, enable, acknowledge, end, send };
