// SPDX-License-Identifier: MIT
// newlib compiles vfprintf.c again without floating point; helpers the other variants share come from these.
#pragma clang diagnostic ignored "-Weverything"
#define INTEGER_ONLY
#define _WIDE_ORIENT 1                  // __sprint_r then writes wide characters while __SWID is set (format.c)
#include "../stdio/vfprintf.c"
