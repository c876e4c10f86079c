// SPDX-License-Identifier: MIT
// Files, over the kernel's file calls. Transfers are synchronous; an OVERLAPPED only gives the offset.
#include "images/kernel32/internal.h"

static bool name_is(const wchar_t *name, const char *text) {
    size_t i = 0;
    for (; text[i]; i++) if ((name[i] >= 'a' && name[i] <= 'z' ? name[i] - 32 : name[i]) != text[i]) return false;
    return !name[i] || name[i] == ':';
}

static HANDLE standard_copy(DWORD which) {
    handle_t copy;
    return done(SYS(handle_duplicate, HANDLE_CURRENT_PROCESS, GetStdHandle(which), HANDLE_CURRENT_PROCESS, 0, &copy))
        ? (HANDLE)copy : INVALID_HANDLE_VALUE;
}

HANDLE WINAPI CreateFileW(LPCWSTR name, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES security, DWORD disposition,
                          DWORD attributes, HANDLE template) {
    (void)share, (void)security, (void)template;
    char path[PATH_CHARS * 3];
    const wchar_t *device = name[0] == '\\' && name[1] == '\\' && name[2] == '.' && name[3] == '\\' ? name + 4 : name;
    if (name_is(device, "NUL")) return NUL_HANDLE;
    if (name_is(device, "CONOUT$") || (name_is(device, "CON") && (access & GENERIC_WRITE))) return standard_copy(STD_OUTPUT_HANDLE);
    if (name_is(device, "CONIN$") || name_is(device, "CON")) return standard_copy(STD_INPUT_HANDLE);
    if (attributes & (FILE_FLAG_OVERLAPPED | FILE_FLAG_DELETE_ON_CLOSE)) { error_set(ERROR_NOT_SUPPORTED); return INVALID_HANDLE_VALUE; }
    size_t n = path_utf8(name, path);
    if (!n) { error_set(ERROR_INVALID_NAME); return INVALID_HANDLE_VALUE; }
    uint32_t rights = FILE_READ;
    if (access & (GENERIC_WRITE | GENERIC_ALL | FILE_WRITE_DATA | FILE_APPEND_DATA)) rights |= FILE_WRITE;
    static const uint8_t how[] = { [CREATE_NEW] = FILE_CREATE_NEW, [CREATE_ALWAYS] = FILE_CREATE_NEW, [OPEN_EXISTING] = FILE_OPEN_EXISTING,
                                   [OPEN_ALWAYS] = FILE_CREATE_NEW, [TRUNCATE_EXISTING] = FILE_OPEN_EXISTING };
    if (!disposition || disposition >= sizeof how) { error_set(ERROR_INVALID_PARAMETER); return INVALID_HANDLE_VALUE; }
    handle_t file = 0;
    bool existed = disposition == OPEN_EXISTING || disposition == TRUNCATE_EXISTING;
    status_t status = SYS(file_open, path, n, rights, how[disposition], &file);
    if (status == STATUS_OBJECT_NAME_COLLISION && disposition != CREATE_NEW) {
        existed = true;
        status = SYS(file_open, path, n, rights, FILE_OPEN_EXISTING, &file);
    }
    if (status == STATUS_OBJECT_NAME_COLLISION) { error_set(ERROR_FILE_EXISTS); return INVALID_HANDLE_VALUE; }
    if (!done(status)) return INVALID_HANDLE_VALUE;
    if (existed && (disposition == CREATE_ALWAYS || disposition == TRUNCATE_EXISTING)) SYS(file_resize, file, 0);
    error_set(existed && (disposition == CREATE_ALWAYS || disposition == OPEN_ALWAYS) ? ERROR_ALREADY_EXISTS : 0);
    return (HANDLE)file;
}
HANDLE WINAPI CreateFileA(LPCSTR name, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES security, DWORD disposition,
                          DWORD attributes, HANDLE template) {
    wchar_t *wide = wide_from(name);
    HANDLE file = wide ? CreateFileW(wide, access, share, security, disposition, attributes, template) : INVALID_HANDLE_VALUE;
    DWORD error = GetLastError();
    heap_put(wide);
    error_set(error);
    return file;
}

