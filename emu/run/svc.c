// SPDX-License-Identifier: MIT
// Kernel entries from translated code and the stubs.
#include "emu/run/runtime.h"

#include "kernel/abi/ntstatus.h"
#include "kernel/lock.h"
#include "kernel/log.h"
#include <string.h>

// The thread goes on at rip by way of the dispatcher, flags being canonical.
static enum emu_outcome again(struct trap_frame *frame, uint64_t rip)
{
    frame->x[9] = rip;
    frame->elr = EMU_STUB_ADDRESS(EMU_STUB_DISPATCH);
    return EMU_NO_ROOM;
}

static enum emu_outcome svc_miss(struct emu_process *p, struct trap_frame *frame, struct exception *out)
{
    uint64_t rip = frame->x[9], code_va;
    struct region *region;
    p->counters.entries_miss++;
    if (step_wanted(p, frame))
        return step_begin(p, frame, rip, out);
    p->x87_depth = state_x87_depth(p, frame);
    enum emu_outcome outcome = translate_find(p, rip, &code_va, &region, out);
    bool reads_flags = !region || region_entry_flags(region, rip) == ENTRY_R;
    uint64_t call_va = region ? region_call_entry(region, rip) : EMU_STUB_ADDRESS(EMU_STUB_ENTER_EC_CALL);
    if (outcome == EMU_RESUME && call_va)
        table_put_call(p, rip, call_va, reads_flags);
    if (outcome == EMU_RESUME && NT_ERROR(table_put(p, rip, code_va, reads_flags)))
        outcome = EMU_EXCEPTION, *out = (struct exception){ .code = STATUS_NO_MEMORY, .address = rip };
    if (outcome == EMU_NO_ROOM)
        return again(frame, rip);
    if (outcome == EMU_RESUME) {
        fp_enter(p, frame);
        frame->elr = code_va;
    } else {
        state_at_entry(p, frame, rip);
    }
    return outcome;
}

static enum emu_outcome svc_link(struct emu_process *p, struct trap_frame *frame, struct region *region, struct exception *out)
{
    struct link *link = NULL;
    for (uint32_t i = 0; i < region->link_count && !link; i++)
        if (region->code_va + region->links[i].stub == frame->elr - 4)
            link = &region->links[i];
    if (!link)
        return EMU_NOT_MINE;
    uint64_t code_va, target = link->target;
    struct region *to;
    p->counters.entries_link++;
    if (region->step)
        return region->step_inhibits ? step_begin(p, frame, target, out) : step_done(p, frame, target, out);
    p->x87_depth = state_x87_depth(p, frame);
    enum emu_outcome outcome = translate_find(p, target, &code_va, &to, out);
    if (outcome == EMU_NO_ROOM)
        return again(frame, target);
    if (outcome != EMU_RESUME) {
        state_at_entry(p, frame, target);
        return outcome;
    }
    // A return into code that is dead would keep the thread there.
    uint64_t call = link->paired && to && !region->dead ? region_call_entry(to, target) : 0;
    if (call)
        code_va = call;
    if (translate_may_link(p, region, to) && link != region->version_link)    // that one leads to the next version, if there is one
        region_link(link, to, code_va);
    fp_enter(p, frame);
    frame->x[9] = target;                   // what the EC entry stub expects
    frame->elr = code_va;
    return EMU_RESUME;
}

// The head's point may be that of a later instruction of its block, if those before it emitted nothing: they have been executed then.
static enum emu_outcome svc_leave(struct trap_frame *frame, const struct region *region)
{
    const struct lower_point *point = region_point(region, frame->elr - 4);
    for (uint32_t i = 0; i < region->head_count && point; i++)
        if (region->code_va + region->heads[i].offset == frame->elr - 4) {
            uint32_t eflags = 0, nzcv = (uint32_t)frame->spsr & 0xf0000000u;
            frame->sp += (uint64_t)(int64_t)point->rsp;
            lower_recover_flags(point, frame->x, frame->sp, nzcv, &eflags);
            lower_recover_registers(point, frame->x);
            lower_flags_in(eflags, &frame->x[23], &frame->x[24], &nzcv);
            frame->spsr = (frame->spsr & ~0xf0000000ull) | nzcv;
            again(frame, point->rip);
            return EMU_RESUME;
        }
    return EMU_NOT_MINE;
}

static enum emu_outcome svc_reader(struct emu_process *p, struct trap_frame *frame, const struct lower_point *point)
{
    process_has_reader(p);
    frame->x[9] = point->rip;
    frame->elr = fp_dispatcher(p, frame);
    return EMU_RESUME;
}

