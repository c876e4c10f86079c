// SPDX-License-Identifier: MIT
// A memory allocator: size classes, splitting, joining with both neighbours.
#include "tests/bench/bench.h"

enum { HEAP = 1 << 18, BINS = 16, SLOTS = 256 };
struct chunk { uint64_t size, previous; struct chunk *next, *back; };       // size: bytes, bit 0: in use; previous: size before it
static _Alignas(16) uint8_t heap[HEAP];
static struct chunk *bins[BINS];

static struct chunk *after(struct chunk *c) { return (struct chunk *)((uint8_t *)c + (c->size & ~1ull)); }

static unsigned bin_of(uint64_t size)
{
    unsigned bin = 59 - (unsigned)__builtin_clzll(size);
    return bin < BINS ? bin : BINS - 1;
}

static void put(struct chunk *c)
{
    unsigned bin = bin_of(c->size);
    c->next = bins[bin];
    c->back = NULL;
    if (c->next)
        c->next->back = c;
    bins[bin] = c;
    after(c)->previous = c->size;
}

static void take(struct chunk *c)
{
    if (c->back)
        c->back->next = c->next;
    else
        bins[bin_of(c->size)] = c->next;
    if (c->next)
        c->next->back = c->back;
}

__attribute__((noinline)) static void *allocate(uint64_t bytes)
{
    uint64_t size = (bytes + 16 + 15) & ~15ull;
    if (size < sizeof(struct chunk))
        size = sizeof(struct chunk);
    for (unsigned bin = bin_of(size); bin < BINS; bin++)
        for (struct chunk *c = bins[bin]; c; c = c->next)
            if (c->size >= size) {
                take(c);
                if (c->size - size >= sizeof(struct chunk)) {
                    struct chunk *rest = (struct chunk *)((uint8_t *)c + size);
                    rest->size = c->size - size;
                    rest->previous = size;
                    put(rest);
                    c->size = size;
                }
                after(c)->previous = c->size;
                c->size |= 1;
                return (uint8_t *)c + 16;
            }
    return NULL;
}

__attribute__((noinline)) static void release(void *p)
{
    struct chunk *c = (struct chunk *)((uint8_t *)p - 16);
    c->size &= ~1ull;
    struct chunk *next = after(c);
    if (!(next->size & 1)) {
        take(next);
        c->size += next->size;
    }
    if (c->previous) {
        struct chunk *before = (struct chunk *)((uint8_t *)c - c->previous);
        if (!(before->size & 1)) {
            take(before);
            before->size += c->size;
            c = before;
        }
    }
    put(c);
}

uint64_t bench_allocator(uint64_t one)
{
    static uint64_t *slots[SLOTS];
    uint32_t state = (uint32_t)one;
    uint64_t sum = 0;
    for (unsigned i = 0; i < BINS; i++)
        bins[i] = NULL;
    struct chunk *first = (struct chunk *)heap, *last = (struct chunk *)(heap + HEAP - sizeof(struct chunk));
    *first = (struct chunk){ .size = HEAP - sizeof(struct chunk) };
    *last = (struct chunk){ .size = sizeof(struct chunk) | 1 };
    put(first);
    for (int i = 0; i < SLOTS; i++)
        slots[i] = NULL;
    for (int i = 0; i < 20000; i++) {
        uint32_t r = next_random(&state) >> 8;
        uint64_t **slot = &slots[r & (SLOTS - 1)];
        if (*slot) {
            sum = mix(sum, **slot);
            release(*slot);
            *slot = NULL;
        } else {
            *slot = allocate((r >> 10 & 15) ? r >> 14 & 127 : r >> 13 & 1023);
            if (*slot)
                **slot = (uint64_t)i;
        }
    }
    return sum;
}
