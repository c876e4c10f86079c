// SPDX-License-Identifier: MIT
// Helpers of this DLL: errors, text buffers, paths.
#include "images/kernel32/internal.h"

ULONG NTAPI RtlNtStatusToDosErrorNoTeb(NTSTATUS status);
NTSTATUS NTAPI RtlUTF8ToUnicodeN(PWSTR out, ULONG out_bytes, PULONG done, PCSTR text, ULONG bytes);
NTSTATUS NTAPI RtlUnicodeToUTF8N(PSTR out, ULONG out_bytes, PULONG done, PCWSTR text, ULONG bytes);

bool done(status_t status) {
    if (!NT_ERROR(status)) return true;
    error_set(RtlNtStatusToDosErrorNoTeb(status));
    return false;
}

size_t wide_chars(const wchar_t *text) { size_t n = 0; while (text[n]) n++; return n; }

wchar_t *wide_from(const char *text) {
    size_t bytes = 0;
    while (text[bytes]) bytes++;
    ULONG need = 0;
    RtlUTF8ToUnicodeN(0, 0, &need, text, (ULONG)bytes);
    wchar_t *wide = heap_get(need + 2);
    if (wide) RtlUTF8ToUnicodeN(wide, need, &need, text, (ULONG)bytes);
    else error_set(ERROR_NOT_ENOUGH_MEMORY);
    return wide;
}

DWORD ansi_result(const wchar_t *text, size_t chars, char *buffer, DWORD size) {
    ULONG need = 0;
    RtlUnicodeToUTF8N(0, 0, &need, text, (ULONG)chars * 2);
    if (!buffer || need >= size) return need + 1;
    RtlUnicodeToUTF8N(buffer, size, &need, text, (ULONG)chars * 2);
    buffer[need] = 0;
    return need;
}

DWORD wide_result(const wchar_t *text, size_t chars, wchar_t *buffer, DWORD size) {
    if (!buffer || chars >= size) return (DWORD)chars + 1;
    memmove(buffer, text, chars * 2);
    buffer[chars] = 0;
    return (DWORD)chars;
}

static bool is_slash(wchar_t c) { return c == '\\' || c == '/'; }

size_t path_full(const wchar_t *path, wchar_t out[PATH_CHARS]) {
    size_t n = 0;
    if (is_slash(path[0]) && is_slash(path[1]) && (path[2] == '?' || path[2] == '.') && is_slash(path[3])) path += 4;
    UNICODE_STRING *directory = parameter_string(P_DIRECTORY);
    size_t directory_chars = directory->Length / 2;
    if (path[0] && path[1] == ':') {
        out[n++] = path[0] >= 'a' && path[0] <= 'z' ? path[0] - 32 : path[0];
        out[n++] = ':';
        path += 2;
        if (!is_slash(*path) && directory_chars >= 2 && (directory->Buffer[0] | 32) == (out[0] | 32)) n = 0;   // "C:name"
        else if (!is_slash(*path)) out[n++] = '\\';
    }
    if (!n && is_slash(*path)) { out[0] = directory_chars >= 2 ? directory->Buffer[0] : 'C'; out[1] = ':'; n = 2; }
    else if (!n) {
        if (directory_chars >= PATH_CHARS - 2) return 0;
        memcpy(out, directory->Buffer, directory_chars * 2);
        n = directory_chars;
        if (n && is_slash(out[n - 1])) n--;
    }
    bool trailing = false;
    while (*path) {
        while (is_slash(*path)) { path++; trailing = true; }
        size_t len = 0;
        while (path[len] && !is_slash(path[len])) len++;
        if (!len) break;
        trailing = false;
        if (len == 1 && path[0] == '.') { path++; continue; }
        if (len == 2 && path[0] == '.' && path[1] == '.') {
            while (n > 2 && !is_slash(out[n - 1])) n--;
            if (n > 2) n--;
            path += 2;
            continue;
        }
        if (n + len + 2 >= PATH_CHARS) return 0;
        if (!n || !is_slash(out[n - 1])) out[n++] = '\\';
        memcpy(out + n, path, len * 2);
        n += len;
        path += len;
    }
    if ((trailing || n == 2) && !is_slash(out[n - 1])) out[n++] = '\\';
    out[n] = 0;
    return n;
}

size_t path_utf8(const wchar_t *path, char out[PATH_CHARS * 3]) {
    wchar_t full[PATH_CHARS];
    ULONG bytes = 0;
    size_t n = path_full(path, full);
    if (!n) return 0;
    if (n > 3 && is_slash(full[n - 1])) n--;
    RtlUnicodeToUTF8N(out, PATH_CHARS * 3, &bytes, full, (ULONG)n * 2);
    return bytes;
}

uint64_t milliseconds(DWORD ms) { return ms == INFINITE ? UINT64_MAX : ms * 1000000ull; }
