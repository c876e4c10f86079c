// SPDX-License-Identifier: MIT
// Pages whose code is rewritten often.
//
// When stores have killed translations of a page HOT_AFTER times, the page is hot: it is no longer write-protected, and what is
// translated from it verifies itself (emu/lower/verify.c). Of one address there may be several translations then, its versions: a chain,
// in which each leads to the next when the code is not what it was made from; the last leads to the kernel, which finds or makes
// the one that fits. So code that alternates among a set of forms costs no kernel entry once all of them have been seen.
//
// If code differs from a version in operands only, those become loose: they are read from the code from then on, and the
// version gives way to one that holds for all their values. If there are SPLIT_AFTER versions, new ones end before the first instruction
// that differs or consist of it alone, so that what varies independently needs versions for each place, not for each combination.
//
// A hot page whose bytes stay the same for some looks, one a second, is no longer hot: what it holds is translated anew, in the ordinary
// way. The next store makes it hot again, and then it takes twice as many looks.
#include "emu/run/runtime.h"

#include <string.h>
#include "kernel/time.h"
#include "mm/frame.h"
#include "mm/heap.h"

enum { HOT_AFTER = 4, SPLIT_AFTER = 4, VERSIONS_MOST = 1024, LOOKS_FIRST = 2, LOOKS_MOST = 64, LOOK_NS = 1000000000 };

struct hot_page {
    uint32_t heat;                          // how often stores killed translations
    uint32_t looks, enough;                 // how often it has looked the same, and how often it must
    uint64_t sum;                           // of its bytes, at the last look
    uint8_t loose[PAGE_BYTES / 8];          // one bit a byte: an operand that changes
};

static uint64_t page_of(uint64_t va)
{
    return va & ~(PAGE_BYTES - 1);
}

static struct hot_page *hot_page(struct emu_process *p, uint64_t page)
{
    struct hot_page *hot = map_get(&p->hot, page);
    if (hot)
        return hot;
    hot = heap_take(sizeof *hot);
    if (hot && !map_put(&p->hot, page, hot)) {
        heap_give(hot);
        hot = NULL;
    }
    return hot;
}

void versions_note_write(struct emu_process *p, uint64_t page)
{
    struct hot_page *hot = hot_page(p, page);       // without memory it stays as it is: slow, and right
    if (!hot || hot->heat == HOT_AFTER || ++hot->heat < HOT_AFTER)
        return;
    hot->looks = 0;
    hot->enough = !hot->enough ? LOOKS_FIRST : hot->enough < LOOKS_MOST ? hot->enough * 2 : LOOKS_MOST;
}

bool versions_hot(struct emu_process *p, uint64_t page)
{
    const struct hot_page *hot = map_get(&p->hot, page);
    if (hot && hot->heat >= HOT_AFTER)
        return aspace_code_page(p->as, page) != CODE_READ_ONLY;
    return aspace_code_page(p->as, page) == CODE_SHARED;
}

bool versions_restless(struct emu_process *p, uint64_t page)
{
    const struct hot_page *hot = map_get(&p->hot, page);
    return hot && hot->heat >= HOT_AFTER;
}

bool versions_loose(struct emu_process *p, uint64_t va, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        const struct hot_page *hot = map_get(&p->hot, page_of(va + i));
        unsigned at = (va + i) % PAGE_BYTES;
        if (hot && hot->loose[at / 8] >> at % 8 & 1)
            return true;
    }
    return false;
}

static uint64_t sum_of(struct emu_process *p, uint64_t page)
{
    pa_t frame = aspace_frame(p->as, page);
    const uint64_t *words = frame ? frame_pointer(frame) : NULL;
    uint64_t sum = 0;
    for (unsigned i = 0; i < PAGE_BYTES / 8 && words; i++)
        sum = (sum ^ words[i]) * 0x9e3779b97f4a7c15ull + (sum >> 29);
    return sum;
}

void versions_cool(struct emu_process *p)
{
    uint64_t now = time_ns();
    if (now - p->cooled_ns < LOOK_NS)
        return;
    p->cooled_ns = now;
    for (struct map_slot *slot = NULL; (slot = map_next(&p->hot, slot));) {
        struct hot_page *hot = slot->value;
        if (hot->heat < HOT_AFTER || aspace_code_page(p->as, slot->key) != CODE_WRITABLE)
            continue;
        uint64_t sum = sum_of(p, slot->key);
        hot->looks = sum == hot->sum ? hot->looks + 1 : 0;
        hot->sum = sum;
        if (hot->looks < hot->enough)
            continue;
        hot->heat = HOT_AFTER - 1;
        for (struct page_regions *at; (at = map_get(&p->private_cache.by_page, slot->key));)
            region_evict(at->list[at->count - 1]);
        map_remove(&p->watched, slot->key);
    }
}

static void make_loose(struct emu_process *p, uint64_t va, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        struct hot_page *hot = hot_page(p, page_of(va + i));
        unsigned at = (va + i) % PAGE_BYTES;
        if (hot)
            hot->loose[at / 8] |= (uint8_t)(1 << at % 8);
    }
}

