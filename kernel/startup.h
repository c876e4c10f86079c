// SPDX-License-Identifier: MIT
// The startup block (kernel/abi/process.h) as it comes from a creator: any bytes. Pure.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kernel/abi/process.h"

enum { STARTUP_BYTES_MOST = 1 << 20 };

enum startup_status {
    STARTUP_OK,
    STARTUP_E_SIZE,         // shorter than its header, longer than STARTUP_BYTES_MOST, or `bytes` says more than there is
    STARTUP_E_MAGIC,
    STARTUP_E_RANGE,        // a string lies outside the block or in its header
    STARTUP_E_TEXT,         // a string has an odd number of bytes or starts at an odd offset
    STARTUP_E_IMAGE,        // no image path
};

enum startup_status startup_check(const void *block, uint64_t bytes);
const char *startup_status_text(enum startup_status status);

// The image path as UTF-8 with a terminator; false when it does not fit or has unpaired surrogates or null characters.
bool startup_image_path(const void *block, char *path, size_t size);
