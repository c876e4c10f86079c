// SPDX-License-Identifier: MIT
// System calls on files and console streams.
#include "kernel/file.h"
#include "kernel/syscall.h"
#include "mm/user.h"

// Console streams by name, as Windows programs open them.
static enum stream device_of(const char *path)
{
    static const struct { const char *name; enum stream stream; } devices[] = {
        { "CONIN$", STREAM_INPUT }, { "CONOUT$", STREAM_OUTPUT }, { "NUL", STREAM_NULL },
    };
    for (unsigned i = 0; i < sizeof devices / sizeof *devices; i++) {
        const char *a = path, *b = devices[i].name;
        while (*a && (*a == *b || (*a >= 'a' && *a <= 'z' && *a - 32 == *b)))
            a++, b++;
        if (!*a && !*b)
            return devices[i].stream;
    }
    return STREAM_NONE;
}

status_t sys_file_open(uint64_t path, uint64_t bytes, uint64_t access, uint64_t disposition, uint64_t out)
{
    char text[BOOTFILE_PATH_MOST + 1];
    struct bootfile *node;
    struct file *file;
    if (access == 0 || access > (FILE_READ | FILE_WRITE) || disposition > FILE_TRUNCATE)
        return STATUS_INVALID_PARAMETER;
    status_t status = syscall_text(path, bytes, text, sizeof text);
    if (status != STATUS_SUCCESS)
        return status;
    uint32_t rights = RIGHT_QUERY | RIGHT_DUPLICATE | (access & FILE_READ ? RIGHT_READ : 0)
                    | (access & FILE_WRITE ? RIGHT_WRITE | RIGHT_MODIFY : 0);
    enum stream stream = device_of(text);
    if (stream != STREAM_NONE) {
        status = file_stream(stream, &file);
    } else {
        if (disposition == FILE_TRUNCATE && !(access & FILE_WRITE))
            return STATUS_ACCESS_DENIED;
        status = bootfile_open(text, bytes, (enum file_disposition)disposition, &node);
        if (status == STATUS_SUCCESS)
            status = file_take(node, &file);
    }
    return status == STATUS_SUCCESS ? syscall_give(&file->object, rights, out) : status;
}

typedef status_t transfer(struct file *file, uint64_t offset, uint64_t buffer, uint64_t bytes, uint64_t *done);

static status_t transfer_call(uint64_t handle, uint32_t right, transfer *run, uint64_t offset, uint64_t buffer, uint64_t bytes,
                              uint64_t out)
{
    struct object *file;
    uint64_t done = 0;
    // Before anything moves: the place for the count must be writable.
    status_t status = user_copy_out(out, &done, sizeof done);
    if (status == STATUS_SUCCESS)
        status = syscall_object(handle, OBJECT_FILE, right, &file, NULL);
    if (status != STATUS_SUCCESS)
        return status;
    status = run((struct file *)file, offset, buffer, bytes, &done);
    object_release(file);
    status_t stored = user_copy_out(out, &done, sizeof done);
    return status == STATUS_SUCCESS ? stored : status;
}

status_t sys_file_read(uint64_t handle, uint64_t offset, uint64_t buffer, uint64_t bytes, uint64_t done)
{
    return transfer_call(handle, RIGHT_READ, file_read, offset, buffer, bytes, done);
}

status_t sys_file_write(uint64_t handle, uint64_t offset, uint64_t buffer, uint64_t bytes, uint64_t done)
{
    return transfer_call(handle, RIGHT_WRITE, file_write, offset, buffer, bytes, done);
}

status_t sys_file_query(uint64_t handle, uint64_t out)
{
    struct object *file;
    struct file_info info;
    status_t status = syscall_object(handle, OBJECT_FILE, RIGHT_QUERY, &file, NULL);
    if (status != STATUS_SUCCESS)
        return status;
    file_query((struct file *)file, &info);
    object_release(file);
    return user_copy_out(out, &info, sizeof info);
}

status_t sys_file_seek(uint64_t handle, uint64_t position)
{
    struct object *object;
    // Who may read or write may also say where: the position belongs to the handle's open file.
    status_t status = syscall_object(handle, OBJECT_FILE, RIGHT_QUERY, &object, NULL);
    if (status != STATUS_SUCCESS)
        return status;
    struct file *file = (struct file *)object;
    if (file->stream == STREAM_NONE && position <= INT64_MAX)
        file->position = position;
    else
        status = STATUS_INVALID_PARAMETER;
    object_release(object);
    return status;
}

status_t sys_file_resize(uint64_t handle, uint64_t bytes)
{
    struct object *object;
    status_t status = syscall_object(handle, OBJECT_FILE, RIGHT_MODIFY, &object, NULL);
    if (status != STATUS_SUCCESS)
        return status;
    struct file *file = (struct file *)object;
    status = file->stream == STREAM_NONE ? bootfile_resize(file->node, bytes) : STATUS_INVALID_PARAMETER;
    object_release(object);
    return status;
}

status_t sys_file_enumerate(uint64_t path, uint64_t bytes, uint64_t index, uint64_t out)
{
    char text[BOOTFILE_PATH_MOST + 1];
    struct file_entry entry;
    status_t status = syscall_text(path, bytes, text, sizeof text);
    if (status == STATUS_SUCCESS)
        status = bootfile_enumerate(text, bytes, index, &entry);
    return status == STATUS_SUCCESS ? user_copy_out(out, &entry, sizeof entry) : status;
}

status_t sys_file_delete(uint64_t path, uint64_t bytes)
{
    char text[BOOTFILE_PATH_MOST + 1];
    status_t status = syscall_text(path, bytes, text, sizeof text);
    return status == STATUS_SUCCESS ? bootfile_delete(text, bytes) : status;
}
