// SPDX-License-Identifier: MIT
// The program of the crossing tests; crossing.dll is the other side. In an Arm64 process everything is native and shows that
// the cases themselves are right.
#include "images/tests/checker.h"
#include "images/tests/crossing.h"
#include "images/tests/test.h"
#if defined(__x86_64__) && !defined(__arm64ec__)
#include "images/tests/try.h"
#endif

#if defined(__arm64ec__) || defined(__x86_64__)
#define CROSSES 1
#endif

crossing_table own_table;
#ifdef __arm64ec__
crossing_table far_table;               // the x64 part of this program
#endif

static HMODULE library;

#if defined(__x86_64__) && !defined(__arm64ec__)
enum { PROGRAM_TO_LIBRARY_WRONG = X64_TO_EC_WRONG, LIBRARY_TO_PROGRAM_WRONG = EC_TO_X64_WRONG };
#else
enum { PROGRAM_TO_LIBRARY_WRONG = 0, LIBRARY_TO_PROGRAM_WRONG = 0 };
#endif

// Every caller of one side with every callee of the other.
static void all_cases(const char *how, int wrong, const struct crossing_case *callers, const struct crossing_case *callees)
{
    for (; callers->name; callers++, callees++)
        if (!(callers->wrong & wrong))
            check_case(callers->caller(callees->callee), callers->name, how);
}

// The callees as GetProcAddress knows them: in a mixed process, x64 stubs in front of the functions.
static void all_exports(const char *how, int wrong, const struct crossing_case *callers)
{
    for (; callers->name; callers++) {
        if (callers->wrong & wrong)
            continue;
        char name[40] = "lib_";
        const char *from = callers->name;
        unsigned n = 4;
        for (; *from && *from != ' ' && n < sizeof name - 1; from++)
            name[n++] = *from;
        name[n] = 0;
        void *callee = (void *)GetProcAddress(library, name);
        check_case(callee && callers->caller(callee), callers->name, how);
    }
}

static void every_way(void)
{
    const struct crossing_case *own = own_table(), *lib = lib_table();
    all_cases("within the program", 0, own, own);
    all_cases("within the library", 0, lib, lib);
    all_cases("program calls library", PROGRAM_TO_LIBRARY_WRONG, own, lib);
    all_cases("library calls program", LIBRARY_TO_PROGRAM_WRONG, lib, own);
    all_exports("program calls the library's export", PROGRAM_TO_LIBRARY_WRONG, own);
    all_exports("library calls its own export", 0, lib);
#ifdef __arm64ec__
    const struct crossing_case *x64_part = far_table();
    all_cases("within the x64 part", 0, x64_part, x64_part);
    all_cases("program calls x64 part", EC_TO_X64_WRONG, own, x64_part);
    all_cases("x64 part calls program", X64_TO_EC_WRONG, x64_part, own);
    all_cases("library calls x64 part", EC_TO_X64_WRONG, lib, x64_part);
    all_cases("x64 part calls library", X64_TO_EC_WRONG, x64_part, lib);
    all_exports("x64 part calls the library's export", X64_TO_EC_WRONG, x64_part);
#endif
}

static DWORD WINAPI thread_main(void *rounds)
{
    for (intptr_t i = (intptr_t)rounds; i > 0; i--)
        every_way();
    return 0;
}

static void threads(void)
{
    HANDLE handles[4];
    for (int i = 0; i < 4; i++)
        handles[i] = CreateThread(NULL, 0, thread_main, (void *)3, 0, NULL);
    WaitForMultipleObjects(4, handles, TRUE, INFINITE);
    for (int i = 0; i < 4; i++)
        CloseHandle(handles[i]);
}

static void imports(void)
{
    CHECK(lib_longs6(1, 2, 3, 4, 5, 6) == 245);
    CHECK(lib_mixed(1, 2.5, -3.5f, -4000000000, 5.25, -6, 7.125f, 200, 3) == 1.5);
    CHECK(lib_call_patchable(4) == 10 && lib_patchable(4) == 5);
}

#ifdef CROSSES
uint32_t asm_preserves(void (*f)(void *), void *argument);
void asm_trash(void *unused);
uint64_t asm_misaligned(void *f);
extern void *volatile asm_target;
typedef uint64_t longs6(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f);
longs6 asm_tail_jump, asm_tail_return, asm_tail_import, own_longs6;
int asm_return_by_jump(int x);
int asm_stack_on_entry(void);
int asm_hook(int x);
int asm_odd(int x);

static void own_nothing_much(void *argument) { *(volatile int *)argument += 1; }

#ifdef __arm64ec__
uint32_t ec_preserves(void (*f)(void *), void *argument);
uint64_t ec_call_hoisted(int (*f)(int), int n);
// Import slots: what EC code calls through, and the regular one.
extern void *volatile __imp_lib_patchable, *volatile __imp_aux_lib_patchable, *volatile __imp_VirtualProtect;
// ec_preserves calls ARM64EC code only; the address of an imported function is that of its x64 stub.
static void to_callback(void *callback) { lib_call(callback); }
static void to_x64(void *unused) { asm_trash(unused); }
static void to_library(void *unused) { lib_trash(unused); }
#endif

