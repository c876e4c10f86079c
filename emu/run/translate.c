// SPDX-License-Identifier: MIT
// From a rip to code: found in the process's cache, in the shared cache, or translated now.
#include "emu/run/runtime.h"

#include "kernel/abi/syscall.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include <string.h>
#include "mm/arm64/cache.h"
#include "mm/frame.h"
#include "mm/heap.h"

#define REGION_PAGES 32                     // x64 pages one region may be made from
#define VERIFIED_INSTRUCTIONS 64            // of a region that verifies itself

// Where lower_region writes its tables. One set: emu_lock is held.
#define ENTRY_CAPACITY 2048
#define EXIT_CAPACITY  2048
#define POINT_CAPACITY 8192
#define HEAD_CAPACITY  512
#define ASSUMPTION_CAPACITY 64
#define CHECKED_CAPACITY (VERIFIED_INSTRUCTIONS * X64_LENGTH_MAX)
#define CODE_CAPACITY  (128 * 1024 / 4)
#define CODE_LEAST     (16 * 1024)          // bytes: less at the end of a chunk is not tried
static struct lower_entry entry_buffer[ENTRY_CAPACITY];
static struct lower_exit exit_buffer[EXIT_CAPACITY];
static struct lower_point point_buffer[POINT_CAPACITY];
static struct lower_entry head_buffer[HEAD_CAPACITY];
static struct lower_assumption assumption_buffer[ASSUMPTION_CAPACITY];
static uint8_t checked_buffer[2][CHECKED_CAPACITY];
static _Alignas(16) uint8_t work_buffer[LOWER_WORK_BYTES];

struct reading {                            // state of one translation's code reads
    struct emu_process *p;
    const struct code_cache *cache;
    bool shared, watch, verify;
    uint32_t page_count;
    struct region_page pages[REGION_PAGES];
};

static bool executable(struct emu_process *p, uint64_t page)
{
    uint8_t byte;
    return page < 1ull << 47 && !aspace_is_ec(p->as, page) && aspace_read(p->as, page, &byte, 1, ACCESS_EXECUTE) == 1;
}

bool translate_watch(struct emu_process *p, uint64_t page)
{
    static char kinds[2];
    enum watch_kind kind = versions_hot(p, page) ? WATCH_MAPPING : WATCH_STORES;
    if (map_get(&p->watched, page) == &kinds[kind])
        return true;
    if (NT_ERROR(aspace_watch(p->as, page, kind)))
        return false;
    return map_put(&p->watched, page, &kinds[kind]);
}

// The kernel's view of an x64 code page, taken into the region's pages; NULL: not for this region.
static const uint8_t *reading_page(struct reading *r, uint64_t page)
{
    for (uint32_t i = 0; i < r->page_count; i++)
        if (r->pages[i].va == page)
            return frame_pointer(r->pages[i].frame);
    if (r->page_count == REGION_PAGES || !executable(r->p, page))
        return NULL;
    if (r->watch && !r->verify && versions_hot(r->p, page))
        return NULL;
    // Watched before it is read: a store that comes later finds the region in the map.
    if (r->watch && !translate_watch(r->p, page))
        return NULL;
    pa_t frame = aspace_frame(r->p->as, page);
    if (!frame || (r->shared && frame_owner_of(frame) != FRAME_IMAGE))
        return NULL;
    r->pages[r->page_count++] = (struct region_page){ page, frame };
    return frame_pointer(frame);
}

static size_t read_code(void *context, uint64_t va, uint8_t *buffer, size_t max)
{
    size_t done = 0;
    while (done < max) {
        uint64_t page = (va + done) & ~(PAGE_BYTES - 1), offset = (va + done) % PAGE_BYTES;
        const uint8_t *bytes = reading_page(context, page);
        if (!bytes)
            break;
        size_t count = PAGE_BYTES - offset < max - done ? PAGE_BYTES - offset : max - done;
        memcpy(buffer + done, bytes + offset, count);
        done += count;
    }
    return done;
}

static bool is_unaligned(void *context, uint64_t rip)
{
    struct reading *r = context;
    return locked_unaligned(r->cache, rip);
}

static bool is_loose(void *context, uint64_t va, unsigned bytes)
{
    struct reading *r = context;
    return versions_loose(r->p, va, bytes);
}

static bool is_ec(void *context, uint64_t va)
{
    struct reading *r = context;
    return va < 1ull << 47 && aspace_is_ec(r->p->as, va);
}

