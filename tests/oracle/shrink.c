// SPDX-License-Identifier: MIT
// shrink.c - see shrink.h.
#include "tests/oracle/shrink.h"
#include <stdlib.h>
#include "tests/oracle/form.h"

const char *const oracle_gpr_names[16] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" };

// ---- dropping instructions
struct move {
    uint64_t from, to;                      // addresses of the code, before and after
    unsigned old_bytes;
    uint16_t map[ORACLE_CODE_MAX + 1];      // old offset to new
};

// An address of code is moved with it; all others stay.
static uint64_t moved(const struct move *m, uint64_t address)
{
    uint64_t offset = address - m->from;
    return offset <= m->old_bytes ? m->to + m->map[offset] : address;
}

static void put(uint8_t *to, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

// Makes the bytes of i, which now stand at `rip`, mean what they meant.
static bool rewrite(const struct move *m, const struct x64_insn *i, uint8_t *bytes, uint64_t rip)
{
    const struct oracle_form *f = oracle_form_of(bytes, i->length);
    unsigned immediates = f ? oracle_form_immediate_bytes(f) : 0;
    uint64_t next = rip + i->length;
    if (i->opd[0].kind == X64_OPD_REL) {
        int64_t distance = (int64_t)(moved(m, (uint64_t)i->opd[0].value) - next);
        if (immediates == 1 ? distance != (int8_t)distance : distance != (int32_t)distance)
            return false;
        put(bytes + i->length - immediates, (uint64_t)distance, immediates);
    }
    if (i->form & X64_F_MEM && i->mem.base == X64_REG_RIP) {
        int64_t distance = (int64_t)(moved(m, i->rip + i->length + (uint64_t)i->mem.disp) - next);
        if (distance != (int32_t)distance)
            return false;
        put(bytes + i->length - immediates - 4, (uint64_t)distance, 4);
    }
    for (unsigned j = 0; j < i->operand_count; j++)
        if (i->opd[j].kind == X64_OPD_IMM && immediates == 4)
            put(bytes + i->length - 4, moved(m, (uint64_t)i->opd[j].value), 4);
    return true;
}

bool oracle_drop(struct oracle_vector *v, unsigned first, unsigned end, uint32_t number)
{
    struct move m = { .from = v->code_va, .old_bytes = v->code_bytes };
    struct x64_insn i;
    uint8_t code[ORACLE_CODE_MAX] = { 0 };
    unsigned starts[ORACLE_CODE_MAX + 1], count = 0, bytes = 0;
    for (unsigned at = 0; at < v->code_bytes; at += i.length) {
        // What does not decode stays as one instruction to the end.
        bool good = x64_decode(v->code + at, v->code_bytes - at, v->code_va + at, &i) == X64_OK;
        if (!good)
            i.length = (uint8_t)(v->code_bytes - at);
        bool dropped = count >= first && count < end;
        for (unsigned j = 0; j < i.length; j++)
            m.map[at + j] = (uint16_t)(bytes + (dropped ? 0 : j));
        bytes += dropped ? 0 : i.length;
        starts[count++] = at;
    }
    m.map[v->code_bytes] = (uint16_t)bytes;
    starts[count] = v->code_bytes;
    if (!bytes || end > count || first > end)
        return false;
    bool edge = oracle_is_edge(v);
    m.to = edge ? oracle_edge_page(number) + 0x1000 - bytes : oracle_slot(number) + (v->code_va - oracle_slot(v->number));
    for (unsigned n = 0; n < count; n++) {
        unsigned at = starts[n], length = starts[n + 1] - at;
        if (n >= first && n < end)
            continue;
        memcpy(code + m.map[at], v->code + at, length);
        if (x64_decode(v->code + at, length, v->code_va + at, &i) == X64_OK && !rewrite(&m, &i, code + m.map[at], m.to + m.map[at]))
            return false;
    }
    memcpy(v->code, code, sizeof v->code);
    for (unsigned r = 0; r < 16; r++)
        v->in.gpr[r] = moved(&m, v->in.gpr[r]);
    v->code_bytes = bytes;
    v->code_va = v->in.rip = m.to;
    v->number = number;
    return true;
}

// ---- a simpler state
static bool clear(void *at, const void *simple, unsigned bytes)
{
    bool changes = memcmp(at, simple, bytes);
    memcpy(at, simple, bytes);
    return changes;
}

bool oracle_simplify(struct oracle_vector *v, const char *part)
{
    static const uint8_t zero[16] = { 0 };
    uint8_t *fx = v->in.fx;
    char *end;
    for (unsigned i = 0; i < 16; i++)
        if (!strcmp(part, oracle_gpr_names[i]))
            return clear(&v->in.gpr[i], zero, 8);
    unsigned long n = strtoul(part + (strncmp(part, "st", 2) ? 3 : 2), &end, 10);
    if (!strncmp(part, "xmm", 3) && n < 16 && !*end)
        return clear(fx + ORACLE_FX_XMM + n * 16, zero, 16);
    if (!strncmp(part, "ymm", 3) && n < 16 && !*end)
        return clear(v->in.high[n], zero, 16);
    if (!strncmp(part, "st", 2) && n < 8 && !*end)
        return clear(fx + ORACLE_FX_ST + n * 16, zero, 16);
    if (!strcmp(part, "flags"))
        return clear(&v->in.rflags, &(uint64_t){ 0x202 }, 8);
    if (!strcmp(part, "mxcsr"))
        return clear(fx + ORACLE_FX_MXCSR, "\x80\x1f\0", 4);
    if (!strcmp(part, "fcw"))                       // control, status, tags; where the last instruction was
        return clear(fx, "\x7f\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16) | clear(fx + 16, zero, 8);
    if (!strcmp(part, "memory"))
        return clear(&v->window_seed, &(uint64_t){ 1 }, 8);
    return false;
}