static void registers(void)
{
    int count = 0;
    struct callback trash = { asm_trash, NULL }, lib_trashes = { lib_trash, NULL }, own = { own_nothing_much, &count };
    struct callback twice = { lib_call, &lib_trashes };
    CHECK(asm_preserves(asm_trash, NULL) == 0);
    CHECK(asm_preserves(lib_trash, NULL) == 0);
    CHECK(asm_preserves(lib_call, &trash) == 0);
    CHECK(asm_preserves(lib_call, &lib_trashes) == 0);
    CHECK(asm_preserves(lib_call, &twice) == 0);
    CHECK(asm_preserves(lib_call, &own) == 0 && count == 1);
    CHECK(asm_preserves((void (*)(void *))(void *)GetProcAddress(library, "lib_trash"), NULL) == 0);
    CHECK(asm_preserves((void (*)(void *))(void *)GetProcAddress(GetModuleHandleA("kernel32.dll"), "SetLastError"), NULL) == 0);
#ifdef __arm64ec__
    CHECK(ec_preserves(to_library, NULL) == 0);
    CHECK(ec_preserves(to_x64, NULL) == 0);
    CHECK(ec_preserves(to_callback, &trash) == 0);
    CHECK(ec_preserves(to_callback, &twice) == 0);
#endif
}

#ifdef __arm64ec__
static uint64_t fault_count(void)
{
    struct process_counters counters = { 0 };
    SYS(process_query, HANDLE_CURRENT_PROCESS, PROCESS_COUNTERS, &counters, sizeof counters);
    return counters.entries_fault;
}

// First thing in the process, which has the short checker then: only some of so many calls may come to the kernel, and x64 code that is new
// brings its own few.
static void hoisted(void)
{
    CHECK(ec_call_hoisted(asm_odd, 10) == 65);
    uint64_t before = fault_count();
    CHECK(ec_call_hoisted(asm_odd, 1000) == 501500);
    CHECK(ec_call_hoisted(asm_hook, 1000) == 1500500);
    CHECK(fault_count() - before < 30);
}

// EC code calls imported EC functions straight, until the program writes into its import table.
static void import_table(void)
{
    DWORD old;
    void *straight = __imp_VirtualProtect, *was = __imp_aux_lib_patchable;
    CHECK(VirtualProtect((void *)&__imp_aux_lib_patchable, sizeof(void *), PAGE_READWRITE, &old));
    CHECK(__imp_VirtualProtect != straight);
    __imp_aux_lib_patchable = (void *)asm_hook;
    CHECK(lib_patchable(2) == 1002);
    __imp_aux_lib_patchable = was;
    CHECK(lib_patchable(2) == 3);
    CHECK(VirtualProtect((void *)&__imp_aux_lib_patchable, sizeof(void *), old, &old));
    CHECK(lib_patchable(2) == 3);
}
#endif

static int stack_on_entry(int unused) { (void)unused; return asm_stack_on_entry(); }

static void jumps(void)
{
    void *export = (void *)GetProcAddress(library, "lib_longs6"), *targets[] = { export, (void *)lib_longs6, (void *)own_longs6 };
    for (int i = 0; i < 3; i++) {
        asm_target = targets[i];
        CHECK(asm_tail_jump(1, 2, 3, 4, 5, 6) == 245);
        CHECK(asm_tail_return(1, 2, 3, 4, 5, 6) == 245);
        CHECK(asm_misaligned(targets[i]) == 245);
    }
    CHECK(asm_tail_import(6, 5, 4, 3, 2, 1) == 6 * 3 + 25 + 28 + 33 + 26 + 17);
    CHECK(asm_return_by_jump(41) == 42);
    CHECK(lib_call_int(asm_return_by_jump, 41) == 84);
    asm_target = (void *)asm_odd;
    CHECK((uint64_t)asm_target % 4 == 1 && lib_call_int(asm_odd, 41) == 84);
    CHECK(asm_stack_on_entry() == 8);
    CHECK(lib_call_int(stack_on_entry, 0) == 16);
    CHECK(lib_call_int((int (*)(int))(void *)asm_stack_on_entry, 0) == 16);
}

