// SPDX-License-Identifier: MIT
//
// context.h - what a lowering function has in its hands. Private to emu/lower.
//
// How an instruction is lowered
//   region.c walks the blocks. For each x64 instruction it resets the temporaries, records a point (rip, flag recipe), saves
//   flags that the instruction would strand (lower_flags_protect), and calls the function that lower_ops*.inc names for the
//   operation. The function emits code through cx->b and returns true, or returns false *before emitting anything* when it
//   does not know the form: the region then ends there with SVC_EMU_TRAP ("unsupported instruction").
//   A new family is a file lower_NAME.c, its rows in a lower_ops_NAME.inc, and one #include of that in dispatch.c.
//
// Registers
//   lower_gpr(n) is the arm64 register of x64 register n; rsp is A64_SP and may stand only where SP may (ADD/SUB immediate or
//   extended, load/store base). xmm n is v n. lower_temp(cx) gives a fresh scratch register (9 an instruction: x10-x12 x6 x15-x17 x9
//   x30); v16-v31 are scratch without any allocation. x9 is the target on the way to a dispatcher, x13 and x14 are kept for tables, x7 and x23 and x24
//   belong to the flags, x18 is the TEB, x28 the context. No scratch register keeps its value beyond its instruction, but constants.c
//   keeps constants in x6, x9, x12 and x15-x17: who writes one of these by its number tells it (lower_claim).
//
//   A lowering that lazy.c names finds the value of an x64 register by lower_source or lower_read, not in lower_gpr, and may meet it shifted
//   (lower_shifted); for all others lazy registers have got their values before.
//
// Operands
//   lower_read(cx, opd)             a register whose low opd->size bytes are the operand (upper bits: anything). Loads if memory.
//   lower_write(cx, opd, r)         writes a register operand by the partial-register rules (1, 2 merge; 4 zero-extends), or stores.
//   lower_destination(cx, opd)      where to compute a result of opd->size for lower_write: the register itself if that is right.
//   lower_address(cx, insn, log2)   folded address of insn->mem for an access of 2^log2 bytes; then lower_load / lower_store /
//                                   lower_load_v / lower_store_v: every guest access goes through these and gets its ordering there.
//   lower_address_register(cx, insn)  the whole address in one register (atomics, unusual accesses, LEA).
//   lower_const(cx, reg, value)     a 64-bit constant: MOVZ/MOVK or a literal. lower_literal_v: 16 bytes into a vector register.
//   lower_constant(cx, s, value)    a register that holds it, to be read only, until the instruction is over: perhaps it was there already.
//
// Order of effects (what makes faults exact)
//   Do all memory accesses before the first write to an x64 register, to NZCV, x7, x23 or x24. For read-modify-write of memory: load,
//   compute in temporaries, store, and only then set flags. An instruction that cannot obey emits a further point with
//   lower_point_here(cx) where its state is exact again.
//
// Flags
//   cx->live: the flags somebody may look at after this instruction (a later fault counts). Compute no others. cx->read: those of
//   them that may really be read; for the others a recipe that tells them at a fault is enough, and no code need compute them.
//   The state is lazy: struct lower_flags says where each flag is now. An instruction that sets them all ends with one of
//   lower_flags_hw (NZCV holds them), lower_flags_logic (N and Z come from a register's value, CF = OF = 0), lower_flags_fcmp
//   (NZCV as FCMP left it: UCOMISS and friends) and, for PF and AF, one of the lower_pa_* below. Do not write NZCV otherwise, unless
//   lower_nzcv_free allows it. lower_condition(cx, cc) turns an x64 condition into something to branch or select on.
//   At region entries and at every svc flags are canonical (emu/run/ctx.h): lower_flags_canonical. At joins they stay as they are: join.c.
#pragma once
#include "emu/a64/a64.h"
#include "emu/lower/lower.h"
#include "emu/run/ctx.h"
#include "emu/x64/x64.h"

enum { LOWER_REG_LOOSE = 16 };          // register operand that stands for an immediate read from the code (verify.c)
enum {
    LOWER_INSNS = 1024, LOWER_BLOCKS = 512, LOWER_LABELS = 8192, LOWER_FIXUPS = 8192, LOWER_DEFERRED = 1536, LOWER_LITERALS = 1024, LOWER_VERSIONS = 2048, LOWER_PLACES = 2048,
    LOWER_DEFAULT_INSNS = 256,
};

