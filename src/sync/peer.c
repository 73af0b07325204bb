/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is speaking: peers by source address, and their lives, in all modes.
 *
 * A node has one number sequence over all its links, so a new address on another link whose numbers
 * continue those of a known peer is that peer. A peer's *life* begins with its first message, or
 * with what its mode takes for a restart (ftfw_recv.c: HELLO; notrack.c: another name of its life),
 * or where its numbers do not fit any more (track.c).
 *
 * A node that comes back with another address, or over its other link before it was missed, cannot
 * be told from a third one at once. It is told later: two addresses that give their life the same
 * name are one node; so are one that has fallen silent and the only one that was never heard beside
 * it. The one that is alive is the *heir*: its full answer counts for what the other one told, and
 * then the place of that is free. */
#include "sync/peer.h"

#include "sync/mode.h"

/* without acknowledgements: not heard for so long, it was away */
#define PEER_BACK_MS   2500
#define PEER_SLACK_MS  300   /* so late may be what is repeated, on a link that is well */
#define PEER_HEIR_MS   10000 /* one that is silent for this long may have an heir */
#define PEER_SPEAKS_MS 1500  /* a node says something every second */
#define PEER_BESIDE_MS 3000  /* two addresses that both do for this long are two nodes */
/* a 1.4.x may be asked three times before what it does not tell goes (node/stale.c) */
#define PEER_OLD_MS  120000
#define PEER_GONE_MS 60000 /* the place of a peer silent for this long may be taken */

bool peer_any_alive(const struct sync *s, struct mono now)
{
	return peer_others(s, NULL, PEER_ALIVE_MS, now);
}

bool peer_others(const struct sync *s, const struct peer *p, int64_t ms, struct mono now)
{
	for (const struct peer *q = NULL; (q = peer_next(s, q));)
		if (q != p && !q->heir && sync_within(q->heard, ms, now))
			return true;
	return false;
}

/* ---- a new address ---- */

static bool peer_on_link(const struct peer *p, uint8_t link)
{
	for (unsigned int i = 0; i < p->n_sources; i++)
		if (p->source[i].link == link)
			return true;
	return false;
}

/* Could this message, from an address nobody knows, be from p on another link? Its numbers tell, if
 * it is the same life. When p is all we know and has fallen silent, the pair has moved to its other
 * link: also after a restart, or with so much lost that the numbers tell nothing. Taking it for a
 * third node would keep what p had told us for ever. */
static bool peer_could_be(const struct sync *s, const struct peer *p, const struct peer_addr *from,
			  const struct message *msg, struct mono now)
{
	if (p->n_sources == SYNC_SOURCES || peer_on_link(p, from->link))
		return false;
	if ((p->in_hello || !(msg->hello & MSG_HELLO)) &&
	    msg->seq - p->track.last - 1 <= s->continue_max)
		return true;
	return s->n_peers == 1 && !peer_alive(p, now);
}

/* The one peer that could have moved to this link. Two candidates are no answer. */
static struct peer *peer_moved(struct sync *s, const struct peer_addr *from,
			       const struct message *msg, struct mono now)
{
	struct peer *found = NULL;

	for (struct peer *p = NULL; (p = peer_next(s, p));) {
		if (!peer_could_be(s, p, from, msg, now))
			continue;
		if (found)
			return NULL;
		found = p;
	}
	return found;
}

/* A free place, or that of the peer that has been silent longest, if long enough. */
static struct peer *peer_place(struct sync *s, struct mono now)
{
	struct peer *oldest = NULL;

	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		struct peer *p = &s->peer[i];

		if (!p->used)
			return p;
		if (!oldest || mono_before(p->heard, oldest->heard))
			oldest = p;
	}
	return sync_within(oldest->heard, PEER_GONE_MS, now) ? NULL : oldest;
}

/* ---- lives ---- */

/* It is new, began anew, or is back. What it was does not count for bulk_at: it may be a 1.4.x now,
 * whose first messages, its RESYNC among them, were taken for late ones of the life before. */
void peer_begins(struct sync *s, struct peer *p, bool fresh, struct mono now)
{
	p->contact = now;
	p->asks.n = 0;
	if (sync_does(s, SYNC_ASKS))
		p->bulk_at = mono_add_ms(now, PEER_BULK_MS);
	if (s->ops->contact)
		s->ops->contact(s, p, fresh, now);
	if (s->env->peer_begins)
		s->env->peer_begins(s->env->ctx, p->id);
}

