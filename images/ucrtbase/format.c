// SPDX-License-Identifier: MIT
// printf and scanf as the Universal C Runtime exports them: __stdio_common_v..., over newlib's functions.
#include "images/ucrtbase/internal.h"

enum { OPT_LEGACY_TERMINATION = 1, OPT_STANDARD_SNPRINTF = 2, OPT_LEGACY_WIDE = 4, OPT_SCAN_SECURE = 1 };
typedef const void *locale_arg;                 // one locale: ignored

// A va_list of Windows is a pointer to 8-byte slots.
#define SLOTS(args) ((const uint64_t *)(args))
_Static_assert(sizeof(va_list) == sizeof(void *), "va_list");

// What the Windows library prints behind "nan".
static const char *nan_suffix(uint64_t bits) {
    const uint64_t mantissa = bits & 0xfffffffffffffull, quiet = 1ull << 51;
    if ((bits >> 52 & 0x7ff) != 0x7ff || !mantissa) return "";
    if (!(mantissa & quiet)) return "(snan)";
    return bits >> 63 && mantissa == quiet ? "(ind)" : "";
}

#define CHAR char
#define NAME(x) x##_narrow
#include "format.inc"
#undef CHAR
#undef NAME
#define CHAR wchar_t
#define NAME(x) x##_wide
#include "format.inc"

#define WITH_FORMAT(kind, wide_, options, scan, call) \
    const CHAR_OF_##kind *f = translate_##kind(format, wide_, (options) & OPT_LEGACY_WIDE, scan, scan ? 0 : SLOTS(args)); \
    int result = call; \
    if (f != format) free((void *)f); \
    return result
#define CHAR_OF_narrow char
#define CHAR_OF_wide wchar_t

// ---- to streams -------------------------------------------------------------------------------------------------------------
int __stdio_common_vfprintf(uint64_t options, FILE *stream, const char *format, locale_arg l, va_list args) {
    (void)l;
    if (!stream || !format) { invalid_parameter(); return -1; }
    WITH_FORMAT(narrow, false, options, false, vfprintf(stream, f, args));
}
int __stdio_common_vfwprintf(uint64_t options, FILE *stream, const wchar_t *format, locale_arg l, va_list args) {
    (void)l;
    if (!stream || !format) { invalid_parameter(); return -1; }
    _flockfile(stream);
    stream->_flags2 |= __SWID;                  // newlib then converts what it writes; the stream stays good for both kinds
    const wchar_t *f = translate_wide(format, true, options & OPT_LEGACY_WIDE, false, SLOTS(args));
    int result = vfwprintf(stream, f, args);
    if (f != format) free((void *)f);
    stream->_flags2 &= ~__SWID;
    _funlockfile(stream);
    return result;
}

// ---- to buffers -------------------------------------------------------------------------------------------------------------
static int narrow_to(uint64_t options, char *buffer, size_t size, const char *format, va_list args) {
    WITH_FORMAT(narrow, false, options, false, vsnprintf(buffer, size, f, args));
}
// newlib says only that it did not fit: try larger buffers of our own.
static int wide_length(const wchar_t *f, va_list args, wchar_t **text) {
    for (size_t room = 256; room < 1u << 28; room *= 2) {
        va_list again;
        va_copy(again, args);
        *text = malloc(room * sizeof **text);
        if (!*text) return -1;
        int n = vswprintf(*text, room, f, again);
        va_end(again);
        if (n >= 0 && (size_t)n < room) return n;
        int why = errno;
        free(*text);
        *text = 0;
        if (why == EILSEQ) return -1;
    }
    return -1;
}

// How a result of n characters ends in a buffer of size, as the options ask.
#define FINISH(buffer, size, n, options) \
    if ((options) & OPT_STANDARD_SNPRINTF) return (n); \
    if ((options) & OPT_LEGACY_TERMINATION) return (size_t)(n) > (size) ? -1 : (n); \
    return (size_t)(n) >= (size) ? -1 : (n)

int __stdio_common_vsprintf(uint64_t options, char *buffer, size_t size, const char *format, locale_arg l, va_list args) {
    (void)l;
    if (!format || (!buffer && size)) { invalid_parameter(); return -1; }
    if (!buffer) return narrow_to(options, 0, 0, format, args);
    if (options & OPT_LEGACY_TERMINATION && size < INT_MAX) {      // size characters may come without a null
        char last[2] = { 0 };
        va_list again;
        va_copy(again, args);
        int n = narrow_to(options, 0, 0, format, again);
        va_end(again);
        if (n < 0) return n;
        if ((size_t)n < size) return narrow_to(options, buffer, size, format, args);
        char *whole = malloc((size_t)n + 1);
        if (!whole) return -1;
        narrow_to(options, whole, (size_t)n + 1, format, args);
        memcpy(buffer, whole, size);
        free(whole);
        (void)last;
        return (size_t)n == size ? n : -1;
    }
    if (size > INT_MAX) size = INT_MAX;
    int n = narrow_to(options, buffer, size, format, args);
    if (n < 0) { if (size) *buffer = 0; return n; }
    FINISH(buffer, size, n, options);
}

