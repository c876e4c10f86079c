// SPDX-License-Identifier: MIT
#include "kernel/startup.h"
#include <string.h>

enum startup_status startup_check(const void *data, uint64_t bytes)
{
    struct startup_block block;
    if (bytes < sizeof block || bytes > STARTUP_BYTES_MOST)
        return STARTUP_E_SIZE;
    memcpy(&block, data, sizeof block);
    if (block.magic != STARTUP_MAGIC)
        return STARTUP_E_MAGIC;
    if (block.bytes < sizeof block || block.bytes > bytes)
        return STARTUP_E_SIZE;
    const uint32_t strings[][2] = {
        { block.image_offset, block.image_bytes }, { block.command_offset, block.command_bytes },
        { block.directory_offset, block.directory_bytes }, { block.environment_offset, block.environment_bytes },
    };
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        uint32_t offset = strings[i][0], size = strings[i][1];
        if (size == 0)
            continue;
        if (offset < sizeof block || offset > block.bytes || size > block.bytes - offset)
            return STARTUP_E_RANGE;
        if (offset % 2 || size % 2)
            return STARTUP_E_TEXT;
    }
    return block.image_bytes ? STARTUP_OK : STARTUP_E_IMAGE;
}

const char *startup_status_text(enum startup_status status)
{
    static const char *const texts[] = {
        [STARTUP_OK] = "no error", [STARTUP_E_SIZE] = "the startup block's size is wrong",
        [STARTUP_E_MAGIC] = "the startup block does not begin with JRTS",
        [STARTUP_E_RANGE] = "a string of the startup block lies outside it",
        [STARTUP_E_TEXT] = "a string of the startup block is not UTF-16", [STARTUP_E_IMAGE] = "the startup block names no image",
    };
    return texts[status];
}

bool startup_image_path(const void *data, char *path, size_t size)
{
    struct startup_block block;
    memcpy(&block, data, sizeof block);
    const uint8_t *text = (const uint8_t *)data + block.image_offset;
    size_t at = 0;
    for (uint32_t i = 0; i < block.image_bytes; i += 2) {
        uint32_t c = text[i] | (uint32_t)text[i + 1] << 8;
        if (c >= 0xd800 && c < 0xe000) {
            uint32_t low = i + 3 < block.image_bytes ? text[i + 2] | (uint32_t)text[i + 3] << 8 : 0;
            if (c >= 0xdc00 || low < 0xdc00 || low >= 0xe000)
                return false;
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            i += 2;
        }
        size_t length = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        if (c == 0 || at + length >= size)
            return false;
        static const uint8_t leads[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
        for (size_t k = length - 1; k > 0; k--, c >>= 6)
            path[at + k] = (char)(0x80 | (c & 0x3f));
        path[at] = (char)(leads[length] | c);
        at += length;
    }
    path[at] = 0;
    return at > 0;
}
