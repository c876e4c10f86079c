// SPDX-License-Identifier: MIT
// Memory on the target: what EL0's rights allow as user_copy_* sees them, TLB invalidation across cores, ASIDs, and the
// allocators under all cores at once. The logic of spaces is tested on the host (tests/host/mm_*_test.c).
#include <string.h>
#include "kernel/abi/process.h"
#include "kernel/abi/syscall.h"
#include "kernel/arm64/sysreg.h"
#include "kernel/percpu.h"
#include "kernel/smp.h"
#include "mm/aspace_private.h"
#include "mm/heap.h"
#include "mm/user.h"
#include "tests/kernel/ktest.h"

#define PAGES(n) ((n) * PAGE_BYTES)

// A space active on this core, with nothing that could switch it away.
struct visit { struct aspace *as, *before; uint64_t daif; };

static void visit_begin(struct visit *v, struct aspace *as)
{
    v->daif = interrupts_mask();
    v->before = this_cpu()->active_aspace;
    v->as = as;
    aspace_activate(as);
}

static void visit_end(struct visit *v)
{
    aspace_activate(v->before);
    interrupts_restore(v->daif);
}

static struct visit begin(enum aspace_kind kind)
{
    struct visit v;
    struct aspace *as = NULL;
    KEXPECT(aspace_create(kind, &as) == STATUS_SUCCESS);
    visit_begin(&v, as);
    return v;
}

static void end(struct visit *v)
{
    visit_end(v);
    aspace_destroy(v->as);
}

static uva_t get(struct aspace *as, uint64_t size, uint32_t protect)
{
    uva_t base = 0;
    KEXPECT(aspace_allocate(as, &base, &size, protect, REGION_COMMIT) == STATUS_SUCCESS);
    return base;
}

