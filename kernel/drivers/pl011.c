// SPDX-License-Identifier: MIT
// Arm PrimeCell UART, PL011 (Arm DDI 0183).
#include "kernel/arm64/mmio.h"
#include "kernel/drivers/uart.h"

enum { DR = 0x00, FR = 0x18, LCRH = 0x2c, CR = 0x30, IMSC = 0x38, ICR = 0x44 };
enum { FR_RX_EMPTY = 1 << 4, FR_BUSY = 1 << 3, FR_TX_FULL = 1 << 5 };
enum { LCRH_FIFO = 1 << 4, LCRH_8_BITS = 3 << 5 };
enum { CR_ENABLE = 1, CR_TX = 1 << 8, CR_RX = 1 << 9 };
enum { INT_RX = 1 << 4, INT_RX_TIMEOUT = 1 << 6 };

static void start(volatile void *base)
{
    mmio_write32(base, IMSC, 0);
    mmio_write32(base, ICR, 0x7ff);
    // A firmware that talks here has set it up; touching LCRH would flush what is on its way.
    uint32_t running = CR_ENABLE | CR_TX | CR_RX;
    if ((mmio_read32(base, CR) & running) != running || !(mmio_read32(base, LCRH) & LCRH_FIFO)) {
        mmio_write32(base, CR, 0);
        mmio_write32(base, LCRH, LCRH_8_BITS | LCRH_FIFO);
        mmio_write32(base, CR, running);
    }
}

static void put(volatile void *base, uint8_t byte)
{
    while (mmio_read32(base, FR) & FR_TX_FULL) { }
    mmio_write32(base, DR, byte);
}

static int get(volatile void *base)
{
    if (mmio_read32(base, FR) & FR_RX_EMPTY)
        return -1;
    return mmio_read32(base, DR) & 0xff;
}

static void flush(volatile void *base)
{
    while (mmio_read32(base, FR) & FR_BUSY) { }
}

static void receive_interrupt(volatile void *base, bool on)
{
    mmio_write32(base, IMSC, on ? INT_RX | INT_RX_TIMEOUT : 0);
}

const struct uart_ops pl011_uart = { "arm,pl011", start, put, get, flush, receive_interrupt };
