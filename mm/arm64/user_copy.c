// SPDX-License-Identifier: MIT
#include <stddef.h>
#include "kernel/arm64/sysreg.h"
#include "kernel/arm64/trap.h"
#include "kernel/percpu.h"
#include "mm/arm64/ptab.h"
#include "mm/aspace.h"
#include "mm/user.h"

struct user_stop { uint64_t left, address; };
struct user_stop user_copy_in_raw(void *to, uint64_t from, uint64_t bytes);
struct user_stop user_copy_out_raw(uint64_t to, const void *from, uint64_t bytes);

struct fixup { uint64_t pc, target; };
extern const struct fixup fixups_start[], fixups_end[];    // user_copy.S

#define ESR_EC(esr)       ((esr) >> 26 & 63)
#define EC_DATA_ABORT_EL1 0x25u
#define ESR_DFSC(esr)     ((esr) & 63)
#define DFSC_TRANSLATION  0x04u          // .. 0x0f: access flag and permission faults, each with its level
#define DFSC_LAST         0x0fu

bool user_fixup(struct trap_frame *frame)
{
    uint64_t status = ESR_DFSC(frame->esr);
    if (ESR_EC(frame->esr) != EC_DATA_ABORT_EL1 || status < DFSC_TRANSLATION || status > DFSC_LAST)
        return false;
    for (const struct fixup *fixup = fixups_start; fixup < fixups_end; fixup++)
        if (fixup->pc == frame->elr) {
            frame->elr = fixup->target;
            frame->x[1] = frame->far;
            return true;
        }
    return false;
}

// The thread may move to another core between the two loads unless interrupts are masked.
static struct aspace *current_aspace(void)
{
    uint64_t daif = interrupts_mask();
    struct aspace *as = this_cpu()->active_aspace;
    interrupts_restore(daif);
    return as;
}

static status_t fault_repair(uint64_t address, enum page_access access)
{
    struct aspace *as = current_aspace();
    switch (as ? aspace_fault(as, address, access) : FAULT_ACCESS_VIOLATION) {
    case FAULT_RETRY:          return STATUS_SUCCESS;
    case FAULT_GUARD_PAGE:     return STATUS_GUARD_PAGE_VIOLATION;
    case FAULT_STACK_OVERFLOW: return STATUS_STACK_OVERFLOW;
    case FAULT_NO_MEMORY:      return STATUS_NO_MEMORY;
    default:                   return STATUS_ACCESS_VIOLATION;
    }
}

static bool in_user_half(uint64_t address, uint64_t bytes)    // nothing is everywhere
{
    return bytes == 0 || (bytes <= PTAB_TOP && address <= PTAB_TOP - bytes);
}

status_t user_copy_in(void *to, uint64_t from, uint64_t bytes)
{
    if (!in_user_half(from, bytes))
        return STATUS_ACCESS_VIOLATION;
    for (uint64_t done = 0; done < bytes; ) {
        struct user_stop stop = user_copy_in_raw((uint8_t *)to + done, from + done, bytes - done);
        done = bytes - stop.left;
        if (stop.left) {
            status_t status = fault_repair(stop.address, ACCESS_READ);
            if (status != STATUS_SUCCESS)
                return status;
        }
    }
    return STATUS_SUCCESS;
}

status_t user_copy_out(uint64_t to, const void *from, uint64_t bytes)
{
    if (!in_user_half(to, bytes))
        return STATUS_ACCESS_VIOLATION;
    for (uint64_t done = 0; done < bytes; ) {
        struct user_stop stop = user_copy_out_raw(to + done, (const uint8_t *)from + done, bytes - done);
        done = bytes - stop.left;
        if (stop.left) {
            status_t status = fault_repair(stop.address, ACCESS_WRITE);
            if (status != STATUS_SUCCESS)
                return status;
        }
    }
    return STATUS_SUCCESS;
}
