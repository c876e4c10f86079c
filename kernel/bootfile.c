// SPDX-License-Identifier: MIT
#include "kernel/bootfile.h"
#include <string.h>
#include "kernel/cpio.h"
#include "kernel/list.h"
#include "kernel/lock.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "mm/heap.h"

enum { NAME_MOST = 255 };

struct file_contents {
    uint32_t references;
    uint8_t *bytes;
    uint64_t size, capacity;            // capacity 0: the bytes are the archive's
    uint64_t identity;
};

struct bootfile {
    struct list link;                   // in the parent's children
    struct list children;
    struct bootfile *parent;            // NULL: the root, or removed from the tree
    struct file_contents *contents;     // NULL: a directory
    uint32_t references;                // the tree's one and one an opener
    bool changed;                       // since the start
    bool original;                      // came with the archive
    char name[];
};

struct deletion { struct list link; char path[]; };

static struct spinlock file_lock = SPINLOCK(LOCK_OBJECT, "file");
static struct bootfile *root, *app, *system_directory;
static struct list deletions = LIST(deletions);
static struct cpio initrd;
static uint64_t last_identity;

// ---- contents ----

static struct file_contents *contents_take(const void *archive_bytes, uint64_t size)
{
    struct file_contents *contents = heap_take(sizeof *contents);
    if (contents)
        *contents = (struct file_contents){ 1, (uint8_t *)(uintptr_t)archive_bytes, size, 0, ++last_identity };
    return contents;
}

static void contents_give(struct file_contents *contents)
{
    if (contents && --contents->references == 0) {
        if (contents->capacity)
            heap_give(contents->bytes);
        heap_give(contents);
    }
}

// Makes the contents the file's own, with room for `size` bytes, under a new identity.
static status_t contents_make_writable(struct bootfile *file, uint64_t size)
{
    struct file_contents *old = file->contents;
    if (old->references == 1 && old->capacity && size <= old->capacity) {
        old->identity = ++last_identity;
        return STATUS_SUCCESS;
    }
    uint64_t capacity = old->size * 2 > size ? old->size * 2 : size;
    if (capacity < 4096)
        capacity = 4096;
    uint8_t *bytes = heap_take(capacity);
    struct file_contents *own = bytes ? contents_take(bytes, old->size) : NULL;
    if (!own) {
        heap_give(bytes);
        return STATUS_NO_MEMORY;
    }
    if (old->size)
        memcpy(bytes, old->bytes, old->size);
    own->capacity = capacity;
    contents_give(old);
    file->contents = own;
    return STATUS_SUCCESS;
}

// ---- the tree ----

static struct bootfile *node_take(struct bootfile *parent, const char *name, size_t name_bytes, struct file_contents *contents)
{
    struct bootfile *node = heap_take(sizeof *node + name_bytes + 1);
    if (!node)
        return NULL;
    memcpy(node->name, name, name_bytes);
    list_init(&node->children);
    list_init(&node->link);
    node->contents = contents;
    node->references = 1;
    node->parent = parent;
    if (parent)
        list_append(&parent->children, &node->link);
    return node;
}

static void node_give(struct bootfile *node)
{
    if (--node->references == 0) {
        contents_give(node->contents);
        heap_give(node);
    }
}

static void node_remove(struct bootfile *node)
{
    list_remove(&node->link);
    node->parent = NULL;
    node_give(node);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
}

static struct bootfile *node_child(struct bootfile *directory, const char *name, size_t bytes)
{
    list_for_each(link, &directory->children) {
        struct bootfile *node = list_entry(link, struct bootfile, link);
        size_t i = 0;
        while (i < bytes && node->name[i] && lower(node->name[i]) == lower(name[i]))
            i++;
        if (i == bytes && !node->name[i])
            return node;
    }
    return NULL;
}

// ---- paths ----

static bool separator(char c)
{
    return c == '\\' || c == '/';
}

static bool name_allowed(const char *name, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)name[i] < 0x20 || strchr("<>:\"|?*", name[i]))
            return false;
    return bytes > 0 && bytes <= NAME_MOST;
}

// Where a path leads. parent and the last component are set when only that one is missing.
struct place { struct bootfile *node, *parent; const char *last; size_t last_bytes; bool directory; };

