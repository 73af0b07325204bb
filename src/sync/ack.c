/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ACK and NACK, ours and theirs (doc/protocol.md sections 3 and 6).
 *
 * An ACK names a range without holes. What must not be acknowledged yet is a *hold*, and the range is cut around it:
 *
 *   their message               acknowledged
 *   state, ALIVE, ACK           with the next ACK: after ACKWindowSize messages, or one second
 *   NACK we could serve         when all that it asked for is on its way again, at once then
 *   NACK we could not serve     never: the hole tells a peer of our kind to ask for a RESYNC
 *   RESYNC                      when everything we have is on its way, and that is all there is (our cache is complete)
 *
 * so an acknowledgement of a request always comes after the answer, with a higher number. 1.4.x walks its list of
 * unacknowledged messages by range and is content with any cut.
 *
 * Acknowledgements in this version carry no addressee. While one peer is there, what it acknowledges is settled for
 * good. With several peers the first ACK settles a state message; another peer that misses it sends a NACK, which finds
 * the entry settled, is not served and not acknowledged, and that peer then asks for everything. A control message is
 * for one peer, and only that one settles it. */
#include "sync/ftfw.h"

/* ---- ours ---- */

static void hold_drop(struct peer *p, unsigned int i)
{
	p->n_holds--;
	for (; i < p->n_holds; i++)
		p->hold[i] = p->hold[i + 1];
}

void ack_hold(struct peer *p, uint32_t seq, enum hold_until until, uint32_t place)
{
	struct ftfw_hold *last = p->n_holds > 0 ? &p->hold[p->n_holds - 1] : NULL;

	if (last && !last->passed && last->until == until && last->to + 1 == seq) {
		last->to = seq;
		last->place = place;
	} else if (p->n_holds < FTFW_HOLDS) {
		p->hold[p->n_holds++] = (struct ftfw_hold){
			.from = seq, .to = seq, .until = (uint8_t)until, .place = place,
		};
	} else {
		/* Too many at once: a longer hold only delays acknowledgements. */
		last->to = seq;
		last->place = place;
		if (until > last->until)
			last->until = (uint8_t)until;
	}
}

void ack_flush(struct ftfw *f, struct peer *p)
{
	uint32_t from = p->ack_from;

	p->ack_soon = false;
	if (!p->ack_pending)
		return;
	for (unsigned int i = 0; i < p->n_holds;) {
		struct ftfw_hold *h = &p->hold[i];

		if (!h->passed) {
			if (seq_after(h->from, from))
				tx_control(f, WIRE_F_ACK, p->id, from, h->from - 1);
			from = h->to + 1;
			h->passed = true;
		}
		if (h->until == HOLD_EVER)
			hold_drop(p, i);
		else
			i++;
	}
	if (!seq_after(from, p->last))
		tx_control(f, WIRE_F_ACK, p->id, from, p->last);
	p->ack_pending = false;
	p->ack_due = (struct mono){ 0 };
}

void ack_accepted(struct ftfw *f, struct peer *p, uint32_t seq, bool state, struct mono now)
{
	/* Whoever sends us a whole table waits for acknowledgements to go on; its window may be smaller than our
	 * ACKWindowSize. */
	bool busy = state && p->rs.state == RS_ASKED;
	struct mono due = mono_add_ms(now, busy ? FTFW_BUSY_ACK_MS : FTFW_KEEPALIVE_MS);

	if (!p->ack_pending) {
		p->ack_pending = true;
		p->ack_from = seq;
	}
	p->ack_due = mono_min(p->ack_due, due);
	/* Only state messages use up the window: 1.4.x counts all, and with a window of one acknowledges
	 * acknowledgements as fast as the link can carry them. */
	if (state && --p->window == 0) {
		ack_flush(f, p);
		p->window = f->ack_window;
	}
}

void ack_nack(struct ftfw *f, struct peer *p, uint32_t from, uint32_t to, struct mono now)
{
	ack_flush(f, p);
	p->window = f->ack_window;
	if (tx_control(f, WIRE_F_NACK, p->id, from, to)) {
		p->nacks_out++;
		f->base.stats.nack_sent++;
	} else {
		resync_want(f, p, now);
	}
}

void ack_release(struct ftfw *f, struct peer *p, enum hold_until until)
{
	for (unsigned int i = 0; i < p->n_holds;) {
		struct ftfw_hold *h = &p->hold[i];

		if (h->until != until || (until == HOLD_QUEUE && !txq_passed(&f->repair, h->place))) {
			i++;
			continue;
		}
		if (h->passed)
			tx_control(f, WIRE_F_ACK, p->id, h->from, h->to);
		else
			p->ack_soon = true;
		hold_drop(p, i);
	}
	if (p->ack_soon)
		ack_flush(f, p);
}

