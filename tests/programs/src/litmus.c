// SPDX-License-Identifier: MIT
// The classic tests of x86-TSO (SB, MP, LB, IRIW, 2+2W, R, S), each with plain accesses, MFENCE, LOCK, XCHG and vector registers, as threads.
// Forbidden outcomes must not occur; allowed ones are counted. Built for arm64 it has nothing to show.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#ifdef __x86_64__
enum { BATCH = 16384 };

// A thread: up to two operations. Locations 0 and 1 are x and y; `value` is what a store writes.
struct operation { char kind, location, value; };       // kind: R W; r w through a vector register; A lock xadd, X xchg, C lock cmpxchg that fails
struct test {
    const char *name;
    struct operation thread[4][2];
    char fence;                     // between the two: - nothing, M mfence, L a LOCK on the thread's own stack
    // The outcome that is counted: registers in the order of the loads, then the last values of x and y; -1: any.
    int8_t want[6];
    char allowed;                   // by x86-TSO
};
#define W(l, v) { 'W', l, v }
#define R(l) { 'R', l, 0 }
static const struct test tests[] = {
    // thread 0, thread 1 ...                                                       fence  r0 r1 r2 r3  x  y
    { "SB",             { { W(0, 1), R(1) }, { W(1, 1), R(0) } },                    '-', { 0, 0, -1, -1, -1, -1 }, 1 },
    { "SB mfence",      { { W(0, 1), R(1) }, { W(1, 1), R(0) } },                    'M', { 0, 0, -1, -1, -1, -1 }, 0 },
    { "SB lock",        { { W(0, 1), R(1) }, { W(1, 1), R(0) } },                    'L', { 0, 0, -1, -1, -1, -1 }, 0 },
    { "SB xchg",        { { { 'X', 0, 1 }, R(1) }, { { 'X', 1, 1 }, R(0) } },        '-', { 0, 0, -1, -1, -1, -1 }, 0 },
    { "SB xadd",        { { { 'A', 0, 1 }, R(1) }, { { 'A', 1, 1 }, R(0) } },        '-', { 0, 0, -1, -1, -1, -1 }, 0 },
    { "SB cmpxchg",     { { W(0, 1), { 'C', 1, 0 } }, { W(1, 1), { 'C', 0, 0 } } },  '-', { 0, 0, -1, -1, -1, -1 }, 0 },
    { "SB vectors mfence", { { { 'w', 0, 1 }, { 'r', 1, 0 } }, { { 'w', 1, 1 }, { 'r', 0, 0 } } }, 'M', { 0, 0, -1, -1, -1, -1 }, 0 },
    { "MP",             { { W(0, 1), W(1, 1) }, { R(1), R(0) } },                    '-', { 1, 0, -1, -1, -1, -1 }, 0 },
    { "MP vectors",     { { { 'w', 0, 1 }, { 'w', 1, 1 } }, { { 'r', 1, 0 }, { 'r', 0, 0 } } }, '-', { 1, 0, -1, -1, -1, -1 }, 0 },
    { "MP mixed",       { { { 'w', 0, 1 }, W(1, 1) }, { R(1), { 'r', 0, 0 } } },     '-', { 1, 0, -1, -1, -1, -1 }, 0 },
    { "MP xchg",        { { W(0, 1), { 'X', 1, 1 } }, { R(1), R(0) } },              '-', { 1, 0, -1, -1, -1, -1 }, 0 },
    { "LB",             { { R(0), W(1, 1) }, { R(1), W(0, 1) } },                    '-', { 1, 1, -1, -1, -1, -1 }, 0 },
    { "LB vectors",     { { { 'r', 0, 0 }, { 'w', 1, 1 } }, { { 'r', 1, 0 }, { 'w', 0, 1 } } }, '-', { 1, 1, -1, -1, -1, -1 }, 0 },
    { "IRIW",           { { W(0, 1) }, { W(1, 1) }, { R(0), R(1) }, { R(1), R(0) } }, '-', { 1, 0, 1, 0, -1, -1 }, 0 },
    { "IRIW vectors",   { { { 'w', 0, 1 } }, { { 'w', 1, 1 } }, { { 'r', 0, 0 }, { 'r', 1, 0 } }, { { 'r', 1, 0 }, { 'r', 0, 0 } } }, '-', { 1, 0, 1, 0, -1, -1 }, 0 },
    { "2+2W",           { { W(0, 1), W(1, 2) }, { W(1, 1), W(0, 2) } },              '-', { -1, -1, -1, -1, 1, 1 }, 0 },
    { "2+2W vectors",   { { { 'w', 0, 1 }, W(1, 2) }, { W(1, 1), { 'w', 0, 2 } } },  '-', { -1, -1, -1, -1, 1, 1 }, 0 },
    { "R",              { { W(0, 1), W(1, 1) }, { W(1, 2), R(0) } },                 '-', { 0, -1, -1, -1, -1, 2 }, 1 },
    { "R mfence",       { { W(0, 1), W(1, 1) }, { W(1, 2), R(0) } },                 'M', { 0, -1, -1, -1, -1, 2 }, 0 },
    { "R xchg",         { { W(0, 1), W(1, 1) }, { { 'X', 1, 2 }, R(0) } },           '-', { 0, -1, -1, -1, -1, 2 }, 0 },
    { "S",              { { W(0, 2), W(1, 1) }, { R(1), W(0, 1) } },                 '-', { 1, -1, -1, -1, 2, -1 }, 0 },
    { "S vectors",      { { { 'w', 0, 2 }, W(1, 1) }, { R(1), { 'w', 0, 1 } } },     '-', { 1, -1, -1, -1, 2, -1 }, 0 },
};
enum { TESTS = sizeof tests / sizeof *tests };

