// SPDX-License-Identifier: MIT
#include "kernel/semaphore.h"
#include "kernel/wait.h"
#include "mm/heap.h"

struct semaphore { struct object object; uint32_t maximum; };

status_t semaphore_create(uint32_t initial, uint32_t maximum, struct object **out)
{
    if (maximum == 0 || maximum > INT32_MAX || initial > maximum)
        return STATUS_INVALID_PARAMETER;
    struct semaphore *semaphore = heap_take(sizeof *semaphore);
    if (!semaphore)
        return STATUS_NO_MEMORY;
    object_init(&semaphore->object, OBJECT_SEMAPHORE);
    semaphore->object.signal = initial;
    semaphore->object.consume = 1;
    semaphore->maximum = maximum;
    *out = &semaphore->object;
    return STATUS_SUCCESS;
}

status_t semaphore_release(struct object *object, uint32_t count, uint32_t *previous)
{
    if (count == 0)
        return STATUS_INVALID_PARAMETER;
    struct semaphore *semaphore = (struct semaphore *)object;
    return wait_signal(object, count, semaphore->maximum, previous) ? STATUS_SUCCESS : STATUS_SEMAPHORE_LIMIT_EXCEEDED;
}
