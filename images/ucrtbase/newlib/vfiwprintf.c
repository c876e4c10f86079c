// SPDX-License-Identifier: MIT
// newlib compiles vfwprintf.c again without floating point; helpers the other variants share come from these.
#pragma clang diagnostic ignored "-Weverything"
#define INTEGER_ONLY
#include "../stdio/vfwprintf.c"
