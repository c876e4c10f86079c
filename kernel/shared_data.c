// SPDX-License-Identifier: MIT
#include "kernel/shared_data.h"
#include <string.h>
#include "kernel/abi/process.h"
#include "kernel/abi/syscall.h"
#include "kernel/percpu.h"

// Offsets of KUSER_SHARED_DATA (ntddk.h of the Windows SDK).
enum {
    SHARED_NATIVE_ARCHITECTURE = 0x26a, SHARED_SYSTEM_ROOT = 0x30, SHARED_BUILD = 0x260, SHARED_PRODUCT_TYPE = 0x264,
    SHARED_PRODUCT_VALID = 0x268, SHARED_MAJOR = 0x26c, SHARED_MINOR = 0x270, SHARED_PROCESSORS = 0x3c0,
    SHARED_XSTATE = 0x3d8, SHARED_FEATURES = 0x274,
};
enum { ARCHITECTURE_ARM64 = 12, PRODUCT_WORKSTATION = 1 };

static pa_t shared_frame;

static void put(uint8_t *page, unsigned offset, uint64_t value, unsigned bytes)
{
    memcpy(page + offset, &value, bytes);
}

// XSTATE_CONFIGURATION, for x64 programs: x87, SSE and AVX, XSAVEOPT, the standard format (SDM vol. 1, 13.4).
static void fill_xstate(uint8_t *at)
{
    static const struct { uint32_t offset, bytes; } features[] = { { 0, 160 }, { 160, 256 }, { 576, 256 } };
    enum { FEATURES = 0x18, ALL_FEATURES = 0x22c };
    put(at, 0, 7, 8);                                   // enabled
    put(at, 8, 7, 8);                                   // of these, volatile
    put(at, 0x10, 832, 4);                              // bytes of an area
    put(at, 0x14, 1, 4);                                // optimized save
    for (unsigned i = 0; i < sizeof features / sizeof *features; i++) {
        put(at, FEATURES + 8 * i, features[i].offset, 4);
        put(at, FEATURES + 8 * i + 4, features[i].bytes, 4);
        put(at, ALL_FEATURES + 4 * i, features[i].bytes, 4);
    }
    put(at, ALL_FEATURES - 4, 832, 4);                  // bytes of all of them
}

// PF_ numbers of the Windows SDK. The page is one for both kinds of processes: kernel32 answers each of its own processor.
static void fill_features(uint8_t *at)
{
    static const uint8_t present[] = {
        2 /* CMPXCHG8B */, 3 /* MMX */, 6 /* SSE */, 8 /* RDTSC */, 10 /* SSE2 */, 12 /* no-execute */, 13 /* SSE3 */, 14 /* CMPXCHG16B */,
        17 /* XSAVE */, 18 /* VFP */, 19 /* NEON */, 23 /* fast fail */, 29 /* ARMv8 */, 32 /* RDTSCP */, 33 /* RDPID */, 36 /* SSSE3 */,
        37 /* SSE4.1 */, 38 /* SSE4.2 */, 39 /* AVX */, 40 /* AVX2 */,
    };
    for (unsigned i = 0; i < sizeof present; i++)
        at[present[i]] = 1;
}

static void fill(uint8_t *page)
{
    static const char root[] = "C:\\Windows";
    for (unsigned i = 0; i < sizeof root; i++)
        page[SHARED_SYSTEM_ROOT + 2 * i] = (uint8_t)root[i];
    put(page, SHARED_MAJOR, 10, 4);
    put(page, SHARED_MINOR, 0, 4);
    put(page, SHARED_BUILD, 22631, 4);
    put(page, SHARED_PRODUCT_TYPE, PRODUCT_WORKSTATION, 4);
    put(page, SHARED_PRODUCT_VALID, 1, 1);
    put(page, SHARED_NATIVE_ARCHITECTURE, ARCHITECTURE_ARM64, 2);
    put(page, SHARED_PROCESSORS, cpu_count, 4);
    fill_xstate(page + SHARED_XSTATE);
    fill_features(page + SHARED_FEATURES);
}

status_t shared_data_start(void)
{
    status_t status = frame_take(FRAME_KERNEL, &shared_frame);
    if (status == STATUS_SUCCESS)
        fill(frame_pointer(shared_frame));
    return status;
}

status_t shared_data_map(struct aspace *as)
{
    uva_t base = USER_SHARED_DATA & ~0xffffull;         // reservations begin on 64 KiB; the page is not the first there
    uint64_t size = USER_SHARED_DATA + PAGE_BYTES - base;
    status_t status = aspace_allocate(as, &base, &size, PAGE_READONLY, REGION_KERNEL);
    if (status == STATUS_SUCCESS)
        status = aspace_map_frames(as, USER_SHARED_DATA, &shared_frame, 1, PAGE_READONLY, REGION_KERNEL);
    return status;
}
