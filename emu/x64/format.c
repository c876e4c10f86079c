// SPDX-License-Identifier: MIT
//
// format.c - an instruction as Intel-syntax text, for logs and crash reports. It reads struct x64_insn only, so what
// it prints is what the translator saw.
#include "emu/x64/x64.h"

struct writer {
    char *text;
    size_t size, length;            // length may run past size
};

static void put_char(struct writer *w, char c)
{
    if (w->length + 1 < w->size)
        w->text[w->length] = c;
    w->length++;
}

static void put(struct writer *w, const char *s)
{
    while (*s)
        put_char(w, *s++);
}

static void put_hex(struct writer *w, uint64_t value)
{
    unsigned shift = 60;
    while (shift && !(value >> shift))
        shift -= 4;
    put(w, "0x");
    for (;; shift -= 4) {
        put_char(w, "0123456789abcdef"[value >> shift & 15]);
        if (!shift)
            break;
    }
}

static void put_number(struct writer *w, unsigned value)    // below 100
{
    if (value >= 10)
        put_char(w, (char)('0' + value / 10));
    put_char(w, (char)('0' + value % 10));
}

static void put_gpr(struct writer *w, unsigned reg, unsigned size)
{
    static const char names[8][3] = { "ax", "cx", "dx", "bx", "sp", "bp", "si", "di" };
    if (reg >= 8) {
        put_char(w, 'r');
        put_number(w, reg);
        put(w, size == 1 ? "b" : size == 2 ? "w" : size == 4 ? "d" : "");
        return;
    }
    if (size == 8)
        put_char(w, 'r');
    else if (size == 4)
        put_char(w, 'e');
    if (size > 1) {
        put(w, names[reg]);
    } else if (reg < 4) {
        put_char(w, names[reg][0]);
        put_char(w, 'l');
    } else {
        put(w, names[reg]);
        put_char(w, 'l');
    }
}

static void put_numbered(struct writer *w, const char *name, unsigned reg)
{
    put(w, name);
    put_number(w, reg);
}

static const char *size_name(unsigned size)
{
    switch (size) {
    case 1: return "byte ptr ";
    case 2: return "word ptr ";
    case 4: return "dword ptr ";
    case 6: return "fword ptr ";
    case 8: return "qword ptr ";
    case 10: return "tbyte ptr ";
    case 16: return "xmmword ptr ";
    case 32: return "ymmword ptr ";
    default: return "";
    }
}

static const char *const segment_names[] = { "es", "cs", "ss", "ds", "fs", "gs" };
static const char *const condition_names[] = { "o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g" };

static const char *const fcmov_names[16] = { [X64_CC_B] = "b", [X64_CC_AE] = "nb", [X64_CC_E] = "e", [X64_CC_NE] = "ne",
    [X64_CC_BE] = "be", [X64_CC_A] = "nbe", [X64_CC_P] = "u", [X64_CC_NP] = "nu" };

static void put_memory(struct writer *w, const struct x64_insn *insn, unsigned size)
{
    const struct x64_mem *mem = &insn->mem;
    bool first = true;
    put(w, size_name(size));
    if (mem->segment < X64_SEGMENT_NONE) {
        put(w, segment_names[mem->segment]);
        put_char(w, ':');
    }
    put_char(w, '[');
    if (mem->base == X64_REG_RIP || (mem->base == X64_REG_NONE && mem->index == X64_REG_NONE)) {
        if (mem->base == X64_REG_RIP)
            put(w, mem->address_size == 8 ? "rel " : "rel32 ");
        put_hex(w, mem->address);
        put_char(w, ']');
        return;
    }
    if (mem->base != X64_REG_NONE) {
        put_gpr(w, mem->base, mem->address_size);
        first = false;
    }
    if (mem->index != X64_REG_NONE) {
        if (!first)
            put_char(w, '+');
        if (mem->vsib)
            put_numbered(w, mem->vsib == 32 ? "ymm" : "xmm", mem->index);
        else
            put_gpr(w, mem->index, mem->address_size);
        if (mem->scale > 1) {
            put_char(w, '*');
            put_number(w, mem->scale);
        }
    }
    if (mem->disp) {
        put_char(w, mem->disp < 0 ? '-' : '+');
        put_hex(w, mem->disp < 0 ? -(uint64_t)mem->disp : (uint64_t)mem->disp);
    }
    put_char(w, ']');
}

