// SPDX-License-Identifier: MIT
// SSE and SSE2: which function lowers which operation. Each list is read twice: for the dispatch rows (lower_ops_sse.inc) and
// where the family's functions are made. xmm n is v n; v16..v31 are scratch. MMX forms are not lowered: every function refuses
// them.
//
// Alignment: a memory operand that x64 wants aligned is checked unless facts.c knows that it is; the trap is out of line.
// NaN: where the result of an arithmetic operation is one, code out of line makes it what x64 makes of the operands
// (SDM vol. 1 table 4-7: the first that is a NaN, made quiet; else the default NaN, which is negative).
#pragma once
#include "emu/a64/simd.h"
#include "emu/lower/context.h"

// dst = op(dst, src), arrangement: lower_sse_integer.c and _float.c
#define SSE_PACKED(X) \
    X(PADDB, add_v, 16B) X(PADDW, add_v, 8H) X(PADDD, add_v, 4S) X(PADDQ, add_v, 2D) \
    X(PSUBB, sub_v, 16B) X(PSUBW, sub_v, 8H) X(PSUBD, sub_v, 4S) X(PSUBQ, sub_v, 2D) \
    X(PADDSB, sqadd, 16B) X(PADDSW, sqadd, 8H) X(PADDUSB, uqadd, 16B) X(PADDUSW, uqadd, 8H) \
    X(PSUBSB, sqsub, 16B) X(PSUBSW, sqsub, 8H) X(PSUBUSB, uqsub, 16B) X(PSUBUSW, uqsub, 8H) \
    X(PCMPEQB, cmeq, 16B) X(PCMPEQW, cmeq, 8H) X(PCMPEQD, cmeq, 4S) \
    X(PCMPGTB, cmgt, 16B) X(PCMPGTW, cmgt, 8H) X(PCMPGTD, cmgt, 4S) \
    X(PMINUB, umin, 16B) X(PMAXUB, umax, 16B) X(PMINSW, smin, 8H) X(PMAXSW, smax, 8H) \
    X(PAVGB, urhadd, 16B) X(PAVGW, urhadd, 8H) X(PMULLW, mul_v, 8H) \
    X(PAND, and_v, 16B) X(POR, orr_v, 16B) X(PXOR, eor_v, 16B) \
    X(ANDPS, and_v, 16B) X(ANDPD, and_v, 16B) X(ORPS, orr_v, 16B) X(ORPD, orr_v, 16B) X(XORPS, eor_v, 16B) X(XORPD, eor_v, 16B) \
    X(PUNPCKLBW, zip1, 16B) X(PUNPCKLWD, zip1, 8H) X(PUNPCKLDQ, zip1, 4S) X(PUNPCKLQDQ, zip1, 2D) \
    X(PUNPCKHBW, zip2, 16B) X(PUNPCKHWD, zip2, 8H) X(PUNPCKHDQ, zip2, 4S) X(PUNPCKHQDQ, zip2, 2D) \
    X(UNPCKLPS, zip1, 4S) X(UNPCKHPS, zip2, 4S) X(UNPCKLPD, zip1, 2D) X(UNPCKHPD, zip2, 2D)
// dst = op(dst, src) in floating point
#define SSE_PACKED_FLOAT(X) \
    X(ADDPS, fadd_v, 4S) X(ADDPD, fadd_v, 2D) X(SUBPS, fsub_v, 4S) X(SUBPD, fsub_v, 2D) \
    X(MULPS, fmul_v, 4S) X(MULPD, fmul_v, 2D) X(DIVPS, fdiv_v, 4S) X(DIVPD, fdiv_v, 2D)
// low element of dst = op(dst, src), the rest of dst stays
#define SSE_SCALAR(X) \
    X(ADDSS, fadd, W) X(ADDSD, fadd, X) X(SUBSS, fsub, W) X(SUBSD, fsub, X) X(MULSS, fmul, W) X(MULSD, fmul, X) \
    X(DIVSS, fdiv, W) X(DIVSD, fdiv, X)
// shifts of all elements: left or right, by a constant or by the low quadword of the source
#define SSE_SHIFT(X) \
    X(PSLLW, shl_v, ushl, 8H) X(PSLLD, shl_v, ushl, 4S) X(PSLLQ, shl_v, ushl, 2D) \
    X(PSRLW, ushr, ushl, 8H) X(PSRLD, ushr, ushl, 4S) X(PSRLQ, ushr, ushl, 2D) X(PSRAW, sshr, sshl, 8H) X(PSRAD, sshr, sshl, 4S)
