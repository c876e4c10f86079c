// SPDX-License-Identifier: MIT
// Recursive calls.
#include "tests/bench/bench.h"

__attribute__((noinline)) static uint64_t fib(uint64_t n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

uint64_t bench_fib(uint64_t one) { return fib(23 + one); }