// ---- flags
enum lower_nz {         // where SF, ZF, OF are
    NZ_HW, NZ_LOGIC, NZ_FCMP,
    NZ_SP,              // all flags are those of ADD rsp, sp_added, before sp_popped words were popped
    NZ_INC, NZ_DEC,     // SF and ZF of a register that has just been incremented or decremented, which tells OF; CF is elsewhere
    NZ_SHIFT,           // all flags are those of nz_reg shifted by shift_amount, by a SHL, SHR or SAR that is lazy (lazy.c)
};
enum lower_cf {
    CF_INVERTED,        // C = !CF, as SUBS leaves it
    CF_DIRECT,          // C = CF, as ADDS leaves it
    CF_ZERO,            // CF = 0, whatever C is
    CF_X7,              // bit 0 of x7
    CF_X7_SHR1,         // bit 1 of x7, and OF is bit 0 of x7 (NZ_LOGIC only)
    CF_X7_MUL,          // CF = OF = (x7 != 0) (NZ_LOGIC only)
    CF_NARROW,          // x23 is the sum or difference of zero-extended bytes or words: CF is the bit above them, OF follows from
                        // x23 and the operands that pa names, with PA_CANONICAL from x24 (NZ_LOGIC of x23 only)
    CF_X7_ROTATE,       // CF = bit 1 of x7, OF = bit 1 ^ bit 0, whatever V is (NZ_HW, NZ_LOGIC)
};
enum lower_pa {         // PF is the even parity of the low byte of P; AF is bit 4 of P ^ A, with
    PA_CANONICAL,       // P = x23, A = x24
    PA_LOGIC,           // P = a, A = a (AF = 0)
    PA_CMP, PA_CMP_IMM, // P = x23, A = a ^ b
    PA_ADD, PA_ADD_IMM, // P = a,   A = (a - b) ^ b
    PA_SUB, PA_SUB_IMM, // P = a,   A = (a + b) ^ b
    PA_DOUBLE,          // P = a,   A = 0
    PA_NEG,             // P = a,   A = -a
    PA_FCMP,            // PF = V, AF = 0
    PA_RESULT,          // P = a,   A = x24
};
struct lower_flags {
    uint8_t nz, nz_reg, nz_size;    // nz_size: log2 of the bytes, for NZ_LOGIC
    uint8_t cf;
    uint8_t pa, pa_a, pa_b;         // registers; pa_b is an 8-bit immediate in the _IMM kinds
    uint8_t sp_popped;              // NZ_SP, which lasts from the ADD over POPs to the RET of its block
    uint16_t sp_added;
    uint8_t shift_kind, shift_amount;       // NZ_SHIFT: enum a64_shift
    bool    hw_too : 1;             // NZ_LOGIC: NZCV also holds N, Z and V = 0 (C = 0)
    bool    hw_zc : 1;              // CF_NARROW: NZCV also holds Z, and C = !CF
};

enum { FLAGS_NZ = X64_SF | X64_ZF | X64_OF, FLAGS_NZC = FLAGS_NZ | X64_CF, FLAGS_PA = X64_PF | X64_AF };

// ---- constants (constants.c): indices into work->constants, and 1; 0: none
enum { LOWER_KEEPERS = 6, LOWER_CONSTANTS = 256 };
struct lower_constants { uint16_t id[LOWER_KEEPERS]; };

// ---- facts (facts.c): what is certain at a place whatever way led there
struct lower_low { uint8_t bits, value; };      // the lowest `bits` bits of something are `value`
struct lower_sum { uint8_t base, index, scale; struct lower_low low; };     // base + index * scale
struct lower_kept { a64_reg holder, base, index; uint8_t shift; };          // base + (index << shift) is in `holder`; A64_ZR: none (sums.c)
// Vector registers whose upper part is known to be zero: above 32 bits (all of those are in `doubles`, too), above 64 bits. lower_upper.c.
struct lower_upper { uint16_t singles, doubles; };
struct lower_facts {
    struct lower_low gpr[16];
    struct lower_sum sum;                       // the last one that was checked
    uint16_t high_zero;                         // ymm registers whose upper half is zero in memory (lower_avx.c)
    struct lower_upper upper;
};

// ---- a register whose value is not in its arm64 register: `from` (an arm64 register) shifted, as 64 bits or as 32 zero-extended. lazy.h.
enum { LOWER_LAZIES = 3 };
struct lower_lazy {
    uint8_t reg, from, kind, amount;            // reg: the x64 register; kind: enum a64_shift
    uint8_t bytes;                              // of the shift
    bool insert;                                // the low byte of `from` replaces that of the register
    bool wide, narrow;                          // the 64-bit form gives its value; the 32-bit form gives the low half of that, which is all if not `wide`
};

// ---- region
struct lower_context;
typedef bool lower_function(struct lower_context *cx, const struct x64_insn *insn);

struct lower_insn {
    struct x64_insn x;
    uint16_t live, read;            // flags that may be observed after it; those that are really read (analyse.c)
    lower_function *function;       // that lowers it; null: none
    uint16_t writes;                // general registers
    uint16_t block;                 // in work->blocks
    bool vector;                    // it may change vector registers
    bool x87, lazy, chains;         // an x87 instruction or EMMS; lower_lazy_take may take it; a chain may begin with it
    uint16_t reads, observes, kills;        // by itself: flags it reads or shows when it traps, those and what a fault shows, the old values gone after it
    uint16_t reads_back;            // of `reads`, those that it wants even from a RET that passed them on (lower_config.no_readers)
    uint8_t loose;                  // LOOSE_ fields (verify.h)
    uint8_t bytes[X64_LENGTH_MAX];  // with lower_config.verify
};

