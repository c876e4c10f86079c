// SPDX-License-Identifier: MIT
// One arm64 frame: packed records and .xdata ("ARM64 exception handling" of the Windows ABI), with the codes that ARM64EC
// thunks add (reference sheet of the ARM64EC ABI, section 9.3).
//
// A packed record describes a canonical prologue; it is written out as the codes it stands for, so that one interpreter
// serves both forms, and is exact inside prologues and epilogues.
#include "images/ntdll/unwind.h"

enum code_kind { RESERVED, ALLOC, SAVE, SET_FP, ADD_FP, NOP, END, END_C, SAVE_NEXT, SAVE_ANY, MACHINE_FRAME, ARM_CONTEXT, EC_CONTEXT,
                 CLEAR_UNWOUND, PAC_SIGN };
enum { PAIR = 1, PRE = 2, VECTOR = 4, WITH_LR = 8, PLUS_ONE = 16 };
#define PLAIN(mask, match, bytes, kind) { mask, match, bytes, kind, 0, 0, 0, 0, 0 }
// Codes by their first byte; a SAVE's register and offset come from the whole code, read as a big-endian number.
static const struct code_form {
    uint8_t mask, match, bytes, kind, first, shift, registers, offsets, flags;
} forms[] = {
    PLAIN(0xe0, 0x00, 1, ALLOC),
    { 0xe0, 0x20, 1, SAVE, 19, 0, 0, 0x1f, PAIR | PRE },                     // save_r19r20_x
    { 0xc0, 0x40, 1, SAVE, 29, 0, 0, 0x3f, PAIR },                           // save_fplr
    { 0xc0, 0x80, 1, SAVE, 29, 0, 0, 0x3f, PAIR | PRE | PLUS_ONE },          // save_fplr_x
    PLAIN(0xf8, 0xc0, 2, ALLOC),
    { 0xfc, 0xc8, 2, SAVE, 19, 6, 15, 0x3f, PAIR },                          // save_regp
    { 0xfc, 0xcc, 2, SAVE, 19, 6, 15, 0x3f, PAIR | PRE | PLUS_ONE },
    { 0xfc, 0xd0, 2, SAVE, 19, 6, 15, 0x3f, 0 },                             // save_reg
    { 0xfe, 0xd4, 2, SAVE, 19, 5, 15, 0x1f, PRE | PLUS_ONE },
    { 0xfe, 0xd6, 2, SAVE, 19, 6, 7, 0x3f, WITH_LR },                        // save_lrpair
    { 0xfe, 0xd8, 2, SAVE, 8, 6, 7, 0x3f, PAIR | VECTOR },                    // save_fregp
    { 0xfe, 0xda, 2, SAVE, 8, 6, 7, 0x3f, PAIR | VECTOR | PRE | PLUS_ONE },
    { 0xfe, 0xdc, 2, SAVE, 8, 6, 7, 0x3f, VECTOR },                           // save_freg
    { 0xff, 0xde, 2, SAVE, 8, 5, 7, 0x1f, VECTOR | PRE | PLUS_ONE },
    PLAIN(0xff, 0xdf, 2, RESERVED),
    PLAIN(0xff, 0xe0, 4, ALLOC),
    PLAIN(0xff, 0xe1, 1, SET_FP), PLAIN(0xff, 0xe2, 2, ADD_FP), PLAIN(0xff, 0xe3, 1, NOP), PLAIN(0xff, 0xe4, 1, END), PLAIN(0xff, 0xe5, 1, END_C),
    PLAIN(0xff, 0xe6, 1, SAVE_NEXT), PLAIN(0xff, 0xe7, 3, SAVE_ANY), PLAIN(0xff, 0xe8, 1, RESERVED), PLAIN(0xff, 0xe9, 1, MACHINE_FRAME),
    PLAIN(0xff, 0xea, 1, ARM_CONTEXT), PLAIN(0xff, 0xeb, 1, EC_CONTEXT), PLAIN(0xff, 0xec, 1, CLEAR_UNWOUND),
    PLAIN(0xff, 0xf8, 2, RESERVED), PLAIN(0xff, 0xf9, 3, RESERVED), PLAIN(0xff, 0xfa, 4, RESERVED), PLAIN(0xff, 0xfb, 5, RESERVED),
    PLAIN(0xff, 0xfc, 1, PAC_SIGN),
    PLAIN(0x00, 0x00, 1, RESERVED),
};
static const struct code_form *form_of(uint8_t byte) {
    const struct code_form *f = forms;
    while ((byte & f->mask) != f->match) f++;
    return f;
}
static uint32_t code_value(const uint8_t *code, unsigned bytes) {
    uint32_t v = 0;
    for (unsigned i = 0; i < bytes; i++) v = v << 8 | code[i];
    return v;
}
// Codes E8 to EC describe what the kernel or a dispatcher put on the stack, not an instruction.
static bool is_instruction(uint8_t byte) { return (byte & 0xf8) != 0xe8; }

