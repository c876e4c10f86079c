// SPDX-License-Identifier: MIT
// Regions: records of translations, found by rip, by x64 page and by code address; their links.
#include "emu/run/runtime.h"

#include "kernel/panic.h"
#include <string.h>
#include "mm/arm64/cache.h"
#include "mm/frame.h"
#include "mm/heap.h"

static bool page_add(struct code_cache *cache, uint64_t page, struct region *region)
{
    struct page_regions *entry = map_get(&cache->by_page, page);
    if (!entry) {
        entry = heap_take(sizeof *entry);
        if (!entry || !map_put(&cache->by_page, page, entry)) {
            heap_give(entry);
            return false;
        }
    }
    if (entry->count == entry->capacity) {
        uint32_t capacity = entry->capacity ? entry->capacity * 2 : 4;
        struct region **list = heap_take(capacity * sizeof *list);
        if (!list)
            return false;
        if (entry->count)
            memcpy(list, entry->list, entry->count * sizeof *list);
        heap_give(entry->list);
        entry->list = list;
        entry->capacity = capacity;
    }
    entry->list[entry->count++] = region;
    return true;
}

static void page_remove(struct code_cache *cache, uint64_t page, const struct region *region)
{
    struct page_regions *entry = map_get(&cache->by_page, page);
    for (uint32_t i = 0; entry && i < entry->count; i++)
        if (entry->list[i] == region) {
            entry->list[i] = entry->list[--entry->count];
            if (!entry->count) {
                map_remove(&cache->by_page, page);
                heap_give(entry->list);
                heap_give(entry);
            }
            return;
        }
}

status_t region_add(struct code_cache *cache, const struct lower_result *result, uint64_t code_va,
                    const struct region_page *pages, uint32_t page_count, bool findable, struct region **out)
{
    // One allocation a region: the record, then its tables.
    size_t entries = sizeof(struct region), links = entries + result->entry_count * sizeof(struct lower_entry);
    size_t points = links + result->exit_count * sizeof(struct link);
    size_t page_table = points + result->point_count * sizeof(struct lower_point);
    size_t heads = page_table + page_count * sizeof(struct region_page);
    size_t checked = heads + result->head_count * sizeof(struct lower_entry);
    size_t assumptions = (checked + 2 * result->checked_count + 7) & ~(size_t)7;
    uint8_t *memory = heap_take(assumptions + result->assumption_count * sizeof(struct lower_assumption));
    if (!memory)
        return STATUS_NO_MEMORY;
    struct region *region = (struct region *)memory;
    *region = (struct region){
        .cache = cache, .code_va = code_va, .code_bytes = result->code_count * 4,
        .first = result->first, .last = result->last, .more = result->more, .dead = !findable, .once = !findable, .returns = result->returns,
        .entry_count = result->entry_count, .entries = (void *)(memory + entries),
        .link_count = result->exit_count, .links = (void *)(memory + links),
        .point_count = result->point_count, .points = (void *)(memory + points),
        .page_count = page_count, .pages = (void *)(memory + page_table),
        .head_count = result->head_count, .heads = (void *)(memory + heads), .verify = result->checked_count != 0,
        .checked_count = result->checked_count, .checked = memory + checked, .checked_mask = memory + checked + result->checked_count,
        .assumption_count = result->assumption_count, .assumptions = (void *)(memory + assumptions),
    };
    memcpy(region->entries, result->entries, result->entry_count * sizeof *region->entries);
    memcpy(region->points, result->points, result->point_count * sizeof *region->points);
    memcpy(region->pages, pages, page_count * sizeof *pages);
    memcpy(region->heads, result->heads, result->head_count * sizeof *region->heads);
    if (result->assumption_count)
        memcpy(region->assumptions, result->assumptions, result->assumption_count * sizeof *region->assumptions);
    memcpy(region->checked, result->checked, result->checked_count);
    memcpy(region->checked_mask, result->checked_mask, result->checked_count);
    if (result->version_exit != LOWER_NO_EXIT)
        region->version_link = &region->links[result->version_exit];
    for (uint32_t i = 0; i < result->exit_count; i++)
        region->links[i] = (struct link){ .target = result->exits[i].target, .site = result->exits[i].site,
                                          .rectifier = result->exits[i].rectifier, .stub = result->exits[i].stub,
                                          .call = result->exits[i].call, .paired = result->exits[i].paired, .from = region };
    if (NT_ERROR(cache_commit(cache, region))) {
        heap_give(region);
        return STATUS_NO_MEMORY;
    }
    *out = region;
    if (!findable) {
        region->chunk->dead += (region->code_bytes + 15) & ~15u;
        return STATUS_SUCCESS;
    }
    bool ok = true;
    for (uint32_t i = 0; i < page_count; i++)
        ok = ok && page_add(cache, pages[i].va, region);
    for (uint32_t i = 0; i < region->assumption_count; i++)
        ok = ok && page_add(cache, region->assumptions[i].va & ~(PAGE_BYTES - 1), region);
    if (region->verify)
        ok = ok && versions_add(region);
    for (uint32_t i = 0; i < region->entry_count && !region->verify; i++)
        if (i == 0 || !map_get(&cache->by_rip, region->entries[i].rip))
            ok = ok && map_put(&cache->by_rip, region->entries[i].rip, region);
    if (ok)
        return STATUS_SUCCESS;
    region_kill(region);
    return STATUS_NO_MEMORY;
}

