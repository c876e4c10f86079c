// SPDX-License-Identifier: MIT
// link: tests/fuzz/emitted.c tests/host/llvm_disasm.c
//
// What the lowering emits, seen by an independent disassembler and assembler (LLVM's): every instruction form that the
// decoder knows and every function of the project's x64 programs, in every variant. Each distinct word must be an
// instruction, one that translated code at EL0 is made of (tests/fuzz/emitted_mnemonics.inc), and its text must assemble to the same word.
#include "emu/lower/lower.h"
#include "emu/x64/x64.h"
#include "tests/fuzz/emitted.h"
#include "tests/host/check.h"
#include <dirent.h>

enum { SLOTS = 1 << 22, SITE = 0x140001000 };

static struct { uint32_t word; bool used; uint8_t variant; } seen[SLOTS];      // with the first variant that emitted it
static uint32_t distinct, regions, forms;

static void collect(uint32_t word, unsigned variant)
{
    uint32_t slot = (word * 0x9e3779b1u) >> 10;
    while (seen[slot].used && seen[slot].word != word)
        slot = (slot + 1) % SLOTS;
    if (seen[slot].used)
        return;
    if (distinct++ > SLOTS / 2)
        abort();
    seen[slot].used = true;
    seen[slot].word = word;
    seen[slot].variant = (uint8_t)variant;
}

struct code { const uint8_t *bytes; size_t size; uint64_t va; };
static size_t read_code(void *context, uint64_t va, uint8_t *buffer, size_t max)
{
    const struct code *c = context;
    if (va - c->va >= c->size)
        return 0;
    size_t n = c->size - (va - c->va) < max ? c->size - (va - c->va) : max;
    memcpy(buffer, c->bytes + (va - c->va), n);
    return n;
}
static bool is_ec(void *context, uint64_t va) { (void)context; return (va >> 12 & 15) == 5; }

// Cores without any feature and with all, and some between; traps as test programs have them. Each with both models of floating point.
static const struct variant { enum memory_model model; bool all, trap_by_brk; struct emu_features some; } variants[] = {
    { .model = MODEL_PLAIN }, { .model = MODEL_TSO }, { .model = MODEL_PLAIN, .all = true }, { .model = MODEL_TSO, .all = true },
    { .model = MODEL_TSO, .some = { .lrcpc = true, .flagm = true, .crc32 = true }, .trap_by_brk = true },
    { .model = MODEL_TSO, .some = { .lse = true, .lrcpc = true, .flagm = true, .flagm2 = true, .aes = true, .pmull = true } },
};
enum { VARIANTS = 2 * sizeof variants / sizeof *variants };

static struct lower_config configure(unsigned variant, uint32_t max_instructions)
{
    const struct variant *v = &variants[variant / 2];
    struct lower_config c = { .features = v->some, .model = v->model, .fp_model = variant & 1 ? FP_EXACT : FP_FAST, .code_va = 0x7ffd00100000, .stub_indirect = 0x7ffd00000000, .stub_return = 0x7ffd00000180,
                              .max_instructions = max_instructions, .trap_by_brk = v->trap_by_brk };
    if (v->all)
        memset(&c.features, true, sizeof c.features);
    return c;
}

static void lower(struct code *code, uint64_t rip, unsigned variant, uint32_t max_instructions)
{
    static uint32_t words[1 << 16];
    static struct lower_entry entries[512];
    static struct lower_exit exits[2048];
    static struct lower_point points[8192];
    static _Alignas(16) uint8_t work[LOWER_WORK_BYTES];
    struct lower_config config = configure(variant, max_instructions);
    struct code_source source = { read_code, is_ec, code, NULL };
    struct lower_result r = { .code = words, .code_capacity = 1 << 16, .entries = entries, .entry_capacity = 512, .exits = exits,
                              .exit_capacity = 2048, .points = points, .point_capacity = 8192, .work = work };
    enum lower_status status = lower_region(&config, &source, rip, &r);
    EXPECT(status == LOWER_OK);
    if (status != LOWER_OK)
        return;
    regions++;
    uint32_t end = emitted_instruction_count(&r);
    for (uint32_t i = 0; i < end; i++)
        collect(r.code[i], variant);
}