// Each round of a batch has a pair of locations in lines of their own, and a place for what each thread reads.
struct line { volatile int32_t value; char pad[60]; };
static struct line place[BATCH][2];
static struct { volatile int32_t read[2]; char pad[56]; } seen[4][BATCH];
static volatile LONG arrived, turn;
static int thread_count;

static inline int32_t one(struct operation o, volatile int32_t *p)
{
    int32_t r = o.value;
    switch (o.kind) {
    case 'R': __asm__ volatile("movl %1, %0" : "=r"(r) : "m"(*p) : "memory"); break;
    case 'W': __asm__ volatile("movl %1, %0" : "=m"(*p) : "r"(r) : "memory"); break;
    case 'A': __asm__ volatile("lock xaddl %0, %1" : "+r"(r), "+m"(*p) : : "memory", "cc"); break;
    case 'X': __asm__ volatile("xchgl %0, %1" : "+r"(r), "+m"(*p) : : "memory"); break;
    case 'C': __asm__ volatile("movl $77, %%eax; lock cmpxchgl %%ecx, %1; movl %%eax, %0" : "=r"(r), "+m"(*p) : : "memory", "cc", "eax", "ecx"); break;
    case 'r': __asm__ volatile("movd %1, %%xmm1; movd %%xmm1, %0" : "=r"(r) : "m"(*p) : "memory", "xmm1"); break;
    case 'w': __asm__ volatile("movd %1, %%xmm1; movd %%xmm1, %0" : "=m"(*p) : "r"(r) : "memory", "xmm1"); break;
    }
    return r;
}

static void run(int number, const struct test *t)
{
    struct operation a = t->thread[number][0], b = t->thread[number][1];
    for (int i = 0; i < BATCH; i++) {
        volatile int32_t *p = &place[i][(int)a.location].value, *q = &place[i][(int)b.location].value;
        int32_t first = one(a, p), second = 0;
        if (t->fence == 'M')
            __asm__ volatile("mfence" ::: "memory");
        else if (t->fence == 'L')
            __asm__ volatile("lock orl $0, (%%rsp)" ::: "memory", "cc");
        if (b.kind)
            second = one(b, q);
        seen[number][i].read[0] = first;
        seen[number][i].read[1] = second;
    }
}

static void meet(LONG which)
{
    if (InterlockedIncrement(&arrived) == thread_count) {
        arrived = 0;
        InterlockedExchange(&turn, which);
    } else {
        while (turn != which)
            YieldProcessor();
    }
}

static unsigned counts[TESTS], raced[TESTS];
static int batches;

// How often the outcome is there. A batch whose first load saw both the old and the new value was a race: the threads ran at the same time.
static unsigned judge(const struct test *t, unsigned *races)
{
    unsigned n = 0, news = 0;
    for (int i = 0; i < BATCH; i++) {
        int32_t got[6] = { 0 };
        int loads = 0, match = 1;
        for (int k = 0; k < 4; k++)
            for (int o = 0; o < 2; o++)
                if (t->thread[k][o].kind && !strchr("WwAX", t->thread[k][o].kind) && loads < 4)
                    got[loads++] = seen[k][i].read[o];
        got[4] = place[i][0].value;
        got[5] = place[i][1].value;
        for (int k = 0; k < 6; k++)
            match &= t->want[k] < 0 || t->want[k] == got[k];
        n += (unsigned)match;
        news += got[0] != 0;
    }
    *races += news && news != BATCH;
    return n;
}

static DWORD WINAPI work(void *argument)
{
    int number = (int)(intptr_t)argument;
    LONG step = 0;
    for (int batch = 0; batch < batches; batch++)
        for (int k = 0; k < TESTS; k++) {
            if (!number)
                memset((void *)place, 0, sizeof place);
            meet(++step);
            if (tests[k].thread[number][0].kind)
                run(number, &tests[k]);
            meet(++step);
            if (!number)
                counts[k] += judge(&tests[k], &raced[k]);
        }
    return 0;
}

int main(int argc, char **argv)
{
    HANDLE threads[3];
    int bad = 0;
    batches = argc > 1 ? atoi(argv[1]) : 40;
    thread_count = 4;
    for (int i = 0; i < 3; i++)
        threads[i] = CreateThread(NULL, 0, work, (void *)(intptr_t)(i + 1), 0, NULL);
    work(NULL);
    WaitForMultipleObjects(3, threads, TRUE, INFINITE);
    for (int k = 0; k < TESTS; k++) {
        printf("%-18s %8d rounds, %3u of %d batches raced, %8u %s\n", tests[k].name, batches * BATCH, raced[k], batches, counts[k], tests[k].allowed ? "(allowed)" : counts[k] ? "FORBIDDEN" : "(forbidden)");
        bad |= counts[k] && !tests[k].allowed;
    }
    puts(bad ? "forbidden outcomes" : "x86-TSO");
    return bad;
}
#else
int main(void)
{
    puts("for x64");
    return 0;
}
#endif
