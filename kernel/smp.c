// SPDX-License-Identifier: MIT
// Starting cores, calls across them, the end of the machine.
//
// Cores are started one at a time: the boot core fills `handoff` for one MPIDR, cleans it to memory, starts the core and waits
// until it has reported. A core gets its index only then, so indexes below cpu_count have no holes.
#include "kernel/smp.h"
#include <string.h>
#include "boot/handoff.h"
#include "boot/platform.h"
#include "kernel/arm64/cpu.h"
#include "kernel/arm64/kmap.h"
#include "kernel/arm64/mmio.h"
#include "kernel/arm64/mmu.h"
#include "kernel/arm64/sysreg.h"
#include "kernel/console.h"
#include "kernel/drivers/bcm2835_pm.h"
#include "kernel/drivers/psci.h"
#include "kernel/interrupt.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/percpu.h"
#include "kernel/time.h"

#define START_TIMEOUT_NS 2000000000ull
#define CALL_TIMEOUT_NS  30000000000ull
#define STOP_TIMEOUT_NS  100000000ull

struct handoff handoff __attribute__((aligned(64))) = { .mpidr = ~0ull };
static uint32_t arrived;                  // index of the last core that reported

// ---- start ------------------------------------------------------------------------------------------------------------

static void clean_to_memory(const volatile void *line)
{
    __asm__ volatile("dc civac, %0; dsb sy" :: "r"(line) : "memory");
}

static void handoff_to(uint64_t mpidr, void *stack, struct percpu *cpu)
{
    volatile struct handoff *h = &handoff;
    h->stack = (uint64_t)stack;
    h->percpu = (uint64_t)cpu;
    dmb_ish();
    h->mpidr = mpidr;
    clean_to_memory(h);
}

// The cell lies in reserved RAM as a rule; anywhere else it is reached like a device.
static bool release(pa_t cell, pa_t entry)
{
    bool in_memory = false;
    for (uint32_t i = 0; i < platform.memory_count; i++)
        in_memory |= cell >= platform.memory[i].start && cell + 8 <= platform.memory[i].end;
    for (uint32_t i = 0; i < platform.no_map_count; i++)
        in_memory &= cell + 8 <= platform.no_map[i].start || cell >= platform.no_map[i].end;
    volatile void *p = in_memory ? (volatile void *)(LINEAR_BASE + cell) : cell & 7 ? NULL : kmap_device(cell, 8);
    if (!p || cell & 7)
        return false;
    mmio_write64(p, 0, entry);
    clean_to_memory(p);
    sev();
    return true;
}

static bool start_core(uint32_t listed, uint32_t index)
{
    uint64_t mpidr = platform.cpus[listed].mpidr;
    void *stack = kmap_stack_take();
    if (!stack) {
        log_error("core %#lx: no memory for its stack", mpidr);
        return false;
    }
    percpu_prepare(index, mpidr, stack);
    handoff_to(mpidr, stack, &percpu_blocks[index]);
    pa_t entry = kmap_image_pa(secondary_entry);
    if (platform.cpus[listed].spin_table) {
        if (!release(platform.cpus[listed].release_address, entry)) {
            log_error("core %#lx: bad cpu-release-addr %#lx", mpidr, platform.cpus[listed].release_address);
            goto failed;
        }
    } else {
        int32_t result = psci_call(PSCI_CPU_ON, mpidr, entry, 0);
        if (result) {
            log_error("core %#lx: PSCI CPU_ON: %s", mpidr, psci_error(result));
            goto failed;
        }
    }
    for (uint64_t end = time_ns() + START_TIMEOUT_NS; __atomic_load_n(&arrived, __ATOMIC_ACQUIRE) != index;)
        if (time_ns() > end) {
            // It may still come, and use the stack: neither is given to anybody else. The handoff no longer names it.
            log_error("core %#lx was started and has not arrived", mpidr);
            handoff_to(~0ull, NULL, NULL);
            return false;
        }
    return true;
failed:
    handoff_to(~0ull, NULL, NULL);
    kmap_stack_give(stack);
    return false;
}

void smp_start_all(void)
{
    for (uint32_t i = 1; i < platform.cpu_count; i++)
        if (start_core(i, cpu_count))
            __atomic_store_n(&cpu_count, cpu_count + 1, __ATOMIC_RELEASE);
    handoff_to(~0ull, NULL, NULL);
}

