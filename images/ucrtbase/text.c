// SPDX-License-Identifier: MIT
// Strings: what the Windows library has beyond the C standard. Case folding is ASCII for bytes (the locale is UTF-8, whose
// other letters take several bytes) and newlib's towupper and towlower for wide characters.
#include "images/ucrtbase/internal.h"
#include <ctype.h>
#include <wctype.h>

enum { CP_UTF8 = 65001 };
uint16_t *wide_copy(const char *utf8) {
    if (!utf8) { errno = EINVAL; return 0; }
    int n = MultiByteToWideChar(CP_UTF8, 0, utf8, -1, 0, 0);
    uint16_t *out = malloc((size_t)n * 2);
    if (out) MultiByteToWideChar(CP_UTF8, 0, utf8, -1, out, n);
    return out;
}
char *narrow_copy(const uint16_t *wide) {
    if (!wide) { errno = EINVAL; return 0; }
    int n = WideCharToMultiByte(CP_UTF8, 0, wide, -1, 0, 0, 0, 0);
    char *out = malloc((size_t)n);
    if (out) WideCharToMultiByte(CP_UTF8, 0, wide, -1, out, n, 0, 0);
    return out;
}

void errno_from_windows(void) {
    static const struct { uint16_t error; uint8_t value; } rows[] = {
        { 2, ENOENT }, { 3, ENOENT }, { 4, EMFILE }, { 5, EACCES }, { 6, EBADF }, { 8, ENOMEM }, { 14, ENOMEM }, { 15, ENOENT },
        { 18, ENOENT }, { 19, EACCES }, { 32, EACCES }, { 80, EEXIST }, { 109, EPIPE }, { 112, ENOSPC }, { 123, ENOENT },
        { 126, ENOENT }, { 131, EINVAL }, { 183, EEXIST }, { 206, ENOENT }, { 267, ENOENT }, { 1455, ENOMEM },
    };
    uint32_t error = GetLastError();
    *__doserrno() = error;
    errno = EINVAL;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) if (rows[i].error == error) errno = rows[i].value;
}

// ---- comparing ----------------------------------------------------------------------------------------------------------------
static int fold(int c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }
int _strnicmp(const char *a, const char *b, size_t n) {
    for (; n; a++, b++, n--) {
        int d = fold((unsigned char)*a) - fold((unsigned char)*b);
        if (d || !*a) return d;
    }
    return 0;
}
int _stricmp(const char *a, const char *b) { return _strnicmp(a, b, SIZE_MAX); }
int _memicmp(const void *a, const void *b, size_t n) {
    const unsigned char *x = a, *y = b;
    for (; n; x++, y++, n--) if (fold(*x) != fold(*y)) return fold(*x) - fold(*y);
    return 0;
}
int _wcsnicmp(const wchar_t *a, const wchar_t *b, size_t n) {
    for (; n; a++, b++, n--) {
        int d = (int)towlower(*a) - (int)towlower(*b);
        if (d || !*a) return d;
    }
    return 0;
}
int _wcsicmp(const wchar_t *a, const wchar_t *b) { return _wcsnicmp(a, b, SIZE_MAX); }
int _strncoll(const char *a, const char *b, size_t n) { return strncmp(a, b, n); }
int _wcsncoll(const wchar_t *a, const wchar_t *b, size_t n) { return wcsncmp(a, b, n); }

