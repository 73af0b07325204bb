/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Multicast, IPv4 and IPv6. Options and their order: doc/protocol.md section 8.
 *
 * The receiver is bound to the group address, so a unicast datagram to the same port never gets
 * here (1.4.7 binds the wildcard and takes it); MULTICAST_ALL off keeps groups joined by others
 * out; and the interface a datagram came in on is compared with ours, because a group can be joined
 * on several interfaces of a machine. Who is in the group may be heard: there can be more than one
 * peer, and no address of theirs is configured. */
#include "channel/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "channel/port_owner.h"
#include "channel/udp_sock.h"
#include "channel/vrf.h"

#define ADDRS_MAX_AGE_MS 2000

static bool is_v4(const struct link *l)
{
	return l->conf->family == AF_INET;
}

static const char *group_keyword(const struct link *l)
{
	return is_v4(l) ? "IPv4_address" : "IPv6_address";
}

/* IPv4: the interface that has the address given as IPv4_interface, as in 1.4.x. IPv6: the one
 * named by Interface. */
static int find_interface(struct link *l, struct text *err)
{
	const struct channel_link_conf *c = l->conf;
	char local[INET6_ADDRSTRLEN], owner[IF_NAMESIZE] = "?", at[LINK_PLACE_MAX];
	unsigned int wanted;
	int ret = link_find_interface(l, &wanted, err);

	if (ret < 0)
		return ret;
	l->ifindex = wanted;
	if (!is_v4(l))
		return 0;
	link_addr_text(l, &c->local, local);
	l->ifindex = ifaddr_owner(AF_INET, &c->local, wanted);
	if (l->ifindex == 0) {
		text_printf(err,
			    "%s: no interface of this machine has the address %s (IPv4_interface)",
			    link_place(l, &c->local_at, at), local);
		return -EADDRNOTAVAIL;
	}
	if (l->ifindex != wanted) {
		if_indextoname(l->ifindex, owner);
		log_warnx("%s: IPv4_interface %s belongs to %s, not to Interface %s: the traffic "
			  "goes through %s",
			  link_place(l, &c->local_at, at), local, owner, c->ifname, owner);
	}
	return 0;
}

static int check_group(const struct link *l, struct text *err)
{
	const union channel_addr *group = &l->conf->dest;
	char text[INET6_ADDRSTRLEN], at[LINK_PLACE_MAX];

	if (is_v4(l) ? IN_MULTICAST(ntohl(group->v4.s_addr)) : IN6_IS_ADDR_MULTICAST(&group->v6))
		return 0;
	text_printf(err, "%s: %s (%s) is not a multicast address (%s)",
		    link_place(l, &l->conf->dest_at, at), link_addr_text(l, group, text),
		    group_keyword(l), is_v4(l) ? "224.0.0.0 to 239.255.255.255" : "ff00::/8");
	return -EINVAL;
}

static int set_tx_v4(struct link *l)
{
	struct ip_mreqn via = { .imr_address = l->conf->local.v4, .imr_ifindex = (int)l->ifindex };
	int off = 0;

	if (setsockopt(l->tx, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof(off)) == -1 ||
	    setsockopt(l->tx, IPPROTO_IP, IP_MULTICAST_IF, &via, sizeof(via)) == -1)
		return -errno;
	return 0;
}

static int set_tx_v6(struct link *l)
{
	int off = 0, via = (int)l->ifindex;

	if (setsockopt(l->tx, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &off, sizeof(off)) == -1 ||
	    setsockopt(l->tx, IPPROTO_IPV6, IPV6_MULTICAST_IF, &via, sizeof(via)) == -1)
		return -errno;
	return 0;
}

/* IPv6: speak from the link-local address, even while it is tentative. Else the kernel would choose
 * one that is usable at the moment, and change its mind a second later; but a peer in the group is
 * known by its address. */
static void bind_source(struct link *l, struct mono now)
{
	union channel_addr source;
	union udp_addr addr;
	socklen_t len;
	int on = 1;

	if (is_v4(l) || l->source_bound)
		return;
	ifaddr_refresh(&l->addrs, 0, now);
	if (!ifaddr_link_local(&l->addrs, l->ifindex, &source))
		return;
	len = udp_sock_addr(l, &source, 0, &addr);
	l->source_bound = setsockopt(l->tx, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on)) == 0 &&
			  bind(l->tx, &addr.sa, len) == 0;
}