static uint32_t seed = 1;
static uint32_t random(void)
{
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

KTEST(mm_user_copy_crosses_pages_at_every_offset)
{
    static uint8_t in[PAGE_BYTES * 3], out[PAGE_BYTES * 3];
    struct visit v = begin(ASPACE_X64);
    for (uint32_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)random();
    for (uint32_t bytes = 0; bytes < 80; bytes++) {
        uva_t base = get(v.as, PAGES(2), PAGE_READWRITE);
        for (uint32_t before = 0; before < 80; before += 7) {
            uva_t at = base + PAGE_BYTES - before;
            KEXPECT(user_copy_out(at, in + bytes, bytes) == STATUS_SUCCESS);
            memset(out, 0xee, bytes + 1);
            KEXPECT(user_copy_in(out, at, bytes) == STATUS_SUCCESS);
            KEXPECT(memcmp(out, in + bytes, bytes) == 0 && out[bytes] == 0xee);
        }
        KEXPECT(aspace_release(v.as, base, 0) == STATUS_SUCCESS);
    }
    uva_t base = get(v.as, PAGES(4), PAGE_READWRITE);
    KEXPECT(user_copy_out(base + 333, in, sizeof in) == STATUS_SUCCESS);
    KEXPECT(user_copy_in(out, base + 333, sizeof out) == STATUS_SUCCESS);
    KEXPECT(memcmp(in, out, sizeof in) == 0);
    KEXPECT(aspace_read(v.as, base + 333, out, sizeof out, ACCESS_READ) == sizeof out && memcmp(in, out, sizeof in) == 0);
    end(&v);
}

KTEST(mm_user_copy_refuses_every_bad_pointer)
{
    static const uint64_t bad[] = {
        0, 1, 0xfff, 0x10000, 0x7ffffffffff8, 0x7fffffffffff, 0x800000000000, 0x8000000000000000, 0x00ff000000010000,
        0xfffe800000000000, 0xffff7fffffffffff, 0xffff800000000000, 0xffff800040000000, 0xffffffff80000000, ~0ull, ~7ull,
    };
    static const uint64_t sizes[] = { 1, 2, 8, 9, 32, 33, 4096, 1ull << 47, 1ull << 63, ~0ull };
    uint8_t buffer[64] = { 0 };
    struct visit v = begin(ASPACE_X64);
    uva_t base = get(v.as, PAGES(1), PAGE_READWRITE);
    KEXPECT(base == 0x10000);
    KEXPECT(aspace_release(v.as, base, 0) == STATUS_SUCCESS);
    for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        for (uint32_t j = 0; j < sizeof sizes / sizeof sizes[0]; j++) {
            KEXPECT(user_copy_in(buffer, bad[i], sizes[j]) == STATUS_ACCESS_VIOLATION);
            KEXPECT(user_copy_out(bad[i], buffer, sizes[j]) == STATUS_ACCESS_VIOLATION);
        }
    for (uint32_t i = 0; i < 3000; i++) {
        uint64_t address = (uint64_t)random() << 40 ^ (uint64_t)random() << 20 ^ random();
        if (i % 3 == 0)
            address >>= random() % 40;
        if (address >= EC_BYTES_BASE - 64 && address < EC_BITMAP_BASE + (4ull << 30))
            continue;
        KEXPECT(user_copy_in(buffer, address, 1 + i % 64) == STATUS_ACCESS_VIOLATION);
        KEXPECT(user_copy_out(address, buffer, 1 + i % 64) == STATUS_ACCESS_VIOLATION);
    }
    KEXPECT(user_copy_in(buffer, ~0ull, 0) == STATUS_SUCCESS);
    aspace_activate(NULL);                                    // no user half at all
    KEXPECT(user_copy_in(buffer, 0x10000, 8) == STATUS_ACCESS_VIOLATION);
    end(&v);
}

KTEST(mm_user_copy_has_the_rights_of_el0)
{
    struct visit v = begin(ASPACE_NATIVE);
    uint64_t word = 0x1122334455667788, seen = 0;
    uva_t base = get(v.as, PAGES(6), PAGE_READWRITE);
    KEXPECT(user_copy_out(base, &word, 8) == STATUS_SUCCESS);
    KEXPECT(aspace_protect(v.as, base, PAGES(1), PAGE_READONLY, NULL) == STATUS_SUCCESS);
    KEXPECT(user_copy_out(base, &word, 8) == STATUS_ACCESS_VIOLATION);
    KEXPECT(user_copy_in(&seen, base, 8) == STATUS_SUCCESS && seen == word);
    KEXPECT(aspace_protect(v.as, base, PAGES(1), PAGE_NOACCESS, NULL) == STATUS_SUCCESS);
    KEXPECT(user_copy_in(&seen, base, 8) == STATUS_ACCESS_VIOLATION);
    KEXPECT(aspace_protect(v.as, base, PAGES(1), PAGE_READWRITE, NULL) == STATUS_SUCCESS);
    seen = 0;
    KEXPECT(user_copy_in(&seen, base, 8) == STATUS_SUCCESS && seen == word);

    KEXPECT(aspace_protect(v.as, base + PAGES(1), PAGES(1), PAGE_READWRITE | PAGE_GUARD, NULL) == STATUS_SUCCESS);
    KEXPECT(user_copy_out(base + PAGES(1) - 4, &word, 8) == STATUS_GUARD_PAGE_VIOLATION);
    KEXPECT(user_copy_out(base + PAGES(1) - 4, &word, 8) == STATUS_SUCCESS);

    KEXPECT(aspace_protect(v.as, base + PAGES(2), PAGES(1), PAGE_EXECUTE_READWRITE, NULL) == STATUS_SUCCESS);
    KEXPECT(user_copy_out(base + PAGES(2), &word, 8) == STATUS_SUCCESS);
    pte_t *entry = ptab_find(&v.as->ptab, base + PAGES(2));
    KEXPECT((*entry & PTE_UXN) && !(*entry & PTE_AP_READONLY) && (*entry & PTE_PXN));
    KEXPECT(aspace_fault(v.as, base + PAGES(2), ACCESS_EXECUTE) == FAULT_RETRY);
    KEXPECT(!(*entry & PTE_UXN) && (*entry & PTE_AP_READONLY) && (*entry & PTE_PXN));
    KEXPECT(user_copy_out(base + PAGES(2), &word, 8) == STATUS_SUCCESS);          // turned by the fault
    KEXPECT((*entry & PTE_UXN) && !(*entry & PTE_AP_READONLY));

    KEXPECT(aspace_decommit(v.as, base, PAGES(1)) == STATUS_SUCCESS);
    KEXPECT(user_copy_in(&seen, base, 8) == STATUS_ACCESS_VIOLATION);
    KEXPECT(aspace_commit(v.as, base, PAGES(1), PAGE_READWRITE, 0) == STATUS_SUCCESS);
    KEXPECT(user_copy_in(&seen, base, 8) == STATUS_SUCCESS && seen == 0);
    end(&v);
}

KTEST(mm_user_copy_moves_the_stack_guard)
{
    struct visit v = begin(ASPACE_X64);
    uva_t teb = get(v.as, PAGES(1), PAGE_READWRITE), base = 0;
    uint64_t size = PAGES(32), word = 1, limit = 0;
    KEXPECT(aspace_allocate(v.as, &base, &size, PAGE_READWRITE, 0) == STATUS_SUCCESS);
    uva_t top = base + size;
    KEXPECT(aspace_commit(v.as, top - PAGES(2), PAGES(2), PAGE_READWRITE, 0) == STATUS_SUCCESS);
    KEXPECT(aspace_commit(v.as, top - PAGES(3), PAGES(1), PAGE_READWRITE | PAGE_GUARD, 0) == STATUS_SUCCESS);
    KEXPECT(aspace_mark_stack(v.as, base, teb + TEB_STACK_LIMIT) == STATUS_SUCCESS);
    uva_t at = top;
    status_t status;
    while ((status = user_copy_out(at -= 1024, &word, 8)) == STATUS_SUCCESS && at > base)
        if (at < top - PAGES(2)) {
            KEXPECT(user_copy_in(&limit, teb + TEB_STACK_LIMIT, 8) == STATUS_SUCCESS);
            KEXPECT(limit == page_down(at));
        }
    KEXPECT(status == STATUS_STACK_OVERFLOW);
    KEXPECT(page_down(at) == base + PAGES(STACK_RESERVE_PAGES));
    KEXPECT(user_copy_out(base + PAGES(1), &word, 8) == STATUS_SUCCESS);
    KEXPECT(user_copy_out(base, &word, 8) == STATUS_ACCESS_VIOLATION);
    end(&v);
}

KTEST(mm_image_page_is_copied_at_the_first_write)
{
    struct visit v = begin(ASPACE_X64);
    pa_t frame;
    KEXPECT(frame_take(FRAME_IMAGE, &frame) == STATUS_SUCCESS);
    memset(frame_pointer(frame), 0x41, PAGE_BYTES);
    uva_t base = 0x140000000;
    uint64_t size = PAGES(1), word = 0, seen = 0;
    KEXPECT(aspace_allocate(v.as, &base, &size, PAGE_EXECUTE_WRITECOPY, REGION_IMAGE) == STATUS_SUCCESS);
    KEXPECT(aspace_map_frames(v.as, base, &frame, 1, PAGE_WRITECOPY, 0) == STATUS_SUCCESS);
    KEXPECT(user_copy_in(&seen, base, 8) == STATUS_SUCCESS && seen == 0x4141414141414141);
    KEXPECT(user_copy_out(base + 8, &word, 8) == STATUS_SUCCESS);
    KEXPECT(user_copy_in(&seen, base + 8, 8) == STATUS_SUCCESS && seen == 0);
    KEXPECT(user_copy_in(&seen, base, 8) == STATUS_SUCCESS && seen == 0x4141414141414141);
    KEXPECT(((uint64_t *)frame_pointer(frame))[1] == 0x4141414141414141);
    KEXPECT(frame_count(frame) == 1);
    end(&v);
    frame_give(frame);
}

KTEST(mm_ec_bitmap_can_be_read_but_not_written)
{
    struct visit v = begin(ASPACE_X64);
    uva_t base = 0;
    uint64_t size = PAGES(20), word = 0;
    KEXPECT(aspace_allocate(v.as, &base, &size, PAGE_EXECUTE_READWRITE, REGION_COMMIT) == STATUS_SUCCESS);
    uva_t at = EC_BITMAP_BASE + (base >> 18) * 8;
    KEXPECT(user_copy_in(&word, at, 8) == STATUS_SUCCESS && word == 0);
    KEXPECT(aspace_set_ec(v.as, base + PAGES(2), PAGES(3), true) == STATUS_SUCCESS);
    KEXPECT(user_copy_in(&word, at, 8) == STATUS_SUCCESS && word == 7ull << ((base >> 12 & 63) + 2));
    KEXPECT(user_copy_out(at, &word, 8) == STATUS_ACCESS_VIOLATION);
    KEXPECT(user_copy_in(&word, EC_BITMAP_BASE + (4ull << 30) - 8, 8) == STATUS_SUCCESS && word == 0);
    KEXPECT(aspace_fault(v.as, base, ACCESS_EXECUTE) == FAULT_ACCESS_VIOLATION);
    KEXPECT(aspace_fault(v.as, base + PAGES(2), ACCESS_EXECUTE) == FAULT_RETRY);
    end(&v);
}

static uint32_t hook_calls;
static void count_hook(struct aspace *as, uva_t page)
{
    (void)as, (void)page;
    hook_calls++;
}

KTEST(mm_watched_page_is_reported_before_it_is_written)
{
    void (*before)(struct aspace *, uva_t) = aspace_watch_hook;
    struct visit v = begin(ASPACE_X64);
    aspace_watch_hook = count_hook;
    hook_calls = 0;
    uint64_t word = 5;
    uva_t base = get(v.as, PAGES(2), PAGE_EXECUTE_READWRITE);
    KEXPECT(user_copy_out(base, &word, 8) == STATUS_SUCCESS);
    KEXPECT(aspace_watch(v.as, base, WATCH_STORES) == STATUS_SUCCESS && hook_calls == 0);
    KEXPECT(user_copy_in(&word, base, 8) == STATUS_SUCCESS && hook_calls == 0);
    KEXPECT(user_copy_out(base, &word, 8) == STATUS_SUCCESS && hook_calls == 1);
    KEXPECT(user_copy_out(base, &word, 8) == STATUS_SUCCESS && hook_calls == 1);
    aspace_watch_hook = before;
    end(&v);
}

KTEST(mm_asids_roll_over_and_spaces_stay_apart)
{
    struct aspace *pair[2];
    uva_t base[2];
    struct visit v;
    for (uint64_t i = 0; i < 2; i++) {
        KEXPECT(aspace_create(ASPACE_NATIVE, &pair[i]) == STATUS_SUCCESS);
        visit_begin(&v, pair[i]);
        base[i] = get(pair[i], PAGES(1), PAGE_READWRITE);
        KEXPECT(user_copy_out(base[i], &i, 8) == STATUS_SUCCESS);
        visit_end(&v);
    }
    KEXPECT(base[0] == base[1]);
    uint64_t generation = asid_generation(), wanted = generation + 2;
    for (uint64_t round = 0; asid_generation() < wanted && round < 200000; round++) {
        struct aspace *as;
        KEXPECT(aspace_create(ASPACE_NATIVE, &as) == STATUS_SUCCESS);
        visit_begin(&v, as);
        if (round % 64 == 0)
            for (uint64_t i = 0, seen = 9; i < 2; i++) {
                aspace_activate(pair[i]);
                KEXPECT(user_copy_in(&seen, base[i], 8) == STATUS_SUCCESS && seen == i);
            }
        visit_end(&v);
        aspace_destroy(as);
    }
    KEXPECT(asid_generation() >= wanted);
    aspace_destroy(pair[0]);
    aspace_destroy(pair[1]);
}

// One core takes a page away again and again, and puts what it held to other use; the others read it all the time.
#define SHOOTDOWN_ROUNDS 400u
static struct { struct aspace *as; uva_t base; uint32_t arrived, finished; uint64_t floor, reads, hits, stale; } shoot;

static void wait_for_reads(void)
{
    uint64_t before = __atomic_load_n(&shoot.reads, __ATOMIC_RELAXED);
    for (uint32_t spin = 0; __atomic_load_n(&shoot.reads, __ATOMIC_RELAXED) < before + 3 && spin < 100000; spin++)
        cpu_relax();
}

static void shootdown_writer(void)
{
    for (uint64_t round = 1; round <= SHOOTDOWN_ROUNDS; round++) {
        KEXPECT(user_copy_out(shoot.base, &round, 8) == STATUS_SUCCESS);
        wait_for_reads();                                     // let the others have it in their TLBs
        if (round % 2)
            KEXPECT(aspace_decommit(shoot.as, shoot.base, PAGE_BYTES) == STATUS_SUCCESS);
        else
            KEXPECT(aspace_protect(shoot.as, shoot.base, PAGE_BYTES, PAGE_NOACCESS, NULL) == STATUS_SUCCESS);
        __atomic_store_n(&shoot.floor, round + 1, __ATOMIC_SEQ_CST);
        pa_t frame = 0;
        if (round % 2 && frame_take(FRAME_KERNEL, &frame) == STATUS_SUCCESS) {
            memset(frame_pointer(frame), 0xdd, PAGE_BYTES);
            frame_give(frame);
        }
        wait_for_reads();
        if (round % 2 == 0)
            KEXPECT(aspace_decommit(shoot.as, shoot.base, PAGE_BYTES) == STATUS_SUCCESS);
        KEXPECT(aspace_commit(shoot.as, shoot.base, PAGE_BYTES, PAGE_READWRITE, 0) == STATUS_SUCCESS);
    }
}

static void shootdown_reader(void)
{
    while (!__atomic_load_n(&shoot.finished, __ATOMIC_ACQUIRE)) {
        uint64_t floor = __atomic_load_n(&shoot.floor, __ATOMIC_SEQ_CST), value = 0;
        if (user_copy_in(&value, shoot.base, 8) == STATUS_SUCCESS) {
            __atomic_fetch_add(&shoot.hits, 1, __ATOMIC_RELAXED);
            if (value && (value < floor || value > SHOOTDOWN_ROUNDS))
                __atomic_fetch_add(&shoot.stale, 1, __ATOMIC_RELAXED);
        }
        __atomic_fetch_add(&shoot.reads, 1, __ATOMIC_RELAXED);
    }
}

static void shootdown_core(void *unused)
{
    (void)unused;
    struct visit v;
    visit_begin(&v, shoot.as);
    uint32_t order = __atomic_fetch_add(&shoot.arrived, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&shoot.arrived, __ATOMIC_SEQ_CST) < cpu_count - 1)
        cpu_relax();
    if (order == 0) {
        shootdown_writer();
        __atomic_store_n(&shoot.finished, 1, __ATOMIC_RELEASE);
    } else {
        shootdown_reader();
    }
    visit_end(&v);
}

