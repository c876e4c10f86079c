// SPDX-License-Identifier: MIT
// Runs on an x64 host: makes x64 sequences from forms.inc, executes each natively, writes vectors (vector.h) to stdout.
//
//   record MODE COUNT SEED      MODE single: every form in turn, one instruction; random: sequences of 1 to 30 with branches
//
// A sequence is entered and left through signal frames: a handler puts the wanted registers into the frame and returns, the UD2 at
// the end (or the fault on the way) brings the registers back in a new frame. So no code of ours runs between.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "emu/x64/x64.h"
#include "tests/oracle/native.h"

struct form { const char *opcode, *kinds; };
static const struct form forms[] = {
#define F(opcode, kinds) { opcode, kinds },
#include "tests/oracle/forms.inc"
#include "tests/oracle/forms_sse.inc"
#include "tests/oracle/forms_sse4.inc"
#include "tests/oracle/forms_bmi.inc"
#include "tests/oracle/forms_avx.inc"
#undef F
};
enum { FORM_COUNT = sizeof forms / sizeof *forms };

// ---- generator
static struct oracle_vector vector;
static uint64_t *xmm_of(struct oracle_state *s) { return (uint64_t *)(s->fx + ORACLE_FX_XMM); }
static uint64_t seed;
static uint8_t code[ORACLE_CODE_MAX + 64];
static unsigned length;
static unsigned pointers, small;        // registers that certainly hold a window address; a small number

static unsigned below(unsigned n) { return (unsigned)(oracle_random(&seed) >> 33) % n; }
static bool chance(unsigned percent) { return below(100) < percent; }
static bool has(const struct form *f, char kind) { return strchr(f->kinds, kind) != 0; }
static void emit(unsigned byte) { if (length < sizeof code) code[length++] = (uint8_t)byte; }
static void emit_value(uint64_t value, unsigned bytes) { while (bytes--) emit(value & 255), value >>= 8; }

static unsigned pick_register(unsigned set)
{
    unsigned r;
    do r = below(16); while (!(set >> r & 1));
    return r;
}

// Registers that are written freely; rsp and the pointers now and then.
static unsigned pick_data_register(void)
{
    if (chance(2))
        return X64_RSP;
    if (chance(12))
        return pick_register(0xffff & ~(1 << X64_RSP));
    return pick_register(1 << X64_RAX | 1 << X64_RCX | 1 << X64_RDX | 1 << X64_R8 | 1 << X64_R10 | 1 << X64_R11 | 1 << X64_R15);
}

struct encoding {
    unsigned prefixes[4], prefix_count, rex, opcode[4], opcode_count, modrm, sib, disp_bytes, imm_bytes;
    bool has_modrm, has_sib, rip_relative;
    unsigned vex_map, vex_pp, vex_vvvv, vex_l;      // vex_map 0: no VEX prefix
    int64_t disp;
    uint64_t imm;
};

