// SPDX-License-Identifier: MIT
// Streams: newlib's FILE with the Windows library's names and open modes ("t", "b", "ccs=").
#include "images/ucrtbase/internal.h"
#include <fcntl.h>
#include <fvwrite.h>
#include "../stdio/local.h"

FILE *__acrt_iob_func(unsigned n) {
    CHECK_INIT(_GLOBAL_REENT, &__sf[n]);    // _lock_file may be the first thing that happens to it
    return &__sf[n];
}

static bool text_by_mode(const char *mode, char plain[8], bool *binary) {
    int n = 0;
    bool text = false;
    *binary = false;
    for (const char *m = mode; *m && *m != ',' && n < 6; m++) {
        if (*m == 'b') *binary = true;
        else if (*m == 't') text = true;
        else if (strchr("rwa+x", *m)) plain[n++] = *m;
        else if (!strchr("cnSRTDN ", *m)) return false;
    }
    plain[n] = 0;
    if (!text && !*binary) *binary = *__p__fmode() == 0x8000;
    return strchr("rwa", plain[0]) && plain[0];
}

FILE *ucrt_fopen(const char *name, const char *mode) {
    char plain[8];
    bool binary;
    if (!name || !mode || !text_by_mode(mode, plain, &binary)) { invalid_parameter(); return 0; }
    FILE *f = fopen(name, plain);
    if (f) _setmode(f->_file, binary ? 0x8000 : 0x4000);
    return f;
}
FILE *_fsopen(const char *name, const char *mode, int share) { (void)share; return ucrt_fopen(name, mode); }
FILE *_wfopen(const uint16_t *name, const uint16_t *mode) {
    char *n = narrow_copy(name), *m = narrow_copy(mode);
    FILE *f = n && m ? ucrt_fopen(n, m) : 0;
    free(n);
    free(m);
    return f;
}
FILE *_wfsopen(const uint16_t *name, const uint16_t *mode, int share) { (void)share; return _wfopen(name, mode); }
errno_value fopen_s(FILE **out, const char *name, const char *mode) {
    if (!out) { invalid_parameter(); return EINVAL; }
    return (*out = ucrt_fopen(name, mode)) ? 0 : errno;
}
errno_value _wfopen_s(FILE **out, const uint16_t *name, const uint16_t *mode) {
    if (!out) { invalid_parameter(); return EINVAL; }
    return (*out = _wfopen(name, mode)) ? 0 : errno;
}
FILE *ucrt_freopen(const char *name, const char *mode, FILE *f) {
    char plain[8];
    bool binary;
    if (!mode || !text_by_mode(mode, plain, &binary)) { invalid_parameter(); return 0; }
    f = freopen(name, plain, f);
    if (f) _setmode(f->_file, binary ? 0x8000 : 0x4000);
    return f;
}
errno_value freopen_s(FILE **out, const char *name, const char *mode, FILE *f) { return (*out = ucrt_freopen(name, mode, f)) ? 0 : errno; }
FILE *_fdopen(int fd, const char *mode) {
    char plain[8];
    bool binary;
    if (!text_by_mode(mode, plain, &binary)) { invalid_parameter(); return 0; }
    FILE *f = fdopen(fd, plain);
    if (f && strpbrk(mode, "bt")) _setmode(fd, binary ? 0x8000 : 0x4000);
    return f;
}
int _fcntl_r(struct _reent *r, int fd, int command, int argument) {      // fdopen asks for the access mode
    (void)r, (void)fd, (void)argument;
    if (command == F_GETFL) return O_RDWR;
    if (command == F_SETFL || command == F_SETFD) return 0;
    errno = EINVAL;
    return -1;
}

int _fileno(FILE *f) { return f->_file; }
void _lock_file(FILE *f) { _flockfile(f); }
void _unlock_file(FILE *f) { _funlockfile(f); }
int _flushall(void) { return _fwalk_reent(_GLOBAL_REENT, _fflush_r); }
void stdio_flush_all(void) { _fwalk_reent(_GLOBAL_REENT, _fflush_r); }
int64_t _ftelli64(FILE *f) { return _ftello_r(_REENT, f); }
int _fseeki64(FILE *f, int64_t offset, int whence) { return _fseeko_r(_REENT, f, offset, whence); }
size_t fread_s(void *buffer, size_t room, size_t size, size_t count, FILE *f) {
    if (size && count > room / size) { invalid_parameter(); return 0; }
    return fread(buffer, size, count, f);
}
int _getw(FILE *f) { int w; return fread(&w, sizeof w, 1, f) == 1 ? w : EOF; }
int _putw(int w, FILE *f) { return fwrite(&w, sizeof w, 1, f) == 1 ? w : EOF; }
char *gets_s(char *buffer, size_t size) {
    if (!buffer || !size) { invalid_parameter(); return 0; }
    if (!fgets(buffer, size > INT_MAX ? INT_MAX : (int)size, stdin)) return 0;
    buffer[strcspn(buffer, "\n")] = 0;
    return buffer;
}
int _putws(const wchar_t *text) { return fputws(text, stdout) < 0 || fputwc('\n', stdout) == WEOF ? -1 : 0; }
int ucrt_remove(const char *name) { return _unlink_r(_REENT, name); }
static int common_mode;
int *__p__commode(void) { return &common_mode; }
void ucrt_perror(const char *text) {
    if (text && *text) fprintf(stderr, "%s: ", text);
    fprintf(stderr, "%s\n", strerror(errno));
}
