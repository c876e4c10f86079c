// SPDX-License-Identifier: MIT
// The XSAVE family and XGETBV (SDM vol. 1, chapter 13; vol. 2 for each). State components: x87, SSE and AVX, always enabled.
// With these alone the compacted form has the layout of the standard one.
#include "emu/run/machine.h"

#include "emu/x87/x87.h"
#include "mm/user.h"
#include <string.h>

enum { COMPONENT_X87 = 1, COMPONENT_SSE = 2, COMPONENT_AVX = 4, XCR0 = COMPONENT_X87 | COMPONENT_SSE | COMPONENT_AVX };
enum {
    AT_MXCSR = 24, AT_MXCSR_MASK = 28, AT_REGISTERS = 32, AT_XMM = 160, AT_HEADER = 512, AT_COMPACTION = 520, AT_AVX = 576,
    XMM_BYTES = 256, AVX_BYTES = 256, HEADER_BYTES = 64, AREA_BYTES = 832, AREA_ALIGNMENT = 64,
};
#define COMPACTED (1ull << 63)
static const uint32_t mxcsr_initial = 0x1f80, mxcsr_mask = 0xffff;

static enum emu_outcome general_protection(struct machine *m)
{
    exception_access(m->exception, m->insn->rip, 0, ~0ull);
    return EMU_EXCEPTION;
}

// What of XCR0 the instruction asks for (RFBM).
static uint64_t requested(struct machine *m)
{
    return (machine_gpr_get(m, X64_RDX, 4) << 32 | machine_gpr_get(m, X64_RAX, 4)) & XCR0;
}

struct state { struct x87_state x87; uint8_t xmm[XMM_BYTES], high[AVX_BYTES]; uint32_t mxcsr; };

static bool all_zero(const void *bytes, unsigned count)
{
    const uint8_t *p = bytes;
    while (count && !*p)
        p++, count--;
    return !count;
}

static bool state_get(struct machine *m, struct state *s)
{
    for (unsigned i = 0; i < 16; i++) {
        uint64_t value[2];
        machine_vector_get(i, value);
        memcpy(s->xmm + 16 * i, value, 16);
    }
    s->mxcsr = machine_mxcsr_get(m);
    return machine_x87_get(m, &s->x87)
           && user_copy_in(s->high, m->frame->x[28] + CTX_YMM_HIGH, AVX_BYTES) == STATUS_SUCCESS;
}

// Components that are not in their initial configuration (XINUSE), by their contents.
static uint64_t in_use(const struct state *s)
{
    uint8_t x87[X87_FX_BYTES] = { 0 };
    x87_put_fx_image(&s->x87, x87, true);
    bool initial = x87[0] == 0x7f && x87[1] == 3 && all_zero(x87 + 2, sizeof x87 - 2);
    return (initial ? 0 : COMPONENT_X87) | (all_zero(s->xmm, XMM_BYTES) ? 0 : COMPONENT_SSE)
           | (all_zero(s->high, AVX_BYTES) ? 0 : COMPONENT_AVX);
}

enum emu_outcome machine_run_xgetbv(struct machine *m)
{
    struct state s;
    uint64_t value = XCR0;
    uint32_t which = (uint32_t)machine_gpr_get(m, X64_RCX, 4);
    if (which > 1)
        return general_protection(m);
    if (which == 1) {
        if (!state_get(m, &s))
            return EMU_NOT_MINE;
        value = in_use(&s);
    }
    machine_gpr_put(m, X64_RAX, 4, (uint32_t)value);
    machine_gpr_put(m, X64_RDX, 4, value >> 32);
    return EMU_RESUME;
}

// The last byte of the area.
static uint64_t last_byte(uint64_t area, uint64_t wanted)
{
    return area + (wanted & COMPONENT_AVX ? AT_AVX + AVX_BYTES : AT_AVX) - 1;
}

// A piece of the area that an instruction writes.
struct piece { uint16_t at, bytes; const void *from; };

enum emu_outcome machine_run_xsave(struct machine *m)
{
    struct state s;
    uint8_t x87[X87_FX_BYTES], pair[8], header[16];
    uint64_t area = machine_address(m), wanted = requested(m), old;
    bool compact = m->insn->op == X64_XSAVEC, optimize = m->insn->op != X64_XSAVE;
    if (area % AREA_ALIGNMENT)
        return general_protection(m);
    // Processors see by the first and the last byte whether all of it can be written, whatever they write (AMD's do).
    if (!machine_may_write(m, area, 1) || !machine_may_write(m, last_byte(area, wanted), 1))
        return EMU_EXCEPTION;
    if (!state_get(m, &s))
        return EMU_NOT_MINE;
    uint64_t used = in_use(&s);
    if (s.mxcsr != mxcsr_initial)           // counts as SSE state here, though not in XGETBV
        used |= COMPONENT_SSE;
    uint64_t stored = optimize ? wanted & used : wanted;
    x87_put_fx_image(&s.x87, x87, m->insn->form & X64_F_W);
    memcpy(pair, &s.mxcsr, 4);
    memcpy(pair + 4, &mxcsr_mask, 4);

