// SPDX-License-Identifier: MIT
// Structured exceptions: handlers, filters, termination handlers, unwinding through every kind of frame.
#include "images/tests/seh.h"

void *memcpy(void *to, const void *from, size_t bytes);

uint32_t seh_keeps(void (*f)(void *), void *argument);
void seh_call_changed(void (*f)(void *), void *argument);
uint64_t seh_load(const uint64_t *address);
void seh_shape(void);
struct shape_point { uint64_t pc, depth, saved; };
extern const struct shape_point seh_shape_points[];

#define BAD ((uint64_t *)0x2340)             // below what a process can have mapped
#define OWN_CODE 0xE0001234u
#define SECOND_CODE 0xE0005678u

// What happened, in order.
static char trail[64];
static unsigned trail_length;
static void note(char c) { if (trail_length < sizeof trail - 1) trail[trail_length++] = c; trail[trail_length] = 0; }
static bool trail_is(const char *want)
{
    bool same = true;
    for (unsigned i = 0; i <= trail_length; i++)
        if (trail[i] != want[i]) { same = false; break; }
    if (!same) print("  trail is %s, not %s", trail, want);
    trail_length = 0;
    trail[0] = 0;
    return same;
}

static uint64_t pc_of(const CONTEXT *c)
{
#if defined(__x86_64__)
    return c->rip;
#else
    return c->pc;
#endif
}

// ---- an access violation: what the filter sees -----------------------------------------------------------------------------
static EXCEPTION_RECORD seen;
static CONTEXT seen_context;
static int keep(EXCEPTION_POINTERS *p, int verdict)
{
    seen = *p->ExceptionRecord;
    seen_context = *p->ContextRecord;
    note('f');
    return verdict;
}

// clang takes only calls in a __try as places that raise.
static __attribute__((noinline)) void store_bad(void) { *(volatile uint32_t *)BAD = 1; }

static void access_violation(void)
{
    volatile uint64_t value = 7;
    uint32_t code = 0;
    __try {
        value = seh_load(BAD);
        note('x');
    } __except (keep(GetExceptionInformation(), EXCEPTION_EXECUTE_HANDLER)) {
        code = GetExceptionCode();
        note('h');
    }
    CHECK(trail_is("fh"));
    CHECK(value == 7);
    CHECK(code == EXCEPTION_ACCESS_VIOLATION && seen.ExceptionCode == EXCEPTION_ACCESS_VIOLATION);
    CHECK(seen.ExceptionFlags == 0 && seen.NumberParameters == 2);
    CHECK(seen.ExceptionInformation[0] == 0 && seen.ExceptionInformation[1] == (uint64_t)BAD);
    CHECK((uint64_t)seen.ExceptionAddress == pc_of(&seen_context));
#if defined(__x86_64__)
    CHECK(seen_context.rcx == (uint64_t)BAD);
#else
    CHECK(seen_context.x[0] == (uint64_t)BAD);
#endif
    __try {
        store_bad();
    } __except (keep(GetExceptionInformation(), EXCEPTION_EXECUTE_HANDLER)) {
    }
    CHECK(seen.ExceptionInformation[0] == 1 && seen.ExceptionInformation[1] == (uint64_t)BAD);
    trail_is("f");
}

// ---- order of filters and termination handlers ------------------------------------------------------------------------------
static void __attribute__((noinline)) inner(void)
{
    __try {
        __try {
            note('1');
            seh_load(BAD);
            note('x');
        } __finally {
            note(AbnormalTermination() ? '3' : 'n');
        }
    } __finally {
        note('4');
    }
}

static void order(void)
{
    __try {
        __try {
            inner();
        } __except (note('a'), EXCEPTION_CONTINUE_SEARCH) {
            note('x');
        }
    } __except (note('2'), EXCEPTION_EXECUTE_HANDLER) {
        note('5');
    }
    CHECK(trail_is("1a2345"));
    __try {
        note('1');
    } __finally {
        note(AbnormalTermination() ? 'x' : '2');
    }
    CHECK(trail_is("12"));
    // A handler's own exception goes to the next one outside.
    __try {
        __try {
            seh_load(BAD);
        } __except (EXCEPTION_EXECUTE_HANDLER) {
            note('1');
            RaiseException(OWN_CODE, 0, 0, NULL);
            note('x');
        }
    } __except (GetExceptionCode() == OWN_CODE) {
        note('2');
    }
    CHECK(trail_is("12"));
}

