// SPDX-License-Identifier: MIT
// What the machine is, what time it is, errors as text.
#include "images/kernel32/internal.h"

static uint64_t clock_now(uint32_t which) { uint64_t now = 0; SYS(clock_read, which, &now); return now; }
static void to_filetime(uint64_t t, LPFILETIME out) { out->dwLowDateTime = (DWORD)t; out->dwHighDateTime = (DWORD)(t >> 32); }
static uint64_t from_filetime(const FILETIME *t) { return (uint64_t)t->dwHighDateTime << 32 | t->dwLowDateTime; }
static uint64_t file_time_now(void) { return clock_now(CLOCK_REALTIME_NS) / 100 + 116444736000000000ull; }

VOID WINAPI GetSystemTimeAsFileTime(LPFILETIME out) { to_filetime(file_time_now(), out); }
VOID WINAPI GetSystemTimePreciseAsFileTime(LPFILETIME out) { to_filetime(file_time_now(), out); }
BOOL WINAPI QueryPerformanceCounter(LARGE_INTEGER *out) { out->QuadPart = (LONGLONG)(clock_now(CLOCK_MONOTONIC_NS) / 100); return TRUE; }
BOOL WINAPI QueryPerformanceFrequency(LARGE_INTEGER *out) { out->QuadPart = 10000000; return TRUE; }
ULONGLONG WINAPI GetTickCount64(void) { return clock_now(CLOCK_MONOTONIC_NS) / 1000000; }
DWORD WINAPI GetTickCount(void) { return (DWORD)GetTickCount64(); }
VOID WINAPI QueryUnbiasedInterruptTimePrecise(PULONGLONG out) { *out = clock_now(CLOCK_MONOTONIC_NS) / 100; }

// Days since 1601-01-01 (a Monday) and back; years of 400-year cycles that begin in March.
static int64_t days_from(int year, int month, int day) {
    int64_t y = year - (month <= 2), era = y / 400, of = y - era * 400;
    int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of * 365 + of / 4 - of / 100 + in_year - 584694;
}
BOOL WINAPI FileTimeToSystemTime(const FILETIME *in, LPSYSTEMTIME out) {
    uint64_t t = from_filetime(in) / 10000;
    if (from_filetime(in) >> 63) { error_set(ERROR_INVALID_PARAMETER); return FALSE; }
    uint64_t days = t / 86400000, ms = t % 86400000;
    int64_t z = (int64_t)days + 584694, era = z / 146097, of = z - era * 146097;
    int64_t y = (of - of / 1460 + of / 36524 - of / 146096) / 365, in_year = of - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * in_year + 2) / 153;
    *out = (SYSTEMTIME){ .wYear = (WORD)(y + era * 400 + (m >= 10)), .wMonth = (WORD)(m < 10 ? m + 3 : m - 9),
        .wDay = (WORD)(in_year - (153 * m + 2) / 5 + 1), .wDayOfWeek = (WORD)((days + 1) % 7), .wHour = (WORD)(ms / 3600000),
        .wMinute = (WORD)(ms / 60000 % 60), .wSecond = (WORD)(ms / 1000 % 60), .wMilliseconds = (WORD)(ms % 1000) };
    return TRUE;
}
BOOL WINAPI SystemTimeToFileTime(const SYSTEMTIME *in, LPFILETIME out) {
    if (in->wYear < 1601 || in->wMonth < 1 || in->wMonth > 12 || in->wDay < 1 || in->wDay > 31 || in->wHour > 23 || in->wMinute > 59 ||
        in->wSecond > 59 || in->wMilliseconds > 999) { error_set(ERROR_INVALID_PARAMETER); return FALSE; }
    uint64_t days = (uint64_t)days_from(in->wYear, in->wMonth, in->wDay);
    to_filetime((((days * 24 + in->wHour) * 60 + in->wMinute) * 60 + in->wSecond) * 10000000ull + in->wMilliseconds * 10000ull, out);
    return TRUE;
}
VOID WINAPI GetSystemTime(LPSYSTEMTIME out) { FILETIME t; GetSystemTimeAsFileTime(&t); FileTimeToSystemTime(&t, out); }
VOID WINAPI GetLocalTime(LPSYSTEMTIME out) { GetSystemTime(out); }             // the zone is UTC
BOOL WINAPI FileTimeToLocalFileTime(const FILETIME *in, LPFILETIME out) { *out = *in; return TRUE; }
BOOL WINAPI SystemTimeToTzSpecificLocalTime(const TIME_ZONE_INFORMATION *zone, const SYSTEMTIME *in, LPSYSTEMTIME out) {
    if (zone) { error_set(ERROR_NOT_SUPPORTED); return FALSE; }
    *out = *in;
    return TRUE;
}
DWORD WINAPI GetTimeZoneInformation(LPTIME_ZONE_INFORMATION out) {
    *out = (TIME_ZONE_INFORMATION){ .StandardName = L"UTC", .DaylightName = L"UTC" };
    return TIME_ZONE_ID_UNKNOWN;
}
LONG WINAPI CompareFileTime(const FILETIME *a, const FILETIME *b) {
    uint64_t x = from_filetime(a), y = from_filetime(b);
    return x < y ? -1 : x > y;
}

