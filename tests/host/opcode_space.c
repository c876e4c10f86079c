// SPDX-License-Identifier: MIT
#include "tests/host/opcode_space.h"

#include <string.h>

static uint64_t random_state = 0x9e3779b97f4a7c15;
uint8_t opcode_space_random_byte(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint8_t)(random_state >> 32);
}

static void give(const uint8_t *chosen, unsigned length, void (*check)(const uint8_t *bytes))
{
    uint8_t bytes[OPCODE_STRING_BYTES];
    memcpy(bytes, chosen, length);
    for (unsigned i = length; i < sizeof bytes; i++)
        bytes[i] = opcode_space_random_byte();
    check(bytes);
}

static void give_maps(const uint8_t *prefix, unsigned count, void (*check)(const uint8_t *bytes))
{
    static const struct { unsigned length; uint8_t bytes[2]; } escapes[] = {
        { 0, { 0 } }, { 1, { 0x0f } }, { 2, { 0x0f, 0x38 } }, { 2, { 0x0f, 0x3a } },
    };
    for (size_t escape = 0; escape < 4; escape++)
        for (unsigned opcode = 0; opcode < 256; opcode++)
            for (unsigned modrm = 0; modrm < 256; modrm++) {
                uint8_t bytes[16];
                unsigned n = count;
                memcpy(bytes, prefix, n);
                memcpy(bytes + n, escapes[escape].bytes, escapes[escape].length);
                n += escapes[escape].length;
                bytes[n++] = (uint8_t)opcode;
                bytes[n++] = (uint8_t)modrm;
                give(bytes, n, check);
            }
}

// The combinations that tell tables apart, and unusual orders: a prefix twice, REX before another prefix (and so without effect),
// F2 and F3 together, two segments.
static const struct { unsigned length; uint8_t bytes[4]; } prefixes[] = {
    { 0, { 0 } }, { 1, { 0x66 } }, { 1, { 0xf2 } }, { 1, { 0xf3 } }, { 1, { 0xf0 } }, { 1, { 0x67 } },
    { 1, { 0x48 } }, { 1, { 0x41 } }, { 1, { 0x44 } }, { 1, { 0x42 } }, { 1, { 0x4f } }, { 1, { 0x40 } },
    { 2, { 0x66, 0x48 } }, { 2, { 0xf3, 0x48 } }, { 2, { 0xf2, 0x48 } }, { 2, { 0x66, 0xf2 } }, { 2, { 0xf3, 0x66 } },
    { 2, { 0xf2, 0xf3 } }, { 2, { 0xf3, 0xf2 } }, { 2, { 0x48, 0x66 } }, { 2, { 0x48, 0x41 } }, { 1, { 0x64 } },
    { 1, { 0x65 } }, { 1, { 0x2e } }, { 2, { 0x64, 0x65 } }, { 2, { 0x65, 0x3e } }, { 2, { 0xf0, 0x66 } },
    { 2, { 0xf0, 0xf3 } }, { 2, { 0xf0, 0xf2 } }, { 2, { 0xf0, 0x48 } }, { 3, { 0x67, 0x66, 0x4d } }, { 2, { 0xf3, 0x45 } },
    { 3, { 0x66, 0xf2, 0x4f } }, { 2, { 0x66, 0x66 } }, { 2, { 0x67, 0x67 } }, { 2, { 0x66, 0x45 } },
};

