// SPDX-License-Identifier: MIT
// Memory accesses that arm64 refuses because they are not aligned, although x64 allows them: ordered loads and stores, and
// locked read-modify-write operations.
//
// An ordered load or store is done here in its place, with full barriers. A locked operation that crosses what the core's
// exclusives can cover has no arm64 instruction at all: all other cores are held inside an interrupt while it is done.
// It runs as an x64 instruction on x64 state; the thread then goes on at the next instruction through the dispatcher.
#include "emu/run/runtime.h"

#include "emu/run/alu.h"
#include "kernel/panic.h"
#include "kernel/percpu.h"
#include "kernel/smp.h"

// ---- ordered loads and stores

struct ordered { uint32_t mask, value; bool load, offset; };
static const struct ordered ordered_forms[] = {     // Arm ARM C6: size is bits 31:30
    { 0x3ffffc00, 0x08dffc00, true,  false },       // LDAR
    { 0x3ffffc00, 0x38bfc000, true,  false },       // LDAPR
    { 0x3fe00c00, 0x19400000, true,  true  },       // LDAPUR
    { 0x3ffffc00, 0x089ffc00, false, false },       // STLR
    { 0x3fe00c00, 0x19000000, false, true  },       // STLUR
};

// An access here costs some 1500 instructions, a translation some 700 for each word of its code.
enum { UNALIGNED_WORDS = 64, UNALIGNED_LEAST = 4, UNALIGNED_MOST = 65536 };

bool locked_unaligned(const struct code_cache *cache, uint64_t rip)
{
    return map_get(&cache->unaligned, rip);
}

// An access of the instruction was done here. When those of its region have cost a thirtieth of a translation it is translated anew, with plain accesses wherever
// one has been unaligned at all, in whatever region: each of them would cost another translation, a plain access costs one instruction at most. A loop
// must not go on here until the next interrupt.
static void note_unaligned(struct emu_process *p, uint64_t pc, uint64_t rip)
{
    spin_lock(&emu_lock);
    struct region *region = state_region(p, pc);
    if (region && !region->dead) {
        struct map *map = &region->cache->unaligned;
        if (map->used >= UNALIGNED_MOST)
            map_clear(map);
        bool noted = map_put(map, rip, (void *)1);
        region->unaligned++;
        if (noted && region->unaligned >= UNALIGNED_LEAST && region->unaligned * UNALIGNED_WORDS * 4 >= region->code_bytes)
            region_evict(region);
    }
    bool leave = reclaim_leaves(region);
    spin_unlock(&emu_lock);
    if (leave)                  // the region stays as long as this thread is in it
        reclaim_seal(region);
}

static void barrier(void)
{
    __asm__ volatile("dmb ish" ::: "memory");
}

// An ordered store into a page with translations makes them invalid first, as any store does: true when that killed the
// region it is in. Nothing has been written then.
static bool hits_own_code(struct emu_process *p, struct trap_frame *frame, uint64_t address, unsigned bytes)
{
    uint64_t pc = frame->elr;
    aspace_fault(p->as, address, ACCESS_WRITE);             // what cannot be written is found by the store itself
    aspace_fault(p->as, address + bytes - 1, ACCESS_WRITE);
    emu_retry(p, frame);
    return frame->elr != pc;
}

// No lock held: the store may call the watch hook. EMU_EXCEPTION: it faults at frame->far, *wrote: it is a store. EMU_NOT_MINE: no such access.
static enum emu_outcome do_ordered(struct emu_process *p, struct trap_frame *frame, uint32_t word, bool *wrote)
{
    for (unsigned i = 0; i < sizeof ordered_forms / sizeof *ordered_forms; i++) {
        const struct ordered *form = &ordered_forms[i];
        if ((word & form->mask) != form->value)
            continue;
        unsigned bytes = 1u << (word >> 30), rn = word >> 5 & 31, rt = word & 31;
        int64_t offset = form->offset ? (int64_t)((uint64_t)word << 43) >> 55 : 0;      // imm9, bits 20:12
        uint64_t address = (rn == 31 ? frame->sp : frame->x[rn]) + (uint64_t)offset, value = 0, done;
        if (!form->load && hits_own_code(p, frame, address, bytes))
            return EMU_RESUME;
        barrier();
        if (form->load) {
            done = aspace_read(p->as, address, &value, bytes, ACCESS_READ);
            if (done == bytes && rt != 31)
                frame->x[rt] = value;
        } else {
            // Every page must take it before the first byte changes.
            uint64_t old;
            value = rt == 31 ? 0 : frame->x[rt];
            done = aspace_read(p->as, address, &old, bytes, ACCESS_WRITE);
            if (done == bytes)
                done = aspace_write(p->as, address, &value, bytes);
        }
        barrier();
        if (done != bytes) {
            frame->far = address + done;
            *wrote = !form->load;
            return EMU_EXCEPTION;
        }
        frame->elr += 4;
        return EMU_RESUME;
    }
    return EMU_NOT_MINE;
}

