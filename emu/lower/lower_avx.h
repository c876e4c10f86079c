// SPDX-License-Identifier: MIT
// AVX and AVX2. The low 128 bits of ymm n are v n; the upper 128 are memory at [x28, #CTX_YMM_HIGH + 16 n], and cx->facts.high_zero has a
// bit for each register whose upper half is known to be zero in this block. Legacy SSE leaves the upper half alone.
//
// Most VEX forms are an operation with three operands, or the legacy lowering on scratch registers, done for each half: v24..v31 are this family's, v16..v23 (and v24, v25 in
// the string instructions) the legacy one's.
// X(V name, legacy name, how far the immediate is shifted right for the upper half)
#pragma once
#include "emu/lower/lower_sse4.h"

// destination, first source, second source[, immediate]
#define AVX_CRYPTO(X) X(AESENC, aes) X(AESENCLAST, aes) X(AESDEC, aes) X(AESDECLAST, aes) X(PCLMULQDQ, pmull)
#define AVX_CRYPTO_TWO(X) X(AESIMC, aes) X(AESKEYGENASSIST, aes)
// all of SSE_PACKED and SSE_SHIFT; of lower_vector.h:
#define AVX_VECTOR(X) \
    X(PANDN, 0) X(ANDNPS, 0) X(ANDNPD, 0) X(PACKSSWB, 0) X(PACKSSDW, 0) X(PACKUSWB, 0) X(PACKUSDW, 0) X(PMULHW, 0) X(PMULHUW, 0) \
    X(PMULUDQ, 0) X(PMADDWD, 0) X(PSADBW, 0) X(PHADDW, 0) X(PHADDD, 0) X(PHADDSW, 0) X(PHSUBW, 0) X(PHSUBD, 0) X(PHSUBSW, 0) \
    X(PMINSB, 0) X(PMINSD, 0) X(PMINUW, 0) X(PMINUD, 0) X(PMAXSB, 0) X(PMAXSD, 0) X(PMAXUW, 0) X(PMAXUD, 0) X(PCMPEQQ, 0) \
    X(PCMPGTQ, 0) X(PMULLD, 0) X(PSIGNB, 0) X(PSIGNW, 0) X(PSIGND, 0) \
    X(PMADDUBSW, 0) X(PMULHRSW, 0) X(PMULDQ, 0) X(MPSADBW, 3) X(INSERTPS, 0) \
    X(ADDSUBPS, 0) X(ADDSUBPD, 0)
// the legacy lowering on a copy of the first source
#define AVX_THREE(X) \
    X(ADDPS, 0) X(ADDPD, 0) X(SUBPS, 0) X(SUBPD, 0) X(MULPS, 0) X(MULPD, 0) X(DIVPS, 0) X(DIVPD, 0) X(MINPS, 0) X(MINPD, 0) \
    X(MAXPS, 0) X(MAXPD, 0) X(HADDPS, 0) \
    X(HADDPD, 0) X(HSUBPS, 0) X(HSUBPD, 0) X(DPPS, 0) X(DPPD, 0) X(ADDSS, 0) X(ADDSD, 0) X(SUBSS, 0) X(SUBSD, 0) X(MULSS, 0) \
    X(MULSD, 0) X(DIVSS, 0) X(DIVSD, 0) X(MINSS, 0) X(MINSD, 0) X(MAXSS, 0) X(MAXSD, 0) X(SQRTSS, 0) X(SQRTSD, 0) X(RCPSS, 0) \
    X(RSQRTSS, 0) X(CVTSS2SD, 0) X(CVTSD2SS, 0) X(CVTSI2SS, 0) X(CVTSI2SD, 0) X(ROUNDSS, 0) X(ROUNDSD, 0) \
    X(PINSRB, 0) X(PINSRW, 0) X(PINSRD, 0) X(PINSRQ, 0) \
   
// destination, source[, immediate]
#define AVX_TWO(X) \
    X(SQRTPS, 0) X(SQRTPD, 0) X(RCPPS, 0) X(RSQRTPS, 0) X(CVTDQ2PS, 0) X(CVTPS2DQ, 0) X(CVTTPS2DQ, 0) X(PSHUFD, 0) X(PSHUFLW, 0) \
    X(PSHUFHW, 0) X(PABSB, 0) X(PABSW, 0) X(PABSD, 0) X(PHMINPOSUW, 0) X(MOVSLDUP, 0) X(MOVSHDUP, 0) X(MOVDDUP, 0) X(ROUNDPS, 0) X(ROUNDPD, 0)
