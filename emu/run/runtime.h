// SPDX-License-Identifier: MIT
// Inside of the translator runtime: code caches, translated regions, what a process has of them.
//
// Idea. A region is one translation: some x64 blocks, their arm64 code in a cache, a table of points (code offset -> rip) and
// its direct exits. Regions of image code go to a shared cache, one per memory and floating-point model, mapped at the same address in
// every x64 process; they are found by rip and hold for a process whose pages there are the very frames they were made from, and whose import slots hold what
// they assume; and all regions to which their links lead must hold there too. Everything else goes to the process's own cache. Direct exits are patched branches; indirect ones go through the process's branch
// target table (emu/run/ctx.h).
//
// Invalidation. Pages that were read are watched by mm. When one is written, protected or freed, the regions made from it
// die: they leave the maps and the table, incoming branches go back to their link stubs. A dead region's code and points
// stay, since other cores may still be inside it. Memory comes back by chunks: a chunk is doomed (what lives in it dies), and used
// anew when no thread can be inside any more (reclaim.c).
//
// Lock: emu_lock (LOCK_EMU) guards everything here. Functions take it at the interface (emu.h); nothing here does.
#pragma once
#include "emu/lower/lower.h"
#include "emu/run/ctx.h"
#include "emu/run/emu.h"
#include "emu/run/map.h"
#include "emu/x64/x64.h"
#include "kernel/abi/process.h"
#include "kernel/lock.h"

#define CACHE_CHUNK_BYTES (256 * 1024)
#define SHARED_CACHES 4

struct region;

struct link {                               // a direct exit
    uint64_t target;                        // rip
    uint32_t site, rectifier, stub;         // byte offsets in the region's code; see lower.h
    bool call;                              // a direct call
    bool paired;                            // x10, x30 = return address there and here: the target makes the shadow entry
    struct region *from, *to;               // to: where it is patched to, NULL: its link stub
    struct link *next, **previous;          // in to->incoming
};

struct region_page { uint64_t va; pa_t frame; };    // an x64 page that was read

struct code_chunk;

struct region {
    struct code_cache *cache;
    struct code_chunk *chunk;
    uint64_t code_va;
    uint32_t code_bytes, unaligned;         // unaligned: so many ordered accesses were (locked.c)
    bool dead;                              // nothing leads here any more
    bool returns;                           // it may make shadow entries that lead here
    bool once;                              // made for one instruction and one use; dead from the start
    bool sealed;                            // dead, and a thread inside leaves at the next block's head
    bool holds_frames;                      // a reference to each of its pages' frames
    bool step;                              // the same, under EFLAGS.TF
    bool step_inhibits;                     // MOV SS: no trap between it and the next instruction (SDM vol. 3, 7.8.3)
    bool verify;                            // compares its code with what it was made from (versions.c)
    bool more;                              // lower_config.large would make more of it
    uint8_t samples;                        // interrupts that found a thread in it (hot.c)
    uint64_t first, last;                   // x64 bytes [first, last)
    uint32_t entry_count, link_count, point_count, page_count, assumption_count;
    struct lower_entry *entries;
    struct link *links;                     // in order of stub
    struct lower_point *points;
    struct region_page *pages;
    struct lower_assumption *assumptions;   // what read-only memory of images holds
    struct link *incoming;
    struct region *next_fitting;            // while translate.c finds out whether it holds for a process
    uint32_t head_count, checked_count;
    struct lower_entry *heads;              // where a thread can be made to leave
    // Of one that verifies: the bytes at its address that are compared first (mask 0: not compared), the link it takes when they differ,
    // and the next translation of the same address, to which that link leads.
    uint8_t *checked, *checked_mask;
    struct link *version_link;
    struct region *next_version;
};

enum chunk_state { CHUNK_FREE, CHUNK_FILLING, CHUNK_FULL, CHUNK_DOOMED };
struct code_chunk {
    uint8_t *kernel;
    pa_t frames;
    enum chunk_state state;
    uint32_t used, dead;                    // bytes of code; those of dead regions
    uint64_t turn;                          // when it began to be filled; once doomed: the epoch in which that happened
    struct region **regions;                // ascending code_va
    uint32_t region_count, region_capacity;
};

