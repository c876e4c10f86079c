// SPDX-License-Identifier: MIT
//
// a64.h - arm64 instructions into a buffer: one function per instruction form, nothing of x64.
//
// Rules
//  - A function writes exactly one word and chooses nothing; a64_mov_const and what follows it at the end may choose.
//  - A field that cannot hold its value is the caller's mistake: ask the _ok predicates first. The emitter then sets `bad`
//    and writes UDF. Running out of room sets `full`. Both are sticky: look once, at the end.
//  - Register 31 is two registers: A64_ZR and A64_SP. Each field knows which of the two it may be.
//  - Names: mnemonic, then the shape: imm, reg (shifted register), ext (extended register), off, pre, post, index.
//
// Encodings: Arm ARM (DDI 0487) C4 and C6; FEAT_LSE, FEAT_LRCPC(2), FEAT_FlagM only where the caller asks for them.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { A64_ZR = 31, A64_SP = 32 };
typedef uint8_t a64_reg;                // 0..30, A64_ZR or A64_SP
typedef uint8_t a64_vreg;               // 0..31

enum a64_size { A64_W, A64_X };
enum a64_shift { A64_LSL, A64_LSR, A64_ASR, A64_ROR };
enum a64_extend { A64_UXTB, A64_UXTH, A64_UXTW, A64_UXTX, A64_SXTB, A64_SXTH, A64_SXTW, A64_SXTX };
enum a64_cond {
    A64_EQ, A64_NE, A64_CS, A64_CC, A64_MI, A64_PL, A64_VS, A64_VC, A64_HI, A64_LS, A64_GE, A64_LT, A64_GT, A64_LE, A64_AL,
    A64_HS = A64_CS, A64_LO = A64_CC,
};
enum a64_barrier { A64_ISHLD = 9, A64_ISHST = 10, A64_ISH = 11 };

struct a64_buf {
    uint32_t *code;
    uint32_t count, capacity;           // words
    bool full, bad;
};

void a64_word(struct a64_buf *b, uint32_t word);

// ---- may this be encoded?
bool a64_addsub_imm_ok(uint64_t value);                         // 12 bits, or 12 bits shifted left by 12
bool a64_logical_imm_ok(enum a64_size s, uint64_t value);       // rotated runs of ones, C6.2.14 / DecodeBitMasks
bool a64_ldst_uimm_ok(unsigned log2_bytes, int64_t offset);     // scaled, unsigned 12 bits
bool a64_ldst_simm_ok(int64_t offset);                          // unscaled, signed 9 bits
bool a64_ldp_ok(unsigned log2_bytes, int64_t offset);           // scaled, signed 7 bits

// ---- add and subtract
#define A64_ADDSUB(X) X(add, 0x0b000000) X(adds, 0x2b000000) X(sub, 0x4b000000) X(subs, 0x6b000000)
#define X(name, base) \
    void a64_##name##_imm(struct a64_buf *, enum a64_size, a64_reg rd, a64_reg rn, uint64_t value); \
    void a64_##name##_reg(struct a64_buf *, enum a64_size, a64_reg rd, a64_reg rn, a64_reg rm, enum a64_shift, unsigned amount); \
    void a64_##name##_ext(struct a64_buf *, enum a64_size, a64_reg rd, a64_reg rn, a64_reg rm, enum a64_extend, unsigned amount);
A64_ADDSUB(X)
#undef X

// ---- logic
#define A64_LOGIC(X) X(and, 0x0a000000) X(orr, 0x2a000000) X(eor, 0x4a000000) X(ands, 0x6a000000)
#define A64_LOGIC_NOT(X) X(bic, 0x0a200000) X(orn, 0x2a200000) X(eon, 0x4a200000) X(bics, 0x6a200000)
#define X(name, base) \
    void a64_##name##_reg(struct a64_buf *, enum a64_size, a64_reg rd, a64_reg rn, a64_reg rm, enum a64_shift, unsigned amount);
