// SPDX-License-Identifier: MIT
// Code caches: reserved EL0 address ranges that grow by chunks of contiguous frames, filled from the bottom, never moved.
#include "emu/run/runtime.h"

#include "kernel/panic.h"
#include <string.h>
#include "mm/frame.h"
#include "mm/heap.h"

status_t cache_init(struct code_cache *cache, uint64_t base, uint64_t bytes)
{
    *cache = (struct code_cache){ .base = base, .bytes = bytes, .chunk_used = CACHE_CHUNK_BYTES };
    cache->chunks = heap_take(bytes / CACHE_CHUNK_BYTES * sizeof *cache->chunks);
    return cache->chunks ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}

void cache_destroy(struct code_cache *cache)
{
    for (uint32_t i = 0; i < cache->region_count; i++)
        heap_give(cache->regions[i]);
    heap_give(cache->regions);
    for (struct map_slot *slot = NULL; (slot = map_next(&cache->by_page, slot));) {
        heap_give(((struct page_regions *)slot->value)->list);
        heap_give(slot->value);
    }
    map_clear(&cache->by_page);
    map_clear(&cache->by_rip);
    for (uint32_t i = 0; i < cache->chunk_count; i++)
        for (uint32_t frame = 0; frame < CACHE_CHUNK_BYTES / PAGE_BYTES; frame++)
            frame_give(cache->chunks[i].frames + frame * PAGE_BYTES);
    heap_give(cache->chunks);
    *cache = (struct code_cache){ 0 };
}

status_t cache_reserve(struct code_cache *cache, uint32_t bytes, uint64_t *code_va, uint8_t **kernel)
{
    CHECK(bytes <= CACHE_CHUNK_BYTES);
    if (CACHE_CHUNK_BYTES - cache->chunk_used < bytes) {
        if (cache->chunk_count == cache->bytes / CACHE_CHUNK_BYTES)
            return STATUS_INSUFFICIENT_RESOURCES;
        struct code_chunk *chunk = &cache->chunks[cache->chunk_count];
        status_t status = frame_take_run(FRAME_CODE, CACHE_CHUNK_BYTES / PAGE_BYTES, &chunk->frames);
        if (NT_ERROR(status))
            return status;
        chunk->kernel = frame_pointer(chunk->frames);
        cache->chunk_count++;
        cache->chunk_used = 0;
    }
    *code_va = cache->base + (uint64_t)(cache->chunk_count - 1) * CACHE_CHUNK_BYTES + cache->chunk_used;
    *kernel = cache->chunks[cache->chunk_count - 1].kernel + cache->chunk_used;
    return STATUS_SUCCESS;
}

void cache_commit(struct code_cache *cache, uint32_t bytes)
{
    cache->chunk_used += (bytes + 15) & ~15u;
    CHECK(cache->chunk_used <= CACHE_CHUNK_BYTES);
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

uint8_t *cache_pointer(const struct code_cache *cache, uint64_t code_va)
{
    uint64_t offset = code_va - cache->base;
    return cache->chunks[offset / CACHE_CHUNK_BYTES].kernel + offset % CACHE_CHUNK_BYTES;
}

struct region *cache_region_at(const struct code_cache *cache, uint64_t code_va)
{
    uint32_t low = 0, high = cache->region_count;
    while (low < high) {                    // the last region that begins at or before code_va
        uint32_t middle = low + (high - low) / 2;
        if (cache->regions[middle]->code_va <= code_va)
            low = middle + 1;
        else
            high = middle;
    }
    struct region *region = low ? cache->regions[low - 1] : NULL;
    return region && code_va - region->code_va < region->code_bytes ? region : NULL;
}
