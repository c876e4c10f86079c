// SPDX-License-Identifier: MIT
// Reservation, commitment, protection, guard pages, growing stacks.
#include "images/tests/robust.h"

enum { PAGE = 4096 };
static void touch_read(void *p) { (void)*(volatile uint8_t *)p; }
static void touch_write(void *p) { *(volatile uint8_t *)p = 1; }

static bool reads(void *p) { return try_fault(touch_read, p).code == 0; }
static bool writes(void *p) { return try_fault(touch_write, p).code == 0; }
static bool violates(void (*f)(void *), void *p, uint64_t kind)
{
    struct fault fault = try_fault(f, p);
    return fault.code == (DWORD)EXCEPTION_ACCESS_VIOLATION && fault.kind == kind && fault.address == (uint64_t)p;
}

static uint32_t protection_of(const void *p, uint32_t *state)
{
    MEMORY_BASIC_INFORMATION info = { 0 };
    CHECK(VirtualQuery(p, &info, sizeof info) == sizeof info);
    *state = info.State;
    return info.Protect;
}

static void protections(void)
{
    uint32_t state;
    DWORD old;
    uint8_t *base = VirtualAlloc(NULL, 16 * PAGE, MEM_RESERVE, PAGE_READWRITE);
    CHECK(base && (uintptr_t)base % 0x10000 == 0);
    CHECK(violates(touch_read, base, 0) && violates(touch_write, base, 1));
    CHECK(protection_of(base, &state) == 0 && state == MEM_RESERVE);
    CHECK(VirtualAlloc(base + 4 * PAGE, 4 * PAGE, MEM_COMMIT, PAGE_READWRITE) == base + 4 * PAGE);
    CHECK(protection_of(base + 5 * PAGE, &state) == PAGE_READWRITE && state == MEM_COMMIT);
    CHECK(!reads(base + 4 * PAGE - 1) && reads(base + 4 * PAGE) && writes(base + 8 * PAGE - 1) && !reads(base + 8 * PAGE));
    for (int i = 0; i < 4 * PAGE; i++)
        if (base[4 * PAGE + i] != (i == 4 * PAGE - 1))
            CHECK(!"fresh memory is zero");
    base[4 * PAGE] = 42;
    CHECK(VirtualProtect(base + 4 * PAGE, PAGE, PAGE_READONLY, &old) && old == PAGE_READWRITE);
    CHECK(base[4 * PAGE] == 42 && violates(touch_write, base + 4 * PAGE, 1) && writes(base + 5 * PAGE));
    CHECK(VirtualProtect(base + 4 * PAGE, PAGE, PAGE_NOACCESS, &old) && old == PAGE_READONLY);
    CHECK(violates(touch_read, base + 4 * PAGE, 0));
    CHECK(VirtualProtect(base + 4 * PAGE, PAGE, PAGE_READWRITE, &old) && base[4 * PAGE] == 42 && writes(base + 4 * PAGE));
    CHECK(!VirtualProtect(base, PAGE, PAGE_READONLY, &old) && !VirtualProtect(base + 7 * PAGE, 2 * PAGE, PAGE_READONLY, &old));
    CHECK(!VirtualProtect(base + 4 * PAGE, PAGE, 0x77, &old) && reads(base + 4 * PAGE));
    CHECK(VirtualFree(base + 4 * PAGE, PAGE, MEM_DECOMMIT) && !reads(base + 4 * PAGE) && reads(base + 5 * PAGE));
    CHECK(VirtualAlloc(base + 4 * PAGE, PAGE, MEM_COMMIT, PAGE_READWRITE) && base[4 * PAGE] == 0);
    CHECK(!VirtualFree(base + PAGE, 0, MEM_RELEASE) && VirtualFree(base, 0, MEM_RELEASE) && !reads(base + 5 * PAGE));
    CHECK(!VirtualFree(base, 0, MEM_RELEASE));
    CHECK(protection_of(base, &state) == PAGE_NOACCESS && state == MEM_FREE);
    CHECK(VirtualAlloc(NULL, (SIZE_T)1 << 47, MEM_RESERVE, PAGE_READWRITE) == NULL);
    CHECK(VirtualAlloc((void *)~(uintptr_t)0xffff, PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) == NULL);
    CHECK(VirtualAlloc(NULL, SIZE_MAX, MEM_COMMIT, PAGE_READWRITE) == NULL);
}

