// SPDX-License-Identifier: MIT
// link: tests/host/opcode_space.c tests/host/llvm_disasm.c
//
// The decoder against a second independent one, LLVM's: validity and length. LLVM reads leniently what compilers never write: it takes redundant
// prefixes one by one and passes over a mandatory prefix that has no row. So the space is that of single prefixes (opcode_space_plain), and
// `explained` says where LLVM differs and why; every row of it must still be seen.
#include "emu/x64/x64.h"
#include "tests/host/check.h"
#include "tests/host/llvm_disasm.h"
#include "tests/host/opcode_space.h"

static const uint64_t rip = 0x7ff612345678;
static struct llvm_disasm *llvm;
static uint64_t strings, valid, agreements;

struct pair {
    const uint8_t *bytes;
    bool ok;
    struct x64_insn ours;
    size_t length;
    char text[200], word[40];
};

// What is left without the first byte, a mandatory prefix, is an instruction to both, of the same name.
static bool is_passed_over(const struct pair *p)
{
    struct x64_insn insn;
    char text[200];
    if (p->bytes[0] != 0x66 && p->bytes[0] != 0xf2 && p->bytes[0] != 0xf3)
        return false;
    size_t length = llvm_disasm_one(llvm, p->bytes + 1, OPCODE_STRING_BYTES - 1, rip, text, sizeof text), word = strcspn(p->text, " ");
    return x64_decode(p->bytes + 1, OPCODE_STRING_BYTES - 1, rip, &insn) == X64_OK && length + 1 == p->length && !strncmp(text, p->text, word);
}

// One * in a listed word stands for anything.
static bool is_word(const struct pair *p, const char *const *list)
{
    for (size_t length = strlen(p->word); *list; list++) {
        size_t before = strcspn(*list, "*"), after = (*list)[before] ? strlen(*list + before + 1) : 0;
        if ((*list)[before] ? length >= before + after && !strncmp(p->word, *list, before) && !strcmp(p->word + length - after, *list + before + 1)
                            : !strcmp(p->word, *list))
            return true;
    }
    return false;
}

static bool is_apart(const struct pair *p)
{
    static const char *const words[] = { "xacquire", "xrelease", "rep", "repne", "lock", "data16", "addr32", "rex64", NULL };
    return is_word(p, words);
}

// 3DNow!, VIA PadLock, AMX, AVX-512's mask registers, SSE4a, FMA4 and XOP, and what came after the decoder's processor.
static bool is_absent(const struct pair *p)
{
    static const char *const words[] = {
        "femms", "pf*", "pi2f*", "pavgusb", "pmulhrw", "pswapd", "montmul", "xsha*", "xstore*", "xcrypt*", "tile*", "tdp*", "tcmm*",
        "ldtilecfg", "sttilecfg", "kadd*", "kand*", "kmov*", "knot*", "kor*", "kshift*", "ktest*", "kunpck*", "kx*", "extrq", "insertq", "movntss", "movntsd",
        "vfmadd*", "vfmsub*", "vfnmadd*", "vfnmsub*", "vpermil2*", "{vex}", "vpdp*", "vcvtne*", "vbcstne*", "vsm3*", "vsm4*", "vsha512*",
        "cmp*xadd", "aadd*", "aand*", "aor*", "axor*", "wrmsrns", "wrmsrlist", "rdmsrlist", "urdmsr", "uwrmsr", "pbndkb", "invlpgb", "tlbsync", "seam*", "td*",
        "lkgs", "eret*", "xsusldtrk", "xresldtrk", "rmp*", "pvalidate", "psmash", "uiret", "testui", "clui", "stui", "senduipi", "aes*kl", "encodekey*", "loadiwkey", "hreset", NULL };
    for (unsigned i = 0; i < 3; i++)            // XOP: 8F whose ModRM is not POP's
        if (p->bytes[i] == 0x8f && p->bytes[i + 1] & 0x38 && (i == 0 || p->bytes[i - 1] != 0x0f))
            return true;
    if (!is_word(p, words))
        return false;
    // FMA shares its beginnings with FMA4, which is in map 3.
    return strncmp(p->word, "vf", 2) || (p->bytes[0] == 0xc4 && (p->bytes[1] & 31) == 3);
}

