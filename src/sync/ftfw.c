/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FTFW: acknowledged replication that repairs itself. This file opens and closes it, runs its
 * timers and reports; what the protocol does stands at the top of its other files, see
 * sync/ftfw_state.h for which.
 *
 * An idle pair wakes up once a second, for the keepalive that 1.4.x expects. Every other timer
 * exists only while something is open, and ftfw_tick() returns exactly the next one that is. */
#include "sync/ack.h"
#include "sync/bulk.h"
#include "sync/control.h"
#include "sync/ftfw_proof.h"
#include "sync/queue.h"
#include "sync/ftfw_recv.h"
#include "sync/transmit.h"

#define SOLICIT_AFTER_MS 1500
#define SOLICIT_MIN_MS	 3000
#define SOLICIT_MAX_MS	 48000
#define SOLICIT_MOST	 1024
#define JUMP_MAX	 (1u << 30)
#define LATE_MS		 5000 /* a 1.4.x that has not acknowledged for so long is made to */

static int ftfw_open(struct sync *s, struct mono now)
{
	struct ftfw *f = (struct ftfw *)s;
	uint32_t window = s->conf->ack_window, most;
	int err;

	f->ring_max = s->conf->resend_queue_size;
	err = resend_init(&f->ring, f->ring_max + FTFW_SPARE, s->first_seq);
	if (err < 0)
		return err;
	/* The peer's ring is probably as large as ours: it must not fill up between two of our
	 * acknowledgements. */
	most = f->ring_max / 3 > 0 ? f->ring_max / 3 : 1;
	f->ack_window = window < most ? window : most;
	/* No network loses more than a few rings at once; a larger jump has to be proven. */
	if (f->ring_max > TRACK_JUMP / 4)
		s->jump_max = f->ring_max > JUMP_MAX / 4 ? JUMP_MAX : 4 * f->ring_max;
	s->late_max = INT32_MAX; /* a restart is said by HELLO */
	s->continue_max =
		f->ring_max > FTFW_PEER_RING_MIN ? f->ring_max / 2 : FTFW_PEER_RING_MIN / 2;
	f->solicit_ms = SOLICIT_MIN_MS;
	f->keepalive = now; /* say hello at once */
	bulk_init(f);
	return 0;
}

static void ftfw_close(struct sync *s)
{
	struct ftfw *f = (struct ftfw *)s;
	struct resend_entry *e;

	while ((e = resend_oldest(&f->ring)))
		settle(f, e, RESEND_LOST, f->keepalive);
	resend_free(&f->ring);
	for (unsigned int i = 0; i < PEERS_MAX; i++)
		hold_free(&f->peer[i].holds);
}

/* Something that only p's acknowledgement can finish. */
static bool awaits_ack(const struct peer *p, const struct ftfw_peer *fp, struct mono now)
{
	return !fp->confirmed || p->nacks_out > 0 ||
	       (p->incarnation == 0 && standing_lag_ms(&p->standing, now) > LATE_MS) ||
	       (p->rs.state == RS_ASKED && mono_is_set(p->rs.asked) && !fp->proof.acked &&
		!mono_is_set(p->rs.partial));
}

/* 1.4.x acknowledges after ACKWindowSize messages, or one second after *its* last transmission: a
 * busy one does not for a long time, because we have little to say. A window full of ALIVEs, two
 * datagrams, makes it. A peer of our kind acknowledges within a second and never needs this. */
static void ftfw_solicit(struct ftfw *f, struct mono now)
{
	for (const struct peer *p = NULL; (p = peer_next(&f->base, p));) {
		struct ftfw_peer *fp = ftfw_peer(f, p);

		if (!peer_alive(p, now) || !awaits_ack(p, fp, now)) {
			fp->await_since = (struct mono){ 0 };
			continue;
		}
		if (!mono_is_set(fp->await_since))
			fp->await_since = now;
		if (sync_within(fp->ack_heard, SOLICIT_AFTER_MS, now) ||
		    sync_within(fp->await_since, SOLICIT_AFTER_MS, now))
			continue;
		if (f->hello != HELLO_DONE || sync_within(f->solicited, f->solicit_ms, now))
			continue;
		/* One that does not hear us at all is asked ever less often. */
		f->solicit_ms = sync_within(fp->ack_heard, 2 * SOLICIT_MIN_MS, now) ?
					SOLICIT_MIN_MS :
					2 * f->solicit_ms;
		if (f->solicit_ms > SOLICIT_MAX_MS)
			f->solicit_ms = SOLICIT_MAX_MS;
		f->solicited = now;
		f->alive_burst = f->base.conf->ack_window < SOLICIT_MOST ?
					 f->base.conf->ack_window :
					 SOLICIT_MOST;
		return;
	}
}

static void ftfw_keepalive(struct ftfw *f, struct mono now)
{
	for (struct peer *p = NULL; (p = peer_next(&f->base, p));)
		ack_due(f, p, now);
	if (!control_waits(f) && !f->base.ask)
		control_queue(f, MSG_ALIVE, RESEND_TO_ALL, 0, 0);
	f->keepalive = mono_add_ms(now, FTFW_KEEPALIVE_MS);
}

