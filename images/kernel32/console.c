// SPDX-License-Identifier: MIT
// Standard handles and the console: a stream of UTF-8 text without a screen.
#include "images/kernel32/internal.h"

NTSTATUS NTAPI RtlUTF8ToUnicodeN(PWSTR out, ULONG out_bytes, PULONG done, PCSTR text, ULONG bytes);
NTSTATUS NTAPI RtlUnicodeToUTF8N(PSTR out, ULONG out_bytes, PULONG done, PCWSTR text, ULONG bytes);

HANDLE WINAPI GetStdHandle(DWORD which) {
    DWORD index = STD_INPUT_HANDLE - which;             // -10, -11, -12
    if (index > 2) { error_set(ERROR_INVALID_HANDLE); return INVALID_HANDLE_VALUE; }
    return *(HANDLE *)(parameters() + P_STANDARD + 8 * index);
}
BOOL WINAPI SetStdHandle(DWORD which, HANDLE handle) {
    DWORD index = STD_INPUT_HANDLE - which;
    if (index > 2) { error_set(ERROR_INVALID_HANDLE); return FALSE; }
    *(HANDLE *)(parameters() + P_STANDARD + 8 * index) = handle;
    return TRUE;
}

static bool is_console(HANDLE handle) {
    struct file_info info;
    if (handle != NUL_HANDLE && done(SYS(file_query, handle, &info)) && info.kind == FILE_KIND_CONSOLE) return true;
    error_set(ERROR_INVALID_HANDLE);
    return false;
}
static DWORD input_mode = ENABLE_PROCESSED_INPUT | ENABLE_LINE_INPUT | ENABLE_ECHO_INPUT;
static DWORD output_mode = ENABLE_PROCESSED_OUTPUT | ENABLE_WRAP_AT_EOL_OUTPUT;
BOOL WINAPI GetConsoleMode(HANDLE handle, LPDWORD mode) {
    if (!is_console(handle)) return FALSE;
    *mode = handle == GetStdHandle(STD_INPUT_HANDLE) ? input_mode : output_mode;
    return TRUE;
}
BOOL WINAPI SetConsoleMode(HANDLE handle, DWORD mode) {
    if (!is_console(handle)) return FALSE;
    *(handle == GetStdHandle(STD_INPUT_HANDLE) ? &input_mode : &output_mode) = mode;
    return TRUE;
}
BOOL WINAPI WriteConsoleA(HANDLE handle, const VOID *buffer, DWORD size, LPDWORD count, LPVOID reserved) {
    (void)reserved;
    return is_console(handle) && WriteFile(handle, buffer, size, count, 0);
}
BOOL WINAPI WriteConsoleW(HANDLE handle, const VOID *buffer, DWORD chars, LPDWORD count, LPVOID reserved) {
    (void)reserved;
    const wchar_t *text = buffer;
    if (!is_console(handle)) return FALSE;
    if (count) *count = 0;
    while (chars) {
        char utf8[768];
        ULONG bytes;
        DWORD part = chars < 256 ? chars : 256;
        if (part < chars && text[part - 1] >= 0xd800 && text[part - 1] < 0xdc00) part--;    // do not split a pair
        RtlUnicodeToUTF8N(utf8, sizeof utf8, &bytes, text, part * 2);
        if (!WriteFile(handle, utf8, bytes, &bytes, 0)) return FALSE;
        if (count) *count += part;
        text += part;
        chars -= part;
    }
    return TRUE;
}
BOOL WINAPI ReadConsoleW(HANDLE handle, LPVOID buffer, DWORD chars, LPDWORD count, PCONSOLE_READCONSOLE_CONTROL control) {
    (void)control;
    char utf8[1024];
    DWORD want = chars < sizeof utf8 ? chars : sizeof utf8, got;
    ULONG bytes = 0;
    if (!is_console(handle) || !ReadFile(handle, utf8, want, &got, 0)) return FALSE;
    RtlUTF8ToUnicodeN(buffer, chars * 2, &bytes, utf8, got);    // never more units than bytes
    *count = bytes / 2;
    return TRUE;
}
BOOL WINAPI GetConsoleScreenBufferInfo(HANDLE handle, PCONSOLE_SCREEN_BUFFER_INFO info) {
    if (!is_console(handle)) return FALSE;
    *info = (CONSOLE_SCREEN_BUFFER_INFO){ .dwSize = { 80, 25 }, .wAttributes = 7, .srWindow = { 0, 0, 79, 24 }, .dwMaximumWindowSize = { 80, 25 } };
    return TRUE;
}
BOOL WINAPI SetConsoleTextAttribute(HANDLE handle, WORD attributes) { (void)attributes; return is_console(handle); }
// No interrupt ever comes from this console, so a handler is never called.
BOOL WINAPI SetConsoleCtrlHandler(PHANDLER_ROUTINE handler, BOOL add) { (void)handler, (void)add; return TRUE; }
UINT WINAPI GetConsoleCP(void) { return CP_UTF8; }
UINT WINAPI GetConsoleOutputCP(void) { return CP_UTF8; }
static BOOL only_utf8(UINT page) {
    if (page == CP_UTF8) return TRUE;
    error_set(ERROR_INVALID_PARAMETER);
    return FALSE;
}
BOOL WINAPI SetConsoleCP(UINT page) { return only_utf8(page); }
BOOL WINAPI SetConsoleOutputCP(UINT page) { return only_utf8(page); }
HWND WINAPI GetConsoleWindow(void) { return 0; }
VOID WINAPI OutputDebugStringA(LPCSTR text) {
    size_t n = 0;
    while (text[n]) n++;
    SYS(debug_print, text, n);
}
VOID WINAPI OutputDebugStringW(LPCWSTR text) {
    char utf8[1024];
    ULONG bytes = 0;
    RtlUnicodeToUTF8N(utf8, sizeof utf8, &bytes, text, (ULONG)wide_chars(text) * 2);
    SYS(debug_print, utf8, bytes);
}
