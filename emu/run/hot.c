// SPDX-License-Identifier: MIT
// Regions in which much time is spent, translated again with more in them (lower_config.large): more instructions, and small functions that they
// call. Where the time goes is known from where timer interrupts find threads, so no code counts anything.
//
// A hot region dies as one does whose code has been rewritten, and its entries and loop heads are remembered: what is translated from
// there next is large. The thread that was found in it leaves at its next loop head or call. One translation is tried for each: what could not
// have more in it is never hot.
#include "emu/run/runtime.h"

enum { SAMPLES = 2, LARGE_MOST = 65536 };

static void remember(struct map *large, const struct lower_entry *places, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        map_put(large, places[i].rip, large);       // no memory: it stays small
}

void hot_sample(struct region *region)
{
    if (region->dead || region->verify || !region->more || ++region->samples < SAMPLES)
        return;
    struct map *large = &region->cache->large;
    if (large->used >= LARGE_MOST)
        map_clear(large);
    remember(large, region->entries, region->entry_count);
    remember(large, region->heads, region->head_count);
    region_evict(region);
}

bool hot_is_large(const struct code_cache *cache, uint64_t rip)
{
    return map_get(&cache->large, rip);
}
