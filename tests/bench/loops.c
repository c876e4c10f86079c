// SPDX-License-Identifier: MIT
// The benchmark: one kernel of each kind of work, chosen by the first argument, run for a fixed number of rounds.
// It prints a checksum, so that both instruction sets are seen to have done the same.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t run_integer(int rounds)
{
    uint64_t sum = 0;
    for (int r = 0; r < rounds; r++)
        for (uint32_t n = 1; n < 2000; n++)
            for (uint32_t m = n; m != 1 && sum != ~0ull; m = m & 1 ? 3 * m + 1 : m / 2)
                sum++;
    return sum;
}

static uint64_t run_memory(int rounds)
{
    enum { SIZE = 1 << 16 };
    static uint8_t composite[SIZE];
    uint64_t count = 0;
    for (int r = 0; r < rounds; r++) {
        memset(composite, 0, sizeof composite);
        for (uint32_t i = 2; i < SIZE; i++) {
            count += !composite[i];
            for (uint32_t j = 2 * i; !composite[i] && j < SIZE; j += i)
                composite[j] = 1;
        }
    }
    return count;
}

static uint64_t run_float(int rounds)
{
    uint64_t inside = 0;
    for (int r = 0; r < rounds; r++)
        for (int y = 0; y < 100; y++)
            for (int x = 0; x < 100; x++) {
                double cr = x * 0.03 - 2.0, ci = y * 0.02 - 1.0, zr = 0, zi = 0;
                int n = 0;
                for (; n < 50 && zr * zr + zi * zi < 4.0; n++) {
                    double t = zr * zr - zi * zi + cr;
                    zi = 2 * zr * zi + ci;
                    zr = t;
                }
                inside += (uint64_t)n;
            }
    return inside;
}

static int fibonacci(int n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static uint64_t run_calls(int rounds)
{
    uint64_t sum = 0;
    for (int r = 0; r < rounds; r++)
        sum += (uint64_t)fibonacci(20 + (r & 1));
    return sum;
}

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static uint64_t run_callbacks(int rounds)
{
    static uint32_t numbers[2000];
    uint32_t state = 1;
    uint64_t sum = 0;
    for (int r = 0; r < rounds; r++) {
        for (int i = 0; i < 2000; i++)
            numbers[i] = state = state * 1664525u + 1013904223u;
        qsort(numbers, 2000, sizeof *numbers, compare);
        sum += numbers[1000];
    }
    return sum;
}

static const struct { const char *name; uint64_t (*run)(int rounds); int rounds; } kernels[] = {
    { "integer", run_integer, 10 }, { "memory", run_memory, 5 }, { "float", run_float, 5 }, { "calls", run_calls, 40 },
    { "callbacks", run_callbacks, 5 },
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if (argc > 1 && !strcmp(argv[1], kernels[i].name)) {
            printf("%s %llu\n", kernels[i].name, (unsigned long long)kernels[i].run(kernels[i].rounds));
            return 0;
        }
    if (argc > 1 && !strcmp(argv[1], "nothing"))
        return 0;           // what starting and ending a process costs
    return 2;
}
