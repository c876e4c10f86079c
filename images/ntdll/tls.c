// SPDX-License-Identifier: MIT
// Thread-local storage of images (TEB.ThreadLocalStoragePointer) and the Tls and Fls slots that programs allocate.
//
// Every thread has an array of pointers, one a module with a TLS directory. Modules loaded later find the threads in a
// list. The first word before the array links it; the array never moves, because compiled code reads it without a lock.
#include "images/ntdll/internal.h"

enum { TLS_MODULES = 1024 - 2 };
struct tls_array {
    struct tls_array *next, **previous;
    void *blocks[TLS_MODULES];
};
static struct tls_array *threads;
static struct module *owners[TLS_MODULES];
static RTL_SRWLOCK tls_lock;

static const IMAGE_TLS_DIRECTORY64 *directory(struct module *m) {
    uint32_t bytes;
    const IMAGE_TLS_DIRECTORY64 *d = image_directory(m->base, IMAGE_DIRECTORY_ENTRY_TLS, &bytes);
    return d && bytes >= sizeof *d ? d : 0;
}

// A block is aligned as the directory asks: the heap's own block address is kept in the word before it.
static void *block_make(struct module *m) {
    const IMAGE_TLS_DIRECTORY64 *d = directory(m);
    size_t data = d->EndAddressOfRawData - d->StartAddressOfRawData, bytes = data + d->SizeOfZeroFill;
    unsigned power = d->Characteristics >> 20 & 15;
    size_t align = power > 5 ? 1ull << (power - 1) : 16;
    uint8_t *raw = heap_get(bytes + align + 8);
    if (!raw) return 0;
    uint8_t *block = (uint8_t *)(((uint64_t)raw + 8 + align - 1) & ~(align - 1));
    ((void **)block)[-1] = raw;
    memcpy(block, (void *)d->StartAddressOfRawData, data);
    return block;
}
static void block_free(void *block) { if (block) heap_put(((void **)block)[-1]); }

status_t tls_module_add(struct module *m) {
    const IMAGE_TLS_DIRECTORY64 *d = directory(m);
    if (!d) return STATUS_SUCCESS;
    status_t status = STATUS_SUCCESS;
    RtlAcquireSRWLockExclusive(&tls_lock);
    int index = 0;
    while (index < TLS_MODULES && owners[index]) index++;
    if (index == TLS_MODULES) {
        status = STATUS_INSUFFICIENT_RESOURCES;
    } else {
        owners[index] = m;
        m->tls = index;
        *(uint32_t *)d->AddressOfIndex = (uint32_t)index;
        for (struct tls_array *t = threads; t; t = t->next)
            if (!(t->blocks[index] = block_make(m))) status = STATUS_NO_MEMORY;
    }
    RtlReleaseSRWLockExclusive(&tls_lock);
    return status;
}

void tls_module_remove(struct module *m) {
    if (m->tls < 0) return;
    RtlAcquireSRWLockExclusive(&tls_lock);
    for (struct tls_array *t = threads; t; t = t->next) {
        block_free(t->blocks[m->tls]);
        t->blocks[m->tls] = 0;
    }
    owners[m->tls] = 0;
    RtlReleaseSRWLockExclusive(&tls_lock);
    m->tls = -1;
}

status_t tls_thread_init(void) {
    struct tls_array *t = heap_get(sizeof *t);
    if (!t) return STATUS_NO_MEMORY;
    status_t status = STATUS_SUCCESS;
    RtlAcquireSRWLockExclusive(&tls_lock);
    for (int i = 0; i < TLS_MODULES; i++)
        if (owners[i] && !(t->blocks[i] = block_make(owners[i]))) status = STATUS_NO_MEMORY;
    t->next = threads;
    t->previous = &threads;
    if (threads) threads->previous = &t->next;
    threads = t;
    RtlReleaseSRWLockExclusive(&tls_lock);
    TEB_FIELD(uint64_t, TEB_TLS_POINTER) = (uint64_t)t->blocks;
    return status;
}

