/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ACK and NACK, ours and theirs (doc/protocol.md sections 3 and 6).
 *
 * An ACK names a range without holes. What must not be acknowledged yet is a *hold*, and the range
 * is cut around it:
 *
 *   their message               acknowledged
 *   state, ALIVE, ACK           with the next ACK: after ACKWindowSize messages, or one second
 *   NACK we could serve         when all that it asked for is on its way again, at once then
 *   NACK we could not serve     never: the hole tells a peer of our kind to ask for a RESYNC
 *   RESYNC                      when everything we have is on its way, and that is all there is
 *                               (our cache is complete)
 *   what cannot be held         never: the peer asks again
 *
 * so an acknowledgement of a request always comes after the answer, with a higher number. 1.4.x
 * walks its list of unacknowledged messages by range and is content with any cut. */
#include "sync/ack.h"

#include "sync/bulk.h"
#include "sync/control.h"
#include "sync/ftfw_proof.h"
#include "sync/queue.h"

#define SERVE_BURST  131072 /* messages looked at for NACKs at once */
#define SERVE_PER_MS 64
#define ACK_LATER_MS 100

/* ---- ours ---- */

/* Acknowledge what is pending up to number `to`, around the holds. */
static void ack_flush_to(struct ftfw *f, const struct peer *p, uint32_t to)
{
	struct ftfw_peer *fp = ftfw_peer(f, p);
	uint32_t from = fp->ack_from;

	fp->ack_soon = false;
	if (!fp->ack_pending)
		return;
	for (unsigned int i = 0; i < fp->holds.n; i++) {
		struct hold *h = &fp->holds.at[i];

		if (h->passed)
			continue;
		if (seq_after(h->from, from))
			control_queue(f, MSG_ACK, p->id, from, h->from - 1);
		from = h->to + 1;
		h->passed = true;
	}
	if (!seq_after(from, to))
		control_queue(f, MSG_ACK, p->id, from, to);
	fp->ack_pending = false;
	fp->ack_due = (struct mono){ 0 };
}

void ack_flush(struct ftfw *f, struct peer *p)
{
	ack_flush_to(f, p, p->track.last);
}

/* When several addresses are known one of them may be where the peer was in its life before: an
 * acknowledgement names nobody, and these numbers may mean something else in the life now. Whoever
 * is there is heard each second. */
void ack_due(struct ftfw *f, struct peer *p, struct mono now)
{
	struct ftfw_peer *fp = ftfw_peer(f, p);

	if (f->base.n_peers == 1 || sync_within(p->heard, FTFW_KEEPALIVE_MS - ACK_LATER_MS, now))
		ack_flush(f, p);
	else
		fp->ack_due = fp->ack_pending && peer_alive(p, now) ?
				      mono_add_ms(now, ACK_LATER_MS) :
				      (struct mono){ 0 };
}

void ack_never(struct ftfw *f, struct peer *p)
{
	ack_flush_to(f, p, p->track.last - 1);
	ftfw_peer(f, p)->ack_never = true;
}

void ack_accepted(struct ftfw *f, struct peer *p, uint32_t seq, bool state, struct mono now)
{
	struct ftfw_peer *fp = ftfw_peer(f, p);
	/* Whoever sends us a whole table waits for acknowledgements to go on; its window may be
	 * smaller than our ACKWindowSize. */
	bool busy = state && p->rs.state == RS_ASKED;
	struct mono due = mono_add_ms(now, busy ? FTFW_BUSY_ACK_MS : FTFW_KEEPALIVE_MS);

	if (fp->ack_never) {
		fp->ack_never = false;
		return;
	}
	if (!fp->ack_pending) {
		fp->ack_pending = true;
		fp->ack_from = seq;
	}
	fp->ack_due = mono_min(fp->ack_due, due);
	/* Only state messages use up the window: 1.4.x counts all, and with a window of one
	 * acknowledges acknowledgements as fast as the link can carry them. */
	if (state && --fp->window == 0) {
		ack_flush(f, p);
		fp->window = f->ack_window;
	}
}

void ack_nack(struct ftfw *f, struct peer *p, uint32_t from, uint32_t to, struct mono now)
{
	ack_flush_to(f, p, from - 1);
	ftfw_peer(f, p)->window = f->ack_window;
	if (control_queue(f, MSG_NACK, p->id, from, to)) {
		p->nacks_out++;
		f->base.stats.nack_sent++;
	} else {
		settle_missed(f, p, now);
	}
}

/* Another address began after p was heard last: p may be there now, and begin with numbers of the
 * same size. */
static bool ack_may_have_moved(const struct ftfw *f, const struct peer *p)
{
	for (const struct peer *q = NULL; (q = peer_next(&f->base, q));)
		if (q != p && mono_before(p->heard, q->contact))
			return true;
	return false;
}

