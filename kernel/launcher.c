// SPDX-License-Identifier: MIT
#include "kernel/launcher.h"
#include <string.h>
#include "kernel/bootfile.h"
#include "kernel/console.h"
#include "kernel/event.h"
#include "kernel/lock.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/wait.h"

// Between looks at a serial line that has nothing: it tells by interrupt where it can.
static const uint64_t POLL_NS = 1000000;
enum { INPUT_BYTES = 4096 };                // asked for at once

// Input comes to one reader at a time: `turn` is signalled while nobody reads.
static struct object *input_turn, *input_arrived;
static const uint8_t *input;                // what is there: janus/stdin, or the rest of the last answer
static uint64_t input_left;
static uint8_t answer[INPUT_BYTES];
static bool input_given, input_ended;

static void input_interrupt(void) { wait_signal_set(input_arrived); }

void launcher_frame(char channel, const void *payload, size_t bytes)
{
    uint8_t frame[5 + LAUNCHER_FRAME_MOST];
    do {
        size_t part = bytes < LAUNCHER_FRAME_MOST ? bytes : LAUNCHER_FRAME_MOST;
        frame[0] = FRAME_START;
        frame[1] = FRAME_MARK;
        frame[2] = (uint8_t)channel;
        frame[3] = (uint8_t)part;
        frame[4] = (uint8_t)(part >> 8);
        if (part)
            memcpy(frame + 5, payload, part);
        console_write(frame, 5 + part);
        payload = (const uint8_t *)payload + part;
        bytes -= part;
    } while (bytes);
}

void launcher_start_input(void)
{
    const void *data;
    input_given = bootfile_janus("stdin", &data, &input_left);
    if (input_given)
        input = data;
    input_turn = event_create(false, true);
    input_arrived = event_create(false, false);
    if (!input_turn || !input_arrived)
        panic("no memory for the console's events");
    console_input_hook = input_interrupt;
}

// The next byte of the serial line. A request is on its way, so one comes; whoever is killed meanwhile must still take
// the whole answer off the line, so this does not end early.
static uint8_t next_byte(void)
{
    for (;;) {
        int byte = console_read();
        if (byte >= 0)
            return (uint8_t)byte;
        if (wait_one(input_arrived, POLL_NS) == STATUS_PROCESS_IS_TERMINATING)
            __asm__ volatile("yield");
    }
}

static void ask_launcher(void)
{
    static const uint8_t wanted[2] = { INPUT_BYTES & 0xff, INPUT_BYTES >> 8 };
    launcher_frame(FRAME_READ, wanted, sizeof wanted);
    size_t count = next_byte();
    count |= (size_t)next_byte() << 8;
    input = answer;
    input_left = count < INPUT_BYTES ? count : INPUT_BYTES;
    for (size_t i = 0; i < count; i++) {
        uint8_t byte = next_byte();
        if (i < INPUT_BYTES)
            answer[i] = byte;
    }
    input_ended = count == 0;
}

status_t launcher_read_input(void *to, size_t bytes, size_t *done)
{
    *done = 0;
    if (bytes == 0)
        return STATUS_SUCCESS;
    status_t status = wait_one(input_turn, WAIT_FOREVER);
    if (status != STATUS_SUCCESS)
        return status;
    if (input_left == 0 && !input_given && !input_ended)
        ask_launcher();
    *done = bytes < input_left ? bytes : (size_t)input_left;
    if (*done)
        memcpy(to, input, *done);
    input += *done;
    input_left -= *done;
    wait_signal_set(input_turn);
    return STATUS_SUCCESS;
}
