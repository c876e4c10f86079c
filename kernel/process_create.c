// SPDX-License-Identifier: MIT
// A process from an image: what is mapped, what PEB and TEB say, and where its threads begin.
#include "emu/run/emu.h"
#include "kernel/bootfile.h"
#include "kernel/image_object.h"
#include "kernel/log.h"
#include "kernel/percpu.h"
#include "kernel/pmu.h"
#include "kernel/process.h"
#include "kernel/scheduler.h"
#include "kernel/shared_data.h"
#include "kernel/startup.h"
#include "kernel/status.h"
#include "kernel/thread.h"
#include "loader/map/image_section.h"
#include "mm/heap.h"

static const char NTDLL_PATH[] = "C:\\Windows\\System32\\ntdll.dll";

enum {
    STACK_DEFAULT = 1 << 20, STACK_LEAST = 64 << 10, STACK_MOST = 1 << 30,
    STACK_FIRST_COMMIT = 32 << 10,          // usable before the first guard page fault
    CHPE_INFO_OFFSET = 0xd00,               // CHPEV2_PROCESS_INFO, in Janus' own part of the PEB page
};

#define FIRST_ERROR(status, call) do { if (!NT_ERROR(status)) (status) = (call); } while (0)

static status_t put(struct process *process, uva_t at, const void *value, uint64_t bytes)
{
    return aspace_write(process->aspace, at, value, bytes) == bytes ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}

static status_t put_u64(struct process *process, uva_t at, uint64_t value)
{
    return put(process, at, &value, sizeof value);
}

static status_t kernel_pages(struct process *process, uint64_t bytes, uva_t *base)
{
    *base = 0;
    return aspace_allocate(process->aspace, base, &bytes, PAGE_READWRITE, REGION_COMMIT | REGION_KERNEL | REGION_TOP_DOWN);
}

// ---- images ----

static const char *architecture_name(enum image_class class, uint16_t machine)
{
    if (machine == MACHINE_ARM64)
        return "Arm64";
    return class == IMAGE_X64 ? "x64" : "ARM64 (x64 compatible)";
}

// The machine of the process that an image makes; 0: none.
static uint16_t machine_for(enum image_class class, uint16_t wanted, uint16_t preferred)
{
    bool ec_view;
    uint16_t machine = wanted ? wanted
                     : class == IMAGE_ARM64X ? preferred
                     : class == IMAGE_ARM64 ? MACHINE_ARM64 : MACHINE_X64;
    return image_loads_in(class, machine, &ec_view) ? machine : 0;
}

static status_t map_image(struct process *process, struct image_section *section, uva_t *base, char *why, size_t why_bytes)
{
    struct image_refusal refusal = { 0 };
    uint64_t size = 0;
    *base = 0;
    status_t status = image_section_map(section, process->aspace, process->machine, base, &size, &refusal);
    if (NT_ERROR(status))
        format_text(why, why_bytes, "%s", refusal.text[0] ? refusal.text : status_text(status));
    return status;
}

static bool in_ec_view(const struct image_section *section, uint16_t machine)
{
    bool ec_view = false;
    image_loads_in(image_section_class(section), machine, &ec_view);
    return ec_view;
}

static uva_t ntdll_export(struct process *process, const char *name)
{
    uint32_t rva;
    bool ec_view = in_ec_view(process->ntdll, process->machine);
    status_t status = image_section_export(process->ntdll, ec_view, name, process->machine == MACHINE_X64, &rva);
    return NT_ERROR(status) ? 0 : process->ntdll_base + rva;
}

static status_t map_program(struct process *process, char *why, size_t why_bytes)
{
    status_t status = map_image(process, process->program, &process->program_base, why, why_bytes);
    if (NT_ERROR(status))
        return status;
    bool ec_view = in_ec_view(process->program, process->machine);
    const struct pe_facts *facts = &image_section_view(process->program, ec_view)->facts;
    process->entry_point = facts->entry_rva ? process->program_base + facts->entry_rva : 0;
    process->stack_reserve = facts->stack_reserve;
    if (pe_is_high_entropy(facts))
        aspace_set_lowest(process->aspace, USER_LOWEST_WIDE);
    process->architecture = architecture_name(image_section_class(process->program), process->machine);
    return STATUS_SUCCESS;
}

static status_t map_ntdll(struct process *process, char *why, size_t why_bytes)
{
    status_t status = image_open_path(NTDLL_PATH, sizeof NTDLL_PATH - 1, &process->ntdll, why, why_bytes);
    if (!NT_ERROR(status))
        status = map_image(process, process->ntdll, &process->ntdll_base, why, why_bytes);
    if (NT_ERROR(status))
        return status;
    process->initialize_thunk = ntdll_export(process, "LdrInitializeThunk");
    process->exception_dispatcher = ntdll_export(process, "KiUserExceptionDispatcher");
    if (!process->initialize_thunk) {
        format_text(why, why_bytes, "ntdll.dll does not export LdrInitializeThunk");
        return STATUS_ENTRYPOINT_NOT_FOUND;
    }
    return STATUS_SUCCESS;
}