void ack_forget_peer(struct ftfw *f, struct peer *p)
{
	for (uint64_t i = f->ring.live; p->used && i < f->ring.end; i++) {
		struct resend_entry *e = resend_at(&f->ring, i);

		if (e->state == RESEND_LIVE && (e->flags & WIRE_F_CTL_MASK) && e->peer == p->id)
			resend_settle(&f->ring, e, RESEND_MOOT);
	}
	for (uint32_t i = f->ctl_head; i != f->ctl_tail; i++) {
		struct ftfw_ctl *c = &f->ctl[i % FTFW_CTL_MAX];

		if (c->peer == p->id)
			c->flags = 0;
	}
	p->nacks_out = 0;
	p->nack_place = f->ring.end;
	p->hole_since = (struct mono){ 0 };
	p->ack_pending = p->ack_soon = false;
	p->ack_due = (struct mono){ 0 };
	p->n_holds = 0;
}

/* ---- theirs ---- */

/* Clip a range to what we sent; false when nothing is left: forged, or meant for another node. */
static bool clip_sent(struct ftfw *f, const struct peer *p, uint32_t *from, uint32_t *to, struct mono now)
{
	uint32_t last = f->next - 1;
	char name[SOURCE_NAME];

	if (f->next != f->first_seq && !seq_after(*to, last))
		return true;
	f->base.stats.foreign_acks++;
	if (f->n_peers == 1)
		ftfw_log(f, &f->foreign_log, now, LOG_LVL_WARNING,
			 "peer %s acknowledges or misses numbers we never sent: %u..%u, last is %u",
			 peer_name(p, name), *from, *to, last);
	*to = last;
	return f->next != f->first_seq && !seq_after(*from, last);
}

/* The first acknowledgement of this life: what came before its range the peer never heard of. */
static void ack_confirm(struct ftfw *f, struct peer *p, uint32_t from, struct mono now)
{
	if (p->confirmed)
		return;
	p->confirmed = true;
	p->ack_high = from - 1;
	if (!peer_others(f, p, FTFW_ANSWER_MS, now)) {
		struct resend_entry *e;

		while ((e = resend_oldest(&f->ring)) && seq_before(e->seq, from))
			tx_settle(f, e, RESEND_LOST, now);
	}
	bulk_confirmed(f, p, from, now);
}

/* Has p passed over one of our NACKs? It acknowledges in order, so it will not serve that one, unless the ACK itself is
 * on its way again. */
static void ack_find_hole(struct ftfw *f, struct peer *p, struct mono now)
{
	struct resend_entry *e = NULL;

	if (p->nacks_out == 0) {
		p->hole_since = (struct mono){ 0 };
		return;
	}
	if (p->nack_place < f->ring.live)
		p->nack_place = f->ring.live;
	for (; p->nack_place < f->ring.end; p->nack_place++) {
		e = resend_at(&f->ring, p->nack_place);
		if (e->state == RESEND_LIVE && (e->flags & WIRE_F_NACK) && e->peer == p->id)
			break;
		e = NULL;
	}
	if (!e || !seq_before(e->seq, p->ack_high)) {
		p->hole_since = (struct mono){ 0 };
	} else if (!mono_is_set(p->hole_since) || p->hole_seq != e->seq) {
		p->hole_since = now;
		p->hole_seq = e->seq;
	}
}

/* One of our messages is acknowledged by p, in its message number seq. */
static void ack_settle(struct ftfw *f, struct peer *p, struct resend_entry *e, uint32_t seq, struct mono now)
{
	bool stale_nack = (e->flags & WIRE_F_NACK) && seq - e->from > ftfw_peer_ring(f);

	tx_settle(f, e, RESEND_ACKED, now);
	/* So many messages went by between the missing one and the answer that the peer may not have had it any more:
	 * 1.4.x drops the oldest and says nothing. */
	if (stale_nack)
		resync_want(f, p, now);
}

void ack_got_ack(struct ftfw *f, struct peer *p, const struct wire_hdr *hdr, struct mono now)
{
	uint32_t from = hdr->from, to = hdr->to;
	uint32_t n_live, n_paced;
	uint64_t i;

	if (!clip_sent(f, p, &from, &to, now))
		return;
	p->ack_heard = now;
	ack_confirm(f, p, from, now);
	n_live = f->ring.n_live;
	n_paced = f->ring.n_paced;
	i = resend_find_from(&f->ring, from);
	for (i = i > f->ring.live ? i : f->ring.live; i < f->ring.end; i++) {
		struct resend_entry *e = resend_at(&f->ring, i);

		if (seq_after(e->seq, to))
			break;
		if (e->state != RESEND_LIVE)
			continue;
		if (!(e->flags & WIRE_F_CTL_MASK) || e->peer == p->id || e->peer == RESEND_TO_ALL)
			ack_settle(f, p, e, hdr->seq, now);
	}
	if (f->ring.n_live < n_live)
		f->progress = now;
	bulk_acked(f, n_paced - f->ring.n_paced);
	if (seq_after(to, p->ack_high))
		p->ack_high = to;
	if (!f->ack_seen || seq_after(to, f->ack_high)) {
		f->ack_high = to;
		f->ack_seen = true;
	}
	resync_acked(f, p, from, to, now);
	ack_find_hole(f, p, now);
}