static uint64_t offset_of(const OVERLAPPED *o) { return o ? (uint64_t)o->OffsetHigh << 32 | o->Offset : UINT64_MAX; }
static void complete(OVERLAPPED *o, status_t status, uint64_t bytes) {
    if (!o) return;
    o->Internal = (ULONG_PTR)status;
    o->InternalHigh = bytes;
    if (o->hEvent) SYS(event_set, (uint64_t)o->hEvent & ~1ull);
}
BOOL WINAPI WriteFile(HANDLE file, LPCVOID buffer, DWORD size, LPDWORD count, LPOVERLAPPED overlapped) {
    uint64_t n = 0;
    if (count) *count = 0;
    if (file == NUL_HANDLE) { if (count) *count = size; return TRUE; }
    status_t status = SYS(file_write, file, offset_of(overlapped), buffer, size, &n);
    if (count) *count = (DWORD)n;
    complete(overlapped, status, n);
    return done(status);
}
BOOL WINAPI ReadFile(HANDLE file, LPVOID buffer, DWORD size, LPDWORD count, LPOVERLAPPED overlapped) {
    uint64_t n = 0;
    if (count) *count = 0;
    if (file == NUL_HANDLE) return TRUE;
    status_t status = SYS(file_read, file, offset_of(overlapped), buffer, size, &n);
    if (status == STATUS_END_OF_FILE && !overlapped) status = STATUS_SUCCESS;   // a count of 0 says it
    if (count) *count = (DWORD)n;
    complete(overlapped, status, n);
    return done(status);
}
BOOL WINAPI FlushFileBuffers(HANDLE file) {
    struct file_info info;
    return file == NUL_HANDLE || done(SYS(file_query, file, &info));    // nothing is buffered here
}

static bool info_of(HANDLE file, struct file_info *info) {
    if (file == NUL_HANDLE) { *info = (struct file_info){ .kind = FILE_KIND_CONSOLE }; return true; }
    return done(SYS(file_query, file, info));
}
DWORD WINAPI GetFileType(HANDLE file) {
    struct file_info info;
    error_set(0);
    if (!info_of(file, &info)) return FILE_TYPE_UNKNOWN;
    return info.kind == FILE_KIND_DISK ? FILE_TYPE_DISK : info.kind == FILE_KIND_CONSOLE ? FILE_TYPE_CHAR : FILE_TYPE_PIPE;
}
BOOL WINAPI GetFileSizeEx(HANDLE file, PLARGE_INTEGER size) {
    struct file_info info;
    if (!info_of(file, &info)) return FALSE;
    size->QuadPart = (LONGLONG)info.size;
    return TRUE;
}
DWORD WINAPI GetFileSize(HANDLE file, LPDWORD high) {
    LARGE_INTEGER size;
    if (!GetFileSizeEx(file, &size)) return INVALID_FILE_SIZE;
    if (high) *high = (DWORD)size.HighPart;
    error_set(0);
    return size.LowPart;
}
BOOL WINAPI SetFilePointerEx(HANDLE file, LARGE_INTEGER distance, PLARGE_INTEGER result, DWORD method) {
    struct file_info info;
    if (!info_of(file, &info)) return FALSE;
    if (info.kind != FILE_KIND_DISK) { error_set(ERROR_INVALID_FUNCTION); return FALSE; }
    int64_t from = method == FILE_BEGIN ? 0 : method == FILE_CURRENT ? (int64_t)info.position : (int64_t)info.size;
    int64_t to = from + distance.QuadPart;
    if (method > FILE_END || to < 0) { error_set(method > FILE_END ? ERROR_INVALID_PARAMETER : ERROR_NEGATIVE_SEEK); return FALSE; }
    if (!done(SYS(file_seek, file, (uint64_t)to))) return FALSE;
    if (result) result->QuadPart = to;
    return TRUE;
}
DWORD WINAPI SetFilePointer(HANDLE file, LONG distance, PLONG high, DWORD method) {
    LARGE_INTEGER d = { .QuadPart = high ? (LONGLONG)*high << 32 | (ULONG)distance : distance }, to;
    if (!SetFilePointerEx(file, d, &to, method)) return INVALID_SET_FILE_POINTER;
    if (high) *high = to.HighPart;
    error_set(0);
    return to.LowPart;
}
BOOL WINAPI SetEndOfFile(HANDLE file) {
    struct file_info info;
    return info_of(file, &info) && done(SYS(file_resize, file, info.position));
}

