// SPDX-License-Identifier: MIT
//
// sequence.c - sequences with branches, counted loops, calls. Which registers certainly hold a window address is tracked, so that most
// accesses hit; loop counters and return addresses are kept, so that most sequences end.
#include "tests/oracle/generate.h"
#include "tests/oracle/rules.h"

bool gen_is_user_form(const struct oracle_form *f)
{
    const struct x64_insn *i = &f->sample;
    const struct x64_op_info *info = x64_op_info((enum x64_op)i->op);
    switch (info->isa) {
    case X64_ISA_X87: case X64_ISA_MMX: case X64_ISA_XSAVE: case X64_ISA_SYSTEM: case X64_ISA_VMX: case X64_ISA_SVM: case X64_ISA_SGX:
    case X64_ISA_RDRAND: case X64_ISA_CET:
        return false;
    default: break;
    }
    for (unsigned j = 0; j < i->operand_count; j++)
        if (i->opd[j].kind == X64_OPD_SEG || i->opd[j].kind == X64_OPD_MMX || i->opd[j].kind == X64_OPD_ST)
            return false;
    if (i->op == X64_INT3)
        return true;
    return oracle_rule_of_form(f, 0) == RULE_NONE && !(info->attributes & (X64_A_IO | X64_A_PRIVILEGED)) && x64_flow(i) != X64_FLOW_TRAP &&
           i->op != X64_LDMXCSR && i->op != X64_STMXCSR && i->op != X64_VLDMXCSR && i->op != X64_VSTMXCSR && i->op != X64_RDPMC &&
           info->isa != X64_ISA_VAES && i->op != X64_VAESIMC && i->op != X64_VAESKEYGENASSIST &&
           !((i->op == X64_ENTER || i->op == X64_LEAVE) && f->mandatory & 1);
}

bool gen_is_random_form(const struct generator *g, const struct oracle_form *f)
{
    const struct x64_insn *i = &f->sample;
    const struct x64_op_info *info = x64_op_info((enum x64_op)i->op);
    if (g->user && !gen_is_user_form(f))
        return false;
    if (oracle_rule_of_form(f, 0) != RULE_NONE || info->attributes & (X64_A_IO | X64_A_PRIVILEGED) || oracle_form_has(f, SRC_MOFFS))
        return false;
    enum x64_flow flow = x64_flow(i);
    if (flow != X64_FLOW_NEXT)                      // the branches are made by gen_jump
        return i->op == X64_INT3;
    switch (i->op) {
    case X64_XSAVE: case X64_XSAVEC: case X64_XSAVEOPT: case X64_XRSTOR: case X64_LSS: case X64_LFS: case X64_RDPMC:
    case X64_GETSEC: case X64_ENCLU: case X64_VMFUNC:
        return false;
    default: break;
    }
    return info->isa != X64_ISA_SYSTEM && info->isa != X64_ISA_VMX && info->isa != X64_ISA_SVM && info->isa != X64_ISA_SGX && info->isa != X64_ISA_CET &&
           !(i->operand_count && i->opd[0].kind == X64_OPD_SEG);
}

// How often: of a thousand instructions. Within a class all forms are equal, so a row with many forms is frequent.
enum class { CLASS_INTEGER, CLASS_STRING, CLASS_STACK, CLASS_TRAP, CLASS_NOP, CLASS_X87, CLASS_MMX, CLASS_SSE, CLASS_AVX, CLASS_FMA, CLASSES };
static const unsigned class_weight[CLASSES] = { 470, 40, 60, 2, 10, 60, 30, 190, 110, 28 };

static enum class class_of(const struct x64_insn *i)
{
    const struct x64_op_info *info = x64_op_info((enum x64_op)i->op);
    if (i->op == X64_NOP || info->isa == X64_ISA_CACHE)
        return CLASS_NOP;
    switch (info->isa) {
    case X64_ISA_X87: return CLASS_X87;
    case X64_ISA_MMX: return CLASS_MMX;
    case X64_ISA_FMA: return CLASS_FMA;
    case X64_ISA_BMI1: case X64_ISA_BMI2: return CLASS_INTEGER;
    default: break;
    }
    if (x64_flow(i) == X64_FLOW_TRAP)
        return CLASS_TRAP;
    if (i->form & X64_F_VEX)
        return CLASS_AVX;
    if (info->attributes & X64_A_STRING)
        return CLASS_STRING;
    if (info->attributes & X64_A_STACK)
        return CLASS_STACK;
    for (unsigned j = 0; j < i->operand_count; j++) {
        if (i->opd[j].kind == X64_OPD_MMX)
            return CLASS_MMX;
        if (i->opd[j].kind == X64_OPD_XMM)
            return CLASS_SSE;
    }
    return CLASS_INTEGER;
}

