// SPDX-License-Identifier: MIT
// libfdt's header asks for <stdlib.h> and uses nothing of it here.
#pragma once