static void memory_operand(struct encoding *e, unsigned align)
{
    unsigned offset = below(3) ? below(64) * 8 : below(512);
    if (align)
        offset &= ~15u;
    unsigned how = below(20);
    e->has_modrm = true;
    if (how == 0) {                                 // [disp32]
        e->modrm |= 4;
        e->has_sib = true;
        e->sib = 0x25;
        e->disp = (int64_t)(ORACLE_WINDOW_BASE + 0x1000 + offset);
        e->disp_bytes = 4;
        if (chance(20))
            e->prefixes[e->prefix_count++] = 0x67;
        return;
    }
    bool bit = e->opcode_count == 2 && (e->opcode[1] & 0xe7) == 0xa3;   // BT and its kin reach further
    if (how == 1 && !bit) {                         // gs:[disp32]
        e->modrm |= 4;
        e->has_sib = true;
        e->sib = 0x25;
        e->disp = (int64_t)(ORACLE_GS_FIRST + offset);
        e->disp_bytes = 4;
        e->prefixes[e->prefix_count++] = 0x65;
        return;
    }
    if (how == 2 || !pointers) {                    // [rip + disp32]
        e->modrm |= 5;
        e->rip_relative = true;
        e->disp = (int64_t)(ORACLE_WINDOW_BASE + 0x1800 + offset);
        e->disp_bytes = 4;
        return;
    }
    unsigned base = pick_register(pointers);
    e->disp = chance(40) ? 0 : chance(60) ? (int64_t)below(256) - 128 : (int64_t)below(0x1000) - 0x800;
    if (chance(3))
        e->disp = (int64_t)(int32_t)oracle_random(&seed);     // usually a fault
    if (align)
        e->disp &= ~15ll;
    e->disp_bytes = e->disp == 0 && (base & 7) != 5 ? 0 : e->disp >= -128 && e->disp < 128 ? 1 : 4;
    unsigned mod = e->disp_bytes == 0 ? 0 : e->disp_bytes == 1 ? 1 : 2;
    e->modrm |= mod << 6;
    e->rex |= base >> 3;
    unsigned index = small & ~(1u << X64_RSP) ? pick_register(small & ~(1u << X64_RSP)) : X64_RSP;
    bool with_index = index != X64_RSP && !align && chance(35);
    if (with_index || (base & 7) == 4) {
        e->modrm |= 4;
        e->has_sib = true;
        e->sib = (with_index ? below(4) : 0) << 6 | (with_index ? index & 7 : 4) << 3 | (base & 7);
        e->rex |= with_index ? index >> 3 << 1 : 0;
    } else {
        e->modrm |= base & 7;
    }
    if (chance(2))
        e->prefixes[e->prefix_count++] = 0x67;
}

// A window address and a vector register as index.
static void gather_operand(struct encoding *e)
{
    unsigned base = pick_register(pointers ? pointers : 1 << X64_RBX), index = below(16);
    e->disp = (int64_t)below(256) - 128;
    e->disp_bytes = 1;
    e->modrm |= 0x44;
    e->has_sib = true;
    e->sib = below(4) << 6 | (index & 7) << 3 | (base & 7);
    e->rex |= base >> 3 | index >> 3 << 1;
    if (chance(5))
        e->prefixes[e->prefix_count++] = 0x67;
}

// Gathers: most of the time an index register holds small numbers.
static void tame_indices(struct oracle_state *s)
{
    for (unsigned at = 0; at < length;) {
        struct x64_insn i;
        if (x64_decode(code + at, length - at, vector.code_va + at, &i) != X64_OK)
            return;
        bool wide = i.op == X64_VPGATHERQD || i.op == X64_VPGATHERQQ || i.op == X64_VGATHERQPS || i.op == X64_VGATHERQPD;
        if (i.form & X64_F_MEM && i.mem.vsib && chance(90))
            for (unsigned j = 0; j < 4; j++) {
                uint64_t a = below(64) - 16ull, b = below(64) - 16ull;
                (j < 2 ? xmm_of(s) : s->high[0])[i.mem.index * 2 + j % 2] = wide ? a : (a & 0xffffffff) | b << 32;
            }
        at += i.length;
    }
}

static void write_encoding(const struct encoding *e)
{
    for (unsigned i = 0; i < e->prefix_count; i++)
        emit(e->prefixes[i]);
    if (e->vex_map) {
        emit(0xc4);
        emit((~e->rex & 7) << 5 | e->vex_map);
        emit((e->rex & 8) << 4 | (~e->vex_vvvv & 15) << 3 | e->vex_l << 2 | e->vex_pp);
    } else if (e->rex) {
        emit(0x40 | (e->rex & 15));
    }
    for (unsigned i = 0; i < e->opcode_count; i++)
        emit(e->opcode[i]);
    if (e->has_modrm)
        emit(e->modrm);
    if (e->has_sib)
        emit(e->sib);
    int64_t disp = e->disp;
    if (e->rip_relative)
        disp -= (int64_t)(vector.code_va + length + e->disp_bytes + e->imm_bytes);
    emit_value((uint64_t)disp, e->disp_bytes);
    emit_value(e->imm, e->imm_bytes);
}

