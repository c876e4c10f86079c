// SPDX-License-Identifier: MIT
// link: -lZydis
//
// The decoder against an independent one, Zydis, over the whole opcode space: every opcode of every map with every
// ModRM byte under many prefix combinations, and every VEX form; 16 million byte strings, a third of them valid.
// Compared are validity, length, mnemonic, operands and how they are accessed, memory access, flags, implicit
// registers and control flow. Where the two differ, `explained` says why; every row of it must still be seen, so that
// it cannot grow stale.
#include "emu/x64/x64.h"
#include "tests/host/check.h"
#include <Zydis/Zydis.h>

static const uint64_t rip = 0x7ff612345678;

static ZydisDecoder zydis;
static uint64_t valid;

struct pair {
    const uint8_t *bytes;
    enum x64_status status;
    struct x64_insn ours;
    bool zydis_valid;
    ZydisDecodedInstruction theirs;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

static uint64_t random_state = 0x9e3779b97f4a7c15;
static uint8_t random_byte(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint8_t)(random_state >> 32);
}

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
static const char *compare_operands(const struct pair *p)
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
        if ((difference = compare_operand(p, &p->ours.opd[i], &p->operands[theirs])) ||
            (difference = compare_access(p, &p->ours.opd[i], &p->operands[theirs])))
            return difference;
        theirs++;
    }
    return theirs == p->theirs.operand_count_visible ? NULL : "operand count";
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

static const char *compare_flags(const struct pair *p)
{
    const ZydisAccessedFlags *z = p->theirs.cpu_flags;
    unsigned read = z ? z->tested : 0, cleared = z ? z->set_0 : 0, undefined = z ? z->undefined : 0;
    unsigned written = z ? z->modified | z->set_0 | z->set_1 : 0;
    const struct x64_op_info *info = x64_op_info(p->ours.op);
    if (x64_flags_read(&p->ours) != (read & X64_ALL_FLAGS))
        return "flags read";
    if (info->flags_written != (written & X64_ALL_FLAGS))
        return "flags written";
    if (info->flags_undefined != (undefined & X64_ALL_FLAGS))
        return "flags undefined";
    if ((info->flags_cleared & ~X64_DF) != (cleared & X64_ARITH_FLAGS))
        return "flags cleared";
    return NULL;
}

// Every general register that Zydis lists in any way must be in our masks, and the reverse.
static const char *compare_registers(const struct pair *p)
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
    if (read & ~x64_gprs_read(&p->ours))
        return "register read missing";
    if (written & ~x64_gprs_written(&p->ours))
        return "register write missing";
    if (x64_gprs_read(&p->ours) & ~read)
        return "register read extra";
    if (x64_gprs_written(&p->ours) & ~written)
        return "register write extra";
    return NULL;
}

static const char *compare_attributes(const struct pair *p)
{
    const struct x64_op_info *info = x64_op_info(p->ours.op);
    bool privileged = info->attributes & X64_A_PRIVILEGED;
    if (privileged != !!(p->theirs.attributes & ZYDIS_ATTRIB_IS_PRIVILEGED))
        return "privileged";
    bool has_rep = p->theirs.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE);
    if (!!(p->ours.prefixes & X64_P_REP) != has_rep)
        return "rep";
    if (!!(p->ours.prefixes & X64_P_REPNE) != !!(p->theirs.attributes & ZYDIS_ATTRIB_HAS_REPNE))
        return "repne";
    return NULL;
}

