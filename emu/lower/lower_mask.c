// SPDX-License-Identifier: MIT
// PMOVMSKB and its like: sign bits to a general register. What strlen and memchr do with them is
//
//     pmovmskb eax, xmm1 ; ... ; test eax, eax ; jne found            or cmp eax, 0xffff
//
// where the mask itself is wanted on one way out of the block only, and on the other one it is known: 0, or all ones. So eax gets a
// value that is right on that way and differs from it on the other, where the instruction is done in full, and the comparison again.
// Nothing in between can fault or looks at the register, so nobody sees the difference.
#include "emu/lower/lower_avx.h"
#include "emu/lower/lower_mask.h"

// The elements of v (of an instruction's source) are all ones or all zeroes already: the block has just compared them.
static bool is_comparison(const struct lower_context *cx, a64_vreg v, bool wide)
{
    const struct lower_insn *first = &cx->work->insns[cx->block->first];
    if (cx->config->verify)
        return false;
    for (const struct lower_insn *i = cx->insn; i-- > first;) {
        const struct x64_insn *x = &i->x;
        if (x64_op_info((enum x64_op)x->op)->attributes & X64_A_VECTOR_ALL)
            return false;
        switch (x->op) {
        case X64_VPCMPEQB: case X64_VPCMPEQW: case X64_VPCMPEQD: case X64_VPCMPEQQ:
        case X64_VPCMPGTB: case X64_VPCMPGTW: case X64_VPCMPGTD: case X64_VPCMPGTQ:
        case X64_PCMPEQB: case X64_PCMPEQW: case X64_PCMPEQD: case X64_PCMPEQQ:
        case X64_PCMPGTB: case X64_PCMPGTW: case X64_PCMPGTD: case X64_PCMPGTQ:
            if (x->opd[0].kind != X64_OPD_MMX && x->opd[0].reg == v)
                return x->opd[0].kind == (wide ? X64_OPD_YMM : X64_OPD_XMM);
            break;
        case X64_PCMPISTRM: case X64_PCMPESTRM: case X64_VPCMPISTRM: case X64_VPCMPESTRM:
            return false;
        default:
            for (unsigned j = 0; j < x->operand_count; j++)
                if ((x->opd[j].kind == X64_OPD_XMM || x->opd[j].kind == X64_OPD_YMM) && x->opd[j].reg == v && x->opd[j].access & X64_WRITE)
                    return false;
        }
    }
    return false;
}

static enum a64_arr elements(const struct x64_insn *insn)
{
    switch (insn->op) {
    case X64_MOVMSKPS: case X64_VMOVMSKPS: return A64_4S;
    case X64_MOVMSKPD: case X64_VMOVMSKPD: return A64_2D;
    default: return A64_16B;
    }
}

// Whether x may stand between the mask and its test.
static bool harmless(const struct x64_insn *x, unsigned reg)
{
    lower_function *function = lower_choose(x);
    if (!function || function == lower_in_kernel || x64_may_fault(x) || x64_op_info((enum x64_op)x->op)->attributes & X64_A_VECTOR_ALL
        || (x64_gprs_read(x) | x64_gprs_written(x)) >> reg & 1)
        return false;
    for (unsigned i = 0; i < x->operand_count; i++)
        if (x->opd[i].kind != X64_OPD_GPR && x->opd[i].kind != X64_OPD_IMM && x->opd[i].kind != X64_OPD_MEM && x->opd[i].kind != X64_OPD_GPR8_HIGH)
            return false;
    return true;
}

enum sought { NOT_SOUGHT, NO_BIT, ALL_BITS };