// Puts `mov rax, hook; jmp rax` over the x64 stub of an export, as hooking libraries do, and takes it away again. From
// then on every caller in the process has to come through the hook, ARM64EC code too.
static void hooks(void)
{
    uint8_t jump[12] = { 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0 }, saved[12];
    uint8_t *stub = (uint8_t *)(void *)GetProcAddress(library, "lib_patchable");
    int (*export)(int) = (int (*)(int))(void *)stub;
    void *hook = (void *)asm_hook;
    DWORD old;
    CHECK(stub[0] == 0x48 && export(1) == 2 && lib_call_int(export, 1) == 4 && lib_call_patchable(1) == 4);
    memcpy(jump + 2, &hook, sizeof hook);
    for (int round = 0; round < 3; round++) {
        CHECK(VirtualProtect(stub, sizeof jump, PAGE_EXECUTE_READWRITE, &old));
        memcpy(saved, stub, sizeof jump);
        memcpy(stub, jump, sizeof jump);
        CHECK(VirtualProtect(stub, sizeof jump, old, &old));
        CHECK(FlushInstructionCache(GetCurrentProcess(), stub, sizeof jump));
        CHECK(export(1) == 1001);
        CHECK(lib_patchable(2) == 1002);
        CHECK(lib_call_int(export, 3) == 2006);
        CHECK(lib_call_patchable(4) == 2008);
        CHECK(VirtualProtect(stub, sizeof jump, PAGE_EXECUTE_READWRITE, &old));
        memcpy(stub, saved, sizeof jump);
        CHECK(VirtualProtect(stub, sizeof jump, old, &old));
        CHECK(FlushInstructionCache(GetCurrentProcess(), stub, sizeof jump));
        CHECK(export(1) == 2 && lib_patchable(1) == 2 && lib_call_int(export, 1) == 4 && lib_call_patchable(1) == 4);
    }
}
#endif

#if defined(__x86_64__) && !defined(__arm64ec__)
// Down through the library and back to this program, n levels, then a bad access on either side; the handler sends the
// thread back to the top.
struct descent { int levels; bool in_library; uint64_t address; struct callback next; };
static void descend(void *argument)
{
    struct descent *d = argument;
    d->next = (struct callback){ descend, d };
    if (d->levels-- > 0)
        lib_call(&d->next);
    else if (d->in_library)
        lib_read((void *)d->address);
    else
        (void)*(volatile uint8_t *)d->address;
}

static void faults(void)
{
    static const uint64_t addresses[] = { 0x18, 0xffff800000001000, 0x7ffffff0000 };
    for (int round = 0; round < 100; round++) {
        struct descent d = { .levels = round % 10, .in_library = round & 1, .address = addresses[round % 3] };
        struct fault fault = try_fault(descend, &d);
        check_case(fault.code == (DWORD)EXCEPTION_ACCESS_VIOLATION && fault.kind == 0 && fault.address == addresses[round % 3],
                   "fault", round & 1 ? "in the library" : "in the program");
        CHECK(asm_preserves(lib_call, &(struct callback){ asm_trash, NULL }) == 0);
    }
    // x64 code goes where ARM64EC code cannot be entered.
    void *nowhere = lib_code_without_thunk();
    struct fault fault = try_fault((void (*)(void *))nowhere, NULL);
    CHECK(fault.code == (DWORD)EXCEPTION_ILLEGAL_INSTRUCTION && fault.at == (uint64_t)nowhere);
    // ARM64EC code goes where no x64 code is: the checker has read there (kind 0), or x64 code would be fetched (kind 8).
    static const struct { uint64_t target, kind, address; } wild[] = {
        { 0, 0, 0 }, { 0x10, 0, 0x10 }, { 0x13, 0, 0x13 }, { 0x123456789000, 0, 0x123456789000 }, { 0x123456789001, 0, 0x123456789001 },
        { 0x800000000000, 0, UINT64_MAX }, { 0xffff800000001000, 8, 0xffff800000001000 }, { (uint64_t)&library, 8, (uint64_t)&library },
    };
    for (unsigned i = 0; i < sizeof wild / sizeof *wild; i++) {
        fault = try_fault(lib_call, &(struct callback){ (void (*)(void *))wild[i].target, NULL });
        if (!CHECK(fault.code == (DWORD)EXCEPTION_ACCESS_VIOLATION && fault.kind == wild[i].kind && fault.address == wild[i].address))
            print("  %x: %x kind %x at %x", wild[i].target, (uint64_t)fault.code, fault.kind, fault.address);
    }
    // What is to be the exit thunk is none, not even code.
    void *thunks[] = { &library, (void *)asm_trash };
    for (unsigned i = 0; i < 2; i++) {
        fault = try_fault(lib_call_with_thunk, &(struct thunk_call){ (void *)asm_trash, thunks[i] });
        CHECK(fault.code == (DWORD)EXCEPTION_ACCESS_VIOLATION && fault.kind == 8 && fault.address == (uint64_t)thunks[i]);
    }
}
#endif

int test_main(void)
{
    library = GetModuleHandleA("crossing.dll");
    CHECK(library != NULL);
#ifdef __arm64ec__
    hoisted();
#endif
    threads();
    imports();
    every_way();
#ifdef CROSSES
    for (int round = 0; round < 2; round++) {
        registers();
        jumps();
#ifdef __arm64ec__
        void *straight = __imp_lib_patchable;
        hooks();
        CHECK(round || __imp_lib_patchable != straight);
        if (!round)
            import_table();
#else
        hooks();
        faults();
#endif
        every_way();
        lib_hold_short_checker();
        hold_short_checker();
    }
    threads();
#endif
    return 0;
}
