// SPDX-License-Identifier: MIT
// Kernel objects: what handles name. Counted references; a class gives the name and what happens at the last one.
//
// Rules
//  - Every pointer that outlives a function holds a reference.
//  - `signal` and `waiters` belong to the wait lock (kernel/wait.h). A wait is satisfied while signal > 0 and takes
//    `consume` from it: 1 for semaphores and auto-reset events, 0 for everything that stays signalled.
//  - destroy runs without locks, in whatever thread drops the last reference; it may take any lock but must not wait.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "kernel/list.h"

enum object_type { OBJECT_ANY, OBJECT_PROCESS, OBJECT_THREAD, OBJECT_EVENT, OBJECT_SEMAPHORE, OBJECT_FILE, OBJECT_IMAGE };

// What a handle allows. handle_duplicate can take rights away and never add one.
enum right {
    RIGHT_WAIT      = 1 << 0,
    RIGHT_QUERY     = 1 << 1,
    RIGHT_MODIFY    = 1 << 2,      // set, reset, release, resume, resize
    RIGHT_TERMINATE = 1 << 3,
    RIGHT_READ      = 1 << 4,      // file contents; memory of a process
    RIGHT_WRITE     = 1 << 5,
    RIGHT_MEMORY    = 1 << 6,      // allocate, protect, map, free in a process
    RIGHT_CREATE    = 1 << 7,      // threads and handles in a process
    RIGHT_DUPLICATE = 1 << 8,
    RIGHT_ALL       = (1 << 9) - 1,
};

struct object;
struct object_class {
    const char *name;
    bool waitable;
    void (*destroy)(struct object *object);
};
extern const struct object_class object_classes[];       // by enum object_type

struct object {
    enum object_type type;
    uint32_t references;
    uint32_t signal, consume;
    struct list waiters;
};

void object_init(struct object *object, enum object_type type);    // one reference, not signalled
void object_share(struct object *object);
bool object_share_alive(struct object *object);                    // false when the last reference is gone already
void object_release(struct object *object);                        // NULL is allowed

// The class's destroy functions, each in the file of its noun.
void process_destroy(struct object *object);
void thread_destroy(struct object *object);
void file_destroy(struct object *object);
void image_object_destroy(struct object *object);
