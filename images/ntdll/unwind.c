// SPDX-License-Identifier: MIT
#include "images/ntdll/context.h"
bool frames_dispatch(EXCEPTION_RECORD *record, CONTEXT *context) { (void)record, (void)context; return false; }
