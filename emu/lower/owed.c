// SPDX-License-Identifier: MIT
// Shadow entries that are made late, or never. A paired call comes with both addresses of its return in x10 and x30 (run/ctx.h). A leaf
// needs no entry: they stay there, owed to the shadow stack, until the RET, which compares x10 with what it pops and goes to x30. Whatever may
// change the registers, leave the region or take long gets the entry made first. Being owed is a part of a version's state (join.c);
// lower_temp hands out neither of the two meanwhile.
//
// Sure: nothing has been stored where the return address is, at rsp + at, since the call has put it there, so that the RET need not even
// compare. Without x86-TSO nobody else stores there. With it another thread may; but a load that finds the own store in the store buffer may come
// before all that others do, unless there was a load after that store (Intel SDM vol. 3, 9.2.3.5): then the RET does look. Where return points may
// read flags, x10 says so, and is compared.
#include "emu/lower/lazy.h"

bool lower_owed_takes(const struct lower_context *cx, const struct lower_insn *insn)
{
    const struct x64_insn *x = &insn->x;
    const struct lower_block *k = &cx->work->blocks[insn->block];
    if (!insn->function || insn->function == lower_in_kernel || x->prefixes || insn->loose)
        return false;
    if (x->op == X64_JCC || x->op == X64_NOP || (x->op == X64_RET && x->opsize == 8 && !k->taken_in))
        return true;
    if (x->op == X64_JMP)
        return k->end == END_JUMP && k->taken >= 0;
    if (x->op == X64_PUSH || x->op == X64_POP)
        return x->opsize == 8 && (lower_is_low(&x->opd[0]) || x->opd[0].kind == X64_OPD_IMM);
    return lower_is_plain(x);
}

// Whether the store may hit the return address.
static bool hits(const struct lower_owed *owed, const struct x64_insn *x)
{
    const struct x64_mem *m = &x->mem;
    if (x->op == X64_PUSH || x->op == X64_CALL)
        return owed->at < 0;
    bool away = (x->op == X64_BTS || x->op == X64_BTR || x->op == X64_BTC) && x->opd[1].kind != X64_OPD_IMM;   // not at its address alone
    unsigned size = x->opd[x->mem_operand].size;
    if (!(x->form & X64_F_MEM) || m->base != X64_RSP || m->index != X64_REG_NONE || m->segment != X64_SEGMENT_NONE || m->address_size != 8 || m->vsib
        || x->op == X64_POP || away || !size)
        return true;
    return m->disp < owed->at + 8 && owed->at < m->disp + (int64_t)size;
}

void lower_owed_step(const struct lower_context *cx, struct lower_owed *owed, const struct x64_insn *x)
{
    enum { FAR = 1 << 14 };
    bool loads = x64_reads_memory(x) && x->op != X64_LEA, stores = x64_writes_memory(x);
    bool moves = (x->op == X64_ADD || x->op == X64_SUB) && x->opd[0].kind == X64_OPD_GPR && x->opd[0].reg == X64_RSP && x->opsize == 8
                 && x->opd[1].kind == X64_OPD_IMM && x->opd[1].value > -FAR && x->opd[1].value < FAR;
    bool pops_rsp = x->op == X64_POP && x->opd[0].kind == X64_OPD_GPR && x->opd[0].reg == X64_RSP;
    int at = owed->at;
    lower_function *function = lower_choose(x);
    bool drains = x->op == X64_MFENCE || !function || function == lower_in_kernel;      // the store buffer
    if ((stores && hits(owed, x)) || ((loads || drains) && lower_tso(cx)))
        owed->sure = false;
    if (moves)
        at -= x->op == X64_ADD ? (int)x->opd[1].value : -(int)x->opd[1].value;
    else if (x->op == X64_PUSH || x->op == X64_CALL)
        at += x->opsize;
    else if (x->op == X64_POP && !pops_rsp)
        at -= x->opsize;
    else if (x->op == X64_RET)
        at -= 8 + (x->operand_count ? (uint16_t)x->opd[0].value : 0);
    else if (x64_gprs_written(x) & 1u << X64_RSP)
        owed->sure = false;
    if (at <= -FAR || at >= FAR)
        owed->sure = false;
    owed->at = (int16_t)(owed->sure ? at : 0);
}

void lower_owed_after(struct lower_context *cx, const struct x64_insn *x)
{
    if (cx->owed.is)
        lower_owed_step(cx, &cx->owed, x);
}

bool lower_owed_is_sure(const struct lower_context *cx)
{
    return cx->owed.is && cx->owed.sure && !cx->owed.at && cx->config->no_readers;
}

void lower_owed_pay(struct lower_context *cx)
{
    if (!cx->owed.is)
        return;
    lower_shadow_push(cx);
    cx->owed = (struct lower_owed){ 0 };
    if (cx->insn)
        lower_point_here(cx);
}

// Blocks from which a RET is reached with it owed all the way: without a call, a loop, or what lower_owed_takes refuses.
static void find_leaves(struct lower_context *cx)
{
    struct lower_block *blocks = cx->work->blocks;
    for (uint32_t i = 0; i < cx->block_count; i++) {
        struct lower_block *k = &blocks[i];
        k->keeps = k->loop_head < 0;
        for (unsigned j = 0; j < k->count && k->keeps; j++)
            k->keeps = lower_owed_takes(cx, &cx->work->insns[k->first + j]);
        k->leaf = k->keeps && k->end == END_INDIRECT && lower_last(cx, k)->x.op == X64_RET;
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = cx->block_count; i-- > 0;) {
            struct lower_block *k = &blocks[i];
            bool leads = (k->next >= 0 && blocks[k->next].leaf) || (k->taken >= 0 && k->end != END_CALL && blocks[k->taken].leaf);
            if (k->keeps && !k->leaf && leads)
                k->leaf = changed = true;
        }
    }
}

int lower_owed_begin(struct lower_context *cx)
{
    for (uint32_t i = 0; i < cx->block_count; i++)
        cx->work->blocks[i].leaf = false;
    if (!cx->config->stub_return || cx->config->verify || cx->sparing)
        return -1;
    find_leaves(cx);
    for (uint32_t i = 0; i < cx->block_count; i++)
        if (cx->work->blocks[i].rip == cx->requested && !cx->work->blocks[i].depth)
            return cx->work->blocks[i].leaf ? (int)i : -1;
    return -1;
}
