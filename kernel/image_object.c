// SPDX-License-Identifier: MIT
#include "kernel/image_object.h"
#include "kernel/bootfile.h"
#include "kernel/log.h"
#include "kernel/status.h"
#include "loader/map/image_section.h"
#include "mm/heap.h"

status_t image_open_path(const char *path, size_t path_bytes, struct image_section **out, char *why, size_t why_bytes)
{
    struct bootfile *file;
    status_t status = bootfile_open(path, path_bytes, FILE_OPEN_EXISTING, &file);
    if (status != STATUS_SUCCESS) {
        format_text(why, why_bytes, "%.*s: %s", (int)path_bytes, path, status_text(status));
        return status;
    }
    const void *data;
    uint64_t bytes, identity;
    struct file_contents *contents = bootfile_pin(file, &data, &bytes, &identity);
    bootfile_close(file);
    if (!contents) {
        format_text(why, why_bytes, "%.*s: is a directory", (int)path_bytes, path);
        return STATUS_INVALID_IMAGE_FORMAT;
    }
    char name[BOOTFILE_PATH_MOST + 1];
    struct image_refusal refusal = { 0 };
    format_text(name, sizeof name, "%.*s", (int)path_bytes, path);
    status = image_section_open(identity, name, data, bytes, out, &refusal);
    bootfile_unpin(contents);
    if (NT_ERROR(status))
        format_text(why, why_bytes, "%s", refusal.text);
    return status;
}

status_t image_object_take(struct image_section *section, struct image_object **out)
{
    struct image_object *image = heap_take(sizeof *image);
    if (!image) {
        image_section_give(section);
        return STATUS_NO_MEMORY;
    }
    object_init(&image->object, OBJECT_IMAGE);
    image->section = section;
    *out = image;
    return STATUS_SUCCESS;
}

void image_object_destroy(struct object *object)
{
    struct image_object *image = (struct image_object *)object;
    image_section_give(image->section);
    heap_give(image);
}
