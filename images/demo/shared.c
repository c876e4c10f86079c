// SPDX-License-Identifier: MIT
#include "images/crt/sys.h"
#define SHARED_API
#include "images/demo/shared.h"
#include "images/demo/hot.h"

const char *shared_view(void) {
#ifdef __arm64ec__
    return "ARM64EC";
#else
    return "Arm64";
#endif
}

uint64_t shared_hot_loop(uint32_t count) { return hot_loop(count); }

static bool has_counter(void) { return PEB_FIELD(uint32_t, PEB_JANUS_PMU); }

uint64_t shared_work(void) {
    uint64_t value = 0;
    if (has_counter()) __asm__ volatile("isb\n mrs %0, pmevcntr0_el0" : "=r"(value));
    else SYS(clock_read, CLOCK_MONOTONIC_NS, &value);
    return value;
}
const char *shared_work_unit(void) { return has_counter() ? "instructions" : "nanoseconds"; }

double shared_call_back(shared_callback function, void *context, int count) {
    double sum = 0;
    for (int i = 1; i <= count; i++) sum += function(context, i, 0.5 * i);
    return sum;
}

void shared_meet(void) {
    struct startup_block *block = (void *)PEB_FIELD(uint64_t, PEB_JANUS_STARTUP);
    if (NT_ERROR(SYS(semaphore_release, block->standard[0], 1, 0))) return;
    handle_t go = block->standard[2];
    SYS(wait, 1, &go, 0, UINT64_MAX);
}
