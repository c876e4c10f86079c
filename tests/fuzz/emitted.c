// SPDX-License-Identifier: MIT
#include "tests/fuzz/emitted.h"

#include "emu/run/ctx.h"
#include "emu/x64/x64.h"
#include "tests/host/llvm_disasm.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- words

// Mnemonics of translated code, as the disassembler prints them. No barrier but dmb and isb, no cache or TLB maintenance, no exception return, no
// hint but nop and yield, nothing of SVE.
static const char *const mnemonics[] = {
#define M(name) #name,
#include "tests/fuzz/emitted_mnemonics.inc"
#undef M
};

static const char *const system_registers[] = { "NZCV", "FPCR", "FPSR", "RNDR", "RNDRRS" };
static const unsigned traps[] = { SVC_EMU_LINK, SVC_EMU_TRAP, SVC_EMU_INSN, SVC_EMU_DIVIDE, SVC_EMU_FP };

static bool is_listed(const char *const *list, size_t count, const char *word, size_t length)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(list[i]) == length && !memcmp(list[i], word, length))
            return true;
    return false;
}

int emitted_mnemonic(const char *text)
{
    size_t length = strcspn(text, " ");
    for (size_t i = 0; i < sizeof mnemonics / sizeof *mnemonics; i++)
        if (strlen(mnemonics[i]) == length && !memcmp(mnemonics[i], text, length))
            return (int)i;
    return -1;
}

const char *emitted_mnemonic_name(int row)
{
    return (size_t)row < sizeof mnemonics / sizeof *mnemonics ? mnemonics[row] : NULL;
}

// The register is the first operand: what is written by anything but a store, a comparison or a branch.
static bool writes_reserved(const char *mnemonic, const char *operands)
{
    static const char *const not_written[] = { "st", "cmp", "cmn", "tst", "ccm", "cb", "tb", "br", "msr" };
    static const char *const reserved[] = { "x28", "w28", "x18", "w18", "x13", "w13" };       // the context, the TEB and the table
    for (size_t i = 0; i < sizeof not_written / sizeof *not_written; i++)
        if (!strncmp(mnemonic, not_written[i], strlen(not_written[i])))
            return false;
    size_t length = strcspn(operands, ",");
    bool pair = !strncmp(mnemonic, "ldp", 3) || !strncmp(mnemonic, "ldaxp", 5);
    return is_listed(reserved, 6, operands, length) ||
           (pair && operands[length] && is_listed(reserved, 6, operands + length + 2, strcspn(operands + length + 2, ",")));
}

// What LLVM calls the features of struct emu_features that bring instructions. The core always has the first row.
static const struct { const char *llvm; uint8_t member[2]; } features[] = {
#define F(name) offsetof(struct emu_features, name)
    { "+v8a,+fp-armv8,+neon", { 0xff, 0xff } }, { "+lse", { F(lse), 0xff } }, { "+rcpc", { F(lrcpc), 0xff } }, { "+rcpc-immo", { F(lrcpc2), 0xff } },
    { "+flagm", { F(flagm), 0xff } }, { "+altnzcv", { F(flagm2), 0xff } }, { "+crc", { F(crc32), 0xff } }, { "+aes", { F(aes), F(pmull) } },
    { "+sha2", { F(sha1), F(sha2) } }, { "+rand", { F(rng), 0xff } }, { "+fptoint", { F(frintts), 0xff } }, { "+cssc", { F(cssc), 0xff } },
    { "+fp16fml", { F(fhm), 0xff } },
#undef F
};
enum { FEATURES = sizeof features / sizeof *features };

// The first row that knows the word, or FEATURES.
static unsigned decode(uint32_t word, char *text, size_t text_size)
{
    static struct llvm_disasm *llvm[FEATURES];
    uint8_t bytes[4] = { (uint8_t)word, (uint8_t)(word >> 8), (uint8_t)(word >> 16), (uint8_t)(word >> 24) };
    for (unsigned i = 0; i < FEATURES; i++) {
        if (!llvm[i] && !(llvm[i] = llvm_disasm_open("aarch64", "", features[i].llvm))) {
            fprintf(stderr, "no libLLVM (Debian package llvm-19)\n");
            abort();
        }
        // A system register or instruction that the row does not know is printed by its numbers, S3_3_C2_C4_0.
        if (llvm_disasm_one(llvm[i], bytes, 4, 0, text, text_size) == 4 && !strstr(text, "_C"))
            return i;
    }
    text[0] = 0;
    return FEATURES;
}