static bool is_segment(const struct pair *p) { return !strncmp(p->word, "mov", 3) && memchr(p->bytes, 0x8e, 3); }
static bool is_control(const struct pair *p) { return !strncmp(p->word, "mov", 3) && (strstr(p->text, "%cr") || strstr(p->text, "%dr")); }
static bool is_gather(const struct pair *p) { return !strncmp(p->word, "vgather", 7) || !strncmp(p->word, "vpgather", 8); }
static bool is_66(const struct pair *p) { return p->bytes[0] == 0x66; }

// LLVM's name is empty where it rejects. Native: x64_decode_native_test asks the processor.
#define ANY_OP X64_OP_COUNT
static struct { const char *difference; uint16_t op; bool (*when)(const struct pair *p); const char *right, *why; unsigned long long seen; } explained[] = {
#define ROW(difference, op, when, right, why) { difference, op, when, #right, why, 0 },
    ROW("length", ANY_OP, is_apart, BOTH, "LLVM gives F2 and F3 that it takes for XACQUIRE, XRELEASE or a repeat apart from their instruction")
    ROW("we reject", X64_BAD, is_apart, OURS, "LLVM gives a prefix apart; what follows is no instruction under it")
    ROW("we reject", X64_BAD, is_absent, BOTH, "an extension that the processor decoded for does not have")
    ROW("we reject", X64_BAD, is_passed_over, OURS, "LLVM passes over 66, F2 or F3 where the opcode has no such row: #UD (SDM vol. 2, 3.1.1.1: NP; native)")
    ROW("we reject", X64_BAD, is_segment, OURS, "MOV to CS and to segment registers that do not exist (SDM MOV; native)")
    ROW("we reject", X64_BAD, is_control, OURS, "control and debug registers that do not exist (SDM MOV CR, MOV DR; native)")
    ROW("we reject", X64_BAD, is_gather, OURS, "two of destination, index and mask are the same register (SDM VPGATHERDD)")
    ROW("length", X64_JCC, is_66, BOTH, "66 does not shorten a near branch of Intel's (SDM vol. 2, A.2.1: f64); of AMD's it does, and of LLVM's")
    ROW("length", X64_JMP, is_66, BOTH, "likewise")
    ROW("we accept", X64_NOP, NULL, OURS, "reserved NOPs, 0F 19 to 1D and forms of 18, 1E, 0D (SDM vol. 2, A.2; native)")
    ROW("we accept", X64_MOV_CR, NULL, OURS, "mod is ignored: always a register (SDM MOV CR; native)")
    ROW("we accept", X64_MOV_DR, NULL, OURS, "mod is ignored: always a register (SDM MOV DR; native)")
    ROW("we accept", X64_UD0, NULL, BOTH, "has a ModRM byte and raises #UD (SDM UD)")
    ROW("we accept", X64_INT1, NULL, OURS, "F1 (SDM INT1)")
    ROW("we accept", X64_SHL, NULL, OURS, "/6 is SHL too (APM vol. 3, A.2, group 2; native)")
    ROW("we accept", X64_TEST, NULL, OURS, "/1 is TEST too (APM vol. 3, A.2, group 3; native)")
    ROW("we accept", X64_PREFETCH, NULL, OURS, "0F 0D /2 to /7 are PREFETCH too (APM PREFETCH; native)")
    ROW("we accept", X64_WBINVD, NULL, OURS, "66 and F2 mean nothing to it (native)")
    ROW("we accept", X64_FSTP, NULL, OURS, "D9 D8, DF D0, DF D8 and on: the same as DD D8 (APM vol. 3, A.2.7; native)")
    ROW("we accept", X64_FXCH, NULL, OURS, "DD C8, DF C8 and on: the same as D9 C8 (APM vol. 3, A.2.7; native)")
    ROW("we accept", X64_FCOM, NULL, OURS, "DC D0 and on: the same as D8 D0 (APM vol. 3, A.2.7; native)")
    ROW("we accept", X64_FCOMP, NULL, OURS, "DC D8, DE D0 and on: the same as D8 D8 (APM vol. 3, A.2.7; native)")
    ROW("we accept", X64_FNENI, NULL, OURS, "an 8087 instruction, since then without effect (SDM vol. 3, 23.18; native)")
    ROW("we accept", X64_FNDISI, NULL, OURS, "an 8087 instruction, since then without effect (SDM vol. 3, 23.18; native)")
    ROW("we accept", X64_FNSETPM, NULL, OURS, "a 287 instruction, since then without effect (SDM vol. 3, 23.18; native)")
#undef ROW
};