A64_LOGIC(X)
A64_LOGIC_NOT(X)
#undef X
#define X(name, base) void a64_##name##_imm(struct a64_buf *, enum a64_size, a64_reg rd, a64_reg rn, uint64_t value);
A64_LOGIC(X)
#undef X

// ---- two and three sources
#define A64_TWO(X) \
    X(adc, 0x1a000000) X(adcs, 0x3a000000) X(sbc, 0x5a000000) X(sbcs, 0x7a000000) X(udiv, 0x1ac00800) X(sdiv, 0x1ac00c00) \
    X(lslv, 0x1ac02000) X(lsrv, 0x1ac02400) X(asrv, 0x1ac02800) X(rorv, 0x1ac02c00)
#define X(name, base) void a64_##name(struct a64_buf *, enum a64_size, a64_reg rd, a64_reg rn, a64_reg rm);
A64_TWO(X)
#undef X
#define A64_THREE(X) X(madd, 0x1b000000) X(msub, 0x1b008000)
#define X(name, base) void a64_##name(struct a64_buf *, enum a64_size, a64_reg rd, a64_reg rn, a64_reg rm, a64_reg ra);
A64_THREE(X)
#undef X
// 64-bit destination; the 32-bit sources of smaddl and umaddl are W registers.
#define A64_LONG(X) X(smaddl, 0x9b200000) X(umaddl, 0x9ba00000)
#define X(name, base) void a64_##name(struct a64_buf *, a64_reg rd, a64_reg rn, a64_reg rm, a64_reg ra);
A64_LONG(X)
#undef X
void a64_smulh(struct a64_buf *, a64_reg rd, a64_reg rn, a64_reg rm);
void a64_umulh(struct a64_buf *, a64_reg rd, a64_reg rn, a64_reg rm);
void a64_crc32c(struct a64_buf *, unsigned log2_bytes, a64_reg rd, a64_reg rn, a64_reg rm);     // FEAT_CRC32

// ---- one source
#define A64_ONE(X) X(rbit, 0x5ac00000) X(rev16, 0x5ac00400) X(clz, 0x5ac01000) X(cls, 0x5ac01400)
#define X(name, base) void a64_##name(struct a64_buf *, enum a64_size, a64_reg rd, a64_reg rn);
A64_ONE(X)
#undef X
void a64_rev(struct a64_buf *, enum a64_size, a64_reg rd, a64_reg rn);      // all bytes of the register
void a64_cnt(struct a64_buf *, enum a64_size, a64_reg rd, a64_reg rn);      // FEAT_CSSC population count
void a64_ctz(struct a64_buf *, enum a64_size, a64_reg rd, a64_reg rn);      // FEAT_CSSC

// ---- bit fields: the encoding's own immr and imms, and the shapes people mean
#define A64_BITFIELD(X) X(sbfm, 0x13000000) X(bfm, 0x33000000) X(ubfm, 0x53000000)
#define X(name, base) void a64_##name(struct a64_buf *, enum a64_size, a64_reg rd, a64_reg rn, unsigned immr, unsigned imms);
A64_BITFIELD(X)
#undef X
void a64_lsl_imm(struct a64_buf *, enum a64_size, a64_reg rd, a64_reg rn, unsigned amount);
void a64_lsr_imm(struct a64_buf *, enum a64_size, a64_reg rd, a64_reg rn, unsigned amount);
void a64_asr_imm(struct a64_buf *, enum a64_size, a64_reg rd, a64_reg rn, unsigned amount);
void a64_ubfx(struct a64_buf *, enum a64_size, a64_reg rd, a64_reg rn, unsigned lsb, unsigned width);
void a64_sbfx(struct a64_buf *, enum a64_size, a64_reg rd, a64_reg rn, unsigned lsb, unsigned width);
void a64_ubfiz(struct a64_buf *, enum a64_size, a64_reg rd, a64_reg rn, unsigned lsb, unsigned width);
void a64_bfi(struct a64_buf *, enum a64_size, a64_reg rd, a64_reg rn, unsigned lsb, unsigned width);
void a64_bfxil(struct a64_buf *, enum a64_size, a64_reg rd, a64_reg rn, unsigned lsb, unsigned width);
void a64_extr(struct a64_buf *, enum a64_size, a64_reg rd, a64_reg rn, a64_reg rm, unsigned lsb);   // (rn:rm) >> lsb

