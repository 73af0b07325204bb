/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control messages that wait to be sent, and settlement: what it means that a message of ours is
 * acknowledged, out of date (moot), or given up (lost).
 *
 *   what it was   acknowledged                              lost
 *   flow          KNOWN; one that has ended is released     released if it has ended; whoever
 *                                                           misses it learns it by NACK
 *   NACK          the gap is closed                         what was asked for will not come:
 *                                                           RESYNC
 *   RESYNC        ftfw_proof.c                              asked again when it is overdue
 *
 * Acknowledgements in this version carry no addressee. With several peers the first ACK settles a
 * state message. Another peer that misses it sends a NACK, and is told what the flow is now; of one
 * that has ended nothing is left to tell, so that NACK is not acknowledged, and that peer asks for
 * everything. A control message is for one peer, and only that one settles it. */
#include "sync/control.h"

#include "sync/peer_state.h"
#include "sync/queue.h"

bool control_queue(struct ftfw *f, enum msg_kind kind, uint8_t peer, uint32_t from, uint32_t to)
{
	if (f->ctl_tail - f->ctl_head == FTFW_CTL_MAX)
		return false;
	f->ctl[f->ctl_tail++ % FTFW_CTL_MAX] = (struct ftfw_ctl){
		.kind = (uint8_t)kind,
		.peer = peer,
		.from = from,
		.to = to,
	};
	return true;
}

/* ---- settlement ---- */

/* True: the flow has ended and is gone, nobody can be told again. */
static bool settle_flow(struct ftfw *f, const struct resend_entry *e, enum resend_state state)
{
	const struct sync_env *env = f->base.env;
	struct flow_repl *m = env->repl(env->ctx, e->id);

	if (!(m->bits & REPL_SENT) || m->seq != e->seq)
		return false;
	m->bits &= (uint8_t)~REPL_SENT;
	if (m->bits & REPL_QUEUED)
		return false; /* what was sent is not what it is now */
	/* 1.4.x acknowledges across what it missed of the messages with HELLO. */
	if (state == RESEND_ACKED && !(e->hello & MSG_HELLO))
		m->bits |= REPL_KNOWN;
	if (state == RESEND_MOOT || !env->is_dead(env->ctx, e->id))
		return false;
	queue_release(&f->base, e->id);
	return true;
}

void settle_missed(struct ftfw *f, struct peer *p, struct mono now)
{
	if (p->incarnation == 0 && !mono_is_set(p->bulk_at))
		p->bulk_at = now;
	resync_need(&f->base, p, now);
}

void settle_nack_lost(struct ftfw *f, struct peer *p, uint32_t seq, struct mono now)
{
	if (p->nacks_out > 0)
		p->nacks_out--;
	/* What was missing before a RESYNC comes with its answer. */
	if (p->rs.state != RS_ASKED || !mono_is_set(p->rs.asked) ||
	    seq_after(seq, ftfw_peer(f, p)->proof.seq))
		settle_missed(f, p, now);
}

static void nack_served(struct ftfw *f, struct peer *p, uint32_t n)
{
	p->nacks_out--;
	peer_repaired(&f->base, p, n);
}

static void settle_nack(struct ftfw *f, const struct resend_entry *e, enum resend_state state,
			struct mono now)
{
	struct peer *p = &f->base.peer[e->peer];
	struct ftfw_peer *fp = ftfw_peer(f, p);

	if (state == RESEND_LOST)
		settle_nack_lost(f, p, e->seq, now);
	else if (state == RESEND_ACKED && p->nacks_out > 0)
		nack_served(f, p, e->id - e->from + 1);
	/* It may have been meant for another node, whose numbers are the same: what was missing
	 * would be for ever. */
	if (state == RESEND_ACKED && f->base.n_peers > 1 && !mono_is_set(fp->doubt))
		fp->doubt = mono_add_ms(now, FTFW_DOUBT_MS << fp->doubts);
}

void settle(struct ftfw *f, struct resend_entry *e, enum resend_state state, struct mono now)
{
	resend_settle(&f->ring, e, state);
	if (e->kind == MSG_NACK)
		settle_nack(f, e, state, now);
	else if (!msg_is_control(e->kind) && settle_flow(f, e, state))
		e->state = RESEND_LOST; /* for whoever misses it all the same */
}

bool settle_end_again(struct ftfw *f, const struct peer *p, struct resend_entry *e, struct mono now)
{
	uint32_t id = e->id;

	if (p->incarnation != 0 || e->kind != MSG_FLOW ||
	    !f->base.env->is_dead(f->base.env->ctx, id))
		return false;
	settle(f, e, RESEND_MOOT, now);
	queue_repair(&f->base, id, now);
	return true;
}

