// SPDX-License-Identifier: MIT
// Spans and reservations: which pages there are and what the program may do with them. Nothing of tables.
#include <stddef.h>
#include "kernel/abi/syscall.h"
#include "kernel/panic.h"
#include "mm/aspace_private.h"
#include "mm/heap.h"

static const struct { uint32_t protect, rights; } protections[] = {
    { PAGE_NOACCESS,          0 },
    { PAGE_READONLY,          RIGHT_READ },
    { PAGE_READWRITE,         RIGHT_READ | RIGHT_WRITE },
    { PAGE_WRITECOPY,         RIGHT_READ | RIGHT_WRITE | RIGHT_COPY },
    { PAGE_EXECUTE,           RIGHT_READ | RIGHT_EXECUTE },      // as on x64: what executes can be read
    { PAGE_EXECUTE_READ,      RIGHT_READ | RIGHT_EXECUTE },
    { PAGE_EXECUTE_READWRITE, RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE },
    { PAGE_EXECUTE_WRITECOPY, RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE | RIGHT_COPY },
};

bool protect_valid(uint32_t protect)
{
    for (uint32_t i = 0; i < sizeof protections / sizeof protections[0]; i++)
        if ((protect & ~(uint32_t)PAGE_GUARD) == protections[i].protect)
            return !(protect & PAGE_GUARD) || protections[i].rights;     // a guard that never opens is none
    return false;
}

uint32_t protect_rights(uint32_t protect)
{
    for (uint32_t i = 0; i < sizeof protections / sizeof protections[0]; i++)
        if ((protect & ~(uint32_t)PAGE_GUARD) == protections[i].protect)
            return protections[i].rights;
    return 0;
}

status_t spans_spare(struct aspace *as, uint32_t count)
{
    while (as->spare_count < count) {
        struct span *span = heap_take(sizeof *span);
        if (!span)
            return STATUS_NO_MEMORY;
        span_give(as, span);
    }
    return STATUS_SUCCESS;
}

struct span *span_take(struct aspace *as)
{
    struct span *span = as->spare;
    CHECK(span);
    as->spare = span->left;
    as->spare_count--;
    return span;
}

#define SPARE_KEPT 8u

void span_give(struct aspace *as, struct span *span)
{
    if (as->spare_count >= SPARE_KEPT) {
        heap_give(span);
        return;
    }
    span->left = as->spare;
    as->spare = span;
    as->spare_count++;
}

struct reservation *reservation_of(struct aspace *as, uva_t start, uva_t end)
{
    struct span *span = span_at(&as->spans, start);
    return span && end <= span->reservation->end ? span->reservation : NULL;
}

void region_split(struct aspace *as, uva_t va)
{
    struct span *span = span_at(&as->spans, va);
    if (!span || span->start == va)
        return;
    struct span *upper = span_take(as);
    *upper = *span;
    upper->start = va;
    span_resize(&as->spans, span, span->start, va);
    span_insert(&as->spans, upper);
}

static bool same_state(const struct span *a, const struct span *b)
{
    return a->reservation == b->reservation && a->protect == b->protect && a->backing == b->backing;
}

static uint64_t span_committed(const struct span *span)
{
    return span->protect && span->backing == BACKING_ZERO ? (span->end - span->start) / PAGE_BYTES : 0;
}

void region_set(struct aspace *as, uva_t start, uva_t end, uint32_t protect, enum backing backing)
{
    region_split(as, start);
    region_split(as, end);
    // One span for all of it, ...
    struct span *first = span_at(&as->spans, start);
    as->committed -= span_committed(first);
    while (first->end < end) {
        struct span *next = span_at(&as->spans, first->end);
        as->committed -= span_committed(next);
        uva_t next_end = next->end;
        span_remove(&as->spans, next);
        span_give(as, next);
        span_resize(&as->spans, first, start, next_end);
    }
    first->protect = protect;
    first->backing = backing;
    as->committed += span_committed(first);
    // ... joined with its neighbours when they are alike.
    struct span *next = span_at(&as->spans, end);
    if (next && same_state(first, next)) {
        uva_t next_end = next->end;
        span_remove(&as->spans, next);
        span_give(as, next);
        span_resize(&as->spans, first, start, next_end);
    }
    struct span *previous = start ? span_at(&as->spans, start - 1) : NULL;
    if (previous && same_state(previous, first)) {
        uva_t first_end = first->end;
        span_remove(&as->spans, first);
        span_give(as, first);
        span_resize(&as->spans, previous, previous->start, first_end);
    }
}

uint64_t region_committed(struct aspace *as, uva_t start, uva_t end)
{
    uint64_t pages = 0;
    for (struct span *span = span_from(&as->spans, start); span && span->start < end; span = span_from(&as->spans, span->end))
        if (span->protect && span->backing == BACKING_ZERO)
            pages += ((span->end < end ? span->end : end) - (span->start > start ? span->start : start)) / PAGE_BYTES;
    return pages;
}