// What follows in the region may have changed, or the process has other models by now.
static bool is_old(const struct emu_process *p, const struct region *region)
{
    if (region->cache != &p->private_cache)
        return region->dead || !p->shares || region->cache != shared_cache(p);
    return (region->dead || region->verify) && !region->once;
}

// The instruction that the kernel executed at the point has raised.
static void raised(struct emu_process *p, struct trap_frame *frame, const struct lower_point *point, struct exception *out)
{
    state_to_x64(p, frame, point);
    if (out->code == STATUS_ACCESS_VIOLATION)
        emu_fault_as_x64(p, frame, out);
}

// No lock held: what the instruction stores may hit code, and then the translator is told.
static enum emu_outcome svc_insn(struct emu_process *p, struct trap_frame *frame, const struct region *region,
                                 const struct lower_point *point, struct exception *out)
{
    struct x64_insn insn;
    uint8_t bytes[X64_LENGTH_MAX];
    uint64_t leave_to = 0;
    enum emu_outcome outcome = raise_decode(p, point->rip, &insn, bytes, out);
    if (outcome == EMU_RESUME)
        outcome = interpret(p, frame, &insn, &leave_to, out);
    if (outcome == EMU_NOT_MINE)
        outcome = raise_unsupported(&insn, bytes, out);
    if (outcome == EMU_EXCEPTION)
        raised(p, frame, point, out);
    if (outcome == EMU_RESUME && leave_to) {
        frame->x[9] = leave_to;
        frame->elr = EMU_STUB_ADDRESS(region->step ? EMU_STUB_STEP : EMU_STUB_MISS);
        return EMU_RESUME;
    }
    if (outcome == EMU_RESUME && is_old(p, region)) {
        frame->x[9] = insn.rip + insn.length;
        frame->elr = fp_dispatcher(p, frame);
    }
    return outcome;
}

// The same for a floating-point instruction of FP_EXACT, with the flags wherever the point says they are.
static enum emu_outcome svc_fp(struct emu_process *p, struct trap_frame *frame, const struct region *region,
                               const struct lower_point *point, struct exception *out)
{
    struct x64_insn insn;
    uint8_t bytes[X64_LENGTH_MAX];
    uint32_t eflags = 0, nzcv = (uint32_t)frame->spsr & 0xf0000000u;
    enum emu_outcome outcome = raise_decode(p, point->rip, &insn, bytes, out);
    lower_recover_flags(point, frame->x, frame->sp, nzcv, &eflags);
    if (outcome == EMU_RESUME)
        outcome = interpret_fp(p, frame, &insn, &eflags, out);
    if (outcome == EMU_NOT_MINE)
        outcome = raise_unsupported(&insn, bytes, out);
    if (outcome == EMU_EXCEPTION) {
        raised(p, frame, point, out);
        return outcome;
    }
    if (is_old(p, region)) {
        lower_flags_in(eflags, &frame->x[23], &frame->x[24], &nzcv);
        frame->x[9] = insn.rip + insn.length;
        frame->elr = fp_dispatcher(p, frame);
    } else if (x64_flags_killed(&insn)) {   // a comparison: as FCMP leaves them (Arm ARM FCMP)
        nzcv = (eflags & X64_PF ? 3u : eflags & X64_ZF ? 6u : eflags & X64_CF ? 8u : 2u) << 28;
    }
    frame->spsr = (frame->spsr & ~0xf0000000ull) | nzcv;
    return outcome;
}

static enum emu_outcome svc_locked(struct emu_process *p, struct trap_frame *frame, uint16_t immediate, struct exception *out)
{
    uint64_t pc = frame->elr - 4;
    if (state_in_stubs(pc)) {
        if (immediate == SVC_EMU_MISS)
            return svc_miss(p, frame, out);
        if (immediate == SVC_EMU_STEP)
            return step_done(p, frame, frame->x[9], out);
        if (immediate == SVC_EMU_EXACT) {
            fp_allow_exact(p, frame->x[9]);
            return EMU_RESUME;
        }
        if (immediate != SVC_EMU_BAD_EC)
            return EMU_NOT_MINE;
        state_at_entry(p, frame, frame->x[9]);
        *out = (struct exception){ .code = STATUS_ILLEGAL_INSTRUCTION, .address = frame->elr };
        format_text(out->detail, sizeof out->detail, "x64 code entered ARM64EC code that has no entry thunk");
        return EMU_EXCEPTION;
    }
    struct region *region = state_region(p, pc);
    if (!region)
        return EMU_NOT_MINE;
    if (immediate == SVC_EMU_LINK)
        return svc_link(p, frame, region, out);
    if (immediate == SVC_EMU_LEAVE)
        return svc_leave(frame, region);
    const struct lower_point *point = region_point(region, pc);
    if (point && immediate == SVC_EMU_READER)
        return svc_reader(p, frame, point);
    if (!point || immediate != SVC_EMU_TRAP)
        return EMU_NOT_MINE;
    bool unchecked = region->verify && region->checked_count == 1 && !region->checked_mask[0];      // there was no instruction to compare: is there one now?
    struct x64_insn now;
    uint8_t bytes[X64_LENGTH_MAX];
    if (unchecked && !region->dead && raise_decode(p, point->rip, &now, bytes, out) == EMU_RESUME)
        region_evict(region);
    if (region->dead && !region->once) {        // there may be another instruction by now
        lower_recover_registers(point, frame->x);
        frame->x[9] = point->rip;
        frame->elr = EMU_STUB_ADDRESS(EMU_STUB_DISPATCH);
        return EMU_RESUME;
    }
    state_to_x64(p, frame, point);
    return raise_instruction(p, frame, out);
}

