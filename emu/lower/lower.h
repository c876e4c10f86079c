// SPDX-License-Identifier: MIT
// x64 code at one address to arm64 code: discover a region, analyse it, lower it. Pure: reads code through a callback,
// writes into the caller's buffers, keeps nothing.
//
// State at every entry and exit of a region: see emu/run/ctx.h ("Registers").
// Exits
//  - direct (jmp, jcc, call, fall-through to code outside the region): a patchable word `b rectifier` (or `bl`) at `site`. In the
//    region's tail the rectifier makes the flags canonical (it may be nothing) and ends with the link stub `svc #SVC_EMU_LINK` at
//    `stub`, which enters the kernel once. Then, if the target's entry does not look at the flags or the rectifier is nothing, the
//    runtime patches `site` to branch straight to the entry; else the stub. `call`: a call; its target may be entered with any flags
//    unless they are really read there.
//  - indirect (jmp/call r/m), or to an EC page (source.is_ec says so): a look into the first way of the branch target table whose base is in
//    x13 (emu/run/ctx.h); flags are where they are. If it is not there: x9 = target, canonical flags and stub_indirect or stub_call.
//  - raising: svc #SVC_EMU_TRAP / SVC_EMU_DIVIDE; an instruction left to the kernel: svc #SVC_EMU_INSN, with
//    the flags in canonical form before and after.
// Instructions the lowering does not know end the region with SVC_EMU_TRAP; the runtime decodes them again and raises
// "unsupported instruction".
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct emu_features {          // of the core; probed once (ID_AA64*). All false is ARMv8.0 (Cortex-A72).
    bool lse, lse2, lrcpc, lrcpc2, flagm, flagm2, afp, frintts, crc32, aes, pmull, sha1, sha2, fhm, cssc, rng;
};

enum memory_model { MODEL_PLAIN, MODEL_TSO };

// How MXCSR is kept. FP_FAST: in FPCR and FPSR, all exceptions masked, no FTZ, no DAZ, DE not tracked. FP_EXACT: in the context (CTX_MXCSR);
// see lower_exact.c.
enum fp_model { FP_FAST, FP_EXACT };

struct code_source {
    // Copies up to `max` bytes of x64-executable, non-EC memory at va; returns how many (0: may not be executed).
    size_t (*read)(void *context, uint64_t va, uint8_t *buffer, size_t max);
    bool   (*is_ec)(void *context, uint64_t va);
    void    *context;
    // May be NULL. Whether the eight bytes at va cannot change unless the caller learns of it and drops the region; what they are.
    bool   (*constant)(void *context, uint64_t va, uint64_t *value);
};

struct lower_config {
    struct emu_features features;
    enum memory_model model;
    enum fp_model fp_model;
    uint64_t code_va;          // EL0 address the first code word will run at
    uint64_t stub_indirect;    // EMU_STUB_SECOND, or with `step` EMU_STUB_STEP: within +-128 MiB of code_va
    uint64_t stub_call;        // the same for calls, EMU_STUB_FIRST; 0: as stub_indirect
    uint64_t stub_return;      // EMU_STUB_RETURN of it, likewise; 0: no shadow stack
    uint64_t stub_call_ec;     // EMU_STUB_CALL_EC, likewise; 0: calls of EC code are indirect ones
    bool step;                 // one round of a REP string instruction at a time: all of them by the kernel
    uint8_t x87_depth;         // a guess: how many x87 stack registers are in use at the address (lower_x87.c)
    uint32_t max_instructions; // bound of a region; 0: default (1 is legal and used by tests)
    bool large;                // worth more of it: a larger default, and small functions that it calls are taken in (callee.c)
    // The x64 bytes may change unseen: the code compares them before it does what they say (verify.c). is_loose, called with the
    // source's context: whether one of these bytes of an operand is known to change.
    bool verify;
    bool (*is_loose)(void *context, uint64_t va, unsigned bytes);
    // Called with the source's context, may be NULL: whether accesses of the instruction at rip are often unaligned, so that LDAR and STLR
    // are no use in it.
    bool (*is_unaligned)(void *context, uint64_t rip);
    // Nobody is known yet who reads flags that a function returns: entries and return points that only pass flags on do not want them. A call in
    // front of a return point that does read them is SVC_EMU_READER instead. All x87 exceptions are masked.
    bool no_readers;
    bool trap_by_brk;          // `brk #n` instead of `svc #n`: for test programs under an operating system that has its own svc
};

// Working memory for one call of lower_region: the caller's, 16-byte aligned, no contents to keep.
#define LOWER_WORK_BYTES (1024u * 1024)

