// SPDX-License-Identifier: MIT
// A hash map from a non-zero 64-bit key to a pointer; open addressing, grows by itself. The caller holds the lock.
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct map_slot { uint64_t key; void *value; };
struct map { struct map_slot *slots; uint32_t bits, used; };   // used counts tombstones too; all zero is an empty map

void *map_get(const struct map *map, uint64_t key);            // NULL: absent
bool  map_put(struct map *map, uint64_t key, void *value);     // replaces; false: no memory
void  map_remove(struct map *map, uint64_t key);
void  map_clear(struct map *map);                              // gives the memory back
struct map_slot *map_next(const struct map *map, struct map_slot *slot);   // NULL begins and ends; removing is allowed
