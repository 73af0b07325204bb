/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In what state is a link, and what is said when that changes?
 *
 * A scoped link (link.h) is as well as its interface. Any other one is as well as the interface to
 * which the routes lead now: while that is Interface, as usual, its carrier decides about the
 * change to another link. When Interface is dead and the peer is reached another way, the link
 * lives on. One way does not count: where the peer was a neighbour on Interface, a default route
 * elsewhere leads to no peer, and would only carry the states of all connections to strangers. */
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "channel/link.h"

#define ADDRS_MAX_AGE_MS 400 /* one reading serves all that is asked in one look */
#define STATE_LINES	 6   /* at once; then one per minute */
#define STATE_LINE_MS	 60000

static int interface_state(const struct ifwatch *w, unsigned int ifindex)
{
	unsigned int flags = ifindex != 0 ? ifwatch_flags(w, ifindex) : 0;

	if (ifindex == 0)
		return LINK_STATE_GONE;
	if (!(flags & IFF_UP))
		return LINK_STATE_DOWN;
	return flags & IFF_RUNNING ? LINK_STATE_UP : LINK_STATE_NO_CARRIER;
}

static int scoped_state(struct link *l, const struct ifwatch *w, struct mono now)
{
	int state;

	if (l->waits || l->ifindex == 0 || if_nametoindex(l->carrier) != l->ifindex)
		return LINK_STATE_GONE;
	state = interface_state(w, l->ifindex);
	if (state != LINK_STATE_UP)
		return state;
	return link_has_address(l, now) ? LINK_STATE_UP : LINK_STATE_NO_ADDRESS;
}

/* Is the peer in a subnet of Interface? An interface that is down has lost its addresses, or not;
 * what was known before holds until packets go through it again. */
static void note_neighbour(struct link *l, bool through, struct mono now)
{
	ifaddr_refresh(&l->addrs, ADDRS_MAX_AGE_MS, now);
	if (ifaddr_is_on_link(&l->addrs, l->ifindex, l->conf->family, &l->conf->dest))
		l->neighbour = true;
	else if (through)
		l->neighbour = false;
}

/* "ip vrf exec" binds the sockets of a program to its VRF, and their packets go by the routes of
 * that. */
static unsigned int bound_device(const struct link *l)
{
	char name[IF_NAMESIZE] = "";
	socklen_t len = sizeof(name);

	if (getsockopt(l->leader->rx, SOL_SOCKET, SO_BINDTODEVICE, name, &len) == -1 || len == 0 ||
	    !name[0])
		return 0;
	return if_nametoindex(name);
}

static int routed_state(struct link *l, const struct ifwatch *w, struct mono now)
{
	static const union channel_addr any = { .v6 = IN6ADDR_ANY_INIT };
	bool here = link_has_address(l, now);
	int ret = route_find(l->conf->family, here ? &l->conf->local : &any, &l->conf->dest,
			     bound_device(l), &l->way);
	int interface;

	l->ifindex = if_nametoindex(l->conf->ifname);
	interface = interface_state(w, l->ifindex);
	note_neighbour(l, ret == 0 && l->way.ifindex == l->ifindex, now);
	l->default_route_only =
		ret == 0 && l->neighbour && l->way.by_default && l->way.ifindex != l->ifindex;
	l->dest_own = l->way.local;
	if (!here)
		return interface != LINK_STATE_UP ? interface : LINK_STATE_NO_ADDRESS;
	if (ret < 0 || l->default_route_only)
		return interface != LINK_STATE_UP ? interface : LINK_STATE_NO_ROUTE;
	return interface_state(w, l->way.ifindex);
}

/* The interface that a line is about. */
static const char *interface_name(const struct link *l, char buf[IF_NAMESIZE])
{
	if (link_is_scoped(l))
		return l->carrier;
	if (l->state == LINK_STATE_GONE || l->default_route_only || l->way.ifindex == 0 ||
	    !if_indextoname(l->way.ifindex, buf))
		return l->conf->ifname;
	return buf;
}

static void tell_state(struct link *l, int state, unsigned int way, struct mono now)
{
	static const char *const text[] = {
		[LINK_STATE_GONE] = "does not exist",
		[LINK_STATE_DOWN] = "is down",
		[LINK_STATE_NO_CARRIER] = "has no carrier",
		[LINK_STATE_NO_ADDRESS] = "has no address",
		[LINK_STATE_NO_ROUTE] = "is up, but there is no route to the peer",
		[LINK_STATE_UP] = "is up",
	};
	bool changed = l->state != LINK_STATE_UNKNOWN && (int)l->state != state;
	bool moved =
		l->way.ifindex != 0 && way != 0 && l->way.ifindex != way && state == LINK_STATE_UP;
	char name[IF_NAMESIZE], dest[INET6_ADDRSTRLEN];

	l->state = state;
	if (!(changed || moved) ||
	    !log_limit_pass(&l->state_lines, STATE_LINES, STATE_LINE_MS, now, NULL))
		return;
	if (changed)
		log_notice("line %u: %s link: %s %s", l->conf->line, l->ops->kind,
			   interface_name(l, name), text[state]);
	else
		log_notice("line %u: %s link: the route to %s leads through %s now", l->conf->line,
			   l->ops->kind, link_addr_text(l, &l->conf->dest, dest),
			   interface_name(l, name));
}

/* Packets that are smaller than Interface would let one expect are worth a line, and so is an MTU
 * that is too small for a message with everything in it. */
static void note_mtu(struct link *l, struct mono now)
{
	size_t headers = l->conf->family == AF_INET ? l->ops->overhead_v4 : l->ops->overhead_v6;
	unsigned int mtu = link_read_mtu(l);
	char name[IF_NAMESIZE];

	if (mtu == l->mtu && l->state != LINK_STATE_UNKNOWN)
		return;
	if (l->mtu != 0 && mtu < l->mtu &&
	    log_limit_pass(&l->mtu_lines, STATE_LINES, STATE_LINE_MS, now, NULL))
		log_notice("line %u: %s link: packets of at most %u bytes from now on: the MTU of "
			   "the way through %s has become smaller",
			   l->conf->line, l->ops->kind, mtu, interface_name(l, name));
	l->mtu = mtu;
	if (mono_is_set(l->refused))
		l->segments = true;
	if (mtu >= CHANNEL_MIN_PAYLOAD + headers) {
		l->said_small = false;
		return;
	}
	if (!l->said_small)
		log_warnx("line %u: %s link: the MTU of %s, %u, is smaller than our packets, which "
			  "have up to %zu bytes: they leave in fragments",
			  l->conf->line, l->ops->kind, interface_name(l, name), mtu,
			  CHANNEL_MIN_PAYLOAD + headers);
	l->said_small = true;
}

void link_look(struct link *l, const struct ifwatch *w, struct mono now)
{
	unsigned int way = l->way.ifindex;
	int state = link_is_scoped(l) ? scoped_state(l, w, now) : routed_state(l, w, now);

	if (l->way.ifindex != way && mono_is_set(l->refused))
		l->segments = true; /* another card, another try */
	note_mtu(l, now);
	tell_state(l, state, way, now);
}
