// SPDX-License-Identifier: MIT
// One x64 frame: UNWIND_INFO versions 1 and 2 ("x64 exception handling" of the Windows x64 ABI).
#include "images/ntdll/unwind.h"
#if PROCESS_IS_X64

enum { PUSH_NONVOL, ALLOC_LARGE, ALLOC_SMALL, SET_FPREG, SAVE_NONVOL, SAVE_NONVOL_FAR, EPILOG, SPARE, SAVE_XMM, SAVE_XMM_FAR, PUSH_MACHFRAME };
enum { FLAG_HANDLERS = 3, FLAG_CHAINED = 4, RSP = 4 };
struct unwind_code { uint8_t offset, op : 4, info : 4; };
struct unwind_info {
    uint8_t version : 3, flags : 5, prolog, count, frame_register : 4, frame_offset : 4;
    struct unwind_code codes[];
};

// Slots of a code in the array, itself included.
static unsigned slots_of(const struct unwind_info *info, const struct unwind_code *code) {
    static const uint8_t slots[] = { 1, 2, 1, 1, 2, 3, 1, 1, 2, 3, 1 };
    if (code->op == ALLOC_LARGE) return code->info ? 3 : 2;
    if (info->version == 1 && (code->op == EPILOG || code->op == SPARE)) return code->op == EPILOG ? 2 : 3;   // old XMM forms
    return code->op < sizeof slots ? slots[code->op] : 1;
}
static uint32_t operand16(const struct unwind_code *code) { return *(const uint16_t *)(code + 1); }
static uint32_t operand32(const struct unwind_code *code) { return operand16(code) | (uint32_t)*(const uint16_t *)(code + 2) << 16; }

static uint64_t *general(CONTEXT *c, unsigned r) { return &c->Rax + r; }

static bool pop(CONTEXT *c, uint64_t *out) {
    if (!unwind_read(c->Rsp, out, 8)) return false;
    c->Rsp += 8;
    return true;
}

// ---- epilogues: what a function does on its way out is told by its bytes ---------------------------------------------------
// An epilogue is [add rsp, n | lea rsp, [frame register + n]], pops, then ret or a jump out of the function.
struct epilog { uint64_t pc, end; uint8_t bytes[16]; };
static bool fetch(struct epilog *e) {
    if (e->pc >= e->end) return false;
    memset(e->bytes, 0xcc, sizeof e->bytes);
    memcpy(e->bytes, (const void *)e->pc, e->end - e->pc < 16 ? e->end - e->pc : 16);
    return true;
}
static int32_t signed32(const uint8_t *p) { return *(const int32_t *)p; }

// The stack adjustment at e, done on rsp. Returns its length, 0: there is none.
static unsigned epilog_adjust(const struct epilog *e, const struct unwind_info *info, CONTEXT *c) {
    const uint8_t *b = e->bytes;
    if (b[0] == 0x48 && b[1] == 0x83 && b[2] == 0xc4) { c->Rsp += (uint64_t)(int8_t)b[3]; return 4; }
    if (b[0] == 0x48 && b[1] == 0x81 && b[2] == 0xc4) { c->Rsp += (uint64_t)signed32(b + 3); return 7; }
    if ((b[0] & 0xfe) == 0x48 && b[1] == 0x8d && info->frame_register) {
        unsigned mod = b[2] >> 6, to = b[2] >> 3 & 7, from = (b[2] & 7) | (b[0] & 1) << 3;
        if (to != RSP || from != info->frame_register || (b[2] & 7) == RSP || (mod != 1 && mod != 2)) return 0;
        c->Rsp = *general(c, from) + (uint64_t)(mod == 1 ? (int8_t)b[3] : signed32(b + 3));
        return mod == 1 ? 4 : 7;
    }
    return 0;
}

static bool leaves(const struct epilog *e, uint64_t start, uint64_t end) {
    const uint8_t *b = e->bytes;
    uint64_t target;
    switch (b[0]) {
    case 0xc3: case 0xc2: return true;
    case 0xf3: return b[1] == 0xc3;
    case 0xeb: target = e->pc + 2 + (uint64_t)(int8_t)b[1]; break;
    case 0xe9: target = e->pc + 5 + (uint64_t)signed32(b + 1); break;
    case 0xff: return b[1] == 0x25;
    case 0x48: case 0x49: return b[1] == 0xff && (b[2] >> 3 & 7) == 4;
    default: return false;
    }
    return target < start || target >= end;
}

// When pc is inside an epilogue, finishes it on *c (up to the return) and says so.
static bool epilog_finish(const struct unwind_info *info, uint64_t base, uint64_t pc, const struct x64_record *function, CONTEXT *c) {
    struct epilog e = { .pc = pc, .end = base + function->end };
    CONTEXT after = *c;
    if (!fetch(&e)) return false;
    e.pc += epilog_adjust(&e, info, &after);
    for (;;) {
        if (!fetch(&e)) return false;
        unsigned rex = (e.bytes[0] & 0xf0) == 0x40;
        uint8_t op = e.bytes[rex];
        if ((op & 0xf8) != 0x58) break;
        unsigned r = (op & 7) | (rex ? (e.bytes[0] & 1) << 3 : 0);
        uint64_t value;
        if (!pop(&after, &value)) return false;
        *general(&after, r) = value;
        e.pc += 1 + rex;
    }
    if (!leaves(&e, base + function->begin, base + function->end)) return false;
    *c = after;
    return true;
}