static void guards(void)
{
    DWORD old;
    uint8_t *p = VirtualAlloc(NULL, 2 * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD);
    struct fault fault = try_fault(touch_write, p + 10);
    CHECK(fault.code == (DWORD)STATUS_GUARD_PAGE_VIOLATION && fault.kind == 1 && fault.address == (uint64_t)p + 10);
    CHECK(writes(p + 10) && try_fault(touch_read, p + PAGE).code == (DWORD)STATUS_GUARD_PAGE_VIOLATION && reads(p + PAGE));
    CHECK(VirtualProtect(p, PAGE, PAGE_READWRITE | PAGE_GUARD, &old) && old == PAGE_READWRITE);
    CHECK(try_fault(touch_read, p).code == (DWORD)STATUS_GUARD_PAGE_VIOLATION && p[10] == 1);
    VirtualFree(p, 0, MEM_RELEASE);
}

// Own code and constants: readable, and nobody writes to them.
static void image(void)
{
    static const uint64_t constant = 0x123456789abcdef;
    DWORD old;
    CHECK(violates(touch_write, (void *)&constant, 1));
    CHECK(violates(touch_write, (void *)protections, 1) && reads((void *)protections));
    CHECK(VirtualProtect((void *)&constant, 8, PAGE_WRITECOPY, &old) || VirtualProtect((void *)&constant, 8, PAGE_READWRITE, &old));
    *(volatile uint64_t *)&constant = 5;
    CHECK(*(volatile const uint64_t *)&constant == 5);
}

static __attribute__((noinline)) uint64_t dig(int depth, volatile uint8_t *above)
{
    volatile uint8_t frame[3000];
    frame[0] = (uint8_t)(above[0] + 1);
    frame[2999] = 1;
    return depth ? dig(depth - 1, frame) + frame[2999] : frame[0];
}

static DWORD WINAPI digger(void *argument)
{
    volatile uint8_t first = 0;
    (void)argument;
    return (DWORD)dig(320, &first);             // close to 1 MB, a page at a time
}

static __attribute__((noinline)) uint64_t fall(volatile uint8_t *above)
{
    volatile uint8_t frame[2000];
    frame[0] = above[0];
    return above[0] == 77 ? 0 : fall(frame) + frame[0];
}
static void overflow(void *argument) { fall(argument); }
static DWORD WINAPI overflows(void *argument)
{
    uint8_t start = 1;
    (void)argument;
    struct fault fault = try_fault(overflow, &start);
    return fault.code;
}

static DWORD in_thread(LPTHREAD_START_ROUTINE f, SIZE_T stack)
{
    DWORD code = 0;
    HANDLE thread = CreateThread(NULL, stack, f, NULL, STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
    CHECK(thread && WaitForSingleObject(thread, 60000) == WAIT_OBJECT_0 && GetExitCodeThread(thread, &code) && CloseHandle(thread));
    return code;
}

void memory_test(void)
{
    protections();
    guards();
    image();
    CHECK(in_thread(digger, 0x100000) == 320 + (uint8_t)321);
    for (int i = 0; i < 3; i++)
        CHECK(in_thread(overflows, 0x40000) == (DWORD)STATUS_STACK_OVERFLOW);
    // Much memory, touched sparsely and given back.
    for (int i = 0; i < 50; i++) {
        uint8_t *p = VirtualAlloc(NULL, 64 << 20, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
        if (!CHECK(p))
            break;
        for (int j = 0; j < 64; j++)
            p[((j * 1777) & 63) << 20] = 1;
        CHECK(VirtualFree(p, 0, MEM_RELEASE));
    }
}
