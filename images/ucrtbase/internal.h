// SPDX-License-Identifier: MIT
// What the files of ucrtbase share. The exports are listed in ucrtbase.def; a function named ucrt_x there is exported as x,
// where newlib has an x of its own that the library uses inside.
#pragma once
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <reent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include "images/ucrtbase/win.h"

typedef int errno_value;                    // what the ..._s functions return: 0 or an errno value
void errno_from_windows(void);              // from GetLastError
uint16_t *wide_copy(const char *utf8);      // malloc'ed; null sets errno
char *narrow_copy(const uint16_t *wide);
void invalid_parameter(void);               // calls the program's handler, if it set one; sets errno to EINVAL

int *__p__fmode(void);
int _setmode(int fd, int mode);
uint32_t *__doserrno(void);

void files_init(void);
void threads_init(void);
void threads_detach(void);
void locale_init(void);
void stdio_flush_all(void);
