// SPDX-License-Identifier: MIT
// For tests/bench/code: lowers the x64 code at an offset of a file of code and shows what each instruction became.
//     code FILE OFFSET MODEL FLAGM       MODEL: plain or tso; FLAGM: 0 (as on a Cortex-A72) or 1
// Lines: `= RIP TEXT` for an instruction (or `= entry`, `= tail`), then one arm64 word a line.
#include <stdio.h>
#include <stdlib.h>
#include "emu/x64/x64.h"
#include "tests/bench/source.h"

static void show_instruction(uint64_t rip)
{
    struct x64_insn insn;
    char text[128];
    uint8_t code[16];
    size_t n = read_code(NULL, rip, code, sizeof code);
    if (x64_decode(code, n, rip, &insn) != X64_OK) {
        printf("= %llx ?\n", (unsigned long long)(rip - BASE));
        return;
    }
    x64_format(&insn, text, sizeof text);
    printf("= %llx %s\n", (unsigned long long)(rip - BASE), text);
}

int main(int argc, char **argv)
{
    static uint32_t words[1 << 16];
    static struct lower_entry entries[2048];
    static struct lower_exit exits[2048];
    static struct lower_point points[8192];
    static _Alignas(16) uint8_t work[LOWER_WORK_BYTES];
    if (argc != 5)
        return 2;
    FILE *file = fopen(argv[1], "rb");
    uint8_t *buffer = malloc(1 << 20);
    if (!file || !buffer)
        return 2;
    byte_count = fread(buffer, 1, 1 << 20, file);
    bytes = buffer;
    fclose(file);
    struct lower_config config = { .no_readers = true,
        .features = { .crc32 = true, .aes = true, .pmull = true, .sha1 = true, .sha2 = true },
        .model = strcmp(argv[3], "tso") ? MODEL_PLAIN : MODEL_TSO, .code_va = 0x7ffd00100000, .stub_indirect = 0x7ffd00000020, .stub_return = 0x7ffd00000180 };
    if (atoi(argv[4]))
        config.features.lse = config.features.lse2 = config.features.lrcpc = config.features.lrcpc2 = config.features.flagm = config.features.flagm2 = true;
    const struct code_source source = { read_code, is_ec, NULL, NULL };
    struct lower_result result = { .code = words, .code_capacity = sizeof words / sizeof *words, .entries = entries, .entry_capacity = 2048,
                                   .exits = exits, .exit_capacity = 2048, .points = points, .point_capacity = 8192, .work = work };
    enum lower_status status = lower_region(&config, &source, BASE + strtoull(argv[2], NULL, 0), &result);
    if (status != LOWER_OK) {
        fprintf(stderr, "lower_region: %d\n", (int)status);
        return 1;
    }
    uint32_t tail = result.code_count;
    for (uint32_t i = 0; i < result.exit_count; i++)
        if (exits[i].rectifier / 4 < tail)
            tail = exits[i].rectifier / 4;
    for (uint32_t i = 0, p = 0; i < tail; i++) {
        for (uint32_t e = 0; e < result.entry_count; e++)
            if (entries[e].offset == 4 * i)
                printf("= entry\n");
        for (; p < result.point_count && points[p].offset <= 4 * i; p++)
            if (points[p].offset == 4 * i)
                show_instruction(points[p].rip);
        printf("%08x\n", words[i]);
    }
    printf("# %u x64 instructions, %u bytes; %u words, %u of them before the link stubs\n", result.x64_instructions, result.x64_bytes,
           result.code_count, tail);
    free(buffer);
    return 0;
}
