/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FTFW: what leaves in a round, in which order, under which number (doc/protocol.md sections 2.5, 3
 * and 7).
 *
 *   1. control messages
 *   2. live changes, as far as the ring has room
 *   3. repairs (what a NACK asked for), then the bulk walk: only when no live change waits, and
 *      only within a window of unacknowledged messages, because a thousand datagrams at once
 *      overflow the peer's socket
 *   4. the acknowledgements that had to wait for 3
 *
 * A message gets its number when it is encoded, and then is what its flow is at that moment.
 *
 * When the ring is full, live data waits for acknowledgements, which only merges more changes into
 * each message. But not longer than a peer answers: without one the oldest messages are given up,
 * and a peer that misses them learns it from a NACK that stays unacknowledged. */
#include "sync/transmit.h"

#include <errno.h>

#include "sync/ack.h"
#include "sync/bulk.h"
#include "sync/control.h"
#include "sync/peer_state.h"
#include "sync/queue.h"
#include "sync/round.h"

static uint8_t tx_hello_bits(const struct ftfw *f)
{
	return (uint8_t)((f->hello != HELLO_DONE ? MSG_HELLO : 0) |
			 (f->say_back ? MSG_HELLO_BACK : 0));
}

/* A message with the last number is in the datagram. */
static uint32_t tx_said(struct ftfw *f)
{
	if (f->hello == HELLO_INIT)
		f->hello = HELLO_SAY;
	f->say_back = false;
	return f->base.next - 1;
}

/* False when the round is over. */
static bool tx_flow(struct ftfw *f, struct round *r, uint32_t id, bool paced)
{
	struct flow_repl *m = f->base.env->repl(f->base.env->ctx, id);
	struct resend_entry e = { .id = id,
				  .kind = MSG_FLOW,
				  .hello = tx_hello_bits(f) & 3u,
				  .state = RESEND_LIVE,
				  .paced = paced };
	struct resend_entry *old;
	int err = round_put_flow(r, id, e.hello);

	if (err < 0)
		return err != -EAGAIN;
	e.seq = tx_said(f);
	old = m->bits & REPL_SENT ? resend_find(&f->ring, m->seq) : NULL;
	if (old && old->state == RESEND_LIVE)
		settle(f, old, RESEND_MOOT, r->now);
	settle_remember(f, &e, r->now);
	m->seq = e.seq;
	m->bits |= REPL_SENT;
	return true;
}

static bool tx_control(struct ftfw *f, struct round *r, const struct ftfw_ctl *c)
{
	struct resend_entry e = {
		.id = c->to,
		.from = c->from,
		.peer = c->peer,
		.kind = c->kind & 0x3fu,
		.hello = tx_hello_bits(f) & 3u,
		.state = RESEND_LIVE,
	};

	if (!round_put_control(r, (enum msg_kind)c->kind, e.hello, c->peer, c->from, c->to))
		return false;
	e.seq = tx_said(f);
	if (msg_is_kept(c->kind))
		settle_remember(f, &e, r->now);
	return true;
}

static bool tx_resync(struct ftfw *f, struct round *r)
{
	struct ftfw_ctl c = { .kind = MSG_RESYNC,
			      .peer = RESEND_TO_ALL,
			      .from = f->base.incarnation,
			      .to = sync_mtu_note(&f->base) };

	if (!tx_control(f, r, &c))
		return false;
	f->base.ask = false;
	resync_left(&f->base, r->now);
	return true;
}

static bool tx_controls(struct ftfw *f, struct round *r)
{
	static const struct ftfw_ctl alive = { .kind = MSG_ALIVE, .peer = RESEND_TO_ALL };

	for (; f->ctl_head != f->ctl_tail; f->ctl_head++) {
		const struct ftfw_ctl *c = &f->ctl[f->ctl_head % FTFW_CTL_MAX];

		if (c->kind != MSG_NONE && !tx_control(f, r, c))
			return false;
	}
	if (f->base.ask && !tx_resync(f, r))
		return false;
	for (; f->alive_burst > 0; f->alive_burst--)
		if (!tx_control(f, r, &alive))
			return false;
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

static bool tx_queue(struct ftfw *f, struct round *r, struct txq *q, bool paced)
{
	uint32_t id;

	f->holding = false;
	while ((id = txq_first(q)) != FLOW_ID_NONE) {
		if (paced ? !bulk_window_open(f) : !tx_room(f, r->now))
			return false;
		if (!tx_flow(f, r, id, paced))
			return false;
		queue_leave(&f->base, q, f->base.env->repl(f->base.env->ctx, id), id);
	}
	return true;
}

static bool tx_bulk(struct ftfw *f, struct round *r)
{
	uint32_t id;

	while (bulk_window_open(f) && (id = bulk_next(f, r->now)) != FLOW_ID_NONE) {
		if (!tx_flow(f, r, id, true))
			return false;
		f->base.stats.bulk_flows++;
		walk_done(&f->base.walk, f->base.env);
	}
	return true;
}

/* What must not overtake live changes, and the acknowledgements that wait for it. */
static void tx_paced(struct ftfw *f, struct round *r)
{
	if (tx_queue(f, r, &f->base.repair, true))
		tx_bulk(f, r);
	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		bulk_queue_passed(f, &f->peer[i]);
		if (f->peer[i].holds.n > 0)
			ack_release(f, &f->base.peer[i]);
	}
}

bool ftfw_transmit(struct sync *s, struct mono now)
{
	struct ftfw *f = (struct ftfw *)s;
	struct round r = round_begin(s, ROUND_DATAGRAMS, now);

	f->walk_left = ROUND_WALK;
	for (unsigned int i = 0; i < PEERS_MAX; i++)
		if (f->peer[i].ack_soon)
			ack_flush(f, &f->base.peer[i]);
	if (tx_controls(f, &r) && tx_queue(f, &r, &s->live, false)) {
		tx_paced(f, &r);
		tx_controls(f, &r);
	}
	if (round_end(&r))
		f->keepalive = mono_add_ms(now, FTFW_KEEPALIVE_MS);
	return r.out_of_budget || f->walk_left == 0;
}
