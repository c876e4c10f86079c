// SPDX-License-Identifier: MIT
// The part of an x64 thread's state that has no arm64 registers: x87 and the upper halves of the ymm registers, which the
// translator keeps in the CPU area (emu/run/ctx.h), and the extended part of a CONTEXT that holds the latter.
//
// A CONTEXT with CONTEXT_XSTATE in its flags is followed by a CONTEXT_EX, which says where the extended state is: an XSAVE
// area without its first 512 bytes (those are CONTEXT.FltSave), in the standard format, aligned to 64.
#pragma once
#include "images/ntdll/internal.h"

enum { CONTEXT_EXTENDED = 0x40, XSTATE_ENABLED = 7 };       // x87, SSE, AVX

struct context_chunk { int32_t offset; uint32_t length; };  // offsets count from the CONTEXT_EX
struct context_ex { struct context_chunk all, legacy, xstate; uint64_t reserved; };
struct xstate { uint64_t mask, compaction, reserved[6]; M128A ymm_high[16]; };
_Static_assert(sizeof(struct context_ex) == 0x20 && sizeof(struct xstate) == 0x140, "CONTEXT_EX, XSAVE area");

VOID NTAPI RtlCopyContext(CONTEXT *to, DWORD flags, CONTEXT *from);

#if PROCESS_IS_X64
struct context_room {                           // a context with room for the extended state
    _Alignas(64) CONTEXT context;
    struct context_ex ex;
    _Alignas(64) struct xstate xstate;
};
void x87_take(CONTEXT *out);                    // FltSave but for MXCSR and XMM: as the calling thread's x64 code left x87
void x87_give(const CONTEXT *in);
void xstate_take(CONTEXT *out);                 // *out lies in a struct context_room
void xstate_fill(CONTEXT *out);                 // the part of it that a program made room for (RtlInitializeExtendedContext)
void xstate_give(const CONTEXT *in);            // if its flags say that it has extended state
#else
struct context_room { CONTEXT context; };
#endif
