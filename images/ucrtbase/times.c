// SPDX-License-Identifier: MIT
// Time under the Windows library's names, over newlib's calendar. time_t has 64 bits; the 32-bit forms convert.
#include "images/ucrtbase/internal.h"
#include <time.h>

static int64_t now_100ns(void) { uint64_t t; GetSystemTimeAsFileTime(&t); return (int64_t)(t - 116444736000000000ull); }

int64_t _time64(int64_t *out) {
    int64_t t = now_100ns() / 10000000;
    if (out) *out = t;
    return t;
}
int32_t _time32(int32_t *out) {
    int32_t t = (int32_t)_time64(0);
    if (out) *out = t;
    return t;
}
static int64_t start_of_process;
int32_t ucrt_clock(void) {
    int64_t t;
    QueryPerformanceCounter(&t);
    if (!start_of_process) start_of_process = t;
    return (int32_t)((t - start_of_process) / 10000);
}
double _difftime64(int64_t a, int64_t b) { return (double)(a - b); }
struct tm *_gmtime64(const int64_t *t) { return gmtime(t); }
struct tm *_localtime64(const int64_t *t) { return localtime(t); }
struct tm *_gmtime32(const int32_t *t) { int64_t w = *t; return gmtime(&w); }
struct tm *_localtime32(const int32_t *t) { int64_t w = *t; return localtime(&w); }
errno_value _gmtime64_s(struct tm *out, const int64_t *t) { return gmtime_r(t, out) ? 0 : EINVAL; }
errno_value _localtime64_s(struct tm *out, const int64_t *t) { return localtime_r(t, out) ? 0 : EINVAL; }
errno_value _gmtime32_s(struct tm *out, const int32_t *t) { int64_t w = *t; return _gmtime64_s(out, &w); }
errno_value _localtime32_s(struct tm *out, const int32_t *t) { int64_t w = *t; return _localtime64_s(out, &w); }
int64_t _mktime64(struct tm *t) { return mktime(t); }
int32_t _mktime32(struct tm *t) { return (int32_t)mktime(t); }
int64_t _mkgmtime64(struct tm *t) {
    // days from the civil date, months counted from March
    int64_t y = t->tm_year + 1900 + (t->tm_mon < 2 ? -1 : 0), m = (t->tm_mon + 10) % 12;
    int64_t era = (y >= 0 ? y : y - 399) / 400, of = y - era * 400;
    int64_t days = era * 146097 + of * 365 + of / 4 - of / 100 + (153 * m + 2) / 5 + t->tm_mday - 1 - 719468;
    int64_t seconds = ((days * 24 + t->tm_hour) * 60 + t->tm_min) * 60 + t->tm_sec;
    gmtime_r(&seconds, t);
    return seconds;
}
char *_ctime64(const int64_t *t) { return ctime(t); }
errno_value _ctime64_s(char *out, size_t size, const int64_t *t) { return size >= 26 && ctime_r(t, out) ? 0 : EINVAL; }
errno_value asctime_s(char *out, size_t size, const struct tm *t) { return size >= 26 && asctime_r(t, out) ? 0 : EINVAL; }
struct win_timeb { int64_t time; uint16_t millitm; int16_t timezone, dstflag; };
void _ftime64(struct win_timeb *out) {
    int64_t t = now_100ns();
    *out = (struct win_timeb){ t / 10000000, (uint16_t)(t / 10000 % 1000), 0, 0 };
}
errno_value _ftime64_s(struct win_timeb *out) { _ftime64(out); return 0; }
struct win_timespec { int64_t seconds; int32_t nanoseconds; };
int _timespec64_get(struct win_timespec *out, int base) {
    int64_t t = now_100ns();
    if (base != 1) return 0;
    *out = (struct win_timespec){ t / 10000000, (int32_t)(t % 10000000 * 100) };
    return base;
}
static int daylight;
static long zone_seconds, dst_seconds;
int *__daylight(void) { return &daylight; }
long *__timezone(void) { return &zone_seconds; }
long *__dstbias(void) { return &dst_seconds; }
char **ucrt_tzname(void) { static char *names[] = { "UTC", "UTC" }; return names; }
void _tzset(void) {}
errno_value _get_timezone(long *out) { *out = zone_seconds; return 0; }
errno_value _get_daylight(int *out) { *out = daylight; return 0; }
errno_value _get_dstbias(long *out) { *out = dst_seconds; return 0; }
