// SPDX-License-Identifier: MIT
// Processes: refusals when one is made from files, giving everything back, and x64 code that is nothing but noise.
#include "kernel/process.h"
#include <string.h>
#include "emu/run/emu.h"
#include "kernel/bootfile.h"
#include "kernel/event.h"
#include "kernel/log.h"
#include "kernel/scheduler.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/wait.h"
#include "kernel/wall_clock.h"
#include "loader/map/image_section.h"
#include "tests/kernel/el0.h"
#include "tests/kernel/ktest.h"

#define IMAGE(name) extern const uint8_t test_image_##name[], test_image_##name##_end[]
IMAGE(library_x64);
IMAGE(library_arm64);
IMAGE(library_arm64x);
EL0_PROGRAM(forever);

static void put_file(const char *path, const void *data, uint64_t bytes)
{
    struct bootfile *file;
    KEXPECT(bootfile_open(path, strlen(path), FILE_OPEN_OR_CREATE, &file) == STATUS_SUCCESS);
    KEXPECT(bootfile_resize(file, 0) == STATUS_SUCCESS);
    KEXPECT(bootfile_write(file, 0, data, bytes) == STATUS_SUCCESS);
    bootfile_close(file);
}
#define PUT(path, image) put_file(path, test_image_##image, (uint64_t)(test_image_##image##_end - test_image_##image))

struct block { struct startup_block head; uint16_t text[16]; };

static status_t try_create(const char *path, uint16_t machine, char *why, size_t why_bytes)
{
    struct block block = { .head = { .magic = STARTUP_MAGIC, .bytes = sizeof block } };
    block.head.image_offset = sizeof block.head;
    block.head.image_bytes = 2;
    struct process_plan plan = { .path = path, .startup = &block, .startup_bytes = sizeof block, .machine = machine,
                                 .preferred = MACHINE_ARM64 };
    plan.standard[1] = event_create(false, false);
    plan.standard_rights[1] = RIGHT_ALL;
    struct process *process;
    struct thread *thread;
    status_t status = process_create(&plan, &process, &thread, why, why_bytes);
    KEXPECT(NT_ERROR(status) && why[0]);
    KEXPECT(plan.standard[1]->references == 1);
    object_release(plan.standard[1]);
    return status;
}

KTEST(process_creation_says_why_it_failed)
{
    static const char ntdll[] = "C:\\Windows\\System32\\ntdll.dll";
    char why[256];
    struct bootfile *file;
    bool own = bootfile_open(ntdll, sizeof ntdll - 1, FILE_OPEN_EXISTING, &file) == STATUS_OBJECT_NAME_NOT_FOUND;
    if (!own) {
        bootfile_close(file);
        log_info("the initrd has an ntdll: left alone");
        return;
    }
    log_set_level(LOG_ERROR + 1);
    uint32_t before = process_alive();
    PUT("x.exe", library_x64);
    PUT("a.exe", library_arm64);
    put_file("bad.exe", "MZ and nothing else", 19);
    KEXPECT(try_create("none.exe", 0, why, sizeof why) == STATUS_OBJECT_NAME_NOT_FOUND && strchr(why, 'n'));
    KEXPECT(try_create("C:\\app", 0, why, sizeof why) == STATUS_INVALID_IMAGE_FORMAT);
    KEXPECT(try_create("bad.exe", 0, why, sizeof why) == STATUS_INVALID_IMAGE_FORMAT);
    KEXPECT(try_create("x.exe", MACHINE_ARM64, why, sizeof why) == STATUS_IMAGE_MACHINE_TYPE_MISMATCH);
    KEXPECT(try_create("a.exe", MACHINE_X64, why, sizeof why) == STATUS_IMAGE_MACHINE_TYPE_MISMATCH);
    KEXPECT(try_create("a.exe", 0x14c, why, sizeof why) == STATUS_IMAGE_MACHINE_TYPE_MISMATCH);
    KEXPECT(try_create("x.exe", 0, why, sizeof why) == STATUS_OBJECT_NAME_NOT_FOUND);      // no ntdll
    KEXPECT(try_create("a.exe", 0, why, sizeof why) == STATUS_OBJECT_NAME_NOT_FOUND);
    PUT(ntdll, library_arm64x);                                                             // one without LdrInitializeThunk
    KEXPECT(try_create("x.exe", 0, why, sizeof why) == STATUS_ENTRYPOINT_NOT_FOUND);
    KEXPECT(try_create("a.exe", 0, why, sizeof why) == STATUS_ENTRYPOINT_NOT_FOUND);
    PUT(ntdll, library_x64);                                                                // one for another machine
    KEXPECT(try_create("a.exe", 0, why, sizeof why) == STATUS_IMAGE_MACHINE_TYPE_MISMATCH);
    bootfile_delete("x.exe", 5);
    bootfile_delete("a.exe", 5);
    bootfile_delete("bad.exe", 7);
    bootfile_delete(ntdll, sizeof ntdll - 1);
    KEXPECT(process_alive() == before);
    image_section_forget(0);
    log_set_level(LOG_INFO);
}

