// SPDX-License-Identifier: MIT
// The kernel's linear map of RAM: virtual = LINEAR_BASE + physical (boot/ builds it).
#pragma once
#define LINEAR_BASE 0xffff800000000000ull