// The eight bytes at va, if they belong to an image and nobody may store there; from now on it is seen when that changes.
static bool constant_at(struct emu_process *p, uint64_t va, uint64_t *value)
{
    uint64_t page = va & ~(PAGE_BYTES - 1);
    struct vm_info info;
    return va % 8 == 0 && page < 1ull << 47 && !NT_ERROR(aspace_query(p->as, page, &info)) && info.type == MEM_IMAGE
           && aspace_code_page(p->as, page) == CODE_READ_ONLY && !versions_restless(p, page) && translate_watch(p, page)
           // Again: watched since, so what it is now it stays until the hook is called.
           && aspace_code_page(p->as, page) == CODE_READ_ONLY && aspace_read(p->as, va, value, 8, ACCESS_READ) == 8;
}

static bool constant(void *context, uint64_t va, uint64_t *value)
{
    struct reading *r = context;
    return constant_at(r->p, va, value);
}

void exception_access(struct exception *e, uint64_t rip, unsigned kind, uint64_t address)
{
    *e = (struct exception){ .code = STATUS_ACCESS_VIOLATION, .parameter_count = 2, .address = rip,
                             .parameters = { kind, address } };
}

static enum emu_outcome exhausted(struct exception *out, uint64_t rip, status_t status)
{
    *out = (struct exception){ .code = status, .address = rip };
    format_text(out->detail, sizeof out->detail, "the code could not be translated (no room, or a defect: see the log)");
    return EMU_EXCEPTION;
}

// The cache is full, or memory is.
static enum emu_outcome no_room(struct code_cache *cache, struct exception *exception, uint64_t rip)
{
    return reclaim_need(cache) ? EMU_NO_ROOM : exhausted(exception, rip, STATUS_NO_MEMORY);
}

enum kind { TRANSLATE_OWN, TRANSLATE_SHARED, TRANSLATE_ONCE, TRANSLATE_STEP, TRANSLATE_VERIFIED };

static enum emu_outcome translate(struct emu_process *p, uint64_t rip, enum kind kind, uint32_t instructions, struct region **out,
                                  struct exception *exception)
{
    bool shared = kind == TRANSLATE_SHARED, once = kind == TRANSLATE_ONCE || kind == TRANSLATE_STEP, verify = kind == TRANSLATE_VERIFIED;
    struct code_cache *cache = shared ? shared_cache(p) : &p->private_cache;
    struct reading reading = { .p = p, .cache = cache, .shared = shared, .watch = !once, .verify = verify };
    struct code_source source = { read_code, is_ec, &reading, once || verify ? NULL : constant };
    struct lower_config config = { .features = emu_features, .model = p->model, .fp_model = p->fp_model,
                                   .stub_indirect = kind == TRANSLATE_STEP ? EMU_STUB_ADDRESS(EMU_STUB_STEP) : stub_second(p),
                                   .stub_call = kind == TRANSLATE_STEP ? EMU_STUB_ADDRESS(EMU_STUB_STEP) : stub_first(p),
                                   .stub_return = kind == TRANSLATE_STEP ? 0 : stub_return(p),
                                   .stub_call_ec = p->fp_model == FP_EXACT ? 0 : EMU_STUB_ADDRESS(EMU_STUB_CALL_EC),
                                   .no_readers = !p->readers, .step = kind == TRANSLATE_STEP, .max_instructions = instructions,
                                   .large = hot_is_large(cache, rip) && kind <= TRANSLATE_SHARED,
                                   .verify = verify, .x87_depth = p->x87_depth, .is_loose = is_loose, .is_unaligned = is_unaligned };
    struct lower_result result;
    for (uint32_t least = CODE_LEAST;;) {
        uint8_t *kernel;
        uint32_t room;
        if (NT_ERROR(cache_reserve(cache, least, &config.code_va, &kernel, &room)))
            return no_room(cache, exception, rip);
        if (room > CODE_CAPACITY * 4)
            room = CODE_CAPACITY * 4;
        result = (struct lower_result){
            .code = (uint32_t *)kernel, .code_capacity = room / 4, .entries = entry_buffer, .entry_capacity = ENTRY_CAPACITY,
            .exits = exit_buffer, .exit_capacity = EXIT_CAPACITY, .points = point_buffer, .point_capacity = POINT_CAPACITY,
            .heads = head_buffer, .head_capacity = HEAD_CAPACITY,
            .assumptions = assumption_buffer, .assumption_capacity = ASSUMPTION_CAPACITY,
            .checked = checked_buffer[0], .checked_mask = checked_buffer[1], .checked_capacity = CHECKED_CAPACITY,
            .work = work_buffer };
        reading.page_count = 0;
        enum lower_status lowered = lower_region(&config, &source, rip, &result);
        if (lowered == LOWER_OK) {
            code_sync(kernel, config.code_va, result.code_count * 4);
            break;
        }
        if (lowered == LOWER_NOT_EXECUTABLE) {
            exception_access(exception, rip, 8, rip);
            return EMU_EXCEPTION;
        }
        if (lowered == LOWER_DEFECT) {
            log_error("translator: no arm64 encoding for what the lowering of 0x%llx asked for", (unsigned long long)rip);
            return exhausted(exception, rip, STATUS_UNSUCCESSFUL);
        }
        if (room < CODE_CAPACITY * 4) {          // perhaps the chunk was nearly full
            least = CODE_CAPACITY * 4;
            continue;
        }
        CHECK(config.max_instructions != 1);     // one instruction always fits
        config.max_instructions = config.max_instructions ? config.max_instructions / 2 : 64;
    }
    status_t status = region_add(cache, &result, config.code_va, reading.pages, reading.page_count, !once, out);
    if (NT_ERROR(status))
        return no_room(cache, exception, rip);
    (*out)->holds_frames = shared;
    (*out)->more &= !config.large;
    if (shared)
        map_put(&p->fits, (*out)->code_va, *out);
    if (shared)
        for (uint32_t i = 0; i < reading.page_count; i++)
            frame_share(reading.pages[i].frame);     // the frame stays what it was as long as the translation stands
    if (config.large) {
        p->counters.retranslated++;
    } else {
        p->counters.x64_instructions_translated += result.x64_instructions;
        p->counters.x64_bytes_translated += result.x64_bytes;
        p->counters.blocks++;
    }
    p->counters.cache_bytes += result.code_count * 4;
    status = cache_map(cache, p->as, shared ? &p->shared_mapped[shared_index(p)] : &p->private_mapped);
    return NT_ERROR(status) ? exhausted(exception, rip, status) : EMU_RESUME;
}

