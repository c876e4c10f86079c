// SPDX-License-Identifier: MIT
// link: tests/host/opcode_space.c -lZydis
//
// The decoder against an independent one, Zydis, over the whole opcode space (opcode_space.h). Compared are validity, length,
// mnemonic, operands and how they are accessed, memory access, flags, implicit registers and control flow, each by itself, so that
// one difference does not hide another. Where the two differ, `explained` says who is right and why; every row of it must still be seen,
// so that it cannot grow stale.
//
// Without an argument: a part for `make test`. `all` (make decoder-proof): everything, and the table with its counts.
#include "emu/x64/x64.h"
#include "tests/host/check.h"
#include "tests/host/opcode_space.h"
#include <Zydis/Zydis.h>

static const uint64_t rip = 0x7ff612345678;

static ZydisDecoder zydis;
static uint64_t strings, valid, agreements;
static bool everything;

struct pair {
    const uint8_t *bytes;
    enum x64_status status;
    struct x64_insn ours;
    bool zydis_valid;
    ZydisDecodedInstruction theirs;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

// ---- operands

// Zydis' register as our (kind, number, size); kind NONE if there is no such thing.
static struct x64_operand register_operand(ZydisRegister reg)
{
    static const struct { ZydisRegister first, last; uint8_t kind, number, size; } ranges[] = {
        { ZYDIS_REGISTER_AL, ZYDIS_REGISTER_BL, X64_OPD_GPR, 0, 1 },
        { ZYDIS_REGISTER_AH, ZYDIS_REGISTER_BH, X64_OPD_GPR8_HIGH, 0, 1 },
        { ZYDIS_REGISTER_SPL, ZYDIS_REGISTER_R15B, X64_OPD_GPR, 4, 1 },
        { ZYDIS_REGISTER_AX, ZYDIS_REGISTER_R15W, X64_OPD_GPR, 0, 2 },
        { ZYDIS_REGISTER_EAX, ZYDIS_REGISTER_R15D, X64_OPD_GPR, 0, 4 },
        { ZYDIS_REGISTER_RAX, ZYDIS_REGISTER_R15, X64_OPD_GPR, 0, 8 },
        { ZYDIS_REGISTER_ST0, ZYDIS_REGISTER_ST7, X64_OPD_ST, 0, 10 },
        { ZYDIS_REGISTER_MM0, ZYDIS_REGISTER_MM7, X64_OPD_MMX, 0, 8 },
        { ZYDIS_REGISTER_XMM0, ZYDIS_REGISTER_XMM15, X64_OPD_XMM, 0, 16 },
        { ZYDIS_REGISTER_YMM0, ZYDIS_REGISTER_YMM15, X64_OPD_YMM, 0, 32 },
        { ZYDIS_REGISTER_ES, ZYDIS_REGISTER_GS, X64_OPD_SEG, 0, 2 },
        { ZYDIS_REGISTER_CR0, ZYDIS_REGISTER_CR15, X64_OPD_CR, 0, 8 },
        { ZYDIS_REGISTER_DR0, ZYDIS_REGISTER_DR15, X64_OPD_DR, 0, 8 },
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (reg >= ranges[i].first && reg <= ranges[i].last)
            return (struct x64_operand){ .kind = ranges[i].kind, .reg = (uint8_t)(ranges[i].number + reg - ranges[i].first),
                                         .size = ranges[i].size };
    }
    return (struct x64_operand){ 0 };
}

static unsigned memory_register(ZydisRegister reg)
{
    if (reg == ZYDIS_REGISTER_NONE)
        return X64_REG_NONE;
    if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP)
        return X64_REG_RIP;
    return register_operand(reg).reg;
}

static const char *compare_memory(const struct pair *p, const ZydisDecodedOperand *theirs)
{
    const struct x64_mem *mem = &p->ours.mem;
    const ZydisDecodedOperandMem *z = &theirs->mem;
    uint64_t address;
    if (mem->base != memory_register(z->base))
        return "memory base";
    if (mem->index != memory_register(z->index))
        return "memory index";
    if (mem->index != X64_REG_NONE && mem->scale != z->scale)
        return "memory scale";
    if (mem->vsib && mem->vsib != register_operand(z->index).size)
        return "vsib size";
    if ((z->disp.has_displacement ? z->disp.value : 0) != mem->disp)
        return "displacement";
    unsigned segment = z->segment == ZYDIS_REGISTER_FS ? X64_FS : z->segment == ZYDIS_REGISTER_GS ? X64_GS : X64_SEGMENT_NONE;
    if (mem->segment != segment)
        return "memory segment";
    if (mem->address_size * 8 != p->theirs.address_width)
        return "memory address size";
    if (mem->base == X64_REG_RIP &&
        (!ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&p->theirs, theirs, rip, &address)) || address != mem->address))
        return "resolved address";
    if (!(x64_op_info(p->ours.op)->attributes & (X64_A_NO_ACCESS | X64_A_VECTOR_ALL)) &&
        p->ours.opd[p->ours.mem_operand].size * 8 != theirs->size)
        return "memory size";
    return NULL;
}