// ---- moves
#define A64_MOVE_WIDE(X) X(movn, 0x12800000) X(movz, 0x52800000) X(movk, 0x72800000)
#define X(name, base) void a64_##name(struct a64_buf *, enum a64_size, a64_reg rd, unsigned value, unsigned shift);
A64_MOVE_WIDE(X)
#undef X
void a64_mov_reg(struct a64_buf *, enum a64_size, a64_reg rd, a64_reg rm);  // ORR, or ADD #0 when either is SP

// ---- conditional
#define A64_CSEL(X) X(csel, 0x1a800000) X(csinc, 0x1a800400) X(csinv, 0x5a800000) X(csneg, 0x5a800400)
#define X(name, base) void a64_##name(struct a64_buf *, enum a64_size, a64_reg rd, a64_reg rn, a64_reg rm, enum a64_cond);
A64_CSEL(X)
#undef X
void a64_cset(struct a64_buf *, enum a64_size, a64_reg rd, enum a64_cond);
void a64_csetm(struct a64_buf *, enum a64_size, a64_reg rd, enum a64_cond);
#define A64_CCMP(X) X(ccmn, 0x3a400000) X(ccmp, 0x7a400000)
#define X(name, base) \
    void a64_##name##_reg(struct a64_buf *, enum a64_size, a64_reg rn, a64_reg rm, unsigned nzcv, enum a64_cond); \
    void a64_##name##_imm(struct a64_buf *, enum a64_size, a64_reg rn, unsigned value, unsigned nzcv, enum a64_cond);
A64_CCMP(X)
#undef X

// ---- flags and system
void a64_mrs_nzcv(struct a64_buf *, a64_reg rt);
void a64_msr_nzcv(struct a64_buf *, a64_reg rt);
void a64_mrs_fpcr(struct a64_buf *, a64_reg rt);
void a64_msr_fpcr(struct a64_buf *, a64_reg rt);
void a64_mrs_fpsr(struct a64_buf *, a64_reg rt);
void a64_msr_fpsr(struct a64_buf *, a64_reg rt);
void a64_mrs_rndr(struct a64_buf *, a64_reg rt, bool reseeded);                // FEAT_RNG: a random number; Z when there is none
void a64_cfinv(struct a64_buf *);                                           // FEAT_FlagM
void a64_axflag(struct a64_buf *);                                          // FEAT_FlagM2
void a64_rmif(struct a64_buf *, a64_reg rn, unsigned ror, unsigned mask);   // FEAT_FlagM
void a64_svc(struct a64_buf *, unsigned value);
void a64_brk(struct a64_buf *, unsigned value);
void a64_udf(struct a64_buf *, unsigned value);
void a64_nop(struct a64_buf *);
void a64_yield(struct a64_buf *);
void a64_dmb(struct a64_buf *, enum a64_barrier);
void a64_isb(struct a64_buf *);

// ---- branches: `distance` in bytes from this instruction. a64_label below does the counting.
void a64_b(struct a64_buf *, int64_t distance);
void a64_bl(struct a64_buf *, int64_t distance);
void a64_b_cond(struct a64_buf *, enum a64_cond, int64_t distance);
void a64_cbz(struct a64_buf *, enum a64_size, a64_reg rt, int64_t distance);
void a64_cbnz(struct a64_buf *, enum a64_size, a64_reg rt, int64_t distance);
void a64_tbz(struct a64_buf *, a64_reg rt, unsigned bit, int64_t distance);
void a64_tbnz(struct a64_buf *, a64_reg rt, unsigned bit, int64_t distance);
void a64_br(struct a64_buf *, a64_reg rn);
void a64_blr(struct a64_buf *, a64_reg rn);
void a64_ret(struct a64_buf *, a64_reg rn);
void a64_adr(struct a64_buf *, a64_reg rd, int64_t distance);
void a64_ldr_literal(struct a64_buf *, enum a64_size, a64_reg rt, int64_t distance);
void a64_ldr_literal_v(struct a64_buf *, unsigned log2_bytes, a64_vreg vt, int64_t distance);   // log2_bytes 2..4