static bool has(const struct emu_features *core, unsigned feature)
{
    bool present = features[feature].member[0] == 0xff;
    for (unsigned i = 0; i < 2; i++)
        if (features[feature].member[i] != 0xff)
            present |= ((const bool *)core)[features[feature].member[i]];
    return present;
}

// The instruction's row of `features` goes to *needs.
static const char *examine(uint32_t word, bool trap_by_brk, char *text, size_t text_size, unsigned *needs)
{
    if ((*needs = decode(word, text, text_size)) == FEATURES)
        return "not an instruction";
    size_t length = strcspn(text, " ");
    const char *operands = text + length + (text[length] == ' ');
    if (emitted_mnemonic(text) < 0)
        return "not an instruction of translated code";
    if (!strncmp(text, "mrs ", 4) || !strncmp(text, "msr ", 4)) {
        const char *name = text[1] == 's' ? operands : strchr(operands, ' ') + 1;
        if (!is_listed(system_registers, sizeof system_registers / sizeof *system_registers, name, strcspn(name, ",")))
            return "not a system register of translated code";
    }
    if (!strncmp(text, "svc ", 4) || !strncmp(text, "brk ", 4)) {
        unsigned value = (unsigned)strtoul(operands + 1, NULL, 0);
        bool known = false;
        for (size_t i = 0; i < sizeof traps / sizeof *traps; i++)
            known |= traps[i] == value;
        if (!known || (text[0] == 'b') != trap_by_brk)
            return "not a trap of translated code";
    }
    if (!strncmp(text, "dmb ", 4) && strncmp(operands, "ish", 3))
        return "not a barrier of translated code";
    if (!strncmp(text, "blr ", 4) && strcmp(operands, "x11"))
        return "a call of what is in no table";
    return writes_reserved(text, operands) ? "writes x13, x18 or x28" : NULL;
}

const char *emitted_word_defect(uint32_t word, const struct lower_config *config, char *text, size_t text_size)
{
    enum { SEEN = 1 << 20 };                    // words found good before, by a hash of them
    static struct { uint32_t word; uint8_t needs; } seen[2][SEEN];
    uint32_t slot = (word * 0x9e3779b1u) >> 12;
    char local[256];
    unsigned needs = seen[config->trap_by_brk][slot].needs;
    if (text || !word || seen[config->trap_by_brk][slot].word != word) {
        const char *defect = examine(word, config->trap_by_brk, text ? text : local, text ? text_size : sizeof local, &needs);
        if (defect)
            return defect;
        seen[config->trap_by_brk][slot].word = word;
        seen[config->trap_by_brk][slot].needs = (uint8_t)needs;
    }
    return has(&config->features, needs) ? NULL : "not an instruction of this core";
}

// ---- regions

static int64_t signed_field(uint32_t word, unsigned low, unsigned width)
{
    return (int64_t)((uint64_t)word << (64 - low - width)) >> (64 - width);
}

// Does the word name an address relative to itself? B and BL, conditional, CBZ, TBZ, literal loads, ADR. ADRP is not used.
enum relative { NOT_RELATIVE, BRANCH, LITERAL, ADDRESS };
static enum relative relative(uint32_t word, int64_t *distance)
{
    if ((word & 0x7c000000) == 0x14000000)
        return *distance = signed_field(word, 0, 26) * 4, BRANCH;
    if ((word & 0xff000000) == 0x54000000 || (word & 0x7e000000) == 0x34000000)
        return *distance = signed_field(word, 5, 19) * 4, BRANCH;
    if ((word & 0x7e000000) == 0x36000000)
        return *distance = signed_field(word, 5, 14) * 4, BRANCH;
    if ((word & 0x3b000000) == 0x18000000)
        return *distance = signed_field(word, 5, 19) * 4, LITERAL;
    if ((word & 0x9f000000) == 0x10000000)
        return *distance = signed_field(word, 5, 19) * 4 + (word >> 29 & 3), ADDRESS;
    return NOT_RELATIVE;
}