// Instructions described by the codes up to the end code.
static unsigned sequence_length(const uint8_t *code, const uint8_t *end) {
    unsigned n = 0;
    while (code < end) {
        const struct code_form *f = form_of(*code);
        if (f->kind == END || f->kind == END_C) break;
        n += is_instruction(*code);
        code += f->bytes;
    }
    return n;
}

struct machine { struct arm_context *c; unsigned nexts; bool pc_is_final; };

static bool load(struct machine *m, bool is_float, unsigned r, uint64_t address) {
    if (r > (is_float ? 31u : 30u)) return false;
    return unwind_read(address, is_float ? &m->c->v[r].low : &m->c->x[r], 8);
}

// Registers first, first + 1, ... from `address`; save_next codes met before add pairs behind this one.
static bool load_run(struct machine *m, const struct code_form *f, unsigned first, uint64_t address) {
    bool is_float = f->flags & VECTOR;
    if (f->flags & WITH_LR) return load(m, false, first, address) && load(m, false, 30, address + 8);
    unsigned count = f->flags & PAIR ? 2 + 2 * m->nexts : 1;
    m->nexts = 0;
    for (unsigned i = 0; i < count; i++) if (!load(m, is_float, first + i, address + i * 8)) return false;
    return true;
}

static bool undo_save(struct machine *m, const struct code_form *f, const uint8_t *code) {
    uint32_t v = code_value(code, f->bytes);
    unsigned index = v >> f->shift & f->registers;
    unsigned first = f->first + (f->flags & WITH_LR ? 2 * index : index);
    uint64_t offset = ((v & f->offsets) + (f->flags & PLUS_ONE ? 1 : 0)) * 8;
    if (!load_run(m, f, first, m->c->sp + (f->flags & PRE ? 0 : offset))) return false;
    if (f->flags & PRE) m->c->sp += offset;
    return true;
}

// save_any_reg: E7, 0pxrrrrr, ttoooooo.
static bool undo_save_any(struct machine *m, const uint8_t *code) {
    unsigned pair = code[1] >> 6 & 1, pre = code[1] >> 5 & 1, r = code[1] & 31, type = code[2] >> 6, o = code[2] & 63;
    if (code[1] & 0x80 || type == 3) return false;              // SVE forms
    unsigned count = pair ? 2 + 2 * m->nexts : 1, bytes = type == 2 ? 16 : 8;
    uint64_t address = pre ? m->c->sp : m->c->sp + o * (pair || type == 2 ? 16u : 8u);
    m->nexts = 0;
    for (unsigned i = 0; i < count; i++) {
        if (r + i > (type ? 31u : 30u)) return false;
        if (!unwind_read(address + i * bytes, type ? (void *)&m->c->v[r + i] : &m->c->x[r + i], bytes)) return false;
    }
    if (pre) m->c->sp += (o + 1) * 16;
    return true;
}

static bool undo_context(struct machine *m, bool ec) {
#if PROCESS_IS_X64
    if (ec) {
        CONTEXT x64;
        if (!unwind_read(m->c->sp, &x64, sizeof x64)) return false;
        context_to_arm(m->c, &x64);
        m->pc_is_final = true;
        return true;
    }
#endif
    m->pc_is_final = true;
    return !ec && unwind_read(m->c->sp, m->c, sizeof *m->c);
}