static status_t path_walk(const char *path, size_t bytes, struct place *place)
{
    if (bytes >= 4 && separator(path[0]) && (separator(path[1]) || path[1] == '?') && path[2] == '?' && separator(path[3]))
        path += 4, bytes -= 4;
    struct bootfile *at = app;
    if (bytes >= 2 && path[1] == ':') {
        if (lower(path[0]) != 'c')
            return STATUS_OBJECT_NAME_NOT_FOUND;
        path += 2, bytes -= 2;
    }
    if (bytes && separator(path[0]))
        at = root;
    *place = (struct place){ .node = at, .parent = at->parent, .directory = bytes && separator(path[bytes - 1]) };
    size_t i = 0;
    while (i < bytes) {
        size_t start = i;
        while (i < bytes && !separator(path[i]))
            i++;
        size_t length = i - start;
        while (i < bytes && separator(path[i]))
            i++;
        if (length == 0 || (length == 1 && path[start] == '.'))
            continue;
        if (!place->node || place->node->contents)
            return STATUS_OBJECT_NAME_NOT_FOUND;        // below something missing, or below a file
        if (length == 2 && path[start] == '.' && path[start + 1] == '.') {
            place->node = place->node->parent ? place->node->parent : root;
            continue;
        }
        if (!name_allowed(path + start, length))
            return STATUS_INVALID_PARAMETER;
        place->parent = place->node;
        place->last = path + start;
        place->last_bytes = length;
        place->node = node_child(place->parent, place->last, length);
    }
    if (bytes > BOOTFILE_PATH_MOST)
        return STATUS_INVALID_PARAMETER;
    return STATUS_SUCCESS;
}

// ---- start and end ----

// The node at a relative path with '/' below `directory`, with the directories in between.
static struct bootfile *add_original(struct bootfile *directory, const char *path, struct file_contents *contents)
{
    while (directory) {
        const char *slash = strchr(path, '/');
        size_t bytes = slash ? (size_t)(slash - path) : strlen(path);
        if (!name_allowed(path, bytes) || strcmp(path, "..") == 0 || strncmp(path, "../", 3) == 0)
            return NULL;
        struct bootfile *node = node_child(directory, path, bytes);
        if (!slash) {
            if (node)
                return node->contents || contents ? NULL : node;
            node = node_take(directory, path, bytes, contents);
            if (node)
                node->original = true;
            return node;
        }
        if (node && node->contents)
            return NULL;
        directory = node ? node : node_take(directory, path, bytes, NULL);
        path = slash + 1;
    }
    return NULL;
}

static void add_entry(const struct cpio_entry *entry)
{
    static const struct { const char *prefix; struct bootfile **directory; } tops[] = {
        { "app/", &app }, { "system/", &system_directory },
    };
    const char *name = entry->name;
    while (name[0] == '.' && name[1] == '/')
        name += 2;
    for (size_t i = 0; i < sizeof tops / sizeof *tops; i++) {
        size_t prefix = strlen(tops[i].prefix);
        if (strncmp(name, tops[i].prefix, prefix) != 0 || !name[prefix])
            continue;
        bool directory = (entry->mode & CPIO_MODE_TYPE) == CPIO_MODE_DIRECTORY;
        struct file_contents *contents = directory ? NULL : contents_take(entry->data, entry->size);
        if ((!directory && !contents) || !add_original(*tops[i].directory, name + prefix, contents)) {
            log_warning("initrd: %s is left out (name not allowed, there twice, or no memory)", name);
            contents_give(contents);
        }
    }
}

status_t bootfile_start(const void *archive, uint64_t bytes)
{
    struct bootfile *windows;
    root = node_take(NULL, "", 0, NULL);
    if (!root || !(app = node_take(root, "app", 3, NULL)) || !(windows = node_take(root, "Windows", 7, NULL))
        || !(system_directory = node_take(windows, "System32", 8, NULL)))
        return STATUS_NO_MEMORY;
    initrd = (struct cpio){ archive, bytes, 0 };
    struct cpio walk = initrd;
    struct cpio_entry entry;
    enum cpio_status status;
    while ((status = cpio_next(&walk, &entry)) == CPIO_ENTRY)
        add_entry(&entry);
    if (status != CPIO_END && bytes)
        log_warning("initrd: broken at byte %llu: %s", (unsigned long long)walk.position, cpio_status_text(status));
    return STATUS_SUCCESS;
}

bool bootfile_janus(const char *name, const void **data, uint64_t *bytes)
{
    struct cpio walk = initrd;
    struct cpio_entry entry;
    while (cpio_next(&walk, &entry) == CPIO_ENTRY)
        if (strncmp(entry.name, "janus/", 6) == 0 && strcmp(entry.name + 6, name) == 0) {
            *data = entry.data;
            *bytes = entry.size;
            return true;
        }
    return false;
}

