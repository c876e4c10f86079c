// SPDX-License-Identifier: MIT
#include "tests/order/model.h"
#include <stdio.h>
#include <string.h>

// ---- local order

// Barriers between i and j, and whether there is an MFENCE.
static uint8_t barriers(const struct order_thread *t, unsigned i, unsigned j, bool *fence)
{
    uint8_t set = 0;
    *fence = false;
    for (unsigned k = i + 1; k <= j && k < t->count; k++) {
        set |= t->event[k].before;
        *fence |= t->event[k].fence;
    }
    return set;
}

// j depends on what i loaded: its address does, its value does, or it is a store behind an access whose address does. (What a branch or a
// conditional selection decides is not counted.)
static bool depends(const struct order_thread *t, unsigned i, unsigned j)
{
    const struct order_event *b = &t->event[j];
    if (t->event[i].store)
        return false;
    if ((b->address | (b->store ? b->data : 0)) >> i & 1)
        return true;
    for (unsigned k = i + 1; b->store && k < j; k++)
        if (t->event[k].address >> i & 1)
            return true;
    return false;
}

// i before j in program order: arm64 keeps it so.
static bool arm_orders(const struct order_thread *t, unsigned i, unsigned j, uint8_t between)
{
    const struct order_event *a = &t->event[i], *b = &t->event[j];
    if (depends(t, i, j))
        return true;
    if (a->location == b->location && b->store)
        return true;
    if (between & ORDER_FULL || (between & ORDER_LOADS && !a->store) || (between & ORDER_STORES && a->store && b->store))
        return true;
    if (a->annotation & ORDER_ATOMIC && a->store)
        return true;
    if (a->annotation & ORDER_RELEASE && a->store && b->annotation & ORDER_ACQUIRE && !b->store)
        return true;
    if (!a->store && a->annotation & (ORDER_ACQUIRE | ORDER_ACQUIRE_PC))
        return true;
    return b->store && b->annotation & ORDER_RELEASE;
}

static bool x64_orders(const struct order_event *a, const struct order_event *b, bool fence)
{
    // The stores of one REP MOVS or STOS are in no order (SDM vol. 3, 9.2.4), and what a block of it loads is one access.
    if (a->string && a->string >> 4 == b->string >> 4 && a->store == b->store && (a->store || a->string == b->string))
        return false;
    return !a->store || b->store || a->locked || b->locked || fence;
}

bool order_is_kept(const struct order_thread *t, int *first, int *second)
{
    // Around it: any store before, any load and any store behind, of locations of their own and with no ordering.
    // A load before is ordered with everything by the code it belongs to; a store behind with the stores before it.
    struct order_thread all = { .count = t->count + 3 };
    unsigned n = all.count;
    all.event[0] = (struct order_event){ .store = true, .location = 2 };
    memcpy(all.event + 1, t->event, t->count * sizeof *t->event);
    all.event[n - 2] = (struct order_event){ .location = 3, .before = t->after, .fence = t->fence_after };
    all.event[n - 1] = (struct order_event){ .store = true, .location = 4 };
    for (unsigned i = 1; i <= t->count; i++)        // nothing is ordered because it happens to be the same location
        all.event[i].location = (uint8_t)(5 + i), all.event[i].address <<= 1, all.event[i].data <<= 1;
    uint64_t reach[ORDER_EVENTS + 3] = { 0 };
    for (unsigned i = n; i-- > 0;)
        for (unsigned j = i + 1; j < n; j++) {
            bool fence;
            uint8_t between = barriers(&all, i, j, &fence);
            if (arm_orders(&all, i, j, between) || (all.event[j].second && j == i + 1))
                reach[i] |= 1ull << j | reach[j];
        }
    // A locked operation is one node: what comes before it must come before its store, what comes behind must come behind its store, because
    // nobody's store is between its load and its store.
    for (unsigned i = 0; i < n - 2; i++)
        for (unsigned j = i + 1; j < n; j++) {
            const struct order_event *a = &all.event[i], *b = &all.event[j];
            bool fence;
            barriers(&all, i, j, &fence);
            if (!x64_orders(a, b, fence) || (i == 0 && j == n - 1) || (j == n - 1 && a->store && !a->locked))
                continue;
            if (i + 1 < n && all.event[i + 1].second)
                continue;                           // its store stands for it
            unsigned to = j + 1 < n && all.event[j + 1].second ? j + 1 : j;
            if (!(reach[i] >> to & 1)) {
                *first = (int)i - 1;
                *second = j >= n - 2 ? ORDER_EVENTS : (int)j - 1;
                return false;
            }
        }
    return true;
}

