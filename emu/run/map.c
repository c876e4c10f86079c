// SPDX-License-Identifier: MIT
#include "emu/run/map.h"

#include "mm/heap.h"

static char tombstone;                      // value of a removed slot: probing goes on behind it

static uint32_t map_home(const struct map *map, uint64_t key)
{
    return (uint32_t)((key * 0x9e3779b97f4a7c15ull) >> (64 - map->bits));
}

static struct map_slot *map_find(const struct map *map, uint64_t key)
{
    if (!map->slots)
        return NULL;
    uint32_t mask = (1u << map->bits) - 1;
    for (uint32_t i = map_home(map, key); map->slots[i].key; i = (i + 1) & mask)
        if (map->slots[i].key == key)
            return &map->slots[i];
    return NULL;
}

void *map_get(const struct map *map, uint64_t key)
{
    struct map_slot *slot = map_find(map, key);
    return slot && slot->value != &tombstone ? slot->value : NULL;
}

static bool map_grow(struct map *map)
{
    // Count what is alive: a map full of tombstones is only cleaned.
    uint32_t alive = 0, old_count = map->slots ? 1u << map->bits : 0;
    for (uint32_t i = 0; i < old_count; i++)
        alive += map->slots[i].key && map->slots[i].value != &tombstone;
    struct map grown = { .bits = 6 };
    while ((1u << grown.bits) < alive * 4)
        grown.bits++;
    grown.slots = heap_take(sizeof(struct map_slot) << grown.bits);
    if (!grown.slots)
        return false;
    for (uint32_t i = 0; i < old_count; i++)
        if (map->slots[i].key && map->slots[i].value != &tombstone)
            map_put(&grown, map->slots[i].key, map->slots[i].value);
    heap_give(map->slots);
    *map = grown;
    return true;
}

bool map_put(struct map *map, uint64_t key, void *value)
{
    struct map_slot *slot = map_find(map, key);
    if (slot) {
        slot->value = value;
        return true;
    }
    if ((!map->slots || map->used * 4 >= 3u << map->bits) && !map_grow(map))
        return false;
    uint32_t mask = (1u << map->bits) - 1, i = map_home(map, key);
    while (map->slots[i].key)
        i = (i + 1) & mask;
    map->slots[i] = (struct map_slot){ key, value };
    map->used++;
    return true;
}

void map_remove(struct map *map, uint64_t key)
{
    struct map_slot *slot = map_find(map, key);
    if (slot)
        slot->value = &tombstone;
}

void map_clear(struct map *map)
{
    heap_give(map->slots);
    *map = (struct map){ 0 };
}

struct map_slot *map_next(const struct map *map, struct map_slot *slot)
{
    if (!map->slots)
        return NULL;
    for (slot = slot ? slot + 1 : map->slots; slot < map->slots + (1u << map->bits); slot++)
        if (slot->key && slot->value != &tombstone)
            return slot;
    return NULL;
}
