// SPDX-License-Identifier: MIT
#include "kernel/cpio.h"
#include <string.h>

enum { HEADER_BYTES = 110, FIELD_MODE = 1, FIELD_SIZE = 6, FIELD_NAME = 11, FIELD_COUNT = 13 };

static bool field_read(const uint8_t *header, unsigned field, uint32_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < 8; i++) {
        uint8_t c = header[6 + 8 * field + i];
        unsigned letter = c | 32u;
        unsigned digit = c >= '0' && c <= '9' ? c - 48u : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : 16;
        if (digit > 15)
            return false;
        *value = *value << 4 | digit;
    }
    return true;
}

static uint64_t padded(uint64_t position)
{
    return (position + 3) & ~3ull;
}

enum cpio_status cpio_next(struct cpio *archive, struct cpio_entry *entry)
{
    // Positions stay below 2^34, so nothing here overflows.
    uint64_t at = archive->position;
    if (at > archive->size || archive->size - at < HEADER_BYTES)
        return CPIO_E_TRUNCATED;
    const uint8_t *header = archive->data + at;
    if (memcmp(header, "070701", 6) != 0)
        return CPIO_E_MAGIC;
    uint32_t name_bytes, size, mode;
    if (!field_read(header, FIELD_NAME, &name_bytes) || !field_read(header, FIELD_SIZE, &size)
        || !field_read(header, FIELD_MODE, &mode))
        return CPIO_E_DIGIT;
    uint64_t name_at = at + HEADER_BYTES;
    if (archive->size - name_at < name_bytes)
        return CPIO_E_TRUNCATED;
    if (name_bytes < 2 || archive->data[name_at + name_bytes - 1] != 0)
        return CPIO_E_NAME;
    uint64_t data_at = padded(name_at + name_bytes);
    if (data_at > archive->size || archive->size - data_at < size)
        return CPIO_E_TRUNCATED;
    const char *name = (const char *)archive->data + name_at;
    if (memchr(name, 0, name_bytes - 1))
        return CPIO_E_NAME;
    if (strcmp(name, "TRAILER!!!") == 0)
        return CPIO_END;
    *entry = (struct cpio_entry){ name, name_bytes - 1, mode, archive->data + data_at, size };
    archive->position = padded(data_at + size);
    return CPIO_ENTRY;
}

const char *cpio_status_text(enum cpio_status status)
{
    static const char *const texts[] = {
        [CPIO_ENTRY] = "an entry", [CPIO_END] = "the end", [CPIO_E_TRUNCATED] = "the archive is cut off",
        [CPIO_E_MAGIC] = "no header where one has to be", [CPIO_E_DIGIT] = "a header field is not hexadecimal",
        [CPIO_E_NAME] = "a name is empty or not terminated",
    };
    return texts[status];
}