// ---- exhaustive search

enum { MOST = 16 };
static struct order_event ev[MOST];
static int thread_of[MOST], pair_of[MOST], events;      // pair_of: load of a read-modify-write -> its store
static uint32_t po[MOST], arm_local[MOST], x64_local[MOST], same_place[MOST];
static int reads[MOST], read_count, writes[2][MOST], write_count[2];
static int source[MOST], place[MOST];
static uint64_t executions_seen;
static bool found;
static const struct order_thread *guilty[3];

static bool acyclic(const uint32_t *relation)
{
    uint32_t r[MOST] = { 0 };
    memcpy(r, relation, sizeof r);
    for (int k = 0; k < events; k++)
        for (int i = 0; i < events; i++)
            if (r[i] >> k & 1)
                r[i] |= r[k];
    for (int i = 0; i < events; i++)
        if (r[i] >> i & 1)
            return false;
    return true;
}

struct relations { uint32_t co[MOST], rf[MOST], fr[MOST]; };

static bool coherent(const struct relations *x)
{
    uint32_t r[MOST] = { 0 };
    for (int i = 0; i < events; i++)
        r[i] = x->co[i] | x->rf[i] | x->fr[i] | same_place[i];
    if (!acyclic(r))
        return false;
    for (int i = 0; i < events; i++)
        if (pair_of[i] >= 0)
            for (int j = 2; j < events; j++)
                if (x->fr[i] >> j & 1 && thread_of[j] != thread_of[i] && x->co[j] >> pair_of[i] & 1)
                    return false;
    return true;
}

static uint32_t outside(int i, uint32_t set)            // of other threads
{
    for (int j = 0; j < events; j++)
        if (thread_of[j] == thread_of[i])
            set &= ~(1u << j);
    return set;
}

static void examine(void)
{
    struct relations x = { 0 };
    for (int l = 0; l < 2; l++)
        for (int a = 0; a < write_count[l]; a++) {
            int i = writes[l][a];
            x.co[l] |= 1u << i;
            for (int b = 0; b < write_count[l]; b++)
                if (place[i] < place[writes[l][b]])
                    x.co[i] |= 1u << writes[l][b];
        }
    for (int k = 0; k < read_count; k++) {
        x.rf[source[reads[k]]] |= 1u << reads[k];
        x.fr[reads[k]] |= x.co[source[reads[k]]];
    }
    if (!coherent(&x))
        return;
    uint32_t arm[MOST] = { 0 }, x64[MOST] = { 0 };
    for (int i = 0; i < events; i++) {
        arm[i] = arm_local[i] | outside(i, x.co[i] | x.rf[i] | x.fr[i]);
        x64[i] = x64_local[i] | x.co[i] | x.fr[i] | outside(i, x.rf[i]);
    }
    executions_seen++;
    found = !acyclic(x64) && acyclic(arm);
}

static void each_order(int location, int next)
{
    if (found)
        return;
    if (location == 2) {
        examine();
    } else if (next == write_count[location]) {
        each_order(location + 1, 0);
    } else {
        for (int i = 0; i < write_count[location] && !found; i++) {
            int w = writes[location][i];
            if (place[w])
                continue;
            place[w] = next + 1;
            each_order(location, next + 1);
            place[w] = 0;
        }
    }
}

static void each_source(int k)
{
    if (found)
        return;
    if (k == read_count) {
        each_order(0, 0);
        return;
    }
    int r = reads[k], location = ev[r].location;
    source[r] = location;
    each_source(k + 1);
    for (int i = 0; i < write_count[location]; i++) {
        int w = writes[location][i];
        if (pair_of[r] == w || (thread_of[w] == thread_of[r] && w > r))
            continue;
        source[r] = w;
        each_source(k + 1);
    }
}

static void add_thread(const struct order_thread *t, int number)
{
    int first = events;
    for (unsigned i = 0; i < t->count; i++) {
        int e = events++;
        ev[e] = t->event[i];
        thread_of[e] = number;
        pair_of[e] = i + 1 < t->count && t->event[i + 1].second ? e + 1 : -1;
        if (ev[e].store)
            writes[ev[e].location][write_count[ev[e].location]++] = e;
        else
            reads[read_count++] = e;
    }
    for (unsigned i = 0; i < t->count; i++) {
        uint32_t later = 0, arm = 0, x64 = 0, same = 0;
        for (unsigned j = i + 1; j < t->count; j++) {
            bool fence;
            uint8_t between = barriers(t, i, j, &fence);
            uint32_t bit = 1u << (first + (int)j);
            later |= bit;
            if (arm_orders(t, i, j, between) || (j == i + 1 && t->event[j].second))
                arm |= bit;
            if (x64_orders(&t->event[i], &t->event[j], fence))
                x64 |= bit;
            if (t->event[i].location == t->event[j].location)
                same |= bit;
        }
        po[first + (int)i] = later;
        arm_local[first + (int)i] = arm;
        x64_local[first + (int)i] = x64;
        same_place[first + (int)i] = same;
    }
}