enum emu_outcome emu_svc(struct emu_process *p, struct trap_frame *frame, uint16_t immediate, struct exception *out)
{
    spin_lock(&emu_lock);
    if (immediate != SVC_EMU_INSN && immediate != SVC_EMU_DIVIDE && immediate != SVC_EMU_FP) {
        enum emu_outcome outcome = svc_locked(p, frame, immediate, out);
        spin_unlock(&emu_lock);
        if (outcome == EMU_NO_ROOM) {
            reclaim_wait();
            outcome = EMU_RESUME;
        }
        if (p->retired_count)
            table_settle(p);
        return outcome;
    }
    // Regions stay as long as a thread can be in them. Of SVC_EMU_DIVIDE the interpreter finds out whether by zero or by overflow.
    struct region *region = state_region(p, frame->elr - 4);
    const struct lower_point *point = region ? region_point(region, frame->elr - 4) : NULL;
    p->counters.entries_emulated += point != NULL;
    spin_unlock(&emu_lock);
    if (!point)
        return EMU_NOT_MINE;
    return immediate == SVC_EMU_FP ? svc_fp(p, frame, region, point, out) : svc_insn(p, frame, region, point, out);
}

static enum emu_outcome retry_locked(struct emu_process *p, struct trap_frame *frame)
{
    struct region *region = state_region(p, frame->elr);
    const struct lower_point *point = region ? region_point(region, frame->elr) : NULL;
    if (point)
        shadow_forget_owed(p, frame, point);
    if (point && p->dropped)            // the thread may be on its way through dead code, which has made entries since it died
        shadow_sweep(p, frame->x[28]);
    if (!point || !region->dead || region->once || shadow_is_access(*(uint32_t *)cache_pointer(region->cache, frame->elr)))
        return EMU_NOT_MINE;
    if (point->retry && !point->exact) {
        frame->elr = region->code_va + point->retry;
        return EMU_RESUME;
    }
    uint64_t code_va;
    struct exception exception;
    struct trap_frame x64 = *frame;
    state_to_x64(p, &x64, point);
    enum emu_outcome outcome = translate_once(p, x64.elr, &code_va, &exception);
    if (outcome == EMU_RESUME) {
        state_to_entry(p, &x64, state_lost_flags(p, x64.x[28]));
        x64.elr = code_va;
        *frame = x64;
    }
    fp_enter(p, frame);
    return outcome;
}

void emu_retry(struct emu_process *p, struct trap_frame *frame)
{
    for (enum emu_outcome outcome = EMU_NO_ROOM; outcome == EMU_NO_ROOM;) {
        spin_lock(&emu_lock);
        outcome = retry_locked(p, frame);
        spin_unlock(&emu_lock);
        if (outcome == EMU_NO_ROOM)
            reclaim_wait();
    }
}

static bool in_enter_ec(uint64_t pc)
{
    uint64_t offset = pc - EMU_STUBS_BASE;
    return offset >= (uint64_t)(emu_stub_enter_ec - emu_stubs_start) && offset < (uint64_t)(emu_stub_enter_ec_end - emu_stubs_start);
}

static bool is_data_abort(const struct trap_frame *frame)
{
    enum { EC_DATA_ABORT = 0x24 };          // ESR_EL1.EC, Arm ARM D19.2.37
    return (frame->esr >> 26 & 0x3f) == EC_DATA_ABORT;
}

// A region that verifies reads its code like data: if the code has gone meanwhile, what the program sees is the fetch that fails.
static bool read_own_code(const struct region *region, const struct trap_frame *frame)
{
    if (!region->verify || !region->dead || !is_data_abort(frame))
        return false;
    for (uint32_t i = 0; i < region->page_count; i++)
        if (region->pages[i].va == (frame->far & ~(PAGE_BYTES - 1)))
            return true;
    return false;
}

