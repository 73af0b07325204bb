/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Transmit queue of flow ids: a circular array that doubles.
 *
 * A list linked through the records would need no memory of its own, but a flow that is flushed
 * while it waits must leave at once, and that needs either two links per flow or a search. Four
 * bytes per *waiting* flow are cheaper.
 *
 * Invariant: tail - head <= cap; slot of a place is place % cap, also after the array has grown. */
#include "sync/txq.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "flow/repl.h"

#define TXQ_MIN 1024

void txq_free(struct txq *q)
{
	free(q->id);
	*q = (struct txq){ 0 };
}

static int txq_grow(struct txq *q)
{
	uint32_t cap = q->cap ? q->cap * 2 : TXQ_MIN;
	uint32_t *id;

	if (cap < q->cap)
		return -ENOMEM;
	id = malloc(cap * sizeof(*id));
	if (!id)
		return -ENOMEM;
	for (uint32_t i = q->head; i != q->tail; i++)
		id[i & (cap - 1)] = q->id[i & (q->cap - 1)];
	free(q->id);
	q->id = id;
	q->cap = cap;
	return 0;
}

int txq_push(struct txq *q, uint32_t id, uint32_t *place)
{
	if (q->tail - q->head == q->cap) {
		int err = txq_grow(q);

		if (err < 0)
			return err;
	}
	*place = q->tail;
	q->id[q->tail++ & (q->cap - 1)] = id;
	q->n++;
	return 0;
}

void txq_remove(struct txq *q, uint32_t place)
{
	assert(place - q->head < q->tail - q->head);
	assert(q->id[place & (q->cap - 1)] != FLOW_ID_NONE);
	q->id[place & (q->cap - 1)] = FLOW_ID_NONE;
	q->n--;
}

uint32_t txq_first(struct txq *q)
{
	while (q->head != q->tail) {
		uint32_t id = q->id[q->head & (q->cap - 1)];

		if (id != FLOW_ID_NONE)
			return id;
		q->head++;
	}
	return FLOW_ID_NONE;
}

void txq_pop(struct txq *q)
{
	assert(q->head != q->tail);
	q->head++;
	q->n--;
}