// ---- RaiseException -----------------------------------------------------------------------------------------------------------
static void raise(void)
{
    uint64_t arguments[3] = { 11, 22, (uint64_t)-33 };
    __try {
        RaiseException(OWN_CODE, 0, 3, arguments);
        note('c');
    } __except (keep(GetExceptionInformation(), EXCEPTION_CONTINUE_EXECUTION)) {
        note('x');
    }
    CHECK(trail_is("fc"));
    CHECK(seen.ExceptionCode == OWN_CODE && seen.NumberParameters == 3);
    CHECK(seen.ExceptionInformation[0] == 11 && seen.ExceptionInformation[1] == 22 && seen.ExceptionInformation[2] == (uint64_t)-33);
    // What cannot be continued raises a second exception, which carries the first.
    uint32_t codes[2] = { 0, 0 };
    EXCEPTION_POINTERS *p = NULL;
    __try {
        __try {
            RaiseException(OWN_CODE, EXCEPTION_NONCONTINUABLE, 0, NULL);
        } __except (GetExceptionCode() == OWN_CODE ? EXCEPTION_CONTINUE_EXECUTION : EXCEPTION_CONTINUE_SEARCH) {
            note('x');
        }
    } __except (p = GetExceptionInformation(), codes[0] = p->ExceptionRecord->ExceptionCode,
                codes[1] = p->ExceptionRecord->ExceptionRecord ? p->ExceptionRecord->ExceptionRecord->ExceptionCode : 0,
                codes[0] == EXCEPTION_NONCONTINUABLE_EXCEPTION) {
        note('h');
    }
    CHECK(trail_is("h") && codes[1] == OWN_CODE);
}

// ---- continuing after the cause is gone -----------------------------------------------------------------------------------------
static uint64_t *page;
static int repair(EXCEPTION_POINTERS *p)
{
    uint32_t old;
    if (p->ExceptionRecord->ExceptionCode != EXCEPTION_ACCESS_VIOLATION) return EXCEPTION_CONTINUE_SEARCH;
    note('r');
    VirtualProtect(page, 4096, PAGE_READWRITE, &old);
    page[3] = 0x123456789abcdef0;
    return EXCEPTION_CONTINUE_EXECUTION;
}
static void load_page(void *out)
{
    __try {
        *(uint64_t *)out = seh_load(page + 3);
    } __except (repair(GetExceptionInformation())) {
        note('x');
    }
}
static void continue_execution(void)
{
    uint32_t old;
    uint64_t value = 0;
    page = VirtualAlloc(NULL, 4096, MEM_COMMIT | MEM_RESERVE, PAGE_NOACCESS);
    CHECK(!seh_keeps(load_page, &value));
    CHECK(trail_is("r") && value == 0x123456789abcdef0);
    VirtualProtect(page, 4096, PAGE_NOACCESS, &old);
    value = 0;
    __try {
        seh_call_changed(load_page, &value);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        note('x');
    }
    CHECK(trail_is("r") && value == 0x123456789abcdef0);
    VirtualFree(page, 0, MEM_RELEASE);
}

// ---- nonvolatile registers after an unwind ------------------------------------------------------------------------------------
static void load_bad(void *unused) { (void)unused; seh_load(BAD); }
static void raise_own(void *unused) { (void)unused; RaiseException(OWN_CODE, 0, 0, NULL); }
// Whether the exception is the one that load_bad or raise_own raises.
static bool is_ours(EXCEPTION_POINTERS *p)
{
    EXCEPTION_RECORD *r = p->ExceptionRecord;
    return r->ExceptionCode == OWN_CODE
           || (r->ExceptionCode == EXCEPTION_ACCESS_VIOLATION && r->ExceptionInformation[1] == (uint64_t)BAD);
}
static void catcher(void *thrower)
{
    __try {
        seh_call_changed((void (*)(void *))thrower, NULL);
        note('x');
    } __except (is_ours(GetExceptionInformation())) {
        note('h');
    }
}
static void registers(void)
{
    CHECK(seh_keeps(catcher, load_bad) == 0);
    CHECK(seh_keeps(catcher, raise_own) == 0);
    CHECK(trail_is("hh"));
}