/* Those that were given up are acknowledged in order, as all are. */
static void given_acked(struct ftfw_peer *fp, uint32_t from, uint32_t to)
{
	if (!fp->given_up || seq_after(from, fp->given_from) || seq_before(to, fp->given_from))
		return;
	fp->given_from = to + 1;
	fp->given_up = !seq_after(fp->given_from, fp->given_to);
}

void settle_given_up(struct ftfw *f, struct resend_entry *e, struct mono now)
{
	for (const struct peer *p = NULL; (p = peer_next(&f->base, p));) {
		struct ftfw_peer *fp = ftfw_peer(f, p);

		if (!fp->confirmed || msg_is_control(e->kind))
			continue;
		if (!fp->given_up || seq_before(e->seq, fp->given_from))
			fp->given_from = e->seq;
		if (!fp->given_up || seq_after(e->seq, fp->given_to))
			fp->given_to = e->seq;
		fp->given_up = true;
	}
	settle(f, e, RESEND_LOST, now);
}

void settle_acked(struct ftfw *f, struct peer *p, uint32_t from, uint32_t to, uint32_t in,
		  struct mono now)
{
	struct resend *ring = &f->ring;
	uint64_t i = resend_find_from(ring, from);

	given_acked(ftfw_peer(f, p), from, to);
	for (i = i > ring->live ? i : ring->live; i < ring->end; i++) {
		struct resend_entry *e = resend_at(ring, i);

		if (seq_after(e->seq, to))
			break;
		if (e->state != RESEND_LIVE || !resend_is_for(e, p->id))
			continue;
		/* 1.4.x acknowledges across what it missed of the messages with HELLO. */
		if (e->hello & MSG_HELLO && settle_end_again(f, p, e, now))
			continue;
		settle(f, e, RESEND_ACKED, now);
		/* So many messages went by between the missing one and the answer that the peer may
		 * not have had it any more: 1.4.x drops the oldest and says nothing. */
		if (e->kind == MSG_NACK && in - e->from > ftfw_peer_ring(f, p))
			settle_missed(f, p, now);
	}
}

void settle_forget_peer(struct ftfw *f, struct peer *p)
{
	for (uint64_t i = f->ring.live; i < f->ring.end; i++) {
		struct resend_entry *e = resend_at(&f->ring, i);

		if (e->state == RESEND_LIVE && msg_is_control(e->kind) && e->peer == p->id)
			resend_settle(&f->ring, e, RESEND_MOOT);
	}
	for (uint32_t i = f->ctl_head; i != f->ctl_tail; i++)
		if (f->ctl[i % FTFW_CTL_MAX].peer == p->id)
			f->ctl[i % FTFW_CTL_MAX].kind = MSG_NONE;
	p->nacks_out = 0;
}

/* ---- room in the ring ---- */

void settle_give_up(struct ftfw *f, struct mono now)
{
	f->base.stats.ring_overflow++;
	sync_report(&f->base, NULL, now, SYNC_RING_FULL, .n = f->base.stats.ring_overflow);
	settle_given_up(f, resend_oldest(&f->ring), now);
}

void settle_remember(struct ftfw *f, const struct resend_entry *e, struct mono now)
{
	while (resend_full(&f->ring))
		settle_give_up(f, now);
	resend_push(&f->ring, e);
}

void ftfw_skipped(struct sync *s, uint32_t seq, struct mono now)
{
	struct resend_entry skipped = { .seq = seq, .id = FLOW_ID_NONE, .state = RESEND_LOST };

	settle_remember((struct ftfw *)s, &skipped, now);
}

/* ---- room in the table ---- */

/* The oldest that was sent. A flow whose entry the search has passed was alive then; its end comes
 * behind. */
bool ftfw_give_up_dead(struct sync *s, struct mono now)
{
	struct ftfw *f = (struct ftfw *)s;

	if (f->dead_place < f->ring.live)
		f->dead_place = f->ring.live;
	for (; f->dead_place < f->ring.end; f->dead_place++) {
		struct resend_entry *e = resend_at(&f->ring, f->dead_place);

		if (e->state != RESEND_LIVE || msg_is_control(e->kind) ||
		    flow_id_is_expect(e->id) || !s->env->is_dead(s->env->ctx, e->id) ||
		    (s->env->repl(s->env->ctx, e->id)->bits & REPL_QUEUED))
			continue;
		settle_given_up(f, e, now);
		return true;
	}
	return false;
}

void ftfw_forget(struct sync *s, uint32_t seq)
{
	struct ftfw *f = (struct ftfw *)s;
	struct resend_entry *e = resend_find(&f->ring, seq);

	if (e && e->state == RESEND_LIVE)
		resend_settle(&f->ring, e, RESEND_MOOT);
}
