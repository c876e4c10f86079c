// SPDX-License-Identifier: MIT
#include "mm/span.h"
#include <stddef.h>

#define DEPTH_MOST 128               // expected depth of a treap of n is about 2 ln n: 128 is past any memory's n

static uint64_t gap_between(uva_t end, uva_t start)
{
    end = (end + SPAN_ALIGNMENT - 1) & ~(SPAN_ALIGNMENT - 1);
    return start > end ? start - end : 0;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void node_update(struct span *node)
{
    node->low = node->left ? node->left->low : node->start;
    node->high = node->right ? node->right->high : node->end;
    node->gap = 0;
    if (node->left)
        node->gap = larger(node->left->gap, gap_between(node->left->high, node->start));
    if (node->right)
        node->gap = larger(node->gap, larger(node->right->gap, gap_between(node->end, node->right->low)));
}

static struct span *rotate_right(struct span *node)
{
    struct span *up = node->left;
    node->left = up->right;
    up->right = node;
    node_update(node);
    node_update(up);
    return up;
}

static struct span *rotate_left(struct span *node)
{
    struct span *up = node->right;
    node->right = up->left;
    up->left = node;
    node_update(node);
    node_update(up);
    return up;
}

static struct span *insert_below(struct span *node, struct span *span)
{
    if (!node) {
        node_update(span);
        return span;
    }
    if (span->start < node->start) {
        node->left = insert_below(node->left, span);
        if (node->left->priority > node->priority)
            return rotate_right(node);
    } else {
        node->right = insert_below(node->right, span);
        if (node->right->priority > node->priority)
            return rotate_left(node);
    }
    node_update(node);
    return node;
}

void span_insert(struct span_tree *tree, struct span *span)
{
    uint32_t r = tree->random ? tree->random : 0x9e3779b9u;      // xorshift32
    r ^= r << 13;
    r ^= r >> 17;
    r ^= r << 5;
    tree->random = r;
    span->priority = r;
    span->left = span->right = NULL;
    tree->root = insert_below(tree->root, span);
}

static struct span *join(struct span *left, struct span *right)
{
    if (!left || !right)
        return left ? left : right;
    if (left->priority > right->priority) {
        left->right = join(left->right, right);
        node_update(left);
        return left;
    }
    right->left = join(left, right->left);
    node_update(right);
    return right;
}

static struct span *remove_below(struct span *node, struct span *span)
{
    if (node == span)
        return join(node->left, node->right);
    if (span->start < node->start)
        node->left = remove_below(node->left, span);
    else
        node->right = remove_below(node->right, span);
    node_update(node);
    return node;
}

void span_remove(struct span_tree *tree, struct span *span)
{
    tree->root = remove_below(tree->root, span);
}

void span_resize(struct span_tree *tree, struct span *span, uva_t start, uva_t end)
{
    struct span *path[DEPTH_MOST];
    uint32_t depth = 0;
    for (struct span *node = tree->root; ; node = span->start < node->start ? node->left : node->right) {
        path[depth++] = node;
        if (node == span)
            break;
    }
    span->start = start;
    span->end = end;
    while (depth)
        node_update(path[--depth]);
}

struct span *span_from(const struct span_tree *tree, uva_t va)
{
    struct span *best = NULL;
    for (struct span *node = tree->root; node; ) {
        if (node->end > va) {
            best = node;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    return best;
}

struct span *span_at(const struct span_tree *tree, uva_t va)
{
    struct span *span = span_from(tree, va);
    return span && span->start <= va ? span : NULL;
}

struct gap_request { uva_t low, high; uint64_t size; bool top_down; };

// Is there room between two neighbours (or the limits)? Clipped to the request's limits.
static bool gap_fits(const struct gap_request *rq, uva_t end, uva_t start, uva_t *out)
{
    uva_t from = end > rq->low ? end : rq->low, to = start < rq->high ? start : rq->high;
    from = (from + SPAN_ALIGNMENT - 1) & ~(SPAN_ALIGNMENT - 1);
    if (from >= to || to - from < rq->size)
        return false;
    *out = rq->top_down ? (to - rq->size) & ~(SPAN_ALIGNMENT - 1) : from;
    return true;
}

// Looks through the gaps inside a subtree in the wanted order, leaving out what is too small or outside the limits.
static bool gap_below(const struct gap_request *rq, const struct span *node, uva_t *out)
{
    if (!node || node->gap < rq->size || node->high <= rq->low || node->low >= rq->high)
        return false;
    const struct span *left = node->left, *right = node->right;
    if (rq->top_down)
        return gap_below(rq, right, out) || (right && gap_fits(rq, node->end, right->low, out)) ||
               (left && gap_fits(rq, left->high, node->start, out)) || gap_below(rq, left, out);
    return gap_below(rq, left, out) || (left && gap_fits(rq, left->high, node->start, out)) ||
           (right && gap_fits(rq, node->end, right->low, out)) || gap_below(rq, right, out);
}

bool span_find_gap(const struct span_tree *tree, uva_t low, uva_t high, uint64_t size, bool top_down, uva_t *out)
{
    struct gap_request rq = { low, high, size, top_down };
    const struct span *root = tree->root;
    if (!root)
        return gap_fits(&rq, low, high, out);
    if (top_down)
        return gap_fits(&rq, root->high, high, out) || gap_below(&rq, root, out) || gap_fits(&rq, low, root->low, out);
    return gap_fits(&rq, low, root->low, out) || gap_below(&rq, root, out) || gap_fits(&rq, root->high, high, out);
}