static const char *compare_operand(const struct pair *p, const struct x64_operand *ours, const ZydisDecodedOperand *theirs)
{
    struct x64_operand reg;
    uint64_t value;
    switch (theirs->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        reg = register_operand(theirs->reg.value);
        if (ours->kind != reg.kind)
            return "operand kind";
        if (ours->reg != reg.reg)
            return "register number";
        // The size of a vector register operand is what the operation uses of it: less than Zydis' whole register.
        if (ours->kind == X64_OPD_XMM || ours->kind == X64_OPD_MMX ? ours->size > reg.size : ours->size != reg.size)
            return "register size";
        return NULL;
    case ZYDIS_OPERAND_TYPE_MEMORY:
        return ours->kind == X64_OPD_MEM ? compare_memory(p, theirs) : "operand kind";
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        if (theirs->imm.is_relative) {
            if (ours->kind != X64_OPD_REL)
                return "operand kind";
            ZydisCalcAbsoluteAddress(&p->theirs, theirs, rip, &value);
            return value == (uint64_t)ours->value ? NULL : "branch target";
        }
        if (ours->kind != X64_OPD_IMM)
            return "operand kind";
        value = ours->size >= 8 ? ~0ull : (1ull << 8 * ours->size) - 1;
        return (theirs->imm.value.u & value) == ((uint64_t)ours->value & value) ? NULL : "immediate";
    default:
        return "operand kind";
    }
}

static const char *compare_access(const struct pair *p, const struct x64_operand *opd, const ZydisDecodedOperand *zopd)
{
    unsigned ours = opd->access, theirs = zopd->actions;
    bool partial = opd->kind == X64_OPD_XMM && opd->size < 16;
    if (opd->kind == X64_OPD_IMM || opd->kind == X64_OPD_REL)
        return NULL;
    if (opd->kind == X64_OPD_MEM && (x64_op_info(p->ours.op)->attributes & X64_A_NO_ACCESS))
        return NULL;
    // A scalar result that keeps the rest of the register is "written, part of it" here and "read and written" there.
    if (!!(ours & X64_READ) != !!(theirs & ZYDIS_OPERAND_ACTION_MASK_READ) && !(ours & X64_MAYBE) &&
        !(partial && (ours & X64_WRITE)))
        return "operand read";
    if (!!(ours & X64_WRITE) != !!(theirs & ZYDIS_OPERAND_ACTION_MASK_WRITE))
        return "operand written";
    return NULL;
}

// Zydis leaves st0 out where the assembler does; struct x64_insn names it.
static const char *each_operand(const struct pair *p, const char *(*look)(const struct pair *, const struct x64_operand *, const ZydisDecodedOperand *))
{
    const char *difference;
    unsigned theirs = 0;
    bool unnamed_st0 = x64_op_info(p->ours.op)->isa == X64_ISA_X87 && p->ours.operand_count == p->theirs.operand_count_visible + 1;
    for (unsigned i = 0; i < p->ours.operand_count; i++) {
        if (unnamed_st0 && p->ours.opd[i].kind == X64_OPD_ST && p->ours.opd[i].reg == 0) {
            unnamed_st0 = false;
            continue;
        }
        if (theirs == p->theirs.operand_count_visible)
            return "operand count";
        if ((difference = look(p, &p->ours.opd[i], &p->operands[theirs])))
            return difference;
        theirs++;
    }
    return theirs == p->theirs.operand_count_visible ? NULL : "operand count";
}

static const char *compare_operands(const struct pair *p) { return each_operand(p, compare_operand); }

static const char *compare_accesses(const struct pair *p)
{
    const char *difference = each_operand(p, compare_access);
    return difference && strcmp(difference, "operand count") ? difference : NULL;
}

// ---- mnemonics

// Zydis' names that are not ours.
static const struct { uint16_t op; const char *zydis; } mnemonics[] = {
    { X64_FNENI, "feni8087_nop" }, { X64_FNDISI, "fdisi8087_nop" }, { X64_FNSETPM, "fsetpm287_nop" },
    { X64_FSTP, "fstpnce" }, { X64_XLAT, "xlat" }, { X64_CALL_FAR, "call" }, { X64_JMP_FAR, "jmp" }, { X64_RET_FAR, "ret" },
    { X64_FXSAVE, "fxsave64" }, { X64_FXRSTOR, "fxrstor64" }, { X64_XSAVE, "xsave64" }, { X64_XSAVEOPT, "xsaveopt64" },
    { X64_XSAVEC, "xsavec64" }, { X64_XSAVES, "xsaves64" }, { X64_XRSTOR, "xrstor64" }, { X64_XRSTORS, "xrstors64" },
};

