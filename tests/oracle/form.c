// SPDX-License-Identifier: MIT
// form.c - see form.h.
#include "tests/oracle/form.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORMS_MAX = 12000, MANDATORY_66 = 1, MANDATORY_F3 = 2, MANDATORY_F2 = 4 };

static struct oracle_form forms[FORMS_MAX];
static unsigned form_count;
static uint16_t first_of_row[X64_MAP_COUNT][1024];      // number of the row's first form + 1
static uint16_t next_of_form[FORMS_MAX];

static bool is_vex(unsigned map) { return map >= X64_MAP_VEX1; }

const struct x64_operand_form *oracle_form_operand(const struct oracle_form *f, unsigned index)
{
    return index < X64_OPERANDS_MAX && f->row->operands[index] != X64_OC___ ? &x64_operand_forms[f->row->operands[index]] : 0;
}

bool oracle_form_has(const struct oracle_form *f, enum x64_operand_source source)
{
    const struct x64_operand_form *o;
    for (unsigned i = 0; (o = oracle_form_operand(f, i)); i++)
        if (o->source == source)
            return true;
    return false;
}

static unsigned operand_size_of(const struct oracle_form *f)
{
    if (f->row->where & X64_ROW_F64)
        return 8;
    if (f->w)
        return f->row->where & X64_ROW_MAX32 ? 4 : 8;
    return f->mandatory & MANDATORY_66 && f->row->prefixes != X64_PFX_66 ? 2 : f->row->where & X64_ROW_D64 ? 8 : 4;
}

unsigned oracle_form_immediate_bytes(const struct oracle_form *f)
{
    unsigned bytes = 0;
    const struct x64_operand_form *o;
    for (unsigned i = 0; (o = oracle_form_operand(f, i)); i++)
        switch (o->source) {
        case SRC_MOFFS: bytes += f->address32 ? 4 : 8; break;
        case SRC_VEC_IMM: bytes++; break;
        case SRC_IMM_ZERO: case SRC_IMM_SIGN: case SRC_REL: {
            unsigned size = operand_size_of(f);
            bytes += o->argument == SIZE_Z ? (size == 2 ? 2 : 4) : o->argument == SIZE_V ? size : o->argument;
            break;
        }
        default: break;
        }
    return bytes;
}

static uint32_t key_value(const struct x64_row *row) { return row->where & X64_KEY_MASK; }
static uint32_t key_mask(const struct x64_row *row) { return row->where >> X64_KEY_BITS & X64_KEY_MASK; }

struct encoding oracle_form_encoding(const struct oracle_form *f)
{
    static const uint8_t pp[8] = { 0, 1, 2, 2, 3 };
    struct encoding e = { .map = f->map, .opcode = f->row->opcode, .l = f->l, .rex = (uint8_t)(f->w << 3 | f->rex40) };
    if (is_vex(f->map)) {
        e.pp = pp[f->mandatory];
    } else {
        if (f->lock)
            encoding_add_prefix(&e, 0xf0);
        if (f->address32)
            encoding_add_prefix(&e, 0x67);
        if (f->mandatory & MANDATORY_66)
            encoding_add_prefix(&e, 0x66);
        if (f->mandatory & (MANDATORY_F3 | MANDATORY_F2))
            encoding_add_prefix(&e, f->mandatory & MANDATORY_F3 ? 0xf3 : 0xf2);
    }
    if (is_vex(f->map) && f->address32)
        encoding_add_prefix(&e, 0x67);
    e.has_modrm = f->row->where & X64_ROW_MODRM;
    e.modrm = (uint8_t)(key_value(f->row) & 0x3f);
    if (!f->memory && e.has_modrm)
        e.modrm |= 0xc0;
    if (f->high_reg)
        e.modrm |= 4 << 3;
    if (f->high_rm)
        e.modrm |= 4;
    e.imm_bytes = (uint8_t)oracle_form_immediate_bytes(f);
    return e;
}

// Bytes of a plain instruction of the form. A gather needs three different registers and a SIB byte.
static unsigned sample_bytes(const struct oracle_form *f, uint8_t *bytes)
{
    struct encoding e = oracle_form_encoding(f);
    if (oracle_form_has(f, SRC_VSIB)) {
        e.modrm |= 4 | 2 << 3;
        e.has_sib = true;
        e.sib = 1 << 3;
        e.vvvv = 3;
    } else if (f->row->where & X64_ROW_VVVV) {
        e.vvvv = 3;
    }
    return encoding_write(&e, 0, bytes);
}

