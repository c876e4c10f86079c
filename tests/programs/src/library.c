// SPDX-License-Identifier: MIT
// The C library as an ordinary program uses it: what the Windows library prints is what is expected (library.json).
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#pragma clang diagnostic ignored "-Wformat"          // the Windows library's own conversions
#pragma clang diagnostic ignored "-Winvalid-noreturn"

static jmp_buf place;
static void jump(int depth)
{
    if (depth)
        jump(depth - 1);
    else
        longjmp(place, 5);
}

static void formats(void)
{
    volatile double zero = 0;
    double minus_nan = -(double)NAN;
    printf("[%f] [%12f] [%g] [%e] [%010.2f]\n", minus_nan, minus_nan, (double)NAN, 1 / zero, -1.5);
    printf("[%s] [%S] [%ls] [%hs] [%c] [%-5s] [%.2s]\n", "a", L"b\u00e9", L"c", "d", 'e', "f", "ghi");
    printf("%p %a %I64d %I32d %zu %lld %ld %hhd %" PRIu64 "\n", (void *)0x1234, 1.5, 123456789012345ll, 5, (size_t)7, -1ll, 2l, 300,
           (uint64_t)9);
    printf("%.17g %.3e %g %g %.0f %x %o %#x %+d\n", 0.1, 12345.678, 1e300, 1e-5, 2.5, 255, 8, 255, 3);
    wprintf(L"[%ls] [%hs] %d %5.2f\n", L"w\u00e9", "y", 7, 3.14159);
    char small[8];
    int n = snprintf(small, sizeof small, "%s", "0123456789");
    printf("%d %s\n", n, small);
    wchar_t wide[40];
    n = swprintf(wide, 40, L"%d-%ls-%hs", 5, L"abc", "def");
    printf("%d %ls\n", n, wide);
}

static void numbers(void)
{
    int a, c, fields;
    char word[20];
    fields = sscanf("12 abc 0x1f", "%d %19s %x", &a, word, &c);
    printf("%d: %d %s %d\n", fields, a, word, c);
    errno = 0;
    double huge = strtod("1e999", NULL);
    printf("%g %d %s\n", huge, errno, strerror(ENOENT));
    printf("%f %f %f %f %f %f\n", tgamma(5.5), lgamma(10.2), erf(.3), cbrt(27), hypot(3, 4), fmod(-7, 3));
    printf("%.15g %.15g %.15g %.15g\n", exp(1), pow(2, 0.5), log10(1000), atan2(1, -1));
    time_t year = 86400 * 365;
    char text[64];
    struct tm *date = gmtime(&year);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %a %b %j", date);
    printf("%s %lld\n", text, (long long)mktime(date));
    srand(1);
    int first = rand(), second = rand();
    printf("%d %d %d\n", RAND_MAX, first, second);
}

static void files(void)
{
    FILE *f = fopen("library.txt", "w");
    fprintf(f, "line 1\nline 2\n");
    fclose(f);
    f = fopen("library.txt", "rb");
    int carriage_returns = 0, c;
    while ((c = getc(f)) != EOF)
        carriage_returns += c == '\r';
    printf("%ld bytes, %d carriage returns\n", ftell(f), carriage_returns);
    fclose(f);
    f = fopen("library.txt", "a+");
    fputs("line 3\n", f);
    rewind(f);
    char line[32];
    while (fgets(line, sizeof line, f))
        printf("<%.*s>", (int)strcspn(line, "\n"), line);
    fclose(f);
    int removed = remove("library.txt"), again = remove("library.txt");
    printf(" %d %d %s\n", removed, again, strerror(errno));
}

int main(void)
{
    formats();
    numbers();
    files();
    int code = setjmp(place);
    if (!code)
        jump(10);
    printf("jumped with %d\n", code);
    printf("%s\n", getenv("no such variable") ? "set" : "not set");
    return 0;
}