static const char *compare_memory_access(const struct pair *p)
{
    unsigned actions = 0;
    for (unsigned i = 0; i < p->theirs.operand_count; i++) {
        const ZydisDecodedOperand *z = &p->operands[i];
        bool accesses = z->type == ZYDIS_OPERAND_TYPE_MEMORY && z->mem.type != ZYDIS_MEMOP_TYPE_AGEN;
        if (accesses && !(x64_op_info(p->ours.op)->attributes & X64_A_NO_ACCESS))
            actions |= z->actions;
    }
    if (x64_reads_memory(&p->ours) != !!(actions & ZYDIS_OPERAND_ACTION_MASK_READ))
        return "memory read";
    return x64_writes_memory(&p->ours) != !!(actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) ? "memory written" : NULL;
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

static const char *compare(const struct pair *p)
{
    const char *difference;
    if (p->status != X64_OK || !p->zydis_valid)
        return p->status == X64_OK ? "we accept" : p->zydis_valid ? "we reject" : NULL;
    if (p->ours.length != p->theirs.length)
        return "length";
    if (!same_mnemonic(p))
        return "mnemonic";
    if ((difference = compare_operands(p)) || (difference = compare_flags(p)) || (difference = compare_registers(p)) ||
        (difference = compare_memory_access(p)) || (difference = compare_flow(p)))
        return difference;
    return compare_attributes(p);
}

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

// Zydis calls OF undefined after any count but one, and lists it so for all counts.
static bool is_shift(const struct pair *p)
{
    const struct x64_op_info *info = x64_op_info(p->ours.op);
    unsigned theirs = p->theirs.cpu_flags->modified | p->theirs.cpu_flags->undefined;
    return (info->attributes & X64_A_IF_COUNT) && (info->flags_written | info->flags_undefined) == theirs;
}

#define ANY_OP X64_OP_COUNT
static struct { const char *difference; uint16_t op; bool (*when)(const struct pair *p); const char *why; unsigned seen; } explained[] = {
    { "we reject", X64_BAD, is_absent, "an extension this processor does not have", 0 },
    { "mnemonic", X64_WBNOINVD, NULL, "the same opcode on processors without WBNOINVD", 0 },

    // operands
    { "operand read", X64_NOP, NULL, "the operands of NOP are not accessed", 0 },
    { "operand count", X64_NOP, NULL, "Zydis names one operand of some NOPs and two of others", 0 },
    { "register number", X64_NOP, NULL, "likewise: it is the other operand", 0 },
    { "register size", X64_NOP, NULL, "likewise: nothing is read", 0 },
    { "operand read", X64_UD0, NULL, "raises #UD before anything is read", 0 },
    { "operand read", X64_UD1, NULL, "raises #UD before anything is read", 0 },
    { "operand read", X64_FFREE, NULL, "changes the tag, not the register", 0 },
    { "operand read", X64_FFREEP, NULL, "changes the tag, not the register", 0 },
    { "operand count", ANY_OP, is_svm, "the implicit rax, ecx are operands there", 0 },
    { "operand count", X64_CLZERO, NULL, "the implicit rax is an operand there", 0 },
    { "register size", X64_LAR, NULL, "only 16 bits of the selector register are read", 0 },
    { "register size", X64_LSL, NULL, "only 16 bits of the selector register are read", 0 },
    { "memory size", X64_MOVSXD, NULL, "with 66 the source is r/m16 (SDM MOVSXD)", 0 },
    { "memory base", ANY_OP, is_no_base, "SIB base 5 with mod 0 is no base, REX.B or not (SDM table 2-3)", 0 },
    { "displacement", X64_MOV, is_moffs32, "a 32-bit moffs is zero-extended", 0 },

    // flags
    { "flags read", X64_SYSCALL, NULL, "r11 receives rflags", 0 },
    { "flags read", X64_CMPS, is_repeated, "REPNE tests the ZF of its own comparison, not the incoming one", 0 },
    { "flags read", X64_SCAS, is_repeated, "REPNE tests the ZF of its own comparison, not the incoming one", 0 },
    { "flags written", ANY_OP, is_shift, "OF: see there", 0 },
    { "flags written", X64_SBB, NULL, "AF is defined (SDM SBB)", 0 },
    { "flags written", X64_BEXTR, NULL, "CF and OF are cleared (SDM BEXTR)", 0 },
    { "flags cleared", X64_BLSI, NULL, "CF is set if the source is not zero (SDM BLSI)", 0 },
    { "flags written", X64_VPTEST, NULL, "OF, SF, AF, PF are cleared (SDM PTEST)", 0 },
    { "flags written", X64_VTESTPS, NULL, "OF, SF, AF, PF are cleared (SDM VTESTPS)", 0 },
    { "flags written", X64_VTESTPD, NULL, "OF, SF, AF, PF are cleared (SDM VTESTPD)", 0 },
    { "flags written", X64_RDPRU, NULL, "CF is cleared for an invalid register (APM RDPRU)", 0 },
    { "flags written", X64_RSTORSSP, NULL, "CF, the others cleared (SDM RSTORSSP)", 0 },
    { "flags written", X64_CLRSSBSY, NULL, "CF, the others cleared (SDM CLRSSBSY)", 0 },
    { "flags undefined", X64_MOV_CR, NULL, "undefined (SDM MOV CR)", 0 },
    { "flags undefined", X64_MOV_DR, NULL, "undefined (SDM MOV DR)", 0 },
    { "flags written", ANY_OP, is_vmx, "VMsucceed and VMfail write all six (SDM vol. 3, 31.2)", 0 },
    { "flags cleared", ANY_OP, is_vmx, "VMsucceed and VMfail write all six (SDM vol. 3, 31.2)", 0 },
    { "flags written", ANY_OP, is_sgx, "some leaf functions write flags", 0 },

    // general registers
    { "register read extra", X64_CMOVCC, NULL, "keeps the destination if the condition is false", 0 },
    { "register read extra", X64_BSF, NULL, "keeps the destination if the source is zero", 0 },
    { "register read extra", X64_BSR, NULL, "keeps the destination if the source is zero", 0 },
    { "register read extra", X64_LAR, NULL, "keeps the destination if the selector is bad", 0 },
    { "register read extra", X64_RDSSP, NULL, "keeps the destination without shadow stacks", 0 },
    { "register read extra", X64_XLAT, NULL, "reads al", 0 },
    { "register read extra", X64_VMFUNC, NULL, "some functions read ecx", 0 },
    { "register read extra", X64_MWAITX, NULL, "ebx is the timer", 0 },
    { "register read missing", X64_LEAVE, NULL, "the old rsp is not read", 0 },
    { "register read missing", X64_XABORT, NULL, "eax is kept: XABORT outside a transaction does nothing", 0 },
    { "register write extra", X64_GETSEC, NULL, "leaf functions write ebx, ecx, edx", 0 },
    { "register write extra", X64_INS, NULL, "advances rdi", 0 },
    { "register write extra", X64_OUTS, NULL, "advances rsi", 0 },
    { "register write extra", X64_CMPS, NULL, "advances rsi and rdi", 0 },
    { "register write extra", X64_SCAS, NULL, "advances rdi", 0 },

    // the rest
    { "memory read", X64_ENTER, NULL, "reads the outer frames if the nesting level is not zero", 0 },
    { "memory written", X64_ENQCMD, NULL, "stores to the address in the first operand", 0 },
    { "memory written", X64_ENQCMDS, NULL, "stores to the address in the first operand", 0 },
    { "flow", X64_UD2, NULL, "traps", 0 },
    { "flow", X64_HLT, NULL, "traps at CPL 3", 0 },
    { "flow", X64_XEND, NULL, "falls through", 0 },
    { "privileged", X64_LGDT, NULL, "privileged (SDM LGDT)", 0 },
    { "privileged", X64_STGI, NULL, "privileged (APM STGI)", 0 },
    { "privileged", X64_CLGI, NULL, "privileged (APM CLGI)", 0 },
    { "rep", X64_MOVS, is_repne, "F2 repeats a string instruction that does not compare", 0 },
    { "rep", X64_STOS, is_repne, "F2 repeats a string instruction that does not compare", 0 },
    { "rep", X64_LODS, is_repne, "F2 repeats a string instruction that does not compare", 0 },
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

// One instruction: `length` chosen bytes, then whatever follows in memory.
static void check(const uint8_t *chosen, unsigned length)
{
    static uint8_t bytes[32];
    memcpy(bytes, chosen, length);
    for (unsigned i = length; i < 20; i++)
        bytes[i] = random_byte();
    struct pair p = { .bytes = bytes };
    p.status = x64_decode(bytes, 20, rip, &p.ours);
    p.zydis_valid = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&zydis, bytes, 20, &p.theirs, p.operands));
    valid += p.status == X64_OK;
    const char *difference = compare(&p);
    if (difference && !is_explained(&p, difference))
        report(&p, difference);
}