void opcode_space_legacy(bool all, void (*check)(const uint8_t *bytes))
{
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        give_maps(prefixes[i].bytes, prefixes[i].length, check);
    if (!all)
        return;
    static const uint8_t rex[] = { 0, 0x40, 0x48, 0x41, 0x42, 0x44, 0x4f }, repeats[] = { 0, 0xf2, 0xf3 };
    for (unsigned set = 0; set < 16; set++)
        for (unsigned repeat = 0; repeat < 3; repeat++)
            for (unsigned r = 0; r < sizeof rex; r++) {
                uint8_t bytes[6];
                unsigned n = 0;
                if (set & 8 && (set & 5 || r % 3))      // LOCK and a segment: with a part of the others
                    continue;
                if (set & 8)
                    bytes[n++] = 0xf0;
                if (set & 4)
                    bytes[n++] = 0x64;
                if (set & 2)
                    bytes[n++] = 0x66;
                if (repeats[repeat])
                    bytes[n++] = repeats[repeat];
                if (set & 1)
                    bytes[n++] = 0x67;
                if (rex[r])
                    bytes[n++] = rex[r];
                give_maps(bytes, n, check);
            }
}

// One place of the VEX space: the three-byte form, and the two-byte form where it can say the same.
static void give_vex(unsigned map, unsigned wlpp, unsigned vvvv, unsigned rxb, unsigned opcode, unsigned modrm, void (*check)(const uint8_t *bytes))
{
    uint8_t last = (uint8_t)((wlpp & 8) << 4 | (wlpp & 7) | vvvv << 3);
    give((uint8_t[]){ 0xc4, (uint8_t)(rxb << 5 | map), last, (uint8_t)opcode, (uint8_t)modrm }, 5, check);
    if (map == 1 && wlpp < 8)
        give((uint8_t[]){ 0xc5, (uint8_t)((rxb & 4) << 5 | last), (uint8_t)opcode, (uint8_t)modrm }, 4, check);
}

void opcode_space_vex(bool all, void (*check)(const uint8_t *bytes))
{
    static const uint8_t before[] = { 0x66, 0xf2, 0xf3, 0xf0, 0x48, 0x67, 0x65 };
    for (unsigned map = 0; map < 32; map++)
        for (unsigned wlpp = 0; wlpp < 16; wlpp++)
            for (unsigned opcode = 0; opcode < 256; opcode++)
                for (unsigned modrm = 0; modrm < 256; modrm += map >= 1 && map <= 3 ? 1 : map < 5 ? 37 : 85) {
                    unsigned random = opcode_space_random_byte();
                    give_vex(map, wlpp, 15, 7, opcode, modrm, check);
                    give_vex(map, wlpp, random & 15, random >> 4 & 7, opcode, modrm, check);
                    if (!all || map > 3)
                        continue;
                    give_vex(map, wlpp, 15, 0, opcode, modrm, check);
                    give_vex(map, wlpp, 0, 7, opcode, modrm, check);
                    give_vex(map, wlpp, 8 | (random & 7), 2 | (random >> 4 & 5), opcode, modrm, check);
                    uint8_t prefix = before[(opcode + modrm + wlpp) % sizeof before];
                    give((uint8_t[]){ prefix, 0xc4, (uint8_t)(0xe0 | map), (uint8_t)((wlpp & 8) << 4 | (wlpp & 7) | 0x78), (uint8_t)opcode, (uint8_t)modrm }, 6, check);
                }
}

void opcode_space_sib(bool all, void (*check)(const uint8_t *bytes))
{
    for (unsigned rex = 0x40; rex < 0x50; rex++)
        for (unsigned modrm = 0; modrm < 0xc0; modrm++)
            for (unsigned sib = 0; sib < 256; sib++) {
                give((uint8_t[]){ (uint8_t)rex, 0x8b, (uint8_t)modrm, (uint8_t)sib }, 4, check);
                if (!all || (modrm & 7) != 4)
                    continue;
                unsigned rxb = ~rex & 7;
                give((uint8_t[]){ 0x67, (uint8_t)rex, 0x8b, (uint8_t)modrm, (uint8_t)sib }, 5, check);
                give((uint8_t[]){ 0x65, (uint8_t)rex, 0x0f, 0x10, (uint8_t)modrm, (uint8_t)sib }, 6, check);
                give((uint8_t[]){ 0xc4, (uint8_t)(rxb << 5 | 1), 0x7c, 0x28, (uint8_t)modrm, (uint8_t)sib }, 6, check);            // VMOVAPS
                give((uint8_t[]){ 0xc4, (uint8_t)(rxb << 5 | 2), (uint8_t)(0x01 | (rex & 8) << 4 | (modrm & 0x80) >> 5 | (sib & 15) << 3), 0x90 + (sib & 3),
                                  (uint8_t)modrm, (uint8_t)sib }, 6, check);                                                         // gathers
            }
}

