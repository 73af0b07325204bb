/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NOTRACK: each change is sent once, and nothing is acknowledged (doc/protocol.md section 10). What
 * gets lost is noticed by the numbers and repaired by a full send, see notrack_proof.c.
 *
 * A round sends: RESYNC, live changes, then the full send as its pace allows, and behind it
 * "complete"; ALIVE when nothing else left for a second. A full send is one walk over the table,
 * from its beginning to its end. Whoever asks while it is under way is served by another one after
 * it; those who ask often wait, so a flood of requests keeps one walk going, no more.
 *
 * "Complete" names the number with which the walk began. Live changes go first, so when it leaves
 * no flow waits in the queue: whoever has received every message since that number has everything.
 * It is an ALIVE with two numbers that 1.4.x skips, and it is never sent by 1.4.x.
 *
 * While our cache is incomplete the end of a full send is not said; what is said instead, each
 * second, is that everything there is has been sent (MSG_PARTIAL). The end follows when the cache
 * is complete.
 *
 * Full sends go out as CT_NEW, which replaces: the peer may have missed the end of a life of the
 * tuple and the beginning of the next. Live changes do as well until one message of that life was
 * sent. */
#include "sync/notrack.h"

#include "sync/peer_state.h"
#include "sync/queue.h"

#define PASS_BURST	6    /* full sends in a row */
#define PASS_EVERY_MS	5000 /* after that */
#define NT_OVERTAKEN_MS 1000 /* no network holds a message back for longer while others pass */

/* ---- full send ---- */

/* Over, but our cache is incomplete: its end is not said. */
static bool pass_held(const struct notrack *n)
{
	return n->pass == PASS_OVER && !sync_whole(&n->base);
}

static void pass_start(struct notrack *n, struct mono now)
{
	walk_rewind(&n->base.walk, n->base.env);
	n->pass = PASS_WALK;
	n->since = n->base.next;
	n->pass_wait = (struct mono){ 0 };
	n->began = now;
	n->sent = n->base.stats.bulk_flows;
	n->pass_slow = n->slow_next;
	n->slow_next = 0;
	pace_set(&n->pace, n->pass_slow);
	n->base.stats.bulk_started++;
}

/* Send everything we have, slow steps slower than usual; at_once: also if that happens too often
 * (-B). */
static void nt_pass_request(struct notrack *n, uint32_t slow, bool at_once, struct mono now)
{
	if (slow > n->slow_next)
		n->slow_next = slow;
	if (n->pass == PASS_WALK && n->slow_next > n->pass_slow) {
		n->pass_slow = n->slow_next;
		pace_set(&n->pace, n->pass_slow);
	}
	if (n->pass == PASS_WALK && n->since == n->base.next)
		return; /* nothing of it has left yet */
	/* nobody has to wait for the end of one that is held */
	n->again = n->pass != PASS_NONE && !pass_held(n);
	if (n->again)
		return;
	if (at_once || log_limit_pass(&n->pass_limit, PASS_BURST, PASS_EVERY_MS, now, NULL))
		pass_start(n, now);
	else if (!mono_is_set(n->pass_wait))
		n->pass_wait = mono_add_ms(now, PASS_EVERY_MS);
}

static void notrack_bulk(struct sync *s, struct peer *p, bool at_once, struct mono now)
{
	(void)p;
	nt_pass_request((struct notrack *)s, 0, at_once, now);
}

static bool notrack_bulk_running(const struct sync *s)
{
	const struct notrack *n = (const struct notrack *)s;

	return (n->pass != PASS_NONE && !pass_held(n)) || n->again || mono_is_set(n->pass_wait);
}

static void pass_walk(struct notrack *n, struct round *r)
{
	struct sync *s = &n->base;
	uint32_t batches = ROUND_WALK;

	while (n->pass == PASS_WALK) {
		uint32_t id = walk_next(&s->walk);
		struct flow_repl *m;

		if (id == FLOW_ID_NONE) {
			if (batches-- == 0)
				return; /* nothing but dead ones: the timer goes on */
			if (walk_load(&s->walk, s->env))
				continue;
			sync_report(s, NULL, r->now, SYNC_TABLE_SENT,
				    .n = s->stats.bulk_flows - n->sent,
				    .ms = mono_diff_ms(r->now, n->began));
			n->pass = PASS_OVER;
			n->note_at = r->now;
			s->stats.bulk_done++;
			break;
		}
		m = s->env->repl(s->env->ctx, id);
		m->bits &= (uint8_t)~REPL_KNOWN;
		if (!unack_put_flow(r, id))
			return;
		m->bits |= REPL_KNOWN;
		s->stats.bulk_flows++;
		walk_done(&s->walk, s->env);
		if (s->env->is_dead(s->env->ctx, id)) /* no cache: what is sent is forgotten */
			queue_release(s, id);
	}
}

