// SPDX-License-Identifier: MIT
// ARM64 unwind information, packed and full: "ARM64 exception handling" in the Windows ABI documentation.
#include "images/ntdll/unwind.h"

static uint64_t load64(uint64_t address) { return *(const uint64_t *)address; }

// Length in bytes of the unwind code that begins with b.
static unsigned code_bytes(uint8_t b) {
    if (b < 0xc0) return 1;
    if (b < 0xe0) return 2;
    static const uint8_t length[32] = { [0] = 4, [2] = 2, [7] = 3, [0x18] = 2, [0x19] = 3, [0x1a] = 4, [0x1b] = 5 };
    return length[b - 0xe0] ? length[b - 0xe0] : 1;
}
static bool is_end(uint8_t b) { return b == 0xe4; }

// Instructions that a sequence of codes stands for, without the end code.
static unsigned sequence_length(const uint8_t *p, const uint8_t *end) {
    unsigned n = 0;
    for (; p < end && !is_end(*p); p += code_bytes(*p)) if (*p != 0xe5) n++;
    return n;
}

static void restore(struct arm_context *c, unsigned first, unsigned count, int64_t at, bool floating, unsigned next) {
    // save_next codes before this one: the pairs behind it, each 16 bytes further
    for (unsigned i = 0; i < count + 2 * next; i++) {
        uint64_t value = load64(c->sp + (uint64_t)at + 8 * i);
        if (floating) c->v[first + i].low = value;
        else c->x[first + i] = value;
    }
}

// Carries out codes from p until the end code.
static bool run(struct arm_context *c, const uint8_t *p, const uint8_t *end, bool *final_pc) {
    unsigned next = 0;
    while (p < end && !is_end(*p)) {
        uint8_t b = p[0], b1 = p + 1 < end ? p[1] : 0;
        unsigned x, z = b1 & 0x3f;
        if (b < 0x20) c->sp += 16u * b;
        else if (b < 0x40) { restore(c, 19, 2, 0, false, next); next = 0; c->sp += 8u * (b & 0x1f); }
        else if (b < 0x80) { c->x[29] = load64(c->sp + 8u * (b & 0x3f)); c->x[30] = load64(c->sp + 8u * (b & 0x3f) + 8); }
        else if (b < 0xc0) { c->x[29] = load64(c->sp); c->x[30] = load64(c->sp + 8); c->sp += 8u * (b & 0x3f) + 8; }
        else if (b < 0xc8) c->sp += 16u * ((b & 7u) << 8 | b1);
        else if (b < 0xe0) {
            x = (b & 3u) << 2 | b1 >> 6;
            switch (b >> 2) {
            case 0xc8 >> 2: restore(c, 19 + x, 2, 8 * z, false, next); break;
            case 0xcc >> 2: restore(c, 19 + x, 2, 0, false, next); c->sp += 8 * z + 8; break;
            case 0xd0 >> 2: restore(c, 19 + x, 1, 8 * z, false, 0); break;
            case 0xd4 >> 2:
                if (b < 0xd6) { x = (b & 1u) << 3 | b1 >> 5; restore(c, 19 + x, 1, 0, false, 0); c->sp += 8u * (b1 & 0x1f) + 8; }
                else { x = (b & 1u) << 2 | b1 >> 6; c->x[19 + 2 * x] = load64(c->sp + 8 * z); c->x[30] = load64(c->sp + 8 * z + 8); }
                break;
            case 0xd8 >> 2:
                x = (b & 1u) << 2 | b1 >> 6;
                if (b < 0xda) restore(c, 8 + x, 2, 8 * z, true, next);
                else { restore(c, 8 + x, 2, 0, true, next); c->sp += 8 * z + 8; }
                break;
            default:
                if (b < 0xde) { x = (b & 1u) << 2 | b1 >> 6; restore(c, 8 + x, 1, 8 * z, true, 0); }
                else if (b == 0xde) { restore(c, 8 + (b1 >> 5), 1, 0, true, 0); c->sp += 8u * (b1 & 0x1f) + 8; }
                else return false;
            }
            next = 0;
        } else switch (b) {
        case 0xe0: c->sp += 16ull * ((uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]); break;
        case 0xe1: c->sp = c->x[29]; break;
        case 0xe2: c->sp = c->x[29] - 8u * b1; break;
        case 0xe3: case 0xe5: break;                    // nop, end_c
        case 0xe6: next++; break;
        case 0xe7: {                                    // save_any_reg: 0pxrrrrr ttoooooo
            unsigned pair = b1 >> 6 & 1, pre = b1 >> 5 & 1, r = b1 & 31, kind = p[2] >> 6, o = p[2] & 0x3f;
            unsigned size = kind == 2 ? 16 : 8, step = pre ? 0 : pair || kind == 2 ? o * 16 : o * 8;
            for (unsigned i = 0; i < 1 + pair + 2 * next; i++) {
                const void *from = (void *)(c->sp + step + size * i);
                if (r + i > 31) return false;
                if (kind == 0) { if (r + i < 31) c->x[r + i] = load64((uint64_t)from); }
                else if (kind == 1) c->v[r + i].low = load64((uint64_t)from);
                else if (kind == 2) memcpy(&c->v[r + i], from, 16);
                else return false;
            }
            if (pre) c->sp += 16 * (o + 1);
            next = 0;
            break;
        }
        case 0xe9: c->pc = load64(c->sp + 8); c->sp = load64(c->sp); c->flags &= ~(uint32_t)CONTEXT_UNWOUND; *final_pc = true; break;
        case 0xea: memcpy(c, (void *)c->sp, sizeof *c); c->flags &= ~(uint32_t)CONTEXT_UNWOUND; *final_pc = true; break;
        case 0xec: c->pc = c->x[30]; c->flags &= ~(uint32_t)CONTEXT_UNWOUND; *final_pc = true; break;
        case 0xfc: __asm__("mov x30, %1\n hint #7\n mov %0, x30" : "=r"(c->x[30]) : "r"(c->x[30]) : "x30"); break;   // strip the signature
        default: return false;
        }
        p += code_bytes(b);
    }
    return true;
}

