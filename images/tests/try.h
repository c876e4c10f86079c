// SPDX-License-Identifier: MIT
// Faults that a program survives.
#pragma once
#include "images/tests/test.h"

// What stopped f(argument); code 0 when nothing did. try.c
struct fault { DWORD code; uint64_t address, kind, at; };
struct fault try_fault(void (*f)(void *), void *argument);
// A handler that sees exceptions first and may repair them (EXCEPTION_CONTINUE_EXECUTION).
extern LONG (*volatile try_repair)(EXCEPTION_POINTERS *);
