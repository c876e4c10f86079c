// SPDX-License-Identifier: MIT
#define PREFIX(name) lib_##name
#define EXPORT __declspec(dllexport)
#include "images/tests/cases.inc"
