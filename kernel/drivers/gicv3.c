// SPDX-License-Identifier: MIT
// GICv3 (Arm IHI 0069) with affinity routing: distributor, one redistributor a core, CPU interface in system registers.
// Everything is group 1 as the non-secure world sees it. No ITS, no LPIs.
#include "boot/platform.h"
#include "kernel/arm64/kmap.h"
#include "kernel/arm64/mmio.h"
#include "kernel/arm64/sysreg.h"
#include "kernel/interrupt.h"
#include "kernel/time.h"

enum { GICD_CTLR = 0, GICD_TYPER = 4, GICD_IGROUPR = 0x80, GICD_ISENABLER = 0x100, GICD_ICENABLER = 0x180,
       GICD_IPRIORITYR = 0x400, GICD_IROUTER = 0x6000 };
enum { CTLR_GROUP1 = 1 << 1, CTLR_ARE = 1 << 4, CTLR_WRITE_PENDING = 1u << 31 };
// Redistributor: the RD frame, then 64 KiB later the SGI frame; with GICv4 two more (TYPER.VLPIS).
enum { GICR_TYPER = 8, GICR_WAKER = 0x14, SGI_FRAME = 0x10000, GICR_STRIDE = 0x20000, GICR_STRIDE_V4 = 0x40000 };
enum { GICR_IGROUPR0 = SGI_FRAME + 0x80, GICR_ISENABLER0 = SGI_FRAME + 0x100, GICR_ICENABLER0 = SGI_FRAME + 0x180,
       GICR_IPRIORITYR = SGI_FRAME + 0x400 };
enum { TYPER_VLPIS = 1 << 1, TYPER_LAST = 1 << 4, WAKER_SLEEP = 1 << 1, WAKER_ASLEEP = 1 << 2 };

#define ICC_PMR_EL1     s3_0_c4_c6_0
#define ICC_IAR1_EL1    s3_0_c12_c12_0
#define ICC_EOIR1_EL1   s3_0_c12_c12_1
#define ICC_BPR1_EL1    s3_0_c12_c12_3
#define ICC_CTLR_EL1    s3_0_c12_c12_4
#define ICC_SRE_EL1     s3_0_c12_c12_5
#define ICC_IGRPEN1_EL1 s3_0_c12_c12_7
#define ICC_SGI1R_EL1   s3_0_c12_c11_5
#define READ(name)         sysreg_read_name(name)
#define sysreg_read_name(name)         sysreg_read(name)
#define WRITE(name, value) sysreg_write_name(name, value)
#define sysreg_write_name(name, value) sysreg_write(name, value)

static volatile void *distributor, *redistributors;
static volatile char *redistributor[CPU_MAX];

static bool wait_clear(volatile void *base, uint64_t offset, uint32_t bit)
{
    for (uint64_t end = time_ns() + 100000000; mmio_read32(base, offset) & bit;)
        if (time_ns() > end)
            return false;
    return true;
}

static bool start(void)
{
    distributor = kmap_device(platform.gic_distributor, 0x10000);
    redistributors = kmap_device(platform.gic_redistributor, platform.gic_redistributor_bytes);
    if (!distributor || !redistributors)
        return false;
    uint32_t lines = 32 * ((mmio_read32(distributor, GICD_TYPER) & 31) + 1);
    if (lines > INTERRUPT_MAX)
        lines = INTERRUPT_MAX;
    mmio_write32(distributor, GICD_CTLR, 0);
    if (!wait_clear(distributor, GICD_CTLR, CTLR_WRITE_PENDING))
        return false;
    for (uint32_t i = 32; i < lines; i += 32) {
        mmio_write32(distributor, GICD_ICENABLER + i / 8, ~0u);
        mmio_write32(distributor, GICD_IGROUPR + i / 8, ~0u);
    }
    for (uint32_t i = 32; i < lines; i += 4)
        mmio_write32(distributor, GICD_IPRIORITYR + i, 0xa0a0a0a0);
    mmio_write32(distributor, GICD_CTLR, CTLR_ARE | CTLR_GROUP1);
    return wait_clear(distributor, GICD_CTLR, CTLR_WRITE_PENDING);
}

