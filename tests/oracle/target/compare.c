// SPDX-License-Identifier: MIT
// What a sequence did against what the recording says.
#include "tests/oracle/target/target.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const gpr_names[16] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" };

// What Windows makes of each outcome: codes from low to high.
static const struct { const char *name; uint32_t low, high; } outcomes[] = {
    [ORACLE_END] = { "end", 0xc000001d, 0xc000001d },
    [ORACLE_PAGE_FAULT] = { "#PF", 0xc0000005, 0xc0000005 },
    [ORACLE_GENERAL] = { "#GP", 0xc0000005, 0xc0000005 },
    [ORACLE_DIVIDE] = { "#DE", 0xc0000094, 0xc0000095 },
    [ORACLE_BREAKPOINT] = { "#BP", 0x80000003, 0x80000003 },
    [ORACLE_DEBUG] = { "#DB", 0x80000004, 0x80000004 },
    [ORACLE_INVALID_OPCODE] = { "#UD", 0xc000001d, 0xc000001d },
    [ORACLE_SIMD] = { "#XM", 0xc000008d, 0xc0000093 },
    [ORACLE_X87] = { "#MF", 0xc000008d, 0xc0000093 },
    [ORACLE_ALIGNMENT] = { "#AC", 0x80000002, 0x80000002 },
};
static const uint32_t PRIVILEGED_INSTRUCTION = 0xc0000096;     // Windows' name for the #GP of HLT, IN and their kind

static uint32_t number;
static bool differs, details;

static bool differ(const char *what)
{
    if (!differs)
        printf("mismatch %" PRIu32 "\n", number);
    differs = true;
    if (details)
        printf("  %-8s ", what);
    return details;
}

static void differ64(const char *what, uint64_t in, uint64_t expected, uint64_t got)
{
    if (expected != got && differ(what))
        printf("in %016" PRIx64 "  expected %016" PRIx64 "  got %016" PRIx64 "\n", in, expected, got);
}

static void differ_memory(uint64_t offset, uint64_t expected, uint64_t got)
{
    bool gs = offset >= ORACLE_WINDOW_BYTES;
    if (differ(gs ? "gs:" : "memory"))
        printf("%08" PRIx64 "  expected %016" PRIx64 "  got %016" PRIx64 "\n", gs ? offset - ORACLE_WINDOW_BYTES + ORACLE_GS_FIRST : ORACLE_WINDOW_BASE + offset, expected, got);
}

static void differ_bytes(const char *name, unsigned index, const uint8_t *in, const uint8_t *expected, const uint8_t *got, unsigned bytes)
{
    if (!memcmp(expected, got, bytes))
        return;
    char what[16];
    snprintf(what, sizeof what, name, index);
    if (!differ(what))
        return;
    const uint8_t *each[] = { in, expected, got };
    static const char *const names[] = { "in", "  expected", "  got" };
    for (unsigned i = 0; i < 3; i++) {
        printf("%s ", names[i]);
        for (unsigned b = bytes; b--;)
            printf("%02x%s", each[i][b], b % 8 == 0 && b ? "_" : "");
    }
    printf("\n");
}

static uint64_t field(const uint8_t *image, unsigned at, unsigned bytes)
{
    uint64_t value = 0;
    memcpy(&value, image + at, bytes);
    return value;
}

static void compare_outcome(const struct oracle_vector *v, const struct ending *e)
{
    bool fault = e->code == 0xc0000005 && e->parameters >= 2, right = e->code >= outcomes[v->outcome].low && e->code <= outcomes[v->outcome].high;
    if (v->outcome == ORACLE_PAGE_FAULT)
        right = fault && e->kind == v->fault_access && e->address == v->fault_address;
    else if (v->outcome == ORACLE_GENERAL)
        right = (fault && e->kind == 0 && e->address == ~0ull) || e->code == PRIVILEGED_INSTRUCTION;
    if (right || !differ("outcome"))
        return;
    printf("expected %s", outcomes[v->outcome].name);
    if (v->outcome == ORACLE_PAGE_FAULT)
        printf(" (kind %" PRIu32 ", address %" PRIx64 ")", v->fault_access, v->fault_address);
    printf(", got %08" PRIx32, e->code);
    if (e->parameters >= 2)
        printf(" (kind %" PRIu64 ", address %" PRIx64 ")", e->kind, e->address);
    printf("\n");
}

// Windows takes one off what the processor leaves after a breakpoint, as if it had always been the one byte.
static uint64_t expected_rip(const struct oracle_vector *v)
{
    return v->out.rip - (v->outcome == ORACLE_BREAKPOINT);
}

