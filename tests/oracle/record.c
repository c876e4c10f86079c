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

static int usage(void)
{
    fprintf(stderr, "usage: record forms|random COUNT SEED [FIRST] [-u] [-o FORM]\n"
                    "       record cut COUNT SEED [FIRST] FILE...\n"
                    "       record list\n"
                    "       record coverage < VECTORS\n");
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

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    if (!strcmp(mode, "forms"))
        return make(argc, argv, MODE_FORMS);
    if (!strcmp(mode, "random"))
        return make(argc, argv, MODE_RANDOM);
    if (!strcmp(mode, "cut"))
        return make(argc, argv, MODE_CUT);
    if (!strcmp(mode, "list"))
        return list();
    if (!strcmp(mode, "coverage"))
        return coverage_report(stdin, stdout) != 0;
    return usage();
}
