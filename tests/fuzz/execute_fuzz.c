// SPDX-License-Identifier: MIT
// Fuzz target of the instructions that the kernel executes in C (emu/x87, emu/sse): whatever the instruction and the state are, an
// outcome, no undefined behaviour, nothing changed unless it is done, and the same when asked again.
//
// Input: struct header, then one instruction.
#include "emu/sse/sse.h"
#include "emu/x87/x87.h"
#include "tests/fuzz/fuzz.h"

struct header {
    uint8_t registers[40];      // repeated over the eight registers
    uint8_t control[2], status[2], mxcsr[2];
    uint8_t valid, eflags;
    uint8_t faults;             // bit 0: memory cannot be read, bit 1: nor written; bits 2..4: where the operands' bytes begin
    uint8_t spare[11];
};

enum { MEMORY = 512 };
struct machine { const struct x64_insn *insn; const struct header *h; uint8_t bytes[MEMORY]; unsigned writes; };

static bool is_memory(const struct machine *m, unsigned operand)
{
    return operand >= X87_OPERAND_RDI || m->insn->opd[operand].kind == X64_OPD_MEM;
}

static bool read_operand(void *context, unsigned operand, void *to, unsigned bytes)
{
    struct machine *m = context;
    MUST(bytes && bytes <= MEMORY && (operand < m->insn->operand_count || operand >= X87_OPERAND_RDI));
    if (is_memory(m, operand) && m->h->faults & 1)
        return false;
    for (unsigned i = 0; i < bytes; i++)
        ((uint8_t *)to)[i] = m->h->registers[(i + (m->h->faults >> 2)) % sizeof m->h->registers];
    return true;
}

static bool write_operand(void *context, unsigned operand, const void *from, unsigned bytes)
{
    struct machine *m = context;
    MUST(bytes && bytes <= MEMORY && (operand < m->insn->operand_count || operand >= X87_OPERAND_RDI));
    if (is_memory(m, operand) && m->h->faults & 2)
        return false;
    memcpy(m->bytes, from, bytes);              // reads every byte: the sanitizers look
    m->writes++;
    return true;
}

static struct x87_state start(const struct header *h)
{
    struct x87_state s;
    memset(&s, 0, sizeof s);
    for (unsigned i = 0; i < 8; i++) {
        uint8_t bytes[10];
        for (unsigned b = 0; b < 10; b++)
            bytes[b] = h->registers[(i * 10 + b) % sizeof h->registers] ^ (uint8_t)(i >> 2 << (b & 7));
        memcpy(&s.reg[i].significand, bytes, 8);
        memcpy(&s.reg[i].sign_exponent, bytes + 8, 2);
    }
    s.control = x87_control_word((uint32_t)(h->control[0] | h->control[1] << 8));
    s.status = (uint16_t)(h->status[0] | h->status[1] << 8);
    s.valid = h->valid;
    x87_summarize(&s);
    return s;
}

static void check_execution(const struct header *h, const struct x64_insn *insn)
{
    struct x87_state before = start(h), after[2] = { before, before };
    enum x87_outcome outcome[2];
    struct machine m[2] = { { insn, h, { 0 }, 0 }, { insn, h, { 0 }, 0 } };
    struct x87_io io[2];
    bool knows = x87_knows(insn);
    for (unsigned i = 0; i < 2; i++) {
        io[i] = (struct x87_io){ &m[i], read_operand, write_operand, 0x1000, 0, h->eflags & X64_ARITH_FLAGS,
                                 (uint32_t)(h->mxcsr[0] | h->mxcsr[1] << 8) };
        outcome[i] = x87_execute(&after[i], insn, &io[i]);
    }
    MUST(outcome[0] == outcome[1] && !memcmp(&after[0], &after[1], sizeof before) && !memcmp(m[0].bytes, m[1].bytes, MEMORY));
    MUST(io[0].eflags == io[1].eflags && io[0].mxcsr == io[1].mxcsr);
    MUST((outcome[0] == X87_UNKNOWN) == !knows);
    MUST(!(io[0].eflags & ~(uint32_t)X64_ARITH_FLAGS));
    if (outcome[0] == X87_SIMD) {               // the transition to MMX is done, no more
        MUST(io[0].eflags == (h->eflags & X64_ARITH_FLAGS) && x64_op_info(insn->op)->attributes & X64_A_FP);
        for (unsigned i = 0; i < 8; i++)
            MUST(after[0].reg[i].significand == before.reg[i].significand);
        MUST(after[0].valid == (insn->form & X64_F_MEM && insn->opd[0].kind == X64_OPD_XMM ? before.valid : 255) && after[0].control == before.control);
    } else if (outcome[0] != X87_DONE)
        MUST(!memcmp(&before, &after[0], sizeof before) && io[0].eflags == (h->eflags & X64_ARITH_FLAGS));
    else {
        MUST(after[0].valid < 256 && (after[0].control & 0x40));
        struct x87_state summarized = after[0];
        x87_summarize(&summarized);
        MUST(summarized.status == after[0].status);
    }
}

