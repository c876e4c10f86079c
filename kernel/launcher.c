// SPDX-License-Identifier: MIT
#include "kernel/launcher.h"
#include <string.h>
#include "kernel/bootfile.h"
#include "kernel/event.h"
#include "kernel/lock.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/wait.h"

static const uint64_t POLL_NS = 500000;     // between looks at a serial line that has nothing

// Input comes to one reader at a time: the event is signalled while nobody reads.
static struct object *input_turn;
static const uint8_t *given_input;          // janus/stdin
static uint64_t given_left;
static bool input_given, input_ended;

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
    input_given = bootfile_janus("stdin", &data, &given_left);
    if (input_given)
        given_input = data;
    if (!input_turn)
        input_turn = event_create(false, true);
    if (!input_turn)
        panic("no memory for the console's event");
}

// The next byte of the serial line. A request is on its way, so one comes; whoever is killed meanwhile must still take
// the whole answer off the line, so this does not end early.
static uint8_t next_byte(void)
{
    for (;;) {
        int byte = console_read();
        if (byte >= 0)
            return (uint8_t)byte;
        if (wait_sleep(POLL_NS) != STATUS_SUCCESS)
            __asm__ volatile("yield");
    }
}

static size_t ask_launcher(uint8_t *to, size_t bytes)
{
    uint8_t wanted[2] = { (uint8_t)bytes, (uint8_t)(bytes >> 8) };
    launcher_frame(FRAME_READ, wanted, sizeof wanted);
    size_t count = next_byte();
    count |= (size_t)next_byte() << 8;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t byte = next_byte();
        if (kept < bytes)
            to[kept++] = byte;
    }
    return kept;
}

status_t launcher_read_input(void *to, size_t bytes, size_t *done)
{
    *done = 0;
    if (bytes > LAUNCHER_FRAME_MOST)
        bytes = LAUNCHER_FRAME_MOST;
    if (bytes == 0)
        return STATUS_SUCCESS;
    status_t status = wait_one(input_turn, WAIT_FOREVER);
    if (status != STATUS_SUCCESS)
        return status;
    if (input_given) {
        *done = bytes < given_left ? bytes : (size_t)given_left;
        memcpy(to, given_input, *done);
        given_input += *done;
        given_left -= *done;
    } else if (!input_ended) {
        *done = ask_launcher(to, bytes);
        input_ended = *done == 0;
    }
    wait_signal_set(input_turn);
    return STATUS_SUCCESS;
}
