// SPDX-License-Identifier: MIT
// Output is synchronous and whole under the console lock. Input goes through a ring that the receive interrupt fills;
// when it is full the interrupt is switched off and the port's own flow control holds the sender.
#include <string.h>
#include "kernel/arm64/kmap.h"
#include "kernel/console.h"
#include "kernel/drivers/uart.h"
#include "kernel/interrupt.h"
#include "kernel/lock.h"
#include "kernel/log.h"

static const struct uart_ops *const drivers[] = { &pl011_uart, &bcm2835_aux_uart };

static struct spinlock console_lock = SPINLOCK(LOCK_CONSOLE, "console");
static const struct uart_ops *uart;
static volatile void *uart_base;

static char early_text[8192];
static size_t early_length;

#define RING_BYTES 4096u
static uint8_t ring[RING_BYTES];
static uint32_t ring_in, ring_out;        // free-running
static bool by_interrupt, interrupt_on;

void (*console_input_hook)(void);

void console_write_raw(const char *text, size_t count)
{
    if (!uart) {
        for (; count && early_length < sizeof early_text; count--)
            early_text[early_length++] = *text++;
        return;
    }
    while (count--)
        uart->put(uart_base, (uint8_t)*text++);
}

void console_flush(void)
{
    if (uart)
        uart->flush(uart_base);
}

void console_write(const void *bytes, size_t count)
{
    spin_lock(&console_lock);
    console_write_raw(bytes, count);
    spin_unlock(&console_lock);
}

bool console_open(const char *compatible, pa_t base)
{
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++) {
        if (strcmp(drivers[i]->compatible, compatible))
            continue;
        volatile void *window = kmap_device(base, 0x100);
        if (!window)
            return false;
        spin_lock(&console_lock);
        uart_base = window;
        uart = drivers[i];
        uart->start(uart_base);
        console_write_raw(early_text, early_length);
        spin_unlock(&console_lock);
        return true;
    }
    return false;
}

// With the lock.
static void drain_port(void)
{
    while (ring_in - ring_out < RING_BYTES) {
        int byte = uart->get(uart_base);
        if (byte < 0)
            return;
        ring[ring_in++ % RING_BYTES] = (uint8_t)byte;
    }
    if (interrupt_on) {
        interrupt_on = false;
        uart->receive_interrupt(uart_base, false);
    }
}

static void console_interrupt(void *unused)
{
    (void)unused;
    spin_lock(&console_lock);
    drain_port();
    spin_unlock(&console_lock);
    if (console_input_hook)
        console_input_hook();
}

void console_enable_interrupt(uint32_t interrupt)
{
    if (!uart || !interrupt_register(interrupt, console_interrupt, NULL))
        return;
    spin_lock(&console_lock);
    by_interrupt = interrupt_on = true;
    uart->receive_interrupt(uart_base, true);
    spin_unlock(&console_lock);
}

int console_read(void)
{
    int byte = -1;
    spin_lock(&console_lock);
    if (uart) {
        drain_port();
        if (ring_in != ring_out)
            byte = ring[ring_out++ % RING_BYTES];
        if (by_interrupt && !interrupt_on && ring_in - ring_out < RING_BYTES / 2) {
            interrupt_on = true;
            uart->receive_interrupt(uart_base, true);
        }
    }
    spin_unlock(&console_lock);
    return byte;
}
