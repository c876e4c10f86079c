// SPDX-License-Identifier: MIT
// Fuzz target of the translation: whatever the bytes, the core's features and the variant are, discover, analyse, lower
// and emit end with a status, keep what lower.h promises, write only instructions that translated code is made of, and
// do the same when asked again. tests/host/lower_fuzz_test.c drives the same function with a fixed seed.
//
// Input: struct header, then x64 bytes that lie alone in executable memory.
#include "emu/lower/lower.h"
#include "emu/x64/x64.h"
#include "tests/fuzz/emitted.h"
#include "tests/fuzz/fuzz.h"

enum { CODE_WORDS = 1 << 16, ENTRIES = 512, EXITS = 2048, POINTS = 8192, HEADS = 512, CHECKED = 8192, GUARD = 64 };

struct header {
    uint8_t features[2];        // one bit each, in the order of struct emu_features
    uint8_t variant;            // bits 0..3: see configure(); bits 4..6: where the code lies; bit 7: buffers of little room
    uint8_t max_instructions;
    uint8_t entry;              // the requested address: this far into the code
    uint8_t page_offset;        // of the first byte: 16 times this
    uint8_t ec_page;            // bit n: page n of the code is ARM64EC
    uint8_t room;               // of the little buffers; bit 7: large regions
};

struct code { const uint8_t *bytes; size_t size; uint64_t va; uint8_t ec_page; };

struct buffers {
    uint32_t words[CODE_WORDS + GUARD];
    struct lower_entry entries[ENTRIES];
    struct lower_exit exits[EXITS];
    struct lower_point points[POINTS];
    struct lower_entry heads[HEADS];
    uint8_t checked[2][CHECKED];
    _Alignas(16) uint8_t work[LOWER_WORK_BYTES];
};
static struct buffers first_buffers, second_buffers;

static bool is_ec(void *context, uint64_t va)
{
    const struct code *code = context;
    uint64_t page = (va >> 12) - (code->va >> 12);
    return page < 8 && code->ec_page >> page & 1;
}

static size_t read_code(void *context, uint64_t va, uint8_t *buffer, size_t max)
{
    const struct code *code = context;
    size_t n = 0;
    while (n < max && va + n - code->va < code->size && !is_ec(context, va + n)) {
        buffer[n] = code->bytes[va + n - code->va];
        n++;
    }
    return n;
}

static bool is_loose(void *context, uint64_t va, unsigned bytes)
{
    (void)context;
    return (va + bytes) % 5 < 3;
}

static struct lower_config configure(const struct header *h)
{
    struct lower_config c = { .model = h->variant & 1 ? MODEL_TSO : MODEL_PLAIN, .fp_model = h->variant & 4 ? FP_EXACT : FP_FAST, .trap_by_brk = h->variant & 2, .code_va = 0x7ffd00100000,
                              .stub_indirect = 0x7ffd00000000, .stub_return = 0x7ffd00000180, .max_instructions = h->max_instructions, .verify = h->variant & 8, .large = h->room & 128, .is_loose = is_loose };
    bool *feature = (bool *)&c.features;
    for (unsigned i = 0; i < sizeof c.features; i++)
        feature[i] = h->features[i / 8 % 2] >> i % 8 & 1;
    return c;
}

static struct lower_result prepare(struct buffers *b, const struct header *h, uint8_t fill)
{
    struct lower_result r = { .code = b->words, .code_capacity = CODE_WORDS, .entries = b->entries, .entry_capacity = ENTRIES,
                              .exits = b->exits, .exit_capacity = EXITS, .points = b->points, .point_capacity = POINTS, .heads = b->heads, .head_capacity = HEADS,
                              .checked = b->checked[0], .checked_mask = b->checked[1], .checked_capacity = CHECKED, .work = b->work };
    if (h->variant & 128) {
        r.code_capacity = h->room * 4u;
        r.entry_capacity = h->room & 7;
        r.exit_capacity = h->room & 15;
        r.point_capacity = h->room;
    }
    memset(b->work, fill, sizeof b->work);
    memset(b->words + r.code_capacity, 0x5a, GUARD * 4);
    return r;
}

static void check_verified(const struct lower_result *r, uint64_t rip)
{
    for (uint32_t i = 0; i < r->head_count; i++)
        MUST(r->heads[i].offset < r->code_count * 4);
    MUST(!r->checked_count || r->entry_count == 1);
    MUST(r->version_exit == LOWER_NO_EXIT || (r->version_exit < r->exit_count && r->exits[r->version_exit].target == rip));
}