enum lower_end {
    END_NEXT,           // falls into block `next`, or leaves to next_rip
    END_BRANCH,         // conditional: taken to `taken` / taken_rip, else as END_NEXT
    END_JUMP,           // to `taken` / taken_rip
    END_CALL,           // direct call of taken_rip; the block after it is an entry
    END_INDIRECT,       // jump, call or return through a value
    END_TRAP,           // never comes back here by itself (or comes back by rip: syscall)
    END_UNDECODED,      // the bytes at next_rip cannot be decoded or executed: leave to there, raise when reached
};
// `is`: x10 and x30 are a shadow entry that is not made yet (owed.c). `sure`: the return address is as the call has put it, at rsp + at.
struct lower_owed { bool is, sure; int16_t at; };

struct lower_block {
    uint64_t rip, next_rip, taken_rip;
    uint16_t first, count;          // in work->insns
    int16_t  next, taken;           // blocks, or -1: outside the region
    int16_t  back;                  // where its call returns to, if that is in the region and the shadow stack knows; else -1
    uint16_t reads, observes, reads_back, kills;        // what its instructions do to flags together, as in struct lower_insn
    uint16_t live_in, read_in;      // observed, really read from its start on
    uint16_t next_read, taken_read, next_observed, taken_observed;  // behind a way out of the region
    // Of the flags read from its start on, without those that only RET passes on, and without all that are only passed on: what it
    // wants from who enters it and from who returns to it. The same for who is called, and behind the call.
    uint16_t enter_in, back_in, taken_enter, taken_back, next_enter, next_back;
    uint16_t predecessors;
    int16_t  versions;              // in work->versions, the youngest first; -1: none
    struct lower_constants keep;    // held at its start if there are several ways to it
    int16_t  loop_head;             // of the innermost loop, -1: none; loop_insns: how long it is
    uint16_t loop_insns;
    uint8_t  end;                   // enum lower_end
    bool     entry;                 // may be entered from outside
    // Of callees taken into the region (callee.c):
    uint8_t  depth;                 // in how many calls: 0 is the region's own code
    bool     taken_in;              // its call, or the RET of a callee: control goes on in `next`
    bool     unchanged;             // of such a RET: nothing can have been stored where the return address is
    uint16_t call, callee;          // the block that calls it; the first one of what this block calls (until all are in order)
    bool     open;                  // while it is found out what is unchanged
    struct lower_owed way;
    bool     keeps, leaf;           // of owed.c: it needs neither x10 nor x30; and leads to such a RET
    uint8_t  x87_depth;             // 1 and the x87 stack registers in use at its start, as its first predecessor leaves them; 0: not known
    bool     reached, again;        // of facts.c and width.c: what they say of its start is that of some way into it; it has changed
    uint8_t  width[16];             // at its start: bits from this one on are zero in the x64 register (width.h)
    struct lower_facts facts;
};

// What is true where control goes from one place to another; of a version: what it needs of who comes (join.c: state_fits).
struct lower_state {
    struct lower_flags flags;
    struct lower_constants constants;
    struct lower_owed owed;
};

// One emission of a block, for one state at its start (join.c).
struct lower_version {
    struct lower_state state;
    uint32_t label, offset;         // offset: once emitted
    int16_t  block, same;           // same: an older version of the block, -1: none
    bool     owed;                  // who comes may owe the order of a load, if these registers were computed from it (order.c)
    uint32_t depends;
    bool     emitted;
    bool     enters;                // the region's entry at the block
    bool     called;                // paired calls of the region enter here
    bool     head;                  // a branch leads back to it
};

typedef void lower_push_return(struct lower_context *cx, const struct x64_insn *insn);
// Code out of line, emitted after the last block: bound to `label`, with the state and live mask of the place that asked for it.
struct lower_deferred {
    void (*emit)(struct lower_context *cx, const struct lower_deferred *d);
    uint32_t label, back;           // back: label to continue at, if any
    struct lower_state state;
    uint16_t live, read;
    const struct lower_insn *insn;
    const struct lower_block *block;
    uint64_t value;
    a64_reg  reg[4];
    lower_push_return *push;        // of lower_go_indirect
    bool calls;
    uint8_t  locked;                // as in the context
};

struct lower_literal { uint64_t low, high; uint32_t label; bool wide; };

