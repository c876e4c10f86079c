// SPDX-License-Identifier: MIT
// newlib compiles vfscanf.c a second time for strings.
#pragma clang diagnostic ignored "-Weverything"
#define STRING_ONLY
#include "../stdio/vfscanf.c"
