// SPDX-License-Identifier: MIT
// The branch target table of a process (format: emu/run/ctx.h). EL0 reads it; the kernel writes it through the linear map.
//
// An entry is two words. With one thread (MODEL_PLAIN) nobody reads while the kernel writes. With more, a reader loads the rip and
// then, in order, the code: it must find the code of that rip, whatever happens in between. So an entry that was in use is retired: its rip
// is changed so that it never matches, its code stays. The same rip may have it again at once; another one only when no thread can be
// between the two loads any more: after all cores have taken an interrupt (table_settle), since an interrupted look-up finds nothing
// (table_interrupted).
#include "emu/run/runtime.h"

#include <string.h>
#include "kernel/smp.h"
#include "mm/frame.h"

struct table_entry { uint64_t code, rip; };
_Static_assert((sizeof(struct table_entry) << CTX_TABLE_BITS) + CTX_TABLE_CALL <= CTX_SECOND_OFFSET, "the second way follows the first");
_Static_assert(sizeof(struct table_entry) == CTX_TABLE_CALL, "the entry for calls is the next one");
_Static_assert(CTX_SECOND_OFFSET + (sizeof(struct table_entry) << CTX_SECOND_BITS) == CTX_TABLE_BYTES, "nothing follows the second");

static uva_t table_base(enum fp_model model)
{
    return model == FP_EXACT ? EMU_TABLE_EXACT : EMU_TABLE_BASE;
}

static uint32_t first_index(uint64_t rip)
{
    return rip & ((1u << CTX_TABLE_BITS) - 1);
}

static uint32_t second_index(uint64_t rip)
{
    return (rip ^ rip >> 14) >> 4 & ((1u << CTX_SECOND_BITS) - 1);
}

static struct table_entry *entry_at(struct emu_process *p, enum fp_model model, uint64_t offset)
{
    p->table_pages[offset / PAGE_BYTES / 64] |= 1ull << offset / PAGE_BYTES % 64;
    pa_t frame = aspace_frame(p->as, table_base(model) + (offset & ~(PAGE_BYTES - 1)));
    return frame ? (struct table_entry *)((uint8_t *)frame_pointer(frame) + offset % PAGE_BYTES) : NULL;
}

// What an empty entry holds instead of a rip: one that belongs elsewhere. 0 where that is right, so that fresh pages are empty.
static uint64_t empty_rip(uint32_t index)
{
    return index < 2 || index / 2 == second_index(CTX_TABLE_FLAGS) / 2 || index / 2 == first_index(CTX_TABLE_FLAGS) / 2 ? 32 : 0;
}

// Changes of the rip in an entry, of bits that are part of both indices and more than the neighbour.
enum { RETIRED = 32, MARKS = RETIRED | CTX_TABLE_FLAGS };

// Where rip may be: in the first way, and at two places in the second; and for calls.
enum { PLACES = 3, CALL_PLACE = PLACES, ALL_PLACES };

static struct table_place first_place(struct emu_process *p, uint32_t index)
{
    return (struct table_place){ entry_at(p, p->fp_model, index * sizeof(struct table_entry)), index, false };
}

static bool places_of(struct emu_process *p, uint64_t rip, struct table_place places[ALL_PLACES])
{
    uint32_t first = first_index(rip), second = second_index(rip);
    struct table_entry *pair = entry_at(p, p->fp_model, CTX_SECOND_OFFSET + (second & ~1u) * sizeof(struct table_entry));
    places[0] = first_place(p, first);
    for (unsigned i = 0; i < 2; i++)
        places[1 + i] = (struct table_place){ pair + i, (second & ~1u) + i, true };
    places[CALL_PLACE] = first_place(p, first + 1);
    return places[0].entry && pair && places[CALL_PLACE].entry;
}

static bool belongs(struct table_place place, uint64_t rip)
{
    uint32_t first = first_index(rip);
    return place.second ? second_index(rip) / 2 == place.index / 2 : first == place.index || first + 1 == place.index;
}

static bool is_live(struct table_place place)
{
    return belongs(place, place.entry->rip) || belongs(place, place.entry->rip ^ CTX_TABLE_FLAGS);
}

static bool is_of(struct table_place place, uint64_t rip)
{
    return !((place.entry->rip ^ rip) & ~(uint64_t)MARKS);
}

static bool is_empty(struct table_place place)
{
    return place.entry->rip == empty_rip(place.index);
}