static void generate_form(const struct form *f)
{
    struct encoding e = { 0 };
    bool byte = has(f, 'b'), xmm = has(f, 'x');
    bool only16 = false, plus = false, modrm_rm = false, wide_imm = false;
    if (has(f, 'v') || has(f, 'q') || has(f, 'd')) {
        unsigned size = has(f, 'q') ? 1 + below(2) : below(3);
        if (has(f, 'd')) {
            only16 = chance(8);
        } else {
            only16 = size == 0;
            if (size == 2)
                e.rex |= 8;
        }
        if (only16)
            e.prefixes[e.prefix_count++] = 0x66;
    }
    if (has(f, 'W'))
        e.rex |= 8;
    if (has(f, 'P') && small >> X64_RCX & 1 && chance(60))
        e.prefixes[e.prefix_count++] = 0xf3;
    if (has(f, 'Z') && small >> X64_RCX & 1 && chance(60))
        e.prefixes[e.prefix_count++] = chance(50) ? 0xf3 : 0xf2;
    bool memory = false;
    const char *p = f->opcode;
    while (*p) {
        while (*p == ' ')
            p++;
        if (*p == 'v') {
            e.vex_map = (unsigned)(p[1] - '0');
            e.vex_pp = (unsigned)(p[3] - '0');
            e.vex_vvvv = has(f, 'N') ? 0 : xmm || has(f, 'G') ? below(16) : pick_data_register();
            e.vex_l = has(f, 'H') || (has(f, 'Y') && chance(60));
            p += 4;
        } else if (*p == '/') {
            e.has_modrm = true;
            modrm_rm = true;
            unsigned reg = p[1] == 'r' ? (xmm || has(f, 'G') ? below(16) : pick_data_register()) : (unsigned)(p[1] - '0');
            e.modrm |= (reg & 7) << 3;
            e.rex |= (reg >> 3) << 2;
            if (byte && p[1] == 'r' && reg >= 4 && reg < 8 && chance(50))
                e.rex |= 0x40;                      // spl..dil instead of ah..bh
            memory = has(f, 'M') || (!has(f, 'R') && chance(45));
            p += 2;
        } else if (*p == '+') {
            plus = true;
            p += 2;
        } else if (!strncmp(p, "ib", 2)) {
            e.imm_bytes = 1;
            e.imm = has(f, 's') ? (chance(70) ? below(33) : below(256)) : oracle_random_integer(&seed);
            p += 2;
        } else if (!strncmp(p, "iw", 2)) {
            e.imm_bytes = 2;
            e.imm = (chance(70) ? below(64) : below(4096)) * 8;    // ENTER's frame; the larger ones leave the window
            p += 2;
        } else if (!strncmp(p, "iz", 2)) {
            e.imm_bytes = only16 ? 2 : 4;
            e.imm = oracle_random_integer(&seed);
            p += 2;
        } else if (!strncmp(p, "iv", 2)) {
            wide_imm = true;
            e.imm_bytes = only16 ? 2 : 4;
            e.imm = oracle_random_integer(&seed);
            p += 2;
        } else {
            unsigned value = (unsigned)strtoul(p, 0, 16);
            p += 2;
            bool mandatory = (value == 0x66 || value == 0xf2 || value == 0xf3) && *p == ' ' && !e.opcode_count && !strncmp(p, " 0f", 3);
            if (e.has_modrm || e.imm_bytes) {       // a fixed byte behind the immediate: ENTER's level
                e.imm |= (uint64_t)value << e.imm_bytes * 8;
                e.imm_bytes++;
            } else if (mandatory) {
                e.prefixes[e.prefix_count++] = value;
            } else {
                e.opcode[e.opcode_count++] = value;
            }
        }
    }
    if (wide_imm && e.rex & 8)
        e.imm_bytes = 8;
    if (plus) {
        unsigned r = pick_data_register();
        e.opcode[e.opcode_count - 1] += r & 7;
        e.rex |= r >> 3;
        if (byte && r >= 4 && r < 8 && chance(50))
            e.rex |= 0x40;
    }
    if (modrm_rm) {
        if (memory) {
            if (has(f, 'I'))
                gather_operand(&e);
            else
                memory_operand(&e, has(f, 'A') && chance(96));
            if (has(f, 'L') && chance(15))
                e.prefixes[e.prefix_count++] = 0xf0;
        } else {
            unsigned r = xmm || has(f, 'g') ? below(16) : pick_data_register();
            e.modrm |= 0xc0 | (r & 7);
            e.rex |= r >> 3;
            if (byte && r >= 4 && r < 8 && chance(50))
                e.rex |= 0x40;
        }
    }
    if (has(f, 'D') && chance(80)) {                // clear the upper half, or sign-extend into it
        bool sign = (e.modrm >> 3 & 7) == 7;
        if (byte) {
            if (sign) emit(0x66), emit(0x98);       // cbw
            else emit(0x0f), emit(0xb6), emit(0xc0);// movzx eax, al
        } else if (sign) {
            if (only16) emit(0x66);
            if (e.rex & 8) emit(0x48);
            emit(0x99);
        } else {
            emit(0x31), emit(0xd2);
        }
    }
    if (!strcmp(f->opcode, "9d")) {                 // popf: no TF, no AC, which would trap in our own handler
        emit(0x48), emit(0x81), emit(0x24), emit(0x24);
        emit_value(X64_ALL_FLAGS, 4);
    }
    write_encoding(&e);
}

