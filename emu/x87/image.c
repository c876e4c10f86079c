// SPDX-License-Identifier: MIT
// The state in memory: environments of 28 (or, with an operand size prefix, 14) bytes and the registers after them
// (SDM vol. 1, 8.1.10: protected mode formats). Selectors are stored as 0, as processors that no longer keep them do.
#include "emu/x87/x87.h"

enum { ENVIRONMENT_MAX = 28, REGISTER_BYTES = 10 };
enum field { FIELD_CONTROL, FIELD_STATUS, FIELD_TAG, FIELD_IP, FIELD_CS, FIELD_DP, FIELD_DS, FIELD_COUNT };

static unsigned environment_bytes(const struct x87_machine *m, bool registers)
{
    return (registers ? m->insn->opd[0].size - 8u * REGISTER_BYTES : m->insn->opd[0].size) < ENVIRONMENT_MAX ? 14 : ENVIRONMENT_MAX;
}

static unsigned tag(const struct x87_state *s, unsigned physical)
{
    if (!(s->valid >> physical & 1))
        return 3;
    switch (float80_unpack(s->reg[physical]).class) {
    case FLOAT_NORMAL: return 0;
    case FLOAT_ZERO:   return 1;
    }
    return 2;
}

static unsigned put_environment(const struct x87_machine *m, uint8_t *image, bool registers)
{
    const struct x87_state *s = &m->s;
    unsigned bytes = environment_bytes(m, registers), width = bytes / FIELD_COUNT;
    uint32_t fields[FIELD_COUNT] = { s->control, s->status, 0, (uint32_t)s->ip, (uint32_t)s->opcode << 16, (uint32_t)s->dp, 0 };
    for (unsigned i = 0; i < 8; i++)
        fields[FIELD_TAG] |= tag(s, i) << 2 * i;
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        bool padded = i <= FIELD_TAG || i == FIELD_DS;
        uint32_t value = padded ? fields[i] | 0xffff0000 : fields[i];
        for (unsigned j = 0; j < width; j++)
            image[i * width + j] = (uint8_t)(value >> 8 * j);
    }
    return bytes;
}

static unsigned get_environment(struct x87_machine *m, const uint8_t *image, bool registers)
{
    unsigned bytes = environment_bytes(m, registers), width = bytes / FIELD_COUNT;
    uint32_t fields[FIELD_COUNT] = { 0 };
    for (unsigned i = 0; i < FIELD_COUNT; i++)
        for (unsigned j = 0; j < width; j++)
            fields[i] |= (uint32_t)image[i * width + j] << 8 * j;
    struct x87_state *s = &m->s;
    s->control = x87_control_word(fields[FIELD_CONTROL]);
    s->status = (uint16_t)fields[FIELD_STATUS];
    s->ip = fields[FIELD_IP];
    s->dp = fields[FIELD_DP];
    s->opcode = fields[FIELD_CS] >> 16 & 0x7ff;         // not in the small format
    s->valid = 0;
    for (unsigned i = 0; i < 8; i++)
        s->valid |= (uint16_t)(((fields[FIELD_TAG] >> 2 * i & 3) != 3) << i);
    x87_summarize(s);
    return bytes;
}

enum x87_outcome x87_store_environment(struct x87_machine *m)
{
    uint8_t image[ENVIRONMENT_MAX];
    unsigned bytes = put_environment(m, image, false);
    if (!m->io->write(m->io->context, 0, image, bytes))
        return X87_FAULT;
    m->s.control |= FLOAT_ALL;
    x87_summarize(&m->s);
    return X87_DONE;
}

enum x87_outcome x87_load_environment(struct x87_machine *m)
{
    uint8_t image[ENVIRONMENT_MAX];
    if (!m->io->read(m->io->context, 0, image, environment_bytes(m, false)))
        return X87_FAULT;
    get_environment(m, image, false);
    return X87_DONE;
}

