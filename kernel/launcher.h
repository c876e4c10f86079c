// SPDX-License-Identifier: MIT
// The launcher's side of the serial line: frames out, standard input in (kernel/abi/launch.h).
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "kernel/abi/launch.h"
#include "kernel/abi/ntstatus.h"

enum { LAUNCHER_FRAME_MOST = 1024 };         // payload of one frame

// One frame; payloads above LAUNCHER_FRAME_MOST are split over several of the same channel. Any thread, no lock held.
void launcher_frame(char channel, const void *payload, size_t bytes);

// At most `bytes` of standard input; 0 is its end. Asks the launcher and sleeps until the
// answer is there, or takes it from janus/stdin. STATUS_PROCESS_IS_TERMINATING when the thread is to end.
status_t launcher_read_input(void *to, size_t bytes, size_t *done);
void launcher_start_input(void);             // once, after bootfile_start