// ---- enumeration

static const struct { unsigned length; uint8_t bytes[4]; } prefixes[] = {
    { 0, { 0 } }, { 1, { 0x66 } }, { 1, { 0xf2 } }, { 1, { 0xf3 } }, { 1, { 0xf0 } }, { 1, { 0x67 } },
    { 1, { 0x48 } }, { 1, { 0x41 } }, { 1, { 0x44 } }, { 1, { 0x42 } }, { 1, { 0x4f } }, { 1, { 0x40 } },
    { 2, { 0x66, 0x48 } }, { 2, { 0xf3, 0x48 } }, { 2, { 0xf2, 0x48 } }, { 2, { 0x66, 0xf2 } }, { 2, { 0xf3, 0x66 } },
    { 2, { 0xf2, 0xf3 } }, { 2, { 0xf3, 0xf2 } }, { 2, { 0x48, 0x66 } }, { 2, { 0x48, 0x41 } }, { 1, { 0x64 } },
    { 1, { 0x65 } }, { 1, { 0x2e } }, { 2, { 0x64, 0x65 } }, { 2, { 0x65, 0x3e } }, { 2, { 0xf0, 0x66 } },
    { 2, { 0xf0, 0xf3 } }, { 2, { 0xf0, 0xf2 } }, { 2, { 0xf0, 0x48 } }, { 3, { 0x67, 0x66, 0x4d } }, { 2, { 0xf3, 0x45 } },
    { 3, { 0x66, 0xf2, 0x4f } }, { 2, { 0x66, 0x66 } }, { 2, { 0x67, 0x67 } }, { 2, { 0x66, 0x45 } },
};

