// SPDX-License-Identifier: MIT
// The initrd reader, the file tree and the startup block, all of which take bytes from outside.
// link: kernel/cpio.c kernel/bootfile.c kernel/startup.c
#include "tests/host/check.h"

#include <stdarg.h>
#include "kernel/bootfile.h"
#include "kernel/cpio.h"
#include "kernel/lock.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/startup.h"
#include "mm/heap.h"

// ---- the kernel below: memory that can run out, a lock that notices misuse ----

static long heap_left = -1;     // allocations until there is no memory; negative: endless
static long heap_live;

void *heap_take(size_t bytes)
{
    if (heap_left == 0)
        return NULL;
    if (heap_left > 0)
        heap_left--;
    heap_live++;
    return calloc(1, bytes ? bytes : 1);
}
void heap_give(void *p)
{
    heap_live -= p != NULL;
    free(p);
}
static int locked;
void spin_lock(struct spinlock *lock) { (void)lock, locked++; if (locked != 1) abort(); }
void spin_unlock(struct spinlock *lock) { (void)lock, locked--; if (locked != 0) abort(); }
static int warnings;
void log_line(enum log_level level, const char *format, ...) { (void)level, (void)format, warnings++; }
void panic(const char *format, ...) { (void)format; abort(); }

// ---- archives ----

struct archive { uint8_t bytes[65536]; size_t size; };

static void add_bytes(struct archive *a, const void *bytes, size_t count)
{
    memcpy(a->bytes + a->size, bytes, count);
    a->size += count;
    while (a->size % 4)
        a->bytes[a->size++] = 0;
}

static void add(struct archive *a, const char *name, unsigned mode, const void *data, size_t size)
{
    char header[111];
    snprintf(header, sizeof header, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", 1, mode, 0, 0, 1, 0, (unsigned)size,
             0, 0, 0, 0, (unsigned)strlen(name) + 1, 0);
    size_t start = a->size;
    memcpy(a->bytes + start, header, 110);
    a->size += 110;
    add_bytes(a, name, strlen(name) + 1);
    add_bytes(a, data, size);
}

static void add_file(struct archive *a, const char *name, const char *text) { add(a, name, 0100644, text, strlen(text)); }
static void add_end(struct archive *a) { add(a, "TRAILER!!!", 0, "", 0); }

static struct archive sample(void)
{
    struct archive a = { .size = 0 };
    add(&a, "app", 0040755, "", 0);
    add_file(&a, "app/Prog.exe", "program");
    add_file(&a, "app/data/inner/a.txt", "inner text");
    add_file(&a, "app/data/b.txt", "");
    add_file(&a, "system/ntdll.dll", "ntdll");
    add_file(&a, "janus/startup", "block");
    add_end(&a);
    return a;
}

#define OPEN(path, how, out) bootfile_open(path, strlen(path), how, out)

static void expect_contents(const char *path, const char *text)
{
    struct bootfile *file;
    char buffer[256] = "";
    EXPECT_EQ(STATUS_SUCCESS, OPEN(path, FILE_OPEN_EXISTING, &file));
    uint64_t n = bootfile_read(file, 0, buffer, sizeof buffer);
    EXPECT(n == strlen(text) && memcmp(buffer, text, n) == 0);
    EXPECT_EQ(n, bootfile_size(file));
    bootfile_close(file);
}

TEST(cpio_entries_come_in_order)
{
    struct archive a = sample();
    struct cpio walk = { a.bytes, a.size, 0 };
    struct cpio_entry entry;
    EXPECT_EQ(CPIO_ENTRY, cpio_next(&walk, &entry));
    EXPECT(!strcmp(entry.name, "app") && entry.size == 0 && (entry.mode & CPIO_MODE_TYPE) == CPIO_MODE_DIRECTORY);
    EXPECT_EQ(CPIO_ENTRY, cpio_next(&walk, &entry));
    EXPECT(!strcmp(entry.name, "app/Prog.exe") && entry.size == 7 && !memcmp(entry.data, "program", 7));
    for (int i = 0; i < 4; i++)
        EXPECT_EQ(CPIO_ENTRY, cpio_next(&walk, &entry));
    EXPECT_EQ(CPIO_END, cpio_next(&walk, &entry));
    EXPECT_EQ(CPIO_END, cpio_next(&walk, &entry));
}