// Facts about what the sequence has so far, after the instruction at `from`.
static bool note_effects(unsigned from)
{
    while (from < length) {
        struct x64_insn insn;
        if (x64_decode(code + from, length - from, vector.code_va + from, &insn) != X64_OK)
            return false;
        uint16_t written = x64_gprs_written(&insn);
        uint32_t attributes = x64_op_info(insn.op)->attributes;
        bool gentle = attributes & (X64_A_STRING | X64_A_STACK) && !(insn.op == X64_POP || insn.op == X64_LEAVE || insn.op == X64_ENTER);
        if (gentle)
            written &= 1 << X64_RCX;                // moves the pointers a little
        if (insn.op == X64_PUSH || insn.op == X64_POP || insn.op == X64_ENTER)
            written &= ~(1 << X64_RSP);
        if (insn.op == X64_POP && insn.opd[0].kind == X64_OPD_GPR)
            written |= 1 << insn.opd[0].reg;
        pointers &= ~written;
        small &= ~written;
        from += insn.length;
    }
    return true;
}

static unsigned weight(const struct form *f)
{
    const char *digit = strpbrk(f->kinds, "123456789");
    return digit ? (unsigned)(*digit - '0') : 2;
}

static const struct form *pick_form(void)
{
    static unsigned total;
    if (!total)
        for (unsigned i = 0; i < FORM_COUNT; i++)
            total += weight(&forms[i]);
    unsigned n = below(total);
    for (unsigned i = 0;; i++) {
        if (n < weight(&forms[i]))
            return &forms[i];
        n -= weight(&forms[i]);
    }
}

static bool generate_plain(const struct form *f)
{
    unsigned from = length, pointers_before = pointers, small_before = small;
    for (unsigned attempt = 0; attempt < 50; attempt++) {
        length = from;
        pointers = pointers_before;
        small = small_before;
        if (has(f, 'S') && (~pointers & (1 << X64_RSI | 1 << X64_RDI)))
            return false;
        generate_form(f);
        if (note_effects(from))
            return true;
    }
    length = from;
    return false;
}

static void generate_some(unsigned count, unsigned depth, unsigned keep);

