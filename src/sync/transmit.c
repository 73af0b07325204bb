/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FTFW: what leaves in a round, in which order, under which number (doc/protocol.md sections 2.5, 3 and 7).
 *
 *   1. control messages
 *   2. live changes, as far as the ring has room
 *   3. repairs (what a NACK asked for), then the bulk walk: only when no live change waits, and only within a window of
 *      unacknowledged messages, because a thousand datagrams at once overflow the peer's socket
 *   4. the acknowledgements that had to wait for 3
 *
 * A message gets its number when it is encoded, and then is what its flow is at that moment.
 *
 * When the ring is full, live data waits for acknowledgements, which only merges more changes into each message. But not
 * longer than a peer answers: without one the oldest messages are given up, and a peer that misses them learns it from
 * a NACK that stays unacknowledged. */
#include "sync/transmit.h"

#include <errno.h>

#include "sync/ack.h"
#include "sync/bulk.h"
#include "sync/control.h"
#include "sync/peer_state.h"
#include "sync/round.h"

static uint8_t tx_hello_bits(const struct ftfw *f)
{
	return (uint8_t)((f->hello != HELLO_DONE ? WIRE_F_HELLO : 0) | (f->say_back ? WIRE_F_HELLO_BACK : 0));
}

/* A message with the next number is in the datagram. */
static uint32_t tx_numbered(struct ftfw *f)
{
	if (f->hello == HELLO_INIT)
		f->hello = HELLO_SAY;
	f->say_back = false;
	f->base.stats.sent_msgs++;
	return f->base.next++;
}

/* False when the round is over. */
static bool tx_flow(struct ftfw *f, struct round *r, uint32_t id, bool paced, struct mono now)
{
	const struct sync_env *env = f->base.env;
	struct flow_mark *m = env->mark(env->ctx, id);
	struct resend_entry e = { .id = id, .flags = tx_hello_bits(f), .state = RESEND_LIVE, .paced = paced };
	struct resend_entry *old;
	int err = round_put_flow(r, id, f->base.next, tx_hello_bits(f));

	if (err == -EAGAIN)
		return false;
	if (err < 0) {
		sync_report(&f->base, NULL, now, (struct sync_report){ .what = SYNC_TOO_LARGE });
		return true;
	}
	e.seq = tx_numbered(f);
	old = m->bits & MARK_SENT ? resend_find(&f->ring, m->seq) : NULL;
	if (old && old->state == RESEND_LIVE)
		settle(f, old, RESEND_MOOT, now);
	settle_remember(f, &e, now);
	m->seq = e.seq;
	m->bits |= MARK_SENT;
	return true;
}

/* A note has no room for HELLO, which comes first; a plain keepalive goes then. */
static int tx_put_control(struct ftfw *f, struct round *r, const struct ftfw_ctl *c, uint8_t flags)
{
	if ((c->flags & WIRE_F_ALIVE) && c->to == WIRE_NOT_WHOLE && tx_hello_bits(f) == 0)
		return round_put_complete(r, f->base.next, c->from, c->to);
	return round_put_control(r, flags, f->base.next, c->from, c->to);
}

static bool tx_resync(struct ftfw *f, struct round *r, struct mono now)
{
	struct resend_entry e = {
		.from = f->base.life, .peer = RESEND_TO_ALL, .flags = WIRE_F_RESYNC | tx_hello_bits(f), .state = RESEND_LIVE,
	};

	if (round_put_control(r, e.flags, f->base.next, e.from, sync_mtu_note(&f->base)) < 0)
		return false;
	f->base.ask = false;
	e.seq = tx_numbered(f);
	settle_remember(f, &e, now);
	resync_left(&f->base, now);
	return true;
}

