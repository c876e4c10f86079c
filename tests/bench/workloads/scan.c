// SPDX-License-Identifier: MIT
// Scanning a byte string: words, lines, numbers, a longest run.
#include "tests/bench/bench.h"

static char text[1 << 16];

__attribute__((noinline)) static size_t length(const char *s)
{
    const char *p = s;
    while (*p)
        p++;
    return (size_t)(p - s);
}

__attribute__((noinline)) static const char *find(const char *s, char c)
{
    for (; *s; s++)
        if (*s == c)
            return s;
    return NULL;
}

uint64_t bench_scan(uint64_t one)
{
    uint32_t state = (uint32_t)one;
    for (size_t i = 0; i + 1 < sizeof text; i++) {
        uint32_t r = next_random(&state) >> 24;
        text[i] = r < 40 ? ' ' : r < 46 ? '\n' : r < 80 ? (char)('0' + r % 10) : (char)('a' + r % 26);
    }
    uint64_t words = 0, lines = 0, number = 0, longest = 0, run = 0;
    int in_word = 0;
    for (const char *p = text; *p; p++) {
        char c = *p;
        if (c == '\n')
            lines++;
        if (c == ' ' || c == '\n') {
            in_word = 0;
            run = 0;
        } else {
            if (!in_word)
                words++;
            in_word = 1;
            if (++run > longest)
                longest = run;
        }
        if (c >= '0' && c <= '9')
            number = number * 10 + (uint64_t)(c - '0');
    }
    uint64_t found = 0;
    for (const char *p = text; (p = find(p, 'q')); p++)
        found++;
    uint64_t sum = mix(words, lines);
    return mix(mix(mix(sum, number), longest), found + length(text));
}
