// SPDX-License-Identifier: MIT
// What a process has of the translator, and the interface emu.h apart from svc.c.
#include "emu/run/runtime.h"

#include "kernel/log.h"
#include <string.h>
#include "mm/heap.h"

struct spinlock emu_lock = SPINLOCK(LOCK_EMU, "translator");
struct emu_features emu_features;
struct code_cache shared_caches[SHARED_CACHES];
struct emu_process *emu_processes;
static pa_t ret_frame;

static void watch_hook(struct aspace *as, uva_t page);

status_t emu_init(void)
{
    emu_features = emu_probe_features();
    status_t status = icall_init();
    if (!NT_ERROR(status))
        status = frame_take(FRAME_CODE, &ret_frame);
    for (unsigned i = 0; i < SHARED_CACHES && !NT_ERROR(status); i++)
        status = cache_init(&shared_caches[i], NULL, (i / 2 == FP_EXACT ? EMU_SHARED_EXACT : EMU_SHARED_FAST) + i % 2 * EMU_SHARED_BYTES,
                            EMU_SHARED_BYTES);
    if (NT_ERROR(status))
        return status;
    memset(frame_pointer(ret_frame), 0xc3, 1);
    aspace_watch_hook = watch_hook;
    return STATUS_SUCCESS;
}

static status_t reserve(struct aspace *as, uva_t base, uint64_t size, uint32_t flags)
{
    return aspace_allocate(as, &base, &size, PAGE_EXECUTE_READ, flags | REGION_KERNEL);
}

status_t emu_process_create(struct aspace *as, struct emu_process **out)
{
    struct emu_process *p = heap_take(sizeof *p);
    if (!p)
        return STATUS_NO_MEMORY;
    p->as = as;
    p->shares = true;
    status_t status = cache_init(&p->private_cache, p, EMU_PRIVATE_CACHE, EMU_PRIVATE_BYTES);
    if (!NT_ERROR(status))
        status = reserve(as, EMU_STUBS_BASE, 0x10000, REGION_EC);
    if (!NT_ERROR(status))
        status = reserve(as, EMU_STUBS_EXACT, 0x10000, REGION_EC);
    if (!NT_ERROR(status))
        status = icall_create(p);
    if (!NT_ERROR(status))
        status = aspace_map_frames(as, EMU_RET_BYTE, &ret_frame, 1, PAGE_EXECUTE_READ, REGION_KERNEL);
    if (!NT_ERROR(status))
        status = aspace_set_ec(as, EMU_RET_BYTE, PAGE_BYTES, false);
    for (unsigned i = 0; i < SHARED_CACHES && !NT_ERROR(status); i++)     // all places: to change a model never fails
        status = reserve(as, shared_caches[i].base, EMU_SHARED_BYTES, REGION_EC);
    if (!NT_ERROR(status))
        status = reserve(as, EMU_PRIVATE_CACHE, EMU_PRIVATE_BYTES, REGION_EC);
    if (!NT_ERROR(status))
        status = table_create(p, FP_FAST);
    if (!NT_ERROR(status))
        status = table_create(p, FP_EXACT);
    if (NT_ERROR(status)) {
        cache_destroy(&p->private_cache);
        heap_give(p);
        return status;
    }
    spin_lock(&emu_lock);
    p->next = emu_processes;
    emu_processes = p;
    spin_unlock(&emu_lock);
    *out = p;
    return STATUS_SUCCESS;
}

static void kill_all(struct code_cache *cache)
{
    for (uint32_t i = 0; i < cache->chunk_count; i++)
        for (uint32_t j = 0; j < cache->chunks[i].region_count; j++)
            region_kill(cache->chunks[i].regions[j]);
}

void emu_process_destroy(struct emu_process *p)
{
    spin_lock(&emu_lock);
    struct emu_process **link = &emu_processes;
    while (*link != p)
        link = &(*link)->next;
    *link = p->next;
    // Nothing outside the process points into its cache, but its regions may be linked into the shared one.
    kill_all(&p->private_cache);
    reclaim_forget(&p->private_cache);
    spin_unlock(&emu_lock);
    cache_destroy(&p->private_cache);
    map_clear(&p->watched);
    imports_clear(p);
    map_clear(&p->fits);
    versions_clear(p);
    map_clear(&p->ec_targets);
    heap_give(p->cpu_areas);
    heap_give(p);
}