static bool try_program(const struct order_thread *const *thread, int count)
{
    unsigned total = 2;
    for (int t = 0; t < count; t++)
        total += thread[t]->count;
    if (total > MOST)
        return false;
    events = 2;
    read_count = write_count[0] = write_count[1] = 0;
    memset(place, 0, sizeof place);
    for (int l = 0; l < 2; l++) {                       // the initial values
        ev[l] = (struct order_event){ .store = true, .location = (uint8_t)l };
        thread_of[l] = -1 - l;
        pair_of[l] = -1;
        po[l] = arm_local[l] = x64_local[l] = same_place[l] = 0;
    }
    for (int t = 0; t < count; t++)
        add_thread(thread[t], t);
    each_source(0);
    for (int t = 0; found && t < 3; t++)
        guilty[t] = t < count ? thread[t] : NULL;
    return found;
}

static void event_text(const struct order_event *e, char *text, size_t size)
{
    const char *name = e->annotation & ORDER_ATOMIC ? (e->store ? "store of AL" : "load of AL")
                     : e->store ? (e->annotation & ORDER_RELEASE ? "release" : "store")
                     : e->annotation & ORDER_ACQUIRE ? "acquire" : e->annotation & ORDER_ACQUIRE_PC ? "acquirePC" : "load";
    snprintf(text, size, "%s%s %c%s%s", e->locked ? "locked " : "", name, "xy"[e->location & 1], e->address ? " (address depends)" : "",
             e->data ? " (data depends)" : "");
}

static size_t barrier_text(uint8_t set, char *text, size_t size)
{
    int n = 0;
    if (set & ORDER_FULL)
        n = snprintf(text, size, "DMB; ");
    else if ((set & (ORDER_LOADS | ORDER_STORES)) == (ORDER_LOADS | ORDER_STORES))
        n = snprintf(text, size, "DMB LD; DMB ST; ");
    else if (set)
        n = snprintf(text, size, "DMB %s; ", set & ORDER_LOADS ? "LD" : "ST");
    return (size_t)n;
}

void order_text(const struct order_thread *t, char *text, size_t size)
{
    size_t n = 0;
    text[0] = 0;
    for (unsigned i = 0; i < t->count && n + 80 < size; i++) {
        n += barrier_text(t->event[i].before, text + n, size - n);
        event_text(&t->event[i], text + n, size - n);
        n += strlen(text + n);
        n += (size_t)snprintf(text + n, size - n, "; ");
    }
    if (n + 80 < size)
        n += barrier_text(t->after, text + n, size - n);
    if (n >= 2)
        text[n - 2] = 0;
}

bool order_search(const struct order_set *set, unsigned operations, uint64_t *executions, char *text, size_t size)
{
    const struct order_thread *thread = set->thread;
    found = false;
    executions_seen = 0;
    for (size_t a = 0; a < set->count && !found; a++)
        for (size_t b = a; b < set->count && !found; b++) {
            const struct order_thread *of[3] = { &thread[a], &thread[b] };
            unsigned sum = of[0]->operations + of[1]->operations;
            if (sum > operations || of[0]->operations > 2)      // the threads come by length
                break;
            bool chosen = !set->chosen || set->chosen[a] || set->chosen[b];
            if (chosen)
                try_program(of, 2);
            if (of[0]->operations > 2 || of[1]->operations > 2)
                continue;
            for (size_t c = b; c < set->count && !found; c++)
                if (sum + thread[c].operations <= operations && thread[c].operations <= 2 && (chosen || set->chosen[c])) {
                    of[2] = &thread[c];
                    try_program(of, 3);
                }
        }
    size_t n = 0;
    for (int t = 0; found && t < 3 && guilty[t]; t++) {
        n += (size_t)snprintf(text + n, size - n, t ? "  ||  " : "");
        order_text(guilty[t], text + n, size - n);
        n += strlen(text + n);
    }
    *executions = executions_seen;
    return found;
}
