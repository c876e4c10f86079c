// SPDX-License-Identifier: MIT
// AES, PCLMULQDQ, SHA and CRC32 for cores that have no such instructions (emu/crypto).
#include "emu/run/machine.h"

#include "emu/crypto/crypto.h"

enum emu_outcome machine_run_crypto(struct machine *m)
{
    const struct x64_insn *insn = m->insn;
    bool vex = insn->form & X64_F_VEX, three = vex && insn->operand_count > 2 && insn->opd[2].kind != X64_OPD_IMM;
    unsigned last = insn->operand_count - 1u, bytes = insn->opd[0].kind == X64_OPD_YMM ? 32 : 16;
    unsigned extra = insn->opd[last].kind == X64_OPD_IMM ? (unsigned)insn->opd[last].value & 0xff : 0;
    uint8_t a[32], b[32], out[32] = { 0 };
    uint64_t xmm0[2];
    if (!machine_operand_read(m, three ? 1 : 0, a, bytes) || !machine_operand_read(m, three ? 2 : 1, b, bytes))
        return EMU_EXCEPTION;
    machine_vector_get(0, xmm0);
    for (unsigned i = 0; i < bytes; i += 16)
        if (!crypto_vector(insn->op, a + i, b + i, (const uint8_t *)xmm0, extra, out + i))
            return EMU_NOT_MINE;
    return machine_operand_write(m, 0, out, vex ? 32 : 16) ? EMU_RESUME : EMU_EXCEPTION;
}

enum emu_outcome machine_run_crc32(struct machine *m)
{
    const struct x64_insn *insn = m->insn;
    uint64_t value, crc;
    enum emu_outcome outcome = machine_operand_get(m, &insn->opd[1], &value);
    if (outcome == EMU_RESUME)
        outcome = machine_operand_get(m, &insn->opd[0], &crc);
    if (outcome != EMU_RESUME)
        return outcome;
    machine_gpr_put(m, insn->opd[0].reg, 8, crypto_crc32c((uint32_t)crc, value, insn->opd[1].size));
    return EMU_RESUME;
}
