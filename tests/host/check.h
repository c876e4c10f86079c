// SPDX-License-Identifier: MIT
// Host tests: TEST(sentence_as_a_name) { ... EXPECT(...); } and, at the end of the file, TEST_MAIN. A failed EXPECT is
// printed and the case goes on. The program prints "N passed, N failed" last and fails if anything did.
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check_case {
    const char *name;
    void (*run)(void);
};
static struct check_case check_cases[512];
static unsigned check_case_count, check_failures;

#define TEST(name_)                                                                       \
    static void test_##name_(void);                                                       \
    __attribute__((constructor)) static void register_##name_(void)                       \
    {                                                                                     \
        check_cases[check_case_count++] = (struct check_case){#name_, test_##name_};      \
    }                                                                                     \
    static void test_##name_(void)

#define EXPECT(condition)                                                                 \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            printf("%s:%d: EXPECT(%s)\n", __FILE__, __LINE__, #condition);                \
            check_failures++;                                                             \
        }                                                                                 \
    } while (0)

// Integers, shown in hexadecimal when they differ.
#define EXPECT_EQ(expected, actual)                                                                       \
    do {                                                                                                  \
        unsigned long long expected_ = (unsigned long long)(expected), actual_ = (unsigned long long)(actual); \
        if (expected_ != actual_) {                                                                       \
            printf("%s:%d: %s: expected 0x%llx, is 0x%llx\n", __FILE__, __LINE__, #actual, expected_, actual_); \
            check_failures++;                                                                             \
        }                                                                                                 \
    } while (0)

static int check_run_all(void)
{
    unsigned passed = 0, failed = 0;
    for (unsigned i = 0; i < check_case_count; i++) {
        check_failures = 0;
        check_cases[i].run();
        if (check_failures) failed++, printf("FAIL %s\n", check_cases[i].name);
        else passed++;
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}

#define TEST_MAIN          \
    int main(void)         \
    {                      \
        return check_run_all(); \
    }
