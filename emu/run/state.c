// SPDX-License-Identifier: MIT
// Between the two forms of a stopped thread's registers: inside translated code (pc in the cache, canonical or lazy flags) and
// x64 state as exceptions show it (pc = rip, NZCV with C = CF; PF, AF and DF in the CPU area).
#include "emu/run/runtime.h"

#define NZCV_N (1u << 31)
#define NZCV_Z (1u << 30)
#define NZCV_C (1u << 29)
#define NZCV_V (1u << 28)

static bool in_range(uint64_t pc, uint64_t base, uint64_t bytes)
{
    return pc - base < bytes;
}

bool state_in_stubs(uint64_t pc)
{
    return in_range(pc, EMU_STUBS_BASE, 0x10000) || in_range(pc, EMU_STUBS_EXACT, 0x10000);
}

struct region *state_region(struct emu_process *p, uint64_t pc)
{
    if (in_range(pc, EMU_PRIVATE_CACHE, EMU_PRIVATE_BYTES))
        return cache_region_at(&p->private_cache, pc);
    for (unsigned i = 0; i < SHARED_CACHES; i++)
        if (in_range(pc, shared_caches[i].base, EMU_SHARED_BYTES))
            return cache_region_at(&shared_caches[i], pc);
    return NULL;
}

static uint32_t ctx_read(struct emu_process *p, struct trap_frame *frame, unsigned offset)
{
    uint32_t value = 0;
    aspace_read(p->as, frame->x[28] + offset, &value, 4, ACCESS_READ);
    return value;
}

void state_to_x64(struct emu_process *p, struct trap_frame *frame, const struct lower_point *point)
{
    uint32_t eflags = 0;
    fp_leave(p, frame);
    frame->sp += (uint64_t)(int64_t)point->rsp;
    lower_recover_flags(point, frame->x, frame->sp, (uint32_t)frame->spsr & 0xf0000000u, &eflags);
    lower_recover_registers(point, frame->x);
    frame->spsr &= ~0xf0000000ull;
    frame->spsr |= (eflags & X64_SF ? NZCV_N : 0) | (eflags & X64_ZF ? NZCV_Z : 0) | (eflags & X64_CF ? NZCV_C : 0)
                   | (eflags & X64_OF ? NZCV_V : 0);
    uint32_t lost = (eflags & (X64_PF | X64_AF)) | ((int32_t)ctx_read(p, frame, CTX_DF) < 0 ? X64_DF : 0)
                    | (ctx_read(p, frame, CTX_EFLAGS_KEPT) & CTX_KEPT_BITS);
    aspace_write(p->as, frame->x[28] + CTX_EFLAGS, &lost, 4);
    uint32_t kept = lost & CTX_KEPT_BITS & ~(uint32_t)CTX_FLAG_TF;      // what runs next, a handler say, does not step
    if (lost & CTX_FLAG_TF)
        aspace_write(p->as, frame->x[28] + CTX_EFLAGS_KEPT, &kept, 4);
    frame->elr = point->rip;
}

void state_at_entry(struct emu_process *p, struct trap_frame *frame, uint64_t rip)
{
    struct lower_point canonical = { .rip = rip };          // recipe 0: canonical flags
    state_to_x64(p, frame, &canonical);
}

uint32_t state_lost_flags(struct emu_process *p, uva_t cpu_area)
{
    uint32_t lost = 0;
    aspace_read(p->as, cpu_area + CTX_EFLAGS, &lost, 4, ACCESS_READ);
    return lost;
}

static uint32_t flags_of(uint64_t spsr)
{
    return (spsr & NZCV_N ? X64_SF : 0) | (spsr & NZCV_Z ? X64_ZF : 0) | (spsr & NZCV_C ? X64_CF : 0)
           | (spsr & NZCV_V ? X64_OF : 0);
}

uint32_t state_eflags(struct emu_process *p, const struct trap_frame *frame)
{
    return flags_of(frame->spsr) | state_lost_flags(p, frame->x[28]);
}

void state_to_entry(struct emu_process *p, struct trap_frame *frame, uint32_t lost_flags)
{
    uint32_t nzcv, df = lost_flags & X64_DF ? ~0u : 1, kept = lost_flags & CTX_KEPT_BITS;
    uint32_t eflags = flags_of(frame->spsr) | (lost_flags & (X64_PF | X64_AF));
    lower_flags_in(eflags, &frame->x[23], &frame->x[24], &nzcv);
    frame->spsr = (frame->spsr & ~0xf0000000ull) | nzcv;
    aspace_write(p->as, frame->x[28] + CTX_DF, &df, 4);
    aspace_write(p->as, frame->x[28] + CTX_EFLAGS_KEPT, &kept, 4);
}
