// SPDX-License-Identifier: MIT
// See xstate.h; and the functions by which programs build and read extended contexts.
#include "images/ntdll/xstate.h"
#include "emu/run/ctx.h"
#include "emu/x87/quick.h"

#if PROCESS_IS_X64
static struct x87_state *x87_of_thread(void) { return (void *)(TEB_FIELD(uint64_t, TEB_CPU_AREA) + CTX_X87_REGISTERS); }
static struct x87_quick *quick_of_thread(void) { return (void *)(TEB_FIELD(uint64_t, TEB_CPU_AREA) + CTX_X87_DEPTH); }
static M128A *ymm_high(void) { return (void *)(TEB_FIELD(uint64_t, TEB_CPU_AREA) + CTX_YMM_HIGH); }

// The pointers have 64 bits, as FXSAVE64 stores them: over the selectors, which processors no longer keep.
void x87_take(CONTEXT *out) {
    struct x87_state plain = *x87_of_thread(), *x87 = &plain;
    struct x87_quick quick = *quick_of_thread();
    XMM_SAVE_AREA32 *f = &out->FltSave;
    x87_to_plain(x87, &quick);
    f->ControlWord = x87->control;
    f->StatusWord = x87->status;
    f->TagWord = (uint8_t)x87->valid;
    f->ErrorOpcode = x87->opcode;
    memcpy(&f->ErrorOffset, &x87->ip, 8);
    memcpy(&f->DataOffset, &x87->dp, 8);
    for (unsigned i = 0; i < 8; i++) memcpy(&f->FloatRegisters[i], &x87->reg[((x87->status >> 11) + i) & 7], 16);
}

// As FXRSTOR takes it: reserved bits of the control word do not exist, ES and B follow from flags and masks.
void x87_give(const CONTEXT *in) {
    struct x87_state *x87 = x87_of_thread();
    const XMM_SAVE_AREA32 *f = &in->FltSave;
    x87->control = (f->ControlWord & 0x1f3f) | 0x40;
    x87->status = (f->StatusWord & ~0x8080) | (f->StatusWord & ~x87->control & 0x3f ? 0x8080 : 0);
    x87->valid = f->TagWord;
    x87->opcode = f->ErrorOpcode & 0x7ff;
    memcpy(&x87->ip, &f->ErrorOffset, 8);
    memcpy(&x87->dp, &f->DataOffset, 8);
    for (unsigned i = 0; i < 8; i++) {
        struct float80 *to = &x87->reg[((x87->status >> 11) + i) & 7];
        *to = (struct float80){ .significand = f->FloatRegisters[i].Low, .sign_exponent = (uint16_t)f->FloatRegisters[i].High };
    }
    x87_to_quick(x87, quick_of_thread());
}

static struct context_ex *ex_of(const CONTEXT *context) { return (struct context_ex *)(context + 1); }
static struct xstate *xstate_of(const struct context_ex *ex) { return (struct xstate *)((uint8_t *)ex + ex->xstate.offset); }

static void describe(CONTEXT *context, uint64_t features) {
    struct context_ex *ex = ex_of(context);
    *ex = (struct context_ex){ .legacy = { -(int)sizeof *context, sizeof *context } };
    ex->all.offset = -(int)sizeof *context;
    if (context->ContextFlags & CONTEXT_EXTENDED) {
        struct xstate *x = (struct xstate *)(((uintptr_t)ex + sizeof *ex + 63) & ~(uintptr_t)63);
        ex->xstate.offset = (int)((uint8_t *)x - (uint8_t *)ex);
        ex->xstate.length = features & 4 ? sizeof *x : offsetof(struct xstate, ymm_high);
        memset(x, 0, ex->xstate.length);
        ex->all.length = sizeof *context + (uint32_t)ex->xstate.offset + ex->xstate.length;
    } else {
        ex->xstate.offset = 25;                 // what Windows leaves there
        ex->all.length = sizeof *context + 24;
    }
}

// A component in its initial state is not saved: its bit in the mask is clear (SDM vol. 1, 13.6).
void xstate_fill(CONTEXT *out) {
    struct xstate *x = xstate_of(ex_of(out));
    x->mask = 0;
    if (ex_of(out)->xstate.length < sizeof *x) return;
    memcpy(x->ymm_high, ymm_high(), sizeof x->ymm_high);
    for (unsigned i = 0; i < 16; i++) if (x->ymm_high[i].Low | (uint64_t)x->ymm_high[i].High) x->mask = 4;
}
void xstate_take(CONTEXT *out) {
    out->ContextFlags |= CONTEXT_EXTENDED;
    describe(out, XSTATE_ENABLED);
    xstate_fill(out);
}

