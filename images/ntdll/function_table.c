// SPDX-License-Identifier: MIT
// Where unwind records are: one list of loaded images and of tables that programs registered at run time.
#include "images/ntdll/unwind.h"

enum table_kind { TABLE_IMAGE, TABLE_FIXED, TABLE_GROWABLE, TABLE_CALLBACK };
struct table {
    struct table *next;
    enum table_kind kind;
    uint64_t start, end;                        // addresses it covers
    uint64_t base;                              // RVAs count from here
    const void *records;
    uint32_t count;
    uint64_t id;                                // callback tables
    PGET_RUNTIME_FUNCTION_CALLBACK callback;
    void *callback_context;
};
static struct table *tables;
static RTL_SRWLOCK lock;

VOID NTAPI RtlAcquireSRWLockShared(RTL_SRWLOCK *l);
VOID NTAPI RtlReleaseSRWLockShared(RTL_SRWLOCK *l);

static status_t table_add(struct table description) {
    struct table *t = heap_get(sizeof *t);
    if (!t) return STATUS_NO_MEMORY;
    *t = description;
    RtlAcquireSRWLockExclusive(&lock);
    t->next = tables;
    tables = t;
    RtlReleaseSRWLockExclusive(&lock);
    return STATUS_SUCCESS;
}

// Removes the first table that is the one meant; false when there is none.
static bool table_remove(bool (*is_it)(const struct table *, const void *), const void *what) {
    struct table *found = 0;
    RtlAcquireSRWLockExclusive(&lock);
    for (struct table **link = &tables; *link; link = &(*link)->next)
        if (is_it(*link, what)) {
            found = *link;
            *link = found->next;
            break;
        }
    RtlReleaseSRWLockExclusive(&lock);
    if (found) heap_put(found);
    return found;
}
static bool is_image(const struct table *t, const void *base) { return t->kind == TABLE_IMAGE && t->base == (uint64_t)base; }
static bool is_program_table(const struct table *t, const void *records) {
    return (t->kind == TABLE_FIXED && t->records == records) || (t->kind == TABLE_CALLBACK && t->id == (uint64_t)records);
}
static bool is_growable(const struct table *t, const void *self) { return t->kind == TABLE_GROWABLE && t == self; }

status_t function_table_add_image(uint8_t *base, uint64_t bytes) {
    return table_add((struct table){ .kind = TABLE_IMAGE, .start = (uint64_t)base, .end = (uint64_t)base + bytes, .base = (uint64_t)base });
}
void function_table_remove_image(uint8_t *base) { table_remove(is_image, base); }

// ---- searching ----------------------------------------------------------------------------------------------------------
static uint32_t arm64_record_bytes(uint64_t base, const struct arm64_record *r) {
    if (r->unwind & 3) return (r->unwind >> 2 & 0x7ff) * 4;
    return (*(const uint32_t *)(base + r->unwind) & 0x3ffff) * 4;
}

// One record tells its start and end; a record may stand for another one of the same table.
static uint32_t begin_of(const void *records, bool arm64, uint32_t i) {
    return arm64 ? ((const struct arm64_record *)records)[i].begin : ((const struct x64_record *)records)[i].begin;
}
static const void *record_at(const void *records, bool arm64, uint32_t i, uint64_t base, uint32_t rva) {
    if (arm64) {
        const struct arm64_record *r = (const struct arm64_record *)records + i;
        if ((r->unwind & 3) == 3) r = (const void *)(base + (r->unwind & ~3u));
        return rva - begin_of(records, arm64, i) < arm64_record_bytes(base, r) ? r : 0;
    }
    const struct x64_record *r = (const struct x64_record *)records + i;
    if (rva < r->begin || rva >= r->end) return 0;
    return r->unwind & 1 ? (const void *)(base + (r->unwind & ~1u)) : r;
}

static const void *search_sorted(const void *records, bool arm64, uint32_t count, uint64_t base, uint32_t rva) {
    uint32_t low = 0, high = count;             // the last record that begins at or before rva
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (begin_of(records, arm64, middle) <= rva) low = middle + 1;
        else high = middle;
    }
    return low ? record_at(records, arm64, low - 1, base, rva) : 0;
}

static const void *search_all(const void *records, bool arm64, uint32_t count, uint64_t base, uint32_t rva) {
    const void *found = 0;
    for (uint32_t i = 0; i < count && !found; i++) found = record_at(records, arm64, i, base, rva);
    return found;
}

