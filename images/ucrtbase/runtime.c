// SPDX-License-Identifier: MIT
// The runtime around main: arguments, environment, exit, initialisers, signals, threads, locks, the heap.
#include "images/ucrtbase/internal.h"

// ---- heap -------------------------------------------------------------------------------------------------------------------
static int new_mode;
void *malloc(size_t n) {
    void *p = HeapAlloc(GetProcessHeap(), 0, n ? n : 1);
    if (!p) errno = ENOMEM;
    return p;
}
void *calloc(size_t count, size_t size) {
    size_t n;
    void *p = __builtin_mul_overflow(count, size, &n) ? 0 : HeapAlloc(GetProcessHeap(), 8, n ? n : 1);
    if (!p) errno = ENOMEM;
    return p;
}
void free(void *p) {
    int saved = errno;
    if (p) HeapFree(GetProcessHeap(), 0, p);
    errno = saved;
}
void *realloc(void *p, size_t n) {
    if (!p) return malloc(n);
    if (!n) { free(p); return 0; }
    void *q = HeapReAlloc(GetProcessHeap(), 0, p, n);
    if (!q) errno = ENOMEM;
    return q;
}
void *_recalloc(void *p, size_t count, size_t size) {
    size_t n, had = p ? HeapSize(GetProcessHeap(), 0, p) : 0;
    if (__builtin_mul_overflow(count, size, &n)) { errno = ENOMEM; return 0; }
    char *q = realloc(p, n);
    if (q && n > had) memset(q + had, 0, n - had);
    return q;
}
void *_expand(void *p, size_t n) { return HeapReAlloc(GetProcessHeap(), 0x10, p, n); }
size_t _msize(void *p) { return HeapSize(GetProcessHeap(), 0, p); }
int _heapchk(void) { return HeapValidate(GetProcessHeap(), 0, 0) ? -2 : -4; }          // _HEAPOK, _HEAPBADNODE
int _heapmin(void) { return 0; }
intptr_t _get_heap_handle(void) { return (intptr_t)GetProcessHeap(); }
int _set_new_mode(int mode) { int old = new_mode; new_mode = mode; return old; }
int _query_new_mode(void) { return new_mode; }
int _callnewh(size_t n) { (void)n; return 0; }              // no new handler: the allocation fails
// The block's own address lies in the word before an aligned block.
void *_aligned_offset_malloc(size_t n, size_t align, size_t offset) {
    if (!align || (align & (align - 1))) { invalid_parameter(); return 0; }
    if (align < 16) align = 16;
    if (n > SIZE_MAX - align - 8) { errno = ENOMEM; return 0; }
    uint8_t *raw = malloc(n + align + 8);
    if (!raw) return 0;
    uint8_t *p = (uint8_t *)(((uintptr_t)raw + 8 + offset + align - 1) & ~(align - 1)) - offset;
    memcpy(p - 8, &raw, 8);
    return p;
}
void *_aligned_malloc(size_t n, size_t align) { return _aligned_offset_malloc(n, align, 0); }
static void *aligned_raw(void *p) { void *raw; memcpy(&raw, (uint8_t *)p - 8, 8); return raw; }
void _aligned_free(void *p) { if (p) free(aligned_raw(p)); }
size_t _aligned_msize(void *p, size_t align, size_t offset) {
    (void)align, (void)offset;
    uint8_t *raw = aligned_raw(p);
    return HeapSize(GetProcessHeap(), 0, raw) - (size_t)((uint8_t *)p - raw);
}
void *_aligned_realloc(void *p, size_t n, size_t align) {
    if (!p) return _aligned_malloc(n, align);
    if (!n) { _aligned_free(p); return 0; }
    size_t had = _aligned_msize(p, align, 0);
    void *q = _aligned_malloc(n, align);
    if (!q) return 0;
    memcpy(q, p, had < n ? had : n);
    _aligned_free(p);
    return q;
}
void *_malloc_r(struct _reent *r, size_t n) { (void)r; return malloc(n); }
void *_calloc_r(struct _reent *r, size_t count, size_t size) { (void)r; return calloc(count, size); }
void *_realloc_r(struct _reent *r, void *p, size_t n) { (void)r; return realloc(p, n); }
void _free_r(struct _reent *r, void *p) { (void)r; free(p); }

