// SPDX-License-Identifier: MIT
// Versions of blocks: the way back of a loop has no code for flags, and a fault in any version shows exact flags.
#include "emu/lower/lower.h"
#include "emu/x64/x64.h"
#include "tests/host/check.h"

enum { BASE = 0x140001000, RCX = 0, RDX = 1, RAX = 8, PF_SOURCE = 23, AF_SOURCE = 24 };

static const uint8_t *code;
static size_t length;
static uint32_t words[4096];
static struct lower_entry entries[64], heads[64];
static struct lower_exit exits[64];
static struct lower_point points[1024];
static _Alignas(16) uint8_t work[LOWER_WORK_BYTES];

static size_t read_code(void *context, uint64_t va, uint8_t *buffer, size_t max)
{
    (void)context;
    if (va < BASE || va >= BASE + length)
        return 0;
    size_t n = BASE + length - va < max ? BASE + length - va : max;
    memcpy(buffer, code + (va - BASE), n);
    return n;
}
static bool is_ec(void *context, uint64_t va) { (void)context; (void)va; return false; }
static const struct code_source source = { read_code, is_ec, 0, NULL };

static struct lower_result lower(const uint8_t *bytes, size_t count)
{
    struct lower_config c = { .code_va = 0x7ffd00100000, .stub_indirect = 0x7ffd00000000, .stub_return = 0x7ffd00000180 };
    struct lower_result r = { .code = words, .code_capacity = 4096, .entries = entries, .entry_capacity = 64, .exits = exits, .exit_capacity = 64,
                              .points = points, .point_capacity = 1024, .heads = heads, .head_capacity = 64, .work = work };
    code = bytes;
    length = count;
    EXPECT_EQ(LOWER_OK, lower_region(&c, &source, BASE, &r));
    return r;
}
#define LOWER(...) lower((const uint8_t[]){ __VA_ARGS__ }, sizeof (const uint8_t[]){ __VA_ARGS__ })

static const struct lower_point *point_at(const struct lower_result *r, uint32_t offset)
{
    const struct lower_point *found = NULL;
    for (uint32_t i = 0; i < r->point_count && points[i].offset <= offset; i++)
        found = &points[i];
    return found;
}

// A conditional branch backwards: where it goes, in words, or -1. Arm ARM C6.2.26.
static int back_target(uint32_t at)
{
    if ((words[at] & 0xff000010) != 0x54000000)
        return -1;
    int distance = (int32_t)(words[at] << 8) >> 13;
    return distance < 0 ? (int)at + distance : -1;
}

static bool touches_flags_register(uint32_t word) { return (word & 0xffdfffe0) == 0xd51b4200; }   // MRS, MSR NZCV

// The flags after cmp a, b, and what registers hold then in translated code.
static uint32_t compare(uint64_t a, uint64_t b, uint64_t x[31], uint32_t *nzcv)
{
    uint64_t d = a - b;
    bool overflow = ((a ^ b) & (a ^ d)) >> 63;
    x[RCX] = a;
    x[RDX] = b;
    x[PF_SOURCE] = d;
    *nzcv = (uint32_t)(d >> 63) << 31 | (uint32_t)!d << 30 | (uint32_t)(a >= b) << 29 | (uint32_t)overflow << 28;
    return (a < b ? X64_CF : 0) | (d ? 0 : X64_ZF) | (d >> 63 ? X64_SF : 0) | (overflow ? X64_OF : 0) | ((a ^ b ^ d) & 16 ? X64_AF : 0) |
           (__builtin_popcountll(d & 255) & 1 ? 0 : X64_PF);
}

TEST(a_loop_comes_back_without_code_for_flags)
{
    // again: mov eax, [rcx] ; add rcx, 4 ; cmp rcx, rdx ; jne again ; hlt
    struct lower_result r = LOWER(0x8b, 0x01, 0x48, 0x83, 0xc1, 0x04, 0x48, 0x39, 0xd1, 0x75, 0xf5, 0xf4);
    int loops = 0;
    for (uint32_t i = 0; i < r.code_count; i++) {
        EXPECT(!touches_flags_register(words[i]));
        int to = back_target(i);
        if (to < 0)
            continue;
        loops++;
        EXPECT_EQ(3, i - (uint32_t)to);             // ldr, add, subs, and the branch
        bool head = false;
        for (uint32_t h = 0; h < r.head_count; h++)
            head |= heads[h].offset == (uint32_t)to * 4;
        EXPECT(head);
        const struct lower_point *p = point_at(&r, (uint32_t)to * 4);
        EXPECT(p && p->offset == (uint32_t)to * 4 && p->rip == BASE);
    }
    EXPECT_EQ(1, loops);
}