static void generate_jump(unsigned depth, unsigned keep)
{
    unsigned how = below(10);
    if (how < 6) {                                  // jcc forward
        bool near = chance(30);
        if (near) emit(0x0f), emit(0x80 + below(16));
        else emit(0x70 + below(16));
        unsigned at = length;
        emit_value(0, near ? 4 : 1);
        unsigned pointers_before = pointers, small_before = small, from = length;
        generate_some(1 + below(4), depth + 1, keep);
        pointers &= pointers_before;
        small &= small_before;
        if (!near && length - from > 127) {
            length = at - 1;
            return;
        }
        code[at] = (uint8_t)(length - from);
        if (near)
            code[at + 1] = (uint8_t)((length - from) >> 8);
    } else if (how < 8 && !(keep >> X64_RCX & 1)) { // a counted loop on rcx
        emit(0xb9);
        emit_value(1 + below(4), 4);
        unsigned top = length;
        pointers &= ~(1u << X64_RCX);
        small &= ~(1u << X64_RCX);
        generate_some(1 + below(4), depth + 1, keep | 1 << X64_RCX);
        unsigned kind = below(3);
        if (kind == 0) {
            emit(0xff), emit(0xc9), emit(0x75);     // dec ecx; jnz
        } else if (kind == 1) {
            emit(0x83), emit(0xe9), emit(1), emit(0x75);    // sub ecx, 1; jnz
        } else {
            emit(0xe2);                             // loop
        }
        emit((uint8_t)(top - (length + 1)));
    } else if (how == 8) {                          // call over a jump, return
        emit(0xe8);
        emit_value(2, 4);                           // call +2
        unsigned over = length;
        emit(0xeb), emit(0);                        // jmp behind the function
        generate_some(1 + below(3), depth + 1, keep | 1 << X64_RSP);
        if (chance(30)) emit(0xc2), emit_value(0, 2);
        else emit(0xc3);
        code[over + 1] = (uint8_t)(length - over - 2);
    } else {                                        // lea rdx, [rip+n]; jmp rdx
        emit(0x48), emit(0x8d), emit(0x15);
        emit_value(2, 4);
        emit(0xff), emit(0xe2);
        pointers &= ~(1u << X64_RDX);
        small &= ~(1u << X64_RDX);
    }
}

// `keep`: registers the instructions must not write.
static void generate_some(unsigned count, unsigned depth, unsigned keep)
{
    for (unsigned i = 0; i < count && length < ORACLE_CODE_MAX - 120; i++) {
        if (depth < 3 && chance(14)) {
            generate_jump(depth, keep);
            continue;
        }
        unsigned from = length, pointers_before = pointers, small_before = small;
        if (!generate_plain(pick_form()))
            continue;
        unsigned at = from;
        while (at < length) {
            struct x64_insn insn;
            if (x64_decode(code + at, length - at, vector.code_va + at, &insn) != X64_OK)
                break;
            // Inside a called function the return address stays as it is.
            bool on_stack = x64_op_info(insn.op)->attributes & X64_A_STACK || (insn.form & X64_F_MEM && insn.mem.base == X64_RSP && x64_writes_memory(&insn));
            if (x64_gprs_written(&insn) & keep || (keep >> X64_RSP & 1 && on_stack)) {
                length = from;
                pointers = pointers_before;
                small = small_before;
                break;
            }
            at += insn.length;
        }
    }
}

// ---- which flags are defined where
static uint16_t undefined_after(const struct x64_insn *i, uint16_t before)
{
    const struct x64_op_info *info = x64_op_info(i->op);
    uint16_t written = info->flags_written, undefined = info->flags_undefined;
    if (i->op == X64_SHL || i->op == X64_SHR || i->op == X64_SAR || i->op == X64_SHLD || i->op == X64_SHRD || i->op == X64_ROL ||
        i->op == X64_ROR || i->op == X64_RCL || i->op == X64_RCR) {
        const struct x64_operand *count = &i->opd[i->operand_count - 1];
        unsigned bits = i->opd[0].size * 8;
        bool rotate = i->op == X64_ROL || i->op == X64_ROR || i->op == X64_RCL || i->op == X64_RCR;
        if (count->kind == X64_OPD_IMM) {
            unsigned n = (unsigned)count->value & (bits == 64 ? 63 : 31);
            if (n == 0)
                return before;
            if (n != 1)
                undefined |= X64_OF;                // only defined for a count of 1
            if (!rotate && n > bits)
                undefined |= X64_CF;                // and the result, for SHLD and SHRD: not generated
            return (before & ~(written & ~undefined)) | undefined;
        }
        return before | undefined | X64_OF | (!rotate && bits < 32 ? X64_CF : 0);
    }
    if (i->prefixes & (X64_P_REP | X64_P_REPNE))
        return before;                              // rcx may be 0
    return (before & ~(written & ~undefined)) | undefined;
}

static bool is_start[ORACLE_CODE_MAX + 1];

