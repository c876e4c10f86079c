// SPDX-License-Identifier: MIT
// link: tests/order/model.c tests/order/emitted.c
//
// Does what the lowering emits keep x86-TSO? Every form of tests/order/forms.inc is lowered for every kind of core, alone and in sequences;
// the emitted words are reduced to accesses, annotations and barriers, and those are held against the model (tests/order/model.h), by proof and by
// exhaustive search. Then each annotation and barrier is taken away, one at a time, and both must notice.
//
//     memory_order_test                what make test runs: seconds
//     memory_order_test full           longer sequences, more of them, programs of five operations: minutes
//     memory_order_test report         which core does what how
#include "emu/x64/x64.h"
#include "tests/host/check.h"
#include "tests/order/emitted.h"

enum { SITE = 0x140001000, LONGEST = 8 };

static const struct form { char kind; const char *bytes, *group; } forms[] = {
#define G(name, what) { 0, NULL, name },
#define F(kind, bytes) { kind, bytes, NULL },
#include "tests/order/forms.inc"
#undef F
#undef G
};
enum { FORMS = sizeof forms / sizeof *forms };

static const struct core { const char *name; struct emu_features f; } cores[] = {
    { "v8.0", { 0 } }, { "LRCPC", { .lrcpc = true } }, { "LRCPC2", { .lrcpc = true, .lrcpc2 = true } }, { "LSE", { .lse = true } },
    { "LSE LRCPC", { .lse = true, .lrcpc = true } }, { "LSE LRCPC2", { .lse = true, .lse2 = true, .lrcpc = true, .lrcpc2 = true } },
};
enum { CORES = sizeof cores / sizeof *cores, OTHERS = 1, EXACT = 2, UNALIGNED = 4, VARIANTS = 8 };

static bool full;

// ---- lowering a sequence

struct sequence {
    uint8_t bytes[LONGEST * 18 + 3];
    unsigned size, count;
    bool loops;                                 // some ways are enough
    struct order_operation operation[LONGEST];
};

static unsigned digit(char c) { return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10); }

static void append(struct sequence *s, const struct form *f, unsigned location)
{
    unsigned at = s->size;
    struct order_operation *o = &s->operation[s->count++];
    *o = (struct order_operation){ .rip = SITE + at, .kind = f->kind, .location = (uint8_t)location };
    for (const char *p = f->bytes; *p; p++) {
        bool base = *p == '*';
        if (*p == ' ' || base) {
            if (!base)
                continue;
            p++;
        }
        unsigned value = digit(p[0]) << 4 | digit(p[1]);
        s->bytes[s->size++] = (uint8_t)(base && location ? value - 1 : value);          // rdi, rsi
        p++;
    }
}

// A jump over the next instruction.
static void append_skip(struct sequence *s, const struct form *next)
{
    struct sequence alone = { 0 };
    append(&alone, next, 0);
    s->bytes[s->size++] = 0x75;
    s->bytes[s->size++] = (uint8_t)alone.size;
}

static size_t read_code(void *context, uint64_t va, uint8_t *buffer, size_t max)
{
    const struct sequence *s = context;
    if (va - SITE > s->size)
        return 0;
    size_t n = s->size + 1 - (va - SITE) < max ? s->size + 1 - (va - SITE) : max;
    memcpy(buffer, s->bytes + (va - SITE), n);
    return n;
}
static bool is_ec(void *context, uint64_t va) { (void)context, (void)va; return false; }
static bool always(void *context, uint64_t rip) { (void)context, (void)rip; return true; }

static void print_sequence(const struct sequence *s, unsigned core, unsigned variant)
{
    printf("  %s%s%s%s:", cores[core].name, variant & OTHERS ? ", everything else" : "", variant & EXACT ? ", exact" : "",
           variant & UNALIGNED ? ", unaligned" : "");
    for (unsigned at = 0; at < s->size;) {
        struct x64_insn insn;
        char text[128];
        if (x64_decode(s->bytes + at, s->size - at, SITE + at, &insn) != X64_OK)
            break;
        x64_format(&insn, text, sizeof text);
        printf(" %s;", text);
        at += insn.length;
    }
    printf("\n");
}

