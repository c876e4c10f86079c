// SPDX-License-Identifier: MIT
#include "images/tests/test.h"
#include <stdarg.h>

static volatile LONG checks, failures;

static char *put_number(char *out, char *end, uint64_t value, unsigned base, bool negative)
{
    char digits[24];
    unsigned n = 0;
    do
        digits[n++] = "0123456789abcdef"[value % base];
    while (value /= base);
    if (negative)
        digits[n++] = '-';
    while (n && out < end)
        *out++ = digits[--n];
    return out;
}

void print(const char *format, ...)
{
    char line[512], *out = line, *end = line + sizeof line - 1;
    va_list arguments;
    va_start(arguments, format);
    for (; *format && out < end; format++) {
        if (*format != '%') {
            *out++ = *format;
            continue;
        }
        format++;
        if (*format == 's') {
            for (const char *s = va_arg(arguments, const char *); *s && out < end; s++)
                *out++ = *s;
        } else {
            uint64_t value = va_arg(arguments, uint64_t);
            bool negative = *format == 'd' && (int64_t)value < 0;
            out = put_number(out, end, negative ? -value : value, *format == 'd' ? 10 : 16, negative);
        }
    }
    va_end(arguments);
    *out++ = '\n';
    DWORD written;
    WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), line, (DWORD)(out - line), &written, NULL);
}

bool check_that(bool ok, const char *what, const char *file, int line)
{
    InterlockedIncrement(&checks);
    if (!ok && InterlockedIncrement(&failures) < 50)
        print("FAILED %s:%d: %s", file, (int64_t)line, what);
    return ok;
}

bool check_case(bool ok, const char *name, const char *how)
{
    InterlockedIncrement(&checks);
    if (!ok && InterlockedIncrement(&failures) < 50)
        print("FAILED %s: %s", name, how);
    return ok;
}

void start(void)
{
    int status = test_main();
    print("%d checks, %d failed", (int64_t)checks, (int64_t)failures);
    ExitProcess(failures ? 1 : (UINT)status);
}