static void check_legacy(void)
{
    static const struct { unsigned length; uint8_t bytes[2]; } escapes[] = {
        { 0, { 0 } }, { 1, { 0x0f } }, { 2, { 0x0f, 0x38 } }, { 2, { 0x0f, 0x3a } },
    };
    for (size_t pfx = 0; pfx < sizeof prefixes / sizeof *prefixes; pfx++)
        for (size_t escape = 0; escape < 4; escape++)
            for (unsigned opcode = 0; opcode < 256; opcode++)
                for (unsigned modrm = 0; modrm < 256; modrm++) {
                    uint8_t bytes[16];
                    unsigned n = prefixes[pfx].length;
                    memcpy(bytes, prefixes[pfx].bytes, n);
                    memcpy(bytes + n, escapes[escape].bytes, escapes[escape].length);
                    n += escapes[escape].length;
                    bytes[n++] = (uint8_t)opcode;
                    bytes[n++] = (uint8_t)modrm;
                    check(bytes, n);
                }
}

// Both VEX prefixes: all maps that exist and two that do not, all of W, L and pp, vvvv unused and random, random R, X, B.
static void check_vex(void)
{
    for (unsigned map = 0; map < 5; map++)
        for (unsigned wlpp = 0; wlpp < 16; wlpp++)
            for (unsigned opcode = 0; opcode < 256; opcode++)
                for (unsigned modrm = 0; modrm < 256; modrm += map >= 1 && map <= 3 ? 1 : 37) {
                    uint8_t random = random_byte(), vvvv = modrm & 1 ? 0x78 : random & 0x78;
                    uint8_t wlpp_bits = (uint8_t)((wlpp & 8) << 4 | (wlpp & 7));
                    uint8_t bytes[] = { 0xc4, (uint8_t)((random_byte() & 0xe0) | map), wlpp_bits | vvvv, (uint8_t)opcode, (uint8_t)modrm };
                    check(bytes, sizeof bytes);
                    if (modrm & 1) {
                        bytes[2] = wlpp_bits | (random & 0x78);
                        check(bytes, sizeof bytes);
                    }
                    if (map == 1 && wlpp < 8) {
                        uint8_t shorter[] = { 0xc5, (random & 0x80) | wlpp_bits | vvvv, (uint8_t)opcode, (uint8_t)modrm };
                        check(shorter, sizeof shorter);
                    }
                }
}

