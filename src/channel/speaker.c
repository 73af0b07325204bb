/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may speak on a UDP or TCP link. Version 1 of the protocol has no authentication, so the least
 * is done that can be: the source address decides. Heard are
 *
 * - the configured peer;
 * - what AcceptPeer names;
 * - without StrictPeers: neighbours, those in a subnet of Interface, of the interface to which the
 *   route to the peer leads, or of the local address. The sending socket of 1.4.x is not bound, so
 *   a peer that has several addresses may speak from any of them; and there may be several nodes
 *   behind one destination (a relay, a virtual address). Each is logged with the configuration that
 *   would name it.
 *
 * As whom? The peer has one identity above, the configured address, whichever it speaks from. So
 * the one who speaks in its place stands in for it; a node that speaks beside it keeps its own
 * address. Which of the two a new source is shows within seconds, because every node speaks once a
 * second: if the peer is heard after the new one began, they are two, and if it has fallen silent,
 * it is the same one by another address. Until then nothing is taken from the new source: numbers
 * of two nodes under one identity, or of one under two, would take long to sort out, and what was
 * not taken now is asked for again. */
#include "channel/speaker.h"

#include <stdio.h>

#include "base/log.h"
#include "channel/unicast.h"

#define ADDRS_MAX_AGE_MS 1000
#define SILENT_MS	 3000
#define GONE_MS		 60000 /* a place is free for others after such a silence */
#define NEW_LINES	 3     /* at once; then one in ten minutes */
#define NEW_LINE_MS	 600000

static struct link_speaker *find(struct link *l, const union channel_addr *addr)
{
	for (unsigned int i = 0; i < LINK_SPEAKERS; i++) {
		struct link_speaker *s = &l->peer.speaker[i];

		if (mono_is_set(s->heard) && ifaddr_equal(l->conf->family, &s->addr, addr))
			return s;
	}
	return NULL;
}

bool speaker_known(const struct link *l, const union channel_addr *addr)
{
	for (unsigned int i = 0; i < LINK_SPEAKERS; i++) {
		const struct link_speaker *s = &l->peer.speaker[i];

		if (mono_is_set(s->heard) && ifaddr_equal(l->conf->family, &s->addr, addr))
			return true;
	}
	return false;
}

const union channel_addr *speaker_of_dest(const struct link *l)
{
	for (unsigned int i = 0; i < LINK_SPEAKERS; i++) {
		const struct link_speaker *s = &l->peer.speaker[i];

		if (mono_is_set(s->heard) && s->as == SPEAKER_STANDS_IN)
			return &s->addr;
	}
	return &l->conf->dest;
}

/* A free place, or that of the one who has been silent longest, if long enough. */
static struct link_speaker *place(struct link *l, struct mono now)
{
	struct link_speaker *oldest = &l->peer.speaker[0];

	for (unsigned int i = 0; i < LINK_SPEAKERS; i++) {
		struct link_speaker *s = &l->peer.speaker[i];

		if (!mono_is_set(s->heard))
			return s;
		if (mono_before(s->heard, oldest->heard))
			oldest = s;
	}
	return mono_diff_ms(now, oldest->heard) > GONE_MS ? oldest : NULL;
}

/* ---- who is let in ---- */

static bool is_listed(const struct link *l, const union channel_addr *addr)
{
	for (uint32_t i = 0; l->all && i < l->all->n_accept; i++) {
		const struct channel_accept *a = &l->all->accept[i];
		const uint8_t *want = (const uint8_t *)&a->addr, *got = (const uint8_t *)addr;
		unsigned int whole = a->prefix / 8, rest = a->prefix % 8;

		if (a->family == l->conf->family && memcmp(want, got, whole) == 0 &&
		    (rest == 0 || ((want[whole] ^ got[whole]) & (uint8_t)(0xff00u >> rest)) == 0))
			return true;
	}
	return false;
}

static bool is_neighbour(const struct link *l, const struct udp_source *from)
{
	int family = l->conf->family;

	/* where it came in says whose neighbour it is */
	if (family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&from->addr.v6))
		return from->ifindex != 0 &&
		       (from->ifindex == l->ifindex || from->ifindex == l->way.ifindex);
	return ifaddr_is_on_link(&l->addrs, l->ifindex, family, &from->addr) ||
	       ifaddr_is_on_link(&l->addrs, l->way.ifindex, family, &from->addr) ||
	       ifaddr_is_beside(&l->addrs, family, &l->conf->local, &from->addr);
}

static void refuse(struct link *l, const struct udp_source *from, const char *why, struct mono now)
{
	char addr[INET6_ADDRSTRLEN], dest[INET6_ADDRSTRLEN], text[320];

	l->stats.refused_source++;
	snprintf(text, sizeof(text),
		 "%s. The peer is %s (%s); if this is a node of yours, write \"AcceptPeer %s\" in "
		 "Options of section Sync",
		 why, link_addr_text(l, &l->conf->dest, dest), link_dest_keyword(l),
		 link_addr_text(l, &from->addr, addr));
	udp_sock_log_refusal(l, from, text, now);
}

