// SPDX-License-Identifier: MIT
// Locks of user mode, all on address_wait and address_wake: critical sections, slim reader/writer locks, condition variables,
// one-time initialisation, WaitOnAddress, lock-free lists.
#include "images/ntdll/internal.h"

static void wait_word(volatile void *address, const void *value, unsigned size) {
    SYS(address_wait, address, value, size, UINT64_MAX);
}
static void wake(volatile void *address, uint32_t count) { SYS(address_wake, address, count); }

// A relative timeout is negative 100 ns units, an absolute one counts from 1601; null waits for ever.
static uint64_t timeout_ns(const LARGE_INTEGER *timeout) {
    if (!timeout) return UINT64_MAX;
    int64_t t = timeout->QuadPart;
    if (t <= 0) return (uint64_t)-t * 100;
    uint64_t now = 0;
    SYS(clock_read, CLOCK_REALTIME_NS, &now);
    int64_t left = t - (int64_t)(now / 100 + 116444736000000000ull);
    return left > 0 ? (uint64_t)left * 100 : 0;
}

// ---- critical sections: LockCount is the lock word ---------------------------------------------------------------------
enum { CS_FREE = -1, CS_HELD = -2, CS_WAITERS = -6 };

static uint64_t thread_id(void) { return TEB_FIELD(uint64_t, TEB_THREAD_ID); }

NTSTATUS NTAPI RtlInitializeCriticalSectionAndSpinCount(RTL_CRITICAL_SECTION *s, ULONG spin) {
    *s = (RTL_CRITICAL_SECTION){ .DebugInfo = (void *)-1, .LockCount = CS_FREE, .SpinCount = spin & 0xffffff };
    return STATUS_SUCCESS;
}
NTSTATUS NTAPI RtlInitializeCriticalSection(RTL_CRITICAL_SECTION *s) { return RtlInitializeCriticalSectionAndSpinCount(s, 0); }
NTSTATUS NTAPI RtlInitializeCriticalSectionEx(RTL_CRITICAL_SECTION *s, ULONG spin, ULONG flags) {
    (void)flags;
    return RtlInitializeCriticalSectionAndSpinCount(s, spin);
}
NTSTATUS NTAPI RtlDeleteCriticalSection(RTL_CRITICAL_SECTION *s) {
    *s = (RTL_CRITICAL_SECTION){ .LockCount = CS_FREE };
    return STATUS_SUCCESS;
}
DWORD WINAPI RtlSetCriticalSectionSpinCount(RTL_CRITICAL_SECTION *s, ULONG spin) {
    DWORD old = (DWORD)s->SpinCount;
    s->SpinCount = spin;
    return old;
}

