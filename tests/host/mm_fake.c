// SPDX-License-Identifier: MIT
#include "tests/host/mm_fake.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernel/panic.h"
#include "kernel/percpu.h"
#include "mm/arm64/cache.h"
#include "mm/arm64/page.h"
#include "mm/arm64/tlb.h"
#include "mm/aspace_private.h"

struct fake_counters fake;
uint32_t fake_asid_bits = 8;
uint32_t fake_locks_held;
jmp_buf fake_panic_jump;
bool fake_panic_expected, fake_panicked;
struct percpu percpu_blocks[CPU_MAX];

static uint8_t ram[FAKE_RAM_BYTES] __attribute__((aligned(65536)));
static uint8_t high[FAKE_HIGH_BYTES] __attribute__((aligned(65536)));

// ---- memory, caches ---------------------------------------------------------------------------------------------------

void *frame_pointer(pa_t frame)
{
    if (frame - FAKE_RAM_START < FAKE_RAM_BYTES)
        return ram + (frame - FAKE_RAM_START);
    if (frame - FAKE_HIGH_START < FAKE_HIGH_BYTES)
        return high + (frame - FAKE_HIGH_START);
    fprintf(stderr, "frame_pointer(%#llx)\n", (unsigned long long)frame);
    abort();
}

pa_t frame_of_pointer(const void *p)
{
    const uint8_t *byte = p;
    if (byte >= ram && byte < ram + sizeof ram)
        return FAKE_RAM_START + (uint64_t)(byte - ram);
    if (byte >= high && byte < high + sizeof high)
        return FAKE_HIGH_START + (uint64_t)(byte - high);
    fprintf(stderr, "frame_of_pointer(%p)\n", p);
    abort();
}

void page_zero(void *page)
{
    memset(page, 0, PAGE_BYTES);
}

void page_copy(void *to, const void *from)
{
    memcpy(to, from, PAGE_BYTES);
}

void code_sync(const void *code, uint64_t user, uint64_t bytes)
{
    (void)code, (void)user, (void)bytes;
    fake.code_syncs++;
}

// ---- locks, panic -----------------------------------------------------------------------------------------------------

static struct spinlock *held[8];

void spin_init(struct spinlock *lock, enum lock_order order, const char *name)
{
    *lock = (struct spinlock)SPINLOCK(order, name);
}

void spin_lock(struct spinlock *lock)
{
    if (fake_locks_held && held[fake_locks_held - 1]->order >= lock->order)
        panic("lock %s after %s", lock->name, held[fake_locks_held - 1]->name);
    held[fake_locks_held++] = lock;
}

void spin_unlock(struct spinlock *lock)
{
    if (!fake_locks_held || held[fake_locks_held - 1] != lock)
        panic("unlock %s", lock->name);
    fake_locks_held--;
}

bool spin_held(const struct spinlock *lock)
{
    for (uint32_t i = 0; i < fake_locks_held; i++)
        if (held[i] == lock)
            return true;
    return false;
}