struct lower_work {
    struct lower_insn insns[LOWER_INSNS];
    struct lower_block blocks[LOWER_BLOCKS];
    struct lower_version versions[LOWER_VERSIONS];
    uint64_t starts[LOWER_BLOCKS * 2];
    uint16_t places[LOWER_PLACES];
    uint32_t label_offsets[LOWER_LABELS];
    bool     label_owed[LOWER_LABELS];      // who comes there may owe the order of a load (order.c)
    struct a64_fixup fixups[LOWER_FIXUPS];
    struct lower_deferred deferred[LOWER_DEFERRED];
    struct lower_literal literals[LOWER_LITERALS];
    uint64_t constants[LOWER_CONSTANTS];
};
_Static_assert(sizeof(struct lower_work) <= LOWER_WORK_BYTES, "lower.h promises that LOWER_WORK_BYTES are enough");

struct lower_context {
    const struct lower_config *config;
    const struct code_source *source;
    struct lower_result *result;
    struct lower_work *work;
    struct a64_buf *b;
    struct a64_labels labels;
    uint32_t insn_count, block_count, deferred_count, literal_count, version_count;
    uint32_t pending;               // no block before this one has a version that is not emitted yet
    uint32_t loop_budget, join_budget;      // x64 instructions that further versions of blocks in loops, of others, may have
    int follow;                     // the version into which the code falls, -1: it does not
    uint32_t max_insns;
    uint64_t requested;             // the region's address
    uint64_t first, last;           // bytes read
    bool full;                      // a table of the work area or of the result is too small
    // of the instruction being lowered
    const struct lower_insn *insn;
    const struct lower_block *block;
    uint16_t live;                  // flags that somebody may look at after it, a memory fault included
    uint16_t read;                  // those of them that x64 code, a trap or the kernel may read: the others need only a recipe
    uint8_t temps;
    const struct lower_insn *done_too;  // the instruction behind it, if it has been lowered with it (IMUL and ADD)
    bool returning;                 // the RET being lowered: its target is in x9, off the stack
    bool stack_run;                 // SP does not change now; rsp is SP + `rsp`
    int32_t rsp;
    bool unaligned;                 // no LDAR and STLR for it
    // Under TSO: a load whose order with what comes behind it is still owed. Every load before it is in order with it; `depends` are the general
    // registers computed from what it loaded, when `at` words had been emitted. order.c.
    struct { bool owed; uint32_t depends, at; } order;
    uint32_t bound;                 // where a label was bound last: what was emitted before need not have been executed (order.c)
    uint8_t upper_in[16];           // the vector register that holds the upper half of a ymm register, too (lower_avx_upper.c)
    uint32_t upper_seen;            // so it was when so many words had been emitted; 0: none is known
    uint8_t upper_taken, upper_next;    // vector registers that this instruction has taken for upper halves; the one to look at next
    uint8_t loose;                  // its fields that are read at run time: in x30 and x6 until it is done
    struct lower_facts facts;       // before this instruction
    struct lower_kept kept, sum_made;   // sum_made: by the instruction itself, in its destination
    uint8_t width[A64_SP + 1];      // so far (width.h)
    struct lower_flags flags;
    struct lower_owed owed;
    bool sparing;              // there were too few temporaries: shadow entries are made at once, and nothing is kept in them
    bool starved;                   // so it was, while one was owed
    struct lower_lazy lazies[LOWER_LAZIES];
    unsigned lazy_count;
    uint64_t settle_rip;            // the address of the instruction before which lazy registers get their values
    struct lower_constants constants;   // held in the keepers now; how many labels there were when they were loaded; when they were used last
    uint32_t constant_since[LOWER_KEEPERS], constant_used[LOWER_KEEPERS], constant_clock, constant_count;
    uint8_t locked;                 // keepers that this instruction needs as they are
    uint32_t deferred_open;         // from this one on code out of line is of this block, or of this code out of line
    bool tail;                      // that is being emitted
    // a mask in a general register that is not right yet, and on which way out of the block it is mended (lower_mask.c)
    const struct lower_insn *mask;
    bool mask_taken, mask_finishing;
    struct lower_deferred *chain;   // a chain is being lowered (lower_chain.c): what is rare goes to its slow code
    struct lower_deferred chain_again;
    const struct lower_insn *no_chain_before;
    uint8_t x87_depth;              // stack registers in use (lower_x87.c)
    bool facts_wanted;              // something in the region asks for facts
    // of the floating-point instruction being lowered for FP_EXACT (lower_exact.c)
    bool exact_pending, exact_checked;
    uint8_t exact_undo, exact_reg;
    uint32_t exact_back;
};

static inline const struct lower_insn *lower_last(const struct lower_context *cx, const struct lower_block *k)
{
    return &cx->work->insns[k->first + k->count - 1];
}