struct code_cache {
    struct emu_process *owner;              // NULL: shared by all processes
    uint64_t base, bytes;                   // EL0 address and size of the reservation
    struct code_chunk *chunks;              // chunk i is mapped at base + i * CACHE_CHUNK_BYTES
    uint32_t chunk_count, chunk_most;       // those that have memory; bound of that
    struct code_chunk *filling;             // NULL: none
    uint64_t turns;
    struct map large;                       // rips whose regions are translated with lower_config.large (hot.c)
    struct map unaligned;                   // rips of ordered accesses that have been unaligned
    struct map by_rip;                      // rip -> struct region * that has an entry there
    struct map by_page;                     // x64 page va -> struct page_regions *
};

struct page_regions { uint32_t count, capacity; struct region **list; };

struct table_place { struct table_entry *entry; uint32_t index; bool second; };
struct table_retired { struct table_place place; uint64_t rip; };
enum { TABLE_RETIRED = 16 };

struct emu_process {
    struct aspace *as;
    enum memory_model model;
    uint8_t x87_depth;              // what the thread that asks for a translation uses of the x87 stack; the lock is held
    enum fp_model fp_model;
    bool shares;                            // uses the shared cache of its models
    bool readers;                           // some code reads flags that a function returns
    bool dropped;                           // all translations have died at once while threads may have been in them
    uint32_t import_tables, import_slots;   // how many
    struct import_table *imports;           // imports.c
    struct map import_pages;                // set of page addresses: what they lead to, or how, is in auxiliary import tables
    uint8_t icalls;                         // calls of x64 code that the short checker has let pass (icall.c)
    uint32_t shared_mapped[SHARED_CACHES];  // chunks of each mapped so far
    uint32_t private_mapped;
    struct code_cache private_cache;
    struct map fits;                        // code_va of shared regions that hold for it, with all they lead to
    struct map watched;                     // x64 page address -> which kind of watch (translate.c)
    struct map hot;                         // x64 page address -> struct hot_page *
    uint64_t cooled_ns;                     // when they were looked at
    uint64_t table_pages[CTX_TABLE_BYTES / 4096 / 64 + 1];      // pages of the branch target tables that may hold something
    struct table_retired retired[TABLE_RETIRED];            // entries that are to be settled
    uint32_t turn, retired_count, revived;  // revived: how often one got its rip back
    struct map ec_targets;                  // set of EC addresses that the table may hold
    uva_t *cpu_areas; uint32_t cpu_area_count;
    uint64_t finished_switches;             // of threads that have ended
    uint64_t deaths;                        // of code that its threads may be in
    struct process_counters counters;
    struct emu_process *next;
};

extern struct spinlock emu_lock;
extern struct emu_process *emu_processes;
extern struct emu_features emu_features;
extern struct code_cache shared_caches[SHARED_CACHES];  // at fp_model * 2 + model

// The shared cache of the process's models. Threads may still be inside of code from the others.
static inline unsigned shared_index(const struct emu_process *p) { return p->fp_model * 2u + p->model; }
static inline struct code_cache *shared_cache(const struct emu_process *p) { return &shared_caches[shared_index(p)]; }
// Where translations of the process go with a target that they have not found in the table by themselves: in the page of stubs within their reach.
static inline uint64_t stub_within(const struct emu_process *p, unsigned stub)
{
    return (p->fp_model == FP_EXACT ? EMU_STUBS_EXACT : EMU_STUBS_BASE) + 32u * stub;
}
static inline uint64_t stub_second(const struct emu_process *p) { return stub_within(p, EMU_STUB_SECOND); }
static inline uint64_t stub_first(const struct emu_process *p) { return stub_within(p, EMU_STUB_FIRST); }

static inline uint64_t stub_return(const struct emu_process *p)
{
    return p->fp_model == FP_EXACT ? EMU_STUBS_EXACT + 32u * EMU_STUB_RETURN_EXACT : EMU_STUB_ADDRESS(EMU_STUB_RETURN);
}