// With a locale argument, which is ignored: there is one.
int _stricmp_l(const char *a, const char *b, const void *l) { (void)l; return _stricmp(a, b); }
int _strnicmp_l(const char *a, const char *b, size_t n, const void *l) { (void)l; return _strnicmp(a, b, n); }
int _wcsicmp_l(const wchar_t *a, const wchar_t *b, const void *l) { (void)l; return _wcsicmp(a, b); }
int _wcsnicmp_l(const wchar_t *a, const wchar_t *b, size_t n, const void *l) { (void)l; return _wcsnicmp(a, b, n); }
int _strcoll_l(const char *a, const char *b, const void *l) { (void)l; return strcmp(a, b); }
int _wcscoll_l(const wchar_t *a, const wchar_t *b, const void *l) { (void)l; return wcscmp(a, b); }
size_t _strxfrm_l(char *to, const char *from, size_t n, const void *l) { (void)l; return strxfrm(to, from, n); }
size_t _wcsxfrm_l(wchar_t *to, const wchar_t *from, size_t n, const void *l) { (void)l; return wcsxfrm(to, from, n); }
double ucrt__strtod_l(const char *s, char **end, const void *l) { (void)l; return strtod(s, end); }
float ucrt__strtof_l(const char *s, char **end, const void *l) { (void)l; return strtof(s, end); }
double ucrt__wcstod_l(const wchar_t *s, wchar_t **end, const void *l) { (void)l; return wcstod(s, end); }
long long _strtoi64_l(const char *s, char **end, int base, const void *l) { (void)l; return strtoll(s, end, base); }
unsigned long long _strtoui64_l(const char *s, char **end, int base, const void *l) { (void)l; return strtoull(s, end, base); }
double _atof_l(const char *s, const void *l) { (void)l; return strtod(s, 0); }
int _toupper_l(int c, const void *l) { (void)l; return toupper(c); }
int _tolower_l(int c, const void *l) { (void)l; return tolower(c); }
wint_t _towupper_l(wint_t c, const void *l) { (void)l; return (wint_t)towupper(c); }
wint_t _towlower_l(wint_t c, const void *l) { (void)l; return (wint_t)towlower(c); }

// ---- changing in place ----------------------------------------------------------------------------------------------------------
char *_strlwr(char *s) { for (char *p = s; *p; p++) *p = (char)fold((unsigned char)*p); return s; }
char *_strupr(char *s) { for (char *p = s; *p; p++) if (*p >= 'a' && *p <= 'z') *p -= 32; return s; }
wchar_t *_wcslwr(wchar_t *s) { for (wchar_t *p = s; *p; p++) *p = (wchar_t)towlower(*p); return s; }
wchar_t *_wcsupr(wchar_t *s) { for (wchar_t *p = s; *p; p++) *p = (wchar_t)towupper(*p); return s; }
errno_value _strlwr_s(char *s, size_t size) { if (!s || strnlen(s, size) == size) { invalid_parameter(); return EINVAL; } _strlwr(s); return 0; }
errno_value _strupr_s(char *s, size_t size) { if (!s || strnlen(s, size) == size) { invalid_parameter(); return EINVAL; } _strupr(s); return 0; }
errno_value _wcslwr_s(wchar_t *s, size_t size) { if (!s || wcsnlen(s, size) == size) { invalid_parameter(); return EINVAL; } _wcslwr(s); return 0; }
errno_value _wcsupr_s(wchar_t *s, size_t size) { if (!s || wcsnlen(s, size) == size) { invalid_parameter(); return EINVAL; } _wcsupr(s); return 0; }
char *_strset(char *s, int c) { for (char *p = s; *p; p++) *p = (char)c; return s; }
char *_strnset(char *s, int c, size_t n) { for (char *p = s; *p && n; p++, n--) *p = (char)c; return s; }
char *_strrev(char *s) {
    for (char *a = s, *b = s + strlen(s); b - a > 1; a++) { char c = *--b; *b = *a; *a = c; }
    return s;
}
wchar_t *_wcsrev(wchar_t *s) {
    for (wchar_t *a = s, *b = s + wcslen(s); b - a > 1; a++) { wchar_t c = *--b; *b = *a; *a = c; }
    return s;
}
void _swab(char *from, char *to, int n) { for (; n > 1; n -= 2, from += 2, to += 2) { char c = from[0]; to[0] = from[1]; to[1] = c; } }