// Undoes the instructions of a code sequence but the first `skip` ones.
static bool undo_codes(struct machine *m, const uint8_t *code, const uint8_t *end, unsigned skip) {
    for (const struct code_form *f; code < end; code += f->bytes) {
        f = form_of(*code);
        if (code + f->bytes > end) return false;
        if (f->kind == END) return true;
        if (f->kind == END_C) continue;
        if (skip && is_instruction(*code)) { skip--; continue; }
        bool ok = true;
        uint32_t v = code_value(code, f->bytes);
        switch (f->kind) {
        case ALLOC: m->c->sp += (v & (f->bytes == 1 ? 0x1f : f->bytes == 2 ? 0x7ff : 0xffffff)) * 16ull; break;
        case SAVE: ok = undo_save(m, f, code); break;
        case SAVE_ANY: ok = undo_save_any(m, code); break;
        case SAVE_NEXT: m->nexts++; break;
        case SET_FP: m->c->sp = m->c->x[29]; break;
        case ADD_FP: m->c->sp = m->c->x[29] - code[1] * 8u; break;
        case NOP: break;
        case MACHINE_FRAME:
            ok = unwind_read(m->c->sp + 8, &m->c->pc, 8) && unwind_read(m->c->sp, &m->c->sp, 8);
            m->c->flags &= ~(uint32_t)CONTEXT_UNWOUND;
            m->pc_is_final = true;
            break;
        case ARM_CONTEXT: case EC_CONTEXT: ok = undo_context(m, f->kind == EC_CONTEXT); break;
        case CLEAR_UNWOUND:
            m->c->pc = m->c->x[30];
            m->c->flags &= ~(uint32_t)CONTEXT_UNWOUND;
            m->pc_is_final = true;
            break;
        case PAC_SIGN: {                        // xpaclri: does nothing on a core without pointer authentication
            register uint64_t lr __asm__("x30") = m->c->x[30];
            __asm__("hint #7" : "+r"(lr));
            m->c->x[30] = lr;
            break;
        }
        default: return false;
        }
        if (!ok) return false;
    }
    return true;
}

// ---- packed records -------------------------------------------------------------------------------------------------------
static unsigned put_alloc(uint8_t *out, uint32_t bytes) {
    unsigned units = bytes / 16;
    if (units < 0x20) { out[0] = (uint8_t)units; return 1; }
    out[0] = (uint8_t)(0xc0 | units >> 8);
    out[1] = (uint8_t)units;
    return 2;
}
static unsigned put16(uint8_t *out, unsigned code) { out[0] = (uint8_t)(code >> 8); out[1] = (uint8_t)code; return 2; }

// The codes of the canonical prologue, last instruction first; for an epilogue without what has no counterpart there.
static unsigned packed_codes(uint32_t packed, bool epilog, uint8_t *out) {
    unsigned reg_f = packed >> 13 & 7, reg_i = packed >> 16 & 15, homes = packed >> 20 & 1, cr = packed >> 21 & 3, frame = (packed >> 23) * 16, n = 0;
    unsigned ints = reg_i * 8 + (cr == 1 ? 8 : 0), floats = reg_f ? (reg_f + 1) * 8 : 0;
    unsigned saved = (ints + floats + 64 * homes + 15) & ~15u;
    if (saved > frame) return 0;
    unsigned local = frame - saved;
    if (cr >= 2) {
        if (!epilog) out[n++] = 0xe1;                                                    // mov x29, sp
        if (local && local <= 512) out[n++] = (uint8_t)(0x80 | (local / 8 - 1));         // stp x29, lr, [sp, #-local]!
        else out[n++] = 0x40;                                                            // stp x29, lr, [sp]
    }
    if (cr < 2 || local > 512) {
        if (local > 4080) n += put_alloc(out + n, local - 4080);
        if (local) n += put_alloc(out + n, local > 4080 ? 4080 : local);
    }
    if (homes && !epilog) for (unsigned i = 0; i < 4; i++) out[n++] = 0xe3;
    unsigned regs_f = floats / 8;
    if (regs_f & 1) n += put16(out + n, 0xdc00 | (regs_f - 1) << 6 | (ints + (regs_f - 1) * 8) / 8);
    for (unsigned i = regs_f / 2; i-- > 0;)
        n += !i && !ints ? put16(out + n, 0xda00 | (saved / 8 - 1)) : put16(out + n, 0xd800 | 2 * i << 6 | (ints / 8 + 2 * i));
    if (reg_i & 1) {
        unsigned last = reg_i - 1;
        if (cr == 1 && last) n += put16(out + n, 0xd600 | last / 2 << 6 | last);                                    // stp xn, lr
        else if (cr == 1) { n += put16(out + n, 0xd600); n += put_alloc(out + n, saved); }
        else n += last ? put16(out + n, 0xd000 | last << 6 | last) : put16(out + n, 0xd400 | (saved / 8 - 1));      // str xn
    } else if (cr == 1) {
        n += reg_i ? put16(out + n, 0xd000 | 11 << 6 | reg_i) : put16(out + n, 0xd400 | 11 << 5 | (saved / 8 - 1)); // str lr
    }
    for (unsigned i = reg_i / 2; i-- > 0;)
        n += i ? put16(out + n, 0xc800 | 2 * i << 6 | 2 * i) : put16(out + n, 0xcc00 | (saved / 8 - 1));
    if (cr == 2) out[n++] = 0xfc;
    out[n++] = 0xe4;
    return n;
}

