// SPDX-License-Identifier: MIT
// The memory a sequence may touch: window, gs window (a part of the TEB) and its own code, all at the addresses of vector.h.
#include "tests/oracle/target/target.h"
#include <stdio.h>
#include <string.h>

enum { WINDOW_WORDS = ORACLE_WINDOW_BYTES / 8, WRITABLE_WORDS = ORACLE_READ_ONLY / 8, GS_WORDS = ORACLE_GS_BYTES / 8 };

enum { PAGE_BYTES = 0x1000 };

static uint64_t *const window = (uint64_t *)ORACLE_WINDOW_BASE;
static uint64_t as_filled[WINDOW_WORDS + GS_WORDS];
static uint64_t filled_from;
static bool filled;

static uint64_t *gs_window(void) { return (uint64_t *)((uint8_t *)NtCurrentTeb() + ORACLE_GS_FIRST); }

static bool allocate(uint64_t base, size_t bytes)
{
    return VirtualAlloc((void *)base, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) == (void *)base;
}

static void *edge_page(uint32_t n) { return (void *)(ORACLE_EDGE_BASE + (uint64_t)n * ORACLE_EDGE_STRIDE); }

bool memory_map(void)
{
    bool ok = allocate(ORACLE_WINDOW_BASE, ORACLE_WINDOW_BYTES) && allocate(ORACLE_CODE_BASE, ORACLE_CODE_BYTES);
    ok = ok && VirtualAlloc(edge_page(0), (size_t)ORACLE_EDGES * ORACLE_EDGE_STRIDE, MEM_RESERVE, PAGE_READWRITE) == edge_page(0);
    for (uint32_t i = 0; i < ORACLE_EDGES; i++)
        ok = ok && VirtualAlloc(edge_page(i), PAGE_BYTES, MEM_COMMIT, PAGE_READWRITE);
    return ok;
}

bool memory_write_code(const struct oracle_vector *const *vectors, uint32_t count)
{
    DWORD old;
    memset((void *)ORACLE_CODE_BASE, 0xcc, ORACLE_CODE_BYTES);
    for (uint32_t i = 0; i < ORACLE_EDGES; i++)
        memset(edge_page(i), 0xcc, PAGE_BYTES);
    memcpy((void *)ORACLE_CODE_BASE, "\x0f\x0b", 2);              // no slot begins there (oracle_slot)
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *at = (uint8_t *)vectors[i]->code_va;
        memcpy(at, vectors[i]->code, vectors[i]->code_bytes);
        if (!oracle_is_edge(vectors[i]))
            memcpy(at + vectors[i]->code_bytes, "\x0f\x0b", 2);
    }
    bool ok = VirtualProtect((void *)ORACLE_CODE_BASE, ORACLE_CODE_BYTES, PAGE_EXECUTE_READ, &old);
    for (uint32_t i = 0; i < ORACLE_EDGES; i++)
        ok = ok && VirtualProtect(edge_page(i), PAGE_BYTES, PAGE_EXECUTE_READ, &old);
    return ok;
}

// The page that is read-only for sequences is written only when the seed changes.
static void fill(uint64_t seed)
{
    DWORD old;
    void *read_only = (void *)(ORACLE_WINDOW_BASE + ORACLE_READ_ONLY);
    oracle_memory_fill(as_filled, seed);
    VirtualProtect(read_only, ORACLE_WINDOW_BYTES - ORACLE_READ_ONLY, PAGE_READWRITE, &old);
    memcpy(window, as_filled, ORACLE_WINDOW_BYTES);
    VirtualProtect(read_only, ORACLE_WINDOW_BYTES - ORACLE_READ_ONLY, PAGE_READONLY, &old);
    memcpy(gs_window(), as_filled + WINDOW_WORDS, ORACLE_GS_BYTES);
    filled_from = seed;
    filled = true;
}

void memory_prepare(uint64_t seed)
{
    if (!filled || seed != filled_from)
        fill(seed);
}

// Changes come in ascending order of offset.
static void compare_part(uint64_t *now, const uint64_t *before, uint32_t words, uint64_t offset, const struct oracle_change **next,
                         const struct oracle_change *end, void (*differ)(uint64_t, uint64_t, uint64_t))
{
    for (uint32_t i = 0; i < words;) {
        const struct oracle_change *change = *next < end && (*next)->offset < offset + words * 8 ? *next : 0;
        uint32_t stop = change ? (uint32_t)(change->offset - offset) / 8 : words;
        for (; i + 4 <= stop && !((now[i] ^ before[i]) | (now[i + 1] ^ before[i + 1]) | (now[i + 2] ^ before[i + 2]) | (now[i + 3] ^ before[i + 3])); i += 4) {}
        for (; i < stop; i++) {
            if (now[i] == before[i])
                continue;
            differ(offset + i * 8, before[i], now[i]);
            now[i] = before[i];
        }
        if (change) {
            if (now[i] != change->value)
                differ(change->offset, change->value, now[i]);
            now[i] = before[i];
            i++;
            (*next)++;
        }
    }
}

void memory_compare(const struct oracle_vector *vector, void (*differ)(uint64_t, uint64_t, uint64_t))
{
    const struct oracle_change *change = (const void *)(vector + 1), *end = change + vector->change_count;
    compare_part(window, as_filled, WRITABLE_WORDS, 0, &change, end, differ);
    compare_part(gs_window(), as_filled + WINDOW_WORDS, GS_WORDS, ORACLE_WINDOW_BYTES, &change, end, differ);
}
