// SPDX-License-Identifier: MIT
// The legacy forms of SSE3, SSSE3, SSE4.1, SSE4.2, AES, PCLMULQDQ and SHA. Most are lower_vector.h's on the operands; the rest
// is here.
#pragma once
#include "emu/lower/lower_vector.h"

#define SSE4_OTHER(X) \
    X(PINSRB) X(PINSRD) X(PINSRQ) X(PEXTRB) X(PEXTRD) X(PEXTRQ) X(EXTRACTPS) X(PTEST) X(PCMPESTRM) X(PCMPESTRI) X(PCMPISTRM) X(PCMPISTRI)

#define X(name, ...) lower_function lower_##name;
VECTOR_ALL(X)
SSE4_OTHER(X)
#undef X