// Every cut of an archive: entries that are whole come, then an error, and nothing is read beyond (the sanitizer watches a
// buffer of exactly that size).
TEST(cpio_cut_anywhere)
{
    struct archive a = sample();
    for (size_t size = 0; size < a.size; size++) {
        uint8_t *exact = malloc(size ? size : 1);
        memcpy(exact, a.bytes, size);
        struct cpio walk = { exact, size, 0 };
        struct cpio_entry entry;
        enum cpio_status status;
        int entries = 0;
        while ((status = cpio_next(&walk, &entry)) == CPIO_ENTRY)
            entries++;
        EXPECT(entries <= 6 && (status == CPIO_E_TRUNCATED || (status == CPIO_END && a.size - size < 4)));
        free(exact);
    }
}

TEST(cpio_damaged_anywhere)
{
    struct archive good = sample();
    srand(1);
    for (int round = 0; round < 20000; round++) {
        uint8_t *bytes = malloc(good.size);
        memcpy(bytes, good.bytes, good.size);
        for (int i = 0; i < 1 + round % 4; i++)
            bytes[(size_t)rand() % good.size] = (uint8_t)(rand() % 3 ? "0123456789abcdefABCDEF"[rand() % 22] : rand());
        struct cpio walk = { bytes, good.size, 0 };
        struct cpio_entry entry;
        int entries = 0;
        while (cpio_next(&walk, &entry) == CPIO_ENTRY && entries < 1000) {
            entries++;
            EXPECT(entry.data >= bytes && entry.data + entry.size <= bytes + good.size);
            EXPECT(strlen(entry.name) == entry.name_bytes);
        }
        EXPECT(entries < 1000);
        EXPECT_EQ(STATUS_SUCCESS, bootfile_start(bytes, good.size));
        bootfile_stop();
        free(bytes);
    }
}

TEST(cpio_huge_sizes_do_not_wrap)
{
    static const char *const fields[] = { "ffffffff", "fffffffd", "80000000", "7fffffff" };
    for (int which = 0; which < 8; which++) {
        struct archive a = sample();
        memcpy(a.bytes + 6 + 8 * (which < 4 ? 6 : 11), fields[which % 4], 8);
        struct cpio walk = { a.bytes, a.size, 0 };
        struct cpio_entry entry;
        EXPECT_EQ(CPIO_E_TRUNCATED, cpio_next(&walk, &entry));
    }
}

// ---- the tree ----