// ---- bounds-checked copies: the same code for both kinds of characters ------------------------------------------------------------
#define COPY_FUNCTIONS(prefix, character, length_of, length_within) \
errno_value prefix##cpy_s(character *to, size_t size, const character *from) { \
    if (!to || !size || !from) { if (to && size) *to = 0; invalid_parameter(); return EINVAL; } \
    size_t n = length_of(from); \
    if (n >= size) { *to = 0; invalid_parameter(); errno = ERANGE; return ERANGE; } \
    memcpy(to, from, (n + 1) * sizeof *to); \
    return 0; \
} \
errno_value prefix##cat_s(character *to, size_t size, const character *from) { \
    size_t used = to ? length_within(to, size) : size; \
    if (used == size) { invalid_parameter(); return EINVAL; } \
    errno_value e = prefix##cpy_s(to + used, size - used, from); \
    if (e) *to = 0; \
    return e; \
} \
errno_value prefix##ncpy_s(character *to, size_t size, const character *from, size_t most) { \
    if (!to && !size && !most) return 0; \
    if (!to || !size || (!from && most)) { if (to && size) *to = 0; invalid_parameter(); return EINVAL; } \
    bool cut = most == SIZE_MAX; \
    size_t n = length_within(from, cut ? size : most); \
    if (n >= size && !cut) { *to = 0; invalid_parameter(); errno = ERANGE; return ERANGE; } \
    errno_value e = n >= size ? 80 : 0; \
    if (e) n = size - 1; \
    memcpy(to, from, n * sizeof *to); \
    to[n] = 0; \
    return e; \
} \
errno_value prefix##ncat_s(character *to, size_t size, const character *from, size_t most) { \
    size_t used = to ? length_within(to, size) : size; \
    if (used == size) { invalid_parameter(); return EINVAL; } \
    errno_value e = prefix##ncpy_s(to + used, size - used, from, most); \
    if (e && e != 80) *to = 0; \
    return e; \
} \
character *prefix##tok_s(character *s, const character *set, character **state) { \
    if (!s) s = *state; \
    s += prefix##spn(s, set); \
    if (!*s) { *state = s; return 0; } \
    character *end = s + prefix##cspn(s, set); \
    *state = end; \
    if (*end) { *end = 0; *state = end + 1; } \
    return s; \
}
COPY_FUNCTIONS(str, char, strlen, strnlen)
COPY_FUNCTIONS(wcs, wchar_t, wcslen, wcsnlen)

errno_value memcpy_s(void *to, size_t size, const void *from, size_t n) {
    if (!n) return 0;
    if (to && from && n <= size) { memcpy(to, from, n); return 0; }
    if (to) memset(to, 0, size);
    invalid_parameter();
    return to && from ? ERANGE : EINVAL;
}
errno_value memmove_s(void *to, size_t size, const void *from, size_t n) {
    if (!n) return 0;
    if (to && from && n <= size) { memmove(to, from, n); return 0; }
    invalid_parameter();
    return to && from ? ERANGE : EINVAL;
}
errno_value wmemcpy_s(wchar_t *to, size_t size, const wchar_t *from, size_t n) { return memcpy_s(to, size * 2, from, n * 2); }
errno_value wmemmove_s(wchar_t *to, size_t size, const wchar_t *from, size_t n) { return memmove_s(to, size * 2, from, n * 2); }
// The wide strtok of the Windows library keeps its place in the caller's variable.
wchar_t *ucrt_wcstok(wchar_t *s, const wchar_t *set, wchar_t **state) { return wcstok_s(s, set, state); }

