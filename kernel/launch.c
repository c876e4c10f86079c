// SPDX-License-Identifier: MIT
#include "kernel/launch.h"
#include <string.h>
#include "boot/platform.h"
#include "emu/run/emu.h"
#include "kernel/abi/launch.h"
#include "kernel/bootfile.h"
#include "kernel/file.h"
#include "kernel/launcher.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/percpu.h"
#include "kernel/pmu.h"
#include "kernel/process.h"
#include "kernel/scheduler.h"
#include "kernel/shared_data.h"
#include "kernel/smp.h"
#include "kernel/startup.h"
#include "kernel/status.h"
#include "kernel/thread.h"
#include "kernel/wait.h"
#include "kernel/wall_clock.h"
#include "loader/map/image_section.h"
#include "mm/frame.h"
#include "mm/heap.h"

struct verdict { status_t status; enum exit_reason reason; const char *memory_model; char text[512]; };

static bool option(const char *name)
{
    char value[8];
    return platform_option(name, value, sizeof value);
}

// ---- the end ----

// A JSON string's inside. Control characters become blanks.
static size_t escape(char *to, size_t size, const char *text)
{
    size_t n = 0;
    for (; *text && n + 3 < size; text++) {
        if (*text == '"' || *text == '\\')
            to[n++] = '\\';
        to[n++] = (unsigned char)*text < 0x20 ? ' ' : *text;
    }
    to[n] = 0;
    return n;
}

static void send_exit(const struct verdict *verdict)
{
    static const char *const reasons[] = { [EXIT_NORMAL] = "exit", [EXIT_EXCEPTION] = "exception", [EXIT_LOAD] = "load" };
    char text[900], json[LAUNCHER_FRAME_MOST];
    escape(text, sizeof text, verdict->text);
    size_t n = format_text(json, sizeof json, "{\"status\": %d, \"reason\": \"%s\", \"text\": \"%s\"}", verdict->status,
                           reasons[verdict->reason], text);
    launcher_frame(FRAME_EXIT, json, n < sizeof json ? n : sizeof json - 1);
}

static void send_statistics(const struct verdict *verdict)
{
    struct process_counters c;
    uint64_t interrupts, threads;
    char json[LAUNCHER_FRAME_MOST];
    process_count_machine(&c, &interrupts, &threads);
    size_t n = format_text(json, sizeof json,
        "{\"executed_instructions\": %llu, \"x64_instructions_translated\": %llu, \"blocks\": %llu, \"retranslated\": %llu, \"cache_bytes\": %llu, "
        "\"kernel_entries\": {\"miss\": %llu, \"link\": %llu, \"emulated\": %llu, \"syscall\": %llu, \"fault\": %llu, "
        "\"interrupt\": %llu}, \"mode_switches\": %llu, \"memory_model\": \"%s\", \"exact_fp\": %llu, \"readers\": %llu, \"threads\": %llu, \"cores\": [",
        (unsigned long long)c.instructions, (unsigned long long)c.x64_instructions_translated, (unsigned long long)c.blocks, (unsigned long long)c.retranslated,
        (unsigned long long)c.cache_bytes, (unsigned long long)c.entries_miss, (unsigned long long)c.entries_link,
        (unsigned long long)c.entries_emulated, (unsigned long long)c.entries_syscall, (unsigned long long)c.entries_fault,
        (unsigned long long)interrupts, (unsigned long long)c.mode_switches, verdict->memory_model, (unsigned long long)c.exact_fp,
        (unsigned long long)c.readers, (unsigned long long)threads);
    for (uint32_t i = 0; i < cpu_count; i++)
        n += format_text(json + n, sizeof json - n, "%s%llu", i ? ", " : "", (unsigned long long)scheduler_core_ns(i));
    n += format_text(json + n, sizeof json - n, "]}");
    launcher_frame(FRAME_STATS, json, n);
}

static void send_change(const struct bootfile_change *change)
{
    enum { KIND_BEGIN, KIND_DATA, KIND_END, KIND_DELETED };
    uint8_t frame[LAUNCHER_FRAME_MOST];
    size_t path = strlen(change->path);
    if (path + 1 > sizeof frame) {
        log_warning("the path of a changed file is too long to be sent back");
        return;
    }
    frame[0] = change->deleted ? KIND_DELETED : KIND_BEGIN;
    memcpy(frame + 1, change->path, path);
    launcher_frame(FRAME_FILE, frame, 1 + path);
    if (change->deleted)
        return;
    for (uint64_t at = 0; at < change->bytes;) {
        uint64_t left = change->bytes - at, part = left < sizeof frame - 1 ? left : sizeof frame - 1;
        frame[0] = KIND_DATA;
        memcpy(frame + 1, (const uint8_t *)change->data + at, part);
        launcher_frame(FRAME_FILE, frame, 1 + part);
        at += part;
    }
    frame[0] = KIND_END;
    launcher_frame(FRAME_FILE, frame, 1);
}

static void log_cores(void)
{
    for (uint32_t i = 0; i < cpu_count; i++)
        log_info("core %u: %llu ms executed in threads", i, (unsigned long long)(scheduler_core_ns(i) / 1000000));
}

static void finish(const struct verdict *verdict)
{
    log_cores();
    if (option("janus.share"))
        bootfile_changes(send_change);
    if (option("janus.stats"))
        send_statistics(verdict);
    send_exit(verdict);
}

// ---- the run ----

// Waits until every process is taken apart. They are ending: a thread in the kernel needs no more than one call's time.
static void wait_for_all(void)
{
    process_terminate_all();
    while (process_alive())
        wait_sleep(1000000);
}