KTEST(mm_invalidations_reach_every_core)
{
    memset(&shoot, 0, sizeof shoot);
    KEXPECT(aspace_create(ASPACE_NATIVE, &shoot.as) == STATUS_SUCCESS);
    shoot.base = get(shoot.as, PAGE_BYTES, PAGE_READWRITE);
    uint64_t daif = interrupts_mask();
    smp_call_others(shootdown_core, NULL);
    interrupts_restore(daif);
    KEXPECT(shoot.stale == 0);
    KEXPECT(cpu_count < 3 || shoot.hits > SHOOTDOWN_ROUNDS);
    aspace_destroy(shoot.as);
}

static void allocators_core(void *unused)
{
    (void)unused;
    uint32_t state = this_cpu()->index * 7919u + 1;
    uint64_t mark = 0x1000000ull * (this_cpu()->index + 1);
    struct { uint64_t *p; bool frame; } slots[24] = { 0 };
    for (uint64_t step = 0; step < 20000; step++) {
        state = state * 1664525u + 1013904223u;
        uint32_t i = (state >> 8) % 24;
        if (slots[i].p) {
            KEXPECT(*slots[i].p == mark + i);                 // nobody else has it
            *slots[i].p = 0;
            if (slots[i].frame)
                frame_give(frame_of_pointer(slots[i].p));
            else
                heap_give(slots[i].p);
            slots[i].p = NULL;
            continue;
        }
        slots[i].frame = state >> 28 & 1;
        pa_t frame;
        if (!slots[i].frame)
            slots[i].p = heap_take(8 + (state >> 12) % 3000);
        else if (frame_take(FRAME_KERNEL, &frame) == STATUS_SUCCESS)
            slots[i].p = frame_pointer(frame);
        KEXPECT(slots[i].p && *slots[i].p == 0);
        if (slots[i].p)
            *slots[i].p = mark + i;
    }
    for (uint32_t i = 0; i < 24; i++)
        if (slots[i].p && slots[i].frame)
            frame_give(frame_of_pointer(slots[i].p));
        else
            heap_give(slots[i].p);
}