// Records of an image for pcs of one kind: the exception directory has those of the process's own machine, the hybrid
// metadata of an EC image the other ones (reference sheet of the ARM64EC ABI, section 9.1).
static const void *search_image(uint8_t *base, bool arm64, uint32_t rva) {
    uint32_t bytes;
    const void *records = arm64 && PROCESS_IS_X64 ? chpe_arm64_records(base, &bytes) : image_directory(base, IMAGE_DIRECTORY_ENTRY_EXCEPTION, &bytes);
    if (!records) return 0;
    return search_sorted(records, arm64, bytes / (arm64 ? sizeof(struct arm64_record) : sizeof(struct x64_record)), (uint64_t)base, rva);
}

void *function_lookup(uint64_t pc, uint64_t *base) {
    bool arm64 = pc_is_arm64(pc);
    const void *found = 0;
    struct table callback = { 0 };
    *base = 0;
    RtlAcquireSRWLockShared(&lock);
    for (struct table *t = tables; t && !found && !callback.callback; t = t->next) {
        if (pc < t->start || pc >= t->end) continue;
        *base = t->base;
        if (t->kind == TABLE_IMAGE) found = search_image((uint8_t *)t->base, arm64, (uint32_t)(pc - t->base));
        else if (t->kind == TABLE_FIXED) found = search_all(t->records, arm64, t->count, t->base, (uint32_t)(pc - t->base));
        else if (t->kind == TABLE_GROWABLE) found = search_sorted(t->records, arm64, t->count, t->base, (uint32_t)(pc - t->base));
        else callback = *t;
    }
    RtlReleaseSRWLockShared(&lock);
    return callback.callback ? callback.callback(pc, callback.callback_context) : (void *)found;
}

// ---- what programs call -------------------------------------------------------------------------------------------------
PRUNTIME_FUNCTION NTAPI RtlLookupFunctionEntry(DWORD64 pc, PDWORD64 base, PUNWIND_HISTORY_TABLE history) {
    (void)history;
    uint64_t from;
    void *record = function_lookup(pc, &from);
    if (record) *base = from;
    return record;
}

// Records in any order. In an x64 process they are x64 records; arm64 code made at run time uses growable tables.
BOOLEAN __cdecl RtlAddFunctionTable(PRUNTIME_FUNCTION records, DWORD count, DWORD64 base) {
    struct table t = { .kind = TABLE_FIXED, .start = UINT64_MAX, .base = base, .records = records, .count = count };
    for (uint32_t i = 0; i < count; i++) {
        uint64_t begin = base + begin_of(records, !PROCESS_IS_X64, i);
        uint64_t end = PROCESS_IS_X64 ? base + ((struct x64_record *)records)[i].end
                                      : begin + arm64_record_bytes(base, (struct arm64_record *)records + i);
        if (begin < t.start) t.start = begin;
        if (end > t.end) t.end = end;
    }
    return !NT_ERROR(table_add(t));
}
BOOLEAN __cdecl RtlDeleteFunctionTable(PRUNTIME_FUNCTION records) { return table_remove(is_program_table, records); }

BOOLEAN __cdecl RtlInstallFunctionTableCallback(DWORD64 id, DWORD64 base, DWORD length, PGET_RUNTIME_FUNCTION_CALLBACK callback,
                                                PVOID context, PCWSTR out_of_process) {
    (void)out_of_process;                       // for debuggers
    if ((id & 3) != 3) return FALSE;
    return !NT_ERROR(table_add((struct table){ .kind = TABLE_CALLBACK, .start = base, .end = base + length, .base = base, .id = id,
                                               .callback = callback, .callback_context = context }));
}

// Sorted records; the program may append until `most`. *table receives the handle for the two functions below.
DWORD NTAPI RtlAddGrowableFunctionTable(PVOID *table, PRUNTIME_FUNCTION records, DWORD count, DWORD most, ULONG_PTR start, ULONG_PTR end) {
    if (count > most || start >= end) return (DWORD)STATUS_INVALID_PARAMETER;
    struct table *t = heap_get(sizeof *t);
    if (!t) return (DWORD)STATUS_NO_MEMORY;
    *t = (struct table){ .kind = TABLE_GROWABLE, .start = start, .end = end, .base = start, .records = records, .count = count };
    RtlAcquireSRWLockExclusive(&lock);
    t->next = tables;
    tables = t;
    RtlReleaseSRWLockExclusive(&lock);
    *table = t;
    return (DWORD)STATUS_SUCCESS;
}
VOID NTAPI RtlGrowFunctionTable(PVOID table, DWORD count) {
    RtlAcquireSRWLockExclusive(&lock);
    struct table *t = table;
    if (count > t->count) t->count = count;
    RtlReleaseSRWLockExclusive(&lock);
}
VOID NTAPI RtlDeleteGrowableFunctionTable(PVOID table) { table_remove(is_growable, table); }