// ---- by name ------------------------------------------------------------------------------------------------------------
static bool file_status(const wchar_t *name, struct file_info *info) {
    char path[PATH_CHARS * 3];
    size_t n = path_utf8(name, path);
    handle_t file;
    if (!n) { error_set(ERROR_INVALID_NAME); return false; }
    if (!NT_ERROR(SYS(file_open, path, n, FILE_READ, FILE_OPEN_EXISTING, &file))) {
        bool good = done(SYS(file_query, file, info));
        SYS(handle_close, file);
        return good;
    }
    // A directory cannot be opened; it can be listed when it holds something.
    struct file_entry entry;
    status_t status = SYS(file_enumerate, path, n, 0, &entry);
    *info = (struct file_info){ .kind = FILE_KIND_DISK, .is_directory = 1 };
    return done(status);
}
DWORD WINAPI GetFileAttributesW(LPCWSTR name) {
    struct file_info info;
    if (!file_status(name, &info)) return INVALID_FILE_ATTRIBUTES;
    return info.is_directory ? FILE_ATTRIBUTE_DIRECTORY : FILE_ATTRIBUTE_ARCHIVE;
}
DWORD WINAPI GetFileAttributesA(LPCSTR name) {
    wchar_t *wide = wide_from(name);
    DWORD attributes = wide ? GetFileAttributesW(wide) : INVALID_FILE_ATTRIBUTES, error = GetLastError();
    heap_put(wide);
    error_set(error);
    return attributes;
}
BOOL WINAPI GetFileAttributesExW(LPCWSTR name, GET_FILEEX_INFO_LEVELS level, LPVOID out) {
    struct file_info info;
    if (level != GetFileExInfoStandard) { error_set(ERROR_INVALID_PARAMETER); return FALSE; }
    if (!file_status(name, &info)) return FALSE;
    *(WIN32_FILE_ATTRIBUTE_DATA *)out = (WIN32_FILE_ATTRIBUTE_DATA){
        .dwFileAttributes = info.is_directory ? FILE_ATTRIBUTE_DIRECTORY : FILE_ATTRIBUTE_ARCHIVE,
        .nFileSizeHigh = (DWORD)(info.size >> 32), .nFileSizeLow = (DWORD)info.size };
    return TRUE;
}
BOOL WINAPI GetFileInformationByHandle(HANDLE file, LPBY_HANDLE_FILE_INFORMATION out) {
    struct file_info info;
    if (!info_of(file, &info)) return FALSE;
    if (info.kind != FILE_KIND_DISK) { error_set(ERROR_INVALID_FUNCTION); return FALSE; }
    *out = (BY_HANDLE_FILE_INFORMATION){ .dwFileAttributes = info.is_directory ? FILE_ATTRIBUTE_DIRECTORY : FILE_ATTRIBUTE_ARCHIVE,
        .nFileSizeHigh = (DWORD)(info.size >> 32), .nFileSizeLow = (DWORD)info.size, .nNumberOfLinks = 1 };
    return TRUE;
}
BOOL WINAPI DeleteFileW(LPCWSTR name) {
    char path[PATH_CHARS * 3];
    size_t n = path_utf8(name, path);
    if (!n) { error_set(ERROR_INVALID_NAME); return FALSE; }
    return done(SYS(file_delete, path, n));
}
BOOL WINAPI DeleteFileA(LPCSTR name) {
    wchar_t *wide = wide_from(name);
    BOOL good = wide && DeleteFileW(wide);
    DWORD error = GetLastError();
    heap_put(wide);
    error_set(error);
    return good;
}