// What the end of the block asks about the register that insn, the instruction being lowered, writes. *test is the comparison.
static enum sought find_test(const struct lower_context *cx, const struct x64_insn *insn, const struct lower_insn **test)
{
    const struct lower_block *k = cx->block;
    const struct lower_insn *insns = cx->work->insns, *jump = &insns[k->first + k->count - 1];
    unsigned reg = insn->opd[0].reg;
    if (cx->config->verify || k->end != END_BRANCH || jump < cx->insn + 2 || jump->x.op != X64_JCC || reg == X64_RSP
        || (jump->x.cond != X64_CC_E && jump->x.cond != X64_CC_NE))
        return NOT_SOUGHT;
    *test = jump - 1;
    for (const struct lower_insn *i = cx->insn + 1; i < *test; i++)
        if (!harmless(&i->x, reg))
            return NOT_SOUGHT;
    const struct x64_operand *left = &(*test)->x.opd[0], *right = &(*test)->x.opd[1];
    if (left->kind != X64_OPD_GPR || left->reg != reg || left->size < 4)
        return NOT_SOUGHT;
    if ((*test)->x.op == X64_TEST)
        return right->kind == X64_OPD_GPR && right->reg == reg ? NO_BIT : NOT_SOUGHT;
    if ((*test)->x.op != X64_CMP || right->kind != X64_OPD_IMM)
        return NOT_SOUGHT;
    if (right->value == 0)
        return NO_BIT;
    if (elements(insn) == A64_16B && !avx_wide(insn) && right->value == 0xffff)
        return ALL_BITS;
    return elements(insn) == A64_16B && avx_wide(insn) && left->size == 4 && (uint32_t)right->value == 0xffffffff ? ALL_BITS : NOT_SOUGHT;
}

bool lower_mask_stand_in(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    const struct lower_insn *test = 0;
    enum sought sought = cx->mask_finishing ? NOT_SOUGHT : find_test(cx, insn, &test);
    if (sought == NOT_SOUGHT)
        return false;
    enum a64_arr arr = elements(insn);
    a64_vreg v = insn->opd[1].reg;
    bool ready = arr == A64_16B && is_comparison(cx, v, avx_wide(insn));
    if (avx_wide(insn)) {
        a64_vreg high = avx_high(cx, v);
        (sought == NO_BIT ? a64_orr_v : a64_and_v)(b, A64_16B, 16, high, v);
        v = 16;
    }
    if (!ready) {
        a64_cmlt_zero(b, arr, 16, v);
        v = 16;
    }
    if (sought == NO_BIT)
        a64_umaxv(b, A64_4S, 16, v);
    else                                                // the least half-word, or word, is all ones only if each byte is
        a64_uminv(b, avx_wide(insn) ? A64_4S : A64_8H, 16, v);
    a64_fmov_to_general(b, A64_W, lower_gpr(insn->opd[0].reg), 16);
    cx->mask = cx->insn;
    cx->mask_taken = test[1].x.cond == X64_CC_NE;
    return true;
}

void lower_mask_finish(struct lower_context *cx, const struct lower_insn *mask)
{
    const struct lower_block *k = cx->block;
    const struct lower_insn *test = &cx->work->insns[k->first + k->count - 2], *insn = cx->insn;
    const struct lower_insn *const parts[] = { mask, test };
    uint16_t live = cx->live;
    cx->mask = 0;
    cx->mask_finishing = true;
    for (unsigned i = 0; i < 2; i++) {
        cx->insn = parts[i];
        cx->live = parts[i]->live;
        cx->temps = 0;
        if (!lower_choose(&parts[i]->x)(cx, &parts[i]->x))
            cx->b->bad = true;
    }
    cx->mask_finishing = false;
    cx->insn = insn;
    cx->live = live;
    cx->temps = 0;
}

// ---- the masks themselves

// The mask has been made in the low 2^log2_bytes bytes of v16.
static bool mask_in_v16(struct lower_context *cx, const struct x64_insn *insn, unsigned log2_bytes)
{
    a64_reg r = lower_destination(cx, &insn->opd[0]);
    a64_umov(cx->b, log2_bytes, r, 16, 0);
    lower_write(cx, &insn->opd[0], r);
    return true;
}

bool lower_PMOVMSKB(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    if (!lower_sse_form(insn))
        return false;
    if (lower_mask_stand_in(cx, insn))
        return true;
    // Each byte's sign selects its bit of the result; three pairwise sums bring the bits together.
    a64_vreg v = insn->opd[1].reg;
    lower_literal_v(cx, 17, 0x8040201008040201ull, 0x8040201008040201ull);
    if (v >= 16 || !is_comparison(cx, v, false)) {
        a64_cmlt_zero(b, A64_16B, 16, v);
        v = 16;
    }
    a64_and_v(b, A64_16B, 16, v, 17);
    a64_addp(b, A64_16B, 16, 16, 16);
    a64_addp(b, A64_16B, 16, 16, 16);
    a64_addp(b, A64_16B, 16, 16, 16);
    return mask_in_v16(cx, insn, 1);
}

