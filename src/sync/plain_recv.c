/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Receiving without acknowledgements: who sends, and is it this message's turn (doc/protocol.md section 10).
 *
 *   number               action
 *   last + 1             accept, then whatever waited behind it
 *   up to 128 ahead      keep for at most 10 ms; then what is missing is lost, go on behind the gap
 *   farther              what is missing is lost, go on with this one
 *   a little before      late, or twice: dropped, because what it says may be older than what is known. When they keep
 *                        coming and continue each other, the peer began anew
 *   far before           the peer began anew: no network holds a message back for so long
 *
 * 1.4.x begins with the wall clock, so a node that sent more than one message per second begins again a little before
 * or far before where it was. What was dropped until that was noticed is part of what the protocol then asks for. */
#include "sync/plain.h"

#define LATE_MAX	16384	/* numbers: a burst that is duplicated, or held back, is no longer */
#define LOSS_MAX	(1u << 20)	/* a larger gap is not loss but a number from nowhere */
#define PEER_GONE_MS	60000	/* the place of a peer silent for this long may be taken */

/* ---- peers ---- */

static bool peer_on_link(const struct plain_peer *p, uint8_t link)
{
	for (unsigned int i = 0; i < p->n_sources; i++)
		if (p->source[i].link == link)
			return true;
	return false;
}

/* A node has one number sequence over all its links, so a new address on another link may be a known peer: its numbers
 * go on, or it is all we know and has fallen silent. */
static bool peer_could_be(const struct plain *s, const struct plain_peer *p, const struct sync_source *from,
			  uint32_t seq, struct mono now)
{
	unsigned int known = 0;

	if (!p->used || p->n_sources == SYNC_SOURCES || peer_on_link(p, from->link))
		return false;
	if (seq - p->last - 1 <= LATE_MAX)
		return true;
	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++)
		known += s->peer[i].used;
	return known == 1 && !sync_within(p->heard, PLAIN_SILENCE_MS, now);
}

/* The one peer that could have moved to this link. Two candidates are no answer. */
static struct plain_peer *peer_moved(struct plain *s, const struct sync_source *from, uint32_t seq, struct mono now)
{
	struct plain_peer *found = NULL;

	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++) {
		if (!peer_could_be(s, &s->peer[i], from, seq, now))
			continue;
		if (found)
			return NULL;
		found = &s->peer[i];
	}
	return found;
}

/* A free place, or that of the peer that has been silent longest, if long enough. */
static struct plain_peer *peer_place(struct plain *s, struct mono now)
{
	struct plain_peer *oldest = NULL;

	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++) {
		struct plain_peer *p = &s->peer[i];

		if (!p->used)
			return p;
		if (!oldest || mono_before(p->heard, oldest->heard))
			oldest = p;
	}
	return sync_within(oldest->heard, PEER_GONE_MS, now) ? NULL : oldest;
}

struct plain_peer *plain_peer_known(struct plain *s, const struct sync_source *from)
{
	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++)
		for (unsigned int k = 0; s->peer[i].used && k < s->peer[i].n_sources; k++)
			if (source_same(&s->peer[i].source[k], from))
				return &s->peer[i];
	return NULL;
}

static void peer_begins(struct plain *s, struct plain_peer *p, bool fresh, struct mono now)
{
	s->ops->contact(s, p, fresh, now);
	sync_peer_begins(&s->base, p->id);
}

static struct plain_peer *peer_add(struct plain *s, const struct sync_source *from, uint32_t seq, struct mono now)
{
	struct plain_peer *p = peer_moved(s, from, seq, now);
	char name[SOURCE_NAME];

	if (p) {
		p->source[p->n_sources++] = *from;
		return p;
	}
	p = peer_place(s, now);
	if (!p) {
		s->base.stats.peers_refused++;
		return NULL;
	}
	reorder_free(&p->reorder);
	*p = (struct plain_peer){ .used = true, .id = (uint8_t)(p - s->peer), .n_sources = 1, .heard = now };
	p->source[0] = *from;
	p->last = seq - 1;
	plain_log(s, &s->peer_log, now, LOG_LVL_NOTICE, "new peer %s", source_name(from, name));
	peer_begins(s, p, true, now);
	return p;
}

/* ---- numbers ---- */

static enum sync_verdict track_accept(struct plain *s, struct plain_peer *p, const struct wire_hdr *hdr,
				      struct cursor body, struct mono now)
{
	p->last = hdr->seq;
	p->stray.n = 0;
	return s->ops->accept(s, p, hdr, body, now);
}

/* Accept what was kept and is in sequence now. */
static void track_drain(struct plain *s, struct plain_peer *p, struct mono now)
{
	struct wire_hdr hdr;
	struct cursor body;

	while (reorder_take(&p->reorder, p->last + 1, &hdr, &body))
		track_accept(s, p, &hdr, body, now);
	p->gap_due = (struct mono){ 0 };
	if (p->reorder.n > 0)
		p->gap_due = mono_add_ms(now, PLAIN_REORDER_MS);
}