KTEST(process_list_names_the_architectures)
{
    struct process *native, *x64;
    KEXPECT(process_create_bare("list-native", MACHINE_ARM64, &native) == STATUS_SUCCESS);
    KEXPECT(process_create_bare("list-x64", MACHINE_X64, &x64) == STATUS_SUCCESS);
    KEXPECT(!strcmp(native->architecture, "Arm64") && !strcmp(x64->architecture, "x64"));
    bool entered, found = false;
    for (struct process *p = process_next(NULL, &entered), *next; p; p = next) {
        found |= p == native;
        bool now = entered;
        next = process_next(p, &entered);
        if (now)
            process_leave(p);
        object_release(&p->object);
    }
    KEXPECT(found);
    process_leave(native);
    process_leave(x64);
    KEXPECT(wait_one(&native->object, 0) == STATUS_SUCCESS);
    object_release(&native->object);
    object_release(&x64->object);
}

// A process that is ending takes nobody in any more.
KTEST(process_ending_refuses_threads_and_users)
{
    struct el0_process el0;
    KEXPECT(el0_create(&el0, "ending", el0_forever, el0_forever_end));
    struct thread *thread = el0_start(&el0, 0, 0);
    process_terminate(el0.process, 3, EXIT_NORMAL, NULL);
    process_terminate(el0.process, 4, EXIT_NORMAL, NULL);       // the first call has decided
    struct thread *late;
    KEXPECT(thread_create_user(el0.process, &late) == STATUS_SUCCESS);
    KEXPECT(process_attach_thread(el0.process, late) == STATUS_PROCESS_IS_TERMINATING);
    object_release(&late->object);
    KEXPECT(process_enter(el0.process) == STATUS_PROCESS_IS_TERMINATING);
    el0_join(thread);
    KEXPECT(el0_finish(&el0, 5000000000, NULL) == 3);
}

// ---- noise as x64 code ----

static uint64_t noise_state;
static uint64_t noise(void)
{
    noise_state ^= noise_state << 13;
    noise_state ^= noise_state >> 7;
    noise_state ^= noise_state << 17;
    return noise_state;
}

enum { NOISE_CODE_BYTES = 8192, NOISE_ROUNDS = 150 };

// Random bytes, sprinkled with ordinary instructions so that some of it runs for a while.
static void write_noise(struct aspace *as, uva_t code)
{
    static const uint8_t pieces[][8] = {
        { 0x48, 0x01, 0xd8 }, { 0x48, 0x89, 0x03 }, { 0x48, 0x8b, 0x0b }, { 0x50, 0x58 }, { 0x0f, 0x05 }, { 0xc3 }, { 0xeb, 0x10 },
        { 0xe8, 0, 1, 0, 0 }, { 0xff, 0xe0 }, { 0x74, 0xf0 }, { 0xf3, 0xa4 }, { 0x66, 0x0f, 0x58, 0xc1 }, { 0xf0, 0x48, 0x0f, 0xb1, 0x0b },
        { 0x0f, 0xae, 0x13 }, { 0xcc }, { 0xcd, 0x29 },
    };
    uint8_t bytes[256];
    for (uint64_t at = 0; at < NOISE_CODE_BYTES; at += sizeof bytes) {
        for (unsigned i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)(noise() >> 20);
        for (unsigned i = 0; i + 8 < sizeof bytes; i += 1 + noise() % 12)
            if (noise() % 3)
                memcpy(bytes + i, pieces[noise() % (sizeof pieces / sizeof *pieces)], 1 + noise() % 7);
        KEXPECT(aspace_write(as, code + at, bytes, sizeof bytes) == sizeof bytes);
    }
}

