// SPDX-License-Identifier: MIT
// Whole pages of memory. Pointers are page-aligned kernel addresses.
#pragma once

void page_zero(void *page);
void page_copy(void *to, const void *from);
