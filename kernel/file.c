// SPDX-License-Identifier: MIT
#include "kernel/file.h"
#include "kernel/launcher.h"
#include "kernel/thread.h"
#include "mm/heap.h"
#include "mm/user.h"

// Between user memory, which may fault, and contents under a spinlock.
enum { BOUNCE_BYTES = 4096 };

static status_t file_new(enum stream stream, struct bootfile *node, struct file **out)
{
    struct file *file = heap_take(sizeof *file);
    if (!file)
        return STATUS_NO_MEMORY;
    object_init(&file->object, OBJECT_FILE);
    file->stream = stream;
    file->node = node;
    *out = file;
    return STATUS_SUCCESS;
}

status_t file_take(struct bootfile *node, struct file **out)
{
    status_t status = file_new(STREAM_NONE, node, out);
    if (status != STATUS_SUCCESS)
        bootfile_close(node);
    return status;
}

status_t file_stream(enum stream stream, struct file **out)
{
    return file_new(stream, NULL, out);
}

void file_destroy(struct object *object)
{
    struct file *file = (struct file *)object;
    if (file->node)
        bootfile_close(file->node);
    heap_give(file);
}

static status_t read_input(uint64_t buffer, uint64_t bytes, uint64_t *done)
{
    uint8_t bounce[BOUNCE_BYTES];
    size_t count;
    status_t status = launcher_read_input(bounce, bytes < BOUNCE_BYTES ? bytes : BOUNCE_BYTES, &count);
    if (status != STATUS_SUCCESS)
        return status;
    if (count == 0 && bytes)
        return STATUS_END_OF_FILE;
    *done = count;
    return user_copy_out(buffer, bounce, count);
}

static status_t read_node(struct file *file, uint64_t offset, uint64_t buffer, uint64_t bytes, uint64_t *done)
{
    uint8_t bounce[BOUNCE_BYTES];
    uint64_t at = offset == UINT64_MAX ? file->position : offset;
    status_t status = STATUS_SUCCESS;
    while (*done < bytes) {
        uint64_t left = bytes - *done;
        uint64_t count = bootfile_read(file->node, at + *done, bounce, left < BOUNCE_BYTES ? left : BOUNCE_BYTES);
        if (count == 0)
            break;
        status = user_copy_out(buffer + *done, bounce, count);
        if (status != STATUS_SUCCESS)
            break;
        *done += count;
    }
    if (offset == UINT64_MAX)
        file->position = at + *done;
    return status == STATUS_SUCCESS && *done == 0 && bytes ? STATUS_END_OF_FILE : status;
}

status_t file_read(struct file *file, uint64_t offset, uint64_t buffer, uint64_t bytes, uint64_t *done)
{
    *done = 0;
    switch (file->stream) {
    case STREAM_INPUT:
        return read_input(buffer, bytes, done);
    case STREAM_NONE:
        return bootfile_is_directory(file->node) ? STATUS_INVALID_PARAMETER : read_node(file, offset, buffer, bytes, done);
    case STREAM_NULL:
        return STATUS_END_OF_FILE;
    default:
        return STATUS_ACCESS_DENIED;
    }
}

status_t file_write(struct file *file, uint64_t offset, uint64_t buffer, uint64_t bytes, uint64_t *done)
{
    uint8_t bounce[BOUNCE_BYTES];
    *done = 0;
    if (file->stream == STREAM_INPUT)
        return STATUS_ACCESS_DENIED;
    uint64_t at = offset == UINT64_MAX ? file->position : offset;
    status_t status = STATUS_SUCCESS;
    while (*done < bytes && status == STATUS_SUCCESS) {
        uint64_t left = bytes - *done, count = left < BOUNCE_BYTES ? left : BOUNCE_BYTES;
        status = user_copy_in(bounce, buffer + *done, count);
        if (status == STATUS_SUCCESS && file->stream == STREAM_NONE)
            status = bootfile_write(file->node, at + *done, bounce, count);
        else if (status == STATUS_SUCCESS && file->stream != STREAM_NULL)
            launcher_frame(file->stream == STREAM_OUTPUT ? FRAME_STDOUT : FRAME_STDERR, bounce, count);
        if (status == STATUS_SUCCESS)
            *done += count;
        if (thread_current()->terminating)
            status = STATUS_PROCESS_IS_TERMINATING;
    }
    if (offset == UINT64_MAX)
        file->position = at + *done;
    return status;
}

void file_query(struct file *file, struct file_info *out)
{
    *out = (struct file_info){ .position = file->position };
    out->kind = file->stream == STREAM_NONE ? FILE_KIND_DISK : FILE_KIND_CONSOLE;
    if (file->stream == STREAM_NONE) {
        out->size = bootfile_size(file->node);
        out->is_directory = bootfile_is_directory(file->node);
    }
}
