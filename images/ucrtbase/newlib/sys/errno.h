// SPDX-License-Identifier: MIT
// newlib's error numbers, except those to which the Windows library gives other values.
#pragma once
#include_next <sys/errno.h>
#undef EDEADLK
#define EDEADLK 36
#undef ENAMETOOLONG
#define ENAMETOOLONG 38
#undef ENOLCK
#define ENOLCK 39
#undef ENOSYS
#define ENOSYS 40
#undef ENOTEMPTY
#define ENOTEMPTY 41
#undef EILSEQ
#define EILSEQ 42
#undef EOVERFLOW
#define EOVERFLOW 132
#undef ENOTSUP
#define ENOTSUP 129
#undef ECANCELED
#define ECANCELED 105
