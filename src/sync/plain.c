/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NOTRACK and ALARM, sending without acknowledgements: live changes in the order in which they happened, each flow queued once, the
 * content read when it is encoded. A message that has left is forgotten, and a dead flow with it.
 *
 * Mark of a flow: QUEUED while it waits at qpos; BATCH while the walk has it at hand; the rest belongs to the protocol.
 * Invariant: a dead flow is QUEUED until release() is called for it, which is done once. */
#include "sync/plain.h"

#include <errno.h>
#include <stdlib.h>

#include "sync/peer_state.h"

#define PACE_PER_MS	12	/* about 250 flows: a million in four seconds */
#define PACE_SAVED	4	/* what was not used for longer is lost, or the next burst would overflow a socket */

#define LATE_MAX	16384	/* numbers: a burst that is duplicated, or held back, is no longer */

void plain_init(struct plain *s, const struct sync_ops *sync_ops, const struct plain_ops *ops, const struct sync_env *env,
		const struct sync_conf *conf, uint32_t first_seq, struct mono now)
{
	sync_init(&s->base, sync_ops, env, conf, first_seq, now);
	/* 1.4.x begins with the wall clock, so a node that sent more than one message per second begins again a little before
	 * or far before where it was, and nothing else says that it has. */
	s->base.late_max = s->base.continue_max = LATE_MAX;
	s->base.jump_max = TRACK_JUMP;
	s->ops = ops;
	pace_set(&s->pace, 0);
}

void plain_release(struct plain *s, uint32_t id)
{
	const struct sync_env *env = s->base.env;

	walk_scrub(&s->walk, env, id);
	env->mark(env->ctx, id)->bits = 0;
	env->release(env->ctx, id);
}

void plain_close(struct sync *sync)
{
	struct plain *s = (struct plain *)sync;
	const struct sync_env *env = sync->env;
	uint32_t id;

	while ((id = txq_first(&s->live)) != FLOW_ID_NONE) {
		txq_pop(&s->live);
		env->mark(env->ctx, id)->bits &= (uint8_t)~MARK_QUEUED;
		if (env->is_dead(env->ctx, id))
			plain_release(s, id);
	}
	walk_rewind(&s->walk, env);
	txq_free(&s->live);
	peer_free_all(sync);
	free(s);
}

/* ---- queueing ---- */

void plain_lost(struct sync *sync, struct mono now)
{
	struct plain *s = (struct plain *)sync;

	s->base.next++;	/* the peers notice that something is missing */
	s->ops->not_queued(s, now);
}

void plain_local_change(struct sync *sync, uint32_t id, bool born, struct mono now)
{
	struct plain *s = (struct plain *)sync;
	struct flow_mark *m = sync->env->mark(sync->env->ctx, id);

	if (born)
		m->bits &= (uint8_t)~(MARK_KNOWN | MARK_REPEAT);
	if (m->bits & MARK_QUEUED)
		return;
	if (txq_push(&s->live, id, &m->qpos) == 0) {
		m->bits |= MARK_QUEUED;
		return;
	}
	sync->stats.ring_overflow++;
	plain_lost(sync, now);
	if (sync->env->is_dead(sync->env->ctx, id))
		plain_release(s, id);
}

void plain_forget(struct sync *sync, uint32_t id)
{
	struct plain *s = (struct plain *)sync;
	struct flow_mark *m = sync->env->mark(sync->env->ctx, id);

	if (m->bits & MARK_QUEUED)
		txq_remove(&s->live, m->qpos);
	walk_scrub(&s->walk, sync->env, id);
	m->bits = 0;
}

bool plain_make_room(struct sync *sync, struct mono now)
{
	uint32_t id = sync_dead_waiting(sync, &((struct plain *)sync)->live);

	if (id == FLOW_ID_NONE)
		return false;
	sync->stats.given_up_dead++;
	sync_report(sync, NULL, now, (struct sync_report){ .what = SYNC_TABLE_FULL, .n = sync->stats.given_up_dead });
	plain_forget(sync, id);
	plain_lost(sync, now);
	sync->env->release(sync->env->ctx, id);
	return true;
}

/* ---- a round ---- */

