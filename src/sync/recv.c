/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Receiving: is it for us, is it its turn, what does it say (doc/protocol.md sections 5.2 and "number tracking").
 *
 * Messages of a peer are digested strictly in the order of their numbers, each number once:
 *
 *   number               action
 *   last + 1             digest, then whatever waited behind it
 *   up to 128 ahead      keep for at most 10 ms; then NACK what is missing and go on behind the gap
 *   farther              the gap is loss: NACK, go on
 *   farther than loss    suspicious: dropped, until three such messages continue each other
 *   before               old or twice: dropped, counted
 *
 * A number is used up by being passed, also when the message is refused: asking again for what cannot be read would go
 * on for ever. Late messages are never digested, because what they say may be older than what is known: their content
 * comes again, under a new number. */
#include "sync/ftfw.h"

#define JUMP_MIN	65536	/* a gap up to this size is always believed */
#define JUMP_PROOF	3	/* messages that prove a larger one */

enum message {
	MSG_DATA,
	MSG_EXPECT,
	MSG_ACK,
	MSG_NACK,
	MSG_RESYNC,
	MSG_ALIVE,
	MSG_REFUSED,
};

/* Mode check (protocol.md 5.2). Should several meanings be set, the first counts. */
static enum message recv_classify(const struct wire_hdr *hdr)
{
	if (hdr->type <= WIRE_EXP_DEL) {
		if (hdr->flags & ~WIRE_F_HELLO_MASK)
			return MSG_REFUSED;
		return hdr->type <= WIRE_CT_DEL ? MSG_DATA : MSG_EXPECT;
	}
	if (hdr->type != WIRE_CTL)
		return MSG_REFUSED;
	if (hdr->flags & (WIRE_F_ACK | WIRE_F_NACK)) {
		if (seq_before(hdr->to, hdr->from))
			return MSG_REFUSED;
		return hdr->flags & WIRE_F_ACK ? MSG_ACK : MSG_NACK;
	}
	if (hdr->flags & WIRE_F_RESYNC)
		return MSG_RESYNC;
	return hdr->flags & WIRE_F_ALIVE ? MSG_ALIVE : MSG_REFUSED;
}

static enum sync_verdict digest_data(struct ftfw *f, struct peer *p, const struct wire_hdr *hdr, struct cursor body,
				     struct mono now)
{
	enum sync_verdict verdict = sync_digest_flow(&f->base, p->id, hdr, body, true, now);

	if (verdict == SYNC_ACCEPTED)
		p->rs.data = now;
	return verdict;
}

/* A keepalive, which of a node of our kind may say more. */
static void digest_alive(struct ftfw *f, struct peer *p, const struct wire_hdr *hdr, struct cursor body, struct mono now)
{
	uint32_t seq, what;

	if (wire_get_complete(hdr, body, &seq, &what) && what == WIRE_NOT_WHOLE)
		resync_partial(f, p, seq, now);
}

static void digest_resync(struct ftfw *f, struct peer *p, const struct wire_hdr *hdr, struct mono now)
{
	p->ours = hdr->from != 0;
	bulk_asked(f, p, hdr->seq, now);
}

static enum sync_verdict digest(struct ftfw *f, struct peer *p, const struct wire_hdr *hdr, struct cursor body,
				struct mono now)
{
	switch (recv_classify(hdr)) {
	case MSG_DATA:
		return digest_data(f, p, hdr, body, now);
	case MSG_EXPECT:
		p->rs.data = now;
		return sync_digest_expect(&f->base, p->id, hdr, body, now);
	case MSG_ALIVE:
		digest_alive(f, p, hdr, body, now);
		return SYNC_ACCEPTED;
	case MSG_ACK:
		ack_got_ack(f, p, hdr, now);
		return SYNC_ACCEPTED;
	case MSG_NACK:
		ack_got_nack(f, p, hdr, now);
		return SYNC_ACCEPTED;
	case MSG_RESYNC:
		digest_resync(f, p, hdr, now);
		return SYNC_ACCEPTED;
	case MSG_REFUSED:	/* counted when it came */
		break;
	}
	return SYNC_REFUSED;
}

/* Our HELLO has arrived. A 1.4.x never misses what is lost of the messages that carry it, so whoever got a bulk send
 * while they did gets another one. */
static void recv_hello_back(struct ftfw *f, struct mono now)
{
	f->hello = HELLO_DONE;
	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++) {
		struct peer *p = &f->peer[i];

		if (p->used && !mono_is_set(p->bulk_at))
			p->bulk_at = mono_add_ms(now, FTFW_KEEPALIVE_MS);
	}
}

