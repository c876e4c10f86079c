// SPDX-License-Identifier: MIT
// File descriptors: the layer below stdio. A descriptor in text mode writes "\n" as "\r\n", reads "\r\n" as "\n" and ends
// at a Ctrl-Z, as the Windows library does.
#include "images/ucrtbase/internal.h"
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/times.h>

enum { O_WIN_APPEND = 0x0008, O_WIN_RANDOM = 0x0010, O_WIN_CREAT = 0x0100, O_WIN_TRUNC = 0x0200, O_WIN_EXCL = 0x0400,
       O_WIN_TEXT = 0x4000, O_WIN_BINARY = 0x8000, O_WIN_WTEXT = 0x10000, O_WIN_U16TEXT = 0x20000, O_WIN_U8TEXT = 0x40000,
       O_WIN_ACCESS = 3, O_WIN_NOINHERIT = 0x80, O_WIN_SEQUENTIAL = 0x20, O_WIN_SHORT_LIVED = 0x1000 };
enum { FD_OPEN = 1, FD_TEXT = 2, FD_APPEND = 4, FD_CONSOLE = 8, FD_DISK = 16, FD_HELD = 32, FD_END = 64 };
enum { FD_MAX = 2048 };

// held: a '\r' that ended a read whose successor is not known yet
static struct descriptor { win_handle handle; uint32_t flags; uint8_t held; } table[FD_MAX];
static struct win_section table_lock = { .lock_count = -1 };
static int default_mode;                    // _fmode

int *__p__fmode(void) { return &default_mode; }
int _set_fmode(int mode) {
    if (mode != O_WIN_TEXT && mode != O_WIN_BINARY) { invalid_parameter(); return EINVAL; }
    default_mode = mode;
    return 0;
}
int _get_fmode(int *mode) { *mode = default_mode; return 0; }

static struct descriptor *get(int fd) {
    if (fd >= 0 && fd < FD_MAX && (table[fd].flags & FD_OPEN)) return &table[fd];
    errno = EBADF;
    return 0;
}

static uint32_t kind_flags(win_handle handle) {
    uint32_t type = GetFileType(handle);
    return type == FILE_TYPE_CHAR ? FD_CONSOLE : type == FILE_TYPE_DISK ? FD_DISK : 0;
}

static int attach(win_handle handle, uint32_t flags) {
    EnterCriticalSection(&table_lock);
    int fd = 0;
    while (fd < FD_MAX && (table[fd].flags & FD_OPEN)) fd++;
    if (fd < FD_MAX) table[fd] = (struct descriptor){ handle, flags | FD_OPEN | kind_flags(handle), 0 };
    LeaveCriticalSection(&table_lock);
    if (fd < FD_MAX) return fd;
    errno = EMFILE;
    return -1;
}

void files_init(void) {
    for (int fd = 0; fd < 3; fd++) {
        win_handle h = GetStdHandle((uint32_t)(WIN_STDIN - fd));
        table[fd] = (struct descriptor){ h, FD_OPEN | FD_TEXT | kind_flags(h), 0 };
    }
}

