// SPDX-License-Identifier: MIT
// The kernel half after boot/early_map.c: a walk that adds tables, and three users of it.
// Tables come from a small pool in the image until frame_init has run, from the frame allocator afterwards. Entries only go
// from invalid to valid (no TLB maintenance needed), except for stacks that are given back.
#include "kernel/arm64/kmap.h"
#include "boot/platform.h"
#include "kernel/arm64/mmu.h"
#include "kernel/arm64/sysreg.h"
#include "kernel/lock.h"
#include "kernel/log.h"
#include "kernel/panic.h"

#define POOL_TABLES  64
#define STACK_SLOTS  4096u
#define STACK_PAGES  (KERNEL_STACK_BYTES / PAGE_BYTES)
#define SLOT_BYTES   (KERNEL_STACK_BYTES + PAGE_BYTES)       // the guard page is the lowest
#define ADDRESS_MASK 0x0000fffffffff000ull
#define LEAF_NORMAL  (DESC_ATTR(MAIR_NORMAL) | DESC_INNER | DESC_AF | DESC_PXN | DESC_UXN)
#define LEAF_DEVICE  (DESC_ATTR(MAIR_DEVICE) | DESC_AF | DESC_PXN | DESC_UXN)

extern uint64_t kernel_root[512];
extern char image_start[], rodata_end[], image_end[];

static struct spinlock kmap_lock = SPINLOCK(LOCK_KMAP, "kernel map");
static uint64_t pool[POOL_TABLES][512] __attribute__((aligned(4096)));
static uint32_t pool_used;
static bool     frames_ready;            // RAM is in the linear map: tables can come from frame_take

static uint64_t window_next = WINDOW_BASE;                 // devices, growing up
static const uint64_t stacks_base = WINDOW_BASE + BIT(38); // stacks in the window area's upper half
static uint64_t stack_slots[STACK_SLOTS / 64];             // bit set: taken

pa_t kmap_image_pa(const void *p)
{
    return (uint64_t)p - KERNEL_BASE + platform.load_address;
}

static uint64_t *table_pointer(pa_t pa)
{
    uint64_t offset = pa - platform.load_address;
    if (offset < (uint64_t)(image_end - image_start))
        return (uint64_t *)(KERNEL_BASE + offset);
    return (uint64_t *)(LINEAR_BASE + pa);
}

static pa_t table_take(void)
{
    pa_t frame;
    if (frames_ready)
        return NT_ERROR(frame_take(FRAME_TABLE, &frame)) ? 0 : frame;
    return pool_used < POOL_TABLES ? kmap_image_pa(pool[pool_used++]) : 0;
}

// The entry of va at `level` (1: 1 GiB, 2: 2 MiB, 3: 4 KiB); adds tables on the way. NULL: no memory for them.
static volatile uint64_t *entry_of(uint64_t va, unsigned level)
{
    volatile uint64_t *table = kernel_root;
    for (unsigned at = 0;; at++) {
        volatile uint64_t *entry = &table[va >> (39 - 9 * at) & (at ? 511 : 255)];
        if (at == level)
            return entry;
        if (!(*entry & 1)) {
            pa_t next = table_take();
            if (!next)
                return NULL;
            dsb_ishst();                 // the walkers see zeroes before they see the table
            *entry = next | DESC_TABLE;
        }
        CHECK((*entry & 3) == DESC_TABLE);
        table = table_pointer(*entry & ADDRESS_MASK);
    }
}

// False when tables ran out; what was mapped until then stays.
static bool map_range(uint64_t va, pa_t pa, uint64_t bytes, uint64_t attributes)
{
    while (bytes) {
        unsigned level = 3;
        while (level > 1 && !((va | pa) & (BIT(39 - 9 * (level - 1)) - 1)) && bytes >= BIT(39 - 9 * (level - 1)))
            level--;
        volatile uint64_t *entry = entry_of(va, level);
        if (!entry)
            return false;
        CHECK(!(*entry & 1));
        *entry = pa | attributes | (level == 3 ? DESC_PAGE : DESC_BLOCK);
        uint64_t step = BIT(39 - 9 * level);
        va += step, pa += step, bytes -= step;
    }
    dsb_ishst();
    isb();
    return true;
}

// The image's frames appear in the linear map too, and there what is read-only in the image is read-only as well.
static bool map_memory_range(pa_t start, pa_t end)
{
    pa_t constant_end = kmap_image_pa(rodata_end), image = platform.load_address;
    while (start < end) {
        bool constant = start >= image && start < constant_end;
        pa_t stop = constant ? constant_end : start < image ? image : end;
        if (stop > end)
            stop = end;
        if (!map_range(LINEAR_BASE + start, start, stop - start, LEAF_NORMAL | (constant ? DESC_READ_ONLY : 0)))
            return false;
        start = stop;
    }
    return true;
}