// functions of their own
#define SSE_OTHER(X) \
    X(PSLLDQ) X(PSRLDQ) \
    X(PSHUFD) X(PSHUFLW) X(PSHUFHW) X(SHUFPS) X(SHUFPD) X(PINSRW) X(PEXTRW) X(PMOVMSKB) X(MOVMSKPS) \
    X(MOVMSKPD) X(MASKMOVDQU) X(MOVAPS) X(MOVAPD) X(MOVDQA) X(MOVUPS) X(MOVUPD) X(MOVDQU) X(MOVNTPS) X(MOVNTPD) X(MOVNTDQ) \
    X(MOVSS) X(MOVSD) X(MOVLPS) X(MOVLPD) X(MOVHPS) X(MOVHPD) X(MOVHLPS) X(MOVLHPS) X(MOVD) X(MOVQ) \
    X(MINPS) X(MINPD) X(MINSS) X(MINSD) X(MAXPS) X(MAXPD) X(MAXSS) X(MAXSD) X(CMPPS) X(CMPPD) X(CMPSS) X(CMPSD) \
    X(UCOMISS) X(UCOMISD) X(COMISS) X(COMISD) X(SQRTPS) X(SQRTPD) X(SQRTSS) X(SQRTSD) X(RCPPS) X(RCPSS) X(RSQRTPS) X(RSQRTSS) \
    X(CVTSI2SS) X(CVTSI2SD) X(CVTTSS2SI) X(CVTTSD2SI) X(CVTSS2SI) X(CVTSD2SI) X(CVTSS2SD) X(CVTSD2SS) X(CVTPS2PD) X(CVTPD2PS) \
    X(CVTDQ2PS) X(CVTDQ2PD) X(CVTPS2DQ) X(CVTTPS2DQ) X(CVTPD2DQ) X(CVTTPD2DQ) X(LDMXCSR) X(STMXCSR)

#define X(name, ...) lower_function lower_##name;
SSE_PACKED(X)
SSE_PACKED_FLOAT(X)
SSE_SCALAR(X)
SSE_SHIFT(X)
SSE_OTHER(X)
#undef X

// FPCR.AH and NEP are set while this code runs (FEAT_AFP; FP_FAST only): the NaN of a result is x64's, FMIN and FMAX are x64's, and a
// scalar result leaves the rest of a register as it is: what the first of two sources has there, or the destination itself.
static inline bool lower_afp(const struct lower_context *cx) { return cx->config->features.afp && cx->config->fp_model == FP_FAST; }
// No operand is an MMX register.
bool lower_sse_form(const struct x64_insn *insn);
// The address of the memory operand for accesses of 2^log2 bytes; traps unless it is aligned, if the instruction wants that.
struct lower_mem lower_sse_address(struct lower_context *cx, const struct x64_insn *insn, unsigned log2);
// Whether it is aligned to its size when lower_sse_address has let it pass.
bool lower_sse_is_aligned(const struct lower_context *cx, const struct x64_insn *insn);
// One element of 2^log2 (0..3) bytes to or from memory. v16 is scratch.
void lower_load_element(struct lower_context *cx, unsigned log2, a64_vreg vt, unsigned index, struct lower_mem mem);
void lower_store_element(struct lower_context *cx, unsigned log2, a64_vreg vt, unsigned index, struct lower_mem mem);
// vd = the elements of n, then those of m, made narrower by emit. low: the arrangement of half the result. v16 is scratch.
void lower_pack(struct lower_context *cx, enum a64_arr low, void (*emit)(struct a64_buf *, enum a64_arr, a64_vreg, a64_vreg), a64_vreg vd,
                a64_vreg n, a64_vreg m);
// vd = the words of v that the immediate of PSHUFD names. v20 is scratch.
void lower_shuffle_words(struct lower_context *cx, a64_vreg vd, a64_vreg v, unsigned order);
// vd = two words of n, then two of m, that the immediate of SHUFPS names. v20 to v22 are scratch.
void lower_shuffle_two(struct lower_context *cx, a64_vreg vd, a64_vreg n, a64_vreg m, unsigned order);
// A write of the byte at `r` that changes nothing: faults where a write does. value, failed: scratch.
void lower_probe_write(struct lower_context *cx, a64_reg r, a64_reg value, a64_reg failed);
// The same for `bytes` bytes at `at`, at most two pages: a fault is at the first byte of a page that lies in the operand. at may be sp.
void lower_probe_span(struct lower_context *cx, a64_reg at, unsigned bytes);
// The vector register of an XMM operand; a memory operand is loaded into `into` (its size, the rest zero).
a64_vreg lower_sse_read(struct lower_context *cx, const struct x64_operand *opd, a64_vreg into);
// v16 is the result of an arithmetic operation on first and second (neither is v16, v18..v22, which are scratch here): if the scalar,
// or a lane of the vector, is a NaN, code out of line makes it the one that x64 makes of these operands.
enum { LOWER_SSE_RESULT = 16 };
void lower_sse_check_nan(struct lower_context *cx, enum a64_size s, bool is_scalar, a64_vreg first, a64_vreg second);
// The same where arm's own choice among quiet operands differs, too: in FP_EXACT the former leaves signalling ones and fresh NaNs to the kernel.
void lower_sse_mend_nan(struct lower_context *cx, enum a64_size s, bool is_scalar, a64_vreg first, a64_vreg second);