// ---- the corpus

static void lower_form(const uint8_t *chosen, unsigned length, unsigned turn)
{
    uint8_t bytes[24] = { 0 };
    struct x64_insn insn;
    memcpy(bytes, chosen, length);
    for (unsigned i = length; i < 20; i++)
        bytes[i] = (uint8_t)(0x11 * (i + turn));
    if (x64_decode(bytes, 20, SITE, &insn) != X64_OK)
        return;
    forms++;
    struct code code = { bytes, insn.length, SITE };
    lower(&code, SITE, turn % VARIANTS, 1);
    lower(&code, SITE, (turn + 1 + turn / VARIANTS % (VARIANTS - 1)) % VARIANTS, 1);
}

// Memory at [rm], at SIB + 8 bits, at [rm + 32 bits], and a register; each with all eight reg fields, rm varying.
static unsigned modrm(unsigned i)
{
    static const uint8_t kinds[4][8] = { { 0, 1, 2, 3, 6, 7, 4, 5 }, { 0x44, 0x43, 0x45, 0x44, 0x46, 0x47, 0x44, 0x41 },
                                         { 0x86, 0x84, 0x85, 0x87, 0x80, 0x81, 0x84, 0x83 }, { 0xc1, 0xc0, 0xc3, 0xc2, 0xc5, 0xc4, 0xc7, 0xc6 } };
    return kinds[i >> 3 & 3][i & 7] | (i & 7) << 3;
}

static void lower_legacy(void)
{
    static const struct { unsigned length; uint8_t bytes[3]; } prefixes[] = {
        { 0, { 0 } }, { 1, { 0x66 } }, { 1, { 0xf2 } }, { 1, { 0xf3 } }, { 1, { 0xf0 } }, { 1, { 0x67 } }, { 1, { 0x65 } }, { 1, { 0x48 } },
        { 1, { 0x47 } }, { 2, { 0x66, 0x4d } }, { 2, { 0xf2, 0x48 } }, { 2, { 0xf3, 0x4f } }, { 2, { 0xf0, 0x48 } }, { 2, { 0xf0, 0x66 } },
    };
    static const struct { unsigned length; uint8_t bytes[2]; } escapes[] = { { 0, { 0 } }, { 1, { 0x0f } }, { 2, { 0x0f, 0x38 } }, { 2, { 0x0f, 0x3a } } };
    unsigned turn = 0;
    for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes; p++)
        for (size_t e = 0; e < 4; e++)
            for (unsigned opcode = 0; opcode < 256; opcode++)
                for (unsigned i = 0; i < 32; i++) {
                    uint8_t bytes[8];
                    unsigned n = prefixes[p].length;
                    memcpy(bytes, prefixes[p].bytes, n);
                    memcpy(bytes + n, escapes[e].bytes, escapes[e].length);
                    n += escapes[e].length;
                    bytes[n++] = (uint8_t)opcode;
                    bytes[n++] = (uint8_t)modrm(i);
                    lower_form(bytes, n, turn++);
                }
}

static void lower_vex(void)
{
    unsigned turn = 0;
    for (unsigned map = 1; map <= 3; map++)
        for (unsigned wlpp = 0; wlpp < 16; wlpp++)
            for (unsigned opcode = 0; opcode < 256; opcode++)
                for (unsigned i = 0; i < 64; i++) {
                    uint8_t vvvv = i < 32 ? 0x78 : (uint8_t)(i << 3 & 0x78);
                    uint8_t bytes[] = { 0xc4, (uint8_t)((i & 32 ? 0x40 : 0xe0) | map), (uint8_t)((wlpp & 8) << 4 | (wlpp & 7) | vvvv), (uint8_t)opcode,
                                        (uint8_t)modrm(i) };
                    lower_form(bytes, sizeof bytes, turn++);
                }
}