// ---- opening ----------------------------------------------------------------------------------------------------------------
int _wopen(const uint16_t *name, int mode, ...) {
    static const uint32_t access[] = { 0x80000000u, 0x40000000u, 0xc0000000u, 0xc0000000u };
    uint32_t disposition;
    switch (mode & (O_WIN_CREAT | O_WIN_TRUNC | O_WIN_EXCL)) {
    case O_WIN_CREAT: disposition = 4; break;
    case O_WIN_CREAT | O_WIN_TRUNC: disposition = 2; break;
    case O_WIN_CREAT | O_WIN_EXCL: case O_WIN_CREAT | O_WIN_EXCL | O_WIN_TRUNC: disposition = 1; break;
    case O_WIN_TRUNC: case O_WIN_TRUNC | O_WIN_EXCL: disposition = 5; break;
    default: disposition = 3;
    }
    if (mode & (O_WIN_WTEXT | O_WIN_U16TEXT)) { invalid_parameter(); return -1; }
    win_handle h = CreateFileW(name, access[mode & O_WIN_ACCESS], 3, 0, disposition, 0x80, 0);
    if (h == WIN_INVALID) { errno_from_windows(); return -1; }
    int kind = mode & (O_WIN_TEXT | O_WIN_BINARY | O_WIN_U8TEXT);
    if (!kind) kind = default_mode;
    int fd = attach(h, (kind & O_WIN_BINARY ? 0 : FD_TEXT) | (mode & O_WIN_APPEND ? FD_APPEND : 0));
    if (fd < 0) CloseHandle(h);
    return fd;
}
int _open(const char *name, int mode, ...) {
    uint16_t *wide = wide_copy(name);
    int fd = wide ? _wopen(wide, mode) : -1;
    free(wide);
    return fd;
}
errno_value _sopen_s(int *fd, const char *name, int mode, int share, int permission) {
    (void)share, (void)permission;
    *fd = _open(name, mode);
    return *fd < 0 ? errno : 0;
}
errno_value _wsopen_s(int *fd, const uint16_t *name, int mode, int share, int permission) {
    (void)share, (void)permission;
    *fd = _wopen(name, mode);
    return *fd < 0 ? errno : 0;
}
int _sopen(const char *name, int mode, int share, ...) { (void)share; return _open(name, mode); }
int _wsopen(const uint16_t *name, int mode, int share, ...) { (void)share; return _wopen(name, mode); }
int _creat(const char *name, int permission) { (void)permission; return _open(name, O_WIN_CREAT | O_WIN_TRUNC | 1); }
int _open_osfhandle(intptr_t handle, int mode) {
    return attach((win_handle)handle, (mode & O_WIN_TEXT ? FD_TEXT : 0) | (mode & O_WIN_APPEND ? FD_APPEND : 0));
}
intptr_t _get_osfhandle(int fd) { struct descriptor *d = get(fd); return d ? (intptr_t)d->handle : -1; }

int _close(int fd) {
    struct descriptor *d = get(fd);
    if (!d) return -1;
    EnterCriticalSection(&table_lock);
    win_handle h = d->handle;
    *d = (struct descriptor){ 0 };
    LeaveCriticalSection(&table_lock);
    if (CloseHandle(h)) return 0;
    errno_from_windows();
    return -1;
}
static win_handle duplicate(win_handle h) {
    win_handle copy = 0;
    if (!DuplicateHandle((win_handle)-1, h, (win_handle)-1, &copy, 0, 0, 2)) errno_from_windows();
    return copy;
}
int _dup(int fd) {
    struct descriptor *d = get(fd);
    win_handle copy = d ? duplicate(d->handle) : 0;
    if (!copy) return -1;
    int fresh = attach(copy, d->flags & (FD_TEXT | FD_APPEND));
    if (fresh < 0) CloseHandle(copy);
    return fresh;
}
int _dup2(int from, int to) {
    struct descriptor *d = get(from);
    if (!d || to < 0 || to >= FD_MAX) { errno = EBADF; return -1; }
    if (from == to) return 0;
    win_handle copy = duplicate(d->handle);
    if (!copy) return -1;
    if (table[to].flags & FD_OPEN) _close(to);
    table[to] = (struct descriptor){ copy, d->flags & ~(uint32_t)(FD_HELD | FD_END), 0 };
    if (to < 3) SetStdHandle((uint32_t)(WIN_STDIN - to), copy);
    return 0;
}

// ---- transfers --------------------------------------------------------------------------------------------------------------
static int raw_read(struct descriptor *d, void *buffer, unsigned size) {
    uint32_t count = 0;
    if (ReadFile(d->handle, buffer, size, &count, 0)) return (int)count;
    if (GetLastError() == 109) return 0;                // the pipe's writer is gone
    errno_from_windows();
    return -1;
}

