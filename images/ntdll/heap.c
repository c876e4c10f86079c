// SPDX-License-Identifier: MIT
// Process heaps: two-level segregated fit with boundary tags, so that allocating, freeing and joining neighbours take
// constant time. A heap grows by regions from vm_allocate; blocks of LARGE bytes and more have a mapping of their own.
#include "images/ntdll/internal.h"

// A block: 16 bytes of header, then the payload. `before` is valid when the block before is free. Free blocks keep
// their list links in the payload. Sizes count the payload, multiples of 16.
struct block {
    struct block *before;
    uint64_t size_flags;
    struct block *next, *previous;      // only while free
};
enum { HEADER = 16, FREE = 1, BEFORE_FREE = 2, LARGE_BLOCK = 4, FLAGS = 15, MINIMUM = 16 };
enum { LARGE = 512 << 10, REGION = 1 << 20, SECOND_BITS = 4, FIRST_SHIFT = 8, FIRST_LEVELS = 24 };
#define HEAP_MAGIC 0x5045484a534e414aull

struct region { struct region *next; uint64_t bytes; };
struct heap {
    uint64_t magic, flags;
    RTL_CRITICAL_SECTION lock;
    struct region *regions;
    struct block *large;                // doubly linked through next and previous
    uint32_t first_map, second_map[FIRST_LEVELS];
    struct block *lists[FIRST_LEVELS][1 << SECOND_BITS];
    uint64_t region_bytes, used_bytes;
};

static uint64_t size_of(const struct block *b) { return b->size_flags & ~(uint64_t)FLAGS; }
static struct block *after(struct block *b) { return (struct block *)((uint8_t *)b + HEADER + size_of(b)); }
static void *payload(struct block *b) { return (uint8_t *)b + HEADER; }
static struct block *block_of(void *p) { return (struct block *)((uint8_t *)p - HEADER); }

static void *pages_take(uint64_t bytes) {
    uint64_t base = 0, size = bytes;
    status_t status = SYS(vm_allocate, HANDLE_CURRENT_PROCESS, &base, &size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE, 0);
    return NT_ERROR(status) ? 0 : (void *)base;
}
static void pages_give(void *pages) {
    uint64_t base = (uint64_t)pages, size = 0;
    SYS(vm_free, HANDLE_CURRENT_PROCESS, &base, &size, MEM_RELEASE);
}

// Size class of a block: sizes below 256 have one list each, above that 16 lists for each power of two.
static void class_of(uint64_t size, unsigned *first, unsigned *second) {
    if (size < 1u << FIRST_SHIFT) { *first = 0; *second = (unsigned)(size >> 4); return; }
    unsigned log = 63u - (unsigned)__builtin_clzll(size);
    *first = log - FIRST_SHIFT + 1;
    *second = (unsigned)(size >> (log - SECOND_BITS)) & 15;
}

static void list_put(struct heap *h, struct block *b) {
    unsigned f, s;
    class_of(size_of(b), &f, &s);
    b->previous = 0;
    b->next = h->lists[f][s];
    if (b->next) b->next->previous = b;
    h->lists[f][s] = b;
    h->second_map[f] |= 1u << s;
    h->first_map |= 1u << f;
    b->size_flags |= FREE;
    struct block *n = after(b);
    n->before = b;
    n->size_flags |= BEFORE_FREE;
}

static void list_take(struct heap *h, struct block *b) {
    unsigned f, s;
    class_of(size_of(b), &f, &s);
    if (b->next) b->next->previous = b->previous;
    if (b->previous) b->previous->next = b->next;
    else if (!(h->lists[f][s] = b->next) && !(h->second_map[f] &= ~(1u << s))) h->first_map &= ~(1u << f);
    b->size_flags &= ~(uint64_t)FREE;
    after(b)->size_flags &= ~(uint64_t)BEFORE_FREE;
}

// A free block of at least `size` from the smallest list all of whose blocks are large enough.
static struct block *list_find(struct heap *h, uint64_t size) {
    unsigned f, s;
    if (size >= 1u << FIRST_SHIFT) size += (1ull << (63 - __builtin_clzll(size) - SECOND_BITS)) - 1;
    class_of(size, &f, &s);
    uint32_t map = h->second_map[f] & ~0u << s;
    if (!map) {
        uint32_t firsts = f + 1 < FIRST_LEVELS ? h->first_map & ~0u << (f + 1) : 0;
        if (!firsts) return 0;
        f = (unsigned)__builtin_ctz(firsts);
        map = h->second_map[f];
    }
    return h->lists[f][__builtin_ctz(map)];
}