// Ours as Zydis spells it.
static bool same_mnemonic(const struct pair *p)
{
    static const char *const conditions[] = { "o", "no", "b", "nb", "z", "nz", "be", "nbe", "s", "ns", "p", "np", "l", "nl", "le", "nle" };
    char text[200], expected[40];
    const char *theirs = ZydisMnemonicGetString(p->theirs.mnemonic), *rename = NULL, *word = text;
    switch (p->ours.op) {
    case X64_JCC: snprintf(expected, sizeof expected, "j%s", conditions[p->ours.cond]); rename = expected; break;
    case X64_SETCC: snprintf(expected, sizeof expected, "set%s", conditions[p->ours.cond]); rename = expected; break;
    case X64_CMOVCC: snprintf(expected, sizeof expected, "cmov%s", conditions[p->ours.cond]); rename = expected; break;
    case X64_JRCXZ: rename = p->ours.address_size == 8 ? "jrcxz" : "jecxz"; break;
    default: break;
    }
    for (size_t i = 0; !rename && i < sizeof mnemonics / sizeof *mnemonics; i++)
        if (mnemonics[i].op == p->ours.op)
            rename = strcmp(mnemonics[i].zydis, theirs) ? NULL : theirs;
    if (rename)
        return !strcmp(rename, theirs);
    x64_format(&p->ours, text, sizeof text);
    for (;;) {
        size_t length = strcspn(word, " ");
        bool prefix = length && (!strncmp(word, "lock ", 5) || !strncmp(word, "rep ", 4) || !strncmp(word, "repe ", 5) ||
                                 !strncmp(word, "repne ", 6));
        if (!prefix)
            return strlen(theirs) == length && !memcmp(word, theirs, length);
        word += length + 1;
    }
}

// ---- flags and implicit registers

static unsigned zydis_flags(const struct pair *p, bool tested, bool set, bool undefined, bool cleared)
{
    const ZydisAccessedFlags *z = p->theirs.cpu_flags;
    if (!z)
        return 0;
    return (tested ? z->tested : 0) | (set ? z->modified | z->set_0 | z->set_1 : 0) | (undefined ? z->undefined : 0) | (cleared ? z->set_0 : 0);
}

static const char *compare_flags_read(const struct pair *p)
{
    return x64_flags_read(&p->ours) != (zydis_flags(p, true, false, false, false) & X64_ALL_FLAGS) ? "flags read" : NULL;
}
static const char *compare_flags_written(const struct pair *p)
{
    return x64_op_info(p->ours.op)->flags_written != (zydis_flags(p, false, true, false, false) & X64_ALL_FLAGS) ? "flags written" : NULL;
}
static const char *compare_flags_undefined(const struct pair *p)
{
    return x64_op_info(p->ours.op)->flags_undefined != (zydis_flags(p, false, false, true, false) & X64_ALL_FLAGS) ? "flags undefined" : NULL;
}
static const char *compare_flags_cleared(const struct pair *p)
{
    unsigned cleared = zydis_flags(p, false, false, false, true) & X64_ARITH_FLAGS;
    return (x64_op_info(p->ours.op)->flags_cleared & ~X64_DF) != cleared ? "flags cleared" : NULL;
}

// Every general register that Zydis lists in any way must be in our masks, and the reverse.
static void zydis_registers(const struct pair *p, unsigned *read_mask, unsigned *written_mask)
{
    unsigned read = 0, written = 0;
    for (unsigned i = 0; i < p->theirs.operand_count; i++) {
        const ZydisDecodedOperand *z = &p->operands[i];
        if (z->type == ZYDIS_OPERAND_TYPE_REGISTER) {
            struct x64_operand reg = register_operand(z->reg.value);
            if (reg.kind != X64_OPD_GPR && reg.kind != X64_OPD_GPR8_HIGH)
                continue;
            bool partial = reg.size < 4 && i < p->theirs.operand_count_visible;
            if ((z->actions & ZYDIS_OPERAND_ACTION_MASK_READ) || (partial && (z->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)))
                read |= 1u << reg.reg;
            if (z->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
                written |= 1u << reg.reg;
        } else if (z->type == ZYDIS_OPERAND_TYPE_MEMORY) {
            struct x64_operand base = register_operand(z->mem.base), index = register_operand(z->mem.index);
            if (base.kind == X64_OPD_GPR)
                read |= 1u << base.reg;
            if (index.kind == X64_OPD_GPR)
                read |= 1u << index.reg;
        }
    }
    *read_mask = read;
    *written_mask = written;
}

static const char *compare_registers_read(const struct pair *p)
{
    unsigned read, written;
    zydis_registers(p, &read, &written);
    return read & ~x64_gprs_read(&p->ours) ? "register read missing" : x64_gprs_read(&p->ours) & ~read ? "register read extra" : NULL;
}

static const char *compare_registers_written(const struct pair *p)
{
    unsigned read, written;
    zydis_registers(p, &read, &written);
    return written & ~x64_gprs_written(&p->ours) ? "register write missing" : x64_gprs_written(&p->ours) & ~written ? "register write extra" : NULL;
}

static const char *compare_privilege(const struct pair *p)
{
    bool privileged = x64_op_info(p->ours.op)->attributes & X64_A_PRIVILEGED;
    return privileged != !!(p->theirs.attributes & ZYDIS_ATTRIB_IS_PRIVILEGED) ? "privileged" : NULL;
}
static const char *compare_rep(const struct pair *p)
{
    bool has_rep = p->theirs.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE);
    return !!(p->ours.prefixes & X64_P_REP) != has_rep ? "rep" : NULL;
}
static const char *compare_repne(const struct pair *p)
{
    return !!(p->ours.prefixes & X64_P_REPNE) != !!(p->theirs.attributes & ZYDIS_ATTRIB_HAS_REPNE) ? "repne" : NULL;
}

