// SPDX-License-Identifier: MIT
// Code caches: reserved EL0 address ranges in chunks of contiguous frames, each filled from its bottom. A chunk that is given free is
// filled anew (reclaim.c); its frames stay where they are mapped.
#include "emu/run/runtime.h"

#include "kernel/panic.h"
#include <string.h>
#include "mm/frame.h"
#include "mm/heap.h"

// A cache takes at most 1/16 of the machine's memory. Records of regions are memory, too: a chunk holds no more than so many.
enum { MEMORY_SHARE = 16, CHUNKS_LEAST = 4, CHUNK_REGIONS = 2048 };

status_t cache_init(struct code_cache *cache, struct emu_process *owner, uint64_t base, uint64_t bytes)
{
    uint64_t most = frame_total() * PAGE_BYTES / MEMORY_SHARE / CACHE_CHUNK_BYTES;
    if (most < CHUNKS_LEAST)
        most = CHUNKS_LEAST;
    if (most > bytes / CACHE_CHUNK_BYTES)
        most = bytes / CACHE_CHUNK_BYTES;
    *cache = (struct code_cache){ .owner = owner, .base = base, .bytes = bytes, .chunk_most = (uint32_t)most };
    cache->chunks = heap_take(most * sizeof *cache->chunks);
    return cache->chunks ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}

void cache_destroy(struct code_cache *cache)
{
    for (uint32_t i = 0; i < cache->chunk_count; i++) {
        struct code_chunk *chunk = &cache->chunks[i];
        for (uint32_t j = 0; j < chunk->region_count; j++)
            region_free(chunk->regions[j]);
        heap_give(chunk->regions);
        for (uint32_t frame = 0; frame < CACHE_CHUNK_BYTES / PAGE_BYTES; frame++)
            frame_give(chunk->frames + frame * PAGE_BYTES);
    }
    for (struct map_slot *slot = NULL; (slot = map_next(&cache->by_page, slot));) {
        heap_give(((struct page_regions *)slot->value)->list);
        heap_give(slot->value);
    }
    map_clear(&cache->large);
    map_clear(&cache->unaligned);
    map_clear(&cache->by_page);
    map_clear(&cache->by_rip);
    heap_give(cache->chunks);
    *cache = (struct code_cache){ 0 };
}

static struct code_chunk *chunk_take(struct code_cache *cache)
{
    for (uint32_t i = 0; i < cache->chunk_count; i++)
        if (cache->chunks[i].state == CHUNK_FREE)
            return &cache->chunks[i];
    struct code_chunk *chunk = &cache->chunks[cache->chunk_count];
    if (cache->chunk_count == cache->chunk_most || NT_ERROR(frame_take_run(FRAME_CODE, CACHE_CHUNK_BYTES / PAGE_BYTES, &chunk->frames)))
        return NULL;
    chunk->kernel = frame_pointer(chunk->frames);
    cache->chunk_count++;
    return chunk;
}

status_t cache_reserve(struct code_cache *cache, uint32_t least, uint64_t *code_va, uint8_t **kernel, uint32_t *room)
{
    CHECK(least <= CACHE_CHUNK_BYTES);
    struct code_chunk *chunk = cache->filling;
    if (chunk && (CACHE_CHUNK_BYTES - chunk->used < least || chunk->region_count == CHUNK_REGIONS)) {
        chunk->state = CHUNK_FULL;
        cache->filling = chunk = NULL;
        reclaim_thin(cache);
    }
    if (!chunk) {
        chunk = chunk_take(cache);
        if (!chunk)
            return STATUS_INSUFFICIENT_RESOURCES;
        chunk->state = CHUNK_FILLING;
        chunk->turn = ++cache->turns;
        cache->filling = chunk;
    }
    *code_va = cache->base + (uint64_t)(chunk - cache->chunks) * CACHE_CHUNK_BYTES + chunk->used;
    *kernel = chunk->kernel + chunk->used;
    *room = CACHE_CHUNK_BYTES - chunk->used;
    return STATUS_SUCCESS;
}

status_t cache_commit(struct code_cache *cache, struct region *region)
{
    struct code_chunk *chunk = cache->filling;
    if (chunk->region_count == chunk->region_capacity) {
        uint32_t capacity = chunk->region_capacity ? chunk->region_capacity * 2 : 64;
        struct region **regions = heap_take(capacity * sizeof *regions);
        if (!regions)
            return STATUS_NO_MEMORY;
        if (chunk->region_count)
            memcpy(regions, chunk->regions, chunk->region_count * sizeof *regions);
        heap_give(chunk->regions);
        chunk->regions = regions;
        chunk->region_capacity = capacity;
    }
    chunk->regions[chunk->region_count++] = region;
    chunk->used += (region->code_bytes + 15) & ~15u;
    CHECK(chunk->used <= CACHE_CHUNK_BYTES);
    region->chunk = chunk;
    return STATUS_SUCCESS;
}

status_t cache_map(struct code_cache *cache, struct aspace *as, uint32_t *mapped)
{
    pa_t frames[CACHE_CHUNK_BYTES / PAGE_BYTES];
    while (*mapped < cache->chunk_count) {
        for (uint32_t i = 0; i < CACHE_CHUNK_BYTES / PAGE_BYTES; i++)
            frames[i] = cache->chunks[*mapped].frames + i * PAGE_BYTES;
        status_t status = aspace_map_frames(as, cache->base + (uint64_t)*mapped * CACHE_CHUNK_BYTES, frames,
                                            CACHE_CHUNK_BYTES / PAGE_BYTES, PAGE_EXECUTE_READ, REGION_EC | REGION_KERNEL);
        if (NT_ERROR(status))
            return status;
        (*mapped)++;
    }
    return STATUS_SUCCESS;
}

struct code_chunk *cache_chunk_at(const struct code_cache *cache, uint64_t code_va)
{
    uint64_t index = (code_va - cache->base) / CACHE_CHUNK_BYTES;
    return index < cache->chunk_count ? &cache->chunks[index] : NULL;
}

uint8_t *cache_pointer(const struct code_cache *cache, uint64_t code_va)
{
    return cache_chunk_at(cache, code_va)->kernel + (code_va - cache->base) % CACHE_CHUNK_BYTES;
}

struct region *cache_region_at(const struct code_cache *cache, uint64_t code_va)
{
    const struct code_chunk *chunk = cache_chunk_at(cache, code_va);
    uint32_t low = 0, high = chunk ? chunk->region_count : 0;
    while (low < high) {                    // the last region that begins at or before code_va
        uint32_t middle = low + (high - low) / 2;
        if (chunk->regions[middle]->code_va <= code_va)
            low = middle + 1;
        else
            high = middle;
    }
    struct region *region = low ? chunk->regions[low - 1] : NULL;
    return region && code_va - region->code_va < region->code_bytes ? region : NULL;
}
