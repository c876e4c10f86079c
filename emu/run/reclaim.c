// SPDX-License-Identifier: MIT
// Code memory used again, by quiescence, and threads led out of dead code.
//
// A chunk of a code cache is doomed when most of it is dead, or when the cache is full and it is the deadest or the oldest. What lives
// in it is evicted: nothing leads into it from then on. Each dooming is an epoch. A thread notes, on its way back to EL0, the
// epoch it has seen, unless it goes to a doomed chunk. A chunk is free when every thread of every process that could be in
// it has seen its epoch, or is stopped outside of it: saved pc, or the target of a branch in the stubs.
//
// Dead code that loops would keep a thread, and would run what is no longer there. At each interrupt of a thread inside such a
// region all cores are held for a moment and the head of each of its blocks becomes SVC_EMU_LEAVE.
#include "emu/run/runtime.h"

#include <string.h>
#include "kernel/percpu.h"
#include "kernel/process.h"
#include "kernel/scheduler.h"
#include "kernel/smp.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "mm/arm64/cache.h"
#include "mm/frame.h"

#define LEAVE (0xd4000001u | SVC_EMU_LEAVE << 5)        // svc

enum { DOOMED_MOST = 8, AGAIN_NS = 20000000, NAP_NS = 1000000 };

static struct doomed { struct code_cache *cache; struct code_chunk *chunk; bool looked_at, occupied; } doomed[DOOMED_MOST];
static uint32_t doomed_count;
static uint64_t epoch = 1, doomed_ns;

static bool doom(struct code_cache *cache, struct code_chunk *chunk)
{
    if (!chunk || doomed_count == DOOMED_MOST)
        return false;
    for (uint32_t i = 0; i < chunk->region_count; i++)
        region_evict(chunk->regions[i]);
    chunk->state = CHUNK_DOOMED;
    chunk->turn = __atomic_load_n(&epoch, __ATOMIC_RELAXED) + 1;
    __atomic_store_n(&epoch, chunk->turn, __ATOMIC_RELEASE);
    doomed[doomed_count++] = (struct doomed){ .cache = cache, .chunk = chunk };
    doomed_ns = time_ns();
    return true;
}

// Of the full chunks the one with the most dead code, the oldest among equals.
static struct code_chunk *deadest(struct code_cache *cache)
{
    struct code_chunk *best = NULL;
    for (uint32_t i = 0; i < cache->chunk_count; i++) {
        struct code_chunk *chunk = &cache->chunks[i];
        if (chunk->state == CHUNK_FULL && (!best || chunk->dead > best->dead || (chunk->dead == best->dead && chunk->turn < best->turn)))
            best = chunk;
    }
    return best;
}

static struct code_chunk *oldest(struct code_cache *cache)
{
    struct code_chunk *best = NULL;
    for (uint32_t i = 0; i < cache->chunk_count; i++)
        if (cache->chunks[i].state == CHUNK_FULL && (!best || cache->chunks[i].turn < best->turn))
            best = &cache->chunks[i];
    return best;
}

static bool in_state(const struct code_cache *cache, enum chunk_state state)
{
    for (uint32_t i = 0; i < cache->chunk_count; i++)
        if (cache->chunks[i].state == state)
            return true;
    return false;
}

static struct code_chunk *victim(struct code_cache *cache, bool any)
{
    struct code_chunk *chunk = deadest(cache);
    if (chunk && chunk->dead >= chunk->used / 4 * 3)
        return chunk;
    return !any ? NULL : chunk && chunk->dead >= chunk->used / 2 ? chunk : oldest(cache);
}

void reclaim_thin(struct code_cache *cache)
{
    if (!in_state(cache, CHUNK_FREE) && !in_state(cache, CHUNK_DOOMED))
        doom(cache, victim(cache, cache->chunk_count == cache->chunk_most));
}

bool reclaim_need(struct code_cache *cache)
{
    // One that is doomed may be held by a thread for long; then there must be another.
    if (in_state(cache, CHUNK_DOOMED) && time_ns() - doomed_ns < AGAIN_NS)
        return true;
    return doom(cache, victim(cache, true)) || doomed_count == DOOMED_MOST || in_state(cache, CHUNK_DOOMED);
}

void reclaim_forget(struct code_cache *cache)
{
    for (uint32_t i = doomed_count; i-- > 0;)
        if (doomed[i].cache == cache)
            doomed[i] = doomed[--doomed_count];
}

