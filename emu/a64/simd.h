// SPDX-License-Identifier: MIT
//
// simd.h - the vector and floating-point part of a64.h, under the same rules: one function, one word.
//
// Each family is one list of rows X(name, base word with U, size bits and opcode set), taken from the Arm ARM's tables
// (C4.1.96, "Data Processing -- Scalar Floating-Point and Advanced SIMD"). `arr` is the arrangement of the operands.
#pragma once
#include "emu/a64/a64.h"

// The low bit is Q, the rest the element size: arr >> 1 is log2 of the element's bytes.
enum a64_arr { A64_8B, A64_16B, A64_4H, A64_8H, A64_2S, A64_4S, A64_1D, A64_2D };

// ---- three registers of the same arrangement, integer
#define A64_V3(X) \
    X(sqadd, 0x0e200c00) X(uqadd, 0x2e200c00) X(sqsub, 0x0e202c00) X(uqsub, 0x2e202c00) X(cmgt, 0x0e203400) \
    X(cmhi, 0x2e203400) X(cmge, 0x0e203c00) X(cmhs, 0x2e203c00) X(sshl, 0x0e204400) X(ushl, 0x2e204400) \
    X(smax, 0x0e206400) X(umax, 0x2e206400) X(smin, 0x0e206c00) X(umin, 0x2e206c00) X(uabd, 0x2e207400) \
    X(add_v, 0x0e208400) X(sub_v, 0x2e208400) X(cmtst, 0x0e208c00) X(cmeq, 0x2e208c00) X(mul_v, 0x0e209c00) \
    X(addp, 0x0e20bc00) X(urhadd, 0x2e201400) X(umaxp, 0x2e20a400) X(sqrdmulh, 0x2e20b400)
// ---- three registers, bitwise: 8B or 16B
#define A64_V3_LOGIC(X) \
    X(and_v, 0x0e201c00) X(bic_v, 0x0e601c00) X(orr_v, 0x0ea01c00) X(orn_v, 0x0ee01c00) X(eor_v, 0x2e201c00) \
    X(bsl, 0x2e601c00) X(bit, 0x2ea01c00) X(bif, 0x2ee01c00)
// ---- three registers, floating point: 2S 4S 2D
#define A64_V3_FLOAT(X) \
    X(fadd_v, 0x0e20d400) X(fsub_v, 0x0ea0d400) X(fmul_v, 0x2e20dc00) X(fdiv_v, 0x2e20fc00) X(fcmeq, 0x0e20e400) \
    X(fcmge, 0x2e20e400) X(fcmgt, 0x2ea0e400) X(faddp, 0x2e20d400) X(fmax_v, 0x0e20f400) X(fmin_v, 0x0ea0f400) \
    X(fmla_v, 0x0e20cc00) X(fmls_v, 0x0ea0cc00)
// ---- two registers, integer
#define A64_V2(X) \
    X(rev64, 0x0e200800) X(rev32, 0x2e200800) X(saddlp, 0x0e202800) X(uaddlp, 0x2e202800) X(cnt_v, 0x0e205800) \
    X(not_v, 0x2e205800) X(cmgt_zero, 0x0e208800) X(cmge_zero, 0x2e208800) X(cmeq_zero, 0x0e209800) \
    X(cmlt_zero, 0x0e20a800) X(abs_v, 0x0e20b800) X(neg_v, 0x2e20b800) \
    X(xtn, 0x0e212800) X(sqxtun, 0x2e212800) X(sqxtn, 0x0e214800) X(uqxtn, 0x2e214800)
// ---- two registers, floating point: 2S 4S 2D. fcvtl/fcvtn: arr is that of the narrow side (2S, 4S = upper half)
#define A64_V2_FLOAT(X) \
    X(frintx_v, 0x2e219800) X(frintz_v, 0x0ea19800) X(frinti_v, 0x2ea19800) X(frintn_v, 0x0e218800) X(frintm_v, 0x0e219800) \
    X(frintp_v, 0x0ea18800) X(fcvtzs_v, 0x0ea1b800) X(fcvtns_v, 0x0e21a800) X(scvtf_v, 0x0e21d800) \
    X(frint32z_v, 0x0e21e800) X(frint32x_v, 0x2e21e800) X(fsqrt_v, 0x2ea1f800) X(fneg_v, 0x2ea0f800) X(fabs_v, 0x0ea0f800) X(frecpe, 0x0ea1d800) X(frsqrte, 0x2ea1d800)