// ---- memory, general registers. `kind` says what happens to the register's upper bits.
enum a64_load { A64_ZERO, A64_SIGN32, A64_SIGN64 };     // zero-extend; sign-extend to W, to X
void a64_ldr_uimm(struct a64_buf *, unsigned log2_bytes, enum a64_load kind, a64_reg rt, a64_reg rn, int64_t offset);
void a64_ldur(struct a64_buf *, unsigned log2_bytes, enum a64_load kind, a64_reg rt, a64_reg rn, int64_t offset);
void a64_ldr_pre(struct a64_buf *, unsigned log2_bytes, enum a64_load kind, a64_reg rt, a64_reg rn, int64_t offset);
void a64_ldr_post(struct a64_buf *, unsigned log2_bytes, enum a64_load kind, a64_reg rt, a64_reg rn, int64_t offset);
void a64_ldr_index(struct a64_buf *, unsigned log2_bytes, enum a64_load kind, a64_reg rt, a64_reg rn, a64_reg rm, enum a64_extend, bool scaled);
void a64_str_uimm(struct a64_buf *, unsigned log2_bytes, a64_reg rt, a64_reg rn, int64_t offset);
void a64_stur(struct a64_buf *, unsigned log2_bytes, a64_reg rt, a64_reg rn, int64_t offset);
void a64_str_pre(struct a64_buf *, unsigned log2_bytes, a64_reg rt, a64_reg rn, int64_t offset);
void a64_str_post(struct a64_buf *, unsigned log2_bytes, a64_reg rt, a64_reg rn, int64_t offset);
void a64_str_index(struct a64_buf *, unsigned log2_bytes, a64_reg rt, a64_reg rn, a64_reg rm, enum a64_extend, bool scaled);
enum a64_pair { A64_OFFSET, A64_PRE, A64_POST };
void a64_ldp(struct a64_buf *, enum a64_size, enum a64_pair, a64_reg rt, a64_reg rt2, a64_reg rn, int64_t offset);
void a64_stp(struct a64_buf *, enum a64_size, enum a64_pair, a64_reg rt, a64_reg rt2, a64_reg rn, int64_t offset);

// ---- memory, vector registers: log2_bytes 0 (B) .. 4 (Q)
void a64_ldr_v_uimm(struct a64_buf *, unsigned log2_bytes, a64_vreg vt, a64_reg rn, int64_t offset);
void a64_ldur_v(struct a64_buf *, unsigned log2_bytes, a64_vreg vt, a64_reg rn, int64_t offset);
void a64_ldr_v_index(struct a64_buf *, unsigned log2_bytes, a64_vreg vt, a64_reg rn, a64_reg rm, enum a64_extend, bool scaled);
void a64_str_v_uimm(struct a64_buf *, unsigned log2_bytes, a64_vreg vt, a64_reg rn, int64_t offset);
void a64_stur_v(struct a64_buf *, unsigned log2_bytes, a64_vreg vt, a64_reg rn, int64_t offset);
void a64_str_v_index(struct a64_buf *, unsigned log2_bytes, a64_vreg vt, a64_reg rn, a64_reg rm, enum a64_extend, bool scaled);

// Two registers of 16 bytes (a64_ldp_ok(4, offset)); one element of 2^log2_bytes (0..3) bytes, the rest of vt stays.
void a64_ldp_v(struct a64_buf *, a64_vreg vt, a64_vreg vt2, a64_reg rn, int64_t offset);
void a64_stp_v(struct a64_buf *, a64_vreg vt, a64_vreg vt2, a64_reg rn, int64_t offset);
void a64_ld1_element(struct a64_buf *, unsigned log2_bytes, a64_vreg vt, unsigned index, a64_reg rn);
void a64_ld1r(struct a64_buf *, unsigned log2_bytes, a64_vreg vt, a64_reg rn);      // to each element of 128 bits
void a64_st1_element(struct a64_buf *, unsigned log2_bytes, a64_vreg vt, unsigned index, a64_reg rn);