// the source is half as long, a quarter, an eighth: bytes of it in each half of the result
#define AVX_WIDEN(X) \
    X(CVTPS2PD, 8) X(CVTDQ2PD, 8) X(PMOVSXBW, 8) X(PMOVSXBD, 4) X(PMOVSXBQ, 2) X(PMOVSXWD, 8) X(PMOVSXWQ, 4) X(PMOVSXDQ, 8) \
    X(PMOVZXBW, 8) X(PMOVZXBD, 4) X(PMOVZXBQ, 2) X(PMOVZXWD, 8) X(PMOVZXWQ, 4) X(PMOVZXDQ, 8)
#define AVX_NARROW(X) X(CVTPD2PS, 0) X(CVTPD2DQ, 0) X(CVTTPD2DQ, 0)
// the legacy lowering as it is, no vector register written
#define AVX_READ(X) \
    X(CVTTSS2SI) X(CVTTSD2SI) X(CVTSS2SI) X(CVTSD2SI) X(UCOMISS) X(UCOMISD) X(COMISS) X(COMISD) X(PEXTRB) X(PEXTRW) X(PEXTRD) X(PEXTRQ) \
    X(EXTRACTPS) X(PCMPESTRI) X(PCMPISTRI) X(MASKMOVDQU) X(LDMXCSR) X(STMXCSR)
#define AVX_MOVE(X) \
    X(MOVAPS) X(MOVAPD) X(MOVDQA) X(MOVUPS) X(MOVUPD) X(MOVDQU) X(MOVNTPS) X(MOVNTPD) X(MOVNTDQ) X(MOVNTDQA) X(LDDQU)
#define AVX_SELECT(X) X(PBLENDVB) X(BLENDVPS) X(BLENDVPD)
// functions of their own
#define AVX_OTHER(X) \
    X(MOVSS) X(MOVSD) X(MOVD) X(MOVQ) X(PCMPESTRM) X(PCMPISTRM) X(MOVMSKPS) X(MOVMSKPD) X(PMOVMSKB) X(PTEST) X(TESTPS) X(TESTPD) \
    X(CMPPS) X(CMPPD) X(CMPSS) X(CMPSD) X(ZEROUPPER) X(ZEROALL) X(BROADCASTSS) X(BROADCASTSD) X(PBROADCASTB) X(PBROADCASTW) X(PBROADCASTD) \
    X(PBROADCASTQ) X(BROADCASTF128) X(BROADCASTI128) X(INSERTF128) X(INSERTI128) X(EXTRACTF128) X(EXTRACTI128) X(PERM2F128) X(PERM2I128) \
    X(PERMQ) X(PERMPD) X(PERMD) X(PERMPS) X(PERMILPS) X(PERMILPD) X(PBLENDD) X(PBLENDW) X(BLENDPS) X(BLENDPD) \
    X(PSHUFB) X(PALIGNR) X(PSLLDQ) X(PSRLDQ) X(SHUFPS) X(SHUFPD) X(MOVHLPS) X(MOVLHPS) X(MOVLPS) X(MOVLPD) X(MOVHPS) X(MOVHPD) X(PSLLVD) X(PSLLVQ) X(PSRLVD) X(PSRLVQ) X(PSRAVD) \
    X(MASKMOVPS) X(MASKMOVPD) X(PMASKMOVD) X(PMASKMOVQ) X(CVTPH2PS) X(CVTPS2PH)

// log2 of the bytes of an index, of an element
#define AVX_GATHER(X) \
    X(PGATHERDD, 2, 2) X(PGATHERDQ, 2, 3) X(PGATHERQD, 3, 2) X(PGATHERQQ, 3, 3) X(GATHERDPS, 2, 2) X(GATHERDPD, 2, 3) X(GATHERQPS, 3, 2) \
    X(GATHERQPD, 3, 3)

// FMA: order of the operands, type; the elements of the third term that are negated (bit 0 the even ones, bit 1 the odd ones), whether
// the product is
#define FMA_KINDS(X, order, type) \
    X(FMADD, order, type, 0, false) X(FMSUB, order, type, 3, false) X(FNMADD, order, type, 0, true) X(FNMSUB, order, type, 3, true)