// Writes the codes that packed data stands for; returns their number of bytes.
static unsigned expand(uint32_t packed, uint8_t *out) {
    unsigned reg_f = packed >> 13 & 7, reg_i = packed >> 16 & 15, home = packed >> 20 & 1, cr = packed >> 21 & 3, frame = (packed >> 23) * 16;
    unsigned int_bytes = reg_i * 8 + (cr == 1 ? 8 : 0), fp_bytes = reg_f ? reg_f * 8 + 8 : 0;
    unsigned save = (int_bytes + fp_bytes + home * 64 + 15) & ~15u, local = frame - save, n = 0;
    bool chain = cr == 2 || cr == 3;
    // in reverse order of the prologue
    if (chain) {
        out[n++] = 0xe1;
        if (local <= 512 && local) out[n++] = (uint8_t)(0x80 | (local / 8 - 1));
        else { out[n++] = 0x40; if (local) { out[n++] = (uint8_t)(0xc0 | local / 16 >> 8); out[n++] = (uint8_t)(local / 16); } }
    } else if (local) {
        out[n++] = (uint8_t)(0xc0 | local / 16 >> 8);
        out[n++] = (uint8_t)(local / 16);
    }
    if (home) for (unsigned i = 0; i < 4; i++) out[n++] = 0xe3;
    struct { uint8_t code[2]; } saves[16];
    unsigned k = 0, offset = 0;
    bool first = true;
    #define SAVE(plain, pre, x, xbits) do { unsigned x_ = (x); unsigned z_ = first ? save / 8 - 1 : offset / 8; \
        saves[k].code[0] = (uint8_t)((first ? (pre) : (plain)) | x_ >> (8 - (xbits))); saves[k].code[1] = (uint8_t)(x_ << (xbits) | z_); k++; first = false; } while (0)
    for (unsigned i = 0; i + 1 < reg_i; i += 2) { SAVE(0xc8, 0xcc, i, 6); offset += 16; }
    if (reg_i & 1) {
        if (cr == 1) {                                  // the odd register goes with lr
            if (first) { SAVE(0xd0, 0xd4, reg_i - 1, 5); offset += 8; saves[k].code[0] = 0xd0; saves[k].code[1] = 0; k--; k++; }
            else { saves[k].code[0] = (uint8_t)(0xd6 | (reg_i - 1) / 2 >> 2); saves[k].code[1] = (uint8_t)((reg_i - 1) / 2 << 6 | offset / 8); k++; offset += 8; }
        } else { if (first) SAVE(0xd0, 0xd4, reg_i - 1, 5); else SAVE(0xd0, 0xd4, reg_i - 1, 6); offset += 8; }
    }
    bool lr_alone = cr == 1 && !(reg_i & 1);
    if (lr_alone) { if (first) SAVE(0xd0, 0xd4, 11, 5); else SAVE(0xd0, 0xd4, 11, 6); }
    if (cr == 1) offset += 8;
    for (unsigned i = 0; reg_f && i + 1 < reg_f + 1; i += 2) { SAVE(0xd8, 0xda, i, 6); offset += 16; }
    if (reg_f && !(reg_f & 1)) { if (first) SAVE(0xdc, 0xde, reg_f, 5); else SAVE(0xdc, 0xde, reg_f, 6); }
    #undef SAVE
    if (!k && save) { out[n++] = (uint8_t)(0xc0 | save / 16 >> 8); out[n++] = (uint8_t)(save / 16); }
    while (k) { k--; out[n++] = saves[k].code[0]; out[n++] = saves[k].code[1]; }
    if (cr == 2) out[n++] = 0xfc;
    out[n++] = 0xe4;
    return n;
}

