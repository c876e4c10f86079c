// SPDX-License-Identifier: MIT
// x64 code for the tools here: one buffer that stands at BASE, none of it ARM64EC.
#pragma once
#include <string.h>
#include "emu/lower/lower.h"

#define BASE 0x140001000ull

static const uint8_t *bytes;
static size_t byte_count;

static size_t read_code(void *context, uint64_t va, uint8_t *buffer, size_t max)
{
    (void)context;
    if (va < BASE || va >= BASE + byte_count)
        return 0;
    size_t left = (size_t)(BASE + byte_count - va), n = left < max ? left : max;
    memcpy(buffer, bytes + (va - BASE), n);
    return n;
}

static bool is_ec(void *context, uint64_t va)
{
    (void)context, (void)va;
    return false;
}
