// SPDX-License-Identifier: MIT
// What a self-checking program needs: lines on stdout and a count of checks.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

// Text with %s, %d (int64_t), %x (uint64_t); a line is written at once.
void print(const char *format, ...);
bool check_that(bool ok, const char *what, const char *file, int line);
#define CHECK(condition) check_that((condition), #condition, __FILE__, __LINE__)
// A check in a table of cases: `name` and `how` are printed when it fails.
bool check_case(bool ok, const char *name, const char *how);
int test_main(void);                    // each program's own
