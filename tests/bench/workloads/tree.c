// SPDX-License-Identifier: MIT
// Insertion into a binary tree.
#include "tests/bench/bench.h"

enum { COUNT = 6000 };
struct node { struct node *left, *right; uint32_t key, count; };
static struct node nodes[COUNT];

uint64_t bench_tree(uint64_t one)
{
    uint32_t state = (uint32_t)one;
    uint64_t depth_sum = 0;
    struct node *root = NULL;
    for (int i = 0; i < COUNT; i++) {
        uint32_t key = next_random(&state) >> 8;
        struct node **place = &root;
        uint64_t depth = 0;
        while (*place && (*place)->key != key) {
            place = key < (*place)->key ? &(*place)->left : &(*place)->right;
            depth++;
        }
        if (*place) {
            (*place)->count++;
        } else {
            nodes[i] = (struct node){ .key = key, .count = 1 };
            *place = &nodes[i];
        }
        depth_sum = mix(depth_sum, depth);
    }
    return depth_sum;
}
