// SPDX-License-Identifier: MIT
// The launcher protocol: what tools/janus puts into the initrd and what goes over the serial line.
//
// initrd: cpio "newc", magic 070701. Files:
//   app/...            the program and what lies beside it   (C:\app\... for the program)
//   system/NAME.dll    system DLLs                            (C:\Windows\System32\NAME.dll)
//   janus/startup      struct startup_block of the first process; its image path names the program
//   janus/stdin        optional: the whole standard input (deterministic runs); without it the serial line is asked
// Paths compare without regard to case; '\' and '/' are the same; without a drive they are relative to C:\app.
//
// bootargs: words separated by blanks.
//   janus.run          run janus/startup, then power off         janus.stats    send statistics before the exit frame
//   janus.test=NAME    (test kernel) run kernel tests whose name begins with NAME, "all" for every one
//   janus.quiet        no log lines below warnings
//   janus.share        send changed files below C:\app back
//
// Target to host: everything outside frames is kernel log text. A frame is
//   0x01 'J' channel length(2 bytes, little-endian) payload
// Frames are written whole, under the console lock; a panic's text comes raw, after the line "PANIC: ...".
// Host to target: only as the answer to a read request: length (2 bytes, little-endian; 0 = end of file), then the bytes.
#pragma once

#define FRAME_START   0x01
#define FRAME_MARK    'J'
#define FRAME_STDOUT  'o'
#define FRAME_STDERR  'e'
#define FRAME_READ    'r'    // payload: u16 most bytes wanted; the host answers once
#define FRAME_FILE    'f'    // payload: u8 kind (0 begin, 1 data, 2 end, 3 deleted), then for 0 and 3 the UTF-8 path below app/
#define FRAME_STATS   's'    // payload: JSON text, one object (may be split over several frames; concatenate)
#define FRAME_EXIT    'x'    // payload: JSON text {"status": N, "reason": "exit"|"exception"|"load", "text": "..."}; last frame
