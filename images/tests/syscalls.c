// SPDX-License-Identifier: MIT
// System calls made directly, with pointers that no sound program passes: each is refused with STATUS_ACCESS_VIOLATION.
#include "kernel/abi/ntstatus.h"
#include "kernel/abi/process.h"
#include "kernel/abi/syscall.h"
#include "images/tests/robust.h"

uint64_t system_call(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f);

// Arguments that stand for something: a good pointer, the pointer that is tried (TRY_OPTIONAL: null means none), handles.
enum { GOOD = 0x7ff10001, TRY, TRY_OPTIONAL, EVENT, SEMAPHORE, OUTPUT, SELF, THIS_THREAD, PAGE_BASE };

static const struct { const char *name; uint32_t number; uint64_t arguments[6]; } calls[] = {
    { "process_create", SYS_process_create, { TRY, GOOD, GOOD } },
    { "process_query", SYS_process_query, { SELF, PROCESS_BASIC, TRY, sizeof(struct process_basic) } },
    { "process_query counters", SYS_process_query, { SELF, PROCESS_COUNTERS, TRY, sizeof(struct process_counters) } },
    { "thread_create", SYS_thread_create, { SELF, 0x10000, 0, 0, THREAD_CREATE_SUSPENDED, TRY } },
    { "thread_query", SYS_thread_query, { THIS_THREAD, THREAD_BASIC, TRY, sizeof(struct thread_basic) } },
    { "vm_allocate base", SYS_vm_allocate, { SELF, TRY, GOOD, MEM_RESERVE, PAGE_READWRITE, 0 } },
    { "vm_allocate size", SYS_vm_allocate, { SELF, GOOD, TRY, MEM_RESERVE, PAGE_READWRITE, 0 } },
    { "vm_free base", SYS_vm_free, { SELF, TRY, GOOD, MEM_DECOMMIT } },
    { "vm_free size", SYS_vm_free, { SELF, GOOD, TRY, MEM_DECOMMIT } },
    { "vm_protect base", SYS_vm_protect, { SELF, TRY, GOOD, PAGE_READWRITE, GOOD } },
    { "vm_protect size", SYS_vm_protect, { SELF, GOOD, TRY, PAGE_READWRITE, GOOD } },
    { "vm_protect old", SYS_vm_protect, { SELF, GOOD, GOOD, PAGE_READWRITE, TRY_OPTIONAL } },
    { "vm_query", SYS_vm_query, { SELF, PAGE_BASE, TRY } },
    { "vm_read buffer", SYS_vm_read, { SELF, PAGE_BASE, TRY, 8, GOOD } },
    { "vm_write buffer", SYS_vm_write, { SELF, PAGE_BASE, TRY, 8, GOOD } },
    { "image_open path", SYS_image_open, { TRY, 8, GOOD } },
    { "image_map", SYS_image_map, { 0, SELF, TRY, GOOD } },
    { "wait", SYS_wait, { 2, TRY, 0, 0 } },
    { "event_create", SYS_event_create, { 1, 0, TRY } },
    { "semaphore_create", SYS_semaphore_create, { 1, 2, TRY } },
    { "semaphore_release", SYS_semaphore_release, { SEMAPHORE, 1, TRY_OPTIONAL } },
    { "address_wait", SYS_address_wait, { TRY, GOOD, 8, 0 } },
    { "address_wait value", SYS_address_wait, { GOOD, TRY, 8, 0 } },
    { "clock_read", SYS_clock_read, { CLOCK_MONOTONIC_NS, TRY } },
    { "file_open path", SYS_file_open, { TRY, 8, FILE_READ, FILE_OPEN_EXISTING, GOOD } },
    { "file_write", SYS_file_write, { OUTPUT, UINT64_MAX, TRY, 8, GOOD } },
    { "file_query", SYS_file_query, { OUTPUT, TRY } },
    { "file_delete", SYS_file_delete, { TRY, 8 } },
    { "file_enumerate", SYS_file_enumerate, { TRY, 8, 0, GOOD } },
    { "exception_raise", SYS_exception_raise, { TRY, GOOD, 0 } },
    { "exception_raise context", SYS_exception_raise, { GOOD, TRY, 0 } },
    { "context_continue", SYS_context_continue, { TRY } },
    { "context_get", SYS_context_get, { THIS_THREAD, TRY } },
    { "debug_print", SYS_debug_print, { TRY, 8 } },
};

static uint64_t good[256];
static uint8_t *two_pages;              // the second one is only reserved
static HANDLE event, semaphore;

