// SPDX-License-Identifier: MIT
// From the first C instruction at the link address to kernel_start.
#include "boot/handoff.h"
#include "boot/platform.h"
#include "kernel/log.h"
#include "kernel/smp.h"
#include "kernel/time.h"

_Noreturn void kernel_main(uint64_t dtb, uint64_t entry_el, uint64_t load_address);
_Noreturn void kernel_main(uint64_t dtb, uint64_t entry_el, uint64_t load_address)
{
    percpu_prepare(0, 0, 0);
    time_init();
    platform_read(dtb, load_address, (uint32_t)entry_el);
    log_info("Janus on %s", platform.machine);
    machine_off();
}
__attribute__((weak)) void timer_interrupt(void) { log_info("missing: timer_interrupt"); }
__attribute__((weak)) status_t frame_take(enum frame_owner owner, pa_t *out) { (void)owner; (void)out; return -1; }
__attribute__((weak)) void frame_give(pa_t frame) { (void)frame; }
_Noreturn void secondary_main(void);
_Noreturn void secondary_main(void) { for (;;) {} }
struct handoff handoff;