// Whether two numbers of 80 bits are the same or next to each other: exponent and significand count on as one number.
static bool neighbours(const uint8_t *a, const uint8_t *b)
{
    unsigned __int128 x = (unsigned __int128)(field(a, 8, 2) & 0x7fff) << 63 | (field(a, 0, 8) & INT64_MAX);
    unsigned __int128 y = (unsigned __int128)(field(b, 8, 2) & 0x7fff) << 63 | (field(b, 0, 8) & INT64_MAX);
    return (a[9] ^ b[9]) < 0x80 && x - y + 1 <= 2;
}

static void compare_x87(const struct oracle_vector *v, const uint8_t *in, const uint8_t *expected, const uint8_t *got)
{
    static const struct { const char *name; uint8_t at, bytes; uint16_t mask; } fields[] = {
        { "fcw", ORACLE_FX_FCW, 2, 0 }, { "fsw", ORACLE_FX_FSW, 2, 0 }, { "ftw", ORACLE_FX_FTW, 1, 0 }, { "fop", ORACLE_FX_FOP, 2, ORACLE_FXM_FOP },
        { "fip", ORACLE_FX_FIP, 8, ORACLE_FXM_FIP }, { "fdp", ORACLE_FX_FDP, 8, ORACLE_FXM_FDP },
    };
    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++) {
        unsigned at = fields[i].at, bytes = fields[i].bytes;
        uint64_t mask = fields[i].mask && !(v->fx_mask & fields[i].mask) ? 0 : at == ORACLE_FX_FSW ? v->fsw_mask : ~0ull;
        differ64(fields[i].name, field(in, at, bytes) & mask, field(expected, at, bytes) & mask, field(got, at, bytes) & mask);
    }
    for (unsigned i = 0; i < 8; i++)
        if (v->fx_mask >> i & 1 && !(v->st_ulps >> i & 1 && neighbours(expected + ORACLE_FX_ST + i * 16, got + ORACLE_FX_ST + i * 16)))
            differ_bytes("st%u", i, in + ORACLE_FX_ST + i * 16, expected + ORACLE_FX_ST + i * 16, got + ORACLE_FX_ST + i * 16, 10);
}

static bool estimates_agree(const void *expected, const void *got)
{
    uint32_t a[4], b[4];
    memcpy(a, expected, 16);
    memcpy(b, got, 16);
    return oracle_estimates_agree(a[0], b[0]) && oracle_estimates_agree(a[1], b[1]) && oracle_estimates_agree(a[2], b[2]) && oracle_estimates_agree(a[3], b[3]);
}

static void compare_vector(const struct oracle_vector *v, const char *name, unsigned i, const void *in, const void *expected, const void *got)
{
    if (v->xmm_mask >> i & 1 && !(v->estimates >> i & 1 && estimates_agree(expected, got)))
        differ_bytes(name, i, in, expected, got, 16);
}

bool compare(const struct oracle_vector *v, const struct ending *ending, uint32_t mxcsr_mask, bool with_details)
{
    const struct oracle_state *in = &v->in, *expected = &v->out, *got = &ending->state;
    number = v->number;
    differs = false;
    details = with_details;
    compare_outcome(v, ending);
    differ64("rip", in->rip, expected_rip(v), got->rip);
    for (unsigned i = 0; i < 16; i++)
        if (v->gpr_mask >> i & 1)
            differ64(gpr_names[i], in->gpr[i], expected->gpr[i], got->gpr[i]);
    differ64("flags", in->rflags & v->flags_mask, expected->rflags & v->flags_mask, got->rflags & v->flags_mask);
    uint64_t mxcsr = v->mxcsr_mask & mxcsr_mask;
    differ64("mxcsr", field(in->fx, ORACLE_FX_MXCSR, 4) & mxcsr, field(expected->fx, ORACLE_FX_MXCSR, 4) & mxcsr, field(got->fx, ORACLE_FX_MXCSR, 4) & mxcsr);
    for (unsigned i = 0; i < 16; i++) {
        unsigned at = ORACLE_FX_XMM + i * 16;
        compare_vector(v, "xmm%u", i, in->fx + at, expected->fx + at, got->fx + at);
        compare_vector(v, "ymm%uh", i, in->high[i], expected->high[i], got->high[i]);
    }
    compare_x87(v, in->fx, expected->fx, got->fx);
    memory_compare(v, differ_memory);
    if (differs && details) {
        printf("  code     ");
        for (uint32_t i = 0; i < v->code_bytes; i++)
            printf("%02x", v->code[i]);
        printf("\n");
    }
    return !differs;
}
