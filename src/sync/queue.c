/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows that wait to be sent, in all modes: live changes in the order in which they happened, each
 * flow queued once, its content read when the message is made. The replication state of a flow says
 * where it stands:
 *
 *   bits                    where
 *   -                       nowhere: sent, and acknowledged where the mode acknowledges
 *   QUEUED                  in the queue of live changes at qpos
 *   QUEUED | BULK           in the queue of repairs at qpos (FTFW); a live change moves it to the
 *                           other
 *   SENT                    the ring entry with number seq is live (FTFW). A flow has at most one:
 *                           sending it again makes the older entry moot
 *   QUEUED | SENT           both: changed since it was sent
 *   BATCH                   beside these: the walk has it at hand
 *
 * KNOWN stands beside these from the time when a message of this life of the tuple is known, or
 * expected, to be with the peers, to the next birth. Until then it goes out as CT_NEW: several
 * changes may have become one message, so a peer may know the tuple only from its life before, and
 * 1.4.x would merge into that.
 *
 * Invariant: a dead flow is QUEUED or SENT until release() is called for it, which is done once. */
#include "sync/queue.h"

#define ROOM_LOOK 1024 /* flows looked at for one that has ended */

void queue_release(struct sync *s, uint32_t id)
{
	struct flow_repl *m = s->env->repl(s->env->ctx, id);

	walk_scrub(&s->walk, m, id);
	m->bits = 0;
	s->env->release(s->env->ctx, id);
}

/* The state of what is not told comes with everything, but an end would not: so they miss a number
 * and ask. In ALARM both come to an end by themselves. */
void sync_lost(struct sync *s, struct mono now)
{
	uint32_t seq = s->next++;

	if (s->ops->skipped)
		s->ops->skipped(s, seq, now);
	if (sync_does(s, SYNC_ASKS))
		s->ops->bulk(s, NULL, false, now);
}

/* A flow finds no place in the queue, or loses it. */
static void queue_lost(struct sync *s, uint32_t id, struct mono now)
{
	sync_lost(s, now);
	if (s->env->is_dead(s->env->ctx, id) && !(s->env->repl(s->env->ctx, id)->bits & REPL_SENT))
		queue_release(s, id);
}

static void queue_put(struct sync *s, struct flow_repl *m, uint32_t id, uint8_t bits,
		      struct mono now)
{
	m->bits &= (uint8_t) ~(REPL_QUEUED | REPL_BULK);
	if (txq_push(bits & REPL_BULK ? &s->repair : &s->live, id, &m->qpos) == 0) {
		m->bits |= bits;
		return;
	}
	s->stats.ring_overflow++;
	queue_lost(s, id, now);
}

static void queue_change(struct sync *s, struct flow_repl *m, uint32_t id, struct mono now)
{
	if ((m->bits & REPL_QUEUED) && !(m->bits & REPL_BULK))
		return;
	if (m->bits & REPL_QUEUED)
		txq_remove(&s->repair, m->qpos);
	queue_put(s, m, id, REPL_QUEUED, now);
}

void sync_local_change(struct sync *s, uint32_t id, struct mono now)
{
	queue_change(s, s->env->repl(s->env->ctx, id), id, now);
}

void sync_local_birth(struct sync *s, uint32_t id, struct mono now)
{
	struct flow_repl *m = s->env->repl(s->env->ctx, id);

	m->bits &= (uint8_t) ~(REPL_KNOWN | REPL_REPEAT);
	queue_change(s, m, id, now);
}

void queue_repair(struct sync *s, uint32_t id, struct mono now)
{
	struct flow_repl *m = s->env->repl(s->env->ctx, id);

	if (!(m->bits & REPL_QUEUED))
		queue_put(s, m, id, REPL_QUEUED | REPL_BULK, now);
}

bool queue_leave(struct sync *s, struct txq *q, struct flow_repl *m, uint32_t id)
{
	txq_pop(q);
	m->bits &= (uint8_t) ~(REPL_QUEUED | REPL_BULK);
	if ((m->bits & REPL_SENT) || !s->env->is_dead(s->env->ctx, id))
		return true;
	queue_release(s, id);
	return false;
}

void sync_forget(struct sync *s, uint32_t id)
{
	struct flow_repl *m = s->env->repl(s->env->ctx, id);

	if (s->ops->forget && (m->bits & REPL_SENT))
		s->ops->forget(s, m->seq);
	if (m->bits & REPL_QUEUED)
		txq_remove(m->bits & REPL_BULK ? &s->repair : &s->live, m->qpos);
	walk_scrub(&s->walk, m, id);
	m->bits = 0;
}

/* Of the first flows in the queue one that has ended, FLOW_ID_NONE if there is none. */
static uint32_t dead_waiting(const struct sync *s)
{
	const struct txq *q = &s->live;

	for (uint32_t i = q->head; i != q->tail && i - q->head < ROOM_LOOK; i++) {
		uint32_t id = q->id[i & (q->cap - 1)];

		if (id != FLOW_ID_NONE && !flow_id_is_expect(id) &&
		    s->env->is_dead(s->env->ctx, id))
			return id;
	}
	return FLOW_ID_NONE;
}

bool sync_make_room(struct sync *s, struct mono now)
{
	bool sent = s->ops->give_up_dead && s->ops->give_up_dead(s, now);
	uint32_t id = sent ? FLOW_ID_NONE : dead_waiting(s);

	if (!sent && id == FLOW_ID_NONE)
		return false;
	s->stats.given_up_dead++;
	sync_report(s, NULL, now, SYNC_TABLE_FULL, .n = s->stats.given_up_dead);
	if (!sent) {
		sync_forget(s, id);
		queue_lost(s, id, now);
	}
	return true;
}

void queue_close(struct sync *s)
{
	struct txq *q = &s->live;
	uint32_t id;

	walk_rewind(&s->walk, s->env);
	while ((id = txq_first(q)) != FLOW_ID_NONE ||
	       (id = txq_first(q = &s->repair)) != FLOW_ID_NONE)
		queue_leave(s, q, s->env->repl(s->env->ctx, id), id);
	txq_free(&s->live);
	txq_free(&s->repair);
}
