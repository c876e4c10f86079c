// SPDX-License-Identifier: MIT
// The report of a crash: what happened, in which module, with which registers, and the instructions there.
#include <string.h>
#include "emu/x64/x64.h"
#include "kernel/exception.h"
#include "kernel/launcher.h"
#include "kernel/log.h"
#include "kernel/process.h"
#include "kernel/status.h"
#include "kernel/thread.h"
#include "loader/map/image_section.h"

// One line to the launcher's stderr and to the log.
static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    format_text_v(line, sizeof line - 1, format, args);
    va_end(args);
    log_line(LOG_ERROR, "%s", line);
    size_t length = strlen(line);
    line[length++] = '\n';
    launcher_frame(FRAME_STDERR, line, length);
}

// "module.dll+0x1234" or "no module".
static const char *place(struct aspace *as, uint64_t address, char *text, size_t bytes)
{
    struct image_at at;
    if (image_section_at(as, address, &at))
        format_text(text, bytes, "%s+0x%x", image_section_name(at.section), at.rva);
    else
        format_text(text, bytes, "no module");
    return text;
}

static void describe_access(const struct exception_record *record, char *text, size_t bytes)
{
    text[0] = 0;
    bool access = record->code == (uint32_t)STATUS_ACCESS_VIOLATION || record->code == (uint32_t)STATUS_GUARD_PAGE_VIOLATION
               || record->code == (uint32_t)STATUS_IN_PAGE_ERROR || record->code == (uint32_t)STATUS_STACK_OVERFLOW;
    if (access && record->parameter_count >= 2)
        format_text(text, bytes, ", %s of address 0x%llx",
                    record->parameters[0] == 0 ? "read" : record->parameters[0] == 1 ? "write" : "execution",
                    (unsigned long long)record->parameters[1]);
}

static void report_x64_registers(const struct trap_frame *f)
{
    static const struct { const char *name; uint8_t x; } rows[] = {
        { "rax", 8 }, { "rcx", 0 }, { "rdx", 1 }, { "rbx", 27 }, { "rbp", 29 }, { "rsi", 25 }, { "rdi", 26 }, { "r8 ", 2 },
        { "r9 ", 3 }, { "r10", 4 }, { "r11", 5 }, { "r12", 19 }, { "r13", 20 }, { "r14", 21 }, { "r15", 22 },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i += 3)
        say("  %s %016llx  %s %016llx  %s %016llx", rows[i].name, (unsigned long long)f->x[rows[i].x], rows[i + 1].name,
            (unsigned long long)f->x[rows[i + 1].x], rows[i + 2].name, (unsigned long long)f->x[rows[i + 2].x]);
    say("  rsp %016llx  rip %016llx  sf %u zf %u cf %u of %u", (unsigned long long)f->sp, (unsigned long long)f->elr,
        (unsigned)(f->spsr >> 31 & 1), (unsigned)(f->spsr >> 30 & 1), (unsigned)(f->spsr >> 29 & 1),
        (unsigned)(f->spsr >> 28 & 1));
}

static void report_arm64_registers(const struct trap_frame *f)
{
    for (unsigned i = 0; i < 30; i += 3)
        say("  x%-2u %016llx  x%-2u %016llx  x%-2u %016llx", i, (unsigned long long)f->x[i], i + 1,
            (unsigned long long)f->x[i + 1], i + 2, (unsigned long long)f->x[i + 2]);
    say("  x30 %016llx  sp  %016llx  pc  %016llx  nzcv %x", (unsigned long long)f->x[30], (unsigned long long)f->sp,
        (unsigned long long)f->elr, (unsigned)(f->spsr >> 28 & 15));
}

static void report_x64_code(struct aspace *as, uint64_t rip)
{
    uint8_t bytes[X64_LENGTH_MAX];
    char hex[3 * X64_LENGTH_MAX + 1] = "", text[128];
    uint64_t count = aspace_read(as, rip, bytes, sizeof bytes, ACCESS_READ);
    struct x64_insn insn;
    if (count == 0) {
        say("  code: not readable");
        return;
    }
    enum x64_status status = x64_decode(bytes, count, rip, &insn);
    if (status == X64_OK)
        count = insn.length;
    for (uint64_t i = 0; i < count; i++)
        format_text(hex + 3 * i, 4, "%02x ", bytes[i]);
    if (status == X64_OK)
        x64_format(&insn, text, sizeof text);
    else
        format_text(text, sizeof text, "(%s)", x64_status_name(status));
    say("  code: %s %s", hex, text);
}

static void report_arm64_code(struct aspace *as, uint64_t pc)
{
    uint32_t word;
    if (aspace_read(as, pc, &word, sizeof word, ACCESS_READ) == sizeof word)
        say("  code: %08x", word);
    else
        say("  code: not readable");
}

void crash_report(const struct trap_frame *frame, const struct exception_record *record, const char *detail,
                  char *line, size_t line_bytes)
{
    struct thread *self = thread_current();
    struct aspace *as = self->process->aspace;
    char access[64], module[96], from[96];
    describe_access(record, access, sizeof access);
    format_text(line, line_bytes, "%s: exception 0x%08x %s%s at 0x%llx (%s)%s%s", self->process->name, record->code,
                status_name((status_t)record->code), access, (unsigned long long)record->address,
                place(as, record->address, module, sizeof module), detail && detail[0] ? ": " : "", detail ? detail : "");
    say("%s", line);
    bool x64 = exception_x64_state(thread_current());
    say("  %s code at 0x%llx (%s), thread %llu", x64 ? "x64" : "arm64", (unsigned long long)frame->elr,
        place(as, frame->elr, module, sizeof module), (unsigned long long)self->id);
    if (x64) {
        report_x64_registers(frame);
        report_x64_code(as, frame->elr);
    } else {
        report_arm64_registers(frame);
        say("  called from %s", place(as, frame->x[30], from, sizeof from));
        report_arm64_code(as, frame->elr);
    }
}