void versions_clear(struct emu_process *p)
{
    for (struct map_slot *slot = NULL; (slot = map_next(&p->hot, slot));)
        heap_give(slot->value);
    map_clear(&p->hot);
}

// ---- the chain of an address

static uint64_t rip_of(const struct region *region)
{
    return region->entries[0].rip;
}

static void lead(struct region *from, struct region *to)
{
    from->next_version = to;
    if (to && from->version_link)
        region_link(from->version_link, to, region_entry(to, rip_of(to)));
}

bool versions_add(struct region *region)
{
    struct region *last = map_get(&region->cache->by_rip, rip_of(region));
    if (!last)
        return map_put(&region->cache->by_rip, rip_of(region), region);
    while (last->next_version)
        last = last->next_version;
    lead(last, region);
    return true;
}

// The region's links are cut already.
void versions_remove(struct region *region)
{
    struct region *at = map_get(&region->cache->by_rip, rip_of(region));
    if (at == region) {
        if (region->next_version)
            map_put(&region->cache->by_rip, rip_of(region), region->next_version);
        else
            map_remove(&region->cache->by_rip, rip_of(region));
        return;
    }
    while (at && at->next_version != region)
        at = at->next_version;
    if (at)
        lead(at, region->next_version);
}

// ---- which version fits

static bool fits(struct emu_process *p, const struct region *region)
{
    uint8_t now[256];
    for (uint32_t done = 0; done < region->checked_count;) {
        uint32_t count = region->checked_count - done < sizeof now ? region->checked_count - done : (uint32_t)sizeof now;
        if (!translate_read(p, rip_of(region) + done, now, count))
            return false;
        for (uint32_t i = 0; i < count; i++)
            if ((now[i] ^ region->checked[done + i]) & region->checked_mask[done + i])
                return false;
        done += count;
    }
    return true;
}

struct likeness {
    uint32_t same;                          // leading instructions that are as they were
    bool operands;                          // all are, but for operands that can be loose
};

static bool in_field(unsigned i, unsigned at, unsigned bytes)
{
    return i >= at && i < at + bytes;
}

// Compares the code now with a version's. With `learn`, operands that differ become loose.
static struct likeness compare(struct emu_process *p, const struct region *region, bool learn)
{
    struct likeness like = { .operands = true };
    bool same = true;
    for (uint32_t done = 0; done < region->checked_count && like.operands;) {
        uint64_t rip = rip_of(region) + done;
        uint32_t left = region->checked_count - done;
        struct x64_insn then, now;
        uint8_t bytes[X64_LENGTH_MAX];
        uint64_t count = aspace_read(p->as, rip, bytes, sizeof bytes, ACCESS_EXECUTE);
        const uint8_t *old = region->checked + done, *mask = region->checked_mask + done;
        if (x64_decode(old, left, rip, &then) != X64_OK || x64_decode(bytes, count, rip, &now) != X64_OK || then.length != now.length
            || then.op != now.op) {
            like.operands = false;
            break;
        }
        unsigned fields = lower_loose_fields(&now);
        bool imm = false, disp = false;
        for (unsigned i = 0; i < now.length; i++)
            if ((old[i] ^ bytes[i]) & mask[i]) {
                same = false;
                if (fields & LOOSE_DISP && in_field(i, now.disp_at, now.disp_bytes) && then.disp_bytes == now.disp_bytes)
                    disp = true;
                else if (fields & (LOOSE_IMM | LOOSE_REL) && in_field(i, now.imm_at, now.imm_bytes) && then.imm_bytes == now.imm_bytes)
                    imm = true;
                else
                    like.operands = false;
            }
        if (learn && imm)
            make_loose(p, rip + now.imm_at, now.imm_bytes);
        if (learn && disp)
            make_loose(p, rip + now.disp_at, now.disp_bytes);
        like.same += same;
        done += now.length;
    }
    return like;
}

enum emu_outcome versions_find(struct emu_process *p, struct region *first, uint64_t rip, struct region **out, struct exception *exception)
{
    uint32_t count = 0, same = 0;
    struct region *replaced = NULL;
    for (struct region *at = first; at; at = at->next_version, count++) {
        if (fits(p, at)) {
            *out = first;                   // from there it is found
            return EMU_RESUME;
        }
        struct likeness like = compare(p, at, false);
        if (like.operands && !replaced)
            replaced = at;
        if (like.same > same)
            same = like.same;
    }
    uint32_t instructions = WHOLE_REGION;
    if (replaced)
        compare(p, replaced, true);
    else if (count >= SPLIT_AFTER)
        instructions = same ? same : 1;
    if (replaced || count >= VERSIONS_MOST)
        region_evict(replaced ? replaced : first);
    struct region *made;
    enum emu_outcome outcome = translate_verified(p, rip, instructions, &made, exception);
    if (outcome == EMU_RESUME)
        *out = map_get(&p->private_cache.by_rip, rip);
    return outcome;
}
