// SPDX-License-Identifier: MIT
// text.c - see text.h.
#include "tests/oracle/text.h"
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include "emu/x64/x64.h"

// Parts of a state: name, offset in struct oracle_state, bytes; `count` of them, `stride` apart, are numbered.
static const struct part { const char *name; uint16_t offset, bytes, count, stride; } parts[] = {
#define AT(field) offsetof(struct oracle_state, field)
    { "rip", AT(rip), 8, 0, 0 }, { "flags", AT(rflags), 8, 0, 0 },
    { "fcw", AT(fx) + ORACLE_FX_FCW, 2, 0, 0 }, { "fsw", AT(fx) + ORACLE_FX_FSW, 2, 0, 0 }, { "ftw", AT(fx) + ORACLE_FX_FTW, 1, 0, 0 },
    { "fop", AT(fx) + ORACLE_FX_FOP, 2, 0, 0 }, { "fip", AT(fx) + ORACLE_FX_FIP, 8, 0, 0 }, { "fdp", AT(fx) + ORACLE_FX_FDP, 8, 0, 0 },
    { "mxcsr", AT(fx) + ORACLE_FX_MXCSR, 4, 0, 0 }, { "st", AT(fx) + ORACLE_FX_ST, 10, 8, 16 }, { "xmm", AT(fx) + ORACLE_FX_XMM, 16, 16, 16 },
    { "ymm", AT(high), 16, 16, 16 },
#undef AT
};
static const char gpr_names[16][4] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" };

static const char *const outcomes[ORACLE_OUTCOMES] = { "end", "#PF", "#GP", "#DE", "#BP", "#DB", "#UD", "#XM", "#MF", "#AC", "lost" };

static const struct mask { const char *name; uint16_t offset, bytes; uint64_t usual; } masks[] = {
#define MASK(name, field, usual) { name, offsetof(struct oracle_vector, field), sizeof ((struct oracle_vector *)0)->field, usual }
    MASK("flags", flags_mask, X64_ALL_FLAGS), MASK("mxcsr", mxcsr_mask, 0xffff), MASK("gpr", gpr_mask, 0xffff), MASK("fsw", fsw_mask, 0xffff),
    MASK("fx", fx_mask, ORACLE_FXM_ALL), MASK("xmm", xmm_mask, 0xffff), MASK("estimates", estimates, 0), MASK("ulps", st_ulps, 0),
#undef MASK
};

static struct oracle_state usual_state(uint64_t va)
{
    struct oracle_state s = { .rip = va, .rflags = 0x202 };
    memcpy(s.fx + ORACLE_FX_FCW, "\x7f\x03", 2);
    memcpy(s.fx + ORACLE_FX_MXCSR, "\x80\x1f", 2);
    return s;
}

// ---- writing
static void write_value(FILE *to, const char *word, const char *name, int number, const uint8_t *value, unsigned bytes)
{
    unsigned top = bytes;
    fprintf(to, "%s %s", word, name);
    if (number >= 0)
        fprintf(to, "%d", number);
    while (top > 1 && !value[top - 1])
        top--;
    fprintf(to, " %x", value[--top]);
    while (top--)
        fprintf(to, "%02x", value[top]);
    fprintf(to, "\n");
}

static void write_part(FILE *to, const char *word, const struct oracle_state *s, const struct oracle_state *usual, const struct part *p)
{
    for (unsigned i = 0; i < (p->count ? p->count : 1u); i++) {
        const uint8_t *value = (const uint8_t *)s + p->offset + i * p->stride;
        if (memcmp(value, (const uint8_t *)usual + p->offset + i * p->stride, p->bytes))
            write_value(to, word, p->name, p->count ? (int)i : -1, value, p->bytes);
    }
}

static void write_state(FILE *to, const char *word, const struct oracle_state *s, const struct oracle_state *usual)
{
    for (unsigned i = 0; i < 16; i++)
        if (s->gpr[i] != usual->gpr[i])
            fprintf(to, "%s %s %" PRIx64 "\n", word, gpr_names[i], s->gpr[i]);
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++)
        write_part(to, word, s, usual, &parts[i]);
}

