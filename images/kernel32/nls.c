// SPDX-License-Identifier: MIT
// Code pages and letters. The ANSI, OEM and console code page is UTF-8; 1252, Latin-1 and ASCII are known besides.
// Letters have case in the Latin, Greek and Cyrillic blocks; other scripts are passed through.
#include "images/kernel32/internal.h"

NTSTATUS NTAPI RtlUTF8ToUnicodeN(PWSTR out, ULONG out_bytes, PULONG done, PCSTR text, ULONG bytes);
NTSTATUS NTAPI RtlUnicodeToUTF8N(PSTR out, ULONG out_bytes, PULONG done, PCWSTR text, ULONG bytes);

static const wchar_t high_1252[32] = {
    0x20ac, 0x81, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8d, 0x017d, 0x8f,
    0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d, 0x017e, 0x0178,
};
static UINT page_of(UINT page) {
    return page == CP_ACP || page == CP_OEMCP || page == CP_THREAD_ACP || page == CP_MACCP ? CP_UTF8 : page;
}
static bool known(UINT page) { return page == CP_UTF8 || page == 1252 || page == 28591 || page == 20127; }

UINT WINAPI GetACP(void) { return CP_UTF8; }
UINT WINAPI GetOEMCP(void) { return CP_UTF8; }
BOOL WINAPI IsValidCodePage(UINT page) { return known(page); }
BOOL WINAPI GetCPInfo(UINT page, LPCPINFO out) {
    page = page_of(page);
    if (!known(page)) { error_set(ERROR_INVALID_PARAMETER); return FALSE; }
    *out = (CPINFO){ .MaxCharSize = page == CP_UTF8 ? 4 : 1, .DefaultChar = { '?' } };
    return TRUE;
}
BOOL WINAPI IsDBCSLeadByteEx(UINT page, BYTE c) { (void)page, (void)c; return FALSE; }
BOOL WINAPI IsDBCSLeadByte(BYTE c) { (void)c; return FALSE; }

static bool valid_utf8(const char *text, size_t n) {
    for (size_t i = 0; i < n;) {
        uint8_t c = (uint8_t)text[i++];
        unsigned more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xf0 && c < 0xf5 ? 3 : 9;
        if (more == 9 || i + more > n) return false;
        uint8_t next = more ? (uint8_t)text[i] : 0x80;
        if ((c == 0xe0 && next < 0xa0) || (c == 0xed && next > 0x9f) || (c == 0xf0 && next < 0x90) || (c == 0xf4 && next > 0x8f)) return false;
        for (; more; more--) if (((uint8_t)text[i++] & 0xc0) != 0x80) return false;
    }
    return true;
}

int WINAPI MultiByteToWideChar(UINT page, DWORD flags, LPCCH text, int bytes, LPWSTR out, int size) {
    page = page_of(page);
    if (!text || !bytes || size < 0 || (size && !out) || !known(page)) { error_set(ERROR_INVALID_PARAMETER); return 0; }
    size_t n = (size_t)bytes;
    if (bytes < 0) { for (n = 0; text[n]; n++) {} n++; }
    ULONG need;
    if (page == CP_UTF8) {
        if ((flags & MB_ERR_INVALID_CHARS) && !valid_utf8(text, n)) { error_set(ERROR_NO_UNICODE_TRANSLATION); return 0; }
        RtlUTF8ToUnicodeN(0, 0, &need, text, (ULONG)n);
    } else {
        need = (ULONG)n * 2;
    }
    if (!size) return (int)(need / 2);
    if (need / 2 > (ULONG)size) { error_set(ERROR_INSUFFICIENT_BUFFER); return 0; }
    if (page == CP_UTF8) RtlUTF8ToUnicodeN(out, need, &need, text, (ULONG)n);
    else for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)text[i];
        out[i] = page == 1252 && c >= 0x80 && c < 0xa0 ? high_1252[c - 0x80] : page == 20127 ? c & 0x7f : c;
    }
    return (int)(need / 2);
}

static int to_byte(UINT page, wchar_t c) {          // -1: the page has no such character
    if (c < 0x80) return c;
    if (page == 20127) return -1;
    if (page == 1252) for (int i = 0; i < 32; i++) if (high_1252[i] == c) return 0x80 + i;
    return c >= (page == 1252 ? 0xa0 : 0x80) && c < 0x100 ? c : -1;
}

int WINAPI WideCharToMultiByte(UINT page, DWORD flags, LPCWCH text, int chars, LPSTR out, int size, LPCCH fallback, LPBOOL used) {
    page = page_of(page);
    if (!text || !chars || size < 0 || (size && !out) || !known(page) || (page == CP_UTF8 && (fallback || used))) {
        error_set(ERROR_INVALID_PARAMETER);
        return 0;
    }
    size_t n = chars < 0 ? wide_chars(text) + 1 : (size_t)chars;
    if (used) *used = FALSE;
    if (page == CP_UTF8) {
        if (flags & WC_ERR_INVALID_CHARS)
            for (size_t i = 0; i < n; i++) {
                bool high = text[i] >= 0xd800 && text[i] < 0xdc00, low = text[i] >= 0xdc00 && text[i] < 0xe000;
                if (low || (high && (i + 1 == n || text[i + 1] < 0xdc00 || text[i + 1] >= 0xe000))) { error_set(ERROR_NO_UNICODE_TRANSLATION); return 0; }
                if (high) i++;
            }
        ULONG need;
        RtlUnicodeToUTF8N(0, 0, &need, text, (ULONG)n * 2);
        if (!size) return (int)need;
        if (need > (ULONG)size) { error_set(ERROR_INSUFFICIENT_BUFFER); return 0; }
        RtlUnicodeToUTF8N(out, (ULONG)size, &need, text, (ULONG)n * 2);
        return (int)need;
    }
    if (!size) return (int)n;
    if (n > (size_t)size) { error_set(ERROR_INSUFFICIENT_BUFFER); return 0; }
    for (size_t i = 0; i < n; i++) {
        int c = to_byte(page, text[i]);
        if (c < 0) { c = fallback ? *fallback : '?'; if (used) *used = TRUE; }
        out[i] = (char)c;
    }
    return (int)n;
}