/* A message with the next number is in the datagram. */
static bool plain_numbered(struct plain *s)
{
	s->base.next++;
	s->base.stats.sent_msgs++;
	return true;
}

bool plain_put_flow(struct plain *s, struct round *r, uint32_t id, struct mono now)
{
	int err = round_put_flow(r, id, s->base.next, 0);

	if (err == -EAGAIN)
		return false;
	if (err < 0) {
		sync_report(&s->base, NULL, now, (struct sync_report){ .what = SYNC_TOO_LARGE });
		return true;
	}
	return plain_numbered(s);
}

bool plain_put_control(struct plain *s, struct round *r, uint8_t flags, uint32_t from, uint32_t to)
{
	return round_put_control(r, flags, s->base.next, from, to) == 0 && plain_numbered(s);
}

bool plain_put_complete(struct plain *s, struct round *r, uint32_t since, uint32_t life)
{
	return round_put_complete(r, s->base.next, since, life) == 0 && plain_numbered(s);
}

bool plain_put_live(struct plain *s, struct round *r, struct mono now)
{
	const struct sync_env *env = s->base.env;
	uint32_t id;

	while ((id = txq_first(&s->live)) != FLOW_ID_NONE) {
		struct flow_mark *m = env->mark(env->ctx, id);

		if (!plain_put_flow(s, r, id, now))
			return false;
		txq_pop(&s->live);
		m->bits &= (uint8_t)~MARK_QUEUED;
		if (env->is_dead(env->ctx, id))
			plain_release(s, id);
		else if (s->ops->sent)
			s->ops->sent(s, id, m, now);
	}
	return true;
}

bool plain_end_round(struct plain *s, struct round *r)
{
	round_close(r);
	if (r->any)
		s->base.env->flush(s->base.env->ctx);
	return r->any;
}

/* ---- pace ---- */

void pace_set(struct pace *p, uint32_t slow)
{
	p->n = PACE_PER_MS >> slow;
	p->every_ms = 1;
	for (; p->n == 0 && slow > 3; slow--)
		p->every_ms *= 2;
	if (p->n == 0)
		p->n = 1;
}

uint32_t pace_begin(struct pace *p, struct round *r, struct mono now)
{
	int64_t times = mono_is_set(p->at) ? mono_diff_ms(now, p->at) / p->every_ms : 1;
	uint32_t saved = p->n >= PACE_SAVED ? PACE_SAVED : 1, aside;

	if (times > 0) {
		p->at = times > saved || !mono_is_set(p->at) ? now : mono_add_ms(p->at, times * p->every_ms);
		p->tokens += (uint32_t)(times < saved ? times : saved) * p->n;
	}
	if (p->tokens > saved * p->n)
		p->tokens = saved * p->n;
	aside = r->left > p->tokens ? r->left - p->tokens : 0;
	r->left -= aside;
	p->tokens -= r->left;	/* what is not used comes back */
	return aside;
}

void pace_end(struct pace *p, struct round *r, uint32_t aside)
{
	p->tokens += r->left;
	r->left += aside;
	if (r->left > 0)
		r->out_of_budget = false;
}

/* ---- receiving ---- */

enum sync_verdict plain_recv(struct plain *s, const struct sync_source *from, const struct wire_hdr *hdr,
			     struct cursor body, struct mono now)
{
	struct peer *p = peer_find(&s->base, from, hdr, true, now);

	if (!p)
		return SYNC_DROPPED;
	peer_heard(&s->base, p, now);
	return track_message(&s->base, p, hdr, body, now);
}

void plain_foreign(struct plain *s, const struct sync_source *from, const struct wire_hdr *hdr, bool meant_for_others,
		   struct mono now)
{
	struct peer *p = peer_known(&s->base, from);

	if (p && hdr->seq == p->track.last + 1)
		p->track.last = hdr->seq;
	if (!meant_for_others)
		peer_other_mode(&s->base, p, from, SYNC_SIGN_UNKNOWN, now);
}

void plain_queues(const struct sync *sync, struct sync_queues *q)
{
	*q = (struct sync_queues){ .tx_len = ((const struct plain *)sync)->live.n };
}
