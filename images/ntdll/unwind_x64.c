// SPDX-License-Identifier: MIT
// x64 unwind information, version 1 and 2: "x64 exception handling" in the Windows ABI documentation.
#include "images/ntdll/unwind.h"

const uint8_t x64_home[16] = { 8, 0, 1, 27, 31, 29, 25, 26, 2, 3, 4, 5, 19, 20, 21, 22 };

enum { UW_PUSH = 0, UW_ALLOC_LARGE = 1, UW_ALLOC_SMALL = 2, UW_SET_FRAME = 3, UW_SAVE = 4, UW_SAVE_FAR = 5, UW_EPILOG = 6,
       UW_SPARE = 7, UW_SAVE_XMM = 8, UW_SAVE_XMM_FAR = 9, UW_MACHINE_FRAME = 10 };
enum { FLAG_CATCHES = 1, FLAG_CLEANS = 2, FLAG_CHAINED = 4 };

static uint64_t load64(uint64_t address) { return *(const uint64_t *)address; }

// Is pc inside an epilogue? Then it does the rest of it on *c. Forms: [add rsp, n | lea rsp, [frame+n]] pop* (ret | jmp).
static bool epilogue(struct arm_context *c, uint64_t image, const uint32_t *entry, uint64_t pc, const uint8_t *info) {
    const uint8_t *p = (const uint8_t *)pc;
    struct arm_context t = *c;
    unsigned frame_register = info[3] & 15;
    if ((p[0] & 0xf8) == 0x48 && p[1] == 0x83 && p[2] == 0xc4) { t.sp += (uint64_t)(int8_t)p[3]; p += 4; }
    else if ((p[0] & 0xf8) == 0x48 && p[1] == 0x81 && p[2] == 0xc4) { t.sp += (uint64_t)(int64_t)*(const int32_t *)(p + 3); p += 7; }
    else if ((p[0] & 0xfe) == 0x48 && p[1] == 0x8d && (p[2] & 0x38) == 0x20 && frame_register) {
        unsigned base = (p[2] & 7) | (p[0] & 1) << 3, mode = p[2] >> 6;
        if (base != frame_register || (base & 7) == 4) return false;
        t.sp = *x64_register(&t, base);
        if (mode == 1) { t.sp += (uint64_t)(int8_t)p[3]; p += 4; }
        else if (mode == 2) { t.sp += (uint64_t)(int64_t)*(const int32_t *)(p + 3); p += 7; }
        else return false;
    }
    for (;;) {
        unsigned rex = (p[0] & 0xf0) == 0x40 ? *p++ & 1 : 0;
        if ((p[0] & 0xf8) != 0x58) { if (rex) p--; break; }
        *x64_register(&t, (p[0] & 7) | rex << 3) = load64(t.sp);
        t.sp += 8;
        p++;
    }
    if (p[0] == 0xf3 && p[1] == 0xc3) p++;
    if (p[0] != 0xc3 && p[0] != 0xc2) {                                 // or a tail call out of the function
        uint64_t target;
        if (p[0] == 0xeb) target = (uint64_t)p + 2 + (uint64_t)(int8_t)p[1];
        else if (p[0] == 0xe9) target = (uint64_t)p + 5 + (uint64_t)(int64_t)*(const int32_t *)(p + 1);
        else if ((p[0] == 0xff && p[1] == 0x25) || ((p[0] & 0xf8) == 0x48 && p[1] == 0xff && (p[2] & 0x38) == 0x20)) target = 0;
        else return false;
        if (target >= image + entry[0] && target < image + entry[1]) return false;
    }
    t.pc = load64(t.sp);
    t.sp += 8 + (p[0] == 0xc2 ? *(const uint16_t *)(p + 1) : 0u);
    *c = t;
    return true;
}

