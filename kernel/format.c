// SPDX-License-Identifier: MIT
// format_text: the part of printf that the kernel needs (kernel/log.h).
#include <string.h>
#include "kernel/log.h"

struct sink { char *out; size_t size, length; };

static void put(struct sink *sink, char c)
{
    if (sink->length + 1 < sink->size)
        sink->out[sink->length] = c;
    sink->length++;
}

struct spec { bool left, zero, plus, alternative; size_t width; bool limited; size_t precision; };

static void put_padded(struct sink *sink, const char *text, size_t length, const struct spec *spec)
{
    size_t fill = spec->width > length ? spec->width - length : 0;
    if (!spec->left)
        while (fill) put(sink, ' '), fill--;
    while (length--) put(sink, *text++);
    while (fill) put(sink, ' '), fill--;
}

static void put_number(struct sink *sink, uint64_t value, const char *sign, unsigned base, bool capital, const struct spec *spec)
{
    char digits[24];
    size_t count = 0;
    do {
        unsigned digit = value % base;
        digits[count++] = digit < 10 ? '0' + digit : (capital ? 'A' : 'a') + digit - 10;
        value /= base;
    } while (value);
    size_t length = count + strlen(sign);
    size_t fill = spec->width > length ? spec->width - length : 0;
    if (!spec->left && !spec->zero)
        while (fill) put(sink, ' '), fill--;
    while (*sign) put(sink, *sign++);
    if (!spec->left)
        while (fill) put(sink, '0'), fill--;
    while (count) put(sink, digits[--count]);
    while (fill) put(sink, ' '), fill--;
}

static size_t read_count(const char **format, va_list *args)
{
    size_t value = 0;
    if (**format == '*') {
        ++*format;
        int given = va_arg(*args, int);
        return given < 0 ? 0 : (size_t)given;
    }
    while (**format >= '0' && **format <= '9')
        value = value * 10 + (size_t)(*(*format)++ - '0');
    return value;
}

size_t format_text_v(char *out, size_t size, const char *format, va_list given)
{
    struct sink sink = { out, size, 0 };
    va_list args;
    va_copy(args, given);
    for (; *format; format++) {
        if (*format != '%') {
            put(&sink, *format);
            continue;
        }
        struct spec spec = { 0 };
        for (format++;; format++) {
            if (*format == '-') spec.left = true;
            else if (*format == '0') spec.zero = true;
            else if (*format == '+') spec.plus = true;
            else if (*format == '#') spec.alternative = true;
            else break;
        }
        spec.width = read_count(&format, &args);
        if (*format == '.') {
            format++;
            spec.limited = true;
            spec.precision = read_count(&format, &args);
        }
        int size_of = 0;             // -2 char, -1 short, 0 int, 1 long (also z, t, j)
        for (;; format++) {
            if (*format == 'l' || *format == 'z' || *format == 'j' || *format == 't') size_of = 1;
            else if (*format == 'h') size_of--;
            else break;
        }
        switch (*format) {
        case 'd': case 'i': {
            int64_t value = size_of > 0 ? va_arg(args, long) : va_arg(args, int);
            if (size_of == -1) value = (short)value;
            if (size_of < -1) value = (signed char)value;
            put_number(&sink, value < 0 ? -(uint64_t)value : (uint64_t)value, value < 0 ? "-" : spec.plus ? "+" : "", 10,
                       false, &spec);
            break;
        }
        case 'u': case 'x': case 'X': {
            uint64_t value = size_of > 0 ? va_arg(args, unsigned long) : va_arg(args, unsigned);
            if (size_of == -1) value = (unsigned short)value;
            if (size_of < -1) value = (unsigned char)value;
            put_number(&sink, value, *format != 'u' && spec.alternative ? "0x" : "", *format == 'u' ? 10 : 16, *format == 'X', &spec);
            break;
        }
        case 'p':
            put_number(&sink, (uint64_t)va_arg(args, void *), "0x", 16, false, &spec);
            break;
        case 'c': {
            char c = (char)va_arg(args, int);
            put_padded(&sink, &c, 1, &spec);
            break;
        }
        case 's': {
            const char *text = va_arg(args, const char *);
            if (!text)
                text = "(null)";
            put_padded(&sink, text, spec.limited ? strnlen(text, spec.precision) : strlen(text), &spec);
            break;
        }
        case '%':
            put(&sink, '%');
            break;
        case 0:
            format--;
            break;
        default:
            put(&sink, '%');
            put(&sink, *format);
        }
    }
    va_end(args);
    if (size)
        out[sink.length < size ? sink.length : size - 1] = 0;
    return sink.length;
}

size_t format_text(char *out, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t length = format_text_v(out, size, format, args);
    va_end(args);
    return length;
}
