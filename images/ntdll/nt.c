// SPDX-License-Identifier: MIT
// Nt functions: the NT API's shapes over the kernel's system calls. Each checks what it does not support and says so.
#include "images/ntdll/internal.h"

static uint64_t object(HANDLE h) { return (uint64_t)h; }

NTSTATUS NTAPI NtClose(HANDLE handle) { return SYS(handle_close, handle); }

NTSTATUS NTAPI NtTerminateProcess(HANDLE process, NTSTATUS status) {
    return SYS(process_terminate, process ? object(process) : HANDLE_CURRENT_PROCESS, (uint32_t)status);
}

// ---- memory -----------------------------------------------------------------------------------------------------------
NTSTATUS NTAPI NtAllocateVirtualMemory(HANDLE process, PVOID *base, ULONG_PTR zero_bits, PSIZE_T size, ULONG type, ULONG protect) {
    if (zero_bits) return STATUS_NOT_SUPPORTED;
    return SYS(vm_allocate, process, base, size, type, protect, 0);
}
// Extended parameters: attribute flags (type 5) only.
NTSTATUS NTAPI NtAllocateVirtualMemoryEx(HANDLE process, PVOID *base, PSIZE_T size, ULONG type, ULONG protect,
                                         MEM_EXTENDED_PARAMETER *parameters, ULONG count) {
    uint64_t flags = 0;
    bool seen = false;
    for (ULONG i = 0; i < count; i++) {
        if ((parameters[i].Type & 0xff) != 5) return STATUS_NOT_SUPPORTED;
        if (seen) return STATUS_INVALID_PARAMETER;
        seen = true;
        flags = parameters[i].ULong64;
    }
    if (flags & ~(uint64_t)VM_EC_CODE) return STATUS_NOT_SUPPORTED;
    return SYS(vm_allocate, process, base, size, type, protect, flags);
}
NTSTATUS NTAPI NtFreeVirtualMemory(HANDLE process, PVOID *base, PSIZE_T size, ULONG type) {
    return SYS(vm_free, process, base, size, type);
}
NTSTATUS NTAPI NtProtectVirtualMemory(HANDLE process, PVOID *base, PSIZE_T size, ULONG protect, PULONG old) {
    return SYS(vm_protect, process, base, size, protect, old);
}
NTSTATUS NTAPI NtQueryVirtualMemory(HANDLE process, PVOID address, ULONG class, PVOID buffer, SIZE_T size, PSIZE_T done) {
    if (class) return STATUS_INVALID_INFO_CLASS;
    if (size < sizeof(struct vm_info)) return STATUS_INFO_LENGTH_MISMATCH;
    status_t status = SYS(vm_query, process, address, buffer);
    if (done && !NT_ERROR(status)) *done = sizeof(struct vm_info);
    return status;
}
NTSTATUS NTAPI NtReadVirtualMemory(HANDLE process, PVOID address, PVOID buffer, SIZE_T size, PSIZE_T done) {
    uint64_t n = 0;
    status_t status = SYS(vm_read, process, address, buffer, size, &n);
    if (done) *done = n;
    return status;
}
NTSTATUS NTAPI NtWriteVirtualMemory(HANDLE process, PVOID address, PVOID buffer, SIZE_T size, PSIZE_T done) {
    uint64_t n = 0;
    status_t status = SYS(vm_write, process, address, buffer, size, &n);
    if (done) *done = n;
    return status;
}
// In this process there is nothing to do: the kernel sees stores into code, and makes the caches agree when a page becomes executable.
NTSTATUS NTAPI NtFlushInstructionCache(HANDLE process, PVOID base, SIZE_T size) {
    return process == (HANDLE)-1 ? STATUS_SUCCESS : SYS(cache_flush, process, base, size);
}