/* Is it one of our own sockets? The address alone does not tell, where a relay on this machine
 * speaks for the peer; nor does the port, which another node may have as well. */
static bool is_own_socket(struct link *l, const struct udp_source *from, struct mono now)
{
	const struct link *each = l->leader;
	int family = l->conf->family;

	while (each && each->tx_port != from->port)
		each = each->next;
	if (!each)
		return false;
	ifaddr_refresh(&l->addrs, ADDRS_MAX_AGE_MS, now);
	return ifaddr_is_own(&l->addrs, 0, family, &from->addr);
}

static bool may_enter(struct link *l, const struct udp_source *from, struct mono now)
{
	int family = l->conf->family;

	ifaddr_refresh(&l->addrs, ADDRS_MAX_AGE_MS, now);
	if (!l->dest_own && ifaddr_is_own(&l->addrs, 0, family, &from->addr)) {
		l->stats.own++;
		return false;
	}
	if (is_listed(l, &from->addr))
		return true;
	if (l->all && l->all->strict)
		refuse(l, from, "StrictPeers is on", now);
	else if (is_neighbour(l, from) ||
		 (l->dest_own && ifaddr_is_own(&l->addrs, 0, family, &from->addr)))
		return true;
	else
		refuse(l, from, "it is neither the peer nor a neighbour", now);
	return false;
}

/* ---- as whom ---- */

static void log_new(struct link *l, const struct udp_source *from, struct mono now)
{
	char addr[INET6_ADDRSTRLEN], dest[INET6_ADDRSTRLEN];

	if (is_listed(l, &from->addr) ||
	    !log_limit_pass(&l->peer.lines, NEW_LINES, NEW_LINE_MS, now, NULL))
		return;
	link_addr_text(l, &from->addr, addr);
	log_warnx("line %u: %s link: %s speaks, which is not %s (%s), and is heard as a neighbour. "
		  "If it is the peer, write \"%s %s\" here and \"%s %s\" there; if it is one more "
		  "node, \"AcceptPeer %s\" in Options of section Sync",
		  l->conf->line, l->ops->kind, addr, link_addr_text(l, &l->conf->dest, dest),
		  link_dest_keyword(l), link_dest_keyword(l), addr, link_local_keyword(l), addr,
		  addr);
}

static struct link_speaker *enter(struct link *l, const struct udp_source *from, struct mono now)
{
	struct link_speaker *s;

	if (!may_enter(l, from, now))
		return NULL;
	s = place(l, now);
	if (!s) {
		refuse(l, from, "too many others speak", now);
		return NULL;
	}
	*s = (struct link_speaker){ .addr = from->addr, .first = now, .as = SPEAKER_WAITS };
	log_new(l, from, now);
	return s;
}

/* Nobody stands in for the peer any more: whoever did keeps to his own address, if he goes on. */
static void end_stand_in(struct link_peer *p)
{
	for (unsigned int i = 0; i < LINK_SPEAKERS; i++) {
		if (p->speaker[i].as == SPEAKER_STANDS_IN)
			p->speaker[i].as = SPEAKER_BESIDE;
	}
}

/* Is it known by now which of the two a new source is? */
static void decide(struct link_peer *p, struct link_speaker *s, struct mono now)
{
	if (!mono_is_set(p->heard) || mono_diff_ms(now, p->heard) >= SILENT_MS) {
		end_stand_in(p);
		s->as = SPEAKER_STANDS_IN;
	} else if (mono_before(s->first, p->heard)) {
		s->as = SPEAKER_BESIDE;
	}
}

static void hear_configured(struct link *l, struct mono now)
{
	struct link_peer *p = &l->peer;

	if (!mono_is_set(p->configured_heard) ||
	    mono_diff_ms(now, p->configured_heard) >= SILENT_MS)
		end_stand_in(p);
	p->configured_heard = p->heard = now;
}

bool speaker_may(struct link *l, const struct udp_source *from, struct mono now,
		 union channel_addr *as)
{
	struct link_speaker *s;

	if (l->dest_own && is_own_socket(l, from, now)) {
		l->stats.own++;
		return false;
	}
	*as = (union channel_addr){ .v6 = IN6ADDR_ANY_INIT };
	memcpy(as, &l->conf->dest, l->conf->family == AF_INET ? sizeof(as->v4) : sizeof(as->v6));
	if (ifaddr_equal(l->conf->family, &from->addr, as)) {
		hear_configured(l, now);
		return true;
	}
	s = find(l, &from->addr);
	if (!s)
		s = enter(l, from, now);
	if (!s)
		return false;
	s->heard = now;
	if (s->as == SPEAKER_WAITS)
		decide(&l->peer, s, now);
	if (s->as == SPEAKER_WAITS) {
		l->stats.held_back++;
		return false;
	}
	if (s->as == SPEAKER_STANDS_IN)
		l->peer.heard = now;
	else
		*as = from->addr;
	return true;
}