static struct lower_result *lower(struct sequence *s, unsigned core, unsigned variant)
{
    static uint32_t words[1 << 14];
    static struct lower_entry entries[64];
    static struct lower_exit exits[64];
    static struct lower_point points[1024];
    static _Alignas(16) uint8_t work[LOWER_WORK_BYTES];
    static struct lower_result r;
    r = (struct lower_result){ .code = words, .code_capacity = 1 << 14, .entries = entries, .entry_capacity = 64, .exits = exits, .exit_capacity = 64,
                               .points = points, .point_capacity = 1024, .work = work };
    struct lower_config config = { .model = MODEL_TSO, .fp_model = variant & EXACT ? FP_EXACT : FP_FAST, .code_va = 0x7ffd00100000,
                                   .stub_indirect = 0x7ffd00000020, .stub_return = 0x7ffd00000180 };
    if (variant & OTHERS)
        memset(&config.features, true, sizeof config.features);
    const struct emu_features *f = &cores[core].f;
    config.features.lse = f->lse, config.features.lse2 = f->lse2, config.features.lrcpc = f->lrcpc, config.features.lrcpc2 = f->lrcpc2;
    if (variant & UNALIGNED)
        config.is_unaligned = always;
    s->bytes[s->size] = 0xcc;
    struct code_source source = { read_code, is_ec, s, NULL };
    enum lower_status status = lower_region(&config, &source, SITE, &r);
    if (status != LOWER_OK) {
        print_sequence(s, core, variant);
        printf(" status %d\n", status);
    }
    return status == LOWER_OK ? &r : NULL;
}

// ---- the proof

struct proof { const struct sequence *s; unsigned core, variant, ways; bool bad; };

static void prove_way(void *context, const struct order_thread *t)
{
    struct proof *p = context;
    int first, second;
    p->ways++;
    if (order_is_kept(t, &first, &second) || p->bad)
        return;
    char text[2000];
    p->bad = true;
    if (!p->s)
        return;
    print_sequence(p->s, p->core, p->variant);
    order_text(t, text, sizeof text);
    printf("    is %s\n    and accesses %d and %d of it are not in order (-1: a store before it, %d: something behind it)\n", text, first, second, ORDER_EVENTS);
}

static void prove(struct sequence *s, unsigned core, unsigned variant)
{
    struct proof p = { s, core, variant, 0, false };
    uint64_t rip;
    struct lower_result *r = lower(s, core, variant);
    EXPECT(r);
    if (!r)
        return;
    const char *wrong = order_ways(r, s->operation, s->count, prove_way, &p, &rip);
    if ((s->loops || s->count > 1) && (wrong == order_too_many_ways || wrong == order_too_many_accesses) && p.ways > 0)
        wrong = NULL;                               // the first ones are proved: loops, and several REP in a row, have no end of them
    if (wrong) {
        print_sequence(s, core, variant);
        printf("    %s (at %llx)\n", wrong, (unsigned long long)rip);
    }
    EXPECT(!wrong && !p.bad && p.ways > 0);
}

static uint64_t state = 1;
static unsigned below(unsigned n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((state >> 33) % n);
}
static const struct form *any_form(void)
{
    for (;;) {
        const struct form *f = &forms[below(FORMS)];
        if (f->bytes)
            return f;
    }
}
static bool ends_block(const struct form *f)
{
    while (f->bytes)
        f--;
    return !strcmp(f->group, "calls and jumps");
}

static bool changes_addresses(const struct form *f)
{
    while (f->bytes)
        f--;
    return !strcmp(f->group, "computed addresses");
}

TEST(every_form_on_every_core_keeps_the_order)
{
    for (unsigned i = 0; i < FORMS; i++)
        for (unsigned core = 0; forms[i].bytes && core < CORES; core++)
            for (unsigned variant = 0; variant < VARIANTS; variant++) {
                struct sequence s = { 0 };
                append(&s, &forms[i], 0);
                prove(&s, core, variant);
            }
}