// ---- across lanes: arr of the source
#define A64_ACROSS(X) X(addv, 0x0e31b800) X(uaddlv, 0x2e303800) X(umaxv, 0x2e30a800) X(uminv, 0x2e31a800)
// ---- long: narrow sources (arr: 8B 4H 2S, or 16B 8H 4S for the upper halves), double-width result
#define A64_LONG3(X) X(smull_v, 0x0e20c000) X(umull_v, 0x2e20c000) X(uabdl, 0x2e207000) X(uabal, 0x2e205000) X(smlal_v, 0x0e208000)
// ---- shifts by a constant. Right: 1..esize, left: 0..esize-1; narrowing and lengthening: arr of the narrow side
#define A64_SHIFT_RIGHT(X) X(sshr, 0x0f000400) X(ushr, 0x2f000400) X(usra, 0x2f001400) X(shrn, 0x0f008400) X(rshrn, 0x0f008c00) X(sri, 0x2f004400) X(srshr, 0x0f002400) \
    X(fcvtzs_fixed, 0x0f00fc00)          // 2^amount times the value, toward zero
#define A64_SHIFT_LEFT(X) X(shl_v, 0x0f005400) X(sli, 0x2f005400) X(sshll, 0x0f00a400) X(ushll, 0x2f00a400) X(sqshl, 0x0f007400) X(uqshl, 0x2f007400)
// ---- permutations
#define A64_PERMUTE(X) \
    X(uzp1, 0x0e001800) X(trn1, 0x0e002800) X(zip1, 0x0e003800) X(uzp2, 0x0e005800) X(trn2, 0x0e006800) X(zip2, 0x0e007800)

// ---- cryptography (FEAT_AES, FEAT_PMULL, FEAT_SHA1, FEAT_SHA256): the arrangement is fixed; vd is also a source of all but aesmc and aesimc
#define A64_CRYPTO2(X) X(aese, 0x4e284800) X(aesd, 0x4e285800) X(aesmc, 0x4e286800) X(aesimc, 0x4e287800) X(sha256su0, 0x5e282800)
#define A64_CRYPTO3(X) \
    X(sha1c, 0x5e000000) X(sha1p, 0x5e001000) X(sha1m, 0x5e002000) X(sha256h, 0x5e004000) X(sha256h2, 0x5e005000) \
    X(sha256su1, 0x5e006000) X(pmull_low, 0x0ee0e000) X(pmull_high, 0x4ee0e000)
#define X(name, base) void a64_##name(struct a64_buf *, a64_vreg vd, a64_vreg vn);
A64_CRYPTO2(X)
#undef X
#define X(name, base) void a64_##name(struct a64_buf *, a64_vreg vd, a64_vreg vn, a64_vreg vm);
A64_CRYPTO3(X)
#undef X

#define X(name, base) void a64_##name(struct a64_buf *, enum a64_arr arr, a64_vreg vd, a64_vreg vn, a64_vreg vm);
A64_V3(X)
A64_V3_LOGIC(X)
A64_V3_FLOAT(X)
A64_LONG3(X)
A64_PERMUTE(X)
#undef X
#define X(name, base) void a64_##name(struct a64_buf *, enum a64_arr arr, a64_vreg vd, a64_vreg vn);
A64_V2(X)
A64_V2_FLOAT(X)
A64_ACROSS(X)
#undef X
#define X(name, base) void a64_##name(struct a64_buf *, enum a64_arr arr, a64_vreg vd, a64_vreg vn, unsigned amount);
A64_SHIFT_RIGHT(X)
A64_SHIFT_LEFT(X)
#undef X
void a64_fcvtl(struct a64_buf *, bool upper, a64_vreg vd, a64_vreg vn);     // 2 floats to 2 doubles
void a64_fcvtn(struct a64_buf *, bool upper, a64_vreg vd, a64_vreg vn);     // 2 doubles to 2 floats
void a64_fcvtl_half(struct a64_buf *, bool upper, a64_vreg vd, a64_vreg vn);    // 4 half floats to 4 floats
void a64_fcvtn_half(struct a64_buf *, bool upper, a64_vreg vd, a64_vreg vn);    // 4 floats to 4 half floats
void a64_ext(struct a64_buf *, enum a64_arr arr, a64_vreg vd, a64_vreg vn, a64_vreg vm, unsigned first);    // bytes of vm:vn from `first`
void a64_tbl(struct a64_buf *, unsigned tables, a64_vreg vd, a64_vreg vn, a64_vreg vm);    // 16B; 1..4 registers from vn

