// SPDX-License-Identifier: MIT
// What the fuzz targets share.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                              \
    do {                                                                             \
        if (!(condition)) {                                                          \
            fprintf(stderr, "%s:%d: MUST(%s)\n", __FILE__, __LINE__, #condition);    \
            abort();                                                                 \
        }                                                                            \
    } while (0)

// A finding that was fixed: its input as text, "0f 0b" and so on. Blanks do not matter.
static inline void fuzz_again(const char *hex)
{
    uint8_t bytes[4096];
    size_t n = 0;
    for (const char *c = hex; *c && n < sizeof bytes; c++) {
        unsigned value;
        if (*c == ' ')
            continue;
        if (sscanf(c, "%2x", &value) != 1)
            abort();
        bytes[n++] = (uint8_t)value;
        c++;
    }
    uint8_t *copy = malloc(n + !n);         // exactly as large, so that the address sanitizer sees a read behind it
    memcpy(copy, bytes, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}