/* What is to be said of a full send that is over, and who waits for the next one. */
static void pass_put_end(struct notrack *n, struct round *r)
{
	bool held = pass_held(n);

	if (n->pass != PASS_OVER)
		return;
	if (!held &&
	    round_put_control(r, MSG_COMPLETE, 0, ROUND_TO_ALL, n->since, n->base.incarnation))
		n->pass = PASS_NONE;
	else if (held && sync_due(n->note_at, r->now) &&
		 round_put_control(r, MSG_PARTIAL, 0, ROUND_TO_ALL, n->since, n->base.incarnation))
		n->note_at = mono_add_ms(r->now, NT_NOTE_MS);
	if (n->again && (held || n->pass == PASS_NONE))
		nt_pass_request(n, 0, false, r->now);
}

/* ---- sending ---- */

static void nt_sent(struct sync *s, struct flow_repl *m, struct mono now)
{
	(void)s, (void)now;
	m->bits |= REPL_KNOWN;
}

/* That this node is active is said by an ALIVE, which tells whoever waits for a full send that its
 * request was not heard: so not before all requests are served. before: our next number when the
 * round began. */
static void nt_put_alive(struct notrack *n, struct round *r, uint32_t before)
{
	struct sync *s = &n->base;
	bool served = n->pass == PASS_NONE && !mono_is_set(n->pass_wait);

	if (served && sync_says_active(s, r->now)) {
		if (round_put_control(r, MSG_ACTIVE, 0, ROUND_TO_ALL, 0, 0))
			s->said_active = r->now;
	} else if (n->alive && n->pass != PASS_WALK && !pass_held(n) && s->next == before) {
		round_put_control(r, MSG_ALIVE, 0, ROUND_TO_ALL, 0, 0);
	}
	n->alive = false;
}

static bool notrack_transmit(struct sync *s, struct mono now)
{
	struct notrack *n = (struct notrack *)s;
	struct round r = round_begin(s, ROUND_DATAGRAMS, now);
	uint32_t before = s->next;

	if (s->ask && round_put_control(&r, MSG_RESYNC, 0, ROUND_TO_ALL, s->incarnation,
					nt_request(n->serial, n->slow, sync_mtu_note(s)))) {
		s->ask = false;
		resync_left(s, now);
	}
	if (!s->ask && unack_put_live(&r, nt_sent)) {
		uint32_t aside = pace_begin(&n->pace, &r, now);

		pass_walk(n, &r);
		pass_put_end(n, &r);
		pace_end(&n->pace, &r, aside);
		nt_put_alive(n, &r, before);
	}
	if (round_end(&r))
		n->keepalive = mono_add_ms(now, NT_KEEPALIVE_MS);
	return r.out_of_budget;
}

/* ---- receiving ---- */

static void nt_got_resync(struct notrack *n, struct peer *p, const struct message *msg,
			  struct mono now)
{
	struct nt_peer *np = &n->peer[p->id];
	uint32_t slow;
	bool ftfw = sync_is_mtu_note(msg->to); /* its acknowledgements will say so */
	bool repeated = np->serial != 0 && msg->from != 0 && msg->from == p->incarnation &&
			msg->to == np->serial;

	p->bulk_at = (struct mono){ 0 };
	np->serial = ftfw ? 0 : msg->to;
	if (msg->from != 0 && !ftfw)
		peer_mtu(&n->base, p, msg->to >> 4 & 0xf, msg->to >> 16, now);
	if (msg->from != 0)
		nt_set_incarnation(&n->base, p, msg->from, now);
	else
		nt_hint(&n->base, p, now);
	if (repeated)
		return;
	sync_report(&n->base, NULL, now, SYNC_TABLE_ASKED_FOR);
	/* Nobody acknowledges a full send, but who missed part of the last one says that this one
	 * has to be slower. */
	slow = msg->from != 0 && !ftfw ? msg->to & 0xf : 0;
	peer_asks(&n->base, p, slow > 0, now);
	nt_pass_request(n, slow < PACE_SLOWEST ? slow : PACE_SLOWEST, false, now);
}

