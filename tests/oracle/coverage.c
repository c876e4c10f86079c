// SPDX-License-Identifier: MIT
//
// coverage.c - see coverage.h. An instruction counts as exercised only where it certainly ran: the straight line from the first
// instruction to the one that ended the sequence or to the first branch.
#include "tests/oracle/coverage.h"
#include "tests/oracle/make.h"
#include "tests/oracle/rules.h"
#include "tests/oracle/vector.h"

struct seen { uint32_t done, faulted, absent; };
static struct seen seen[1 << 13];
static uint32_t immediates[1 << 13][8];         // which values of an 8-bit immediate

static bool exercised(const struct oracle_form *f, const struct seen *s)
{
    const struct x64_op_info *info = x64_op_info((enum x64_op)f->sample.op);
    // Some never complete at CPL 3, or always leave the program's line.
    bool undefined = f->sample.op == X64_UD0 || f->sample.op == X64_UD1 || f->sample.op == X64_UD2;
    bool always_faults = info->attributes & (X64_A_PRIVILEGED | X64_A_IO) || x64_flow(&f->sample) == X64_FLOW_TRAP || f->sample.op == X64_RDPMC;
    return s->done || (always_faults && s->faulted) || (undefined && s->absent);
}

// The vector's instruction at rip, alone, was #UD on the processor that recorded it: it lacks the form.
static void count_vector(const struct oracle_vector *v, const struct oracle_form *forms)
{
    for (unsigned at = 0; at < v->code_bytes;) {
        struct x64_insn i;
        const struct oracle_form *f = oracle_form_of(v->code + at, v->code_bytes - at);
        if (!f || x64_decode(v->code + at, v->code_bytes - at, v->code_va + at, &i) != X64_OK)
            return;
        struct seen *s = &seen[f - forms];
        bool here = v->out.rip == v->code_va + at, trap = v->outcome == ORACLE_BREAKPOINT || v->outcome == ORACLE_DEBUG;
        if (here && !trap && v->outcome == ORACLE_INVALID_OPCODE)
            s->absent++;
        else if ((here && !trap) || x64_flow(&i) == X64_FLOW_TRAP)
            s->faulted++;
        else
            s->done++;
        if (oracle_form_immediate_bytes(f) == 1)
            immediates[f - forms][v->code[at + i.length - 1] >> 5] |= 1u << (v->code[at + i.length - 1] & 31);
        if (here || x64_flow(&i) != X64_FLOW_NEXT || (trap && v->out.rip == v->code_va + at + i.length))
            return;
        at += i.length;
    }
}

static unsigned bits(const uint32_t *words)
{
    unsigned n = 0;
    for (unsigned i = 0; i < 8; i++)
        n += (unsigned)__builtin_popcount(words[i]);
    return n;
}

int coverage_report(FILE *vectors, FILE *report)
{
    static struct oracle_vector v;
    unsigned count, excluded = 0, absent = 0, lacking = 0, undefined = 0, covered = 0, missing = 0, walked = 0, full = 0, total = 0, own = 0, rows = 0, rows_without = 0;
    const struct oracle_form *f = oracle_forms(&count);
    while (fread(&v, sizeof v, 1, vectors) == 1) {
        if (v.magic != ORACLE_MAGIC || v.code_bytes > ORACLE_CODE_MAX)
            return -1;
        for (uint32_t i = 0; i < v.change_count; i++) {
            struct oracle_change c;
            if (fread(&c, sizeof c, 1, vectors) != 1)
                return -1;
        }
        count_vector(&v, f);
        total++;
    }
    for (unsigned map = 0; map < X64_MAP_COUNT; map++)
        for (unsigned r = 1; r < x64_maps[map].count; r++) {
            const struct x64_row *row = &x64_maps[map].rows[r];
            bool has = row->op == X64_BAD;
            rows += !has;
            for (unsigned i = 0; i < count && !has; i++)
                has = f[i].row == row;
            if (!has) {
                rows_without++;
                fprintf(report, "row without a form: map %u, %02x %s\n", map, row->opcode, x64_op_info((enum x64_op)row->op)->name);
            }
        }
    for (unsigned i = 0; i < count; i++) {
        const char *reason = "";
        enum oracle_rule rule = oracle_rule_of_form(&f[i], &reason);
        if (rule == RULE_EXCLUDED) {
            fprintf(report, "excluded: %-40s %s\n", f[i].name, reason);
            excluded++;
        } else if (rule == RULE_ABSENT && seen[i].absent) {
            absent++;
        } else if (exercised(&f[i], &seen[i])) {
            covered++;
            own += rule != RULE_NONE;
        } else if (seen[i].absent) {
            undefined++;
        } else if (oracle_lacks(&f[i])) {
            fprintf(report, "this processor lacks it (#UD): %s\n", f[i].name);
            lacking++;
        } else {
            fprintf(report, "NOT EXERCISED: %s (faulted %u times)\n", f[i].name, seen[i].faulted);
            missing++;
        }
        if (oracle_form_immediate_bytes(&f[i]) == 1 && exercised(&f[i], &seen[i]) && oracle_form_has(&f[i], SRC_IMM_ZERO)) {
            walked++;
            full += bits(immediates[i]) == 256;
        }
    }
    for (unsigned i = 0; oracle_not_tried[i][0]; i++)
        fprintf(report, "not tried: %s: %s\n", oracle_not_tried[i][0], oracle_not_tried[i][1]);
    fprintf(report, "%u vectors; %u rows of the decoder's tables, %u of them without a form; %u forms: %u exercised (%u of them by a rule of rules.inc),\n"
            "%u not advertised (#UD checked), %u that are #UD to every program (checked), %u that this processor lacks, %u excluded, %u not exercised\n"
            "%u forms with an 8-bit immediate, %u with all its values\n",
            total, rows, rows_without, count, covered, own, absent, undefined, lacking, excluded, missing, walked, full);
    return (int)(missing + rows_without);
}