#define FMA_MIXED(X, order, type) X(FMADDSUB, order, type, 1, false) X(FMSUBADD, order, type, 2, false)
#define FMA_TYPES(X, order) \
    FMA_KINDS(X, order, PS) FMA_KINDS(X, order, PD) FMA_KINDS(X, order, SS) FMA_KINDS(X, order, SD) FMA_MIXED(X, order, PS) FMA_MIXED(X, order, PD)
#define FMA_ALL(X) FMA_TYPES(X, 132) FMA_TYPES(X, 213) FMA_TYPES(X, 231)

#define AVX_ALL(X) \
    SSE_PACKED(X) SSE_SHIFT(X) AVX_VECTOR(X) AVX_THREE(X) AVX_TWO(X) AVX_WIDEN(X) AVX_NARROW(X) AVX_READ(X) AVX_MOVE(X) AVX_SELECT(X) AVX_OTHER(X) AVX_GATHER(X) AVX_CRYPTO(X) AVX_CRYPTO_TWO(X)

#define X(name, ...) lower_function lower_V##name;
AVX_ALL(X)
#undef X
#define X(name, order, type, ...) lower_function lower_V##name##order##type;
FMA_ALL(X)
#undef X

// ---- lower_avx_upper.c: the upper halves. Memory is always up to date; what is read or written stays in the register where it was, so that
// the next instructions of a straight line need not load it.
enum { AVX_LOW = 28, AVX_M_LOW = 30 };          // a low half on its way; the second source if it is in memory

static inline bool avx_wide(const struct x64_insn *insn) { return insn->form & X64_F_256; }
a64_vreg avx_take(struct lower_context *cx);                                // one of v24..v26, v29, v31: the instruction's until its end, at most five
void avx_reserve(struct lower_context *cx, a64_vreg v);                     // avx_take and avx_high give others than this one
a64_vreg avx_high(struct lower_context *cx, unsigned ymm);                  // a register with the upper half, to be read only
a64_vreg avx_high_own(struct lower_context *cx, unsigned ymm);              // one that may be changed
void avx_high_read(struct lower_context *cx, a64_vreg v, unsigned ymm);     // v = the upper half
void avx_high_write(struct lower_context *cx, unsigned ymm, a64_vreg v);    // v must not change in this instruction
void avx_high_written(struct lower_context *cx, unsigned ymm);              // memory has been changed by other means
void avx_high_clear(struct lower_context *cx, unsigned ymm);
void avx_high_clear_all(struct lower_context *cx);                          // v16 is scratch
// Upper half of the destination: v, or zero if the instruction has 128 bits.
void avx_high_finish(struct lower_context *cx, const struct x64_insn *insn, a64_vreg v);

// Of what the registers hold where the code goes on behind d->back (noted in d->reg): before the label, after it, and by the code out of line.
void avx_upper_keep(struct lower_context *cx, struct lower_deferred *d);
void avx_upper_kept(struct lower_context *cx, const struct lower_deferred *d);
void avx_upper_restore(struct lower_context *cx, const struct lower_deferred *d);

// ---- lower_avx.c
// The halves of a vector operand, to be read only; a memory operand is loaded, its low half into AVX_M_LOW. high: of 32 bytes only.
struct avx_value { a64_vreg low, high; };
struct lower_mem avx_address(struct lower_context *cx, const struct x64_insn *insn);     // lower_sse_address of 32 bytes, without an index
struct avx_value avx_source(struct lower_context *cx, const struct x64_insn *insn, const struct x64_operand *opd);
// vd = legacy(first source, second source[, immediate >> shift for the upper half]).
bool avx_three(struct lower_context *cx, const struct x64_insn *insn, lower_function *legacy, unsigned shift);
bool avx_two(struct lower_context *cx, const struct x64_insn *insn, lower_function *legacy, unsigned shift);    // vd = legacy(source[, immediate])

// ---- lower_avx_permute.c
// A register with element i of x and element j of y: `to`, which may be one of them, or one that is so already.
a64_vreg avx_two_elements(struct lower_context *cx, a64_vreg to, a64_vreg x, unsigned i, a64_vreg y, unsigned j);

// ---- lower_avx_float.c: arithmetic of FP_FAST; false: nothing is emitted, it is for avx_three or avx_two.
bool lower_avx_float(struct lower_context *cx, const struct x64_insn *insn, lower_function *legacy);