/* What is between the last number and seq is lost. */
static void track_skip(struct plain *s, struct plain_peer *p, uint32_t seq, struct mono now)
{
	uint32_t missing = seq - p->last - 1;

	if (missing == 0)
		return;
	if (missing <= LOSS_MAX)
		s->base.stats.lost += missing;
	p->last = seq - 1;
	s->ops->missing(s, p, now);
}

static void track_gap_due(struct plain *s, struct plain_peer *p, struct mono now)
{
	track_skip(s, p, reorder_lowest(&p->reorder, p->last + 1), now);
	track_drain(s, p, now);
}

/* Ahead of its turn. False: there is no room for it, the oldest gap is loss. */
static bool track_keep(struct plain *s, struct plain_peer *p, const struct wire_hdr *hdr, struct cursor body,
		       struct mono now)
{
	switch (reorder_put(&p->reorder, p->last + 1, hdr, body)) {
	case REORDER_KEPT:
		if (p->reorder.n == 1)
			p->gap_due = mono_add_ms(now, PLAIN_REORDER_MS);
		else if (seq_before(hdr->seq, p->ahead_high))
			s->base.stats.reordered++;
		if (p->reorder.n == 1 || seq_after(hdr->seq, p->ahead_high))
			p->ahead_high = hdr->seq;
		return true;
	case REORDER_TWICE:
		s->base.stats.before++;
		return true;
	case REORDER_NO_ROOM:
		break;
	}
	return false;
}

void plain_restart(struct plain *s, struct plain_peer *p, uint32_t seq, struct mono now)
{
	s->base.stats.restarts++;
	reorder_clear(&p->reorder);
	p->gap_due = (struct mono){ 0 };
	p->stray.n = 0;
	p->last = seq - 1;
	peer_begins(s, p, false, now);
}

static enum sync_verdict track(struct plain *s, struct plain_peer *p, const struct wire_hdr *hdr, struct cursor body,
			       struct mono now)
{
	enum sync_verdict verdict;

	if (!seq_after(hdr->seq, p->last)) {
		if (p->last - hdr->seq < LATE_MAX) {
			s->base.stats.before++;
			if (!stray_add(&p->stray, hdr->seq, now))
				return SYNC_DROPPED;
		}
		plain_restart(s, p, hdr->seq, now);
	}
	while (hdr->seq != p->last + 1) {
		if (track_keep(s, p, hdr, body, now))
			return SYNC_HELD;
		if (p->reorder.n > 0 && seq_before(reorder_lowest(&p->reorder, p->last + 1), hdr->seq))
			track_gap_due(s, p, now);
		else
			track_skip(s, p, hdr->seq, now);
	}
	if (p->reorder.n > 0)
		s->base.stats.reordered++;
	verdict = track_accept(s, p, hdr, body, now);
	if (p->reorder.n > 0)
		track_drain(s, p, now);
	return verdict;
}

enum sync_verdict plain_track(struct plain *s, const struct sync_source *from, const struct wire_hdr *hdr,
			      struct cursor body, struct mono now)
{
	struct plain_peer *p = plain_peer_known(s, from);
	bool back = p && !sync_within(p->heard, PLAIN_SILENCE_MS, now);

	if (!p)
		p = peer_add(s, from, hdr->seq, now);
	if (!p)
		return SYNC_DROPPED;
	s->base.stats.recv_msgs++;
	silence_over(&s->base, &p->silence, &p->source[0], p->heard, now);
	p->heard = now;
	if (back)
		peer_begins(s, p, false, now);
	return track(s, p, hdr, body, now);
}

void plain_foreign(struct plain *s, const struct sync_source *from, const struct wire_hdr *hdr, const char *mode,
		   struct mono now)
{
	struct plain_peer *p = plain_peer_known(s, from);
	char name[SOURCE_NAME];

	s->base.stats.foreign_mode++;
	if (p && hdr->seq == p->last + 1)
		p->last = hdr->seq;
	for (unsigned int i = 0; i < s->n_foreign; i++)
		if (source_same(&s->foreign[i], from))
			return;
	if (s->n_foreign < SYNC_MAX_PEERS)
		s->foreign[s->n_foreign++] = *from;
	plain_log(s, &s->mode_log, now, LOG_LVL_WARNING, "peer %s speaks another mode: it sends what %s does not know",
		  source_name(from, name), mode);
}

struct mono plain_tick_peers(struct plain *s, struct mono now)
{
	struct mono next = { 0 };

	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++) {
		struct plain_peer *p = &s->peer[i];

		if (!p->used)
			continue;
		if (sync_due(p->gap_due, now))
			track_gap_due(s, p, now);
		next = mono_min(next, p->gap_due);
		silence_check(&s->base, &p->silence, &p->source[0], p->heard, now);
	}
	return next;
}
