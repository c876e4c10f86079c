// SPDX-License-Identifier: MIT
// Thread contexts, and contexts with extended state (ntdll has the layout: images/ntdll/xstate.h).
#include "images/kernel32/internal.h"

struct context_ex;
NTSTATUS NTAPI NtGetContextThread(HANDLE thread, CONTEXT *context);
NTSTATUS NTAPI NtSetContextThread(HANDLE thread, const CONTEXT *context);
ULONG64 NTAPI RtlGetEnabledExtendedFeatures(ULONG64 mask);
ULONG64 NTAPI RtlGetExtendedFeaturesMask(struct context_ex *ex);
VOID NTAPI RtlSetExtendedFeaturesMask(struct context_ex *ex, ULONG64 mask);
NTSTATUS NTAPI RtlGetExtendedContextLength2(ULONG flags, PULONG length, ULONG64 features);
NTSTATUS NTAPI RtlInitializeExtendedContext2(void *buffer, ULONG flags, struct context_ex **out, ULONG64 features);
void *NTAPI RtlLocateLegacyContext(struct context_ex *ex, PULONG length);
void *NTAPI RtlLocateExtendedFeature(struct context_ex *ex, ULONG feature, PULONG length);
VOID NTAPI RtlCopyContext(CONTEXT *to, DWORD flags, CONTEXT *from);
NTSTATUS NTAPI RtlCopyExtendedContext(struct context_ex *to, ULONG flags, struct context_ex *from);

BOOL WINAPI GetThreadContext(HANDLE thread, LPCONTEXT context) { return done(NtGetContextThread(thread, context)); }
BOOL WINAPI SetThreadContext(HANDLE thread, const CONTEXT *context) { return done(NtSetContextThread(thread, context)); }

BOOL WINAPI InitializeContext2(PVOID buffer, DWORD flags, PCONTEXT *context, PDWORD length, ULONG64 features) {
    ULONG needed;
    struct context_ex *ex;
    NTSTATUS status = RtlGetExtendedContextLength2(flags, &needed, features);
    if (NT_ERROR(status)) return done(status);
    bool fits = buffer && *length >= needed;
    *length = needed;
    if (!fits) {
        error_set(ERROR_INSUFFICIENT_BUFFER);
        return FALSE;
    }
    status = RtlInitializeExtendedContext2(buffer, flags, &ex, features);
    if (!NT_ERROR(status)) *context = RtlLocateLegacyContext(ex, 0);
    return done(status);
}
BOOL WINAPI InitializeContext(PVOID buffer, DWORD flags, PCONTEXT *context, PDWORD length) {
    return InitializeContext2(buffer, flags, context, length, ~0ull);
}
DWORD64 WINAPI GetEnabledXStateFeatures(void) { return RtlGetEnabledExtendedFeatures(~0ull); }

static struct context_ex *ex_of(CONTEXT *context) { return (struct context_ex *)(context + 1); }
#ifdef __arm64ec__
enum { EXTENDED = 0x40, FLOATS = 8 };
BOOL WINAPI CopyContext(PCONTEXT to, DWORD flags, PCONTEXT from) {
    if (flags & ~to->ContextFlags & EXTENDED || flags & ~from->ContextFlags & EXTENDED || !(flags & to->ContextFlags & CONTEXT_AMD64)) {
        error_set(ERROR_INVALID_PARAMETER);
        return FALSE;
    }
    if (flags & EXTENDED) return done(RtlCopyExtendedContext(ex_of(to), flags, ex_of(from)));
    RtlCopyContext(to, flags, from);
    return TRUE;
}
PVOID WINAPI LocateXStateFeature(PCONTEXT context, DWORD feature, PDWORD length) {
    bool legacy = feature <= XSTATE_LEGACY_SSE;
    if (!(context->ContextFlags & CONTEXT_AMD64)) return 0;
    if (!legacy) return context->ContextFlags & EXTENDED ? RtlLocateExtendedFeature(ex_of(context), feature, length) : 0;
    if (length) *length = feature == XSTATE_LEGACY_SSE ? sizeof context->FltSave.XmmRegisters : offsetof(XSAVE_FORMAT, XmmRegisters);
    return feature == XSTATE_LEGACY_SSE ? (void *)context->FltSave.XmmRegisters : (void *)&context->FltSave;
}
BOOL WINAPI SetXStateFeaturesMask(PCONTEXT context, DWORD64 mask) {
    if (!(context->ContextFlags & CONTEXT_AMD64)) return FALSE;
    if (mask & 3) context->ContextFlags |= CONTEXT_FLOATING_POINT;
    if (context->ContextFlags & EXTENDED) RtlSetExtendedFeaturesMask(ex_of(context), mask);
    else if (mask & ~3ull) return FALSE;
    return TRUE;
}
BOOL WINAPI GetXStateFeaturesMask(PCONTEXT context, PDWORD64 mask) {
    if (!(context->ContextFlags & CONTEXT_AMD64)) return FALSE;
    *mask = context->ContextFlags & FLOATS ? 3 : 0;
    if (context->ContextFlags & EXTENDED) *mask |= RtlGetExtendedFeaturesMask(ex_of(context));
    return TRUE;
}
#else
BOOL WINAPI CopyContext(PCONTEXT to, DWORD flags, PCONTEXT from) {
    if (!(flags & to->ContextFlags & CONTEXT_ARM64)) {
        error_set(ERROR_INVALID_PARAMETER);
        return FALSE;
    }
    RtlCopyContext(to, flags, from);
    return TRUE;
}
// An Arm64 process has no extended state.
PVOID WINAPI LocateXStateFeature(PCONTEXT context, DWORD feature, PDWORD length) { (void)context, (void)feature, (void)length, (void)ex_of; return 0; }
BOOL WINAPI SetXStateFeaturesMask(PCONTEXT context, DWORD64 mask) { (void)context, (void)mask; return FALSE; }
BOOL WINAPI GetXStateFeaturesMask(PCONTEXT context, PDWORD64 mask) { (void)context, (void)mask; return FALSE; }
#endif