static unsigned zydis_memory_actions(const struct pair *p)
{
    unsigned actions = 0;
    for (unsigned i = 0; i < p->theirs.operand_count; i++) {
        const ZydisDecodedOperand *z = &p->operands[i];
        bool accesses = z->type == ZYDIS_OPERAND_TYPE_MEMORY && z->mem.type != ZYDIS_MEMOP_TYPE_AGEN;
        if (accesses && !(x64_op_info(p->ours.op)->attributes & X64_A_NO_ACCESS))
            actions |= z->actions;
    }
    return actions;
}

static const char *compare_memory_read(const struct pair *p)
{
    return x64_reads_memory(&p->ours) != !!(zydis_memory_actions(p) & ZYDIS_OPERAND_ACTION_MASK_READ) ? "memory read" : NULL;
}
static const char *compare_memory_written(const struct pair *p)
{
    return x64_writes_memory(&p->ours) != !!(zydis_memory_actions(p) & ZYDIS_OPERAND_ACTION_MASK_WRITE) ? "memory written" : NULL;
}

static const char *compare_flow(const struct pair *p)
{
    enum x64_flow flow = x64_flow(&p->ours);
    bool same;
    switch (p->theirs.meta.category) {
    case ZYDIS_CATEGORY_COND_BR: same = flow == X64_FLOW_BRANCH; break;
    case ZYDIS_CATEGORY_UNCOND_BR: same = flow == X64_FLOW_JUMP || flow == X64_FLOW_JUMP_INDIRECT || p->ours.op == X64_JMP_FAR; break;
    case ZYDIS_CATEGORY_CALL: same = flow == X64_FLOW_CALL || flow == X64_FLOW_CALL_INDIRECT || p->ours.op == X64_CALL_FAR; break;
    case ZYDIS_CATEGORY_RET: same = flow == X64_FLOW_RETURN || flow == X64_FLOW_TRAP; break;
    case ZYDIS_CATEGORY_INTERRUPT: same = flow == X64_FLOW_TRAP; break;
    case ZYDIS_CATEGORY_SYSCALL: same = flow == X64_FLOW_SYSCALL || p->ours.op == X64_SYSENTER; break;
    case ZYDIS_CATEGORY_SYSRET: same = flow == X64_FLOW_TRAP; break;
    default: same = flow == X64_FLOW_NEXT; break;
    }
    return same ? NULL : "flow";
}

// The first difference of each kind. A kind looks at one thing; those after validity and length need both.
static const char *compare_validity(const struct pair *p)
{
    if (p->status != X64_OK || !p->zydis_valid)
        return p->status == X64_OK ? "we accept" : p->zydis_valid ? "we reject" : NULL;
    return p->ours.length != p->theirs.length ? "length" : NULL;
}

static const char *compare_mnemonic(const struct pair *p) { return same_mnemonic(p) ? NULL : "mnemonic"; }

static const char *(*const kinds[])(const struct pair *p) = {
    compare_mnemonic, compare_operands, compare_accesses, compare_flags_read, compare_flags_written, compare_flags_undefined, compare_flags_cleared,
    compare_registers_read, compare_registers_written, compare_memory_read, compare_memory_written, compare_flow, compare_privilege, compare_rep,
    compare_repne,
};

// ---- differences that are right

// Extensions that Zydis knows and this decoder's processor does not have, or that were never in 64-bit mode.
static const ZydisISASet absent[] = {
    ZYDIS_ISA_SET_AMD3DNOW, ZYDIS_ISA_SET_FMA4, ZYDIS_ISA_SET_XOP, ZYDIS_ISA_SET_TBM, ZYDIS_ISA_SET_LWP,
    ZYDIS_ISA_SET_SSE4A, ZYDIS_ISA_SET_MCOMMIT, ZYDIS_ISA_SET_SNP, ZYDIS_ISA_SET_AMD_INVLPGB,
    ZYDIS_ISA_SET_PADLOCK_ACE, ZYDIS_ISA_SET_PADLOCK_PHE, ZYDIS_ISA_SET_PADLOCK_PMM, ZYDIS_ISA_SET_PADLOCK_RNG,
    ZYDIS_ISA_SET_TDX, ZYDIS_ISA_SET_TSX_LDTRK, ZYDIS_ISA_SET_UINTR, ZYDIS_ISA_SET_KEYLOCKER,
    ZYDIS_ISA_SET_KEYLOCKER_WIDE, ZYDIS_ISA_SET_HRESET, ZYDIS_ISA_SET_AVX_VNNI, ZYDIS_ISA_SET_AMX_TILE,
    ZYDIS_ISA_SET_AMX_INT8, ZYDIS_ISA_SET_AMX_BF16, ZYDIS_ISA_SET_KNCE, ZYDIS_ISA_SET_KNCV, ZYDIS_ISA_SET_KNCJKBR,
    ZYDIS_ISA_SET_KNCSTREAM, ZYDIS_ISA_SET_KNC_MISC, ZYDIS_ISA_SET_KNC_PF_HINT,
};