// process.c
// From now on the process translates for FP_EXACT; for good. emu_lock is held. Idempotent.
void process_make_exact(struct emu_process *p);
// From now on the process translates without lower_config.no_readers, and for itself. The same conditions.
void process_has_reader(struct emu_process *p);

// features.c
struct emu_features emu_probe_features(void);

// cache.c
status_t cache_init(struct code_cache *cache, struct emu_process *owner, uint64_t base, uint64_t bytes);
void     cache_destroy(struct code_cache *cache);
// Room for at least `least` bytes of code: the EL0 address and the kernel's alias of the next free byte, and how many bytes there are;
// cache_commit takes them for a region. STATUS_INSUFFICIENT_RESOURCES: full (reclaim_need).
status_t cache_reserve(struct code_cache *cache, uint32_t least, uint64_t *code_va, uint8_t **kernel, uint32_t *room);
status_t cache_commit(struct code_cache *cache, struct region *region);
struct code_chunk *cache_chunk_at(const struct code_cache *cache, uint64_t code_va);   // NULL: outside
status_t cache_map(struct code_cache *cache, struct aspace *as, uint32_t *mapped);   // chunks not yet mapped there
uint8_t *cache_pointer(const struct code_cache *cache, uint64_t code_va);
struct region *cache_region_at(const struct code_cache *cache, uint64_t code_va);     // dead ones too; NULL: none

// region.c
status_t region_add(struct code_cache *cache, const struct lower_result *result, uint64_t code_va,
                    const struct region_page *pages, uint32_t page_count, bool findable, struct region **out);
enum lower_entry_flags region_entry_flags(const struct region *region, uint64_t rip);
uint64_t region_entry(const struct region *region, uint64_t rip);      // EL0 address, 0: no entry there
uint64_t region_call_entry(const struct region *region, uint64_t rip); // the same for a link that is a call; 0: not made
void     region_link(struct link *link, struct region *to, uint64_t code_va);
void     region_kill(struct region *region);        // nothing leads there any more; its own links are forgotten, never made again
const struct lower_point *region_point(const struct region *region, uint64_t code_va);

void     region_evict(struct region *region);       // the same, and the branch target tables forget it
void     region_free(struct region *region);        // a dead one, when nobody can be inside

// reclaim.c
void     reclaim_thin(struct code_cache *cache);    // a chunk has been filled: dooms another if that is worth while
bool     reclaim_need(struct code_cache *cache);    // the cache is full: dooms a chunk; false: there is none to doom
void     reclaim_forget(struct code_cache *cache);  // the cache goes
// Waits until something may have become free. No lock held; nothing of the caller's may depend on a region.
void     reclaim_wait(void);
static inline bool reclaim_leaves(const struct region *region) { return region && region->dead && !region->once && !region->sealed; }
void     reclaim_seal(struct region *region);    // dead: who is in it leaves at the next block's head. No lock held, a thread of this core is in it

// shadow.c: emu_lock is held
void shadow_create(struct emu_process *p, uva_t cpu_area);
bool shadow_is_access(uint32_t word);               // an instruction that makes or takes an entry
// The access at the frame's pc has faulted: x14 becomes what it can go on with.
void shadow_repair(struct emu_process *p, struct trap_frame *frame, uva_t cpu_area);
void shadow_empty(struct emu_process *p, struct trap_frame *frame);        // of the thread; with or without the lock
void shadow_forget(struct emu_process *p, uint64_t base, uint64_t bytes);  // entries of all threads that lead there
void shadow_forget_thread(struct emu_process *p, uva_t cpu_area, uint64_t base, uint64_t bytes);
// The thread is stopped at the point: if it has one in its registers that leads into dead code, that is no entry any more.
void shadow_forget_owed(struct emu_process *p, struct trap_frame *frame, const struct lower_point *point);
void shadow_sweep(struct emu_process *p, uva_t cpu_area);                   // entries of one thread that lead into dead code

