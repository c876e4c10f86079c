// SPDX-License-Identifier: MIT
// crossing.dll, beside its cases.
#pragma once
#include <stdint.h>
#include "images/tests/cases.h"
#ifndef CROSSING_API
#define CROSSING_API __declspec(dllimport)
#endif

CROSSING_API crossing_table lib_table;
CROSSING_API uint64_t lib_longs6(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f);
CROSSING_API double lib_mixed(int a, double b, float c, int64_t d, double e, int f, float g, uint8_t h, double i);
// Changes every register that native code may change.
CROSSING_API void lib_trash(void *unused);
struct callback { void (*f)(void *); void *argument; };
CROSSING_API void lib_call(void *callback);
CROSSING_API int lib_call_int(int (*f)(int), int x);
// x + 1. Declared patchable: the library's own calls go through the check of its x64 stub.
CROSSING_API int lib_patchable(int x);
CROSSING_API int lib_call_patchable(int x);
CROSSING_API void lib_read(void *address);
CROSSING_API void lib_hold_short_checker(void);      // checker.h
struct thunk_call { void *target, *thunk; };
CROSSING_API void lib_call_with_thunk(void *call);   // ARM64EC: calls the target, with that for an exit thunk
// An ARM64EC function that nothing takes the address of: it has no entry thunk. Where it is, for those who go there anyway.
CROSSING_API void *lib_code_without_thunk(void);