static uint32_t get32(const uint8_t *p) { return (uint32_t)(p[0] | p[1] << 8 | p[2] << 16) | (uint32_t)p[3] << 24; }

// Functions of an x64 image, by its exception directory. The files are what make built a moment ago.
static unsigned lower_image(const uint8_t *image, size_t size)
{
    uint32_t pe = get32(image + 0x3c), sections = image[pe + 6], optional = image[pe + 20] | image[pe + 21] << 8;
    const uint8_t *table = image + pe + 24 + optional;
    uint32_t directory = get32(image + pe + 24 + 112 + 24), count = get32(image + pe + 24 + 112 + 28) / 12, functions = 0;
    const uint8_t *rows = NULL;
    struct code text = { 0 };
    for (uint32_t i = 0; i < sections; i++) {
        const uint8_t *s = table + 40 * i;
        uint32_t rva = get32(s + 12), bytes = get32(s + 16), raw = get32(s + 20);
        if (raw + (size_t)bytes > size)
            return 0;
        if (directory >= rva && directory < rva + bytes)
            rows = image + raw + (directory - rva);
        if (get32(s + 36) & 0x20000000)
            text = (struct code){ image + raw, bytes, 0x140000000 + rva };
    }
    for (uint32_t i = 0; rows && i < count; i++, functions++)
        for (unsigned variant = 0; variant < VARIANTS; variant++)
            lower(&text, 0x140000000 + get32(rows + 12 * i), variant, 0);
    return functions;
}

static unsigned lower_programs(void)
{
    const char *build = getenv("JANUS_BUILD");
    char path[600];
    unsigned functions = 0;
    snprintf(path, sizeof path, "%s/tests", build ? build : "build");
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        static uint8_t image[1 << 20];
        if (!strstr(e->d_name, "-x64.exe"))
            continue;
        snprintf(path, sizeof path, "%s/tests/%s", build ? build : "build", e->d_name);
        FILE *f = fopen(path, "rb");
        size_t size = f ? fread(image, 1, sizeof image, f) : 0;
        if (f)
            fclose(f);
        if (size > 0x400)
            functions += lower_image(image, size);
    }
    if (d)
        closedir(d);
    return functions;
}

// ---- cases

TEST(every_form_and_every_program_lowers)
{
    lower_legacy();
    lower_vex();
    unsigned functions = lower_programs();
    printf("%u forms and %u functions, %u regions, %u distinct words\n", forms, functions, regions, distinct);
    EXPECT(forms > 100000);
    EXPECT(functions > 500);
}

static bool listed[1000];

TEST(every_word_is_an_instruction_of_translated_code)
{
    unsigned wrong = 0;
    for (uint32_t i = 0; i < SLOTS; i++) {
        char text[256];
        if (!seen[i].used)
            continue;
        struct lower_config config = configure(seen[i].variant, 0);
        const char *defect = emitted_word_defect(seen[i].word, &config, text, sizeof text);
        if (defect && wrong++ < 50)
            printf("%08x: %s: %s\n", seen[i].word, text, defect);
        int row = emitted_mnemonic(text);
        if (row >= 0)
            listed[row] = true;
    }
    EXPECT_EQ(0, wrong);
    for (int i = 0; emitted_mnemonic_name(i); i++) {
        if (!listed[i])
            printf("%s is allowed and never emitted\n", emitted_mnemonic_name(i));
        EXPECT(listed[i]);
    }
}