static void put_operand(struct writer *w, const struct x64_insn *insn, const struct x64_operand *opd)
{
    static const char high_names[4][3] = { "ah", "ch", "dh", "bh" };
    switch (opd->kind) {
    case X64_OPD_GPR: put_gpr(w, opd->reg, opd->size); break;
    case X64_OPD_GPR8_HIGH: put(w, high_names[opd->reg & 3]); break;
    case X64_OPD_XMM: put_numbered(w, "xmm", opd->reg); break;
    case X64_OPD_YMM: put_numbered(w, "ymm", opd->reg); break;
    case X64_OPD_MMX: put_numbered(w, "mm", opd->reg); break;
    case X64_OPD_ST: put_numbered(w, "st", opd->reg); break;
    case X64_OPD_SEG: put(w, segment_names[opd->reg]); break;
    case X64_OPD_CR: put_numbered(w, "cr", opd->reg); break;
    case X64_OPD_DR: put_numbered(w, "dr", opd->reg); break;
    case X64_OPD_MEM: put_memory(w, insn, opd->size); break;
    case X64_OPD_REL: put_hex(w, (uint64_t)opd->value); break;
    case X64_OPD_IMM:
        put_hex(w, opd->size < 8 ? (uint64_t)opd->value & ((1ull << 8 * opd->size) - 1) : (uint64_t)opd->value);
        break;
    default: break;
    }
}

// Mnemonics whose name in the table stands for several spellings.
static void put_mnemonic(struct writer *w, const struct x64_insn *insn)
{
    static const struct { uint16_t op; const char *word, *by_size[4]; } spellings[] = {
        { X64_CBW,   "",      { "", "cbw", "cwde", "cdqe" } },
        { X64_CWD,   "",      { "", "cwd", "cdq", "cqo" } },
        { X64_PUSHF, "pushf", { "", "", "", "q" } },
        { X64_POPF,  "popf",  { "", "", "", "q" } },
        { X64_IRET,  "iret",  { "", "", "d", "q" } },
        { X64_MOVS,  "movs",  { "b", "w", "d", "q" } },
        { X64_CMPS,  "cmps",  { "b", "w", "d", "q" } },
        { X64_SCAS,  "scas",  { "b", "w", "d", "q" } },
        { X64_LODS,  "lods",  { "b", "w", "d", "q" } },
        { X64_STOS,  "stos",  { "b", "w", "d", "q" } },
        { X64_INS,   "ins",   { "b", "w", "d", "q" } },
        { X64_OUTS,  "outs",  { "b", "w", "d", "q" } },
        { X64_JCC,   "j",     { 0 } },
        { X64_SETCC, "set",   { 0 } },
        { X64_CMOVCC, "cmov", { 0 } },
        { X64_FCMOVCC, "fcmov", { 0 } },
        { X64_WRSS,  "wrss",  { "", "", "d", "q" } },
        { X64_WRUSS, "wruss", { "", "", "d", "q" } },
        { X64_RDSSP, "rdssp", { "", "", "d", "q" } },
        { X64_INCSSP, "incssp", { "", "", "d", "q" } },
        { X64_MOV_CR, "mov",  { 0 } },
        { X64_MOV_DR, "mov",  { 0 } },
        { X64_IMUL1, "imul",  { 0 } },
        { X64_IMUL2, "imul",  { 0 } },
        { X64_CALL_FAR, "call far", { 0 } },
        { X64_JMP_FAR, "jmp far", { 0 } },
        { X64_RET_FAR, "retf", { 0 } },
        { X64_XLAT,  "xlatb", { 0 } },
    };
    unsigned log_size = insn->opsize == 8 ? 3 : insn->opsize == 4 ? 2 : insn->opsize == 2 ? 1 : 0;
    if (insn->prefixes & X64_P_LOCK && insn->op != X64_XCHG)
        put(w, "lock ");
    if (insn->prefixes & X64_P_REP)
        put(w, insn->op == X64_CMPS || insn->op == X64_SCAS ? "repe " : "rep ");
    if (insn->prefixes & X64_P_REPNE)
        put(w, "repne ");
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        if (spellings[i].op == insn->op) {
            put(w, spellings[i].word);
            if (spellings[i].by_size[log_size])
                put(w, spellings[i].by_size[log_size]);
            if (insn->op == X64_FCMOVCC)
                put(w, fcmov_names[insn->cond & 15]);
            else if (insn->cond != X64_CC_NONE)
                put(w, condition_names[insn->cond & 15]);
            return;
        }
    }
    for (const char *name = x64_op_info(insn->op)->name; *name; name++)
        put_char(w, *name >= 'A' && *name <= 'Z' ? (char)(*name + 32) : *name);
}

size_t x64_format(const struct x64_insn *insn, char *text, size_t size)
{
    struct writer w = { text, size, 0 };
    put_mnemonic(&w, insn);
    for (unsigned i = 0; i < insn->operand_count; i++) {
        put(&w, i ? ", " : " ");
        put_operand(&w, insn, &insn->opd[i]);
    }
    if (size)
        text[w.length < size ? w.length : size - 1] = 0;
    return w.length;
}