static void write_code(FILE *to, const struct oracle_vector *v)
{
    struct x64_insn i;
    for (unsigned at = 0; at < v->code_bytes; at += i.length) {
        char text[96];
        enum x64_status s = x64_decode(v->code + at, v->code_bytes - at, v->code_va + at, &i);
        if (s != X64_OK) {
            snprintf(text, sizeof text, "(%s)", x64_status_name(s));
            i.length = (uint8_t)(v->code_bytes - at < 40 ? v->code_bytes - at : 40);
        } else {
            x64_format(&i, text, sizeof text);
        }
        fprintf(to, "code ");
        for (unsigned j = 0; j < i.length; j++)
            fprintf(to, "%02x", v->code[at + j]);
        fprintf(to, "%*s; %s\n", i.length < 12 ? 26 - 2 * i.length : 2, "", text);
    }
}

void text_write(FILE *to, const struct oracle_vector *v, const struct oracle_change *changes)
{
    static const char *const accesses[] = { [ORACLE_READ] = "read", [ORACLE_WRITE] = "write", [ORACLE_EXECUTE] = "execute" };
    struct oracle_state usual = usual_state(v->code_va), expected = v->in;
    fprintf(to, "vector %u\nat %" PRIx64 "\nwindow %" PRIx64 "\n", v->number, v->code_va, v->window_seed);
    write_code(to, v);
    write_state(to, "in", &v->in, &usual);
    fprintf(to, "outcome %s", outcomes[v->outcome]);
    if (v->outcome == ORACLE_PAGE_FAULT)
        fprintf(to, " %" PRIx64 " %s", v->fault_address, accesses[v->fault_access]);
    fprintf(to, "\n");
    expected.rip = ~v->out.rip;                     // so that it is always written
    write_state(to, "out", &v->out, &expected);
    for (uint32_t i = 0; i < v->change_count; i++)
        fprintf(to, "memory %" PRIx64 " %" PRIx64 "\n", changes[i].offset, changes[i].value);
    for (unsigned i = 0; i < sizeof masks / sizeof *masks; i++) {
        uint64_t value = 0;
        memcpy(&value, (const uint8_t *)v + masks[i].offset, masks[i].bytes);
        if (value != masks[i].usual)
            fprintf(to, "mask %s %" PRIx64 "\n", masks[i].name, value);
    }
}

// ---- reading
static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Hexadecimal text of up to `bytes` bytes, little-endian in `to`.
static bool read_value(const char *text, uint8_t *to, unsigned bytes)
{
    size_t n = strlen(text);
    if (!n || n > bytes * 2)
        return false;
    memset(to, 0, bytes);
    for (size_t i = 0; i < n; i++) {
        int d = digit(text[n - 1 - i]);
        if (d < 0)
            return false;
        to[i / 2] |= (uint8_t)(d << (i & 1) * 4);
    }
    return true;
}

static bool read_number(const char *text, uint64_t *to) { return text && read_value(text, (uint8_t *)to, 8); }

static bool read_state(struct oracle_state *s, const char *name, const char *value)
{
    for (unsigned i = 0; name && value && i < 16; i++)
        if (!strcmp(name, gpr_names[i]))
            return read_value(value, (uint8_t *)&s->gpr[i], 8);
    for (unsigned i = 0; name && value && i < sizeof parts / sizeof *parts; i++) {
        const struct part *p = &parts[i];
        size_t length = strlen(p->name);
        char *end;
        if (!p->count && !strcmp(name, p->name))
            return read_value(value, (uint8_t *)s + p->offset, p->bytes);
        if (!p->count || strncmp(name, p->name, length) || !name[length])
            continue;
        unsigned long n = strtoul(name + length, &end, 10);
        if (!*end && n < p->count)
            return read_value(value, (uint8_t *)s + p->offset + n * p->stride, p->bytes);
    }
    return false;
}

static bool read_code(struct oracle_vector *v, const char *text)
{
    size_t n = text ? strlen(text) : 0;
    if (!n || n & 1 || v->code_bytes + n / 2 > ORACLE_CODE_MAX)
        return false;
    for (size_t i = 0; i < n; i += 2) {
        if (digit(text[i]) < 0 || digit(text[i + 1]) < 0)
            return false;
        v->code[v->code_bytes++] = (uint8_t)(digit(text[i]) << 4 | digit(text[i + 1]));
    }
    return true;
}

static bool read_outcome(struct oracle_vector *v, char *const *words)
{
    for (unsigned i = 0; words[1] && i < ORACLE_LOST; i++)
        if (!strcmp(words[1], outcomes[i])) {
            v->outcome = i;
            if (i != ORACLE_PAGE_FAULT)
                return true;
            v->fault_access = !words[3] ? 99 : !strcmp(words[3], "read") ? ORACLE_READ : !strcmp(words[3], "write") ? ORACLE_WRITE :
                              !strcmp(words[3], "execute") ? ORACLE_EXECUTE : 99;
            return v->fault_access != 99 && read_number(words[2], &v->fault_address);
        }
    return false;
}