BOOL NTAPI RtlTryEnterCriticalSection(RTL_CRITICAL_SECTION *s) {
    HANDLE self = (HANDLE)thread_id();
    LONG expected = CS_FREE;
    if (__atomic_compare_exchange_n(&s->LockCount, &expected, CS_HELD, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        __atomic_store_n(&s->OwningThread, self, __ATOMIC_RELAXED);
        s->RecursionCount = 1;
        return TRUE;
    }
    if (__atomic_load_n(&s->OwningThread, __ATOMIC_RELAXED) != self) return FALSE;
    s->RecursionCount++;
    return TRUE;
}

NTSTATUS NTAPI RtlEnterCriticalSection(RTL_CRITICAL_SECTION *s) {
    if (RtlTryEnterCriticalSection(s)) return STATUS_SUCCESS;
    for (unsigned spin = 0; spin < 100; spin++) {
        __asm__ volatile("yield");
        if (__atomic_load_n(&s->LockCount, __ATOMIC_RELAXED) == CS_FREE && RtlTryEnterCriticalSection(s)) return STATUS_SUCCESS;
    }
    const LONG waiters = CS_WAITERS;
    while (__atomic_exchange_n(&s->LockCount, CS_WAITERS, __ATOMIC_ACQUIRE) != CS_FREE)
        wait_word(&s->LockCount, &waiters, 4);
    __atomic_store_n(&s->OwningThread, (HANDLE)thread_id(), __ATOMIC_RELAXED);
    s->RecursionCount = 1;
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlLeaveCriticalSection(RTL_CRITICAL_SECTION *s) {
    if (--s->RecursionCount) return STATUS_SUCCESS;
    __atomic_store_n(&s->OwningThread, (HANDLE)0, __ATOMIC_RELAXED);
    if (__atomic_exchange_n(&s->LockCount, CS_FREE, __ATOMIC_RELEASE) == CS_WAITERS) wake(&s->LockCount, 1);
    return STATUS_SUCCESS;
}
BOOL NTAPI RtlIsCriticalSectionLocked(RTL_CRITICAL_SECTION *s) { return s->LockCount != CS_FREE; }
BOOL NTAPI RtlIsCriticalSectionLockedByThread(RTL_CRITICAL_SECTION *s) { return s->OwningThread == (HANDLE)thread_id(); }

// ---- slim locks: bit 0 held exclusively, bit 1 somebody waits, the rest counts readers -----------------------------------
enum { SRW_EXCLUSIVE = 1, SRW_WAITERS = 2, SRW_READER = 4 };

static bool srw_try(RTL_SRWLOCK *lock, bool exclusive) {
    uint64_t *word = (uint64_t *)&lock->Ptr, old = __atomic_load_n(word, __ATOMIC_RELAXED);
    while (!(old & SRW_EXCLUSIVE) && !(exclusive && old >= SRW_READER))
        if (__atomic_compare_exchange_n(word, &old, exclusive ? old | SRW_EXCLUSIVE : old + SRW_READER, true,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return true;
    return false;
}
static void srw_acquire(RTL_SRWLOCK *lock, bool exclusive) {
    uint64_t *word = (uint64_t *)&lock->Ptr;
    for (unsigned spin = 0; spin < 100; spin++) {
        if (srw_try(lock, exclusive)) return;
        __asm__ volatile("yield");
    }
    for (;;) {
        uint64_t old = __atomic_fetch_or(word, SRW_WAITERS, __ATOMIC_RELAXED) | SRW_WAITERS;
        if (srw_try(lock, exclusive)) return;
        if ((old & SRW_EXCLUSIVE) || (exclusive && old >= SRW_READER)) wait_word(word, &old, 8);
    }
}
static void srw_release(RTL_SRWLOCK *lock, uint64_t what) {
    uint64_t *word = (uint64_t *)&lock->Ptr, old = __atomic_load_n(word, __ATOMIC_RELAXED), left;
    do {                                            // the last one out clears the waiters' bit and wakes them all
        left = old - what;
        if (left < SRW_READER && !(left & SRW_EXCLUSIVE)) left = 0;
    } while (!__atomic_compare_exchange_n(word, &old, left, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    if (!left && (old & SRW_WAITERS)) wake(word, UINT32_MAX);
}
VOID NTAPI RtlInitializeSRWLock(RTL_SRWLOCK *lock) { lock->Ptr = 0; }
VOID NTAPI RtlAcquireSRWLockExclusive(RTL_SRWLOCK *lock) { srw_acquire(lock, true); }
VOID NTAPI RtlAcquireSRWLockShared(RTL_SRWLOCK *lock) { srw_acquire(lock, false); }
VOID NTAPI RtlReleaseSRWLockExclusive(RTL_SRWLOCK *lock) { srw_release(lock, SRW_EXCLUSIVE); }
VOID NTAPI RtlReleaseSRWLockShared(RTL_SRWLOCK *lock) { srw_release(lock, SRW_READER); }
BOOLEAN NTAPI RtlTryAcquireSRWLockExclusive(RTL_SRWLOCK *lock) { return srw_try(lock, true); }
BOOLEAN NTAPI RtlTryAcquireSRWLockShared(RTL_SRWLOCK *lock) { return srw_try(lock, false); }

// ---- condition variables: a counter that wakers move ---------------------------------------------------------------------
VOID NTAPI RtlInitializeConditionVariable(RTL_CONDITION_VARIABLE *cv) { cv->Ptr = 0; }
static NTSTATUS cv_wait(RTL_CONDITION_VARIABLE *cv, uint64_t seen, const LARGE_INTEGER *timeout) {
    return SYS(address_wait, cv, &seen, 8, timeout_ns(timeout));
}
static uint64_t cv_seen(RTL_CONDITION_VARIABLE *cv) { return __atomic_load_n((uint64_t *)&cv->Ptr, __ATOMIC_ACQUIRE); }
NTSTATUS NTAPI RtlSleepConditionVariableCS(RTL_CONDITION_VARIABLE *cv, RTL_CRITICAL_SECTION *s, const LARGE_INTEGER *timeout) {
    uint64_t seen = cv_seen(cv);
    RtlLeaveCriticalSection(s);
    NTSTATUS status = cv_wait(cv, seen, timeout);
    RtlEnterCriticalSection(s);
    return status;
}
NTSTATUS NTAPI RtlSleepConditionVariableSRW(RTL_CONDITION_VARIABLE *cv, RTL_SRWLOCK *lock, const LARGE_INTEGER *timeout, ULONG flags) {
    uint64_t seen = cv_seen(cv);
    bool shared = flags & CONDITION_VARIABLE_LOCKMODE_SHARED;
    srw_release(lock, shared ? SRW_READER : SRW_EXCLUSIVE);
    NTSTATUS status = cv_wait(cv, seen, timeout);
    srw_acquire(lock, !shared);
    return status;
}
static void cv_wake(RTL_CONDITION_VARIABLE *cv, uint32_t count) {
    __atomic_fetch_add((uint64_t *)&cv->Ptr, 1, __ATOMIC_RELEASE);
    wake(cv, count);
}
VOID NTAPI RtlWakeConditionVariable(RTL_CONDITION_VARIABLE *cv) { cv_wake(cv, 1); }
VOID NTAPI RtlWakeAllConditionVariable(RTL_CONDITION_VARIABLE *cv) { cv_wake(cv, UINT32_MAX); }

// ---- one-time initialisation: low two bits 0 untouched, 1 running, 2 done; the context above them ------------------------
enum { ONCE_RUNNING = 1, ONCE_DONE = 2 };

VOID NTAPI RtlRunOnceInitialize(RTL_RUN_ONCE *once) { once->Ptr = 0; }

NTSTATUS NTAPI RtlRunOnceBeginInitialize(RTL_RUN_ONCE *once, ULONG flags, PVOID *context) {
    uint64_t *word = (uint64_t *)&once->Ptr;
    for (;;) {
        uint64_t old = __atomic_load_n(word, __ATOMIC_ACQUIRE);
        if ((old & 3) == ONCE_DONE) {
            if (context) *context = (void *)(old & ~3ull);
            return STATUS_SUCCESS;
        }
        if (flags & RTL_RUN_ONCE_CHECK_ONLY) return STATUS_UNSUCCESSFUL;
        if (flags & RTL_RUN_ONCE_ASYNC) return (NTSTATUS)0x103;         // STATUS_PENDING: several may run it
        if (!old) {
            if (__atomic_compare_exchange_n(word, &old, ONCE_RUNNING, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
                return (NTSTATUS)0x103;
        } else {
            wait_word(word, &old, 8);
        }
    }
}
NTSTATUS NTAPI RtlRunOnceComplete(RTL_RUN_ONCE *once, ULONG flags, PVOID context) {
    uint64_t *word = (uint64_t *)&once->Ptr, done = (uint64_t)context | ONCE_DONE;
    if ((uint64_t)context & 3) return STATUS_INVALID_PARAMETER;
    if (flags & RTL_RUN_ONCE_INIT_FAILED) done = 0;
    if (flags & RTL_RUN_ONCE_ASYNC) {
        uint64_t untouched = 0;
        return __atomic_compare_exchange_n(word, &untouched, done, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)
            ? STATUS_SUCCESS : STATUS_OBJECT_NAME_COLLISION;
    }
    __atomic_store_n(word, done, __ATOMIC_RELEASE);
    wake(word, UINT32_MAX);
    return STATUS_SUCCESS;
}
NTSTATUS NTAPI RtlRunOnceExecuteOnce(RTL_RUN_ONCE *once, PRTL_RUN_ONCE_INIT_FN function, PVOID parameter, PVOID *context) {
    PVOID made = 0;
    NTSTATUS status = RtlRunOnceBeginInitialize(once, 0, context);
    if (status != 0x103) return status;
    if (!function(once, parameter, &made)) {
        RtlRunOnceComplete(once, RTL_RUN_ONCE_INIT_FAILED, 0);
        return STATUS_UNSUCCESSFUL;
    }
    if (context) *context = made;
    return RtlRunOnceComplete(once, 0, made);
}

// ---- WaitOnAddress -----------------------------------------------------------------------------------------------------
NTSTATUS NTAPI RtlWaitOnAddress(const void *address, const void *compare, SIZE_T size, const LARGE_INTEGER *timeout) {
    return SYS(address_wait, address, compare, size, timeout_ns(timeout));
}
VOID NTAPI RtlWakeAddressSingle(const void *address) { SYS(address_wake, address, 1); }
VOID NTAPI RtlWakeAddressAll(const void *address) { SYS(address_wake, address, UINT32_MAX); }

// ---- interlocked lists: a 16-byte header, depth in bits 0..15, sequence above, the first entry in the second word --------
typedef unsigned __int128 pair;
static pair *header_pair(PSLIST_HEADER h) { return (pair *)h; }
static pair pair_load(pair *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
static bool pair_swap(pair *p, pair *expected, uint64_t low, uint64_t high) {
    return __atomic_compare_exchange_n(p, expected, (pair)high << 64 | low, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

VOID NTAPI RtlInitializeSListHead(PSLIST_HEADER h) { *header_pair(h) = 0; }
PSLIST_ENTRY NTAPI RtlInterlockedPushEntrySList(PSLIST_HEADER h, PSLIST_ENTRY entry) {
    pair old = pair_load(header_pair(h));
    uint64_t low;
    do {
        entry->Next = (PSLIST_ENTRY)(uint64_t)(old >> 64);
        low = (uint64_t)old;
        low = ((low + 1) & 0xffff) | (((low >> 16) + 1) << 16);
    } while (!pair_swap(header_pair(h), &old, low, (uint64_t)entry));
    return entry->Next;
}
PSLIST_ENTRY NTAPI RtlInterlockedPopEntrySList(PSLIST_HEADER h) {
    pair old = pair_load(header_pair(h));
    PSLIST_ENTRY first;
    uint64_t low;
    do {
        first = (PSLIST_ENTRY)(uint64_t)(old >> 64);
        if (!first) return 0;
        low = (uint64_t)old;
        low = ((low - 1) & 0xffff) | (((low >> 16) + 1) << 16);
    } while (!pair_swap(header_pair(h), &old, low, (uint64_t)first->Next));
    return first;
}
PSLIST_ENTRY NTAPI RtlInterlockedFlushSList(PSLIST_HEADER h) {
    pair old = pair_load(header_pair(h));
    while (!pair_swap(header_pair(h), &old, (((uint64_t)old >> 16) + 1) << 16, 0)) {}
    return (PSLIST_ENTRY)(uint64_t)(old >> 64);
}
PSLIST_ENTRY NTAPI RtlFirstEntrySList(const SLIST_HEADER *h) { return (PSLIST_ENTRY)(uint64_t)(pair_load((pair *)h) >> 64); }
WORD NTAPI RtlQueryDepthSList(PSLIST_HEADER h) { return (WORD)pair_load(header_pair(h)); }