static bool region_add(struct heap *h, uint64_t least) {
    uint64_t bytes = least + 3 * HEADER + sizeof(struct region);
    bytes = bytes < h->region_bytes ? h->region_bytes : (bytes + 0xffff) & ~0xffffull;
    struct region *r = pages_take(bytes);
    if (!r) return false;
    *r = (struct region){ h->regions, bytes };
    h->regions = r;
    struct block *b = (struct block *)(r + 1);
    b->size_flags = bytes - sizeof *r - 2 * HEADER;             // the last header is an end mark: in use, size 0
    after(b)->size_flags = 0;
    list_put(h, b);
    return true;
}

static void split(struct heap *h, struct block *b, uint64_t size) {
    uint64_t rest = size_of(b) - size;
    if (rest < HEADER + MINIMUM) return;
    b->size_flags = size | (b->size_flags & FLAGS);
    struct block *r = after(b);
    r->size_flags = rest - HEADER;
    struct block *n = after(r);
    if (n->size_flags & FREE) { list_take(h, n); r->size_flags += HEADER + size_of(n); }
    list_put(h, r);
}

static void *allocate(struct heap *h, uint64_t bytes) {
    if (bytes > 1ull << 46) return 0;
    uint64_t size = bytes < MINIMUM ? MINIMUM : (bytes + 15) & ~15ull;
    if (size >= LARGE) {
        struct block *b = pages_take((size + HEADER + 16 + 0xfff) & ~0xfffull);
        if (!b) return 0;
        // large blocks keep their links before the header
        struct block **links = (struct block **)b;
        b = (struct block *)((uint8_t *)b + 16);
        b->size_flags = size | LARGE_BLOCK;
        links[0] = h->large;
        links[1] = 0;
        if (h->large) ((struct block **)h->large)[-1] = b;
        h->large = b;
        return payload(b);
    }
    struct block *b = list_find(h, size);
    if (!b) {
        if (!region_add(h, size + size / 8)) return 0;
        if (!(b = list_find(h, size))) return 0;
    }
    list_take(h, b);
    split(h, b, size);
    return payload(b);
}

static void release(struct heap *h, struct block *b) {
    if (b->size_flags & LARGE_BLOCK) {
        struct block **links = (struct block **)b - 2, *next = links[0], *previous = links[1];
        if (next) ((struct block **)next)[-1] = previous;
        if (previous) ((struct block **)previous)[-2] = next;
        else h->large = next;
        pages_give(links);
        return;
    }
    if (b->size_flags & BEFORE_FREE) {
        struct block *p = b->before;
        list_take(h, p);
        p->size_flags += HEADER + size_of(b);
        b = p;
    }
    struct block *n = after(b);
    if (n->size_flags & FREE) { list_take(h, n); b->size_flags += HEADER + size_of(n); }
    list_put(h, b);
}

static struct heap *heap_of(PVOID handle) {
    struct heap *h = handle;
    return h && h->magic == HEAP_MAGIC ? h : 0;
}

PVOID NTAPI RtlCreateHeap(ULONG flags, PVOID base, SIZE_T reserve, SIZE_T commit, PVOID lock, PRTL_HEAP_PARAMETERS parameters) {
    (void)base, (void)reserve, (void)commit, (void)lock, (void)parameters;
    struct heap *h = pages_take((sizeof *h + 0xfff) & ~0xfffull);
    if (!h) return 0;
    h->magic = HEAP_MAGIC;
    h->flags = flags & (HEAP_NO_SERIALIZE | HEAP_GENERATE_EXCEPTIONS | HEAP_ZERO_MEMORY);
    h->region_bytes = REGION;
    RtlInitializeCriticalSection(&h->lock);
    return h;
}

PVOID NTAPI RtlDestroyHeap(PVOID handle) {
    struct heap *h = heap_of(handle);
    if (!h || (uint64_t)h == PEB_FIELD(uint64_t, PEB_PROCESS_HEAP)) return handle;
    while (h->large) release(h, h->large);
    for (struct region *r = h->regions, *next; r; r = next) { next = r->next; pages_give(r); }
    h->magic = 0;
    pages_give(h);
    return 0;
}

void heap_process_init(void) {
    void *heap = RtlCreateHeap(0, 0, 0, 0, 0, 0);
    if (!heap) fatal(STATUS_NO_MEMORY, "no memory for the process heap");
    PEB_FIELD(uint64_t, PEB_PROCESS_HEAP) = (uint64_t)heap;
}

#define LOCKED(h, flags) bool locked_ = !(((flags) | (h)->flags) & HEAP_NO_SERIALIZE); \
    if (locked_) RtlEnterCriticalSection(&(h)->lock)
