/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sending: what leaves in a round, in which order, under which number (doc/protocol.md sections 2.5, 3 and 7).
 *
 *   1. control messages
 *   2. live changes, as far as the ring has room
 *   3. repairs (what a NACK asked for), then the bulk walk: only when no live change waits, and only within a window of
 *      unacknowledged messages, because a thousand datagrams at once overflow the peer's socket
 *   4. the acknowledgements that had to wait for 3
 *
 * A message gets its number when it is encoded, and then is what its flow is at that moment. So a flow has at most one
 * live entry in the ring: sending it again makes the older entry moot. The mark of a flow tells where it stands:
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
 * Invariant: a dead flow is QUEUED or SENT until release() is called for it, which is done once.
 *
 * When the ring is full, live data waits for acknowledgements, which only merges more changes into each message. But not
 * longer than a peer answers: without one the oldest messages are given up, and a peer that misses them learns it from
 * a NACK that stays unacknowledged. */
#include <errno.h>
#include <inttypes.h>

#include "sync/ftfw.h"
#include "sync/round.h"

/* ---- settling ---- */

static void tx_release(struct ftfw *f, uint32_t id)
{
	bulk_scrub(f, id);
	f->base.env->release(f->base.env->ctx, id);
}

void tx_nack_lost(struct ftfw *f, uint8_t peer, uint32_t seq, struct mono now)
{
	struct peer *p = &f->peer[peer];

	if (p->nacks_out > 0)
		p->nacks_out--;
	/* What was missing before a RESYNC comes with its answer. */
	if (p->rs.state != RS_ASKED || !p->rs.sent || seq_after(seq, p->rs.seq))
		resync_want(f, p, now);
}

static void tx_settle_flow(struct ftfw *f, const struct resend_entry *e, enum resend_state state)
{
	const struct sync_env *env = f->base.env;
	struct flow_mark *m = env->mark(env->ctx, e->id);

	if (!(m->bits & MARK_SENT) || m->seq != e->seq)
		return;
	m->bits &= (uint8_t)~MARK_SENT;
	if (m->bits & MARK_QUEUED)
		return;	/* what was sent is not what it is now */
	/* 1.4.x acknowledges across what it missed of the messages with HELLO. */
	if (state == RESEND_ACKED && !(e->flags & WIRE_F_HELLO))
		m->bits |= MARK_KNOWN;
	if (state != RESEND_MOOT && env->is_dead(env->ctx, e->id))
		tx_release(f, e->id);
}

void tx_settle(struct ftfw *f, struct resend_entry *e, enum resend_state state, struct mono now)
{
	struct resend_entry old = *e;

	resend_settle(&f->ring, e, state);
	if (!(old.flags & WIRE_F_CTL_MASK)) {
		tx_settle_flow(f, &old, state);
	} else if ((old.flags & WIRE_F_NACK) && state == RESEND_LOST) {
		tx_nack_lost(f, old.peer, old.seq, now);
	} else if ((old.flags & WIRE_F_NACK) && state == RESEND_ACKED) {
		if (f->peer[old.peer].nacks_out > 0)
			f->peer[old.peer].nacks_out--;
	}
}

static void tx_give_up(struct ftfw *f, struct mono now)
{
	f->base.stats.ring_overflow++;
	ftfw_log(f, &f->overflow_log, now, LOG_LVL_WARNING,
		 "resend queue full, %" PRIu64 " unacknowledged messages given up so far", f->base.stats.ring_overflow);
	tx_settle(f, resend_oldest(&f->ring), RESEND_LOST, now);
}

/* ---- queueing ---- */

bool tx_control(struct ftfw *f, uint8_t flags, uint8_t peer, uint32_t from, uint32_t to)
{
	if (f->ctl_tail - f->ctl_head == FTFW_CTL_MAX)
		return false;
	f->ctl[f->ctl_tail++ % FTFW_CTL_MAX] = (struct ftfw_ctl){
		.flags = flags, .peer = peer, .from = from, .to = to,
	};
	return true;
}

static void tx_remember(struct ftfw *f, const struct resend_entry *e, struct mono now)
{
	while (resend_full(&f->ring))
		tx_give_up(f, now);
	resend_push(&f->ring, e);
}

/* No memory to queue a flow. Its state reaches the peers by a bulk send; if it is dead that would not tell, so a number
 * is used for nothing: peers miss it, cannot get it, and ask for everything. */
static void tx_no_memory(struct ftfw *f, uint32_t id, struct mono now)
{
	const struct sync_env *env = f->base.env;
	struct resend_entry burnt = { .seq = f->next++, .id = FLOW_ID_NONE, .state = RESEND_LOST };

	f->base.stats.ring_overflow++;
	tx_remember(f, &burnt, now);
	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++)
		if (f->peer[i].used)
			bulk_request(f, &f->peer[i], now);
	if (env->is_dead(env->ctx, id) && !(env->mark(env->ctx, id)->bits & MARK_SENT))
		tx_release(f, id);
}