static void check_sse(const struct header *h, const struct x64_insn *insn)
{
    enum { EXCEPTIONS = 0x3f };
    enum sse_outcome outcome[2];
    struct machine m[2] = { { insn, h, { 0 }, 0 }, { insn, h, { 0 }, 0 } };
    struct sse_io io[2];
    uint32_t mxcsr = (uint32_t)(h->mxcsr[0] | h->mxcsr[1] << 8), eflags = h->eflags & X64_ARITH_FLAGS;
    for (unsigned i = 0; i < 2; i++) {
        io[i] = (struct sse_io){ &m[i], read_operand, write_operand, mxcsr, eflags, 0 };
        outcome[i] = sse_execute(insn, &io[i]);
    }
    MUST(outcome[0] == outcome[1] && io[0].mxcsr == io[1].mxcsr && io[0].eflags == io[1].eflags && !memcmp(m[0].bytes, m[1].bytes, MEMORY));
    MUST((outcome[0] == SSE_UNKNOWN) == !sse_knows(insn));
    MUST(!(io[0].eflags & ~(uint32_t)X64_ARITH_FLAGS));
    MUST(!((io[0].mxcsr ^ mxcsr) & ~(uint32_t)EXCEPTIONS) && (io[0].mxcsr & mxcsr) == mxcsr);       // flags are sticky, the rest is not touched
    uint32_t raised = io[0].mxcsr & ~mxcsr & EXCEPTIONS;
    if (outcome[0] == SSE_FAULT || outcome[0] == SSE_UNKNOWN)
        MUST(!raised && io[0].eflags == eflags);
    if (outcome[0] == SSE_EXCEPTION)
        MUST(!m[0].writes && io[0].eflags == eflags && (io[0].mxcsr & ~(mxcsr >> SSE_MXCSR_MASKS_SHIFT) & EXCEPTIONS));
    if (outcome[0] == SSE_DONE)
        MUST(!(raised & ~(mxcsr >> SSE_MXCSR_MASKS_SHIFT)));
}

static void check_images(const struct header *h)
{
    struct x87_state s = start(h), back;
    uint8_t image[X87_FX_BYTES] = { 0 };
    memset(&back, 0, sizeof back);
    x87_put_fx_image(&s, image, true);
    x87_get_fx_image(&back, image, true);
    MUST(!memcmp(s.reg, back.reg, sizeof s.reg) && s.control == back.control && s.status == back.status && s.valid == back.valid);
}

_Static_assert(sizeof(struct header) == 60, "tests/host/execute_fuzz_test.c and seeds.py write it");

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct header h;
    struct x64_insn insn;
    if (size <= sizeof h)
        return 0;
    memcpy(&h, data, sizeof h);
    if (x64_decode(data + sizeof h, size - sizeof h, 0x140001000, &insn) != X64_OK)
        return 0;
    check_images(&h);
    check_execution(&h, &insn);
    check_sse(&h, &insn);
    return 0;
}