// GICR_TYPER[63:32] is Aff3.Aff2.Aff1.Aff0 of the frame's core.
static volatile char *find_redistributor(uint64_t mpidr)
{
    uint64_t affinity = (mpidr >> 32 & 0xff) << 24 | (mpidr & 0xffffff);
    volatile char *frame = (volatile char *)redistributors, *last = frame + platform.gic_redistributor_bytes;
    while (frame + GICR_STRIDE <= last) {
        uint64_t type = mmio_read64(frame, GICR_TYPER);
        if (type >> 32 == affinity)
            return frame;
        if (type & TYPER_LAST)
            break;
        frame += type & TYPER_VLPIS ? GICR_STRIDE_V4 : GICR_STRIDE;
    }
    return NULL;
}

static bool start_core(void)
{
    struct percpu *cpu = this_cpu();
    volatile char *frame = find_redistributor(cpu->mpidr);
    if (!frame)
        return false;
    redistributor[cpu->index] = frame;
    mmio_write32(frame, GICR_WAKER, mmio_read32(frame, GICR_WAKER) & ~(uint32_t)WAKER_SLEEP);
    if (!wait_clear(frame, GICR_WAKER, WAKER_ASLEEP))
        return false;
    mmio_write32(frame, GICR_IGROUPR0, ~0u);
    mmio_write32(frame, GICR_ICENABLER0, 0xffff0000);
    for (uint32_t i = 0; i < 32; i += 4)
        mmio_write32(frame, GICR_IPRIORITYR + i, 0xa0a0a0a0);

    WRITE(ICC_SRE_EL1, READ(ICC_SRE_EL1) | 1);
    isb();
    if (!(READ(ICC_SRE_EL1) & 1))
        return false;
    WRITE(ICC_PMR_EL1, 0xf0);
    WRITE(ICC_BPR1_EL1, 0);
    WRITE(ICC_CTLR_EL1, 0);              // EOI drops priority and deactivates
    WRITE(ICC_IGRPEN1_EL1, 1);
    isb();
    return true;
}

static void enable(uint32_t interrupt)
{
    if (interrupt < 32) {
        mmio_write32(redistributor[this_cpu()->index], GICR_ISENABLER0, 1u << interrupt);
        return;
    }
    mmio_write64(distributor, GICD_IROUTER + 8 * interrupt, percpu_blocks[0].mpidr);
    mmio_write32(distributor, GICD_ISENABLER + interrupt / 32 * 4, 1u << (interrupt & 31));
}

static uint32_t acknowledge(void)
{
    uint32_t interrupt = (uint32_t)READ(ICC_IAR1_EL1) & 0xffffff;
    dsb_sy();
    return interrupt < INTERRUPT_MAX ? interrupt : 1023;
}

static void end(uint32_t token)
{
    WRITE(ICC_EOIR1_EL1, token);
    isb();
}

static void send(uint32_t cpu, uint32_t sgi)
{
    uint64_t mpidr = percpu_blocks[cpu].mpidr, low = mpidr & 0xff;
    dsb_ish();
    // Aff3 | range selector | Aff2 | INTID | Aff1 | target list: 16 cores from Aff0 = 16 * RS.
    WRITE(ICC_SGI1R_EL1, (mpidr >> 32 & 0xff) << 48 | (low >> 4) << 44 | (mpidr >> 16 & 0xff) << 32 | (uint64_t)sgi << 24 |
          (mpidr >> 8 & 0xff) << 16 | 1ull << (low & 15));
    isb();
}

const struct interrupt_controller gicv3 = { "GICv3", start, start_core, enable, acknowledge, end, send };