// ---- elements. log2_bytes 0..3
void a64_dup_element(struct a64_buf *, enum a64_arr arr, a64_vreg vd, a64_vreg vn, unsigned index);
void a64_dup_general(struct a64_buf *, enum a64_arr arr, a64_vreg vd, a64_reg rn);
void a64_ins_element(struct a64_buf *, unsigned log2_bytes, a64_vreg vd, unsigned to, a64_vreg vn, unsigned from);
void a64_ins_general(struct a64_buf *, unsigned log2_bytes, a64_vreg vd, unsigned to, a64_reg rn);
void a64_umov(struct a64_buf *, unsigned log2_bytes, a64_reg rd, a64_vreg vn, unsigned index);             // zero-extends
void a64_smov(struct a64_buf *, enum a64_size s, unsigned log2_bytes, a64_reg rd, a64_vreg vn, unsigned index);
void a64_mov_v(struct a64_buf *, a64_vreg vd, a64_vreg vn);                 // all 128 bits
void a64_movi_zero(struct a64_buf *, a64_vreg vd);
void a64_movi_bytes(struct a64_buf *, a64_vreg vd, uint8_t value);          // each byte
void a64_movi_top(struct a64_buf *, a64_vreg vd, uint8_t value);            // each word: value << 24
void a64_movi_mask(struct a64_buf *, a64_vreg vd, uint8_t bytes);           // bit n set: byte n of each doubleword is 0xff

// ---- scalar floating point: A64_W is single, A64_X is double. The rest of vd becomes zero.
#define A64_F2(X) X(fmul, 0x1e200800) X(fdiv, 0x1e201800) X(fadd, 0x1e202800) X(fsub, 0x1e203800) X(fmax, 0x1e204800) X(fmin, 0x1e205800)
#define A64_F1(X) X(fmov, 0x1e204000) X(fabs, 0x1e20c000) X(fneg, 0x1e214000) X(fsqrt, 0x1e21c000) X(frinti, 0x1e27c000) X(frintz, 0x1e25c000) \
    X(frintx, 0x1e274000) X(frintn, 0x1e244000) X(frintm, 0x1e254000) X(frintp, 0x1e24c000) X(frint32z, 0x1e284000) X(frint32x, 0x1e28c000) X(frint64z, 0x1e294000) X(frint64x, 0x1e29c000)
#define A64_FCM_SCALAR(X) X(fcmeq_s, 0x5e20e400) X(fcmge_s, 0x7e20e400) X(fcmgt_s, 0x7ea0e400)
#define X(name, base) void a64_##name(struct a64_buf *, enum a64_size s, a64_vreg vd, a64_vreg vn, a64_vreg vm);
A64_F2(X)
A64_FCM_SCALAR(X)
#undef X
#define X(name, base) void a64_##name(struct a64_buf *, enum a64_size s, a64_vreg vd, a64_vreg vn);
A64_F1(X)
#undef X
// va + vn * vm, va - vn * vm, -va - vn * vm, -va + vn * vm with one rounding
#define A64_F3(X) X(fmadd, 0x1f000000) X(fmsub, 0x1f008000) X(fnmadd, 0x1f200000) X(fnmsub, 0x1f208000)
#define X(name, base) void a64_##name(struct a64_buf *, enum a64_size s, a64_vreg vd, a64_vreg vn, a64_vreg vm, a64_vreg va);
A64_F3(X)
#undef X
void a64_fcvt(struct a64_buf *, enum a64_size from, a64_vreg vd, a64_vreg vn);      // single to double, or double to single
void a64_fcmp(struct a64_buf *, enum a64_size s, a64_vreg vn, a64_vreg vm);         // quiet: invalid for signalling NaN only
void a64_fcmpe(struct a64_buf *, enum a64_size s, a64_vreg vn, a64_vreg vm);        // invalid for every NaN
void a64_fcvtzs(struct a64_buf *, enum a64_size to, enum a64_size from, a64_reg rd, a64_vreg vn);   // toward zero, saturating
void a64_fcvtns(struct a64_buf *, enum a64_size to, enum a64_size from, a64_reg rd, a64_vreg vn);   // to nearest, ties to even, saturating
void a64_scvtf(struct a64_buf *, enum a64_size to, enum a64_size from, a64_vreg vd, a64_reg rn);
void a64_fmov_to_general(struct a64_buf *, enum a64_size s, a64_reg rd, a64_vreg vn);
void a64_fmov_from_general(struct a64_buf *, enum a64_size s, a64_vreg vd, a64_reg rn);
