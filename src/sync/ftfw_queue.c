/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FTFW: flows that wait to be sent, and what is done without room. A flow has at most one live entry in the ring: sending it
 * again makes the older entry moot. The mark of a flow tells where it stands:
 *
 *   bits                    where
 *   -                       nowhere, or acknowledged
 *   QUEUED                  in the queue of live changes at qpos
 *   QUEUED | BULK           in the queue of repairs at qpos; a live change moves it to the other
 *   SENT                    the ring entry with number seq is live
 *   QUEUED | SENT           both: changed since it was sent
 *
 * KNOWN stands beside these from the first acknowledgement of a life of the tuple to its next birth. Until then it goes
 * out as CT_NEW: several changes may have become one message, so the peer may know the tuple only from its life before,
 * and 1.4.x would merge into that.
 *
 * Invariant: a dead flow is QUEUED or SENT until release() is called for it, which is done once. */
#include "sync/ftfw_queue.h"

#include "sync/bulk.h"
#include "sync/control.h"

void queue_burn(struct ftfw *f, struct mono now)
{
	struct resend_entry burnt = { .seq = f->base.next++, .id = FLOW_ID_NONE, .state = RESEND_LOST };

	settle_remember(f, &burnt, now);
}

/* No memory to queue a flow. Its state reaches the peers by a bulk send; if it is dead that would not tell. */
static void queue_no_memory(struct ftfw *f, uint32_t id, struct mono now)
{
	const struct sync_env *env = f->base.env;

	f->base.stats.ring_overflow++;
	queue_burn(f, now);
	for (unsigned int i = 0; i < PEERS_MAX; i++)
		if (f->base.peer[i].used)
			bulk_request(f, &f->base.peer[i], now);
	if (env->is_dead(env->ctx, id) && !(env->mark(env->ctx, id)->bits & MARK_SENT))
		settle_release(f, id);
}

static void queue_put(struct ftfw *f, struct flow_mark *m, uint32_t id, bool paced, struct mono now)
{
	if (txq_push(paced ? &f->repair : &f->live, id, &m->qpos) < 0) {
		m->bits &= (uint8_t)~(MARK_QUEUED | MARK_BULK);
		queue_no_memory(f, id, now);
		return;
	}
	m->bits |= MARK_QUEUED;
	m->bits = (uint8_t)(paced ? m->bits | MARK_BULK : m->bits & ~MARK_BULK);
}

void ftfw_local_change(struct sync *s, uint32_t id, bool born, struct mono now)
{
	struct ftfw *f = (struct ftfw *)s;
	struct flow_mark *m = s->env->mark(s->env->ctx, id);

	if (born)
		m->bits &= (uint8_t)~MARK_KNOWN;
	if ((m->bits & MARK_QUEUED) && !(m->bits & MARK_BULK))
		return;
	if (m->bits & MARK_QUEUED)
		txq_remove(&f->repair, m->qpos);
	queue_put(f, m, id, false, now);
}

void queue_repair(struct ftfw *f, uint32_t id, struct mono now)
{
	struct flow_mark *m = f->base.env->mark(f->base.env->ctx, id);

	if (!(m->bits & MARK_QUEUED))
		queue_put(f, m, id, true, now);
}

/* ---- room in the table ---- */

static void say_room(struct ftfw *f, struct mono now)
{
	f->base.stats.given_up_dead++;
	sync_report(&f->base, NULL, now, (struct sync_report){ .what = SYNC_TABLE_FULL, .n = f->base.stats.given_up_dead });
}

/* The oldest that was sent. A flow whose entry the search has passed was alive then; its end comes behind. */
static bool give_up_sent(struct ftfw *f, struct mono now)
{
	const struct sync_env *env = f->base.env;

	if (f->dead_place < f->ring.live)
		f->dead_place = f->ring.live;
	for (; f->dead_place < f->ring.end; f->dead_place++) {
		struct resend_entry *e = resend_at(&f->ring, f->dead_place);

		if (e->state != RESEND_LIVE || (e->flags & WIRE_F_CTL_MASK) || flow_id_is_expect(e->id) ||
		    !env->is_dead(env->ctx, e->id) || (env->mark(env->ctx, e->id)->bits & MARK_QUEUED))
			continue;
		say_room(f, now);
		settle_given_up(f, e, now);
		return true;
	}
	return false;
}

/* One that waits to be sent: a number is used for nothing, so that the peers miss it. */
static bool give_up_queued(struct ftfw *f, struct mono now)
{
	uint32_t id = sync_dead_waiting(&f->base, &f->live);

	if (id == FLOW_ID_NONE)
		return false;
	ftfw_forget(&f->base, id);
	say_room(f, now);
	queue_no_memory(f, id, now);
	return true;
}

bool ftfw_make_room(struct sync *s, struct mono now)
{
	struct ftfw *f = (struct ftfw *)s;

	return give_up_sent(f, now) || give_up_queued(f, now);
}

void ftfw_forget(struct sync *s, uint32_t id)
{
	struct ftfw *f = (struct ftfw *)s;
	struct flow_mark *m = s->env->mark(s->env->ctx, id);
	struct resend_entry *e = m->bits & MARK_SENT ? resend_find(&f->ring, m->seq) : NULL;

	if (m->bits & MARK_QUEUED)
		txq_remove(m->bits & MARK_BULK ? &f->repair : &f->live, m->qpos);
	if (e && e->state == RESEND_LIVE)
		resend_settle(&f->ring, e, RESEND_MOOT);
	walk_scrub(&f->walk, s->env, id);
	m->bits = 0;
}