// ---- error texts ----------------------------------------------------------------------------------------------------------------
static const char *const error_texts[43] = {
    "No error", "Operation not permitted", "No such file or directory", "No such process", "Interrupted function call",
    "Input/output error", "No such device or address", "Arg list too long", "Exec format error", "Bad file descriptor",
    "No child processes", "Resource temporarily unavailable", "Not enough space", "Permission denied", "Bad address", "Unknown error",
    "Resource device", "File exists", "Improper link", "No such device", "Not a directory", "Is a directory", "Invalid argument",
    "Too many open files in system", "Too many open files", "Inappropriate I/O control operation", "Unknown error", "File too large",
    "No space left on device", "Invalid seek", "Read-only file system", "Too many links", "Broken pipe", "Domain error",
    "Result too large", "Unknown error", "Resource deadlock avoided", "Unknown error", "Filename too long", "No locks available",
    "Function not implemented", "Directory not empty", "Illegal byte sequence",
};
char *strerror(int n) { return (char *)(n >= 0 && n < 43 ? error_texts[n] : "Unknown error"); }
errno_value strerror_s(char *to, size_t size, int n) { return strncpy_s(to, size, strerror(n), SIZE_MAX) == EINVAL ? EINVAL : 0; }
char **__sys_errlist(void) { return (char **)error_texts; }
int *__sys_nerr(void) { static int count = 43; return &count; }

// ---- numbers to text --------------------------------------------------------------------------------------------------------------
static size_t digits(uint64_t value, unsigned base, bool negative, char out[68]) {
    char reversed[66];
    size_t n = 0, k = 0;
    do reversed[n++] = "0123456789abcdefghijklmnopqrstuvwxyz"[value % base]; while (value /= base);
    if (negative) out[k++] = '-';
    while (n) out[k++] = reversed[--n];
    out[k] = 0;
    return k;
}
#define TO_TEXT(name, wname, type, utype, is_signed) \
char *name(type value, char *out, int base) { \
    bool minus = is_signed && base == 10 && (long long)value < 0; \
    digits(minus ? 0 - (uint64_t)value : (uint64_t)(utype)value, (unsigned)base, minus, out); \
    return out; \
} \
errno_value name##_s(type value, char *out, size_t size, int base) { \
    char text[68]; \
    if (!out || !size || base < 2 || base > 36) { if (out && size) *out = 0; invalid_parameter(); return EINVAL; } \
    name(value, text, base); \
    return strcpy_s(out, size, text); \
} \
wchar_t *wname(type value, wchar_t *out, int base) { \
    char text[68]; \
    name(value, text, base); \
    size_t i = 0; \
    do out[i] = (wchar_t)text[i]; while (text[i++]); \
    return out; \
} \
errno_value wname##_s(type value, wchar_t *out, size_t size, int base) { \
    wchar_t text[68]; \
    if (!out || !size || base < 2 || base > 36) { if (out && size) *out = 0; invalid_parameter(); return EINVAL; } \
    wname(value, text, base); \
    return wcscpy_s(out, size, text); \
}
TO_TEXT(_itoa, _itow, int, unsigned, true)
TO_TEXT(_ltoa, _ltow, long, unsigned long, true)
TO_TEXT(_ultoa, _ultow, unsigned long, unsigned long, false)
TO_TEXT(_i64toa, _i64tow, long long, unsigned long long, true)
TO_TEXT(_ui64toa, _ui64tow, unsigned long long, unsigned long long, false)
long long _atoi64(const char *s) { return strtoll(s, 0, 10); }
long long _wtoi64(const wchar_t *s) { return wcstoll(s, 0, 10); }
long long _wtoll(const wchar_t *s) { return wcstoll(s, 0, 10); }
int _wtoi(const wchar_t *s) { return (int)wcstol(s, 0, 10); }
long _wtol(const wchar_t *s) { return wcstol(s, 0, 10); }
double _wtof(const wchar_t *s) { return wcstod(s, 0); }
char *ucrt__gcvt(double value, int count, char *out) { sprintf(out, "%.*g", count, value); return out; }
errno_value mbstowcs_s(size_t *done, wchar_t *to, size_t size, const char *from, size_t most) {
    size_t n = mbstowcs(0, from, 0);
    if (n == (size_t)-1) { if (to && size) *to = 0; return EILSEQ; }
    if (to && n > most) n = most;
    if (done) *done = n + 1;
    if (!to) return 0;
    if (n >= size) {
        if (most != SIZE_MAX) { *to = 0; invalid_parameter(); errno = ERANGE; return ERANGE; }
        n = size - 1;
    }
    mbstowcs(to, from, n);
    to[n] = 0;
    return 0;
}
errno_value wcstombs_s(size_t *done, char *to, size_t size, const wchar_t *from, size_t most) {
    size_t n = wcstombs(0, from, 0);
    if (n == (size_t)-1) { if (to && size) *to = 0; return EILSEQ; }
    if (to && n > most) n = most;
    if (done) *done = n + 1;
    if (!to) return 0;
    if (n >= size) {
        if (most != SIZE_MAX) { *to = 0; invalid_parameter(); errno = ERANGE; return ERANGE; }
        n = size - 1;
    }
    wcstombs(to, from, n);
    to[n] = 0;
    return 0;
}