// ---- PEB and startup block ----

static status_t copy_startup(struct process *process, const struct process_plan *plan, uva_t *at)
{
    struct startup_block head = *(const struct startup_block *)plan->startup;
    status_t status = STATUS_SUCCESS;
    for (unsigned i = 0; i < 3; i++) {
        head.standard[i] = 0;
        if (plan->standard[i])
            FIRST_ERROR(status, handle_insert(&process->handles, plan->standard[i], plan->standard_rights[i], &head.standard[i]));
    }
    FIRST_ERROR(status, kernel_pages(process, head.bytes, at));
    FIRST_ERROR(status, put(process, *at, plan->startup, head.bytes));
    FIRST_ERROR(status, put(process, *at, &head, sizeof head));
    return status;
}

static status_t build_peb(struct process *process, const struct process_plan *plan)
{
    uva_t startup = 0;
    uint32_t cpus = cpu_count, pmu = pmu_available();
    status_t status = copy_startup(process, plan, &startup);
    FIRST_ERROR(status, kernel_pages(process, PEB_BYTES, &process->peb));
    FIRST_ERROR(status, put_u64(process, process->peb + PEB_IMAGE_BASE, process->program_base));
    FIRST_ERROR(status, put_u64(process, process->peb + PEB_JANUS_STARTUP, startup));
    FIRST_ERROR(status, put_u64(process, process->peb + PEB_JANUS_NTDLL, process->ntdll_base));
    FIRST_ERROR(status, put(process, process->peb + PEB_JANUS_CPU_COUNT, &cpus, sizeof cpus));
    FIRST_ERROR(status, put(process, process->peb + PEB_JANUS_PMU, &pmu, sizeof pmu));
    if (process->machine == MACHINE_X64) {
        struct { uint32_t execute_flags; uint16_t native, emulated; } chpe = { 0, MACHINE_ARM64, MACHINE_X64 };
        FIRST_ERROR(status, put(process, process->peb + CHPE_INFO_OFFSET, &chpe, sizeof chpe));
        FIRST_ERROR(status, put_u64(process, process->peb + PEB_CHPE_PROCESS_INFO, process->peb + CHPE_INFO_OFFSET));
        FIRST_ERROR(status, put_u64(process, process->peb + PEB_EC_BITMAP, EC_BITMAP_BASE));
    }
    return status;
}

// ---- threads ----

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

// Reserved whole, committed at the top; the guard page below moves down by itself (mm/aspace.h).
static status_t make_stack(struct process *process, struct thread *thread, uint64_t bytes, uva_t *usable)
{
    if (bytes == 0)
        bytes = process->stack_reserve ? process->stack_reserve : STACK_DEFAULT;
    if (bytes > STACK_MOST)
        return STATUS_NO_MEMORY;
    bytes = round_up(bytes < STACK_LEAST ? STACK_LEAST : bytes, 0x10000);
    uva_t base = 0;
    uint64_t size = bytes;
    status_t status = aspace_allocate(process->aspace, &base, &size, PAGE_READWRITE, 0);
    if (NT_ERROR(status))
        return status;
    thread->stack_limit = base;
    thread->stack_base = base + bytes;
    *usable = thread->stack_base - STACK_FIRST_COMMIT;
    FIRST_ERROR(status, aspace_commit(process->aspace, *usable, STACK_FIRST_COMMIT, PAGE_READWRITE, 0));
    FIRST_ERROR(status, aspace_commit(process->aspace, *usable - PAGE_BYTES, PAGE_BYTES, PAGE_READWRITE | PAGE_GUARD, 0));
    FIRST_ERROR(status, aspace_mark_stack(process->aspace, base, thread->teb + TEB_STACK_LIMIT));
    return status;
}

static status_t build_teb(struct process *process, struct thread *thread, uint64_t stack_bytes)
{
    uva_t usable = 0;
    status_t status = kernel_pages(process, TEB_BYTES, &thread->teb);
    FIRST_ERROR(status, make_stack(process, thread, stack_bytes, &usable));
    if (process->emu)
        FIRST_ERROR(status, emu_thread_create(process->emu, &thread->cpu_area));
    const struct { uint32_t offset; uint64_t value; } fields[] = {
        { TEB_STACK_BASE, thread->stack_base }, { TEB_STACK_LIMIT, usable }, { TEB_DEALLOCATION_STACK, thread->stack_limit },
        { TEB_SELF, thread->teb }, { TEB_PEB, process->peb }, { TEB_PROCESS_ID, process->id }, { TEB_THREAD_ID, thread->id },
        { TEB_CPU_AREA, thread->cpu_area },
    };
    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++)
        FIRST_ERROR(status, put_u64(process, thread->teb + fields[i].offset, fields[i].value));
    return status;
}