static uint64_t meaning(uint64_t argument, uint64_t tried)
{
    switch (argument) {
    case GOOD: return (uint64_t)good;
    case TRY: case TRY_OPTIONAL: return tried;
    case EVENT: return (uint64_t)event;
    case SEMAPHORE: return (uint64_t)semaphore;
    case OUTPUT: return (uint64_t)GetStdHandle(STD_OUTPUT_HANDLE);
    case SELF: return HANDLE_CURRENT_PROCESS;
    case THIS_THREAD: return HANDLE_CURRENT_THREAD;
    case PAGE_BASE: return (uint64_t)two_pages;
    default: return argument;
    }
}

void syscall_test(void)
{
    two_pages = VirtualAlloc(NULL, 0x2000, MEM_RESERVE, PAGE_READWRITE);
    CHECK(VirtualAlloc(two_pages, 0x1000, MEM_COMMIT, PAGE_READWRITE) == two_pages);
    event = CreateEventW(NULL, TRUE, FALSE, NULL);
    semaphore = CreateSemaphoreW(NULL, 0, 1000000, NULL);
    const uint64_t bad[] = {
        0, 0x10, 0xfff8, (uint64_t)two_pages + 0x1000, (uint64_t)two_pages + 0xfff, 0x00007ffffffffff8, 0x0000800000000000,
        0x1234567812345678, 0xffff7ffffffffffc, 0xffff800000000000, 0xffff800040000000, 0xffffffff80000000, 0xfffffffffffffff8,
        0x8000000000000000 | (uint64_t)good,    // a tag does not make a pointer good
    };
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++)
        for (unsigned j = 0; j < sizeof bad / sizeof *bad; j++) {
            uint64_t a[6];
            bool optional = false;
            for (unsigned k = 0; k < 6; k++) {
                a[k] = meaning(calls[i].arguments[k], bad[j]);
                optional |= calls[i].arguments[k] == TRY_OPTIONAL;
            }
            if (optional && !bad[j])
                continue;
            good[0] = (uint64_t)two_pages;
            uint64_t status = system_call(calls[i].number, a[0], a[1], a[2], a[3], a[4], a[5]);
            bool misaligned = calls[i].number == SYS_address_wait && bad[j] % 8;
            status_t expected = misaligned && (status_t)status < 0 ? (status_t)status : (status_t)STATUS_ACCESS_VIOLATION;
            if (!check_case((status_t)status == expected, calls[i].name, "a bad pointer is taken"))
                print("  pointer %x status %x", bad[j], status);
        }
    static const uint32_t unknown[] = { 0x03, 0x17, 0x4f, 0x7f };
    for (unsigned i = 0; i < sizeof unknown / sizeof *unknown; i++)
        CHECK((status_t)system_call(unknown[i], 1, 2, 3, 4, 5, 6) == (status_t)STATUS_INVALID_SYSTEM_SERVICE);
#ifdef __x86_64__
    static const uint32_t large[] = { 0x80, 0x1000, 0x7fffffff, 0x80000000, 0xffffffff };
    for (unsigned i = 0; i < sizeof large / sizeof *large; i++)
        CHECK((status_t)system_call(large[i], 1, 2, 3, 4, 5, 6) == (status_t)STATUS_INVALID_SYSTEM_SERVICE);
#endif
    // Nothing is written but into pages of images.
    for (unsigned j = 0; j < sizeof bad / sizeof *bad; j++)
        for (unsigned k = 0; k < 3; k++) {
            uint64_t a[3] = { (uint64_t)good, (uint64_t)good + 64, (uint64_t)good + 128 };
            a[k] = bad[j];
            system_call(SYS_imports_bound, a[0], a[1], a[2], 8, 0, 0);
            system_call(SYS_imports_bound, a[0], a[1], a[2], UINT64_MAX, 0, 0);
        }
    good[0] = good[1] = (uint64_t)GetProcAddress(GetModuleHandleA("kernel32.dll"), "Sleep");
    uint64_t *own = (uint64_t *)two_pages;
    own[0] = own[1] = good[8] = good[9] = EMU_STUBS_BASE;
    system_call(SYS_imports_bound, (uint64_t)good, (uint64_t)own, (uint64_t)good + 64, 2, 0, 0);
    CHECK(own[0] == EMU_STUBS_BASE && own[1] == EMU_STUBS_BASE);
    // Lengths that wrap around.
    CHECK((status_t)system_call(SYS_debug_print, (uint64_t)good, UINT64_MAX, 0, 0, 0, 0) < 0);
    CHECK((status_t)system_call(SYS_wait, 65, (uint64_t)good, 0, 0, 0, 0) < 0);
    CHECK((status_t)system_call(SYS_wait, UINT64_MAX, (uint64_t)good, 0, 0, 0, 0) < 0);
    CHECK((status_t)system_call(SYS_handle_close, 0xfffffffffffffff0, 0, 0, 0, 0, 0) < 0);
    CHECK(system_call(SYS_event_set, (uint64_t)event, 0, 0, 0, 0, 0) == 0 && WaitForSingleObject(event, 0) == WAIT_OBJECT_0);
}