TEST(sequences_with_jumps_keep_the_order)
{
    for (unsigned n = full ? 400000 : 4000; n-- > 0;) {
        struct sequence s = { 0 };
        for (unsigned length = 2 + below(full ? LONGEST - 1 : 4); s.count < length;) {
            const struct form *f = any_form();
            if (below(5) == 0)
                append_skip(&s, f);
            append(&s, f, below(2));
            if (ends_block(f))
                break;
        }
        prove(&s, below(CORES), below(VARIANTS));
        if (check_failures > 20)
            return;
    }
}

// Pointers that are followed, and whatever else goes on around a loop.
TEST(loops_keep_the_order)
{
    for (unsigned n = full ? 200000 : 1000; n-- > 0;) {
        struct sequence s = { .loops = true };
        uint8_t starts[LONGEST];
        for (unsigned length = 1 + below(4); s.count < length;) {
            const struct form *f = any_form();
            if (!strchr("RWXN", f->kind) || ends_block(f) || (below(2) && !changes_addresses(f)))
                continue;
            if (below(5) == 0)
                append_skip(&s, f);
            starts[s.count] = (uint8_t)s.size;
            append(&s, f, below(2));
        }
        s.bytes[s.size++] = below(2) ? 0x75 : 0xe2;         // JNE, LOOP
        s.bytes[s.size] = (uint8_t)(starts[below(s.count)] - s.size - 1);
        s.size++;
        prove(&s, below(CORES), below(VARIANTS));
        if (check_failures > 20)
            return;
    }
}

// Without any one of them the proof must fail. What a form has of them and does not need is too much.
TEST(nothing_that_a_form_emits_for_order_is_needless)
{
    unsigned weakened = 0;
    for (unsigned i = 0; i < FORMS; i++)
        for (unsigned core = 0; forms[i].bytes && core < CORES; core++)
            for (unsigned variant = 0; variant < VARIANTS; variant++) {
                struct sequence s = { 0 };
                append(&s, &forms[i], 0);
                struct lower_result *r = lower(&s, core, variant);
                if (!r)
                    continue;
                for (uint32_t at = 0; at < r->code_count; at++) {
                    uint32_t word = r->code[at];
                    const char *what;
                    for (unsigned k = 0; (what = order_weaken(word, k, &r->code[at])); k++) {
                        struct proof p = { .core = core };
                        uint64_t rip;
                        weakened++;
                        if (order_ways(r, s.operation, s.count, prove_way, &p, &rip) || p.bad)
                            continue;
                        print_sequence(&s, core, variant);
                        printf("    word %u, %08x, %s: still in order\n", at, word, what);
                        EXPECT(!"needless");
                    }
                    r->code[at] = word;
                }
            }
    EXPECT(weakened > 10000);
    printf("%u times an annotation or a barrier was taken away, and the order was not kept\n", weakened);
}

// ---- exhaustive search

enum { MOST_LENGTH = 4, MOST_THREADS = 60000, MOST_KINDS = 24, SLOTS = 1 << 17 };
static struct order_thread threads[MOST_THREADS];
static bool chosen[MOST_THREADS];
static size_t thread_count;
static uint32_t slots[SLOTS];                   // thread + 1, by its contents
static bool choose;

static void keep_thread(void *context, const struct order_thread *t)
{
    (void)context;
    uint32_t slot = 2166136261u + choose;
    for (size_t i = 0; i < t->count * sizeof t->event[0]; i++)
        slot = (slot ^ ((const uint8_t *)t->event)[i]) * 16777619u;
    for (slot %= SLOTS; slots[slot]; slot = (slot + 1) % SLOTS)
        if (!memcmp(&threads[slots[slot] - 1], t, sizeof *t) && chosen[slots[slot] - 1] == choose)
            return;
    if (thread_count == MOST_THREADS)
        abort();
    slots[slot] = (uint32_t)thread_count + 1;
    chosen[thread_count] = choose;
    threads[thread_count++] = *t;
}

