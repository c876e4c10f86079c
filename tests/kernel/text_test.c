// SPDX-License-Identifier: MIT
// format_text and the memory functions.
#include <string.h>
#include "kernel/log.h"
#include "tests/kernel/ktest.h"

#define GIVES(expected, ...) do { \
    char out_[64]; \
    size_t length_ = format_text(out_, sizeof out_, __VA_ARGS__); \
    KEXPECT(!strcmp(out_, expected)); \
    KEXPECT(length_ == sizeof expected - 1); \
} while (0)

KTEST(format_numbers)
{
    GIVES("0 -1 2147483647 -2147483648", "%d %d %d %d", 0, -1, 2147483647, -2147483647 - 1);
    GIVES("-9223372036854775808", "%ld", (long)(1ul << 63));
    GIVES("18446744073709551615 ffffffffffffffff", "%lu %llx", ~0ul, ~0ull);
    GIVES("4294967295", "%u", ~0u);
    GIVES("   42|42   |00042", "%5d|%-5d|%05d", 42, 42, 42);
    GIVES("-0042", "%05d", -42);
    GIVES("beef BEEF 0xbeef", "%x %X %#x", 0xbeef, 0xbeef, 0xbeef);
    GIVES("7 65535 -1", "%hhu %hu %hd", 0x107, 0xffff, 0xffff);
    GIVES("12 0x1000", "%zu %p", (size_t)12, (void *)0x1000);
    GIVES("    7", "%*d", 5, 7);
}

KTEST(format_text_and_percent)
{
    GIVES("a%b", "a%%b");
    GIVES("[abc] [  abc] [abc  ] [ab]", "[%s] [%5s] [%-5s] [%.2s]", "abc", "abc", "abc", "abc");
    GIVES("ab", "%.*s", 2, "abcd");
    GIVES("(null) x", "%s %c", (char *)NULL, 'x');
    char unterminated[3] = { 'x', 'y', 'z' };
    GIVES("xyz", "%.3s", unterminated);
}

KTEST(format_cuts_and_terminates)
{
    char out[4] = "###";
    KEXPECT(format_text(out, sizeof out, "%s", "abcdef") == 6);
    KEXPECT(!memcmp(out, "abc", 4));
    KEXPECT(format_text(NULL, 0, "%d", 12345) == 5);
}

static uint8_t area[700], model[700];

static bool same(void)
{
    for (unsigned i = 0; i < sizeof area; i++)
        if (area[i] != model[i])
            return false;
    return true;
}

static void fill(void)
{
    for (unsigned i = 0; i < sizeof area; i++)
        area[i] = model[i] = (uint8_t)(i * 37 + 11);
}

// Every small size at every alignment, against loops that the compiler may not turn into the functions tested.
KTEST(memory_functions_agree_with_loops)
{
    for (unsigned size = 0; size < 200; size += size < 40 ? 1 : 7)
        for (unsigned to = 100; to < 117; to += 3)
            for (unsigned from = 90; from < 130; from += 5) {
                fill();
                memmove(area + to, area + from, size);
                uint8_t copy[200];
                for (volatile unsigned i = 0; i < size; i++) copy[i] = model[from + i];
                for (volatile unsigned i = 0; i < size; i++) model[to + i] = copy[i];
                KEXPECT(same());
                memcpy(area + to, model + 400 + from - 90, size);
                for (volatile unsigned i = 0; i < size; i++) model[to + i] = model[400 + from - 90 + i];
                KEXPECT(same());
                memset(area + to, (int)from, size);
                for (volatile unsigned i = 0; i < size; i++) model[to + i] = (uint8_t)from;
                KEXPECT(same());
            }
    for (unsigned to = 0; to < 70; to++) {
        fill();
        memset(area + to, 0, 600);               // long enough for DC ZVA
        for (volatile unsigned i = 0; i < 600; i++) model[to + i] = 0;
        KEXPECT(same());
    }
}

KTEST(memory_compare_orders_bytes)
{
    KEXPECT(memcmp("abcdefgh", "abcdefgi", 8) < 0);
    KEXPECT(memcmp("\x80zzzzzzzzz", "\x7fzzzzzzzzz", 10) > 0);
    KEXPECT(memcmp("abcdefghX", "abcdefghY", 8) == 0);
    KEXPECT(memcmp("abcdefghX", "abcdefghY", 9) < 0);
    KEXPECT(strnlen("abc", 2) == 2 && strlen("abc") == 3);
    const char *text = "a/b/c";
    KEXPECT(strchr(text, '/') == text + 1 && strrchr(text, '/') == text + 3 && !strchr(text, 'x'));
    KEXPECT(memchr(text, 'c', 4) == NULL && memchr(text, 'c', 5) == text + 4);
}
