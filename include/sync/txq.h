/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_SYNC_TXQ_H
#define CONNTRACKD_SYNC_TXQ_H

#include <stdbool.h>
#include <stdint.h>

/* Flows waiting to be sent, in order. A flow's place is kept in its replication state, so it can
 * leave from the middle at once; the ids stand side by side, so a round does not chase pointers
 * through the table. */
struct txq {
	uint32_t *id;	     /* owned; FLOW_ID_NONE where one has left */
	uint32_t cap;	     /* power of two, or 0 */
	uint32_t head, tail; /* places, counted on without wrapping back; they wrap at 2^32 */
	uint32_t n;	     /* flows waiting */
};

void txq_free(struct txq *q);

/* Append; *place tells where. 0, or -ENOMEM with nothing changed. */
int txq_push(struct txq *q, uint32_t id, uint32_t *place) __attribute__((warn_unused_result));

/* The flow at this place leaves. */
void txq_remove(struct txq *q, uint32_t place);

/* The first one, FLOW_ID_NONE when there is none; it stays. Moves the head over those that left. */
uint32_t txq_first(struct txq *q);

/* The first one leaves (txq_first() gave it). */
void txq_pop(struct txq *q);

/* Has everything that stood before this place gone? */
static inline bool txq_passed(const struct txq *q, uint32_t place)
{
	return (int32_t)(q->head - place) >= 0;
}

#endif