static int open_tx(struct link *l, struct text *err)
{
	int ret = udp_sock_open_tx(l);

	if (ret == 0)
		ret = vrf_bind(l->tx, l->vrf);
	if (ret == 0)
		ret = is_v4(l) ? set_tx_v4(l) : set_tx_v6(l);
	l->source_bound = false;
	if (ret == 0)
		bind_source(l, clock_now());
	if (ret < 0)
		text_printf(err, "line %u: multicast sending socket: %s", l->conf->line,
			    strerror(-ret));
	return ret;
}

static int join_v4(struct link *l)
{
	struct ip_mreqn group = {
		.imr_multiaddr = l->conf->dest.v4,
		.imr_address = l->conf->local.v4,
		.imr_ifindex = (int)l->ifindex,
	};
	int off = 0;

	if (setsockopt(l->rx, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)) == -1 ||
	    setsockopt(l->rx, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof(off)) == -1)
		return -errno;
	return 0;
}

static int join_v6(struct link *l)
{
	struct ipv6_mreq group = { .ipv6mr_multiaddr = l->conf->dest.v6,
				   .ipv6mr_interface = l->ifindex };
	int off = 0;

	if (setsockopt(l->rx, IPPROTO_IPV6, IPV6_JOIN_GROUP, &group, sizeof(group)) == -1)
		return -errno;
	/* Kernels before 4.20 do not have it; the arrival interface is compared anyway. */
	if (setsockopt(l->rx, IPPROTO_IPV6, IPV6_MULTICAST_ALL, &off, sizeof(off)) == -1 &&
	    errno != ENOPROTOOPT)
		return -errno;
	return 0;
}

static int open_rx(struct link *l, struct text *err)
{
	const struct channel_link_conf *c = l->conf;
	union udp_addr group;
	socklen_t len = udp_sock_addr(l, &c->dest, c->port, &group);
	char text[INET6_ADDRSTRLEN], at[LINK_PLACE_MAX];
	int on = 1, ret = udp_sock_open_rx(l);

	if (ret == 0)
		ret = vrf_bind(l->rx, l->vrf);
	/* Two daemons of one machine may be in one group: each gets its own copy. */
	if (ret == 0 && (setsockopt(l->rx, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
			 bind(l->rx, &group.sa, len) == -1))
		ret = -errno;
	if (ret == 0)
		ret = is_v4(l) ? join_v4(l) : join_v6(l);
	if (ret < 0)
		text_printf(err, "%s: multicast group %s (%s), port %u (Group), on %s: %s",
			    link_place(l, ret == -EADDRINUSE ? &c->port_at : &c->dest_at, at),
			    link_addr_text(l, &c->dest, text), group_keyword(l), c->port, c->ifname,
			    strerror(-ret));
	if (ret == -EADDRINUSE)
		port_owner_text("udp", c->port, err);
	return ret;
}

static int mcast_open(struct link *l, struct text *err)
{
	int ret = check_group(l, err);

	if (ret == 0)
		ret = find_interface(l, err);
	l->vrf = ret == 0 ? vrf_of(l->ifindex) : 0;
	if (ret == 0)
		ret = open_tx(l, err);
	if (ret == 0)
		ret = open_rx(l, err);
	return ret;
}

/* Anybody but ourselves. Our own datagrams come back when the switch sends them back, for
 * example. */
static struct link *hear(struct link *l, const struct udp_source *from, struct mono now,
			 union channel_addr *as)
{
	int family = l->conf->family;

	*as = from->addr;
	if (from->ifindex != l->ifindex) {
		udp_sock_refuse_interface(l, from, now);
		return NULL;
	}
	if (ifaddr_equal(family, &from->addr, &l->last_heard))
		return l;
	/* An address can move from us to the peer, so an old list is not believed. */
	ifaddr_refresh(&l->addrs, ADDRS_MAX_AGE_MS, now);
	if (ifaddr_is_own(&l->addrs, l->ifindex, family, &from->addr)) {
		l->stats.own++;
		return NULL;
	}
	l->last_heard = from->addr;
	return l;
}

static unsigned int mcast_recv(struct link *l, struct link_rx *rx, struct mono now)
{
	return udp_sock_recv(l, rx, now, hear);
}

const struct link_ops mcast_ops = {
	.kind = "multicast",
	.unit = "datagram",
	.overhead_v4 = UDP_OVERHEAD_V4,
	.overhead_v6 = UDP_OVERHEAD_V6,
	.open = mcast_open,
	.send = udp_sock_send,
	.recv = mcast_recv,
	.look = bind_source,
};