// May this process run a region of the shared cache: is in its memory what the region was made from?
static bool region_fits(struct emu_process *p, const struct region *region)
{
    for (uint32_t i = 0; i < region->page_count; i++) {
        const struct region_page *page = &region->pages[i];
        if (!executable(p, page->va) || aspace_frame(p->as, page->va) != page->frame || !translate_watch(p, page->va))
            return false;
    }
    for (uint32_t i = 0; i < region->assumption_count; i++) {
        uint64_t value;
        if (!constant_at(p, region->assumptions[i].va, &value) || value != region->assumptions[i].value
            || (region->assumptions[i].ec && !aspace_is_ec(p->as, region->assumptions[i].va)))
            return false;
    }
    return true;
}

// The same for it and all that can be reached from it by links.
static bool all_fit(struct emu_process *p, struct region *first)
{
    if (map_get(&p->fits, first->code_va))
        return true;
    bool fit = map_put(&p->fits, first->code_va, first);
    struct region *last = first;
    first->next_fitting = NULL;
    for (struct region *region = first; region && fit; region = region->next_fitting) {
        fit = region_fits(p, region);
        for (uint32_t i = 0; i < region->link_count && fit; i++) {
            struct region *to = region->links[i].to;
            if (!to || map_get(&p->fits, to->code_va))
                continue;
            fit = map_put(&p->fits, to->code_va, to);
            to->next_fitting = NULL;
            last = last->next_fitting = to;
        }
    }
    for (struct region *region = first; region && !fit; region = region->next_fitting)
        map_remove(&p->fits, region->code_va);
    return fit;
}

bool translate_may_link(struct emu_process *p, const struct region *from, struct region *to)
{
    if (!to || from->dead || to->dead)
        return false;
    if (from->cache == &p->private_cache)
        return true;
    if (to->cache != from->cache)
        return false;
    for (struct emu_process *other = emu_processes; other; other = other->next)
        if (other->shares && map_get(&other->fits, from->code_va) && !all_fit(other, to))
            return false;
    return true;
}