static void recv_hello(struct ftfw *f, struct peer *p, const struct wire_hdr *hdr, struct mono now)
{
	if (hdr->flags & WIRE_F_HELLO) {
		p->hello_end = hdr->seq + 1;
		f->say_back = true;
		if (log_limit_pass(&p->hello_limit, 2, 100, now, NULL))
			p->ack_soon = true;
	} else if (p->in_hello) {
		p->in_hello = false;
		p->hello_end = hdr->seq;
	}
	if ((hdr->flags & WIRE_F_HELLO_BACK) && f->hello == HELLO_SAY)
		recv_hello_back(f, now);
}

/* What a message was, in one word that is never 0: enough to tell a duplicate from another message of that number. */
static uint32_t recv_print(const struct wire_hdr *hdr)
{
	return (uint32_t)(hdr->len << 16 | hdr->flags << 8 | hdr->type << 1 | 1) ^ (hdr->from << 1) ^ (hdr->to << 5);
}

/* It is this message's turn. */
static enum sync_verdict recv_accept(struct ftfw *f, struct peer *p, const struct wire_hdr *hdr, struct cursor body,
				     struct mono now)
{
	enum sync_verdict verdict;

	p->last = hdr->seq;
	p->seen[hdr->seq % FTFW_SEEN] = recv_print(hdr);
	p->stray.n = 0;
	recv_hello(f, p, hdr, now);
	verdict = digest(f, p, hdr, body, now);
	ack_accepted(f, p, hdr->seq, hdr->type <= WIRE_EXP_DEL, now);
	return verdict;
}

/* Digest what was kept and is in sequence now. */
static void recv_drain(struct ftfw *f, struct peer *p, struct mono now)
{
	struct wire_hdr hdr;
	struct cursor body;

	while (reorder_take(&p->reorder, p->last + 1, &hdr, &body))
		recv_accept(f, p, &hdr, body, now);
	p->gap_due = (struct mono){ 0 };
	if (p->reorder.n > 0)
		p->gap_due = mono_add_ms(now, FTFW_REORDER_MS);
}

/* The largest gap that loss explains. */
static uint32_t recv_limit(const struct ftfw *f)
{
	return f->ring_max > JUMP_MIN / 4 ? 4 * f->ring_max : JUMP_MIN;
}

/* What is between the last number and seq is lost: ask for it, and go on with seq. */
static void recv_skip(struct ftfw *f, struct peer *p, uint32_t seq, struct mono now)
{
	uint32_t missing = seq - p->last - 1;

	if (missing <= recv_limit(f))
		f->base.stats.lost += missing;
	ack_nack(f, p, p->last + 1, seq - 1, now);
	for (uint32_t i = missing < FTFW_SEEN ? missing : FTFW_SEEN; i > 0; i--)
		p->seen[(seq - i) % FTFW_SEEN] = 0;
	p->last = seq - 1;
	/* The peer keeps about as many messages as we do: of so many, some are surely gone when our NACK arrives. */
	if (missing > ftfw_peer_ring(f) / 2)
		resync_want(f, p, now);
}

void recv_gap_due(struct ftfw *f, struct peer *p, struct mono now)
{
	recv_skip(f, p, reorder_lowest(&p->reorder, p->last + 1), now);
	recv_drain(f, p, now);
}

static void recv_kept(struct ftfw *f, struct peer *p, uint32_t seq, struct mono now)
{
	if (p->reorder.n == 1)
		p->gap_due = mono_add_ms(now, FTFW_REORDER_MS);
	else if (seq_before(seq, p->ahead_high))
		f->base.stats.reordered++;
	if (p->reorder.n == 1 || seq_after(seq, p->ahead_high))
		p->ahead_high = seq;
}

/* Ahead of its turn. */
static enum sync_verdict recv_ahead(struct ftfw *f, struct peer *p, const struct wire_hdr *hdr, struct cursor body,
				    struct mono now)
{
	enum sync_verdict verdict;

	while (hdr->seq != p->last + 1) {
		uint32_t next = p->last + 1;

		switch (reorder_put(&p->reorder, next, hdr, body)) {
		case REORDER_KEPT:
			recv_kept(f, p, hdr->seq, now);
			return SYNC_HELD;
		case REORDER_TWICE:
			f->base.stats.before++;
			return SYNC_DROPPED;
		case REORDER_NO_ROOM:
			break;
		}
		/* No room: the oldest gap is loss after all, be it in front of what is kept or of this one. */
		if (p->reorder.n > 0 && seq_before(reorder_lowest(&p->reorder, next), hdr->seq))
			recv_gap_due(f, p, now);
		else
			recv_skip(f, p, hdr->seq, now);
	}
	verdict = recv_accept(f, p, hdr, body, now);
	recv_drain(f, p, now);
	return verdict;
}