// Rows whose addresses no ModRM byte names: there 67 makes another form.
static bool address_is_implicit(const struct x64_insn *i, const struct oracle_form *f)
{
    switch (i->op) {
    case X64_LOOP: case X64_LOOPE: case X64_LOOPNE: case X64_JRCXZ: case X64_XLAT: case X64_MASKMOVQ: case X64_MASKMOVDQU: case X64_VMASKMOVDQU:
    case X64_UMONITOR: case X64_MOVDIR64B: case X64_ENQCMD: case X64_CLZERO: case X64_MONITORX:
        return true;
    default:
        return x64_op_info(i->op)->attributes & X64_A_STRING || oracle_form_has(f, SRC_MOFFS) || oracle_form_has(f, SRC_VSIB);
    }
}

// What makes two encodings of one row two forms.
struct signature {
    uint16_t op;
    uint8_t cond, opsize, prefixes, form, address_size, operand_count;
    struct { uint8_t kind, access; uint16_t size; } opd[X64_OPERANDS_MAX];
    uint8_t w, l;
};

static struct signature signature_of(const struct x64_insn *i, const struct oracle_form *f)
{
    struct signature s;
    memset(&s, 0, sizeof s);
    s.op = i->op, s.cond = i->cond, s.opsize = i->opsize, s.prefixes = i->prefixes, s.operand_count = i->operand_count;
    s.form = i->form & (uint8_t)~(X64_F_REX | X64_F_W);
    s.address_size = address_is_implicit(i, f) ? i->address_size : 8;
    for (unsigned j = 0; j < i->operand_count; j++)
        s.opd[j].kind = i->opd[j].kind, s.opd[j].access = i->opd[j].access, s.opd[j].size = i->opd[j].size;
    if (is_vex(f->map))
        s.w = f->w, s.l = f->l;
    for (unsigned j = 0; j < i->operand_count; j++)     // a byte register that is not ah .. bh is spl .. dil
        if (i->opd[j].kind == X64_OPD_GPR && i->opd[j].size == 1 && i->opd[j].reg >= 4 && i->opd[j].reg < 8)
            s.w = 2;
    return s;
}

static const char *const map_names[X64_MAP_COUNT] = { "", "0f", "0f38", "0f3a", "", "vex.0f", "vex.0f38", "vex.0f3a" };

static void name_form(struct oracle_form *f)
{
    char *p = f->name, *end = f->name + sizeof f->name;
    const struct x64_row *row = f->row;
    p += snprintf(p, (size_t)(end - p), "%s%s%s%s%s%s%s%02x", f->lock ? "lock " : "", f->address32 ? "67 " : "",
                  f->mandatory & MANDATORY_66 ? "66 " : "", f->mandatory & MANDATORY_F3 ? "f3 " : f->mandatory & MANDATORY_F2 ? "f2 " : "",
                  f->w ? "w " : "", map_names[f->map], *map_names[f->map] ? " " : "", row->opcode);
    if (key_mask(row) & 0x38)
        p += snprintf(p, (size_t)(end - p), " /%u", key_value(row) >> 3 & 7);
    if (key_mask(row) & 7)
        p += snprintf(p, (size_t)(end - p), "/%u", key_value(row) & 7);
    p += snprintf(p, (size_t)(end - p), "%s%s%s%s %s", row->where & X64_ROW_MODRM ? f->memory ? " mem" : " reg" : "", is_vex(f->map) && f->l ? " l" : "",
                  f->rex40 ? " rex" : "", f->high_reg && f->high_rm ? " high,high" : f->high_reg ? " reg-high" : f->high_rm ? " rm-high" : "",
                  x64_op_info(f->sample.op)->name);
}

static const struct x64_row *row_of(const uint8_t *bytes, unsigned length, unsigned *map, struct oracle_form *facts);