// ---- letters ------------------------------------------------------------------------------------------------------------
static wchar_t upper(wchar_t c) {
    if (c < 0x80) return c >= 'a' && c <= 'z' ? c - 32 : c;
    if ((c >= 0xe0 && c <= 0xfe && c != 0xf7) || (c >= 0x3b1 && c <= 0x3c9 && c != 0x3c2) || (c >= 0x430 && c <= 0x44f)) return c - 32;
    if (c == 0xff) return 0x178;
    if (c >= 0x450 && c <= 0x45f) return c - 80;
    if ((c >= 0x100 && c <= 0x137) || (c >= 0x14a && c <= 0x177)) return c == 0x131 || c == 0x130 ? c : c & ~1;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e)) return c & 1 ? c : c - 1;
    return c;
}
static wchar_t lower(wchar_t c) {
    if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
    if ((c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9 && c != 0x3a2) || (c >= 0x410 && c <= 0x42f)) return c + 32;
    if (c == 0x178) return 0xff;
    if (c >= 0x400 && c <= 0x40f) return c + 80;
    if ((c >= 0x100 && c <= 0x137) || (c >= 0x14a && c <= 0x177)) return c == 0x130 || c == 0x131 ? c : c | 1;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e)) return c & 1 ? c + 1 : c;
    return c;
}
static WORD type1(wchar_t c) {
    WORD t = C1_DEFINED;
    if (upper(c) != c) t |= C1_LOWER | C1_ALPHA;
    if (lower(c) != c) t |= C1_UPPER | C1_ALPHA;
    if (c >= '0' && c <= '9') t |= C1_DIGIT | C1_XDIGIT;
    if ((c | 32) >= 'a' && (c | 32) <= 'f') t |= C1_XDIGIT;
    if (c < 0x20 || (c >= 0x7f && c < 0xa0)) t |= C1_CNTRL;
    if ((c >= 9 && c <= 13) || c == ' ' || c == 0xa0) t |= C1_SPACE;
    if (c == ' ' || c == 9 || c == 0xa0) t |= C1_BLANK;
    if (c > 0x20 && c < 0x7f && !(t & (C1_ALPHA | C1_DIGIT))) t |= C1_PUNCT;
    if (c >= 0xaa && !(t & C1_ALPHA)) t |= c >= 0x100 || c == 0xaa || c == 0xba || c == 0xdf ? C1_ALPHA : C1_PUNCT;
    return t;
}
BOOL WINAPI GetStringTypeW(DWORD kind, LPCWCH text, int chars, LPWORD out) {
    if (kind != CT_CTYPE1) { error_set(ERROR_NOT_SUPPORTED); return FALSE; }
    size_t n = chars < 0 ? wide_chars(text) + 1 : (size_t)chars;
    for (size_t i = 0; i < n; i++) out[i] = type1(text[i]);
    return TRUE;
}
int WINAPI LCMapStringEx(LPCWSTR locale, DWORD flags, LPCWSTR text, int chars, LPWSTR out, int size, LPNLSVERSIONINFO version,
                         LPVOID reserved, LPARAM handle) {
    (void)locale, (void)version, (void)reserved, (void)handle;
    DWORD what = flags & ~(DWORD)LCMAP_LINGUISTIC_CASING;
    if (what != LCMAP_UPPERCASE && what != LCMAP_LOWERCASE) { error_set(ERROR_NOT_SUPPORTED); return 0; }
    size_t n = chars < 0 ? wide_chars(text) + 1 : (size_t)chars;
    if (!size) return (int)n;
    if (n > (size_t)size) { error_set(ERROR_INSUFFICIENT_BUFFER); return 0; }
    for (size_t i = 0; i < n; i++) out[i] = what == LCMAP_UPPERCASE ? upper(text[i]) : lower(text[i]);
    return (int)n;
}
int WINAPI LCMapStringW(LCID locale, DWORD flags, LPCWSTR text, int chars, LPWSTR out, int size) {
    (void)locale;
    return LCMapStringEx(0, flags, text, chars, out, size, 0, 0, 0);
}
int WINAPI CompareStringOrdinal(LPCWCH a, int a_chars, LPCWCH b, int b_chars, BOOL fold) {
    size_t n = a_chars < 0 ? wide_chars(a) : (size_t)a_chars, m = b_chars < 0 ? wide_chars(b) : (size_t)b_chars;
    for (size_t i = 0; i < n && i < m; i++) {
        wchar_t x = fold ? upper(a[i]) : a[i], y = fold ? upper(b[i]) : b[i];
        if (x != y) return x < y ? CSTR_LESS_THAN : CSTR_GREATER_THAN;
    }
    return n < m ? CSTR_LESS_THAN : n > m ? CSTR_GREATER_THAN : CSTR_EQUAL;
}
LCID WINAPI GetUserDefaultLCID(void) { return 0x409; }
LCID WINAPI GetSystemDefaultLCID(void) { return 0x409; }
LANGID WINAPI GetUserDefaultLangID(void) { return 0x409; }
LANGID WINAPI GetUserDefaultUILanguage(void) { return 0x409; }
int WINAPI lstrlenW(LPCWSTR text) { return text ? (int)wide_chars(text) : 0; }
int WINAPI lstrlenA(LPCSTR text) { int n = 0; while (text && text[n]) n++; return n; }
