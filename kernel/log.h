// SPDX-License-Identifier: MIT
// The kernel log: lines on the console, each prefixed with the time since boot. Any core, any context.
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

// printf subset: %s %.*s %c %d %u %x with h/l/ll/z and width/0/- flags, %p, %%. A line feed is added.
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define log_info(...)    log_line(LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_error(...)   log_line(LOG_ERROR, __VA_ARGS__)
void log_set_level(enum log_level least);

size_t format_text(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
size_t format_text_v(char *out, size_t size, const char *format, va_list args);

// Bytes to the console as they are, whole (console lock held over all of it): frames of the launcher protocol.
void console_write(const void *bytes, size_t count);
// Next input byte, or -1 when none is waiting.
int  console_read(void);