// ---- stages
bool lower_discover(struct lower_context *cx, uint64_t rip);    // false: nothing executable at rip
void lower_discover_from(struct lower_context *cx, uint64_t rip);           // blocks of one function, behind those that are there
void lower_blocks_move(struct lower_context *cx, uint32_t first, uint16_t *order);      // from `first` on block i becomes what order[i] was; order is used up
void lower_analyse(struct lower_context *cx);
// Whether flags are read behind the return of the call that ends the block (lower_config.no_readers).
bool lower_returns_to_reader(const struct lower_context *cx, const struct lower_block *k);
void lower_protect(struct lower_context *cx, const struct lower_insn *insn);    // moves flags out of registers that it writes
void lower_begin(struct lower_context *cx, const struct lower_insn *insn);      // this is the instruction now: state of its own, a point
bool lower_instruction(struct lower_context *cx, const struct lower_insn *insn);    // false: it ends the region
lower_function *lower_find(enum x64_op op);                     // null: not lowered
lower_function *lower_choose(const struct x64_insn *insn);      // the same, operands considered
bool lower_is_exact(const struct lower_context *cx, const struct x64_insn *insn);       // may raise, in FP_EXACT

// ---- operands.c
extern const a64_reg lower_gprs[17];
static inline a64_reg lower_gpr(unsigned x64_register) { return lower_gprs[x64_register == LOWER_REG_LOOSE ? x64_register : x64_register & 15]; }
a64_reg lower_source(const struct lower_context *cx, unsigned reg);     // what holds its value: another one for a lazy copy (lazy.h)
a64_reg lower_temp(struct lower_context *cx);
enum a64_size lower_size(unsigned bytes);                       // W for 1, 2, 4
unsigned lower_log2(unsigned bytes);
bool    lower_is_low(const struct x64_operand *opd);            // a register operand that is not rsp, ah, bh, ch, dh: usable in place
a64_reg lower_read(struct lower_context *cx, const struct x64_operand *opd);
a64_reg lower_read_into(struct lower_context *cx, const struct x64_operand *opd, a64_reg t);   // what is in no register: into t
a64_reg lower_read_zero(struct lower_context *cx, const struct x64_operand *opd);   // zero-extended to 64 bits
a64_reg lower_read_sign(struct lower_context *cx, const struct x64_operand *opd);   // sign-extended to 64 bits
a64_reg lower_destination(struct lower_context *cx, const struct x64_operand *opd);
bool    lower_is_whole(const struct lower_context *cx, const struct x64_operand *opd);      // a zero-extended result may be all of its register
void    lower_write(struct lower_context *cx, const struct x64_operand *opd, a64_reg value);
void    lower_const(struct lower_context *cx, a64_reg rd, uint64_t value);
a64_reg lower_imm(struct lower_context *cx, enum a64_size s, uint64_t value);       // ZR for 0, else lower_constant
bool    lower_temp_in_use(const struct lower_context *cx, a64_reg r);
void    lower_add_imm(struct lower_context *cx, enum a64_size s, a64_reg rd, a64_reg rn, int64_t value);    // any value, no flags
void    lower_literal_v(struct lower_context *cx, a64_vreg vd, uint64_t low, uint64_t high);

static inline bool lower_upper_is_zero(const struct lower_upper *u, unsigned xmm, unsigned log2_bytes)    // above an element of 4 or 8 bytes
{
    return xmm < 16 && (log2_bytes == 2 ? u->singles : u->doubles) >> xmm & 1;
}

// ---- constants.c
a64_reg lower_constant(struct lower_context *cx, enum a64_size s, uint64_t value);  // of a W only the low 32 bits are right
void lower_claim(struct lower_context *cx, a64_reg r);          // this instruction writes it
void lower_unlock(struct lower_context *cx);                    // another instruction begins
void lower_take(struct lower_context *cx, a64_reg r);           // lower_temp does
void lower_lock(struct lower_context *cx, a64_reg r);           // this instruction needs what is in it
a64_reg lower_keeper(struct lower_context *cx);                 // to write, locked; A64_ZR: there is none to spare
bool lower_is_locked(const struct lower_context *cx, a64_reg r);
void lower_constants_forget(struct lower_context *cx);          // all of them
void lower_constants_off(struct lower_context *cx);             // and none of these registers is touched until the next instruction
void lower_constants_bound(struct lower_context *cx, uint32_t label);   // a label that is no block's is here
void lower_constants_owed(struct lower_context *cx, uint32_t label, bool may_load);    // a branch there follows
bool lower_constants_fit(const struct lower_constants *have, const struct lower_constants *need);
void lower_constants_bring(struct lower_context *cx, const struct lower_constants *need);  // loads what is not there
void lower_constants_start(struct lower_context *cx, const struct lower_constants *known);
void lower_constants_plan(struct lower_context *cx);            // lower_block.keep

