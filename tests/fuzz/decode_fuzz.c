// SPDX-License-Identifier: MIT
// Fuzz target of the x64 decoder: whatever the bytes are, it reads none outside them, says one of its statuses, and what
// it accepts is consistent.
// tests/host/x64_decode_fuzz_test.c drives the same function with a fixed seed.
#include "emu/x64/x64.h"
#include "tests/fuzz/fuzz.h"

static const uint64_t rip = 0xfffffffffffff000;     // targets and addresses wrap

// A copy of exactly `size` bytes on the heap, so that the address sanitizer sees a read of one more.
static enum x64_status decode_exactly(const uint8_t *data, size_t size, struct x64_insn *insn)
{
    uint8_t *copy = malloc(size + !size);
    memcpy(copy, data, size);
    enum x64_status status = x64_decode(copy, size, rip, insn);
    free(copy);
    return status;
}

static void check_operand(const struct x64_insn *insn, unsigned index)
{
    static const uint8_t register_count[] = {
        [X64_OPD_GPR] = 16, [X64_OPD_GPR8_HIGH] = 4, [X64_OPD_XMM] = 16, [X64_OPD_YMM] = 16, [X64_OPD_MMX] = 8,
        [X64_OPD_ST] = 8, [X64_OPD_SEG] = 6, [X64_OPD_CR] = 9, [X64_OPD_DR] = 8, [X64_OPD_IMM] = 1, [X64_OPD_MEM] = 1,
        [X64_OPD_REL] = 1,
    };
    const struct x64_operand *opd = &insn->opd[index];
    MUST(opd->kind > X64_OPD_NONE && opd->kind <= X64_OPD_REL);
    MUST(opd->reg < register_count[opd->kind]);
    MUST(opd->size <= 512);
    MUST(opd->size || opd->kind == X64_OPD_MEM);
    if (opd->kind == X64_OPD_GPR)
        MUST(opd->size == 1 || opd->size == 2 || opd->size == 4 || opd->size == 8);
    MUST((opd->kind == X64_OPD_MEM) == ((insn->form & X64_F_MEM) && insn->mem_operand == index));
    MUST(x64_op_info(insn->op)->access[index]);
}

static void check_insn(const struct x64_insn *insn)
{
    char text[160], small[7];
    MUST(insn->length >= 1 && insn->length <= X64_LENGTH_MAX);
    MUST(insn->op > X64_BAD && insn->op < X64_OP_COUNT);
    MUST(insn->operand_count <= X64_OPERANDS_MAX);
    for (unsigned i = 0; i < insn->operand_count; i++)
        check_operand(insn, i);
    for (unsigned i = insn->operand_count; i < X64_OPERANDS_MAX; i++)
        MUST(insn->opd[i].kind == X64_OPD_NONE);
    MUST(insn->mem.base < 16 || insn->mem.base == X64_REG_NONE || insn->mem.base == X64_REG_RIP);
    MUST(insn->mem.index < 16 || insn->mem.index == X64_REG_NONE);
    MUST(insn->form & X64_F_MEM || (insn->mem.base == X64_REG_NONE && insn->mem.index == X64_REG_NONE));
    MUST(insn->segment == X64_FS || insn->segment == X64_GS || insn->segment == X64_SEGMENT_NONE);
    MUST(!(x64_flags_killed(insn) & ~X64_ALL_FLAGS));
    MUST(!(x64_op_info(insn->op)->flags_cleared & ~x64_op_info(insn->op)->flags_written));
    MUST(x64_ends_block(insn) || x64_flow(insn) == X64_FLOW_NEXT);
    (void)x64_gprs_read(insn), (void)x64_gprs_written(insn), (void)x64_may_fault(insn);

    size_t length = x64_format(insn, text, sizeof text);
    MUST(length < sizeof text && strlen(text) == length);
    MUST(x64_format(insn, small, sizeof small) == length && strlen(small) < sizeof small && !strncmp(small, text, strlen(small)));
    MUST(x64_format(insn, NULL, 0) == length);
}

static bool same_insn(const struct x64_insn *a, const struct x64_insn *b)
{
    char text_a[160], text_b[160];
    x64_format(a, text_a, sizeof text_a);
    x64_format(b, text_b, sizeof text_b);
    return a->op == b->op && a->length == b->length && a->opsize == b->opsize && a->form == b->form &&
           a->prefixes == b->prefixes && a->cond == b->cond && !strcmp(text_a, text_b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct x64_insn insn, again;
    enum x64_status status = decode_exactly(data, size, &insn);
    MUST(insn.length <= size && insn.length <= X64_LENGTH_MAX);
    if (status == X64_TRUNCATED)
        MUST(size < X64_LENGTH_MAX);
    if (status == X64_TOO_LONG)
        MUST(insn.length == X64_LENGTH_MAX);
    if (status != X64_OK)
        return 0;
    check_insn(&insn);
    // The bytes after it do not matter, and all of its own do.
    MUST(decode_exactly(data, insn.length, &again) == X64_OK && same_insn(&insn, &again));
    MUST(decode_exactly(data, insn.length - 1u, &again) == X64_TRUNCATED);
    return 0;
}