static bool undo_packed(struct machine *m, uint32_t packed, uint32_t offset) {
    uint8_t codes[64];
    unsigned n = packed_codes(packed, false, codes), length = packed >> 2 & 0x7ff, skip = 0;
    if (!n) return false;
    if ((packed & 3) == 1) {                    // 2: a part of a function, without prologue and epilogue
        unsigned prolog = sequence_length(codes, codes + n);
        uint8_t other[64];
        unsigned other_n = packed_codes(packed, true, other), epilog = sequence_length(other, other + other_n) + 1;
        if (offset < prolog) skip = prolog - offset;
        else if (offset < length && offset + epilog >= length) return undo_codes(m, other, other + other_n, offset + epilog - length);
    }
    return undo_codes(m, codes, codes + n, skip);
}

// ---- .xdata ---------------------------------------------------------------------------------------------------------------
static bool undo_xdata(struct machine *m, uint64_t base, const uint32_t *xdata, uint32_t offset, unsigned type, struct unwound *out) {
    uint32_t head = *xdata++, length = head & 0x3ffff, epilogs = head >> 22 & 31, words = head >> 27;
    bool handler = head >> 20 & 1, single = head >> 21 & 1;
    if (head >> 18 & 3) return false;           // version
    if (!epilogs && !words) {
        epilogs = *xdata & 0xffff;
        words = *xdata++ >> 16 & 0xff;
    }
    const uint32_t *scopes = xdata;
    if (!single) xdata += epilogs;
    const uint8_t *codes = (const uint8_t *)xdata, *end = codes + words * 4;
    unsigned prolog = sequence_length(codes, end);
    if (offset < prolog) return undo_codes(m, codes, end, prolog - offset);
    if (single) {                               // the only epilogue ends the function; `epilogs` is its first code
        if (epilogs >= words * 4) return false;
        unsigned n = sequence_length(codes + epilogs, end) + 1;
        if (offset < length && offset + n >= length) return undo_codes(m, codes + epilogs, end, offset + n - length);
    } else {
        for (unsigned i = 0; i < epilogs; i++) {
            uint32_t start = scopes[i] & 0x3ffff, index = scopes[i] >> 22;
            if (offset < start) break;
            if (index >= words * 4) return false;
            if (offset - start <= sequence_length(codes + index, end)) return undo_codes(m, codes + index, end, offset - start);
        }
    }
    if (handler && type) {
        out->handler = (void *)(base + *(const uint32_t *)end);
        out->handler_data = (void *)(end + 4);
    }
    return undo_codes(m, codes, end, 0);
}

bool unwind_arm64(unsigned type, uint64_t base, uint64_t pc, const struct arm64_record *function, struct arm_context *c, struct unwound *out) {
    struct machine m = { .c = c };
    *out = (struct unwound){ 0 };
    if (!function && c->pc == c->x[30]) return false;           // a leaf that returns to itself
    if (function) {
        uint32_t offset = (uint32_t)(pc - base - function->begin) / 4;
        bool ok = function->unwind & 3 ? undo_packed(&m, function->unwind, offset)
                                       : undo_xdata(&m, base, (const uint32_t *)(base + function->unwind), offset, type, out);
        if (!ok) return false;
    }
    if (!m.pc_is_final) {
        c->pc = c->x[30];
        c->flags |= CONTEXT_UNWOUND;
    }
    out->frame = c->sp;                         // the stack pointer at the function's entry
    return true;
}