static bool is_absent(const struct pair *p)
{
    ZydisISASet set = p->theirs.meta.isa_set;
    if (p->theirs.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX || p->theirs.encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX)
        return true;
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        if (set == absent[i])
            return true;
    return !strncmp(ZydisISASetGetString(set), "AVX512", 6);
}

static bool is_no_base(const struct pair *p)
{
    return p->theirs.address_width == 32 && p->theirs.raw.sib.base == 5 && p->theirs.raw.modrm.mod == 0;
}

static bool is_moffs32(const struct pair *p)
{
    return p->ours.address_size == 4 && p->theirs.opcode >= 0xa0 && p->theirs.opcode <= 0xa3;
}

static bool is_repne(const struct pair *p)
{
    for (unsigned i = p->theirs.raw.prefix_count; i-- > 0; )
        if (p->theirs.raw.prefixes[i].value == 0xf2 || p->theirs.raw.prefixes[i].value == 0xf3)
            return p->theirs.raw.prefixes[i].value == 0xf2;
    return false;
}

static bool is_repeated(const struct pair *p) { return p->ours.prefixes & (X64_P_REP | X64_P_REPNE); }
static bool is_vmx(const struct pair *p) { return x64_op_info(p->ours.op)->isa == X64_ISA_VMX; }
static bool is_svm(const struct pair *p) { return x64_op_info(p->ours.op)->isa == X64_ISA_SVM; }
static bool is_sgx(const struct pair *p) { return x64_op_info(p->ours.op)->isa == X64_ISA_SGX; }

// F2 and F3 mean the same to a string instruction that does not compare.
static bool is_plain_string(const struct pair *p)
{
    uint16_t op = p->ours.op;
    return is_repne(p) && (op == X64_MOVS || op == X64_STOS || op == X64_LODS || op == X64_INS || op == X64_OUTS);
}

// Zydis calls OF undefined after any count but one, and lists it so for all counts.
static bool is_shift(const struct pair *p)
{
    const struct x64_op_info *info = x64_op_info(p->ours.op);
    unsigned theirs = p->theirs.cpu_flags->modified | p->theirs.cpu_flags->undefined;
    return (info->attributes & X64_A_IF_COUNT) && (info->flags_written | info->flags_undefined) == theirs;
}

// Who is right: OURS; BOTH, when the two count something differently that both describe truly; THEIRS, where ours leaves something out
// that nobody needs of it. Native: seen on an x64 processor.
#define ANY_OP X64_OP_COUNT
static struct { const char *difference; uint16_t op; bool (*when)(const struct pair *p); const char *right, *why; unsigned long long seen; } explained[] = {
#define ROW(difference, op, when, right, why) { difference, op, when, #right, why, 0 },
    ROW("we reject", X64_BAD, is_absent, BOTH, "an extension that the processor decoded for does not have")
    ROW("mnemonic", X64_WBNOINVD, NULL, BOTH, "Zydis 4.0 takes F3 0F 09 for WBINVD, as a processor without WBNOINVD does; privileged both (SDM WBNOINVD)")

    // operands
    ROW("operand read", X64_NOP, NULL, OURS, "a NOP with ModRM does not access its operands (SDM NOP)")
    ROW("operand count", X64_NOP, NULL, BOTH, "Zydis names one operand of some reserved NOPs (0F 18 to 1F) and two of others; nothing is accessed")
    ROW("register number", X64_NOP, NULL, BOTH, "likewise: it is the other operand")
    ROW("register size", X64_NOP, NULL, BOTH, "likewise: nothing is read")
    ROW("register read missing", X64_NOP, NULL, OURS, "a NOP with ModRM does not access its operands (SDM NOP)")
    ROW("operand read", X64_UD0, NULL, OURS, "raises #UD before anything is read (SDM UD)")
    ROW("operand read", X64_UD1, NULL, OURS, "raises #UD before anything is read (SDM UD)")
    ROW("register read missing", X64_UD0, NULL, OURS, "raises #UD before anything is read (SDM UD)")
    ROW("register read missing", X64_UD1, NULL, OURS, "raises #UD before anything is read (SDM UD)")
    ROW("operand read", X64_FFREE, NULL, OURS, "changes the tag, not the register (SDM FFREE)")
    ROW("operand read", X64_FFREEP, NULL, OURS, "changes the tag, not the register (SDM FFREE; FFREEP is FFREE and a pop)")
    ROW("operand count", ANY_OP, is_svm, BOTH, "the implicit rax, ecx are visible operands there")
    ROW("register read missing", ANY_OP, is_svm, BOTH, "rax only addresses memory that nothing here reaches: #UD or #GP at CPL 3 (APM VMRUN)")
    ROW("operand count", X64_CLZERO, NULL, BOTH, "the implicit rax is a visible operand there")
    ROW("register size", X64_LAR, NULL, OURS, "only 16 bits of the selector register are read (SDM LAR)")
    ROW("register size", X64_LSL, NULL, OURS, "only 16 bits of the selector register are read (SDM LSL)")
    ROW("memory size", X64_MOVSXD, NULL, OURS, "with 66 the source is r/m16 (SDM MOVSXD; native)")
    ROW("memory base", ANY_OP, is_no_base, OURS, "SIB base 5 with mod 0 is no base, REX.B or not, 67 or not (SDM table 2-3; native)")
    ROW("register read missing", ANY_OP, is_no_base, OURS, "likewise: there is no base to read")
    ROW("displacement", X64_MOV, is_moffs32, OURS, "a 32-bit moffs is zero-extended (SDM MOV; native)")