// ---- utilities ------------------------------------------------------------------------------------------------------------------
static __attribute__((const)) uint32_t next_random(uint32_t state) { return state * 214013u + 2531011u; }
static uint32_t random_state = 1;
void ucrt_srand(unsigned seed) { random_state = seed; }
int ucrt_rand(void) { random_state = next_random(random_state); return random_state >> 16 & 0x7fff; }
errno_value rand_s(unsigned *out) {
    static uint64_t state;
    int64_t now;
    QueryPerformanceCounter(&now);
    uint64_t x = (state += 0x9e3779b97f4a7c15ull) ^ (uint64_t)now * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    *out = (unsigned)(x ^ x >> 31);
    return 0;
}
unsigned ucrt__rotl(unsigned v, int n) { n &= 31; return n ? v << n | v >> (32 - n) : v; }
unsigned ucrt__rotr(unsigned v, int n) { n &= 31; return n ? v >> n | v << (32 - n) : v; }
unsigned long ucrt__lrotl(unsigned long v, int n) { return ucrt__rotl((unsigned)v, n); }
unsigned long ucrt__lrotr(unsigned long v, int n) { return ucrt__rotr((unsigned)v, n); }
uint64_t ucrt__rotl64(uint64_t v, int n) { n &= 63; return n ? v << n | v >> (64 - n) : v; }
uint64_t ucrt__rotr64(uint64_t v, int n) { n &= 63; return n ? v >> n | v << (64 - n) : v; }
unsigned short _byteswap_ushort(unsigned short v) { return __builtin_bswap16(v); }
unsigned long _byteswap_ulong(unsigned long v) { return __builtin_bswap32((uint32_t)v); }
uint64_t _byteswap_uint64(uint64_t v) { return __builtin_bswap64(v); }
long long _abs64(long long v) { return v < 0 ? -v : v; }
void *_lfind(const void *key, const void *base, unsigned *count, unsigned size, int (*compare)(const void *, const void *)) {
    const char *p = base;
    for (unsigned i = 0; i < *count; i++, p += size) if (!compare(key, p)) return (void *)p;
    return 0;
}
// qsort_s passes its context first, newlib's qsort_r (BSD form) the same way.
void __bsd_qsort_r(void *base, size_t count, size_t size, void *context, int (*compare)(void *, const void *, const void *));
struct sort_context { int (*compare)(void *, const void *, const void *); void *context; };
static int sort_compare(void *c, const void *a, const void *b) { struct sort_context *s = c; return s->compare(s->context, a, b); }
void ucrt_qsort_s(void *base, size_t count, size_t size, int (*compare)(void *, const void *, const void *), void *context) {
    struct sort_context c = { compare, context };
    __bsd_qsort_r(base, count, size, &c, sort_compare);
}
void *bsearch_s(const void *key, const void *base, size_t count, size_t size, int (*compare)(void *, const void *, const void *), void *context) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *p = (const char *)base + middle * size;
        int order = compare(context, key, p);
        if (!order) return (void *)p;
        if (order < 0) high = middle; else low = middle + 1;
    }
    return 0;
}