// ---- arguments and environment ------------------------------------------------------------------------------------------------
static int argument_count;
static char **arguments;
static wchar_t **wide_arguments;
static char **environment;
static wchar_t **wide_environment;
static char *program_name;
static wchar_t *wide_program_name;

// Splits a command line by the rules of the Windows library: quotes group, backslashes count only before a quote,
// the program's name ends at its quote or at a blank. words null: only count; text gets the unquoted words.
static int split(const wchar_t *s, wchar_t **words, wchar_t *text) {
    int count = 0;
    for (bool first = true;; first = false) {
        while (!first && (*s == ' ' || *s == '\t')) s++;
        if (!*s && !first) return count;
        if (words) words[count] = text;
        count++;
        bool quoted = false;
        while (*s && (quoted || (*s != ' ' && *s != '\t'))) {
            unsigned slashes = 0;
            while (!first && *s == '\\') { s++; slashes++; }
            if (slashes && *s != '"') { while (slashes--) *text++ = '\\'; continue; }
            for (unsigned i = 0; i < slashes / 2; i++) *text++ = '\\';
            if (slashes & 1) { *text++ = *s++; continue; }
            if (*s == '"') {
                if (quoted && s[1] == '"' && !first) { *text++ = '"'; s += 2; continue; }
                quoted = !quoted;
                s++;
                continue;
            }
            if (*s && (quoted || (*s != ' ' && *s != '\t'))) *text++ = *s++;
        }
        *text++ = 0;
    }
}

static bool arguments_make(void) {
    if (arguments) return true;
    const wchar_t *line = GetCommandLineW();
    size_t chars = wcslen(line);
    wchar_t *text = malloc((chars * 2 + 2) * sizeof *text);
    if (!text) return false;
    argument_count = split(line, 0, text);
    wide_arguments = calloc((size_t)argument_count + 1, sizeof *wide_arguments);
    char **narrow = calloc((size_t)argument_count + 1, sizeof *narrow);
    if (!wide_arguments || !narrow) return false;
    split(line, wide_arguments, text);
    for (int i = 0; i < argument_count; i++) if (!(narrow[i] = narrow_copy(wide_arguments[i]))) return false;
    arguments = narrow;
    wide_program_name = malloc(1024 * sizeof *wide_program_name);
    if (wide_program_name) GetModuleFileNameW(0, wide_program_name, 1024);
    program_name = narrow_copy(wide_program_name);
    return true;
}
int _configure_narrow_argv(int mode) { (void)mode; return arguments_make() ? 0 : ENOMEM; }
int _configure_wide_argv(int mode) { (void)mode; return arguments_make() ? 0 : ENOMEM; }
int *__p___argc(void) { return &argument_count; }
char ***__p___argv(void) { return &arguments; }
wchar_t ***__p___wargv(void) { return &wide_arguments; }
char **__p__pgmptr(void) { arguments_make(); return &program_name; }
wchar_t **__p__wpgmptr(void) { arguments_make(); return &wide_program_name; }
int _get_pgmptr(char **out) { *out = *__p__pgmptr(); return *out ? 0 : EINVAL; }
char **__p__acmdln(void) { static char *line; if (!line) line = narrow_copy(GetCommandLineW()); return &line; }
wchar_t **__p__wcmdln(void) { static wchar_t *line; line = GetCommandLineW(); return &line; }
char *_get_narrow_winmain_command_line(void) {
    char *s = *__p__acmdln();
    bool quoted = false;
    for (; s && *s && (quoted || (*s != ' ' && *s != '\t')); s++) if (*s == '"') quoted = !quoted;
    while (s && (*s == ' ' || *s == '\t')) s++;
    return s;
}