// Fills undefined[] for each byte offset where an instruction begins, and for the end. False: the sequence looks at an undefined flag,
// or at a result the manual leaves open.
static bool flow_undefined(uint16_t *undefined)
{
    memset(undefined, 0, (length + 1) * sizeof *undefined);
    memset(is_start, 0, sizeof is_start);
    for (bool changed = true; changed;) {
        changed = false;
        for (unsigned at = 0; at < length;) {
            struct x64_insn i;
            if (x64_decode(code + at, length - at, vector.code_va + at, &i) != X64_OK)
                return false;
            uint16_t after = undefined_after(&i, undefined[at]);
            unsigned next = at + i.length;
            uint64_t target = i.opd[0].kind == X64_OPD_REL ? (uint64_t)i.opd[0].value - vector.code_va : ~0ull;
            if (target <= length && (undefined[target] | after) != undefined[target])
                undefined[target] |= after, changed = true;
            if ((undefined[next] | after) != undefined[next])
                undefined[next] |= after, changed = true;
            at = next;
        }
    }
    for (unsigned at = 0; at < length;) {
        struct x64_insn i;
        x64_decode(code + at, length - at, vector.code_va + at, &i);
        is_start[at] = true;
        if (x64_flags_read(&i) & undefined[at] & X64_ARITH_FLAGS)
            return false;
        if (i.op == X64_SHLD || i.op == X64_SHRD) {
            const struct x64_operand *count = &i.opd[2];
            if (i.opd[0].size == 2 && (count->kind != X64_OPD_IMM || (count->value & 31) > 16))
                return false;
        }
        if (i.op == X64_BSWAP && i.opd[0].size == 2)
            return false;
        at += i.length;
    }
    return true;
}

static void random_state(struct oracle_state *s)
{
    *s = (struct oracle_state){ .rip = vector.code_va };
    memcpy(s->fx, "\x7f\x03", 2);
    memcpy(s->fx + ORACLE_FX_MXCSR, "\x80\x1f", 2);
    for (unsigned i = 0; i < 16; i++)
        s->gpr[i] = oracle_random_integer(&seed);
    for (unsigned i = 0; i < 16; i++) {
        if (pointers >> i & 1)
            s->gpr[i] = ORACLE_WINDOW_BASE + 0x1000 + below(chance(80) ? 0x180 : 0x230) * 16 + (chance(15) ? below(16) : 0);
        else if (small >> i & 1)
            s->gpr[i] = i == X64_RCX ? below(40) : (uint64_t)((int64_t)below(128) - 64);
    }
    s->gpr[X64_RSP] = ORACLE_WINDOW_BASE + (chance(3) ? ORACLE_READ_ONLY : 0x2000) + below(64) * 8;
    s->rflags = 0x202 | (oracle_random(&seed) & X64_ARITH_FLAGS) | (chance(15) ? X64_DF : 0);
    for (unsigned i = 0; i < 32; i++)
        xmm_of(s)[i] = chance(35) ? oracle_random_integer(&seed) : oracle_random_float(&seed);
    for (unsigned i = 0; i < 32; i++)
        s->high[i / 2][i % 2] = chance(35) ? oracle_random_integer(&seed) : oracle_random_float(&seed);
    if (chance(15)) {                               // strings: few letters, zeroes among them
        uint64_t letters = chance(50) ? 0x0303030303030303 : 0x0003000300030003;
        for (unsigned i = 0; i < 32; i++)
            xmm_of(s)[i] = oracle_random(&seed) & letters & (chance(30) ? ~0ull : oracle_random(&seed) | 0x0101010101010101);
        s->gpr[X64_RAX] = oracle_random(&seed) & 31;
        s->gpr[X64_RDX] = 0 - (oracle_random(&seed) & 31);
    }
}

// The sequence touched what is here and not elsewhere: the code of other vectors (unless it wrote: that fails everywhere), or addresses
// near to those of this program.
static bool touched_host(const struct oracle_vector *v)
{
    return v->outcome == ORACLE_PAGE_FAULT &&
           ((v->fault_address - ORACLE_CODE_BASE < ORACLE_CODE_BYTES && v->fault_access != ORACLE_WRITE) || (v->fault_address >> 44) - 5 < 3);
}