// What distinguishes a form on a core: all its ways.
struct kind { const struct form *form; bool unaligned; struct order_thread way[4]; unsigned ways; };
static struct kind kinds[MOST_KINDS];
static unsigned kind_count;

static void keep_way(void *context, const struct order_thread *t)
{
    struct kind *k = context;
    if (k->ways < 4)
        k->way[k->ways] = *t;
    k->ways++;
}

static bool same_ways(const struct kind *a, const struct kind *b)
{
    return changes_addresses(a->form) == changes_addresses(b->form) && a->form->kind == b->form->kind && a->ways == b->ways && !memcmp(a->way, b->way, a->ways * sizeof *a->way);
}

// One form for each scheme of access that occurs on the core: single accesses, locked operations, MFENCE.
static void find_kinds(unsigned core)
{
    kind_count = 0;
    for (unsigned i = 0; i < FORMS; i++)
        for (unsigned unaligned = 0; forms[i].bytes && unaligned <= UNALIGNED; unaligned += UNALIGNED) {
            struct sequence s = { 0 };
            struct kind k = { .form = &forms[i], .unaligned = unaligned };
            uint64_t rip;
            append(&s, &forms[i], 0);
            struct lower_result *r = lower(&s, core, unaligned);
            bool movable = strchr(forms[i].bytes, '*') || forms[i].kind == 'M';
            if (!r || !strchr("RWXCM", forms[i].kind) || !movable || order_ways(r, s.operation, 1, keep_way, &k, &rip) || k.ways > 4)
                continue;
            bool small = k.ways == 1 || forms[i].kind == 'C', known = ends_block(&forms[i]);
            for (unsigned w = 0; w < k.ways; w++)
                small &= k.way[w].count <= (strchr("XC", forms[i].kind) ? 2 : 1) && (k.way[w].count || forms[i].kind == 'M');
            for (unsigned j = 0; j < kind_count; j++)
                known |= same_ways(&kinds[j], &k);
            if (!small || known)
                continue;
            if (kind_count == MOST_KINDS)
                abort();
            kinds[kind_count++] = k;
        }
}

// All threads of up to `longest` operations; the longest, of four, are loads, stores and kind `weak` only. With `what`: kind `weak` has that taken away wherever it is emitted, and threads where that
// changes anything are the chosen ones.
static void make_threads(unsigned core, unsigned longest, int weak, const char *what)
{
    thread_count = 0;
    memset(slots, 0, sizeof slots);
    unsigned all = kind_count * 2, total = 1;
    for (unsigned length = 1; length <= longest; length++) {
        total *= all;
        for (unsigned code = 0; code < total; code++) {
            struct sequence s = { 0 };
            unsigned of[MOST_LENGTH];
            bool unaligned = false, left_out = false;
            for (unsigned i = 0, c = code; i < length; i++, c /= all) {
                const struct kind *k = &kinds[c % all / 2];
                of[i] = c % all / 2;
                left_out |= k->form->kind == 'M' && (i == 0 || i == length - 1 || c & 1);
                left_out |= length == MOST_LENGTH && !strchr("RW", k->form->kind) && of[i] != (unsigned)weak;
            }
            if (left_out)
                continue;
            for (unsigned i = 0, c = code; i < length; i++, c /= all) {
                append(&s, kinds[of[i]].form, c & 1);
                unaligned |= kinds[of[i]].unaligned;
            }
            // What is unaligned is so for a whole sequence here; forms that are not are of a kind of their own then.
            uint64_t rip;
            struct lower_result *r = lower(&s, core, unaligned ? UNALIGNED : 0);
            EXPECT(r);
            if (!r)
                return;
            choose = false;
            for (uint32_t p = 0; what && p < r->point_count; p++)
                for (unsigned i = 0; i < length; i++) {
                    if (r->points[p].rip != s.operation[i].rip || of[i] != (unsigned)weak)
                        continue;
                    uint32_t end = p + 1 < r->point_count ? r->points[p + 1].offset / 4 : r->code_count;
                    for (uint32_t at = r->points[p].offset / 4; at < end; at++) {
                        uint32_t weaker;
                        const char *how;
                        for (unsigned k = 0; (how = order_weaken(r->code[at], k, &weaker)); k++)
                            if (!strcmp(how, what)) {
                                r->code[at] = weaker;
                                choose = true;
                                break;
                            }
                    }
                }
            EXPECT(!order_ways(r, s.operation, s.count, keep_thread, NULL, &rip));
        }
    }
}