// ---- memory.c
struct lower_mem {
    a64_reg base, index;            // index A64_ZR: none
    uint8_t scaled;                 // index is shifted left by the access's log2
    int64_t offset;                 // only without index
};
struct lower_mem lower_address(struct lower_context *cx, const struct x64_insn *insn, unsigned log2_bytes);
a64_reg lower_address_register(struct lower_context *cx, const struct x64_insn *insn);
// Computes the address without the segment base (LEA).
a64_reg lower_effective_address(struct lower_context *cx, const struct x64_mem *mem, a64_reg into, enum a64_size s);
// `away` bytes further on, e.g. the second half; may use temporaries.
struct lower_mem lower_mem_at(struct lower_context *cx, struct lower_mem mem, unsigned log2_bytes, int64_t away);
static inline struct lower_mem lower_mem_register(a64_reg r) { return (struct lower_mem){ .base = r, .index = A64_ZR }; }
void lower_load(struct lower_context *cx, unsigned log2_bytes, enum a64_load kind, a64_reg rt, struct lower_mem mem);
void lower_store(struct lower_context *cx, unsigned log2_bytes, a64_reg rt, struct lower_mem mem);
void lower_load_v(struct lower_context *cx, unsigned log2_bytes, a64_vreg vt, struct lower_mem mem);    // upper bits zeroed
void lower_store_v(struct lower_context *cx, unsigned log2_bytes, a64_vreg vt, struct lower_mem mem);
void lower_push(struct lower_context *cx, unsigned bytes, a64_reg rt);      // memory first, then sp
void lower_pop(struct lower_context *cx, unsigned bytes, a64_reg rt);       // rt must not be SP
bool lower_tso(const struct lower_context *cx);
a64_reg lower_add_index(struct lower_context *cx, a64_reg base, a64_reg index, unsigned shift, a64_reg into);   // into = base + (index << shift), 64 bits

// ---- lower_bits.c
void lower_count_ones(struct lower_context *cx, enum a64_size s, a64_reg d, a64_reg r);    // d = the ones in r; uses v16

// ---- sums.c
// base + (index << shift), 64 bits, in a register to be read only: the one that holds it already, or a fresh one. index is no SP; shift 0 to 4.
a64_reg lower_sum(struct lower_context *cx, a64_reg base, a64_reg index, unsigned shift);
bool lower_sum_held(const struct lower_context *cx, a64_reg base, a64_reg index, unsigned shift);
void lower_sum_note(struct lower_context *cx, a64_reg holder, a64_reg base, a64_reg index, unsigned shift);    // the instruction leaves it in its destination
void lower_sum_after(struct lower_context *cx, uint16_t written);      // x64 registers have changed
void lower_sum_forget(struct lower_context *cx);

// ---- order.c: barriers under MODEL_TSO
// Around a load: before it, with the registers of its address; behind it, with its result (A64_ZR: a vector register) and whether it is an acquire.
void lower_order_load(struct lower_context *cx, a64_reg base, a64_reg index);
void lower_order_loaded(struct lower_context *cx, a64_reg result, bool acquire);
// Every access so far comes before the plain store that follows; its address and its value (A64_ZR: something else).
void lower_order_stores(struct lower_context *cx, a64_reg base, a64_reg index, a64_reg value);
void lower_order_flush(struct lower_context *cx);       // every load so far comes before whatever follows: before code that knows nothing of it
void lower_order_branch(struct lower_context *cx, uint32_t label);      // a branch to the label follows
void lower_order_bind(struct lower_context *cx, uint32_t label);        // the label is here
// The version begins here; the code before may fall into it.
void lower_order_enter(struct lower_context *cx, struct lower_version *version, bool fallen_into);
void lower_order_all(struct lower_context *cx);         // every access so far comes before every access from here on

// ---- lower_atomic.c: a locked operation as one instruction (FEAT_LSE), if this is one
enum lower_atomic { ATOMIC_ADD, ATOMIC_CLEAR, ATOMIC_XOR, ATOMIC_SET, ATOMIC_SWAP };
bool lower_is_atomic(const struct lower_context *cx, const struct x64_insn *insn);
a64_reg lower_atomic(struct lower_context *cx, enum lower_atomic op, unsigned bytes, a64_reg at, a64_reg value);   // what was there before
void lower_atomic_into(struct lower_context *cx, enum lower_atomic op, unsigned bytes, a64_reg at, a64_reg value, a64_reg old);   // `old` may be `value`