static bool environment_make(void) {
    if (environment) return true;
    wchar_t *block = GetEnvironmentStringsW();
    size_t count = 0;
    for (wchar_t *e = block; *e; e += wcslen(e) + 1) count++;
    char **narrow = calloc(count + 1, sizeof *narrow);
    wide_environment = calloc(count + 1, sizeof *wide_environment);
    if (!narrow || !wide_environment) return false;
    size_t n = 0;
    for (wchar_t *e = block; *e; e += wcslen(e) + 1) {
        if (*e == '=') continue;                        // current directories of drives
        wide_environment[n] = wcsdup(e);
        narrow[n++] = narrow_copy(e);
    }
    FreeEnvironmentStringsW(block);
    environment = narrow;
    return true;
}
int _initialize_narrow_environment(void) { return environment_make() ? 0 : -1; }
int _initialize_wide_environment(void) { return environment_make() ? 0 : -1; }
char ***__p__environ(void) { environment_make(); return &environment; }
wchar_t ***__p__wenviron(void) { environment_make(); return &wide_environment; }
char **_get_initial_narrow_environment(void) { environment_make(); return environment; }
wchar_t **_get_initial_wide_environment(void) { environment_make(); return wide_environment; }

static bool name_matches(const char *entry, const char *name, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char a = entry[i], b = name[i];
        if (a >= 'a' && a <= 'z') a -= 32;
        if (b >= 'a' && b <= 'z') b -= 32;
        if (a != b) return false;
    }
    return entry[n] == '=';
}
char *ucrt_getenv(const char *name) {
    if (!environment_make()) return 0;
    size_t n = strlen(name);
    for (char **e = environment; *e; e++) if (name_matches(*e, name, n)) return *e + n + 1;
    return 0;
}
char *_getenv_r(struct _reent *r, const char *name) { (void)r; return ucrt_getenv(name); }
wchar_t *_wgetenv(const wchar_t *name) {
    char *narrow = narrow_copy(name), *value = narrow ? ucrt_getenv(narrow) : 0;
    wchar_t *found = 0;
    if (value) {
        size_t index = 0, n = strlen(narrow);
        for (char **e = environment; *e; e++, index++) if (name_matches(*e, narrow, n)) break;
        found = wide_environment[index] + n + 1;
    }
    free(narrow);
    return found;
}
errno_value getenv_s(size_t *need, char *buffer, size_t size, const char *name) {
    char *value = ucrt_getenv(name);
    *need = value ? strlen(value) + 1 : 0;
    if (size) *buffer = 0;
    if (!value || !size) return 0;
    if (*need > size) return ERANGE;
    strcpy(buffer, value);
    return 0;
}
errno_value _dupenv_s(char **out, size_t *size, const char *name) {
    char *value = ucrt_getenv(name);
    *out = value ? strdup(value) : 0;
    if (size) *size = *out ? strlen(*out) + 1 : 0;
    return value && !*out ? ENOMEM : 0;
}
// "NAME=value" or "NAME=": both tables and the process's own environment change.
int _putenv(const char *text) {
    const char *equal = strchr(text, '=');
    if (!equal || equal == text || !environment_make()) { invalid_parameter(); return -1; }
    size_t n = (size_t)(equal - text), count = 0, at;
    while (environment[count]) count++;
    for (at = 0; at < count && !name_matches(environment[at], text, n); at++) {}
    wchar_t *wide = wide_copy(text);
    if (!wide) return -1;
    wchar_t *value = wcschr(wide, '=');
    *value = 0;
    SetEnvironmentVariableW(wide, value[1] ? value + 1 : 0);
    *value = '=';
    if (!value[1]) {
        free(wide);
        for (; at < count; at++) { environment[at] = environment[at + 1]; wide_environment[at] = wide_environment[at + 1]; }
        return 0;
    }
    if (at == count) {
        char **e = realloc(environment, (count + 2) * sizeof *e);
        if (e) environment = e;
        wchar_t **w = e ? realloc(wide_environment, (count + 2) * sizeof *w) : 0;
        if (!w) { free(wide); return -1; }
        wide_environment = w;
        environment[count + 1] = 0;
        wide_environment[count + 1] = 0;
    }
    environment[at] = strdup(text);
    wide_environment[at] = wide;
    return environment[at] ? 0 : -1;
}
errno_value _putenv_s(const char *name, const char *value) {
    char *text = malloc(strlen(name) + strlen(value) + 2);
    if (!text) return ENOMEM;
    strcat(strcat(strcpy(text, name), "="), value);
    int result = _putenv(text);
    free(text);
    return result ? EINVAL : 0;
}

// ---- exit -------------------------------------------------------------------------------------------------------------------
typedef int (*onexit_fn)(void);
struct onexit_table { onexit_fn *first, *last, *end; };
static struct onexit_table at_exit, at_quick;
static struct win_section exit_lock = { .lock_count = -1 };

