// SPDX-License-Identifier: MIT
// Image sections as objects that handles name, and how they are made from files of the tree.
#pragma once
#include <stddef.h>
#include "kernel/abi/ntstatus.h"
#include "kernel/object.h"

struct image_section;
struct image_object { struct object object; struct image_section *section; };

// The section of a file; one reference to it goes to the caller. why: one line saying why it was refused.
status_t image_open_path(const char *path, size_t path_bytes, struct image_section **out, char *why, size_t why_bytes);
// Takes over the reference to the section, also when it fails.
status_t image_object_take(struct image_section *section, struct image_object **out);
