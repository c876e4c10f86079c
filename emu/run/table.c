// SPDX-License-Identifier: MIT
// The branch target table of a process (format: emu/run/ctx.h). EL0 reads it; the kernel writes it through the linear map, one
// single-copy atomic word an entry, so a reader sees the old or the new entry and never a mixture.
#include "emu/run/runtime.h"

#include "mm/frame.h"

#define TABLE_BYTES (8u << CTX_TABLE_BITS)

static uva_t table_base(enum fp_model model)
{
    return model == FP_EXACT ? EMU_TABLE_EXACT : EMU_TABLE_BASE;
}

status_t table_create(struct emu_process *p, enum fp_model model)
{
    uva_t base = table_base(model);
    uint64_t size = TABLE_BYTES;
    return aspace_allocate(p->as, &base, &size, PAGE_READONLY, REGION_COMMIT | REGION_KERNEL);
}

static uint64_t *table_slot(struct emu_process *p, uint64_t rip)
{
    uint64_t offset = ((rip ^ rip >> 16) & ((1u << CTX_TABLE_BITS) - 1)) * 8;
    pa_t frame = aspace_frame(p->as, table_base(p->fp_model) + (offset & ~(PAGE_BYTES - 1)));
    return frame ? (uint64_t *)((uint8_t *)frame_pointer(frame) + offset % PAGE_BYTES) : NULL;
}

status_t table_put(struct emu_process *p, uint64_t rip, uint64_t code_va)
{
    uint64_t *slot = table_slot(p, rip);
    if (!slot)
        return STATUS_NO_MEMORY;
    // Release: the code was written and its maintenance is done before anybody finds it here.
    __atomic_store_n(slot, rip >> 16 << 32 | (uint32_t)(code_va - EMU_STUBS_BASE), __ATOMIC_RELEASE);
    return STATUS_SUCCESS;
}

void table_remove(struct emu_process *p, uint64_t rip)
{
    uint64_t *slot = table_slot(p, rip);
    if (slot && *slot >> 32 == rip >> 16)
        __atomic_store_n(slot, 0, __ATOMIC_RELAXED);
}

void table_clear(struct emu_process *p)
{
    for (uint64_t offset = 0; offset < TABLE_BYTES; offset += PAGE_BYTES) {
        pa_t frame = aspace_frame(p->as, table_base(p->fp_model) + offset);
        uint64_t *slots = frame ? frame_pointer(frame) : NULL;
        for (uint32_t i = 0; slots && i < PAGE_BYTES / 8; i++)
            __atomic_store_n(&slots[i], 0, __ATOMIC_RELAXED);
    }
}