// ---- flags.c
void lower_flags_hw(struct lower_context *cx, enum lower_cf cf);                // NZCV is right, CF is where cf says
void lower_flags_logic(struct lower_context *cx, a64_reg r, unsigned size);     // N, Z of the low `size` bytes of r; CF = OF = 0
void lower_flags_fcmp(struct lower_context *cx);                                // NZCV as FCMP left it; PF, AF too
// x23 = a + b or a - b, both zero-extended, is what all flags of an operation of one or two bytes come from. subs: by SUBS.
void lower_flags_narrow(struct lower_context *cx, unsigned size, bool subs);
// INC or DEC of the low `size` bytes gave r: SF, ZF, OF. CF stays, or is moved to where the register does not matter.
void lower_flags_count(struct lower_context *cx, bool dec, a64_reg r, unsigned size);
void lower_flags_unshift(struct lower_context *cx);                             // NZ_SHIFT becomes something else
void lower_flags_rotate(struct lower_context *cx);                              // CF and OF are in x7 now (CF_X7_ROTATE); the others as they were
void lower_carry_detach(struct lower_context *cx);                              // CF can be changed without harm to the other live flags
void lower_flags_cf_x7(struct lower_context *cx);                               // CF is now bit 0 of x7; SF, ZF, OF as they were
void lower_pa(struct lower_context *cx, enum lower_pa kind, a64_reg a, unsigned b);
void lower_pa_canonical(struct lower_context *cx);                              // x23 and x24 are right
void lower_flags_canonical(struct lower_context *cx, uint16_t mask);            // makes those flags canonical
void lower_flags_to_hw(struct lower_context *cx, uint16_t mask, enum lower_cf polarity);    // SF ZF OF in NZCV and CF as INVERTED or DIRECT
bool lower_flags_fit(const struct lower_flags *f, const struct lower_flags *g, uint16_t live);
void lower_flags_protect(struct lower_context *cx, uint32_t written, uint16_t live);  // written: arm64 registers about to change
void lower_selector(struct lower_context *cx, unsigned segment, a64_reg t);      // what a segment register reads as, zero-extended
a64_reg lower_cf_bit(struct lower_context *cx);                                 // CF as 0 or 1 in a register
void lower_cf_to_x7(struct lower_context *cx);                                  // CF alone, out of NZCV and all it comes from; SF ZF OF are lost
uint32_t lower_recipe(const struct lower_flags *f);
extern const struct lower_flags lower_flags_at_entry;                           // canonical

enum lower_test { TEST_COND, TEST_ZERO, TEST_NOT_ZERO, TEST_BIT_CLEAR, TEST_BIT_SET, TEST_ALWAYS, TEST_NEVER };
struct lower_condition { uint8_t test, cond; a64_reg reg; uint8_t size, bit; }; // size: enum a64_size of reg
struct lower_condition lower_condition(struct lower_context *cx, enum x64_cond cc);
// As above but as an arm64 condition on NZCV or ALWAYS/NEVER; false if that would cost live flags (then use the other one).
bool lower_condition_nzcv(struct lower_context *cx, enum x64_cond cc, struct lower_condition *out);
void lower_branch(struct lower_context *cx, struct lower_condition c, uint32_t label);      // if c holds, to label
void lower_set_condition(struct lower_context *cx, enum x64_cond cc, a64_reg t);             // t = 0 or 1
struct lower_condition lower_opposite(struct lower_condition c);
bool lower_nzcv_free(struct lower_context *cx);                 // NZCV as scratch inside one instruction: may be overwritten, and is then lost

// ---- shared among families
// Read-modify-write of insn->mem: begin loads, the caller computes (registers only, no flags, no literals), end stores. Both may
// fault. With LOCK under TSO this is one atomic operation. lower_atomic.c.
struct lower_rmw { struct lower_mem mem; unsigned log2; bool locked; a64_reg old; uint32_t again; };
struct lower_rmw lower_rmw_begin(struct lower_context *cx, const struct x64_insn *insn, unsigned bytes);
struct lower_rmw lower_rmw_begin_at(struct lower_context *cx, const struct x64_insn *insn, unsigned bytes, struct lower_mem at);  // locked: at is just a register
void lower_rmw_end(struct lower_context *cx, const struct lower_rmw *w, a64_reg value);
bool lower_is_pair(const struct lower_context *cx, const struct lower_insn *first, const struct lower_insn *second);    // lower_stack.c
bool lower_is_epilogue(const struct lower_context *cx, const struct lower_insn *insn);    // insn: what comes before it
unsigned lower_stack_run(const struct lower_context *cx, const struct lower_insn *insn, unsigned count);
void lower_stack_settle(struct lower_context *cx);             // ends a run: SP is rsp
void lower_pair(struct lower_context *cx, const struct lower_insn *first, const struct lower_insn *second);
a64_reg lower_flags_word(struct lower_context *cx, bool all);                               // lower_stack.c
// d = from shifted by n, 1 to bits - 1, of 4 or 8 bytes, and its flags. lower_shift.c.
void lower_shift_now(struct lower_context *cx, enum a64_shift kind, unsigned bytes, a64_reg d, a64_reg from, unsigned n);
// NZCV, PF and AF of a - b or a + b, all still in registers; result is what came out. Only what is live. lower_alu.c.
void lower_flags_of_sum(struct lower_context *cx, bool sub, unsigned bytes, a64_reg a, a64_reg b, a64_reg result);
void lower_flags_of_compare(struct lower_context *cx, unsigned bytes, a64_reg a, a64_reg b);    // of a - b, which nobody keeps