void peer_asks(struct sync *s, struct peer *p, bool again, struct mono now)
{
	if (!again || !sync_within(p->asks.last, PEER_ASKS_MS, now)) {
		p->asks.first = now;
		p->asks.n = 0;
	}
	p->asks.n++;
	p->asks.last = now;
	if (s->env->peer_asks)
		s->env->peer_asks(s->env->ctx, p->id);
}

bool sync_peers_are_ours(const struct sync *s)
{
	for (const struct peer *p = NULL; (p = peer_next(s, p));)
		if (p->incarnation == 0)
			return false;
	return true;
}

/* The numbers begin anew with seq. What is known of the network stays. */
static void numbers_begin(struct track *t, uint32_t seq)
{
	struct track fresh = {
		.last = seq - 1,
		.reorder = t->reorder,
		.wait_ms = t->wait_ms,
		.jitter = t->jitter,
	};

	reorder_clear(&fresh.reorder);
	*t = fresh;
}

void peer_restart(struct sync *s, struct peer *p, uint32_t seq, bool hello, struct mono now)
{
	s->stats.restarts++;
	numbers_begin(&p->track, seq);
	p->in_hello = hello;
	peer_pass(p, s->conf->cache_timeout_s, now);
	peer_begins(s, p, false, now);
}

/* The place of p is free, for another one. */
static void peer_clear(struct sync *s, struct peer *p)
{
	struct peer fresh = { .id = p->id };

	if (s->ops->gone)
		s->ops->gone(s, p);
	reorder_free(&p->track.reorder);
	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		if (s->peer[i].heir == p)
			s->peer[i].heir = NULL;
		s->peer[i].with &= ~(1u << fresh.id);
		s->peer[i].beside[fresh.id] = (struct mono){ 0 };
	}
	s->n_peers -= p->used;
	*p = fresh;
}

static struct peer *peer_add(struct sync *s, const struct peer_addr *from,
			     const struct message *msg, struct mono now)
{
	struct peer *p = peer_place(s, now);

	if (!p) {
		s->stats.peers_refused++;
		return NULL;
	}
	peer_clear(s, p);
	s->n_peers++;
	p->used = true;
	p->heard = now;
	p->source[p->n_sources++] = *from;
	sync_name_of(s, from, p->name);
	p->in_hello = msg->hello & MSG_HELLO;
	peer_pass(p, s->conf->refresh_s, now);
	numbers_begin(&p->track, msg->seq);
	sync_report(s, p, now, SYNC_PEER_NEW);
	peer_begins(s, p, true, now);
	if (s->n_peers > 1 && sync_does(s, SYNC_ACKS))
		sync_report(s, NULL, now, SYNC_PEERS_MANY);
	return p;
}

struct peer *peer_find(struct sync *s, const struct peer_addr *from, const struct message *msg,
		       bool add, struct mono now)
{
	struct peer *p = peer_known(s, from);

	if (p || !add)
		return p;
	p = peer_moved(s, from, msg, now);
	if (!p)
		return peer_add(s, from, msg, now);
	p->source[p->n_sources++] = *from;
	return p;
}

void peer_heard(struct sync *s, struct peer *p, struct mono now)
{
	bool back =
		p->heir || (!sync_does(s, SYNC_ACKS) && !sync_within(p->heard, PEER_BACK_MS, now));

	s->stats.recv_msgs++;
	if (p->standing.state == STANDING_SILENT)
		p->look_at = (struct mono){ 0 }; /* at once: how long it was is said */
	/* Whatever it has told of would have been repeated: it was away, and its numbers may go on
	 * where they ended. */
	if (back && sync_does(s, SYNC_EXPIRES) &&
	    !sync_within(p->heard, ((int64_t)s->conf->refresh_s + 1) * 1000 + PEER_SLACK_MS, now))
		peer_pass(p, s->conf->cache_timeout_s, now);
	p->heard = now;
	p->heir = NULL; /* so they are two */
	if (back)
		peer_begins(s, p, false, now);
}

/* ---- heirs ---- */

static void peer_are_two(struct peer *p, struct peer *q)
{
	p->with |= 1u << q->id;
	q->with |= 1u << p->id;
}