// ---- listing directories ----------------------------------------------------------------------------------------------------
struct find { uint64_t index; size_t path_bytes; char path[PATH_CHARS * 3]; wchar_t pattern[260]; };
NTSTATUS NTAPI RtlUTF8ToUnicodeN(PWSTR out, ULONG out_bytes, PULONG done, PCSTR text, ULONG bytes);

static bool match(const wchar_t *p, const wchar_t *s) {
    for (; *p; p++, s++) {
        if (*p == '*') {
            if (p[1] == '.' && p[2] == '*' && !p[3]) return true;       // "*.*" is everything
            do if (match(p + 1, s)) return true; while (*s++);
            return false;
        }
        if (!*s) return false;
        wchar_t a = *p >= 'A' && *p <= 'Z' ? *p + 32 : *p, b = *s >= 'A' && *s <= 'Z' ? *s + 32 : *s;
        if (a != b && *p != '?') return false;
    }
    return !*s;
}
BOOL WINAPI FindNextFileW(HANDLE handle, LPWIN32_FIND_DATAW out) {
    struct find *f = handle;
    struct file_entry entry;
    for (;;) {
        status_t status = SYS(file_enumerate, f->path, f->path_bytes, f->index, &entry);
        if (NT_ERROR(status)) {
            error_set(f->index || status == STATUS_END_OF_FILE ? ERROR_NO_MORE_FILES : ERROR_PATH_NOT_FOUND);
            return FALSE;
        }
        f->index++;
        ULONG bytes = 0;
        *out = (WIN32_FIND_DATAW){ .dwFileAttributes = entry.is_directory ? FILE_ATTRIBUTE_DIRECTORY : FILE_ATTRIBUTE_ARCHIVE,
            .nFileSizeHigh = (DWORD)(entry.size >> 32), .nFileSizeLow = (DWORD)entry.size };
        RtlUTF8ToUnicodeN(out->cFileName, sizeof out->cFileName - 2, &bytes, entry.name, entry.name_bytes);
        out->cFileName[bytes / 2] = 0;
        if (match(f->pattern, out->cFileName)) return TRUE;
    }
}
HANDLE WINAPI FindFirstFileExW(LPCWSTR name, FINDEX_INFO_LEVELS level, LPVOID out, FINDEX_SEARCH_OPS search, LPVOID filter, DWORD flags) {
    (void)level, (void)search, (void)filter, (void)flags;
    wchar_t full[PATH_CHARS];
    size_t n = path_full(name, full), last = n;
    struct find *f = heap_get(sizeof *f);
    while (last && full[last - 1] != '\\') last--;
    if (!n || !f || n - last >= 260) { heap_put(f); error_set(n ? ERROR_FILE_NOT_FOUND : ERROR_INVALID_NAME); return INVALID_HANDLE_VALUE; }
    memcpy(f->pattern, full + last, (n - last) * 2);
    full[last] = 0;
    f->path_bytes = path_utf8(full, f->path);
    if (FindNextFileW(f, out)) return f;
    if (GetLastError() == ERROR_NO_MORE_FILES) error_set(ERROR_FILE_NOT_FOUND);
    heap_put(f);
    return INVALID_HANDLE_VALUE;
}
HANDLE WINAPI FindFirstFileW(LPCWSTR name, LPWIN32_FIND_DATAW out) { return FindFirstFileExW(name, FindExInfoStandard, out, FindExSearchNameMatch, 0, 0); }
BOOL WINAPI FindClose(HANDLE handle) { heap_put(handle); return TRUE; }

