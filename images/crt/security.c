// SPDX-License-Identifier: MIT
// The stack cookie the load configuration points at. Our own images are not built with stack cookies; a loader may still
// expect the field, and ntdll gives it a value of its own when it finds the well-known default.
#include <stdint.h>
uintptr_t __security_cookie = 0x00002B992DDFA232ull;
int _fltused;                           // MSVC objects that use floating point refer to it
