// SPDX-License-Identifier: MIT
// long double on x64, which is x87 code; double elsewhere. All values are exact in both.
#include "tests/bench/bench.h"

#if defined(__x86_64__) && !defined(__arm64ec__)
typedef long double real;
#else
typedef double real;
#endif

static real coefficients[8];

__attribute__((noinline)) static real horner(real x)
{
    real y = 0;
    for (int i = 0; i < 8; i++)
        y = y * x + coefficients[i];
    return y;
}

uint64_t bench_x87(uint64_t one)
{
    uint64_t sum = 0;
    for (int i = 0; i < 8; i++)
        coefficients[i] = (real)((int)one + i * 3 - 11);
    for (int i = 0; i < 400; i++) {
        real x = (real)(i % 32 - 16) / 4;
        real y = horner(x);
        if (y < 0)
            y = -y;
        sum = mix(sum, (uint64_t)(int64_t)(y * 65536));
    }
    return sum;
}