static const char *form_text(const struct form *f)
{
    static char text[128];
    struct sequence s = { 0 };
    struct x64_insn insn;
    append(&s, f, 0);
    if (x64_decode(s.bytes, s.size, SITE, &insn) == X64_OK)
        x64_format(&insn, text, sizeof text);
    return text;
}

TEST(small_programs_of_every_core_are_sound)
{
    for (unsigned core = 0; core < CORES; core++) {
        char text[2000];
        uint64_t executions;
        find_kinds(core);
        EXPECT(kind_count >= 5);
        make_threads(core, 3, -1, NULL);
        struct order_set set = { threads, NULL, thread_count };
        bool bad = order_search(&set, full ? 5 : 4, &executions, text, sizeof text);
        printf("%-11s %2u schemes, %5zu threads, %9llu executions: %s\n", cores[core].name, kind_count, thread_count, (unsigned long long)executions,
               bad ? text : "sound");
        EXPECT(!bad);
    }
}

TEST(without_any_barrier_or_annotation_a_small_program_goes_wrong)
{
    static const char *const what[] = { "without DMB", "DMB as DMB LD", "DMB as DMB ST", "acquire load as plain load", "release store as plain store", "LDAXR as LDXR",
                                        "STLXR as STXR", "AL as L", "AL as A" };
    for (unsigned core = 0; core < CORES; core += full ? 1 : CORES - 1) {
        find_kinds(core);
        for (unsigned k = 0; k < kind_count; k++)
            for (unsigned i = 0; i < sizeof what / sizeof *what; i++) {
                char text[2000];
                uint64_t executions;
                bool any = false;
                bool bad = false;
                for (unsigned longest = 2; longest <= MOST_LENGTH && !bad; longest++) {
                    make_threads(core, longest, (int)k, what[i]);
                    for (size_t t = 0; t < thread_count; t++)
                        any |= chosen[t];
                    struct order_set set = { threads, chosen, thread_count };
                    bad = any && order_search(&set, longest + 2, &executions, text, sizeof text);
                }
                if (!any)
                    continue;
                printf("%-11s %s%s, %s: %s\n", cores[core].name, form_text(kinds[k].form), kinds[k].unaligned ? " (unaligned)" : "", what[i], bad ? text : "not needed");
                EXPECT(bad);
            }
    }
}

// ---- the report: which core does what how

static void print_ways(void *context, const struct order_thread *t)
{
    char text[400];
    (void)context;
    order_text(t, text, sizeof text);
    printf("%s%s", *(bool *)context ? "  or  " : "", text);
    *(bool *)context = true;
}

static void report(void)
{
    for (unsigned i = 0; i < FORMS; i++) {
        if (!forms[i].bytes) {
            printf("\n%s\n", forms[i].group);
            continue;
        }
        printf("  %s\n", form_text(&forms[i]));
        for (unsigned core = 0; core < CORES; core++) {
            struct sequence s = { 0 };
            uint64_t rip;
            bool more = false;
            append(&s, &forms[i], 0);
            struct lower_result *r = lower(&s, core, 0);
            printf("    %-11s ", cores[core].name);
            if (r)
                order_ways(r, s.operation, 1, print_ways, &more, &rip);
            printf("\n");
        }
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "report")) {
        report();
        return 0;
    }
    full = argc > 1 && !strcmp(argv[1], "full");
    return check_run_all();
}