// ---- files ------------------------------------------------------------------------------------------------------------
// Synchronous: asynchronous procedure calls do not exist, an event is set when the transfer is done.
static NTSTATUS finish(status_t status, PIO_STATUS_BLOCK io, uint64_t done, HANDLE event) {
    io->Status = status;
    io->Information = done;
    if (event && !NT_ERROR(status)) SYS(event_set, event);
    return status;
}
static uint64_t offset_of(const LARGE_INTEGER *offset) {
    return !offset || offset->QuadPart < 0 ? UINT64_MAX : (uint64_t)offset->QuadPart;   // -2: the handle's own position
}
NTSTATUS NTAPI NtWriteFile(HANDLE file, HANDLE event, PIO_APC_ROUTINE apc, PVOID context, PIO_STATUS_BLOCK io, PVOID buffer,
                           ULONG bytes, PLARGE_INTEGER offset, PULONG key) {
    (void)context, (void)key;
    if (apc) return STATUS_NOT_SUPPORTED;
    uint64_t done = 0;
    status_t status = SYS(file_write, file, offset_of(offset), buffer, bytes, &done);
    return finish(status, io, done, event);
}
NTSTATUS NTAPI NtReadFile(HANDLE file, HANDLE event, PIO_APC_ROUTINE apc, PVOID context, PIO_STATUS_BLOCK io, PVOID buffer,
                          ULONG bytes, PLARGE_INTEGER offset, PULONG key) {
    (void)context, (void)key;
    if (apc) return STATUS_NOT_SUPPORTED;
    uint64_t done = 0;
    status_t status = SYS(file_read, file, offset_of(offset), buffer, bytes, &done);
    if (!NT_ERROR(status) && !done && bytes) status = STATUS_END_OF_FILE;
    return finish(status, io, done, event);
}

// ---- waiting and time ---------------------------------------------------------------------------------------------------
static uint64_t timeout_ns(const LARGE_INTEGER *timeout) {
    if (!timeout) return UINT64_MAX;
    if (timeout->QuadPart <= 0) return (uint64_t)-timeout->QuadPart * 100;
    uint64_t now = 0;
    SYS(clock_read, CLOCK_REALTIME_NS, &now);
    int64_t left = timeout->QuadPart - (int64_t)(now / 100 + 116444736000000000ull);
    return left > 0 ? (uint64_t)left * 100 : 0;
}
NTSTATUS NTAPI NtWaitForSingleObject(HANDLE handle, BOOLEAN alertable, PLARGE_INTEGER timeout) {
    (void)alertable;
    return SYS(wait, 1, &handle, 0, timeout_ns(timeout));
}
NTSTATUS NTAPI NtDelayExecution(BOOLEAN alertable, const LARGE_INTEGER *interval) {
    (void)alertable;
    return SYS(sleep, timeout_ns(interval));
}
NTSTATUS NTAPI NtYieldExecution(void) { return SYS(thread_yield); }
NTSTATUS NTAPI NtSetEvent(HANDLE event, PLONG previous) {
    if (previous) return STATUS_NOT_SUPPORTED;
    return SYS(event_set, event);
}
NTSTATUS NTAPI NtQuerySystemTime(PLARGE_INTEGER time) {
    uint64_t now = 0;
    status_t status = SYS(clock_read, CLOCK_REALTIME_NS, &now);
    time->QuadPart = (LONGLONG)(now / 100 + 116444736000000000ull);
    return status;
}
NTSTATUS NTAPI NtQueryPerformanceCounter(PLARGE_INTEGER counter, PLARGE_INTEGER frequency) {
    uint64_t now = 0;
    status_t status = SYS(clock_read, CLOCK_MONOTONIC_NS, &now);
    counter->QuadPart = (LONGLONG)(now / 100);
    if (frequency) frequency->QuadPart = 10000000;
    return status;
}
BOOL NTAPI RtlQueryPerformanceCounter(PLARGE_INTEGER counter) { return !NT_ERROR(NtQueryPerformanceCounter(counter, 0)); }
BOOL NTAPI RtlQueryPerformanceFrequency(PLARGE_INTEGER frequency) { frequency->QuadPart = 10000000; return TRUE; }

// ---- questions ----------------------------------------------------------------------------------------------------------
NTSTATUS NTAPI NtQueryInformationProcess(HANDLE process, PROCESSINFOCLASS class, PVOID buffer, ULONG bytes, PULONG done) {
    if (class != ProcessBasicInformation) return STATUS_INVALID_INFO_CLASS;
    struct { uint64_t exit, peb, affinity, priority, id, parent; } *out = buffer;
    if (bytes < sizeof *out) return STATUS_INFO_LENGTH_MISMATCH;
    struct process_basic basic;
    status_t status = SYS(process_query, process, PROCESS_BASIC, &basic, sizeof basic);
    if (NT_ERROR(status)) return status;
    out->exit = basic.running ? 0x103 : (uint32_t)basic.exit_status;
    out->peb = basic.peb;
    out->affinity = (1ull << PEB_FIELD(uint32_t, 0xb8)) - 1;
    out->priority = 8;
    out->id = basic.process_id;
    out->parent = 0;
    if (done) *done = sizeof *out;
    return STATUS_SUCCESS;
}
