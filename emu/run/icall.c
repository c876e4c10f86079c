// SPDX-License-Identifier: MIT
// Calls that ARM64EC code makes through pointers. It calls a checker first (EMU_STUB_CHECK_ICALL), which sends those of x64 code through
// their exit thunk. A process begins with a short checker that lets everything pass and keeps the exit thunk in x9, which the compiler
// has to leave alone as far as the call (ARM64EC ABI: there the checker names the x64 target). A call of x64 code is an instruction abort
// then, and is done from here. A process that makes such calls gets the other page of stubs, for good, whose checker looks.
// Its address is the same, so it is no matter what a program has read of its slots, or how far a thread is.
#include "emu/run/runtime.h"

#include "kernel/panic.h"
#include "mm/arm64/cache.h"
#include <string.h>

// Such a call costs the kernel some 700 instructions, the other checker three more than the short one.
enum { CALLS_MOST = 16 };

static pa_t full_frame, short_frame;

static void checker_copy(uint8_t *page, const uint8_t *from, const uint8_t *end)
{
    memcpy(page + 32 * EMU_STUB_CHECK_ICALL, from, (size_t)(end - from));
}

status_t icall_init(void)
{
    status_t status = frame_take(FRAME_CODE, &full_frame);
    if (!NT_ERROR(status))
        status = frame_take(FRAME_CODE, &short_frame);
    if (NT_ERROR(status))
        return status;
    CHECK(emu_stubs_end - emu_stubs_start == PAGE_BYTES);
    memcpy(frame_pointer(full_frame), emu_stubs_start, PAGE_BYTES);
    memcpy(frame_pointer(short_frame), emu_stubs_start, PAGE_BYTES);
    checker_copy(frame_pointer(short_frame), emu_stub_short_check, emu_stub_short_check_end);
    code_sync(frame_pointer(full_frame), EMU_STUBS_BASE, PAGE_BYTES);
    code_sync(frame_pointer(short_frame), EMU_STUBS_BASE, PAGE_BYTES);
    return STATUS_SUCCESS;
}

static status_t map(struct emu_process *p, uint64_t base, const pa_t *frame)
{
    return aspace_map_frames(p->as, base, frame, 1, PAGE_EXECUTE_READ, REGION_EC | REGION_KERNEL);
}

status_t icall_create(struct emu_process *p)
{
    status_t status = map(p, EMU_STUBS_BASE, &short_frame);
    return NT_ERROR(status) ? status : map(p, EMU_STUBS_EXACT, &full_frame);
}

bool emu_icall(struct emu_process *p, struct trap_frame *frame)
{
    uint64_t *x = frame->x, target = frame->elr;
    if (aspace_is_ec(p->as, target) || !aspace_is_ec(p->as, x[30]))
        return false;
    if (!((x[11] ^ target) << 16))
        target = x[11];             // of an address that is none, the pc need not hold all bits
    uint64_t thunk = aspace_is_ec(p->as, x[9]) ? x[9] : x[10];
    if (thunk == target)            // it has been sent there by what follows
        return false;
    x[10] = thunk;
    x[11] = target;
    frame->elr = EMU_STUB_ADDRESS(EMU_STUB_CALL_RESOLVED);
    spin_lock(&emu_lock);
    p->counters.entries_fault++;
    if (p->icalls < CALLS_MOST && ++p->icalls == CALLS_MOST && NT_ERROR(map(p, EMU_STUBS_BASE, &full_frame)))
        p->icalls = 0;
    spin_unlock(&emu_lock);
    return true;
}