void panic(const char *format, ...)
{
    if (fake_panic_expected) {
        fake_panicked = true;
        fake_locks_held = 0;
        longjmp(fake_panic_jump, 1);
    }
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

// ---- TLB --------------------------------------------------------------------------------------------------------------

#define TLB_ENTRIES 4096u
static struct { uint16_t asid; bool valid; uint64_t page; pte_t entry; } tlb[TLB_ENTRIES];
static bool begun;

static uint32_t tlb_slot(uint16_t asid, uint64_t va)
{
    return (uint32_t)((va >> 12) * 7 + asid * 131u) % TLB_ENTRIES;
}

void tlb_begin(void)
{
    begun = true;
}

void tlb_end(void)
{
    begun = false;
}

void tlb_publish(void)
{
}

static void begun_check(void)
{
    if (!begun) {
        printf("invalidation without the barrier before it\n");
        fake.wrong++;
    }
}

void tlb_invalidate_page(uint16_t asid, uint64_t va, bool tables_too)
{
    (void)tables_too;
    begun_check();
    fake.page_invalidations++;
    uint32_t slot = tlb_slot(asid, va & ~0xfffull);
    if (tlb[slot].asid == asid && tlb[slot].page == (va & ~0xfffull))
        tlb[slot].valid = false;
}

void tlb_invalidate_asid(uint16_t asid)
{
    begun_check();
    fake.asid_invalidations++;
    for (uint32_t i = 0; i < TLB_ENTRIES; i++)
        if (tlb[i].asid == asid)
            tlb[i].valid = false;
}

void tlb_invalidate_all(void)
{
    begun_check();
    fake.full_invalidations++;
    memset(tlb, 0, sizeof tlb);
}

uint32_t asid_bits(void)
{
    return fake_asid_bits;
}

// ---- EL0 --------------------------------------------------------------------------------------------------------------

static bool entry_allows(pte_t entry, enum page_access access)
{
    if (access == ACCESS_WRITE)
        return !(entry & PTE_AP_READONLY);
    return access == ACCESS_READ || !(entry & PTE_UXN);
}

static void entry_check(pte_t entry, uva_t va)
{
    bool bad = !(entry & PTE_AF) || !(entry & PTE_PXN) || !(entry & PTE_NG) || !(entry & PTE_TABLE) || !(entry & PTE_AP_EL0) ||
               (!(entry & PTE_AP_READONLY) && !(entry & PTE_UXN)) || frame_count(entry & PTE_ADDRESS) == 0;
    if (bad) {
        printf("entry %#llx at %#llx\n", (unsigned long long)entry, (unsigned long long)va);
        fake.wrong++;
    }
}

uint8_t *fake_touch(struct aspace *as, uva_t va, enum page_access access)
{
    if (va >= PTAB_TOP)
        return NULL;
    uint16_t asid = asid_activate(&as->asid, 0);
    uva_t page = va & ~0xfffull;
    uint32_t slot = tlb_slot(asid, page);
    pte_t *walked = ptab_find(&as->ptab, va);
    pte_t now = walked && (*walked & PTE_VALID) ? *walked : 0;
    if (!(tlb[slot].valid && tlb[slot].asid == asid && tlb[slot].page == page)) {
        if (!now)
            return NULL;                         // a translation fault leaves nothing in the TLB
        entry_check(now, va);
        tlb[slot].valid = true;
        tlb[slot].asid = asid;
        tlb[slot].page = page;
        tlb[slot].entry = now;
    }
    pte_t entry = tlb[slot].entry;
    if (!entry_allows(entry, access))
        return NULL;
    if (!now || (now & PTE_ADDRESS) != (entry & PTE_ADDRESS) || !entry_allows(now, access)) {
        printf("stale translation of %#llx used\n", (unsigned long long)va);
        fake.wrong++;
        return NULL;
    }
    return (uint8_t *)frame_pointer(entry & PTE_ADDRESS) + (va & 0xfff);
}

uint8_t *fake_access(struct aspace *as, uva_t va, enum page_access access, enum fault_kind *kind)
{
    enum fault_kind ignored;
    for (uint32_t tries = 0; tries < 8; tries++) {
        uint8_t *byte = fake_touch(as, va, access);
        if (byte) {
            if (kind)
                *kind = FAULT_RETRY;
            return byte;
        }
        enum fault_kind *out = kind ? kind : &ignored;
        *out = aspace_fault(as, va, access);
        if (*out != FAULT_RETRY)
            return NULL;
    }
    printf("no progress at %#llx\n", (unsigned long long)va);
    fake.wrong++;
    return NULL;
}

void fake_check_entries(struct aspace *as)
{
    uint64_t va = 0;
    for (pte_t *entry; (entry = ptab_next(&as->ptab, &va, PTAB_TOP)); va += PAGE_BYTES)
        if (*entry & PTE_VALID)
            entry_check(*entry, va);
}

void fake_reset(void)
{
    memset(ram, 0xa5, sizeof ram);
    memset(high, 0xa5, sizeof high);
    memset(tlb, 0, sizeof tlb);
    memset(percpu_blocks, 0, sizeof percpu_blocks);
    fake = (struct fake_counters){ 0 };
    fake_locks_held = 0;
    const struct memory_range free[] = {
        { FAKE_HIGH_START, FAKE_HIGH_START + FAKE_HIGH_BYTES }, { FAKE_RAM_START + 0x100, FAKE_RAM_START + FAKE_RAM_BYTES },
    };
    frame_init(free, 2);
}