int _read(int fd, void *buffer, unsigned size) {
    struct descriptor *d = get(fd);
    if (!d) return -1;
    if (!(d->flags & FD_TEXT)) return raw_read(d, buffer, size);
    if (!size || (d->flags & FD_END)) return 0;
    uint8_t *out = buffer;
    for (;;) {
        int n = 0, got;
        if (d->flags & FD_HELD) { out[n++] = d->held; d->flags &= ~(uint32_t)FD_HELD; }
        if ((unsigned)n < size) {
            got = raw_read(d, out + n, size - (unsigned)n);
            if (got < 0) return -1;
        } else {
            uint8_t next;                               // room for one byte, and that is a '\r'
            got = raw_read(d, &next, 1);
            if (got < 0) return -1;
            if (got == 1 && next == '\n') { out[0] = '\n'; return 1; }
            if (got == 1) { d->held = next; d->flags |= FD_HELD; }
            return 1;
        }
        int total = n + got, kept = 0;
        if (!total) return 0;
        for (int i = 0; i < total; i++) {
            if (out[i] == 0x1a && !(d->flags & FD_CONSOLE && i)) { d->flags |= FD_END; break; }
            if (out[i] == '\r') {
                if (i + 1 == total && got) { d->held = '\r'; d->flags |= FD_HELD; break; }
                if (i + 1 < total && out[i + 1] == '\n') continue;
            }
            out[kept++] = out[i];
        }
        if (kept || (d->flags & FD_END)) return kept;   // only a '\r' so far: its successor is needed
    }
}

static int raw_write(struct descriptor *d, const void *buffer, unsigned size) {
    uint32_t count = 0;
    if (WriteFile(d->handle, buffer, size, &count, 0)) return (int)count;
    errno_from_windows();
    return -1;
}

int _write(int fd, const void *buffer, unsigned size) {
    struct descriptor *d = get(fd);
    if (!d) return -1;
    int64_t end;
    if (d->flags & FD_APPEND) SetFilePointerEx(d->handle, 0, &end, 2);
    if (!(d->flags & FD_TEXT)) return raw_write(d, buffer, size);
    const char *from = buffer;
    unsigned used = 0;
    while (used < size) {
        char out[2048];
        unsigned n = 0;
        while (used < size && n + 2 <= sizeof out) {
            if (from[used] == '\n') out[n++] = '\r';
            out[n++] = from[used++];
        }
        int done = raw_write(d, out, n);
        if (done < 0) return -1;
        if ((unsigned)done != n) { errno = ENOSPC; return -1; }
    }
    return (int)size;
}

int64_t _lseeki64(int fd, int64_t offset, int whence) {
    struct descriptor *d = get(fd);
    int64_t position;
    if (!d) return -1;
    if (!(d->flags & FD_DISK)) { errno = ESPIPE; return -1; }
    if (whence == SEEK_CUR && (d->flags & FD_HELD)) offset--;
    if (!SetFilePointerEx(d->handle, offset, &position, (uint32_t)whence)) { errno_from_windows(); return -1; }
    if (whence != SEEK_CUR || offset) d->flags &= ~(uint32_t)(FD_HELD | FD_END);
    return position;
}
int _lseek(int fd, int offset, int whence) { return (int)_lseeki64(fd, offset, whence); }
int64_t _telli64(int fd) { return _lseeki64(fd, 0, SEEK_CUR); }
int _tell(int fd) { return (int)_telli64(fd); }
int _eof(int fd) {
    int64_t at = _telli64(fd), size;
    struct descriptor *d = get(fd);
    if (at < 0 || !d || !GetFileSizeEx(d->handle, &size)) return -1;
    return at >= size;
}
int64_t _filelengthi64(int fd) {
    struct descriptor *d = get(fd);
    int64_t size;
    if (!d) return -1;
    if (GetFileSizeEx(d->handle, &size)) return size;
    errno_from_windows();
    return -1;
}
int _filelength(int fd) { return (int)_filelengthi64(fd); }
errno_value _chsize_s(int fd, int64_t size) {
    struct descriptor *d = get(fd);
    int64_t was, at;
    if (!d) return EBADF;
    if (SetFilePointerEx(d->handle, 0, &was, 1) && SetFilePointerEx(d->handle, size, &at, 0) && SetEndOfFile(d->handle) &&
        SetFilePointerEx(d->handle, was, &at, 0)) return 0;
    errno_from_windows();
    return errno;
}
int _chsize(int fd, int size) { return _chsize_s(fd, size) ? -1 : 0; }
int _commit(int fd) { return get(fd) ? 0 : -1; }
int _isatty(int fd) { struct descriptor *d = get(fd); return d && (d->flags & FD_CONSOLE) ? 0x40 : 0; }

