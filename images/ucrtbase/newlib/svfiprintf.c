// SPDX-License-Identifier: MIT
// newlib compiles vfprintf.c again without floating point; helpers the other variants share come from these.
#pragma clang diagnostic ignored "-Weverything"
#define STRING_ONLY
#define INTEGER_ONLY
#include "../stdio/vfprintf.c"