    // flags
    ROW("flags read", X64_SYSCALL, NULL, OURS, "r11 receives rflags (SDM SYSCALL)")
    ROW("flags written", X64_SYSCALL, NULL, BOTH, "they are masked for the kernel, and SYSRET brings r11 back (SDM SYSCALL, SYSRET)")
    ROW("flags read", X64_CMPS, is_repeated, OURS, "REPNE tests the ZF of its own comparison, not the incoming one (SDM REP)")
    ROW("flags read", X64_SCAS, is_repeated, OURS, "REPNE tests the ZF of its own comparison, not the incoming one (SDM REP)")
    ROW("flags written", ANY_OP, is_shift, BOTH, "OF is defined for a count of one and undefined for others (SDM SAL, RCL, SHLD): written here, undefined there")
    ROW("flags undefined", ANY_OP, is_shift, BOTH, "likewise")
    ROW("flags written", X64_SBB, NULL, OURS, "AF is defined (SDM SBB; native)")
    ROW("flags undefined", X64_SBB, NULL, OURS, "AF is defined (SDM SBB; native)")
    ROW("flags written", X64_BEXTR, NULL, OURS, "CF and OF are cleared (SDM BEXTR: all others are cleared)")
    ROW("flags cleared", X64_BEXTR, NULL, OURS, "CF and OF are cleared (SDM BEXTR: all others are cleared)")
    ROW("flags undefined", X64_BEXTR, NULL, OURS, "AF, SF and PF are undefined, no others (SDM BEXTR)")
    ROW("flags cleared", X64_BLSI, NULL, OURS, "CF is set if the source is not zero (SDM BLSI)")
    ROW("flags written", X64_VPTEST, NULL, OURS, "OF, SF, AF, PF are cleared (SDM PTEST)")
    ROW("flags cleared", X64_VPTEST, NULL, OURS, "OF, SF, AF, PF are cleared (SDM PTEST)")
    ROW("flags written", X64_VTESTPS, NULL, OURS, "OF, SF, AF, PF are cleared (SDM VTESTPS)")
    ROW("flags cleared", X64_VTESTPS, NULL, OURS, "OF, SF, AF, PF are cleared (SDM VTESTPS)")
    ROW("flags written", X64_VTESTPD, NULL, OURS, "OF, SF, AF, PF are cleared (SDM VTESTPD)")
    ROW("flags cleared", X64_VTESTPD, NULL, OURS, "OF, SF, AF, PF are cleared (SDM VTESTPD)")
    ROW("flags written", X64_RDPRU, NULL, OURS, "CF is cleared for an invalid register (APM RDPRU); not lowered")
    ROW("flags written", X64_RSTORSSP, NULL, OURS, "CF, the others cleared (SDM RSTORSSP)")
    ROW("flags cleared", X64_RSTORSSP, NULL, OURS, "CF, the others cleared (SDM RSTORSSP)")
    ROW("flags written", X64_CLRSSBSY, NULL, OURS, "CF, the others cleared (SDM CLRSSBSY)")
    ROW("flags cleared", X64_CLRSSBSY, NULL, OURS, "CF, the others cleared (SDM CLRSSBSY)")
    ROW("flags undefined", X64_MOV_CR, NULL, OURS, "undefined (SDM MOV CR)")
    ROW("flags undefined", X64_MOV_DR, NULL, OURS, "undefined (SDM MOV DR)")
    ROW("flags written", ANY_OP, is_vmx, OURS, "VMsucceed and VMfail write all six (SDM vol. 3, 31.2)")
    ROW("flags cleared", ANY_OP, is_vmx, OURS, "VMsucceed and VMfail write all six (SDM vol. 3, 31.2)")
    ROW("flags written", ANY_OP, is_sgx, OURS, "some leaf functions write flags (SDM vol. 3, 41)")