bool translate_read(struct emu_process *p, uint64_t rip, uint8_t *bytes, uint32_t count)
{
    return aspace_read(p->as, rip, bytes, count, ACCESS_EXECUTE) == count;
}

enum emu_outcome translate_verified(struct emu_process *p, uint64_t rip, uint32_t instructions, struct region **out,
                                    struct exception *exception)
{
    if (instructions == WHOLE_REGION || instructions > VERIFIED_INSTRUCTIONS)
        instructions = VERIFIED_INSTRUCTIONS;
    return translate(p, rip, TRANSLATE_VERIFIED, instructions, out, exception);
}

// Whether an instruction that begins at rip may have bytes in a hot page.
static bool hot_at(struct emu_process *p, uint64_t rip)
{
    uint64_t page = rip & ~(PAGE_BYTES - 1), next = (rip + X64_LENGTH_MAX - 1) & ~(PAGE_BYTES - 1);
    return versions_hot(p, page) || (next != page && versions_hot(p, next));
}

enum emu_outcome translate_find(struct emu_process *p, uint64_t rip, uint64_t *code_va, struct region **region,
                                struct exception *out)
{
    *region = NULL;
    if (rip >> 47) {                        // the kernel's half is a page fault, what is not canonical #GP
        bool canonical = rip >> 47 == 0x1ffff;
        exception_access(out, rip, canonical ? 8 : 0, canonical ? rip : ~0ull);
        return EMU_EXCEPTION;
    }
    if (aspace_is_ec(p->as, rip)) {
        *code_va = EMU_STUB_ADDRESS(EMU_STUB_ENTER_EC);
        return map_put(&p->ec_targets, rip, p) ? EMU_RESUME : exhausted(out, rip, STATUS_NO_MEMORY);
    }
    *region = map_get(&p->private_cache.by_rip, rip);
    if (*region ? (*region)->verify : hot_at(p, rip)) {
        enum emu_outcome outcome = versions_find(p, *region, rip, region, out);
        if (outcome == EMU_RESUME)
            *code_va = region_entry(*region, rip);
        return outcome;
    }
    if (!*region && p->shares) {
        struct code_cache *shared = shared_cache(p);
        *region = map_get(&shared->by_rip, rip);
        if (*region && !all_fit(p, *region))
            *region = NULL;
        if (*region && NT_ERROR(cache_map(shared, p->as, &p->shared_mapped[shared_index(p)])))
            return exhausted(out, rip, STATUS_NO_MEMORY);
    }
    if (!*region) {
        pa_t frame = p->shares && executable(p, rip & ~(PAGE_BYTES - 1)) ? aspace_frame(p->as, rip) : 0;
        bool shared = frame && frame_owner_of(frame & ~(PAGE_BYTES - 1)) == FRAME_IMAGE
                      && !map_get(&shared_cache(p)->by_rip, rip);
        enum emu_outcome outcome = translate(p, rip, shared ? TRANSLATE_SHARED : TRANSLATE_OWN, WHOLE_REGION, region, out);
        if (outcome != EMU_RESUME)
            return outcome;
    }
    *code_va = region_entry(*region, rip);
    CHECK(*code_va);
    return EMU_RESUME;
}

enum emu_outcome translate_step(struct emu_process *p, uint64_t rip, uint64_t *code_va, struct exception *out)
{
    struct region *region;
    struct x64_insn insn;
    uint8_t bytes[X64_LENGTH_MAX];
    process_has_reader(p);                  // whoever looks at each instruction
    enum emu_outcome outcome = translate(p, rip, TRANSLATE_STEP, 1, &region, out);
    if (outcome != EMU_RESUME)
        return outcome;
    uint64_t count = aspace_read(p->as, rip, bytes, sizeof bytes, ACCESS_EXECUTE);
    region->step = true;
    region->step_inhibits = x64_decode(bytes, count, rip, &insn) == X64_OK && insn.op == X64_MOV
                            && insn.opd[0].kind == X64_OPD_SEG && insn.opd[0].reg == X64_SS;
    *code_va = region->code_va + region->entries[0].offset;
    return EMU_RESUME;
}

enum emu_outcome translate_once(struct emu_process *p, uint64_t rip, uint64_t *code_va, struct exception *out)
{
    struct region *region;
    enum emu_outcome outcome = translate(p, rip, TRANSLATE_ONCE, 1, &region, out);
    if (outcome == EMU_RESUME)
        *code_va = region->code_va + region->entries[0].offset;
    return outcome;
}
