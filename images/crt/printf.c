// SPDX-License-Identifier: MIT
// The printf family of our own programs: the Universal C Runtime exports only its general forms.
#include <stdarg.h>
#include <stddef.h>

typedef struct stream FILE;
__declspec(dllimport) FILE *__acrt_iob_func(unsigned n);
__declspec(dllimport) int __stdio_common_vfprintf(unsigned long long options, FILE *f, const char *format, void *locale, va_list args);
__declspec(dllimport) int __stdio_common_vsprintf(unsigned long long options, char *to, size_t size, const char *format, void *locale, va_list args);
enum { STANDARD_SNPRINTF = 2 };

#define FORWARD(call) va_list args; va_start(args, format); int n = call; va_end(args); return n
int printf(const char *format, ...) { FORWARD(__stdio_common_vfprintf(0, __acrt_iob_func(1), format, 0, args)); }
int fprintf(FILE *f, const char *format, ...) { FORWARD(__stdio_common_vfprintf(0, f, format, 0, args)); }
int snprintf(char *to, size_t size, const char *format, ...) { FORWARD(__stdio_common_vsprintf(STANDARD_SNPRINTF, to, size, format, 0, args)); }
int sprintf(char *to, const char *format, ...) { FORWARD(__stdio_common_vsprintf(STANDARD_SNPRINTF, to, (size_t)-1, format, 0, args)); }
