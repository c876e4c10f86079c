// SPDX-License-Identifier: MIT
// The console: one serial port, found by the device tree. kernel/log.h has what everybody uses of it.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mm/frame.h"

// Before this, console_write keeps the first 8 KiB. False when there is no driver for `compatible`.
bool console_open(const char *compatible, pa_t base);
// Receiving by interrupt, after the interrupt controller is up. Without it console_read polls the port.
void console_enable_interrupt(uint32_t interrupt);
// Called when input has arrived, with interrupts masked and no lock held; NULL: nobody waits.
extern void (*console_input_hook)(void);
// Without the lock: for a panic, when its owner may never come back.
void console_flush(void);
void console_write_raw(const char *text, size_t count);