// ---- join.c: versions of blocks, by their index
struct lower_state lower_state_now(const struct lower_context *cx);
void lower_state_set(struct lower_context *cx, const struct lower_state *state);
void lower_join_begin(struct lower_context *cx);
int  lower_join(struct lower_context *cx, int block);           // for control that goes to the block now; may make the flags canonical
int  lower_join_fall(struct lower_context *cx, int block);      // the same for falling into it: perhaps one more, to save a branch
int  lower_join_find(struct lower_context *cx, int block);      // the same without emitting code; -1: there is none
int  lower_join_canonical(struct lower_context *cx, int block);
int  lower_join_called(struct lower_context *cx, int block);    // the version for paired calls, with the shadow entry owed
bool lower_join_fits(const struct lower_context *cx, int block);        // whether lower_join would not emit code
uint32_t lower_join_label(struct lower_context *cx, int version);       // to branch to
// Whether constants that it wants are not held; those of them that the block being left had at its start.
bool lower_join_lost(const struct lower_context *cx, int block, struct lower_constants *lost);
int  lower_join_next(struct lower_context *cx);                 // one that is not emitted yet, in the order of addresses; -1: none

// ---- owed.c: shadow entries that are made late, or never
int  lower_owed_begin(struct lower_context *cx);                // the block that calls enter with one owed; -1: none
bool lower_owed_takes(const struct lower_context *cx, const struct lower_insn *insn);   // it can be owed meanwhile
void lower_owed_after(struct lower_context *cx, const struct x64_insn *insn);           // the instruction has been lowered
void lower_owed_step(const struct lower_context *cx, struct lower_owed *owed, const struct x64_insn *insn);   // what is sure behind it
void lower_owed_pay(struct lower_context *cx);                  // makes it, if it is owed; then x10 and x30 are free
bool lower_owed_is_sure(const struct lower_context *cx);        // a RET here goes to x30 whatever it pops

// ---- discover.c
// The eight bytes at va, if they are known: the region assumes them from then on.
bool lower_assume(struct lower_context *cx, uint64_t va, uint64_t *value);
// The entry thunk of an EC function, which the word before it names (ARM64EC ABI conventions, "Entry thunks"); it is assumed.
bool lower_assume_thunk(struct lower_context *cx, uint64_t function, uint64_t *thunk);

// ---- region.c
uint32_t lower_label(struct lower_context *cx);
void lower_bind(struct lower_context *cx, uint32_t label);
void lower_b(struct lower_context *cx, uint32_t label);
void lower_cbz(struct lower_context *cx, enum a64_size s, a64_reg r, uint32_t label);
void lower_cbnz(struct lower_context *cx, enum a64_size s, a64_reg r, uint32_t label);
void lower_tbz(struct lower_context *cx, a64_reg r, unsigned bit, uint32_t label);
void lower_tbnz(struct lower_context *cx, a64_reg r, unsigned bit, uint32_t label);
void lower_b_cond(struct lower_context *cx, enum a64_cond cond, uint32_t label);
void lower_point_at(struct lower_context *cx, uint64_t rip);    // the same for the instruction at rip
void lower_point_here(struct lower_context *cx);                // a further point of this instruction, with the flags as they are now
struct lower_deferred *lower_defer(struct lower_context *cx, void (*emit)(struct lower_context *, const struct lower_deferred *));
void lower_svc(struct lower_context *cx, unsigned immediate);   // canonical flags, a point, the trap
bool lower_in_kernel(struct lower_context *cx, const struct x64_insn *insn);    // SVC_EMU_INSN for the whole instruction
void lower_raise_divide(struct lower_context *cx, const struct lower_deferred *d);     // deferred: #DE
void lower_deferred_insn(struct lower_context *cx, const struct lower_deferred *d);    // deferred: SVC_EMU_INSN, then back
void lower_go(struct lower_context *cx, int block, uint64_t rip);       // canonical flags, then to a block or out of the region
void lower_go_last(struct lower_context *cx, int block, uint64_t rip);  // the same at the end of a block: what is not there yet may follow
void lower_shadow_push(struct lower_context *cx);               // the shadow entry from x10 and x30
void lower_go_call(struct lower_context *cx, int back, uint64_t rip);   // BL to another region, x10 = return address; back: lower_block.back
// To the address in `target` (x9, or a register of x64 code), which may be no user address: then the kernel runs the instruction, as if nothing of it
// had been done; `popped` is what has been added to SP already. An indirect call pushes on the way, when the target is known to be good. Flags may
// stay where they are.
void lower_go_indirect(struct lower_context *cx, a64_reg target, uint64_t popped, lower_push_return *push);
// The same for a call: the target makes the shadow entry from x10, which push has set, and x30. back: lower_block.back, where the code goes on.
void lower_call_indirect(struct lower_context *cx, a64_reg target, int back, lower_push_return *push);
// For the instruction that ends a block with END_BRANCH: first lower_join_early, then the condition, then a branch to
// lower_taken_label (which notes the flags as they are at that branch).
void lower_join_early(struct lower_context *cx);
uint32_t lower_taken_label(struct lower_context *cx);
void lower_branch_taken(struct lower_context *cx, struct lower_condition c);    // to it if c holds; perhaps turned round
