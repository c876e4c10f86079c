// SPDX-License-Identifier: MIT
// What a serial port driver gives the console. All are called with the console lock held (or by a panic).
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct uart_ops {
    const char *compatible;
    void (*start)(volatile void *base);              // 8N1, FIFOs on; the baud rate stays as firmware set it
    void (*put)(volatile void *base, uint8_t byte);  // waits for room
    int  (*get)(volatile void *base);                // next received byte, -1: none
    void (*flush)(volatile void *base);              // waits until everything is on the wire
    void (*receive_interrupt)(volatile void *base, bool on);
};

extern const struct uart_ops pl011_uart, bcm2835_aux_uart;
