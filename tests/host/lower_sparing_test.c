// SPDX-License-Identifier: MIT
// A lowering that finds no temporary left: the region is begun again without what else is kept in them (emu/lower/operands.c, constants.c, owed.c).
// No instruction is known that needs it, so two are made to: this file has the lowering of VCVTPH2PS and VCVTPS2PH instead of emu/lower/lower_f16c.c.
#include "emu/lower/context.h"
#include "tests/host/check.h"

enum { BASE = 0x140001000, TEMPS = 7 };

static unsigned tries[2], constants_wanted, temps_wanted;      // how often the instruction was lowered, and how often sparingly

// Uses constants, which stay until the instruction is over if they are kept, but are temporaries if they are not; gives temporaries back; wants others.
bool lower_VCVTPH2PS(struct lower_context *cx, const struct x64_insn *insn)
{
    (void)insn;
    tries[cx->sparing]++;
    uint8_t mark = cx->temps;
    for (unsigned i = 0; i < constants_wanted; i++) {
        a64_mov_reg(cx->b, A64_X, 7, lower_constant(cx, A64_X, 0x1234567890abcdef + i));
        cx->temps = mark;
    }
    for (unsigned i = 0; i < temps_wanted; i++)
        a64_mov_reg(cx->b, A64_X, lower_temp(cx), 7);
    return true;
}
bool lower_VCVTPS2PH(struct lower_context *cx, const struct x64_insn *insn) { return lower_VCVTPH2PS(cx, insn); }

// test ecx, ecx ; je 1f ; vcvtph2ps xmm0, xmm1 ; hlt ; 1: ret
static const uint8_t code[] = { 0x85, 0xc9, 0x74, 0x06, 0xc4, 0xe2, 0x79, 0x13, 0xc1, 0xf4, 0xc3 };
static size_t read_code(void *context, uint64_t va, uint8_t *buffer, size_t max)
{
    (void)context;
    if (va < BASE || va >= BASE + sizeof code)
        return 0;
    size_t n = BASE + sizeof code - va < max ? BASE + sizeof code - va : max;
    memcpy(buffer, code + (va - BASE), n);
    return n;
}
static bool is_ec(void *context, uint64_t va) { (void)context; (void)va; return false; }

static uint32_t words[2][4096];
static struct lower_entry entries[64];
static struct lower_exit exits[64];
static struct lower_point points[1024];
static _Alignas(16) uint8_t work[LOWER_WORK_BYTES];

static enum lower_status lower(uint32_t *to, unsigned constants, unsigned temps, struct lower_result *r)
{
    static const struct code_source source = { read_code, is_ec, 0, NULL };
    struct lower_config c = { .code_va = 0x7ffd00100000, .stub_indirect = 0x7ffd00000000, .stub_return = 0x7ffd00000180 };
    *r = (struct lower_result){ .code = to, .code_capacity = 4096, .entries = entries, .entry_capacity = 64, .exits = exits, .exit_capacity = 64,
                                .points = points, .point_capacity = 1024, .work = work };
    tries[0] = tries[1] = 0;
    constants_wanted = constants;
    temps_wanted = temps;
    return lower_region(&c, &source, BASE, r);
}

static bool calls_owe(const uint32_t *in)           // paired calls enter where the shadow entry is not made at once
{
    return entries[0].call != LOWER_NO_CALL && in[entries[0].call / 4] != CTX_SHADOW_PUSH;
}

TEST(one_try_is_enough_as_a_rule)
{
    struct lower_result r;
    EXPECT_EQ(LOWER_OK, lower(words[0], 2, TEMPS, &r));
    EXPECT(tries[0] && !tries[1]);
    EXPECT(calls_owe(words[0]));
}

TEST(where_temporaries_run_out_nothing_is_kept_in_them)
{
    struct lower_result r;
    EXPECT_EQ(LOWER_OK, lower(words[0], 3, TEMPS, &r));
    EXPECT(tries[0] && tries[1]);
    EXPECT(!calls_owe(words[0]));
    // No temporary twice, and the second result is whole: nothing of the first try is left in it.
    uint32_t seen = 0, count = r.code_count;
    unsigned given = 0;
    for (uint32_t i = 0; i < count; i++)
        if ((words[0][i] & 0xffffffe0) == 0xaa0703e0) {     // mov x, x7
            EXPECT(!(seen >> (words[0][i] & 31) & 1));
            seen |= 1u << (words[0][i] & 31);
            if (++given % TEMPS == 0)
                seen = 0;
        }
    EXPECT_EQ(tries[1] * TEMPS, given);
    struct lower_entry entry = entries[0];
    uint32_t entry_count = r.entry_count, exit_count = r.exit_count, point_count = r.point_count;
    EXPECT_EQ(LOWER_OK, lower(words[1], 3, TEMPS, &r));
    EXPECT(r.code_count == count && !memcmp(words[0], words[1], count * 4) && !memcmp(&entry, &entries[0], sizeof entry));
    EXPECT(r.entry_count == entry_count && r.exit_count == exit_count && r.point_count == point_count);
    for (uint32_t i = 1; i < point_count; i++)
        EXPECT(points[i - 1].offset < points[i].offset && !points[i].owed);
}

TEST(what_wants_more_than_there_are_is_a_defect)
{
    struct lower_result r;
    EXPECT_EQ(LOWER_DEFECT, lower(words[0], 0, 10, &r));
    EXPECT(tries[0] && tries[1]);
}

TEST_MAIN