int _initialize_onexit_table(struct onexit_table *t) {
    if (!t) return -1;
    if (t->first == t->end) *t = (struct onexit_table){ 0 };
    return 0;
}
int _register_onexit_function(struct onexit_table *t, onexit_fn function) {
    EnterCriticalSection(&exit_lock);
    int result = 0;
    if (t->last == t->end) {
        size_t had = (size_t)(t->end - t->first), room = had ? had * 2 : 32;
        onexit_fn *fresh = realloc(t->first, room * sizeof *fresh);
        if (fresh) *t = (struct onexit_table){ fresh, fresh + had, fresh + room };
        else result = -1;
    }
    if (!result) *t->last++ = function;
    LeaveCriticalSection(&exit_lock);
    return result;
}
// Backwards; functions registered meanwhile run too.
int _execute_onexit_table(struct onexit_table *t) {
    for (;;) {
        EnterCriticalSection(&exit_lock);
        onexit_fn function = t->last > t->first ? *--t->last : 0;
        bool empty = !function && t->last == t->first;
        LeaveCriticalSection(&exit_lock);
        if (function) function();
        else if (empty) break;
    }
    free(t->first);
    *t = (struct onexit_table){ 0 };
    return 0;
}
int _crt_atexit(void (*function)(void)) { return _register_onexit_function(&at_exit, (onexit_fn)function); }
int _crt_at_quick_exit(void (*function)(void)) { return _register_onexit_function(&at_quick, (onexit_fn)function); }
typedef void (*thread_exit_fn)(void *module, uint32_t reason, void *reserved);
static thread_exit_fn thread_exit_callback;
void _register_thread_local_exe_atexit_callback(thread_exit_fn callback) { thread_exit_callback = callback; }

void _cexit(void) {
    if (thread_exit_callback) { thread_exit_callback(0, 0, 0); thread_exit_callback = 0; }
    _execute_onexit_table(&at_exit);
    stdio_flush_all();
}
void _c_exit(void) { stdio_flush_all(); }
__attribute__((noreturn)) void exit(int code) { _cexit(); ExitProcess((uint32_t)code); }
__attribute__((noreturn)) void _exit(int code) { ExitProcess((uint32_t)code); }
__attribute__((noreturn)) void ucrt_quick_exit(int code) { _execute_onexit_table(&at_quick); ExitProcess((uint32_t)code); }

typedef void (*void_fn)(void);
void _initterm(void_fn *f, void_fn *end) { for (; f < end; f++) if (*f) (*f)(); }
int _initterm_e(onexit_fn *f, onexit_fn *end) {
    int result = 0;
    for (; f < end && !result; f++) if (*f) result = (*f)();
    return result;
}

// ---- program settings ---------------------------------------------------------------------------------------------------------
typedef void (*invalid_fn)(const wchar_t *, const wchar_t *, const wchar_t *, unsigned, uintptr_t);
static invalid_fn invalid_handler;
static int app_type, error_mode_value, abort_flags = 3;
static void *math_handler;

invalid_fn _set_invalid_parameter_handler(invalid_fn f) { invalid_fn old = invalid_handler; invalid_handler = f; return old; }
invalid_fn _get_invalid_parameter_handler(void) { return invalid_handler; }
void invalid_parameter(void) {
    errno = EINVAL;
    if (invalid_handler) { invalid_handler(0, 0, 0, 0, 0); errno = EINVAL; }
}
void _invalid_parameter_noinfo(void) { invalid_parameter(); }
__attribute__((noreturn)) void _invoke_watson(const wchar_t *e, const wchar_t *f, const wchar_t *file, unsigned line, uintptr_t r) {
    (void)e, (void)f, (void)file, (void)line, (void)r;
    TerminateProcess((win_handle)-1, 0xC0000417u);
    __builtin_trap();
}
__attribute__((noreturn)) void _invalid_parameter_noinfo_noreturn(void) { _invoke_watson(0, 0, 0, 0, 0); }
void _set_app_type(int type) { app_type = type; }
int _query_app_type(void) { return app_type; }
void __setusermatherr(void *f) { math_handler = f; }        // newlib's functions report through errno and the FP status only
int _set_error_mode(int mode) { int old = error_mode_value; if (mode != 3) error_mode_value = mode; return old; }
unsigned _set_abort_behavior(unsigned flags, unsigned mask) {
    unsigned old = (unsigned)abort_flags;
    abort_flags = (int)((old & ~mask) | (flags & mask));
    return old;
}
int _seh_filter_exe(uint32_t code, void *pointers) { (void)code, (void)pointers; return 0; }      // not ours: search on
int _seh_filter_dll(uint32_t code, void *pointers) { (void)code, (void)pointers; return 0; }
int _configthreadlocale(int mode) { return mode == 0 || mode == 2 ? 2 : -1; }                      // one locale for all threads
unsigned _get_osplatform(unsigned *out) { *out = 2; return 0; }