/* Also of what still waits for its turn. */
static uint32_t peer_highest(const struct peer *p)
{
	return p->track.reorder.n > 0 ? p->track.high : p->track.last;
}

/* Could the two be one node that goes to and fro between its addresses? It has one sequence of
 * numbers: the address heard last has the higher one. Of two nodes the one with the lower numbers
 * is heard last before long. */
static bool peer_in_turn(const struct peer *p, const struct peer *q)
{
	uint32_t ahead = peer_highest(q) - peer_highest(p);

	if (mono_before(p->heard, q->heard))
		return (int32_t)ahead > 0;
	return mono_before(q->heard, p->heard) && (int32_t)ahead < 0;
}

/* Who is heard beside p? A node that changes its address is heard at both for a moment only. */
static void peer_beside(struct sync *s, struct peer *p, struct mono now)
{
	for (struct peer *q = NULL; (q = peer_next(s, q));) {
		struct mono *since = &p->beside[q->id];

		if (q == p || !sync_within(p->heard, PEER_SPEAKS_MS, now) ||
		    !sync_within(q->heard, PEER_SPEAKS_MS, now))
			*since = (struct mono){ 0 };
		else if (!mono_is_set(*since))
			*since = now;
		else if (!sync_within(*since, PEER_BESIDE_MS, now) && !peer_in_turn(p, q))
			peer_are_two(p, q);
	}
}

static bool peer_never_beside(const struct peer *p, const struct peer *q)
{
	return p != q && !(p->with & (1u << q->id));
}

static void peer_inherit(struct sync *s, struct peer *p, struct peer *heir, struct mono now)
{
	p->heir = heir;
	p->inherited = 0;
	p->rs.state = RS_IDLE;
	p->bulk_at = (struct mono){ 0 };
	if (s->ops->gone)
		s->ops->gone(s, p);
	sync_report(s, heir, now, SYNC_PEER_MOVED, .was = p->name);
	resync_need(s, heir, now);
}

void peer_set_incarnation(struct sync *s, struct peer *p, uint32_t incarnation, struct mono now)
{
	p->incarnation = incarnation;
	for (struct peer *q = NULL; incarnation != 0 && (q = peer_next(s, q));)
		if (q != p && q->incarnation == incarnation && q->heir != p)
			peer_inherit(s, q, p, now);
}

/* The only one that p may have become, if p is the only one that it may have been. */
static struct peer *peer_heir(struct sync *s, const struct peer *p, struct mono now)
{
	struct peer *heir = NULL;

	for (struct peer *q = NULL; (q = peer_next(s, q));) {
		if (!peer_never_beside(p, q) || !peer_alive(q, now))
			continue;
		if (heir)
			return NULL;
		heir = q;
	}
	for (const struct peer *r = NULL; heir && (r = peer_next(s, r));)
		if (r != p && peer_never_beside(r, heir) && (r->with & (1u << p->id)))
			return NULL;
	return heir;
}

static void peer_check_heir(struct sync *s, struct peer *p, struct mono now)
{
	struct peer *heir;

	peer_beside(s, p, now);
	if (p->heir && p->inherited > 0 &&
	    (p->heir->incarnation != 0 || !sync_within(p->heard, PEER_OLD_MS, now)))
		peer_clear(s, p);
	if (!p->used || sync_within(p->heard, PEER_HEIR_MS, now) ||
	    (p->heir && peer_alive(p->heir, now)))
		return;
	heir = peer_heir(s, p, now);
	if (heir && heir != p->heir)
		peer_inherit(s, p, heir, now);
}

struct mono peer_tick(struct sync *s, struct mono now)
{
	struct mono next = { 0 };

	for (struct peer *p = NULL; (p = peer_next(s, p));) {
		if (s->n_peers > 1 && sync_does(s, SYNC_ASKS))
			peer_check_heir(s, p, now);
		if (sync_due(p->bulk_at, now)) {
			p->bulk_at = (struct mono){ 0 };
			s->ops->bulk(s, p, false, now);
		}
		next = mono_min(next, p->bulk_at);
	}
	return next;
}

void peer_free_all(struct sync *s)
{
	for (unsigned int i = 0; i < PEERS_MAX; i++)
		reorder_free(&s->peer[i].track.reorder);
}
