// SPDX-License-Identifier: MIT
// Guest memory: addresses folded into arm64 modes, and the one place that knows about memory order.
//
// Under MODEL_TSO every load is acquire (RCpc is enough) and every store release, in the mixed scheme that the checks of the
// technique sheet found sound (I1 on v8.0, H4 with LRCPC, E3 with LRCPC and LSE): an access whose address is just a register
// is LDAR or LDAPR / STLR; any other is LDR; DMB ISHLD / DMB ISHST; STR, which counts the same as add and LDAR. LRCPC2 adds a
// signed 9-bit offset. What is often unaligned is of the second kind, too: LDAR and STLR fault there. Vector accesses are always of the second
// kind. The barriers are in order.c (that of a load may come later, or not at all), locked operations in lower_atomic.c.
#include "emu/lower/lazy.h"
#include "emu/lower/verify.h"

bool lower_tso(const struct lower_context *cx)
{
    return cx->config->model == MODEL_TSO;
}

a64_reg lower_add_index(struct lower_context *cx, a64_reg base, a64_reg index, unsigned shift, a64_reg into)
{
    if (base == A64_SP)
        a64_add_ext(cx->b, A64_X, into, base, index, A64_UXTX, shift);
    else
        a64_add_reg(cx->b, A64_X, into, base, index, A64_LSL, shift);
    return into;
}

// The index register and by how much it is shifted.
static a64_reg index_of(const struct lower_context *cx, const struct x64_mem *m, unsigned *shift)
{
    struct lower_lazy l;
    *shift = lower_log2(m->scale);
    if (!lower_shifted(cx, m->index, &l))
        return lower_source(cx, m->index);
    *shift += l.amount;
    return l.from;
}

a64_reg lower_effective_address(struct lower_context *cx, const struct x64_mem *m, a64_reg into, enum a64_size s)
{
    struct a64_buf *b = cx->b;
    if (m->address_size == 4)
        s = A64_W;
    if (cx->loose & LOOSE_DISP) {               // the same without displacement, and then the one read from the code
        struct x64_mem bare = *m;
        bare.address -= (uint64_t)m->disp;
        bare.disp = 0;
        cx->loose &= (uint8_t)~LOOSE_DISP;
        a64_reg t = lower_effective_address(cx, &bare, into, s);
        cx->loose |= LOOSE_DISP;
        a64_add_reg(b, s, into, t, lower_loose_disp(), A64_LSL, 0);
        return into;
    }
    if (m->base == X64_REG_RIP || (m->base == X64_REG_NONE && m->index == X64_REG_NONE)) {
        uint64_t value = m->base == X64_REG_RIP ? m->address : (uint64_t)m->disp;
        lower_const(cx, into, s == A64_W ? (uint32_t)value : value);
        return into;
    }
    a64_reg base = m->base == X64_REG_NONE ? A64_ZR : lower_source(cx, m->base);
    if (m->index == X64_REG_NONE) {
        if (m->disp == 0)
            a64_mov_reg(b, s, into, base);
        else
            lower_add_imm(cx, s, into, base, m->disp);
        return into;
    }
    unsigned shift;
    a64_reg index = index_of(cx, m, &shift);
    if (base == A64_ZR && shift == 0)
        base = index, index = A64_ZR;
    // An index shifted into a fresh register must not overwrite the base when `into` is the base: it is read in the same instruction.
    if (base == A64_ZR)
        a64_lsl_imm(b, s, into, index, shift);
    else if (index == A64_ZR)
        a64_mov_reg(b, s, into, base);
    else if (base == A64_SP)
        a64_add_ext(b, s, into, base, index, s == A64_X ? A64_UXTX : A64_UXTW, shift);
    else
        a64_add_reg(b, s, into, base, index, A64_LSL, shift);
    if (m->disp)
        lower_add_imm(cx, s, into, into, m->disp);
    return into;
}

a64_reg lower_address_register(struct lower_context *cx, const struct x64_insn *insn)
{
    const struct x64_mem *m = &insn->mem;
    bool plain = m->address_size == 8 && m->segment != X64_GS && m->index == X64_REG_NONE && m->base < 16;
    if (plain && m->disp == 0 && !(cx->loose & LOOSE_DISP))
        return lower_source(cx, m->base);
    if (m->base == X64_REG_RIP && m->address_size == 8 && m->segment != X64_GS && !(cx->loose & LOOSE_DISP))
        return lower_constant(cx, A64_X, m->address);
    a64_reg t = lower_effective_address(cx, m, lower_temp(cx), A64_X);
    if (m->segment == X64_GS)
        a64_add_reg(cx->b, A64_X, t, 18, t, A64_LSL, 0);
    return t;
}

static bool offset_ok(unsigned log2_bytes, int64_t offset)
{
    return a64_ldst_uimm_ok(log2_bytes, offset) || a64_ldst_simm_ok(offset);
}