// ---- signals: raised by the program itself or by abort ------------------------------------------------------------------------
typedef void (*signal_fn)(int);
#define SIGNAL_DEFAULT ((signal_fn)0)
#define SIGNAL_IGNORE ((signal_fn)1)
#define SIGNAL_ERROR ((signal_fn)-1)
enum { SIGNAL_ABORT = 22, SIGNAL_ABORT_COMPAT = 6 };
static signal_fn handlers[24];
static bool signal_known(int s) { return s == 2 || s == 4 || s == 8 || s == 11 || s == 15 || s == 21 || s == 22 || s == 6; }

signal_fn ucrt_signal(int number, signal_fn function) {
    if (!signal_known(number)) { invalid_parameter(); return SIGNAL_ERROR; }
    if (number == SIGNAL_ABORT_COMPAT) number = SIGNAL_ABORT;
    return __atomic_exchange_n(&handlers[number], function, __ATOMIC_ACQ_REL);
}
int ucrt_raise(int number) {
    if (!signal_known(number)) { invalid_parameter(); return -1; }
    if (number == SIGNAL_ABORT_COMPAT) number = SIGNAL_ABORT;
    signal_fn f = __atomic_exchange_n(&handlers[number], SIGNAL_DEFAULT, __ATOMIC_ACQ_REL);
    if (f == SIGNAL_IGNORE) { handlers[number] = SIGNAL_IGNORE; return 0; }
    if (f == SIGNAL_DEFAULT) ExitProcess(3);
    f(number);
    return 0;
}
__attribute__((noreturn)) void abort(void) {
    signal_fn f = handlers[SIGNAL_ABORT];
    if (f != SIGNAL_DEFAULT && f != SIGNAL_IGNORE) ucrt_raise(SIGNAL_ABORT);
    TerminateProcess((win_handle)-1, 3);
    __builtin_trap();
}
static void *fpe_info[2];
void **__fpecode(void) { return &fpe_info[0]; }
void **__pxcptinfoptrs(void) { return &fpe_info[1]; }
__attribute__((noreturn)) void ucrt_assert(const char *text, const char *file, unsigned line) {
    fprintf(stderr, "Assertion failed: %s, file %s, line %u\n", text, file, line);
    abort();
}
__attribute__((noreturn)) void _wassert(const wchar_t *text, const wchar_t *file, unsigned line) {
    fprintf(stderr, "Assertion failed: %ls, file %ls, line %u\n", text, file, line);
    abort();
}
__attribute__((noreturn)) void __assert_func(const char *file, int line, const char *function, const char *text) {
    (void)function;
    ucrt_assert(text, file, (unsigned)line);
}
__attribute__((noreturn)) void terminate(void) { abort(); }

// ---- threads ----------------------------------------------------------------------------------------------------------------
static uint32_t reent_slot = UINT32_MAX;

void threads_init(void) {
    reent_slot = TlsAlloc();
}
struct _reent *__getreent(void) {
    if (reent_slot == UINT32_MAX) return _GLOBAL_REENT;
    uint32_t error = GetLastError();                    // reading errno must not change the last error
    struct _reent *r = TlsGetValue(reent_slot);
    if (!r) {
        r = HeapAlloc(GetProcessHeap(), 8, sizeof *r);
        if (!r) return _GLOBAL_REENT;
        _REENT_INIT_PTR(r);
        TlsSetValue(reent_slot, r);
    }
    SetLastError(error);
    return r;
}
void threads_detach(void) {
    struct _reent *r = TlsGetValue(reent_slot);
    if (!r) return;
    _reclaim_reent(r);
    TlsSetValue(reent_slot, 0);
    HeapFree(GetProcessHeap(), 0, r);
}

