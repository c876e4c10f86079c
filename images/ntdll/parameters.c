// SPDX-License-Identifier: MIT
// RTL_USER_PROCESS_PARAMETERS, built from the startup block, the PEB fields programs read, and the environment.
#include "images/ntdll/internal.h"

enum {                                              // offsets in RTL_USER_PROCESS_PARAMETERS
    P_FLAGS = 0x08, P_STANDARD = 0x20, P_DIRECTORY = 0x38, P_IMAGE = 0x60, P_COMMAND = 0x70, P_ENVIRONMENT = 0x80,
    P_TITLE = 0xb0, P_ENVIRONMENT_BYTES = 0x3f0, P_BYTES = 0x440,
};
static RTL_SRWLOCK environment_lock;

static uint8_t *parameters(void) { return (uint8_t *)PEB_FIELD(uint64_t, PEB_PARAMETERS); }

static void set_string(unsigned offset, struct startup_block *block, uint32_t at, uint32_t bytes) {
    unicode_set((UNICODE_STRING *)(parameters() + offset), (wchar_t *)((uint8_t *)block + at), bytes / 2);
}

void parameters_init(void) {
    struct startup_block *block = (void *)PEB_FIELD(uint64_t, PEB_JANUS_STARTUP);
    uint8_t *p = heap_get(P_BYTES);
    if (!p || !block || block->magic != STARTUP_MAGIC) fatal(STATUS_INVALID_PARAMETER, "the startup block is missing or malformed");
    PEB_FIELD(uint64_t, PEB_PARAMETERS) = (uint64_t)p;
    *(uint32_t *)p = *(uint32_t *)(p + 4) = P_BYTES;
    *(uint32_t *)(p + P_FLAGS) = 1;                 // normalised
    for (int i = 0; i < 3; i++) *(uint64_t *)(p + P_STANDARD + 8 * i) = block->standard[i];
    const wchar_t *directory = (wchar_t *)((uint8_t *)block + block->directory_offset);
    size_t chars = block->directory_bytes / 2;
    wchar_t with_slash[MAX_PATH_CHARS];
    if (chars > MAX_PATH_CHARS - 2) chars = MAX_PATH_CHARS - 2;
    memcpy(with_slash, directory, chars * 2);
    if (!chars) { memcpy(with_slash, L"C:\\app\\", 14); chars = 7; }
    else if (with_slash[chars - 1] != '\\') with_slash[chars++] = '\\';
    unicode_set((UNICODE_STRING *)(p + P_DIRECTORY), with_slash, chars);
    set_string(P_IMAGE, block, block->image_offset, block->image_bytes);
    set_string(P_COMMAND, block, block->command_offset, block->command_bytes);
    set_string(P_TITLE, block, block->image_offset, block->image_bytes);
    size_t bytes = block->environment_bytes;
    wchar_t *environment = heap_get(bytes + 4);     // ends with two nulls whatever the block held
    if (!environment) fatal(STATUS_NO_MEMORY, "no memory for the environment");
    memcpy(environment, (uint8_t *)block + block->environment_offset, bytes);
    *(uint64_t *)(p + P_ENVIRONMENT) = (uint64_t)environment;
    *(uint64_t *)(p + P_ENVIRONMENT_BYTES) = bytes + 4;

    uint32_t cpus = PEB_FIELD(uint32_t, PEB_JANUS_CPU_COUNT);
    PEB_FIELD(uint32_t, 0xb8) = cpus ? cpus : 1;    // NumberOfProcessors
    PEB_FIELD(uint32_t, 0x118) = 10;                // OSMajorVersion, minor, build, platform: Windows 11 23H2, the first
    PEB_FIELD(uint32_t, 0x11c) = 0;                 // with today's ARM64EC ABI
    PEB_FIELD(uint16_t, 0x120) = 22631;
    PEB_FIELD(uint32_t, 0x124) = 2;
    PEB_FIELD(uint32_t, 0x128) = 3;                 // console subsystem
    PEB_FIELD(uint32_t, 0x12c) = 10;
    PEB_FIELD(uint64_t, 0x88) = ~0ull;              // TlsBitmap fields are not published
}

