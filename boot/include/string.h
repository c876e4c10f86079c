// SPDX-License-Identifier: MIT
// What libfdt and the compiler expect of a C library's <string.h>; kernel/string.c and kernel/arm64/memory.S define it.
#pragma once
#include <stddef.h>

void  *memcpy(void *restrict to, const void *restrict from, size_t count);
void  *memmove(void *to, const void *from, size_t count);
void  *memset(void *to, int byte, size_t count);
int    memcmp(const void *a, const void *b, size_t count);
void  *memchr(const void *in, int byte, size_t count);
size_t strlen(const char *text);
size_t strnlen(const char *text, size_t most);
int    strcmp(const char *a, const char *b);
int    strncmp(const char *a, const char *b, size_t count);
char  *strchr(const char *text, int byte);
char  *strrchr(const char *text, int byte);