    struct piece pieces[6];
    unsigned count = 0;
    if (stored & COMPONENT_X87) {
        pieces[count++] = (struct piece){ 0, AT_MXCSR, x87 };
        pieces[count++] = (struct piece){ AT_REGISTERS, AT_XMM - AT_REGISTERS, x87 + AT_REGISTERS };
    }
    if (compact ? stored & COMPONENT_SSE : wanted & (COMPONENT_SSE | COMPONENT_AVX))
        pieces[count++] = (struct piece){ AT_MXCSR, 8, pair };
    if (stored & COMPONENT_SSE)
        pieces[count++] = (struct piece){ AT_XMM, XMM_BYTES, s.xmm };
    if (stored & COMPONENT_AVX)
        pieces[count++] = (struct piece){ AT_AVX, AVX_BYTES, s.high };
    // The header: XSTATE_BV, and what makes the compacted form.
    if (!compact && !machine_read(m, area + AT_HEADER, &old, 8))
        return EMU_EXCEPTION;
    uint64_t present = compact ? wanted & used : (old & ~wanted) | (wanted & used), form = COMPACTED | wanted;
    memcpy(header, &present, 8);
    memcpy(header + 8, &form, 8);
    pieces[count++] = (struct piece){ AT_HEADER, compact ? 16 : 8, header };

    for (unsigned i = 0; i < count; i++)
        if (!machine_write(m, area + pieces[i].at, pieces[i].from, pieces[i].bytes))
            return EMU_EXCEPTION;
    return EMU_RESUME;
}

// Whether the processor refuses the header (SDM vol. 1, 13.8.1 and 13.8.2).
static bool header_is_bad(const uint64_t header[8])
{
    uint64_t present = header[0], form = header[1];
    if (!(form & COMPACTED))
        return present & ~(uint64_t)XCR0 || form || header[2];
    if (form & ~(COMPACTED | XCR0) || present & ~form || present & COMPACTED)
        return true;
    return !all_zero(header + 2, 48);
}

enum emu_outcome machine_run_xrstor(struct machine *m)
{
    struct state s;
    uint8_t legacy[AT_HEADER];
    uint64_t header[8], area = machine_address(m), wanted = requested(m);
    if (area % AREA_ALIGNMENT)
        return general_protection(m);
    uint8_t byte;
    if (!machine_read(m, area, &byte, 1) || !machine_read(m, area + AT_HEADER, header, sizeof header))
        return EMU_EXCEPTION;
    if (header_is_bad(header))
        return general_protection(m);
    bool compact = header[1] & COMPACTED;
    uint64_t load = wanted & header[0];
    if (!state_get(m, &s))
        return EMU_NOT_MINE;
    bool mxcsr_loaded = compact ? load & COMPONENT_SSE : wanted & (COMPONENT_SSE | COMPONENT_AVX);
    if ((load & (COMPONENT_X87 | COMPONENT_SSE) || mxcsr_loaded) && !machine_read(m, area, legacy, sizeof legacy))
        return EMU_EXCEPTION;
    if (load & COMPONENT_AVX && !machine_read(m, area + AT_AVX, s.high, AVX_BYTES))
        return EMU_EXCEPTION;
    if (mxcsr_loaded)
        memcpy(&s.mxcsr, legacy + AT_MXCSR, 4);
    else if (wanted & COMPONENT_SSE)
        s.mxcsr = mxcsr_initial;
    enum emu_outcome outcome = mxcsr_loaded || wanted & COMPONENT_SSE ? machine_mxcsr_put(m, s.mxcsr) : EMU_RESUME;
    if (outcome != EMU_RESUME)
        return outcome;

    if (wanted & COMPONENT_X87) {
        s.x87 = (struct x87_state){ .control = 0x37f };
        if (load & COMPONENT_X87)
            x87_get_fx_image(&s.x87, legacy, m->insn->form & X64_F_W);
    }
    if (wanted & COMPONENT_SSE) {
        static const uint8_t zero[XMM_BYTES];
        const uint8_t *from = load & COMPONENT_SSE ? legacy + AT_XMM : zero;
        for (unsigned i = 0; i < 16; i++) {
            uint64_t value[2];
            memcpy(value, from + 16 * i, 16);
            machine_vector_put(i, value);
        }
    }
    if (wanted & ~load & COMPONENT_AVX)
        memset(s.high, 0, sizeof s.high);
    return machine_x87_put(m, &s.x87)
           && user_copy_out(m->frame->x[28] + CTX_YMM_HIGH, s.high, AVX_BYTES) == STATUS_SUCCESS ? EMU_RESUME : EMU_NOT_MINE;
}