uint32_t emitted_instruction_count(const struct lower_result *r)
{
    uint32_t end = r->code_count;
    for (uint32_t i = 0; i < end; i++) {
        int64_t distance;
        if (relative(r->code[i], &distance) == LITERAL && i * 4 + distance >= 0 && (i * 4 + distance) / 4 < end)
            end = (uint32_t)((i * 4 + distance) / 4);
    }
    while (end && !r->code[end - 1])            // UDF #0: padding before literals
        end--;
    return end;
}

static bool ends_code(uint32_t word)
{
    return (word & 0xfc000000) == 0x14000000 || (word & 0xff9ffc1f) == 0xd61f0000 || (word & 0xffe0001f) == 0xd4000001 ||
           (word & 0xffe0001f) == 0xd4200000;
}

static const char *branches_defect(const struct lower_config *config, const struct lower_result *r, uint32_t end)
{
    for (uint32_t i = 0; i < end; i++) {
        int64_t distance, to;
        enum relative kind = relative(r->code[i], &distance);
        to = (int64_t)i * 4 + distance;
        if (kind == BRANCH && (to < 0 || to >= (int64_t)end * 4) && config->code_va + (uint64_t)to != config->stub_indirect &&
            config->code_va + (uint64_t)to != config->stub_return)
            return "a branch leaves the code";
        if (kind == LITERAL && (to < (int64_t)end * 4 || to >= (int64_t)r->code_count * 4))
            return "a literal is not behind the code";
        if (kind == ADDRESS && (to < 0 || to >= (int64_t)r->code_count * 4))
            return "an address is outside the code";
    }
    return end && ends_code(r->code[end - 1]) ? NULL : "control runs out of the code";
}

static const char *tables_defect(const struct lower_config *config, uint64_t rip, const struct lower_result *r, uint32_t end)
{
    uint32_t link = (config->trap_by_brk ? 0xd4200000 : 0xd4000001) | SVC_EMU_LINK << 5;
    if (!r->entry_count || r->entries[0].rip != rip)
        return "the first entry is not the requested one";
    if (r->first > rip || r->last <= rip)
        return "the bytes read do not hold the requested one";
    for (uint32_t i = 0; i < r->entry_count; i++) {
        if (r->entries[i].offset >= end * 4 || r->entries[i].offset & 3)
            return "an entry is outside the code";
        if (r->entries[i].rip < r->first || r->entries[i].rip >= r->last)
            return "an entry is outside the bytes read";
        for (uint32_t j = 0; j < i; j++)
            if (r->entries[i].rip == r->entries[j].rip)
                return "two entries for one address";
    }
    if (!r->point_count || r->points[0].offset)
        return "the code does not begin with a point";
    for (uint32_t i = 0; i < r->point_count; i++) {
        if (r->points[i].offset >= end * 4 || (i && r->points[i - 1].offset >= r->points[i].offset))
            return "points do not ascend, or are outside the code";
    }
    for (uint32_t i = 0; i < r->exit_count; i++) {
        const struct lower_exit *e = &r->exits[i];
        int64_t distance;
        if (e->site / 4 >= end || e->stub / 4 >= end || e->rectifier > e->stub || (e->site | e->rectifier | e->stub) & 3)
            return "an exit is outside the code";
        if (r->code[e->stub / 4] != link)
            return "an exit's stub is not a link trap";
        if ((r->code[e->site / 4] & 0x7c000000) != 0x14000000 || relative(r->code[e->site / 4], &distance) != BRANCH || e->site + distance != e->rectifier)
            return "an exit's site does not branch to its rectifier";
    }
    return NULL;
}

const char *emitted_region_defect(const struct lower_config *config, uint64_t rip, const struct lower_result *r)
{
    uint32_t end = emitted_instruction_count(r);
    const char *defect = tables_defect(config, rip, r, end);
    for (uint32_t i = 0; i < end && !defect; i++)
        defect = emitted_word_defect(r->code[i], config, NULL, 0);
    return defect ? defect : branches_defect(config, r, end);
}
