// SPDX-License-Identifier: MIT
//
// record.c - runs on an x64 host: makes sequences, executes each natively, writes vectors (vector.h) to stdout. README.md has the
// command lines.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/oracle/coverage.h"
#include "tests/oracle/cut.h"
#include "tests/oracle/make.h"
#include "tests/oracle/native.h"
#include "tests/oracle/rules.h"
#include "tests/oracle/shrink.h"
#include "tests/oracle/text.h"

static int usage(void)
{
    fprintf(stderr, "usage: record forms|random|programs COUNT SEED [FIRST] [-u] [-o FORM]\n"
                    "       record cut COUNT SEED [FIRST] FILE...\n"
                    "       record list\n"
                    "       record pass\n"
                    "       record coverage < VECTORS\n"
                    "       record text < VECTORS\n"
                    "       record vectors < CASES\n"
                    "       record drop FIRST END NUMBER < VECTOR\n"
                    "       record zero PART NUMBER < VECTOR\n");
    return 2;
}

static struct oracle_vector vector;

static bool write_vector(void)
{
    return fwrite(&vector, sizeof vector, 1, stdout) == 1 &&
           fwrite(native_changes, sizeof *native_changes, vector.change_count, stdout) == vector.change_count;
}

static int make(int argc, char **argv, enum oracle_mode mode)
{
    struct oracle_making m = { .mode = mode };
    uint64_t numbers[3] = { 0, 0, 0 };
    unsigned given = 0, missing = 0;
    for (int i = 2; i < argc; i++) {
        char *end;
        unsigned long long number = strtoull(argv[i], &end, 0);
        if (!strcmp(argv[i], "-u"))
            m.user = true;
        else if (!strcmp(argv[i], "-o") && i + 1 < argc)
            m.only = argv[++i];
        else if (given < 3 && !*end)
            numbers[given++] = number;
        else if (mode == MODE_CUT) {
            const char *wrong = cut_add_file(argv[i]);
            if (wrong)
                return fprintf(stderr, "record: %s: %s\n", argv[i], wrong), 2;
        } else
            return usage();
    }
    if (given < 2)
        return usage();
    if (!native_open())
        return perror("record"), 2;
    m.seed = numbers[1];
    uint64_t count = numbers[0];
    if (!count && mode == MODE_FORMS)
        count = oracle_pass(&m);
    for (uint64_t i = 0; i < count; i++)
        if (!oracle_make(&m, (uint32_t)(numbers[2] + i), &vector))
            missing++;
        else if (!write_vector())
            return perror("record"), 1;
    if (fflush(stdout))
        return perror("record"), 1;
    if (missing)
        fprintf(stderr, "record: nothing could be recorded for %u of %llu numbers\n", missing, (unsigned long long)count);
    return 0;
}

static int list(void)
{
    unsigned count;
    const struct oracle_form *f = oracle_forms(&count);
    for (unsigned i = 0; i < count; i++)
        printf("%5u %s\n", i, f[i].name);
    return 0;
}

static struct oracle_change changes[ORACLE_MEMORY_BYTES / 8];

static bool read_vector(void)
{
    return fread(&vector, sizeof vector, 1, stdin) == 1 && vector.magic == ORACLE_MAGIC && vector.code_bytes <= ORACLE_CODE_MAX &&
           vector.change_count <= ORACLE_MEMORY_BYTES / 8 && fread(changes, sizeof *changes, vector.change_count, stdin) == vector.change_count;
}

static int to_text(void)
{
    for (bool first = true; read_vector(); first = false) {
        if (!first)
            printf("\n");
        text_write(stdout, &vector, changes);
    }
    return feof(stdin) ? 0 : 2;
}

static int from_text(void)
{
    unsigned line = 0;
    const char *wrong = 0;
    int got;
    while ((got = text_read(stdin, &vector, changes, &line, &wrong)) > 0) {
        fwrite(&vector, sizeof vector, 1, stdout);
        fwrite(changes, sizeof *changes, vector.change_count, stdout);
    }
    if (got < 0)
        return fprintf(stderr, "record: line %u: %s\n", line, wrong), 2;
    return 0;
}

// 0: one vector written; 1: cannot be; 2: trouble.
static int smaller(int argc, char **argv, bool drop)
{
    if (argc != (drop ? 5 : 4))
        return usage();
    if (!read_vector())
        return fprintf(stderr, "record: one vector was expected\n"), 2;
    if (!native_open())
        return perror("record"), 2;
    uint32_t number = (uint32_t)strtoul(argv[argc - 1], 0, 0);
    bool possible = drop ? oracle_drop(&vector, (unsigned)strtoul(argv[2], 0, 0), (unsigned)strtoul(argv[3], 0, 0), number) :
                           oracle_simplify(&vector, argv[2]) && oracle_drop(&vector, 0, 0, number);
    if (!possible || !oracle_execute(&vector))
        return 1;
    return write_vector() && !fflush(stdout) ? 0 : 2;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    if (!strcmp(mode, "forms"))
        return make(argc, argv, MODE_FORMS);
    if (!strcmp(mode, "random"))
        return make(argc, argv, MODE_RANDOM);
    if (!strcmp(mode, "programs"))
        return make(argc, argv, MODE_PROGRAMS);
    if (!strcmp(mode, "cut"))
        return make(argc, argv, MODE_CUT);
    if (!strcmp(mode, "list"))
        return list();
    if (!strcmp(mode, "pass"))
        return printf("%u\n", oracle_pass(&(struct oracle_making){ .mode = MODE_FORMS })) < 0;
    if (!strcmp(mode, "coverage"))
        return native_open() ? coverage_report(stdin, stdout) != 0 : (perror("record"), 2);
    if (!strcmp(mode, "text"))
        return to_text();
    if (!strcmp(mode, "vectors"))
        return from_text();
    if (!strcmp(mode, "drop") || !strcmp(mode, "zero"))
        return smaller(argc, argv, mode[0] == 'd');
    return usage();
}
