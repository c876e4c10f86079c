// SPDX-License-Identifier: MIT
// Physical frames: a buddy allocator over a few segments.
//
// Memory comes as ranges with holes. Ranges close to each other form a segment with one array of struct frame; frames in
// the holes between them are FRAME_RESERVED. A machine with RAM at both ends of its physical space thus pays nothing
// for the middle. A free block of 2^order frames is aligned to its size in physical memory; only its first frame is on the
// list of that order, the others are FRAME_INSIDE. So taking a frame is one list operation when order 0 has one, and a
// short chain of splits when not; giving one back merges it with its buddy as long as that is a free block of its size.
#include "mm/frame.h"
#include <stddef.h>
#include "kernel/lock.h"
#include "kernel/panic.h"
#include "mm/arm64/page.h"

#define ORDERS        19                    // largest block 2^18 frames = 1 GiB
#define SEGMENTS      32
#define JOIN_GAP      (256ull << 20)        // a hole up to this size costs at most 1 MiB of array

enum frame_state { FRAME_RESERVED, FRAME_FREE, FRAME_INSIDE, FRAME_TAKEN };

// Index of a frame in the whole of all segments; 0 ends a list.
typedef uint32_t frame_index;

struct frame {
    union { frame_index next; uint32_t tag; };          // free list; taken: the owner's word
    union { frame_index previous; uint32_t references; };
    uint8_t state, order, owner, synced;
};

struct segment {
    uint64_t first, count;                  // page numbers
    frame_index base;                       // index of the first frame
    struct frame *frames;
};

static struct spinlock frame_lock = SPINLOCK(LOCK_FRAME, "frame");
static struct segment segments[SEGMENTS];
static uint32_t segment_count;
static frame_index free_heads[ORDERS];
static uint64_t total_count, free_count, owned_counts[FRAME_OWNER_COUNT];

static struct segment *segment_of_page(uint64_t page)
{
    for (uint32_t i = 0; i < segment_count; i++)
        if (page - segments[i].first < segments[i].count)
            return &segments[i];
    return NULL;
}

static struct segment *segment_of_index(frame_index index)
{
    uint32_t i = segment_count - 1;
    while (segments[i].base > index)
        i--;
    return &segments[i];
}

static struct frame *frame_at(frame_index index)
{
    struct segment *segment = segment_of_index(index);
    return &segment->frames[index - segment->base];
}

static void list_add(struct frame *frame, frame_index index, uint8_t order)
{
    frame->state = FRAME_FREE;
    frame->order = order;
    frame->previous = 0;
    frame->next = free_heads[order];
    if (frame->next)
        frame_at(frame->next)->previous = index;
    free_heads[order] = index;
}

static void list_remove(struct frame *frame)
{
    if (frame->next)
        frame_at(frame->next)->previous = frame->previous;
    if (frame->previous)
        frame_at(frame->previous)->next = frame->next;
    else
        free_heads[frame->order] = frame->next;
    frame->state = FRAME_INSIDE;
}

// Puts the block of 2^order frames that begins at page on the free lists, merged with its buddies.
static void block_free(struct segment *segment, uint64_t page, uint8_t order)
{
    while (order < ORDERS - 1) {
        uint64_t buddy = page ^ (1ull << order);
        if (buddy - segment->first >= segment->count)
            break;
        struct frame *other = &segment->frames[buddy - segment->first];
        if (other->state != FRAME_FREE || other->order != order)
            break;
        list_remove(other);
        page &= ~(1ull << order);
        order++;
    }
    uint64_t offset = page - segment->first;
    list_add(&segment->frames[offset], segment->base + (frame_index)offset, order);
}

// Adds the pages [first, end) of one segment in the largest aligned blocks that fit.
static void range_free(struct segment *segment, uint64_t first, uint64_t end)
{
    while (first < end) {
        uint8_t order = 0;
        while (order < ORDERS - 1 && !(first & (1ull << order)) && first + (2ull << order) <= end)
            order++;
        for (uint64_t page = first; page < first + (1ull << order); page++)
            segment->frames[page - segment->first].state = FRAME_INSIDE;
        block_free(segment, first, order);
        first += 1ull << order;
    }
}

void frame_init(const struct memory_range *free, uint32_t count)
{
    struct memory_range sorted[SEGMENTS];       // in pages
    uint32_t used = 0, largest = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct memory_range range = { (free[i].start + PAGE_BYTES - 1) / PAGE_BYTES, free[i].end / PAGE_BYTES };
        if (range.start == 0)
            range.start = 1;                    // physical address 0 stays "none"
        if (range.start >= range.end)
            continue;
        CHECK(used < SEGMENTS);
        uint32_t at = used++;
        for (; at && sorted[at - 1].start > range.start; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = range;
    }
    CHECK(used > 0);
    uint64_t frames = 1;                        // index 0 is the list end
    segment_count = 0;
    for (uint32_t i = 0; i < used; i++) {
        CHECK(i == 0 || sorted[i].start >= sorted[i - 1].end);
        struct segment *last = segment_count ? &segments[segment_count - 1] : NULL;
        if (last && sorted[i].start - (last->first + last->count) <= JOIN_GAP / PAGE_BYTES) {
            last->count = sorted[i].end - last->first;
        } else {
            last = &segments[segment_count++];
            *last = (struct segment){ .first = sorted[i].start, .count = sorted[i].end - sorted[i].start };
        }
        if (sorted[i].end - sorted[i].start > sorted[largest].end - sorted[largest].start)
            largest = i;
    }
    for (uint32_t i = 0; i < segment_count; i++) {
        segments[i].base = (frame_index)frames;
        frames += segments[i].count;
    }
    CHECK(frames < UINT32_MAX);

    uint64_t array_pages = (frames * sizeof(struct frame) + PAGE_BYTES - 1) / PAGE_BYTES;
    CHECK(array_pages < sorted[largest].end - sorted[largest].start);
    struct frame *array = frame_pointer(sorted[largest].start * PAGE_BYTES);
    sorted[largest].start += array_pages;
    __builtin_memset(array, 0, frames * sizeof(struct frame));
    for (uint32_t i = 0; i < segment_count; i++)
        segments[i].frames = array + segments[i].base;
    for (uint32_t i = 0; i < ORDERS; i++)
        free_heads[i] = 0;
    total_count = 0;
    for (uint32_t i = 0; i < FRAME_OWNER_COUNT; i++)
        owned_counts[i] = 0;
    for (uint32_t i = 0; i < used; i++) {
        range_free(segment_of_page(sorted[i].start), sorted[i].start, sorted[i].end);
        total_count += sorted[i].end - sorted[i].start;
    }
    free_count = total_count;
}