// What the translator does without the kernel.
static bool is_ordinary_x87(enum x64_op op)
{
    switch (op) {
    case X64_FLD: case X64_FILD: case X64_FST: case X64_FSTP: case X64_FIST: case X64_FISTP: case X64_FISTTP: case X64_FLD1: case X64_FLDZ:
    case X64_FXCH: case X64_FCHS: case X64_FABS: case X64_FSQRT: case X64_FRNDINT: case X64_FTST: case X64_FCOMPP: case X64_FUCOMPP: case X64_FNSTSW:
    case X64_FNSTCW: case X64_FLDCW: case X64_FWAIT: case X64_FNOP: case X64_FNCLEX: case X64_FCMOVCC:
        return true;
    default:
        return op >= X64_FADD && op <= X64_FUCOMIP;
    }
}

static const struct oracle_form *pick_form(struct generator *g)
{
    static const struct oracle_form *of_class[CLASSES][6000];
    static unsigned count[CLASSES], total;
    if (!total) {
        unsigned forms;
        const struct oracle_form *f = oracle_forms(&forms);
        for (unsigned i = 0; i < forms; i++)
            if (gen_is_random_form(g, &f[i])) {
                enum class c = class_of(&f[i].sample);
                of_class[c][count[c]++] = &f[i];
            }
        for (unsigned c = 0; c < CLASSES; c++)
            total += count[c] ? class_weight[c] : 0;
    }
    while (g->x87 && gen_chance(g, 75)) {
        const struct oracle_form *f = of_class[CLASS_X87][gen_below(g, count[CLASS_X87])];
        if (is_ordinary_x87((enum x64_op)f->sample.op) || gen_chance(g, 6))
            return f;
    }
    unsigned n = gen_below(g, total), c = 0;
    while (!count[c] || n >= class_weight[c])
        n -= count[c] ? class_weight[c] : 0, c++;
    return of_class[c][gen_below(g, count[c])];
}

// What the instructions from `from` on leave of pointers and small numbers.
static bool note_effects(struct generator *g, unsigned from)
{
    while (from < g->length) {
        struct x64_insn i;
        if (x64_decode(g->code + from, g->length - from, g->va + from, &i) != X64_OK)
            return false;
        uint16_t written = x64_gprs_written(&i);
        if (x64_op_info((enum x64_op)i.op)->attributes & (X64_A_STRING | X64_A_STACK) && i.op != X64_POP && i.op != X64_LEAVE && i.op != X64_ENTER)
            written &= 1 << X64_RCX;                // moves the pointers a little
        if (i.op == X64_PUSH || i.op == X64_POP || i.op == X64_ENTER)
            written &= (uint16_t)~(1 << X64_RSP);
        if (i.op == X64_POP && i.opd[0].kind == X64_OPD_GPR)
            written |= (uint16_t)(1 << i.opd[0].reg);
        g->pointers &= (uint16_t)~written;
        g->small &= (uint16_t)~written;
        from += i.length;
    }
    return true;
}

static bool wants_registers_it_lacks(struct generator *g, const struct oracle_form *f)
{
    const struct x64_insn *i = &f->sample;
    bool string = x64_op_info((enum x64_op)i->op)->attributes & X64_A_STRING;
    bool repeats = i->prefixes & (X64_P_REP | X64_P_REPNE);
    bool mask = i->op == X64_MASKMOVQ || i->op == X64_MASKMOVDQU || i->op == X64_VMASKMOVDQU;
    return (string && ~g->pointers & (1 << X64_RSI | 1 << X64_RDI)) || (repeats && !(g->small >> X64_RCX & 1)) || (mask && !(g->pointers >> X64_RDI & 1)) ||
           (f->row->where & X64_ROW_VSIB && !g->pointers) ||
           (x64_op_info((enum x64_op)i->op)->attributes & X64_A_STACK && !(g->pointers >> X64_RSP & 1) && gen_chance(g, 95));
}

bool gen_plain(struct generator *g, unsigned keep)
{
    struct generator was = { .length = g->length, .pointers = g->pointers, .small = g->small };
    for (unsigned attempt = 0; attempt < 20; attempt++) {
        const struct oracle_form *f = pick_form(g);
        bool good = !wants_registers_it_lacks(g, f) && gen_instruction(g, f) && note_effects(g, was.length);
        for (unsigned at = was.length; good && at < g->length;) {
            struct x64_insn i;
            x64_decode(g->code + at, g->length - at, g->va + at, &i);
            // Inside a called function the return address stays as it is.
            bool on_stack = x64_op_info((enum x64_op)i.op)->attributes & X64_A_STACK || (i.form & X64_F_MEM && i.mem.base == X64_RSP && x64_writes_memory(&i));
            good = !(x64_gprs_written(&i) & keep) && !(keep >> X64_RSP & 1 && on_stack);
            at += i.length;
        }
        if (good)
            return true;
        g->length = was.length, g->pointers = was.pointers, g->small = was.small;
    }
    return false;
}