// Adds the form unless the decoder refuses it, takes it for another row's, or tells it from none of the row's others.
static void consider(struct oracle_form f, const struct signature *seen, unsigned *seen_count, struct signature *out)
{
    uint8_t bytes[64];
    unsigned length = sample_bytes(&f, bytes), map;
    struct oracle_form facts;
    if (x64_decode(bytes, length, 0, &f.sample) != X64_OK || f.sample.length != length || row_of(bytes, length, &map, &facts) != f.row)
        return;
    struct signature s = signature_of(&f.sample, &f);
    for (unsigned i = 0; i < *seen_count; i++)
        if (!memcmp(&seen[i], &s, sizeof s))
            return;
    if (form_count == FORMS_MAX || *seen_count == 512)
        abort();
    out[(*seen_count)++] = s;
    name_form(&f);
    unsigned r = (unsigned)(f.row - x64_maps[f.map].rows);
    next_of_form[form_count] = first_of_row[f.map][r];
    forms[form_count++] = f;
    first_of_row[f.map][r] = (uint16_t)form_count;
}

static bool has_byte_register(const struct oracle_form *f, enum x64_operand_source source)
{
    const struct x64_operand_form *o;
    for (unsigned i = 0; (o = oracle_form_operand(f, i)); i++)
        if (o->source == source && o->reg_size == 1)
            return true;
    return false;
}

static void enumerate_row(unsigned map, const struct x64_row *row)
{
    // Simplest first: what is found first gets the plain name.
    static const struct { uint8_t prefixes, effective; } mandatory[] = {
        { 0, X64_PFX_NP }, { MANDATORY_66, X64_PFX_66 }, { MANDATORY_F3, X64_PFX_F3 }, { MANDATORY_F2, X64_PFX_F2 },
        { MANDATORY_66 | MANDATORY_F3, X64_PFX_F3 }, { MANDATORY_66 | MANDATORY_F2, X64_PFX_F2 },
    };
    static struct signature seen[512];
    unsigned seen_count = 0;
    struct oracle_form f = { .row = row, .map = (uint8_t)map };
    bool byte_reg = has_byte_register(&f, SRC_GPR_REG), byte_rm = has_byte_register(&f, SRC_GPR_RM), byte_code = has_byte_register(&f, SRC_GPR_CODE);
    bool is_nop = map == X64_MAP_1 && row->opcode == 0x90;     // ... unless REX.B says r8
    for (unsigned m = 0; m < sizeof mandatory / sizeof *mandatory; m++) {
        if (!(row->prefixes & mandatory[m].effective) || (is_vex(map) && m > 3))
            continue;
        for (unsigned bits = 0; bits < 256; bits++) {
            f.mandatory = mandatory[m].prefixes;
            f.memory = !(bits & 1);
            f.w = bits & 2, f.l = bits & 4, f.lock = bits & 8, f.address32 = bits & 16;
            f.rex40 = bits & 32 ? is_nop ? 0x41 : 0x40 : 0, f.high_reg = bits & 64, f.high_rm = bits & 128;
            bool modrm = row->where & X64_ROW_MODRM;
            if ((!modrm && (f.memory || f.high_reg || f.high_rm)) || (is_vex(map) && (f.lock || f.rex40)) || (!is_vex(map) && f.l) ||
                (row->where & X64_ROW_ANYMOD && f.memory) || (f.high_reg && !byte_reg) || (f.high_rm && (!byte_rm || f.memory)) ||
                (f.rex40 && !is_nop && !(byte_code && (row->opcode & 4)) && !(f.high_reg || f.high_rm)))
                continue;
            consider(f, seen, &seen_count, seen);
        }
    }
}

const struct oracle_form *oracle_forms(unsigned *count)
{
    if (!form_count)
        for (unsigned map = 0; map < X64_MAP_COUNT; map++)
            for (unsigned r = 1; r < x64_maps[map].count; r++)
                if (x64_maps[map].rows[r].op != X64_BAD)
                    enumerate_row(map, &x64_maps[map].rows[r]);
    *count = form_count;
    return forms;
}