// ---- exceptions inside handlers -------------------------------------------------------------------------------------------------
// The second exception is offered to the same __except again, then to those outside it.
static int bad_filter(uint32_t code)
{
    if (code == OWN_CODE) {
        note('f');
        seh_load(BAD);
        note('x');
    }
    note('n');
    return EXCEPTION_CONTINUE_SEARCH;
}
static void nested(void)
{
    __try {
        __try {
            RaiseException(OWN_CODE, 0, 0, NULL);
        } __except (bad_filter(GetExceptionCode())) {
            note('x');
        }
    } __except (note('o'), GetExceptionCode() == EXCEPTION_ACCESS_VIOLATION) {
        note('h');
    }
    CHECK(trail_is("fnoh"));
    // An exception inside a filter that the filter handles itself.
    __try {
        RaiseException(OWN_CODE, 0, 0, NULL);
    } __except (catcher((void *)load_bad), EXCEPTION_EXECUTE_HANDLER) {
        note('2');
    }
    CHECK(trail_is("h2"));
}

static void __attribute__((noinline)) finally_raises(void)
{
    __try {
        __try {
            __try {
                RaiseException(OWN_CODE, 0, 0, NULL);
            } __finally {
                note('1');
                RaiseException(SECOND_CODE, 0, 0, NULL);
                note('x');
            }
        } __finally {
            note('2');
        }
    } __except (GetExceptionCode() == SECOND_CODE) {
        note('3');
    }
}
static void collided(void)
{
    __try {
        finally_raises();
        note('4');
    } __except (GetExceptionCode() == OWN_CODE) {
        note('x');
    }
    CHECK(trail_is("1234"));
}

// ---- vectored handlers ----------------------------------------------------------------------------------------------------------
static int32_t vectored(EXCEPTION_POINTERS *p)
{
    note('v');
    return p->ExceptionRecord->ExceptionCode == SECOND_CODE ? EXCEPTION_CONTINUE_EXECUTION : EXCEPTION_CONTINUE_SEARCH;
}
static void vectored_first(void)
{
    void *handle = AddVectoredExceptionHandler(1, vectored);
    __try {
        RaiseException(SECOND_CODE, 0, 0, NULL);
        note('c');
        seh_load(BAD);
    } __except (note('f'), EXCEPTION_EXECUTE_HANDLER) {
        note('h');
    }
    RemoveVectoredExceptionHandler(handle);
    CHECK(trail_is("vcvfh"));
}

// ---- through code of the other kind -----------------------------------------------------------------------------------------------
static void back_in(void *thrower)
{
    __try {
        ((void (*)(void *))thrower)(NULL);
    } __finally {
        note('i');
    }
}
static void through_library(void *thrower)
{
    struct callback callback = { back_in, thrower };
    __try {
        lib_call(&callback);
        note('x');
    } __except (is_ours(GetExceptionInformation())) {
        note('h');
    }
}
static void call_library(void *callback) { lib_call(callback); }
static void across(void)
{
    CHECK(seh_keeps(through_library, load_bad) == 0);
    CHECK(seh_keeps(through_library, raise_own) == 0);
    CHECK(trail_is("ihih"));
    struct callback inside = { through_library, raise_own };    // two crossings deep, then a third
    struct callback outer = { call_library, &inside };
    __try {
        seh_call_changed(call_library, &outer);
        note('o');
    } __finally {
        note('e');
    }
    CHECK(trail_is("ihoe"));
}

