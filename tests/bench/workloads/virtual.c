// SPDX-License-Identifier: MIT
// Objects with virtual functions, as a C++ compiler lays them out.
#include "tests/bench/bench.h"

enum { COUNT = 512 };
struct shape;
struct shape_class {
    int64_t (*area)(const struct shape *);
    int64_t (*edge)(const struct shape *);
    void (*grow)(struct shape *, int64_t);
};
struct shape { const struct shape_class *class; int64_t a, b; };

#define CLASS(name, area_of, edge_of, grow_by) \
    static int64_t name##_area(const struct shape *s) { return area_of; } \
    static int64_t name##_edge(const struct shape *s) { return edge_of; } \
    static void name##_grow(struct shape *s, int64_t n) { grow_by; } \
    static const struct shape_class name = { name##_area, name##_edge, name##_grow };
CLASS(square, s->a * s->a, 4 * s->a, s->a += n)
CLASS(rectangle, s->a * s->b, 2 * (s->a + s->b), s->a += n; s->b -= n)
CLASS(circle, s->a * s->a * 355 / 113, 2 * s->a * 355 / 113, s->a ^= n)
CLASS(ring, (s->a - s->b) * (s->a + s->b), s->a + s->b, s->b = s->b + 2 * n)
CLASS(line, s->a - s->a, s->b - s->a, s->b += n & 7)
#undef CLASS

static struct shape shapes[COUNT];
static const struct shape_class *const classes[] = { &square, &rectangle, &circle, &ring, &line };

uint64_t bench_virtual(uint64_t one)
{
    uint32_t state = (uint32_t)one;
    uint64_t sum = 0;
    for (int i = 0; i < COUNT; i++)
        shapes[i] = (struct shape){ classes[(next_random(&state) >> 16) % 5], (int64_t)(next_random(&state) >> 20), i };
    for (int round = 0; round < 60; round++)
        for (int i = 0; i < COUNT; i++) {
            struct shape *s = &shapes[i];
            s->class->grow(s, round & 3);
            sum += (uint64_t)(s->class->area(s) - s->class->edge(s));
        }
    return sum;
}
