// SPDX-License-Identifier: MIT
// Events: signalled or not. Auto-reset events let one waiter through and are not signalled again.
#pragma once
#include "kernel/object.h"

struct object *event_create(bool manual_reset, bool signalled);    // one reference; NULL: no memory
