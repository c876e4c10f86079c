// SPDX-License-Identifier: MIT
// Quicksort of 32-bit numbers.
#include "tests/bench/bench.h"

enum { COUNT = 16384 };
static uint32_t numbers[COUNT];

static void sort(uint32_t *a, ptrdiff_t low, ptrdiff_t high)
{
    while (low < high) {
        uint32_t pivot = a[low + (high - low) / 2];
        ptrdiff_t i = low, j = high;
        while (i <= j) {
            while (a[i] < pivot)
                i++;
            while (a[j] > pivot)
                j--;
            if (i <= j) {
                uint32_t t = a[i];
                a[i++] = a[j];
                a[j--] = t;
            }
        }
        if (j - low < high - i) {
            sort(a, low, j);
            low = i;
        } else {
            sort(a, i, high);
            high = j;
        }
    }
}

uint64_t bench_quicksort(uint64_t one)
{
    uint32_t state = (uint32_t)one;
    uint64_t sum = 0;
    for (int i = 0; i < COUNT; i++)
        numbers[i] = next_random(&state);
    sort(numbers, 0, COUNT - 1);
    for (int i = 0; i < COUNT; i += 7)
        sum = mix(sum, numbers[i]);
    return sum;
}