int _setmode(int fd, int mode) {
    struct descriptor *d = get(fd);
    if (!d) return -1;
    int old = d->flags & FD_TEXT ? O_WIN_TEXT : O_WIN_BINARY;
    if (mode == O_WIN_BINARY) d->flags &= ~(uint32_t)FD_TEXT;
    else if (mode == O_WIN_TEXT || mode == O_WIN_U8TEXT) d->flags |= FD_TEXT;
    else { invalid_parameter(); return -1; }
    return old;
}

// ---- by name ----------------------------------------------------------------------------------------------------------------
int _wunlink(const uint16_t *name) {
    if (DeleteFileW(name)) return 0;
    errno_from_windows();
    return -1;
}
int _unlink(const char *name) {
    uint16_t *wide = wide_copy(name);
    int result = wide ? _wunlink(wide) : -1;
    free(wide);
    return result;
}
int _waccess(const uint16_t *name, int mode) {
    (void)mode;                                         // every file may be read and written
    if (GetFileAttributesW(name) != UINT32_MAX) return 0;
    errno_from_windows();
    return -1;
}
int _access(const char *name, int mode) {
    uint16_t *wide = wide_copy(name);
    int result = wide ? _waccess(wide, mode) : -1;
    free(wide);
    return result;
}
errno_value _access_s(const char *name, int mode) { return _access(name, mode) ? errno : 0; }
int _wchdir(const uint16_t *name) {
    if (SetCurrentDirectoryW(name)) return 0;
    errno_from_windows();
    return -1;
}
int _chdir(const char *name) {
    uint16_t *wide = wide_copy(name);
    int result = wide ? _wchdir(wide) : -1;
    free(wide);
    return result;
}
static char *path_result(const uint16_t *wide, char *buffer, size_t size) {
    char *text = narrow_copy(wide);
    if (!text || !buffer) return text;
    if (strlen(text) >= size) { free(text); errno = ERANGE; return 0; }
    strcpy(buffer, text);
    free(text);
    return buffer;
}
char *_getcwd(char *buffer, int size) {
    uint16_t wide[1024];
    GetCurrentDirectoryW(1024, wide);
    return path_result(wide, buffer, size > 0 ? (size_t)size : 0);
}
char *_fullpath(char *buffer, const char *name, size_t size) {
    uint16_t wide[1024], *from = wide_copy(name && *name ? name : ".");
    if (!from || !GetFullPathNameW(from, 1024, wide, 0)) { free(from); errno = EINVAL; return 0; }
    free(from);
    return path_result(wide, buffer, size);
}

