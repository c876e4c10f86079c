// SPDX-License-Identifier: MIT
//
// cut.c - runs of instructions from the executable sections of real programs, moved to where a vector lies.
//
// A run is decoded from somewhere in a section, after some instructions to get in step, until something that cannot be recorded (rules.inc),
// an indirect jump, or its length. Branches inside the run stay, others go to its end, calls to the next instruction; RIP-relative and
// fs: or gs: operands move into the memory there is. Base registers that still have their initial value get one that hits the window; one that
// the run has loaded is set by an inserted MOV.
#include "tests/oracle/cut.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/oracle/rules.h"

enum { RANGES_MAX = 4096, RUN_MAX = 40, STEP_MAX = 24 };

// ---- files
static struct range { const uint8_t *bytes; uint64_t length; } ranges[RANGES_MAX];
static unsigned range_count;
static uint64_t total;

static uint64_t field(const uint8_t *p, unsigned bytes)
{
    uint64_t value = 0;
    memcpy(&value, p, bytes);
    return value;
}

static const char *add_range(const uint8_t *file, uint64_t size, uint64_t offset, uint64_t length)
{
    if (offset > size || length > size - offset)
        return "a section lies outside the file";
    if (length < 256)
        return 0;
    if (range_count == RANGES_MAX)
        return "too many sections";
    ranges[range_count++] = (struct range){ file + offset, length };
    total += length;
    return 0;
}

// Section headers: sh_flags bit 2 is SHF_EXECINSTR, type 1 SHT_PROGBITS. Without them the executable segments (PF_X).
static const char *add_elf(const uint8_t *f, uint64_t size)
{
    if (size < 64 || f[4] != 2 || field(f + 18, 2) != 62)
        return "not an x64 ELF file";
    bool sections = field(f + 60, 2) != 0;
    uint64_t table = field(f + (sections ? 40 : 32), 8), stride = field(f + (sections ? 58 : 54), 2), count = field(f + (sections ? 60 : 56), 2);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = table + i * stride;
        if (at > size || size - at < 56)
            return "the header table lies outside the file";
        const uint8_t *h = f + at;
        bool wanted = sections ? field(h + 4, 4) == 1 && field(h + 8, 8) & 4 : field(h, 4) == 1 && field(h + 4, 4) & 1;
        const char *wrong = wanted ? add_range(f, size, field(h + (sections ? 24 : 8), 8), field(h + 32, 8)) : 0;
        if (wrong)
            return wrong;
    }
    return 0;
}

// IMAGE_SCN_MEM_EXECUTE.
static const char *add_pe(const uint8_t *f, uint64_t size)
{
    uint64_t pe = size >= 64 ? field(f + 60, 4) : size;
    if (pe > size || size - pe < 24 || field(f + pe, 4) != 0x4550 || field(f + pe + 4, 2) != 0x8664)
        return "not an x64 PE file";
    uint64_t at = pe + 24 + field(f + pe + 20, 2), count = field(f + pe + 6, 2);
    for (uint64_t i = 0; i < count; i++, at += 40) {
        if (at > size || size - at < 40)
            return "the section table lies outside the file";
        const char *wrong = field(f + at + 36, 4) & 0x20000000 ? add_range(f, size, field(f + at + 20, 4), field(f + at + 16, 4)) : 0;
        if (wrong)
            return wrong;
    }
    return 0;
}