// ---- walking ----------------------------------------------------------------------------------------------------------------------
static __attribute__((noinline)) unsigned walk(uint64_t *pcs, unsigned most)
{
    CONTEXT c;
    unsigned n = 0;
    RtlCaptureContext(&c);
    while (n < most && pc_of(&c)) {
        pcs[n++] = pc_of(&c);
        uint64_t base = 0, frame = 0;
        void *data;
        uint64_t pc = pc_of(&c);
        RUNTIME_FUNCTION *f = RtlLookupFunctionEntry(pc, &base, NULL);
#if defined(__x86_64__)
        if (!f) {
            c.rip = *(uint64_t *)c.rsp;
            c.rsp += 8;
            continue;
        }
#else
        if (!f) {
            if (c.pc == c.lr) break;
            c.pc = c.lr;
            continue;
        }
#endif
        RtlVirtualUnwind(0, base, pc, f, &c, &data, &frame, NULL);
    }
    return n;
}
struct walked { uint64_t pcs[32]; unsigned n; };
static void walk_into(void *out) { struct walked *w = out; w->n = walk(w->pcs, 32); note('w'); }
static bool within(uint64_t pc, const void *function, uint64_t bytes) { return pc - (uint64_t)function < bytes; }
static void walking(void)
{
    struct walked direct, other;
    seh_call_changed(walk_into, &direct);
    struct callback callback = { walk_into, &other };
    lib_call(&callback);
    CHECK(trail_is("ww"));
    bool found = false, base_found = false;
    for (unsigned i = 0; i < direct.n; i++) {
        found |= within(direct.pcs[i], (void *)seh_call_changed, 0x200);
        void *base;
        base_found |= RtlPcToFileHeader((void *)direct.pcs[i], &base) == GetModuleHandleW(NULL);
    }
    CHECK(direct.n > 3 && direct.n < 32 && found && base_found);
    found = false;
    for (unsigned i = 0; i < other.n; i++) {
        void *base;
        found |= RtlPcToFileHeader((void *)other.pcs[i], &base) == GetModuleHandleW(L"crossing.dll");
    }
#if defined(__x86_64__) && !defined(__arm64ec__)        // without a crossing lib_call's call is a jump that leaves no frame
    CHECK(found);
#endif
    CHECK(other.n > 3 && other.n < 32);
    // Both walks end in the same frames.
    CHECK(direct.pcs[direct.n - 1] == other.pcs[other.n - 1]);
}

// Every instruction of a function with prologue and epilogue, on a made-up stack.
static void shapes(void)
{
    static _Alignas(16) uint64_t stack[64];
    for (const struct shape_point *p = seh_shape_points; p->pc; p++) {
        CONTEXT c = { 0 };
        uint64_t base = 0, frame = 0;
        void *data;
        uint64_t top = (uint64_t)&stack[48];
        for (unsigned i = 0; i < 64; i++) stack[i] = 0xdead0000 + i;
        RUNTIME_FUNCTION *f = RtlLookupFunctionEntry(p->pc, &base, NULL);
        if (!CHECK(f != NULL)) return;
#if defined(__x86_64__) && !defined(__arm64ec__)
        c.flags = CONTEXT_FULL;
        stack[48] = 0x7700;                                             // return address
        c.rsp = top - p->depth;
        c.rip = p->pc;
        c.rbx = p->saved ? 1 : 0x19;
        if (p->saved) *(uint64_t *)(top - p->saved) = 0x19;
        RtlVirtualUnwind(0, base, p->pc, f, &c, &data, &frame, NULL);
        bool ok = c.rip == 0x7700 && c.rsp == top + 8 && c.rbx == 0x19;
#else
#if defined(__arm64ec__)
        uint64_t *x19 = &c.r12, *lr = &c.st[0].low, *sp = &c.rsp, *pc = &c.rip;
#else
        uint64_t *x19 = &c.x[19], *lr = &c.lr, *sp = &c.sp, *pc = &c.pc;
#endif
        c.flags = CONTEXT_FULL;
        *sp = top - p->depth;
        *pc = p->pc;
        *x19 = p->saved ? 1 : 0x19;
        *lr = p->saved ? 2 : 0x7700;
        if (p->saved) ((uint64_t *)(top - p->saved))[0] = 0x19, ((uint64_t *)(top - p->saved))[1] = 0x7700;
        RtlVirtualUnwind(0, base, p->pc, f, &c, &data, &frame, NULL);
        bool ok = *pc == 0x7700 && *sp == top && *x19 == 0x19;
#endif
        if (!check_case(ok, "shape", "unwound from one instruction"))
            print("  point %d", (int64_t)(p - seh_shape_points));
    }
}