void ack_release(struct ftfw *f, struct peer *p)
{
	struct ftfw_peer *fp = ftfw_peer(f, p);

	for (unsigned int i = 0; i < fp->holds.n;) {
		struct hold *h = &fp->holds.at[i];

		if (h->until != HOLD_QUEUE || !txq_passed(&f->base.repair, h->place) ||
		    ack_may_have_moved(f, p)) {
			i++;
			continue;
		}
		if (h->passed)
			control_queue(f, MSG_ACK, p->id, h->from, h->to);
		else
			fp->ack_soon = true;
		hold_drop(&fp->holds, i);
	}
	if (fp->ack_soon)
		ack_flush(f, p);
}

void ack_forget_peer(struct ftfw *f, struct peer *p)
{
	struct ftfw_peer *fp = ftfw_peer(f, p);

	settle_forget_peer(f, p);
	fp->ack_pending = fp->ack_soon = false;
	fp->ack_due = (struct mono){ 0 };
	fp->holds.n = 0;
}

/* ---- theirs ---- */

/* Clip a range to what we sent; false when nothing is left: forged, or meant for another node. */
static bool clip_sent(struct ftfw *f, const struct peer *p, uint32_t *from, uint32_t *to,
		      struct mono now)
{
	uint32_t last = f->base.next - 1;

	if (f->base.next != f->base.first_seq && !seq_after(*to, last))
		return true;
	f->base.stats.acks_for_others++;
	if (f->base.n_peers > 1) /* it is not about our numbers at all */
		return false;
	if (f->hello == HELLO_DONE) /* before that it may be meant for our last life */
		sync_report(&f->base, p, now, SYNC_ACK_OF_NOTHING, .from = *from, .to = *to,
			    .last = last);
	*to = last;
	return f->base.next != f->base.first_seq && !seq_after(*from, last);
}

/* The first acknowledgement of this life: what came before its range the peer never heard of. */
static void ack_confirm(struct ftfw *f, struct peer *p, uint32_t from, struct mono now)
{
	struct ftfw_peer *fp = ftfw_peer(f, p);

	if (fp->confirmed)
		return;
	fp->confirmed = true;
	fp->ack_high = from - 1;
	fp->passed_at = (struct mono){ 0 };
	if (!peer_others(&f->base, p, FTFW_ANSWER_MS, now)) {
		struct resend_entry *e;

		while ((e = resend_oldest(&f->ring)) && seq_before(e->seq, from))
			if (!settle_end_again(f, p, e, now))
				settle(f, e, RESEND_LOST, now);
	}
	bulk_confirmed(f, p, from, now);
}

/* Send a message again: its flow as it is now, or the same request, under a new number. */
static void ack_repeat(struct ftfw *f, struct resend_entry *e, struct mono now)
{
	struct resend_entry old = *e;

	f->base.stats.resent++;
	settle(f, e, RESEND_MOOT, now);
	if (!msg_is_control(old.kind)) {
		queue_repair(&f->base, old.id, now);
		return;
	}
	if (old.kind == MSG_ACK && !peer_alive(&f->base.peer[old.peer], now))
		return; /* see ack_due() */
	if (old.kind == MSG_RESYNC)
		proof_again(f, old.seq);
	else if (!control_queue(f, (enum msg_kind)old.kind, old.peer, old.from, old.id) &&
		 old.kind == MSG_NACK)
		settle_nack_lost(f, &f->base.peer[old.peer], old.seq, now);
}

void ack_got_ack(struct ftfw *f, struct peer *p, const struct message *msg, struct mono now)
{
	struct ftfw_peer *fp = ftfw_peer(f, p);
	uint32_t from = msg->from, to = msg->to;
	uint32_t n_live, n_paced;

	if (!clip_sent(f, p, &from, &to, now))
		return;
	fp->ack_heard = now;
	fp->speaks = true;
	ack_confirm(f, p, from, now);
	n_live = f->ring.n_live;
	n_paced = f->ring.n_paced;
	settle_acked(f, p, from, to, msg->seq, now);
	if (f->ring.n_live < n_live)
		f->progress = now;
	bulk_acked(f, n_paced - f->ring.n_paced);
	if (seq_after(to, fp->ack_high))
		fp->ack_high = to;
	if (fp->owed == OWED_ACK && !seq_before(fp->ack_high, fp->owed_to))
		fp->owed = OWED_NOTHING;
	proof_acked(f, p, from, to, now);
}

/* A message about a flow that was acknowledged, by another peer or too early, is missed all the
 * same: tell what the flow is now. False: that is not known. */
static bool ack_tell(struct ftfw *f, struct resend_entry *e, struct mono now)
{
	const struct sync_env *env = f->base.env;

	if (e->state != RESEND_ACKED || flow_id_is_expect(e->id) || !env->has)
		return false;
	e->state = RESEND_MOOT;
	if (!env->has(env->ctx, e->id))
		return true; /* its end has a message of its own */
	f->base.stats.resent++;
	queue_repair(&f->base, e->id, now);
	return true;
}

