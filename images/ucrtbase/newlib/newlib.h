// SPDX-License-Identifier: MIT
// newlib's configuration, written by its configure script for other targets: what our C library has and how.
#pragma once
#define _NEWLIB_VERSION "3.3.0"
#define __NEWLIB__ 3
#define __NEWLIB_MINOR__ 3
#define _WANT_IO_LONG_LONG 1
#define _WANT_IO_C99_FORMATS 1
#define _WANT_IO_LONG_DOUBLE 1          // long double is double
#define _WANT_IO_POS_ARGS 1
#define _MB_CAPABLE 1
#define _MB_LEN_MAX 8
#define _FVWRITE_IN_STREAMIO 1
#define _FSEEK_OPTIMIZATION 1
#define _UNBUF_STREAM_OPT 1
#define _LDBL_EQ_DBL 1
#define _HAVE_LONG_DOUBLE 1
#define _HAVE_CC_INHIBIT_LOOP_TO_LIBCALL 1
#define _RETARGETABLE_LOCKING 1
#define _REENT_GLOBAL_STDIO_STREAMS 1   // one stdin, stdout, stderr for all threads
#define _REENT_CHECK_VERIFY 1
// _WIDE_ORIENT is not defined: a stream takes both kinds of characters, as in the Windows library.