enum x87_outcome x87_save(struct x87_machine *m)
{
    uint8_t image[ENVIRONMENT_MAX + 8 * REGISTER_BYTES];
    unsigned at = put_environment(m, image, true);
    for (unsigned i = 0; i < 8; i++) {
        struct float80 value = x87_get(m, i);
        for (unsigned j = 0; j < 8; j++)
            image[at++] = (uint8_t)(value.significand >> 8 * j);
        image[at++] = (uint8_t)value.sign_exponent;
        image[at++] = (uint8_t)(value.sign_exponent >> 8);
    }
    if (!m->io->write(m->io->context, 0, image, at))
        return X87_FAULT;
    m->s.control = 0x37f;
    m->s.status = m->s.valid = m->s.opcode = 0;
    m->s.ip = m->s.dp = 0;
    return X87_DONE;
}

enum x87_outcome x87_restore(struct x87_machine *m)
{
    uint8_t image[ENVIRONMENT_MAX + 8 * REGISTER_BYTES];
    if (!m->io->read(m->io->context, 0, image, environment_bytes(m, true) + 8 * REGISTER_BYTES))
        return X87_FAULT;
    unsigned at = get_environment(m, image, true);
    for (unsigned i = 0; i < 8; i++, at += REGISTER_BYTES) {
        uint64_t significand = 0;
        for (unsigned j = 0; j < 8; j++)
            significand |= (uint64_t)image[at + j] << 8 * j;
        m->s.reg[(x87_top(&m->s) + i) & 7] =
            (struct float80){ .significand = significand, .sign_exponent = (uint16_t)(image[at + 8] | image[at + 9] << 8) };
    }
    return X87_DONE;
}

// ---- FXSAVE

enum { FX_STATUS = 2, FX_VALID = 4, FX_OPCODE = 6, FX_IP = 8, FX_DP = 16, FX_REGISTERS = 32, FX_SLOT = 16 };

static void put_bytes(uint8_t *to, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t get_bytes(const uint8_t *from, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)from[i] << 8 * i;
    return value;
}

void x87_put_fx_image(const struct x87_state *s, uint8_t image[X87_FX_BYTES], bool wide)
{
    put_bytes(image, s->control, 2);
    put_bytes(image + FX_STATUS, s->status, 2);
    put_bytes(image + FX_VALID, s->valid, 2);
    put_bytes(image + FX_OPCODE, s->opcode, 2);
    put_bytes(image + FX_IP, wide ? s->ip : (uint32_t)s->ip, 8);
    put_bytes(image + FX_DP, wide ? s->dp : (uint32_t)s->dp, 8);
    for (unsigned i = 0; i < 8; i++) {
        const struct float80 *value = &s->reg[(x87_top(s) + i) & 7];
        put_bytes(image + FX_REGISTERS + FX_SLOT * i, value->significand, 8);
        put_bytes(image + FX_REGISTERS + FX_SLOT * i + 8, value->sign_exponent, 8);
    }
}

void x87_get_fx_image(struct x87_state *s, const uint8_t image[X87_FX_BYTES], bool wide)
{
    *s = (struct x87_state){ .control = x87_control_word((uint32_t)get_bytes(image, 2)), .status = (uint16_t)get_bytes(image + FX_STATUS, 2),
                             .valid = image[FX_VALID], .opcode = get_bytes(image + FX_OPCODE, 2) & 0x7ff, .ip = get_bytes(image + FX_IP, wide ? 8 : 4),
                             .dp = get_bytes(image + FX_DP, wide ? 8 : 4) };
    for (unsigned i = 0; i < 8; i++)
        s->reg[(x87_top(s) + i) & 7] = (struct float80){ .significand = get_bytes(image + FX_REGISTERS + FX_SLOT * i, 8),
            .sign_exponent = (uint16_t)get_bytes(image + FX_REGISTERS + FX_SLOT * i + 8, 2) };
    x87_summarize(s);
}
