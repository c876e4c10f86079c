// SPDX-License-Identifier: MIT
// The process list, and how the frames of images are shared between processes.
#include <string.h>
#include "kernel/launcher.h"
#include "kernel/log.h"
#include "kernel/process.h"
#include "loader/map/image_section.h"

enum { SECTIONS_MOST = 64 };

struct seen { const struct image_section *sections[SECTIONS_MOST]; uint32_t count; };

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    char line[192];
    va_list args;
    va_start(args, format);
    format_text_v(line, sizeof line - 1, format, args);
    va_end(args);
    log_info("%s", line);
    size_t length = strlen(line);
    line[length++] = '\n';
    launcher_frame(FRAME_STDOUT, line, length);
}

// Written while the process is entered, so that its sections stay. Each is described once.
static void list_images(struct process *process, struct seen *seen)
{
    struct image_at at;
    for (uint64_t cookie = 0; image_section_next(process->aspace, &cookie, &at);) {
        bool known = seen->count == SECTIONS_MOST;
        for (uint32_t i = 0; i < seen->count; i++)
            known |= seen->sections[i] == at.section;
        if (known)
            continue;
        seen->sections[seen->count++] = at.section;
        struct image_sharing sharing;
        image_section_sharing(at.section, &sharing);
        if (sharing.mappings > 1)
            say("  %s: %u frames (%u of the x64 view alone), %u mappings; %u frames are shared, %u of them by all", image_section_name(at.section),
                sharing.frames, sharing.ec_frames, sharing.mappings, sharing.mapped_twice, sharing.mapped_by_all);
    }
}

static void print_row(struct process *process, bool entered)
{
    struct aspace_counts counts = { 0 };
    if (entered)
        aspace_count(process->aspace, 0, 0, &counts);
    say("%5llu  %-22s  %-20s  %7u  %6llu  %7llu  %s", (unsigned long long)process->id, process->architecture, process->name,
        process->thread_count, (unsigned long long)counts.shared_frames, (unsigned long long)counts.private_frames,
        entered ? "running" : "ended");
}

static void each_process(void (*call)(struct process *, bool, struct seen *), struct seen *seen)
{
    bool entered;
    for (struct process *process = process_next(NULL, &entered), *next; process; process = next) {
        bool now = entered;
        call(process, now, seen);
        next = process_next(process, &entered);
        if (now)
            process_leave(process);
        object_release(&process->object);
    }
}

static void row_call(struct process *process, bool entered, struct seen *seen)
{
    (void)seen;
    print_row(process, entered);
}

static void images_call(struct process *process, bool entered, struct seen *seen)
{
    if (entered)
        list_images(process, seen);
}

void process_print_list(void)
{
    struct seen seen = { .count = 0 };
    say("  PID  Architecture            Name                  Threads  Shared  Private  State");
    each_process(row_call, NULL);
    say("Frames of images that several processes map (4 KiB each):");
    each_process(images_call, &seen);
}