// The node of a depth-first walk that comes after this one, or NULL.
static struct bootfile *walk_next(struct bootfile *top, struct bootfile *node)
{
    if (!list_empty(&node->children))
        return list_entry(node->children.next, struct bootfile, link);
    while (node != top && node->link.next == &node->parent->children)
        node = node->parent;
    return node == top ? NULL : list_entry(node->link.next, struct bootfile, link);
}

void bootfile_stop(void)
{
    while (root && !list_empty(&root->children)) {
        struct bootfile *node = root;
        while (!list_empty(&node->children))
            node = list_entry(node->children.next, struct bootfile, link);
        node_remove(node);
    }
    if (root)
        node_give(root);
    root = app = system_directory = NULL;
    while (!list_empty(&deletions)) {
        struct list *link = deletions.next;
        list_remove(link);
        heap_give(list_entry(link, struct deletion, link));
    }
}

// ---- files ----

static status_t open_locked(const char *path, size_t path_bytes, enum file_disposition disposition, struct bootfile **out)
{
    struct place place;
    status_t status = path_walk(path, path_bytes, &place);
    if (status != STATUS_SUCCESS)
        return status;
    bool may_create = disposition == FILE_CREATE_NEW || disposition == FILE_OPEN_OR_CREATE;
    struct bootfile *node = place.node;
    if (node && disposition == FILE_CREATE_NEW)
        return STATUS_OBJECT_NAME_COLLISION;
    if (node && place.directory && node->contents)
        return STATUS_OBJECT_NAME_NOT_FOUND;            // a file named as a directory
    if (!node && !may_create)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    if (!node) {
        struct file_contents *contents = place.directory ? NULL : contents_take(NULL, 0);
        if (!place.directory && !contents)
            return STATUS_NO_MEMORY;
        node = node_take(place.parent, place.last, place.last_bytes, contents);
        if (!node) {
            contents_give(contents);
            return STATUS_NO_MEMORY;
        }
        node->changed = true;
    } else if (disposition == FILE_TRUNCATE && node->contents) {
        struct file_contents *empty = contents_take(NULL, 0);
        if (!empty)
            return STATUS_NO_MEMORY;
        contents_give(node->contents);
        node->contents = empty;
        node->changed = true;
    }
    node->references++;
    *out = node;
    return STATUS_SUCCESS;
}

status_t bootfile_open(const char *path, size_t path_bytes, enum file_disposition disposition, struct bootfile **out)
{
    spin_lock(&file_lock);
    status_t status = open_locked(path, path_bytes, disposition, out);
    spin_unlock(&file_lock);
    return status;
}

void bootfile_close(struct bootfile *file)
{
    spin_lock(&file_lock);
    node_give(file);
    spin_unlock(&file_lock);
}

bool bootfile_is_directory(const struct bootfile *file)
{
    return !file->contents;
}

uint64_t bootfile_size(struct bootfile *file)
{
    spin_lock(&file_lock);
    uint64_t size = file->contents ? file->contents->size : 0;
    spin_unlock(&file_lock);
    return size;
}

uint64_t bootfile_read(struct bootfile *file, uint64_t offset, void *to, uint64_t bytes)
{
    spin_lock(&file_lock);
    uint64_t size = file->contents ? file->contents->size : 0;
    uint64_t count = offset >= size ? 0 : bytes < size - offset ? bytes : size - offset;
    if (count)
        memcpy(to, file->contents->bytes + offset, count);
    spin_unlock(&file_lock);
    return count;
}

static status_t resize_locked(struct bootfile *file, uint64_t bytes)
{
    uint64_t before = file->contents->size;
    status_t status = contents_make_writable(file, bytes);
    if (status != STATUS_SUCCESS)
        return status;
    if (bytes > before)
        memset(file->contents->bytes + before, 0, bytes - before);
    file->contents->size = bytes;
    file->changed = true;
    return STATUS_SUCCESS;
}

status_t bootfile_write(struct bootfile *file, uint64_t offset, const void *from, uint64_t bytes)
{
    if (!file->contents || offset + bytes < offset || offset + bytes > INT64_MAX)
        return STATUS_INVALID_PARAMETER;
    spin_lock(&file_lock);
    uint64_t end = offset + bytes, size = file->contents->size;
    status_t status = resize_locked(file, end > size ? end : size);
    if (status == STATUS_SUCCESS && bytes)
        memcpy(file->contents->bytes + offset, from, bytes);
    spin_unlock(&file_lock);
    return status;
}