// ---- who is where

static uint64_t chunk_base(const struct code_cache *cache, const struct code_chunk *chunk)
{
    return cache->base + (uint64_t)(chunk - cache->chunks) * CACHE_CHUNK_BYTES;
}

static bool within(const struct code_cache *cache, const struct code_chunk *chunk, uint64_t va)
{
    return va - chunk_base(cache, chunk) < CACHE_CHUNK_BYTES;
}

// Whether the stopped thread goes on in the chunk: it is there, or x11 is where a return or an indirect branch goes, or x30 where a call
// that is under way will return.
static bool frame_within(const struct trap_frame *frame, const struct code_cache *cache, const struct code_chunk *chunk)
{
    return within(cache, chunk, frame->elr)
           || (frame->elr - EMU_STUBS_BASE < EMU_CODE_BYTES && (within(cache, chunk, frame->x[11]) || within(cache, chunk, frame->x[30])));
}

static bool doomed_ahead(const struct code_cache *cache, const struct trap_frame *frame)
{
    for (uint32_t i = 0; i < cache->chunk_count; i++)
        if (cache->chunks[i].state == CHUNK_DOOMED && frame_within(frame, cache, &cache->chunks[i]))
            return true;
    return false;
}

// Entries that the thread made while it ran in a doomed chunk. It is in none now.
static void forget_doomed(struct emu_process *p, uva_t cpu_area)
{
    for (uint32_t i = 0; i < doomed_count; i++)
        if (!doomed[i].cache->owner || doomed[i].cache->owner == p)
            shadow_forget_thread(p, cpu_area, chunk_base(doomed[i].cache, doomed[i].chunk), CACHE_CHUNK_BYTES);
}

static void forget_owed(struct emu_process *p, struct trap_frame *frame)
{
    struct region *region = state_region(p, frame->elr);
    const struct lower_point *point = region ? region_point(region, frame->elr) : NULL;
    if (point)
        shadow_forget_owed(p, frame, point);
}

void emu_before_user(struct emu_process *p, struct trap_frame *frame, uva_t cpu_area, uint64_t *seen, const uint64_t *swept)
{
    if (*swept != __atomic_load_n(&p->deaths, __ATOMIC_RELAXED)) {      // perhaps while it was stopped in a leaf
        spin_lock(&emu_lock);
        forget_owed(p, frame);
        spin_unlock(&emu_lock);
    }
    uint64_t now = __atomic_load_n(&epoch, __ATOMIC_ACQUIRE);
    if (*seen == now)
        return;
    spin_lock(&emu_lock);
    now = epoch;
    bool ahead = doomed_ahead(&p->private_cache, frame);
    for (unsigned i = 0; i < SHARED_CACHES; i++)
        ahead = ahead || doomed_ahead(&shared_caches[i], frame);
    if (!ahead) {
        forget_doomed(p, cpu_area);
        __atomic_store_n(seen, now, __ATOMIC_RELEASE);
    }
    spin_unlock(&emu_lock);
}

// process_visit_threads: the lock of the processes is held.
static void look_at(struct thread *thread, void *unused)
{
    (void)unused;
    spin_lock(&emu_lock);
    struct emu_process *p = thread->process->emu;
    uint64_t seen = __atomic_load_n(&thread->emu_seen, __ATOMIC_ACQUIRE);
    bool stopped = thread == thread_current() || scheduler_thread_stopped(thread);
    for (uint32_t i = 0; i < doomed_count && p; i++) {
        struct doomed *d = &doomed[i];
        if ((d->cache->owner && d->cache->owner != p) || seen >= d->chunk->turn)
            continue;
        if (!stopped || frame_within(thread_frame(thread), d->cache, d->chunk))
            d->occupied = true;
        else
            shadow_forget_thread(p, thread->cpu_area, chunk_base(d->cache, d->chunk), CACHE_CHUNK_BYTES);
    }
    spin_unlock(&emu_lock);
}

static void chunk_free(struct code_chunk *chunk)
{
    for (uint32_t i = 0; i < chunk->region_count; i++)
        region_free(chunk->regions[i]);
    chunk->region_count = 0;
    chunk->used = chunk->dead = 0;
    chunk->state = CHUNK_FREE;
}