uint64_t region_entry(const struct region *region, uint64_t rip)
{
    for (uint32_t i = 0; i < region->entry_count; i++)
        if (region->entries[i].rip == rip)
            return region->code_va + region->entries[i].offset;
    return 0;
}

uint64_t region_call_entry(const struct region *region, uint64_t rip)
{
    for (uint32_t i = 0; i < region->entry_count; i++)
        if (region->entries[i].rip == rip && region->entries[i].call != LOWER_NO_CALL)
            return region->code_va + region->entries[i].call;
    return 0;
}

// One aligned word among B, BL, SVC and a few others may change under running cores (Arm ARM B2.2.5).
static void word_patch(const struct link *link, uint32_t offset, uint32_t value)
{
    uint64_t va = link->from->code_va + offset;
    uint32_t *word = (uint32_t *)cache_pointer(link->from->cache, va);
    if (*word == value)
        return;
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
    code_sync(word, va, 4);
}

static uint32_t branch(const struct link *link, uint32_t offset, uint64_t to, uint32_t opcode)
{
    int64_t distance = (int64_t)(to - (link->from->code_va + offset));
    CHECK((opcode & 0x7c000000u) == 0x14000000u && distance >= -(1 << 27) && distance < 1 << 27);
    return (opcode & 0xfc000000u) | ((uint32_t)(distance >> 2) & 0x03ffffffu);
}

static void site_patch(const struct link *link, uint64_t to)
{
    uint32_t now = *(const uint32_t *)cache_pointer(link->from->cache, link->from->code_va + link->site);
    word_patch(link, link->site, branch(link, link->site, to, now));
}

// Back to the link stub, by way of the rectifier.
static void link_reset(const struct link *link)
{
    site_patch(link, link->from->code_va + link->rectifier);
    word_patch(link, link->stub, 0xd4000001u | SVC_EMU_LINK << 5);
}

enum lower_entry_flags region_entry_flags(const struct region *region, uint64_t rip)
{
    if (region->verify)                     // it may lead to another version
        return ENTRY_R;
    for (uint32_t i = 0; i < region->entry_count; i++)
        if (region->entries[i].rip == rip)
            return (enum lower_entry_flags)region->entries[i].flags;
    return ENTRY_R;
}

static void link_cut(struct link *link)
{
    *link->previous = link->next;
    if (link->next)
        link->next->previous = link->previous;
    link->to = NULL;
}

void region_link(struct link *link, struct region *to, uint64_t code_va)
{
    if (link->to) {
        link_cut(link);
        link_reset(link);
    }
    enum lower_entry_flags flags = region_entry_flags(to, link->target);
    if (link->rectifier == link->stub || flags == ENTRY_N || (link->call && flags == ENTRY_F))
        site_patch(link, code_va);
    else
        word_patch(link, link->stub, branch(link, link->stub, code_va, 0x14000000u));
    link->to = to;
    link->next = to->incoming;
    link->previous = &to->incoming;
    if (to->incoming)
        to->incoming->previous = &link->next;
    to->incoming = link;
}

void region_kill(struct region *region)
{
    if (region->dead)
        return;
    region->dead = true;
    struct emu_process *owner = region->cache->owner;
    for (struct emu_process *p = owner ? owner : emu_processes; p && region->returns; p = owner ? NULL : p->next) {
        p->deaths++;
        shadow_forget(p, region->code_va, region->code_bytes);
    }
    region->chunk->dead += (region->code_bytes + 15) & ~15u;
    for (uint32_t i = 0; i < region->page_count; i++)
        page_remove(region->cache, region->pages[i].va, region);
    for (uint32_t i = 0; i < region->assumption_count; i++)
        page_remove(region->cache, region->assumptions[i].va & ~(PAGE_BYTES - 1), region);
    for (struct emu_process *p = owner ? NULL : emu_processes; p; p = p->next)
        map_remove(&p->fits, region->code_va);
    for (uint32_t i = 0; i < region->entry_count && !region->verify; i++)
        if (map_get(&region->cache->by_rip, region->entries[i].rip) == region)
            map_remove(&region->cache->by_rip, region->entries[i].rip);
    while (region->incoming) {
        struct link *link = region->incoming;
        link_reset(link);
        link_cut(link);
    }
    for (uint32_t i = 0; i < region->link_count; i++)
        if (region->links[i].to) {              // a thread still in here must not get into code that is gone later
            link_reset(&region->links[i]);
            link_cut(&region->links[i]);
        }
    if (region->verify)
        versions_remove(region);
}

void region_evict(struct region *region)
{
    if (region->dead)
        return;
    struct emu_process *owner = region->cache->owner;
    for (struct emu_process *p = owner ? owner : emu_processes; p; p = owner ? NULL : p->next)
        for (uint32_t i = 0; i < region->entry_count; i++)
            table_remove(p, region->entries[i].rip);
    region_kill(region);
}

void region_free(struct region *region)
{
    for (uint32_t i = 0; i < region->page_count && region->holds_frames; i++)
        frame_give(region->pages[i].frame);
    heap_give(region);
}

const struct lower_point *region_point(const struct region *region, uint64_t code_va)
{
    uint32_t offset = (uint32_t)(code_va - region->code_va), low = 0, high = region->point_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (region->points[middle].offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &region->points[low - 1] : NULL;
}