static bool tx_controls(struct ftfw *f, struct round *r, struct mono now)
{
	while (f->ctl_head != f->ctl_tail) {
		struct ftfw_ctl c = f->ctl[f->ctl_head % FTFW_CTL_MAX];
		struct resend_entry e = {
			.id = c.to, .from = c.from, .peer = c.peer, .flags = c.flags | tx_hello_bits(f),
			.state = RESEND_LIVE,
		};

		if (c.flags != 0 && tx_put_control(f, r, &c, e.flags) < 0)
			return false;
		f->ctl_head++;
		if (c.flags == 0)	/* its peer has begun a new life */
			continue;
		e.seq = tx_numbered(f);
		if (!(c.flags & WIRE_F_ALIVE))
			settle_remember(f, &e, now);
	}
	if (f->base.ask && !tx_resync(f, r, now))
		return false;
	for (; f->alive_burst > 0; f->alive_burst--) {
		if (round_put_control(r, WIRE_F_ALIVE | tx_hello_bits(f), f->base.next, 0, 0) < 0)
			return false;
		tx_numbered(f);
	}
	return true;
}

/* Is there room in the ring for one more state message? */
static bool tx_room(struct ftfw *f, struct mono now)
{
	f->holding = false;
	while (f->ring.n_live >= f->ring_max) {
		if (sync_within(f->progress, FTFW_HOLD_MS, now) && peer_any_alive(&f->base, now)) {
			f->holding = true;
			return false;
		}
		settle_give_up(f, now);
	}
	return true;
}

/* The flow is out of its queue and sent, or cannot be sent at all. */
static void tx_unqueue(struct ftfw *f, struct txq *q, uint32_t id)
{
	const struct sync_env *env = f->base.env;
	struct flow_mark *m = env->mark(env->ctx, id);

	txq_pop(q);
	m->bits &= (uint8_t)~(MARK_QUEUED | MARK_BULK);
	if (!(m->bits & MARK_SENT) && env->is_dead(env->ctx, id))
		settle_release(f, id);
}

static bool tx_live(struct ftfw *f, struct round *r, struct mono now)
{
	uint32_t id;

	f->holding = false;
	while ((id = txq_first(&f->live)) != FLOW_ID_NONE) {
		if (!tx_room(f, now))
			return false;
		if (!tx_flow(f, r, id, false, now))
			return false;
		tx_unqueue(f, &f->live, id);
	}
	return true;
}

static bool tx_repairs(struct ftfw *f, struct round *r, struct mono now)
{
	uint32_t id;

	while ((id = txq_first(&f->repair)) != FLOW_ID_NONE) {
		if (!bulk_window_open(f) || !tx_flow(f, r, id, true, now))
			return false;
		tx_unqueue(f, &f->repair, id);
	}
	return true;
}

static bool tx_bulk(struct ftfw *f, struct round *r, struct mono now)
{
	uint32_t id;

	while (bulk_window_open(f) && (id = bulk_next(f, now)) != FLOW_ID_NONE) {
		if (!tx_flow(f, r, id, true, now))
			return false;
		f->base.stats.bulk_flows++;
		bulk_sent(f);
	}
	return true;
}

/* What must not overtake live changes, and the acknowledgements that wait for it. */
static void tx_paced(struct ftfw *f, struct round *r, struct mono now)
{
	if (tx_repairs(f, r, now))
		tx_bulk(f, r, now);
	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		bulk_queue_passed(f, &f->peer[i]);
		if (f->peer[i].holds.n > 0)
			ack_release(f, &f->base.peer[i]);
	}
}

bool ftfw_transmit(struct sync *s, struct mono now)
{
	struct ftfw *f = (struct ftfw *)s;
	struct round r = round_begin(s->env, ROUND_DATAGRAMS);

	f->walk_left = ROUND_WALK;
	for (unsigned int i = 0; i < PEERS_MAX; i++)
		if (f->peer[i].ack_soon)
			ack_flush(f, &f->base.peer[i]);
	if (tx_controls(f, &r, now) && tx_live(f, &r, now)) {
		tx_paced(f, &r, now);
		tx_controls(f, &r, now);
	}
	round_close(&r);
	if (r.any) {
		s->env->flush(s->env->ctx);
		f->keepalive = mono_add_ms(now, FTFW_KEEPALIVE_MS);
	}
	return r.out_of_budget || f->walk_left == 0;
}