// Whether the instruction that faulted is one of translated code or the stubs that has to do with the shadow stack.
static bool is_shadow_fault(const struct region *region, const struct trap_frame *frame)
{
    const uint32_t *word = NULL;
    uint64_t in_stubs = frame->elr - EMU_STUBS_BASE;
    if (region)
        word = (const uint32_t *)cache_pointer(region->cache, frame->elr);
    else if (in_stubs < (uint64_t)(emu_stubs_end - emu_stubs_start))
        word = (const uint32_t *)(emu_stubs_start + in_stubs);
    return word && is_data_abort(frame) && shadow_is_access(*word);
}

// The stubs' LDRB of a page's EC byte.
static bool is_look_ec(const struct trap_frame *frame)
{
    enum { LDRB_W16_X17_X16 = 0x38706a30 };
    uint64_t in_stubs = frame->elr - EMU_STUBS_BASE;
    return in_stubs < (uint64_t)(emu_stubs_end - emu_stubs_start) && is_data_abort(frame)
           && *(const uint32_t *)(emu_stubs_start + in_stubs) == LDRB_W16_X17_X16;
}

// A fault of two pushes or pops that are one access (emu/lower/lower_stack.c): the first of them is done here if it is not the one that
// faults, and *point becomes the other's; else frame->far becomes where the first one faults.
static void split_pair(struct emu_process *p, struct trap_frame *frame, const struct region *region, struct lower_point *point)
{
    uint32_t word = *(const uint32_t *)cache_pointer(region->cache, frame->elr), form = word & ~(uint32_t)CTX_PAIR_REGISTERS;
    bool push = form == CTX_PAIR_PUSH;
    if (!is_data_abort(frame) || (!push && form != CTX_PAIR_POP))
        return;
    uint64_t *value = &frame->x[push ? word >> 10 & 31 : word & 31], at = push ? frame->sp - 8 : frame->sp;
    uint64_t page = frame->far & ~(PAGE_BYTES - 1);
    struct x64_insn first;
    uint8_t bytes[X64_LENGTH_MAX];
    uint64_t count = aspace_read(p->as, point->rip, bytes, sizeof bytes, ACCESS_EXECUTE);
    bool here = at - page < PAGE_BYTES || at + 7 - page < PAGE_BYTES || x64_decode(bytes, count, point->rip, &first) != X64_OK;
    uint64_t done = here ? 0 : push ? aspace_write(p->as, at, value, 8) : aspace_read(p->as, at, value, 8, ACCESS_READ);
    if (done == 8) {
        frame->sp += push ? -8ull : 8;
        point->rip += first.length;
        if (!push)
            lower_point_popped(point);
    } else if (!here) {
        frame->far = at + done;
    } else {
        frame->far = at - page < PAGE_BYTES ? at : page;
    }
}

enum emu_outcome emu_state(struct emu_process *p, struct trap_frame *frame, uva_t cpu_area)
{
    spin_lock(&emu_lock);
    enum emu_outcome outcome = EMU_NOT_MINE;
    struct region *region = state_region(p, frame->elr);
    const struct lower_point *point = region ? region_point(region, frame->elr) : NULL;
    bool shared = region && region->cache != &p->private_cache;
    p->counters.entries_fault++;
    uint32_t *mapped = shared ? &p->shared_mapped[region->cache - shared_caches] : NULL;
    if (shared && (frame->elr - region->cache->base) / CACHE_CHUNK_BYTES >= *mapped) {
        // Another process let shared code grow; a linked branch came here before this process had the pages.
        outcome = NT_ERROR(cache_map(region->cache, p->as, mapped)) ? EMU_EXCEPTION : EMU_RESUME;
    } else if (is_shadow_fault(region, frame)) {
        shadow_repair(p, frame, cpu_area);
        outcome = EMU_RESUME;
    } else if (point && point->retry) {
        frame->elr = region->code_va + point->retry;
        outcome = EMU_RESUME;
    } else if (point && read_own_code(region, frame)) {
        state_to_x64(p, frame, point);
        state_to_entry(p, frame, state_lost_flags(p, frame->x[28]));
        fp_enter(p, frame);
        again(frame, point->rip);
        outcome = EMU_RESUME;
    } else if (point) {
        struct lower_point at = *point;
        split_pair(p, frame, region, &at);
        state_to_x64(p, frame, &at);
        outcome = EMU_EXCEPTION;
    } else if (is_look_ec(frame)) {
        frame->x[16] = 0;                   // the byte of a page that is none: not EC code
        frame->elr += 4;
        outcome = EMU_RESUME;
    } else if (in_enter_ec(frame->elr)) {
        state_at_entry(p, frame, frame->x[9]);   // the word before an EC target, or the return address, is unreadable
        outcome = EMU_EXCEPTION;
    }
    spin_unlock(&emu_lock);
    return outcome;
}