int __stdio_common_vswprintf(uint64_t options, wchar_t *buffer, size_t size, const wchar_t *format, locale_arg l, va_list args) {
    (void)l;
    if (!format || (!buffer && size)) { invalid_parameter(); return -1; }
    const wchar_t *f = translate_wide(format, true, options & OPT_LEGACY_WIDE, false, SLOTS(args));
    wchar_t *text;
    int n = wide_length(f, args, &text);
    if (f != format) free((void *)f);
    if (n < 0) { if (size) *buffer = 0; return -1; }
    if (size) {
        size_t copy = (size_t)n < size ? (size_t)n : options & OPT_LEGACY_TERMINATION ? size : size - 1;
        memcpy(buffer, text, copy * sizeof *text);
        if (copy < size) buffer[copy] = 0;
    }
    free(text);
    if (!buffer) return n;
    FINISH(buffer, size, n, options);
}

// The secure forms: what does not fit is an error and empties the buffer.
int __stdio_common_vsprintf_s(uint64_t options, char *buffer, size_t size, const char *format, locale_arg l, va_list args) {
    (void)l;
    if (!format || !buffer || !size) { invalid_parameter(); return -1; }
    int n = narrow_to(options, buffer, size, format, args);
    if (n >= 0 && (size_t)n < size) return n;
    *buffer = 0;
    invalid_parameter();
    errno = ERANGE;
    return -1;
}
int __stdio_common_vswprintf_s(uint64_t options, wchar_t *buffer, size_t size, const wchar_t *format, locale_arg l, va_list args) {
    if (!format || !buffer || !size) { invalid_parameter(); return -1; }
    int n = __stdio_common_vswprintf(options | OPT_STANDARD_SNPRINTF, buffer, size, format, l, args);
    if (n >= 0 && (size_t)n < size) return n;
    *buffer = 0;
    invalid_parameter();
    errno = ERANGE;
    return -1;
}
// most = SIZE_MAX: cut off silently.
int __stdio_common_vsnprintf_s(uint64_t options, char *buffer, size_t size, size_t most, const char *format, locale_arg l, va_list args) {
    (void)l;
    if (!format || (!buffer && size)) { invalid_parameter(); return -1; }
    if (!buffer) return 0;
    size_t room = most < size ? most + 1 : size;
    int n = narrow_to(options, buffer, room, format, args);
    if (n >= 0 && (size_t)n < room) return n;
    if (most < size || most == SIZE_MAX) return -1;
    *buffer = 0;
    invalid_parameter();
    errno = ERANGE;
    return -1;
}
int __stdio_common_vsnwprintf_s(uint64_t options, wchar_t *buffer, size_t size, size_t most, const wchar_t *format, locale_arg l, va_list args) {
    if (!format || (!buffer && size)) { invalid_parameter(); return -1; }
    if (!buffer) return 0;
    size_t room = most < size ? most + 1 : size;
    int n = __stdio_common_vswprintf(options | OPT_STANDARD_SNPRINTF, buffer, room, format, l, args);
    if (n >= 0 && (size_t)n < room) return n;
    if (most < size || most == SIZE_MAX) return -1;
    *buffer = 0;
    invalid_parameter();
    errno = ERANGE;
    return -1;
}

// ---- scanning ---------------------------------------------------------------------------------------------------------------
// The secure forms pass a buffer size after each string argument; newlib has no such convention.
static bool scan_possible(uint64_t options, const void *source, const void *format) {
    if (source && format && !(options & OPT_SCAN_SECURE)) return true;
    invalid_parameter();
    if (options & OPT_SCAN_SECURE) errno = ENOSYS;
    return false;
}
int __stdio_common_vfscanf(uint64_t options, FILE *stream, const char *format, locale_arg l, va_list args) {
    (void)l;
    if (!scan_possible(options, stream, format)) return EOF;
    WITH_FORMAT(narrow, false, options, true, vfscanf(stream, f, args));
}
int __stdio_common_vfwscanf(uint64_t options, FILE *stream, const wchar_t *format, locale_arg l, va_list args) {
    (void)l;
    if (!scan_possible(options, stream, format)) return EOF;
    WITH_FORMAT(wide, true, options, true, vfwscanf(stream, f, args));
}
int __stdio_common_vsscanf(uint64_t options, const char *text, size_t size, const char *format, locale_arg l, va_list args) {
    (void)l;
    if (!scan_possible(options, text, format)) return EOF;
    char *copy = 0;
    if (size != SIZE_MAX && !memchr(text, 0, size)) {   // a bounded text need not end with a null
        if (!(copy = malloc(size + 1))) return EOF;
        memcpy(copy, text, size);
        copy[size] = 0;
    }
    const char *f = translate_narrow(format, false, options & OPT_LEGACY_WIDE, true, 0);
    int result = vsscanf(copy ? copy : text, f, args);
    if (f != format) free((void *)f);
    free(copy);
    return result;
}
int __stdio_common_vswscanf(uint64_t options, const wchar_t *text, size_t size, const wchar_t *format, locale_arg l, va_list args) {
    (void)l, (void)size;
    if (!scan_possible(options, text, format)) return EOF;
    WITH_FORMAT(wide, true, options, true, vswscanf(text, f, args));
}