int *_errno(void) { return &__getreent()->_errno; }
int *__errno(void) { return _errno(); }
static uint32_t windows_error;
uint32_t *__doserrno(void) { return &windows_error; }
int _set_errno(int value) { *_errno() = value; return 0; }
int _get_errno(int *value) { *value = *_errno(); return 0; }

struct start { unsigned (*function)(void *); void (*simple)(void *); void *argument; };
static uint32_t start_thread(void *p) {
    struct start s = *(struct start *)p;
    free(p);
    if (s.function) return s.function(s.argument);
    s.simple(s.argument);
    return 0;
}
static uintptr_t begin(struct start from, unsigned stack, unsigned flags, unsigned *id) {
    struct start *s = malloc(sizeof *s);
    if (!s) return 0;
    *s = from;
    win_handle thread = CreateThread(0, stack, start_thread, s, flags, (uint32_t *)id);
    if (thread) return (uintptr_t)thread;
    free(s);
    errno_from_windows();
    return 0;
}
uintptr_t _beginthreadex(void *security, unsigned stack, unsigned (*function)(void *), void *argument, unsigned flags, unsigned *id) {
    (void)security;
    return begin((struct start){ .function = function, .argument = argument }, stack, flags, id);
}
uintptr_t _beginthread(void (*function)(void *), unsigned stack, void *argument) {
    uintptr_t h = begin((struct start){ .simple = function, .argument = argument }, stack, 0, 0);
    return h ? h : (uintptr_t)-1;
}
__attribute__((noreturn)) void _endthreadex(unsigned code) { ExitThread(code); }
__attribute__((noreturn)) void _endthread(void) { ExitThread(0); }
void ucrt_sleep(unsigned ms) { Sleep(ms); }

// ---- newlib's locks ---------------------------------------------------------------------------------------------------------
struct __lock { struct win_section section; };
#define STATIC_LOCK(name) struct __lock name = { { .lock_count = -1 } }
STATIC_LOCK(__lock___sinit_recursive_mutex);
STATIC_LOCK(__lock___sfp_recursive_mutex);
STATIC_LOCK(__lock___atexit_recursive_mutex);
STATIC_LOCK(__lock___at_quick_exit_mutex);
STATIC_LOCK(__lock___malloc_recursive_mutex);
STATIC_LOCK(__lock___env_recursive_mutex);
STATIC_LOCK(__lock___tz_mutex);
STATIC_LOCK(__lock___dd_hash_mutex);
STATIC_LOCK(__lock___arc4random_mutex);
static void lock_make(struct __lock **lock) {
    *lock = malloc(sizeof **lock);
    if (*lock) InitializeCriticalSection(&(*lock)->section);
}
static void lock_drop(struct __lock *lock) { DeleteCriticalSection(&lock->section); free(lock); }
void __retarget_lock_init(struct __lock **lock) { lock_make(lock); }
void __retarget_lock_init_recursive(struct __lock **lock) { lock_make(lock); }
void __retarget_lock_close(struct __lock *lock) { lock_drop(lock); }
void __retarget_lock_close_recursive(struct __lock *lock) { lock_drop(lock); }
void __retarget_lock_acquire(struct __lock *lock) { EnterCriticalSection(&lock->section); }
void __retarget_lock_acquire_recursive(struct __lock *lock) { EnterCriticalSection(&lock->section); }
int __retarget_lock_try_acquire(struct __lock *lock) { return TryEnterCriticalSection(&lock->section); }
int __retarget_lock_try_acquire_recursive(struct __lock *lock) { return TryEnterCriticalSection(&lock->section); }
void __retarget_lock_release(struct __lock *lock) { LeaveCriticalSection(&lock->section); }
void __retarget_lock_release_recursive(struct __lock *lock) { LeaveCriticalSection(&lock->section); }

// ---- the DLL ----------------------------------------------------------------------------------------------------------------
int DllMain(void *base, uint32_t reason, void *reserved) {
    (void)base, (void)reserved;
    if (reason == 1) { threads_init(); files_init(); locale_init(); }
    if (reason == 3) threads_detach();
    if (reason == 0) stdio_flush_all();
    return 1;
}