TEST(a_fault_shows_exact_flags_in_each_version)
{
    LOWER(0x8b, 0x01, 0x48, 0x83, 0xc1, 0x04, 0x48, 0x39, 0xd1, 0x75, 0xf5, 0xf4);
    struct lower_result r = LOWER(0x8b, 0x01, 0x48, 0x83, 0xc1, 0x04, 0x48, 0x39, 0xd1, 0x75, 0xf5, 0xf4);
    static const uint64_t values[] = { 0, 1, 0x0f, 0x10, 0x7f, 0x80, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff, 0x123456789abcdef0 };
    int first = 0, others = 0;
    for (uint32_t i = 0; i < r.point_count; i++) {
        if (points[i].rip != BASE)
            continue;
        bool canonical = points[i].offset <= entries[0].offset;
        (canonical ? first++ : others++);
        for (unsigned j = 0; j < 100; j++) {
            uint64_t x[31] = { 0 };
            uint32_t nzcv, eflags, expected = compare(values[j / 10], values[j % 10], x, &nzcv);
            if (canonical)
                lower_flags_in(expected, &x[PF_SOURCE], &x[AF_SOURCE], &nzcv);
            lower_recover_flags(&points[i], x, 0, nzcv, &eflags);
            EXPECT_EQ(expected, eflags);
        }
    }
    EXPECT(first >= 1 && others == 1);
}

TEST(constants_of_a_loop_are_loaded_before_it)
{
    // xor edx, edx ; again: imul eax, eax, 0x19660d ; add eax, 0x3c6ef35f ; sub ecx, 1 ; jne again ; hlt
    struct lower_result r = LOWER(0x31, 0xd2, 0x69, 0xc0, 0x0d, 0x66, 0x19, 0x00, 0x05, 0x5f, 0xf3, 0x6e, 0x3c, 0x83, 0xe9, 0x01, 0x75, 0xf0, 0xf4);
    int loops = 0, loads = 0;
    for (uint32_t i = 0; i < r.code_count; i++) {
        loads += words[i] >> 24 == 0x58;                // LDR (literal), Arm ARM C6.2.183
        int to = back_target(i);
        if (to < 0)
            continue;
        loops++;
        EXPECT_EQ(2, i - (uint32_t)to);                 // madd, subs, and the branch
        EXPECT_EQ(2, loads);
    }
    EXPECT_EQ(1, loops);
}

TEST(versions_are_bounded)
{
    // Joins in a row, each reached with two forms of the flags: test al, 1 ; je +3 ; add rcx, rdx   (64 times) ; hlt
    static uint8_t bytes[64 * 7 + 1];
    for (unsigned i = 0; i < 64; i++)
        memcpy(bytes + i * 7, "\xa8\x01\x74\x03\x48\x01\xd1", 7);
    bytes[sizeof bytes - 1] = 0xf4;
    struct lower_result r = lower(bytes, sizeof bytes);
    EXPECT(r.code_count < 6 * r.x64_instructions);
    // The same with a load at each join, so that all flags are live there: mov eax, [rdx] ; test al, 1 ; je +3 ; add rcx, rdx
    static uint8_t loads[48 * 9 + 1];
    for (unsigned i = 0; i < 48; i++)
        memcpy(loads + i * 9, "\x8b\x02\xa8\x01\x74\x03\x48\x01\xd1", 9);
    loads[sizeof loads - 1] = 0xf4;
    r = lower(loads, sizeof loads);
    EXPECT(r.code_count < 6 * r.x64_instructions);
}

static bool always(void *context, uint64_t rip) { (void)context; (void)rip; return true; }

TEST(code_out_of_line_branches_back_to_a_loop_at_the_entry)
{
    // again: lock btc dword [rdi], 5 ; jne 1f ; cmp byte [rdi], 0 ; 1: pextrd [rdi], xmm0, 1 ; mov rax, [rip+4096] ; jne again ; int3
    static const uint8_t bytes[] = { 0xf0, 0x0f, 0xba, 0x3f, 0x05, 0x75, 0x03, 0x80, 0x3f, 0x00, 0x66, 0x0f, 0x3a, 0x16, 0x07, 0x01,
                                     0x48, 0x8b, 0x05, 0x00, 0x10, 0x00, 0x00, 0x75, 0xe7, 0xcc };
    struct lower_config c = { .model = MODEL_TSO, .fp_model = FP_EXACT, .features = { .lse = true }, .is_unaligned = always, .code_va = 0x7ffd00100000,
                              .stub_indirect = 0x7ffd00000000, .stub_return = 0x7ffd00000180 };
    struct lower_result r = { .code = words, .code_capacity = 4096, .entries = entries, .entry_capacity = 64, .exits = exits, .exit_capacity = 64,
                              .points = points, .point_capacity = 1024, .work = work };
    code = bytes;
    length = sizeof bytes;
    EXPECT_EQ(LOWER_OK, lower_region(&c, &source, BASE, &r));
}

TEST_MAIN