// ---- code made at run time -----------------------------------------------------------------------------------------------------------
static void made_code(void)
{
    uint8_t *code = VirtualAlloc(NULL, 4096, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    uint32_t old;
#if defined(__arm64ec__)
    (void)code, (void)old;                          // arm64 code needs EC pages: the x64 program shows the table itself
#else
#if defined(__x86_64__)
    static const uint8_t body[] = { 0x53, 0x48, 0x83, 0xec, 0x20, 0x31, 0xdb, 0xff, 0xd1, 0x48, 0x83, 0xc4, 0x20, 0x5b, 0xc3 };
    static const uint8_t info[] = { 1, 5, 2, 0, 5, 0x32, 1, 0x30 };
    RUNTIME_FUNCTION record = { 0, sizeof body, 64 };
#else
    // sub sp; stp x19, x30; mov x19, 0; blr x0; ldp; add; ret
    static const uint32_t body[] = { 0xd10083ff, 0xa9007bf3, 0xd2800013, 0xd63f0000, 0xa9407bf3, 0x910083ff, 0xd65f03c0 };
    static const uint8_t info[] = { 7, 0, 0x20, 0x08, 0xd6, 0x00, 0x02, 0xe4 };    // E = 1, epilogue from code 0, one word
    RUNTIME_FUNCTION record = { 0, 64 };
#endif
    memcpy(code, body, sizeof body);
    memcpy(code + 64, info, sizeof info);
    VirtualProtect(code, 4096, PAGE_EXECUTE_READ, &old);
    FlushInstructionCache(GetCurrentProcess(), code, 4096);
    uint64_t base;
    CHECK(!RtlLookupFunctionEntry((uint64_t)code + 6, &base, NULL));
    CHECK(RtlAddFunctionTable(&record, 1, (uint64_t)code));
    CHECK(RtlLookupFunctionEntry((uint64_t)code + 8, &base, NULL) == &record && base == (uint64_t)code);
    struct { void (*volatile f)(void (*)(void *)); } made = { (void *)code };
    __try {
        made.f(load_bad);
        note('x');
    } __except (is_ours(GetExceptionInformation())) {
        note('h');
    }
    CHECK(trail_is("h"));
    CHECK(RtlDeleteFunctionTable(&record));
    CHECK(!RtlLookupFunctionEntry((uint64_t)code + 8, &base, NULL));
    CHECK(!RtlDeleteFunctionTable(&record));
    void *table = NULL;
    CHECK(RtlAddGrowableFunctionTable(&table, &record, 0, 1, (uint64_t)code, (uint64_t)code + 64) == 0);
    CHECK(!RtlLookupFunctionEntry((uint64_t)code + 8, &base, NULL));
    RtlGrowFunctionTable(table, 1);
    CHECK(RtlLookupFunctionEntry((uint64_t)code + 8, &base, NULL) == &record);
    RtlDeleteGrowableFunctionTable(table);
    CHECK(!RtlLookupFunctionEntry((uint64_t)code + 8, &base, NULL));
#endif
    VirtualFree(code, 0, MEM_RELEASE);
}

static uint32_t many(void *unused)
{
    (void)unused;
    for (int i = 0; i < 50; i++) {
        unsigned caught = 0;
        __try {
            seh_call_changed(i & 1 ? load_bad : raise_own, NULL);
        } __except (is_ours(GetExceptionInformation())) {
            caught++;
        }
        if (caught != 1) return 1;
    }
    return 0;
}
static void threads(void)
{
    void *handles[4];
    uint32_t code;
    for (int i = 0; i < 4; i++) handles[i] = CreateThread(NULL, 0, many, NULL, 0, NULL);
    for (int i = 0; i < 4; i++) {
        WaitForSingleObject(handles[i], UINT32_MAX);
        CHECK(GetExitCodeThread(handles[i], &code) && code == 0);
        CloseHandle(handles[i]);
    }
}

int test_main(void)
{
    static const struct { const char *name; void (*run)(void); } parts[] = {
        { "access violation", access_violation }, { "order", order }, { "RaiseException", raise },
        { "continue", continue_execution }, { "registers", registers }, { "nested", nested }, { "collided", collided },
        { "vectored", vectored_first }, { "across", across }, { "walking", walking }, { "shapes", shapes },
        { "made code", made_code }, { "threads", threads },
    };
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
        print("%s", parts[i].name);
        parts[i].run();
    }
    return 0;
}