void tls_thread_free(void) {
    void *blocks = (void *)TEB_FIELD(uint64_t, TEB_TLS_POINTER);
    if (!blocks) return;
    struct tls_array *t = CONTAINING_RECORD(blocks, struct tls_array, blocks);
    RtlAcquireSRWLockExclusive(&tls_lock);
    *t->previous = t->next;
    if (t->next) t->next->previous = t->previous;
    RtlReleaseSRWLockExclusive(&tls_lock);
    TEB_FIELD(uint64_t, TEB_TLS_POINTER) = 0;
    for (int i = 0; i < TLS_MODULES; i++) block_free(t->blocks[i]);
    heap_put(t);
    heap_put((void *)TEB_FIELD(uint64_t, TEB_TLS_EXPANSION));
}

void tls_callbacks(struct module *m, uint32_t reason) {
    const IMAGE_TLS_DIRECTORY64 *d = directory(m);
    if (!d || !d->AddressOfCallBacks) return;
    typedef void(NTAPI *callback_fn)(void *base, DWORD reason, void *reserved);
    for (callback_fn *c = (callback_fn *)d->AddressOfCallBacks; *c; c++) (*c)(m->base, reason, 0);
}

// ---- TlsAlloc and FlsAlloc: one bit a slot ------------------------------------------------------------------------------
enum { TLS_SLOTS = 64, TLS_MORE = 1024, FLS_SLOTS = 1024 };
static uint64_t tls_used[(TLS_SLOTS + TLS_MORE) / 64], fls_used[FLS_SLOTS / 64];
static PFLS_CALLBACK_FUNCTION fls_callback[FLS_SLOTS];
static RTL_SRWLOCK slot_lock;

static unsigned slot_take(uint64_t *used, unsigned words) {
    unsigned slot = TLS_OUT_OF_INDEXES;
    RtlAcquireSRWLockExclusive(&slot_lock);
    for (unsigned w = 0; w < words && slot == TLS_OUT_OF_INDEXES; w++)
        if (~used[w]) {
            unsigned bit = (unsigned)__builtin_ctzll(~used[w]);
            used[w] |= 1ull << bit;
            slot = w * 64 + bit;
        }
    RtlReleaseSRWLockExclusive(&slot_lock);
    return slot;
}
static bool slot_give(uint64_t *used, unsigned slots, unsigned slot) {
    if (slot >= slots) return false;
    RtlAcquireSRWLockExclusive(&slot_lock);
    bool was = used[slot / 64] >> (slot & 63) & 1;
    used[slot / 64] &= ~(1ull << (slot & 63));
    RtlReleaseSRWLockExclusive(&slot_lock);
    return was;
}

// The cell of a Tls slot in the running thread; the expansion array appears when it is first written.
static void **tls_cell(ULONG slot, bool make) {
    if (slot < TLS_SLOTS) return (void **)(teb_self() + TEB_TLS_SLOTS) + slot;
    if (slot >= TLS_SLOTS + TLS_MORE) return 0;
    void **more = (void **)TEB_FIELD(uint64_t, TEB_TLS_EXPANSION);
    if (!more && make) TEB_FIELD(uint64_t, TEB_TLS_EXPANSION) = (uint64_t)(more = heap_get(TLS_MORE * 8));
    return more ? more + (slot - TLS_SLOTS) : 0;
}