bool unwind_arm64(struct arm_context *c, uint64_t image, const uint32_t *entry, uint64_t pc, struct frame *f) {
    uint32_t offset = (uint32_t)(pc - image - entry[0]) / 4;
    uint8_t expanded[64];
    const uint8_t *codes, *codes_end, *start;
    uint32_t skip = 0;
    bool final_pc = false, body = true;
    if (entry[1] & 3) {                                 // packed
        unsigned n = expand(entry[1], expanded), length = entry[1] >> 2 & 0x7ff;
        start = codes = expanded;
        codes_end = expanded + n;
        unsigned prologue = sequence_length(codes, codes_end);
        if ((entry[1] & 3) == 1 && offset < prologue) { skip = prologue - offset; body = false; }
        else {                                          // the epilogue mirrors the prologue without setting the frame
            bool chain = (entry[1] >> 21 & 3) >= 2;
            unsigned epilogue = prologue - (chain ? 1 : 0) - (entry[1] >> 20 & 1) * 4 + 1;
            if (length - offset < epilogue) { skip = prologue - (length - offset - 1); body = false; }
        }
    } else {
        const uint32_t *x = (const uint32_t *)(image + entry[1]);
        uint32_t head = *x++, length = head & 0x3ffff, epilogs = head >> 22 & 31, words = head >> 27;
        bool single = head >> 21 & 1, has_handler = head >> 20 & 1;
        if (!epilogs && !words) { epilogs = *x & 0xffff; words = *x >> 16 & 0xff; x++; }
        const uint32_t *scopes = x;
        if (!single) x += epilogs;
        start = codes = (const uint8_t *)x;
        codes_end = codes + 4 * words;
        x += words;
        unsigned prologue = sequence_length(codes, codes_end);
        if (offset < prologue) { skip = prologue - offset; body = false; }
        else if (single) {
            unsigned count = sequence_length(codes + epilogs, codes_end) + 1;
            if (offset + count >= length + 1 && offset + count - length < count) { start = codes + epilogs; skip = offset + count - length; body = false; }
            if (offset + count == length) { start = codes + epilogs; skip = 0; body = false; }
        } else for (unsigned i = 0; i < epilogs; i++) {
            uint32_t at = scopes[i] & 0x3ffff, index = scopes[i] >> 22;
            if (offset < at || codes + index >= codes_end) continue;
            unsigned count = sequence_length(codes + index, codes_end) + 1;
            if (offset < at + count) { start = codes + index; skip = offset - at; body = false; break; }
        }
        if (has_handler && body) {
            f->handler = image + x[0];
            f->handler_data = x + 1;
            f->catches = f->cleans = true;
        }
    }
    while (skip && start < codes_end && !is_end(*start)) { start += code_bytes(*start); skip--; }
    if (!run(c, start, codes_end, &final_pc)) return false;
    f->establisher = c->sp;                             // the caller's sp
    if (!final_pc) { c->pc = c->x[30]; c->flags |= CONTEXT_UNWOUND; }
    return true;
}