// ---- memory, ordered and atomic
#define A64_ORDERED(X) X(ldar, 0x08dffc00) X(stlr, 0x089ffc00) X(ldxr, 0x085f7c00) X(ldaxr, 0x085ffc00)
#define X(name, base) void a64_##name(struct a64_buf *, unsigned log2_bytes, a64_reg rt, a64_reg rn);
A64_ORDERED(X)
#undef X
void a64_ldapr(struct a64_buf *, unsigned log2_bytes, a64_reg rt, a64_reg rn);                      // FEAT_LRCPC
void a64_ldapur(struct a64_buf *, unsigned log2_bytes, a64_reg rt, a64_reg rn, int64_t offset);     // FEAT_LRCPC2
void a64_stlur(struct a64_buf *, unsigned log2_bytes, a64_reg rt, a64_reg rn, int64_t offset);      // FEAT_LRCPC2
void a64_stxr(struct a64_buf *, unsigned log2_bytes, a64_reg rs, a64_reg rt, a64_reg rn);
void a64_stlxr(struct a64_buf *, unsigned log2_bytes, a64_reg rs, a64_reg rt, a64_reg rn);
void a64_ldxp(struct a64_buf *, enum a64_size, a64_reg rt, a64_reg rt2, a64_reg rn);
void a64_ldaxp(struct a64_buf *, enum a64_size, a64_reg rt, a64_reg rt2, a64_reg rn);
void a64_stlxp(struct a64_buf *, enum a64_size, a64_reg rs, a64_reg rt, a64_reg rt2, a64_reg rn);
void a64_casal(struct a64_buf *, unsigned log2_bytes, a64_reg rs, a64_reg rt, a64_reg rn);          // FEAT_LSE from here
void a64_caspal(struct a64_buf *, enum a64_size, a64_reg rs, a64_reg rt, a64_reg rn);               // rs, rt even
#define A64_ATOMIC(X) X(ldaddal, 0x38e00000) X(ldclral, 0x38e01000) X(ldeoral, 0x38e02000) X(ldsetal, 0x38e03000) X(swpal, 0x38e08000)
#define X(name, base) void a64_##name(struct a64_buf *, unsigned log2_bytes, a64_reg rs, a64_reg rt, a64_reg rn);
A64_ATOMIC(X)
#undef X

// ---- labels. Forward references are kept in the caller's table until the label is bound.
enum a64_reach { A64_REACH_26, A64_REACH_19, A64_REACH_14 };
struct a64_fixup { uint32_t site, label; uint8_t reach; };
struct a64_labels {
    uint32_t *offset;                   // of each label, in words; A64_UNBOUND before a64_bind
    uint32_t capacity, count;
    struct a64_fixup *fixups;
    uint32_t fixup_capacity, fixup_count;
    bool full;
};
#define A64_UNBOUND 0xffffffffu
uint32_t a64_label_new(struct a64_labels *);
void a64_label_bind(struct a64_labels *, const struct a64_buf *, uint32_t label);
// Notes that the branch (or literal load) about to be written at the end of the buffer goes to label. Write it with distance 0.
void a64_label_use(struct a64_labels *, const struct a64_buf *, uint32_t label, enum a64_reach);
// Writes all distances. False: a label was never bound, or a distance does not fit its branch.
bool a64_labels_resolve(const struct a64_labels *, struct a64_buf *);

// ---- layer two: these choose
unsigned a64_mov_const_count(enum a64_size, uint64_t value);                        // instructions a64_mov_const will write
void a64_mov_const(struct a64_buf *, enum a64_size, a64_reg rd, uint64_t value);    // 1..4 instructions, flags untouched
