// SPDX-License-Identifier: MIT
// What an x64 processor reports of an access that arm64 has refused.
#include "emu/run/runtime.h"

static bool may_write(struct emu_process *p, uint64_t address)
{
    uint8_t byte;
    return aspace_read(p->as, address, &byte, 1, ACCESS_WRITE) == 1;
}

// Whether an access from the lower half of the address space on reaches out of it.
static bool leaves_half(uint64_t start, unsigned bytes)
{
    return start >> 47 == 0 && (start + bytes - 1) >> 47 != 0;
}

static void general_protection(struct exception *exception)
{
    exception->parameters[0] = 0;
    exception->parameters[1] = ~0ull;
}

void emu_fault_as_x64(struct emu_process *p, const struct trap_frame *frame, struct exception *exception)
{
    struct x64_insn insn;
    uint8_t bytes[X64_LENGTH_MAX];
    uint64_t count = aspace_read(p->as, frame->elr, bytes, sizeof bytes, ACCESS_EXECUTE), *kind = &exception->parameters[0];
    uint64_t *address = &exception->parameters[1];
    if (*kind == 8 || x64_decode(bytes, count, frame->elr, &insn) != X64_OK)
        return;
    if (insn.op == X64_ENTER && *address == frame->sp - 8 - 8 * ((uint64_t)insn.opd[1].value & 31) - (uint16_t)insn.opd[0].value)
        *kind = 1;                          // its last access is to the new top of the stack (SDM vol. 2, ENTER)
    if (insn.op == X64_MASKMOVDQU || insn.op == X64_VMASKMOVDQU) {
        uint64_t start = insn.address_size == 4 ? (uint32_t)frame->x[26] : frame->x[26];       // rdi
        *kind = 1;
        if (insn.segment != X64_GS && *address - start < 16 && leaves_half(start, 16))
            general_protection(exception);
    }
    if (x64_op_info(insn.op)->attributes & X64_A_STRING && leaves_half(*address, insn.opsize))
        general_protection(exception);
    bool pops = insn.op == X64_POP || insn.op == X64_RET || insn.op == X64_POPF;
    if (pops && *address - frame->sp < insn.opsize && leaves_half(frame->sp, insn.opsize))
        general_protection(exception);
    // Of gathers and masked moves arm64 has named the very element.
    bool masked = insn.op == X64_VMASKMOVPS || insn.op == X64_VMASKMOVPD || insn.op == X64_VPMASKMOVD || insn.op == X64_VPMASKMOVQ;
    if (masked && insn.opd[0].kind == X64_OPD_MEM)
        *kind = 1;
    unsigned element = insn.op == X64_VMASKMOVPS || insn.op == X64_VPMASKMOVD ? 4 : masked ? 8 : insn.mem.vsib ? insn.opd[insn.mem_operand].size : 0;
    if (element && leaves_half(*address, element))
        general_protection(exception);
    if (!(insn.form & X64_F_MEM) || element)
        return;
    const struct x64_operand *operand = &insn.opd[insn.mem_operand];
    uint64_t start = interpret_address(frame, &insn);
    if (insn.op == X64_POP && insn.mem.base == X64_RSP)
        start += operand->size;             // rsp has moved by then (SDM vol. 2, POP)
    if (*address - start >= operand->size)
        return;                             // another access than that to the operand
    if (leaves_half(start, operand->size)) {
        general_protection(exception);
        return;
    }
    if (!(operand->access & X64_WRITE))
        return;
    *kind = 1;
    if ((start ^ *address) & ~(PAGE_BYTES - 1ull) && !may_write(p, start))
        *address = start;
}