static status_t standard_streams(struct process_plan *plan)
{
    static const struct { enum stream stream; uint32_t right; } streams[3] = {
        { STREAM_INPUT, RIGHT_READ }, { STREAM_OUTPUT, RIGHT_WRITE }, { STREAM_ERROR, RIGHT_WRITE },
    };
    for (unsigned i = 0; i < 3; i++) {
        struct file *file;
        status_t status = file_stream(streams[i].stream, &file);
        if (status != STATUS_SUCCESS)
            return status;
        plan->standard[i] = &file->object;
        plan->standard_rights[i] = streams[i].right | RIGHT_QUERY | RIGHT_DUPLICATE;
    }
    return STATUS_SUCCESS;
}

static status_t start_program(struct process **process, struct thread **thread, char *why, size_t why_bytes)
{
    char path[BOOTFILE_PATH_MOST + 1];
    struct process_plan plan = { .path = path, .preferred = MACHINE_ARM64 };
    if (!bootfile_janus("startup", &plan.startup, &plan.startup_bytes)) {
        format_text(why, why_bytes, "the initrd has no janus/startup");
        return STATUS_OBJECT_NAME_NOT_FOUND;
    }
    // The archive's contents lie at a multiple of 4; the block wants 8.
    void *startup = heap_take(plan.startup_bytes + 1);
    if (!startup)
        return STATUS_NO_MEMORY;
    memcpy(startup, plan.startup, plan.startup_bytes);
    plan.startup = startup;
    status_t status = STATUS_INVALID_PARAMETER;
    enum startup_status check = startup_check(startup, plan.startup_bytes);
    if (check != STARTUP_OK)
        format_text(why, why_bytes, "%s", startup_status_text(check));
    else if (!startup_image_path(startup, path, sizeof path))
        format_text(why, why_bytes, "the image path of the startup block is not a path");
    else
        status = standard_streams(&plan);
    if (status == STATUS_SUCCESS)
        status = process_create(&plan, process, thread, why, why_bytes);
    for (unsigned i = 0; i < 3; i++)
        object_release(plan.standard[i]);
    heap_give(startup);
    return status;
}

static void run_program(struct verdict *verdict)
{
    struct process *process;
    struct thread *thread;
    *verdict = (struct verdict){ .reason = EXIT_LOAD, .memory_model = "native" };
    verdict->status = start_program(&process, &thread, verdict->text, sizeof verdict->text);
    if (verdict->status != STATUS_SUCCESS) {
        log_error("the program cannot start: %s (%s)", verdict->text, status_name(verdict->status));
        return;
    }
    scheduler_start(thread);
    object_release(&thread->object);
    CHECK(wait_one(&process->object, WAIT_FOREVER) == STATUS_SUCCESS);
    verdict->status = process->exit_status;
    verdict->reason = process->reason;
    if (process->machine == MACHINE_X64)
        verdict->memory_model = process->ended.threads > 1 ? "tso" : "plain";
    if (process->reason == EXIT_LOAD)           // a crash has said everything on stderr
        format_text(verdict->text, sizeof verdict->text, "%s", process->verdict[0] ? process->verdict : status_text(process->exit_status));
    log_info("%s ended with status 0x%08x", process->name, (uint32_t)process->exit_status);
    object_release(&process->object);
}

// What processes had must be back when the last one is gone. The kernel's heap stays, and translations that processes share, with
// the image pages they were made from.
static const enum frame_owner process_owners[] = { FRAME_TABLE, FRAME_USER };
enum { PROCESS_OWNERS = sizeof process_owners / sizeof *process_owners };

static void run_initrd(void)
{
    struct verdict verdict;
    uint64_t before[PROCESS_OWNERS];
    for (unsigned i = 0; i < PROCESS_OWNERS; i++)
        before[i] = frame_owned_total(process_owners[i]);
    run_program(&verdict);
    wait_for_all();
    image_section_forget(0);
    for (unsigned i = 0; i < PROCESS_OWNERS; i++) {
        uint64_t after = frame_owned_total(process_owners[i]);
        if (after != before[i])
            log_warning("frames of owner %u: %llu before the first process, %llu after the last", process_owners[i],
                        (unsigned long long)before[i], (unsigned long long)after);
    }
    finish(&verdict);
}

_Noreturn void ktest_run(const char *prefix) __attribute__((weak));  // the test kernel has it

static void launch(void *unused)
{
    char tests[64];
    (void)unused;
    uint64_t bytes = platform.initrd_end - platform.initrd_start;
    status_t status = bootfile_start(bytes ? frame_pointer(platform.initrd_start) : NULL, bytes);
    if (status != STATUS_SUCCESS)
        panic("no memory for the initrd's files");
    launcher_start_input();
    if (platform_option("janus.test", tests, sizeof tests)) {
        if (ktest_run)
            ktest_run(tests);
        else
            log_error("janus.test: this kernel has no tests in it");
    } else if (bytes && option("janus.run")) {
        run_initrd();
    } else {
        log_info("nothing to run");
    }
    machine_off();
}

void kernel_start(void)
{
    pmu_start_core();
    wall_clock_start();
    status_t status = emu_init();
    if (NT_ERROR(status))
        panic("the translator does not start: %s", status_name(status));
    if (shared_data_start() != STATUS_SUCCESS)
        panic("no memory for the shared data page");
    struct thread *thread = thread_create_kernel("launch", launch, NULL);
    if (!thread)
        panic("no memory for the first thread");
    object_release(&thread->object);
    scheduler_run_core();
}
