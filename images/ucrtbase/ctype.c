// SPDX-License-Identifier: MIT
// Character classes in the Windows library's bits, and the locale: one, "C" with UTF-8 text.
#include "images/ucrtbase/internal.h"
#include <ctype.h>
#include <wctype.h>

enum { UPPER = 1, LOWER = 2, DIGIT = 4, SPACE = 8, PUNCT = 16, CONTROL = 32, BLANK = 64, HEX = 128, ALPHA = 0x100 };
static uint16_t table[257];                     // index -1 .. 255

static uint16_t class_of(wint_t c) {
    uint16_t t = 0;
    if (iswupper(c)) t |= UPPER | ALPHA;
    if (iswlower(c)) t |= LOWER | ALPHA;
    if (iswalpha(c)) t |= ALPHA;
    if (c >= '0' && c <= '9') t |= DIGIT;
    if (iswspace(c)) t |= SPACE;
    if (iswpunct(c)) t |= PUNCT;
    if (iswcntrl(c)) t |= CONTROL;
    if (c == ' ') t |= BLANK;
    if (c < 0x80 && isxdigit(c)) t |= HEX;
    return t;
}

void locale_init(void) {
    for (int c = 0; c < 128; c++) table[c + 1] = class_of((wint_t)c);
    setlocale(LC_CTYPE, "C.UTF-8");             // newlib's own: conversions of multibyte text
}
const uint16_t *__pctype_func(void) { return table + 1; }
int _isctype(int c, int mask) { return c >= -1 && c <= 255 ? table[c + 1] & mask : 0; }
int _isctype_l(int c, int mask, const void *l) { (void)l; return _isctype(c, mask); }
int ucrt_iswctype(wint_t c, uint16_t mask) { return class_of(c) & mask; }
int _iswctype_l(wint_t c, uint16_t mask, const void *l) { (void)l; return ucrt_iswctype(c, mask); }
uint16_t ucrt_wctype(const char *name) {
    static const struct { const char *name; uint16_t mask; } rows[] = {
        { "alnum", ALPHA | DIGIT }, { "alpha", ALPHA }, { "blank", BLANK }, { "cntrl", CONTROL }, { "digit", DIGIT },
        { "graph", PUNCT | ALPHA | DIGIT }, { "lower", LOWER }, { "print", BLANK | PUNCT | ALPHA | DIGIT }, { "punct", PUNCT },
        { "space", SPACE }, { "upper", UPPER }, { "xdigit", HEX },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) if (!strcmp(rows[i].name, name)) return rows[i].mask;
    return 0;
}
#undef _tolower                                 // macros of newlib
#undef _toupper
int __isascii(int c) { return (unsigned)c < 0x80; }
int __toascii(int c) { return c & 0x7f; }
int __iscsym(int c) { return isalnum(c) || c == '_'; }
int __iscsymf(int c) { return isalpha(c) || c == '_'; }
int _tolower(int c) { return c + 32; }
int _toupper(int c) { return c - 32; }
int isleadbyte(int c) { (void)c; return 0; }
int _ismbblead(unsigned c) { (void)c; return 0; }

int ___mb_cur_max_func(void) { return 4; }
unsigned ___lc_codepage_func(void) { return 65001; }
unsigned ___lc_collate_cp_func(void) { return 65001; }
wchar_t **___lc_locale_name_func(void) { static wchar_t *names[6]; return names; }
int _getmbcp(void) { return 65001; }
int _setmbcp(int page) { return page == 65001 || page == -3 || page == 0 ? 0 : -1; }

// Names that mean the one locale there is; "" asks for the user's.
static bool is_ours(const char *name) {
    static const char *const names[] = { "", "C", "POSIX", "C.UTF-8", "C.utf8", ".UTF-8", ".UTF8", ".utf8", ".utf-8", ".65001", "en_US.UTF-8", "en-US" };
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) if (!strcmp(names[i], name)) return true;
    return false;
}
char *ucrt_setlocale(int category, const char *name) {
    static char c[] = "C";
    if (category < 0 || category > 5) { invalid_parameter(); return 0; }
    return !name || is_ours(name) ? c : 0;
}
wchar_t *_wsetlocale(int category, const wchar_t *name) {
    static wchar_t c[] = L"C";
    char *narrow = name ? narrow_copy(name) : 0;
    bool good = ucrt_setlocale(category, narrow);
    free(narrow);
    return good ? c : 0;
}
void *_create_locale(int category, const char *name) { static char token; return ucrt_setlocale(category, name) ? &token : 0; }
void *_wcreate_locale(int category, const wchar_t *name) { static char token; return _wsetlocale(category, name) ? &token : 0; }
void _free_locale(void *l) { (void)l; }
void *_get_current_locale(void) { static char token; return &token; }
void _lock_locales(void) {}
void _unlock_locales(void) {}

struct win_lconv {
    char *decimal_point, *thousands_sep, *grouping, *int_curr_symbol, *currency_symbol, *mon_decimal_point, *mon_thousands_sep,
         *mon_grouping, *positive_sign, *negative_sign;
    char int_frac_digits, frac_digits, p_cs_precedes, p_sep_by_space, n_cs_precedes, n_sep_by_space, p_sign_posn, n_sign_posn;
    wchar_t *wide_decimal_point, *wide_thousands_sep, *wide_int_curr_symbol, *wide_currency_symbol, *wide_mon_decimal_point,
            *wide_mon_thousands_sep, *wide_positive_sign, *wide_negative_sign;
};
struct win_lconv *ucrt_localeconv(void) {
    static char none[] = "", point[] = ".";
    static wchar_t wide_none[] = L"", wide_point[] = L".";
    static struct win_lconv conv = { point, none, none, none, none, none, none, none, none, none,
        CHAR_MAX, CHAR_MAX, CHAR_MAX, CHAR_MAX, CHAR_MAX, CHAR_MAX, CHAR_MAX, CHAR_MAX,
        wide_point, wide_none, wide_none, wide_none, wide_none, wide_none, wide_none, wide_none };
    return &conv;
}
