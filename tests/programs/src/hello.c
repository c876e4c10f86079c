// SPDX-License-Identifier: MIT
// What ordinary C programs do: printf, malloc, qsort, argv, floating point, an exit code of their own.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare_numbers(const void *a, const void *b)
{
    int left = *(const int *)a, right = *(const int *)b;
    return (left > right) - (left < right);
}

static int compare_words(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        printf("argument %d: [%s]\n", i, argv[i]);

    int *numbers = malloc(1000 * sizeof *numbers);
    uint32_t state = 1;
    for (int i = 0; i < 1000; i++) {
        state = state * 1664525u + 1013904223u;
        numbers[i] = (int)(state >> 8) % 10000;
    }
    qsort(numbers, 1000, sizeof *numbers, compare_numbers);
    int sorted = 1;
    for (int i = 1; i < 1000; i++)
        sorted &= numbers[i - 1] <= numbers[i];
    printf("sorted %d: %d %d %d\n", sorted, numbers[0], numbers[500], numbers[999]);
    free(numbers);

    char *words[] = { "pear", "apple", "fig", "banana" };
    qsort(words, 4, sizeof *words, compare_words);
    printf("%s %s %s %s\n", words[0], words[1], words[2], words[3]);

    printf("%.6f %g %e %.3f\n", sqrt(2.0), 1.0 / 3.0, 6.02214076e23, sin(1.0));
    printf("%5d|%-5d|%05d|%x|%#X|%c|%%|%lld\n", 42, 42, 42, 48879, 48879, 'z', (long long)INT64_MIN);
    char text[32];
    snprintf(text, sizeof text, "%s-%u", "text", 7u);
    printf("%s %d %ld\n", text, atoi("123"), strtol("-0x1f", NULL, 0));
    return argc == 3 ? 42 : 1;
}