// table.c: the branch target table of the process's floating-point model
status_t table_create(struct emu_process *p, enum fp_model model);
status_t table_put(struct emu_process *p, uint64_t rip, uint64_t code_va, bool reads_flags);     // reads_flags: the code is ENTRY_R, or of an EC page
void     table_put_call(struct emu_process *p, uint64_t rip, uint64_t call_va, bool reads_flags);     // the same for calls: region_call_entry
void     table_remove(struct emu_process *p, uint64_t rip);
void     table_clear(struct emu_process *p);
// Entries that two rips want, in x86-TSO: table_put has set p->retired_count. No lock held. They may be used anew afterwards.
void     table_settle(struct emu_process *p);
// A thread of the process has been interrupted at EL0: if it was at a look-up, that finds nothing.
void     table_interrupted(struct emu_process *p, struct trap_frame *frame);

// translate.c
// EL0 address to continue at for rip in this process: translated code, or the EC entry stub. EMU_EXCEPTION fills *out.
enum emu_outcome translate_find(struct emu_process *p, uint64_t rip, uint64_t *code_va, struct region **region, struct exception *out);
// A translation of the one instruction at rip that nothing else will find or watch.
enum emu_outcome translate_once(struct emu_process *p, uint64_t rip, uint64_t *code_va, struct exception *out);

// Whether a branch patched into `from` holds wherever `from` runs. Own code may branch anywhere.
bool translate_may_link(struct emu_process *p, const struct region *from, struct region *to);

enum { WHOLE_REGION = 0 };
// A translation that verifies of the code at rip, of at most so many instructions.
enum emu_outcome translate_verified(struct emu_process *p, uint64_t rip, uint32_t instructions, struct region **out,
                                    struct exception *exception);
// The hook is called before the page changes. A hot one (versions_hot) is watched for what happens to its mapping only: its translations look after stores themselves.
bool translate_watch(struct emu_process *p, uint64_t page);
bool translate_read(struct emu_process *p, uint64_t rip, uint8_t *bytes, uint32_t count);  // x64 code as it is now; false: not all of it

// The same for a single step: every way out of it enters the kernel (step.c).
enum emu_outcome translate_step(struct emu_process *p, uint64_t rip, uint64_t *code_va, struct exception *out);

// step.c: EFLAGS.TF. The frame is at a region's canonical form, emu_lock held.
bool step_wanted(struct emu_process *p, struct trap_frame *frame);
enum emu_outcome step_begin(struct emu_process *p, struct trap_frame *frame, uint64_t rip, struct exception *out);  // runs one instruction
enum emu_outcome step_done(struct emu_process *p, struct trap_frame *frame, uint64_t rip, struct exception *out);   // raises #DB

// versions.c: pages whose code is rewritten often
void versions_note_write(struct emu_process *p, uint64_t page);             // translations of the page have died
bool versions_hot(struct emu_process *p, uint64_t page);                    // its code must verify itself
bool versions_restless(struct emu_process *p, uint64_t page);               // it has changed so often that nothing is assumed of it
bool versions_loose(struct emu_process *p, uint64_t va, unsigned bytes);    // operand bytes that change
// Of the translations of an address, one that holds for the code as it is now; made if there is none.
enum emu_outcome versions_find(struct emu_process *p, struct region *first, uint64_t rip, struct region **out, struct exception *exception);
bool versions_add(struct region *region);       // into the chain of its address; false: no memory
void versions_remove(struct region *region);
void versions_cool(struct emu_process *p);      // now and then: pages that are no longer rewritten
void versions_clear(struct emu_process *p);

// locked.c: whether an ordered access of the instruction has been unaligned, so that it is to do without LDAR and STLR.
bool locked_unaligned(const struct code_cache *cache, uint64_t rip);

// hot.c: an interrupt has found a thread in the region. If that is often so it dies, and its places are translated anew, larger.
void hot_sample(struct region *region);
bool hot_is_large(const struct code_cache *cache, uint64_t rip);