/* Send a message again: its flow as it is now, or the same request, under a new number. */
static void ack_repeat(struct ftfw *f, struct resend_entry *e, struct mono now)
{
	struct resend_entry old = *e;

	f->base.stats.resent++;
	tx_settle(f, e, RESEND_MOOT, now);
	if (!(old.flags & WIRE_F_CTL_MASK)) {
		tx_repair(f, old.id, now);
		return;
	}
	if (old.flags & WIRE_F_RESYNC)
		resync_again(f, old.seq);
	if (!tx_control(f, old.flags & WIRE_F_CTL_MASK, old.peer, old.from, old.id) && (old.flags & WIRE_F_NACK))
		tx_nack_lost(f, old.peer, old.seq, now);
}

/* Serve the part of a NACK that the ring knows. False when something asked for cannot be sent again. */
static bool ack_serve(struct ftfw *f, const struct peer *p, uint32_t from, uint32_t to, struct mono now)
{
	bool served = true;

	for (uint64_t i = resend_find_from(&f->ring, from), end = f->ring.end; i < end; i++) {
		struct resend_entry *e = resend_at(&f->ring, i);
		bool control = e->flags & WIRE_F_CTL_MASK;

		if (seq_after(e->seq, to))
			break;
		if (control && e->peer != p->id && e->peer != RESEND_TO_ALL)
			continue;
		if (e->state == RESEND_LIVE)
			ack_repeat(f, e, now);
		else if (e->state != RESEND_MOOT && !control)
			served = false;
	}
	return served;
}

void ack_got_nack(struct ftfw *f, struct peer *p, const struct wire_hdr *hdr, struct mono now)
{
	uint32_t from = hdr->from, to = hdr->to;
	bool served;

	f->base.stats.nack_recv++;
	if (!clip_sent(f, p, &from, &to, now))
		return;
	p->ack_heard = now;
	ack_confirm(f, p, from, now);
	served = !seq_before(from, f->ring.base);
	if (!ack_serve(f, p, from, to, now))
		served = false;
	bulk_nacked(f);
	if (served) {
		ack_hold(p, hdr->seq, HOLD_QUEUE, f->repair.tail);
		return;
	}
	f->base.stats.unrepairable++;
	ack_hold(p, hdr->seq, HOLD_EVER, 0);
	bulk_request(f, p, now);
}

void ack_check_hole(struct ftfw *f, struct peer *p, struct mono now)
{
	if (!mono_is_set(p->hole_since) || sync_within(p->hole_since, FTFW_HOLE_MS, now))
		return;
	p->hole_since = (struct mono){ 0 };
	for (uint64_t i = p->nack_place; i < f->ring.end; i++) {
		struct resend_entry *e = resend_at(&f->ring, i);

		if (!seq_before(e->seq, p->ack_high))
			break;
		if (e->state == RESEND_LIVE && (e->flags & WIRE_F_NACK) && e->peer == p->id)
			tx_settle(f, e, RESEND_LOST, now);
	}
}

/* A message that later ACKs have passed over for long, though no NACK asked for it: the ACK for it got lost where
 * nobody repeats it (a peer that picked up our numbers anew). Without this its flow would stay here for good. NACK and
 * RESYNC are left out: being passed over is how they are refused. */
void ack_check_stuck(struct ftfw *f, struct mono now)
{
	struct resend_entry *oldest = resend_oldest(&f->ring);
	uint64_t end = f->ring.end;

	if (!f->ack_seen || !oldest || !seq_before(oldest->seq, f->ack_high)) {
		f->stuck_at = (struct mono){ 0 };
		return;
	}
	if (!mono_is_set(f->stuck_at)) {
		f->stuck_at = mono_add_ms(now, FTFW_STUCK_MS);
		f->stuck_high = f->ack_high;
		return;
	}
	if (mono_before(now, f->stuck_at))
		return;
	for (uint64_t i = f->ring.live; i < end; i++) {
		struct resend_entry *e = resend_at(&f->ring, i);

		if (!seq_before(e->seq, f->stuck_high))
			break;
		if (e->state == RESEND_LIVE && !(e->flags & (WIRE_F_NACK | WIRE_F_RESYNC)))
			ack_repeat(f, e, now);
	}
	f->stuck_at = mono_add_ms(now, FTFW_STUCK_MS);
	f->stuck_high = f->ack_high;
}