static struct { char key[120], example[200]; unsigned count; } reports[1000];
static unsigned report_count;

static void note(const struct pair *p, const char *difference)
{
    uint16_t op = p->ok ? p->ours.op : X64_BAD;
    for (size_t i = 0; i < sizeof explained / sizeof *explained; i++)
        if (!strcmp(explained[i].difference, difference) && (explained[i].op == ANY_OP || explained[i].op == op) && (!explained[i].when || explained[i].when(p))) {
            explained[i].seen++;
            return;
        }
    char key[120];
    snprintf(key, sizeof key, "%s: %s / %s", difference, x64_op_info(op)->name, p->word);
    unsigned i = 0;
    while (i < report_count && strcmp(reports[i].key, key))
        i++;
    if (i == sizeof reports / sizeof *reports)
        return;
    if (i == report_count) {
        report_count++;
        strcpy(reports[i].key, key);
        size_t used = 0;
        for (unsigned b = 0; b < 12; b++)
            used += (size_t)snprintf(reports[i].example + used, sizeof reports[i].example - used, "%02x", p->bytes[b]);
        snprintf(reports[i].example + used, sizeof reports[i].example - used, " %.100s", p->text);
    }
    reports[i].count++;
}

static void check(const uint8_t *bytes)
{
    struct pair p = { .bytes = bytes };
    p.ok = x64_decode(bytes, OPCODE_STRING_BYTES, rip, &p.ours) == X64_OK;
    p.length = llvm_disasm_one(llvm, bytes, OPCODE_STRING_BYTES, rip, p.text, sizeof p.text);
    snprintf(p.word, sizeof p.word, "%.*s", (int)strcspn(p.text, " "), p.text);
    strings++;
    valid += p.ok;
    if (p.ok != (p.length != 0))
        note(&p, p.ok ? "we accept" : "we reject");
    else if (p.ok && p.ours.length != p.length)
        note(&p, "length");
    else
        agreements++;
}

static bool everything;

TEST(lengths_agree)
{
    opcode_space_plain(everything, check);
    for (unsigned i = 0; i < report_count; i++)
        printf("%8u  %-44s %s\n", reports[i].count, reports[i].key, reports[i].example);
    EXPECT_EQ(0, report_count);
    EXPECT(valid > 100000);
}

TEST(every_explained_difference_is_still_seen)
{
    for (size_t i = 0; i < sizeof explained / sizeof *explained; i++) {
        if (!explained[i].seen)
            printf("%s: %s: %s\n", explained[i].difference, x64_op_info(explained[i].op)->name, explained[i].why);
        EXPECT(explained[i].seen);
    }
}

int main(int argc, char **argv)
{
    everything = argc > 1 && !strcmp(argv[1], "all");
    if (!(llvm = llvm_disasm_open("x86_64", "", ""))) {
        printf("no libLLVM (Debian package llvm-19)\n");
        return 1;
    }
    int failed = check_run_all();
    if (!everything)
        return failed;
    printf("\nLLVM: explained differences of validity and length\n%10s  %-10s %-10s %-6s %s\n", "strings", "what", "of", "right", "why");
    for (size_t i = 0; i < sizeof explained / sizeof *explained; i++)
        printf("%10llu  %-10s %-10s %-6s %s\n", explained[i].seen, explained[i].difference,
               explained[i].op == ANY_OP || explained[i].op == X64_BAD ? "(several)" : x64_op_info(explained[i].op)->name, explained[i].right, explained[i].why);
    printf("\n%llu strings, %llu instructions, %llu agree, %llu differ as explained above\n", (unsigned long long)strings, (unsigned long long)valid,
           (unsigned long long)agreements, (unsigned long long)(strings - agreements));
    return failed;
}