// struct _stat64 of the Windows library
struct win_stat64 {
    uint32_t st_dev; uint16_t st_ino, st_mode; int16_t st_nlink, st_uid, st_gid; uint32_t st_rdev;
    int64_t st_size, accessed, modified, changed;
};
_Static_assert(sizeof(struct win_stat64) == 56, "_stat64");
int _fstat64(int fd, struct win_stat64 *s) {
    struct descriptor *d = get(fd);
    if (!d) return -1;
    *s = (struct win_stat64){ .st_mode = 0x8000 | 0600, .st_nlink = 1, .st_dev = (uint32_t)fd, .st_rdev = (uint32_t)fd };
    if (d->flags & FD_DISK) { s->st_dev = s->st_rdev = 0; GetFileSizeEx(d->handle, &s->st_size); }
    else s->st_mode = d->flags & FD_CONSOLE ? 0x2000 : 0x1000;
    return 0;
}
int _wstat64(const uint16_t *name, struct win_stat64 *s) {
    struct { uint32_t attributes, times[6], size_high, size_low; } data;
    if (!GetFileAttributesExW(name, 0, &data)) { errno_from_windows(); return -1; }
    bool directory = data.attributes & 0x10;
    *s = (struct win_stat64){ .st_dev = 2, .st_rdev = 2, .st_nlink = 1, .st_mode = (uint16_t)(directory ? 0x4000 | 0777 : 0x8000 | 0666),
                              .st_size = directory ? 0 : (int64_t)data.size_high << 32 | data.size_low };
    return 0;
}
int _stat64(const char *name, struct win_stat64 *s) {
    uint16_t *wide = wide_copy(name);
    int result = wide ? _wstat64(wide, s) : -1;
    free(wide);
    return result;
}

// ---- what newlib calls ---------------------------------------------------------------------------------------------------------
_ssize_t _read_r(struct _reent *r, int fd, void *buffer, size_t size) { (void)r; return _read(fd, buffer, size > INT_MAX ? INT_MAX : (unsigned)size); }
_ssize_t _write_r(struct _reent *r, int fd, const void *buffer, size_t size) { (void)r; return _write(fd, buffer, size > INT_MAX ? INT_MAX : (unsigned)size); }
_off_t _lseek_r(struct _reent *r, int fd, _off_t offset, int whence) { (void)r; return _lseeki64(fd, offset, whence); }
int _close_r(struct _reent *r, int fd) { (void)r; return _close(fd); }
int _isatty_r(struct _reent *r, int fd) { (void)r; return _isatty(fd) != 0; }
int isatty(int fd) { return _isatty(fd) != 0; }
int _unlink_r(struct _reent *r, const char *name) { (void)r; return _unlink(name); }
int _fstat_r(struct _reent *r, int fd, struct stat *s) {
    struct win_stat64 w;
    (void)r;
    if (_fstat64(fd, &w)) return -1;
    memset(s, 0, sizeof *s);
    s->st_mode = w.st_mode == 0x2000 ? S_IFCHR : w.st_mode == 0x1000 ? S_IFIFO : S_IFREG;
    s->st_size = (off_t)w.st_size;
    s->st_blksize = 4096;
    return 0;
}
// newlib's open flags: access in the low bits, O_APPEND 8, O_CREAT 0x200, O_TRUNC 0x400, O_EXCL 0x800.
int _open_r(struct _reent *r, const char *name, int mode, int permission) {
    (void)r, (void)permission;
    int win = mode & 3;
    if (mode & 8) win |= O_WIN_APPEND;
    if (mode & 0x200) win |= O_WIN_CREAT;
    if (mode & 0x400) win |= O_WIN_TRUNC;
    if (mode & 0x800) win |= O_WIN_EXCL;
    return _open(name, win);
}
int _getpid_r(struct _reent *r) { (void)r; return (int)GetCurrentProcessId(); }
int _getpid(void) { return (int)GetCurrentProcessId(); }
int _gettimeofday_r(struct _reent *r, struct timeval *tv, void *zone) {
    (void)r, (void)zone;
    uint64_t t;
    GetSystemTimeAsFileTime(&t);
    t -= 116444736000000000ull;
    tv->tv_sec = (time_t)(t / 10000000);
    tv->tv_usec = (suseconds_t)(t / 10 % 1000000);
    return 0;
}
