// SPDX-License-Identifier: MIT
#include "kernel/arm64/mmu.h"
#include "mm/frame.h"

void *frame_pointer(pa_t frame)
{
    return (void *)(LINEAR_BASE + frame);
}

pa_t frame_of_pointer(const void *p)
{
    return (uint64_t)p - LINEAR_BASE;
}