status_t bootfile_resize(struct bootfile *file, uint64_t bytes)
{
    if (!file->contents || bytes > INT64_MAX)
        return STATUS_INVALID_PARAMETER;
    spin_lock(&file_lock);
    status_t status = resize_locked(file, bytes);
    spin_unlock(&file_lock);
    return status;
}

static status_t enumerate_locked(const char *path, size_t path_bytes, uint64_t index, struct file_entry *out)
{
    struct place place;
    status_t status = path_walk(path, path_bytes, &place);
    if (status != STATUS_SUCCESS)
        return status;
    if (!place.node || place.node->contents)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    list_for_each(link, &place.node->children)
        if (index-- == 0) {
            struct bootfile *node = list_entry(link, struct bootfile, link);
            *out = (struct file_entry){ .size = node->contents ? node->contents->size : 0, .is_directory = !node->contents };
            out->name_bytes = (uint32_t)strlen(node->name);
            memcpy(out->name, node->name, out->name_bytes);
            return STATUS_SUCCESS;
        }
    return STATUS_END_OF_FILE;
}

status_t bootfile_enumerate(const char *path, size_t path_bytes, uint64_t index, struct file_entry *out)
{
    spin_lock(&file_lock);
    status_t status = enumerate_locked(path, path_bytes, index, out);
    spin_unlock(&file_lock);
    return status;
}

// "dir/name" of a node below C:\app into path (BOOTFILE_PATH_MOST + 1 bytes); false when it is not there or does not fit.
static bool relative_path(const struct bootfile *node, char *path)
{
    size_t at = BOOTFILE_PATH_MOST;
    path[at] = 0;
    for (; node && node != app; node = node->parent) {
        size_t length = strlen(node->name);
        if (length + 1 > at)
            return false;
        if (path[at])
            path[--at] = '/';
        at -= length;
        memcpy(path + at, node->name, length);
    }
    memmove(path, path + at, BOOTFILE_PATH_MOST + 1 - at);
    return node == app;
}

static void note_deletion(const struct bootfile *node)
{
    char path[BOOTFILE_PATH_MOST + 1];
    if (!node->original || !node->contents || !relative_path(node, path))
        return;
    struct deletion *deletion = heap_take(sizeof *deletion + strlen(path) + 1);
    if (!deletion) {
        log_warning("no memory to remember that %s was deleted", path);
        return;
    }
    memcpy(deletion->path, path, strlen(path) + 1);
    list_append(&deletions, &deletion->link);
}

status_t bootfile_delete(const char *path, size_t path_bytes)
{
    struct place place;
    spin_lock(&file_lock);
    status_t status = path_walk(path, path_bytes, &place);
    struct bootfile *node = place.node;
    if (status == STATUS_SUCCESS) {
        if (!node || (place.directory && node->contents))
            status = STATUS_OBJECT_NAME_NOT_FOUND;
        else if (!list_empty(&node->children) || node == root || node == app || node == system_directory)
            status = STATUS_ACCESS_DENIED;
        else {
            note_deletion(node);
            node_remove(node);
        }
    }
    spin_unlock(&file_lock);
    return status;
}

struct file_contents *bootfile_pin(struct bootfile *file, const void **data, uint64_t *bytes, uint64_t *identity)
{
    spin_lock(&file_lock);
    struct file_contents *contents = file->contents;
    if (contents) {
        contents->references++;
        *data = contents->bytes;
        *bytes = contents->size;
        *identity = contents->identity;
    }
    spin_unlock(&file_lock);
    return contents;
}

void bootfile_unpin(struct file_contents *contents)
{
    spin_lock(&file_lock);
    contents_give(contents);
    spin_unlock(&file_lock);
}

void bootfile_changes(void (*report)(const struct bootfile_change *change))
{
    char path[BOOTFILE_PATH_MOST + 1];
    struct place place;
    list_for_each(link, &deletions) {
        struct deletion *deletion = list_entry(link, struct deletion, link);
        if (path_walk(deletion->path, strlen(deletion->path), &place) == STATUS_SUCCESS && !place.node)
            report(&(struct bootfile_change){ .path = deletion->path, .deleted = true });
    }
    for (struct bootfile *node = walk_next(app, app); node; node = walk_next(app, node))
        if (node->contents && node->changed && relative_path(node, path))
            report(&(struct bootfile_change){ path, false, node->contents->bytes, node->contents->size });
}