static bool make_vector(const struct form *single)
{
    static uint16_t undefined[ORACLE_CODE_MAX + 1];
    length = 0;
    pointers = 1 << X64_RBX | 1 << X64_RSP | 1 << X64_RBP | 1 << X64_RSI | 1 << X64_RDI | 1 << X64_R12 | 1 << X64_R13;
    small = 1 << X64_R9 | 1 << X64_R14 | (chance(50) ? 1 << X64_RCX : 0);
    vector = (struct oracle_vector){ .magic = ORACLE_MAGIC, .number = vector.number, .code_va = oracle_slot(vector.number),
                                     .gpr_mask = 0xffff, .fsw_mask = 0xffff, .fx_mask = ORACLE_FXM_ALL };
    random_state(&vector.in);
    if (single) {
        if (!generate_plain(single))
            return false;
    } else {
        generate_some(1 + below(30), 0, 0);
    }
    if (!length || length > ORACLE_CODE_MAX - 16 || !flow_undefined(undefined))
        return false;
    tame_indices(&vector.in);
    vector.code_bytes = length;
    memcpy(vector.code, code, length);
    vector.window_seed = vector.number / 256 * 2 + 1;
    native_fill(vector.window_seed);
    native_run(&vector);
    if (touched_host(&vector) || vector.outcome == ORACLE_LOST || vector.outcome == ORACLE_INVALID_OPCODE)
        return false;
    uint64_t offset = vector.out.rip - vector.code_va;
    if (vector.outcome == ORACLE_BREAKPOINT ? offset <= length : offset < length && !is_start[offset])
        return false;                               // a wild jump into the middle of an instruction
    // QEMU's user mode ignores the top byte of an address, so non-canonical addresses cannot be played.
    if (vector.outcome == ORACLE_GENERAL) {
        struct x64_insn i;
        if (offset >= length)
            return false;
        x64_decode(code + offset, length - offset, vector.out.rip, &i);
        if (!(i.form & X64_F_ALIGNED))
            return false;
    }
    // Whether bytes that the mask leaves out can fault is up to the processor (SDM vol. 2, MASKMOVDQU).
    if (vector.outcome == ORACLE_PAGE_FAULT && offset < length) {
        struct x64_insn i;
        if (x64_decode(code + offset, length - offset, vector.out.rip, &i) == X64_OK && (i.op == X64_MASKMOVDQU || i.op == X64_VMASKMOVDQU))
            return false;
        if (i.form & X64_F_MEM && i.mem.vsib)       // nor is it fixed which elements of a gather are done before
            return false;
    }
    uint16_t open = offset <= length ? undefined[offset] : X64_ARITH_FLAGS;
    if (vector.outcome == ORACLE_BREAKPOINT)
        open = X64_ARITH_FLAGS;
    // A changed return address leads to bytes that nobody chose as instructions.
    if (vector.outcome == ORACLE_PAGE_FAULT && offset > length && memchr(code, 0xc3, length))
        return false;
    // ... or where the flow of flags did not look.
    for (unsigned at = 0; at < length; at++)
        if (vector.outcome != ORACLE_END && memchr(code, 0xc3, length))
            open |= undefined[at];
    vector.flags_mask = (X64_ALL_FLAGS & ~(uint64_t)open);
    vector.mxcsr_mask = 0xffff;
    fwrite(&vector, sizeof vector, 1, stdout);
    fwrite(native_changes, sizeof *native_changes, vector.change_count, stdout);
    vector.number++;
    return true;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return fprintf(stderr, "usage: record single|random COUNT SEED [FORM-PREFIX]\n"), 2;
    bool single = !strcmp(argv[1], "single");
    unsigned count = (unsigned)strtoul(argv[2], 0, 0);
    seed = strtoull(argv[3], 0, 0) * 0x9e3779b97f4a7c15ull | 1;
    const char *only = argc > 4 ? argv[4] : "";
    if (!native_open())
        return perror("record"), 2;
    unsigned made = 0, tried = 0;
    while (made < count && tried < count * 50 + 1000) {
        const struct form *f = 0;
        if (single) {
            f = &forms[tried % FORM_COUNT];
            if (strncmp(f->opcode, only, strlen(only))) {
                tried++;
                continue;
            }
        }
        tried++;
        made += make_vector(f);
    }
    return made < count;
}