_Noreturn void secondary_main(void);
_Noreturn void secondary_main(void)
{
    uint32_t index = this_cpu()->index;
    cpu_start_core();
    serror_enable();
    interrupt_start_core();
    timer_start_core();
    smp_start_core();
    __atomic_store_n(&arrived, index, __ATOMIC_RELEASE);
    while (__atomic_load_n(&cpu_count, __ATOMIC_ACQUIRE) <= index)
        cpu_relax();
    cpu_main();
}

// ---- interrupts between cores -------------------------------------------------------------------------------------------

static struct {
    uint32_t owner;                       // index + 1 of the caller, 0: free
    uint32_t pending;                     // cores that have not run it yet
    void (*call)(void *);
    void *argument;
} cross_call;
static uint32_t stopped;                  // cores stopped for a panic

static void call_service(void *unused)
{
    (void)unused;
    uint32_t bit = 1u << this_cpu()->index;
    if (__atomic_load_n(&cross_call.pending, __ATOMIC_ACQUIRE) & bit) {
        cross_call.call(cross_call.argument);
        __atomic_fetch_and(&cross_call.pending, ~bit, __ATOMIC_RELEASE);
    }
}

void smp_call_others(void (*call)(void *), void *argument)
{
    CHECK(this_cpu()->lock_depth == 0);
    uint64_t daif = interrupts_mask();    // and so stay on this core
    uint32_t self = this_cpu()->index, others = (uint32_t)((1ull << __atomic_load_n(&cpu_count, __ATOMIC_ACQUIRE)) - 1) & ~(1u << self);
    if (others) {
        // Whoever waits for its turn serves the call that is in progress: its owner waits for this core, too.
        for (uint32_t nobody = 0;
             !__atomic_compare_exchange_n(&cross_call.owner, &nobody, self + 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED); nobody = 0)
            call_service(NULL);
        cross_call.call = call;
        cross_call.argument = argument;
        __atomic_store_n(&cross_call.pending, others, __ATOMIC_RELEASE);
        for (uint32_t i = 0; i < 32; i++)
            if (others >> i & 1)
                interrupt_send(i, SGI_CALL);
        uint32_t left;
        for (uint64_t end = time_ns() + CALL_TIMEOUT_NS; (left = __atomic_load_n(&cross_call.pending, __ATOMIC_ACQUIRE)) != 0;)
            if (time_ns() > end)
                panic("core %d does not answer a call", __builtin_ctz(left));
        __atomic_store_n(&cross_call.owner, 0, __ATOMIC_RELEASE);
    }
    interrupts_restore(daif);
}

void smp_poke(uint32_t cpu) { interrupt_send(cpu, SGI_RESCHEDULE); }

static void poked(void *unused)
{
    (void)unused;
    reschedule_interrupt();
}

static void stop(void *unused)
{
    (void)unused;
    __asm__ volatile("msr daifset, #0xf" ::: "memory");
    __atomic_fetch_add(&stopped, 1, __ATOMIC_RELEASE);
    for (;;)
        wfi();
}

void smp_start_core(void)
{
    CHECK(interrupt_register(SGI_RESCHEDULE, poked, NULL) && interrupt_register(SGI_CALL, call_service, NULL) &&
          interrupt_register(SGI_STOP, stop, NULL));
}

// A core that has interrupts masked for good cannot be stopped so; the report does not wait for it for long.
void smp_stop_others(void)
{
    uint32_t others = cpu_count - 1;
    if (!others)
        return;
    for (uint32_t i = 0; i < cpu_count; i++)
        if (i != this_cpu()->index)
            interrupt_send(i, SGI_STOP);
    for (uint64_t end = time_ns() + STOP_TIMEOUT_NS; __atomic_load_n(&stopped, __ATOMIC_ACQUIRE) < others && time_ns() < end;) { }
}

// ---- the end ----------------------------------------------------------------------------------------------------------

void machine_off(void)
{
    __asm__ volatile("msr daifset, #0xf" ::: "memory");
    console_flush();
    psci_call(PSCI_SYSTEM_OFF, 0, 0, 0);
    bcm2835_pm_off();
    static const char text[] = "The machine has no power switch that the kernel knows. It may be turned off.\n";
    console_write_raw(text, sizeof text - 1);
    for (;;)
        wfi();
}
