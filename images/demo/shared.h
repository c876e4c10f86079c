// SPDX-License-Identifier: MIT
// shared.dll: one Arm64X image for Arm64, ARM64EC and x64 programs.
#pragma once
#include <stdint.h>
#ifndef SHARED_API
#define SHARED_API __declspec(dllimport)
#endif

SHARED_API const char *shared_view(void);               // which of the DLL's two views this process has
SHARED_API uint64_t shared_hot_loop(uint32_t count);    // hot.h, as native code
// A count that grows with work done, and what it counts: executed instructions where the machine can tell, else nanoseconds.
SHARED_API uint64_t shared_work(void);
SHARED_API const char *shared_work_unit(void);
// Calls back: function(context, i, weight) for i = 1 ... count, and adds the results up.
typedef double (*shared_callback)(void *context, int i, double weight);
SHARED_API double shared_call_back(shared_callback function, void *context, int count);
// Tells the program that started this one that the work is done, and waits until it says go on. Does nothing when the
// process was started by nobody who waits (its standard input is no semaphore).
SHARED_API void shared_meet(void);