static void drop_range(struct memory_range *list, uint32_t *count, pa_t start, pa_t end)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *count; i++)
        if (list[i].end <= start || list[i].start >= end)
            list[kept++] = list[i];
    *count = kept;
}

void kmap_memory(void)
{
    for (uint32_t i = 0; i < platform.memory_count;) {
        struct memory_range range = platform.memory[i];
        pa_t at = range.start;
        bool mapped = true;
        while (mapped && at < range.end) {
            // Up to the next no-map range, then past it.
            pa_t stop = range.end, next = range.end;
            for (uint32_t n = 0; n < platform.no_map_count; n++) {
                struct memory_range hole = platform.no_map[n];
                if (hole.end > at && hole.start < stop) {
                    stop = hole.start > at ? hole.start : at;
                    next = hole.end;
                }
            }
            mapped = map_memory_range(at, stop);
            at = next;
        }
        if (mapped) {
            i++;
            continue;
        }
        log_warning("memory %#lx-%#lx is not used: too many separate pieces to map", range.start, range.end);
        drop_range(platform.free_memory, &platform.free_count, range.start, range.end);
        drop_range(platform.memory, &platform.memory_count, range.start, range.end);
    }
}

volatile void *kmap_device(pa_t pa, uint64_t bytes)
{
    pa_t first = pa & ~(PAGE_BYTES - 1), end = (pa + bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    if (end <= first)
        return NULL;
    spin_lock(&kmap_lock);
    uint64_t va = window_next;
    bool done = end - first < stacks_base - va && map_range(va, first, end - first, LEAF_DEVICE);
    window_next = va + (end - first) + PAGE_BYTES;
    spin_unlock(&kmap_lock);
    return done ? (volatile void *)(va + (pa - first)) : NULL;
}

// The slots' tables exist from the start, so that taking a stack costs exactly its frames.
void kmap_frames_ready(void)
{
    frames_ready = true;
    for (uint64_t va = stacks_base; va < stacks_base + STACK_SLOTS * SLOT_BYTES; va += BIT(21))
        if (!entry_of(va, 3))
            panic("no memory for the tables of the kernel stacks");
}

static bool slot_take_locked(uint64_t *slot)
{
    for (uint32_t word = 0; word < STACK_SLOTS / 64; word++)
        if (~stack_slots[word]) {
            unsigned bit = (unsigned)__builtin_ctzll(~stack_slots[word]);
            stack_slots[word] |= 1ull << bit;
            *slot = 64 * word + bit;
            return true;
        }
    return false;
}

// Unmaps what is mapped of the slot and gives its frames back. Every core forgets them before they are free.
static void slot_give_locked(uint64_t slot)
{
    uint64_t base = stacks_base + slot * SLOT_BYTES;
    pa_t frames[STACK_PAGES];
    unsigned count = 0;
    for (unsigned page = 1; page <= STACK_PAGES; page++) {
        uint64_t va = base + page * PAGE_BYTES;
        volatile uint64_t *entry = entry_of(va, 3);
        if (!(*entry & 1))
            continue;
        frames[count++] = *entry & ADDRESS_MASK;
        *entry = 0;
        dsb_ishst();
        __asm__ volatile("tlbi vaae1is, %0" :: "r"(va >> 12 & (BIT(44) - 1)) : "memory");
    }
    dsb_ish();
    isb();
    while (count)
        frame_give(frames[--count]);
    stack_slots[slot / 64] &= ~(1ull << slot % 64);
}

void *kmap_stack_take(void)
{
    uint64_t slot;
    spin_lock(&kmap_lock);
    bool done = slot_take_locked(&slot);
    for (unsigned page = 1; done && page <= STACK_PAGES; page++) {
        pa_t frame;
        done = !NT_ERROR(frame_take(FRAME_KERNEL, &frame));
        if (done)
            CHECK(map_range(stacks_base + slot * SLOT_BYTES + page * PAGE_BYTES, frame, PAGE_BYTES, LEAF_NORMAL));
        else
            slot_give_locked(slot);
    }
    spin_unlock(&kmap_lock);
    return done ? (void *)(stacks_base + (slot + 1) * SLOT_BYTES) : NULL;
}

void kmap_stack_give(void *top)
{
    spin_lock(&kmap_lock);
    slot_give_locked(((uint64_t)top - stacks_base) / SLOT_BYTES - 1);
    spin_unlock(&kmap_lock);
}