void opcode_space_plain(bool all, void (*check)(const uint8_t *bytes))
{
    static const struct { unsigned length; uint8_t bytes[2]; } single[] = {
        { 0, { 0 } }, { 1, { 0x66 } }, { 1, { 0xf2 } }, { 1, { 0xf3 } }, { 1, { 0x48 } }, { 2, { 0x66, 0x48 } }, { 2, { 0xf2, 0x48 } },
        { 2, { 0xf3, 0x48 } }, { 1, { 0x45 } }, { 1, { 0x67 } }, { 2, { 0x66, 0x45 } }, { 2, { 0xf2, 0x4d } }, { 2, { 0xf3, 0x4d } },
    };
    static const struct { unsigned length; uint8_t bytes[2]; } escapes[] = {
        { 0, { 0 } }, { 1, { 0x0f } }, { 2, { 0x0f, 0x38 } }, { 2, { 0x0f, 0x3a } },
    };
    static const uint8_t no_opcode[] = { 0x26, 0x2e, 0x36, 0x3e, 0x62, 0x64, 0x65, 0x66, 0x67, 0xc4, 0xc5, 0xd5, 0xf0, 0xf2, 0xf3 };   // and EVEX, REX2
    unsigned step = all ? 1 : 3;
    for (size_t p = 0; p < sizeof single / sizeof *single; p++)
        for (size_t e = 0; e < 4; e++)
            for (unsigned opcode = 0; opcode < 256; opcode++) {
                if (e == 0 && ((opcode & 0xf0) == 0x40 || memchr(no_opcode, (int)opcode, sizeof no_opcode)))
                    continue;
                for (unsigned modrm = (unsigned)(p + opcode) % step; modrm < 256; modrm += step) {
                    uint8_t bytes[8];
                    unsigned n = single[p].length;
                    memcpy(bytes, single[p].bytes, n);
                    memcpy(bytes + n, escapes[e].bytes, escapes[e].length);
                    n += escapes[e].length;
                    bytes[n++] = (uint8_t)opcode;
                    bytes[n++] = (uint8_t)modrm;
                    give(bytes, n, check);
                }
            }
    for (unsigned map = 1; map < 4; map++)
        for (unsigned wlpp = 0; wlpp < 16; wlpp++)
            for (unsigned opcode = 0; opcode < 256; opcode++)
                for (unsigned modrm = opcode % step; modrm < 256; modrm += step) {
                    give_vex(map, wlpp, 15, 7, opcode, modrm, check);
                    give_vex(map, wlpp, 5, 6, opcode, modrm, check);
                }
}

// Prefixes more often than chance gives.
void opcode_space_random(uint32_t count, void (*check)(const uint8_t *bytes))
{
    static const uint8_t common[] = { 0x66, 0xf2, 0xf3, 0xf0, 0x67, 0x64, 0x65, 0x2e, 0x48, 0x41, 0x4c, 0x0f, 0xc4, 0xc5, 0x26, 0x36, 0x3e };
    for (uint32_t i = 0; i < count; i++) {
        uint8_t bytes[8];
        unsigned n = 0, wanted = opcode_space_random_byte() % 6;
        while (n < wanted)
            bytes[n++] = common[opcode_space_random_byte() % sizeof common];
        while (n < 8)
            bytes[n++] = opcode_space_random_byte();
        give(bytes, n, check);
    }
}