#define UNLOCK(h) if (locked_) RtlLeaveCriticalSection(&(h)->lock)

PVOID NTAPI RtlAllocateHeap(PVOID heap, ULONG flags, SIZE_T bytes) {
    struct heap *h = heap_of(heap);
    if (!h) return 0;
    LOCKED(h, flags);
    void *p = allocate(h, bytes);
    UNLOCK(h);
    if (p && ((flags | h->flags) & HEAP_ZERO_MEMORY) && !(block_of(p)->size_flags & LARGE_BLOCK)) memset(p, 0, bytes);
    if (!p) TEB_FIELD(uint32_t, TEB_LAST_ERROR) = ERROR_NOT_ENOUGH_MEMORY;
    return p;
}

BOOLEAN NTAPI RtlFreeHeap(PVOID heap, ULONG flags, PVOID p) {
    struct heap *h = heap_of(heap);
    if (!p) return TRUE;
    if (!h || (uint64_t)p & 15 || block_of(p)->size_flags & FREE) {
        TEB_FIELD(uint32_t, TEB_LAST_ERROR) = ERROR_INVALID_PARAMETER;
        return FALSE;
    }
    LOCKED(h, flags);
    release(h, block_of(p));
    UNLOCK(h);
    return TRUE;
}

PVOID NTAPI RtlReAllocateHeap(PVOID heap, ULONG flags, PVOID p, SIZE_T bytes) {
    struct heap *h = heap_of(heap);
    if (!h || !p) return 0;
    struct block *b = block_of(p);
    uint64_t had = size_of(b), size = bytes < MINIMUM ? MINIMUM : (bytes + 15) & ~15ull;
    bool zero = (flags | h->flags) & HEAP_ZERO_MEMORY;
    if (bytes <= 1ull << 46 && size < LARGE && !(b->size_flags & LARGE_BLOCK)) {
        LOCKED(h, flags);
        struct block *n = after(b);
        if (size > had && (n->size_flags & FREE) && had + HEADER + size_of(n) >= size) {
            list_take(h, n);
            b->size_flags += HEADER + size_of(n);
        }
        bool fits = size_of(b) >= size;
        if (fits) split(h, b, size);
        UNLOCK(h);
        if (fits) {
            if (zero && size_of(b) > had) memset((uint8_t *)p + had, 0, size_of(b) - had);
            return p;
        }
    } else if ((b->size_flags & LARGE_BLOCK) && bytes <= had && size >= LARGE / 2) {
        return p;
    }
    if (flags & HEAP_REALLOC_IN_PLACE_ONLY) return 0;
    void *fresh = RtlAllocateHeap(heap, flags, bytes);
    if (!fresh) return 0;
    memcpy(fresh, p, had < bytes ? had : bytes);
    RtlFreeHeap(heap, flags, p);
    return fresh;
}

SIZE_T NTAPI RtlSizeHeap(PVOID heap, ULONG flags, PVOID p) {
    (void)flags;
    return heap_of(heap) && p ? size_of(block_of(p)) : (SIZE_T)-1;
}

BOOLEAN NTAPI RtlLockHeap(PVOID heap) {
    struct heap *h = heap_of(heap);
    if (h) RtlEnterCriticalSection(&h->lock);
    return h != 0;
}
BOOLEAN NTAPI RtlUnlockHeap(PVOID heap) {
    struct heap *h = heap_of(heap);
    if (h) RtlLeaveCriticalSection(&h->lock);
    return h != 0;
}

// Walks every block of every region: the tags of neighbours must agree.
BOOLEAN NTAPI RtlValidateHeap(PVOID heap, ULONG flags, PVOID p) {
    struct heap *h = heap_of(heap);
    (void)p;
    if (!h) return FALSE;
    bool good = true;
    LOCKED(h, flags);
    for (struct region *r = h->regions; r && good; r = r->next) {
        uint8_t *end = (uint8_t *)r + r->bytes - HEADER;
        struct block *b = (struct block *)(r + 1), *before = 0;
        while (good && (uint8_t *)b < end) {
            bool before_free = before && (before->size_flags & FREE);
            good = before_free == !!(b->size_flags & BEFORE_FREE) && (!before_free || b->before == before) &&
                   !(before_free && (b->size_flags & FREE)) && (uint8_t *)after(b) <= end && size_of(b) >= MINIMUM;
            before = b;
            b = after(b);
        }
    }
    UNLOCK(h);
    return good;
}

ULONG NTAPI RtlCompactHeap(PVOID heap, ULONG flags) { (void)flags; return heap_of(heap) ? REGION : 0; }