bool lower_MOVMSKPS(struct lower_context *cx, const struct x64_insn *insn)
{
    if (insn->opd[1].reg < 16 && lower_mask_stand_in(cx, insn))
        return true;
    lower_literal_v(cx, 17, 0x0000000100000000ull, 0x0000000300000002ull);
    a64_ushr(cx->b, A64_4S, 16, insn->opd[1].reg, 31);
    a64_ushl(cx->b, A64_4S, 16, 16, 17);
    a64_addv(cx->b, A64_4S, 16, 16);
    return mask_in_v16(cx, insn, 2);
}

bool lower_MOVMSKPD(struct lower_context *cx, const struct x64_insn *insn)
{
    if (lower_mask_stand_in(cx, insn))
        return true;
    a64_reg low = lower_temp(cx), high = lower_destination(cx, &insn->opd[0]);
    a64_fmov_to_general(cx->b, A64_X, low, insn->opd[1].reg);
    a64_umov(cx->b, 3, high, insn->opd[1].reg, 1);
    a64_lsr_imm(cx->b, A64_X, high, high, 62);
    a64_bfxil(cx->b, A64_X, high, low, 63, 1);
    lower_write(cx, &insn->opd[0], high);
    return true;
}

bool lower_VPMOVMSKB(struct lower_context *cx, const struct x64_insn *insn)
{
    struct a64_buf *b = cx->b;
    if (!avx_wide(insn))
        return lower_PMOVMSKB(cx, insn);
    if (lower_mask_stand_in(cx, insn))
        return true;
    a64_vreg m = insn->opd[1].reg, high = avx_high(cx, m);
    lower_literal_v(cx, 17, 0x8040201008040201ull, 0x8040201008040201ull);
    if (!is_comparison(cx, m, true)) {
        a64_cmlt_zero(b, A64_16B, 16, m);
        a64_cmlt_zero(b, A64_16B, 18, high);
        m = 16;
        high = 18;
    }
    a64_and_v(b, A64_16B, 16, m, 17);
    a64_and_v(b, A64_16B, 18, high, 17);
    a64_addp(b, A64_16B, 16, 16, 18);
    a64_addp(b, A64_16B, 16, 16, 16);
    a64_addp(b, A64_16B, 16, 16, 16);
    return mask_in_v16(cx, insn, 2);
}

// Signs of the elements of a whole ymm register: made words of 16, then bytes.
static bool sign_mask(struct lower_context *cx, const struct x64_insn *insn, lower_function *function, enum a64_arr arr)
{
    struct x64_insn i = *insn;
    if (!avx_wide(insn))
        return function(cx, insn);
    if (lower_mask_stand_in(cx, insn))
        return true;
    a64_uzp2(cx->b, arr, AVX_LOW, insn->opd[1].reg, avx_high(cx, insn->opd[1].reg));
    i.opd[1].kind = X64_OPD_XMM;
    i.opd[1].reg = AVX_LOW;
    i.form &= (uint8_t)~X64_F_256;
    if (arr == A64_4S)                              // four doubles: four words
        return lower_MOVMSKPS(cx, &i);
    lower_literal_v(cx, 17, 0x0003000200010000ull, 0x0007000600050004ull);
    a64_ushr(cx->b, A64_8H, AVX_LOW, AVX_LOW, 15);  // eight singles: eight halfwords
    a64_ushl(cx->b, A64_8H, AVX_LOW, AVX_LOW, 17);
    a64_addv(cx->b, A64_8H, 16, AVX_LOW);
    return mask_in_v16(cx, insn, 1);
}
bool lower_VMOVMSKPS(struct lower_context *cx, const struct x64_insn *insn) { return sign_mask(cx, insn, lower_MOVMSKPS, A64_8H); }
bool lower_VMOVMSKPD(struct lower_context *cx, const struct x64_insn *insn) { return sign_mask(cx, insn, lower_MOVMSKPD, A64_4S); }
