// SPDX-License-Identifier: MIT
// What a measured Linux program tells the controller.
#pragma once
#include <stdint.h>

enum peer_phase { PEER_START, PEER_COLD, PEER_WARM };       // before the first call, after it, after the second
struct peer_mark { char name[16]; uint32_t phase, reserved; uint64_t checksum; };