    // general registers
    ROW("register read extra", X64_CMOVCC, NULL, OURS, "keeps the destination if the condition is false")
    ROW("register read extra", X64_BSF, NULL, OURS, "keeps the destination if the source is zero (APM BSF; native)")
    ROW("register read extra", X64_BSR, NULL, OURS, "keeps the destination if the source is zero (APM BSR; native)")
    ROW("register read extra", X64_LAR, NULL, OURS, "keeps the destination if the selector is bad (SDM LAR)")
    ROW("register read extra", X64_RDSSP, NULL, OURS, "keeps the destination without shadow stacks (SDM RDSSP; native)")
    ROW("register read extra", X64_XLAT, NULL, OURS, "reads al")
    ROW("register read extra", X64_VMFUNC, NULL, OURS, "some functions read ecx (SDM VMFUNC)")
    ROW("register read extra", X64_MWAITX, NULL, OURS, "ebx is the timer (APM MWAITX)")
    ROW("register read missing", X64_LEAVE, NULL, OURS, "the old rsp is not read (SDM LEAVE)")
    ROW("register read missing", X64_XABORT, NULL, BOTH, "eax is kept: XABORT outside a transaction does nothing (SDM XABORT)")
    ROW("register write missing", X64_XABORT, NULL, BOTH, "likewise")
    ROW("flow", X64_XABORT, NULL, BOTH, "likewise")
    ROW("register write extra", X64_GETSEC, NULL, OURS, "leaf functions write ebx, ecx, edx (SDM vol. 2, 7)")
    ROW("register write extra", ANY_OP, is_sgx, OURS, "leaf functions write rbx, rcx, rdx (SDM vol. 3, 41)")
    ROW("register write extra", X64_INS, NULL, OURS, "advances rdi (SDM INS)")
    ROW("register write extra", X64_OUTS, NULL, OURS, "advances rsi (SDM OUTS)")
    ROW("register write extra", X64_CMPS, NULL, OURS, "advances rsi and rdi (SDM CMPS)")
    ROW("register write extra", X64_SCAS, NULL, OURS, "advances rdi (SDM SCAS)")

    // the rest
    ROW("memory read", X64_ENTER, NULL, OURS, "reads the outer frames if the nesting level is not zero (SDM ENTER)")
    ROW("memory written", X64_ENQCMD, NULL, OURS, "stores to the address in the first operand (SDM ENQCMD)")
    ROW("memory written", X64_ENQCMDS, NULL, OURS, "stores to the address in the first operand (SDM ENQCMDS)")
    ROW("memory written", X64_CLZERO, NULL, THEIRS, "clears the line at rax (APM CLZERO); ours tells of named, string and stack operands only")
    ROW("flow", X64_UD0, NULL, OURS, "traps (SDM UD)")
    ROW("flow", X64_UD1, NULL, OURS, "traps (SDM UD)")
    ROW("flow", X64_UD2, NULL, OURS, "traps (SDM UD)")
    ROW("flow", X64_HLT, NULL, OURS, "traps at CPL 3 (SDM HLT)")
    ROW("flow", X64_XEND, NULL, OURS, "falls through (SDM XEND)")
    ROW("privileged", X64_LGDT, NULL, OURS, "#GP at CPL 3 (SDM LGDT)")
    ROW("privileged", X64_ENQCMDS, NULL, OURS, "#GP at CPL 3 (SDM ENQCMDS)")
    ROW("privileged", ANY_OP, is_svm, OURS, "#GP at CPL 3 where SVM is enabled (APM VMRUN, STGI)")
    ROW("privileged", X64_ENCLV, NULL, BOTH, "only at CPL 0: #UD elsewhere, as without SGX (SDM ENCLV)")
    ROW("rep", ANY_OP, is_plain_string, OURS, "F2 repeats a string instruction that does not compare (native)")
    ROW("repne", ANY_OP, is_plain_string, OURS, "likewise")
#undef ROW
};

static bool is_explained(const struct pair *p, const char *difference)
{
    for (size_t i = 0; i < sizeof explained / sizeof *explained; i++) {
        if (!strcmp(explained[i].difference, difference) && (explained[i].op == ANY_OP || explained[i].op == p->ours.op) &&
            (!explained[i].when || explained[i].when(p))) {
            explained[i].seen++;
            return true;
        }
    }
    return false;
}

// ---- reporting

static struct { char key[120]; unsigned count; char example[200]; } reports[4000];
static unsigned report_count;