static void some(struct generator *g, unsigned count, unsigned depth, unsigned keep);

static void forget(struct generator *g, unsigned reg)
{
    g->pointers &= (uint16_t)~(1 << reg);
    g->small &= (uint16_t)~(1 << reg);
}

static void gen_jump(struct generator *g, unsigned depth, unsigned keep)
{
    unsigned how = gen_below(g, 20);
    bool calls = g->pointers >> X64_RSP & 1;
    if (how < 12) {                                 // jcc, jrcxz or jmp forward
        unsigned kind = gen_below(g, 12), wide = kind < 4 ? 4 : 1;
        if (kind < 4) gen_byte(g, 0x0f), gen_byte(g, 0x80 + gen_below(g, 16));
        else if (kind < 10) gen_byte(g, 0x70 + gen_below(g, 16));
        else gen_byte(g, kind == 10 ? 0xe3 : 0xeb);
        unsigned at = g->length;
        gen_value(g, 0, wide);
        uint16_t pointers = g->pointers, small = g->small;
        unsigned from = g->length;
        some(g, 1 + gen_below(g, 4), depth + 1, keep);
        g->pointers &= pointers, g->small &= small;
        if (wide == 1 && g->length - from > 127) {
            g->length = at - 1;
            return;
        }
        g->code[at] = (uint8_t)(g->length - from);
        if (wide == 4)
            g->code[at + 1] = (uint8_t)((g->length - from) >> 8);
    } else if (how < 16 && !(keep >> X64_RCX & 1)) { // a counted loop on rcx
        gen_byte(g, 0xb9), gen_value(g, 1 + gen_below(g, 4), 4);
        unsigned top = g->length;
        forget(g, X64_RCX);
        some(g, 1 + gen_below(g, 4), depth + 1, keep | 1 << X64_RCX);
        switch (gen_below(g, 5)) {
        case 0: gen_byte(g, 0xff), gen_byte(g, 0xc9), gen_byte(g, 0x75); break;                     // dec ecx; jnz
        case 1: gen_byte(g, 0x83), gen_byte(g, 0xe9), gen_byte(g, 1), gen_byte(g, 0x75); break;     // sub ecx, 1; jnz
        default: gen_byte(g, 0xe0 + gen_below(g, 3));                                               // loopne, loope, loop
        }
        gen_byte(g, (uint8_t)(top - (g->length + 1)));
    } else if (how < 18 && calls) {                 // call over a jump, return
        gen_byte(g, 0xe8), gen_value(g, 2, 4);
        unsigned over = g->length;
        gen_byte(g, 0xeb), gen_byte(g, 0);
        some(g, 1 + gen_below(g, 3), depth + 1, keep | 1 << X64_RSP);
        if (gen_chance(g, 30)) gen_byte(g, 0xc2), gen_value(g, 0, 2);
        else gen_byte(g, 0xc3);
        g->code[over + 1] = (uint8_t)(g->length - over - 2);
    } else if (!(keep >> X64_RDX & 1)) {            // lea rdx, [rip+n]; jmp or call rdx
        gen_byte(g, 0x48), gen_byte(g, 0x8d), gen_byte(g, 0x15), gen_value(g, 2, 4);
        gen_byte(g, 0xff), gen_byte(g, keep >> X64_RSP & 1 || !calls || gen_chance(g, 60) ? 0xe2 : 0xd2);
        forget(g, X64_RDX);
    }
}

// fstp tbyte [r+d] and fld tbyte [r+d], the way long double is kept.
static void store_and_load(struct generator *g)
{
    static const uint8_t bases[] = { X64_RBX, X64_RBP, X64_RSI, X64_RDI };
    unsigned base = bases[gen_below(g, 4)], at = gen_below(g, 128);
    if (!(g->pointers >> base & 1))
        return;
    gen_byte(g, 0xdb), gen_byte(g, 0x78 | base), gen_byte(g, at);
    gen_byte(g, 0xdb), gen_byte(g, 0x68 | base), gen_byte(g, at);
}

// `keep`: registers the instructions must not write.
static void some(struct generator *g, unsigned count, unsigned depth, unsigned keep)
{
    for (unsigned i = 0; i < count && g->length < ORACLE_CODE_MAX - 140; i++) {
        if (g->x87 && gen_chance(g, 10))
            store_and_load(g);
        else if (depth < 3 && gen_chance(g, g->x87 ? 6 : 14))
            gen_jump(g, depth, keep);
        else
            gen_plain(g, keep);
    }
}

void gen_sequence(struct generator *g, unsigned count) { some(g, count, 0, 0); }