static void check_recovery(const struct lower_result *r)
{
    uint64_t x[31], seed = 0x9e3779b97f4a7c15;
    for (uint32_t i = 0; i < r->point_count; i++) {
        uint32_t flags = 0xffffffff;
        for (unsigned j = 0; j < 31; j++)
            x[j] = seed = seed * 6364136223846793005u + 1442695040888963407u;
        lower_recover_flags(&r->points[i], x, seed >> 7, (uint32_t)(seed >> 32), &flags);
        MUST(!(flags & ~(uint32_t)X64_ARITH_FLAGS));
    }
}

static bool same_result(const struct lower_result *a, const struct lower_result *b)
{
    if (a->code_count != b->code_count || a->entry_count != b->entry_count || a->exit_count != b->exit_count || a->point_count != b->point_count ||
        a->first != b->first || a->last != b->last || a->x64_instructions != b->x64_instructions || a->x64_bytes != b->x64_bytes || a->more != b->more ||
        a->head_count != b->head_count || a->checked_count != b->checked_count || a->version_exit != b->version_exit ||
        memcmp(a->checked, b->checked, a->checked_count) || memcmp(a->checked_mask, b->checked_mask, a->checked_count) ||
        memcmp(a->code, b->code, a->code_count * 4))
        return false;
    for (uint32_t i = 0; i < a->entry_count; i++)
        if (a->entries[i].rip != b->entries[i].rip || a->entries[i].offset != b->entries[i].offset || a->entries[i].flags != b->entries[i].flags ||
            a->entries[i].call != b->entries[i].call)
            return false;
    for (uint32_t i = 0; i < a->exit_count; i++)
        if (a->exits[i].target != b->exits[i].target || a->exits[i].site != b->exits[i].site || a->exits[i].stub != b->exits[i].stub ||
            a->exits[i].rectifier != b->exits[i].rectifier || a->exits[i].call != b->exits[i].call)
            return false;
    for (uint32_t i = 0; i < a->point_count; i++)
        if (a->points[i].rip != b->points[i].rip || a->points[i].offset != b->points[i].offset || a->points[i].recipe != b->points[i].recipe)
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    // Low addresses, both ends of the user half, the middle where nothing is canonical, and the kernel's half.
    static const uint64_t bases[8] = { 0x140001000, 0x7ff612340000, 0, 0x10000, 0x7fffffff0000, 0x7fffffffe000, 0x800000000000, 0xfffffffffffff000 };
    struct header h;
    if (size <= sizeof h)
        return 0;
    memcpy(&h, data, sizeof h);
    struct code code = { data + sizeof h, size - sizeof h, bases[h.variant >> 4 & 7] + (h.page_offset << 4), h.ec_page };
    struct code_source source = { read_code, is_ec, &code, NULL };
    struct lower_config config = configure(&h);
    uint64_t rip = code.va + h.entry % code.size;
    uint8_t byte;

    struct lower_result r = prepare(&first_buffers, &h, 0), again = prepare(&second_buffers, &h, 0xa5);
    enum lower_status status = lower_region(&config, &source, rip, &r);
    MUST(status == lower_region(&config, &source, rip, &again));
    for (unsigned i = 0; i < GUARD; i++)
        MUST(first_buffers.words[r.code_capacity + i] == 0x5a5a5a5a);
    MUST(status != LOWER_DEFECT);
    MUST((status == LOWER_NOT_EXECUTABLE) == !read_code(&code, rip, &byte, 1));
    // Whoever asks for one instruction has nothing smaller left to ask for.
    MUST(status != LOWER_FULL || h.variant & 128 || h.max_instructions != 1);
    if (status != LOWER_OK)
        return 0;
    MUST(same_result(&r, &again));
    check_verified(&r, rip);
    const char *defect = emitted_region_defect(&config, rip, &r);
    if (defect) {
        fprintf(stderr, "%s\n", defect);
        for (uint32_t i = 0; i < emitted_instruction_count(&r); i++) {
            char text[256] = "";
            const char *wrong = emitted_word_defect(r.code[i], &config, text, sizeof text);
            fprintf(stderr, "%5x: %08x %s%s%s\n", i * 4, r.code[i], text, wrong ? "   <- " : "", wrong ? wrong : "");
        }
        abort();
    }
    check_recovery(&r);
    return 0;
}