static void collect(void)
{
    static bool collecting;
    spin_lock(&emu_lock);
    bool mine = !collecting && doomed_count;
    if (mine)
        collecting = true;
    for (uint32_t i = 0; i < doomed_count && mine; i++) {
        doomed[i].looked_at = true;
        doomed[i].occupied = false;
    }
    spin_unlock(&emu_lock);
    if (!mine)
        return;
    process_visit_threads(look_at, NULL);
    spin_lock(&emu_lock);
    for (uint32_t i = doomed_count; i-- > 0;)
        if (doomed[i].looked_at && !doomed[i].occupied) {       // not one that was doomed meanwhile
            chunk_free(doomed[i].chunk);
            doomed[i] = doomed[--doomed_count];
        }
    collecting = false;
    spin_unlock(&emu_lock);
}

static void nothing(void *unused)
{
    (void)unused;
}

void reclaim_wait(void)
{
    smp_call_others(nothing, NULL);         // who comes back from this to EL0 has seen the epoch
    uint32_t before = __atomic_load_n(&doomed_count, __ATOMIC_RELAXED);
    collect();
    if (before && __atomic_load_n(&doomed_count, __ATOMIC_RELAXED) == before)
        scheduler_park(time_ns() + NAP_NS);
}

// ---- threads in dead code

struct held { struct region *region; uint32_t others, arrived, done; };

static void seal(struct region *region)
{
    for (uint32_t i = 0; i < region->head_count && !region->sealed; i++) {
        uint64_t va = region->code_va + region->heads[i].offset;
        uint32_t *word = (uint32_t *)cache_pointer(region->cache, va);
        *word = LEAVE;
        code_sync(word, va, 4);
    }
    region->sealed = true;
}

static void held_call(void *argument)
{
    struct held *h = argument;
    // The last of the others does the work: the caller itself only waits for them.
    if (__atomic_add_fetch(&h->arrived, 1, __ATOMIC_ACQ_REL) == h->others) {
        seal(h->region);
        __atomic_store_n(&h->done, 1, __ATOMIC_RELEASE);
    }
    while (!__atomic_load_n(&h->done, __ATOMIC_ACQUIRE))
        ;
}

void reclaim_seal(struct region *region)
{
    struct held h = { .region = region, .others = cpu_count - 1 };
    if (h.others)
        smp_call_others(held_call, &h);
    else
        seal(region);
}

// Shared code that the process has left for good (it changed an image, or its model) lives on for others: the process gets copies of the
// region's pages in which it is sealed. Nothing is patched in place, so nobody has to be held.
static void seclude(struct emu_process *p, const struct region *region)
{
    for (uint64_t page = region->code_va & ~(PAGE_BYTES - 1); page < region->code_va + region->code_bytes; page += PAGE_BYTES) {
        pa_t now = aspace_frame(p->as, page), copy;
        if (!now || NT_ERROR(frame_take(FRAME_CODE, &copy)))
            return;                         // at the next interrupt, then
        uint8_t *to = frame_pointer(copy);
        bool changed = false;
        memcpy(to, frame_pointer(now), PAGE_BYTES);
        for (uint32_t i = 0; i < region->head_count; i++) {
            uint64_t at = region->code_va + region->heads[i].offset - page;
            if (at >= PAGE_BYTES)
                continue;
            changed |= *(uint32_t *)(to + at) != LEAVE;
            *(uint32_t *)(to + at) = LEAVE;
        }
        if (changed)
            aspace_map_frames(p->as, page, &copy, 1, PAGE_EXECUTE_READ, REGION_EC | REGION_KERNEL);
        frame_give(copy);
    }
}

void emu_interrupt(struct emu_process *p, struct trap_frame *frame, uva_t cpu_area, uint64_t *swept)
{
    table_interrupted(p, frame);
    spin_lock(&emu_lock);
    struct region *region = state_region(p, frame->elr);
    if (region)
        hot_sample(region);
    bool leave = reclaim_leaves(region);
    if (region && !region->dead && !region->cache->owner && (!p->shares || region->cache != shared_cache(p)))
        seclude(p, region);
    if (p->hot.used)
        versions_cool(p);
    if (*swept != p->deaths) {
        forget_owed(p, frame);
        shadow_sweep(p, cpu_area);
        *swept = p->deaths;
    }
    bool waiting = doomed_count && time_ns() - doomed_ns > NAP_NS;
    spin_unlock(&emu_lock);
    if (waiting)
        collect();
    if (leave)
        reclaim_seal(region);
}
