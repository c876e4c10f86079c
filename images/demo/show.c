// SPDX-License-Identifier: MIT
// One source, three programs: demo_x64.exe, demo_arm64.exe and demo_ec.exe, all using the same shared.dll.
#include <stdio.h>
#include "images/demo/hot.h"
#include "images/demo/shared.h"

#if defined(__arm64ec__)
#define KIND "ARM64EC program"
#define OWN "native, own code"
#elif defined(__x86_64__)
#define KIND "x64 program"
#define OWN "emulated"
#else
#define KIND "Arm64 program"
#define OWN "native, own code"
#endif

static double weigh(void *context, int i, double weight) {
    int *calls = context;
    ++*calls;
    return i * weight;
}

static uint64_t measure(uint64_t (*loop)(uint32_t), uint64_t *steps) {
    loop(64);                                       // translated and warm
    uint64_t before = shared_work();
    *steps = loop(HOT_COUNT);
    return shared_work() - before;
}

int main(void) {
    uint64_t native_steps, own_steps;
    uint64_t native = measure(shared_hot_loop, &native_steps), own = measure(hot_loop, &own_steps);
    int calls = 0;
    double sum = shared_call_back(weigh, &calls, 100);
    const char *unit = shared_work_unit();
    char text[1024];                                // one write, so that the three programs' lines do not mix
    int n = snprintf(text, sizeof text,
        "%s, the %s view of shared.dll\n"
        "  called back from the DLL %d times, sum %.1f\n"
        "  hot loop in the DLL (native): %llu %s\n"
        "  hot loop in the EXE (%s): %llu %s, %.2f times as many\n"
        "  both count %llu steps%s\n",
        KIND, shared_view(), calls, sum, (unsigned long long)native, unit, OWN, (unsigned long long)own, unit,
        (double)own / (double)native, (unsigned long long)own_steps, own_steps == native_steps ? "" : " - BUT DIFFER");
    fwrite(text, 1, (size_t)n, stdout);
    fflush(stdout);
    shared_meet();
    return own_steps == native_steps && calls == 100 && sum == 169175.0 ? 0 : 1;
}
