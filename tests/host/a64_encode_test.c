// SPDX-License-Identifier: MIT
// The arm64 encoder: every form against the word of an independent assembler, immediates, refusals, labels.
#include "emu/a64/simd.h"
#include "tests/host/check.h"

static uint32_t words[64];
static struct a64_buf fresh(void) { return (struct a64_buf){ .code = words, .capacity = 64 }; }

// tests/unit/test_encoder_rows.py assembles the texts again, and misses functions that have no row.
#define T(text, call, word) \
    buf = fresh(); \
    a64_##call; \
    if (buf.count != 1 || words[0] != (word) || buf.bad || buf.full) { \
        printf("%s: expected %08x, is %08x%s\n", text, word, words[0], buf.bad ? " (refused)" : ""); \
        check_failures++; \
    }
TEST(forms_match_an_independent_assembler)
{
    struct a64_buf buf, *b = &buf;
#include "tests/host/a64_encode_table.inc"
}

TEST(vector_forms_match_an_independent_assembler)
{
    struct a64_buf buf, *b = &buf;
#include "tests/host/a64_encode_simd.inc"
}
#undef T

// DecodeBitMasks (Arm ARM, shared/functions/bits): what N:immr:imms means.
static uint64_t decode_bit_mask(uint32_t field)
{
    unsigned n = field >> 12 & 1, immr = field >> 6 & 63, imms = field & 63;
    unsigned length = 31 - (unsigned)__builtin_clz(n << 6 | (~imms & 63));
    unsigned element = 1u << length, s = imms & (element - 1), r = immr & (element - 1);
    uint64_t ones = s == 63 ? ~0ull : (1ull << (s + 1)) - 1, mask = element == 64 ? ~0ull : (1ull << element) - 1;
    uint64_t turned = r ? (ones >> r | ones << (element - r)) & mask : ones;
    uint64_t value = 0;
    for (unsigned i = 0; i < 64; i += element)
        value |= turned << i;
    return value;
}

TEST(every_logical_immediate_comes_back)
{
    unsigned count = 0;
    for (unsigned element = 2; element <= 64; element *= 2)
        for (unsigned ones = 1; ones < element; ones++)
            for (unsigned turn = 0; turn < element; turn++) {
                uint64_t mask = element == 64 ? ~0ull : (1ull << element) - 1;
                uint64_t run = ((1ull << ones) - 1) & mask, turned = turn ? (run << turn | run >> (element - turn)) & mask : run, value = 0;
                for (unsigned i = 0; i < 64; i += element)
                    value |= turned << i;
                struct a64_buf b = fresh();
                EXPECT(a64_logical_imm_ok(A64_X, value));
                a64_and_imm(&b, A64_X, 1, 2, value);
                EXPECT(!b.bad && decode_bit_mask(words[0] >> 10 & 0x1fff) == value);
                count++;
            }
    EXPECT_EQ(5334, count);
    EXPECT(!a64_logical_imm_ok(A64_X, 0));
    EXPECT(!a64_logical_imm_ok(A64_X, ~0ull));
    EXPECT(!a64_logical_imm_ok(A64_X, 5));
    EXPECT(!a64_logical_imm_ok(A64_W, 0xffffffff));
    EXPECT(!a64_logical_imm_ok(A64_W, 0x100000001));
    EXPECT(!a64_logical_imm_ok(A64_X, 0x0123456789abcdef));
}

// Executes what a64_mov_const may write.
static uint64_t run_moves(const struct a64_buf *b)
{
    uint64_t x = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        uint32_t w = words[i];
        bool wide = w >> 31;
        unsigned shift = (w >> 21 & 3) * 16;
        uint64_t imm = (uint64_t)(w >> 5 & 0xffff) << shift;
        switch (w & 0x7f800000) {
        case 0x52800000: x = imm; break;
        case 0x12800000: x = ~imm; break;
        case 0x72800000: x = (x & ~(0xffffull << shift)) | imm; break;
        default: x = decode_bit_mask(w >> 10 & 0x1fff); break;
        }
        if (!wide)
            x &= 0xffffffff;
    }
    return x;
}

TEST(constants_take_at_most_four_moves)
{
    static const uint64_t edges[] = { 0, 1, 0xffff, 0x10000, 0xffff0000, 0x12345678, 0xffffffff, 0xffffffff00000000, 0x7ffd00000000, ~0ull, ~1ull,
                                      0x5555555555555555, 0xffff1234ffffffff, 0x0123456789abcdef, 0x8000000000000000, 0xffffffff80000000 };
    uint64_t seed = 1;
    for (unsigned i = 0; i < 20000; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        uint64_t value = i < sizeof edges / sizeof *edges ? edges[i] : seed >> (i % 64) ^ (i & 1 ? ~0ull : 0);
        for (enum a64_size s = A64_W; s <= A64_X; s++) {
            struct a64_buf b = fresh();
            a64_mov_const(&b, s, 3, value);
            EXPECT(!b.bad && b.count <= 4);
            EXPECT_EQ(a64_mov_const_count(s, value), b.count);
            EXPECT_EQ(s == A64_X ? value : value & 0xffffffff, run_moves(&b));
        }
    }
}

