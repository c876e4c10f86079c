// SPDX-License-Identifier: MIT
#include "kernel/event.h"
#include "mm/heap.h"

struct object *event_create(bool manual_reset, bool signalled)
{
    struct object *event = heap_take(sizeof *event);
    if (!event)
        return NULL;
    object_init(event, OBJECT_EVENT);
    event->signal = signalled;
    event->consume = manual_reset ? 0 : 1;
    return event;
}
