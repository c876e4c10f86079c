// SPDX-License-Identifier: MIT
// Kernel heap. A block up to the largest class lies in a slab: one frame that holds blocks of one class behind a header.
// A larger block is a run of whole frames. The frame's tag tells which: 0 < tag <= CLASS_COUNT is the class of a slab,
// above it the page count of a run. A slab whose last block comes back is given back at once, so that free frames
// mean what they say. A free block holds a mark that its address belongs to; finding it in a block being given means
// that the block was given before, after which the slab's list decides.
#include "mm/heap.h"
#include "kernel/lock.h"
#include "kernel/panic.h"
#include "mm/frame.h"

struct block { struct block *next; uint64_t mark; };

struct slab {
    struct slab *next, *previous;       // of those of this class that have a free block
    struct block *free;
    uint32_t class, used;
};

#define SLAB_HEADER 64u
#define FREE_MARK   0x6672656521a5c3e7ull

static const uint16_t class_bytes[] = { 16, 32, 48, 64, 80, 96, 128, 160, 192, 256, 320, 448, 576, 672, 800, 1008, 1344, 2016 };
#define CLASS_COUNT (sizeof class_bytes / sizeof class_bytes[0])
_Static_assert(sizeof(struct slab) <= SLAB_HEADER, "slab header");

static struct spinlock heap_lock = SPINLOCK(LOCK_HEAP, "heap");
static struct slab *slabs[CLASS_COUNT];

static void slab_link(struct slab *slab)
{
    slab->previous = NULL;
    slab->next = slabs[slab->class];
    if (slab->next)
        slab->next->previous = slab;
    slabs[slab->class] = slab;
}

static void slab_unlink(struct slab *slab)
{
    if (slab->next)
        slab->next->previous = slab->previous;
    if (slab->previous)
        slab->previous->next = slab->next;
    else
        slabs[slab->class] = slab->next;
}

static struct slab *slab_create(uint32_t class)
{
    pa_t frame;
    if (NT_ERROR(frame_take(FRAME_KERNEL, &frame)))
        return NULL;
    *frame_tag(frame) = class + 1;
    struct slab *slab = frame_pointer(frame);
    slab->class = class;
    uint32_t bytes = class_bytes[class];
    for (uint32_t at = SLAB_HEADER + (PAGE_BYTES - SLAB_HEADER) / bytes * bytes; at > SLAB_HEADER; ) {
        at -= bytes;
        struct block *block = (struct block *)((uint8_t *)slab + at);
        *block = (struct block){ slab->free, FREE_MARK ^ (uint64_t)block };
        slab->free = block;
    }
    slab_link(slab);
    return slab;
}

static void *slab_take(uint32_t class)
{
    spin_lock(&heap_lock);
    struct slab *slab = slabs[class] ? slabs[class] : slab_create(class);
    struct block *block = NULL;
    if (slab) {
        block = slab->free;
        slab->free = block->next;
        slab->used++;
        if (!slab->free)
            slab_unlink(slab);
    }
    spin_unlock(&heap_lock);
    if (block)
        __builtin_memset(block, 0, class_bytes[class]);
    return block;
}

static void slab_give(struct slab *slab, struct block *block)
{
    uint32_t offset = (uint32_t)((uint8_t *)block - (uint8_t *)slab);
    CHECK(offset >= SLAB_HEADER && (offset - SLAB_HEADER) % class_bytes[slab->class] == 0);
    spin_lock(&heap_lock);
    if (block->mark == (FREE_MARK ^ (uint64_t)block))
        for (struct block *other = slab->free; other; other = other->next)
            if (other == block)
                panic("heap_give: %p was given before", (void *)block);
    if (!slab->free)
        slab_link(slab);
    *block = (struct block){ slab->free, FREE_MARK ^ (uint64_t)block };
    slab->free = block;
    bool empty = --slab->used == 0;
    if (empty)
        slab_unlink(slab);
    spin_unlock(&heap_lock);
    if (empty)
        frame_give(frame_of_pointer(slab));
}

void *heap_take(size_t bytes)
{
    for (uint32_t class = 0; class < CLASS_COUNT; class++)
        if (bytes <= class_bytes[class])
            return slab_take(class);
    uint64_t pages = (bytes - 1) / PAGE_BYTES + 1;
    pa_t frame;
    if (pages >= UINT32_MAX - CLASS_COUNT || NT_ERROR(frame_take_run(FRAME_KERNEL, pages, &frame)))
        return NULL;
    *frame_tag(frame) = CLASS_COUNT + (uint32_t)pages;
    return frame_pointer(frame);
}

void heap_give(void *p)
{
    if (!p)
        return;
    pa_t frame = frame_of_pointer(p) & ~(PAGE_BYTES - 1);
    uint32_t tag = *frame_tag(frame);
    CHECK(tag != 0);
    if (tag <= CLASS_COUNT) {
        slab_give(frame_pointer(frame), p);
        return;
    }
    CHECK(frame_of_pointer(p) == frame);
    for (uint32_t i = 0; i < tag - CLASS_COUNT; i++)
        frame_give(frame + i * PAGE_BYTES);
}
