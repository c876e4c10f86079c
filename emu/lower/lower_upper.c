// SPDX-License-Identifier: MIT
// What is known of the upper parts of vector registers: a scalar result need not be inserted where there are zeros anyway. A part of
// facts.c's facts.
#include "emu/lower/facts.h"

static void put(struct lower_upper *u, uint16_t bit, bool singles, bool doubles)
{
    u->singles = singles ? u->singles | bit : u->singles & (uint16_t)~bit;
    u->doubles = doubles ? u->doubles | bit : u->doubles & (uint16_t)~bit;
}

void lower_upper_copied(struct lower_upper *u, unsigned to, unsigned from)
{
    if (to < 16)
        put(u, (uint16_t)(1u << to), u->singles >> from & 1, u->doubles >> from & 1);
}

void lower_upper_after(struct lower_upper *u, const struct lower_insn *insn)
{
    const struct x64_insn *x = &insn->x;
    const struct x64_operand *to = &x->opd[0], *from = &x->opd[1];
    uint32_t attributes = x64_op_info(x->op)->attributes;
    bool legacy = to->kind == X64_OPD_XMM && !(x->form & X64_F_VEX);
    uint16_t bit = (uint16_t)(1u << (to->reg & 15));
    if (attributes & X64_A_VECTOR_ALL || insn->function == lower_in_kernel) {
        *u = (struct lower_upper){ 0 };
        return;
    }
    switch (x->op) {
    case X64_PCMPESTRM: case X64_PCMPISTRM: case X64_VPCMPESTRM: case X64_VPCMPISTRM:
        put(u, 1, false, false);
        return;
    case X64_MOVSS: case X64_MOVSD: case X64_MOVD: case X64_MOVQ:
        if (!legacy)
            break;                          // a store, and the loop finds nothing; or an MMX register
        if (from->kind == X64_OPD_MEM || x->op == X64_MOVD || x->op == X64_MOVQ)
            put(u, bit, from->size == 4, true);
        else if (x->op == X64_MOVSD)
            put(u, bit, false, u->doubles & bit);
        return;
    case X64_XORPS: case X64_XORPD: case X64_PXOR:
        if (!legacy || from->kind != X64_OPD_XMM || from->reg != to->reg)
            break;
        put(u, bit, true, true);
        return;
    case X64_MOVAPS: case X64_MOVAPD: case X64_MOVDQA: case X64_MOVUPS: case X64_MOVUPD: case X64_MOVDQU:
        if (!legacy || from->kind != X64_OPD_XMM)
            break;
        put(u, bit, u->singles >> from->reg & 1, u->doubles >> from->reg & 1);
        return;
    }
    if (attributes & X64_A_FP && legacy && (to->size == 4 || to->size == 8)) {     // the rest stays, or becomes zero
        put(u, bit, to->size == 4 && u->singles & bit, u->doubles & bit);
        return;
    }
    for (unsigned i = 0; i < x->operand_count; i++)
        if ((x->opd[i].kind == X64_OPD_XMM || x->opd[i].kind == X64_OPD_YMM) && x->opd[i].access & (X64_WRITE | X64_MAYBE))
            put(u, (uint16_t)(1u << x->opd[i].reg), false, false);
}