static void fill(struct table_place place, uint64_t rip, uint64_t code_va)
{
    // Release: the code was written and its maintenance is done before anybody finds it here.
    __atomic_store_n(&place.entry->code, code_va, __ATOMIC_RELEASE);
    __atomic_store_n(&place.entry->rip, rip, __ATOMIC_RELEASE);
}

static void retire(struct emu_process *p, struct table_place place)
{
    bool alone = p->model == MODEL_PLAIN;
    __atomic_store_n(&place.entry->rip, alone ? empty_rip(place.index) : place.entry->rip ^ RETIRED, __ATOMIC_RELAXED);
}

status_t table_create(struct emu_process *p, enum fp_model model)
{
    uva_t base = table_base(model);
    uint64_t size = CTX_TABLE_BYTES;
    status_t status = aspace_allocate(p->as, &base, &size, PAGE_READONLY, REGION_COMMIT | REGION_KERNEL);
    struct table_entry *first = NT_ERROR(status) ? NULL : entry_at(p, model, 0);
    struct table_entry *second = first ? entry_at(p, model, CTX_SECOND_OFFSET) : NULL;
    if (!second)
        return NT_ERROR(status) ? status : STATUS_NO_MEMORY;
    for (uint32_t i = 0; i <= CTX_TABLE_FLAGS + 1; i++)
        first[i].rip = second[i].rip = empty_rip(i);
    return STATUS_SUCCESS;
}

// Another rip is to have the entry, or the same one with the other mark.
static void retire_for_good(struct emu_process *p, struct table_place place)
{
    if (p->retired_count == TABLE_RETIRED)
        return;
    if (is_live(place))
        retire(p, place);
    p->retired[p->retired_count++] = (struct table_retired){ place, place.entry->rip };
}

enum room { ROOM_NOW, ROOM_LATER, ROOM_NONE };

// Makes room in the first way, whose entry leads to something else, by moving that to the second way: what comes late is run longer than
// what a program begins with.
static enum room make_room(struct emu_process *p, struct table_place first)
{
    uint64_t marked = first.entry->rip, rip = first_index(marked) == first.index ? marked : marked ^ CTX_TABLE_FLAGS;
    struct table_place others[ALL_PLACES];
    if (is_empty(first))
        return ROOM_NOW;
    if (p->retired_count == TABLE_RETIRED)
        return ROOM_NONE;
    if (is_live(first)) {
        if (first_index(rip) != first.index || !places_of(p, rip, others))
            return ROOM_NONE;               // that of a call has no other place
        struct table_place to = is_empty(others[1]) ? others[1] : others[2];
        if (!is_empty(to))
            return ROOM_NONE;
        fill(to, marked, first.entry->code);
    }
    if (p->model == MODEL_PLAIN)
        return ROOM_NOW;
    retire_for_good(p, first);
    return ROOM_LATER;                      // who wants it now will find it free the next time
}

status_t table_put(struct emu_process *p, uint64_t rip, uint64_t code_va, bool reads_flags)
{
    struct table_place places[ALL_PLACES], *free = NULL;
    uint64_t marked = rip ^ (reads_flags ? CTX_TABLE_FLAGS : 0);
    if (!places_of(p, rip, places))
        return STATUS_NO_MEMORY;
    for (unsigned i = PLACES; i-- > 0;) {
        if (is_of(places[i], rip) && (p->model == MODEL_PLAIN || !((places[i].entry->rip ^ marked) & CTX_TABLE_FLAGS))) {
            p->revived += !is_live(places[i]);
            fill(places[i], marked, code_va);
            return STATUS_SUCCESS;
        }
        if (is_of(places[i], rip))
            retire_for_good(p, places[i]);
        if (is_empty(places[i]))
            free = &places[i];
    }
    switch (make_room(p, places[0])) {
    case ROOM_LATER: return STATUS_SUCCESS;
    case ROOM_NOW: free = &places[0]; break;
    case ROOM_NONE: break;
    }
    if (free) {
        fill(*free, marked, code_va);
        return STATUS_SUCCESS;
    }
    // Nothing is free: one of them is forgotten, another one each time. If that takes an interrupt of all cores, not each time: more rips
    // than places may be in turn.
    enum { SELDOM = 16 };
    struct table_place old = places[++p->turn % PLACES];
    if (p->model == MODEL_PLAIN)
        fill(old, marked, code_va);
    else if (p->turn % SELDOM == 0)
        retire_for_good(p, old);
    return STATUS_SUCCESS;
}