static void run_noise(void)
{
    struct process *process;
    struct thread *thread;
    uva_t code = 0, stack = 0;
    uint64_t code_size = NOISE_CODE_BYTES, stack_size = 65536;
    KEXPECT(process_create_bare("noise", MACHINE_X64, &process) == STATUS_SUCCESS);
    struct aspace *as = process->aspace;
    KEXPECT(emu_process_create(as, &process->emu) == STATUS_SUCCESS);
    KEXPECT(aspace_allocate(as, &code, &code_size, PAGE_EXECUTE_READWRITE, REGION_COMMIT) == STATUS_SUCCESS);
    KEXPECT(aspace_allocate(as, &stack, &stack_size, PAGE_READWRITE, REGION_COMMIT) == STATUS_SUCCESS);
    write_noise(as, code);
    KEXPECT(thread_create_user(process, &thread) == STATUS_SUCCESS);
    KEXPECT(emu_thread_create(process->emu, &thread->cpu_area) == STATUS_SUCCESS);
    struct trap_frame *frame = thread_frame(thread);
    for (unsigned i = 0; i < 31; i++)
        frame->x[i] = noise() % 4 == 0 ? noise() : noise() % 2 ? code + noise() % NOISE_CODE_BYTES : stack + noise() % stack_size;
    frame->sp = stack + 32768 + noise() % 64;
    emu_enter(process->emu, frame, thread->cpu_area, code + noise() % NOISE_CODE_BYTES, (uint32_t)noise() & 0xcd5);
    KEXPECT(process_attach_thread(process, thread) == STATUS_SUCCESS);
    scheduler_start(thread);
    object_release(&thread->object);
    struct el0_process el0 = { .process = process };
    el0_finish(&el0, 20000000, NULL);
}

KTEST(process_x64_noise_harms_nobody)
{
    noise_state = 0x2545f4914f6cdd1d;
    log_set_level(LOG_ERROR + 1);
    run_noise();                        // what the translator keeps for good is taken now
    for (unsigned round = 0; round < NOISE_ROUNDS; round++)
        run_noise();
    log_set_level(LOG_INFO);
}

KTEST(process_wall_clock_goes_with_the_other)
{
    uint64_t now = time_ns();
    uint64_t wall = wall_clock_ns();
    if (!wall)
        return;                         // no clock in this machine
    KEXPECT(wall > 1600000000ull * 1000000000 && wall < 4294967296ull * 1000000000);
    wait_sleep(3000000);
    uint64_t wall_moved = wall_clock_ns() - wall;
    uint64_t moved = time_ns() - now;
    KEXPECT(wall_moved >= 3000000 && wall_moved <= moved);
}

// A suspended thread that nobody has a handle to belongs to its process and goes with it.
KTEST(process_takes_its_suspended_threads_along)
{
    struct el0_process el0;
    struct thread *thread;
    KEXPECT(el0_create(&el0, "suspended", el0_forever, el0_forever_end));
    for (int i = 0; i < 3; i++) {
        KEXPECT(thread_create_user(el0.process, &thread) == STATUS_SUCCESS);
        KEXPECT(process_attach_thread(el0.process, thread) == STATUS_SUCCESS);
        object_release(&thread->object);
    }
    KEXPECT(el0.process->thread_count == 3);
    KEXPECT(el0_finish(&el0, 10000000, NULL) == STATUS_TIMEOUT);
}