/* A NACK costs a look at each message that it names: forged ones may cost so much, and no more. */
static bool serve_allowed(struct ftfw *f, uint64_t n, struct mono now)
{
	int64_t ms = mono_is_set(f->serve_at) ? mono_diff_ms(now, f->serve_at) : SERVE_BURST;

	if (ms > 0) {
		f->serve_left += ms < SERVE_BURST ? (uint32_t)ms * SERVE_PER_MS : SERVE_BURST;
		f->serve_at = now;
	}
	if (f->serve_left > SERVE_BURST)
		f->serve_left = SERVE_BURST;
	if (n > f->serve_left)
		return false;
	f->serve_left -= (uint32_t)n;
	return true;
}

/* Serve the part of a NACK that the ring knows. False when something asked for cannot be sent
 * again. */
static bool ack_serve(struct ftfw *f, const struct peer *p, uint32_t from, uint32_t to,
		      struct mono now)
{
	uint64_t i = resend_find_from(&f->ring, from), end = resend_find_from(&f->ring, to + 1);
	bool served = true;

	if (end > i && !serve_allowed(f, end - i, now))
		return false;
	for (; i < end; i++) {
		struct resend_entry *e = resend_at(&f->ring, i);
		bool control = msg_is_control(e->kind);

		if (!resend_is_for(e, p->id))
			continue;
		if (e->state == RESEND_LIVE)
			ack_repeat(f, e, now);
		else if (e->state != RESEND_MOOT && !control && !ack_tell(f, e, now))
			served = false;
	}
	return served;
}

void ack_got_nack(struct ftfw *f, struct peer *p, const struct message *msg, struct mono now)
{
	uint32_t from = msg->from, to = msg->to;
	bool served;

	f->base.stats.nack_recv++;
	if (!clip_sent(f, p, &from, &to, now))
		return;
	ftfw_peer(f, p)->ack_heard = now;
	ack_confirm(f, p, from, now);
	served = !seq_before(from, f->ring.base);
	if (!ack_serve(f, p, from, to, now))
		served = false;
	bulk_nacked(f);
	if (served) {
		if (!hold_add(&ftfw_peer(f, p)->holds, msg->seq, HOLD_QUEUE, f->base.repair.tail))
			ack_never(f, p);
		return;
	}
	f->base.stats.unrepairable++;
	ack_never(f, p);
	ftfw_peer(f, p)->given_up = false; /* owed from here on */
	if (p->incarnation != 0)
		ftfw_peer(f, p)->owed = OWED_REQUEST;
	bulk_request(f, p, now);
}

/* ---- what was passed over ----
 *
 * A peer acknowledges in order. What lies before a number that it had acknowledged some time ago,
 * and is not acknowledged, will not be. So each look deals with what lies before the highest one of
 * the look before:
 *
 *   what it is       why                                     what is done
 *   NACK of ours     the peer does not serve it              what was missing is lost: RESYNC
 *   RESYNC of ours   being passed over is how it is refused  nothing: ftfw_proof.c
 *   flow             the ACK for it got lost where nobody    sent again, or it would stay here for
 *                    repeats it (a peer that picked up our   good
 *                    numbers anew)
 *   ACK of ours      the same                                nothing: a message that was forged may
 *                                                            have had one of its numbers, which is
 *                                                            the peer's by now
 *   was given up     nobody can repeat it. It may have been  the peer is made to ask for everything
 *                    the end of a flow, which is not told
 *                    with everything either */

static void passed_message(struct ftfw *f, const struct peer *p, struct resend_entry *e,
			   struct mono now)
{
	bool other = msg_is_control(e->kind) && e->peer != p->id;

	if (e->state != RESEND_LIVE || other || e->kind == MSG_RESYNC)
		return;
	if (msg_is_control(e->kind))
		settle(f, e, RESEND_LOST, now);
	else
		ack_repeat(f, e, now);
}

static void passed_given_up(struct ftfw *f, struct peer *p, struct mono now)
{
	ftfw_peer(f, p)->given_up = false;
	if (p->incarnation == 0) {
		bulk_request(f, p, now);
	} else if (!p->heir) {
		ftfw_peer(f, p)->owed = OWED_REQUEST;
		ftfw_skipped(&f->base, f->base.next++, now);
	}
}

struct mono ack_check_passed(struct ftfw *f, struct peer *p, struct mono now)
{
	struct ftfw_peer *fp = ftfw_peer(f, p);
	struct resend_entry *e = resend_oldest(&f->ring);
	uint64_t end = f->ring.end;

	if (!fp->confirmed || !((e && seq_before(e->seq, fp->ack_high)) ||
				(fp->given_up && seq_after(fp->ack_high, fp->given_to)))) {
		fp->passed_at = (struct mono){ 0 };
		return fp->passed_at;
	}
	if (mono_is_set(fp->passed_at) && mono_before(now, fp->passed_at))
		return fp->passed_at;
	if (mono_is_set(fp->passed_at)) {
		for (uint64_t i = f->ring.live;
		     i < end && seq_before((e = resend_at(&f->ring, i))->seq, fp->high_then); i++)
			passed_message(f, p, e, now);
		if (fp->given_up && seq_after(fp->high_then, fp->given_to))
			passed_given_up(f, p, now);
	}
	fp->high_then = fp->ack_high;
	return fp->passed_at = mono_add_ms(now, FTFW_PASSED_MS);
}