static bool read_mask(struct oracle_vector *v, const char *name, const char *value)
{
    for (unsigned i = 0; name && value && i < sizeof masks / sizeof *masks; i++)
        if (!strcmp(name, masks[i].name))
            return read_value(value, (uint8_t *)v + masks[i].offset, masks[i].bytes);
    return false;
}

// One line within a vector. `begun`: an `out` line has been seen, so v->out is a copy of v->in already.
static const char *read_line(struct oracle_vector *v, struct oracle_change *changes, char *const *words, bool *begun)
{
    const char *word = words[0];
    if (!strcmp(word, "at"))
        return read_number(words[1], &v->code_va) ? (v->in.rip = v->code_va, (const char *)0) : "an address was expected";
    if (!strcmp(word, "window"))
        return read_number(words[1], &v->window_seed) ? 0 : "a seed was expected";
    if (!strcmp(word, "code"))
        return read_code(v, words[1]) ? 0 : "bytes were expected";
    if (!strcmp(word, "in"))
        return *begun ? "`in` behind `out`" : read_state(&v->in, words[1], words[2]) ? 0 : "a part of the state and its value were expected";
    if (!strcmp(word, "out")) {
        if (!*begun)
            v->out = v->in, *begun = true;
        return read_state(&v->out, words[1], words[2]) ? 0 : "a part of the state and its value were expected";
    }
    if (!strcmp(word, "outcome"))
        return read_outcome(v, words) ? 0 : "an outcome was expected";
    if (!strcmp(word, "mask"))
        return read_mask(v, words[1], words[2]) ? 0 : "a mask and its value were expected";
    if (!strcmp(word, "memory")) {
        struct oracle_change *c = &changes[v->change_count];
        if (v->change_count == ORACLE_MEMORY_BYTES / 8 || !read_number(words[1], &c->offset) || !read_number(words[2], &c->value) ||
            c->offset >= ORACLE_MEMORY_BYTES || c->offset & 7)
            return "an offset and a value were expected";
        v->change_count++;
        return 0;
    }
    return "unknown word";
}

static bool is_complete(const struct oracle_vector *v, bool begun)
{
    bool in_slot = v->code_va - oracle_slot(v->number) <= ORACLE_SLOT_BYTES - 2 - v->code_bytes;
    bool in_page = v->code_va + v->code_bytes == oracle_edge_page(v->number) + 0x1000;
    return begun && v->code_bytes && (in_slot || in_page);
}

int text_read(FILE *from, struct oracle_vector *v, struct oracle_change *changes, unsigned *line, const char **wrong)
{
    static char pending[2048];                      // the `vector` line of the next one
    char text[2048];
    bool inside = false, begun = false;
    for (;;) {
        if (*pending)
            memcpy(text, pending, sizeof text), *pending = 0;
        else if (!fgets(text, sizeof text, from))
            break;
        else
            ++*line;
        char whole[2048], *words[5] = { 0 }, *rest = 0;
        memcpy(whole, text, sizeof whole);
        text[strcspn(text, ";\r\n")] = 0;
        unsigned count = 0;
        for (char *w = strtok_r(text, " \t", &rest); w && count < 4; w = strtok_r(0, " \t", &rest))
            words[count++] = w;
        if (!count)
            continue;
        if (!strcmp(words[0], "vector")) {
            if (inside) {
                memcpy(pending, whole, sizeof pending);
                break;
            }
            inside = true;
            *v = (struct oracle_vector){ .magic = ORACLE_MAGIC, .number = words[1] ? (uint32_t)strtoul(words[1], 0, 10) : 0, .in = usual_state(0) };
            for (unsigned i = 0; i < sizeof masks / sizeof *masks; i++)
                memcpy((uint8_t *)v + masks[i].offset, &masks[i].usual, masks[i].bytes);
            continue;
        }
        *wrong = inside ? read_line(v, changes, words, &begun) : "`vector` was expected";
        if (*wrong)
            return -1;
    }
    if (inside && !is_complete(v, begun)) {
        *wrong = "the vector is not complete, or its code does not lie where its number says";
        return -1;
    }
    return inside;
}
