// SPDX-License-Identifier: MIT
// Product of two matrices of doubles.
#include "tests/bench/bench.h"

enum { N = 72 };
static double a[N][N], b[N][N], c[N][N];

uint64_t bench_matrix(uint64_t one)
{
    uint64_t sum = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = (double)(i * 3 + j + (int)one);
            b[i][j] = (double)(i - j * 2) * 0.5;
        }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            double s = 0;
            for (int k = 0; k < N; k++)
                s += a[i][k] * b[k][j];
            c[i][j] = s;
        }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            sum = mix(sum, (uint64_t)(int64_t)(c[i][j] * 2));
    return sum;
}