// Version 2 lists the epilogues: the first EPILOG code has the common size (and whether one is at the function's end), the
// others their distance from the end.
static bool in_listed_epilog(const struct unwind_info *info, uint64_t base, uint64_t pc, const struct x64_record *function) {
    uint64_t end = base + function->end;
    uint32_t size = 0;
    for (unsigned i = 0, n = 0; i < info->count && info->codes[i].op == EPILOG; i++, n++) {
        const struct unwind_code *code = &info->codes[i];
        uint32_t distance = code->offset | (uint32_t)code->info << 8;
        if (!n) {
            size = code->offset;
            distance = code->info & 1 ? size : 0;
        }
        if (distance && pc >= end - distance && pc < end - distance + size) return true;
    }
    return false;
}

// ---- the codes ----------------------------------------------------------------------------------------------------------
// Undoes the prologue instructions that were executed at `progress` bytes into it. *machine: a machine frame gave rip and rsp.
static bool undo_prolog(const struct unwind_info *info, uint32_t progress, CONTEXT *c, uint64_t *frame, bool *machine) {
    for (unsigned i = 0; i < info->count; i += slots_of(info, &info->codes[i])) {
        const struct unwind_code *code = &info->codes[i];
        bool ok = true;
        uint64_t value;
        if (progress < code->offset && !(info->version == 2 && code->op == EPILOG)) continue;
        switch (code->op) {
        case PUSH_NONVOL:
            ok = pop(c, &value);
            *general(c, code->info) = value;
            break;
        case ALLOC_LARGE: c->Rsp += code->info ? operand32(code) : operand16(code) * 8u; break;
        case ALLOC_SMALL: c->Rsp += (code->info + 1u) * 8; break;
        case SET_FPREG: c->Rsp = *frame; break;
        case SAVE_NONVOL: ok = unwind_read(*frame + operand16(code) * 8u, general(c, code->info), 8); break;
        case SAVE_NONVOL_FAR: ok = unwind_read(*frame + operand32(code), general(c, code->info), 8); break;
        case SAVE_XMM: ok = unwind_read(*frame + operand16(code) * 16u, &c->FltSave.XmmRegisters[code->info], 16); break;
        case SAVE_XMM_FAR: ok = unwind_read(*frame + operand32(code), &c->FltSave.XmmRegisters[code->info], 16); break;
        case EPILOG: case SPARE: break;
        case PUSH_MACHFRAME: {
            uint64_t at = c->Rsp + code->info * 8u;             // 1: an error code lies below rip
            ok = unwind_read(at, &c->Rip, 8) && unwind_read(at + 24, &c->Rsp, 8);
            *machine = true;
            break;
        }
        default: return false;
        }
        if (!ok) return false;
    }
    return true;
}

// Whether the frame register points at the frame yet.
static bool frame_is_set(const struct unwind_info *info, uint32_t progress) {
    if (!info->frame_register) return false;
    for (unsigned i = 0; i < info->count; i += slots_of(info, &info->codes[i]))
        if (info->codes[i].op == SET_FPREG) return progress >= info->codes[i].offset;
    return true;                                // chained records name the register without setting it
}

bool unwind_x64(unsigned type, uint64_t base, uint64_t pc, const struct x64_record *function, CONTEXT *c, struct unwound *out) {
    *out = (struct unwound){ .frame = c->Rsp };
    bool machine = false, in_prolog = false;
    if (function) {
        const struct unwind_info *info = (const void *)(base + function->unwind);
        if (info->version != 1 && info->version != 2) return false;
        uint32_t progress = (uint32_t)(pc - base - function->begin);
        in_prolog = progress < info->prolog;
        if (frame_is_set(info, in_prolog ? progress : UINT32_MAX)) out->frame = *general(c, info->frame_register) - info->frame_offset * 16u;
        bool epilog = !in_prolog && (info->version == 1 || in_listed_epilog(info, base, pc, function));
        if (epilog && epilog_finish(info, base, pc, function, c)) {
            info = 0;
        } else {
            if (!in_prolog) progress = UINT32_MAX;
            for (unsigned chain = 0;; chain++) {
                if (!undo_prolog(info, progress, c, &out->frame, &machine)) return false;
                if (!(info->flags & FLAG_CHAINED)) break;
                if (chain == 32) return false;
                const struct x64_record *parent = (const void *)(info->codes + ((info->count + 1) & ~1u));
                info = (const void *)(base + (parent->unwind & ~1u));
                if (parent->unwind & 1) info = (const void *)(base + ((const struct x64_record *)info)->unwind);
                if (info->version != 1 && info->version != 2) return false;
                if (chain == 0 && !frame_is_set((const void *)(base + function->unwind), UINT32_MAX) && frame_is_set(info, UINT32_MAX))
                    out->frame = *general(c, info->frame_register) - info->frame_offset * 16u;
                progress = UINT32_MAX;
            }
            if (!in_prolog && (info->flags & FLAG_HANDLERS & type)) {
                const uint32_t *data = (const void *)(info->codes + ((info->count + 1) & ~1u));
                out->handler = (void *)(base + data[0]);
                out->handler_data = (void *)(data + 1);
            }
        }
    }
    if (machine) {
        c->ContextFlags &= ~(DWORD)CONTEXT_UNWOUND;
        return true;
    }
    c->ContextFlags |= CONTEXT_UNWOUND;
    return pop(c, &c->Rip);
}
#endif
