// SPDX-License-Identifier: MIT
// A vector's state and CONTEXT, both ways, through the interfaces any program has: CONTEXT_XSTATE carries the ymm registers.
#include "tests/oracle/target/target.h"
#include <string.h>

NTSYSAPI LONG NTAPI NtContinue(PCONTEXT context, BOOLEAN alert);

static CONTEXT *entry;                      // of the sequence to run, with room for the extended state
static void *entry_high;

bool context_prepare(void)
{
    static _Alignas(64) uint8_t room[4096];
    DWORD bytes = sizeof room, high_bytes = 0;
    if (!InitializeContext(room, CONTEXT_ALL | CONTEXT_XSTATE, &entry, &bytes) || !SetXStateFeaturesMask(entry, XSTATE_MASK_AVX))
        return false;
    entry_high = LocateXStateFeature(entry, XSTATE_AVX, &high_bytes);
    return entry_high && high_bytes == sizeof ((struct oracle_state *)0)->high;
}

void context_enter(const struct oracle_state *state)
{
    entry->ContextFlags = CONTEXT_ALL | CONTEXT_XSTATE;
    memcpy(&entry->Rax, state->gpr, sizeof state->gpr);
    entry->Rip = state->rip;
    entry->EFlags = (DWORD)state->rflags;
    entry->SegCs = 0x33;
    entry->SegDs = entry->SegEs = entry->SegGs = entry->SegSs = 0x2b;
    entry->SegFs = 0x53;
    memcpy(&entry->FltSave, state->fx, sizeof state->fx);
    entry->MxCsr = entry->FltSave.MxCsr;
    memcpy(entry_high, state->high, sizeof state->high);
    NtContinue(entry, FALSE);
    ExitProcess(3);                         // it came back
}

bool context_read(CONTEXT *context, struct oracle_state *state)
{
    DWORD64 present = 0;
    void *high = LocateXStateFeature(context, XSTATE_AVX, 0);
    memcpy(state->gpr, &context->Rax, sizeof state->gpr);
    state->rip = context->Rip;
    state->rflags = context->EFlags;
    memcpy(state->fx, &context->FltSave, sizeof state->fx);
    memcpy(state->fx + ORACLE_FX_MXCSR, &context->MxCsr, 4);
    if (!high || !GetXStateFeaturesMask(context, &present))
        return false;
    if (present & XSTATE_MASK_AVX)
        memcpy(state->high, high, sizeof state->high);
    else
        memset(state->high, 0, sizeof state->high);
    return true;
}