const char *cut_add_file(const char *path)
{
    struct stat s;
    int file = open(path, O_RDONLY);
    if (file < 0 || fstat(file, &s))
        return "cannot be opened";
    const uint8_t *f = mmap(0, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    close(file);
    if (f == MAP_FAILED || s.st_size < 64)
        return "cannot be mapped";
    return field(f, 4) == 0x464c457f ? add_elf(f, (uint64_t)s.st_size) : field(f, 2) == 0x5a4d ? add_pe(f, (uint64_t)s.st_size) : "neither ELF nor PE";
}

// ---- a run
struct piece {
    uint8_t bytes[X64_LENGTH_MAX];
    unsigned length;
    const uint8_t *from;        // null: inserted
    unsigned at;                // offset in the sequence
    unsigned rel_bytes;         // it ends with a branch offset of so many bytes ...
    const uint8_t *to;          // ... that went there; null: the end of the run
    bool next;                  // ... or the next instruction
};
static struct piece pieces[RUN_MAX * 2];
static unsigned piece_count;

enum known { INITIAL, POINTER, SMALL, OPEN };
static enum known known[16];

static void put32(uint8_t *to, uint64_t value)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

static struct piece *add_piece(const uint8_t *bytes, unsigned length, const uint8_t *from)
{
    struct piece *p = &pieces[piece_count++];
    *p = (struct piece){ .length = length, .from = from };
    memcpy(p->bytes, bytes, length);
    return p;
}

static uint64_t pointer(struct generator *g) { return ORACLE_WINDOW_BASE + 0x1000 + gen_below(g, 0x40) * 64; }

// mov r32, imm32
static void insert_move(unsigned reg, uint64_t value, enum known what)
{
    uint8_t bytes[6] = { 0x41, (uint8_t)(0xb8 | (reg & 7)) };
    put32(bytes + 2, value);
    add_piece(bytes + (reg < 8), 6 - (reg < 8), 0);
    known[reg] = what;
}

static void want(struct generator *g, unsigned reg, bool base, int64_t disp)
{
    uint64_t value = base ? pointer(g) - (disp > 0x800 || disp < -0x800 ? (uint64_t)disp & ~63ull : 0) : gen_below(g, 16);
    enum known what = base ? POINTER : SMALL;
    if (known[reg] == INITIAL)
        gen_set(g, reg, value), known[reg] = what;
    else if (known[reg] == OPEN && gen_chance(g, 85))
        insert_move(reg, value & 0x7fffffff, what);
}

static void want_operands(struct generator *g, const struct x64_insn *i)
{
    uint32_t attributes = x64_op_info((enum x64_op)i->op)->attributes;
    if (attributes & X64_A_STRING) {
        want(g, X64_RSI, true, 0);
        want(g, X64_RDI, true, 0);
        if (i->prefixes & (X64_P_REP | X64_P_REPNE))
            want(g, X64_RCX, false, 0);
    }
    if (attributes & X64_A_STACK && known[X64_RSP] != POINTER)
        want(g, X64_RSP, true, 0);
    if (!(i->form & X64_F_MEM) || attributes & X64_A_NO_ACCESS)
        return;
    if (i->mem.base < 16)
        want(g, i->mem.base, true, i->mem.disp);
    if (i->mem.index < 16 && !i->mem.vsib)
        want(g, i->mem.index, i->mem.base == X64_REG_NONE && i->mem.scale == 1, i->mem.disp);
}

static void note_results(struct generator *g, const struct x64_insn *i)
{
    unsigned destination = i->opd[0].kind == X64_OPD_GPR && i->opd[0].size >= 4 ? i->opd[0].reg : 16;
    enum known result = OPEN;
    if (i->op == X64_MOV && i->opd[1].kind == X64_OPD_GPR) {
        if (known[i->opd[1].reg] == INITIAL && gen_chance(g, 60))
            want(g, i->opd[1].reg, true, 0);
        result = known[i->opd[1].reg] == INITIAL ? OPEN : known[i->opd[1].reg];
    } else if (i->op == X64_LEA && i->mem.base < 16 && i->mem.index == X64_REG_NONE) {
        if (known[i->mem.base] == INITIAL)
            want(g, i->mem.base, true, i->mem.disp);
        result = known[i->mem.base];
    } else if ((i->op == X64_ADD || i->op == X64_SUB || i->op == X64_INC || i->op == X64_DEC) && destination < 16 && i->opd[1].kind != X64_OPD_GPR &&
               i->opd[1].kind != X64_OPD_MEM && i->opd[1].value < 0x400 && i->opd[1].value > -0x400) {
        result = known[destination];
    } else if ((i->op == X64_XOR && i->opd[1].kind == X64_OPD_GPR && i->opd[1].reg == destination) || (i->op == X64_MOVZX && i->opd[1].size == 1) ||
               (i->op == X64_MOV && i->opd[1].kind == X64_OPD_IMM && (uint64_t)i->opd[1].value < 0x400)) {
        result = SMALL;
    }
    bool steps = x64_op_info((enum x64_op)i->op)->attributes & (X64_A_STRING | X64_A_STACK);
    for (unsigned r = 0; r < 16; r++)
        if (x64_gprs_written(i) >> r & 1 && !(steps && (r == X64_RSP || r == X64_RSI || r == X64_RDI) && r != destination && i->op != X64_LEAVE))
            known[r] = r == destination ? result : OPEN;
}

// Fits for a run? Its operands that name addresses are moved.
static bool take(struct generator *g, const uint8_t *from, const struct x64_insn *i)
{
    uint32_t attributes = x64_op_info((enum x64_op)i->op)->attributes;
    enum x64_flow flow = x64_flow(i);
    bool rip = i->form & X64_F_MEM && i->mem.base == X64_REG_RIP, absolute = i->form & X64_F_MEM && i->mem.base == X64_REG_NONE && i->mem.index == X64_REG_NONE;
    bool segment = (i->form & X64_F_MEM && i->mem.segment != X64_SEGMENT_NONE) || i->segment != X64_SEGMENT_NONE;
    bool bits = (i->op == X64_BT || i->op == X64_BTS || i->op == X64_BTR || i->op == X64_BTC) && i->opd[1].kind == X64_OPD_GPR;
    if (oracle_rule_of(i, 0, 0) != RULE_NONE || attributes & (X64_A_PRIVILEGED | X64_A_IO | X64_A_VECTOR_ALL) || flow == X64_FLOW_TRAP || i->op == X64_FNSTENV ||
        flow == X64_FLOW_SYSCALL || flow == X64_FLOW_JUMP_INDIRECT || flow == X64_FLOW_CALL_INDIRECT || flow == X64_FLOW_RETURN || (segment && (!absolute || bits || (g->user && i->mem.segment == X64_FS))))
        return false;
    for (unsigned j = 0; flow != X64_FLOW_NEXT && j < i->length && (from[j] == 0x66 || (from[j] & 0xf0) == 0x40 || from[j] == 0x3e); j++)
        if (from[j] == 0x66)
            return false;                           // near branches of 16 bits are AMD's alone
    const struct oracle_form *f = oracle_form_of(from, i->length);
    if (!f || oracle_rule_of_form(f, 0) != RULE_NONE || (g->user && !gen_is_user_form(f)) || oracle_form_has(f, SRC_MOFFS) || oracle_form_has(f, SRC_SEG_REG) || oracle_form_has(f, SRC_SEG_FIXED))
        return false;
    want_operands(g, i);
    struct piece *p = add_piece(from, i->length, from);
    if (segment && i->mem.segment == X64_GS)
        put32(p->bytes + oracle_displacement_offset(i, from), ORACLE_GS_FIRST + gen_below(g, ORACLE_GS_BYTES / 16 - 4) * 16);
    else if (rip || absolute)                       // RIP-relative: becomes relative when the place is known
        put32(p->bytes + oracle_displacement_offset(i, from), pointer(g) + gen_below(g, 4) * 16);
    if (i->opd[0].kind == X64_OPD_REL) {
        p->rel_bytes = oracle_form_immediate_bytes(f);
        p->to = from + i->length + (i->opd[0].value - (int64_t)(i->rip + i->length));
        p->next = flow == X64_FLOW_CALL;
    }
    note_results(g, i);
    return true;
}

static unsigned offset_of(const uint8_t *from, unsigned end)
{
    for (unsigned i = 0; i < piece_count; i++)
        if (pieces[i].from == from) {               // with what was inserted before it
            while (i && !pieces[i - 1].from)
                i--;
            return pieces[i].at;
        }
    return end;
}

// Lays the pieces out. False: a branch does not reach.
static bool lay_out(struct generator *g, bool backward)
{
    unsigned end = 0;
    for (unsigned i = 0; i < piece_count; i++) {
        pieces[i].at = end;
        end += pieces[i].length;
    }
    if (end > ORACLE_CODE_MAX - 16)
        return false;
    for (unsigned i = 0; i < piece_count; i++) {
        struct piece *p = &pieces[i];
        struct x64_insn insn;
        unsigned behind = p->at + p->length;
        if (p->rel_bytes) {
            unsigned to = p->next ? behind : offset_of(p->to, end);
            if (to <= p->at && !backward)
                to = end;
            int64_t distance = (int64_t)to - behind;
            if (p->rel_bytes == 1 && (distance > 127 || distance < -128))
                return false;
            for (unsigned j = 0; j < p->rel_bytes; j++)
                p->bytes[p->length - p->rel_bytes + j] = (uint8_t)((uint64_t)distance >> 8 * j);
        }
        if (x64_decode(p->bytes, p->length, g->va + p->at, &insn) == X64_OK && insn.form & X64_F_MEM && insn.mem.base == X64_REG_RIP) {
            unsigned at = oracle_displacement_offset(&insn, p->bytes);
            put32(p->bytes + at, field(p->bytes + at, 4) - (g->va + behind));
        }
        memcpy(g->code + p->at, p->bytes, p->length);
    }
    g->length = end;
    return end > 0;
}

bool gen_cut(struct generator *g)
{
    if (!total)
        return false;
    uint64_t offset = oracle_random(&g->seed) % total;
    const struct range *r = ranges;
    while (offset >= r->length)
        offset -= r++->length;
    unsigned length = 1 + gen_below(g, RUN_MAX - 10), step = gen_below(g, STEP_MAX) + 8;
    struct x64_insn i;
    piece_count = 0;
    for (unsigned j = 0; j < 16; j++)
        known[j] = INITIAL;
    known[X64_RSP] = POINTER;
    gen_set(g, X64_RSP, ORACLE_WINDOW_BASE + 0x1000 + gen_below(g, 0x80) * 16);
    for (unsigned n = 0; n < step + length; n++) {
        size_t left = r->length - offset < X64_LENGTH_MAX ? r->length - offset : X64_LENGTH_MAX;
        const uint8_t *from = r->bytes + offset;
        enum x64_status s = x64_decode(from, left, 0, &i);
        bool good = s == X64_OK;
        if (n >= step && (!good || !take(g, from, &i))) {
            if (piece_count >= 3)
                break;
            return false;
        }
        offset += good ? i.length : 1;
        if (offset >= r->length)
            return false;
    }
    return piece_count && lay_out(g, gen_chance(g, 30));
}
