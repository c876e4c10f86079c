// SPDX-License-Identifier: MIT
#include "kernel/arm64/switch.h"

extern char context_first[];

void context_prepare(struct cpu_context *context, void *stack_top, void (*entry)(void *), void *argument)
{
    *context = (struct cpu_context){ .sp = (uint64_t)stack_top };
    context->x19_x30[0] = (uint64_t)entry;
    context->x19_x30[1] = (uint64_t)argument;
    context->x19_x30[11] = (uint64_t)context_first;
}
