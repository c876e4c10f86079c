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
};
enum { ARCHITECTURE_ARM64 = 12, PRODUCT_WORKSTATION = 1 };

static pa_t shared_frame;

static void put(uint8_t *page, unsigned offset, uint64_t value, unsigned bytes)
{
    memcpy(page + offset, &value, bytes);
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
