// SPDX-License-Identifier: MIT
#include "kernel/interrupt.h"
#include "boot/platform.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/percpu.h"

static struct { void (*call)(void *); void *argument; } handlers[INTERRUPT_MAX];
static const struct interrupt_controller *controller;
static uint32_t strays;                   // interrupts nobody registered for

void interrupt_start(void)
{
    controller = platform.gic == GIC_V3 ? &gicv3 : &gicv2;
    if (!controller->start())
        panic("the %s at %#lx does not answer as one", controller->name, platform.gic_distributor);
    interrupt_start_core();
}

void interrupt_start_core(void)
{
    if (!controller->start_core())
        panic("core %u has no interface of the %s", this_cpu()->index, controller->name);
}

bool interrupt_register(uint32_t interrupt, void (*handler)(void *), void *argument)
{
    if (!controller || interrupt >= INTERRUPT_MAX || (handlers[interrupt].call && handlers[interrupt].call != handler))
        return false;
    handlers[interrupt].argument = argument;
    __atomic_store_n(&handlers[interrupt].call, handler, __ATOMIC_RELEASE);
    controller->enable(interrupt);
    return true;
}

void interrupt_send(uint32_t cpu, uint32_t sgi) { controller->send(cpu, sgi); }

void interrupt_handle(void)
{
    for (;;) {
        uint32_t token = controller->acknowledge(), interrupt = token & 0x3ff;
        if (interrupt >= INTERRUPT_MAX)
            return;
        controller->end(token);
        void (*call)(void *) = __atomic_load_n(&handlers[interrupt].call, __ATOMIC_ACQUIRE);
        if (call)
            call(handlers[interrupt].argument);
        else if (strays++ < 8)
            log_warning("interrupt %u has no handler", interrupt);
    }
}