// What lies below a CPU area (emu/run/ctx.h).
enum { BELOW_AREA = CTX_SHADOW_BYTES + 2 * CTX_SHADOW_GAP };

status_t emu_thread_create(struct emu_process *p, uva_t *cpu_area)
{
    uva_t reserved = 0;
    uint64_t size = BELOW_AREA + PAGE_BYTES;
    status_t status = aspace_allocate(p->as, &reserved, &size, PAGE_READWRITE, REGION_KERNEL | REGION_TOP_DOWN);
    if (NT_ERROR(status))
        return status;
    uva_t base = reserved + BELOW_AREA;
    status = aspace_commit(p->as, base, PAGE_BYTES, PAGE_READWRITE, REGION_KERNEL);
    if (!NT_ERROR(status))
        status = aspace_commit(p->as, reserved + CTX_SHADOW_GAP, CTX_SHADOW_BYTES, PAGE_READWRITE, REGION_KERNEL);
    if (NT_ERROR(status)) {
        aspace_unmap(p->as, reserved);
        return status;
    }
    uint16_t x87_control = 0x27f;           // Windows' default: 53-bit precision, all masked
    uint32_t mxcsr = 0x1f80, forward = 1;
    static const uint16_t selectors[] = CTX_SELECTORS_INITIAL;
    aspace_write(p->as, base + CTX_X87_CONTROL, &x87_control, 2);
    aspace_write(p->as, base + CTX_MXCSR, &mxcsr, 4);
    aspace_write(p->as, base + CTX_DF, &forward, 4);
    aspace_write(p->as, base + CTX_SELECTORS, selectors, sizeof selectors);
    if (emu_features.afp)
        aspace_write(p->as, base + CTX_FP_EXACT, &(uint32_t){ CTX_FORM_AFP }, 4);
    shadow_create(p, base);
    spin_lock(&emu_lock);
    uva_t *areas = heap_take((p->cpu_area_count + 1) * sizeof *areas);
    if (areas) {
        if (p->cpu_area_count)
            memcpy(areas, p->cpu_areas, p->cpu_area_count * sizeof *areas);
        areas[p->cpu_area_count++] = base;
        heap_give(p->cpu_areas);
        p->cpu_areas = areas;
    }
    spin_unlock(&emu_lock);
    if (!areas) {
        aspace_unmap(p->as, reserved);
        return STATUS_NO_MEMORY;
    }
    *cpu_area = base;
    return STATUS_SUCCESS;
}

static uint64_t switches_of(struct emu_process *p, uva_t cpu_area)
{
    uint64_t switches = 0;
    aspace_read(p->as, cpu_area + CTX_SWITCHES, &switches, 8, ACCESS_READ);
    return switches;
}

void emu_thread_destroy(struct emu_process *p, uva_t cpu_area)
{
    spin_lock(&emu_lock);
    for (uint32_t i = 0; i < p->cpu_area_count; i++)
        if (p->cpu_areas[i] == cpu_area) {
            p->finished_switches += switches_of(p, cpu_area);
            p->cpu_areas[i] = p->cpu_areas[--p->cpu_area_count];
        }
    spin_unlock(&emu_lock);
    aspace_unmap(p->as, cpu_area - BELOW_AREA);
}

// Nothing of the process leads into translations any more; the next branch translates anew.
static void drop_all(struct emu_process *p)
{
    p->dropped = true;
    kill_all(&p->private_cache);
    shadow_forget(p, EMU_SHARED_FAST, EMU_SHARED_EXACT + 2 * EMU_SHARED_BYTES - EMU_SHARED_FAST);
    p->deaths++;
    table_clear(p);
    map_clear(&p->ec_targets);
}

status_t emu_process_make_tso(struct emu_process *p)
{
    spin_lock(&emu_lock);
    if (p->model != MODEL_TSO) {
        // The only thread there is now is in the kernel, called from native code or about to be re-entered by rip.
        p->model = MODEL_TSO;
        drop_all(p);
    }
    spin_unlock(&emu_lock);
    return STATUS_SUCCESS;
}