// The row that the decoder takes, found again from the bytes (SDM vol. 2, 2.1.1): prefixes, map, opcode, ModRM.
static const struct x64_row *row_of(const uint8_t *bytes, unsigned length, unsigned *map, struct oracle_form *facts)
{
    unsigned at = 0, rex = 0, rep = 0, pfx;
    bool opsize = false;
    *facts = (struct oracle_form){ 0 };
    for (; at < length; at++) {
        uint8_t b = bytes[at];
        if ((b & 0xf0) == 0x40) {
            rex = b;
            continue;
        }
        if (b == 0x66) opsize = true;
        else if (b == 0x67) facts->address32 = true;
        else if (b == 0xf0) facts->lock = true;
        else if (b == 0xf2 || b == 0xf3) rep = b;
        else if (b != 0x26 && b != 0x2e && b != 0x36 && b != 0x3e && b != 0x64 && b != 0x65) break;
        rex = 0;
    }
    if (at >= length)
        return 0;
    uint8_t opcode = bytes[at++];
    facts->w = rex & 8;
    facts->rex40 = rex ? 0x40 : 0;
    pfx = rep == 0xf3 ? X64_PFX_F3 : rep == 0xf2 ? X64_PFX_F2 : opsize ? X64_PFX_66 : X64_PFX_NP;
    facts->mandatory = (uint8_t)((opsize ? MANDATORY_66 : 0) | (rep == 0xf3 ? MANDATORY_F3 : rep == 0xf2 ? MANDATORY_F2 : 0));
    if (opcode == 0xc4 || opcode == 0xc5) {
        static const uint8_t of_pp[4] = { X64_PFX_NP, X64_PFX_66, X64_PFX_F3, X64_PFX_F2 }, mandatory_of_pp[4] = { 0, MANDATORY_66, MANDATORY_F3, MANDATORY_F2 };
        unsigned select = opcode == 0xc4 ? bytes[at++] & 31 : 1;
        if (select < 1 || select > 3)
            return 0;
        *map = X64_MAP_VEX1 + select - 1;
        facts->w = opcode == 0xc4 && bytes[at] & 0x80;
        facts->l = bytes[at] & 4;
        facts->rex40 = 0;
        pfx = of_pp[bytes[at] & 3];
        facts->mandatory = mandatory_of_pp[bytes[at++] & 3];
        opcode = bytes[at++];
    } else if (opcode == 0x0f) {
        *map = X64_MAP_0F;
        opcode = bytes[at++];
        if (opcode == 0x38 || opcode == 0x3a) {
            *map = opcode == 0x38 ? X64_MAP_0F38 : X64_MAP_0F3A;
            opcode = bytes[at++];
        }
    } else {
        *map = (opcode & 0xf8) == 0xd8 ? X64_MAP_X87 : X64_MAP_1;
    }
    const struct x64_row *row = &x64_maps[*map].rows[x64_maps[*map].last[opcode]];
    unsigned modrm = at < length ? bytes[at] : 0;
    if (row->where & X64_ROW_ANYMOD)
        modrm |= 0xc0;
    uint32_t key = (modrm & 0x3fu) | (modrm >= 0xc0 ? X64_KEY_REG : 0) | (facts->w ? X64_KEY_W : 0) | (facts->l ? X64_KEY_L : 0);
    for (; row->opcode == opcode && row != x64_maps[*map].rows; row--)
        if (row->prefixes & pfx && !((key ^ key_value(row)) & key_mask(row))) {
            facts->row = row;
            facts->map = (uint8_t)*map;
            facts->memory = row->where & X64_ROW_MODRM && modrm < 0xc0;
            return row->op == X64_BAD ? 0 : row;
        }
    return 0;
}

const struct oracle_form *oracle_form_of(const uint8_t *bytes, unsigned length)
{
    struct x64_insn insn;
    struct oracle_form facts;
    unsigned map, count;
    oracle_forms(&count);
    if (x64_decode(bytes, length, 0, &insn) != X64_OK || !row_of(bytes, insn.length, &map, &facts))
        return 0;
    // Which of the row's forms: the one whose signature is the instruction's.
    struct signature s = signature_of(&insn, &facts), t;
    for (unsigned n = first_of_row[map][facts.row - x64_maps[map].rows]; n; n = next_of_form[n - 1]) {
        t = signature_of(&forms[n - 1].sample, &forms[n - 1]);
        if (!memcmp(&s, &t, sizeof s))
            return &forms[n - 1];
    }
    return 0;
}

unsigned oracle_displacement_offset(const struct x64_insn *insn, const uint8_t *bytes)
{
    const struct oracle_form *f = oracle_form_of(bytes, insn->length);
    return insn->length - (f ? oracle_form_immediate_bytes(f) : 0) - 4;
}