#define REFUSED(call) do { struct a64_buf buf = fresh(), *b = &buf; a64_##call; EXPECT(buf.bad); } while (0)

TEST(what_cannot_be_encoded_is_refused)
{
    REFUSED(add_imm(b, A64_X, 1, 2, 0x1001));
    REFUSED(add_imm(b, A64_X, 1, A64_ZR, 1));               // 31 is SP there
    REFUSED(adds_imm(b, A64_X, A64_SP, 1, 1));              // and ZR there
    REFUSED(add_reg(b, A64_X, A64_SP, 1, 2, A64_LSL, 0));
    REFUSED(add_reg(b, A64_W, 1, 2, 3, A64_LSL, 32));
    REFUSED(add_reg(b, A64_X, 1, 2, 3, A64_ROR, 1));
    REFUSED(and_imm(b, A64_X, 1, 2, 5));
    REFUSED(and_reg(b, A64_X, 1, A64_SP, 3, A64_LSL, 0));
    REFUSED(movz(b, A64_W, 1, 1, 32));
    REFUSED(movz(b, A64_X, 1, 0x10000, 0));
    REFUSED(ldr_uimm(b, 3, A64_ZERO, 1, 2, 4));
    REFUSED(ldr_uimm(b, 3, A64_ZERO, 1, 2, 32768));
    REFUSED(ldur(b, 3, A64_ZERO, 1, 2, 256));
    REFUSED(ldur(b, 3, A64_SIGN64, 1, 2, 0));
    REFUSED(ldr_uimm(b, 0, A64_ZERO, 1, A64_ZR, 0));
    REFUSED(ldp(b, A64_X, A64_OFFSET, 1, 1, 2, 0));
    REFUSED(ldp(b, A64_X, A64_OFFSET, 1, 2, 3, 512));
    REFUSED(stxr(b, 3, 1, 1, 2));
    REFUSED(stlxp(b, A64_X, 1, 2, 1, 3));
    REFUSED(caspal(b, A64_X, 1, 2, 3));
    REFUSED(b(b, 0x8000000));
    REFUSED(b(b, 2));
    REFUSED(tbz(b, 1, 64, 0));
    REFUSED(tbz(b, 1, 0, 0x8000));
    REFUSED(br(b, A64_SP));
}

TEST(a_full_buffer_is_sticky_and_not_overrun)
{
    struct a64_buf b = { .code = words, .capacity = 2 };
    words[2] = 0x5a5a5a5a;
    for (unsigned i = 0; i < 5; i++)
        a64_nop(&b);
    EXPECT(b.full && b.count == 2);
    EXPECT_EQ(0x5a5a5a5a, words[2]);
}

TEST(labels_reach_forward_and_backward)
{
    struct a64_buf b = fresh();
    uint32_t offsets[4];
    struct a64_fixup fixups[8];
    struct a64_labels l = { .offset = offsets, .capacity = 4, .fixups = fixups, .fixup_capacity = 8 };
    uint32_t back = a64_label_new(&l), ahead = a64_label_new(&l);
    a64_label_bind(&l, &b, back);
    a64_nop(&b);
    a64_label_use(&l, &b, ahead, A64_REACH_19);
    a64_cbz(&b, A64_X, 1, 0);
    a64_label_use(&l, &b, back, A64_REACH_14);
    a64_tbz(&b, 1, 3, 0);
    a64_label_use(&l, &b, back, A64_REACH_26);
    a64_b(&b, 0);
    a64_label_bind(&l, &b, ahead);
    EXPECT(a64_labels_resolve(&l, &b));
    EXPECT_EQ(0xb4000061, words[1]);        // cbz x1, +12
    EXPECT_EQ(0x361fffc1, words[2]);        // tbz w1, #3, -8
    EXPECT_EQ(0x17fffffd, words[3]);        // b -12
    a64_label_new(&l);
    a64_label_use(&l, &b, 2, A64_REACH_26);
    EXPECT(!a64_labels_resolve(&l, &b));    // never bound
}

TEST(a_distance_too_far_is_an_error)
{
    static uint32_t many[10000];
    struct a64_buf b = { .code = many, .capacity = 10000 };
    uint32_t offset;
    struct a64_fixup fixup;
    struct a64_labels l = { .offset = &offset, .capacity = 1, .fixups = &fixup, .fixup_capacity = 1 };
    uint32_t label = a64_label_new(&l);
    a64_label_use(&l, &b, label, A64_REACH_14);
    a64_tbz(&b, 1, 3, 0);
    for (unsigned i = 0; i < 9000; i++)
        a64_nop(&b);
    a64_label_bind(&l, &b, label);
    EXPECT(!a64_labels_resolve(&l, &b));
}

TEST_MAIN
