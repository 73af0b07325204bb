/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may speak. Version 1 of the protocol has no authentication, so the least is done that can be: datagrams have to
 * come in on the interface of the link, and from the peer. Its address is the one we send to; but the sending socket of
 * 1.4.x is not bound, so a peer that has several addresses may speak from another of them. Therefore, until the
 * configured address has been heard, the first neighbour that speaks is adopted in its place, with a line in the log
 * that says which configuration would do without. As soon as the configured address is heard, it is the only one, for
 * good. An adopted one that falls silent may be followed by another: addresses of a peer come and go (IPv6 privacy
 * addresses, virtual addresses), and the next one is worth no less than the first. */
#include "channel/speaker.h"

#include <stdio.h>

#include "base/log.h"
#include "channel/unicast.h"

#define ADDRS_MAX_AGE_MS 1000
#define ADOPTED_SILENT_MS 30000	/* 1.4.x speaks every second in FTFW */
#define ADOPTION_LINES 3	/* at once; then one in ten minutes */
#define ADOPTION_LINE_MS 600000

static void log_adoption(struct link *l, const struct udp_source *from, struct mono now)
{
	char addr[INET6_ADDRSTRLEN], dest[INET6_ADDRSTRLEN];

	if (!log_limit_pass(&l->peer.lines, ADOPTION_LINES, ADOPTION_LINE_MS, now, NULL))
		return;
	link_addr_text(l, &from->addr, addr);
	log_warnx("line %u: %s link: the peer speaks from %s, not from %s (%s); it is heard until that address "
		  "speaks. If it is the peer, write \"%s %s\" here and \"%s %s\" there", l->conf->line, l->ops->kind, addr,
		  link_addr_text(l, &l->conf->dest, dest), unicast_dest_keyword(l), unicast_dest_keyword(l), addr,
		  unicast_local_keyword(l), addr);
}

static void hear_configured(struct link *l, struct mono now)
{
	char dest[INET6_ADDRSTRLEN], adopted[INET6_ADDRSTRLEN];
	bool first = !mono_is_set(l->peer.configured_heard);

	l->peer.configured_heard = now;
	if (first && mono_is_set(l->peer.adopted_heard))
		log_notice("line %u: %s link: %s (%s) speaks: %s is not heard any more", l->conf->line, l->ops->kind,
			   link_addr_text(l, &l->conf->dest, dest), unicast_dest_keyword(l),
			   link_addr_text(l, &l->peer.adopted, adopted));
}

/* May another address be adopted? */
static bool vacant(const struct link_peer *p, struct mono now)
{
	return !mono_is_set(p->configured_heard) && (!mono_is_set(p->adopted_heard) ||
						    mono_diff_ms(now, p->adopted_heard) > ADOPTED_SILENT_MS);
}

/* The line says when the right one was heard: a peer of 1.4.x that got one more address may suddenly speak from it. */
static void refuse_source(struct link *l, const struct udp_source *from, bool on_link, struct mono now)
{
	const struct link_peer *p = &l->peer;
	char dest[INET6_ADDRSTRLEN], adopted[INET6_ADDRSTRLEN], why[256];

	l->stats.refused_source++;
	link_addr_text(l, &l->conf->dest, dest);
	if (mono_is_set(p->configured_heard))
		snprintf(why, sizeof(why), "the peer is %s (%s), which was last heard %lld s ago", dest,
			 unicast_dest_keyword(l), (long long)mono_diff_ms(now, p->configured_heard) / 1000);
	else if (!on_link)
		snprintf(why, sizeof(why), "it is neither %s (%s) nor a neighbour", dest, unicast_dest_keyword(l));
	else
		snprintf(why, sizeof(why), "%s is heard in place of %s (%s)",
			 link_addr_text(l, &p->adopted, adopted), dest, unicast_dest_keyword(l));
	udp_sock_log_refusal(l, from, why, now);
}

bool speaker_may(struct link *l, const struct udp_source *from, struct mono now)
{
	int family = l->conf->family;
	struct link_peer *p = &l->peer;
	bool on_link;

	if (ifaddr_equal(family, &from->addr, &l->conf->dest)) {
		hear_configured(l, now);
		return true;
	}
	if (!mono_is_set(p->configured_heard) && mono_is_set(p->adopted_heard) &&
	    ifaddr_equal(family, &from->addr, &p->adopted)) {
		p->adopted_heard = now;
		return true;
	}
	ifaddr_refresh(&l->addrs, l->ifindex, ADDRS_MAX_AGE_MS, now);
	if (ifaddr_is_own(&l->addrs, family, &from->addr)) {
		l->stats.own++;
		return false;
	}
	on_link = ifaddr_is_on_link(&l->addrs, family, &from->addr);
	if (!on_link || !vacant(p, now)) {
		refuse_source(l, from, on_link, now);
		return false;
	}
	p->adopted = from->addr;
	p->adopted_heard = now;
	log_adoption(l, from, now);
	return true;
}
