// SPDX-License-Identifier: MIT
// For tests/bench/fex: reads x64 sequences, lowers each one alone and says how many arm64 words come out.
//     fex FILE PROFILE SLOT_BYTES       FILE: slots of SLOT_BYTES, each a 16-bit length and that many bytes of code
// A line for each slot: status, words in line, words on the way to canonical flags, words out of line, kernel entries in line, instructions
// lowered, and the words of that way; behind a word that branches to code out of line which raises an exception there is /d (#DE) or /f (another one). A jump out of the region is appended to the sequence, to code that is unknown, so all flags are
// live and read behind it. In line is what comes before the jump: the instructions themselves, with their flags left where the lowering
// leaves them. The jump makes them canonical first; the branch itself does not count. A sequence that ends in a branch of its own never gets to
// the jump: everything but the code of its exits counts, both ways.
#include <stdio.h>
#include <stdlib.h>
#include "emu/run/ctx.h"
#include "tests/bench/source.h"

#define AFTER (BASE + (64u << 20))          // where the appended jump leads: out of every region

static bool enters_kernel(uint32_t word) { return (word & 0xffe0001fu) == 0xd4000001u; }

// What a conditional branch out of [first, end) leads to: "/d", "/f", or nothing of the kind.
static const char *raises(const uint32_t *words, uint32_t at, uint32_t first, uint32_t end, uint32_t count)
{
    uint32_t word = words[at];
    bool far = (word & 0xff000010u) == 0x54000000u || (word & 0x7e000000u) == 0x34000000u, near = (word & 0x7e000000u) == 0x36000000u;
    if (!far && !near)
        return "";
    int32_t by = far ? (int32_t)(word << 8) >> 13 : (int32_t)(word << 13) >> 18;
    uint32_t to = at + (uint32_t)by;
    if (to >= first && to < end)
        return "";
    for (; to < count && (words[to] & 0xfc000000u) != 0x14000000u; to++)        // up to a branch that is always taken
        if (enters_kernel(words[to])) {
            unsigned immediate = words[to] >> 5 & 0xffff;
            return immediate == SVC_EMU_DIVIDE ? "/d" : immediate == SVC_EMU_TRAP ? "/f" : "";
        }
    return "";
}

static void count(const struct lower_config *config, const uint8_t *code, size_t length)
{
    static uint8_t sequence[8192];
    static uint32_t words[1 << 16];
    static struct lower_entry entries[512];
    static struct lower_exit exits[512];
    static struct lower_point points[4096];
    static _Alignas(16) uint8_t work[LOWER_WORK_BYTES];
    memcpy(sequence, code, length);
    uint32_t distance = (uint32_t)(AFTER - (BASE + length + 5));
    sequence[length] = 0xe9;
    memcpy(sequence + length + 1, &distance, sizeof distance);
    bytes = sequence;
    byte_count = length + 5;

    const struct code_source source = { read_code, is_ec, NULL, NULL };
    struct lower_result result = { .code = words, .code_capacity = sizeof words / sizeof *words, .entries = entries, .entry_capacity = 512,
                                   .exits = exits, .exit_capacity = 512, .points = points, .point_capacity = 4096, .work = work };
    enum lower_status status = lower_region(config, &source, BASE, &result);
    if (status != LOWER_OK || !result.entry_count) {
        printf("%d 0 0 0 0 0\n", (int)status);
        return;
    }
    // A literal pool or code out of line may stand before nothing of the way through: regions begin with their code.
    uint32_t first = entries[0].offset / 4, end = UINT32_MAX, tail = result.code_count;
    for (uint32_t i = 0; i < result.exit_count; i++) {
        if (exits[i].target == AFTER && exits[i].site / 4 < end)
            end = exits[i].site / 4;
        if (exits[i].rectifier / 4 < tail)
            tail = exits[i].rectifier / 4;
    }
    uint32_t out_of_line = 0;
    if (end == UINT32_MAX)
        end = tail;                         // no way through: everything
    else if (tail > end + 1)
        out_of_line = tail - end - 1;
    uint32_t in_line = end;                 // up to where the jump begins
    for (uint32_t i = 0; i < result.point_count; i++)
        if (points[i].rip == BASE + length && points[i].offset / 4 < in_line)
            in_line = points[i].offset / 4;
    uint32_t kernel = 0;
    for (uint32_t i = first; i < in_line; i++)
        kernel += enters_kernel(words[i]);
    printf("0 %u %u %u %u %u", in_line - first, end - first, out_of_line, kernel, result.x64_instructions);
    for (uint32_t i = first; i < end; i++)
        printf(" %08x%s", words[i], raises(words, i, first, end, result.code_count));
    putchar('\n');
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    FILE *file = fopen(argv[1], "rb");
    size_t slot = strtoul(argv[3], NULL, 0);
    uint8_t *data = malloc(slot);
    if (!file || !data)
        return 2;
    // FEX's count runs with everything but the features of the profile's name that an ordinary server core has.
    struct lower_config config = {
        .features = { .lse = true, .lrcpc = true, .crc32 = true, .aes = true, .pmull = true, .sha1 = true, .sha2 = true },
        .model = strcmp(argv[2], "tso") ? MODEL_PLAIN : MODEL_TSO,
        .code_va = 0x7ffd00100000, .stub_indirect = 0x7ffd00000020, .stub_return = 0x7ffd00000180, .x87_depth = 7 };
    config.features.flagm = config.features.flagm2 = strcmp(argv[2], "base") != 0;
    while (fread(data, 1, slot, file) == slot)
        count(&config, data + 2, (size_t)(data[0] | data[1] << 8));
    fclose(file);
    free(data);
    return 0;
}