static enum sync_verdict nt_accept(struct sync *s, struct peer *p, const struct message *msg,
				   struct cursor body, struct mono now)
{
	if (msg_is_state(msg->kind))
		return sync_digest(s, p, msg, body, false, now);
	nt_peer(s, p)->controls = true;
	if (msg->kind == MSG_ACTIVE)
		p->active_at = now;
	if (msg->kind == MSG_RESYNC)
		nt_got_resync((struct notrack *)s, p, msg, now);
	else if (msg->kind == MSG_COMPLETE || msg->kind == MSG_PARTIAL)
		nt_got_complete(s, p, msg, now);
	else if (msg->kind == MSG_ALIVE || msg->kind == MSG_ACTIVE)
		nt_got_alive(s, p, now);
	else
		peer_other_mode(s, p, &p->source[0],
				msg->kind == MSG_IN_ALARM ? SYNC_SIGN_ALARM : SYNC_SIGN_UNKNOWN,
				now);
	return SYNC_ACCEPTED;
}

/* Has the request that names a new life been overtaken by messages of that life? Then its beginning
 * was noticed without the name, just before, and numbers have been accepted since. Going back to
 * the number of the request would let what is older replace what is newer. */
static bool nt_overtaken(struct sync *s, const struct peer *p, uint32_t seq, struct mono now)
{
	const struct nt_peer *np = nt_peer(s, p);

	return np->unnamed && p->track.last != np->before &&
	       sync_within(p->contact, NT_OVERTAKEN_MS, now) && p->track.last - seq < s->late_max;
}

static enum sync_verdict notrack_recv(struct sync *s, const struct peer_addr *from,
				      const struct message *msg, struct cursor body,
				      struct mono now)
{
	struct peer *p;

	if (msg_is_refused(msg->kind) || msg->kind == MSG_ACK || msg->kind == MSG_NACK) {
		proto_stats_count(&s->stats.wire, PROTO_BAD_HEADER);
		unack_refuse(s, from, msg, false, now);
		return SYNC_REFUSED;
	}
	p = peer_known(s, from);
	if (p && msg->kind == MSG_RESYNC && msg->from != 0 && p->incarnation != 0 &&
	    msg->from != p->incarnation) {
		if (nt_overtaken(s, p, msg->seq, now)) {
			peer_heard(s, p, now);
			p->incarnation = msg->from;
			nt_missing(s, p, msg->seq, p->track.last, now);
			nt_got_resync((struct notrack *)s, p, msg, now);
			return SYNC_ACCEPTED;
		}
		/* A life of its own name: the numbers it has now are true, whatever they are. */
		p->incarnation = msg->from;
		peer_restart(s, p, msg->seq, false, now);
	}
	return unack_recv(s, from, msg, body, now);
}

/* ---- lifetime ---- */

static struct mono notrack_tick(struct sync *s, struct mono now)
{
	struct notrack *n = (struct notrack *)s;
	struct mono next;

	if (sync_due(n->pass_wait, now)) {
		n->pass_wait = (struct mono){ 0 };
		nt_pass_request(n, 0, false, now);
	}
	if (sync_due(n->keepalive, now)) {
		n->alive = true;
		n->keepalive = mono_add_ms(now, NT_KEEPALIVE_MS);
	}
	next = mono_min(n->keepalive, n->pass_wait);
	if (pass_held(n) && mono_before(now, n->note_at))
		return mono_min(next, n->note_at);
	return n->pass != PASS_NONE ? mono_min(next, mono_add_ms(now, n->pace.every_ms)) : next;
}

static void notrack_facts(const struct sync *s, const struct peer *p, struct standing_facts *f)
{
	const struct nt_peer *np = &((const struct notrack *)s)->peer[p->id];

	f->other_mode = f->other_mode || (np->said_silent && !np->controls);
	f->waiting = s->live.n;
	f->sending = ((const struct notrack *)s)->pass == PASS_WALK;
}

static int notrack_open(struct sync *s, struct mono now)
{
	struct notrack *n = (struct notrack *)s;

	pace_set(&n->pace, 0);
	n->keepalive = now; /* who is there? */
	return 0;
}

const struct sync_ops notrack_ops = {
	.name = "NOTRACK",
	.can = SYNC_ASKS | SYNC_SPEAKS,
	.resync_pause_ms = 20000,
	.size = sizeof(struct notrack),
	.open = notrack_open,
	.recv = notrack_recv,
	.tick = notrack_tick,
	.transmit = notrack_transmit,
	.bulk = notrack_bulk,
	.bulk_running = notrack_bulk_running,
	.facts = notrack_facts,
	.accept = nt_accept,
	.missing = nt_missing,
	.contact = nt_contact,
	.ask = nt_ask,
	.asked = nt_asked,
	.check = nt_check,
};
