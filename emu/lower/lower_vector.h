// SPDX-License-Identifier: MIT
// What some of SSE2, SSE3 to SSE4.2, AES, PCLMULQDQ and SHA do, on registers: for the legacy forms (lower_sse4.h) and for the VEX forms alike.
//
//   vector_NAME(cx, vd, n, m, extra)   vd = NAME(n, m). All 128 bits of vd are written.
//     vd, n and m may be one register; n and m are not v16..v23, which are scratch here. Operations of one source ignore n.
//     extra: the immediate; of PBLENDVB, BLENDVPS and BLENDVPD the register of the mask, of SHA256RNDS2 that of the keys.
// A 256-bit VEX instruction is the same done twice, except where it crosses the halves.
#pragma once
#include "emu/lower/lower_sse.h"

// vd = one arm64 instruction of n and m, arrangement
#define VECTOR_PACKED(X) \
    X(PHADDW, addp, 8H) X(PHADDD, addp, 4S) X(PMINSB, smin, 16B) X(PMINSD, smin, 4S) X(PMINUW, umin, 8H) X(PMINUD, umin, 4S) \
    X(PMAXSB, smax, 16B) X(PMAXSD, smax, 4S) X(PMAXUW, umax, 8H) X(PMAXUD, umax, 4S) X(PCMPEQQ, cmeq, 2D) X(PCMPGTQ, cmgt, 2D) \
    X(PMULLD, mul_v, 4S)
// SSE2: lower_sse_integer.c
#define VECTOR_SSE2(X) \
    X(PANDN) X(ANDNPS) X(ANDNPD) X(PACKSSWB) X(PACKSSDW) X(PACKUSWB) X(PMULHW) X(PMULHUW) X(PMULUDQ) X(PMADDWD) X(PSADBW)
// vd = op of the even elements and the odd elements of n:m
#define VECTOR_PAIRS(X) X(PHADDSW, sqadd, 8H) X(PHSUBW, sub_v, 8H) X(PHSUBD, sub_v, 4S) X(PHSUBSW, sqsub, 8H)
// elements of m made wider: how often, by what, from what
#define VECTOR_WIDEN(X) \
    X(PMOVSXBW, sshll, 0, 1) X(PMOVSXBD, sshll, 0, 2) X(PMOVSXBQ, sshll, 0, 3) X(PMOVSXWD, sshll, 1, 1) X(PMOVSXWQ, sshll, 1, 2) \
    X(PMOVSXDQ, sshll, 2, 1) X(PMOVZXBW, ushll, 0, 1) X(PMOVZXBD, ushll, 0, 2) X(PMOVZXBQ, ushll, 0, 3) X(PMOVZXWD, ushll, 1, 1) \
    X(PMOVZXWQ, ushll, 1, 2) X(PMOVZXDQ, ushll, 2, 1)
// absolute value, sign, selection by the sign of a mask: arrangement
#define VECTOR_ABS(X) X(PABSB, 16B) X(PABSW, 8H) X(PABSD, 4S)
#define VECTOR_SIGN(X) X(PSIGNB, 16B) X(PSIGNW, 8H) X(PSIGND, 4S)
#define VECTOR_SELECT(X) X(PBLENDVB, 16B) X(BLENDVPS, 4S) X(BLENDVPD, 2D)
// elements of m where the immediate has ones, else n: log2 of an element's bytes
#define VECTOR_BLEND(X) X(PBLENDW, 1) X(BLENDPS, 2) X(BLENDPD, 3)
// functions of their own: lower_sse4.c, lower_sse4_float.c
#define VECTOR_OTHER(X) \
    X(PSHUFB) X(PMADDUBSW) X(PMULHRSW) X(PALIGNR) X(PMULDQ) X(PACKUSDW) X(PHMINPOSUW) X(MPSADBW) X(INSERTPS) \
    X(MOVSLDUP) X(MOVSHDUP) X(MOVDDUP) X(ADDSUBPS) X(ADDSUBPD) X(HADDPS) X(HADDPD) X(HSUBPS) X(HSUBPD) X(DPPS) X(DPPD) \
    X(ROUNDPS) X(ROUNDPD) X(ROUNDSS) X(ROUNDSD)
// lower_crypto.c: name, the feature of the core without which the instruction is not there
#define VECTOR_CRYPTO(X) \
    X(AESENC, aes) X(AESENCLAST, aes) X(AESDEC, aes) X(AESDECLAST, aes) X(AESIMC, aes) X(AESKEYGENASSIST, aes) X(PCLMULQDQ, pmull) \
    X(SHA1NEXTE, sha1) X(SHA1MSG1, sha1) X(SHA1MSG2, sha1) X(SHA1RNDS4, sha1) X(SHA256RNDS2, sha2) X(SHA256MSG1, sha2) X(SHA256MSG2, sha2)

#define VECTOR_ALL(X) \
    VECTOR_PACKED(X) VECTOR_SSE2(X) VECTOR_PAIRS(X) VECTOR_WIDEN(X) VECTOR_ABS(X) VECTOR_SIGN(X) VECTOR_SELECT(X) VECTOR_BLEND(X) VECTOR_OTHER(X) \
    VECTOR_CRYPTO(X)

#define X(name, ...) void vector_##name(struct lower_context *cx, a64_vreg vd, a64_vreg n, a64_vreg m, unsigned extra);
VECTOR_ALL(X)
#undef X

// DPPS, DPPD: no product is chosen, the sums are zero.
static inline bool lower_is_no_sum(const struct x64_insn *insn)
{
    bool dps = insn->op == X64_DPPS || insn->op == X64_VDPPS, dpd = insn->op == X64_DPPD || insn->op == X64_VDPPD;
    unsigned chosen = (unsigned)insn->opd[insn->operand_count - 1].value & 0xff;
    return (dps && chosen < 0x10) || (dpd && !(chosen & 0x30));
}

// vd = the elements of n shifted by an immediate or by the low quadword of a vector operand.
#define X(name, ...) void vector_shift_##name(struct lower_context *cx, a64_vreg vd, a64_vreg n, const struct x64_operand *by);
SSE_SHIFT(X)
#undef X

// The flags of PTEST: ZF = (zero is 0), CF = (carry is 0), the others 0. The two vectors are left alone; v16 is scratch, and neither of them.
void lower_flags_test(struct lower_context *cx, a64_vreg zero, a64_vreg carry);
