/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_BASE_LIST_H
#define CONNTRACKD_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* Doubly linked intrusive list; a head is a node that links to itself when empty. */
struct list_node {
	struct list_node *next, *prev;
};

static inline void list_init(struct list_node *head)
{
	head->next = head->prev = head;
}

static inline bool list_empty(const struct list_node *head)
{
	return head->next == head;
}

static inline void list_add_tail(struct list_node *head, struct list_node *n)
{
	n->prev = head->prev;
	n->next = head;
	head->prev->next = n;
	head->prev = n;
}

static inline void list_del(struct list_node *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	n->next = n->prev = n;
}

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
