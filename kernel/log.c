// SPDX-License-Identifier: MIT
// Log lines (kernel/log.h).
#include "kernel/log.h"
#include "kernel/time.h"

static enum log_level least_level = LOG_INFO;

void log_set_level(enum log_level least) { least_level = least; }

void log_line(enum log_level level, const char *format, ...)
{
    if (level < least_level)
        return;
    char line[512];
    uint64_t us = time_ns() / 1000;
    size_t length = format_text(line, sizeof line, "[%5lu.%06lu] %s", (unsigned long)(us / 1000000), (unsigned long)(us % 1000000),
                                level == LOG_WARNING ? "warning: " : level == LOG_ERROR ? "error: " : "");
    va_list args;
    va_start(args, format);
    length += format_text_v(line + length, sizeof line - length - 1, format, args);
    va_end(args);
    if (length > sizeof line - 2)
        length = sizeof line - 2;
    line[length++] = '\n';
    console_write(line, length);
}