// A free block of 2^order frames, taken off the lists; NULL when there is none.
static struct frame *block_take(uint8_t order, struct segment **segment_out, uint64_t *page_out)
{
    uint8_t have = order;
    while (have < ORDERS && !free_heads[have])
        have++;
    if (have == ORDERS)
        return NULL;
    frame_index index = free_heads[have];
    struct segment *segment = segment_of_index(index);
    struct frame *frame = &segment->frames[index - segment->base];
    list_remove(frame);
    while (have > order) {                      // keep the lower half, free the upper
        have--;
        list_add(frame + (1ull << have), index + (1u << have), have);
    }
    *segment_out = segment;
    *page_out = segment->first + (index - segment->base);
    return frame;
}

status_t frame_take_run(enum frame_owner owner, uint64_t count, pa_t *out)
{
    CHECK(count > 0 && owner < FRAME_OWNER_COUNT);
    uint8_t order = 0;
    while (order < ORDERS && (1ull << order) < count)
        order++;
    if (order == ORDERS)
        return STATUS_NO_MEMORY;
    struct segment *segment;
    uint64_t page;
    spin_lock(&frame_lock);
    struct frame *frame = block_take(order, &segment, &page);
    if (frame) {
        for (uint64_t i = 0; i < count; i++)
            frame[i] = (struct frame){ .references = 1, .state = FRAME_TAKEN, .owner = (uint8_t)owner };
        range_free(segment, page + count, page + (1ull << order));
        free_count -= count;
        owned_counts[owner] += count;
    }
    spin_unlock(&frame_lock);
    if (!frame)
        return STATUS_NO_MEMORY;
    *out = page * PAGE_BYTES;
    for (uint64_t i = 0; i < count; i++)
        page_zero(frame_pointer(*out + i * PAGE_BYTES));
    return STATUS_SUCCESS;
}

status_t frame_take(enum frame_owner owner, pa_t *out)
{
    return frame_take_run(owner, 1, out);
}

// The taken frame at pa, or a panic: whoever asks believes to own it.
static struct frame *frame_taken(pa_t pa, const char *who)
{
    struct segment *segment = segment_of_page(pa / PAGE_BYTES);
    struct frame *frame = segment ? &segment->frames[pa / PAGE_BYTES - segment->first] : NULL;
    if (pa % PAGE_BYTES || !frame || frame->state != FRAME_TAKEN)
        panic("%s: frame %#llx is not taken", who, (unsigned long long)pa);
    return frame;
}

void frame_share(pa_t pa)
{
    spin_lock(&frame_lock);
    struct frame *frame = frame_taken(pa, "frame_share");
    CHECK(frame->references < UINT32_MAX);
    frame->references++;
    spin_unlock(&frame_lock);
}

void frame_give(pa_t pa)
{
    spin_lock(&frame_lock);
    struct frame *frame = frame_taken(pa, "frame_give");
    if (--frame->references == 0) {
        owned_counts[frame->owner]--;
        free_count++;
        frame->state = FRAME_INSIDE;
        block_free(segment_of_page(pa / PAGE_BYTES), pa / PAGE_BYTES, 0);
    }
    spin_unlock(&frame_lock);
}

uint32_t frame_count(pa_t pa)
{
    spin_lock(&frame_lock);
    struct segment *segment = segment_of_page(pa / PAGE_BYTES);
    struct frame *frame = segment ? &segment->frames[pa / PAGE_BYTES - segment->first] : NULL;
    uint32_t references = frame && frame->state == FRAME_TAKEN ? frame->references : 0;
    spin_unlock(&frame_lock);
    return references;
}

uint64_t frame_total(void)
{
    return total_count;
}

uint64_t frame_free_total(void)
{
    spin_lock(&frame_lock);
    uint64_t count = free_count;
    spin_unlock(&frame_lock);
    return count;
}

uint64_t frame_owned_total(enum frame_owner owner)
{
    spin_lock(&frame_lock);
    uint64_t count = owned_counts[owner];
    spin_unlock(&frame_lock);
    return count;
}

uint32_t *frame_tag(pa_t pa)
{
    return &frame_taken(pa & ~(PAGE_BYTES - 1), "frame_tag")->tag;
}

bool frame_mark_synced(pa_t pa)
{
    return !__atomic_exchange_n(&frame_taken(pa, "frame_mark_synced")->synced, 1, __ATOMIC_RELAXED);
}

enum frame_owner frame_owner_of(pa_t pa)
{
    return frame_taken(pa, "frame_owner_of")->owner;
}