// base + offset, where offset may be anything. `own`: a temporary that may be overwritten (perhaps base itself), or ZR.
static struct lower_mem with_offset(struct lower_context *cx, a64_reg base, int64_t offset, unsigned log2_bytes, a64_reg own)
{
    if (offset_ok(log2_bytes, offset))
        return (struct lower_mem){ .base = base, .index = A64_ZR, .offset = offset };
    bool far = offset <= -(1 << 24) || offset >= 1 << 24;
    if (far && own == A64_ZR)
        return (struct lower_mem){ .base = base, .index = lower_constant(cx, A64_X, (uint64_t)offset) };
    int64_t low = offset & 0xfff, rest = low - (low & 0x800) * 2;       // rest: to the nearest multiple of 4096
    if (!offset_ok(log2_bytes, low) && a64_ldst_simm_ok(rest))
        low = rest;
    int64_t high = offset - low;
    bool parts = offset_ok(log2_bytes, low) && (a64_addsub_imm_ok((uint64_t)high) || a64_addsub_imm_ok((uint64_t)-high));
    if (!parts && own == A64_ZR && !lower_tso(cx) && !a64_addsub_imm_ok((uint64_t)offset) && !a64_addsub_imm_ok((uint64_t)-offset))
        return (struct lower_mem){ .base = base, .index = lower_constant(cx, A64_X, (uint64_t)offset) };
    a64_reg t = own != A64_ZR ? own : lower_temp(cx);
    lower_add_imm(cx, A64_X, t, base, parts ? high : offset);
    return (struct lower_mem){ .base = t, .index = A64_ZR, .offset = parts ? low : 0 };
}

struct lower_mem lower_address(struct lower_context *cx, const struct x64_insn *insn, unsigned log2_bytes)
{
    const struct x64_mem *m = &insn->mem;
    bool gs = m->segment == X64_GS;
    if (m->address_size == 4 || cx->loose & LOOSE_DISP)
        return lower_mem_register(lower_address_register(cx, insn));
    bool constant = m->base == X64_REG_RIP || (m->base == X64_REG_NONE && m->index == X64_REG_NONE);
    if (constant && !gs) {
        uint64_t address = m->base == X64_REG_RIP ? m->address : (uint64_t)m->disp;
        uint64_t low = address & 0xfff;
        if (!a64_ldst_uimm_ok(log2_bytes, (int64_t)low))
            low = 0;
        return (struct lower_mem){ .base = lower_constant(cx, A64_X, address - low), .index = A64_ZR, .offset = (int64_t)low };
    }
    if (constant)
        return with_offset(cx, 18, m->base == X64_REG_RIP ? (int64_t)m->address : m->disp, log2_bytes, A64_ZR);
    unsigned shift = 0;
    a64_reg base = m->base == X64_REG_NONE ? A64_ZR : lower_source(cx, m->base);
    a64_reg index = m->index == X64_REG_NONE ? A64_ZR : index_of(cx, m, &shift);
    if (base == A64_ZR && shift == 0)
        base = index, index = A64_ZR;
    a64_reg own = A64_ZR;
    if (gs) {
        if (base == A64_ZR)
            base = 18;
        else
            base = own = lower_add_index(cx, base, 18, 0, lower_temp(cx));
    }
    if (index == A64_ZR)
        return with_offset(cx, base, m->disp, log2_bytes, own);
    if (m->disp == 0 && base != A64_ZR && (shift == 0 || shift == log2_bytes) && !(lower_tso(cx) && lower_sum_held(cx, base, index, shift)))
        return (struct lower_mem){ .base = base, .index = index, .scaled = shift != 0 };
    if (!gs && base != A64_ZR && offset_ok(log2_bytes, m->disp))        // else the sum is changed in place: temporaries are scarce
        return with_offset(cx, lower_sum(cx, base, index, shift), m->disp, log2_bytes, A64_ZR);
    if (own == A64_ZR)
        own = lower_temp(cx);
    if (base == A64_ZR)
        a64_lsl_imm(cx->b, A64_X, own, index, shift);
    else
        lower_add_index(cx, base, index, shift, own);
    return with_offset(cx, own, m->disp, log2_bytes, own);
}

struct lower_mem lower_mem_at(struct lower_context *cx, struct lower_mem mem, unsigned log2_bytes, int64_t away)
{
    if (mem.index == A64_ZR)
        return with_offset(cx, mem.base, mem.offset + away, log2_bytes, A64_ZR);
    a64_reg t = lower_temp(cx);
    lower_add_index(cx, mem.base, mem.index, mem.scaled ? log2_bytes : 0, t);
    return with_offset(cx, t, away, log2_bytes, t);
}

static void sign_extend(struct lower_context *cx, unsigned log2_bytes, enum a64_load kind, a64_reg rt)
{
    if (kind != A64_ZERO)
        a64_sbfx(cx->b, kind == A64_SIGN64 ? A64_X : A64_W, rt, rt, 0, 8u << log2_bytes);
}