static struct mono ftfw_tick_peer(struct ftfw *f, struct peer *p, struct mono now)
{
	struct ftfw_peer *fp = ftfw_peer(f, p);
	struct mono next = ack_check_passed(f, p, now);

	if (sync_due(fp->doubt, now)) {
		fp->doubt = (struct mono){ 0 };
		fp->doubts += fp->doubts < FTFW_DOUBTS_MAX;
		if (f->base.n_peers > 1) /* an address that was left is forgotten meanwhile */
			resync_need(&f->base, p, now);
	}
	if (sync_due(fp->ack_due, now))
		ack_due(f, p, now);
	return mono_min(next, fp->ack_due);
}

static struct mono ftfw_tick(struct sync *s, struct mono now)
{
	struct ftfw *f = (struct ftfw *)s;
	struct mono next = { 0 };

	for (struct peer *p = NULL; (p = peer_next(s, p));)
		next = mono_min(next, ftfw_tick_peer(f, p, now));
	bulk_check_whole(f, now);
	ftfw_solicit(f, now);
	if (sync_says_active(s, now) && control_queue(f, MSG_ACTIVE, RESEND_TO_ALL, 0, 0))
		s->said_active = now;
	if (sync_due(f->keepalive, now))
		ftfw_keepalive(f, now);
	next = mono_min(mono_min(next, f->note_at), f->keepalive);
	return f->holding ? mono_min(next, mono_add_ms(f->progress, FTFW_HOLD_MS)) : next;
}

/* ---- reports ---- */

static void ftfw_queues(const struct sync *s, struct sync_queues *q)
{
	const struct ftfw *f = (const struct ftfw *)s;

	q->tx_len += f->ctl_tail - f->ctl_head;
	q->ring_len = f->ring.n_live;
	q->ring_max = f->ring_max;
	q->control = f->ring.n_control + (f->ctl_tail - f->ctl_head);
}

static bool ftfw_ring_next(const struct sync *s, uint32_t *pos, struct sync_sent *out)
{
	const struct resend *ring = &((const struct ftfw *)s)->ring;
	uint64_t i = ring->live;

	/* pos holds the lower half of the next place; places start at 1, so 0 means the
	 * beginning. */
	if (*pos != 0 && (int32_t)(*pos - (uint32_t)i) > 0)
		i += *pos - (uint32_t)i;
	for (; i < ring->end; i++) {
		const struct resend_entry *e = resend_at(ring, i);

		if (e->state != RESEND_LIVE)
			continue;
		*out = (struct sync_sent){ .seq = e->seq, .kind = e->kind, .hello = e->hello };
		*pos = (uint32_t)i + 1 ? (uint32_t)i + 1 : 1;
		return true;
	}
	return false;
}

/* Everything up to this number is acknowledged, so that nothing below it waits to be repeated, or
 * was given up meanwhile. */
static uint32_t acked_to(const struct ftfw *f, const struct ftfw_peer *fp)
{
	uint32_t end = fp->given_up && seq_before(fp->given_from - 1, fp->ack_high) ?
			       fp->given_from - 1 :
			       fp->ack_high;

	for (uint64_t i = f->ring.live; i < f->ring.end; i++) {
		const struct resend_entry *e = resend_at(&f->ring, i);

		if (seq_after(e->seq, end))
			break;
		if (e->state == RESEND_LIVE && !msg_is_control(e->kind))
			return e->seq - 1;
	}
	return end;
}

static void ftfw_facts(const struct sync *s, const struct peer *p, struct standing_facts *facts)
{
	const struct ftfw *f = (const struct ftfw *)s;
	const struct ftfw_peer *fp = &f->peer[p->id];

	facts->confirmed = fp->confirmed;
	facts->same_mode = fp->speaks;
	facts->acked = fp->confirmed ? acked_to(f, fp) : 0;
	facts->ack_heard = fp->ack_heard;
	facts->waiting = f->base.live.n + f->base.repair.n;
	facts->sending = fp->req.active;
	facts->owed = fp->owed != OWED_NOTHING || mono_is_set(p->bulk_at);
}

const struct sync_ops ftfw_ops = {
	.name = "FTFW",
	.can = SYNC_ACKS | SYNC_ASKS | SYNC_SPEAKS,
	.resync_pause_ms = 60000,
	.size = sizeof(struct ftfw),
	.open = ftfw_open,
	.close = ftfw_close,
	.recv = ftfw_recv,
	.tick = ftfw_tick,
	.transmit = ftfw_transmit,
	.skipped = ftfw_skipped,
	.forget = ftfw_forget,
	.give_up_dead = ftfw_give_up_dead,
	.bulk = ftfw_bulk,
	.bulk_running = ftfw_bulk_running,
	.queues = ftfw_queues,
	.ring_next = ftfw_ring_next,
	.facts = ftfw_facts,
	.accept = ftfw_accept,
	.missing = ftfw_missing,
	.contact = ftfw_contact,
	.gone = ftfw_gone,
	.asked = proof_asked,
	.ask_at = proof_ask_at,
	.check = proof_check,
};