KTEST(mm_allocators_hold_under_all_cores)
{
    uint64_t daif = interrupts_mask();
    smp_call_others(allocators_core, NULL);
    allocators_core(NULL);
    interrupts_restore(daif);
}

KTEST(mm_frames_are_zero_and_counted)
{
    uint64_t free = frame_free_total(), code = frame_owned_total(FRAME_CODE);
    pa_t run;
    KEXPECT(frame_take_run(FRAME_CODE, 37, &run) == STATUS_SUCCESS);
    KEXPECT(frame_free_total() == free - 37 && frame_owned_total(FRAME_CODE) == code + 37);
    const uint64_t *words = frame_pointer(run);
    uint64_t any = 0;
    for (uint32_t i = 0; i < 37 * PAGE_BYTES / 8; i++)
        any |= words[i];
    KEXPECT(any == 0);
    for (uint32_t i = 0; i < 37; i++)
        frame_give(run + i * PAGE_BYTES);
    KEXPECT(frame_free_total() == free && frame_owned_total(FRAME_CODE) == code);
}

static struct aspace *crowded;

// Every core works in the same space, each on what it has allocated itself.
static void crowd_core(void *unused)
{
    (void)unused;
    struct visit v;
    visit_begin(&v, crowded);
    uint32_t state = this_cpu()->index * 104729u + 3;
    struct { uva_t base; uint32_t pages; bool locked; } slots[12] = { 0 };
    for (uint32_t step = 0; step < 3000; step++) {
        state = state * 1664525u + 1013904223u;
        uint32_t i = (state >> 8) % 12;
        uint64_t mark = (uint64_t)this_cpu()->index << 32 | i, seen = 0;
        if (!slots[i].base) {
            uint64_t size = PAGES(slots[i].pages = 1 + (state >> 12) % 5);
            KEXPECT(aspace_allocate(crowded, &slots[i].base, &size, PAGE_READWRITE,
                                    REGION_COMMIT | (state >> 20 & 1 ? REGION_TOP_DOWN : 0)) == STATUS_SUCCESS);
            for (uint32_t page = 0; page < slots[i].pages; page++)
                KEXPECT(user_copy_out(slots[i].base + PAGES(page) + 8 * i, &mark, 8) == STATUS_SUCCESS);
            slots[i].locked = false;
        } else if (state >> 24 & 1) {
            slots[i].locked = !slots[i].locked;
            KEXPECT(aspace_protect(crowded, slots[i].base, PAGES(slots[i].pages),
                                   slots[i].locked ? PAGE_READONLY : PAGE_READWRITE, NULL) == STATUS_SUCCESS);
        } else {
            uva_t last = slots[i].base + PAGES(slots[i].pages - 1) + 8 * i;
            KEXPECT(user_copy_in(&seen, last, 8) == STATUS_SUCCESS && seen == mark);
            KEXPECT(user_copy_out(last, &mark, 8) == (slots[i].locked ? STATUS_ACCESS_VIOLATION : STATUS_SUCCESS));
            KEXPECT(aspace_release(crowded, slots[i].base, 0) == STATUS_SUCCESS);
            slots[i].base = 0;
        }
    }
    visit_end(&v);
}

KTEST(mm_one_space_holds_under_all_cores)
{
    KEXPECT(aspace_create(ASPACE_X64, &crowded) == STATUS_SUCCESS);
    uint64_t daif = interrupts_mask();
    smp_call_others(crowd_core, NULL);
    crowd_core(NULL);
    interrupts_restore(daif);
    aspace_destroy(crowded);
}
