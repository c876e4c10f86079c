// SPDX-License-Identifier: MIT
#define PREFIX(name) own_##name
#define EXPORT extern
#include "images/tests/cases.inc"
