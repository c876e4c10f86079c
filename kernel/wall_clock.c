// SPDX-License-Identifier: MIT
#include "kernel/wall_clock.h"
#include "boot/platform.h"
#include "kernel/drivers/pl031.h"
#include "kernel/time.h"

static uint64_t boot_time_ns;           // 1970 to the start of the monotonic clock; 0: not known

void wall_clock_start(void)
{
    uint64_t seconds = platform.rtc_base ? pl031_seconds(platform.rtc_base) : 0;
    if (seconds)
        boot_time_ns = seconds * 1000000000 - time_ns();
}

uint64_t wall_clock_ns(void)
{
    return boot_time_ns ? boot_time_ns + time_ns() : 0;
}