static uint32_t cpu_count(void) { return PEB_FIELD(uint32_t, 0xb8); }
static void system_info(LPSYSTEM_INFO out, WORD architecture, DWORD type) {
    *out = (SYSTEM_INFO){ .dwPageSize = 4096, .lpMinimumApplicationAddress = (LPVOID)USER_LOWEST,
        .lpMaximumApplicationAddress = (LPVOID)(USER_HIGHEST - 1), .dwActiveProcessorMask = (1ull << cpu_count()) - 1,
        .dwNumberOfProcessors = cpu_count(), .dwProcessorType = type, .dwAllocationGranularity = 0x10000 };
    out->wProcessorArchitecture = architecture;
}
VOID WINAPI GetNativeSystemInfo(LPSYSTEM_INFO out) { system_info(out, PROCESSOR_ARCHITECTURE_ARM64, 0); }
VOID WINAPI GetSystemInfo(LPSYSTEM_INFO out) {
#ifdef __arm64ec__
    system_info(out, PROCESSOR_ARCHITECTURE_AMD64, PROCESSOR_AMD_X8664);
#else
    GetNativeSystemInfo(out);
#endif
}
BOOL WINAPI GetProcessAffinityMask(HANDLE process, PDWORD_PTR own, PDWORD_PTR system) {
    (void)process;
    *own = *system = (1ull << cpu_count()) - 1;
    return TRUE;
}
DWORD WINAPI GetActiveProcessorCount(WORD group) { (void)group; return cpu_count(); }
BOOL WINAPI IsProcessorFeaturePresent(DWORD feature) {
    const uint8_t *features = (const uint8_t *)(USER_SHARED_DATA + 0x274);
    // Features of the other processor kind are in the page too: the numbers of x64 and of arm64.
#ifdef __arm64ec__
    static const uint64_t foreign = 1ull << 18 | 1ull << 19 | 1ull << 29;
#else
    static const uint64_t foreign = ~(1ull << 12 | 1ull << 18 | 1ull << 19 | 1ull << 23 | 1ull << 29);
#endif
    return feature < 64 && !(foreign >> feature & 1) && features[feature];
}
DWORD WINAPI GetVersion(void) { return PEB_FIELD(uint32_t, 0x118) | PEB_FIELD(uint32_t, 0x11c) << 8 | (DWORD)PEB_FIELD(uint16_t, 0x120) << 16; }
BOOL WINAPI GetVersionExW(LPOSVERSIONINFOW v) {
    v->dwMajorVersion = PEB_FIELD(uint32_t, 0x118);
    v->dwMinorVersion = PEB_FIELD(uint32_t, 0x11c);
    v->dwBuildNumber = PEB_FIELD(uint16_t, 0x120);
    v->dwPlatformId = VER_PLATFORM_WIN32_NT;
    v->szCSDVersion[0] = 0;
    return TRUE;
}
BOOL WINAPI GetVersionExA(LPOSVERSIONINFOA v) {
    v->dwMajorVersion = PEB_FIELD(uint32_t, 0x118);
    v->dwMinorVersion = PEB_FIELD(uint32_t, 0x11c);
    v->dwBuildNumber = PEB_FIELD(uint16_t, 0x120);
    v->dwPlatformId = VER_PLATFORM_WIN32_NT;
    v->szCSDVersion[0] = 0;
    return TRUE;
}
BOOL WINAPI IsDebuggerPresent(void) { return PEB_FIELD(uint8_t, PEB_BEING_DEBUGGED); }
static UINT error_mode;
UINT WINAPI SetErrorMode(UINT mode) { return __atomic_exchange_n(&error_mode, mode, __ATOMIC_RELAXED); }
UINT WINAPI GetErrorMode(void) { return error_mode; }

// Pointers kept encoded are only disguised: one secret a process.
static uint64_t secret(void) { return *(volatile uint64_t *)(parameters() + P_STANDARD) * 0x9e3779b97f4a7c15ull ^ (uint64_t)parameters(); }
PVOID WINAPI EncodePointer(PVOID p) { return (PVOID)((uint64_t)p ^ secret()); }
PVOID WINAPI DecodePointer(PVOID p) { return (PVOID)((uint64_t)p ^ secret()); }

