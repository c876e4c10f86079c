// SPDX-License-Identifier: MIT
#define PREFIX(name) far_##name
#define EXPORT extern
#include "images/tests/cases.inc"