void xstate_give(const CONTEXT *in) {
    if (!(in->ContextFlags & CONTEXT_EXTENDED)) return;
    const struct context_ex *ex = ex_of(in);
    const struct xstate *x = xstate_of(ex);
    if (ex->xstate.length < sizeof *x) return;
    if (x->mask & 4) memcpy(ymm_high(), x->ymm_high, sizeof x->ymm_high);
    else memset(ymm_high(), 0, sizeof x->ymm_high);
}

ULONG64 NTAPI RtlGetEnabledExtendedFeatures(ULONG64 mask) { return mask & XSTATE_ENABLED; }
ULONG64 NTAPI RtlGetExtendedFeaturesMask(struct context_ex *ex) { return xstate_of(ex)->mask & ~3ull; }
VOID NTAPI RtlSetExtendedFeaturesMask(struct context_ex *ex, ULONG64 mask) { xstate_of(ex)->mask = mask & XSTATE_ENABLED & ~3ull; }

static bool known(ULONG flags) { return flags & CONTEXT_AMD64 && !(flags & ~(CONTEXT_ALL | CONTEXT_EXTENDED | 0xf8000000u)); }

NTSTATUS NTAPI RtlGetExtendedContextLength2(ULONG flags, PULONG length, ULONG64 features) {
    if (!known(flags)) return STATUS_INVALID_PARAMETER;
    *length = sizeof(CONTEXT) + sizeof(struct context_ex) + 15;
    if (flags & CONTEXT_EXTENDED)
        *length = sizeof(CONTEXT) + sizeof(struct context_ex) + 63 + (features & 4 ? sizeof(struct xstate) : offsetof(struct xstate, ymm_high));
    return STATUS_SUCCESS;
}
NTSTATUS NTAPI RtlInitializeExtendedContext2(void *buffer, ULONG flags, struct context_ex **out, ULONG64 features) {
    if (!known(flags)) return STATUS_INVALID_PARAMETER;
    CONTEXT *context = (void *)(((uintptr_t)buffer + 15) & ~(uintptr_t)15);
    context->ContextFlags = flags;
    describe(context, features & XSTATE_ENABLED);
    *out = ex_of(context);
    return STATUS_SUCCESS;
}
void *NTAPI RtlLocateLegacyContext(struct context_ex *ex, PULONG length) {
    if (length) *length = ex->legacy.length;
    return (uint8_t *)ex + ex->legacy.offset;
}
void *NTAPI RtlLocateExtendedFeature(struct context_ex *ex, ULONG feature, PULONG length) {
    if (feature != XSTATE_AVX || ex->xstate.length < sizeof(struct xstate)) return 0;
    if (length) *length = sizeof(xstate_of(ex)->ymm_high);
    return xstate_of(ex)->ymm_high;
}