void process_make_exact(struct emu_process *p)
{
    if (p->fp_model == FP_EXACT)
        return;
    // The table of FP_FAST stays empty: other threads, still in old code, come to the kernel at their next indirect branch. Old shared
    // code that branches among itself may go on; its thread keeps MXCSR as FP_FAST does until it leaves.
    drop_all(p);
    p->fp_model = FP_EXACT;
    p->counters.exact_fp = 1;
}

void process_has_reader(struct emu_process *p)
{
    if (p->readers)
        return;
    // Nobody has called from there yet, so no flags that were not passed on are wanted. Threads in old code may go on: its frames are outside of all
    // new ones, and what it calls that returns to a reader comes here, too.
    p->readers = true;
    p->counters.readers = 1;
    p->shares = false;
    drop_all(p);
}

void emu_enter(struct emu_process *p, struct trap_frame *frame, uva_t cpu_area, uint64_t rip, uint32_t eflags)
{
    frame->x[28] = cpu_area;
    frame->x[9] = rip;
    frame->elr = EMU_STUB_ADDRESS(eflags & CTX_FLAG_TF ? EMU_STUB_MISS : EMU_STUB_ENTER);
    state_to_entry(p, frame, eflags);
}

static void invalidate_page(struct emu_process *p, uint64_t page)
{
    struct page_regions *own = map_get(&p->private_cache.by_page, page);
    if (own)
        versions_note_write(p, page);
    for (; own; own = map_get(&p->private_cache.by_page, page))     // gone with its last region
        region_evict(own->list[own->count - 1]);
    struct page_regions *shared = map_get(&shared_cache(p)->by_page, page);
    if (p->shares && shared) {
        // The process changed code of an image: from now on it translates for itself. Threads of it that are in shared code
        // leave it at their next indirect branch.
        p->shares = false;
        drop_all(p);
    }
}

static struct emu_process *process_of(struct aspace *as)
{
    struct emu_process *p = emu_processes;
    while (p && p->as != as)
        p = p->next;
    return p;
}

// mm calls it for a store of the translator's own, too, such as one to a CPU area that the program has put elsewhere: then the
// lock is held already.
static void watch_hook(struct aspace *as, uva_t page)
{
    bool held = spin_held(&emu_lock);
    if (!held)
        spin_lock(&emu_lock);
    struct emu_process *p = process_of(as);
    if (p) {
        map_remove(&p->watched, page);
        imports_changing(p, page);
        invalidate_page(p, page);
    }
    if (!held)
        spin_unlock(&emu_lock);
}

void emu_invalidate(struct aspace *as, uva_t base, uint64_t size)
{
    spin_lock(&emu_lock);
    struct emu_process *p = process_of(as);
    if (p) {
        uva_t first = base & ~(PAGE_BYTES - 1), end = base + size;
        for (struct map_slot *slot = NULL; (slot = map_next(&p->ec_targets, slot));)
            if (slot->key - first < end - first) {
                table_remove(p, slot->key);
                map_remove(&p->ec_targets, slot->key);
            }
    }
    spin_unlock(&emu_lock);
}

void emu_count(struct emu_process *p, struct process_counters *out)
{
    spin_lock(&emu_lock);
    out->x64_instructions_translated += p->counters.x64_instructions_translated;
    out->x64_bytes_translated += p->counters.x64_bytes_translated;
    out->blocks += p->counters.blocks;
    out->retranslated += p->counters.retranslated;
    out->cache_bytes += p->counters.cache_bytes;
    out->entries_miss += p->counters.entries_miss;
    out->entries_link += p->counters.entries_link;
    out->entries_emulated += p->counters.entries_emulated;
    out->entries_syscall += p->counters.entries_syscall;
    out->entries_fault += p->counters.entries_fault;
    out->mode_switches += p->finished_switches;
    out->exact_fp += p->counters.exact_fp;
    out->readers += p->counters.readers;
    for (uint32_t i = 0; i < p->cpu_area_count; i++)
        out->mode_switches += switches_of(p, p->cpu_areas[i]);
    spin_unlock(&emu_lock);
}
