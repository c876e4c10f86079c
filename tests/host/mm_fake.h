// SPDX-License-Identifier: MIT
// A machine for mm/ on the host: an array as RAM, a TLB that forgets only what it is told to forget, EL0 accesses that go
// through it, locks that check their order, and panics that can be expected.
#pragma once
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include "mm/aspace.h"
#include "mm/frame.h"

#define FAKE_RAM_START 0x40000000ull
#define FAKE_RAM_BYTES (48ull << 20)
#define FAKE_HIGH_START 0x8000000000ull    // a second bank, far away
#define FAKE_HIGH_BYTES (1ull << 20)

void fake_reset(void);                     // fresh RAM, both banks free; frames, TLB and counters forgotten
struct fake_counters {
    uint64_t page_invalidations, asid_invalidations, full_invalidations, code_syncs;
    uint64_t wrong;                        // rules broken: stale translations used, writable and executable, no PXN ...
};
extern struct fake_counters fake;
extern uint32_t fake_asid_bits;
extern uint32_t fake_locks_held;

// One EL0 access on core 0, as hardware does it: the byte's address in host memory, or NULL when it faults.
uint8_t *fake_touch(struct aspace *as, uva_t va, enum page_access access);
// The same with faults repaired; NULL and *kind when one is not.
uint8_t *fake_access(struct aspace *as, uva_t va, enum page_access access, enum fault_kind *kind);
// Checks every entry of the space against what no entry may be.
void     fake_check_entries(struct aspace *as);

// if (FAKE_PANICS) { ... code that must panic ... ; EXPECT(!"no panic"); }
extern jmp_buf fake_panic_jump;
extern bool fake_panic_expected, fake_panicked;
#define EXPECT_PANIC(statement)                          \
    do {                                                 \
        fake_panic_expected = true;                      \
        fake_panicked = false;                           \
        if (!setjmp(fake_panic_jump)) { statement; }     \
        fake_panic_expected = false;                     \
        EXPECT(fake_panicked);                           \
    } while (0)
