// SPDX-License-Identifier: MIT
// System calls on address spaces: memory, images, memory of other processes.
#include "emu/run/emu.h"
#include "kernel/bootfile.h"
#include "kernel/image_object.h"
#include "kernel/log.h"
#include "kernel/process.h"
#include "kernel/syscall.h"
#include "kernel/thread.h"
#include "loader/map/image_section.h"
#include "mm/heap.h"
#include "mm/user.h"

enum { MEM_RESET = 0x80000, MEM_TOP_DOWN = 0x100000, GRANULE = 0x10000 };

struct range { uint64_t base, size; };

static status_t range_in(uint64_t base, uint64_t size, struct range *range)
{
    status_t status = user_copy_in(&range->base, base, 8);
    return status == STATUS_SUCCESS ? user_copy_in(&range->size, size, 8) : status;
}

static status_t range_out(uint64_t base, uint64_t size, const struct range *range)
{
    status_t status = user_copy_out(base, &range->base, 8);
    return status == STATUS_SUCCESS ? user_copy_out(size, &range->size, 8) : status;
}

// Every page the range touches; false when it runs past the user half.
static bool range_round(struct range *range, uint64_t unit)
{
    if (range->base >= USER_HIGHEST * 2 || range->size > USER_HIGHEST * 2)
        return false;
    uint64_t end = (range->base + range->size + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    range->base &= ~(unit - 1);
    range->size = end - range->base;
    return true;
}

static status_t allocate(struct process *process, struct range *range, uint32_t type, uint32_t protect, uint32_t flags)
{
    uint32_t region = (flags & VM_EC_CODE ? REGION_EC : 0) | (type & MEM_TOP_DOWN ? REGION_TOP_DOWN : 0);
    bool reserve = (type & MEM_RESERVE) || range->base == 0;
    if (range->size == 0 || !range_round(range, reserve ? GRANULE : PAGE_BYTES))
        return STATUS_INVALID_PARAMETER;
    if (reserve)
        return aspace_allocate(process->aspace, &range->base, &range->size, protect, region | (type & MEM_COMMIT ? REGION_COMMIT : 0));
    return aspace_commit(process->aspace, range->base, range->size, protect, region);
}

status_t sys_vm_allocate(uint64_t handle, uint64_t base, uint64_t size, uint64_t type, uint64_t protect, uint64_t flags)
{
    struct process *process;
    struct range range;
    if ((type & ~(uint64_t)(MEM_COMMIT | MEM_RESERVE | MEM_RESET | MEM_TOP_DOWN)) || (flags & ~(uint64_t)VM_EC_CODE)
        || protect > UINT32_MAX)
        return STATUS_INVALID_PARAMETER;
    status_t status = range_in(base, size, &range);
    if (status != STATUS_SUCCESS)
        return status;
    if (type == MEM_RESET)                  // contents may be dropped: they are kept
        return STATUS_SUCCESS;
    if (!(type & (MEM_COMMIT | MEM_RESERVE)) || (type & MEM_RESET))
        return STATUS_INVALID_PARAMETER;
    status = syscall_enter(handle, RIGHT_MEMORY, &process);
    if (status != STATUS_SUCCESS)
        return status;
    bool fresh = range.base == 0 || (type & MEM_RESERVE);
    status = process->emu || !flags ? allocate(process, &range, (uint32_t)type, (uint32_t)protect, (uint32_t)flags)
                                    : STATUS_INVALID_PARAMETER;
    if (status == STATUS_SUCCESS) {
        status = range_out(base, size, &range);
        if (status != STATUS_SUCCESS && fresh)
            aspace_release(process->aspace, range.base, 0);
    }
    syscall_leave(process);
    return status;
}

// Of the reservation that begins at base; 0: none does.
static uint64_t reservation_bytes(struct aspace *as, uint64_t base)
{
    uint64_t bytes = 0;
    struct vm_info info;
    while (aspace_query(as, base + bytes, &info) == STATUS_SUCCESS && info.allocation_base == base)
        bytes = info.base + info.size - base;
    return bytes;
}

status_t sys_vm_free(uint64_t handle, uint64_t base, uint64_t size, uint64_t type)
{
    struct process *process;
    struct range range;
    if (type != MEM_DECOMMIT && type != MEM_RELEASE)
        return STATUS_INVALID_PARAMETER;
    status_t status = range_in(base, size, &range);
    if (status != STATUS_SUCCESS)
        return status;
    if (range.size && !range_round(&range, PAGE_BYTES))
        return STATUS_INVALID_PARAMETER;
    status = syscall_enter(handle, RIGHT_MEMORY, &process);
    if (status != STATUS_SUCCESS)
        return status;
    struct vm_info info;
    if (range.size == 0 && aspace_query(process->aspace, range.base, &info) == STATUS_SUCCESS)
        range.base = info.allocation_base && range.base - info.allocation_base < PAGE_BYTES ? info.allocation_base : range.base;
    uint64_t bytes = range.size ? range.size : reservation_bytes(process->aspace, range.base);
    status = type == MEM_DECOMMIT ? aspace_decommit(process->aspace, range.base, range.size)
                                  : aspace_release(process->aspace, range.base, range.size);
    if (status == STATUS_SUCCESS && process->emu && type == MEM_RELEASE)
        emu_invalidate(process->aspace, range.base, bytes);      // it may come back as x64 code
    if (status == STATUS_SUCCESS)
        status = range_out(base, size, &range);
    syscall_leave(process);
    return status;
}

status_t sys_vm_protect(uint64_t handle, uint64_t base, uint64_t size, uint64_t protect, uint64_t old)
{
    struct process *process;
    struct range range;
    uint32_t before = 0;
    if (protect > UINT32_MAX)
        return STATUS_INVALID_PARAMETER;
    status_t status = range_in(base, size, &range);
    if (status == STATUS_SUCCESS && old)
        status = user_copy_out(old, &before, sizeof before);
    if (status != STATUS_SUCCESS)
        return status;
    if (range.size == 0 || !range_round(&range, PAGE_BYTES))
        return STATUS_INVALID_PARAMETER;
    status = syscall_enter(handle, RIGHT_MEMORY, &process);
    if (status != STATUS_SUCCESS)
        return status;
    status = aspace_protect(process->aspace, range.base, range.size, (uint32_t)protect, &before);
    if (status == STATUS_SUCCESS)
        status = range_out(base, size, &range);
    if (status == STATUS_SUCCESS && old)
        status = user_copy_out(old, &before, sizeof before);
    syscall_leave(process);
    return status;
}

status_t sys_vm_query(uint64_t handle, uint64_t address, uint64_t out)
{
    struct process *process;
    struct vm_info info;
    status_t status = syscall_enter(handle, RIGHT_QUERY, &process);
    if (status != STATUS_SUCCESS)
        return status;
    status = aspace_query(process->aspace, address, &info);
    if (status == STATUS_SUCCESS)
        status = user_copy_out(out, &info, sizeof info);
    syscall_leave(process);
    return status;
}

status_t sys_cache_flush(uint64_t handle, uint64_t base, uint64_t size)
{
    struct process *process;
    struct range range = { base, size };
    status_t status = syscall_enter(handle, RIGHT_MEMORY, &process);
    if (status != STATUS_SUCCESS)
        return status;
    // Native code needs nothing: a page becomes executable only through mm, which makes the caches agree.
    if (!range_round(&range, PAGE_BYTES))
        status = STATUS_INVALID_PARAMETER;
    else if (process->emu)
        emu_invalidate(process->aspace, range.base, range.size);
    syscall_leave(process);
    return status;
}

// Between the caller and another process by way of a page of the kernel's.
enum direction { FROM_PROCESS, TO_PROCESS };

static status_t copy_between(struct process *process, enum direction direction, uint64_t address, uint64_t buffer, uint64_t size,
                             uint64_t *done)
{
    uint8_t bounce[PAGE_BYTES];
    *done = 0;
    while (*done < size) {
        uint64_t left = size - *done, part = left < sizeof bounce ? left : sizeof bounce, moved;
        status_t status;
        if (direction == FROM_PROCESS) {
            moved = aspace_read(process->aspace, address + *done, bounce, part, ACCESS_READ);
            status = user_copy_out(buffer + *done, bounce, moved);
        } else {
            status = user_copy_in(bounce, buffer + *done, part);
            moved = status == STATUS_SUCCESS ? aspace_write(process->aspace, address + *done, bounce, part) : 0;
        }
        if (status != STATUS_SUCCESS)
            return status;
        *done += moved;
        if (moved < part)
            return STATUS_ACCESS_VIOLATION;
        if (thread_current()->terminating)
            return STATUS_PROCESS_IS_TERMINATING;
    }
    return STATUS_SUCCESS;
}

static status_t copy_call(uint64_t handle, uint32_t right, enum direction direction, uint64_t address, uint64_t buffer,
                          uint64_t size, uint64_t out)
{
    struct process *process;
    uint64_t done = 0;
    status_t status = syscall_enter(handle, right, &process);
    if (status != STATUS_SUCCESS)
        return status;
    status = copy_between(process, direction, address, buffer, size, &done);
    if (out) {
        status_t stored = user_copy_out(out, &done, sizeof done);
        status = status == STATUS_SUCCESS ? stored : status;
    }
    syscall_leave(process);
    return status;
}

status_t sys_vm_read(uint64_t handle, uint64_t address, uint64_t buffer, uint64_t size, uint64_t done)
{
    return copy_call(handle, RIGHT_READ, FROM_PROCESS, address, buffer, size, done);
}

status_t sys_vm_write(uint64_t handle, uint64_t address, uint64_t buffer, uint64_t size, uint64_t done)
{
    return copy_call(handle, RIGHT_WRITE, TO_PROCESS, address, buffer, size, done);
}

// ---- images ----

static void refused(const char *why)
{
    struct process *process = thread_current()->process;
    log_warning("%s: %s", process->name, why);
    process_note(process, why);
}

status_t sys_image_open(uint64_t path, uint64_t bytes, uint64_t out)
{
    char text[BOOTFILE_PATH_MOST + 1], why[256];
    struct image_section *section;
    struct image_object *image;
    status_t status = syscall_text(path, bytes, text, sizeof text);
    if (status != STATUS_SUCCESS)
        return status;
    status = image_open_path(text, bytes, &section, why, sizeof why);
    if (status == STATUS_INVALID_IMAGE_FORMAT)
        refused(why);
    if (status != STATUS_SUCCESS)
        return status;
    status = image_object_take(section, &image);
    return status == STATUS_SUCCESS ? syscall_give(&image->object, RIGHT_READ | RIGHT_QUERY | RIGHT_DUPLICATE, out) : status;
}

status_t sys_image_map(uint64_t handle, uint64_t target, uint64_t base, uint64_t size)
{
    struct object *image;
    struct process *process;
    struct range range;
    status_t status = range_in(base, size, &range);
    if (status == STATUS_SUCCESS)
        status = syscall_object(handle, OBJECT_IMAGE, RIGHT_READ, &image, NULL);
    if (status != STATUS_SUCCESS)
        return status;
    status = syscall_enter(target, RIGHT_MEMORY, &process);
    if (status == STATUS_SUCCESS) {
        struct image_refusal refusal = { 0 };
        status = image_section_map(((struct image_object *)image)->section, process->aspace, process->machine, &range.base,
                                   &range.size, &refusal);
        if (NT_ERROR(status) && refusal.text[0])
            refused(refusal.text);
        if (!NT_ERROR(status)) {
            status_t stored = range_out(base, size, &range);
            if (stored != STATUS_SUCCESS) {
                image_section_unmap(process->aspace, range.base);
                status = stored;
            }
        }
        syscall_leave(process);
    }
    object_release(image);
    return status;
}

status_t sys_imports_bound(uint64_t slots, uint64_t auxiliary, uint64_t copy, uint64_t count)
{
    struct process *process = thread_current()->process;
    return process->emu ? emu_bind_imports(process->emu, slots, auxiliary, copy, count) : STATUS_NOT_SUPPORTED;
}

status_t sys_view_unmap(uint64_t target, uint64_t base)
{
    struct process *process;
    status_t status = syscall_enter(target, RIGHT_MEMORY, &process);
    if (status != STATUS_SUCCESS)
        return status;
    status = image_section_unmap(process->aspace, base);
    if (status == STATUS_SUCCESS && process->emu)
        emu_invalidate(process->aspace, base, USER_HIGHEST - base);
    syscall_leave(process);
    return status;
}
