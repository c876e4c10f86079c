// SPDX-License-Identifier: MIT
//
// crypto.h - AES, PCLMULQDQ, SHA-1, SHA-256 and CRC32 instructions in C, for cores that have no such instructions. Pure.
#pragma once
#include "emu/x64/x64.h"

// Of 16-byte values in memory order: the result of the legacy operation `op`, or of each half of its VEX form. a is the first
// source (the destination of the legacy form), b the second, extra the immediate operand or, of SHA256RNDS2, unused; xmm0 is
// read by SHA256RNDS2 alone. False: not one of these.
bool crypto_vector(enum x64_op op, const uint8_t a[16], const uint8_t b[16], const uint8_t xmm0[16], unsigned extra, uint8_t out[16]);

uint32_t crypto_crc32c(uint32_t crc, uint64_t value, unsigned bytes);     // of the low bytes of value, lowest first (SDM vol. 2 CRC32)