// state.c
struct region *state_region(struct emu_process *p, uint64_t pc);
bool state_in_stubs(uint64_t pc);
// The frame, stopped at the point, becomes x64 state.
void state_to_x64(struct emu_process *p, struct trap_frame *frame, const struct lower_point *point);
// The same where the flags are canonical (region entries, stubs): pc becomes rip.
void state_at_entry(struct emu_process *p, struct trap_frame *frame, uint64_t rip);
// x64 state (NZCV with C = CF; PF, AF, DF given) to the canonical form of a region entry. x28 must be the CPU area.
void state_to_entry(struct emu_process *p, struct trap_frame *frame, uint32_t lost_flags);
uint32_t state_eflags(struct emu_process *p, const struct trap_frame *frame);   // of a frame in x64 state
uint32_t state_lost_flags(struct emu_process *p, uva_t cpu_area);       // PF, AF, DF of the last state_to_x64

// x87 registers in use, or 0 if the state is plain (emu/x87/quick.h). interpret_fp.c; the lock is held.
uint8_t state_x87_depth(struct emu_process *p, const struct trap_frame *frame);

// fp.c: the calling thread's MXCSR; FPCR, FPSR and the vector registers are live. The frame names its CPU area (x28).
uint32_t fp_mxcsr(struct emu_process *p, const struct trap_frame *frame);
void     fp_set_mxcsr(struct emu_process *p, const struct trap_frame *frame, uint32_t mxcsr);
bool     fp_fits_fast(uint32_t mxcsr);              // FP_FAST can keep it
void     fp_allow_exact(struct emu_process *p, uva_t cpu_area);     // native code of the thread shows or sets MXCSR; the lock is held
void     fp_make_exact(struct emu_process *p, struct trap_frame *frame);      // process and thread; takes the lock
void     fp_enter(struct emu_process *p, struct trap_frame *frame);     // about to run x64 code of the process's model: sets x13, too
uint64_t fp_dispatcher(struct emu_process *p, const struct trap_frame *frame);    // where the thread, in its form, goes on at x9
void     fp_leave(struct emu_process *p, const struct trap_frame *frame);   // about to be seen, or to run native code

// Links of the stub page (stubs.S).
extern const uint8_t emu_stubs_start[], emu_stubs_end[], emu_stub_enter_ec[], emu_stub_enter_ec_end[];
extern const uint8_t emu_stub_short_check[], emu_stub_short_check_end[];

// imports.c
void imports_changing(struct emu_process *p, uint64_t page);        // the hook of a page
void imports_clear(struct emu_process *p);

// icall.c
status_t icall_init(void);
status_t icall_create(struct emu_process *p);       // maps the stubs into reservations for them

// raise.c
// The x64 instruction at rip, again; EMU_RESUME: decoded.
enum emu_outcome raise_decode(struct emu_process *p, uint64_t rip, struct x64_insn *insn, uint8_t *bytes, struct exception *out);
enum emu_outcome raise_unsupported(const struct x64_insn *insn, const uint8_t *bytes, struct exception *out);
// The instruction at elr was left to the kernel to raise (or to serve: SYSCALL). The frame is in x64 state.
enum emu_outcome raise_instruction(struct emu_process *p, struct trap_frame *frame, struct exception *out);

// interpret.c: the instruction at rip on the frame (x64 registers in their arm64 homes, canonical flags).
// EMU_RESUME: done. EMU_EXCEPTION: *out says what, nothing changed. EMU_NOT_MINE: not an instruction known here.
// *leave_to: 0, or the rip where the thread goes on (a transfer of control; TF may have been set).
enum emu_outcome interpret(struct emu_process *p, struct trap_frame *frame, const struct x64_insn *insn, uint64_t *leave_to,
                           struct exception *out);
uint64_t interpret_address(const struct trap_frame *frame, const struct x64_insn *insn);   // of the memory operand
// A floating-point instruction of FP_EXACT, or an x87 one. The frame's flags are not looked at; *eflags is changed if the instruction is a comparison.
enum emu_outcome interpret_fp(struct emu_process *p, struct trap_frame *frame, const struct x64_insn *insn, uint32_t *eflags,
                              struct exception *out);
extern const uint8_t x64_register_home[16];       // arm64 register number of an x64 one; 31 is sp

void exception_access(struct exception *e, uint64_t rip, unsigned kind, uint64_t address);   // kind 0 read, 1 write, 8 execute