// ---- environment ------------------------------------------------------------------------------------------------------
static wchar_t *environment(void) { return *(wchar_t **)(parameters() + P_ENVIRONMENT); }

static size_t block_chars(const wchar_t *e) {
    size_t n = 0;
    while (e[n]) n += wide_length(e + n) + 1;
    return n + 1;
}

// The entry named name[0..chars), or null.
static wchar_t *entry_find(wchar_t *e, const wchar_t *name, size_t chars) {
    for (; *e; e += wide_length(e) + 1) {
        size_t n = 1;                               // "=C:=..." entries begin with '='
        while (e[n] && e[n] != '=') n++;
        if (e[n] && wide_equal(e, n, name, chars)) return e;
    }
    return 0;
}

NTSTATUS NTAPI RtlQueryEnvironmentVariable_U(PWSTR env, PUNICODE_STRING name, PUNICODE_STRING value) {
    NTSTATUS status = (NTSTATUS)0xC0000100;         // STATUS_VARIABLE_NOT_FOUND
    RtlAcquireSRWLockExclusive(&environment_lock);
    size_t chars = name->Length / 2;
    wchar_t *e = entry_find(env ? env : environment(), name->Buffer, chars);
    if (e) {
        const wchar_t *text = e + chars + 1;
        size_t n = wide_length(text);
        value->Length = (USHORT)(n * 2);
        status = STATUS_SUCCESS;
        if (value->MaximumLength < n * 2) status = STATUS_BUFFER_TOO_SMALL;
        else memcpy(value->Buffer, text, n * 2);
        if (!status && value->MaximumLength > n * 2) value->Buffer[n] = 0;
    }
    RtlReleaseSRWLockExclusive(&environment_lock);
    return status;
}

// value null: remove. Entries stay in the order they were made; the whole block is replaced.
NTSTATUS NTAPI RtlSetEnvironmentVariable(PWSTR *env, PUNICODE_STRING name, PUNICODE_STRING value) {
    if (env) return STATUS_NOT_IMPLEMENTED;         // only the process's own environment changes
    if (!name->Length) return STATUS_INVALID_PARAMETER;
    size_t name_chars = name->Length / 2, value_chars = value ? value->Length / 2 : 0;
    RtlAcquireSRWLockExclusive(&environment_lock);
    wchar_t *old = environment(), *found = entry_find(old, name->Buffer, name_chars);
    size_t chars = block_chars(old), skip = found ? wide_length(found) + 1 : 0;
    wchar_t *fresh = heap_get((chars + name_chars + value_chars + 3) * 2);
    if (!fresh) { RtlReleaseSRWLockExclusive(&environment_lock); return STATUS_NO_MEMORY; }
    size_t before = found ? (size_t)(found - old) : chars - 1, n = before;
    memcpy(fresh, old, before * 2);
    if (value) {
        memcpy(fresh + n, name->Buffer, name_chars * 2);
        n += name_chars;
        fresh[n++] = '=';
        memcpy(fresh + n, value->Buffer, value_chars * 2);
        n += value_chars;
        fresh[n++] = 0;
    }
    memcpy(fresh + n, old + before + skip, (chars - before - skip) * 2);
    n += chars - before - skip;
    fresh[n] = 0;                                   // an empty block too ends with two nulls
    *(wchar_t **)(parameters() + P_ENVIRONMENT) = fresh;
    *(uint64_t *)(parameters() + P_ENVIRONMENT_BYTES) = (n + 1) * 2;
    RtlReleaseSRWLockExclusive(&environment_lock);
    heap_put(old);
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlCreateEnvironment(BOOLEAN inherit, PWSTR *out) {
    RtlAcquireSRWLockExclusive(&environment_lock);
    size_t chars = inherit ? block_chars(environment()) : 1;
    wchar_t *copy = heap_get((chars + 1) * 2);
    if (copy && inherit) memcpy(copy, environment(), chars * 2);
    RtlReleaseSRWLockExclusive(&environment_lock);
    *out = copy;
    return copy ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}
NTSTATUS NTAPI RtlDestroyEnvironment(PWSTR block) { heap_put(block); return STATUS_SUCCESS; }
