// SPDX-License-Identifier: MIT
// The mini-UART of the BCM2835 family (BCM2711 ARM Peripherals, chapter 2). Its clock is the core's, which the firmware
// pins (enable_uart=1); the divisor stays as it is.
#include "kernel/arm64/mmio.h"
#include "kernel/drivers/uart.h"

enum { IO = 0x00, IER = 0x04, LCR = 0x0c, MCR = 0x10, LSR = 0x14, CNTL = 0x20 };
enum { LSR_DATA = 1 << 0, LSR_ROOM = 1 << 5, LSR_IDLE = 1 << 6 };
// AUX_ENABLES is 0x3c below the mini-UART, in the same page; bit 0 switches the unit on.
#define AUX_ENABLES (-0x3c)

static void start(volatile void *base)
{
    if (!(mmio_read32(base, AUX_ENABLES) & 1))
        mmio_write32(base, AUX_ENABLES, mmio_read32(base, AUX_ENABLES) | 1);
    mmio_write32(base, IER, 0);
    mmio_write32(base, LCR, 3);       // 8 bits: the manual's "1" is an erratum
    mmio_write32(base, MCR, 0);
    mmio_write32(base, CNTL, 3);      // transmitter and receiver on, no flow control
}

static void put(volatile void *base, uint8_t byte)
{
    while (!(mmio_read32(base, LSR) & LSR_ROOM)) { }
    mmio_write32(base, IO, byte);
}

static int get(volatile void *base)
{
    if (!(mmio_read32(base, LSR) & LSR_DATA))
        return -1;
    return mmio_read32(base, IO) & 0xff;
}

static void flush(volatile void *base)
{
    while (!(mmio_read32(base, LSR) & LSR_IDLE)) { }
}

// Bit 0 is the receive interrupt; bits 3:2 must be set for it to be raised (same erratum list).
static void receive_interrupt(volatile void *base, bool on) { mmio_write32(base, IER, on ? 0xd : 0); }

const struct uart_ops bcm2835_aux_uart = { "brcm,bcm2835-aux-uart", start, put, get, flush, receive_interrupt };