DWORD WINAPI TlsAlloc(void) {
    unsigned slot = slot_take(tls_used, sizeof tls_used / 8);
    void **cell = slot == TLS_OUT_OF_INDEXES ? 0 : tls_cell(slot, false);
    if (cell) *cell = 0;
    if (slot == TLS_OUT_OF_INDEXES) TEB_FIELD(uint32_t, TEB_LAST_ERROR) = ERROR_NO_MORE_ITEMS;
    return slot;
}
BOOL WINAPI TlsFree(DWORD slot) {
    void **cell = tls_cell(slot, false);
    if (cell) *cell = 0;
    if (slot_give(tls_used, TLS_SLOTS + TLS_MORE, slot)) return TRUE;
    TEB_FIELD(uint32_t, TEB_LAST_ERROR) = ERROR_INVALID_PARAMETER;
    return FALSE;
}
LPVOID WINAPI TlsGetValue(DWORD slot) {
    void **cell = tls_cell(slot, false);
    TEB_FIELD(uint32_t, TEB_LAST_ERROR) = slot < TLS_SLOTS + TLS_MORE ? 0 : ERROR_INVALID_PARAMETER;
    return cell ? *cell : 0;
}
BOOL WINAPI TlsSetValue(DWORD slot, LPVOID value) {
    void **cell = tls_cell(slot, true);
    if (cell) { *cell = value; return TRUE; }
    TEB_FIELD(uint32_t, TEB_LAST_ERROR) = slot < TLS_SLOTS + TLS_MORE ? ERROR_NOT_ENOUGH_MEMORY : ERROR_INVALID_PARAMETER;
    return FALSE;
}

enum { TEB_FLS_DATA = 0x17c8 };
static void **fls_cells(bool make) {
    void **cells = (void **)TEB_FIELD(uint64_t, TEB_FLS_DATA);
    if (!cells && make) TEB_FIELD(uint64_t, TEB_FLS_DATA) = (uint64_t)(cells = heap_get(FLS_SLOTS * 8));
    return cells;
}
DWORD WINAPI FlsAlloc(PFLS_CALLBACK_FUNCTION callback) {
    unsigned slot = slot_take(fls_used, FLS_SLOTS / 64);
    if (slot == FLS_OUT_OF_INDEXES) { TEB_FIELD(uint32_t, TEB_LAST_ERROR) = ERROR_NO_MORE_ITEMS; return slot; }
    fls_callback[slot] = callback;
    if (fls_cells(false)) fls_cells(false)[slot] = 0;
    return slot;
}
BOOL WINAPI FlsFree(DWORD slot) {
    if (slot >= FLS_SLOTS || !(fls_used[slot / 64] >> (slot & 63) & 1)) {
        TEB_FIELD(uint32_t, TEB_LAST_ERROR) = ERROR_INVALID_PARAMETER;
        return FALSE;
    }
    void **cells = fls_cells(false);
    if (cells && cells[slot] && fls_callback[slot]) fls_callback[slot](cells[slot]);
    if (cells) cells[slot] = 0;
    fls_callback[slot] = 0;
    return slot_give(fls_used, FLS_SLOTS, slot);
}
PVOID WINAPI FlsGetValue(DWORD slot) {
    void **cells = fls_cells(false);
    TEB_FIELD(uint32_t, TEB_LAST_ERROR) = slot < FLS_SLOTS ? 0 : ERROR_INVALID_PARAMETER;
    return cells && slot < FLS_SLOTS ? cells[slot] : 0;
}
BOOL WINAPI FlsSetValue(DWORD slot, PVOID value) {
    void **cells = slot < FLS_SLOTS ? fls_cells(true) : 0;
    if (!cells) {
        TEB_FIELD(uint32_t, TEB_LAST_ERROR) = slot < FLS_SLOTS ? ERROR_NOT_ENOUGH_MEMORY : ERROR_INVALID_PARAMETER;
        return FALSE;
    }
    cells[slot] = value;
    return TRUE;
}

// Runs the callbacks of a thread that ends.
void fls_thread_free(void) {
    void **cells = fls_cells(false);
    if (!cells) return;
    for (unsigned slot = 0; slot < FLS_SLOTS; slot++) {
        void *value = cells[slot];
        cells[slot] = 0;
        if (value && fls_callback[slot]) fls_callback[slot](value);
    }
    TEB_FIELD(uint64_t, TEB_FLS_DATA) = 0;
    heap_put(cells);
}