// The thread does not come to be: what it has in the address space goes back.
static void unbuild(struct process *process, struct thread *thread)
{
    if (thread->cpu_area)
        emu_thread_destroy(process->emu, thread->cpu_area);
    if (thread->stack_limit)
        aspace_unmap(process->aspace, thread->stack_limit);
    if (thread->teb)
        aspace_unmap(process->aspace, thread->teb);
}

status_t process_create_thread(struct process *process, uint64_t start, uint64_t argument, uint64_t stack_bytes, bool first,
                               struct thread **out)
{
    struct thread *thread;
    if (process->emu && !first && process != thread_current()->process && process->thread_count == 1)
        return STATUS_NOT_SUPPORTED;
    status_t status = thread_create_user(process, &thread);
    if (NT_ERROR(status))
        return status;
    status = build_teb(process, thread, stack_bytes);
    // Before the second thread can run: what it sees of the first one's stores must be in x86 order from now on.
    if (process->emu && !first)
        FIRST_ERROR(status, emu_process_make_tso(process->emu));
    struct trap_frame *frame = thread_frame(thread);
    frame->elr = process->initialize_thunk;
    frame->sp = thread->stack_base - 64;
    frame->x[0] = start;
    frame->x[1] = argument;
    frame->x[2] = first;
    frame->x[18] = thread->teb;
    if (process->emu)
        frame->x[14] = emu_shadow_start(thread->cpu_area);
    FIRST_ERROR(status, process_attach_thread(process, thread));
    if (NT_ERROR(status)) {
        unbuild(process, thread);
        object_release(&thread->object);
        return status;
    }
    *out = thread;
    return STATUS_SUCCESS;
}

// ---- all of it ----

static const char *last_component(const char *path)
{
    const char *name = path;
    for (; *path; path++)
        if (*path == '\\' || *path == '/')
            name = path + 1;
    return name;
}

static size_t text_length(const char *text)
{
    size_t n = 0;
    while (text[n])
        n++;
    return n;
}

// Everything from the mappings on; what was made so far is taken apart with the process.
static status_t furnish(struct process *process, const struct process_plan *plan, struct thread **thread, char *why, size_t why_bytes)
{
    status_t status = STATUS_SUCCESS;
    if (process->machine == MACHINE_X64)
        status = emu_process_create(process->aspace, &process->emu);
    FIRST_ERROR(status, shared_data_map(process->aspace));
    FIRST_ERROR(status, map_program(process, why, why_bytes));
    FIRST_ERROR(status, map_ntdll(process, why, why_bytes));
    FIRST_ERROR(status, build_peb(process, plan));
    FIRST_ERROR(status, process_create_thread(process, process->entry_point, process->peb, 0, true, thread));
    if (NT_ERROR(status) && !why[0])
        format_text(why, why_bytes, "%s: %s", plan->path, status_text(status));
    return status;
}

status_t process_create(const struct process_plan *plan, struct process **out, struct thread **thread, char *why, size_t why_bytes)
{
    why[0] = 0;
    enum startup_status startup = startup_check(plan->startup, plan->startup_bytes);
    if (startup != STARTUP_OK) {
        format_text(why, why_bytes, "%s", startup_status_text(startup));
        return STATUS_INVALID_PARAMETER;
    }
    struct image_section *program;
    status_t status = image_open_path(plan->path, text_length(plan->path), &program, why, why_bytes);
    if (NT_ERROR(status))
        return status;
    uint16_t machine = machine_for(image_section_class(program), plan->machine, plan->preferred);
    struct process *process;
    if (!machine) {
        format_text(why, why_bytes, "%s: the image cannot be a process of machine 0x%x", plan->path, plan->machine);
        status = STATUS_IMAGE_MACHINE_TYPE_MISMATCH;
    } else {
        status = process_create_bare(last_component(plan->path), machine, &process);
    }
    if (NT_ERROR(status)) {
        image_section_give(program);
        return status;
    }
    process->program = program;
    status = furnish(process, plan, thread, why, why_bytes);
    if (NT_ERROR(status)) {
        process_leave(process);
        object_release(&process->object);
        return status;
    }
    process_leave(process);                 // the thread is its user now
    *out = process;
    return STATUS_SUCCESS;
}