TEST(tree_paths_are_forgiving)
{
    struct archive a = sample();
    EXPECT_EQ(STATUS_SUCCESS, bootfile_start(a.bytes, a.size));
    static const char *const same[] = {
        "C:\\app\\Prog.exe", "c:/APP/prog.EXE", "prog.exe", ".\\prog.exe", "\\app\\prog.exe", "\\\\?\\C:\\app\\prog.exe",
        "\\??\\C:\\app\\prog.exe", "data\\..\\prog.exe", "C:prog.exe", "data/inner/../../prog.exe", "C:\\..\\..\\app\\prog.exe",
        "//app//prog.exe",
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        expect_contents(same[i], "program");
    expect_contents("data\\inner\\A.TXT", "inner text");
    expect_contents("C:\\Windows\\System32\\NTDLL.dll", "ntdll");
    bootfile_stop();
    EXPECT_EQ(0, heap_live);
}

TEST(tree_paths_that_lead_nowhere)
{
    struct archive a = sample();
    struct bootfile *file;
    static const struct { const char *path; status_t status; } bad[] = {
        { "none.exe", (status_t)0xC0000034 }, { "D:\\app\\prog.exe", (status_t)0xC0000034 }, { "prog.exe\\x", (status_t)0xC0000034 },
        { "prog.exe\\", (status_t)0xC0000034 }, { "none\\prog.exe", (status_t)0xC0000034 }, { "pro*", (status_t)0xC000000D },
        { "a:b", (status_t)0xC0000034 }, { "x\x01", (status_t)0xC000000D }, { "none\\..\\..\\x\\y", (status_t)0xC0000034 },
    };
    EXPECT_EQ(STATUS_SUCCESS, bootfile_start(a.bytes, a.size));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        EXPECT_EQ((uint32_t)bad[i].status, (uint32_t)OPEN(bad[i].path, FILE_OPEN_EXISTING, &file));
    char longest[2000];
    memset(longest, 'a', sizeof longest);
    EXPECT_EQ((uint32_t)STATUS_INVALID_PARAMETER, (uint32_t)bootfile_open(longest, sizeof longest, FILE_OPEN_OR_CREATE, &file));
    memset(longest, '\\', sizeof longest);
    EXPECT_EQ((uint32_t)STATUS_INVALID_PARAMETER, (uint32_t)bootfile_open(longest, sizeof longest, FILE_OPEN_EXISTING, &file));
    bootfile_stop();
    EXPECT_EQ(0, heap_live);
}

TEST(tree_create_write_read_delete)
{
    struct archive a = sample();
    struct bootfile *file, *again;
    uint8_t before[sizeof a.bytes];
    memcpy(before, a.bytes, a.size);
    EXPECT_EQ(STATUS_SUCCESS, bootfile_start(a.bytes, a.size));
    EXPECT_EQ(STATUS_SUCCESS, OPEN("new.txt", FILE_CREATE_NEW, &file));
    EXPECT_EQ((uint32_t)STATUS_OBJECT_NAME_COLLISION, (uint32_t)OPEN("NEW.txt", FILE_CREATE_NEW, &again));
    EXPECT_EQ(STATUS_SUCCESS, bootfile_write(file, 5, "five", 4));
    EXPECT_EQ(9, bootfile_size(file));
    char text[16];
    EXPECT_EQ(9, bootfile_read(file, 0, text, sizeof text));
    EXPECT(!memcmp(text, "\0\0\0\0\0five", 9));
    EXPECT_EQ(0, bootfile_read(file, 9, text, 1));
    EXPECT_EQ(0, bootfile_read(file, ~0ull, text, 1));
    EXPECT_EQ(STATUS_SUCCESS, bootfile_resize(file, 2));
    EXPECT_EQ(STATUS_SUCCESS, bootfile_resize(file, 9));
    EXPECT_EQ(9, bootfile_read(file, 0, text, sizeof text));
    EXPECT(!memcmp(text, "\0\0\0\0\0\0\0\0\0", 9));
    EXPECT_EQ((uint32_t)STATUS_INVALID_PARAMETER, (uint32_t)bootfile_write(file, ~0ull - 2, "xxxx", 4));
    EXPECT_EQ((uint32_t)STATUS_INVALID_PARAMETER, (uint32_t)bootfile_resize(file, ~0ull));
    EXPECT_EQ(STATUS_SUCCESS, bootfile_delete("new.txt", 7));
    EXPECT_EQ((uint32_t)STATUS_OBJECT_NAME_NOT_FOUND, (uint32_t)OPEN("new.txt", FILE_OPEN_EXISTING, &again));
    EXPECT_EQ(STATUS_SUCCESS, bootfile_write(file, 0, "still here", 10));     // open: lives on
    bootfile_close(file);

    // A file of the archive is copied before it is written: the archive's bytes stay.
    EXPECT_EQ(STATUS_SUCCESS, OPEN("prog.exe", FILE_OPEN_EXISTING, &file));
    EXPECT_EQ(STATUS_SUCCESS, bootfile_write(file, 0, "PRO", 3));
    bootfile_close(file);
    expect_contents("prog.exe", "PROgram");
    EXPECT(!memcmp(before, a.bytes, a.size));
    EXPECT_EQ((uint32_t)STATUS_ACCESS_DENIED, (uint32_t)bootfile_delete("data", 4));
    EXPECT_EQ((uint32_t)STATUS_ACCESS_DENIED, (uint32_t)bootfile_delete("C:\\app", 6));
    EXPECT_EQ((uint32_t)STATUS_ACCESS_DENIED, (uint32_t)bootfile_delete("C:\\", 3));
    bootfile_stop();
    EXPECT_EQ(0, heap_live);
}

TEST(tree_pinned_bytes_never_change)
{
    struct archive a = sample();
    struct bootfile *file;
    const void *first, *second;
    uint64_t bytes, identity1, identity2, identity3;
    EXPECT_EQ(STATUS_SUCCESS, bootfile_start(a.bytes, a.size));
    EXPECT_EQ(STATUS_SUCCESS, OPEN("x.bin", FILE_CREATE_NEW, &file));
    bootfile_write(file, 0, "old!", 4);
    struct file_contents *pin = bootfile_pin(file, &first, &bytes, &identity1);
    EXPECT(pin && bytes == 4);
    bootfile_write(file, 0, "new?", 4);
    EXPECT(!memcmp(first, "old!", 4));
    struct file_contents *pin2 = bootfile_pin(file, &second, &bytes, &identity2);
    EXPECT(!memcmp(second, "new?", 4) && identity1 != identity2);
    bootfile_unpin(pin);
    bootfile_unpin(pin2);
    bootfile_write(file, 0, "n", 1);
    pin = bootfile_pin(file, &first, &bytes, &identity3);
    EXPECT(identity3 != identity2);
    bootfile_unpin(pin);
    bootfile_close(file);
    bootfile_stop();
    EXPECT_EQ(0, heap_live);
}

TEST(tree_directories_and_enumeration)
{
    struct archive a = sample();
    struct bootfile *directory;
    struct file_entry entry;
    char seen[256] = "";
    EXPECT_EQ(STATUS_SUCCESS, bootfile_start(a.bytes, a.size));
    EXPECT_EQ(STATUS_SUCCESS, OPEN("made\\", FILE_CREATE_NEW, &directory));
    EXPECT(bootfile_is_directory(directory));
    bootfile_close(directory);
    EXPECT_EQ(STATUS_SUCCESS, OPEN("made\\file", FILE_CREATE_NEW, &directory));
    bootfile_close(directory);
    for (uint64_t i = 0; bootfile_enumerate("C:\\app\\", 7, i, &entry) == STATUS_SUCCESS; i++)
        snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%.*s%s ", (int)entry.name_bytes, entry.name, entry.is_directory ? "/" : "");
    EXPECT(!strcmp(seen, "Prog.exe data/ made/ "));
    EXPECT_EQ((uint32_t)STATUS_END_OF_FILE, (uint32_t)bootfile_enumerate("made", 4, 1, &entry));
    EXPECT_EQ((uint32_t)STATUS_OBJECT_NAME_NOT_FOUND, (uint32_t)bootfile_enumerate("prog.exe", 8, 0, &entry));
    bootfile_stop();
    EXPECT_EQ(0, heap_live);
}

static char changes[512];
static void note_change(const struct bootfile_change *change)
{
    snprintf(changes + strlen(changes), sizeof changes - strlen(changes), "%s%s=%.*s;", change->deleted ? "-" : "", change->path,
             (int)change->bytes, change->data ? (const char *)change->data : "");
}

TEST(tree_tells_what_changed)
{
    struct archive a = sample();
    struct bootfile *file;
    EXPECT_EQ(STATUS_SUCCESS, bootfile_start(a.bytes, a.size));
    changes[0] = 0;
    bootfile_changes(note_change);
    EXPECT(!strcmp(changes, ""));
    OPEN("data\\inner\\a.txt", FILE_TRUNCATE, &file);
    bootfile_write(file, 0, "short", 5);
    bootfile_close(file);
    OPEN("out.txt", FILE_OPEN_OR_CREATE, &file);
    bootfile_write(file, 0, "out", 3);
    bootfile_close(file);
    bootfile_delete("prog.exe", 8);
    bootfile_delete("data\\b.txt", 10);
    OPEN("data\\b.txt", FILE_CREATE_NEW, &file);
    bootfile_close(file);
    bootfile_changes(note_change);
    EXPECT(!strcmp(changes, "-Prog.exe=;data/inner/a.txt=short;data/b.txt=;out.txt=out;"));
    bootfile_stop();
    EXPECT_EQ(0, heap_live);
}

// With memory for only so many allocations, every operation fails cleanly.
TEST(tree_without_memory)
{
    struct archive a = sample();
    for (long left = 0; left < 40; left++) {
        struct bootfile *file;
        heap_left = left;
        if (bootfile_start(a.bytes, a.size) == STATUS_SUCCESS && OPEN("new", FILE_CREATE_NEW, &file) == STATUS_SUCCESS) {
            bootfile_write(file, 100000, "x", 1);
            bootfile_close(file);
            bootfile_delete("prog.exe", 8);
        }
        heap_left = -1;
        bootfile_stop();
        EXPECT_EQ(0, heap_live);
    }
}

TEST(tree_hostile_archive_names)
{
    struct archive a = { .size = 0 };
    struct bootfile *file;
    static const char *const names[] = {
        "app/../../x", "app/..", "app/", "app//x", "app/a/../b", "../app/x", "app/C:/x", "app/x\\y", "app/con*", "app", "system", "janus/",
        "app/twice", "app/TWICE", "app/twice/below", "nothing/here",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        add_file(&a, names[i], names[i]);
    add_end(&a);
    EXPECT_EQ(STATUS_SUCCESS, bootfile_start(a.bytes, a.size));
    expect_contents("twice", "app/twice");
    EXPECT_EQ((uint32_t)STATUS_OBJECT_NAME_NOT_FOUND, (uint32_t)OPEN("C:\\x", FILE_OPEN_EXISTING, &file));
    EXPECT_EQ((uint32_t)STATUS_OBJECT_NAME_NOT_FOUND, (uint32_t)OPEN("b", FILE_OPEN_EXISTING, &file));
    bootfile_stop();
    EXPECT_EQ(0, heap_live);
}

// ---- startup block ----

struct block { struct startup_block head; uint8_t text[256]; };

static struct block startup_sample(void)
{
    struct block b = { .head = { .magic = STARTUP_MAGIC, .bytes = sizeof b } };
    static const char path[] = "C:\\app\\x.exe";
    b.head.image_offset = b.head.command_offset = sizeof b.head;
    b.head.image_bytes = b.head.command_bytes = 2 * (sizeof path - 1);
    for (size_t i = 0; path[i]; i++)
        b.text[2 * i] = (uint8_t)path[i];
    return b;
}

TEST(startup_good_block)
{
    struct block b = startup_sample();
    char path[64];
    EXPECT_EQ(STARTUP_OK, startup_check(&b, sizeof b));
    EXPECT(startup_image_path(&b, path, sizeof path) && !strcmp(path, "C:\\app\\x.exe"));
    EXPECT(!startup_image_path(&b, path, 12));
    EXPECT(startup_image_path(&b, path, 13));
}

TEST(startup_each_rule)
{
    struct block b;
#define REFUSED(expected, change) do { b = startup_sample(); change; EXPECT_EQ(expected, startup_check(&b, sizeof b)); } while (0)
    REFUSED(STARTUP_E_MAGIC, b.head.magic++);
    REFUSED(STARTUP_E_SIZE, b.head.bytes++);
    REFUSED(STARTUP_E_SIZE, b.head.bytes = sizeof b.head - 1);
    REFUSED(STARTUP_E_RANGE, b.head.image_offset = 4);
    REFUSED(STARTUP_E_RANGE, b.head.command_offset = sizeof b - 2);
    REFUSED(STARTUP_E_RANGE, b.head.environment_bytes = 2);
    REFUSED(STARTUP_E_RANGE, (b.head.directory_offset = 0xfffffffe, b.head.directory_bytes = 4));
    REFUSED(STARTUP_E_RANGE, (b.head.directory_offset = sizeof b.head, b.head.directory_bytes = 0xfffffffe));
    REFUSED(STARTUP_E_TEXT, b.head.image_bytes--);
    REFUSED(STARTUP_E_TEXT, b.head.image_offset++);
    REFUSED(STARTUP_E_IMAGE, b.head.image_bytes = 0);
    b = startup_sample();
    EXPECT_EQ(STARTUP_E_SIZE, startup_check(&b, sizeof b.head - 1));
    EXPECT_EQ(STARTUP_E_SIZE, startup_check(&b, STARTUP_BYTES_MOST + 1));
}

TEST(startup_paths_in_every_plane)
{
    static const struct { uint16_t units[4]; uint32_t count; const char *utf8; } rows[] = {
        { { 0xe9, 0x20ac }, 2, "\xc3\xa9\xe2\x82\xac" }, { { 0xd83d, 0xde00 }, 2, "\xf0\x9f\x98\x80" }, { { 0xd83d }, 1, NULL },
        { { 0xde00, 'a' }, 2, NULL }, { { 0xd83d, 'a' }, 2, NULL }, { { 'a', 0, 'b' }, 3, NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct block b = startup_sample();
        char path[16];
        memcpy(b.text, rows[i].units, 2 * rows[i].count);
        b.head.image_bytes = 2 * rows[i].count;
        bool good = startup_image_path(&b, path, sizeof path);
        EXPECT(good == (rows[i].utf8 != NULL));
        EXPECT(!good || !strcmp(path, rows[i].utf8));
    }
}

TEST_MAIN