static void tx_queue(struct ftfw *f, struct flow_mark *m, uint32_t id, bool paced, struct mono now)
{
	if (txq_push(paced ? &f->repair : &f->live, id, &m->qpos) < 0) {
		m->bits &= (uint8_t)~(MARK_QUEUED | MARK_BULK);
		tx_no_memory(f, id, now);
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
	tx_queue(f, m, id, false, now);
}

void tx_repair(struct ftfw *f, uint32_t id, struct mono now)
{
	struct flow_mark *m = f->base.env->mark(f->base.env->ctx, id);

	if (!(m->bits & MARK_QUEUED))
		tx_queue(f, m, id, true, now);
}

/* ---- room in the table ---- */

#define ROOM_LOOK 1024	/* flows in the queue looked at for one that has ended */

static void tx_say_room(struct ftfw *f, struct mono now)
{
	f->base.stats.given_up_dead++;
	ftfw_log(f, &f->room_log, now, LOG_LVL_WARNING, "the internal cache is full, and part of it are flows that have ended "
		 "and whose end no peer has acknowledged: %" PRIu64 " of these messages given up so far; peers that miss them "
		 "ask for everything", f->base.stats.given_up_dead);
}

/* The oldest that was sent. A flow whose entry the search has passed was alive then; its end comes behind. */
static bool tx_give_up_sent(struct ftfw *f, struct mono now)
{
	const struct sync_env *env = f->base.env;

	if (f->dead_place < f->ring.live)
		f->dead_place = f->ring.live;
	for (; f->dead_place < f->ring.end; f->dead_place++) {
		struct resend_entry *e = resend_at(&f->ring, f->dead_place);

		if (e->state != RESEND_LIVE || (e->flags & WIRE_F_CTL_MASK) || flow_id_is_expect(e->id) ||
		    !env->is_dead(env->ctx, e->id) || (env->mark(env->ctx, e->id)->bits & MARK_QUEUED))
			continue;
		tx_say_room(f, now);
		tx_settle(f, e, RESEND_LOST, now);
		return true;
	}
	return false;
}

/* One that waits to be sent: a number is used for nothing, so that the peers miss it. */
static bool tx_give_up_queued(struct ftfw *f, struct mono now)
{
	const struct sync_env *env = f->base.env;
	struct txq *q = &f->live;

	for (uint32_t i = q->head; i != q->tail && i - q->head < ROOM_LOOK; i++) {
		uint32_t id = q->id[i & (q->cap - 1)];

		if (id == FLOW_ID_NONE || flow_id_is_expect(id) || !env->is_dead(env->ctx, id))
			continue;
		ftfw_forget(&f->base, id);
		tx_say_room(f, now);
		tx_no_memory(f, id, now);
		return true;
	}
	return false;
}

bool ftfw_make_room(struct sync *s, struct mono now)
{
	struct ftfw *f = (struct ftfw *)s;

	return tx_give_up_sent(f, now) || tx_give_up_queued(f, now);
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
	bulk_scrub(f, id);
	m->bits = 0;
}

/* ---- a round ---- */

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
	return f->next++;
}

/* False when the round is over. */
static bool tx_flow(struct ftfw *f, struct round *r, uint32_t id, bool paced, struct mono now)
{
	const struct sync_env *env = f->base.env;
	struct flow_mark *m = env->mark(env->ctx, id);
	struct resend_entry e = { .id = id, .flags = tx_hello_bits(f), .state = RESEND_LIVE, .paced = paced };
	struct resend_entry *old;
	int err = round_put_flow(r, id, f->next, tx_hello_bits(f));

	if (err == -EAGAIN)
		return false;
	if (err < 0) {
		ftfw_log(f, &f->overflow_log, now, LOG_LVL_ERROR, "a flow does not fit into a datagram of this MTU");
		return true;
	}
	e.seq = tx_numbered(f);
	old = m->bits & MARK_SENT ? resend_find(&f->ring, m->seq) : NULL;
	if (old && old->state == RESEND_LIVE)
		tx_settle(f, old, RESEND_MOOT, now);
	tx_remember(f, &e, now);
	m->seq = e.seq;
	m->bits |= MARK_SENT;
	return true;
}

/* A note has no room for HELLO, which comes first; a plain keepalive goes then. */
static int tx_put_control(struct ftfw *f, struct round *r, const struct ftfw_ctl *c, uint8_t flags)
{
	if ((c->flags & WIRE_F_ALIVE) && c->to == WIRE_NOT_WHOLE && tx_hello_bits(f) == 0)
		return round_put_complete(r, f->next, c->from, c->to);
	return round_put_control(r, flags, f->next, c->from, c->to);
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
		if (c.flags & WIRE_F_RESYNC)
			resync_sent(f, e.seq, e.flags & WIRE_F_HELLO);
		if (!(c.flags & WIRE_F_ALIVE))
			tx_remember(f, &e, now);
	}
	for (; f->alive_burst > 0; f->alive_burst--) {
		if (round_put_control(r, WIRE_F_ALIVE | tx_hello_bits(f), f->next, 0, 0) < 0)
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
		if (sync_within(f->progress, FTFW_HOLD_MS, now) && peer_any_alive(f, now)) {
			f->holding = true;
			return false;
		}
		tx_give_up(f, now);
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
		tx_release(f, id);
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
	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++)
		if (f->peer[i].n_holds > 0)
			ack_release(f, &f->peer[i], HOLD_QUEUE);
}

bool ftfw_transmit(struct sync *s, struct mono now)
{
	struct ftfw *f = (struct ftfw *)s;
	struct round r = round_begin(s->env, ROUND_DATAGRAMS);

	f->walk_left = ROUND_WALK;
	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++)
		if (f->peer[i].ack_soon)
			ack_flush(f, &f->peer[i]);
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
