// SPDX-License-Identifier: MIT
// What a handle to a file names: an opening of a file of the tree with a position, or a console stream.
#pragma once
#include "kernel/abi/syscall.h"
#include "kernel/bootfile.h"
#include "kernel/object.h"

enum stream { STREAM_NONE, STREAM_INPUT, STREAM_OUTPUT, STREAM_ERROR, STREAM_NULL };

struct file {
    struct object object;
    enum stream stream;                     // STREAM_NONE: of the tree
    struct bootfile *node;
    uint64_t position;                      // of the handle; concurrent use of it is the program's business
};

// Both give one reference. file_take takes over the reference to the node, also when it fails.
status_t file_take(struct bootfile *node, struct file **out);
status_t file_stream(enum stream stream, struct file **out);

// To and from the current process's memory. offset UINT64_MAX: at the handle's position, which moves. *done: bytes.
status_t file_read(struct file *file, uint64_t offset, uint64_t buffer, uint64_t bytes, uint64_t *done);
status_t file_write(struct file *file, uint64_t offset, uint64_t buffer, uint64_t bytes, uint64_t *done);
void     file_query(struct file *file, struct file_info *out);