// What the code at an entry does with the arithmetic flags that it is entered with. R: x64 code may read them, or a trap, or the kernel
// shows them: they must be canonical. F: only a memory fault may show them, until they are written. N: nobody looks. A memory fault may
// show stale ones after a call, return or indirect jump; so these treat F like N.
enum lower_entry_flags { ENTRY_R, ENTRY_F, ENTRY_N };
// Offsets in bytes from code_va. `call` is where paired calls enter, which makes the shadow entry from x10 and x30 (run/ctx.h); LOWER_NO_CALL: nowhere.
struct lower_entry { uint64_t rip; uint32_t offset, call; uint8_t flags; };        // enum lower_entry_flags
enum { LOWER_NO_CALL = 0xffffffff };
struct lower_exit  { uint64_t target; uint32_t site, rectifier, stub; bool call, paired; };
// The region holds as long as the eight bytes at va are this, and with `ec` in a page of EC code.
struct lower_assumption { uint64_t va, value; bool ec; };
// From `offset` (inclusive) up to the next point's offset the x64 instruction at rip executes. `recipe` says how the
// architectural flags are found at a fault there (see lower_recover).
// rsp: what SP lacks of it there: the accesses of several PUSHes and POPs come before SP changes, or POP to memory has changed it (lower_stack.c).
// retry: if not 0, a fault there is not to be shown: the thread goes on at this offset, with all registers as they are, and will be at
// the same access again with exact state (lower_chain.c, lower_x87.c, lower_string.c). exact: the state is so already, but the processor's is
// another: the instruction would have come further.
// lazy: general registers whose values are not in their places (lower_recover_registers).
// owed: x10 and x30 are a shadow entry that is not made yet (owed.c).
struct lower_point { uint64_t rip, lazy; uint32_t offset; uint32_t recipe; uint32_t retry; int16_t rsp; bool exact, owed; };

struct lower_result {
    // Buffers and capacities: the caller's. Counts: filled in.
    uint32_t *code;               uint32_t code_capacity, code_count;        // words
    struct lower_entry *entries;  uint32_t entry_capacity, entry_count;      // [0] is the requested rip
    struct lower_exit *exits;     uint32_t exit_capacity, exit_count;
    struct lower_point *points;   uint32_t point_capacity, point_count;      // ascending offsets
    struct lower_assumption *assumptions; uint32_t assumption_capacity, assumption_count;
    bool returns;                 // shadow entries may lead into it
    uint64_t first, last;         // x64 byte range read [first, last): what a write must hit to invalidate the region
    uint32_t x64_instructions, x64_bytes;
    bool more;              // with lower_config.large there would be more in it
    // Starts of blocks; every loop has one. Any word there may become `svc #SVC_EMU_LEAVE`: rip and flags are its point's.
    // Not wanted if the capacity is 0.
    struct lower_entry *heads;    uint32_t head_capacity, head_count;
    // With verify: the bytes at entries[0] that are compared first, those whose mask is 0 excepted, and the exit (an index, LOWER_NO_EXIT:
    // none) that is taken when they have changed. Such a region has one entry only.
    uint8_t *checked, *checked_mask; uint32_t checked_capacity, checked_count;
    uint32_t version_exit;
    void *work;             // LOWER_WORK_BYTES, in
};

enum { LOWER_NO_EXIT = 0xffffffff };

enum lower_status {
    LOWER_OK,
    LOWER_NOT_EXECUTABLE,   // no byte at rip may be executed
    LOWER_FULL,             // a buffer is too small: nothing usable; call again with larger ones or a smaller max_instructions
    LOWER_DEFECT,           // the lowering asked for an arm64 instruction that does not exist: a bug here, nothing usable
};
enum lower_status lower_region(const struct lower_config *config, const struct code_source *source, uint64_t rip,
                               struct lower_result *result);

// Operands of this instruction that code with lower_config.verify can read at run time (is_loose): a set of these.
enum { LOOSE_IMM = 1, LOOSE_DISP = 2, LOOSE_REL = 4 };
struct x64_insn;
uint8_t lower_loose_fields(const struct x64_insn *insn);

// Exact x64 flags at a point, from the saved arm64 state of a thread stopped there: fills *eflags with CF PF AF ZF SF OF
// (bit positions of RFLAGS). x[31] = general registers x0..x30; sp is rsp; nzcv in bits 31:28. DF is the caller's business.
void lower_recover_flags(const struct lower_point *point, const uint64_t x[31], uint64_t sp, uint32_t nzcv, uint32_t *eflags);
// Gives the general registers x[0..30] of a thread stopped at the point their x64 values. After lower_recover_flags, which wants them as they were.
void lower_recover_registers(const struct lower_point *point, uint64_t x[31]);
// The point, for a thread that has popped eight bytes since.
void lower_point_popped(struct lower_point *point);
// The inverse, canonical: x[23], x[24] and NZCV for given flags (used when a context is taken in at a region entry).
void lower_flags_in(uint32_t eflags, uint64_t *x23, uint64_t *x24, uint32_t *nzcv);