// What each flag of a context stands for.
static const struct { uint16_t flag, from, to; } groups[] = {
    { 1, offsetof(CONTEXT, SegCs), offsetof(CONTEXT, SegDs) }, { 1, offsetof(CONTEXT, SegSs), offsetof(CONTEXT, Dr0) },
    { 1, offsetof(CONTEXT, Rsp), offsetof(CONTEXT, Rbp) },     { 1, offsetof(CONTEXT, Rip), offsetof(CONTEXT, FltSave) },
    { 2, offsetof(CONTEXT, Rax), offsetof(CONTEXT, Rsp) },     { 2, offsetof(CONTEXT, Rbp), offsetof(CONTEXT, Rip) },
    { 4, offsetof(CONTEXT, SegDs), offsetof(CONTEXT, SegSs) },
    { 8, offsetof(CONTEXT, MxCsr), offsetof(CONTEXT, SegCs) }, { 8, offsetof(CONTEXT, FltSave), offsetof(CONTEXT, VectorRegister) },
    { 16, offsetof(CONTEXT, Dr0), offsetof(CONTEXT, Rax) },    { 16, offsetof(CONTEXT, VectorRegister), sizeof(CONTEXT) },
};
VOID NTAPI RtlCopyContext(CONTEXT *to, DWORD flags, CONTEXT *from) {
    to->ContextFlags |= flags;
    for (unsigned i = 0; i < sizeof groups / sizeof *groups; i++)
        if (flags & groups[i].flag) memcpy((uint8_t *)to + groups[i].from, (uint8_t *)from + groups[i].from, groups[i].to - groups[i].from);
}
NTSTATUS NTAPI RtlCopyExtendedContext(struct context_ex *to, ULONG flags, struct context_ex *from) {
    if (!known(flags)) return STATUS_INVALID_PARAMETER;
    RtlCopyContext(RtlLocateLegacyContext(to, 0), flags, RtlLocateLegacyContext(from, 0));
    if (!(flags & CONTEXT_EXTENDED)) return STATUS_SUCCESS;
    struct xstate *x = xstate_of(to);
    const struct xstate *y = xstate_of(from);
    if (to->xstate.length < offsetof(struct xstate, ymm_high)) return STATUS_BUFFER_OVERFLOW;
    x->mask = 0;
    if (y->mask & 4 && from->xstate.length >= sizeof *y) {
        if (to->xstate.length < sizeof *x) return STATUS_BUFFER_OVERFLOW;
        memcpy(x->ymm_high, y->ymm_high, sizeof x->ymm_high);
        x->mask = 4;
    }
    return STATUS_SUCCESS;
}
#else
// An Arm64 process has no extended state.
ULONG64 NTAPI RtlGetEnabledExtendedFeatures(ULONG64 mask) { (void)mask; return 0; }
ULONG64 NTAPI RtlGetExtendedFeaturesMask(struct context_ex *ex) { (void)ex; return 0; }
VOID NTAPI RtlSetExtendedFeaturesMask(struct context_ex *ex, ULONG64 mask) { (void)ex, (void)mask; }
NTSTATUS NTAPI RtlGetExtendedContextLength2(ULONG flags, PULONG length, ULONG64 features) {
    (void)features;
    if (!(flags & CONTEXT_ARM64)) return STATUS_INVALID_PARAMETER;
    *length = sizeof(CONTEXT) + sizeof(struct context_ex) + 15;
    return STATUS_SUCCESS;
}
NTSTATUS NTAPI RtlInitializeExtendedContext2(void *buffer, ULONG flags, struct context_ex **out, ULONG64 features) {
    (void)features;
    if (!(flags & CONTEXT_ARM64)) return STATUS_INVALID_PARAMETER;
    CONTEXT *context = (void *)(((uintptr_t)buffer + 15) & ~(uintptr_t)15);
    context->ContextFlags = flags;
    *out = (void *)(context + 1);
    **out = (struct context_ex){ .all = { -(int)sizeof *context, sizeof *context + 24 }, .legacy = { -(int)sizeof *context, sizeof *context }, .xstate = { 25, 0 } };
    return STATUS_SUCCESS;
}
void *NTAPI RtlLocateLegacyContext(struct context_ex *ex, PULONG length) {
    if (length) *length = ex->legacy.length;
    return (uint8_t *)ex + ex->legacy.offset;
}
void *NTAPI RtlLocateExtendedFeature(struct context_ex *ex, ULONG feature, PULONG length) { (void)ex, (void)feature, (void)length; return 0; }
VOID NTAPI RtlCopyContext(CONTEXT *to, DWORD flags, CONTEXT *from) {
    if (flags & 1) { memcpy(&to->Fp, &from->Fp, 32); to->Cpsr = from->Cpsr; }       // Fp, Lr, Sp, Pc
    if (flags & 2) memcpy(to->X, from->X, 29 * 8);
    if (flags & 4) memcpy(&to->V, &from->V, offsetof(CONTEXT, Bcr) - offsetof(CONTEXT, V));
    if (flags & 8) memcpy(&to->Bcr, &from->Bcr, sizeof *to - offsetof(CONTEXT, Bcr));
    to->ContextFlags |= flags;
}
NTSTATUS NTAPI RtlCopyExtendedContext(struct context_ex *to, ULONG flags, struct context_ex *from) {
    RtlCopyContext(RtlLocateLegacyContext(to, 0), flags, RtlLocateLegacyContext(from, 0));
    return STATUS_SUCCESS;
}
#endif

NTSTATUS NTAPI RtlGetExtendedContextLength(ULONG flags, PULONG length) { return RtlGetExtendedContextLength2(flags, length, ~0ull); }
NTSTATUS NTAPI RtlInitializeExtendedContext(void *buffer, ULONG flags, struct context_ex **out) {
    return RtlInitializeExtendedContext2(buffer, flags, out, ~0ull);
}
