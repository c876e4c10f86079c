// SPDX-License-Identifier: MIT
// Text: conversions between UTF-8 and UTF-16, the few comparisons the loader needs, messages.
#include "images/ntdll/internal.h"
#include <stdarg.h>

size_t wide_length(const wchar_t *text) { size_t n = 0; while (text[n]) n++; return n; }

static wchar_t fold(wchar_t c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }

bool wide_equal(const wchar_t *a, size_t a_chars, const wchar_t *b, size_t b_chars) {
    if (a_chars != b_chars) return false;
    for (size_t i = 0; i < a_chars; i++) if (fold(a[i]) != fold(b[i])) return false;
    return true;
}

size_t wide_to_utf8(const wchar_t *from, size_t chars, char *to, size_t size) {
    size_t n = 0;
    for (size_t i = 0; i < chars; i++) {
        uint32_t c = from[i];
        if (c >= 0xd800 && c < 0xdc00 && i + 1 < chars && from[i + 1] >= 0xdc00 && from[i + 1] < 0xe000)
            c = 0x10000 + ((c - 0xd800) << 10) + (from[++i] - 0xdc00);
        else if (c >= 0xd800 && c < 0xe000) c = 0xfffd;         // half a pair
        unsigned bytes = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        if (to) {
            if (n + bytes > size) break;
            static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
            for (unsigned k = bytes; k-- > 1; c >>= 6) to[n + k] = (char)(0x80 | (c & 0x3f));
            to[n] = (char)(lead[bytes] | c);
        }
        n += bytes;
    }
    return n;
}

size_t utf8_to_wide(const char *from, size_t bytes, wchar_t *to, size_t size) {
    const uint8_t *s = (const uint8_t *)from;
    size_t n = 0;
    for (size_t i = 0; i < bytes;) {
        uint32_t c = s[i++], least = 0;
        unsigned more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xf0 && c < 0xf5 ? 3 : 9;
        if (more == 9) c = 0xfffd;
        else if (more) {
            static const uint32_t first[] = { 0, 0x80, 0x800, 0x10000 };
            least = first[more];
            c &= 0x3f >> more;
            for (; more && i < bytes && (s[i] & 0xc0) == 0x80; more--) c = c << 6 | (s[i++] & 0x3f);
            if (more || c < least || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) c = 0xfffd;
        }
        unsigned units = c > 0xffff ? 2 : 1;
        if (to) {
            if (n + units > size) break;
            if (units == 2) { to[n] = (wchar_t)(0xd7c0 + (c >> 10)); to[n + 1] = (wchar_t)(0xdc00 | (c & 0x3ff)); }
            else to[n] = (wchar_t)c;
        }
        n += units;
    }
    return n;
}

void unicode_set(UNICODE_STRING *string, const wchar_t *text, size_t chars) {
    wchar_t *copy = heap_get((chars + 1) * 2);
    if (!copy) { *string = (UNICODE_STRING){ 0 }; return; }
    for (size_t i = 0; i < chars; i++) copy[i] = text[i];
    *string = (UNICODE_STRING){ (USHORT)(chars * 2), (USHORT)(chars * 2 + 2), copy };
}

struct out { char *text; size_t size, n; };
static void put(struct out *o, char c) { if (o->n + 1 < o->size) o->text[o->n] = c; o->n++; }

static void put_number(struct out *o, uint64_t value, unsigned base, unsigned digits) {
    char buffer[24];
    unsigned n = 0;
    do buffer[n++] = "0123456789abcdef"[value % base]; while ((value /= base) || n < digits);
    while (n) put(o, buffer[--n]);
}

int text_format(char *text, size_t size, const char *format, va_list args) {
    struct out o = { text, size, 0 };
    for (const char *f = format; *f; f++) {
        if (*f != '%') { put(&o, *f); continue; }
        unsigned digits = 0;
        for (f++; *f >= '0' && *f <= '9'; f++) digits = digits * 10 + (unsigned)(*f - '0');
        switch (*f) {
        case 's': for (const char *s = va_arg(args, const char *); *s; s++) put(&o, *s); break;
        case 'S': {
            const wchar_t *w = va_arg(args, const wchar_t *);
            char utf8[MAX_PATH_CHARS];
            size_t n = wide_to_utf8(w, wide_length(w), utf8, sizeof utf8);
            for (size_t i = 0; i < n; i++) put(&o, utf8[i]);
            break;
        }
        case 'u': put_number(&o, va_arg(args, unsigned), 10, digits); break;
        case 'x': put_number(&o, va_arg(args, unsigned), 16, digits); break;
        case 'p': put_number(&o, (uint64_t)va_arg(args, void *), 16, 16); break;
        default: put(&o, *f);
        }
    }
    if (size) text[o.n < size ? o.n : size - 1] = 0;
    return (int)o.n;
}

void error_write(const char *text, size_t bytes) {
    struct startup_block *block = (void *)PEB_FIELD(uint64_t, PEB_JANUS_STARTUP);
    uint64_t done;
    if (!block || !block->standard[2] || NT_ERROR(SYS(file_write, block->standard[2], UINT64_MAX, text, bytes, &done)))
        SYS(debug_print, text, bytes);
}

void fatal(status_t status, const char *format, ...) {
    char text[2048];
    va_list args;
    va_start(args, format);
    int n = text_format(text, sizeof text - 1, format, args);
    va_end(args);
    if (n > (int)sizeof text - 2) n = sizeof text - 2;
    text[n++] = '\n';
    error_write(text, (size_t)n);
    SYS(process_terminate, HANDLE_CURRENT_PROCESS, (uint32_t)status);
    __builtin_trap();
}