void table_put_call(struct emu_process *p, uint64_t rip, uint64_t call_va, bool reads_flags)
{
    struct table_place places[ALL_PLACES];
    uint64_t marked = rip ^ (reads_flags ? CTX_TABLE_FLAGS : 0);
    if (!places_of(p, rip, places))
        return;
    struct table_place at = places[CALL_PLACE];
    bool same = is_of(at, rip) && !((at.entry->rip ^ marked) & CTX_TABLE_FLAGS);
    if (p->model == MODEL_PLAIN || is_empty(at) || same) {
        p->revived += same && !is_live(at);
        fill(at, marked, call_va);
    }
}

static void nothing(void *unused)
{
    (void)unused;
}

void table_settle(struct emu_process *p)
{
    struct table_retired retired[TABLE_RETIRED];
    spin_lock(&emu_lock);
    uint32_t count = p->retired_count, revived = p->revived;
    memcpy(retired, p->retired, count * sizeof *retired);
    p->retired_count = 0;
    spin_unlock(&emu_lock);
    if (!count)
        return;
    smp_call_others(nothing, NULL);
    spin_lock(&emu_lock);
    for (uint32_t i = 0; i < count && revived == p->revived; i++)       // one that has come back may have been retired again since
        if (retired[i].place.entry->rip == retired[i].rip)
            __atomic_store_n(&retired[i].place.entry->rip, empty_rip(retired[i].place.index), __ATOMIC_RELAXED);
    spin_unlock(&emu_lock);
}

void table_interrupted(struct emu_process *p, struct trap_frame *frame)
{
    uint32_t words[2];
    bool looking = frame->elr - EMU_STUBS_BASE < EMU_CODE_BYTES && frame->x[10] - table_base(p->fp_model) < CTX_TABLE_BYTES;
    if (p->model == MODEL_PLAIN || !looking || aspace_read(p->as, frame->elr - 4, words, sizeof words, ACCESS_READ) != sizeof words)
        return;
    uint32_t word = words[1];
    // Whatever has been found is not it: what follows goes out of line, to the second way and to the kernel.
    bool compared = word == CTX_LOOK_FLAGS || word == CTX_LOOK_AND || (word & CTX_LOOK_CBNZ_MASK) == CTX_LOOK_CBNZ || word == CTX_LOOK_CODE
                    || word == CTX_LOOK_CALL || word == CTX_LOOK_CALL_CODE;
    bool loaded = (words[0] & CTX_LOOK_LOAD_MASK) == CTX_LOOK_LOAD || (words[0] & CTX_LOOK_PAIR_MASK) == CTX_LOOK_PAIR;
    if (loaded && (word & CTX_LOOK_EOR_MASK) == CTX_LOOK_EOR)
        frame->x[12] = ~frame->x[word >> 16 & 31];
    else if (compared)
        frame->x[12] = 1ull << 62;
    if (word == CTX_LOOK_CODE || word == CTX_LOOK_CALL)
        frame->elr -= 4;
    if (word == CTX_LOOK_CALL_CODE)
        frame->elr -= 8;
}

void table_remove(struct emu_process *p, uint64_t rip)
{
    struct table_place places[ALL_PLACES];
    bool there = places_of(p, rip, places);
    for (unsigned i = 0; i < ALL_PLACES && there; i++)
        if (is_of(places[i], rip) && is_live(places[i]))
            retire(p, places[i]);
}

void table_clear(struct emu_process *p)
{
    for (uint64_t offset = 0; offset < CTX_TABLE_BYTES; offset += PAGE_BYTES) {
        if (!(p->table_pages[offset / PAGE_BYTES / 64] >> offset / PAGE_BYTES % 64 & 1))
            continue;
        struct table_entry *entries = entry_at(p, p->fp_model, offset);
        uint64_t first = (offset < CTX_SECOND_OFFSET ? offset : offset - CTX_SECOND_OFFSET) / sizeof *entries;
        for (uint32_t i = 0; entries && i < PAGE_BYTES / sizeof *entries; i++)
            if (is_live((struct table_place){ &entries[i], (uint32_t)first + i, offset >= CTX_SECOND_OFFSET }))
                retire(p, (struct table_place){ &entries[i], (uint32_t)first + i, offset >= CTX_SECOND_OFFSET });
    }
}