// ---- locked operations, with everybody else held

struct held {
    struct emu_process *p;
    struct trap_frame *frame;
    const struct x64_insn *insn;
    struct exception *exception;
    enum emu_outcome outcome;
    uint32_t others, arrived, done;
};

static void held_call(void *argument)
{
    struct held *h = argument;
    // The last of the others does the work: the caller itself only waits for them.
    if (__atomic_add_fetch(&h->arrived, 1, __ATOMIC_ACQ_REL) == h->others) {
        uint64_t none;
        h->outcome = interpret(h->p, h->frame, h->insn, &none, h->exception);
        __atomic_store_n(&h->done, 1, __ATOMIC_RELEASE);
    }
    while (!__atomic_load_n(&h->done, __ATOMIC_ACQUIRE))
        ;
}

enum emu_outcome emu_alignment(struct emu_process *p, struct trap_frame *frame, struct exception *out)
{
    spin_lock(&emu_lock);
    struct region *region = state_region(p, frame->elr);
    const struct lower_point *point = region ? region_point(region, frame->elr) : NULL;
    uint32_t word = point ? *(uint32_t *)cache_pointer(region->cache, frame->elr) : 0;
    p->counters.entries_fault++;
    spin_unlock(&emu_lock);
    // Regions stay as long as a thread can be in them.
    if (!point)
        return EMU_NOT_MINE;
    uint64_t pc = frame->elr;
    bool wrote = false;
    enum emu_outcome ordered = do_ordered(p, frame, word, &wrote);
    if (ordered == EMU_RESUME) {
        note_unaligned(p, pc, point->rip);
        return EMU_RESUME;
    }

    struct x64_insn insn;
    uint8_t bytes[X64_LENGTH_MAX];
    state_to_x64(p, frame, point);
    uint64_t count = aspace_read(p->as, frame->elr, bytes, sizeof bytes, ACCESS_EXECUTE);
    bool canonical = frame->far >> 47 == 0 || frame->far >> 47 == 0x1ffff;      // else #GP
    exception_access(out, frame->elr, wrote && canonical, canonical ? frame->far : ~0ull);
    if (canonical)
        emu_fault_as_x64(p, frame, out);
    if (ordered == EMU_EXCEPTION || x64_decode(bytes, count, frame->elr, &insn) != X64_OK)
        return EMU_EXCEPTION;

    // An exclusive: LOCK, or CMPXCHG8B without it.
    struct trap_frame work = *frame;
    uint64_t none;                          // locked instructions do not jump
    state_to_entry(p, &work, state_lost_flags(p, work.x[28]));
    struct held h = { .p = p, .frame = &work, .insn = &insn, .exception = out, .others = cpu_count - 1, .outcome = EMU_NOT_MINE };
    if (h.others)
        smp_call_others(held_call, &h);
    else
        h.outcome = interpret(p, &work, &insn, &none, out);
    if (h.outcome == EMU_RESUME) {
        *frame = work;
        fp_enter(p, frame);
        frame->x[9] = insn.rip + insn.length;
        frame->elr = EMU_STUB_ADDRESS(region->step ? EMU_STUB_STEP : EMU_STUB_DISPATCH);
    } else if (h.outcome == EMU_EXCEPTION && out->code == STATUS_ACCESS_VIOLATION && out->parameters[1] != ~0ull) {
        emu_fault_as_x64(p, frame, out);
    } else if (h.outcome == EMU_NOT_MINE) {
        *out = (struct exception){ .code = STATUS_DATATYPE_MISALIGNMENT, .address = insn.rip };
        h.outcome = EMU_EXCEPTION;
    }
    return h.outcome;
}
