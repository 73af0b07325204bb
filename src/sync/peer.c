/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is speaking: peers by source address, their lives, and picking up numbers that went astray.
 *
 * A node has one number sequence over all its links, so a new address on another link whose numbers continue those of a
 * known peer is that peer. A peer's *life* begins with its first message or with a HELLO that is not part of the
 * handshake already going on. The number alone does not tell: 1.4.x starts from the wall clock, and an idle node uses
 * one number per second, so a restarted idle node very nearly continues its old numbers.
 *
 *   known peer, HELLO, number     handshake going on           handshake over
 *   continues (or a small gap)    the same life                a new life
 *   slightly before               late: dropped as old         of the old handshake and recent: dropped; else new life
 *   far away                      a new life                   a new life
 *
 * Numbers that do not fit are dropped: old ones, and jumps that no loss explains. A forged number can therefore put us
 * on a wrong track, where all genuine messages are dropped; when they keep coming and continue each other, that is
 * where the peer really is (doc/protocol.md, "robustness"). */
#include <string.h>

#include "sync/ftfw.h"

#define HELLO_SLACK	4096	/* numbers one handshake may span */
#define HELLO_LATE	64	/* numbers before the first HELLO we saw that may belong to the same handshake */
#define HELLO_LATE_MS	5000
#define PEER_GONE_MS	60000	/* the place of a peer silent for this long may be taken */

const char *peer_name(const struct peer *p, char *out)
{
	return source_name(&p->source[0], out);
}

static bool peer_on_link(const struct peer *p, uint8_t link)
{
	for (unsigned int i = 0; i < p->n_sources; i++)
		if (p->source[i].link == link)
			return true;
	return false;
}

/* Could this message, from an address nobody knows, be from p on another link? Its numbers tell, if it is the same life.
 * When p is all we know and has fallen silent, the pair has moved to its other link: also after a restart, or with so
 * much lost that the numbers tell nothing. Taking it for a third node would keep what p had told us for ever. */
static bool peer_could_be(const struct ftfw *f, const struct peer *p, const struct sync_source *from,
			  const struct wire_hdr *hdr, struct mono now)
{
	if (!p->used || p->n_sources == SYNC_SOURCES || peer_on_link(p, from->link))
		return false;
	if ((p->in_hello || !(hdr->flags & WIRE_F_HELLO)) && hdr->seq - p->last - 1 <= ftfw_peer_ring(f) / 2)
		return true;
	return f->n_peers == 1 && !peer_alive(p, now);
}

/* The one peer that could have moved to this link. Two candidates are no answer. */
static struct peer *peer_moved(struct ftfw *f, const struct sync_source *from, const struct wire_hdr *hdr,
			       struct mono now)
{
	struct peer *found = NULL;

	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++) {
		if (!peer_could_be(f, &f->peer[i], from, hdr, now))
			continue;
		if (found)
			return NULL;
		found = &f->peer[i];
	}
	return found;
}

/* A free place, or that of the peer that has been silent longest, if long enough. */
static struct peer *peer_place(struct ftfw *f, struct mono now)
{
	struct peer *oldest = NULL;

	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++) {
		struct peer *p = &f->peer[i];

		if (!p->used)
			return p;
		if (!oldest || mono_before(p->heard, oldest->heard))
			oldest = p;
	}
	return sync_within(oldest->heard, PEER_GONE_MS, now) ? NULL : oldest;
}

static struct peer *peer_add(struct ftfw *f, const struct sync_source *from, const struct wire_hdr *hdr,
			     struct mono now)
{
	struct peer *p = peer_place(f, now);
	char name[SOURCE_NAME];

	if (!p) {
		f->base.stats.peers_refused++;
		return NULL;
	}
	if (p->used) {
		ack_forget_peer(f, p);
		reorder_free(&p->reorder);
	} else {
		f->n_peers++;
	}
	*p = (struct peer){ .used = true, .id = (uint8_t)(p - f->peer), .n_sources = 1 };
	p->source[0] = *from;
	p->heard = now;
	peer_restart(f, p, hdr->seq, hdr->flags & WIRE_F_HELLO, now);
	ftfw_log(f, &f->peer_log, now, LOG_LVL_NOTICE, "new peer %s", peer_name(p, name));
	if (f->n_peers > 1 && !f->said_many) {
		f->said_many = true;
		ftfw_log(f, NULL, now, LOG_LVL_WARNING,
			 "more than one peer: acknowledgements of this protocol name no addressee, so only a resync "
			 "repairs what one of them missed, and stale entries are kept");
	}
	return p;
}

struct peer *peer_find(struct ftfw *f, const struct sync_source *from, const struct wire_hdr *hdr, bool add,
		       struct mono now)
{
	struct peer *p;

	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++) {
		p = &f->peer[i];
		if (!p->used)
			continue;
		for (unsigned int k = 0; k < p->n_sources; k++)
			if (source_same(&p->source[k], from))
				return p;
	}
	if (!add)
		return NULL;
	p = peer_moved(f, from, hdr, now);
	if (p) {
		p->source[p->n_sources++] = *from;
		return p;
	}
	return peer_add(f, from, hdr, now);
}

bool peer_hello_is_restart(const struct peer *p, uint32_t seq, struct mono now)
{
	if (p->in_hello)
		return seq - p->last - 1 + HELLO_SLACK > 2 * HELLO_SLACK;
	if (!seq_before(seq, p->hello_first - HELLO_LATE) && seq_before(seq, p->hello_end))
		return !sync_within(p->contact, HELLO_LATE_MS, now);
	return true;
}

void peer_restart(struct ftfw *f, struct peer *p, uint32_t seq, bool hello, struct mono now)
{
	ack_forget_peer(f, p);
	reorder_clear(&p->reorder);
	p->contact = p->ack_heard = now;
	p->last = seq - 1;
	p->gap_due = (struct mono){ 0 };
	p->in_hello = hello;
	p->hello_first = p->hello_end = seq;
	p->stray.n = 0;
	memset(p->seen, 0, sizeof(p->seen));
	p->window = f->ack_window;
	p->confirmed = p->bulk_owed = p->ours = false;
	p->req.active = p->req_next.active = false;
	p->bulk_at = mono_add_ms(now, FTFW_KEEPALIVE_MS);
	/* Answer at once: the other side learns from it that we hear each other, and so does not wait a second for
	 * each step of the handshake. 1.4.x takes it as what it is, an acknowledgement. */
	p->ack_soon = true;
	resync_contact(f, p, now);
	sync_peer_begins(&f->base, p->id);
}

bool peer_any_alive(const struct ftfw *f, struct mono now)
{
	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++)
		if (peer_alive(&f->peer[i], now))
			return true;
	return false;
}

bool peer_others(const struct ftfw *f, const struct peer *p, int64_t ms, struct mono now)
{
	for (unsigned int i = 0; i < SYNC_MAX_PEERS; i++)
		if (f->peer[i].used && &f->peer[i] != p && sync_within(f->peer[i].heard, ms, now))
			return true;
	return false;
}