/* A number that was accepted comes again. When it is not the same message, one of the two was not the peer's, and what
 * the other one said is missing, though it is acknowledged. */
static void recv_twice(struct ftfw *f, struct peer *p, const struct wire_hdr *hdr, struct mono now)
{
	uint32_t print = p->seen[hdr->seq % FTFW_SEEN];
	char name[SOURCE_NAME];

	if (p->last - hdr->seq >= FTFW_SEEN || print == 0 || print == recv_print(hdr))
		return;
	f->base.stats.restarts++;
	ftfw_log(f, &f->stray_log, now, LOG_LVL_WARNING, "two different messages of peer %s have number %u",
		 peer_name(p, name), hdr->seq);
	resync_want(f, p, now);
}

/* A number before its turn, or an impossible jump. */
static enum sync_verdict recv_stray(struct ftfw *f, struct peer *p, const struct wire_hdr *hdr, struct cursor body,
				    bool jump, struct mono now)
{
	char name[SOURCE_NAME];
	bool proven = stray_add(&p->stray, hdr->seq, now);
	uint32_t first = p->stray.first;

	if (jump && p->stray.n >= JUMP_PROOF) {	/* so much was lost: an outage */
		recv_skip(f, p, hdr->seq, now);
		reorder_clear(&p->reorder);
		p->gap_due = (struct mono){ 0 };
		return recv_accept(f, p, hdr, body, now);
	}
	if (!jump) {
		f->base.stats.before++;
		recv_twice(f, p, hdr, now);
	}
	if (jump || !proven)
		return SYNC_DROPPED;
	ftfw_log(f, &f->stray_log, now, LOG_LVL_WARNING, "numbers of peer %s do not fit any more, picked up at %u",
		 peer_name(p, name), hdr->seq);
	f->base.stats.restarts++;
	peer_restart(f, p, first, false, now);
	/* What was dropped meanwhile was genuine: ask for it, since it may hold acknowledgements nobody repeats. */
	ack_nack(f, p, first, hdr->seq - 1, now);
	p->last = hdr->seq - 1;
	return recv_accept(f, p, hdr, body, now);
}

static enum sync_verdict recv_track(struct ftfw *f, struct peer *p, const struct wire_hdr *hdr, struct cursor body,
				    struct mono now)
{
	uint32_t ahead = hdr->seq - p->last - 1;
	enum sync_verdict verdict;

	if ((int32_t)ahead < 0)
		return recv_stray(f, p, hdr, body, false, now);
	if (ahead > recv_limit(f))
		return recv_stray(f, p, hdr, body, true, now);
	if (ahead > 0)
		return recv_ahead(f, p, hdr, body, now);
	if (p->reorder.n > 0)
		f->base.stats.reordered++;
	verdict = recv_accept(f, p, hdr, body, now);
	if (p->reorder.n > 0)
		recv_drain(f, p, now);
	return verdict;
}

/* Type and flags that FTFW does not know: another mode, a newer version, or garbage. */
static void recv_refuse(struct ftfw *f, struct mono now)
{
	wire_stats_count(&f->base.stats.wire, WIRE_BAD_HEADER);
	f->base.stats.foreign_mode++;
	ftfw_log(f, &f->mode_log, now, LOG_LVL_WARNING,
		 "a message that FTFW does not know was refused: does a peer speak another mode?");
}

enum sync_verdict ftfw_recv(struct sync *s, const struct sync_source *from, const struct wire_hdr *hdr,
			    struct cursor body, struct mono now)
{
	struct ftfw *f = (struct ftfw *)s;
	bool refused = recv_classify(hdr) == MSG_REFUSED;
	struct peer *p;

	if (refused)
		recv_refuse(f, now);
	p = peer_find(f, from, hdr, !refused, now);
	if (!p)
		return refused ? SYNC_REFUSED : SYNC_DROPPED;
	/* Its number may be garbage too: believed only where a number is expected. */
	if (refused && hdr->seq - p->last - 1 >= REORDER_MAX)
		return SYNC_REFUSED;
	s->stats.recv_msgs++;
	silence_over(s, &p->silence, &p->source[0], p->heard, now);
	p->heard = now;
	if ((hdr->flags & WIRE_F_HELLO) && !refused && peer_hello_is_restart(p, hdr->seq, now)) {
		s->stats.restarts++;
		peer_restart(f, p, hdr->seq, true, now);
	}
	return recv_track(f, p, hdr, body, now);
}
