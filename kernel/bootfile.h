// SPDX-License-Identifier: MIT
// The files of the machine: a tree in memory, begun with what the launcher put into the initrd.
//
//   app/NAME     C:\app\NAME                  the current directory
//   system/NAME  C:\Windows\System32\NAME
//   janus/NAME   not in the tree: bootfile_janus
//
// Rules
//  - Paths are UTF-8. ASCII letters compare without regard to case; '\' and '/' are the same; a path without a drive is below
//    C:\app, one that begins with a separator below C:\; "\\?\" and "\??\" in front are skipped; "." and ".." work.
//  - Contents are shared with the initrd until somebody writes. Whoever reads them without the lock (image sections) pins
//    them; a write then goes to a copy, and the pinned bytes never change.
//  - Every change of contents gives a new identity: one number stands for the same bytes for ever.
//  - Lock: the file lock, of LOCK_OBJECT's rank, inside this file only. No user memory is touched under it.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "kernel/abi/ntstatus.h"
#include "kernel/abi/syscall.h"

enum { BOOTFILE_PATH_MOST = 1024 };

struct bootfile;                            // a file or directory; counted references
struct file_contents;                       // pinned bytes

// Builds the tree. An archive that is broken in the middle gives what came before it; the log says so.
status_t bootfile_start(const void *archive, uint64_t bytes);
// The contents of janus/NAME in the archive.
bool bootfile_janus(const char *name, const void **data, uint64_t *bytes);

// STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_NAME_COLLISION (FILE_CREATE_NEW), STATUS_NO_MEMORY, STATUS_INVALID_PARAMETER for a
// path that is none. A path that ends with a separator means a directory; FILE_CREATE_NEW and FILE_OPEN_OR_CREATE make it.
status_t bootfile_open(const char *path, size_t path_bytes, enum file_disposition disposition, struct bootfile **out);
void     bootfile_close(struct bootfile *file);
bool     bootfile_is_directory(const struct bootfile *file);
uint64_t bootfile_size(struct bootfile *file);
uint64_t bootfile_read(struct bootfile *file, uint64_t offset, void *to, uint64_t bytes);         // 0 at the end
status_t bootfile_write(struct bootfile *file, uint64_t offset, const void *from, uint64_t bytes);// grows, zero-fills a gap
status_t bootfile_resize(struct bootfile *file, uint64_t bytes);
status_t bootfile_enumerate(const char *path, size_t path_bytes, uint64_t index, struct file_entry *out);
status_t bootfile_delete(const char *path, size_t path_bytes);     // directories only when empty: STATUS_ACCESS_DENIED

struct file_contents *bootfile_pin(struct bootfile *file, const void **data, uint64_t *bytes, uint64_t *identity);
void     bootfile_unpin(struct file_contents *contents);

// Goes through what changed below C:\app since the start: calls back for every file that is new or was written (data) and for
// every one of the initrd that is gone (deleted). `path` is relative, with '/'. One thread, at shutdown.
struct bootfile_change { const char *path; bool deleted; const void *data; uint64_t bytes; };
void     bootfile_changes(void (*report)(const struct bootfile_change *change));

// Gives back all memory of the tree; nobody may have a file open.
void     bootfile_stop(void);
