// SPDX-License-Identifier: MIT
// The two forms of the x87 state (emu/x87/quick.h): from plain to quick and back nothing is lost; and what C1 comes from.
#include "emu/x87/quick.h"
#include "emu/x87/x87.h"
#include "tests/host/check.h"
#include <string.h>

static uint64_t seed = 1;
static uint64_t number(void)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return seed * 0x9e3779b97f4a7c15ull;
}

static struct float80 value(bool odd)
{
    static const struct float80 edges[] = {
        { 0 }, { .sign_exponent = 0x8000 }, { .significand = 1ull << 63, .sign_exponent = 0x7fff }, { .significand = 3ull << 62, .sign_exponent = 0x7fff },
        { .significand = 1 }, { .significand = 1ull << 63 }, { .significand = 1ull << 63, .sign_exponent = 0x3c01 }, { .significand = 1ull << 63, .sign_exponent = 0x3c00 },
        { .significand = ~0ull << 11, .sign_exponent = 0x43fe }, { .significand = 1ull << 63, .sign_exponent = 0x43ff }, { .significand = ~0ull, .sign_exponent = 0x3fff },
        { .significand = 1, .sign_exponent = 0x3fff },
    };
    uint64_t r = number();
    if (odd)
        return r & 1 ? edges[(r >> 8) % (sizeof edges / sizeof *edges)] : (struct float80){ .significand = number(), .sign_exponent = (uint16_t)r };
    return (struct float80){ .significand = 1ull << 63 | number() << 11, .sign_exponent = (uint16_t)((r & 0x8000) | (0x3f00 + (r >> 20 & 0x1ff))) };
}

TEST(plain_to_quick_and_back)
{
    unsigned quick_ones = 0;
    for (unsigned n = 0; n < 200000; n++) {
        uint64_t r = number();
        unsigned depth = r % 9;
        struct x87_state s = { .control = (uint16_t)(0x7f | (r >> 8 & 0xf00)), .ip = number() >> (r >> 16 & 15 ? 17 : 0), .dp = number(),
                               .status = (uint16_t)((r >> 24 & 0x477f) | ((8 - depth) & 7) << X87_TOP_SHIFT), .valid = (uint16_t)(0xff00 >> depth & 0xff),
                               .opcode = (uint16_t)(r >> 40 & 0x7ff) };
        for (unsigned i = 0; i < 8; i++)
            s.reg[i] = value(r >> 52 & 1 || !(s.valid >> i & 1));
        if ((r >> 56 & 15) == 1)
            s.valid ^= (uint16_t)(1u << (r >> 60 & 7));
        if ((r >> 56 & 15) == 2)
            s.control &= (uint16_t)~(1u << (r >> 60 & 7));
        struct x87_state was = s;
        struct x87_quick q;
        x87_to_quick(&s, &q);
        quick_ones += q.depth != X87_PLAIN;
        if (q.depth == X87_PLAIN)
            EXPECT_EQ(0, memcmp(&s, &was, sizeof s));
        else
            EXPECT_EQ(depth, q.depth);
        x87_to_plain(&s, &q);
        EXPECT_EQ(0, memcmp(&s, &was, sizeof s));
        EXPECT_EQ(X87_PLAIN, q.depth);
    }
    EXPECT(quick_ones > 50000 && quick_ones < 190000);
}

TEST(c1_is_found_again)
{
    static const struct { uint8_t c1; uint64_t a, b; bool up; } cases[] = {
        { C1_CLEAR, 0, 0, false }, { C1_SET, 0, 0, true },
        { C1_ADD, 0x3ff0000000000000, 0x3ff0000000000000, false },      // 1 + 1
        { C1_ADD, 0x3ff0000000000000, 0x3ca8000000000000, true },       // 1 + 0.75 ulp
        { C1_ADD, 0x3ff0000000000000, 0x3c90000000000000, false },      // 1 + 0.25 ulp
        { C1_SUB, 0x3ff0000000000000, 0xbca8000000000000, true },       // 1 - -0.75 ulp
        { C1_DIV, 0x4000000000000000, 0x4008000000000000, false },      // 2 / 3 = 0.101010...1|01
        { C1_DIV, 0x3ff0000000000000, 0x4014000000000000, true },       // 1 / 5 = ...1001|1001
        { C1_SQRT, 0x4000000000000000, 0, true },
        { C1_SINGLE, 0x3ff0000010000001, 0, true }, { C1_SINGLE, 0x3ff0000010000000, 0, false },
        { C1_WHOLE, 0x3ff8000000000000, 0, true }, { C1_WHOLE, 0x4004000000000000, 0, false },         // 1.5, 2.5
        { C1_INTEGER, 0x3ff8000000000000, 0, true }, { C1_INTEGER, 0x4004000000000000, 0, false },     // 1.5, 2.5
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct x87_state s = { .control = 0x27f };
        struct x87_quick q = { .c1 = cases[i].c1, .operand = { cases[i].a, cases[i].b } };
        for (unsigned j = 0; j < 8; j++)
            s.reg[j].reserved[2] = X87_QUICK_WIDE;
        x87_to_plain(&s, &q);
        EXPECT_EQ(cases[i].up, (s.status & X87_C1) != 0);
    }
}

TEST_MAIN
