// SPDX-License-Identifier: MIT
// Stand-ins for the translator while emu/run is not linked in: x64 processes are refused and the log says why.
#include "emu/run/emu.h"
#include "kernel/log.h"

#define WEAK __attribute__((weak))

WEAK status_t emu_init(void)
{
    log_warning("missing: the translator (emu/run)");
    return STATUS_SUCCESS;
}
WEAK status_t emu_process_create(struct aspace *as, struct emu_process **out)
{
    (void)as, (void)out;
    return STATUS_NOT_IMPLEMENTED;
}
WEAK void emu_process_destroy(struct emu_process *p) { (void)p; }
WEAK status_t emu_thread_create(struct emu_process *p, uva_t *area) { (void)p, (void)area; return STATUS_NOT_IMPLEMENTED; }
WEAK void emu_thread_destroy(struct emu_process *p, uva_t area) { (void)p, (void)area; }
WEAK status_t emu_process_make_tso(struct emu_process *p) { (void)p; return STATUS_NOT_IMPLEMENTED; }
WEAK void emu_enter(struct emu_process *p, struct trap_frame *f, uva_t a, uint64_t rip, uint32_t e) { (void)p, (void)f, (void)a, (void)rip, (void)e; }
WEAK enum emu_outcome emu_svc(struct emu_process *p, struct trap_frame *f, uint16_t i, struct exception *e) { (void)p, (void)f, (void)i, (void)e; return EMU_NOT_MINE; }
WEAK void emu_retry(struct emu_process *p, struct trap_frame *f) { (void)p, (void)f; }
WEAK enum emu_outcome emu_state(struct emu_process *p, struct trap_frame *f) { (void)p, (void)f; return EMU_NOT_MINE; }
WEAK void emu_invalidate(struct aspace *as, uva_t b, uint64_t s) { (void)as, (void)b, (void)s; }
WEAK void emu_count(struct emu_process *p, struct process_counters *out) { (void)p, (void)out; }
