// SPDX-License-Identifier: MIT
// Calls and jumps through memory that does not change: direct exits, and what the region assumes.
#include "emu/lower/lower.h"
#include "tests/host/check.h"

enum { BASE = 0x140001000, THUNK = 0x140001800, SLOT = 0x140002000, OTHER = 0x140002008, EC_SLOT = 0x140002010, BAD_SLOT = 0x140002018, WRITABLE = 0x140003000 };
static const uint64_t FAR_FUNCTION = 0x180001000, FAR_THUNK = 0x180001800, EC_BODY = 0x180010100, SEQUENCE = 0x180002000;

static struct { uint64_t va; uint8_t bytes[32]; } memory[8];
static unsigned memories;
static uint32_t words[4096];
static struct lower_entry entries[64], heads[64];
static struct lower_exit exits[64];
static struct lower_point points[1024];
static struct lower_assumption assumptions[2];
static _Alignas(16) uint8_t work[LOWER_WORK_BYTES];

static size_t read_code(void *context, uint64_t va, uint8_t *buffer, size_t max)
{
    (void)context;
    for (unsigned i = 0; i < memories; i++)
        if (va - memory[i].va < sizeof memory[i].bytes) {
            size_t left = sizeof memory[i].bytes - (size_t)(va - memory[i].va), n = left < max ? left : max;
            memcpy(buffer, memory[i].bytes + (va - memory[i].va), n);
            return n;
        }
    return 0;
}

static bool is_ec(void *context, uint64_t va) { (void)context; return va >> 12 == EC_BODY >> 12; }

static bool constant(void *context, uint64_t va, uint64_t *value)
{
    (void)context;
    *value = va == SLOT ? FAR_FUNCTION : va == OTHER ? FAR_THUNK : va == EC_SLOT ? SEQUENCE : va == BAD_SLOT ? 0x800000000000
             : va == EC_BODY - 8 ? 0xffffff01deadbeef : va == EC_BODY - 0x28 ? 0xd63f020000000000 : 0;
    return *value;
}

static bool is_loose(void *context, uint64_t va, unsigned bytes) { (void)context; (void)va; (void)bytes; return false; }

static void put(uint64_t va, const char *bytes, size_t count)
{
    memset(memory[memories].bytes, 0xf4, sizeof memory[0].bytes);
    memory[memories].va = va;
    memcpy(memory[memories++].bytes, bytes, count);
}
#define PUT(va, text) put(va, text, sizeof text - 1)

static uint64_t call_ec;

static struct lower_result lower(bool with_constants, bool verify, uint32_t capacity)
{
    static uint8_t checked[2][1024];
    struct lower_config c = { .code_va = 0x7ffd00100000, .stub_indirect = 0x7ffd00000000, .stub_return = 0x7ffd00000180,
                              .stub_call_ec = call_ec, .verify = verify, .is_loose = is_loose };
    struct code_source source = { read_code, is_ec, 0, with_constants ? constant : 0 };
    struct lower_result r = { .code = words, .code_capacity = 4096, .entries = entries, .entry_capacity = 64, .exits = exits, .exit_capacity = 64,
                              .points = points, .point_capacity = 1024, .heads = heads, .head_capacity = 64, .work = work,
                              .checked = checked[0], .checked_mask = checked[1], .checked_capacity = 1024,
                              .assumptions = assumptions, .assumption_capacity = capacity };
    EXPECT_EQ(LOWER_OK, lower_region(&c, &source, BASE, &r));
    return r;
}

static const struct lower_exit *exit_to(const struct lower_result *r, uint64_t target)
{
    for (uint32_t i = 0; i < r->exit_count; i++)
        if (exits[i].target == target)
            return &exits[i];
    return 0;
}

static bool has_literal(const struct lower_result *r, uint64_t value)
{
    for (uint32_t i = 0; i + 1 < r->code_count; i++)
        if (words[i] == (uint32_t)value && words[i + 1] == (uint32_t)(value >> 32))
            return true;
    return false;
}

TEST(a_call_through_a_constant_slot_is_a_linked_bl)
{
    memories = 0;
    PUT(BASE, "\xff\x15\xfa\x0f\x00\x00\x31\xc0\xc3");                      // call [SLOT] ; xor eax, eax ; ret
    PUT(FAR_FUNCTION, "\x31\xc0\xc3");
    struct lower_result r = lower(true, false, 2);
    const struct lower_exit *e = exit_to(&r, FAR_FUNCTION);
    EXPECT(e && e->call && e->paired);
    EXPECT_EQ(0x94000000, words[e->site / 4] & 0xfc000000);                 // BL
    EXPECT_EQ(1, r.assumption_count);
    EXPECT_EQ(SLOT, assumptions[0].va);
    EXPECT_EQ(FAR_FUNCTION, assumptions[0].value);
    // Not without leave to assume it, nor where code may change unseen.
    r = lower(false, false, 2);
    EXPECT(!exit_to(&r, FAR_FUNCTION) && r.assumption_count == 0);
    r = lower(true, true, 2);
    EXPECT(!exit_to(&r, FAR_FUNCTION) && r.assumption_count == 0);
    r = lower(true, false, 0);
    EXPECT(!exit_to(&r, FAR_FUNCTION) && r.assumption_count == 0);
}

