// SPDX-License-Identifier: MIT
// The process: command line, environment, start-up information, starting and ending processes.
#include "images/kernel32/internal.h"

DECLSPEC_NORETURN VOID NTAPI RtlExitUserProcess(ULONG status);
NTSTATUS NTAPI RtlQueryEnvironmentVariable_U(PWSTR env, PUNICODE_STRING name, PUNICODE_STRING value);
NTSTATUS NTAPI RtlSetEnvironmentVariable(PWSTR *env, PUNICODE_STRING name, PUNICODE_STRING value);
NTSTATUS NTAPI RtlCreateEnvironment(BOOLEAN inherit, PWSTR *out);
NTSTATUS NTAPI RtlDestroyEnvironment(PWSTR block);

static wchar_t *command_wide;
static char *command_ansi;
static void *once(void *volatile *cell, void *made) {           // the first maker wins
    void *expected = 0;
    if (__atomic_compare_exchange_n(cell, &expected, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return made;
    heap_put(made);
    return expected;
}
LPWSTR WINAPI GetCommandLineW(void) {
    if (command_wide) return command_wide;
    UNICODE_STRING *s = parameter_string(P_COMMAND);
    wchar_t *copy = heap_get(s->Length + 2u);
    if (!copy) return 0;
    memcpy(copy, s->Buffer, s->Length);
    return once((void *volatile *)&command_wide, copy);
}
LPSTR WINAPI GetCommandLineA(void) {
    if (command_ansi) return command_ansi;
    UNICODE_STRING *s = parameter_string(P_COMMAND);
    DWORD bytes = ansi_result(s->Buffer, s->Length / 2, 0, 0);
    char *copy = heap_get(bytes + 1);
    if (!copy) return 0;
    ansi_result(s->Buffer, s->Length / 2, copy, bytes + 1);
    return once((void *volatile *)&command_ansi, copy);
}

VOID WINAPI GetStartupInfoW(LPSTARTUPINFOW info) {
    *info = (STARTUPINFOW){ .cb = sizeof *info, .dwFlags = STARTF_USESTDHANDLES, .hStdInput = GetStdHandle(STD_INPUT_HANDLE),
        .hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE), .hStdError = GetStdHandle(STD_ERROR_HANDLE),
        .lpDesktop = (LPWSTR)L"", .lpTitle = parameter_string(P_IMAGE)->Buffer };
}
VOID WINAPI GetStartupInfoA(LPSTARTUPINFOA info) {
    static char empty[1];
    *info = (STARTUPINFOA){ .cb = sizeof *info, .dwFlags = STARTF_USESTDHANDLES, .hStdInput = GetStdHandle(STD_INPUT_HANDLE),
        .hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE), .hStdError = GetStdHandle(STD_ERROR_HANDLE), .lpDesktop = empty, .lpTitle = empty };
}