// Every ModRM and SIB byte, for an integer instruction, under each REX.
static void check_sib(void)
{
    for (unsigned rex = 0x40; rex < 0x50; rex++)
        for (unsigned modrm = 0; modrm < 0xc0; modrm++)
            for (unsigned sib = 0; sib < 256; sib++) {
                uint8_t bytes[] = { (uint8_t)rex, 0x8b, (uint8_t)modrm, (uint8_t)sib };
                check(bytes, sizeof bytes);
            }
}

// Bytes at random, with prefixes more often than chance gives.
static void check_random(void)
{
    static const uint8_t common[] = { 0x66, 0xf2, 0xf3, 0xf0, 0x67, 0x64, 0x65, 0x2e, 0x48, 0x41, 0x4c, 0x0f, 0xc4, 0xc5, 0x26, 0x36, 0x3e };
    for (unsigned i = 0; i < 1000000; i++) {
        uint8_t bytes[20];
        unsigned n = 0, wanted = random_byte() % 6;
        while (n < wanted)
            bytes[n++] = common[random_byte() % sizeof common];
        while (n < 8)
            bytes[n++] = random_byte();
        check(bytes, n);
    }
}

// Every prefix of an instruction is truncated, and fifteen bytes are the limit.
static void check_truncation(void)
{
    for (unsigned i = 0; i < 300000; i++) {
        uint8_t bytes[20];
        ZydisDecodedInstruction theirs;
        ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
        struct x64_insn insn, part;
        unsigned padding = i & 1 ? random_byte() % 16 : 0;
        for (unsigned b = 0; b < sizeof bytes; b++)
            bytes[b] = b < padding ? 0x2e : random_byte();
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

static void enumerate(void (*generate)(void))
{
    generate();
    for (unsigned i = 0; i < report_count; i++)
        printf("%8u  %-44s %s\n", reports[i].count, reports[i].key, reports[i].example);
    EXPECT_EQ(0, report_count);
    EXPECT(valid > 1000);
    report_count = 0;
    valid = 0;
}

TEST(legacy_opcodes_agree) { enumerate(check_legacy); }
TEST(vex_opcodes_agree) { enumerate(check_vex); }
TEST(modrm_and_sib_agree) { enumerate(check_sib); }
TEST(random_bytes_agree) { enumerate(check_random); }

TEST(truncated_and_too_long_are_told_apart) { check_truncation(); }

TEST(every_explained_difference_is_still_seen)
{
    for (size_t i = 0; i < sizeof explained / sizeof *explained; i++) {
        if (!explained[i].seen)
            printf("%s: %s\n", explained[i].difference, x64_op_info(explained[i].op)->name);
        EXPECT(explained[i].seen);
    }
}

int main(void)
{
    ZydisDecoderInit(&zydis, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    ZydisDecoderEnableMode(&zydis, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
    ZydisDecoderEnableMode(&zydis, ZYDIS_DECODER_MODE_WBNOINVD, ZYAN_TRUE);
    return check_run_all();
}
