// SPDX-License-Identifier: MIT
// A recursive-descent parser over a lexer with a large switch.
#include "tests/bench/bench.h"

static char source[1 << 14];
static const char *at;

enum token { END, NUMBER, PLUS, MINUS, STAR, OPEN, CLOSE, AND, OR, XOR, SHIFT, TILDE, NAME };
static enum token token;
static uint64_t token_value;

static void scan(void)
{
    for (;;) {
        char c = *at++;
        switch (c) {
        case 0: at--; token = END; return;
        case ' ': case '\n': case '\t': continue;
        case '+': token = PLUS; return;
        case '-': token = MINUS; return;
        case '*': token = STAR; return;
        case '(': token = OPEN; return;
        case ')': token = CLOSE; return;
        case '&': token = AND; return;
        case '|': token = OR; return;
        case '^': token = XOR; return;
        case '<': token = SHIFT; return;
        case '~': token = TILDE; return;
        case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
            token_value = (uint64_t)(c - '0');
            while (*at >= '0' && *at <= '9')
                token_value = token_value * 10 + (uint64_t)(*at++ - '0');
            token = NUMBER;
            return;
        default:
            token_value = 0;
            at--;
            while (*at >= 'a' && *at <= 'z')
                token_value = token_value * 31 + (uint64_t)*at++;
            if (!token_value)
                at++;
            token = NAME;
            return;
        }
    }
}

static uint64_t expression(int level);

static uint64_t primary(void)
{
    uint64_t v;
    switch (token) {
    case NUMBER: case NAME: v = token_value; scan(); return v;
    case MINUS: scan(); return -primary();
    case TILDE: scan(); return ~primary();
    case OPEN:
        scan();
        v = expression(0);
        if (token == CLOSE)
            scan();
        return v;
    default: scan(); return 0;
    }
}

static int priority(enum token t)
{
    switch (t) {
    case OR: return 1;
    case XOR: return 2;
    case AND: return 3;
    case SHIFT: return 4;
    case PLUS: case MINUS: return 5;
    case STAR: return 6;
    default: return 0;
    }
}

__attribute__((noinline)) static uint64_t expression(int level)
{
    uint64_t left = primary();
    for (int p; (p = priority(token)) > level;) {
        enum token t = token;
        scan();
        uint64_t right = expression(p);
        switch (t) {
        case OR: left |= right; break;
        case XOR: left ^= right; break;
        case AND: left &= right; break;
        case SHIFT: left <<= right & 15; break;
        case PLUS: left += right; break;
        case MINUS: left -= right; break;
        default: left *= right; break;
        }
    }
    return left;
}

uint64_t bench_parser(uint64_t one)
{
    uint32_t state = (uint32_t)one;
    static const char operators[] = "+-*&|^<+";
    uint64_t sum = 0;
    size_t n = 0;
    int open = 0;
    while (n < sizeof source - 64) {
        uint32_t r = next_random(&state) >> 12;
        if (r & 1)
            source[n++] = ' ';
        if (r >> 1 & 1)
            source[n++] = r >> 2 & 1 ? '-' : '~';
        if ((r >> 3 & 7) == 0) {
            source[n++] = '(';
            open++;
            continue;
        }
        if (r >> 6 & 1)
            for (uint32_t k = 0; k <= (r >> 8 & 3); k++)
                source[n++] = (char)('0' + (r >> (8 + k)) % 10);
        else
            for (uint32_t k = 0; k <= (r >> 8 & 7); k++)
                source[n++] = (char)('a' + (r >> (8 + k)) % 26);
        if (open && (r >> 15 & 3) == 0) {
            source[n++] = ')';
            open--;
        }
        source[n++] = operators[r >> 17 & 7];
    }
    source[n++] = '1';
    source[n] = 0;
    for (int round = 0; round < 3; round++) {
        at = source;
        scan();
        while (token != END)
            sum = mix(sum, expression(0));
    }
    return sum;
}
