// SPDX-License-Identifier: MIT
// Intrusive doubly linked list: a circle through its head. Whoever owns the list owns the lock.
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct list { struct list *next, *previous; };

#define LIST(name) { &(name), &(name) }
// The structure that holds `link` as its member `field`.
#define list_entry(link, type, field) ((type *)((char *)(link) - offsetof(type, field)))
#define list_for_each(link, head) for (struct list *link = (head)->next; link != (head); link = link->next)

static inline void list_init(struct list *l) { l->next = l->previous = l; }
static inline bool list_empty(const struct list *l) { return l->next == l; }

static inline void list_insert_before(struct list *place, struct list *link)
{
    link->next = place;
    link->previous = place->previous;
    place->previous->next = link;
    place->previous = link;
}

static inline void list_append(struct list *head, struct list *link) { list_insert_before(head, link); }

// Afterwards the link is a circle of its own: removing it again does no harm.
static inline void list_remove(struct list *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    list_init(link);
}