static void report(const struct pair *p, const char *difference)
{
    char key[120], text[120] = "";
    snprintf(key, sizeof key, "%s: %s / %s", difference, x64_op_info(p->ours.op)->name,
             p->zydis_valid ? ZydisMnemonicGetString(p->theirs.mnemonic) : "-");
    unsigned i = 0;
    while (i < report_count && strcmp(reports[i].key, key))
        i++;
    if (i == report_count) {
        if (report_count == sizeof reports / sizeof *reports)
            return;
        report_count++;
        strcpy(reports[i].key, key);
        if (p->status == X64_OK)
            x64_format(&p->ours, text, sizeof text);
        size_t used = 0;
        for (unsigned b = 0; b < 12; b++)
            used += (size_t)snprintf(reports[i].example + used, sizeof reports[i].example - used, "%02x", p->bytes[b]);
        snprintf(reports[i].example + used, sizeof reports[i].example - used, " %s [%s]", text,
                 p->zydis_valid ? ZydisISASetGetString(p->theirs.meta.isa_set) : "");
    }
    reports[i].count++;
}

static void note(const struct pair *p, const char *difference, bool *agree)
{
    if (!difference)
        return;
    *agree = false;
    if (!is_explained(p, difference))
        report(p, difference);
}

static void check(const uint8_t *bytes)
{
    struct pair p = { .bytes = bytes };
    bool agree = true;
    p.status = x64_decode(bytes, OPCODE_STRING_BYTES, rip, &p.ours);
    p.zydis_valid = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&zydis, bytes, OPCODE_STRING_BYTES, &p.theirs, p.operands));
    strings++;
    valid += p.status == X64_OK;
    note(&p, compare_validity(&p), &agree);
    if (p.status == X64_OK && p.zydis_valid)
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
            note(&p, kinds[i](&p), &agree);
    agreements += agree;
}

// Every prefix of an instruction is truncated, and fifteen bytes are the limit.
static void check_truncation(void)
{
    for (unsigned i = 0; i < 300000; i++) {
        uint8_t bytes[20];
        ZydisDecodedInstruction theirs;
        ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
        struct x64_insn insn, part;
        unsigned padding = i & 1 ? opcode_space_random_byte() % 16 : 0;
        for (unsigned b = 0; b < sizeof bytes; b++)
            bytes[b] = b < padding ? 0x2e : opcode_space_random_byte();
        enum x64_status status = x64_decode(bytes, sizeof bytes, rip, &insn);
        if (ZydisDecoderDecodeFull(&zydis, bytes, sizeof bytes, &theirs, operands) == ZYDIS_STATUS_INSTRUCTION_TOO_LONG)
            EXPECT(status == X64_TOO_LONG || status == X64_INVALID);
        if (status == X64_TOO_LONG)
            EXPECT_EQ(15, insn.length);
        for (size_t avail = 0; status == X64_OK && avail < insn.length; avail++)
            EXPECT_EQ(X64_TRUNCATED, x64_decode(bytes, avail, rip, &part));
    }
}

// ---- cases

static void legacy(void) { opcode_space_legacy(everything, check); }
static void vex(void) { opcode_space_vex(everything, check); }
static void sib(void) { opcode_space_sib(everything, check); }
static void random_bytes(void) { opcode_space_random(everything ? 10000000 : 1000000, check); }

static void enumerate(void (*generate)(void))
{
    uint64_t before = valid;
    generate();
    for (unsigned i = 0; i < report_count; i++)
        printf("%8u  %-44s %s\n", reports[i].count, reports[i].key, reports[i].example);
    EXPECT_EQ(0, report_count);
    EXPECT(valid - before > 1000);
    report_count = 0;
}

TEST(legacy_opcodes_agree) { enumerate(legacy); }
TEST(vex_opcodes_agree) { enumerate(vex); }
TEST(modrm_and_sib_agree) { enumerate(sib); }
TEST(random_bytes_agree) { enumerate(random_bytes); }

TEST(truncated_and_too_long_are_told_apart) { check_truncation(); }

TEST(every_explained_difference_is_still_seen)
{
    for (size_t i = 0; i < sizeof explained / sizeof *explained; i++) {
        if (!explained[i].seen)
            printf("%s: %s\n", explained[i].difference, x64_op_info(explained[i].op)->name);
        EXPECT(explained[i].seen);
    }
}

static void print_proof(void)
{
    printf("\nexplained differences\n%10s  %-22s %-10s %-6s %s\n", "strings", "what", "of", "right", "why");
    for (size_t i = 0; i < sizeof explained / sizeof *explained; i++)
        printf("%10llu  %-22s %-10s %-6s %s\n", explained[i].seen, explained[i].difference,
               explained[i].op == ANY_OP || explained[i].op == X64_BAD ? "(several)" : x64_op_info(explained[i].op)->name, explained[i].right, explained[i].why);
    printf("\n%llu strings, %llu instructions, %llu agree in everything, %llu differ as explained above\n", (unsigned long long)strings,
           (unsigned long long)valid, (unsigned long long)agreements, (unsigned long long)(strings - agreements));
}

int main(int argc, char **argv)
{
    everything = argc > 1 && !strcmp(argv[1], "all");
    ZydisDecoderInit(&zydis, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    ZydisDecoderEnableMode(&zydis, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
    ZydisDecoderEnableMode(&zydis, ZYDIS_DECODER_MODE_WBNOINVD, ZYAN_TRUE);
    int failed = check_run_all();
    if (everything)
        print_proof();
    return failed;
}