void lower_load(struct lower_context *cx, unsigned log2_bytes, enum a64_load kind, a64_reg rt, struct lower_mem mem)
{
    struct a64_buf *b = cx->b;
    const struct emu_features *f = &cx->config->features;
    lower_order_load(cx, mem.base, mem.index);
    if (lower_tso(cx) && mem.index == A64_ZR && !cx->unaligned) {
        if (f->lrcpc2 && a64_ldst_simm_ok(mem.offset)) {
            a64_ldapur(b, log2_bytes, rt, mem.base, mem.offset);
            lower_order_loaded(cx, rt, true);
            sign_extend(cx, log2_bytes, kind, rt);
            return;
        }
        if (mem.offset == 0) {
            (f->lrcpc ? a64_ldapr : a64_ldar)(b, log2_bytes, rt, mem.base);
            lower_order_loaded(cx, rt, true);
            sign_extend(cx, log2_bytes, kind, rt);
            return;
        }
    }
    if (mem.index != A64_ZR)
        a64_ldr_index(b, log2_bytes, kind, rt, mem.base, mem.index, A64_UXTX, mem.scaled);
    else if (a64_ldst_uimm_ok(log2_bytes, mem.offset))
        a64_ldr_uimm(b, log2_bytes, kind, rt, mem.base, mem.offset);
    else
        a64_ldur(b, log2_bytes, kind, rt, mem.base, mem.offset);
    lower_order_loaded(cx, rt, false);
}

void lower_store(struct lower_context *cx, unsigned log2_bytes, a64_reg rt, struct lower_mem mem)
{
    struct a64_buf *b = cx->b;
    if (lower_tso(cx) && mem.index == A64_ZR && !cx->unaligned) {
        if (cx->config->features.lrcpc2 && a64_ldst_simm_ok(mem.offset)) {
            a64_stlur(b, log2_bytes, rt, mem.base, mem.offset);
            return;
        }
        if (mem.offset == 0) {
            a64_stlr(b, log2_bytes, rt, mem.base);
            return;
        }
    }
    lower_order_stores(cx, mem.base, mem.index, rt);
    if (mem.index != A64_ZR)
        a64_str_index(b, log2_bytes, rt, mem.base, mem.index, A64_UXTX, mem.scaled);
    else if (a64_ldst_uimm_ok(log2_bytes, mem.offset))
        a64_str_uimm(b, log2_bytes, rt, mem.base, mem.offset);
    else
        a64_stur(b, log2_bytes, rt, mem.base, mem.offset);
}

void lower_load_v(struct lower_context *cx, unsigned log2_bytes, a64_vreg vt, struct lower_mem mem)
{
    lower_order_load(cx, mem.base, mem.index);
    if (mem.index != A64_ZR)
        a64_ldr_v_index(cx->b, log2_bytes, vt, mem.base, mem.index, A64_UXTX, mem.scaled);
    else if (a64_ldst_uimm_ok(log2_bytes, mem.offset))
        a64_ldr_v_uimm(cx->b, log2_bytes, vt, mem.base, mem.offset);
    else
        a64_ldur_v(cx->b, log2_bytes, vt, mem.base, mem.offset);
    lower_order_loaded(cx, A64_ZR, false);
}

void lower_store_v(struct lower_context *cx, unsigned log2_bytes, a64_vreg vt, struct lower_mem mem)
{
    lower_order_stores(cx, mem.base, mem.index, A64_ZR);
    if (mem.index != A64_ZR)
        a64_str_v_index(cx->b, log2_bytes, vt, mem.base, mem.index, A64_UXTX, mem.scaled);
    else if (a64_ldst_uimm_ok(log2_bytes, mem.offset))
        a64_str_v_uimm(cx->b, log2_bytes, vt, mem.base, mem.offset);
    else
        a64_stur_v(cx->b, log2_bytes, vt, mem.base, mem.offset);
}

// The writeback of a pre- or post-indexed access does not happen when the access faults.
void lower_push(struct lower_context *cx, unsigned bytes, a64_reg rt)
{
    if (cx->stack_run) {
        cx->rsp -= (int32_t)bytes;
        lower_store(cx, lower_log2(bytes), rt, (struct lower_mem){ .base = A64_SP, .index = A64_ZR, .offset = cx->rsp });
        return;
    }
    lower_order_stores(cx, A64_SP, A64_ZR, rt);
    a64_str_pre(cx->b, lower_log2(bytes), rt, A64_SP, -(int64_t)bytes);
}

void lower_pop(struct lower_context *cx, unsigned bytes, a64_reg rt)
{
    if (cx->flags.nz == NZ_SP)
        cx->flags.sp_popped++;
    if (cx->stack_run) {
        lower_load(cx, lower_log2(bytes), A64_ZERO, rt, (struct lower_mem){ .base = A64_SP, .index = A64_ZR, .offset = cx->rsp });
        cx->rsp += (int32_t)bytes;
        return;
    }
    lower_order_load(cx, A64_SP, A64_ZR);
    a64_ldr_post(cx->b, lower_log2(bytes), A64_ZERO, rt, A64_SP, bytes);
    lower_order_loaded(cx, rt, false);
}