// ---- paths --------------------------------------------------------------------------------------------------------------
DWORD WINAPI GetFullPathNameW(LPCWSTR name, DWORD size, LPWSTR buffer, LPWSTR *file) {
    wchar_t full[PATH_CHARS];
    size_t n = path_full(name, full);
    if (!n) { error_set(ERROR_INVALID_NAME); return 0; }
    DWORD result = wide_result(full, n, buffer, size);
    if (file && result == n) {
        size_t last = n;
        while (last && buffer[last - 1] != '\\') last--;
        *file = buffer[last] ? buffer + last : 0;
    }
    return result;
}
DWORD WINAPI GetFullPathNameA(LPCSTR name, DWORD size, LPSTR buffer, LPSTR *file) {
    wchar_t full[PATH_CHARS], *wide = wide_from(name);
    size_t n = wide ? path_full(wide, full) : 0;
    heap_put(wide);
    if (!n) { error_set(ERROR_INVALID_NAME); return 0; }
    DWORD result = ansi_result(full, n, buffer, size);
    if (file && buffer && result < size) {
        size_t last = result;
        while (last && buffer[last - 1] != '\\') last--;
        *file = buffer[last] ? buffer + last : 0;
    }
    return result;
}
DWORD WINAPI GetCurrentDirectoryW(DWORD size, LPWSTR buffer) {
    UNICODE_STRING *d = parameter_string(P_DIRECTORY);
    size_t n = d->Length / 2;
    if (n > 3) n--;                                 // kept with the back-slash, shown without
    return wide_result(d->Buffer, n, buffer, size);
}
DWORD WINAPI GetCurrentDirectoryA(DWORD size, LPSTR buffer) {
    UNICODE_STRING *d = parameter_string(P_DIRECTORY);
    size_t n = d->Length / 2;
    return ansi_result(d->Buffer, n > 3 ? n - 1 : n, buffer, size);
}
BOOL WINAPI SetCurrentDirectoryW(LPCWSTR name) {
    wchar_t full[PATH_CHARS];
    struct file_info info;
    size_t n = path_full(name, full);
    if (!n) { error_set(ERROR_INVALID_NAME); return FALSE; }
    if (!file_status(name, &info)) return FALSE;
    if (!info.is_directory) { error_set(ERROR_DIRECTORY); return FALSE; }
    if (full[n - 1] != '\\') full[n++] = '\\';
    wchar_t *copy = heap_get(n * 2 + 2);
    if (!copy) return FALSE;
    memcpy(copy, full, n * 2);
    UNICODE_STRING *d = parameter_string(P_DIRECTORY);
    *d = (UNICODE_STRING){ (USHORT)(n * 2), (USHORT)(n * 2 + 2), copy };   // the old text may be in use by a reader: kept
    return TRUE;
}
static DWORD fixed_path(const wchar_t *text, LPWSTR buffer, DWORD size) { return wide_result(text, wide_chars(text), buffer, size); }
UINT WINAPI GetSystemDirectoryW(LPWSTR buffer, UINT size) { return fixed_path(L"C:\\Windows\\System32", buffer, size); }
UINT WINAPI GetWindowsDirectoryW(LPWSTR buffer, UINT size) { return fixed_path(L"C:\\Windows", buffer, size); }
UINT WINAPI GetSystemWindowsDirectoryW(LPWSTR buffer, UINT size) { return fixed_path(L"C:\\Windows", buffer, size); }
DWORD WINAPI GetTempPathW(DWORD size, LPWSTR buffer) { return fixed_path(L"C:\\app\\", buffer, size); }
UINT WINAPI GetSystemDirectoryA(LPSTR buffer, UINT size) { return ansi_result(L"C:\\Windows\\System32", 19, buffer, size); }
UINT WINAPI GetWindowsDirectoryA(LPSTR buffer, UINT size) { return ansi_result(L"C:\\Windows", 10, buffer, size); }
BOOL WINAPI AreFileApisANSI(void) { return TRUE; }
