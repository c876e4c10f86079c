// SPDX-License-Identifier: MIT
// encoding.c - see encoding.h. Layout: SDM vol. 2, 2.1, 2.2 and 2.3.5.
#include "tests/oracle/encoding.h"
#include "emu/x64/rows.h"

void encoding_add_prefix(struct encoding *e, uint8_t prefix)
{
    if (e->prefix_count < ENCODING_PREFIXES_MAX)
        e->prefixes[e->prefix_count++] = prefix;
}

static unsigned put_value(uint8_t *to, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
    return bytes;
}

unsigned encoding_write(const struct encoding *e, uint64_t rip, uint8_t *bytes)
{
    unsigned n = 0;
    bool vex = e->map >= X64_MAP_VEX1;
    for (unsigned i = 0; i < e->prefix_count; i++) {
        if (i + 1 == e->prefix_count && e->early_rex && !vex)
            bytes[n++] = e->early_rex;
        bytes[n++] = e->prefixes[i];
    }
    if (vex && e->map == X64_MAP_VEX1 && !(e->rex & 0xb) && !e->long_vex) {
        bytes[n++] = 0xc5;
        bytes[n++] = (uint8_t)((e->rex & 4 ? 0 : 0x80) | (~e->vvvv & 15) << 3 | e->l << 2 | e->pp);
    } else if (vex) {
        bytes[n++] = 0xc4;
        bytes[n++] = (uint8_t)((~e->rex & 7) << 5 | (e->map - X64_MAP_VEX1 + 1));
        bytes[n++] = (uint8_t)((e->rex & 8) << 4 | (~e->vvvv & 15) << 3 | e->l << 2 | e->pp);
    } else if (e->rex) {
        bytes[n++] = 0x40 | (e->rex & 15);
    }
    if (e->map == X64_MAP_0F || e->map == X64_MAP_0F38 || e->map == X64_MAP_0F3A)
        bytes[n++] = 0x0f;
    if (e->map == X64_MAP_0F38 || e->map == X64_MAP_0F3A)
        bytes[n++] = e->map == X64_MAP_0F38 ? 0x38 : 0x3a;
    bytes[n++] = e->opcode;
    if (e->has_modrm)
        bytes[n++] = e->modrm;
    if (e->has_sib)
        bytes[n++] = e->sib;
    int64_t disp = e->disp;
    if (e->rip_relative)
        disp -= (int64_t)(rip + n + e->disp_bytes + e->imm_bytes);
    n += put_value(bytes + n, (uint64_t)disp, e->disp_bytes);
    n += put_value(bytes + n, e->imm, e->imm_bytes);
    return n;
}