// ---- environment ----------------------------------------------------------------------------------------------------------
static UNICODE_STRING unicode(const wchar_t *text) {
    size_t n = wide_chars(text);
    return (UNICODE_STRING){ (USHORT)(n * 2), (USHORT)(n * 2 + 2), (PWSTR)text };
}
DWORD WINAPI GetEnvironmentVariableW(LPCWSTR name, LPWSTR buffer, DWORD size) {
    UNICODE_STRING n = unicode(name), value = { 0, (USHORT)(size > 0x7fff ? 0xfffe : size * 2), buffer };
    NTSTATUS status = RtlQueryEnvironmentVariable_U(0, &n, &value);
    if (status == STATUS_BUFFER_TOO_SMALL || (!status && value.Length / 2 >= size)) return value.Length / 2 + 1;
    if (!done(status)) return 0;
    error_set(0);
    return value.Length / 2;
}
DWORD WINAPI GetEnvironmentVariableA(LPCSTR name, LPSTR buffer, DWORD size) {
    wchar_t *wide = wide_from(name), *value = 0;
    DWORD n = wide ? GetEnvironmentVariableW(wide, 0, 0) : 0, result = 0;
    if (n && (value = heap_get(n * 2))) {
        n = GetEnvironmentVariableW(wide, value, n);
        result = ansi_result(value, n, buffer, size);
    }
    DWORD error = n || value ? 0 : GetLastError();
    heap_put(value);
    heap_put(wide);
    error_set(error);
    return result;
}
BOOL WINAPI SetEnvironmentVariableW(LPCWSTR name, LPCWSTR value) {
    UNICODE_STRING n = unicode(name), v = unicode(value ? value : L"");
    return done(RtlSetEnvironmentVariable(0, &n, value ? &v : 0));
}
BOOL WINAPI SetEnvironmentVariableA(LPCSTR name, LPCSTR value) {
    wchar_t *n = wide_from(name), *v = value ? wide_from(value) : 0;
    BOOL good = n && (v || !value) && SetEnvironmentVariableW(n, v);
    heap_put(n);
    heap_put(v);
    return good;
}
LPWCH WINAPI GetEnvironmentStringsW(void) {
    PWSTR copy = 0;
    return done(RtlCreateEnvironment(TRUE, &copy)) ? copy : 0;
}
BOOL WINAPI FreeEnvironmentStringsW(LPWCH block) { RtlDestroyEnvironment(block); return TRUE; }
LPCH WINAPI GetEnvironmentStrings(void) {
    wchar_t *wide = GetEnvironmentStringsW();
    if (!wide) return 0;
    size_t chars = 0;
    while (wide[chars]) chars += wide_chars(wide + chars) + 1;
    DWORD bytes = ansi_result(wide, chars, 0, 0);
    char *copy = heap_get(bytes + 2);
    if (copy) ansi_result(wide, chars, copy, bytes + 1);
    FreeEnvironmentStringsW(wide);
    return copy;
}
BOOL WINAPI FreeEnvironmentStringsA(LPCH block) { heap_put(block); return TRUE; }
DWORD WINAPI ExpandEnvironmentStringsW(LPCWSTR text, LPWSTR buffer, DWORD size) {
    DWORD n = 0;
    for (const wchar_t *s = text; *s;) {
        const wchar_t *end = s + 1;
        while (*s == '%' && *end && *end != '%') end++;
        if (*s == '%' && *end == '%' && end - s < 256) {
            wchar_t name[256], value[PATH_CHARS];
            memcpy(name, s + 1, (size_t)(end - s - 1) * 2);
            name[end - s - 1] = 0;
            DWORD got = GetEnvironmentVariableW(name, value, PATH_CHARS);
            if (got && got < PATH_CHARS) {
                for (DWORD i = 0; i < got; i++, n++) if (n < size) buffer[n] = value[i];
                s = end + 1;
                continue;
            }
        }
        if (n < size) buffer[n] = *s;
        n++;
        s++;
    }
    if (n < size) buffer[n] = 0;
    return n + 1;
}

// ---- ending and starting --------------------------------------------------------------------------------------------------
DECLSPEC_NORETURN VOID WINAPI ExitProcess(UINT code) { RtlExitUserProcess(code); }
BOOL WINAPI TerminateProcess(HANDLE process, UINT code) { return done(SYS(process_terminate, process, code)); }
BOOL WINAPI GetExitCodeProcess(HANDLE process, LPDWORD code) {
    struct process_basic basic;
    if (!done(SYS(process_query, process, PROCESS_BASIC, &basic, sizeof basic))) return FALSE;
    *code = basic.running ? STILL_ACTIVE : (DWORD)basic.exit_status;
    return TRUE;
}
DWORD WINAPI GetProcessId(HANDLE process) {
    struct process_basic basic;
    return done(SYS(process_query, process, PROCESS_BASIC, &basic, sizeof basic)) ? (DWORD)basic.process_id : 0;
}
BOOL WINAPI IsWow64Process2(HANDLE process, USHORT *machine, USHORT *native) {
    (void)process;
    *machine = 0;                                   // not WOW64: x64 programs are not, on this kind of machine
    *native = IMAGE_FILE_MACHINE_ARM64;
    return TRUE;
}
BOOL WINAPI IsWow64Process(HANDLE process, PBOOL wow) { (void)process; *wow = FALSE; return TRUE; }

static uint32_t place(uint8_t *block, uint32_t *at, const void *text, uint32_t bytes) {
    uint32_t offset = *at;
    memcpy(block + offset, text, bytes);
    *at = (offset + bytes + 7) & ~7u;
    return offset;
}

