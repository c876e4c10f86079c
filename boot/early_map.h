// SPDX-License-Identifier: MIT
#pragma once
#include <stdint.h>

// MMU off, by head.S only: fills the tables for an image at `load` and a device tree at `dtb` (0: none).
void early_map_build(uint64_t load, uint64_t dtb);
// The 2 MiB block after the one that holds the start of the tree.
void early_map_dtb_tail(uint64_t dtb);
