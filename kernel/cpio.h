// SPDX-License-Identifier: MIT
// Reader of cpio archives in the "newc" form (magic 070701; header of 110 ASCII hexadecimal digits, name and contents padded
// to 4 bytes; ends with the entry TRAILER!!!). Pure; takes any bytes.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum cpio_status {
    CPIO_ENTRY,             // *entry is filled
    CPIO_END,               // the trailer was reached
    CPIO_E_TRUNCATED,       // header, name or contents go past the archive
    CPIO_E_MAGIC,           // no 070701 where a header has to be
    CPIO_E_DIGIT,           // a header field is not hexadecimal
    CPIO_E_NAME,            // the name is empty or not terminated
};

struct cpio { const uint8_t *data; uint64_t size, position; };
struct cpio_entry {
    const char *name;       // in the archive, terminated
    uint32_t name_bytes;    // without the terminator
    uint32_t mode;
    const uint8_t *data;    // in the archive
    uint32_t size;
};

enum { CPIO_MODE_TYPE = 0170000, CPIO_MODE_FILE = 0100000, CPIO_MODE_DIRECTORY = 0040000 };

// The entry at the position, which moves to the next one. After an error it does not move.
enum cpio_status cpio_next(struct cpio *archive, struct cpio_entry *entry);
const char *cpio_status_text(enum cpio_status status);
