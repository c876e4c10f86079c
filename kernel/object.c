// SPDX-License-Identifier: MIT
#include "kernel/object.h"
#include "kernel/panic.h"
#include "mm/heap.h"

static void plain_destroy(struct object *object)
{
    heap_give(object);
}

const struct object_class object_classes[] = {
    [OBJECT_ANY]       = { "object",    false, NULL },
    [OBJECT_PROCESS]   = { "process",   true,  process_destroy },
    [OBJECT_THREAD]    = { "thread",    true,  thread_destroy },
    [OBJECT_EVENT]     = { "event",     true,  plain_destroy },
    [OBJECT_SEMAPHORE] = { "semaphore", true,  plain_destroy },
    [OBJECT_FILE]      = { "file",      false, file_destroy },
    [OBJECT_IMAGE]     = { "image",     false, image_object_destroy },
};

void object_init(struct object *object, enum object_type type)
{
    object->type = type;
    object->references = 1;
    object->signal = object->consume = 0;
    list_init(&object->waiters);
}

void object_share(struct object *object)
{
    uint32_t before = __atomic_fetch_add(&object->references, 1, __ATOMIC_RELAXED);
    CHECK(before != 0 && before != UINT32_MAX);
}

bool object_share_alive(struct object *object)
{
    uint32_t now = __atomic_load_n(&object->references, __ATOMIC_RELAXED);
    while (now && !__atomic_compare_exchange_n(&object->references, &now, now + 1, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        ;
    return now != 0;
}

void object_release(struct object *object)
{
    if (!object)
        return;
    uint32_t before = __atomic_fetch_sub(&object->references, 1, __ATOMIC_ACQ_REL);
    CHECK(before != 0);
    if (before == 1) {
        CHECK(list_empty(&object->waiters));
        object_classes[object->type].destroy(object);
    }
}
