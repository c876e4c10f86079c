// SPDX-License-Identifier: MIT
// The kernel's side of the shadow stacks (emu/run/ctx.h): made, repaired after an overflow, and forgetful of code that dies.
//
// Entries that lead into a dead region must not be used: they are struck out when it dies. A thread that still runs in such a region may make
// new ones. Those are struck out at its next interrupt, and before it is said to have left a chunk of the code cache that is to be used anew.
#include "emu/run/runtime.h"

#include <string.h>
#include "mm/frame.h"

struct entry { uint64_t guest, host; };

enum {
    BYTES = CTX_SHADOW_BYTES, ENTRY = sizeof(struct entry),
    SENTINELS = (CTX_SHADOW_SEARCH + 1) * ENTRY,        // EMU_STUB_RETURN finds so many behind the oldest entry
    KEPT = BYTES / 2 - PAGE_BYTES,                      // by an overflow: the newest
    PIECE = 512,
};
_Static_assert(KEPT % PIECE == 0 && BYTES % PAGE_BYTES == 0 && SENTINELS < PAGE_BYTES, "pieces, pages");

static const struct entry none = { ~0ull, EMU_STUB_ADDRESS(EMU_STUB_RETURN_NONE) };

static uva_t top_of(uva_t cpu_area)
{
    return cpu_area - CTX_SHADOW_GAP;
}

uint64_t emu_shadow_start(uva_t cpu_area)
{
    return top_of(cpu_area) - SENTINELS;
}

void shadow_create(struct emu_process *p, uva_t cpu_area)
{
    for (uva_t at = emu_shadow_start(cpu_area); at < top_of(cpu_area); at += ENTRY)
        aspace_write(p->as, at, &none, ENTRY);
}

// Room again: what is newest moves up, what is oldest is forgotten.
static uint64_t overflow(struct emu_process *p, uva_t cpu_area)
{
    uva_t from = top_of(cpu_area) - BYTES, to = emu_shadow_start(cpu_area) - KEPT;
    uint8_t piece[PIECE];
    for (uint32_t left = KEPT; left;) {
        left -= PIECE;
        if (aspace_read(p->as, from + left, piece, PIECE, ACCESS_READ) != PIECE || aspace_write(p->as, to + left, piece, PIECE) != PIECE)
            return emu_shadow_start(cpu_area);
    }
    return to;
}

bool shadow_is_access(uint32_t word)
{
    return word == CTX_SHADOW_PUSH || word == CTX_SHADOW_POP;
}

void shadow_repair(struct emu_process *p, struct trap_frame *frame, uva_t cpu_area)
{
    bool full = frame->x[14] == top_of(cpu_area) - BYTES;
    frame->x[14] = full ? overflow(p, cpu_area) : emu_shadow_start(cpu_area);
}

void shadow_empty(struct emu_process *p, struct trap_frame *frame)
{
    bool held = spin_held(&emu_lock);
    if (!held)
        spin_lock(&emu_lock);
    for (uint32_t i = 0; i < p->cpu_area_count; i++)
        if (top_of(p->cpu_areas[i]) - frame->x[14] <= BYTES)
            frame->x[14] = emu_shadow_start(p->cpu_areas[i]);
    if (!held)
        spin_unlock(&emu_lock);
}

// ---- entries struck out

typedef bool doubtful(struct emu_process *p, uint64_t host, const void *context);

// Whatever was written, from the oldest entry on: the first that never was is 0.
static void strike(struct emu_process *p, uva_t cpu_area, doubtful *is, const void *context)
{
    uva_t bottom = top_of(cpu_area) - BYTES, at = emu_shadow_start(cpu_area);
    struct entry *page = NULL;
    while (at > bottom) {
        if (!page || at % PAGE_BYTES == 0) {
            pa_t frame = aspace_frame(p->as, (at - ENTRY) & ~(PAGE_BYTES - 1));
            page = frame ? frame_pointer(frame) : NULL;
            if (!page)
                return;
        }
        at -= ENTRY;
        struct entry *e = &page[at % PAGE_BYTES / ENTRY];
        uint64_t guest = __atomic_load_n(&e->guest, __ATOMIC_RELAXED), host = __atomic_load_n(&e->host, __ATOMIC_RELAXED);
        if (!guest)
            return;
        if (guest == none.guest || !is(p, host, context))
            continue;
        __atomic_store_n(&e->host, none.host, __ATOMIC_RELAXED);
        __atomic_store_n(&e->guest, none.guest, __ATOMIC_RELAXED);
    }
}

struct range { uint64_t base, bytes; };

static bool in_range(struct emu_process *p, uint64_t host, const void *context)
{
    const struct range *range = context;
    (void)p;
    return host - range->base < range->bytes;
}

void shadow_forget(struct emu_process *p, uint64_t base, uint64_t bytes)
{
    for (uint32_t i = 0; i < p->cpu_area_count; i++)
        strike(p, p->cpu_areas[i], in_range, &(struct range){ base, bytes });
}

void shadow_forget_thread(struct emu_process *p, uva_t cpu_area, uint64_t base, uint64_t bytes)
{
    for (uint32_t i = 0; i < p->cpu_area_count; i++)        // not one that has ended
        if (p->cpu_areas[i] == cpu_area)
            strike(p, cpu_area, in_range, &(struct range){ base, bytes });
}

static bool in_dead_code(struct emu_process *p, uint64_t host, const void *context)
{
    const struct region *region = state_region(p, host);
    (void)context;
    return region && (region->dead || (!region->cache->owner && (!p->shares || region->cache != shared_cache(p))));
}

void shadow_sweep(struct emu_process *p, uva_t cpu_area)
{
    strike(p, cpu_area, in_dead_code, NULL);
}

void shadow_forget_owed(struct emu_process *p, struct trap_frame *frame, const struct lower_point *point)
{
    if (!point->owed || !in_dead_code(p, frame->x[30], NULL))
        return;
    frame->x[10] = none.guest;
    frame->x[30] = fp_dispatcher(p, frame);     // which a RET that does not compare comes to, with its target in x9
}