// The program is the application name, or the first word of the command line with ".exe" added when it has no suffix.
BOOL WINAPI CreateProcessW(LPCWSTR application, LPWSTR command, LPSECURITY_ATTRIBUTES process_security, LPSECURITY_ATTRIBUTES thread_security,
                           BOOL inherit, DWORD flags, LPVOID environment, LPCWSTR directory, LPSTARTUPINFOW info, LPPROCESS_INFORMATION out) {
    (void)process_security, (void)thread_security, (void)inherit;
    const DWORD known = CREATE_SUSPENDED | CREATE_UNICODE_ENVIRONMENT | CREATE_NO_WINDOW | NORMAL_PRIORITY_CLASS | CREATE_NEW_PROCESS_GROUP;
    if ((flags & ~known) || (environment && !(flags & CREATE_UNICODE_ENVIRONMENT))) { error_set(ERROR_NOT_SUPPORTED); return FALSE; }
    wchar_t first[PATH_CHARS], full[PATH_CHARS];
    if (!application) {
        if (!command) { error_set(ERROR_INVALID_PARAMETER); return FALSE; }
        const wchar_t *s = command;
        wchar_t end = *s == '"' ? *s++ : ' ';
        size_t n = 0;
        bool dot = false;
        for (; *s && *s != end && n < PATH_CHARS - 5; s++) { dot = *s == '.' || (dot && *s != '\\' && *s != '/'); first[n++] = *s; }
        if (!dot) { memcpy(first + n, L".exe", 8); n += 4; }
        first[n] = 0;
        application = first;
    }
    size_t path_chars = path_full(application, full);
    char path[PATH_CHARS * 3];
    size_t path_bytes = path_chars ? path_utf8(full, path) : 0;
    if (!path_bytes) { error_set(ERROR_INVALID_NAME); return FALSE; }
    wchar_t where[PATH_CHARS];
    size_t where_chars = directory ? path_full(directory, where) : parameter_string(P_DIRECTORY)->Length / 2;
    const wchar_t *where_text = directory ? where : parameter_string(P_DIRECTORY)->Buffer;
    const wchar_t *line = command ? command : application;
    wchar_t *env = environment ? environment : *(wchar_t **)(parameters() + P_ENVIRONMENT);
    size_t env_chars = 0;
    while (env[env_chars]) env_chars += wide_chars(env + env_chars) + 1;
    env_chars++;
    size_t line_chars = wide_chars(line);
    uint32_t room = (uint32_t)(sizeof(struct startup_block) + (path_chars + line_chars + where_chars + env_chars) * 2 + 64);
    uint8_t *block = heap_get(room);
    if (!block) { error_set(ERROR_NOT_ENOUGH_MEMORY); return FALSE; }
    struct startup_block *b = (void *)block;
    uint32_t at = sizeof *b;
    b->magic = STARTUP_MAGIC;
    b->image_offset = place(block, &at, full, b->image_bytes = (uint32_t)path_chars * 2);
    b->command_offset = place(block, &at, line, b->command_bytes = (uint32_t)line_chars * 2);
    b->directory_offset = place(block, &at, where_text, b->directory_bytes = (uint32_t)where_chars * 2);
    b->environment_offset = place(block, &at, env, b->environment_bytes = (uint32_t)env_chars * 2);
    b->bytes = at;
    struct process_create create = { .path = (uint64_t)path, .path_bytes = path_bytes, .startup = (uint64_t)block, .startup_bytes = at,
        .flags = flags & CREATE_SUSPENDED ? THREAD_CREATE_SUSPENDED : 0 };
    bool given = info && (info->dwFlags & STARTF_USESTDHANDLES);
    create.standard[0] = (uint64_t)(given ? info->hStdInput : GetStdHandle(STD_INPUT_HANDLE));
    create.standard[1] = (uint64_t)(given ? info->hStdOutput : GetStdHandle(STD_OUTPUT_HANDLE));
    create.standard[2] = (uint64_t)(given ? info->hStdError : GetStdHandle(STD_ERROR_HANDLE));
    handle_t process, thread;
    bool good = done(SYS(process_create, &create, &process, &thread));
    DWORD error = GetLastError();
    heap_put(block);
    if (!good) { error_set(error); return FALSE; }
    *out = (PROCESS_INFORMATION){ (HANDLE)process, (HANDLE)thread, GetProcessId((HANDLE)process), GetThreadId((HANDLE)thread) };
    return TRUE;
}
BOOL WINAPI CreateProcessA(LPCSTR application, LPSTR command, LPSECURITY_ATTRIBUTES process_security, LPSECURITY_ATTRIBUTES thread_security,
                           BOOL inherit, DWORD flags, LPVOID environment, LPCSTR directory, LPSTARTUPINFOA info, LPPROCESS_INFORMATION out) {
    wchar_t *a = application ? wide_from(application) : 0, *c = command ? wide_from(command) : 0, *d = directory ? wide_from(directory) : 0;
    STARTUPINFOW wide = { .cb = sizeof wide };
    if (info) { wide.dwFlags = info->dwFlags; wide.hStdInput = info->hStdInput; wide.hStdOutput = info->hStdOutput; wide.hStdError = info->hStdError; }
    BOOL good = CreateProcessW(a, c, process_security, thread_security, inherit, flags, environment, d, &wide, out);
    DWORD error = GetLastError();
    heap_put(a);
    heap_put(c);
    heap_put(d);
    error_set(error);
    return good;
}