bool unwind_x64(struct arm_context *c, uint64_t image, const uint32_t *entry, uint64_t pc, struct frame *f) {
    uint64_t offset = pc - image - entry[0];
    const uint8_t *info = (const uint8_t *)(image + entry[2]);
    bool in_prologue = offset < info[1], machine_frame = false, first = true;

    f->establisher = c->sp;
    unsigned frame_register = info[3] & 15;
    if (frame_register) {
        bool set = !in_prologue || (info[0] >> 3 & FLAG_CHAINED);
        for (unsigned i = 0; !set && i < info[2]; i++)
            if ((info[5 + 2 * i] & 15) == UW_SET_FRAME) set = offset >= info[4 + 2 * i];
        if (set) f->establisher = *x64_register(c, frame_register) - (info[3] & 0xf0u);
    }
    if (!in_prologue && epilogue(c, image, entry, pc, info)) return true;

    for (unsigned depth = 0; depth < 32; depth++) {
        const uint8_t *codes = info + 4;
        unsigned count = info[2];
        for (unsigned i = 0; i < count; ) {
            unsigned at = codes[2 * i], op = codes[2 * i + 1] & 15, arg = codes[2 * i + 1] >> 4, slots = 1;
            uint32_t next = i + 1 < count ? *(const uint16_t *)(codes + 2 * i + 2) : 0;
            uint32_t wide = i + 2 < count ? next | (uint32_t)*(const uint16_t *)(codes + 2 * i + 4) << 16 : 0;
            bool done = !first || !in_prologue || offset >= at;         // the prologue has executed this
            switch (op) {
            case UW_PUSH: if (done) { *x64_register(c, arg) = load64(c->sp); c->sp += 8; } break;
            case UW_ALLOC_LARGE: slots = arg ? 3 : 2; if (done) c->sp += arg ? wide : next * 8; break;
            case UW_ALLOC_SMALL: if (done) c->sp += arg * 8 + 8; break;
            case UW_SET_FRAME: if (done) c->sp = *x64_register(c, info[3] & 15) - (info[3] & 0xf0u); break;
            case UW_SAVE: slots = 2; if (done) *x64_register(c, arg) = load64(f->establisher + next * 8); break;
            case UW_SAVE_FAR: slots = 3; if (done) *x64_register(c, arg) = load64(f->establisher + wide); break;
            case UW_EPILOG: slots = 1; break;                           // version 2: found above by its instructions
            case UW_SPARE: slots = 2; break;
            case UW_SAVE_XMM: slots = 2; if (done) memcpy(&c->v[arg], (void *)(f->establisher + next * 16), 16); break;
            case UW_SAVE_XMM_FAR: slots = 3; if (done) memcpy(&c->v[arg], (void *)(f->establisher + wide), 16); break;
            case UW_MACHINE_FRAME: {
                if (!done) break;
                uint64_t sp = c->sp + (arg ? 8 : 0);
                c->pc = load64(sp);
                c->sp = load64(sp + 24);
                machine_frame = true;
                break;
            }
            default: return false;
            }
            i += slots;
        }
        const uint8_t *tail = codes + ((count + 1u) & ~1u) * 2;
        unsigned flags = info[0] >> 3;
        if (first && !in_prologue && (flags & (FLAG_CATCHES | FLAG_CLEANS)) && !(flags & FLAG_CHAINED)) {
            f->handler = image + *(const uint32_t *)tail;
            f->handler_data = tail + 4;
            f->catches = flags & FLAG_CATCHES;
            f->cleans = flags & FLAG_CLEANS;
        }
        if (!(flags & FLAG_CHAINED)) break;
        info = (const uint8_t *)(image + ((const uint32_t *)tail)[2]);
        if (!in_prologue) {                                             // a chained part has its parent's handler
            unsigned parent = info[0] >> 3;
            const uint8_t *data = info + 4 + ((info[2] + 1u) & ~1u) * 2;
            if ((parent & (FLAG_CATCHES | FLAG_CLEANS)) && !(parent & FLAG_CHAINED)) {
                f->handler = image + *(const uint32_t *)data;
                f->handler_data = data + 4;
                f->catches = parent & FLAG_CATCHES;
                f->cleans = parent & FLAG_CLEANS;
            }
        }
        first = false;
    }
    if (!machine_frame) { c->pc = load64(c->sp); c->sp += 8; }
    return true;
}