TEST(what_translated_code_may_not_hold_is_seen)
{
    static const uint32_t wrong[] = { 0xd69f03e0 /* eret */, 0xd4000001 /* svc #0 */, 0xd4100001 /* svc #0x8000 */, 0xd4000002 /* hvc #0 */,
        0xd4200000 /* brk #0 */, 0xd503205f /* wfe */, 0xd503207f /* wfi */, 0xd50342df /* msr daifset, #2 */, 0xd51bd040 /* msr tpidr_el0, x0 */,
        0xd53bd040 /* mrs x0, tpidr_el0 */, 0xd53be020 /* mrs x0, cntpct_el0 */, 0xd508871f /* tlbi vmalle1 */, 0xd50b7520 /* ic ivau, x0 */,
        0xd5033f9f /* dsb sy */, 0xd5033fdf /* isb */, 0xaa0003fc /* mov x28, x0 */, 0xaa0003f2 /* mov x18, x0 */, 0xa9407041 /* ldp x1, x28, [x2] */,
        0xb9400052 /* ldr w18, [x2] */, 0xd63f0120 /* blr x9 */, 0x90000000 /* adrp x0, #0 */, 0x00000000 /* udf #0 */, 0x04200000 /* SVE */, 0xffffffff };
    struct lower_config none = configure(0, 0), all = configure(4, 0), brk = configure(8, 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (!emitted_word_defect(wrong[i], &all, NULL, 0)) {
            printf("%08x is not refused\n", wrong[i]);
            check_failures++;
        }
    EXPECT(!emitted_word_defect(0xd4100021, &all, NULL, 0) && emitted_word_defect(0xd4100021, &brk, NULL, 0));         // svc #0x8001
    EXPECT(emitted_word_defect(0xd4300020, &all, NULL, 0) && !emitted_word_defect(0xd4300020, &brk, NULL, 0));         // brk #0x8001
    EXPECT(!emitted_word_defect(0xf900039c, &all, NULL, 0));       // str x28, [x28]: read only
    EXPECT(!emitted_word_defect(0x9ac25c20, &all, NULL, 0) && emitted_word_defect(0x9ac25c20, &none, NULL, 0));         // crc32cx w0, w1, x2
}

TEST(every_word_assembles_from_its_text)
{
    static uint32_t words[SLOTS / 2], back;
    char command[300], name[] = "/tmp/emittedXXXXXX";
    uint32_t count = 0;
    int handle = mkstemp(name);
    FILE *f = handle < 0 ? NULL : fdopen(handle, "w");
    EXPECT(f != NULL);
    if (!f)
        return;
    for (uint32_t i = 0; i < SLOTS; i++) {
        char text[256];
        struct lower_config config = configure(seen[i].variant, 0);
        if (seen[i].used && !emitted_word_defect(seen[i].word, &config, text, sizeof text)) {
            fprintf(f, "%s\n", text);
            words[count++] = seen[i].word;
        }
    }
    fclose(f);
    const char *suffix = getenv("LLVM_SUFFIX");
    snprintf(command, sizeof command, "llvm-mc%s --triple=aarch64 -mattr=+all --show-encoding %s 2>&1", suffix ? suffix : "-19", name);
    FILE *assembler = popen(command, "r");
    char line[400];
    uint32_t matched = 0, at = 0;
    while (assembler && fgets(line, sizeof line, assembler)) {
        unsigned b[4];
        const char *encoding = strstr(line, "encoding: [");
        if (!encoding) {
            if (strstr(line, "error"))
                printf("%s", line);
            continue;
        }
        if (sscanf(encoding, "encoding: [0x%x,0x%x,0x%x,0x%x]", &b[0], &b[1], &b[2], &b[3]) != 4) {
            printf("%s", line);
            at++;
            continue;
        }
        back = b[0] | b[1] << 8 | b[2] << 16 | (uint32_t)b[3] << 24;
        if (at < count && back != words[at])
            printf("%08x assembles as %08x: %s", words[at], back, line);
        else
            matched++;
        at++;
    }
    if (assembler)
        pclose(assembler);
    remove(name);
    EXPECT(count > 10000);
    EXPECT_EQ(count, matched);
    printf("%u of %u words assemble from their text\n", matched, count);
}

TEST_MAIN