VOID NTAPI RtlRaiseException(EXCEPTION_RECORD *record);
VOID WINAPI RaiseException(DWORD code, DWORD flags, DWORD count, const ULONG_PTR *arguments) {
    EXCEPTION_RECORD record = { .ExceptionCode = code & ~0x10000000u, .ExceptionFlags = flags & EXCEPTION_NONCONTINUABLE,
                                .ExceptionAddress = (PVOID)__builtin_return_address(0) };
    if (arguments) {
        record.NumberParameters = count < EXCEPTION_MAXIMUM_PARAMETERS ? count : EXCEPTION_MAXIMUM_PARAMETERS;
        memcpy(record.ExceptionInformation, arguments, record.NumberParameters * 8);
    }
    RtlRaiseException(&record);
}
PTOP_LEVEL_EXCEPTION_FILTER NTAPI RtlSetUnhandledExceptionFilter(PTOP_LEVEL_EXCEPTION_FILTER filter);
static PTOP_LEVEL_EXCEPTION_FILTER current_filter;
LPTOP_LEVEL_EXCEPTION_FILTER WINAPI SetUnhandledExceptionFilter(LPTOP_LEVEL_EXCEPTION_FILTER filter) {
    current_filter = filter;
    return RtlSetUnhandledExceptionFilter(filter);
}
LONG WINAPI UnhandledExceptionFilter(EXCEPTION_POINTERS *pointers) { return current_filter ? current_filter(pointers) : EXCEPTION_CONTINUE_SEARCH; }

// ---- messages ------------------------------------------------------------------------------------------------------------
static const struct { uint16_t error; const wchar_t *text; } messages[] = {
    { 0, L"The operation completed successfully." }, { 1, L"Incorrect function." }, { 2, L"The system cannot find the file specified." },
    { 3, L"The system cannot find the path specified." }, { 5, L"Access is denied." }, { 6, L"The handle is invalid." },
    { 8, L"Not enough memory resources are available to process this command." }, { 18, L"There are no more files." },
    { 38, L"Reached the end of the file." }, { 50, L"The request is not supported." }, { 80, L"The file exists." },
    { 87, L"The parameter is incorrect." }, { 122, L"The data area passed to a system call is too small." },
    { 123, L"The filename, directory name, or volume label syntax is incorrect." }, { 126, L"The specified module could not be found." },
    { 127, L"The specified procedure could not be found." }, { 183, L"Cannot create a file when that file already exists." },
    { 193, L"%1 is not a valid Win32 application." }, { 203, L"The system could not find the environment option that was entered." },
    { 258, L"The wait operation timed out." }, { 487, L"Attempt to access invalid address." }, { 998, L"Invalid access to memory location." },
};
// From the system or a given string; inserts are not supported unless they are ignored.
DWORD WINAPI FormatMessageW(DWORD flags, LPCVOID source, DWORD id, DWORD language, LPWSTR buffer, DWORD size, va_list *arguments) {
    (void)language, (void)arguments;
    const wchar_t *text = 0;
    wchar_t line[512];
    size_t n = 0;
    if (flags & FORMAT_MESSAGE_FROM_STRING) {
        text = source;
        if (!(flags & FORMAT_MESSAGE_IGNORE_INSERTS))
            for (const wchar_t *s = text; *s; s++) if (*s == '%') { error_set(ERROR_NOT_SUPPORTED); return 0; }
    } else if (flags & FORMAT_MESSAGE_FROM_SYSTEM) {
        for (unsigned i = 0; i < sizeof messages / sizeof *messages; i++) if (messages[i].error == id) text = messages[i].text;
    }
    if (!text) { error_set(317); return 0; }
    while (text[n] && n < 509) { line[n] = text[n]; n++; }
    if (!(flags & FORMAT_MESSAGE_FROM_STRING)) { line[n++] = '\r'; line[n++] = '\n'; }
    if (flags & FORMAT_MESSAGE_ALLOCATE_BUFFER) {
        wchar_t *made = LocalAlloc(LMEM_ZEROINIT, (n + 1 < size ? size : n + 1) * 2);
        *(wchar_t **)buffer = made;
        if (!made) return 0;
        memcpy(made, line, n * 2);
        return (DWORD)n;
    }
    if (n >= size) { error_set(ERROR_INSUFFICIENT_BUFFER); return 0; }
    memcpy(buffer, line, n * 2);
    buffer[n] = 0;
    return (DWORD)n;
}
DWORD WINAPI FormatMessageA(DWORD flags, LPCVOID source, DWORD id, DWORD language, LPSTR buffer, DWORD size, va_list *arguments) {
    wchar_t line[512], *from = flags & FORMAT_MESSAGE_FROM_STRING ? wide_from(source) : 0;
    DWORD n = FormatMessageW(flags & ~(DWORD)FORMAT_MESSAGE_ALLOCATE_BUFFER, from, id, language, line, 512, arguments);
    heap_put(from);
    if (!n) return 0;
    DWORD bytes = ansi_result(line, n, 0, 0);
    char *to = buffer;
    if (flags & FORMAT_MESSAGE_ALLOCATE_BUFFER) {
        if (bytes > size) size = bytes;
        *(char **)buffer = to = LocalAlloc(LMEM_ZEROINIT, size);
        if (!to) return 0;
    }
    if (bytes > size) { error_set(ERROR_INSUFFICIENT_BUFFER); return 0; }
    return ansi_result(line, n, to, size);
}
