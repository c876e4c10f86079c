// SPDX-License-Identifier: MIT
// The interrupt controller, whichever the device tree names, and who is called for an interrupt.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define INTERRUPT_MAX      1020          // INTIDs below this: 0..15 SGI, 16..31 PPI (each core its own), 32.. SPI
enum { SGI_RESCHEDULE, SGI_CALL, SGI_STOP, SGI_COUNT };

struct interrupt_controller {
    const char *name;
    bool     (*start)(void);                          // boot core: map the registers, distributor on
    bool     (*start_core)(void);                     // every core
    void     (*enable)(uint32_t interrupt);           // PPIs and SGIs on this core; SPIs to the boot core
    uint32_t (*acknowledge)(void);                    // token; its low 10 bits are the INTID, 1020.. nothing pending
    void     (*end)(uint32_t token);
    void     (*send)(uint32_t cpu, uint32_t sgi);     // to one core (percpu index)
};
extern const struct interrupt_controller gicv2, gicv3;

void interrupt_start(void);              // boot core: controller by platform.gic, then this core
void interrupt_start_core(void);         // every other core
// Handlers run with interrupts masked, after the interrupt has been ended, so that a handler may switch threads. For a PPI
// or SGI: call on each core that wants it (same handler).
bool interrupt_register(uint32_t interrupt, void (*handler)(void *), void *argument);
void interrupt_send(uint32_t cpu, uint32_t sgi);
// Everything pending on this core; trap_irq is this.
void interrupt_handle(void);