TEST(a_jump_through_a_constant_slot_is_a_linked_branch)
{
    memories = 0;
    PUT(BASE, "\xff\x25\xfa\x0f\x00\x00");                                  // jmp [SLOT]
    struct lower_result r = lower(true, false, 2);
    const struct lower_exit *e = exit_to(&r, FAR_FUNCTION);
    EXPECT(e && !e->call && !e->paired);
    EXPECT_EQ(0x14000000, words[e->site / 4] & 0xfc000000);                 // B
    EXPECT_EQ(1, r.assumption_count);
}

TEST(import_thunks_are_passed_over)
{
    memories = 0;
    PUT(BASE, "\xe8\xfb\x07\x00\x00\xe8\xf6\x07\x00\x00\xc3");              // call THUNK ; call THUNK ; ret
    PUT(THUNK, "\xff\x25\x02\x08\x00\x00");                                 // jmp [OTHER]
    PUT(FAR_THUNK, "\x48\xff\x25\x00\x00\x00\x00");                         // jmp [FAR_THUNK + 7], which is not constant
    struct lower_result r = lower(true, false, 2);
    EXPECT(exit_to(&r, FAR_THUNK) && !exit_to(&r, THUNK));
    EXPECT_EQ(2, r.exit_count);
    EXPECT_EQ(1, r.assumption_count);
    EXPECT_EQ(OTHER, assumptions[0].va);
}

TEST(what_is_no_plain_slot_stays_as_it_is)
{
    static const char *const codes[] = {
        "\xff\x15\xfa\x1f\x00\x00\xc3",             // call [WRITABLE]
        "\xff\x15\x12\x10\x00\x00\xc3",             // call [BAD_SLOT]: no user address
        "\x65\xff\x15\xf9\x0f\x00\x00",             // call gs:[SLOT]
        "\x67\xff\x15\xf9\x0f\x00\x00",             // call [eip + ...]
        "\xff\x18\xc3\xc3\xc3\xc3\xc3",             // call far [rax]
    };
    for (unsigned i = 0; i < sizeof codes / sizeof *codes; i++) {
        memories = 0;
        put(BASE, codes[i], 7);
        struct lower_result r = lower(true, false, 2);
        EXPECT(i == 1 || r.assumption_count == 0);
        EXPECT(!exit_to(&r, FAR_FUNCTION) && !exit_to(&r, 0x800000000000));
    }
}

TEST(a_fast_forward_sequence_is_passed_over)
{
    memories = 0;
    PUT(BASE, "\xff\x15\x0a\x10\x00\x00\xc3");                                              // call [EC_SLOT]
    PUT(SEQUENCE, "\x48\x8b\xc4\x48\x89\x58\x20\x55\x5d\xe9\xf2\xe0\x00\x00");              // ... jmp EC_BODY
    struct lower_result r = lower(true, false, 2);
    EXPECT(has_literal(&r, EC_BODY) && !has_literal(&r, SEQUENCE));
    EXPECT_EQ(0, r.exit_count);
    EXPECT_EQ(1, r.assumption_count);
    // It leads to no EC code: just some code.
    memory[1].bytes[12] = 1;
    r = lower(true, false, 2);
    EXPECT(exit_to(&r, SEQUENCE));
    // It has been changed.
    memory[1].bytes[12] = 0;
    memory[1].bytes[3] = 0x90;
    r = lower(true, false, 2);
    EXPECT(exit_to(&r, SEQUENCE));
}

// Whether the code branches to the stub, not with link.
static bool goes_to(const struct lower_result *r, uint64_t stub)
{
    for (uint32_t i = 0; i < r->code_count; i++)
        if (words[i] >> 26 == 5 && 0x7ffd00100000 + i * 4ull + (uint64_t)((int64_t)((uint64_t)words[i] << 38) >> 36) == stub)
            return true;
    return false;
}

TEST(a_call_of_ec_code_goes_to_its_entry_thunk)
{
    static const uint64_t thunk = 0x180010100 - 0x100;
    call_ec = 0x7ffd00000220;
    memories = 0;
    // call [EC_SLOT] ; xor eax, eax ; ret
    PUT(BASE, "\xff\x15\x0a\x10\x00\x00\x31\xc0\xc3");
    PUT(SEQUENCE, "\x48\x8b\xc4\x48\x89\x58\x20\x55\x5d\xe9\xf2\xe0\x00\x00");
    struct lower_result r = lower(true, false, 2);
    EXPECT(has_literal(&r, EC_BODY) && has_literal(&r, thunk) && goes_to(&r, call_ec));
    EXPECT_EQ(2, r.assumption_count);
    EXPECT(assumptions[1].va == EC_BODY - 8 && assumptions[1].ec && assumptions[1].value == 0xffffff01deadbeef);
    // Flags are read after it: not this way.
    memory[0].bytes[6] = 0x72, memory[0].bytes[7] = 0;                                      // jb +0
    r = lower(true, false, 2);
    EXPECT(!goes_to(&r, call_ec) && has_literal(&r, EC_BODY));
    // What is called is where an exit thunk is returned to, and has no entry thunk.
    memory[0].bytes[6] = 0x31, memory[0].bytes[7] = 0xc0;
    memory[1].bytes[10] -= 0x20;
    r = lower(true, false, 2);
    EXPECT(!goes_to(&r, call_ec) && has_literal(&r, EC_BODY - 0x20));
    call_ec = 0;
}

TEST_MAIN
