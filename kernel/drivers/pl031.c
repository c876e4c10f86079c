// SPDX-License-Identifier: MIT
#include "kernel/drivers/pl031.h"
#include "kernel/arm64/kmap.h"
#include "kernel/arm64/mmio.h"

enum { DATA = 0x00, REGISTERS_BYTES = 0x1000 };

uint32_t pl031_seconds(pa_t base)
{
    volatile void *registers = kmap_device(base, REGISTERS_BYTES);
    return registers ? mmio_read32(registers, DATA) : 0;
}
